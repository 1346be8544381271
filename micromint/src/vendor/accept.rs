//! Which form of a 402 answer a client prefers, by the header Accept (RFC 9110, 12.5.1).

use super::request::Request;
use crate::protocol::{MEDIA_TYPE, PROBLEM_MEDIA_TYPE};

/// The forms of a 402 answer, in the server's order of preference: of two forms with equal weight
/// the first is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/x-micromint`: the message itself.
    Message,
    /// `text/html`: a page for people.
    Page,
    /// `application/problem+json`; also for clients that ask for `application/json`.
    Problem,
}

/// How well a media range matches: its specificity, which is 0 for `*/*`, 1 for `type/*` and 2 for
/// the type itself, and its weight in thousandths.
type Rank = (u8, u32);

/// The form with the highest weight in `Accept`; the message if the header is absent or shows no
/// preference.
pub(super) fn form_for(request: &Request<'_>) -> Form {
    let forms: [(Form, &[&str]); 3] = [
        (Form::Message, &[MEDIA_TYPE]),
        (Form::Page, &["text/html"]),
        (Form::Problem, &[PROBLEM_MEDIA_TYPE, "application/json"]),
    ];
    let mut best = (Form::Message, 0);
    for (form, names) in forms {
        let weight = names.iter().map(|name| weight(request, name)).max().unwrap_or(0);
        if weight > best.1 {
            best = (form, weight);
        }
    }
    best.0
}

/// The weight of a media type in thousandths: that of the most specific range that covers it.
fn weight(request: &Request<'_>, name: &str) -> u32 {
    let ranges =
        request.header_values("accept").flat_map(|value| value.split(|byte| *byte == b','));
    let ranks = ranges.filter_map(|range| rank(range, name));
    ranks.max_by_key(|(precision, _)| *precision).map_or(0, |(_, weight)| weight)
}

/// How `range`, such as `text/*;q=0.5`, matches the media type `name`; `None` if it does not cover
/// it.
fn rank(range: &[u8], name: &str) -> Option<Rank> {
    let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let media = parts.next()?;
    let precision = match media {
        b"*/*" => 0,
        _ if media.eq_ignore_ascii_case(name.as_bytes()) => 2,
        _ => {
            let kind = media.strip_suffix(b"/*")?;
            let (its_kind, _) = name.split_once('/')?;
            kind.eq_ignore_ascii_case(its_kind.as_bytes()).then_some(1)?
        }
    };
    let q = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
    Some((precision, q.map_or(Some(1000), thousandths)?))
}

/// Reads a weight: `0` or `1`, optionally followed by `.` and up to three digits.
fn thousandths(text: &[u8]) -> Option<u32> {
    let (whole, fraction) = match text {
        [whole, b'.', fraction @ ..] => (*whole, fraction),
        [whole] => (*whole, [].as_slice()),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1')
        || fraction.len() > 3
        || !fraction.iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let digits = fraction
        .iter()
        .chain(b"000")
        .take(3)
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let weight = u32::from(whole - b'0') * 1000 + digits;
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(accept: &[&str]) -> Form {
        let headers: Vec<(&[u8], &[u8])> =
            accept.iter().map(|value| (b"Accept".as_slice(), value.as_bytes())).collect();
        form_for(&Request { headers: &headers, ..Request::default() })
    }

    #[test]
    fn the_highest_weight_wins_and_ties_go_to_the_message() {
        use Form::{Message, Page, Problem};
        for (accept, expected) in [
            ("*/*", Message),
            ("", Message),
            ("nonsense", Message),
            ("image/png", Message),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Page),
            ("TEXT/HTML", Page),
            ("text/*", Page),
            ("text/html, application/x-micromint", Message),
            ("text/html;q=0.9, application/x-micromint;q=0.8", Page),
            ("text/html;q=0.8, application/x-micromint;q=0.81", Message),
            ("application/json", Problem),
            ("application/problem+json, */*;q=0.1", Problem),
            ("application/*", Message),
            ("application/*, application/x-micromint;q=0", Problem),
            ("text/html;q=0, */*", Message),
            ("*/*;q=0.5, text/html;q=0.4", Message),
            ("text/html;q=0", Message),
            ("text/html; level=1 ; q=0.3, application/json;q=0.2", Page),
            ("text/html;q=2, application/json;q=0.2", Problem),
            ("text/html;q=0.0001, application/json;q=0.001", Problem),
            ("text/html;q=, application/json;q=0.001", Problem),
        ] {
            assert_eq!(form(&[accept]), expected, "{accept}");
        }
        assert_eq!(form(&[]), Message);
        assert_eq!(form(&["*/*;q=0.1", "text/html;q=0.2"]), Page);
    }
}
