//! The watch: a vendor shows the payments that it has just taken, before it redeems them.
//!
//! Input: payments, under a key that cannot redeem. Output: the verdict that each coin would have
//! in a batch now, and the users whom the vendor should stop serving. The invariant: nothing is
//! paid or credited. What was shown is kept as evidence, as the claims of a batch are.

use sha2::{Digest, Sha256};

use super::MemoryBroker;
use super::records::{DIGEST_SIZE, JudgedWatch};
use super::redemption::Sent;
use crate::authenticator::Key;
use crate::broker::{
    Alarm, BatchRefusal, Blocks, Buyer, Claim, ExaminedPayment, blocks, hour_of, served_by,
    set_too_late, watch_refusal,
};
use crate::coin_file::CoinFileError;
use crate::identity::{UserId, VendorId};
use crate::protocol::{Blocked, RequestWatch, Unsigned, WatchResult};
use crate::reply::Reply;
use crate::time::UnixTime;

/// The answer to a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchAnswer {
    /// The answer to the vendor.
    pub result: WatchResult,
    /// Whether the watch was judged before.
    pub is_repeated: bool,
    /// What is wrong with its coins.
    pub alarm: Alarm,
}

impl MemoryBroker {
    /// Judges payments that a vendor has just taken, and keeps them as evidence.
    ///
    /// # Errors
    /// The coin file cannot be read.
    pub fn watch(
        &mut self,
        request: &RequestWatch,
        now: UnixTime,
    ) -> Result<Reply<WatchAnswer, BatchRefusal>, CoinFileError> {
        let digest: [u8; DIGEST_SIZE] = Sha256::digest(&request.data).into();
        let key = self.secret.vendor_key(&request.vendor).sync_key();
        let known = self.ledger.watch(&request.vendor, &request.watch);
        let sent = Sent {
            period: &request.period,
            vendor: &request.vendor,
            id: &request.watch,
            is_authentic: request.is_authentic(&key),
            digest: &digest,
            known: known.map(|known| &known.digest),
        };
        if let Some(refusal) = self.batch_refusal(&sent) {
            return Ok(Reply::Refused(refusal));
        }
        if let Some(known) = known {
            let claims = self.claims(&known.claims);
            let blocked = self.named(&self.blocks_at(&request.vendor, now), claims);
            return Ok(Reply::Granted(answer_to(request, claims, &key, true, blocked)));
        }
        let examined = self.examined(&request.vendor, &request.records())?;
        Ok(self.judge_watch(request, digest, &examined, &key, now))
    }

    /// What the payments that a vendor showed in the hour of `now` lead to at this vendor.
    pub fn blocked(&self, vendor: &VendorId, now: UnixTime) -> Blocks<UserId> {
        let Blocks { users, faults } = self.blocks_at(vendor, now);
        let users = users.iter().filter_map(|buyer| self.ledger.name_of(*buyer).cloned());
        Blocks { users: users.collect(), faults }
    }

    /// The watches of a vendor in the hour of `now`.
    fn shown(&self, vendor: &VendorId, now: UnixTime) -> impl Iterator<Item = &JudgedWatch> {
        let hour = hour_of(now);
        let watches = self.ledger.watches.iter();
        watches.filter(move |watch| watch.vendor == *vendor && hour_of(watch.when) == hour)
    }

    fn blocks_at(&self, vendor: &VendorId, now: UnixTime) -> Blocks<Buyer> {
        let shown = self.shown(vendor, now);
        blocks(shown.flat_map(|watch| served_by(self.claims(&watch.claims), watch.when)))
    }

    /// The users to block, by name; those of `claims`, the message that is answered, come first.
    pub(super) fn named(&self, blocks: &Blocks<Buyer>, claims: &[Claim]) -> Vec<UserId> {
        let named = blocks.in_order(claims.iter().filter_map(|claim| claim.buyer));
        named.iter().filter_map(|buyer| self.ledger.name_of(*buyer).cloned()).collect()
    }

    fn judge_watch(
        &mut self,
        request: &RequestWatch,
        digest: [u8; DIGEST_SIZE],
        examined: &[ExaminedPayment],
        key: &Key,
        now: UnixTime,
    ) -> Reply<WatchAnswer, BatchRefusal> {
        let mut claims = self.decide(examined);
        if self.is_closed(now) {
            set_too_late(&mut claims);
            return Reply::Granted(answer_to(request, &claims, key, false, Vec::new()));
        }
        let vendor = request.vendor.clone();
        let shown = self.shown(&vendor, now).map(|watch| watch.claims.count as u64).sum();
        if let Some(refusal) = watch_refusal(&vendor, shown, claims.len() as u64) {
            return Reply::Refused(refusal);
        }
        let section = self.add_claims(claims.clone());
        self.ledger.add_watch(JudgedWatch {
            when: now,
            vendor: vendor.clone(),
            watch: request.watch.clone(),
            digest,
            claims: section,
            alarm: Alarm::of(&claims),
        });
        let blocked = self.named(&self.blocks_at(&vendor, now), &claims);
        Reply::Granted(answer_to(request, &claims, key, false, blocked))
    }
}

fn answer_to(
    request: &RequestWatch,
    claims: &[Claim],
    key: &Key,
    is_repeated: bool,
    blocked: Vec<UserId>,
) -> WatchAnswer {
    let result = WatchResult {
        vendor: request.vendor.clone(),
        period: request.period.clone(),
        watch: request.watch.clone(),
        blocked: Blocked::new(blocked),
        authenticator: Unsigned,
        verdicts: claims.iter().map(|claim| claim.verdict).collect(),
    };
    let result = result.authenticated(key);
    WatchAnswer { result, is_repeated, alarm: Alarm::of(claims) }
}
