//! Returning coins: after a period's expiration the client sends unspent first balls to the broker
//! for credit (thesis 3.4.1, "Returning Coins").
//!
//! Input: a holding. Output: a Request-Credit. The broker answers with a Funds-Credited, which has
//! one verdict for each ball. The invariant: the coins of a return are chosen once, by a rule that
//! replaying the wallet file repeats, so a return that is sent again is the same message.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::bytes::u64_be;
use crate::identity::UserId;
use crate::period::Period;
use crate::protocol::{FundsCredited, Id, RequestCredit, SendExpired, Url, Verdict};
use crate::time::UnixTime;

use super::outcome::PaymentOutcome;
use super::record::CoinPlace;
use super::state::{CoinReturn, CoinState, Holding, WalletState};

/// The coins of a holding that can be returned, at most `coins_max`, ordered by set and then by
/// sub-bin: those never spent, and those whose payment did not bring the content. If the vendor
/// redeems one of the latter, the broker pays the vendor and not the client.
pub(super) fn returnable(state: &WalletState, holding: usize, coins_max: usize) -> Vec<CoinPlace> {
    let sets = state.sets.iter().zip(0..).filter(|(set, _)| set.holding == holding);
    sets.flat_map(|(set, number)| {
        let coins = set.coins.iter().zip(0..);
        let may = coins.filter(|(coin, _)| is_returnable(state, **coin));
        may.map(move |(_, subbin)| CoinPlace { set: number, subbin })
    })
    .take(coins_max)
    .collect()
}

fn is_returnable(state: &WalletState, coin: CoinState) -> bool {
    match coin {
        CoinState::Unspent => true,
        CoinState::Sent(number) => state.payments[number as usize].outcome != PaymentOutcome::Paid,
        CoinState::None | CoinState::Returned(_) => false,
    }
}

fn first_balls(state: &WalletState, places: &[CoinPlace]) -> Vec<u64> {
    let ball =
        |place: &CoinPlace| state.sets[place.set as usize].superbins[0][place.subbin as usize];
    places.iter().map(ball).collect()
}

/// SHA-256 over the first balls, 8 bytes big-endian each.
pub(super) fn digest(state: &WalletState, places: &[CoinPlace]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for x in first_balls(state, places) {
        hash.update(u64_be(x));
    }
    hash.finalize().into()
}

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

/// An answer that does not tell which return of the wallet it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoSuchReturn {
    /// The number of verdicts in the answer.
    pub coins: usize,
    /// Whose coins.
    pub user: UserId,
    /// Their period.
    pub period: Period,
    /// Whether more than one return fits, and not none.
    pub has_several: bool,
}

impl std::error::Error for NoSuchReturn {}

impl fmt::Display for NoSuchReturn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoSuchReturn { coins, user, period, has_several } = self;
        let what = format!("return of {coins} coins of {user} in period {period}");
        match has_several {
            true => write!(f, "the wallet has more than one {what}: pass its Request-ID"),
            false => write!(f, "the wallet has no {what}"),
        }
    }
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
        let held = self.holdings.iter().enumerate().filter(|(_, held)| {
            let raw = held.params.raw();
            raw.expiration <= now && now < raw.redeem_until
        });
        held.map(|(holding, _)| Returnable {
            holding,
            coins: returnable(self, holding, usize::MAX).len(),
        })
        .filter(|returnable| returnable.coins > 0)
        .collect()
    }

    /// The returns to send, for the first time or again: those without an answer, and after
    /// redeem-until those with coins for which the verdict was to wait.
    pub fn unanswered_returns(&self, now: UnixTime) -> Vec<&CoinReturn> {
        self.returns.iter().filter(|back| self.is_unanswered(back, now)).collect()
    }

    fn is_unanswered(&self, back: &CoinReturn, now: UnixTime) -> bool {
        let is_final = self.holdings[back.holding].params.raw().redeem_until <= now;
        back.verdicts.iter().any(|verdict| match verdict {
            None => true,
            Some(verdict) => is_final && *verdict == Verdict::Waiting,
        })
    }

    /// The message of a return; it is the same every time.
    pub fn request_credit(&self, back: &CoinReturn) -> RequestCredit {
        let held = &self.holdings[back.holding];
        let x = first_balls(self, &back.places);
        let mut request = RequestCredit {
            user: held.user.clone(),
            period: held.params.period().clone(),
            request: back.request.clone(),
            authenticator: held.user_key.request_credit(back.request.as_str(), &[]),
            x,
        };
        request.authenticator =
            held.user_key.request_credit(back.request.as_str(), &request.data());
        request
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

    /// The return that an answer is about: the one with the Request-ID `request`, or else the only
    /// one with the same user, period and number of coins.
    ///
    /// # Errors
    /// There is no such return, or more than one.
    pub(super) fn find_return(
        &self,
        answer: &FundsCredited,
        request: Option<&Id>,
    ) -> Result<&CoinReturn, NoSuchReturn> {
        let mut fitting = self.returns.iter().filter(|back| {
            let held = &self.holdings[back.holding];
            held.user == answer.user
                && *held.params.period() == answer.period
                && back.verdicts.len() == answer.verdicts.len()
                && request.is_none_or(|request| *request == back.request)
        });
        match (fitting.next(), fitting.next()) {
            (Some(found), None) => Ok(found),
            (found, _) => Err(NoSuchReturn {
                coins: answer.verdicts.len(),
                user: answer.user.clone(),
                period: answer.period.clone(),
                has_several: found.is_some(),
            }),
        }
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
