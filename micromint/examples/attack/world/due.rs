//! What is due to whom, and the comparison with what the broker paid.

use std::collections::{BTreeSet, HashMap};

use micromint::bin::Bin;
use micromint::identity::{UserId, VendorId};
use micromint::protocol::{PaymentRecord, RequestCredit, RequestRedemption, Verdict};

use super::World;
use crate::attacks::report::Report;

/// Who got the value of a first ball.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Payee {
    Vendor(VendorId),
    User(UserId),
}

/// What honest parties did, and all messages to the broker.
#[derive(Default)]
pub(super) struct Due {
    /// The vendors that honest users paid with each first ball.
    paid: HashMap<Bin, BTreeSet<VendorId>>,
    /// The balls that honest users returned and had not spent.
    returned: HashMap<Bin, UserId>,
    batches: Vec<(RequestRedemption, bool)>,
    returns: Vec<RequestCredit>,
}

impl Due {
    pub(super) fn paid(&mut self, bin: Bin, vendor: &VendorId) {
        self.paid.entry(bin).or_default().insert(vendor.clone());
    }

    pub(super) fn returned(&mut self, bins: impl Iterator<Item = Bin>, user: &UserId) {
        self.returned.extend(bins.map(|bin| (bin, user.clone())));
    }

    pub(super) fn sent(&mut self, batch: RequestRedemption, is_honest: bool) {
        self.batches.push((batch, is_honest));
    }

    pub(super) fn returns(&mut self, request: RequestCredit) {
        self.returns.push(request);
    }

    /// Whether the value of a first ball may go to this payee. `owner` bought it.
    fn is_due(&self, bin: Bin, payee: &Payee, owner: Option<&UserId>, world: &World) -> bool {
        let Some(owner) = owner else { return false };
        let is_honest = world.honest_users.contains(owner);
        match payee {
            Payee::User(user) => user == owner,
            Payee::Vendor(_) if !is_honest => true,
            Payee::Vendor(vendor) => {
                let paid = self.paid.get(&bin);
                let is_member = |vendor: &VendorId| !world.honest_vendors.contains(vendor);
                // What one vendor of the coalition earned, another may collect.
                paid.is_some_and(|paid| {
                    paid.contains(vendor) || is_member(vendor) && paid.iter().any(is_member)
                })
            }
        }
    }
}

impl World {
    /// Lets the period end, asks for the final verdicts on everything, and counts what went to
    /// whom.
    pub(crate) fn close(mut self, report: &mut Report) {
        self.clock.set(self.params().raw().redeem_until.plus_seconds(1));
        let now = self.now();
        assert!(self.broker.settle(now));
        let due = std::mem::take(&mut self.due);
        let mut paid: HashMap<Bin, Vec<Payee>> = HashMap::new();
        let mut unpaid: HashMap<(Bin, VendorId), bool> = HashMap::new();
        for (batch, is_honest) in &due.batches {
            let answer = self.broker.redeem(batch, now).unwrap().granted().unwrap();
            let coins = batch.records().into_iter().flat_map(|record| self.first_bins(record));
            for (bin, verdict) in coins.zip(&answer.result.verdicts) {
                let Some(bin) = bin else { continue };
                let is_paid = *verdict == Verdict::Accepted;
                if is_paid {
                    paid.entry(bin).or_default().push(Payee::Vendor(batch.vendor.clone()));
                }
                if *is_honest {
                    *unpaid.entry((bin, batch.vendor.clone())).or_insert(false) |= is_paid;
                }
            }
        }
        for request in &due.returns {
            let answer = self.broker.take_back(request, 1, now).unwrap().granted().unwrap();
            for (x, verdict) in request.x.iter().zip(&answer.verdicts) {
                if let (Verdict::Accepted, Some(bin)) = (verdict, self.rules.bin(*x)) {
                    paid.entry(bin).or_default().push(Payee::User(request.user.clone()));
                }
            }
        }
        report.stolen += self.wrongly_paid(&due, &paid);
        for ((bin, vendor), _) in unpaid.iter().filter(|(_, is_paid)| !**is_paid) {
            let is_from_honest = due.paid.get(bin).is_some_and(|paid| paid.contains(vendor));
            *(if is_from_honest { &mut report.stolen } else { &mut report.unpaid }) += 1;
        }
        let is_credited = |bin: &Bin, user: &UserId| {
            paid.get(bin).is_some_and(|payees| payees.contains(&Payee::User(user.clone())))
        };
        let missing = due.returned.iter().filter(|(bin, user)| !is_credited(bin, user)).count();
        report.stolen += missing as u64;
        report.blamed += self.blamed();
        self.check_sums(report);
    }

    /// The first bins of the coins of a record; `None` for one that is no ball. One `None` for a
    /// record that cannot be read, which has one verdict.
    fn first_bins(&self, record: &[u8]) -> Vec<Option<Bin>> {
        let k = self.params().coin_size();
        let x = PaymentRecord::parse(record).ok().filter(|it| it.coin_size() == k);
        match x.and_then(|record| record.x().ok()) {
            Some(x) => x.chunks(k).map(|coin| self.rules.bin(coin[0])).collect(),
            None => vec![None],
        }
    }

    /// The number of first balls whose value went to the wrong place, or more than once.
    fn wrongly_paid(&self, due: &Due, paid: &HashMap<Bin, Vec<Payee>>) -> u64 {
        let of_bin = |(bin, payees): (&Bin, &Vec<Payee>)| {
            let owner = self.buyers.get(&bin.superbin);
            let wrong = payees.iter().filter(|payee| !due.is_due(*bin, payee, owner, self)).count();
            wrong.max(payees.len() - 1) as u64
        };
        paid.iter().map(of_bin).sum()
    }

    /// The number of honest users who are named as offenders, or blocked at an honest vendor.
    fn blamed(&mut self) -> u64 {
        let offenders = self.broker.offenders();
        let offenders = offenders.into_iter().map(|it| it.user);
        let blamed: BTreeSet<UserId> =
            offenders.chain(self.blocked_by_honest.iter().cloned()).collect();
        blamed.intersection(&self.honest_users).count() as u64
    }

    fn check_sums(&mut self, report: &mut Report) {
        let coins = self.broker.status().coins;
        report.expect(coins.is_balanced(), || format!("the sums do not add up: {coins:?}"));
    }

    /// The users whom the broker names as offenders now.
    pub(crate) fn offenders(&mut self) -> BTreeSet<UserId> {
        self.broker.offenders().into_iter().map(|it| it.user).collect()
    }

    /// The users whom the broker shows to people as suspects now.
    pub(crate) fn suspects(&mut self) -> BTreeSet<UserId> {
        self.broker.suspicions().users.into_iter().map(|it| it.user).collect()
    }
}
