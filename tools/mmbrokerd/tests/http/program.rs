//! A running `mmbrokerd` in a folder of its own.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;

use micromint::authenticator::Key;
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{
    Payment, RequestCredit, RequestOwners, RequestRedemption, RequestWatch, Unsigned, Url,
    push_record,
};
use micromint::testing::{ObviousMint, test_params};
use tempfile::TempDir;

pub(crate) static MINT: LazyLock<ObviousMint> = LazyLock::new(|| ObviousMint::new(test_params()));
static COINS: LazyLock<Vec<u8>> = LazyLock::new(|| MINT.coin_file());

pub(crate) const DURING: &str = "2026-12-11T12:00:00Z";
pub(crate) const EXPIRED: &str = "2027-01-01T00:00:00Z";

/// A folder with a configuration, a secret and a coin file.
pub(crate) struct Home {
    folder: TempDir,
}

/// A running service, which ends with this value.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn secret() -> Key {
    Key::from_bytes([42; 32])
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn vendor(name: &str) -> VendorId {
    name.parse().unwrap()
}

impl Home {
    pub(crate) fn new() -> Home {
        Home::with("https://broker.example", &secret(), &COINS)
    }

    /// A broker with this URL, this secret and this coin file.
    pub(crate) fn with(url: &str, secret: &Key, coins: &[u8]) -> Home {
        let folder = tempfile::tempdir().unwrap();
        let home = Home { folder };
        write_private(&home.path("broker.secret"), &format!("{}\n", secret.to_hex()));
        std::fs::write(home.path("2026-12.coins"), coins).unwrap();
        let made = home.run(&["init", "--url", url, "--listen", "127.0.0.1:0"]);
        assert!(made.status.success(), "{made:?}");
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("broker.toml")
    }

    /// The operator's program.
    pub(crate) fn operate(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mmbroker"));
        command.arg("--config").arg(self.config()).current_dir(self.folder.path());
        command
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.arg("--config").arg(self.config()).current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.operate().args(["--as-of", DURING]).args(arguments).output().unwrap()
    }

    /// The standard output of a command that succeeds.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    /// A number in the database.
    pub(crate) fn number(&self, select: &str) -> i64 {
        let script = "import sqlite3, sys; \
             print(sqlite3.connect(sys.argv[1], timeout=60).execute(sys.argv[2]).fetchone()[0])";
        self.python(script, &[select]).parse().unwrap()
    }

    /// A digest of everything that is in the database.
    pub(crate) fn state(&self) -> String {
        let script = "import hashlib, sqlite3, sys; \
             text = chr(10).join(sqlite3.connect(sys.argv[1], timeout=60).iterdump()); \
             print(hashlib.sha256(text.encode()).hexdigest())";
        self.python(script, &[])
    }

    /// What a script prints that gets the path of the database and these arguments.
    fn python(&self, script: &str, arguments: &[&str]) -> String {
        let output = Command::new("python3")
            .args(["-c", script])
            .arg(self.path("broker.db"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    /// A key of a user with this much money.
    pub(crate) fn client(&self, name: &str, amount: &str) -> String {
        if amount != "0 USD" {
            self.done(&["deposit", name, amount, "--reference", name, "--new"]);
        }
        self.done(&["key", name])
    }

    pub(crate) fn serve(&self) -> Running {
        self.serve_at(DURING)
    }

    pub(crate) fn serve_at(&self, time: &str) -> Running {
        let mut command = self.command();
        command.args(["--as-of", time]);
        serve_with(command)
    }

    /// Starts the service by another program, to which its command line is added.
    pub(crate) fn serve_by(&self, starter: &[&str]) -> Running {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(program()).arg("--config").arg(self.config());
        command.args(["--as-of", DURING]).current_dir(self.folder.path());
        serve_with(command)
    }
}

fn serve_with(mut command: Command) -> Running {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("mmbrokerd: listening on ").unwrap().to_string();
    // The pipe must stay open, and its reader must not block the program.
    std::thread::spawn(move || stdout.read_to_string(&mut String::new()));
    Running { child, url }
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mmbrokerd"))
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The resident memory of the program, in KiB.
    pub(crate) fn memory_kib(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// How many files and connections the program has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub(crate) fn end(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        self.child.wait().unwrap().success()
    }

    pub(crate) fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let agent = agent();
        let mut request = agent.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let agent = agent();
        let mut request = agent.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request.send(body).unwrap())
    }

    /// Sends a message of the protocol.
    pub(crate) fn message(&self, path: &str, body: &[u8]) -> Answer {
        self.post(path, &[("Content-Type", "application/x-micromint")], body)
    }

    /// Orders sets under an API key.
    pub(crate) fn order(&self, key: &str, order: &str) -> Answer {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.post("/v1/purchases", &headers, order.as_bytes())
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    config.timeout_global(Some(std::time::Duration::from_secs(600))).build().into()
}

impl Answer {
    fn read(response: ureq::http::Response<ureq::Body>) -> Answer {
        let status = response.status().as_u16();
        let header = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap_or_default().to_string())
        };
        let headers = response.headers().iter().map(header).collect();
        let mut body = Vec::new();
        response.into_body().into_reader().read_to_end(&mut body).unwrap();
        Answer { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The word of a problem document.
    pub(crate) fn problem(&self) -> (u16, String) {
        (self.status, self.json()["title"].as_str().unwrap_or_default().to_string())
    }
}

pub(crate) fn payment(name: &str, at: &str, page: &str, coins: &[Vec<u64>]) -> Payment {
    let (user, vendor) = (user(name), vendor(at));
    let key = secret().user_key(MINT.params().period(), &user);
    let url: Url = format!("https://{vendor}/{page}").parse().unwrap();
    MINT.payment(&user, &key, &vendor, &url, coins)
}

pub(crate) fn batch(at: &str, name: &str, payments: &[Payment]) -> RequestRedemption {
    let mut data = Vec::new();
    for payment in payments {
        push_record(&mut data, &payment.record().to_bytes());
    }
    let vendor = vendor(at);
    let key = secret().vendor_key(&vendor);
    RequestRedemption {
        vendor,
        batch: name.parse().unwrap(),
        period: MINT.params().period().clone(),
        payments: payments.len() as u32,
        authenticator: Unsigned,
        data,
    }
    .authenticated(&key)
}

pub(crate) fn watch(at: &str, name: &str, payments: &[Payment]) -> RequestWatch {
    let RequestRedemption { vendor, period, payments, data, .. } = batch(at, name, payments);
    let key = secret().vendor_key(&vendor).sync_key();
    let (watch, authenticator) = (name.parse().unwrap(), Unsigned);
    RequestWatch { vendor, period, watch, payments, authenticator, data }.authenticated(&key)
}

pub(crate) fn owners_request(at: &str, generation: u32, held: u32) -> RequestOwners {
    let vendor = vendor(at);
    let key = secret().vendor_key(&vendor).sync_key();
    RequestOwners {
        vendor,
        period: MINT.params().period().clone(),
        generation,
        held,
        nonce: "n-1".parse().unwrap(),
        authenticator: Unsigned,
    }
    .authenticated(&key)
}

pub(crate) fn return_of(name: &str, id: &str, x: &[u64]) -> RequestCredit {
    let user = user(name);
    let data: Vec<u8> = x.iter().flat_map(|x| x.to_be_bytes()).collect();
    let key = secret().user_key(MINT.params().period(), &user);
    RequestCredit {
        authenticator: key.request_credit(id, &data),
        user,
        period: MINT.params().period().clone(),
        request: id.parse().unwrap(),
        x: x.to_vec(),
    }
}
