//! Hexadecimal digits, in which keys, digests and identifiers are written.
//!
//! Input: bytes, or a text. Output: lower-case digits, or exactly as many bytes as the caller
//! expects. The invariant: digits of either case are read, and nothing else; an error never shows
//! the text, which may be a secret.

/// The text is not the hexadecimal form of a key, a token, a digest or an authenticator.
#[derive(Debug, thiserror::Error)]
#[error("expected {digits} hexadecimal digits, found {found} bytes of another form")]
pub struct HexError {
    digits: usize,
    found: usize,
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(&mut text, bytes);
    text
}

/// Appends lower-case hexadecimal digits.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
}

/// Exactly `N` bytes from hexadecimal digits of either case.
///
/// # Errors
/// The text has another length or other characters.
pub(crate) fn unhex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let error = || HexError { digits: 2 * N, found: text.len() };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return Err(error());
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = byte_of(*high, *low).ok_or_else(error)?;
    }
    Ok(bytes)
}

/// The byte that two digits of either case stand for.
pub(crate) fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_back_and_bounded() {
        let bytes: [u8; 256] = std::array::from_fn(|i| i as u8);
        assert_eq!(unhex(&hex(&bytes)).unwrap(), bytes);
        assert_eq!(unhex::<3>("ABcd0f").unwrap(), [0xab, 0xcd, 0x0f]);
        for bad in ["abcd0", "abcd0f0", "abcd0g", "+bcd0f", "\u{e9}bcd0", ""] {
            let told = unhex::<3>(bad).unwrap_err().to_string();
            assert!(told.starts_with("expected 6 hexadecimal digits, found "), "{bad}: {told}");
        }
    }
}
