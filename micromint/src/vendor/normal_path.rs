//! The normal form of a path. Every rule of the vendor compares paths in it, so that all spellings
//! of a page cost the same.
//!
//! Input: a path as a client sent it, or as a server decoded it. Output: its one spelling. It begins
//! with `/`, has no empty part and none that is `.` or `..`, and contains a percent sign only in
//! `%25` and `%2F`: to decode one of these would change what else the path says. The invariant: the
//! normal form of a normal form is itself.

use std::borrow::Cow;

use super::origin::authority_of_target;

/// A path in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NormalPath<'a>(Cow<'a, [u8]>);

impl<'a> NormalPath<'a> {
    /// The normal form of a path as a client sent it.
    pub(super) fn of_sent(path: &'a [u8]) -> NormalPath<'a> {
        if is_normal(path) {
            return NormalPath(path.into());
        }
        NormalPath(without_dots(&decoded(path)).into())
    }

    /// The normal form of a path that a server decoded.
    pub(super) fn of_decoded(path: &'a [u8]) -> NormalPath<'a> {
        if is_normal(path) {
            return NormalPath(path.into());
        }
        let mut encoded = Vec::with_capacity(path.len() + 8);
        for byte in path {
            match byte {
                b'%' => encoded.extend_from_slice(b"%25"),
                byte => encoded.push(*byte),
            }
        }
        NormalPath(without_dots(&encoded).into())
    }

    /// The same path as a server reads it that decodes `%2F` to a slash; `None` if it contains none.
    pub(super) fn with_slashes_decoded(&self) -> Option<NormalPath<'static>> {
        let escape = memchr::memmem::Finder::new(b"%2F");
        escape.find(&self.0)?;
        let (mut rest, mut path) = (&*self.0, Vec::with_capacity(self.0.len()));
        while let Some(at) = escape.find(rest) {
            path.extend_from_slice(&rest[..at]);
            path.push(b'/');
            rest = &rest[at + 3..];
        }
        path.extend_from_slice(rest);
        Some(NormalPath(without_dots(&path).into()))
    }

    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The path of a request target as a client sent it, and its query. `None` for a target without a
/// path: `*`, or the authority of a CONNECT.
pub(super) fn path_and_query(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let local = match target.first() {
        Some(b'/') => target,
        _ => {
            authority_of_target(target)?;
            let at = memchr::memmem::find(target, b"://")? + 3;
            let rest = &target[at..];
            &rest[rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len())..]
        }
    };
    let local = &local[..memchr::memchr(b'#', local).unwrap_or(local.len())];
    let (path, query) = match memchr::memchr(b'?', local) {
        Some(at) => (&local[..at], &local[at + 1..]),
        None => (local, &b""[..]),
    };
    Some((if path.is_empty() { b"/" } else { path }, query))
}

/// Whether a path is certainly in its normal form. Nearly all are found to be.
fn is_normal(path: &[u8]) -> bool {
    let mut before = 0;
    for byte in path {
        if *byte == b'%' || (before == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        before = *byte;
    }
    path.first() == Some(&b'/')
}

/// A path with each escape decoded that does not stand for `%` or `/`. A percent sign that begins no
/// escape stands for itself.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len() + 8);
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escaped(after)) {
            (b'%', Some(b'/')) => bytes.extend_from_slice(b"%2F"),
            (b'%', None | Some(b'%')) => bytes.extend_from_slice(b"%25"),
            (b'%', Some(decoded)) => bytes.push(decoded),
            (byte, _) => bytes.push(*byte),
        }
        if *byte == b'%' && escaped(after).is_some() {
            rest = &after[2..];
        }
    }
    bytes
}

