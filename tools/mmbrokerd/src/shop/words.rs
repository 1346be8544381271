//! The words of the pages, in English and German.
//!
//! Input: the name of a message of `words/*.ftl` (Fluent), and its arguments. Output: text. The
//! invariant: both files have the same messages, and the pages use no others, which a test checks.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, which is shown to everyone who asks for neither.
    English,
    /// German.
    German,
}

impl Language {
    /// All languages.
    pub const ALL: [Language; 2] = [Language::English, Language::German];

    /// The code of the language (RFC 5646).
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
        }
    }

    /// The language with this code.
    pub fn of(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.code() == code)
    }

    /// The language that a header field Accept-Language prefers.
    pub fn preferred(accepted: &str) -> Language {
        let mut best = (Language::English, 0.0);
        for range in accepted.split(',').take(32) {
            let (range, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|text| text.parse().ok());
            let code = range.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            if let (Some(language), Some(weight)) = (Language::of(&code), weight)
                && weight > best.1
            {
                best = (language, weight);
            }
        }
        best.0
    }

    /// The words in this language.
    pub fn words(self) -> Words {
        Words { language: self }
    }
}

/// The words in one language.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    language: Language,
}

/// The messages, as written.
const SOURCES: [&str; 2] = [include_str!("../../words/en.ftl"), include_str!("../../words/de.ftl")];

static BUNDLES: LazyLock<[FluentBundle<FluentResource>; 2]> = LazyLock::new(|| {
    Language::ALL.map(|language| {
        let locale: LanguageIdentifier = language.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // The pages mark nothing by invisible characters.
        bundle.set_use_isolating(false);
        // A test finds mistakes; what can be read is used.
        let (Ok(words) | Err((words, _))) =
            FluentResource::try_new(SOURCES[language as usize].to_string());
        bundle.add_resource_overriding(words);
        bundle
    })
});

impl Words {
    /// The language.
    pub fn language(self) -> Language {
        self.language
    }

    /// A message without arguments. An unknown name is returned as it is.
    pub fn get(self, name: &str) -> String {
        self.with(name, &[])
    }

    /// A message with arguments.
    pub fn with(self, name: &str, arguments: &[(&'static str, &str)]) -> String {
        let bundle = &BUNDLES[self.language as usize];
        let Some(pattern) = bundle.get_message(name).and_then(|message| message.value()) else {
            return name.to_string();
        };
        let mut values = FluentArgs::new();
        for (key, value) in arguments {
            // Whole numbers choose plural forms; they are printed as they are.
            match value.parse::<i64>() {
                Ok(number) if number.to_string() == *value && number.abs() < 1_000_000_000 => {
                    values.set(*key, FluentValue::from(number));
                }
                _ => values.set(*key, FluentValue::from(*value)),
            }
        }
        let mut errors = Vec::new();
        bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned()
    }

    /// Whether there is a message of this name.
    pub fn has(self, name: &str) -> bool {
        BUNDLES[self.language as usize].has_message(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// The names and the arguments of the messages of a file.
    fn messages(source: &str) -> BTreeSet<(String, BTreeSet<String>)> {
        let mut found: Vec<(String, BTreeSet<String>)> = Vec::new();
        for line in source.lines() {
            if let Some((name, _)) = line.split_once(" =")
                && line.starts_with(|first: char| first.is_ascii_lowercase())
            {
                found.push((name.to_string(), BTreeSet::new()));
            }
            let arguments = line.split("{ $").skip(1).filter_map(|rest| rest.split(' ').next());
            if let Some((_, all)) = found.last_mut() {
                all.extend(arguments.map(str::to_string));
            }
        }
        assert_eq!(found.len(), found.iter().collect::<BTreeSet<_>>().len(), "repeated");
        found.into_iter().collect()
    }

    /// The texts in quotes of all files below a folder.
    fn quoted(folder: &Path, into: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                quoted(&path, into);
            } else if path.file_name().unwrap() != "words.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                into.extend(text.split('"').map(str::to_string));
            }
        }
    }

    #[test]
    fn both_languages_have_the_same_messages_and_arguments() {
        let [english, german] = SOURCES.map(messages);
        let differing: Vec<_> = english.symmetric_difference(&german).collect();
        assert!(differing.is_empty(), "{differing:#?}");
        for source in SOURCES {
            assert!(FluentResource::try_new(source.to_string()).is_ok());
        }
    }

    #[test]
    fn the_pages_use_every_message_and_no_other() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut used = BTreeSet::new();
        quoted(&here.join("src/shop"), &mut used);
        quoted(&here.join("templates"), &mut used);
        let known: BTreeSet<String> =
            messages(SOURCES[0]).into_iter().map(|(name, _)| name).collect();
        let unused: Vec<_> = known.difference(&used).collect();
        assert!(unused.is_empty(), "not used: {unused:#?}");
        // What begins like the name of a message is one. These two are keys of the configuration.
        let first = |name: &str| name.split('-').next().unwrap_or_default().to_string();
        let firsts: BTreeSet<String> = known.iter().map(|name| first(name)).collect();
        let is_name = |text: &&String| {
            text.contains('-')
                && text.bytes().all(|c| c.is_ascii_lowercase() || c == b'-')
                && firsts.contains(&first(text))
                && !["payout-fee", "payout-min"].contains(&text.as_str())
        };
        let names: BTreeSet<String> = used.iter().filter(is_name).cloned().collect();
        let unknown: Vec<_> = names.difference(&known).collect();
        assert!(unknown.is_empty(), "not in words/en.ftl: {unknown:#?}");
    }

    #[test]
    fn the_preferred_language_is_chosen() {
        for (accepted, expected) in [
            ("", Language::English),
            ("de", Language::German),
            ("de-CH, en;q=0.5", Language::German),
            ("en;q=0.4, de;q=0.9", Language::German),
            ("fr, en;q=0.5, de;q=0.5", Language::English),
            ("de;q=x", Language::English),
            ("de;q=0", Language::English),
        ] {
            assert_eq!(Language::preferred(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn numbers_choose_the_form() {
        let words = Language::English.words();
        assert_eq!(words.with("sets", &[("count", "1")]), "1 set");
        assert_eq!(words.with("sets", &[("count", "2")]), "2 sets");
        assert_eq!(words.get("no-such-message"), "no-such-message");
    }
}
