//! What the pages of the extension show: the balance, the payments, sums.
//!
//! Input: the state of the wallet. Output: JSON. Nothing in it is a key or a ball.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use micromint::identity::VendorId;
use micromint::protocol::Verdict;
use micromint::time::UnixTime;
use micromint::wallet::{CoinReturn, Frozen, PastPayment, WalletState};
use serde_json::{Value, json};

use crate::amount::Worth;
use crate::settings::{Settings, Spent};

/// The most payments in one answer.
pub const PAYMENTS_PER_ANSWER_MAX: usize = 1000;
/// The seconds in a day.
const DAY_SECONDS: i64 = 86_400;

/// The balance, the limits, and what needs the owner's attention.
pub fn overview(state: &WalletState, settings: &Settings, now: UnixTime) -> Value {
    let near = state.expiring(now, i64::from(settings.warn_days) * DAY_SECONDS);
    let holdings: Vec<Value> =
        (0..state.holdings().len()).map(|holding| held(state, holding, &near, now)).collect();
    let open = state.payments().iter().filter(|payment| payment.outcome.is_sent_again()).count();
    let returnable: usize = state.returnable(now).iter().map(|it| it.coins).sum();
    json!({
        "holdings": holdings,
        "payments": state.payments().len(),
        "open": open,
        "returnable": returnable,
        "openReturns": state.returns().iter().filter(|back| is_open(back)).count(),
        "frozen": state.frozen().map(frozen),
        "settings": settings,
        "days": days(state),
    })
}

/// Why nothing can be spent: a word for translation, and since when.
fn frozen(why: Frozen) -> Value {
    let (word, at) = match why {
        Frozen::Backup(at) => ("backup", at),
        Frozen::Left(at) => ("left", at),
        Frozen::Prepared(at) => ("prepared", at),
        Frozen::Travels(at) => ("travels", at),
        // Of a later core.
        _ => return json!({"why": "other", "text": why.to_string()}),
    };
    json!({"why": word, "at": at.0})
}

fn held(state: &WalletState, holding: usize, near: &[usize], now: UnixTime) -> Value {
    let held = &state.holdings()[holding];
    let raw = held.params.raw();
    let balance = state.balance(holding);
    json!({
        "user": held.user.to_string(),
        "broker": raw.broker,
        "period": raw.period.to_string(),
        "value": Worth::from(raw.coin_value),
        "start": raw.start.0,
        "expiration": raw.expiration.0,
        "redeemUntil": raw.redeem_until.0,
        "isValid": raw.start <= now && now < raw.expiration,
        "expiresSoon": near.contains(&holding),
        "isConfirmed": held.is_confirmed,
        "hasRivals": state.rivals(holding).next().is_some(),
        "sets": balance.sets,
        "unspent": balance.unspent,
        "unspentWorth": Worth::of_coins(balance.unspent, raw.coin_value),
        "inDoubt": balance.in_doubt,
        "paid": balance.paid,
        "bound": balance.bound,
        "returned": balance.returned,
    })
}

/// The coins that were paid, by day and site: an array of `[day, vendor, coins]`.
fn days(state: &WalletState) -> Vec<Value> {
    let mut sums: BTreeMap<(String, &str), u64> = BTreeMap::new();
    for payment in state.payments() {
        *sums.entry((payment.at.day(), payment.vendor.as_str())).or_default() +=
            u64::from(payment.fresh);
    }
    sums.into_iter().map(|((day, vendor), coins)| json!([day, vendor, coins])).collect()
}

/// At most `count` payments, the latest first, after leaving out the latest `from`.
pub fn payments(state: &WalletState, from: usize, count: usize) -> Value {
    let all = state.payments();
    let count = count.min(PAYMENTS_PER_ANSWER_MAX);
    let found = all.iter().enumerate().rev().skip(from).take(count);
    let rows: Vec<Value> = found.map(|(number, payment)| row(state, number, payment)).collect();
    json!({"total": all.len(), "rows": rows})
}

fn row(state: &WalletState, number: usize, payment: &PastPayment) -> Value {
    let params = &state.holdings()[payment.holding].params;
    json!({
        "number": number,
        "at": payment.at.0,
        "vendor": payment.vendor.to_string(),
        "url": payment.url.to_string(),
        "description": payment.description,
        "coins": payment.coins,
        "fresh": payment.fresh,
        "worth": Worth::of_coins(payment.coins, params.coin_value()),
        "broker": params.raw().broker,
        "outcome": payment.outcome.word(),
        "reason": payment.outcome.reason(),
        "reference": payment.reference(),
        "receiptExpires": payment.receipt_expires().map(|it| it.0),
    })
}

/// What the wallet knows of a site.
pub fn site(state: &WalletState, settings: &Settings, vendor: &VendorId, now: UnixTime) -> Value {
    let payments = state.payments().iter().filter(|payment| payment.vendor == *vendor);
    json!({
        "vendor": vendor.to_string(),
        "spent": Spent::of(state, vendor, now),
        "payments": payments.count(),
        "rule": settings.rule(vendor),
        "hasRule": settings.sites.contains_key(vendor.as_str()),
    })
}

/// The returns that wait for an answer, each with its message in base64 and its broker.
pub fn returns(state: &WalletState) -> Value {
    let open = state.returns().iter().filter(|back| is_open(back));
    let rows = open.map(|back| {
        let held = &state.holdings()[back.holding];
        json!({
            "request": back.request.to_string(),
            "broker": held.params.raw().broker,
            "coins": back.verdicts.len(),
            "message": STANDARD.encode(state.request_credit(back).to_bytes()),
        })
    });
    json!(rows.collect::<Vec<Value>>())
}

/// Whether a coin of a return has no final verdict.
fn is_open(back: &CoinReturn) -> bool {
    let is_open = |verdict: &Option<Verdict>| {
        matches!(verdict, None | Some(Verdict::Waiting | Verdict::Disputed))
    };
    back.verdicts.iter().any(is_open)
}
