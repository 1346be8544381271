//! What operators do wrong: each command says so at once, and leaves nothing half done.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
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
    assert!(keys().contains("ended 1 keys"));
}

#[test]
fn init_makes_nothing_where_a_configuration_is() {
    let place = Place::new();
    let before = names(&place);
    let line = "mmbroker init --url https://broker.example --database sqlite:second.db";
    let error = place.error(line);
    assert!(error.contains("broker.toml") && error.contains("exists"), "{error}");
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
    assert!(shown.contains("user alice") && shown.contains("100 USD"), "{shown}");
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
