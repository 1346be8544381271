//! The program is killed again and again while clients buy and vendors redeem; the auditor agrees
//! every time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../broker/databases.rs"]
mod databases;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use micromint::authenticator::{AUTHENTICATOR_SIZE, Authenticator, Key};
use micromint::hash::HashName;
use micromint::host::{Entropy, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{
    FundsWithdrawn, RedemptionResult, RequestRedemption, Url, Verdict, push_record,
};
use micromint::testing::{ObviousMint, params_with, resize};
use tempfile::TempDir;

use databases::Database;

const DURING: &str = "2026-12-11T12:00:00Z";
const USERS: usize = 3;
/// The least number of kills, on a machine that is busy.
const KILLS_MIN: u64 = 4;
const VENDORS: [&str; 2] = ["news.example", "shop.example"];

/// A period with 512 sets.
static MINT: LazyLock<ObviousMint> = LazyLock::new(|| {
    ObviousMint::new(params_with(|raw| resize(raw, 10, 4, 4, 2, HashName::Sha256)))
});

fn secret() -> Key {
    Key::from_bytes([42; 32])
}

/// How long the load goes on: 10 seconds for each database, or as `MICROMINT_FAULT_SECONDS` says.
fn duration() -> Duration {
    let seconds = std::env::var("MICROMINT_FAULT_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

struct World {
    folder: TempDir,
    database: Database,
    /// The addresses of the processes.
    addresses: Mutex<Vec<String>>,
    ended: AtomicBool,
    sold: AtomicU64,
    redeemed: AtomicU64,
}

#[test]
fn killed_on_sqlite() {
    killed(Database::sqlite(), 1);
}

#[test]
fn three_processes_killed_on_one_postgres() {
    killed(Database::postgres(), 3);
}

/// An auditor that finds nothing in a wrong database would be of no use.
#[test]
fn the_auditor_finds_what_is_wrong() {
    let world = World::new(Database::sqlite(), 1);
    let mut child = world.start(0);
    world.ended.store(true, Ordering::Relaxed);
    buy_and_redeem(&world, &name(0).parse().unwrap(), &world.key(0));
    child.kill().unwrap();
    child.wait().unwrap();
    world.audit();
    let path = world.database.url.strip_prefix("sqlite:").unwrap();
    for change in [
        "UPDATE balance SET amount = amount + 1 WHERE amount > 0",
        "UPDATE sale SET coins = coins + 1",
        "UPDATE sale SET first = first + 2",
        "UPDATE superbin SET paid = x'0000'",
        "UPDATE superbin SET credited = x'ffff'",
        "UPDATE period SET next_superbin = 0",
        "UPDATE batch SET accepted = accepted - 1",
        "DELETE FROM superbin",
        "INSERT INTO entry VALUES (1, 99, 5)",
    ] {
        let copy = world.folder.path().join("copy.db");
        let script = "import sqlite3, sys\n\
             source = sqlite3.connect(sys.argv[1]); copy = sqlite3.connect(sys.argv[2])\n\
             source.backup(copy); copy.execute(sys.argv[3]); copy.commit()";
        let changed = Command::new("python3")
            .args(["-c", script, path, copy.to_str().unwrap(), change])
            .status()
            .unwrap();
        assert!(changed.success(), "{change}");
        let output = world.auditor(&format!("sqlite:{}", copy.display()));
        assert_eq!(output.status.code(), Some(1), "{change}: {output:?}");
        std::fs::remove_file(copy).unwrap();
    }
}

fn killed(database: Database, processes: usize) {
    let world = Arc::new(World::new(database, processes));
    let mut children: Vec<Child> = (0..processes).map(|process| world.start(process)).collect();
    let loads: Vec<_> = (0..USERS)
        .map(|number| {
            let world = Arc::clone(&world);
            std::thread::spawn(move || load(&world, number))
        })
        .collect();
    let start = Instant::now();
    let mut kills = 0;
    while start.elapsed() < duration() || kills < KILLS_MIN {
        std::thread::sleep(Duration::from_millis(700 + 97 * (kills % 7)));
        let process = kills as usize % processes;
        children[process].kill().unwrap();
        children[process].wait().unwrap();
        world.audit();
        children[process] = world.start(process);
        kills += 1;
    }
    world.ended.store(true, Ordering::Relaxed);
    for load in loads {
        load.join().unwrap();
    }
    world.audit();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (sold, redeemed) =
        (world.sold.load(Ordering::Relaxed), world.redeemed.load(Ordering::Relaxed));
    println!("{kills} kills, {sold} sets sold, {redeemed} coins redeemed");
    assert!(sold >= 3 && redeemed >= 3, "{kills} {sold} {redeemed}");
}

impl World {
    fn new(database: Database, processes: usize) -> World {
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
        let world = World {
            folder,
            database,
            addresses: Mutex::new(vec![String::new(); processes]),
            ended: AtomicBool::new(false),
            sold: AtomicU64::new(0),
            redeemed: AtomicU64::new(0),
        };
        let vendors = [&["vendor", "--period", "2026-12"], VENDORS.as_slice()].concat();
        world.done(&vendors);
        for number in 0..USERS {
            world.done(&["deposit", &name(number), "100000 USD", "--reference", "first"]);
        }
        world
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mmbrokerd"));
        command.args(["--as-of", DURING, "--config", "broker.toml"]);
        command.current_dir(self.folder.path());
        command
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    fn key(&self, number: usize) -> String {
        self.done(&["key", &name(number)])
    }

    fn start(&self, process: usize) -> Child {
        let mut child = self.command().stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("mmbrokerd: listening on ").expect("it starts");
        self.addresses.lock().unwrap()[process] = url.to_string();
        std::thread::spawn(move || stdout.read_to_string(&mut String::new()));
        child
    }

    /// The auditor, which shares no code with the program.
    fn auditor(&self, url: &str) -> std::process::Output {
        let auditor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mm-audit/mm-audit");
        Command::new(auditor).arg(url).arg(self.folder.path()).output().unwrap()
    }

    fn audit(&self) {
        let output = self.auditor(&self.database.url);
        assert!(output.status.success(), "{output:?}");
    }

    /// Sends a request until it is answered, whatever is killed meanwhile.
    fn send(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
        // The same request goes to another process each time.
        static TURN: AtomicU64 = AtomicU64::new(0);
        for _ in 0..600 {
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
                if status < 500 && read.is_ok() {
                    return (status, bytes);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no answer to {path}");
    }
}

fn name(number: usize) -> String {
    format!("user-{number}")
}

/// Buys and spends until the end.
fn load(world: &World, number: usize) {
    let user: UserId = name(number).parse().unwrap();
    let key = world.key(number);
    let mut firsts = BTreeSet::new();
    while !world.ended.load(Ordering::Relaxed) {
        let Some(first) = buy_and_redeem(world, &user, &key) else { return };
        assert!(firsts.insert(first), "a set was sold twice");
    }
}

/// Buys a set and redeems all of its coins. Every answer is asked for twice. Returns the first
/// superbin of the set; `None` if all are sold.
fn buy_and_redeem(world: &World, user: &UserId, key: &str) -> Option<u32> {
    let bearer = format!("Bearer {key}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let transaction = SystemEntropy.number().unwrap();
    let order = format!("{{\"sets\": 1, \"transaction\": \"{transaction}\"}}");
    let (status, message) = world.send("/v1/purchases", &headers, order.as_bytes());
    if status == 409 {
        return None;
    }
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&message));
    assert_eq!(world.send("/v1/purchases", &headers, order.as_bytes()).1, message);
    let funds = FundsWithdrawn::parse(&message).unwrap();
    let first = MINT.rules().bin(funds.sets[0].superbins[0][0]).unwrap().superbin;
    world.sold.fetch_add(1, Ordering::Relaxed);
    let vendor = VENDORS[transaction as usize % VENDORS.len()].parse().unwrap();
    redeem(world, user, &vendor, first, transaction);
    Some(first)
}

/// Redeems all coins of a set, one payment each.
fn redeem(world: &World, user: &UserId, vendor: &VendorId, first: u32, transaction: u64) {
    let period = MINT.params().period();
    let key = secret().user_key(period, user);
    let mut data = Vec::new();
    let coins = MINT.coins(user, vendor, first);
    for (page, coin) in coins.iter().enumerate() {
        let url: Url = format!("https://{vendor}/{page}").parse().unwrap();
        let payment = MINT.payment(user, &key, vendor, &url, std::slice::from_ref(coin));
        push_record(&mut data, &payment.record().to_bytes());
    }
    let batch = RequestRedemption {
        vendor: vendor.clone(),
        batch: transaction.to_string().parse().unwrap(),
        period: period.clone(),
        payments: coins.len() as u32,
        authenticator: Authenticator::from_bytes([0; AUTHENTICATOR_SIZE]),
        data,
    }
    .authenticated(&secret().vendor_key(vendor))
    .to_bytes();
    let headers = [("Content-Type", "application/x-micromint")];
    let (status, answer) = world.send("/v1/redemptions", &headers, &batch);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    assert_eq!(world.send("/v1/redemptions", &headers, &batch).1, answer);
    let result = RedemptionResult::parse(&answer).unwrap();
    assert_eq!(result.verdicts, vec![Verdict::Accepted; coins.len()]);
    world.redeemed.fetch_add(coins.len() as u64, Ordering::Relaxed);
}
