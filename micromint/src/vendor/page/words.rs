//! The words of a page that depend on the request: numbers of coins, amounts of money, refusals.
//!
//! Input: the words at the beginning of a page's file, in TOML. Output: texts in the language of
//! the page. The invariant: every text exists. What a file lacks is taken from the words of a
//! shipped language, and named, so that the webmaster can be told.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::language::Language;
use super::phrase::{CURRENCY, Forms, Grammar, NUMBER, Phrase, coin_samples, money_samples};
use crate::money::{Currency, MONEY_DECIMALS, Money, UNITS_PER_ONE};
use crate::protocol::Refusal;
use crate::toml_file::{Parsed, TomlError, TomlText};

/// The units of money in a cent: a hundredth of the currency.
const UNITS_PER_CENT: u64 = UNITS_PER_ONE / 100;
/// The decimals of an amount in cents.
const CENT_DECIMALS: usize = MONEY_DECIMALS - 2;
/// An amount of a currency that a page has no words for.
const AMOUNT: &str = "{n} {currency}";

/// The words of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    is_right_to_left: bool,
    coins: Phrase,
    amount: Phrase,
    money: BTreeMap<Currency, CurrencyWords>,
    no_coins: String,
    refusals: BTreeMap<Refusal, String>,
}

/// The words for the amounts of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CurrencyWords {
    whole: Phrase,
    /// For amounts below one, in hundredths.
    cents: Option<Phrase>,
}

/// The keys of the file.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WordsFile {
    dir: Option<Parsed<Direction>>,
    decimal: Option<Parsed<Separator>>,
    digits: Option<Parsed<Digits>>,
    no_coins: Option<String>,
    coins: Option<Spanned<Forms>>,
    amount: Option<Spanned<Forms>>,
    #[serde(default)]
    money: BTreeMap<Parsed<Currency>, CurrencyFile>,
    #[serde(default)]
    refusals: BTreeMap<Parsed<Reason>, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CurrencyFile {
    whole: Spanned<Forms>,
    cents: Option<Spanned<Forms>>,
}

/// The direction of the text: `ltr` or `rtl`, as in HTML.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    LeftToRight,
    RightToLeft,
}

/// A decimal separator: one character that is no digit.
struct Separator(String);

/// The ten digits from 0 to 9.
#[derive(Clone, Copy)]
struct Digits([char; 10]);

/// The word of a refusal.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Reason(Refusal);

impl FromStr for Direction {
    type Err = String;

    fn from_str(text: &str) -> Result<Direction, String> {
        match text {
            "ltr" => Ok(Direction::LeftToRight),
            "rtl" => Ok(Direction::RightToLeft),
            _ => Err(format!("expected \"ltr\" or \"rtl\", found {text:.80?}")),
        }
    }
}

impl FromStr for Separator {
    type Err = String;

    fn from_str(text: &str) -> Result<Separator, String> {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_numeric() && !c.is_control() => Ok(Separator(text.into())),
            _ => Err(format!("expected one character such as \",\", found {text:.80?}")),
        }
    }
}

impl FromStr for Digits {
    type Err = String;

    fn from_str(text: &str) -> Result<Digits, String> {
        let digits: Option<[char; 10]> = text.chars().collect::<Vec<_>>().try_into().ok();
        let digits = digits.filter(|digits| digits.iter().all(|digit| digit.is_numeric()));
        digits
            .map(Digits)
            .ok_or_else(|| format!("expected the ten digits from 0 to 9, found {text:.80?}"))
    }
}

impl FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Reason, String> {
        text.parse().map(Reason).map_err(|_| {
            let words: Vec<&str> = Refusal::ALL.iter().map(|refusal| refusal.word()).collect();
            format!("expected one of {}, found {text:.80?}", words.join(", "))
        })
    }
}

