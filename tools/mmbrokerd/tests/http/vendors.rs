//! What vendors do: parameters, owners, redemption, the watch, the list of revoked users.

use std::str::FromStr;

use micromint::owner::{Owners, Ownership};
use micromint::params::Params;
use micromint::protocol::{
    Id, OwnersSold, RedemptionResult, RequestOwners, RequestRedemption, RequestWatch, Unsigned,
    Verdict, WatchResult,
};

use crate::program::*;

const ORDER: &str = r#"{"sets": 2, "transaction": "42"}"#;

/// A service with a sale to alice, and the registered vendor news.example.
pub(crate) fn with_sale() -> (Home, Running) {
    let home = Home::new();
    let key = home.client("alice", "5 USD");
    let printed = home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    assert_eq!(printed, secret().vendor_key(&vendor("news.example")).to_hex());
    let running = home.serve();
    assert_eq!(running.order(&key, ORDER).status, 200);
    (home, running)
}

#[test]
fn the_parameters_are_told_when_the_period_begins() {
    let home = Home::new();
    let running = home.serve();
    let known = running.get("/.well-known/micromint-broker", &[]).json();
    assert_eq!(known["url"], "https://broker.example");
    assert_eq!(known["periods"][0]["coin-value"], "0.01 USD");
    assert_eq!(known["periods"][0]["is-on-sale"], true);
    let answer = running.get("/v1/periods/2026-12/params", &[]);
    assert_eq!(Params::from_toml(&answer.text()).unwrap(), *MINT.params());
    assert_eq!(running.get("/v1/periods/2027-01/params", &[]).status, 404);
    assert_eq!(running.get("/health", &[]).text(), "ok\n");
    drop(running);
    let running = home.serve_at("2026-11-30T23:59:00Z");
    let early = running.get("/v1/periods/2026-12/params", &[]);
    assert_eq!(early.problem(), (404, "not-begun".to_string()));
    assert_eq!(early.header("retry-after"), Some("60"));
    assert!(!early.text().contains("0123456789abcdef"));
    let key = home.client("alice", "5 USD");
    let order = r#"{"sets": 1, "transaction": "1", "period": "2026-12"}"#;
    assert_eq!(running.order(&key, order).problem(), (409, "not-begun".to_string()));
    assert_eq!(running.order(&key, ORDER).problem(), (409, "nothing-on-sale".to_string()));
}

#[test]
fn a_vendor_redeems_and_is_answered_alike() {
    let (home, running) = with_sale();
    let coins = MINT.coins(&user("alice"), &vendor("news.example"), 0);
    let sent = batch("news.example", "b-1", &[payment("alice", "news.example", "a", &coins[..3])]);
    let answer = running.message("/v1/redemptions", &sent.to_bytes());
    let result = RedemptionResult::parse(&answer.body).unwrap();
    assert_eq!(result.verdicts, [Verdict::Accepted; 3]);
    assert_eq!(running.message("/v1/redemptions", &sent.to_bytes()).body, answer.body);
    let status = home.done(&["status"]);
    assert!(status.contains("period 2026-12: 2 of 32 sets sold"), "{status}");
    assert!(home.done(&["check"]).contains("faults in the ledger: 0"));
    let other = batch("news.example", "b-1", &[]);
    let problem = running.message("/v1/redemptions", &other.to_bytes()).problem();
    assert_eq!(problem, (422, "other-content".to_string()));
    let mut forged = sent.clone();
    forged.batch = "b-2".parse().unwrap();
    let problem = running.message("/v1/redemptions", &forged.to_bytes()).problem();
    assert_eq!(problem, (403, "wrong-authenticator".to_string()));
    let unknown = batch("inn.example", "b-1", &[]);
    let problem = running.message("/v1/redemptions", &unknown.to_bytes()).problem();
    assert_eq!(problem, (403, "unknown-vendor".to_string()));
    let torn = &sent.to_bytes()[..200];
    assert_eq!(running.message("/v1/redemptions", torn).problem(), (400, "malformed".to_string()));
}

