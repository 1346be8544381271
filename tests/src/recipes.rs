//! `docs/guide/recipes.md`, executed: what goes in is the fenced blocks of the document, what comes
//! out is a site and the text of a server's configuration, and the checks of what each recipe
//! promises.
//!
//! The info string of a block is `LANGUAGE RECIPE [FILE]`, such as `toml video prices.toml`.
//! Without FILE it is what the server's own configuration contains. Blocks of the recipe `common`
//! belong to all recipes. The names of the document stay: the clients here ask for `news.example`
//! at an address of the loopback interface, as if TLS ended in front of the server. Only ports,
//! folders and the lines about TLS are replaced.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;

use micromint::protocol::Payment;
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Connection, RequestText, Response};
use crate::nginx::Nginx;
use crate::server::{Server, word};
use crate::site::Site;
use crate::twins::price_of;
use crate::{application, payer, wait_until};

/// The host and Vendor-ID of the document.
const NEWS: &str = "news.example";

/// Every recipe of the document; each has a test for nginx and one for Apache.
pub const RECIPES: [&str; 11] = [
    "wordpress",
    "laravel",
    "static-blog",
    "reverse-proxy",
    "cdn",
    "subscribers",
    "crawlers",
    "video",
    "sign-on",
    "several-sites",
    "remove",
];

/// A fenced block of the document.
#[derive(Debug)]
pub struct Block {
    /// What it is written in: `nginx`, `apache` or `toml`.
    pub language: String,
    /// The recipe that it belongs to.
    pub recipe: String,
    /// The file that it is, if it is not the server's configuration.
    pub file: Option<String>,
    /// Its lines.
    pub text: String,
}

/// The blocks of the document that belong to a recipe.
pub fn blocks() -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/recipes.md");
    let document = std::fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let text = lines.by_ref().take_while(|line| !line.starts_with("```"));
        let text: String = text.map(|line| format!("{line}\n")).collect();
        let mut words = info.split(' ').map(str::to_string);
        if let (Some(language), Some(recipe)) = (words.next(), words.next()) {
            blocks.push(Block { language, recipe, file: words.next(), text });
        }
    }
    blocks
}

/// The configuration of a recipe for a server (`nginx` or `apache`), with the lines that all
/// recipes share.
pub fn configuration(server: &str, recipe: &str) -> String {
    let is_shared = |block: &Block| block.recipe == "common" && recipe != "remove";
    let text: String = blocks()
        .iter()
        .filter(|block| block.language == server && block.file.is_none())
        .filter(|block| block.recipe == recipe || is_shared(block))
        .map(|block| here(&block.text))
        .collect();
    assert!(text.contains("news.example"), "expected a recipe {recipe} for {server} in recipes.md");
    text
}

/// A site with the files of a recipe for a server.
pub fn site(server: &str, recipe: &str) -> Site {
    let site = Site::new();
    let blocks = blocks();
    let of = |recipe: &str| {
        let recipe = recipe.to_string();
        blocks.iter().filter(move |block| block.recipe == recipe)
    };
    for block in of("common").chain(of(recipe)) {
        let is_for_it = block.language == "toml" || block.language == server;
        let Some(file) = block.file.as_ref().filter(|_| is_for_it) else { continue };
        let folder = if file == ".htaccess" { "www/news/" } else { "" };
        site.write(&format!("{folder}{file}"), &site.fill(&here(&block.text)));
    }
    if site.path("prices.toml").exists() {
        let vendor = std::fs::read_to_string(site.path("vendor.toml")).unwrap();
        site.write("vendor.toml", &(vendor + "prices = \"prices.toml\"\n"));
    }
    for name in ["snippets", "fastcgi.conf"] {
        symlink(Path::new("/etc/nginx").join(name), site.path(name)).unwrap();
    }
    std::fs::create_dir_all(site.path("www/news")).unwrap();
    site
}

/// What a block says, with the ports and folders of a test, and without TLS.
fn here(text: &str) -> String {
    let lines = text.lines().filter(|line| line.trim() != "SSLEngine on");
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    text.replace("listen 443 ssl;", "listen 127.0.0.1:%PORT%;")
        .replace("<VirtualHost *:443>", "<VirtualHost 127.0.0.1:%PORT%>")
        .replace("/etc/micromint/", "%FOLDER%/")
        .replace("/etc/nginx/", "%FOLDER%/")
        .replace("/etc/apache2/", "%FOLDER%/")
        .replace("/var/lib/micromint/", "%FOLDER%/")
        .replace("/var/www", "%FOLDER%/www")
        .replace("/run/php/php8.2-fpm.sock", "%FOLDER%/php.sock")
        .replace(":8080", ":%BACK_PORT%")
}

/// A running PHP-FPM with its socket where the recipes have it.
pub struct Php(Child);

