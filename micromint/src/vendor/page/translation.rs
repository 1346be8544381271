//! The page in one language: its words and its template, from one file.
//!
//! Input: the text of a file, which begins with words in TOML between two lines `+++`, or has no
//! words; then the values of a request. Output: a page. The invariant: every value is escaped.

use super::Subject;
use super::language::Language;
use super::shipped::STYLE;
use super::template::Template;
use super::words::{Fallback, Missing, Words};
use crate::percent::{encoded, is_unreserved};
use crate::toml_file::TomlError;
use crate::vendor::preview::Preview;

/// The line before and after the words.
const FENCE: &str = "+++";
/// The placeholder whose value is the style of the shipped pages.
const STYLE_NAME: &str = "style";
/// The placeholders of a template, which [`Translation::fill`] fills in.
const NAMES: [&str; 16] = [
    STYLE_NAME,
    "lang",
    "dir",
    "title",
    "teaser",
    "description",
    "site",
    "url",
    "price",
    "coins",
    "money",
    "broker",
    "broker-name",
    "login",
    "refusal",
    "reason",
];

/// The page in one language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::vendor) struct Translation {
    language: Language,
    words: Words,
    template: Template,
}

/// The text of a file is not a page.
#[derive(Debug)]
pub(super) enum TranslationError {
    /// The words.
    Words(TomlError),
    /// The template, at a line and a column.
    Template { place: (usize, usize), reason: String },
}

/// The parts of a file.
pub(super) struct Parts<'a> {
    /// The words, with an empty line in place of the fence before them, so that their lines are
    /// those of the file.
    pub(super) words: &'a str,
    template: &'a str,
    /// The number of lines before the template.
    lines_before: usize,
}

/// Divides a file into words and template.
pub(super) fn split(text: &str) -> Result<Parts<'_>, TranslationError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let is_fence = |line: &str| line.trim_end() == FENCE;
    let mut lines = text.split_inclusive('\n');
    if !lines.next().is_some_and(is_fence) {
        return Ok(Parts { words: "", template: text, lines_before: 0 });
    }
    let (mut end, mut count) = (FENCE.len(), 1);
    let start = end;
    end += text[end..].find('\n').map_or(0, |at| at + 1);
    for line in lines {
        count += 1;
        if is_fence(line) {
            let template = text.get(end + line.len()..).unwrap_or_default();
            return Ok(Parts { words: &text[start..end], template, lines_before: count });
        }
        end += line.len();
    }
    let reason = format!("expected a line {FENCE} after the words that begin here");
    Err(TranslationError::Template { place: (1, 1), reason })
}

impl Translation {
    /// Reads the text of a file. What its words lack is that of `fallback`, and named.
    ///
    /// # Errors
    /// The words or the template are not valid, with their place in the text.
    pub(super) fn parse(
        text: &str,
        language: Language,
        fallback: Option<Fallback<'_>>,
    ) -> Result<(Translation, Missing), TranslationError> {
        let parts = split(text)?;
        let (words, missing) =
            Words::parse(parts.words, &language, fallback).map_err(TranslationError::Words)?;
        let template = Template::parse(parts.template, &NAMES, STYLE_NAME).map_err(|error| {
            let (line, column) = error.place;
            let place = (line + parts.lines_before, column);
            TranslationError::Template { place, reason: error.reason }
        })?;
        Ok((Translation { language, words, template }, missing))
    }

    /// The language.
    pub(in crate::vendor) fn language(&self) -> &Language {
        &self.language
    }

    /// Whether people see what a page costs.
    pub(super) fn shows_price(&self) -> bool {
        let is_price = |name: &str| matches!(name, "price" | "coins" | "money");
        NAMES.iter().enumerate().any(|(at, name)| is_price(name) && self.template.shows(at))
    }

    /// The words.
    pub(super) fn words(&self) -> &Words {
        &self.words
    }

    /// The page for a request, which may follow a refused payment. If the offer names no period,
    /// nothing can be paid now, and the page says so.
    pub(in crate::vendor) fn fill(&self, subject: &Subject<'_>) -> Vec<u8> {
        let Subject { offer, refusal, login, preview } = *subject;
        let words = &self.words;
        let can_be_paid = offer.can_be_paid();
        let coins = words.coins(offer.coins());
        let money = offer.money().and_then(|money| words.money(money));
        let offer = &offer.request;
        let sentence = refusal.map_or_else(
            || if can_be_paid { "" } else { words.no_coins() },
            |refusal| words.refusal(refusal),
        );
        let broker = if can_be_paid { &*offer.broker } else { "" };
        let url = || encoded(offer.url.as_str().as_bytes(), is_unreserved);
        let login = login.map(|login| login.replace("{url}", &url()));
        // In the order of NAMES.
        let values: [&str; NAMES.len()] = [
            STYLE,
            self.language.as_str(),
            words.dir(),
            preview.map_or("", Preview::title),
            preview.map_or("", Preview::teaser),
            &offer.description,
            offer.vendor.as_str(),
            offer.url.as_str(),
            money.as_deref().unwrap_or(&coins),
            &coins,
            money.as_deref().unwrap_or_default(),
            broker,
            host_of(broker),
            login.as_deref().unwrap_or_default(),
            sentence,
            refusal.map_or("", |refusal| refusal.word()),
        ];
        self.template.fill(&values).into_bytes()
    }
}

/// The host of an http URL, for people; an IPv6 address with its brackets.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}
