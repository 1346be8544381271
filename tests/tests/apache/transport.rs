//! All forms of requests: versions of HTTP, bodies of all kinds, ranges, conditions, aborting
//! clients.

use std::process::Command;
use std::time::Duration;

use micromint_servers::apache::{Apache, Mpm, SELLING, module};
use micromint_servers::client::{Connection, RequestText, Response, base64url};
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;

fn paid() -> (u16, String) {
    (200, "paid".to_string())
}

/// The body of a POST as chunks of `size` bytes.
fn chunked(target: &str, body: &[u8], size: usize) -> Vec<u8> {
    let request = RequestText::new("POST", target)
        .with("Content-Type", "application/x-micromint")
        .with("Transfer-Encoding", "chunked");
    let mut bytes = request.to_bytes();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[test]
fn bodies_of_every_kind_pay() {
    for mpm in Mpm::ALL {
        let apache = Apache::start_with(Site::new(), mpm, &module(), SELLING);
        let url = apache.site().url("/one.html");
        let mut connection = Connection::open(apache.site().port);
        for size in [1, 7, 100, 10_000] {
            connection.send(chunked("/one.html", &payer::payment(&url, 1).to_bytes(), size));
            assert_eq!(connection.receive("POST").short(), paid(), "chunks of {size}");
        }
        let request = RequestText::post("/one.html", &payer::payment(&url, 1)).by_http_1_0();
        assert_eq!(apache.ask(&request).short(), paid(), "HTTP/1.0");
        // Byte by byte, and with a client that waits for 100 Continue.
        for byte in RequestText::post("/one.html", &payer::payment(&url, 1)).to_bytes() {
            connection.send([byte]);
        }
        assert_eq!(connection.receive("POST").short(), paid());
        let request =
            RequestText::post("/one.html", &payer::payment(&url, 1)).with("Expect", "100-continue");
        let bytes = request.to_bytes();
        let (head, body) = bytes.split_at(bytes.len() - request.body.len());
        connection.send(head);
        std::thread::sleep(Duration::from_millis(20));
        connection.send(body);
        assert_eq!(connection.receive("POST").short(), paid());
        // All kinds in a row, before any answer is read.
        let requests = [
            RequestText::get("/one.html"),
            RequestText::post("/one.html", &payer::payment(&url, 1)),
            RequestText::get("/free.html"),
            RequestText::post_bytes("/one.html", b"nonsense"),
            RequestText::get("/free.html"),
        ];
        connection.send(requests.iter().flat_map(RequestText::to_bytes).collect::<Vec<u8>>());
        let seen: Vec<_> =
            requests.iter().map(|request| connection.receive(&request.method).short()).collect();
        let word = |status, word: &str| (status, word.to_string());
        assert_eq!(
            seen,
            [word(402, "unpaid"), paid(), word(200, ""), word(402, "malformed"), word(200, "")]
        );
        // One byte more than the largest payment, with both ways of stating a length.
        let limit = micromint::protocol::PAYMENT_SIZE_MAX;
        connection.send(chunked("/one.html", &vec![b'a'; limit + 1], 4096));
        assert_eq!(connection.receive("POST").status, 413);
        let long = RequestText::post_bytes("/one.html", &vec![b'a'; limit + 1]);
        assert_eq!(apache.ask(&long).status, 413);
        let full = RequestText::post_bytes("/one.html", &vec![b'a'; limit]);
        assert_eq!(apache.ask(&full).short(), word(402, "malformed"));
    }
}

#[test]
fn limits_and_time_outs_of_apache_hold_and_nothing_is_charged() {
    let text = "LimitRequestBody 100\n";
    let apache = Apache::selling(Site::new(), text);
    assert_eq!(apache.pay("/one.html", 1).status, 413);
    drop(apache);
    let apache = Apache::selling(Site::new(), "RequestReadTimeout body=1\n");
    let payment = payer::payment(&apache.site().url("/one.html"), 1);
    let bytes = RequestText::post("/one.html", &payment).to_bytes();
    let mut connection = Connection::open(apache.site().port);
    connection.send(&bytes[..bytes.len() - 40]);
    // The rest is never sent.
    assert_eq!(connection.receive("POST").status, 408);
    assert_eq!(apache.ask(&RequestText::post("/one.html", &payment)).short(), paid());
}

#[test]
fn a_client_that_goes_away_harms_nobody() {
    for mpm in Mpm::ALL {
        let apache = Apache::start_with(Site::new(), mpm, &module(), SELLING);
        let url = apache.site().url("/one.html");
        for round in 0..20 {
            let payment = payer::payment(&url, 1);
            let bytes = RequestText::post("/one.html", &payment).to_bytes();
            let mut connection = Connection::open(apache.site().port);
            // In the middle of the body, or immediately after all of it is sent.
            let sent = if round % 2 == 0 { bytes.len() } else { bytes.len() - 30 };
            connection.send(&bytes[..sent]);
            drop(connection);
            let answer = apache.ask(&RequestText::post("/one.html", &payment));
            // An incomplete request took nothing; a complete one is a retry if it was accepted
            // before.
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(round % 2 == 0 || answer.word() == "paid", "{answer:?}");
        }
        assert!(!apache.log().contains("exit signal"), "{}", apache.log());
    }
}

#[test]
fn ranges_and_conditions_are_the_clients_own_wish() {
    let apache = Apache::selling(Site::new(), "<Location /cgi>\nMicroMintPrice 1\n</Location>\n");
    let url = apache.site().url("/one.html");
    let get = || RequestText::get("/one.html").with_payment(&payer::payment(&url, 1));
    let part = apache.ask(&get().with("Range", "bytes=0-6"));
    assert_eq!(part.seen(), (206, "paid".to_string(), "content"));
    let first = apache.ask(&get());
    let (etag, cookie) = (first.header("etag").unwrap(), first.cookie().unwrap());
    // A POST that pays gets a complete answer: 304 would deliver nothing for the coin.
    let post =
        RequestText::post("/one.html", &payer::payment(&url, 1)).with("If-None-Match", &etag);
    assert_eq!(apache.ask(&post).seen(), (200, "paid".to_string(), "content for one"));
    for (name, value, status) in [
        ("If-None-Match", etag.as_str(), 304),
        ("If-Match", "\"other\"", 412),
        ("Range", "bytes=500-", 416),
    ] {
        let answer = apache.ask(&get().with(name, value));
        assert_eq!(answer.short(), (status, "returned".to_string()), "{name}");
    }
    let again = RequestText::get("/one.html").with("Cookie", &cookie).with("If-None-Match", &etag);
    assert_eq!(apache.ask(&again).short(), (304, "receipt".to_string()));
    // HEAD is never charged.
    let payment = payer::payment(&url, 1);
    let head = apache.ask(&RequestText::new("HEAD", "/one.html").with_payment(&payment));
    assert_eq!(head.short(), (402, "unpaid".to_string()));
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 0);
    assert_eq!(apache.ask(&RequestText::get("/one.html").with_payment(&payment)).short(), paid());
    assert_eq!(apache.ask(&RequestText::new("OPTIONS", "/one.html")).status, 204);
}

