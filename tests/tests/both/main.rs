//! nginx and Apache side by side: the same requests get the same answers. Beside it the twins of
//! Apache, which need more coins than one process of tests has for all.
//!
//! Build both modules first: `scripts/build-nginx-module.sh` and `scripts/build-apache-module.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agents;
mod apache_charges;
mod apache_twins;
mod reloads;
mod targets;

use micromint_servers::apache::Apache;
use micromint_servers::nginx::Nginx;
use micromint_servers::site::Site;
use micromint_servers::{application, differences};

fn site() -> Site {
    let site = Site::new();
    application::start(site.back_port);
    site.write("www/sold/page.html", "sold");
    site.page("shop/index.html", "index", Some("1\n"));
    site.write("www/robots.txt", "robots");
    site
}

#[test]
fn odd_requests_get_the_same_answer() {
    let nginx = Nginx::with_server(
        site(),
        "location /sold/ { micromint_price 2; }
         location /app/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; }",
    );
    let apache = Apache::selling(
        site(),
        "AcceptPathInfo Off
         DirectoryIndex index.html
         <Location /sold/>\nMicroMintPrice 2\n</Location>
         ProxyPass /app/ http://127.0.0.1:%BACK_PORT%/app/ disablereuse=On
         <Location /app/>\nMicroMintPrice 1\n</Location>",
    );
    differences::assert_same(&nginx, &apache);
}
