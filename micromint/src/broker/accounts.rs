//! Reports on the broker's records: what users bought and got credited, what vendors were paid, and
//! who spent coins twice.
//!
//! Input: the records and claims. Output: sums for people. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::{Claim, ClaimKind};
use super::record::{JudgedBatch, Return, Sale};
use super::{Broker, BrokerError};
use crate::bin::Bin;
use crate::identity::{UserId, VendorId};
use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

/// What a user bought and returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserAccount {
    /// The sales, in order.
    pub sales: Vec<Sale>,
    /// The number of sold coins: the balls in the first superbins.
    pub coins_sold: u64,
    /// The returns, in order.
    pub returns: Vec<Return>,
    /// The number of returned coins that wait until redeem-until.
    pub coins_waiting: u64,
    /// The number of returned coins that were credited.
    pub coins_credited: u64,
    /// When the user was revoked; `None` if the user was not.
    pub revoked: Option<UnixTime>,
}

/// The payments to a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VendorAccount {
    /// When the vendor was registered.
    pub registered: UnixTime,
    /// The batches, in order.
    pub batches: Vec<JudgedBatch>,
    /// The number of coins that wait until redeem-until.
    pub coins_waiting: u64,
    /// The number of coins that were paid.
    pub coins_paid: u64,
}

/// The totals of the period.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerStatus {
    /// The number of sales.
    pub sales: u64,
    /// The number of sold sets.
    pub sets_sold: u64,
    /// The number of sets that can still be sold.
    pub sets_left: u64,
    /// The number of registered vendors.
    pub vendors: u64,
    /// The number of judged batches.
    pub batches: u64,
    /// The number of judged returns.
    pub returns: u64,
    /// The number of coins paid to vendors.
    pub coins_paid: u64,
    /// The number of coins credited to clients.
    pub coins_credited: u64,
    /// The number of claims that wait until redeem-until.
    pub claims_waiting: u64,
    /// The number of forged coins and balls.
    pub forged: u64,
    /// The number of revoked users.
    pub revoked: u64,
    /// Whether the period is settled.
    pub is_settled: bool,
}

/// A user who spent first balls more than once, as payments with valid authenticators prove.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offender {
    /// The user.
    pub user: UserId,
    /// The number of first balls that were spent more than once.
    pub balls: u64,
    /// The batches in which they were spent, as vendor and Batch-ID.
    pub batches: BTreeSet<(VendorId, Id)>,
}

