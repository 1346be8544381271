//! `mmwallet get` and `price`.

use std::collections::HashSet;
use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use micromint::protocol::Payment;
use micromint::scheme::{Credential, reference, token_of};

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout, text};

fn get(home: &Home, url: &str, more: &[&str]) -> std::process::Output {
    home.run(&[&["get", url, "--autopay", "5"], more].concat())
}

#[test]
fn a_free_page_needs_no_wallet() {
    let (home, vendor) = (Home::new(), Vendor::start(&MINT));
    let output = home.run(&["get", &vendor.url("/free")]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "free content"));
    assert!(!home.wallet().exists());
    let output = home.run(&["get", &vendor.url("/page")]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).contains("there is no wallet at"), "{output:?}");
}

/// Such as one of a backup, or on a read-only file system.
#[test]
fn a_wallet_that_cannot_be_written_fetches_free_pages_and_pays_nothing() {
    const NOBODY: u32 = 65534;
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let before = std::fs::read(home.wallet()).unwrap();
    std::fs::set_permissions(home.wallet(), Permissions::from_mode(0o400)).unwrap();
    let program = home.path("mmwallet");
    std::fs::copy(assert_cmd::cargo::cargo_bin("mmwallet"), &program).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        // Root may write any file, so another user runs the program, from where he can read it.
        std::fs::set_permissions(home.path("."), Permissions::from_mode(0o711)).unwrap();
        for path in [home.path("data"), home.wallet()] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let get = |page: &str| {
        let mut command = Command::new(&program);
        command.env_clear().arg("--wallet").arg(home.wallet());
        command.args(["get", &vendor.url(page), "--autopay", "5"]);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    };
    let output = get("/free");
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "free content"), "{output:?}");
    let output = get("/page");
    assert_eq!((status(&output), stdout(&output).as_str()), (3, ""), "{output:?}");
    assert!(stderr(&output).contains("cannot be written"), "{output:?}");
    assert!(stderr(&output).contains("no coins were sent"), "{output:?}");
    assert_eq!((vendor.spent(), std::fs::read(home.wallet()).unwrap()), (0, before));
}

#[test]
fn a_page_is_paid_by_a_post_of_the_message_to_its_own_url() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    for page in ["/page?a=%20b&c", "/in-body"] {
        let output = get(&home, &vendor.url(page), &[]);
        assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
        assert!(
            stderr(&output).starts_with("mmwallet: paid 2 coins (0.02 USD) to 127.0.0.1; "),
            "{output:?}"
        );
    }
    assert_eq!((vendor.spent(), home.unspent()), (4, coins - 4));
    assert_eq!(home.outcome(), "paid");
    let seen = vendor.seen();
    assert_eq!((seen[0].method.as_str(), seen[1].method.as_str()), ("GET", "POST"));
    assert!(seen[1].headers["user-agent"].starts_with("mmwallet/"));
}

#[test]
fn a_price_above_the_threshold_is_refused_without_a_terminal() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    for (page, more) in [("/expensive", vec![]), ("/page", vec!["--autopay", "1"])] {
        let output = home.run(&[&["get", &vendor.url(page)], more.as_slice()].concat());
        assert_eq!((status(&output), stdout(&output).as_str()), (3, ""), "{output:?}");
        assert!(stderr(&output).contains("no terminal to ask on"), "{output:?}");
    }
    // A threshold in another currency than that of the coins is not called too low.
    for (autopay, says) in [
        ("0.01 USD", "2 coins (0.02 USD), above the autopay threshold of 0.01 USD, and"),
        ("5 EUR", "2 coins (0.02 USD), in another currency than the autopay threshold of 5 EUR, "),
    ] {
        let output = home.run(&["get", &vendor.url("/page"), "--autopay", autopay]);
        assert_eq!(status(&output), 3, "{output:?}");
        assert!(stderr(&output).contains(says), "{output:?}");
    }
    std::fs::write(home.path("data/wallet.toml"), "autopay = 9").unwrap();
    assert_eq!(status(&home.run(&["get", &vendor.url("/expensive")])), 0);
    assert_eq!(vendor.spent(), 9);
}

