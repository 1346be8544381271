//! The shapes that pass between a web server and the paywall: a [`Request`] goes in, a [`Decision`]
//! comes out. A server module turns its own request into the one and the other into its own terms, and
//! holds no rule about coins.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

pub use super::event::Event;
pub use super::head::{HeadChanges, Merge, MergeRule};
pub use super::outcome::Outcome;
use super::paywall::Charge;
use crate::identity::UserId;
use crate::period::Period;
use crate::scheme::CREDENTIAL_HEADER;
use crate::time::UnixTime;

/// The request header that carries a payment: the base64url form of a Payment message.
pub const PAYMENT_HEADER: &str = "MicroMint-Payment";
/// The answer header that carries the base64url form of the Request-Payment message.
pub const REQUEST_HEADER: &str = "MicroMint-Request";
/// The answer header that says what became of the payment: a word of [`Outcome::word`].
pub const STATUS_HEADER: &str = "MicroMint-Status";

/// The request header fields that the paywall looks at, in lower case. A server that must copy a
/// request need copy no others.
pub const HEADERS_READ: [&str; 17] = [
    "accept",
    "accept-payment",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "content-type",
    "cookie",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "micromint-payment",
    "origin",
    "payment-authorization",
    "range",
];

/// What a request must not carry to the content once it was paid for: fields by which some frameworks
/// turn one method into another, and the coins themselves.
pub const STRIPPED_HEADERS: &[&str] = &[
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Method",
    PAYMENT_HEADER,
    CREDENTIAL_HEADER,
];
/// The same where Authorization holds a payment. In every other case it is the site's own and stays.
pub const STRIPPED_HEADERS_WITH_AUTHORIZATION: &[&str] = &[
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Method",
    PAYMENT_HEADER,
    CREDENTIAL_HEADER,
    "Authorization",
];
/// The same for a payment in the body, which is served as a GET without one.
pub const STRIPPED_HEADERS_WITH_BODY: &[&str] = &[
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Method",
    PAYMENT_HEADER,
    CREDENTIAL_HEADER,
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Transfer-Encoding",
    "Expect",
];

/// What the paywall sees of an HTTP request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The method as received, such as `GET`.
    pub method: &'a [u8],
    /// The request target exactly as received: path and query, not decoded, not normalised.
    pub target: &'a [u8],
    /// Whether the request came over TLS.
    pub is_https: bool,
    /// The host asked for, with its port if one was sent. It only picks one of the configured origins
    /// and never becomes part of a URL.
    pub host: Option<&'a [u8]>,
    /// The header fields in order, names in any case. Only those of [`HEADERS_READ`] are looked at.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The whole body, empty if there is none; `None` if it was not read or is larger than allowed.
    pub body: Option<&'a [u8]>,
    /// The price of what is asked for, in coins; 0 is free.
    pub price: u32,
    /// The other terms of the place asked for.
    pub place: Place<'a>,
    /// The address of the client: of the connection, or what the server's own means of trusted proxies put in
    /// its place; never a header as a client sent it. `None` gets no free views.
    pub client: Option<IpAddr>,
    /// What is known of the content before it is made; `None` for everything but files that the server
    /// itself is certain to send.
    pub content: Option<Content<'a>>,
}

/// What a server's configuration says of a place beside its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// A path such as `/story/17/`: a receipt given here opens everything with this same receipt path
    /// that costs no more. `None`: a receipt opens the one page.
    pub receipt_path: Option<&'a [u8]>,
    /// How many pages a visitor sees a UTC day without paying; 0 for none.
    pub free_views: u32,
    /// Decide everything, record nothing, and serve the content free.
    pub is_dry_run: bool,
}

/// What is known of a file before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content<'a> {
    /// The entity tag as the answer will carry it, such as `"5f-1a"` or `W/"5f-1a"`, with its quotes.
    pub etag: Option<&'a [u8]>,
    /// The time in Last-Modified.
    pub last_modified: Option<UnixTime>,
    /// The size in bytes; `None` where ranges are not served.
    pub size: Option<u64>,
}

impl<'a> Request<'a> {
    /// All values of a header, its name in any case.
    pub fn header_values(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = self.headers;
        headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
    }
}

