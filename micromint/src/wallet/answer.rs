//! What a vendor's HTTP answer means to the wallet.
//!
//! Input: a status and a few header fields. Output: a Request-Payment, or the [`PaymentOutcome`] of
//! a payment. The invariant: if an answer leaves open whether the vendor recorded the payment, the
//! outcome is unknown.

use base64::Engine;

use crate::protocol::{
    RECEIPT_COOKIE_PREFIX, REQUEST_HEADER, Refusal, RequestOutcome, RequestPayment, parse_decimal,
};
use crate::scheme::{
    BASE64URL, CREDENTIAL_HEADER, Challenge, INTENT, METHOD, challenges_in, read_charge_request,
};
use crate::time::UnixTime;

use super::outcome::PaymentOutcome;

/// The longest `name=value` of a receipt, in bytes.
const RECEIPT_LEN_MAX: usize = 1024;
/// The longest Path of a receipt that is kept, in bytes. Browsers ignore a longer one.
const RECEIPT_PATH_LEN_MAX: usize = 1024;
/// The longest lifetime that a receipt can have, in seconds: 400 days, the limit that browsers set
/// for cookies.
const RECEIPT_SECONDS_MAX: u64 = 400 * 86_400;
/// How long a payment that the vendor does not know yet is sent again, in seconds.
const RESEND_SECONDS_MAX: i64 = 120;
/// The longest wait before a payment is sent again, in seconds.
const RESEND_WAIT_MAX: u64 = 30;
/// The longest reason of a vendor that is stored, in bytes.
const REASON_LEN_MAX: usize = 64;

/// The value of a [`REQUEST_HEADER`] is not a request for payment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequestHeader {
    /// It is not base64url, with or without padding.
    #[error("{REQUEST_HEADER}: {0}")]
    Encoding(#[from] base64::DecodeError),
    /// It encodes something else than a Request-Payment.
    #[error("{REQUEST_HEADER}: {0}")]
    Message(#[from] crate::protocol::MessageError),
}

/// Reads the value of a [`REQUEST_HEADER`].
///
/// # Errors
/// The value is not base64url or not a Request-Payment.
pub fn request_in_header(value: &[u8]) -> Result<RequestPayment, InvalidRequestHeader> {
    Ok(RequestPayment::parse(&BASE64URL.decode(value)?)?)
}

/// The first challenge of the scheme "Payment" for the method `micromint` among the values of
/// `WWW-Authenticate`, and what it asks for. `None` if none can be paid. A challenge cannot be paid
/// if it wants its credential in an unknown header, or if its `request` is malformed.
pub fn request_in_challenge<'a>(
    values: impl Iterator<Item = &'a str>,
) -> Option<(Challenge, RequestPayment)> {
    let is_ours = |challenge: &Challenge| {
        let header = challenge.header.as_deref().unwrap_or(CREDENTIAL_HEADER);
        (challenge.method.as_str(), challenge.intent.as_str(), header)
            == (METHOD, INTENT, CREDENTIAL_HEADER)
    };
    values.flat_map(challenges_in).filter(is_ours).find_map(|challenge| {
        let request = read_charge_request(&challenge.request).ok()?;
        Some((challenge, request))
    })
}

/// Whether a challenge has expired at `now`. A challenge without a valid `expires` never does.
pub fn has_ended(challenge: &Challenge, now: UnixTime) -> bool {
    let expires = challenge.expires.as_deref().map(str::parse::<UnixTime>);
    expires.is_some_and(|expires| expires.is_ok_and(|expires| expires <= now))
}

/// The value of a [`PAYMENT_HEADER`](crate::protocol::PAYMENT_HEADER) for a Payment message.
pub fn payment_for_header(message: &[u8]) -> String {
    BASE64URL.encode(message)
}

