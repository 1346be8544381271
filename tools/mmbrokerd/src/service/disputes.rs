//! Disputed coins: the list for people, and what a person decides.
//!
//! Input: a vendor, or a vendor and a user, and a ruling. Output: how many coins are paid, credited
//! or lapse by it. The invariants: only coins that the settlement left disputed are decided; each
//! superbin is decided in one transaction with its money.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use micromint::bin::Bin;
use micromint::broker::{
    Award, Contenders, Dispute, Ruling, RulingOutcome, Sold, verdict_of_ruling,
};
use micromint::identity::{UserId, VendorId};
use micromint::protocol::Verdict;

use super::period::OpenPeriod;
use super::{Service, ServiceError};
use crate::shop::Act;
use crate::store::{
    Account, AccountKind, DoubtfulRow, Entry, Posted, StoreError, SuperbinRow, Transaction, retried,
};

/// The disputed claims on one first bin, in the order of time.
type Claims = BTreeMap<Bin, Vec<DoubtfulRow>>;

fn by_bin(rows: Vec<DoubtfulRow>) -> Claims {
    let mut claims = Claims::new();
    for row in rows {
        claims.entry(row.bin).or_default().push(row);
    }
    claims
}

impl Service {
    /// The disputed coins of a period, ordered by vendor and user. There are none before the
    /// settlement.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disputes(&self, period: &Arc<OpenPeriod>) -> Result<Vec<Dispute>, ServiceError> {
        period.catch_up(&self.store).await?;
        let claims = by_bin(self.store.disputed(period.name()).await?);
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let superbins: BTreeSet<u32> = claims.keys().map(|bin| bin.superbin).collect();
        let superbins: Vec<u32> = superbins.into_iter().collect();
        let rows = self.store.superbins_of(period.name(), &superbins).await?;
        let held = self.held_vendors(period).await?;
        let index = period.index();
        let mut counts: BTreeMap<(VendorId, UserId), (u64, u64)> = BTreeMap::new();
        for (bin, claims) in &claims {
            let Some(user) = index.owner(bin.superbin) else { continue };
            let is_returned =
                rows.get(&bin.superbin).is_some_and(|row| row.returned.has(bin.subbin));
            let vendors: BTreeSet<&VendorId> = claims.iter().map(|claim| &claim.vendor).collect();
            for vendor in vendors {
                let (coins, returned) = counts.entry((vendor.clone(), user.clone())).or_default();
                *coins += 1;
                *returned += u64::from(is_returned);
            }
        }
        Ok(Dispute::list(counts, |vendor| held.contains(vendor.as_str())))
    }

    /// Carries out what a person, `by`, decided about the disputed claims of a vendor, on coins of
    /// one user or of all users. `None` if there is nothing to decide. If it fails in between, the
    /// same call goes on.
    ///
    /// # Errors
    /// The database failed.
    pub async fn rule(
        &self,
        period: &Arc<OpenPeriod>,
        vendor: &VendorId,
        user: Option<&UserId>,
        (by, ruling): (&str, Ruling),
    ) -> Result<Option<RulingOutcome>, ServiceError> {
        self.check_progress().await?;
        period.catch_up(&self.store).await?;
        let claims = self.store.disputed(period.name()).await?;
        let mut superbins: BTreeMap<u32, UserId> = BTreeMap::new();
        {
            let index = period.index();
            for claim in claims.iter().filter(|claim| claim.vendor == *vendor) {
                let owner = index.owner(claim.bin.superbin);
                if let Some(owner) = owner.filter(|owner| user.is_none_or(|user| user == *owner)) {
                    superbins.insert(claim.bin.superbin, owner.clone());
                }
            }
        }
        if superbins.is_empty() {
            return Ok(None);
        }
        let held = self.held_vendors(period).await?;
        let mut vendors: BTreeMap<u32, BTreeSet<&VendorId>> = BTreeMap::new();
        for claim in &claims {
            vendors.entry(claim.bin.superbin).or_default().insert(&claim.vendor);
        }
        let mut outcome = RulingOutcome::default();
        // The decision is in the log with its first effect; those after it can be made again.
        let of = user.map_or("*", UserId::as_str);
        let act = if ruling == Ruling::Pay { Act::RulingPay } else { Act::RulingRefuse };
        let mut noted = Some(format!("{} {vendor} {of}", period.name()));
        for (superbin, owner) in superbins {
            // What came back of a free trial is no money of the reader.
            let (at, past) = (u64::from(superbin), u64::from(superbin) + 1);
            let free = self.store.free_superbins(period.name(), at, past).await?;
            let credited = match free.contains(&superbin) {
                true => (AccountKind::Promotion, period.name().to_string()),
                false => (AccountKind::Client, owner.to_string()),
            };
            let vendors = vendors.remove(&superbin).unwrap_or_default();
            let accounts = self.accounts_of_ruling(period, &credited, &vendors).await?;
            let (held, accounts, credited) = (&held, &accounts, &credited);
            let decision = Decision { period, vendor, ruling, held, accounts, credited };
            let now = self.now();
            let ruled = retried!(async {
                let mut tx = self.store.begin().await?;
                let ruled = decision.superbin(&mut tx, superbin, now).await?;
                // Another person may have decided meanwhile.
                if let Some(detail) = noted.as_ref().filter(|_| ruled != RulingOutcome::default()) {
                    tx.audit(by, act, detail, now).await?;
                }
                tx.commit().await?;
                Ok::<RulingOutcome, StoreError>(ruled)
            })?;
            if ruled != RulingOutcome::default() {
                noted = None;
            }
            outcome.paid += ruled.paid;
            outcome.credited += ruled.credited;
            outcome.lapsed += ruled.lapsed;
            outcome.disputed += ruled.disputed;
        }
        self.note_progress().await?;
        Ok(Some(outcome))
    }

    async fn accounts_of_ruling(
        &self,
        period: &OpenPeriod,
        credited: &(AccountKind, String),
        vendors: &BTreeSet<&VendorId>,
    ) -> Result<BTreeMap<(AccountKind, String), i64>, StoreError> {
        let currency = period.params().coin_value().currency();
        let name = period.name().to_string();
        let mut wanted: BTreeSet<(AccountKind, String)> = BTreeSet::from([
            (AccountKind::Disputed, name.clone()),
            (AccountKind::Lapsed, name),
            credited.clone(),
        ]);
        wanted.extend(vendors.iter().map(|vendor| (AccountKind::Vendor, vendor.to_string())));
        let mut accounts = BTreeMap::new();
        for (kind, owner) in wanted {
            let id = self.store.account(&Account::new(kind, owner.clone(), currency)).await?;
            accounts.insert((kind, owner), id);
        }
        Ok(accounts)
    }
}

