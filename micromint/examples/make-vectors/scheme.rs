//! Challenges, credentials and receipts of the scheme "Payment".

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint::authenticator::Key;
use micromint::protocol::{Payment, PeriodPrice, RequestPayment};
use micromint::scheme::{
    CREDENTIAL_HEADER, Challenge, Credential, INTENT, METHOD, PaymentReceipt, charge_request,
};
use serde_json::{Value, json};

use super::{coin_file, json_file};

const COMMENT: &str = "The scheme \"Payment\", method micromint \
    (docs/draft-micromint-charge.md). Made by the core crate. The vectors detect a wrong order of \
    members, wrong slots, padding, and a reference over the wrong bytes. The key is the HMAC key \
    of the challenges.";

/// For every row the inputs, and the resulting header values.
pub(super) fn file() -> (String, Vec<u8>) {
    json_file("scheme.json", COMMENT, &rows())
}

/// Seeds of the fuzz target: the JSON of credentials, requests and receipts, and a challenge's
/// line.
pub(super) fn seeds() -> Vec<(String, Vec<u8>)> {
    let row = &rows()[1];
    let text = |name: &str| row[name].as_str().expect("a text").to_string();
    let decoded = |value: &str| URL_SAFE_NO_PAD.decode(value).expect("base64url");
    let request = row["challenge"]["request"].as_str().expect("a request");
    let credential = text("credential");
    vec![
        coin_file::seed("scheme/challenge", text("www-authenticate").into_bytes()),
        coin_file::seed("scheme/request.json", decoded(request)),
        coin_file::seed("scheme/credential.json", decoded(&credential["Payment ".len()..])),
        coin_file::seed("scheme/receipt.json", decoded(&text("payment-receipt"))),
    ]
}

fn rows() -> Vec<Value> {
    let plain = offer("https://news.example/story", 1, "News of the day");
    let mut two_values = offer("https://news.example/story", 40, "");
    let large = "2026-12-large".parse().expect("a period");
    two_values.prices[1] = PeriodPrice::new(large, 2, "0.4 USD".parse().expect("an amount"));
    let odd = offer("https://news.example/a?b=\"c\"&d=\\", 500, "");
    vec![
        row("one coin, Authorization", &plain, Challenge::default()),
        row(
            "the site uses Authorization itself: an eighth slot",
            &plain,
            Challenge { header: Some(CREDENTIAL_HEADER.into()), ..Challenge::default() },
        ),
        row("a URL with characters that JSON escapes; no description", &odd, Challenge::default()),
        row(
            "a description in UTF-8",
            &offer("https://news.example/story", 2, "5 % für alle: 日本"),
            Challenge::default(),
        ),
        row("coins of two values", &two_values, Challenge::default()),
        row(
            "every slot",
            &odd,
            Challenge {
                digest: Some("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:".into()),
                opaque: Some("eyJhIjoiYiJ9".into()),
                ..Challenge::default()
            },
        ),
    ]
}

fn row(why: &str, offer: &RequestPayment, fields: Challenge) -> Value {
    let key = Key::from_bytes(std::array::from_fn(|i| i as u8));
    let mut challenge = Challenge {
        realm: offer.vendor.to_string(),
        method: METHOD.to_string(),
        intent: INTENT.to_string(),
        request: charge_request(offer),
        expires: Some("2026-12-10T12:15:00Z".to_string()),
        ..fields
    };
    challenge.id = challenge.id_under(&key);
    let payment = Payment {
        url: offer.url.clone(),
        user: "alice".parse().expect("a User-ID"),
        vendor: offer.vendor.clone(),
        period: offer.prices[0].period.clone(),
        coins: 1,
        owner_tokens: vec!["0011223344556677".parse().expect("a token")],
        authenticator: "00112233445566778899aabbccddeeff".parse().expect("an authenticator"),
        x: vec![1, 0x0123_4567_89ab_cdef, 3, 4],
    };
    let message = payment.to_bytes();
    let recorded_at = "2026-12-10T12:00:01Z".parse().expect("a time");
    let receipt = PaymentReceipt::new(&payment, recorded_at, Some(challenge.id.clone()));
    let bare = PaymentReceipt::new(&payment, recorded_at, None);
    json!({
        "why": why,
        "key": key.to_hex(),
        "request-payment": String::from_utf8_lossy(&offer.to_bytes()),
        "challenge": challenge,
        "www-authenticate": challenge.to_string(),
        "payment": String::from_utf8_lossy(&message),
        "credential": Credential::new(challenge.clone(), &message).to_header(),
        "recorded-at": recorded_at.to_string(),
        "payment-receipt": receipt.to_header(),
        "payment-receipt-without-challenge": bare.to_header(),
    })
}

fn offer(url: &str, price: u32, description: &str) -> RequestPayment {
    RequestPayment {
        url: url.parse().expect("a URL"),
        vendor: "news.example".parse().expect("a Vendor-ID"),
        prices: vec![
            PeriodPrice::new(
                "2026-12".parse().expect("a period"),
                price,
                "0.01 USD".parse().unwrap(),
            ),
            PeriodPrice::new(
                "2027-01".parse().expect("a period"),
                price,
                "0.01 USD".parse().unwrap(),
            ),
        ],
        broker: "https://broker.example/".to_string(),
        description: description.to_string(),
    }
}
