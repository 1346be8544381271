//! The parameter `request` of a challenge: a Request-Payment as the JSON of the intent `charge`.

use std::borrow::Cow;

use base64::Engine;
use serde::{Deserialize, Serialize};

use super::{BASE64URL, CURRENCY, SchemeError, from_base64_json, to_base64_json};
use crate::money::{Money, MoneyJson};
use crate::period::Period;
use crate::protocol::{COINS_PER_PAYMENT_MAX, PeriodPrice, RequestPayment, Url, parse_decimal};

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
    /// The amount in coins of each period. Empty, and absent, if it is the same in all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amounts: Vec<String>,
    broker: &'a str,
    coin_value: String,
    /// The value of a coin of each period. Empty, and absent, with the amounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coin_values: Vec<String>,
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
    amounts: Option<Vec<String>>,
    broker: String,
    coin_value: String,
    coin_values: Option<Vec<String>>,
    money: Option<MoneyJson>,
    periods: Vec<String>,
    url: String,
}

/// The value of `request` for a Request-Payment: its JSON in canonical form, in base64url without
/// padding. Amount, coin value and money are those of the first period.
pub fn charge_request(offer: &RequestPayment) -> String {
    let (amounts, coin_values) = match offer.has_one_price() {
        true => Default::default(),
        false => {
            let amounts = offer.prices.iter().map(|price| price.coins.to_string());
            let values = offer.prices.iter().map(|price| price.coin_value.to_string());
            (amounts.collect(), values.collect())
        }
    };
    let first = offer.prices.first();
    to_base64_json(&ToJson {
        amount: &first.map_or(0, |price| price.coins).to_string(),
        currency: CURRENCY,
        description: offer.description.trim(),
        method_details: DetailsToJson {
            amounts,
            broker: &offer.broker,
            coin_value: first.map_or(Money::NONE, |price| price.coin_value).to_string(),
            coin_values,
            money: first.and_then(PeriodPrice::money).map(MoneyJson::from),
            periods: offer.periods().map(Period::as_str).collect(),
            url: offer.url.as_str(),
        },
        recipient: offer.vendor.as_str(),
    })
}

/// Reads the value of `request`. The result obeys every rule of a Request-Payment.
///
/// # Errors
/// The value is too long or not base64url of JSON; a member is missing, repeated or of another
/// type; the currency is another one; the money is not that of the coins; amounts or coin values
/// are not those of the periods; or a Request-Payment cannot have the content.
pub fn read_charge_request(value: &str) -> Result<RequestPayment, SchemeError> {
    let expected = "an object with amount, currency, recipient and methodDetails";
    let json: FromJson = from_base64_json(WHAT, expected, value.as_bytes(), REQUEST_LEN_MAX)?;
    if json.currency != CURRENCY {
        let found = json.currency;
        return Err(member(format!("currency: expected {CURRENCY:?}, found {found:.20?}")));
    }
    let details = json.method_details;
    let offer = RequestPayment {
        prices: prices(&json.amount, &details)?,
        url: details.url.parse().map_err(|error| member(format!("url: {error}")))?,
        vendor: json.recipient.parse().map_err(|error| member(format!("recipient: {error}")))?,
        broker: details.broker,
        description: json.description,
    };
    // Printing and parsing the message applies all its bounds and its rules for texts for people.
    let offer =
        RequestPayment::parse(&offer.to_bytes()).map_err(|error| member(error.to_string()))?;
    // A client that compares the money with its limits must not pay more than that in coins.
    let worth = offer.prices.first().and_then(PeriodPrice::money).map(MoneyJson::from);
    if let Some(money) = details.money
        && worth.as_ref() != Some(&money)
    {
        return Err(member(format!("money: expected {worth:?}, found {money:.80?}")));
    }
    Ok(offer)
}

