//! Phrases with a number in them, in the plural forms of a language.
//!
//! Input: the forms of a phrase, and a number. Output: the phrase with the number. The invariant: a
//! phrase has every form that the numbers of a page need, and a form that several numbers share
//! contains the number.

use std::fmt;
use std::sync::Arc;

use fixed_decimal::UnsignedDecimal;
use icu_plurals::{PluralCategory, PluralOperands, PluralRules, PluralRulesPreferences};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::language::Language;
use crate::protocol::COINS_PER_PAYMENT_MAX;

/// Where the number stands in a phrase.
pub(super) const NUMBER: &str = "{n}";
/// Where the code of the currency stands.
pub(super) const CURRENCY: &str = "{currency}";

/// How a language writes numbers, and which plural form each needs (the rules of CLDR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grammar {
    rules: PluralRulesPreferences,
    decimal: String,
    digits: Option<[char; 10]>,
}

/// The forms of a phrase, as a file has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Forms {
    /// By the number of the category, in the order of [`CATEGORIES`].
    texts: [Option<String>; 6],
    /// One text for all numbers.
    is_single: bool,
}

/// A phrase in its language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    grammar: Arc<Grammar>,
    forms: Forms,
}

/// The plural categories of CLDR, with their names. `other` is the last.
const CATEGORIES: [(PluralCategory, &str); 6] = [
    (PluralCategory::Zero, "zero"),
    (PluralCategory::One, "one"),
    (PluralCategory::Two, "two"),
    (PluralCategory::Few, "few"),
    (PluralCategory::Many, "many"),
    (PluralCategory::Other, OTHER),
];
const OTHER: &str = "other";

impl Grammar {
    /// The grammar of a language, with its decimal separator and, unless they are `0` to `9`, its
    /// digits.
    pub(super) fn new(
        language: &Language,
        decimal: impl Into<String>,
        digits: Option<[char; 10]>,
    ) -> Grammar {
        Grammar { rules: language.id().into(), decimal: decimal.into(), digits }
    }

    /// The rules of the plural forms; `other` for every number in a language without rules.
    fn rules(&self) -> Option<PluralRules> {
        PluralRules::try_new_cardinal(self.rules).ok()
    }

    /// A decimal number as this language writes it.
    fn written(&self, number: &str) -> String {
        let mut written = String::with_capacity(number.len() * 2);
        for c in number.chars() {
            match (c, &self.digits) {
                ('.', _) => written.push_str(&self.decimal),
                (c @ '0'..='9', Some(digits)) => {
                    written.push(digits[usize::from(c as u8 - b'0')]);
                }
                (c, _) => written.push(c),
            }
        }
        written
    }
}

/// The number of the category of `number`.
fn category(rules: Option<&PluralRules>, number: impl Into<PluralOperands>) -> usize {
    let found = rules.map(|rules| rules.category_for(number));
    let index = CATEGORIES.iter().position(|(category, _)| Some(*category) == found);
    index.unwrap_or(CATEGORIES.len() - 1)
}

/// The numbers of coins that a page can show, as a text and for the rules.
pub(super) fn coin_samples() -> impl Iterator<Item = (Sample, PluralOperands)> {
    (1..=COINS_PER_PAYMENT_MAX).map(|number| (Sample(number, ""), number.into()))
}

/// Amounts of money that a page can show: whole ones, and some with decimals.
pub(super) fn money_samples() -> impl Iterator<Item = (Sample, PluralOperands)> {
    let whole = (1..=110).map(|number: u32| (Sample(number, ""), number.into()));
    let decimals = (0..=20).flat_map(|number| [Sample(number, ".5"), Sample(number, ".50")]);
    let operands = |sample: Sample| {
        let number: UnsignedDecimal = sample.to_string().parse().ok()?;
        Some((sample, (&number).into()))
    };
    whole.chain(decimals.filter_map(operands))
}

