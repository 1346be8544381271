//! The two forms in which a payment travels, and when the other one is worth a try.
//!
//! Input: the answer to a payment that the paywall did not see. Output: the form to send the same
//! message in. The invariant: only the form changes, never the message, for which a vendor charges
//! at most once; so a wrong guess costs a request and no coin.

use super::outcome::PaymentOutcome;
use crate::protocol::RequestOutcome;

/// How a payment travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentForm {
    /// A POST of the message to the URL of the page. It can only replace a plain GET.
    Body,
    /// The request itself, with the message in a header.
    Header,
}

impl PaymentForm {
    /// The form in which to send the same message now, after this form brought an answer with
    /// `status` and `outcome`. `None` if the other form would get the same answer.
    ///
    /// ```
    /// use micromint::wallet::{PaymentForm, outcome_of};
    ///
    /// let post = outcome_of(405, None, None);
    /// assert_eq!(PaymentForm::Body.other_after(405, &post), Some(PaymentForm::Header));
    /// assert_eq!(PaymentForm::Header.other_after(405, &post), None);
    /// ```
    pub fn other_after(self, status: u16, outcome: &PaymentOutcome) -> Option<PaymentForm> {
        let PaymentOutcome::NotSeen(reason) = outcome else { return None };
        let is_dropped = *reason == RequestOutcome::Unpaid.word();
        match self {
            // The method, its body, or the type of the body is not allowed here.
            PaymentForm::Body => (is_dropped
                || matches!(status, 403 | 405 | 411 | 413 | 415 | 501))
            .then_some(PaymentForm::Header),
            // The header is too long, for some servers a bad request.
            PaymentForm::Header => {
                (is_dropped || matches!(status, 400 | 414 | 431)).then_some(PaymentForm::Body)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::outcome_of;

    #[test]
    fn the_other_form_is_tried_where_the_server_refuses_the_form() {
        use PaymentForm::{Body, Header};
        let other = |form: PaymentForm, status, word| {
            form.other_after(status, &outcome_of(status, word, None))
        };
        for status in [403, 405, 411, 413, 415, 501] {
            assert_eq!(other(Body, status, None), Some(Header), "{status}");
            assert_eq!(other(Header, status, None), None, "{status}");
        }
        for status in [400, 414, 431] {
            assert_eq!(other(Body, status, None), None, "{status}");
            assert_eq!(other(Header, status, None), Some(Body), "{status}");
        }
        // Neither form changes these.
        for status in [401, 404, 410, 421, 429, 500, 502, 503, 504] {
            assert_eq!((other(Body, status, None), other(Header, status, None)), (None, None));
        }
        // The paywall saw a request without a payment, or decided.
        assert_eq!(other(Body, 402, Some("unpaid")), Some(Header));
        assert_eq!(other(Header, 402, Some("unpaid")), Some(Body));
        for word in ["spent", "reversed", "unavailable"] {
            assert_eq!(other(Body, 405, Some(word)), None, "{word}");
        }
    }
}
