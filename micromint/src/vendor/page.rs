//! The page that people see instead of one they have not paid for: plain, self-contained, and of use
//! without scripts, styles or a wallet.

use std::fmt::Write;

use super::Refusal;
use crate::protocol::RequestPayment;

/// Until a wallet in the browser has paid and loaded the page again, nothing of this one is painted; it
/// appears by itself after 0.8 s where there is no wallet.
const STYLE: &str = "\
:root{color-scheme:light dark}\
html{animation:mm 0s .8s both}\
@keyframes mm{from{visibility:hidden}to{visibility:visible}}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:10vh auto;padding:0 1rem}\
h1{font-size:1.5rem;font-weight:600}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}\
dt{opacity:.75}dd{margin:0;overflow-wrap:anywhere}\
.refused{border-left:.25rem solid #c33;padding-left:.75rem}";

/// The page for a request, which may follow a refused payment.
pub(super) fn page(request: &RequestPayment, message: &[u8], refusal: Option<Refusal>) -> Vec<u8> {
    let price = coins(request.price);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Payment required: {price}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>This page costs {price}</h1>\n"
    );
    if let Some(refusal) = refusal {
        push(&mut page, "<p class=\"refused\" role=\"alert\">", refusal.sentence(), "</p>\n");
    }
    push(&mut page, "<p>", &request.description, "</p>\n");
    page.push_str("<dl>\n");
    for (term, text) in [
        ("Page", request.url.as_str()),
        ("Price", &price),
        ("One coin", &request.coin_value),
        ("Paid to", request.vendor.as_str()),
        ("Good coins", &periods(request)),
    ] {
        push(&mut page, &format!("<dt>{term}</dt><dd>"), text, "</dd>\n");
    }
    push(&mut page, "<dt>Sold by</dt><dd><a rel=\"noreferrer\" href=\"", &request.broker, "\">");
    push(&mut page, "", &request.broker, "</a></dd>\n</dl>\n");
    page.push_str(
        "<p>A MicroMint wallet pays this by itself, up to the amount that you have set in it. \
         If you have a wallet and still see this page, load it again or look into the wallet. \
         Without one, the broker named above has wallets and coins.</p>\n</main>\n",
    );
    push_message(&mut page, message);
    page.push_str("</body>\n</html>\n");
    page.into_bytes()
}

/// `1 coin`, `3 coins`.
pub(super) fn coins(number: u32) -> String {
    format!("{number} {}", if number == 1 { "coin" } else { "coins" })
}

fn periods(request: &RequestPayment) -> String {
    request.periods.iter().map(|period| period.as_str()).collect::<Vec<_>>().join(", ")
}

/// Appends `text`, escaped, between two pieces of markup; nothing if it is empty.
fn push(page: &mut String, before: &str, text: &str, after: &str) {
    if text.is_empty() {
        return;
    }
    page.push_str(before);
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            c => page.push(c),
        }
    }
    page.push_str(after);
}

/// Appends the message as a data block. What stands in a script element cannot be escaped, so a message
/// that could end it is left out; it stands in the header too.
fn push_message(page: &mut String, message: &[u8]) {
    let text = String::from_utf8_lossy(message);
    if !text.contains('<') {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<script type=\"application/x-micromint\">{text}</script>");
    }
}
