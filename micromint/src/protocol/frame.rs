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
//! 7-bit ASCII; lines end in LF or CRLF on input and in CRLF on output. `Data-Size` is the last header;
//! a message without data has none. Header names are case-insensitive, a repeated one is an error, an
//! unknown one is ignored.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::text::{URL_LEN_MAX, parse_decimal};

/// The longest line, in bytes without its end: a URL and the name of its header.
pub const LINE_LEN_MAX: usize = URL_LEN_MAX + 256;
/// The most headers in a message, known or not.
pub const HEADER_COUNT_MAX: usize = 64;
/// The longest line of Base64, in bytes.
const DATA_LINE_LEN_MAX: usize = 76;

const FIRST_LINE: &str = "MicroMint-1.0";
const LAST_LINE: &str = "End-MicroMint";
const DATA_SIZE: &str = "Data-Size";

/// Text that is no message of the expected type.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The text is larger than any message of this type.
    #[error("message of {found} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// A byte that is no 7-bit ASCII.
    #[error("byte {byte:#04x} at offset {at}: a message is 7-bit ASCII")]
    NotAscii {
        /// The byte.
        byte: u8,
        /// Where it stands.
        at: usize,
    },
    /// A line is not what must stand there.
    #[error("line {line}: expected {expected}")]
    Line {
        /// The line, counted from 1.
        line: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// Another type of message.
    #[error("expected a {expected} message, found {found:?}")]
    WrongType {
        /// The type wanted.
        expected: &'static str,
        /// The type found.
        found: String,
    },
    /// A header that this type needs is absent.
    #[error("header {0} is missing")]
    Missing(String),
    /// A header stands twice.
    #[error("header {0} is repeated")]
    Repeated(String),
    /// A header's value is not what it must be.
    #[error("header {name}: {why}")]
    Header {
        /// The header's name.
        name: String,
        /// What was expected and what was found.
        why: String,
    },
    /// The data is not what the headers promise.
    #[error("data: {0}")]
    Data(String),
}

/// A message taken apart: its type, its headers in order, and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    message_type: String,
    headers: Vec<(String, String)>,
    data: Option<Vec<u8>>,
}

impl Frame {
    /// An empty message of this type, to be filled and printed.
    pub fn new(message_type: &str) -> Frame {
        Frame { message_type: message_type.to_string(), headers: Vec::new(), data: None }
    }

    /// Adds a header. The value must be one line of printable ASCII, as every typed field prints.
    pub fn with(mut self, name: &str, value: impl Display) -> Frame {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Sets the data.
    pub fn with_data(mut self, data: Vec<u8>) -> Frame {
        self.data = Some(data);
        self
    }

    /// Takes `text`, at most `size_max` bytes, apart.
    ///
    /// # Errors
    /// Anything that is not the form of a message, with the line where it is not.
    pub fn parse(text: &[u8], size_max: usize) -> Result<Frame, MessageError> {
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
        let mut frame = Frame::new(message_type);
        frame.read_headers_and_data(&mut lines)?;
        if !lines.text.is_empty() {
            lines.line += 1;
            return Err(lines.wrong("nothing after End-MicroMint"));
        }
        Ok(frame)
    }

    fn read_headers_and_data(&mut self, lines: &mut Lines<'_>) -> Result<(), MessageError> {
        loop {
            let line = lines.next("a header or End-MicroMint")?;
            if line == LAST_LINE {
                return Ok(());
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| lines.wrong("a header or End-MicroMint"))?;
            let value = value.trim_matches([' ', '\t']);
            if !is_name(name) || !value.bytes().all(|c| (b' '..=b'~').contains(&c)) {
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
            self.headers.push((name.to_string(), value.to_string()));
        }
    }

    /// Prints the message, lines ending in CRLF.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\r\n{}\r\n", self.message_type);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut text = text.into_bytes();
        if let Some(data) = &self.data {
            text.extend(format!("{DATA_SIZE}: {}\r\n", data.len()).bytes());
            for line in STANDARD.encode(data).as_bytes().chunks(DATA_LINE_LEN_MAX) {
                text.extend_from_slice(line);
                text.extend_from_slice(b"\r\n");
            }
        }
        text.extend_from_slice(LAST_LINE.as_bytes());
        text.extend_from_slice(b"\r\n");
        text
    }

    /// The type of the message, such as `Payment`.
    pub fn message_type(&self) -> &str {
        &self.message_type
    }

    /// Refuses a message of another type.
    ///
    /// # Errors
    /// [`MessageError::WrongType`].
    pub fn expect_type(&self, expected: &'static str) -> Result<(), MessageError> {
        if self.message_type == expected {
            return Ok(());
        }
        Err(MessageError::WrongType { expected, found: self.message_type.clone() })
    }

    /// The value of a header, its name in any case; `None` if it is absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a header that must be there.
    ///
    /// # Errors
    /// [`MessageError::Missing`].
    pub fn need(&self, name: &str) -> Result<&str, MessageError> {
        self.get(name).ok_or_else(|| MessageError::Missing(name.to_string()))
    }

    /// The value of a header that must be there, read as a `T`.
    ///
    /// # Errors
    /// It is missing, or no `T`.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, MessageError> {
        self.need(name)?
            .parse()
            .map_err(|error: T::Err| MessageError::Header { name: name.to_string(), why: error.to_string() })
    }

