//! The page that people see instead of one that they have not paid for: self-contained, in their
//! language, and without scripts.
//!
//! Input: the files of the vendor's own page, if there is one, then the data of each request.
//! Output: a page for each request. The invariant: every value is escaped, so that no address,
//! title or description can become markup; the page in a language is chosen by Accept-Language
//! alone.

mod files;
mod language;
mod phrase;
mod shipped;
mod template;
mod translation;
mod words;

use std::path::Path;
use std::sync::Arc;

use self::language::{Language, preferred};
use self::shipped::{SHIPPED, shipped};
use self::translation::Translation;
use super::config_error::ConfigError;
use super::offer::Offer;
use super::preview::Preview;
use super::request::Request;
use crate::protocol::Refusal;

/// The language of the page if a client prefers none that there is.
pub(super) const LANGUAGE_DEFAULT: &str = "en";

/// The policy of a shipped page: it loads and runs nothing.
const SHIPPED_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// The policy of a vendor's own page: pictures, fonts, styles and forms of the site, no scripts.
const OWN_POLICY: &str = "default-src 'none'; img-src 'self' data:; font-src 'self'; \
                          style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'self'";

/// The page that people see if they have not paid, in one or more languages: the shipped one, or
/// the vendor's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    inner: Arc<Inner>,
}

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    /// At least one.
    translations: Vec<(Translation, Origin)>,
    /// The languages of the translations, in the same order.
    languages: Vec<Language>,
    /// The index of the translation for clients that prefer none of the languages.
    default: usize,
    /// What the webmaster should know, one line each.
    warnings: Vec<String>,
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Shipped,
    Own,
}

/// The page in the language that a client prefers.
#[derive(Clone, Copy)]
pub(super) struct Chosen<'a> {
    translation: &'a Translation,
    origin: Origin,
}

/// What a page is about.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) offer: &'a Offer,
    pub(super) refusal: Option<Refusal>,
    /// Where subscribers log in: a path or a URL, in which `{url}` stands for the page's.
    pub(super) login: Option<&'a str>,
    /// Title and teaser, in the vendor's words.
    pub(super) preview: Option<&'a Preview>,
}

impl Default for Page {
    /// The shipped page, with English for those who prefer none of its languages.
    fn default() -> Page {
        let translations = shipped().into_iter().map(|page| (page, Origin::Shipped)).collect();
        Page::new(translations, 0, Vec::new())
    }
}

impl Page {
    fn new(
        translations: Vec<(Translation, Origin)>,
        default: usize,
        warnings: Vec<String>,
    ) -> Page {
        let languages = translations.iter().map(|(page, _)| page.language().clone()).collect();
        Page { inner: Arc::new(Inner { translations, languages, default, warnings }) }
    }

    /// The shipped page. `language` is a language tag, such as `de`: the language for clients that
    /// prefer none of the shipped ones.
    ///
    /// # Errors
    /// The page is not shipped in `language`.
    pub fn shipped(language: &str) -> Result<Page, String> {
        let page = Page::default();
        let known = SHIPPED.iter().position(|(tag, _)| tag.eq_ignore_ascii_case(language));
        let default = known.ok_or_else(|| {
            let tags: Vec<&str> = SHIPPED.iter().map(|(tag, _)| *tag).collect();
            format!(
                "expected one of {}, or a page of your own, found {language:.40?}",
                tags.join(", ")
            )
        })?;
        let translations = page.inner.translations.clone();
        Ok(Page::new(translations, default, Vec::new()))
    }

    /// Reads a vendor's own page. With the path `page.html`, the file `page.fr.html` beside it is
    /// the page in French, and likewise for every language tag. `page.html` itself is the page in
    /// `language`, for clients that prefer no other; without it, the shipped page is used for the
    /// languages that have no file.
    ///
    /// # Errors
    /// A file cannot be read, is larger than 256 KiB or is not a valid page, with line and column;
    /// there are more than 64 files, or none; or there is no page in `language`.
    pub fn load(path: &Path, language: &str) -> Result<Page, ConfigError> {
        files::load(path, language)
    }

    /// What the webmaster should know about the files, one line each: texts that they lack.
    pub(super) fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }

    /// The page in the language that a request prefers.
    pub(super) fn choose(&self, request: &Request<'_>) -> Chosen<'_> {
        let Inner { translations, languages, default, .. } = &*self.inner;
        let fields: smallvec::SmallVec<[&[u8]; 1]> =
            request.header_values("accept-language").collect();
        let index = preferred(fields.iter().copied(), languages).unwrap_or(*default);
        let (translation, origin) = &translations[index];
        Chosen { translation, origin: *origin }
    }
}

