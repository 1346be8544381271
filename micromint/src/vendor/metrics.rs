//! Counters: how many requests had which outcome, for Prometheus.
//!
//! Input: events. Output: text in the Prometheus exposition format. The invariant: the counters are
//! an array of numbers without a pointer, so that a server can keep them in memory that all its
//! processes share.

use std::fmt::Write;
use std::iter::Sum;
use std::sync::atomic::{AtomicU64, Ordering};

use super::event::Event;
use crate::protocol::{Refusal, RequestOutcome};

/// The number of outcomes; each is counted in a slot of its own.
const OUTCOMES: usize = RequestOutcome::UNREFUSED.len() + Refusal::ALL.len();
/// The slot of recorded coins; the next slot is that of reversed coins.
const COINS: usize = 2 * OUTCOMES;
/// The number of counters.
const SLOTS: usize = COINS + 2;

/// The media type of [`Counters::to_prometheus`].
pub const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counts of events. All-zero memory, aligned to 8 bytes, is a valid value with all counts zero,
/// and several processes may count in one shared value.
///
/// ```
/// use micromint::protocol::RequestOutcome;
/// use micromint::vendor::{Answer, Counters, Decision, Gauges};
///
/// let counters = Counters::default();
/// let answer = Answer { outcome: RequestOutcome::Unpaid, status: 402, ..Answer::default() };
/// let decision = Decision::from(answer);
/// counters.count(&decision.event(402, decision.outcome()));
/// let text = counters.to_prometheus(Gauges::default());
/// assert!(text.contains("micromint_requests_total{outcome=\"unpaid\"} 1"));
/// ```
#[repr(transparent)]
#[derive(Debug)]
pub struct Counters([AtomicU64; SLOTS]);

/// What is measured when the counters are read: the sum over all vendors of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Gauges {
    /// The number of accepted periods that have not ended and have no owners file.
    pub periods_without_owners: usize,
    /// The number of vendors none of whose periods is valid: they accept no coins.
    pub vendors_without_period: usize,
    /// The number of vendors whose price list cannot be used as it is now: the prices read before
    /// stay in use.
    pub stale_price_lists: usize,
}

impl Sum for Gauges {
    fn sum<I: Iterator<Item = Gauges>>(gauges: I) -> Gauges {
        gauges.fold(Gauges::default(), |sum, one| Gauges {
            periods_without_owners: sum.periods_without_owners + one.periods_without_owners,
            vendors_without_period: sum.vendors_without_period + one.vendors_without_period,
            stale_price_lists: sum.stale_price_lists + one.stale_price_lists,
        })
    }
}

impl Default for Counters {
    fn default() -> Counters {
        Counters([const { AtomicU64::new(0) }; SLOTS])
    }
}

impl Counters {
    /// Counts an event. Lock-free and non-blocking.
    pub fn count(&self, event: &Event<'_>) {
        let first = if event.is_dry_run { OUTCOMES } else { 0 };
        self.add(first + slot(event.outcome), 1);
        match event.outcome {
            RequestOutcome::Paid if !event.is_dry_run => self.add(COINS, event.coins.into()),
            // The same request recorded and reversed the coins.
            RequestOutcome::Reversed => {
                self.add(COINS, event.coins.into());
                self.add(COINS + 1, event.coins.into());
            }
            _ => {}
        }
    }

