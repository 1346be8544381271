//! `mmwallet receive --from`: buys sets on a broker's web page.
//!
//! The wallet file relies on this order: (1) ask the page which period it sells; (2) record the
//! order, which is on disk before this module gets it; (3) send it; (4) store the sets, which
//! closes the order. If the program stops at any point after (2), the next `mmwallet receive` sends
//! the same order, under which the broker sells once. Only the broker itself ends an order without
//! sets.

use url::Url as AnyUrl;

use micromint::error::chain;
use micromint::host::{Clock, Entropy, SystemClock, SystemEntropy};
use micromint::period::Period;
use micromint::protocol::{
    FUNDS_WITHDRAWN_SIZE_MAX, MEDIA_TYPE, NOT_SOLD_HEADER, PERIOD_HEADER, Url,
};
use micromint::reply::Reply;
use micromint::wallet::{NewOrder, Order, OrderToSend, Wallet};
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, one_line, say, tell};
use serde_json::Value;

use crate::broker::take_in;
use crate::exit;
use crate::login::{Login, LoginOptions, secure_url};
use crate::net::{Client, Response};
use crate::wallet_file::WalletFile;

/// The path of purchases at a broker's service, which takes acknowledgements.
pub(crate) const PURCHASES_PATH: &str = "/v1/purchases";

/// The longest refusal in the broker's words that is read, in bytes.
const REASON_SIZE_MAX: usize = 1024;
/// What a broker's service says of itself, at the root of its host.
const BROKER_PATH: &str = "/.well-known/micromint-broker";
/// The largest such document, in bytes.
const BROKER_SIZE_MAX: usize = 4 * 1024 * 1024;

/// What to buy, and where.
#[derive(Clone, Debug)]
pub struct BuyOptions<'a> {
    /// The broker's web page.
    pub url: &'a str,
    /// The login at this page.
    pub login: LoginOptions<'a>,
    /// How many sets. `None` with a transaction only fetches that sale again.
    pub sets: Option<u32>,
    /// The Transaction-ID; `None` draws one.
    pub transaction: Option<u64>,
}

/// A page of a broker, and what a request to it carries.
struct Page<'a> {
    client: &'a Client,
    url: Url,
    headers: Vec<(String, String)>,
}

/// Buys sets on a broker's web page, or goes on with the order that is open there.
///
/// # Errors
/// The URL is not secure, the wallet cannot be used, or the coins that came cannot be stored.
pub fn buy(file: &WalletFile, client: &Client, options: &BuyOptions<'_>) -> Result<u8, ToolError> {
    let page = Page::new(client, options.url, options.login.bind(options.url)?.as_ref())?;
    let mut wallet = file.create()?;
    let login = options.login.user.unwrap_or_default();
    let is_own = |order: &&Order| order.page == page.url && order.login == login;
    let open = wallet.state().open_orders().find(is_own).cloned();
    if let Some(status) = page.refused_as_misnamed(open.as_ref(), login) {
        return Ok(status);
    }
    if let (None, None, Some(transaction)) = (&open, options.sets, options.transaction) {
        return page.fetch_again(file, transaction);
    }
    let period = match open {
        Some(_) => None,
        None => match page.period()? {
            Reply::Granted(period) => period,
            Reply::Refused(status) => return Ok(status),
        },
    };
    let asked = NewOrder {
        page: &page.url,
        login,
        period: period.as_ref(),
        sets: options.sets.unwrap_or(1),
        transaction: match options.transaction {
            Some(number) => number,
            None => SystemEntropy.number()?,
        },
    };
    let sending = match wallet.order(&asked, SystemClock.now())? {
        Reply::Granted(sending) => sending,
        Reply::Refused(why) => return Err(format!("nothing was ordered: {why}").into()),
    };
    let OrderToSend { order, again, .. } = &sending;
    if *again {
        tell!(
            "mmwallet: order {} of {}, made at {}, is open: it is sent again, and nothing else is \
            bought. {}",
            order.transaction,
            counted_sets(order.sets),
            order.at,
            way_out(order.transaction)
        );
    }
    let status = page.send(file, &mut wallet, &sending)?;
    let is_other = *again && options.sets.is_some_and(|sets| sets != order.sets);
    let wanted = counted_sets(asked.sets);
    match status {
        EXIT_OK if is_other => say!(
            "that was the order of {}; nothing else was bought: run the same command again to buy \
            {wanted}",
            order.at
        ),
        exit::HTTP if is_other => tell!(
            "mmwallet: that was the order of {}, and it is closed: run the same command again to \
            buy {wanted}",
            order.at
        ),
        _ => {}
    }
    Ok(status)
}

