//! The life cycle of a server: valid and invalid configurations, start, restart, and failures.

use micromint_servers::apache::{
    Apache, Mpm, SELLING, apache, module, panicking_module, write_configuration,
    write_configuration_with,
};
use micromint_servers::client::{Connection, RequestText};
use micromint_servers::life::{
    SpentCoin, assert_one_of_racing_payments_is_accepted, assert_till_is_private, bad_vendor_files,
    names_created,
};
use micromint_servers::nginx::Nginx;
use micromint_servers::server::{
    Server, assert_knows_no_panic, assert_lives_through_panics, assert_sells_what_is_recorded_only,
    word,
};
use micromint_servers::site::Site;
use micromint_servers::wait_until;
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn testing_a_configuration_has_no_side_effect() {
    let site = Site::new();
    write_configuration(&site, SELLING);
    let made = names_created(&site, || {
        let output = apache(&site, &["-t"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
    assert!(made.is_empty(), "{made:?}");
    Apache::start(site, SELLING);
}

#[test]
fn a_test_of_the_configuration_warns_if_nothing_requires_a_payment() {
    let site = Site::new();
    site.write("vendor.toml", &site.vendor_toml("till"));
    for (lines, is_warned) in
        [("MicroMint Require", true), ("MicroMint Require\nRequire micromint", false)]
    {
        let place = format!("<Location /archive/>\nMicroMintPrice 1\n{lines}\n</Location>\n");
        write_configuration(&site, &format!("MicroMintConfig vendor.toml\n{place}"));
        let output = apache(&site, &["-t"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("MicroMint Require: no page costs anything"), is_warned, "{said}");
    }
}

#[test]
fn a_bad_configuration_is_refused_with_its_place_and_reason() {
    let good = Site::new().vendor_toml("till");
    let with = |text: &str| format!("MicroMintConfig vendor.toml\n{text}\n");
    let mut rows: Vec<(String, String, &str)> = vec![
        ("MicroMint On".into(), good.clone(), "MicroMint requires a MicroMintConfig"),
        ("MicroMintPrice 3".into(), good.clone(), "MicroMintPrice requires a MicroMintConfig"),
        (
            "<Directory /a>\nMicroMint Require\n</Directory>".into(),
            good.clone(),
            "MicroMint requires a MicroMintConfig",
        ),
        (
            with("MicroMint maybe"),
            good.clone(),
            "MicroMint: expected on, off or require, found \"maybe\"",
        ),
        (with("MicroMint"), good.clone(), "MicroMint takes one argument"),
        (
            with("MicroMintPrice free"),
            good.clone(),
            "MicroMintPrice: expected a price from 0 to 500 coins",
        ),
        (with("MicroMintPrice 501"), good.clone(), "expected a price from 0 to 500 coins"),
        (with("MicroMintPrice \"0.02 USD\""), good.clone(), "such as coin-value = "),
        (
            with("MicroMintPrice \"0.02 EUR\""),
            good.clone() + "coin-value = \"0.01 USD\"\n",
            "MicroMintPrice: expected a price in USD, as coin-value, found 0.02 EUR",
        ),
        (
            with("MicroMintPrice %{reqenv:}x"),
            good.clone(),
            "MicroMintPrice: the expression cannot be parsed",
        ),
        (with("MicroMintSubrequests no"), good.clone(), "expected allow or refuse, found \"no\""),
        (with("MicroMintReceiptPath story"), good.clone(), "MicroMintReceiptPath: expected a path"),
        (with("MicroMintFreeViews -1"), good.clone(), "expected a number from 0 to 1000000"),
        (with("MicroMintFreeViews 1000001"), good.clone(), "expected a number from 0 to 1000000"),
        (with("MicroMintPriceFiles No"), good.clone(), "expected on or off"),
        (with("MicroMintPriceFiles never"), good.clone(), "expected on or off"),
        (with("MicroMintExemptions No"), good.clone(), "expected on or off, found \"No\""),
        (with("MicroMintRedirects sell"), good.clone(), "expected charge or reverse"),
        (with("MicroMintDryRun perhaps"), good.clone(), "expected on or off"),
        (with("MicroMintLog loud"), good.clone(), "expected off, plain or json"),
        (
            with("<Location />\nRequire micromint 3\n</Location>"),
            good.clone(),
            "expected no argument",
        ),
        (
            "<Location />\nMicroMintConfig vendor.toml\n</Location>".into(),
            good.clone(),
            "not allowed",
        ),
        ("MicroMintConfig missing.toml".into(), good.clone(), "missing.toml"),
    ];
    let on = with("MicroMint On");
    rows.extend(bad_vendor_files().map(|(toml, expected)| (on.clone(), toml, expected)));
    for (text, toml, expected) in rows {
        let site = Site::new();
        site.write("vendor.toml", &toml);
        write_configuration(&site, &text);
        let output = apache(&site, &["-t"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "accepted: {text}\n{toml}");
        assert!(said.contains(expected), "{expected:?} not in {said}");
        // The first directive names a vendor's file; the directive under test is the last, also
        // where only the vendor's file makes it wrong.
        let file = std::fs::read_to_string(site.path("httpd.conf")).unwrap();
        let is_ours =
            |line: &str| line.starts_with("MicroMint") || line.starts_with("Require micromint");
        let lines =
            || (1..).zip(file.lines()).filter(|(_, line)| is_ours(line)).map(|(number, _)| number);
        let is_last = toml == good || expected.starts_with("MicroMintPrice: ");
        let number = if is_last { lines().last() } else { lines().next() }.unwrap();
        let path = site.path("httpd.conf").display().to_string();
        let places = [format!("line {number} of {path}"), format!("{path}:{number}")];
        assert!(places.iter().any(|place| said.contains(place)), "{places:?} not in {said}");
        assert!(!said.contains("panic"), "{said}");
    }
}

#[test]
fn a_gate_for_all_hosts_needs_a_vendor_in_one() {
    let text =
        "MicroMint On\n<VirtualHost 127.0.0.1:%PORT%>\nMicroMintConfig vendor.toml\n</VirtualHost>
        Listen 127.0.0.1:%BACK_PORT%\n<VirtualHost 127.0.0.1:%BACK_PORT%>\n</VirtualHost>\n";
    let apache = Apache::start(Site::new(), text);
    assert_eq!(apache.pay("/one.html", 1).short(), word(200, "paid"));
    let mut elsewhere = Connection::open(apache.site().back_port);
    assert_eq!(elsewhere.ask(&RequestText::get("/one.html")).status, 500, "nobody sells there");
}

#[test]
fn what_cannot_be_prepared_keeps_apache_from_starting_but_not_from_running() {
    let site = Site::new();
    site.write("till", "a file where a folder should be");
    write_configuration(&site, SELLING);
    let output = apache(&site, &["-k", "start"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &std::fs::read_to_string(site.path("logs/error.log")).unwrap();
    assert!(!output.status.success());
    assert!(
        text.contains("emerg") && text.contains("till") && text.contains("httpd.conf:"),
        "{text}"
    );
    std::fs::remove_file(site.path("till")).unwrap();

    let server = Apache::start(site, SELLING);
    server.site().write("vendor.toml", &server.site().vendor_toml("www/one.html/no"));
    server.reload(Signal::USR1, Mpm::Event, SELLING);
    assert!(server.log().contains(":emerg]"), "{}", server.log());
    assert_eq!(server.get("/free.html").body, "free");
    wait_until("the new children", || server.get("/one.html").status == 503);
    server.site().write("vendor.toml", &server.site().vendor_toml("till"));
    server.reload(Signal::USR1, Mpm::Event, SELLING);
    wait_until("the new children", || server.pay("/one.html", 1).short() == word(200, "paid"));
}

#[test]
fn till_and_secret_are_made_on_first_start_for_the_children_alone() {
    let server = Apache::start(Site::new(), SELLING);
    assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
    let site = server.stop();
    assert_till_is_private(&site);
}

#[test]
fn a_coin_stays_spent_over_restarts_and_kill() {
    for mpm in Mpm::ALL {
        let server = Apache::start_with(Site::new(), mpm, &module(), SELLING);
        let coin = SpentCoin::at(&server);
        coin.assert_spent(&server, "at once");
        for signal in [Signal::USR1, Signal::HUP, Signal::USR1] {
            server.reload(signal, mpm, SELLING);
            coin.assert_spent(&server, "after a restart");
        }
        let before = server.children();
        for child in &before {
            kill_process(*child, Signal::KILL).unwrap();
        }
        wait_until("new children", || {
            server.children().iter().any(|child| !before.contains(child))
        });
        coin.assert_spent(&server, "after children were killed");
        let server = Apache::start_with(server.stop(), mpm, &module(), SELLING);
        coin.assert_spent(&server, "after a stop and a start");
        assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
    }
}

#[test]
fn nginx_and_apache_racing_with_one_coin_accept_it_once() {
    for mpm in Mpm::ALL {
        let site = std::sync::Arc::new(Site::new());
        let apache = Apache::start_with(site.clone(), mpm, &module(), SELLING);
        // nginx sells the same pages for the same vendor on another port, as one of two servers
        // behind a name.
        let nginx = Nginx::start(
            SecondDoor::of(&site),
            "micromint_config vendor.toml; server { %SERVER% micromint on; }",
        );
        let ports = [site.port, nginx.site().port];
        for round in 0..5 {
            let case = format!("{mpm:?}, {round}");
            assert_one_of_racing_payments_is_accepted(&site, &ports, &case);
        }
        drop(apache);
    }
}

/// A folder from which a second server sells for the vendor of a first one: the same origins, pages
/// and till.
struct SecondDoor;

impl SecondDoor {
    fn of(first: &Site) -> Site {
        let second = Site::new();
        std::fs::remove_dir_all(second.path("www")).unwrap();
        std::os::unix::fs::symlink(first.path("www"), second.path("www")).unwrap();
        second.write("vendor.toml", &first.vendor_toml(first.path("till").to_str().unwrap()));
        second
    }
}

#[test]
fn a_panic_ends_one_request_and_the_child_lives() {
    let server = Apache::start_with(Site::new(), Mpm::Event, &panicking_module(), SELLING);
    assert_lives_through_panics(&server, &["head", "decision"], "micromint:crit");
    assert_knows_no_panic(&Apache::start(Site::new(), SELLING));
}

#[test]
fn what_cannot_be_recorded_is_not_sold() {
    assert_sells_what_is_recorded_only(&Apache::start(Site::new(), SELLING), "[micromint:error]");
}

/// The resources of a process: kilobytes of memory, and open files.
fn held(pid: Pid) -> (i64, i64) {
    let folder = format!("/proc/{}", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(format!("{folder}/status")).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let rss = rss.trim().trim_end_matches(" kB").trim().parse().unwrap();
    (rss, std::fs::read_dir(format!("{folder}/fd")).unwrap().count() as i64)
}

#[test]
fn fifty_graceful_restarts_leak_nothing() {
    let grown = |is_loaded: bool| {
        let (text, module) = if is_loaded { (SELLING, Some(module())) } else { ("", None) };
        let site = std::sync::Arc::new(Site::new());
        let server = Apache::start_with(
            site.clone(),
            Mpm::Event,
            &micromint_servers::apache::module(),
            SELLING,
        );
        write_configuration_with(&site, Mpm::Event, module.as_deref(), text);
        let restart = || {
            let resumed = || server.log().matches("resuming normal operations").count();
            let before = resumed();
            server.signal(Signal::USR1);
            wait_until("a restart", || resumed() > before);
        };
        for _ in 0..5 {
            restart();
        }
        let before = held(server.pid().unwrap());
        for _ in 0..50 {
            restart();
        }
        let after = held(server.pid().unwrap());
        (after.0 - before.0, after.1 - before.1)
    };
    let (without, with) = (grown(false), grown(true));
    println!("50 graceful restarts: (kB, files) without the module {without:?}, with it {with:?}");
    assert_eq!(with.1, without.1, "open files");
    assert!(with.0 - without.0 < 1500, "memory: {with:?} with the module, {without:?} without");
}
