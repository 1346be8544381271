//! The records of the broker's journal: one for each sale, vendor, batch, watch, return,
//! settlement, ruling, revocation and compromise. The format is in `docs/reference/broker.md`.
//!
//! Input: a [`BrokerRecord`]. Output: the bytes of a journal payload; and the reverse. The
//! invariant: a payload that is not exactly one record is an error, so the journal of a later
//! version is never read in part.

use std::str::FromStr;

use super::award::Ruling;
use super::claims_file::Section;
use crate::bytes::{Reader, Writer};
use crate::identity::{UserId, VendorId};
use crate::protocol::Id;
use crate::time::UnixTime;

/// The size of the digest of a message's data: SHA-256.
pub(crate) const DIGEST_SIZE: usize = 32;

/// One record of the broker's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BrokerRecord {
    Sale(RecordedSale),
    Vendor { when: UnixTime, vendor: VendorId },
    Batch(JudgedBatch),
    Return(RecordedReturn),
    Settlement { when: UnixTime, decided: Section },
    Revocation { when: UnixTime, user: UserId },
    Compromise { when: UnixTime, bins: BinRange },
    Watch(JudgedWatch),
    Ruling(RecordedRuling),
}

/// A range of bins in one superbin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinRange {
    /// The superbin.
    pub superbin: u32,
    /// The first sub-bin.
    pub first: u32,
    /// The number of sub-bins, at least 1.
    pub count: u32,
}

/// A sale of sets. Their first superbins are `first`, `first` + 2, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedSale {
    /// When the sets were sold.
    pub when: UnixTime,
    /// Identifies the sale, so that it can be fetched again.
    pub transaction: u64,
    /// The first superbin of the first set, even.
    pub first: u32,
    /// The number of sets, at least 1.
    pub sets: u32,
    /// The number of first balls that were delivered, which is what the sale costs, in coins.
    pub coins: u32,
    /// The buyer.
    pub user: UserId,
}

/// A judged batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JudgedBatch {
    /// When it was judged.
    pub when: UnixTime,
    /// The vendor.
    pub vendor: VendorId,
    /// The Batch-ID.
    pub batch: Id,
    /// SHA-256 of its data, by which a repeated batch is recognized.
    pub(super) digest: [u8; DIGEST_SIZE],
    /// One claim for each verdict, in order.
    pub claims: Section,
    /// The number of coins that were paid when the batch was judged.
    pub accepted: u32,
    /// The number of coins that wait until redeem-until.
    pub waiting: u32,
    /// The number of coins with a ball that is proved not to be the minted one.
    pub forged: u32,
    /// The number of coins that are not from the owner of their set.
    pub not_from_owner: u32,
    /// The number of coins under User-IDs to which nothing was sold.
    pub invented: u32,
}

/// A judged watch: payments that a vendor showed when it took them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JudgedWatch {
    pub(crate) when: UnixTime,
    pub(crate) vendor: VendorId,
    pub(crate) watch: Id,
    /// SHA-256 of its data, by which a repeated watch is recognized.
    pub(crate) digest: [u8; DIGEST_SIZE],
    /// One claim for each verdict, in order. None of them is paid.
    pub(crate) claims: Section,
    /// The number of coins that would wait until redeem-until.
    pub(crate) waiting: u32,
    pub(crate) forged: u32,
    pub(crate) not_from_owner: u32,
    pub(crate) invented: u32,
}

/// What a person decided about disputed claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedRuling {
    pub(crate) when: UnixTime,
    /// Whose claims it concerns.
    pub(crate) vendor: VendorId,
    /// On whose coins; `None` for all users.
    pub(crate) user: Option<UserId>,
    pub(crate) ruling: Ruling,
    /// The verdicts that it leads to, one for each claim that it decides.
    pub(crate) decided: Section,
}

/// A judged return.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedReturn {
    /// When it was judged.
    pub when: UnixTime,
    /// The broker's number for the return.
    pub transaction: u64,
    /// The user who returned the balls.
    pub user: UserId,
    /// The client's Request-ID for the return.
    pub request: Id,
    /// SHA-256 of its data, by which a repeated return is recognized.
    pub(super) digest: [u8; DIGEST_SIZE],
    /// One claim for each ball, in order.
    pub claims: Section,
    /// The number of balls that wait until redeem-until.
    pub waiting: u32,
    /// The number of balls of the user's sets that are not the minted ones.
    pub forged: u32,
    /// The number of balls that are not of the user's sets.
    pub not_from_owner: u32,
}

const SALE: u8 = 1;
const VENDOR: u8 = 2;
const BATCH: u8 = 3;
const RETURN: u8 = 4;
const SETTLEMENT: u8 = 5;
const REVOCATION: u8 = 6;
const COMPROMISE: u8 = 7;
const WATCH: u8 = 8;
const RULING: u8 = 9;

