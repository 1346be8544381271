//! A place in a dry run: everything is decided, nothing is recorded, and the content is free.

use std::sync::Arc;

use super::free::{free_post, free_with, returned};
use crate::protocol::RequestOutcome;
use crate::vendor::carrier::Carrier;
use crate::vendor::decision::{About, Decision, Serve};
use crate::vendor::request::Request;

/// What happens instead of `decision` at a place in a dry run. The event reports what would have
/// happened.
///
/// A price that cannot be read remains an error: a mistake never makes a page free.
pub(super) fn rehearsed(request: &Request<'_>, decision: Decision) -> Decision {
    let about = About { is_dry_run: true, ..decision.about().clone() };
    let (outcome, coins, covers, user, log) = match decision {
        Decision::Answer(answer) if answer.status == 500 => return Decision::Answer(answer),
        Decision::Answer(answer) => {
            let answer = Arc::unwrap_or_clone(answer);
            (answer.outcome, 0, 0, answer.user, answer.log)
        }
        Decision::Serve(serve) => (serve.outcome, serve.coins, serve.covers, serve.user, None),
    };
    let serve = match Carrier::of(request) {
        Carrier::None => Serve::default(),
        Carrier::Header(header) => free_with(request, header),
        Carrier::Several => returned(request, false),
        Carrier::Body => free_post(request),
    };
    // Failures are reported although the page is sent.
    let failure = log.filter(|_| outcome == RequestOutcome::Unavailable);
    let about = About { alert: about.alert.clone().or(failure), ..about };
    Decision::Serve(Serve { outcome, coins, covers, user, about, ..serve })
}