/// How the owner closes an order that the wallet would send again.
fn way_out(transaction: u64) -> String {
    format!(
        "If you do not want it any more, give it up: `mmwallet receive --give-up {transaction}`"
    )
}

/// Goes on with all open orders that need no login.
///
/// # Errors
/// No order is open, or the wallet cannot be used.
pub fn go_on(file: &WalletFile, client: &Client) -> Result<u8, ToolError> {
    let mut wallet = file.open()?;
    let orders: Vec<Order> = wallet.state().open_orders().cloned().collect();
    if orders.is_empty() {
        return Err("no order is open: expected a file, or --from with a broker's page".into());
    }
    let mut status = EXIT_OK;
    for order in orders {
        let ended = if order.login.is_empty() {
            let page = Page::new(client, order.page.as_str(), None)?;
            let sending = OrderToSend::again(order);
            page.send(file, &mut wallet, &sending)
        } else {
            tell!(
                "mmwallet: order {} is open: `mmwallet receive --from {} --user {} --password-file \
                FILE` goes on with it",
                order.transaction,
                order.page,
                order.login
            );
            Ok(exit::NO_ANSWER)
        };
        match ended {
            Ok(EXIT_OK) => {}
            Ok(failed) => status = failed,
            Err(error) => {
                tell!("mmwallet: error: {}", chain(error.as_ref()));
                status = EXIT_FAILURE;
            }
        }
    }
    Ok(status)
}

/// Gives an order up: the wallet does not ask for it again.
///
/// # Errors
/// There is no such order, or the wallet cannot be written.
pub fn give_up(file: &WalletFile, transaction: u64) -> Result<u8, ToolError> {
    let mut wallet = file.open()?;
    if !wallet.close_order(transaction, false, "", SystemClock.now())? {
        return Err(format!("the wallet has no open order {transaction}").into());
    }
    say!(
        "order {transaction} is given up. If the broker sold it, ask the broker for the message of \
        sale {transaction}, and add it with `mmwallet receive FILE`"
    );
    Ok(EXIT_OK)
}

