//! Prints prices, balances and the history: lines for people, JSON for programs.
//!
//! The invariant: the output never contains a ball or a key. Texts of vendors are printable and
//! have no control of the writing direction, which the parser of their messages checks.

mod details;
mod orders;

use serde_json::{Value, json};

use micromint::identity::VendorId;
use micromint::money::{coins, coins_worth};
use micromint::protocol::{PeriodPrice, RequestPayment, Verdict};
use micromint::time::UnixTime;
use micromint::wallet::{CoinReturn, Holding, PastPayment, WalletState, Withdrawal};
use micromint_console::{ToolError, print_text, tell};

use crate::buy::counted_sets;

pub use details::details;
pub(crate) use details::rows_of;

/// Prints the price of a page.
///
/// # Errors
/// Standard output cannot be written.
pub fn price(request: &RequestPayment, json: bool) -> Result<(), ToolError> {
    if json {
        let least = request.least();
        let money = |price: &PeriodPrice| price.money().map(|money| money.to_string());
        let price = |price: &PeriodPrice| {
            json!({
                "period": price.period.as_str(), "coins": price.coins,
                "coin-value": price.coin_value.to_string(), "money": money(price),
            })
        };
        return print_json(&json!({
            "url": request.url.as_str(), "price": least.map(|price| price.coins),
            "vendor": request.vendor.as_str(), "broker": request.broker,
            "coin-value": least.map(|price| price.coin_value.to_string()),
            "money": least.and_then(money),
            "prices": request.prices.iter().map(price).collect::<Vec<_>>(),
            "description": request.description,
        }));
    }
    let mut text = format!("{} to {}", request.in_words(), request.vendor);
    if !request.description.is_empty() {
        text.push_str(&format!(": {}", request.description));
    }
    print(&format!("{text}\n"))
}

/// Prints that a page is free.
///
/// # Errors
/// Standard output cannot be written.
pub fn free(url: &str, json: bool) -> Result<(), ToolError> {
    if json { print_json(&json!({ "url": url, "price": 0 })) } else { print("free\n") }
}

/// Prints the balance. With a vendor, also how many coins can be spent there.
///
/// # Errors
/// Standard output cannot be written.
pub fn balance(
    state: &WalletState,
    at: Option<&VendorId>,
    now: UnixTime,
    json: bool,
) -> Result<(), ToolError> {
    let holdings = || state.holdings().iter().enumerate();
    if json {
        let values: Vec<Value> =
            holdings().map(|(i, held)| balance_json(state, i, held, at, now)).collect();
        return print_json(&json!({
            "holdings": values, "orders": orders::open_json(state),
            "frozen": state.frozen().map(|frozen| frozen.to_string()),
        }));
    }
    print(&balance_text(state, at, now))
}

/// The balance, as lines for people.
pub(crate) fn balance_text(state: &WalletState, at: Option<&VendorId>, now: UnixTime) -> String {
    let mut text = String::new();
    if let Some(frozen) = state.frozen() {
        text.push_str(&format!("Nothing can be spent from this file: {frozen}.\n"));
    }
    if state.holdings().is_empty() {
        text.push_str("The wallet has no coins.\n");
    }
    for (i, held) in state.holdings().iter().enumerate() {
        text.push_str(&holding_text(state, i, held, at, now));
    }
    text + &orders::open(state)
}

