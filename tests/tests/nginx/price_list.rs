//! The price list.

use micromint_servers::nginx::{Nginx, nginx, write_configuration};
use micromint_servers::prices;
use micromint_servers::server::Server;

/// A front controller, lists of folders, and the counters.
const PLACES: &str = "location / { autoindex on; try_files $uri $uri/ /front.html; }
                      location = /counters { micromint_status; }";

#[test]
fn prices_in_money_are_asked_in_coins_of_each_value() {
    let places = "location /place/ { micromint_price \"0.015 USD\"; }
        location /computed/ { set $money \"0.02 USD\"; micromint_price $money; }";
    let nginx = Nginx::with_server(prices::site_in_money(), places);
    prices::prices_in_money_are_asked_in_coins_of_each_value(&nginx);
}

#[test]
fn what_the_client_asked_for_is_priced() {
    prices::what_the_client_asked_for_is_priced(&Nginx::with_server(prices::site(), PLACES));
}

#[test]
fn what_does_not_exist_asks_for_its_price() {
    let nginx = Nginx::with_server(prices::site_with_a_folder(), "");
    prices::what_does_not_exist_asks_for_its_price(&nginx);
}

#[test]
fn a_slash_in_an_escape_hides_no_dots() {
    // nginx decodes %2F before it resolves `..`.
    let nginx = Nginx::with_server(prices::site_with_a_folder(), "");
    for target in ["/sold/a%2fb/../../page.html", "/x/y/..%2F../sold/page.html"] {
        assert_eq!(nginx.get(target).short(), (402, "unpaid".to_string()), "{target}");
    }
}

#[test]
fn a_page_that_gets_a_price_is_free_no_more() {
    let site = prices::site_with("[[price]]\npath = \"/other.html\"\ncoins = 1\n");
    prices::a_page_that_gets_a_price_is_free_no_more(&Nginx::with_server(site, ""));
}

#[test]
fn a_list_may_change() {
    prices::a_list_may_change(&Nginx::with_server(prices::site(), PLACES));
}

#[test]
fn a_broken_list_is_refused_with_its_place_and_reason() {
    for (list, expected) in prices::BROKEN_LISTS {
        let site = prices::site_with(list);
        write_configuration(&site, "micromint_config vendor.toml; server { %SERVER% }");
        let output = nginx(&site, &["-t"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = site.path(expected).display().to_string();
        assert!(!output.status.success() && text.contains("[emerg]"), "{list}: {text}");
        assert!(text.contains(&expected), "{expected} not in {text}");
    }
}
