//! The answers that the paywall sends instead of the content: 402 in its three forms, and others.
//!
//! Input: a request, its offer and possibly a refused payment. Output: an [`Answer`]. The
//! invariant: an answer that depends on the client is never stored by a cache.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;

use super::accept::{Form, form_for};
use super::carrier::{Carrier, InHeader};
use super::conditions::has_current;
use super::config::VendorConfig;
use super::cors::{CorsPolicy, METHODS};
use super::crawler::{self, CRAWLER_ERROR_HEADER, CRAWLER_PRICE_HEADER, CrawlerError};
use super::decision::Answer;
use super::merge::Merge;
use super::offer::Offer;
use super::page::Subject;
use super::problem;
use super::request::Request;
use super::x402::{self, X402_HEADER};
use crate::protocol::{
    COINS_PER_PAYMENT_MAX, InvalidPayment, MEDIA_TYPE, PAYMENT_SIZE_MAX, PROBLEM_MEDIA_TYPE,
    Payment, REQUEST_HEADER, Refusal, RequestOutcome, STATUS_HEADER,
};
use crate::scheme::{BASE64URL, CHALLENGE_HEADER, Challenge};

/// The longest value of the header MicroMint-Request, in bytes: the limit of common servers and
/// libraries for one header line. A longer message (a very long URL) is sent in the body only.
const REQUEST_HEADER_LEN_MAX: usize = 8000;
/// The longest value of a challenge, in bytes, for the same reason: the draft requires less than 8
/// KB.
const CHALLENGE_LEN_MAX: usize = 8000;
/// The Link field of a 402: the URL of the vendor's manifest.
const LINK: &str = "</.well-known/micromint>; rel=\"payment\"";
/// What follows the place of the license in the Link field (RSL 1.0).
const LICENSE_LINK: &str = "; rel=\"license\"; type=\"application/rsl+xml\"";
/// The request fields that choose the form of a 402, and those that choose the page and its
/// language.
const VARY: &str = "Accept, Accept-Payment";
const VARY_OF_PAGE: &str = "Accept, Accept-Payment, Accept-Language";
/// How long caches may keep a document of the paywall, in seconds.
const DOCUMENT_SECONDS: u32 = 300;
const DOCUMENT_METHODS: &str = "GET, HEAD, OPTIONS";
/// How long a client should wait after a 503, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;
/// A refused payment: the reason, the payment if it could be parsed, and otherwise a line for the
/// log.
#[derive(Clone, Debug)]
pub(super) struct RefusedPayment {
    pub(super) refusal: Refusal,
    pub(super) payment: Option<Payment>,
    pub(super) log: Option<String>,
}

/// 402: the price of the page in the form and language that the client prefers, and why a payment
/// was refused. If the offer names no period, nothing can be paid now: the answer has no request
/// for payment.
pub(super) fn payment_required(
    offer: &Offer,
    challenge: &Challenge,
    request: &Request<'_>,
    refused: Option<RefusedPayment>,
    config: &VendorConfig,
) -> Answer {
    let refusal = refused.as_ref().map(|refused| refused.refusal);
    let outcome = refusal.map_or(RequestOutcome::Unpaid, RequestOutcome::Refused);
    let can_be_paid = offer.can_be_paid();
    let message = if can_be_paid { offer.request.to_bytes() } else { Vec::new() };
    let in_header = BASE64URL.encode(&message);
    let mut headers = status_headers(outcome);
    let payment = refused.as_ref().and_then(|refused| refused.payment.as_ref());
    let invalid = refusal.map(|refusal| invalid_payment(offer, refusal, payment));
    let mut vary = VARY;
    let (media_type, body) = match form_for(request, refusal.is_some()) {
        Form::Message if can_be_paid || invalid.is_some() => {
            (MEDIA_TYPE, invalid.unwrap_or(message))
        }
        Form::Page => {
            let page = config.page().choose(request);
            vary = VARY_OF_PAGE;
            headers.push(("Content-Security-Policy", page.policy().into()));
            headers.push(("Content-Language", page.language().to_string().into()));
            let preview = request.place.preview.map(|preview| &**preview);
            let subject = Subject { offer, refusal, login: config.login(), preview };
            ("text/html; charset=utf-8", page.fill(&subject))
        }
        Form::Problem | Form::Message => (
            PROBLEM_MEDIA_TYPE,
            problem::payment_required(offer, refusal, &challenge.id, &in_header),
        ),
    };
    headers.push(("Content-Type", media_type.into()));
    headers.push(("X-Content-Type-Options", "nosniff".into()));
    headers.push(match config.license() {
        Some(place) => ("Link", format!("{LINK}, <{place}>{LICENSE_LINK}").into()),
        None => ("Link", LINK.into()),
    });
    if config.has_crawler_prices() && can_be_paid {
        let error = crawler::fault(request, offer, payment);
        headers.extend(error.map(|error| (CRAWLER_ERROR_HEADER, error.word().into())));
        let price = crawler::price(offer);
        headers.extend(price.map(|price| (CRAWLER_PRICE_HEADER, price.into())));
    }
    if let Some(seconds) = refusal.and_then(Refusal::retry_after) {
        headers.push(("Retry-After", seconds.to_string().into()));
    }
    let challenge_id = &challenge.id;
    let challenge = challenge.to_header();
    if can_be_paid && challenge.len() <= CHALLENGE_LEN_MAX {
        headers.push((CHALLENGE_HEADER, challenge.into()));
    }
    if can_be_paid && config.has_x402() {
        let value = x402::payment_required(&offer.request, challenge_id);
        headers.extend((value.len() <= CHALLENGE_LEN_MAX).then(|| (X402_HEADER, value.into())));
    }
    if can_be_paid && in_header.len() <= REQUEST_HEADER_LEN_MAX {
        headers.push((REQUEST_HEADER, in_header.into()));
    }
    let user = payment.map(|payment| payment.user.clone());
    let log = refused.and_then(|refused| refused.log);
    let vary = Merge::union("Vary", vary);
    Answer { headers, merge: vec![vary], body, user, log, ..bare(outcome, 402) }
}

