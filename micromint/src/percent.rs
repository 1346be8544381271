//! Percent-encoding (RFC 3986, 2.1), in URLs, messages and logs.
//!
//! Input: bytes, and which of them stand for themselves. Output: a text in which every other byte
//! is `%` and two upper-case hexadecimal digits. The invariant: the caller's rule alone says what
//! stays; `%` is encoded unless that rule keeps it.

use std::fmt::{self, Write};

use crate::hex::byte_of;

/// Writes `bytes`; those that `is_kept` does not keep are encoded. It keeps ASCII only.
///
/// # Errors
/// Those of `out`; a `String` has none.
pub(crate) fn write_encoded(
    out: &mut impl Write,
    bytes: &[u8],
    is_kept: impl Fn(u8) -> bool,
) -> fmt::Result {
    for &byte in bytes {
        write_byte(out, byte, is_kept(byte))?;
    }
    Ok(())
}

/// Writes one byte, encoded unless it is kept.
///
/// # Errors
/// Those of `out`; a `String` has none.
pub(crate) fn write_byte(out: &mut impl Write, byte: u8, is_kept: bool) -> fmt::Result {
    if is_kept {
        return out.write_char(byte.into());
    }
    let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
    out.write_char('%')?;
    out.write_char(digit(byte >> 4))?;
    out.write_char(digit(byte & 15))
}

/// `bytes` as [`write_encoded`] writes them.
pub(crate) fn encoded(bytes: &[u8], is_kept: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len() + 32);
    // Writing to a String cannot fail.
    let _ = write_encoded(&mut text, bytes, is_kept);
    text
}

/// The bytes of a text in which every `%` begins an escape; `None` if one does not.
pub(crate) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [byte, after @ ..] = rest {
        let (decoded, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => (byte_of(*high, *low)?, after),
            (b'%', _) => return None,
            (byte, after) => (*byte, after),
        };
        bytes.push(decoded);
        rest = after;
    }
    Some(bytes)
}

/// Whether a byte is unreserved (RFC 3986, 2.3), so that it means the same everywhere in a URL.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_encoded_and_read_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = encoded(&bytes, is_unreserved);
        assert!(text.contains("-.%2F0123456789%3A") && text.contains("~%7F%80"), "{text}");
        assert_eq!(decoded(text.as_bytes()).unwrap(), bytes);
        assert_eq!(encoded(b"a%/ b", |byte| byte != b' '), "a%/%20b");
        for bad in ["%", "a%2", "%2g", "%%20", "%+1"] {
            assert_eq!(decoded(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(decoded(b"%e4%C3%25+").unwrap(), b"\xe4\xc3%+");
    }
}
