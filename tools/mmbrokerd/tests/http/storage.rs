//! The disk is full: requests fail, and are done once when there is space again.

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
    assert!(home.done(&["check"]).contains("0 faults"));
    let auditor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mm-audit/mm-audit");
    let database = format!("sqlite:{}", home.path("broker.db").display());
    let audit = Command::new(auditor).arg(database).arg(home.path("")).output().unwrap();
    assert!(audit.status.success(), "{audit:?}");
}