impl Php {
    /// Starts it for a site.
    pub fn start(site: &Site) -> Php {
        site.write(
            "php.conf",
            &site.fill(
                "[global]\nerror_log = %FOLDER%/logs/php.log\ndaemonize = no\n\
                 [www]\nuser = www-data\ngroup = www-data\nlisten = %FOLDER%/php.sock\n\
                 listen.owner = www-data\npm = static\npm.max_children = 2\n",
            ),
        );
        let programs = std::fs::read_dir("/usr/sbin").unwrap().map(|entry| entry.unwrap().path());
        let is_fpm = |path: &PathBuf| path.to_string_lossy().starts_with("/usr/sbin/php-fpm");
        let program = programs.filter(is_fpm).max();
        let mut command = Command::new(program.expect("php-fpm: install Debian's package"));
        command.arg("--nodaemonize").arg("--fpm-config").arg(site.path("php.conf"));
        let php = Php(command.spawn().unwrap());
        wait_until("PHP-FPM", || {
            std::os::unix::net::UnixStream::connect(site.path("php.sock")).is_ok()
        });
        php
    }
}

impl Drop for Php {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// A front controller: it says what it was asked for, and answers 404 and 302 where the path says
/// so.
const FRONT_CONTROLLER: &str = r#"<?php
if (str_contains($_SERVER['REQUEST_URI'], 'missing')) { http_response_code(404); }
if (str_contains($_SERVER['REQUEST_URI'], 'moved')) { header('Location: /', true, 302); }
$body = file_get_contents('php://input');
echo "made {$_SERVER['REQUEST_METHOD']} {$_SERVER['REQUEST_URI']} ",
    $_SERVER['MICROMINT_STATUS'] ?? '', " $body";
"#;

/// A front controller that reads parameters as WordPress does: those of a form before those of the
/// address (`WP::parse_request`).
const WORDPRESS: &str = r#"<?php
$said = "made {$_SERVER['REQUEST_METHOD']} {$_SERVER['REQUEST_URI']} ";
$fields = [];
foreach (['p', 'name', 'rest_route'] as $name) {
    $value = $_POST[$name] ?? $_GET[$name] ?? null;
    if ($value !== null) { $fields[] = $name; }
}
if (in_array('moved', $_GET)) { header('Location: /', true, 302); }
if (str_contains($_SERVER['REQUEST_URI'], 'missing')) { http_response_code(404); }
echo $said, $fields ? 'the article by ' . implode(' ', $fields) : '', file_get_contents('php://input');
"#;

/// A request to a host of the document.
fn request(method: &str, host: &str, target: &str) -> RequestText {
    let mut request = RequestText::new(method, target);
    request.headers[0].1 = host.to_string();
    request
}

/// A GET of a page of the news.
fn get(target: &str) -> RequestText {
    request("GET", NEWS, target)
}

/// A payment of `count` fresh coins of a vendor for a page of a host.
fn payment_to(vendor: &str, host: &str, target: &str, count: usize) -> Payment {
    type Coins = (u32, Vec<Vec<u64>>);
    static COINS: Mutex<Option<HashMap<String, Coins>>> = Mutex::new(None);
    let (user, vendor_id) = ("alice".parse().unwrap(), vendor.parse().unwrap());
    let mint = payer::mint();
    let mut guard = COINS.lock().unwrap();
    let all = guard.get_or_insert_default();
    let (next, coins) = all.entry(vendor.to_string()).or_default();
    while coins.len() < count {
        coins.extend(mint.coins(&user, &vendor_id, *next));
        *next += 2;
        assert!(
            u64::from(*next) < mint.params().superbin_count(),
            "coins enough for one run of the tests"
        );
    }
    let paid: Vec<_> = coins.drain(..count).collect();
    let url = format!("https://{host}{target}").parse().unwrap();
    mint.payment(&user, &payer::user_key(), &vendor_id, &url, &paid)
}

/// A payment for a page of the news.
fn payment(target: &str, count: usize) -> Payment {
    payment_to(NEWS, NEWS, target, count)
}

/// The page costs `coins`; it is paid, and can be seen again. Returns the answer to the payment.
fn assert_sold(server: &impl Server, target: &str, coins: u32) -> Response {
    assert_priced(server, target, coins);
    let paid = server.ask(&get(target).with_payment(&payment(target, coins as usize)));
    assert_eq!(paid.short(), word(200, "paid"), "{target}: {paid:?}");
    let again = server.ask(&get(target).with("Cookie", &paid.cookie().unwrap()));
    assert_eq!(again.short(), word(200, "receipt"), "{target}: {again:?}");
    paid
}

/// The page costs `coins`.
fn assert_priced(server: &impl Server, target: &str, coins: u32) {
    let asked = server.ask(&get(target));
    assert_eq!(asked.short(), word(402, "unpaid"), "{target}: {asked:?}");
    assert_eq!(price_of(&asked), Some(coins), "{target}: {}", asked.body);
}

/// The page is free. Returns it.
fn assert_free(server: &impl Server, target: &str) -> Response {
    let answer = server.ask(&get(target));
    assert_eq!(answer.short(), word(200, ""), "{target}: {answer:?}");
    answer
}

/// A payment for the page is taken back because of the content's status.
fn assert_reversed(server: &impl Server, target: &str, coins: u32, status: u16) {
    assert_priced(server, target, coins);
    let answer = server.ask(&get(target).with_payment(&payment(target, coins as usize)));
    assert_eq!(answer.short(), word(status, "reversed"), "{target}: {answer:?}");
}

/// The 402 page that a browser gets.
fn page_402(server: &impl Server, target: &str) -> String {
    let answer = server.ask(&get(target).with("Accept", "text/html"));
    assert_eq!(answer.status, 402, "{answer:?}");
    answer.body
}

/// The files of the recipe `wordpress`.
pub fn prepare_wordpress(site: &Site) {
    site.page("news/index.php", WORDPRESS, None);
    for script in ["wp-login", "wp-comments-post", "wp-cron", "xmlrpc", "wp-admin/index"] {
        site.page(&format!("news/{script}.php"), "<?php echo 'a script';", None);
    }
    site.page("news/wp-admin/css/about.css", "style", None);
    site.page("news/wp-content/style.css", "style", None);
}

/// Addresses of an article to PHP, which reads names of parameters in its own way.
const ARTICLE_ADDRESSES: [&str; 22] = [
    "/?p=17",
    "/index.php?p=17",
    "/?%20p=17&preview=true",
    "/?+p=17",
    "/?%20%20p=17",
    "/?p%00=17",
    "/?p%00x=17",
    "/?p[]=17",
    "/?p%5Bx%5D=17",
    "/?%70=17",
    "/?a=1&+p=17&b",
    "/index.php?+p=17",
    "/a/b?+p=17",
    "/?name=long-read&preview=true",
    "/?+name=long-read",
    "/?name[=long-read&name%00",
    "/?rest_route=/wp/v2/posts/17",
    "/?rest.route=/wp/v2/posts/17",
    "/?rest%20route=/wp/v2/posts/17",
    "/?rest+route=/wp/v2/posts/17",
    "/?rest[route=/wp/v2/posts/17",
    "/?%20rest.route%00=/wp/v2/posts/17",
];

/// What the recipe `wordpress` promises.
pub fn wordpress(server: &impl Server) {
    assert!(assert_free(server, "/").body.starts_with("made GET / "));
    assert_eq!(assert_free(server, "/wp-content/style.css").body, "style");
    assert!(assert_free(server, "/category/news/").body.starts_with("made GET /category/news/ "));
    assert_free(server, "/article/welcome/");
    let paid = assert_sold(server, "/article/long-read/", 2);
    assert!(paid.body.starts_with("made GET /article/long-read/ "), "{}", paid.body);
    let cookie = paid.cookie().unwrap();
    for (target, expected) in [("/article/long-read/2/", "receipt"), ("/article/other/", "unpaid")]
    {
        assert_eq!(server.ask(&get(target).with("Cookie", &cookie)).word(), expected, "{target}");
    }
    for other in [
        "/article/long-read",
        "//article/./long-read/",
        "/article/long-read/feed/",
        "/index.php/article/long-read/",
    ]
    .into_iter()
    .chain(ARTICLE_ADDRESSES)
    {
        assert_priced(server, other, 2);
    }
    assert_reversed(server, "/article/missing/", 2, 404);
    assert_reversed(server, "/?p=moved", 2, 302);
    wordpress_forms(server);
}

/// What the recipe `wordpress` does with the bodies of requests.
fn wordpress_forms(server: &impl Server) {
    let sent = |method: &str, target: &str, kind: Option<&str>, body: &str| {
        let request = request(method, NEWS, target).with("Content-Length", &body.len().to_string());
        let request = RequestText { body: body.as_bytes().to_vec(), ..request };
        server.ask(&match kind {
            Some(kind) => request.with("Content-Type", kind),
            None => request,
        })
    };
    let form = "application/x-www-form-urlencoded";
    let parts = "multipart/form-data; boundary=x";
    let part = "--x\r\nContent-Disposition: form-data; name=\"p\"\r\n\r\n17\r\n--x--\r\n";
    for target in [
        "/",
        "/?",
        "/index.php",
        "/index.php/",
        "//index.php",
        "/%69ndex.php",
        "/category/news/",
        "/wp-json/",
        "/wp-json/wp/v2/media",
        "/index.php/wp-login.php",
        "/wp-login.php/../",
        "/wp-login.php/x",
        "/wp-admin/x",
        "/wp-admin/x.php",
        "/wp-admin/../index.php",
        "/wp-admin/css/",
        "/wp-content/x",
        "/wp-login.php%2f..%2findex.php",
    ] {
        for (kind, body) in [
            (form, "p=17"),
            ("Application/X-WWW-Form-Urlencoded", "p=17"),
            ("application/x-www-form-urlencoded;application/json", "rest_route=&p=17"),
            ("application/x-www-form-urlencoded application/json", "p=17"),
            (parts, part),
        ] {
            let answer = sent("POST", target, Some(kind), body);
            let is_refused = [403, 404].contains(&answer.status) || answer.body == "a script";
            assert!(is_refused, "{target} {kind}: {answer:?}");
        }
    }
    // What is no form reaches WordPress, and PHP finds no fields in it.
    let jsons = ["application/json", "application/json;charset=utf-8"];
    for kind in jsons.map(Some) {
        for target in ["/", "/wp-json/wp/v2/posts", "/index.php"] {
            let answer = sent("POST", target, kind, "p=17");
            let is_made = answer.body.starts_with("made POST") && !answer.body.contains("article");
            assert!(answer.status == 200 && is_made, "{target}: {answer:?}");
        }
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = sent(method, "/", Some(form), "p=17");
        assert!(!answer.body.contains("article"), "{method}: {answer:?}");
    }
    for script in
        ["wp-login.php", "wp-comments-post.php", "wp-cron.php", "xmlrpc.php", "wp-admin/index.php"]
    {
        let answer = sent("POST", &format!("/{script}"), Some(form), "p=17");
        assert_eq!(answer.seen(), (200, String::new(), "a script"), "{script}");
    }
    // A payment in the body.
    let target = "/article/posted/";
    let post = RequestText::post(target, &payment(target, 2));
    let post =
        RequestText { headers: [get("/").headers, post.headers[1..].to_vec()].concat(), ..post };
    let paid = server.ask(&post);
    assert_eq!(paid.short(), word(200, "paid"), "{paid:?}");
    assert!(paid.body.starts_with("made GET /article/posted/ "), "{paid:?}");
}

/// What the recipe `wordpress` promises to editors. The server takes a client's address from
/// `X-Case-Client`.
pub fn wordpress_for_editors(server: &impl Server) {
    for target in ["/article/long-read/", "/?p=17&preview=true", "/"] {
        let editor = server.ask(&get(target).with("X-Case-Client", "192.0.2.7"));
        assert_eq!(editor.short(), word(200, ""), "{target}: {editor:?}");
        assert!(editor.body.starts_with(&format!("made GET {target} ")), "{editor:?}");
        assert!(editor.header("cache-control").unwrap().contains("private"), "{editor:?}");
    }
    // PHP reads all of them as those of an article.
    for target in ARTICLE_ADDRESSES {
        let editor = server.ask(&get(target).with("X-Case-Client", "192.0.2.7"));
        assert_eq!(editor.short(), word(200, ""), "{target}: {editor:?}");
        assert!(editor.body.contains("the article by "), "{target}: {editor:?}");
    }
    let upload = |client: &str| {
        let upload = request("POST", NEWS, "/wp-json/wp/v2/media").with("Content-Length", "3");
        let upload = upload.with("Content-Type", "application/x-www-form-urlencoded");
        let upload = upload.with("X-Case-Client", client);
        server.ask(&RequestText { body: b"a=b".to_vec(), ..upload }).status
    };
    assert_eq!((upload("192.0.2.7"), upload("203.0.113.5")), (200, 403));
    let style = get("/wp-content/style.css").with("X-Case-Client", "192.0.2.7");
    assert_eq!(server.ask(&style).body, "style");
    for target in ["/article/long-read/", "/?p=17&preview=true"] {
        let other = server.ask(&get(target).with("X-Case-Client", "203.0.113.5"));
        assert_eq!(other.short(), word(402, "unpaid"), "{target}: {other:?}");
    }
}

/// The files of the recipe `laravel`.
pub fn prepare_laravel(site: &Site) {
    site.page("news/public/index.php", FRONT_CONTROLLER, None);
    site.page("news/public/app.css", "style", None);
    site.page("news/.env", "a secret", None);
}

/// What the recipe `laravel` promises.
pub fn laravel(server: &impl Server) {
    assert!(assert_free(server, "/").body.starts_with("made GET / "));
    assert_eq!(assert_free(server, "/app.css").body, "style");
    assert!(!server.ask(&get("/.env")).body.contains("a secret"));
    let paid = assert_sold(server, "/reports/2026", 2);
    assert_eq!(paid.body.trim_end(), "made GET /reports/2026 paid");
    // Symfony and Laravel read all of them as the page /reports/2026.
    for target in [
        "/index.php/reports/2026",
        "/%69ndex.php/reports/2026",
        "/index%2ephp/reports/2026",
        "/index.php%2Freports/2026",
        "/index.phpreports/2026",
        "//index.php/reports/2026",
        "/./index.php/reports/2026",
        "/x/index.php/reports/2026",
        "/index.php/",
        "/x/../index.php/reports/2026",
        "/index.php/api/translate",
        "/app.css/index.php/reports/2026",
    ] {
        let answer = server.ask(&get(target));
        assert!(answer.status == 404 && !answer.body.contains("made"), "{target}: {answer:?}");
    }
    assert!(assert_free(server, "/index.php").body.starts_with("made GET /index.php "));
    for name in ["X-HTTP-Method-Override", "X-Method"] {
        let form = request("POST", NEWS, "/reports/2026?_method=GET").with("Content-Length", "11");
        let form = form.with("Content-Type", "application/x-www-form-urlencoded");
        let form = RequestText { body: b"_method=GET".to_vec(), ..form.with(name, "GET") };
        assert_eq!(server.ask(&form).short(), word(402, "unpaid"), "{name}");
    }
    assert_reversed(server, "/reports/missing", 2, 404);
    assert_reversed(server, "/reports/moved", 2, 302);
    let call = || {
        let call = request("POST", NEWS, "/api/translate").with("Content-Length", "5");
        RequestText { body: b"words".to_vec(), ..call }
    };
    assert_eq!(server.ask(&call()).short(), word(402, "unpaid"));
    for _ in 0..2 {
        let answer = server.ask(&call().with_payment(&payment("/api/translate", 1)));
        assert_eq!(answer.seen(), (200, "paid".into(), "made POST /api/translate paid words"));
        assert_eq!(answer.cookie(), None, "no receipts for calls");
    }
}

/// The files of the recipe `static-blog`.
pub fn prepare_static_blog(site: &Site) {
    site.page("blog/index.html", "all posts", None);
    site.page("blog/404.html", "nothing here", None);
    site.page("blog/posts/index.html", "a list of posts", None);
    site.page("blog/posts/index.xml", "a feed", None);
    site.page("blog/posts/page/2/index.html", "more posts", None);
    site.page("blog/posts/hello/index.html", "hello", None);
    site.page("blog/posts/short/index.html", "a short post", None);
    site.page("blog/posts/long-read/index.html", "a long post", Some("3\n"));
    site.page("blog/posts/long-read/chart.png", "a chart", None);
    site.page("blog/posts/long-read/cover.jpg", "a cover", None);
}

/// What the recipe `static-blog` promises.
pub fn static_blog(server: &impl Server) {
    for (target, body) in [
        ("/", "all posts"),
        ("/posts/", "a list of posts"),
        ("/posts/index.xml", "a feed"),
        ("/posts/page/2/", "more posts"),
        ("/posts/hello/", "hello"),
        ("/posts/long-read/cover.jpg", "a cover"),
    ] {
        assert_eq!(assert_free(server, target).body, body);
    }
    assert_eq!(assert_sold(server, "/posts/short/", 1).body, "a short post");
    let paid = assert_sold(server, "/posts/long-read/", 3);
    assert_eq!(paid.body, "a long post");
    assert_priced(server, "/posts/long-read/chart.png", 1);
    let chart = get("/posts/long-read/chart.png").with("Cookie", &paid.cookie().unwrap());
    assert_eq!(server.ask(&chart).seen(), (200, "receipt".into(), "a chart"));
    let missing = server.ask(&get("/about"));
    assert_eq!(missing.seen(), (404, String::new(), "nothing here"));
    assert_reversed(server, "/posts/short/gone.png", 1, 404);
    let file = server.ask(&get("/posts/long-read/index.html.mm"));
    assert!(!file.body.starts_with('3'), "{file:?}");
}

/// Starts the server behind the server of the recipe `reverse-proxy`.
pub fn prepare_reverse_proxy(site: &Site) {
    application::start(site.back_port);
}

/// What the recipe `reverse-proxy` promises.
pub fn reverse_proxy(server: &impl Server) {
    assert_eq!(assert_free(server, "/about").body, "made GET /about");
    for name in ["X-Original-URL", "X-Rewrite-URL", "x-original-url"] {
        let answer = server.ask(&get("/about").with(name, "/story/1"));
        assert_eq!(answer.seen(), (200, String::new(), "made GET /about"), "{name}");
    }
    assert_eq!(assert_sold(server, "/story/1", 2).body, "made GET /story/1");
    let post = RequestText::post("/story/2", &payment("/story/2", 2));
    let post =
        RequestText { headers: [get("/").headers, post.headers[1..].to_vec()].concat(), ..post };
    assert_eq!(server.ask(&post).seen(), (200, "paid".into(), "made GET /story/2"));
    for status in [404, 500] {
        assert_reversed(server, &format!("/story/3?status={status}"), 2, status);
    }
    assert_reversed(server, "/story/4?status=302&location=/about", 2, 302);
    let manifest = assert_free(server, "/.well-known/micromint").body;
    assert!(manifest.contains("\"vendor-id\"") && manifest.contains(NEWS), "{manifest}");
}

/// The files of the recipe `cdn`.
pub fn prepare_cdn(site: &Site) {
    site.page("news/page.html", "a page", None);
    site.page("news/paid.html", "a paid page", Some("1\n"));
    site.page("news/static/style.css", "style", None);
}

/// What the recipe `cdn` promises. The CDN is an nginx that keeps what it may keep.
pub fn cdn(server: &impl Server) {
    let cdn = Nginx::start(
        Site::new(),
        &format!(
            "proxy_cache_path %FOLDER%/cache keys_zone=cdn:1m;
             server {{ %SERVER% location / {{ proxy_pass http://127.0.0.1:{};
                 proxy_set_header Host $host; proxy_cache cdn;
                 add_header X-Cache $upstream_cache_status always; }} }}",
            server.site().port
        ),
    );
    let ask = |request: RequestText| {
        let answer = Connection::open(cdn.site().port).ask(&request.with("Connection", "close"));
        (answer.short(), answer.header("x-cache").unwrap_or_default())
    };
    for target in ["/page.html", "/static/style.css"] {
        assert_eq!(ask(get(target)), (word(200, ""), "MISS".to_string()));
        // The CDN keeps a page after the last byte of its answer.
        wait_until("the page in the cache", || {
            ask(get(target)) == (word(200, ""), "HIT".to_string())
        });
    }
    // Neither the price nor what was paid for is kept.
    for _ in 0..2 {
        assert_eq!(ask(get("/paid.html")), (word(402, "unpaid"), "MISS".to_string()));
        let paid = ask(get("/paid.html").with_payment(&payment("/paid.html", 1)));
        assert_eq!(paid, (word(200, "paid"), "MISS".to_string()));
    }
    // The free page gets a price. It stays free in the cache until it is purged.
    server.site().write("www/news/page.html.mm", "2\n");
    wait_until("the price", || server.ask(&get("/page.html")).status == 402);
    assert_eq!(ask(get("/page.html")), (word(200, ""), "HIT".to_string()));
    std::fs::remove_dir_all(cdn.site().path("cache")).unwrap();
    assert_eq!(ask(get("/page.html")).0, word(402, "unpaid"));
    // A browser that has the page asks again, and is told the price.
    assert_priced(server, "/page.html", 2);
    let free = server.ask(&get("/static/style.css"));
    assert!(free.header("cache-control").unwrap().contains("immutable"), "{free:?}");
    let paid = server.ask(&get("/page.html").with_payment(&payment("/page.html", 2)));
    let control = paid.header("cache-control").unwrap();
    assert!(control.contains("private") && !control.contains("s-maxage"), "{control}");
}

/// The files of the recipe `subscribers`. The password of `alice` is `pass`.
pub fn prepare_subscribers(site: &Site) {
    site.write("subscribers", "alice:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n");
    site.page("news/index.html", "home", None);
    site.page("news/archive/old.html", "an old story", None);
    site.page("news/archive/index.html", "all old stories", None);
    site.page("news/archive/2025/index.html", "the stories of 2025", None);
    site.page("news/archive/empty/a.txt", "a file", None);
    site.page("news/archive/login.html", "welcome", None);
}

/// What the recipe `subscribers` promises.
pub fn subscribers(server: &impl Server) {
    let right = |target: &str| get(target).with("Authorization", "Basic YWxpY2U6cGFzcw==");
    assert_eq!(assert_free(server, "/index.html").body, "home");
    assert_eq!(assert_sold(server, "/archive/old.html", 2).body, "an old story");
    let page = page_402(server, "/archive/old.html");
    assert!(page.contains("href=\"/archive/login.html\""), "{page}");
    let asked = server.ask(&get("/archive/login.html"));
    let challenge = asked.header("www-authenticate").unwrap_or_default();
    assert!(asked.status == 401 && challenge.contains("Basic realm=\"subscribers\""), "{asked:?}");
    assert_eq!(server.ask(&right("/archive/login.html")).seen().2, "welcome");
    let read = server.ask(&right("/archive/old.html"));
    assert_eq!((read.status, read.body.as_str()), (200, "an old story"));
    let wrong = |target| get(target).with("Authorization", "Basic YWxpY2U6d3Jvbmc=");
    assert_eq!(server.ask(&wrong("/archive/old.html")).status, 401);
    for (folder, body) in
        [("/archive/", "all old stories"), ("/archive/2025/", "the stories of 2025")]
    {
        assert_eq!(assert_sold(server, folder, 2).body, body);
        let read = server.ask(&right(folder));
        assert_eq!((read.status, read.body.as_str()), (200, body));
        assert_eq!(server.ask(&wrong(folder)).status, 401);
    }
    assert_eq!(server.ask(&get("/archive/2025")).status, 301);
    // Nothing is sent for a folder without an index.
    assert_reversed(server, "/archive/empty/", 2, 403);
    assert_eq!(server.ask(&right("/archive/empty/")).status, 403);
}

/// The files of the recipe `crawlers`.
pub fn prepare_crawlers(site: &Site) {
    site.page("news/articles/a.html", "an article", None);
    site.page("news/articles/b.html", "another", None);
    site.page("news/teaser/articles/a.html", "the teaser", None);
}

/// What the recipe `crawlers` promises. The server takes a client's address from `X-Case-Client`.
pub fn crawlers(server: &impl Server) {
    let from = |target: &str, address: &str| get(target).with("X-Case-Client", address);
    for crawler in ["192.0.2.7", "2001:db8:1::7"] {
        let free = server.ask(&from("/articles/a.html", crawler));
        assert_eq!(free.seen(), (200, String::new(), "an article"));
        assert!(free.header("cache-control").unwrap().contains("private"), "{free:?}");
    }
    for (address, price) in [("198.51.100.9", 1), ("203.0.113.5", 3)] {
        let asked = server.ask(&from("/articles/a.html", address));
        assert_eq!(asked.seen(), (402, "unpaid".into(), "the teaser"));
        assert!(asked.header("micromint-request").is_some(), "{asked:?}");
        let asked = server.ask(&from("/articles/b.html", address));
        assert_eq!(price_of(&asked), Some(price), "{asked:?}");
        let target = "/articles/a.html";
        let paid = from(target, address).with_payment(&payment(target, price as usize));
        assert_eq!(server.ask(&paid).seen(), (200, "paid".into(), "an article"));
    }
    // No spelling makes the teaser of one page another page.
    for target in [
        "/articles/%252e%252e/%252e%252e/articles/a.html",
        "/articles/%252e%252e/articles/a.html",
        "/articles/..%2f..%2farticles/a.html",
    ] {
        let asked = server.ask(&from(target, "203.0.113.5"));
        assert!(!asked.body.contains("an article"), "{target}: {asked:?}");
    }
    let pretends = from("/articles/a.html", "203.0.113.5").with("User-Agent", "Googlebot/2.1");
    assert_eq!(server.ask(&pretends).status, 402);
    let cheap = from("/articles/a.html", "203.0.113.5");
    let cheap = server.ask(&cheap.with_payment(&payment("/articles/a.html", 1)));
    assert_eq!(cheap.short(), word(402, "wrong-amount"));
}

/// The files of the recipe `video`.
pub fn prepare_video(site: &Site) {
    site.page("news/video/lecture/index.html", "the player", None);
    site.page("news/video/lecture/lecture.mp4", "0123456789", None);
    site.page("news/video/lecture/poster.jpg", "a poster", None);
    site.page("news/video/other/other.mp4", "abcdefghij", None);
}

/// What the recipe `video` promises.
pub fn video(server: &impl Server) {
    let part = |target: &str, range: &str| get(target).with("Range", range);
    let film = "/video/lecture/lecture.mp4";
    assert_eq!(assert_free(server, "/video/lecture/poster.jpg").body, "a poster");
    assert_eq!(server.ask(&part(film, "bytes=0-3")).short(), word(402, "unpaid"));
    let paid = assert_sold(server, "/video/lecture/", 5);
    assert_eq!(paid.body, "the player");
    let cookie = paid.cookie().unwrap();
    for (range, body) in [("bytes=0-", "0123456789"), ("bytes=6-7", "67"), ("bytes=-1", "9")] {
        let answer = server.ask(&part(film, range).with("Cookie", &cookie));
        assert_eq!(answer.seen(), (206, "receipt".into(), body), "{range}");
    }
    let other = part("/video/other/other.mp4", "bytes=0-3").with("Cookie", &cookie);
    assert_eq!(server.ask(&other).short(), word(402, "unpaid"), "another film");
    for target in ["/video/lecture/..%2fother/other.mp4", "/video/lecture/%2e%2e%2fother/other.mp4"]
    {
        let other = server.ask(&part(target, "bytes=0-3").with("Cookie", &cookie));
        assert!([402, 404].contains(&other.status), "{target}: {other:?}");
    }
    // Paid for a part of the film itself: everything else is open too.
    let first = server.ask(&part(film, "bytes=2-3").with_payment(&payment(film, 5)));
    assert_eq!(first.seen(), (206, "paid".into(), "23"));
    let again = get("/video/lecture/").with("Cookie", &first.cookie().unwrap());
    assert_eq!(server.ask(&again).short(), word(200, "receipt"));
    let beyond = server.ask(&part(film, "bytes=99-").with_payment(&payment(film, 5)));
    assert_eq!(beyond.short(), word(416, "returned"));
}

/// The files of the recipe `sign-on`, and the service: it knows who has the cookie `sso=alice`.
pub fn prepare_sign_on(site: &Site) {
    site.page("news/index.html", "home", None);
    site.page("news/archive/old.html", "an old story", None);
    let listener = TcpListener::bind(("127.0.0.1", site.back_port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let (mut line, mut is_known) = (String::new(), false);
            while stream.read_line(&mut line).is_ok_and(|size| size > 2) {
                is_known |= line.to_ascii_lowercase().trim_end() == "cookie: sso=alice";
                line.clear();
            }
            let status = if is_known { "204 Known" } else { "401 Unknown" };
            let answer =
                format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            // A broken connection is caused by the server in front, which the test notices.
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
}

/// What the recipe `sign-on` promises; a request with the field `name: value` is from someone who
/// is logged in.
pub fn sign_on(server: &impl Server, name: &str, value: &str) {
    assert_eq!(assert_free(server, "/index.html").body, "home");
    assert_eq!(assert_sold(server, "/archive/old.html", 2).body, "an old story");
    let known = server.ask(&get("/archive/old.html").with(name, value));
    assert_eq!((known.status, known.body.as_str()), (200, "an old story"));
    assert_ne!(known.word(), "paid");
    assert!(known.header("cache-control").unwrap().contains("private"), "{known:?}");
    let page = page_402(server, "/archive/old.html");
    let link = "https://sso.example/start?rd=https%3A%2F%2Fnews.example%2Farchive%2Fold.html";
    assert!(page.contains(link), "{page}");
}

/// The files of the recipe `several-sites`.
pub fn prepare_several_sites(site: &Site) {
    for host in ["news.example", "blog.news.example", "shop.example"] {
        site.page(&format!("{host}/page.html"), host, Some("1\n"));
        site.page(&format!("{host}/free.html"), "free", None);
    }
    site.page("internal/page.html", "for nobody", None);
    std::fs::create_dir(site.path("shop-periods")).unwrap();
    for file in std::fs::read_dir(site.path("periods")).unwrap().flatten() {
        std::fs::copy(file.path(), site.path("shop-periods").join(file.file_name())).unwrap();
    }
}

/// What the recipe `several-sites` promises.
pub fn several_sites(server: &impl Server) {
    let pay = |vendor: &str, host: &str| {
        let payment = payment_to(vendor, host, "/page.html", 1);
        server.ask(&request("GET", host, "/page.html").with_payment(&payment))
    };
    for (host, vendor, other) in [
        ("news.example", "news.example", "shop.example"),
        ("blog.news.example", "news.example", "shop.example"),
        ("shop.example", "shop.example", "news.example"),
    ] {
        let free = server.ask(&request("GET", host, "/free.html"));
        assert_eq!(free.short(), word(200, ""), "{host}");
        let asked = server.ask(&request("GET", host, "/page.html"));
        assert_eq!(asked.short(), word(402, "unpaid"), "{host}");
        assert!(asked.body.contains(&format!("https://{host}/page.html")), "{}", asked.body);
        assert_eq!(pay(other, host).short(), word(402, "other-vendor"), "{host}");
        let paid = pay(vendor, host);
        assert_eq!(paid.seen(), (200, "paid".into(), host));
        let again = request("GET", host, "/page.html").with("Cookie", &paid.cookie().unwrap());
        assert_eq!(server.ask(&again).short(), word(200, "receipt"), "{host}");
    }
    for host in ["internal", "www.shop.example", "192.0.2.1"] {
        let unknown = server.ask(&request("GET", host, "/page.html"));
        assert_eq!(unknown.status, 421, "{host}: {unknown:?}");
    }
    let tills =
        ["till", "shop-till"].map(|till| crate::server::coins_in(&server.site().path(till)));
    assert_eq!(tills, [2, 1]);
}

/// The files of the recipe `remove`.
pub fn prepare_remove(site: &Site) {
    site.page("news/page.html", "a page", Some("1\n"));
}

/// What the recipe `remove` promises while the module is there.
pub fn remove(server: &impl Server) {
    assert_eq!(assert_sold(server, "/page.html", 1).body, "a page");
    assert!([403, 404].contains(&server.ask(&get("/page.html.mm")).status));
}

/// What the section about the log says of the till: it has the address of the page and the User-ID
/// until it is redeemed, and never the network address. The server has the recipe `video`.
pub fn what_the_till_stores(server: &impl Server) {
    assert_sold(server, "/video/lecture/", 5);
    let (mut all, till) = (Vec::new(), server.site().path("till"));
    for file in std::fs::read_dir(till).unwrap() {
        all.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let has = |text: &str| all.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(has("alice") && has("https://news.example/video/lecture/"));
    assert!(!has("127.0.0.1"));
    let log = server.log();
    assert!(!log.contains("alice"), "the event log is off by default: {log}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_of_the_document_is_known() {
        for server in ["nginx", "apache"] {
            let mut found: Vec<_> = blocks()
                .into_iter()
                .filter(|block| block.language == server && block.file.is_none())
                .map(|block| block.recipe)
                .filter(|recipe| recipe != "common")
                .collect();
            found.dedup();
            assert_eq!(found, RECIPES, "{server}");
        }
    }
}
