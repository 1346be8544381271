//! The options of a place in a server's configuration, and how places inherit them.
//!
//! Input: the words of directives. Output: the options of a place, merged with those of the places
//! around it. The invariant: a page is not given away because a directive was forgotten, so a price
//! alone switches the paywall on.

use crate::vendor::event::Event;
use crate::vendor::exempt::Exemptions;
use crate::vendor::price::{Price, parse_price};
use crate::vendor::receipt::parse_receipt_path;
use crate::vendor::views::FREE_VIEWS_MAX;

/// How a server writes values in its configuration.
pub trait Syntax {
    /// A constant text.
    type Text: AsRef<[u8]> + Clone;
    /// A value that is evaluated for each request.
    type Expression: Copy;
    /// Where events are written.
    type Log: Copy;

    /// The expression in a word of the configuration, if it contains one.
    fn expression(word: &[u8]) -> Option<&[u8]>;
}

/// Where the paywall applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nowhere.
    Off,
    /// Before every page.
    On,
    /// Before the pages that an access rule of the paywall let pass (Apache's `Require micromint`).
    Require,
}

/// The price of a place: a number, or an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceValue<E> {
    /// Coins or money.
    Fixed(Price),
    /// Evaluated for each request.
    Varying(E),
}

/// A text, or an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<T, E> {
    /// A constant text.
    Fixed(T),
    /// Evaluated for each request.
    Varying(E),
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFormat {
    /// As a line of words.
    Plain,
    /// As a JSON object.
    Json,
}

/// A word of a directive is not one of those expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// Another word was expected.
    #[error("expected {expected}, found \"{found}\"")]
    Word {
        /// The words or the range.
        expected: String,
        /// The word.
        found: String,
    },
    /// The server's own message.
    #[error("{0}")]
    Server(String),
}

/// The options of a place. `None` is not set: the value of the place around it holds.
pub struct Options<S: Syntax> {
    /// Where the paywall applies.
    pub mode: Option<Mode>,
    /// The price.
    pub price: Option<PriceValue<S::Expression>>,
    /// What a receipt opens. The inner `None` is the word `off`, which cancels an outer value.
    pub receipt_path: Option<Option<Value<S::Text, S::Expression>>>,
    /// Whether the price of a file is looked up beside it.
    pub has_price_files: Option<bool>,
    /// Whether paths that must stay free are, such as `/robots.txt`.
    pub exemptions: Option<Exemptions>,
    /// Whether a redirect by the content is what is sold.
    pub charges_redirects: Option<bool>,
    /// Whether a priced page must not be part of another page's response.
    pub refuses_subrequests: Option<bool>,
    /// The number of pages that a visitor sees per day without paying.
    pub free_views: Option<u32>,
    /// Whether payments are only reported and nothing is charged.
    pub is_dry_run: Option<bool>,
    /// Where events are written. The inner `None` is the word `off`.
    pub log: Option<Option<S::Log>>,
}

impl<S: Syntax> Clone for Options<S> {
    fn clone(&self) -> Options<S> {
        Options { receipt_path: self.receipt_path.clone(), ..*self }
    }
}

impl<S: Syntax> Copy for Options<S> where S::Text: Copy {}

impl<S: Syntax> Default for Options<S> {
    fn default() -> Options<S> {
        Options::NONE
    }
}

impl<S: Syntax> Options<S> {
    /// Nothing is set.
    pub const NONE: Options<S> = Options {
        mode: None,
        price: None,
        receipt_path: None,
        has_price_files: None,
        exemptions: None,
        charges_redirects: None,
        refuses_subrequests: None,
        free_views: None,
        is_dry_run: None,
        log: None,
    };

    /// These options inside a place with the options `outer`. A price at this level without a mode
    /// switches the paywall on, unless it applies already.
    #[must_use]
    pub fn within(&self, outer: &Options<S>) -> Options<S> {
        let implied = self.price.and(Some(Mode::On)).filter(|_| !outer.is_gated());
        Options {
            mode: self.mode.or(implied).or(outer.mode),
            price: self.price.or(outer.price),
            receipt_path: self.receipt_path.clone().or_else(|| outer.receipt_path.clone()),
            has_price_files: self.has_price_files.or(outer.has_price_files),
            exemptions: self.exemptions.or(outer.exemptions),
            charges_redirects: self.charges_redirects.or(outer.charges_redirects),
            refuses_subrequests: self.refuses_subrequests.or(outer.refuses_subrequests),
            free_views: self.free_views.or(outer.free_views),
            is_dry_run: self.is_dry_run.or(outer.is_dry_run),
            log: self.log.or(outer.log),
        }
    }

