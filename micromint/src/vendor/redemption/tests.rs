//! From the till to a batch and back, with files in memory.

use std::sync::Arc;

use super::*;
use crate::authenticator::{Authenticator, OwnerToken, UrlDigest};
use crate::bin::Bin;
use crate::host::{Directory, SimulatedDirectory, Survives, SystemEntropy};
use crate::protocol::{Blocked, PaymentRecord, Unsigned};
use crate::till::tests::HandClock;
use crate::till::{PaymentId, Reversal, Spend, Spent, SyncMode};
use crate::vendor::income::{CoinValues, Days, Income, income};

pub(in crate::vendor) fn open(directory: &SimulatedDirectory, clock: &HandClock) -> Till {
    let (clock, entropy) = (Arc::new(clock.clone()), Arc::new(SystemEntropy));
    Till::open(Box::new(directory.clone()), SyncMode::Always, clock, entropy).unwrap()
}

/// The page that is paid with the coins from this superbin on.
pub(in crate::vendor) fn page(period: &str, superbin: u32) -> String {
    format!("https://news.example/{period}/{superbin}")
}

/// A Payment message for a page.
fn message(url: &str, coins: usize) -> Vec<u8> {
    Payment {
        url: url.parse().unwrap(),
        user: "alice".parse().unwrap(),
        vendor: vendor(),
        period: "2026-12".parse().unwrap(),
        coins: coins as u32,
        owner_tokens: vec![OwnerToken::from_bytes([1; 8])],
        authenticator: Authenticator::from_bytes([2; 16]),
        x: vec![3; 4 * coins],
    }
    .to_bytes()
}

pub(in crate::vendor) fn spend(
    till: &Till,
    period: &str,
    coins: std::ops::Range<u32>,
) -> PaymentId {
    let first_bins: Vec<Bin> = coins.map(|coin| Bin { superbin: coin * 2, subbin: 0 }).collect();
    let message = message(&page(period, first_bins[0].superbin), first_bins.len());
    let (period, user) = (period.parse().unwrap(), "alice".parse().unwrap());
    let fingerprint = [first_bins[0].superbin as u8; 32];
    let spend = Spend::new(&period, &user, &first_bins, &message, fingerprint)
        .with_receipt_seconds(60)
        .with_keep_until("2027-01-08T00:00:00Z".parse().unwrap());
    let spent = till.spend(&spend);
    match spent.unwrap() {
        Spent::Recorded(id) => id,
        other => panic!("{other:?}"),
    }
}

/// The income of all days.
fn all_income(till: &Till) -> Income {
    income(till, &CoinValues::new(), Days::ALL).unwrap()
}

pub(in crate::vendor) fn vendor() -> VendorId {
    "news.example".parse().unwrap()
}

fn key() -> Key {
    Key::from_bytes([5; 32])
}

fn make(till: &Till) -> Option<OutgoingBatch> {
    make_batch(till, &vendor(), &key(), None, BatchLimits::default()).unwrap()
}

fn result(batch: &Batch, verdicts: &[Verdict]) -> RedemptionResult {
    RedemptionResult {
        vendor: vendor(),
        batch: batch.id.clone(),
        blocked: Blocked::default(),
        authenticator: Unsigned,
        verdicts: verdicts.to_vec(),
    }
    .authenticated(&key(), &batch.period, &batch.digest)
}

/// The digests of the pages that a batch redeems.
fn records(made: &OutgoingBatch) -> Vec<UrlDigest> {
    let url = |record: &&[u8]| PaymentRecord::parse(record).unwrap().url;
    made.message.records().iter().map(url).collect()
}

pub(in crate::vendor) fn digest(period: &str, superbin: u32) -> UrlDigest {
    UrlDigest::of(&page(period, superbin))
}

