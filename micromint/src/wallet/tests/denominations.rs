//! Coins of two values in one wallet: which pay, and what they may cost.

use super::*;
use crate::money::Money;

const LARGE: &str = "2026-12-large";

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

/// A wallet with 16 coins of 0.01 USD and 16 of 0.4 USD.
fn both() -> Wallet {
    let mut wallet = filled(&SimulatedDirectory::new(), &[4]);
    let large = ObviousMint::new(params_with(|raw| {
        raw.period = LARGE.parse().unwrap();
        raw.coin_value = money("0.4 USD");
    }));
    wallet.receive(&large.funds(&"alice".parse().unwrap(), &key(), &[6], 2), NOW).unwrap();
    wallet
}

/// A page that costs `small` coins of 0.01 USD, or `large` of 0.4 USD.
fn page(path: &str, small: u32, large: u32) -> RequestPayment {
    let mut page = request(&format!("https://news.example/{path}"), small);
    page.prices.push(PeriodPrice::new(LARGE.parse().unwrap(), large, money("0.4 USD")));
    page
}

/// The period and number of the coins in a payment.
fn coins_of(decision: PaymentDecision) -> (String, u32) {
    let payment = Payment::parse(&sent(decision).message).unwrap();
    (payment.period.to_string(), payment.coins)
}

#[test]
fn the_lowest_price_that_the_wallet_can_pay_is_paid() {
    let mut wallet = both();
    let few = wallet.state().spendable_at(0, &"news.example".parse().unwrap());
    let small = |coins| ("2026-12".to_string(), coins);
    let large = |coins| (LARGE.to_string(), coins);
    assert_eq!(coins_of(pay(&mut wallet, &page("a", 2, 1))), small(2));
    // Of equal prices the fewest coins.
    assert_eq!(coins_of(pay(&mut wallet, &page("b", 40, 1))), large(1));
    // Of the others there are too few.
    assert_eq!(coins_of(pay(&mut wallet, &page("c", few, 1))), large(1));
    let refused = refusal(pay(&mut wallet, &page("d", 100, 50)));
    assert!(matches!(refused, Unpayable::TooFewCoins { price: 50, .. }), "{refused}");
    // The vendor's order does not count.
    let mut turned = page("e", 1, 1);
    turned.prices.reverse();
    assert_eq!(coins_of(pay(&mut wallet, &turned)), small(1));
    // Each price counts with the coin value of its own period.
    let mut wrong = page("f", 2, 1);
    wrong.prices[0].coin_value = money("0.4 USD");
    assert_eq!(coins_of(pay(&mut wallet, &wrong)), large(1));
    wrong.prices.truncate(1);
    wrong.url = url("https://news.example/g");
    let refused = refusal(pay(&mut wallet, &wrong));
    assert!(matches!(refused, Unpayable::OtherCoinValue { .. }), "{refused}");
}

#[test]
fn a_payment_fits_where_it_travels() {
    let mut wallet = both();
    let mut decide = |asked: &RequestPayment, coins_max| {
        let fetch = get(&asked.url).with_coins_max(coins_max);
        wallet.pay(asked, &fetch, &FREELY, NOW).unwrap()
    };
    let asked = page("a", 5, 1);
    assert_eq!(coins_of(decide(&asked, Some(4))), (LARGE.to_string(), 1));
    assert_eq!(coins_of(decide(&page("b", 5, 1), Some(5))), ("2026-12".to_string(), 5));
    let refused = refusal(decide(&page("c", 5, 6), Some(4)));
    assert_eq!(refused, Unpayable::TooManyCoins { coins: 5, coins_max: 4 });
    // A payment that is sent again must fit too.
    let five = page("b", 5, 1);
    let refused = refusal(decide(&five, Some(4)));
    assert_eq!(refused, Unpayable::TooManyCoins { coins: 5, coins_max: 4 });
    assert_eq!(coins_of(decide(&five, None)), ("2026-12".to_string(), 5));
}

#[test]
fn limits_count_the_coins_that_are_chosen() {
    let mut wallet = both();
    let mut decide = |asked: &RequestPayment, policy: &Policy| {
        wallet.pay(asked, &get(&asked.url), policy, NOW).unwrap()
    };
    // One coin is within the threshold, and worth more than the threshold in money.
    let costly = page("a", 400, 1);
    let in_money = Policy::new(0).with_autopay_money(Some(money("0.39 USD")));
    assert!(
        matches!(decide(&costly, &in_money), PaymentDecision::Ask(choice) if choice.coins() == 1)
    );
    let in_money = Policy::new(0).with_autopay_money(Some(money("0.4 USD")));
    assert_eq!(coins_of(decide(&costly, &in_money)), (LARGE.to_string(), 1));
    let few = page("b", 2, 1);
    assert!(
        matches!(decide(&few, &Policy::new(1)), PaymentDecision::Ask(choice) if choice.coins() == 2)
    );
    let limits = Limits::default().with_site(Some(money("0.79 USD")));
    let exceeded = refusal(decide(&page("c", 400, 1), &FREELY.with_limits(limits)));
    assert!(exceeded.to_string().contains("0.4 USD are spent"), "{exceeded}");
}
