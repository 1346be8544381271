//! `mmbroker trial`: what it writes is what a vendor and a reader need, and it replaces nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use micromint::authenticator::Key;
use micromint::params::Params;
use micromint::protocol::FundsWithdrawn;

fn trial(folder: &Path) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmbroker"));
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
        .filter(|name| !name.ends_with(".coins") && !name.starts_with("broker.db"))
        .collect();
    names.sort();
    let period = names[1].trim_end_matches(".params").to_string();
    let expected = [
        format!("{period}.owners"),
        format!("{period}.params"),
        "broker.secret".to_string(),
        "broker.toml".to_string(),
        "broker.witness".to_string(),
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
    let private = ["broker.secret", "reader.mm", "vendor.key"];
    let lists = [format!("{period}.owners"), format!("{period}.params")];
    assert_eq!(lists.map(|name| mode(&name)), [0o644; 2]);
    assert_eq!(private.map(mode), [0o600; 3]);

    // It is a broker: its commands go on with it.
    let go_on = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mmbroker"));
        let config = place.join("broker.toml");
        let output = command.arg("--config").arg(config).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert_eq!(go_on(&["vendors"]), b"localhost\n");
    let more = go_on(&["withdraw", "--user", "reader", "--sets", "20"]);
    assert_eq!(FundsWithdrawn::parse(&more).unwrap().sets.len(), 20);

    // A second trial there is refused, and changes nothing.
    let before = read("reader.mm");
    let second = trial(folder.path());
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("exists: a trial begins in a folder of its own"), "{said}");
    assert_eq!(read("reader.mm"), before);
}