/// The outcome of a payment whose answer had this HTTP `status`, this `word` in its
/// [`STATUS_HEADER`](crate::protocol::STATUS_HEADER), and this `reason` in its Invalid-Payment
/// message or [`Problem`](super::Problem).
///
/// ```
/// use micromint::wallet::{PaymentOutcome, outcome_of};
///
/// assert_eq!(outcome_of(200, Some("paid"), None), PaymentOutcome::Paid);
/// assert_eq!(outcome_of(402, None, Some("spent")), PaymentOutcome::Refused("spent".into()));
/// assert_eq!(outcome_of(405, None, None), PaymentOutcome::NotSeen("405".into()));
/// assert_eq!(outcome_of(502, None, None), PaymentOutcome::Unknown);
/// ```
pub fn outcome_of(status: u16, word: Option<&str>, reason: Option<&str>) -> PaymentOutcome {
    match (status, word) {
        (_, Some(word)) if says_not_kept(word) => PaymentOutcome::NotKept(word.to_string()),
        (200..=299, _) => PaymentOutcome::Paid,
        // What the vendor sells may be a redirect, to a page made for this buyer for example.
        (300..=399, Some(word)) if says_paid(word) => PaymentOutcome::Paid,
        // The paywall answers as to a request without a payment: something on the way dropped it.
        (402, Some(word)) if reason.is_none() && word == RequestOutcome::Unpaid.word() => {
            PaymentOutcome::NotSeen(word.to_string())
        }
        (402, word) => {
            let reason = reason.or(word).map(plain).filter(|reason| !reason.is_empty());
            PaymentOutcome::Refused(reason.unwrap_or_else(|| "no reason given".to_string()))
        }
        (status, None) if is_of_server_itself(status) => {
            PaymentOutcome::NotSeen(status.to_string())
        }
        // A gateway, a failing server, a limit, or a redirect: the vendor behind it may have
        // recorded the payment.
        _ => PaymentOutcome::Unknown,
    }
}

/// Whether an answer with this status, in which nothing is from the paywall, means that the server
/// refused the request before the paywall saw it. The paywall marks every answer to a payment with
/// its word, so also the one of content that refuses (which is not charged). A timeout, a limit or
/// the error of a gateway says nothing: the request may have arrived.
fn is_of_server_itself(status: u16) -> bool {
    match status {
        408 | 425 | 429 | 499 => false,
        400..=499 | 501 | 505 => true,
        _ => false,
    }
}

/// Whether this word means that the vendor recorded the payment, now or before.
fn says_paid(word: &str) -> bool {
    let outcome = word.parse();
    outcome.is_ok_and(|outcome| matches!(outcome, RequestOutcome::Paid | RequestOutcome::Retry))
}

/// In how many seconds to send the same payment again, if its `outcome` is that the vendor does not
/// know its coins yet: it was sold a moment ago, and the vendor is asking the broker. `retry_after`
/// is the answer's header Retry-After, `first_sent` when the payment was sent first. `None` if the
/// outcome is final: report it to [`Wallet::record_outcome`](super::Wallet::record_outcome). Until
/// then the payment stays open, so that after a crash the same message is sent again.
///
/// ```
/// use micromint::time::UnixTime;
/// use micromint::wallet::{outcome_of, resend_after};
///
/// let outcome = outcome_of(402, Some("not-yet-known"), None);
/// let sent = UnixTime(1_796_083_200);
/// assert_eq!(resend_after(&outcome, Some("5"), sent, sent), Some(5));
/// assert_eq!(resend_after(&outcome, Some("5"), sent, sent.plus_seconds(116)), None);
/// ```
pub fn resend_after(
    outcome: &PaymentOutcome,
    retry_after: Option<&str>,
    first_sent: UnixTime,
    now: UnixTime,
) -> Option<u32> {
    let PaymentOutcome::Refused(reason) = outcome else { return None };
    let usual = reason.parse::<Refusal>().ok().and_then(Refusal::retry_after)?;
    let named = retry_after.and_then(|text| parse_decimal(text.trim()));
    let wait = named.unwrap_or(usual.into()).clamp(1, RESEND_WAIT_MAX) as u32;
    let ends = first_sent.plus_seconds(RESEND_SECONDS_MAX);
    let is_in_time = first_sent <= now && now.plus_seconds(wait.into()) <= ends;
    is_in_time.then_some(wait)
}

