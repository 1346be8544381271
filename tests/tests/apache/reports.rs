//! Reports about a request: error documents, counters, logs, on every MPM.

use micromint_servers::client::{Connection, RequestText, Response};
use micromint_servers::server::{Server, asked_and_paid, sold, word};
use micromint_servers::site::Site;
use micromint_servers::wait_until;

use crate::support::on_each;

#[test]
fn error_documents_stand_in_for_the_message() {
    let site = || {
        use std::os::unix::fs::PermissionsExt;
        let site = Site::new();
        site.page("402.html", "please pay", None);
        site.page("404.html", "not here", Some("1"));
        let standing_in =
            "#!/bin/sh\nprintf 'Status: 200 OK\\nContent-Type: text/plain\\n\\nmade'\n";
        site.page("404.cgi", standing_in, Some("1"));
        let path = site.path("www/404.cgi");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        site.page("402.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s %s' $REDIRECT_MICROMINT_STATUS $MICROMINT_PRICE\n", None);
        std::fs::set_permissions(site.path("www/402.cgi"), PermissionsExt::from_mode(0o755))
            .unwrap();
        site
    };
    let text = r#"
        AliasMatch ^/(page|text|expr|script|own|lost|made|priced)/(.*)$ %FOLDER%/www/$2
        <Location /page/>
            ErrorDocument 402 /402.html
        </Location>
        <Location /text/>
            ErrorDocument 402 "please pay"
        </Location>
        <Location /expr/>
            ErrorDocument 402 "%{ENV:MICROMINT_STATUS} costs %{ENV:MICROMINT_PRICE}"
        </Location>
        AddHandler cgi-script .cgi
        <Directory %FOLDER%/www>
            Options +ExecCGI
        </Directory>
        <Location /script/>
            ErrorDocument 402 /402.cgi
        </Location>
        <Location /own/>
            ErrorDocument 402 /message
        </Location>
        <Location /message>
            SetHandler micromint-message
            Header always set X-Page own
        </Location>
        RewriteEngine On
        RewriteRule ^/theirs/ - [R=402,L]
        <Location /theirs/>
            ErrorDocument 402 /message-of-theirs
        </Location>
        <Location /message-of-theirs>
            MicroMintPrice 7
            SetHandler micromint-message
        </Location>
        <Location /lost/>
            ErrorDocument 404 /404.html
        </Location>
        <Location /made/>
            ErrorDocument 404 /404.cgi
        </Location>
        <Location /priced/>
            MicroMintPrice 1
            ErrorDocument 402 /priced/402.html
        </Location>"#;
    on_each(site, text, |apache| {
        let page = apache.get("/page/one.html");
        assert_eq!(page.seen(), (402, "unpaid".to_string(), "please pay"));
        assert!(page.header("micromint-request").is_some());
        assert_eq!(page.header("cache-control").unwrap(), "no-store");
        assert_eq!(page.header("content-type").unwrap(), "text/html");
        let text = apache.get("/text/one.html");
        assert_eq!((text.short(), text.body.as_str()), (word(402, "unpaid"), "please pay"));
        assert_eq!(apache.get("/expr/two.html").body, "unpaid costs 2");
        assert_eq!(apache.get("/script/two.html").body, "unpaid 2");
        let own = apache.get("/own/one.html");
        assert_eq!(
            (own.short(), own.header("x-page").unwrap()),
            (word(402, "unpaid"), "own".to_string())
        );
        assert!(own.body.contains("Request-Payment"), "{}", own.body);
        let theirs = apache.get("/theirs/x");
        assert!(theirs.status == 402 && theirs.body.contains("Price: 7"), "{theirs:?}");
        // An error page is not content: it has no price, whatever it costs when requested by name.
        let lost = apache.get("/lost/nothing.html");
        assert_eq!((lost.status, lost.body.as_str()), (404, "not here"));
        assert_eq!(apache.get("/404.html").status, 402);
        // A script that makes content of an error is not given away.
        let made = apache.get("/made/nothing.html");
        assert!(made.status == 404 && !made.body.contains("made"), "{made:?}");
        assert_eq!(asked_and_paid(apache, "/404.cgi", 1), sold());
        let priced = apache.get("/priced/free.html");
        assert_eq!((priced.status, priced.body.as_str()), (402, "please pay"));
        // Paying works with each of them.
        for target in [
            "/page/one.html",
            "/text/one.html",
            "/expr/one.html",
            "/own/one.html",
            "/priced/free.html",
        ] {
            assert_eq!(apache.pay(target, 1).short(), word(200, "paid"), "{target}");
        }
    });
}

