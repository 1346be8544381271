//! `mmwallet receive`, `return` and `credited`: the messages between the wallet and its broker.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use micromint::error::chain;
use micromint::host::{Clock, Entropy, SystemClock, SystemEntropy};
use micromint::identity::VendorId;
use micromint::protocol::{
    FUNDS_WITHDRAWN_SIZE_MAX, FundsCredited, FundsWithdrawn, Id, MEDIA_TYPE, RequestCredit,
    SendExpired, Verdict,
};
use micromint::wallet::{Received, Wallet};
use micromint_console::{
    EXIT_FAILURE, EXIT_OK, ToolError, read_input, read_secret_input, say, write_output,
};

use crate::exit;
use crate::net::Client;
use crate::show;
use crate::wallet_file::WalletFile;

/// The largest Funds-Credited or Send-Expired that is read, in bytes.
const ANSWER_SIZE_MAX: usize = 4 * 1024 * 1024;
/// The largest password file, in bytes.
const PASSWORD_SIZE_MAX: usize = 4096;

/// The user's login at the broker's web server.
#[derive(Clone, Debug, Default)]
pub struct Login<'a> {
    /// The name.
    pub user: Option<&'a str>,
    /// The file whose first line is the password. It must be readable by its owner only.
    pub password_file: Option<&'a Path>,
}

impl Login<'_> {
    /// The header of basic authentication, if there is a user name.
    fn header(&self) -> Result<Option<(String, String)>, ToolError> {
        let Some(user) = self.user else { return Ok(None) };
        let path =
            self.password_file.ok_or("--user needs --password-file (- is standard input)")?;
        let text = read_secret_input(path, PASSWORD_SIZE_MAX)?;
        let password = text.lines().next().unwrap_or_default();
        let token = STANDARD.encode(format!("{user}:{password}"));
        Ok(Some(("Authorization".to_string(), format!("Basic {token}"))))
    }
}

/// Adds the coins of a Funds-Withdrawn message to the wallet. Reads a file, or standard input for
/// `-`.
///
/// # Errors
/// The file cannot be read or is not a Funds-Withdrawn message.
pub fn receive(file: &WalletFile, path: &Path) -> Result<u8, ToolError> {
    take_in(file, &read_input(path, FUNDS_WITHDRAWN_SIZE_MAX)?)
}

/// Buys sets on a broker's web page. The wallet chooses the Transaction-ID, so that it can request
/// the same sale again if the answer is lost.
///
/// # Errors
/// The URL is not secure, the wallet cannot be opened, or the answer is not a Funds-Withdrawn
/// message.
pub fn buy(
    file: &WalletFile,
    client: &Client,
    url: &str,
    login: &Login<'_>,
    sets: u32,
    transaction: Option<u64>,
) -> Result<u8, ToolError> {
    must_be_secure(url)?;
    let transaction = match transaction {
        Some(number) => number,
        None => SystemEntropy.number()?,
    };
    // The wallet must be usable before money is spent on coins for it.
    drop(file.create()?);
    let mut headers: Vec<(String, String)> = login.header()?.into_iter().collect();
    headers.push(("Content-Type".to_string(), "application/x-www-form-urlencoded".to_string()));
    headers.push(("Accept".to_string(), MEDIA_TYPE.to_string()));
    let form = format!("sets={sets}&transaction={transaction}");
    let again = format!(
        "the broker may have charged you; run the same command with --transaction {transaction} \
        to get the same coins without buying twice"
    );
    let mut answer = match client.send("POST", url, &headers, form.as_bytes()) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("mmwallet: {url}: {}; {again}", chain(&error));
            return Ok(exit::NETWORK);
        }
    };
    if answer.status != 200 || !answer.is_of_type(MEDIA_TYPE) {
        eprintln!(
            "mmwallet: {url}: the broker sold nothing (HTTP status {}); you have no new coins",
            answer.status
        );
        return Ok(exit::HTTP);
    }
    let text = answer.read(FUNDS_WITHDRAWN_SIZE_MAX);
    text.and_then(|text| take_in(file, &text)).map_err(|error| format!("{error}; {again}").into())
}

fn take_in(file: &WalletFile, text: &[u8]) -> Result<u8, ToolError> {
    let funds = FundsWithdrawn::parse(text)?;
    let mut wallet = file.create()?;
    match wallet.receive(&funds, SystemClock.now())? {
        Received::New { sets, coins } => {
            let value = show::coins(coins, funds.params.coin_value());
            say!("received {sets} sets: {value}, period {}", funds.period());
            Ok(EXIT_OK)
        }
        Received::Already => {
            say!("sale {} is in the wallet already; nothing changed", funds.transaction);
            Ok(EXIT_OK)
        }
        Received::Refused(why) => {
            eprintln!(
                "mmwallet: error: the wallet did not accept these coins: {why}; \
                keep the message and ask the broker"
            );
            Ok(EXIT_FAILURE)
        }
    }
}

/// What to return, and how.
#[derive(Clone, Debug, Default)]
pub struct ReturnOptions<'a> {
    /// A Send-Expired message, which names the period and the URL for the return.
    pub invitation: Option<&'a Path>,
    /// Send the return to the broker and process its answer; otherwise write the message to
    /// `output`.
    pub send: bool,
    /// The file for the message; `None` is standard output.
    pub output: Option<&'a Path>,
    /// The login at the broker.
    pub login: Login<'a>,
}

