//! Returns: unspent first balls that a client gives back for credit.
//!
//! Input: a Request-Credit. Output: a verdict for each ball. The invariants: only the owner can
//! return a ball; a ball is credited once, whatever the number of returns; the same return again is
//! the same return.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use micromint::bin::Bin;
use micromint::broker::{
    Alarm, Claim, ExaminedBall, ReturnFacts, ReturnRefusal, Sold, decide_return,
    delivered_first_balls, examine_return, return_refusal, returned_bins,
};
use micromint::host::{Entropy, SystemEntropy};
use micromint::identity::UserId;
use micromint::protocol::{FundsCredited, RequestCredit, Unsigned, Verdict};
use micromint::reply::Reply;
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};

use super::period::OpenPeriod;
use super::{Service, ServiceError, blocking};
use crate::shop::Act;
use crate::store::{
    Account, AccountKind, Posted, ReturnRow, SaleRow, StoreError, Transaction, retried,
};

/// The answer to a return.
pub type ReturnAnswer = Reply<FundsCredited, ReturnRefusal>;

impl Service {
    /// Records a return and answers it. `transaction` is the broker's number for a new one.
    /// `period` is that of the request.
    ///
    /// # Errors
    /// The database or the coin file failed.
    pub async fn take_back(
        &self,
        period: &Arc<OpenPeriod>,
        request: RequestCredit,
        transaction: u64,
        now: UnixTime,
    ) -> Result<ReturnAnswer, ServiceError> {
        let (user, data) = (request.user.clone(), request.data());
        let key = self.secret.user_key(period.name(), &user);
        if key.request_credit(request.request.as_str(), &data) != request.authenticator {
            return Ok(Reply::Refused(ReturnRefusal::WrongAuthenticator { user }));
        }
        let sha256 = Sha256::digest(&data).to_vec();
        if let Some(known) = self.known_return(period, &request, &sha256).await? {
            return Ok(known);
        }
        let refusal = self.return_refusal(period, &request, now).await?;
        let refusal = match refusal {
            // Sets that a restore skipped may be the user's.
            None | Some(ReturnRefusal::TooManyBalls { .. }) => {
                self.check_progress().await?;
                self.book_again(period, &request, now).await?;
                self.return_refusal(period, &request, now).await?
            }
            refusal => refusal,
        };
        if let Some(refusal) = refusal {
            return Ok(Reply::Refused(refusal));
        }
        self.record_return(period, &request, (sha256.clone(), transaction), now).await?;
        self.note_progress().await?;
        // Another process may have recorded it, or the settlement may have begun.
        let closed = period.params().raw().redeem_until;
        let known = self.known_return(period, &request, &sha256).await?;
        Ok(known.unwrap_or(Reply::Refused(ReturnRefusal::TooLate { closed })))
    }

    async fn return_refusal(
        &self,
        period: &OpenPeriod,
        request: &RequestCredit,
        now: UnixTime,
    ) -> Result<Option<ReturnRefusal>, ServiceError> {
        let (name, user) = (period.name(), &request.user);
        let row = self.store.period(name).await?;
        let facts = ReturnFacts {
            sets: self.store.sets_of(name, user).await?,
            returns: self.store.returns_of(name, user).await?,
            is_settled: row.is_some_and(|row| row.is_settled()),
        };
        Ok(return_refusal(period.params(), request, facts, now))
    }

    /// The answer to a return that was made before.
    async fn known_return(
        &self,
        period: &OpenPeriod,
        request: &RequestCredit,
        sha256: &[u8],
    ) -> Result<Option<ReturnAnswer>, ServiceError> {
        let (user, id) = (request.user.clone(), request.request.clone());
        let Some(row) = self.store.give_back(period.name(), &user, &id).await? else {
            return Ok(None);
        };
        if row.sha256 != sha256 {
            let refusal = ReturnRefusal::OtherContent { user, request: id };
            return Ok(Some(Reply::Refused(refusal)));
        }
        let verdicts = self.verdicts_today(period, &row.claims).await?;
        let key = self.secret.user_key(period.name(), &user);
        let answer = FundsCredited {
            user,
            period: period.name().clone(),
            request: id,
            transaction: row.transaction,
            authenticator: Unsigned,
            verdicts,
        };
        Ok(Some(Reply::Granted(answer.authenticated(&key, request))))
    }

