//! Progress on standard error: a bar on a terminal, otherwise one line per minute.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use micromint::minting::{MintStage, Progress};
use micromint_console::tell;

use crate::units;

/// How often to update the bar.
const BAR_INTERVAL: Duration = Duration::from_millis(100);
/// How often to print a line.
const LINE_INTERVAL: Duration = Duration::from_secs(60);
/// The bar's resolution.
const BAR_STEPS: u64 = 10_000;

/// Shows progress. All threads can call it as often as they like.
pub(crate) struct Reporter {
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

struct State {
    /// The current stage, when it began, and its position then.
    stage: Option<(MintStage, Instant, u64)>,
    shown: Option<Instant>,
    /// The furthest position: threads may report out of order.
    done: u64,
}

impl Reporter {
    pub(crate) fn new() -> Reporter {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {msg}");
            ProgressBar::new(BAR_STEPS)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Reporter { bar, state: Mutex::new(State { stage: None, shown: None, done: 0 }) }
    }

    pub(crate) fn report(&self, progress: Progress) {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, since, from) = match state.stage {
            Some(stage) if stage.0 == progress.stage => stage,
            _ => {
                let stage = (progress.stage, now, progress.done);
                (state.stage, state.shown, state.done) = (Some(stage), None, 0);
                stage
            }
        };
        state.done = state.done.max(progress.done);
        let interval = if self.bar.is_some() { BAR_INTERVAL } else { LINE_INTERVAL };
        let shown =
            *state.shown.get_or_insert(if self.bar.is_some() { now - interval } else { now });
        if now.saturating_duration_since(shown) < interval {
            return;
        }
        state.shown = Some(now);
        let spent = now.saturating_duration_since(since).as_secs_f64();
        let text = describe(progress.stage, state.done, progress.total, state.done - from, spent);
        match &self.bar {
            Some(bar) => {
                bar.set_position(
                    (state.done as f64 / progress.total as f64 * BAR_STEPS as f64) as u64,
                );
                bar.set_message(text);
            }
            None => tell!("{text}"),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line with percentage, rate and remaining time. `fresh` units were done in `seconds`.
fn describe(stage: MintStage, done: u64, total: u64, fresh: u64, seconds: f64) -> String {
    let (verb, unit) = match stage {
        MintStage::Tossing => ("tossing", "balls"),
        MintStage::Counting => ("counting", "superbins"),
        MintStage::Sorting => ("sorting", "balls"),
        MintStage::Merging => ("merging", "superbins"),
        MintStage::Verifying => ("verifying", "superbins"),
    };
    let percent = 100.0 * done as f64 / total as f64;
    let mut text = format!("{verb} {percent:.2} %");
    if fresh > 0 && seconds > 0.0 {
        let rate = fresh as f64 / seconds;
        let left = units::time((total - done) as f64 / rate);
        text.push_str(&format!(", {} {unit}/s, {left} to go", units::rate(rate)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_and_the_time_left() {
        assert_eq!(
            describe(MintStage::Tossing, 1_500_000, 2_000_000, 1_000_000, 10.0),
            "tossing 75.00 %, 100.0 k balls/s, 5.0 s to go"
        );
        assert_eq!(describe(MintStage::Counting, 0, 10, 0, 0.0), "counting 0.00 %");
    }
}
