//! Where a request carries its payment: in a header, with any method (form b of
//! `docs/reference/http.md`), or in the body of a POST (form a, as in the thesis).

use base64::Engine;

use super::request::Request;
use crate::protocol::{MEDIA_TYPE, PAYMENT_HEADER, PAYMENT_SIZE_MAX, RECEIPT_COOKIE_PREFIX};
use crate::scheme::{AUTHORIZATION_HEADER, BASE64URL, CREDENTIAL_HEADER, token_of};

/// The longest value of the payment header, in bytes: the base64url form of the largest Payment.
const PAYMENT_HEADER_LEN_MAX: usize = PAYMENT_SIZE_MAX.div_ceil(3) * 4;

/// Where a request carries its payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier<'a> {
    /// The request carries no payment.
    None,
    /// In a header.
    Header(InHeader<'a>),
    /// In the body of a POST.
    Body,
    /// In several places, or in one of two Authorization fields.
    Several,
}

/// A payment in a header, not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InHeader<'a> {
    /// MicroMint-Payment: the message.
    Message(&'a [u8]),
    /// Authorization or Payment-Authorization: a credential of the scheme "Payment".
    Credential(&'a [u8], CredentialField),
}

/// The field of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialField {
    /// Authorization.
    Authorization,
    /// Payment-Authorization.
    PaymentAuthorization,
}

impl CredentialField {
    /// The parameter `header` of a challenge that selects this field.
    pub(super) fn selected_by(self) -> Option<&'static str> {
        match self {
            CredentialField::Authorization => None,
            CredentialField::PaymentAuthorization => Some(CREDENTIAL_HEADER),
        }
    }
}

