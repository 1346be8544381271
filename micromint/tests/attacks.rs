//! The attacks of `make attack`, on a small period.

// The path is explicit, as in the program, so that both find its submodules.
#[path = "../examples/attack/attacks.rs"]
mod attacks;

use micromint::minting::Profile;

use crate::attacks::report::Totals;
use crate::attacks::world::Mint;

/// No attack gains anything or harms an innocent user.
#[test]
fn no_attack_succeeds() {
    let mint = Mint::new(Profile::Test);
    let mut totals = Totals::default();
    for attack in attacks::ALL {
        let report = (attack.play)(&mint);
        println!("{:<24} {report}", attack.name);
        totals.add(&report);
    }
    assert!(totals.are_good(), "{totals}");
}
