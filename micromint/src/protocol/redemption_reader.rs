//! A Request-Redemption that is read as it arrives, in little memory.
//!
//! Input: its bytes, in pieces of any size. Output: its head, its data in pieces, and at its end
//! whether it is complete and authentic. The invariant: what is complete here is what
//! [`RequestRedemption::parse`](super::RequestRedemption::parse) accepts, with the same data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::frame::{
    DATA_LINE_LEN_MAX, DATA_SIZE, HEAD_SIZE_MAX, LAST_LINE, LINE_LEN_MAX, text_size_max,
};
use super::text::parse_decimal;
use super::{BATCH_DATA_SIZE_MAX, BATCH_PAYMENTS_MAX, Frame, Id, MessageError};
use crate::authenticator::{Authenticator, Key};
use crate::identity::VendorId;
use crate::period::Period;

/// The headers of a Request-Redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedemptionHead {
    /// The vendor.
    pub vendor: VendorId,
    /// The Batch-ID.
    pub batch: Id,
    /// The period of all its coins.
    pub period: Period,
    /// The number of payments.
    pub payments: u32,
    /// Computed with K_V over Vendor-ID, Period, Batch-ID and data.
    pub authenticator: Authenticator,
}

/// A Request-Redemption that arrived completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRedemption {
    /// Its headers.
    pub head: RedemptionHead,
    /// SHA-256 of its data.
    pub sha256: [u8; 32],
    /// Whether its authenticator is the one under the vendor's key.
    pub is_authentic: bool,
}

/// Reads a Request-Redemption.
///
/// Once its head is there, [`RedemptionReader::set_key`] gives it the key of the vendor, which the
/// broker may have to look up. A message that got no key is not authentic.
#[derive(Default)]
pub struct RedemptionReader {
    /// The bytes of the line that has no end yet.
    line: Vec<u8>,
    lines: usize,
    size: usize,
    /// The lines before the data.
    head: Vec<u8>,
    started: Option<Started>,
    is_ended: bool,
}

/// What is known once the data begins.
struct Started {
    head: RedemptionHead,
    declared: u64,
    /// `None` until the key is known.
    mac: Option<Hmac<Sha256>>,
    sha256: Sha256,
    /// Base64 that does not make a group of four yet.
    base64: Vec<u8>,
    is_padded: bool,
    /// Decoded, and not taken yet.
    data: Vec<u8>,
    decoded: u64,
    records: Records,
}

/// Counts records in data that comes in pieces.
#[derive(Default)]
struct Records {
    count: u64,
    /// The bytes of a length that is not complete.
    length: Vec<u8>,
    /// The bytes that are left of the current record.
    left: u64,
}

impl Records {
    fn push(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.left > 0 {
                let now = (data.len() as u64).min(self.left);
                data = &data[now as usize..];
                self.left -= now;
                self.count += u64::from(self.left == 0);
                continue;
            }
            self.length.push(data[0]);
            data = &data[1..];
            if self.length.len() == 4 {
                self.left = self.length.iter().fold(0, |size, byte| size << 8 | u64::from(*byte));
                self.count += u64::from(self.left == 0);
                self.length.clear();
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.left == 0 && self.length.is_empty()
    }
}

impl RedemptionReader {
    /// Begins to read.
    pub fn new() -> RedemptionReader {
        RedemptionReader::default()
    }

