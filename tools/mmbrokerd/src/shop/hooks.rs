//! Webhooks: outside billing says that somebody paid.
//!
//! Input: a signed message. Output: money on an account. The invariants: a message without a right
//! signature changes nothing; the same payment is added once, however often it is told; a payment
//! that is told with other content is refused.

use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use micromint::identity::UserId;
use micromint::money::Money;
use micromint::reply::Reply;
use micromint::time::UnixTime;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::Row;

use super::audit::Act;
use super::form::{is_plain_line, read_body};
use super::money::{Credited, accounts, credit, deposit_units, one_spelling};
use super::payouts::CENT;
use super::{Shop, random};
use crate::places::Sender;
use crate::service::ServiceError;
use crate::store::{Store, StoreError, retried};

/// The largest message, in bytes.
pub const HOOK_SIZE_MAX: usize = 64 * 1024;
/// How many messages above [`FORM_SIZE_MAX`](super::FORM_SIZE_MAX) are read at a time: they take 16
/// MiB at most.
pub const LARGE_HOOKS_MAX: usize = 256;
/// How old a signature may be, and how far in the future, in seconds.
const AGE_SECONDS_MAX: i64 = 300;
/// The longest identifier of a payment, in bytes.
const ID_LEN_MAX: usize = 200;
/// The largest file with secrets, in bytes.
pub(super) const SECRETS_SIZE_MAX: u64 = 16 * 1024;
/// The shortest secret, in bytes: a shorter line is none.
pub(super) const SECRET_LEN_MIN: usize = 16;

/// Who tells of payments.
pub(super) const SOURCES: [&str; 4] = ["deposit", "stripe", "btcpay", "taler"];

/// Why a payment is refused.
const NO_ACCOUNT: &str = "there is no such account";
const OTHERWISE: &str = "this payment was told otherwise before";

/// A payment that was told.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// Identifies it at its source.
    id: String,
    user: UserId,
    amount: Money,
}

/// What a message says: a payment, or nothing that matters here.
type Reading = Result<Option<Told>, &'static str>;

fn answer(status: StatusCode, result: &str) -> Response {
    (status, axum::Json(json!({ "result": result }))).into_response()
}

/// Takes a message.
pub(super) async fn take(
    State(shop): State<Arc<Shop>>,
    Path(source): Path<String>,
    request: Request,
) -> Response {
    let Some(source) = SOURCES.into_iter().find(|known| *known == source) else {
        return answer(StatusCode::NOT_FOUND, "no such webhook");
    };
    let Some(file) = shop.settings.hooks.get(source) else {
        return answer(StatusCode::NOT_FOUND, "this webhook is not set up");
    };
    let headers = request.headers().clone();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let network = shop.network(&headers, peer).into();
    // Nobody is known before the message is read.
    let place = shop.large_hooks.none(&Sender { network, is_known: true });
    let body = match read_body(request, HOOK_SIZE_MAX, Some(place)).await {
        Ok(body) => body,
        Err(refused) if refused.is("error-too-large") => {
            return answer(StatusCode::PAYLOAD_TOO_LARGE, "the message is too large");
        }
        Err(refused) if refused.is("error-too-slow") => {
            return answer(StatusCode::REQUEST_TIMEOUT, "the message came too slowly");
        }
        Err(refused) if refused.is("error-many-forms") => {
            return answer(StatusCode::SERVICE_UNAVAILABLE, "too many messages; try again later");
        }
        Err(_) => return answer(StatusCode::BAD_REQUEST, "the message ended early"),
    };
    let secrets = match secrets(file) {
        Ok(secrets) => secrets,
        Err(error) => {
            micromint_console::tell!("mmbrokerd: error: {}: {error}", file.display());
            return answer(StatusCode::SERVICE_UNAVAILABLE, "try again later");
        }
    };
    let now = shop.service.now();
    let is_signed = |secret: &String| is_signed(source, secret, &headers, &body, now);
    if !secrets.iter().any(is_signed) {
        return answer(StatusCode::FORBIDDEN, "the signature is wrong or too old");
    }
    let told = match serde_json::from_slice(&body).map_err(|_| "expected JSON") {
        Ok(value) => read(source, &value),
        Err(why) => Err(why),
    };
    match told {
        Err(why) => answer(StatusCode::UNPROCESSABLE_ENTITY, why),
        Ok(None) => answer(StatusCode::OK, "ignored"),
        Ok(Some(told)) => add(&shop, source, &told).await,
    }
}