fn holding_text(
    state: &WalletState,
    i: usize,
    held: &Holding,
    at: Option<&VendorId>,
    now: UnixTime,
) -> String {
    let (raw, balance) = (held.params.raw(), state.balance(i));
    let mut text = format!(
        "{}  {}, {}\n  user {}, broker {}, {}\n",
        raw.period,
        coins_worth(balance.unspent.into(), raw.coin_value),
        validity(held, balance.unspent + balance.in_doubt > 0, now),
        held.user,
        raw.broker,
        counted_sets(balance.sets)
    );
    let mut line = |count: u32, what: &str| {
        if count > 0 {
            text.push_str(&format!("  {count} {what}\n"));
        }
    };
    line(balance.paid, "paid");
    line(balance.bound, "sent but not confirmed; they can be spent only at the same vendor");
    line(balance.in_doubt, "restored from a backup; they can only be returned to the broker");
    line(balance.returned, "returned to the broker");
    if let Some(vendor) = at {
        text.push_str(&format!("  {} can be spent at {vendor}\n", state.spendable_at(i, vendor)));
    }
    if state.rivals(i).next().is_some() {
        let origin = if held.is_confirmed { "from the broker's page" } else { "from a file" };
        text.push_str(&format!(
            "  {origin}; the wallet has others of this user, broker and period, with another key \
            or other parameters\n"
        ));
    }
    text
}

/// `has_coins` is whether there is something to return.
fn validity(held: &Holding, has_coins: bool, now: UnixTime) -> String {
    let raw = held.params.raw();
    if now < raw.start {
        format!("valid from {} to {}", raw.start, raw.expiration)
    } else if now < raw.expiration {
        format!("expire at {}", raw.expiration)
    } else if now < raw.redeem_until && has_coins {
        format!("expired; return them before {}", raw.redeem_until)
    } else {
        format!("expired at {}", raw.expiration)
    }
}

fn balance_json(
    state: &WalletState,
    i: usize,
    held: &Holding,
    at: Option<&VendorId>,
    now: UnixTime,
) -> Value {
    let (raw, balance) = (held.params.raw(), state.balance(i));
    let mut value = json!({
        "period": raw.period.as_str(), "user": held.user.as_str(), "broker": raw.broker,
        "coin-value": raw.coin_value.to_string(), "start": raw.start.to_string(),
        "expiration": raw.expiration.to_string(), "redeem-until": raw.redeem_until.to_string(),
        "is-valid": raw.start <= now && now < raw.expiration,
        "sets": balance.sets, "unspent": balance.unspent, "in-doubt": balance.in_doubt,
        "paid": balance.paid, "bound": balance.bound, "returned": balance.returned,
        "is-confirmed": held.is_confirmed, "rivals": state.rivals(i).count(),
    });
    if let Some(vendor) = at {
        value["vendor"] = json!(vendor.as_str());
        value["good-at-vendor"] = json!(state.spendable_at(i, vendor));
    }
    value
}

/// Prints all orders, sales, payments and returns, oldest first.
///
/// # Errors
/// Standard output cannot be written.
pub fn history(state: &WalletState, json: bool) -> Result<(), ToolError> {
    let events = events(state);
    if json {
        return print_json(&events.into_iter().map(|event| event.value).collect());
    }
    events.iter().try_for_each(|event| print(&format!("{}\n", event.line())))
}

/// An order, sale, payment or return.
pub(crate) struct Event<'a> {
    pub(crate) at: UnixTime,
    pub(crate) text: String,
    /// As JSON.
    pub(crate) value: Value,
    pub(crate) payment: Option<&'a PastPayment>,
}

impl Event<'_> {
    /// The line of the history.
    pub(crate) fn line(&self) -> String {
        format!("{}  {}", self.at, self.text)
    }
}

/// All orders, sales, payments and returns, oldest first.
pub(crate) fn events(state: &WalletState) -> Vec<Event<'_>> {
    let sales = state.withdrawals().iter().map(|sale| sale_event(state, sale));
    let payments = state.payments().iter().map(|payment| payment_event(state, payment));
    let returns = state.returns().iter().map(|back| return_event(state, back));
    let mut events: Vec<Event<'_>> =
        orders::events(state).chain(sales).chain(payments).chain(returns).collect();
    events.sort_by_key(|event| event.at);
    events
}

