//! What clients do: buy, fetch, acknowledge, return, complain.

use micromint::authenticator::Authenticator;
use micromint::protocol::{FundsCredited, FundsWithdrawn, Payment, Verdict};

use crate::program::*;

const ORDER: &str = r#"{"sets": 2, "transaction": "42"}"#;

#[test]
fn a_client_buys_and_fetches_until_it_acknowledges() {
    let home = Home::new();
    let key = home.client("alice", "5 USD");
    let running = home.serve();
    let sold = running.order(&key, ORDER);
    assert_eq!((sold.status, sold.header("content-type")), (200, Some("application/x-micromint")));
    assert_eq!(sold.header("cache-control"), Some("no-store"));
    let funds = FundsWithdrawn::parse(&sold.body).unwrap();
    assert_eq!((funds.sets.len(), funds.transaction), (2, 42));
    let coins: usize = funds.sets.iter().map(|set| set.superbins[0].len()).sum();
    // The same order again, and after a restart: the same answer, and nothing else is sold.
    assert_eq!(running.order(&key, ORDER).body, sold.body);
    assert!(running.end());
    let running = home.serve();
    assert_eq!(running.order(&key, ORDER).body, sold.body);
    let bearer = format!("Bearer {key}");
    let auth = [("Authorization", bearer.as_str())];
    assert_eq!(running.get("/v1/purchases/42", &auth).body, sold.body);
    let account = running.get("/v1/account", &auth).json();
    assert_eq!(account["user"], "alice");
    assert_eq!(account["purchases"][0]["coins"], coins);
    let left = format!("{} USD", (500 - coins) as f64 / 100.0);
    assert_eq!(account["balances"][0], left.as_str());
    // After the acknowledgement neither balls nor the key come again.
    let received = running.post("/v1/purchases/42/received", &auth, b"");
    assert_eq!((received.status, received.json()["received"].as_str()), (200, Some(DURING)));
    for again in [running.order(&key, ORDER), running.get("/v1/purchases/42", &auth)] {
        assert_eq!(again.header("content-type"), Some("application/json"));
        assert_eq!(again.json(), received.json());
    }
    assert_eq!(running.post("/v1/purchases/42/received", &auth, b"").json(), received.json());
}

