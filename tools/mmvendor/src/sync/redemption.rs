//! Batches to the broker, their results, and the removal of what is final.

use micromint::protocol::RedemptionResult;
use micromint::vendor::redemption::{BatchLimits, make_batch, prune, read_result};
use micromint_console::{ToolError, say, tell};

use super::Link;
use crate::redeem::print_batch;

/// How many batches are sent one after the other.
const BATCHES_AT_A_TIME: u32 = 1000;

impl Link<'_> {
    /// Sends all payments that are due, reads the results, and removes journals in which everything
    /// is final.
    pub(super) fn batches(&self) -> Result<(), ToolError> {
        if !self.has_till() {
            let path = self.till.display();
            tell!("mmvendor: there is no till {path} yet: the server makes it when it starts");
            return Ok(());
        }
        let (till, key) = (&self.files.open()?.till, self.key()?);
        let mut before = None;
        for _ in 0..BATCHES_AT_A_TIME {
            let limits = BatchLimits::default();
            let made = make_batch(till, &self.vendor, &key, None, limits)?;
            // A batch whose coins still wait is made again: it was sent a moment ago.
            let Some(made) = made.filter(|made| before.as_ref() != Some(&made.batch.id)) else {
                break;
            };
            before = Some(made.batch.id.clone());
            let answer = self.broker.ask("/v1/redemptions", &made.message.to_bytes())?;
            let result = RedemptionResult::parse(&self.good(answer)?)?;
            print_batch(&read_result(till, &self.vendor, &key, &result)?);
            for user in result.blocked.users() {
                say!("blocked: {user}; the servers of this till refuse payments of this user");
            }
        }
        for name in prune(till)? {
            say!("removed {name}: everything in it is final and past redeem-until");
        }
        Ok(())
    }
}