impl<'a> Page<'a> {
    fn new(client: &'a Client, url: &str, login: Option<&Login>) -> Result<Page<'a>, ToolError> {
        let mut page: AnyUrl = secure_url(url)?;
        page.set_fragment(None);
        let mut headers: Vec<(String, String)> =
            login.and_then(|login| login.header_for(&page)).into_iter().collect();
        headers.push(("Accept".to_string(), MEDIA_TYPE.to_string()));
        Ok(Page { client, url: page.as_str().parse()?, headers })
    }

    /// Asks which period the page sells; `None` if it does not say. Refused with an exit status if
    /// there is no such page, or it cannot be reached. Nothing is ordered then.
    fn period(&self) -> Result<Reply<Option<Period>, u8>, ToolError> {
        let url = &self.url;
        let answer = match self.client.send("HEAD", url.as_str(), &self.headers, b"") {
            Ok(answer) => answer,
            Err(error) => {
                tell!("mmwallet: {url}: {}; nothing was ordered", chain(&error));
                return Ok(Reply::Refused(exit::NETWORK));
            }
        };
        match answer.status {
            // 405 and 501: the page does not know HEAD, but may sell.
            200..=299 | 405 | 501 => {}
            status => {
                let target = answer.header("location").unwrap_or_default();
                let to = match status {
                    300..=399 => format!(" to {target:?}, which is not followed"),
                    _ => String::new(),
                };
                let advice = self.advice(status);
                tell!("mmwallet: {url}: HTTP status {status}{to}; nothing was ordered{advice}");
                return Ok(Reply::Refused(exit::HTTP));
            }
        }
        let period = answer.header(PERIOD_HEADER).map(str::parse);
        if period.is_none() && answer.status == 200 && self.service().is_some() {
            tell!("mmwallet: {url}: no period is being sold now; nothing was ordered");
            return Ok(Reply::Refused(exit::HTTP));
        }
        Ok(Reply::Granted(period.transpose().map_err(|error| format!("{url}: {error}"))?))
    }

    /// The URL of the broker's service, if this is its page for purchases.
    fn service(&self) -> Option<&str> {
        self.url.as_str().strip_suffix(PURCHASES_PATH)
    }

    /// Says that the broker's service has another URL, from which the wallet takes its coins, and
    /// returns the exit status; `None` if it has this one, or is no service.
    fn refused_as_misnamed(&self, open: Option<&Order>, login: &str) -> Option<u8> {
        let url = self.service()?;
        let named = match named_otherwise(self.client, url) {
            Ok(named) => named?,
            Err(error) => {
                tell!("mmwallet: {url}: {}; nothing was ordered", chain(&error));
                return Some(exit::NETWORK);
            }
        };
        let user = if login.is_empty() { "NAME" } else { login };
        let order = open.map(|order| order.transaction).map_or(String::new(), |number| {
            format!(
                ". Order {number} is open: if the broker sold it, get its file at \
                {named}/purchases/{number}, add it with `mmwallet receive FILE`, and close the \
                order with `mmwallet receive --give-up {number}`"
            )
        });
        tell!(
            "mmwallet: {url} is the broker {named} under another name, and the wallet takes the \
            coins of {named} from there only; nothing was ordered. Log in there: mmwallet login \
            {named} --user {user} --key-file FILE{order}"
        );
        Some(EXIT_FAILURE)
    }

    /// What to do about a status, as the end of a sentence.
    fn advice(&self, status: u16) -> &'static str {
        let has_login = self.headers.iter().any(|(name, _)| name == "Authorization");
        match status {
            401 if has_login && self.url.as_str().ends_with(PURCHASES_PATH) => {
                ". The broker does not know this key: it may have ended. Get a new one there, and \
                 log in with it: `mmwallet login`"
            }
            401 if has_login => ". The page does not accept this name and password",
            401 => ". The page wants a login: --user NAME --password-file FILE",
            404 | 405 => {
                ". This page may take no orders: a broker's service takes them at its URL followed \
                 by /v1/purchases, as `mmwallet login` and `mmwallet buy` do"
            }
            _ => "",
        }
    }

    fn post(&self, form: &str) -> Result<Response, ureq::Error> {
        let mut headers = self.headers.clone();
        headers.push(("Content-Type".to_string(), "application/x-www-form-urlencoded".to_string()));
        self.client.send("POST", self.url.as_str(), &headers, form.as_bytes())
    }

    /// Sends an order and stores the sets that come.
    fn send(
        &self,
        file: &WalletFile,
        wallet: &mut Wallet,
        sending: &OrderToSend,
    ) -> Result<u8, ToolError> {
        let OrderToSend { order, again, .. } = sending;
        let (url, number) = (&self.url, order.transaction);
        let still_open = format!(
            "order {number} of {} from {url} is still open: the broker may have sold it. Run the \
            same command again: the broker sells once under this number. {}",
            counted_sets(order.sets),
            way_out(number)
        );
        let no_answer = |why: &str| {
            tell!("mmwallet: {url}: {why}; {still_open}");
            Ok(exit::NO_ANSWER)
        };
        let mut answer = match self.post(&order.form()) {
            Ok(answer) => answer,
            Err(error) => return no_answer(&chain(&error)),
        };
        let status = answer.status;
        if status == 200 && answer.is_of_type(MEDIA_TYPE) {
            let text = match answer.read(FUNDS_WITHDRAWN_SIZE_MAX) {
                Ok(text) => text,
                Err(error) => return no_answer(&chain(error.as_ref())),
            };
            let taken = take_in(file, Some(url), &text);
            match taken {
                Ok(EXIT_OK) => self.acknowledge(number),
                Ok(EXIT_FAILURE) => {
                    tell!("mmwallet: {still_open}");
                    return Ok(exit::NO_ANSWER);
                }
                _ => {}
            }
            return taken.map_err(|error| format!("{error}; {still_open}").into());
        }
        if !order.is_refused_by(answer.header(NOT_SOLD_HEADER), *again) {
            let (reason, advice) = (reason_in(&mut answer), self.advice(status));
            tell!(
                "mmwallet: {url}: no coins came (HTTP status {status}){reason}; {still_open}{advice}"
            );
            return Ok(exit::NO_ANSWER);
        }
        let reason = reason_in(&mut answer);
        wallet.close_order(number, true, reason.trim_start_matches(": "), SystemClock.now())?;
        tell!(
            "mmwallet: {url}: the broker sold nothing under order {number} (HTTP status \
            {status}){reason}; you have no new coins"
        );
        Ok(exit::HTTP)
    }

