//! `mmbroker trial`: what it writes is what a vendor and a reader need, and it replaces nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;
use micromint::authenticator::Key;
use micromint::params::Params;
use micromint::protocol::FundsWithdrawn;

fn trial(folder: &Path) -> std::process::Output {
    let mut command = Command::cargo_bin("mmbroker").unwrap();
    command.current_dir(folder).args(["trial", "--vendor", "localhost"]).output().unwrap()
}

#[test]
fn a_trial_has_everything_for_a_vendor_and_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    assert!(trial(folder.path()).status.success());
    let place = folder.path().join("trial");
    let mut names: Vec<String> = fs::read_dir(&place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains(".coins"))
        .collect();
    names.sort();
    let period = names[1].trim_end_matches(".params").to_string();
    let expected = [
        format!("{period}.owners"),
        format!("{period}.params"),
        "broker.secret".to_string(),
        "reader.mm".to_string(),
        "vendor.key".to_string(),
    ];
    assert_eq!(names, expected);

    let read = |name: &str| fs::read(place.join(name)).unwrap();
    let params =
        Params::from_toml(std::str::from_utf8(&read(&format!("{period}.params"))).unwrap());
    assert_eq!(params.unwrap().period().as_str(), period);
    let funds = FundsWithdrawn::parse(&read("reader.mm")).unwrap();
    assert_eq!((funds.user.as_str(), funds.sets.len()), ("reader", 4));
    String::from_utf8(read("vendor.key")).unwrap().trim().parse::<Key>().unwrap();
    let mode = |name: &str| fs::metadata(place.join(name)).unwrap().permissions().mode() & 0o777;
    // Web servers read the first two; the others are secret.
    assert_eq!(expected.map(|name| mode(&name)), [0o644, 0o644, 0o600, 0o600, 0o600]);

    // The coin file is a broker's: its commands go on with it.
    let coins = place.join(format!("{period}.coins"));
    let mut command = Command::cargo_bin("mmbroker").unwrap();
    command.args(["vendors", "--coinfile"]).arg(&coins).assert().success().stdout("localhost\n");

    // A second trial there is refused, and changes nothing.
    let before = read("reader.mm");
    let second = trial(folder.path());
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("exists: a trial begins in a folder of its own"), "{said}");
    assert_eq!(read("reader.mm"), before);
}
