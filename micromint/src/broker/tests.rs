//! Tests of the broker with a few users and vendors, against
//! [`ObviousMint`](crate::testing::ObviousMint).

mod coalition;
mod compromise;
mod disputes;
mod flips;
mod fraud;
mod model;

use std::sync::LazyLock;

use super::memory::RulingRefusal;
use super::returns::RETURNS_PER_USER_MAX;
use super::*;
use crate::authenticator::{Authenticator, Key};
use crate::bin::Bin;
use crate::host::SimulatedDirectory;
use crate::identity::{UserId, VendorId};
use crate::owner::Ownership;
use crate::protocol::{
    FundsWithdrawn, Id, Payment, RequestCredit, RequestRedemption, RequestWatch, Unsigned, Url,
    Verdict, push_record,
};
use crate::reply::Reply;
use crate::testing::{ObviousMint, test_params};
use crate::time::UnixTime;

pub(super) const NAME: &str = "2026-12.coins";
/// In the middle of the period, after its expiration, and at redeem-until.
pub(super) const DURING: UnixTime = UnixTime(1_797_000_000);
pub(super) const EXPIRED: UnixTime = UnixTime(1_798_761_600);
pub(super) const CLOSED: UnixTime = UnixTime(1_799_366_400);

pub(super) static MINT: LazyLock<ObviousMint> = LazyLock::new(|| ObviousMint::new(test_params()));
/// The coin file that [`MINT`] mints.
static COINS: LazyLock<Vec<u8>> = LazyLock::new(|| MINT.coin_file());

/// A directory with a fresh coin file.
pub(super) fn directory() -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    directory.put(NAME, &COINS);
    directory
}

pub(super) fn secret() -> Key {
    Key::from_bytes([42; 32])
}

/// A broker that sold nothing yet.
pub(super) fn open() -> MemoryBroker {
    open_in(&directory())
}

fn open_in(directory: &SimulatedDirectory) -> MemoryBroker {
    MemoryBroker::open(directory, NAME, secret()).unwrap()
}

pub(super) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(super) fn vendor(name: &str) -> VendorId {
    name.parse().unwrap()
}

pub(super) fn user_key(user: &UserId) -> Key {
    secret().user_key(MINT.params().period(), user)
}

/// A payment of these coins for a page of `vendor`; `page` makes it another payment.
pub(super) fn payment(user: &UserId, vendor: &VendorId, page: &str, coins: &[Vec<u64>]) -> Payment {
    let url: Url = format!("https://{vendor}/{page}").parse().unwrap();
    MINT.payment(user, &user_key(user), vendor, &url, coins)
}

/// The same payment with a wrong Authenticator. Its tokens are right.
pub(super) fn with_junk(mut payment: Payment) -> Payment {
    payment.authenticator = Authenticator::from_bytes([1; 16]);
    payment
}

pub(super) fn batch(vendor: &VendorId, name: &str, payments: &[Payment]) -> RequestRedemption {
    let records: Vec<Vec<u8>> =
        payments.iter().map(|payment| payment.record().to_bytes()).collect();
    batch_of_records(vendor, name, &records)
}

pub(super) fn batch_of_records(
    vendor: &VendorId,
    name: &str,
    records: &[Vec<u8>],
) -> RequestRedemption {
    let mut data = Vec::new();
    records.iter().for_each(|record| push_record(&mut data, record));
    let batch: Id = name.parse().unwrap();
    let period = MINT.params().period().clone();
    let payments = records.len() as u32;
    let authenticator = Unsigned;
    RequestRedemption { vendor: vendor.clone(), batch, period, payments, authenticator, data }
        .authenticated(&secret().vendor_key(vendor))
}

/// A watch with these payment records.
pub(super) fn watch_of(vendor: &VendorId, name: &str, records: &[&[u8]]) -> RequestWatch {
    let mut data = Vec::new();
    records.iter().for_each(|record| push_record(&mut data, record));
    let request = RequestWatch {
        vendor: vendor.clone(),
        period: MINT.params().period().clone(),
        watch: name.parse().unwrap(),
        payments: records.len() as u32,
        authenticator: Unsigned,
        data,
    };
    request.authenticated(&secret().vendor_key(vendor).sync_key())
}

