//! The steps of moves in the state of a wallet: each follows those before it.

use super::WalletState;
use crate::wallet::hop::{Frozen, Move, MoveStep};

impl WalletState {
    /// Applies a step of a move.
    pub(super) fn take_move(&mut self, step: Move) -> Result<(), String> {
        let last = self.moves.last().map(|last| (last.step, last.token));
        let is_completed = last == Some((MoveStep::Prepared, step.token));
        let may_follow = match step.step {
            MoveStep::Left | MoveStep::Prepared => {
                matches!(self.frozen, None | Some(Frozen::Travels(_)))
            }
            MoveStep::Travels | MoveStep::Arrived => self.frozen.is_some() && is_completed,
        };
        if !may_follow {
            return Err(format!("found a step {:?} of a move out of order", step.step));
        }
        self.frozen = match step.step {
            MoveStep::Left => Some(Frozen::Left(step.at)),
            MoveStep::Prepared => Some(Frozen::Prepared(step.at)),
            MoveStep::Travels => Some(Frozen::Travels(step.at)),
            MoveStep::Arrived => None,
        };
        self.moves.push(step);
        Ok(())
    }
}
