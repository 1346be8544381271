//! The balls that a sale delivers, and what it costs.
//!
//! Input: the superbins of a set. Output: their balls, except those of bins that were declared
//! compromised before the set was sold. The invariant: the balls of a sold set never change, so its
//! message can be made again.

use super::sold::Sold;
use crate::bin::Bin;
use crate::coin_file::{CoinFile, CoinFileError};
use crate::identity::UserVector;
use crate::protocol::SoldSet;

/// The set of the user with this vector that begins at `first`.
///
/// # Errors
/// The coin file cannot be read, or has no such superbins.
pub fn sold_set(
    coin_file: &CoinFile,
    sold: &dyn Sold,
    vector: &UserVector,
    first: u32,
) -> Result<SoldSet, CoinFileError> {
    let balls = |superbin: &u32| delivered_balls(coin_file, sold, *superbin, first);
    Ok(SoldSet { superbins: vector.set(first).iter().map(balls).collect::<Result<_, _>>()? })
}

/// The number of first balls in the set that begins at `first`, which is what it costs, in coins.
///
/// # Errors
/// The coin file cannot be read, or has no such superbin.
pub fn delivered_coins(
    coin_file: &CoinFile,
    sold: &dyn Sold,
    first: u32,
) -> Result<u32, CoinFileError> {
    if sold.has_compromised(first) {
        return Ok(delivered_balls(coin_file, sold, first, first)?.len() as u32);
    }
    Ok(coin_file.superbin_header(first)?.ball_count)
}

/// The first balls of the set that begins at superbin `first`, in the order of their bins, without
/// those of bins that are withheld.
///
/// # Errors
/// As for [`delivered_coins`].
pub fn delivered_first_balls(
    coin_file: &CoinFile,
    sold: &dyn Sold,
    first: u32,
) -> Result<Vec<u64>, CoinFileError> {
    delivered_balls(coin_file, sold, first, first)
}

/// The balls of a superbin in the set that begins at `first`: those of bins that were not declared
/// compromised before the set was sold.
fn delivered_balls(
    coin_file: &CoinFile,
    sold: &dyn Sold,
    superbin: u32,
    first: u32,
) -> Result<Vec<u64>, CoinFileError> {
    let stored = coin_file.superbin(superbin)?;
    let is_delivered = |subbin| !sold.is_withheld(Bin { superbin, subbin }, first);
    let delivered = stored.balls().filter(|(subbin, _)| is_delivered(*subbin));
    Ok(delivered.map(|(_, ball)| ball.x).collect())
}
