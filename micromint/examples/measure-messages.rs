//! Measures the time that a vendor needs to parse a payment:
//! `cargo run --release -p micromint --example measure-messages`.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use micromint::authenticator::Key;
use micromint::identity::{UserVector, VendorVector};
use micromint::protocol::Payment;
use micromint::testing::{ObviousMint, test_params};

const ROUNDS: u32 = 200_000;

fn main() {
    let mint = ObviousMint::new(test_params());
    let (user, vendor) = ("alice@bank.example".parse().unwrap(), "news.example".parse().unwrap());
    let url = "https://news.example/2026/12/01/a-page-of-common-length?ref=front".parse().unwrap();
    let coins = mint.coins(&user, &vendor, 8);
    let payment = mint.payment(&user, &Key::from_bytes([7; 32]), &vendor, &url, &coins[..1]);
    let text = payment.to_bytes();
    println!("a payment of one coin: {} bytes", text.len());
    measure("parse", || Payment::parse(black_box(&text)).unwrap());
    measure("print", || black_box(&payment).to_bytes());
    measure("user vector", || UserVector::new(mint.params(), black_box(&user)).unwrap());
    let user_vector = mint.user_vector(&user);
    let vendor_vector = VendorVector::new(mint.params(), &vendor);
    measure("check", || {
        mint.rules().check(&user_vector, &vendor_vector, black_box(&payment.x)).unwrap()
    });
}

fn measure<T>(what: &str, mut work: impl FnMut() -> T) {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    println!("{what}: {} ns", (start.elapsed() / ROUNDS).as_nanos());
}
