//! Returning coins: after a period's expiration the client sends unspent first balls to the broker
//! for credit (thesis 3.4.1, "Returning Coins").
//!
//! Input: a holding. Output: a Request-Credit. The broker answers with a Funds-Credited, which has
//! one verdict for each ball. The invariants: the coins of a return are chosen once, by a rule that
//! replaying the wallet file repeats, so a return that is sent again is the same message; and only
//! whoever has the user's key, which is the broker, can tell the wallet what became of it.

use crate::identity::UserId;
use crate::period::Period;
use crate::protocol::{FundsCredited, Id, RequestCredit, SendExpired, Unsigned, Url, Verdict};
use crate::time::UnixTime;

use super::state::returns::{first_balls, returnable};
use super::state::{CoinReturn, Holding, WalletState};

/// An invitation to return coins that is about no holding of the wallet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wallet has no coins of {user} in period {period} from a broker at {origin}")]
#[non_exhaustive]
pub struct NotInvited {
    /// The invited user.
    pub user: UserId,
    /// The period.
    pub period: Period,
    /// The scheme, host and port of the Return-URL.
    pub origin: String,
}

/// A Funds-Credited that credits nothing: it is not the broker's answer to a return of this wallet,
/// or an answer that a later one replaced. The wallet keeps what it knew before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCredited {
    /// The wallet made no such return.
    #[error(
        "the wallet made no return {request} of coins of {user} in period {period}; the message \
        credits nothing, and nothing changed"
    )]
    NoSuchReturn {
        /// The Request-ID in the message.
        request: Id,
        /// Whose coins.
        user: UserId,
        /// Their period.
        period: Period,
    },
    /// The authenticator is not that of the broker over the answer to this return.
    #[error(
        "the message is not the answer of {broker} to return {request}: its Authenticator is \
        wrong. It credits nothing, and nothing changed; send the return to the broker again"
    )]
    NotFromBroker {
        /// The broker that sold the coins.
        broker: String,
        /// The return that the message names.
        request: Id,
    },
    /// The broker's answer does not have one verdict for each coin.
    #[error(
        "return {request}: expected verdicts on {expected} coins, found {found}; nothing changed"
    )]
    OtherCount {
        /// The return.
        request: Id,
        /// The number of its coins.
        expected: usize,
        /// The number of verdicts.
        found: usize,
    },
    /// The broker decided otherwise in an answer that the wallet has already recorded.
    #[error(
        "return {request}: the message is older than the answer that the wallet has: coin {coin} \
        is {held}, not {found}; nothing changed"
    )]
    Outdated {
        /// The return.
        request: Id,
        /// The first coin with another verdict, counted from 1.
        coin: usize,
        /// What the wallet has recorded, in words.
        held: &'static str,
        /// What the message says, in words.
        found: &'static str,
    },
}

/// How many coins of a holding can be returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Returnable {
    /// The holding, as an index of [`WalletState::holdings`].
    pub holding: usize,
    /// The number of coins.
    pub coins: usize,
}

impl WalletState {
    /// The holdings that have coins to return now: they have expired, and the broker still credits
    /// them.
    pub fn returnable(&self, now: UnixTime) -> Vec<Returnable> {
        let held = (0..self.holdings.len()).filter(|holding| self.takes_returns(*holding, now));
        held.map(|holding| Returnable {
            holding,
            coins: returnable(self, holding, usize::MAX).len(),
        })
        .filter(|returnable| returnable.coins > 0)
        .collect()
    }

    /// Whether the broker takes coins of this holding back now. The wallet's own clock decides,
    /// and no message.
    pub(super) fn takes_returns(&self, holding: usize, now: UnixTime) -> bool {
        self.holdings.get(holding).is_some_and(|held| {
            let raw = held.params.raw();
            raw.expiration <= now && now < raw.redeem_until
        })
    }

    /// The returns to send, for the first time or again: those without an answer, and after
    /// redeem-until those with coins that waited or are disputed.
    pub fn unanswered_returns(&self, now: UnixTime) -> Vec<&CoinReturn> {
        self.returns.iter().filter(|back| self.is_unanswered(back, now)).collect()
    }