/// Returns the coins of expired periods for credit: earlier returns without a final answer, and all
/// coins that were not returned yet.
///
/// # Errors
/// The wallet cannot be written, or the invitation is not for it.
pub fn give_back(
    file: &WalletFile,
    client: &Client,
    options: &ReturnOptions<'_>,
) -> Result<u8, ToolError> {
    let mut wallet = file.open()?;
    let invited = options.invitation.map(|path| invitation(&wallet, path)).transpose()?;
    let now = SystemClock.now();
    let is_meant = |holding| invited.as_ref().is_none_or(|(only, _)| *only == holding);
    let fresh: Vec<usize> =
        wallet.state().returnable(now).iter().map(|r| r.holding).filter(|h| is_meant(*h)).collect();
    for holding in fresh {
        // A return has a maximum size; the remaining coins go into the next one.
        while wallet.begin_return(holding, now, &SystemEntropy)?.is_some() {}
    }
    let state = wallet.state();
    let open = state.unanswered_returns(now).into_iter().filter(|back| is_meant(back.holding));
    let messages: Vec<(String, RequestCredit)> = open
        .map(|back| {
            (state.holdings()[back.holding].params.raw().broker.clone(), state.request_credit(back))
        })
        .collect();
    if messages.is_empty() {
        say!("nothing to return now");
        return Ok(EXIT_OK);
    }
    if options.send {
        let url = invited.map(|(_, url)| url);
        return send_all(&mut wallet, client, options, url.as_deref(), &messages);
    }
    if messages.len() > 1 && options.output.is_some() {
        return Err(format!(
            "there are {} returns, and --output writes only one; use --send",
            messages.len()
        )
        .into());
    }
    for (_, message) in &messages {
        write_output(options.output, &message.to_bytes())?;
    }
    Ok(EXIT_OK)
}

/// The holding that an invitation names, and the URL for its return.
fn invitation(wallet: &Wallet, path: &Path) -> Result<(usize, String), ToolError> {
    let invitation = SendExpired::parse(&read_input(path, ANSWER_SIZE_MAX)?)?;
    let holding = wallet.state().invited(&invitation)?;
    Ok((holding, invitation.return_url.to_string()))
}

fn send_all(
    wallet: &mut Wallet,
    client: &Client,
    options: &ReturnOptions<'_>,
    invited_url: Option<&str>,
    messages: &[(String, RequestCredit)],
) -> Result<u8, ToolError> {
    let login = options.login.header()?;
    let mut status = EXIT_OK;
    for (broker, message) in messages {
        let url = invited_url.map_or_else(|| return_url(broker), str::to_string);
        must_be_secure(&url)?;
        let mut headers: Vec<(String, String)> = login.clone().into_iter().collect();
        headers.push(("Content-Type".to_string(), MEDIA_TYPE.to_string()));
        let fault = match client.send("POST", &url, &headers, &message.to_bytes()) {
            Err(error) => (exit::NO_ANSWER, chain(&error)),
            Ok(answer) if answer.status != 200 => {
                (exit::HTTP, format!("HTTP status {}", answer.status))
            }
            Ok(mut answer) => {
                let text = answer.read(ANSWER_SIZE_MAX)?;
                take_answer(wallet, &text, Some(&message.request))?;
                continue;
            }
        };
        eprintln!(
            "mmwallet: {url}: {}; your coins are not lost: \
            `mmwallet return --send` sends the same return again",
            fault.1
        );
        status = fault.0;
    }
    Ok(status)
}

/// The URL for returns at the broker whose page is `broker`. The page itself needs the web site's
/// login, this URL does not.
fn return_url(broker: &str) -> String {
    format!("{}/return", broker.trim_end_matches('/'))
}

/// Processes the broker's answer to a return, a Funds-Credited message. Reads a file, or standard
/// input for `-`.
///
/// # Errors
/// The file cannot be read, or the message matches no return.
pub fn credited(file: &WalletFile, path: &Path, request: Option<&Id>) -> Result<u8, ToolError> {
    let text = read_input(path, ANSWER_SIZE_MAX)?;
    take_answer(&mut file.open()?, &text, request)?;
    Ok(EXIT_OK)
}

fn take_answer(wallet: &mut Wallet, text: &[u8], request: Option<&Id>) -> Result<(), ToolError> {
    let answer = FundsCredited::parse(text)?;
    let request = wallet.credit(&answer, request, SystemClock.now())?;
    let count =
        |is: fn(&Verdict) -> bool| answer.verdicts.iter().filter(|verdict| is(verdict)).count();
    say!(
        "return {request} of {} coins: {} credited, {} waiting, {} refused",
        answer.verdicts.len(),
        count(|verdict| *verdict == Verdict::Accepted),
        count(|verdict| *verdict == Verdict::Waiting),
        count(|verdict| verdict.is_rejection()),
    );
    for verdict in Verdict::ALL.iter().filter(|verdict| verdict.is_rejection()) {
        let refused = answer.verdicts.iter().filter(|found| *found == verdict).count();
        if refused > 0 {
            say!("  {refused} {}", verdict.words());
        }
    }
    Ok(())
}

/// Refuses a URL that is neither https nor this machine: a User-Key and whole sets are sent to it.
fn must_be_secure(url: &str) -> Result<(), ToolError> {
    let parsed = url::Url::parse(url).map_err(|error| format!("URL {url:?}: {error}"))?;
    let host: Option<VendorId> = parsed.host_str().and_then(|host| host.parse().ok());
    if parsed.scheme() == "https"
        || (parsed.scheme() == "http" && host.is_some_and(|host| host.is_loopback()))
    {
        return Ok(());
    }
    Err(format!(
        "{url} is not https: others on the network could read your keys and coins; \
        nothing was sent"
    )
    .into())
}
