//! `mmwallet answer` and `mmwallet settle`: pay for the request of another program.
//!
//! `answer` reads what a 402 answer asks for, and prints the payment for it; the program sends it.
//! `settle` records what became of it. The wallet decides by the same limits, and keeps the same
//! records, as for `get`. The invariant: the coins are recorded as sent, on disk, before the
//! payment is printed; and the same request gets the same payment again until its outcome is known.

mod input;
mod settle;

use std::io::{self, Write};
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use micromint::authenticator::Authenticator;
use micromint::money::{Money, coins, coins_worth};
use micromint::protocol::{
    MEDIA_TYPE, PAYMENT_HEADER, Payment, REQUEST_HEADER, RequestPayment, Url,
};
use micromint::reply::Reply;
use micromint::scheme::{AUTHORIZATION_HEADER, CREDENTIAL_HEADER, Challenge, Credential};
use micromint::wallet::{Choice, Fetch, Sending, WalletState, payment_for_header};
use micromint_console::{EXIT_OK, FormatArgs, ToolError, read_input, tell};

use crate::exit;
use crate::limits::{LimitArgs, TaskArgs};
use crate::net::Client;
use crate::pay::{self, Carrier, over_in_words};
use crate::settings::Settings;
use crate::wallet_file::WalletFile;

pub use settle::{SettleArgs, settle};
pub(crate) use settle::{consequence, find as find_payment};

use input::Asked;

/// The largest input, in bytes.
const INPUT_SIZE_MAX: usize = 64 * 1024;
/// The largest body of a request that is paid for, in bytes.
const BODY_SIZE_MAX: usize = 16 * 1024 * 1024;

/// The command line of `mmwallet answer`.
#[derive(Args, Debug)]
pub struct AnswerArgs {
    /// The URL of the request that was answered with 402, after its redirects.
    #[arg(long)]
    url: String,
    /// The method of that request [default: GET, or POST with --data].
    #[arg(short = 'X', long, value_name = "METHOD")]
    request: Option<String>,
    /// The body of that request; @FILE reads it from a file.
    #[arg(short, long, value_name = "DATA")]
    data: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    task: TaskArgs,
    #[command(flatten)]
    format: FormatArgs,
    /// Print no message about the payment on standard error.
    #[arg(short, long)]
    silent: bool,
}

/// Reads a request for payment on standard input and prints the payment for it.
///
/// # Errors
/// The input asks for nothing that this wallet can pay, or the wallet cannot be used. No coins were
/// sent then.
pub fn answer(
    args: &AnswerArgs,
    client: &Client,
    file: &WalletFile,
    settings: &Settings,
) -> Result<u8, ToolError> {
    let asked = Asked::parse(&read_input(Path::new("-"), INPUT_SIZE_MAX)?)?;
    let url: Url = args.url.parse().map_err(|error| format!("--url: {error}"))?;
    let body = args.body()?;
    let method = match (&args.request, &args.data) {
        (Some(method), _) => method.as_str(),
        (None, Some(_)) => "POST",
        (None, None) => "GET",
    };
    let mut wallet = file.open()?;
    let purpose = args.task.purpose()?;
    let fetch =
        Fetch::new(&url).with_method(method).with_body(&body).with_purpose(purpose.as_ref());
    let request = asked.request();
    let policy = args.task.limited(args.limits.policy(settings), settings);
    let ask = |_: &RequestPayment, choice: &Choice, price: &str, why: &str| {
        Ok(Reply::Refused(format!(
            "its price is {price}, {why}; --autopay {} allows it",
            choice.coins()
        )))
    };
    let paid = pay::payment(&mut wallet, client, request, asked.carrier(), &fetch, policy, &ask)?;
    let sending = match paid {
        Reply::Granted(sending) => sending,
        Reply::Refused(why) => {
            tell!("mmwallet: {url}: not paid: {why}; no coins were sent");
            return Ok(exit::NOT_PAID);
        }
    };
    let left = policy
        .limits
        .task
        .and_then(|limit| Some(wallet.state().left_for_task(purpose.as_ref()?.task(), limit)));
    let answer = Answer { asked: &asked, sending: &sending, state: wallet.state(), left };
    answer.print(args.format).map_err(|error| {
        format!(
            "cannot print the payment: {error}; the payment of {} is recorded as sent to {}: the same \
            command prints the same payment again",
            coins(wallet.state().payments()[sending.payment as usize].coins.into()),
            request.vendor
        )
    })?;
    if !args.silent {
        answer.say();
    }
    Ok(EXIT_OK)
}