#[test]
fn orders_are_refused_in_words_that_programs_can_compare() {
    let home = Home::new();
    let (poor, other) = (home.client("poor", "0 USD"), home.client("other", "5 USD"));
    let running = home.serve();
    let refused = running.order(&poor, ORDER);
    assert_eq!(refused.problem(), (402, "insufficient-money".to_string()));
    assert_eq!(refused.header("micromint-not-sold"), Some("2026-12 42"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    home.done(&["deposit", "poor", "5 USD", "--reference", "second"]);
    let again = running.order(&poor, ORDER);
    assert_eq!((again.status, &again.body), (402, &refused.body));
    for (key, order, expected) in [
        (&other, ORDER, (409, "other-order")),
        (&other, r#"{"sets": 0, "transaction": "1"}"#, (400, "malformed")),
        (&other, r#"{"sets": 101, "transaction": "1"}"#, (400, "malformed")),
        (&other, r#"{"sets": 50, "transaction": "1"}"#, (409, "sold-out")),
        (&other, r#"{"sets": 1, "transaction": "x"}"#, (400, "malformed")),
        (&other, r#"{"sets": 1, "transaction": "2", "more": 1}"#, (400, "malformed")),
        (&other, r#"{"sets": 1, "transaction": "2", "period": "2027-01"}"#, (404, "not-found")),
        (&"mmk_0".to_string(), ORDER, (401, "not-authenticated")),
    ] {
        let (status, title) = running.order(key, order).problem();
        assert_eq!((status, title.as_str()), expected, "{order}");
    }
    // Orders that nothing will ever be sold under, so that a wallet closes them; and those under
    // which the same user may have bought.
    for (key, order, not_sold) in [
        (&other, r#"{"sets": 0, "transaction": "1"}"#, Some("2026-12 1")),
        (&other, r#"{"sets": 101, "transaction": "7", "period": "2026-12"}"#, Some("2026-12 7")),
        (&other, r#"{"sets": 1, "transaction": "2", "period": "2027-01"}"#, None),
        (&poor, r#"{"sets": 1, "transaction": "60", "period": "2026-12"}"#, None),
        (&other, r#"{"sets": 1, "transaction": "60", "period": "2026-12"}"#, Some("2026-12 60")),
        (&other, r#"{"sets": 1, "transaction": "60"}"#, None),
        (&poor, r#"{"sets": 2, "transaction": "60", "period": "2026-12"}"#, None),
    ] {
        let answer = running.order(key, order);
        assert_eq!(answer.header("micromint-not-sold"), not_sold, "{order}: {}", answer.text());
    }
    home.done(&["end-keys", "other"]);
    assert_eq!(running.order(&other, ORDER).status, 401);
    // A client that accepts no JSON gets one line of text.
    let bearer = format!("Bearer {poor}");
    let headers = [("Authorization", bearer.as_str()), ("Accept", "application/x-micromint")];
    let text = running.post("/v1/purchases", &headers, ORDER.as_bytes());
    assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(text.text().starts_with("the account has less than"), "{}", text.text());
}

#[test]
fn a_wallet_buys_with_the_form_and_basic_authentication() {
    use base64::Engine;
    let home = Home::new();
    let key = home.client("alice", "5 USD");
    let running = home.serve();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("alice:{key}"));
    let basic = format!("Basic {basic}");
    let auth = ("Authorization", basic.as_str());
    let page = running.get("/v1/purchases", &[auth]);
    assert_eq!((page.status, page.header("micromint-period")), (200, Some("2026-12")));
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let sold = running.post("/v1/purchases", &[auth, form], b"sets=1&transaction=7&period=2026-12");
    assert!(FundsWithdrawn::parse(&sold.body).is_ok(), "{}", sold.text());
    let again = running.post("/v1/purchases", &[auth, form], b"transaction=7");
    assert_eq!(again.body, sold.body);
    let none = running.post("/v1/purchases", &[auth, form], b"transaction=8");
    assert_eq!(none.status, 404);
}

#[test]
fn unspent_coins_are_returned_after_the_expiration() {
    let home = Home::new();
    let key = home.client("alice", "5 USD");
    let running = home.serve();
    assert_eq!(running.order(&key, ORDER).status, 200);
    let x = &MINT.set(&user("alice"), 0).superbins[0];
    let back = return_of("alice", "r-1", &x[..3]);
    let early = running.message("/v1/returns", &back.to_bytes());
    assert_eq!(early.problem(), (409, "too-early".to_string()));
    drop(running);
    let running = home.serve_at(EXPIRED);
    let answer = running.message("/v1/returns", &back.to_bytes());
    let credited = FundsCredited::parse(&answer.body).unwrap();
    assert_eq!(credited.verdicts, [Verdict::Waiting; 3]);
    assert_eq!(running.message("/return", &back.to_bytes()).body, answer.body);
    let other = return_of("alice", "r-1", &x[..2]);
    let problem = running.message("/v1/returns", &other.to_bytes()).problem();
    assert_eq!(problem, (422, "other-content".to_string()));
    let order = running.order(&key, r#"{"sets": 1, "transaction": "9", "period": "2026-12"}"#);
    assert_eq!(order.problem(), (410, "expired".to_string()));
    // An order without a period is closed in a wallet too.
    let order = running.order(&key, r#"{"sets": 1, "transaction": "10"}"#);
    assert_eq!(order.header("micromint-not-sold"), Some("2026-12 10"), "{}", order.text());
    assert_eq!(order.problem(), (409, "nothing-on-sale".to_string()));
}

#[test]
fn a_client_complains_once() {
    let home = Home::new();
    let (key, other) = (home.client("alice", "0 USD"), home.client("bob", "0 USD"));
    let running = home.serve();
    let coins = MINT.coins(&user("alice"), &vendor("news.example"), 0);
    let paid = payment("alice", "news.example", "a", &coins[..1]);
    let complaint = serde_json::json!({
        "id": "c-1",
        "text": "paid, and no page came",
        "payment": String::from_utf8(paid.to_bytes()).unwrap(),
    });
    let send = |key: &str, complaint: &serde_json::Value| {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        running.post("/v1/complaints", &headers, complaint.to_string().as_bytes())
    };
    let recorded = send(&key, &complaint);
    assert_eq!((recorded.status, recorded.json()["vendor"].as_str()), (200, Some("news.example")));
    // The number of the broker's pages.
    assert_eq!(recorded.json()["number"], 1);
    assert_eq!(send(&key, &complaint).body, recorded.body);
    let mut changed = complaint.clone();
    changed["text"] = "other words".into();
    assert_eq!(send(&key, &changed).problem(), (422, "other-content".to_string()));
    assert_eq!(send(&other, &complaint).problem(), (403, "other-user".to_string()));
    // Of several at once, one counts, and it alone is done again.
    let different = ["1", "2", "3", "4", "5", "6"].map(|text| {
        let mut one = complaint.clone();
        (one["id"], one["text"]) = ("c-7".into(), text.into());
        one
    });
    for _ in 0..2 {
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads = different.each_ref().map(|it| scope.spawn(|| send(&key, it).status));
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 5, "{statuses:?}");
    }
    // One that nobody signed, and a character that PostgreSQL does not keep.
    let mut unsigned = complaint.clone();
    unsigned["id"] = "c-9".into();
    let junk = Payment { authenticator: Authenticator::from_bytes([1; 16]), ..paid.clone() };
    unsigned["payment"] = String::from_utf8(junk.to_bytes()).unwrap().into();
    assert_eq!(send(&key, &unsigned).problem(), (403, "not-signed".to_string()));
    changed["id"] = "c-2".into();
    changed["text"] = "a\0b".into();
    assert_eq!(send(&key, &changed).problem(), (400, "malformed".to_string()));
    // The one complaint about a payment is not used up by nothing.
    for nothing in ["", " \n\t"] {
        changed["text"] = nothing.into();
        assert_eq!(send(&key, &changed).problem(), (400, "malformed".to_string()));
    }
    changed["text"] = "x".repeat(4096).into();
    assert_eq!(send(&key, &changed).status, 200);
    changed["id"] = "c-3".into();
    changed["text"] = "x".repeat(4097).into();
    assert_eq!(send(&key, &changed).status, 400);
}
