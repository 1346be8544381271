//! The head of an answer: the fields that the paywall adds to those of the content and the site,
//! and those that it removes.
//!
//! Input: a decision and the current fields. Output: changes that a server carries out literally.
//! The invariant: the site's own fields stay, unless they would let a cache give a paid page to
//! other clients.

use std::borrow::Cow;

use super::cache::{SHARED_CACHE_HEADERS, private_cache_control};
use super::charge::is_delivered;
use super::decision::{Answer, Serve};
use super::merge::{Merge, MergeRule, united};
use crate::protocol::{RequestOutcome, STATUS_HEADER};
use crate::scheme::RECEIPT_HEADER;

/// The fields that describe the body of an answer.
const BODY_HEADERS: [&str; 4] =
    ["Content-Language", "Content-Security-Policy", "Content-Type", "X-Content-Type-Options"];

/// The changes to an answer's head: a server first removes fields, then adds others.
///
/// ```
/// use micromint::vendor::Answer;
///
/// let mut answer = Answer { status: 402, ..Answer::default() };
/// answer.headers.push(("Content-Type", "text/html".into()));
/// let changes = answer.head(|_name| Vec::new());
/// assert_eq!(changes.add, [("Content-Type", "text/html".into())]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadChanges<'a> {
    /// Names, in any case; the server removes every field with such a name.
    pub remove: Vec<&'static str>,
    /// Fields to add.
    pub add: Vec<(&'static str, Cow<'a, str>)>,
}

fn is_content_type(name: &str) -> bool {
    name.eq_ignore_ascii_case("Content-Type")
}

impl Serve {
    /// The changes to the head of the content's answer with this `status`. `became` is the result
    /// of `Paywall::finish`, or `outcome` if there was no charge. `values` returns the values of
    /// all fields of a name, in any case, that the answer would have.
    pub fn head(
        &self,
        status: u16,
        became: RequestOutcome,
        values: impl Fn(&str) -> Vec<String>,
    ) -> HeadChanges<'_> {
        let mut changes = HeadChanges::with_room(self.headers.len() + self.merge.len());
        if self.is_private {
            changes.keep_private(&values);
        }
        if became == RequestOutcome::Reversed {
            changes.add.push((STATUS_HEADER, became.word().into()));
        } else {
            // A charge that stays was for what this answer delivers.
            let is_success =
                is_delivered(status) || self.charge.is_some_and(|charge| charge.stays_with(status));
            // Every answer reports what happened to the coins. The receipt cookie is sent with the
            // page only, and Payment-Receipt with a success only, as the draft requires.
            let is_sent = |name: &str| match name {
                STATUS_HEADER => true,
                RECEIPT_HEADER => is_success,
                _ => is_success || status == 304,
            };
            let sent = self.headers.iter().filter(|(name, _)| is_sent(name));
            changes.add.extend(sent.map(|(name, value)| (*name, Cow::Borrowed(&**value))));
        }
        // The status of an upstream server is not about this payment.
        if !values(STATUS_HEADER).is_empty() {
            changes.remove.push(STATUS_HEADER);
        }
        changes.merge(&self.merge, &values);
        changes
    }
}

/// The field that says whether caches may keep an answer.
const CACHE_CONTROL: &str = "Cache-Control";

impl Answer {
    /// The changes to the head of an answer that the site adds its own fields to: all fields of
    /// this answer, with [`Answer::merge`] applied, and nothing that lets a cache keep the answer
    /// longer than it says itself. `values` as for [`Serve::head`].
    pub fn head(&self, values: impl Fn(&str) -> Vec<String>) -> HeadChanges<'_> {
        let mut changes = HeadChanges::with_room(self.headers.len() + self.merge.len());
        // What the site says about all its pages, such as `public`, is not true of this answer.
        if self.headers.iter().any(|(name, _)| *name == CACHE_CONTROL) {
            let names = [CACHE_CONTROL].into_iter().chain(SHARED_CACHE_HEADERS);
            changes.remove.extend(names.filter(|name| !values(name).is_empty()));
        }
        changes
            .add
            .extend(self.headers.iter().map(|(name, value)| (*name, Cow::Borrowed(&**value))));
        changes.merge(&self.merge, &values);
        changes
    }

    /// [`Answer::head`] for an error page of the site that is sent in place of the body: without
    /// the fields that describe the body.
    pub(crate) fn head_of_error_page(
        &self,
        values: impl Fn(&str) -> Vec<String>,
    ) -> HeadChanges<'_> {
        let mut changes = self.head(values);
        changes.add.retain(|(name, _)| !BODY_HEADERS.contains(name));
        changes
    }

    /// The content type of its body; empty if there is none.
    pub fn content_type(&self) -> &str {
        let field = self.headers.iter().find(|(name, _)| is_content_type(name));
        field.map_or("", |(_, value)| value)
    }

    /// The part of [`Answer::head`] that depends on existing fields, for a server that sent the
    /// rest before.
    pub fn merged(&self, values: impl Fn(&str) -> Vec<String>) -> HeadChanges<'_> {
        let mut changes = HeadChanges::default();
        changes.merge(&self.merge, &values);
        changes
    }
}

