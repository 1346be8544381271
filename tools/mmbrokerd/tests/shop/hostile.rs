//! Strangers who send what no page of the broker sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mmbrokerd::http::NETWORK_PART;
use mmbrokerd::shop::{
    FORM_SIZE_MAX, HOOK_SIZE_MAX, LARGE_FORMS_MAX, LARGE_HOOKS_MAX, REFUSED_ORDERS_MAX,
    ShopSettings,
};
use mmbrokerd::store::{ComplaintAnswer, NewComplaint};

use crate::browser::*;
use crate::databases::Database;
use crate::world::{DURING, coins, payment, user, vendor, with_junk};

crate::on_both_databases!(
    what_is_no_address_gets_a_page,
    complaints_need_a_signed_payment,
    complaints_at_the_same_time_are_counted,
    of_complaints_with_one_id_one_counts,
    a_webhook_that_comes_slowly_is_given_up,
    refused_orders_are_bounded,
    large_forms_are_bounded,
    large_webhooks_are_bounded,
);

async fn what_is_no_address_gets_a_page(database: Database) {
    let site = site(database).await;
    let (mut browser, _) = site.reader();
    for path in [
        "/purchases/%ff",
        "/purchases/%00",
        "/purchases/1%2f2",
        "/vendor/%00",
        "/vendor/%ff",
        "/vendor/..%2f..",
        "/vendor/%00/csv",
        "/reset/%ff",
        "/confirm/%00",
        "/language/%00",
        "/account/passkeys/%00",
        "/account?note=a&note=b",
        "/%00",
        "/%ff",
    ] {
        for (language, words) in [("en", "That did not work"), ("de", "Das hat nicht geklappt")] {
            browser.language = language;
            let seen = browser.get(path);
            assert!([404, 422].contains(&seen.status), "{path}: {} {}", seen.status, seen.text);
            assert!(seen.text.contains(words), "{path}: {}", seen.text);
            assert!(seen.header("content-security-policy").is_some(), "{path}");
        }
    }
}

async fn complaints_need_a_signed_payment(database: Database) {
    let site = site(database).await;
    let (mut reader, name) = site.reader();
    let paid = payment(&name, "news.example", "a", &coins(&name, "news.example", 0)[..1]);
    let form = reader.get("/complaints");
    let mut complain = |payment: Vec<u8>| {
        let payment = String::from_utf8(payment).unwrap();
        reader.send(&form, "/complaints", &[("text", "no page"), ("payment", &payment)])
    };
    // Whoever never bought has no key to make one up, about whatever vendor.
    complain(with_junk(paid.clone()).to_bytes()).says(422, "not signed with your key");
    let mut elsewhere = paid.clone();
    elsewhere.vendor = "shop.example".parse().unwrap();
    complain(elsewhere.to_bytes()).says(422, "not signed with your key");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM complaint").await, 0);
    assert_eq!(complain(paid.to_bytes()).status, 303);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM complaint").await, 1);
}

fn is_recorded(answer: &ComplaintAnswer) -> bool {
    matches!(answer, ComplaintAnswer::Recorded(_))
}

async fn complaints_at_the_same_time_are_counted(database: Database) {
    let site = site(database).await;
    let store = site.world.service.store();
    let (alice, names) = (user("alice"), ["a", "b", "c", "d", "e", "f", "g", "h"]);
    let vendor = vendor("news.example");
    let content = NewComplaint { sha256: [0; 32], vendor: &vendor, text: "x", payment: b"" };
    let add = |name| store.add_complaint(&alice, name, &content, (3, DURING));
    let made = futures_util::future::join_all(names.map(add)).await;
    let made: Vec<ComplaintAnswer> = made.into_iter().map(Result::unwrap).collect();
    let recorded = made.iter().filter(|made| is_recorded(made)).count();
    assert_eq!(recorded, 3, "{made:?}");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM complaint").await, 3);
    // One that was made is there, whatever the number.
    for (name, made) in names.iter().zip(made) {
        let again = store.add_complaint(&alice, name, &content, (3, DURING)).await.unwrap();
        assert_eq!(again, made, "{name}");
    }
}

