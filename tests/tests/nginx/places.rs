//! Pages from every source: nginx's own ways of finding, generating and protecting content.

use std::os::unix::fs::{PermissionsExt, symlink};

use micromint_servers::client::{Connection, RequestText};
use micromint_servers::nginx::{Nginx, nginx as nginx_program, write_configuration};
use micromint_servers::payer;
use micromint_servers::price_files::{
    assert_invalid_price_files_close_pages, site_with_invalid_price_files,
};
use micromint_servers::recipes::Php;
use micromint_servers::server::{Server, asked_and_paid, sold, word};
use micromint_servers::site::Site;
use micromint_servers::wait_until;

#[test]
fn price_files_are_never_served() {
    let site = Site::new();
    site.page("plain.mm", "1", None);
    let nginx = Nginx::with_server(
        site,
        "location /try/ { try_files $uri /one.html.mm; } location /off/ { micromint off; }",
    );
    for target in ["/one.html.mm", "/one.html%2emm", "/plain.mm", "/./one.html.mm", "/try/x"] {
        assert_eq!(nginx.get(target).status, 404, "{target}");
    }
}

#[test]
fn an_invalid_price_file_closes_the_page() {
    let nginx = Nginx::with_server(site_with_invalid_price_files(), "");
    assert_invalid_price_files_close_pages(&nginx);
}

#[test]
fn a_variable_spares_requests_the_price() {
    let nginx = Nginx::start(
        Site::new(),
        "micromint_config vendor.toml; map $http_x_group $editor { default 0; editors 1; empty \"\"; }
         server { %SERVER% micromint on; micromint_free_if $editor;
             location /fixed/ { alias %FOLDER%/www/; micromint_price 3; }
             location /all/ { alias %FOLDER%/www/; micromint_price 3; micromint_free_if $arg_no; }
             location /tried/ { try_files /none /two.html; }
             location /any/ { alias %FOLDER%/www/; micromint_price 1; satisfy any; deny all; } }",
    );
    let group = |target: &str, group: &str| {
        nginx.ask(&RequestText::get(target).with("X-Group", group)).short()
    };
    for target in ["/two.html", "/fixed/free.html", "/fixed/two.html", "/tried/x"] {
        assert_eq!(group(target, "editors"), word(200, ""), "{target}");
        for other in ["", "empty", "readers"] {
            assert_eq!(group(target, other), word(402, "unpaid"), "{target} {other}");
        }
    }
    assert_eq!(group("/all/free.html", "editors"), word(402, "unpaid"), "the inner one counts");
    assert_eq!(group("/any/free.html", "editors"), word(403, ""), "what is free opens nothing");
    assert_eq!(group("/two.html.mm", "editors"), word(404, ""), "price files stay hidden");
    let paid = payer::payment(&nginx.site().url("/two.html"), 2);
    let paid = RequestText::get("/two.html").with_payment(&paid).with("X-Group", "editors");
    assert_eq!(nginx.ask(&paid).short(), word(200, "returned"));

    let site = Site::new();
    write_configuration(
        &site,
        "micromint_config vendor.toml; server { %SERVER% micromint_free_if 1; }",
    );
    let text = String::from_utf8_lossy(&nginx_program(&site, &["-t"]).stderr).into_owned();
    assert!(text.contains("\"micromint_free_if\": expected a variable, found \"1\""), "{text}");
}

#[test]
fn a_price_file_is_opened_as_the_location_opens_files() {
    let site = Site::new();
    for name in ["closed", "linked", "lost"] {
        site.page(&format!("{name}.html"), "secret", None);
    }
    site.write("www/closed.html.mm", "1");
    std::fs::set_permissions(site.path("www/closed.html.mm"), PermissionsExt::from_mode(0o000))
        .unwrap();
    symlink(site.path("www/one.html.mm"), site.path("www/linked.html.mm")).unwrap();
    symlink(site.path("www/none"), site.path("www/lost.html.mm")).unwrap();
    let nginx = Nginx::with_server(
        site,
        "location /kept/ { alias %FOLDER%/www/; open_file_cache max=10; }
         location /strict/ { alias %FOLDER%/www/; disable_symlinks on; }
         location /strict/kept/ { alias %FOLDER%/www/; disable_symlinks on; open_file_cache max=10; }",
    );
    for place in ["", "/kept", "/strict", "/strict/kept"] {
        let status = |name: &str| nginx.get(&format!("{place}/{name}.html")).status;
        assert_eq!(status("closed"), 500, "{place}: nobody may read it");
        // With links disabled, a link is not a price file. One that leads nowhere never is.
        let linked = if place.starts_with("/strict") { (500, 500) } else { (402, 500) };
        assert_eq!((status("linked"), status("lost")), linked, "{place}");
        assert_eq!((status("one"), status("free")), (402, 200), "{place}");
    }
}

