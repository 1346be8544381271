//! Events: an answered request in the form of logs and counters.
//!
//! Input: a decision, the status that was sent and the outcome of the charge. Output: one line. The
//! invariants: an event never contains a key, an Authenticator, a coin or a cookie, so a server may
//! write it anywhere; whatever its values are, it is one line of at most 4 KiB, and its JSON is
//! valid also after a log has escaped it: values have no quote, backslash, blank or byte outside
//! printable ASCII. (Apache's error log doubles backslashes and cuts lines at 8 KiB, nginx's at
//! 2 KiB.)

use std::fmt::{self, Write};

use super::decision::Decision;
use crate::percent;
use crate::period::Period;
use crate::protocol::RequestOutcome;

/// The approximate length of an event without user, period and URL, in bytes.
const LINE_LEN_USUAL: usize = 128;
/// The longest value of an event, in bytes, before [`CUT_MARK`].
const VALUE_LEN_MAX: usize = 1024;
/// What follows a value that was cut.
const CUT_MARK: &str = "...";

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
    /// The price in base coins.
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
    /// absent values are omitted. Quotes, backslashes and everything that is not printable ASCII
    /// are percent-encoded; a value of more than 1024 bytes is cut, and ends with `...`.
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
            for part in [",\"", name, "\":\""] {
                text.push_str(part);
            }
            let _ = write_value(&mut text, value);
            text.push('"');
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
        let texts: usize = self.texts().map(|(_, value)| value.len().min(VALUE_LEN_MAX)).sum();
        String::with_capacity(LINE_LEN_USUAL + texts)
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = [("user", self.user), ("period", self.period), ("url", self.url)];
        texts.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl fmt::Display for Event<'_> {
    /// One line of words, such as `micromint paid status=200 price=1 coins=1 user=alice
    /// period=2026-12 url=https://news.example/`. No value contains a space; they are encoded and
    /// cut as in [`Event::to_json`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { outcome, status, price, coins, .. } = self;
        write!(f, "micromint {} status={status} price={price} coins={coins}", outcome.word())?;
        if self.is_dry_run {
            f.write_str(" dry-run=1")?;
        }
        self.texts().try_for_each(|(name, value)| {
            for part in [" ", name, "="] {
                f.write_str(part)?;
            }
            write_value(f, value)
        })
    }
}

/// Writes a value: percent-encodes every byte that could end a string or a line somewhere, and cuts
/// what is too long.
fn write_value(line: &mut impl Write, text: &str) -> fmt::Result {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if text.len() <= VALUE_LEN_MAX && text.bytes().all(is_plain) {
        return line.write_str(text);
    }
    let mut len = 0;
    for byte in text.bytes() {
        len += if is_plain(byte) { 1 } else { 3 };
        if len > VALUE_LEN_MAX {
            return line.write_str(CUT_MARK);
        }
        percent::write_byte(line, byte, is_plain(byte))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            r#"micromint paid status=200 price=2 coins=2 user=alice period=2026-12 url=https://news.example/a%22%5Cb"#
        );
        assert_eq!(
            paid.event(404, RequestOutcome::Reversed).to_json(),
            r#"{"micromint":"reversed","status":404,"price":2,"coins":2,"user":"alice","period":"2026-12","url":"https://news.example/a%22%5Cb"}"#
        );
        let free = Decision::Serve(Serve::default());
        assert_eq!(
            free.event(200, RequestOutcome::Free).to_json(),
            r#"{"micromint":"free","status":200,"price":0,"coins":0}"#
        );
    }
    /// An event with these texts as user, period and URL.
    fn event<'a>(user: &'a str, period: &'a str, url: &'a str) -> Event<'a> {
        Event {
            outcome: RequestOutcome::Paid,
            status: 200,
            price: 1,
            coins: 1,
            is_dry_run: true,
            user: Some(user),
            period: Some(period),
            url: Some(url),
        }
    }

    #[test]
    fn a_value_is_cut_where_it_is_too_long() {
        let url_in = |url: &str| {
            let json = event("", "", url).to_json();
            json.split("\"url\":\"").nth(1).unwrap().strip_suffix("\"}").unwrap().to_string()
        };
        let long = |n: usize| "a".repeat(n);
        assert_eq!(url_in(&long(VALUE_LEN_MAX)), long(VALUE_LEN_MAX));
        assert_eq!(url_in(&long(VALUE_LEN_MAX + 1)), format!("{}...", long(VALUE_LEN_MAX)));
        // An encoded byte is not cut in two.
        let encoded = format!("{}\\", long(VALUE_LEN_MAX - 3));
        assert_eq!(url_in(&encoded), format!("{}%5C", long(VALUE_LEN_MAX - 3)));
        let encoded = format!("{}\\", long(VALUE_LEN_MAX - 2));
        assert_eq!(url_in(&encoded), format!("{}...", long(VALUE_LEN_MAX - 2)));
        assert_eq!(url_in("/\u{e9}\u{2028}\u{7f}\n"), "/%C3%A9%E2%80%A8%7F%0A");
    }

    proptest! {
        #[test]
        fn any_event_is_one_short_line_and_valid_json(
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), prop::sample::select(b"\"\\\n\r\0 {}%".to_vec())],
                0..3 * VALUE_LEN_MAX,
            ),
            at in 0usize..3,
        ) {
            let text = String::from_utf8_lossy(&bytes);
            let texts = ["user", "period", "url"];
            let value = |number| if number == at { &*text } else { "x" };
            let event = event(value(0), value(1), value(2));
            let (json, line) = (event.to_json(), event.to_line());
            for written in [&json, &line] {
                prop_assert!(written.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                prop_assert!(written.len() <= 4096 && !written.contains('\\'));
            }
            prop_assert_eq!(line.matches(' ').count(), 8);
            let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(parsed.as_object().unwrap().len(), 8);
            for (number, name) in texts.iter().enumerate() {
                let found = parsed[name].as_str().unwrap();
                prop_assert!(number == at || found == "x");
                prop_assert!(found.len() <= VALUE_LEN_MAX + CUT_MARK.len());
            }
        }
    }
}
