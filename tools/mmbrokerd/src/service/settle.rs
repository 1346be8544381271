//! The settlement of a period at redeem-until: the final decision about waiting claims.
//!
//! Input: the claims of rank 2 and the returned balls. Output: for each superbin, sold = paid +
//! credited + disputed + lapsed, with the money. The invariants: it is made superbin by superbin in
//! transactions of [`SUPERBINS_AT_A_TIME`], each with its money, and goes on where it stopped; from
//! its first transaction on, nothing is sold or judged, whatever the clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use micromint::bin::Bin;
use micromint::broker::{Award, Contenders, Sums, delivered_coins, is_held};
use micromint::protocol::Verdict;
use micromint::time::UnixTime;

use super::period::{Compromised, OpenPeriod};
use super::{Service, ServiceError, blocking};
use crate::shop::Act;
use crate::store::{
    Account, AccountKind, DoubtfulRow, Entry, Posted, StoreError, SuperbinRow, Transaction, retried,
};

/// How many superbins one transaction settles: the even ones below each other.
const SUPERBINS_AT_A_TIME: u64 = 8192;

/// What becomes of superbins, in coins.
#[derive(Debug, Default)]
struct Outcome {
    vendors: BTreeMap<String, u64>,
    users: BTreeMap<String, u64>,
    /// What came back of free trials.
    promotion: u64,
    disputed: u64,
    lapsed: u64,
}

impl Service {
    /// Settles all periods that are due. Returns their number.
    ///
    /// # Errors
    /// The database or a coin file failed. The next call goes on.
    pub async fn settle_due(&self) -> Result<u32, ServiceError> {
        let mut settled = 0;
        for period in self.periods() {
            if self.now() >= period.params().raw().redeem_until {
                settled += u32::from(self.settle(&period).await?);
            }
        }
        Ok(settled)
    }

    /// Settles a period whose redeem-until is over. Returns whether anything was left to do.
    ///
    /// # Errors
    /// As for [`Service::settle_due`].
    pub async fn settle(&self, period: &Arc<OpenPeriod>) -> Result<bool, ServiceError> {
        let row = self.store.period(period.name()).await?;
        if row.is_none_or(|row| row.settled_at.is_some()) {
            return Ok(false);
        }
        self.check_progress().await?;
        self.close(period).await?;
        self.guard.note_durably().await?;
        period.catch_up(&self.store).await?;
        // Nothing is judged any more.
        let held = self.held_vendors(period).await?;
        while self.settle_some(period, &held).await? {}
        self.note_progress().await?;
        Ok(true)
    }

    /// Ends selling and judging: waits for all transactions of the period, and marks it.
    async fn close(&self, period: &OpenPeriod) -> Result<(), ServiceError> {
        retried!(async {
            let mut tx = self.store.begin().await?;
            let row = tx.lock_whole_period(period.name()).await?;
            if !row.is_settled() {
                // At least 1 shows that the settlement has begun.
                tx.set_settled(period.name(), 1, None).await?;
            }
            tx.commit().await
        })?;
        Ok(())
    }

    /// Settles the next superbins. Returns whether more are left.
    async fn settle_some(
        &self,
        period: &Arc<OpenPeriod>,
        held: &BTreeSet<String>,
    ) -> Result<bool, ServiceError> {
        let row = self.store.period(period.name()).await?;
        let Some(row) = row.filter(|row| row.settled_at.is_none()) else { return Ok(false) };
        let from = row.settled_to & !1;
        let to = (from + SUPERBINS_AT_A_TIME).min(row.next_superbin);
        let sold = self.sold_coins(period, from, to).await?;
        // Nothing is sold any more.
        let free = self.store.free_superbins(period.name(), from, to).await?;
        let accounts = self.accounts_for(period, from, to, !free.is_empty()).await?;
        let facts = Facts { sold: &sold, free: &free, held };
        retried!(async {
            let mut tx = self.store.begin().await?;
            let now_row = tx.lock_whole_period(period.name()).await?;
            if now_row.settled_to != row.settled_to {
                return Ok(());
            }
            let outcome = decide(&mut tx, period, &facts, (from, to)).await?;
            move_money(&mut tx, period, &outcome, &accounts, from, self.now()).await?;
            let is_last = to >= row.next_superbin;
            let at = is_last.then(|| self.now());
            tx.set_settled(period.name(), to.max(1), at).await?;
            if let (Some(by), Some(at)) = (self.by, at) {
                tx.audit(by, Act::Settled, period.name().as_str(), at).await?;
            }
            tx.commit().await?;
            Ok::<(), StoreError>(())
        })?;
        Ok(true)
    }