#[test]
fn where_directives_alone_price_no_price_file_is_looked_for() {
    let site = Site::new();
    for folder in ["alone", "alone/again", "free"] {
        site.page(&format!("{folder}/page.html"), "page", Some("3"));
    }
    let nginx = Nginx::with_server(
        site,
        "location /alone/ { micromint_price_files off; micromint_price 1; location /alone/again/ { micromint_price_files on; } }
         location /free/ { micromint_price_files off; }",
    );
    assert_eq!(asked_and_paid(&nginx, "/alone/page.html", 1), sold());
    assert_eq!(nginx.get("/free/page.html").body, "page");
    assert_eq!(asked_and_paid(&nginx, "/alone/again/page.html", 3), sold());
    assert_eq!(nginx.get("/alone/page.html.mm").status, 404, "it stays hidden");
}

#[test]
fn the_directive_prices_what_has_no_price_file() {
    let site = Site::new();
    site.write("www/dir/a.html", "a");
    site.page("dir/b.html", "b", Some("1"));
    site.write("www/set/a.html", "a");
    let nginx = Nginx::with_server(
        site,
        "location /dir/ { micromint_price 2; }
         location /off/ { alias %FOLDER%/www/dir/; micromint off; }
         location /set/ { set $p $arg_price; micromint_price $p; }",
    );
    assert_eq!(asked_and_paid(&nginx, "/dir/a.html", 2), sold());
    assert_eq!(
        asked_and_paid(&nginx, "/dir/b.html", 2),
        sold(),
        "the highest of price file and directive"
    );
    assert_eq!(nginx.get("/off/b.html").seen(), (200, String::new(), "b"));
    assert_eq!(asked_and_paid(&nginx, "/set/a.html?price=3", 3), sold());
    assert_eq!(nginx.get("/set/a.html?price=0").body, "a");
    for bad in ["", "x", "-1", "501", "1.5"] {
        assert_eq!(nginx.get(&format!("/set/a.html?price={bad}")).status, 500, "{bad:?}");
    }
}