/// The secrets of a file, one on each line: while one is replaced, both count.
pub(super) fn secrets(file: &FilePath) -> std::io::Result<Vec<String>> {
    if std::fs::metadata(file)?.len() > SECRETS_SIZE_MAX {
        return Err(std::io::Error::other("the file is too large"));
    }
    let text = std::fs::read_to_string(file)?;
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= SECRET_LEN_MIN);
    Ok(lines.map(str::to_string).collect())
}

fn is_signed(source: &str, secret: &str, headers: &HeaderMap, body: &[u8], now: UnixTime) -> bool {
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match source {
        "deposit" => field("micromint-signature").is_some_and(|it| is_timed(it, secret, body, now)),
        "stripe" => field("stripe-signature").is_some_and(|it| is_timed(it, secret, body, now)),
        "btcpay" => field("btcpay-sig")
            .and_then(|field| field.strip_prefix("sha256="))
            .is_some_and(|digits| random::are_equal(digits, &sign(secret, &[body]))),
        _ => field(AUTHORIZATION.as_str())
            .and_then(|field| field.strip_prefix("Bearer "))
            .is_some_and(|token| random::are_equal(token, secret)),
    }
}

/// Whether a field `t=SECONDS,v1=DIGITS` signs a body: HMAC-SHA256 over `SECONDS.BODY`.
fn is_timed(field: &str, secret: &str, body: &[u8], now: UnixTime) -> bool {
    let pairs = || field.split(',').take(16).filter_map(|pair| pair.trim().split_once('='));
    let Some((_, time)) = pairs().find(|(name, _)| *name == "t") else { return false };
    let Ok(seconds) = time.parse::<i64>() else { return false };
    let is_recent = seconds.abs_diff(now.0) <= AGE_SECONDS_MAX as u64;
    let expected = sign(secret, &[time.as_bytes(), b".", body]);
    is_recent && pairs().any(|(name, digits)| name == "v1" && random::are_equal(digits, &expected))
}

fn sign(secret: &str, parts: &[&[u8]]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    parts.iter().for_each(|part| mac.update(part));
    random::hex(&mac.finalize().into_bytes())
}

/// Reads the message of a source.
fn read(source: &str, value: &Value) -> Reading {
    match source {
        "stripe" => read_stripe(value),
        "btcpay" => read_btcpay(value),
        _ => told(text(value, "/id"), text(value, "/user"), amount(text(value, "/amount"))),
    }
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path)?.as_str()
}

/// An amount such as `5 EUR`, or `EUR:5` as GNU Taler writes it.
fn amount(text: Option<&str>) -> Option<Money> {
    let text = text?;
    match text.split_once(':') {
        Some((currency, number)) => format!("{number} {currency}").parse().ok(),
        None => text.parse().ok(),
    }
}

fn told(id: Option<&str>, user: Option<&str>, amount: Option<Money>) -> Reading {
    let id = id.filter(|id| id.len() <= ID_LEN_MAX && is_plain_line(id)).map(one_spelling);
    let id = id.filter(|id| !id.is_empty()).ok_or("expected an identifier of the payment")?;
    let user = user.and_then(|user| user.parse().ok()).ok_or("expected a User-ID")?;
    Ok(Some(Told { id, user, amount: amount.ok_or("expected an amount")? }))
}

/// A Checkout session that was paid; its `client_reference_id` is the User-ID.
fn read_stripe(value: &Value) -> Reading {
    let is_paid = match text(value, "/type") {
        Some("checkout.session.completed" | "checkout.session.async_payment_succeeded") => {
            text(value, "/data/object/payment_status") == Some("paid")
        }
        _ => false,
    };
    if !is_paid {
        return Ok(None);
    }
    let user = text(value, "/data/object/client_reference_id");
    let currency = text(value, "/data/object/currency").unwrap_or_default().to_ascii_uppercase();
    let minor = value.pointer("/data/object/amount_total").and_then(Value::as_u64);
    let amount = minor.and_then(|minor| {
        Some(Money::new(minor.checked_mul(stripe_unit(&currency)?)?, currency.parse().ok()?))
    });
    told(text(value, "/data/object/id"), user, amount)
}