#[test]
fn a_payment_that_cannot_be_read_is_named_by_its_place() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T10:00:00Z"));
    let till = open(&directory, &clock);
    spend(&till, "2026-12", 0..1);
    let (period, user) = ("2026-12".parse().unwrap(), "alice".parse().unwrap());
    let spend = Spend::new(&period, &user, &[Bin { superbin: 8, subbin: 0 }], b"Payment", [8; 32]);
    assert!(matches!(till.spend(&spend).unwrap(), Spent::Recorded(_)));
    clock.pass(2 * REVERSAL_SECONDS);
    let indexes = directory.names().unwrap();
    let lookup = crate::vendor::lookup::find(&till, &"0123456789".parse().unwrap());
    let income = income(&till, &CoinValues::new(), Days::ALL);
    let limits = crate::vendor::watch::WatchLimits::default();
    let watch = crate::vendor::watch::make_watch(&till, &vendor(), &key(), limits);
    let errors = [
        lookup.map(|_| ()).unwrap_err(),
        income.map(|_| ()).unwrap_err(),
        watch.map(|_| ()).unwrap_err(),
        make_batch(&till, &vendor(), &key(), None, BatchLimits::default()).map(|_| ()).unwrap_err(),
    ];
    for error in errors {
        let text = error.to_string();
        let place = "till-2026-12-01.journal: cannot read the record at offset ";
        assert!(text.contains(place) && text.contains(": its payment: "), "{text}");
    }
    assert_eq!(directory.names().unwrap(), indexes, "no index is rebuilt for it");
}

#[test]
fn every_payment_is_redeemed_once_and_a_batch_made_again_is_the_same() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T23:40:00Z"));
    let till = open(&directory, &clock);
    assert!(make(&till).is_none());
    spend(&till, "2026-12", 0..3);
    let reversed = spend(&till, "2026-12", 3..4);
    assert_eq!(till.reverse(reversed).unwrap(), Reversal::Reversed);
    spend(&till, "other", 0..1);
    clock.pass(1800);
    spend(&till, "2026-12", 4..5);
    let young = spend(&till, "2026-12", 3..4);
    clock.pass(REVERSAL_SECONDS);
    // All but the last two are old enough; the young ones stay in no batch.
    let first = make(&till).unwrap();
    assert_eq!(records(&first), [digest("2026-12", 0)]);
    assert_eq!((first.batch.payments, first.batch.coins, first.is_again), (1, 3, false));
    assert!(first.message.is_authentic(&key()));
    RequestRedemption::parse(&first.message.to_bytes()).unwrap();
    assert_eq!(till.reverse(young).unwrap(), Reversal::Reversed);
    let again = make(&open(&directory, &clock)).unwrap();
    assert_eq!((again.message.to_bytes(), again.is_again), (first.message.to_bytes(), true));

    let done =
        read_result(&till, &vendor(), &key(), &result(&first.batch, &[Verdict::Accepted; 3]))
            .unwrap();
    assert!(done.is_final());
    assert_eq!(records(&make(&till).unwrap()), [digest("other", 0)]);
    clock.pass(1);
    let period = "2026-12".parse().unwrap();
    let third = make_batch(&till, &vendor(), &key(), Some(&period), BatchLimits::default())
        .unwrap()
        .unwrap();
    assert_eq!(records(&third), [digest("2026-12", 8)]);
    assert_ne!(third.batch.id, first.batch.id);
    assert_eq!(batches(&till).unwrap().len(), 3);
    assert!(unbatched(&till).unwrap().is_empty());
}

#[test]
fn limits_split_what_is_left_into_several_batches() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
    let till = open(&directory, &clock);
    for coin in 0..10 {
        spend(&till, "2026-12", coin..coin + 1);
    }
    clock.pass(601);
    let size = |superbin: u32| message(&page("2026-12", superbin), 1).len() + 4;
    let data_size = size(8) + size(10);
    let mut sizes = Vec::new();
    for limits in [
        BatchLimits { payments: 4, ..BatchLimits::default() },
        // A payment for page 8 and one for page 10, each with a length of 4; then two like the
        // second one, one byte too much.
        BatchLimits { data_size, ..BatchLimits::default() },
        BatchLimits { data_size, ..BatchLimits::default() },
        BatchLimits::default(),
    ] {
        let made = make_batch(&till, &vendor(), &key(), None, limits).unwrap().unwrap();
        sizes.push(made.batch.payments);
        let verdicts = vec![Verdict::Accepted; made.batch.coins as usize];
        read_result(&till, &vendor(), &key(), &result(&made.batch, &verdicts)).unwrap();
    }
    assert_eq!(sizes, [4, 2, 1, 3]);
    assert!(make(&till).is_none());
}

