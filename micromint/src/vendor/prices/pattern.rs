//! The path of an entry of the price list: a pattern such as `/2026/{id}/`.
//!
//! Input: the text. Output: its parts, and for a path that matches, what the captures stand for. A
//! part is a text, `{name}` for any one part, or at the end `{*name}` for all parts that follow,
//! also none. The invariant: of two different patterns that match one path and begin with the same
//! kinds of parts, one is more specific.

use std::ops::Range;
use std::str::FromStr;

use smallvec::SmallVec;

use crate::percent::{is_unreserved, write_encoded};
use crate::vendor::normal_path::NormalPath;

/// The longest pattern, in bytes.
const PATTERN_LEN_MAX: usize = 1024;
/// The largest number of parts of a pattern.
pub const PATTERN_PARTS_MAX: usize = 32;
/// The largest number of captures in a pattern.
const CAPTURES_MAX: usize = 8;
/// The longest name of a capture, in bytes.
const CAPTURE_NAME_LEN_MAX: usize = 32;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) parts: Vec<Part>,
    /// Whether it was written with a slash at its end.
    pub(super) has_slash: bool,
    text: String,
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// This text, in normal form.
    Text(Vec<u8>),
    /// Any one part.
    Capture(String),
    /// All parts that follow.
    Rest(String),
}

/// The kind of a part. A smaller one is more specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// See [`Part::Text`].
    Text,
    /// See [`Part::Capture`].
    Capture,
    /// See [`Part::Rest`].
    Rest,
}

impl Part {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Part::Text(_) => Kind::Text,
            Part::Capture(_) => Kind::Capture,
            Part::Rest(_) => Kind::Rest,
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let wrong = |expected: &str| format!("expected {expected}, found {text:.80?}");
        if text.len() > PATTERN_LEN_MAX {
            return Err(format!("expected at most {PATTERN_LEN_MAX} bytes, found {}", text.len()));
        }
        let Some(local) = text.strip_prefix('/') else {
            return Err(wrong("a path that begins with /, such as /2026/{id}/"));
        };
        if text.contains(['?', '#']) {
            return Err(wrong("a path without ? and #; conditions on the query stand in `query`"));
        }
        let has_slash = local.is_empty() || local.ends_with('/');
        let inner = local.strip_suffix('/').unwrap_or(local);
        let mut parts = Vec::new();
        for part in inner.split('/').filter(|_| !local.is_empty()) {
            if matches!(parts.last(), Some(Part::Rest(_))) {
                return Err(wrong("nothing after the part {*name}"));
            }
            parts.push(Part::parse(part).map_err(|expected| wrong(&expected))?);
        }
        if has_slash && matches!(parts.last(), Some(Part::Rest(_))) {
            return Err(wrong("nothing after the part {*name}, not even a slash"));
        }
        if parts.len() > PATTERN_PARTS_MAX {
            return Err(format!(
                "expected at most {PATTERN_PARTS_MAX} parts, found {}",
                parts.len()
            ));
        }
        let pattern = Pattern { parts, has_slash, text: text.to_string() };
        let names: Vec<&str> = pattern.captures().collect();
        if names.len() > CAPTURES_MAX {
            return Err(format!("expected at most {CAPTURES_MAX} captures, found {}", names.len()));
        }
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, name)) => Err(wrong(&format!("each capture once, not {{{name}}} twice"))),
            None => Ok(pattern),
        }
    }
}