impl AnswerArgs {
    fn body(&self) -> Result<Vec<u8>, ToolError> {
        match self.data.as_deref().map(|data| (data, data.strip_prefix('@'))) {
            None => Ok(Vec::new()),
            Some((_, Some("-"))) => {
                Err("--data: standard input holds the request for payment".into())
            }
            Some((_, Some(path))) => read_input(Path::new(path), BODY_SIZE_MAX),
            Some((data, None)) => Ok(data.as_bytes().to_vec()),
        }
    }
}

impl Asked {
    fn request(&self) -> &RequestPayment {
        match self {
            Asked::Message(request) | Asked::Header(request) | Asked::Challenge(_, request) => {
                request
            }
        }
    }

    fn carrier(&self) -> Carrier<'_> {
        match self {
            Asked::Message(_) => Carrier::Body,
            Asked::Header(_) => Carrier::Header,
            Asked::Challenge(challenge, _) => Carrier::Credential(challenge),
        }
    }
}

/// A payment whose coins are recorded as sent.
struct Answer<'a> {
    asked: &'a Asked,
    sending: &'a Sending,
    state: &'a WalletState,
    /// What is left of the limit for the task.
    left: Option<Money>,
}

impl Answer<'_> {
    fn print(&self, format: FormatArgs) -> io::Result<()> {
        let mut output = io::stdout().lock();
        match (format.is_json(), self.header()) {
            (true, _) => output.write_all(format!("{:#}\n", self.json()).as_bytes())?,
            (false, Some((name, value))) => {
                output.write_all(format!("{name}: {value}\n").as_bytes())?;
            }
            (false, None) => output.write_all(&self.sending.message)?,
        }
        output.flush()
    }

    /// The header field to send; `None` if the message is sent as a body.
    fn header(&self) -> Option<(&'static str, String)> {
        let message = &self.sending.message;
        match self.asked {
            Asked::Message(_) => None,
            Asked::Header(_) => Some((PAYMENT_HEADER, payment_for_header(message))),
            Asked::Challenge(challenge, _) => {
                let value = Credential::new(Challenge::clone(challenge), message).to_header();
                Some((credential_header(challenge), value))
            }
        }
    }

    fn json(&self) -> Value {
        let payment = &self.state.payments()[self.sending.payment as usize];
        let params = &self.state.holdings()[payment.holding].params;
        let header = self.header().map(|(name, value)| json!({ "name": name, "value": value }));
        let body = match self.asked {
            Asked::Message(_) => Some(String::from_utf8_lossy(&self.sending.message).into_owned()),
            _ => None,
        };
        json!({
            "reference": payment.reference(), "again": self.sending.again,
            "url": payment.url.as_str(), "vendor": payment.vendor.as_str(),
            "period": params.period().as_str(), "coins": payment.coins,
            "money": params.coin_value().checked_mul(payment.coins.into()).map(|it| it.to_string()),
            "over": self.asked.request().over(params.period()).map(|over| over.to_string()),
            "remaining": self.state.balance(payment.holding).unspent,
            "task-left": self.left.map(|left| left.to_string()),
            "header": header, "content-type": body.as_ref().map(|_| MEDIA_TYPE), "body": body,
            "idempotency-key": idempotency_key(&self.sending.message),
        })
    }

    fn say(&self) {
        let payment = &self.state.payments()[self.sending.payment as usize];
        let params = &self.state.holdings()[payment.holding].params;
        let over = over_in_words(self.asked.request(), params.period());
        let again = if self.sending.again { ", the same as before" } else { "" };
        let reference = payment.reference();
        tell!(
            "mmwallet: payment {reference}: {} for {}{over}{again}; {} remain unspent. Record what \
            became of it with `mmwallet settle {reference} OUTCOME`",
            coins_worth(payment.coins.into(), params.coin_value()),
            payment.vendor,
            coins(self.state.balance(payment.holding).unspent.into()),
        );
    }
}

/// The header in which a challenge wants its credential.
fn credential_header(challenge: &Challenge) -> &'static str {
    if challenge.header.is_some() { CREDENTIAL_HEADER } else { AUTHORIZATION_HEADER }
}

/// The Idempotency-Key of the paid request, the same for every attempt.
fn idempotency_key(message: &[u8]) -> Option<String> {
    Payment::parse(message).ok().map(|payment| Authenticator::to_string(&payment.authenticator))
}

/// What the input must be, for messages.
fn expected() -> String {
    format!(
        "expected a Request-Payment message, a challenge of the scheme Payment for the method \
        micromint, or the header fields of a 402 answer with {REQUEST_HEADER} or WWW-Authenticate"
    )
}
