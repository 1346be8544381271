//! Language tags, and which of several languages a client prefers.
//!
//! Input: the languages that there are, and the header Accept-Language. Output: the preferred one,
//! by the lookup of RFC 4647, section 3.4. The invariant: a longer header than
//! [`ACCEPT_LANGUAGE_LEN_MAX`] or more ranges than [`RANGES_MAX`] cost no time.

use std::fmt;
use std::str::FromStr;

use icu_locale_core::LanguageIdentifier;
use smallvec::SmallVec;

use crate::error::clip;
use crate::vendor::accept::weight_in;

/// The longest Accept-Language that is read, all its fields together, in bytes. A longer one counts
/// as absent. Browsers send less than 200 bytes.
pub(super) const ACCEPT_LANGUAGE_LEN_MAX: usize = 1024;
/// The largest number of language ranges that are read; later ones are ignored.
pub(super) const RANGES_MAX: usize = 32;
/// The number of ranges that browsers usually send.
const RANGES_USUAL: usize = 8;

/// The languages that are written from right to left, unless their tag names another script.
const RIGHT_TO_LEFT: [&str; 12] =
    ["ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"];
/// The scripts that are written from right to left.
const RIGHT_TO_LEFT_SCRIPTS: [&str; 6] = ["Arab", "Hebr", "Nkoo", "Rohg", "Syrc", "Thaa"];

/// A language tag in its usual case, such as `de`, `pt-BR` or `zh-Hant` (RFC 5646).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::vendor) struct Language {
    text: String,
    id: LanguageIdentifier,
}

impl Language {
    /// The tag.
    pub(in crate::vendor) fn as_str(&self) -> &str {
        &self.text
    }

    /// The tag, for the rules of its plural forms.
    pub(super) fn id(&self) -> &LanguageIdentifier {
        &self.id
    }

    /// Whether it is usually written from right to left.
    pub(super) fn is_right_to_left(&self) -> bool {
        match &self.id.script {
            Some(script) => RIGHT_TO_LEFT_SCRIPTS.contains(&script.as_str()),
            None => RIGHT_TO_LEFT.contains(&self.id.language.as_str()),
        }
    }

    /// Whether this is the language that `range` names, or a narrower one: `de-CH` for `de`.
    pub(super) fn is_in(&self, range: &[u8]) -> bool {
        let (tag, len) = (self.text.as_bytes(), range.len());
        tag.get(..len).is_some_and(|start| start.eq_ignore_ascii_case(range))
            && matches!(tag.get(len), None | Some(b'-'))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Language {
    type Err = String;

    /// Reads a tag in any case.
    fn from_str(text: &str) -> Result<Language, String> {
        let expected = || {
            format!("expected a language tag such as \"fr\" or \"pt-BR\", found {:?}", clip(text))
        };
        let id = LanguageIdentifier::try_from_str(text).map_err(|_| expected())?;
        let tag = id.to_string();
        if id.language.is_unknown() || !tag.eq_ignore_ascii_case(text) {
            return Err(expected());
        }
        Ok(Language { text: tag, id })
    }
}

/// The index of the language in `languages` that a client prefers; `None` if it has no preference
/// among them. `fields` are the values of its Accept-Language.
///
/// Of the client's ranges, those with the highest weight come first. A range finds the language of
/// its name, or, without its last subtags, a wider one: `de` for `de-CH`. A language whose range
/// has the weight 0 is not found.
pub(super) fn preferred<'a>(
    fields: impl Iterator<Item = &'a [u8]> + Clone,
    languages: &[Language],
) -> Option<usize> {
    if fields.clone().map(<[u8]>::len).sum::<usize>() > ACCEPT_LANGUAGE_LEN_MAX {
        return None;
    }
    let ranges = fields.flat_map(|field| field.split(|byte| *byte == b',')).take(RANGES_MAX);
    let mut ranges: SmallVec<[(&[u8], u32); RANGES_USUAL]> = ranges.filter_map(range).collect();
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let is_refused = |language: &Language| {
        ranges.iter().any(|(range, weight)| *weight == 0 && language.is_in(range))
    };
    let wanted = ranges.iter().take_while(|(_, weight)| *weight > 0);
    wanted.map(|(range, _)| *range).find_map(|range| {
        let mut wider = Some(range);
        while let Some(range) = wider {
            let found = languages.iter().position(|language| {
                language.as_str().as_bytes().eq_ignore_ascii_case(range) && !is_refused(language)
            });
            if found.is_some() {
                return found;
            }
            wider = shortened(range);
        }
        None
    })
}

/// A language range and its weight in thousandths. `*` matches every language and prefers none, so
/// it is skipped, as the lookup requires.
fn range(text: &[u8]) -> Option<(&[u8], u32)> {
    let mut parts = text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let range = parts.next().filter(|range| !range.is_empty() && *range != b"*")?;
    Some((range, weight_in(parts)?))
}

/// The range without its last subtag, and without a subtag of one letter before that, which only
/// introduces it.
fn shortened(range: &[u8]) -> Option<&[u8]> {
    let mut end = range.iter().rposition(|byte| *byte == b'-')?;
    if let Some(before) = range[..end].iter().rposition(|byte| *byte == b'-')
        && end - before == 2
    {
        end = before;
    }
    Some(&range[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(tags: &[&str]) -> Vec<Language> {
        tags.iter().map(|tag| tag.parse().unwrap()).collect()
    }

    fn found<'a>(fields: &[&str], tags: &[&'a str]) -> Option<&'a str> {
        let fields = fields.iter().map(|field| field.as_bytes());
        preferred(fields, &languages(tags)).map(|index| tags[index])
    }

