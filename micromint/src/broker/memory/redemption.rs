//! Redeeming the coins that a vendor received (thesis 3.2.3).
//!
//! Input: a batch. Output: a verdict for each of its coins. The invariant: a batch that is sent
//! again is paid once and gets the same verdicts, except for claims that waited, which the
//! settlement or a person decides.

use sha2::{Digest, Sha256};

use super::MemoryBroker;
use super::records::{DIGEST_SIZE, JudgedBatch};
use crate::broker::{
    Alarm, BatchRefusal, Claim, ExaminedPayment, Examiner, blocks, claimed_bins, decide, served_by,
    set_too_late,
};
use crate::coin_file::CoinFileError;
use crate::identity::{UserId, VendorId};
use crate::period::Period;
use crate::protocol::{Blocked, Id, RedemptionResult, RequestRedemption, Unsigned, Verdict};
use crate::reply::Reply;
use crate::time::UnixTime;

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

/// What decides whether a batch or a watch is judged.
pub(super) struct Sent<'a> {
    pub(super) period: &'a Period,
    pub(super) vendor: &'a VendorId,
    /// The Batch-ID or Watch-ID.
    pub(super) id: &'a Id,
    pub(super) is_authentic: bool,
    /// SHA-256 of the data.
    pub(super) digest: &'a [u8; DIGEST_SIZE],
    /// SHA-256 of the data that came under this Id before.
    pub(super) known: Option<&'a [u8; DIGEST_SIZE]>,
}

impl MemoryBroker {
    /// Judges every coin of a batch and records what is paid.
    ///
    /// # Errors
    /// The coin file cannot be read.
    pub fn redeem(
        &mut self,
        batch: &RequestRedemption,
        now: UnixTime,
    ) -> Result<Reply<BatchAnswer, BatchRefusal>, CoinFileError> {
        let digest: [u8; DIGEST_SIZE] = Sha256::digest(&batch.data).into();
        let known = self.ledger.batch(&batch.vendor, &batch.batch);
        let sent = Sent {
            period: &batch.period,
            vendor: &batch.vendor,
            id: &batch.batch,
            is_authentic: batch.is_authentic(&self.secret.vendor_key(&batch.vendor)),
            digest: &digest,
            known: known.map(|known| &known.digest),
        };
        if let Some(refusal) = self.batch_refusal(&sent) {
            return Ok(Reply::Refused(refusal));
        }
        if let Some(known) = known {
            let claims = self.claims_today(&known.claims);
            let blocked = self.named(&blocks(served_by(&claims, known.when)), &claims);
            return Ok(Reply::Granted(self.answer_to(batch, &digest, &claims, true, blocked)));
        }
        let examined = self.examined(&batch.vendor, &batch.records())?;
        Ok(Reply::Granted(self.judge(batch, digest, &examined, now)))
    }

    /// Examines payment records of a vendor.
    pub(super) fn examined(
        &self,
        vendor: &VendorId,
        records: &[&[u8]],
    ) -> Result<Vec<ExaminedPayment>, CoinFileError> {
        let examiner =
            Examiner::new(&self.rules, &self.coin_file, &self.secret, &self.ledger, vendor);
        examiner.examine(records, self.threads)
    }

    /// Why a batch or a watch is refused before its coins are examined.
    pub(super) fn batch_refusal(&self, sent: &Sent<'_>) -> Option<BatchRefusal> {
        let expected = self.params().period();
        if sent.period != expected {
            let (expected, found) = (expected.clone(), sent.period.clone());
            return Some(BatchRefusal::OtherPeriod { expected, found });
        }
        let vendor = sent.vendor.clone();
        if !sent.is_authentic {
            return Some(BatchRefusal::WrongAuthenticator { vendor });
        }
        if !self.ledger.is_vendor(&vendor) {
            return Some(BatchRefusal::UnknownVendor { vendor });
        }
        let is_other = sent.known.is_some_and(|known| known != sent.digest);
        is_other.then(|| BatchRefusal::OtherContent { vendor, id: sent.id.clone() })
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
            authenticator: Unsigned,
            verdicts: claims.iter().map(|claim| claim.verdict).collect(),
        }
        .authenticated(&key, &batch.period, digest);
        BatchAnswer { result, is_repeated, alarm: Alarm::of(claims) }
    }

    /// One claim for each coin, in order. Depends on whether the first ball is paid.
    pub(super) fn decide(&self, examined: &[ExaminedPayment]) -> Vec<Claim> {
        decide(examined, 0, self.are_paid(&claimed_bins(examined)))
    }

    /// Decides the claims of an examined batch and records them.
    fn judge(
        &mut self,
        batch: &RequestRedemption,
        digest: [u8; DIGEST_SIZE],
        examined: &[ExaminedPayment],
        now: UnixTime,
    ) -> BatchAnswer {
        let mut claims = self.decide(examined);
        if self.is_closed(now) {
            // Nothing is recorded: the verdict ends nothing if the clock was wrong.
            set_too_late(&mut claims);
            return self.answer_to(batch, &digest, &claims, false, Vec::new());
        }
        let blocked = self.named(&blocks(served_by(&claims, now)), &claims);
        let answer = self.answer_to(batch, &digest, &claims, false, blocked);
        let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count() as u32;
        let (accepted, waiting) = (count(Verdict::Accepted), count(Verdict::Waiting));
        let paid = claims.iter().filter(|claim| claim.verdict == Verdict::Accepted);
        self.note_paid(paid.filter_map(Claim::on).map(|(bin, _)| bin));
        let claims = self.add_claims(claims);
        self.ledger.add_batch(JudgedBatch {
            when: now,
            vendor: batch.vendor.clone(),
            batch: batch.batch.clone(),
            digest,
            claims,
            accepted,
            waiting,
            alarm: answer.alarm,
        });
        answer
    }
}
