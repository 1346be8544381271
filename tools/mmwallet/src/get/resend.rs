//! Sending a payment again while the vendor does not know its coins yet.
//!
//! Input: a payment's first answer, and those that follow. Output: the answer that counts. The
//! invariant: nothing is recorded meanwhile, so after a crash or Ctrl-C the outcome is unknown, and
//! the same command sends the same payment.

use micromint::time::UnixTime;
use micromint::wallet::{PaymentOutcome, resend_after};

/// The answer to a payment that was sent once.
pub(super) struct Attempt<T> {
    pub(super) answer: T,
    /// What the answer means.
    pub(super) outcome: PaymentOutcome,
    /// The vendor's explanation; may be empty.
    pub(super) words: String,
    /// The header Retry-After.
    pub(super) retry_after: Option<String>,
}

/// Sends a payment until the vendor knows its coins, or two minutes have passed. `wait` waits for
/// that many seconds.
///
/// # Errors
/// An error of `send`.
pub(super) fn until_known<T, E>(
    mut send: impl FnMut() -> Result<Attempt<T>, E>,
    mut wait: impl FnMut(u32),
    now: impl Fn() -> UnixTime,
) -> Result<Attempt<T>, E> {
    let first_sent = now();
    loop {
        let attempt = send()?;
        let retry_after = attempt.retry_after.as_deref();
        match resend_after(&attempt.outcome, retry_after, first_sent, now()) {
            Some(seconds) => wait(seconds),
            None => return Ok(attempt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// The answer that counts, and the waits before it, if the vendor knows the coins from this
    /// time on and each request takes a second.
    fn sent(known_from: i64, retry_after: &str) -> (PaymentOutcome, Vec<u32>) {
        let clock = Cell::new(0);
        let waits = RefCell::new(Vec::new());
        let send = || {
            clock.set(clock.get() + 1);
            let outcome = match clock.get() >= known_from {
                true => PaymentOutcome::Paid,
                false => PaymentOutcome::Refused("not-yet-known".into()),
            };
            let retry_after = Some(retry_after.to_string());
            Ok::<_, ()>(Attempt { answer: (), outcome, words: String::new(), retry_after })
        };
        let wait = |seconds: u32| {
            waits.borrow_mut().push(seconds);
            clock.set(clock.get() + i64::from(seconds));
        };
        let attempt = until_known(send, wait, || UnixTime(clock.get())).unwrap();
        (attempt.outcome, waits.take())
    }

    #[test]
    fn a_payment_is_sent_until_the_vendor_knows_it_or_two_minutes_have_passed() {
        let refused = PaymentOutcome::Refused("not-yet-known".into());
        assert_eq!(sent(0, "5"), (PaymentOutcome::Paid, vec![]));
        assert_eq!(sent(13, "5"), (PaymentOutcome::Paid, vec![5, 5]));
        // A sending and a wait take six seconds: the last of 21 is sent after exactly two minutes.
        assert_eq!(sent(i64::MAX, "5"), (refused.clone(), vec![5; 20]));
        assert_eq!(sent(i64::MAX, "3600"), (refused, vec![30; 3]));
    }

    #[test]
    fn an_error_ends_it() {
        let result = until_known(|| Err::<Attempt<()>, _>("lost"), |_| (), || UnixTime(0));
        assert_eq!(result.err(), Some("lost"));
    }
}
