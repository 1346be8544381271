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
    /// The configuration, as `coinmint init` writes it [default: that of a mint in this folder, if
    /// there is one only].
    config: Option<PathBuf>,
    /// How many threads will mint [default: one per core].
    #[arg(long)]
    threads: Option<usize>,
    /// Calculate with this rate, in tosses per second, instead of measuring this machine.
    #[arg(long, value_parser = units::parse_rate)]
    rate: Option<f64>,
}

pub(crate) fn run(args: &PlanArgs) -> Result<u8, ToolError> {
    let mint = Mint::read(args.config.as_deref())?;
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

/// What each attacker gains at one vendor. No forged coin is paid at redemption.
fn print_forging(plan: &MintPlan, per_second: f64) {
    let first = plan.first_forgery_tosses;
    say!("\nForging at one vendor without an owners file, by someone who");
    row(
        "bought nothing",
        format!("the first coin: {} hashes, {}", bits(first), time(first / per_second)),
    );
    for forgery in plan.forgeries {
        let part = match forgery.part {
            part if part < 1.0 => format!("1/{:.0} of the mint's work", 1.0 / part),
            _ => "all of the mint's work".to_string(),
        };
        row(
            "",
            format!("{} coins for {part}, {} hashes", count(forgery.coins), bits(forgery.tosses)),
        );
    }
    for buyer in &plan.buyers {
        let label = format!("bought {:.0} %", 100.0 * buyer.bought_part);
        row(&label, format!("one coin more: {} hashes", bits(buyer.own_name_hashes)));
        let each = buyer.invented_name_hashes;
        row("  and invents names", format!("one coin for {} SHA-256", count(each)));
    }
    row(
        "seeks stored balls",
        format!(
            "a first ball: {} hashes; a coin of them: {}",
            bits(plan.stranger_hashes),
            bits(plan.stored_coin_hashes)
        ),
    );
    say!("\nThe same with an owners file: only sets that he bought, bounded by the vendor's cap");
    row("bought nothing", "none, with any number of hashes");
    for buyer in &plan.buyers {
        row(
            &format!("bought {:.0} %", 100.0 * buyer.bought_part),
            format!(
                "one coin more: {} hashes; at most {} coins more",
                bits(buyer.own_sets_hashes),
                count(buyer.own_sets_coins.round())
            ),
        );
    }
    row("  and invents names", "none");
    row("seeks stored balls", "none");
}

/// A large number as a power of two.
fn bits(number: f64) -> String {
    format!("2^{:.1}", number.log2())
}

fn row(label: &str, value: impl std::fmt::Display) {
    say!("  {label:<20}{value}");
}