/// On a terminal, which script(1) of util-linux provides, the price is shown; yes pays, anything
/// else does not.
#[test]
fn a_terminal_is_asked() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let program = assert_cmd::cargo::cargo_bin("mmwallet");
    for (answer, expected, spent) in [("n\n", 3, 0), ("\n", 3, 0), ("y\n", 0, 9)] {
        let command = format!(
            "{} --wallet {} get {}",
            program.display(),
            home.wallet().display(),
            vendor.url("/expensive")
        );
        let mut script = assert_cmd::Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .write_stdin(answer)
            .timeout(Duration::from_secs(30));
        let output = script.output().unwrap();
        assert!(
            stdout(&output).contains("Pay 9 coins (0.09 USD) to 127.0.0.1? The wallet has "),
            "{output:?}"
        );
        assert_eq!((status(&output), vendor.spent()), (expected, spent), "{output:?}");
    }
}

#[test]
fn requests_that_must_not_be_trusted_are_not_paid() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    for (page, says) in [
        ("/other-vendor", "shop.example may not collect for a page of 127.0.0.1"),
        ("/other-page", "asks for payment for"),
        ("/other-broker", "no coins of the period 2026-12 of https://thief.example/"),
        ("/other-period", "no coins of the period 1999-01"),
    ] {
        let output = get(&home, &vendor.url(page), &[]);
        assert_eq!(status(&output), 3, "{output:?}");
        assert!(stderr(&output).contains(says), "{output:?}");
    }
    let output = get(&home, &vendor.url("/page"), &["--daily-limit", "1"]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).contains("daily limit is 1"), "{output:?}");
    assert_eq!(vendor.payments().len(), 0);
    assert_eq!(home.outcome(), "none");
}

#[test]
fn heads_of_answers_are_bounded() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let output = get(&home, &vendor.url("/huge-head"), &[]);
    assert_eq!(status(&output), 7, "{output:?}");
    assert_eq!(vendor.payments().len(), 0);
}

