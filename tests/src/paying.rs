//! Requesting a page, paying for it, coming back: tests of every server. The server sells
//! everything of a new site.

use crate::client::{Connection, RequestText};
use crate::server::{Server, word};
use crate::{payer, wait_until};

/// A free page is served, a priced page is answered with 402 and its price, in both forms.
pub fn free_pages_cost_nothing_and_priced_pages_ask_for_their_price(server: &impl Server) {
    let free = server.get("/free.html");
    assert_eq!(free.seen(), (200, String::new(), "free"));
    let answer = server.get("/two.html");
    assert_eq!(answer.short(), word(402, "unpaid"));
    assert_eq!(answer.header("content-type").unwrap(), "application/x-micromint");
    assert_eq!(answer.header("cache-control").unwrap(), "no-store");
    // Apache writes the list without spaces.
    assert_eq!(answer.header("vary").unwrap().replace(' ', ""), "Accept,Accept-Payment");
    assert!(answer.header("micromint-request").is_some());
    let url = server.site().url("/two.html");
    for line in [
        "MicroMint-1.0",
        "Request-Payment",
        &format!("URL: {url}"),
        "Price: 2",
        "Vendor-ID: localhost",
    ] {
        assert!(
            answer.body.lines().any(|found| found.trim_end() == line),
            "{line} in {}",
            answer.body
        );
    }
    let page = server.ask(&RequestText::get("/two.html").with("Accept", "text/html"));
    assert_eq!(page.status, 402);
    assert_eq!(page.header("content-type").unwrap(), "text/html; charset=utf-8");
    assert!(page.body.contains("<strong><bdi>2 cents</bdi></strong>"), "{}", page.body);
}

/// A POST of the payment is served, and its receipt serves the page again without a charge.
pub fn a_post_pays_and_a_receipt_opens_the_page_again(server: &impl Server) {
    let payment = payer::payment(&server.site().url("/two.html"), 2);
    let paid = server.ask(&RequestText::post("/two.html", &payment));
    assert_eq!(paid.seen(), (200, "paid".to_string(), "content for two"));
    assert_eq!(paid.header("cache-control").unwrap(), "private");
    let cookie = paid.cookie().unwrap();
    let again = server.ask(&RequestText::get("/two.html").with("Cookie", &cookie));
    assert_eq!(again.seen(), (200, "receipt".to_string(), "content for two"));
    let other = server.ask(&RequestText::get("/one.html").with("Cookie", &cookie));
    assert_eq!(other.short(), word(402, "unpaid"), "a receipt opens its own page only");
    wait_until("the access log", || server.access_log().len() == 3);
    let mut log = server.access_log();
    // Two workers write in any order.
    log.sort();
    let lines = [
        "/one.html 402 unpaid 1 0 -",
        "/two.html 200 paid 2 2 alice",
        "/two.html 200 receipt 2 0 -",
    ];
    assert_eq!(log, lines.map(|line| format!("GET {line}")));
}

/// A payment in the header field is taken with every method.
pub fn a_header_pays_for_any_method(server: &impl Server) {
    let url = server.site().url("/one.html");
    let paid = server.ask(&RequestText::get("/one.html").with_payment(&payer::payment(&url, 1)));
    assert_eq!(paid.seen(), (200, "paid".to_string(), "content for one"));
}

/// Free, unpaid, paid and refused requests follow each other on one connection.
pub fn one_connection_carries_all_kinds_of_requests(server: &impl Server) {
    let mut connection = Connection::open(server.site().port);
    for _ in 0..3 {
        assert_eq!(connection.ask(&RequestText::get("/one.html")).short(), word(402, "unpaid"));
        let payment = payer::payment(&server.site().url("/one.html"), 1);
        assert_eq!(
            connection.ask(&RequestText::post("/one.html", &payment)).short(),
            word(200, "paid")
        );
        assert_eq!(connection.ask(&RequestText::get("/free.html")).body, "free");
        assert_eq!(
            connection.ask(&RequestText::post("/two.html", &payment)).short(),
            word(402, "other-page")
        );
    }
}
