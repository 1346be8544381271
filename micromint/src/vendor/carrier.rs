//! Where in a request a payment is: in a header of any method (form b of `docs/http.md`), or in the
//! body of a POST (form a, the thesis's way).

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::http::{PAYMENT_HEADER, Request};
use crate::protocol::{MEDIA_TYPE, PAYMENT_SIZE_MAX};

/// The longest value of the payment header, in bytes: the base64url form of the largest Payment.
pub const PAYMENT_HEADER_LEN_MAX: usize = PAYMENT_SIZE_MAX.div_ceil(3) * 4;

/// base64url as headers carry it: printed without padding, read with or without.
pub(super) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Where a request carries its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier<'a> {
    /// Nowhere.
    None,
    /// In a header, still in base64url.
    Header(&'a [u8]),
    /// In the body of a POST.
    Body,
    /// In several places. Schemes beside ours count too once they are known here.
    Several,
}

impl<'a> Carrier<'a> {
    /// Looks for a payment in the head of a request.
    pub(super) fn of(request: &Request<'a>) -> Carrier<'a> {
        let mut values = request.header_values(PAYMENT_HEADER);
        match (values.next(), values.next(), is_payment_post(request)) {
            (None, _, false) => Carrier::None,
            (None, _, true) => Carrier::Body,
            (Some(value), None, false) => Carrier::Header(value),
            _ => Carrier::Several,
        }
    }
}

/// The message in a header's value, or `None` if it is too long or no base64url.
pub(super) fn from_header(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    if value.len() > PAYMENT_HEADER_LEN_MAX { None } else { BASE64URL.decode(value).ok() }
}

fn is_payment_post(request: &Request<'_>) -> bool {
    let is_message = |value: &[u8]| {
        let media = value.split(|byte| *byte == b';').next().unwrap_or_default();
        media.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
    };
    request.method == b"POST" && request.header_values("content-type").any(is_message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_found_in_one_place_only() {
        let payment: (&[u8], &[u8]) = (b"micromint-PAYMENT", b"abc");
        let message: (&[u8], &[u8]) = (b"content-type", b"Application/X-MicroMint ; charset=us-ascii");
        let form: (&[u8], &[u8]) = (b"content-type", b"application/x-www-form-urlencoded");
        let carrier =
            |method: &'static [u8], headers: &[(&'static [u8], &'static [u8])]| match Carrier::of(&Request {
                method,
                headers,
                ..Request::default()
            }) {
                Carrier::Header(value) => String::from_utf8_lossy(value).into_owned(),
                other => format!("{other:?}"),
            };
        assert_eq!(carrier(b"GET", &[]), "None");
        assert_eq!(carrier(b"GET", &[payment]), "abc");
        assert_eq!(carrier(b"POST", &[payment, form]), "abc");
        assert_eq!(carrier(b"POST", &[message]), "Body");
        assert_eq!(carrier(b"POST", &[form]), "None");
        assert_eq!(carrier(b"PUT", &[message]), "None");
        assert_eq!(carrier(b"post", &[message]), "None");
        assert_eq!(carrier(b"GET", &[payment, payment]), "Several");
        assert_eq!(carrier(b"POST", &[payment, message]), "Several");
    }

    #[test]
    fn headers_are_base64url_with_or_without_padding() {
        for (value, bytes) in [
            ("", Some(vec![])),
            ("_-8", Some(vec![0xff, 0xef])),
            (" _-8= ", Some(vec![0xff, 0xef])),
            ("/+8", None),
            ("_-9", None),
            ("_", None),
            ("_-8==", None),
            ("_-8, _-8", None),
        ] {
            assert_eq!(from_header(value.as_bytes()), bytes, "{value:?}");
        }
        assert!(from_header(&[b'A'; PAYMENT_HEADER_LEN_MAX]).is_some());
        assert!(from_header(&[b'A'; PAYMENT_HEADER_LEN_MAX + 4]).is_none());
    }
}
