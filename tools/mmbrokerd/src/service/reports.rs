//! Reports for the operator: the totals of a period, what users bought and got credited, what
//! vendors were paid, who is proved to have cheated, who is suspected, and what raises an alarm.
//!
//! Input: a period, a vendor or a user. Output: names and numbers for people. The invariant:
//! nothing is changed, and only offenders are named as such.

use std::collections::BTreeSet;

use micromint::broker::{
    Alarm, Alarms, Buyer, Claim, Evidence, Findings, Offender, Suspect, VendorAlarm, hour_of,
};
use micromint::identity::{UserId, VendorId};
use micromint::money::Money;
use micromint::protocol::Verdict;
use micromint::time::UnixTime;

use super::period::OpenPeriod;
use super::{Service, ServiceError};
use crate::store::{
    Account, AccountKind, BatchKind, PeriodCounts, SaleRow, SentRow, StoreError, UserReturn,
    VendorBatch,
};

/// How many claims are looked at together, which bounds the memory to about 1 GiB. With more, the
/// claims are read several times, for a part of the superbins each.
const CLAIMS_TOGETHER: u64 = 16 * 1024 * 1024;

/// The totals of a period, in coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodReport {
    /// How many rows of each kind there are. What waited does not wait any more after the
    /// settlement.
    pub counts: PeriodCounts,
    /// The sets that are sold.
    pub sets_sold: u64,
    /// The sets that a restore skipped and that got no owner since.
    pub sets_skipped: u64,
    /// The sets that can still be sold.
    pub sets_left: u64,
    /// Sold coins.
    pub sold: u64,
    /// Coins that were paid to vendors.
    pub redeemed: u64,
    /// Returned coins that were credited.
    pub credited: u64,
    /// Coins that wait for the decision of a person.
    pub disputed: u64,
    /// Coins that can still be redeemed or returned, or that lapsed.
    pub rest: u64,
    /// When the settlement was finished.
    pub settled_at: Option<UnixTime>,
    /// The settlement has begun.
    pub is_settling: bool,
}

/// What a user bought and returned in a period.
#[derive(Clone, Debug)]
pub struct UserReport {
    /// The sales, in order.
    pub sales: Vec<SaleRow>,
    /// The returns, in order.
    pub returns: Vec<UserReturn>,
    /// Returned coins that wait until redeem-until.
    pub waiting: u64,
    /// Returned coins that wait for the decision of a person.
    pub disputed: u64,
    /// Returned coins that were credited.
    pub credited: u64,
    /// When the user was revoked.
    pub revoked: Option<UnixTime>,
    /// The user's money.
    pub balance: Money,
}

/// What a vendor redeemed in a period.
#[derive(Clone, Debug)]
pub struct VendorReport {
    /// When the vendor was registered.
    pub registered: UnixTime,
    /// The batches, in order.
    pub batches: Vec<VendorBatch>,
    /// Coins that wait until redeem-until.
    pub waiting: u64,
    /// Coins that wait for the decision of a person.
    pub disputed: u64,
    /// Coins that were paid.
    pub redeemed: u64,
    /// The vendor's money.
    pub balance: Money,
}

/// What a person should look at; vendors could have made all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicions {
    /// Users with right tokens on one first bin at two or more vendors, or with unpaid payments
    /// with right tokens at two or more vendors.
    pub users: Vec<Suspect<UserId, VendorId>>,
    /// Vendors that sent different payments with the same first bin, and the number of such bins.
    pub vendors: Vec<(VendorId, u64)>,
}

/// The coins and returned balls of a user that raise an alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAlarm {
    /// The user.
    pub user: UserId,
    /// The coins and balls.
    pub coins: Alarm,
}

