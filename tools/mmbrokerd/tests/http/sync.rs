//! `mmvendor sync` with the right broker and with a wrong one.

use std::process::{Command, Output};

use micromint::authenticator::Key;
use micromint::testing::{ObviousMint, params_with};
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

    fn run(&self, arguments: &[&str], time: &str) -> Output {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_mmbrokerd"));
        let program = program.with_file_name("mmvendor");
        assert!(program.exists(), "no {}: run cargo build -p mmvendor first", program.display());
        let mut command = Command::new(program);
        command.args(arguments).args(["--config", "vendor.toml", "--as-of", time]);
        command.current_dir(self.folder.path()).output().unwrap()
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

/// A vendor that came after a period is not registered for it, and needs no parameters of it.
#[test]
fn a_period_that_is_over_and_of_which_the_vendor_knows_nothing_is_no_error() {
    let home = Home::new();
    let running = home.serve_at(EXPIRED);
    let site = Site::new();
    let output = site.run(&["sync", "--once", "--broker", &running.url], EXPIRED);
    assert_eq!((output.status.code(), site.names()), (Some(0), vec![]), "{output:?}");
}