    #[test]
    fn the_lookup_goes_by_weight_and_widens_each_range() {
        let tags = ["en", "de", "pt-BR", "zh-Hant", "ar"];
        for (field, expected) in [
            ("", None),
            ("*", None),
            ("fr", None),
            ("de", Some("de")),
            ("DE-ch", Some("de")),
            ("de-CH-1996-x-any", Some("de")),
            ("pt-br", Some("pt-BR")),
            ("pt", None),
            ("zh-Hant-TW", Some("zh-Hant")),
            ("zh-Hant-x-a-b", Some("zh-Hant")),
            ("fr, ar;q=0.5, de;q=0.7", Some("de")),
            ("fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7", Some("en")),
            ("ar, de", Some("ar")),
            ("*, de;q=0.1", Some("de")),
            ("de;q=0, en", Some("en")),
            ("de-CH, de;q=0, en;q=0.1", Some("en")),
            ("en;q=0", None),
            ("de;q=x, en;q=0.2", Some("en")),
            ("de ; q=0.1 , en;q=0.2", Some("en")),
            ("d", None),
            ("dede, ende", None),
            ("-, de-", Some("de")),
            ("\u{fc}, en", Some("en")),
        ] {
            assert_eq!(found(&[field], &tags), expected, "{field:?}");
        }
        assert_eq!(found(&["fr", "de;q=0.1", "en;q=0.2"], &tags), Some("en"), "several fields");
        assert_eq!(found(&[], &tags), None);
    }

    #[test]
    fn what_is_read_of_a_header_is_bounded() {
        let padded = |len: usize| format!("de{}", " ".repeat(len - 2));
        assert_eq!(found(&[&padded(ACCEPT_LANGUAGE_LEN_MAX)], &["de"]), Some("de"));
        assert_eq!(found(&[&padded(ACCEPT_LANGUAGE_LEN_MAX + 1)], &["de"]), None);
        assert_eq!(found(&[&padded(ACCEPT_LANGUAGE_LEN_MAX - 1), "en"], &["de"]), None);
        let after = |count: usize| format!("{}de", "fr,".repeat(count));
        assert_eq!(found(&[&after(RANGES_MAX - 1)], &["de"]), Some("de"));
        assert_eq!(found(&[&after(RANGES_MAX)], &["de"]), None);
    }

    #[test]
    fn tags_have_one_spelling_and_a_direction() {
        for (text, tag, is_right_to_left) in [
            ("EN", "en", false),
            ("pt-br", "pt-BR", false),
            ("zh-hant", "zh-Hant", false),
            ("ar-EG", "ar-EG", true),
            ("he", "he", true),
            ("az-arab", "az-Arab", true),
            ("ks-Deva", "ks-Deva", false),
        ] {
            let language: Language = text.parse().unwrap();
            assert_eq!(language.as_str(), tag);
            assert_eq!(language.is_right_to_left(), is_right_to_left, "{tag}");
        }
        for text in ["", "e", "de_CH", "und", "en-", "french language", "*", "\u{e9}n"] {
            let error = text.parse::<Language>().unwrap_err();
            assert!(error.contains("expected a language tag"), "{text:?}: {error}");
        }
    }
}
