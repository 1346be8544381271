//! Wherever a file is: Apache's own ways of finding it, on every MPM.

use micromint_servers::client::RequestText;
use micromint_servers::payer;
use micromint_servers::server::{Server, asked_and_paid, sold, word};
use micromint_servers::site::Site;

use crate::support::on_each;

#[test]
fn every_way_to_a_file_leads_to_its_price() {
    let site = || {
        let site = Site::new();
        site.page("shop/index.html", "the index", Some("1"));
        site.page("shop/a.act", "an action", None);
        site.page("other/thing.html", "aliased", Some("2"));
        site.page("var/page.html.en", "english", Some("1"));
        site.page("var/page.html.de", "deutsch", Some("2"));
        site.write(
            "www/var/map.var",
            "URI: page.html.en\nContent-language: en\nContent-type: text/html\n",
        );
        site.write("www/ht/.htaccess", "RewriteEngine On\nRewriteRule ^old$ new.html [L]\n");
        site.page("ht/new.html", "new", Some("1"));
        site.page(
            "cgi/run",
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$PATH_INFO\"\n",
            Some("1"),
        );
        let path = site.path("www/cgi/run");
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        site.page("first/second.html", "second", Some("2"));
        site.page("fallback/any.html", "any", Some("1"));
        site.page("other/part.html", "part", None);
        std::os::unix::fs::symlink("thing.html", site.path("www/other/link.html")).unwrap();
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
        </Location>
        ScriptAlias /script/ %FOLDER%/www/cgi/
        <Directory %FOLDER%/www/first>
            DirectoryIndex absent.html second.html
        </Directory>
        <Directory %FOLDER%/www/fallback>
            FallbackResource /fallback/any.html
        </Directory>
        <Files part.html>
            MicroMintPrice 2
        </Files>"#;
    on_each(site, text, |apache| {
        assert_eq!(asked_and_paid(apache, "/shop/", 1), sold());
        assert_eq!(apache.get("/shop").status, 301);
        assert_eq!(asked_and_paid(apache, "/alias/thing.html", 2), sold());
        assert_eq!(asked_and_paid(apache, "/old", 1), sold());
        assert_eq!(asked_and_paid(apache, "/file", 2), sold());
        assert_eq!(asked_and_paid(apache, "/ht/old", 1), sold());
        assert_eq!(asked_and_paid(apache, "/script/run/more", 1), sold());
        assert_eq!(apache.pay("/script/run/more", 1).body, "/more");
        assert_eq!(asked_and_paid(apache, "/first/", 2), sold(), "the index that is there");
        assert_eq!(asked_and_paid(apache, "/fallback/nothing", 1), sold());
        assert_eq!(asked_and_paid(apache, "/alias/part.html", 2), sold());
        assert_eq!(
            apache.get("/alias/link.html").body,
            "aliased",
            "a name has the price beside it"
        );
        assert_eq!(apache.get("/gone").status, 410);
        assert_eq!(apache.get("/away").status, 302);
        assert_eq!(apache.get("/moved").status, 302);
        let speak = |target: &str, language: &str| {
            apache.ask(&RequestText::get(target).with("Accept-Language", language))
        };
        assert!(speak("/var/page.html", "en").body.contains("Price: 1\r\n"));
        assert!(speak("/var/page.html", "de").body.contains("Price: 2\r\n"));
        assert_eq!(asked_and_paid(apache, "/var/map.var", 1), sold());
        // An action redirects internally too, when the body may already have been read.
        assert_eq!(asked_and_paid(apache, "/shop/a.act", 1), sold());
        let payment = payer::payment(&apache.site().url("/shop/a.act"), 1);
        let header = RequestText::get("/shop/a.act").with_payment(&payment);
        assert_eq!(apache.ask(&header).short(), word(200, "paid"));
        // A page that has a price but does not exist costs nothing.
        assert_eq!(apache.get("/missing").status, 402);
        assert_eq!(apache.pay("/missing", 1).short(), word(404, "reversed"));
    });
}

/// A map that has the content itself, and one that the default handler sends.
#[test]
fn a_type_map_that_answers_itself_is_not_sold_and_not_given_away() {
    let site = || {
        let site = Site::new();
        let map =
            "Content-language: en\nContent-type: text/html\nBody:----x----\nsecret\n----x----\n";
        for (name, price) in [("priced", Some("2")), ("free", None)] {
            site.page(&format!("map/{name}.var"), map, price);
        }
        for folder in ["rule", "open", "dry"] {
            site.page(&format!("{folder}/a.var"), map, None);
        }
        site
    };
    let text = r#"
        AddLanguage en .en
        AddHandler type-map .var
        <Location /rule/>
            MicroMint Require
            MicroMintPrice 3
            Require micromint
        </Location>
        <Location /open/>
            MicroMint Require
            MicroMintPrice 0
            <RequireAny>
                Require ip 192.0.2.1
                Require micromint
            </RequireAny>
        </Location>
        <Location /dry/>
            MicroMintPrice 3
            MicroMintDryRun on
        </Location>"#;
    on_each(site, text, |apache| {
        for target in ["/map/priced.var", "/rule/a.var", "/open/a.var"] {
            let seen = apache.get(target);
            assert_eq!(seen.status, 403, "{target}");
            assert!(!seen.body.contains("secret"), "{target}: {}", seen.body);
        }
        for target in ["/map/free.var", "/dry/a.var"] {
            assert!(apache.get(target).body.contains("secret"), "{target}");
        }
    });
}

#[test]
fn what_leads_on_to_a_costly_place_asks_for_its_price() {
    use std::os::unix::fs::PermissionsExt;
    let site = || {
        let site = Site::new();
        let away = "#!/bin/sh\nprintf 'Location: /costly/page.html\\n\\n'\n";
        site.page("away.cgi", away, Some("1"));
        let path = site.path("www/away.cgi");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        site.page("costly/page.html", "costly", None);
        site.page("front/index.html", "front", None);
        site.page("cheap/a.act", "an action", None);
        site.page("shop/readme.txt", "a list", None);
        site.write("www/front/.htaccess", "FallbackResource /front/index.html\n");
        site.write(
            "www/dir/.htaccess",
            "RewriteEngine On\nRewriteRule . /costly/page.html [L]\nDirectoryIndex /costly/page.html\n",
        );
        site
    };
    let text = r#"
        AddHandler cgi-script .cgi
        AddHandler act .act
        Action act /costly/page.html
        <Directory %FOLDER%/www>
            Options +ExecCGI +Indexes
        </Directory>
        DirectoryIndex index.html
        <LocationMatch ^/(front|cheap|dir|shop)/>
            MicroMintPrice 1
        </LocationMatch>
        <Location /front/2026/>
            MicroMintPrice 3
        </Location>
        <Location /costly/>
            MicroMintPrice 2
        </Location>"#;
    on_each(site, text, |apache| {
        // The place that is passed first is higher-priced than the page that it leads to.
        assert_eq!(asked_and_paid(apache, "/front/2026/story", 3), sold());
        assert_eq!(apache.pay("/front/2026/story", 1).short(), word(402, "wrong-amount"));
        assert_eq!(asked_and_paid(apache, "/front/story", 1), sold());
        assert_eq!(asked_and_paid(apache, "/shop/", 1), sold(), "a listing");
        // What it leads to is higher-priced.
        for target in ["/cheap/a.act", "/dir/x", "/dir/", "/away.cgi"] {
            let url = apache.site().url(target);
            for forms in [false, true] {
                let pay = |count: usize| {
                    let payment = payer::payment(&url, count);
                    match forms {
                        true => RequestText::post(target, &payment),
                        false => RequestText::get(target).with_payment(&payment),
                    }
                };
                let few = apache.ask(&pay(1));
                assert_eq!(few.status, 402, "{target}: {few:?}");
                assert!(few.body.contains("Price: 2\r\n"), "{target}: {few:?}");
                let enough = apache.ask(&pay(2));
                assert_eq!(enough.seen(), (200, "paid".to_string(), "costly"), "{target}");
            }
        }
        // Nothing of what was refused was kept: the same coins, with one more, pay.
        let coins = payer::coins_of(payer::mint(), 2);
        let url = apache.site().url("/away.cgi");
        let pay = |count: usize| {
            let payment = payer::payment_with(payer::mint(), &url, &coins[..count]);
            apache.ask(&RequestText::post("/away.cgi", &payment))
        };
        assert_eq!(pay(1).status, 402);
        assert_eq!(pay(2).seen(), (200, "paid".to_string(), "costly"));
    });
}

#[test]
fn every_variant_of_a_page_costs_what_the_page_costs() {
    let site = || {
        let site = Site::new();
        site.page("page.html", "plain", Some("2"));
        for variant in ["page.html.gz", "page.html.br", "page.de.html", "page.html.en"] {
            site.page(variant, "variant", None);
        }
        // One variant is higher-priced than the page, one says that it is free.
        site.page("page.html.fr", "cher", Some("3"));
        site.page("page.html.es", "gratis", Some("0"));
        site.page("map.html.gz", "mapped", None);
        site.page("map.html", "map", Some("1"));
        site.write("www/a.var", "URI: map.html.gz\nContent-type: text/html\n");
        site
    };
    let text = r#"
        AddEncoding x-gzip .gz
        AddEncoding br .br
        AddLanguage en .en
        AddLanguage de .de
        AddLanguage fr .fr
        AddLanguage es .es
        AddHandler type-map .var
        <Directory %FOLDER%/www>
            Options +MultiViews
        </Directory>
        RewriteEngine On
        RewriteCond %{HTTP:Accept-Encoding} gzip
        RewriteRule ^/page\.html$ /page.html.gz [L]"#;
    on_each(site, text, |apache| {
        for (target, price) in [
            ("/page.html", 2),
            ("/page.html.gz", 2),
            ("/page.html.br", 2),
            ("/page.de.html", 2),
            ("/page.html.en", 2),
            ("/page.html.fr", 3),
            ("/page.html.es", 2),
            ("/map.html.gz", 1),
            ("/a.var", 1),
            ("/map", 1),
        ] {
            assert_eq!(asked_and_paid(apache, target, price), sold(), "{target}");
            assert_eq!(apache.pay(target, price - 1).status, 402, "{target}");
        }
        let packed = RequestText::get("/page.html").with("Accept-Encoding", "gzip");
        assert!(apache.ask(&packed).body.contains("Price: 2\r\n"));
        let english = RequestText::get("/page").with("Accept-Language", "en");
        assert!(apache.ask(&english).body.contains("Price: 2\r\n"));
        let french = RequestText::get("/page").with("Accept-Language", "fr");
        assert!(apache.ask(&french).body.contains("Price: 3\r\n"));
    });
}