#[test]
fn a_map_prices_by_whatever_nginx_knows() {
    let nginx = Nginx::start(
        Site::new(),
        r#"map $http_accept_language $by_language { default 0; ~^de 2; ~^fr no; }
           map $request_method:$arg_format $by_format { default 1; GET:summary 0; ~^GET:full 3; }
           micromint_config vendor.toml;
           server { %SERVER% micromint on;
             location /news/ { alias %FOLDER%/www/; micromint_price $by_language; }
             location /api/ { micromint_price $by_format; proxy_pass http://127.0.0.1:%BACK_PORT%; } }
           server { listen 127.0.0.1:%BACK_PORT%; return 200 made; }"#,
    );
    let in_language = |language: &str| {
        nginx.ask(&RequestText::get("/news/free.html").with("Accept-Language", language))
    };
    assert_eq!(in_language("en").seen(), (200, String::new(), "free"));
    let german = in_language("de");
    assert!(german.status == 402 && german.body.contains("Price: 2\r\n"), "{german:?}");
    let payment = payer::payment(&nginx.site().url("/news/free.html"), 2);
    let paid = RequestText::post("/news/free.html", &payment).with("Accept-Language", "de");
    assert_eq!(nginx.ask(&paid).seen(), (200, "paid".to_string(), "free"));
    assert_eq!(in_language("fr").status, 500, "a mistake makes no page free");
    assert_eq!(
        nginx.get("/news/one.html").short(),
        word(402, "unpaid"),
        "a price file goes before it"
    );
    assert_eq!(nginx.get("/api/x?format=summary").body, "made");
    assert_eq!(asked_and_paid(&nginx, "/api/x", 1), sold());
    // After a payment has turned the request into a GET, the price is evaluated again: it is the
    // one that was announced.
    let full = nginx.get("/api/x?format=full");
    assert!(full.status == 402 && full.body.contains("Price: 3\r\n"), "{full:?}");
}

#[test]
fn subscribers_see_free_what_others_pay_for() {
    let site = Site::new();
    site.write("htpasswd", "reader:{PLAIN}pass\n");
    let nginx = Nginx::with_server(
        site,
        r#"satisfy any; auth_basic news; auth_basic_user_file htpasswd;
           location /open/ { alias %FOLDER%/www/; auth_basic off; allow all; }"#,
    );
    let subscriber =
        |target: &str| RequestText::get(target).with("Authorization", "Basic cmVhZGVyOnBhc3M=");
    let stranger =
        |target: &str| RequestText::get(target).with("Authorization", "Basic cmVhZGVyOm5v");
    for _ in 0..2 {
        let answer = nginx.ask(&subscriber("/two.html"));
        assert_eq!(
            answer.seen(),
            (200, String::new(), "content for two"),
            "the answer mentions no price"
        );
        assert_eq!((answer.header("set-cookie"), answer.header("cache-control")), (None, None));
    }
    let payment = payer::payment(&nginx.site().url("/two.html"), 2);
    let with_both = subscriber("/two.html").with_payment(&payment);
    assert_eq!(nginx.ask(&with_both).body, "content for two", "who is let in already does not pay");
    let answer = nginx.get("/two.html");
    assert_eq!(answer.status, 402, "a payment would do");
    assert!(answer.header("www-authenticate").unwrap().contains("Payment id="), "{answer:?}");
    // A browser asks for another password only if it is told that this one was wrong.
    for request in [stranger("/two.html"), stranger("/two.html").with_payment(&payment)] {
        let answer = nginx.ask(&request);
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").unwrap().contains("Basic realm="), "{answer:?}");
    }
    let paid = nginx.ask(&RequestText::get("/two.html").with_payment(&payment));
    assert_eq!(
        paid.seen(),
        (200, "paid".to_string(), "content for two"),
        "the coins are still good"
    );
    let again = RequestText::get("/two.html").with("Cookie", &paid.cookie().unwrap());
    assert_eq!(nginx.ask(&again).seen(), (200, "receipt".to_string(), "content for two"));
    assert_eq!(nginx.get("/free.html").status, 401, "what costs nothing opens nothing");
    assert_eq!(nginx.ask(&subscriber("/free.html")).body, "free");
    assert_eq!(nginx.get("/open/two.html").body, "content for two");
    wait_until("the access log", || nginx.access_log().len() == 11);
    let paid = nginx.access_log().iter().filter(|line| line.contains(" paid ")).count();
    assert_eq!(paid, 1, "{:?}", nginx.access_log());
}

/// The recipe of docs/reference/nginx.md.
#[test]
fn a_browser_logs_in_at_a_page_in_the_folder() {
    let site = Site::new();
    site.write("htpasswd", "reader:{PLAIN}pass\n");
    site.page("archive/story.html", "a story", None);
    site.page("archive/login.html", "logged in", None);
    let nginx = Nginx::with_server(
        site,
        "location /archive/ {
             micromint_price 1; satisfy any; auth_basic subscribers; auth_basic_user_file htpasswd; }
         location = /archive/login.html {
             micromint off; auth_basic subscribers; auth_basic_user_file htpasswd; }",
    );
    let login = |target: &str, password: &str| {
        nginx.ask(&RequestText::get(target).with("Authorization", &format!("Basic {password}")))
    };
    let (right, wrong) = ("cmVhZGVyOnBhc3M=", "cmVhZGVyOm5v");
    assert_eq!(nginx.get("/archive/story.html").status, 402);
    let refused = [nginx.get("/archive/login.html"), login("/archive/login.html", wrong)];
    for asked in refused {
        let challenge = asked.header("www-authenticate").unwrap_or_default();
        assert!(asked.status == 401 && challenge.contains("Basic realm="), "{asked:?}");
    }
    assert_eq!(login("/archive/login.html", right).body, "logged in");
    assert_eq!(login("/archive/story.html", right).body, "a story");
    assert_eq!(login("/archive/story.html", wrong).status, 401);
    assert_eq!(asked_and_paid(&nginx, "/archive/story.html", 1), sold());
}

#[test]
fn index_rewrite_alias_and_try_files_lead_to_the_price_of_the_file() {
    let site = Site::new();
    site.page("shop/index.html", "the index", Some("1"));
    site.page("other/thing.html", "aliased", Some("2"));
    let nginx = Nginx::with_server(
        site,
        "location /alias/ { alias %FOLDER%/www/other/; }
         location /old { rewrite ^ /one.html last; }
         location /break { rewrite ^ /one.html break; }
         location /nice/ { rewrite ^/nice(.*) $1 break; try_files $uri.html =404; }
         location = /gone { return 204; }",
    );
    assert_eq!(asked_and_paid(&nginx, "/shop/", 1), sold());
    assert_eq!(nginx.get("/shop").status, 301);
    assert_eq!(asked_and_paid(&nginx, "/alias/thing.html", 2), sold());
    assert_eq!(asked_and_paid(&nginx, "/old", 1), sold());
    assert_eq!(asked_and_paid(&nginx, "/break", 1), sold());
    assert_eq!(
        asked_and_paid(&nginx, "/nice/two", 2),
        sold(),
        "try_files finds the file after the access phase"
    );
    assert_eq!(nginx.get("/nice/free").body, "free");
    assert_eq!(nginx.get("/gone").status, 204);
    // A page that has a price but does not exist costs nothing.
    let site_nginx = Nginx::with_server(Site::new(), "micromint_price 1;");
    assert_eq!(site_nginx.get("/missing.html").status, 402);
    assert_eq!(site_nginx.pay("/missing.html", 1).short(), word(404, "reversed"));
}

#[test]
fn proxied_pages_are_fetched_as_a_get_without_the_payment() {
    let nginx = Nginx::start(
        Site::new(),
        r#"micromint_config vendor.toml;
           server { %SERVER% micromint on;
             location /app/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; }
             location /fail/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; }
             location /cached/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; }
             location /accel/ { proxy_pass http://127.0.0.1:%BACK_PORT%; }
             location /inside/ { internal; micromint_price 1; alias %FOLDER%/www/; }
           }
           server { listen 127.0.0.1:%BACK_PORT%;
             location /app/ { return 200 "$request_method [$content_length] [$content_type] [$http_transfer_encoding] [$http_micromint_payment] [$http_x_http_method_override] [$http_x_kept] [$http_if_none_match]"; }
             location /fail/ { return 503; }
             location /accel/ { add_header X-Accel-Redirect /inside/free.html; return 200; }
             location /cached/ { add_header Cache-Control "public, max-age=60, s-maxage=600"; add_header CDN-Cache-Control "max-age=9"; add_header Set-Cookie "theirs=1"; return 200 cached; }
           }"#,
    );
    let url = nginx.site().url("/app/x");
    let post = RequestText::post("/app/x", &payer::payment(&url, 1))
        .with("X-HTTP-Method-Override", "DELETE")
        .with("X-Kept", "kept")
        .with("If-None-Match", "\"x\"");
    assert_eq!(nginx.ask(&post).seen(), (200, "paid".to_string(), "GET [] [] [] [] [] [kept] []"));
    let chunks = RequestText { body: Vec::new(), ..RequestText::new("POST", "/app/x") };
    let payment = payer::payment(&url, 1).to_bytes();
    let chunks =
        chunks.with("Content-Type", "application/x-micromint").with("Transfer-Encoding", "chunked");
    let body = [format!("{:x}\r\n", payment.len()).as_bytes(), &payment, b"\r\n0\r\n\r\n"].concat();
    assert_eq!(
        nginx.ask(&RequestText { body, ..chunks }).seen(),
        (200, "paid".to_string(), "GET [] [] [] [] [] [] []")
    );
    // A payment in a header leaves method and body unchanged.
    let put = RequestText::new("PUT", "/app/x")
        .with_payment(&payer::payment(&url, 1))
        .with("Content-Length", "3");
    let put = RequestText { body: b"abc".to_vec(), ..put };
    assert_eq!(nginx.ask(&put).seen(), (200, "paid".to_string(), "PUT [3] [] [] [] [] [] []"));

    assert_eq!(nginx.pay("/fail/x", 1).short(), word(503, "reversed"));
    let cached = nginx.pay("/cached/x", 1);
    assert_eq!(cached.seen(), (200, "paid".to_string(), "cached"));
    assert_eq!(cached.header("cache-control").unwrap(), "private, max-age=60");
    assert_eq!(cached.header("cdn-cache-control"), None);
    let cookies = cached.header("set-cookie").unwrap();
    assert!(cookies.starts_with("theirs=1, ") && cookies.contains("Max-Age"), "{cookies}");

    // The payment came with the request for a free page that leads on to a priced one.
    assert_eq!(nginx.get("/accel/x").short(), word(402, "unpaid"));
    let accel = nginx.site().url("/accel/x");
    let post = RequestText::post("/accel/x", &payer::payment(&accel, 1));
    assert_eq!(nginx.ask(&post).seen(), (200, "paid".to_string(), "free"));
    let header = RequestText::get("/accel/x").with_payment(&payer::payment(&accel, 1));
    assert_eq!(nginx.ask(&header).seen(), (200, "paid".to_string(), "free"));
}

