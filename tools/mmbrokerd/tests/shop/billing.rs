//! Outside billing: small servers that speak the messages of Stripe Checkout, of BTCPay Server's
//! Greenfield interface and of a GNU Taler merchant, as they are documented, and deliver their
//! webhooks to the broker. Orders are made by the commands of the guide, as it prints them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use mmbrokerd::shop::ShopSettings;
use mmbrokerd::store::AccountKind;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::browser::*;
use crate::databases::Database;
use crate::world::{COIN, DURING};

crate::on_both_databases!(stripe_checkout_adds_money, btcpay_adds_money, taler_adds_money);

const GUIDE: &str = include_str!("../../../../docs/guide/broker-shop.md");
const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";
/// The user of the guide's examples.
const USER: &str = "k4mw-9xqa-2htb";

/// A billing server: what was asked of it, and how it answers.
struct Billing {
    address: String,
    orders: Arc<Mutex<Vec<Order>>>,
}

/// A request that a shop sent.
#[derive(Clone, Debug)]
struct Order {
    path: String,
    login: String,
    body: String,
}

impl Billing {
    /// Starts a server that answers each request by `answer`, which ends with the program.
    fn start(answer: fn(&Order, usize) -> Value) -> Billing {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let orders = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&orders);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let Some(order) = read_order(&mut stream) else { continue };
                let mut all = taken.lock().unwrap();
                let text = answer(&order, all.len()).to_string();
                all.push(order);
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                     Connection: close\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        Billing { address, orders }
    }

    /// Runs the commands of the guide's block that names `what`, for a user of this broker.
    fn run_guide(&self, what: &str, host: &str, user: &str) -> Vec<Value> {
        let mut blocks = GUIDE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let block = blocks.find(|block| block.contains(what)).expect("a block");
        let script = block.replace(host, &self.address).replace(USER, user);
        let output = Command::new("bash")
            .args(["-euc", &script])
            .env("STRIPE_KEY", "sk_test_1")
            .env("BTCPAY_KEY", "btcpay-1")
            .env("TALER_KEY", "taler-1")
            .env("STORE", "store1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
        answers.map(Result::unwrap).collect()
    }
}

fn read_order(stream: &mut TcpStream) -> Option<Order> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_string();
    let (mut login, mut size) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => login = value.to_string(),
            "content-length" => size = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; size];
    reader.read_exact(&mut body).ok()?;
    Some(Order { path, login, body: String::from_utf8(body).ok()? })
}

async fn site_for(database: Database, source: &str, folder: &Path) -> Site {
    let file = folder.join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let hooks = BTreeMap::from([(source.to_string(), file)]);
    site_with(database, ShopSettings { hooks, ..ShopSettings::default() }).await
}