/// The words that are taken where a file lacks them.
#[derive(Clone, Copy)]
pub(super) struct Fallback<'a> {
    /// The words of a shipped language.
    pub(super) words: &'a Words,
    /// Whether that is the language of the file, in another place perhaps: `de` for `de-AT`.
    pub(super) is_same_language: bool,
}

/// The words that a file lacks, and that are shown in another language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing(Vec<String>);

impl Missing {
    /// Whether nothing is missing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl Words {
    /// Reads the words in `language` from TOML. What is missing is that of `fallback`.
    ///
    /// # Errors
    /// The text is not TOML; a key is unknown or has a value that it cannot have; a plural form of
    /// the language is missing; or a word is missing and there is no fallback.
    pub(super) fn parse(
        text: &str,
        language: &Language,
        fallback: Option<Fallback<'_>>,
    ) -> Result<(Words, Missing), TomlError> {
        let text = TomlText::parse(text)?;
        let file: WordsFile = text.read()?;
        let own = fallback.filter(|fallback| fallback.is_same_language);
        let mut missing = Missing::default();
        // What stands in for the text of a key that the file lacks.
        let mut instead = |key: &str| {
            if own.is_none() {
                missing.0.push(key.to_string());
            }
            let error = || text.fault(key, "expected this text, found none");
            fallback.map(|fallback| fallback.words).ok_or_else(error)
        };
        let decimal = file.decimal.map_or(".".to_string(), |Parsed(Separator(text))| text);
        let digits = file.digits.map(|Parsed(Digits(digits))| digits);
        let grammar = Arc::new(Grammar::new(language, decimal, digits));
        let phrase = |forms: Spanned<Forms>, is_money: bool, names: &[&str]| {
            let span = forms.span();
            let forms = forms.into_inner();
            let phrase = match is_money {
                true => Phrase::new(&grammar, forms, money_samples(), names),
                false => Phrase::new(&grammar, forms, coin_samples(), names),
            };
            phrase.map_err(|reason| text.fault_at(span, reason))
        };
        let coins = match file.coins {
            Some(forms) => phrase(forms, false, &[NUMBER])?,
            None => instead("coins")?.coins.clone(),
        };
        let amount = match (file.amount, own) {
            (None, Some(own)) => own.words.amount.clone(),
            (forms, _) => {
                let forms = forms.unwrap_or_else(|| Spanned::new(0..0, Forms::single(AMOUNT)));
                phrase(forms, true, &[NUMBER, CURRENCY])?
            }
        };
        let mut money = own.map(|own| own.words.money.clone()).unwrap_or_default();
        for (Parsed(currency), CurrencyFile { whole, cents }) in file.money {
            let whole = phrase(whole, true, &[NUMBER])?;
            let cents = cents.map(|forms| phrase(forms, true, &[NUMBER])).transpose()?;
            money.insert(currency, CurrencyWords { whole, cents });
        }
        let no_coins = match file.no_coins {
            Some(text) => text,
            None => instead("no-coins")?.no_coins.clone(),
        };
        let mut refusals: BTreeMap<Refusal, String> = file
            .refusals
            .into_iter()
            .map(|(Parsed(Reason(refusal)), text)| (refusal, text))
            .collect();
        for refusal in Refusal::ALL {
            if !refusals.contains_key(refusal) {
                let text = instead(&format!("refusals.{refusal}"))?.refusal(*refusal).to_string();
                refusals.insert(*refusal, text);
            }
        }
        let dir = file.dir.map(|Parsed(dir)| dir == Direction::RightToLeft);
        let is_right_to_left = dir.unwrap_or_else(|| language.is_right_to_left());
        let words = Words { is_right_to_left, coins, amount, money, no_coins, refusals };
        Ok((words, missing))
    }