impl BrokerRecord {
    /// The payload of this record.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        match self {
            BrokerRecord::Sale(sale) => {
                writer.u8(SALE).time(sale.when).u64(sale.transaction);
                writer.u32(sale.first).u32(sale.sets).u32(sale.coins);
                writer.text_u8(sale.user.as_str());
            }
            BrokerRecord::Vendor { when, vendor } => {
                writer.u8(VENDOR).time(*when).text_u8(vendor.as_str());
            }
            BrokerRecord::Batch(batch) => {
                writer.u8(BATCH).time(batch.when);
                writer.text_u8(batch.vendor.as_str()).text_u8(batch.batch.as_str());
                writer.bytes(&batch.digest);
                write_section(&mut writer, &batch.claims);
                writer.u32(batch.accepted).u32(batch.waiting).u32(batch.forged);
                writer.u32(batch.not_from_owner).u32(batch.invented);
            }
            BrokerRecord::Return(back) => {
                writer.u8(RETURN).time(back.when).u64(back.transaction);
                writer.text_u8(back.user.as_str()).text_u8(back.request.as_str());
                writer.bytes(&back.digest);
                write_section(&mut writer, &back.claims);
                writer.u32(back.waiting).u32(back.forged).u32(back.not_from_owner);
            }
            BrokerRecord::Settlement { when, decided } => {
                writer.u8(SETTLEMENT).time(*when);
                write_section(&mut writer, decided);
            }
            BrokerRecord::Revocation { when, user } => {
                writer.u8(REVOCATION).time(*when).text_u8(user.as_str());
            }
            BrokerRecord::Compromise { when, bins } => {
                writer.u8(COMPROMISE).time(*when);
                writer.u32(bins.superbin).u32(bins.first).u32(bins.count);
            }
            BrokerRecord::Watch(watch) => {
                writer.u8(WATCH).time(watch.when);
                writer.text_u8(watch.vendor.as_str()).text_u8(watch.watch.as_str());
                writer.bytes(&watch.digest);
                write_section(&mut writer, &watch.claims);
                writer.u32(watch.waiting).u32(watch.forged);
                writer.u32(watch.not_from_owner).u32(watch.invented);
            }
            BrokerRecord::Ruling(ruling) => {
                writer.u8(RULING).time(ruling.when);
                writer.text_u8(ruling.vendor.as_str());
                writer.text_u8(ruling.user.as_ref().map_or("", UserId::as_str));
                writer.u8(u8::from(ruling.ruling == Ruling::Pay));
                write_section(&mut writer, &ruling.decided);
            }
        }
        bytes
    }

    /// Reads a payload. The error says what was expected, what was found and where.
    pub(crate) fn from_bytes(payload: &[u8]) -> Result<BrokerRecord, String> {
        let mut reader = Reader::new(payload);
        let kind = reader.u8().ok_or("expected a record, found an empty payload")?;
        if !(SALE..=RULING).contains(&kind) {
            return Err(format!("expected a record of kind 1 to 9, found {kind}"));
        }
        let record = BrokerRecord::read(kind, &mut reader).ok_or_else(|| {
            let at = payload.len() - reader.left();
            format!(
                "expected a record of kind {kind}, found its end or an invalid text at byte {at}"
            )
        })?;
        match reader.left() {
            0 => Ok(record),
            left => Err(format!("expected the end of a record, found {left} more bytes")),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>) -> Option<BrokerRecord> {
        let when = reader.time()?;
        Some(match kind {
            SALE => BrokerRecord::Sale(RecordedSale {
                when,
                transaction: reader.u64()?,
                first: reader.u32()?,
                sets: reader.u32()?,
                coins: reader.u32()?,
                user: read_text(reader)?,
            }),
            VENDOR => BrokerRecord::Vendor { when, vendor: read_text(reader)? },
            BATCH => BrokerRecord::Batch(JudgedBatch {
                when,
                vendor: read_text(reader)?,
                batch: read_text(reader)?,
                digest: reader.array()?,
                claims: read_section(reader)?,
                accepted: reader.u32()?,
                waiting: reader.u32()?,
                forged: reader.u32()?,
                not_from_owner: reader.u32()?,
                invented: reader.u32()?,
            }),
            RETURN => BrokerRecord::Return(RecordedReturn {
                when,
                transaction: reader.u64()?,
                user: read_text(reader)?,
                request: read_text(reader)?,
                digest: reader.array()?,
                claims: read_section(reader)?,
                waiting: reader.u32()?,
                forged: reader.u32()?,
                not_from_owner: reader.u32()?,
            }),
            SETTLEMENT => BrokerRecord::Settlement { when, decided: read_section(reader)? },
            REVOCATION => BrokerRecord::Revocation { when, user: read_text(reader)? },
            COMPROMISE => {
                let (superbin, first) = (reader.u32()?, reader.u32()?);
                let bins = BinRange { superbin, first, count: reader.u32()? };
                BrokerRecord::Compromise { when, bins }
            }
            WATCH => BrokerRecord::Watch(JudgedWatch {
                when,
                vendor: read_text(reader)?,
                watch: read_text(reader)?,
                digest: reader.array()?,
                claims: read_section(reader)?,
                waiting: reader.u32()?,
                forged: reader.u32()?,
                not_from_owner: reader.u32()?,
                invented: reader.u32()?,
            }),
            RULING => BrokerRecord::Ruling(RecordedRuling {
                when,
                vendor: read_text(reader)?,
                user: match reader.text_u8()? {
                    "" => None,
                    user => Some(user.parse().ok()?),
                },
                ruling: if reader.flag()? { Ruling::Pay } else { Ruling::Refuse },
                decided: read_section(reader)?,
            }),
            _ => return None,
        })
    }
}

