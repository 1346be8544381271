//! The price list.

use micromint_servers::apache::{Apache, SELLING, apache, write_configuration};
use micromint_servers::prices;
use micromint_servers::server::Server;

/// A front controller as an application has it in its `.htaccess`, lists of folders, and the
/// counters.
const PLACES: &str = "<Directory %FOLDER%/www>
Options +Indexes +FollowSymLinks
RewriteEngine On
RewriteCond %{REQUEST_URI} !^/counters
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule ^ /front.html [L]
</Directory>
<Location /counters>
SetHandler micromint-status
</Location>
";

#[test]
fn prices_in_money_are_asked_in_coins_of_each_value() {
    let places = "<Location /place/>\nMicroMintPrice \"0.015 USD\"\n</Location>
        <Location /computed/>\nMicroMintPrice \"expr=0.02 USD\"\n</Location>\n";
    let apache = Apache::selling(prices::site_in_money(), places);
    prices::prices_in_money_are_asked_in_coins_of_each_value(&apache);
}

#[test]
fn what_the_client_asked_for_is_priced() {
    prices::what_the_client_asked_for_is_priced(&Apache::selling(prices::site(), PLACES));
}

#[test]
fn what_does_not_exist_asks_for_its_price() {
    let apache = Apache::selling(prices::site_with_a_folder(), "");
    prices::what_does_not_exist_asks_for_its_price(&apache);
}

#[test]
fn a_price_file_prices_no_listing() {
    let site = prices::site_with_a_folder();
    site.write("www/folder/.mm", "3");
    let text = "<Directory %FOLDER%/www>\nOptions +Indexes\n</Directory>\n";
    let apache = Apache::selling(site, text);
    assert_eq!(apache.get("/folder/").short(), (200, String::new()));
}

#[test]
fn a_page_that_gets_a_price_is_free_no_more() {
    let site = prices::site_with("[[price]]\npath = \"/other.html\"\ncoins = 1\n");
    prices::a_page_that_gets_a_price_is_free_no_more(&Apache::selling(site, ""));
}

#[test]
fn a_list_may_change() {
    prices::a_list_may_change(&Apache::selling(prices::site(), PLACES));
}

#[test]
fn a_broken_list_is_refused_with_its_place_and_reason() {
    for (list, expected) in prices::BROKEN_LISTS {
        let site = prices::site_with(list);
        write_configuration(&site, SELLING);
        let output = apache(&site, &["-t"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let expected = site.path(expected).display().to_string();
        assert!(!output.status.success(), "{list}: {text}");
        assert!(text.contains(&expected), "{expected} not in {text}");
    }
}
