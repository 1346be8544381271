//! The form that all messages share: a first line, a type, headers, data in Base64, a last line.
//!
//! ```text
//! MicroMint-1.0
//! <Message-Type>
//! <Header>: <Value>
//! Data-Size: <decoded bytes>
//! <Base64, RFC 4648 with padding, lines of at most 76>
//! End-MicroMint
//! ```
//!
//! 7-bit ASCII. Lines end with LF or CRLF on input and with CRLF on output. `Data-Size` is the last
//! header; a message without data has none. Header names are case-insensitive, a repeated header is
//! an error, an unknown header is ignored.

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use smallvec::SmallVec;

use super::text::{URL_LEN_MAX, is_printable, is_printable_char, parse_decimal};
use crate::percent;

/// The longest line, in bytes without its end: a URL and the name of its header.
pub const LINE_LEN_MAX: usize = URL_LEN_MAX + 256;
/// The largest number of headers in a message, known or not, not counting `Data-Size`.
pub const HEADER_COUNT_MAX: usize = 64;
/// The longest line of Base64, in bytes.
pub(super) const DATA_LINE_LEN_MAX: usize = 76;
/// The data in a full line of Base64, in bytes.
const DATA_PER_LINE: usize = DATA_LINE_LEN_MAX / 4 * 3;
/// Space for everything but the data in a message without a page's URL.
pub(super) const HEAD_SIZE_MAX: usize = 16 * 1024;

const FIRST_LINE: &str = "MicroMint-1.0";
pub(super) const LAST_LINE: &str = "End-MicroMint";
pub(super) const DATA_SIZE: &str = "Data-Size";

/// The largest text of a message with `data_size` bytes of data, in bytes. It allows for senders
/// that break Base64 after 64 characters instead of 76.
pub(super) const fn text_size_max(data_size: usize) -> usize {
    data_size.div_ceil(48) * (64 + 2) + HEAD_SIZE_MAX
}

/// The text is not a message of the expected type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The text is larger than any message of this type.
    #[error("message of {found} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// A byte is not 7-bit ASCII.
    #[error("byte {byte:#04x} at offset {at}: a message is 7-bit ASCII")]
    NotAscii {
        /// The byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
    /// A line is not what was expected.
    #[error("line {line}: expected {expected}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// The message has another type.
    #[error("expected a {expected} message, found {found:?}")]
    WrongType {
        /// The expected type.
        expected: &'static str,
        /// The type found.
        found: String,
    },
    /// A header that this type needs is absent.
    #[error("header {0} is missing")]
    Missing(String),
    /// A header is repeated.
    #[error("header {0} is repeated")]
    Repeated(String),
    /// The value of a header is invalid.
    #[error("header {name}: {why}")]
    Header {
        /// The header's name.
        name: String,
        /// What was expected and what was found.
        why: String,
    },
    /// The data does not match the headers.
    #[error("data: {0}")]
    Data(String),
}

/// A parsed message: its type, its headers in order, and its data. The texts are borrowed from the
/// message, so that a vendor reads a payment with few allocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    message_type: &'a str,
    headers: SmallVec<[(&'a str, &'a str); 8]>,
    data: Option<Vec<u8>>,
}

