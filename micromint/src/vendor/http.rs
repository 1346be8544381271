//! The shapes that pass between a web server and the paywall: a [`Request`] goes in, a [`Decision`]
//! comes out. A server module turns its own request into the one and the other into its own terms, and
//! holds no rule about coins.

use super::Refusal;

/// What the paywall sees of an HTTP request.
#[derive(Clone, Copy, Debug)]
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
    /// The header fields in order, names in any case.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The body, once it was read.
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
    /// Header fields to add to the answer.
    pub headers: Vec<(&'static str, String)>,
    /// Set if this request recorded a payment: hand it to `Paywall::settle` with
    /// the status of the answer when its head is made.
    pub charge: Option<super::paywall::Charge>,
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
}

/// What became of a request at the paywall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Nothing to pay.
    #[default]
    Free,
    /// No payment came with the request.
    Unpaid,
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
    /// The payment could not be recorded; nothing was kept.
    Unavailable,
}

impl Outcome {
    /// The word that names it in `MicroMint-Status`, logs and variables.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Free => "free",
            Outcome::Unpaid => "unpaid",
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
