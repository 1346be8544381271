//! Public suffixes: the names under which anybody can get a name, such as `com`, `co.uk`, `github.io`.
//!
//! In goes a host name, out comes where its public suffix begins, by the algorithm of
//! <https://publicsuffix.org/list/>: of the rules that match, an exception counts, else the one with most
//! labels; without a rule the last label is the suffix. Both parts of the list count, that of registries
//! and that of companies.
//!
//! The list is a table of about 55 kB, made by `examples/make-suffix-table` from the crate `psl`, with
//! A-labels throughout. After a line of text it is an automaton that reads a rule from right to left. A
//! node is a run of edges. An edge is one or more symbols, a byte each, and then the offset of the node it
//! leads to, a number of 7-bit groups with the lowest first. Bit 7 of an edge's first symbol marks the
//! node's last edge, bit 6 of a symbol says that another one follows. Bit 0 of the offset says that a rule
//! ends at the node; the other bits count from the offset's last byte. An offset of 0 stands for a node
//! without edges, where a rule ends.

/// The table.
static TABLE: &[u8] = include_bytes!("public_suffixes.bin");

/// Where the root is: the text before it has a fixed size.
const ROOT: Place = Place::Node { edges: Some(64), ends_rule: false };

/// In an edge's first byte: it is the last one of its node.
const LAST_EDGE: u8 = 0x80;
/// In a symbol's byte: another symbol of the same edge follows.
const MORE: u8 = 0x40;
/// The part of a symbol's byte that is the symbol.
const SYMBOL: u8 = 0x3f;

// The symbols: - . 0-9 a-z * !
const HYPHEN: u8 = 0;
const DOT: u8 = 1;
const DIGITS: u8 = 2;
const LETTERS: u8 = 12;
/// Stands for any one label.
const WILDCARD: u8 = 38;
/// Stands at the end of an exception.
const EXCEPTION: u8 = 39;

/// How far into the automaton a name has led.
#[derive(Clone, Copy)]
enum Place {
    /// Inside an edge, whose next symbol is here.
    Edge(usize),
    /// At a node, whose edges begin here if it has any.
    Node { edges: Option<usize>, ends_rule: bool },
}

/// The public suffix of `name`, which has neither a trailing dot nor upper-case letters.
pub(super) fn public_suffix(name: &str) -> &str {
    let mut suffix = name.rsplit_once('.').map_or(name, |(_, last)| last);
    let (mut place, mut end) = (ROOT, name.len());
    loop {
        let start = name[..end].rfind('.').map_or(0, |dot| dot + 1);
        let is_any_label = place.after(WILDCARD).is_some_and(Place::ends_rule);
        let after_label = place.after_label(&name.as_bytes()[start..end]);
        let ends_exception = |place: Place| place.after(EXCEPTION).is_some_and(Place::ends_rule);
        if after_label.is_some_and(ends_exception) {
            return name.get(end + 1..).unwrap_or(name);
        }
        if is_any_label || after_label.is_some_and(Place::ends_rule) {
            suffix = &name[start..];
        }
        match after_label.and_then(|place| place.after(DOT)) {
            Some(next) if start > 0 => (place, end) = (next, start - 1),
            _ => return suffix,
        }
    }
}

impl Place {
    fn ends_rule(self) -> bool {
        matches!(self, Place::Node { ends_rule: true, .. })
    }

    /// The place after a label, which is read from right to left.
    fn after_label(self, label: &[u8]) -> Option<Place> {
        label.iter().rev().try_fold(self, |place, byte| place.after(symbol(*byte)?))
    }

    /// The place after one more symbol; `None` where no rule goes on with it.
    fn after(self, symbol: u8) -> Option<Place> {
        match self {
            Place::Edge(at) if TABLE.get(at)? & SYMBOL == symbol => Place::behind(at),
            Place::Edge(_) => None,
            Place::Node { edges, .. } => Place::behind(edge_with(edges?, symbol)?),
        }
    }

    /// The place after the symbol at `at`.
    fn behind(at: usize) -> Option<Place> {
        if TABLE.get(at)? & MORE != 0 {
            return Some(Place::Edge(at + 1));
        }
        let (offset, last) = offset_at(at + 1)?;
        let edges = (offset != 0).then_some(last + (offset >> 1));
        Some(Place::Node { edges, ends_rule: offset == 0 || offset & 1 == 1 })
    }
}

/// The edge that begins with `symbol`, of the node whose edges begin at `at`.
fn edge_with(mut at: usize, symbol: u8) -> Option<usize> {
    loop {
        let first = *TABLE.get(at)?;
        if first & SYMBOL == symbol {
            return Some(at);
        }
        if first & LAST_EDGE != 0 {
            return None;
        }
        while TABLE.get(at)? & MORE != 0 {
            at += 1;
        }
        let (_, last) = offset_at(at + 1)?;
        at = last + 1;
    }
}

