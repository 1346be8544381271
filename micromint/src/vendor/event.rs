//! One event: an answered request in the words that logs and counters keep.
//!
//! In goes a decision, the status that was sent and what became of the charge; out comes a line. It
//! never holds a key, an Authenticator, a coin or a cookie, so a server may write it anywhere.

use std::fmt::{self, Write};

use super::decision::Decision;
use crate::period::Period;
use crate::protocol::RequestOutcome;

/// About as long as all but the user, the period and the URL is, in bytes.
const LINE_LEN_USUAL: usize = 128;

/// What a server tells of a request that the paywall decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What became of it; in a dry run: what would have.
    pub outcome: RequestOutcome,
    /// The status that was sent.
    pub status: u16,
    /// The price, in coins.
    pub price: u32,
    /// Coins that this request recorded, or reversed; in a dry run: would have.
    pub coins: u32,
    /// Whether the place only tries out what it would do.
    pub is_dry_run: bool,
    /// Who paid or tried to.
    pub user: Option<&'a str>,
    /// The period of the coins sent.
    pub period: Option<&'a str>,
    /// The page.
    pub url: Option<&'a str>,
}

impl Decision {
    /// The event of this decision, once its answer is made: `status` is the one sent, `became` what
    /// `Paywall::settle` said of the charge, or the decision's outcome where there was none.
    pub fn event(&self, status: u16, became: RequestOutcome) -> Event<'_> {
        let about = self.about();
        Event {
            outcome: became,
            status,
            price: about.price,
            coins: self.coins(),
            is_dry_run: about.is_dry_run,
            user: self.user(),
            period: about.period.as_ref().map(Period::as_str),
            url: about.url.as_deref(),
        }
    }
}

impl Event<'_> {
    /// The event as one JSON object on one line, without a line end: numbers and strings only,
    /// absent values left out.
    pub fn to_json(&self) -> String {
        let Event { outcome, status, price, coins, .. } = self;
        let mut text = self.room();
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"{{"micromint":"{}","status":{status},"price":{price},"coins":{coins}"#,
            outcome.word()
        );
        if self.is_dry_run {
            text.push_str(r#","dry-run":1"#);
        }
        for (name, value) in self.texts() {
            for part in [",\"", name, "\":"] {
                text.push_str(part);
            }
            push_json(&mut text, value);
        }
        text.push('}');
        text
    }

    /// The event as the words of its `Display`, without a line end.
    pub fn to_line(&self) -> String {
        let mut text = self.room();
        // Writing to a String cannot fail.
        let _ = write!(text, "{self}");
        text
    }

    /// An empty text with room for the event.
    fn room(&self) -> String {
        let texts: usize = self.texts().map(|(_, value)| value.len()).sum();
        String::with_capacity(LINE_LEN_USUAL + texts)
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = [("user", self.user), ("period", self.period), ("url", self.url)];
        texts.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl fmt::Display for Event<'_> {
    /// One line of words, such as `micromint paid status=200 price=1 coins=1 user=alice
    /// period=2026-12 url=https://news.example/`. No value holds a blank.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { outcome, status, price, coins, .. } = self;
        write!(f, "micromint {} status={status} price={price} coins={coins}", outcome.word())?;
        if self.is_dry_run {
            f.write_str(" dry-run=1")?;
        }
        self.texts().try_for_each(|(name, value)| {
            for part in [" ", name, "=", value] {
                f.write_str(part)?;
            }
            Ok(())
        })
    }
}

/// Appends a JSON string. User-IDs, periods and URLs are printable ASCII by their types, so two
/// characters need an escape.
fn push_json(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            line.push('\\');
        }
        line.push(character);
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::decision::{About, Serve};

    #[test]
    fn an_event_is_one_line() {
        let about = About {
            price: 2,
            url: Some(r#"https://news.example/a"\b"#.to_string()),
            period: Some("2026-12".parse().unwrap()),
            ..About::default()
        };
        let user = Some("alice".parse().unwrap());
        let paid = Decision::Serve(Serve {
            outcome: RequestOutcome::Paid,
            user,
            coins: 2,
            about,
            ..Serve::default()
        });
        assert_eq!(
            paid.event(200, RequestOutcome::Paid).to_line(),
            r#"micromint paid status=200 price=2 coins=2 user=alice period=2026-12 url=https://news.example/a"\b"#
        );
        assert_eq!(
            paid.event(404, RequestOutcome::Reversed).to_json(),
            r#"{"micromint":"reversed","status":404,"price":2,"coins":2,"user":"alice","period":"2026-12","url":"https://news.example/a\"\\b"}"#
        );
        let free = Decision::Serve(Serve::default());
        assert_eq!(
            free.event(200, RequestOutcome::Free).to_json(),
            r#"{"micromint":"free","status":200,"price":0,"coins":0}"#
        );
    }
}
