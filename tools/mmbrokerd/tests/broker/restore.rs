//! A database that is older than what was done with it changes nothing until the operator says so;
//! then no set is sold twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use micromint::broker::ReturnRefusal;
use micromint::money::Money;
use micromint::period::Period;
use micromint::protocol::{OwnersSold, RequestCredit, RequestOwners, Unsigned, Verdict};
use micromint::reply::Reply;
use mmbrokerd::service::{
    BLOCK_SUPERBINS, FORGOTTEN_RUNS_MAX, ReleaseRefusal, Restore, RestoreRefusal, SaleAnswer,
    SaleOrder, ServiceError,
};
use mmbrokerd::store::{AccountKind, RefusedFor, StoreError};

use crate::databases::Database;
use crate::world::*;

/// How much was done when a database, a witness or a vendor's witness was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Copied {
    Never,
    Early,
    Late,
}

use Copied::{Early, Late, Never};

/// A world with a witness, in which alice bought a set, and later another one.
async fn world_of(database: Database, copied: Copied, witness: &Path) -> World {
    let world = world_at(database, Some(witness)).await;
    world.sell("alice", 1, 1).await;
    if copied == Late {
        world.sell("alice", 1, 2).await;
    }
    world
}

fn ask(generation: u32, held: u32) -> RequestOwners {
    let vendor = vendor("news.example");
    let key = secret().vendor_key(&vendor).sync_key();
    RequestOwners {
        vendor,
        period: MINT.params().period().clone(),
        generation,
        held,
        nonce: "n-1".parse().unwrap(),
        authenticator: Unsigned,
    }
    .authenticated(&key)
}

async fn owners(world: &World, witness: Option<&str>) -> (OwnersSold, Option<String>) {
    match world.service.owners(ask(0, 0), witness).await.unwrap() {
        Reply::Granted(answer) => answer,
        Reply::Refused(refusal) => panic!("{refusal}"),
    }
}

async fn try_to_buy(world: &World, transaction: u64) -> Result<SaleAnswer, ServiceError> {
    world.fund("bob", 100).await;
    let order = SaleOrder { user: user("bob"), sets: 1, transaction, now: DURING };
    world.service.buy(&world.period, order).await
}

fn is_halted<T: std::fmt::Debug>(result: Result<T, ServiceError>) -> bool {
    match result {
        Ok(_) => false,
        Err(ServiceError::Store(StoreError::Halted(_))) => true,
        Err(error) => panic!("{error}"),
    }
}

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

/// A restore although nothing says that the database is an older one.
fn forced() -> Restore {
    Restore { is_forced: true, ..Restore::default() }
}

/// Whether the return is refused because its user bought no such sets.
async fn is_refused(world: &World, request: &RequestCredit) -> bool {
    let reply = world.service.take_back(&world.period, request.clone(), 7, EXPIRED).await.unwrap();
    matches!(reply, Reply::Refused(ReturnRefusal::TooManyBalls { max: 0, .. }))
}

/// Copies of the witness file and of the witness of a vendor, early and late.
struct Copies {
    folder: tempfile::TempDir,
    vendors: BTreeMap<&'static str, String>,
}

impl Copies {
    async fn new(database: fn() -> Database) -> Copies {
        let folder = tempfile::tempdir().unwrap();
        let mut vendors = BTreeMap::new();
        for (name, copied) in [("early", Early), ("late", Late)] {
            let world = world_of(database(), copied, &folder.path().join(name)).await;
            vendors.insert(name, owners(&world, None).await.1.unwrap());
        }
        Copies { folder, vendors }
    }

    /// A copy of the witness for one try.
    fn witness(&self, copied: Copied) -> PathBuf {
        let path = self.folder.path().join("witness");
        let _ = std::fs::remove_file(&path);
        match copied {
            Never => {}
            Early => drop(std::fs::copy(self.folder.path().join("early"), &path).unwrap()),
            Late => drop(std::fs::copy(self.folder.path().join("late"), &path).unwrap()),
        }
        path
    }

    fn vendor(&self, copied: Copied) -> Option<&str> {
        match copied {
            Never => None,
            Early => Some(&self.vendors["early"]),
            Late => Some(&self.vendors["late"]),
        }
    }
}

