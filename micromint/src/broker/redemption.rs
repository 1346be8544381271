//! Redeeming the coins that a vendor received (thesis 3.2.3).
//!
//! Input: a batch. Output: a verdict for each of its coins. The invariants: the verdicts and the
//! payments they stand for are one record, which is durable before the vendor gets an answer. A
//! batch that is sent again is paid once and gets the same verdicts, except for claims that waited,
//! which the settlement decides.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::claim::{Claim, verdict_now};
use super::examine::{ExaminedPayment, Examiner};
use super::record::{BrokerRecord, DIGEST_SIZE, JudgedBatch};
use super::{Broker, BrokerError, LockedBroker};
use crate::bin::Bin;
use crate::identity::VendorId;
use crate::period::Period;
use crate::protocol::{Blocked, Id, RedemptionResult, RequestRedemption, Verdict};
use crate::reply::Reply;
use crate::time::UnixTime;

/// Why a batch is not judged. Nothing is recorded then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchRefusal {
    /// The batch is of another period.
    #[error("the batch is of period {found}, this coin file is of {expected}")]
    OtherPeriod {
        /// The period of this broker.
        expected: Period,
        /// The period of the batch.
        found: Period,
    },
    /// The vendor is not registered.
    #[error("{vendor} is not registered for this period: mmbroker vendor-key {vendor}")]
    UnknownVendor {
        /// The vendor that the batch names.
        vendor: VendorId,
    },
    /// The authenticator does not match.
    #[error("the authenticator is not that of {vendor} over this batch")]
    WrongAuthenticator {
        /// The vendor that the batch names.
        vendor: VendorId,
    },
    /// The vendor already used the Batch-ID for other content.
    #[error("batch {batch} of {vendor} was judged before, with other content")]
    OtherContent {
        /// The vendor.
        vendor: VendorId,
        /// The Batch-ID.
        batch: Id,
    },
}

/// A judged batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Judged {
    /// The answer to the vendor.
    pub result: RedemptionResult,
    /// Whether the batch was judged before. Nothing was paid now in that case.
    pub is_repeated: bool,
}

impl Broker {
    /// Judges every coin of a batch and records what is paid.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn redeem(
        &mut self,
        batch: &RequestRedemption,
        now: UnixTime,
    ) -> Result<Reply<Judged, BatchRefusal>, BrokerError> {
        let digest: [u8; DIGEST_SIZE] = Sha256::digest(&batch.data).into();
        if let Some(refusal) = self.batch_refusal(batch) {
            return Ok(Reply::Refused(refusal));
        }
        let known = self.locked(now, |broker| broker.known_batch(batch, &digest))?;
        if let Some(known) = known {
            return Ok(known);
        }
        let examined = Examiner::new(&self.rules, &self.coin_file, &self.secret, batch)
            .examine(self.threads)?;
        self.locked(now, |broker| {
            // Another process may have judged the batch in the meantime.
            match broker.known_batch(batch, &digest)? {
                Some(known) => Ok(known),
                None => broker.judge(batch, digest, &examined, now).map(Reply::Granted),
            }
        })
    }

    /// Why the batch is refused, as far as that depends on the message alone.
    fn batch_refusal(&self, batch: &RequestRedemption) -> Option<BatchRefusal> {
        let expected = self.params().period();
        if batch.period != *expected {
            let (expected, found) = (expected.clone(), batch.period.clone());
            return Some(BatchRefusal::OtherPeriod { expected, found });
        }
        let key = self.secret.vendor_key(&batch.vendor);
        if key.request_redemption(batch.batch.as_str(), &batch.data) != batch.authenticator {
            return Some(BatchRefusal::WrongAuthenticator { vendor: batch.vendor.clone() });
        }
        None
    }

    /// The answer to a batch that need not be judged: its vendor is unknown, or its Batch-ID is
    /// known. The caller holds the lock.
    fn known_batch(
        &self,
        batch: &RequestRedemption,
        digest: &[u8; DIGEST_SIZE],
    ) -> Result<Option<Reply<Judged, BatchRefusal>>, BrokerError> {
        let vendor = batch.vendor.clone();
        if !self.state.vendors.contains_key(&vendor) {
            return Ok(Some(Reply::Refused(BatchRefusal::UnknownVendor { vendor })));
        }
        let Some(known) = self.state.batch(&vendor, &batch.batch) else { return Ok(None) };
        if known.digest != *digest {
            return Ok(Some(Reply::Refused(BatchRefusal::OtherContent {
                vendor,
                batch: batch.batch.clone(),
            })));
        }
        let claims = self.claims_today(&known.claims)?;
        Ok(Some(Reply::Granted(Judged { result: result_of(batch, &claims), is_repeated: true })))
    }
}

impl LockedBroker<'_> {
    /// Decides the claims of an examined batch and records them.
    fn judge(
        &mut self,
        batch: &RequestRedemption,
        digest: [u8; DIGEST_SIZE],
        examined: &[ExaminedPayment],
        now: UnixTime,
    ) -> Result<Judged, BrokerError> {
        let mut claims = self.decide(examined)?;
        if self.state.settlement.is_some() {
            // The period is settled. Nothing is recorded, so nothing can be paid later either.
            let undecided = claims.iter_mut().filter(|claim| claim.on.is_some());
            undecided.for_each(|claim| claim.verdict = Verdict::TooLate);
            return Ok(Judged { result: result_of(batch, &claims), is_repeated: false });
        }
        let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count() as u32;
        let [accepted, waiting, forged] =
            [Verdict::Accepted, Verdict::Waiting, Verdict::Forged].map(count);
        self.commit(BrokerRecord::Batch(JudgedBatch {
            when: now,
            vendor: batch.vendor.clone(),
            batch: batch.batch.clone(),
            digest,
            claims: self.claims.write(self.state.claims_end(), &claims)?,
            accepted,
            waiting,
            forged,
        }))?;
        Ok(Judged { result: result_of(batch, &claims), is_repeated: false })
    }
}

impl Broker {
    /// One claim for each coin, in order: depends on whether the set was sold to this user, and
    /// whether the first ball is paid.
    fn decide(&self, examined: &[ExaminedPayment]) -> Result<Vec<Claim>, BrokerError> {
        let candidates = examined.iter().flat_map(|payment| &payment.coins).flatten();
        let bins: Vec<Bin> = candidates.copied().collect();
        let mut paid = self.are_paid(&bins)?.into_iter();
        let mut paid_now = HashSet::new();
        let mut claims = Vec::new();
        for (number, payment) in (0..).zip(examined) {
            for coin in &payment.coins {
                let bin = match coin {
                    Ok(bin) => *bin,
                    Err(verdict) => {
                        claims.push(Claim::rejected(*verdict, number));
                        continue;
                    }
                };
                let is_paid = paid.next().unwrap_or(true) || paid_now.contains(&bin);
                if self.state.owner(bin.superbin) != payment.user.as_ref() {
                    claims.push(Claim::rejected(Verdict::NotFromOwner, number));
                    continue;
                }
                let verdict = verdict_now(payment.kind, is_paid);
                if verdict == Verdict::Accepted {
                    paid_now.insert(bin);
                }
                let on = Some((bin, payment.kind));
                claims.push(Claim { verdict, on, payment: number, tag: payment.tag });
            }
        }
        Ok(claims)
    }
}

fn result_of(batch: &RequestRedemption, claims: &[Claim]) -> RedemptionResult {
    RedemptionResult {
        vendor: batch.vendor.clone(),
        batch: batch.batch.clone(),
        blocked: Blocked::default(),
        verdicts: claims.iter().map(|claim| claim.verdict).collect(),
    }
}
