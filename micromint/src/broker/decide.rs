//! The verdicts on examined coins and returned balls, as far as they depend on what was paid.
//!
//! Input: examined coins or balls, and whether each first bin that they claim is paid. Output: a
//! claim for each of them, with its verdict. Nothing is read or written here. The invariant: of the
//! claims on one first bin at most one is accepted.

use std::collections::HashSet;

use super::claim::{Buyer, Claim};
use super::examine::ExaminedPayment;
use super::examine_return::ExaminedBall;
use super::rank::verdict_now;
use crate::bin::Bin;
use crate::protocol::Verdict;

/// The first bins that these payments claim, in order: one for each coin that has a rank.
pub fn claimed_bins(examined: &[ExaminedPayment]) -> Vec<Bin> {
    let coins = examined.iter().flat_map(|payment| &payment.coins);
    coins.filter(|coin| coin.rank.is_ok()).filter_map(|coin| coin.bin).collect()
}

/// One claim for each coin, in order. `paid` tells whether each bin of [`claimed_bins`] is paid, in
/// the same order. The payments are numbered from `first_number`.
pub fn decide(
    examined: &[ExaminedPayment],
    first_number: u32,
    paid: impl IntoIterator<Item = bool>,
) -> Vec<Claim> {
    let mut paid = paid.into_iter();
    let mut paid_now = HashSet::new();
    let mut claims = Vec::new();
    for (number, payment) in (first_number..).zip(examined) {
        for coin in &payment.coins {
            let verdict = match (coin.rank, coin.bin) {
                (Err(verdict), _) => verdict,
                // Only a coin with a first bin has a rank.
                (Ok(_), None) => Verdict::Malformed,
                (Ok(rank), Some(bin)) => {
                    let is_paid = paid.next().unwrap_or(true) || paid_now.contains(&bin);
                    let verdict = verdict_now(rank, is_paid);
                    if verdict == Verdict::Accepted {
                        paid_now.insert(bin);
                    }
                    verdict
                }
            };
            claims.push(coin.claim(payment, number, verdict));
        }
    }
    claims
}

/// The first bins that a return claims, in order: one for each ball that has a rank.
pub fn returned_bins(examined: &[ExaminedBall]) -> Vec<Bin> {
    examined.iter().filter(|ball| ball.rank.is_ok()).filter_map(|ball| ball.bin).collect()
}

/// One claim for each returned ball, in order. `paid` tells whether each bin of [`returned_bins`]
/// is paid, in the same order.
pub fn decide_return(
    examined: &[ExaminedBall],
    buyer: Option<Buyer>,
    paid: impl IntoIterator<Item = bool>,
) -> Vec<Claim> {
    let mut paid = paid.into_iter();
    let mut decide = |ball: &ExaminedBall| {
        let verdict = match ball.rank {
            Err(verdict) => verdict,
            Ok(rank) => verdict_now(rank, paid.next().unwrap_or(true)),
        };
        ball.claim(buyer, verdict)
    };
    examined.iter().map(&mut decide).collect()
}

/// Replaces the verdicts on all claims after redeem-until.
pub fn set_too_late(claims: &mut [Claim]) {
    let undecided = claims.iter_mut().filter(|claim| claim.rank.is_some());
    undecided.for_each(|claim| claim.verdict = Verdict::TooLate);
}
