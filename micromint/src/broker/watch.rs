//! The watch: a vendor shows the payments that it has just taken, before it redeems them.
//!
//! Input: payments, under a key that cannot redeem. Output: the verdict that each coin would have
//! in a batch now, and the users whom the vendor should stop serving. The invariant: nothing is
//! paid or credited. What was shown is kept as evidence, as the claims of a batch are.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::blocking::Blocks;
use super::claim::{Buyer, Claim};
use super::decide::set_too_late;
use super::examine::ExaminedPayment;
use super::record::{BrokerRecord, DIGEST_SIZE, JudgedWatch};
use super::redemption::{Alarm, BatchRefusal};
use super::shown::WATCH_COINS_PER_HOUR_MAX;
use super::{Broker, BrokerError, LockedBroker};
use crate::authenticator::{Authenticator, Key};
use crate::identity::{UserId, VendorId};
use crate::protocol::{Blocked, RequestWatch, Verdict, WatchResult};
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

impl Broker {
    /// Judges payments that a vendor has just taken, and keeps them as evidence.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn watch(
        &mut self,
        request: &RequestWatch,
        now: UnixTime,
    ) -> Result<Reply<WatchAnswer, BatchRefusal>, BrokerError> {
        let digest: [u8; DIGEST_SIZE] = Sha256::digest(&request.data).into();
        if let Some(refusal) = self.other_period(&request.period) {
            return Ok(Reply::Refused(refusal));
        }
        let key = self.secret.vendor_key(&request.vendor).sync_key();
        if !request.is_authentic(&key) {
            let vendor = request.vendor.clone();
            return Ok(Reply::Refused(BatchRefusal::WrongAuthenticator { vendor }));
        }
        let known = self.locked(|broker| broker.broker.known_watch(request, &digest, &key, now))?;
        if let Some(known) = known {
            return Ok(known);
        }
        let examined = self.examined(&request.vendor, &request.records())?;
        self.locked(|broker| match broker.broker.known_watch(request, &digest, &key, now)? {
            Some(known) => Ok(known),
            None => broker.judge_watch(request, digest, &examined, &key, now),
        })
    }

    /// The answer to a watch that need not be judged.
    fn known_watch(
        &mut self,
        request: &RequestWatch,
        digest: &[u8; DIGEST_SIZE],
        key: &Key,
        now: UnixTime,
    ) -> Result<Option<Reply<WatchAnswer, BatchRefusal>>, BrokerError> {
        let vendor = request.vendor.clone();
        if !self.ledger.vendors.contains_key(&vendor) {
            return Ok(Some(Reply::Refused(BatchRefusal::UnknownVendor { vendor })));
        }
        let Some(known) = self.ledger.watch(&vendor, &request.watch) else { return Ok(None) };
        if known.digest != *digest {
            let id = request.watch.clone();
            return Ok(Some(Reply::Refused(BatchRefusal::OtherContent { vendor, id })));
        }
        let claims = self.claims.read(&known.claims)?;
        let blocks = self.blocks_at(&vendor, now)?;
        let blocked = self.named(blocks, &[]);
        Ok(Some(Reply::Granted(answer_to(request, &claims, key, true, blocked))))
    }

    /// What the payments that a vendor showed in the hour of `now` lead to at this vendor.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn blocked(
        &mut self,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Blocks<UserId>, BrokerError> {
        self.locked(|broker| {
            let Blocks { users, faults } = broker.broker.blocks_at(vendor, now)?;
            let users = users.iter().filter_map(|buyer| broker.ledger.name_of(*buyer).cloned());
            Ok(Blocks { users: users.collect(), faults })
        })
    }

    /// The users to block, by name. Since an answer has room for a bounded number, those whom
    /// `examined`, the payments of the message that is answered, name come first.
    pub(super) fn named(&self, blocks: Blocks<Buyer>, examined: &[ExaminedPayment]) -> Vec<UserId> {
        let sent: BTreeSet<Buyer> = examined.iter().filter_map(|payment| payment.buyer).collect();
        let (now, before): (Vec<Buyer>, Vec<Buyer>) =
            blocks.users.into_iter().partition(|buyer| sent.contains(buyer));
        let names = now.iter().chain(&before).filter_map(|buyer| self.ledger.name_of(*buyer));
        names.cloned().collect()
    }
}

impl LockedBroker<'_> {
    fn judge_watch(
        &mut self,
        request: &RequestWatch,
        digest: [u8; DIGEST_SIZE],
        examined: &[ExaminedPayment],
        key: &Key,
        now: UnixTime,
    ) -> Result<Reply<WatchAnswer, BatchRefusal>, BrokerError> {
        let mut claims = self.decide(examined)?;
        if self.is_closed(now) {
            set_too_late(&mut claims);
            let answer = answer_to(request, &claims, key, false, Vec::new());
            return Ok(Reply::Granted(answer));
        }
        let (shown, coins) = (self.broker.coins_shown(&request.vendor, now)?, claims.len() as u64);
        if shown + coins > WATCH_COINS_PER_HOUR_MAX {
            let vendor = request.vendor.clone();
            return Ok(Reply::Refused(BatchRefusal::TooManyShown { vendor, shown, coins }));
        }
        let alarm = Alarm::of(&claims);
        self.commit(BrokerRecord::Watch(JudgedWatch {
            when: now,
            vendor: request.vendor.clone(),
            watch: request.watch.clone(),
            digest,
            claims: self.claims.write(self.ledger.claims_end(), &claims)?,
            waiting: claims.iter().filter(|claim| claim.verdict == Verdict::Waiting).count() as u32,
            forged: alarm.forged as u32,
            not_from_owner: alarm.not_from_owner as u32,
            invented: alarm.invented as u32,
        }))?;
        let blocks = self.broker.blocks_at(&request.vendor, now)?;
        let blocked = self.named(blocks, examined);
        Ok(Reply::Granted(answer_to(request, &claims, key, false, blocked)))
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
        authenticator: Authenticator::from_bytes([0; 16]),
        verdicts: claims.iter().map(|claim| claim.verdict).collect(),
    };
    let result = result.authenticated(key);
    WatchAnswer { result, is_repeated, alarm: Alarm::of(claims) }
}
