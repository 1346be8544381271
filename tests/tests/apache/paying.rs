//! Requesting a page, paying for it, coming back.

use micromint_servers::apache::Apache;
use micromint_servers::paying;
use micromint_servers::site::Site;

#[test]
fn free_pages_cost_nothing_and_priced_pages_ask_for_their_price() {
    paying::free_pages_cost_nothing_and_priced_pages_ask_for_their_price(&Apache::selling(
        Site::new(),
        "",
    ));
}

#[test]
fn a_post_pays_and_a_receipt_opens_the_page_again() {
    paying::a_post_pays_and_a_receipt_opens_the_page_again(&Apache::selling(Site::new(), ""));
}

#[test]
fn a_header_pays_for_any_method() {
    paying::a_header_pays_for_any_method(&Apache::selling(Site::new(), ""));
}

#[test]
fn one_connection_carries_all_kinds_of_requests() {
    paying::one_connection_carries_all_kinds_of_requests(&Apache::selling(Site::new(), ""));
}