#[test]
fn nobody_pays_who_is_then_turned_away() {
    let site = Site::new();
    // user:pass
    site.write("htpasswd", "user:{PLAIN}pass\n");
    let nginx = Nginx::with_server(
        site,
        r#"location /denied/ { alias %FOLDER%/www/; deny all; }
           location /all/ { alias %FOLDER%/www/; satisfy all; auth_basic x; auth_basic_user_file htpasswd; }
           location /any/ { alias %FOLDER%/www/; satisfy any; auth_basic x; auth_basic_user_file htpasswd; }
           location /home/ { alias %FOLDER%/www/; satisfy any; allow 127.0.0.1; deny all; }
           location /away/ { alias %FOLDER%/www/; satisfy any; deny all; }
           location /sub/ { alias %FOLDER%/www/; auth_request /ask; }
           location = /ask { internal; if ($http_x_let) { return 204; } return 403; }
           location /limit/ { alias %FOLDER%/www/; limit_except GET { deny all; } }"#,
    );
    let login = |request: RequestText| request.with("Authorization", "Basic dXNlcjpwYXNz");
    let url = |target: &str| nginx.site().url(target);

    assert_eq!(nginx.pay("/denied/one.html", 1).status, 403);
    let payment = payer::payment(&url("/all/one.html"), 1);
    let post = RequestText::post("/all/one.html", &payment);
    assert_eq!(nginx.ask(&post).status, 401);
    assert_eq!(nginx.ask(&login(post)).short(), word(200, "paid"), "the coin was kept for this");
    assert_eq!(nginx.ask(&login(RequestText::get("/all/one.html"))).short(), word(402, "unpaid"));

    assert_eq!(asked_and_paid(&nginx, "/any/one.html", 1), sold());
    assert_eq!(nginx.ask(&login(RequestText::get("/any/one.html"))).seen().2, "content for one");
    assert_eq!(
        nginx.get("/any/free.html").status,
        401,
        "what costs nothing is no reason to let anyone in"
    );
    assert_eq!(nginx.get("/home/one.html").body, "content for one");
    assert_eq!(asked_and_paid(&nginx, "/away/one.html", 1), sold());
    assert_eq!(nginx.get("/away/free.html").status, 403);
    assert_eq!(nginx.get("/away/one.html.mm").status, 403);

    let payment = payer::payment(&url("/sub/one.html"), 1);
    let post = RequestText::post("/sub/one.html", &payment);
    assert_eq!(nginx.ask(&post).status, 403);
    assert_eq!(nginx.ask(&post.with("X-Let", "in")).short(), word(200, "paid"));
    assert_eq!(nginx.pay("/limit/one.html", 1).status, 403);
}