/// Delivers a message, with these header fields.
fn deliver(site: &Site, source: &str, fields: &[(&str, String)], body: &str) -> (u16, String) {
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    let agent: ureq::Agent = config.build().into();
    let mut request = agent
        .post(format!("{}/hooks/{source}", site.address))
        .header("Content-Type", "application/json; charset=utf-8");
    for (name, value) in fields {
        request = request.header(*name, value);
    }
    let mut answer = request.send(body.as_bytes()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    let result: Value = serde_json::from_str(&text).unwrap();
    (answer.status().as_u16(), result["result"].as_str().unwrap_or_default().to_string())
}

fn digits(secret: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An event of Stripe with a Checkout session, as its webhooks have it.
fn stripe_event(id: &str, kind: &str, session: &Value) -> String {
    json!({
        "id": id, "object": "event", "api_version": "2024-06-20", "created": DURING.0,
        "data": {"object": session}, "livemode": false, "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null}, "type": kind,
    })
    .to_string()
}

/// Delivers an event of Stripe, signed at a time.
fn stripe(site: &Site, secret: &str, seconds: i64, body: &str) -> (u16, String) {
    let v1 = digits(secret, &format!("{seconds}.{body}"));
    let field = format!("t={seconds},v1={v1},v0={}", "0".repeat(64));
    deliver(site, "stripe", &[("Stripe-Signature", field)], body)
}

async fn stripe_checkout_adds_money(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let site = site_for(database, "stripe", folder.path()).await;
    let (_, user) = site.reader();
    let billing = Billing::start(|order, count| {
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(order.body.as_bytes()).into_owned().collect();
        let price = |key: &str| form[&format!("line_items[0][{key}]")].clone();
        let unit: u64 = price("price_data][unit_amount").parse().unwrap();
        let quantity: u64 = price("quantity").parse().unwrap();
        json!({
            "id": format!("cs_test_{count}"), "object": "checkout.session",
            "amount_subtotal": unit * quantity, "amount_total": unit * quantity,
            "client_reference_id": form["client_reference_id"],
            "currency": price("price_data][currency"), "customer": null, "livemode": false,
            "metadata": {}, "mode": form["mode"], "payment_status": "unpaid", "status": "open",
            "success_url": form["success_url"], "url": "https://checkout.stripe.com/c/pay/cs_test",
        })
    });
    let mut session =
        billing.run_guide("checkout/sessions", "https://api.stripe.com", &user).remove(0);
    let order = billing.orders.lock().unwrap()[0].clone();
    assert_eq!(order.path, "/v1/checkout/sessions");
    // The base64 of the key and a colon.
    assert_eq!(order.login, "Basic c2tfdGVzdF8xOg==");
    let (now, balance) = (DURING.0, || site.world.balance(AccountKind::Client, &user));
    // Other events, and a session that waits for the bank, add nothing.
    let opened = stripe_event("evt_1", "checkout.session.expired", &session);
    assert_eq!(stripe(&site, SECRET, now, &opened), (200, "ignored".to_string()));
    session["status"] = json!("complete");
    let waiting = stripe_event("evt_2", "checkout.session.completed", &session);
    assert_eq!(stripe(&site, SECRET, now, &waiting), (200, "ignored".to_string()));
    // The world's currency is USD; the shop sells in euros too.
    session["payment_status"] = json!("paid");
    session["currency"] = json!("usd");
    let paid = stripe_event("evt_3", "checkout.session.async_payment_succeeded", &session);
    assert_eq!(stripe(&site, SECRET, now, &paid), (200, "added".to_string()));
    assert_eq!(balance().await, 500 * COIN);
    // Delivered again, later and by another event about the same session.
    assert_eq!(stripe(&site, SECRET, now + 60, &paid), (200, "added before".to_string()));
    let again = stripe_event("evt_4", "checkout.session.completed", &session);
    assert_eq!(stripe(&site, SECRET, now, &again), (200, "added before".to_string()));
    // What is not signed, signed too early, or changed on its way.
    let mut other = session.clone();
    other["id"] = json!("cs_test_other");
    let other = stripe_event("evt_5", "checkout.session.completed", &other);
    assert_eq!(deliver(&site, "stripe", &[], &other).0, 403);
    assert_eq!(stripe(&site, "whsec_another_secret_of_somebody", now, &other).0, 403);
    assert_eq!(stripe(&site, SECRET, now - 301, &other).0, 403);
    let field = format!("t={now},v1={}", digits(SECRET, &format!("{now}.{other}")));
    let changed = other.replace("500", "900");
    assert_eq!(deliver(&site, "stripe", &[("Stripe-Signature", field)], &changed).0, 403);
    // A session without the reader cannot be used, and Stripe shows that to the operator.
    let mut nobody = session.clone();
    (nobody["id"], nobody["client_reference_id"]) = (json!("cs_test_nobody"), Value::Null);
    let nobody = stripe_event("evt_6", "checkout.session.completed", &nobody);
    assert_eq!(stripe(&site, SECRET, now, &nobody), (422, "expected a User-ID".to_string()));
    assert_eq!(balance().await, 500 * COIN);
    site.world.check_ledger().await;
}

/// A webhook of BTCPay Server about an invoice.
fn btcpay_event(kind: &str, invoice: &Value, is_redelivery: bool) -> String {
    json!({
        "deliveryId": "delivery1", "webhookId": "webhook1", "originalDeliveryId": "delivery1",
        "isRedelivery": is_redelivery, "type": kind, "timestamp": DURING.0,
        "storeId": "store1", "invoiceId": invoice["id"], "metadata": invoice["metadata"],
        "manuallyMarked": false, "overPaid": false,
    })
    .to_string()
}

fn btcpay(site: &Site, secret: &str, body: &str) -> (u16, String) {
    let field = format!("sha256={}", digits(secret, body));
    deliver(site, "btcpay", &[("BTCPay-Sig", field)], body)
}

async fn btcpay_adds_money(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let site = site_for(database, "btcpay", folder.path()).await;
    let (_, user) = site.reader();
    let billing = Billing::start(|order, count| {
        let asked: Value = serde_json::from_str(&order.body).unwrap();
        json!({
            "id": format!("invoice{count}"), "storeId": "store1", "amount": asked["amount"],
            "currency": asked["currency"], "type": "Standard", "status": "New",
            "additionalStatus": "None", "metadata": asked["metadata"],
            "checkoutLink": "https://btcpay.example/i/invoice",
        })
    });
    let mut invoice = billing.run_guide("/invoices", "https://btcpay.example", &user).remove(0);
    let order = billing.orders.lock().unwrap()[0].clone();
    assert_eq!(order.path, "/api/v1/stores/store1/invoices");
    assert_eq!(order.login, "token btcpay-1");
    invoice["metadata"]["amount"] = json!("5 USD");
    for (at, kind) in
        ["InvoiceCreated", "InvoiceReceivedPayment", "InvoiceProcessing"].iter().enumerate()
    {
        let event = btcpay_event(kind, &invoice, at > 0);
        assert_eq!(btcpay(&site, SECRET, &event), (200, "ignored".to_string()), "{kind}");
    }
    let settled = btcpay_event("InvoiceSettled", &invoice, false);
    assert_eq!(btcpay(&site, "another_secret_of_somebody", &settled).0, 403);
    assert_eq!(btcpay(&site, SECRET, &settled), (200, "added".to_string()));
    let again = btcpay_event("InvoiceSettled", &invoice, true);
    assert_eq!(btcpay(&site, SECRET, &again), (200, "added before".to_string()));
    // Another amount for the same invoice is refused.
    let mut more = invoice.clone();
    more["metadata"]["amount"] = json!("500 USD");
    assert_eq!(btcpay(&site, SECRET, &btcpay_event("InvoiceSettled", &more, true)).0, 422);
    // An invoice that was not made for a reader.
    invoice["id"] = json!("invoice9");
    invoice["metadata"] = json!({"orderId": "7"});
    assert_eq!(btcpay(&site, SECRET, &btcpay_event("InvoiceSettled", &invoice, false)).0, 422);
    assert_eq!(site.world.balance(AccountKind::Client, &user).await, 500 * COIN);
    site.world.check_ledger().await;
}

/// A template of a webhook of GNU Taler, filled in.
fn filled(template: &str, order: &Value, id: &str) -> String {
    let mut text = template.to_string();
    while let Some(start) = text.find("{{") {
        let end = start + text[start..].find("}}").unwrap();
        let name = text[start + 2..end].trim().to_string();
        let value = match name.as_str() {
            "order_id" => id.to_string(),
            path => {
                let rest = path.strip_prefix("contract_terms.").expect("a known name");
                let pointer = format!("/{}", rest.replace('.', "/"));
                order.pointer(&pointer).and_then(Value::as_str).unwrap_or_default().to_string()
            }
        };
        text.replace_range(start..end + 2, &value);
    }
    text
}

async fn taler_adds_money(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let site = site_for(database, "taler", folder.path()).await;
    let (_, user) = site.reader();
    let billing = Billing::start(|order, count| match order.path.rsplit('/').next() {
        Some("webhooks") => json!({}),
        _ => json!({"order_id": format!("2027.{count:03}"), "token": "T"}),
    });
    let answers = billing.run_guide("private/webhooks", "https://taler.example", &user);
    let orders = billing.orders.lock().unwrap().clone();
    let paths: Vec<&str> = orders.iter().map(|order| order.path.as_str()).collect();
    assert_eq!(paths, ["/private/webhooks", "/private/orders"]);
    assert!(orders.iter().all(|order| order.login == "Bearer secret-token:taler-1"));
    let webhook: Value = serde_json::from_str(&orders[0].body).unwrap();
    let mut order: Value = serde_json::from_str(&orders[1].body).unwrap();
    assert_eq!((&webhook["event_type"], &webhook["http_method"]), (&json!("pay"), &json!("POST")));
    order["order"]["amount"] = json!("USD:5");
    let id = answers.last().unwrap()["order_id"].as_str().unwrap();
    let body = filled(webhook["body_template"].as_str().unwrap(), &order["order"], id);
    let header = webhook["header_template"].as_str().unwrap();
    let (name, value) = header.split_once(": ").unwrap();
    let pay = |value: &str, body: &str| deliver(&site, "taler", &[(name, value.to_string())], body);
    assert_eq!(pay(value, &body).0, 403, "the guide's SECRET is not ours");
    let value = value.replace("SECRET", SECRET);
    assert_eq!(pay(&value, &body), (200, "added".to_string()));
    assert_eq!(pay(&value, &body), (200, "added before".to_string()));
    assert_eq!(pay(&value, &body.replace("USD:5", "USD:50")).0, 422);
    assert_eq!(pay("Bearer ", &body).0, 403);
    // The order of somebody who is no reader.
    let other =
        filled(webhook["body_template"].as_str().unwrap(), &json!({"amount": "USD:5"}), "8");
    assert_eq!(pay(&value, &other).0, 422);
    assert_eq!(site.world.balance(AccountKind::Client, &user).await, 500 * COIN);
    site.world.check_ledger().await;
}
