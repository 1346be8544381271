//! Whether `get` pays, and in which form.

use std::io::{self, IsTerminal, Write};

use url::Url as AnyUrl;

use micromint::protocol::{RequestPayment, Url};
use micromint::reply::Reply;
use micromint::scheme::Challenge;
use micromint::wallet::{Choice, Fetch, Moment, PaymentForm, Sending, Wallet};
use micromint_console::{ToolError, answers_yes};

use super::GetOptions;
use crate::net::Client;
use crate::pay::{self, Carrier};

/// The payment to send, or why there is none. `since` is the moment before the request was sent
/// without a payment.
pub(super) fn decide(
    wallet: &mut Wallet,
    client: &Client,
    request: &RequestPayment,
    challenge: Option<&Challenge>,
    url: &AnyUrl,
    since: Moment,
    options: &GetOptions<'_>,
) -> Result<Reply<Sending, String>, ToolError> {
    let url: Url = match url.as_str().parse() {
        Ok(url) => url,
        Err(error) => return Ok(Reply::Refused(error.to_string())),
    };
    let carrier = match (challenge, form_of(options)) {
        (Some(challenge), _) => Carrier::Credential(challenge),
        (None, PaymentForm::Header) => Carrier::Header,
        (None, PaymentForm::Body) => Carrier::Body,
    };
    let fetch = Fetch::new(&url)
        .with_method(options.method)
        .with_body(options.body)
        .with_since(since)
        .with_purpose(options.purpose);
    pay::payment(wallet, client, request, carrier, &fetch, options.policy, &ask)
}

/// Asks the user on the terminal. Without a terminal the answer is no.
fn ask(
    request: &RequestPayment,
    choice: &Choice,
    price: &str,
    why: &str,
) -> Result<Reply<(), String>, ToolError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(Reply::Refused(format!(
            "its price is {price}, {why}, and there is no terminal to ask on; --autopay {} allows \
            it",
            choice.coins()
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
    Ok(match answers_yes()? {
        true => Reply::Granted(()),
        false => Reply::Refused("you answered no".into()),
    })
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
