//! The text of a small file that a person wrote with any editor.
//!
//! Input: the bytes of a file. Output: its text, without the byte order mark that some editors put
//! before it. The invariant: bytes that are not UTF-8 are an error, never replaced or guessed.

use std::fmt;

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes are not UTF-8 text. The message does not repeat them, because they may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected UTF-8 text, found {0}; save the file as UTF-8")]
pub struct NotText(Found);

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Utf16,
    /// Line and column of the first wrong byte, both from 1; the column counts bytes.
    Byte(usize, usize),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Utf16 => f.write_str("UTF-16"),
            Found::Byte(line, column) => write!(f, "another byte in line {line}, column {column}"),
        }
    }
}

/// Without the byte order mark, if there is one.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// Reads bytes as UTF-8 text, without a byte order mark.
///
/// ```
/// use micromint::text_file::decode;
///
/// assert_eq!(decode(b"\xef\xbb\xbfcap = 20\r\n")?, "cap = 20\r\n");
/// // Latin-1
/// let error = decode(b"na\xefve").err().ok_or("decoded")?;
/// assert!(error.to_string().contains("line 1, column 3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The bytes are not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, NotText> {
    let bytes = without_mark(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return NotText(Found::Utf16);
        }
        let good = &bytes[..error.valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        NotText(Found::Byte(line, column))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_dropped_and_other_encodings_are_named() {
        assert_eq!(decode(b"\xef\xbb\xbf"), Ok(""));
        assert_eq!(decode(b"a\xef\xbb\xbf"), Ok("a\u{feff}"));
        for (bytes, says) in [
            (&b"\xff\xfea\0"[..], "found UTF-16"),
            (b"\xfe\xff\0a", "found UTF-16"),
            (b"\xff", "line 1, column 1"),
            (b"a\r\nb\xe9", "line 2, column 2"),
            (b"\xef\xbb", "line 1, column 1"),
        ] {
            let error = decode(bytes).unwrap_err().to_string();
            assert!(error.contains(says), "expected {says:?} in {error:?}");
        }
    }
}
