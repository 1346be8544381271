//! What else than its path a request must have for an entry of the price list to count: the host,
//! parameters of the query, the end of the path.
//!
//! Input: the conditions of an entry, and a request. Output: whether they hold. The invariant:
//! where the request names a parameter more than once, with different values, it depends on the
//! content which of them counts, so a condition may hold without being certain to.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::vendor::normal_path::escape_at;

/// The largest number of parameters of a query that are compared. With more of them, every
/// condition on the query may hold.
const QUERY_PARAMETERS_MAX: usize = 256;
/// The largest number of hosts, of query conditions or of suffixes of an entry.
pub(super) const CONDITIONS_MAX: usize = 64;
/// The longest condition, in bytes.
const CONDITION_LEN_MAX: usize = 256;

/// The conditions of an entry, all of which must hold. An empty list is no condition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// The host is one of these.
    pub(super) hosts: Vec<String>,
    /// The query has all of these, sorted.
    pub(super) query: Vec<Parameter>,
    /// The path, without a slash at its end, ends with one of these.
    pub(super) suffixes: Vec<Suffix>,
}

/// A condition on the query: `page=2`, or `print` for any value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parameter {
    pub(super) name: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// The end of a path, such as `.pdf`, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suffix(pub(super) String);

/// Whether conditions hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// No.
    No,
    /// It depends on which of several values the content takes.
    Maybe,
    /// Yes.
    Yes,
}

impl fmt::Display for Conditions {
    /// Prints ` (hosts a.example; query page=2; suffix .pdf, .epub)`, or nothing without
    /// conditions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = self.query.iter().map(Parameter::to_string).collect::<Vec<_>>();
        let suffixes: Vec<&str> = self.suffixes.iter().map(|suffix| &*suffix.0).collect();
        let kinds = [
            ("hosts", self.hosts.join(", ")),
            ("query", query.join(", ")),
            ("suffix", suffixes.join(", ")),
        ];
        let mut before = " (";
        for (name, values) in kinds.iter().filter(|(_, values)| !values.is_empty()) {
            write!(f, "{before}{name} {values}")?;
            before = "; ";
        }
        if before == "; " { f.write_str(")") } else { Ok(()) }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name.escape_ascii())?;
        self.value.as_ref().map_or(Ok(()), |value| write!(f, "={}", value.escape_ascii()))
    }
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Parameter, String> {
        if text.len() > CONDITION_LEN_MAX {
            return Err(format!(
                "expected at most {CONDITION_LEN_MAX} bytes, found {}",
                text.len()
            ));
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name.is_empty() || text.contains(['&', '?', '#']) || text.chars().any(char::is_control) {
            return Err(format!(
                "expected one parameter of the query, such as page=2, or print for any value, \
                 found {text:?}"
            ));
        }
        Ok(Parameter {
            name: form_decoded(name.as_bytes()).into_owned(),
            value: value.map(|value| form_decoded(value.as_bytes()).into_owned()),
        })
    }
}

impl FromStr for Suffix {
    type Err = String;

    fn from_str(text: &str) -> Result<Suffix, String> {
        let is_suffix = (1..=CONDITION_LEN_MAX).contains(&text.len())
            && !text.ends_with('/')
            && !text.contains(['?', '#', '%', '*'])
            && !text.chars().any(char::is_control);
        if is_suffix {
            return Ok(Suffix(text.to_string()));
        }
        Err(format!(
            "expected the end of a path, such as .pdf, of at most {CONDITION_LEN_MAX} bytes, without \
             ?, #, %, * and a slash at its end, found {text:.80?}"
        ))
    }
}

/// A name or value of a query, decoded as forms encode it.
fn form_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return text.into();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escape_at(after)) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes.into()
}

/// A parameter of a request: its name and value, percent-decoded.
type Sent<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The parameters of a query.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    parameters: Vec<Sent<'a>>,
    /// Whether there are more than are compared.
    pub(super) is_cut: bool,
}

