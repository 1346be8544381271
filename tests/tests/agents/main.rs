//! Programs of others pay on real servers, with the plug-ins of `plugins/`.
//!
//! `scripts/test-agents.sh` builds what they need and runs this.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use micromint_servers::agents::{self, Agent, Budget, LOGIN, PAGES, PLENTY, User};
use micromint_servers::server::{Server, coins_in};
use micromint_servers::wait_until;
use serde_json::Value;

/// The words of MicroMint-Status, in order.
fn words(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["word"].as_str().unwrap_or("none")).collect()
}

/// Every agent pays every price over http, one coin over TLS and one beside a password; settles
/// each payment, so that the next run pays for the page with other coins; and keeps its budget.
/// Each has a server of its own, since all have the same coins.
fn every_agent_pays<S: Server>(start: impl Fn() -> S) {
    for agent in Agent::ALL {
        let server = start();
        let site = server.site();
        let user = User::new(&server, "agent");
        let urls: Vec<String> = PAGES.iter().map(|(page, _)| site.url(page)).collect();
        let lines = user.fetch(agent, &urls, PLENTY, "");
        assert_eq!(words(&lines), ["paid"; 4], "{agent:?}: {lines:?}");
        let bodies: Vec<&str> = lines.iter().filter_map(|line| line["body"].as_str()).collect();
        let expected = ["one", "two", "thirty", "sixty"].map(|it| format!("content for {it}"));
        assert_eq!(bodies, expected, "{agent:?}");

        let tls = format!("https://localhost:{}/one.html", site.tls_port);
        let lines = user.fetch(agent, &[tls], PLENTY, "");
        assert_eq!(words(&lines), ["paid"], "{agent:?} over TLS: {lines:?}");
        let lines = user.fetch(agent, &[site.url("/members/page.html")], PLENTY, LOGIN);
        assert_eq!(words(&lines), ["paid"], "{agent:?} beside a password: {lines:?}");
        let lines = user.fetch(agent, &urls[..1], PLENTY, "");
        assert_eq!(words(&lines), ["paid"], "{agent:?}: the first payment was settled: {lines:?}");

        // Money for one of two pages.
        let budget = Budget { task_limit: "0.03 USD", ..PLENTY };
        let lines = user.fetch(agent, &[urls[1].clone(), site.url("/two.html?2")], budget, "");
        assert_eq!(lines[0]["word"], "paid", "{agent:?}: {lines:?}");
        let error = lines[1]["error"].as_str().unwrap_or_default();
        let says = "is 0.03 USD; 0.02 USD are spent";
        assert!(error.contains(says), "{agent:?}: {lines:?}");
        assert!(error.contains("no coins were sent"), "{agent:?}: {lines:?}");
        let budget = Budget { autopay: "0.01 USD", ..PLENTY };
        let lines = user.fetch(agent, &urls[1..2], budget, "");
        let error = lines[0]["error"].as_str().unwrap_or_default();
        assert!(error.contains("above the autopay threshold of 0.01 USD"), "{agent:?}: {lines:?}");

        let payments = user.payments();
        let outcomes: BTreeSet<&str> =
            payments.iter().filter_map(|payment| payment["outcome"].as_str()).collect();
        assert_eq!((payments.len(), outcomes), (8, BTreeSet::from(["paid"])), "{agent:?}");
        assert!(payments.iter().all(|payment| payment["asked"].is_string()), "{payments:?}");
        let held = 93 + 1 + 1 + 1 + 2;
        let till = site.path("till");
        wait_until(&format!("{held} coins in the till"), || coins_in(&till) == held);
    }
}

#[test]
fn every_agent_pays_on_nginx() {
    every_agent_pays(|| agents::nginx(agents::site()));
}

#[test]
fn every_agent_pays_on_apache() {
    every_agent_pays(|| agents::apache(agents::site()));
}

