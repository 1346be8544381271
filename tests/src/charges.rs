//! What is charged, and what is not: tests of every server. Each says what its server must have.

use crate::client::{Connection, RequestText, Response};
use crate::server::{Server, asked_and_paid, coins_in, sold, word};
use crate::site::Site;
use crate::twins::price_of;
use crate::{payer, wait_until};

/// The paths that are free although a price stands above them.
const EXEMPT: [&str; 3] = ["/robots.txt", "/favicon.ico", "/.well-known/acme-challenge/token"];

/// A site with these paths.
pub fn site_with_exempt_paths() -> Site {
    let site = Site::new();
    for path in EXEMPT {
        site.write(&format!("www{path}"), "exempt");
    }
    site
}

/// With a price of 1 for everything, the exempt paths of [`site_with_exempt_paths`] are free.
pub fn exempt_paths_are_free(server: &impl Server) {
    for path in EXEMPT {
        assert_eq!(server.get(path).seen(), (200, String::new(), "exempt"), "{path}");
        let paying = payer::payment(&server.site().url(path), 1);
        let answer = server.ask(&RequestText::get(path).with_payment(&paying));
        assert_eq!((answer.status, answer.body.as_str()), (200, "exempt"), "{path}");
    }
    for path in ["/free.html", "/.well-known/acme-challenge/"] {
        assert_eq!(server.get(path).short(), word(402, "unpaid"), "{path}");
    }
    assert_eq!(coins_in(&server.site().path("till")), 0);
}

/// With exemptions off, they cost what everything costs.
pub fn nothing_is_exempt_where_that_is_off(server: &impl Server) {
    for path in EXEMPT {
        assert_eq!(asked_and_paid(server, path, 1), sold(), "{path}");
    }
}

/// The site's till holds this many coins, perhaps a moment later.
fn holds(server: &impl Server, coins: u64) {
    let till = server.site().path("till");
    wait_until(&format!("{coins} coins in the till"), || coins_in(&till) == coins);
}

/// `/charged/` and `/reversed/` cost 1 and come from the [`crate::application`]; redirects are
/// charged in the first only.
pub fn redirects_are_charged_as_the_place_says(server: &impl Server) {
    let pay = |method: &str, target: &str| {
        let payment = payer::payment(&server.site().url(target), 1);
        RequestText::new(method, target).with_payment(&payment)
    };
    let charged = |status: u16| format!("/charged/x?status={status}&location=/elsewhere");
    let reversed = |status: u16| format!("/reversed/x?status={status}&location=/elsewhere");
    let mut held = 0;
    for status in [301, 302, 303, 307, 308] {
        let request = pay("GET", &charged(status));
        assert_eq!(server.ask(&request).short(), word(status, "paid"));
        held += 1;
        holds(server, held);
        assert_eq!(server.ask(&request).short(), word(status, "retry"));
        assert_eq!(server.ask(&pay("GET", &reversed(status))).short(), word(status, "reversed"));
        // A message in the body of a POST buys what a GET would get.
        assert_eq!(server.pay(&reversed(status), 1).short(), word(status, "reversed"));
        holds(server, held);
        for method in ["POST", "PUT", "DELETE"] {
            let request = pay(method, &reversed(status)).with("Content-Length", "0");
            assert_eq!(server.ask(&request).short(), word(status, "paid"), "{method}");
            held += 1;
        }
        holds(server, held);
    }
    // A copy that the client has is no redirect, and neither is any other answer.
    for status in [304, 305, 300, 404, 500] {
        let target = format!("/charged/x?status={status}");
        let answer = server.ask(&pay("GET", &target));
        assert_eq!(answer.short(), word(status, "reversed"), "{target}");
    }
    holds(server, held);
}

/// `/ws/` costs 2 and is a connection that the [`crate::application`] upgrades. It is charged once,
/// and the 101 says so.
pub fn an_upgrade_is_charged_once(server: &impl Server) {
    let upgrade = |request: RequestText| -> Response {
        let request = request.with("Connection", "upgrade").with("Upgrade", "echo");
        Connection::open(server.site().port).ask(&request)
    };
    let unpaid = upgrade(RequestText::get("/ws/x"));
    assert_eq!((unpaid.short(), price_of(&unpaid)), (word(402, "unpaid"), Some(2)));
    let payment = payer::payment(&server.site().url("/ws/x"), 2);
    for outcome in ["paid", "retry", "retry"] {
        let answer = upgrade(RequestText::get("/ws/x").with_payment(&payment));
        assert_eq!(answer.short(), word(101, outcome));
        holds(server, 2);
    }
    let other = RequestText::get("/ws/y").with_payment(&payment);
    assert_eq!(upgrade(other).status, 402, "what is paid opens no other connection");
    let kept = payer::coins_of(payer::mint(), 2);
    let again =
        |target: &str| payer::payment_with(payer::mint(), &server.site().url(target), &kept);
    assert_eq!(upgrade(RequestText::get("/ws/a").with_payment(&again("/ws/a"))).status, 101);
    let spent = upgrade(RequestText::get("/ws/b").with_payment(&again("/ws/b")));
    assert_eq!(spent.short(), word(402, "spent"), "an upgrade keeps the coins");
    holds(server, 4);
}

/// Of `none` and `both`, the places at the beginning cost 1 and give 2 free views; their content
/// leads on to pages that cost 2. That of `none` gives no free view, that of `both` gives 2.
pub fn a_free_view_that_leads_on_counts_once(server: &impl Server, none: &str, both: &str) {
    let costly = server.get(none);
    assert_eq!((costly.status, price_of(&costly)), (402, Some(2)), "{costly:?}");
    for _ in 0..2 {
        assert_eq!(server.get(both).seen(), (200, "free-view".to_string(), "costly"));
    }
    let last = server.get(both);
    assert_eq!(last.status, 402, "{last:?}");
    let paid = server.pay(both, 2);
    assert_eq!(paid.seen(), (200, "paid".to_string(), "costly"));
    holds(server, 2);
}