/// A ruling that is being carried out.
struct Decision<'a> {
    period: &'a OpenPeriod,
    vendor: &'a VendorId,
    ruling: Ruling,
    held: &'a BTreeSet<String>,
    accounts: &'a BTreeMap<(AccountKind, String), i64>,
    /// The account that gets what was returned.
    credited: &'a (AccountKind, String),
}

impl Decision<'_> {
    /// Decides about the disputed claims on one superbin.
    async fn superbin(
        &self,
        tx: &mut Transaction,
        superbin: u32,
        now: micromint::time::UnixTime,
    ) -> Result<RulingOutcome, StoreError> {
        let period = self.period.name();
        let mut rows = tx.lock_superbins(period, &[superbin]).await?;
        let row = rows.entry(superbin).or_default();
        let all = tx.doubtful(period, superbin.into(), u64::from(superbin) + 1).await?;
        let open = Verdict::Disputed.code();
        let claims = by_bin(all.into_iter().filter(|claim| claim.verdict == open).collect());
        let (mut outcome, mut paid) = (RulingOutcome::default(), BTreeMap::new());
        for (bin, claims) in &claims {
            if claims.iter().all(|claim| claim.vendor != *self.vendor) {
                continue;
            }
            let award = self.award(row, bin.subbin, claims);
            match award {
                Award::Vendor(number) => {
                    row.paid.set(bin.subbin);
                    let winner = claims.get(number as usize).map(|claim| claim.vendor.to_string());
                    *paid.entry(winner.unwrap_or_default()).or_insert(0u64) += 1;
                }
                Award::User(_) => {
                    row.credited.set(bin.subbin);
                }
                Award::Disputed | Award::Nobody => {}
            }
            outcome.count(award);
            if award != Award::Disputed {
                row.disputed.clear(bin.subbin);
            }
            for (number, claim) in (0..).zip(claims) {
                let is_refused = self.ruling == Ruling::Refuse && claim.vendor == *self.vendor;
                let verdict = verdict_of_ruling(award, number, is_refused);
                tx.set_doubtful(period, claim, verdict.code()).await?;
            }
        }
        tx.write_superbins(period, rows.iter().map(|(at, row)| (*at, row))).await?;
        self.move_money(tx, superbin, &outcome, &paid, now).await?;
        Ok(outcome)
    }

    /// Who gets the value of one first bin. The number in the award is the position among the
    /// claims, and a return comes after them.
    fn award(&self, row: &SuperbinRow, subbin: u32, claims: &[DoubtfulRow]) -> Award {
        let is_returned = row.returned.has(subbin);
        let all = Contenders::in_order(claims.iter().map(|claim| &claim.vendor), is_returned);
        let is_held = |vendor: &VendorId| self.held.contains(vendor.as_str());
        all.award_after(self.vendor, self.ruling, is_held)
    }

    async fn move_money(
        &self,
        tx: &mut Transaction,
        superbin: u32,
        outcome: &RulingOutcome,
        paid: &BTreeMap<String, u64>,
        now: micromint::time::UnixTime,
    ) -> Result<(), StoreError> {
        let name = self.period.name().to_string();
        let value = i64::try_from(self.period.params().coin_value().units());
        let value = value.map_err(|_| StoreError::TooLarge("coin value"))?;
        let account = |kind, owner: &str| {
            let found = self.accounts.get(&(kind, owner.to_string())).copied();
            found.ok_or(StoreError::GivenUp("another claim came meanwhile"))
        };
        let mut entries: Vec<Entry> = vec![
            (account(AccountKind::Lapsed, &name)?, outcome.lapsed as i64 * value),
            (account(self.credited.0, &self.credited.1)?, outcome.credited as i64 * value),
        ];
        for (vendor, coins) in paid {
            entries.push((account(AccountKind::Vendor, vendor)?, *coins as i64 * value));
        }
        entries.retain(|(_, amount)| *amount != 0);
        let total: i64 = entries.iter().map(|(_, amount)| amount).sum();
        if total == 0 {
            return Ok(());
        }
        entries.push((account(AccountKind::Disputed, &name)?, -total));
        let reference = format!("ruling {name} {superbin} {}", self.vendor);
        match tx.post("ruling", &reference, &entries, now).await? {
            Posted::Made(_) => Ok(()),
            Posted::TooLittle(_) => Err(StoreError::Value {
                what: "the money of disputed coins",
                expected: "at least what is decided",
                found: format!("too little for {total} units"),
            }),
        }
    }
}
