//! Whether a request's own conditions forbid sending the content (RFC 9110, 13.2.2 and 14.2).
//!
//! Input: a request for a file whose entity tag, date and size the server supplied. Output: the
//! status sent instead of the content: 304, 412 or 416. This check runs before a payment is
//! recorded. The invariant: nobody pays for content that a condition withholds. If nothing is known
//! of the content, nothing is decided here, and the payment is reversed if the answer turns out not
//! to be a success.

use std::borrow::Cow;

use crate::time::UnixTime;

use super::decision::Answer;
use super::request::{Content, Request};
use crate::protocol::{RequestOutcome, STATUS_HEADER};

/// Why the content is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withheld {
    /// 304: the client has a current copy.
    NotModified,
    /// 412: it is not the version that the client expects.
    PreconditionFailed,
    /// 416: it has none of the ranges that the client asks for.
    RangeNotSatisfiable {
        /// The size of the content in bytes.
        size: u64,
    },
}

impl Withheld {
    /// The answer to a payment whose coins were not recorded because the content is withheld.
    pub(super) fn answer(self, content: Content<'_>) -> Answer {
        let (status, sentence) = match self {
            Withheld::NotModified => (304, ""),
            Withheld::PreconditionFailed => {
                (412, "The page is not the version that the request expects.\n")
            }
            Withheld::RangeNotSatisfiable { .. } => {
                (416, "The page has none of the requested ranges.\n")
            }
        };
        // An intermediate cache with an older, free copy must not renew that copy for others.
        let caching = if self == Withheld::NotModified { "private" } else { "no-store" };
        let mut headers = vec![
            ("Cache-Control", caching.into()),
            (STATUS_HEADER, RequestOutcome::Returned.word().into()),
        ];
        match self {
            Withheld::NotModified => headers.extend(validators(content)),
            Withheld::PreconditionFailed => headers.push(plain_text()),
            Withheld::RangeNotSatisfiable { size } => {
                headers.extend([("Content-Range", format!("bytes */{size}").into()), plain_text()]);
            }
        }
        Answer {
            outcome: RequestOutcome::Returned,
            status,
            headers,
            body: sentence.into(),
            ..Answer::default()
        }
    }
}

fn plain_text() -> (&'static str, Cow<'static, str>) {
    ("Content-Type", "text/plain; charset=utf-8".into())
}

/// The fields by which a client identifies its copy. An entity tag that a field cannot contain is
/// omitted.
fn validators(content: Content<'_>) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
    let etag = content.etag.filter(|etag| etag.iter().all(u8::is_ascii_graphic));
    let etag = etag.map(|etag| ("ETag", String::from_utf8_lossy(etag).into_owned().into()));
    let modified =
        content.last_modified.and_then(http_date).map(|date| ("Last-Modified", date.into()));
    etag.into_iter().chain(modified)
}

/// Whether the client of a view has the current copy, which has this entity tag.
pub(super) fn has_current(request: &Request<'_>, etag: &str) -> bool {
    names(request, "if-none-match", Some(etag.as_bytes()), is_same_weakly)
}

/// Whether the content is withheld from this request. With `is_get` it is served as a GET whatever
/// its method is, and its preconditions are ignored.
pub(super) fn withheld(
    request: &Request<'_>,
    content: &Content<'_>,
    is_get: bool,
) -> Option<Withheld> {
    if !is_get && let Some(withheld) = precondition(request, content) {
        return Some(withheld);
    }
    if is_get || request.method == b"GET" { range(request, content) } else { None }
}

