//! `mmwallet receive --from`: orders that are recorded before they are sent. The tests against the
//! real broker are those of `mmbrokerd`.

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout};

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
    // The same status from somewhere on the way.
    let output = home.run(&["receive", "--from", &broker.url("/broker/firewall")]);
    assert_eq!(status(&output), 5, "{output:?}");
    let number = home.history()[1]["transaction"].as_str().unwrap().to_string();
    let output = home.run(&["receive", "--give-up", &number]);
    assert!(stdout(&output).contains("ask the broker for the message of sale"), "{output:?}");
    assert_eq!(home.history()[1]["outcome"], "given-up");
    assert_eq!(status(&home.run(&["receive", "--give-up", &number])), 1);
}
