//! The IETF scheme "Payment", CORS and the manifest, beside the site's own use of those fields.

use micromint::protocol::Payment;
use micromint::scheme::{
    Credential, PaymentReceipt, challenges_in, read_charge_request, reference,
};
use micromint_servers::client::{RequestText, Response};
use micromint_servers::nginx::Nginx;
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;

const BASIC: &str = "Basic YWxpY2U6c2VjcmV0";

/// The credential that answers the challenge of a 402.
fn credential(unpaid: &Response, payment: &Payment) -> String {
    let challenge = challenges_in(&unpaid.header("www-authenticate").unwrap()).pop().unwrap();
    Credential::new(challenge, &payment.to_bytes()).to_header()
}

fn receipt(paid: &Response) -> PaymentReceipt {
    PaymentReceipt::parse(&paid.header("payment-receipt").unwrap()).unwrap()
}

#[test]
fn a_client_of_the_scheme_alone_pays_and_the_application_never_sees_the_coins() {
    let nginx = Nginx::start(
        Site::new(),
        r#"micromint_config vendor.toml;
           server { %SERVER% micromint on;
             location /app/ { micromint_price 1; proxy_pass http://127.0.0.1:%BACK_PORT%; }
             location /free/ { proxy_pass http://127.0.0.1:%BACK_PORT%; }
           }
           server { listen 127.0.0.1:%BACK_PORT%;
             location / { return 200 "[$http_authorization] [$http_payment_authorization] [$http_micromint_payment]"; }
           }"#,
    );
    let unpaid = nginx.get("/app/x");
    let challenge = challenges_in(&unpaid.header("www-authenticate").unwrap()).pop().unwrap();
    let offer = read_charge_request(&challenge.request).unwrap();
    assert_eq!((unpaid.status, offer.url.as_str()), (402, nginx.site().url("/app/x").as_str()));
    let payment = payer::payment(offer.url.as_str(), 1);
    let paid = nginx
        .ask(&RequestText::get("/app/x").with("Authorization", &credential(&unpaid, &payment)));
    assert_eq!(paid.seen(), (200, "paid".to_string(), "[] [] []"));
    assert_eq!(receipt(&paid).reference, reference(&payment));
    assert_eq!(receipt(&paid).challenge_id, Some(challenge.id));

    let unpaid = nginx.ask(&RequestText::get("/app/y").with("Authorization", BASIC));
    assert!(
        unpaid.header("www-authenticate").unwrap().contains("header=\"Payment-Authorization\"")
    );
    let payment = payer::payment(&nginx.site().url("/app/y"), 1);
    let both = RequestText::get("/app/y")
        .with("Authorization", BASIC)
        .with("Payment-Authorization", &credential(&unpaid, &payment));
    assert_eq!(
        nginx.ask(&both).seen(),
        (200, "paid".to_string(), format!("[{BASIC}] [] []").as_str())
    );
    let free = RequestText::get("/free/").with("Authorization", &credential(&unpaid, &payment));
    assert_eq!(nginx.ask(&free).seen(), (200, "returned".to_string(), "[] [] []"));
}

#[test]
fn cors_is_merged_with_the_fields_that_the_site_adds() {
    let site = Site::new();
    let vendor = site.vendor_toml("till") + "cors-origins = [\"https://app.example\"]\n";
    site.write("vendor.toml", &vendor);
    let nginx = Nginx::start(
        site,
        r#"micromint_config vendor.toml;
           server { %SERVER% micromint on;
             location /open/ { micromint_price 1; add_header Access-Control-Allow-Origin "*" always;
               add_header Access-Control-Expose-Headers "X-Theirs, Link" always; add_header Vary Cookie always; }
           }"#,
    );
    nginx.site().page("two.html", "two", Some("2"));
    let from = |target: &str| RequestText::get(target).with("Origin", "https://app.example");
    let unpaid = nginx.ask(&from("/two.html"));
    let of = |answer: &Response, name: &str| answer.header(name).unwrap_or_default();
    assert_eq!(of(&unpaid, "access-control-allow-origin"), "https://app.example");
    assert_eq!(of(&unpaid, "access-control-allow-credentials"), "true");
    assert_eq!(of(&unpaid, "vary"), "Accept, Accept-Payment, Origin");
    let open = nginx.ask(&from("/open/x"));
    assert_eq!((open.status, of(&open, "access-control-allow-origin").as_str()), (402, "*"));
    assert_eq!(of(&open, "vary"), "Cookie, Accept, Accept-Payment, Origin");
    assert!(
        of(&open, "access-control-expose-headers")
            .starts_with("X-Theirs, Link, MicroMint-Request, ")
    );
    let question = RequestText::new("OPTIONS", "/two.html")
        .with("Origin", "https://app.example")
        .with("Access-Control-Request-Method", "PATCH")
        .with("Access-Control-Request-Headers", "x-a");
    let answer = nginx.ask(&question);
    assert_eq!(
        (answer.status, of(&answer, "access-control-allow-origin").as_str()),
        (204, "https://app.example")
    );
    assert!(of(&answer, "access-control-allow-methods").ends_with(", PATCH"));
    assert!(of(&answer, "access-control-allow-headers").ends_with(", x-a"));
    let payment = payer::payment(&nginx.site().url("/two.html"), 2);
    let paid = nginx.ask(&from("/two.html").with_payment(&payment));
    assert_eq!(
        (paid.short(), of(&paid, "vary")),
        ((200, "paid".to_string()), "Origin".to_string())
    );
}

#[test]
fn the_manifest_is_free_where_the_gate_is_on_and_the_webmasters_where_it_is_off() {
    let site = Site::new();
    site.page(".well-known/micromint", "my own", None);
    let server =
        "micromint_config vendor.toml; server { %SERVER% micromint on; micromint_price 3; GATE }";
    let nginx = Nginx::start(site, &server.replace("GATE", ""));
    let manifest = nginx.get("/.well-known/micromint");
    assert_eq!(
        (manifest.status, manifest.header("content-type").unwrap().as_str()),
        (200, "application/json")
    );
    assert!(manifest.body.contains("\"vendor-id\": \"localhost\""), "{}", manifest.body);
    assert_eq!(manifest.header("access-control-allow-origin").unwrap(), "*");
    nginx.reload(&server.replace("GATE", "location /.well-known/ { micromint off; }"));
    assert_eq!(nginx.get("/.well-known/micromint").body, "my own");
}
