//! Selling sets of superbins to a client (thesis 3.2.2).
//!
//! Input: a user and a number of sets. Output: the Funds-Withdrawn message. Only even superbins are
//! sold, in order, each with the k-1 odd ones of its user's set. A sale costs the first balls that
//! are delivered.
//!
//! The invariants: a sale is durable before its coins are sent, and repeating a sale returns the
//! same message. A settled period sells nothing, whatever the clock.

use super::delivery::{delivered_coins, sold_set};
use super::record::{BrokerRecord, RecordedSale};
use super::{Broker, BrokerError, LockedBroker};
use crate::identity::{NoUserVector, UserId, UserVector};
use crate::params::Params;
use crate::protocol::{FundsWithdrawn, SoldSet};
use crate::reply::Reply;
use crate::time::UnixTime;

impl SaleRefusal {
    /// Whether the refusal means that nothing was sold under the Transaction-ID, and nothing will
    /// be if the same is asked again. A number that belongs to another sale proves nothing: the
    /// buyer may have lost the login under which it was bought.
    pub fn is_certain(&self) -> bool {
        !matches!(self, SaleRefusal::OtherSale { .. } | SaleRefusal::NoSuchSale { .. })
    }
}

/// Why no sets are sold.
#[derive(Debug, thiserror::Error)]
pub enum SaleRefusal {
    /// The number of sets is out of range.
    #[error("expected 1 to {max} sets, found {found}")]
    Sets {
        /// [`FundsWithdrawn::sets_max`], or the limit of [`Broker::withdraw_up_to`].
        max: u32,
        /// The requested number of sets.
        found: u32,
    },
    /// The period is over.
    #[error("the period expired at {expiration}; its coins are no longer sold")]
    Expired {
        /// When it expired.
        expiration: UnixTime,
    },
    /// Fewer sets are left.
    #[error("sold out: {wanted} sets wanted, {left} remain")]
    SoldOut {
        /// The requested number of sets.
        wanted: u32,
        /// The number of sets that can still be sold.
        left: u64,
    },
    /// The user has no vector in this period.
    #[error(transparent)]
    NoUserVector(#[from] NoUserVector),
    /// The user was revoked for spending coins twice.
    #[error("{user} was revoked at {when}; no more coins are sold to this user")]
    Revoked {
        /// The user.
        user: UserId,
        /// When the user was revoked.
        when: UnixTime,
    },
    /// The transaction is another sale.
    #[error("transaction {transaction} is another sale")]
    OtherSale {
        /// The Transaction-ID.
        transaction: u64,
    },
    /// The user made no such sale.
    #[error("transaction {transaction} is not a sale to {user}")]
    NoSuchSale {
        /// The Transaction-ID.
        transaction: u64,
        /// The user.
        user: UserId,
    },
}

/// What the broker's records say about a sale that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaleFacts {
    /// The first superbin that is not sold yet: even, or 2^u if all are sold.
    pub next_superbin: u64,
    /// The period is settled.
    pub is_settled: bool,
    /// When the user was revoked; `None` if the user is not.
    pub revoked: Option<UnixTime>,
}

/// Why a sale that was not made before is refused now; `None` if it is made.
pub fn sale_refusal(
    params: &Params,
    user: &UserId,
    sets: u32,
    facts: SaleFacts,
    now: UnixTime,
) -> Option<SaleRefusal> {
    let (expiration, max) = (params.raw().expiration, FundsWithdrawn::sets_max(params));
    if !(1..=max).contains(&sets) {
        return Some(SaleRefusal::Sets { max, found: sets });
    }
    // A settlement shows that the period was over, even if the clock is set back.
    if now >= expiration || facts.is_settled {
        return Some(SaleRefusal::Expired { expiration });
    }
    if let Some(when) = facts.revoked {
        return Some(SaleRefusal::Revoked { user: user.clone(), when });
    }
    let left = params.superbin_count().saturating_sub(facts.next_superbin) / 2;
    (u64::from(sets) > left).then_some(SaleRefusal::SoldOut { wanted: sets, left })
}