/// Every pair of an older or newer database, witness and vendor's witness.
async fn every_pair(database: fn() -> Database) {
    let copies = Copies::new(database).await;
    for state in [Early, Late] {
        // What was done with it is made by another witness, as before the restore.
        let scratch = copies.folder.path().join(format!("{state:?}"));
        for witness in [Never, Early, Late] {
            for vendor in [Never, Early, Late] {
                let _ = std::fs::remove_file(&scratch);
                let World { service, _database, .. } = world_of(database(), state, &scratch).await;
                drop(service);
                let world = world_at(_database, Some(&copies.witness(witness))).await;
                try_pair(&world, (state, witness, vendor), copies.vendor(vendor)).await;
            }
        }
    }
}

async fn try_pair(
    world: &World,
    (state, witness, vendor): (Copied, Copied, Copied),
    told: Option<&str>,
) {
    let case = format!("database {state:?}, witness {witness:?}, vendor {vendor:?}");
    let (_, witness_now) = owners(world, told).await;
    let is_behind = witness == Never || witness > state || vendor > state;
    assert_eq!(world.service.halted().is_some(), is_behind, "{case}");
    assert_eq!(witness_now.is_none(), is_behind, "{case}");
    let sold = try_to_buy(world, 100).await;
    if !is_behind {
        assert!(!is_halted(sold), "{case}");
        return;
    }
    assert!(is_halted(sold), "{case}");
    let coins = coins("alice", "news.example", 0);
    let sent = batch("news.example", "b1", &[payment("alice", "news.example", "a", &coins[..1])]);
    assert!(is_halted(world.service.redeem(sent.clone(), DURING).await), "{case}");
    assert!(is_halted(world.service.settle(&world.period).await), "{case}");
    assert_eq!(world.number("SELECT COUNT(*) FROM batch").await, 0, "{case}");
    let done = world.service.restored(&Restore::default()).await.unwrap().granted().unwrap();
    assert_eq!(done.len(), 1, "{case}");
    assert_eq!(world.service.halted(), None, "{case}");
    assert!(world.service.store().payouts_blocked().await.unwrap(), "{case}");
    for (run, total) in [(7, "0 USD"), (0, "5 USD"), (FORGOTTEN_RUNS_MAX + 1, "5 USD")] {
        let released = world.service.release_payouts(run, money(total), false).await.unwrap();
        assert!(released.refused().is_some(), "{case}");
    }
    assert!(world.service.store().payouts_blocked().await.unwrap(), "{case}");
    // A run that the backup has forgotten.
    let released = world.service.release_payouts(7, money("5 USD"), false).await.unwrap();
    assert_eq!(released.refused(), Some(ReleaseRefusal::NotBooked(7)), "{case}");
    assert!(world.service.store().payouts_blocked().await.unwrap(), "{case}");
    let released = world.service.release_payouts(7, money("5 USD"), true).await.unwrap();
    assert_eq!(released.granted(), Some(false), "{case}");
    assert!(!world.service.store().payouts_blocked().await.unwrap(), "{case}");
    assert_eq!(world.redeem(&sent).await, [Verdict::Accepted], "{case}");
    // Small periods have fewer sets than a block: all that are left were reserved.
    let all = MINT.params().superbin_count();
    assert!(all <= BLOCK_SUPERBINS);
    match try_to_buy(world, 101).await.unwrap() {
        SaleAnswer::Refused(refused) => assert_eq!(refused.reason, RefusedFor::SoldOut, "{case}"),
        other => panic!("{case}: {other:?}"),
    }
    let (answer, _) = owners(world, None).await;
    assert_eq!(answer.generation, 2, "{case}");
    assert_eq!(answer.tags.len() as u64, all / 2, "{case}");
    world.check_ledger().await;
}

async fn a_skipped_set_is_booked_for_its_owner(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let witness = folder.path().join("witness");
    let world = world_of(database, Early, &witness).await;
    world.service.restored(&forced()).await.unwrap().granted().unwrap();
    world.fund("alice", 100).await;
    world.fund("bob", 100).await;
    let before = world.balance(AccountKind::Client, "alice").await;
    // Alice bought the set of superbin 2 after the backup.
    let x = MINT.set(&user("alice"), 2).superbins[0].clone();
    let few = x.len() * 3 / 4;
    assert!(few > 1 && 4 * few < 4 * x.len());
    world.clock.set(EXPIRED);
    let too_few = return_of("bob", "r-1", &x[..few - 1]);
    assert!(is_refused(&world, &too_few).await);
    assert_eq!(world.number("SELECT COUNT(*) FROM sale").await, 1);
    let back = return_of("alice", "r-1", &x);
    assert_eq!(world.take_back(&back, EXPIRED).await, vec![Verdict::Waiting; x.len()]);
    let price = x.len() as i64 * COIN;
    assert_eq!(world.balance(AccountKind::Client, "alice").await, before - price);
    // The set is not delivered again.
    assert_eq!(world.number("SELECT COUNT(*) FROM sale WHERE received_at IS NULL").await, 1);
    // It is hers now, and nobody else's.
    let late = return_of("bob", "r-2", &x);
    assert!(is_refused(&world, &late).await);
    world.settle().await;
    assert_eq!(world.balance(AccountKind::Client, "alice").await, before);
    assert_eq!(
        world.balance(AccountKind::Lapsed, "2026-12").await,
        world.number("SELECT CAST(SUM(coins) AS BIGINT) FROM sale WHERE first = 0").await * COIN
    );
    world.check_ledger().await;
}

