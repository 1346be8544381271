//! MicroMint as a method of the HTTP authentication scheme "Payment" (IETF draft *The "Payment"
//! HTTP Authentication Scheme*): method `micromint`, intent `charge`.
//!
//! Input: header values. Output: the Request-Payment and Payment messages that they carry, and the
//! reverse. This room knows the wire forms only: the vendor judges payments, the wallet decides.
//! `docs/draft-micromint-charge.md` specifies the forms for other implementations. The invariant:
//! nothing here affects the value of a coin; a challenge's `id` ties a payment to the offer that it
//! answers, and no more.

// In the order in which they are sent.
mod charge_request;

mod challenge;

mod parameters;

mod credential;

mod payment_receipt;

pub use challenge::Challenge;
#[cfg(feature = "vendor")]
pub(crate) use charge_request::is_charge_request_for;
pub use charge_request::{charge_request, read_charge_request};
pub use credential::{CREDENTIAL_LEN_MAX, Credential, token_of};
pub use parameters::challenges_in;
#[cfg(feature = "vendor")]
pub(crate) use parameters::{is_token, split_outside_quotes};
pub(crate) use payment_receipt::REFERENCE_LEN;
pub use payment_receipt::{PaymentReceipt, reference};

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The name of the scheme.
pub const SCHEME: &str = "Payment";
/// The identifier of the method.
pub const METHOD: &str = "micromint";
/// The only intent of the method.
pub const INTENT: &str = "charge";
/// The currency: an amount is a number of coins of the listed periods.
pub(crate) const CURRENCY: &str = "coin";
/// The answer header field that carries a challenge.
pub const CHALLENGE_HEADER: &str = "WWW-Authenticate";
/// The request header field for a credential (RFC 9110, 11.6.2).
pub const AUTHORIZATION_HEADER: &str = "Authorization";
/// The request header field for a credential if the site uses Authorization itself.
pub const CREDENTIAL_HEADER: &str = "Payment-Authorization";
/// The answer header field that confirms a payment.
pub const RECEIPT_HEADER: &str = "Payment-Receipt";
/// The common prefix of the URIs of the draft's problem types.
pub(crate) const PROBLEM_TYPES: &str = "https://paymentauth.org/problems/";

/// base64url as in headers: printed without padding, read with or without it.
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A value of the scheme cannot be read. The error never contains any content of a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// The value is longer than allowed.
    #[error("{what}: expected at most {max} bytes, found {found}")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// The largest number of bytes allowed.
        max: usize,
        /// The number of bytes found.
        found: usize,
    },
    /// The value is not base64url.
    #[error("{what}: expected base64url")]
    Base64 {
        /// What was read.
        what: &'static str,
    },
    /// The value is not JSON, or its members are not the expected ones.
    #[error("{what}: expected {expected}, found something else at byte {at} of the JSON")]
    Json {
        /// What was read.
        what: &'static str,
        /// What was expected.
        expected: &'static str,
        /// The offset of the fault in the JSON, counted from 1; 0 if the JSON ends too early.
        at: usize,
    },
    /// A member or parameter has an invalid value.
    #[error("{what}: {why}")]
    Member {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// Reads base64url of JSON, at most `max` bytes of it.
fn from_base64_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    expected: &'static str,
    text: &[u8],
    max: usize,
) -> Result<T, SchemeError> {
    if text.len() > max {
        return Err(SchemeError::TooLong { what, max, found: text.len() });
    }
    let json = BASE64URL.decode(text).map_err(|_| SchemeError::Base64 { what })?;
    serde_json::from_slice(&json).map_err(|error| SchemeError::Json {
        what,
        expected,
        at: error.column(),
    })
}

/// Prints JSON without spaces, in base64url. Members are in the order of their names and numbers
/// are small integers only, so this is also the canonical form (RFC 8785).
fn to_base64_json(value: &impl serde::Serialize) -> String {
    // Serialization fails only for maps with keys other than strings, which these structs do not
    // have.
    let json = serde_json::to_vec(value).unwrap_or_default();
    let mut text = String::with_capacity(json.len().div_ceil(3) * 4);
    BASE64URL.encode_string(json, &mut text);
    text
}
