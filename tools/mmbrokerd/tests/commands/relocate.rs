//! The operator moves the broker to PostgreSQL.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::Place;
use crate::databases::Database;

#[test]
fn a_broker_moves_by_its_configuration() {
    let place = Place::new();
    place.buy("alice", 1);
    let target = Database::postgres();
    let old = std::fs::read_to_string(place.path("broker.toml")).unwrap();
    let new = old.replace("sqlite:broker.db", &target.url);
    assert_ne!(old, new);
    let refused = |config: &str| {
        std::fs::write(place.path("new.toml"), config).unwrap();
        let output = place.program("mmbroker move new.toml").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let secret = refused(&format!("secret-file = \"other.secret\"\n{new}"));
    assert!(secret.contains("secret: expected "), "{secret}");
    assert!(refused(&old).contains("from SQLite to PostgreSQL"));
    std::fs::write(place.path("new.toml"), &new).unwrap();
    let status = place.text("mmbroker status");
    let mut service = Command::new(env!("CARGO_BIN_EXE_mmbrokerd"));
    service.current_dir(place.path(".")).args(["--config", "broker.toml"]);
    let mut service =
        service.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let (mut line, mut output) = (String::new(), BufReader::new(service.stdout.take().unwrap()));
    output.read_line(&mut line).unwrap();
    assert!(line.contains("listening"), "{line}");
    let done = place.text("mmbroker move new.toml");
    assert!(done.contains("moved the broker: ") && done.contains("--config new.toml"), "{done}");

    // A service that still runs on the old database ends.
    assert_eq!(service.wait().unwrap().code(), Some(1));
    let mut why = String::new();
    service.stderr.unwrap().read_to_string(&mut why).unwrap();
    assert!(why.contains("this broker was moved to another database"), "{why}");
    let deposit =
        place.program("mmbroker deposit alice").args(["1 USD", "--reference", "x"]).output();
    let why = String::from_utf8(deposit.unwrap().stderr).unwrap();
    assert!(why.contains("its broker was moved to postgres://"), "{why}");
    let again = refused(&new);
    assert!(again.contains("in the new database already, complete"), "{again}");
    let back = place.error("mmbroker move --take-back new.toml");
    assert!(back.contains("in the new database already, complete"), "{back}");
    std::fs::rename(place.path("new.toml"), place.path("broker.toml")).unwrap();
    assert_eq!(place.text("mmbroker status"), status);
    assert!(place.text("mmbroker check").contains("faults in the ledger: 0, in the audit log: 0"));
    assert!(place.text("mmbroker audit").contains("moved to another database"));
    place.buy("alice", 1);
}