    /// The direction of the text, as HTML names it.
    pub(super) fn dir(&self) -> &'static str {
        if self.is_right_to_left { "rtl" } else { "ltr" }
    }

    /// A number of coins, such as `3 coins`.
    pub(super) fn coins(&self, number: u32) -> String {
        self.coins.with(&number.to_string(), "")
    }

    /// An amount, such as `2 cents`; `None` if it is not money that anyone owns: nothing, or an
    /// amount of a currency for tests.
    pub(super) fn money(&self, money: Money) -> Option<String> {
        let (units, currency) = (money.units(), money.currency());
        if units == 0 || [Currency::TEST, Currency::NONE].contains(&currency) {
            return None;
        }
        let words = self.money.get(&currency);
        let cents = words.and_then(|words| words.cents.as_ref());
        if let Some(cents) = cents.filter(|_| units < UNITS_PER_ONE) {
            return Some(cents.with(&decimal(units, UNITS_PER_CENT, CENT_DECIMALS, 1), ""));
        }
        // 1.50 and not 1.5, as prices are written.
        let number = decimal(units, UNITS_PER_ONE, MONEY_DECIMALS, 2);
        Some(words.map_or(&self.amount, |words| &words.whole).with(&number, currency.as_str()))
    }

    /// What a page says where nothing can be paid.
    pub(super) fn no_coins(&self) -> &str {
        &self.no_coins
    }

    /// What a page says about a refused payment.
    pub(super) fn refusal(&self, refusal: Refusal) -> &str {
        self.refusals.get(&refusal).map_or(refusal.sentence(), String::as_str)
    }
}

