//! The same odd requests to two servers with equivalent configurations: both must give the same
//! status, the same word in `MicroMint-Status` and ask the same price.
//!
//! Where they differ for a reason of their own, [`ACCEPTED`] says what each answers, and why.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use micromint::protocol::{PAYMENT_SIZE_MAX, STATUS_HEADER};

use crate::client::{RequestText, base64url};
use crate::payer;
use crate::server::Server;
use crate::transport::chunked;

/// The longest time for an answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// Differences with one reason.
struct Accepted {
    /// Why the servers differ.
    reason: &'static str,
    /// The name of each request, what nginx answers, and what Apache answers.
    answers: &'static [(&'static str, &'static str, &'static str)],
}

/// All accepted differences.
const ACCEPTED: &[Accepted] = &[
    Accepted {
        reason: "Apache's AllowEncodedSlashes is off: an encoded slash is no path. nginx decodes it.",
        answers: &[
            ("target /%2fone.html", "402 unpaid 1", "404 - -"),
            ("target /sold%2fpage.html", "402 unpaid 2", "404 - -"),
            ("target /app/..%2ffree.html", "200 - -", "404 - -"),
        ],
    },
    Accepted {
        reason: "Apache finds the file, with a path behind it that costs what the file costs. nginx finds none.",
        answers: &[
            ("target /one.html/", "404 - -", "402 unpaid 1"),
            ("target /one.html/x", "404 - -", "402 unpaid 1"),
        ],
    },
    Accepted {
        reason: "Each refuses a null byte in its own way.",
        answers: &[("target /one.html%00", "400 - -", "404 - -")],
    },
    Accepted {
        reason: "A target is without a fragment. Apache refuses it before the module sees it.",
        answers: &[
            ("target /one.html?x#y", "400 bad-request -", "400 - -"),
            ("target /one.html#y", "400 bad-request -", "400 - -"),
        ],
    },
    Accepted {
        reason: "Without a price list nothing has a price here: each answers in its own way to a target that is no path. With one, targets.rs shows that nothing is free.",
        answers: &[
            ("target ?", "400 - -", "403 - -"),
            ("OPTIONS *", "400 - -", "200 - -"),
            ("CONNECT", "400 - -", "405 - -"),
        ],
    },
    Accepted {
        reason: "nginx redirects to the folder of a proxy_pass; Apache's ProxyPass has the path with its slash only.",
        answers: &[("target /app", "301 - -", "404 - -")],
    },
    Accepted {
        reason: "Apache's HttpProtocolOptions are strict about the characters of a host and its port.",
        answers: &[
            ("host \"localhost:\"", "402 unpaid 1", "400 - -"),
            ("host \"localhost:0\"", "402 unpaid 1", "400 - -"),
            ("host \"localhost:99999\"", "402 unpaid 1", "400 - -"),
            ("host \"localhost:x\"", "402 unpaid 1", "400 - -"),
            ("host \"user@localhost\"", "402 unpaid 1", "400 - -"),
            ("host \"é.example\"", "402 unpaid 1", "400 - -"),
            ("host \"*\"", "402 unpaid 1", "400 - -"),
        ],
    },
    Accepted {
        reason: "Each has its own rules for an absolute target that is no URL of a web page.",
        answers: &[
            ("absolute http:///one.html, host localhost", "400 - -", "402 unpaid 1"),
            ("absolute http:///one.html, host another", "400 - -", "402 unpaid 1"),
            ("absolute ftp://localhost/one.html, host localhost", "402 unpaid 1", "400 - -"),
            ("absolute ftp://localhost/one.html, host another", "402 unpaid 1", "400 - -"),
        ],
    },
    Accepted {
        reason: "nginx knows no version from 2.0 on; Apache treats them as HTTP/1.1.",
        answers: &[("HTTP/2.0", "505 - -", "402 unpaid 1")],
    },
    Accepted {
        reason: "Apache's HttpProtocolOptions are strict about line ends, spaces and control characters.",
        answers: &[
            ("line feeds alone", "402 unpaid 1", "400 - -"),
            ("two spaces", "402 unpaid 1", "400 - -"),
            ("a control character", "402 unpaid 1", "400 - -"),
        ],
    },
    Accepted {
        reason: "Apache joins folded lines, which nginx refuses.",
        answers: &[("a folded field", "400 - -", "402 unpaid 1")],
    },
    Accepted {
        reason: "nginx refuses methods in lower case; Apache takes any token, and its files know none of these.",
        answers: &[
            ("get /one.html", "400 - -", "402 unpaid 1"),
            ("get /one.html with a payment", "400 - -", "501 reversed -"),
            ("get /free.html", "400 - -", "501 - -"),
            ("get /free.html with a payment", "400 - -", "501 returned -"),
            ("get /app/x", "400 - -", "402 unpaid 1"),
            ("get /app/x with a payment", "400 - -", "200 paid -"),
            ("get /sold/page.html", "400 - -", "402 unpaid 2"),
            ("get /sold/page.html with a payment", "400 - -", "501 reversed -"),
        ],
    },
    Accepted {
        reason: "nginx refuses TRACE; Apache answers it before anything is served, also at a proxy.",
        answers: &[
            ("TRACE /one.html", "405 - -", "200 - -"),
            ("TRACE /one.html with a payment", "405 - -", "200 - -"),
            ("TRACE /free.html", "405 - -", "200 - -"),
            ("TRACE /free.html with a payment", "405 - -", "200 - -"),
            ("TRACE /app/x", "405 - -", "402 unpaid 1"),
            ("TRACE /app/x with a payment", "405 - -", "200 paid -"),
            ("TRACE /sold/page.html", "405 - -", "200 - -"),
            ("TRACE /sold/page.html with a payment", "405 - -", "200 - -"),
        ],
    },
    Accepted {
        reason: "nginx serves files for GET and HEAD only (405); Apache serves them for POST too, answers OPTIONS, and calls an unknown method not implemented.",
        answers: &[
            ("POST /one.html with a payment", "405 reversed -", "200 paid -"),
            ("POST /free.html", "405 - -", "200 - -"),
            ("POST /free.html with a payment", "405 returned -", "200 returned -"),
            ("POST /sold/page.html with a payment", "405 reversed -", "200 paid -"),
            ("OPTIONS /free.html", "405 - -", "200 - -"),
            ("OPTIONS /free.html with a payment", "405 returned -", "200 returned -"),
            ("BREW /one.html with a payment", "405 reversed -", "501 reversed -"),
            ("BREW /free.html", "405 - -", "501 - -"),
            ("BREW /free.html with a payment", "405 returned -", "501 returned -"),
            ("BREW /sold/page.html with a payment", "405 reversed -", "501 reversed -"),
            ("a form and a header", "405 reversed -", "200 paid -"),
            ("nonsense for a free page", "405 - -", "200 - -"),
        ],
    },
    Accepted {
        reason: "nginx calls a range that ends before it begins not satisfiable; Apache ignores it.",
        answers: &[
            ("Range: bytes=3-1 /one.html, header", "416 reversed -", "200 paid -"),
            ("Range: bytes=3-1 /one.html, body", "416 reversed -", "200 paid -"),
            ("Range: bytes=3-1 /free.html", "416 - -", "200 - -"),
            ("Range: bytes=3-1 /free.html, header", "416 returned -", "200 returned -"),
            ("Range: bytes=3-1 /free.html, body", "416 returned -", "200 returned -"),
        ],
    },
    Accepted {
        reason: "nginx refuses a repeated Authorization before the module sees it; Apache joins it, and the module refuses it.",
        answers: &[("two Authorizations", "400 - -", "400 bad-request -")],
    },
    Accepted {
        reason: "Apache refuses expectations that it does not know.",
        answers: &[("Expect of another kind", "402 unpaid 1", "417 - -")],
    },
    Accepted {
        reason: "Each refuses an unknown transfer coding with its own status.",
        answers: &[("an unknown coding", "501 - -", "400 - -")],
    },
];

