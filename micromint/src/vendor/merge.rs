//! Header fields that the paywall merges with those of the content and the site.

use std::borrow::Cow;

/// A header field that the answer may have already.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merge {
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: Cow<'static, str>,
    /// What to do if the answer has the field.
    pub rule: MergeRule,
}

/// How a field is merged with fields of its name that the answer has. Exhaustive on purpose: a
/// server must handle every rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// Both values are comma-separated lists: adds the missing members. A list with `*` stays as it
    /// is.
    Union,
    /// The answer's own field stays; the new one is added only if there is none.
    Default,
}

impl Merge {
    /// Adds the members of a comma-separated list that the answer's own list lacks.
    pub(super) fn union(name: &'static str, value: impl Into<Cow<'static, str>>) -> Merge {
        Merge { name, value: value.into(), rule: MergeRule::Union }
    }

    /// Adds the field unless the answer has it.
    pub(super) fn fallback(name: &'static str, value: impl Into<Cow<'static, str>>) -> Merge {
        Merge { name, value: value.into(), rule: MergeRule::Default }
    }
}

/// The lists of `there` as one list, with the members of `ours` that they lack; `None` if they lack
/// none.
pub(super) fn united<'a>(
    there: impl IntoIterator<Item = &'a str>,
    ours: &'a str,
) -> Option<String> {
    fn members(list: &str) -> impl Iterator<Item = &str> {
        list.split(',').map(str::trim).filter(|member| !member.is_empty())
    }
    let mut all: Vec<&str> = there.into_iter().flat_map(members).collect();
    if all.contains(&"*") {
        return None;
    }
    let before = all.len();
    for member in members(ours) {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(member)) {
            all.push(member);
        }
    }
    (all.len() > before).then(|| all.join(", "))
}
