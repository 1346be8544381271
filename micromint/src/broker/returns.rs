//! Whether a return of unspent coins is judged (thesis 3.4.1, "Returning Coins").
//!
//! Input: a client's return, and what the records say. Output: why it is refused, if so. Returns
//! are accepted from the period's expiration and wait until redeem-until, since a vendor may still
//! redeem spent coins.

use crate::identity::UserId;
use crate::params::Params;
use crate::period::Period;
use crate::protocol::{Id, RequestCredit};
use crate::time::UnixTime;

/// The most returns of one user in one period, which bounds the broker's storage.
pub(crate) const RETURNS_PER_USER_MAX: usize = 100;

/// Why a return is refused. Nothing is recorded then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReturnRefusal {
    /// The return is of another period.
    #[error("the return is of period {found}, this coin file is of {expected}")]
    OtherPeriod {
        /// The period of this broker.
        expected: Period,
        /// The period of the return.
        found: Period,
    },
    /// The authenticator does not match.
    #[error("the authenticator is not that of {user} over this return")]
    WrongAuthenticator {
        /// The user that the return names.
        user: UserId,
    },
    /// The coins can still be spent.
    #[error("coins can be returned from {opens}; until then they can be spent")]
    TooEarly {
        /// When returns open: the expiration of the period.
        opens: UnixTime,
    },
    /// The period is settled.
    #[error("coins could be returned until {closed}")]
    TooLate {
        /// Redeem-until of the period.
        closed: UnixTime,
    },
    /// The user already used the Request-ID for other balls.
    #[error("return {request} of {user} was made before, with other coins")]
    OtherContent {
        /// The user.
        user: UserId,
        /// The Request-ID.
        request: Id,
    },
    /// The return has more balls than the user can have bought.
    #[error("the return has {found} balls, but the sets of {user} have at most {max}")]
    TooManyBalls {
        /// The user.
        user: UserId,
        /// The number of balls in the return.
        found: usize,
        /// The number of bins in the first superbins that the user bought.
        max: u64,
    },
    /// The user has made too many returns.
    #[error("{user} has already made {RETURNS_PER_USER_MAX} returns")]
    TooManyReturns {
        /// The user.
        user: UserId,
    },
}

/// What the broker's records say about a return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnFacts {
    /// The number of sets that the user bought in this period.
    pub sets: u64,
    /// The number of returns that the user has made in this period.
    pub returns: usize,
    /// The period is settled.
    pub is_settled: bool,
}

/// Why a return that was not made before is refused now; `None` if it is judged.
pub fn return_refusal(
    params: &Params,
    request: &RequestCredit,
    facts: ReturnFacts,
    now: UnixTime,
) -> Option<ReturnRefusal> {
    let user = request.user.clone();
    let (opens, closed) = (params.raw().expiration, params.raw().redeem_until);
    let (found, max) = (request.x.len(), facts.sets * u64::from(params.subbin_count()));
    if facts.is_settled || now >= closed {
        Some(ReturnRefusal::TooLate { closed })
    } else if now < opens {
        Some(ReturnRefusal::TooEarly { opens })
    } else if found as u64 > max {
        Some(ReturnRefusal::TooManyBalls { user, found, max })
    } else if facts.returns >= RETURNS_PER_USER_MAX {
        Some(ReturnRefusal::TooManyReturns { user })
    } else {
        None
    }
}
