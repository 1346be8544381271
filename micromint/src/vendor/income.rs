//! What the vendor took in: payments and coins by day, page and period.
//!
//! Input: the records of the till, and what a coin of each period is worth. Output: sums. The
//! invariant: a payment counts on the UTC day on which it was recorded, under the URL that was
//! paid, unless it was reversed. Payments that were removed after their redemption count with the
//! sums that were kept of them.

use std::collections::BTreeMap;

use super::config::VendorConfig;
use super::config_error::ConfigError;
use super::periods::load_periods;
use super::redemption::{RedemptionError, paid_for};
use super::till_view::TillView;
use crate::host::DiskDirectory;
use crate::money::Money;
use crate::period::Period;
use crate::protocol::Verdict;
use crate::till::{PaidFor, PaidSum, Position, RemovedIncome, Till, TillRecord};
use crate::time::UnixTime;

/// What a coin of each period is worth.
pub type CoinValues = BTreeMap<Period, Money>;

/// The values of coins of the periods whose parameters are in the vendor's folder of periods.
///
/// # Errors
/// The folder or a parameter file cannot be read.
pub fn coin_values(config: &VendorConfig) -> Result<CoinValues, ConfigError> {
    let folder = DiskDirectory::new(config.periods());
    let periods = load_periods(&folder, config.coin_value())?;
    Ok(periods.iter().map(|params| (params.period().clone(), params.coin_value())).collect())
}

/// Payments and coins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Sum {
    /// The number of payments.
    pub payments: u64,
    /// The number of their coins.
    pub coins: u64,
    /// What the coins are worth; `None` if the value of some of them is not known, they are in
    /// different currencies, or the sum is too large.
    pub money: Option<Money>,
}

/// The sum of the payments for one page on one day with coins of one period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomeEntry {
    /// The UTC day, `YYYY-MM-DD`.
    pub day: String,
    /// The URL that was paid.
    pub page: String,
    /// The period of the coins.
    pub period: Period,
    /// The sum.
    pub sum: Sum,
}

/// What became of the coins of one period, since the till was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeriodIncome {
    /// The period.
    pub period: Period,
    /// All payments, in batches and in none.
    pub taken: Sum,
    /// Coins by the broker's verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Coins in batches that the broker has not answered.
    pub unanswered: u64,
    /// Coins in no batch.
    pub unbatched: u64,
}

impl PeriodIncome {
    fn of(period: &Period) -> PeriodIncome {
        PeriodIncome {
            period: period.clone(),
            taken: Sum::NOTHING,
            verdicts: BTreeMap::new(),
            unanswered: 0,
            unbatched: 0,
        }
    }
}

/// What a vendor took in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Income {
    /// Sums by day, page and period, in this order.
    pub entries: Vec<IncomeEntry>,
    /// What became of the coins of each period.
    pub periods: Vec<PeriodIncome>,
}

/// Which days count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The start of the first day.
    pub from: UnixTime,
    /// The end of the last day.
    pub until: UnixTime,
}

impl Days {
    /// All days.
    pub const ALL: Days = Days { from: UnixTime(i64::MIN), until: UnixTime(i64::MAX) };

    fn contain(self, time: UnixTime) -> bool {
        (self.from..self.until).contains(&time)
    }
}

impl Sum {
    /// Nothing, which is worth nothing in any currency.
    const NOTHING: Sum = Sum { payments: 0, coins: 0, money: Some(Money::NONE) };

    fn add_coins(&mut self, PaidSum { payments, coins }: PaidSum, value: Option<Money>) {
        let money = value.and_then(|value| value.checked_mul(coins));
        self.add(Sum { payments, coins, money });
    }

    fn add(&mut self, other: Sum) {
        self.payments += other.payments;
        self.coins += other.coins;
        self.money = match (self.money, other.money) {
            (Some(Money::NONE), other) => other,
            (sum, Some(Money::NONE)) => sum,
            (Some(sum), Some(other)) => sum.checked_add(other),
            _ => None,
        };
    }
}