async fn of_complaints_with_one_id_one_counts(database: Database) {
    let site = site(database).await;
    let store = site.world.service.store();
    let (alice, vendor, texts) = (user("alice"), vendor("news.example"), [1, 2, 3, 4, 5, 6, 7, 8]);
    let add = async |number: u8| {
        let text = number.to_string();
        let content =
            NewComplaint { sha256: [number; 32], vendor: &vendor, text: &text, payment: b"" };
        store.add_complaint(&alice, "one", &content, (3, DURING)).await.unwrap()
    };
    let made = futures_util::future::join_all(texts.map(add)).await;
    let first: Vec<usize> = (0..8).filter(|at| is_recorded(&made[*at])).collect();
    assert_eq!(first.len(), 1, "{made:?}");
    assert_eq!(made.iter().filter(|made| **made == ComplaintAnswer::Otherwise).count(), 7);
    let kept = "SELECT CAST(text AS BIGINT) FROM complaint";
    assert_eq!(site.world.number(kept).await, first[0] as i64 + 1);
    assert!(is_recorded(&add(texts[first[0]]).await));
    // The form says so too.
    let (mut reader, name) = site.reader();
    let paid = payment(&name, "news.example", "a", &coins(&name, "news.example", 0)[..1]);
    let paid = String::from_utf8(paid.to_bytes()).unwrap();
    let form = reader.get("/complaints");
    let mut complain =
        |text: &str| reader.send(&form, "/complaints", &[("text", text), ("payment", &paid)]);
    assert_eq!(complain("no page").status, 303);
    assert_eq!(complain("no page").status, 303);
    complain("another page").says(422, "This one was not recorded");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM complaint").await, 2);
}

