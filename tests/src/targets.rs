//! What decides the price of a request is the page that the server serves for it: thousands of
//! ways to write a request target, sent to a real server that has a price for everything.
//!
//! Each page says what it costs at least, `PAGE 5`. In a dry run the server sends the pages, and
//! beside each the price that was decided: it must be no lower. Without the dry run, nothing comes
//! without a payment.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Connection, RequestText, base64url};
use crate::payer;
use crate::server::Server;
use crate::site::Site;

/// The longest time for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// The number of targets that are made up.
const MADE_UP: usize = 2500;
/// The longest time for all targets of one server.
const TARGETS_PATIENCE: Duration = Duration::from_secs(60);
/// The field in which a server says what was decided: a word and a price.
const DECIDED: &str = "X-Decided: ";

/// The vendor's list: everything costs something.
const LIST: &str = "
[[price]]
path = \"/{*rest}\"
coins = 1

[[price]]
path = \"/{*rest}\"
hosts = \"dear.news.example\"
coins = 5

[[price]]
path = \"/dear.html\"
coins = 5

[[price]]
path = \"/d%2Fx.html\"
coins = 5

[[price]]
path = \"/dear/{*rest}\"
coins = 5

[[price]]
path = \"/in/dear/{*rest}\"
coins = 7
";

/// A page with the least that it costs.
const PAGES: &[(&str, u32)] = &[
    ("www/index.html", 1),
    ("www/cheap.html", 1),
    ("www/dear.html", 5),
    ("www/d%2Fx.html", 5),
    ("www/dear/index.html", 5),
    ("www/dear/page.html", 5),
    ("www/dear/b;c.html", 5),
    ("www/in/index.html", 1),
    ("www/in/dear/page.html", 7),
    ("www/led/page.html", 1),
    ("www-dear/index.html", 5),
    ("www-dear/cheap.html", 5),
    ("www-dear/dear.html", 5),
];

/// A site with these pages and this list, for the hosts `news.example` and `dear.news.example`.
pub fn site() -> Site {
    let site = Site::new();
    let port = site.port;
    site.write(
        "vendor.toml",
        &format!(
            "vendor-id = \"news.example\"\n\
             origins = [\"http://news.example:{port}\", \"http://dear.news.example:{port}\"]\n\
             periods = \"periods\"\ntill = \"till\"\nsync = \"os\"\nprices = \"prices.toml\"\n"
        ),
    );
    site.write("prices.toml", LIST);
    for (name, price) in PAGES {
        site.write(name, &format!("PAGE {price}\n"));
    }
    site
}

/// The http{} of nginx: on a port with two hosts, and on a port with other settings for paths and
/// with all that leads on.
pub fn nginx(dry_run: &str) -> String {
    format!(
        "micromint_config vendor.toml; micromint on; micromint_dry_run {dry_run};
         micromint_exemptions off; add_header X-Decided '$micromint_status $micromint_price' always;
         server {{ %SERVER% }}
         server {{ listen 127.0.0.1:%PORT%; server_name dear.news.example;
             root %FOLDER%/www-dear; }}
         server {{ listen 127.0.0.1:%BACK_PORT%; root %FOLDER%/www; merge_slashes off; ssi on;
             error_page 404 =200 /led/page.html;
             location /old/ {{ rewrite ^ /led/page.html last; }}
             location /try/ {{ try_files $uri /led/page.html; }}
             location /alias/ {{ alias %FOLDER%/www/led/; }}
         }}"
    )
}