#[test]
fn redirects_are_followed_before_paying_and_never_after() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let output = get(&home, &vendor.url("/moved-to=/page"), &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (6, ""), "{output:?}");
    assert!(stderr(&output).contains("a redirect to \"/page\"; -L follows it"), "{output:?}");
    let output = get(&home, &vendor.url("/moved-to=/page"), &["-L"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    let output = get(&home, &vendor.url("/moved-to=/page"), &["-L", "--max-redirs", "0"]);
    assert_eq!(status(&output), 7, "{output:?}");

    // The vendor takes the coins and answers with a redirect, which the wallet does not follow.
    let output = get(&home, &vendor.url("/away"), &["-L"]);
    assert_eq!(status(&output), 6, "{output:?}");
    assert!(!vendor.seen().iter().any(|seen| seen.path == "/free"));
    assert_eq!(home.outcome(), "unknown");
}

#[test]
fn secrets_for_one_site_do_not_follow_a_redirect_to_another() {
    let (home, vendor, other) = (Home::new(), Vendor::start(&MINT), Vendor::start(&MINT));
    let secret = [
        "-L",
        "-H",
        "Authorization: Basic c2VjcmV0",
        "-H",
        "X-Key: 1",
        "-H",
        "Host: secret.example",
        "-b",
        "session=1",
        "-H",
        "Accept: a/b",
    ];
    let to = format!("/moved-to={}", other.url("/free"));
    let output = home.run(&[&["get", &vendor.url(&to)], &secret[..]].concat());
    assert_eq!(stdout(&output), "free content");
    let first = &vendor.seen()[0].headers;
    assert!(first.contains_key("authorization") && first.contains_key("x-key"));
    assert_eq!((first["host"].as_str(), first["cookie"].as_str()), ("secret.example", "session=1"));

    // The payment goes to the other site too.
    let (home, to) = (Home::with_coins(), format!("/moved-to={}", other.url("/page")));
    let output = get(&home, &vendor.url(&to), &secret);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    assert_eq!(other.seen().len(), 3);
    for seen in other.seen() {
        let has = |name| seen.headers.contains_key(name);
        assert!(!has("authorization") && !has("x-key") && !has("cookie"), "{seen:?}");
        assert_eq!(format!("http://{}", seen.headers["host"]), other.url(""));
        assert_eq!(seen.headers["accept"], "a/b");
    }
    // A body is not sent elsewhere either.
    let output = home.run(&["get", &vendor.url(&to), "-L", "-X", "GET", "-d", "secret"]);
    assert_eq!(status(&output), 6, "{output:?}");
    assert_eq!(other.seen().len(), 3);
}

/// The coins were bought a moment ago, and the vendor does not know them yet.
#[test]
fn coins_that_the_vendor_does_not_know_yet_are_sent_again() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    let output = get(&home, &vendor.url("/new-coins"), &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    assert_eq!(stderr(&output).matches("does not know these coins yet").count(), 1, "{output:?}");
    assert!(stderr(&output).contains("every 1 s, for at most two minutes"), "{output:?}");
    let payments = vendor.payments();
    assert_eq!(payments.len(), 3);
    assert!(payments.iter().all(|payment| *payment == payments[0]));
    assert_eq!((home.unspent(), home.outcome().as_str()), (coins - 2, "paid"));
}

/// The wallet is ended while it waits: the payment can be sent again. (SIGTERM, not the SIGINT of
/// Ctrl-C: a shell lets the programs that it starts in the background ignore that one.)
#[test]
fn a_wallet_that_stops_waiting_sends_the_same_payment_later() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let (coins, url) = (home.unspent(), vendor.url("/newest-coins"));
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mmwallet"))
        .args(["--wallet", text(&home.wallet()), "get", &url, "--autopay", "5"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first line on standard error says that it waits.
    let mut said = [0; 16];
    child.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(ended.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), None, "ended by the signal");
    assert_eq!(home.outcome(), "unknown");
    let output = get(&home, &url, &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    let payments = vendor.payments();
    assert_eq!((payments.len(), &payments[0]), (2, &payments[1]));
    assert_eq!((home.unspent(), home.outcome().as_str()), (coins - 2, "paid"));
}

#[test]
fn a_payment_that_is_never_known_is_refused_and_its_coins_can_be_sent_again() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    for tries in 1..3 {
        let output = get(&home, &vendor.url("/never-known"), &["--no-wait"]);
        assert_eq!((status(&output), stdout(&output).as_str()), (4, ""), "{output:?}");
        assert!(stderr(&output).contains("run the same command later"), "{output:?}");
        assert_eq!(home.outcome(), "refused not-yet-known");
        assert_eq!((vendor.payments().len(), home.unspent()), (tries, coins - 2));
    }
    let balls = |message: &Vec<u8>| Payment::parse(message).unwrap().x;
    let payments = vendor.payments();
    assert_eq!(balls(&payments[0]), balls(&payments[1]));
}

/// The same without `--no-wait`: the wallet gives up after two minutes.
#[test]
#[ignore = "takes two minutes"]
fn a_wallet_waits_for_two_minutes() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let started = Instant::now();
    let mut command = home.command("mmwallet");
    command.timeout(Duration::from_secs(180));
    let output =
        command.args(["get", &vendor.url("/never-known"), "--autopay", "5"]).output().unwrap();
    assert_eq!(status(&output), 4, "{output:?}");
    let took = started.elapsed().as_secs();
    assert!((80..=125).contains(&took), "{took} s");
    assert_eq!(home.outcome(), "refused not-yet-known");
}

/// The vendor recorded the payment, and its answer was lost completely or in part. The next run
/// sends the same bytes and costs nothing.
#[test]
fn a_lost_answer_is_retried_with_the_same_coins() {
    for page in ["/lost", "/cut"] {
        let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
        let coins = home.unspent();
        let output = get(&home, &vendor.url(page), &[]);
        assert_eq!(status(&output), 5, "{output:?}");
        assert!(stderr(&output).contains("run the same command again"), "{output:?}");
        assert_eq!(home.outcome(), "unknown");
        let output = get(&home, &vendor.url(page), &[]);
        assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
        let payments = vendor.payments();
        assert_eq!(payments.len(), 2);
        assert_eq!(payments[0], payments[1]);
        assert_eq!(
            (vendor.spent(), home.unspent(), home.outcome().as_str()),
            (2, coins - 2, "paid")
        );
    }
}