/// What Stripe counts amounts of a currency in, in units: mostly its smallest coin (Stripe,
/// "Supported currencies"). `None` for UGX, which that page lists with and without decimals.
fn stripe_unit(currency: &str) -> Option<u64> {
    match currency {
        "UGX" => None,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Some(CENT / 10),
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "MGA" | "PYG" | "RWF" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => Some(100 * CENT),
        _ => Some(CENT),
    }
}

/// An invoice that was settled; its metadata has `user` and `amount`.
fn read_btcpay(value: &Value) -> Reading {
    if text(value, "/type") != Some("InvoiceSettled") {
        return Ok(None);
    }
    let amount = amount(text(value, "/metadata/amount"));
    told(text(value, "/invoiceId"), text(value, "/metadata/user"), amount)
}

async fn add(shop: &Shop, source: &'static str, told: &Told) -> Response {
    match try_add(shop, source, told).await {
        Ok(Reply::Granted(true)) => answer(StatusCode::OK, "added"),
        Ok(Reply::Granted(false)) => answer(StatusCode::OK, "added before"),
        Ok(Reply::Refused(why)) => answer(StatusCode::UNPROCESSABLE_ENTITY, why),
        Err(error) => {
            micromint_console::tell!("mmbrokerd: error: {}", micromint::error::chain(&error));
            // The sender sends it again.
            answer(StatusCode::SERVICE_UNAVAILABLE, "try again later")
        }
    }
}

/// Adds a payment. Returns whether it was added now, or why it is refused.
async fn try_add(
    shop: &Shop,
    source: &'static str,
    told: &Told,
) -> Result<Reply<bool, &'static str>, ServiceError> {
    let store = shop.service.store();
    shop.service.check_progress().await?;
    let Some(units) = deposit_units(told.amount) else {
        return Ok(Reply::Refused("expected an amount above 0 and up to 1000000"));
    };
    if !store.currencies().await?.contains(&told.amount.currency()) {
        return Ok(Reply::Refused("no period of the broker is in this currency"));
    }
    if !store.has_account(&told.user).await? {
        return Ok(Reply::Refused(NO_ACCOUNT));
    }
    let own = accounts(store, &told.user, told.amount.currency()).await?;
    let now = shop.service.now();
    let added = retried!(add_once(store, source, told, (own.0, own.1, units), now))?;
    shop.service.note_progress().await?;
    Ok(added)
}