impl Service {
    /// The totals of a period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn report(&self, period: &OpenPeriod) -> Result<PeriodReport, ServiceError> {
        let row = self.store.period(period.name()).await?;
        let row = row.ok_or(ServiceError::GivenUp("the period is not in the database"))?;
        let mut counts = self.store.period_counts(period.name()).await?;
        let money = self.store.period_money(period.name()).await?;
        let value = i128::from(period.params().coin_value().units()).max(1);
        let coins = |units: i128| u64::try_from(units / value).unwrap_or(0);
        if row.settled_at.is_some() {
            counts.waiting = 0;
        }
        let sets_sold = row.sets_sold;
        Ok(PeriodReport {
            counts,
            sets_sold,
            sets_skipped: (row.next_superbin / 2).saturating_sub(sets_sold),
            sets_left: period.params().superbin_count().saturating_sub(row.next_superbin) / 2,
            sold: coins(money.sold),
            redeemed: coins(money.vendors),
            credited: coins(money.clients + money.promotion),
            disputed: coins(money.disputed),
            rest: coins(money.owed + money.lapsed),
            settled_at: row.settled_at,
            is_settling: row.is_settled(),
        })
    }

    /// The account of a user; `None` if the user bought nothing of this period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn user_report(
        &self,
        period: &OpenPeriod,
        user: &UserId,
    ) -> Result<Option<UserReport>, ServiceError> {
        let sales = self.store.sales_of_in(user, period.name()).await?;
        if sales.is_empty() && !self.store.has_account(user).await? {
            return Ok(None);
        }
        let returns = self.store.give_backs_of(period.name(), user).await?;
        let mut report = UserReport {
            sales,
            waiting: 0,
            disputed: 0,
            credited: 0,
            revoked: self.store.when_revoked(user).await?,
            balance: self.balance(period, AccountKind::Client, user.as_str()).await?,
            returns,
        };
        for back in &report.returns {
            for verdict in self.verdicts_today(period, &back.claims).await? {
                match verdict {
                    Verdict::Waiting => report.waiting += 1,
                    Verdict::Disputed => report.disputed += 1,
                    Verdict::Accepted => report.credited += 1,
                    _ => {}
                }
            }
        }
        Ok(Some(report))
    }

    /// The account of a vendor; `None` if it is not registered for this period.
    ///
    /// # Errors
    /// The database failed.
    pub async fn vendor_report(
        &self,
        period: &OpenPeriod,
        vendor: &VendorId,
    ) -> Result<Option<VendorReport>, ServiceError> {
        let name = period.name();
        let Some(registered) = self.store.registered_at(name, vendor).await? else {
            return Ok(None);
        };
        let batches = self.store.batches_of(name, vendor).await?;
        let verdicts = [Verdict::Waiting, Verdict::Disputed, Verdict::Accepted];
        let [waiting, disputed, won] = self.store.doubtful_counts(name, vendor, verdicts).await?;
        let at_once: u64 = batches.iter().map(|batch| batch.accepted).sum();
        let balance = self.balance(period, AccountKind::Vendor, vendor.as_str()).await?;
        let redeemed = at_once + won;
        Ok(Some(VendorReport { registered, batches, waiting, disputed, redeemed, balance }))
    }

    async fn balance(
        &self,
        period: &OpenPeriod,
        kind: AccountKind,
        owner: &str,
    ) -> Result<Money, StoreError> {
        let currency = period.params().coin_value().currency();
        let units = self.store.balance(&Account::new(kind, owner, currency)).await?;
        Ok(Money::new(u64::try_from(units).unwrap_or(0), currency))
    }

    /// The users who are proved to have cheated, ordered by name: two right Authenticators on one
    /// first bin at different vendors, or a right Authenticator over a ball that was not minted or
    /// over a set of someone else.
    ///
    /// # Errors
    /// The database failed.
    pub async fn offenders(
        &self,
        period: &OpenPeriod,
    ) -> Result<Vec<Offender<UserId, VendorId>>, ServiceError> {
        let (findings, vendors) = self.findings(period).await?;
        let index = period.index();
        let name = |buyer| index.name_of(buyer).cloned();
        let found = findings.offenders().into_iter();
        let named = found.filter_map(|it| it.named(name, |at| vendors[at].clone()));
        let mut named: Vec<_> = named.collect();
        named.sort_unstable_by(|a, b| a.user.cmp(&b.user));
        Ok(named)
    }

    /// What else a person should look at. It proves nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn suspicions(&self, period: &OpenPeriod) -> Result<Suspicions, ServiceError> {
        let (findings, vendors) = self.findings(period).await?;
        let index = period.index();
        let name = |buyer| index.name_of(buyer).cloned();
        let found = findings.suspects().into_iter();
        let named = found.filter_map(|it| it.named(name, |at| vendors[at].clone()));
        let mut users: Vec<_> = named.collect();
        users.sort_unstable_by(|a, b| a.user.cmp(&b.user));
        let repeats = findings.repeats().into_iter();
        Ok(Suspicions { users, vendors: repeats.map(|(at, n)| (vendors[at].clone(), n)).collect() })
    }

    /// What raised an alarm in a period, by vendor and by user, each in order of name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn alarms(
        &self,
        period: &OpenPeriod,
    ) -> Result<(Vec<VendorAlarm<VendorId>>, Vec<UserAlarm>), ServiceError> {
        period.catch_up(&self.store).await?;
        let sent = self.all_sent(period).await?;
        // A user may have failed in these hours.
        let is_failing =
            |sent: &SentRow| sent.waiting + sent.alarm.forged + sent.alarm.not_from_owner > 0;
        let failing = sent.iter().filter(|sent| is_failing(sent));
        let hours: BTreeSet<(&VendorId, i64)> =
            failing.map(|sent| (&sent.vendor, hour_of(sent.at))).collect();
        let mut alarms = Alarms::default();
        for sent in &sent {
            if sent.alarm.is_silent() && !hours.contains(&(&sent.vendor, hour_of(sent.at))) {
                continue;
            }
            for part in self.store.part_ids(sent.id).await? {
                let part = self.store.part(part).await?;
                alarms.add_sent(&sent.vendor, sent.at, &part.claims);
            }
        }
        for claims in self.store.alarming_returns(period.name()).await? {
            alarms.add_return(&claims);
        }
        let index = period.index();
        let named = |(buyer, coins): (Buyer, Alarm)| {
            Some(UserAlarm { user: index.name_of(buyer)?.clone(), coins })
        };
        let mut users: Vec<UserAlarm> = alarms.users().filter_map(named).collect();
        users.sort_unstable_by(|a, b| a.user.cmp(&b.user));
        Ok((alarms.vendors(), users))
    }

    /// All batches and watches of a period.
    async fn all_sent(&self, period: &OpenPeriod) -> Result<Vec<SentRow>, StoreError> {
        let (mut sent, mut after) = (Vec::new(), 0);
        loop {
            let next = self.store.sent_after(period.name(), after).await?;
            let Some(last) = next.last() else { return Ok(sent) };
            after = last.id;
            sent.extend(next);
        }
    }

    /// What the evidence shows. Vendors are places in the list, which is in order of name.
    async fn findings(
        &self,
        period: &OpenPeriod,
    ) -> Result<(Findings<Buyer, usize>, Vec<VendorId>), ServiceError> {
        period.catch_up(&self.store).await?;
        let sent = self.all_sent(period).await?;
        let vendors: BTreeSet<&VendorId> = sent.iter().map(|sent| &sent.vendor).collect();
        let vendors: Vec<VendorId> = vendors.into_iter().cloned().collect();
        let total: u64 = sent.iter().map(|sent| sent.coins).sum();
        let parts = u32::try_from(total.div_ceil(CLAIMS_TOGETHER)).unwrap_or(u32::MAX).max(1);
        let mut findings = Findings::default();
        for part in 0..parts {
            let mut evidence = Vec::new();
            for sent in &sent {
                let is_watch = sent.kind == BatchKind::Watch;
                let at = vendors.partition_point(|vendor| *vendor < sent.vendor);
                let claims = self.claims_today(period, sent).await?;
                let coins = claims.iter().filter_map(|it| Evidence::of(it, at, sent.at, is_watch));
                // Superbins are even, so consecutive sets go to different parts.
                evidence.extend(coins.filter(|coin| coin.bin.superbin / 2 % parts == part));
            }
            findings.add(evidence);
        }
        Ok((findings, vendors))
    }

    /// The claims of a batch or a watch with their verdicts today.
    async fn claims_today(
        &self,
        period: &OpenPeriod,
        sent: &SentRow,
    ) -> Result<Vec<Claim>, StoreError> {
        let row = self.store.period(period.name()).await?;
        let is_settled = row.is_some_and(|row| row.settled_at.is_some());
        let mut claims = Vec::new();
        for id in self.store.part_ids(sent.id).await? {
            let part = self.store.part(id).await?;
            let decided = match is_settled && sent.kind == BatchKind::Redemption {
                true => self.store.doubtful_verdicts(id).await?,
                false => Default::default(),
            };
            claims.extend((0..).zip(part.claims).map(|(position, claim)| {
                let code = decided.get(&position).filter(|_| claim.verdict == Verdict::Waiting);
                let verdict = code.and_then(|code| Verdict::from_code(*code));
                Claim { verdict: verdict.unwrap_or(claim.verdict), ..claim }
            }));
        }
        Ok(claims)
    }
}
