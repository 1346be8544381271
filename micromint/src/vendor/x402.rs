//! The field `PAYMENT-REQUIRED` of a 402: the offer as programs of x402 (version 2) read it.
//!
//! Input: an offer and the id of its challenge. Output: the value of the field, JSON in base64. The
//! invariant: it says nothing that the challenge does not say. It is for finding the price: the
//! payment is the credential that answers the challenge, which a plug-in of the client makes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::protocol::RequestPayment;
use crate::scheme::{CURRENCY, INTENT};

/// The name of the field.
pub(super) const X402_HEADER: &str = "PAYMENT-REQUIRED";
/// How long a client may take to pay, in seconds: a challenge lives that long at least.
const TIMEOUT_SECONDS: u32 = 600;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentRequired<'a> {
    x402_version: u32,
    error: &'a str,
    resource: Resource<'a>,
    accepts: Vec<Requirements<'a>>,
}

#[derive(Serialize)]
struct Resource<'a> {
    url: &'a str,
    description: &'a str,
}

/// What a payment in coins of one period must be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Requirements<'a> {
    scheme: &'a str,
    network: String,
    amount: String,
    asset: &'a str,
    pay_to: &'a str,
    max_timeout_seconds: u32,
    extra: Extra<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extra<'a> {
    broker: &'a str,
    coin_value: String,
    id: &'a str,
    url: &'a str,
}

/// The value of the field for an offer, whose challenge has this id.
pub(super) fn payment_required(offer: &RequestPayment, challenge_id: &str) -> String {
    let url = offer.url.as_str();
    let accepts = offer.prices.iter().map(|price| Requirements {
        scheme: INTENT,
        network: format!("micromint:{}", price.period),
        amount: price.coins.to_string(),
        asset: CURRENCY,
        pay_to: offer.vendor.as_str(),
        max_timeout_seconds: TIMEOUT_SECONDS,
        extra: Extra {
            broker: &offer.broker,
            coin_value: price.coin_value.to_string(),
            id: challenge_id,
            url,
        },
    });
    let required = PaymentRequired {
        x402_version: 2,
        error: "payment required",
        resource: Resource { url, description: offer.description.trim() },
        accepts: accepts.collect(),
    };
    // Serialization fails only for maps with keys other than strings, which these structs do not
    // have.
    STANDARD.encode(serde_json::to_vec(&required).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::PeriodPrice;

    #[test]
    fn each_period_is_a_network_with_its_own_amount() {
        let price = |period: &str, coins, value: &str| {
            PeriodPrice::new(period.parse().unwrap(), coins, value.parse().unwrap())
        };
        let offer = RequestPayment {
            url: "https://news.example/story".parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            prices: vec![price("2026-12", 41, "0.0001 USD"), price("large", 2, "0.004 USD")],
            broker: "https://broker.example/".to_string(),
            description: "News".to_string(),
        };
        let json = STANDARD.decode(payment_required(&offer, "an-id")).unwrap();
        let found: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let requirements = |network: &str, amount: &str, coin_value: &str| {
            serde_json::json!({
                "scheme": "charge",
                "network": network,
                "amount": amount,
                "asset": "coin",
                "payTo": "news.example",
                "maxTimeoutSeconds": 600,
                "extra": {
                    "broker": "https://broker.example/",
                    "coinValue": coin_value,
                    "id": "an-id",
                    "url": "https://news.example/story",
                },
            })
        };
        let expected = serde_json::json!({
            "x402Version": 2,
            "error": "payment required",
            "resource": { "url": "https://news.example/story", "description": "News" },
            "accepts": [
                requirements("micromint:2026-12", "41", "0.0001 USD"),
                requirements("micromint:large", "2", "0.004 USD"),
            ],
        });
        assert_eq!(found, expected);
    }
}