/// kill -9 between payment and answer.
#[test]
fn a_killed_wallet_continues_with_the_same_coins() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let url = vendor.url("/slow");
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mmwallet"))
        .args(["--wallet", text(&home.wallet()), "get", &url, "--autopay", "5"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while vendor.spent() == 0 {
        assert!(start.elapsed() < Duration::from_secs(30), "no payment came");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let output = get(&home, &url, &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    let payments = vendor.payments();
    assert_eq!(payments[0], payments[1]);
    assert_eq!(vendor.spent(), 2);
}

/// Fetches a page in a process that is killed after `delay`. Returns whether it ended before.
fn killed_get(home: &Home, url: &str, delay: Duration) -> bool {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("mmwallet"))
        .args(["--wallet", text(&home.wallet()), "get", url, "--autopay", "2"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap().success()
}

/// Several wallet processes at a time, killed with kill -9 at random moments: every page is fetched
/// in the end, no coin is sent twice, and none is lost.
#[test]
fn killed_wallets_lose_no_coin_and_send_none_twice() {
    let (home, vendor) = (Home::new(), Vendor::start(&MINT));
    assert_eq!(status(&home.run(&["receive", text(&home.funds(&[4, 10, 20, 30], 1))])), 0);
    let coins = home.unspent();
    let fetch_all = |thread: u64| {
        for page in 0..4 {
            let url = vendor.url(&format!("/{thread}-{page}"));
            let delays = (0..4).map(|i| Duration::from_millis(2 + 3 * thread + 5 * page + 11 * i));
            if delays.into_iter().any(|delay| killed_get(&home, &url, delay)) {
                continue;
            }
            let output = get(&home, &url, &[]);
            assert_eq!(
                (status(&output), stdout(&output).as_str()),
                (0, "paid content"),
                "{output:?}"
            );
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| fetch_all(0));
        scope.spawn(|| fetch_all(1));
    });
    let sent: HashSet<Vec<u8>> = vendor.payments().into_iter().collect();
    assert!(sent.len() >= 8, "a payment for every page, found {}", sent.len());
    assert_eq!(vendor.spent(), 2 * sent.len(), "no coin is in two payments");
    assert_eq!(home.unspent(), coins - vendor.spent() as u64, "no coin is lost");
}

#[test]
fn two_processes_together_never_use_the_same_coin() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    let children: Vec<_> = (0..6)
        .map(|i| {
            Command::new(assert_cmd::cargo::cargo_bin("mmwallet"))
                .args([
                    "--wallet",
                    text(&home.wallet()),
                    "get",
                    &vendor.url(&format!("/{i}")),
                    "--autopay",
                    "2",
                ])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!((vendor.spent(), home.unspent()), (12, coins - 12));
}

#[test]
fn a_refusal_is_printed_and_its_coins_stay_bound() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    let output = get(&home, &vendor.url("/refuse=spent"), &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (4, ""), "{output:?}");
    assert!(stderr(&output).contains("127.0.0.1 refused the payment: spent"), "{output:?}");
    assert_eq!(home.outcome(), "refused spent");
    assert_eq!(home.unspent(), coins - 2);

    // A refusal for a reason in the request: the same coins pay for another page there.
    let output = get(&home, &vendor.url("/refuse=cap-reached"), &[]);
    assert_eq!(status(&output), 4, "{output:?}");
    assert_eq!(status(&get(&home, &vendor.url("/page"), &[])), 0);
    assert_eq!(home.unspent(), coins - 4);
    let payments = vendor.payments();
    let balls = |i: usize| micromint::protocol::Payment::parse(&payments[i]).unwrap().x;
    assert_eq!(balls(1), balls(2));
    assert_ne!(balls(0), balls(1));
}

/// A vendor that supports only the scheme "Payment" gives its reason in a problem document. The
/// reader sees its text without control characters, and the wallet records the reason.
#[test]
fn the_text_of_a_problem_is_printed() {
    let vendor = Vendor::start(&MINT);
    for (page, reason) in [("/problem=", "spent"), ("/problem=cap-reached", "cap-reached")] {
        let home = Home::with_coins();
        let output = get(&home, &vendor.url(page), &[]);
        assert_eq!((status(&output), stdout(&output).as_str()), (4, ""), "{output:?}");
        let expected = format!(
            "127.0.0.1 refused the payment: {reason} \
            (Coins:[2J seen: Zwei Münzen für diese Seite); 2 coins"
        );
        assert!(stderr(&output).contains(&expected), "{output:?}");
        assert_eq!(home.outcome(), format!("refused {reason}"));
    }
}

#[test]
fn an_uncharged_page_is_reported() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let output = get(&home, &vendor.url("/gift"), &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "a gift"));
    assert!(stderr(&output).contains("not charged (returned)"), "{output:?}");
    let output = get(&home, &vendor.url("/gone"), &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (6, "no such page"));
    assert_eq!(home.outcome(), "not-kept reversed");
}

#[test]
fn a_receipt_shows_what_is_under_its_path_again_and_is_sent_nowhere_else() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    assert_eq!(stdout(&get(&home, &vendor.url("/receipt"), &[])), "paid content");
    assert_eq!(stdout(&get(&home, &vendor.url("/receipt"), &[])), "bought before");
    assert_eq!(stdout(&get(&home, &vendor.url("/receipt/image"), &[])), "bought before");
    assert_eq!(stdout(&get(&home, &vendor.url("/receipts"), &[])), "paid content");
    get(&home, &vendor.url("/moved-to=/free"), &[]);
    let with_cookie: Vec<String> = vendor
        .seen()
        .into_iter()
        .filter(|s| s.headers.contains_key("cookie"))
        .map(|s| s.path)
        .collect();
    assert_eq!(with_cookie, ["/receipt", "/receipt/image"]);
    assert_eq!(vendor.payments().len(), 2);
}

