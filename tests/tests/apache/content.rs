//! All makers of content: scripts, proxies, caches, includes and filters, on every MPM.

use micromint_servers::apache::Apache;
use micromint_servers::client::RequestText;
use micromint_servers::payer;
use micromint_servers::server::{Server, asked_and_paid, sold, word};
use micromint_servers::site::Site;
use micromint_servers::wait_until;

use crate::support::on_each;

/// A CGI script that reports what it sees.
const SCRIPT: &str = "#!/bin/sh
printf 'Content-Type: text/plain\\r\\n'
case $QUERY_STRING in
    fail) printf 'Status: 503 No\\r\\n\\r\\n' ;;
    away) printf 'Location: /free.html\\r\\n\\r\\n' ; exit ;;
    out) printf 'Location: http://localhost/\\r\\n\\r\\n' ; exit ;;
    *) printf '\\r\\n' ;;
esac
printf '%s [%s] [%s] %s %s' \"$REQUEST_METHOD\" \"$CONTENT_LENGTH\" \"$CONTENT_TYPE\" \"$MICROMINT_STATUS\" \"$MICROMINT_USER\"
printf ' [%s] [%s] {' \"$HTTP_MICROMINT_PAYMENT\" \"$HTTP_X_HTTP_METHOD_OVERRIDE\"
cat
printf '}'
";

