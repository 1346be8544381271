//! The list of cases that the core is tested with, played against nginx.

use micromint_servers::cases::play_all;
use micromint_servers::nginx::Nginx;

#[test]
fn every_case_is_answered_as_written() {
    play_all::<Nginx>();
}