fn sale_event<'a>(state: &WalletState, sale: &Withdrawal) -> Event<'a> {
    let held = &state.holdings()[sale.holding];
    let (sets, period) = (counted_sets(sale.sets), held.params.period());
    let value = json!({
        "at": sale.at.to_string(), "event": "received", "period": period.as_str(),
        "user": held.user.as_str(), "sets": sale.sets,
        "transaction": sale.transaction.to_string(),
    });
    let text = format!("received {sets} of period {period} (sale {})", sale.transaction);
    Event { at: sale.at, text, value, payment: None }
}

fn payment_event<'a>(state: &WalletState, payment: &'a PastPayment) -> Event<'a> {
    let held = &state.holdings()[payment.holding];
    let of = coins_worth(payment.coins.into(), held.params.coin_value());
    let task = payment.purpose.as_ref().map(|it| format!(", task {}", it.task()));
    let text = format!(
        "{} {of} to {} for {} (reference {}{})",
        payment.outcome,
        payment.vendor,
        payment.url,
        payment.reference(),
        task.unwrap_or_default()
    );
    let value = details::payment_json(state, payment);
    Event { at: payment.at, text, value, payment: Some(payment) }
}

fn return_event<'a>(state: &WalletState, back: &CoinReturn) -> Event<'a> {
    let held = &state.holdings()[back.holding];
    let (total, period) = (back.verdicts.len(), held.params.period());
    let credited = back.count(Some(Verdict::Accepted));
    let waiting = back.count(None) + back.count(Some(Verdict::Waiting));
    let value = json!({
        "at": back.at.to_string(), "event": "return", "period": period.as_str(),
        "request": back.request.as_str(), "coins": total,
        "credited": credited, "waiting": waiting,
        "transaction": back.transaction.map(|number| number.to_string()),
    });
    let text = format!(
        "returned {} of period {period}: {credited} credited, {waiting} waiting (return {})",
        coins(total as u64),
        back.request
    );
    Event { at: back.at, text, value, payment: None }
}

/// Prints the wallet as `printwallet` of the thesis does: the balance, the parameters, the
/// superbins.
///
/// # Errors
/// Standard output cannot be written.
pub fn wallet(state: &WalletState, now: UnixTime, json: bool) -> Result<(), ToolError> {
    let superbins = |i: usize, held: &Holding| {
        u64::from(state.balance(i).sets) * held.params.coin_size() as u64
    };
    let holdings = || state.holdings().iter().enumerate();
    if json {
        let values = holdings().map(|(i, held)| {
            let mut value = balance_json(state, i, held, None, now);
            value["superbins"] = json!(superbins(i, held));
            let fields = held.params.to_fields().into_iter();
            value["params"] =
                fields.map(|(key, text)| (key.to_string(), Value::String(text))).collect();
            value
        });
        return print_json(&values.collect());
    }
    balance(state, None, now, false)?;
    for (i, held) in holdings() {
        print(&format!("\nParameters of {}:\n{}", held.params.period(), held.params.to_toml()))?;
        print(&format!("Superbins: {}\n", superbins(i, held)))?;
    }
    Ok(())
}

/// Warns on standard error about coins that expire soon, and about expired coins to return.
pub fn warn_of_expiry(state: &WalletState, now: UnixTime, seconds: i64) {
    for holding in state.expiring(now, seconds) {
        let (raw, balance) = (state.holdings()[holding].params.raw(), state.balance(holding));
        let count = coins((balance.unspent + balance.in_doubt).into());
        if now < raw.expiration {
            tell!(
                "mmwallet: warning: {count} of period {} expire at {}; \
                spend them before, or return them to the broker afterwards",
                raw.period,
                raw.expiration
            );
        } else {
            tell!(
                "mmwallet: warning: {count} of period {} have expired; return them before {} \
                with `mmwallet return --send`, or they are lost",
                raw.period,
                raw.redeem_until
            );
        }
    }
}

fn print(text: &str) -> Result<(), ToolError> {
    print_text(text);
    Ok(())
}

pub(crate) fn print_json(value: &Value) -> Result<(), ToolError> {
    print(&format!("{value:#}\n"))
}