/// Sends all requests to both servers. Each has the pages of a new site, `/sold/` with a price of 2
/// by directive, and `/app/` with a price of 1 in front of a [`crate::application`].
///
/// # Panics
/// If they differ where [`ACCEPTED`] does not say so, or do not differ as it says.
pub fn assert_same(nginx: &impl Server, apache: &impl Server) {
    let mut failures = Vec::new();
    let (of_nginx, of_apache) = (requests(nginx), requests(apache));
    for ((name, to_nginx), (_, to_apache)) in of_nginx.iter().zip(&of_apache) {
        let seen = [answer(nginx, to_nginx), answer(apache, to_apache)];
        let expected = accepted(name);
        let is_right = match expected {
            Some((_, nginx, apache)) => seen == [nginx, apache],
            None => seen[0] == seen[1],
        };
        if !is_right {
            failures.push(format!("{name}: nginx {:?}, Apache {:?}", seen[0], seen[1]));
            if let Some((reason, nginx, apache)) = expected {
                failures.push(format!("    accepted: {nginx:?}, {apache:?}: {reason}"));
            }
        }
    }
    for (name, ..) in ACCEPTED.iter().flat_map(|accepted| accepted.answers) {
        assert!(of_nginx.iter().any(|(sent, _)| sent == name), "there is no request {name}");
    }
    let count = of_nginx.len();
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

/// The reason for a difference, and what nginx and Apache answer.
fn accepted(name: &str) -> Option<(&'static str, &'static str, &'static str)> {
    ACCEPTED.iter().find_map(|accepted| {
        let answer = accepted.answers.iter().find(|(sent, ..)| *sent == name)?;
        Some((accepted.reason, answer.1, answer.2))
    })
}

/// Status, word and price of the final answer to these bytes, or `closed`.
fn answer(server: &impl Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.site().port)).unwrap();
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).unwrap();
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let mut rest: &str = &text;
    loop {
        let Some((head, body)) = rest.split_once("\r\n\r\n") else {
            return if rest.is_empty() { "closed".to_string() } else { format!("cut: {rest:.40}") };
        };
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("none");
        if status.starts_with('1') {
            rest = body;
            continue;
        }
        let word = lines.find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case(STATUS_HEADER).then_some(value)
        });
        let price = body.lines().find_map(|line| line.trim_end().strip_prefix("Price: "));
        return format!("{status} {} {}", word.unwrap_or("-"), price.unwrap_or("-"));
    }
}

