//! One till, several processes: no coin is acknowledged twice, and nothing that was acknowledged is
//! lost, even with `kill -9`.
//!
//! The processes are this very test program, started again with `worker` as the test to run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use micromint::bin::Bin;
use micromint::host::{DiskDirectory, SystemClock, SystemEntropy};
use micromint::identity::UserId;
use micromint::period::Period;
use micromint::till::{Reversal, Spend, Spent, SyncMode, Till};

const WORKERS: u8 = 4;
/// How many coins a worker spends together, by its number.
const GROUPS: [usize; WORKERS as usize] = [1, 3, 16, 64];

fn open(path: &Path, sync: SyncMode) -> Till {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    Till::open(Box::new(DiskDirectory::new(path)), sync, clock, entropy).unwrap()
}

fn spend(till: &Till, coin: u32, worker: u8) -> Spent {
    till.spend(&Payment::new(coin, worker).spend()).unwrap()
}

/// Records payments as a server does for the requests of one wake-up.
fn spend_group(till: &Till, coins: &[u32], worker: u8) -> Vec<Spent> {
    let payments: Vec<Payment> = coins.iter().map(|coin| Payment::new(*coin, worker)).collect();
    let spends: Vec<Spend<'_>> = payments.iter().map(Payment::spend).collect();
    let spent = till.try_spend_group(&spends).into_iter().zip(&spends);
    spent.map(|(spent, spend)| spent.unwrap_or_else(|| till.spend(spend).unwrap())).collect()
}

struct Payment {
    period: Period,
    user: UserId,
    first_bins: [Bin; 1],
    worker: u8,
}

impl Payment {
    fn new(coin: u32, worker: u8) -> Payment {
        let (period, user) = ("2026-12".parse().unwrap(), "alice".parse().unwrap());
        Payment { period, user, first_bins: [Bin { superbin: coin * 2, subbin: 1 }], worker }
    }

    fn spend(&self) -> Spend<'_> {
        let Payment { period, user, first_bins, worker } = self;
        Spend::new(period, user, first_bins, &[b'p'; 500], [*worker; 32]).with_receipt_seconds(3600)
    }
}

fn start(folder: &Path, worker: u8, coins: std::ops::Range<u32>) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--ignored", "--nocapture"])
        .env("TILL_FOLDER", folder)
        .env("TILL_WORKER", worker.to_string())
        .env("TILL_COINS", format!("{} {}", coins.start, coins.end))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test: what a started process does. It reverses every third coin immediately.
#[test]
#[ignore = "started by the other tests"]
fn worker() {
    let Ok(folder) = std::env::var("TILL_FOLDER") else {
        return;
    };
    let number: u8 = std::env::var("TILL_WORKER").unwrap().parse().unwrap();
    let coins = std::env::var("TILL_COINS").unwrap();
    let (first, end) = coins.split_once(' ').unwrap();
    let folder = Path::new(&folder);
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join(format!("log-{number}")))
        .unwrap();
    let till = open(&folder.join("till"), SyncMode::Os);
    let coins: Vec<u32> = (first.parse().unwrap()..end.parse().unwrap()).collect();
    for group in coins.chunks(GROUPS[usize::from(number)]) {
        for (coin, spent) in group.iter().zip(spend_group(&till, group, number)) {
            let Spent::Recorded(id) = spent else { continue };
            // One write, so that a kill leaves whole lines or none.
            log.write_all(format!("{coin} spent\n").as_bytes()).unwrap();
            if coin % 3 == 0 {
                log.write_all(format!("{coin} reversing\n").as_bytes()).unwrap();
                assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
                log.write_all(format!("{coin} reversed\n").as_bytes()).unwrap();
            }
        }
    }
}

/// What was acknowledged to the processes: coins by worker, with the last word on each.
fn logged(folder: &Path) -> BTreeMap<(u32, u8), String> {
    let mut found = BTreeMap::new();
    for worker in 0..WORKERS {
        let log = std::fs::read_to_string(folder.join(format!("log-{worker}"))).unwrap_or_default();
        for line in log.lines() {
            let (coin, word) = line.split_once(' ').unwrap();
            found.insert((coin.parse().unwrap(), worker), word.to_string());
        }
    }
    found
}

#[test]
fn processes_racing_for_the_same_coins_get_each_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("till")).unwrap();
    let workers: Vec<Child> =
        (0..WORKERS).map(|worker| start(folder.path(), worker, 0..1500)).collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    let logged = logged(folder.path());
    for coin in (0..1500).filter(|coin| coin % 3 != 0) {
        let winners: Vec<u8> =
            (0..WORKERS).filter(|worker| logged.contains_key(&(coin, *worker))).collect();
        assert_eq!(winners.len(), 1, "coin {coin}: {winners:?}");
    }
    let till = open(&folder.path().join("till"), SyncMode::Os);
    for coin in 0..1500 {
        // A coin that was reversed each time is unspent; all others are spent.
        let spent = spend(&till, coin, 99);
        assert_eq!(matches!(spent, Spent::Recorded(_)), coin % 3 == 0, "coin {coin}: {spent:?}");
    }
}

#[test]
fn kill_9_under_load_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("till")).unwrap();
    for round in 0..4 {
        let first = round * 1_000_000;
        let workers: Vec<Child> = (0..WORKERS)
            .map(|worker| start(folder.path(), worker, first..first + 1_000_000))
            .collect();
        let began = Instant::now();
        let is_busy = |coins: usize| {
            logged(folder.path()).keys().filter(|key| key.0 >= first).count() > coins
        };
        while !is_busy(300) && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Kills them one by one: the others continue.
        for mut worker in workers {
            worker.kill().unwrap();
            worker.wait().unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
        let logged = logged(folder.path());
        assert!(logged.len() > 300, "{}", logged.len());
        let till = open(&folder.path().join("till"), SyncMode::Os);
        for ((coin, worker), word) in &logged {
            let others = (0..WORKERS)
                .filter(|other| logged.get(&(*coin, *other)).is_some_and(|word| word == "spent"));
            match word.as_str() {
                "spent" => {
                    assert_eq!(others.count(), 1, "coin {coin}");
                    if coin % 3 != 0 {
                        assert_eq!(spend(&till, *coin, 99), Spent::AlreadySpent, "coin {coin}");
                        assert!(
                            matches!(spend(&till, *coin, *worker), Spent::Retry { .. }),
                            "coin {coin}"
                        );
                    }
                }
                "reversing" => {}
                _ => assert!(
                    !matches!(spend(&till, *coin, *worker), Spent::Retry { .. }),
                    "coin {coin}"
                ),
            }
        }
        std::fs::read_dir(folder.path()).unwrap().flatten().for_each(|entry| {
            if entry.file_name().to_string_lossy().starts_with("log-") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        });
    }
}

/// The cost of a payment to the till.
#[test]
#[ignore = "a measurement: run with make test-slow"]
fn cost_of_a_spend() {
    let folder = tempfile::tempdir().unwrap();
    let till = open(folder.path(), SyncMode::Os);
    for part in 0..4 {
        let began = Instant::now();
        for coin in 0..50_000 {
            assert!(matches!(spend(&till, part * 50_000 + coin, 1), Spent::Recorded(_)));
        }
        println!("{:.2} us a spend", began.elapsed().as_secs_f64() * 1e6 / 50_000.0);
    }
    let began = Instant::now();
    drop(open(folder.path(), SyncMode::Os));
    println!("opened again in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
}