#[test]
fn status_pages_and_logs_count_over_all_children() {
    let text =
        "MicroMintLog JSON\n<Location /counters>\nMicroMint Off\nSetHandler micromint-status\n</Location>
        LogFormat \"%{MICROMINT_EVENT}e\" event\nCustomLog logs/events.log event env=MICROMINT_STATUS\n";
    on_each(Site::new, text, |apache| {
        let counted = |line: &str| apache.get("/counters").body.lines().any(|found| found == line);
        for _ in 0..12 {
            let mut connection = Connection::open(apache.site().port);
            assert_eq!(connection.ask(&RequestText::get("/one.html")).status, 402);
        }
        assert_eq!(apache.pay("/two.html", 2).status, 200);
        wait_until("the counters", || counted("micromint_requests_total{outcome=\"unpaid\"} 12"));
        // Another child may have sold, and each adds up its own counters when it can.
        wait_until("the coins", || counted("micromint_coins_total 2"));
        assert!(
            apache
                .log()
                .contains(r#"{"micromint":"paid","status":200,"price":2,"coins":2,"user":"alice""#)
        );
        let events = std::fs::read_to_string(apache.site().path("logs/events.log")).unwrap();
        assert_eq!(events.lines().filter(|line| line.contains("unpaid")).count(), 12, "{events}");
    });
}

#[test]
fn variables_are_there_for_scripts_headers_and_logs() {
    let text = r#"
        Header always set X-Reported "expr=%{reqenv:MICROMINT_STATUS} %{reqenv:MICROMINT_PRICE} %{reqenv:MICROMINT_COINS} %{reqenv:MICROMINT_USER}"
        <If "-n reqenv('MICROMINT_STATUS')">
            Header always set X-Early yes
        </If>
        CustomLog logs/paid.log "%U %{MICROMINT_USER}e" "expr=%{reqenv:MICROMINT_STATUS} == 'paid'"
        <Location /off.html>
            MicroMint Off
        </Location>"#;
    let site = || {
        let site = Site::new();
        site.page("off.html", "off", None);
        site
    };
    on_each(site, text, |apache| {
        let reported =
            |answer: Response| answer.header("x-reported").unwrap_or_default().trim().to_string();
        assert_eq!(reported(apache.get("/two.html")), "unpaid 2 0");
        assert_eq!(reported(apache.pay("/two.html", 2)), "paid 2 2 alice");
        assert_eq!(reported(apache.get("/free.html")), "free");
        assert_eq!(reported(apache.get("/off.html")), "", "no gate, no variables");
        assert_eq!(reported(apache.pay("/one.html", 2)), "paid 1 2 alice");
        assert_eq!(reported(apache.pay("/two.html", 1)), "wrong-amount 2 0 alice");
        let early = apache.get("/one.html").header("x-early");
        assert_eq!(early, None, "a section is chosen before the gate is asked");
        let log =
            || std::fs::read_to_string(apache.site().path("logs/paid.log")).unwrap_or_default();
        let mut lines = Vec::new();
        wait_until("the log", || {
            lines = log().lines().map(str::to_string).collect();
            lines.len() == 2
        });
        lines.sort();
        assert_eq!(lines, ["/one.html alice", "/two.html alice"]);
    });
}

#[test]
fn every_event_is_a_line_of_json_whatever_was_asked() {
    let text = "MicroMintLog JSON\nHttpProtocolOptions Unsafe\nLimitRequestLine 60000
        <Location /odd/>\nMicroMintPrice 1\n</Location>\n";
    on_each(Site::new, text, |apache| {
        let long = "x".repeat(2000);
        let odd = [
            "quote\"quote".to_string(),
            "back\\slash\\".to_string(),
            "%22%5C%00".to_string(),
            "%01%0A%0D%1F%7F%80%FF".to_string(),
            "%E2%82%AC-%C3%A9".to_string(),
            "\u{20ac}-\u{e9}".to_string(),
            "\",\"coins\":99,\"x\":\"".to_string(),
            "a?b=\"&c={}}'`|<>[]^%".to_string(),
            "tab\tand\x01\x1f\x7f".to_string(),
            long.clone(),
            format!("{long}\"\\"),
            format!("?{}", "%22".repeat(700)),
        ];
        for target in &odd {
            for referer in ["http://localhost/", "\"}, {\"micromint\":\"paid\"}"] {
                let request = RequestText::get(&format!("/odd/{target}"));
                // The server itself may refuse the target.
                let answer = apache.ask(&request.with("Referer", referer));
                assert!([400, 402, 404].contains(&answer.status), "{target}: {answer:?}");
            }
        }
        assert_eq!(apache.pay("/two.html", 2).status, 200);
        let events = || -> Vec<String> {
            let log = std::fs::read(apache.site().path("logs/error.log")).unwrap();
            let log = String::from_utf8(log).expect("a log in UTF-8");
            let event = |line: &str| Some(line[line.find("{\"micromint\"")?..].to_string());
            log.lines().filter_map(event).collect()
        };
        wait_until("the last event", || {
            events().last().is_some_and(|event| event.contains("\"paid\""))
        });
        let events = events();
        assert!(events.len() > odd.len(), "{events:?}");
        for event in &events {
            let value: serde_json::Value =
                serde_json::from_str(event).unwrap_or_else(|error| panic!("{error} in {event}"));
            let (word, url) = (value["micromint"].as_str().unwrap(), value["url"].as_str());
            assert!(["unpaid", "bad-request", "paid"].contains(&word), "{event}");
            assert!(word == "paid" || value["coins"] == 0, "{event}");
            assert!(url.is_none_or(|url| url.len() <= 1024 + "...".len()), "{event}");
        }
    });
}

#[test]
fn the_counters_say_which_vendors_accept_no_coins() {
    let text = "<Location /counters>\nMicroMint Off\nSetHandler micromint-status\n</Location>\n";
    let lacking = |apache: &micromint_servers::apache::Apache| {
        let body = apache.get("/counters").body;
        let name = "micromint_vendors_without_period ";
        body.lines().find_map(|line| line.strip_prefix(name).map(str::to_string))
    };
    on_each(Site::new, text, |apache| assert_eq!(lacking(apache).as_deref(), Some("0")));
    let expired = || {
        let site = Site::new();
        for name in ["now", "future"] {
            std::fs::remove_file(site.path(&format!("periods/{name}.params"))).unwrap();
        }
        site
    };
    on_each(expired, text, |apache| {
        assert_eq!(lacking(apache).as_deref(), Some("1"));
        assert_eq!(apache.get("/one.html").short(), word(402, "unpaid"));
    });
}

/// The recipe of docs/reference/apache.md: a teaser of the site's own for each page, and 402 as
/// before.
#[test]
fn a_teaser_stands_in_for_the_page_and_wallets_still_pay() {
    const TEASER: &str = "<meta property='og:title' content='One'><img src=/one.png>";
    let site = || {
        let site = Site::new();
        site.page("articles/one.html", "content for one", Some("1"));
        site.page("articles/two.html", "content for two", Some("2"));
        site.write("www/teaser/articles/one.html", TEASER);
        site
    };
    let text = r#"
        <Location /articles/>
            ErrorDocument 402 /teaser%{escape:%{REQUEST_URI}}
        </Location>
        RewriteEngine On
        RewriteCond %{DOCUMENT_ROOT}%{REQUEST_URI} !-f
        RewriteRule ^/teaser/ /pay [PT]
        <Location /pay>
            SetHandler micromint-message
        </Location>"#;
    on_each(site, text, |apache| {
        for accept in ["*/*", "text/html", "application/x-micromint"] {
            let asked = |target: &str| apache.ask(&RequestText::get(target).with("Accept", accept));
            let one = asked("/articles/one.html");
            assert_eq!((one.short(), one.body.as_str()), (word(402, "unpaid"), TEASER), "{accept}");
            assert_eq!(one.header("content-type").unwrap(), "text/html");
            for field in ["micromint-request", "www-authenticate", "cache-control", "vary", "link"]
            {
                assert!(one.header(field).is_some(), "{accept}: {field} in {one:?}");
            }
            // What describes the paywall's own body is not about this one.
            for field in ["content-security-policy", "content-language", "x-content-type-options"] {
                assert!(one.header(field).is_none(), "{accept}: {field} in {one:?}");
            }
            // Without a teaser it is the paywall's own answer.
            let two = asked("/articles/two.html");
            assert_eq!(two.short(), word(402, "unpaid"), "{accept}");
            assert_eq!(two.header("content-type"), asked("/two.html").header("content-type"));
            let is_page = accept != "application/x-micromint";
            assert_eq!(two.header("content-language").is_some(), is_page, "{accept}: {two:?}");
        }
        for (target, price) in [("/articles/one.html", 1), ("/articles/two.html", 2)] {
            assert_eq!(apache.pay(target, price).short(), word(200, "paid"), "{target}");
        }
    });
}
