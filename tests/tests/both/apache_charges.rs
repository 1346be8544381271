//! What is charged, and what is not.

use std::os::unix::fs::PermissionsExt;

use micromint_servers::apache::Apache;
use micromint_servers::site::Site;
use micromint_servers::{application, charges};

fn before_the_application(text: &str) -> Apache {
    let site = Site::new();
    application::start(site.back_port);
    site.write("www/none/page.html", "costly");
    site.write("www/both/page.html", "costly");
    let script = "#!/bin/sh\nprintf 'Location: %s\\r\\n\\r\\n' \"$QUERY_STRING\"\n";
    site.write("www/from/go.cgi", script);
    let mode = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(site.path("www/from/go.cgi"), mode).unwrap();
    Apache::selling(site, text)
}

#[test]
fn exempt_paths_are_free_unless_that_is_off() {
    let start = |text: &str| Apache::selling(charges::site_with_exempt_paths(), text);
    charges::exempt_paths_are_free(&start("MicroMintPrice 1\n"));
    charges::nothing_is_exempt_where_that_is_off(&start(
        "MicroMintPrice 1\nMicroMintExemptions Off\n",
    ));
}

#[test]
fn redirects_are_charged_as_the_place_says() {
    charges::redirects_are_charged_as_the_place_says(&before_the_application(
        "MicroMintPrice 1
         ProxyPass /charged/ http://127.0.0.1:%BACK_PORT%/charged/ disablereuse=On
         ProxyPass /reversed/ http://127.0.0.1:%BACK_PORT%/reversed/ disablereuse=On
         <Location /charged/>\nMicroMintRedirects Charge\n</Location>",
    ));
}

#[test]
fn an_upgrade_is_charged_once() {
    let server = before_the_application(
        "ProxyPass /ws/ http://127.0.0.1:%BACK_PORT%/ws/ disablereuse=On upgrade=ANY
         <Location /ws/>\nMicroMintPrice 2\n</Location>",
    );
    charges::an_upgrade_is_charged_once(&server);
}

#[test]
fn a_free_view_that_leads_on_counts_once() {
    let server = before_the_application(
        "AddHandler cgi-script .cgi
         <Directory %FOLDER%/www/from>\nOptions +ExecCGI\nMicroMintPrice 1\nMicroMintFreeViews 2\n</Directory>
         <Location /none/>\nMicroMintPrice 2\n</Location>
         <Location /both/>\nMicroMintPrice 2\nMicroMintFreeViews 2\n</Location>",
    );
    charges::a_free_view_that_leads_on_counts_once(
        &server,
        "/from/go.cgi?/none/page.html",
        "/from/go.cgi?/both/page.html",
    );
}