    /// The number of first balls delivered from each even superbin.
    async fn sold_coins(
        &self,
        period: &Arc<OpenPeriod>,
        from: u64,
        to: u64,
    ) -> Result<BTreeMap<u32, u64>, ServiceError> {
        let compromised = Compromised::new(self.store.compromised(period.name()).await?);
        let open = Arc::clone(period);
        blocking(move || {
            // Sets that were skipped were not sold.
            let index = open.index();
            let firsts = (from..to).step_by(2).map(|first| first as u32);
            let firsts = firsts.filter(|first| !index.is_nobodys(*first));
            let count = |first| {
                let coins = delivered_coins(open.coin_file(), &compromised, first)?;
                Ok((first, u64::from(coins)))
            };
            firsts.map(count).collect()
        })
        .await?
    }

    /// The vendors whose claims of rank 2 a person must decide.
    pub(super) async fn held_vendors(
        &self,
        period: &OpenPeriod,
    ) -> Result<BTreeSet<String>, ServiceError> {
        let counts = self.store.vendor_counts(period.name()).await?;
        let held = counts.into_iter().filter(|(_, certain, doubtful)| is_held(*certain, *doubtful));
        Ok(held.map(|(vendor, ..)| vendor).collect())
    }

    /// The accounts that the settlement of these superbins may move money to.
    async fn accounts_for(
        &self,
        period: &OpenPeriod,
        from: u64,
        to: u64,
        has_free: bool,
    ) -> Result<BTreeMap<(AccountKind, String), i64>, ServiceError> {
        let currency = period.params().coin_value().currency();
        let name = period.name().to_string();
        let mut wanted: BTreeSet<(AccountKind, String)> =
            [AccountKind::Coins, AccountKind::Disputed, AccountKind::Lapsed]
                .map(|kind| (kind, name.clone()))
                .into();
        if has_free {
            wanted.insert((AccountKind::Promotion, name));
        }
        for vendor in self.store.vendors(period.name()).await? {
            wanted.insert((AccountKind::Vendor, vendor.to_string()));
        }
        {
            let index = period.index();
            let sets = index.sets_from((from / 2) as u32);
            for (_, user) in sets.take_while(|(first, _)| u64::from(*first) < to) {
                wanted.extend(user.map(|user| (AccountKind::Client, user.to_string())));
            }
        }
        let mut accounts = BTreeMap::new();
        for (kind, owner) in wanted {
            let id = self.store.account(&Account::new(kind, owner.clone(), currency)).await?;
            accounts.insert((kind, owner), id);
        }
        Ok(accounts)
    }
}

/// What is known of superbins before their claims are decided.
struct Facts<'a> {
    /// The number of first balls delivered from each.
    sold: &'a BTreeMap<u32, u64>,
    /// Those of free trials.
    free: &'a BTreeSet<u32>,
    /// The vendors whose claims of rank 2 a person must decide.
    held: &'a BTreeSet<String>,
}

/// Decides about all claims on superbins from `from` to below `to`, and marks the outcome.
async fn decide(
    tx: &mut Transaction,
    period: &OpenPeriod,
    Facts { sold, free, held }: &Facts<'_>,
    (from, to): (u64, u64),
) -> Result<Outcome, StoreError> {
    let superbins: Vec<u32> = sold.keys().copied().collect();
    let mut rows = tx.lock_superbins(period.name(), &superbins).await?;
    let mut claims: BTreeMap<u32, Vec<DoubtfulRow>> = BTreeMap::new();
    for claim in tx.doubtful(period.name(), from, to).await? {
        claims.entry(claim.bin.superbin).or_default().push(claim);
    }
    let mut outcome = Outcome::default();
    let mut verdicts = Vec::new();
    for (superbin, sold) in *sold {
        let row = rows.entry(*superbin).or_default();
        let doubtful = claims.remove(superbin).unwrap_or_default();
        let sums = settle_superbin(row, *superbin, &doubtful, held, &mut verdicts, *sold);
        let owner = owner_of(period, *superbin);
        for (vendor, coins) in sums.vendors {
            *outcome.vendors.entry(vendor).or_default() += coins;
        }
        // What came back of a free trial is no money of the reader.
        if free.contains(superbin) {
            outcome.promotion += sums.credited;
        } else {
            *outcome.users.entry(owner).or_default() += sums.credited;
        }
        outcome.disputed += sums.disputed;
        outcome.lapsed += sums.lapsed;
    }
    for (claim, verdict) in &verdicts {
        tx.set_doubtful(period.name(), claim, verdict.code()).await?;
    }
    let has_claims = |row: &SuperbinRow| *row != SuperbinRow::default();
    let written = rows.iter().filter(|(_, row)| has_claims(row));
    tx.write_superbins(period.name(), written.map(|(at, row)| (*at, row))).await?;
    Ok(outcome)
}

pub(super) fn owner_of(period: &OpenPeriod, superbin: u32) -> String {
    use micromint::broker::Sold;
    period.index().owner(superbin).map(ToString::to_string).unwrap_or_default()
}