/// A number, with its decimals as they are printed.
#[derive(Clone, Copy)]
pub(super) struct Sample(u32, &'static str);

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

impl Forms {
    /// One text for all numbers.
    pub(super) fn single(text: impl Into<String>) -> Forms {
        let mut texts = <[Option<String>; 6]>::default();
        texts[CATEGORIES.len() - 1] = Some(text.into());
        Forms { texts, is_single: true }
    }
}

impl Phrase {
    /// A phrase for the numbers of `samples`, whose texts may contain the placeholders `names`.
    ///
    /// # Errors
    /// A form that one of the numbers needs is missing; a text has another placeholder, or shows
    /// none of several numbers that share it.
    pub(super) fn new(
        grammar: &Arc<Grammar>,
        forms: Forms,
        samples: impl Iterator<Item = (Sample, PluralOperands)>,
        names: &[&str],
    ) -> Result<Phrase, String> {
        forms.texts.iter().flatten().try_for_each(|text| check_placeholders(text, names))?;
        let mut seen: [Option<(Sample, usize)>; 6] = Default::default();
        let rules = grammar.rules().filter(|_| !forms.is_single);
        for (sample, number) in samples {
            let place = &mut seen[category(rules.as_ref(), number)];
            let (_, count) = place.get_or_insert((sample, 0));
            *count += 1;
        }
        for (index, (_, name)) in CATEGORIES.iter().enumerate() {
            let Some((first, count)) = &seen[index] else { continue };
            match &forms.texts[index] {
                None => {
                    return Err(format!(
                        "expected the form {name:?}, which this language has for numbers such as \
                         {first}"
                    ));
                }
                Some(text) if *count > 1 && !text.contains(NUMBER) => {
                    return Err(format!(
                        "expected {NUMBER} in the form {name:?}, which stands for more numbers \
                         than {first}, found {text:.80?}"
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(Phrase { grammar: Arc::clone(grammar), forms })
    }

    /// The phrase with a decimal number such as `2` or `1.50`, and the code of a currency.
    pub(super) fn with(&self, number: &str, currency: &str) -> String {
        let texts = &self.forms.texts;
        let rules = self.grammar.rules().filter(|_| !self.forms.is_single);
        let decimal = number.parse().unwrap_or(UnsignedDecimal::from(0_u32));
        let form = texts.get(category(rules.as_ref(), &decimal)).and_then(Option::as_deref);
        let form = form.or(texts.last().and_then(Option::as_deref)).unwrap_or(NUMBER);
        form.replace(NUMBER, &self.grammar.written(number)).replace(CURRENCY, currency)
    }
}

fn check_placeholders(text: &str, names: &[&str]) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let here = &rest[at..];
        let name = names.iter().find(|name| here.starts_with(**name));
        let Some(name) = name else {
            return Err(format!("expected no braces but {}, found {text:.80?}", names.join(", ")));
        };
        rest = &here[name.len()..];
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Forms {
    /// A string, or a table of forms.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormsVisitor;

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            zero: Option<String>,
            one: Option<String>,
            two: Option<String>,
            few: Option<String>,
            many: Option<String>,
            other: String,
        }

        impl<'de> Visitor<'de> for FormsVisitor {
            type Value = Forms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a table of plural forms")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Forms, E> {
                Ok(Forms::single(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Forms, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                let texts = [table.zero, table.one, table.two, table.few, table.many];
                let [zero, one, two, few, many] = texts;
                let texts = [zero, one, two, few, many, Some(table.other)];
                Ok(Forms { texts, is_single: false })
            }
        }

        deserializer.deserialize_any(FormsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARABIC_DIGITS: [char; 10] = ['٠', '١', '٢', '٣', '٤', '٥', '٦', '٧', '٨', '٩'];

    fn grammar(tag: &str) -> Arc<Grammar> {
        let digits = (tag == "ar").then_some(ARABIC_DIGITS);
        let decimal = if tag == "ar" { "٫" } else { "," };
        Arc::new(Grammar::new(&tag.parse().unwrap(), decimal, digits))
    }

    fn phrase(tag: &str, forms: &str) -> Result<Phrase, String> {
        let forms: std::collections::BTreeMap<String, Forms> = toml::from_str(forms).unwrap();
        Phrase::new(&grammar(tag), forms["it"].clone(), money_samples(), &[NUMBER])
    }

    #[test]
    fn each_language_has_its_own_forms() {
        let arabic = phrase(
            "ar",
            "it = { one = 'سنت', two = 'سنتان', few = '{n} سنتات', many = '{n} سنتًا', other = '{n} سنت' }",
        );
        for (number, expected) in [
            ("1", "سنت"),
            ("2", "سنتان"),
            ("3", "٣ سنتات"),
            ("10", "١٠ سنتات"),
            ("11", "١١ سنتًا"),
            ("100", "١٠٠ سنت"),
            ("103", "١٠٣ سنتات"),
            ("1.50", "١٫٥٠ سنت"),
        ] {
            assert_eq!(arabic.as_ref().unwrap().with(number, ""), expected);
        }
        let polish = phrase(
            "pl",
            "it = { one = 'grosz', few = '{n} grosze', many = '{n} groszy', other = '{n} grosza' }",
        );
        for (number, expected) in
            [("1", "grosz"), ("22", "22 grosze"), ("5", "5 groszy"), ("1.5", "1,5 grosza")]
        {
            assert_eq!(polish.as_ref().unwrap().with(number, ""), expected);
        }
        let japanese = phrase("ja", "it = '{n} 円'").unwrap();
        assert_eq!(japanese.with("1", ""), "1 円");
    }

    #[test]
    fn a_form_that_is_needed_and_a_number_that_would_not_be_shown_are_missed() {
        for (tag, forms, says) in [
            ("ru", "it = { one = '{n} a', many = '{n} b', other = '{n} c' }", "the form \"few\""),
            ("ru", "it = { one = '{n} a', many = '{n} b', other = '{n} c' }", "such as 2"),
            (
                "ru",
                "it = { one = 'a', few = '{n} b', many = '{n} c', other = '{n} d' }",
                "expected {n} in the form \"one\", which stands for more numbers than 1",
            ),
            ("en", "it = { one = 'a', other = 'b' }", "expected {n} in the form \"other\""),
            ("en", "it = 'b'", "expected {n} in the form \"other\""),
            ("en", "it = '{n} {m}'", "expected no braces but {n}, found"),
            ("en", "it = '{n} }'", "expected no braces but {n}, found"),
        ] {
            let error = phrase(tag, forms).unwrap_err();
            assert!(error.contains(says), "{forms}: {error}");
        }
        // French has the form "many" for millions only, which no page shows.
        assert!(phrase("fr", "it = { one = '{n} a', other = '{n} b' }").is_ok());
    }
}
