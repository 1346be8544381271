//! The pages that are part of the program.

use super::language::Language;
use super::translation::Translation;
use super::words::Fallback;

/// The shipped languages with their files. The first is English, the fallback of all others.
pub(super) const SHIPPED: [(&str, &str); 3] = [
    ("en", include_str!("page.en.html")),
    ("de", include_str!("page.de.html")),
    ("ar", include_str!("page.ar.html")),
];
/// The style of the shipped pages, the value of the placeholder `style`.
pub(super) const STYLE: &str = include_str!("page.css");

/// The shipped pages.
///
/// They are parsed for each configuration instead of stored in a static, which would leak whenever
/// a server unloads its module at a restart.
pub(super) fn shipped() -> Vec<Translation> {
    // A test parses all of them, so none is left out.
    let parsed = SHIPPED.iter().filter_map(|(tag, text)| {
        Translation::parse(text, tag.parse().ok()?, None).ok().map(|(page, _)| page)
    });
    parsed.collect()
}

/// What a page in `language` shows where its file lacks a text: the words of the same language if
/// they are shipped, otherwise English ones.
pub(super) fn fallback<'a>(
    shipped: &'a [Translation],
    language: &Language,
) -> Option<Fallback<'a>> {
    let own = shipped.iter().find(|page| language.is_in(page.language().as_str().as_bytes()));
    own.or(shipped.first())
        .map(|page| Fallback { words: page.words(), is_same_language: own.is_some() })
}

/// The words of a shipped language, as its file has them.
#[cfg(test)]
pub(super) fn words_of(tag: &str) -> &'static str {
    let (_, text) = SHIPPED.iter().find(|(shipped, _)| *shipped == tag).unwrap();
    super::translation::split(text).unwrap().words
}

#[cfg(test)]
mod tests {
    use super::super::words::Words;
    use super::*;
    use crate::protocol::Refusal;

    #[test]
    fn every_shipped_page_is_complete() {
        let pages = shipped();
        assert_eq!(pages.len(), SHIPPED.len());
        for (tag, text) in SHIPPED {
            let language: Language = tag.parse().unwrap();
            let parsed = Translation::parse(text, language, None);
            assert!(parsed.is_ok_and(|(_, missing)| missing.is_empty()), "{tag}");
        }
        assert!(!STYLE.contains("</"));
    }

    #[test]
    fn english_refusals_are_those_of_every_other_form() {
        let language: Language = "en".parse().unwrap();
        let words: Words = Words::parse(words_of("en"), &language, None).unwrap().0;
        for refusal in Refusal::ALL {
            assert_eq!(words.refusal(*refusal), refusal.sentence());
        }
        assert_eq!(words.no_coins(), crate::vendor::problem::NO_PERIOD);
    }
}
