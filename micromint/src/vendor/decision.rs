//! What the paywall decides about a request: serve the content, or send an answer instead.
//!
//! The invariant: a decision contains everything the server must do; a server carries it out and
//! adds no rule of its own about coins.

use std::borrow::Cow;
use std::sync::Arc;

use super::charge::Charge;
use super::merge::Merge;
use crate::identity::UserId;
use crate::period::Period;
use crate::protocol::RequestOutcome;

/// What the web server does with a request. Exhaustive on purpose: a server must handle both kinds.
///
/// ```
/// use micromint::protocol::RequestOutcome;
/// use micromint::vendor::{Answer, Decision};
///
/// let answer = Answer { outcome: RequestOutcome::Unpaid, status: 402, ..Answer::default() };
/// let decision = Decision::from(answer);
/// assert_eq!(decision.outcome().word(), "unpaid");
/// assert_eq!((decision.coins(), decision.user()), (0, None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a free page must not cost an allocation")]
pub enum Decision {
    /// Serve the content.
    Serve(Serve),
    /// Send this instead of the content. Shared, since many requests get the same answer.
    Answer(Arc<Answer>),
}

/// How the content is served.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Serve {
    /// The outcome, for logs and variables.
    pub outcome: RequestOutcome,
    /// The user who paid, for logs and variables.
    pub user: Option<UserId>,
    /// The number of coins that this request recorded.
    pub coins: u32,
    /// What the coins of its payment are worth, in base coins: it covers every price up to that.
    pub covers: u32,
    /// Serve as a GET without a body, whatever the method was: the request was a payment in a POST.
    pub as_get: bool,
    /// Send the content in full even if the client has a current copy: no 304.
    pub ignore_conditions: bool,
    /// Keep the answer out of shared caches: add `private` to `Cache-Control`, and remove `public`,
    /// `s-maxage` and CDN-Cache-Control.
    pub is_private: bool,
    /// Request header fields to remove before the content is generated.
    pub strip_request_headers: &'static [&'static str],
    /// Header fields to add to the answer: MicroMint-Status with every status, the others with 2xx
    /// or 304 only. [`Serve::head`] does so.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Header fields to merge with the content's own, with every status; see [`Serve::head`].
    pub merge: Vec<Merge>,
    /// Set if this request recorded a payment or used a free view. When the head of the answer is
    /// known, pass it to `Paywall::finish` with the status, and the result to [`Serve::head`].
    pub charge: Option<Charge>,
    /// What the request was about.
    pub about: About,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answer {
    /// The outcome, for logs and variables.
    pub outcome: RequestOutcome,
    /// The status: 402, 400, 503, 204, ….
    pub status: u16,
    /// The header fields, including `Content-Type` but not `Content-Length`.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Header fields to merge with those that the site adds to every answer; see [`Answer::head`].
    pub merge: Vec<Merge>,
    /// The body, also for HEAD, where the server omits it.
    pub body: Vec<u8>,
    /// The user who tried to pay, for logs and variables.
    pub user: Option<UserId>,
    /// A line for the server's error log. It never contains a key or an authenticator.
    pub log: Option<String>,
    /// What the request was about.
    pub about: About,
}

/// What a request was about, for logs, variables and counters. Empty for a free page without a
/// payment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct About {
    /// The price in base coins.
    pub price: u32,
    /// The page's URL, as in messages.
    pub url: Option<String>,
    /// The period of the coins in the payment.
    pub period: Option<Period>,
    /// The place is in a dry run: the outcome is what would have happened, and nothing was
    /// recorded.
    pub is_dry_run: bool,
    /// An error for the server's log, such as a file that cannot be read.
    pub alert: Option<String>,
}

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Decision {
        Decision::Answer(Arc::new(answer))
    }
}

impl Decision {
    /// The outcome of the request.
    pub fn outcome(&self) -> RequestOutcome {
        match self {
            Decision::Serve(serve) => serve.outcome,
            Decision::Answer(answer) => answer.outcome,
        }
    }

    /// The user who paid or tried to.
    pub fn user(&self) -> Option<&str> {
        match self {
            Decision::Serve(serve) => serve.user.as_ref().map(UserId::as_str),
            Decision::Answer(answer) => answer.user.as_ref().map(UserId::as_str),
        }
    }

    /// The number of coins that this request recorded.
    pub fn coins(&self) -> u32 {
        match self {
            Decision::Serve(serve) => serve.coins,
            Decision::Answer(_) => 0,
        }
    }

    /// What the request was about.
    pub fn about(&self) -> &About {
        match self {
            Decision::Serve(serve) => &serve.about,
            Decision::Answer(answer) => &answer.about,
        }
    }

    /// Adds an error for the server's log, if there is one.
    pub(super) fn add_alert(&mut self, alert: Option<String>) {
        let Some(alert) = alert else { return };
        let about = self.about_mut();
        about.alert = Some(match about.alert.take() {
            None => alert,
            Some(first) => format!("{first}; {alert}"),
        });
    }

    pub(super) fn merge_mut(&mut self) -> &mut Vec<Merge> {
        match self {
            Decision::Serve(serve) => &mut serve.merge,
            Decision::Answer(answer) => &mut Arc::make_mut(answer).merge,
        }
    }

    pub(super) fn about_mut(&mut self) -> &mut About {
        match self {
            Decision::Serve(serve) => &mut serve.about,
            Decision::Answer(answer) => &mut Arc::make_mut(answer).about,
        }
    }
}
