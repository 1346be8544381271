//! Events: an answered request in the form of logs and counters.
//!
//! Input: a decision, the status that was sent and the outcome of the charge. Output: one line. The
//! invariant: an event never contains a key, an Authenticator, a coin or a cookie, so a server may
//! write it anywhere.

use std::fmt::{self, Write};

use super::decision::Decision;
use crate::period::Period;
use crate::protocol::RequestOutcome;

/// The approximate length of an event without user, period and URL, in bytes.
const LINE_LEN_USUAL: usize = 128;

/// What a server records about a request that the paywall decided about.
///
/// ```
/// use micromint::protocol::RequestOutcome;
/// use micromint::vendor::{Answer, Decision};
///
/// let answer = Answer { outcome: RequestOutcome::Unpaid, status: 402, ..Answer::default() };
/// let decision = Decision::from(answer);
/// let event = decision.event(402, decision.outcome());
/// assert_eq!(event.to_line(), "micromint unpaid status=402 price=0 coins=0");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The outcome; in a dry run the one that would have been.
    pub outcome: RequestOutcome,
    /// The status that was sent.
    pub status: u16,
    /// The price in coins.
    pub price: u32,
    /// Coins that this request recorded or reversed; in a dry run: would have.
    pub coins: u32,
    /// Whether the place is in a dry run.
    pub is_dry_run: bool,
    /// The user who paid or tried to.
    pub user: Option<&'a str>,
    /// The period of the coins in the payment.
    pub period: Option<&'a str>,
    /// The URL of the page.
    pub url: Option<&'a str>,
}

impl Decision {
    /// The event of this decision, once its answer is made: `status` is the one sent, `became` the
    /// result of `Paywall::finish`, or the decision's outcome if there was no charge.
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
    /// The event as a JSON object on one line, without a line end. Values are numbers and strings;
    /// absent values are omitted.
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

    /// The event as its `Display` prints it, without a line end.
    pub fn to_line(&self) -> String {
        let mut text = self.room();
        // Writing to a String cannot fail.
        let _ = write!(text, "{self}");
        text
    }

    /// An empty text with enough capacity for the event.
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
    /// period=2026-12 url=https://news.example/`. No value contains a space.
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

/// Appends a JSON string. User-IDs, periods and URLs are printable ASCII by their types, so only
/// two characters need an escape.
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