/// The configuration of Apache: the same, and on a third port encoded slashes that stay.
pub fn apache(dry_run: &str) -> String {
    format!(
        "MicroMintConfig vendor.toml\nMicroMint On\nMicroMintDryRun {dry_run}
         MicroMintExemptions Off\nDirectoryIndex index.html\nAcceptPathInfo Off
         Header always set X-Decided \"%{{MICROMINT_STATUS}}e %{{MICROMINT_PRICE}}e\"
         Listen 127.0.0.1:%BACK_PORT%
         Listen 127.0.0.1:%TLS_PORT%
         <Directory %FOLDER%/www-dear>\nRequire all granted\n</Directory>
         <VirtualHost 127.0.0.1:%PORT%>\nServerName news.example\n</VirtualHost>
         <VirtualHost 127.0.0.1:%PORT%>\nServerName dear.news.example
         DocumentRoot %FOLDER%/www-dear\n</VirtualHost>
         <VirtualHost 127.0.0.1:%BACK_PORT%>\nServerName news.example\n{LOOSE}</VirtualHost>
         <VirtualHost 127.0.0.1:%BACK_PORT%>\nServerName dear.news.example
         MergeSlashes Off\n{LOOSE}</VirtualHost>
         <VirtualHost 127.0.0.1:%TLS_PORT%>\nServerName news.example
         AllowEncodedSlashes NoDecode\nMergeSlashes Off\n</VirtualHost>\n"
    )
}

/// What makes Apache less strict, and all that leads on.
const LOOSE: &str = "HttpProtocolOptions Unsafe LenientMethods Allow0.9
AllowEncodedSlashes On
FallbackResource /led/page.html
ErrorDocument 404 /led/page.html
Alias /alias/ %FOLDER%/www/led/
RewriteEngine On
RewriteRule ^/old/ /led/page.html [PT]
";

/// Targets that are odd in a way that was once wrong, or could be.
const ODD: &[&str] = &[
    "/",
    "/dear.html",
    "http://news.example",
    "http://news.example/dear.html",
    "http://news.example?x",
    "http://dear.news.example/cheap.html",
    "https://dear.news.example/cheap.html",
    "https://news.example/cheap.html",
    "HTTP://NEWS.EXAMPLE./cheap.html",
    "http:///cheap.html",
    "https:///cheap.html",
    "http://?x",
    "http://",
    "http://:80/cheap.html",
    "http://u:p@news.example/cheap.html",
    "http://news.example#f",
    "http://news.example;x",
    "http://news.example\\@dear.news.example/cheap.html",
    "ftp://news.example/dear.html",
    "?x",
    "?",
    "#x",
    "",
    "*",
    "http:",
    "http:?x",
    "http:dear.html",
    "http:/dear.html",
    "https:/dear.html",
    "http:/dear.html?://b/cheap.html",
    "http:/dear.html#://b/cheap.html",
    "http:/dear/..;/dear.html?://b/cheap.html",
    "dear.html",
    "./dear.html",
    "\\dear.html",
    "//news.example/dear.html",
    "/dear.html#/cheap.html",
    "/dear.html?/../cheap.html",
    "/cheap.html/../dear.html",
    "/cheap.html/%2e%2e/dear.html",
    "/in/a%2fb/../dear%2fpage.html",
    "/in/a%2fb/../..%2fdear.html",
    "/dear%2fpage.html",
    "/d%2fx.html",
    "/d%252fx.html",
    "/d%252Fx.html",
    "/dear/b;c.html",
    "/dear/b%3bc.html",
    "/dear.html;x",
    "/dear.html/",
    "/dear.html/x",
    "/dear.html.",
    "/dear%2ehtml",
    "/dear.html%00",
    "/dear.html%20",
    "/dear.html\t",
    "/%c0%ae/dear.html",
    "/dear/%c0%ae%c0%ae/cheap.html",
    "/old/x",
    "/try/x",
    "/alias/page.html",
    "/none",
];

/// How targets that are made up begin. Most are paths.
const BEGINNINGS: &[&str] = &[
    "/",
    "/",
    "/",
    "/",
    "/",
    "/",
    "/in/",
    "/dear/",
    "//",
    "",
    "?",
    "http:",
    "http:/",
    "https:/",
    "http://",
    "http:///",
    "http://news.example",
    "http://news.example/",
    "http://dear.news.example/",
    "https://dear.news.example/",
    "HTTP://news.example.:80/",
    "ftp://news.example/",
];