#[test]
fn a_range_that_is_none_is_taken_back_where_nobody_could_know() {
    // The content of the page is not known before it is made; the range is refused when its head is
    // complete.
    let text = "AddOutputFilter INCLUDES .html\n<Directory %FOLDER%/www>\nOptions +Includes\n</Directory>\n";
    let site = Site::new();
    site.page("long.html", &"x".repeat(20_000), Some("1"));
    let apache = Apache::selling(site, text);
    let url = apache.site().url("/long.html");
    let coins = payer::coins_of(payer::mint(), 1);
    let payment = payer::payment_with(payer::mint(), &url, &coins);
    let get = RequestText::get("/long.html").with_payment(&payment).with("Range", "bytes=90000-");
    let answer = apache.ask(&get);
    assert_eq!(answer.short(), (416, "reversed".to_string()), "{:?}", answer.headers);
    assert_eq!(answer.header("set-cookie"), None);
    let other = payer::payment_with(payer::mint(), &apache.site().url("/one.html"), &coins);
    assert_eq!(
        apache.ask(&RequestText::post("/one.html", &other)).short(),
        paid(),
        "the coin is free again"
    );
}

#[test]
fn targets_cannot_get_around_the_gate() {
    let apache = Apache::selling(Site::new(), "");
    let mut statuses = Vec::new();
    for target in [
        "//one.html",
        "/./one.html",
        "/x/../one.html",
        "/%6fne.html",
        "/one%2ehtml",
        "/one.html?x",
        "/one.html;x",
        "/one.html/",
        "/one.html%00",
        "/ONE.HTML",
        "http://localhost/one.html",
        "http://elsewhere.example/one.html",
        "/%2e/one.html",
        "/one.html%20",
    ] {
        for extra in [
            ("X-HTTP-Method-Override", "HEAD"),
            ("Upgrade", "websocket"),
            ("X-Original-URL", "/free.html"),
            ("X-Rewrite-URL", "/free.html"),
            ("X-Forwarded-Host", "elsewhere.example"),
        ] {
            let answer = apache.ask(&RequestText::get(target).with(extra.0, extra.1));
            assert!(!answer.body.contains("content for one"), "{target} {extra:?}");
            assert!([400, 402, 403, 404].contains(&answer.status), "{target}: {answer:?}");
            statuses.push(answer.status);
        }
    }
    assert!(statuses.iter().filter(|status| **status == 402).count() > 30, "{statuses:?}");
    // The URL in a message is one of the vendor's, whatever the request says about hosts.
    let forged = apache.ask(&RequestText::get("http://elsewhere.example/one.html?a"));
    let url = format!("URL: {}\r\n", apache.site().url("/one.html?a"));
    assert!(forged.body.contains(&url), "{}", forged.body);
}