/// Whether a value of `request` that this vendor issued is for the page at `url`. Reads nothing but
/// the URL, so it says nothing about a value from anybody else.
pub(crate) fn is_charge_request_for(value: &str, url: &Url) -> bool {
    #[derive(Deserialize)]
    struct OfPage<'a> {
        #[serde(rename = "methodDetails", borrow)]
        details: Details<'a>,
    }
    #[derive(Deserialize)]
    struct Details<'a> {
        #[serde(borrow)]
        url: Cow<'a, str>,
    }
    let Ok(json) = BASE64URL.decode(value) else { return false };
    serde_json::from_slice::<OfPage<'_>>(&json).is_ok_and(|it| it.details.url == url.as_str())
}

fn member(why: String) -> SchemeError {
    SchemeError::Member { what: WHAT, why }
}

/// The price in coins of each period.
fn prices(amount: &str, details: &DetailsFromJson) -> Result<Vec<PeriodPrice>, SchemeError> {
    let amounts = each("amounts", amount, details.amounts.as_deref(), details)?;
    let values = each("coinValues", &details.coin_value, details.coin_values.as_deref(), details)?;
    let price = |(at, name): (usize, &String)| {
        let period = name.parse().map_err(|error| member(format!("periods: {error}")))?;
        let coins = parse_decimal(amounts(at))
            .filter(|price| (1..=COINS_PER_PAYMENT_MAX.into()).contains(price))
            .ok_or_else(|| {
                member(format!("amount: expected 1 to {COINS_PER_PAYMENT_MAX} coins"))
            })?;
        let value = values(at).parse().map_err(|error| member(format!("coinValue: {error}")))?;
        Ok(PeriodPrice::new(period, coins as u32, value))
    };
    details.periods.iter().enumerate().map(price).collect()
}

/// The value of a member for each period: one for all, or the items of an array that begins with
/// that one.
fn each<'a>(
    name: &str,
    one: &'a str,
    all: Option<&'a [String]>,
    details: &DetailsFromJson,
) -> Result<impl Fn(usize) -> &'a str, SchemeError> {
    if let Some(all) = all
        && (all.len() != details.periods.len() || all.first().is_none_or(|first| first != one))
    {
        let count = details.periods.len();
        return Err(member(format!(
            "{name}: expected {count} items, of which {one:?} is the first"
        )));
    }
    Ok(move |at: usize| all.map_or(one, |all| all[at].as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer() -> RequestPayment {
        RequestPayment {
            url: "https://news.example/story?a=\"b\"".parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            prices: vec![
                PeriodPrice::new("2026-12".parse().unwrap(), 3, "0.01 USD".parse().unwrap()),
                PeriodPrice::new("2027-01".parse().unwrap(), 3, "0.01 USD".parse().unwrap()),
            ],
            broker: "https://broker.example/".to_string(),
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
    fn its_page_is_known_again() {
        let (issued, url) = (charge_request(&offer()), offer().url);
        assert!(is_charge_request_for(&issued, &url));
        assert!(!is_charge_request_for(&issued, &"https://news.example/story".parse().unwrap()));
        for other in ["", "*", "e30", &BASE64URL.encode("{\"methodDetails\":{\"url\":1}}")] {
            assert!(!is_charge_request_for(other, &url), "{other}");
        }
    }

    #[test]
    fn prices_that_differ_are_listed_by_period() {
        let mut offer = offer();
        offer.prices[1].coins = 1;
        offer.prices[1].coin_value = "0.04 USD".parse().unwrap();
        let text = json(&offer);
        for part in [
            r#"{"amount":"3","currency":"coin","#,
            r#"{"amounts":["3","1"],"broker":"https://broker.example/","coinValue":"0.01 USD","#,
            r#""coinValues":["0.01 USD","0.04 USD"],"money":{"amount":"0.03","currency":"USD"},"#,
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.to_string(), text, "canonical");
        assert_eq!(read_charge_request(&charge_request(&offer)).unwrap(), offer);
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
            ("\"broker\"", "\"amounts\":[\"3\"],\"broker\"", "amounts: expected 2 items"),
            ("\"broker\"", "\"amounts\":[\"1\",\"3\"],\"broker\"", "\"3\" is the first"),
            ("\"broker\"", "\"amounts\":[\"3\",\"0\"],\"broker\"", "amount: expected 1 to"),
            ("\"broker\"", "\"coinValues\":[],\"broker\"", "coinValues: expected 2 items"),
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
