//! A broker's folder and database, its processes, and its auditor.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use micromint::authenticator::Key;
use micromint::hash::HashName;
use micromint::testing::{ObviousMint, params_with, resize};
use mmbrokerd::store::Store;
use tempfile::TempDir;

use crate::databases::Database;
use crate::load::{USERS, name};

/// The clock stands still in each phase, so that all batches of a phase fall into one hour. Each of
/// 2048 sets makes at most two of them: with ten vendors nobody exceeds the 600 of an hour.
pub(crate) const VENDORS: [&str; 10] = [
    "art.example",
    "blog.example",
    "chess.example",
    "daily.example",
    "food.example",
    "law.example",
    "music.example",
    "news.example",
    "shop.example",
    "travel.example",
];
pub(crate) const PERIOD: &str = "2026-12";
/// How often something is tried that fails while programs are killed: for minutes.
const TRIES: u32 = 1200;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A period with 2048 sets.
pub(crate) static MINT: LazyLock<ObviousMint> = LazyLock::new(|| {
    ObviousMint::new(params_with(|raw| resize(raw, 12, 4, 4, 2, HashName::Sha256)))
});

/// What the clock of processes that start says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Coins are sold.
    Selling,
    /// The period is expired: coins are returned.
    Returning,
    /// Redeem-until is over: the period is settled.
    Closed,
}

pub(crate) struct World {
    folder: TempDir,
    pub(crate) database: Database,
    /// The addresses of the processes.
    addresses: Mutex<Vec<String>>,
    phase: AtomicU8,
    pub(crate) ended: AtomicBool,
    pub(crate) sold: AtomicU64,
    pub(crate) redeemed: AtomicU64,
    /// How often a request was answered with 503.
    pub(crate) unavailable: AtomicU64,
}

/// The processes of a broker.
pub(crate) struct Processes {
    world: Arc<World>,
    children: Vec<Child>,
}

pub(crate) fn secret() -> Key {
    Key::from_bytes([42; 32])
}

impl Phase {
    fn time(self) -> &'static str {
        match self {
            Phase::Selling => "2026-12-11T12:00:00Z",
            Phase::Returning => "2027-01-03T12:00:00Z",
            Phase::Closed => "2027-01-09T12:00:00Z",
        }
    }
}

impl World {
    pub(crate) fn new(database: Database) -> World {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("2026-12.coins"), MINT.coin_file()).unwrap();
        std::fs::write(path("broker.secret"), secret().to_hex()).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(path("broker.secret"), private).unwrap();
        let text = format!(
            "listen = \"127.0.0.1:0\"\nurl = \"https://broker.example\"\ncoins = \".\"\n\
             database = \"{}\"\n",
            database.url
        );
        std::fs::write(path("broker.toml"), text).unwrap();
        // Commands make no database.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async { Store::open(&database.url).await.unwrap().close().await });
        let world = World {
            folder,
            database,
            addresses: Mutex::default(),
            phase: AtomicU8::new(Phase::Selling as u8),
            ended: AtomicBool::new(false),
            sold: AtomicU64::new(0),
            redeemed: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        };
        let vendors = [&["vendor-key", "--period", PERIOD], VENDORS.as_slice()].concat();
        world.done(&vendors);
        for number in 0..USERS {
            world.done(&[
                "deposit",
                &name(number),
                "100000 USD",
                "--reference",
                &name(number),
                "--new",
            ]);
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn phase(&self) -> Phase {
        let phases = [Phase::Selling, Phase::Returning, Phase::Closed];
        phases[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    /// Sets the clock of the processes that start from now on.
    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// How many sets were sold, and coins redeemed.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.sold.load(Ordering::Relaxed), self.redeemed.load(Ordering::Relaxed))
    }

    fn command(&self) -> Command {
        self.program(env!("CARGO_BIN_EXE_mmbrokerd"))
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["--as-of", self.phase().time(), "--config", "broker.toml"]);
        command.current_dir(self.folder.path());
        command
    }

    /// The standard output of an operator's command, which is tried again while the database is
    /// disturbed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        for _ in 0..TRIES {
            let mut command = self.program(env!("CARGO_BIN_EXE_mmbroker"));
            let output = command.args(arguments).output().unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap().trim().to_string();
            }
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(why.contains("database"), "{arguments:?}: {why}");
            std::thread::sleep(BETWEEN_TRIES);
        }
        panic!("{arguments:?} fails again and again");
    }

    pub(crate) fn wait_until_settled(&self) {
        for _ in 0..TRIES {
            if self.done(&["status", "--format", "json"]).contains("\"is-settled\": true") {
                return;
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        panic!("the period is not settled");
    }

    /// The auditor, which shares no code with the program.
    pub(crate) fn auditor(&self, url: &str) -> Output {
        let auditor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mm-audit/mm-audit");
        Command::new(auditor).arg(url).arg(self.folder.path()).output().unwrap()
    }

    /// Audits, as soon as the database can be read.
    pub(crate) fn audit(&self) {
        for _ in 0..TRIES {
            let output = self.auditor(&self.database.url);
            if output.status.success() {
                return;
            }
            let words = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(!words.contains("faults"), "{words}");
            std::thread::sleep(BETWEEN_TRIES);
        }
        panic!("the auditor cannot read the database");
    }

    /// Sends a request until it is answered, whatever is killed meanwhile.
    pub(crate) fn send(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
        // The same request goes to another process each time.
        static TURN: AtomicU64 = AtomicU64::new(0);
        for _ in 0..TRIES {
            let turn = TURN.fetch_add(1, Ordering::Relaxed) as usize;
            let addresses = self.addresses.lock().unwrap().clone();
            let url = format!("{}{path}", addresses[turn % addresses.len()]);
            let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
            let agent: ureq::Agent =
                config.timeout_global(Some(Duration::from_secs(20))).build().into();
            let mut request = agent.post(url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Ok(response) = request.send(body) {
                let status = response.status().as_u16();
                let mut bytes = Vec::new();
                let read = response.into_body().into_reader().read_to_end(&mut bytes);
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains("being-restored"), "nothing was restored: {text}");
                if status < 500 && read.is_ok() {
                    return (status, bytes);
                }
                if status >= 500 {
                    assert_eq!(status, 503, "{path}: {text}");
                    self.unavailable.fetch_add(1, Ordering::Relaxed);
                }
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        panic!("no answer to {path}");
    }
}

impl Processes {
    pub(crate) fn start(world: &Arc<World>, count: usize) -> Processes {
        let mut processes = Processes { world: Arc::clone(world), children: Vec::new() };
        *world.addresses.lock().unwrap() = vec![String::new(); count];
        processes.start_all();
        processes
    }

    pub(crate) fn start_all(&mut self) {
        let count = self.world.addresses.lock().unwrap().len();
        self.children = (0..count).map(|number| self.started(number)).collect();
    }

    pub(crate) fn kill_all(&mut self) {
        for mut child in self.children.drain(..) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn kill_and_start(&mut self, number: usize) {
        self.children[number].kill().unwrap();
        self.children[number].wait().unwrap();
        self.children[number] = self.started(number);
    }

    pub(crate) fn assert_running(&mut self) {
        for child in &mut self.children {
            assert_eq!(child.try_wait().unwrap(), None, "a process ended by itself");
        }
    }

    fn started(&self, number: usize) -> Child {
        let mut child = self.world.command().stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("mmbrokerd: listening on ").expect("it starts");
        self.world.addresses.lock().unwrap()[number] = url.to_string();
        std::thread::spawn(move || stdout.read_to_string(&mut String::new()));
        child
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
