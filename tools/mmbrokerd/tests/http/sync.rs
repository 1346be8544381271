//! `mmvendor sync` with the right broker and with a wrong one.

use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use micromint::authenticator::Key;
use micromint::bin::Bin;
use micromint::host::{DiskDirectory, FixedClock, SystemEntropy};
use micromint::protocol::{RequestRedemption, Unsigned};
use micromint::testing::{ObviousMint, params_with};
use micromint::till::{Spend, Spent, SyncMode, Till};
use micromint::time::UnixTime;
use tempfile::TempDir;

use crate::program::*;

/// A vendor with its key at the broker whose secret is [`secret`].
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(site.folder.path().join("periods")).unwrap();
        let config = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\n\
                      periods = \"periods\"\ntill = \"till\"\n";
        std::fs::write(site.folder.path().join("vendor.toml"), config).unwrap();
        let key = secret().vendor_key(&vendor("news.example")).to_hex();
        write_private(&site.folder.path().join("vendor.key"), &key);
        site
    }

    fn program(&self, arguments: &[&str], time: &str) -> Command {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_mmbrokerd"));
        let program = program.with_file_name("mmvendor");
        assert!(program.exists(), "no {}: run cargo build -p mmvendor first", program.display());
        let mut command = Command::new(program);
        command.args(arguments).args(["--config", "vendor.toml", "--as-of", time]);
        command.current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str], time: &str) -> Output {
        self.program(arguments, time).output().unwrap()
    }

    /// Writes this key to the file of the vendor key.
    fn set_key(&self, key: &str) {
        write_private(&self.folder.path().join("vendor.key"), &format!("{key}\n"));
    }

    /// Takes a payment of alice for a page, `age` seconds ago. A batch has none of the last ten
    /// minutes.
    fn spend(&self, page: &str, coin: usize, age: i64) {
        let coins = MINT.coins(&user("alice"), &vendor("news.example"), 0);
        let sent = payment("alice", "news.example", page, &coins[coin..=coin]);
        let now: UnixTime = DURING.parse().unwrap();
        let clock = Arc::new(FixedClock(now.plus_seconds(-age)));
        let folder = self.folder.path().join("till");
        std::fs::create_dir_all(&folder).unwrap();
        let directory = Box::new(DiskDirectory::new(folder));
        let till = Till::open(directory, SyncMode::Always, clock, Arc::new(SystemEntropy)).unwrap();
        let bin = [Bin { superbin: 0, subbin: coin as u32 }];
        let message = sent.to_bytes();
        let spend = Spend::new(&sent.period, &sent.user, &bin, &message, [1; 32]);
        let spent = till.spend(&spend.with_keep_until(now.plus_seconds(86_400))).unwrap();
        assert!(matches!(spent, Spent::Recorded(_)), "{spent:?}");
    }

    /// Syncs once. Returns the exit status, and what was said on standard output and on standard
    /// error.
    fn sync(&self, broker: &Running) -> (Option<i32>, String, String) {
        let output = self.run(&["sync", "--once", "--broker", &broker.url], DURING);
        let [said, told] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
        (output.status.code(), said, told)
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("periods").join(name)).ok()
    }

    /// The files in the folder of periods.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("periods")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A broker with other keys, and other parameters of the same period.
fn wrong_broker() -> (Home, Running) {
    let mint = ObviousMint::new(params_with(|raw| raw.broker = "https://wrong.example/".into()));
    let home = Home::with("https://wrong.example", &Key::from_bytes([43; 32]), &mint.coin_file());
    home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    let running = home.serve();
    (home, running)
}

#[test]
fn a_broker_that_does_not_know_the_vendors_key_writes_no_parameters() {
    let (_right_home, right) = crate::vendors::with_sale();
    let (_wrong_home, wrong) = wrong_broker();
    let site = Site::new();
    let (status, said, told) = site.sync(&wrong);
    assert_eq!((status, said.as_str(), site.names()), (Some(1), "", vec![]), "{told}");
    assert!(
        told.contains("no parameters of 2026-12 were written: the broker answers 403"),
        "{told}"
    );

    let (status, said, told) = site.sync(&right);
    assert_eq!(status, Some(0), "{told}");
    assert!(said.contains("wrote periods/2026-12.params"), "{said}");
    let written = site.read("2026-12.params").unwrap();
    assert_eq!(written, MINT.params().to_toml());
    assert!(site.names().contains(&"2026-12.owners".to_string()));

    // A wrong --broker later is an error that changes nothing.
    let before = site.names();
    let (status, said, told) = site.sync(&wrong);
    assert_eq!((status, said.as_str()), (Some(1), ""), "{told}");
    assert!(
        told.contains("with coins of https://broker.example/, is not what the broker"),
        "{told}"
    );
    assert!(told.contains("this broker does not know the vendor"), "{told}");
    assert_eq!((site.names(), site.read("2026-12.params").unwrap()), (before, written));
    assert_eq!(site.sync(&right).0, Some(0));
}

