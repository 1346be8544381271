//! Problem details for programs (RFC 9457), with the types of the draft of the scheme "Payment".

use serde::Serialize;

use super::offer::Offer;
use crate::money::{MoneyJson, coins};
use crate::protocol::{Refusal, RequestOutcome};
use crate::scheme::{METHOD, PROBLEM_TYPES};

/// The members of RFC 9457, the draft's `challengeId`, then MicroMint's own.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct PaymentRequired<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(rename = "challengeId", skip_serializing_if = "Option::is_none")]
    challenge_id: Option<&'a str>,
    reason: &'a str,
    price: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    coin_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    money: Option<MoneyJson>,
    vendor_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    broker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
}

/// What a 402 says where nothing can be paid.
pub(super) const NO_PERIOD: &str = "No coins are accepted for this page at the moment.";

#[derive(Serialize)]
struct MethodUnsupported {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    reason: &'static str,
}

/// The body of a 402. If the offer names no period, the members of an offer are omitted.
pub(super) fn payment_required(
    offer: &Offer,
    refusal: Option<Refusal>,
    challenge_id: &str,
    request: &str,
) -> Vec<u8> {
    let can_be_paid = offer.can_be_paid();
    let asked = &offer.request;
    let (kind, title, reason) = match refusal {
        None => {
            let title = if can_be_paid { "Payment Required" } else { NO_PERIOD };
            ("payment-required", title, RequestOutcome::Unpaid.word())
        }
        Some(refusal) => (problem_type(refusal), refusal.sentence(), refusal.word()),
    };
    print(&PaymentRequired {
        kind: format!("{PROBLEM_TYPES}{kind}"),
        title,
        status: 402,
        detail: format!("{} for {}", coins(offer.coins().into()), asked.url),
        challenge_id: can_be_paid.then_some(challenge_id),
        reason,
        price: offer.coins(),
        coin_value: offer.first().map(|first| first.coin_value.to_string()),
        money: offer.money().map(MoneyJson::from),
        vendor_id: asked.vendor.as_str(),
        broker: can_be_paid.then_some(&*asked.broker),
        request: can_be_paid.then_some(request),
    })
}

/// The body of a 400 to a credential for another method or intent.
pub(super) fn method_unsupported() -> Vec<u8> {
    print(&MethodUnsupported {
        kind: format!("{PROBLEM_TYPES}method-unsupported"),
        title: "Method Unsupported",
        status: 400,
        detail: format!("This page accepts the method {METHOD} with the intent charge only."),
        reason: RequestOutcome::BadRequest.word(),
    })
}

/// The draft's type for a refusal.
fn problem_type(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Malformed => "malformed-credential",
        Refusal::InvalidChallenge => "invalid-challenge",
        Refusal::ChallengeExpired | Refusal::Expired => "payment-expired",
        Refusal::WrongAmount => "payment-insufficient",
        Refusal::OtherVendor
        | Refusal::OtherPage
        | Refusal::UnknownPeriod
        | Refusal::NotYetValid
        | Refusal::OutOfRange
        | Refusal::RepeatedBall
        | Refusal::FixedBits
        | Refusal::UserDifferences
        | Refusal::VendorDifferences
        | Refusal::RepeatedCoin
        | Refusal::Revoked
        | Refusal::NotOwner
        | Refusal::NotYetKnown
        | Refusal::Blocked
        | Refusal::CapReached
        | Refusal::Spent => "verification-failed",
    }
}

fn print(problem: &impl Serialize) -> Vec<u8> {
    // Serialization fails only for maps with keys other than strings, which these structs do not
    // have.
    let mut text = serde_json::to_vec(problem).unwrap_or_default();
    text.push(b'\n');
    text
}
