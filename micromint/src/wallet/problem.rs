//! What a vendor's problem document (RFC 9457) says about a refused payment.
//!
//! Input: the body of an answer. Output: a word for the records and a line for people. The
//! invariant: both have a bounded length and hold no character that could move a cursor, change a
//! colour or reverse the direction of text.

use serde_json::Value;

use super::answer::plain;
use crate::scheme::PROBLEM_TYPES;

/// The largest problem document that is read, in bytes.
pub const PROBLEM_SIZE_MAX: usize = 64 * 1024;
/// The most characters of [`Problem::words`].
const PROBLEM_WORDS_MAX: usize = 240;

/// The reasons that a vendor gives for a refusal.
///
/// ```
/// use micromint::wallet::Problem;
///
/// let body = br#"{"reason": "spent", "title": "A coin was spent before."}"#;
/// let problem = Problem::parse(body).ok_or("not a problem document")?;
/// assert_eq!(problem.reason.as_deref(), Some("spent"));
/// assert_eq!(problem.words, "A coin was spent before");
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The member `reason` of this project, or else the last part of the problem's type.
    pub reason: Option<String>,
    /// Title and detail, in the vendor's words; empty if both are missing.
    pub words: String,
}

impl Problem {
    /// Reads a body; `None` if it is not a JSON object or is longer than [`PROBLEM_SIZE_MAX`]. A
    /// member whose type is not that of RFC 9457 is ignored.
    pub fn parse(body: &[u8]) -> Option<Problem> {
        if body.len() > PROBLEM_SIZE_MAX {
            return None;
        }
        let problem: Value = serde_json::from_slice(body).ok()?;
        let member = |name: &str| problem.as_object()?.get(name)?.as_str();
        problem.is_object().then(|| {
            let of_type = member("type").and_then(|kind| kind.strip_prefix(PROBLEM_TYPES));
            let reason = member("reason").or(of_type).map(plain).filter(|word| !word.is_empty());
            let title = for_people(member("title").unwrap_or_default());
            let detail = for_people(member("detail").unwrap_or_default());
            let words = match (title.trim_end_matches('.'), detail.as_str()) {
                (title, "") => title.to_string(),
                ("", detail) => detail.to_string(),
                (title, detail) => format!("{title}: {detail}"),
            };
            Problem { reason, words: words.chars().take(PROBLEM_WORDS_MAX).collect() }
        })
    }
}

/// Untrusted text for people: the letters and digits of every language, and ASCII's printable
/// characters. Any other white space, including line ends, becomes a space.
fn for_people(text: &str) -> String {
    let is_harmless = |c: char| c.is_alphanumeric() || ('!'..='~').contains(&c);
    let shown = text.chars().take(2 * PROBLEM_WORDS_MAX);
    let shown: String = shown
        .filter_map(|c| if is_harmless(c) { Some(c) } else { c.is_whitespace().then_some(' ') })
        .collect();
    shown.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Problem> {
        Problem::parse(text.as_bytes())
    }

    #[test]
    fn problems_of_this_project_and_of_other_vendors_are_read() {
        let ours = r#"{"type":"https://paymentauth.org/problems/verification-failed",
            "reason":"spent","status":402,"title":"A coin was spent here before.",
            "detail":"2 coins for https://news.example/"}"#;
        let problem = parse(ours).unwrap();
        assert_eq!(problem.reason.as_deref(), Some("spent"));
        assert_eq!(
            problem.words,
            "A coin was spent here before: 2 coins for https://news.example/"
        );
        let theirs = r#"{"type":"https://paymentauth.org/problems/payment-expired",
            "detail":"Zu spät, 支払い"}"#;
        let problem = parse(theirs).unwrap();
        assert_eq!(
            (problem.reason.as_deref(), problem.words.as_str()),
            (Some("payment-expired"), "Zu spät, 支払い")
        );
        for nothing in
            ["{}", r#"{"title":7,"reason":["x"],"type":"about:blank"}"#, r#"{"reason":"\n"}"#]
        {
            assert_eq!(
                parse(nothing),
                Some(Problem { reason: None, words: String::new() }),
                "{nothing}"
            );
        }
        for none in ["", "[]", "7", "{", "{}{}"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn no_control_characters_reach_a_terminal() {
        let hostile = r#"{"reason":"a\u001b[2Jb","title":"one\r\ntwo\u0007\u009b31m",
            "detail":"\u202eabc\u2066\u200bd"}"#;
        let problem = parse(hostile).unwrap();
        assert_eq!(
            (problem.reason.as_deref(), problem.words.as_str()),
            (Some("a[2Jb"), "one two31m: abcd")
        );
    }

    #[test]
    fn words_and_documents_are_bounded() {
        let title = |len: usize| {
            parse(&format!("{{\"title\":\"{}\"}}", "x".repeat(len))).map(|it| it.words.len())
        };
        assert_eq!(title(PROBLEM_WORDS_MAX), Some(PROBLEM_WORDS_MAX));
        assert_eq!(title(PROBLEM_WORDS_MAX + 1), Some(PROBLEM_WORDS_MAX));
        let around = "{\"title\":\"\"}".len();
        assert_eq!(title(PROBLEM_SIZE_MAX - around), Some(PROBLEM_WORDS_MAX));
        assert_eq!(title(PROBLEM_SIZE_MAX - around + 1), None);
    }
}
