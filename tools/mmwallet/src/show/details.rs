//! Shows one event of the history: a payment, an order, a sale or a return.
//!
//! Input: a payment's reference, the number of an order or sale, or the Request-ID of a return.
//! Output: all that the wallet knows about it, except coins and keys.

use serde_json::{Value, json};

use micromint::money::coins_worth;
use micromint::wallet::{PastPayment, WalletState};
use micromint_console::ToolError;

use super::{print, print_json};
use crate::answer::{consequence, find_payment};

/// Prints what the wallet knows about `reference`.
///
/// # Errors
/// The wallet knows no such reference, or several, or standard output cannot be written.
pub fn details(state: &WalletState, reference: &str, json: bool) -> Result<(), ToolError> {
    let named: Vec<(String, Value)> = super::events(state)
        .into_iter()
        .filter(|(_, _, value)| value["transaction"] == reference || value["request"] == reference)
        .map(|(at, text, value)| (format!("{at}  {text}\n"), value))
        .collect();
    if !named.is_empty() {
        let (lines, values): (Vec<String>, Vec<Value>) = named.into_iter().unzip();
        return if json { print_json(&Value::Array(values)) } else { print(&lines.concat()) };
    }
    let payment = &state.payments()[find_payment(state, reference)? as usize];
    if json {
        return print_json(&Value::Array(vec![payment_json(state, payment)]));
    }
    let held = &state.holdings()[payment.holding];
    let mut rows = vec![
        ("reference", payment.reference()),
        ("outcome", payment.outcome.to_string()),
        ("then", consequence(payment)),
        ("coins", coins_worth(payment.coins.into(), held.params.coin_value())),
        ("first sent", format!("{} of them with this payment", payment.fresh)),
        ("vendor", payment.vendor.to_string()),
        ("request", format!("{} {}", payment.method, payment.url)),
        ("description", payment.description.clone()),
        ("user", format!("{}, period {}", held.user, held.params.period())),
        ("at", payment.at.to_string()),
    ];
    rows.extend(payment.outcome_at.map(|at| ("outcome at", at.to_string())));
    rows.extend(payment.receipt_expires().map(|at| ("receipt until", at.to_string())));
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    print(&rows.map(|(name, value)| format!("{name:<14}{value}\n")).collect::<String>())
}

/// A payment as an event of the history.
pub(super) fn payment_json(state: &WalletState, payment: &PastPayment) -> Value {
    let held = &state.holdings()[payment.holding];
    json!({
        "at": payment.at.to_string(), "event": "payment",
        "reference": payment.reference(),
        "period": held.params.period().as_str(), "user": held.user.as_str(),
        "vendor": payment.vendor.as_str(), "url": payment.url.as_str(),
        "method": payment.method, "description": payment.description,
        "coins": payment.coins, "fresh": payment.fresh,
        "outcome": payment.outcome.word(),
        "reason": payment.outcome.reason().unwrap_or_default(),
        "outcome-at": payment.outcome_at.map(|at| at.to_string()),
        "receipt-until": payment.receipt_expires().map(|at| at.to_string()),
    })
}
