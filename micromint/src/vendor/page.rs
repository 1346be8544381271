//! The page that people see instead of one they have not paid for: self-contained, and usable
//! without scripts, styles or a wallet. Its text and layout come from a template, the built-in one
//! or the vendor's own.
//!
//! Input: a template once, then the data of each request. Output: a page for each request. The
//! invariant: every value is escaped, so that no address, description or message can become markup.
//!
//! The default page paints nothing while a wallet in the browser pays and reloads the page; without
//! a wallet it appears after 0.8 s.

mod template;

use std::path::Path;
use std::sync::Arc;

use self::template::{Template, TemplateError};
use super::config_error::ConfigError;
use super::problem::NO_PERIOD;
use crate::host::{DiskDirectory, read_whole};
use crate::money::coins;
use crate::protocol::{MEDIA_TYPE, Refusal, RequestPayment};
use crate::text_file::decode;

/// The largest template, in bytes.
const PAGE_FILE_SIZE_MAX: u64 = 256 * 1024;

/// The placeholders of a template, which [`Page::fill`] fills in.
const NAMES: [&str; 12] = [
    "price",
    "coins",
    "money",
    "coin-value",
    "description",
    "url",
    "vendor-id",
    "broker",
    "periods",
    "refusal",
    "reason",
    MESSAGE,
];
/// The placeholder whose value is markup.
const MESSAGE: &str = "message";

/// The policy of the default page: it loads and runs nothing.
const DEFAULT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// The policy of a vendor's own page: pictures, fonts, styles and forms of the site, no scripts.
const OWN_POLICY: &str = "default-src 'none'; img-src 'self' data:; font-src 'self'; \
                          style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'self'";

/// The page of a vendor: the default one, or the vendor's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    template: Arc<Template>,
    policy: &'static str,
}

fn parse(text: &str) -> Result<Template, TemplateError> {
    Template::parse(text, &NAMES, MESSAGE)
}

impl Default for Page {
    fn default() -> Page {
        // Parsed for each configuration instead of stored in a static, which would leak whenever a
        // server unloads its module at a restart. The template is part of the program, and a test
        // parses it.
        #[allow(clippy::expect_used)]
        let template = parse(include_str!("page.html")).expect("the default page is a template");
        Page { template: Arc::new(template), policy: DEFAULT_POLICY }
    }
}

impl Page {
    /// Reads a template.
    ///
    /// # Errors
    /// The file cannot be read, is larger than 256 KiB, or is not a valid template; the error
    /// states the line.
    pub fn load(path: &Path) -> Result<Page, ConfigError> {
        let unreadable = |error: std::io::Error| {
            ConfigError::file(path, format!("page: cannot be read: {error}"))
        };
        let (directory, name) = DiskDirectory::of_file(path).map_err(unreadable)?;
        let bytes = read_whole(&directory, &name, PAGE_FILE_SIZE_MAX).map_err(unreadable)?;
        let text =
            decode(&bytes).map_err(|error| ConfigError::file(path, format!("page: {error}")))?;
        let template = parse(text).map_err(|error| {
            ConfigError::line(path, error.line, format!("page: {}", error.reason))
        })?;
        Ok(Page { template: Arc::new(template), policy: OWN_POLICY })
    }

    /// What the browser may load for the page: the value of Content-Security-Policy.
    pub(super) fn policy(&self) -> &'static str {
        self.policy
    }

    /// The page for a request, which may follow a refused payment. If the request names no period,
    /// nothing can be paid now, and the page says so.
    pub(super) fn fill(
        &self,
        request: &RequestPayment,
        message: &[u8],
        refusal: Option<Refusal>,
    ) -> Vec<u8> {
        let (price, coins, periods) =
            (request.price.to_string(), coins(request.price.into()), periods(request));
        let can_be_paid = !periods.is_empty();
        let money = request.money().filter(|_| can_be_paid);
        let money = money.map(|money| money.to_string()).unwrap_or_default();
        let coin_value = if can_be_paid { request.coin_value.to_string() } else { String::new() };
        let message = if can_be_paid { data_block(message) } else { String::new() };
        let sentence = refusal.map_or(if can_be_paid { "" } else { NO_PERIOD }, Refusal::sentence);
        // In the order of NAMES.
        let values: [&str; NAMES.len()] = [
            &price,
            &coins,
            &money,
            &coin_value,
            &request.description,
            request.url.as_str(),
            request.vendor.as_str(),
            &request.broker,
            &periods,
            sentence,
            refusal.map_or("", Refusal::word),
            &message,
        ];
        self.template.fill(&values).into_bytes()
    }
}

fn periods(request: &RequestPayment) -> String {
    request.periods.iter().map(|period| period.as_str()).collect::<Vec<_>>().join(", ")
}