/// A request that owns its bytes, to be handed to another thread.
#[derive(Clone, Debug, Default)]
pub struct RequestBuf {
    method: Vec<u8>,
    target: Vec<u8>,
    is_https: bool,
    host: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<Vec<u8>>,
    price: u32,
    receipt_path: Option<Vec<u8>>,
    free_views: u32,
    is_dry_run: bool,
    client: Option<IpAddr>,
    content: Option<ContentBuf>,
}

#[derive(Clone, Debug)]
struct ContentBuf {
    etag: Option<Vec<u8>>,
    last_modified: Option<UnixTime>,
    size: Option<u64>,
}

impl From<&Request<'_>> for RequestBuf {
    /// Copies what the paywall looks at: of the header fields only those of [`HEADERS_READ`].
    fn from(request: &Request<'_>) -> RequestBuf {
        let is_read = |name: &[u8]| {
            HEADERS_READ.iter().any(|read| name.eq_ignore_ascii_case(read.as_bytes()))
        };
        let headers = request.headers.iter().filter(|(name, _)| is_read(name));
        RequestBuf {
            method: request.method.to_vec(),
            target: request.target.to_vec(),
            is_https: request.is_https,
            host: request.host.map(<[u8]>::to_vec),
            headers: headers.map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            body: request.body.map(<[u8]>::to_vec),
            price: request.price,
            receipt_path: request.place.receipt_path.map(<[u8]>::to_vec),
            free_views: request.place.free_views,
            is_dry_run: request.place.is_dry_run,
            client: request.client,
            content: request.content.map(|content| ContentBuf {
                etag: content.etag.map(<[u8]>::to_vec),
                last_modified: content.last_modified,
                size: content.size,
            }),
        }
    }
}

impl RequestBuf {
    /// Calls `with` with the request, and gives what it gives.
    pub fn as_request<R>(&self, with: impl FnOnce(&Request<'_>) -> R) -> R {
        let headers: Vec<(&[u8], &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        with(&Request {
            method: &self.method,
            target: &self.target,
            is_https: self.is_https,
            host: self.host.as_deref(),
            headers: &headers,
            body: self.body.as_deref(),
            price: self.price,
            place: Place {
                receipt_path: self.receipt_path.as_deref(),
                free_views: self.free_views,
                is_dry_run: self.is_dry_run,
            },
            client: self.client,
            content: self.content.as_ref().map(|content| Content {
                etag: content.etag.as_deref(),
                last_modified: content.last_modified,
                size: content.size,
            }),
        })
    }
}

/// What a server does next, once a request's head is read.
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

/// What the web server does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve the content.
    Serve(Serve),
    /// Send this instead of the content. Shared: what many ask for is made once.
    Answer(Arc<Answer>),
}

/// How the content is served.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Serve {
    /// What became of the payment, for logs and variables.
    pub outcome: Outcome,
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
    /// Header fields to add to the answer: MicroMint-Status whatever its status, the others if that is 2xx or
    /// 304; see [`Serve::head`], which does so.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Header fields to merge with the content's own, whatever the status; see [`Serve::head`].
    pub merge: Vec<Merge>,
    /// Set if this request recorded a payment, or used up a free view: hand it to `Paywall::settle` with the status of the
    /// answer when its head is made, and what that gives to [`Serve::head`].
    pub charge: Option<Charge>,
    /// What the request was about.
    pub about: About,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answer {
    /// What became of the payment, for logs and variables.
    pub outcome: Outcome,
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
    /// What to write into the server's error log, where something is to be said there. It never holds
    /// a key or an authenticator.
    pub log: Option<String>,
    /// What the request was about.
    pub about: About,
}

/// What a request was about, for logs, variables and counters. Empty for a free page without a payment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct About {
    /// The price, in coins.
    pub price: u32,
    /// The page's URL, as messages name it.
    pub url: Option<String>,
    /// The period of the coins sent.
    pub period: Option<Period>,
    /// The place only tries out what it would do: the outcome says what would have been, and nothing
    /// was recorded.
    pub is_dry_run: bool,
    /// What the vendor must be told, as an error in the server's log: a file that cannot be read.
    pub alert: Option<String>,
}

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Decision {
        Decision::Answer(Arc::new(answer))
    }
}

impl Decision {
    /// What became of the payment.
    pub fn outcome(&self) -> Outcome {
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