    /// Reads the next bytes.
    ///
    /// # Errors
    /// The text is not a Request-Redemption; the error says in which line.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), MessageError> {
        self.size += bytes.len();
        let max = text_size_max(BATCH_DATA_SIZE_MAX);
        if self.size > max {
            return Err(MessageError::TooLarge { found: self.size, max });
        }
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            self.line.extend_from_slice(&bytes[..at]);
            bytes = &bytes[at + 1..];
            self.end_line()?;
        }
        if self.line.len() + bytes.len() > LINE_LEN_MAX + 1 {
            self.lines += 1;
            return Err(self.wrong("a shorter line"));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// The headers, once the data has begun.
    pub fn head(&self) -> Option<&RedemptionHead> {
        self.started.as_ref().map(|started| &started.head)
    }

    /// The head, if the key of its vendor is still to be given.
    pub fn needs_key(&self) -> Option<&RedemptionHead> {
        self.started.as_ref().filter(|started| started.lacks_key()).map(|started| &started.head)
    }

    /// Gives K_V of the vendor in the head. Call it when [`RedemptionReader::needs_key`] says so,
    /// before any data is taken: after that it does nothing, and the message is not authentic.
    pub fn set_key(&mut self, key: &Key) {
        let Some(started) = self.started.as_mut().filter(|started| started.lacks_key()) else {
            return;
        };
        let RedemptionHead { vendor, period, batch, .. } = &started.head;
        let mut mac = key.start_redemption(vendor, period, batch.as_str());
        mac.update(&started.data);
        started.mac = Some(mac);
    }

    /// The number of bytes of data that [`RedemptionReader::take`] returns.
    pub fn taken_size(&self) -> usize {
        self.started.as_ref().map_or(0, |started| started.data.len())
    }

    /// The data that arrived since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.started.as_mut().map(|started| std::mem::take(&mut started.data)).unwrap_or_default()
    }

    /// Ends the message. Take the rest of the data before.
    ///
    /// # Errors
    /// It is not complete, or its data does not have the stated size or number of records.
    pub fn finish(mut self) -> Result<ReadRedemption, MessageError> {
        // The end of the last line may be missing.
        if !self.is_ended && self.line == LAST_LINE.as_bytes() {
            self.end_line()?;
        }
        if !self.is_ended || !self.line.is_empty() {
            self.lines += 1;
            return Err(self.wrong("Base64 or End-MicroMint"));
        }
        let Some(started) = self.started else {
            return Err(MessageError::Missing(DATA_SIZE.to_string()));
        };
        let Started { head, declared, mac, sha256, base64, decoded, records, .. } = started;
        if !base64.is_empty() {
            return Err(MessageError::Data("the Base64 ends within a group".to_string()));
        }
        if decoded != declared {
            let why = format!("{decoded} bytes, but Data-Size says {declared}");
            return Err(MessageError::Data(why));
        }
        if records.count != u64::from(head.payments) || !records.is_complete() {
            let (expected, found) = (head.payments, records.count);
            let why = format!("expected {expected} complete payments, found {found}");
            return Err(MessageError::Data(why));
        }
        let is_authentic = mac.is_some_and(|mac| Authenticator::of(mac) == head.authenticator);
        Ok(ReadRedemption { head, sha256: sha256.finalize().into(), is_authentic })
    }

    fn wrong(&self, expected: &'static str) -> MessageError {
        MessageError::Line { line: self.lines, expected }
    }

    fn end_line(&mut self) -> Result<(), MessageError> {
        self.lines += 1;
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > LINE_LEN_MAX {
            return Err(self.wrong("a shorter line"));
        }
        if self.is_ended {
            return Err(self.wrong("nothing after End-MicroMint"));
        }
        let read =
            if self.started.is_some() { self.data_line(&line) } else { self.head_line(&line) };
        // The buffer is used again.
        line.clear();
        self.line = line;
        read
    }

    fn head_line(&mut self, line: &[u8]) -> Result<(), MessageError> {
        let data_size = line
            .split_once_colon()
            .filter(|(name, _)| name.eq_ignore_ascii_case(DATA_SIZE.as_bytes()));
        if let Some((_, size)) = data_size {
            return self.start(size);
        }
        if line == LAST_LINE.as_bytes() {
            return Err(MessageError::Missing(DATA_SIZE.to_string()));
        }
        if self.head.len() + line.len() + 2 > HEAD_SIZE_MAX {
            return Err(self.wrong("a shorter head"));
        }
        self.head.extend_from_slice(line);
        self.head.push(b'\n');
        Ok(())
    }

