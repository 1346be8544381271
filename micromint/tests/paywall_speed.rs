//! How long a decision takes. Run by hand: `cargo test --release -p micromint --test paywall_speed --
//! --ignored --nocapture`.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint::authenticator::Key;
use micromint::host::{DiskDirectory, FixedClock, SystemEntropy};
use micromint::vendor::config::VendorConfig;
use micromint::vendor::http::{Outcome, Request, RequestBuf};
use micromint::vendor::paywall::Paywall;

use common::{Mint, params};

const ROUNDS: usize = 10;

fn paywall(mint: &Mint, till: &Path) -> Paywall {
    let text = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\nperiods = \"p\"\ntill = \"t\"\nsync = \"os\"\n";
    Paywall::with(
        VendorConfig::parse(text, Path::new("vendor.toml")).unwrap(),
        &[mint.rules.params().clone()],
        Key::from_bytes([9; 32]),
        Box::new(DiskDirectory::new(till)),
        Arc::new(FixedClock("2026-12-10T12:00:00Z".parse().unwrap())),
        Arc::new(SystemEntropy),
    )
    .unwrap()
}

/// Decides about every request and gives the time that each took on average.
fn time(paywall: &Paywall, requests: &[RequestBuf], expected: Outcome) -> Duration {
    let start = Instant::now();
    for request in requests {
        let decision = request.as_request(|request| paywall.decide(request));
        assert_eq!(decision.outcome(), expected);
    }
    start.elapsed() / requests.len() as u32
}

/// What a free page costs its server: a look at its head.
fn time_free() -> Duration {
    let mint = Mint::new(params("2026-12", "2026-12-01", "2027-01-01"));
    let folder = tempfile::tempdir().unwrap();
    let paywall = paywall(&mint, folder.path());
    let headers: [(&[u8], &[u8]); 8] = [
        (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (b"Accept-Language", b"en-US,en;q=0.5"),
        (b"Accept-Encoding", b"gzip, deflate, br"),
        (b"Connection", b"keep-alive"),
        (b"Cookie", b"session=0123456789abcdef"),
        (b"If-None-Match", b"\"5f-64\""),
        (b"Cache-Control", b"max-age=0"),
    ];
    let request = Request { method: b"GET", target: b"/story", headers: &headers, ..Request::default() };
    let count = 100_000;
    let start = Instant::now();
    for _ in 0..count {
        std::hint::black_box(paywall.classify(std::hint::black_box(&request)));
    }
    start.elapsed() / count
}

fn request(headers: &[(&[u8], &[u8])], price: u32) -> RequestBuf {
    RequestBuf::from(&Request {
        method: b"GET",
        target: b"/story",
        is_https: true,
        host: Some(b"news.example"),
        headers,
        price,
        ..Request::default()
    })
}

#[test]
#[ignore = "a measurement: run with make test-slow"]
fn decisions_take_microseconds() {
    let mint = Mint::new(params("2026-12", "2026-12-01", "2027-01-01"));
    let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
    let payments: Vec<RequestBuf> = mint
        .coins(&user, &vendor)
        .into_iter()
        .map(|coin| {
            let payment = mint.payment(&user, &vendor, "https://news.example/story", &[coin]);
            let value = URL_SAFE_NO_PAD.encode(payment.to_bytes());
            request(&[(b"MicroMint-Payment", value.as_bytes())], 1)
        })
        .collect();
    let unpaid = vec![request(&[(b"Accept", b"application/x-micromint")], 1); payments.len()];
    let page = vec![request(&[(b"Accept", b"text/html,*/*;q=0.8")], 1); payments.len()];
    let free = vec![request(&[(b"Accept", b"text/html,*/*;q=0.8")], 0); payments.len()];
    // The least of several rounds: a busy machine only ever adds.
    let mut least = [Duration::MAX; 5];
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let paywall = paywall(&mint, folder.path());
        let round = [
            time(&paywall, &free, Outcome::Free),
            time(&paywall, &unpaid, Outcome::Unpaid),
            time(&paywall, &page, Outcome::Unpaid),
            time(&paywall, &payments, Outcome::Paid),
            time(&paywall, &payments, Outcome::Retry),
        ];
        for (least, found) in least.iter_mut().zip(round) {
            *least = found.min(*least);
        }
    }
    let free = (0..ROUNDS).map(|_| time_free()).min().unwrap();
    println!("{:16} {free:?}", "free, classify");
    for (what, time) in ["free", "402 message", "402 page", "paid, one coin", "retry"].iter().zip(least) {
        println!("{what:16} {time:?}");
    }
}
