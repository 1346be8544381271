//! The parameter `request` of a challenge: a Request-Payment as the JSON of the intent `charge`.

use serde::{Deserialize, Serialize};

use super::{CURRENCY, SchemeError, from_base64_json, to_base64_json};
use crate::money::MoneyJson;
use crate::protocol::{COINS_PER_PAYMENT_MAX, RequestPayment, parse_decimal};

/// The longest `request`, in bytes: the largest Request-Payment in base64url.
const REQUEST_LEN_MAX: usize = 64 * 1024;
const WHAT: &str = "request";

/// The printed members, in the order of their names.
#[derive(Serialize)]
struct ToJson<'a> {
    amount: &'a str,
    currency: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(rename = "methodDetails")]
    method_details: DetailsToJson<'a>,
    recipient: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsToJson<'a> {
    broker: &'a str,
    coin_value: String,
    /// What the amount is worth. Absent if that is more than money can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<MoneyJson>,
    periods: Vec<&'a str>,
    url: &'a str,
}

/// The members that are read. Unknown members are ignored, as the draft requires.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FromJson {
    amount: String,
    currency: String,
    #[serde(default)]
    description: String,
    method_details: DetailsFromJson,
    recipient: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DetailsFromJson {
    broker: String,
    coin_value: String,
    money: Option<MoneyJson>,
    periods: Vec<String>,
    url: String,
}

/// The value of `request` for a Request-Payment: its JSON in canonical form, in base64url without
/// padding.
pub fn charge_request(offer: &RequestPayment) -> String {
    to_base64_json(&ToJson {
        amount: &offer.price.to_string(),
        currency: CURRENCY,
        description: offer.description.trim(),
        method_details: DetailsToJson {
            broker: &offer.broker,
            coin_value: offer.coin_value.to_string(),
            money: worth(offer),
            periods: offer.periods.iter().map(|period| period.as_str()).collect(),
            url: offer.url.as_str(),
        },
        recipient: offer.vendor.as_str(),
    })
}

/// What an offer asks, in money.
fn worth(offer: &RequestPayment) -> Option<MoneyJson> {
    offer.coin_value.checked_mul(offer.price.into()).map(MoneyJson::from)
}

