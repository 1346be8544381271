//! `mmwallet receive --from`: orders that are recorded before they are sent. The tests against the
//! real broker are those of `mmbrokerd`.

use std::os::unix::fs::PermissionsExt;

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout, text};

#[test]
fn balance_and_history_show_an_open_order_and_receive_goes_on_with_it() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let url = broker.url("/broker/silent");
    let output = home.run(&["receive", "--from", &url, "--sets", "2"]);
    assert_eq!(status(&output), 5, "{output:?}");
    assert!(stderr(&output).contains(" of 2 sets from http"), "{output:?}");
    let sent = String::from_utf8(broker.seen().pop().unwrap().body).unwrap();
    let number = sent.strip_prefix("sets=2&transaction=").unwrap();

    let balance = stdout(&home.run(&["balance"]));
    assert!(balance.contains(&format!("order {number} of 2 sets from {url}")), "{balance}");
    assert!(balance.contains(&format!("`mmwallet receive --give-up {number}`")), "{balance}");
    let history = stdout(&home.run(&["history"]));
    assert!(history.contains(&format!("(order {number}): no answer came")), "{history}");
    assert_eq!(stdout(&home.run(&["history", number])), history);
    let value: serde_json::Value =
        serde_json::from_slice(&home.run(&["balance", "--json"]).stdout).unwrap();
    assert_eq!(value["orders"][0]["transaction"], *number);
    assert_eq!(home.history()[0]["outcome"], "open");

    // Without a word about the page: the wallet knows it.
    let output = home.run(&["receive"]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(broker.seen().pop().unwrap().body, sent.as_bytes());
    let history = stdout(&home.run(&["history", number]));
    assert!(history.contains(": received\n") && history.contains("(sale "), "{history}");
    let output = home.run(&["receive"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("no order is open"), "{output:?}");
}

/// A purchase that finds an open order finishes it and buys nothing else.
#[test]
fn another_number_of_sets_waits_for_the_open_order() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let url = broker.url("/broker/silent");
    assert_eq!(status(&home.run(&["receive", "--from", &url])), 5);
    let output = home.run(&["receive", "--from", &url, "--sets", "7"]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert!(stdout(&output).contains("nothing else was bought: run the same command again"));
    let order = home.history()[0]["transaction"].as_str().unwrap().to_string();
    let told = stderr(&output);
    assert!(told.contains(&format!("order {order} of 1 set, made at ")), "{told}");
    assert!(told.contains(" is open: it is sent again, and nothing else is bought."), "{told}");
    assert!(told.contains(&format!("`mmwallet receive --give-up {order}`")), "{told}");
    let forms: Vec<_> = broker.seen().into_iter().filter(|seen| seen.method == "POST").collect();
    assert_eq!(forms.len(), 2);
    assert_eq!(forms[0].body, forms[1].body);
}

#[test]
fn only_the_brokers_own_refusal_closes_an_order() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let output = home.run(&["receive", "--from", &broker.url("/broker/sold-out")]);
    assert_eq!(status(&output), 6, "{output:?}");
    assert!(stderr(&output).contains("sold nothing under order "), "{output:?}");
    assert!(stderr(&output).contains(": sold out; you have no new coins"), "{output:?}");
    assert_eq!(home.history()[0]["outcome"], "refused");
    assert_eq!(home.history()[0]["reason"], "sold out");
    // A refusal of an order that was open says that another may be bought now.
    let page = broker.url("/broker/sold-out-later");
    assert_eq!(status(&home.run(&["receive", "--from", &page])), 5);
    let output = home.run(&["receive", "--from", &page, "--sets", "3"]);
    assert_eq!(status(&output), 6, "{output:?}");
    let told = stderr(&output);
    assert!(told.contains("it is closed: run the same command again to buy 3 sets"), "{told}");
    assert_eq!(home.history()[1]["outcome"], "refused");
    // The same status from somewhere on the way.
    let output = home.run(&["receive", "--from", &broker.url("/broker/firewall")]);
    assert_eq!(status(&output), 5, "{output:?}");
    let number = home.history()[2]["transaction"].as_str().unwrap().to_string();
    assert!(stderr(&output).contains(&format!("`mmwallet receive --give-up {number}`")));
    let output = home.run(&["receive", "--give-up", &number]);
    assert!(stdout(&output).contains("ask the broker for the message of sale"), "{output:?}");
    assert_eq!(home.history()[2]["outcome"], "given-up");
    assert_eq!(status(&home.run(&["receive", "--give-up", &number])), 1);
}