/// A script costs the same whatever follows its name: PHP walks up to the file that exists.
#[test]
fn a_script_has_the_price_of_its_file_whatever_follows_its_name() {
    let site = Site::new();
    let script = "<?php echo 'the script ', $_SERVER['PATH_INFO'] ?? '';";
    site.page("page.php", script, Some("2"));
    site.page("free.php", script, None);
    site.page("sub/page.de.php", script, None);
    site.page("sub/page.php", script, Some("3"));
    site.page("sub/text.html", "a text", Some("1"));
    symlink("page.php", site.path("www/link.php")).unwrap();
    site.write("www/link.php.mm", "1");
    let fpm = "include /etc/nginx/fastcgi.conf; fastcgi_pass unix:%FOLDER%/php.sock;
               fastcgi_param SCRIPT_FILENAME $request_filename$fastcgi_path_info;";
    let server = format!(
        r#"location ~ [^/]\.php(/|$) {{ fastcgi_split_path_info ^(.+?\.php)(/.*)$;
               include /etc/nginx/fastcgi.conf; fastcgi_param PATH_INFO $fastcgi_path_info;
               fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
               fastcgi_pass unix:%FOLDER%/php.sock; }}
           location ^~ /alias/ {{ alias %FOLDER%/www/sub/; {fpm} }}
           location ^~ /links/ {{ alias %FOLDER%/www/; disable_symlinks on; {fpm} }}"#
    );
    let nginx = Nginx::with_server(site, &server);
    let _php = Php::start(nginx.site());
    for (target, coins) in [
        ("/page.php", 2),
        ("/page.php/", 2),
        ("/page.php/x", 2),
        ("/page.php/x/y/", 2),
        ("/page.php//x", 2),
        ("/page.php%2fx", 2),
        ("/link.php/x", 1),
        ("/sub/page.de.php/x", 3),
        ("/alias/page.php/x", 3),
        ("/alias/page.de.php/x", 3),
        ("/links/page.php/x", 2),
    ] {
        let answers = [nginx.get(target), nginx.pay(target, coins)];
        assert_eq!(answers.each_ref().map(|answer| answer.short()), sold(), "{target}");
        assert!(answers[1].body.starts_with("the script"), "{target}: {answers:?}");
    }
    assert_eq!(nginx.get("/free.php/page.php").body, "the script /page.php");
    assert_eq!(nginx.get("/sub/text.html/x").status, 404, "nginx sends no file for this");
}