/// With coins of two values, every agent pays a price for which a header field is too small with
/// small coins: 32 large ones, where 800 small ones are the other choice.
fn every_agent_pays_with_large_coins<S: Server>(start: impl Fn() -> S) {
    for agent in Agent::ALL {
        let server = start();
        let site = server.site();
        let user = User::new(&server, "agent");
        user.receive_large();
        let urls = [site.url("/costly.html"), site.url("/one.html")];
        let budget = Budget { autopay: "8 USD", task_limit: "8.01 USD" };
        let lines = user.fetch(agent, &urls, budget, "");
        assert_eq!(words(&lines), ["paid"; 2], "{agent:?}: {lines:?}");
        assert_eq!(lines[0]["body"], "content for much", "{agent:?}");
        let till = site.path("till");
        wait_until("33 coins in the till", || coins_in(&till) == 33);
    }
}

#[test]
fn every_agent_pays_with_large_coins_on_nginx() {
    every_agent_pays_with_large_coins(|| agents::nginx(agents::valued_site()));
}

#[test]
fn every_agent_pays_with_large_coins_on_apache() {
    every_agent_pays_with_large_coins(|| agents::apache(agents::valued_site()));
}

/// A crawler that signs its requests pays the price for verified bots; one with another key, and
/// one that only has the name of a bot, that for unknown bots; a reader the one for readers.
fn a_signed_crawler_pays_the_price_of_its_class(server: &impl Server) {
    let user = User::new(server, "crawler");
    let till = server.site().path("till");
    let mut expected = 0;
    let [own, other] = [true, false].map(agents::bot_key);
    for (key, name, coins) in [
        (own.as_str(), "SomeBot/1.0", 1),
        (&other, "SomeBot/1.0", 5),
        ("", "SomeBot/1.0", 5),
        ("", "Mozilla/5.0", 3),
        (&own, "Mozilla/5.0", 1),
    ] {
        let mut command = agents::node("crawler.mjs");
        command.env("BOT_KEY", key).env("USER_AGENT", name);
        let lines = user.run(command.arg(server.site().url("/crawled.html")), PLENTY, "");
        assert_eq!(words(&lines), ["paid"], "{name} {key}: {lines:?}");
        assert_eq!(lines[0]["body"], "content for crawlers");
        expected += coins;
        wait_until(&format!("{expected} coins in the till"), || coins_in(&till) == expected);
    }
}

#[test]
fn a_signed_crawler_pays_the_price_of_its_class_on_nginx() {
    a_signed_crawler_pays_the_price_of_its_class(&agents::nginx(agents::crawled_site()));
}

#[test]
fn a_signed_crawler_pays_the_price_of_its_class_on_apache() {
    a_signed_crawler_pays_the_price_of_its_class(&agents::apache(agents::crawled_site()));
}

