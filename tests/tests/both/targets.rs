//! Every way to write a request target, on both servers.

use micromint_servers::apache::Apache;
use micromint_servers::nginx::Nginx;
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use micromint_servers::targets::{self, apache, nginx, site};

fn two_ports(site: &Site) -> [u16; 2] {
    [site.port, site.back_port]
}

fn three_ports(site: &Site) -> [u16; 3] {
    [site.port, site.back_port, site.tls_port]
}

#[test]
fn nginx_asks_the_price_of_the_page_that_it_serves() {
    let server = Nginx::start(site(), &nginx("on"));
    targets::assert_priced_as_served(&two_ports(server.site()));
}

#[test]
fn apache_asks_the_price_of_the_page_that_it_serves() {
    let server = Apache::start(site(), &apache("On"));
    targets::assert_priced_as_served(&three_ports(server.site()));
}

#[test]
fn nginx_serves_nothing_without_its_price() {
    let server = Nginx::start(site(), &nginx("off"));
    targets::assert_nothing_is_free(&two_ports(server.site()));
    targets::assert_a_receipt_opens_one_page(&server);
}

#[test]
fn apache_serves_nothing_without_its_price() {
    let server = Apache::start(site(), &apache("Off"));
    targets::assert_nothing_is_free(&three_ports(server.site()));
    targets::assert_a_receipt_opens_one_page(&server);
}
