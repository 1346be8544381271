//! What a page costs: price files, the directive, and where each may stand.

use micromint_servers::client::RequestText;
use micromint_servers::site::Site;

use crate::support::{asked_and_paid, on_each, sold, word};

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