/// A watch that shows these payments.
pub(super) fn watch(vendor: &VendorId, name: &str, payments: &[Payment]) -> RequestWatch {
    let batch = batch(vendor, name, payments);
    watch_of(vendor, name, &batch.records())
}

pub(super) fn return_of(user: &UserId, name: &str, x: &[u64]) -> RequestCredit {
    let request: Id = name.parse().unwrap();
    let data: Vec<u8> = x.iter().flat_map(|x| x.to_be_bytes()).collect();
    RequestCredit {
        user: user.clone(),
        period: MINT.params().period().clone(),
        authenticator: user_key(user).request_credit(request.as_str(), &data),
        request,
        x: x.to_vec(),
    }
}

pub(super) fn redeem(
    broker: &mut MemoryBroker,
    batch: &RequestRedemption,
    now: UnixTime,
) -> Vec<Verdict> {
    broker.redeem(batch, now).unwrap().granted().unwrap().result.verdicts
}

pub(super) fn take_back(
    broker: &mut MemoryBroker,
    request: &RequestCredit,
    now: UnixTime,
) -> Vec<Verdict> {
    broker.take_back(request, 77, now).unwrap().granted().unwrap().verdicts
}

/// A broker that sold superbins 0 and 2 to alice and 4 to bob, and has two registered vendors.
pub(super) struct World {
    broker: MemoryBroker,
    alice: UserId,
    bob: UserId,
    news: VendorId,
    shop: VendorId,
}

fn world() -> World {
    world_in(&directory())
}

fn world_in(directory: &SimulatedDirectory) -> World {
    let mut broker = open_in(directory);
    let (alice, bob) = (user("alice"), user("bob"));
    let (news, shop) = (vendor("news.example"), vendor("shop.example"));
    broker.withdraw(&alice, 2, 1, DURING).unwrap().granted().unwrap();
    broker.withdraw(&bob, 1, 2, DURING).unwrap().granted().unwrap();
    for vendor in [&news, &shop] {
        broker.register_vendor(vendor, DURING).granted().unwrap();
    }
    World { broker, alice, bob, news, shop }
}

#[test]
fn a_sale_has_the_sets_of_the_obvious_mint() {
    let world = world();
    let expected = MINT.funds(&world.alice, &user_key(&world.alice), &[0, 2], 1);
    let again = world.broker.withdraw_again(&world.alice, 1).unwrap().granted().unwrap();
    assert_eq!(again, expected);
    assert_eq!(FundsWithdrawn::parse(&again.to_bytes()).unwrap(), expected);
    assert_eq!(world.broker.sets_left(), 32 - 3);
}

#[test]
fn a_transaction_is_one_sale_to_one_user() {
    let mut world = world();
    let first = world.broker.withdraw(&world.bob, 1, 9, DURING).unwrap().granted().unwrap();
    let left = world.broker.sets_left();
    assert_eq!(world.broker.withdraw(&world.bob, 1, 9, DURING).unwrap().granted().unwrap(), first);
    // Sales can be fetched again after the selling has ended.
    assert_eq!(world.broker.withdraw(&world.bob, 1, 9, CLOSED).unwrap().granted().unwrap(), first);
    assert_eq!(world.broker.withdraw_again(&world.bob, 9).unwrap().granted().unwrap(), first);
    assert_eq!(world.broker.sets_left(), left);
    let refused = world.broker.withdraw(&world.bob, 2, 9, DURING).unwrap();
    assert!(matches!(refused, Reply::Refused(SaleRefusal::OtherSale { transaction: 9 })));
    let refused = world.broker.withdraw(&world.alice, 1, 9, DURING).unwrap();
    assert!(matches!(refused, Reply::Refused(SaleRefusal::OtherSale { .. })));
    let refused = world.broker.withdraw_again(&world.alice, 9).unwrap();
    assert!(matches!(refused, Reply::Refused(SaleRefusal::NoSuchSale { .. })));
}

