//! The price list on any server: pages that are not files, a list that changes while the server
//! runs, and what a configuration test says about a broken one.

use micromint::params::Params;

use crate::client::{RequestText, Response};
use crate::owners::UNTIL_LISTS_ARE_DUE;
use crate::server::{Server, asked_and_paid, sold, word};
use crate::site::Site;
use crate::twins::price_of;
use crate::{payer, wait_until};

/// The list of [`site`].
const LIST: &str = "
[[price]]
path = \"/{*rest}\"
coins = 1

[[price]]
path = \"/2026/{id}/\"
coins = 2
receipt = \"/2026/{id}/\"
title = \"The long read\"

[[price]]
path = \"/about\"
coins = 0

[[price]]
path = \"/costly.html\"
coins = 0

[[price]]
path = \"/counters\"
coins = 0
";

/// A site with this list, the front controller `front.html`, a page with a price file that asks
/// more than the list, and a folder without an index.
pub fn site_with(list: &str) -> Site {
    let site = Site::new();
    let vendor = site.vendor_toml("till") + "prices = \"prices.toml\"\n";
    site.write("vendor.toml", &vendor);
    site.write("prices.toml", list);
    site.page("front.html", "made by the front controller", None);
    site.page("costly.html", "costly", Some("3"));
    site.write("www/folder/file.txt", "file");
    site
}

/// The price that an answer asks; 0 for none.
fn price(answer: &Response) -> u32 {
    price_of(answer).unwrap_or(0)
}

/// A site with a list.
pub fn site() -> Site {
    site_with(LIST)
}

/// A site that accepts coins of 0.01 USD and of 0.4 USD, with prices in money in its list and in
/// price files. The places `/place/` and `/computed/` are for directives.
pub fn site_in_money() -> Site {
    let site = site_with("[[price]]\npath = \"/listed.html\"\nmoney = \"0.405 USD\"\n");
    let vendor = site.vendor_toml("till") + "prices = \"prices.toml\"\n";
    site.write("vendor.toml", &(vendor + "coin-value = \"0.01 USD\"\n"));
    let mut large = payer::mint().params().raw().clone();
    large.period = "large".parse().unwrap();
    large.coin_value = "0.4 USD".parse().unwrap();
    site.write("periods/large.params", &Params::new(large).unwrap().to_toml());
    for name in ["listed.html", "place/page.html", "computed/page.html"] {
        site.page(name, "content", None);
    }
    site.page("file.html", "content", Some("0.025 USD\n"));
    site.page("foreign.html", "content", Some("0.02 EUR\n"));
    site
}

/// With `0.015 USD` as the price of `/place/` and `0.02 USD` as that of `/computed/`.
pub fn prices_in_money_are_asked_in_coins_of_each_value(server: &impl Server) {
    for (target, price) in [
        ("/listed.html", "41, 2"),
        ("/file.html", "3, 1"),
        ("/place/page.html", "2, 1"),
        ("/computed/page.html", "2, 1"),
        ("/costly.html", "3, 1"),
    ] {
        let asked = server.get(target);
        assert_eq!(asked.short(), word(402, "unpaid"), "{target}");
        for line in
            [&format!("Price: {price}"), "Period: now, large", "Coin-Value: 0.01 USD, 0.4 USD"]
        {
            assert!(asked.body.lines().any(|it| it == line), "{target}: {line} in {}", asked.body);
        }
    }
    assert_eq!(asked_and_paid(server, "/file.html", 3), sold());
    assert_eq!(asked_and_paid(server, "/place/page.html", 2), sold());
    assert_eq!(server.get("/foreign.html").status, 500);
    wait_until("the reason in the log", || {
        server.log().contains("expected a price in USD, as coin-value, found 0.02 EUR")
    });
}