/// Whoever does not have the key cannot tell whether there was one before, or whether the vendor is
/// registered.
#[test]
fn a_replaced_key_is_refused_in_the_words_of_any_wrong_one() {
    let (home, running) = with_sale();
    let period = MINT.params().period();
    let refusals = |number: u32| {
        let mut all = Vec::new();
        for name in ["news.example", "inn.example"] {
            let key = secret().numbered_vendor_key(&vendor(name), number);
            let id = Id::from_str("b-1").unwrap();
            let sent = RequestRedemption {
                vendor: vendor(name),
                batch: id.clone(),
                period: period.clone(),
                payments: 0,
                authenticator: Unsigned,
                data: Vec::new(),
            };
            let shown = RequestWatch {
                vendor: vendor(name),
                period: period.clone(),
                watch: id.clone(),
                payments: 0,
                authenticator: Unsigned,
                data: Vec::new(),
            };
            let asked = RequestOwners {
                vendor: vendor(name),
                period: period.clone(),
                generation: 1,
                held: 0,
                nonce: id,
                authenticator: Unsigned,
            };
            let sync = key.sync_key();
            for (path, bytes) in [
                ("/v1/redemptions", sent.authenticated(&key).to_bytes()),
                ("/v1/watch", shown.authenticated(&sync).to_bytes()),
                ("/v1/periods/2026-12/owners", asked.authenticated(&sync).to_bytes()),
            ] {
                let answer = running.message(path, &bytes);
                all.push((answer.status, answer.text().replace(name, "HOST")));
            }
        }
        all
    };
    let never = refusals(1000);
    assert!(never.iter().all(|refusal| *refusal == never[0]), "{never:?}");
    assert_eq!(never[0].0, 403);
    for said in ["wrong-authenticator", "if the vendor's key was replaced"] {
        assert!(never[0].1.contains(said), "{}", never[0].1);
    }
    let new = home.done(&["vendor-key", "--new", "news.example"]);
    assert_eq!(new, secret().numbered_vendor_key(&vendor("news.example"), 1).to_hex());
    assert_eq!(refusals(0)[..3], never[..3]);
    assert!(refusals(1)[..3].iter().all(|(status, _)| *status == 200));
}

#[test]
fn owners_come_as_deltas() {
    let (home, running) = with_sale();
    let ask = |generation, held| {
        let request = owners_request("news.example", generation, held);
        let answer = running.message("/v1/periods/2026-12/owners", &request.to_bytes());
        let sold = OwnersSold::parse(&answer.body).unwrap();
        let key = secret().vendor_key(&vendor("news.example")).sync_key();
        assert!(sold.answers(&request, &key));
        sold
    };
    let all = ask(0, 0);
    assert_eq!((all.generation, all.from, all.tags.len()), (1, 0, 2));
    assert_eq!(ask(1, 1).tags, all.tags[1..]);
    assert_eq!(ask(1, 2).tags.len(), 0);
    let mut owners = Owners::new(&vendor("news.example"), MINT.params().period(), 1);
    owners.extend(&all.tags);
    let key = secret().user_key(MINT.params().period(), &user("alice"));
    let token = key.owner_token(&vendor("news.example"), 2);
    assert_eq!(owners.check(&user("alice"), 2, &token), Ownership::Owner);
    for (generation, held) in [(1, 3), (2, 0)] {
        let request = owners_request("news.example", generation, held);
        let answer = running.message("/v1/periods/2026-12/owners", &request.to_bytes());
        assert_eq!(answer.problem(), (409, "vendor-ahead".to_string()));
    }
    let request = owners_request("news.example", 1, 2);
    let answer = running.message("/v1/periods/2027-01/owners", &request.to_bytes());
    assert_eq!(answer.status, 400);
    // A second sale, and the vendor sees it.
    let key = home.done(&["key", "alice"]);
    assert_eq!(running.order(&key, r#"{"sets": 1, "transaction": "43"}"#).status, 200);
    assert_eq!(ask(1, 2).tags.len(), 1);
}

#[test]
fn a_double_spender_is_on_the_list_with_the_second_payment() {
    let (home, running) = with_sale();
    home.done(&["vendor-key", "--period", "2026-12", "shop.example"]);
    let list = running.get("/v1/periods/2026-12/revoked", &[]);
    assert_eq!((list.status, list.text().as_str()), (200, ""));
    let tag = list.header("etag").unwrap();
    assert_eq!(running.get("/v1/periods/2026-12/revoked", &[("If-None-Match", tag)]).status, 304);
    let at = |name: &str| MINT.coins(&user("alice"), &vendor(name), 0);
    let (news, shop) = (at("news.example"), at("shop.example"));
    let shared = |coin: &&Vec<u64>| news.iter().any(|other| other[0] == coin[0]);
    let spent = shop.iter().find(shared).unwrap();
    let before = news.iter().find(|coin| coin[0] == spent[0]).unwrap();
    for (name, coin, expected) in
        [("news.example", before, Verdict::Accepted), ("shop.example", spent, Verdict::Accepted)]
    {
        let shown = watch(name, "w-1", &[payment("alice", name, "a", std::slice::from_ref(coin))]);
        let answer = running.message("/v1/watch", &shown.to_bytes());
        let result = WatchResult::parse(&answer.body).unwrap();
        assert_eq!(result.verdicts, [expected]);
    }
    let list = running.get("/v1/periods/2026-12/revoked", &[("If-None-Match", tag)]);
    assert_eq!((list.status, list.text().as_str()), (200, "alice\n"));
    home.done(&["revoke", "--force", "bob"]);
    assert_eq!(running.get("/v1/periods/2026-12/revoked", &[]).text(), "alice\nbob\n");
}

#[test]
fn the_document_is_the_committed_one() {
    let home = Home::new();
    let running = home.serve();
    let served = running.get("/openapi.json", &[]).json();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/broker-openapi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    let printed = home.command().arg("openapi").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap().trim().to_string();
    assert_eq!(committed.trim(), printed, "run: mmbrokerd openapi > {path}");
    let committed: serde_json::Value = serde_json::from_str(&committed).unwrap();
    assert_eq!(served, committed);
}