    /// Reads the head, at the line with the size of the data.
    fn start(&mut self, size: &[u8]) -> Result<(), MessageError> {
        let wrong = |found: &[u8]| MessageError::Header {
            name: DATA_SIZE.to_string(),
            why: format!(
                "expected a number of at most {BATCH_DATA_SIZE_MAX} bytes, found {:?}",
                String::from_utf8_lossy(&found[..found.len().min(40)])
            ),
        };
        let text = std::str::from_utf8(size).map_err(|_| wrong(size))?.trim_matches([' ', '\t']);
        let declared = parse_decimal(text).filter(|size| *size <= BATCH_DATA_SIZE_MAX as u64);
        let declared = declared.ok_or_else(|| wrong(size))?;
        let mut text = std::mem::take(&mut self.head);
        text.extend_from_slice(LAST_LINE.as_bytes());
        let frame = Frame::parse(&text, text.len())?;
        frame.expect_type("Request-Redemption")?;
        let head = RedemptionHead {
            vendor: frame.parsed("Vendor-ID")?,
            batch: frame.parsed("Batch-ID")?,
            period: frame.parsed("Period")?,
            payments: frame.number("Payments", BATCH_PAYMENTS_MAX.into())? as u32,
            authenticator: frame.parsed("Authenticator")?,
        };
        self.started = Some(Started {
            head,
            declared,
            mac: None,
            sha256: Sha256::new(),
            base64: Vec::new(),
            is_padded: false,
            data: Vec::new(),
            decoded: 0,
            records: Records::default(),
        });
        Ok(())
    }

    fn data_line(&mut self, line: &[u8]) -> Result<(), MessageError> {
        if line == LAST_LINE.as_bytes() {
            self.is_ended = true;
            return Ok(());
        }
        if line.is_empty() || line.len() > DATA_LINE_LEN_MAX {
            return Err(self.wrong("Base64 in lines of 1 to 76 characters"));
        }
        match &mut self.started {
            Some(started) if !started.is_padded => started.decode(line),
            _ => Err(self.wrong("End-MicroMint after the end of the Base64")),
        }
    }
}

impl Started {
    /// Whether there is no key yet, and all data is here to be authenticated with one.
    fn lacks_key(&self) -> bool {
        self.mac.is_none() && self.decoded == self.data.len() as u64
    }

    fn decode(&mut self, line: &[u8]) -> Result<(), MessageError> {
        self.base64.extend_from_slice(line);
        let whole = self.base64.len() / 4 * 4;
        self.is_padded = self.base64[..whole].last() == Some(&b'=');
        let before = self.data.len();
        STANDARD
            .decode_vec(&self.base64[..whole], &mut self.data)
            .map_err(|error| MessageError::Data(error.to_string()))?;
        self.base64.drain(..whole);
        let new = &self.data[before..];
        self.decoded += new.len() as u64;
        if self.decoded > self.declared {
            let why = format!("more bytes than Data-Size says, {}", self.declared);
            return Err(MessageError::Data(why));
        }
        if let Some(mac) = &mut self.mac {
            mac.update(new);
        }
        self.sha256.update(new);
        self.records.push(new);
        Ok(())
    }
}

/// A line as a name and a value.
trait Header {
    fn split_once_colon(&self) -> Option<(&[u8], &[u8])>;
}