    /// The verdicts on returned balls as they stand now.
    pub(super) async fn verdicts_today(
        &self,
        period: &OpenPeriod,
        claims: &[Claim],
    ) -> Result<Vec<Verdict>, ServiceError> {
        let row = self.store.period(period.name()).await?;
        if row.is_none_or(|row| row.settled_at.is_none()) {
            return Ok(claims.iter().map(|claim| claim.verdict).collect());
        }
        let superbins: BTreeSet<u32> =
            claims.iter().filter_map(|c| Some(c.bin?.superbin)).collect();
        let superbins: Vec<u32> = superbins.into_iter().collect();
        let rows = self.store.superbins_of(period.name(), &superbins).await?;
        let decided = |bin: Bin| match rows.get(&bin.superbin) {
            Some(row) if row.credited.has(bin.subbin) => Verdict::Accepted,
            Some(row) if row.disputed.has(bin.subbin) => Verdict::Disputed,
            _ => Verdict::AlreadyPaid,
        };
        let verdict = |claim: &Claim| match (claim.verdict, claim.bin) {
            (Verdict::Waiting, _) if claim.facts.is_repeated => Verdict::AlreadyPaid,
            (Verdict::Waiting, Some(bin)) => decided(bin),
            (verdict, _) => verdict,
        };
        Ok(claims.iter().map(verdict).collect())
    }

    /// Books the sales of skipped sets again whose owner shows that they are: by three quarters of
    /// the first balls of a set, under the user's own key. A set that the account cannot pay stays
    /// nobody's.
    async fn book_again(
        &self,
        period: &Arc<OpenPeriod>,
        request: &RequestCredit,
        now: UnixTime,
    ) -> Result<(), ServiceError> {
        period.catch_up(&self.store).await?;
        let (open, x) = (Arc::clone(period), request.x.clone());
        let shown = blocking(move || shown_sets(&open, &x)).await??;
        for (first, coins) in shown {
            self.book_set(period, &request.user, (first, coins), now).await?;
        }
        Ok(())
    }

