// The broker's pages in a real Chromium: the main flows, axe on every page, and pictures of each at
// the widths of a phone and a desk, light and dark. Run by `make test-broker-pages`.
//   MICROMINT_BIN       the folder of the programs, default target/debug
//   MICROMINT_PICTURES  where the pictures go, default target/broker-pages
//   MICROMINT_CHROMIUM  default /usr/bin/chromium

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const ROOT = new URL("../..", import.meta.url).pathname;
const BIN = process.env["MICROMINT_BIN"] ?? join(ROOT, "target/debug");
const PICTURES = process.env["MICROMINT_PICTURES"] ?? join(ROOT, "target/broker-pages");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WINDOWS = { phone: { width: 360, height: 740 }, desk: { width: 1280, height: 800 } };
const PASSWORD = "correct horse battery";
// Minting and hashing take their time on a busy machine.
const PATIENCE = 300_000;

let folder, broker, browser, mail, url;
const passwords = {};
const mails = [];

/** A server that takes mail (SMTP). */
function startMail() {
  const server = createServer((socket) => {
    let rest = "", text = null;
    const say = (line) => socket.write(`${line}\r\n`);
    say("220 mail.test");
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      const lines = (rest + chunk).split("\r\n");
      rest = lines.pop();
      for (const line of lines) {
        if (text !== null && line !== ".") text += `${line}\n`;
        else if (line === ".") {
          mails.push(text);
          text = null;
          say("250 taken");
        } else if (line === "DATA") {
          text = "";
          say("354 go on");
        } else say(line === "QUIT" ? "221 bye" : "250 ok");
      }
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** The arguments of the demo with these options. */
const demo = (...options) => ["demo", "--folder", join(folder, "demo"), "--listen", "127.0.0.1:0", "--profile", "test", ...options];

/** Ends the broker. */
async function endBroker() {
  if (broker?.exitCode !== null) return;
  broker.removeAllListeners("exit");
  const ended = new Promise((resolve) => broker.on("exit", resolve));
  broker.kill("SIGTERM");
  await ended;
}

/** Starts `mmbrokerd demo`, and reads where it listens and who may log in. */
async function startBroker() {
  broker = spawn(join(BIN, "mmbrokerd"), demo(), { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve, reject) => {
    let text = "";
    broker.on("exit", (status) => reject(new Error(`mmbrokerd ended with ${status}`)));
    broker.stdout.on("data", (chunk) => {
      text += chunk;
      for (const [, name, password] of text.matchAll(/log in as (\w+) +with (\S+)\n/g)) passwords[name] = password;
      // Passkeys need a name, not an address.
      url = text.match(/listening on (http:\S+)\n/)?.[1].replace("127.0.0.1", "localhost");
      if (url !== undefined) resolve();
    });
  });
}

before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), "micromint-pages-"));
  mail = await startMail();
  assert.equal(spawnSync(join(BIN, "mmbrokerd"), demo("--prepare")).status, 0);
  const config = join(folder, "demo", "broker.toml");
  const text = readFileSync(config, "utf8").replace('url = "http://127.0.0.1:', 'url = "http://localhost:');
  writeFileSync(config, `${text}trial-sets = 1
trial-sets-total = 5

[shop.mail]
server = "localhost"
port = ${mail.address().port}
tls = "none"
from = "Demo broker <coins@broker.example>"
`);
  await startBroker();
  browser = await chromium.launch({
    executablePath: process.env["MICROMINT_CHROMIUM"] ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu"],
  });
}, { timeout: PATIENCE });

