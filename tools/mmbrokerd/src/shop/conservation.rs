//! Where the money of a period went, as a sentence and as a picture: what was sold is paid to
//! vendors, credited to clients, back at the promotion, owed, disputed or lapsed, and nothing else.
//!
//! Input: the entries of the ledger. Output: parts that together are the whole. The invariant: a
//! period whose parts are not what was sold is shown as a fault.

use micromint::money::Currency;
use micromint::period::Period;

use super::view::{Page, Part};
use super::visitor::Visitor;
use crate::store::PeriodMoney;

/// The width of the picture, in percent.
const WIDTH: f64 = 100.0;
/// The parts of what was sold, by the names of their messages.
const PARTS: [&str; 6] = [
    "part-vendors",
    "part-clients",
    "kind-coins",
    "kind-disputed",
    "kind-lapsed",
    "part-promotion",
];

/// A picture of parts that make a whole.
pub(super) struct Stack {
    /// Identifies it on its page.
    pub(super) id: String,
    /// What it shows.
    pub(super) title: String,
    pub(super) segments: Vec<Segment>,
}

/// A part, with its place in the picture.
pub(super) struct Segment {
    pub(super) class: String,
    pub(super) x: String,
    pub(super) width: String,
    pub(super) label: String,
}

/// The picture of a period's money.
fn stack(whole: &PeriodMoney, visitor: &Visitor, period: &Period, currency: Currency) -> Stack {
    let words = visitor.words;
    let amount = |units: i128| {
        visitor.money(u64::try_from(units.unsigned_abs()).unwrap_or(u64::MAX), currency)
    };
    let mut x = 0.0;
    let segments = whole.parts().into_iter().zip(PARTS).enumerate().map(|(at, (units, name))| {
        let width = WIDTH * (units as f64 / whole.sold.max(1) as f64).clamp(0.0, 1.0);
        let segment = Segment {
            class: format!("part{at}"),
            x: format!("{x:.2}"),
            width: format!("{width:.2}"),
            label: format!("{}: {}", words.get(name), amount(units)),
        };
        x += width;
        segment
    });
    let segments = segments.collect();
    let sold = amount(whole.sold);
    let arguments = [("period", period.as_str()), ("sold", sold.as_str())];
    Stack {
        id: format!("whole-{period}"),
        title: words.with("conservation-of", &arguments),
        segments,
    }
}

/// Adds the picture of each period.
pub(super) fn add_to(
    visitor: &Visitor,
    page: Page,
    periods: &[(Period, Currency, PeriodMoney)],
) -> Page {
    let words = visitor.words;
    let mut page =
        page.heading(words.get("conservation-title")).text(words.get("conservation-text"));
    for (period, currency, whole) in periods {
        if !whole.is_whole() {
            let name = [("period", period.as_str())];
            page = page.with(Part::Bad(words.with("conservation-bad", &name)));
        }
        page = page.with(Part::Stack(stack(whole, visitor, period, *currency)));
    }
    page
}
