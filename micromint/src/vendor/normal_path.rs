//! The normal form of a path. Every rule of the vendor compares paths in it, so that all spellings
//! of a page cost the same.
//!
//! Input: a path as a client sent it, or as a server decoded it. Output: its one spelling. It
//! begins with `/`, has no empty part and none that is `.` or `..`, and contains a percent sign
//! only in `%25` and `%2F`: to decode one of these would change what else the path says. The
//! invariant: the normal form of a normal form is itself.
//!
//! Servers and applications do not agree about some paths. [`NormalPath::readings`] has the normal
//! form of everything that such a path may mean.

use std::borrow::Cow;

use smallvec::{SmallVec, smallvec};

use super::origin::split_authority;

/// How often a path is decoded after the first time.
const DECODINGS_MAX: usize = 2;

/// Everything that a path may mean, its normal form first.
pub(super) type Readings<'a> = SmallVec<[NormalPath<'a>; 1]>;

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
        NormalPath(without_dots(&percent_escaped(path)).into())
    }

    /// The normal forms of everything that a path may mean, as a client sent it. Contents differ in
    /// six points, and each can change which page a path is for:
    ///
    /// - `%2F` is a slash before `.` and `..` are removed (nginx), or only then becomes one (Apache
    ///   with `AllowEncodedSlashes On`, which removes them again), or stays;
    /// - `%252F` is left as `%2F`, like `%2F` itself (Apache with `AllowEncodedSlashes NoDecode`);
    /// - what an escape stands for is decoded again, such as `%2541` to `A`, where a server passes
    ///   the decoded path on (`/index.php?q=$uri` of nginx, `index.php/$1` in an `.htaccess` file);
    /// - `\\` is a slash (IIS, .NET) or a character like others;
    /// - what follows a `;` in a part is a parameter that does not count (Tomcat, Spring), or a
    ///   part of the name;
    /// - `..` also removes an empty part before it (WHATWG URL), or empty parts are dropped first.
    pub(super) fn readings(path: &'a [u8]) -> Readings<'a> {
        if is_normal(path) && memchr::memchr2(b';', b'\\', path).is_none() {
            return smallvec![NormalPath(path.into())];
        }
        let decoded = decoded(path);
        let mut found = readings(&decoded);
        decoded_again(&decoded).for_each(|path| add_ways(&path, &mut found));
        found
    }

    /// These readings, and that of an application for which `.` and `..` are parts like others:
    /// for `/story/1/..` it may show what it has at `/story/{id}/{section}`. This one is no normal
    /// form.
    pub(super) fn readings_with_dots(path: &'a [u8]) -> Readings<'a> {
        let mut found = NormalPath::readings(path);
        if contains(path, b"/.") || contains(path, b"/%") {
            let mut add = |decoded: &[u8]| {
                if has_dots(decoded) {
                    found.push(NormalPath(with_dots(decoded).into()));
                }
            };
            let decoded = decoded(path);
            add(&decoded);
            decoded_again(&decoded).for_each(|decoded| add(&decoded));
        }
        found
    }

    /// The readings of a path that a server decoded, and that is not decoded again.
    pub(super) fn readings_of_decoded(path: &[u8]) -> Readings<'static> {
        readings(&percent_escaped(path))
    }

    /// Whether a page is certainly in a folder, whichever reading of its path holds.
    pub(super) fn is_within(path: &[u8], folder: &[u8]) -> bool {
        let folder = NormalPath::of_sent(folder);
        let folder = folder.0.strip_suffix(b"/").unwrap_or(&folder.0);
        let is_in = |reading: &NormalPath<'_>| {
            let rest = reading.0.strip_prefix(folder);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        NormalPath::readings_with_dots(path).iter().all(is_in)
    }

    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The target of the page that a request is for: path and query of a target as a client sent it. A
/// target in absolute form (RFC 9112, 3.2.2) is left without scheme and authority, and names the
/// page `/` if nothing is left. `None` for a target that names no page: `*`, the authority of a
/// CONNECT, and whatever is malformed, such as `?a`, `http:/a` and the empty target.
///
/// Servers accept more than that, and disagree about it. A server that has no path of its own for
/// such a target passes it on as it is, and the paywall refuses it.
///
/// ```
/// use micromint::vendor::page_target;
///
/// assert_eq!(page_target(b"/story?a").as_deref(), Some(b"/story?a".as_slice()));
/// assert_eq!(page_target(b"http://b.example/x").as_deref(), Some(b"/x".as_slice()));
/// assert_eq!(page_target(b"http://b.example?a").as_deref(), Some(b"/?a".as_slice()));
/// assert_eq!(page_target(b"http:/x"), None);
/// ```
pub fn page_target(target: &[u8]) -> Option<Cow<'_, [u8]>> {
    match local_part(target)? {
        local @ [b'/', ..] => Some(local.into()),
        b"" => Some(b"/".into()),
        local => Some([b"/", local].concat().into()),
    }
}

