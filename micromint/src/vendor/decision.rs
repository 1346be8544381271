//! What the paywall decides about a request: serve the content, or send an answer instead.
//!
//! A server module carries out a [`Decision`] as it stands. The invariant: a decision says all that
//! the server must do; the server adds nothing of its own about coins.

use std::borrow::Cow;
use std::sync::Arc;

use super::charge::Charge;
use super::merge::Merge;
use crate::identity::UserId;
use crate::period::Period;
use crate::protocol::RequestOutcome;

/// What a server does next, once a request's head is read. Exhaustive on purpose: a server that
/// does not know a step cannot take it.
#[derive(Clone, Debug, PartialEq, Eq)]
// A free page must cost no memory of its own.
#[allow(clippy::large_enum_variant)]
pub enum Step {
    /// Nothing more is needed: no disk was touched.
    Decided(Decision),
    /// Read the body, then call `Paywall::decide` with it; if it is larger than `size_max`, call it
    /// with `body: None`. Unless the decision says [`Serve::as_get`] the content gets the body too.
    ReadBody {
        /// The largest body that is of use, in bytes.
        size_max: usize,
    },
    /// Call `Paywall::decide`, which may wait for the disk: not on a thread that must not wait.
    Work,
}

/// What the web server does with a request. Exhaustive on purpose: a server must carry out every
/// kind.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What became of the payment, for logs and variables.
    pub outcome: RequestOutcome,
    /// The user who paid, for logs and variables.
    pub user: Option<UserId>,
    /// Coins recorded by this request.
    pub coins: u32,
    /// Serve as a GET without a body, whatever was sent: the request was a payment in a POST.
    pub as_get: bool,
    /// Answer in full even if the client holds a fresh copy: no 304.
    pub ignore_conditions: bool,
    /// Keep the answer out of shared caches: `private` in `Cache-Control`, and `public`, `s-maxage`
    /// and CDN-Cache-Control taken out.
    pub is_private: bool,
    /// Request header fields to take out before content is made.
    pub strip_request_headers: &'static [&'static str],
    /// Header fields to add to the answer: MicroMint-Status with every status, the others if it is
    /// 2xx or
    /// 304. [`Serve::head`] does so.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Header fields to merge with the content's own, with every status; see [`Serve::head`].
    pub merge: Vec<Merge>,
    /// Set if this request recorded a payment or used a free view. When the head of the answer is
    /// made, pass it to `Paywall::settle` with the status, and the result to [`Serve::head`].
    pub charge: Option<Charge>,
    /// What the request was about.
    pub about: About,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answer {
    /// What became of the payment, for logs and variables.
    pub outcome: RequestOutcome,
    /// The status: 402, 400, 503, 204, ….
    pub status: u16,
    /// The header fields, `Content-Type` among them, `Content-Length` not.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Header fields to merge with those that the site adds to every answer; see [`Answer::head`].
    pub merge: Vec<Merge>,
    /// The body, also for HEAD (the server leaves it out there).
    pub body: Vec<u8>,
    /// Who tried to pay, for logs and variables.
    pub user: Option<UserId>,
    /// A line for the server's error log. It never holds a key or an authenticator.
    pub log: Option<String>,
    /// What the request was about.
    pub about: About,
}

/// What a request was about, for logs, variables and counters. Empty for a free page without a
/// payment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct About {
    /// The price, in coins.
    pub price: u32,
    /// The page's URL, as messages name it.
    pub url: Option<String>,
    /// The period of the coins sent.
    pub period: Option<Period>,
    /// The place is in a dry run: the outcome says what would have been, and nothing was recorded.
    pub is_dry_run: bool,
    /// An error for the server's log: a file that cannot be read.
    pub alert: Option<String>,
}

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Decision {
        Decision::Answer(Arc::new(answer))
    }
}

impl Decision {
    /// What became of the payment.
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

    /// Coins recorded by this request.
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