/// The byte that two hexadecimal digits at the start of `text` stand for.
pub(super) fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// A path without empty parts and those that are `.` or `..`. A `..` at the top leads nowhere.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len() + 1);
    let mut is_folder = true;
    for part in path.split(|byte| *byte == b'/') {
        is_folder = matches!(part, b"" | b"." | b"..");
        match part {
            b"" | b"." => {}
            b".." => out.truncate(out.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            part => {
                out.push(b'/');
                out.extend_from_slice(part);
            }
        }
    }
    if is_folder {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(path: &str) -> String {
        String::from_utf8(NormalPath::of_sent(path.as_bytes()).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn every_spelling_of_a_path_has_one_normal_form() {
        for (path, normal) in [
            ("/x", "/x"),
            ("//x", "/x"),
            ("/./x", "/x"),
            ("/a/../x", "/x"),
            ("/%78", "/x"),
            ("/%2e/x", "/x"),
            ("/a/%2E%2e/x", "/x"),
            ("/../../x", "/x"),
            ("/a//b///c", "/a/b/c"),
            ("/a/", "/a/"),
            ("/a//", "/a/"),
            ("/a/.", "/a/"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/", "/"),
            ("", "/"),
            ("x", "/x"),
            ("/.well-known/a", "/.well-known/a"),
            ("/a/...", "/a/..."),
            ("/f%C3%BCr", "/f\u{fc}r"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2F..%2fb", "/a%2F..%2Fb"),
            ("/100%25", "/100%25"),
            ("/100%", "/100%25"),
            ("/100%2", "/100%252"),
            ("/%zz", "/%25zz"),
            ("/%2541", "/%2541"),
            ("/%%341", "/%2541"),
            ("/a%3Fb%23c", "/a?b#c"),
        ] {
            assert_eq!(sent(path), normal, "{path}");
        }
    }

    #[test]
    fn a_decoded_path_is_not_decoded_twice() {
        for (path, normal) in
            [("//a/./b", "/a/b"), ("/100%", "/100%25"), ("/%41", "/%2541"), ("/a/..", "/")]
        {
            assert_eq!(NormalPath::of_decoded(path.as_bytes()).as_bytes(), normal.as_bytes());
        }
    }

    #[test]
    fn a_slash_in_an_escape_has_two_readings() {
        let reading = |path: &str| {
            let path = NormalPath::of_sent(path.as_bytes()).with_slashes_decoded()?;
            Some(String::from_utf8(path.as_bytes().to_vec()).unwrap())
        };
        for (path, decoded) in [
            ("/a/b", None),
            ("/a%25", None),
            ("/a%2fb", Some("/a/b")),
            ("/a%2F%2Fb%2f", Some("/a/b/")),
            ("/x/..%2fa", Some("/a")),
            ("/a%252Fb", None),
        ] {
            assert_eq!(reading(path).as_deref(), decoded, "{path}");
        }
    }

    #[test]
    fn a_target_has_a_path_and_a_query() {
        for (target, expected) in [
            ("/a?b=c", Some(("/a", "b=c"))),
            ("/a", Some(("/a", ""))),
            ("/a?b?c#d", Some(("/a", "b?c"))),
            ("/a#b?c", Some(("/a", ""))),
            ("http://news.example/a?b", Some(("/a", "b"))),
            ("http://news.example", Some(("/", ""))),
            ("http://news.example?b", Some(("/", "b"))),
            ("?b", None),
            ("*", None),
            ("news.example:443", None),
            ("", None),
        ] {
            let found = path_and_query(target.as_bytes());
            let expected = expected.map(|(path, query)| (path.as_bytes(), query.as_bytes()));
            assert_eq!(found, expected, "{target}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_of_a_normal_form_is_itself(
            path in "/?([ab.%/]|%[0-9a-fA-F]{2}|%2[Ff5eE]|/\\.\\.?/|\u{fc}){0,24}",
        ) {
            let once = NormalPath::of_sent(path.as_bytes());
            let twice = NormalPath::of_sent(once.as_bytes());
            prop_assert_eq!(&once, &twice);
            if let Some(read) = once.with_slashes_decoded() {
                let again = NormalPath::of_sent(read.as_bytes());
                prop_assert_eq!(&read, &again);
                prop_assert_eq!(read.with_slashes_decoded(), None);
            }
        }

        /// Against RFC 3986, 6.2.2, step by step: escape by escape, then part by part.
        #[test]
        fn a_longer_spelling_has_the_same_normal_form(
            parts in prop::collection::vec("[a-z]{1,3}", 0..5),
            noise in prop::collection::vec((0usize..5, 0usize..5), 0..6),
            escapes in any::<u32>(),
        ) {
            let plain = format!("/{}", parts.join("/"));
            let mut spelled: Vec<String> = parts.clone();
            for (at, kind) in noise {
                let at = at.min(spelled.len());
                match kind {
                    0 => spelled.insert(at, String::new()),
                    1 => spelled.insert(at, ".".to_string()),
                    2 => spelled.insert(at, "%2e".to_string()),
                    3 => {
                        spelled.insert(at, "%2E.".to_string());
                        spelled.insert(at, "q".to_string());
                    }
                    _ => {}
                }
            }
            // The last part decides whether the path is that of a folder.
            let is_folder = parts.is_empty()
                || spelled.last().is_some_and(|part| !part.chars().all(char::is_lowercase)
                    || part.is_empty());
            let text = format!("/{}", spelled.join("/"));
            let mut encoded = String::new();
            for (at, char) in text.chars().enumerate() {
                match char {
                    'a'..='z' if escapes & (1 << (at % 32)) != 0 && !encoded.ends_with('%')
                        && !encoded.ends_with("%2") =>
                    {
                        encoded.push_str(&format!("%{:02x}", char as u32));
                    }
                    _ => encoded.push(char),
                }
            }
            let expected = if is_folder && plain != "/" { format!("{plain}/") } else { plain };
            prop_assert_eq!(sent(&encoded), expected, "{}", encoded);
        }
    }
}
