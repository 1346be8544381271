//! The list of cases that the core is tested with, played against Apache.

use micromint_servers::apache::Playing;
use micromint_servers::cases::play_all;

#[test]
fn every_case_is_answered_as_written_on_prefork() {
    play_all::<Playing<0>>();
}

#[test]
fn every_case_is_answered_as_written_on_worker() {
    play_all::<Playing<1>>();
}

#[test]
fn every_case_is_answered_as_written_on_event() {
    play_all::<Playing<2>>();
}
