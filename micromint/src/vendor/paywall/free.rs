//! How free content is served.
//!
//! Input: a request for content without a price. Output: how it is served. The invariant: coins
//! that a client sends with it are not recorded, and nothing behind the paywall sees them.

use super::credential::is_of_others;
use super::judge::served;
use crate::protocol::{Frame, PAYMENT_SIZE_MAX, RequestOutcome};
use crate::vendor::carrier::InHeader;
use crate::vendor::cors::CorsPolicy;
use crate::vendor::decision::Serve;
use crate::vendor::request::Request;

/// How free content is served. It stays out of caches if others pay for it.
pub(in crate::vendor) fn free(request: &Request<'_>) -> Serve {
    Serve { is_private: request.place.is_private, ..Serve::default() }
}

/// How free content is served to a client that sent a payment with it: the coins were not recorded.
pub(super) fn returned(request: &Request<'_>, is_body: bool) -> Serve {
    Serve {
        ignore_conditions: is_body,
        is_private: request.place.is_private,
        // Which scripts may see free content is for the site to decide; the paywall exposes only
        // its own fields.
        merge: CorsPolicy::Site.of_answer(request),
        ..served(RequestOutcome::Returned, request, is_body)
    }
}

/// How free content is served to a client that sent a header with a payment. A credential of
/// another method is meant for the content. One that cannot be parsed is removed: it may contain
/// coins, which nothing behind the paywall may see.
pub(super) fn free_with(request: &Request<'_>, header: InHeader<'_>) -> Serve {
    match header {
        InHeader::Credential(token, _) if is_of_others(token) => Serve::default(),
        // Like every answer to a credential, this one is private to the client that sent it.
        InHeader::Credential(..) => Serve { is_private: true, ..returned(request, false) },
        InHeader::Message(_) => returned(request, false),
    }
}

/// How free content is served to a POST whose body may be a payment. Another message is meant for
/// the content.
pub(super) fn free_post(request: &Request<'_>) -> Serve {
    let is_payment = |body: &[u8]| {
        Frame::parse(body, PAYMENT_SIZE_MAX).is_ok_and(|frame| frame.message_type() == "Payment")
    };
    if request.body.is_some_and(is_payment) { returned(request, true) } else { Serve::default() }
}
