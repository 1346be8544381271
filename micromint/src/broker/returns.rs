//! Crediting returned coins (thesis 3.4.1, "Returning Coins").
//!
//! Input: a client's return. Output: a verdict for each ball. Returns are accepted from the
//! period's expiration and wait until redeem-until, since a vendor may still redeem spent coins.
//!
//! The invariant: only the owner can return a ball, and a return that is sent again is the same
//! return.

use sha2::{Digest, Sha256};

use super::claim::{Claim, ClaimKind, verdict_now};
use super::record::{BrokerRecord, DIGEST_SIZE, Return};
use super::{Broker, BrokerError, LockedBroker};
use crate::bin::Bin;
use crate::coin_file::Status;
use crate::identity::UserId;
use crate::period::Period;
use crate::protocol::{FundsCredited, Id, RequestCredit, SendExpired, Url, Verdict};
use crate::reply::Reply;
use crate::time::UnixTime;

/// The most returns of one user in one period, which bounds the broker's disk space.
pub(super) const RETURNS_PER_USER_MAX: usize = 100;

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
        if let Some(refusal) = self.return_refusal(request, &data) {
            return Ok(Reply::Refused(refusal));
        }
        let examined = self.examine_balls(request)?;
        self.locked(now, |broker| {
            if let Some(known) = broker.state.return_of(&request.user, &request.request) {
                if known.digest != digest {
                    let (user, request) = (request.user.clone(), request.request.clone());
                    return Ok(Reply::Refused(ReturnRefusal::OtherContent { user, request }));
                }
                let claims = broker.claims_today(&known.claims)?;
                return Ok(Reply::Granted(credited(request, known.transaction, &claims)));
            }
            if let Some(refusal) = broker.new_return_refusal(request, now) {
                return Ok(Reply::Refused(refusal));
            }
            broker.record_return(request, transaction, digest, &examined, now).map(Reply::Granted)
        })
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
    fn return_refusal(&self, request: &RequestCredit, data: &[u8]) -> Option<ReturnRefusal> {
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
        let user = request.user.clone();
        let (opens, closed) = (self.params().raw().expiration, self.params().raw().redeem_until);
        let sales = self.state.sales.values().filter(|sale| sale.user == user);
        let sets: u64 = sales.map(|sale| u64::from(sale.sets)).sum();
        let max = sets * u64::from(self.params().subbin_count());
        let found = request.x.len();
        let returns = self.state.returns.iter().filter(|back| back.user == user).count();
        if self.state.settlement.is_some() {
            Some(ReturnRefusal::TooLate { closed })
        } else if now < opens {
            Some(ReturnRefusal::TooEarly { opens })
        } else if found as u64 > max {
            Some(ReturnRefusal::TooManyBalls { user, found, max })
        } else if returns >= RETURNS_PER_USER_MAX {
            Some(ReturnRefusal::TooManyReturns { user })
        } else {
            None
        }
    }

    /// For each ball its bin, or why it is not a first ball of this broker.
    fn examine_balls(
        &self,
        request: &RequestCredit,
    ) -> Result<Vec<Result<Bin, Verdict>>, BrokerError> {
        let outputs = self.rules.outputs(&request.x);
        let place = |(x, output): (&u64, &u64)| {
            if *x >= self.params().input_end() {
                return Err(Verdict::InputWrong);
            }
            let bin = self.params().bin_of(*output).ok_or(Verdict::FixedBits)?;
            if bin.superbin.is_multiple_of(2) { Ok(bin) } else { Err(Verdict::NotFirst) }
        };
        let mut balls: Vec<Result<Bin, Verdict>> =
            request.x.iter().zip(&outputs).map(place).collect();
        let mut order: Vec<(Bin, usize)> = balls
            .iter()
            .enumerate()
            .filter_map(|(i, ball)| ball.ok().map(|bin| (bin, i)))
            .collect();
        order.sort_unstable();
        let bins: Vec<Bin> = order.iter().map(|(bin, _)| *bin).collect();
        for ((_, i), stored) in order.into_iter().zip(self.coin_file.balls(&bins)?) {
            if !stored.exists() || stored.x != request.x[i] {
                balls[i] = Err(Verdict::Forged);
            } else if stored.status.contains(Status::COMPROMISED) {
                balls[i] = Err(Verdict::Compromised);
            }
        }
        Ok(balls)
    }
}

impl LockedBroker<'_> {
    /// Decides the claims of a return and records them.
    fn record_return(
        &mut self,
        request: &RequestCredit,
        transaction: u64,
        digest: [u8; DIGEST_SIZE],
        examined: &[Result<Bin, Verdict>],
        now: UnixTime,
    ) -> Result<FundsCredited, BrokerError> {
        let bins: Vec<Bin> = examined.iter().flatten().copied().collect();
        let mut paid = self.are_paid(&bins)?.into_iter();
        let decide = |ball: &Result<Bin, Verdict>| match ball {
            Err(verdict) => Claim::rejected(*verdict, 0),
            Ok(bin) => {
                let is_paid = paid.next().unwrap_or(true);
                if self.state.owner(bin.superbin) != Some(&request.user) {
                    return Claim::rejected(Verdict::NotFromOwner, 0);
                }
                let verdict = verdict_now(ClaimKind::Return, is_paid);
                Claim { verdict, on: Some((*bin, ClaimKind::Return)), payment: 0, tag: 0 }
            }
        };
        let claims: Vec<Claim> = examined.iter().map(decide).collect();
        let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count() as u32;
        let [waiting, forged] = [Verdict::Waiting, Verdict::Forged].map(count);
        self.commit(BrokerRecord::Return(Return {
            when: now,
            transaction,
            user: request.user.clone(),
            request: request.request.clone(),
            digest,
            claims: self.claims.write(self.state.claims_end(), &claims)?,
            waiting,
            forged,
        }))?;
        Ok(credited(request, transaction, &claims))
    }
}

fn credited(request: &RequestCredit, transaction: u64, claims: &[Claim]) -> FundsCredited {
    FundsCredited {
        user: request.user.clone(),
        period: request.period.clone(),
        transaction,
        verdicts: claims.iter().map(|claim| claim.verdict).collect(),
    }
}