fn read_text<T: FromStr>(reader: &mut Reader<'_>) -> Option<T> {
    reader.text_u8()?.parse().ok()
}

fn write_section(writer: &mut Writer<'_>, section: &Section) {
    writer.u64(section.start).u64(section.count).u32(section.checksum);
}

fn read_section(reader: &mut Reader<'_>) -> Option<Section> {
    Some(Section { start: reader.u64()?, count: reader.u64()?, checksum: reader.u32()? })
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
            BrokerRecord::Sale(RecordedSale {
                when,
                transaction: u64::MAX,
                first: 8,
                sets: 3,
                coins: 700,
                user: user.clone(),
            }),
            BrokerRecord::Vendor { when, vendor: vendor.clone() },
            BrokerRecord::Batch(JudgedBatch {
                when,
                vendor: vendor.clone(),
                batch: id.clone(),
                digest: [9; DIGEST_SIZE],
                claims: section,
                accepted: 1,
                waiting: 2,
                forged: 3,
                not_from_owner: 4,
                invented: 5,
            }),
            BrokerRecord::Return(RecordedReturn {
                when,
                transaction: 5,
                user: user.clone(),
                request: id.clone(),
                digest: [8; DIGEST_SIZE],
                claims: section,
                waiting: 4,
                forged: 5,
                not_from_owner: 6,
            }),
            BrokerRecord::Settlement { when, decided: section },
            BrokerRecord::Revocation { when, user: user.clone() },
            BrokerRecord::Watch(JudgedWatch {
                when,
                vendor: vendor.clone(),
                watch: id,
                digest: [7; DIGEST_SIZE],
                claims: section,
                waiting: 4,
                forged: 1,
                not_from_owner: 2,
                invented: 3,
            }),
            BrokerRecord::Ruling(RecordedRuling {
                when,
                vendor: vendor.clone(),
                user: Some(user),
                ruling: Ruling::Pay,
                decided: section,
            }),
            BrokerRecord::Ruling(RecordedRuling {
                when,
                vendor,
                user: None,
                ruling: Ruling::Refuse,
                decided: section,
            }),
            BrokerRecord::Compromise {
                when,
                bins: BinRange { superbin: u32::MAX, first: 5, count: 1 },
            },
        ]
    }

    #[test]
    fn records_are_read_back_and_other_bytes_are_rejected() {
        for record in all() {
            let bytes = record.to_bytes();
            assert_eq!(BrokerRecord::from_bytes(&bytes), Ok(record));
            for cut in 0..bytes.len() {
                assert!(BrokerRecord::from_bytes(&bytes[..cut]).is_err());
            }
            assert!(BrokerRecord::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
        }
        assert!(BrokerRecord::from_bytes(&[10; 60]).unwrap_err().contains("found 10"));
    }

    /// The example of `docs/reference/broker.md`.
    #[test]
    fn a_sale_has_the_documented_bytes() {
        let sale = RecordedSale {
            when: UnixTime(0x6500_0000),
            transaction: 0x0102,
            first: 8,
            sets: 3,
            coins: 0x02f4,
            user: "bob".parse().unwrap(),
        };
        let expected = [
            vec![1, 0, 0, 0, 0x65, 0, 0, 0, 0],
            vec![2, 1, 0, 0, 0, 0, 0, 0],
            vec![8, 0, 0, 0, 3, 0, 0, 0],
            vec![0xf4, 2, 0, 0],
            vec![3, b'b', b'o', b'b'],
        ];
        assert_eq!(BrokerRecord::Sale(sale).to_bytes(), expected.concat());
    }
}
