//! The pages for people: self-contained, readable without styles and scripts, every text escaped.

use crate::identity::UserId;
use crate::params::Params;

/// The form with the number of sets; `most` can be bought at once, none if 0.
pub(super) fn form_page(params: &Params, user: &UserId, most: u64, transaction: u64) -> String {
    if most == 0 {
        let text = format!("<p>All coins of {} are sold.</p>", escape(params.period().as_str()));
        return page("Sold out", &text);
    }
    let raw = params.raw();
    let body = format!(
        "<p>You are logged in as <strong>{user}</strong>. The coins are good from {start} until {expiration}. \
         A set has up to {coins} coins of {value} each.</p>\n\
         <form method=\"post\" action=\"\">\n\
         <input type=\"hidden\" name=\"transaction\" value=\"{transaction}\">\n\
         <p><label for=\"sets\">Number of sets (1 to {most})</label><br>\n\
         <input id=\"sets\" name=\"sets\" type=\"number\" min=\"1\" max=\"{most}\" value=\"1\" required></p>\n\
         <p><button type=\"submit\">Buy</button></p>\n\
         </form>\n\
         <p>Keep the file that you get as you would keep cash, and give it to your wallet. If it got lost on \
         the way, send this form again: the same form buys only once.</p>",
        user = escape(user.as_str()),
        start = raw.start,
        expiration = raw.expiration,
        coins = params.subbin_count(),
        value = escape(&raw.coin_value.to_string()),
    );
    page(&format!("Coins of {}", params.period()), &body)
}

/// After the expiration: the link by which unspent coins go back.
pub(super) fn expired_page(params: &Params, user: &UserId, script: &str) -> String {
    let raw = params.raw();
    let body = format!(
        "<p>You are logged in as <strong>{user}</strong>. The coins of this period expired at {expiration}.</p>\n\
         <p><a href=\"{script}/expired\">Return my unspent coins</a>: your wallet opens this link and sends them. \
         They are credited after {until}.</p>",
        user = escape(user.as_str()),
        expiration = raw.expiration,
        script = escape(script),
        until = raw.redeem_until,
    );
    page(&format!("Coins of {}", params.period()), &body)
}

pub(super) fn refusal_page(status: u16, why: &str) -> String {
    page(&format!("Not possible ({status})"), &format!("<p>{}</p>", escape(why)))
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body{{font:1.1em/1.5 sans-serif;max-width:36em;margin:2em auto;padding:0 1em}}\
         input,button{{font:inherit;padding:.3em .6em}}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
}

/// Text that stands for itself in HTML, in an attribute's quotes too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
