//! `status`: the income, the batches, and what is in no batch.

use std::collections::BTreeMap;

use clap::Args;
use micromint::error::chain;
use micromint::money::coins;
use micromint::till::Batch;
use micromint::time::UnixTime;
use micromint::vendor::income::{CoinValues, Days, Income, PeriodIncome, Sum, coin_values, income};
use micromint::vendor::redemption::{batches, blocked_users, unbatched};
use micromint_console::{EXIT_OK, FormatArgs, ToolError, say, tell};
use serde_json::{Value, json};

use crate::redeem::print_batch;
use crate::vendor_files::{OpenVendor, VendorFiles};

/// How many pages are printed for people.
const PAGES_SHOWN: usize = 20;
/// The seconds of a day.
const DAY_SECONDS: i64 = 86_400;

#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    files: VendorFiles,
    #[command(flatten)]
    format: FormatArgs,
    /// Print the income as CSV: a line for each day, page and period
    #[arg(long, conflicts_with_all = ["json", "format"])]
    csv: bool,
    /// Count only the income of this day and later (YYYY-MM-DD)
    #[arg(long, value_name = "DAY", value_parser = day)]
    from: Option<UnixTime>,
    /// Count only the income up to this day, inclusive
    #[arg(long, value_name = "DAY", value_parser = day)]
    to: Option<UnixTime>,
}

/// The start of a day.
fn day(text: &str) -> Result<UnixTime, String> {
    let start: Option<UnixTime> = format!("{text}T00:00:00Z").parse().ok();
    start.ok_or_else(|| format!("expected a day such as 2026-12-01, found {text:?}"))
}

impl Status {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            let (from, to) = (from.day(), to.day());
            return Err(format!("--from {from} is later than --to {to}: no day is between").into());
        }
        let vendor = self.files.open()?;
        let from = self.from.unwrap_or(Days::ALL.from);
        let until = self.to.map_or(Days::ALL.until, |day| day.plus_seconds(DAY_SECONDS));
        let income = income(&vendor.till, &values(&vendor), Days { from, until })?;
        if self.csv {
            print_csv(&income);
        } else if self.format.is_json() {
            say!("{}", status_json(&vendor, &income)?);
        } else {
            print_income(&income);
            print_periods(&income);
            print_redemption(&vendor)?;
        }
        Ok(EXIT_OK)
    }
}

/// What coins are worth; nothing is known if the periods cannot be read.
fn values(vendor: &OpenVendor) -> CoinValues {
    let values = vendor.config.as_ref().map(coin_values).transpose();
    values.map(Option::unwrap_or_default).unwrap_or_else(|error| {
        tell!("mmvendor: warning: the value of coins is not known: {}", chain(&error));
        CoinValues::new()
    })
}

fn sum_text(sum: Sum) -> String {
    // No payments are worth nothing in no currency.
    let money = sum.money.filter(|_| sum.payments > 0);
    let money = money.map(|money| format!(" ({})", money.in_words())).unwrap_or_default();
    format!("{}, {}{money}", payments(sum.payments), coins(sum.coins))
}

/// The number of payments, with its noun.
pub(crate) fn payments(count: u64) -> String {
    format!("{count} {}", if count == 1 { "payment" } else { "payments" })
}

fn print_income(income: &Income) {
    say!("income: {}", sum_text(income.total()));
    for (day, sum) in income.by_day() {
        say!("  {day}: {}", sum_text(sum));
    }
    let pages = income.by_page();
    say!("by page:");
    for (page, sum) in pages.iter().take(PAGES_SHOWN) {
        say!("  {page}: {}", sum_text(*sum));
    }
    if pages.len() > PAGES_SHOWN {
        let left: u64 = pages[PAGES_SHOWN..].iter().map(|(_, sum)| sum.coins).sum();
        say!("  {} more pages: {}; --csv prints them", pages.len() - PAGES_SHOWN, coins(left));
    }
}

