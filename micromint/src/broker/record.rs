//! What the broker's journal says: one record for each sale, vendor, batch, return, settlement,
//! revocation and compromise. `docs/reference/broker.md` describes them byte by byte.
//!
//! In goes a [`BrokerRecord`], out come the bytes of a journal payload, and back. Integers are little-endian;
//! a text is its length in one byte and its characters. The invariant: a payload that is not exactly
//! one record is an error, so a journal of a later version is never half understood.

use super::claims_file::Section;
use crate::identity::{UserId, VendorId};
use crate::protocol::Id;
use crate::time::UnixTime;

/// The size of the digest of a message's data: SHA-256.
pub(crate) const DIGEST_SIZE: usize = 32;

/// One record of the broker's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BrokerRecord {
    Sale(Sale),
    Vendor { when: UnixTime, vendor: VendorId },
    Batch(JudgedBatch),
    Return(Return),
    Settlement { when: UnixTime, winners: Section },
    Revocation { when: UnixTime, user: UserId },
    Compromise { when: UnixTime, bins: BinRange },
}

/// Bins of one superbin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinRange {
    /// The superbin.
    pub superbin: u32,
    /// The first sub-bin.
    pub first: u32,
    /// The number of sub-bins, at least 1.
    pub count: u32,
}

/// Sets sold: their first superbins are `first`, `first` + 2, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// When.
    pub when: UnixTime,
    /// Names the sale, so that it can be fetched again.
    pub transaction: u64,
    /// The first superbin of the first set, even.
    pub first: u32,
    /// The number of sets, at least 1.
    pub sets: u32,
    /// Who bought.
    pub user: UserId,
}

/// A judged batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JudgedBatch {
    /// When it was judged.
    pub when: UnixTime,
    /// Whose batch.
    pub vendor: VendorId,
    /// Its name.
    pub batch: Id,
    /// SHA-256 of its data: tells whether it is the same batch again.
    pub digest: [u8; DIGEST_SIZE],
    /// One claim a verdict, in order.
    pub claims: Section,
    /// Coins paid at once.
    pub accepted: u32,
    /// Coins that wait until redeem-until.
    pub waiting: u32,
    /// Coins that hold a forged ball.
    pub forged: u32,
}

/// A judged return.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Return {
    /// When it was judged.
    pub when: UnixTime,
    /// Names the return at the broker.
    pub transaction: u64,
    /// Whose coins.
    pub user: UserId,
    /// Its name at the client.
    pub request: Id,
    /// SHA-256 of its data: tells whether it is the same return again.
    pub digest: [u8; DIGEST_SIZE],
    /// One claim a ball, in order.
    pub claims: Section,
    /// Balls that wait until redeem-until.
    pub waiting: u32,
    /// Forged balls.
    pub forged: u32,
}

const SALE: u8 = 1;
const VENDOR: u8 = 2;
const BATCH: u8 = 3;
const RETURN: u8 = 4;
const SETTLEMENT: u8 = 5;
const REVOCATION: u8 = 6;
const COMPROMISE: u8 = 7;

impl BrokerRecord {
    /// The payload of this record.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Bytes(Vec::new());
        match self {
            BrokerRecord::Sale(sale) => {
                bytes.head(SALE, sale.when);
                bytes.number(sale.transaction);
                bytes.word(sale.first);
                bytes.word(sale.sets);
                bytes.text(sale.user.as_str());
            }
            BrokerRecord::Vendor { when, vendor } => {
                bytes.head(VENDOR, *when);
                bytes.text(vendor.as_str());
            }
            BrokerRecord::Batch(batch) => {
                bytes.head(BATCH, batch.when);
                bytes.text(batch.vendor.as_str());
                bytes.text(batch.batch.as_str());
                bytes.0.extend_from_slice(&batch.digest);
                bytes.section(&batch.claims);
                bytes.words(&[batch.accepted, batch.waiting, batch.forged]);
            }
            BrokerRecord::Return(back) => {
                bytes.head(RETURN, back.when);
                bytes.number(back.transaction);
                bytes.text(back.user.as_str());
                bytes.text(back.request.as_str());
                bytes.0.extend_from_slice(&back.digest);
                bytes.section(&back.claims);
                bytes.words(&[back.waiting, back.forged]);
            }
            BrokerRecord::Settlement { when, winners } => {
                bytes.head(SETTLEMENT, *when);
                bytes.section(winners);
            }
            BrokerRecord::Revocation { when, user } => {
                bytes.head(REVOCATION, *when);
                bytes.text(user.as_str());
            }
            BrokerRecord::Compromise { when, bins } => {
                bytes.head(COMPROMISE, *when);
                bytes.words(&[bins.superbin, bins.first, bins.count]);
            }
        }
        bytes.0
    }

    /// Reads a payload; the error says what was expected.
    pub(crate) fn from_bytes(payload: &[u8]) -> Result<BrokerRecord, String> {
        let mut fields = Fields(payload);
        let [kind] = fields.take()?;
        let when = UnixTime(i64::from_le_bytes(fields.take()?));
        let record = match kind {
            SALE => BrokerRecord::Sale(Sale {
                when,
                transaction: fields.number()?,
                first: fields.word()?,
                sets: fields.word()?,
                user: fields.text()?,
            }),
            VENDOR => BrokerRecord::Vendor { when, vendor: fields.text()? },
            BATCH => BrokerRecord::Batch(JudgedBatch {
                when,
                vendor: fields.text()?,
                batch: fields.text()?,
                digest: fields.take()?,
                claims: fields.section()?,
                accepted: fields.word()?,
                waiting: fields.word()?,
                forged: fields.word()?,
            }),
            RETURN => BrokerRecord::Return(Return {
                when,
                transaction: fields.number()?,
                user: fields.text()?,
                request: fields.text()?,
                digest: fields.take()?,
                claims: fields.section()?,
                waiting: fields.word()?,
                forged: fields.word()?,
            }),
            SETTLEMENT => BrokerRecord::Settlement { when, winners: fields.section()? },
            REVOCATION => BrokerRecord::Revocation { when, user: fields.text()? },
            COMPROMISE => {
                let (superbin, first, count) = (fields.word()?, fields.word()?, fields.word()?);
                BrokerRecord::Compromise { when, bins: BinRange { superbin, first, count } }
            }
            other => return Err(format!("expected a record of kind 1 to 7, found {other}")),
        };
        if fields.0.is_empty() {
            Ok(record)
        } else {
            Err(format!("{} bytes too many", fields.0.len()))
        }
    }
}