impl<'a> HeadChanges<'a> {
    /// Capacity for `count` fields to add, and Cache-Control.
    fn with_room(count: usize) -> HeadChanges<'a> {
        HeadChanges { remove: Vec::new(), add: Vec::with_capacity(count + 1) }
    }

    /// The fields to add but for the content type, for a server that stores that separately.
    pub fn add_without_type(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = self.add.iter().filter(|(name, _)| !is_content_type(name));
        fields.map(|(name, value)| (*name, &**value))
    }

    /// The same changes, independent of the decision's lifetime.
    pub fn into_owned(self) -> HeadChanges<'static> {
        let add = self.add.into_iter().map(|(name, value)| (name, Cow::Owned(value.into_owned())));
        HeadChanges { remove: self.remove, add: add.collect() }
    }

    fn keep_private(&mut self, values: &impl Fn(&str) -> Vec<String>) {
        self.remove.reserve(1 + SHARED_CACHE_HEADERS.len());
        self.remove.push(CACHE_CONTROL);
        self.remove.extend(SHARED_CACHE_HEADERS);
        let merged = private_cache_control(values(CACHE_CONTROL).iter().map(String::as_str));
        self.add.push((CACHE_CONTROL, merged));
    }

    fn merge(&mut self, fields: &'a [Merge], values: &impl Fn(&str) -> Vec<String>) {
        for (at, Merge { name, value, rule }) in fields.iter().enumerate() {
            // Several lists for one field become one list.
            let same = |other: &&Merge| other.name == *name && *rule == MergeRule::Union;
            if fields[..at].iter().any(|other| same(&other)) {
                continue;
            }
            let more = fields[at + 1..].iter().filter(same);
            let value = more.fold(Cow::Borrowed(&**value), |all, more| {
                match united([&*all], &more.value) {
                    Some(united) => united.into(),
                    None => all,
                }
            });
            let there = values(name);
            if there.is_empty() {
                self.add.push((name, value));
            } else if *rule == MergeRule::Union
                && let Some(united) = united(there.iter().map(String::as_str), &value)
            {
                self.remove.push(name);
                self.add.push((name, united.into()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies the changes to a head, as a server does.
    fn changed<'a>(
        fields: &[(&str, &str)],
        changes: impl Fn(&dyn Fn(&str) -> Vec<String>) -> HeadChanges<'a>,
    ) -> Vec<String> {
        let values = |name: &str| {
            let named = fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.to_string()).collect()
        };
        let changes = changes(&values);
        let is_out =
            |name: &str| changes.remove.iter().any(|removed| removed.eq_ignore_ascii_case(name));
        let kept = fields
            .iter()
            .filter(|(name, _)| !is_out(name))
            .map(|(name, value)| format!("{name}: {value}"));
        kept.chain(changes.add.iter().map(|(name, value)| format!("{name}: {value}"))).collect()
    }

    fn merge(name: &'static str, value: &'static str, rule: MergeRule) -> Merge {
        Merge { name, value: value.into(), rule }
    }

    #[test]
    fn a_paid_answer_is_private_and_keeps_what_the_site_said() {
        let serve = Serve {
            outcome: RequestOutcome::Paid,
            is_private: true,
            headers: vec![(STATUS_HEADER, "paid".into()), (RECEIPT_HEADER, "e30".into())],
            merge: vec![merge("Vary", "Cookie, Accept", MergeRule::Union)],
            ..Serve::default()
        };
        let fields = [
            ("cache-control", "public, max-age=5"),
            ("CDN-Cache-Control", "max-age=9"),
            ("vary", "accept"),
            ("X", "y"),
            ("micromint-status", "unpaid"),
        ];
        let head = |status, became| changed(&fields, |values| serve.head(status, became, values));
        let mut expected = vec![
            "X: y",
            "Cache-Control: private, max-age=5",
            "MicroMint-Status: paid",
            "Payment-Receipt: e30",
            "Vary: accept, Cookie",
        ];
        assert_eq!(head(200, RequestOutcome::Paid), expected);
        expected.retain(|field| !field.starts_with("Payment-Receipt"));
        assert_eq!(head(304, RequestOutcome::Paid), expected);
        assert_eq!(
            head(404, RequestOutcome::Reversed),
            [
                "X: y",
                "Cache-Control: private, max-age=5",
                "MicroMint-Status: reversed",
                "Vary: accept, Cookie"
            ]
        );
        assert_eq!(
            head(404, RequestOutcome::Paid),
            expected,
            "a payment that stays is reported with an error too"
        );
    }

    #[test]
    fn an_answer_says_itself_how_long_caches_keep_it() {
        let answer =
            Answer { headers: vec![("Cache-Control", "no-store".into())], ..Answer::default() };
        let there = [
            ("Cache-control", "public, max-age=60"),
            ("CDN-Cache-Control", "max-age=9"),
            ("X", "y"),
        ];
        assert_eq!(
            changed(&there, |values| answer.head(values)),
            ["X: y", "Cache-Control: no-store"]
        );
        assert_eq!(
            changed(&there, |values| answer.head_of_error_page(values)),
            ["X: y", "Cache-Control: no-store"]
        );
    }

    #[test]
    fn several_lists_for_one_field_are_one() {
        let answer = Answer {
            headers: vec![("A", "b".into())],
            merge: vec![
                merge("Vary", "Accept", MergeRule::Union),
                merge("C", "d", MergeRule::Default),
                merge("Vary", "Origin, accept", MergeRule::Union),
            ],
            ..Answer::default()
        };
        let head = |fields| changed(fields, |values| answer.head(values));
        assert_eq!(head(&[]), ["A: b", "Vary: Accept, Origin", "C: d"]);
        let there = [("vary", "Cookie, Origin"), ("c", "e")];
        assert_eq!(head(&there), ["c: e", "A: b", "Vary: Cookie, Origin, Accept"]);
    }

    #[test]
    fn the_sites_own_error_page_lacks_what_describes_the_body() {
        let answer = Answer {
            headers: vec![
                ("Content-Security-Policy", "default-src 'none'".into()),
                ("Content-Type", "text/html".into()),
                ("Content-Language", "de".into()),
                ("X-Content-Type-Options", "nosniff".into()),
                ("MicroMint-Request", "a".into()),
            ],
            merge: vec![merge("Vary", "Accept", MergeRule::Union)],
            ..Answer::default()
        };
        let head = changed(&[], |values| answer.head_of_error_page(values));
        assert_eq!(head, ["MicroMint-Request: a", "Vary: Accept"]);
        assert_eq!(changed(&[], |values| answer.head(values)).len(), 6);
        let changes = answer.head(|_| Vec::new());
        let added: Vec<&str> = changes.add_without_type().map(|(name, _)| name).collect();
        assert_eq!(added.len(), 5);
        assert!(!added.contains(&"Content-Type"));
        assert_eq!((answer.content_type(), Answer::default().content_type()), ("text/html", ""));
    }

    #[test]
    fn lists_are_united_and_defaults_step_back() {
        for (there, ours, rule, expected) in [
            (&[][..], "a", MergeRule::Union, &["F: a"][..]),
            (&["a, b"], "B", MergeRule::Union, &["F: a, b"]),
            (&["a", "b"], "c, a", MergeRule::Union, &["F: a, b, c"]),
            (&["*"], "c", MergeRule::Union, &["F: *"]),
            (&[""], "c", MergeRule::Union, &["F: c"]),
            (&[], "c", MergeRule::Default, &["F: c"]),
            (&["d"], "c", MergeRule::Default, &["F: d"]),
        ] {
            let fields: Vec<(&str, &str)> = there.iter().map(|value| ("F", *value)).collect();
            let serve = Serve { merge: vec![merge("F", ours, rule)], ..Serve::default() };
            assert_eq!(
                changed(&fields, |values| serve.head(500, RequestOutcome::Free, values)),
                expected,
                "{there:?} {ours}"
            );
        }
    }
}