/// Whether this word means that the vendor recorded nothing, or reversed the payment.
fn says_not_kept(word: &str) -> bool {
    word.parse().is_ok_and(|outcome| match outcome {
        RequestOutcome::Returned
        | RequestOutcome::Reversed
        | RequestOutcome::Unavailable
        | RequestOutcome::BadRequest
        | RequestOutcome::Free
        | RequestOutcome::Receipt => true,
        RequestOutcome::Unpaid
        | RequestOutcome::Options
        | RequestOutcome::Paid
        | RequestOutcome::Retry
        | RequestOutcome::FreeView
        | RequestOutcome::Refused(_) => false,
    })
}

/// A receipt: a cookie that opens a paid page again free of charge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Its `name=value`.
    pub cookie: String,
    /// When it expires.
    pub expires: UnixTime,
    /// Its Path: it is sent with requests for this path and those below it. Empty if it has none;
    /// then it is sent with requests for the page alone.
    pub path: String,
}

impl Receipt {
    /// Whether it is sent with requests for this path (RFC 6265, 5.1.4).
    pub(super) fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.path);
        !self.path.is_empty()
            && rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
            })
    }

    /// The name of the cookie.
    pub(super) fn name(&self) -> &str {
        self.cookie.split_once('=').map_or(self.cookie.as_str(), |(name, _)| name)
    }
}

/// Reads one `Set-Cookie` value of an answer to a payment as a receipt. `None` if it is another
/// cookie, deletes one, has no Max-Age, or is longer than a receipt can be.
pub fn receipt_in(set_cookie: &str, now: UnixTime) -> Option<Receipt> {
    let mut parts = set_cookie.split(';');
    let pair = parts.next()?.trim();
    let is_plain = pair.bytes().all(|c| c.is_ascii_graphic() && !b"\",\\".contains(&c));
    if !pair.starts_with(RECEIPT_COOKIE_PREFIX)
        || !pair.contains('=')
        || !is_plain
        || pair.len() > RECEIPT_LEN_MAX
    {
        return None;
    }
    let attributes: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let attribute = |wanted: &str| {
        let mut found =
            attributes.iter().filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value.trim())
    };
    let max_age = parse_decimal(attribute("Max-Age")?)?;
    if max_age == 0 {
        return None;
    }
    let is_path = |path: &&str| {
        path.starts_with('/')
            && path.len() <= RECEIPT_PATH_LEN_MAX
            && path.bytes().all(|c| c.is_ascii_graphic())
    };
    let path = attribute("Path").filter(is_path).unwrap_or_default().to_string();
    let seconds = max_age.min(RECEIPT_SECONDS_MAX) as i64;
    Some(Receipt { cookie: pair.to_string(), expires: now.plus_seconds(seconds), path })
}