    // ---- as they hold

    /// Where the paywall applies. A price alone switches it on.
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or(if self.price.is_some() { Mode::On } else { Mode::Off })
    }

    /// Whether the paywall applies to any request.
    pub fn is_gated(&self) -> bool {
        self.mode() != Mode::Off
    }

    /// Whether the price of a file is looked up beside it; by default it is.
    pub fn has_price_files(&self) -> bool {
        self.has_price_files.unwrap_or(true)
    }

    /// Whether the exempt paths are free; by default they are.
    pub fn exemptions(&self) -> Exemptions {
        self.exemptions.unwrap_or(Exemptions::Apply)
    }

    /// Whether a redirect by the content is what is sold.
    pub fn charges_redirects(&self) -> bool {
        self.charges_redirects.unwrap_or(false)
    }

    /// Whether a priced page must not be part of another page's response.
    pub fn refuses_subrequests(&self) -> bool {
        self.refuses_subrequests.unwrap_or(false)
    }

    /// What a receipt opens, if more than the one page.
    pub fn receipt_path(&self) -> Option<&Value<S::Text, S::Expression>> {
        self.receipt_path.as_ref()?.as_ref()
    }

    /// The number of pages that a visitor sees per day without paying.
    pub fn free_views(&self) -> u32 {
        self.free_views.unwrap_or(0)
    }

    /// Whether payments are only reported and nothing is charged.
    pub fn is_dry_run(&self) -> bool {
        self.is_dry_run.unwrap_or(false)
    }

    /// Where events are written.
    pub fn log(&self) -> Option<S::Log> {
        self.log?
    }

    // ---- as directives set them

    /// Sets the mode by `on` or `off`, and `require` where the server has access rules.
    ///
    /// # Errors
    /// Another word.
    pub fn set_mode(&mut self, word: &[u8], has_require: bool) -> Result<(), OptionError> {
        const WORDS: [(&str, Mode); 3] =
            [("on", Mode::On), ("off", Mode::Off), ("require", Mode::Require)];
        self.mode = Some(one_of(word, &WORDS[..if has_require { 3 } else { 2 }])?);
        Ok(())
    }

    /// Sets the price: a number of coins or an amount, or an expression that `compile` prepares.
    ///
    /// # Errors
    /// The number is not a price, or `compile` fails.
    pub fn set_price(
        &mut self,
        word: &[u8],
        compile: impl FnOnce(&[u8]) -> Result<S::Expression, String>,
    ) -> Result<(), OptionError> {
        self.price = Some(match S::expression(word) {
            Some(text) => PriceValue::Varying(compile(text).map_err(OptionError::Server)?),
            None => {
                let price = parse_price(word);
                PriceValue::Fixed(price.map_err(|error| OptionError::Server(error.to_string()))?)
            }
        });
        Ok(())
    }

    /// Sets what a receipt opens: a path, an expression, or `off`.
    ///
    /// # Errors
    /// The text is not a path, or `compile` fails.
    pub fn set_receipt_path(
        &mut self,
        word: &[u8],
        compile: impl FnOnce(&[u8]) -> Result<S::Expression, String>,
        keep: impl FnOnce(&[u8]) -> S::Text,
    ) -> Result<(), OptionError> {
        self.receipt_path = Some(match S::expression(word) {
            _ if word.eq_ignore_ascii_case(b"off") => None,
            Some(text) => Some(Value::Varying(compile(text).map_err(OptionError::Server)?)),
            None => {
                let path = parse_receipt_path(word);
                let path = path.map_err(|error| OptionError::Server(error.to_string()))?;
                path.map(|_| Value::Fixed(keep(word)))
            }
        });
        Ok(())
    }

    /// Sets the number of free views.
    ///
    /// # Errors
    /// Anything but a number from 0 to [`FREE_VIEWS_MAX`].
    pub fn set_free_views(&mut self, word: &[u8]) -> Result<(), OptionError> {
        let number = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
        let number = number.filter(|number| *number <= FREE_VIEWS_MAX);
        let expected = || unexpected(format!("a number from 0 to {FREE_VIEWS_MAX}"), word);
        self.free_views = Some(number.ok_or_else(expected)?);
        Ok(())
    }

    /// Sets whether there are price files, by `on` or `off`.
    ///
    /// # Errors
    /// Another word.
    pub fn set_price_files(&mut self, word: &[u8]) -> Result<(), OptionError> {
        self.has_price_files = Some(on_or_off(word)?);
        Ok(())
    }

    /// Sets whether the exempt paths are free, by `on` or `off`.
    ///
    /// # Errors
    /// Another word.
    pub fn set_exemptions(&mut self, word: &[u8]) -> Result<(), OptionError> {
        let (on, off) = (Exemptions::Apply, Exemptions::Ignore);
        self.exemptions = Some(one_of(word, &[("on", on), ("off", off)])?);
        Ok(())
    }

    /// Sets whether nothing is charged, by `on` or `off`.
    ///
    /// # Errors
    /// Another word.
    pub fn set_dry_run(&mut self, word: &[u8]) -> Result<(), OptionError> {
        self.is_dry_run = Some(on_or_off(word)?);
        Ok(())
    }

    /// Sets whether redirects by the content are charged: `charge` or `reverse`.
    ///
    /// # Errors
    /// Another word.
    pub fn set_redirects(&mut self, word: &[u8]) -> Result<(), OptionError> {
        self.charges_redirects = Some(one_of(word, &[("charge", true), ("reverse", false)])?);
        Ok(())
    }

    /// Sets whether a priced page may be part of another one: `allow` or `refuse`.
    ///
    /// # Errors
    /// Another word.
    pub fn set_subrequests(&mut self, word: &[u8]) -> Result<(), OptionError> {
        self.refuses_subrequests = Some(one_of(word, &[("allow", false), ("refuse", true)])?);
        Ok(())
    }
}

