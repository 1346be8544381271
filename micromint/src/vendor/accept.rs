//! Which form of a 402 answer a client prefers, by the header Accept (RFC 9110, 12.5.1).

use super::request::Request;
use crate::protocol::{MEDIA_TYPE, PROBLEM_MEDIA_TYPE};
use crate::scheme::{INTENT, METHOD};

/// The forms of a 402 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/x-micromint`: the message itself.
    Message,
    /// `text/html`: a page for people.
    Page,
    /// `application/problem+json`; also for clients that ask for `application/json`.
    Problem,
}

/// The media types that ask for each form, in the server's order of preference.
const FORMS: [(Form, &[&str]); 3] = [
    (Form::Message, &[MEDIA_TYPE]),
    (Form::Page, &["text/html"]),
    (Form::Problem, &[PROBLEM_MEDIA_TYPE, "application/json"]),
];

/// How well a media type is accepted: the weight of the most specific range that covers it, in
/// thousandths, and the specificity of that range, which is 0 for `*/*`, 1 for `type/*` and 2 for
/// the type itself. Of two forms the one with the higher weight is sent, then the one that was
/// asked for more specifically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    weight: u32,
    specificity: u8,
}

/// The form that matches `Accept` best; the message if the field is absent or allows no form.
///
/// `*/*` alone is what programs send that know nothing of MicroMint: link previews, crawlers,
/// `curl`. They get the page, unless the client `is_payer`: it brought a payment, or says that it
/// can make payments of this method (Accept-Payment).
pub(super) fn form_for(request: &Request<'_>, is_payer: bool) -> Form {
    let is_payer = is_payer || accepts_payment(request);
    let mut best = (Form::Message, Match::default());
    for (form, names) in FORMS {
        let found = names.iter().map(|name| match_of(request, name)).max().unwrap_or_default();
        let is_any = found.specificity == 0 && form == Form::Page && !is_payer;
        if found.weight > 0 && (found > best.1 || (is_any && found == best.1)) {
            best = (form, found);
        }
    }
    best.0
}

/// Whether a client says that it can make payments of this method, by Accept-Payment: a list of
/// ranges such as `micromint/charge;q=0.5`, of which the most specific one counts. A field that
/// cannot be read says that the client makes payments.
pub(super) fn accepts_payment(request: &Request<'_>) -> bool {
    let mut best: Option<Match> = None;
    let ranges =
        request.header_values("accept-payment").flat_map(|value| value.split(|byte| *byte == b','));
    for range in ranges.map(<[u8]>::trim_ascii) {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let token = parts.next().unwrap_or_default();
        let at = token.iter().position(|byte| *byte == b'/');
        let (Some(at), Some(weight)) = (at, weight_in(parts)) else { return true };
        let (method, intent) = (&token[..at], &token[at + 1..]);
        let specificity = match (method, intent) {
            (b"*", b"*") => 0,
            (b"*", intent) if intent == INTENT.as_bytes() => 1,
            (method, b"*") if method == METHOD.as_bytes() => 2,
            _ if method == METHOD.as_bytes() && intent == INTENT.as_bytes() => 3,
            _ => continue,
        };
        let found = Match { weight, specificity };
        if best.is_none_or(|best| found.specificity > best.specificity) {
            best = Some(found);
        }
    }
    best.is_some_and(|found| found.weight > 0)
}

/// How well a media type is accepted.
fn match_of(request: &Request<'_>, name: &str) -> Match {
    let ranges =
        request.header_values("accept").flat_map(|value| value.split(|byte| *byte == b','));
    let matches = ranges.filter_map(|range| match_by(range, name));
    matches.max_by_key(|found| found.specificity).unwrap_or_default()
}

/// How `range`, such as `text/*;q=0.5`, matches the media type `name`; `None` if it does not cover
/// it.
fn match_by(range: &[u8], name: &str) -> Option<Match> {
    let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let media = parts.next()?;
    let specificity = match media {
        b"*/*" => 0,
        _ if media.eq_ignore_ascii_case(name.as_bytes()) => 2,
        _ => {
            let kind = media.strip_suffix(b"/*")?;
            let (its_kind, _) = name.split_once('/')?;
            kind.eq_ignore_ascii_case(its_kind.as_bytes()).then_some(1)?
        }
    };
    Some(Match { weight: weight_in(parts)?, specificity })
}

