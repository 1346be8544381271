//! All forms of requests: versions of HTTP, bodies of all kinds, ranges, conditions, aborting
//! clients.

use micromint_servers::apache::{Apache, Mpm, SELLING, module};
use micromint_servers::client::{Connection, RequestText};
use micromint_servers::payer;
use micromint_servers::server::{Server, word};
use micromint_servers::site::Site;
use micromint_servers::transport::{self, paid};

#[test]
fn bodies_of_every_kind_pay() {
    for mpm in Mpm::ALL {
        let apache = Apache::start_with(Site::new(), mpm, &module(), SELLING);
        let url = apache.site().url("/one.html");
        transport::chunked_bodies_pay(&apache);
        transport::expect_100_continue_pays(&apache);
        transport::pipelined_requests_are_answered_in_order(&apache);
        let request = RequestText::post("/one.html", &payer::payment(&url, 1)).by_http_1_0();
        assert_eq!(apache.ask(&request).short(), paid(), "HTTP/1.0");
        // Byte by byte.
        let mut connection = Connection::open(apache.site().port);
        for byte in RequestText::post("/one.html", &payer::payment(&url, 1)).to_bytes() {
            connection.send([byte]);
        }
        assert_eq!(connection.receive("POST").short(), paid());
        // The longest body, and one byte more, with a Content-Length.
        let limit = micromint::protocol::PAYMENT_SIZE_MAX;
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
fn an_unsatisfiable_range_of_generated_content_is_reversed() {
    // The length of the page is unknown until it is generated, so the range is refused when its
    // head is complete.
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
        transport::http_2_over_tls_pays(&apache);
        let missing = format!("https://localhost:{}/gone.html", apache.site().tls_port);
        let answer =
            transport::get_over_http_2(apache.site(), &missing, &payer::payment(&missing, 1));
        let expected = word(404, "returned");
        assert_eq!(answer.short(), expected, "a page that does not exist is free");
    }
}