/// `units` in ones of `per_one` units each, which have this many decimals: a whole number, or one
/// with at least `shown_min` decimals.
fn decimal(units: u64, per_one: u64, decimals: usize, shown_min: usize) -> String {
    let (whole, fraction) = (units / per_one, units % per_one);
    if fraction == 0 {
        return whole.to_string();
    }
    let fraction = format!("{fraction:0decimals$}");
    let shown = fraction.trim_end_matches('0').len().max(shown_min);
    format!("{whole}.{}", &fraction[..shown])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> Words {
        let text = super::super::shipped::words_of("en");
        Words::parse(text, &"en".parse().unwrap(), None).unwrap().0
    }

    fn parse(text: &str) -> Result<(Words, Missing), TomlError> {
        let fallback = Fallback { words: &english(), is_same_language: false };
        Words::parse(text, &"fr".parse().unwrap(), Some(fallback))
    }

    #[test]
    fn amounts_are_printed_in_cents_below_one_and_not_at_all_if_they_are_no_money() {
        let english = english();
        for (money, expected) in [
            ("0.01 USD", Some("1 cent")),
            ("0.02 USD", Some("2 cents")),
            ("0.02 EUR", Some("2 cents")),
            ("0.0001 EUR", Some("0.01 cents")),
            ("0.015 EUR", Some("1.5 cents")),
            ("0.99 GBP", Some("99 pence")),
            ("0.01 GBP", Some("1 penny")),
            ("1 USD", Some("$1")),
            ("1.5 USD", Some("$1.50")),
            ("12.345 EUR", Some("€12.345")),
            ("0.5 CHF", Some("0.50 CHF")),
            ("3 JPY", Some("3 JPY")),
            ("0 USD", None),
            ("0.02 XTS", None),
            ("0 XXX", None),
        ] {
            assert_eq!(english.money(money.parse().unwrap()).as_deref(), expected, "{money}");
        }
        let most = Money::new(u64::MAX, "CHF".parse().unwrap());
        assert_eq!(english.money(most).unwrap(), "184467440737.09551615 CHF");
        assert_eq!(
            (english.coins(1).as_str(), english.coins(500).as_str()),
            ("1 coin", "500 coins")
        );
    }

    #[test]
    fn what_is_missing_is_english_and_named() {
        let (words, missing) = parse("").unwrap();
        assert_eq!((words.coins(1).as_str(), words.no_coins()), ("1 coin", english().no_coins()));
        assert_eq!(words.money("1.5 USD".parse().unwrap()).unwrap(), "1.50 USD");
        assert_eq!(missing.0.len(), 2 + Refusal::ALL.len());
        assert!(missing.to_string().starts_with("coins, no-coins, refusals.malformed, "));
        let (words, missing) = parse(
            "decimal = ','\nno-coins = 'Rien'\ncoins = { one = '{n} pièce', other = '{n} pièces' }\n\
             [money.EUR]\nwhole = '{n} €'\ncents = { one = '{n} centime', other = '{n} centimes' }\n\
             [refusals]\nspent = 'Déjà dépensée.'\n",
        )
        .unwrap();
        assert_eq!(words.money("0.015 EUR".parse().unwrap()).unwrap(), "1,5 centime");
        assert_eq!(words.money("1.5 EUR".parse().unwrap()).unwrap(), "1,50 €");
        assert_eq!(words.money("1.5 USD".parse().unwrap()).unwrap(), "1,50 USD");
        assert_eq!(words.refusal(Refusal::Spent), "Déjà dépensée.");
        assert_eq!(words.refusal(Refusal::Expired), Refusal::Expired.sentence());
        assert_eq!((missing.0.len(), missing.is_empty()), (Refusal::ALL.len() - 1, false));
    }

    #[test]
    fn a_country_speaks_the_language_that_is_shipped() {
        let fallback = Fallback { words: &english(), is_same_language: true };
        let language = "en-IE".parse().unwrap();
        let text = "[money.EUR]\nwhole = '{n} euro'";
        let (words, missing) = Words::parse(text, &language, Some(fallback)).unwrap();
        assert!(missing.is_empty());
        assert_eq!(words.money("2 EUR".parse().unwrap()).unwrap(), "2 euro");
        assert_eq!(words.money("2 USD".parse().unwrap()).unwrap(), "$2");
        assert_eq!(words.coins(2), "2 coins");
    }

    #[test]
    fn mistakes_have_a_line_and_a_column() {
        for (text, says) in [
            ("dir = 'up'", "line 1, column 7: dir: expected \"ltr\" or \"rtl\", found \"up\""),
            ("decimal = '1'", "decimal: expected one character such as \",\""),
            ("decimal = ''", "decimal: expected one character"),
            ("digits = '012'", "digits: expected the ten digits from 0 to 9, found \"012\""),
            ("digits = 'abcdefghij'", "digits: expected the ten digits"),
            ("color = 1", "line 1, column 1: unknown key `color`"),
            (
                "coins = 3",
                "coins: invalid type: integer `3`, expected a string, or a table of plural",
            ),
            ("\ncoins = { one = 'a' }", "line 2, column 9: missing key `other`"),
            ("coins = { other = '{n} a' }", "line 1, column 9: coins: expected the form \"one\""),
            ("coins = { other = '{n}', lots = 'a' }", "unknown key `lots`"),
            (
                "[coins]\none = 'a'\nother = 'b'",
                "line 1, column 1: coins: expected {n} in the form",
            ),
            ("amount = '{n} {money}'", "amount: expected no braces but {n}, {currency}, found"),
            ("\n[money.EUR]\ncents = '{n}'", "line 2, column 1: missing key `whole`"),
            (
                "[money.EUR]\nwhole = { other = '{n}', no = 'a' }",
                "line 2, column 26: unknown key `no`",
            ),
            ("[money.EUR]\nwhole = '€'", "line 2, column 9: whole: expected {n} in the form"),
            ("[money.euro]\nwhole = '{n}'", "expected a currency code of three letters"),
            ("[refusals]\nspend = 'a'", "line 2, column 1: expected one of malformed, "),
            ("[refusals]\nspent = 1", "line 2, column 9: spent: invalid type: integer `1`"),
            ("a = ", "line 1, column 5: "),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        let long =
            format!("no-coins = '{}'", "x".repeat(crate::toml_file::TOML_FILE_SIZE_MAX as usize));
        assert!(parse(&long).is_err());
    }
}
