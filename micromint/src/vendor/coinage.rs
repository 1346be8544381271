//! The kinds of coins that a vendor accepts, for documents about prices.
//!
//! Input: what coins are worth. Output: a price in the coins in which it is the lowest. The
//! invariant: it is the price that a Request-Payment names first at the same time.

use crate::money::Money;
use crate::protocol::COINS_PER_PAYMENT_MAX;

/// The kinds of coins that are accepted: how many base coins each is worth, and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Coinage(Vec<(u32, Money)>);

impl Coinage {
    /// These kinds, in any order and number.
    pub(super) fn new(kinds: impl Iterator<Item = (u32, Money)>) -> Coinage {
        let mut kinds: Vec<(u32, Money)> = kinds.collect();
        kinds.sort_unstable_by_key(|(worth, value)| (*worth, value.units()));
        kinds.dedup();
        Coinage(kinds)
    }

    /// Whether there are coins of several values.
    pub(super) fn is_mixed(&self) -> bool {
        self.0.len() > 1
    }

    /// The lowest payment for a price in base coins: the number of coins and the value of each.
    /// `None` if no coins are accepted, or no payment is as high.
    pub(super) fn least(&self, price: u32) -> Option<(u32, Money)> {
        let kinds = self.0.iter().map(|(worth, value)| (price.div_ceil(*worth), *worth, *value));
        let fits = kinds.filter(|(coins, ..)| *coins <= COINS_PER_PAYMENT_MAX);
        let least = fits.min_by_key(|(coins, worth, _)| (coins * worth, *coins));
        least.map(|(coins, _, value)| (coins, value))
    }
}