#[test]
fn parameters_of_another_broker_are_reported_and_not_replaced() {
    let (_home, right) = crate::vendors::with_sale();
    let site = Site::new();
    let wrong = params_with(|raw| raw.broker = "https://wrong.example/".into()).to_toml();
    std::fs::write(site.folder.path().join("periods/2026-12.params"), &wrong).unwrap();
    let check = || {
        let output = site.run(&["check", "--no-server"], DURING);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!check().contains("params-differ"));
    for _ in 0..2 {
        let (status, said, told) = site.sync(&right);
        assert_eq!(status, Some(1), "{said} {told}");
        assert!(
            told.contains("2026-12.params, with coins of https://wrong.example/, is not"),
            "{told}"
        );
        assert!(
            told.contains("mv periods/2026-12.params-of-broker periods/2026-12.params"),
            "{told}"
        );
        assert_eq!(site.read("2026-12.params").unwrap(), wrong);
        assert!(check().contains("error [params-differ] periods/2026-12.params"), "{}", check());
    }
    // The owners came all the same.
    assert!(site.names().contains(&"2026-12.owners".to_string()));

    let periods = site.folder.path().join("periods");
    let beside = periods.join("2026-12.params-of-broker");
    std::fs::rename(&beside, periods.join("2026-12.params")).unwrap();
    assert_eq!(site.sync(&right).0, Some(0));
    assert!(!check().contains("params-differ"));
    // What is beside is removed once there is no difference.
    std::fs::write(&beside, &wrong).unwrap();
    assert_eq!(site.sync(&right).0, Some(0));
    assert!(!beside.exists());
    assert_eq!(site.read("2026-12.params").unwrap(), MINT.params().to_toml());
}

/// A server does not start with periods of two brokers, so sync does not make it so. Two spellings
/// of a URL are one broker.
#[test]
fn a_period_that_does_not_go_with_the_others_is_not_written() {
    let (_home, right) = crate::vendors::with_sale();
    let site = Site::new();
    let other = site.folder.path().join("periods/2026-11.params");
    let with = |broker: &str| {
        let params = MINT.params().to_toml().replace("2026-12\"", "2026-11\"");
        std::fs::write(&other, params.replace("https://broker.example/", broker)).unwrap();
    };
    with("https://other.example/");
    let (status, _, told) = site.sync(&right);
    assert_eq!((status, site.read("2026-12.params")), (Some(1), None), "{told}");
    let why = "no parameters of 2026-12 were written: a server would refuse them beside those \
               that are there: broker: expected \"https://other.example/\" as in period 2026-11";
    assert!(told.contains(why), "{told}");
    with("HTTPS://Broker.example:443");
    site.sync(&right);
    assert_eq!(site.read("2026-12.params"), Some(MINT.params().to_toml()));
}

/// A vendor that came after a period is not registered for it, and needs no parameters of it.
#[test]
fn a_period_that_is_over_and_of_which_the_vendor_knows_nothing_is_no_error() {
    let home = Home::new();
    let running = home.serve_at(EXPIRED);
    let site = Site::new();
    let output = site.run(&["sync", "--once", "--broker", &running.url], EXPIRED);
    assert_eq!((output.status.code(), site.names()), (Some(0), vec![]), "{output:?}");
}

/// A program that ends with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `mmvendor` says if the broker does not know its key.
const WRONG_KEY: &str = "the broker answers 403 wrong-authenticator: the vendor key in vendor.key \
                         may have been replaced: get the new one from your broker's page and write \
                         it to vendor.key";

