//! Plays every known attack on the money against the core: `make attack`.
//!
//! The program mints a `demo` period. For each attack it gives the coalition a tenth of the sets
//! and a tenth of the vendors, and everyone else is honest. It prints one line for each attack and
//! the totals, and fails if anything was stolen, if an innocent user was blamed, or if the broker
//! did not answer as `docs/reference/broker.md` says. `docs/internals/attacks.md` names these
//! lines.

// The path is explicit, as in the test that includes this module, so that both find its submodules.
#[path = "attacks.rs"]
mod attacks;

use std::process::ExitCode;
use std::time::Instant;

use micromint::minting::Profile;

use crate::attacks::report::Totals;
use crate::attacks::world::Mint;

fn main() -> ExitCode {
    let begun = Instant::now();
    let mint = Mint::new(Profile::Demo);
    println!("{} minted in {:.0} s", mint.config.params, begun.elapsed().as_secs_f64());
    let mut totals = Totals::default();
    for attack in attacks::ALL {
        let begun = Instant::now();
        let report = (attack.play)(&mint);
        println!("{:<24} {report} ({:.1} s)", attack.name, begun.elapsed().as_secs_f64());
        totals.add(&report);
    }
    println!("{totals}");
    if totals.are_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
