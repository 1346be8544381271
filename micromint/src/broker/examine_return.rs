//! The checks of returned balls that do not depend on what was paid: form, whose they are, and
//! whether the broker minted them.
//!
//! Input: the balls of a return. Output: for each its first bin and a rank, or the verdict that
//! rejects it. The invariant: a ball that is not of the user's sets gets one verdict and is not
//! looked up.

use super::claim::{Buyer, Claim, Facts};
use super::examine::found;
use super::rank::{Rank, Source, rank_of_return};
use super::sold::Sold;
use crate::bin::Bin;
use crate::coin::CoinRules;
use crate::coin_file::{CoinFile, CoinFileError};
use crate::protocol::{RequestCredit, Verdict};

/// A ball of a return.
#[derive(Clone, Copy, Debug)]
pub struct ExaminedBall {
    /// Its bin; `None` if it has none.
    pub bin: Option<Bin>,
    /// It is of a set of the user who returns it.
    is_sold: bool,
    /// The rank of its claim, or the verdict that rejects it.
    pub rank: Result<Rank, Verdict>,
}

/// Examines the balls of a return: their form, whose they are, and only then what was minted.
///
/// # Errors
/// The coin file cannot be read.
pub fn examine_return(
    rules: &CoinRules,
    coin_file: &CoinFile,
    sold: &dyn Sold,
    request: &RequestCredit,
) -> Result<Vec<ExaminedBall>, CoinFileError> {
    let outputs = rules.outputs(&request.x);
    let params = rules.params();
    let examine = |(x, output): (&u64, &u64)| {
        if *x >= params.input_end() {
            return ExaminedBall::without_bin(Verdict::InputWrong);
        }
        let Some(bin) = params.bin_of(*output) else {
            return ExaminedBall::without_bin(Verdict::FixedBits);
        };
        let is_first = bin.superbin.is_multiple_of(2);
        let is_sold = sold.owner(bin.superbin) == Some(&request.user);
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
    for ((bin, i), stored) in order.into_iter().zip(coin_file.balls(&bins)?) {
        let found = found(rules, coin_file, bin, request.x[i], stored)?;
        let is_withheld = sold.is_withheld(bin, bin.superbin);
        balls[i].rank = rank_of_return(balls[i].is_sold, is_withheld, found);
    }
    Ok(balls)
}

impl ExaminedBall {
    fn without_bin(verdict: Verdict) -> ExaminedBall {
        ExaminedBall { bin: None, is_sold: false, rank: Err(verdict) }
    }

    /// The claim with this verdict.
    pub(super) fn claim(&self, buyer: Option<Buyer>, verdict: Verdict) -> Claim {
        // The authenticator of the return is right: it is checked before anything else.
        let source = Source { is_signed: true, has_token: false, is_sold: self.is_sold };
        let is_forged = verdict == Verdict::Forged;
        let facts = Facts { source, is_forged, ..Facts::default() };
        Claim { verdict, bin: self.bin, rank: self.rank.ok(), facts, payment: 0, digest: 0, buyer }
    }
}