impl<'a> Frame<'a> {
    /// Parses `text`, at most `size_max` bytes.
    ///
    /// # Errors
    /// The text does not have the form of a message; the error says in which line.
    pub fn parse(text: &'a [u8], size_max: usize) -> Result<Frame<'a>, MessageError> {
        if text.len() > size_max {
            return Err(MessageError::TooLarge { found: text.len(), max: size_max });
        }
        let text = ascii(text)?;
        let mut lines = Lines { text, line: 0 };
        lines.expect(FIRST_LINE, "MicroMint-1.0")?;
        let message_type = lines.next("a message type")?;
        if !is_name(message_type) {
            return Err(lines.wrong("a message type"));
        }
        let mut frame = Frame { message_type, headers: SmallVec::new(), data: None };
        frame.read_headers_and_data(&mut lines)?;
        if !lines.text.is_empty() {
            lines.line += 1;
            return Err(lines.wrong("nothing after End-MicroMint"));
        }
        Ok(frame)
    }

    fn read_headers_and_data(&mut self, lines: &mut Lines<'a>) -> Result<(), MessageError> {
        loop {
            let line = lines.next("a header or End-MicroMint")?;
            if line == LAST_LINE {
                return Ok(());
            }
            let (name, value) =
                split_once(line, b':').ok_or_else(|| lines.wrong("a header or End-MicroMint"))?;
            let value = value.trim_matches([' ', '\t']);
            // All bytes, so that several are examined at a time.
            let has_control = value.bytes().fold(false, |found, c| found | c.is_ascii_control());
            if !is_name(name) || has_control {
                return Err(lines.wrong("a header of printable ASCII characters"));
            }
            if self.get(name).is_some() {
                return Err(MessageError::Repeated(name.to_string()));
            }
            if name.eq_ignore_ascii_case(DATA_SIZE) {
                self.data = Some(read_data(lines, value)?);
                return Ok(());
            }
            if self.headers.len() == HEADER_COUNT_MAX {
                return Err(lines.wrong("at most 64 headers"));
            }
            self.headers.push((name, value));
        }
    }

    /// The type of the message, such as `Payment`.
    pub fn message_type(&self) -> &'a str {
        self.message_type
    }

    /// Refuses a message of another type.
    ///
    /// # Errors
    /// [`MessageError::WrongType`].
    pub(super) fn expect_type(&self, expected: &'static str) -> Result<(), MessageError> {
        if self.message_type == expected {
            return Ok(());
        }
        Err(MessageError::WrongType { expected, found: self.message_type.to_string() })
    }

    /// The headers in order, as (name, value).
    pub fn headers(&self) -> &[(&'a str, &'a str)] {
        &self.headers
    }

    /// The value of a header; its name is case-insensitive. `None` if it is absent.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The value of a required header.
    ///
    /// # Errors
    /// [`MessageError::Missing`].
    pub fn need(&self, name: &str) -> Result<&'a str, MessageError> {
        self.get(name).ok_or_else(|| MessageError::Missing(name.to_string()))
    }

    /// The value of a required header, parsed as a `T`.
    ///
    /// # Errors
    /// It is missing, or not a `T`.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, MessageError> {
        self.need(name)?.parse().map_err(|error: T::Err| MessageError::Header {
            name: name.to_string(),
            why: error.to_string(),
        })
    }

    /// The value of a required header, parsed as a canonical decimal from 0 to `max`.
    ///
    /// # Errors
    /// It is missing, not such a number, or too large.
    pub fn number(&self, name: &str, max: u64) -> Result<u64, MessageError> {
        let text = self.need(name)?;
        parse_decimal(text).filter(|number| *number <= max).ok_or_else(|| MessageError::Header {
            name: name.to_string(),
            why: format!(
                "expected a number from 0 to {max}, found {:?}",
                text.chars().take(40).collect::<String>()
            ),
        })
    }

    /// The value of a required header for people, 0 to `len_max` bytes.
    ///
    /// # Errors
    /// It is missing or too long.
    pub fn text(&self, name: &str, len_max: usize) -> Result<String, MessageError> {
        let text = self.need(name)?;
        if text.len() <= len_max {
            return Ok(text.to_string());
        }
        let why = format!("expected at most {len_max} bytes, found {}", text.len());
        Err(MessageError::Header { name: name.to_string(), why })
    }

    /// The value of an optional text for people, 0 to `len_max` bytes, that
    /// [`Printer::people_or_utf8`] printed; empty if it is absent.
    ///
    /// # Errors
    /// It is too long, or its encoding is not that of a printable text.
    pub(super) fn text_or_utf8(
        &self,
        name: &str,
        utf8_name: &str,
        len_max: usize,
    ) -> Result<String, MessageError> {
        let Some(encoded) = self.get(utf8_name) else {
            return if self.get(name).is_some() {
                self.text(name, len_max)
            } else {
                Ok(String::new())
            };
        };
        let wrong = |why: String| MessageError::Header { name: utf8_name.to_string(), why };
        let decoded = percent::decoded(encoded.as_bytes());
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = decoded.filter(|text| is_printable(text)).ok_or_else(|| {
            wrong("expected printable UTF-8 text in percent-encoding".to_string())
        })?;
        if text.len() > len_max {
            return Err(wrong(format!("expected at most {len_max} bytes, found {}", text.len())));
        }
        Ok(text)
    }

    /// The data, if the message has any.
    pub fn data(&self) -> Option<&[u8]> {
        self.data.as_deref()
    }

    /// The required data.
    ///
    /// # Errors
    /// The message has none.
    pub fn into_data(self) -> Result<Vec<u8>, MessageError> {
        self.data.ok_or_else(|| MessageError::Missing(DATA_SIZE.to_string()))
    }
}