async fn an_empty_account_gets_no_skipped_set(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let world = world_of(database, Early, &folder.path().join("witness")).await;
    world.service.restored(&forced()).await.unwrap().granted().unwrap();
    let x = MINT.set(&user("poor"), 2).superbins[0].clone();
    let back = return_of("poor", "r-1", &x);
    assert!(is_refused(&world, &back).await);
    assert_eq!(world.number("SELECT COUNT(*) FROM sale").await, 1);
    world.check_ledger().await;
}

async fn a_vendor_that_comes_late_stops_the_broker_again(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let world = world_of(database, Early, &folder.path().join("witness")).await;
    // Signed before the restore, and ahead of what the restore skips.
    let progress = mmbrokerd::service::Progress {
        generation: 1,
        numbers: [("reserved:2026-12".to_string(), 1 << 40)].into(),
    };
    let ahead = progress.signed(0, &secret());
    world.service.restored(&forced()).await.unwrap().granted().unwrap();
    owners(&world, Some(&ahead.replace('1', "2"))).await;
    assert_eq!(world.service.halted(), None, "it is not the broker's");
    owners(&world, Some(&ahead)).await;
    assert!(world.service.halted().unwrap().contains("a vendor holds"));
    world.service.restored(&Restore::default()).await.unwrap().granted().unwrap();
    owners(&world, Some(&ahead)).await;
}

async fn a_restore_is_checked_before_anything_changes(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let world = world_of(database, Early, &folder.path().join("witness")).await;
    let (period, all) = (MINT.params().period().clone(), MINT.params().superbin_count() / 2);
    let restore = async |skip_to: &[(Period, u64)], is_forced| {
        let skip_to = skip_to.iter().cloned().collect();
        let restore = Restore { skip_to, is_forced, revoked: vec![user("mallory")] };
        world.service.restored(&restore).await.unwrap()
    };
    // The witness says that nothing was lost.
    assert_eq!(restore(&[], false).await.refused(), Some(RestoreRefusal::NotNeeded));
    let other: Period = "2031-01".parse().unwrap();
    let refused = restore(&[(other.clone(), 1)], true).await.refused();
    assert_eq!(refused, Some(RestoreRefusal::UnknownPeriod(other)));
    for found in [all + 1, 99_999_999_999, 1 << 63, u64::MAX] {
        let refused = restore(&[(period.clone(), found)], true).await.refused();
        let expected = RestoreRefusal::TooManySets { period: period.clone(), all, found };
        assert_eq!(refused, Some(expected));
    }
    for unchanged in [
        "SELECT generation - 1 FROM broker",
        "SELECT payouts_blocked FROM broker",
        "SELECT COUNT(*) FROM skipped",
        "SELECT COUNT(*) FROM revoked",
        "SELECT COUNT(*) FROM audit",
    ] {
        assert_eq!(world.number(unchanged).await, 0, "{unchanged}");
    }
    let done = restore(&[(period, all)], true).await.granted().unwrap();
    assert_eq!(done[0].sets, all - 1);
    // What was skipped was not sold.
    let report = world.service.report(&world.period).await.unwrap();
    assert_eq!((report.sets_sold, report.sets_skipped, report.sets_left), (1, all - 1, 0));
    let audit = "SELECT COUNT(*) FROM audit WHERE by_whom = 'console' \
                 AND (what = 'restored' OR what = 'revoked')";
    assert_eq!(world.number(audit).await, 2);
}

