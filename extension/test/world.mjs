// A broker, a vendor's web server and a reader's coins, in a temporary folder, on a loopback port that
// the system chooses. Nothing here is real money: the coins are those of `mmbroker trial`.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const bin = process.env["MICROMINT_BIN"] ?? join(root, "target", "debug");
const nginxModule = process.env["MICROMINT_NGINX_MODULE"] ?? join(root, "target/nginx/ngx_http_micromint_module.so");
const apacheModule = process.env["MICROMINT_APACHE_MODULE"] ?? join(root, "target/apache/mod_micromint.so");

/** A free port of this machine. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export function tool(name, ...args) {
  return execFileSync(join(bin, name), args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

const page = (title, body = "") =>
  `<!doctype html><html lang="en"><head><title>${title}</title></head><body><h1>${title}</h1>${body}</body></html>\n`;

/** A silent sound of this length: 8000 samples of 8 bits a second. */
function wav(seconds) {
  const size = seconds * 8000;
  const head = Buffer.alloc(44);
  head.write("RIFF", 0);
  head.writeUInt32LE(36 + size, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(size, 40);
  return Buffer.concat([head, Buffer.alloc(size, 128)]);
}

const PIXEL = Buffer.from("R0lGODlhAQABAIAAAP///wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==", "base64");

export class World {
  /** Servers of this process. */
  others = [];

  static async start(server, receiptTime = 3600) {
    const world = new World();
    world.folder = mkdtempSync(join(tmpdir(), "micromint-browser-"));
    world.port = await freePort();
    world.origin = `http://localhost:${world.port}`;
    world.server = server;
    tool("mmbroker", "trial", "--vendor", "localhost", "--out", join(world.folder, "trial"));
    world.writeVendor(receiptTime);
    // The vendor does not know these sets yet.
    world.broker = join(world.folder, "trial", "broker.toml");
    world.coins = join(world.folder, "trial", "more.mm");
    tool("mmbroker", "--config", world.broker, "withdraw", "--user", "reader", "--sets", "20", "--out", world.coins);
    world.writeSite();
    if (server === "nginx") await world.startNginx();
    else await world.startApache();
    return world;
  }

  writeVendor(receiptTime) {
    const vendor = join(this.folder, "vendor");
    mkdirSync(join(vendor, "periods"), { recursive: true });
    for (const name of readdirSync(join(this.folder, "trial"))) {
      if (/\.(params|owners)$/.test(name)) {
        writeFileSync(join(vendor, "periods", name), readFileSync(join(this.folder, "trial", name)));
      }
    }
    this.config = join(vendor, "micromint.toml");
    writeFileSync(
      this.config,
      `vendor-id = "localhost"\norigins = ["${this.origin}"]\nperiods = "periods"\ntill = "till"\nreceipt-time = ${receiptTime}\npage = "page.html"\nprices = "prices.toml"\n`,
    );
    writeFileSync(join(vendor, "prices.toml"), `[[price]]\npath = "/listed/{id}"\ncoins = 3\n\n[[price]]\npath = "/listed/free.html"\ncoins = 0\n`);
    // Red, so that a frame of it is easily found.
    writeFileSync(join(vendor, "page.html"), '<!doctype html><html lang="en"><head><title>Pay</title></head><body style="background:#f00"><h1>Pay</h1></body></html>\n');
  }

  /** Tells the vendor of the sets that were sold since. */
  tellOwners() {
    tool("mmbroker", "--config", this.broker, "owners", "--vendor", "localhost");
    const [name] = readdirSync(join(this.folder, "trial")).filter((it) => it.endsWith(".owners"));
    const owners = join(this.folder, "trial", name);
    const to = join(this.folder, "vendor", "periods", basename(owners));
    writeFileSync(`${to}.new`, readFileSync(owners));
    renameSync(`${to}.new`, to);
  }

  writeSite() {
    const site = join(this.folder, "site");
    for (const folder of ["one", "five", "many", "gallery", "parts", "listed"]) mkdirSync(join(site, folder), { recursive: true });
    const links = [];
    for (let i = 1; i <= 60; i += 1) {
      writeFileSync(join(site, "one", `${i}.html`), page(`Story ${i}`));
      links.push(`<a id="one${i}" href="/one/${i}.html">Story ${i}</a>`);
    }
    for (let i = 1; i <= 9; i += 1) writeFileSync(join(site, "five", `${i}.html`), page(`Dear ${i}`));
    writeFileSync(join(site, "many", "1.html"), page("Many"));
    writeFileSync(join(site, "index.html"), page("Index", links.join("\n") +
      `<a id="five1" href="/five/1.html">Dear</a> <a id="many1" href="/many/1.html">Many</a>
       <a id="listed1" href="/listed/1.html" title="Long">Listed</a> <a id="free1" href="/free.html">Free</a>
       <a id="exception" href="/listed/free.html">Exception</a> <a id="file" href="/one/file.bin" download>File</a>`));
    for (const name of ["1.html", "free.html"]) writeFileSync(join(site, "listed", name), page("Listed"));
    writeFileSync(join(site, "one", "file.bin"), Buffer.alloc(5000, 7));
    writeFileSync(join(site, "parts", "long.wav"), wav(3600));
    writeFileSync(join(site, "gallery", "sound.html"), page("Sound", `<audio id="sound" preload="metadata" src="/parts/long.wav"></audio>`));
    writeFileSync(join(site, "parts", "data.html"), page("Data"));
    writeFileSync(join(site, "gallery", "script.html"), page("Script", `<script>
      window.statuses = [];
      window.ask = async (url) => {
        for (let i = 0; i < 20; i += 1) {
          const { status } = await fetch(url, { cache: "no-store" });
          window.statuses.push(status);
          if (status !== 402) return status;
          await new Promise((resolve) => setTimeout(resolve, 250));
        }
        return 402;
      };</script>`));
    writeFileSync(join(site, "free.html"), page("Free"));
    for (const name of ["a.gif", "b.gif"]) writeFileSync(join(site, "parts", name), PIXEL);
    writeFileSync(join(site, "parts", "frame.html"), page("Frame"));
    writeFileSync(join(site, "gallery", "index.html"), page("Gallery",
      `<img id="a" src="/parts/a.gif"><img id="b" src="/parts/b.gif"><iframe id="frame" src="/parts/frame.html"></iframe>
       <script>window.fetched = fetch("/parts/a.gif?by=script").then((it) => it.status);</script>`));
    for (const name of ["c.gif", "d.gif"]) writeFileSync(join(site, "parts", name), PIXEL);
    writeFileSync(join(site, "one", "picture.html"), page("Picture", `<img id="d" src="/parts/d.gif">`));
    writeFileSync(join(site, "gallery", "limit.html"), page("Limit", `<img id="c" src="${this.origin}/parts/c.gif">`));
    writeFileSync(join(site, "prefetch.html"), page("Prefetch",
      `<link rel="prefetch" href="/one/50.html">
       <script type="speculationrules">{"prefetch":[{"urls":["/one/52.html"],"eagerness":"immediate"}],"prerender":[{"urls":["/one/53.html"],"eagerness":"immediate"}]}</script>`));
  }

  /** A broker's web site that offers the coins of a sale with MicroMint-Coins. */
  async startBroker() {
    const folder = join(this.folder, "broker");
    mkdirSync(folder);
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    const period = new Date().toISOString().slice(0, 7);
    const [config, records, message] = ["mint.toml", "broker.toml", "sale.mm"].map((it) => join(folder, it));
    tool("coinmint", "init", "--profile", "test", "--weak", "--period", period, "--broker", `${origin}/`, "--coin-value", "0.01 USD", "-o", config);
    tool("coinmint", "mint", config);
    tool("mmbroker", "--config", records, "init", "--url", origin);
    tool("mmbroker", "--config", records, "deposit", "buyer", "5 USD", "--reference", "1", "--new");
    tool("mmbroker", "--config", records, "withdraw", "--user", "buyer", "--sets", "2", "--out", message);
    const bytes = readFileSync(message);
    const seen = [];
    const broker = { origin, period, seen, complaints: [], takeComplaint: undefined };
    const server = createHttpServer((request, answer) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.url === "/v1/complaints") {
        const pieces = [];
        request.on("data", (piece) => pieces.push(piece));
        request.on("end", () => {
          broker.complaints.push({ headers: request.headers, body: Buffer.concat(pieces).toString() });
          broker.takeComplaint(answer);
        });
      } else if (request.url === "/bought") {
        answer.writeHead(200, { "Content-Type": "text/html", "MicroMint-Coins": "/v1/purchases/7" });
        answer.end(page("Bought"));
      } else if (request.url === "/v1/purchases/7") {
        answer.writeHead(200, { "Content-Type": "application/x-micromint" });
        answer.end(bytes);
      } else {
        answer.writeHead(request.url === "/v1/purchases/7/received" ? 204 : 404);
        answer.end();
      }
    });
    await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
    this.others.push(server);
    return broker;
  }

  /** A vendor that asks for coins of this broker, and takes them without giving anything. */
  async startThief(broker) {
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    const server = createHttpServer((request, answer) => {
      const text = [
        "MicroMint-1.0", "Request-Payment", `URL: ${origin}${request.url}`, "Price: 1", "Vendor-ID: localhost",
        `Period: ${broker.period}`, `Broker: ${broker.origin}/`, "Coin-Value: 0.01 USD", "Description: Nothing",
        "End-MicroMint", "",
      ].join("\r\n");
      if (request.url !== "/nothing") return answer.writeHead(404).end();
      const isPaid = request.headers["micromint-payment"] !== undefined;
      answer.writeHead(402, {
        "Content-Type": "text/html", "Cache-Control": "no-store",
        "MicroMint-Request": Buffer.from(text).toString("base64url"),
        "MicroMint-Status": isPaid ? "spent" : "unpaid",
      });
      answer.end(page("Nothing"));
    });
    await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
    this.others.push(server);
    return origin;
  }

  async startNginx() {
    const { folder } = this;
    const user = process.getuid() === 0 ? "user root;\n" : "";
    writeFileSync(join(folder, "nginx.conf"), `${user}load_module ${nginxModule};
daemon off;
worker_processes 2;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log notice;
events { worker_connections 256; }
http {
    types { text/html html; image/gif gif; audio/wav wav; application/octet-stream bin; }
    log_format seen '$request_method $request_uri $status "$sent_http_micromint_status"';
    access_log ${folder}/access.log seen;
    client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
    micromint_config ${this.config};
    server {
        listen 127.0.0.1:${this.port};
        server_name localhost;
        root ${folder}/site;
        micromint on;
        location /one/ { micromint_price 1; }
        location /parts/ { micromint_price 1; }
        location /five/ { micromint_price 5; }
        location /many/ { micromint_price 61; }
        location /redirect { return 302 /one/40.html; }
    }
}
`);
    this.process = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")], { stdio: "inherit" });
    await this.waitForServer();
  }

  async startApache() {
    const { folder } = this;
    const modules = process.env["MICROMINT_APACHE_MODULES"] ?? "/usr/lib/apache2/modules";
    const load = ["mpm_event", "authz_core", "dir", "mime", "alias", "log_config", "unixd"]
      .map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`)
      .filter((line) => existsSync(line.split(" ")[2]));
    const user = process.getuid() === 0 ? "User root\nGroup root\n" : "";
    writeFileSync(join(folder, "mime.types"), "text/html html\nimage/gif gif\naudio/wav wav\napplication/octet-stream bin\n");
    writeFileSync(join(folder, "httpd.conf"), `ServerRoot ${folder}
Listen 127.0.0.1:${this.port}
ServerName localhost
PidFile ${folder}/httpd.pid
${load.join("\n")}
LoadModule micromint_module ${apacheModule}
ErrorLog ${folder}/error.log
LogFormat "%m %U%q %>s \\"%{MicroMint-Status}o\\"" seen
CustomLog ${folder}/access.log seen
TypesConfig ${folder}/mime.types
DocumentRoot ${folder}/site
DirectoryIndex index.html
MicroMintConfig ${this.config}
MicroMint On
<Location /one/>
    MicroMintPrice 1
</Location>
<Location /parts/>
    MicroMintPrice 1
</Location>
<Location /five/>
    MicroMintPrice 5
</Location>
<Location /many/>
    MicroMintPrice 61
</Location>
Redirect 302 /redirect /one/40.html
`);
    // Debian's Apache refuses to run as root unless it was built with BIG_SECURITY_HOLE.
    this.process = spawn("apache2", ["-X", "-f", join(folder, "httpd.conf")], { stdio: "inherit" });
    await this.waitForServer();
  }

  async waitForServer() {
    for (let i = 0; i < 100; i += 1) {
      const answer = await fetch(`${this.origin}/free.html`).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the server does not answer: ${readFileSync(join(this.folder, "error.log"), "utf8")}`);
  }

  /** The requests so far, as `METHOD PATH STATUS "WORD"`. */
  requests(path = "") {
    const file = join(this.folder, "access.log");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8").split("\n").filter((line) => line.includes(` ${path}`) && line !== "");
  }

  /** The coins that the till has taken, according to the vendor's own program. */
  till() {
    const text = tool("mmvendor", "status", "--config", this.config, "--format", "json");
    return JSON.parse(text);
  }

  async stop() {
    for (const server of this.others) {
      server.closeAllConnections();
      server.close();
    }
    if (this.process !== undefined && this.process.exitCode === null) {
      const ended = new Promise((resolve) => this.process.once("exit", resolve));
      this.process.kill("SIGTERM");
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
