//! `mmwallet answer` and `settle`: another program pays with the user's wallet.

use std::process::Output;

use micromint::protocol::Payment;
use micromint::scheme::{Credential, reference, token_of};
use serde_json::Value;

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout};

/// The head and body of an answer of the vendor to a request without a wallet.
fn ask(url: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> (String, String) {
    use std::io::{Read, Write};
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let method = if body.is_some() { "POST" } else { "GET" };
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\n");
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    let body = body.unwrap_or_default();
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_string(), body.to_string())
}

fn answer(home: &Home, input: &str, args: &[&str]) -> Output {
    home.command("mmwallet").arg("answer").args(args).write_stdin(input).output().unwrap()
}

/// The one field that `answer` printed.
fn field(output: &Output) -> (String, String) {
    assert_eq!(status(output), 0, "{output:?}");
    let text = stdout(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    let (name, value) = text.trim_end().split_once(": ").unwrap();
    (name.to_string(), value.to_string())
}

#[test]
fn a_challenge_is_answered_with_a_credential_that_the_vendor_takes() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    for (path, name) in [("/scheme", "Authorization"), ("/scheme-beside", "Payment-Authorization")]
    {
        let url = vendor.url(path);
        let (head, _) = ask(&url, &[], None);
        let output = answer(&home, &head, &["--url", &url, "--autopay", "2"]);
        let (found, value) = field(&output);
        assert_eq!(found, name);
        let token = token_of(value.as_bytes()).unwrap();
        let message = Credential::parse(token).unwrap().message().unwrap();
        let reference = reference(&Payment::parse(&message).unwrap());
        assert!(stderr(&output).contains(&format!("mmwallet settle {reference} OUTCOME")));
        let (head, content) = ask(&url, &[(name, &value)], None);
        assert_eq!(content, "paid content");

        let mut command = home.command("mmwallet");
        let settled = command.args(["settle", &reference, "answer"]).write_stdin(head).output();
        let said = stdout(&settled.unwrap());
        let paid =
            format!("payment {reference} of 2 coins (0.02 USD) to 127.0.0.1: paid; the coins");
        assert!(said.starts_with(&paid), "{said}");
        assert_eq!(home.outcome(), "paid");
    }
    assert_eq!((home.unspent(), vendor.spent()), (coins - 4, 4));
}

#[test]
fn what_an_answer_costs_more_than_the_lowest_price_is_in_its_json() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    for (path, over) in [("/cheaper-elsewhere", "0.005 USD".into()), ("/page", Value::Null)] {
        let url = vendor.url(path);
        let (head, _) = ask(&url, &[], None);
        let output = answer(&home, &head, &["--url", &url, "--autopay", "2", "--format", "json"]);
        let paid: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&paid["coins"], &paid["over"]), (&2.into(), &over), "{output:?}");
    }
}

#[test]
fn a_request_payment_is_answered_in_its_own_form() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let url = vendor.url("/in-body");
    let (_, message) = ask(&url, &[], None);
    let output = answer(&home, &message, &["--url", &url, "--autopay", "2", "--silent"]);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""), "{output:?}");
    let payment = ("Content-Type", "application/x-micromint");
    assert_eq!(ask(&url, &[payment], Some(&output.stdout)).1, "paid content");

    let url = vendor.url("/page");
    let (head, _) = ask(&url, &[], None);
    let output = answer(&home, &head, &["--url", &url, "--autopay", "2"]);
    let (name, value) = field(&output);
    assert_eq!(name, "MicroMint-Payment");
    assert_eq!(ask(&url, &[(&name, &value)], None).1, "paid content");
}

/// Until the outcome is known, the same request gets the same payment.
#[test]
fn an_answer_is_repeated_until_it_is_settled() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let (url, coins) = (vendor.url("/page"), home.unspent());
    let (head, _) = ask(&url, &[], None);
    let pay = |more: &[&str]| {
        let args = [&["--url", &url, "--autopay", "2", "--format", "json"], more].concat();
        let output = answer(&home, &head, &args);
        assert_eq!(status(&output), 0, "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let settle = |reference: &str, args: &[&str]| {
        home.run(&[&["settle", reference, "--format", "json"], args].concat())
    };
    let first = pay(&[]);
    let reference = first["reference"].as_str().unwrap();
    assert_eq!((&first["again"], &first["coins"]), (&Value::Bool(false), &Value::from(2)));
    assert_eq!(first["remaining"], coins - 2);
    let again = pay(&[]);
    assert_eq!((&again["again"], &again["header"]), (&Value::Bool(true), &first["header"]));
    assert_ne!(pay(&["-X", "POST", "-d", "x"])["reference"], first["reference"]);
    // The vendor refused because of the request: the coins can pay again, at this vendor.
    let args = ["refused", "--reason", "wrong-amount"];
    let said: Value = serde_json::from_slice(&settle(&reference[..8], &args).stdout).unwrap();
    assert_eq!(
        said["then"],
        "the coins can be spent only at 127.0.0.1, and returned after the period"
    );
    let third = pay(&[]);
    assert_eq!(third["again"], Value::Bool(false));
    assert_eq!(third["remaining"], coins - 4, "two payments, one of them twice");
    // The same message as the first: the latest payment counts.
    assert_eq!((&third["reference"], &third["header"]), (&first["reference"], &first["header"]));
    let settled = settle(reference, &["paid"]);
    assert_eq!(status(&settled), 0, "{settled:?}");
    // Paid is final.
    let said: Value = serde_json::from_slice(&settle(reference, &["unknown"]).stdout).unwrap();
    assert_eq!(said["outcome"], "paid");
    for (args, expected) in [
        (&["refused", "--reason", "\u{1b}[2J"][..], 2),
        (&["forgotten"], 2),
        (&["paid", "--reason", "spent"], 1),
    ] {
        assert_eq!(status(&settle(reference, args)), expected, "{args:?}");
    }
    assert_eq!(status(&settle("00000000", &["paid"])), 1);
}