/// What became of one superbin.
struct Settled {
    vendors: BTreeMap<String, u64>,
    credited: u64,
    disputed: u64,
    lapsed: u64,
}

/// Decides about the claims on one superbin by the rules of the core.
fn settle_superbin(
    row: &mut SuperbinRow,
    superbin: u32,
    doubtful: &[DoubtfulRow],
    held: &BTreeSet<String>,
    verdicts: &mut Vec<(DoubtfulRow, Verdict)>,
    sold: u64,
) -> Settled {
    let at_once = row.paid.count();
    let mut bins: BTreeSet<u32> = row.returned.subbins().collect();
    bins.extend(doubtful.iter().map(|claim| claim.bin.subbin));
    let (mut awards, mut vendors) = (Vec::new(), BTreeMap::new());
    for subbin in bins {
        let bin = Bin { superbin, subbin };
        let of_bin: Vec<&DoubtfulRow> = doubtful.iter().filter(|claim| claim.bin == bin).collect();
        if row.paid.has(subbin) {
            let lost = |claim: &&DoubtfulRow| (DoubtfulRow::clone(claim), Verdict::AlreadyPaid);
            verdicts.extend(of_bin.iter().map(lost));
            continue;
        }
        let given = award_bin(&of_bin, row.returned.has(subbin), held, verdicts);
        match given {
            Award::Vendor(number) => {
                row.paid.set(subbin);
                // The number is that of one of these claims.
                let vendor = &of_bin[number as usize].vendor;
                *vendors.entry(vendor.to_string()).or_default() += 1;
            }
            Award::User(_) => drop(row.credited.set(subbin)),
            Award::Disputed => drop(row.disputed.set(subbin)),
            Award::Nobody => {}
        }
        awards.push(given);
    }
    let sums = Sums::of(sold, at_once, awards);
    let Sums { credited, disputed, lapsed, .. } = sums;
    Settled { vendors, credited, disputed, lapsed }
}

/// Who gets the value of one first bin that is not paid. The number in the award is the position
/// among the claims, and the return comes after them.
fn award_bin(
    claims: &[&DoubtfulRow],
    is_returned: bool,
    held: &BTreeSet<String>,
    verdicts: &mut Vec<(DoubtfulRow, Verdict)>,
) -> Award {
    let all = Contenders::in_order(claims.iter().map(|claim| &claim.vendor), is_returned);
    let award = all.award(|vendor| held.contains(vendor.as_str()));
    for (number, claim) in (0..).zip(claims) {
        let verdict = all.verdict(award, number);
        verdicts.push((DoubtfulRow::clone(claim), verdict.unwrap_or(Verdict::AlreadyPaid)));
    }
    award
}

/// Moves the money of settled superbins.
async fn move_money(
    tx: &mut Transaction,
    period: &OpenPeriod,
    outcome: &Outcome,
    accounts: &BTreeMap<(AccountKind, String), i64>,
    from: u64,
    now: UnixTime,
) -> Result<(), StoreError> {
    let too_large = StoreError::TooLarge;
    let value =
        i64::try_from(period.params().coin_value().units()).map_err(|_| too_large("coin value"))?;
    let amount = |coins: u64| {
        let coins = i64::try_from(coins).ok();
        coins.and_then(|coins| coins.checked_mul(value)).ok_or(too_large("settlement"))
    };
    let name = period.name().to_string();
    let account = |kind, owner: &str| {
        accounts.get(&(kind, owner.to_string())).copied().ok_or_else(|| StoreError::Value {
            what: "settlement",
            expected: "an account",
            found: owner.to_string(),
        })
    };
    let mut entries: Vec<Entry> = vec![
        (account(AccountKind::Disputed, &name)?, amount(outcome.disputed)?),
        (account(AccountKind::Lapsed, &name)?, amount(outcome.lapsed)?),
    ];
    for (vendor, coins) in &outcome.vendors {
        entries.push((account(AccountKind::Vendor, vendor)?, amount(*coins)?));
    }
    for (user, coins) in outcome.users.iter().filter(|(_, coins)| **coins > 0) {
        entries.push((account(AccountKind::Client, user)?, amount(*coins)?));
    }
    if outcome.promotion > 0 {
        entries.push((account(AccountKind::Promotion, &name)?, amount(outcome.promotion)?));
    }
    let total: i64 = entries.iter().map(|(_, amount)| amount).sum();
    entries.push((account(AccountKind::Coins, &name)?, -total));
    let reference = format!("settlement {name} {from}");
    match tx.post("settlement", &reference, &entries, now).await? {
        Posted::Made(_) => Ok(()),
        Posted::TooLittle(_) => Err(StoreError::Value {
            what: "the money of sold coins",
            expected: "at least what is settled",
            found: format!("too little for {total} units"),
        }),
    }
}
