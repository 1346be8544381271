//! Any single flipped bit in a payment is detected by the vendor, or by the broker.
//!
//! The coins are of the period `2026-12-small`, n = 37: a changed input passes the vendor's hashing
//! by chance once in 2^37 flips, which is never here. The authenticator shows the broker what the
//! vendor cannot see.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use micromint::authenticator::{Authenticator, Key};
use micromint::coin::CoinRules;
use micromint::params::Params;
use micromint::protocol::{Payment, Unsigned};
use micromint::time::UnixTime;
use micromint::vendor::Checker;
use serde_json::Value;

const PARAMS: &str = include_str!("../../testdata/periods/2026-12-small.params");
const COINS: &str = include_str!("../../testdata/coins.json");
const URL: &str = "https://news.example/2026/12/page?id=7";
/// In the middle of December 2026.
const NOW: UnixTime = UnixTime(1_797_000_000);

/// Who detects a changed message.
#[derive(Debug, PartialEq)]
enum Stopped {
    /// The parser.
    Reader,
    /// The vendor's check by hashing.
    Vendor,
    /// The broker's check of the authenticator.
    Broker,
    /// Nobody: it would be served and paid.
    Nobody,
}

struct World {
    vendor: Checker,
    secret: Key,
    payment: Payment,
}

fn world() -> World {
    let params = Params::from_toml(PARAMS).unwrap();
    let secret = Key::from_bytes([42; 32]);
    let coins: Value = serde_json::from_str(COINS).unwrap();
    let is_small =
        |row: &&Value| row["period"] == "2026-12-small" && row["x"].as_array().unwrap().len() == 4;
    let inputs = |row: &Value| -> Vec<u64> {
        let hex = |x: &Value| u64::from_str_radix(x.as_str().unwrap(), 16).unwrap();
        row["x"].as_array().unwrap().iter().map(hex).collect()
    };
    let x: Vec<u64> =
        coins["vectors"].as_array().unwrap().iter().filter(is_small).flat_map(inputs).collect();
    let user_key = secret.user_key(params.period(), &"alice".parse().unwrap());
    let vendor = "news.example".parse().unwrap();
    let rules = CoinRules::new(params.clone());
    let mut firsts: Vec<u32> =
        x.chunks(4).map(|coin| rules.bin(coin[0]).unwrap().superbin).collect();
    firsts.dedup();
    let payment = Payment {
        url: URL.parse().unwrap(),
        user: "alice".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        period: params.period().clone(),
        coins: (x.len() / 4) as u32,
        owner_tokens: firsts.iter().map(|first| user_key.owner_token(&vendor, *first)).collect(),
        authenticator: Unsigned,
        x,
    }
    .authenticated(&user_key);
    World { vendor: Checker::new(payment.vendor.clone(), &[params]), secret, payment }
}

impl World {
    fn price(&self) -> u32 {
        self.payment.coins
    }

    /// Who detects this text before the vendor is paid for it.
    fn stopped(&self, text: &[u8]) -> Stopped {
        let Ok(payment) = Payment::parse(text) else {
            return Stopped::Reader;
        };
        let url = URL.parse().unwrap();
        if self.vendor.check(&payment, &url, self.price(), NOW).is_err() {
            return Stopped::Vendor;
        }
        let key = self.secret.user_key(&payment.period, &payment.user);
        if !payment.record().is_authentic(&key, &payment.vendor) {
            return Stopped::Broker;
        }
        Stopped::Nobody
    }

    /// The message with another value in a header; often the result cannot be parsed.
    fn with_header(&self, name: &str, value: &[u8]) -> Vec<u8> {
        let text = self.payment.to_bytes();
        let at = position(&text, format!("\n{name}: ").as_bytes()) + name.len() + 3;
        let end = at + position(&text[at..], b"\r\n");
        [&text[..at], value, &text[end..]].concat()
    }
}

fn position(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len()).position(|window| window == part).unwrap()
}

fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..8 * bytes.len()).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

#[test]
fn the_payment_itself_is_good() {
    let world = world();
    assert!(world.price() >= 4);
    assert_eq!(world.stopped(&world.payment.to_bytes()), Stopped::Nobody);
}

#[test]
fn a_flipped_bit_of_the_coins_is_refused_by_the_vendor() {
    let world = world();
    for i in 0..world.payment.x.len() {
        for bit in 0..64 {
            let mut payment = world.payment.clone();
            payment.x[i] ^= 1 << bit;
            assert_eq!(world.stopped(&payment.to_bytes()), Stopped::Vendor, "bit {bit} of x {i}");
        }
    }
}

#[test]
fn a_flipped_bit_of_a_name_the_url_or_the_period_is_refused_by_the_vendor() {
    let world = world();
    let payment = &world.payment;
    for (name, value) in [
        ("URL", payment.url.as_str()),
        ("User-ID", payment.user.as_str()),
        ("Vendor-ID", payment.vendor.as_str()),
        ("Period", payment.period.as_str()),
    ] {
        let mut seen_by_vendor = 0;
        for flipped in flips(value.as_bytes()) {
            let stopped = world.stopped(&world.with_header(name, &flipped));
            let shown = String::from_utf8_lossy(&flipped).into_owned();
            assert!(
                matches!(stopped, Stopped::Reader | Stopped::Vendor),
                "{name}: {shown} {stopped:?}"
            );
            seen_by_vendor += usize::from(stopped == Stopped::Vendor);
        }
        assert!(seen_by_vendor > 8, "{name}: most flips must be readable, or this tests nothing");
    }
}

#[test]
fn a_flipped_bit_of_the_authenticator_is_refused_by_the_broker() {
    let world = world();
    for flipped in flips(world.payment.authenticator.as_bytes()) {
        let mut payment = world.payment.clone();
        payment.authenticator = Authenticator::from_bytes(flipped.try_into().unwrap());
        assert_eq!(world.stopped(&payment.to_bytes()), Stopped::Broker);
    }
}

/// Every bit of the text, including header names and line ends: what is still accepted and paid is
/// the same payment in another spelling.
#[test]
fn a_flipped_bit_of_the_text_changes_nothing_or_is_refused() {
    let world = world();
    let mut alike = 0;
    for flipped in flips(&world.payment.to_bytes()) {
        if world.stopped(&flipped) == Stopped::Nobody {
            assert_eq!(Payment::parse(&flipped).unwrap(), world.payment);
            alike += 1;
        }
    }
    // The letters of header names, and those of hexadecimal digits in tokens and authenticator.
    assert!(alike < 150, "{alike} flips in letters whose case does not count");
}

/// Genuine balls in other places: each ball counts, and so does its place.
#[test]
fn balls_exchanged_between_coins_are_refused_by_the_vendor() {
    let world = world();
    for i in 0..world.payment.x.len() {
        for j in 0..i {
            let mut payment = world.payment.clone();
            payment.x.swap(i, j);
            assert_eq!(world.stopped(&payment.to_bytes()), Stopped::Vendor, "{i} and {j}");
        }
    }
}