impl Broker {
    /// The account of a user; `None` if the user never bought anything.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn user_account(
        &mut self,
        user: &UserId,
        now: UnixTime,
    ) -> Result<Option<UserAccount>, BrokerError> {
        self.locked(now, |broker| {
            let sales: Vec<Sale> =
                broker.state.sales.values().filter(|sale| sale.user == *user).cloned().collect();
            if sales.is_empty() {
                return Ok(None);
            }
            let mut coins_sold = 0;
            for superbin in sales.iter().flat_map(Sale::first_superbins) {
                coins_sold += u64::from(broker.coin_file.superbin_header(superbin)?.ball_count);
            }
            let returns: Vec<Return> =
                broker.state.returns.iter().filter(|back| back.user == *user).cloned().collect();
            let mut account = UserAccount {
                sales,
                coins_sold,
                coins_waiting: 0,
                coins_credited: 0,
                revoked: broker.state.revoked.get(user).copied(),
                returns,
            };
            for back in &account.returns {
                let claims = broker.claims_today(&back.claims)?;
                account.coins_waiting += count(&claims, Verdict::Waiting);
                account.coins_credited += count(&claims, Verdict::Accepted);
            }
            Ok(Some(account))
        })
    }

    /// The account of a vendor; `None` if it is not registered.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn vendor_account(
        &mut self,
        vendor: &VendorId,
        now: UnixTime,
    ) -> Result<Option<VendorAccount>, BrokerError> {
        self.locked(now, |broker| {
            let Some(&registered) = broker.state.vendors.get(vendor) else { return Ok(None) };
            let batches: Vec<JudgedBatch> = broker
                .state
                .batches
                .iter()
                .filter(|batch| batch.vendor == *vendor)
                .cloned()
                .collect();
            let mut account =
                VendorAccount { registered, coins_waiting: 0, coins_paid: 0, batches };
            for batch in &account.batches {
                let claims = broker.claims_today(&batch.claims)?;
                account.coins_waiting += count(&claims, Verdict::Waiting);
                account.coins_paid += count(&claims, Verdict::Accepted);
            }
            Ok(Some(account))
        })
    }

    /// The registered vendors.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn vendors(&mut self, now: UnixTime) -> Result<Vec<VendorId>, BrokerError> {
        self.locked(now, |broker| Ok(broker.state.vendors.keys().cloned().collect()))
    }

    /// The totals of the period.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn status(&mut self, now: UnixTime) -> Result<BrokerStatus, BrokerError> {
        self.locked(now, |broker| {
            let state = &broker.state;
            let winners = match &state.settlement {
                Some(section) => broker.claims.read(section)?,
                None => Vec::new(),
            };
            let is_return = |claim: &&Claim| matches!(claim.on, Some((_, ClaimKind::Return)));
            let coins_credited = winners.iter().filter(is_return).count() as u64;
            let paid_directly: u64 =
                state.batches.iter().map(|batch| u64::from(batch.accepted)).sum();
            let of_batches = state.batches.iter().map(|batch| (batch.waiting, batch.forged));
            let of_returns = state.returns.iter().map(|back| (back.waiting, back.forged));
            let (waiting, forged) =
                of_batches.chain(of_returns).fold((0, 0), |(w, f), (waiting, forged)| {
                    (w + u64::from(waiting), f + u64::from(forged))
                });
            Ok(BrokerStatus {
                sales: state.sales.len() as u64,
                sets_sold: state.next_superbin() / 2,
                sets_left: broker.sets_left(),
                vendors: state.vendors.len() as u64,
                batches: state.batches.len() as u64,
                returns: state.returns.len() as u64,
                coins_paid: paid_directly + winners.len() as u64 - coins_credited,
                coins_credited,
                claims_waiting: if state.settlement.is_some() { 0 } else { waiting },
                forged,
                revoked: state.revoked.len() as u64,
                is_settled: state.settlement.is_some(),
            })
        })
    }

    /// The users who spent a first ball in more than one payment, ordered by name. A payment that a
    /// vendor sent twice is one payment.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn offenders(&mut self, now: UnixTime) -> Result<Vec<Offender>, BrokerError> {
        self.locked(now, |broker| {
            let spent = broker.payments_by_ball()?;
            let mut offenders: BTreeMap<UserId, Offender> = BTreeMap::new();
            for (bin, payments) in spent {
                let Some(user) = broker.state.owner(bin.superbin) else { continue };
                let offender = offenders.entry(user.clone()).or_insert_with(|| Offender {
                    user: user.clone(),
                    balls: 0,
                    batches: BTreeSet::new(),
                });
                offender.balls += 1;
                let batches = payments.iter().map(|(number, _)| &broker.state.batches[*number]);
                offender
                    .batches
                    .extend(batches.map(|batch| (batch.vendor.clone(), batch.batch.clone())));
            }
            Ok(offenders.into_values().collect())
        })
    }

    /// The first balls that two different payments with valid authenticators claim, and the numbers
    /// of the batches that contained them.
    fn payments_by_ball(&self) -> Result<BTreeMap<Bin, BTreeSet<(usize, u64)>>, BrokerError> {
        // First find the balls that occur twice: usually none, so that little memory is needed.
        let mut refused = BTreeSet::new();
        self.visit_payments(|_, bin, claim| {
            if claim.verdict == Verdict::AlreadyPaid {
                refused.insert(bin);
            }
        })?;
        let mut payments: BTreeMap<Bin, BTreeSet<(usize, u64)>> = BTreeMap::new();
        self.visit_payments(|batch, bin, claim| {
            if refused.contains(&bin) {
                payments.entry(bin).or_default().insert((batch, claim.tag));
            }
        })?;
        payments.retain(|_, payments| {
            let vendors_and_tags: BTreeSet<(&VendorId, u64)> = payments
                .iter()
                .map(|(batch, tag)| (&self.state.batches[*batch].vendor, *tag))
                .collect();
            vendors_and_tags.len() > 1
        });
        Ok(payments)
    }

    /// Calls `visit` for every claim of a payment with a valid authenticator.
    fn visit_payments(&self, mut visit: impl FnMut(usize, Bin, &Claim)) -> Result<(), BrokerError> {
        for (number, batch) in self.state.batches.iter().enumerate() {
            for claim in self.claims.read(&batch.claims)? {
                if let Some((bin, ClaimKind::Payment)) = claim.on {
                    visit(number, bin, &claim);
                }
            }
        }
        Ok(())
    }
}

fn count(claims: &[Claim], verdict: Verdict) -> u64 {
    claims.iter().filter(|claim| claim.verdict == verdict).count() as u64
}
