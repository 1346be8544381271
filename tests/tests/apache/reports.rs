//! Reports about a request: error documents, counters, logs, on every MPM.

use micromint_servers::client::{Connection, RequestText, Response};
use micromint_servers::server::{Server, word};
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
        site.page("402.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s %s' $REDIRECT_MICROMINT_STATUS $MICROMINT_PRICE\n", None);
        std::fs::set_permissions(site.path("www/402.cgi"), PermissionsExt::from_mode(0o755))
            .unwrap();
        site
    };
    let text = r#"
        AliasMatch ^/(page|text|expr|script|own|lost|priced)/(.*)$ %FOLDER%/www/$2
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
        assert!(counted("micromint_coins_total 2"));
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
        assert_eq!(reported(apache.pay("/one.html", 2)), "wrong-amount 1 0 alice");
        let early = apache.get("/one.html").header("x-early");
        assert_eq!(early, None, "a section is chosen before the gate is asked");
        let log =
            || std::fs::read_to_string(apache.site().path("logs/paid.log")).unwrap_or_default();
        wait_until("the log", || log() == "/two.html alice\n");
    });
}
