//! Wherever a page comes from: Apache's own ways of finding, making and guarding content, on every MPM.

use micromint_servers::apache::{Apache, Mpm, SELLING, module};
use micromint_servers::client::{Connection, RequestText};
use micromint_servers::payer;
use micromint_servers::site::Site;
use micromint_servers::wait_until;

fn word(status: u16, word: &str) -> (u16, String) {
    (status, word.to_string())
}

/// What comes of asking for and of paying `count` coins for a target.
fn asked_and_paid(apache: &Apache, target: &str, count: usize) -> [(u16, String); 2] {
    [apache.get(target).short(), apache.pay(target, count).short()]
}

fn sold() -> [(u16, String); 2] {
    [word(402, "unpaid"), word(200, "paid")]
}

/// Starts Apache on each MPM, with `text` behind a vendor and the gate everywhere.
fn on_each(site: impl Fn() -> Site, text: &str, test: impl Fn(&Apache)) {
    for mpm in Mpm::ALL {
        test(&Apache::start_with(site(), mpm, &module(), &format!("{SELLING}{text}")));
    }
}

fn login(request: RequestText) -> RequestText {
    request.with("Authorization", "Basic dXNlcjpwYXNz")
}

/// A site with a user `user` whose password is `pass`.
fn guarded() -> Site {
    let site = Site::new();
    site.write("htpasswd", "user:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n");
    site
}

#[test]
fn price_files_are_nowhere() {
    let site = || {
        let site = Site::new();
        site.page("plain.mm", "1", None);
        site.page("list/page.html", "page", Some("1"));
        site.page("list/other.html", "other", None);
        site.page("off/one.html", "one", Some("1"));
        site
    };
    let text = "<Directory %FOLDER%/www>\nOptions +Indexes +MultiViews\n</Directory>
        <Directory %FOLDER%/www/off>\nMicroMint Off\n</Directory>
        RewriteEngine On\nRewriteRule ^/try/ /one.html.mm [PT]\n";
    on_each(site, text, |apache| {
        for target in
            ["/one.html.mm", "/one.html%2emm", "/plain.mm", "/./one.html.mm", "/try/x", "/one.html.mm/more"]
        {
            assert_eq!(apache.get(target).status, 404, "{target}");
        }
        for listing in ["/list/", "/list/?F=0", "/list/?F=2"] {
            let listing = apache.get(listing);
            assert!(listing.body.contains("page.html") && !listing.body.contains(".mm"), "{}", listing.body);
        }
        // MultiViews looks for names that begin like this one: there are the page and its price.
        assert_eq!(asked_and_paid(apache, "/list/page", 1), sold());
        assert_eq!(apache.get("/off/one.html.mm").status, 200, "without the gate it is a file like others");
    });
}

#[test]
fn where_directives_alone_price_no_price_file_is_looked_for() {
    let site = || {
        let site = Site::new();
        for folder in ["alone", "alone/again", "free"] {
            site.page(&format!("{folder}/page.html"), "page", Some("3"));
        }
        site.write("www/free/.htaccess", "MicroMintPriceFiles Off\n");
        site
    };
    let text = "<Directory %FOLDER%/www>\nAllowOverride AuthConfig\n</Directory>
        <Location /alone/>\nMicroMintPriceFiles Off\nMicroMintPrice 1\n</Location>
        <Location /alone/again/>\nMicroMintPriceFiles On\n</Location>\n";
    on_each(site, text, |apache| {
        assert_eq!(asked_and_paid(apache, "/alone/page.html", 1), sold());
        assert_eq!(apache.get("/free/page.html").body, "page");
        assert_eq!(asked_and_paid(apache, "/alone/again/page.html", 3), sold());
        assert_eq!(apache.get("/alone/page.html.mm").status, 404, "it stays hidden");
    });
}

#[test]
fn a_price_file_that_is_no_price_closes_the_page() {
    let site = || {
        let site = Site::new();
        for (name, price) in
            [("empty", ""), ("word", "two\n"), ("many", "501\n"), ("lines", "1\n2\n"), ("minus", "-1\n")]
        {
            site.page(&format!("{name}.html"), "secret", Some(price));
        }
        site.page("free0.html", "free after all", Some("0\n"));
        site.page("folder.html", "secret", None);
        std::fs::create_dir(site.path("www/folder.html.mm")).unwrap();
        site.page("long.html", "secret", Some(&" ".repeat(1000)));
        site
    };
    on_each(site, "", |apache| {
        for name in ["empty", "word", "many", "lines", "minus", "folder", "long"] {
            let answer = apache.get(&format!("/{name}.html"));
            assert_eq!(answer.status, 500, "{name}");
            assert!(!answer.body.contains("secret"), "{name}");
        }
        assert_eq!(apache.get("/free0.html").body, "free after all");
        assert!(apache.log().contains("/word.html"), "{}", apache.log());
    });
}