/// Prints a message: its type, then headers in the order of the calls, then data or nothing.
pub(super) struct Printer {
    text: String,
}

impl Printer {
    /// Starts a message of this type.
    pub(super) fn new(message_type: &str) -> Printer {
        Printer { text: format!("{FIRST_LINE}\r\n{message_type}\r\n") }
    }

    /// Adds a header whose value is of a type that prints as one line of printable ASCII.
    pub(super) fn header(mut self, name: &str, value: impl Display) -> Printer {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{name}: {value}\r\n");
        self
    }

    /// Adds a header that may be absent.
    pub(super) fn header_if(self, header: Option<(&str, impl Display)>) -> Printer {
        match header {
            Some((name, value)) => self.header(name, value),
            None => self,
        }
    }

    /// Adds a header with a text for people: under `name` if it is ASCII, otherwise under
    /// `utf8_name`, in UTF-8 with percent-encoding. Characters that are not printable become `?`;
    /// blanks at the ends and everything after `len_max` bytes are removed.
    pub(super) fn people_or_utf8(
        self,
        name: &str,
        utf8_name: &str,
        value: &str,
        len_max: usize,
    ) -> Printer {
        if value.is_ascii() {
            return self.people(name, value, len_max);
        }
        let mut plain = String::new();
        for c in value.trim().chars() {
            let c = if is_printable_char(c) { c } else { '?' };
            if plain.len() + c.len_utf8() > len_max {
                break;
            }
            plain.push(c);
        }
        self.header(utf8_name, percent::encoded(plain.trim_end().as_bytes(), is_plain))
    }

    /// Adds a header with a text for people. What a header cannot carry is not sent: characters
    /// other than printable ASCII become `?`; blanks at the ends and everything after `len_max`
    /// bytes are removed. So no text, wherever it came from, can forge a line of a message.
    pub(super) fn people(self, name: &str, value: &str, len_max: usize) -> Printer {
        let plain = |c| if (' '..='~').contains(&c) { c } else { '?' };
        let value: String = value.trim().chars().map(plain).take(len_max).collect();
        self.header(name, value.trim_end())
    }

    /// Ends a message without data.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.text.push_str(LAST_LINE);
        self.text.push_str("\r\n");
        self.text.into_bytes()
    }

    /// Ends a message with this data.
    pub(super) fn data(self, data: &[u8]) -> Vec<u8> {
        let mut printer = self.header(DATA_SIZE, data.len());
        printer.text.reserve(data.len().div_ceil(DATA_PER_LINE) * (DATA_LINE_LEN_MAX + 2) + 32);
        for line in data.chunks(DATA_PER_LINE) {
            STANDARD.encode_string(line, &mut printer.text);
            printer.text.push_str("\r\n");
        }
        printer.end()
    }
}

/// The lines of a message; CRLF and LF both end one.
struct Lines<'a> {
    text: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line, which must have an end and must not be longer than allowed.
    fn next(&mut self, expected: &'static str) -> Result<&'a str, MessageError> {
        self.line += 1;
        let (line, rest) = match split_once(self.text, b'\n') {
            Some((line, rest)) => (line.strip_suffix('\r').unwrap_or(line), rest),
            // The end of the last line may be missing: mail and forms remove it.
            None if self.text == LAST_LINE => (self.text, ""),
            None => return Err(self.wrong(expected)),
        };
        if line.len() > LINE_LEN_MAX {
            return Err(self.wrong("a shorter line"));
        }
        self.text = rest;
        Ok(line)
    }

    fn expect(&mut self, line: &str, expected: &'static str) -> Result<(), MessageError> {
        if self.next(expected)? == line { Ok(()) } else { Err(self.wrong(expected)) }
    }

    fn wrong(&self, expected: &'static str) -> MessageError {
        MessageError::Line { line: self.line, expected }
    }
}