    async fn book_set(
        &self,
        period: &OpenPeriod,
        user: &UserId,
        (first, coins): (u32, u32),
        now: UnixTime,
    ) -> Result<(), ServiceError> {
        let value = period.params().coin_value();
        let account = |kind, owner: &str| Account::new(kind, owner, value.currency());
        let payer = self.store.account(&account(AccountKind::Client, user.as_str())).await?;
        let sold = self.store.account(&account(AccountKind::Coins, period.name().as_str())).await?;
        let price = i64::try_from(value.units()).ok().and_then(|v| v.checked_mul(coins.into()));
        let price = price.ok_or(StoreError::TooLarge("sale"))?;
        let transaction =
            SystemEntropy.number().map_err(|_| ServiceError::GivenUp("no randomness"))?;
        let sale = SaleRow {
            period: period.name().clone(),
            first,
            sets: 1,
            coins,
            is_free: false,
            user: user.clone(),
            transaction,
            at: now,
            received_at: Some(now),
        };
        retried!(async {
            let mut tx = self.store.begin().await?;
            let row = tx.lock_period(period.name()).await?;
            if row.is_settled() || tx.is_sold(period.name(), first).await? {
                return Ok(());
            }
            let entries = [(payer, -price), (sold, price)];
            let reference = format!("sale {transaction}");
            if let Posted::Made(_) = tx.post("sale", &reference, &entries, now).await? {
                tx.add_sale(&sale, None).await?;
                tx.add_rebooked(period.name()).await?;
                if let Some(by) = self.by {
                    tx.audit(by, Act::Sale, &sale.noted(), now).await?;
                }
                tx.commit().await?;
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(())
    }

    async fn record_return(
        &self,
        period: &Arc<OpenPeriod>,
        request: &RequestCredit,
        (sha256, transaction): (Vec<u8>, u64),
        now: UnixTime,
    ) -> Result<(), ServiceError> {
        period.catch_up(&self.store).await?;
        let (open, asked) = (Arc::clone(period), request.clone());
        let examined = blocking(move || {
            examine_return(open.rules(), open.coin_file(), &*open.index(), &asked)
        })
        .await??;
        retried!(async {
            let mut tx = self.store.begin().await?;
            if tx.period_is_settled(period.name()).await? {
                return Ok(());
            }
            let buyer = period.index().buyer(&request.user);
            let claims = decide_and_mark(&mut tx, period, &examined, buyer).await?;
            let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count();
            let alarm = Alarm::of(&claims);
            let counts = [count(Verdict::Waiting) as u64, alarm.forged, alarm.not_from_owner];
            let row = ReturnRow { sha256: sha256.clone(), transaction, claims };
            let id = (period.name(), &request.user, &request.request);
            if tx.add_return(id, &row, counts, now).await? {
                if let Some(by) = self.by {
                    let detail = format!("{} {} {}", period.name(), request.user, request.request);
                    tx.audit(by, Act::ReturnTaken, &detail, now).await?;
                }
                tx.commit().await?;
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(())
    }
}

/// The skipped sets of which three quarters of the first balls are among these inputs, each with
/// the number of its first balls.
fn shown_sets(period: &OpenPeriod, x: &[u64]) -> Result<Vec<(u32, u32)>, ServiceError> {
    let index = period.index();
    let mut shown: BTreeMap<u32, BTreeSet<u64>> = BTreeMap::new();
    for x in x {
        if let Some(bin) = period.rules().bin(*x)
            && index.is_nobodys(bin.superbin)
        {
            shown.entry(bin.superbin).or_default().insert(*x);
        }
    }
    let mut sets = Vec::new();
    for (first, shown) in shown {
        let minted = delivered_first_balls(period.coin_file(), &*index, first)?;
        let right = minted.iter().filter(|ball| shown.contains(ball)).count();
        if !minted.is_empty() && 4 * right >= 3 * minted.len() {
            sets.push((first, minted.len() as u32));
        }
    }
    Ok(sets)
}

/// Decides the claims of a return, and marks the balls as returned.
async fn decide_and_mark(
    tx: &mut Transaction,
    period: &OpenPeriod,
    examined: &[ExaminedBall],
    buyer: Option<micromint::broker::Buyer>,
) -> Result<Vec<Claim>, StoreError> {
    let bins = returned_bins(examined);
    let superbins: BTreeSet<u32> = bins.iter().map(|bin| bin.superbin).collect();
    let superbins: Vec<u32> = superbins.into_iter().collect();
    let mut rows = tx.lock_superbins(period.name(), &superbins).await?;
    let is_paid = |bin: &Bin| rows.get(&bin.superbin).is_some_and(|row| row.is_paid(bin.subbin));
    let paid: Vec<bool> = bins.iter().map(is_paid).collect();
    let mut claims = decide_return(examined, buyer, paid);
    for claim in claims.iter_mut().filter(|claim| claim.verdict == Verdict::Waiting) {
        let Some(bin) = claim.bin else { continue };
        if !rows.entry(bin.superbin).or_default().returned.set(bin.subbin) {
            claim.facts.is_repeated = true;
        }
    }
    if !rows.is_empty() {
        tx.write_superbins(period.name(), rows.iter().map(|(at, row)| (*at, row))).await?;
    }
    Ok(claims)
}
