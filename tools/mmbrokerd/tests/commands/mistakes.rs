//! What operators do wrong: each command says so at once, and leaves nothing half done.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::Place;

/// The demo in the folder `demo` of this place.
fn demo(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmbrokerd"));
    command.current_dir(place.path("")).args(["demo", "--folder", "demo"]).args(arguments);
    command.output().unwrap()
}

fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Replaces the database in the configuration.
fn set_database(place: &Place, url: &str) {
    let config = fs::read_to_string(place.path("broker.toml")).unwrap();
    let other = config.replace("sqlite:broker.db", url);
    assert_ne!(config, other);
    fs::write(place.path("broker.toml"), other).unwrap();
}

/// The names of the files of a place.
fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn no_command_makes_a_database_that_is_missing() {
    let place = Place::new();
    set_database(&place, "sqlite:lost.db");
    let before = names(&place);
    for line in [
        "mmbroker sums",
        "mmbroker check",
        "mmbroker status",
        "mmbroker person alice",
        "mmbroker key alice",
        "mmbroker vendors",
        "mmbroker settle",
        "mmredeem batch",
    ] {
        let error = place.error(line);
        assert!(error.contains("there is no file"), "{line}: {error}");
        assert!(error.contains("lost.db") && error.contains("mmbroker init"), "{line}: {error}");
        assert_eq!(names(&place), before, "{line}");
    }
}