/// The command line of mppx fetches pages and pays for them.
fn the_command_line_of_mppx_pays(server: &impl Server) {
    let user = User::new(server, "cli");
    for (page, _) in &PAGES[..3] {
        let mut command = agents::mppx();
        command.arg(server.site().url(page)).args(["-c", "mppx.config.mjs"]);
        let output = user.output(&mut command, PLENTY, "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("content for"), "{page}: {output:?}");
    }
    let payments = user.payments();
    assert_eq!(payments.len(), 3);
    assert!(payments.iter().all(|payment| payment["outcome"] == "paid"), "{payments:?}");
}

#[test]
fn the_command_line_of_mppx_pays_on_nginx() {
    the_command_line_of_mppx_pays(&agents::nginx(agents::site()));
}

#[test]
fn the_command_line_of_mppx_pays_on_apache() {
    the_command_line_of_mppx_pays(&agents::apache(agents::site()));
}

/// An MCP client pays for a tool: the server asks with error -32042, and its result has a receipt.
fn an_mcp_tool_is_paid(server: &impl Server) {
    let user = User::new(server, "mcp");
    for run in 1..=2 {
        let mut command = agents::node("mcp.mjs");
        let lines = user.run(command.arg(server.site().url("/two.html")), PLENTY, "");
        assert_eq!((&lines[0]["text"], &lines[0]["receipt"]), (&"free".into(), &Value::Null));
        assert_eq!(lines[1]["text"], "content for two");
        let payments = user.payments();
        let last = &payments[payments.len() - 1];
        assert_eq!((payments.len(), &last["outcome"]), (run, &"paid".into()));
        assert_eq!(lines[1]["receipt"]["reference"], last["reference"]);
    }
    assert_eq!(coins_in(&server.site().path("till")), 4);
}

#[test]
fn an_mcp_tool_is_paid_on_nginx() {
    an_mcp_tool_is_paid(&agents::nginx(agents::site()));
}

#[test]
fn an_mcp_tool_is_paid_on_apache() {
    an_mcp_tool_is_paid(&agents::apache(agents::site()));
}

/// The points of `mppx validate` that a server failed, by their labels.
fn failed(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![report];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) if members.get("severity") == Some(&"fail".into()) => {
                found.push(members["label"].as_str().unwrap_or_default().to_string());
            }
            Value::Object(members) => open.extend(members.values()),
            Value::Array(members) => open.extend(members),
            _ => {}
        }
    }
    found
}

/// `mppx validate` finds no fault: with an endpoint that it is told, and with those that the server
/// names in `/openapi.json`.
fn mppx_finds_no_fault(server: &impl Server) {
    let user = User::new(server, "validate");
    let origin = format!("http://localhost:{}", server.site().port);
    let validate = |more: &[&str]| -> Value {
        let mut command = agents::mppx();
        command.args(["validate", &origin, "--output-json"]).args(more);
        let output = user.output(&mut command, PLENTY, "");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        assert_eq!(failed(&report), [""; 0], "{report:#}");
        assert_eq!(report["discovery"]["found"], true, "{report:#}");
        report
    };
    let report = validate(&["--endpoint", "GET:/two.html"]);
    assert!(report["summary"]["passed"].as_u64() > Some(9), "{report:#}");
    let report = validate(&[]);
    let endpoints = report["endpoints"].as_array().map_or(0, Vec::len);
    assert_eq!(endpoints, PAGES.len(), "{report:#}");
}

#[test]
fn mppx_finds_no_fault_on_nginx() {
    mppx_finds_no_fault(&agents::nginx(agents::listed_site()));
}

#[test]
fn mppx_finds_no_fault_on_apache() {
    mppx_finds_no_fault(&agents::apache(agents::listed_site()));
}

/// The client of the Model Context Protocol's own SDK speaks with `mmwallet mcp`, and asks for all
/// pages at the same time.
#[test]
fn the_client_of_the_sdk_fetches_with_mmwallet_mcp() {
    let server = agents::nginx(agents::site());
    let user = User::new(&server, "sdk");
    let mut command = agents::node("mmwallet-mcp.mjs");
    let urls = PAGES.iter().map(|(page, _)| server.site().url(page));
    let budget = Budget { autopay: "0.30 USD", ..PLENTY };
    let lines = user.run(command.args(urls), budget, "");
    assert_eq!(lines[0]["tools"], serde_json::json!(["fetch", "read_more", "price", "budget"]));
    for (line, name) in lines[1..4].iter().zip(["one", "two", "thirty"]) {
        let expected =
            serde_json::json!({ "isError": false, "text": format!("content for {name}") });
        assert_eq!(*line, expected);
    }
    let why = lines[4]["text"].as_str().unwrap_or_default();
    assert!(lines[4]["isError"] == true && why.contains("threshold of 0.3 USD"), "{why}");
    let asked: BTreeSet<String> =
        user.payments().iter().map(|payment| payment["asked"].to_string()).collect();
    assert_eq!(asked, BTreeSet::from(["\"test-client, mcp fetch: a test\"".to_string()]));
    assert_eq!(coins_in(&server.site().path("till")), 33);
}