impl Header for [u8] {
    fn split_once_colon(&self) -> Option<(&[u8], &[u8])> {
        let at = memchr::memchr(b':', self)?;
        Some((&self[..at], &self[at + 1..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Unsigned;
    use crate::protocol::{RequestRedemption, push_record};

    fn key(vendor: &VendorId) -> Key {
        Key::from_bytes([4; 32]).vendor_key(vendor)
    }

    fn message(sizes: &[usize]) -> RequestRedemption {
        let mut data = Vec::new();
        for (fill, size) in sizes.iter().enumerate() {
            push_record(&mut data, &vec![fill as u8; *size]);
        }
        let vendor = "news.example".parse().unwrap();
        let key = key(&vendor);
        RequestRedemption {
            vendor,
            batch: "b-1".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            payments: sizes.len() as u32,
            authenticator: Unsigned,
            data,
        }
        .authenticated(&key)
    }

    /// Reads a text in pieces of this size. Returns the data too.
    fn read(text: &[u8], piece: usize) -> Result<(ReadRedemption, Vec<u8>), MessageError> {
        let mut reader = RedemptionReader::new();
        let mut data = Vec::new();
        for piece in text.chunks(piece) {
            reader.push(piece)?;
            if let Some(head) = reader.needs_key() {
                let key = key(&head.vendor);
                reader.set_key(&key);
            }
            if reader.taken_size() > 100 {
                data.extend(reader.take());
            }
        }
        data.extend(reader.take());
        Ok((reader.finish()?, data))
    }

    #[test]
    fn it_reads_what_the_parser_reads() {
        for sizes in [&[][..], &[0], &[1, 2, 300], &[56; 20]] {
            let message = message(sizes);
            let text = message.to_bytes();
            let lf = String::from_utf8(text.clone()).unwrap().replace("\r\n", "\n");
            let texts = [text.clone(), lf.clone().into_bytes(), lf.trim_end().as_bytes().to_vec()];
            for text in texts {
                for piece in [1, 7, 79, 100_000] {
                    let (read, data) = read(&text, piece).unwrap();
                    assert_eq!(data, message.data);
                    assert!(read.is_authentic);
                    let sha256: [u8; 32] = Sha256::digest(&message.data).into();
                    assert_eq!((read.sha256, &read.head.batch), (sha256, &message.batch));
                    assert_eq!(read.head.payments, message.payments);
                }
            }
        }
    }

    #[test]
    fn what_the_parser_refuses_is_refused() {
        let good = String::from_utf8(message(&[1, 2, 300]).to_bytes()).unwrap();
        let cases = [
            good.replace("Payments: 3", "Payments: 2"),
            good.replace("Payments: 3", "Payments: 1000001"),
            good.replace("Data-Size: 315", "Data-Size: 314"),
            good.replace("Data-Size: 315", "Data-Size: 316"),
            good.replace("Data-Size: 315", "Data-Size: 67108865"),
            good.replace("Data-Size: 315\r\n", ""),
            good.replace("Vendor-ID", "Vendor"),
            good.replace("Request-Redemption", "Request-Watch"),
            good.replace("Period: ", "Batch-ID: b\r\nPeriod: "),
            good.replace("End-MicroMint\r\n", ""),
            good.replace("End-MicroMint\r\n", "\r\nEnd-MicroMint\r\n"),
            good.replace("End-MicroMint\r\n", "AAAA\r\nEnd-MicroMint\r\n"),
            format!("{good}more\r\n"),
            format!("{good}\r\n"),
            good[..good.len() / 2].to_string(),
            good.replace("MicroMint-1.0", "MicroMint-2.0"),
            good.replace("Period: ", &format!("X: {}\r\nPeriod: ", "x".repeat(LINE_LEN_MAX))),
            String::new(),
        ];
        for text in cases {
            assert!(RequestRedemption::parse(text.as_bytes()).is_err(), "{text}");
            for piece in [1, 50, 10_000] {
                assert!(read(text.as_bytes(), piece).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn an_altered_message_is_not_authentic() {
        let good = message(&[1, 2, 300]);
        let mut data = good.data.clone();
        *data.last_mut().unwrap() ^= 1;
        for altered in [
            RequestRedemption { data, ..good.clone() },
            RequestRedemption { batch: "b-2".parse().unwrap(), ..good.clone() },
            RequestRedemption { vendor: "shop.example".parse().unwrap(), ..good.clone() },
        ] {
            assert!(!read(&altered.to_bytes(), 64).unwrap().0.is_authentic);
        }
    }

    #[test]
    fn a_message_that_got_no_key_or_got_it_too_late_is_not_authentic() {
        let text = message(&[1, 2, 300]).to_bytes();
        let key = key(&"news.example".parse().unwrap());
        let (start, rest) = text.split_at(text.len() / 2);
        for (is_taken, is_given) in [(false, false), (false, true), (true, true)] {
            let mut reader = RedemptionReader::new();
            reader.set_key(&Key::from_bytes([5; 32]));
            reader.push(start).unwrap();
            if is_taken {
                assert!(!reader.take().is_empty());
                assert!(reader.needs_key().is_none());
            }
            if is_given {
                reader.set_key(&key);
                // The first key counts.
                reader.set_key(&Key::from_bytes([5; 32]));
            }
            reader.push(rest).unwrap();
            reader.take();
            let is_authentic = reader.finish().unwrap().is_authentic;
            assert_eq!(is_authentic, is_given && !is_taken, "{is_taken} {is_given}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept() {
        let mut reader = RedemptionReader::new();
        reader.push(&[b'x'; LINE_LEN_MAX]).unwrap();
        assert!(reader.push(b"xx").is_err());
    }
}