async fn add_once(
    store: &Store,
    source: &'static str,
    told: &Told,
    moved: (i64, i64, i64),
    now: UnixTime,
) -> Result<Reply<bool, &'static str>, StoreError> {
    let content = format!("{} {} {}", told.id, told.user, told.amount);
    let sha256 = Sha256::digest(&content).to_vec();
    let mut tx = store.begin().await?;
    let added = sqlx::query(
        "INSERT INTO hook (source, id, sha256, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (source, id) DO NOTHING",
    )
    .bind(source)
    .bind(told.id.clone())
    .bind(sha256.clone())
    .bind(now.0)
    .execute(tx.connection())
    .await?;
    if added.rows_affected() == 0 {
        let known: Vec<u8> = sqlx::query("SELECT sha256 FROM hook WHERE source = $1 AND id = $2")
            .bind(source)
            .bind(told.id.clone())
            .fetch_one(tx.connection())
            .await?
            .try_get(0)?;
        let is_same = known == sha256;
        return Ok(if is_same { Reply::Granted(false) } else { Reply::Refused(OTHERWISE) });
    }
    let reference = format!("hook {source} {}", told.id);
    match credit(&mut tx, ("deposit", &reference), told.user.as_str(), moved, now).await? {
        Credited::Now => {}
        Credited::Closed => return Ok(Reply::Refused(NO_ACCOUNT)),
        Credited::Before | Credited::Otherwise => return Ok(Reply::Refused(OTHERWISE)),
    }
    tx.audit(source, Act::Deposit, &content, now).await?;
    tx.commit().await?;
    Ok(Reply::Granted(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_797_000_000);

    fn payment(id: &str, amount: &str) -> Reading {
        Ok(Some(Told {
            id: id.to_string(),
            user: "alice".parse().unwrap(),
            amount: amount.parse().unwrap(),
        }))
    }

    #[test]
    fn a_signature_counts_for_its_body_and_its_time() {
        let secret = "whsec_0123456789abcdef";
        let signed = |seconds: i64, body: &[u8]| {
            let time = seconds.to_string();
            let digits = sign(secret, &[time.as_bytes(), b".", body]);
            format!("t={time},v0=00,v1=11,v1={digits}")
        };
        let field = signed(NOW.0, b"{}");
        assert!(is_timed(&field, secret, b"{}", NOW));
        assert!(!is_timed(&field, secret, b"{} ", NOW));
        assert!(!is_timed(&field, "whsec_0123456789abcdeg", b"{}", NOW));
        for (seconds, expected) in [(300, true), (301, false), (-300, true), (-301, false)] {
            let found = is_timed(&field, secret, b"{}", NOW.plus_seconds(seconds));
            assert_eq!(found, expected, "{seconds}");
        }
        for wrong in ["", "t=", "v1=", "t=1797000000", &field.replace("t=17", "t=18")] {
            assert!(!is_timed(wrong, secret, b"{}", NOW), "{wrong}");
        }
    }

    #[test]
    fn the_messages_of_each_source_are_read() {
        let own = json!({"id": "7", "user": "alice", "amount": "5 EUR"});
        assert_eq!(read("deposit", &own), payment("7", "5 EUR"));
        let taler = json!({"id": "2027-1", "user": "alice", "amount": "KUDOS:1.5"});
        assert!(read("taler", &taler).is_err());
        let taler = json!({"id": "2027-1", "user": "alice", "amount": "EUR:1.50"});
        assert_eq!(read("taler", &taler), payment("2027-1", "1.5 EUR"));
        let mut stripe = json!({"id": "evt_1", "type": "checkout.session.completed", "data":
            {"object": {"id": "cs_1", "payment_status": "paid", "client_reference_id": "alice",
            "amount_total": 1234, "currency": "eur"}}});
        assert_eq!(read("stripe", &stripe), payment("cs_1", "12.34 EUR"));
        stripe["data"]["object"]["currency"] = json!("jpy");
        assert_eq!(read("stripe", &stripe), payment("cs_1", "1234 JPY"));
        stripe["data"]["object"]["currency"] = json!("kwd");
        assert_eq!(read("stripe", &stripe), payment("cs_1", "1.234 KWD"));
        stripe["data"]["object"]["currency"] = json!("ugx");
        assert!(read("stripe", &stripe).is_err());
        stripe["data"]["object"]["payment_status"] = json!("unpaid");
        assert_eq!(read("stripe", &stripe), Ok(None));
        let btcpay = json!({"type": "InvoiceSettled", "invoiceId": "inv1",
            "metadata": {"user": "alice", "amount": "5 EUR"}});
        assert_eq!(read("btcpay", &btcpay), payment("inv1", "5 EUR"));
        assert_eq!(read("btcpay", &json!({"type": "InvoiceCreated"})), Ok(None));
        for wrong in [
            json!({}),
            json!([]),
            json!({"id": "", "user": "alice", "amount": "5 EUR"}),
            json!({"id": "x".repeat(ID_LEN_MAX + 1), "user": "alice", "amount": "5 EUR"}),
            json!({"id": "7", "user": "Alice", "amount": "5 EUR"}),
            json!({"id": "7", "user": "alice", "amount": "-5 EUR"}),
            json!({"id": "7", "user": "alice", "amount": 5}),
        ] {
            assert!(read("deposit", &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn identifiers_that_look_alike_are_of_one_payment() {
        let id = |id: &str| read("deposit", &json!({"id": id, "user": "alice", "amount": "5 EUR"}));
        for same in ["t t", " t t ", "t  t", "t\u{a0}t", "t\u{3000}t"] {
            assert_eq!(id(same), payment("t t", "5 EUR"), "{same:?}");
        }
        assert_eq!(id("e\u{301}q"), payment("\u{e9}q", "5 EUR"));
        assert!(id(" \u{a0}").is_err());
    }
}
