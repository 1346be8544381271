//! What is charged, and what is not.

use micromint_servers::nginx::Nginx;
use micromint_servers::site::Site;
use micromint_servers::{application, charges};

fn before_the_application(server: &str) -> Nginx {
    let site = Site::new();
    application::start(site.back_port);
    site.write("www/none/page.html", "costly");
    site.write("www/both/page.html", "costly");
    Nginx::with_server(site, server)
}

#[test]
fn exempt_paths_are_free_unless_that_is_off() {
    let start = |server: &str| Nginx::with_server(charges::site_with_exempt_paths(), server);
    charges::exempt_paths_are_free(&start("micromint_price 1;"));
    charges::nothing_is_exempt_where_that_is_off(&start(
        "micromint_price 1; micromint_exemptions off;",
    ));
}

#[test]
fn redirects_are_charged_as_the_place_says() {
    charges::redirects_are_charged_as_the_place_says(&before_the_application(
        "micromint_price 1; proxy_pass_request_headers on;
         location /charged/ { micromint_redirects charge; proxy_pass http://127.0.0.1:%BACK_PORT%; }
         location /reversed/ { proxy_pass http://127.0.0.1:%BACK_PORT%; }",
    ));
}

#[test]
fn an_upgrade_is_charged_once() {
    let server = before_the_application(
        "location /ws/ { micromint_price 2; proxy_pass http://127.0.0.1:%BACK_PORT%;
                         proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
                         proxy_set_header Connection upgrade; }",
    );
    charges::an_upgrade_is_charged_once(&server);
}

#[test]
fn a_free_view_that_leads_on_counts_once() {
    let server = before_the_application(
        "location /none/ { micromint_price 2; }
         location /both/ { micromint_price 2; micromint_free_views 2; }
         location /from/ { micromint_price 1; micromint_free_views 2;
                           proxy_pass http://127.0.0.1:%BACK_PORT%; }",
    );
    charges::a_free_view_that_leads_on_counts_once(
        &server,
        "/from/x?accel=/none/page.html",
        "/from/x?accel=/both/page.html",
    );
}
