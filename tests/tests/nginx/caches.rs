//! Caches in front of the paywall and behind it: a paid page is never served to another client, and
//! a free page stays cacheable.

use micromint_servers::client::{Connection, RequestText, Response};
use micromint_servers::nginx::Nginx;
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;

const STATUS: &str = "add_header X-Cache $upstream_cache_status always;";

fn seen(answer: &Response) -> (u16, String, String) {
    (answer.status, answer.word(), answer.header("x-cache").unwrap_or_default())
}

fn row(status: u16, word: &str, cache: &str) -> (u16, String, String) {
    (status, word.to_string(), cache.to_string())
}

/// Behind a CDN: another nginx caches our responses as long as it may.
#[test]
fn a_cache_before_the_paywall_keeps_free_pages_and_no_others() {
    let nginx = Nginx::start(
        Site::new(),
        &format!(
            "proxy_cache_path %FOLDER%/cache keys_zone=cdn:1m;
             micromint_config vendor.toml;
             server {{ %SERVER% micromint on;
                 add_header Cache-Control 'public, s-maxage=600' always;
                 add_header CDN-Cache-Control 'max-age=600' always; expires 1h; }}
             server {{ listen 127.0.0.1:%BACK_PORT%; {STATUS}
                 location / {{ proxy_pass http://127.0.0.1:%PORT%; proxy_set_header Host localhost:%PORT%;
                     proxy_cache cdn; proxy_cache_valid any 10m; proxy_ignore_headers Set-Cookie Vary; }} }}"
        ),
    );
    let ask = |request: RequestText| {
        Connection::open(nginx.site().back_port).ask(&request.with("Connection", "close"))
    };
    for _ in 0..2 {
        let unpaid = ask(RequestText::get("/one.html"));
        assert_eq!(seen(&unpaid), row(402, "unpaid", "MISS"));
        assert_eq!(unpaid.header("cache-control").as_deref(), Some("no-store"), "{unpaid:?}");
        assert_eq!(unpaid.header("cdn-cache-control"), None);
    }
    let payment = payer::payment(&nginx.site().url("/one.html"), 1);
    let paid = ask(RequestText::get("/one.html").with_payment(&payment));
    assert_eq!(seen(&paid), row(200, "paid", "MISS"));
    assert_eq!(paid.header("cdn-cache-control"), None);
    let control = paid.header("cache-control").unwrap();
    assert!(control.contains("private") && !control.contains("public"), "{control}");
    assert!(!control.contains("s-maxage"), "{control}");
    assert_eq!(
        seen(&ask(RequestText::get("/one.html"))),
        row(402, "unpaid", "MISS"),
        "nobody else gets it"
    );
    let cookie = paid.cookie().unwrap();
    for _ in 0..2 {
        let again = ask(RequestText::get("/one.html").with("Cookie", &cookie));
        assert_eq!(seen(&again), row(200, "receipt", "MISS"));
    }
    let post =
        ask(RequestText::post("/one.html", &payer::payment(&nginx.site().url("/one.html"), 1)));
    assert_eq!(post.short(), (200, "paid".to_string()));
    assert_eq!(seen(&ask(RequestText::get("/one.html"))), row(402, "unpaid", "MISS"));
    // A payment for a free page is returned, and makes the page neither private nor priced.
    let payment = payer::payment(&nginx.site().url("/free.html"), 1);
    assert_eq!(ask(RequestText::get("/free.html").with_payment(&payment)).word(), "returned");
    ask(RequestText::get("/free.html"));
    let free = ask(RequestText::get("/free.html"));
    assert_eq!((free.status, free.header("x-cache").unwrap().as_str()), (200, "HIT"));
    assert!(free.header("cache-control").unwrap().contains("public, s-maxage=600"), "{free:?}");
}

/// The paywall in front of a cache: the content of a paid page is made once, and paid for by each
/// client.
#[test]
fn a_cache_behind_the_paywall_serves_who_has_paid() {
    let nginx = Nginx::start(
        Site::new(),
        &format!(
            "proxy_cache_path %FOLDER%/cache keys_zone=app:1m;
             micromint_config vendor.toml;
             server {{ %SERVER% {STATUS}
                 location / {{ micromint_price 1; proxy_cache app; proxy_pass http://127.0.0.1:%BACK_PORT%; }} }}
             server {{ listen 127.0.0.1:%BACK_PORT%; add_header Cache-Control 'public, max-age=600';
                 return 200 'made'; }}"
        ),
    );
    assert_eq!(nginx.get("/page").word(), "unpaid");
    let pay = |expected: &[&str]| {
        let paid = nginx.pay("/page", 1);
        let cache = expected.iter().find(|cache| seen(&paid) == row(200, "paid", cache));
        assert!(cache.is_some(), "{paid:?}, expected one of {expected:?}");
        assert_eq!(paid.header("cache-control").unwrap(), "private, max-age=600");
        assert_eq!(nginx.get("/page").status, 402, "though it may be in the cache");
        cache == Some(&"HIT")
    };
    assert!(!pay(&["MISS"]));
    // nginx may finish the file of the cache after the response.
    assert!((0..20).any(|_| pay(&["MISS", "HIT"])), "the page is not cached");
    assert!(pay(&["HIT"]));
}