impl EventFormat {
    /// Reads `plain` or `json`, or `off` for none.
    ///
    /// # Errors
    /// Another word.
    pub fn parse(word: &[u8]) -> Result<Option<EventFormat>, OptionError> {
        let (plain, json) = (Some(EventFormat::Plain), Some(EventFormat::Json));
        one_of(word, &[("off", None), ("plain", plain), ("json", json)])
    }

    /// The event in this form, on one line without a line end.
    pub fn write(self, event: &Event<'_>) -> String {
        match self {
            EventFormat::Plain => event.to_line(),
            EventFormat::Json => event.to_json(),
        }
    }
}

/// One of two words that switch something.
fn on_or_off(word: &[u8]) -> Result<bool, OptionError> {
    one_of(word, &[("on", true), ("off", false)])
}

/// The value of a word, in any case.
///
/// # Errors
/// Another word.
pub(super) fn one_of<T: Copy>(word: &[u8], words: &[(&str, T)]) -> Result<T, OptionError> {
    let found = words.iter().find(|(its, _)| word.eq_ignore_ascii_case(its.as_bytes()));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let mut expected = String::new();
        for (at, (name, _)) in words.iter().enumerate() {
            expected.push_str(match at {
                0 => "",
                _ if at + 1 == words.len() => " or ",
                _ => ", ",
            });
            expected.push_str(name);
        }
        unexpected(expected, word)
    })
}