/// Large forms that come slowly take the places of their network, and those that do not come none.
async fn large_forms_are_bounded(database: Database) {
    const SHARE: usize = LARGE_FORMS_MAX / NETWORK_PART;
    let site = site(database).await;
    let (mut reader, _) = site.reader();
    let (name, token) = reader.cookies.iter().next().unwrap();
    let address = site.address.strip_prefix("http://").unwrap();
    let begin = |network: usize, size: usize, more: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /complaints HTTP/1.1\r\nHost: x\r\nCookie: {name}={token}\r\n\
             X-Forwarded-For: 198.51.{network}.7\r\n{more}Content-Length: {size}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let asked = |network: usize, size: usize| {
        let mut stream = begin(network, size, "Expect: 100-continue\r\n");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        (stream, String::from_utf8_lossy(&answer).into_owned())
    };
    // Heads alone take nothing.
    let mut heads = Vec::new();
    for at in 0..=LARGE_FORMS_MAX {
        let (stream, answer) = asked(0, FORM_SIZE_MAX + 1);
        assert_eq!(answer, "HTTP/1.1 100", "after {at}");
        heads.push(stream);
    }
    drop(heads);
    let mut held = Vec::new();
    for network in 0..NETWORK_PART {
        for _ in 0..SHARE {
            let mut stream = begin(network, FORM_SIZE_MAX + 2, "");
            stream.write_all(&vec![b'x'; FORM_SIZE_MAX + 1]).unwrap();
            held.push(stream);
        }
        for _ in 0..200 {
            if asked(network, FORM_SIZE_MAX + 1).1 == "HTTP/1.1 503" {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(asked(network, FORM_SIZE_MAX + 1).1, "HTTP/1.1 503", "network {network}");
        assert_eq!(asked(network, FORM_SIZE_MAX).1, "HTTP/1.1 100", "small ones are read");
        let expected = if network + 1 < NETWORK_PART { "HTTP/1.1 100" } else { "HTTP/1.1 503" };
        assert_eq!(asked(9, FORM_SIZE_MAX + 1).1, expected, "after {network}");
    }
    drop(held);
    let form = reader.get("/complaints");
    let large = "x".repeat(FORM_SIZE_MAX + 1);
    let fields = [("text", "x"), ("payment", large.as_str())];
    let mut seen = reader.send(&form, "/complaints", &fields);
    for _ in 0..100 {
        if seen.status != 503 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        seen = reader.send(&form, "/complaints", &fields);
    }
    seen.says(422, "This is not a payment");
}

/// Nobody is known who sends a webhook slowly: a network has its share of them.
async fn large_webhooks_are_bounded(database: Database) {
    const SHARE: usize = LARGE_HOOKS_MAX / NETWORK_PART;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mut settings = ShopSettings::default();
    settings.hooks.insert("deposit".to_string(), file);
    let site = site_with(database, settings).await;
    let address = site.address.strip_prefix("http://").unwrap();
    let begin = |network: usize, size: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST /hooks/deposit HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.{network}.7\r\n\
             Content-Length: {HOOK_SIZE_MAX}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b' '; size]).unwrap();
        stream
    };
    // Whether there is an answer before the message has come.
    let is_answered = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let is_answered = stream.peek(&mut [0]).is_ok();
        stream.set_nonblocking(false).unwrap();
        is_answered
    };
    let status = |mut stream: &TcpStream| {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let mut held = Vec::new();
    for network in 0..NETWORK_PART {
        // One more than its share: that one is refused at once.
        let begun: Vec<_> = (0..=SHARE).map(|_| begin(network, FORM_SIZE_MAX + 1)).collect();
        for _ in 0..200 {
            if begun.iter().any(is_answered) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(200));
        let refused: Vec<_> = begun.iter().filter(|stream| is_answered(stream)).collect();
        assert_eq!(refused.len(), 1, "network {network}");
        assert_eq!(status(refused[0]), "HTTP/1.1 503");
        held.extend(begun);
    }
    assert_eq!(status(&begin(9, FORM_SIZE_MAX + 1)), "HTTP/1.1 503");
    let small = begin(9, FORM_SIZE_MAX);
    std::thread::sleep(Duration::from_millis(500));
    assert!(!is_answered(&small), "small ones are read");
    drop(held);
    for _ in 0..100 {
        // It is read, and not signed.
        if status(&begin(9, HOOK_SIZE_MAX)) == "HTTP/1.1 403" {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the places are not free again");
}

/// Each refused order stays in the database, and orders of others wait for it.
async fn refused_orders_are_bounded(database: Database) {
    let site = site(database).await;
    let (mut reader, name) = site.reader();
    let form = reader.get("/buy");
    let order = |reader: &mut Browser, transaction: i64| {
        let transaction = transaction.to_string();
        reader.send(&form, "/buy", &[("sets", "1"), ("transaction", &transaction)])
    };
    for transaction in 1..=REFUSED_ORDERS_MAX {
        order(&mut reader, transaction).says(422, "Your balance is too small");
    }
    let refused = "SELECT COUNT(*) FROM refused_sale";
    assert_eq!(site.world.number(refused).await, REFUSED_ORDERS_MAX);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM wish").await, 1);
    // The next one is not looked at, and an earlier one has its answer.
    site.world.fund(&name, 10_000).await;
    for _ in 0..2 {
        order(&mut reader, 1000).says(429, "wait 60 minutes");
        order(&mut reader, 7).says(422, "Your balance is too small");
    }
    assert_eq!(site.world.number(refused).await, REFUSED_ORDERS_MAX);
    // Others buy, and so does who waited.
    let (mut other, name) = site.reader();
    site.world.fund(&name, 10_000).await;
    let page = other.get("/buy");
    assert_eq!(other.send(&page, "/buy", &[("sets", "1")]).status, 303);
    site.world.clock.set(DURING.plus_seconds(3600));
    assert_eq!(order(&mut reader, 1000).status, 303);
    assert_eq!(order(&mut reader, 1000).status, 303);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM sale").await, 2);
    site.world.check_ledger().await;
}

async fn a_webhook_that_comes_slowly_is_given_up(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    let mut settings = ShopSettings::default();
    settings.hooks.insert("deposit".to_string(), file);
    let site = site_with(database, settings).await;
    let start = Instant::now();
    let mut stream = TcpStream::connect(site.address.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = "POST /hooks/deposit HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!((25..50).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}
