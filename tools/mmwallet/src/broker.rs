//! `mmwallet receive`, `return` and `credited`: the messages between the wallet and its broker.

use std::path::Path;

use url::Url as AnyUrl;

use micromint::error::chain;
use micromint::host::{Clock, SystemClock, SystemEntropy};
use micromint::money::{coins, coins_worth};
use micromint::protocol::{
    FUNDS_WITHDRAWN_SIZE_MAX, FundsCredited, FundsWithdrawn, Id, MEDIA_TYPE, RequestCredit,
    SendExpired, Url, Verdict,
};
use micromint::wallet::{Received, Wallet};
use micromint_console::output::{Existing, Output};
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, read_input, say, tell};

use crate::buy::counted_sets;
use crate::exit;
use crate::login::{Login, LoginOptions, secure_url};
use crate::net::Client;
use crate::wallet_file::WalletFile;

/// The largest Funds-Credited or Send-Expired that is read, in bytes.
const ANSWER_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Adds the coins of a Funds-Withdrawn message to the wallet. Reads a file, or standard input for
/// `-`.
///
/// # Errors
/// The file cannot be read or is not a Funds-Withdrawn message.
pub fn receive(file: &WalletFile, path: &Path) -> Result<u8, ToolError> {
    let text = read_input(path, FUNDS_WITHDRAWN_SIZE_MAX)?;
    FundsWithdrawn::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    take_in(file, None, &text)
}

/// Stores the coins of a message that came from the web page `page`, or else from a file.
pub(crate) fn take_in(file: &WalletFile, page: Option<&Url>, text: &[u8]) -> Result<u8, ToolError> {
    let funds = FundsWithdrawn::parse(text)?;
    let mut wallet = file.create()?;
    let now = SystemClock.now();
    let received = match page {
        Some(page) => wallet.receive_from(page, &funds, now)?,
        None => wallet.receive(&funds, now)?,
    };
    match received {
        Received::New { sets, coins, holding } => {
            let value = coins_worth(coins.into(), funds.params.coin_value());
            say!(
                "received {}: {value}, period {} of {}",
                counted_sets(sets),
                funds.period(),
                funds.params.raw().broker
            );
            warn_of_rivals(&wallet, holding);
            Ok(EXIT_OK)
        }
        Received::Already => {
            say!("sale {} is in the wallet already; nothing changed", funds.transaction);
            Ok(EXIT_OK)
        }
        Received::Refused(why) => {
            let ask = match page {
                Some(_) => format!("ask the broker about sale {}", funds.transaction),
                None => "keep the message and ask the broker".to_string(),
            };
            tell!("mmwallet: error: the wallet did not accept these coins: {why}; {ask}");
            Ok(EXIT_FAILURE)
        }
    }
}

fn warn_of_rivals(wallet: &Wallet, holding: usize) {
    if wallet.state().rivals(holding).next().is_none() {
        return;
    }
    let held = &wallet.state().holdings()[holding];
    tell!(
        "mmwallet: warning: the wallet has other coins of {} for the period {} of {}, with another \
        key or other parameters. Anyone can write such a message, and only one of the two can be \
        from the broker. If you did not get this one from the broker itself, do not trust \
        the sender. The wallet keeps both, and uses those last that a vendor refuses",
        held.user,
        held.params.period(),
        held.params.raw().broker
    );
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
    /// Return only the coins of this broker: a URL of its web server.
    pub broker: Option<&'a str>,
    /// The login at this broker. It is sent to no other.
    pub login: LoginOptions<'a>,
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
    let output = return_output(file, options)?;
    let mut wallet = file.open()?;
    let (meant, return_url) = meant(&wallet, options)?;
    let login = bind_login(options)?;
    let now = SystemClock.now();
    let fresh = wallet.state().returnable(now).into_iter().map(|returnable| returnable.holding);
    for holding in fresh.filter(|holding| meant.contains(holding)).collect::<Vec<_>>() {
        // A return has a maximum size; the remaining coins go into the next one.
        while wallet.begin_return(holding, now, &SystemEntropy)?.is_some() {}
    }
    let state = wallet.state();
    let open = state.unanswered_returns(now).into_iter().filter(|b| meant.contains(&b.holding));
    let returns: Vec<OpenReturn> = open
        .map(|back| {
            let broker = &state.holdings()[back.holding].params.raw().broker;
            let url = return_url.clone().unwrap_or_else(|| return_url_at(broker));
            OpenReturn { url, message: state.request_credit(back) }
        })
        .collect();
    if returns.is_empty() {
        say!("nothing to return now");
        return Ok(EXIT_OK);
    }
    if options.send {
        return Ok(send_all(&mut wallet, client, login.as_ref(), &returns));
    }
    if returns.len() > 1 && options.output.is_some() {
        return Err(format!(
            "there are {} returns, and --output writes only one; use --send",
            returns.len()
        )
        .into());
    }
    let messages = returns.iter().map(|one| one.message.to_bytes());
    output.write(&messages.collect::<Vec<_>>().concat())?;
    Ok(EXIT_OK)
}

/// Where the messages go if they are not sent.
fn return_output(file: &WalletFile, options: &ReturnOptions<'_>) -> Result<Output, ToolError> {
    let mut rules = file.rules(Existing::Kept);
    for (used, what) in
        [(options.invitation, "the invitation"), (options.login.password_file, "the password file")]
    {
        if let Some(used) = used {
            rules = rules.uses(used, what);
        }
    }
    rules.open(options.output)
}

/// A return without a final answer, and where to send it.
struct OpenReturn {
    url: String,
    message: RequestCredit,
}

