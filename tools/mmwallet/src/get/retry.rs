//! When a fetch is tried again, with the rules of curl's `--retry`.
//!
//! Input: how a try ended. Output: how long to wait before the next one, if there is one. A payment
//! whose answer was lost is sent again with the same coins, so trying again never pays twice.

use std::time::Duration;

use crate::exit;
use crate::net::{Failure, Transfer};

/// The responses that may be different later.
const TRANSIENT: [u16; 6] = [408, 429, 500, 502, 503, 504];
/// The first wait; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// The longest wait that a server can ask for, as in curl.
const ASKED_MAX: Duration = Duration::from_secs(6 * 3600);

/// How often and how long to try again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retry {
    /// How many times.
    pub count: u32,
    /// Always wait this long.
    pub delay: Option<Duration>,
    /// Begin no further try after this time.
    pub time_max: Option<Duration>,
    /// Also if nothing listens at the port.
    pub on_refused: bool,
    /// Also after any other failure.
    pub on_all_errors: bool,
}

/// Whether this response may be different later.
pub(super) fn is_transient(status: u16) -> bool {
    TRANSIENT.contains(&status)
}

impl Retry {
    /// How long to wait before try number `tries` + 1, if it is worth one: `status` is the exit
    /// status of the last one, `spent` the time since the first one began.
    pub(super) fn wait(
        &self,
        status: u8,
        transfer: &Transfer,
        tries: u32,
        spent: Duration,
    ) -> Option<Duration> {
        if tries > self.count || !self.is_worth_it(status, transfer) {
            return None;
        }
        let doubled = FIRST_WAIT.saturating_mul(1u32.checked_shl(tries - 1).unwrap_or(u32::MAX));
        let wait = match (self.delay, retry_after(transfer)) {
            (_, Some(asked)) => asked,
            (Some(delay), None) => delay,
            (None, None) => doubled.min(WAIT_MAX),
        };
        let is_in_time = self.time_max.is_none_or(|time_max| spent + wait <= time_max);
        is_in_time.then_some(wait)
    }

    fn is_worth_it(&self, status: u8, transfer: &Transfer) -> bool {
        match status {
            exit::NO_ANSWER => true,
            exit::HTTP => is_transient(transfer.status) || self.on_all_errors,
            exit::NETWORK => match transfer.failure {
                Some(Failure::Timeout | Failure::HostNotFound) => true,
                Some(Failure::Refused) => self.on_refused || self.on_all_errors,
                Some(Failure::Other) | None => self.on_all_errors,
            },
            _ => false,
        }
    }
}

/// The seconds in the header Retry-After.
fn retry_after(transfer: &Transfer) -> Option<Duration> {
    let value = transfer.headers.get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(ASKED_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(
        retry: Retry,
        status: u8,
        transfer: &Transfer,
        tries: u32,
        spent: u64,
    ) -> Option<u64> {
        let wait = retry.wait(status, transfer, tries, Duration::from_secs(spent));
        wait.map(|wait| wait.as_secs())
    }

    #[test]
    fn waits_double_up_to_ten_minutes() {
        let retry = Retry { count: 40, ..Retry::default() };
        let gone = Transfer { status: 503, ..Transfer::default() };
        for (tries, expected) in [(1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (40, 600)] {
            assert_eq!(seconds(retry, exit::HTTP, &gone, tries, 0), Some(expected));
        }
        assert_eq!(seconds(retry, exit::HTTP, &gone, 41, 0), None);
        assert_eq!(seconds(Retry::default(), exit::HTTP, &gone, 1, 0), None);
        let fixed = Retry { delay: Some(Duration::from_secs(7)), ..retry };
        assert_eq!(seconds(fixed, exit::HTTP, &gone, 3, 0), Some(7));
        let mut asked = gone.clone();
        asked.headers.insert("retry-after", "30".parse().unwrap());
        assert_eq!(seconds(fixed, exit::HTTP, &asked, 3, 0), Some(30));
        asked.headers.insert("retry-after", "18446744073709551615".parse().unwrap());
        assert_eq!(seconds(fixed, exit::HTTP, &asked, 3, 0), Some(6 * 3600));
        let hour = Retry { time_max: Some(Duration::from_secs(3600)), ..retry };
        assert_eq!(seconds(hour, exit::HTTP, &asked, 1, 2), None);
        asked.headers.insert("retry-after", "30".parse().unwrap());
        let short = Retry { time_max: Some(Duration::from_secs(40)), ..retry };
        assert_eq!(seconds(short, exit::HTTP, &asked, 1, 10), Some(30));
        assert_eq!(seconds(short, exit::HTTP, &asked, 1, 11), None);
    }

    #[test]
    fn only_what_may_be_different_later_is_tried_again() {
        let retry = Retry { count: 1, ..Retry::default() };
        let refused = Retry { on_refused: true, ..retry };
        let all = Retry { on_all_errors: true, ..retry };
        let failed = |failure| Transfer { failure: Some(failure), ..Transfer::default() };
        let answered = |status| Transfer { status, ..Transfer::default() };
        for (status, transfer, plain, on_refused, on_all) in [
            (exit::NO_ANSWER, answered(200), true, true, true),
            (exit::HTTP, answered(429), true, true, true),
            (exit::HTTP, answered(404), false, false, true),
            (exit::NETWORK, failed(Failure::Timeout), true, true, true),
            (exit::NETWORK, failed(Failure::HostNotFound), true, true, true),
            (exit::NETWORK, failed(Failure::Refused), false, true, true),
            (exit::NETWORK, failed(Failure::Other), false, false, true),
            (exit::NOT_PAID, answered(402), false, false, false),
            (exit::REFUSED, answered(402), false, false, false),
            (0, answered(200), false, false, false),
        ] {
            let found = [retry, refused, all]
                .map(|retry| seconds(retry, status, &transfer, 1, 0).is_some());
            assert_eq!(found, [plain, on_refused, on_all], "{status} {transfer:?}");
        }
    }
}