/// Whatever is no file is led on to `front.html`, and folders without an index are listed.
pub fn what_the_client_asked_for_is_priced(server: &impl Server) {
    for target in ["/2026/x", "//2026/x/", "/2026/./x", "/a/../2026/%78"] {
        let asked = server.get(target);
        assert_eq!(asked.short(), word(402, "unpaid"), "{target}");
        assert_eq!(price(&asked), 2, "{target}: {}", asked.body);
    }
    // Contents that drop path parameters, or take a backslash for a slash, serve /2026/x.
    for target in ["/2026;p/x", "/2026/a/..;/x", "/a/..;/2026/x", "/2026%5cx", "/2026//../x"] {
        assert_eq!(price(&server.get(target)), 2, "{target}");
    }
    assert_eq!(asked_and_paid(server, "/2026/x", 2), sold());
    let paid = server.pay("/2026/y/", 2);
    assert_eq!(paid.body, "made by the front controller");
    let cookie = paid.cookie().unwrap();
    for (target, expected) in [("/2026/y", "receipt"), ("/2026/z", "unpaid")] {
        let answer = server.ask(&RequestText::get(target).with("Cookie", &cookie));
        assert_eq!(answer.word(), expected, "{target}");
    }
    assert_eq!(asked_and_paid(server, "/anything/else?p=1", 1), sold());
    // The exception is one although the front controller itself has a price.
    let about = server.get("/about");
    assert_eq!(about.seen(), (200, String::new(), "made by the front controller"));
    assert_eq!(asked_and_paid(server, "/front.html", 1), sold());
    // Files: the list, a price file that asks more, and an exception to the list only.
    assert_eq!(asked_and_paid(server, "/free.html", 1), sold());
    assert_eq!(asked_and_paid(server, "/two.html", 2), sold());
    assert_eq!(asked_and_paid(server, "/costly.html", 3), sold());
    // The server's own redirect to a folder is free, its list is not.
    let redirect = server.get("/folder");
    assert_eq!((redirect.status, redirect.word()), (301, String::new()));
    let listed = server.pay("/folder/", 1);
    assert!(listed.short() == word(200, "paid") && listed.body.contains("file.txt"));
    let robots = server.get("/robots.txt");
    assert_eq!(robots.word(), "", "exempt");
    let published = server.get("/.well-known/micromint/prices");
    assert_eq!(published.status, 200);
    assert!(published.body.contains("\"title\": \"The long read\""), "{}", published.body);
}

/// A list with a price for one folder, which has the page `page.html`.
pub fn site_with_a_folder() -> Site {
    let site = site_with("[[price]]\npath = \"/sold/{*rest}\"\ncoins = 2\n");
    site.page("sold/page.html", "sold", None);
    site
}

/// What does not exist below a priced folder asks for its price, as an access rule would be asked.
/// It is not charged.
pub fn what_does_not_exist_asks_for_its_price(server: &impl Server) {
    for target in ["/sold/page.html", "/sold/absent.html", "/sold/absent/", "/sold/a/b/"] {
        let asked = server.get(target);
        assert_eq!((asked.short(), price(&asked)), (word(402, "unpaid"), 2), "{target}");
    }
    let paid = server.pay("/sold/absent/", 2);
    assert_eq!(paid.short(), word(404, "reversed"));
    assert_eq!(server.get("/absent/").short(), word(404, ""));
}

/// However long ago a page got its price, nobody gets it for free, not even with the first request
/// that a process serves since.
pub fn a_page_that_gets_a_price_is_free_no_more(server: &impl Server) {
    let site = server.site();
    for number in 0..16 {
        assert_eq!(server.get("/front.html").status, 200, "{number}");
    }
    site.write("prices.new", "[[price]]\npath = \"/front.html\"\ncoins = 5\n");
    std::fs::rename(site.path("prices.new"), site.path("prices.toml")).unwrap();
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    for number in 0..16 {
        assert_eq!(price(&server.get("/front.html")), 5, "{number}");
    }
}

