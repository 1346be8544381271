//! A complaint to the broker about a vendor, with a payment as evidence (thesis 4.1.1).
//!
//! Input: a payment of the wallet, and its owner's words. Output: what the broker's service takes
//! at `v1/complaints` (`docs/reference/broker-service.md`), the same bytes each time for the same
//! words. The invariant: nothing changes in the wallet. A complaint moves no coin.

use micromint::wallet::WalletState;
use serde_json::{Value, json};

/// The longest words, in bytes: what the broker accepts.
pub const WORDS_LEN_MAX: usize = 4096;
/// The largest complaint, in bytes: what the broker accepts.
pub const COMPLAINT_SIZE_MAX: usize = 128 * 1024;

/// The complaint, as JSON in bytes; beside it who takes it and what it is about.
///
/// # Errors
/// There is no such payment, or the words are missing or too long.
pub fn complaint(
    state: &WalletState,
    payment: u32,
    words: &str,
) -> Result<(Value, Vec<u8>), String> {
    let Some(paid) = state.payments().get(payment as usize) else {
        return Err(format!("expected a payment of this wallet, found {payment}"));
    };
    let words = words.trim();
    if words.is_empty() || words.len() > WORDS_LEN_MAX {
        let found = words.len();
        return Err(format!("expected 1 to {WORDS_LEN_MAX} bytes of text, found {found}"));
    }
    let body = json!({
        "id": paid.reference(),
        "text": words,
        "payment": String::from_utf8_lossy(paid.message()),
    });
    let body = body.to_string().into_bytes();
    if body.len() > COMPLAINT_SIZE_MAX {
        let found = body.len();
        return Err(format!("expected at most {COMPLAINT_SIZE_MAX} bytes, found {found}"));
    }
    let held = &state.holdings()[paid.holding];
    let facts = json!({
        "broker": held.params.raw().broker,
        "user": held.user.to_string(),
        "vendor": paid.vendor.to_string(),
        "reference": paid.reference(),
    });
    Ok((facts, body))
}
