//! A request as a web server received it, reduced to what the paywall needs.
//!
//! A server module builds a [`Request`] from its own type and has no rule about coins. The
//! invariant: no header outside `HEADERS_READ` changes a decision. (Where the price list has prices
//! for bots, others change the price, which is part of the request by then.)

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::preview::Preview;
use crate::protocol::{CRAWLER_EXACT_HEADER, CRAWLER_MAX_HEADER, PAYMENT_HEADER};
use crate::scheme::{AUTHORIZATION_HEADER, CREDENTIAL_HEADER};
use crate::time::UnixTime;

/// The request header fields that the paywall reads; names match in any case. A server that copies
/// a request needs no others.
pub(super) const HEADERS_READ: [&str; 20] = [
    "Accept",
    "Accept-Language",
    "Accept-Payment",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    AUTHORIZATION_HEADER,
    "Content-Type",
    "Cookie",
    CRAWLER_EXACT_HEADER,
    CRAWLER_MAX_HEADER,
    "Idempotency-Key",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    PAYMENT_HEADER,
    "Origin",
    CREDENTIAL_HEADER,
    "Range",
];

/// What the paywall sees of an HTTP request.
///
/// ```
/// use micromint::vendor::Request;
///
/// let headers: [(&[u8], &[u8]); 1] = [(b"Accept", b"text/html")];
/// let request = Request {
///     method: b"GET",
///     target: b"/story?page=2",
///     is_https: true,
///     host: Some(b"news.example"),
///     headers: &headers,
///     price: 3,
///     ..Request::default()
/// };
/// assert_eq!(request.headers.len(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The method as received, such as `GET`.
    pub method: &'a [u8],
    /// The request target exactly as received: path and query, not decoded, not normalised. Of a
    /// target in absolute form, what [`page_target`](super::page_target) takes from it. One that
    /// names no page is answered 400 if it has a price, and wherever there is a price list.
    pub target: &'a [u8],
    /// Whether the request was sent over TLS.
    pub is_https: bool,
    /// The host that was asked for, with its port if one was sent: the authority of a target in
    /// absolute form ([`authority_of_target`](super::authority_of_target)), otherwise the Host
    /// field. It selects one of the configured origins and never becomes part of a URL; a receipt
    /// or a recorded payment counts only for the host that it was made for.
    pub host: Option<&'a [u8]>,
    /// The port at which the server accepted the connection, if it is known.
    pub port: Option<u16>,
    /// The header fields in order, names in any case. The paywall ignores those that it does not
    /// need.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The whole body, empty if there is none; `None` if it was not read or is larger than allowed.
    pub body: Option<&'a [u8]>,
    /// The price of what is asked for, in base coins; 0 is free.
    pub price: u32,
    /// The other settings of the place that is asked for.
    pub place: Place<'a>,
    /// The address of the client: that of the connection, or the one that the server's own handling
    /// of trusted proxies puts in its place; never a header as a client sent it. A client without
    /// an address gets no free views.
    pub client: Option<IpAddr>,
    /// What is known of the content before it is generated; `None` for everything but files that
    /// the server itself is certain to send.
    pub content: Option<Content<'a>>,
}

/// The settings of a place in the server's configuration, except its price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// A path such as `/story/17/`: a receipt for this place opens every place with the same
    /// receipt path that costs no more. `None`: a receipt opens the one page.
    pub receipt_path: Option<&'a [u8]>,
    /// The number of pages that a visitor sees in a UTC day without paying; 0 for none.
    pub free_views: u32,
    /// Decide everything, record nothing, and serve the content free.
    pub is_dry_run: bool,
    /// A redirect by the content is what is sold, also for GET: it is charged.
    pub charges_redirects: bool,
    /// The title and teaser of the page, for the 402.
    pub preview: Option<&'a Arc<Preview>>,
    /// Others pay more, so no cache may give the page to them.
    pub is_private: bool,
}

/// What is known of a file before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content<'a> {
    /// The entity tag as the answer will contain it, such as `"5f-1a"` or `W/"5f-1a"`, with its
    /// quotes.
    pub etag: Option<&'a [u8]>,
    /// The time in Last-Modified.
    pub last_modified: Option<UnixTime>,
    /// The size in bytes; `None` if ranges are not served.
    pub size: Option<u64>,
}

