//! Whether sets of superbins are sold to a client (thesis 3.2.2).
//!
//! Input: a user, a number of sets, and what the records say. Output: why nothing is sold, if so.
//! Only even superbins are sold, in order, each with the k-1 odd ones of its user's set. The
//! invariant: a settled period sells nothing, whatever the clock.

use crate::identity::{NoUserVector, UserId};
use crate::params::Params;
use crate::protocol::FundsWithdrawn;
use crate::time::UnixTime;

/// Why no sets are sold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaleRefusal {
    /// The number of sets is out of range.
    #[error("expected 1 to {max} sets, found {found}")]
    Sets {
        /// [`FundsWithdrawn::sets_max`], or a lower limit of the broker.
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
    #[error("sold out: sets wanted {wanted}, sets left {left}")]
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
