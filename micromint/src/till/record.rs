//! The records of the till's journals: payments, retries and reversals.
//!
//! Input: a [`TillRecord`]. Output: its bytes; and the reverse. The format is in
//! `docs/reference/till.md`.

use std::borrow::Cow;

use super::position::Position;
use crate::bin::Bin;
use crate::bytes::{Field, Reader, Writer};
use crate::identity::{USER_ID_LEN_MAX, UserId};
use crate::journal::RECORD_SIZE_MAX;
use crate::params::SUBBIN_BITS_MAX;
use crate::period::{PERIOD_LEN_MAX, Period};
use crate::protocol::{COINS_PER_PAYMENT_MAX, PAYMENT_SIZE_MAX};
use crate::time::UnixTime;

const PAYMENT: u8 = 1;
const RETRY: u8 = 2;
const REVERSAL: u8 = 3;
/// The size of a payment's fixed head: kind, lengths of the texts, number of coins, two times and
/// the fingerprint.
const PAYMENT_HEAD_SIZE: usize = 4 + 4 + 8 + 8 + 32;

/// A first bin in a payment's record.
mod bin {
    use super::*;

    pub(super) const SUPERBIN: Field<u32> = Field::at(0);
    pub(super) const SUBBIN: Field<u16> = SUPERBIN.then();
    pub(super) const SIZE: usize = SUBBIN.end();
}

// A first bin has four bytes of superbin and two of sub-bin, and the largest payment fits a record.
const _: () = assert!(SUBBIN_BITS_MAX <= 16);
const _: () = assert!(
    PAYMENT_HEAD_SIZE
        + PERIOD_LEN_MAX
        + USER_ID_LEN_MAX
        + bin::SIZE * COINS_PER_PAYMENT_MAX as usize
        + PAYMENT_SIZE_MAX
        <= RECORD_SIZE_MAX
);

/// A record of a till's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TillRecord<'a> {
    /// Coins were spent.
    Payment(RecordedPayment<'a>),
    /// A payment was sent again and served without a charge.
    Retry(PaymentNote),
    /// A payment was reversed: its coins are unspent again.
    Reversal(PaymentNote),
}

/// A payment, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordedPayment<'a> {
    pub(crate) period: Period,
    pub(crate) user: UserId,
    pub(crate) recorded_at: UnixTime,
    /// The period's redeem-until. The record is stored until then.
    pub(crate) keep_until: UnixTime,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) first_bins: Cow<'a, [Bin]>,
    /// The Payment message as received.
    pub(crate) message: Cow<'a, [u8]>,
}

/// An event of an earlier payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PaymentNote {
    /// The position of the payment's record.
    pub(crate) payment: Position,
    /// When it happened.
    pub(crate) at: UnixTime,
}

impl TillRecord<'_> {
    /// Reads a record; `None` if the bytes are not one.
    pub(crate) fn parse(bytes: &[u8]) -> Option<TillRecord<'static>> {
        match *bytes.first()? {
            PAYMENT => RecordedPayment::parse(bytes).map(TillRecord::Payment),
            RETRY => PaymentNote::parse(bytes).map(TillRecord::Retry),
            REVERSAL => PaymentNote::parse(bytes).map(TillRecord::Reversal),
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

impl RecordedPayment<'_> {
    fn parse(bytes: &[u8]) -> Option<RecordedPayment<'static>> {
        let mut reader = Reader::new(bytes);
        let [_kind, period_len, user_len, _unused] = reader.array()?;
        let coins = reader.u32()?;
        let (recorded_at, keep_until) = (reader.time()?, reader.time()?);
        let fingerprint = reader.array()?;
        let period = reader.text(period_len.into())?.parse().ok()?;
        let user = reader.text(user_len.into())?.parse().ok()?;
        let bin = |bytes: &[u8; bin::SIZE]| Bin {
            superbin: bin::SUPERBIN.get(bytes),
            subbin: bin::SUBBIN.get(bytes).into(),
        };
        let bins = reader.arrays(coins as usize)?.iter().map(bin);
        Some(RecordedPayment {
            period,
            user,
            recorded_at,
            keep_until,
            fingerprint,
            first_bins: bins.collect(),
            message: Cow::Owned(reader.rest().to_vec()),
        })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let (period, user) = (self.period.as_str(), self.user.as_str());
        let mut writer = Writer::new(bytes);
        writer
            .bytes(&[PAYMENT, period.len() as u8, user.len() as u8, 0])
            .u32(self.first_bins.len() as u32)
            .time(self.recorded_at)
            .time(self.keep_until)
            .bytes(&self.fingerprint)
            .bytes(period.as_bytes())
            .bytes(user.as_bytes());
        for bin in self.first_bins.iter() {
            writer.u32(bin.superbin).u16(bin.subbin as u16);
        }
        writer.bytes(&self.message);
    }
}

impl PaymentNote {
    fn parse(bytes: &[u8]) -> Option<PaymentNote> {
        let mut reader = Reader::new(bytes);
        let [_kind, _, _, _] = reader.array()?;
        let payment = Position { day: reader.u32()?, offset: reader.u64()? };
        let at = reader.time()?;
        reader.finish()?;
        Some(PaymentNote { payment, at })
    }

    fn write(self, kind: u8, bytes: &mut Vec<u8>) {
        Writer::new(bytes)
            .bytes(&[kind, 0, 0, 0])
            .u32(self.payment.day)
            .u64(self.payment.offset)
            .time(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE_SIZE: usize = 24;

    fn bytes_of(record: &TillRecord<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        bytes
    }

    #[test]
    fn records_are_read_back_and_cut_ones_are_rejected() {
        let payment = RecordedPayment {
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
        let note = PaymentNote { payment: Position { day: 9, offset: 1 << 33 }, at: UnixTime(77) };
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
        let payment = RecordedPayment {
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