async fn payouts_are_released_by_what_was_paid(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let world = world_of(database, Early, &folder.path().join("witness")).await;
    let change = async |change: &'static str| {
        let mut tx = world.service.store().begin().await.unwrap();
        sqlx::query(change).execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    };
    let release = async |run, total: &str| {
        world.service.release_payouts(run, money(total), false).await.unwrap().into_result()
    };
    assert_eq!(release(0, "0 USD").await, Err(ReleaseRefusal::NotBlocked));
    // Run 1 was paid, and one of its payments failed; run 3 was not sent.
    change(
        "INSERT INTO payout_run (id, at, by_whom, currency, token, paid_at) VALUES \
         (1, 5, 'boss', 'USD', 'a', 6), (3, 7, 'boss', 'USD', 'b', NULL)",
    )
    .await;
    change(
        "INSERT INTO payout (run, kind, owner, iban, name, units, fee, state) VALUES \
         (1, 'vendor', 'a.example', 'X', 'X', 500000000, 0, 'paid'), \
         (1, 'vendor', 'b.example', 'X', 'X', 200000000, 0, 'failed'), \
         (3, 'vendor', 'a.example', 'X', 'X', 100000000, 0, 'open')",
    )
    .await;
    change("UPDATE broker SET payouts_blocked = 1").await;
    let other = |found| {
        Err(ReleaseRefusal::OtherTotal { run: 1, expected: money("7 USD"), found: money(found) })
    };
    for wrong in ["6 USD", "7 EUR", "7.00000001 USD", "0 USD"] {
        assert_eq!(release(1, wrong).await, other(wrong));
    }
    assert_eq!(release(0, "0 USD").await, Err(ReleaseRefusal::PaidLater(1)));
    assert_eq!(release(2, "1 USD").await, Err(ReleaseRefusal::NoSuchRun { found: 2, last: 3 }));
    let most = 3 + FORGOTTEN_RUNS_MAX;
    for found in [most + 1, i64::MAX as u64, u64::MAX] {
        assert_eq!(release(found, "1 USD").await, Err(ReleaseRefusal::TooFar { most, found }));
    }
    assert_eq!(release(4, "0 USD").await, Err(ReleaseRefusal::NothingPaid(4)));
    assert_eq!(world.number("SELECT payouts_blocked FROM broker").await, 1);
    // Run 2 is not in the books, though run 3 is: it may have been paid.
    assert_eq!(release(3, "1 USD").await, Err(ReleaseRefusal::Forgotten(2)));
    change("UPDATE broker SET payouts_compared = 2").await;
    for (run, total, is_known) in
        [(1, "7 USD", true), (1, "5 USD", true), (3, "1 USD", true), (most, "1 USD", false)]
    {
        if !is_known {
            assert_eq!(release(run, total).await, Err(ReleaseRefusal::NotBooked(run)));
        }
        let released = world.service.release_payouts(run, money(total), !is_known).await.unwrap();
        assert_eq!(released.into_result(), Ok(is_known), "{run} {total}");
        assert_eq!(world.number("SELECT payouts_blocked FROM broker").await, 0);
        change("UPDATE broker SET payouts_blocked = 1").await;
    }
    let audit = "SELECT COUNT(*) FROM audit WHERE what = 'payouts released'";
    assert_eq!(world.number(audit).await, 4);
    // Runs up to the last one were compared: only later ones are looked for.
    change("UPDATE counter SET number = 10006 WHERE name = 'payouts'").await;
    change(
        "INSERT INTO payout_run (id, at, by_whom, currency, token, paid_at) VALUES \
         (10004, 8, 'boss', 'USD', 'c', 9), (10006, 8, 'boss', 'USD', 'd', 9)",
    )
    .await;
    assert_eq!(release(10_006, "0 USD").await, Err(ReleaseRefusal::Forgotten(10_005)));
    let forced = world.service.release_payouts(10_006, money("0 USD"), true).await.unwrap();
    assert_eq!(forced.into_result(), Ok(true));
    change("UPDATE broker SET payouts_blocked = 1").await;
    assert_eq!(release(10_006, "0 USD").await, Ok(true));
    change("UPDATE broker SET payouts_blocked = 1").await;
    // The witness knows a run after the last one that the books have.
    change("UPDATE counter SET number = 10007 WHERE name = 'payouts'").await;
    assert_eq!(release(10_006, "0 USD").await, Err(ReleaseRefusal::Forgotten(10_007)));
}

on_both_databases!(
    a_restore_is_checked_before_anything_changes,
    payouts_are_released_by_what_was_paid,
    a_skipped_set_is_booked_for_its_owner,
    an_empty_account_gets_no_skipped_set,
    a_vendor_that_comes_late_stops_the_broker_again,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_on_sqlite() {
    every_pair(Database::sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_on_postgres() {
    every_pair(Database::postgres).await;
}
