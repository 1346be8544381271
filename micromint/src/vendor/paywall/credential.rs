//! Payments in credentials of the scheme "Payment".
//!
//! Input: a credential. Output: the decision about its message, which is judged like any other. The
//! invariant: a challenge never makes a payment valid that would be refused without it.

use super::Paywall;
use super::ask::Ask;
use super::judge::Checked;
use crate::coin::Bins;
use crate::protocol::Refusal;
use crate::scheme::{Credential, INTENT, METHOD};
use crate::vendor::answer;
use crate::vendor::carrier::CredentialField;
use crate::vendor::check::Refused;
use crate::vendor::decision::Decision;

impl Paywall {
    /// Checks the payment in a credential.
    #[allow(clippy::result_large_err, reason = "the error is the answer, and is not passed on")]
    pub(super) fn check_credential(
        &self,
        ask: &Ask<'_>,
        token: &[u8],
        field: CredentialField,
    ) -> Result<Checked, Decision> {
        let credential = match Credential::parse(token) {
            Ok(credential) => credential,
            Err(error) => return Err(self.malformed(ask, error.to_string())),
        };
        if !is_our_method(&credential) {
            return Err(answer::method_unsupported().into());
        }
        match credential.message() {
            Ok(message) => self.check(ask, message, Some((&credential.challenge, field))),
            Err(error) => Err(self.malformed(ask, error.to_string())),
        }
    }
}

/// Whether a credential is meant for the content: it can be parsed and is for another method.
pub(super) fn is_of_others(token: &[u8]) -> bool {
    Credential::parse(token).is_ok_and(|credential| !is_our_method(&credential))
}

fn is_our_method(credential: &Credential) -> bool {
    credential.challenge.method == METHOD && credential.challenge.intent == INTENT
}

/// The judgement of a payment whose challenge has expired: this refusal replaces refusals of lower
/// precedence, and a retry remains a retry.
pub(super) fn too_late(checked: Result<Bins, Refused>) -> Refused {
    let may_be_recorded = match checked {
        Err(refused) if refused.refusal < Refusal::ChallengeExpired => return refused,
        Err(refused) => refused.may_be_recorded,
        Ok(first_bins) => first_bins.first().copied(),
    };
    Refused { refusal: Refusal::ChallengeExpired, may_be_recorded }
}