/// The offset at `at`, and where its last byte is.
fn offset_at(at: usize) -> Option<(usize, usize)> {
    let mut offset = 0;
    // The table is smaller than 2^20 bytes.
    for (i, byte) in TABLE.get(at..)?.iter().take(3).enumerate() {
        offset |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((offset, at + i));
        }
    }
    None
}

/// The number of a character in the table; `None` for one that is in no rule.
fn symbol(byte: u8) -> Option<u8> {
    match byte {
        b'-' => Some(HYPHEN),
        b'0'..=b'9' => Some(DIGITS + (byte - b'0')),
        b'a'..=b'z' => Some(LETTERS + (byte - b'a')),
        _ => None,
    }
}

#[cfg(test)]
#[path = "../../examples/make-suffix-table/table.rs"]
mod table;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::table::{List, PATH, ascii_rule, encode};
    use super::*;

    #[test]
    fn suffixes_follow_the_rules() {
        for (name, suffix) in [
            ("com", "com"),
            ("news.com", "com"),
            ("uk", "uk"),
            ("news.co.uk", "co.uk"),
            ("a.b.news.co.uk", "co.uk"),
            ("someone.github.io", "github.io"),
            ("github.io", "github.io"),
            ("io", "io"),
            ("kawasaki.jp", "jp"),
            ("a.kawasaki.jp", "a.kawasaki.jp"),
            ("b.a.kawasaki.jp", "a.kawasaki.jp"),
            ("city.kawasaki.jp", "kawasaki.jp"),
            ("www.city.kawasaki.jp", "kawasaki.jp"),
            ("citys.kawasaki.jp", "citys.kawasaki.jp"),
            ("ck", "ck"),
            ("www.ck", "ck"),
            ("shop.ck", "shop.ck"),
            ("under_score.ck", "under_score.ck"),
            ("news.xn--55qx5d.cn", "xn--55qx5d.cn"),
            ("localhost", "localhost"),
            ("a.localhost", "localhost"),
            ("news.example", "example"),
            ("ncom", "ncom"),
            ("n.om", "om"),
            ("under_score", "under_score"),
        ] {
            assert_eq!(public_suffix(name), suffix, "{name}");
        }
    }

    #[test]
    fn the_table_is_that_of_the_crate() {
        let encoded = encode(&List::read());
        let again = "run cargo run -p micromint --example make-suffix-table";
        assert!(
            TABLE == encoded,
            "{PATH} is not that of the version of psl in Cargo.lock: {again}"
        );
        assert!(encoded.len() <= 60_000, "{}", encoded.len());
    }

    /// The algorithm as the list's site states it, on the rules themselves.
    fn by_the_rules<'a>(rules: &HashSet<String>, name: &'a str) -> &'a str {
        let dots = name.match_indices('.').map(|(dot, _)| dot + 1);
        let parts: Vec<&str> = std::iter::once(0).chain(dots).map(|at| &name[at..]).collect();
        if let Some(part) = parts.iter().find(|part| rules.contains(&format!("!{part}"))) {
            return part.split_once('.').unwrap().1;
        }
        let is_suffix = |part: &&&str| {
            let above = part.split_once('.').map(|(_, above)| format!("*.{above}"));
            rules.contains(**part) || above.is_some_and(|rule| rules.contains(&rule))
        };
        parts.iter().find(is_suffix).or(parts.last()).unwrap()
    }

    /// The crate overlooks `*.x` for a name `a.x` where there is a rule `*.a.x` too.
    fn is_overlooked_by_the_crate(rules: &HashSet<String>, name: &str) -> bool {
        let above = name.split_once('.').map_or("", |(_, above)| above);
        rules.contains(&format!("*.{name}")) && rules.contains(&format!("*.{above}"))
    }

    /// The names that a rule is about, and some near them. The crate has Unicode, the table A-labels.
    #[test]
    fn the_table_agrees_with_every_rule_and_with_the_crate() {
        let list = List::read();
        assert!(list.rules.len() > 10_000, "{}", list.rules.len());
        let rules: HashSet<String> = list.rules.iter().map(|rule| ascii_rule(rule)).collect();
        for rule in &list.rules {
            let base = rule.trim_start_matches('!').trim_start_matches("*.");
            let labels = base.split('.').count();
            let above = (1..labels).map(|i| base.splitn(i + 1, '.').last().unwrap().to_string());
            let names = ["", "a.", "b.a.", "c.b.a.", "a-", "city.", "www.", "www.city."]
                .map(|prefix| format!("{prefix}{base}"));
            // Letters of two directions do not go into one label.
            let is_label = |name: &String| base.is_ascii() || !name.starts_with("a-");
            for name in above.chain(names).filter(is_label) {
                let ascii = ascii_rule(&name);
                assert_eq!(public_suffix(&ascii), by_the_rules(&rules, &ascii), "{ascii}");
                if is_overlooked_by_the_crate(&rules, &ascii) {
                    continue;
                }
                let expected = psl::suffix(name.as_bytes()).unwrap();
                let expected = std::str::from_utf8(expected.as_bytes()).unwrap();
                assert_eq!(public_suffix(&ascii), ascii_rule(expected), "{name}");
            }
        }
    }
}
