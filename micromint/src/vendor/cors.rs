//! Cross-origin requests (the Fetch standard, "CORS protocol"): what scripts of other sites may ask
//! of pages with a price.
//!
//! Input: a request and the vendor's policy. Output: header fields to merge with the site's own,
//! which take precedence. The invariant: no field from here lets a script see more than the policy
//! allows. Without a policy this module adds no Access-Control-Allow-Origin, and cookies, receipts
//! among them, count only for origins that the vendor listed.

use super::merge::Merge;
use super::origin::Origin;
use super::request::Request;
use crate::scheme::is_token;

/// The answer headers that a script needs in order to pay.
const EXPOSED: &str =
    "MicroMint-Request, MicroMint-Status, WWW-Authenticate, Payment-Receipt, Link, Retry-After";
/// The request headers of a payment. They have no other effect, so they are allowed wherever the
/// site allows an origin.
const PAYING: &str =
    "MicroMint-Payment, Payment-Authorization, Accept-Payment, Content-Type, Idempotency-Key";
/// The methods that the paywall itself handles.
pub(super) const METHODS: &str = "GET, HEAD, POST, OPTIONS";
/// The longest Access-Control-Request-Headers that is answered, in bytes.
const ASKED_LEN_MAX: usize = 1024;
/// How long a browser may cache the answer to a preflight, in seconds.
const MAX_AGE_SECONDS: u32 = 600;

/// The origins whose scripts may see pages with a price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CorsPolicy {
    /// None, beyond what the site's own headers allow.
    #[default]
    Site,
    /// All, without cookies: scripts see what a client without cookies sees.
    Any,
    /// These, with cookies.
    Listed(Vec<Origin>),
}

impl CorsPolicy {
    /// The fields of every answer about a page with a price.
    pub(super) fn of_answer(&self, request: &Request<'_>) -> Vec<Merge> {
        let mut fields = Vec::new();
        self.add_to(&mut fields, request);
        fields
    }

    /// Adds the fields of [`CorsPolicy::of_answer`].
    pub(super) fn add_to(&self, fields: &mut Vec<Merge>, request: &Request<'_>) {
        fields.push(Merge::union("Access-Control-Expose-Headers", EXPOSED));
        self.add_allowed_origin(fields, request);
    }

    /// The additional fields of an answer to OPTIONS, if the request is a preflight.
    pub(super) fn of_options(&self, request: &Request<'_>) -> Vec<Merge> {
        let (Some(_), Some(method)) =
            (request.header_value("origin"), request.header_value("access-control-request-method"))
        else {
            return Vec::new();
        };
        let (mut methods, mut headers) = (METHODS.to_string(), PAYING.to_string());
        // Beyond the site's own headers, only what a payment needs is added.
        if self.allows(request) {
            push_tokens(&mut methods, method);
            headers.push_str(", Authorization");
            push_tokens(
                &mut headers,
                request.header_value("access-control-request-headers").unwrap_or_default(),
            );
        }
        vec![
            Merge::union("Access-Control-Allow-Methods", methods),
            Merge::union("Access-Control-Allow-Headers", headers),
            Merge::fallback("Access-Control-Max-Age", MAX_AGE_SECONDS.to_string()),
            Merge::union(
                "Vary",
                "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
            ),
        ]
    }

    /// Adds the fields that allow the request's origin, and the Vary that they need.
    fn add_allowed_origin(&self, fields: &mut Vec<Merge>, request: &Request<'_>) {
        const ALLOW: &str = "Access-Control-Allow-Origin";
        match self {
            CorsPolicy::Site => {}
            CorsPolicy::Any => fields.push(Merge::fallback(ALLOW, "*")),
            CorsPolicy::Listed(origins) => {
                fields.push(Merge::union("Vary", "Origin"));
                if let Some(origin) = named(origins, request) {
                    fields.push(Merge::fallback(ALLOW, origin.as_str().to_string()));
                    fields.push(Merge::fallback("Access-Control-Allow-Credentials", "true"));
                }
            }
        }
    }

    fn allows(&self, request: &Request<'_>) -> bool {
        match self {
            CorsPolicy::Site => false,
            CorsPolicy::Any => true,
            CorsPolicy::Listed(origins) => named(origins, request).is_some(),
        }
    }
}

/// The entry of `origins` that equals the request's Origin, byte by byte as browsers send it.
fn named<'a>(origins: &'a [Origin], request: &Request<'_>) -> Option<&'a Origin> {
    let origin = request.header_value("origin")?;
    origins.iter().find(|listed| listed.as_str().as_bytes() == origin)
}

