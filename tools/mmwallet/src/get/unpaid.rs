//! The request without a payment: its redirects, and what a 402 asks for.
//!
//! Input: the URL that the user named. Output: the response, and a request for payment if it has
//! one. The invariant: what the user gave for one origin is sent to no other.

use url::Url as AnyUrl;

use micromint::host::{Clock, SystemClock};
use micromint::protocol::{MEDIA_TYPE, REQUEST_HEADER, RequestPayment, Url};
use micromint::scheme::{CHALLENGE_HEADER, Challenge};
use micromint::wallet::{Wallet, request_in_challenge, request_in_header};
use micromint_console::ToolError;

use super::{GetOptions, MESSAGE_SIZE_MAX};
use crate::net::{Client, Response};

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// The headers of the user that a redirect to another origin takes along.
const HARMLESS_HEADERS: [&str; 6] =
    ["accept", "accept-encoding", "accept-language", "cache-control", "range", "user-agent"];

/// What a 402 response asks for.
pub(super) struct Offer {
    pub(super) request: RequestPayment,
    /// The challenge to answer, if the vendor supports only the scheme "Payment".
    pub(super) challenge: Option<Challenge>,
}

/// The response to the unpaid request, and its URL after redirects.
pub(super) struct Page {
    pub(super) url: AnyUrl,
    pub(super) answer: Response,
}

/// Parses a URL as a browser does: the host in lower-case A-labels, without the scheme's default
/// port and without the fragment.
pub(super) fn parse_url(text: &str) -> Result<AnyUrl, ToolError> {
    let mut url = AnyUrl::parse(text).map_err(|error| format!("URL {text:?}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("URL {text:?}: expected http or https").into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "URL {:?}: give a name and password with -H, not in the URL",
            url.host_str()
        )
        .into());
    }
    url.set_fragment(None);
    Ok(url)
}

/// Sends the unpaid request and follows its redirects.
pub(super) fn fetch(
    options: &GetOptions<'_>,
    client: &Client,
    wallet: Option<&Wallet>,
    mut url: AnyUrl,
) -> Result<Page, ToolError> {
    for _ in 0..=options.redirects_max {
        let mut headers = headers_for(options, &url);
        headers.extend(receipt_header(wallet, &url));
        let answer = client.send(options.method, url.as_str(), &headers, options.body)?;
        // A body can hold secrets, and another site must not get it.
        let may_follow = matches!(options.method, "GET" | "HEAD") && options.body.is_empty();
        let target =
            answer.header("location").filter(|_| may_follow && REDIRECTS.contains(&answer.status));
        let Some(target) = target else { return Ok(Page { url, answer }) };
        url = url.join(target).map_err(|error| format!("redirect to {target:?}: {error}"))?;
        url = parse_url(url.as_str())?;
    }
    Err(format!("more than {} redirects", options.redirects_max).into())
}

/// The user's headers for a request to `url`. They were given for the origin of the page that the
/// user named and can hold secrets under any name. A redirect to another origin, or from https to
/// http, takes along only those that never do.
pub(super) fn headers_for(options: &GetOptions<'_>, url: &AnyUrl) -> Vec<(String, String)> {
    let mut headers = options.headers.to_vec();
    if AnyUrl::parse(options.url).is_ok_and(|asked| asked.origin() == url.origin()) {
        return headers;
    }
    headers.retain(|(name, _)| HARMLESS_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own)));
    headers
}

/// The receipts of the wallet that may open this URL.
fn receipt_header(wallet: Option<&Wallet>, url: &AnyUrl) -> Option<(String, String)> {
    let url: Url = url.as_str().parse().ok()?;
    let receipts = wallet?.state().receipts(&url, SystemClock.now())?;
    Some(("Cookie".to_string(), receipts))
}

/// The request for payment of a 402: from its header, or its body, or a challenge of the scheme
/// "Payment". `None` for any other response.
pub(super) fn payment_request(answer: &mut Response) -> Result<Option<Offer>, ToolError> {
    if answer.status != 402 {
        return Ok(None);
    }
    let plain = |request| Ok(Some(Offer { request, challenge: None }));
    if let Some(value) = answer.headers.get(REQUEST_HEADER) {
        return plain(request_in_header(value.as_bytes())?);
    }
    if answer.is_of_type(MEDIA_TYPE) {
        return plain(RequestPayment::parse(&answer.read(MESSAGE_SIZE_MAX)?)?);
    }
    let values =
        answer.headers.get_all(CHALLENGE_HEADER).iter().filter_map(|value| value.to_str().ok());
    let found = request_in_challenge(values);
    Ok(found.map(|(challenge, request)| Offer { request, challenge: Some(challenge) }))
}
