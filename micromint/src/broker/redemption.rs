//! Redeeming the coins that a vendor received (thesis 3.2.3).
//!
//! Input: a batch. Output: a verdict for each of its coins. The invariants: the verdicts and the
//! payments they stand for are one record, which is durable before the vendor gets an answer. A
//! batch that is sent again is paid once and gets the same verdicts, except for claims that waited,
//! which the settlement or a person decides.

use sha2::{Digest, Sha256};

use super::blocking::blocks;
use super::claim::Claim;
use super::decide::{claimed_bins, decide, set_too_late};
use super::examine::{ExaminedPayment, Examiner};
use super::fraud::served_by;
use super::record::{BrokerRecord, DIGEST_SIZE, JudgedBatch};
use super::shown::WATCH_COINS_PER_HOUR_MAX;
use super::{Broker, BrokerError, LockedBroker};
use crate::authenticator::{AUTHENTICATOR_SIZE, Authenticator};
use crate::identity::{UserId, VendorId};
use crate::period::Period;
use crate::protocol::{Blocked, FundsCredited, Id, RedemptionResult, RequestRedemption, Verdict};
use crate::reply::Reply;
use crate::time::UnixTime;

/// Why a batch or a watch is not judged. Nothing is recorded then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchRefusal {
    /// It is of another period.
    #[error("the message is of period {found}, this coin file is of {expected}")]
    OtherPeriod {
        /// The period of this broker.
        expected: Period,
        /// The period of the message.
        found: Period,
    },
    /// The vendor is not registered.
    #[error("{vendor} is not registered for this period: mmbroker vendor-key {vendor}")]
    UnknownVendor {
        /// The vendor that the message names.
        vendor: VendorId,
    },
    /// The authenticator does not match.
    #[error("the authenticator is not that of {vendor} over this message")]
    WrongAuthenticator {
        /// The vendor that the message names.
        vendor: VendorId,
    },
    /// The vendor already used the Batch-ID or Watch-ID for other content.
    #[error("{id} of {vendor} was judged before, with other content")]
    OtherContent {
        /// The vendor.
        vendor: VendorId,
        /// The Batch-ID or Watch-ID.
        id: Id,
    },
    /// The watch would exceed what a vendor can show within an hour.
    #[error(
        "{vendor} showed {shown} coins this hour, and {coins} more exceed \
         {WATCH_COINS_PER_HOUR_MAX}: show them in the next hour"
    )]
    TooManyShown {
        /// The vendor.
        vendor: VendorId,
        /// The coins that it showed in the current hour.
        shown: u64,
        /// The coins of this watch.
        coins: u64,
    },
}

/// The answer to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchAnswer {
    /// The answer to the vendor.
    pub result: RedemptionResult,
    /// Whether the batch was judged before. Nothing was paid now in that case.
    pub is_repeated: bool,
    /// What is wrong with its coins.
    pub alarm: Alarm,
}