#[test]
fn sales_are_refused_with_the_reason() {
    let mut world = world();
    let alice = world.alice.clone();
    let mut refusal = |sets, now| {
        world.broker.withdraw(&alice, sets, 50, now).unwrap().refused().unwrap().to_string()
    };
    assert_eq!(refusal(0, DURING), "expected 1 to 10000 sets, found 0");
    assert_eq!(refusal(10_001, DURING), "expected 1 to 10000 sets, found 10001");
    assert_eq!(refusal(30, DURING), "sold out: sets wanted 30, sets left 29");
    assert!(refusal(1, EXPIRED).contains("expired at 2027-01-01T00:00:00Z"));
    assert!(
        world.broker.withdraw(&alice, 29, 51, UnixTime(EXPIRED.0 - 1)).unwrap().granted().is_some()
    );
    let refused = world.broker.withdraw(&alice, 1, 52, DURING).unwrap();
    assert_eq!(refused.refused().unwrap().to_string(), "sold out: sets wanted 1, sets left 0");
    assert_eq!(world.broker.revoke(&world.bob, DURING), [world.bob.clone()]);
    let refused = world.broker.withdraw(&world.bob, 1, 53, DURING).unwrap();
    assert!(matches!(refused, Reply::Refused(SaleRefusal::Revoked { .. })));
}

/// A batch that several threads examine: the verdicts are in the order of the coins.
#[test]
fn verdicts_do_not_depend_on_threads() {
    let judge = |threads| {
        let mut world = world();
        world.broker.set_threads(threads);
        let coins = MINT.coins(&world.alice, &world.news, 0);
        let pay = |user, vendor, i: usize, coins| payment(user, vendor, &format!("{i}"), coins);
        let record = |i: usize| match i % 5 {
            0 => b"no payment".to_vec(),
            1 => pay(&world.alice, &world.shop, i, &coins[..1]).record().to_bytes(),
            2 => with_junk(pay(&world.alice, &world.news, i, &coins[1..2])).record().to_bytes(),
            3 => pay(&world.bob, &world.news, i, &coins[..3]).record().to_bytes(),
            _ => {
                let coin = i / 5 % coins.len();
                pay(&world.alice, &world.news, i, &coins[coin..=coin]).record().to_bytes()
            }
        };
        let records: Vec<Vec<u8>> = (0..1111).map(record).collect();
        redeem(&mut world.broker, &batch_of_records(&world.news, "b", &records), DURING)
    };
    let expected = judge(1);
    assert!(expected.contains(&Verdict::Accepted) && expected.contains(&Verdict::AlreadyPaid));
    for threads in [2, 4, 100] {
        assert!(judge(threads) == expected, "{threads} threads");
    }
}

#[test]
fn a_batch_has_a_verdict_for_every_coin() {
    let mut world = world();
    let (alice, bob, news, shop) = (&world.alice, &world.bob, &world.news, &world.shop);
    let coins = MINT.coins(alice, news, 0);
    let unsold = MINT.coins(alice, news, 8);
    let not_hers = MINT.coins(bob, news, 4);
    let elsewhere = MINT.coins(alice, shop, 0);
    let mut forged = coins[5].clone();
    forged[0] =
        (1 << 15..).find(|x| MINT.rules().bin(*x) == MINT.rules().bin(coins[5][0])).unwrap();
    let unlucky =
        [vec![(0..).find(|x| MINT.rules().bin(*x).is_none()).unwrap()], coins[6][1..].to_vec()]
            .concat();
    let twice = vec![coins[7][0]; 4];
    let three_balls =
        Payment { x: coins[0][..3].to_vec(), ..payment(alice, news, "a", &coins[..1]) };
    let records: Vec<Vec<u8>> = [
        payment(alice, news, "a", &coins[0..2]),
        payment(alice, news, "b", &[coins[1].clone(), coins[2].clone()]),
        payment(alice, shop, "c", &elsewhere[..2]),
        payment(
            alice,
            news,
            "d",
            &[twice, unlucky, not_hers[0].clone(), elsewhere[4].clone(), forged],
        ),
        payment(alice, news, "e", &unsold[..1]),
        with_junk(payment(alice, news, "f", &coins[2..4])),
        three_balls,
    ]
    .iter()
    .map(|payment| payment.record().to_bytes())
    .chain([b"MicroMint-1.0".to_vec()])
    .collect();
    use Verdict::*;
    let expected = [
        Accepted,
        Accepted,
        AlreadyPaid,
        Accepted,
        NotFromOwner,
        NotFromOwner,
        InputWrong,
        FixedBits,
        NotFromOwner,
        VendorDifferences,
        // Signed, with a first ball that was not minted.
        Waiting,
        NotFromOwner,
        AlreadyPaid,
        Waiting,
        Malformed,
        Malformed,
    ];
    let batch = batch_of_records(news, "b1", &records);
    let judged = world.broker.redeem(&batch, DURING).unwrap().granted().unwrap();
    assert_eq!((judged.result.verdicts.as_slice(), judged.is_repeated), (&expected[..], false));
    let Alarm { forged, not_from_owner, invented, .. } = judged.alarm;
    assert_eq!((forged, not_from_owner, invented), (1, 4, 0));
    let again = world.broker.redeem(&batch, DURING).unwrap().granted().unwrap();
    assert_eq!((again.result, again.is_repeated), (judged.result, true));
    let status = world.broker.status();
    assert_eq!((status.coins.paid, status.claims_waiting, status.alarm), (3, 2, judged.alarm));
    // Two of five claims are of rank 2: a person decides them.
    assert!(world.broker.settle(CLOSED));
    let last = redeem(&mut world.broker, &batch, CLOSED);
    assert_eq!((last[10], last[12], last[13]), (Disputed, AlreadyPaid, Disputed));
    let coins = world.broker.status().coins;
    assert_eq!((coins.paid, coins.disputed), (3, 2));
    assert!(coins.is_balanced());
}