/// A request with HTTP/1.1 as text, without its end.
fn head(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\n{fields}Connection: close\r\n")
}

/// All requests with their names. Payments are fresh.
fn requests(server: &impl Server) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    targets(&mut all);
    hosts(server, &mut all);
    methods(server, &mut all);
    conditions(server, &mut all);
    fields(server, &mut all);
    bodies(server, &mut all);
    all
}

type Requests = Vec<(String, Vec<u8>)>;

/// Ways to write a target.
fn targets(all: &mut Requests) {
    let long = format!("/one.html?{}", "x".repeat(4000));
    let longer = format!("/one.html?{}", "x".repeat(9000));
    for target in [
        "/one.html",
        "/one.html?x=1",
        "//one.html",
        "/./one.html",
        "/a/../one.html",
        "/a/./../one.html",
        "/../one.html",
        "/%2e/one.html",
        "/a/%2e%2e/one.html",
        "/%6fne.html",
        "/one%2ehtml",
        "/%2fone.html",
        "/a%2fone.html",
        "/one.html/",
        "/one.html/x",
        "/one.html%00",
        "/one.html%20",
        "/one.html;x=1",
        "/one.html?",
        "/one.html?x#y",
        "/one.html#y",
        "/one.html%3Fx",
        "/one.html\\",
        "/\\one.html",
        "/ONE.HTML",
        "/one.html.mm",
        "/one.html%2emm",
        "/one.html.mm/",
        "//one.html.mm",
        "/%GG",
        "/%",
        "/one.html%",
        "one.html",
        "",
        "?",
        "/\u{e9}",
        "/%c3%a9",
        "/sold/",
        "/sold",
        "/sold/page.html",
        "/sold//page.html",
        "/SOLD/page.html",
        "/sold/../free.html",
        "/a/../sold/page.html",
        "/sold%2fpage.html",
        "//sold/page.html",
        "/%73old/page.html",
        "/sold/none",
        "/app/x",
        "/app",
        "/app/",
        "/app/../free.html",
        "/app/x?status=404",
        "/app/%2e%2e/free.html",
        "/app/..%2ffree.html",
        "/app//x",
        "/none",
        "/free.html",
        "/shop",
        "/shop/",
        "/shop/index.html",
        "/.well-known/micromint",
        "/.well-known/micromint/x",
        "/.well-known/micromintx",
        "/robots.txt",
        &long,
        &longer,
    ] {
        let name = if target.len() > 100 {
            format!("target of {}", target.len())
        } else {
            format!("target {target}")
        };
        let text = head(&format!("GET {target}"), "Host: localhost\r\n") + "\r\n";
        all.push((name, text.into_bytes()));
    }
}

