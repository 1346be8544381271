//! Prices: price files, the directive, and where each may be used.

use micromint_servers::client::RequestText;
use micromint_servers::price_files::{
    assert_invalid_price_files_close_pages, site_with_invalid_price_files,
};
use micromint_servers::server::{Server, asked_and_paid, sold, word};
use micromint_servers::site::Site;
use micromint_servers::wait_until;

use crate::support::on_each;

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
        for target in [
            "/one.html.mm",
            "/one.html%2emm",
            "/plain.mm",
            "/./one.html.mm",
            "/try/x",
            "/one.html.mm/more",
        ] {
            assert_eq!(apache.get(target).status, 404, "{target}");
        }
        for listing in ["/list/", "/list/?F=0", "/list/?F=2"] {
            let listing = apache.get(listing);
            assert!(
                listing.body.contains("page.html") && !listing.body.contains(".mm"),
                "{}",
                listing.body
            );
        }
        // MultiViews searches for names that start like this one: the page and its price.
        assert_eq!(asked_and_paid(apache, "/list/page", 1), sold());
        assert_eq!(
            apache.get("/off/one.html.mm").status,
            200,
            "without the gate it is a file like others"
        );
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
fn an_invalid_price_file_closes_the_page() {
    on_each(site_with_invalid_price_files, "", |apache| {
        assert_invalid_price_files_close_pages(apache);
    });
}

#[test]
fn of_a_directive_and_a_price_file_the_highest_price_wins() {
    let site = || {
        let site = Site::new();
        site.write("www/dir/a.html", "a");
        site.page("dir/b.html", "b", Some("1"));
        site.page("dir/c.html", "c", Some("3"));
        site.page("dir/d.html", "d", Some("0"));
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
        assert_eq!(asked_and_paid(apache, "/dir/b.html", 2), sold(), "the directive is higher");
        assert_eq!(apache.pay("/dir/b.html", 1).short(), word(402, "wrong-amount"));
        assert_eq!(asked_and_paid(apache, "/dir/c.html", 3), sold(), "the price file is higher");
        assert_eq!(apache.pay("/dir/c.html", 2).short(), word(402, "wrong-amount"));
        assert_eq!(asked_and_paid(apache, "/dir/d.html", 2), sold(), "a price of 0 lowers none");
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
        assert!(
            apache.log().contains("MicroMintPrice: expected a price from 0 to 500"),
            "{}",
            apache.log()
        );
        assert_eq!(
            asked_and_paid(apache, "/no/a.html", 1),
            sold(),
            "an .htaccess that nobody reads"
        );
    });
}

#[test]
fn an_expression_is_a_price_wherever_it_stands() {
    let site = || {
        let site = Site::new();
        for folder in ["said", "const", "ht", "file"] {
            site.page(&format!("{folder}/a.html"), "a", None);
        }
        site.write("www/ht/.htaccess", "MicroMintPrice \"expr=%{req:X-Price}\"\n");
        site.write("www/file/.htaccess", "MicroMintPrice \"expr=%{file:/etc/hostname}\"\n");
        site
    };
    let text = r#"
        <Directory %FOLDER%/www/said>
            MicroMintPrice "expr=%{req:X-Price}"
        </Directory>
        <Directory %FOLDER%/www/const>
            MicroMintPrice expr=3
        </Directory>
        <FilesMatch "^two\.[a-z]+$">
            MicroMintPrice expr=4
        </FilesMatch>"#;
    on_each(site, text, |apache| {
        let ask = |target: &str, price: &str| {
            apache.ask(&RequestText::get(target).with("X-Price", price))
        };
        for target in ["/said/a.html", "/ht/a.html"] {
            assert!(ask(target, "2").body.contains("Price: 2\r\n"), "{target}");
            assert_eq!(ask(target, "0").seen(), (200, String::new(), "a"), "{target}");
            assert_eq!(ask(target, "two").status, 500, "{target}");
        }
        assert_eq!(asked_and_paid(apache, "/const/a.html", 3), sold());
        assert_eq!(asked_and_paid(apache, "/two.html", 4), sold(), "higher than its price file");
        assert_eq!(apache.pay("/two.html", 2).short(), word(402, "wrong-amount"));
        // The author of an .htaccess file cannot use it to read the server's files.
        let answer = apache.get("/file/a.html");
        assert_eq!((answer.status, answer.body.contains("Price")), (500, false));
        assert!(
            apache.log().contains("MicroMintPrice: the expression cannot be parsed"),
            "{}",
            apache.log()
        );
    });
}

