//! The disk is full, or the database is read-only: requests fail, and are done once when it can be
//! written again.

use std::path::Path;
use std::process::Command;

use crate::program::*;

/// As much as the log of SQLite may grow, in blocks of 512 bytes: some sales.
const FILE_BLOCKS: &str = "700";

#[test]
fn a_full_disk_loses_and_doubles_nothing() {
    let home = Home::new();
    let key = home.client("alice", "100 USD");
    // A file that cannot grow is what a full disk is to a program.
    let limit = format!("trap '' XFSZ; ulimit -S -f {FILE_BLOCKS}; exec \"$0\" \"$@\"");
    let running = home.serve_by(&["sh", "-c", &limit]);
    let order = |number: u32| format!("{{\"sets\": 1, \"transaction\": \"{number}\"}}");
    let (mut sold, mut failed) = (0, None);
    for number in 1..=30 {
        match running.order(&key, &order(number)).status {
            200 => sold += 1,
            503 => {
                failed = Some(number);
                break;
            }
            other => panic!("order {number}: {other}"),
        }
    }
    let failed = failed.expect("the disk is full at some time");
    assert!(sold > 0);
    assert_eq!(running.order(&key, &order(failed)).status, 503);
    assert_eq!(running.get("/health", &[]).text(), "ok\n", "reading goes on");
    // There is space again: the running service goes on.
    let grown = Command::new("prlimit")
        .args(["--pid", &running.id().to_string(), "--fsize=unlimited"])
        .status()
        .unwrap();
    assert!(grown.success());
    assert_eq!(running.order(&key, &order(failed)).status, 200);
    drop(running);
    let running = home.serve();
    for number in 1..=failed {
        assert_eq!(running.order(&key, &order(number)).status, 200);
    }
    assert_eq!(home.number("SELECT COUNT(*) FROM sale"), i64::from(failed));
    home.audit();
}

/// A program that obeys permissions also as root.
const WITHOUT_PRIVILEGES: &str = r#"
exec 2>errors.log
[ "$(id -u)" != 0 ] || exec setpriv --bounding-set -all --inh-caps -all "$0" "$@"
exec "$0" "$@"
"#;

impl Home {
    fn set_mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn serve_without_privileges(&self) -> Running {
        self.serve_by(&["sh", "-c", WITHOUT_PRIVILEGES])
    }

    /// What the service says that cannot start.
    fn refusal(&self, starter: &[&str]) -> String {
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(env!("CARGO_BIN_EXE_mmbrokerd"));
        command.args(["--config", "broker.toml", "--as-of", DURING]);
        let output = command.current_dir(self.path("")).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let logged = std::fs::read_to_string(self.path("errors.log")).unwrap_or_default();
        String::from_utf8(output.stderr).unwrap() + &logged
    }

    fn audit(&self) {
        // Nobody but the user of the service may read the database.
        for name in ["broker.db", "broker.db-wal", "broker.db-shm"] {
            if self.path(name).exists() {
                self.set_mode(name, 0o600);
            }
        }
        assert!(self.done(&["check"]).contains("faults in the ledger: 0"));
        let auditor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mm-audit/mm-audit");
        let database = format!("sqlite:{}", self.path("broker.db").display());
        let audit = Command::new(auditor).arg(database).arg(self.path("")).output().unwrap();
        assert!(audit.status.success(), "{audit:?}");
    }
}

/// Whether the words name the file, say what is wrong with it, and what to do.
fn assert_says(words: &str, file: &str, why: &str) {
    let says = words.contains(&format!("{file} cannot be written: {why}"));
    assert!(says && words.contains("Let the user of this process write"), "{words}");
}

#[test]
fn a_database_that_becomes_read_only_loses_nothing() {
    let home = Home::new();
    let key = home.client("alice", "100 USD");
    let running = home.serve_without_privileges();
    let order = |number: u32| format!("{{\"sets\": 1, \"transaction\": \"{number}\"}}");
    let first = running.order(&key, &order(1));
    assert_eq!(first.status, 200);
    let bearer = format!("Bearer {key}");
    let bearer = [("Authorization", bearer.as_str())];
    for (number, name) in (2..).zip(["broker.db", "broker.db-wal", "broker.db-shm"]) {
        home.set_mode(name, 0o444);
        assert_eq!(running.order(&key, &order(number)).problem(), (503, "unavailable".to_string()));
        let errors = std::fs::read_to_string(home.path("errors.log")).unwrap();
        assert_says(&errors, name, "Permission denied");
        assert_eq!(running.get("/health", &[]).text(), "ok\n", "reading goes on");
        assert_eq!(running.get("/v1/purchases/1", &bearer).body, first.body);
        home.set_mode(name, 0o644);
        // The running service goes on, and the order is sold once.
        assert_eq!(running.order(&key, &order(number)).status, 200);
        assert_eq!(running.order(&key, &order(1)).body, first.body);
    }
    // Many clients at a time: no connection was opened for reading only.
    std::thread::scope(|scope| {
        for number in 5..21 {
            let (running, key, order) = (&running, &key, &order);
            scope.spawn(move || assert_eq!(running.order(key, &order(number)).status, 200));
        }
    });
    drop(running);
    assert_eq!(home.number("SELECT COUNT(*) FROM sale"), 20);
    home.audit();
}

#[test]
fn a_service_on_a_read_only_database_says_so_and_what_to_do() {
    let home = Home::new();
    let key = home.client("alice", "100 USD");
    let order = "{\"sets\": 1, \"transaction\": \"1\"}";
    let sold = home.serve().order(&key, order);
    let before = home.state();
    let plain = ["sh", "-c", WITHOUT_PRIVILEGES];
    home.set_mode("broker.db", 0o444);
    assert_says(&home.refusal(&plain), "broker.db", "Permission denied");
    home.set_mode("broker.db", 0o644);
    // SQLite needs the folder to make its log.
    assert!(!home.path("broker.db-wal").exists());
    home.set_mode("", 0o555);
    assert_says(&home.refusal(&plain), ".", "Permission denied");
    home.set_mode("", 0o755);
    let mount = r#"mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && exec "$0" "$@""#;
    let mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount];
    assert_says(&home.refusal(&mounted), "broker.db", "Read-only file system");
    assert_eq!(home.state(), before);
    let running = home.serve_without_privileges();
    assert_eq!(running.order(&key, order).body, sold.body);
    drop(running);
    home.audit();
}