fn precondition(request: &Request<'_>, content: &Content<'_>) -> Option<Withheld> {
    if request.has_header("if-match") {
        if !names(request, "if-match", content.etag, is_same_strongly) {
            return Some(Withheld::PreconditionFailed);
        }
    } else if let (Some(date), Some(modified)) =
        (date(request, "if-unmodified-since"), content.last_modified)
        && modified > date
    {
        return Some(Withheld::PreconditionFailed);
    }
    let is_view = matches!(request.method, b"GET" | b"HEAD");
    if request.has_header("if-none-match") {
        let is_held = names(request, "if-none-match", content.etag, is_same_weakly);
        return match (is_held, is_view) {
            (false, _) => None,
            (true, true) => Some(Withheld::NotModified),
            (true, false) => Some(Withheld::PreconditionFailed),
        };
    }
    match (date(request, "if-modified-since"), content.last_modified) {
        (Some(date), Some(modified)) if is_view && modified <= date => Some(Withheld::NotModified),
        _ => None,
    }
}

fn range(request: &Request<'_>, content: &Content<'_>) -> Option<Withheld> {
    let (size, value) = (content.size?, request.header_value("range")?);
    if request.has_header("if-range") && !range_applies(request.header_value("if-range"), content) {
        return None;
    }
    let is_satisfiable = ranges(value)?.iter().any(|range| range.is_satisfiable(size));
    (!is_satisfiable).then_some(Withheld::RangeNotSatisfiable { size })
}

/// Whether the part that the client holds belongs to exactly this content.
fn range_applies(if_range: Option<&[u8]>, content: &Content<'_>) -> bool {
    match if_range {
        Some(tag) if tag.ends_with(b"\"") => {
            content.etag.is_some_and(|etag| is_same_strongly(etag, tag))
        }
        Some(date) => read_date(date).is_some_and(|date| content.last_modified == Some(date)),
        None => false,
    }
}

// ---- entity tags

/// Whether a list of entity tags contains that of the content. `*` matches any content.
fn names(
    request: &Request<'_>,
    name: &str,
    etag: Option<&[u8]>,
    is_same: fn(&[u8], &[u8]) -> bool,
) -> bool {
    request.header_values(name).any(|value| {
        value.trim_ascii() == b"*"
            || etag.is_some_and(|etag| tags(value).any(|tag| is_same(etag, tag)))
    })
}

/// The entity tags of a list, each with its quotes and, if it is weak, its `W/`. Stops at the first
/// item that is not an entity tag.
fn tags(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        while let [b',', after @ ..] = rest {
            rest = after.trim_ascii_start();
        }
        let opaque = rest.strip_prefix(b"W/").unwrap_or(rest).strip_prefix(b"\"")?;
        let closing = opaque.iter().position(|byte| *byte == b'"')?;
        let (tag, after) = rest.split_at(rest.len() - opaque.len() + closing + 1);
        rest = after;
        Some(tag)
    })
}

fn is_same_strongly(one: &[u8], other: &[u8]) -> bool {
    one == other && !one.starts_with(b"W/")
}

fn is_same_weakly(one: &[u8], other: &[u8]) -> bool {
    fn opaque(tag: &[u8]) -> &[u8] {
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    opaque(one) == opaque(other)
}

// ---- dates

fn date(request: &Request<'_>, name: &str) -> Option<UnixTime> {
    read_date(request.header_value(name)?)
}

/// Parses an HTTP date in any of its three forms. Anything else is ignored, as RFC 9110 requires.
fn read_date(value: &[u8]) -> Option<UnixTime> {
    let time = httpdate::parse_http_date(std::str::from_utf8(value).ok()?.trim()).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok().map(UnixTime)
}

/// Formats `time` as an HTTP date.
pub(super) fn http_date(time: UnixTime) -> Option<String> {
    // httpdate prints years up to 9999 and panics for later ones.
    const END: u64 = 253_402_300_800;
    let seconds = u64::try_from(time.0).ok().filter(|seconds| *seconds < END)?;
    let time = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds))?;
    Some(httpdate::fmt_http_date(time))
}

// ---- ranges

/// A requested range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ByteRange {
    /// From this byte to the end, or to a later byte.
    From(u64),
    /// This many bytes at the end.
    Last(u64),
}

impl ByteRange {
    fn is_satisfiable(self, size: u64) -> bool {
        match self {
            ByteRange::From(first) => first < size,
            ByteRange::Last(bytes) => bytes > 0,
        }
    }
}

