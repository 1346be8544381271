//! Whether to pay: asks the wallet, and where it requires it, the vendor and the user.
//!
//! Input: a request for payment and the request that it answered. Output: a payment whose coins are
//! recorded as sent, or why there is none. `get` and `answer` share it, so that the same limits
//! apply to both.

use micromint::host::{Clock, SystemClock};
use micromint::money::coins_worth;
use micromint::protocol::RequestPayment;
use micromint::reply::Reply;
use micromint::scheme::Challenge;
use micromint::wallet::{Choice, Fetch, PaymentDecision, Policy, Sending, Wallet, has_ended};
use micromint_console::ToolError;

use crate::consent::ask_vendor;
use crate::net::Client;

/// The most coins of a payment in a header: 60 coins of 8 balls make 7 KB, and servers accept 8 KB.
pub(crate) const HEADER_COINS_MAX: u32 = 60;
/// The same for a credential of the scheme "Payment", which encodes the message in base64url twice.
pub(crate) const CREDENTIAL_COINS_MAX: u32 = 40;
/// How many times the wallet decides at most: it can need the consent of the vendor and of the
/// user, and the first again if coins of another period are chosen meanwhile.
const QUESTIONS_MAX: u32 = 4;

/// How a payment travels.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier<'a> {
    /// As the body of a request.
    Body,
    /// In a header.
    Header,
    /// In a credential that answers this challenge.
    Credential(&'a Challenge),
}

impl Carrier<'_> {
    /// Why it cannot carry a payment of this price now, if it cannot.
    fn check(self, price: u32) -> Result<(), String> {
        let coins_max = match self {
            Carrier::Body => return Ok(()),
            Carrier::Header => HEADER_COINS_MAX,
            Carrier::Credential(challenge) if has_ended(challenge, SystemClock.now()) => {
                return Err("the server's challenge has expired; check the clock of this machine"
                    .to_string());
            }
            Carrier::Credential(_) => CREDENTIAL_COINS_MAX,
        };
        match price > coins_max {
            true => Err(format!(
                "the payment must travel in a header, which holds at most {coins_max} coins, \
                and the price is {price} coins"
            )),
            false => Ok(()),
        }
    }
}

/// What the user is asked before the wallet pays more than the autopay threshold.
pub(crate) type AskUser<'a> =
    &'a dyn Fn(&RequestPayment, &Choice, u32) -> Result<Reply<(), String>, ToolError>;

/// The payment to send, or why there is none.
pub(crate) fn payment(
    wallet: &mut Wallet,
    client: &Client,
    request: &RequestPayment,
    carrier: Carrier<'_>,
    fetch: &Fetch<'_>,
    mut policy: Policy,
    ask_user: AskUser<'_>,
) -> Result<Reply<Sending, String>, ToolError> {
    if fetch.method == "HEAD" {
        let price = coins_worth(request.price.into(), request.coin_value);
        return Ok(Reply::Refused(format!(
            "its price is {price}; a HEAD request is never charged"
        )));
    }
    if let Err(why) = carrier.check(request.price) {
        return Ok(Reply::Refused(why));
    }
    for _ in 0..QUESTIONS_MAX {
        let reply = match wallet.pay(request, fetch, &policy, SystemClock.now())? {
            PaymentDecision::Send(sending) => return Ok(Reply::Granted(sending)),
            PaymentDecision::Refuse(unpayable) => Reply::Refused(unpayable.to_string()),
            PaymentDecision::NeedsConsent(needed) => ask_vendor(wallet, client, &needed)?,
            PaymentDecision::Ask(choice) => {
                let reply = ask_user(request, &choice, policy.autopay)?;
                policy = policy.with_autopay(request.price);
                reply
            }
        };
        if let Reply::Refused(why) = reply {
            return Ok(Reply::Refused(why));
        }
    }
    Ok(Reply::Refused("the coins in the wallet changed meanwhile".to_string()))
}