impl Broker {
    /// Sells `sets` sets to `user`. `transaction` identifies the sale: a new random number, or the
    /// number of a sale whose answer was lost. Repeating a sale returns its message again and sells
    /// nothing.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn withdraw(
        &mut self,
        user: &UserId,
        sets: u32,
        transaction: u64,
        now: UnixTime,
    ) -> Result<Reply<FundsWithdrawn, SaleRefusal>, BrokerError> {
        self.withdraw_up_to(u32::MAX, user, sets, transaction, now)
    }

    /// Does the same, but makes no new sale of more than `sets_max` sets. A sale that was made
    /// before is repeated, however large it is.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn withdraw_up_to(
        &mut self,
        sets_max: u32,
        user: &UserId,
        sets: u32,
        transaction: u64,
        now: UnixTime,
    ) -> Result<Reply<FundsWithdrawn, SaleRefusal>, BrokerError> {
        let max = FundsWithdrawn::sets_max(self.params());
        if !(1..=max).contains(&sets) {
            return Ok(Reply::Refused(SaleRefusal::Sets { max, found: sets }));
        }
        let vector = match UserVector::new(self.params(), user) {
            Ok(vector) => vector,
            Err(none) => return Ok(Reply::Refused(none.into())),
        };
        let sale = self.locked(|broker| {
            if let Some(sale) = broker.ledger.sale(transaction) {
                let is_same = sale.user == *user && sale.sets == sets;
                return Ok(if is_same {
                    Reply::Granted(sale.clone())
                } else {
                    Reply::Refused(SaleRefusal::OtherSale { transaction })
                });
            }
            if sets > sets_max {
                return Ok(Reply::Refused(SaleRefusal::Sets { max: sets_max, found: sets }));
            }
            broker.sell(user, sets, transaction, now)
        })?;
        match sale {
            Reply::Granted(sale) => self.funds_withdrawn(&sale, &vector).map(Reply::Granted),
            Reply::Refused(refusal) => Ok(Reply::Refused(refusal)),
        }
    }

    /// The message of an earlier sale, for the user who bought it.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn withdraw_again(
        &mut self,
        user: &UserId,
        transaction: u64,
    ) -> Result<Reply<FundsWithdrawn, SaleRefusal>, BrokerError> {
        let sale = self.locked(|broker| Ok(broker.ledger.sale(transaction).cloned()))?;
        let Some(sale) = sale.filter(|sale| sale.user == *user) else {
            return Ok(Reply::Refused(SaleRefusal::NoSuchSale { transaction, user: user.clone() }));
        };
        match UserVector::new(self.params(), user) {
            Ok(vector) => self.funds_withdrawn(&sale, &vector).map(Reply::Granted),
            Err(none) => Ok(Reply::Refused(none.into())),
        }
    }

    /// How many sets can still be sold, as far as this handle has read the journal.
    pub fn sets_left(&self) -> u64 {
        (self.params().superbin_count() - self.ledger.next_superbin()) / 2
    }
}

impl LockedBroker<'_> {
    /// Decides and records a sale.
    fn sell(
        &mut self,
        user: &UserId,
        sets: u32,
        transaction: u64,
        now: UnixTime,
    ) -> Result<Reply<RecordedSale, SaleRefusal>, BrokerError> {
        let facts = SaleFacts {
            next_superbin: self.ledger.next_superbin(),
            is_settled: self.ledger.settlement.is_some(),
            revoked: self.ledger.revoked.get(user).copied(),
        };
        if let Some(refusal) = sale_refusal(self.params(), user, sets, facts, now) {
            return Ok(Reply::Refused(refusal));
        }
        // A set is left, so the next superbin is below 2^u and fits 32 bits.
        let first = self.ledger.next_superbin() as u32;
        let user = user.clone();
        let mut sale = RecordedSale { when: now, transaction, first, sets, coins: 0, user };
        for first in sale.first_superbins() {
            sale.coins += delivered_coins(&self.coin_file, &self.ledger, first)?;
        }
        self.commit(BrokerRecord::Sale(sale.clone()))?;
        Ok(Reply::Granted(sale))
    }
}

impl Broker {
    /// The message of a recorded sale.
    fn funds_withdrawn(
        &self,
        sale: &RecordedSale,
        vector: &UserVector,
    ) -> Result<FundsWithdrawn, BrokerError> {
        let sets: Result<Vec<SoldSet>, BrokerError> = sale
            .first_superbins()
            .map(|first| Ok(sold_set(&self.coin_file, &self.ledger, vector, first)?))
            .collect();
        Ok(FundsWithdrawn {
            user: sale.user.clone(),
            user_key: self.secret.user_key(self.params().period(), &sale.user),
            params: self.params().clone(),
            sets: sets?,
            transaction: sale.transaction,
        })
    }
}
