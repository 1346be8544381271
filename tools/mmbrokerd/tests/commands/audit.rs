//! What the console does is in the audit log, and closed accounts get nothing from it.

use micromint::protocol::RequestCredit;
use mmbrokerd::store::Store;

use super::{CLOSED, EXPIRED, Place};

/// The audit log without numbers and times.
fn log(place: &Place) -> Vec<String> {
    let text = place.text("mmbroker audit");
    text.lines().map(|line| line.splitn(3, ' ').nth(2).unwrap().to_string()).collect()
}

/// Changes the database past the program.
fn change(place: &Place, statements: &[&'static str]) {
    let database = format!("sqlite:{}", place.path("broker.db").display());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let store = Store::open(&database).await.unwrap();
        let mut tx = store.begin().await.unwrap();
        for statement in statements {
            sqlx::query(*statement).execute(tx.connection()).await.unwrap();
        }
        tx.commit().await.unwrap();
        store.close().await;
    });
}

#[test]
fn every_change_on_the_console_is_in_the_audit_log() {
    let place = Place::new();
    let mut known = log(&place).len();
    // What a command adds to the log.
    let mut adds = |lines: &[&str]| {
        let all = log(&place);
        assert_eq!(all[known..], *lines);
        known = all.len();
    };
    let key = place.vendor("news.example");
    adds(&["console: vendor key: 2026-12 news.example"]);
    place.run("mmbroker withdraw --user alice --sets 2 --transaction 7 -o alice.mm", 0);
    adds(&["console: sale: 2026-12 alice 2 7"]);
    // Neither a repeated message nor a refused one is a sale.
    place.run("mmbroker withdraw --user alice --sets 2 --transaction 7", 0);
    place.run("mmbroker withdraw --user alice --transaction 7", 0);
    place.run("mmbroker withdraw --user carol --sets 1", 1);
    adds(&[]);
    let text = std::fs::read(place.path("alice.mm")).unwrap();
    let funds = micromint::protocol::FundsWithdrawn::parse(&text).unwrap();
    let coins = place.coins(&funds, "news.example");
    let payment = place.payment(&funds, "news.example", "a", &coins[..2]);
    place.batch("b1.mm", &key, "news.example", "b1", &[payment]);
    for _ in 0..2 {
        place.run("mmredeem b1.mm", 0);
    }
    adds(&["console: batch judged: 2026-12 news.example b1"]);
    place.run("mmbroker vendor-key --new news.example", 0);
    adds(&["console: vendor key replaced: news.example 1"]);
    place.run("mmbroker revoke --force mallory", 0);
    adds(&["console: revoked: mallory"]);
    place.run("mmbroker compromise 5:3", 0);
    adds(&["console: compromised: 2026-12 5:3-3"]);
    place.run("mmbroker key alice", 0);
    place.run("mmbroker end-keys alice", 0);
    place.run("mmbroker person alice", 0);
    adds(&["console: key: alice", "console: keys ended: alice", "console: password: alice none"]);
    let x = vec![funds.sets[1].superbins[0][0]];
    let mut request = RequestCredit {
        user: funds.user.clone(),
        period: funds.period().clone(),
        request: "r1".parse().unwrap(),
        authenticator: funds.user_key.request_credit("r1", &[]),
        x,
    };
    request.authenticator = funds.user_key.request_credit("r1", &request.data());
    std::fs::write(place.path("r1.mm"), request.to_bytes()).unwrap();
    for _ in 0..2 {
        place.run(&format!("mmbroker return r1.mm --as-of {EXPIRED}"), 0);
    }
    adds(&["console: return taken: 2026-12 alice r1"]);
    for _ in 0..2 {
        place.run(&format!("mmbroker settle --as-of {CLOSED}"), 0);
    }
    adds(&["console: settled: 2026-12"]);
    assert!(place.text("mmbroker check").contains("in the audit log: 0"));
    // A row is a line, whatever others wrote.
    change(
        &place,
        &["INSERT INTO audit (at, by_whom, what, detail, previous, sha256) VALUES \
           (0, 'deposit', 'deposit', 'a' || char(10) || '1 console: b', x'00', x'00')"],
    );
    let last = place.text("mmbroker audit --rows 1");
    assert_eq!(last.lines().count(), 1, "{last}");
    assert!(last.ends_with("a\u{fffd}1 console: b\n"), "{last}");
    place.run("mmbroker audit --rows 0", 2);
}