    /// Tells a broker's service that the coins are in the wallet, so that it does not deliver them
    /// again. If that fails, it only delivers them longer.
    fn acknowledge(&self, transaction: u64) {
        let url = self.url.as_str();
        if self.service().is_none() {
            return;
        }
        let sent =
            self.client.send("POST", &format!("{url}/{transaction}/received"), &self.headers, b"");
        match sent {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => {
                let status = answer.status;
                tell!("mmwallet: {url}: HTTP status {status} to the acknowledgement");
            }
            Err(error) => tell!("mmwallet: {url}: no acknowledgement: {}", chain(&error)),
        }
    }

    /// Fetches an earlier sale again. The form names no number of sets, so that nothing is bought.
    fn fetch_again(&self, file: &WalletFile, transaction: u64) -> Result<u8, ToolError> {
        let url = &self.url;
        let mut answer = match self.post(&format!("transaction={transaction}")) {
            Ok(answer) => answer,
            Err(error) => {
                tell!("mmwallet: {url}: {}; nothing was bought", chain(&error));
                return Ok(exit::NETWORK);
            }
        };
        if answer.status == 200 && answer.is_of_type(MEDIA_TYPE) {
            return take_in(file, Some(url), &answer.read(FUNDS_WITHDRAWN_SIZE_MAX)?);
        }
        let (status, reason) = (answer.status, reason_in(&mut answer));
        tell!(
            "mmwallet: {url}: sale {transaction} did not come (HTTP status {status}){reason}; \
            nothing was bought"
        );
        Ok(exit::HTTP)
    }
}

/// The URL by which the broker's service at `url` calls itself, without a slash at the end, if that
/// has another scheme, host or port than `url`: the wallet would refuse its coins. `None` also if
/// nothing says so.
///
/// # Errors
/// The server at `url` cannot be reached.
pub(crate) fn named_otherwise(client: &Client, url: &str) -> Result<Option<String>, ureq::Error> {
    let Ok(own) = AnyUrl::parse(url) else { return Ok(None) };
    let document = format!("{}{BROKER_PATH}", own.origin().ascii_serialization());
    let headers = [("Accept".to_string(), "application/json".to_string())];
    let mut answer = client.send("GET", &document, &headers, b"")?;
    let body = if answer.status == 200 { answer.read(BROKER_SIZE_MAX).ok() } else { None };
    let broker: Value = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default();
    let named = broker["url"].as_str().and_then(|named| AnyUrl::parse(named).ok());
    let named = named.filter(|named| named.origin() != own.origin());
    Ok(named.map(|named| one_line(named.as_str().trim_end_matches('/'))))
}

/// `1 set`, `3 sets`.
pub(crate) fn counted_sets(sets: u32) -> String {
    if sets == 1 { "1 set".to_string() } else { format!("{sets} sets") }
}

/// `: WHY`, if the answer is one line of text: a refusal in the broker's words. A page is not
/// shown.
fn reason_in(answer: &mut Response) -> String {
    let text =
        if answer.is_of_type("text/plain") { answer.read(REASON_SIZE_MAX).ok() } else { None };
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    match one_line(&text).trim_end_matches('.') {
        "" => String::new(),
        words => format!(": {words}"),
    }
}