fn print_periods(income: &Income) {
    if !income.periods.is_empty() {
        say!("by period, since the till was made:");
    }
    for income in &income.periods {
        say!("  {}: {}", income.period, sum_text(income.taken));
        for (verdict, count) in &income.verdicts {
            say!("    {} {}", coins(*count), verdict.words());
        }
        if income.unanswered > 0 {
            say!("    {} in batches that the broker has not answered", coins(income.unanswered));
        }
        if income.unbatched > 0 {
            say!("    {} in no batch", coins(income.unbatched));
        }
    }
}

fn print_redemption(vendor: &OpenVendor) -> Result<(), ToolError> {
    for batch in batches(&vendor.till)? {
        print_batch(&batch);
    }
    for (period, left) in unbatched(&vendor.till)? {
        say!(
            "not in a batch: {} with {} of {period}, and {} younger than ten minutes, to be redeemed \
             by {}",
            payments(left.payments),
            coins(left.coins),
            payments(left.young),
            left.redeem_until
        );
    }
    for user in blocked_users(&vendor.till)? {
        say!("blocked: {user}");
    }
    Ok(())
}

/// Prints the income as RFC 4180 defines it, but with a line feed at the end of a line.
fn print_csv(income: &Income) {
    say!("day,page,period,payments,coins,money,currency");
    for entry in &income.entries {
        let Sum { payments, coins, money } = entry.sum;
        let money = money.map(|money| money.to_string()).unwrap_or_default();
        let (amount, currency) = money.split_once(' ').unwrap_or_default();
        let (day, page, period) = (&entry.day, quoted(&entry.page), quoted(entry.period.as_str()));
        say!("{day},{page},{period},{payments},{coins},{amount},{currency}");
    }
}

/// A value in quotes, so that it may contain anything.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn sum_json(sum: Sum) -> Value {
    json!({
        "payments": sum.payments, "coins": sum.coins,
        "money": sum.money.map(|money| money.to_string()),
    })
}

fn with_sum(mut value: Value, sum: Sum) -> Value {
    if let (Value::Object(value), Value::Object(sum)) = (&mut value, sum_json(sum)) {
        value.extend(sum);
    }
    value
}

fn status_json(vendor: &OpenVendor, income: &Income) -> Result<Value, ToolError> {
    let days = income.by_day().into_iter().map(|(day, sum)| with_sum(json!({ "day": day }), sum));
    let pages =
        income.by_page().into_iter().map(|(page, sum)| with_sum(json!({ "page": page }), sum));
    let unbatched = unbatched(&vendor.till)?.into_iter().map(|(period, left)| {
        json!({
            "period": period.as_str(), "payments": left.payments, "coins": left.coins,
            "young-payments": left.young, "redeem-until": left.redeem_until.to_string(),
        })
    });
    Ok(json!({
        "vendor-id": vendor.vendor.as_str(),
        "total": sum_json(income.total()),
        "days": days.collect::<Vec<_>>(),
        "pages": pages.collect::<Vec<_>>(),
        "periods": income.periods.iter().map(period_json).collect::<Vec<_>>(),
        "batches": batches(&vendor.till)?.iter().map(batch_json).collect::<Vec<_>>(),
        "unbatched": unbatched.collect::<Vec<_>>(),
        "blocked": blocked_users(&vendor.till)?.iter().map(|it| it.as_str()).collect::<Vec<_>>(),
    }))
}

fn period_json(income: &PeriodIncome) -> Value {
    let value = json!({
        "period": income.period.as_str(), "verdicts": verdicts(&income.verdicts),
        "unanswered": income.unanswered, "unbatched": income.unbatched,
    });
    with_sum(value, income.taken)
}

pub(crate) fn batch_json(batch: &Batch) -> Value {
    json!({
        "batch": batch.id.as_str(), "period": batch.period.as_str(), "payments": batch.payments,
        "coins": batch.coins, "made-at": batch.made_at.to_string(),
        "redeem-until": batch.redeem_until.to_string(),
        "verdicts": batch.result.as_ref().map(verdicts),
    })
}

fn verdicts<N: Copy + Into<u64>>(counts: &BTreeMap<micromint::protocol::Verdict, N>) -> Value {
    let counts = counts.iter().map(|(verdict, count)| (verdict.words(), (*count).into()));
    json!(counts.collect::<BTreeMap<_, u64>>())
}