impl<'a> Chosen<'a> {
    /// The value of Content-Language.
    pub(super) fn language(self) -> &'a str {
        self.translation.language().as_str()
    }

    /// What the browser may load for the page: the value of Content-Security-Policy.
    pub(super) fn policy(self) -> &'static str {
        match self.origin {
            Origin::Shipped => SHIPPED_POLICY,
            Origin::Own => OWN_POLICY,
        }
    }

    /// The page about a subject.
    pub(super) fn fill(self, subject: &Subject<'_>) -> Vec<u8> {
        self.translation.fill(subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{PeriodPrice, RequestPayment};

    fn offer(description: &str) -> Offer {
        let request = RequestPayment {
            url: "https://news.example/a?b=c&d='%22".parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            broker: "https://shop.broker.example:8443/coins?a".to_string(),
            prices: vec![
                PeriodPrice::new("2026-12".parse().unwrap(), 3, "0.01 USD".parse().unwrap()),
                PeriodPrice::new("2027-01".parse().unwrap(), 3, "0.01 USD".parse().unwrap()),
            ],
            description: description.to_string(),
        };
        Offer { request, price: 3 }
    }

    fn subject(offer: &Offer) -> Subject<'_> {
        Subject { offer, refusal: None, login: None, preview: None }
    }

    /// The page for a reader who prefers a language.
    fn shown(language: &str, subject: &Subject<'_>) -> String {
        let headers: [(&[u8], &[u8]); 1] = [(b"Accept-Language", language.as_bytes())];
        let request = Request { headers: &headers, ..Request::default() };
        let page = Page::default();
        String::from_utf8(page.choose(&request).fill(subject)).unwrap()
    }

    #[test]
    fn the_page_names_the_price_in_money_and_where_coins_are_sold() {
        let page = shown("en", &subject(&offer("News <of> the day")));
        for piece in [
            "<title>This page costs 3 cents</title>",
            "<h1>This page costs <strong><bdi>3 cents</bdi></strong></h1>",
            "<bdi>News &lt;of&gt; the day</bdi>",
            "href=\"https://shop.broker.example:8443/coins?a\">Get a wallet and coins</a>",
            "which <bdi>shop.broker.example:8443</bdi> sells.",
        ] {
            assert!(page.contains(piece), "{piece} in\n{page}");
        }
        // Nothing to log in to, nothing refused, no words of the protocol, nothing left to fill in.
        for piece in ["subscription", "role=\"alert\"", "2026-12", "0.01", "coin-value", "{{"] {
            assert!(!page.contains(piece), "{piece} in\n{page}");
        }
    }

    #[test]
    fn title_and_teaser_are_what_people_and_previews_see() {
        let offer = offer("");
        let preview = Preview::new("A \"long\" read", "<b>One\ntwo").unwrap();
        let page = shown("en", &Subject { preview: Some(&preview), ..subject(&offer) });
        for piece in [
            "<title>A &quot;long&quot; read</title>",
            "<meta property=\"og:title\" content=\"A &quot;long&quot; read\">",
            "<meta property=\"og:description\" content=\"&lt;b&gt;One\ntwo\">",
            "<h1 dir=\"auto\">A &quot;long&quot; read</h1>",
            "<p class=\"teaser\" dir=\"auto\">&lt;b&gt;One\ntwo</p>",
            "<p class=\"price\">This page costs <strong><bdi>3 cents</bdi></strong></p>",
        ] {
            assert!(page.contains(piece), "{piece} in\n{page}");
        }
        assert_eq!(page.matches("<h1").count(), 1);
    }

    #[test]
    fn coins_that_are_worth_nothing_cost_no_money() {
        let mut offer = offer("");
        offer.request.prices[0].coin_value = "0.01 XTS".parse().unwrap();
        let page = shown("en", &subject(&offer));
        assert!(page.contains("This page costs <strong><bdi>3 coins</bdi></strong>"), "{page}");
        assert!(!page.contains("XTS"), "{page}");
    }

    #[test]
    fn nobody_is_sent_to_buy_coins_that_are_not_accepted() {
        let mut offer = offer("");
        offer.request.prices.clear();
        let with_login = Subject { login: Some("/login"), ..subject(&offer) };
        let page = shown("en", &with_login);
        let sentence = "role=\"alert\">No coins are accepted for this page at the moment.</p>";
        assert!(page.contains(sentence) && page.contains("href=\"/login\""), "{page}");
        for piece in ["XXX", "wallet", "class=\"button\"", "{{"] {
            assert!(!page.contains(piece), "{piece} in\n{page}");
        }
    }

    #[test]
    fn every_language_has_no_script_isolates_values_and_translates_refusals() {
        let offer = offer("a");
        let preview = Preview::new("Title", "").unwrap();
        for (language, refusal) in [
            ("en", "A coin was spent here before."),
            ("de", "Eine Münze wurde hier schon ausgegeben."),
            ("ar", "سبق إنفاق إحدى العملات هنا."),
        ] {
            let refused = Subject {
                refusal: Some(Refusal::Spent),
                login: Some("/login?next={url}"),
                preview: Some(&preview),
                ..subject(&offer)
            };
            let page = shown(language, &refused);
            let alert = format!("<p class=\"refusal\" role=\"alert\">{refusal}</p>");
            assert!(page.contains(&alert), "{page}");
            assert!(page.contains("next=https%3A%2F%2Fnews.example%2Fa%3Fb%3Dc%26d%3D%27%2522\""));
            assert!(!page.contains("<script") && !page.contains("animation"), "{page}");
            let (_, body) = page.split_once("<body>").unwrap();
            for value in ["news.example", "a", "shop.broker.example:8443"] {
                assert!(body.contains(&format!("<bdi>{value}</bdi>")), "{value} in\n{page}");
            }
        }
    }

    #[test]
    fn only_shipped_languages_can_be_the_default_of_the_shipped_page() {
        let request = Request::default();
        assert_eq!(Page::shipped("de").unwrap().choose(&request).language(), "de");
        assert_eq!(Page::default().choose(&request).language(), LANGUAGE_DEFAULT);
        let error = Page::shipped("fr").unwrap_err();
        assert!(error.contains("expected one of en, de, ar, or a page of your own"), "{error}");
    }
}