impl<'a> Request<'a> {
    /// All values of a header, its name in any case.
    pub(super) fn header_values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let headers = self.headers;
        headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| *value)
    }

    /// Whether there is a header of this name, in any case.
    pub(super) fn has_header(&self, name: &str) -> bool {
        self.header_values(name).next().is_some()
    }

    /// The value of a header without the blanks around it; `None` if it is absent or repeated.
    pub(super) fn header_value(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.header_values(name);
        values.next().filter(|_| values.next().is_none()).map(<[u8]>::trim_ascii)
    }
}

/// A request that owns its bytes, for another thread or for later. One allocation holds all of them
/// but the table of header fields.
#[derive(Clone, Debug, Default)]
pub struct RequestBuf {
    bytes: Vec<u8>,
    method: Span,
    target: Span,
    host: Option<Span>,
    headers: SmallVec<[(Span, Span); HEADERS_USUAL]>,
    body: Option<Span>,
    receipt_path: Option<Span>,
    etag: Option<Span>,
    is_https: bool,
    port: Option<u16>,
    price: u32,
    free_views: u32,
    is_dry_run: bool,
    charges_redirects: bool,
    is_private: bool,
    client: Option<IpAddr>,
    preview: Option<Arc<Preview>>,
    content: Option<(Option<UnixTime>, Option<u64>)>,
}

/// How many of the fields that the paywall reads a browser with a payment sends.
const HEADERS_USUAL: usize = 6;

/// A part of a [`RequestBuf`]'s bytes: start and end.
type Span = (usize, usize);

impl From<&Request<'_>> for RequestBuf {
    /// Copies what the paywall examines: of the header fields only those that it reads.
    fn from(request: &Request<'_>) -> RequestBuf {
        let is_read = |name: &[u8]| {
            HEADERS_READ
                .iter()
                .any(|read| read.len() == name.len() && name.eq_ignore_ascii_case(read.as_bytes()))
        };
        let headers: SmallVec<[_; HEADERS_USUAL]> =
            request.headers.iter().filter(|(name, _)| is_read(name)).collect();
        let place = &request.place;
        let content = request.content;
        let etag = content.and_then(|content| content.etag);
        let optional = [request.host, request.body, place.receipt_path, etag];
        let len = request.method.len()
            + request.target.len()
            + optional.iter().flatten().map(|part| part.len()).sum::<usize>()
            + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(len);
        let mut keep = |part: &[u8]| {
            let start = bytes.len();
            bytes.extend_from_slice(part);
            (start, bytes.len())
        };
        RequestBuf {
            method: keep(request.method),
            target: keep(request.target),
            host: request.host.map(&mut keep),
            headers: headers.iter().map(|(name, value)| (keep(name), keep(value))).collect(),
            body: request.body.map(&mut keep),
            receipt_path: place.receipt_path.map(&mut keep),
            etag: etag.map(&mut keep),
            is_https: request.is_https,
            port: request.port,
            price: request.price,
            free_views: place.free_views,
            is_dry_run: place.is_dry_run,
            charges_redirects: place.charges_redirects,
            is_private: place.is_private,
            preview: place.preview.cloned(),
            client: request.client,
            content: content.map(|content| (content.last_modified, content.size)),
            bytes,
        }
    }
}

impl RequestBuf {
    /// Calls `with` with the request, and returns its result.
    pub fn as_request<R>(&self, with: impl FnOnce(&Request<'_>) -> R) -> R {
        let part = |(start, end): Span| &self.bytes[start..end];
        let headers: SmallVec<[_; HEADERS_USUAL]> =
            self.headers.iter().map(|(name, value)| (part(*name), part(*value))).collect();
        with(&Request {
            method: part(self.method),
            target: part(self.target),
            is_https: self.is_https,
            host: self.host.map(part),
            port: self.port,
            headers: &headers,
            body: self.body.map(part),
            price: self.price,
            place: Place {
                receipt_path: self.receipt_path.map(part),
                free_views: self.free_views,
                is_dry_run: self.is_dry_run,
                charges_redirects: self.charges_redirects,
                preview: self.preview.as_ref(),
                is_private: self.is_private,
            },
            client: self.client,
            content: self.content.map(|(last_modified, size)| Content {
                etag: self.etag.map(part),
                last_modified,
                size,
            }),
        })
    }
}