fn unexpected(expected: String, found: &[u8]) -> OptionError {
    OptionError::Word { expected, found: String::from_utf8_lossy(found).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::{Answer, Decision};

    /// A server whose expressions begin with a dollar.
    struct Test;

    impl Syntax for Test {
        type Text = Vec<u8>;
        type Expression = u8;
        type Log = ();

        fn expression(word: &[u8]) -> Option<&[u8]> {
            word.strip_prefix(b"$")
        }
    }

    fn options(price: Option<u32>, mode: Option<Mode>) -> Options<Test> {
        let price = price.map(|coins| PriceValue::Fixed(Price::Coins(coins)));
        Options { mode, price, ..Options::NONE }
    }

    #[test]
    fn a_price_switches_the_paywall_on_where_nothing_says_otherwise() {
        let none = options(None, None);
        assert_eq!(none.mode(), Mode::Off);
        assert_eq!(options(Some(2), None).mode(), Mode::On);
        assert_eq!(options(Some(2), Some(Mode::Off)).mode(), Mode::Off);
        // Inside a place where it is off, a price is meant.
        let off = options(None, Some(Mode::Off));
        assert_eq!(options(Some(2), None).within(&off).mode(), Mode::On);
        assert_eq!(none.within(&options(Some(2), None)).mode(), Mode::On);
        // An access rule stays an access rule.
        let require = options(None, Some(Mode::Require));
        assert_eq!(options(Some(2), None).within(&require).mode(), Mode::Require);
        assert_eq!(off.within(&options(Some(2), None)).mode(), Mode::Off);
    }

    #[test]
    fn events_are_written_in_one_of_two_forms() {
        let parsed = |word: &[u8]| EventFormat::parse(word).unwrap();
        assert_eq!(parsed(b"off"), None);
        assert_eq!(parsed(b"plain"), Some(EventFormat::Plain));
        assert_eq!(parsed(b"JSON"), Some(EventFormat::Json));
        let error = EventFormat::parse(b"xml").unwrap_err().to_string();
        assert_eq!(error, "expected off, plain or json, found \"xml\"");
        let decision = Decision::from(Answer { status: 402, ..Answer::default() });
        let event = decision.event(402, decision.outcome());
        assert_eq!(EventFormat::Plain.write(&event), event.to_line());
        assert_eq!(EventFormat::Json.write(&event), event.to_json());
    }

    #[test]
    fn what_a_place_sets_replaces_what_is_around_it() {
        let mut outer = options(Some(2), None);
        outer.set_receipt_path(b"/a/", |_| Err(String::new()), <[u8]>::to_vec).unwrap();
        outer.set_free_views(b"3").unwrap();
        outer.set_redirects(b"charge").unwrap();
        let mut own = options(None, None);
        own.set_receipt_path(b"OFF", |_| Err(String::new()), <[u8]>::to_vec).unwrap();
        own.set_free_views(b"0").unwrap();
        let merged = own.within(&outer);
        assert!(merged.receipt_path().is_none() && merged.charges_redirects());
        assert_eq!(
            (merged.free_views(), merged.price),
            (0, Some(PriceValue::Fixed(Price::Coins(2))))
        );
        let inherited = options(None, None).within(&outer);
        assert_eq!(inherited.receipt_path(), Some(&Value::Fixed(b"/a/".to_vec())));
    }

    #[test]
    fn directives_say_what_they_expect() {
        let mut options = options(None, None);
        let told = |result: Result<(), OptionError>| result.unwrap_err().to_string();
        assert_eq!(told(options.set_mode(b"yes", false)), "expected on or off, found \"yes\"");
        assert_eq!(told(options.set_mode(b"", true)), "expected on, off or require, found \"\"");
        assert!(told(options.set_mode(b"require", false)).contains("on or off"));
        options.set_mode(b"Require", true).unwrap();
        assert_eq!(options.mode(), Mode::Require);
        for word in [b"-1".as_slice(), b"1000000000000", b"", b"\xff"] {
            assert!(told(options.set_free_views(word)).contains("a number from 0 to "));
        }
        options.set_free_views(FREE_VIEWS_MAX.to_string().as_bytes()).unwrap();
        let past = (FREE_VIEWS_MAX + 1).to_string();
        assert!(options.set_free_views(past.as_bytes()).is_err());
        assert!(told(options.set_price(b"-1", |_| Ok(1))).contains("-1"));
        assert!(options.set_price(b"$x", |_| Err("no such variable".to_string())).is_err());
        options.set_price(b"$x", |text| Ok(text.len() as u8)).unwrap();
        assert_eq!(options.price, Some(PriceValue::Varying(1)));
        assert!(told(options.set_redirects(b"maybe")).contains("charge or reverse"));
        assert!(told(options.set_subrequests(b"maybe")).contains("allow or refuse"));
    }
}
