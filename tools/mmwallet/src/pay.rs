//! Whether to pay: asks the wallet, and where it requires it, the vendor and the user.
//!
//! Input: a request for payment and the request that it answered. Output: a payment whose coins are
//! recorded as sent, or why there is none. `get` and `answer` share it, so that the same limits
//! apply to both.

use micromint::host::{Clock, SystemClock};
use micromint::money::coins_worth;
use micromint::period::Period;
use micromint::protocol::RequestPayment;
use micromint::reply::Reply;
use micromint::scheme::{Challenge, Credential};
use micromint::wallet::{
    Choice, Fetch, PaymentDecision, Policy, Sending, Wallet, WalletState, has_ended,
};
use micromint_console::ToolError;

use crate::consent::ask_vendor;
use crate::limits::beyond;
use crate::net::Client;

/// The most coins of a payment in a header: 60 coins of 8 balls make 7 KB, and servers accept 8 KB.
pub(crate) const HEADER_COINS_MAX: u32 = 60;
/// The longest credential of the scheme "Payment", in bytes: servers accept 8 KB with the name.
const CREDENTIAL_SIZE_MAX: u64 = 8000;
/// The longest Payment message without URL, owner tokens and coins, in bytes: the names of the
/// fields, a User-ID, a Vendor-ID, a period, an Authenticator.
const MESSAGE_SIZE_BASE: u64 = 400;
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
    /// The most coins that it holds, each of `coin_size` balls; `None` for no limit. The error says
    /// why it carries no payment now.
    fn coins_max(self, request: &RequestPayment, coin_size: usize) -> Result<Option<u32>, String> {
        match self {
            Carrier::Body => Ok(None),
            Carrier::Header => Ok(Some(HEADER_COINS_MAX)),
            Carrier::Credential(challenge) if has_ended(challenge, SystemClock.now()) => {
                Err("the server's challenge has expired; check the clock of this machine"
                    .to_string())
            }
            Carrier::Credential(challenge) => {
                let url_len = request.url.as_str().len();
                Ok(Some(coins_in_credential(challenge, url_len, coin_size)))
            }
        }
    }
}

/// How many coins a credential surely holds, even if each of them is from another set. The message
/// is in base64url in the credential, which is in base64url itself, and the balls are in base64 in
/// the message.
fn coins_in_credential(challenge: &Challenge, url_len: usize, coin_size: usize) -> u32 {
    let fixed = Credential::new(challenge.clone(), b"").to_header().len() as u64;
    let left = CREDENTIAL_SIZE_MAX.saturating_sub(fixed) * 9 / 16;
    let left = left.saturating_sub(MESSAGE_SIZE_BASE + url_len as u64);
    // An owner token has 16 digits and a separator, a ball 8 bytes.
    let coin = 17 + (coin_size as u64 * 8 * 4).div_ceil(3);
    u32::try_from(left / coin).unwrap_or(u32::MAX)
}

/// The size of the largest coins that this wallet could pay with, in balls.
fn coin_size(state: &WalletState, request: &RequestPayment) -> usize {
    let params = state.holdings().iter().map(|held| &held.params);
    let meant = params.filter(|params| request.price_in(params.period()).is_some());
    meant.map(|params| params.coin_size()).max().unwrap_or_default()
}

/// What the user is asked before the wallet pays more than the autopay threshold: the request, the
/// chosen coins, what they are worth in words, and why they are not paid without asking.
pub(crate) type AskUser<'a> =
    &'a dyn Fn(&RequestPayment, &Choice, &str, &str) -> Result<Reply<(), String>, ToolError>;

/// The chosen coins in words.
fn price_of(state: &WalletState, choice: &Choice, request: &RequestPayment) -> String {
    let params = &state.holdings()[choice.holding].params;
    let price = coins_worth(choice.coins().into(), params.coin_value());
    price + &over_in_words(request, params.period())
}

/// What a payment in coins of a period costs more than the lowest price, in words with a comma
/// before them; empty if it costs no more.
pub(crate) fn over_in_words(request: &RequestPayment, period: &Period) -> String {
    let least = request.least().map(|least| coins_worth(least.coins.into(), least.coin_value));
    match (request.over(period), least) {
        (Some(over), Some(least)) => format!(", {over} more than the lowest price of {least}"),
        _ => String::new(),
    }
}

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
        let price = request.in_words();
        return Ok(Reply::Refused(format!(
            "its price is {price}; a HEAD request is never charged"
        )));
    }
    let fetch = match carrier.coins_max(request, coin_size(wallet.state(), request)) {
        Ok(coins_max) => &fetch.with_coins_max(coins_max),
        Err(why) => return Ok(Reply::Refused(why)),
    };
    for _ in 0..QUESTIONS_MAX {
        let reply = match wallet.pay(request, fetch, &policy, SystemClock.now())? {
            PaymentDecision::Send(sending) => return Ok(Reply::Granted(sending)),
            PaymentDecision::Refuse(unpayable) => Reply::Refused(unpayable.to_string()),
            PaymentDecision::NeedsConsent(needed) => ask_vendor(wallet, client, &needed)?,
            PaymentDecision::Ask(choice) => {
                let price = price_of(wallet.state(), &choice, request);
                let coin_value = wallet.state().holdings()[choice.holding].params.coin_value();
                let reply = ask_user(request, &choice, &price, &beyond(&policy, coin_value))?;
                policy = policy.with_autopay(choice.coins());
                reply
            }
        };
        if let Reply::Refused(why) = reply {
            return Ok(Reply::Refused(why));
        }
    }
    Ok(Reply::Refused("the coins in the wallet changed meanwhile".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use micromint::protocol::PeriodPrice;
    use micromint::scheme::charge_request;

    #[test]
    fn a_credential_holds_sixty_coins_of_four_balls_and_fewer_larger_ones() {
        let request = RequestPayment {
            url: "https://news.example/story".parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            prices: vec![PeriodPrice::new(
                "2026-12".parse().unwrap(),
                60,
                "0.01 USD".parse().unwrap(),
            )],
            broker: "https://broker.example/".into(),
            description: String::new(),
        };
        let challenge = Challenge {
            id: "i".repeat(43),
            realm: "news.example".into(),
            method: "micromint".into(),
            intent: "charge".into(),
            request: charge_request(&request),
            ..Challenge::default()
        };
        let found = [4, 6, 8].map(|k| coins_in_credential(&challenge, 26, k));
        assert!(found[0] >= 60 && found[0] > found[1] && found[1] > found[2], "{found:?}");
        assert!(found[2] < 60, "{found:?}");
        let carrier = Carrier::Credential(&challenge);
        for (k, found) in [4, 6, 8].into_iter().zip(found) {
            assert_eq!(carrier.coins_max(&request, k), Ok(Some(found)));
        }
        assert_eq!(Carrier::Body.coins_max(&request, 8), Ok(None));
        // At the limit, the credential of coins that are all from other sets is short enough.
        for (k, count) in [4, 6, 8].into_iter().zip(found) {
            let (count, coin) = (count as usize, 17 + (k * 8 * 4_usize).div_ceil(3));
            let message = vec![b'x'; MESSAGE_SIZE_BASE as usize + 26 + count * coin];
            let len = Credential::new(challenge.clone(), &message).to_header().len();
            assert!(len <= CREDENTIAL_SIZE_MAX as usize, "{len} bytes for {count} coins");
        }
    }
}