/// The message as a data block. The content of a script element cannot be escaped, so a message
/// that could end the element is omitted; the header contains it too.
fn data_block(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    if text.contains('<') {
        return String::new();
    }
    format!("<script type=\"{MEDIA_TYPE}\">{text}</script>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(description: &str) -> RequestPayment {
        RequestPayment {
            url: "https://news.example/a?b=c&d='%22".parse().unwrap(),
            price: 3,
            vendor: "news.example".parse().unwrap(),
            broker: "https://broker.example/".to_string(),
            coin_value: "0.01 USD".parse().unwrap(),
            periods: vec!["2026-12".parse().unwrap(), "2027-01".parse().unwrap()],
            description: description.to_string(),
        }
    }

    fn filled(page: &Page, request: &RequestPayment, refusal: Option<Refusal>) -> String {
        String::from_utf8(page.fill(request, &request.to_bytes(), refusal)).unwrap()
    }

    fn own(text: &str) -> Result<Page, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        std::fs::write(&path, text).unwrap();
        Page::load(&path)
    }

    #[test]
    fn the_default_page_says_what_there_is_to_say() {
        let page = filled(&Page::default(), &request("News <of> the day"), None);
        for piece in [
            "<h1>This page costs 3 coins</h1>",
            "<dt>Price</dt><dd>3 coins, 0.03 USD</dd>",
            "News &lt;of&gt; the day",
            "https://news.example/a?b=c&amp;d=&#39;%22",
            "<dd>2026-12, 2027-01</dd>",
            "href=\"https://broker.example/\"",
        ] {
            assert!(page.contains(piece), "{piece} in\n{page}");
        }
        assert!(!page.contains("<script"), "a message that could end its block is left out");
        assert!(!page.contains("role=\"alert\"") && !page.contains("{{"));
        let page = filled(&Page::default(), &request(""), Some(Refusal::Spent));
        assert!(
            page.contains("<p class=\"refused\" role=\"alert\">A coin was spent here before.</p>")
        );
        assert!(!page.contains("<p></p>"));
        assert!(page.contains("<script type=\"application/x-micromint\">MicroMint-1.0\r\n"));
    }

    #[test]
    fn the_default_page_sends_nobody_to_buy_coins_that_are_not_accepted() {
        let nothing = RequestPayment {
            broker: String::new(),
            coin_value: crate::money::Money::NONE,
            periods: Vec::new(),
            ..request("")
        };
        let page = String::from_utf8(Page::default().fill(&nothing, b"", None)).unwrap();
        assert!(page.contains(&format!("role=\"alert\">{NO_PERIOD}</p>")), "{page}");
        for piece in ["XXX", "Valid coins", "Sold by", "One coin", "wallet", "<script", "{{"] {
            assert!(!page.contains(piece), "{piece} in\n{page}");
        }
    }

    #[test]
    fn a_webmasters_page_is_filled_in_and_may_show_the_sites_pictures() {
        let text = "<p title=\"{{description}}\">{{ price }}|{{ coins }}|{{ money }}|{{coin-value}}|{{ url }}|{{ vendor-id }}|{{broker}}|{{ periods }}|{{#reason}}{{ reason }}: {{ refusal }}{{/reason}}</p>{{ message }}";
        let page = own(text).unwrap();
        let filled = filled(&page, &request("\"x\""), Some(Refusal::Expired));
        assert!(
            filled.starts_with(
                "<p title=\"&quot;x&quot;\">3|3 coins|0.03 USD|0.01 USD|https://news.example/a?b=c&amp;d=&#39;%22|news.example|https://broker.example/|2026-12, 2027-01|expired: These coins have expired.</p><script"
            ),
            "{filled}"
        );
        assert!(page.policy().contains("img-src 'self'") && !page.policy().contains("script-src"));
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (text, says) in [
            ("a\n{{ prize }}{{ message }}", "page.html:2: page: unknown placeholder \"prize\""),
            ("no placeholder", "page.html:1: page: expected {{ message }} once"),
            ("{{ message }}\n{{ message }}", "page.html:2: page: expected {{ message }} once"),
        ] {
            let error = own(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let error = Page::load(Path::new("/nowhere/page.html")).unwrap_err().to_string();
        assert!(error.contains("page: cannot be read"), "{error}");
        let sized = |size: u64| format!("{{{{ message }}}}{}", "x".repeat(size as usize - 13));
        assert!(own(&sized(PAGE_FILE_SIZE_MAX)).is_ok());
        let error = own(&sized(PAGE_FILE_SIZE_MAX + 1)).unwrap_err().to_string();
        assert!(error.contains("expected at most 262144 bytes, found 262145"), "{error}");
    }
}