#[test]
fn results_that_do_not_fit_are_refused_and_change_nothing() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
    let till = open(&directory, &clock);
    spend(&till, "2026-12", 0..3);
    clock.pass(601);
    let made = make(&till).unwrap();
    let good = result(&made.batch, &[Verdict::Accepted, Verdict::Forged, Verdict::Accepted]);
    let read = |result: &RedemptionResult| read_result(&till, &vendor(), &key(), result);
    let other = RedemptionResult { vendor: "shop.example".parse().unwrap(), ..good.clone() };
    assert!(matches!(read(&other), Err(RedemptionError::OtherVendor { .. })));
    let unknown = RedemptionResult { batch: "x".parse().unwrap(), ..good.clone() };
    assert!(matches!(read(&unknown), Err(RedemptionError::UnknownBatch { .. })));
    let signed = |key: &Key, period: &str, digest| {
        good.clone().authenticated(key, &period.parse().unwrap(), digest)
    };
    let (id, of_batch) = (&made.batch.id, &made.batch.digest);
    for (name, forged) in [
        (
            "a stranger",
            RedemptionResult { authenticator: made.message.authenticator, ..good.clone() },
        ),
        ("another broker", signed(&Key::from_bytes([6; 32]), "2026-12", of_batch)),
        ("another period", signed(&key(), "2027-01", of_batch)),
        ("an earlier batch", signed(&key(), "2026-12", &[7; 32])),
        (
            "other verdicts",
            RedemptionResult { verdicts: vec![Verdict::Accepted; 3], ..good.clone() },
        ),
        (
            "other users",
            RedemptionResult { blocked: Blocked::new(["eve".parse().unwrap()]), ..good.clone() },
        ),
    ] {
        let error = read(&forged).unwrap_err();
        assert!(
            matches!(&error, RedemptionError::NotFromBroker { id: of, .. } if of == id),
            "{name}"
        );
    }
    assert!(blocked_users(&till).unwrap().is_empty());
    for count in [2, 4] {
        let wrong = result(&made.batch, &vec![Verdict::Accepted; count]);
        assert!(matches!(read(&wrong), Err(RedemptionError::VerdictCount { .. })));
    }
    assert!(make(&till).unwrap().is_again);
    let batch = read(&good).unwrap();
    assert_eq!(summary(batch.result.as_ref().unwrap()), "2 accepted, 1 forged");
    assert_eq!(read(&good).unwrap(), batch);
    let third = result(&made.batch, &[Verdict::Accepted; 3]);
    assert!(matches!(read(&third), Err(RedemptionError::OtherResult { .. })));
    assert!(make(&till).is_none());
}

#[test]
fn waiting_coins_are_asked_for_again_after_redeem_until_and_only_then_pruned() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
    let till = open(&directory, &clock);
    spend(&till, "2026-12", 0..2);
    clock.pass(86_400);
    spend(&till, "2026-12", 2..3);
    clock.pass(601);
    let made = make(&till).unwrap();
    let waiting = [Verdict::Accepted, Verdict::Waiting, Verdict::Accepted];
    read_result(&till, &vendor(), &key(), &result(&made.batch, &waiting)).unwrap();
    assert!(make(&till).is_none());
    clock.pass(38 * 86_400);
    assert!(prune(&till).unwrap().is_empty());
    let again = make(&till).unwrap();
    assert_eq!(again.message, made.message);
    let last = [Verdict::Accepted, Verdict::AlreadyPaid, Verdict::Accepted];
    read_result(&till, &vendor(), &key(), &result(&made.batch, &last)).unwrap();
    assert!(make(&till).is_none());
    assert_eq!(prune(&till).unwrap(), ["till-2026-12-01.journal"]);
    assert!(prune(&till).unwrap().is_empty());
}

#[test]
fn only_what_is_final_and_past_its_time_is_removed() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
    let till = open(&directory, &clock);
    let reversed = spend(&till, "2026-12", 0..1);
    till.reverse(reversed).unwrap();
    spend(&till, "2026-12", 1..2);
    clock.pass(86_400);
    spend(&till, "2026-12", 2..3);
    clock.pass(86_400);
    spend(&till, "2027-01", 3..4);
    clock.pass(601);
    let finish_all = || {
        let made = make(&till).unwrap();
        let verdicts = vec![Verdict::Accepted; made.batch.coins as usize];
        read_result(&till, &vendor(), &key(), &result(&made.batch, &verdicts)).unwrap();
    };
    finish_all();
    assert!(prune(&till).unwrap().is_empty(), "redeem-until is not past");
    clock.set("2027-01-08T00:00:00Z".parse::<UnixTime>().unwrap().0);
    let other = open(&directory, &clock);
    let before = all_income(&till);
    assert_eq!(before.entries.len(), 3);
    let removed = prune(&till).unwrap();
    assert_eq!(removed, ["till-2026-12-01.journal", "till-2026-12-02.journal"]);
    let left = |name: &str| directory.bytes(name).is_some();
    assert!(
        left("till-2026-12-03.journal")
            && left("spent-2027-01.index")
            && !left("spent-2026-12.index")
    );
    assert_eq!(all_income(&till), before, "the income of removed days is kept");
    // Both continue, and so does one that opens the directory again, even without the indexes.
    for (coin, till) in [(10, &till), (11, &other), (12, &open(&directory, &clock))] {
        spend(till, "2027-01", coin..coin + 1);
    }
    for name in directory.names().unwrap().iter().filter(|name| name.ends_with(".index")) {
        directory.remove(name).unwrap();
    }
    let again = open(&directory, &clock);
    spend(&again, "2027-01", 13..14);
    assert!(
        again
            .find_retry(
                &"2027-01".parse().unwrap(),
                Bin { superbin: 6, subbin: 0 },
                &[6; 32],
                i64::MAX
            )
            .unwrap()
            .is_some()
    );
}

