//! What an agent gets of a page: text, or bytes in base64.
//!
//! Input: the bytes of a page and its media type. Output: blocks of content of the Model Context
//! Protocol. The invariant: no block holds more than [`PIECE_SIZE_MAX`] bytes of a page, and text
//! is valid UTF-8 without characters that control a terminal.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The most bytes of a page in one answer.
pub(super) const PIECE_SIZE_MAX: usize = 256 * 1024;
/// The longest media type that is passed on, in bytes.
const MEDIA_TYPE_LEN_MAX: usize = 100;

/// A piece of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) url: &'a str,
    pub(super) media_type: &'a str,
    pub(super) bytes: &'a [u8],
    /// Where the piece begins in the page.
    pub(super) offset: u64,
    /// The size of the page.
    pub(super) total: u64,
}

impl Piece<'_> {
    /// The piece as a block of content, and words about it.
    pub(super) fn block(&self) -> (Value, String) {
        let end = self.offset + self.bytes.len() as u64;
        let part = match (self.offset, end == self.total) {
            (0, true) => format!("{} bytes", self.total),
            (offset, is_last) => {
                let more = if is_last { "" } else { "; the tool read_more shows what follows" };
                format!("bytes {offset} to {end} of {}{more}", self.total)
            }
        };
        match self.text() {
            Some((text, is_exact)) => {
                let note =
                    if is_exact { "" } else { "; it is not UTF-8, so some characters are lost" };
                (json!({ "type": "text", "text": text }), format!("{part}{note}"))
            }
            None => {
                let blob = STANDARD.encode(self.bytes);
                let resource = json!({
                    "uri": self.url, "mimeType": plain_type(self.media_type), "blob": blob,
                });
                (json!({ "type": "resource", "resource": resource }), format!("{part}, binary"))
            }
        }
    }

    /// The text, and whether it is exactly what came; `None` if it is not text.
    fn text(&self) -> Option<(String, bool)> {
        let essence = plain_type(self.media_type);
        let is_named_text = essence.starts_with("text/")
            || ["json", "xml", "javascript", "yaml"].iter().any(|end| essence.ends_with(end));
        // A piece can end within a character, and begin within one.
        let begin = self.bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        let bytes = if self.offset > 0 { &self.bytes[begin..] } else { self.bytes };
        let (text, is_exact) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_string(), true),
            Err(error) if error.error_len().is_none() && bytes.len() - error.valid_up_to() < 4 => {
                (String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned(), true)
            }
            Err(_) if is_named_text => (String::from_utf8_lossy(bytes).into_owned(), false),
            Err(_) => return None,
        };
        if !is_named_text && text.contains('\0') {
            return None;
        }
        Some((text.replace(is_control, "\u{fffd}"), is_exact))
    }
}

/// Whether a character controls a terminal.
fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t')
}

/// The type of a Content-Type field, without parameters; `application/octet-stream` if it has none.
fn plain_type(value: &str) -> String {
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"/+-._!#$&^".contains(&c);
    let is_type = essence.contains('/') && essence.len() <= MEDIA_TYPE_LEN_MAX;
    match is_type && essence.bytes().all(is_plain) {
        true => essence,
        false => "application/octet-stream".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(media_type: &str, bytes: &[u8], offset: u64, total: u64) -> (Value, String) {
        Piece { url: "https://a.example/", media_type, bytes, offset, total }.block()
    }

    #[test]
    fn text_is_text_and_the_rest_is_base64() {
        let (value, words) = block("text/html; charset=utf-8", "h\u{e9}".as_bytes(), 0, 3);
        assert_eq!((value["text"].as_str(), words.as_str()), (Some("h\u{e9}"), "3 bytes"));
        let (value, words) = block("text/html", b"h\xe9!", 0, 3);
        assert_eq!(value["text"], "h\u{fffd}!");
        assert!(words.contains("not UTF-8"), "{words}");
        let (value, words) = block("image/png", b"\x89PNG\0\xff\xfe\xfd\xfc", 0, 9);
        assert_eq!(value["resource"]["mimeType"], "image/png");
        assert_eq!(STANDARD.decode(value["resource"]["blob"].as_str().unwrap()).unwrap().len(), 9);
        assert!(words.contains("binary"), "{words}");
        // What nobody named is text if it reads as text.
        assert_eq!(block("", b"plain", 0, 5).0["type"], "text");
        assert_eq!(block("", b"a\0b", 0, 3).0["resource"]["mimeType"], "application/octet-stream");
        let (value, _) = block("text/plain", b"\x1b[2J\x07a\tb\n", 0, 9);
        assert_eq!(value["text"], "\u{fffd}[2J\u{fffd}a\tb\n");
    }

    #[test]
    fn a_piece_may_end_within_a_character() {
        let bytes = "a\u{e9}\u{20ac}b".as_bytes();
        assert_eq!(block("text/plain", &bytes[..2], 0, 7).0["text"], "a");
        assert_eq!(block("text/plain", &bytes[2..], 2, 7).0["text"], "\u{20ac}b");
        let words = block("text/plain", &bytes[..2], 0, 7).1;
        assert_eq!(words, "bytes 0 to 2 of 7; the tool read_more shows what follows");
        assert_eq!(block("text/plain", &bytes[2..], 2, 7).1, "bytes 2 to 7 of 7");
    }

    #[test]
    fn a_media_type_of_a_stranger_is_bounded() {
        for bad in ["", "x", "text/<b>", "text/a\u{e9}", &format!("text/{}", "x".repeat(100))] {
            assert_eq!(plain_type(bad), "application/octet-stream", "{bad}");
        }
        assert_eq!(plain_type("Text/HTML ; a=b"), "text/html");
    }
}