/// Untrusted text without the characters that could change a terminal or a record.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c)).take(REASON_LEN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::PeriodPrice;

    #[test]
    fn a_request_in_a_header_is_read_with_and_without_padding() {
        let price = PeriodPrice::new("2026-12".parse().unwrap(), 1, "0.01 USD".parse().unwrap());
        let request = |description: &str| RequestPayment {
            url: "https://news.example/story".parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            prices: vec![price.clone()],
            broker: "https://broker.example/".to_string(),
            description: description.to_string(),
        };
        let mut paddings = std::collections::BTreeSet::new();
        for description in ["a", "ab", "abc"] {
            let request = request(description);
            let padded = base64::prelude::BASE64_URL_SAFE.encode(request.to_bytes());
            let bare = padded.trim_end_matches('=');
            paddings.insert(padded.len() - bare.len());
            for value in [padded.as_str(), bare] {
                assert_eq!(request_in_header(value.as_bytes()).unwrap(), request, "{value}");
            }
        }
        assert_eq!(paddings.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(request_in_header(b"bm8=").is_err() && request_in_header(b"n/o").is_err());
    }

    #[test]
    fn an_ambiguous_answer_leaves_the_outcome_unknown() {
        let rows = [
            (200, None, None, PaymentOutcome::Paid),
            (206, Some("retry"), None, PaymentOutcome::Paid),
            (200, Some("returned"), None, PaymentOutcome::NotKept("returned".into())),
            (404, Some("reversed"), None, PaymentOutcome::NotKept("reversed".into())),
            (503, Some("unavailable"), None, PaymentOutcome::NotKept("unavailable".into())),
            (402, Some("spent"), None, PaymentOutcome::Refused("spent".into())),
            (402, None, Some("wrong-amount"), PaymentOutcome::Refused("wrong-amount".into())),
            (402, None, Some("\u{1b}[31mred"), PaymentOutcome::Refused("[31mred".into())),
            (402, None, None, PaymentOutcome::Refused("no reason given".into())),
            (402, None, Some("\u{1b}"), PaymentOutcome::Refused("no reason given".into())),
            (402, Some("unpaid"), None, PaymentOutcome::NotSeen("unpaid".into())),
            (402, Some("unpaid"), Some("spent"), PaymentOutcome::Refused("spent".into())),
            (303, Some("paid"), None, PaymentOutcome::Paid),
            (303, Some("retry"), None, PaymentOutcome::Paid),
            (303, Some("reversed"), None, PaymentOutcome::NotKept("reversed".into())),
            (302, None, None, PaymentOutcome::Unknown),
            // With a word of the paywall, the status decides nothing more.
            (404, Some("paid"), None, PaymentOutcome::Unknown),
            (500, Some("paid"), None, PaymentOutcome::Unknown),
            (405, Some("something"), None, PaymentOutcome::Unknown),
        ];
        for status in [400, 401, 403, 404, 405, 410, 411, 413, 414, 415, 421, 431, 451, 501, 505] {
            let expected = PaymentOutcome::NotSeen(status.to_string());
            assert_eq!(outcome_of(status, None, None), expected);
        }
        for status in [0, 301, 408, 425, 429, 499, 500, 502, 503, 504, 507, 520, 524, 599] {
            assert_eq!(outcome_of(status, None, None), PaymentOutcome::Unknown, "{status}");
        }
        for (status, word, reason, outcome) in rows {
            assert_eq!(outcome_of(status, word, reason), outcome, "{status} {word:?} {reason:?}");
        }
    }

    #[test]
    fn a_payment_that_is_not_known_yet_is_sent_again_for_two_minutes() {
        let sent = UnixTime(1000);
        let unknown = outcome_of(402, Some("not-yet-known"), None);
        let again = |retry_after, seconds| {
            resend_after(&unknown, retry_after, sent, sent.plus_seconds(seconds))
        };
        for (retry_after, seconds, expected) in [
            (Some("5"), 0, Some(5)),
            (None, 0, Some(5)),
            (Some("soon"), 0, Some(5)),
            (Some("0"), 0, Some(1)),
            (Some("30"), 0, Some(30)),
            (Some("31"), 0, Some(30)),
            (Some("5"), 115, Some(5)),
            (Some("5"), 116, None),
            // The clock was set back.
            (Some("5"), -1, None),
        ] {
            assert_eq!(again(retry_after, seconds), expected, "{retry_after:?} {seconds}");
        }
        for other in ["not-owner", "spent", "unavailable", "anything"] {
            let outcome = outcome_of(402, None, Some(other));
            assert_eq!(resend_after(&outcome, Some("5"), sent, sent), None, "{other}");
        }
        assert_eq!(resend_after(&PaymentOutcome::Unknown, Some("5"), sent, sent), None);
    }

    #[test]
    fn receipts_are_distinguished_from_other_cookies() {
        let now = UnixTime(100);
        let read = |text: &str| receipt_in(text, now);
        let pair = "micromint-abcd_-gh=abc_-";
        let receipt = |path: &str| {
            Some(Receipt { cookie: pair.into(), expires: UnixTime(160), path: path.into() })
        };
        let expected = receipt("/a");
        assert_eq!(read(&format!("{pair}; Max-Age=60; HttpOnly; SameSite=Lax; Path=/a")), expected);
        assert_eq!(read(&format!("{pair};Path=/a;max-age=60")), expected);
        let longest = format!("/{}", "a".repeat(RECEIPT_PATH_LEN_MAX - 1));
        assert_eq!(read(&format!("{pair};Max-Age=60;Path={longest}")), receipt(&longest));
        for none in [&format!("{longest}a"), "a", "", "/a\u{e9}"] {
            assert_eq!(read(&format!("{pair};Max-Age=60;Path={none}")), receipt(""), "{none}");
        }
        let long = format!("micromint-a={}", "b".repeat(1012));
        assert!(read(&format!("{long}; Max-Age=1")).is_some());
        for bad in [
            "session=1; Max-Age=60".to_string(),
            pair.to_string(),
            format!("{pair}; Max-Age=-1"),
            "micromint-abcdefgh=; Max-Age=0; Path=/".to_string(),
            "micromint-; Max-Age=60".to_string(),
            "micromint-a=b c; Max-Age=60".to_string(),
            format!("{long}c; Max-Age=1"),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
        let forever = read(&format!("{pair}; Max-Age=99999999999")).unwrap();
        assert_eq!(forever.expires, UnixTime(100 + 400 * 86_400));
    }

    #[test]
    fn requests_are_read_from_challenges() {
        let offer = RequestPayment {
            url: "https://a.example/".parse().unwrap(),
            vendor: "a.example".parse().unwrap(),
            prices: vec![PeriodPrice::new(
                "2026-12".parse().unwrap(),
                3,
                "0.01 USD".parse().unwrap(),
            )],
            broker: "https://broker.example/".into(),
            description: String::new(),
        };
        let ours = Challenge {
            id: "i".into(),
            realm: "a.example".into(),
            method: METHOD.into(),
            intent: INTENT.into(),
            request: crate::scheme::charge_request(&offer),
            expires: Some("1970-01-01T00:01:00Z".into()),
            ..Challenge::default()
        };
        let found = |lines: &[String]| request_in_challenge(lines.iter().map(String::as_str));
        let spared = Challenge { header: Some(CREDENTIAL_HEADER.into()), ..ours.clone() };
        for good in [&ours, &spared] {
            let others =
                ["Basic realm=\"x\"".to_string(), good.to_string().replace("micromint", "tempo")];
            assert_eq!(
                found(&[others.concat(), good.to_string()]),
                Some((good.clone(), offer.clone()))
            );
        }
        for bad in [
            Challenge { intent: "session".into(), ..ours.clone() },
            Challenge { header: Some("Cookie".into()), ..ours.clone() },
            Challenge { request: "e30".into(), ..ours.clone() },
        ] {
            assert_eq!(found(&[bad.to_string()]), None);
        }
        assert!(!has_ended(&ours, UnixTime(59)) && has_ended(&ours, UnixTime(60)));
        assert!(!has_ended(&Challenge { expires: None, ..ours }, UnixTime(i64::MAX)));
    }

    #[test]
    fn requests_are_read_from_a_header() {
        let text = b"MicroMint-1.0\r\nRequest-Payment\r\nURL: https://a.example/\r\nPrice: 1\r\n\
            Vendor-ID: a.example\r\nPeriod: 2026-12\r\nBroker: https://broker.example/\r\n\
            Coin-Value: 0.01 USD\r\nEnd-MicroMint\r\n";
        let value = payment_for_header(text);
        assert!(!value.contains(['+', '/', '=']));
        assert_eq!(request_in_header(value.as_bytes()).unwrap().prices[0].coins, 1);
        assert!(request_in_header(b"****").is_err());
        assert!(request_in_header(b"").is_err());
    }
}
