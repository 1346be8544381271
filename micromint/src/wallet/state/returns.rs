//! The coins that a return takes: a rule that replaying the wallet file repeats.

use sha2::{Digest, Sha256};

use super::{CoinState, WalletState};
use crate::bytes::u64_be;
use crate::wallet::outcome::PaymentOutcome;
use crate::wallet::record::CoinPlace;

/// The coins of a holding that can be returned, at most `coins_max`, ordered by set and then by
/// sub-bin: those never spent, and those whose payment did not bring the content. If the vendor
/// redeems one of the latter, the broker pays the vendor and not the client.
pub(in crate::wallet) fn returnable(
    state: &WalletState,
    holding: usize,
    coins_max: usize,
) -> Vec<CoinPlace> {
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

pub(in crate::wallet) fn first_balls(state: &WalletState, places: &[CoinPlace]) -> Vec<u64> {
    let ball =
        |place: &CoinPlace| state.sets[place.set as usize].superbins[0][place.subbin as usize];
    places.iter().map(ball).collect()
}

/// SHA-256 over the first balls, 8 bytes big-endian each.
pub(in crate::wallet) fn digest(state: &WalletState, places: &[CoinPlace]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for x in first_balls(state, places) {
        hash.update(u64_be(x));
    }
    hash.finalize().into()
}