/// The path of a request target as a client sent it, and its query. `None` for a target that names
/// no page, see [`page_target`].
pub(super) fn path_and_query(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let local = local_part(target)?;
    let local = &local[..memchr::memchr(b'#', local).unwrap_or(local.len())];
    let (path, query) = match memchr::memchr(b'?', local) {
        Some(at) => (&local[..at], &local[at + 1..]),
        None => (local, &b""[..]),
    };
    Some((if path.is_empty() { b"/" } else { path }, query))
}

/// What stands before the query of a target that names a page, for contents that know no fragments
/// in a target: of `/a#?b` all of it.
pub(super) fn before_query(target: &[u8]) -> &[u8] {
    let local = local_part(target).unwrap_or_default();
    match memchr::memchr2(b'?', b'#', local) {
        Some(at) if local[at] == b'?' => &local[..at],
        _ => local,
    }
}

/// A target without scheme and authority: empty, or begins with `/`, `?` or `#`.
fn local_part(target: &[u8]) -> Option<&[u8]> {
    match target.first() {
        Some(b'/') => Some(target),
        _ => split_authority(target).map(|(_, local)| local),
    }
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

/// A path with each escape decoded that does not stand for `%` or `/`. A percent sign that begins
/// no escape stands for itself.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len() + 8);
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escape_at(after)) {
            (b'%', Some(b'/')) => bytes.extend_from_slice(b"%2F"),
            (b'%', None | Some(b'%')) => bytes.extend_from_slice(b"%25"),
            (b'%', Some(decoded)) => bytes.push(decoded),
            (byte, _) => bytes.push(*byte),
        }
        if *byte == b'%' && escape_at(after).is_some() {
            rest = &after[2..];
        }
    }
    bytes
}