/// What they are made of.
const PARTS: &[&str] = &[
    "dear",
    "dear",
    "dear.html",
    "page.html",
    "in",
    "cheap.html",
    "index.html",
    "b;c.html",
    "d",
    "x.html",
    "x",
    "/",
    "/",
    "/",
    "/",
    "//",
    ".",
    "..",
    "/.",
    "/../",
    "/../",
    "%2e",
    "%2E%2e",
    ".%2e",
    "%2f",
    "%2F",
    "%2f..",
    "..%2f",
    "%2f%2e%2e%2f",
    "%5c",
    "\\",
    ";",
    ";x=1",
    "%3b",
    "%25",
    "%252f",
    "%252e",
    "%00",
    "%0a",
    "%20",
    "%3f",
    "%23",
    "?",
    "#",
    "%c0%ae",
    "%c0%af",
    "%c3%a9",
    "%",
    "%g",
    "...",
    "+",
    "&",
    "=",
    ":",
    "@",
    "*",
    "~",
    "%64ear.html",
    "d%65ar",
    "://",
    "://b/cheap.html",
    "http:",
    "led/",
    "old/",
    "\t",
    "\u{1}",
];

/// A sequence of numbers that is the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// All targets.
fn targets() -> Vec<String> {
    let mut numbers = Numbers(0x006d_6963_726f_6d69);
    let mut all: Vec<String> = ODD.iter().map(ToString::to_string).collect();
    all.push(format!("/dear.html?{}", "x".repeat(6000)));
    all.push(format!("/{}dear.html", "./".repeat(1500)));
    all.push(format!("{}in/dear/page.html", "/".repeat(3000)));
    for _ in 0..MADE_UP {
        let mut target = numbers.one_of(BEGINNINGS).to_string();
        for _ in 0..numbers.below(8) {
            target += numbers.one_of(PARTS);
        }
        all.push(target);
    }
    all
}

/// An answer of which nothing is assumed.
struct Seen {
    status: u16,
    /// What the page that was sent costs at least.
    page: Option<u32>,
    /// The word and the price that were decided.
    decided: (String, u32),
}

fn seen(port: u16, method: &str, target: &str, host: &str) -> Seen {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).unwrap();
    let fields = "Connection: close\r\nContent-Length: 0\r\n";
    let text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or(("", &text));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let page = body.lines().find_map(|line| line.strip_prefix("PAGE ")?.trim().parse().ok());
    let said = head.lines().find_map(|line| line.strip_prefix(DECIDED)).unwrap_or_default();
    let (word, price) = said.split_once(' ').unwrap_or((said, ""));
    let decided = (word.to_string(), price.trim().parse().unwrap_or(0));
    Seen { status, page, decided }
}

/// The hosts that the Host field names, in turn.
const HOSTS: &[&str] = &["news.example", "dear.news.example", "localhost"];
/// The methods, in turn. Most requests are a GET.
const METHODS: &[&str] =
    &["GET", "GET", "GET", "GET", "HEAD", "GET", "POST", "GET", "OPTIONS", "GET", "BREW", "TRACE"];

/// Sends every target to every port, with the method and host of its number, and those of [`ODD`]
/// with every host. Returns what `fault` says about the answers.
fn faults(ports: &[u16], fault: impl Fn(&Seen, &str) -> Option<String>) -> Vec<String> {
    let start = Instant::now();
    let mut found = Vec::new();
    for (number, target) in targets().iter().enumerate() {
        let is_odd = number < ODD.len();
        let methods = if is_odd { METHODS } else { &METHODS[number % METHODS.len()..][..1] };
        for (at, method) in methods.iter().enumerate() {
            for port in ports {
                let host = HOSTS[(number / METHODS.len() + at) % HOSTS.len()];
                let answer = seen(*port, method, target, host);
                if let Some(fault) = fault(&answer, method) {
                    let at = ports.iter().position(|other| other == port).unwrap();
                    found.push(format!("{method} {target:?} at {host}, port {at}: {fault}"));
                }
                assert!(start.elapsed() < TARGETS_PATIENCE, "at target {number}");
            }
        }
    }
    found
}

