//! What else than its path a request must have for an entry of the price list to count: the host,
//! parameters of the query, the end of the path.
//!
//! Input: the conditions of an entry, and a request. Output: whether they hold. The invariant:
//! where contents read a query differently, a condition on it may hold without being certain to.

use std::fmt;
use std::str::FromStr;

use super::query::{Names, Query, form_decoded};

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
    /// What contents may take for the name.
    pub(super) names: Names<'static>,
}

/// The end of a path, such as `.pdf`, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Suffix(pub(super) String);

/// Whether conditions hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// No.
    No,
    /// It depends on how the content reads the query.
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
        let name = form_decoded(name.as_bytes()).into_owned();
        let names = Names::of(&name).into_owned();
        let value = value.map(|value| form_decoded(value.as_bytes()).into_owned());
        Ok(Parameter { name, value, names })
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

    /// How specific they are: a host first, then the number of parameters, then the suffix. A value
    /// does not count: an exception for one parameter must not hide the price for another.
    pub(super) fn rank(&self) -> (bool, usize, usize) {
        let suffix = self.suffixes.iter().map(|suffix| suffix.0.len()).min().unwrap_or(0);
        (!self.hosts.is_empty(), self.query.len(), suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::prices::query::QUERY_PARAMETERS_MAX;

    fn conditions(query: &[&str]) -> Conditions {
        let query = query.iter().map(|text| text.parse().unwrap()).collect();
        Conditions { query, ..Conditions::default() }
    }

    fn holds(wanted: &[&str], query: &str) -> Holds {
        holds_at("/", wanted, query)
    }

    fn holds_at(path: &str, wanted: &[&str], query: &str) -> Holds {
        let query = Query::parse(path.as_bytes(), query.as_bytes());
        conditions(wanted).hold("", b"/", || &query)
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
        for (wanted, query, expected) in [
            ("p=1", "p=1", Holds::Yes),
            ("p=1", "a=b&p=1&c", Holds::Yes),
            ("p=1", "p=1&p=1", Holds::Yes),
            ("p=1", "p=2", Holds::No),
            ("p=1", "", Holds::No),
            ("p=1", "p=1&p=2", Holds::Maybe),
            ("p=1", "p=2&p=1", Holds::Maybe),
            ("p", "p", Holds::Yes),
            ("p", "p=1&p=2", Holds::Yes),
            ("p", "q=p", Holds::No),
            ("p=", "p", Holds::Yes),
            ("p=", "p=1", Holds::No),
            ("q=a b", "q=a%20b", Holds::Yes),
            ("q=a+b", "q=a%20b", Holds::Yes),
            ("q=a=b", "q=a=b", Holds::Yes),
            ("q=100%", "q=100%", Holds::Yes),
            ("p=\u{fc}", "p=%C3%BC", Holds::Yes),
            ("p", "url=https%3A%2F%2Fnews.example%2F%3Fp%3D17", Holds::No),
        ] {
            assert_eq!(holds(&[wanted], query), expected, "{wanted} {query}");
        }
        assert_eq!(holds(&["a=1", "b=2"], "a=1&b=2&b=3"), Holds::Maybe);
        assert_eq!(holds(&["a=1", "c"], "a=1&b=2&b=3"), Holds::No);
        assert_eq!(holds(&[], "a=1"), Holds::Yes);
    }

    #[test]
    fn a_name_that_contents_read_differently_may_be_the_one() {
        for (wanted, queries) in [
            (
                "p",
                &[
                    "%20p=17",
                    "+p=17",
                    "++p=17",
                    "%09p=17",
                    "%0Ap",
                    "p%00=17",
                    "p%00x=17",
                    "%00p",
                    "P=17",
                    "p[]=17",
                    "p[x]=1",
                    "p%5B%5D=17",
                    "p%5bx%5D[y]=17",
                    "[p]=17",
                    "p]=17",
                    "p%20=17",
                    "%70=17",
                    "%2570=17",
                    "%u0070=17",
                    "a=1;p=17",
                    "a;p",
                    "p;a=17",
                    "amp;p=17",
                    "x&+p",
                    "p[",
                    "p.=1&p%20",
                    "\u{ff}&+p",
                ][..],
            ),
            (
                "rest_route",
                &[
                    "rest.route=/x",
                    "rest+route=/x",
                    "rest%20route",
                    "rest[route=/x",
                    "rest%5Broute",
                    "+rest.route",
                    "REST_ROUTE=/x",
                    "rest_route%00",
                    "Rest.Route[]",
                ],
            ),
            ("a.b", &["a_b", "a+b=1", "a[b", "A.B"]),
            ("ids[]", &["ids=1", "ids[0]=1", "ids[x][y]", "IDS[]"]),
            ("A", &["a", "a[]=1"]),
            ("stra\u{df}e", &["STRASSE", "STRA%C3%9FE", "stra%C3%9Fe[]"]),
            ("kind", &["%E2%84%AAind"]),
            ("p=17", &["+p=17", "P=17", "p[]=17", "p[]=3", "a;p=17", "p=17;a", "%70=17", "p=%317"]),
        ] {
            for query in queries {
                assert_eq!(holds(&[wanted], query), Holds::Maybe, "{wanted} {query}");
            }
        }
        for (wanted, query) in [
            ("p", "pp=1"),
            ("p", "p_=1"),
            ("p", "_p=1"),
            ("p", "q[p]=1"),
            ("p", "a%26p=17"),
            ("rest_route", "restroute=1"),
            ("rest_route", "rest-route=1"),
            ("p", "%26p=1"),
            ("p=17", "P=18"),
            ("p", "x%00p=1"),
            ("p", "%"),
            ("p", "%u00=1"),
            ("p", "=p"),
        ] {
            assert_eq!(holds(&[wanted], query), Holds::No, "{wanted} {query}");
        }
        // A name that is certain stays so, whatever stands beside it, unless a value is wanted.
        assert_eq!(holds(&["p"], "+p=1&p=2"), Holds::Yes);
        assert_eq!(holds(&["p=2"], "+p=1&p=2"), Holds::Maybe);
        assert_eq!(holds(&["p=2"], "p[]&p=2"), Holds::Maybe);
    }

    #[test]
    fn a_value_that_contents_read_differently_may_be_the_one() {
        for (wanted, query) in [
            ("p=17", "p=017"),
            ("p=17", "p=17x"),
            ("p=17", "p=+17"),
            ("p=17", "p=%2B17"),
            ("p=17", "p=17.0"),
            ("p=17", "p=1.7e1"),
            ("p=17", "p=0x11"),
            ("p=17", "p=17%00"),
            ("p=17", "p=4294967313"),
            ("p=17", "p=%EF%BC%91%EF%BC%97"),
            ("p=17", "p="),
            ("p=07", "p=7"),
            ("p=1", "p=on"),
            ("p=full", "p=FULL"),
            ("p=full", "p=full+"),
            ("p=full", "p=%20full"),
            ("p=full", "p=f%75ll"),
            ("p=full", "p=full%00"),
            ("p=full", "p='full'"),
            ("p=full", "p=%2566ull"),
            ("p=full", "p=%u0066ull"),
            ("q=a b", "q=a+b"),
        ] {
            assert_eq!(holds(&[wanted], query), Holds::Maybe, "{wanted} {query}");
        }
        for (wanted, query) in [
            ("p=17", "p=16"),
            ("p=17", "p=0"),
            ("p=17", "p=999999999"),
            ("p=0", "p=1"),
            ("p=full", "p=fuller"),
            ("p=full", "p=f"),
            ("p=full", "p=17"),
            ("p=full", "p="),
        ] {
            assert_eq!(holds(&[wanted], query), Holds::No, "{wanted} {query}");
        }
    }

    #[test]
    fn a_rewrite_may_make_a_query_of_a_path() {
        for path in ["/a&p=17", "/a%26p=17", "/a%3Fp=17", "/a%3fx&p", "/a;p=17", "/&%20p=17"] {
            assert_eq!(holds_at(path, &["p"], ""), Holds::Maybe, "{path}");
        }
        for path in ["/p", "/p=17", "/a%2526p=17", "/tom%26jerry", "/100%", "/p&a"] {
            assert_eq!(holds_at(path, &["p"], ""), Holds::No, "{path}");
        }
        assert_eq!(holds_at("/a%26p=1", &["p=2"], "p=2"), Holds::Maybe);
    }

    #[test]
    fn of_too_many_parameters_all_may_hold() {
        for (count, expected) in
            [(QUERY_PARAMETERS_MAX, Holds::No), (QUERY_PARAMETERS_MAX + 1, Holds::Maybe)]
        {
            assert_eq!(holds(&["p"], &"a=1&".repeat(count)), expected, "{count}");
            assert_eq!(holds_at(&format!("/{}", "&a".repeat(count)), &["p"], ""), expected);
        }
        // The whole and its parts.
        for (count, expected) in
            [(QUERY_PARAMETERS_MAX - 1, Holds::No), (QUERY_PARAMETERS_MAX, Holds::Maybe)]
        {
            assert_eq!(holds(&["p"], &"a;".repeat(count)), expected, "{count}");
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
