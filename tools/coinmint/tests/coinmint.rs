//! The program `coinmint`: what it writes and refuses, and that it survives kills.
#![allow(clippy::unwrap_used)]
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use tempfile::TempDir;

fn coinmint(directory: &Path) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("coinmint").unwrap();
    command.current_dir(directory).timeout(Duration::from_secs(240));
    command
}

fn run(directory: &TempDir, args: &str) -> Assert {
    coinmint(directory.path()).args(args.split_whitespace()).assert()
}

fn output(assert: Assert) -> (String, String) {
    let output = assert.get_output();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

fn fails(directory: &TempDir, args: &str, status: i32, says: &str) {
    let (_, errors) = output(run(directory, args).failure().code(status));
    assert!(errors.contains(says), "{args}: {errors}");
}

fn with_test_period() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    run(&directory, "init --profile test --period 2026-12 --weak").success();
    directory
}

#[test]
fn a_month_from_init_to_params() {
    let directory = with_test_period();
    let file = |name: &str| directory.path().join(name);
    for secret in ["2026-12.toml", "broker.secret"] {
        let mode = fs::metadata(file(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    let secret = fs::read_to_string(file("broker.secret")).unwrap();
    assert_eq!(secret.trim_end().len(), 64);

    let (plan, _) = output(run(&directory, "plan 2026-12.toml --rate 1e6").success());
    for says in [
        "16384 bytes",
        "1 004, 98.1 %",
        "15.7 of 16",
        "14.8 of a set",
        "2^9.6",
        "warning: hashfn des",
    ] {
        assert!(plan.contains(says), "{says}: {plan}");
    }
    let (info, _) = output(run(&directory, "info 2026-12.toml").success());
    assert!(info.contains("not begun"), "{info}");
    let (minted, _) = output(run(&directory, "mint 2026-12.toml").success());
    assert!(minted.contains("is complete"), "{minted}");
    let (info, _) = output(run(&directory, "info").success());
    assert!(info.contains("state:          complete") && info.contains("1 004 expected"), "{info}");
    let (info, _) = output(run(&directory, "info --format json").success());
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!((info["state"].as_str(), info["sets"].as_u64()), (Some("complete"), Some(32)));
    assert_eq!(info["period"], "2026-12");
    let (verified, _) = output(run(&directory, "verify").success());
    assert!(verified.contains("no faults"), "{verified}");
    let mode = fs::metadata(file("2026-12.coins")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    run(&directory, "params 2026-12.toml").success();
    let params = fs::read_to_string(file("2026-12.params")).unwrap();
    let mode = fs::metadata(file("2026-12.params")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let config = fs::read_to_string(file("2026-12.toml")).unwrap();
    let key = config.lines().find(|line| line.starts_with("input-key")).unwrap();
    assert!(!params.contains("input-key") && !params.contains("coinfile"));
    assert!(!params.contains(key.split('"').nth(1).unwrap()));
    assert!(params.contains("start = \"2026-12-01T00:00:00Z\""), "{params}");
    run(&directory, "params 2026-12.toml").success();
    fs::write(file("2026-12.params"), "other").unwrap();
    fails(&directory, "params 2026-12.toml", 1, "only one with the same parameters is replaced");

    let before = fs::read(file("2026-12.coins")).unwrap();
    let (again, _) = output(run(&directory, "mint").success());
    assert!(again.contains("nothing was done"), "{again}");
    assert!(fs::read(file("2026-12.coins")).unwrap() == before);
}

/// What `init`, `params` and `mint --run-file` may write.
#[test]
fn outputs_never_replace_the_mints_own_files() {
    let directory = with_test_period();
    let at = |name: &str| directory.path().join(name);
    std::os::unix::fs::symlink("2026-12.toml", at("soft")).unwrap();
    fs::hard_link(at("broker.secret"), at("hard")).unwrap();
    fs::write(at("letter"), "Dear Bob").unwrap();
    let before =
        ["2026-12.toml", "broker.secret", "letter"].map(|name| fs::read(at(name)).unwrap());
    let init = "init --profile test --period 2027-01 --weak -o";
    for name in ["2026-12.toml", "broker.secret", "soft", "hard", "letter"] {
        fails(&directory, &format!("{init} {name}"), 1, "is not overwritten");
        fails(&directory, &format!("params -o {name}"), 1, "is not overwritten");
        let run_file = format!("mint --shard 1/2 --run-file {name}");
        fails(&directory, &run_file, 1, "is not overwritten");
    }
    fails(&directory, "params -o 2026-12.coins", 1, "is the coin file");
    fails(&directory, "mint --shard 1/2 --run-file 2026-12.coins", 1, "is the coin file");
    fails(&directory, "mint --shard 1/2 --run-file /dev/null", 1, "expected a plain file");
    let after = ["2026-12.toml", "broker.secret", "letter"].map(|name| fs::read(at(name)).unwrap());
    assert_eq!(before, after);

    let (params, _) = output(run(&directory, "params -o -").success());
    assert!(params.starts_with("period = \"2026-12\""), "{params}");
    assert_eq!(output(run(&directory, "params -o /dev/stdout").success()).0, params);
    run(&directory, "params -o /dev/null").success();
    fails(&directory, "params -o /dev/full", 1, "/dev/full");
    std::os::unix::fs::symlink("new.params", at("link")).unwrap();
    for _ in 0..2 {
        run(&directory, "params -o link").success();
        assert_eq!(fs::read_to_string(at("new.params")).unwrap(), params);
    }
    let (config, told) = output(run(&directory, &format!("{init} -")).success());
    assert!(config.contains("input-key") && !config.contains("wrote"), "{config}");
    assert!(told.contains("broker.secret exists and is used"), "{told}");
}

#[test]
fn init_chooses_sizes_for_readers_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let demand = "init --period 2026-12 --readers 5000 --coins 200";
    let (said, _) = output(run(&directory, &format!("{demand} --rate 190e6")).success());
    for says in [
        "for 5000 readers with 200 coins each, in 8 hours at 190.0 M tosses/s, as given:",
        "v = 7: about 124 coins in a set, 2 sets for each reader",
        "u = 15: 16384 sets for 10000 that are needed",
        "2^42 tosses, 6.4 hours",
        "t = 18",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    let config = fs::read_to_string(directory.path().join("2026-12.toml")).unwrap();
    for line in
        ["hashfn = \"sha256\"", "input-size = 42", "output-size = 40", "coin-size = 6", "walk = 8"]
    {
        assert!(config.contains(&format!("{line}\n")), "{line}: {config}");
    }
    let (plan, _) = output(run(&directory, "plan --rate 190e6").success());
    for says in ["bought nothing", "bought 1 %", "and invents names", "seeks stored balls", "cap"] {
        assert!(plan.contains(says), "{says}: {plan}");
    }
    // Without --rate it measures.
    run(
        &directory,
        "init --period b --start 2026-12-01T00:00:00Z --expiration 2027-01-01T00:00:00Z \
        --readers 10 --coins 20 --hours 1 -o b.toml",
    )
    .success();
    fails(&directory, &format!("{demand} --rate 190 -o c.toml"), 1, "allow that many hours");
    fails(&directory, &format!("{demand} --profile demo -o c.toml"), 2, "cannot be used with");
    fails(&directory, "init --period 2026-12 -o c.toml", 2, "--profile");
    fails(&directory, "init --period 2026-12 --readers 5 -o c.toml", 2, "--coins");
    assert!(!directory.path().join("c.toml").exists());
}

/// Two periods in one folder: each has a configuration of its own, and a command names one.
#[test]
fn a_configuration_is_named_after_its_period() {
    let directory = with_test_period();
    run(&directory, "plan --rate 1e6").success();
    run(&directory, "init --profile test --period 2027-01 --weak").success();
    assert!(directory.path().join("2027-01.toml").exists());
    fails(
        &directory,
        "plan",
        1,
        "there are 2 configurations of mints here: name one of them, such as 2026-12",
    );
    run(&directory, "plan 2027-01.toml --rate 1e6").success();
    fails(&tempfile::tempdir().unwrap(), "plan", 1, "`coinmint init` writes one");
}

/// Other programs have files there that end in .toml.
#[test]
fn only_configurations_of_mints_are_looked_for() {
    let directory = tempfile::tempdir().unwrap();
    let broker = "# input-key = none\nlisten = \"127.0.0.1:8402\"\ncoins = \".\"\n";
    fs::write(directory.path().join("broker.toml"), broker).unwrap();
    let none = "there is no configuration of a mint here: `coinmint init` writes one";
    fails(&directory, "mint", 1, none);
    let secret = fs::Permissions::from_mode(0o600);
    fs::set_permissions(directory.path().join("broker.toml"), secret).unwrap();
    let says = "broker.toml: expected the configuration of a mint, with input-key and coinfile";
    fails(&directory, "mint broker.toml", 1, says);
    run(&directory, "init --profile test --period 2026-12 --weak").success();
    run(&directory, "mint").success();
    run(&directory, "info").success();
    // One with a mistake is meant as one; so is one that cannot be read.
    let path = directory.path().join("2026-12.toml");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("output-size = ", "output-size = \"")).unwrap();
    fails(&directory, "mint", 1, "2026-12.toml:");
    fs::write(&path, &good).unwrap();
    std::os::unix::fs::symlink("absent", directory.path().join("a.toml")).unwrap();
    fails(&directory, "mint", 1, "there are 2 configurations of mints here");
}

#[test]
fn init_refuses_what_it_should() {
    let directory = with_test_period();
    let before = fs::read(directory.path().join("2026-12.toml")).unwrap();
    let secret = fs::read(directory.path().join("broker.secret")).unwrap();
    fails(
        &directory,
        "init --profile test --period 2026-12 --weak",
        1,
        "2026-12.toml exists and is not overwritten",
    );
    assert_eq!(fs::read(directory.path().join("2026-12.toml")).unwrap(), before);

    fails(
        &directory,
        "init --profile huge --period 2026-12",
        2,
        "test, demo, small, small-sha256 or national",
    );
    fails(&directory, "init --profile demo --period 2026_12", 2, "expected a period name");
    fails(
        &directory,
        "init --profile demo --period 2026-12 --start tomorrow -o a.toml",
        2,
        "RFC 3339",
    );
    fails(&directory, "init --profile test --period 2026-12 -o a.toml", 1, "--weak");
    fails(
        &directory,
        "init --profile demo --period advent -o a.toml",
        1,
        "give --start and --expiration",
    );
    fails(
        &directory,
        "init --profile demo --period 2026-12 -o none/a.toml",
        1,
        "cannot write none/a.toml",
    );
    fails(
        &directory,
        "init --profile demo --period 2026-12 --broker ftp://x -o a.toml",
        1,
        "http or https",
    );
    assert!(!directory.path().join("a.toml").exists());

    // A second period uses the same broker's secret and draws everything else at random again.
    run(&directory, "init --profile demo --period 2027-01 -o b.toml").success();
    assert_eq!(fs::read(directory.path().join("broker.secret")).unwrap(), secret);
    let dates = "--start 2026-12-24T00:00:00Z --expiration 2026-12-27T00:00:00+01:00";
    let advent = format!("init --profile national --period advent -o c.toml {dates}");
    fails(&directory, &format!("{advent} --coin-value 1_cent"), 2, "expected an amount");
    coinmint(directory.path())
        .args(advent.split_whitespace())
        .args(["--coin-value", "0.00010 EUR"])
        .assert()
        .success();
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert!(read("c.toml").contains("expiration = \"2026-12-26T23:00:00Z\""));
    assert!(read("c.toml").contains("coin-value = \"0.0001 EUR\""));
    let line = |name: &str, key: &str| {
        read(name).lines().find(|line| line.starts_with(key)).map(str::to_string)
    };
    for key in ["iv", "input-key"] {
        assert_ne!(line("2026-12.toml", key), line("b.toml", key));
    }
}

#[test]
fn mint_refuses_what_it_should() {
    let directory = with_test_period();
    let path = directory.path().join("2026-12.toml");
    let good = fs::read_to_string(&path).unwrap();
    let change = |from: &str, to: &str| fs::write(&path, good.replace(from, to)).unwrap();

    fails(&directory, "mint none.toml", 1, "cannot open ./none.toml: No such file");
    change("weak = \"allowed\"\n", "");
    fails(&directory, "mint", 1, "below 40");
    change("input-size = 16", "input-size = 57");
    fails(&directory, "mint", 1, "input-size: expected 1 to 56");
    change("coin-size = 4", "coin-size = 4\ncolour = \"red\"");
    fails(&directory, "mint", 1, "unknown key `colour`");
    change("2026-12.coins", "none/2026-12.coins");
    fails(&directory, "mint", 1, "none");
    change("", "");
    fails(&directory, "mint --threads 0", 1, "threads: expected at least 1");
    fails(&directory, "mint --memory 15M", 1, "memory: expected at least 16777216");
    fails(&directory, "mint --memory lots", 2, "expected a size such as 512M");
    fails(&directory, "verify", 1, "cannot open");

    run(&directory, "mint").success();
    change("fixed-bits = ", "fixed-bits = \"0\" # ");
    change("input-key = \"", "input-key = \"00000000000000000000000000000000\" # \"");
    fails(&directory, "mint", 1, "another input-key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fails(&directory, "mint", 1, "others can read");
}

#[test]
fn verify_finds_damage_and_ends_with_its_status() {
    let directory = with_test_period();
    run(&directory, "mint").success();
    let path = directory.path().join("2026-12.coins");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 + 64;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (found, _) = output(run(&directory, "verify").failure().code(4));
    assert!(found.contains("faults"), "{found}");
    fs::write(&path, &bytes[..middle]).unwrap();
    fails(&directory, "verify", 1, "expected 16384 bytes for its parameters");
    fails(&directory, "info", 1, "expected 16384 bytes for its parameters");
}

/// `coinmint plan | head`: a closed pipe is not an error.
#[test]
fn a_closed_pipe_ends_it_silently() {
    let directory = with_test_period();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(assert_cmd::cargo::cargo_bin("coinmint"))
        .current_dir(directory.path())
        .arg("plan")
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn help_lists_the_exit_statuses() {
    let directory = tempfile::tempdir().unwrap();
    for args in ["--help", "mint --help", "verify --help"] {
        let (help, _) = output(run(&directory, args).success());
        assert!(help.contains("Exit status:") && help.contains("3  stopped"), "{args}: {help}");
    }
}

/// The shortest time for minting a long period without a break: long enough for a few checkpoints.
const LONG: Duration = Duration::from_secs(4);

/// A period whose minting takes some seconds on this machine, however fast it is.
struct LongPeriod {
    directory: TempDir,
    /// The coin file of an unbroken run, which all other ways must produce too.
    expected: Vec<u8>,
    /// How long the unbroken run took.
    took: Duration,
}

impl LongPeriod {
    fn new() -> LongPeriod {
        let mut input_bits = 24;
        loop {
            let directory = with_sha256_period(input_bits);
            let start = Instant::now();
            run(&directory, "mint --threads 2").success();
            let took = start.elapsed();
            if took >= LONG || input_bits == 40 {
                let path = directory.path().join("2026-12.coins");
                let expected = fs::read(&path).unwrap();
                fs::remove_file(path).unwrap();
                return LongPeriod { directory, expected, took };
            }
            input_bits += if took < LONG / 8 { 3 } else { 1 };
        }
    }

    fn is_as_expected(&self) -> bool {
        fs::read(self.directory.path().join("2026-12.coins")).unwrap() == self.expected
    }
}

/// SHA-256, 2^input_bits tosses, four balls per bin, u = 11, v = 6.
fn with_sha256_period(input_bits: u32) -> TempDir {
    let directory = with_test_period();
    let path = directory.path().join("2026-12.toml");
    let text = fs::read_to_string(&path).unwrap();
    let longer = text
        .replace("hashfn = \"des\"", "hashfn = \"sha256\"")
        .replace("input-size = 16", &format!("input-size = {input_bits}"))
        .replace("output-size = 12", &format!("output-size = {}", input_bits - 2))
        .replace("subbin-size = 4", "subbin-size = 6")
        .replace("num-fixed-bits = 2", &format!("num-fixed-bits = {}", input_bits - 19))
        .replace("walk = 4\n", "");
    fs::write(&path, longer).unwrap();
    directory
}

fn tossed(directory: &TempDir) -> String {
    output(run(directory, "info").success()).0
}

/// Kills the mint with SIGKILL repeatedly, each time at another moment, until it completes.
#[test]
fn killed_and_resumed_runs_give_the_same_file() {
    let period = LongPeriod::new();
    let directory = &period.directory;
    let mut kills = 0;
    for run in 0u64.. {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("coinmint"))
            .current_dir(directory.path())
            .args(["mint", "--threads", if run % 2 == 0 { "1" } else { "2" }])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // The delay grows, so that the mint completes even if some runs make no progress.
        let limit = Instant::now() + period.took.mul_f64(0.01 + 0.3 * run as f64);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() >= limit {
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if let Some(status) = status {
            assert!(status.success());
            break;
        }
        assert!(run < 100, "{}", tossed(directory));
    }
    assert!(kills > 2, "it was killed {kills} times only");
    assert!(period.is_as_expected());
    run(directory, "verify").success();
}

/// After Ctrl-C it ends soon with status 3, loses nothing, and continues where it stopped.
#[test]
fn ctrl_c_stops_and_another_run_continues() {
    let period = LongPeriod::new();
    let directory = &period.directory;
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("coinmint"))
        .current_dir(directory.path())
        .arg("mint")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The machine may be several times as fast as when `took` was measured.
    std::thread::sleep(period.took / 6);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3));
    let info = tossed(directory);
    assert!(info.contains("of the balls tossed") && !info.contains(" 0.00 %"), "{info}");
    run(directory, "mint").success();
    assert!(period.is_as_expected());
}

/// A second process is refused while the first one is minting.
#[test]
fn two_programs_do_not_mint_into_one_file() {
    let LongPeriod { directory, .. } = LongPeriod::new();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("coinmint"))
        .current_dir(directory.path())
        .arg("mint")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = directory.path().join("2026-12.coins");
    let limit = Instant::now() + Duration::from_secs(20);
    while !path.exists() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(5));
    }
    fails(&directory, "mint", 1, "another process is using it");
    child.kill().unwrap();
    child.wait().unwrap();
    fails(&directory, "verify", 1, "not complete");
}

