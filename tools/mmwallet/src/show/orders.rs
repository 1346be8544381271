//! Shows orders: what was asked of brokers, and what came of it.

use serde_json::{Value, json};

use micromint::wallet::{Order, WalletState};

use super::Event;
use crate::buy::counted_sets;

/// The open orders, a line each.
pub(super) fn open(state: &WalletState) -> String {
    let line = |order: &Order| {
        format!(
            "order {} of {} from {}, made at {}: no answer came; `mmwallet receive --from {}` goes \
            on with it and buys nothing twice, and `mmwallet receive --give-up {}` gives it up\n",
            order.transaction,
            counted_sets(order.sets),
            order.page,
            order.at,
            order.page,
            order.transaction
        )
    };
    state.open_orders().map(line).collect()
}

/// The open orders as JSON.
pub(super) fn open_json(state: &WalletState) -> Value {
    state.open_orders().map(json_of).collect()
}

/// All orders, as events of the history.
pub(super) fn events<'a>(state: &WalletState) -> impl Iterator<Item = Event<'a>> {
    state.orders().iter().map(|order| {
        let text = format!(
            "ordered {} from {} (order {}): {}",
            counted_sets(order.sets),
            order.page,
            order.transaction,
            outcome(order)
        );
        Event { at: order.at, text, value: json_of(order), payment: None }
    })
}

fn outcome(order: &Order) -> String {
    match &order.closed {
        None if order.is_received => "received".to_string(),
        None => "no answer came".to_string(),
        Some(closed) if !closed.is_refused => "given up".to_string(),
        Some(closed) if closed.reason.is_empty() => "the broker sold nothing".to_string(),
        Some(closed) => format!("the broker sold nothing: {}", closed.reason),
    }
}

fn json_of(order: &Order) -> Value {
    let closed = order.closed.as_ref();
    let outcome = match closed {
        None if order.is_received => "received",
        None => "open",
        Some(closed) if closed.is_refused => "refused",
        Some(_) => "given-up",
    };
    json!({
        "at": order.at.to_string(), "event": "order", "outcome": outcome,
        "transaction": order.transaction.to_string(), "sets": order.sets,
        "period": order.period.as_ref().map(|period| period.as_str()),
        "page": order.page.as_str(), "user": order.login,
        "reason": closed.map_or("", |closed| closed.reason.as_str()),
        "outcome-at": closed.map(|closed| closed.at.to_string()),
    })
}
