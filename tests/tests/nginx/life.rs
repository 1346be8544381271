//! The life cycle of a server: valid and invalid configurations, start, reload, upgrade, and
//! failures.

use micromint_servers::client::{Connection, RequestText};
use micromint_servers::life::{
    SpentCoin, assert_one_of_racing_payments_is_accepted, assert_till_is_private, bad_vendor_files,
    names_created,
};
use micromint_servers::nginx::{
    Nginx, is_running, nginx, panicking_module, pid_in, write_configuration,
};
use micromint_servers::payer;
use micromint_servers::server::{
    Server, assert_knows_no_panic, assert_lives_through_panics, assert_sells_what_is_recorded_only,
    word,
};
use micromint_servers::site::Site;
use micromint_servers::wait_until;
use rustix::process::Signal;

const SERVER: &str = "micromint_config vendor.toml; server { %SERVER% micromint on; }";

#[test]
fn testing_a_configuration_has_no_side_effect() {
    let site = Site::new();
    write_configuration(&site, SERVER);
    let made = names_created(&site, || {
        let output = nginx(&site, &["-t", "-q"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    // nginx itself creates its log and temporary folders.
    let nginx_makes = ["body", "proxy", "fastcgi", "uwsgi", "scgi", "nginx.pid"];
    let ours: Vec<_> = made.iter().filter(|name| !nginx_makes.contains(&name.as_str())).collect();
    assert!(ours.is_empty(), "{ours:?}");
    Nginx::start(site, SERVER);
}

#[test]
fn a_bad_configuration_is_refused_with_its_place_and_reason() {
    let good = Site::new().vendor_toml("till");
    let in_server =
        |text: &str| format!("micromint_config vendor.toml;\n server {{ %SERVER%\n {text} }}");
    let with_on = in_server("micromint on;");
    let mut rows: Vec<(String, String, &str)> = vec![
        (
            "server { %SERVER%\n micromint on; }".to_string(),
            good.clone(),
            "require a \"micromint_config\"",
        ),
        (
            "server { %SERVER%\n micromint_price 3; }".to_string(),
            good.clone(),
            "require a \"micromint_config\"",
        ),
        (in_server("micromint maybe;"), good.clone(), "expected on or off, found \"maybe\""),
        (in_server("micromint;"), good.clone(), "invalid number of arguments in \"micromint\""),
        (
            in_server("micromint on; micromint off;"),
            good.clone(),
            "\"micromint\" directive is duplicate",
        ),
        (
            in_server("micromint_price 1; micromint_price 2;"),
            good.clone(),
            "\"micromint_price\" directive is duplicate",
        ),
        (in_server("micromint_price free;"), good.clone(), "expected a price from 0 to 500 coins"),
        (in_server("micromint_price 501;"), good.clone(), "expected a price from 0 to 500 coins"),
        (in_server("micromint_price \"0.02 USD\";"), good.clone(), "such as coin-value = "),
        (
            in_server("micromint_price \"0.02 EUR\";"),
            good.clone() + "coin-value = \"0.01 USD\"\n",
            "\"micromint_price\": expected a price in USD, as coin-value, found 0.02 EUR",
        ),
        (in_server("micromint_price $no_such;"), good.clone(), "unknown \"no_such\" variable"),
        (
            in_server("micromint_subrequests no;"),
            good.clone(),
            "expected allow or refuse, found \"no\"",
        ),
        (
            in_server("micromint_redirects no;"),
            good.clone(),
            "expected charge or reverse, found \"no\"",
        ),
        (in_server("micromint_exemptions no;"), good.clone(), "expected on or off, found \"no\""),
        (
            in_server("micromint_receipt_path story;"),
            good.clone(),
            "expected a path such as /story/17/",
        ),
        (
            in_server("micromint_free_views -1;"),
            good.clone(),
            "expected a number from 0 to 1000000, found \"-1\"",
        ),
        (in_server("micromint_free_views 1000001;"), good.clone(), "found \"1000001\""),
        (in_server("micromint_price_files no;"), good.clone(), "expected on or off, found \"no\""),
        (in_server("micromint_dry_run yes;"), good.clone(), "expected on or off, found \"yes\""),
        (
            in_server("micromint_log xml;"),
            good.clone(),
            "expected off, plain or json, found \"xml\"",
        ),
        (in_server("micromint_log off logs/x;"), good.clone(), "expected no file"),
        (in_server("micromint_log json no/such/folder;"), good.clone(), "no/such/folder"),
        (in_server("micromint_dry_run on; micromint_dry_run on;"), good.clone(), "is duplicate"),
        ("micromint_status;".to_string(), good.clone(), "directive is not allowed here"),
        (
            in_server("micromint_config vendor.toml; micromint_config vendor.toml;"),
            good.clone(),
            "is duplicate",
        ),
        ("micromint_config missing.toml;".to_string(), good.clone(), "missing.toml"),
        ("micromint_message;".to_string(), good.clone(), "directive is not allowed here"),
    ];
    rows.extend(bad_vendor_files().map(|(toml, expected)| (with_on.clone(), toml, expected)));
    for (http, toml, expected) in rows {
        let site = Site::new();
        site.write("vendor.toml", &toml);
        write_configuration(&site, &http);
        let output = nginx(&site, &["-t"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "accepted: {http}\n{toml}");
        assert!(text.contains("[emerg]") && text.contains(expected), "{expected:?} not in {text}");
        // nginx itself does not report the position of an unknown variable or of a log file.
        let has_no_place = expected.starts_with("unknown") || expected.starts_with("no/such");
        assert!(text.contains("nginx.conf:") || has_no_place, "no place in {text}");
        assert!(!text.contains("panic"), "{text}");
    }
}

#[test]
fn what_cannot_be_prepared_keeps_nginx_from_starting_but_not_from_running() {
    let site = Site::new();
    site.write("till", "a file where a folder should be");
    write_configuration(&site, SERVER);
    let output = nginx(&site, &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &std::fs::read_to_string(site.path("logs/error.log")).unwrap();
    assert!(!output.status.success());
    assert!(
        text.contains("[emerg]") && text.contains("till") && text.contains("nginx.conf:"),
        "{text}"
    );
    std::fs::remove_file(site.path("till")).unwrap();

    let server = Nginx::start(site, SERVER);
    let workers = server.workers();
    server.site().write("vendor.toml", &server.site().vendor_toml("www/one.html/no"));
    server.signal(Signal::HUP);
    wait_until("the refusal", || server.log().contains("[emerg]"));
    assert_eq!(server.workers(), workers, "a reload that cannot be prepared does not take place");
    assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
}

#[test]
fn till_and_secret_are_made_on_first_start_for_the_workers_alone() {
    let server = Nginx::start(Site::new(), SERVER);
    assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
    let site = server.stop();
    assert_till_is_private(&site);
}

#[test]
fn a_coin_stays_spent_over_reload_restart_and_kill() {
    let server = Nginx::start(Site::new(), SERVER);
    let coin = SpentCoin::at(&server);
    coin.assert_spent(&server, "at once");
    for round in 0..3 {
        server.reload(SERVER);
        coin.assert_spent(&server, &format!("after reload {round}"));
    }
    server.reload("server { %SERVER% }");
    assert_eq!(server.get("/one.html").status, 200, "without the module nothing is priced");
    server.reload(SERVER);
    coin.assert_spent(&server, "after a while without");
    for worker in server.workers() {
        rustix::process::kill_process(worker, Signal::KILL).unwrap();
    }
    wait_until("new workers", || server.workers().len() == 2);
    coin.assert_spent(&server, "after workers were killed");
    let server = Nginx::start(server.stop(), SERVER);
    coin.assert_spent(&server, "after a restart");
    assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
}

#[test]
fn a_coin_stays_spent_over_a_binary_upgrade() {
    let server = Nginx::start(Site::new(), SERVER);
    let coins = payer::coins_of(payer::mint(), 1);
    let pay = |target: &str| {
        let payment = payer::payment_with(payer::mint(), &server.site().url(target), &coins);
        server.ask(&RequestText::post(target, &payment)).short()
    };
    let old = server.pid().unwrap();
    assert_eq!(pay("/one.html"), word(200, "paid"));
    server.signal(Signal::USR2);
    wait_until("the new master", || {
        pid_in(&server.site().path("nginx.pid.oldbin")).is_some()
            && server.pid().is_some_and(|pid| pid != old)
    });
    wait_until("its workers", || server.workers().len() == 2);
    for _ in 0..8 {
        assert_eq!(pay("/one.html?both"), word(402, "spent"), "old and new workers serve");
    }
    rustix::process::kill_process(old, Signal::QUIT).unwrap();
    wait_until("the old master to end", || !is_running(old));
    assert_eq!(pay("/one.html?new"), word(402, "spent"));
    assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
}

#[test]
fn workers_racing_with_one_coin_accept_it_once() {
    let server = Nginx::start(Site::new(), SERVER);
    for round in 0..10 {
        let ports = [server.site().port];
        assert_one_of_racing_payments_is_accepted(server.site(), &ports, &format!("{round}"));
    }
}

#[test]
fn several_vendors_share_one_nginx() {
    let site = Site::new();
    let other =
        site.vendor_toml("other-till").replace(&site.port.to_string(), &site.back_port.to_string());
    site.write("other.toml", &other);
    let nginx = Nginx::start(
        site,
        "micromint_config vendor.toml;
         server { %SERVER% micromint on; }
         server { listen 127.0.0.1:%BACK_PORT%; root %FOLDER%/www; micromint on; micromint_config other.toml; }",
    );
    let coins = payer::coins_of(payer::mint(), 1);
    let here = payer::payment_with(payer::mint(), &nginx.site().url("/one.html"), &coins);
    let there = nginx
        .site()
        .url("/one.html")
        .replace(&nginx.site().port.to_string(), &nginx.site().back_port.to_string());
    let there = payer::payment_with(payer::mint(), &there, &coins);
    assert_eq!(nginx.ask(&RequestText::post("/one.html", &here)).short(), word(200, "paid"));
    // Another till: the same coin is new there. (Two tills under one Vendor-ID are the vendor's own
    // responsibility.)
    let mut connection = Connection::open(nginx.site().back_port);
    assert_eq!(connection.ask(&RequestText::post("/one.html", &there)).short(), word(200, "paid"));
    assert!(nginx.site().path("other-till").is_dir());
}

#[test]
fn a_panic_ends_one_request_and_the_worker_lives() {
    let server = Nginx::start_with(Site::new(), &panicking_module(), SERVER);
    assert_lives_through_panics(&server, &["head", "thread"], "[alert]");
    assert_knows_no_panic(&Nginx::start(Site::new(), SERVER));
}

#[test]
fn what_cannot_be_recorded_is_not_sold() {
    assert_sells_what_is_recorded_only(&Nginx::start(Site::new(), SERVER), "micromint: ");
}