/// Appends the new members of a list that are tokens (RFC 9110, 5.6.2). Ignores a list that is too
/// long.
fn push_tokens(list: &mut String, asked: &[u8]) {
    if asked.len() > ASKED_LEN_MAX {
        return;
    }
    for member in asked.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        let Ok(text) = std::str::from_utf8(member) else { continue };
        let is_there = list.split(", ").any(|known| known.eq_ignore_ascii_case(text));
        // A `*` would allow every header.
        if !text.is_empty() && text != "*" && member.iter().all(|byte| is_token(*byte)) && !is_there
        {
            list.push_str(", ");
            list.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{PAYMENT_HEADER, REQUEST_HEADER, STATUS_HEADER};
    use crate::scheme::{CHALLENGE_HEADER, CREDENTIAL_HEADER, RECEIPT_HEADER};

    #[test]
    fn the_lists_name_the_headers_as_they_are_sent() {
        let answers = [REQUEST_HEADER, STATUS_HEADER, CHALLENGE_HEADER, RECEIPT_HEADER];
        assert_eq!(EXPOSED, [&answers[..], &["Link", "Retry-After"]].concat().join(", "));
        let requests = [PAYMENT_HEADER, CREDENTIAL_HEADER, "Accept-Payment", "Content-Type"];
        assert_eq!(PAYING, [&requests[..], &["Idempotency-Key"]].concat().join(", "));
    }

    fn listed() -> CorsPolicy {
        CorsPolicy::Listed(vec!["https://app.example".parse().unwrap()])
    }

    /// `name: value` of every field for a request with these headers.
    fn lines(policy: &CorsPolicy, headers: &[(&str, &str)], is_options: bool) -> Vec<String> {
        let headers: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = Request { headers: &headers, ..Request::default() };
        let fields =
            if is_options { policy.of_options(&request) } else { policy.of_answer(&request) };
        fields.iter().map(|field| format!("{}: {}", field.name, field.value)).collect()
    }

    #[test]
    fn only_named_origins_get_cookies_and_without_a_policy_nobody_gets_anything() {
        let expose = format!("Access-Control-Expose-Headers: {EXPOSED}");
        let from = |origin| [("Origin", origin)];
        let app = from("https://app.example");
        assert_eq!(lines(&CorsPolicy::Site, &app, false), [expose.as_str()]);
        let any = [expose.as_str(), "Access-Control-Allow-Origin: *"];
        assert_eq!(lines(&CorsPolicy::Any, &app, false), any);
        assert_eq!(lines(&CorsPolicy::Any, &[], false), any);
        let named = [
            &expose,
            "Vary: Origin",
            "Access-Control-Allow-Origin: https://app.example",
            "Access-Control-Allow-Credentials: true",
        ];
        assert_eq!(lines(&listed(), &app, false), named);
        for other in [
            "https://app.example.evil.example",
            "http://app.example",
            "https://app.example:8443",
            "https://APP.example",
            "https://app.example, https://evil.example",
            "null",
            "",
        ] {
            assert_eq!(lines(&listed(), &from(other), false), named[..2], "{other}");
        }
        let twice = [("Origin", "https://app.example"), ("origin", "https://app.example")];
        assert_eq!(lines(&listed(), &twice, false), named[..2]);
    }

    #[test]
    fn questions_are_answered_with_what_paying_takes_and_what_the_policy_allows() {
        let asked = [
            ("Origin", "https://app.example"),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "x-a, micromint-payment,*, b c,, X\u{e9}, range"),
        ];
        assert_eq!(lines(&listed(), &asked[..1], true), [""; 0]);
        assert_eq!(lines(&listed(), &asked[1..], true), [""; 0]);
        let methods = format!("Access-Control-Allow-Methods: {METHODS}");
        let headers = format!("Access-Control-Allow-Headers: {PAYING}");
        let vary = "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        let age = "Access-Control-Max-Age: 600";
        assert_eq!(lines(&CorsPolicy::Site, &asked, true), [&methods, &headers, age, vary]);
        let wide = [
            &format!("{methods}, PUT"),
            &format!("{headers}, Authorization, x-a, range"),
            age,
            vary,
        ];
        assert_eq!(lines(&CorsPolicy::Any, &asked, true), wide);
        assert_eq!(lines(&listed(), &asked, true), wide);
        let mut stranger = asked;
        stranger[0].1 = "https://evil.example";
        assert_eq!(lines(&listed(), &stranger, true), [&methods, &headers, age, vary]);
        let (most, more) = ("a".repeat(ASKED_LEN_MAX), "a".repeat(ASKED_LEN_MAX + 1));
        for (text, is_answered) in [(&most, true), (&more, false)] {
            let mut long = asked;
            long[2].1 = text;
            assert_eq!(
                lines(&CorsPolicy::Any, &long, true)[1].ends_with(text.as_str()),
                is_answered
            );
        }
    }
}
