//! Crediting returned coins (thesis 3.4.1, "Returning Coins").
//!
//! Input: a client's return. Output: a verdict for each ball. Returns are accepted from the
//! period's expiration and wait until redeem-until, since a vendor may still redeem spent coins.
//!
//! The invariants: only the owner can return a ball, and a return that is sent again is the same
//! return. A ball that is not of the user's sets gets one verdict and is not looked up, so a return
//! does not tell whether a ball of someone else is genuine.

use sha2::{Digest, Sha256};

use super::claim::{Buyer, Claim, Facts};
use super::examine::found;
use super::rank::{Rank, Source, rank_of_return, verdict_now};
use super::record::{BrokerRecord, DIGEST_SIZE, RecordedReturn};
use super::{Broker, BrokerError, LockedBroker};
use crate::authenticator::{AUTHENTICATOR_SIZE, Authenticator};
use crate::bin::Bin;
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
        let known = self.locked(|broker| broker.known_return(request, &digest, now))?;
        if let Some(known) = known {
            return Ok(known);
        }
        let examined = self.examine_balls(request)?;
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
        let sales = self.ledger.sales.values().filter(|sale| sale.user == user);
        let sets: u64 = sales.map(|sale| u64::from(sale.sets)).sum();
        let max = sets * u64::from(self.params().subbin_count());
        let found = request.x.len();
        let returns = self.ledger.returns.iter().filter(|back| back.user == user).count();
        if self.is_closed(now) {
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

    /// The answer to a return of whose authenticator `return_refusal` approved.
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

    /// Examines the balls of a return: their form, whose they are, and only then what was minted.
    fn examine_balls(&self, request: &RequestCredit) -> Result<Vec<ExaminedBall>, BrokerError> {
        let outputs = self.rules.outputs(&request.x);
        let examine = |(x, output): (&u64, &u64)| {
            if *x >= self.params().input_end() {
                return ExaminedBall::without_bin(Verdict::InputWrong);
            }
            let Some(bin) = self.params().bin_of(*output) else {
                return ExaminedBall::without_bin(Verdict::FixedBits);
            };
            let is_first = bin.superbin.is_multiple_of(2);
            let is_sold = self.ledger.owner(bin.superbin) == Some(&request.user);
            let verdict = if is_first { Verdict::NotFromOwner } else { Verdict::NotFirst };
            ExaminedBall { bin: Some(bin), is_sold, rank: Err(verdict) }
        };
        let mut balls: Vec<ExaminedBall> = request.x.iter().zip(&outputs).map(examine).collect();
        let mut order: Vec<(Bin, usize)> = (0..)
            .zip(&balls)
            .filter_map(|(i, ball)| Some((ball.bin.filter(|_| ball.is_sold)?, i)))
            .collect();
        order.sort_unstable();
        let bins: Vec<Bin> = order.iter().map(|(bin, _)| *bin).collect();
        for ((bin, i), stored) in order.into_iter().zip(self.coin_file.balls(&bins)?) {
            let found = found(&self.rules, &self.coin_file, bin, request.x[i], stored)?;
            let is_withheld = self.ledger.is_withheld(bin, bin.superbin);
            balls[i].rank = rank_of_return(balls[i].is_sold, is_withheld, found);
        }
        Ok(balls)
    }
}

/// A ball of a return.
struct ExaminedBall {
    /// Its bin; `None` if it has none.
    bin: Option<Bin>,
    /// It is of a set of the user who returns it.
    is_sold: bool,
    /// The rank of its claim, or the verdict that rejects it.
    rank: Result<Rank, Verdict>,
}

impl ExaminedBall {
    fn without_bin(verdict: Verdict) -> ExaminedBall {
        ExaminedBall { bin: None, is_sold: false, rank: Err(verdict) }
    }

    /// The entry for the claims file, with this verdict.
    fn claim(&self, buyer: Option<Buyer>, verdict: Verdict) -> Claim {
        // The authenticator of the return is right: it is checked before anything else.
        let source = Source { is_signed: true, has_token: false, is_sold: self.is_sold };
        let is_forged = verdict == Verdict::Forged;
        let facts = Facts { source, is_forged, is_invented: false };
        Claim { verdict, bin: self.bin, rank: self.rank.ok(), facts, payment: 0, digest: 0, buyer }
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
        let claiming = examined.iter().filter(|ball| ball.rank.is_ok());
        let bins: Vec<Bin> = claiming.filter_map(|ball| ball.bin).collect();
        let mut paid = self.are_paid(&bins)?.into_iter();
        let buyer = self.ledger.buyer(&request.user);
        let mut decide = |ball: &ExaminedBall| {
            let verdict = match ball.rank {
                Err(verdict) => verdict,
                Ok(rank) => verdict_now(rank, paid.next().unwrap_or(true)),
            };
            ball.claim(buyer, verdict)
        };
        let claims: Vec<Claim> = examined.iter().map(&mut decide).collect();
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