/// The byte that two hexadecimal digits at the start of `text` stand for.
pub(super) fn escape_at(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// A path with each `%` written as `%25`.
fn percent_escaped(path: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(path.len() + 8);
    for byte in path {
        match byte {
            b'%' => encoded.extend_from_slice(b"%25"),
            byte => encoded.push(*byte),
        }
    }
    encoded
}

/// What a path becomes, whose escapes are decoded, if they are decoded again and again.
fn decoded_again(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::successors(decoded_once_more(path), |path| decoded_once_more(path))
        .take(DECODINGS_MAX)
}

/// `None` if no escape is left.
fn decoded_once_more(path: &[u8]) -> Option<Vec<u8>> {
    let is_escape = |at: usize| escape_at(&path[at + 3..]).is_some();
    memchr::memmem::find_iter(path, b"%25").any(is_escape).then(|| {
        let mut escaped = Vec::with_capacity(path.len());
        let mut rest = path;
        while let Some(at) = memchr::memmem::find(rest, b"%25") {
            escaped.extend_from_slice(&rest[..=at]);
            rest = &rest[at + 3..];
        }
        escaped.extend_from_slice(rest);
        decoded(&escaped)
    })
}

/// One way to read a path, see [`NormalPath::readings`].
#[derive(Clone, Copy)]
struct Way {
    decodes_slashes: bool,
    has_backslashes: bool,
    drops_parameters: bool,
    keeps_empty_parts: bool,
}

/// All readings of a path whose other escapes are decoded.
fn readings<'a>(path: &[u8]) -> Readings<'a> {
    let mut found = Readings::new();
    add_readings(path, &mut found);
    if contains(path, b"%252F") || contains(path, b"%252f") {
        add_readings(&with_single_escapes(path), &mut found);
    }
    found
}

fn add_readings(path: &[u8], found: &mut Readings<'_>) {
    add_ways(path, found);
    if contains(path, b"%2F") && contains(path, b"..") {
        // What is left of the escaped slashes is decoded, and then the dots of it are removed.
        let parts = || path.split(|byte| *byte == b'/');
        for keeps_empty_parts in [false, true] {
            add_ways(&joined(&kept_parts(parts(), keeps_empty_parts)), found);
        }
    }
}

fn add_ways(path: &[u8], found: &mut Readings<'_>) {
    let (escapes, backslashes, parameters) =
        (contains(path, b"%2F"), contains(path, b"\\"), contains(path, b";"));
    let empty_parts =
        contains(path, b"..") && (contains(path, b"//") || escapes || backslashes || parameters);
    let both = |is_there: bool| [Some(false), is_there.then_some(true)].into_iter().flatten();
    for decodes_slashes in both(escapes) {
        for has_backslashes in both(backslashes) {
            for drops_parameters in both(parameters) {
                for keeps_empty_parts in both(empty_parts) {
                    let way = Way {
                        decodes_slashes,
                        has_backslashes,
                        drops_parameters,
                        keeps_empty_parts,
                    };
                    let reading = NormalPath(read(path, way).into());
                    if !found.contains(&reading) {
                        found.push(reading);
                    }
                }
            }
        }
    }
}

fn contains(path: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(path, text).is_some()
}

/// A path with `%2F` for each `%252F`.
fn with_single_escapes(path: &[u8]) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' && (after.starts_with(b"252F") || after.starts_with(b"252f")) {
            bytes.extend_from_slice(b"%2F");
            rest = &after[4..];
        } else {
            bytes.push(*byte);
        }
    }
    bytes
}

fn read(path: &[u8], way: Way) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(path.len()), path);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' if way.decodes_slashes && after.starts_with(b"2F") => {
                bytes.push(b'/');
                rest = &after[2..];
            }
            b'\\' if way.has_backslashes => bytes.push(b'/'),
            byte => bytes.push(*byte),
        }
    }
    let parts = bytes.split(|byte| *byte == b'/').map(|part| match way.drops_parameters {
        true => &part[..memchr::memchr(b';', part).unwrap_or(part.len())],
        false => part,
    });
    resolved(parts, way.keeps_empty_parts)
}

/// A path without empty parts and those that are `.` or `..`. A `..` at the top leads nowhere.
fn without_dots(path: &[u8]) -> Vec<u8> {
    resolved(path.split(|byte| *byte == b'/'), false)
}

/// Whether a part of a path is `.` or `..`.
fn has_dots(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|part| matches!(part, b"." | b".."))
}

/// A path without its empty parts.
fn with_dots(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    joined(&(parts.collect(), path.ends_with(b"/")))
}

/// The path of these parts, without the empty ones and those that are `.` or `..`.
fn resolved<'p>(parts: impl Iterator<Item = &'p [u8]>, keeps_empty_parts: bool) -> Vec<u8> {
    let (mut kept, is_folder) = kept_parts(parts, keeps_empty_parts);
    kept.retain(|part| !part.is_empty());
    joined(&(kept, is_folder))
}