    /// The value of a header that must be there, read as a canonical decimal from 0 to `max`.
    ///
    /// # Errors
    /// It is missing, no such number, or too large.
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

    /// The value of a header for people, 0 to `len_max` bytes.
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

    /// The data that must be there.
    ///
    /// # Errors
    /// The message has none.
    pub fn into_data(self) -> Result<Vec<u8>, MessageError> {
        self.data.ok_or_else(|| MessageError::Missing(DATA_SIZE.to_string()))
    }
}

/// The lines of a message; CRLF and LF both end one.
struct Lines<'a> {
    text: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    /// The next line, which must be ended and no longer than allowed.
    fn next(&mut self, expected: &'static str) -> Result<&'a str, MessageError> {
        self.line += 1;
        let (line, rest) = match self.text.split_once('\n') {
            Some((line, rest)) => (line.strip_suffix('\r').unwrap_or(line), rest),
            // The end of the last line may be missing: mail and forms eat it.
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
    let mut base64 = Vec::new();
    loop {
        let line = lines.next("Base64 or End-MicroMint")?;
        if line == LAST_LINE {
            break;
        }
        if line.is_empty() || line.len() > DATA_LINE_LEN_MAX {
            return Err(lines.wrong("Base64 in lines of 1 to 76 characters"));
        }
        base64.extend_from_slice(line.as_bytes());
    }
    let data = STANDARD.decode(&base64).map_err(|error| MessageError::Data(error.to_string()))?;
    if data.len() as u64 != declared {
        return Err(MessageError::Data(format!("{} bytes, but Data-Size says {declared}", data.len())));
    }
    Ok(data)
}

fn ascii(text: &[u8]) -> Result<&str, MessageError> {
    if let Some(at) = text.iter().position(|byte| !byte.is_ascii()) {
        return Err(MessageError::NotAscii { byte: text[at], at });
    }
    // ASCII is UTF-8, so the message below is never seen.
    std::str::from_utf8(text).map_err(|error| MessageError::Data(error.to_string()))
}

/// A message type or header name: 1 to 64 letters, digits and hyphens.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Frame {
        Frame::new("Payment").with("URL", "https://a.example/").with_data((0..100).collect())
    }

    #[test]
    fn printing_and_parsing_are_inverse_with_crlf_and_lf() {
        for frame in [example(), Frame::new("Empty").with_data(vec![]), Frame::new("Bare").with("A", "b c")] {
            let text = frame.to_bytes();
            assert_eq!(Frame::parse(&text, text.len()).unwrap(), frame);
            let with_lf = String::from_utf8(text).unwrap().replace("\r\n", "\n");
            assert_eq!(Frame::parse(with_lf.as_bytes(), 9999).unwrap(), frame);
            assert_eq!(Frame::parse(with_lf.trim_end().as_bytes(), 9999).unwrap(), frame);
        }
    }

    #[test]
    fn every_deviation_is_named() {
        let good = String::from_utf8(example().to_bytes()).unwrap();
        for (from, to, says) in [
            ("MicroMint-1.0", "MicroMint-2.0", "line 1: expected MicroMint-1.0"),
            ("Payment\r\n", "Pay ment\r\n", "line 2: expected a message type"),
            ("URL:", "URL", "line 3: expected a header"),
            ("URL: ", "URL: a\r\nurl: ", "header url is repeated"),
            ("https", "\u{e9}", "7-bit ASCII"),
            ("https", "\u{7}", "printable"),
            ("Data-Size: 100", "Data-Size: 0100", "expected a number of bytes"),
            ("Data-Size: 100", "Data-Size: 99", "Data-Size says 99"),
            ("\r\nEnd-MicroMint\r\n", "\r\n", "expected Base64 or End-MicroMint"),
            ("End-MicroMint\r\n", "End-MicroMint\r\nx", "nothing after End-MicroMint"),
            ("AAECAw", "A*ECAw", "data: "),
            ("AAECAw", "AAECAw=", "1 to 76"),
            ("Yw==", "Yx==", "data: "),
            ("Yw==", "Yw=", "data: "),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Frame::parse(good.replace(from, to).as_bytes(), 9999).unwrap_err().to_string();
            assert!(error.contains(says), "{to}: {error}");
        }
        assert!(Frame::parse(good.as_bytes(), good.len() - 1).is_err());
    }

    #[test]
    fn sizes_are_bounded() {
        let many =
            |n: usize| (0..n).fold(Frame::new("A"), |frame, i| frame.with(&format!("H{i}"), i)).to_bytes();
        assert!(Frame::parse(&many(HEADER_COUNT_MAX), 9999).is_ok());
        assert!(Frame::parse(&many(HEADER_COUNT_MAX + 1), 9999).is_err());
        let long = |n: usize| Frame::new("A").with("H", "x".repeat(n)).to_bytes();
        assert!(Frame::parse(&long(LINE_LEN_MAX - 3), 99_999).is_ok());
        assert!(Frame::parse(&long(LINE_LEN_MAX - 2), 99_999).is_err());
    }
}
