//! Programs that pay: those of others with the plug-ins of `plugins/` (mppx, its command line,
//! pympp, the crate mpp, @x402/fetch, an MCP client), and what needs no packages of others: curl
//! with `mmwallet answer`, and `mmwallet mcp`.
//!
//! `scripts/test-agents.sh` builds what the programs of others need. Each of them takes URLs and
//! prints a line of JSON for each: `url`, and either `status`, `word` (of MicroMint-Status) and
//! `body`, or `error`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use micromint::params::Params;
use micromint::testing::ObviousMint;
use serde_json::{Value, json};

use crate::apache::Apache;
use crate::client::Response;
use crate::nginx::Nginx;
use crate::server::Server;
use crate::site::Site;
use crate::{payer, transport};

/// The longest time for a program: the first may wait for an interpreter on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pages with a price in coins.
pub const PAGES: [(&str, u32); 4] =
    [("/one.html", 1), ("/two.html", 2), ("/thirty.html", 30), ("/sixty.html", 60)];
/// The user and password of `/members/`.
pub const LOGIN: &str = "reader:secret";
/// The line of the password file: SHA-1 of `secret`.
const PASSWORD: &str = "reader:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// A program that pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// The library mppx of npm.
    Mppx,
    /// pympp of PyPI.
    Pympp,
    /// The Rust crate mpp.
    Mpp,
    /// @x402/fetch of npm.
    X402,
}

/// What a program allows itself.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The highest price of a page.
    pub autopay: &'static str,
    /// The most for everything in one run.
    pub task_limit: &'static str,
}

/// Enough for every page of these tests.
pub const PLENTY: Budget = Budget { autopay: "1 USD", task_limit: "5 USD" };

impl Agent {
    /// All of them.
    pub const ALL: [Agent; 4] = [Agent::Mppx, Agent::Pympp, Agent::X402, Agent::Mpp];

    fn command(self) -> Command {
        match self {
            Agent::Mppx => node("mppx.mjs"),
            Agent::X402 => node("x402.mjs"),
            Agent::Pympp => {
                let mut command = Command::new(root().join("target/agents/venv/bin/python"));
                command.arg(plugins().join("test/pay.py"));
                command
            }
            Agent::Mpp => Command::new(root().join("plugins/mpp/target/debug/examples/pay")),
        }
    }
}

/// A program of `plugins/test` for Node.js.
pub fn node(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(plugins().join("test").join(name));
    command
}

/// The command line of mppx.
pub fn mppx() -> Command {
    let mut command = Command::new(plugins().join("node_modules/.bin/mppx"));
    command.current_dir(plugins().join("test"));
    command
}