impl<'a> Carrier<'a> {
    /// Looks for a payment in the head of a request.
    pub(super) fn of(request: &Request<'a>) -> Carrier<'a> {
        const CONTENT_TYPE: &str = "Content-Type";
        const CONTENT_TYPE_LEN: usize = CONTENT_TYPE.len();
        const AUTHORIZATION_LEN: usize = AUTHORIZATION_HEADER.len();
        const PAYMENT_LEN: usize = PAYMENT_HEADER.len();
        const CREDENTIAL_LEN: usize = CREDENTIAL_HEADER.len();
        let is = |name: &[u8], known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let (mut found, mut count) = (Carrier::None, 0);
        let (mut authorizations, mut in_authorization) = (0, false);
        let (mut types, mut is_message) = (0, false);
        for (name, value) in request.headers {
            // Lengths first: they rule out most fields.
            let payment = match name.len() {
                CONTENT_TYPE_LEN if is(name, CONTENT_TYPE) => {
                    types += 1;
                    is_message |= is_payment_type(value);
                    None
                }
                AUTHORIZATION_LEN if is(name, AUTHORIZATION_HEADER) => {
                    let is_joined = holds_another_payment(value);
                    authorizations += if is_joined { 2 } else { 1 };
                    in_authorization |= is_joined || token_of(value).is_some();
                    let field = CredentialField::Authorization;
                    token_of(value).map(|token| InHeader::Credential(token, field))
                }
                PAYMENT_LEN if is(name, PAYMENT_HEADER) => Some(InHeader::Message(value)),
                CREDENTIAL_LEN if is(name, CREDENTIAL_HEADER) => {
                    let field = CredentialField::PaymentAuthorization;
                    token_of(value).map(|token| InHeader::Credential(token, field))
                }
                _ => None,
            };
            if let Some(payment) = payment {
                // A payment contains no comma: a proxy joined two fields (RFC 9110, 5.3).
                count += if memchr::memchr(b',', value).is_some() { 2 } else { 1 };
                found = Carrier::Header(payment);
            }
        }
        // Of several types nobody knows which one holds: some servers join them, others do not.
        if is_message && types == 1 && request.method == b"POST" {
            (found, count) = (Carrier::Body, count + 1);
        }
        if count > 1 || (in_authorization && authorizations > 1) { Carrier::Several } else { found }
    }
}

/// Whether the head of a request carries a payment in any form, or a receipt. Checks neither: a
/// server uses it to decide whether to ask for a password.
pub fn has_payment_or_receipt(request: &Request<'_>) -> bool {
    Carrier::of(request) != Carrier::None || brings_receipt(request)
}

/// Whether the head of a request carries credentials that are for the site itself, such as a
/// password: an Authorization field of another scheme than "Payment".
pub fn has_login(request: &Request<'_>) -> bool {
    request.header_values(AUTHORIZATION_HEADER).any(|value| token_of(value).is_none())
}

/// Whether a request has a cookie with the name of a receipt.
pub(super) fn brings_receipt(request: &Request<'_>) -> bool {
    let is_receipt = |cookies: &[u8]| {
        let names = cookies.split(|byte| *byte == b';').map(<[u8]>::trim_ascii_start);
        names.into_iter().any(|name| name.starts_with(RECEIPT_COOKIE_PREFIX.as_bytes()))
    };
    request.header_values("cookie").any(is_receipt)
}

/// Whether an Authorization field has a payment after other credentials: a proxy joined two fields.
fn holds_another_payment(value: &[u8]) -> bool {
    // A credential alone is long and has no comma.
    value.contains(&b',') && value.windows(10).any(|part| part.eq_ignore_ascii_case(b", payment "))
}

/// The message in a header value; `None` if the value is too long or not base64url.
pub(super) fn from_header(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii();
    if value.len() > PAYMENT_HEADER_LEN_MAX {
        return None;
    }
    let mut message = Vec::with_capacity(value.len());
    BASE64URL.decode_vec(value, &mut message).ok()?;
    Some(message)
}

fn is_payment_type(value: &[u8]) -> bool {
    let media = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_found_in_one_place_only() {
        let payment: (&[u8], &[u8]) = (b"micromint-PAYMENT", b"abc");
        let message: (&[u8], &[u8]) =
            (b"content-type", b"Application/X-MicroMint ; charset=us-ascii");
        let form: (&[u8], &[u8]) = (b"content-type", b"application/x-www-form-urlencoded");
        let carrier =
            |method: &'static [u8], headers: &[(&'static [u8], &'static [u8])]| match Carrier::of(
                &Request { method, headers, ..Request::default() },
            ) {
                Carrier::Header(InHeader::Message(value)) => {
                    String::from_utf8_lossy(value).into_owned()
                }
                Carrier::Header(InHeader::Credential(token, field)) => {
                    let beside = field.selected_by().map_or("", |_| " beside");
                    format!("credential {}{beside}", String::from_utf8_lossy(token))
                }
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
        let basic: (&[u8], &[u8]) = (b"Authorization", b"Basic YTpi");
        let scheme: (&[u8], &[u8]) = (b"authorization", b"Payment abc");
        let beside: (&[u8], &[u8]) = (b"payment-authorization", b"payment def");
        assert_eq!(carrier(b"GET", &[basic]), "None");
        assert_eq!(carrier(b"GET", &[scheme]), "credential abc");
        assert_eq!(carrier(b"GET", &[basic, beside]), "credential def beside");
        assert_eq!(carrier(b"GET", &[beside, basic]), "credential def beside");
        assert_eq!(carrier(b"GET", &[basic, payment]), "abc");
        assert_eq!(carrier(b"GET", &[(b"payment-authorization", b"Basic YTpi")]), "None");
        for several in [
            [scheme, beside],
            [scheme, payment],
            [beside, payment],
            [scheme, scheme],
            [basic, scheme],
        ] {
            assert_eq!(carrier(b"GET", &several), "Several");
        }
        assert_eq!(carrier(b"POST", &[scheme, message]), "Several");
    }

    #[test]
    fn who_comes_to_pay_is_told_from_who_does_not() {
        for (method, name, value, expected) in [
            ("GET", "Cookie", "a=b; micromint-0123456789abcdef=x", true),
            ("GET", "cookie", "micromint-0123456789abcdef=x", true),
            ("GET", "Cookie", "a=micromint-0123456789abcdef", false),
            ("GET", "Cookie", "xmicromint-0=1", false),
            ("GET", "MicroMint-Payment", "abc", true),
            ("GET", "Authorization", "Payment abc", true),
            ("GET", "Authorization", "Basic YTpi", false),
            ("GET", "Payment-Authorization", "Payment abc", true),
            ("POST", "Content-Type", "application/x-micromint", true),
            ("POST", "Content-Type", "application/x-micromint-other", false),
        ] {
            let headers: &[(&[u8], &[u8])] = &[(name.as_bytes(), value.as_bytes())];
            let request = Request { method: method.as_bytes(), headers, ..Request::default() };
            assert_eq!(has_payment_or_receipt(&request), expected, "{method} {name}: {value}");
        }
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
