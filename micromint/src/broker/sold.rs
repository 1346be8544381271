//! What the examination of coins asks the broker's records about sales.
//!
//! Input: a superbin, a bin or a user. Output: facts about what was sold. The invariant: what is
//! answered never changes later, except that sets are sold and bins are declared compromised; so no
//! lock is needed while coins are examined.

use super::claim::Buyer;
use crate::bin::Bin;
use crate::identity::UserId;

/// Facts about the sales of one period. Any store of sales can answer these questions.
pub trait Sold: Sync {
    /// The buyer of the set that begins at this superbin; `None` if no sold set begins there.
    fn owner(&self, first_superbin: u32) -> Option<&UserId>;

    /// The number of a user; `None` if nothing was sold to the user.
    fn buyer(&self, user: &UserId) -> Option<Buyer>;

    /// Whether the set that begins at `first_superbin` is sold without the ball of this bin,
    /// because the bin was declared compromised before.
    fn is_withheld(&self, bin: Bin, first_superbin: u32) -> bool;

    /// Whether the bin is declared compromised, no matter when.
    fn is_compromised(&self, bin: Bin) -> bool;

    /// Whether a bin of this superbin is declared compromised.
    fn has_compromised(&self, superbin: u32) -> bool;
}
