//! Which holding pays first.
//!
//! Anyone can write a Funds-Withdrawn in the name of any broker and user. Every ball in it can be
//! genuine by its own parameters, and every vendor refuses it. Input: the wallet's state. Output:
//! the order in which holdings pay. The invariant: a holding whose last decided payment was refused
//! because of its coins pays after all others. So a holding that someone slipped into a wallet
//! costs its owner one refused payment, and the genuine coins pay the next one.

use std::collections::BTreeMap;

use crate::period::Period;
use crate::time::UnixTime;

use super::outcome::PaymentOutcome;
use super::state::WalletState;

/// What speaks for and against a holding. The best comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It came from the broker's own web page, or its last decided payment was paid.
    Good,
    /// It came from a file, and no payment was decided yet.
    Unproven,
    /// Its last decided payment, which has this number, was refused because of its coins.
    Refused(usize),
}

impl WalletState {
    fn standing(&self, holding: usize) -> Standing {
        let payments = self.payments.iter().enumerate().rev();
        let mut decided = payments.filter(|(_, payment)| payment.holding == holding).filter_map(
            |(number, payment)| match &payment.outcome {
                PaymentOutcome::Paid => Some(Standing::Good),
                PaymentOutcome::Refused(_) if !payment.outcome.leaves_coins_usable() => {
                    Some(Standing::Refused(number))
                }
                PaymentOutcome::Refused(_)
                | PaymentOutcome::Unknown
                | PaymentOutcome::NotKept(_)
                | PaymentOutcome::NotSeen(_) => None,
            },
        );
        decided.next().unwrap_or(match self.holdings[holding].is_confirmed {
            true => Standing::Good,
            false => Standing::Unproven,
        })
    }

    /// Sorts holdings in the order in which they pay: the period that expires first comes first,
    /// and in it the holding with the best standing. Refused holdings come last, the one whose
    /// refusal is longest ago first.
    pub(super) fn order(&self, holdings: &mut [usize]) {
        let raw = |holding: usize| self.holdings[holding].params.raw();
        let standings: BTreeMap<usize, Standing> =
            holdings.iter().map(|holding| (*holding, self.standing(*holding))).collect();
        holdings.sort_by_key(|holding| (standings[holding], raw(*holding).expiration));
        // A period expires when its best holding says so: a worse one may have other parameters.
        let mut ends: BTreeMap<&Period, UnixTime> = BTreeMap::new();
        for holding in holdings.iter() {
            ends.entry(&raw(*holding).period).or_insert(raw(*holding).expiration);
        }
        holdings.sort_by_key(|holding| match standings[holding] {
            Standing::Good | Standing::Unproven => (false, ends[&raw(*holding).period]),
            Standing::Refused(_) => (true, UnixTime(0)),
        });
    }
}
