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
    /// The heads of the redirects that led there.
    pub(super) heads: String,
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
            "URL for {}: give a name and password with -u, not in the URL",
            url.host_str().unwrap_or_default()
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
    let (mut referer, mut heads) = (None, String::new());
    for _ in 0..=options.redirects_max {
        let mut headers = headers_for(options, &url);
        headers.extend(referer.take().map(|from| ("Referer".to_string(), from)));
        add_cookie(&mut headers, receipt_for(wallet, &url));
        let answer = client.send(options.method, url.as_str(), &headers, options.body)?;
        // A body can hold secrets, and another site must not get it.
        let may_follow = options.manners.follow
            && matches!(options.method, "GET" | "HEAD")
            && options.body.is_empty();
        let target = answer.location().filter(|_| may_follow && REDIRECTS.contains(&answer.status));
        let Some(target) = target else { return Ok(Page { url, heads, answer }) };
        let from = url.clone();
        url = url.join(&target).map_err(|error| format!("redirect to {target:?}: {error}"))?;
        url = parse_url(url.as_str())?;
        if options.manners.refers {
            referer = Some(referer_for(&from, &url));
        }
        client.count_redirect();
        heads.push_str(&answer.head);
    }
    Err(format!("more than {} redirects", options.redirects_max).into())
}

/// The user's headers for a request to `url`. They were given for the origin of the page that the
/// user named and can hold secrets under any name. A redirect to another origin, or from https to
/// http, takes along only those that never do. Unless the user chose otherwise, a 402 is to be the
/// message, and content may be anything.
pub(super) fn headers_for(options: &GetOptions<'_>, url: &AnyUrl) -> Vec<(String, String)> {
    let mut headers = options.headers.to_vec();
    if !AnyUrl::parse(options.url).is_ok_and(|asked| asked.origin() == url.origin()) {
        let is_harmless =
            |name: &str| HARMLESS_HEADERS.iter().any(|own| name.eq_ignore_ascii_case(own));
        headers.retain(|(name, _)| is_harmless(name));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        headers.push(("Accept".to_string(), format!("{MEDIA_TYPE}, */*")));
    }
    let now = SystemClock.now();
    for pair in options.manners.cookies.iter().filter_map(|cookie| cookie.pair_for(url, now)) {
        add_cookie(&mut headers, Some(pair));
    }
    headers
}

/// Adds a cookie to the one Cookie header that a request may have.
fn add_cookie(headers: &mut Vec<(String, String)>, pair: Option<String>) {
    let Some(pair) = pair else { return };
    match headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
        Some((_, value)) => *value = format!("{value}; {pair}"),
        None => headers.push(("Cookie".to_string(), pair)),
    }
}

/// What the site `to` learns about the page that led there: all of the URL if it is of the same
/// site, else only the site, as in browsers.
fn referer_for(from: &AnyUrl, to: &AnyUrl) -> String {
    match from.origin() == to.origin() {
        true => from.to_string(),
        false => format!("{}/", from.origin().ascii_serialization()),
    }
}

/// The receipts of the wallet that may open this URL.
fn receipt_for(wallet: Option<&Wallet>, url: &AnyUrl) -> Option<String> {
    let url: Url = url.as_str().parse().ok()?;
    wallet?.state().receipts(&url, SystemClock.now())
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