fn report(faults: &[String]) {
    let shown = faults.len().min(40);
    assert!(faults.is_empty(), "{} answers:\n{}", faults.len(), faults[..shown].join("\n"));
}

/// In a dry run: the price that was decided is no lower than that of the page that was sent.
pub fn assert_priced_as_served(ports: &[u16]) {
    let pages = std::cell::Cell::new((0, 0));
    report(&faults(ports, |answer, _| {
        // Error pages are free.
        let page = answer.page.filter(|_| (200..300).contains(&answer.status))?;
        let (all, dear) = pages.get();
        pages.set((all + 1, dear + u32::from(page > 1)));
        let (word, price) = &answer.decided;
        let is_right = match word.as_str() {
            "unpaid" => *price >= page,
            // What the paywall would refuse, nobody gets at any price.
            word => word == "bad-request",
        };
        let status = answer.status;
        (!is_right).then(|| format!("{status} with PAGE {page} for {price} ({word:?})"))
    }));
    let (all, dear) = pages.get();
    assert!(all > 1000 && dear > 150, "only {all} pages were seen, {dear} of them dear");
}

/// Nothing that has a price is sent without a payment.
pub fn assert_nothing_is_free(ports: &[u16]) {
    report(&faults(ports, |answer, method| {
        let is_success = (200..300).contains(&answer.status);
        // These are answered without a page.
        let is_about = matches!(method, "OPTIONS" | "TRACE");
        (is_success && (answer.page.is_some() || !is_about))
            .then(|| format!("{} with PAGE {:?}", answer.status, answer.page))
    }));
}

/// What a payment for the cheap page opens: that page at its host, and no other, however its target
/// is written. Pays at `server`.
pub fn assert_a_receipt_opens_one_page(server: &impl Server) {
    let port = server.site().port;
    let url = format!("http://news.example:{port}/cheap.html");
    let payment = payer::payment_to("news.example", &url);
    let paid = |target: &str, host: &str, fields: &[(&str, &str)]| {
        let mut request = RequestText::get(target).with("Connection", "close");
        request.headers[0].1 = host.to_string();
        for (name, value) in fields {
            request = request.with(name, value);
        }
        Connection::open(port).ask(&request)
    };
    let coins = base64url(&payment.to_bytes());
    let answer = paid("/cheap.html", "news.example", &[("MicroMint-Payment", &coins)]);
    assert_eq!(answer.short(), (200, "paid".to_string()), "{}", answer.body);
    let cookie = answer.cookie().unwrap();
    let has = [("Cookie", cookie.as_str())];
    for target in ["/cheap.html", "http://news.example/cheap.html"] {
        assert_eq!(paid(target, "news.example", &has).word(), "receipt", "{target}");
    }
    for (target, host) in [
        ("/dear.html", "news.example"),
        ("/cheap.html", "dear.news.example"),
        ("http://dear.news.example/cheap.html", "news.example"),
        ("https://news.example/cheap.html", "dear.news.example"),
        ("http:/dear.html?://b/cheap.html", "news.example"),
        ("http:/dear.html#://b/cheap.html", "news.example"),
        ("http://news.example/dear.html?://b/cheap.html", "news.example"),
        ("/cheap.html/../dear.html", "news.example"),
        ("/cheap.html%2f..%2fdear.html", "news.example"),
        ("/dear.html#/cheap.html", "news.example"),
    ] {
        let answer = paid(target, host, &has);
        // nginx heeds the host of every absolute target.
        let is_cheap = answer.body == "PAGE 1\n";
        assert!(is_cheap || !answer.body.contains("PAGE"), "{target} at {host}: {}", answer.body);
    }
}
