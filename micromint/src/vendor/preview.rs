//! What a visitor sees of a page before paying: its title and a teaser.
//!
//! Input: texts of the vendor's price list. Output: the same texts, within their bounds, for the
//! 402 and the public list. The invariant: neither is markup, so whatever shows them escapes them.

use super::config_error::SettingError;
use crate::protocol::is_printable_char;

/// The longest title, in bytes of UTF-8.
pub const TITLE_LEN_MAX: usize = 200;
/// The longest teaser, in bytes of UTF-8.
pub const TEASER_LEN_MAX: usize = 2000;

/// The title and teaser of a page, in UTF-8.
///
/// ```
/// use micromint::vendor::Preview;
///
/// let preview = Preview::new("Über Nacht", "Ein Bericht in drei Teilen.")?;
/// assert_eq!((preview.title(), preview.teaser()), ("Über Nacht", "Ein Bericht in drei Teilen."));
/// assert!(Preview::new("two\nlines", "").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    title: String,
    teaser: String,
}

impl Preview {
    /// The preview of these texts, each of which may be empty. A teaser may have several lines.
    ///
    /// # Errors
    /// A text is longer than [`TITLE_LEN_MAX`] or [`TEASER_LEN_MAX`], or contains a control
    /// character or one that changes the direction of other text.
    pub fn new(
        title: impl Into<String>,
        teaser: impl Into<String>,
    ) -> Result<Preview, SettingError> {
        let (title, teaser) = (title.into(), teaser.into());
        check("title", &title, TITLE_LEN_MAX, is_printable_char)?;
        check("teaser", &teaser, TEASER_LEN_MAX, |char| is_printable_char(char) || char == '\n')?;
        Ok(Preview { title, teaser })
    }

    /// The title; empty if there is none.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The teaser; empty if there is none.
    pub fn teaser(&self) -> &str {
        &self.teaser
    }
}

fn check(
    key: &'static str,
    text: &str,
    len_max: usize,
    is_right: impl Fn(char) -> bool,
) -> Result<(), SettingError> {
    if text.len() > len_max {
        let reason = format!("expected at most {len_max} bytes, found {}", text.len());
        return Err(SettingError::new(key, reason));
    }
    match text.chars().find(|char| !is_right(*char)) {
        Some(char) => {
            let reason = format!(
                "expected no control character, and none that changes the direction of other text, \
                 found {}",
                char.escape_unicode()
            );
            Err(SettingError::new(key, reason))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_at_their_bounds_and_refused_past_them() {
        let umlauts = |len: usize| "\u{fc}".repeat(len / 2);
        let preview = Preview::new(umlauts(TITLE_LEN_MAX), umlauts(TEASER_LEN_MAX)).unwrap();
        assert_eq!((preview.title().len(), preview.teaser().len()), (200, 2000));
        assert!(Preview::new("", "one line\nand another").is_ok());
        for (title, teaser, says) in [
            ("x".repeat(TITLE_LEN_MAX + 1), String::new(), "title: expected at most 200 bytes"),
            (String::new(), "x".repeat(TEASER_LEN_MAX + 1), "teaser: expected at most 2000 bytes"),
            ("a\nb".to_string(), String::new(), "title: expected no control character"),
            (String::new(), "a\u{7f}".to_string(), "teaser: expected no control character"),
            ("a\u{202e}b".to_string(), String::new(), "title: expected no control character"),
            (String::new(), "\u{2066}a".to_string(), "teaser: expected no control character"),
        ] {
            let error = Preview::new(title, teaser).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
