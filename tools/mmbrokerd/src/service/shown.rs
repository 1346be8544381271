//! The watch: payments that a vendor shows when it takes them; and the evidence in all that vendors
//! send.
//!
//! Input: a Request-Watch, or judged claims. Output: its verdicts, the users whom the vendor should
//! stop serving, and offenders. The invariants: a watch pays nothing; an offender is proved by
//! right Authenticators alone, which only the owner of K_U can make.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use micromint::broker::{
    BatchRefusal, Blocks, Buyer, Claim, Conduct, Rank, Served, batch_refusal, blocks, hour_of,
    served_by, watch_refusal,
};
use micromint::identity::VendorId;
use micromint::protocol::{Blocked, RequestWatch, Unsigned, WatchResult};
use micromint::reply::Reply;
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};

use super::period::OpenPeriod;
use super::reading::{Data, coins_in_data};
use super::redeem::{Answered, BatchAnswer, Sent};
use super::{Service, ServiceError};
use crate::store::{BatchKind, NewOffender, StoreError, Transaction};

/// The answer to a watch.
pub type WatchReply = Reply<Answered<WatchResult>, BatchRefusal>;

impl Service {
    /// Judges payments that a vendor has just taken, and keeps them as evidence.
    ///
    /// # Errors
    /// The database or the coin file failed.
    pub async fn watch(
        &self,
        request: RequestWatch,
        now: UnixTime,
    ) -> Result<WatchReply, ServiceError> {
        let RequestWatch { vendor, period, watch, .. } = request.clone();
        let Some(open) = self.period(&period) else {
            return Ok(Reply::Refused(BatchRefusal::UnknownVendor { vendor }));
        };
        let key = self.vendor_key(&vendor).await?.key.sync_key();
        if !request.is_authentic(&key) {
            return Ok(Reply::Refused(BatchRefusal::WrongAuthenticator { vendor }));
        }
        let sha256: [u8; 32] = Sha256::digest(&request.data).into();
        let coins = coins_in_data(&request.data);
        let sent = Sent {
            vendor: vendor.clone(),
            period: open,
            kind: BatchKind::Watch,
            name: watch,
            sha256,
            payments: request.payments,
            data: Data::Memory(Arc::new(request.data)),
            is_noted: AtomicBool::new(self.by.is_none()),
        };
        let known = self.store.batch(&period, &vendor, sent.kind, &sent.name).await?;
        if known.is_none() {
            let hour = hour_of(now);
            let shown = self.store.coins_shown(&vendor, hour).await?;
            let refused = self.store.coins_refused(&vendor, hour).await?;
            let refusal = watch_refusal(&vendor, shown, coins);
            if let Some(refusal) = refusal.or_else(|| batch_refusal(&vendor, 0, refused)) {
                return Ok(Reply::Refused(refusal));
            }
        }
        let judged = self.judge(sent, now).await?;
        Ok(judged.map(|BatchAnswer { verdicts, blocked, alarm, is_repeated }| {
            let result = WatchResult {
                vendor,
                period,
                watch: request.watch,
                blocked: Blocked::new(blocked),
                authenticator: Unsigned,
                verdicts,
            };
            Answered { result: result.authenticated(&key), alarm, is_repeated }
        }))
    }

    /// The users whom a vendor should stop serving, from what it showed in the hour of `now`.
    pub(super) async fn blocks_of_hour(
        &self,
        period: &OpenPeriod,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Blocks<Buyer>, ServiceError> {
        let conduct = self.store.conduct(period.name(), vendor, hour_of(now)).await?;
        let served = conduct.into_iter().map(|(user, is_failing)| {
            let conduct = if is_failing { Conduct::Failing } else { Conduct::Good };
            Served { user, when: now, conduct }
        });
        Ok(blocks(served))
    }
}

/// What the claims of one message prove.
pub(super) struct Findings<'a> {
    pub(super) period: &'a OpenPeriod,
    pub(super) vendor: &'a VendorId,
    pub(super) vendor_number: u32,
    pub(super) kind: BatchKind,
}

impl Findings<'_> {
    /// Records the evidence in claims whose superbins are locked.
    pub(super) async fn record(
        &self,
        tx: &mut Transaction,
        claims: &[Claim],
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let mut offenders = self.spent_twice(tx, claims).await?;
        offenders.extend(claims.iter().filter_map(|claim| self.forged(claim)));
        tx.add_offenders(self.period.name(), &offenders, now).await?;
        if self.kind == BatchKind::Redemption {
            return Ok(());
        }
        let mut users: BTreeMap<Buyer, bool> = BTreeMap::new();
        for served in served_by(claims, now) {
            if served.conduct != Conduct::NotFrom {
                *users.entry(served.user).or_default() |= served.conduct == Conduct::Failing;
            }
        }
        tx.add_conduct(self.period.name(), self.vendor, hour_of(now), &users).await
    }

    /// The users who signed a coin for this vendor that they had signed for another.
    async fn spent_twice(
        &self,
        tx: &mut Transaction,
        claims: &[Claim],
    ) -> Result<Vec<NewOffender>, StoreError> {
        let signed = claims.iter().filter(|claim| claim.rank == Some(Rank::Certain));
        let bins: Vec<_> = signed.filter_map(|claim| Some((claim.bin?, claim.buyer?))).collect();
        let mut superbins: Vec<u32> = bins.iter().map(|(bin, _)| bin.superbin).collect();
        superbins.sort_unstable();
        superbins.dedup();
        let mut seen = tx.seen(self.period.name(), &superbins).await?;
        let (mut changed, mut offenders) = (BTreeMap::new(), Vec::new());
        for (bin, buyer) in bins {
            // A period has at most 2^16 sub-bins.
            let subbin = bin.subbin as u16;
            let vendors = seen.entry(bin.superbin).or_default();
            match vendors.get(&subbin) {
                Some(vendor) if *vendor == self.vendor_number => {}
                Some(_) => offenders.extend(self.offender(buyer, bin, SPENT_TWICE)),
                None => {
                    vendors.insert(subbin, self.vendor_number);
                    changed.insert(bin.superbin, ());
                }
            }
        }
        seen.retain(|superbin, _| changed.contains_key(superbin));
        if !seen.is_empty() {
            tx.write_seen(self.period.name(), &seen).await?;
        }
        Ok(offenders)
    }

    /// The user who signed a ball that was not minted, or a set of someone else.
    fn forged(&self, claim: &Claim) -> Option<NewOffender> {
        let source = claim.facts.source;
        if !source.is_signed || source.is_sold && !claim.facts.is_forged {
            return None;
        }
        self.offender(claim.buyer?, claim.bin?, FORGED)
    }

    fn offender(
        &self,
        buyer: Buyer,
        bin: micromint::bin::Bin,
        why: &'static str,
    ) -> Option<NewOffender> {
        let user = self.period.index().name_of(buyer)?.clone();
        Some(NewOffender { user, bin, why })
    }
}

/// Right Authenticators on one first bin at two vendors.
const SPENT_TWICE: &str = "one coin at two vendors";
/// A right Authenticator over a ball that was not minted, or over a set of someone else.
const FORGED: &str = "a ball that was not minted, or a set of someone else";
