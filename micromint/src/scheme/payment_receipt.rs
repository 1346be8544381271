//! `Payment-Receipt`: confirms a payment, with its time and a reference that identifies it.

use std::borrow::Cow;

use compact_str::{CompactString, ToCompactString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{METHOD, SchemeError, from_base64_json, to_base64_json};
use crate::bytes::u64_be;
use crate::hex::hex;
use crate::protocol::Payment;
use crate::time::UnixTime;

/// The longest receipt that is read, in bytes of base64url.
const RECEIPT_LEN_MAX: usize = 4096;
/// The size of a reference, in bytes.
const REFERENCE_SIZE: usize = 16;
/// The length of a reference, in hexadecimal digits.
pub(crate) const REFERENCE_LEN: usize = 2 * REFERENCE_SIZE;

/// The content of a `Payment-Receipt`. Members are in the order of their names.
///
/// ```
/// use micromint::authenticator::{Key, OwnerToken};
/// use micromint::protocol::{Payment, Unsigned};
/// use micromint::scheme::{PaymentReceipt, reference};
/// use micromint::time::UnixTime;
///
/// let payment = Payment {
///     url: "https://news.example/story".parse()?,
///     user: "alice".parse()?,
///     vendor: "news.example".parse()?,
///     period: "2026-12".parse()?,
///     coins: 1,
///     owner_tokens: vec![OwnerToken::from_bytes([0; 8])],
///     authenticator: Unsigned,
///     x: vec![1, 2, 3, 4],
/// }
/// .authenticated(&Key::from_bytes([7; 32]));
/// let receipt = PaymentReceipt::new(&payment, UnixTime(0), None);
/// assert_eq!(receipt.timestamp(), "1970-01-01T00:00:00Z");
/// assert_eq!(PaymentReceipt::parse(&receipt.to_header())?.reference, reference(&payment));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReceipt {
    /// The `id` of the challenge that the payment answered, if any.
    #[serde(rename = "challengeId", default, skip_serializing_if = "Option::is_none")]
    pub challenge_id: Option<String>,
    /// The method of payment.
    pub method: Cow<'static, str>,
    /// The reference of the payment, see [`reference()`].
    pub reference: String,
    /// Always `success`.
    pub status: Cow<'static, str>,
    /// When the payment was recorded (RFC 3339).
    timestamp: CompactString,
}

impl PaymentReceipt {
    /// The receipt for a payment that was recorded at `recorded_at`.
    pub fn new(
        payment: &Payment,
        recorded_at: UnixTime,
        challenge_id: Option<String>,
    ) -> PaymentReceipt {
        PaymentReceipt {
            challenge_id,
            method: METHOD.into(),
            reference: reference(payment),
            status: "success".into(),
            timestamp: recorded_at.to_compact_string(),
        }
    }

    /// Reads the value of a `Payment-Receipt` field.
    ///
    /// # Errors
    /// It is too long or not base64url of JSON, or a member is missing.
    pub fn parse(value: &str) -> Result<PaymentReceipt, SchemeError> {
        let expected = "an object with method, reference, status and timestamp";
        from_base64_json("Payment-Receipt", expected, value.trim().as_bytes(), RECEIPT_LEN_MAX)
    }

    /// When the payment was recorded (RFC 3339).
    pub fn timestamp(&self) -> &str {
        &self.timestamp
    }

    /// The value of a `Payment-Receipt` field.
    pub fn to_header(&self) -> String {
        to_base64_json(self)
    }
}

/// The reference of a payment, 32 hexadecimal digits. Client, vendor and broker compute the same
/// one, and it reveals nothing about the coins. It is the first 16 bytes of SHA-256 over
/// `micromint reference`, Vendor-ID, URL, Period and User-ID, each followed by a zero byte, then
/// the 16 bytes of the Authenticator and the data.
pub fn reference(payment: &Payment) -> String {
    let mut sha256 = Sha256::new();
    let names: [&str; 5] = [
        "micromint reference",
        payment.vendor.as_str(),
        payment.url.as_str(),
        payment.period.as_str(),
        payment.user.as_str(),
    ];
    for name in names {
        sha256.update(name);
        sha256.update([0]);
    }
    sha256.update(payment.authenticator.as_bytes());
    for x in &payment.x {
        sha256.update(u64_be(*x));
    }
    hex(&sha256.finalize()[..REFERENCE_SIZE])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment() -> Payment {
        Payment {
            url: "https://news.example/story".parse().unwrap(),
            user: "alice".parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            coins: 1,
            owner_tokens: vec!["0011223344556677".parse().unwrap()],
            authenticator: "00112233445566778899aabbccddeeff".parse().unwrap(),
            x: vec![1, 2, 3, 4],
        }
    }

    #[test]
    fn a_receipt_is_read_back_and_names_the_payment() {
        let receipt = PaymentReceipt::new(&payment(), UnixTime(0), Some("i".into()));
        assert_eq!(PaymentReceipt::parse(&receipt.to_header()).unwrap(), receipt);
        assert_eq!(receipt.timestamp, "1970-01-01T00:00:00Z");
        let name = reference(&payment());
        assert_eq!(name.len(), 2 * REFERENCE_SIZE);
        for other in [
            Payment { user: "bob".parse().unwrap(), ..payment() },
            Payment { url: "https://news.example/other".parse().unwrap(), ..payment() },
            Payment { authenticator: "0".repeat(32).parse().unwrap(), ..payment() },
            Payment { x: vec![1, 2, 3, 5], ..payment() },
        ] {
            assert_ne!(reference(&other), name);
        }
        assert!(PaymentReceipt::parse("").is_err());
        assert!(PaymentReceipt::parse(&"A".repeat(RECEIPT_LEN_MAX + 1)).is_err());
    }
}