#[test]
fn http_2_over_tls_pays() {
    for mpm in [Mpm::Worker, Mpm::Event] {
        let site = Site::new();
        site.make_certificate();
        let text = "Listen 127.0.0.1:%TLS_PORT%\nProtocols h2 http/1.1
            <VirtualHost 127.0.0.1:%TLS_PORT%>\nServerName localhost\nSSLEngine On
            SSLCertificateFile %FOLDER%/tls.crt\nSSLCertificateKeyFile %FOLDER%/tls.key\n</VirtualHost>\n";
        let apache = Apache::start_with(site, mpm, &module(), &format!("{SELLING}{text}"));
        let url = format!("https://localhost:{}/one.html", apache.site().tls_port);
        let unpaid = curl(&apache, &["--http2", &url]);
        assert_eq!(unpaid.short(), (402, "unpaid".to_string()));
        assert!(
            unpaid.body.contains(&format!("URL: {url}\r\n")),
            "the origin of TLS: {}",
            unpaid.body
        );
        for extra in [&["--http2"][..], &["--http1.1"], &["--http2", "-H", "Content-Length:"]] {
            std::fs::write(apache.site().path("payment"), payer::payment(&url, 1).to_bytes())
                .unwrap();
            let file = format!("@{}", apache.site().path("payment").display());
            let base =
                ["-H", "Content-Type: application/x-micromint", "--data-binary", &file, &url];
            let answer = curl(&apache, &[extra, &base].concat());
            assert_eq!(answer.seen(), (200, "paid".to_string(), "content for one"), "{extra:?}");
            let cookie = answer.header("set-cookie").unwrap();
            assert!(cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
        }
        let header = |payment: &micromint::protocol::Payment| {
            format!("MicroMint-Payment: {}", base64url(&payment.to_bytes()))
        };
        let answer = curl(&apache, &["--http2", "-H", &header(&payer::payment(&url, 1)), &url]);
        assert_eq!(answer.short(), paid());
        let missing = url.replace("one.html", "gone.html");
        let answer =
            curl(&apache, &["--http2", "-H", &header(&payer::payment(&missing, 1)), &missing]);
        assert_eq!(
            answer.short(),
            (404, "returned".to_string()),
            "a page that is not there is free"
        );
        // The plain origin's URL is that of another page.
        let plain = payer::payment(&apache.site().url("/one.html"), 1);
        assert_eq!(curl(&apache, &["--http2", "-H", &header(&plain), &url]).word(), "other-page");
    }
}

/// Sends a request with curl.
fn curl(apache: &Apache, arguments: &[&str]) -> Response {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--insecure", "--include", "--max-time", "20"])
        .args(["--resolve", &format!("localhost:{}:127.0.0.1", apache.site().tls_port)])
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
