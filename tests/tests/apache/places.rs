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