#[test]
fn a_database_that_cannot_be_used_is_told_at_once() {
    let place = Place::new();
    fs::write(place.path("other.db"), "Dear Bob, this is no database. ".repeat(400)).unwrap();
    set_database(&place, "sqlite:other.db");
    let begun = Instant::now();
    let error = place.error("mmbroker check");
    assert!(error.contains("other.db cannot be opened: "), "{error}");
    assert!(error.contains("file is not a database"), "{error}");

    let place = Place::new();
    // A port on which nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    set_database(&place, &format!("postgres://broker:hunter2@127.0.0.1:{port}/coins"));
    let error = place.error("mmbroker check");
    let expected = format!("postgres://127.0.0.1:{port}/coins cannot be opened: ");
    assert!(error.contains(&expected) && error.contains("refused"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    // The pool alone would try for 20 seconds each.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_secret_that_nobody_saw_does_not_count() {
    let place = Place::new();
    let keys = || place.text("mmbroker end-keys alice");
    place.run("mmbroker person alice", 0);
    let state = || {
        let query = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
                     print(db.execute('SELECT password FROM person').fetchall(), \
                     db.execute('SELECT COUNT(*) FROM api_key').fetchall())";
        let path = place.path("broker.db");
        let output = Command::new("python3").args(["-c", query]).arg(path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let before = state();
    for line in ["mmbroker person alice", "mmbroker key alice"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.program(line).stdout(Stdio::from(full)).output().unwrap();
        let error = error_of(&output);
        assert!(error.contains("cannot write to standard output"), "{line}: {error}");
        assert!(error.contains("nothing was changed"), "{line}: {error}");
        assert!(!error.contains("not shown again"), "{line}: {error}");
        assert_eq!(state(), before, "{line}");
    }
    assert!(keys().contains("ended 0 keys"));
    place.run("mmbroker key alice", 0);
    assert!(keys().contains("ended 1 key of"));
}

#[test]
fn init_makes_nothing_where_a_configuration_is() {
    let place = Place::new();
    let before = names(&place);
    let line = "mmbroker init --url https://broker.example --database sqlite:second.db";
    let error = place.error(line);
    assert!(error.contains("broker.toml exists, and nothing was made"), "{error}");
    assert!(error.contains("--config"), "{error}");
    assert_eq!(names(&place), before);
    let mut command = place.program("mmbroker init --url");
    let output = command.args(["http://x y", "--config", "new.toml"]).output().unwrap();
    assert!(error_of(&output).contains("url: expected an http or https URL"), "{output:?}");
    assert_eq!(names(&place), before);
}

#[test]
fn a_user_with_money_alone_has_an_account() {
    let place = Place::new();
    let shown = place.text("mmbroker account alice");
    assert!(shown.contains("user alice") && shown.contains("100.00 USD"), "{shown}");
    let error = place.error("mmbroker account nobody");
    assert!(error.contains("a user with an account, found nobody"), "{error}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_once() {
    let error = Place::new().error("mmredeem nofile");
    assert_eq!(error.matches("nofile").count(), 1, "{error}");
}

#[test]
fn a_demo_takes_its_address_before_it_changes_anything() {
    let place = Place::new();
    let made = demo(&place, &["--profile", "test", "--prepare", "--listen", "127.0.0.1:0"]);
    assert!(made.status.success(), "{made:?}");
    let config = fs::read_to_string(place.path("demo/broker.toml")).unwrap();
    let address = config.split('"').nth(1).unwrap().parse::<SocketAddr>().unwrap();
    let database = || fs::read(place.path("demo/broker.db")).unwrap();
    let before = database();

    let error = error_of(&demo(&place, &["--listen", "127.0.0.2:0"]));
    assert!(error.contains(&format!("this demo listens on {address}")), "{error}");
    let other = if address.port() == 9 { 10 } else { 9 };
    let error = error_of(&demo(&place, &["--listen", &format!("127.0.0.1:{other}")]));
    assert!(error.contains("use another folder"), "{error}");

    let _taken = TcpListener::bind(address).unwrap();
    let output = demo(&place, &[]);
    let error = error_of(&output);
    assert!(error.contains(&format!("cannot listen on {address}")), "{error}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert!(database() == before);
}

/// A demo whose mint was stopped goes on, at its address and with its coins.
#[test]
fn a_demo_that_was_interrupted_goes_on() {
    let place = Place::new();
    let prepare = ["--profile", "test", "--prepare", "--listen", "127.0.0.1:0"];
    let made = demo(&place, &prepare);
    assert!(made.status.success(), "{made:?}");
    let mint = fs::read_to_string(place.path("demo/mint.toml")).unwrap();
    let coins = fs::read_dir(place.path("demo")).unwrap().map(|it| it.unwrap().path());
    let coins = coins.filter(|path| path.extension().is_some_and(|it| it == "coins"));
    let coins = coins.collect::<Vec<_>>().pop().unwrap();
    let minted = fs::read(&coins).unwrap();
    let undo = || {
        for entry in fs::read_dir(place.path("demo")).unwrap() {
            let path = entry.unwrap().path();
            if path != coins && !path.ends_with("mint.toml") && !path.ends_with("broker.secret") {
                fs::remove_file(path).unwrap();
            }
        }
    };
    // After the coin file, and after `coinmint init`.
    for with_coins in [true, false] {
        undo();
        if !with_coins {
            fs::remove_file(&coins).unwrap();
        }
        let output = demo(&place, &prepare);
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("going on with the period "), "{said}");
        assert_eq!(fs::read_to_string(place.path("demo/mint.toml")).unwrap(), mint);
        assert!(fs::read(&coins).unwrap() == minted);
        let config = fs::read_to_string(place.path("demo/broker.toml")).unwrap();
        let url = config.split('"').nth(3).unwrap();
        assert!(mint.contains(&format!("broker = \"{url}/\"")), "{config}");
    }

    // What cannot go on says why, and changes nothing.
    undo();
    let error = error_of(&demo(&place, &["--listen", "127.0.0.2:0", "--prepare"]));
    assert!(error.contains("this demo listens on 127.0.0.1:"), "{error}");
    let change = |from: &str, to: &str| {
        let other = mint.lines().map(|line| if line.starts_with(from) { to } else { line });
        fs::write(place.path("demo/mint.toml"), other.collect::<Vec<_>>().join("\n")).unwrap();
        error_of(&demo(&place, &prepare))
    };
    let error = change("broker = ", "broker = \"https://broker.example/\"");
    assert!(error.contains("a demo did not make this mint"), "{error}");
    let error = change("expiration = ", "expiration = 2026-01-01T00:00:00Z");
    assert!(error.contains("demo/mint.toml:"), "{error}");
    let error = change("input-key = ", "input-key = \"00000000000000000000000000000000\"");
    assert!(error.contains("another input-key"), "{error}");
    assert!(error.contains("goes on with what is minted; to start again, remove demo"), "{error}");
    assert!(!place.path("demo/broker.toml").exists());
    fs::write(place.path("demo/mint.toml"), &mint).unwrap();
    assert!(demo(&place, &prepare).status.success());
}

/// An address that a demo cannot have is refused before anything is made.
#[test]
fn a_demo_listens_on_this_machine_alone() {
    let place = Place::new();
    let error = error_of(&demo(&place, &["--profile", "test", "--listen", "0.0.0.0:0"]));
    assert!(error.contains("a demo has no TLS"), "{error}");
    assert!(error.contains("such as on 127.0.0.1:8402; found 0.0.0.0:0"), "{error}");
    for address in ["23000", "localhost:23000", "127.0.0.1", "127.0.0.1:99999"] {
        let output = demo(&place, &["--listen", address]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        let says = "expected an IP address and a port, such as 127.0.0.1:8402";
        assert!(told.contains(says), "{told}");
    }
    assert!(!place.path("demo").exists());
}

/// What the service says on standard error while it gets these requests, one after the other.
fn told_by_service(place: &Place, requests: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmbrokerd"));
    command.current_dir(place.path("")).args(["--config", "broker.toml"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("mmbrokerd: listening on http://").unwrap();
    for request in requests {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_proxy_that_names_no_client_is_told_once() {
    let place = Place::new();
    let form = |headers: &str| {
        format!(
            "POST /login HTTP/1.1\r\nHost: broker.example\r\nConnection: close\r\n{headers}\
             Content-Length: 8\r\n\r\nuser=bob"
        )
    };
    let (plain, named) = (form(""), form("X-Forwarded-For: 198.51.100.7\r\n"));
    let page = "GET /login HTTP/1.1\r\nHost: broker.example\r\nConnection: close\r\n\r\n";
    let told = told_by_service(&place, &[page, &named, page]);
    assert!(!told.contains("X-Forwarded-For"), "{told}");
    let told = told_by_service(&place, &[&plain, &plain, &named]);
    let warning = "mmbrokerd: warning: 127.0.0.1 sent a form without X-Forwarded-For";
    assert_eq!(told.matches(warning).count(), 1, "{told}");

    // A proxy on another machine that is not named.
    let config = fs::read_to_string(place.path("broker.toml")).unwrap();
    let named_proxy = format!("behind-proxy = [\"192.0.2.7\"]\n{config}");
    fs::write(place.path("broker.toml"), named_proxy).unwrap();
    let told = told_by_service(&place, &[&plain, &named, &named]);
    let warning = "mmbrokerd: warning: 127.0.0.1 is not believed about X-Forwarded-For";
    assert_eq!(told.matches(warning).count(), 1, "{told}");
    assert!(told.contains("name it in behind-proxy"), "{told}");
}

#[test]
fn the_service_says_that_it_made_a_database() {
    let place = Place::new();
    let warning = "there was no database; made an empty one";
    assert!(!told_by_service(&place, &[]).contains(warning));
    fs::remove_file(place.path("broker.witness")).unwrap();
    set_database(&place, "sqlite:second.db");
    assert!(told_by_service(&place, &[]).contains(warning));
    assert!(place.path("second.db").exists());
}

/// The modes of the files of a database.
fn modes(place: &Place) -> Vec<(String, u32)> {
    let files = names(place).into_iter().filter(|name| name.starts_with("private.db"));
    let mode = |name: &String| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    files.map(|name| (name.clone(), mode(&name))).collect()
}

#[test]
fn a_database_is_for_its_owner_alone_whatever_the_umask() {
    let place = Place::new();
    fs::remove_file(place.path("broker.witness")).unwrap();
    let under_umask = |program: &str, words: &str| {
        let mut command = Command::new("sh");
        command
            .current_dir(place.path(""))
            .args(["-c", &format!("umask 022; exec \"$0\" {words}")]);
        command.arg(program);
        command
    };
    let line = "--config private.toml init --url https://broker.example --listen 127.0.0.1:0 \
                --database sqlite:private.db";
    let made = under_umask(env!("CARGO_BIN_EXE_mmbroker"), line).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    assert_eq!(modes(&place), [("private.db".to_string(), 0o600)]);

    // SQLite keeps the others while the database is open.
    let service = env!("CARGO_BIN_EXE_mmbrokerd");
    let mut command = under_umask(service, "--config private.toml");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("listening"), "{line}");
    let files = ["private.db", "private.db-shm", "private.db-wal"];
    assert_eq!(modes(&place), files.map(|name| (name.to_string(), 0o600)));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap();
}

/// Adds a part to the configuration of [`Place::new`].
fn configure(place: &Place, part: &str) {
    let config = fs::read_to_string(place.path("broker.toml")).unwrap();
    let head = config.split("[shop").next().unwrap();
    fs::write(place.path("broker.toml"), format!("{head}{part}")).unwrap();
}

/// Writes a file with this mode.
fn write_with_mode(place: &Place, name: &str, text: &str, mode: u32) {
    fs::write(place.path(name), text).unwrap();
    fs::set_permissions(place.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn check_looks_at_the_files_of_secrets() {
    let place = Place::new();
    let secret = "a secret of enough letters\n";
    let mail = "[shop.mail]\nserver = \"mail.example\"\nuser = \"u\"\nfrom = \"a@b.example\"\n\
                password-file = \"s\"\n";
    for (key, part, short) in [
        ("shop.metrics-file", "[shop]\nmetrics-file = \"s\"\n", "fifteen letters\n"),
        ("shop.hooks.stripe", "[shop.hooks]\nstripe = \"s\"\n", "fifteen letters\n"),
        ("shop.mail.password-file", mail, "\n"),
    ] {
        configure(&place, part);
        let _ = fs::remove_file(place.path("s"));
        for (text, mode, says) in [
            (None, 0, "No such file"),
            (Some(secret), 0o644, "others can read this file, which contains a secret"),
            (Some(short), 0o600, "expected a line with a secret of at least"),
        ] {
            text.inspect(|text| write_with_mode(&place, "s", text, mode));
            let output = place.run("mmbroker check", 1);
            let (told, found) = (String::from_utf8_lossy(&output.stderr), &output.stdout);
            assert!(told.contains(&format!("mmbroker: {key}: ")) && told.contains(says), "{told}");
            assert!(told.contains("/s") && !told.contains("letters"), "{told}");
            let found = String::from_utf8_lossy(found);
            assert!(found.ends_with("in the audit log: 0, in the configuration: 1\n"), "{found}");
        }
        write_with_mode(&place, "s", secret, 0o600);
        assert!(place.text("mmbroker check").ends_with("in the configuration: 0\n"));
    }
}

#[test]
fn check_warns_before_there_is_nothing_to_sell() {
    let place = Place::new();
    for (time, is_near) in [("2198-12-24T00:00:00Z", false), ("2198-12-26T00:00:00Z", true)] {
        let output = place.run(&format!("mmbroker check --as-of {time}"), 0);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told.contains("no period follows 2026-12"), is_near, "{told}");
    }
}

#[test]
fn check_tells_of_a_halt_an_open_database_and_a_fee_that_counts_for_nothing() {
    let place = Place::new();
    for key in ["payout-fee", "payout-min"] {
        configure(&place, &format!("[shop]\n{key} = \"1 EUR\"\n"));
        let error = place.error("mmbroker check");
        let says = format!("shop.{key}: expected a currency of the periods (USD), found EUR");
        assert!(error.contains(&says), "{error}");
        // Banks pay whole cents.
        configure(&place, &format!("[shop]\n{key} = \"0.355 USD\"\n"));
        let error = place.error("mmbroker check");
        let says = format!("shop.{key}: expected at most two decimals, found \"0.355 USD\"");
        assert!(error.contains(&says), "{error}");
        configure(&place, &format!("[shop]\n{key} = \"1 USD\"\n"));
        place.run("mmbroker check", 0);
    }
    fs::set_permissions(place.path("broker.db"), fs::Permissions::from_mode(0o644)).unwrap();
    let error = place.error("mmbroker check");
    assert!(error.contains("mmbroker: database: ") && error.contains("chmod 600"), "{error}");
    fs::set_permissions(place.path("broker.db"), fs::Permissions::from_mode(0o600)).unwrap();
    place.run("mmbroker check", 0);

    // Without its witness the database may be an old one.
    fs::remove_file(place.path("broker.witness")).unwrap();
    let error = place.error("mmbroker check");
    assert!(error.contains("mmbroker: error: nothing is sold, judged or paid"), "{error}");
    assert!(error.contains("there is no good witness file"), "{error}");
    let forced = place.text("mmbroker restored --force");
    assert!(forced.contains("payouts are blocked"), "{forced}");
    place.run("mmbroker check", 0);
}

#[test]
fn a_mistyped_name_gets_no_money_and_is_not_revoked() {
    let place = Place::new();
    let deposit = |line: &str, reference: &str| {
        let mut command = place.program("mmbroker deposit");
        command.args(line.split(' ')).args(["5 USD", "--reference", reference]).output().unwrap()
    };
    let error = error_of(&deposit("alicf", "r1"));
    assert!(error.contains("the broker has no account alicf; nothing was added"), "{error}");
    assert!(place.error("mmbroker account alicf").contains("found alicf"));
    // A name with a key, with a password or with money is known.
    place.run("mmbroker key carol", 0);
    place.run("mmbroker person dave", 0);
    for line in ["carol", "dave", "alice", "erin --new", "erin"] {
        let output = deposit(line, &format!("second {line}"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("added 5.00 USD to the account of"), "{output:?}");
    }

    let error = place.error("mmbroker revoke alice alicf");
    assert!(error.contains("the broker has no account alicf; nobody was revoked"), "{error}");
    assert!(!place.text("mmbroker account alice").contains("revoked"));
    assert_eq!(place.text("mmbroker revoke --force alice alicf"), "revoked alice\nrevoked alicf\n");
}

#[test]
fn a_run_that_is_not_booked_keeps_payouts_blocked() {
    let place = Place::new();
    place.run("mmbroker restored --force", 0);
    let release = |force: &[&str]| {
        let mut command = place.program("mmbroker release-payouts --run 2 --total");
        command.arg("0.66 USD").args(force).output().unwrap()
    };
    for _ in 0..2 {
        let error = error_of(&release(&[]));
        assert!(error.contains("payout run 2 is not in the books"), "{error}");
        assert!(error.contains("mmbroker payout book FILE"), "{error}");
    }
    let forced = release(&["--force"]);
    assert!(forced.status.success(), "{forced:?}");
    assert!(String::from_utf8_lossy(&forced.stderr).contains("pays it a second time"));
    let error = error_of(&release(&["--force"]));
    assert!(error.contains("payouts are not blocked"), "{error}");
}