/// 400, 413 or 414: the request itself is invalid; no payment was examined.
pub(super) fn bad_request(status: u16, sentence: &str) -> Answer {
    text_answer(RequestOutcome::BadRequest, status, sentence)
}

/// 400: the crawler's own header fields about the price cannot be read.
pub(super) fn crawler_error(error: CrawlerError) -> Answer {
    let mut answer = bad_request(400, error.sentence());
    answer.headers.push((CRAWLER_ERROR_HEADER, error.word().into()));
    answer
}

/// 400: a credential of the scheme "Payment" for another method or intent.
pub(super) fn method_unsupported() -> Answer {
    let mut headers = status_headers(RequestOutcome::BadRequest);
    headers.push(("Content-Type", PROBLEM_MEDIA_TYPE.into()));
    Answer { headers, body: problem::method_unsupported(), ..bare(RequestOutcome::BadRequest, 400) }
}

/// 413: the body is larger than any payment.
pub(super) fn too_large() -> Answer {
    bad_request(413, &format!("A payment has at most {PAYMENT_SIZE_MAX} bytes."))
}

/// 503: the payment could not be recorded, and nothing was. `log` is the reason, for the server's
/// log.
pub fn unavailable(log: String) -> Answer {
    let sentence = "No payment can be taken at the moment, and none was. Please try again.";
    let mut answer = text_answer(RequestOutcome::Unavailable, 503, sentence);
    answer.headers.push(("Retry-After", RETRY_AFTER_SECONDS.to_string().into()));
    answer.log = Some(log);
    answer
}

/// 204 to OPTIONS, without a payment and without the content.
pub(super) fn options(cors: &CorsPolicy, request: &Request<'_>) -> Answer {
    let mut headers = status_headers(RequestOutcome::Options);
    headers.push(("Allow", METHODS.into()));
    Answer { headers, merge: cors.of_options(request), ..bare(RequestOutcome::Options, 204) }
}

/// 200, 204, 304 or 405: a document of the paywall, the same for everyone. A payment in the request
/// was not recorded. `etag` is the entity tag with its quotes, if it has one.
pub(super) fn document(
    request: &Request<'_>,
    carrier: Carrier<'_>,
    media_type: &'static str,
    text: impl FnOnce() -> String,
    etag: Option<&str>,
) -> Answer {
    let outcome =
        if carrier == Carrier::None { RequestOutcome::Free } else { RequestOutcome::Returned };
    // An answer to a credential is private, even for a free page.
    let is_private = matches!(carrier, Carrier::Header(InHeader::Credential(..)));
    let who = if is_private { "private" } else { "public" };
    let mut answer = bare(outcome, 200);
    match request.method {
        b"GET" | b"HEAD" => {
            if etag.is_some_and(|etag| has_current(request, etag)) {
                answer.status = 304;
            } else {
                answer.body = text().into_bytes();
                answer.headers.push(("Content-Type", media_type.into()));
                answer.headers.push(("X-Content-Type-Options", "nosniff".into()));
            }
            answer
                .headers
                .push(("Cache-Control", format!("{who}, max-age={DOCUMENT_SECONDS}").into()));
            answer.headers.extend(etag.map(|etag| ("ETag", etag.to_string().into())));
            answer.merge = CorsPolicy::Any.of_answer(request);
        }
        b"OPTIONS" => {
            answer.status = 204;
            answer.headers.push(("Allow", DOCUMENT_METHODS.into()));
            answer.merge = CorsPolicy::Any.of_answer(request);
            answer.merge.extend(CorsPolicy::Any.of_options(request));
        }
        _ => {
            answer.status = 405;
            answer.headers.push(("Allow", DOCUMENT_METHODS.into()));
        }
    }
    if outcome == RequestOutcome::Returned {
        answer.headers.push((STATUS_HEADER, outcome.word().into()));
    }
    answer
}

/// 500: the price cannot be read. The page is not sent (fail closed).
pub fn price_unreadable(reason: &dyn fmt::Display, place: &str) -> Answer {
    let mut answer =
        text_answer(RequestOutcome::Unavailable, 500, "The price of this page cannot be read.");
    answer.log = Some(format!("{place}: {reason}"));
    answer
}

fn text_answer(outcome: RequestOutcome, status: u16, sentence: &str) -> Answer {
    let mut headers = status_headers(outcome);
    headers.push(("Content-Type", "text/plain; charset=utf-8".into()));
    Answer { headers, body: format!("{sentence}\n").into_bytes(), ..bare(outcome, status) }
}

fn bare(outcome: RequestOutcome, status: u16) -> Answer {
    Answer { outcome, status, ..Answer::default() }
}

fn status_headers(outcome: RequestOutcome) -> Vec<(&'static str, Cow<'static, str>)> {
    vec![("Cache-Control", "no-store".into()), (STATUS_HEADER, outcome.word().into())]
}

fn invalid_payment(offer: &Offer, refusal: Refusal, payment: Option<&Payment>) -> Vec<u8> {
    InvalidPayment {
        url: offer.request.url.clone(),
        reason: refusal.word().to_string(),
        price: payment
            .map_or_else(|| offer.coins(), |payment| offer.coins_in(&payment.period))
            .min(COINS_PER_PAYMENT_MAX),
        coins: payment.map_or(0, |payment| payment.coins),
        x: payment.map(|payment| payment.x.clone()).unwrap_or_default(),
    }
    .to_bytes()
}