#[test]
fn a_batch_that_is_not_from_its_vendor_is_refused() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let payments = [payment(&world.alice, &world.news, "a", &coins[..3])];
    let good = batch(&world.news, "b1", &payments);
    let forged = good.clone().authenticated(&secret().vendor_key(&world.shop));
    let refusal = world.broker.redeem(&forged, DURING).unwrap().refused().unwrap();
    assert!(matches!(refusal, BatchRefusal::WrongAuthenticator { .. }), "{refusal}");
    let mut renamed = good.clone();
    renamed.batch = "b2".parse().unwrap();
    assert!(matches!(
        world.broker.redeem(&renamed, DURING).unwrap(),
        Reply::Refused(BatchRefusal::WrongAuthenticator { .. })
    ));
    let mut later = good.clone();
    later.period = "2027-01".parse().unwrap();
    assert!(matches!(
        world.broker.redeem(&later, DURING).unwrap(),
        Reply::Refused(BatchRefusal::OtherPeriod { .. })
    ));
    // A batch of another period that is relabelled as one of this period.
    let mut relabelled = later.authenticated(&secret().vendor_key(&world.news));
    relabelled.period = good.period.clone();
    assert!(matches!(
        world.broker.redeem(&relabelled, DURING).unwrap(),
        Reply::Refused(BatchRefusal::WrongAuthenticator { .. })
    ));
    let stranger = batch(&vendor("unknown.example"), "b1", &payments);
    assert!(matches!(
        world.broker.redeem(&stranger, DURING).unwrap(),
        Reply::Refused(BatchRefusal::UnknownVendor { .. })
    ));
    assert_eq!(world.broker.status().batches, 0);
    assert_eq!(redeem(&mut world.broker, &good, DURING), [Verdict::Accepted; 3]);
    let other = batch(&world.news, "b1", &[]);
    assert!(matches!(
        world.broker.redeem(&other, DURING).unwrap(),
        Reply::Refused(BatchRefusal::OtherContent { .. })
    ));
}