#[test]
fn satisfy_any_asks_the_price_of_a_folder() {
    let site = Site::new();
    site.write("htpasswd", "reader:{PLAIN}pass\n");
    for folder in ["fixed", "file", "nested/inner", "listed", "tried", "named"] {
        site.page(&format!("{folder}/index.html"), "the index", None);
    }
    site.page("file/index.html.mm", "2", None);
    site.page("inside/index.html", "for subscribers", None);
    site.page("bare/a.html", "a", None);
    site.page("list/a.html", "a", None);
    site.page("login.html", "please log in", None);
    let nginx = Nginx::with_server(
        site,
        r#"location / { satisfy any; auth_basic x; auth_basic_user_file htpasswd; }
           location /fixed/ { micromint_price 1; satisfy any; auth_basic x; auth_basic_user_file htpasswd; }
           location /nested/ { micromint_price 1; satisfy any; deny all; }
           location /tried/ { micromint_price 1; satisfy any; deny all; try_files $uri/index.html =404; }
           location /named/ { micromint_price 1; satisfy any; deny all; try_files $uri $uri/ @none; }
           location @none { return 404; }
           location /bare/ { micromint_price 1; satisfy any; auth_basic x; auth_basic_user_file htpasswd; }
           location /list/ { micromint_price 1; satisfy any; deny all; autoindex on; }
           location /free/ { alias %FOLDER%/www/list/; satisfy any; deny all; autoindex on; }
           location /page/ { alias %FOLDER%/www/list/; satisfy any; deny all; autoindex on;
               error_page 403 =200 /login.html; }
           location = /login.html { }
           location = /inside/index.html { internal; micromint off; }"#,
    );
    let login = |target: &str, password: &str| {
        nginx.ask(&RequestText::get(target).with("Authorization", &format!("Basic {password}")))
    };
    let (right, wrong) = ("cmVhZGVyOnBhc3M=", "cmVhZGVyOm5v");
    for (folder, coins) in
        [("/fixed/", 1), ("/file/", 2), ("/nested/inner/", 1), ("/tried/", 1), ("/named/", 1)]
    {
        assert_eq!(asked_and_paid(&nginx, folder, coins), sold(), "{folder}");
        let challenges = nginx.get(folder).header("www-authenticate").unwrap();
        assert!(challenges.matches("Basic").count() < 2, "{challenges}");
        let url = nginx.site().url(folder);
        let paid = RequestText::post(folder, &payer::payment(&url, coins));
        let paid = nginx.ask(&paid);
        assert_eq!(paid.seen(), (200, "paid".into(), "the index"), "{folder}");
        let again = RequestText::get(folder).with("Cookie", &paid.cookie().unwrap());
        assert_eq!(nginx.ask(&again).seen(), (200, "receipt".into(), "the index"), "{folder}");
    }
    for folder in ["/fixed/", "/file/"] {
        assert_eq!(login(folder, right).seen(), (200, String::new(), "the index"), "{folder}");
        let refused = login(folder, wrong);
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(refused.status == 401 && challenge.contains("Basic"), "{folder}: {refused:?}");
    }
    // nginx leads to the name with a slash.
    for folder in ["/fixed", "/file", "/nested/inner"] {
        assert_eq!(nginx.get(folder).status, 301, "{folder}");
    }
    // Without an index nginx refuses the folder, or lists it.
    assert_eq!(nginx.get("/bare/").short(), word(402, "unpaid"));
    assert_eq!(nginx.pay("/bare/", 1).short(), word(403, "reversed"));
    assert_eq!(login("/bare/", right).status, 403);
    assert_eq!(asked_and_paid(&nginx, "/list/", 1), sold());
    // What is free opens nothing: neither a listing, nor an index at a place of its own.
    assert_eq!(nginx.get("/free/").short(), word(403, ""));
    assert_eq!(nginx.pay("/free/", 1).status, 403);
    for folder in ["/listed/", "/inside/", "/bare/../listed/"] {
        let refused = nginx.get(folder);
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert!(
            refused.status == 401 && challenge.contains("Basic realm="),
            "{folder} {refused:?}"
        );
    }
    assert_eq!(login("/inside/", right).body, "for subscribers");
    assert_eq!(nginx.get("/page/").seen(), (200, String::new(), "please log in"));
    assert_eq!(nginx.get("/missing/").status, 401);
}

#[test]
fn satisfy_any_with_try_files_asks_the_price_of_what_is_found() {
    let site = Site::new();
    site.page("deep/expensive.html", "expensive", Some("3"));
    let nginx = Nginx::with_server(
        site,
        "location /deep/ { satisfy any; deny all; micromint_price 1; try_files $uri.html =404; }
         location /open/ { satisfy any; allow all; micromint_price 1; alias %FOLDER%/www/; try_files $uri =404; }",
    );
    // The check had to determine a price before the file was known: a lower price does not open it,
    // and the answer then names the higher one.
    assert_eq!(nginx.get("/deep/expensive").short(), word(402, "unpaid"));
    let refused = nginx.pay("/deep/expensive", 1);
    assert_eq!(refused.short(), word(402, "wrong-amount"));
    assert!(refused.body.contains("Price: 3\r\n"), "{}", refused.body);
    assert_eq!(nginx.pay("/deep/expensive", 3).short(), word(200, "paid"));
}

#[test]
fn error_pages_stand_in_for_the_message() {
    let site = Site::new();
    site.page("402.html", "please pay", None);
    site.page("404.html", "not here", Some("1"));
    let nginx = Nginx::with_server(
        site,
        r#"location /page/ { alias %FOLDER%/www/; error_page 402 /402.html; }
           location /ok/ { alias %FOLDER%/www/; error_page 402 =200 /402.html; }
           location /named/ { alias %FOLDER%/www/; error_page 402 @pay; }
           location @pay { return 402 "$micromint_status costs $micromint_price"; }
           location /own/ { alias %FOLDER%/www/; error_page 402 @message; }
           location @message { add_header X-Page own always; micromint_message; }
           location /theirs/ { error_page 402 @theirs; return 402; }
           location @theirs { micromint_price 7; micromint_message; }
           location /lost/ { alias %FOLDER%/www/; error_page 404 /404.html; }
           location /priced/ { micromint_price 1; error_page 402 /priced/402.html; alias %FOLDER%/www/; }"#,
    );
    let page = nginx.get("/page/one.html");
    assert_eq!((page.status, page.body.as_str()), (402, "please pay"));
    assert!(
        page.header("micromint-request").is_some()
            && page.header("cache-control").unwrap() == "no-store"
    );
    assert_eq!(
        (nginx.get("/ok/one.html").status, nginx.get("/ok/one.html").body.as_str()),
        (200, "please pay")
    );
    assert_eq!(nginx.get("/named/two.html").body, "unpaid costs 2");
    let own = nginx.get("/own/one.html");
    assert_eq!(
        (own.short(), own.header("x-page").unwrap()),
        (word(402, "unpaid"), "own".to_string())
    );
    assert!(own.body.contains("Request-Payment"), "{}", own.body);
    let theirs = nginx.get("/theirs/x");
    assert!(theirs.status == 402 && theirs.body.contains("Price: 7"), "{theirs:?}");
    // An error page is not content: it has no price, whatever it costs when requested by name.
    let lost = nginx.get("/lost/nothing.html");
    assert_eq!((lost.status, lost.body.as_str()), (404, "not here"));
    assert_eq!(nginx.get("/404.html").status, 402);
    let priced = nginx.get("/priced/free.html");
    assert_eq!((priced.status, priced.body.as_str()), (402, "please pay"));
    // Paying works with each of them.
    for target in
        ["/page/one.html", "/ok/one.html", "/named/one.html", "/own/one.html", "/priced/free.html"]
    {
        assert_eq!(nginx.pay(target, 1).short(), word(200, "paid"), "{target}");
    }
}