impl Income {
    /// The sum of all entries.
    pub fn total(&self) -> Sum {
        let mut total = Sum::NOTHING;
        self.entries.iter().for_each(|entry| total.add(entry.sum));
        total
    }

    /// The sums of the days, in order.
    pub fn by_day(&self) -> Vec<(&str, Sum)> {
        self.grouped(|entry| &entry.day)
    }

    /// The sums of the pages; those with the most coins come first.
    pub fn by_page(&self) -> Vec<(&str, Sum)> {
        let mut pages = self.grouped(|entry| &entry.page);
        pages.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.coins));
        pages
    }

    fn grouped<'a>(&'a self, key: impl Fn(&'a IncomeEntry) -> &'a str) -> Vec<(&'a str, Sum)> {
        let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
        for entry in &self.entries {
            sums.entry(key(entry)).or_insert(Sum::NOTHING).add(entry.sum);
        }
        sums.into_iter().collect()
    }
}

/// Sums what the till recorded on these days. The periods are summed over all days.
///
/// # Errors
/// The till failed, or a payment in it cannot be read.
pub fn income(till: &Till, values: &CoinValues, days: Days) -> Result<Income, RedemptionError> {
    let view = TillView::of(till)?;
    let reversed = view.reversed(till.directory())?;
    let mut sums: BTreeMap<(UnixTime, String, Period), PaidSum> = BTreeMap::new();
    for (paid_for, removed) in RemovedIncome::read(till.directory())?.0 {
        let PaidFor { journal, day, page, period } = paid_for;
        if !view.days.contains(&journal) && days.contain(day) {
            let sum = sums.entry((day, page, period)).or_default();
            sum.payments += removed.payments;
            sum.coins += removed.coins;
        }
    }
    let mut unbatched: BTreeMap<Period, PaidSum> = BTreeMap::new();
    let mut unreadable = None;
    view.scan(till.directory(), Position::default(), |at, record| {
        let TillRecord::Payment(payment) = record else { return };
        if reversed.contains(&at) {
            return;
        }
        let coins = payment.first_bins.len() as u64;
        if at >= view.batches.end_of(&payment.period) {
            unbatched.entry(payment.period.clone()).or_default().add(coins);
        }
        if days.contain(payment.recorded_at) {
            match paid_for(till.directory(), at, &payment) {
                Ok(PaidFor { day, page, period, .. }) => {
                    sums.entry((day, page, period)).or_default().add(coins);
                }
                Err(error) => unreadable = Some(error),
            }
        }
    })?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    let entries = sums.into_iter().map(|((day, page, period), paid)| {
        let mut sum = Sum::NOTHING;
        sum.add_coins(paid, values.get(&period).copied());
        IncomeEntry { day: day.day(), page, period, sum }
    });
    let entries = entries.collect();
    Ok(Income { entries, periods: period_sums(&view, &unbatched, values) })
}

/// What became of the coins of each period: those in the batches, and those in none.
fn period_sums(
    view: &TillView,
    unbatched: &BTreeMap<Period, PaidSum>,
    values: &CoinValues,
) -> Vec<PeriodIncome> {
    let mut periods: BTreeMap<&Period, PeriodIncome> = BTreeMap::new();
    let take = |income: &mut PeriodIncome, paid: PaidSum| {
        income.taken.add_coins(paid, values.get(&income.period).copied());
    };
    for batch in &view.batches.all {
        let income =
            periods.entry(&batch.period).or_insert_with(|| PeriodIncome::of(&batch.period));
        take(income, PaidSum { payments: batch.payments.into(), coins: batch.coins.into() });
        match &batch.result {
            None => income.unanswered += u64::from(batch.coins),
            Some(counts) => {
                for (verdict, coins) in counts {
                    *income.verdicts.entry(*verdict).or_default() += u64::from(*coins);
                }
            }
        }
    }
    for (period, paid) in unbatched {
        let income = periods.entry(period).or_insert_with(|| PeriodIncome::of(period));
        take(income, *paid);
        income.unbatched = paid.coins;
    }
    periods.into_values().collect()
}