#[test]
fn a_failed_order_says_what_to_do() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    // A page that takes no orders.
    let output = home.run(&["receive", "--from", &broker.url("/broker/no-shop")]);
    assert_eq!(status(&output), 5, "{output:?}");
    let number = home.history()[0]["transaction"].as_str().unwrap().to_string();
    let told = stderr(&output);
    assert!(told.contains("HTTP status 405") && told.contains("/v1/purchases"), "{told}");
    assert!(told.contains(&format!("`mmwallet receive --give-up {number}`")), "{told}");
    assert_eq!(status(&home.run(&["receive", "--give-up", &number])), 0);

    // A key that the broker does not know, and none.
    let secret = home.file("key", b"mmk_0\n");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let url = broker.url("/broker/v1/purchases");
    let login = ["--user", "alice", "--password-file", text(&secret)];
    let output = home.run(&[&["receive", "--from", &url], &login[..]].concat());
    assert_eq!(status(&output), 6, "{output:?}");
    assert!(stderr(&output).contains("HTTP status 401; nothing was ordered. The broker does not"));
    assert!(stderr(&output).contains("`mmwallet login`"), "{output:?}");
    let output = home.run(&["receive", "--from", &url]);
    assert!(stderr(&output).contains("--user NAME --password-file FILE"), "{output:?}");

    // A number of sets that buys nothing.
    for number in ["0", "-1", "two", "4294967296"] {
        let output = home.run(&["receive", "--from", &url, &format!("--sets={number}")]);
        assert_eq!(status(&output), 2, "{output:?}");
        assert!(stderr(&output).contains("expected a number of sets, at least 1"), "{output:?}");
    }
}

/// A key of the form that a broker gives.
fn api_key() -> String {
    format!("mmk_{}\n", "0123456789abcdef".repeat(4))
}

/// A file with this text that only its owner can read.
fn secret_file(home: &Home, content: &str) -> std::path::PathBuf {
    let path = home.file("secret", content.as_bytes());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn a_file_without_a_key_is_named_before_anything_is_sent() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let url = broker.url("/broker");
    let key = api_key();
    for (content, found) in [
        ("", "nothing"),
        (" \n\n", "nothing"),
        ("\nmmk_", "something else"),
        ("open sesame\n", "something else"),
        (&key[4..], "something else"),
        (&key[..67], "something else"),
        (&format!("{}0", key.trim()), "something else"),
        (&key.replace('f', "g"), "something else"),
    ] {
        let secret = secret_file(&home, content);
        let output = home.run(&["login", &url, "--user", "alice", "--key-file", text(&secret)]);
        assert_eq!(status(&output), 1, "{content}: {output:?}");
        let told = stderr(&output);
        let says = format!(
            "{}: expected a key of your account, mmk_ and 64 hexadecimal digits in the first \
             line, found {found}; nothing was sent",
            text(&secret)
        );
        assert!(told.contains(&says), "{content}: {told}");
        assert!(content.len() < 9 || !told.contains(content.trim()), "{told}");
    }
    // So is a file without a password.
    let secret = secret_file(&home, "\nsecond line\n");
    let login = ["--user", "alice", "--password-file", text(&secret)];
    let output = home.run(&[&["receive", "--from", &url], &login[..]].concat());
    assert_eq!(status(&output), 1, "{output:?}");
    let says = "expected a password in the first line, found none; nothing was sent";
    assert!(stderr(&output).contains(says), "{output:?}");
    assert!(broker.seen().is_empty());
    // Blanks around the key do not matter.
    let secret = secret_file(&home, &format!("  {key}"));
    let output = home.run(&["login", &url, "--user", "alice", "--key-file", text(&secret)]);
    assert_eq!(status(&output), 0, "{output:?}");
    let bearer = format!("Bearer {}", key.trim());
    assert_eq!(broker.seen().pop().unwrap().headers["authorization"], bearer);
}

#[test]
fn a_complaint_says_where_the_answers_come_and_that_there_is_one() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let url = broker.url("/broker");
    let bought = home.run(&["receive", "--from", &url]);
    assert_eq!(status(&bought), 0, "{bought:?}");
    let paid = home.run(&["get", &broker.url("/own-coins"), "--autopay", "2"]);
    assert_eq!(status(&paid), 0, "{paid:?}");
    let history = home.history();
    let reference = history.iter().find_map(|it| it["reference"].as_str()).unwrap();
    let secret = secret_file(&home, &api_key());
    let login = ["login", &url, "--user", "alice", "--key-file", text(&secret)];
    assert_eq!(status(&home.run(&login)), 0);

    let pages = format!("The answers come at {url}/complaints");
    // The same words twice are one complaint.
    for _ in 0..2 {
        let output = home.run(&["complain", reference, "no page came"]);
        assert_eq!(status(&output), 0, "{output:?}");
        let says = format!("complaint 3 about 127.0.0.1 with payment {reference} is at the broker");
        let told = stdout(&output);
        assert!(told.contains(&says) && told.contains(&format!("{pages}/3\n")), "{told}");
    }
    let output = home.run(&["complain", reference, "no page came, again"]);
    assert_eq!(status(&output), 1, "{output:?}");
    let told = stderr(&output);
    let says = format!("you have complained about payment {reference} before, in other words");
    assert!(told.contains(&says) && told.contains(&pages), "{told}");
    assert!(!told.contains("422"), "{told}");
}

