//! The list of cases that the core is held against, played against Apache.

use micromint_servers::apache::Apache;
use micromint_servers::cases::play_all;

#[test]
fn every_case_is_answered_as_written() {
    play_all::<Apache>();
}