#[test]
fn the_directive_prices_what_has_no_price_file() {
    let site = || {
        let site = Site::new();
        site.write("www/dir/a.html", "a");
        site.page("dir/b.html", "b", Some("1"));
        site.write("www/set/a.html", "a");
        site.write("www/if/a.html", "a");
        site.write("www/ht/a.html", "a");
        site.write("www/ht/.htaccess", "MicroMintPrice 2\n");
        site.write("www/ht/off/a.html", "a");
        site.write("www/ht/off/.htaccess", "MicroMint Off\n");
        site.write("www/ht/wrong/a.html", "a");
        site.write("www/ht/wrong/.htaccess", "MicroMintPrice many\n");
        site.write("www/no/a.html", "a");
        site.write("www/no/.htaccess", "MicroMint Off\n");
        site
    };
    let text = r#"
        <Location /dir/>
            MicroMintPrice 2
        </Location>
        Alias /off/ %FOLDER%/www/dir/
        <Location /off/>
            MicroMint Off
        </Location>
        <Location /set/>
            SetEnvIf X-Price "(.*)" price=$1
            MicroMintPrice %{reqenv:price}
        </Location>
        <If "%{HTTP:X-If} == 'yes'">
            MicroMintPrice 3
        </If>
        <Directory %FOLDER%/www/no>
            AllowOverride None
            MicroMintPrice 1
        </Directory>
        <VirtualHost 127.0.0.1:%PORT%>
            <Location /vhost>
                MicroMintPrice 1
            </Location>
        </VirtualHost>"#;
    on_each(site, text, |apache| {
        assert_eq!(asked_and_paid(apache, "/dir/a.html", 2), sold());
        assert_eq!(
            asked_and_paid(apache, "/dir/b.html", 1),
            sold(),
            "the price file goes before the directive"
        );
        assert_eq!(apache.get("/off/b.html").seen(), (200, String::new(), "b"));
        let set = |price: &str| apache.ask(&RequestText::get("/set/a.html").with("X-Price", price));
        assert!(set("3").body.contains("Price: 3\r\n"));
        assert_eq!(set("0").body, "a");
        for bad in ["", "x", "-1", "501", "1.5"] {
            assert_eq!(set(bad).status, 500, "{bad:?}");
        }
        assert_eq!(apache.get("/if/a.html").status, 200);
        let priced = apache.ask(&RequestText::get("/if/a.html").with("X-If", "yes"));
        assert!(priced.status == 402 && priced.body.contains("Price: 3\r\n"), "{priced:?}");
        assert_eq!(asked_and_paid(apache, "/ht/a.html", 2), sold());
        assert_eq!(apache.get("/ht/off/a.html").status, 200);
        assert_eq!(apache.get("/ht/wrong/a.html").status, 500);
        assert!(apache.log().contains("MicroMintPrice: expected a price from 0 to 500"), "{}", apache.log());
        assert_eq!(asked_and_paid(apache, "/no/a.html", 1), sold(), "an .htaccess that nobody reads");
    });
}

#[test]
fn every_way_to_a_file_leads_to_its_price() {
    let site = || {
        let site = Site::new();
        site.page("shop/index.html", "the index", Some("1"));
        site.page("shop/a.act", "an action", None);
        site.page("other/thing.html", "aliased", Some("2"));
        site.page("var/page.html.en", "english", Some("1"));
        site.page("var/page.html.de", "deutsch", Some("2"));
        site.write("www/var/map.var", "URI: page.html.en\nContent-language: en\nContent-type: text/html\n");
        site.write("www/ht/.htaccess", "RewriteEngine On\nRewriteRule ^old$ new.html [L]\n");
        site.page("ht/new.html", "new", Some("1"));
        site
    };
    let text = r#"
        DirectoryIndex index.html
        Alias /alias/ %FOLDER%/www/other/
        RewriteEngine On
        RewriteRule ^/old$ /one.html [PT]
        RewriteRule ^/file$ %FOLDER%/www/two.html [L]
        RewriteRule ^/gone$ - [G]
        RewriteRule ^/away$ /one.html [R]
        Redirect /moved /one.html
        AddLanguage en .en
        AddLanguage de .de
        AddHandler type-map .var
        AddHandler act .act
        Action act /one.html virtual
        <Directory %FOLDER%/www/var>
            Options +MultiViews
        </Directory>
        <Location /missing>
            MicroMintPrice 1
        </Location>"#;
    on_each(site, text, |apache| {
        assert_eq!(asked_and_paid(apache, "/shop/", 1), sold());
        assert_eq!(apache.get("/shop").status, 301);
        assert_eq!(asked_and_paid(apache, "/alias/thing.html", 2), sold());
        assert_eq!(asked_and_paid(apache, "/old", 1), sold());
        assert_eq!(asked_and_paid(apache, "/file", 2), sold());
        assert_eq!(asked_and_paid(apache, "/ht/old", 1), sold());
        assert_eq!(apache.get("/gone").status, 410);
        assert_eq!(apache.get("/away").status, 302);
        assert_eq!(apache.get("/moved").status, 302);
        let speak = |target: &str, language: &str| {
            apache.ask(&RequestText::get(target).with("Accept-Language", language))
        };
        assert!(speak("/var/page.html", "en").body.contains("Price: 1\r\n"));
        assert!(speak("/var/page.html", "de").body.contains("Price: 2\r\n"));
        assert_eq!(asked_and_paid(apache, "/var/map.var", 1), sold());
        // An action leads on too, when the body may have been read.
        assert_eq!(asked_and_paid(apache, "/shop/a.act", 1), sold());
        let payment = payer::payment(&apache.site().url("/shop/a.act"), 1);
        let header = RequestText::get("/shop/a.act").with_payment(&payment);
        assert_eq!(apache.ask(&header).short(), word(200, "paid"));
        // A page that is priced but not there costs nothing.
        assert_eq!(apache.get("/missing").status, 402);
        assert_eq!(apache.pay("/missing", 1).short(), word(404, "reversed"));
    });
}

