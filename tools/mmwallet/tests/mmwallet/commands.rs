//! All commands except `get` and `price`.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use micromint::authenticator::Key;
use micromint::host::{Clock, SystemClock};
use micromint::protocol::{
    FundsCredited, FundsWithdrawn, Payment, RequestCredit, SendExpired, Verdict,
};
use micromint::testing::{ObviousMint, params_with};
use micromint::time::UnixTime;

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout, text};

#[test]
fn coins_are_received_once_and_only_genuine_ones() {
    let home = Home::new();
    let funds = home.funds(&[4, 10], 1);
    let output = home.run(&["receive", text(&funds)]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(stdout(&output).starts_with("received 2 sets: "), "{output:?}");
    assert_eq!(home.wallet().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let parent = home.wallet().parent().unwrap().metadata().unwrap();
    assert_eq!(parent.permissions().mode() & 0o777, 0o700);
    let coins = home.unspent();
    let output = home.run(&["receive", text(&funds)]);
    assert!(stdout(&output).contains("in the wallet already"), "{output:?}");

    let mut forged = FundsWithdrawn::parse(&std::fs::read(home.funds(&[20], 2)).unwrap()).unwrap();
    forged.sets[0].superbins[1][0] ^= 1 << 40;
    let forged = home.file("forged", &forged.to_bytes());
    let output = home.run(&["receive", text(&forged)]);
    assert_eq!(status(&output), 1);
    assert!(
        stderr(&output).contains("the wallet did not accept these coins: set 1, superbin 2"),
        "{output:?}"
    );
    let junk = home.file("junk", b"MicroMint-1.0\nPayment\nEnd-MicroMint\n");
    assert_eq!(status(&home.run(&["receive", text(&junk)])), 1);
    assert_eq!(home.unspent(), coins);

    let third = std::fs::read(home.funds(&[30], 3)).unwrap();
    let output =
        home.command("mmwallet").args(["receive", "-"]).write_stdin(third).output().unwrap();
    assert_eq!(status(&output), 0, "{output:?}");
}

#[test]
fn balance_history_and_printwallet_show_the_contents() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    home.run(&["get", &vendor.url("/page"), "--autopay", "2"]);
    let balance = stdout(&home.run(&["balance", "--at", "news.example"]));
    for says in
        ["2026-12  ", " USD), expire at ", "user alice", "2 paid", "can be spent at news.example"]
    {
        assert!(balance.contains(says), "{says}: {balance}");
    }
    let history = stdout(&home.run(&["history"]));
    assert!(history.contains("received 2 sets of period 2026-12 (sale 1)"), "{history}");
    let line = format!("paid 2 coins (0.02 USD) to 127.0.0.1 for {}", vendor.url("/page"));
    assert!(history.contains(&line), "{history}");
    let reference = history.split("(reference ").nth(1).unwrap().split(')').next().unwrap();
    let payment = Payment::parse(&vendor.payments()[0]).unwrap();
    assert_eq!(reference, micromint::scheme::reference(&payment), "what the vendor looks up");
    let details = stdout(&home.run(&["history", reference]));
    for says in
        [reference, "paid\n", "the coins are spent", "2 coins (0.02 USD)", "GET http://", "A page"]
    {
        assert!(details.contains(says), "{says}: {details}");
    }
    assert_eq!(stdout(&home.run(&["history", &reference[..8].to_uppercase()])), details);
    let sale = stdout(&home.run(&["history", "1"]));
    assert!(sale.contains("received 2 sets") && sale.lines().count() == 1, "{sale}");
    for (other, says) in [
        ("0000000000", "the wallet made no payment 0000000000"),
        ("2", "expected a reference of at least 8 hexadecimal digits"),
        ("not-hex-at-all", "expected a reference"),
    ] {
        let output = home.run(&["history", other]);
        assert_eq!(status(&output), 1);
        assert!(stderr(&output).contains(says), "{output:?}");
    }
    let print = stdout(&home.command("printwallet").output().unwrap());
    for says in [" coins (0.", "hashfn = \"des\"", "Superbins: 8"] {
        assert!(print.contains(says), "{says}: {print}");
    }
    let print = home.command("printwallet").arg("--json").output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&print.stdout).unwrap();
    assert_eq!(
        (value[0]["superbins"].as_u64(), value[0]["params"]["coin-size"].as_str()),
        (Some(8), Some("4"))
    );
    for line in [
        "mmwallet balance",
        "mmwallet history",
        "mmwallet history 1",
        &format!("mmwallet price {}", vendor.url("/page")),
        "printwallet",
    ] {
        let mut words = line.split(' ');
        let program = words.next().unwrap();
        let args: Vec<&str> = words.collect();
        let run =
            |format: &[&str]| home.command(program).args(&args).args(format).output().unwrap();
        let json = run(&["--format", "json"]);
        assert_eq!(status(&json), 0, "{line}: {json:?}");
        serde_json::from_slice::<serde_json::Value>(&json.stdout).unwrap();
        assert_eq!(json.stdout, run(&["--json"]).stdout, "{line}");
        assert_eq!(run(&[]).stdout, run(&["--format", "text"]).stdout, "{line}");
        assert_eq!(status(&run(&["--json", "--format", "text"])), 2, "{line}");
    }
    let missing = Home::new();
    for program in ["printwallet", "mmwallet"] {
        let mut command = missing.command(program);
        let output = if program == "mmwallet" { command.arg("balance") } else { &mut command }
            .output()
            .unwrap();
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(stderr(&output).contains("there is no wallet at"), "{output:?}");
    }
}

