//! What the tests of places, content and access share.

use micromint_servers::apache::{Apache, Mpm, SELLING, module};
use micromint_servers::server::Server;
use micromint_servers::site::Site;

/// A status and the word of `MicroMint-Status`.
pub(crate) fn word(status: u16, word: &str) -> (u16, String) {
    (status, word.to_string())
}

/// The results of requesting a target and of paying `count` coins for it.
pub(crate) fn asked_and_paid(apache: &Apache, target: &str, count: usize) -> [(u16, String); 2] {
    [apache.get(target).short(), apache.pay(target, count).short()]
}

/// The expected results where the page is sold at this price.
pub(crate) fn sold() -> [(u16, String); 2] {
    [word(402, "unpaid"), word(200, "paid")]
}

/// Starts Apache on each MPM, with `text` after a vendor and the paywall everywhere.
pub(crate) fn on_each(site: impl Fn() -> Site, text: &str, test: impl Fn(&Apache)) {
    for mpm in Mpm::ALL {
        test(&Apache::start_with(site(), mpm, &module(), &format!("{SELLING}{text}")));
    }
}
