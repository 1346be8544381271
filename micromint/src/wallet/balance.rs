//! What the wallet is worth: the coins of a holding by where they are.

use crate::time::UnixTime;

use super::outcome::PaymentOutcome;
use super::state::{CoinState, State};

/// The coins of a holding. A coin is a ball in a first superbin; how many of them are good at one
/// vendor depends on the vendor ([`State::coins_at`]) and is some less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Balance {
    /// Sets.
    pub sets: u32,
    /// Coins that never left and may be spent.
    pub unspent: u32,
    /// Coins that never left this wallet, which came from a backup: for a return only.
    pub in_doubt: u32,
    /// Coins paid, the content came.
    pub paid: u32,
    /// Coins that left and are bound to a vendor, which did not say that it kept them.
    pub bound: u32,
    /// Coins sent back to the broker.
    pub returned: u32,
}

impl State {
    /// The coins of a holding by where they are.
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
                    CoinState::Left(number) => match self.payments[*number as usize].outcome {
                        PaymentOutcome::Paid => &mut balance.paid,
                        PaymentOutcome::Unknown
                        | PaymentOutcome::Refused(_)
                        | PaymentOutcome::NotKept(_) => &mut balance.bound,
                    },
                };
                *count += 1;
            }
        }
        balance
    }

    /// The holdings with unspent coins that expire within `seconds` from now, and those that have
    /// expired and can still be returned.
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