/// Shards in separate processes, one of them killed several times, merged in parts, give the same
/// coin file as one machine.
#[test]
fn shards_and_parts_give_the_file_of_one_machine() {
    let LongPeriod { directory, expected, .. } = LongPeriod::new();
    let file = |name: &str| directory.path().join(name);
    for index in 1..=2 {
        let (said, _) = output(run(&directory, &format!("mint --shard {index}/3")).success());
        assert!(said.contains(&format!("is complete: shard {index}/3")), "{said}");
    }
    fails(&directory, "merge", 1, "1 of 3 shards are missing: 3");
    fails(&directory, "mint --shard 4/3", 2, "expected I/N");

    // A shard that is killed while it tosses leaves no file that looks complete.
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("coinmint"))
        .args(["mint", "--shard", "3/3", "--run-file", "third.run", "--threads", "1"])
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let has_begun = || {
        let mut names = fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with(".third.run"))
    };
    while !has_begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended without a file of its own");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!file("third.run").exists(), "it was too fast to be killed");
    run(&directory, "mint --shard 3/3 --run-file third.run").success();
    let (again, _) = output(run(&directory, "mint --shard 3/3 --run-file third.run").success());
    assert!(again.contains("nothing was done"), "{again}");

    let runs = "third.run 2026-12.coins.run-1-of-3 2026-12.coins.run-2-of-3";
    let (part, _) =
        output(run(&directory, &format!("merge 2026-12.toml {runs} --part 2/2")).success());
    assert!(part.contains("not merged yet: 1"), "{part}");
    fails(&directory, "verify", 1, "");
    let (whole, _) =
        output(run(&directory, &format!("merge 2026-12.toml {runs} --part 1/2")).success());
    assert!(whole.contains("is complete"), "{whole}");
    assert!(fs::read(file("2026-12.coins")).unwrap() == expected);
    run(&directory, "verify").success();

    fs::remove_file(file("2026-12.coins")).unwrap();
    fs::rename(file("third.run"), file("2026-12.coins.run-3-of-3")).unwrap();
    run(&directory, "merge").success();
    assert!(fs::read(file("2026-12.coins")).unwrap() == expected);
    let hidden = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(hidden.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
}
