//! Where the money of a period went, as a sentence and as a picture: what was sold is paid to
//! vendors, credited to clients, back at the promotion, owed, disputed or lapsed, and nothing else.
//!
//! Input: the entries of the ledger. Output: parts that together are the whole. The invariant: a
//! period whose parts are not what was sold is shown as a fault.

use micromint::money::Currency;
use micromint::period::Period;
use sqlx::Row;

use super::Shop;
use super::answer::Refused;
use super::view::{Page, Part};
use super::visitor::Visitor;
use crate::store::{AccountKind, Store, StoreError};

/// How many periods are shown, the last first.
const PERIODS_SHOWN_MAX: usize = 12;
/// The width of the picture.
const WIDTH: f64 = 640.0;
/// The parts of what was sold, by the names of their messages.
const PARTS: [&str; 6] = [
    "part-vendors",
    "part-clients",
    "kind-coins",
    "kind-disputed",
    "kind-lapsed",
    "part-promotion",
];

/// The money of a period, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Whole {
    sold: i128,
    /// To vendors, to clients, still owed, disputed, lapsed, of free trials back.
    parts: [i128; 6],
}

/// A picture of parts that make a whole.
pub(super) struct Stack {
    /// Identifies it on its page.
    pub(super) id: String,
    /// What it shows.
    pub(super) title: String,
    /// The same in a sentence with numbers.
    pub(super) summary: String,
    pub(super) segments: Vec<Segment>,
}

/// A part, with its place in the picture.
pub(super) struct Segment {
    pub(super) class: String,
    pub(super) x: String,
    pub(super) width: String,
    /// Where its square and its words stand below the bar.
    pub(super) key_y: usize,
    pub(super) text_y: usize,
    pub(super) label: String,
}

impl Whole {
    async fn of(store: &Store, period: &Period) -> Result<Whole, StoreError> {
        let mut balances = [0; 3];
        let kinds = [AccountKind::Coins, AccountKind::Disputed, AccountKind::Lapsed];
        for (at, kind) in kinds.into_iter().enumerate() {
            let found = store.balances(kind, period.as_str()).await?;
            balances[at] = found.iter().map(|money| i128::from(money.units())).sum();
        }
        let [owed, disputed, lapsed] = balances;
        // What stands opposite to the money of the period, by transfers and accounts. Halves, since
        // a sum of amounts may have more than 64 bits.
        let rows = sqlx::query(
            "SELECT transfer.kind, other.kind, \
             CAST(SUM(entry.amount / 4294967296) AS BIGINT), \
             CAST(SUM(entry.amount % 4294967296) AS BIGINT) \
             FROM entry JOIN transfer ON transfer.id = entry.transfer \
             JOIN account AS other ON other.id = entry.account \
             WHERE other.kind IN ('vendor', 'client', 'promotion') AND entry.transfer IN \
             (SELECT own.transfer FROM entry AS own JOIN account ON account.id = own.account \
             WHERE account.kind IN ('coins', 'disputed') AND account.owner = $1) \
             GROUP BY transfer.kind, other.kind",
        )
        .bind(period.to_string())
        .fetch_all(store.pool())
        .await?;
        let (mut sold, mut vendors, mut clients, mut promotion) = (0, 0, 0, 0);
        for row in &rows {
            let (transfer, account): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (high, low): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            let units = i128::from(high) * (1 << 32) + i128::from(low);
            match (transfer.as_str(), account.as_str()) {
                ("sale", _) => sold -= units,
                (_, "vendor") => vendors += units,
                (_, "promotion") => promotion += units,
                _ => clients += units,
            }
        }
        Ok(Whole { sold, parts: [vendors, clients, owed, disputed, lapsed, promotion] })
    }

    fn is_whole(&self) -> bool {
        self.parts.iter().sum::<i128>() == self.sold && self.parts.iter().all(|part| *part >= 0)
    }

    fn stack(&self, visitor: &Visitor, period: &Period, currency: Currency) -> Stack {
        let words = visitor.words;
        let amount = |units: i128| {
            visitor.money(u64::try_from(units.unsigned_abs()).unwrap_or(u64::MAX), currency)
        };
        let mut x = 0.0;
        let segments = self.parts.iter().zip(PARTS).enumerate().map(|(at, (units, name))| {
            let width = WIDTH * (*units as f64 / self.sold.max(1) as f64).clamp(0.0, 1.0);
            let segment = Segment {
                class: format!("part{at}"),
                x: format!("{x:.1}"),
                width: format!("{width:.1}"),
                key_y: 60 + 24 * at,
                text_y: 72 + 24 * at,
                label: format!("{}: {}", words.get(name), amount(*units)),
            };
            x += width;
            segment
        });
        let segments: Vec<Segment> = segments.collect();
        let labels: Vec<&str> = segments.iter().map(|segment| segment.label.as_str()).collect();
        let sold = amount(self.sold);
        let arguments = [("period", period.as_str()), ("sold", sold.as_str())];
        Stack {
            id: format!("whole-{period}"),
            title: words.with("conservation-of", &arguments),
            summary: labels.join("; "),
            segments,
        }
    }
}

/// Adds the picture of each period.
pub(super) async fn add_to(shop: &Shop, visitor: &Visitor, page: Page) -> Result<Page, Refused> {
    let words = visitor.words;
    let mut page =
        page.heading(words.get("conservation-title")).text(words.get("conservation-text"));
    for period in shop.service.periods().iter().rev().take(PERIODS_SHOWN_MAX) {
        let whole = Whole::of(shop.service.store(), period.name()).await?;
        if whole.sold == 0 {
            continue;
        }
        if !whole.is_whole() {
            let name = [("period", period.name().as_str())];
            page = page.with(Part::Bad(words.with("conservation-bad", &name)));
        }
        let currency = period.params().coin_value().currency();
        page = page.with(Part::Stack(whole.stack(visitor, period.name(), currency)));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let whole = Whole { sold: 10, parts: [1, 2, 2, 4, 0, 1] };
        assert!(whole.is_whole());
        assert!(!Whole { sold: 11, ..whole }.is_whole());
        assert!(!Whole { sold: 0, parts: [1, -1, 0, 0, 0, 0] }.is_whole());
    }
}
