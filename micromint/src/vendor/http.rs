//! The shapes that pass between a web server and the paywall: a [`Request`] goes in, a [`Decision`]
//! comes out. A server module turns its own request into the one and the other into its own terms, and
//! holds no rule about coins.

use super::Refusal;
use super::paywall::Charge;

/// The request header that carries a payment: the base64url form of a Payment message.
pub const PAYMENT_HEADER: &str = "MicroMint-Payment";
/// The answer header that carries the base64url form of the Request-Payment message.
pub const REQUEST_HEADER: &str = "MicroMint-Request";
/// The answer header that says what became of the payment: a word of [`Outcome::word`].
pub const STATUS_HEADER: &str = "MicroMint-Status";

/// The request header fields that the paywall looks at, in lower case. A server that must copy a
/// request need copy no others.
pub const HEADERS_READ: [&str; 5] =
    ["accept", "content-type", "cookie", "idempotency-key", "micromint-payment"];

/// What a request must not carry to the content once it was paid for: fields by which some frameworks
/// turn one method into another, and the coins themselves.
pub const STRIPPED_HEADERS: &[&str] =
    &["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", PAYMENT_HEADER];
/// The same for a payment in the body, which is served as a GET without one.
pub const STRIPPED_HEADERS_WITH_BODY: &[&str] = &[
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Method",
    PAYMENT_HEADER,
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
}

impl<'a> Request<'a> {
    /// All values of a header, its name in any case.
    pub fn header_values(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = self.headers;
        headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
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
}

impl From<&Request<'_>> for RequestBuf {
    /// Copies what the paywall looks at: of the header fields only those of [`HEADERS_READ`].
    fn from(request: &Request<'_>) -> RequestBuf {
        let is_read =
            |name: &[u8]| HEADERS_READ.iter().any(|read| name.eq_ignore_ascii_case(read.as_bytes()));
        let headers = request.headers.iter().filter(|(name, _)| is_read(name));
        RequestBuf {
            method: request.method.to_vec(),
            target: request.target.to_vec(),
            is_https: request.is_https,
            host: request.host.map(<[u8]>::to_vec),
            headers: headers.map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
            body: request.body.map(<[u8]>::to_vec),
            price: request.price,
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
        })
    }
}

/// What a server does next, once a request's head is read.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Send this instead of the content.
    Answer(Answer),
}

/// How the content is served.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Serve {
    /// What became of the payment, for logs and variables.
    pub outcome: Outcome,
    /// The user who paid, for logs and variables.
    pub user: Option<String>,
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
    /// Header fields to add to the answer, provided that its status is 2xx or 304.
    pub headers: Vec<(&'static str, String)>,
    /// Set if this request recorded a payment: hand it to `Paywall::settle` with the status of the
    /// answer when its head is made. If that gives [`Outcome::Reversed`], add
    /// `MicroMint-Status: reversed` to the answer in place of `headers`.
    pub charge: Option<Charge>,
}

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What became of the payment, for logs and variables.
    pub outcome: Outcome,
    /// The status: 402, 400, 503, 204, ….
    pub status: u16,
    /// The header fields, `Content-Type` among them, `Content-Length` not.
    pub headers: Vec<(&'static str, String)>,
    /// The body, also for HEAD (the server leaves it out there).
    pub body: Vec<u8>,
    /// Who tried to pay, for logs and variables.
    pub user: Option<String>,
    /// What to write into the server's error log, where something is to be said there. It never holds
    /// a key or an authenticator.
    pub log: Option<String>,
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
            Decision::Serve(serve) => serve.user.as_deref(),
            Decision::Answer(answer) => answer.user.as_deref(),
        }
    }

    /// Coins recorded by this request.
    pub fn coins(&self) -> u32 {
        match self {
            Decision::Serve(serve) => serve.coins,
            Decision::Answer(_) => 0,
        }
    }
}

/// What became of a request at the paywall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Nothing to pay.
    #[default]
    Free,
    /// A payable page was asked for without a payment.
    Unpaid,
    /// The question of an OPTIONS request was answered in place of the page.
    Options,
    /// The payment was recorded.
    Paid,
    /// A receipt cookie covers the request.
    Receipt,
    /// The payment was recorded before and is answered again.
    Retry,
    /// The content is free and the payment was not recorded.
    Returned,
    /// The payment was recorded and taken back, since the answer is no success.
    Reversed,
    /// The payment was refused.
    Refused(Refusal),
    /// The request itself is wrong: two payments, or a target that no URL can hold.
    BadRequest,
    /// The payment could not be recorded, or the price not be read; nothing was kept.
    Unavailable,
}

impl Outcome {
    /// The word that names it in `MicroMint-Status`, logs and variables.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Free => "free",
            Outcome::Unpaid => "unpaid",
            Outcome::Options => "options",
            Outcome::Paid => "paid",
            Outcome::Receipt => "receipt",
            Outcome::Retry => "retry",
            Outcome::Returned => "returned",
            Outcome::Reversed => "reversed",
            Outcome::Refused(refusal) => refusal.word(),
            Outcome::BadRequest => "bad-request",
            Outcome::Unavailable => "unavailable",
        }
    }
}