fn plugins() -> PathBuf {
    root().join("plugins")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A site with all [`PAGES`], a page for members, a certificate that programs check, and its
/// password file `users`.
pub fn site() -> Site {
    let site = Site::new();
    site.page("thirty.html", "content for thirty", Some("30\n"));
    site.page("sixty.html", "content for sixty", Some("60\n"));
    site.page("members/page.html", "content for members", Some("1\n"));
    site.write("users", PASSWORD);
    let config = "[req]\ndistinguished_name = name\nx509_extensions = use\nprompt = no\n\
                  [name]\nCN = localhost\n\
                  [use]\nsubjectAltName = DNS:localhost\nbasicConstraints = critical,CA:FALSE\n";
    site.write("tls.cnf", config);
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-config"])
        .arg(site.path("tls.cnf"))
        .arg("-keyout")
        .arg(site.path("tls.key"))
        .arg("-out")
        .arg(site.path("tls.crt"))
        .output()
        .expect("the program openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site
}

/// The same site with a price list, which servers publish for programs.
pub fn listed_site() -> Site {
    let site = site();
    let entry = |(page, coins): &(&str, u32)| {
        format!("[[price]]\npath = \"{page}\"\ncoins = {coins}\ntitle = \"A page\"\n")
    };
    site.write("prices.toml", &PAGES.iter().map(entry).collect::<String>());
    site.write("vendor.toml", &format!("{}prices = \"prices.toml\"\n", site.vendor_toml("till")));
    site
}

/// The Ed25519 key of `https://bot.example` as a JWK; with `is_known` false another one. The
/// secrets are 00 01 … 1f and 1f 1e … 00.
pub fn bot_key(is_known: bool) -> String {
    let (secret, public) = match is_known {
        true => (
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
        ),
        false => (
            "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA",
            "cSZR9FC6BbY4mLme9fe6RWMujiUn9_cVzWcexAJMxR4",
        ),
    };
    json!({ "kty": "OKP", "crv": "Ed25519", "d": secret, "x": public }).to_string()
}

/// A site whose page `/crawled.html` costs readers three coins, the bot `https://bot.example` one,
/// and other bots five.
pub fn crawled_site() -> Site {
    let site = site();
    site.page("crawled.html", "content for crawlers", None);
    let entry = "[[price]]\npath = \"/crawled.html\"\ncoins = 3\nverified-bots = 1\n\
                 unknown-bots = 5\n";
    site.write("prices.toml", entry);
    let keys = "[[agent]]\nurl = \"https://bot.example\"\nfetched = 2026-12-10T11:00:00Z\n\
                keys = [\"A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg\"]\n";
    site.write("bot-keys.toml", keys);
    let config = site.vendor_toml("till");
    let more = "prices = \"prices.toml\"\nbots = \"https://bot.example\"\n";
    site.write("vendor.toml", &(config + more));
    site
}

/// A site that accepts coins of 0.01 USD and of 0.25 USD, whose page `/costly.html` costs 8 USD:
/// more small coins than a header field holds, and 32 large ones.
pub fn valued_site() -> Site {
    let site = site();
    let config = site.vendor_toml("till") + "coin-value = \"0.01 USD\"\n";
    site.write("vendor.toml", &config);
    site.write("periods/large.params", &large_mint().params().to_toml());
    site.page("costly.html", "content for much", Some("8 USD\n"));
    site
}

/// The mint of coins of 0.25 USD.
fn large_mint() -> &'static ObviousMint {
    static MINT: OnceLock<ObviousMint> = OnceLock::new();
    MINT.get_or_init(|| {
        let mut large = payer::mint().params().raw().clone();
        large.period = "large".parse().unwrap();
        large.coin_value = "0.25 USD".parse().unwrap();
        ObviousMint::new(Params::new(large).unwrap())
    })
}

/// An nginx with a site of these tests: plain and over TLS, with a password for `/members/`.
pub fn nginx(site: Site) -> Nginx {
    Nginx::start(
        site,
        "micromint_config vendor.toml;
         server { %SERVER% listen 127.0.0.1:%TLS_PORT% ssl; micromint on;
             ssl_certificate tls.crt; ssl_certificate_key tls.key;
             location /members/ { auth_basic members; auth_basic_user_file %FOLDER%/users; }
         }",
    )
}

/// The same with Apache.
pub fn apache(site: Site) -> Apache {
    Apache::selling(
        site,
        "Listen 127.0.0.1:%TLS_PORT%
         <Location /members/>
             AuthType Basic
             AuthName members
             AuthUserFile %FOLDER%/users
             Require valid-user
         </Location>
         <VirtualHost 127.0.0.1:%TLS_PORT%>
             ServerName localhost
             DocumentRoot %FOLDER%/www
             SSLEngine On
             SSLCertificateFile %FOLDER%/tls.crt
             SSLCertificateKeyFile %FOLDER%/tls.key
         </VirtualHost>",
    )
}

/// A user with a wallet in the folder of a site.
pub struct User<'a, S: Server> {
    server: &'a S,
    wallet: PathBuf,
}