impl<'a> Query<'a> {
    pub(super) fn parse(query: &'a [u8]) -> Query<'a> {
        let mut parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
        let pair = |part: &'a [u8]| match memchr::memchr(b'=', part) {
            Some(at) => (form_decoded(&part[..at]), form_decoded(&part[at + 1..])),
            None => (form_decoded(part), b"".as_slice().into()),
        };
        let parameters = parts.by_ref().take(QUERY_PARAMETERS_MAX).map(pair).collect();
        Query { parameters, is_cut: parts.next().is_some() }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }

    fn has(&self, wanted: &Parameter) -> Holds {
        if self.is_cut {
            return Holds::Maybe;
        }
        let mut values =
            self.parameters().filter(|(name, _)| *name == wanted.name).map(|(_, value)| value);
        let Some(value) = &wanted.value else {
            return if values.next().is_some() { Holds::Yes } else { Holds::No };
        };
        let (mut is_found, mut is_other) = (false, false);
        for found in values {
            *if found == value { &mut is_found } else { &mut is_other } = true;
        }
        match (is_found, is_other) {
            (false, _) => Holds::No,
            (true, true) => Holds::Maybe,
            (true, false) => Holds::Yes,
        }
    }
}

impl Conditions {
    /// Whether all of them hold. `path` has no slash at its end; `query` is called if there is a
    /// condition on it.
    pub(super) fn hold<'a>(
        &self,
        host: &str,
        path: &[u8],
        query: impl Fn() -> &'a Query<'a>,
    ) -> Holds {
        let has_host = self.hosts.is_empty() || self.hosts.iter().any(|one| one == host);
        let has_suffix = self.suffixes.is_empty()
            || self.suffixes.iter().any(|suffix| path.ends_with(suffix.0.as_bytes()));
        if !has_host || !has_suffix {
            return Holds::No;
        }
        self.query.iter().map(|wanted| query().has(wanted)).min().unwrap_or(Holds::Yes)
    }

    /// Whether they hold wherever `other` do.
    pub(super) fn cover(&self, other: &Conditions) -> bool {
        let has_hosts = self.hosts.is_empty()
            || !other.hosts.is_empty() && other.hosts.iter().all(|it| self.hosts.contains(it));
        let is_implied = |own: &Parameter| {
            let implies = |it: &Parameter| {
                it.name == own.name && (own.value.is_none() || it.value == own.value)
            };
            other.query.iter().any(implies)
        };
        let ends = |it: &Suffix| self.suffixes.iter().any(|own| it.0.ends_with(&*own.0));
        let has_suffixes = self.suffixes.is_empty()
            || !other.suffixes.is_empty() && other.suffixes.iter().all(ends);
        has_hosts && has_suffixes && self.query.iter().all(is_implied)
    }

    /// How specific they are: a host first, then the number of parameters, then the suffix.
    pub(super) fn rank(&self) -> (bool, usize, usize) {
        let suffix = self.suffixes.iter().map(|suffix| suffix.0.len()).min().unwrap_or(0);
        (!self.hosts.is_empty(), self.query.len(), suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(query: &[&str]) -> Conditions {
        let query = query.iter().map(|text| text.parse().unwrap()).collect();
        Conditions { query, ..Conditions::default() }
    }

    #[test]
    fn conditions_cover_those_that_imply_them() {
        let all = |hosts: &[&str], query: &[&str], suffixes: &[&str]| Conditions {
            hosts: hosts.iter().map(|it| it.to_string()).collect(),
            suffixes: suffixes.iter().map(|it| it.parse().unwrap()).collect(),
            ..conditions(query)
        };
        let none = all(&[], &[], &[]);
        let (a, ab) = (all(&["a"], &[], &[]), all(&["a", "b"], &[], &[]));
        let (p, p7, p8) = (conditions(&["p"]), conditions(&["p=7"]), conditions(&["p=8"]));
        let (pdf, a_pdf) = (all(&[], &[], &[".pdf"]), all(&[], &[], &["a.pdf", "b.pdf"]));
        for (one, other, covers) in [
            (&none, &a, true),
            (&a, &none, false),
            (&ab, &a, true),
            (&a, &ab, false),
            (&none, &p7, true),
            (&p, &p7, true),
            (&p7, &p, false),
            (&p7, &p8, false),
            (&p7, &conditions(&["p=7", "q"]), true),
            (&conditions(&["p", "q"]), &p7, false),
            (&pdf, &a_pdf, true),
            (&a_pdf, &pdf, false),
            (&pdf, &none, false),
        ] {
            assert_eq!(one.cover(other), covers, "{one}, {other}");
        }
    }

    #[test]
    fn a_parameter_holds_if_all_its_values_do() {
        for (wanted, query, holds) in [
            ("p=1", "p=1", Holds::Yes),
            ("p=1", "a=b&p=1&c", Holds::Yes),
            ("p=1", "p=1&p=1", Holds::Yes),
            ("p=1", "p=2", Holds::No),
            ("p=1", "", Holds::No),
            ("p=1", "P=1", Holds::No),
            ("p=1", "p=1&p=2", Holds::Maybe),
            ("p=1", "p=2&p=1", Holds::Maybe),
            ("p=1", "%70=%31", Holds::Yes),
            ("p", "p", Holds::Yes),
            ("p", "p=1&p=2", Holds::Yes),
            ("p", "q=p", Holds::No),
            ("p=", "p", Holds::Yes),
            ("p=", "p=1", Holds::No),
            ("q=a b", "q=a+b", Holds::Yes),
            ("q=a+b", "q=a%20b", Holds::Yes),
            ("q=a=b", "q=a=b", Holds::Yes),
            ("q=100%", "q=100%", Holds::Yes),
            ("p=\u{fc}", "p=%C3%BC", Holds::Yes),
        ] {
            let query = Query::parse(query.as_bytes());
            assert_eq!(
                conditions(&[wanted]).hold("", b"/", || &query),
                holds,
                "{wanted} {query:?}"
            );
        }
        let query = Query::parse(b"a=1&b=2&b=3");
        assert_eq!(conditions(&["a=1", "b=2"]).hold("", b"/", || &query), Holds::Maybe);
        assert_eq!(conditions(&["a=1", "c"]).hold("", b"/", || &query), Holds::No);
        assert_eq!(conditions(&[]).hold("", b"/", || &query), Holds::Yes);
    }

    #[test]
    fn of_too_many_parameters_all_may_hold() {
        let text = |count: usize| "a=1&".repeat(count);
        for (count, holds) in
            [(QUERY_PARAMETERS_MAX, Holds::No), (QUERY_PARAMETERS_MAX + 1, Holds::Maybe)]
        {
            let text = text(count);
            let query = Query::parse(text.as_bytes());
            assert_eq!(conditions(&["p"]).hold("", b"/", || &query), holds, "{count}");
        }
    }

    #[test]
    fn hosts_and_suffixes_are_alternatives() {
        let suffixes = [".pdf", ".epub"].map(|suffix| suffix.parse().unwrap()).to_vec();
        let hosts = vec!["a.example".to_string(), "b.example".to_string()];
        let conditions = Conditions { hosts, suffixes, query: Vec::new() };
        for (host, path, holds) in [
            ("a.example", "/x.pdf", Holds::Yes),
            ("b.example", "/x.epub", Holds::Yes),
            ("c.example", "/x.pdf", Holds::No),
            ("a.example", "/x.PDF", Holds::No),
            ("a.example", "/pdf", Holds::No),
        ] {
            assert_eq!(conditions.hold(host, path.as_bytes(), || unreachable!()), holds);
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "=1", "a&b", "a#", "?a", "a\n"] {
            let error = text.parse::<Parameter>().unwrap_err();
            assert!(error.contains("expected one parameter of the query"), "{text}: {error}");
        }
        for text in ["", ".pdf/", ".p?", "%2e", "a\0"] {
            let error = text.parse::<Suffix>().unwrap_err();
            assert!(error.contains("expected the end of a path"), "{text}: {error}");
        }
        let long = |len: usize| "a".repeat(len);
        assert!(long(CONDITION_LEN_MAX).parse::<Parameter>().is_ok());
        assert!(long(CONDITION_LEN_MAX + 1).parse::<Parameter>().is_err());
        assert!(long(CONDITION_LEN_MAX).parse::<Suffix>().is_ok());
        assert!(long(CONDITION_LEN_MAX + 1).parse::<Suffix>().is_err());
    }
}