    fn is_unanswered(&self, back: &CoinReturn, now: UnixTime) -> bool {
        let is_final = self.holdings[back.holding].params.raw().redeem_until <= now;
        back.verdicts.iter().any(|verdict| match verdict {
            None => true,
            Some(verdict) => is_final && matches!(verdict, Verdict::Waiting | Verdict::Disputed),
        })
    }

    /// The message of a return; it is the same every time.
    pub fn request_credit(&self, back: &CoinReturn) -> RequestCredit {
        let held = &self.holdings[back.holding];
        let x = first_balls(self, &back.places);
        RequestCredit {
            user: held.user.clone(),
            period: held.params.period().clone(),
            request: back.request.clone(),
            authenticator: Unsigned,
            x,
        }
        .authenticated(&held.user_key)
    }

    /// The holdings that an invitation to return coins is about, at least one. Its Return-URL must
    /// have the origin of the broker that sold the coins, since coins are returned to nobody else.
    ///
    /// # Errors
    /// There is no such holding.
    pub fn invited(&self, invitation: &SendExpired) -> Result<Vec<usize>, NotInvited> {
        let SendExpired { user, period, return_url } = invitation;
        let fits = |held: &Holding| {
            held.user == *user
                && held.params.period() == period
                && is_of_origin(&held.params.raw().broker, return_url)
        };
        let held = self.holdings.iter().enumerate().filter(|(_, held)| fits(held));
        let found: Vec<usize> = held.map(|(holding, _)| holding).collect();
        if found.is_empty() {
            let origin = return_url.origin().to_string();
            return Err(NotInvited { user: user.clone(), period: period.clone(), origin });
        }
        Ok(found)
    }

    /// The return that an answer is about, if the broker wrote the answer and no later one is
    /// recorded.
    ///
    /// # Errors
    /// Why the answer credits nothing.
    pub(super) fn find_return(&self, answer: &FundsCredited) -> Result<&CoinReturn, NotCredited> {
        let FundsCredited { user, period, request, verdicts, .. } = answer;
        let request = request.clone();
        let is_about = |back: &&CoinReturn| {
            let held = &self.holdings[back.holding];
            back.request == request && held.user == *user && held.params.period() == period
        };
        let Some(found) = self.returns.iter().find(is_about) else {
            let (user, period) = (user.clone(), period.clone());
            return Err(NotCredited::NoSuchReturn { request, user, period });
        };
        let held = &self.holdings[found.holding];
        if !answer.is_authentic(&held.user_key, &self.request_credit(found)) {
            let broker = held.params.raw().broker.clone();
            return Err(NotCredited::NotFromBroker { broker, request });
        }
        if found.verdicts.len() != verdicts.len() {
            let (expected, found) = (found.verdicts.len(), verdicts.len());
            return Err(NotCredited::OtherCount { request, expected, found });
        }
        let changes = found.verdicts.iter().zip(verdicts).zip(1..);
        for ((held, new), coin) in changes {
            if let Some(held) = held.filter(|held| !may_become(*held, *new)) {
                let (held, found) = (held.words(), new.words());
                return Err(NotCredited::Outdated { request, coin, held, found });
            }
        }
        Ok(found)
    }
}

/// Whether a later answer of the broker can replace the verdict `held` by `new`: what waits is
/// decided at redeem-until or disputed, what is disputed is decided by a person, and a decision is
/// final.
fn may_become(held: Verdict, new: Verdict) -> bool {
    match held {
        Verdict::Waiting => true,
        Verdict::Disputed => new != Verdict::Waiting,
        _ => new == held,
    }
}

/// Whether `url` has the scheme, host and port of `broker`. The broker's text may lack a path.
pub(super) fn is_of_origin(broker: &str, url: &Url) -> bool {
    broker.strip_prefix(url.origin()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl CoinReturn {
    /// The number of coins with this verdict.
    pub fn count(&self, verdict: Option<Verdict>) -> usize {
        self.verdicts.iter().filter(|held| **held == verdict).count()
    }
}
