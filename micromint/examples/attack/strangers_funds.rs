//! A Funds-Withdrawn that a stranger wrote in the name of a user's broker, period and user.

use micromint::authenticator::Key;
use micromint::bin::Bin;
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::identity::UserVector;
use micromint::protocol::{
    FundsWithdrawn, Payment, PeriodPrice, Refusal, RequestOutcome, RequestPayment, SoldSet,
};
use micromint::wallet::{Fetch, PaymentDecision, PaymentOutcome, Policy, Received, Wallet};

use super::report::Report;
use super::world::{Mint, Owners, World};

/// The pages that the user pays for.
const PAGES: u32 = 5;

/// The stranger's message comes first. It costs the user one refused payment, and no coin.
pub(crate) fn keep_out(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let thief = world.member("thief", 1);
    let alice = world.honest_buyer("alice", 1);
    let shop = world.honest_shop("honest", Owners::Known, 0);
    let folder = tempfile::tempdir().unwrap();
    let directory = DiskDirectory::new(folder.path());
    let mut wallet = Wallet::open(&directory, "wallet", &SystemEntropy).unwrap();

    // A gift: all real balls of a set of alice's shape that the thief owns.
    let vector = UserVector::new(world.params(), &alice.user).unwrap();
    let subbins = world.params().subbin_count();
    let superbins = vector.set(thief.firsts[0]).into_iter().map(|superbin| {
        (0..subbins).filter_map(|subbin| world.stored(Bin { superbin, subbin })).collect()
    });
    let strangers = FundsWithdrawn {
        user: alice.user.clone(),
        user_key: Key::from_bytes([13; 32]),
        params: world.params().clone(),
        sets: vec![SoldSet { superbins: superbins.collect() }],
        transaction: alice.funds.transaction,
    };
    let now = world.now();
    wallet.receive(&strangers, now).unwrap();
    let received = wallet.receive(&alice.funds, now).unwrap();
    report.expect(matches!(received, Received::New { .. }), || {
        format!("the real coins are kept out: {received:?}")
    });

    let mut refused = 0;
    for page in 0..PAGES {
        let request = RequestPayment {
            url: format!("https://{}/page{page}", shop.vendor).parse().unwrap(),
            vendor: shop.vendor.clone(),
            prices: vec![PeriodPrice::new(
                world.params().period().clone(),
                1,
                world.params().coin_value(),
            )],
            broker: world.params().raw().broker.clone(),
            description: String::new(),
        };
        loop {
            let fetch = Fetch::new(&request.url);
            let decision = wallet.pay(&request, &fetch, &Policy::new(5), now).unwrap();
            let PaymentDecision::Send(sending) = decision else {
                report.expect(false, || format!("page {page} is not paid: {decision:?}"));
                break;
            };
            let payment = Payment::parse(&sending.message).unwrap();
            let outcome = shop.ask(&payment);
            let is_paid = outcome == RequestOutcome::Paid;
            let outcome = match outcome {
                RequestOutcome::Refused(refusal) => {
                    report.expect(refusal == Refusal::NotOwner, || format!("{refusal:?}"));
                    PaymentOutcome::Refused(refusal.word().to_string())
                }
                _ => PaymentOutcome::Paid,
            };
            wallet.record_outcome(sending.payment, outcome, now).unwrap();
            if is_paid {
                world.note_paid(&shop, &payment);
                break;
            }
            refused += 1;
            if refused > PAGES {
                break;
            }
        }
    }
    report.expect(refused <= 1, || format!("{refused} payments refused"));
    world.redeem(&shop);
    report.tried = format!(
        "a stranger's sets in the name of user and broker, received first: real coins received, \
         {PAGES} pages paid, {refused} payment refused"
    );
    world.close(&mut report);
    report
}
