//! Rulings: what a person decides about the disputed coins of a vendor, after the settlement.
//!
//! Input: a vendor, and whether it is paid. Output: how many coins were decided. The invariants: who
//! gets a coin is decided by the rules of the core; the bits, the verdicts and the money change in
//! one transaction, so sold = paid + credited + disputed + lapsed holds after it too.

use std::collections::{BTreeMap, BTreeSet};

use micromint::bin::Bin;
use micromint::broker::{
    Award, Contender, Ruling, award_after, contenders, is_held, verdict_after,
};
use micromint::identity::VendorId;
use micromint::protocol::Verdict;
use micromint::time::UnixTime;

use super::period::OpenPeriod;
use super::{Service, ServiceError};
use crate::store::{
    Account, AccountKind, DoubtfulRow, Entry, Posted, StoreError, SuperbinRow, Transaction, retried,
};

/// The disputed claims of a vendor in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// The vendor.
    pub vendor: VendorId,
    /// Its disputed coins.
    pub coins: u64,
    /// With how many users.
    pub users: u64,
}

/// Whose accounts a ruling may move money to.
type Accounts = BTreeMap<(AccountKind, String), i64>;

impl Service {
    /// The disputes of a settled period, by vendor.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disputes(&self, period: &OpenPeriod) -> Result<Vec<Dispute>, ServiceError> {
        period.catch_up(&self.store).await?;
        let mut found: BTreeMap<VendorId, (u64, BTreeSet<String>)> = BTreeMap::new();
        for claim in self.disputed(period).await? {
            let (coins, users) = found.entry(claim.vendor).or_default();
            *coins += 1;
            users.insert(super::settle::owner_of(period, claim.bin.superbin));
        }
        let dispute = |(vendor, (coins, users)): (_, (u64, BTreeSet<String>))| Dispute {
            vendor,
            coins,
            users: users.len() as u64,
        };
        Ok(found.into_iter().map(dispute).collect())
    }

    async fn disputed(&self, period: &OpenPeriod) -> Result<Vec<DoubtfulRow>, StoreError> {
        let mut tx = self.store.begin().await?;
        let all = tx.doubtful(period.name(), 0, period.params().superbin_count()).await?;
        let is_disputed = |claim: &DoubtfulRow| claim.verdict == Verdict::Disputed.code();
        Ok(all.into_iter().filter(is_disputed).collect())
    }

    /// Decides the disputed coins of a vendor in a settled period, for `by`. Returns how many were
    /// decided or lost a claim.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rule(
        &self,
        period: &OpenPeriod,
        vendor: &VendorId,
        ruling: Ruling,
        (reference, now): (&str, UnixTime),
    ) -> Result<u64, ServiceError> {
        period.catch_up(&self.store).await?;
        let counts = self.store.vendor_counts(period.name()).await?;
        let held: BTreeSet<String> = counts
            .into_iter()
            .filter(|(_, certain, doubtful)| is_held(*certain, *doubtful))
            .map(|(vendor, ..)| vendor)
            .collect();
        let accounts = self.ruling_accounts(period).await?;
        let asked = Asked { period, vendor, ruling, held: &held, reference, now };
        Ok(retried!(self.rule_once(&asked, &accounts))?)
    }

    async fn ruling_accounts(&self, period: &OpenPeriod) -> Result<Accounts, StoreError> {
        let (name, currency) = (period.name().to_string(), period.params().coin_value().currency());
        let mut wanted: BTreeSet<(AccountKind, String)> =
            [(AccountKind::Disputed, name.clone()), (AccountKind::Lapsed, name)].into();
        for claim in self.disputed(period).await? {
            wanted.insert((AccountKind::Vendor, claim.vendor.to_string()));
            let owner = super::settle::owner_of(period, claim.bin.superbin);
            wanted.insert((AccountKind::Client, owner));
        }
        let mut accounts = Accounts::new();
        for (kind, owner) in wanted {
            let id = self.store.account(&Account::new(kind, owner.clone(), currency)).await?;
            accounts.insert((kind, owner), id);
        }
        Ok(accounts)
    }

    async fn rule_once(&self, asked: &Asked<'_>, accounts: &Accounts) -> Result<u64, StoreError> {
        let name = asked.period.name();
        let mut tx = self.store.begin().await?;
        if tx.lock_whole_period(name).await?.settled_at.is_none() {
            return Ok(0);
        }
        let mut bins: BTreeMap<Bin, Vec<DoubtfulRow>> = BTreeMap::new();
        for claim in tx.doubtful(name, 0, asked.period.params().superbin_count()).await? {
            if claim.verdict == Verdict::Disputed.code() {
                bins.entry(claim.bin).or_default().push(claim);
            }
        }
        bins.retain(|_, claims| claims.iter().any(|claim| claim.vendor == *asked.vendor));
        let superbins: BTreeSet<u32> = bins.keys().map(|bin| bin.superbin).collect();
        let superbins: Vec<u32> = superbins.into_iter().collect();
        let mut rows = tx.lock_superbins(name, &superbins).await?;
        let mut moved: BTreeMap<(AccountKind, String), u64> = BTreeMap::new();
        for (bin, claims) in &bins {
            let row = rows.entry(bin.superbin).or_default();
            let given = rule_bin(&mut tx, asked, row, *bin, claims).await?;
            if let Some(receiver) = given {
                *moved.entry(receiver).or_default() += 1;
            }
        }
        tx.write_superbins(name, rows.iter().map(|(at, row)| (*at, row))).await?;
        move_money(&mut tx, asked, accounts, &moved).await?;
        tx.commit().await?;
        Ok(bins.len() as u64)
    }
}