#[test]
fn content_goes_to_a_file_and_the_head_is_shown_on_request() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let file = home.path("out");
    let output = get(&home, &vendor.url("/page"), &["-o", text(&file), "-s"]);
    assert_eq!(
        (status(&output), stdout(&output), stderr(&output)),
        (0, String::new(), String::new())
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"paid content");
    let output = get(&home, &vendor.url("/page"), &["-i"]);
    assert!(stdout(&output).starts_with("HTTP/1.1 200 OK\r\n"), "{output:?}");
    assert!(stdout(&output).ends_with("\r\n\r\npaid content"), "{output:?}");

    // A file that cannot be written costs nothing. A file that was created and not needed is
    // removed.
    let paid = vendor.payments().len();
    assert_eq!(status(&get(&home, &vendor.url("/page"), &["-o", "/nonexistent/out"])), 1);
    let none = home.path("none");
    assert_eq!(status(&get(&home, &vendor.url("/expensive"), &["-o", text(&none)])), 3);
    assert!(!none.exists());
    assert_eq!(vendor.payments().len(), paid);
}

#[test]
fn other_methods_ranges_and_bodies_pay_in_a_header() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let url = vendor.url("/page");
    for (more, method, body) in [
        (vec!["-d", "a=b"], "POST", "a=b"),
        (vec!["-X", "DELETE"], "DELETE", ""),
        (vec!["-H", "Range: bytes=0-1"], "GET", ""),
        (vec!["--pay-in-header"], "GET", ""),
    ] {
        let output = get(&home, &url, &more);
        assert_eq!(status(&output), 0, "{more:?} {output:?}");
        let paid = vendor.seen().pop().unwrap();
        assert_eq!((paid.method.as_str(), paid.body.as_slice()), (method, body.as_bytes()));
        assert!(paid.headers.contains_key("micromint-payment"));
        assert_eq!(paid.headers.contains_key("idempotency-key"), method != "GET");
    }
    let output = get(&home, &url, &["-X", "HEAD"]);
    assert_eq!(status(&output), 3, "{output:?}");
    assert!(stderr(&output).contains("never charged"));
}

#[test]
fn a_vendor_that_supports_only_the_scheme_is_paid_with_a_credential() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let basic = ["-H", "Authorization: Basic YTpi"];
    for (page, more, name) in [
        ("/scheme", &[][..], "authorization"),
        ("/scheme-beside", &[], "payment-authorization"),
        ("/scheme?again", &basic, "payment-authorization"),
        ("/scheme?post", &["-d", "a=b"], "authorization"),
    ] {
        let output = get(&home, &vendor.url(page), more);
        assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
        let paid = vendor.seen().pop().unwrap();
        let payment = Payment::parse(&paid.payment().unwrap()).unwrap();
        assert!(
            stderr(&output).contains(&format!("; reference {}", reference(&payment))),
            "{output:?}"
        );
        let token = token_of(paid.headers[name].as_bytes()).unwrap();
        assert_eq!(Credential::parse(token).unwrap().challenge.id, "an-id");
        assert!(!paid.headers.contains_key("micromint-payment"));
        assert_eq!(paid.headers.contains_key("idempotency-key"), paid.method == "POST");
    }
    assert_eq!(vendor.spent(), 8);
    let output = get(&home, &vendor.url("/scheme-late"), &[]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).contains("challenge has expired"), "{output:?}");
    assert_eq!(vendor.spent(), 8);
}

#[test]
fn a_server_that_says_nothing_about_the_payment_gives_a_notice() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let output = get(&home, &vendor.url("/silent"), &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    assert!(stderr(&output).contains("the server says nothing about the payment"), "{output:?}");
    let output = get(&home, &vendor.url("/page"), &[]);
    assert!(!stderr(&output).contains("says nothing"), "{output:?}");
}

