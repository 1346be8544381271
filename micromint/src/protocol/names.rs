//! The names of MicroMint in HTTP: header fields, media types and the cookie of a receipt.
//!
//! The names of the scheme "Payment" are in [`scheme`](crate::scheme).

/// The media type of every message.
pub const MEDIA_TYPE: &str = "application/x-micromint";
/// The media type of a problem (RFC 9457).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The request header field that carries a payment: the base64url form of a Payment message.
pub const PAYMENT_HEADER: &str = "MicroMint-Payment";
/// The answer header field that carries the base64url form of the Request-Payment message.
pub const REQUEST_HEADER: &str = "MicroMint-Request";
/// The answer header field with the outcome of the request: a word of
/// [`RequestOutcome::word`](super::RequestOutcome::word).
pub const STATUS_HEADER: &str = "MicroMint-Status";

/// The answer header field in which a broker's page names the period that it sells.
pub const PERIOD_HEADER: &str = "MicroMint-Period";
/// The answer header field in which a broker says that it sold nothing under a Transaction-ID and
/// will not: the period, a space, and the number.
pub const NOT_SOLD_HEADER: &str = "MicroMint-Not-Sold";

/// The request header field with the only price at which a crawler pays (Cloudflare's pay per
/// crawl): `USD 0.01`.
pub(crate) const CRAWLER_EXACT_HEADER: &str = "Crawler-Exact-Price";
/// The request header field with the highest price at which a crawler pays.
pub(crate) const CRAWLER_MAX_HEADER: &str = "Crawler-Max-Price";

/// The path of a vendor's manifest.
pub const MANIFEST_PATH: &str = "/.well-known/micromint";
/// The path of a vendor's public price list.
pub(crate) const PRICES_PATH: &str = "/.well-known/micromint/prices";
/// The path of the price list as an OpenAPI document.
pub(crate) const OPENAPI_PATH: &str = "/openapi.json";
/// The path of the price list for language models.
pub(crate) const LLMS_PATH: &str = "/llms.txt";

/// The beginning of a receipt cookie's name; 16 hexadecimal digits follow.
pub(crate) const RECEIPT_COOKIE_PREFIX: &str = "micromint-";
