//! What it costs to know the bot that signed a request (Web Bot Auth): processor time of one
//! thread. `cargo bench -p micromint --bench bots`
//!
//! Every round runs each step a number of times; a row is the median of its rounds with the
//! quartiles. The last row is the bare check of an Ed25519 signature, for comparison.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod timing;

use std::hint::black_box;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use micromint::hash::HashName;
use micromint::host::{Clock, SystemClock, SystemEntropy};
use micromint::testing::{params_with, resize};
use micromint::vendor::{BotKey, BotKeys, Exemptions, Request, Vendor};

const AGENT: &str = "https://bot.example";
const CONFIG: &str = "vendor-id = \"news.example\"
origins = \"https://news.example\"
periods = \"periods\"
till = \"till\"
prices = \"prices.toml\"
bots = [\"https://bot.example\"]
bot-keys = \"bot-keys.toml\"
";
const PRICES: &str = "[[price]]
path = \"/story\"
coins = 4
verified-bots = 1
unknown-bots = 9
";
const ROUNDS: usize = 21;
const REPETITIONS: usize = 2000;

type Fields = Vec<(&'static str, String)>;

fn main() {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let folder = tempfile::tempdir().unwrap();
    let vendor = vendor(folder.path(), &secret);
    let signed = signed(&secret);
    let mut forged = signed.clone();
    let wrong = STANDARD.encode(secret.sign(b"another text").to_bytes());
    forged[1].1 = format!("sig1=:{wrong}:");
    let steps = [
        ("a reader", vec![("User-Agent", "Mozilla/5.0 Firefox/140.0".to_string())], 4),
        ("a bot by its User-Agent", vec![("User-Agent", "GPTBot/1.2".to_string())], 9),
        ("a bot that signed", signed, 1),
        ("a bot with a wrong signature", forged, 9),
    ];
    for (name, fields, coins) in steps {
        let headers: Vec<(&[u8], &[u8])> =
            fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = Request {
            method: b"GET",
            target: b"/story",
            host: Some(b"news.example"),
            is_https: true,
            headers: &headers,
            ..Request::default()
        };
        let price =
            || vendor.list_price(black_box(&request), Exemptions::Apply).map(|price| price.coins);
        assert_eq!(price(), Some(coins), "{name}");
        print(name, price);
    }
    let (key, text) = (secret.verifying_key(), [b'x'; 300]);
    let signature = secret.sign(&text);
    print("Ed25519 alone, 300 bytes", || key.verify_strict(black_box(&text), &signature).is_ok());
}

/// A vendor whose one page has prices for bots.
fn vendor(folder: &std::path::Path, secret: &SigningKey) -> Vendor {
    let now = SystemClock.now();
    let keys = BotKeys::default().with_agent(AGENT.parse().unwrap(), vec![key(secret)], now);
    std::fs::create_dir(folder.join("periods")).unwrap();
    let params = params_with(|raw| {
        resize(raw, 11, 8, 4, 2, HashName::Des);
        raw.start = now.plus_seconds(-86_400);
        raw.expiration = now.plus_seconds(30 * 86_400);
        raw.redeem_until = now.plus_seconds(37 * 86_400);
    });
    let params_file = format!("periods/{}.params", params.period());
    for (name, text) in [
        (params_file.as_str(), params.to_toml().as_str()),
        ("vendor.toml", CONFIG),
        ("prices.toml", PRICES),
        ("bot-keys.toml", &keys.unwrap().to_toml()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    Vendor::read(folder.join("vendor.toml"), "bench".to_string(), clock, entropy).unwrap()
}

fn key(secret: &SigningKey) -> BotKey {
    URL_SAFE_NO_PAD.encode(secret.verifying_key().as_bytes()).parse().unwrap()
}

/// The header fields of a bot, as the example of the draft has them.
fn signed(secret: &SigningKey) -> Fields {
    let now = SystemClock.now().0;
    let input = format!(
        "(\"@authority\" \"signature-agent\");created={};keyid=\"{}\";alg=\"ed25519\";expires={};\
         nonce=\"e8N7S2MFd/qrd6T2R3tdfAuuANngKI7LFtKYI/vowzk4IAZyadIX6wW25MwG7DCT9RUKAJ0qVkU0mEeLE\
         IW1qg==\";tag=\"web-bot-auth\"",
        now - 10,
        key(secret).id(),
        now + 3600
    );
    let base = format!(
        "\"@authority\": news.example\n\"signature-agent\": \"{AGENT}\"\n\
         \"@signature-params\": {input}"
    );
    let signature = STANDARD.encode(secret.sign(base.as_bytes()).to_bytes());
    vec![
        ("Signature-Input", format!("sig1={input}")),
        ("Signature", format!("sig1=:{signature}:")),
        ("Signature-Agent", format!("\"{AGENT}\"")),
    ]
}

/// Measures a step and prints its row.
fn print<T>(name: &str, act: impl Fn() -> T) {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| timing::each(REPETITIONS, |_| act())).collect();
    timing::print_row(name, &mut rounds);
}
