//! Requests that try to get a priced page without paying, byte by byte, and other things that must
//! not open one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use micromint_servers::client::{Connection, RequestText};
use micromint_servers::nginx::Nginx;
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use micromint_servers::wait_until;
use rustix::fs::{FlockOperation, flock};

/// A priced file, a priced application behind a proxy, and what they must not disclose.
const SHOP: &str = "micromint_config vendor.toml;
    server { %SERVER% micromint on;
        location /app/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%/;
            proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; }
        location ~ ^/files/(.*)$ { alias %FOLDER%/www/$1; micromint_price 1; } }
    server { listen 127.0.0.1:%BACK_PORT%;
        location / { add_header X-Seen '$request_method $http_x_http_method_override$http_micromint_payment$content_type'; return 200 'secret'; } }";

/// Sends bytes and returns everything that comes back until the server closes or stops sending.
fn raw(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request as text: its first line and further fields.
fn request(first: &str, fields: &str) -> String {
    format!("{first}\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n")
}

#[test]
fn nothing_opens_a_priced_page_but_a_payment() {
    let nginx = Nginx::start(Site::new(), SHOP);
    let port = nginx.site().port;
    let get = |target: &str| request(&format!("GET {target} HTTP/1.1"), "");
    let with = |fields: &str| request("GET /app/x HTTP/1.1", fields);
    let mut rows: Vec<String> = Vec::new();
    for method in [
        "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "PROPFIND", "MKCOL", "COPY",
        "LOCK", "TRACE", "CONNECT", "get", "FOO", "G-T",
    ] {
        for target in ["/one.html", "/app/x", "/files/free.html"] {
            rows.push(request(&format!("{method} {target} HTTP/1.1"), "Content-Length: 0\r\n"));
        }
    }
    for header in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Original-Method",
        "_method",
    ] {
        for method in ["HEAD", "OPTIONS", "GET"] {
            rows.push(with(&format!("{header}: {method}\r\n")));
        }
    }
    for fields in [
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "X-Original-URL: /free.html\r\n",
        "X-Rewrite-URL: /free.html\r\n",
        "X-Accel-Redirect: /free.html\r\n",
        "X-Forwarded-Host: free.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=free.example\r\n",
        "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n",
        "Range: bytes=0-\r\n",
        "If-None-Match: *\r\n",
        "If-Match: \"x\"\r\n",
        "Accept: text/html;q=0, */*;q=0\r\n",
        "MicroMint-Status: paid\r\n",
        "MicroMint-Payment:\r\n",
        "MicroMint-Payment: e30\r\n",
        "MicroMint-Payment: e30\r\nMicroMint-Payment: e30\r\n",
        "Authorization: Payment e30\r\n",
        "Payment-Authorization: Payment e30\r\nAuthorization: Payment e30\r\n",
        "Cookie: micromint-0123456789abcdef=9999999999.AAAA\r\n",
        "Expect: 100-continue\r\n",
        "Content-Type: application/x-micromint\r\nContent-Length: 0\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        rows.push(with(fields));
    }
    for target in [
        "/%6fne.html",
        "/one%2ehtml",
        "/%2e/one.html",
        "/./one.html",
        "/x/../one.html",
        "/%2e%2e/one.html",
        "//one.html",
        "///one.html",
        "/one.html?",
        "/one.html?x=/free.html",
        "/one.html#free",
        "/one.html%23",
        "/one.html;free",
        "/one.html;jsessionid=1",
        "/one.html/",
        "/one.html/free.html",
        "/one.html%00",
        "/one.html%00.css",
        "/one.html%20",
        "/one.html.",
        "/one.html::$DATA",
        "/one.html%0d%0aX-Injected:%20yes",
        "/ONE.HTML",
        "/app/../app/x",
        "//app/x",
        "/app//x",
        "/app/%2e%2e/app/x",
        "/%61pp/x",
        "/app%2fx",
        "/app/x;free",
        "/app/x%0d%0aX-Injected:%20yes",
        "/files/free.html",
        "/files//free.html",
        "/files/../files/free.html",
        "/%66iles/free.html",
        "/files/one.html",
        "\\one.html",
        "/one.html\\",
    ] {
        rows.push(get(target));
    }
    for host in [
        "evil.example",
        "",
        "free.html",
        "localhost:1",
        "LOCALHOST",
        "[::1]",
        "a b",
        "evil.example/free.html",
    ] {
        for target in ["/one.html", "/app/x"] {
            rows.push(format!(
                "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            ));
        }
    }
    rows.push(
        "GET /one.html HTTP/1.1\r\nHost: a\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            .to_string(),
    );
    for first in [
        "GET http://localhost/one.html HTTP/1.1",
        "GET http://evil.example/one.html HTTP/1.1",
        "GET https://user@localhost/one.html HTTP/1.1",
        "GET HTTP://localhost//one.html HTTP/1.1",
        "GET http://localhost/app/x HTTP/1.0",
        "GET  /one.html HTTP/1.1",
        "GET /one.html  HTTP/1.1",
        "GET\t/one.html HTTP/1.1",
        "GET /one.html HTTP/1.9",
        "GET /one.html HTTP/2.0",
        "GET /one.html",
        "GET /app/x",
    ] {
        rows.push(request(first, ""));
    }
    // Larger than nginx accepts: one line, all fields together, and the number of fields.
    rows.push(get(&format!("/one.html?{}", "a".repeat(20_000))));
    rows.push(with(&format!("Cookie: {}\r\n", "a=b; ".repeat(5_000))));
    rows.push(with(&"X-Many: y\r\n".repeat(3_000)));
    for row in &rows {
        let answer = raw(port, row.as_bytes());
        let shown = &row[..row.len().min(200)];
        assert!(!answer.contains("secret") && !answer.contains("content for"), "{shown}\n{answer}");
        assert!(!answer.contains("\r\nX-Injected"), "{shown}\n{answer}");
        assert!(
            !answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.1 204"),
            "{shown}\n{answer}"
        );
        if let Some(message) = answer.split("\r\nURL: ").nth(1) {
            let origin = nginx.site().url("/");
            assert!(
                message.starts_with(&origin),
                "the URL is of the vendor's own origin: {shown}\n{answer}"
            );
        }
    }
    assert_eq!(
        nginx.pay("/app/x", 1).seen(),
        (200, "paid".to_string(), "secret"),
        "and a payment does"
    );
    assert!(!nginx.log().contains("[alert]"), "{}", nginx.log());
}

#[test]
fn what_was_paid_for_is_asked_for_as_paid() {
    let nginx = Nginx::start(Site::new(), SHOP);
    let url = nginx.site().url("/app/x");
    let paid = RequestText::get("/app/x").with_payment(&payer::payment(&url, 1));
    let answer = nginx.ask(&paid.with("X-HTTP-Method-Override", "DELETE"));
    assert_eq!((answer.status, answer.header("x-seen").unwrap().as_str()), (200, "GET"));
    let paid = RequestText::post("/app/x", &payer::payment(&url, 1))
        .with("X-HTTP-Method-Override", "DELETE");
    let answer = nginx.ask(&paid);
    assert_eq!((answer.status, answer.header("x-seen").unwrap().as_str()), (200, "GET"));
}

#[test]
fn only_what_was_paid_for_is_mirrored() {
    let nginx = Nginx::start(
        Site::new(),
        "micromint_config vendor.toml;
         server { %SERVER% micromint on; mirror /copy;
             location = /copy { internal; proxy_pass http://127.0.0.1:%BACK_PORT%$request_uri; } }
         server { listen 127.0.0.1:%BACK_PORT%; access_log logs/copies.log gate; return 200 'copy'; }",
    );
    let copies = || {
        std::fs::read_to_string(nginx.site().path("logs/copies.log"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    for _ in 0..5 {
        assert_eq!(nginx.get("/one.html").status, 402);
    }
    assert_eq!(nginx.pay("/one.html", 1).seen(), (200, "paid".to_string(), "content for one"));
    assert_eq!(nginx.get("/free.html").body, "free");
    wait_until("the copies", || copies() == 2);
}

#[test]
fn when_the_queue_of_threads_is_full_nothing_is_kept_and_free_pages_go_on() {
    let site = Site::new();
    site.write("vendor.toml", &site.vendor_toml("till").replace("\"os\"", "\"always\""));
    let nginx = Nginx::start(
        site,
        "worker_processes 1; thread_pool default threads=1 max_queue=1; %MAIN%
         micromint_config vendor.toml; server { %SERVER% micromint on; }",
    );
    let url = nginx.site().url("/one.html");
    assert_eq!(nginx.pay("/one.html", 1).word(), "paid");
    let lock = std::fs::File::open(nginx.site().path("till/lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let payments: Vec<_> = (0..4).map(|_| payer::payment(&url, 1)).collect();
    let mut waiting = Vec::new();
    let mut refused = Vec::new();
    for payment in &payments {
        let mut connection = Connection::open(nginx.site().port);
        connection.send(RequestText::get("/one.html").with_payment(payment).to_bytes());
        assert_eq!(nginx.get("/free.html").body, "free", "while payments wait");
        waiting.push(connection);
    }
    // One is being processed and one waits; the others were refused immediately.
    for connection in &mut waiting[2..] {
        let answer = connection.receive("GET");
        assert_eq!(answer.short(), (503, "unavailable".to_string()));
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        refused.push(answer);
    }
    assert!(nginx.log().contains("queue"), "{}", nginx.log());
    flock(&lock, FlockOperation::Unlock).unwrap();
    for connection in &mut waiting[..2] {
        assert_eq!(connection.receive("GET").short(), (200, "paid".to_string()));
    }
    for payment in &payments[2..] {
        let again = nginx.ask(&RequestText::get("/one.html").with_payment(payment));
        assert_eq!(again.short(), (200, "paid".to_string()), "it was not kept");
    }
    assert_eq!(refused.len(), 2);
}

#[test]
fn the_manifest_is_answered_where_try_files_finds_nothing() {
    let nginx = Nginx::with_server(Site::new(), "location / { try_files $uri $uri/ =404; }");
    let manifest = nginx.get("/.well-known/micromint");
    assert_eq!(manifest.status, 200);
    assert_eq!(manifest.header("content-type").unwrap(), "application/json");
    assert!(manifest.body.contains("\"localhost\""), "{}", manifest.body);
    assert_eq!(nginx.get("/.well-known/micromint/").status, 404);
    let off = Nginx::start(
        Site::new(),
        "micromint_config vendor.toml; server { %SERVER% micromint on; location /.well-known/ { micromint off; } }",
    );
    assert_eq!(off.get("/.well-known/micromint").status, 404);
}