/// The weight among the parameters of a range, in thousandths: 1000 without one, `None` if it is
/// not a weight.
pub(super) fn weight_in<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> Option<u32> {
    let q = parameters.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
    q.map_or(Some(1000), thousandths)
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

    fn form_with(accept: &[&str], others: &[&'static str], is_payer: bool) -> Form {
        let accept = accept.iter().map(|value| (b"Accept".as_slice(), value.as_bytes()));
        let others = others.iter().map(|name| (name.as_bytes(), b"micromint/charge".as_slice()));
        let headers: Vec<(&[u8], &[u8])> = accept.chain(others).collect();
        form_for(&Request { headers: &headers, ..Request::default() }, is_payer)
    }

    fn form(accept: &[&str]) -> Form {
        form_with(accept, &[], false)
    }

    #[test]
    fn the_highest_weight_wins_then_the_most_specific_range() {
        use Form::{Message, Page, Problem};
        for (accept, expected) in [
            ("", Message),
            ("nonsense", Message),
            ("image/png", Message),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Page),
            ("TEXT/HTML", Page),
            ("text/*", Page),
            ("text/html, */*", Page),
            ("text/html, application/x-micromint", Message),
            ("text/html;q=0.9, application/x-micromint;q=0.8", Page),
            ("text/html;q=0.8, application/x-micromint;q=0.81", Message),
            ("application/x-micromint, */*", Message),
            ("application/x-micromint;q=0.5, */*", Page),
            ("application/x-micromint;q=0.5, */*;q=0.5", Message),
            ("application/json", Problem),
            ("application/json, text/plain, */*", Problem),
            ("application/problem+json, */*", Problem),
            ("application/problem+json, */*;q=0.1", Problem),
            ("application/*", Message),
            ("application/*, */*", Message),
            ("application/*, application/x-micromint;q=0", Problem),
            ("text/html;q=0, */*", Message),
            ("*/*;q=0.5, text/html;q=0.4", Message),
            ("text/html;q=0", Message),
            ("*/*;q=0", Message),
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

    #[test]
    fn whoever_accepts_anything_gets_the_page_unless_it_can_pay() {
        for accept in ["*/*", "*/*;q=0.1", "image/avif, image/webp, */*;q=0.8"] {
            assert_eq!(form(&[accept]), Form::Page, "{accept}");
            assert_eq!(form_with(&[accept], &["Accept-Payment"], false), Form::Message);
            assert_eq!(form_with(&[accept], &[], true), Form::Message, "a payment was refused");
        }
        assert_eq!(form_with(&["text/html"], &["Accept-Payment"], true), Form::Page);
    }

    #[test]
    fn a_client_that_can_make_other_payments_only_is_like_any_other() {
        let accepts = |values: &[&str]| {
            let headers: Vec<(&[u8], &[u8])> = values
                .iter()
                .map(|value| (b"accept-payment".as_slice(), value.as_bytes()))
                .collect();
            accepts_payment(&Request { headers: &headers, ..Request::default() })
        };
        assert!(!accepts(&[]));
        for (value, expected) in [
            ("micromint/charge", true),
            ("tempo/charge, micromint/charge;q=0.3", true),
            ("micromint/*", true),
            ("*/charge", true),
            ("*/*", true),
            ("tempo/charge", false),
            ("micromint/session", false),
            ("micromint/charge;q=0", false),
            ("*/*, micromint/charge;q=0", false),
            ("micromint/charge;q=0, */*", false),
            ("micromint/*;q=0, micromint/charge", true),
            ("Micromint/charge", false),
            // It cannot be read.
            ("micromint", true),
            ("tempo/charge;q=2", true),
            ("", true),
        ] {
            assert_eq!(accepts(&[value]), expected, "{value:?}");
        }
        assert!(accepts(&["tempo/charge", "micromint/charge"]));
        assert!(!accepts(&["tempo/charge", "other/charge"]));
    }
}
