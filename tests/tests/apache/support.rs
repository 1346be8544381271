//! What the tests of places, content and access share.

use micromint_servers::apache::{Apache, Mpm, SELLING, module};
use micromint_servers::site::Site;

/// Starts Apache on each MPM, with `text` after a vendor and the paywall everywhere.
pub(crate) fn on_each(site: impl Fn() -> Site, text: &str, test: impl Fn(&Apache)) {
    for mpm in Mpm::ALL {
        test(&Apache::start_with(site(), mpm, &module(), &format!("{SELLING}{text}")));
    }
}