/// A payer cannot cheat a vendor with a wrong Authenticator and a return, a vendor cannot cheat a
/// payer with a payment that is not proved, and a signed payment goes before both.
#[test]
fn claims_on_one_first_ball_are_ranked() {
    let mut world = world();
    let (alice, news, shop) = (world.alice.clone(), world.news.clone(), world.shop.clone());
    let both = coins_at_both(&alice, &news, &shop, 0);
    let [junk, right, twice] = [1, 2, 3].map(|i| both[i].0.clone());
    let at_shop = |coin: &Vec<u64>| both.iter().find(|(n, _)| n == coin).unwrap().1.clone();
    use Verdict::*;

    let broker = &mut world.broker;
    let x: Vec<u64> = both[..4].iter().map(|(coin, _)| coin[0]).collect();
    let back = return_of(&alice, "r1", &x);
    assert_eq!(take_back(broker, &back, EXPIRED), [Waiting; 4]);
    let doubtful = batch(
        &news,
        "b1",
        &[with_junk(payment(&alice, &news, "a", &[junk.clone(), twice.clone()]))],
    );
    assert_eq!(redeem(broker, &doubtful, EXPIRED), [Waiting; 2]);
    let good = batch(&news, "b2", &[payment(&alice, &news, "b", std::slice::from_ref(&right))]);
    assert_eq!(redeem(broker, &good, EXPIRED), [Accepted]);
    let other =
        batch(&shop, "b1", &[payment(&alice, &shop, "c", &[at_shop(&right), at_shop(&twice)])]);
    assert_eq!(redeem(broker, &other, EXPIRED), [AlreadyPaid, Accepted]);
    let later = batch(&shop, "b2", &[with_junk(payment(&alice, &shop, "d", &[at_shop(&junk)]))]);
    assert_eq!(redeem(broker, &later, EXPIRED), [Waiting]);

    assert!(broker.settle(CLOSED));
    let now = [Accepted, Disputed, AlreadyPaid, AlreadyPaid];
    assert_eq!(take_back(broker, &back, CLOSED), now);
    assert_eq!(redeem(broker, &doubtful, CLOSED), [Disputed, AlreadyPaid]);
    assert_eq!(redeem(broker, &good, CLOSED), [Accepted]);
    assert_eq!(redeem(broker, &other, CLOSED), [AlreadyPaid, Accepted]);
    assert_eq!(redeem(broker, &later, CLOSED), [Disputed]);
    let coins = broker.status().coins;
    assert_eq!((coins.paid, coins.credited, coins.disputed), (2, 1, 1));
    assert!(coins.is_balanced());

    // Two signed payments of `right` at two vendors: the only proof that alice spent a ball twice.
    // `junk` and `twice` may be the work of vendors.
    let offenders = broker.offenders();
    assert_eq!(offenders.len(), 1);
    let found = &offenders[0];
    assert_eq!((found.user.as_str(), found.balls, found.spent_twice), ("alice", 1, 1));
    assert_eq!(found.vendors.iter().collect::<Vec<_>>(), [&news, &shop]);
    assert_eq!((found.first, found.last), (EXPIRED, EXPIRED));
}

/// The coins of a set whose first ball makes a coin at two vendors, as a pair of coins each.
pub(super) fn coins_at_both(
    user: &UserId,
    one: &VendorId,
    other: &VendorId,
    first: u32,
) -> Vec<(Vec<u64>, Vec<u64>)> {
    let others = MINT.coins(user, other, first);
    let same = |coin: &Vec<u64>| others.iter().find(|other| other[0] == coin[0]).cloned();
    let coins = MINT.coins(user, one, first).into_iter();
    coins.filter_map(|coin| Some((coin.clone(), same(&coin)?))).collect()
}

#[test]
fn a_payment_sent_twice_by_a_vendor_is_no_offence() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let paid = payment(&world.alice, &world.news, "a", &coins[..2]);
    redeem(&mut world.broker, &batch(&world.news, "b1", std::slice::from_ref(&paid)), DURING);
    let again = redeem(&mut world.broker, &batch(&world.news, "b2", &[paid]), DURING);
    assert_eq!(again, [Verdict::AlreadyPaid; 2]);
    assert_eq!(world.broker.offenders(), []);
}