/// The parts that are left when each `.`, each `..` and what it goes up from are removed, and
/// whether they are those of a folder. With `keeps_empty_parts`, a `..` removes an empty part like
/// any other. A `..` at the top leads nowhere.
fn kept_parts<'p>(
    parts: impl Iterator<Item = &'p [u8]>,
    keeps_empty_parts: bool,
) -> (SmallVec<[&'p [u8]; 16]>, bool) {
    let mut kept: SmallVec<[&[u8]; 16]> = SmallVec::new();
    let mut is_folder = true;
    for (at, part) in parts.enumerate() {
        is_folder = matches!(part, b"" | b"." | b"..");
        match part {
            b"." => {}
            b".." => drop(kept.pop()),
            // What stands before the first slash is no part.
            b"" if at == 0 || !keeps_empty_parts => {}
            part => kept.push(part),
        }
    }
    (kept, is_folder)
}

/// The path of parts, and whether it is that of a folder.
fn joined((parts, is_folder): &(SmallVec<[&[u8]; 16]>, bool)) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>() + 1);
    for part in parts {
        out.push(b'/');
        out.extend_from_slice(part);
    }
    if *is_folder {
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
    fn a_path_that_contents_read_differently_has_all_its_readings() {
        let readings = |path: &str| -> Vec<String> {
            let text = |path: &NormalPath<'_>| String::from_utf8(path.as_bytes().to_vec()).unwrap();
            NormalPath::readings(path.as_bytes()).iter().map(text).collect()
        };
        for (path, expected) in [
            ("/a/b", &["/a/b"][..]),
            ("/a/./b/..", &["/a/"]),
            ("/a%25", &["/a%25"]),
            // Apache leaves `%2F` of both with `AllowEncodedSlashes NoDecode`.
            ("/a%252Fb", &["/a%252Fb", "/a%2Fb", "/a/b"]),
            ("/a%252fb", &["/a%252fb", "/a%2Fb", "/a/b"]),
            ("/a%25252Fb", &["/a%25252Fb", "/a%252Fb", "/a%2Fb", "/a/b"]),
            // What nginx and Apache decoded is decoded again.
            ("/%2561", &["/%2561", "/a"]),
            ("/%252561", &["/%252561", "/%2561", "/a"]),
            ("/%252525252561", &["/%252525252561", "/%2525252561", "/%25252561"]),
            ("/x/%252e%252e/a", &["/x/%252e%252e/a", "/a"]),
            ("/100%25/%25zz", &["/100%25/%25zz"]),
            ("/a%2fb", &["/a%2Fb", "/a/b"]),
            ("/a%2F%2Fb%2f", &["/a%2F%2Fb%2F", "/a/b/"]),
            // nginx decodes %2F before it resolves `..`.
            ("/x/a%2fb/../../a", &["/a", "/x/a"]),
            ("/x/y/..%2f/../a", &["/x/y/a", "/a", "/x/a"]),
            // Apache decodes it after that with `AllowEncodedSlashes On`, and resolves `..` again.
            ("/a/b%2fc/../d%2fe", &["/a/d%2Fe", "/a/b/d/e", "/a/d/e"]),
            ("/a/b%2fc/../..%2fd", &["/a/..%2Fd", "/a/d", "/d"]),
            ("/a;p/b;q", &["/a;p/b;q", "/a/b"]),
            ("/a/x/..;p/b", &["/a/x/..;p/b", "/a/b"]),
            ("/a/%3b/b", &["/a/;/b", "/a/b"]),
            ("/a\\b", &["/a\\b", "/a/b"]),
            ("/x/..%5ca", &["/x/..\\a", "/a"]),
            ("/a//../b", &["/b", "/a/b"]),
            ("/a//b", &["/a/b"]),
            (
                "/a%2fb;c\\d",
                &[
                    "/a%2Fb;c\\d",
                    "/a%2Fb",
                    "/a%2Fb;c/d",
                    "/a%2Fb/d",
                    "/a/b;c\\d",
                    "/a/b",
                    "/a/b;c/d",
                    "/a/b/d",
                ],
            ),
        ] {
            assert_eq!(readings(path), expected, "{path}");
        }
        for (path, expected) in [
            ("/a/b", &["/a/b"][..]),
            ("/a/./b/..", &["/a/", "/a/./b/.."]),
            ("//a/.b/%2e%2E//", &["/a/", "/a/.b/../"]),
            ("/%41/.b", &["/A/.b"]),
        ] {
            let found = NormalPath::readings_with_dots(path.as_bytes());
            let found: Vec<_> = found.iter().map(NormalPath::as_bytes).collect();
            let expected: Vec<_> = expected.iter().map(|path| path.as_bytes()).collect();
            assert_eq!(found, expected, "{path}");
        }
        let decoded = NormalPath::readings_of_decoded(b"/a%2Fb;c");
        let decoded: Vec<_> = decoded.iter().map(NormalPath::as_bytes).collect();
        assert_eq!(decoded[..2], [b"/a%252Fb;c".as_slice(), b"/a%252Fb"]);
        assert!(decoded.contains(&b"/a/b".as_slice()));
    }

    #[test]
    fn a_page_is_in_a_folder_if_all_its_readings_are() {
        for (path, folder, expected) in [
            ("/posts/one/", "/posts/one/", true),
            ("/posts/one/", "/posts/one", true),
            ("/posts/one", "/posts/one/", true),
            ("/posts/one/x/../y", "/posts/one/", true),
            ("/posts/two/../one/", "/posts/one/", false),
            ("/posts/one/%78", "/posts/one/", true),
            ("/posts/f%C3%BCr/x", "/posts/f%c3%bcr", true),
            ("/a", "/", true),
            ("/posts/one-more/", "/posts/one", false),
            ("/posts/one/..%2ftwo/", "/posts/one/", false),
            ("/posts/one/%2e%2e%2ftwo/", "/posts/one/", false),
            ("/posts/one/..;/two/", "/posts/one/", false),
            ("/posts/one/..\\two/", "/posts/one/", false),
            ("/posts/one/..%5ctwo/", "/posts/one/", false),
            ("/posts/one/%252e%252e/two/", "/posts/one/", false),
        ] {
            let found = NormalPath::is_within(path.as_bytes(), folder.as_bytes());
            assert_eq!(found, expected, "{path} in {folder}");
        }
    }

    #[test]
    fn a_target_has_a_path_and_a_query_or_names_no_page() {
        for (target, page, path, query) in [
            ("/a?b=c", "/a?b=c", "/a", "b=c"),
            ("/a", "/a", "/a", ""),
            ("/a?b?c#d", "/a?b?c#d", "/a", "b?c"),
            ("/a#b?c", "/a#b?c", "/a", ""),
            ("//a/b", "//a/b", "//a/b", ""),
            ("/a?://b/c", "/a?://b/c", "/a", "://b/c"),
            ("http://news.example/a?b", "/a?b", "/a", "b"),
            ("http://news.example/a?://b/c", "/a?://b/c", "/a", "://b/c"),
            ("http://news.example", "/", "/", ""),
            ("http://news.example?b", "/?b", "/", "b"),
            ("http://news.example#b", "/#b", "/", ""),
            ("http://news.example;b", "/", "/", ""),
            ("http:///a", "/a", "/a", ""),
            ("http://", "/", "/", ""),
            ("http://?", "/?", "/", ""),
            ("FTP://user@news.example:1//a", "//a", "//a", ""),
        ] {
            let found = path_and_query(target.as_bytes());
            assert_eq!(found, Some((path.as_bytes(), query.as_bytes())), "{target}");
            assert_eq!(
                page_target(target.as_bytes()).as_deref(),
                Some(page.as_bytes()),
                "{target}"
            );
        }
        for target in [
            "?b",
            "?",
            "#b",
            "*",
            "",
            "a",
            "./a",
            "\\a",
            "news.example:443",
            "http:",
            "http:a",
            "http:/a",
            "https:/a",
            "http:?a",
            "http:/a?://b/c",
            "http:/a://b/c",
            "://b/c",
            "ht_tp://b/c",
            " http://b/c",
            "?://b/c",
        ] {
            assert_eq!(path_and_query(target.as_bytes()), None, "{target}");
            assert_eq!(page_target(target.as_bytes()), None, "{target}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_of_a_normal_form_is_itself(
            path in "/?([ab.%/;]|%[0-9a-fA-F]{2}|%2[Ff5eE]|%5[Cc]|/\\.\\.?/|\u{fc}){0,24}",
        ) {
            let once = NormalPath::of_sent(path.as_bytes());
            let twice = NormalPath::of_sent(once.as_bytes());
            prop_assert_eq!(&once, &twice);
            let readings = NormalPath::readings(path.as_bytes());
            prop_assert_eq!(&readings[0], &once);
            for reading in &readings {
                prop_assert_eq!(&NormalPath::of_sent(reading.as_bytes()), reading);
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