    /// All counters and the gauges in the text format of Prometheus.
    pub fn to_prometheus(&self, gauges: Gauges) -> String {
        let mut text = String::new();
        family(&mut text, "requests", "Requests that the paywall decided about, by outcome.");
        self.outcomes(&mut text, "requests", 0);
        family(
            &mut text,
            "dry_run_requests",
            "Requests in a dry run, by the outcome that they would have had.",
        );
        self.outcomes(&mut text, "dry_run_requests", OUTCOMES);
        for (slot, name, help) in [
            (COINS, "coins", "Coins recorded."),
            (COINS + 1, "coins_reversed", "Coins recorded and then reversed."),
        ] {
            family(&mut text, name, help);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "micromint_{name}_total {}", self.read(slot));
        }
        for (name, help, value) in [
            (
                "micromint_periods_without_owners",
                "Accepted periods whose payments are taken without an owners file.",
                gauges.periods_without_owners,
            ),
            (
                "micromint_vendors_without_period",
                "Vendors that accept no coins, because none of their periods is valid.",
                gauges.vendors_without_period,
            ),
            (
                "micromint_stale_price_lists",
                "Vendors whose changed price list cannot be used, so that older prices are in use.",
                gauges.stale_price_lists,
            ),
        ] {
            // Writing to a String cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
        }
        text
    }

    fn outcomes(&self, text: &mut String, name: &str, first: usize) {
        for (slot, outcome) in all_outcomes().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "micromint_{name}_total{{outcome=\"{}\"}} {}",
                outcome.word(),
                self.read(first + slot)
            );
        }
    }

    fn add(&self, slot: usize, number: u64) {
        if let Some(counter) = self.0.get(slot) {
            counter.fetch_add(number, Ordering::Relaxed);
        }
    }

    fn read(&self, slot: usize) -> u64 {
        self.0.get(slot).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

fn all_outcomes() -> impl Iterator<Item = RequestOutcome> {
    let refusals = Refusal::ALL.iter().map(|refusal| RequestOutcome::Refused(*refusal));
    RequestOutcome::UNREFUSED.into_iter().chain(refusals)
}

fn slot(outcome: RequestOutcome) -> usize {
    match outcome {
        RequestOutcome::Refused(refusal) => RequestOutcome::UNREFUSED.len() + refusal as usize,
        other => {
            RequestOutcome::UNREFUSED.iter().position(|outcome| *outcome == other).unwrap_or(0)
        }
    }
}

fn family(text: &mut String, name: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "# HELP micromint_{name}_total {help}\n# TYPE micromint_{name}_total counter\n"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::decision::{About, Decision, Serve};

    #[test]
    fn every_outcome_has_a_slot_of_its_own() {
        for (number, outcome) in all_outcomes().enumerate() {
            assert_eq!(slot(outcome), number, "{outcome:?}");
        }
        assert_eq!(all_outcomes().count(), OUTCOMES);
    }

    #[test]
    fn events_are_counted_and_printed() {
        let counters = Counters::default();
        let about = |is_dry_run| About { is_dry_run, ..About::default() };
        let paid = |is_dry_run| {
            Decision::Serve(Serve {
                outcome: RequestOutcome::Paid,
                coins: 3,
                about: about(is_dry_run),
                ..Serve::default()
            })
        };
        counters.count(&paid(false).event(200, RequestOutcome::Paid));
        counters.count(&paid(false).event(200, RequestOutcome::Paid));
        counters.count(&paid(false).event(404, RequestOutcome::Reversed));
        counters.count(&paid(true).event(200, RequestOutcome::Paid));
        counters.count(&paid(false).event(402, RequestOutcome::Refused(Refusal::Spent)));
        let one = Gauges { periods_without_owners: 1, ..Gauges::default() };
        let other =
            Gauges { periods_without_owners: 1, vendors_without_period: 3, stale_price_lists: 1 };
        let text = counters.to_prometheus([one, other].into_iter().sum());
        for line in [
            "# TYPE micromint_requests_total counter",
            "micromint_requests_total{outcome=\"paid\"} 2",
            "micromint_requests_total{outcome=\"reversed\"} 1",
            "micromint_requests_total{outcome=\"spent\"} 1",
            "micromint_requests_total{outcome=\"unpaid\"} 0",
            "micromint_dry_run_requests_total{outcome=\"paid\"} 1",
            "micromint_coins_total 9",
            "micromint_coins_reversed_total 3",
            "# TYPE micromint_periods_without_owners gauge",
            "micromint_periods_without_owners 2",
            "# TYPE micromint_vendors_without_period gauge",
            "micromint_vendors_without_period 3",
            "# TYPE micromint_stale_price_lists gauge",
            "micromint_stale_price_lists 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), SLOTS + 3);
    }
}
