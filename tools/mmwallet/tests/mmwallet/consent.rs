//! Pages whose coins go to a parent of their host.

use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout};

const PAGE_HOST: &str = "shop.news.localhost";
const VENDOR: &str = "news.localhost";

fn manifest(origins: &[&str]) -> String {
    serde_json::json!({"vendor-id": VENDOR, "origins": origins}).to_string()
}

fn get(home: &Home, vendor: &Vendor, page: &str, more: &[&str]) -> std::process::Output {
    home.run(&[&["get", &vendor.url(page), "--autopay", "5"], more].concat())
}

#[test]
fn a_vendor_is_asked_once_and_gets_nothing_that_was_meant_for_the_page() {
    let home = Home::with_coins();
    let vendor = Vendor::start_named(&MINT, PAGE_HOST, VENDOR);
    let origin = vendor.url("");
    let host = origin.replace(PAGE_HOST, VENDOR);
    vendor.publish("200 OK", "", &manifest(&[&host, &origin]));
    let secret = ["-H", "Authorization: Basic c2VjcmV0", "-H", "Cookie: a=b"];
    for page in ["/page", "/receipt", "/receipt", "/other"] {
        let output = get(&home, &vendor, page, &secret);
        assert_eq!(status(&output), 0, "{output:?}");
    }
    assert_eq!(vendor.payments().len(), 3);
    let asked = vendor.manifests();
    assert_eq!(asked.len(), 1);
    let [has_key, has_cookie] =
        ["authorization", "cookie"].map(|name| asked[0].headers.contains_key(name));
    assert!(!has_key && !has_cookie, "{:?}", asked[0]);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].headers["host"].as_str()),
        ("GET", host.trim_start_matches("http://"))
    );
}

#[test]
fn without_the_consent_of_the_vendor_no_coin_leaves() {
    let home = Home::with_coins();
    let vendor = Vendor::start_named(&MINT, PAGE_HOST, VENDOR);
    let origin = vendor.url("");
    let host = origin.replace(PAGE_HOST, VENDOR);
    let good = manifest(&[&origin]);
    let away = format!("Location: {origin}/.well-known/micromint\r\n");
    let long = format!("{good}{}", " ".repeat(65536));
    for (answer, headers, body, says) in [
        ("404 Not Found", "", good.as_str(), "expected HTTP status 200, found 404"),
        ("301 Moved Permanently", &away, &good, "expected HTTP status 200, found 301"),
        ("402 Payment Required", "", &good, "expected HTTP status 200, found 402"),
        ("200 OK", "", &manifest(&[&host]), "does not name http://shop."),
        ("200 OK", "", "<html>", "expected a manifest in JSON"),
        ("200 OK", "", &long, "at most 65536 bytes, found more"),
    ] {
        vendor.publish(answer, headers, body);
        let output = get(&home, &vendor, "/page", &[]);
        assert_eq!((status(&output), stdout(&output).as_str()), (3, ""), "{output:?}");
        assert!(stderr(&output).contains(says), "{output:?}");
        assert!(
            stderr(&output).contains(&format!(
                "news.localhost does not say at {host}/.well-known/micromint that {origin} may \
                collect its coins"
            )),
            "{output:?}"
        );
    }
    assert_eq!((vendor.payments().len(), vendor.manifests().len()), (0, 6));
    assert_eq!(home.outcome(), "none");
    vendor.publish("200 OK", "", &good);
    assert_eq!(status(&get(&home, &vendor, "/page", &[])), 0);
}

#[test]
fn a_price_above_the_threshold_is_refused_even_with_consent() {
    let home = Home::with_coins();
    let vendor = Vendor::start_named(&MINT, PAGE_HOST, VENDOR);
    let origin = vendor.url("");
    vendor.publish("200 OK", "", &manifest(&[&origin]));
    let output = get(&home, &vendor, "/expensive", &[]);
    assert_eq!(status(&output), 3, "{output:?}");
    assert!(stderr(&output).contains("no terminal to ask on"), "{output:?}");
    assert_eq!(vendor.payments().len(), 0);
}
