//! Owners files, owner tokens and blocked users.

use std::os::unix::fs::PermissionsExt;

use micromint_servers::apache::{Apache, SELLING, apache, write_configuration};
use micromint_servers::client::RequestText;
use micromint_servers::owners::{self, Unknown};
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;

#[test]
fn an_owners_file_may_grow() {
    let (site, coins, sets) = Unknown::new().take();
    owners::an_owners_file_may_grow(&Apache::selling(site, ""), &coins, sets);
}

#[test]
fn an_unreadable_owners_file_is_not_an_absent_one() {
    owners::an_unreadable_owners_file_is_not_an_absent_one(&Apache::selling(Site::new(), ""));
    let apache = Apache::selling(owners::site_with_unreadable_owners(), "");
    owners::an_owners_file_that_was_never_read_opens_nothing(&apache);
}

#[test]
fn an_owners_file_that_disappears_stays_in_use() {
    owners::an_owners_file_that_disappears_stays_in_use(&Apache::selling(Site::new(), ""));
}

#[test]
fn required_owners_files_that_are_missing_keep_apache_from_starting() {
    let site = owners::site_that_requires_owners();
    write_configuration(&site, SELLING);
    for arguments in [&["-t"][..], &["-k", "start"]] {
        let output = apache(&site, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("Syntax error on line"), "{text}");
        owners::assert_says_what_is_missing(&site, &text);
    }
    owners::write_all_owners(&site);
    Apache::selling(site, "");
}

#[test]
fn missing_owners_files_are_told() {
    let counters = "<Location /counters>\nMicroMint Off\nSetHandler micromint-status\n</Location>";
    owners::missing_owners_files_are_told(&Apache::selling(Site::new(), counters), "warn");
}

#[test]
fn blocked_users_are_refused() {
    owners::blocked_users_are_refused(&Apache::selling(Site::new(), ""));
}

#[test]
fn tokens_do_not_reach_the_content() {
    let proxy = "ProxyPass /app/ http://127.0.0.1:%BACK_PORT%/app/ disablereuse=On
        <Location /app/>
            MicroMintPrice 1
        </Location>";
    owners::tokens_do_not_reach_the_content(&Apache::selling(Site::new(), proxy));
}

#[test]
fn tokens_do_not_reach_scripts() {
    let site = Site::new();
    let script = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\ncat\n";
    site.page("env.cgi", script, Some("1"));
    std::fs::set_permissions(site.path("www/env.cgi"), PermissionsExt::from_mode(0o755)).unwrap();
    let text =
        "AddHandler cgi-script .cgi\n<Directory %FOLDER%/www>\nOptions +ExecCGI\n</Directory>";
    let apache = Apache::selling(site, text);
    let payment = || payer::payment(&apache.site().url("/env.cgi"), 1);
    let (body, header) = (payment(), payment());
    for request in
        [RequestText::post("/env.cgi", &body), RequestText::get("/env.cgi").with_payment(&header)]
    {
        let answer = apache.ask(&request);
        assert_eq!((answer.status, answer.word().as_str()), (200, "paid"));
        assert!(answer.body.contains("MICROMINT_USER=alice"), "{}", answer.body);
        owners::assert_lacks_payments(&answer.body, &[&body, &header]);
    }
}
