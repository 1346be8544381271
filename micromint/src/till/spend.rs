//! A payment to record, as the till's caller describes it.
//!
//! Input: the parts of a payment whose coins are good. Output: its record. The
//! [`Till`](super::Till) decides whether the coins are unspent.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::TillError;
use super::record::RecordedPayment;
use crate::authenticator::OWNER_TOKEN_SIZE;
use crate::bin::Bin;
use crate::bytes::u64_be;
use crate::identity::UserId;
use crate::period::Period;
use crate::protocol::{COINS_PER_PAYMENT_MAX, PAYMENT_SIZE_MAX, Payment};
use crate::time::UnixTime;

/// A payment to record. Its coins are good; the till decides whether they are unspent.
#[derive(Clone, Copy, Debug)]
pub struct Spend<'a> {
    pub(super) period: &'a Period,
    pub(super) user: &'a UserId,
    pub(super) first_bins: &'a [Bin],
    pub(super) payment: &'a [u8],
    pub(super) fingerprint: [u8; 32],
    pub(super) receipt_seconds: i64,
    pub(super) keep_until: UnixTime,
    pub(super) cap: Option<u32>,
}

impl<'a> Spend<'a> {
    /// A payment by `user` with coins of `period`.
    ///
    /// `first_bins` holds the first bin of each coin: 1 to [`COINS_PER_PAYMENT_MAX`], all
    /// different. `payment` is the Payment message as received, at most [`PAYMENT_SIZE_MAX`] bytes;
    /// it is stored for redemption. Two payments with the same `fingerprint` are the same payment
    /// (see [`fingerprint`]).
    pub fn new(
        period: &'a Period,
        user: &'a UserId,
        first_bins: &'a [Bin],
        payment: &'a [u8],
        fingerprint: [u8; 32],
    ) -> Spend<'a> {
        let (receipt_seconds, keep_until, cap) = (0, UnixTime(i64::MAX), None);
        Spend { period, user, first_bins, payment, fingerprint, receipt_seconds, keep_until, cap }
    }

    /// Sets how long the same payment is a retry after it was recorded, in seconds. The default is
    /// 0: only in the same second.
    #[must_use]
    pub fn with_receipt_seconds(self, receipt_seconds: i64) -> Spend<'a> {
        Spend { receipt_seconds, ..self }
    }

    /// Sets until when the record is stored: the period's redeem-until. The default is forever.
    #[must_use]
    pub fn with_keep_until(self, keep_until: UnixTime) -> Spend<'a> {
        Spend { keep_until, ..self }
    }

    /// Sets the most coins that a user may spend on one UTC day. The default is `None`, no limit.
    #[must_use]
    pub fn with_cap(self, cap: Option<u32>) -> Spend<'a> {
        Spend { cap, ..self }
    }

    /// The record of this payment.
    pub(super) fn record(&self, now: UnixTime) -> RecordedPayment<'a> {
        RecordedPayment {
            period: self.period.clone(),
            user: self.user.clone(),
            recorded_at: now,
            keep_until: self.keep_until,
            fingerprint: self.fingerprint,
            first_bins: Cow::Borrowed(self.first_bins),
            message: Cow::Borrowed(self.payment),
        }
    }

    pub(super) fn check_bounds(&self) -> Result<(), TillError> {
        let (bins, bytes) = (self.first_bins.len(), self.payment.len());
        if (1..=COINS_PER_PAYMENT_MAX as usize).contains(&bins) && bytes <= PAYMENT_SIZE_MAX {
            return Ok(());
        }
        Err(TillError::Spend { bins, bytes })
    }
}

/// The identity of a payment: SHA-256 over URL, period, user, authenticator, owner tokens and
/// coins, and over `extra`, such as an Idempotency-Key and the digest of a body.
pub fn fingerprint(payment: &Payment, extra: &[&[u8]]) -> [u8; 32] {
    // The lengths ensure that different fields never form the same bytes.
    let size = |size: usize| u64_be(size as u64);
    let mut sha256 = Sha256::new();
    let fields: [&[u8]; 4] = [
        payment.url.as_str().as_bytes(),
        payment.period.as_str().as_bytes(),
        payment.user.as_str().as_bytes(),
        payment.authenticator.as_bytes(),
    ];
    for field in fields {
        sha256.update(size(field.len()));
        sha256.update(field);
    }
    sha256.update(size(payment.owner_tokens.len() * OWNER_TOKEN_SIZE));
    payment.owner_tokens.iter().for_each(|token| sha256.update(token.as_bytes()));
    sha256.update(size(payment.x.len() * size_of::<u64>()));
    payment.x.iter().for_each(|x| sha256.update(u64_be(*x)));
    for field in extra {
        sha256.update(size(field.len()));
        sha256.update(field);
    }
    sha256.finalize().into()
}