fn finish_all(till: &Till) {
    while let Some(made) = make(till) {
        let verdicts = vec![Verdict::Accepted; made.batch.coins as usize];
        read_result(till, &vendor(), &key(), &result(&made.batch, &verdicts)).unwrap();
    }
}

/// The answer to a payment with this coin, as a server gets it.
fn answer(till: &Till, period: &str, coin: u32) -> Spent {
    let first_bins = [Bin { superbin: coin * 2, subbin: 0 }];
    let (period, user) = (period.parse().unwrap(), "bob".parse().unwrap());
    let spend = Spend::new(&period, &user, &first_bins, b"another payment", [99; 32]);
    let would = till.would(&spend).unwrap();
    let spent = till.try_spend(&spend).unwrap_or_else(|| till.spend(&spend).unwrap());
    assert_eq!(would, Some(spent));
    spent
}

/// Two days with payments of two periods. The first day can be removed at [`OVER`].
fn redeemed(directory: &SimulatedDirectory, clock: &HandClock) -> Till {
    let till = open(directory, clock);
    spend(&till, "2026-12", 0..2);
    let reversed = spend(&till, "reversed", 5..6);
    till.reverse(reversed).unwrap();
    clock.pass(86_400);
    spend(&till, "2027-01", 3..4);
    clock.pass(601);
    finish_all(&till);
    till
}

const START: &str = "2026-12-01T12:00:00Z";
const OVER: &str = "2027-01-08T00:00:00Z";

fn seconds(time: &str) -> i64 {
    time.parse::<UnixTime>().unwrap().0
}

#[test]
fn after_a_prune_no_coin_of_the_period_is_accepted_whatever_the_clock_says() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at(START));
    let till = redeemed(&directory, &clock);
    let other = open(&directory, &clock);
    clock.set(seconds(OVER));
    assert_eq!(prune(&till).unwrap(), ["till-2026-12-01.journal"]);
    clock.set(seconds(START));
    for till in [&till, &other, &open(&directory, &clock)] {
        for coin in [0, 1, 7] {
            assert_eq!(answer(till, "2026-12", coin), Spent::PeriodClosed, "{coin}");
        }
        assert_eq!(answer(till, "2027-01", 3), Spent::AlreadySpent);
        let id = spend(till, "reversed", 5..6);
        till.reverse(id).unwrap();
        let id = spend(till, "2027-01", 20..21);
        till.reverse(id).unwrap();
    }
    // What is derived may be deleted while no server runs.
    drop((till, other));
    for name in directory.names().unwrap() {
        if name == "lock" || name.ends_with(".index") {
            directory.remove(&name).unwrap();
        }
    }
    assert_eq!(answer(&open(&directory, &clock), "2026-12", 0), Spent::PeriodClosed);
}

/// A crash at every step of a prune, and then a clock that was set back: a redeemed coin is either
/// known as spent, or its period is closed.
#[test]
fn a_crash_during_a_prune_reopens_nothing() {
    for survives in [Survives::Written, Survives::Synced] {
        for step in 0.. {
            let (directory, clock) = (SimulatedDirectory::new(), HandClock::at(START));
            let till = redeemed(&directory, &clock);
            clock.set(seconds(OVER));
            let before = all_income(&till);
            directory.crash_after(step);
            let pruned = prune(&till);
            let has_crashed = directory.has_crashed();
            let directory = directory.after_crash(survives);
            clock.set(seconds(START));
            let till = open(&directory, &clock);
            let found = answer(&till, "2026-12", 0);
            let expected = [Spent::AlreadySpent, Spent::PeriodClosed];
            assert!(expected.contains(&found), "step {step}: {found:?}");
            assert_eq!(all_income(&till), before, "step {step}");
            if !has_crashed {
                assert_eq!((pruned.unwrap().len(), found), (1, Spent::PeriodClosed));
                assert!(step > 5, "the failures were tested");
                break;
            }
            clock.set(seconds(OVER));
            prune(&till).unwrap();
            assert_eq!(all_income(&till), before, "step {step}, pruned again");
            clock.set(seconds(START));
            assert_eq!(answer(&till, "2026-12", 1), Spent::PeriodClosed, "step {step}");
        }
    }
}