after(async () => {
  await browser?.close();
  await endBroker();
  mail?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A new browser, in a language. */
async function visitor(locale = "en", options = { bypassCSP: true }) {
  const context = await browser.newContext({ locale, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.faults = [];
  page.on("console", (message) => {
    if (message.type() === "error") page.faults.push(message.text());
  });
  return page;
}

/** In the page: text that is too small, and what a table cuts off. */
function hardToRead() {
  const faults = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text !== null; text = texts.nextNode()) {
    const element = text.parentElement;
    if (text.data.trim() === "" || element.getClientRects().length === 0) continue;
    // What a picture scales is smaller than its style says.
    const scale = element instanceof SVGGraphicsElement ? element.getScreenCTM().a : 1;
    const size = parseFloat(getComputedStyle(element).fontSize) * scale;
    if (size < 12) faults.push(`${size} px: ${text.data.trim()}`);
  }
  for (const part of document.querySelectorAll(".scroll")) {
    if (part.scrollWidth > part.clientWidth + 1) faults.push(`cut: ${part.textContent.trim()}`);
  }
  return faults;
}

/** Pictures of the page, and what axe finds. */
async function look(page, name) {
  for (const [window, size] of Object.entries(WINDOWS)) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(PICTURES, `${name}-${window}-${colorScheme}.png`), fullPage: true });
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= size.width, `${name}: ${width} pixels wide on a ${window}`);
      assert.deepEqual(await page.evaluate(hardToRead), [], `${name}, ${window}`);
      await page.evaluate(AXE);
      const found = await page.evaluate(() => globalThis.axe.run());
      const faults = found.violations.flatMap((it) => it.nodes.map((node) => `${it.id}: ${node.html}`));
      assert.deepEqual(faults, [], `${name}, ${window}, ${colorScheme}`);
    }
  }
}

async function login(page, name, password) {
  await page.goto(`${url}/login`);
  await page.fill("[name=user]", name);
  await page.fill("[name=password]", password);
  await page.click("main button");
  await page.waitForURL((it) => it.pathname !== "/login");
}

test("a reader registers, uses a voucher, buys and takes the coins", { timeout: PATIENCE }, async () => {
  const operator = await visitor();
  await login(operator, "operator", passwords["operator"]);
  await operator.goto(`${url}/operator/vouchers`);
  await look(operator, "vouchers-empty");
  await operator.fill("[name=name]", "kiosk");
  await operator.fill("[name=amount]", "5 XTS");
  await operator.fill("[name=count]", "3");
  await operator.click("form[action$='/operator/vouchers'] button");
  await operator.waitForSelector(".vouchers");
  await look(operator, "voucher-codes");
  const code = await operator.textContent(".vouchers code");
  await operator.goto(`${url}/operator/vouchers`);
  await look(operator, "vouchers");

  const page = await visitor();
  await page.goto(url);
  await look(page, "welcome");
  await page.click("main >> text=Make an account");
  await look(page, "register");
  await page.fill("[name=password]", PASSWORD);
  await page.click("main button");
  await page.waitForSelector("text=Balance");
  await look(page, "overview-new");
  await page.click("text=Add money with a voucher");
  await look(page, "voucher");
  await page.fill("[name=code]", "0000-0000-0000-0000-0000");
  await page.click("main button");
  await page.waitForSelector("[role=alert]");
  await look(page, "voucher-wrong");
  await page.goto(`${url}/voucher`);
  await page.fill("[name=code]", code);
  await page.click("main button");
  await page.waitForSelector("text=5.00 XTS");
  await page.click("nav >> text=Buy coins");
  await look(page, "buy");
  await page.fill("[name=sets]", "2");
  const [answer] = await Promise.all([
    page.waitForResponse((it) => /\/purchases\/\d+$/.test(it.url()) && it.status() === 200),
    page.click("main button"),
  ]);
  const coins = answer.headers()["micromint-coins"];
  assert.match(coins, /^\/v1\/purchases\/\d+$/);
  await look(page, "purchase");
  // What a wallet in the page does.
  const type = await page.evaluate(async (address) => {
    const fetched = await fetch(address, { credentials: "same-origin" });
    await fetch(`${address}/received`, { method: "POST", credentials: "same-origin" });
    return fetched.headers.get("Content-Type");
  }, coins);
  assert.equal(type, "application/x-micromint");
  await page.reload();
  await page.waitForSelector("text=acknowledged these coins");
  await look(page, "purchase-received");
  await page.goto(url);
  await look(page, "overview");
  for (const name of ["purchases", "account", "complaints", "vendor", "wallet"]) {
    await page.goto(`${url}/${name}`);
    await look(page, name);
  }
  await page.click("text=Log out");
  await page.waitForURL(/\/login$/);
  await look(page, "login");
  assert.deepEqual(page.faults.filter((it) => !it.includes("422")), []);
});