/// A command under a clock that is ahead decides nothing, unless it is the settlement.
#[test]
fn only_the_settlement_settles() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let early = batch(
        &world.news,
        "b1",
        &[with_junk(payment(&world.alice, &world.news, "a", &coins[..1]))],
    );
    let back = return_of(&world.alice, "r1", &[coins[1][0]]);
    assert_eq!(redeem(&mut world.broker, &early, EXPIRED), [Verdict::Waiting]);
    assert_eq!(take_back(&mut world.broker, &back, EXPIRED), [Verdict::Waiting]);
    let before = world.broker.status();

    let news = world.news.clone();
    let late = batch(&news, "b2", &[payment(&world.alice, &news, "b", &coins[2..4])]);
    assert_eq!(redeem(&mut world.broker, &late, CLOSED), [Verdict::TooLate; 2]);
    let shown = watch_of(&news, "w1", &late.records());
    let answer = world.broker.watch(&shown, CLOSED).unwrap().granted().unwrap();
    assert_eq!(answer.result.verdicts, [Verdict::TooLate; 2]);
    let more = return_of(&world.alice, "r2", &[coins[4][0]]);
    let refusal = world.broker.take_back(&more, 1, CLOSED).unwrap().refused().unwrap();
    assert!(matches!(refusal, ReturnRefusal::TooLate { .. }), "{refusal}");
    // What was judged before gets the same answer.
    assert_eq!(redeem(&mut world.broker, &early, CLOSED), [Verdict::Waiting]);
    assert_eq!(take_back(&mut world.broker, &back, CLOSED), [Verdict::Waiting]);
    assert!(!world.broker.status().is_settled);
    assert_eq!(world.broker.disputes(), []);
    let ruling = world.broker.decide_dispute(&news, None, Ruling::Pay);
    assert!(ruling.refused().is_some());
    assert_eq!(world.broker.status(), before);

    // With the right clock everything goes on.
    assert!(!world.broker.settle(EXPIRED));
    assert_eq!(redeem(&mut world.broker, &late, EXPIRED), [Verdict::Accepted; 2]);
    assert!(world.broker.settle(CLOSED));
    assert_eq!(take_back(&mut world.broker, &back, CLOSED), [Verdict::Accepted]);
}

/// A settled period sells, judges and settles nothing, whatever the clock.
#[test]
fn after_the_settlement_nothing_happens_even_if_the_clock_is_set_back() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let late = batch(&world.news, "b1", &[payment(&world.alice, &world.news, "a", &coins[..2])]);
    assert!(world.broker.settle(CLOSED));
    assert_eq!(redeem(&mut world.broker, &late, CLOSED), [Verdict::TooLate; 2]);
    let before = world.broker.status();
    for now in [DURING, EXPIRED, UnixTime(0), UnixTime(i64::MIN)] {
        assert_eq!(redeem(&mut world.broker, &late, now), [Verdict::TooLate; 2]);
        let shown = watch_of(&world.news, "w1", &late.records());
        let answer = world.broker.watch(&shown, now).unwrap().granted().unwrap();
        assert_eq!(answer.result.verdicts, [Verdict::TooLate; 2]);
        let back = return_of(&world.alice, "r", &[coins[0][0]]);
        assert!(matches!(
            world.broker.take_back(&back, 1, now).unwrap(),
            Reply::Refused(ReturnRefusal::TooLate { .. })
        ));
        assert!(matches!(
            world.broker.withdraw(&world.bob, 1, 99, now).unwrap(),
            Reply::Refused(SaleRefusal::Expired { .. })
        ));
        assert!(world.broker.settle(now));
        assert_eq!(world.broker.status(), before);
    }
}

#[test]
fn only_the_owner_can_return_coins_after_the_expiration() {
    let mut world = world();
    let coins = MINT.coins(&world.alice, &world.news, 0);
    let bobs = MINT.coins(&world.bob, &world.news, 4);
    let stray = MINT.coins(&world.alice, &world.news, 8);
    let unlucky = (0..).find(|x| MINT.rules().bin(*x).is_none()).unwrap();
    let forged =
        (1 << 15..).find(|x| MINT.rules().bin(*x) == MINT.rules().bin(coins[0][0])).unwrap();
    let x = [coins[0][0], coins[0][1], bobs[0][0], stray[0][0], unlucky, 1 << 56, forged];
    let back = return_of(&world.alice, "r1", &x);
    let early = world.broker.take_back(&back, 1, DURING).unwrap().refused().unwrap();
    assert_eq!(
        early.to_string(),
        "coins can be returned from 2027-01-01T00:00:00Z; until then they can be spent"
    );
    use Verdict::*;
    let expected = [Waiting, NotFirst, NotFromOwner, NotFromOwner, FixedBits, InputWrong, Forged];
    let first = world.broker.take_back(&back, 5, EXPIRED).unwrap().granted().unwrap();
    assert_eq!((first.verdicts.as_slice(), first.transaction), (&expected[..], 5));
    // A repeated return has the same number.
    assert_eq!(world.broker.take_back(&back, 6, EXPIRED).unwrap().granted().unwrap(), first);
    let other = return_of(&world.alice, "r1", &x[1..]);
    assert!(matches!(
        world.broker.take_back(&other, 7, EXPIRED).unwrap(),
        Reply::Refused(ReturnRefusal::OtherContent { .. })
    ));
    let mut stolen = return_of(&world.bob, "r2", &x);
    stolen.user = world.alice.clone();
    let refusal = world.broker.take_back(&stolen, 8, EXPIRED).unwrap();
    assert!(matches!(refusal, Reply::Refused(ReturnRefusal::WrongAuthenticator { .. })));
    let account = world.broker.user_account(&world.alice).unwrap();
    assert_eq!((account.coins_waiting, account.returns.len()), (1, 1));
}