/// A payload being written.
struct Bytes(Vec<u8>);

impl Bytes {
    fn head(&mut self, kind: u8, when: UnixTime) {
        self.0.push(kind);
        self.0.extend_from_slice(&when.0.to_le_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn word(&mut self, word: u32) {
        self.0.extend_from_slice(&word.to_le_bytes());
    }

    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.word(*word));
    }

    /// User-IDs, Vendor-IDs and identifiers are all shorter than 256 bytes.
    fn text(&mut self, text: &str) {
        debug_assert!(text.len() <= 255);
        self.0.push(text.len() as u8);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn section(&mut self, section: &Section) {
        self.number(section.start);
        self.number(section.count);
        self.word(section.checksum);
    }
}

/// What is left of a payload being read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) =
            self.0.split_first_chunk::<N>().ok_or_else(|| "ends inside a record".to_string())?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn number(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn word(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn text<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self) -> Result<T, String> {
        let [length] = self.take()?;
        let (text, rest) = self
            .0
            .split_at_checked(length.into())
            .ok_or_else(|| "ends inside a text".to_string())?;
        self.0 = rest;
        String::from_utf8_lossy(text).parse().map_err(|error: T::Err| error.to_string())
    }

    fn section(&mut self) -> Result<Section, String> {
        Ok(Section { start: self.number()?, count: self.number()?, checksum: self.word()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<BrokerRecord> {
        let when = UnixTime(1_800_000_000);
        let section = Section { start: 7, count: 1 << 40, checksum: 0xdead_beef };
        let user: UserId = "a".repeat(40).parse().unwrap();
        let vendor: VendorId = "news.example".parse().unwrap();
        let id: Id = "b".repeat(64).parse().unwrap();
        vec![
            BrokerRecord::Sale(Sale {
                when,
                transaction: u64::MAX,
                first: 8,
                sets: 3,
                user: user.clone(),
            }),
            BrokerRecord::Vendor { when, vendor: vendor.clone() },
            BrokerRecord::Batch(JudgedBatch {
                when,
                vendor,
                batch: id.clone(),
                digest: [9; DIGEST_SIZE],
                claims: section,
                accepted: 1,
                waiting: 2,
                forged: 3,
            }),
            BrokerRecord::Return(Return {
                when,
                transaction: 5,
                user: user.clone(),
                request: id,
                digest: [8; DIGEST_SIZE],
                claims: section,
                waiting: 4,
                forged: 5,
            }),
            BrokerRecord::Settlement { when, winners: section },
            BrokerRecord::Revocation { when, user },
            BrokerRecord::Compromise {
                when,
                bins: BinRange { superbin: u32::MAX, first: 5, count: 1 },
            },
        ]
    }

    #[test]
    fn records_are_read_back_and_nothing_else_is() {
        for record in all() {
            let bytes = record.to_bytes();
            assert_eq!(BrokerRecord::from_bytes(&bytes), Ok(record));
            for cut in 0..bytes.len() {
                assert!(BrokerRecord::from_bytes(&bytes[..cut]).is_err());
            }
            assert!(BrokerRecord::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
        }
        assert!(BrokerRecord::from_bytes(&[8; 60]).unwrap_err().contains("found 8"));
    }

    /// The example of `docs/reference/broker.md`, byte by byte.
    #[test]
    fn a_sale_has_the_documented_bytes() {
        let sale = Sale {
            when: UnixTime(0x6500_0000),
            transaction: 0x0102,
            first: 8,
            sets: 3,
            user: "bob".parse().unwrap(),
        };
        let expected = [
            vec![1, 0, 0, 0, 0x65, 0, 0, 0, 0],
            vec![2, 1, 0, 0, 0, 0, 0, 0],
            vec![8, 0, 0, 0, 3, 0, 0, 0],
            vec![3, b'b', b'o', b'b'],
        ];
        assert_eq!(BrokerRecord::Sale(sale).to_bytes(), expected.concat());
    }
}