/// A ruling that is being made.
struct Asked<'a> {
    period: &'a OpenPeriod,
    vendor: &'a VendorId,
    ruling: Ruling,
    held: &'a BTreeSet<String>,
    reference: &'a str,
    now: UnixTime,
}

/// Decides about one bin. Returns who gets its value; `None` if it stays disputed.
async fn rule_bin(
    tx: &mut Transaction,
    asked: &Asked<'_>,
    row: &mut SuperbinRow,
    bin: Bin,
    claims: &[DoubtfulRow],
) -> Result<Option<(AccountKind, String)>, StoreError> {
    let payment = |(number, claim): (u64, &DoubtfulRow)| Contender {
        number,
        vendor: Some(claim.vendor.to_string()),
    };
    let mut all: Vec<Contender<String>> = (0..).zip(claims).map(payment).collect();
    if row.returned.has(bin.subbin) {
        all.push(Contender { number: claims.len() as u64, vendor: None });
    }
    let all = contenders(
        all.iter().map(|one| Contender { number: one.number, vendor: one.vendor.as_deref() }),
    );
    let award = award_after(&all, asked.vendor.as_str(), asked.ruling, |vendor| {
        asked.held.contains(vendor)
    });
    for (number, claim) in (0..).zip(claims) {
        let is_refused = asked.ruling == Ruling::Refuse && claim.vendor == *asked.vendor;
        let verdict = verdict_after(award, number).filter(|_| !is_refused);
        let verdict = verdict.unwrap_or(Verdict::AlreadyPaid);
        tx.set_doubtful(asked.period.name(), claim, verdict.code()).await?;
    }
    let period = asked.period.name().to_string();
    let receiver = match award {
        Award::Disputed => return Ok(None),
        Award::Vendor(number) => {
            row.paid.set(bin.subbin);
            let claim = claims.get(number as usize);
            let vendor = claim.map(|claim| claim.vendor.to_string()).unwrap_or_default();
            (AccountKind::Vendor, vendor)
        }
        Award::User(_) => {
            row.credited.set(bin.subbin);
            (AccountKind::Client, super::settle::owner_of(asked.period, bin.superbin))
        }
        Award::Nobody => (AccountKind::Lapsed, period),
    };
    row.disputed.clear(bin.subbin);
    Ok(Some(receiver))
}

async fn move_money(
    tx: &mut Transaction,
    asked: &Asked<'_>,
    accounts: &Accounts,
    moved: &BTreeMap<(AccountKind, String), u64>,
) -> Result<(), StoreError> {
    let value = i64::try_from(asked.period.params().coin_value().units()).ok();
    let account = |key: &(AccountKind, String)| {
        accounts.get(key).copied().ok_or_else(|| StoreError::Value {
            what: "ruling",
            expected: "an account",
            found: key.1.clone(),
        })
    };
    let (mut entries, mut total): (Vec<Entry>, i64) = (Vec::new(), 0);
    for (receiver, coins) in moved {
        let amount = i64::try_from(*coins).ok().zip(value).and_then(|(n, v)| n.checked_mul(v));
        let amount = amount.ok_or(StoreError::TooLarge("ruling"))?;
        entries.push((account(receiver)?, amount));
        total += amount;
    }
    entries.push((account(&(AccountKind::Disputed, asked.period.name().to_string()))?, -total));
    match tx.post("ruling", asked.reference, &entries, asked.now).await? {
        Posted::Made(_) => Ok(()),
        Posted::TooLittle(_) => Err(StoreError::TooLarge("ruling")),
    }
}
