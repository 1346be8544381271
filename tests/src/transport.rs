//! Forms of requests: what the tests of every server send and check in the same way. The server
//! sells everything of a new site.

use std::process::Command;
use std::time::Duration;

use micromint::protocol::{PAYMENT_SIZE_MAX, Payment};

use crate::client::{Connection, RequestText, Response, base64url};
use crate::payer;
use crate::server::{Server, word};
use crate::site::Site;

/// The answer to a request that paid.
pub fn paid() -> (u16, String) {
    word(200, "paid")
}

/// The head of a POST of a payment whose body comes in chunks.
pub fn chunked_head(target: &str) -> Vec<u8> {
    RequestText::new("POST", target)
        .with("Content-Type", "application/x-micromint")
        .with("Transfer-Encoding", "chunked")
        .to_bytes()
}

/// A POST whose body comes as chunks of `size` bytes.
pub fn chunked(target: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = chunked_head(target);
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Chunked bodies pay, whatever the size of the chunks, and a body one byte longer than the longest
/// payment is refused.
pub fn chunked_bodies_pay(server: &impl Server) {
    let mut connection = Connection::open(server.site().port);
    for size in [1, 7, 100, 10_000] {
        let payment = payer::payment(&server.site().url("/one.html"), 1).to_bytes();
        connection.send(chunked("/one.html", &payment, size));
        assert_eq!(connection.receive("POST").short(), paid(), "chunks of {size}");
    }
    connection.send(chunked("/one.html", &vec![b'a'; PAYMENT_SIZE_MAX + 1], 4096));
    assert_eq!(connection.receive("POST").status, 413);
}

/// Requests of all kinds in a row, before any answer is read, are answered in order.
pub fn pipelined_requests_are_answered_in_order(server: &impl Server) {
    let mut connection = Connection::open(server.site().port);
    let payment = payer::payment(&server.site().url("/one.html"), 1);
    let requests = [
        RequestText::get("/one.html"),
        RequestText::post("/one.html", &payment),
        RequestText::get("/free.html"),
        RequestText::post_bytes("/one.html", b"nonsense"),
        RequestText::get("/free.html"),
    ];
    connection.send(requests.iter().flat_map(RequestText::to_bytes).collect::<Vec<u8>>());
    let seen: Vec<_> =
        requests.iter().map(|request| connection.receive(&request.method).short()).collect();
    assert_eq!(
        seen,
        [word(402, "unpaid"), paid(), word(200, ""), word(402, "malformed"), word(200, "")]
    );
}

/// A client that sends its payment only after a pause, as it does when it waits for 100 Continue.
pub fn expect_100_continue_pays(server: &impl Server) {
    let payment = payer::payment(&server.site().url("/one.html"), 1);
    let request = RequestText::post("/one.html", &payment).with("Expect", "100-continue");
    let mut connection = Connection::open(server.site().port);
    let bytes = request.to_bytes();
    let (head, body) = bytes.split_at(bytes.len() - request.body.len());
    connection.send(head);
    std::thread::sleep(Duration::from_millis(50));
    connection.send(body);
    assert_eq!(connection.receive("POST").short(), paid());
}

/// Payments over TLS with HTTP/2 and HTTP/1.1, in the body and in the header. The server has the
/// certificate of [`Site::make_certificate`] and listens on the TLS port of the site.
pub fn http_2_over_tls_pays(server: &impl Server) {
    let site = server.site();
    let url = format!("https://localhost:{}/one.html", site.tls_port);
    let unpaid = curl(site, &["--http2", "-H", "Accept: application/x-micromint", &url]);
    assert_eq!(unpaid.short(), word(402, "unpaid"));
    assert!(unpaid.body.contains(&format!("URL: {url}\r\n")), "the origin of TLS: {}", unpaid.body);
    for extra in [&["--http2"][..], &["--http1.1"], &["--http2", "-H", "Content-Length:"]] {
        std::fs::write(site.path("payment"), payer::payment(&url, 1).to_bytes()).unwrap();
        let file = format!("@{}", site.path("payment").display());
        let base = ["-H", "Content-Type: application/x-micromint", "--data-binary", &file, &url];
        let answer = curl(site, &[extra, &base].concat());
        assert_eq!(answer.seen(), (200, "paid".to_string(), "content for one"), "{extra:?}");
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
    }
    assert_eq!(get_over_http_2(site, &url, &payer::payment(&url, 1)).short(), paid());
    // The plain origin's URL is that of another page.
    let plain = payer::payment(&site.url("/one.html"), 1);
    assert_eq!(get_over_http_2(site, &url, &plain).short(), word(402, "other-page"));
}

/// GETs a URL over HTTP/2, with a payment in the header.
pub fn get_over_http_2(site: &Site, url: &str, payment: &Payment) -> Response {
    let header = format!("MicroMint-Payment: {}", base64url(&payment.to_bytes()));
    curl(site, &["--http2", "-H", &header, url])
}

/// Sends a request with curl, to the TLS port too.
pub fn curl(site: &Site, arguments: &[&str]) -> Response {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--include", "--max-time", "20"])
        .args(["--resolve", &format!("localhost:{}:127.0.0.1", site.tls_port)])
        .args(arguments)
        .output()
        .expect("the program curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let field = |line: &str| {
        line.split_once(':').map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_string()))
    };
    Response { status, headers: lines.filter_map(field).collect(), body: body.to_string() }
}
