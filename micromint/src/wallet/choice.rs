//! Coins chosen for a payment.

use super::record::CoinPlace;

/// Coins for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// The holding, as an index of [`WalletState::holdings`](super::WalletState::holdings).
    pub holding: usize,
    /// How many of the coins were never sent before.
    pub fresh: u32,
    /// How many coins of the holding are good at this vendor, including the chosen ones.
    pub spendable: u32,
    pub(super) places: Vec<CoinPlace>,
    pub(super) x: Vec<u64>,
}

impl Choice {
    /// The number of the coins.
    pub fn coins(&self) -> u32 {
        self.places.len() as u32
    }
}
