//! MicroMint as a method of the HTTP authentication scheme "Payment" (IETF draft *The "Payment"
//! HTTP Authentication Scheme*): method `micromint`, intent `charge`.
//!
//! In go header values as they travel, out come the Request-Payment and Payment messages that they
//! carry. Only the wire forms are here; the vendor judges and the wallet decides.
//! `docs/draft-micromint-charge.md` specifies them for others. The invariant: nothing here says
//! what a coin is worth; a challenge and its `id` bind a question to its answer and no more.

// In the order in which they travel.
mod charge_request;

mod challenge;

mod parameters;

mod credential;

mod payment_receipt;

pub use challenge::{Challenge, ID_LEN};
pub use charge_request::{charge_request, read_charge_request};
pub use credential::{CREDENTIAL_LEN_MAX, Credential, token_of};
pub use parameters::{FIELD_LEN_MAX, challenges_in};
pub use payment_receipt::{PaymentReceipt, reference};

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The scheme's name.
pub const SCHEME: &str = "Payment";
/// The method's identifier.
pub const METHOD: &str = "micromint";
/// The one intent of the method.
pub const INTENT: &str = "charge";
/// The currency: amounts are numbers of coins of the periods named.
pub const CURRENCY: &str = "coin";
/// The answer header that carries a challenge.
pub const CHALLENGE_HEADER: &str = "WWW-Authenticate";
/// The request header for a credential (RFC 9110, 11.6.2).
pub const AUTHORIZATION_HEADER: &str = "Authorization";
/// The request header for a credential where the site uses Authorization itself.
pub const CREDENTIAL_HEADER: &str = "Payment-Authorization";
/// The answer header that says that a payment was taken.
pub const RECEIPT_HEADER: &str = "Payment-Receipt";
/// The beginning of the URI of every problem type of the draft.
pub const PROBLEM_TYPES: &str = "https://paymentauth.org/problems/";

/// base64url as headers carry it: printed without padding, read with or without.
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A value of the scheme that cannot be read. It never shows what stands in a credential.
#[derive(Debug, thiserror::Error)]
pub enum SchemeError {
    /// Longer than allowed.
    #[error("{what}: expected at most {max} bytes, found {found}")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// The most bytes allowed.
        max: usize,
        /// The bytes found.
        found: usize,
    },
    /// No base64url.
    #[error("{what}: expected base64url")]
    Base64 {
        /// What was read.
        what: &'static str,
    },
    /// No JSON, or not the members expected.
    #[error("{what}: expected {expected}, found something else at byte {at} of the JSON")]
    Json {
        /// What was read.
        what: &'static str,
        /// What was expected.
        expected: &'static str,
        /// Where the JSON is wrong, counted from 1; 0 if it ends too early to say.
        at: usize,
    },
    /// A member or parameter that holds what it cannot.
    #[error("{what}: {why}")]
    Member {
        /// What was read.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// Reads base64url of JSON.
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

/// Prints JSON without spaces, in base64url. Members stand in the order of their names, so that
/// this is also the canonical form (RFC 8785): no number in it is anything but a small integer.
fn to_base64_json(value: &impl serde::Serialize) -> String {
    // Structs of strings have no map with keys that are no strings, which is all that could fail.
    BASE64URL.encode(serde_json::to_vec(value).unwrap_or_default())
}