#[test]
fn a_price_is_shown_without_paying() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let price = |page| stdout(&home.run(&["price", &vendor.url(page)]));
    assert_eq!(price("/expensive"), "9 coins (0.09 USD) to 127.0.0.1: A page\n");
    assert_eq!(price("/free"), "free\n");
    let output = home.run(&["price", "--json", &vendor.url("/expensive")]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((value["price"].as_u64(), value["vendor"].as_str()), (Some(9), Some("127.0.0.1")));
    assert_eq!(vendor.payments().len(), 0);
}

#[test]
fn what_a_payment_costs_more_than_the_lowest_price_is_said() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let url = vendor.url("/cheaper-elsewhere");
    let prices = "1 coin (0.015 USD) or 2 coins (0.02 USD) to 127.0.0.1: A page\n";
    assert_eq!(stdout(&home.run(&["price", &url])), prices);
    let output = home.run(&["price", "--json", &url]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&value["price"], &value["money"]), (&1.into(), &"0.015 USD".into()));
    let second = &value["prices"][1];
    assert_eq!((&second["coins"], &second["money"]), (&2.into(), &"0.02 USD".into()));

    let over = ", 0.005 USD more than the lowest price of 1 coin (0.015 USD)";
    let output = get(&home, &url, &["--autopay", "1"]);
    let asked = format!("its price is 2 coins (0.02 USD){over}, above the autopay threshold");
    assert!(stderr(&output).contains(&asked), "{output:?}");
    let output = get(&home, &url, &["--autopay", "2"]);
    let said = format!("paid 2 coins (0.02 USD) to 127.0.0.1{over};");
    assert!(status(&output) == 0 && stderr(&output).contains(&said), "{output:?}");
    let output = get(&home, &vendor.url("/costlier-elsewhere"), &["--autopay", "2"]);
    assert!(stderr(&output).contains("paid 2 coins (0.02 USD) to 127.0.0.1; "), "{output:?}");
}

#[test]
fn no_output_contains_a_coin_or_a_key() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let mut all = String::new();
    for args in [
        vec!["get", "-i", "--autopay", "5", "-v", "/page"],
        vec!["get", "-i", "--autopay", "5", "-v", "/refuse=spent"],
        vec!["get", "-i", "--autopay", "5", "-v", "/lost"],
        vec!["get", "-v", "--autopay", "5", "--pay-in-header", "/page"],
        vec!["get", "-v", "--autopay", "5", "-X", "DELETE", "/page"],
        vec!["get", "-v", "--autopay", "5", "-w%{json}%{header_json}", "/scheme"],
    ] {
        let url = vendor.url(args[5]);
        let output = home.run(&[&args[..5], &[url.as_str()]].concat());
        all.push_str(&(stdout(&output) + &stderr(&output)));
    }
    for args in [["history", "--json"], ["balance", "--json"]] {
        all.push_str(&stdout(&home.run(&args)));
    }
    let print = home.command("printwallet").arg("--json").output().unwrap();
    assert_eq!(status(&print), 0);
    all.push_str(&stdout(&print));
    assert!(!all.contains(&"05".repeat(32)), "the user's key");
    for message in vendor.payments() {
        let payment = micromint::protocol::Payment::parse(&message).unwrap();
        assert!(payment.x.iter().all(|x| !all.contains(&format!("{x:016x}"))));
        let data = String::from_utf8(message).unwrap();
        let base64 = data.lines().rev().nth(2).unwrap();
        assert!(base64.len() == 76 && !all.contains(base64));
    }
}

#[test]
fn servers_that_cannot_be_reached_cost_nothing() {
    let home = Home::with_coins();
    let output = get(&home, "http://127.0.0.1:1/", &[]);
    assert_eq!(status(&output), 7, "{output:?}");
    for url in ["ftp://a.example/", "nonsense", "http://user:secret@127.0.0.1/"] {
        let output = get(&home, url, &[]);
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(!stderr(&output).contains("secret"), "{output:?}");
    }
    assert_eq!(status(&home.run(&["get"])), 2);
}

