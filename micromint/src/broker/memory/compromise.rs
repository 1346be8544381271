//! Declaring bins compromised.

use super::MemoryBroker;
use crate::broker::{BinRange, CompromiseRefusal, compromise_refusal};
use crate::coin_file::CoinFileError;
use crate::reply::Reply;

impl MemoryBroker {
    /// Declares bins compromised. Returns the number of balls that were not compromised before.
    ///
    /// # Errors
    /// The coin file cannot be read.
    pub fn compromise(
        &mut self,
        bins: BinRange,
    ) -> Result<Reply<u64, CompromiseRefusal>, CoinFileError> {
        if let Some(refusal) = compromise_refusal(self.params(), bins) {
            return Ok(Reply::Refused(refusal));
        }
        let superbin = self.coin_file.superbin(bins.superbin)?;
        let is_sound = |subbin| !self.ledger.is_compromised_at(bins.superbin, subbin);
        let balls = superbin.balls().map(|(subbin, _)| subbin);
        let fresh = balls.filter(|at| bins.contains(*at) && is_sound(*at)).count() as u64;
        if fresh > 0 {
            self.ledger.compromise(bins);
        }
        Ok(Reply::Granted(fresh))
    }
}
