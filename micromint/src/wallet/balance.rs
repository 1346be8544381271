//! The balance of a holding: how many of its coins are in which state.

use crate::time::UnixTime;

use super::outcome::PaymentOutcome;
use super::state::{CoinState, WalletState};

/// How many coins of a holding are in which state. A coin is counted by its first ball. Not every
/// coin is good at every vendor ([`WalletState::spendable_at`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Balance {
    /// The number of sets.
    pub sets: u32,
    /// Coins that were never sent and can be spent.
    pub unspent: u32,
    /// Coins of a restored backup that this wallet never sent. They can only be returned.
    pub in_doubt: u32,
    /// Coins for which the content came.
    pub paid: u32,
    /// Coins that were sent and are bound to a vendor, without a recorded success.
    pub bound: u32,
    /// Coins returned to the broker.
    pub returned: u32,
}

impl WalletState {
    /// The balance of a holding.
    pub fn balance(&self, holding: usize) -> Balance {
        let mut balance = Balance::default();
        for set in self.sets.iter().filter(|set| set.holding == holding) {
            balance.sets += 1;
            for coin in &set.coins {
                let count = match coin {
                    CoinState::None => continue,
                    CoinState::Unspent if set.in_doubt => &mut balance.in_doubt,
                    CoinState::Unspent => &mut balance.unspent,
                    CoinState::Returned(_) => &mut balance.returned,
                    CoinState::Sent(number) => match self.payments[*number as usize].outcome {
                        PaymentOutcome::Paid => &mut balance.paid,
                        PaymentOutcome::Unknown
                        | PaymentOutcome::Refused(_)
                        | PaymentOutcome::NotKept(_)
                        | PaymentOutcome::NotSeen(_) => &mut balance.bound,
                    },
                };
                *count += 1;
            }
        }
        balance
    }

    /// The holdings that still have coins, and that either expire within `seconds` from `now` or
    /// have expired and can still be returned.
    pub fn expiring(&self, now: UnixTime, seconds: i64) -> Vec<usize> {
        let is_near = |holding: &usize| {
            let raw = self.holdings[*holding].params.raw();
            let near = raw.expiration <= now.plus_seconds(seconds) && now < raw.redeem_until;
            let balance = self.balance(*holding);
            near && balance.unspent + balance.in_doubt > 0
        };
        (0..self.holdings.len()).filter(is_near).collect()
    }
}