/// Reads the lines of Base64 up to and including the last line of the message.
fn read_data(lines: &mut Lines<'_>, data_size: &str) -> Result<Vec<u8>, MessageError> {
    let declared = parse_decimal(data_size).ok_or_else(|| MessageError::Header {
        name: DATA_SIZE.to_string(),
        why: format!(
            "expected a number of bytes, found {:?}",
            data_size.chars().take(40).collect::<String>()
        ),
    })?;
    // One line, enough for a few coins, is decoded in place.
    let mut base64 = Cow::Borrowed("");
    loop {
        let line = lines.next("Base64 or End-MicroMint")?;
        if line == LAST_LINE {
            break;
        }
        if line.is_empty() || line.len() > DATA_LINE_LEN_MAX {
            return Err(lines.wrong("Base64 in lines of 1 to 76 characters"));
        }
        base64 += line;
    }
    let mut data = Vec::with_capacity(base64.len());
    let decoded = STANDARD.decode_vec(&*base64, &mut data);
    decoded.map_err(|error| MessageError::Data(error.to_string()))?;
    if data.len() as u64 != declared {
        return Err(MessageError::Data(format!(
            "{} bytes, but Data-Size says {declared}",
            data.len()
        )));
    }
    Ok(data)
}

/// The text before and after the first `byte`, which must be ASCII.
fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

fn ascii(text: &[u8]) -> Result<&str, MessageError> {
    if !text.is_ascii()
        && let Some(at) = text.iter().position(|byte| !byte.is_ascii())
    {
        return Err(MessageError::NotAscii { byte: text[at], at });
    }
    // ASCII is UTF-8, so the message below never occurs.
    std::str::from_utf8(text).map_err(|error| MessageError::Data(error.to_string()))
}

/// Whether a byte of a text in a header stands for itself: printable ASCII but `%`.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'%'
}

