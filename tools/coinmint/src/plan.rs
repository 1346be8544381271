//! `coinmint plan`: how many coins a configuration gives, and what minting and forging cost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::HumanBytes;
use micromint::minting::{MintPlan, measure_rate};
use micromint_console::{EXIT_OK, ToolError, say};

use crate::files::Mint;
use crate::threads;
use crate::units::{self, count, time};

/// How long to measure the rate of tossing.
const MEASURING_TIME: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(crate) struct PlanArgs {
    /// The configuration, as `coinmint init` writes it.
    #[arg(default_value = "mint.toml")]
    config: PathBuf,
    /// How many threads will mint [default: one per core].
    #[arg(long)]
    threads: Option<usize>,
    /// Calculate with this rate, in tosses per second, instead of measuring this machine.
    #[arg(long, value_parser = units::parse_rate)]
    rate: Option<f64>,
}

pub(crate) fn run(args: &PlanArgs) -> Result<u8, ToolError> {
    let mint = Mint::read(&args.config)?;
    let params = &mint.config.params;
    let plan = MintPlan::new(params, mint.config.walk);
    let (per_second, how) = match args.rate {
        Some(rate) => (rate, "as given".to_string()),
        None => {
            let (began, threads) = (Instant::now(), threads(args.threads).max(1));
            let rate = measure_rate(params, mint.config.walk, threads, MEASURING_TIME, &|| {
                began.elapsed()
            });
            (rate.tosses_per_second, format!("measured here on {} threads", rate.threads))
        }
    };
    say!("{params}");
    print_yield(&plan, params.subbin_count());
    say!("\nMinting");
    row("tosses", format!("{} (2^{})", count(plan.toss_count as f64), params.raw().input_bits));
    row("rate", format!("{} tosses/s, {how}", units::rate(per_second)));
    row("time", time(plan.minting_seconds(per_second)));
    print_forging(&plan, per_second);
    for warning in &plan.warnings {
        say!("\nwarning: {warning}");
    }
    Ok(EXIT_OK)
}

fn print_yield(plan: &MintPlan, subbins: u32) {
    say!("\nCoin file");
    row("bins", count(plan.bin_count as f64));
    row("size", format!("{} ({} bytes)", HumanBytes(plan.file_size), plan.file_size));
    row("good balls", format!("{}, {} per bin (lambda)", count(plan.good_balls), plan.lambda));
    row(
        "kept balls",
        format!(
            "{}, one a group: {:.1} % of the good balls (f)",
            count(plan.kept_balls),
            100.0 * plan.kept_part
        ),
    );
    row(
        "expected balls",
        format!("{}, {:.1} % of the bins", count(plan.stored_balls), 100.0 * plan.fill),
    );
    say!("\nCoins");
    row("sets", count(plan.set_count as f64));
    row("coins per set", format!("{:.1} of {subbins}", plan.coins_per_set));
    row("coins in all", count(plan.coin_count));
    row(
        "spendable",
        format!(
            "{:.1} of a set at one given vendor, {:.1} %",
            plan.spendable_per_set,
            100.0 * plan.spendable_part
        ),
    );
}

fn print_forging(plan: &MintPlan, per_second: f64) {
    say!("\nForging, for one user and one vendor");
    let first = plan.first_forgery_tosses;
    row(
        "first coin",
        format!(
            "{} (2^{:.1}) tosses, {} at this rate",
            count(first),
            first.log2(),
            time(first / per_second)
        ),
    );
    for forgery in plan.forgeries {
        let label = match forgery.part {
            part if part < 1.0 => format!("1/{:.0} of the work", 1.0 / part),
            _ => "all of the work".to_string(),
        };
        row(&label, format!("{} coins for {} tosses", count(forgery.coins), count(forgery.tosses)));
    }
}

fn row(label: &str, value: impl std::fmt::Display) {
    say!("  {label:<20}{value}");
}
