//! The printed table: medians, their spread, and ratios to the server without the module.

use crate::cases::{Cache, Case, Page, Plan, Sample, Shared, What};
use crate::servers::Kind;

/// A row and its rounds.
pub(crate) struct Row {
    name: String,
    what: What,
    cache: Cache,
    page: Page,
    /// One entry per round.
    pub(crate) samples: Vec<Sample>,
}

impl Row {
    /// A row without rounds.
    pub(crate) fn new(case: &Case) -> Row {
        let Case { what, cache, page, .. } = *case;
        Row { name: case.name.clone(), what, cache, page, samples: Vec::new() }
    }
}

/// Prints all rows.
pub(crate) fn print(kind: Kind, plan: &Plan, rows: &[Row], shared: &Shared) {
    println!("{kind:?}, {} rounds, medians; quartiles in brackets", plan.rounds);
    println!(
        "| case | us CPU a request | over the plain server's | plain server's / this | requests a second | rate / plain server's |"
    );
    println!("|---|---|---|---|---|---|");
    for row in rows {
        let baseline = match row.what {
            What::Refused | What::PlainRefusal => What::PlainRefusal,
            _ => What::Absent,
        };
        let key = (baseline, row.cache, row.page);
        let baseline = rows.iter().find(|other| (other.what, other.cache, other.page) == key);
        let baseline = baseline.map_or(&row.samples, |row| &row.samples);
        let cpu: Vec<f64> = row.samples.iter().map(|sample| sample.cpu).collect();
        let rate: Vec<f64> = row.samples.iter().map(|sample| sample.rate).collect();
        // Round by round: a temporary load on the machine affects both.
        let pairs = || row.samples.iter().zip(baseline);
        let over: Vec<f64> = pairs().map(|(sample, plain)| sample.cpu - plain.cpu).collect();
        let cpu_ratio: Vec<f64> = pairs().map(|(sample, plain)| plain.cpu / sample.cpu).collect();
        let rate_ratio: Vec<f64> =
            pairs().map(|(sample, plain)| sample.rate / plain.rate).collect();
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            row.name,
            spread(&cpu, 1),
            spread(&over, 1),
            spread(&cpu_ratio, 2),
            spread(&rate, 0),
            spread(&rate_ratio, 2)
        );
    }
    let ratio: Vec<f64> =
        shared.paying.iter().zip(&shared.asking).map(|(pay, ask)| pay / ask).collect();
    println!();
    println!(
        "free pages a second while others pay with sync always: {}; while they ask for free pages as often: {}; ratio {}",
        spread(&shared.paying, 0),
        spread(&shared.asking, 0),
        spread(&ratio, 2)
    );
}

/// The median and the quartiles.
fn spread(values: &[f64], digits: usize) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
    format!("{:.digits$} [{:.digits$}, {:.digits$}]", at(0.5), at(0.25), at(0.75))
}