#[test]
fn coins_that_expire_soon_give_a_warning() {
    let home = Home::with_coins();
    assert_eq!(stderr(&home.run(&["balance"])), "");
    std::fs::write(home.path("data/wallet.toml"), "warn-days = 11").unwrap();
    let output = home.run(&["balance"]);
    assert!(stderr(&output).contains("coins of period 2026-12 expire at"), "{output:?}");
    std::fs::write(home.path("data/wallet.toml"), "warn-dais = 11").unwrap();
    let output = home.run(&["balance"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("warn-dais"), "{output:?}");
}

#[test]
fn a_wallet_cannot_be_its_own_settings_or_login_file() {
    let home = Home::with_coins();
    let bytes = std::fs::read(home.wallet()).unwrap();
    let wallet = home.file("x.toml", &bytes);
    std::os::unix::fs::symlink(&wallet, home.path("link.mmw")).unwrap();
    std::os::unix::fs::symlink(&wallet, home.path("link.toml")).unwrap();
    let login = home.file("x.login", &bytes);
    for (name, what) in [
        ("x.toml", "settings"),
        ("new.toml", "settings"),
        ("link.mmw", "settings"),
        ("x.login", "login"),
        ("new.login", "login"),
    ] {
        let mut command = assert_cmd::Command::cargo_bin("mmwallet").unwrap();
        let output = command.arg("--wallet").arg(home.path(name)).arg("balance").output().unwrap();
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(stderr(&output).contains(&format!("its own {what} file")), "{output:?}");
    }
    assert_eq!(std::fs::read(wallet).unwrap(), bytes);
    assert_eq!(std::fs::read(login).unwrap(), bytes);
    assert!(!home.path("new.toml").exists());
}

#[test]
fn one_set_is_not_called_sets() {
    let home = Home::new();
    let received = home.run(&["receive", text(&home.funds(&[4], 1))]);
    assert!(stdout(&received).starts_with("received 1 set: "), "{received:?}");
    assert!(stdout(&home.run(&["history"])).contains("received 1 set of period "));
    assert!(stdout(&home.run(&["balance"])).contains(", 1 set\n"));
}

#[test]
fn help_that_cannot_be_printed_is_a_failure() {
    for args in [&["--help"][..], &["--version"], &["help", "get"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("mmwallet"));
        let output = command.args(args).stdout(full).output().unwrap();
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(stderr(&output).contains("cannot write to standard output"), "{output:?}");
    }
}

#[test]
fn a_file_that_does_not_exist_is_called_that() {
    let home = Home::new();
    for command in [&["move", "--in"][..], &["restore"]] {
        let output = home.run(&[command, &["none.mmw"]].concat());
        assert_eq!(status(&output), 1, "{output:?}");
        let expected = "cannot read none.mmw: No such file or directory";
        assert!(stderr(&output).contains(expected), "{output:?}");
    }
}

/// A command that waits for another program says so after a second.
#[test]
fn a_wait_for_the_wallet_is_not_silent() {
    let home = Home::with_coins();
    let held = std::fs::File::open(home.wallet()).unwrap();
    held.lock().unwrap();
    let mut waiting = std::process::Command::new(assert_cmd::cargo::cargo_bin("mmwallet"))
        .args(["--wallet", text(&home.wallet()), "balance"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = waiting.stderr.take().unwrap();
    let (told, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
        lines.for_each(|line| drop(told.send(line.unwrap())));
    });
    let said = said.recv_timeout(std::time::Duration::from_secs(60));
    held.unlock().unwrap();
    let said = said.expect("nothing was said in a minute");
    assert!(waiting.wait().unwrap().success());
    let says =
        format!("mmwallet: waiting for {}, which another program uses", text(&home.wallet()));
    assert!(said.starts_with(&says), "{said}");
    assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
}

#[test]
fn a_wallet_that_others_can_read_is_refused() {
    let home = Home::with_coins();
    std::fs::set_permissions(home.wallet(), std::fs::Permissions::from_mode(0o644)).unwrap();
    for arguments in [&["balance"][..], &["history"]] {
        let output = home.run(arguments);
        assert_eq!(status(&output), 1, "{arguments:?}");
        assert!(stderr(&output).contains("others can read this file"), "{output:?}");
    }
    std::fs::set_permissions(home.wallet(), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(status(&home.run(&["balance"])), 0);
}

#[test]
fn a_backup_cannot_be_spent_from_until_it_is_restored() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let backup = home.path("backup.mmw");
    assert_eq!(status(&home.run(&["backup", text(&backup)])), 0);
    assert_eq!(backup.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(status(&home.run(&["backup", text(&backup)])), 1, "a backup replaces nothing");
    assert_eq!(status(&home.run(&["restore", text(&backup)])), 1, "a wallet is not replaced");

    let at = |args: &[&str], wallet: &str| {
        let mut command = assert_cmd::Command::cargo_bin("mmwallet").unwrap();
        command.args(["--wallet", wallet]).args(args).output().unwrap()
    };
    let url = vendor.url("/page");
    let output = at(&["get", &url, "--autopay", "2"], text(&backup));
    assert_eq!(status(&output), 1, "{output:?}");
    assert!(stderr(&output).contains("this is a backup made at"), "{output:?}");

    let careful = home.path("careful.mmw");
    let output = at(&["restore", text(&backup)], text(&careful));
    assert!(stdout(&output).contains("can only be returned to the broker"), "{output:?}");
    for says in
        ["Restoring freezes its ", "Some may have been spent since", "--nothing-spent-since"]
    {
        assert!(stderr(&output).contains(says), "{says}: {output:?}");
    }
    assert_eq!(status(&at(&["get", &url, "--autopay", "2"], text(&careful))), 3);
    let sure = home.path("sure.mmw");
    assert_eq!(status(&at(&["restore", text(&backup), "--nothing-spent-since"], text(&sure))), 0);
    assert_eq!(status(&at(&["get", &url, "--autopay", "2"], text(&sure))), 0);
}

/// A mint of this broker whose period expired yesterday.
fn expired(broker: &str) -> Arc<ObviousMint> {
    let now = SystemClock.now();
    Arc::new(ObviousMint::new(params_with(|raw| {
        raw.start = now.plus_seconds(-30 * 86_400);
        raw.expiration = now.plus_seconds(-86_400);
        raw.redeem_until = now.plus_seconds(6 * 86_400);
        raw.broker = broker.to_string();
    })))
}

fn receive_expired(home: &Home, broker: &str) {
    let funds =
        expired(broker).funds(&"alice".parse().unwrap(), &Key::from_bytes([5; 32]), &[4], 9);
    let file = home.file("expired", &funds.to_bytes());
    assert_eq!(status(&home.run(&["receive", text(&file)])), 0);
}

#[test]
fn expired_coins_are_returned_and_the_answer_is_read() {
    let home = Home::new();
    receive_expired(&home, "https://broker.example/");
    assert!(
        stderr(&home.run(&["balance"])).contains("with `mmwallet return --send`, or they are lost")
    );
    let file = home.path("return");
    assert_eq!(status(&home.run(&["return", "-o", text(&file)])), 0);
    let first = std::fs::read(&file).unwrap();
    assert_eq!(home.run(&["return"]).stdout, first, "the same return, as often as it takes");
    let message = RequestCredit::parse(&first).unwrap();
    let expected =
        Key::from_bytes([5; 32]).request_credit(message.request.as_str(), &message.data());
    assert_eq!(message.authenticator, expected);

    let mut verdicts = vec![Verdict::Accepted; message.x.len()];
    verdicts[1] = Verdict::AlreadyPaid;
    let unsigned = FundsCredited {
        user: message.user.clone(),
        period: message.period.clone(),
        request: message.request.clone(),
        transaction: 3,
        authenticator: message.authenticator,
        verdicts,
    };
    // A stranger can write everything but the Authenticator.
    let forged = home.file("forged", &unsigned.to_bytes());
    let output = home.run(&["credited", text(&forged)]);
    assert_eq!(status(&output), 1);
    let says = "not the answer of https://broker.example/";
    assert!(stderr(&output).contains(says), "{output:?}");
    assert!(stderr(&output).contains("credits nothing"), "{output:?}");
    assert_eq!(home.run(&["return"]).stdout, first, "the return is still without an answer");

    let answer = unsigned.authenticated(&Key::from_bytes([5; 32]), &message);
    let answer = home.file("answer", &answer.to_bytes());
    let output = home.run(&["credited", text(&answer)]);
    assert!(stdout(&output).contains("1 already redeemed or credited"), "{output:?}");
    assert_eq!(stdout(&home.run(&["return"])), "nothing to return now\n");
    let balance = stdout(&home.run(&["balance"]));
    assert!(balance.contains("0 coins (0.00 USD), expired at "), "{balance}");
    assert!(stdout(&home.run(&["history"])).contains("returned "));
}

#[test]
fn an_invitation_of_another_site_is_refused() {
    let home = Home::new();
    receive_expired(&home, "https://broker.example/");
    for (to, expected) in
        [("https://thief.example/return", 1), ("https://broker.example/return", 0)]
    {
        let invitation = SendExpired {
            user: "alice".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            return_url: to.parse().unwrap(),
        };
        let file = home.file("invitation", &invitation.to_bytes());
        let output = home.run(&["return", "--invitation", text(&file)]);
        assert_eq!(status(&output), expected, "{output:?}");
    }
}

#[test]
fn sets_are_bought_at_the_brokers_page_and_the_same_sale_is_fetched_again() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let password = home.file("password", b"open sesame\n");
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let url = broker.url("/broker");
    let buy = |more: &[&str]| {
        let login =
            ["receive", "--from", &url, "--user", "alice", "--password-file", text(&password)];
        home.run(&[&login, more].concat())
    };
    let output = buy(&["--sets", "3"]);
    assert_eq!(status(&output), 0, "{output:?}");
    let sent = broker.seen().pop().unwrap();
    assert_eq!(sent.headers["authorization"], "Basic YWxpY2U6b3BlbiBzZXNhbWU=");
    let form = String::from_utf8(sent.body).unwrap();
    let transaction = form.strip_prefix("sets=3&transaction=").unwrap();
    let transaction = transaction.strip_suffix("&period=2026-12").unwrap().to_string();
    let output = buy(&["--transaction", &transaction]);
    assert!(stdout(&output).contains("in the wallet already"), "{output:?}");

    for more in [&["--transaction", "77"][..], &["--sets", "2"], &[]] {
        let output = home.run(&[&["receive", "--from", "http://127.0.0.1:1/"], more].concat());
        assert_eq!(status(&output), 7);
        assert!(stderr(&output).contains("; nothing was "), "{output:?}");
    }
    let output = home.run(&["receive", "--from", &broker.url("/free")]);
    assert_eq!(status(&output), 5, "{output:?}");
    assert!(stderr(&output).contains("no coins came (HTTP status 200)"), "{output:?}");
    assert_eq!(home.balance()["is-confirmed"], true);

    let output = home.run(&["receive", "--from", &broker.url("/broker/strange")]);
    assert_eq!(status(&output), 5, "{output:?}");
    assert!(stderr(&output).contains("names the broker https://broker.example/"), "{output:?}");
}

/// Anyone can write a message in the name of the user's broker. It is stored beside the broker's.
#[test]
fn a_message_with_another_key_is_received_with_a_warning() {
    let home = Home::new();
    let stranger =
        MINT.funds(&"alice".parse().unwrap(), &Key::from_bytes([6; 32]), &[4, 10], 1).to_bytes();
    let output = home.run(&["receive", text(&home.file("stranger", &stranger))]);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""), "{output:?}");
    let output = home.run(&["receive", text(&home.funds(&[4, 10], 1))]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(stderr(&output).contains("warning: the wallet has other coins of alice"), "{output:?}");
    let balance = stdout(&home.run(&["balance"]));
    assert_eq!(balance.matches("with another key or other parameters").count(), 2, "{balance}");
    assert_eq!(home.balance()["is-confirmed"], false);
}

/// A home with expired coins of two brokers on this machine, and a password for the first.
fn with_two_brokers() -> (Home, [Arc<Vendor>; 2], std::path::PathBuf) {
    let (home, brokers) = (Home::new(), [(); 2].map(|()| Vendor::start(&MINT)));
    for broker in &brokers {
        receive_expired(&home, &broker.url("/broker"));
    }
    let password = home.file("password", b"open sesame\n");
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    (home, brokers, password)
}

#[test]
fn a_password_is_sent_to_the_named_broker_and_to_no_other() {
    let (home, [own, other], password) = with_two_brokers();
    let login = ["return", "--send", "--user", "alice", "--password-file", text(&password)];
    let output = home.run(&login);
    assert_eq!(status(&output), 1, "{output:?}");
    assert!(stderr(&output).contains("name it with --broker"), "{output:?}");
    let nobodys = home.run(&[&login[..], &["--broker", "https://broker.example/"]].concat());
    assert!(stderr(&nobodys).contains("no such coins of a broker at https://broker.example"));
    let insecure = home.run(&[&login[..], &["--broker", "http://broker.example/"]].concat());
    assert!(stderr(&insecure).contains("is not https"), "{insecure:?}");
    assert!(own.seen().is_empty() && other.seen().is_empty());

    // Any page of the broker names it.
    let output = home.run(&[&login[..], &["--broker", &own.url("/")]].concat());
    assert_eq!(status(&output), 0, "{output:?}");
    let sent = own.seen().pop().unwrap();
    assert_eq!(sent.path, "/broker/return");
    assert_eq!(sent.headers["authorization"], "Basic YWxpY2U6b3BlbiBzZXNhbWU=");
    assert!(other.seen().is_empty());
    let output = home.run(&["return", "--send"]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(!other.seen()[0].headers.contains_key("authorization"));
    assert_eq!((own.seen().len(), other.seen().len()), (1, 1));
}

#[test]
fn a_password_and_a_return_do_not_follow_a_redirect() {
    let (home, [own, other], password) = with_two_brokers();
    let moved = own.url(&format!("/moved-to={}", other.url("/broker")));
    let home_of_moved = Home::new();
    receive_expired(&home_of_moved, &moved);
    let login = ["--user", "alice", "--password-file", text(&password)];
    let broker = own.url("/");
    let output =
        home_of_moved.run(&[&["return", "--send", "--broker", &broker], &login[..]].concat());
    assert_eq!(status(&output), 6, "{output:?}");
    assert!(stderr(&output).contains("HTTP status 302"), "{output:?}");
    let output = home.run(&[&["receive", "--from", &moved], &login[..]].concat());
    assert_eq!(status(&output), 6, "{output:?}");
    assert!(own.seen().iter().all(|seen| seen.headers.contains_key("authorization")));
    assert_eq!((own.seen().len(), other.seen().len()), (2, 0));
}

#[test]
fn a_broker_that_fails_does_not_keep_the_coins_of_another() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    for url in ["http://broker.example/", "http://127.0.0.1:1/", &broker.url("/free")] {
        receive_expired(&home, url);
    }
    receive_expired(&home, &broker.url("/broker"));
    let output = home.run(&["return", "--send"]);
    assert_eq!(status(&output), 1, "{output:?}");
    assert_eq!(stderr(&output).matches("your coins are not lost").count(), 3, "{output:?}");
    assert!(stdout(&output).contains(" credited, 0 waiting"), "{output:?}");
}

#[test]
fn a_return_that_waits_says_until_when() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    receive_expired(&home, &broker.url("/broker/later"));
    let output = home.run(&["return", "--send"]);
    assert_eq!(status(&output), 0, "{output:?}");
    let said = stdout(&output);
    let (_, until) = said.split_once(" waiting: the broker decides after ").unwrap();
    let (until, rest) = until.split_once(',').unwrap();
    let left = until.parse::<UnixTime>().unwrap().0 - SystemClock.now().0;
    assert!((6 * 86_400 - 60..=6 * 86_400).contains(&left), "{said}");
    assert!(rest.contains("send the return again then"), "{said}");
}

#[test]
fn a_return_whose_answer_was_lost_is_sent_again_unchanged() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    receive_expired(&home, &broker.url("/broker/lost"));
    let output = home.run(&["return", "--send"]);
    assert_eq!(status(&output), 5, "{output:?}");
    let output = home.run(&["return", "--send"]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(stdout(&output).contains("0 waiting, 0 refused"), "{output:?}");
    let messages = broker.payments();
    assert_eq!((messages.len(), &messages[0]), (2, &messages[1]));
    assert_eq!(stdout(&home.run(&["return", "--send"])), "nothing to return now\n");
}

#[test]
fn keys_and_coins_are_not_sent_over_http() {
    let home = Home::new();
    let output = home.run(&["receive", "--from", "http://broker.example/"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("is not https"), "{output:?}");
    receive_expired(&home, "http://broker.example/");
    let output = home.run(&["return", "--send"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("is not https"), "{output:?}");
}