/// A message type or header name: 1 to 64 letters, digits and hyphens.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Vec<u8> {
        let data: Vec<u8> = (0..100).collect();
        Printer::new("Payment").header("URL", "https://a.example/").data(&data)
    }

    fn parse(text: &[u8]) -> Frame<'_> {
        Frame::parse(text, text.len()).unwrap()
    }

    #[test]
    fn parsing_undoes_printing_with_crlf_and_lf() {
        let text = example();
        let frame = parse(&text);
        assert_eq!(
            (frame.message_type(), frame.get("url")),
            ("Payment", Some("https://a.example/"))
        );
        assert_eq!(frame.data, Some((0..100).collect()));
        for text in [
            text.clone(),
            Printer::new("Empty").data(&[]),
            Printer::new("Bare").header("A", "b c").end(),
        ] {
            let with_lf = String::from_utf8(text.clone()).unwrap().replace("\r\n", "\n");
            assert_eq!(parse(&text), parse(with_lf.as_bytes()));
            assert_eq!(parse(&text), parse(with_lf.trim_end().as_bytes()));
        }
    }

    #[test]
    fn texts_for_people_cannot_forge_lines() {
        for (text, read) in [
            ("two\r\nPrice: 1", "two??Price: 1"),
            ("  caf\u{e9}\t ", "caf?"),
            ("123456789012345678 0", "123456789012345678"),
        ] {
            let printed = Printer::new("A").people("Text", text, 19).end();
            assert_eq!(parse(&printed).headers(), [("Text", read)]);
        }
    }

    #[test]
    fn texts_for_people_may_be_utf8() {
        for (text, header) in [
            ("News of the day", ("Text", "News of the day")),
            ("100%", ("Text", "100%")),
            (" f\u{fc}r 5% ", ("Text-UTF-8", "f%C3%BCr 5%25")),
            ("\u{fc}\r\nPrice: 1\u{202e}", ("Text-UTF-8", "%C3%BC??Price: 1?")),
            ("\u{fc}\u{fc}34567890123456789", ("Text-UTF-8", "%C3%BC%C3%BC345678901234567")),
            ("123456789012345678\u{fc}", ("Text-UTF-8", "123456789012345678")),
        ] {
            let printed = Printer::new("A").people_or_utf8("Text", "Text-UTF-8", text, 19).end();
            assert_eq!(parse(&printed).headers(), [header]);
        }
        let read = |header: &str, len_max: usize| {
            let text = format!("MicroMint-1.0\r\nA\r\n{header}\r\nEnd-MicroMint\r\n");
            let text =
                Frame::parse(text.as_bytes(), 1000).unwrap().text_or_utf8("T", "T-UTF-8", len_max);
            text.map_err(|error| error.to_string())
        };
        assert_eq!(read("T-UTF-8: f%C3%bcr%205%25", 7), Ok("f\u{fc}r 5%".to_string()));
        assert_eq!(
            read("T: a\r\nT-UTF-8: %C3%BC", 7),
            Ok("\u{fc}".to_string()),
            "the one that says more"
        );
        assert_eq!(read("T: a%20", 7), Ok("a%20".to_string()));
        assert_eq!(read("U: a", 7), Ok(String::new()));
        for header in
            ["T-UTF-8: %C3", "T-UTF-8: %", "T-UTF-8: %G0", "T-UTF-8: %0A", "T-UTF-8: %E2%80%AE"]
        {
            assert!(
                read(header, 7).unwrap_err().contains("expected printable UTF-8 text"),
                "{header}"
            );
        }
        assert!(
            read("T-UTF-8: f%C3%BCr%205%25", 6).unwrap_err().contains("at most 6 bytes, found 7")
        );
    }

    #[test]
    fn every_deviation_is_named() {
        let good = String::from_utf8(example()).unwrap();
        for (from, to, says) in [
            ("MicroMint-1.0", "MicroMint-2.0", "line 1: expected MicroMint-1.0"),
            ("MicroMint-1.0\r", "MicroMint-1.0\r\r", "line 1: expected MicroMint-1.0"),
            ("Payment\r\n", "Pay ment\r\n", "line 2: expected a message type"),
            ("URL:", "URL", "line 3: expected a header"),
            ("URL:", "URL :", "line 3: expected a header"),
            ("URL: ", " URL: ", "line 3: expected a header"),
            ("URL: ", "URL: a\r\nurl: ", "header url is repeated"),
            ("URL: ", "X: a\r\nx: b\r\nURL: ", "header x is repeated"),
            ("https", "\u{e9}", "7-bit ASCII"),
            ("https", "\u{7}", "printable"),
            ("https", "a\rb", "printable"),
            ("Data-Size: 100", "Data-Size: 0100", "expected a number of bytes"),
            ("Data-Size: 100", "Data-Size: 99", "Data-Size says 99"),
            ("Data-Size: 100", "Data-Size: 100\r\nCoins: 1", "data: "),
            ("Data-Size: 100", "Data-Size: 100\r\n", "1 to 76"),
            ("\r\nEnd-MicroMint\r\n", "\r\n", "expected Base64 or End-MicroMint"),
            ("End-MicroMint\r\n", "End-MicroMint\r\nx", "nothing after End-MicroMint"),
            ("AAECAw", "A*ECAw", "data: "),
            ("AAECAw", "AAECAw=", "1 to 76"),
            ("Yw==", "Yx==", "data: "),
            ("Yw==", "Yw=", "data: "),
            ("Yw==", "Yw", "data: "),
        ] {
            assert!(good.contains(from), "{from}");
            let error =
                Frame::parse(good.replace(from, to).as_bytes(), 9999).unwrap_err().to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
        assert!(Frame::parse(good.as_bytes(), good.len() - 1).is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        let many = |n: usize| {
            (0..n)
                .fold(Printer::new("A"), |printer, i| printer.header(&format!("H{i}"), i))
                .data(&[1])
        };
        assert!(Frame::parse(&many(HEADER_COUNT_MAX), 9999).is_ok());
        assert!(Frame::parse(&many(HEADER_COUNT_MAX + 1), 9999).is_err());
        let long = |n: usize| Printer::new("A").header("H", "x".repeat(n)).end();
        assert!(Frame::parse(&long(LINE_LEN_MAX - 3), 99_999).is_ok());
        assert!(Frame::parse(&long(LINE_LEN_MAX - 2), 99_999).is_err());
        let named = |n: usize| Printer::new("A").header(&"x".repeat(n), 1).end();
        assert!(Frame::parse(&named(64), 99_999).is_ok());
        assert!(Frame::parse(&named(65), 99_999).is_err());
    }
}