/// The recipe of docs/reference/nginx.md: a teaser of the site's own for each page, and 402 as
/// before.
#[test]
fn a_teaser_stands_in_for_the_page_and_wallets_still_pay() {
    const TEASER: &str = "<meta property='og:title' content='One'><img src=/one.png>";
    let site = Site::new();
    site.page("articles/one.html", "content for one", Some("1"));
    site.page("articles/two.html", "content for two", Some("2"));
    site.write("www/teaser/articles/one.html", TEASER);
    let nginx = Nginx::with_server(
        site,
        r#"location /articles/ { error_page 402 /teaser$uri; }
           location /teaser/ { internal; try_files $uri @pay; }
           location @pay { micromint_message; }"#,
    );
    for accept in ["*/*", "text/html", "application/x-micromint"] {
        let asked = |target: &str| nginx.ask(&RequestText::get(target).with("Accept", accept));
        let one = asked("/articles/one.html");
        assert_eq!((one.short(), one.body.as_str()), (word(402, "unpaid"), TEASER), "{accept}");
        assert_eq!(one.header("content-type").unwrap(), "text/html");
        for field in ["micromint-request", "www-authenticate", "cache-control", "vary", "link"] {
            assert!(one.header(field).is_some(), "{accept}: {field} in {one:?}");
        }
        // What describes the paywall's own body is not about this one.
        for field in ["content-security-policy", "content-language", "x-content-type-options"] {
            assert!(one.header(field).is_none(), "{accept}: {field} in {one:?}");
        }
        // Without a teaser it is the paywall's own answer.
        let two = asked("/articles/two.html");
        assert_eq!(two.short(), word(402, "unpaid"), "{accept}");
        assert_eq!(
            two.header("content-type"),
            nginx.ask(&RequestText::get("/two.html").with("Accept", accept)).header("content-type")
        );
        let is_page = accept != "application/x-micromint";
        assert_eq!(two.header("content-language").is_some(), is_page, "{accept}: {two:?}");
    }
    assert_eq!(nginx.get("/teaser/articles/one.html").status, 404, "internal");
    for (target, price) in [("/articles/one.html", 1), ("/articles/two.html", 2)] {
        assert_eq!(nginx.pay(target, price).short(), word(200, "paid"), "{target}");
    }
}

