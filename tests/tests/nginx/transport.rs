//! All forms of requests: versions of HTTP, bodies of all kinds, ranges, conditions.

use std::time::Duration;

use micromint::protocol::Payment;
use micromint_servers::client::{Connection, RequestText};
use micromint_servers::nginx::Nginx;
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use micromint_servers::transport::{self, chunked, chunked_head, paid};
use micromint_servers::wait_until;

#[test]
fn http_1_0_pays_and_keeps_alive_when_asked() {
    let nginx = Nginx::with_server(Site::new(), "");
    let url = nginx.site().url("/one.html");
    assert_eq!(nginx.ask(&RequestText::get("/one.html").by_http_1_0()).status, 402);
    let request = RequestText::post("/one.html", &payer::payment(&url, 1)).by_http_1_0();
    assert_eq!(nginx.ask(&request).short(), paid());
    let mut connection = Connection::open(nginx.site().port);
    for _ in 0..2 {
        let payment = payer::payment(&url, 1);
        let request =
            RequestText::post("/one.html", &payment).by_http_1_0().with("Connection", "keep-alive");
        assert_eq!(connection.ask(&request).short(), paid());
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    transport::pipelined_requests_are_answered_in_order(&Nginx::with_server(Site::new(), ""));
}

#[test]
fn chunked_bodies_pay() {
    let nginx = Nginx::with_server(Site::new(), "");
    transport::chunked_bodies_pay(&nginx);
    // A chunk far beyond nginx's own limit.
    let mut connection = Connection::open(nginx.site().port);
    connection.send(chunked_head("/one.html"));
    connection.send(b"200000\r\na");
    assert_eq!(connection.receive("POST").status, 413);
}

#[test]
fn slow_bodies_pay_and_late_ones_time_out_without_a_charge() {
    let nginx = Nginx::with_server(Site::new(), "client_body_timeout 1s;");
    let payment = payer::payment(&nginx.site().url("/one.html"), 1);
    let bytes = RequestText::post("/one.html", &payment).to_bytes();
    let mut connection = Connection::open(nginx.site().port);
    for byte in &bytes[..bytes.len() - 40] {
        connection.send([*byte]);
    }
    // The rest is never sent.
    wait_until("the time-out", || connection.is_closed());
    let mut connection = Connection::open(nginx.site().port);
    for piece in bytes.chunks(bytes.len() / 20) {
        connection.send(piece);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(connection.receive("POST").short(), paid());
}

#[test]
fn bodies_buffered_in_files_pay() {
    let site = Site::new();
    site.page("expensive.html", "expensive", Some("40\n"));
    let nginx = Nginx::with_server(site, "client_body_buffer_size 1k;");
    let payment = payer::payment(&nginx.site().url("/expensive.html"), 40);
    assert!(payment.to_bytes().len() > 1024);
    assert_eq!(
        nginx.ask(&RequestText::post("/expensive.html", &payment)).seen(),
        (200, "paid".to_string(), "expensive")
    );
    let payment = payer::payment(&nginx.site().url("/expensive.html"), 40);
    let mut connection = Connection::open(nginx.site().port);
    connection.send(chunked("/expensive.html", &payment.to_bytes(), 333));
    assert_eq!(connection.receive("POST").short(), paid());
}

#[test]
fn expect_100_continue_pays() {
    transport::expect_100_continue_pays(&Nginx::with_server(Site::new(), ""));
}

#[test]
fn a_client_that_goes_away_harms_nobody() {
    let nginx = Nginx::with_server(Site::new(), "");
    let workers = nginx.workers();
    let url = nginx.site().url("/one.html");
    for round in 0..40 {
        let payment = payer::payment(&url, 1);
        let bytes = RequestText::post("/one.html", &payment).to_bytes();
        let mut connection = Connection::open(nginx.site().port);
        // In the middle of the body, or immediately after all of it is sent.
        let sent = if round % 2 == 0 { bytes.len() } else { bytes.len() - 30 };
        connection.send(&bytes[..sent]);
        drop(connection);
        if round % 2 == 1 {
            // An incomplete request took nothing.
            assert_eq!(nginx.ask(&RequestText::post("/one.html", &payment)).short(), paid());
        } else if round < 4 {
            // A complete request was accepted or not; sent again it opens the page at no further
            // cost.
            let answer = nginx.ask(&RequestText::post("/one.html", &payment));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    assert_eq!(nginx.workers(), workers);
    assert!(!nginx.log().contains("[alert]"), "{}", nginx.log());
}

#[test]
fn head_is_never_charged() {
    let nginx = Nginx::with_server(Site::new(), "");
    let url = nginx.site().url("/one.html");
    let head = nginx.ask(&RequestText::new("HEAD", "/one.html"));
    assert_eq!(head.short(), (402, "unpaid".to_string()));
    assert!(head.header("micromint-request").is_some());
    assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 0);
    let payment = payer::payment(&url, 1);
    let head = nginx.ask(&RequestText::new("HEAD", "/one.html").with_payment(&payment));
    assert_eq!(head.status, 402);
    let paid_page = nginx.ask(&RequestText::get("/one.html").with_payment(&payment));
    assert_eq!(paid_page.short(), paid());
    let cookie = paid_page.cookie().unwrap();
    let head = nginx.ask(&RequestText::new("HEAD", "/one.html").with("Cookie", &cookie));
    assert_eq!(head.short(), (200, "receipt".to_string()));
    let options = nginx.ask(&RequestText::new("OPTIONS", "/one.html"));
    assert_eq!(options.status, 204);
}

#[test]
fn ranges_are_served_and_unsatisfiable_ranges_cost_nothing() {
    let nginx = Nginx::with_server(Site::new(), "");
    let url = nginx.site().url("/one.html");
    let get = |payment: &_, range: &str| {
        nginx.ask(&RequestText::get("/one.html").with("Range", range).with_payment(payment))
    };
    let part = get(&payer::payment(&url, 1), "bytes=0-6");
    assert_eq!(part.seen(), (206, "paid".to_string(), "content"));
    let payment = payer::payment(&url, 1);
    let beyond = get(&payment, "bytes=500-");
    assert_eq!(
        beyond.short(),
        (416, "returned".to_string()),
        "decided before anything is recorded"
    );
    assert_eq!(beyond.header("content-range").unwrap(), "bytes */15");
    // With an If-Range for other content the range is ignored, and the whole is paid for.
    let request =
        RequestText::get("/one.html").with("Range", "bytes=500-").with("If-Range", "\"other\"");
    let whole = nginx.ask(&request.clone().with_payment(&payment));
    assert_eq!(whole.seen(), (200, "paid".to_string(), "content for one"));
    let etag = whole.header("etag").unwrap();
    let request = RequestText::get("/one.html").with("If-Range", &etag);
    let payment = payer::payment(&url, 1);
    let beyond = nginx.ask(&request.clone().with("Range", "bytes=500-").with_payment(&payment));
    assert_eq!(beyond.short(), (416, "returned".to_string()));
    let part = nginx.ask(&request.with("Range", "bytes=-3").with_payment(&payment));
    assert_eq!(part.seen(), (206, "paid".to_string(), "one"));
}

#[test]
fn what_nginx_does_not_send_itself_is_charged_and_taken_back() {
    let nginx = Nginx::start(
        Site::new(),
        "micromint_config vendor.toml;
         server { %SERVER% location / { proxy_pass http://127.0.0.1:%BACK_PORT%; micromint_price 1; } }
         server { listen 127.0.0.1:%BACK_PORT%; root %FOLDER%/www; }",
    );
    let url = nginx.site().url("/one.html");
    for (name, value, status) in
        [("If-Match", "\"other\"", 412), ("Range", "bytes=500-", 416), ("If-None-Match", "*", 304)]
    {
        let payment = payer::payment(&url, 1);
        let answer =
            nginx.ask(&RequestText::get("/one.html").with(name, value).with_payment(&payment));
        assert_eq!(answer.short(), (status, "reversed".to_string()), "{name}");
        wait_until_unspent(&nginx, &payment);
    }
}

/// Waits until the coins of a payment pay for something else. (The same payment could be a retry.)
fn wait_until_unspent(nginx: &Nginx, payment: &Payment) {
    let target = "/one.html?unspent";
    let other = payer::payment_with(
        payer::mint(),
        &nginx.site().url(target),
        std::slice::from_ref(&payment.x),
    );
    let request = RequestText::post(target, &other);
    wait_until("a payment to be taken back", || nginx.ask(&request).short() == paid());
}

#[test]
fn conditions_cost_nothing_when_they_hold() {
    let nginx = Nginx::with_server(Site::new(), "");
    let url = nginx.site().url("/one.html");
    let payment = payer::payment(&url, 1);
    let first = nginx.ask(&RequestText::get("/one.html").with_payment(&payment));
    let (etag, cookie) = (first.header("etag").unwrap(), first.cookie().unwrap());

    // A POST that pays gets a complete answer: 304 would deliver nothing for the coin.
    let post =
        RequestText::post("/one.html", &payer::payment(&url, 1)).with("If-None-Match", &etag);
    assert_eq!(nginx.ask(&post).seen(), (200, "paid".to_string(), "content for one"));
    // With a payment in the header the condition is the client's own choice: not charged.
    let payment = payer::payment(&url, 1);
    let fresh = nginx
        .ask(&RequestText::get("/one.html").with_payment(&payment).with("If-None-Match", &etag));
    assert_eq!(fresh.short(), (304, "returned".to_string()));
    // With a receipt it is free either way.
    let again = nginx
        .ask(&RequestText::get("/one.html").with("Cookie", &cookie).with("If-None-Match", &etag));
    assert_eq!(again.status, 304);
    let failed = nginx
        .ask(&RequestText::get("/one.html").with_payment(&payment).with("If-Match", "\"other\""));
    assert_eq!(failed.short(), (412, "returned".to_string()));
    assert_eq!(nginx.ask(&RequestText::get("/one.html").with_payment(&payment)).short(), paid());
    // Nor does nginx use facts about a file that it was configured not to reveal.
    let site = Site::new();
    let nginx = Nginx::with_server(site, "etag off; if_modified_since off; max_ranges 0;");
    let payment = payer::payment(&nginx.site().url("/one.html"), 1);
    let request = RequestText::get("/one.html").with_payment(&payment).with("Range", "bytes=500-");
    let request = request.with("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT");
    assert_eq!(nginx.ask(&request.with("If-None-Match", &etag)).short(), paid());
}

#[test]
fn http_2_over_tls_pays() {
    let site = Site::new();
    site.make_certificate();
    let nginx = Nginx::start(
        site,
        "micromint_config vendor.toml;
         ssl_certificate tls.crt; ssl_certificate_key tls.key;
         server { %SERVER% listen 127.0.0.1:%TLS_PORT% ssl http2; micromint on; }",
    );
    transport::http_2_over_tls_pays(&nginx);
}