/// A crash at every step of making a batch and reading its result: no payment is in two batches and
/// none is lost.
#[test]
fn a_crash_at_any_step_doubles_and_loses_nothing() {
    let scenario = |directory: &SimulatedDirectory| -> Option<()> {
        let clock = HandClock::at("2026-12-01T12:20:00Z");
        let (clock, entropy) = (Arc::new(clock.clone()), Arc::new(SystemEntropy));
        let till =
            Till::open(Box::new(directory.clone()), SyncMode::Always, clock, entropy).ok()?;
        for payments in [2, 9] {
            let limits = BatchLimits { payments, ..BatchLimits::default() };
            let made = make_batch(&till, &vendor(), &key(), None, limits).ok()??;
            let verdicts = vec![Verdict::Accepted; made.batch.coins as usize];
            read_result(&till, &vendor(), &key(), &result(&made.batch, &verdicts)).ok()?;
        }
        Some(())
    };
    let fresh = || {
        let directory = SimulatedDirectory::new();
        let till = open(&directory, &HandClock::at("2026-12-01T12:00:00Z"));
        for coin in 0..5 {
            spend(&till, "2026-12", coin..coin + 1);
        }
        directory
    };
    let total = {
        let directory = fresh();
        let before = directory.steps();
        scenario(&directory).unwrap();
        directory.steps() - before
    };
    for steps in 0..=total {
        let directory = fresh();
        directory.crash_after(steps);
        scenario(&directory);
        for survives in [Survives::Written, Survives::Synced, Survives::Some(steps as u64)] {
            let after = directory.after_crash(survives);
            let till = open(&after, &HandClock::at("2026-12-01T13:00:00Z"));
            while let Some(made) = make(&till) {
                let verdicts = vec![Verdict::Accepted; made.batch.coins as usize];
                read_result(&till, &vendor(), &key(), &result(&made.batch, &verdicts)).unwrap();
            }
            let batches = batches(&till).unwrap();
            let payments: u32 = batches.iter().map(|batch| batch.payments).sum();
            assert_eq!(payments, 5, "{steps} {survives:?}: {batches:?}");
            assert!(batches.windows(2).all(|pair| pair[0].to <= pair[1].from));
        }
    }
}

/// The clock was set back meanwhile: a payment in a batch is not reversed.
#[test]
fn what_is_being_redeemed_is_not_reversed() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
    let till = open(&directory, &clock);
    let id = spend(&till, "2026-12", 0..1);
    clock.pass(601);
    make(&till).unwrap();
    clock.pass(-601);
    assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
}

#[test]
fn a_restored_broker_gets_the_same_batches_again() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
    let till = open(&directory, &clock);
    spend(&till, "2026-12", 0..2);
    clock.pass(601);
    let first = make(&till).unwrap();
    let accepted = result(&first.batch, &[Verdict::Accepted; 2]);
    read_result(&till, &vendor(), &key(), &accepted).unwrap();
    assert!(make(&till).is_none());
    send_again(&till, &"2027-01".parse().unwrap()).unwrap();
    assert!(make(&till).is_none());
    send_again(&till, &"2026-12".parse().unwrap()).unwrap();
    let again = make(&open(&directory, &clock)).unwrap();
    assert_eq!((again.message.to_bytes(), again.is_again), (first.message.to_bytes(), true));
    // It may be judged in another way this time.
    let other = result(&first.batch, &[Verdict::Accepted, Verdict::AlreadyPaid]);
    read_result(&till, &vendor(), &key(), &other).unwrap();
    assert!(make(&till).is_none());
    // After redeem-until a result stays.
    clock.pass(86_400 * 60);
    send_again(&till, &"2026-12".parse().unwrap()).unwrap();
    assert!(make(&till).is_none());
}
