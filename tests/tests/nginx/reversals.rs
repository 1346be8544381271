//! Reversed payments. A client that pays and then disconnects, or asks so that nothing is sent,
//! gains nothing. A reversal that was announced is carried out, whatever happens to the worker.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use micromint::protocol::Payment;
use micromint_servers::client::{Connection, RequestText, Response};
use micromint_servers::nginx::Nginx;
use micromint_servers::payer;
use micromint_servers::server::{Server, word};
use micromint_servers::site::Site;
use micromint_servers::wait_until;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Signal, kill_process};

const PROXY: &str = "micromint_config vendor.toml;
    server { %SERVER% micromint on;
        location /app/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; }
        location /on/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; proxy_ignore_client_abort on; } }";

/// A server that makes the content and answers when the test says so.
struct Upstream(TcpListener);

impl Upstream {
    fn behind(nginx: &Nginx) -> Upstream {
        let listener = TcpListener::bind(("127.0.0.1", nginx.site().back_port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Upstream(listener)
    }

    /// The next request, its head read.
    fn asked(&self) -> TcpStream {
        let mut found = None;
        wait_until("a request for the content", || {
            found = self.0.accept().ok();
            found.is_some()
        });
        let (stream, _) = found.unwrap();
        stream.set_nonblocking(false).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the head of a request");
        }
        reader.into_inner()
    }

    /// Answers the next request.
    fn answer(&self, status: u16, body: &str) {
        reply(&mut self.asked(), status, body);
    }
}

fn reply(stream: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.0 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    // The client may have disconnected.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body.as_bytes());
}

/// A request on a connection of its own, answered while `meanwhile` runs.
fn ask_while(nginx: &Nginx, request: &RequestText, meanwhile: impl FnOnce()) -> Response {
    let mut connection = Connection::open(nginx.site().port);
    connection.send(request.clone().with("Connection", "close").to_bytes());
    meanwhile();
    connection.receive(&request.method)
}

/// A payment for another page with the coins of `payment`.
fn elsewhere(nginx: &Nginx, payment: &Payment) -> RequestText {
    let coins: Vec<Vec<u64>> = vec![payment.x.clone()];
    let other =
        payer::payment_with(payer::mint(), &nginx.site().url("/one.html?elsewhere"), &coins);
    RequestText::post("/one.html?elsewhere", &other)
}

#[test]
fn who_pays_and_goes_away_has_paid_for_this_page_and_no_other() {
    let nginx = Nginx::start(Site::new(), PROXY);
    let upstream = Upstream::behind(&nginx);
    let long = "x".repeat(1_000_000);
    for (round, target) in
        ["/app/before", "/app/within", "/app/within/post"].into_iter().enumerate()
    {
        let payment = payer::payment(&nginx.site().url(target), 1);
        let header = RequestText::get(target).with_payment(&payment);
        let post = RequestText::post(target, &payment);
        let request = if target.ends_with("post") { &post } else { &header };
        let mut connection = Connection::open(nginx.site().port);
        connection.send(request.to_bytes());
        let mut asked = upstream.asked();
        if round > 0 {
            reply(&mut asked, 200, &long);
            assert_eq!(
                connection.receive("HEAD").short(),
                word(200, "paid"),
                "the head, and not all of the rest"
            );
        }
        drop(connection);
        drop(asked);
        let spent = nginx.ask(&elsewhere(&nginx, &payment));
        assert_eq!(spent.short(), word(402, "spent"), "{target}: the coin pays for one page");
        // Nor was it lost: what did not arrive is requested again, in either way, at no further
        // cost.
        for again in [&header, &post] {
            let answer = ask_while(&nginx, again, || upstream.answer(200, "content"));
            assert_eq!(answer.seen(), (200, "retry".to_string(), "content"), "{target}");
        }
        // A retry that fails reverses nothing: the page was sent before.
        let failed = ask_while(&nginx, &header, || upstream.answer(404, "nothing"));
        assert_eq!(failed.short(), word(404, "retry"), "{target}");
        assert_eq!(nginx.ask(&elsewhere(&nginx, &payment)).short(), word(402, "spent"), "{target}");
    }
    assert!(!nginx.log().contains("[alert]"), "{}", nginx.log());
}

#[test]
fn an_error_that_nobody_waits_for_takes_the_payment_back_once() {
    let nginx = Nginx::start(Site::new(), PROXY);
    let upstream = Upstream::behind(&nginx);
    let payment = payer::payment(&nginx.site().url("/on/x"), 1);
    let mut connection = Connection::open(nginx.site().port);
    connection.send(RequestText::get("/on/x").with_payment(&payment).to_bytes());
    let mut asked = upstream.asked();
    drop(connection);
    reply(&mut asked, 500, "broken");
    let other = elsewhere(&nginx, &payment);
    wait_until("the payment to be taken back", || nginx.ask(&other).short() == word(200, "paid"));
    // The first payment is now worth nothing, and its failure does not reverse what opens the other
    // page.
    let first = nginx.ask(&RequestText::get("/on/x").with_payment(&payment));
    assert_eq!(first.short(), word(402, "spent"));
    assert_eq!(nginx.ask(&other).short(), word(200, "retry"));
}

#[test]
fn what_was_said_to_be_taken_back_is_though_the_worker_is_killed() {
    let nginx = Nginx::start(Site::new(), PROXY);
    let upstream = Upstream::behind(&nginx);
    let payment = payer::payment(&nginx.site().url("/app/x"), 1);
    let lock = std::fs::File::open(nginx.site().path("till/lock")).unwrap();
    let promised = || {
        let promises = std::fs::metadata(nginx.site().path("till/promised-reversals"));
        promises.map_or(0, |found| found.len())
    };
    let mut connection = Connection::open(nginx.site().port);
    connection.send(RequestText::get("/app/x").with_payment(&payment).to_bytes());
    let mut asked = upstream.asked();
    // From here on the till cannot be used.
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    reply(&mut asked, 404, "nothing");
    assert_eq!(connection.receive("GET").seen(), (404, "reversed".to_string(), "nothing"));
    assert_eq!(promised(), 24, "said before it was done");
    let workers = nginx.workers();
    for worker in &workers {
        kill_process(*worker, Signal::KILL).unwrap();
    }
    wait_until("the workers to be gone", || {
        nginx.workers().iter().all(|worker| !workers.contains(worker))
    });
    flock(&lock, FlockOperation::Unlock).unwrap();
    wait_until("new workers", || nginx.workers().len() == 2);
    assert_eq!(nginx.ask(&elsewhere(&nginx, &payment)).short(), word(200, "paid"));
    wait_until("the promise to be forgotten", || promised() == 0);
}

/// Every combination of fields by which a client may ask for nothing to be sent, including repeated
/// and contradictory ones: either the content is sent and charged, or neither.
#[test]
fn content_and_charge_come_together_whatever_the_conditions() {
    let nginx = Nginx::start(
        Site::new(),
        "micromint_config vendor.toml;
         server { %SERVER% micromint on;
             location /back/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%/; } }
         server { listen 127.0.0.1:%BACK_PORT%; root %FOLDER%/www; }",
    );
    let whole = nginx.pay("/one.html", 1);
    let (etag, modified) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
    let fields = [
        ("If-Match", "\"x\""),
        ("If-Match", etag.as_str()),
        ("If-None-Match", "*"),
        ("If-None-Match", "\"x\""),
        ("If-Modified-Since", modified.as_str()),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Range", "bytes=0-3"),
        ("Range", "bytes=500-"),
        ("Range", "bytes=0-3,4-7,500-"),
        ("If-Range", "\"x\""),
        ("If-Range", etag.as_str()),
    ];
    let (mut sent, mut kept) = (0, 0);
    let mut coins = payer::coins_of(payer::mint(), 1);
    for (number, one) in fields.iter().enumerate() {
        for other in &fields[number..] {
            for place in ["", "/back"] {
                // A page of its own, so that nothing is a retry; with the coin that the previous
                // one gave back.
                let target = format!("{place}/one.html?{}", sent + kept);
                let payment =
                    payer::payment_with(payer::mint(), &nginx.site().url(&target), &coins);
                let request = RequestText::get(&target).with_payment(&payment);
                let request = request.with(one.0, one.1).with(other.0, other.1);
                let mut answer = nginx.ask(&request);
                wait_until("the coin to be given back", || {
                    let is_spent = answer.word() == "spent";
                    if is_spent {
                        answer = nginx.ask(&request);
                    }
                    !is_spent
                });
                let what = format!("{target} {one:?} {other:?}: {answer:?}");
                if (200..300).contains(&answer.status) {
                    sent += 1;
                    assert_eq!(answer.word(), "paid", "{what}");
                    assert_eq!(
                        nginx.ask(&elsewhere(&nginx, &payment)).short(),
                        word(402, "spent"),
                        "{what}"
                    );
                    coins = payer::coins_of(payer::mint(), 1);
                } else {
                    kept += 1;
                    assert!(!answer.body.contains("content"), "{what}");
                    // nginx refuses some repeated fields before the paywall sees them.
                    let is_refused = answer.status == 400 && answer.word().is_empty();
                    assert!(
                        is_refused || ["returned", "reversed"].contains(&answer.word().as_str()),
                        "{what}"
                    );
                }
            }
        }
    }
    assert!(sent > 20 && kept > 20, "{sent} {kept}");
}