impl Part {
    fn parse(text: &str) -> Result<Part, String> {
        let is_name = |name: &str| {
            (1..=CAPTURE_NAME_LEN_MAX).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        let named = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        match named.map(|name| (name, name.strip_prefix('*'))) {
            Some((_, Some(name))) if is_name(name) => return Ok(Part::Rest(name.to_string())),
            Some((name, None)) if is_name(name) => return Ok(Part::Capture(name.to_string())),
            _ => {}
        }
        if text.contains(['{', '}']) {
            return Err(format!(
                "a capture such as {{id}} or {{*rest}} to be a whole part of the path, with a name \
                 of 1 to {CAPTURE_NAME_LEN_MAX} letters, digits, - and _"
            ));
        }
        if text.chars().any(char::is_control) {
            return Err("no control character".to_string());
        }
        // What other programs write for any part or all parts.
        if text.contains('*') || text.starts_with([':', '<']) {
            return Err(
                "{name} for any one part, {*name} for all parts that follow, and %2A, %3A \
                        or %3C for a star, or a colon or < at the beginning of a part"
                    .to_string(),
            );
        }
        if text.trim() != text {
            return Err("no blank at the beginning or end of a part, or %20 for it".to_string());
        }
        let path = format!("/{text}");
        let normal = NormalPath::of_sent(path.as_bytes());
        match normal.as_bytes() {
            [b'/', part @ ..] if !part.is_empty() => Ok(Part::Text(part.to_vec())),
            _ => Err("no empty part and none that is . or ..".to_string()),
        }
    }
}

impl Pattern {
    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its captures.
    pub(super) fn captures(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Capture(name) | Part::Rest(name) => Some(name.as_str()),
        })
    }

    /// Whether a path that this pattern matches can end with `suffix`, without a slash at its end.
    pub(super) fn can_end_with(&self, suffix: &str) -> bool {
        let Some(Part::Text(last)) = self.parts.last() else { return !self.parts.is_empty() };
        last.ends_with(suffix.as_bytes()) || suffix.as_bytes().ends_with(last)
    }

    /// Whether every path that `longer` matches begins with the path that this pattern stands for.
    pub(super) fn begins(&self, longer: &Pattern) -> bool {
        longer.parts.starts_with(&self.parts)
    }

    /// The path that this pattern stands for, if it begins the pattern that matches `path`. It is
    /// as a URL has it, without a slash at its end, so that a browser sends a cookie with this path
    /// for every spelling with and without one.
    pub(super) fn filled(&self, path: &SplitPath<'_>) -> String {
        let mut url = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            let Some(found) = path.parts.get(at) else { break };
            let end = if part.kind() == Kind::Rest { path.end } else { found.end };
            url.push('/');
            push_encoded(&mut url, &path.bytes[found.start..end]);
        }
        if url.is_empty() { "/".to_string() } else { url }
    }
}

/// Appends a piece of a normal path as a URL has it.
fn push_encoded(url: &mut String, piece: &[u8]) {
    // A percent sign in normal form begins an escape.
    let is_kept = |byte| is_unreserved(byte) || b"!$&'()*+,=:@/%".contains(&byte);
    // Writing to a String cannot fail.
    let _ = write_encoded(url, piece, is_kept);
}

/// A normal path and where its parts are.
#[derive(Debug)]
pub(super) struct SplitPath<'a> {
    pub(super) bytes: &'a [u8],
    /// The first [`PATTERN_PARTS_MAX`] parts.
    pub(super) parts: SmallVec<[Range<usize>; 12]>,
    /// Whether there are more.
    pub(super) has_more: bool,
    pub(super) has_slash: bool,
    /// Where the last part ends.
    end: usize,
}