/// The ranges of a field; `None` if the field is to be ignored: another unit, or malformed.
fn ranges(value: &[u8]) -> Option<Vec<ByteRange>> {
    let value = value.trim_ascii();
    let (unit, list) = value.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let parts =
        list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty());
    let ranges: Vec<ByteRange> = parts.map(byte_range).collect::<Option<_>>()?;
    (!ranges.is_empty()).then_some(ranges)
}

fn byte_range(text: &[u8]) -> Option<ByteRange> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (first, last) = (&text[..dash], &text[dash + 1..]);
    if first.is_empty() {
        return Some(ByteRange::Last(number(last)?));
    }
    let first = number(first)?;
    if !last.is_empty() && number(last)? < first {
        return None;
    }
    Some(ByteRange::From(first))
}

/// A number of any length; a larger one saturates.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(digits.iter().fold(0, value))
}

#[cfg(test)]
mod tests {
    use super::Withheld::{NotModified, PreconditionFailed};
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn asked(method: &str, headers: &[(&str, &str)], content: Content<'_>) -> Option<Withheld> {
        let headers: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request =
            Request { method: method.as_bytes(), headers: &headers, ..Request::default() };
        withheld(&request, &content, false)
    }

    fn file() -> Content<'static> {
        Content {
            etag: Some(b"\"a,b\""),
            last_modified: Some(UnixTime(784_111_777)),
            size: Some(100),
        }
    }

    fn weak() -> Content<'static> {
        Content { etag: Some(b"W/\"a,b\""), ..file() }
    }

    #[test]
    fn preconditions_stand_in_the_order_of_rfc_9110() {
        for (method, headers, expected) in [
            ("GET", &[][..], None),
            ("GET", &[("If-Match", "\"a,b\"")], None),
            ("GET", &[("If-Match", "*")], None),
            ("GET", &[("If-Match", "\"x\", \"a,b\"")], None),
            ("GET", &[("If-Match", "\"x\""), ("If-Match", "\"a,b\"")], None),
            ("GET", &[("If-Match", "W/\"a,b\"")], Some(PreconditionFailed)),
            ("GET", &[("If-Match", "\"x\"")], Some(PreconditionFailed)),
            ("GET", &[("If-Match", "a,b")], Some(PreconditionFailed)),
            ("DELETE", &[("If-Match", "\"x\"")], Some(PreconditionFailed)),
            (
                "GET",
                &[("If-Match", "\"x\""), ("If-None-Match", "\"a,b\"")],
                Some(PreconditionFailed),
            ),
            ("GET", &[("If-Match", "\"a,b\""), ("If-None-Match", "\"a,b\"")], Some(NotModified)),
            ("GET", &[("If-Match", "\"a,b\""), ("If-Unmodified-Since", BEFORE)], None),
            ("GET", &[("If-Unmodified-Since", BEFORE)], Some(PreconditionFailed)),
            ("GET", &[("If-Unmodified-Since", THEN)], None),
            ("GET", &[("If-Unmodified-Since", "yesterday")], None),
            ("GET", &[("If-None-Match", "\"a,b\"")], Some(NotModified)),
            ("GET", &[("if-none-match", " ,, \"x\" ,W/\"a,b\" ")], Some(NotModified)),
            ("HEAD", &[("If-None-Match", "*")], Some(NotModified)),
            ("PUT", &[("If-None-Match", "*")], Some(PreconditionFailed)),
            ("GET", &[("If-None-Match", "\"x\"")], None),
            ("GET", &[("If-None-Match", "\"a")], None),
            ("GET", &[("If-None-Match", "x, \"a,b\"")], None),
            ("GET", &[("If-None-Match", "\"x\""), ("If-Modified-Since", AFTER)], None),
            ("GET", &[("If-Modified-Since", AFTER)], Some(NotModified)),
            ("GET", &[("If-Modified-Since", THEN)], Some(NotModified)),
            ("GET", &[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], Some(NotModified)),
            ("GET", &[("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], Some(NotModified)),
            ("GET", &[("If-Modified-Since", BEFORE)], None),
            ("GET", &[("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER)], None),
            ("POST", &[("If-Modified-Since", AFTER)], None),
        ] {
            assert_eq!(asked(method, headers, file()), expected, "{method} {headers:?}");
        }
        assert_eq!(asked("GET", &[("If-None-Match", "\"a,b\"")], weak()), Some(NotModified));
        assert_eq!(asked("GET", &[("If-Match", "W/\"a,b\"")], weak()), Some(PreconditionFailed));
    }

    #[test]
    fn only_ranges_of_which_nothing_is_there_are_withheld() {
        let out = Some(Withheld::RangeNotSatisfiable { size: 100 });
        for (value, expected) in [
            ("bytes=0-0", None),
            ("bytes=99-", None),
            ("bytes=100-", out),
            ("bytes=100-200, 99-99", None),
            ("bytes=100-200, 300-", out),
            ("Bytes=-1", None),
            ("bytes=-0", out),
            ("bytes=-0,-5", None),
            ("bytes=99999999999999999999999-", out),
            ("bytes=-99999999999999999999999", None),
            ("bytes=200-100", None),
            ("bytes=100-,x", None),
            ("bytes=,", None),
            ("bytes=", None),
            ("bytes=+100-", None),
            ("lines=100-", None),
            ("100-", None),
            ("", None),
        ] {
            assert_eq!(asked("GET", &[("Range", value)], file()), expected, "{value}");
            assert_eq!(asked("HEAD", &[("Range", value)], file()), None, "{value}");
        }
        assert_eq!(asked("GET", &[("Range", "bytes=100-"), ("Range", "bytes=100-")], file()), None);
        let without = Content { size: None, ..file() };
        assert_eq!(asked("GET", &[("Range", "bytes=100-")], without), None);
        let empty = Content { size: Some(0), ..file() };
        assert_eq!(asked("GET", &[("Range", "bytes=-5")], empty), None);
        assert_eq!(
            asked("GET", &[("Range", "bytes=0-")], empty),
            Some(Withheld::RangeNotSatisfiable { size: 0 })
        );
    }

    #[test]
    fn a_part_of_other_content_is_asked_for_whole() {
        let out = Some(Withheld::RangeNotSatisfiable { size: 100 });
        for (if_range, expected) in [
            ("\"a,b\"", out),
            ("W/\"a,b\"", None),
            ("\"x\"", None),
            (THEN, out),
            (AFTER, None),
            ("x", None),
        ] {
            let headers = [("Range", "bytes=100-"), ("If-Range", if_range)];
            assert_eq!(asked("GET", &headers, file()), expected, "{if_range}");
        }
        assert_eq!(
            asked("GET", &[("Range", "bytes=100-"), ("If-Range", "W/\"a,b\"")], weak()),
            None
        );
    }

    #[test]
    fn a_payment_in_a_post_has_no_preconditions_but_ranges() {
        let headers: [(&[u8], &[u8]); 2] = [(b"If-None-Match", b"*"), (b"Range", b"bytes=100-")];
        let request = Request { method: b"POST", headers: &headers, ..Request::default() };
        assert_eq!(
            withheld(&request, &file(), true),
            Some(Withheld::RangeNotSatisfiable { size: 100 })
        );
        assert_eq!(withheld(&Request { headers: &headers[..1], ..request }, &file(), true), None);
    }

    #[test]
    fn dates_are_printed_as_they_are_read() {
        assert_eq!(http_date(UnixTime(784_111_777)).as_deref(), Some(THEN));
        assert_eq!(
            http_date(UnixTime(253_402_300_799)).as_deref(),
            Some("Fri, 31 Dec 9999 23:59:59 GMT")
        );
        for out in [-1, 253_402_300_800, i64::MAX] {
            assert_eq!(http_date(UnixTime(out)), None, "{out}");
        }
    }
}
