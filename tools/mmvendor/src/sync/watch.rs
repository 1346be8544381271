//! The watch: payments that were just taken, shown to the broker.

use micromint::authenticator::Key;
use micromint::protocol::{RequestWatch, WatchResult};
use micromint::till::Till;
use micromint::vendor::watch::{WatchLimits, make_watch, mark_shown, read_watch};
use micromint_console::{ToolError, say, tell};

use super::Link;

/// How many groups of messages are sent one after the other.
const GROUPS_AT_A_TIME: u32 = 100;

impl Link<'_> {
    /// Shows the payments that were taken since the last time. Users whose payments fail are
    /// blocked.
    pub(super) fn watch(&self) -> Result<(), ToolError> {
        if !self.has_till() {
            return Ok(());
        }
        let till = &self.files.open()?.till;
        let key = self.key()?.sync_key();
        for _ in 0..GROUPS_AT_A_TIME {
            let made = make_watch(till, &self.vendor, &key, WatchLimits::default())?;
            let Some(watch) = made else { return Ok(()) };
            for message in &watch.messages {
                self.show(till, &key, message)?;
            }
            mark_shown(till, &watch)?;
            if !watch.is_more_left {
                return Ok(());
            }
        }
        Ok(())
    }

    fn show(&self, till: &Till, key: &Key, message: &RequestWatch) -> Result<(), ToolError> {
        let answer = self.broker.ask("/v1/watch", &message.to_bytes())?;
        // With another key the payments are shown later.
        if answer.is_refused_for_good() && !answer.is_wrong_key() {
            // Payments of this period cannot be shown: this must not stop those of others.
            tell!("mmvendor: warning: the watch of {}: {}", message.period, answer.words());
            return Ok(());
        }
        let result = WatchResult::parse(&self.good(answer)?)?;
        read_watch(till, key, message, &result)?;
        for user in result.blocked.users() {
            say!("blocked: {user}; the servers of this till refuse payments of this user");
        }
        Ok(())
    }
}