impl<'a> SplitPath<'a> {
    pub(super) fn new(path: &'a NormalPath<'_>) -> SplitPath<'a> {
        let bytes = path.as_bytes();
        let has_slash = bytes.ends_with(b"/");
        let end = bytes.len() - usize::from(has_slash);
        let (mut parts, mut start, mut has_more) = (SmallVec::new(), 1, false);
        for slash in memchr::memchr_iter(b'/', bytes).skip(1).chain((!has_slash).then_some(end)) {
            if parts.len() == PATTERN_PARTS_MAX {
                has_more = true;
                break;
            }
            parts.push(start..slash);
            start = slash + 1;
        }
        SplitPath { bytes, parts, has_more, has_slash, end }
    }

    /// The path without a slash at its end.
    pub(super) fn without_slash(&self) -> &'a [u8] {
        &self.bytes[..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, String> {
        text.parse()
    }

    #[test]
    fn a_pattern_has_texts_and_captures() {
        let text = |text: &str| Part::Text(text.as_bytes().to_vec());
        let (capture, rest) =
            (|name: &str| Part::Capture(name.into()), |name: &str| Part::Rest(name.into()));
        for (written, parts, has_slash) in [
            ("/", vec![], true),
            ("/a", vec![text("a")], false),
            ("/a/", vec![text("a")], true),
            ("/f\u{fc}r/f%C3%BCr", vec![text("f\u{fc}r"), text("f\u{fc}r")], false),
            ("/a b/%20", vec![text("a b"), text(" ")], false),
            ("/2026/{id}/", vec![text("2026"), capture("id")], true),
            ("/{a}/{b-1_C}", vec![capture("a"), capture("b-1_C")], false),
            ("/{*rest}", vec![rest("rest")], false),
            ("/a/{b}/{*c}", vec![text("a"), capture("b"), rest("c")], false),
            ("/%7Bid%7D", vec![text("{id}")], false),
            ("/100%", vec![text("100%25")], false),
        ] {
            let pattern = pattern(written).unwrap();
            assert_eq!((pattern.parts.clone(), pattern.has_slash), (parts, has_slash), "{written}");
            assert_eq!(pattern.as_str(), written);
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_what_was_expected() {
        for (written, says) in [
            ("", "a path that begins with /"),
            ("a", "a path that begins with /, such as /2026/{id}/, found \"a\""),
            ("/a?b=c", "without ? and #"),
            ("/a//b", "no empty part"),
            ("//", "no empty part"),
            ("/a/../b", "none that is . or .."),
            ("/%2e", "none that is . or .."),
            ("/a/{*rest}/", "not even a slash"),
            ("/a/{*rest}/b", "nothing after the part {*name}"),
            ("/a-{id}", "to be a whole part"),
            ("/{id}.html", "to be a whole part"),
            ("/{}", "a name of 1 to 32"),
            ("/{*}", "a name of 1 to 32"),
            ("/{a b}", "a name of 1 to 32"),
            ("/{a/b}", "to be a whole part"),
            ("/{a}/{a}", "each capture once, not {a} twice"),
            ("/{a}/{*a}", "each capture once"),
            ("/a\nb", "no control character"),
            ("/a/*", "{*name} for all parts that follow"),
            ("/a/**/b", "{*name} for all parts that follow"),
            ("/a/.*", "%2A"),
            ("/a/*.html", "%2A"),
            ("/a/:id", "{name} for any one part"),
            ("/a/<id>", "{name} for any one part"),
            ("/a ", "no blank at the beginning or end"),
            ("/a/ b", "no blank at the beginning or end"),
        ] {
            let error = pattern(written).unwrap_err();
            assert!(error.contains(says), "{written}: {error}");
        }
    }

    #[test]
    fn a_star_and_a_blank_can_be_written_as_escapes() {
        for (written, text) in
            [("/%2A", "*"), ("/%3Aid", ":id"), ("/a%20", "a "), ("/a b", "a b"), ("/a:b", "a:b")]
        {
            let parts = pattern(written).unwrap().parts;
            assert_eq!(parts, [Part::Text(text.as_bytes().to_vec())], "{written}");
        }
    }

    #[test]
    fn a_suffix_can_be_the_end_of_a_path_or_not() {
        for (written, suffix, expected) in [
            ("/a.pdf", ".pdf", true),
            ("/a.html", ".pdf", false),
            ("/a.html/", ".html", true),
            ("/x/a", "x/a", true),
            ("/x/{a}", ".pdf", true),
            ("/{*rest}", ".pdf", true),
            ("/", ".pdf", false),
        ] {
            assert_eq!(pattern(written).unwrap().can_end_with(suffix), expected, "{written}");
        }
    }

    #[test]
    fn every_bound_is_kept_and_nothing_past_it() {
        let long = |len: usize| format!("/{}", "a".repeat(len - 1));
        let parts = |count: usize| "/a".repeat(count);
        let captures = |count: usize| -> String {
            (0..count).map(|number| format!("/{{c{number}}}")).collect()
        };
        let name = |len: usize| format!("/{{{}}}", "n".repeat(len));
        assert!(pattern(&long(PATTERN_LEN_MAX)).is_ok());
        assert!(pattern(&parts(PATTERN_PARTS_MAX)).is_ok());
        assert!(pattern(&captures(CAPTURES_MAX)).is_ok());
        assert!(pattern(&name(CAPTURE_NAME_LEN_MAX)).is_ok());
        for (written, says) in [
            (long(PATTERN_LEN_MAX + 1), "expected at most 1024 bytes, found 1025"),
            (parts(PATTERN_PARTS_MAX + 1), "expected at most 32 parts, found 33"),
            (captures(CAPTURES_MAX + 1), "expected at most 8 captures, found 9"),
            (name(CAPTURE_NAME_LEN_MAX + 1), "a name of 1 to 32"),
        ] {
            let error = pattern(&written).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_path_is_split_into_its_parts() {
        for (path, parts, has_slash) in [
            ("/", &[][..], true),
            ("/a", &["a"][..], false),
            ("/a/", &["a"][..], true),
            ("/a/b", &["a", "b"][..], false),
            ("/a/bc/", &["a", "bc"][..], true),
        ] {
            let path = NormalPath::of_sent(path.as_bytes());
            let split = SplitPath::new(&path);
            let found: Vec<&[u8]> =
                split.parts.iter().map(|part| &split.bytes[part.clone()]).collect();
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            assert_eq!((found, split.has_slash, split.has_more), (parts, has_slash, false));
        }
        for (count, has_more) in [(PATTERN_PARTS_MAX, false), (PATTERN_PARTS_MAX + 1, true)] {
            let long = "/a".repeat(count);
            let path = NormalPath::of_sent(long.as_bytes());
            let split = SplitPath::new(&path);
            assert_eq!((split.parts.len(), split.has_more), (PATTERN_PARTS_MAX, has_more));
        }
    }

    #[test]
    fn captures_are_filled_as_a_url_has_them() {
        for (receipt, path, filled) in [
            ("/2026/{id}/", "/2026/17/", "/2026/17"),
            ("/2026/{id}/", "/2026/17", "/2026/17"),
            ("/{a}", "/f%C3%BCr", "/f%C3%BCr"),
            ("/{a}", "/a%20b%3bc%3Fd", "/a%20b%3Bc%3Fd"),
            ("/{a}", "/100%25", "/100%25"),
            ("/a/{*rest}", "/a/b/c/", "/a/b/c"),
            ("/a/{*rest}", "/a/", "/a"),
            ("/{*rest}", "/", "/"),
            ("/", "/a", "/"),
        ] {
            let path = NormalPath::of_sent(path.as_bytes());
            let receipt = pattern(receipt).unwrap();
            assert_eq!(receipt.filled(&SplitPath::new(&path)), filled);
        }
    }

    #[test]
    fn a_receipt_begins_its_path() {
        for (receipt, path, begins) in [
            ("/2026/{id}/", "/2026/{id}/", true),
            ("/2026/", "/2026/{id}/", true),
            ("/", "/2026/{id}/", true),
            ("/2026/{other}", "/2026/{id}", false),
            ("/2027/{id}", "/2026/{id}", false),
            ("/2026/{id}/more", "/2026/{id}", false),
            ("/a/{*rest}", "/a/{*rest}", true),
            ("/a", "/a/{*rest}", true),
        ] {
            assert_eq!(pattern(receipt).unwrap().begins(&pattern(path).unwrap()), begins);
        }
    }
}