#[test]
fn closed_accounts_and_disabled_vendors_get_nothing() {
    let place = Place::new();
    place.run("mmbroker person alice", 0);
    place.vendor("news.example");
    place.add_period("2027-01");
    change(
        &place,
        &[
            "UPDATE person SET closed_at = 1",
            "INSERT INTO disabled_vendor (vendor, at, why) VALUES ('news.example', 1, '')",
        ],
    );
    let before = log(&place);
    let key = place.run("mmbroker key alice", 1);
    let error = String::from_utf8(key.stderr).unwrap();
    assert!(error.contains("the account of alice is closed; `mmbroker person alice` opens"));
    assert!(key.stdout.is_empty());
    let sale = place.error("mmbroker withdraw --period 2026-12 --user alice --sets 1");
    assert!(sale.contains("the account of alice is closed"), "{sale}");
    for line in [
        "mmbroker vendor-key --period 2026-12 news.example",
        "mmbroker vendor-key --new news.example",
        "mmbroker owners --period 2026-12 --vendor news.example",
    ] {
        let error = place.error(line);
        assert!(error.contains("news.example is disabled: enable it first"), "{line}: {error}");
    }
    assert_eq!(log(&place), before);
    // A vendor of before keeps its place in the next period, without its key.
    let next = place.run("mmbroker vendor-key --period 2027-01 --from 2026-12", 1);
    assert!(next.stdout.is_empty());
    assert_eq!(place.text("mmbroker vendors --period 2027-01"), "news.example\n");
    // Open again, the account is as others.
    place.run("mmbroker person alice", 0);
    place.run("mmbroker key alice", 0);
    place.run("mmbroker withdraw --period 2026-12 --user alice --sets 1", 0);
}

#[test]
fn a_run_is_booked_by_its_file() {
    let place = Place::new();
    assert_eq!(place.text("mmbroker payout list"), "");
    let head = "reference,kind,owner,amount,currency,fee,state\n";
    let file = format!(
        "{head}payout 3,client,alice,40,USD,0.35,open\npayout 3,client,bob,1,USD,0,failed\n"
    );
    std::fs::write(place.path("run.csv"), &file).unwrap();
    let booked = place.text("mmbroker payout book run.csv");
    assert_eq!(
        booked,
        "payout run 3: 1 payment booked, 40.00 USD\n\
         payout run 3: 1 payment left out, which had come back\n"
    );
    let again = place.text("mmbroker payout book run.csv");
    assert!(again.starts_with("payout run 3: 1 payment booked before\n"), "{again}");
    assert!(place.text("mmbroker account alice").contains("59.65 USD"));
    assert!(place.text("mmbroker payout list").starts_with("3 of 20"));
    assert!(place.text("mmbroker payout list").contains("by console: 1 payment, 40.00 USD, paid"));
    let large = file.replace("payout 3", "payout 4").replace("40", "60");
    std::fs::write(place.path("large.csv"), large).unwrap();
    let error = place.error("mmbroker payout book large.csv");
    let small = "alice has 59.65 USD of the 60.00 USD that the bank paid and the fee of 0.35 USD";
    assert!(error.contains(&format!("too small: {small}. Nothing was booked.")), "{error}");
    assert!(error.contains("First enter again what the clients had paid in"), "{error}");
    assert!(!error.contains("vendors"), "{error}");
    let short = place.run("mmbroker payout book large.csv --short", 0);
    let words = String::from_utf8(short.stderr).unwrap();
    assert!(words.contains(&format!("warning: {small} with run 4: alice is paid")), "{words}");
    std::fs::write(place.path("none.csv"), file.replace("payout 3", "x")).unwrap();
    for (line, says) in [
        ("mmbroker payout book none.csv", "none.csv: line 2: expected such as payout 7"),
        ("mmbroker payout book no-such-file", "no-such-file"),
        ("mmbroker payout book broker.secret", "expected the columns reference, kind"),
    ] {
        let error = place.error(line);
        assert!(error.contains(says), "{line}: {error}");
    }
    place.run("mmbroker payout", 2);
    place.run("mmbroker sums", 0);
    assert!(place.text("mmbroker check").contains("faults in the ledger: 0, in the audit log: 0"));
}