/// A list that is replaced is read by every serving process without a restart. A broken one changes
/// nothing; the log and the gauge at `/counters` say so.
pub fn a_list_may_change(server: &(impl Server + Sync)) {
    let children = server.children();
    let site = server.site();
    let replace = |text: &str| {
        site.write("prices.new", text);
        std::fs::rename(site.path("prices.new"), site.path("prices.toml")).unwrap();
        std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    };
    let is_stale = |number: usize| {
        let text = server.get("/counters").body;
        text.lines().any(|line| line == format!("micromint_stale_price_lists {number}"))
    };
    // Requests at the same time reach every child. One after the other they may reach one alone,
    // and another child would not know the list that the next one replaces.
    let asked_together = |expected: u32| {
        std::thread::scope(|scope| {
            let ask = || (0..4).all(|_| price(&server.get("/2026/x")) == expected);
            let asked: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().all(|asked| asked.join().unwrap())
        })
    };
    let wait_for_price = |expected: u32| {
        wait_until(&format!("the price {expected}"), || asked_together(expected));
    };
    wait_for_price(2);
    assert!(is_stale(0));
    replace(&LIST.replace("coins = 2", "coins = 4"));
    wait_for_price(4);
    // A page that was free before gets a price too: a free page looks for a new list as well.
    assert_eq!(server.get("/about").status, 200);
    replace(&LIST.replace("coins = 2", "coins = 501"));
    wait_until("the broken list to be reported", || {
        server.get("/2026/x");
        let log = server.log();
        log.contains("prices.toml:8:9: coins: expected a price from 0 to 500 coins, found 501")
            && log.contains("the prices read before stay in use")
    });
    assert_eq!(price(&server.get("/2026/x")), 4);
    wait_until("the gauge", || is_stale(1));
    replace(
        "[[price]]\npath = \"/about\"\ncoins = 5\n[[price]]\npath = \"/counters\"\ncoins = 0\n",
    );
    wait_until("a price for what was free", || (0..8).all(|_| price(&server.get("/about")) == 5));
    assert_eq!(server.get("/2026/x").word(), "");
    wait_until("the gauge", || is_stale(0));
    assert_eq!(server.children(), children, "without a restart");
}

/// Broken lists, and what a configuration test says of each, after the path of the list.
pub const BROKEN_LISTS: [(&str, &str); 9] = [
    (
        "[[price]]\npath = \"/a\"\ncoins = 501\n",
        "prices.toml:3:9: coins: expected a price from 0 to 500 coins, found 501",
    ),
    (
        "[[price]]\npath = \"/a/{id\"\ncoins = 1\n",
        "prices.toml:2:8: path: expected a capture such as {id}",
    ),
    ("[[price]]\npath = \"/a\"\nprice = 1\n", "prices.toml:3:1: unknown key `price`"),
    (
        "[[price]]\npath = \"/a\"\ncoins = 1\n[[price]]\npath = \"/%61\"\ncoins = 2\n",
        "prices.toml:5:8: path: expected another path or other conditions than those of the entry in \
         line 2",
    ),
    ("", "prices.toml: missing key `price`"),
    (
        "[[price]]\npath = \"/secret/*\"\ncoins = 1\n",
        "prices.toml:2:8: path: expected {name} for any one part, {*name} for all parts",
    ),
    (
        "[[price]]\npath = \"/a\"\ncoins = \"2 coins\"\n",
        "prices.toml:3:9: coins: invalid type: string \"2 coins\", expected a price from 0 to 500",
    ),
    (
        "[price]\npath = \"/a\"\ncoins = 1\n",
        "prices.toml:1:1: price: expected [[price]] before each entry, found [price]",
    ),
    (
        "[[price]]\npath = \"/a\"\ncoins = 1\ntitle = \"\\u202e\"\n",
        "prices.toml:4:9: title: expected no control character, and none that changes",
    ),
];
