//! What the till's journals hold: payments, retries and reversals, as bytes.
//!
//! Byte by byte: `docs/reference/till.md`. Integers are little-endian, as in the journal around them.

use std::borrow::Cow;

use super::position::{Position, u32_at, u64_at};
use crate::bin::Bin;
use crate::identity::{USER_ID_LEN_MAX, UserId};
use crate::journal::RECORD_SIZE_MAX;
use crate::params::SUBBIN_BITS_MAX;
use crate::period::{PERIOD_LEN_MAX, Period};
use crate::protocol::{COINS_PER_PAYMENT_MAX, PAYMENT_SIZE_MAX};
use crate::time::UnixTime;

const PAYMENT: u8 = 1;
const RETRY: u8 = 2;
const REVERSAL: u8 = 3;
const PAYMENT_HEAD_SIZE: usize = 56;
const NOTE_SIZE: usize = 24;
const BIN_SIZE: usize = 6;

// A first bin is four bytes of superbin and two of sub-bin, and the largest payment fits a record.
const _: () = assert!(SUBBIN_BITS_MAX <= 16);
const _: () = assert!(
    PAYMENT_HEAD_SIZE
        + PERIOD_LEN_MAX
        + USER_ID_LEN_MAX
        + BIN_SIZE * COINS_PER_PAYMENT_MAX as usize
        + PAYMENT_SIZE_MAX
        <= RECORD_SIZE_MAX
);

/// A record of a till's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TillRecord<'a> {
    /// Coins were spent.
    Payment(PaymentRecord<'a>),
    /// A payment was answered again without a charge.
    Retry(Note),
    /// A payment was taken back: its coins are unspent again.
    Reversal(Note),
}

/// A payment and what was known when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PaymentRecord<'a> {
    pub(crate) period: Period,
    pub(crate) user: UserId,
    pub(crate) recorded_at: UnixTime,
    /// The period's redeem-until: until then the record is kept.
    pub(crate) keep_until: UnixTime,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) first_bins: Cow<'a, [Bin]>,
    /// The Payment message as received.
    pub(crate) message: Cow<'a, [u8]>,
}

/// Something that happened to an earlier payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Where the payment's record begins.
    pub(crate) payment: Position,
    /// When it happened.
    pub(crate) at: UnixTime,
}

impl TillRecord<'_> {
    /// Reads a record, or `None` if the bytes are none.
    pub(crate) fn parse(bytes: &[u8]) -> Option<TillRecord<'static>> {
        match *bytes.first()? {
            PAYMENT => PaymentRecord::parse(bytes).map(TillRecord::Payment),
            RETRY => Note::parse(bytes).map(TillRecord::Retry),
            REVERSAL => Note::parse(bytes).map(TillRecord::Reversal),
            _ => None,
        }
    }

    /// Appends the record to `bytes`.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            TillRecord::Payment(payment) => payment.write(bytes),
            TillRecord::Retry(note) => note.write(RETRY, bytes),
            TillRecord::Reversal(note) => note.write(REVERSAL, bytes),
        }
    }
}

impl PaymentRecord<'_> {
    fn parse(bytes: &[u8]) -> Option<PaymentRecord<'static>> {
        let (head, rest) = bytes.split_at_checked(PAYMENT_HEAD_SIZE)?;
        let (period, rest) = rest.split_at_checked(usize::from(head[1]))?;
        let (user, rest) = rest.split_at_checked(usize::from(head[2]))?;
        let (bins, message) = rest.split_at_checked(u32_at(head, 4) as usize * BIN_SIZE)?;
        let bin = |bytes: &[u8; BIN_SIZE]| Bin {
            superbin: u32_at(bytes, 0),
            subbin: u32::from(bytes[4]) | u32::from(bytes[5]) << 8,
        };
        Some(PaymentRecord {
            period: std::str::from_utf8(period).ok()?.parse().ok()?,
            user: std::str::from_utf8(user).ok()?.parse().ok()?,
            recorded_at: UnixTime(u64_at(head, 8) as i64),
            keep_until: UnixTime(u64_at(head, 16) as i64),
            fingerprint: head[24..].try_into().ok()?,
            first_bins: bins.as_chunks().0.iter().map(bin).collect(),
            message: Cow::Owned(message.to_vec()),
        })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let (period, user) = (self.period.as_str(), self.user.as_str());
        bytes.extend_from_slice(&[PAYMENT, period.len() as u8, user.len() as u8, 0]);
        bytes.extend_from_slice(&(self.first_bins.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.recorded_at.0.to_le_bytes());
        bytes.extend_from_slice(&self.keep_until.0.to_le_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(period.as_bytes());
        bytes.extend_from_slice(user.as_bytes());
        for bin in self.first_bins.iter() {
            bytes.extend_from_slice(&bin.superbin.to_le_bytes());
            bytes.extend_from_slice(&(bin.subbin as u16).to_le_bytes());
        }
        bytes.extend_from_slice(&self.message);
    }
}

impl Note {
    fn parse(bytes: &[u8]) -> Option<Note> {
        let bytes: &[u8; NOTE_SIZE] = bytes.try_into().ok()?;
        let payment = Position { day: u32_at(bytes, 4), offset: u64_at(bytes, 8) };
        Some(Note { payment, at: UnixTime(u64_at(bytes, 16) as i64) })
    }

    fn write(self, kind: u8, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&[kind, 0, 0, 0]);
        bytes.extend_from_slice(&self.payment.day.to_le_bytes());
        bytes.extend_from_slice(&self.payment.offset.to_le_bytes());
        bytes.extend_from_slice(&self.at.0.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(record: &TillRecord<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        bytes
    }

    #[test]
    fn records_are_read_back_and_no_cut_one_passes_for_another() {
        let payment = PaymentRecord {
            period: "2026-12".parse().unwrap(),
            user: "alice".parse().unwrap(),
            recorded_at: UnixTime(-5),
            keep_until: UnixTime(1 << 40),
            fingerprint: [7; 32],
            first_bins: vec![
                Bin { superbin: u32::MAX, subbin: 0xffff },
                Bin { superbin: 2, subbin: 1 },
            ]
            .into(),
            message: Cow::Borrowed(b"MicroMint-1.0"),
        };
        let note = Note { payment: Position { day: 9, offset: 1 << 33 }, at: UnixTime(77) };
        for record in
            [TillRecord::Payment(payment), TillRecord::Retry(note), TillRecord::Reversal(note)]
        {
            let bytes = bytes_of(&record);
            assert_eq!(TillRecord::parse(&bytes).as_ref(), Some(&record));
            for cut in 0..bytes.len().min(NOTE_SIZE) {
                assert_eq!(TillRecord::parse(&bytes[..cut]), None);
            }
        }
        assert_eq!(TillRecord::parse(&[9; 99]), None);
    }

    #[test]
    fn the_largest_payment_fits() {
        let payment = PaymentRecord {
            period: "p".repeat(PERIOD_LEN_MAX).parse().unwrap(),
            user: "u".repeat(USER_ID_LEN_MAX).parse().unwrap(),
            recorded_at: UnixTime(0),
            keep_until: UnixTime(0),
            fingerprint: [0; 32],
            first_bins: vec![Bin { superbin: 0, subbin: 0 }; COINS_PER_PAYMENT_MAX as usize].into(),
            message: vec![b'x'; PAYMENT_SIZE_MAX].into(),
        };
        assert!(bytes_of(&TillRecord::Payment(payment)).len() <= RECORD_SIZE_MAX);
    }
}