#[test]
fn an_htaccess_may_say_what_allow_override_lets_it() {
    const DIRECTIVES: [&str; 7] = [
        "MicroMint On",
        "MicroMintPrice 2",
        "MicroMintReceiptPath /",
        "MicroMintFreeViews 0",
        "MicroMintDryRun Off",
        "MicroMintSubrequests Refuse",
        "MicroMintPriceFiles On",
    ];
    let site = || {
        let site = Site::new();
        for class in ["AuthConfig", "FileInfo", "List", "None"] {
            for (number, directive) in DIRECTIVES.iter().enumerate() {
                site.page(&format!("{class}/{number}/a.html"), "a", Some("1"));
                site.write(&format!("www/{class}/{number}/.htaccess"), &format!("{directive}\n"));
            }
        }
        for (name, directive) in
            [("log", "MicroMintLog Plain"), ("config", "MicroMintConfig vendor.toml")]
        {
            site.page(&format!("AuthConfig/{name}/a.html"), "a", Some("1"));
            site.write(&format!("www/AuthConfig/{name}/.htaccess"), directive);
        }
        site
    };
    let text = "
        <Directory %FOLDER%/www/AuthConfig>\nAllowOverride AuthConfig\n</Directory>
        <Directory %FOLDER%/www/FileInfo>\nAllowOverride FileInfo Indexes Limit Options\n</Directory>
        <Directory %FOLDER%/www/List>\nAllowOverride None\nAllowOverrideList MicroMintPrice\n</Directory>
        <Directory %FOLDER%/www/None>\nAllowOverride None\n</Directory>";
    on_each(site, text, |apache| {
        for (number, directive) in DIRECTIVES.iter().enumerate() {
            let status = |class: &str| apache.get(&format!("/{class}/{number}/a.html")).status;
            let listed = if directive.starts_with("MicroMintPrice ") { 402 } else { 500 };
            let seen = ["AuthConfig", "FileInfo", "List", "None"].map(status);
            assert_eq!(seen, [402, 500, listed, 402], "{directive}");
        }
        for name in ["log", "config"] {
            assert_eq!(apache.get(&format!("/AuthConfig/{name}/a.html")).status, 500, "{name}");
        }
        for directive in ["MicroMintDryRun", "MicroMintLog", "MicroMintConfig"] {
            let line = format!(".htaccess: {directive} not allowed here");
            assert!(apache.log().contains(&line), "{line} not in {}", apache.log());
        }
    });
}

#[test]
fn what_is_said_nearer_to_a_page_holds() {
    let site = || {
        let site = Site::new();
        for folder in ["", "dir/", "dir/ht/", "dir/ht/if/"] {
            site.page(&format!("{folder}one.html"), "content for one", Some("1"));
            site.page(
                &format!("{folder}whole.shtml"),
                "[<!--#include virtual=\"one.html\" -->]",
                None,
            );
        }
        let ht = "MicroMintDryRun On\nMicroMintFreeViews 0\nMicroMintReceiptPath Off\nMicroMintSubrequests Refuse\n";
        site.write("www/dir/ht/.htaccess", ht);
        site
    };
    // Each level contradicts the one around it.
    let text = r#"
        MicroMintDryRun On
        MicroMintReceiptPath /
        MicroMintSubrequests Refuse
        MicroMintLog Plain
        AddOutputFilter INCLUDES .shtml
        <VirtualHost 127.0.0.1:%PORT%>
            MicroMintDryRun Off
            MicroMintSubrequests Allow
        </VirtualHost>
        <Directory %FOLDER%/www>
            Options +Includes
        </Directory>
        <Directory %FOLDER%/www/dir>
            MicroMintReceiptPath /dir/
            MicroMintFreeViews 1
            MicroMintLog Off
        </Directory>
        <If "%{REQUEST_URI} =~ m,^/dir/ht/if/,">
            MicroMintDryRun Off
            MicroMintReceiptPath /dir/ht/if/
            MicroMintSubrequests Allow
            MicroMintLog Plain
        </If>"#;
    on_each(site, text, |apache| {
        let paths = |target: &str| {
            let cookie = apache.pay(target, 1).header("set-cookie").unwrap_or_default();
            let path = cookie.split("Path=").nth(1).unwrap_or_default();
            path.split(';').next().unwrap_or_default().to_string()
        };
        let includes = |target: &str| apache.get(target).body.contains("content for one");
        // The virtual host overrides the server.
        assert_eq!(apache.get("/one.html").short(), word(402, "unpaid"));
        assert_eq!(paths("/one.html"), "/");
        assert!(includes("/whole.shtml"));
        // The directory, then its .htaccess file, then the value of an expression.
        assert_eq!(apache.get("/dir/one.html").word(), "free-view");
        assert_eq!(apache.get("/dir/one.html").short(), word(402, "unpaid"));
        assert_eq!(paths("/dir/one.html"), "/dir/");
        assert!(includes("/dir/whole.shtml"));
        assert_eq!(
            apache.get("/dir/ht/one.html").seen(),
            (200, String::new(), "content for one"),
            "dry"
        );
        assert!(!includes("/dir/ht/whole.shtml"));
        assert_eq!(apache.get("/dir/ht/if/one.html").short(), word(402, "unpaid"));
        assert_eq!(paths("/dir/ht/if/one.html"), "/dir/ht/if/");
        assert!(includes("/dir/ht/if/whole.shtml"));
        let reported = |url: &str| {
            let url = format!("url={}", apache.site().url(url));
            apache
                .log()
                .lines()
                .filter(|line| line.contains("micromint ") && line.contains(&url))
                .count()
        };
        wait_until("the log", || reported("/dir/ht/if/one.html") == 2);
        assert_eq!(
            (reported("/one.html"), reported("/dir/one.html"), reported("/dir/ht/one.html")),
            (2, 0, 0)
        );
    });
}