impl<S: Server> User<'_, S> {
    /// A user with all the sets of the current period.
    pub fn new<'a>(server: &'a S, name: &str) -> User<'a, S> {
        let wallet = server.site().path(&format!("{name}.mmw"));
        let user = User { server, wallet };
        user.receive(payer::mint());
        user
    }

    /// Gives the user all the sets of the coins of 0.25 USD too.
    pub fn receive_large(&self) {
        self.receive(large_mint());
    }

    fn receive(&self, mint: &ObviousMint) {
        let funds = self.server.site().path(&format!("{}.mm", mint.params().period()));
        std::fs::write(&funds, all_sets(mint)).unwrap();
        let output = self.wallet_command(&["receive", funds.to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
    }

    fn wallet_command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(mmwallet());
        command.arg("--wallet").arg(&self.wallet).args(args).output().expect("mmwallet")
    }

    /// Runs `mmwallet` with this wallet and this standard input, and returns what it printed.
    fn piped(&self, args: &[&str], input: &str) -> String {
        let file = self.server.site().path("input");
        std::fs::write(&file, input).unwrap();
        let mut command = Command::new(mmwallet());
        command.arg("--wallet").arg(&self.wallet).args(args).stdin(File::open(&file).unwrap());
        let output = command.output().expect("mmwallet");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Fetches a page as a shell script does: curl, `mmwallet answer`, curl, `mmwallet settle`.
    pub fn fetch_with_curl(&self, url: &str, login: &str) -> Response {
        let mut arguments = vec![url];
        if !login.is_empty() {
            arguments.extend(["--user", login]);
        }
        let site = self.server.site();
        let asked = transport::curl(site, &arguments);
        assert_eq!(asked.status, 402, "{url}");
        // Only the challenge, as a program has it that knows nothing of MicroMint.
        let head = format!("WWW-Authenticate: {}\r\n", asked.header("www-authenticate").unwrap());
        let limits = ["--autopay", "1 USD", "--task", "curl", "--format", "json"];
        let paid = self.piped(&[&["answer", "--url", url], &limits[..]].concat(), &head);
        let paid: Value = serde_json::from_str(&paid).unwrap();
        let member = |name: &str| paid["header"][name].as_str().unwrap();
        let field = format!("{}: {}", member("name"), member("value"));
        let answer = transport::curl(site, &[&arguments[..], &["-H", &field]].concat());
        let mut head = format!("HTTP/1.1 {} answer\r\n", answer.status);
        answer.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        self.piped(&["settle", paid["reference"].as_str().unwrap(), "answer"], &head);
        answer
    }

    /// Lets an agent that speaks MCP fetch pages, all at the same time, and returns the results of
    /// the tool.
    pub fn fetch_by_mcp(&self, urls: &[String], budget: Budget) -> Vec<Value> {
        let call = |(id, url): (usize, &String)| {
            let params = json!({ "name": "fetch", "arguments": { "url": url } });
            json!({ "id": id, "method": "tools/call", "params": params }).to_string() + "\n"
        };
        let input: String = urls.iter().enumerate().map(call).collect();
        let limits = ["--autopay", budget.autopay, "--task-limit", budget.task_limit];
        let args = [&["mcp", "--allow-private"], &limits[..]].concat();
        let mut command = Command::new(mmwallet());
        command.arg("--wallet").arg(&self.wallet).args(&args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("mmwallet");
        // Its input stays open until all answers are there: it ends soon after its input.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(urls.len());
        let mut answers: Vec<Value> =
            lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        drop(stdin);
        assert!(child.wait().unwrap().success(), "{args:?}");
        answers.sort_by_key(|answer| answer["id"].as_u64());
        answers.into_iter().map(|answer| answer["result"].clone()).collect()
    }

    /// The payments in the wallet, the first one first.
    pub fn payments(&self) -> Vec<Value> {
        let output = self.wallet_command(&["history", "--json"]);
        let history: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        history.into_iter().filter(|event| event["event"] == "payment").collect()
    }

    /// Runs a program of others with this wallet, and returns its lines.
    pub fn run(&self, command: &mut Command, budget: Budget, login: &str) -> Vec<Value> {
        let output = self.output(command, budget, login);
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let read = |line: &str| serde_json::from_str(line).ok();
        let found: Vec<Value> = lines.lines().filter_map(read).collect();
        assert!(!found.is_empty(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        found
    }

    /// The same, with its whole output.
    pub fn output(&self, command: &mut Command, budget: Budget, login: &str) -> Output {
        let site = self.server.site();
        command
            .env("MICROMINT_WALLET", &self.wallet)
            .env("MICROMINT_MMWALLET", mmwallet())
            .env("AUTOPAY", budget.autopay)
            .env("TASK_LIMIT", budget.task_limit)
            .env("CACERT", site.path("tls.crt"))
            .env("NODE_EXTRA_CA_CERTS", site.path("tls.crt"))
            .env("BASIC", login)
            .env("NO_PROXY", "localhost")
            .env("NO_COLOR", "1");
        output_of(command)
    }

    /// Fetches pages with an agent.
    pub fn fetch(&self, agent: Agent, urls: &[String], budget: Budget, login: &str) -> Vec<Value> {
        let mut command = agent.command();
        if agent == Agent::Mpp {
            command.arg("--cacert").arg(self.server.site().path("tls.crt"));
            if !login.is_empty() {
                command.args(["--basic", login]);
            }
        }
        self.run(command.args(urls), budget, login)
    }
}

/// Waits for a program, but not forever.
fn output_of(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let start = Instant::now();
    // What these programs print fits into a pipe.
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} did not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn mmwallet() -> PathBuf {
    let path = root().join("target/debug/mmwallet");
    assert!(path.is_file(), "{} is missing: run cargo build -p mmwallet", path.display());
    path
}

fn all_sets(mint: &ObviousMint) -> Vec<u8> {
    let firsts: Vec<u32> =
        (0..mint.params().superbin_count() as u32 / 2).map(|it| it * 2).collect();
    mint.funds(&"alice".parse().unwrap(), &payer::user_key(), &firsts, 1).to_bytes()
}