/// A CGI script that tells what it sees.
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
            apache.ask(&RequestText::post(target, &payment).with("X-HTTP-Method-Override", "DELETE"))
        };
        assert_eq!(post("/cgi/run.cgi").seen(), (200, "paid".to_string(), "GET [] [] paid alice [] [] {}"));
        assert_eq!(post("/cgi/run.cgi/more").body, "GET [] [] paid alice [] [] {}", "the path behind it");
        // In a header the payment leaves method and body as they are.
        let put = RequestText::new("PUT", "/cgi/run.cgi").with_payment(&payer::payment(&url, 1));
        let put = RequestText { body: b"abc".to_vec(), ..put.with("Content-Length", "3") };
        assert_eq!(apache.ask(&put).body, "PUT [3] [] paid alice [] [] {abc}");
        // With a key the body is read to be compared, and given back.
        let put = RequestText::new("PUT", "/cgi/run.cgi").with_payment(&payer::payment(&url, 1));
        let put = put.with("Idempotency-Key", "k").with("Transfer-Encoding", "chunked");
        let put = RequestText { body: b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".to_vec(), ..put };
        for outcome in ["paid", "retry"] {
            let answer = apache.ask(&put);
            assert_eq!(answer.body, format!("PUT [] [] {outcome} alice [] [] {{abc}}"));
        }
        // A message that is no payment is for the script.
        let message = RequestText::post_bytes("/cgi/free.cgi", b"hello");
        assert_eq!(apache.ask(&message).body, "POST [5] [application/x-micromint] free  [] [] {hello}");
        // Failures are not charged; a script may lead elsewhere, where another price may hold.
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
    let program =
        program.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("php-fpm")).max();
    let mut command =
        std::process::Command::new(program.expect("php-fpm: install Debian's package of this name"));
    let mut php = command.arg("--fpm-config").arg(site.path("php-fpm.conf")).spawn().unwrap();
    let text = "<FilesMatch \\.php$>\nSetHandler proxy:fcgi://127.0.0.1:%BACK_PORT%\n</FilesMatch>\n";
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
            let cached = |answer: &micromint_servers::client::Answer| {
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
                assert_eq!(paid.header("expires"), None, "a page that is private is not stale at once");
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
    let text = "AddOutputFilter INCLUDES .shtml\n<Directory %FOLDER%/www>\nOptions +Includes\n</Directory>
        <Location /strict/>\nMicroMintSubrequests Refuse\n</Location>\n";
    on_each(site, text, |apache| {
        assert_eq!(apache.get("/whole.shtml").body, "[content for one]");
        assert_eq!(apache.get("/paid.shtml").status, 402);
        assert_eq!(apache.pay("/paid.shtml", 1).seen(), (200, "paid".to_string(), "[free]"));
        assert!(apache.get("/price.shtml").body.contains("error"));
        let strict = apache.get("/strict/whole.shtml");
        assert!(strict.status == 200 && !strict.body.contains("content for one"), "{}", strict.body);
    });
}

