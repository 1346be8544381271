//! Programs and databases are killed, cut off and restarted again and again, and the clock goes
//! forward and back, while clients buy and return and vendors redeem. The auditor agrees at every
//! second.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../broker/databases.rs"]
mod databases;
mod load;
mod world;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use databases::{Database, Disk, OwnPostgres};
use load::{Load, USERS};
use world::{Phase, Processes, World};

/// The least number of faults in each phase, on a machine that is busy.
const FAULTS_MIN: u32 = 4;

/// How long the load goes on: 10 seconds for each test, or as `MICROMINT_FAULT_SECONDS` says.
fn duration() -> Duration {
    let seconds = std::env::var("MICROMINT_FAULT_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(10))
}

#[test]
fn killed_on_sqlite() {
    killed(Database::sqlite(), 1);
}

#[test]
fn three_processes_killed_on_one_postgres() {
    killed(Database::postgres(), 3);
}

/// Kills one process each second: while coins are sold, while they are returned, and while the
/// period is settled. Then the clock goes back, and nothing is reopened.
fn killed(database: Database, count: usize) {
    let world = Arc::new(World::new(database));
    let mut processes = Processes::start(&world, count);
    let loads = start_loads(&world);
    let auditor = start_auditor(&world);
    let mut kills = 0;
    for phase in [Phase::Selling, Phase::Returning] {
        world.set_phase(phase);
        let (start, before) = (Instant::now(), kills);
        while start.elapsed() < duration() / 2 || kills < before + FAULTS_MIN {
            pause(kills);
            processes.kill_and_start(kills as usize % count);
            kills += 1;
        }
    }
    // From here on all processes have one clock: what is too late for one is too late for all.
    processes.kill_all();
    world.set_phase(Phase::Closed);
    processes.start_all();
    for _ in 0..FAULTS_MIN {
        pause(kills);
        processes.kill_and_start(kills as usize % count);
        kills += 1;
    }
    world.wait_until_settled();
    end_loads(&world, loads);
    let audits = auditor.join().unwrap();
    world.audit();
    processes.kill_all();
    world.set_phase(Phase::Selling);
    processes.start_all();
    assert_eq!(Load::new(&world, 0).buy(), None, "the clock went back, and a set was sold");
    world.audit();
    let (sold, redeemed) = world.counts();
    println!("{kills} kills, {audits} audits, {sold} sets sold, {redeemed} coins redeemed");
    assert!(sold >= 3 && redeemed >= 3, "{kills} {sold} {redeemed}");
}

/// The database cuts the connections of three processes, is restarted, and crashes.
#[test]
fn postgres_is_cut_off_and_restarted() {
    let postgres = OwnPostgres::start(Disk::Temporary);
    let world = Arc::new(World::new(postgres.database()));
    let mut processes = Processes::start(&world, 3);
    let loads = start_loads(&world);
    let start = Instant::now();
    let mut faults = 0;
    while start.elapsed() < duration() || faults < FAULTS_MIN {
        pause(faults);
        match faults % 4 {
            0 => postgres.cut(),
            1 => postgres.restart(),
            2 => processes.kill_and_start(faults as usize % 3),
            _ => postgres.crash(),
        }
        world.audit();
        processes.assert_running();
        faults += 1;
    }
    end_loads(&world, loads);
    world.audit();
    let (sold, redeemed) = world.counts();
    println!("{faults} faults, {sold} sets sold, {redeemed} coins redeemed");
    assert!(sold >= 3 && redeemed >= 3, "{faults} {sold} {redeemed}");
}

#[test]
fn the_disk_of_the_tables_of_postgres_is_full() {
    full_disk(Disk::SmallForTables);
}

#[test]
fn the_disk_of_the_log_of_postgres_is_full() {
    full_disk(Disk::SmallForLog);
}

/// Fills a disk of PostgreSQL under load. What fails is done once when there is space again.
fn full_disk(disk: Disk) {
    let postgres = OwnPostgres::start(disk);
    let world = Arc::new(World::new(postgres.database()));
    let mut processes = Processes::start(&world, 2);
    let loads = start_loads(&world);
    let unavailable = || world.unavailable.load(Ordering::Relaxed);
    for _ in 0..2 {
        let (sold, _) = world.counts();
        wait_until("a set is sold", || world.counts().0 > sold);
        let before = unavailable();
        wait_until("a request fails", || {
            postgres.fill_disk();
            unavailable() > before
        });
        processes.assert_running();
        postgres.empty_disk();
        // Without space for its log, PostgreSQL may end; then its operator starts it again.
        postgres.start_again();
        let (sold, redeemed) = world.counts();
        let is_on = || world.counts().0 > sold && world.counts().1 > redeemed;
        wait_until("the running service goes on", is_on);
        processes.assert_running();
        world.audit();
    }
    end_loads(&world, loads);
    processes.kill_all();
    processes.start_all();
    world.audit();
    let ((sold, redeemed), failed) = (world.counts(), unavailable());
    println!("{disk:?}: {failed} times 503, {sold} sets sold, {redeemed} coins redeemed");
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(300), "waited for five minutes: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// About a second, so that faults meet the load at any point of its work.
fn pause(number: u32) {
    std::thread::sleep(Duration::from_millis(700 + 97 * u64::from(number % 7)));
}

fn start_loads(world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let start = |number| {
        let world = Arc::clone(world);
        std::thread::spawn(move || Load::new(&world, number).run())
    };
    (0..USERS).map(start).collect()
}

fn end_loads(world: &World, loads: Vec<JoinHandle<()>>) {
    world.ended.store(true, Ordering::Relaxed);
    for load in loads {
        load.join().unwrap();
    }
}

/// Audits each second, whatever happens to the processes. Returns the number of audits.
fn start_auditor(world: &Arc<World>) -> JoinHandle<u32> {
    let world = Arc::clone(world);
    std::thread::spawn(move || {
        let mut audits = 0;
        while !world.ended.load(Ordering::Relaxed) {
            world.audit();
            audits += 1;
            std::thread::sleep(Duration::from_secs(1));
        }
        audits
    })
}

/// An auditor that finds nothing in a wrong database would be of no use.
#[test]
fn the_auditor_finds_what_is_wrong() {
    let world = Arc::new(World::new(Database::sqlite()));
    let mut processes = Processes::start(&world, 1);
    Load::new(&world, 0).buy_and_redeem();
    processes.kill_all();
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
        let copy = world.path("copy.db");
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
        let words = String::from_utf8(output.stdout).unwrap();
        assert!(words.contains("faults") && !words.contains(" 0 faults"), "{change}: {words}");
        std::fs::remove_file(copy).unwrap();
    }
}