#[test]
fn returns_are_bounded_by_what_was_bought_and_in_number() {
    let mut world = world();
    let x = MINT.coins(&world.bob, &world.news, 4)[0][0];
    // Bob bought one set of 16 bins.
    let most = return_of(&world.bob, "most", &[x; 16]);
    assert_eq!(take_back(&mut world.broker, &most, EXPIRED).len(), 16);
    let more = return_of(&world.bob, "more", &[x; 17]);
    let refusal = world.broker.take_back(&more, 1, EXPIRED).unwrap();
    assert!(matches!(
        refusal,
        Reply::Refused(ReturnRefusal::TooManyBalls { found: 17, max: 16, .. })
    ));
    for i in 1..RETURNS_PER_USER_MAX {
        take_back(&mut world.broker, &return_of(&world.bob, &format!("r{i}"), &[x]), EXPIRED);
    }
    let refusal = world.broker.take_back(&return_of(&world.bob, "last", &[x]), 1, EXPIRED).unwrap();
    assert!(matches!(refusal, Reply::Refused(ReturnRefusal::TooManyReturns { .. })));
    assert!(world.broker.settle(CLOSED));
    assert_eq!(take_back(&mut world.broker, &most, CLOSED)[0], Verdict::Accepted);
    assert_eq!(world.broker.status().coins.credited, 1);
}

#[test]
fn vendors_are_listed_in_the_order_of_their_registration() {
    let mut broker = open();
    for (name, now) in [("b.example", 0), ("c.example", 0), ("a.example", 1), ("b.example", 2)] {
        broker.register_vendor(&vendor(name), DURING.plus_seconds(now)).granted().unwrap();
    }
    let listed = broker.vendors();
    let names: Vec<&str> = listed.iter().map(VendorId::as_str).collect();
    assert_eq!(names, ["b.example", "c.example", "a.example"]);
}

#[test]
fn vendors_with_equal_vectors_are_refused() {
    let mut broker = open();
    // There are 4096 vectors, so two of these hosts have the same one.
    let refusal = (0..1000)
        .find_map(|i| broker.register_vendor(&vendor(&format!("v{i}.example")), DURING).refused());
    let refusal = refusal.unwrap();
    let VendorRefusal::EqualVectors { vendor, other } = &refusal;
    let vector = |vendor| crate::identity::VendorVector::new(MINT.params(), vendor);
    assert_ne!(vendor, other);
    assert_eq!(vector(vendor), vector(other));
    let known = broker.register_vendor(other, DURING).granted().unwrap();
    assert_eq!(known, secret().vendor_key(other));
}

#[test]
fn the_list_has_exactly_the_owners_for_one_vendor() {
    let mut broker = open();
    broker.withdraw(&user("alice"), 2, 1, DURING).unwrap().granted().unwrap();
    broker.withdraw(&user("bob"), 1, 2, DURING).unwrap().granted().unwrap();
    let (news, shop) = (vendor("news.example"), vendor("shop.example"));
    let owners = broker.owners(&news);
    assert_eq!((owners.count(), owners.generation()), (3, 1));
    let owns = |vendor: &VendorId, name: &str| {
        let user = user(name);
        let owns = |first: &u32| {
            let token = user_key(&user).owner_token(vendor, *first);
            owners.check(&user, *first, &token) == Ownership::Owner
        };
        (0..70).filter(owns).collect::<Vec<_>>()
    };
    assert_eq!(owns(&news, "alice"), [0, 2]);
    assert_eq!(owns(&news, "bob"), [4]);
    assert_eq!(owns(&news, "eve"), [0; 0]);
    assert_eq!(owns(&shop, "alice"), [0; 0]);
}