#[test]
fn nobody_pays_who_is_then_turned_away() {
    let text = r#"
        <LocationMatch "^/(all|any|both)/">
            AuthType Basic
            AuthName x
            AuthUserFile %FOLDER%/htpasswd
        </LocationMatch>
        AliasMatch ^/(denied|all|any|both|home|away|wrong)/(.*)$ %FOLDER%/www/$2
        <Location /denied/>
            Require all denied
        </Location>
        <Location /all/>
            Require valid-user
        </Location>
        <Location /any/>
            MicroMint Require
            <RequireAny>
                Require valid-user
                Require micromint
            </RequireAny>
        </Location>
        <Location /both/>
            MicroMint Require
            <RequireAll>
                Require micromint
                Require valid-user
            </RequireAll>
        </Location>
        <Location /home/>
            MicroMint Require
            <RequireAny>
                Require ip 127.0.0.1
                Require micromint
            </RequireAny>
        </Location>
        <Location /away/>
            MicroMint Require
            <RequireAny>
                Require ip 192.0.2.1
                Require micromint
            </RequireAny>
        </Location>
        <Location /wrong/>
            MicroMint Off
            Require micromint
        </Location>"#;
    on_each(guarded, text, |apache| {
        let url = |target: &str| apache.site().url(target);
        assert_eq!(apache.pay("/denied/one.html", 1).status, 403);
        let payment = payer::payment(&url("/all/one.html"), 1);
        let post = RequestText::post("/all/one.html", &payment);
        assert_eq!(apache.ask(&post).status, 401);
        assert_eq!(apache.ask(&login(post)).short(), word(200, "paid"), "the coin was kept for this");
        assert_eq!(apache.ask(&login(RequestText::get("/all/one.html"))).short(), word(402, "unpaid"));

        // A payment opens the page like a password, and a password needs no payment.
        assert_eq!(asked_and_paid(apache, "/any/one.html", 1), sold());
        assert_eq!(apache.ask(&login(RequestText::get("/any/one.html"))).seen().2, "content for one");
        let wrong = RequestText::get("/any/one.html").with("Authorization", "Basic dXNlcjp3cm9uZw==");
        assert_eq!(apache.ask(&wrong).status, 401);
        assert_eq!(apache.get("/any/free.html").status, 403, "what costs nothing opens nothing");
        assert_eq!(apache.get("/any/").status, 403);
        let receipt = apache.pay("/any/one.html", 1).cookie().unwrap();
        let again = RequestText::get("/any/one.html").with("Cookie", &receipt);
        assert_eq!(apache.ask(&again).short(), word(200, "receipt"));
        // Both are needed: first who asks, then what it costs.
        let payment = payer::payment(&url("/both/one.html"), 1);
        let post = RequestText::post("/both/one.html", &payment);
        assert_eq!(apache.ask(&post).status, 401);
        assert_eq!(apache.ask(&login(post)).short(), word(200, "paid"));
        assert_eq!(apache.ask(&login(RequestText::get("/both/one.html"))).status, 402);

        assert_eq!(apache.get("/home/one.html").body, "content for one");
        assert_eq!(asked_and_paid(apache, "/away/one.html", 1), sold());
        assert_eq!(apache.get("/away/free.html").status, 403);
        assert_eq!(apache.get("/away/one.html.mm").status, 404);
        assert_eq!(apache.pay("/wrong/one.html", 1).status, 403);
    });
}

#[test]
fn error_documents_stand_in_for_the_message() {
    let site = || {
        use std::os::unix::fs::PermissionsExt;
        let site = Site::new();
        site.page("402.html", "please pay", None);
        site.page("404.html", "not here", Some("1"));
        site.page("402.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s %s' $REDIRECT_MICROMINT_STATUS $MICROMINT_PRICE\n", None);
        std::fs::set_permissions(site.path("www/402.cgi"), PermissionsExt::from_mode(0o755)).unwrap();
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
        assert_eq!((own.short(), own.header("x-page").unwrap()), (word(402, "unpaid"), "own".to_string()));
        assert!(own.body.contains("Request-Payment"), "{}", own.body);
        let theirs = apache.get("/theirs/x");
        assert!(theirs.status == 402 && theirs.body.contains("Price: 7"), "{theirs:?}");
        // An error page is no content: it is not priced, whatever it costs when asked for by its name.
        let lost = apache.get("/lost/nothing.html");
        assert_eq!((lost.status, lost.body.as_str()), (404, "not here"));
        assert_eq!(apache.get("/404.html").status, 402);
        let priced = apache.get("/priced/free.html");
        assert_eq!((priced.status, priced.body.as_str()), (402, "please pay"));
        // Paying works behind each of them.
        for target in
            ["/page/one.html", "/text/one.html", "/expr/one.html", "/own/one.html", "/priced/free.html"]
        {
            assert_eq!(apache.pay(target, 1).short(), word(200, "paid"), "{target}");
        }
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
            apache.log().contains(r#"{"micromint":"paid","status":200,"price":2,"coins":2,"user":"alice""#)
        );
        let events = std::fs::read_to_string(apache.site().path("logs/events.log")).unwrap();
        assert_eq!(events.lines().filter(|line| line.contains("unpaid")).count(), 12, "{events}");
    });
}