/// Programs that ask at the same moment get one payment, not one each.
#[test]
fn programs_at_once_get_one_payment() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let (coins, url) = (home.unspent(), vendor.url("/scheme"));
    let (head, _) = ask(&url, &[], None);
    let once = || field(&answer(&home, &head, &["--url", &url, "--autopay", "2"])).1;
    let values: Vec<String> = std::thread::scope(|scope| {
        let programs: Vec<_> = (0..8).map(|_| scope.spawn(once)).collect();
        programs.into_iter().map(|program| program.join().unwrap()).collect()
    });
    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
    assert_eq!(home.unspent(), coins - 2);
}

#[test]
fn answer_has_the_same_limits_as_get() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    for (path, args, says) in [
        ("/page", &[][..], "above the autopay threshold of 0; --autopay 2 allows it"),
        (
            "/page",
            &["--autopay", "0.02 EUR"],
            "in another currency than the autopay threshold of 0.02 EUR; --autopay 2 allows it",
        ),
        ("/page", &["--autopay", "9", "--daily-limit", "1"], "the daily limit is 1 coin"),
        ("/page", &["--autopay", "9", "-X", "HEAD"], "a HEAD request is never charged"),
        ("/other-page", &["--autopay", "9"], "but the site asks for payment for"),
        ("/other-vendor", &["--autopay", "9"], "may not collect for a page of 127.0.0.1"),
        ("/scheme-late", &["--autopay", "9"], "the server's challenge has expired"),
    ] {
        let url = vendor.url(path);
        let (head, _) = ask(&url, &[], None);
        let output = answer(&home, &head, &[&["--url", &url], args].concat());
        assert_eq!((status(&output), stdout(&output).as_str()), (3, ""), "{path}: {output:?}");
        assert!(stderr(&output).contains(says), "{path}: {output:?}");
        assert!(stderr(&output).contains("; no coins were sent"), "{path}: {output:?}");
    }
    for (input, url, says) in [
        ("Basic realm=x", vendor.url("/page"), "expected a Request-Payment message, a challenge"),
        ("", vendor.url("/page"), "expected a Request-Payment message, a challenge"),
        ("MicroMint-1.0\nPayment\nEnd-MicroMint\n", vendor.url("/page"), "mmwallet: error: "),
    ] {
        let output = answer(&home, input, &["--url", &url]);
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(stderr(&output).contains(says), "{output:?}");
    }
    assert_eq!(status(&answer(&home, "", &[])), 2, "the URL is required");
    assert_eq!(home.unspent(), coins);
}

/// Programs that ask at the same moment for other pages stay within the money for their task.
#[test]
fn a_task_has_a_budget_that_programs_at_once_do_not_exceed() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    let budget = ["--autopay", "0.02 USD", "--task", "t-1", "--task-limit", "0.06 USD"];
    let once = |page: usize| {
        let url = vendor.url(&format!("/scheme?{page}"));
        let (head, _) = ask(&url, &[], None);
        let args = [&["--url", &url, "--asked", "fetch: the news", "--format=json"], &budget[..]];
        answer(&home, &head, &args.concat())
    };
    let outputs: Vec<Output> = std::thread::scope(|scope| {
        let programs: Vec<_> = (0..6).map(|page| scope.spawn(move || once(page))).collect();
        programs.into_iter().map(|program| program.join().unwrap()).collect()
    });
    let (paid, refused): (Vec<_>, Vec<_>) = outputs.iter().partition(|it| status(it) == 0);
    assert_eq!((paid.len(), home.unspent()), (3, coins - 6));
    for output in refused {
        let says = "the limit for the task t-1 is 0.06 USD; 0.06 USD are spent";
        assert_eq!(status(output), 3, "{output:?}");
        assert!(stderr(output).contains(says), "{output:?}");
    }
    let left = |output: &Output| {
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        said["task-left"].as_str().unwrap().to_string()
    };
    let mut left: Vec<String> = paid.into_iter().map(left).collect();
    left.sort();
    assert_eq!(left, ["0 USD", "0.02 USD", "0.04 USD"]);
    let last = home.history().pop().unwrap();
    assert_eq!((&last["task"], &last["asked"]), (&"t-1".into(), &"fetch: the news".into()));
    let shown = stdout(&home.run(&["history", last["reference"].as_str().unwrap()]));
    assert!(shown.contains("asked         fetch: the news"), "{shown}");
    // Words need a task, and a task is a name.
    let url = vendor.url("/scheme");
    let (head, _) = ask(&url, &[], None);
    for (args, expected) in [
        (&["--asked", "why"][..], 2),
        (&["--task", "a b"], 1),
        (&["--task", "t", "--asked", "\u{1b}[2J"], 1),
    ] {
        let output = answer(&home, &head, &[&["--url", &url], args].concat());
        assert_eq!(status(&output), expected, "{args:?}");
    }
}
