//! Finds the payment that a reader asks about.
//!
//! Input: the reference of the payment, which the reader's wallet computed or read in
//! `Payment-Receipt`, or its first digits. Output: what the till knows about the payment. The
//! invariant: nothing found contains a ball, a token or an Authenticator.

use std::str::FromStr;

use super::redemption::{RedemptionError, recorded_payment};
use super::till_view::TillView;
use crate::error::clip;
use crate::identity::UserId;
use crate::period::Period;
use crate::scheme::{REFERENCE_LEN, reference};
use crate::till::{Batch, Position, Till, TillRecord};
use crate::time::UnixTime;

/// The fewest digits of a reference that are looked for.
const REFERENCE_DIGITS_MIN: usize = 8;

/// The first digits of a reference, or all of them, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceDigits(String);

/// The text is not the beginning of a reference.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a payment reference: {REFERENCE_LEN} hexadecimal digits, or the first \
     {REFERENCE_DIGITS_MIN} or more of them, found {0:?}"
)]
pub struct ReferenceError(String);

impl FromStr for ReferenceDigits {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<ReferenceDigits, ReferenceError> {
        let is_length = (REFERENCE_DIGITS_MIN..=REFERENCE_LEN).contains(&text.len());
        if is_length && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(ReferenceDigits(text.to_ascii_lowercase()));
        }
        Err(ReferenceError(clip(text)))
    }
}

/// A payment that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPayment {
    /// Its reference.
    pub reference: String,
    /// The URL that was paid.
    pub page: String,
    /// The user who paid.
    pub user: UserId,
    /// The period of the coins.
    pub period: Period,
    /// The number of coins.
    pub coins: u64,
    /// When it was recorded.
    pub recorded_at: UnixTime,
    /// When it was first sent again and served without a charge.
    pub retried_at: Option<UnixTime>,
    /// When it was reversed, so that the coins were unspent again.
    pub reversed_at: Option<UnixTime>,
    /// The batch that redeems it.
    pub batch: Option<Batch>,
}

/// The payments whose reference begins with `digits`, in the order in which they were recorded, and
/// the first day whose payments the till still has, `YYYY-MM-DD`.
///
/// # Errors
/// The till failed, or a payment in it cannot be read.
pub fn find(
    till: &Till,
    digits: &ReferenceDigits,
) -> Result<(Vec<FoundPayment>, Option<String>), RedemptionError> {
    let view = TillView::of(till)?;
    let mut found: Vec<(Position, FoundPayment)> = Vec::new();
    let mut unreadable = None;
    view.scan(till.directory(), Position::default(), |at, record| match record {
        TillRecord::Payment(payment) => {
            match recorded_payment(till.directory(), at, &payment.message) {
                Ok(message) => {
                    let reference = reference(&message);
                    if reference.starts_with(&digits.0) {
                        let batch = view.batches.covering(&payment.period, at).cloned();
                        let payment = FoundPayment {
                            reference,
                            page: message.url.into_string(),
                            user: payment.user,
                            period: payment.period,
                            coins: payment.first_bins.len() as u64,
                            recorded_at: payment.recorded_at,
                            retried_at: None,
                            reversed_at: None,
                            batch,
                        };
                        found.push((at, payment));
                    }
                }
                Err(error) => unreadable = Some(error),
            }
        }
        TillRecord::Retry(note) => {
            if let Some(payment) = of(&mut found, note.payment) {
                payment.retried_at.get_or_insert(note.at);
            }
        }
        TillRecord::Reversal(note) => {
            if let Some(payment) = of(&mut found, note.payment) {
                payment.reversed_at = Some(note.at);
                // A batch leaves out the payments that were reversed before it was made.
                payment.batch = None;
            }
        }
    })?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    Ok((found.into_iter().map(|(_, payment)| payment).collect(), view.first_day()))
}

fn of(found: &mut [(Position, FoundPayment)], at: Position) -> Option<&mut FoundPayment> {
    found.iter_mut().find(|(position, _)| *position == at).map(|(_, payment)| payment)
}
