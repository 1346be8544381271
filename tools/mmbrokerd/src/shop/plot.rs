//! Bar charts as SVG, which a screen reader reads too.
//!
//! Input: values by day. Output: rectangles and lines in a picture of any width, 240 pixels high,
//! so that its words have the same size on every screen. The invariant: the tallest bar fits,
//! whatever the values.

/// The left and the right edge of the bars, in percent of the width.
const LEFT: f64 = 12.0;
const RIGHT: f64 = 100.0;
/// The top and the bottom of the bars, in pixels.
const TOP: f64 = 10.0;
const BOTTOM: f64 = 210.0;
/// How many lines are drawn beside the bars, besides that at zero.
const LINES: u32 = 4;

/// A bar chart.
pub(super) struct Plot {
    /// Identifies it on its page.
    pub(super) id: &'static str,
    /// What it shows.
    pub(super) title: String,
    /// The same in a sentence with numbers, for those who do not see it.
    pub(super) summary: String,
    pub(super) lines: Vec<Line>,
    pub(super) bars: Vec<Bar>,
}

/// A line at a value.
pub(super) struct Line {
    pub(super) y: f64,
    /// Where its words stand.
    pub(super) text_y: f64,
    pub(super) label: String,
}

/// A bar of a day.
pub(super) struct Bar {
    /// In percent of the width of the picture, as `width`.
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    /// The day and its value.
    pub(super) title: String,
    pub(super) label: String,
    pub(super) has_label: bool,
}

impl Plot {
    /// The chart of values by day, at most 366 of them.
    pub(super) fn of(
        id: &'static str,
        title: String,
        summary: String,
        days: &[(String, u64)],
        printed: impl Fn(u64) -> String,
    ) -> Plot {
        let most = round_up(days.iter().map(|(_, value)| *value).max().unwrap_or(0).max(4));
        let lines = (0..=LINES).map(|at| {
            let share = f64::from(at) / f64::from(LINES);
            let value = (most as f64 * share) as u64;
            let y = BOTTOM - (BOTTOM - TOP) * share;
            Line { y, text_y: y + 4.0, label: short(value) }
        });
        let step = (RIGHT - LEFT) / days.len().max(1) as f64;
        let each = days.len().div_ceil(6).max(1);
        let bars = days.iter().enumerate().map(|(at, (day, value))| {
            let height = (BOTTOM - TOP) * (*value as f64 / most as f64);
            Bar {
                x: format!("{:.2}", LEFT + step * at as f64 + step * 0.1),
                y: format!("{:.1}", BOTTOM - height),
                width: format!("{:.2}", step * 0.8),
                height: format!("{height:.1}"),
                title: format!("{day}: {}", printed(*value)),
                label: day.get(5..).unwrap_or(day).to_string(),
                has_label: at % each == 0,
            }
        });
        Plot { id, title, summary, lines: lines.collect(), bars: bars.collect() }
    }
}

/// A number beside a line, which has room for five characters.
fn short(value: u64) -> String {
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1000, "k")];
    let fits = units
        .into_iter()
        .find(|(unit, _)| value >= 10_000 && value >= *unit && value.is_multiple_of(*unit));
    fits.map_or(value.to_string(), |(unit, letter)| format!("{} {letter}", value / unit))
}

/// The next of 4, 8, 20, 40, 80, 200, … that is not below a value.
fn round_up(value: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for step in [4, 8, 20] {
            let Some(found) = power.checked_mul(step) else { return u64::MAX };
            if found >= value {
                return found;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_fits() {
        for value in [0, 1, 3, 4, 5, 399, 400, 401, u64::MAX / 3, u64::MAX] {
            assert!(round_up(value) >= value);
            let days = [("2027-01-01".to_string(), value), ("2027-01-02".to_string(), 0)];
            let plot = Plot::of("p", String::new(), String::new(), &days, |n| n.to_string());
            let height: f64 = plot.bars[0].height.parse().unwrap();
            assert!((0.0..=BOTTOM - TOP).contains(&height), "{value}: {height}");
            assert_eq!(plot.lines.len(), 5);
            let bar = &plot.bars[1];
            let (x, width): (f64, f64) = (bar.x.parse().unwrap(), bar.width.parse().unwrap());
            assert!(x > LEFT && x + width <= RIGHT, "{x} {width}");
        }
        let shown = [0, 5000, 15_000, 5_000_000, 1_500_000, 2_000_000_000].map(short);
        assert_eq!(shown, ["0", "5000", "15 k", "5 M", "1500 k", "2 G"]);
        assert_eq!([0, 4, 5, 8, 9, 20, 21].map(round_up), [4, 4, 8, 8, 20, 20, 40]);
    }
}