/// Ways to name the host.
fn hosts(server: &impl Server, all: &mut Requests) {
    let port = server.site().port;
    for host in [
        "localhost:PORT",
        "LOCALHOST",
        "localhost.",
        "localhost.:PORT",
        "localhost:1",
        "localhost:",
        "localhost:0",
        "localhost:99999",
        "localhost:x",
        "other.example",
        "127.0.0.1",
        "[::1]",
        "[::1]:PORT",
        "local host",
        "local/host",
        "user@localhost",
        "localhost, other.example",
        "",
        " ",
        "..",
        "-",
        "\u{e9}.example",
        "localhost\tx",
        "xn--e1afmkfd.example",
        "*",
    ] {
        let value = host.replace("PORT", &port.to_string());
        let text = head("GET /one.html", &format!("Host: {value}\r\n")) + "\r\n";
        all.push((format!("host {host:?}"), text.into_bytes()));
    }
    for target in [
        "http://localhost:PORT/one.html",
        "http://localhost/one.html",
        "http://other.example/one.html",
        "HTTP://LOCALHOST:PORT/one.html",
        "https://localhost/one.html",
        "http://localhost",
        "http://localhost:PORT/sold/../one.html",
        "http://user@localhost:PORT/one.html",
        "http://localhost:PORT//one.html",
        "http:///one.html",
        "http://localhost:x/one.html",
        "ftp://localhost/one.html",
        "http://localhost?x",
    ] {
        for (what, host) in [
            ("localhost", "Host: localhost\r\n"),
            ("another", "Host: other.example\r\n"),
            ("none", ""),
        ] {
            let filled = target.replace("PORT", &port.to_string());
            let text = head(&format!("GET {filled}"), host) + "\r\n";
            all.push((format!("absolute {target}, host {what}"), text.into_bytes()));
        }
    }
    for (name, text) in [
        ("no host", "GET /one.html HTTP/1.1\r\nConnection: close\r\n\r\n"),
        ("no host, HTTP/1.0", "GET /one.html HTTP/1.0\r\n\r\n"),
        ("host, HTTP/1.0", "GET /one.html HTTP/1.0\r\nHost: localhost\r\n\r\n"),
        (
            "two hosts",
            "GET /one.html HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ),
        (
            "two different hosts",
            "GET /one.html HTTP/1.1\r\nHost: localhost\r\nHost: other.example\r\nConnection: close\r\n\r\n",
        ),
        ("HTTP/1.2", "GET /one.html HTTP/1.2\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        ("HTTP/2.0", "GET /one.html HTTP/2.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        ("line feeds alone", "GET /one.html HTTP/1.1\nHost: localhost\nConnection: close\n\n"),
        ("two spaces", "GET  /one.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        (
            "empty line first",
            "\r\nGET /one.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        ),
        (
            "a folded field",
            "GET /one.html HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\nConnection: close\r\n\r\n",
        ),
    ] {
        all.push((name.to_string(), text.as_bytes().to_vec()));
    }
}

/// Methods, with and without a payment in the header.
fn methods(server: &impl Server, all: &mut Requests) {
    for method in
        ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW", "PROPFIND", "get", "TRACE"]
    {
        for target in ["/one.html", "/free.html", "/app/x", "/sold/page.html"] {
            let request = RequestText::new(method, target).with("Content-Length", "0");
            push(all, format!("{method} {target}"), request.clone());
            let payment = payer::payment(
                &server.site().url(target),
                if target.contains("sold") { 2 } else { 1 },
            );
            push(all, format!("{method} {target} with a payment"), request.with_payment(&payment));
        }
    }
    push(all, "OPTIONS *".to_string(), RequestText::new("OPTIONS", "*"));
    push(all, "GET *".to_string(), RequestText::new("GET", "*"));
    push(all, "CONNECT".to_string(), RequestText::new("CONNECT", "localhost:80"));
    let preflight = RequestText::new("OPTIONS", "/one.html").with("Origin", "https://app.example");
    push(all, "preflight".to_string(), preflight.with("Access-Control-Request-Method", "POST"));
}

fn push(all: &mut Requests, name: String, request: RequestText) {
    all.push((name, request.with("Connection", "close").to_bytes()));
}

/// Conditions and ranges, without a payment, with one in the header and with one in the body.
fn conditions(server: &impl Server, all: &mut Requests) {
    for (name, value) in [
        ("If-None-Match", "*"),
        ("If-None-Match", "\"x\""),
        ("If-Match", "\"x\""),
        ("If-Match", "*"),
        ("If-Modified-Since", "Fri, 01 Jan 2038 00:00:00 GMT"),
        ("If-Modified-Since", "nonsense"),
        ("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ("Range", "bytes=0-3"),
        ("Range", "bytes=1000-"),
        ("Range", "bytes=0-1,3-4"),
        ("Range", "lines=1-2"),
        ("Range", "bytes=3-1"),
    ] {
        for target in ["/one.html", "/free.html"] {
            let get = RequestText::get(target).with(name, value);
            push(all, format!("{name}: {value} {target}"), get.clone());
            let payment = payer::payment(&server.site().url(target), 1);
            push(all, format!("{name}: {value} {target}, header"), get.with_payment(&payment));
            let payment = payer::payment(&server.site().url(target), 1);
            let post = RequestText::post(target, &payment).with(name, value);
            push(all, format!("{name}: {value} {target}, body"), post);
        }
    }
}

/// Repeated, empty and malformed fields.
fn fields(server: &impl Server, all: &mut Requests) {
    let get = || RequestText::get("/one.html");
    let url = server.site().url("/one.html");
    let payment = || payer::payment(&url, 1);
    let encoded = |payment: &micromint::protocol::Payment| base64url(&payment.to_bytes());
    let header = |value: &str| get().with("MicroMint-Payment", value);
    let mut add = |name: &str, request: RequestText| push(all, name.to_string(), request);
    let one = payment();
    add("two payments", get().with_payment(&one).with_payment(&one));
    add("two different payments", get().with_payment(&payment()).with_payment(&payment()));
    add("a payment and an empty one", get().with_payment(&payment()).with("MicroMint-Payment", ""));
    add("an empty payment", header(""));
    add("a payment of spaces", header("   "));
    add("no base64", header("!!!"));
    add("nonsense", header(&base64url(b"nonsense")));
    add("padding", header(&format!("{}==", encoded(&payment()))));
    add("a space within", header(&encoded(&payment()).replacen('M', " M", 1)));
    add("a comma behind", header(&format!("{},", encoded(&payment()))));
    add("quotes", header(&format!("\"{}\"", encoded(&payment()))));
    add("lower case name", get().with("micromint-payment", &encoded(&payment())));
    add("underscore name", get().with("MicroMint_Payment", &encoded(&payment())));
    add("a long payment", header(&"A".repeat(7000)));
    add("a payment of a free page", RequestText::get("/free.html").with_payment(&payment()));
    add("a payment of another page", RequestText::get("/two.html").with_payment(&payment()));
    add(
        "another number of coins",
        RequestText::get("/two.html")
            .with_payment(&payer::payment(&server.site().url("/two.html"), 1)),
    );
    add("more coins", get().with_payment(&payer::payment(&url, 3)));
    for (name, value) in [
        ("nothing", "Payment"),
        ("nonsense", "Payment abc"),
        ("no token", "Payment e30"),
        ("two", "Payment e30, Payment e30"),
        ("basic", "Basic dXNlcjpwYXNz"),
        ("empty", ""),
    ] {
        add(&format!("Authorization {name}"), get().with("Authorization", value));
        add(&format!("Payment-Authorization {name}"), get().with("Payment-Authorization", value));
    }
    add(
        "two Authorizations",
        get().with("Authorization", "Payment e30").with("Authorization", "Basic eA=="),
    );
    add(
        "payment and credential",
        get().with_payment(&payment()).with("Authorization", "Payment e30"),
    );
    add("key", get().with_payment(&payment()).with("Idempotency-Key", "\"k\""));
    add(
        "two keys",
        get()
            .with_payment(&payment())
            .with("Idempotency-Key", "\"k\"")
            .with("Idempotency-Key", "\"l\""),
    );
    add("empty key", get().with_payment(&payment()).with("Idempotency-Key", ""));
    add("long key", get().with_payment(&payment()).with("Idempotency-Key", &"k".repeat(2000)));
    add("bad cookie", get().with("Cookie", "micromint=x; micromint"));
    add("two cookies", get().with("Cookie", "a=b").with("Cookie", "c=d"));
    add("many cookies", get().with("Cookie", &"a=b; ".repeat(1000)));
    for accept in [
        "text/html",
        "*/*",
        "",
        "text/html;q=0",
        "application/x-micromint",
        "application/problem+json",
        "image/png",
    ] {
        add(&format!("Accept {accept:?}"), get().with("Accept", accept));
    }
    add("two Accepts", get().with("Accept", "text/html").with("Accept", "image/png"));
    add("Expect", get().with("Expect", "100-continue"));
    add("Expect of another kind", get().with("Expect", "payment"));
    add("Upgrade", get().with("Upgrade", "h2c"));
    add("method override", get().with("X-HTTP-Method-Override", "DELETE"));
    add("a space before the colon", get().with("MicroMint-Payment ", &encoded(&payment())));
    add("a control character", get().with("X-A", "a\u{1}b"));
}

/// Payments in bodies, in every framing.
fn bodies(server: &impl Server, all: &mut Requests) {
    let url = server.site().url("/one.html");
    let payment = || payer::payment(&url, 1).to_bytes();
    let mut add = |name: &str, request: RequestText| push(all, name.to_string(), request);
    let post = |body: &[u8]| RequestText::post_bytes("/one.html", body);
    let framed = |kind: &str, length: &str, body: Vec<u8>| RequestText {
        body,
        ..RequestText::new("POST", "/one.html")
            .with("Content-Type", kind)
            .with("Content-Length", length)
    };
    let length = payment().len().to_string();
    const TYPE: &str = "application/x-micromint";
    add("a body", post(&payment()));
    add("nonsense in a body", post(b"nonsense"));
    add("an empty body", post(b""));
    add("no length", RequestText::new("POST", "/one.html").with("Content-Type", TYPE));
    add("a body that is too large", post(&vec![b'a'; PAYMENT_SIZE_MAX + 1]));
    add("a type in capitals", framed("APPLICATION/X-MICROMINT", &length, payment()));
    add(
        "a type with a parameter",
        framed("application/x-micromint; charset=utf-8", &length, payment()),
    );
    add("a type with spaces", framed("application/x-micromint ;a", &length, payment()));
    add("a longer type", framed("application/x-micromintx", &length, payment()));
    add("another type", framed("text/plain", &length, payment()));
    add("two types", framed(TYPE, &length, payment()).with("Content-Type", "text/plain"));
    add("a coding", framed(TYPE, &length, payment()).with("Content-Encoding", "gzip"));
    add("two lengths", framed(TYPE, &length, payment()).with("Content-Length", &length));
    add("two different lengths", framed(TYPE, &length, payment()).with("Content-Length", "1"));
    add("a length with a sign", framed(TYPE, &format!("+{length}"), payment()));
    add("a negative length", framed(TYPE, "-1", payment()));
    add("a list of lengths", framed(TYPE, &format!("{length}, {length}"), payment()));
    add(
        "a length and chunks",
        framed(TYPE, &length, payment()).with("Transfer-Encoding", "chunked"),
    );
    add(
        "an unknown coding",
        framed(TYPE, &length, payment()).with("Transfer-Encoding", "identity"),
    );
    add("a body of a PUT", RequestText { method: "PUT".to_string(), ..post(&payment()) });
    add("a body of a GET", RequestText { method: "GET".to_string(), ..post(&payment()) });
    add("a body of a HEAD", RequestText { method: "HEAD".to_string(), ..post(&payment()) });
    add("a body by HTTP/1.0", post(&payment()).by_http_1_0());
    add("a body and a header", post(&payment()).with_payment(&payer::payment(&url, 1)));
    add("a form", framed("application/x-www-form-urlencoded", "3", b"a=b".to_vec()));
    add(
        "a form and a header",
        framed("application/x-www-form-urlencoded", "3", b"a=b".to_vec())
            .with_payment(&payer::payment(&url, 1)),
    );
    add("a body for a free page", RequestText::post_bytes("/free.html", &payment()));
    add("nonsense for a free page", RequestText::post_bytes("/free.html", b"nonsense"));
    add("a body with Expect", post(&payment()).with("Expect", "100-continue"));
    add("a body that the host gives in the target", RequestText::post_bytes(&url, &payment()));
    for size in [1, 100_000] {
        let mut bytes = chunked("/one.html", &payment(), size);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        bytes.splice(end..end, b"\r\nConnection: close".iter().copied());
        all.push((format!("chunks of {size}"), bytes));
    }
}