/// How many coins or balls raise an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Alarm {
    /// From the owner, with a ball that is proved not to be the minted one.
    pub forged: u64,
    /// Not from the owner of their set.
    pub not_from_owner: u64,
    /// Under User-IDs to which nothing was sold.
    pub invented: u64,
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
    ) -> Result<Reply<BatchAnswer, BatchRefusal>, BrokerError> {
        let digest: [u8; DIGEST_SIZE] = Sha256::digest(&batch.data).into();
        if let Some(refusal) = self.batch_refusal(batch) {
            return Ok(Reply::Refused(refusal));
        }
        let known = self.locked(|broker| broker.known_batch(batch, &digest))?;
        if let Some(known) = known {
            return Ok(known);
        }
        let examined = self.examined(&batch.vendor, &batch.records())?;
        self.locked(|broker| {
            // Another process may have judged the batch in the meantime.
            match broker.known_batch(batch, &digest)? {
                Some(known) => Ok(known),
                None => broker.judge(batch, digest, &examined, now).map(Reply::Granted),
            }
        })
    }

    /// Examines payment records of a vendor. The state is up to date.
    pub(super) fn examined(
        &self,
        vendor: &VendorId,
        records: &[&[u8]],
    ) -> Result<Vec<ExaminedPayment>, BrokerError> {
        let examiner =
            Examiner::new(&self.rules, &self.coin_file, &self.secret, &self.ledger, vendor);
        Ok(examiner.examine(records, self.threads)?)
    }

    /// Why the batch is refused, as far as that depends on the message alone.
    fn batch_refusal(&self, batch: &RequestRedemption) -> Option<BatchRefusal> {
        if let Some(refusal) = self.other_period(&batch.period) {
            return Some(refusal);
        }
        let key = self.secret.vendor_key(&batch.vendor);
        if !batch.is_authentic(&key) {
            return Some(BatchRefusal::WrongAuthenticator { vendor: batch.vendor.clone() });
        }
        None
    }

    pub(super) fn other_period(&self, found: &Period) -> Option<BatchRefusal> {
        let expected = self.params().period();
        (found != expected).then(|| {
            let (expected, found) = (expected.clone(), found.clone());
            BatchRefusal::OtherPeriod { expected, found }
        })
    }

    /// The answer to a batch that need not be judged: its vendor is unknown, or its Batch-ID is
    /// known. The caller holds the lock.
    fn known_batch(
        &self,
        batch: &RequestRedemption,
        digest: &[u8; DIGEST_SIZE],
    ) -> Result<Option<Reply<BatchAnswer, BatchRefusal>>, BrokerError> {
        let vendor = batch.vendor.clone();
        if !self.ledger.vendors.contains_key(&vendor) {
            return Ok(Some(Reply::Refused(BatchRefusal::UnknownVendor { vendor })));
        }
        let Some(known) = self.ledger.batch(&vendor, &batch.batch) else { return Ok(None) };
        if known.digest != *digest {
            let id = batch.batch.clone();
            return Ok(Some(Reply::Refused(BatchRefusal::OtherContent { vendor, id })));
        }
        let claims = self.claims_today(&known.claims)?;
        let blocked = self.named(blocks(served_by(&claims, known.when)), &[]);
        Ok(Some(Reply::Granted(self.answer_to(batch, digest, &claims, true, blocked))))
    }

    /// The answer to a batch whose data has this digest.
    fn answer_to(
        &self,
        batch: &RequestRedemption,
        digest: &[u8; DIGEST_SIZE],
        claims: &[Claim],
        is_repeated: bool,
        blocked: Vec<UserId>,
    ) -> BatchAnswer {
        let key = self.secret.vendor_key(&batch.vendor);
        let result = RedemptionResult {
            vendor: batch.vendor.clone(),
            batch: batch.batch.clone(),
            blocked: Blocked::new(blocked),
            authenticator: Authenticator::from_bytes([0; AUTHENTICATOR_SIZE]),
            verdicts: claims.iter().map(|claim| claim.verdict).collect(),
        }
        .authenticated(&key, &batch.period, digest);
        BatchAnswer { result, is_repeated, alarm: Alarm::of(claims) }
    }

    /// One claim for each coin, in order. Depends on whether the first ball is paid.
    pub(super) fn decide(&self, examined: &[ExaminedPayment]) -> Result<Vec<Claim>, BrokerError> {
        let paid = self.are_paid(&claimed_bins(examined))?;
        Ok(decide(examined, 0, paid))
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
    ) -> Result<BatchAnswer, BrokerError> {
        let mut claims = self.decide(examined)?;
        if self.is_closed(now) {
            // Nothing is recorded: the verdict ends nothing if the clock was wrong.
            set_too_late(&mut claims);
            return Ok(self.answer_to(batch, &digest, &claims, false, Vec::new()));
        }
        let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count() as u32;
        let alarm = Alarm::of(&claims);
        self.commit(BrokerRecord::Batch(JudgedBatch {
            when: now,
            vendor: batch.vendor.clone(),
            batch: batch.batch.clone(),
            digest,
            claims: self.claims.write(self.ledger.claims_end(), &claims)?,
            accepted: count(Verdict::Accepted),
            waiting: count(Verdict::Waiting),
            forged: alarm.forged as u32,
            not_from_owner: alarm.not_from_owner as u32,
            invented: alarm.invented as u32,
        }))?;
        let blocked = self.named(blocks(served_by(&claims, now)), examined);
        Ok(self.answer_to(batch, &digest, &claims, false, blocked))
    }
}

impl Alarm {
    /// Counts the claims that raise an alarm.
    pub fn of(claims: &[Claim]) -> Alarm {
        let mut alarm = Alarm::default();
        for claim in claims {
            let is_forged = claim.facts.is_forged || claim.verdict == Verdict::Forged;
            alarm.forged += u64::from(is_forged);
            alarm.not_from_owner += u64::from(claim.verdict == Verdict::NotFromOwner);
            alarm.invented += u64::from(claim.facts.is_invented);
        }
        alarm
    }

    /// Counts the balls of a return that raise an alarm.
    pub fn of_return(answer: &FundsCredited) -> Alarm {
        let count =
            |verdict| answer.verdicts.iter().filter(|other| **other == verdict).count() as u64;
        Alarm {
            forged: count(Verdict::Forged),
            not_from_owner: count(Verdict::NotFromOwner),
            invented: 0,
        }
    }

    /// Whether nothing raises an alarm.
    pub fn is_silent(&self) -> bool {
        *self == Alarm::default()
    }
}
