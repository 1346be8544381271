//! Limits in money.
//!
//! Input: the wallet's state and the coins of a payment that is planned. Output: the limit that it
//! would exceed, if any. The invariant: a limit counts every coin that left the wallet within its
//! scope and has paid for nothing outside of the scope since, whatever the vendor answered. The
//! wallet checks it under the lock of its file and writes the spend before it releases the lock, so
//! payments at the same time cannot exceed it together.

use std::fmt;

use crate::identity::VendorId;
use crate::money::Money;
use crate::protocol::RequestPayment;
use crate::time::UnixTime;

use super::choice::Choice;
use super::purpose::Purpose;
use super::state::{CoinState, PastPayment, WalletState};

/// What payments may cost in money. `None` sets no limit. Coins in another currency than that of a
/// limit are never spent under it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most that leaves the wallet in a UTC day.
    pub day: Option<Money>,
    /// The most that one vendor gets in a UTC day.
    pub site: Option<Money>,
    /// The most that is paid for one task ([`Purpose::task`]); without a task, for one payment.
    pub task: Option<Money>,
}

impl Limits {
    /// Sets the most that leaves the wallet in a UTC day.
    #[must_use]
    pub const fn with_day(self, day: Option<Money>) -> Limits {
        Limits { day, ..self }
    }

    /// Sets the most that one vendor gets in a UTC day.
    #[must_use]
    pub const fn with_site(self, site: Option<Money>) -> Limits {
        Limits { site, ..self }
    }

    /// Sets the most that is paid for one task.
    #[must_use]
    pub const fn with_task(self, task: Option<Money>) -> Limits {
        Limits { task, ..self }
    }
}

/// What a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Everything on one UTC day.
    Day,
    /// What one vendor gets on one UTC day.
    Site(VendorId),
    /// One task; `None` for a payment without one.
    Task(Option<String>),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Day => f.write_str("a day"),
            Scope::Site(vendor) => write!(f, "{vendor} and a day"),
            Scope::Task(Some(task)) => write!(f, "the task {task}"),
            Scope::Task(None) => f.write_str("a payment without a task"),
        }
    }
}

/// A limit that a payment would exceed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exceeded {
    /// What it counts.
    pub scope: Scope,
    /// The limit.
    pub limit: Money,
    /// What counts against it so far.
    pub spent: Money,
    /// What the payment adds; `None` if that does not fit into an amount.
    pub needed: Option<Money>,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exceeded { scope, limit, spent, needed } = self;
        match needed {
            Some(needed) if needed.currency() != limit.currency() => write!(
                f,
                "the limit for {scope} is {limit}, and the price is in another currency: {needed}"
            ),
            Some(needed) => write!(
                f,
                "the limit for {scope} is {limit}; {spent} are spent, and this page needs {needed} \
                 more"
            ),
            None => write!(f, "the limit for {scope} is {limit}, and the price is far above it"),
        }
    }
}

impl WalletState {
    /// The first limit that a payment with these coins would exceed.
    pub(super) fn exceeded(
        &self,
        request: &RequestPayment,
        choice: &Choice,
        purpose: Option<&Purpose>,
        limits: Limits,
        now: UnixTime,
    ) -> Option<Exceeded> {
        let scopes = [
            (limits.day, Scope::Day),
            (limits.site, Scope::Site(request.vendor.clone())),
            (limits.task, Scope::Task(purpose.map(|purpose| purpose.task().to_string()))),
        ];
        let mut set = scopes.into_iter().filter_map(|(limit, scope)| Some((limit?, scope)));
        set.find_map(|(limit, scope)| self.exceeds(choice, scope, limit, now))
    }

    fn exceeds(
        &self,
        choice: &Choice,
        scope: Scope,
        limit: Money,
        now: UnixTime,
    ) -> Option<Exceeded> {
        let value = self.holdings[choice.holding].params.coin_value();
        // A coin that this scope has counted already is not counted again.
        let is_new = |coin: CoinState| match coin {
            CoinState::Sent(number) => !scope.holds(&self.payments[number as usize], now),
            _ => true,
        };
        let coins =
            choice.places.iter().map(|it| self.sets[it.set as usize].coins[it.subbin as usize]);
        let needed = value.checked_mul(coins.filter(|coin| is_new(*coin)).count() as u64);
        let spent = self.spent(&scope, limit, now);
        let sum = needed.and_then(|needed| spent?.checked_add(needed));
        let is_kept = sum.is_some_and(|sum| sum.units() <= limit.units());
        let spent = spent.unwrap_or(Money::new(u64::MAX, limit.currency()));
        (!is_kept).then_some(Exceeded { scope, limit, spent, needed })
    }

    /// What was spent within a scope in the currency of `limit`; `None` if it does not fit into an
    /// amount.
    fn spent(&self, scope: &Scope, limit: Money, now: UnixTime) -> Option<Money> {
        let zero = Money::new(0, limit.currency());
        let payments = self.payments.iter().filter(|payment| scope.holds(payment, now));
        payments
            .map(|payment| (payment, self.holdings[payment.holding].params.coin_value()))
            .filter(|(_, value)| value.currency() == limit.currency())
            .try_fold(zero, |sum, (payment, value)| {
                sum.checked_add(value.checked_mul(payment.held.into())?)
            })
    }

    /// What is left of a limit for a task, as of the last call that read the file.
    pub fn left_for_task(&self, task: &str, limit: Money) -> Money {
        let scope = Scope::Task(Some(task.to_string()));
        // A task has no day, so any time will do.
        let spent = self.spent(&scope, limit, UnixTime(0)).map_or(u64::MAX, Money::units);
        Money::new(limit.units().saturating_sub(spent), limit.currency())
    }
}

impl Scope {
    /// Whether a payment counts. After a clock was set back, the payments of later days do too.
    fn holds(&self, payment: &PastPayment, now: UnixTime) -> bool {
        let is_of_today = || payment.at.day() >= now.day();
        match self {
            Scope::Day => is_of_today(),
            Scope::Site(vendor) => is_of_today() && payment.vendor == *vendor,
            Scope::Task(Some(task)) => {
                payment.purpose.as_ref().is_some_and(|purpose| purpose.task() == *task)
            }
            Scope::Task(None) => false,
        }
    }
}