/** Records complaints about the vendor, more than a page shows, and answers. */
function complain() {
  const script = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60)
payment = open(sys.argv[2], "rb").read()
text = "I paid, and the page ended after the first paragraph. " * 8
for number in range(51):
    row = ("reader", str(number), 1797000000, bytes(32), text, payment, "localhost")
    db.execute("INSERT INTO complaint (user_id, name, at, sha256, text, payment, vendor) "
               "VALUES (?, ?, ?, ?, ?, ?, ?)", row)
db.executemany("INSERT INTO complaint_answer SELECT MAX(id), ?, ?, ? FROM complaint", [
    (1797000001, "localhost", "We look at it.\\nMicroMint: it is settled."),
    (1797000002, "MicroMint", "w" * 400)])
db.commit()
`;
  const payment = join(ROOT, "testdata/messages/payment-two-sets.txt");
  const ended = spawnSync("python3", ["-c", script, join(folder, "demo", "broker.db"), payment]);
  assert.equal(ended.status, 0, `${ended.stderr}`);
}

test("a vendor looks at its page, and the operator at all of them", { timeout: PATIENCE }, async () => {
  complain();
  const vendor = await visitor("de");
  await login(vendor, "vendor", passwords["vendor"]);
  await vendor.goto(`${url}/vendor/localhost`);
  await look(vendor, "vendor-page-de");
  await vendor.click("text=Beschwerde #51");
  await vendor.waitForSelector("form[action$='/complaints/answer']");
  await look(vendor, "complaint-de");
  await vendor.goto(`${url}/vendor`);
  await vendor.fill("[name=host]", "news.example");
  await vendor.click("main button");
  await vendor.waitForSelector("text=micromint-broker=");
  await look(vendor, "proof-de");
  const operator = await visitor();
  await login(operator, "operator", passwords["operator"]);
  const names = ["", "/periods", "/people", "/sums", "/deposit", "/payouts", "/vendors", "/complaints", "/disputes", "/users", "/audit"];
  for (const name of names) {
    await operator.goto(`${url}/operator${name}`);
    await look(operator, `operator${name.replace("/", "-")}`);
  }
  await operator.goto(`${url}/operator/complaints`);
  await operator.click("text=Older entries");
  await operator.waitForSelector("text=The newest entries");
  await look(operator, "operator-complaints-older");
  await operator.goto(`${url}/nothing`);
  await look(operator, "no-page");
  assert.deepEqual(vendor.faults, []);
});

/** The path of the link in the last mail, once there are as many. */
async function mailed(count) {
  while (mails.length < count) await new Promise((resolve) => setTimeout(resolve, 100));
  const text = mails.at(-1).replaceAll("=\n", "");
  return text.match(/http:\S+\/((confirm|reset)\/[0-9a-f]{64})/)[1];
}

test("a reader confirms a mail address, and sets a new password", { timeout: PATIENCE }, async () => {
  const page = await visitor("de");
  await page.goto(`${url}/register`);
  await look(page, "register-mail-de");
  const user = await page.inputValue("[name=user]");
  await page.fill("[name=password]", PASSWORD);
  await page.fill("[name=mail]", "alice@example.org");
  await page.click("main button");
  await page.waitForSelector("[role=status]");
  await page.goto(`${url}/${await mailed(1)}`);
  await look(page, "confirm-de");
  await page.click("main button");
  await page.waitForSelector("[role=status]");
  await page.goto(`${url}/account`);
  await page.waitForSelector("text=alice@example.org");
  await look(page, "account-mail-de");
  // The confirmed address has a free set.
  await page.goto(`${url}/`);
  await page.click("text=Mit kostenlosen Münzen ausprobieren");
  await look(page, "buy-free-de");
  await page.click("text=1 kostenlosen Satz nehmen");
  await page.waitForURL(/\/purchases\/\d+$/);
  await page.waitForSelector("text=0,00 XTS");
  await look(page, "purchase-free-de");
  await page.goto(`${url}/buy`);
  assert.equal(await page.locator("form[action$='/buy/free']").count(), 0);
  await page.click("text=Abmelden");
  await page.waitForURL(/\/login$/);
  await page.click("text=Passwort verloren?");
  await look(page, "lost-de");
  await page.fill("[name=who]", user);
  await page.click("main button");
  await page.waitForSelector("[role=status]");
  await look(page, "lost-sent-de");
  await page.goto(`${url}/${await mailed(2)}`);
  await look(page, "reset-de");
  await page.fill("[name=password]", `${PASSWORD} again`);
  await page.click("main button");
  await page.waitForSelector("[role=status]");
  await login(page, user, `${PASSWORD} again`);
  const operator = await visitor();
  await login(operator, "operator", passwords["operator"]);
  await operator.goto(`${url}/operator/people`);
  await operator.fill("[name=who]", user);
  await operator.click("main button");
  await operator.waitForSelector("text=alice@example.org");
  await look(operator, "operator-people-found");
  await operator.click("text=Make a link");
  await operator.waitForSelector("pre");
  await look(operator, "operator-people-link");
  assert.deepEqual(page.faults, []);
});

test("an operator sees the mint, and releases vouchers after a restore", { timeout: PATIENCE }, async () => {
  let operator = await visitor("de");
  await login(operator, "operator", passwords["operator"]);
  await operator.goto(`${url}/operator/vouchers`);
  await operator.fill("form[action$='/operator/vouchers'] [name=name]", "kiosk 2");
  await operator.click("form[action$='/operator/vouchers'] button");
  await operator.waitForSelector(".vouchers");
  // The demo mints the next month, and opens it within a minute: then the one after it is next.
  const isMinted = async () => {
    await operator.goto(`${url}/operator/periods`);
    return (await operator.locator("form[action$='/mint']").count()) > 0;
  };
  while (!(await isMinted())) await new Promise((resolve) => setTimeout(resolve, 1000));
  await look(operator, "operator-periods-de");
  await operator.click("form[action$='/mint'] button");
  await operator.waitForSelector("progress");
  await look(operator, "operator-mint-de");
  await operator.goto(`${url}/operator/sums`);
  await look(operator, "operator-sums-de");
  await endBroker();
  const config = ["--config", join(folder, "demo", "broker.toml")];
  assert.equal(spawnSync(join(BIN, "mmbroker"), [...config, "restored", "--force"]).status, 0);
  await startBroker();
  operator = await visitor();
  await login(operator, "operator", passwords["operator"]);
  await operator.goto(`${url}/operator/vouchers`);
  await look(operator, "vouchers-held");
  await operator.fill("[name=codes]", "0000-0000-0000-0000-0000");
  await operator.click("form[action$='/release'] button");
  await operator.waitForSelector("[role=alert]");
  await look(operator, "vouchers-released");
});

/** An authenticator that Chromium plays, and a way to talk to it. */
async function authenticator(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return (method, more = {}) => cdp.send(`WebAuthn.${method}`, { authenticatorId, ...more });
}

test("a reader adds a passkey, and logs in with it", { timeout: PATIENCE }, async () => {
  // The policy of the pages holds here.
  const page = await visitor("en", {});
  const device = await authenticator(page);
  await page.goto(`${url}/register`);
  const user = await page.inputValue("[name=user]");
  await page.fill("[name=password]", PASSWORD);
  await page.click("main button");
  await page.waitForSelector("text=Balance");
  await page.goto(`${url}/account`);
  await page.click("text=Manage the passkeys");
  await page.waitForSelector("text=There are no passkeys yet.");
  await page.waitForSelector("[data-without-passkeys]", { state: "hidden" });
  await look(page, "passkeys-empty");
  await page.click("main button >> text=Add a passkey");
  await page.waitForSelector("text=Expected a name of 1 to 60 characters.");
  await look(page, "passkeys-no-name");
  await page.fill("[name=name]", "Phone");
  await page.click("main button >> text=Add a passkey");
  await page.waitForSelector("text=The passkey is added.");
  await look(page, "passkeys");
  const { credentials: [credential] } = await device("getCredentials");
  assert.deepEqual([credential.isResidentCredential, credential.rpId], [true, "localhost"]);
  // The same device makes no second one.
  await page.fill("[name=name]", "Phone again");
  await page.click("main button >> text=Add a passkey");
  await page.waitForSelector("text=This device has a passkey of your account already.");
  await page.click("text=Log out");
  await page.waitForURL(/\/login$/);
  await look(page, "login-passkey");

  // It logs in, by the mouse and by the keyboard.
  const forms = [];
  page.on("request", (request) => {
    if (request.url() === `${url}/login/passkey`) forms.push(request.postData());
  });
  const logIn = () => page.click("text=Log in with a passkey");
  await logIn();
  await page.waitForSelector("text=Balance");
  await page.goto(`${url}/account`);
  await page.waitForSelector(`text=${user}`);
  await page.click("text=Log out");
  await page.waitForURL(/\/login$/);
  await page.focus("[data-passkey] button");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Balance");
  await page.click("text=Log out");
  await page.waitForURL(/\/login$/);
  assert.equal(forms.length, 2);
  const { credentials: [used] } = await device("getCredentials");
  assert.ok(used.signCount > credential.signCount, `${used.signCount}`);
  // What was sent counts once.
  const again = await page.evaluate(async (body) => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    return (await fetch("/login/passkey", { method: "POST", headers, body })).status;
  }, forms[1]);
  assert.equal(again, 422);

  // Somebody else holds the device.
  await device("setUserVerified", { isUserVerified: false });
  await logIn();
  await page.waitForSelector("text=The device or the browser cancelled it.");
  await look(page, "login-passkey-ended");
  await device("setUserVerified", { isUserVerified: true });
  // A copy of the device, with the old counter.
  await device("removeCredential", { credentialId: used.credentialId });
  await device("addCredential", { credential: { ...used, signCount: credential.signCount } });
  await logIn();
  await page.waitForSelector("text=This passkey did not log in.");
  await look(page, "passkey-refused");
  await page.goto(`${url}/login`);
  await device("removeCredential", { credentialId: used.credentialId });
  await device("addCredential", { credential: { ...used, signCount: used.signCount + 10 } });
  await logIn();
  await page.waitForSelector("text=Balance");

  // It is removed, and can no longer log in.
  await page.goto(`${url}/account/passkeys`);
  await page.click("text=Remove Phone");
  await look(page, "passkey-remove");
  await page.click("main form >> text=Remove the passkey");
  await page.waitForSelector("text=The passkey is removed.");
  await page.click("text=Log out");
  await page.waitForURL(/\/login$/);
  await logIn();
  await page.waitForSelector("text=This passkey did not log in.");
  // Nothing was refused by the policy of the pages.
  assert.deepEqual(page.faults.filter((it) => !it.includes("422")), []);
});

test("passkeys in German, and pages without scripts", { timeout: PATIENCE }, async () => {
  const page = await visitor("de", {});
  await authenticator(page);
  await page.goto(`${url}/login`);
  await look(page, "login-passkey-de");
  await login(page, "reader", passwords["reader"]);
  await page.goto(`${url}/account/passkeys`);
  await look(page, "passkeys-empty-de");
  await page.fill("[name=name]", "BlauerSchlüsselMitEinemSehrLangenNamenFürDasTelefonZuhause");
  await page.click("text=Passkey hinzufügen");
  await page.waitForSelector("text=Der Passkey ist hinzugefügt.");
  await look(page, "passkeys-de");
  await page.click("table a");
  await look(page, "passkey-remove-de");

  const plain = await visitor("en", { javaScriptEnabled: false });
  await plain.goto(`${url}/login`);
  assert.equal(await plain.locator("[data-passkey]").isVisible(), false);
  await login(plain, "reader", passwords["reader"]);
  await plain.goto(`${url}/account/passkeys`);
  assert.equal(await plain.locator("[data-passkey]").isVisible(), false);
  assert.equal(await plain.locator("text=you need a browser that supports passkeys").isVisible(), true);
  await plain.screenshot({ path: join(PICTURES, "passkeys-without-scripts.png"), fullPage: true });
  assert.deepEqual(page.faults, []);
});

test("every page works from the keyboard", { timeout: PATIENCE }, async () => {
  const page = await visitor();
  await page.goto(url);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
});