/// With one payment in a batch that was made under the key before, and one in none. Nothing is lost
/// while the key is the wrong one.
#[test]
fn a_replaced_key_is_told_and_everything_goes_on_under_the_new_one() {
    let (home, broker) = crate::vendors::with_sale();
    let site = Site::new();
    site.spend("a", 0, 900);
    let made = site.run(&["redeem", "--out", "old.mm"], DURING);
    assert!(made.status.success(), "{made:?}");
    site.spend("b", 1, 900);
    let new = home.done(&["vendor-key", "--new", "news.example"]);

    let (status, said, told) = site.sync(&broker);
    assert_eq!((status, said.as_str(), site.names()), (Some(1), "", vec![]), "{told}");
    // The lists, the watch and the batches.
    assert_eq!(told.matches(WRONG_KEY).count(), 3, "{told}");
    assert_eq!(home.number("SELECT COUNT(*) FROM batch"), 0);

    site.set_key(&new);
    let (status, said, told) = site.sync(&broker);
    assert_eq!(status, Some(0), "{told}");
    assert_eq!(said.matches("1 accepted").count(), 2, "{said} {told}");
    assert!(site.names().contains(&"2026-12.owners".to_string()));
    assert_eq!(home.number("SELECT COUNT(*) FROM batch WHERE kind = 'watch'"), 1);
    // What is in a batch need not be shown.
    assert_eq!(home.number("SELECT SUM(coins) FROM batch WHERE kind = 'watch'"), 1);

    // Sent by hand, the batch of the old key is refused, and its answer under the new one is read
    // with the new one alone.
    let path = "/v1/redemptions";
    let old = std::fs::read(site.folder.path().join("old.mm")).unwrap();
    let refused = broker.message(path, &old);
    assert!(refused.text().contains("if the vendor's key was replaced"), "{}", refused.text());
    assert_eq!(refused.problem(), (403, "wrong-authenticator".to_string()));
    let old = RequestRedemption::parse(&old).unwrap();
    let unsigned = RequestRedemption {
        authenticator: Unsigned,
        vendor: old.vendor,
        batch: old.batch,
        period: old.period,
        payments: old.payments,
        data: old.data,
    };
    let again = broker.message(path, &unsigned.authenticated(&new.parse().unwrap()).to_bytes());
    std::fs::write(site.folder.path().join("result.mm"), again.body).unwrap();
    let read = |key: &str| {
        site.set_key(key);
        site.run(&["result", "result.mm"], DURING)
    };
    let unread = read(&secret().vendor_key(&vendor("news.example")).to_hex());
    let told = String::from_utf8(unread.stderr).unwrap();
    assert_eq!(unread.status.code(), Some(1), "{told}");
    assert!(told.contains("make the batch again with `mmvendor redeem`"), "{told}");
    let read = read(&new);
    assert!(read.status.success(), "{read:?}");
}

#[test]
fn a_running_sync_takes_the_new_key_from_the_file() {
    let (home, broker) = crate::vendors::with_sale();
    let site = Site::new();
    site.spend("a", 0, 10);
    let new = home.done(&["vendor-key", "--new", "news.example"]);
    let log = site.folder.path().join("log");
    let mut program = site.program(&["sync", "--broker", &broker.url], DURING);
    program.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let mut running = Ended(program.spawn().unwrap());
    let wait = |what: &str, is_there: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !is_there() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let told = || std::fs::read_to_string(&log).unwrap();
    // The lists and the watch.
    wait("no error", &|| told().matches(WRONG_KEY).count() >= 2);
    site.set_key("no key");
    wait("no other error", &|| told().contains("vendor.key: "));
    assert_eq!(home.number("SELECT COUNT(*) FROM batch"), 0);
    site.set_key(&new);
    let shown = "SELECT COUNT(*) FROM batch WHERE kind = 'watch'";
    wait("no watch", &|| home.number(shown) == 1);
    assert!(running.0.try_wait().unwrap().is_none());
}

/// What is wrong with one period keeps the lists of no other from being fetched.
#[test]
fn a_period_that_is_wrong_stops_no_other() {
    let (_home, running) = crate::vendors::with_sale();
    let site = Site::new();
    assert_eq!(site.sync(&running).0, Some(0));
    let params = site.read("2026-12.params").unwrap();
    let periods = site.folder.path().join("periods");
    // One that the broker does not know, before and after the good one, and a damaged file.
    for name in ["2026-10b", "2026-12b"] {
        let other = params.replace("\"2026-12\"", &format!("\"{name}\""));
        assert_ne!(other, params);
        std::fs::write(periods.join(format!("{name}.params")), other).unwrap();
    }
    std::fs::write(periods.join("2026-09.params"), "x").unwrap();
    for list in ["2026-12.owners", "2026-12.revoked"] {
        let _ = std::fs::remove_file(periods.join(list));
    }
    std::fs::write(periods.join("2026-12.revoked"), "old\n").unwrap();
    let (status, _, told) = site.sync(&running);
    assert_eq!(status, Some(1), "{told}");
    assert!(site.names().contains(&"2026-12.owners".to_string()), "{told}");
    assert_eq!(site.read("2026-12.revoked").as_deref(), Some(""), "{told}");
    for name in ["2026-09", "2026-10b", "2026-12b"] {
        assert!(told.contains(&format!("period {name}: ")), "{told}");
    }
    assert!(!told.contains("period 2026-12: "), "{told}");
}
