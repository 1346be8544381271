use std::sync::LazyLock;

use micromint::authenticator::Key;
use micromint::host::{SimulatedDirectory, SystemEntropy};
use micromint::protocol::{FundsCredited, FundsWithdrawn, SendExpired, Verdict};
use micromint::testing::{ObviousMint, test_params};

use super::*;

/// In the middle of the period, after its expiration, and at redeem-until.
const DURING: UnixTime = UnixTime(1_797_000_000);
const EXPIRED: UnixTime = UnixTime(1_798_761_600);
const CLOSED: UnixTime = UnixTime(1_799_366_400);

static MINT: LazyLock<ObviousMint> = LazyLock::new(|| ObviousMint::new(test_params()));
static COINS: LazyLock<Vec<u8>> = LazyLock::new(|| MINT.coin_file());

/// A broker with a fresh coin file.
fn open() -> Broker {
    let directory = SimulatedDirectory::new();
    directory.put("coins", &COINS);
    Broker::open(&directory, "coins", secret(), &SystemEntropy).unwrap()
}

fn secret() -> Key {
    Key::from_bytes([42; 32])
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn user_key(user: &UserId) -> Key {
    secret().user_key(MINT.params().period(), user)
}

/// A Request-Credit of `user` for the balls `x`.
fn return_of(user: &UserId, name: &str, x: &[u64]) -> RequestCredit {
    let data: Vec<u8> = x.iter().flat_map(|x| x.to_be_bytes()).collect();
    RequestCredit {
        user: user.clone(),
        period: MINT.params().period().clone(),
        authenticator: user_key(user).request_credit(name, &data),
        request: name.parse().unwrap(),
        x: x.to_vec(),
    }
}

fn settings() -> WebSettings {
    WebSettings { sets_max: 5, url: "https://broker.example/coins".to_string() }
}

fn get(path: &str) -> WebRequest {
    WebRequest {
        method: "GET".to_string(),
        path: path.to_string(),
        script: "/cgi-bin/mmbroker".to_string(),
        remote_user: Some("alice".to_string()),
        host: Some("broker.example".to_string()),
        ..WebRequest::default()
    }
}

fn post(path: &str, media_type: &str, body: &[u8]) -> WebRequest {
    let content_type = Some(media_type.to_string());
    WebRequest { method: "POST".to_string(), content_type, body: body.to_vec(), ..get(path) }
}

fn form(body: &str) -> WebRequest {
    post("", "application/x-www-form-urlencoded; charset=UTF-8", body.as_bytes())
}

fn answer(broker: &mut Broker, request: &WebRequest, now: UnixTime) -> (u16, String) {
    let response = respond(broker, &settings(), request, 4711, now).unwrap();
    assert!(response.headers.contains(&("Cache-Control", "no-store".to_string())));
    (response.status, String::from_utf8(response.body).unwrap())
}

#[test]
fn the_form_sells_once_however_often_it_is_sent() {
    let mut broker = open();
    let (status, page) = answer(&mut broker, &get(""), DURING);
    assert_eq!(status, 200);
    for part in [
        "name=\"transaction\" value=\"4711\"",
        "name=\"period\" value=\"2026-12\"",
        "max=\"5\"",
        "<strong>alice</strong>",
        "<label for=\"sets\">",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let sent =
        respond(&mut broker, &settings(), &form("transaction=4711&sets=2"), 1, DURING).unwrap();
    assert_eq!(sent.headers[0], ("Content-Type", "application/x-micromint".to_string()));
    let disposition =
        ("Content-Disposition", "attachment; filename=\"2026-12-4711.mm\"".to_string());
    assert!(sent.headers.contains(&disposition));
    let funds = FundsWithdrawn::parse(&sent.body).unwrap();
    let alice = user("alice");
    assert_eq!(funds, MINT.funds(&alice, &user_key(&alice), &[0, 2], 4711));
    let again =
        respond(&mut broker, &settings(), &form("transaction=4711&sets=2"), 2, DURING).unwrap();
    assert_eq!(again.body, sent.body);
    assert_eq!(broker.sets_left(), 30);
    // Without a number of sets, nothing is sold.
    let again = respond(&mut broker, &settings(), &form("transaction=4711"), 3, EXPIRED).unwrap();
    assert_eq!(again.body, sent.body);
    assert_eq!(answer(&mut broker, &form("transaction=4712"), DURING).0, 409);
    assert_eq!(broker.sets_left(), 30);
    let mut bobs = form("transaction=4711&sets=2");
    bobs.remote_user = Some("bob".to_string());
    assert_eq!(answer(&mut broker, &bobs, DURING).0, 409);
}

/// The header fields by which a wallet knows what became of its order.
#[test]
fn the_page_names_its_period_and_says_what_was_not_sold() {
    let mut broker = open();
    let field = |response: WebResponse, name: &str| {
        let found = response.headers.into_iter().find(|(field, _)| *field == name);
        (response.status, found.map(|(_, value)| value))
    };
    for now in [DURING, EXPIRED] {
        let page = respond(&mut broker, &settings(), &get(""), 1, now).unwrap();
        assert_eq!(field(page, "MicroMint-Period"), (200, Some("2026-12".into())));
    }
    let mut ask = |body: &str, user: &str, now, sets_max| {
        let mut request = form(body);
        request.remote_user = Some(user.to_string());
        let settings = WebSettings { sets_max, ..settings() };
        let response = respond(&mut broker, &settings, &request, 1, now).unwrap();
        field(response, "MicroMint-Not-Sold")
    };
    let none = |number: &str| Some(format!("2026-12 {number}"));
    let first = "sets=3&transaction=1&period=2026-12";
    assert_eq!(ask(first, "alice", DURING, 5), (200, None));
    // A sale that was made is repeated, even if the page sells less by now, or nothing.
    assert_eq!(ask(first, "alice", DURING, 2), (200, None));
    assert_eq!(ask(first, "alice", EXPIRED, 2), (200, None));
    // It is not certain that nothing was sold: another login, another period, no login, no form.
    assert_eq!(ask(first, "bob", DURING, 5), (409, None));
    assert_eq!(ask("sets=2&transaction=1", "alice", DURING, 5), (409, None));
    assert_eq!(ask("sets=3&transaction=1&period=2026-11", "alice", DURING, 5), (409, None));
    assert_eq!(ask("sets=3&transaction=2", "", DURING, 5), (403, None));
    assert_eq!(ask("sets=3&transaction=2&period=", "alice", DURING, 5), (400, None));
    assert_eq!(ask("sets=3&transaction=2&period=A&period=A", "alice", DURING, 5), (400, None));
    // Nothing was sold, and nothing will be.
    assert_eq!(ask("sets=3&transaction=2&period=2026-12", "alice", DURING, 2), (400, none("2")));
    assert_eq!(ask("sets=0&transaction=3", "alice", DURING, 5), (400, none("3")));
    assert_eq!(ask("sets=1&transaction=4", "alice", EXPIRED, 5), (410, none("4")));
    assert_eq!(ask("sets=30&transaction=5", "alice", DURING, 40), (409, none("5")));
    broker.revoke(&user("mallory"), DURING).unwrap();
    let mut mallorys = form("sets=1&transaction=6");
    mallorys.remote_user = Some("mallory".to_string());
    let refused = respond(&mut broker, &settings(), &mallorys, 1, DURING).unwrap();
    assert_eq!(field(refused, "MicroMint-Not-Sold"), (403, none("6")));
    assert_eq!(broker.sets_left(), 29);
}

#[test]
fn a_program_gets_the_reason_of_a_refusal_as_text() {
    let mut broker = open();
    let mut refused = |accept: Option<&str>| {
        let request = form("sets=0&transaction=3");
        let response = respond(&mut broker, &settings(), &request, 1, DURING).unwrap();
        let response = response.for_accept(accept);
        let types = response.headers.iter().filter(|(name, _)| *name == "Content-Type");
        let types: Vec<&str> = types.map(|(_, value)| value.as_str()).collect();
        assert!(response.headers.iter().any(|(name, _)| *name == "MicroMint-Not-Sold"));
        (types.concat(), String::from_utf8(response.body).unwrap())
    };
    let expected =
        ("text/plain; charset=utf-8".into(), "expected 1 to 10000 sets, found 0\n".into());
    assert_eq!(refused(Some("application/x-micromint")), expected);
    for accept in [None, Some("text/html,*/*;q=0.8"), Some("*/*")] {
        let (media_type, page) = refused(accept);
        assert_eq!(media_type, "text/html; charset=utf-8", "{accept:?}");
        assert!(page.contains("<p>expected 1 to 10000 sets"), "{page}");
    }
    let page = respond(&mut broker, &settings(), &get(""), 1, DURING).unwrap();
    assert_eq!(page.clone().for_accept(Some("application/x-micromint")), page);
}

#[test]
fn without_an_authenticated_user_nothing_is_sold() {
    let mut broker = open();
    for name in [None, Some(""), Some("a b"), Some("<script>")] {
        for mut request in [get(""), get("/expired"), form("transaction=1&sets=1")] {
            request.remote_user = name.map(str::to_string);
            let (status, page) = answer(&mut broker, &request, EXPIRED);
            assert_eq!(status, 403, "{name:?}");
            assert!(!page.contains("<script>"), "{page}");
        }
    }
    assert_eq!(broker.sets_left(), 32);
}

#[test]
fn forms_of_other_sites_are_refused() {
    let mut broker = open();
    let mut number = 0;
    let mut status = |site: Option<&str>, origin: Option<&str>| {
        number += 1;
        let mut request = form(&format!("sets=1&transaction={number}"));
        request.sec_fetch_site = site.map(str::to_string);
        request.origin = origin.map(str::to_string);
        answer(&mut broker, &request, DURING).0
    };
    assert_eq!(status(Some("same-origin"), Some("https://broker.example")), 200);
    assert_eq!(status(Some("none"), None), 200);
    assert_eq!(status(None, Some("https://broker.example")), 200);
    assert_eq!(status(None, None), 200);
    assert_eq!(status(Some("cross-site"), Some("https://broker.example")), 403);
    assert_eq!(status(Some("same-site"), None), 403);
    assert_eq!(status(None, Some("https://evil.example")), 403);
    assert_eq!(status(None, Some("https://broker.example.evil.example")), 403);
    assert_eq!(status(None, Some("null")), 403);
    assert_eq!(broker.sets_left(), 28);
}

#[test]
fn wrong_forms_paths_and_methods_have_their_status() {
    let mut broker = open();
    for (body, expected) in [
        ("", 400),
        ("sets=1", 400),
        ("sets=&transaction=1", 400),
        ("sets=%31&transaction=1", 400),
        ("sets=1&sets=1&transaction=1", 400),
        ("sets=01&transaction=1", 400),
        ("sets=0&transaction=1", 400),
        ("sets=6&transaction=1", 400),
        ("sets=4294967297&transaction=1", 400),
        ("sets=1&transaction=18446744073709551616", 400),
        ("sets=5&transaction=18446744073709551615", 200),
    ] {
        assert_eq!(answer(&mut broker, &form(body), DURING).0, expected, "{body}");
    }
    let padded = |size: usize| format!("sets=1&transaction=9&p={}", "x".repeat(size - 23));
    assert_eq!(padded(FORM_SIZE_MAX).len(), FORM_SIZE_MAX);
    assert_eq!(answer(&mut broker, &form(&padded(FORM_SIZE_MAX + 1)), DURING).0, 400);
    assert_eq!(answer(&mut broker, &form(&padded(FORM_SIZE_MAX)), DURING).0, 200);
    assert_eq!(answer(&mut broker, &get("/nowhere"), DURING).0, 404);
    for (path, method, allow) in [
        ("", "PUT", "GET, HEAD, POST"),
        ("/return", "GET", "POST"),
        ("/expired", "POST", "GET, HEAD"),
    ] {
        let request = WebRequest { method: method.to_string(), ..get(path) };
        let response = respond(&mut broker, &settings(), &request, 1, DURING).unwrap();
        assert_eq!(response.status, 405);
        assert!(response.headers.contains(&("Allow", allow.to_string())), "{path}");
    }
    assert_eq!(answer(&mut broker, &post("", "text/plain", b"x"), DURING).0, 415);
    assert_eq!(answer(&mut broker, &form("sets=1&transaction=5"), EXPIRED).0, 410);
    let all = broker.sets_left() as u32;
    broker.withdraw(&user("bob"), all, 77, DURING).unwrap().granted().unwrap();
    assert_eq!(answer(&mut broker, &form("sets=1&transaction=6"), DURING).0, 409);
    assert!(answer(&mut broker, &get(""), DURING).1.contains("Sold out"));
}

#[test]
fn after_the_expiration_the_page_links_to_the_return() {
    let mut broker = open();
    let alice = user("alice");
    broker.withdraw(&alice, 1, 1, DURING).unwrap().granted().unwrap();
    assert_eq!(answer(&mut broker, &get("/expired"), DURING).0, 409);
    let (_, page) = answer(&mut broker, &get(""), EXPIRED);
    assert!(page.contains("href=\"/cgi-bin/mmbroker/expired\""), "{page}");
    let (status, text) = answer(&mut broker, &get("/expired"), EXPIRED);
    let invitation = SendExpired::parse(text.as_bytes()).unwrap();
    assert_eq!((status, invitation.user.as_str()), (200, "alice"));
    assert_eq!(invitation.return_url.as_str(), "https://broker.example/coins/return");

    let x = MINT.coins(&alice, &"news.example".parse().unwrap(), 0)[0][0];
    let back = return_of(&alice, "r1", &[x]).to_bytes();
    let mut request = post("/return", MEDIA_TYPE, &back);
    assert_eq!(answer(&mut broker, &request, DURING).0, 409);
    // A wallet has no login at the web site; the authenticator of the message proves the user.
    request.remote_user = None;
    let (status, text) = answer(&mut broker, &request, EXPIRED);
    let credited = FundsCredited::parse(text.as_bytes()).unwrap();
    assert_eq!(
        (status, credited.verdicts, credited.transaction),
        (200, vec![Verdict::Waiting], 4711)
    );
    request.remote_user = Some("bob".to_string());
    assert_eq!(answer(&mut broker, &request, EXPIRED).0, 403);
    request.remote_user = Some("alice".to_string());
    request.path = "/".to_string();
    assert!(broker.settle(CLOSED).unwrap());
    let (_, text) = answer(&mut broker, &request, CLOSED);
    assert_eq!(FundsCredited::parse(text.as_bytes()).unwrap().verdicts, [Verdict::Accepted]);
    assert_eq!(answer(&mut broker, &post("/return", MEDIA_TYPE, b"junk"), EXPIRED).0, 400);
    let huge = vec![b'x'; BODY_SIZE_MAX + 1];
    assert_eq!(answer(&mut broker, &post("/return", MEDIA_TYPE, &huge), EXPIRED).0, 413);
}
