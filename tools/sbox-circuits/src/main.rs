//! Searches, checks and prints Boolean circuits for the S-boxes of DES.
//!
//! `sbox-circuits print` writes the Rust source that the bulk kernel is built from; `sbox-circuits
//! search` looks for cheaper circuits by a random walk from a seed. The method is described in
//! `docs/internals/performance.md`.

mod circuit;
mod emit;
mod sbox;
mod search;

use circuit::{Circuit, CircuitError};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Searches, checks and prints Boolean circuits for the S-boxes of DES.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the circuits s1.txt to s8.txt of a folder as a Rust module.
    Print {
        /// The folder.
        folder: PathBuf,
        /// Allow gates of three inputs.
        #[arg(long)]
        ternary: bool,
    },
    /// Check the circuits of a folder on all inputs and print their prices.
    Check {
        /// The folder.
        folder: PathBuf,
    },
    /// Look for cheaper circuits and write the best of each box to a folder.
    Search {
        /// Where to read the initial circuits; without it, multiplexer trees.
        #[arg(long)]
        from: Option<PathBuf>,
        /// Where to write them.
        #[arg(long)]
        into: PathBuf,
        /// Which boxes, 1 to 8.
        #[arg(long, value_delimiter = ',', default_value = "1,2,3,4,5,6,7,8")]
        boxes: Vec<usize>,
        /// The seed of the walk.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Steps of the walk for every box.
        #[arg(long, default_value_t = 10_000_000)]
        steps: u64,
        #[command(flatten)]
        weights: search::Weights,
    },
}

/// Why the program stopped.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {path}: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("cannot write {path}: {cause}")]
    Write { path: PathBuf, cause: std::io::Error },
    #[error("{path}: {cause}")]
    Circuit { path: PathBuf, cause: CircuitError },
    #[error("expected boxes 1 to 8, found {0}")]
    Box(usize),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sbox-circuits: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Print { folder, ternary } => {
            print!("{}", emit::module(&read_all(&folder)?, ternary))
        }
        Command::Check { folder } => {
            for circuit in read_all(&folder)? {
                let price = circuit.price();
                println!(
                    "S{}: {} + {} gates, depth {}",
                    circuit.number, price.two, price.three, price.depth
                );
            }
        }
        Command::Search { from, into, boxes, seed, steps, weights } => {
            if let Some(&number) = boxes.iter().find(|number| !(1..=8).contains(*number)) {
                return Err(Failure::Box(number));
            }
            for number in boxes {
                let start = match &from {
                    Some(folder) => read(folder, number)?,
                    None => search::multiplexers(number),
                };
                let path = into.join(format!("s{number}.txt"));
                let mut last = Instant::now();
                let best = search::walk(start, &weights, seed, steps, |step, best| {
                    // A long search saves its best result on the way; a failed write is reported
                    // below.
                    if last.elapsed() > Duration::from_secs(10) {
                        last = Instant::now();
                        eprintln!(
                            "S{number} step {step}: cost {:.2} {:?}",
                            weights.cost(best),
                            best.price()
                        );
                        let _ = std::fs::write(&path, best.to_text());
                    }
                });
                println!("S{number}: cost {:.2} {:?}", weights.cost(&best), best.price());
                std::fs::write(&path, best.to_text())
                    .map_err(|cause| Failure::Write { path, cause })?;
            }
        }
    }
    Ok(())
}

/// The checked circuit of box `number` in `folder`.
fn read(folder: &Path, number: usize) -> Result<Circuit, Failure> {
    let path = folder.join(format!("s{number}.txt"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) => return Err(Failure::Read { path, cause }),
    };
    Circuit::parse(&text).map_err(|cause| Failure::Circuit { path, cause })
}

/// The checked circuits of all boxes in `folder`.
fn read_all(folder: &Path) -> Result<Vec<Circuit>, Failure> {
    (1..=8).map(|number| read(folder, number)).collect()
}
