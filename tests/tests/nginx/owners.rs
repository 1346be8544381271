//! Owners files, owner tokens and blocked users.

use micromint_servers::nginx::{Nginx, nginx, write_configuration};
use micromint_servers::owners::{self, Unknown};
use micromint_servers::site::Site;

const SERVER: &str = "micromint_config vendor.toml; server { %SERVER% micromint on; }";

#[test]
fn an_owners_file_may_grow() {
    let (site, coins, sets) = Unknown::new().take();
    owners::an_owners_file_may_grow(&Nginx::with_server(site, ""), &coins, sets);
}

#[test]
fn an_unreadable_owners_file_is_not_an_absent_one() {
    owners::an_unreadable_owners_file_is_not_an_absent_one(&Nginx::with_server(Site::new(), ""));
    let nginx = Nginx::with_server(owners::site_with_unreadable_owners(), "");
    owners::an_owners_file_that_was_never_read_opens_nothing(&nginx);
}

#[test]
fn an_owners_file_that_disappears_stays_in_use() {
    owners::an_owners_file_that_disappears_stays_in_use(&Nginx::with_server(Site::new(), ""));
}

#[test]
fn required_owners_files_that_are_missing_keep_nginx_from_starting() {
    let site = owners::site_that_requires_owners();
    write_configuration(&site, SERVER);
    for arguments in [&["-t"][..], &[]] {
        let output = nginx(&site, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("[emerg]"), "{text}");
        owners::assert_says_what_is_missing(&site, &text);
    }
    owners::write_all_owners(&site);
    Nginx::start(site, SERVER);
}

#[test]
fn missing_owners_files_are_told() {
    let counters = "location = /counters { micromint off; micromint_status; }";
    owners::missing_owners_files_are_told(&Nginx::with_server(Site::new(), counters), "[warn]");
}

/// Even where the error log has nginx's default level.
#[test]
fn missing_owners_files_are_told_on_standard_error() {
    let site = Site::new();
    let quiet = format!("error_log %FOLDER%/logs/error.log; {SERVER}");
    write_configuration(&site, &quiet);
    let conf = std::fs::read_to_string(site.path("nginx.conf")).unwrap();
    site.write("nginx.conf", &conf.replace("logs/error.log info;", "logs/error.log;"));
    let output = nginx(&site, &["-g", "daemon on;"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let stopped = nginx(&site, &["-s", "stop"]);
    assert!(output.status.success() && stopped.status.success(), "{text}");
    assert!(text.contains("[warn]") && text.contains("without an owners file"), "{text}");
}

#[test]
fn blocked_users_are_refused() {
    owners::blocked_users_are_refused(&Nginx::with_server(Site::new(), ""));
}

#[test]
fn tokens_do_not_reach_the_content() {
    let proxy = "location /app/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; }";
    owners::tokens_do_not_reach_the_content(&Nginx::with_server(Site::new(), proxy));
}