#[test]
fn https_needs_a_trusted_certificate() {
    let home = Home::with_coins();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let cacert = home.file("ca.pem", certified.cert.pem().as_bytes());
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let vendor = Vendor::start_tls(&MINT, config);
    let output = get(&home, &vendor.url("/page"), &["--cacert", text(&cacert)]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    let output = get(&home, &vendor.url("/page"), &[]);
    assert_eq!(status(&output), 7, "{output:?}");
    assert_eq!(vendor.spent(), 2);
    let output = get(&home, &vendor.url("/free"), &["-k"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "free content"), "{output:?}");
}

/// Where the server refuses a POST, or something drops it, the same message goes in a header.
#[test]
fn a_payment_whose_post_is_refused_goes_in_a_header() {
    let pages =
        ["403", "405", "411", "413", "415", "501"].map(|status| format!("/no-post={status}"));
    for page in pages.iter().map(String::as_str).chain(["/dropped"]) {
        let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
        let coins = home.unspent();
        let output = get(&home, &vendor.url(page), &[]);
        assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
        assert!(stderr(&output).contains("does not reach the paywall"), "{output:?}");
        let sent = vendor.payments();
        assert!(sent.len() == 2 && sent[0] == sent[1], "the same message");
        assert_eq!((home.outcome().as_str(), home.unspent()), ("paid", coins - 2), "{page}");
    }
}

/// The server's own refusals are not the paywall's: nothing was charged, and the wallet goes on.
#[test]
fn a_refusal_by_the_server_itself_leaves_a_way_on() {
    for refused in ["400", "403", "404", "405", "411", "413", "414", "431", "501"] {
        let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
        let coins = home.unspent();
        let url = vendor.url(&format!("/server={refused}"));
        let output = get(&home, &url, &[]);
        assert_eq!((status(&output), stdout(&output).as_str()), (6, "the server's own page"));
        let says = format!("the server itself refused the request with HTTP status {refused}");
        assert!(stderr(&output).contains(&says), "{output:?}");
        assert!(stderr(&output).contains("Nothing was charged"), "{output:?}");
        assert_eq!(home.outcome(), format!("not-seen {refused}"));
        // The same request sends the same message, and no further coins.
        let before = vendor.payments().pop().unwrap();
        assert_eq!(status(&get(&home, &url, &[])), 6);
        assert_eq!(vendor.payments().pop().unwrap(), before);
        assert_eq!(home.unspent(), coins - 2);
        // Another page of this vendor takes the same coins.
        let output = get(&home, &vendor.url("/page"), &[]);
        assert_eq!(status(&output), 0, "{output:?}");
        assert_eq!(home.unspent(), coins - 2);
    }
}

/// A gateway's error, a limit or a timeout says nothing: only the same message is sent again.
#[test]
fn an_answer_of_a_gateway_leaves_the_payment_open() {
    for failed in ["408", "429", "500", "502", "503", "504"] {
        let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
        let coins = home.unspent();
        let url = vendor.url(&format!("/server={failed}"));
        let output = get(&home, &url, &[]);
        assert_eq!(status(&output), 6);
        assert!(stderr(&output).contains("it may have taken the coins"), "{output:?}");
        assert_eq!(home.outcome(), "unknown");
        let before = vendor.payments().pop().unwrap();
        assert_eq!(status(&get(&home, &url, &[])), 6);
        assert_eq!(vendor.payments().pop().unwrap(), before);
        // Its coins pay for nothing else.
        assert_eq!(status(&get(&home, &vendor.url("/page"), &[])), 0);
        assert_eq!(home.unspent(), coins - 4);
    }
}

#[test]
fn a_header_that_is_refused_is_explained() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let output = get(&home, &vendor.url("/no-header=431"), &["--pay-in-header"]);
    assert_eq!(status(&output), 6, "{output:?}");
    assert!(stderr(&output).contains("try it without --pay-in-header"), "{output:?}");
    let output = get(&home, &vendor.url("/no-header=431"), &[]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "paid content"), "{output:?}");
    let payments = vendor.payments();
    assert_eq!(payments[0], payments[1], "the same message in the other form");
}

/// What is sold may be a redirect. It is paid for, and the wallet says where it leads.
#[test]
fn a_redirect_that_was_sold_is_paid() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let output = get(&home, &vendor.url("/sold-elsewhere"), &[]);
    assert_eq!(status(&output), 6, "{output:?}");
    assert!(stderr(&output).contains("what you paid for is at \"/good?for=you\""), "{output:?}");
    assert_eq!(home.outcome(), "paid");
    assert!(!vendor.seen().iter().any(|seen| seen.path.starts_with("/good")));
}