fn with_script() -> Site {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.page("cgi/run.cgi", SCRIPT, Some("1"));
    site.page("cgi/free.cgi", SCRIPT, None);
    for name in ["run", "free"] {
        let path = site.path(&format!("www/cgi/{name}.cgi"));
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    site
}

#[test]
fn scripts_see_a_get_without_the_payment() {
    let text = "AddHandler cgi-script .cgi\n<Directory %FOLDER%/www/cgi>\nOptions +ExecCGI\n</Directory>\n";
    on_each(with_script, text, |apache| {
        let url = apache.site().url("/cgi/run.cgi");
        let post = |target: &str| {
            let payment = payer::payment(&apache.site().url(target), 1);
            apache
                .ask(&RequestText::post(target, &payment).with("X-HTTP-Method-Override", "DELETE"))
        };
        assert_eq!(
            post("/cgi/run.cgi").seen(),
            (200, "paid".to_string(), "GET [] [] paid alice [] [] {}")
        );
        assert_eq!(
            post("/cgi/run.cgi/more").body,
            "GET [] [] paid alice [] [] {}",
            "the path behind it"
        );
        // A payment in a header leaves method and body unchanged.
        let put = RequestText::new("PUT", "/cgi/run.cgi").with_payment(&payer::payment(&url, 1));
        let put = RequestText { body: b"abc".to_vec(), ..put.with("Content-Length", "3") };
        assert_eq!(apache.ask(&put).body, "PUT [3] [] paid alice [] [] {abc}");
        // With an idempotency key the body is read for comparison, and replayed.
        let put = RequestText::new("PUT", "/cgi/run.cgi").with_payment(&payer::payment(&url, 1));
        let put = put.with("Idempotency-Key", "k").with("Transfer-Encoding", "chunked");
        let put = RequestText { body: b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".to_vec(), ..put };
        for outcome in ["paid", "retry"] {
            let answer = apache.ask(&put);
            assert_eq!(answer.body, format!("PUT [] [] {outcome} alice [] [] {{abc}}"));
        }
        // A message that is not a payment is passed to the script.
        let message = RequestText::post_bytes("/cgi/free.cgi", b"hello");
        assert_eq!(
            apache.ask(&message).body,
            "POST [5] [application/x-micromint] free  [] [] {hello}"
        );
        // Failures are not charged. A script may redirect internally to a page with another price.
        assert_eq!(post("/cgi/run.cgi?fail").short(), word(503, "reversed"));
        assert_eq!(post("/cgi/run.cgi?out").short(), word(302, "reversed"));
        assert_eq!(post("/cgi/run.cgi?away").seen(), (200, "paid".to_string(), "free"));
    });
}

#[test]
fn php_by_fast_cgi_is_sold() {
    let site = Site::new();
    site.page(
        "page.php",
        "<?php echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['MICROMINT_STATUS'], ' ', strlen(file_get_contents('php://input'));",
        Some("1"),
    );
    site.write(
        "php-fpm.conf",
        &site.fill(
            "[global]\nerror_log = %FOLDER%/logs/php.log\ndaemonize = no\n[www]\nuser = www-data\ngroup = www-data\n\
             listen = 127.0.0.1:%BACK_PORT%\npm = static\npm.max_children = 2\n",
        ),
    );
    let program = std::fs::read_dir("/usr/sbin").unwrap().map(|entry| entry.unwrap().path());
    let program = program
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("php-fpm"))
        .max();
    let mut command = std::process::Command::new(
        program.expect("php-fpm: install Debian's package of this name"),
    );
    let mut php = command.arg("--fpm-config").arg(site.path("php-fpm.conf")).spawn().unwrap();
    let text =
        "<FilesMatch \\.php$>\nSetHandler proxy:fcgi://127.0.0.1:%BACK_PORT%\n</FilesMatch>\n";
    let apache = Apache::selling(site, text);
    let port = apache.site().back_port;
    wait_until("php-fpm", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let seen = asked_and_paid(&apache, "/page.php", 1);
    let body = apache.pay("/page.php", 1).body;
    let pid = rustix::process::Pid::from_child(&php);
    rustix::process::kill_process(pid, rustix::process::Signal::QUIT).unwrap();
    php.wait().unwrap();
    assert_eq!(seen, sold());
    assert_eq!(body, "GET paid 0");
}

#[test]
fn proxied_pages_are_fetched_as_a_get_without_the_payment() {
    let text = r#"
        Listen 127.0.0.1:%BACK_PORT%
        <VirtualHost 127.0.0.1:%PORT%>
            ProxyPass /app/ http://127.0.0.1:%BACK_PORT%/cgi/run.cgi/ disablereuse=On
            ProxyPass /head/ http://127.0.0.1:%BACK_PORT%/head/ disablereuse=On
            ProxyPass /down/ http://127.0.0.1:1/
            <LocationMatch ^/(app|head|down)/>
                MicroMintPrice 1
            </LocationMatch>
        </VirtualHost>
        <VirtualHost 127.0.0.1:%BACK_PORT%>
            <Location />
                MicroMint Off
            </Location>
            DocumentRoot %FOLDER%/www
            AddHandler cgi-script .cgi
            <Directory %FOLDER%/www/cgi>
                Options +ExecCGI
            </Directory>
            Alias /head/ %FOLDER%/www/
            <Location /head/>
                Header set Cache-Control "public, max-age=60, s-maxage=600"
                Header set CDN-Cache-Control "max-age=9"
                Header set Set-Cookie "theirs=1"
            </Location>
        </VirtualHost>"#;
    on_each(with_script, text, |apache| {
        let url = apache.site().url("/app/x");
        let post = RequestText::post("/app/x", &payer::payment(&url, 1));
        let post = post.with("X-HTTP-Method-Override", "DELETE").with("If-None-Match", "*");
        assert_eq!(apache.ask(&post).seen(), (200, "paid".to_string(), "GET [] []   [] [] {}"));
        let put = RequestText::new("PUT", "/app/x").with_payment(&payer::payment(&url, 1));
        let put = RequestText { body: b"abc".to_vec(), ..put.with("Content-Length", "3") };
        assert_eq!(apache.ask(&put).seen(), (200, "paid".to_string(), "PUT [3] []   [] [] {abc}"));
        assert_eq!(apache.pay("/app/x?fail", 1).short(), word(503, "reversed"));
        assert_eq!(apache.pay("/down/x", 1).short(), word(503, "reversed"));
        let head = apache.pay("/head/free.html", 1);
        assert_eq!(head.seen(), (200, "paid".to_string(), "free"));
        assert_eq!(head.header("cache-control").unwrap(), "private, max-age=60");
        assert_eq!(head.header("cdn-cache-control"), None);
        let cookies = head.header("set-cookie").unwrap();
        assert!(cookies.contains("theirs=1") && cookies.contains("Max-Age"), "{cookies}");
    });
}

#[test]
fn a_paid_page_is_never_given_to_another() {
    for quick in ["On", "Off"] {
        let text = format!(
            "CacheQuickHandler {quick}\nCacheRoot %FOLDER%/cache\nCacheEnable disk /\nCacheStorePrivate On\n\
             CacheStoreNoStore On\nCacheDefaultExpire 100\nCacheIgnoreNoLastMod On\nCacheHeader On\n\
             Header always set Cache-Control max-age=100\n"
        );
        let site = || {
            use std::os::unix::fs::PermissionsExt;
            let site = Site::new();
            std::fs::create_dir(site.path("cache")).unwrap();
            std::fs::set_permissions(site.path("cache"), PermissionsExt::from_mode(0o777)).unwrap();
            site
        };
        on_each(site, &text, |apache| {
            let cached = |answer: &micromint_servers::client::Response| {
                answer.header("x-cache").unwrap_or_default().contains("HIT")
            };
            apache.get("/free.html");
            wait_until("the cache", || cached(&apache.get("/free.html")));
            let url = apache.site().url("/one.html");
            for _ in 0..2 {
                assert_eq!(apache.get("/one.html").short(), word(402, "unpaid"), "quick: {quick}");
                let header = RequestText::get("/one.html").with_payment(&payer::payment(&url, 1));
                let paid = apache.ask(&header);
                assert_eq!(paid.seen(), (200, "paid".to_string(), "content for one"));
                assert_eq!(
                    paid.header("expires"),
                    None,
                    "a page that is private is not stale at once"
                );
                let cookie = RequestText::get("/one.html").with("Cookie", &paid.cookie().unwrap());
                assert_eq!(apache.ask(&cookie).short(), word(200, "receipt"));
                assert_eq!(apache.pay("/one.html", 1).short(), word(200, "paid"));
            }
        });
    }
}

#[test]
fn parts_of_a_page_are_paid_with_the_page() {
    let site = || {
        let site = Site::new();
        site.page("whole.shtml", r#"[<!--#include virtual="/one.html" -->]"#, None);
        site.page("paid.shtml", r#"[<!--#include virtual="/free.html" -->]"#, Some("1"));
        site.page("price.shtml", r#"[<!--#include virtual="/one.html.mm" -->]"#, None);
        site.page("strict/whole.shtml", r#"[<!--#include virtual="/strict/one.html" -->]"#, None);
        site.page("strict/one.html", "content for one", Some("1"));
        site
    };
    let text =
        "AddOutputFilter INCLUDES .shtml\n<Directory %FOLDER%/www>\nOptions +Includes\n</Directory>
        <Location /strict/>\nMicroMintSubrequests Refuse\n</Location>\n";
    on_each(site, text, |apache| {
        assert_eq!(apache.get("/whole.shtml").body, "[content for one]");
        assert_eq!(apache.get("/paid.shtml").status, 402);
        assert_eq!(apache.pay("/paid.shtml", 1).seen(), (200, "paid".to_string(), "[free]"));
        assert!(apache.get("/price.shtml").body.contains("error"));
        let strict = apache.get("/strict/whole.shtml");
        assert!(
            strict.status == 200 && !strict.body.contains("content for one"),
            "{}",
            strict.body
        );
    });
}

#[test]
fn compression_and_expiry_change_nothing() {
    let site = || {
        let site = Site::new();
        site.page("long.html", &"long ".repeat(1000), Some("1"));
        site
    };
    let text = "SetOutputFilter DEFLATE\nExpiresActive On\nExpiresDefault A100\n";
    on_each(site, text, |apache| {
        assert_eq!(apache.get("/free.html").body, "free");
        assert_eq!(asked_and_paid(apache, "/long.html", 1), sold());
        let zipped = RequestText::get("/long.html").with("Accept-Encoding", "gzip");
        let unpaid = apache.ask(&zipped);
        assert_eq!(unpaid.short(), word(402, "unpaid"));
        assert_eq!(unpaid.header("expires"), None);
        let payment = payer::payment(&apache.site().url("/long.html"), 1);
        let paid = apache.ask(&zipped.with_payment(&payment));
        assert_eq!(paid.short(), word(200, "paid"));
        assert_eq!(paid.header("content-encoding").unwrap(), "gzip");
        assert_eq!(paid.header("cache-control").unwrap(), "private, max-age=100");
    });
}
