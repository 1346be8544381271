//! Shows one event of the history: a payment, an order, a sale or a return.
//!
//! Input: a payment's reference, the number of an order or sale, or the Request-ID of a return.
//! Output: all that the wallet knows about it, except coins and keys.

use serde_json::{Value, json};

use micromint::money::coins_worth;
use micromint::wallet::{PastPayment, WalletState};
use micromint_console::ToolError;

use super::{Event, print, print_json};
use crate::answer::{consequence, find_payment};

/// Prints what the wallet knows about `reference`.
///
/// # Errors
/// The wallet knows no such reference, or several, or standard output cannot be written.
pub fn details(state: &WalletState, reference: &str, json: bool) -> Result<(), ToolError> {
    let named: Vec<(String, Value)> = super::events(state)
        .into_iter()
        .filter(|event| {
            event.value["transaction"] == reference || event.value["request"] == reference
        })
        .map(|event| (format!("{}\n", event.line()), event.value))
        .collect();
    if !named.is_empty() {
        let (lines, values): (Vec<String>, Vec<Value>) = named.into_iter().unzip();
        return if json { print_json(&Value::Array(values)) } else { print(&lines.concat()) };
    }
    let payment = &state.payments()[find_payment(state, reference)? as usize];
    if json {
        return print_json(&Value::Array(vec![payment_json(state, payment)]));
    }
    let rows = payment_rows(state, payment);
    print(&rows.iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect::<String>())
}

/// What the wallet knows about an event, as names and values for people.
pub(crate) fn rows_of(state: &WalletState, event: &Event<'_>) -> Vec<(String, String)> {
    if let Some(payment) = event.payment {
        return payment_rows(state, payment);
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), String::from);
    let members = event.value.as_object().into_iter().flatten();
    let members = members.filter(|(_, value)| !value.is_null() && *value != "");
    members.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn payment_rows(state: &WalletState, payment: &PastPayment) -> Vec<(String, String)> {
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
    let purpose = payment.purpose.iter();
    rows.extend(
        purpose.flat_map(|it| [("task", it.task().to_string()), ("asked", it.asked().to_string())]),
    );
    rows.extend(payment.outcome_at.map(|at| ("outcome at", at.to_string())));
    rows.extend(payment.receipt_expires().map(|at| ("receipt until", at.to_string())));
    rows.retain(|(_, value)| !value.is_empty());
    rows.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
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
        "task": payment.purpose.as_ref().map(|it| it.task()),
        "asked": payment.purpose.as_ref().map(|it| it.asked()),
        "receipt-until": payment.receipt_expires().map(|at| at.to_string()),
    })
}