/// The wallet takes the coins of a broker from its own URL only, so none are bought elsewhere.
#[test]
fn a_broker_by_another_name_is_refused_before_the_key_is_sent() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let (url, own) =
        (broker.url("/broker").replace("127.0.0.1", "localhost"), broker.url("/broker"));
    let secret = secret_file(&home, &api_key());
    let login =
        |url: &str| home.run(&["login", url, "--user", "alice", "--key-file", text(&secret)]);
    let output = login(&url);
    assert_eq!(status(&output), 1, "{output:?}");
    let told = stderr(&output);
    let says = format!("{url} is the broker {own} under another name");
    let advice = format!("Log in there: mmwallet login {own} --user alice --key-file ");
    assert!(told.contains(&says) && told.contains(&advice), "{told}");
    assert!(broker.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
    assert_eq!(status(&login(&own)), 0);

    // A login of an earlier program, at the other name.
    let kept = std::fs::read_to_string(home.path("data/wallet.login")).unwrap();
    std::fs::write(home.path("data/wallet.login"), kept.replace("127.0.0.1", "localhost")).unwrap();
    let before = broker.seen().len();
    let output = home.run(&["buy", "--sets", "1"]);
    assert_eq!(status(&output), 1, "{output:?}");
    let told = stderr(&output);
    assert!(told.contains(&says) && told.contains("nothing was ordered"), "{told}");
    assert!(told.contains(&advice), "{told}");
    assert_eq!(broker.seen().len(), before + 1);
    assert!(home.history().is_empty());
}

#[test]
fn nothing_is_ordered_while_nothing_is_sold() {
    let (home, broker) = (Home::new(), Vendor::start(&MINT));
    let output = home.run(&["receive", "--from", &broker.url("/broker/shut/v1/purchases")]);
    assert_eq!(status(&output), 6, "{output:?}");
    let told = stderr(&output);
    assert!(told.contains("no period is being sold now; nothing was ordered"), "{told}");
    assert!(broker.seen().iter().all(|seen| seen.method != "POST"));
    assert!(home.history().is_empty());
}

/// What a hostile server says reaches the terminal as one line that only shows.
#[test]
fn words_of_a_server_are_one_line_of_printable_text() {
    let home = Home::with_coins();
    let secret = secret_file(&home, &api_key());
    // In JSON: a line end with a forged line, ESC, C1 CSI, and a change of order.
    let bad = "a\\u001b[2J\\u009b1m\\u202eb\\nmmwallet: forged";
    let long = "x".repeat(100_000);
    let detail = format!(r#"{{"detail":"{bad}"}}"#);
    let user = format!(r#"{{"user":"{bad}"}}"#);
    let balances = format!(r#"{{"user":"alice","balances":["{bad}","{long}"]}}"#);
    for (status_line, body, code) in
        [("403 Forbidden", detail, 1), ("200 OK", user, 1), ("200 OK", balances, 0)]
    {
        let head = format!("HTTP/1.1 {status_line}\r\nContent-Length: {}\r\n\r\n", body.len());
        let url = super::mcp::serve([head.into_bytes(), body.into_bytes()].concat(), false);
        let output = home.run(&["login", &url, "--user", "alice", "--key-file", text(&secret)]);
        assert_eq!(status(&output), code, "{output:?}");
        let told = format!("{}{}", stdout(&output), stderr(&output));
        assert!(told.contains("a[2J1mb mmwallet: forged"), "{told:?}");
        assert!(
            told.ends_with('\n') && told.trim_end().chars().all(|c| !c.is_control()),
            "{told:?}"
        );
        assert!(told.chars().count() < 1000, "{}", told.len());
    }
}

#[test]
fn a_broker_that_does_not_answer_is_named() {
    let home = Home::with_coins();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let secret = secret_file(&home, &api_key());
    let output = home.run(&["login", &url, "--user", "alice", "--key-file", text(&secret)]);
    assert_eq!(status(&output), 7, "{output:?}");
    let told = stderr(&output);
    assert!(told.starts_with(&format!("mmwallet: {url}: ")), "{told}");
    assert!(told.contains("refused") && told.ends_with("nothing was kept\n"), "{told}");
}

/// An empty complaint would take the place of one with words.
#[test]
fn a_complaint_needs_words() {
    let home = Home::with_coins();
    for words in ["", " \n", &"x".repeat(4097)] {
        let output = home.run(&["complain", "0123456789abcdef", words]);
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(stderr(&output).contains("expected words about what happened"), "{output:?}");
        assert!(stderr(&output).contains("nothing was sent"), "{output:?}");
    }
    let output = home.run(&["complain", "0123456789abcdef", &"x".repeat(4096)]);
    assert!(stderr(&output).contains("there is no login yet"), "{output:?}");
}