/// Reads the value of `request`. The result obeys every rule of a Request-Payment.
///
/// # Errors
/// The value is too long or not base64url of JSON; a member is missing, repeated or of another
/// type; the currency is another one; the money is not that of the coins; or a Request-Payment
/// cannot have the content.
pub fn read_charge_request(value: &str) -> Result<RequestPayment, SchemeError> {
    let expected = "an object with amount, currency, recipient and methodDetails";
    let json: FromJson = from_base64_json(WHAT, expected, value.as_bytes(), REQUEST_LEN_MAX)?;
    let member = |why: String| SchemeError::Member { what: WHAT, why };
    if json.currency != CURRENCY {
        return Err(member(format!(
            "currency: expected {CURRENCY:?}, found {:.20?}",
            json.currency
        )));
    }
    let price = parse_decimal(&json.amount)
        .filter(|price| (1..=COINS_PER_PAYMENT_MAX.into()).contains(price));
    let details = json.method_details;
    let periods: Result<Vec<_>, _> = details.periods.iter().map(|period| period.parse()).collect();
    let offer = RequestPayment {
        url: details.url.parse().map_err(|error| member(format!("url: {error}")))?,
        price: price
            .ok_or_else(|| member(format!("amount: expected 1 to {COINS_PER_PAYMENT_MAX} coins")))?
            as u32,
        vendor: json.recipient.parse().map_err(|error| member(format!("recipient: {error}")))?,
        periods: periods.map_err(|error| member(format!("periods: {error}")))?,
        broker: details.broker,
        coin_value: details
            .coin_value
            .parse()
            .map_err(|error| member(format!("coinValue: {error}")))?,
        description: json.description,
    };
    // A client that compares the money with its limits must not pay more than that in coins.
    if let Some(money) = details.money
        && worth(&offer).as_ref() != Some(&money)
    {
        let why = format!("money: expected {:?}, found {money:.80?}", worth(&offer));
        return Err(member(why));
    }
    // Printing and parsing the message applies all its bounds and its rules for texts for people.
    RequestPayment::parse(&offer.to_bytes()).map_err(|error| member(error.to_string()))
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;
    use crate::scheme::BASE64URL;

    fn offer() -> RequestPayment {
        RequestPayment {
            url: "https://news.example/story?a=\"b\"".parse().unwrap(),
            price: 3,
            vendor: "news.example".parse().unwrap(),
            periods: vec!["2026-12".parse().unwrap(), "2027-01".parse().unwrap()],
            broker: "https://broker.example/".to_string(),
            coin_value: "0.01 USD".parse().unwrap(),
            description: "News".to_string(),
        }
    }

    fn json(offer: &RequestPayment) -> String {
        String::from_utf8(BASE64URL.decode(charge_request(offer)).unwrap()).unwrap()
    }

    #[test]
    fn it_is_canonical_json_and_read_back() {
        let text = json(&offer());
        assert_eq!(
            text,
            r#"{"amount":"3","currency":"coin","description":"News","methodDetails":{"broker":"https://broker.example/","coinValue":"0.01 USD","money":{"amount":"0.03","currency":"USD"},"periods":["2026-12","2027-01"],"url":"https://news.example/story?a=\"b\""},"recipient":"news.example"}"#
        );
        // serde_json sorts the members of objects by name: the canonical form, computed in another
        // way.
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.to_string(), text);
        assert_eq!(read_charge_request(&charge_request(&offer())).unwrap(), offer());
        let silent = RequestPayment { description: String::new(), ..offer() };
        assert!(!json(&silent).contains("description"));
        assert_eq!(read_charge_request(&charge_request(&silent)).unwrap(), silent);
    }

    #[test]
    fn what_no_request_payment_says_is_refused() {
        let good = json(&offer());
        let read = |text: &str| read_charge_request(&BASE64URL.encode(text));
        assert!(read(&good.replace("{\"amount\"", "{\"later\":[{}],\"amount\"")).is_ok());
        let silent = good.replace("\"money\":{\"amount\":\"0.03\",\"currency\":\"USD\"},", "");
        assert!(silent.len() < good.len() && read(&silent).is_ok(), "the money may be absent");
        let many = format!("[{}]", vec!["\"2026-12\""; 17].join(","));
        for (what, with, says) in [
            ("\"3\"", "3", "expected an object"),
            ("\"3\"", "\"03\"", "amount"),
            ("\"3\"", "\"0\"", "amount"),
            ("\"3\"", "\"501\"", "amount"),
            ("\"amount\"", "\"amount\":\"1\",\"amount\"", "expected an object"),
            ("coin\"", "usd\"", "currency: expected \"coin\", found \"usd\""),
            ("\"news.example\"", "\"News\"", "recipient"),
            ("https://news", "ftp://news", "url"),
            ("\"2026-12\"", "\"2026 12\"", "periods"),
            ("0.03", "0.02", "money: expected"),
            ("0.03", "0.030", "money: expected"),
            ("USD\"}", "EUR\"}", "money: expected"),
            ("\"3\"", "\"4\"", "money: expected"),
            ("{\"amount\":\"0.03\",\"currency\":\"USD\"}", "0.03", "expected an object"),
            ("0.01 USD", "1 cent", "coinValue: expected an amount"),
            ("[\"2026-12\",\"2027-01\"]", "[]", "Period"),
            ("[\"2026-12\",\"2027-01\"]", &many, "at most 16"),
            ("\"recipient\"", "\"recipients\"", "expected an object"),
            ("{", "[", "at byte"),
        ] {
            let error = read(&good.replacen(what, with, 1)).unwrap_err().to_string();
            assert!(error.contains(says), "{what} {with}: {error}");
        }
        assert!(read_charge_request("*").unwrap_err().to_string().contains("base64url"));
        assert!(read_charge_request(&"A".repeat(REQUEST_LEN_MAX + 1)).is_err());
        let controls = read(&good.replace("\"News\"", "\"a\\u001b[31m\\nPrice: 1\"")).unwrap();
        assert!(!controls.description.contains(['\u{1b}', '\n']), "{:?}", controls.description);
    }
}