#[test]
fn parts_of_a_page_are_paid_with_the_page() {
    let site = Site::new();
    site.page("whole.shtml", r#"[<!--#include virtual="/one.html" -->]"#, None);
    site.page("paid.shtml", r#"[<!--#include virtual="/free.html" -->]"#, Some("1"));
    site.page("price.shtml", r#"[<!--#include virtual="/one.html.mm" -->]"#, None);
    site.page("strict/whole.shtml", r#"[<!--#include virtual="/strict/one.html" -->]"#, None);
    site.page("strict/one.html", "content for one", Some("1"));
    let nginx = Nginx::with_server(
        site,
        "location / { ssi on; ssi_silent_errors on; } location /strict/ { ssi on; ssi_silent_errors on; micromint_subrequests refuse; }",
    );
    assert_eq!(nginx.get("/whole.shtml").body, "[content for one]");
    assert_eq!(nginx.get("/paid.shtml").status, 402);
    assert_eq!(nginx.pay("/paid.shtml", 1).seen(), (200, "paid".to_string(), "[free]"));
    assert_ne!(nginx.get("/price.shtml").body, "[1\n]");
    let strict = nginx.get("/strict/whole.shtml");
    assert!(strict.status == 200 && !strict.body.contains("content for one"), "{}", strict.body);
    // A part whose price cannot be read fails alone: the page around it is paid and sent.
    nginx.site().write("www/strict/one.html.mm", "many");
    nginx.site().write("www/strict/whole.shtml.mm", "1");
    let paid = nginx.pay("/strict/whole.shtml", 1);
    assert_eq!((paid.status, paid.word()), (200, "paid".to_string()), "{}", paid.body);
    assert!(!paid.body.contains("content for one"), "{}", paid.body);
    wait_until("the reason in the log", || {
        nginx.log().contains("the price file of /strict/one.html: expected")
    });
}

#[test]
fn open_file_cache_and_compression_change_nothing() {
    let nginx = Nginx::with_server(
        Site::new(),
        "open_file_cache max=100; open_file_cache_errors on; gzip on; gzip_min_length 1; gzip_types *;",
    );
    for _ in 0..3 {
        assert_eq!(nginx.get("/free.html").body, "free");
        assert_eq!(asked_and_paid(&nginx, "/one.html", 1), sold());
    }
    let request = RequestText::get("/one.html").with("Accept-Encoding", "gzip");
    assert_eq!(nginx.ask(&request).status, 402);
    // nginx remembers missing files; that a price file is missing is not remembered.
    nginx.site().write("www/free.html.mm", "1");
    assert_eq!(nginx.get("/free.html").status, 402, "a new price counts at once");
    std::fs::remove_file(nginx.site().path("www/free.html.mm")).unwrap();
    assert_eq!(nginx.get("/free.html").body, "free");
}

/// At another server, found by name or by port, the same path is another page with another price.
#[test]
fn what_is_paid_at_one_host_opens_nothing_at_another() {
    let site = Site::new();
    let (port, other_port) = (site.port, site.back_port);
    let more = format!("\"http://localhost:{other_port}\", \"https://");
    site.write("vendor.toml", &site.vendor_toml("till").replace("\"https://", &more));
    site.write("other/one.html", "costly content");
    site.write("other/one.html.mm", "5\n");
    let payment = payer::payment(&site.url("/one.html"), 1);
    let _nginx = Nginx::start(
        site,
        "micromint_config vendor.toml; server { %SERVER% micromint on; }
         server { listen 127.0.0.1:%PORT%; server_name other.example; root %FOLDER%/other; micromint on; }
         server { listen 127.0.0.1:%BACK_PORT%; server_name localhost; root %FOLDER%/other; micromint on; }",
    );
    let ask = |port: u16, target: &str, host: &str, field: (&str, &str)| {
        let mut request = RequestText::get(target).with(field.0, field.1);
        request.headers[0].1 = host.to_string();
        Connection::open(port).ask(&request.with("Connection", "close"))
    };
    let message = micromint_servers::client::base64url(&payment.to_bytes());
    let paying = ("MicroMint-Payment", message.as_str());
    let paid = ask(port, "/one.html", "localhost", paying);
    assert_eq!(paid.short(), word(200, "paid"));
    let cookie = paid.cookie().unwrap();
    let receipt = ("Cookie", cookie.as_str());
    let named = format!("localhost:{port}");
    for (port, target, host) in [
        (port, "/one.html", "other.example"),
        (port, "/one.html", "other.example."),
        (port, "/one.html", &format!("other.example:{port}")),
        (port, "http://other.example/one.html", "localhost"),
        (port, &format!("http://other.example:{port}/one.html"), &named),
        (other_port, "/one.html", "localhost"),
        (other_port, "/one.html", &named),
        (other_port, &format!("http://{named}/one.html"), &named),
    ] {
        for field in [receipt, paying] {
            let answer = ask(port, target, host, field);
            assert_eq!(answer.status, 402, "{port} {target} {host}: {}", answer.word());
        }
    }
    for (target, host) in [
        ("/one.html", named.as_str()),
        ("/one.html", "LOCALHOST."),
        ("http://localhost/one.html", "other.example"),
    ] {
        assert_eq!(ask(port, target, host, receipt).short(), word(200, "receipt"), "{target}");
        assert_eq!(ask(port, target, host, paying).short(), word(200, "retry"), "{target}");
    }
}

/// WebDAV is for people who may write pages, and not their prices.
#[test]
fn webdav_puts_nothing_in_the_place_of_a_price_file() {
    let site = Site::new();
    site.page("dav/page.html", "a page", Some("2"));
    site.write("www/dav/other.html", "0");
    // The workers may write there.
    let folder = site.path("www/dav");
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let nginx = Nginx::start(
        site,
        "micromint_config vendor.toml;
         server { %SERVER% micromint on; location /dav/ { dav_methods PUT DELETE COPY MOVE; } }",
    );
    let ask = |method: &str, to: &str| {
        let request = RequestText::new(method, "/dav/other.html").with("Overwrite", "T");
        nginx.ask(&request.with("Destination", to)).status
    };
    for method in ["MOVE", "COPY"] {
        for name in ["page.html.mm", "page.html.%6dm", "%2e/page.html.mm"] {
            let url = nginx.site().url(&format!("/dav/{name}"));
            assert_eq!(ask(method, &url.to_string()), 404, "{method} {name}");
            assert_eq!(ask(method, &format!("/dav/{name}")), 404, "{method} {name}");
        }
    }
    assert_eq!(nginx.get("/dav/page.html").status, 402);
    assert_eq!(ask("COPY", "/dav/third.html"), 204);
    assert_eq!(nginx.get("/dav/third.html").body, "0");
}
