//! Crediting returned coins (thesis 3.4.1, "Returning Coins").
//!
//! Input: a client's return. Output: a verdict for each ball. Returns are accepted from the
//! period's expiration and wait until redeem-until, since a vendor may still redeem spent coins.
//!
//! The invariants: only the owner can return a ball, and a return that is sent again is the same
//! return. A ball that is not of the user's sets gets one verdict and is not looked up, so a return
//! does not tell whether a ball of someone else is genuine.

use sha2::{Digest, Sha256};

use super::claim::Claim;
use super::decide::{decide_return, returned_bins};
use super::examine_return::{ExaminedBall, examine_return};
use super::record::{BrokerRecord, DIGEST_SIZE, RecordedReturn};
use super::{Broker, BrokerError, LockedBroker};
use crate::authenticator::{AUTHENTICATOR_SIZE, Authenticator};
use crate::identity::UserId;
use crate::params::Params;
use crate::period::Period;
use crate::protocol::{FundsCredited, Id, RequestCredit, SendExpired, Url, Verdict};
use crate::reply::Reply;
use crate::time::UnixTime;

/// The most returns of one user in one period, which bounds the broker's disk space.
pub const RETURNS_PER_USER_MAX: usize = 100;

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

impl Broker {
    /// Records a return and answers it. `transaction` is the broker's number for it: a new random
    /// number.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn take_back(
        &mut self,
        request: &RequestCredit,
        transaction: u64,
        now: UnixTime,
    ) -> Result<Reply<FundsCredited, ReturnRefusal>, BrokerError> {
        let data = request.data();
        let digest: [u8; DIGEST_SIZE] = Sha256::digest(&data).into();
        if let Some(refusal) = self.message_refusal(request, &data) {
            return Ok(Reply::Refused(refusal));
        }
        let known = self.locked(|broker| broker.known_return(request, &digest, now))?;
        if let Some(known) = known {
            return Ok(known);
        }
        let examined = examine_return(&self.rules, &self.coin_file, &self.ledger, request)?;
        self.locked(|broker| match broker.known_return(request, &digest, now)? {
            Some(known) => Ok(known),
            None => broker
                .record_return(request, transaction, digest, &examined, now)
                .map(Reply::Granted),
        })
    }

    /// The answer to a return that was made before or is refused. The caller holds the lock.
    fn known_return(
        &self,
        request: &RequestCredit,
        digest: &[u8; DIGEST_SIZE],
        now: UnixTime,
    ) -> Result<Option<Reply<FundsCredited, ReturnRefusal>>, BrokerError> {
        let Some(known) = self.ledger.return_of(&request.user, &request.request) else {
            return Ok(self.new_return_refusal(request, now).map(Reply::Refused));
        };
        if known.digest != *digest {
            let (user, request) = (request.user.clone(), request.request.clone());
            return Ok(Some(Reply::Refused(ReturnRefusal::OtherContent { user, request })));
        }
        let claims = self.claims_today(&known.claims)?;
        Ok(Some(Reply::Granted(self.credited(request, known.transaction, &claims))))
    }

    /// The invitation to send returns to `return_url`; `None` before the expiration.
    pub fn send_expired(
        &self,
        user: &UserId,
        return_url: Url,
        now: UnixTime,
    ) -> Option<SendExpired> {
        let period = self.params().period().clone();
        (now >= self.params().raw().expiration).then(|| SendExpired {
            user: user.clone(),
            period,
            return_url,
        })
    }

    /// Why the return is refused, as far as that depends on the message alone.
    fn message_refusal(&self, request: &RequestCredit, data: &[u8]) -> Option<ReturnRefusal> {
        let expected = self.params().period();
        if request.period != *expected {
            let (expected, found) = (expected.clone(), request.period.clone());
            return Some(ReturnRefusal::OtherPeriod { expected, found });
        }
        let key = self.secret.user_key(expected, &request.user);
        if key.request_credit(request.request.as_str(), data) != request.authenticator {
            return Some(ReturnRefusal::WrongAuthenticator { user: request.user.clone() });
        }
        None
    }

    /// Why a return that was not made before is refused now. The caller holds the lock.
    fn new_return_refusal(&self, request: &RequestCredit, now: UnixTime) -> Option<ReturnRefusal> {
        let sales = self.ledger.sales.values().filter(|sale| sale.user == request.user);
        let returns = self.ledger.returns.iter().filter(|back| back.user == request.user);
        let facts = ReturnFacts {
            sets: sales.map(|sale| u64::from(sale.sets)).sum(),
            returns: returns.count(),
            is_settled: self.ledger.settlement.is_some(),
        };
        return_refusal(self.params(), request, facts, now)
    }

    /// The answer to a return of whose authenticator `message_refusal` approved.
    fn credited(
        &self,
        request: &RequestCredit,
        transaction: u64,
        claims: &[Claim],
    ) -> FundsCredited {
        let (user, period) = (request.user.clone(), request.period.clone());
        let key = self.secret.user_key(&period, &user);
        FundsCredited {
            user,
            period,
            request: request.request.clone(),
            transaction,
            authenticator: Authenticator::from_bytes([0; AUTHENTICATOR_SIZE]),
            verdicts: claims.iter().map(|claim| claim.verdict).collect(),
        }
        .authenticated(&key, request)
    }
}

impl LockedBroker<'_> {
    /// Decides the claims of a return and records them.
    fn record_return(
        &mut self,
        request: &RequestCredit,
        transaction: u64,
        digest: [u8; DIGEST_SIZE],
        examined: &[ExaminedBall],
        now: UnixTime,
    ) -> Result<FundsCredited, BrokerError> {
        let paid = self.are_paid(&returned_bins(examined))?;
        let claims = decide_return(examined, self.ledger.buyer(&request.user), paid);
        let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count() as u32;
        self.commit(BrokerRecord::Return(RecordedReturn {
            when: now,
            transaction,
            user: request.user.clone(),
            request: request.request.clone(),
            digest,
            claims: self.claims.write(self.ledger.claims_end(), &claims)?,
            waiting: count(Verdict::Waiting),
            forged: count(Verdict::Forged),
            not_from_owner: count(Verdict::NotFromOwner),
        }))?;
        Ok(self.credited(request, transaction, &claims))
    }
}
