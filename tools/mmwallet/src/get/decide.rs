//! Whether to pay: the limits of the form that a payment travels in, the wallet, the vendor, the
//! user.

use std::io::{self, IsTerminal, Write};

use url::Url as AnyUrl;

use micromint::host::{Clock, SystemClock};
use micromint::money::coins_worth;
use micromint::protocol::{RequestPayment, Url};
use micromint::reply::Reply;
use micromint::scheme::Challenge;
use micromint::wallet::{Choice, Fetch, PaymentDecision, PaymentForm, Sending, Wallet, has_ended};
use micromint_console::ToolError;

use super::consent::ask_vendor;
use super::{CREDENTIAL_COINS_MAX, GetOptions, HEADER_COINS_MAX};
use crate::net::Client;

/// How many times the wallet decides at most: it can need the consent of the vendor and of the user,
/// and the first again if coins of another period are chosen meanwhile.
const QUESTIONS_MAX: u32 = 4;

/// The payment to send, or why there is none.
pub(super) fn decide(
    wallet: &mut Wallet,
    client: &Client,
    request: &RequestPayment,
    challenge: Option<&Challenge>,
    url: &AnyUrl,
    options: &GetOptions<'_>,
) -> Result<Reply<Sending, String>, ToolError> {
    let url: Url = match url.as_str().parse() {
        Ok(url) => url,
        Err(error) => return Ok(Reply::Refused(error.to_string())),
    };
    if options.method == "HEAD" {
        let price = coins_worth(request.price.into(), request.coin_value);
        return Ok(Reply::Refused(format!(
            "its price is {price}; a HEAD request is never charged"
        )));
    }
    let coins_max = match challenge {
        Some(challenge) if has_ended(challenge, SystemClock.now()) => {
            return Ok(Reply::Refused(
                "the server's challenge has expired; check the clock of this machine".to_string(),
            ));
        }
        Some(_) => CREDENTIAL_COINS_MAX,
        None if form_of(options) == PaymentForm::Header => HEADER_COINS_MAX,
        None => u32::MAX,
    };
    if request.price > coins_max {
        return Ok(Reply::Refused(format!(
            "the payment must travel in a header, which holds at most {coins_max} coins, \
            and the price is {} coins",
            request.price
        )));
    }
    let fetch = Fetch::new(&url).with_method(options.method).with_body(options.body);
    let mut policy = options.policy;
    for _ in 0..QUESTIONS_MAX {
        let reply = match wallet.pay(request, &fetch, &policy, SystemClock.now())? {
            PaymentDecision::Send(sending) => return Ok(Reply::Granted(sending)),
            PaymentDecision::Refuse(unpayable) => Reply::Refused(unpayable.to_string()),
            PaymentDecision::NeedsConsent(needed) => ask_vendor(wallet, client, &needed)?,
            PaymentDecision::Ask(choice) => {
                let reply = ask(request, &choice, policy.autopay)?;
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

/// Asks the user on the terminal. Without a terminal the answer is no.
fn ask(
    request: &RequestPayment,
    choice: &Choice,
    autopay: u32,
) -> Result<Reply<(), String>, ToolError> {
    let price = coins_worth(request.price.into(), request.coin_value);
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(Reply::Refused(format!(
            "its price is {price}, above the autopay threshold of {autopay}, and there is no \
            terminal to ask on; --autopay {} allows it",
            request.price
        )));
    }
    let mut terminal = io::stderr();
    if !request.description.is_empty() {
        writeln!(terminal, "{}", request.description)?;
    }
    write!(
        terminal,
        "{}\nPay {price} to {}? The wallet has {} that this vendor accepts. [y/N] ",
        request.url, request.vendor, choice.spendable
    )?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
        Ok(Reply::Granted(()))
    } else {
        Ok(Reply::Refused("you answered no".into()))
    }
}

/// The form in which the payment travels.
pub(super) fn form_of(options: &GetOptions<'_>) -> PaymentForm {
    match options.pay_in_header || !is_plain_get(options) {
        true => PaymentForm::Header,
        false => PaymentForm::Body,
    }
}

/// Whether a POST of the payment can replace the request.
pub(super) fn is_plain_get(options: &GetOptions<'_>) -> bool {
    let is_partial = |name: &str| {
        let name = name.to_ascii_lowercase();
        name == "range" || name.starts_with("if-")
    };
    options.method == "GET"
        && options.body.is_empty()
        && !options.headers.iter().any(|(name, _)| is_partial(name))
}