/// The holdings whose coins to return, and the URL for them if an invitation names one.
fn meant(
    wallet: &Wallet,
    options: &ReturnOptions<'_>,
) -> Result<(Vec<usize>, Option<String>), ToolError> {
    let state = wallet.state();
    let (mut meant, mut url) = ((0..state.holdings().len()).collect::<Vec<_>>(), None);
    if let Some(path) = options.invitation {
        let invitation = SendExpired::parse(&read_input(path, ANSWER_SIZE_MAX)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        meant = state.invited(&invitation)?;
        url = Some(invitation.return_url.to_string());
    }
    if let Some(broker) = options.broker {
        let only = secure_url(broker)?.origin();
        let is_its = |holding: &usize| {
            let url = AnyUrl::parse(&state.holdings()[*holding].params.raw().broker);
            url.is_ok_and(|url| url.origin() == only)
        };
        meant.retain(is_its);
        if meant.is_empty() {
            let only = only.ascii_serialization();
            return Err(format!("the wallet has no such coins of a broker at {only}").into());
        }
    }
    Ok((meant, url))
}

/// The login, bound to the broker that the user named. A wallet can have coins of brokers that the
/// user never heard of, so it does not choose one.
fn bind_login(options: &ReturnOptions<'_>) -> Result<Option<Login>, ToolError> {
    match options.broker {
        Some(broker) => options.login.bind(broker),
        None if options.login.user.is_none() => Ok(None),
        None => Err("a password belongs to one broker: name it with --broker URL".into()),
    }
}

/// Sends all returns. A broker that fails does not keep the coins of the others from being
/// returned. Returns the exit status.
fn send_all(
    wallet: &mut Wallet,
    client: &Client,
    login: Option<&Login>,
    returns: &[OpenReturn],
) -> u8 {
    let mut status = EXIT_OK;
    for one in returns {
        if let Err((code, why)) = send_one(wallet, client, login, one) {
            tell!(
                "mmwallet: {}: {why}; your coins are not lost: \
                `mmwallet return --send` sends the same return again",
                one.url
            );
            status = code;
        }
    }
    status
}

/// Sends a return and records its answer. The error is the exit status and what happened.
fn send_one(
    wallet: &mut Wallet,
    client: &Client,
    login: Option<&Login>,
    one: &OpenReturn,
) -> Result<(), (u8, String)> {
    let invalid = |error: ToolError| (EXIT_FAILURE, chain(error.as_ref()));
    let url = secure_url(&one.url).map_err(invalid)?;
    let header = login.and_then(|login| login.header_for(&url));
    let mut headers: Vec<(String, String)> = header.into_iter().collect();
    headers.push(("Content-Type".to_string(), MEDIA_TYPE.to_string()));
    let sent = client.send("POST", url.as_str(), &headers, &one.message.to_bytes());
    let mut answer = sent.map_err(|error| (exit::NO_ANSWER, chain(&error)))?;
    if answer.status != 200 {
        return Err((exit::HTTP, format!("HTTP status {}", answer.status)));
    }
    let text = answer.read(ANSWER_SIZE_MAX).map_err(invalid)?;
    let answered = take_answer(wallet, &text).map_err(invalid)?;
    if answered != one.message.request {
        let found =
            format!("expected the answer to return {}, found {answered}", one.message.request);
        return Err((EXIT_FAILURE, found));
    }
    Ok(())
}

/// The URL for returns at the broker whose page is `broker`. The page itself needs the web site's
/// login, this URL does not.
fn return_url_at(broker: &str) -> String {
    format!("{}/return", broker.trim_end_matches('/'))
}

/// Processes the broker's answer to a return, a Funds-Credited message. Reads a file, or standard
/// input for `-`.
///
/// # Errors
/// The file cannot be read, or the message is not the broker's answer to a return of this wallet.
pub fn credited(file: &WalletFile, path: &Path) -> Result<u8, ToolError> {
    let text = read_input(path, ANSWER_SIZE_MAX)?;
    FundsCredited::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    take_answer(&mut file.open()?, &text)?;
    Ok(EXIT_OK)
}

/// Records the broker's answer to a return, and returns its Request-ID.
fn take_answer(wallet: &mut Wallet, text: &[u8]) -> Result<Id, ToolError> {
    let answer = FundsCredited::parse(text)?;
    wallet.credit(&answer, SystemClock.now())?;
    let request = answer.request;
    let count =
        |is: fn(&Verdict) -> bool| answer.verdicts.iter().filter(|verdict| is(verdict)).count();
    say!(
        "return {request} of {}: {} credited, {} waiting, {} refused",
        coins(answer.verdicts.len() as u64),
        count(|verdict| *verdict == Verdict::Accepted),
        count(|verdict| *verdict == Verdict::Waiting),
        count(|verdict| verdict.is_rejection()),
    );
    let waiting = count(|verdict| *verdict == Verdict::Waiting);
    let mut holdings = wallet.state().holdings().iter().map(|held| &held.params);
    if let Some(params) = holdings.find(|params| *params.period() == answer.period)
        && waiting > 0
    {
        say!(
            "  {waiting} waiting: the broker decides after {}, when vendors can redeem no more; \
             send the return again then",
            params.raw().redeem_until
        );
    }
    let disputed = count(|verdict| *verdict == Verdict::Disputed);
    if disputed > 0 {
        say!("  {disputed} disputed: a person at the broker decides; send the return again later");
    }
    for verdict in Verdict::ALL.iter().filter(|verdict| verdict.is_rejection()) {
        let refused = answer.verdicts.iter().filter(|found| *found == verdict).count();
        if refused > 0 {
            say!("  {refused} {}", verdict.words());
        }
    }
    Ok(request)
}
