//! `mmwallet get` and `mmwallet price`: fetch a page as curl does, and pay for it.
//!
//! The wallet file relies on this order: (1) send the unpaid request and follow its redirects; (2)
//! decide, which records the coins on disk as sent before this module gets them; (3) send the
//! payment, which never follows a redirect; (4) receive the whole content; (5) record that the
//! payment succeeded. If the program stops at any point, the next run of the same command sends the
//! same coins.

mod cookies;

mod decide;

mod manners;

mod output;

mod paying;

mod resend;

mod retry;

mod unpaid;

mod write_out;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use url::Url as AnyUrl;

use micromint::error::chain;
use micromint::protocol::RequestPayment;
use micromint::reply::Reply;
use micromint::wallet::{Policy, Purpose, Wallet};
use micromint_console::{EXIT_OK, ToolError, print_text, tell};

use crate::exit;
use crate::net::{Client, Response, is_loopback};
use crate::settings::Settings;
use crate::show;
use crate::wallet_file::WalletFile;

pub use cookies::Cookie;
use decide::decide;
pub use manners::{Manners, RemoteName, Resume};
use output::{Broken, Output};
use paying::{Next, Paying};
pub use retry::Retry;
use unpaid::{Offer, fetch, parse_url, payment_request};
use write_out::{Fetched, written};

/// The largest Request-Payment or Invalid-Payment that is read from a body, in bytes.
const MESSAGE_SIZE_MAX: usize = 64 * 1024;

/// A URL in the form in which it is fetched.
///
/// # Errors
/// It is no http or https URL, or has a user name.
pub(crate) fn checked_url(text: &str) -> Result<String, ToolError> {
    parse_url(text).map(String::from)
}

/// What to fetch and how to show it.
#[derive(Clone, Debug)]
pub struct GetOptions<'a> {
    /// The URL as the user wrote it.
    pub url: &'a str,
    /// The method.
    pub method: &'a str,
    /// Headers to add.
    pub headers: &'a [(String, String)],
    /// The body to send.
    pub body: &'a [u8],
    /// The file for the content; `None` is standard output.
    pub output: Option<&'a Path>,
    /// Print the status line and headers of the response before the content.
    pub include_head: bool,
    /// Print no messages about successful payments on standard error; errors are printed anyway.
    pub silent: bool,
    /// How many redirects of the unpaid request to follow at most.
    pub redirects_max: u32,
    /// Send the payment in a header even for a GET.
    pub pay_in_header: bool,
    /// Whether to wait and send a payment again that the vendor does not know yet.
    pub waits: bool,
    /// What the owner allows.
    pub policy: Policy,
    /// For what the payment is, if a program asked for the page.
    pub purpose: Option<&'a Purpose>,
    /// The rest, in the words of curl.
    pub manners: Manners<'a>,
}

/// Fetches a page, pays for it if it costs coins and the policy allows it, and writes the content.
/// Tries again as often as the options say.
///
/// # Errors
/// A file or the wallet cannot be used, or the server's request for payment is malformed.
pub fn get(
    options: &GetOptions<'_>,
    client: &Client,
    wallet_file: &WalletFile,
    settings: &Settings,
) -> Result<u8, ToolError> {
    let url = parse_url(options.url)?;
    if client.trusts_loopback() && !is_loopback(&url) {
        return Err(format!(
            "{url}: -k works only for this machine (localhost, 127.0.0.0/8, ::1); --cacert trusts \
            a certificate elsewhere"
        )
        .into());
    }
    let mut output = Output::open(options, &url, wallet_file)?;
    let mut headers = options.headers.to_vec();
    headers.extend(output.range());
    let options = &GetOptions { headers: &headers, ..options.clone() };
    client.forget();
    let (began, retry) = (Instant::now(), options.manners.retry);
    let mut tries = 1;
    let status = loop {
        output.holds_transient = tries <= retry.count;
        let status = get_once(options, client, wallet_file, settings, url.clone(), &mut output)?;
        match retry.wait(status, &client.transfer(), tries, began.elapsed()) {
            Some(wait) if output.can_start_over() => {
                wait_to_retry(options, wait, retry.count - tries)
            }
            _ => break status,
        }
        tries += 1;
    };
    if let Some(format) = options.manners.write_out {
        let transfer = client.transfer();
        let fetched = Fetched {
            transfer: &transfer,
            url: options.url,
            exit_status: status,
            size: output.size(),
            file: output.file(),
            seconds: transfer.began.map_or(0.0, |began| began.elapsed().as_secs_f64()),
        };
        let (to_stdout, to_stderr) = written(format, &fetched);
        print_text(&to_stdout);
        if !to_stderr.is_empty() {
            // As the user wrote it, colours and all.
            let _ = writeln!(std::io::stderr(), "{}", to_stderr.trim_end_matches('\n'));
        }
    }
    Ok(status)
}

fn wait_to_retry(options: &GetOptions<'_>, wait: Duration, left: u32) {
    if !options.silent {
        let seconds = wait.as_secs();
        tell!("mmwallet: trying again in {seconds} s; tries that remain after that: {left}");
    }
    std::thread::sleep(wait);
}

/// Tries once. Returns the exit status.
fn get_once(
    options: &GetOptions<'_>,
    client: &Client,
    wallet_file: &WalletFile,
    settings: &Settings,
    url: AnyUrl,
    output: &mut Output<'_>,
) -> Result<u8, ToolError> {
    let unwritable = wallet_file.unwritable();
    let mut wallet = wallet_to_use(wallet_file, unwritable.is_none())?;
    let since = wallet.as_ref().map(|wallet| wallet.state().moment());
    let page = match fetch(options, client, wallet.as_ref(), url) {
        Ok(page) => page,
        Err(error) => return Ok(not_reached(options, &error)),
    };
    let (url, mut answer) = (page.url, page.answer);
    output.heads = page.heads;
    if options.method == "HEAD" && answer.status == 402 {
        return head_of_paid_page(options, &url, answer, output);
    }
    if output.is_complete_by(&answer) {
        if !options.silent {
            tell!("mmwallet: {url}: the file is complete already");
        }
        return Ok(EXIT_OK);
    }
    let mut is_second_try = false;
    loop {
        let Some(Offer { request, challenge }) = payment_request(&mut answer)? else {
            return deliver(output, answer, options);
        };
        let challenge = challenge.as_ref();
        let what = if is_second_try { "no further coins" } else { "no coins" };
        let not_paid = |why: &str| {
            report(exit::NOT_PAID, &format!("{url}: not paid: {why}; {what} were sent"))
        };
        let (Some(wallet), Some(since)) = (wallet.as_mut(), since) else {
            return Ok(not_paid(&no_wallet(&request, wallet_file)));
        };
        if let Some(error) = &unwritable {
            return Ok(not_paid(&format!(
                "its price is {}, and the wallet at {} cannot be written: {error}",
                request.in_words(),
                wallet_file.path().display()
            )));
        }
        let sending = match decide(wallet, client, &request, challenge, &url, since, options)? {
            Reply::Granted(sending) => sending,
            Reply::Refused(why) => return Ok(not_paid(&why)),
        };
        let (request, sending) = (&request, &sending);
        let paying = Paying { options, client, wallet, request, challenge, sending, settings };
        match paying.send(&url, output)? {
            // The repeated payment is refused for good; decide about the new request for payment.
            Next::Again(fresh) if sending.again && !is_second_try => {
                is_second_try = true;
                answer = fresh;
            }
            Next::Again(_) => return Ok(exit::REFUSED),
            Next::Done(status) => return Ok(status),
        }
    }
}

/// The wallet, if there is one.
fn wallet_to_use(file: &WalletFile, is_writable: bool) -> Result<Option<Wallet>, ToolError> {
    match (file.exists(), is_writable) {
        (false, _) => Ok(None),
        (true, true) => file.open().map(Some),
        // A page that costs nothing, or that a receipt opens, needs no more.
        (true, false) => file.look().map(Some),
    }
}

fn no_wallet(request: &RequestPayment, file: &WalletFile) -> String {
    format!(
        "its price is {}, and there is no wallet at {}; `mmwallet receive` creates one and adds \
         the coins that you bought",
        request.in_words(),
        file.path().display()
    )
}

/// Shows the head of a page that must be paid for.
fn head_of_paid_page(
    options: &GetOptions<'_>,
    url: &AnyUrl,
    mut answer: Response,
    output: &mut Output<'_>,
) -> Result<u8, ToolError> {
    let offer = payment_request(&mut answer).ok().flatten();
    let price = offer.map_or("unknown".to_string(), |Offer { request, .. }| request.in_words());
    if let Err(Broken::Output(error)) = output.write(answer, options.include_head) {
        return Err(format!("cannot write the content: {error}").into());
    }
    let why = format!("its price is {price}; a HEAD request is never charged");
    Ok(report(exit::NOT_PAID, &format!("{url}: not paid: {why}")))
}

/// Requests a page without paying and prints its price.
///
/// # Errors
/// The URL is wrong, or the server's request for payment is malformed.
pub fn price(options: &GetOptions<'_>, client: &Client, json: bool) -> Result<u8, ToolError> {
    let page = match fetch(options, client, None, parse_url(options.url)?) {
        Ok(page) => page,
        Err(error) => return Ok(not_reached(options, &error)),
    };
    let mut answer = page.answer;
    match payment_request(&mut answer)? {
        Some(offer) => show::price(&offer.request, json)?,
        None if answer.status < 400 => show::free(page.url.as_str(), json)?,
        None => {
            return Ok(report(exit::HTTP, &format!("{}: HTTP status {}", page.url, answer.status)));
        }
    }
    Ok(EXIT_OK)
}

fn not_reached(options: &GetOptions<'_>, error: &ToolError) -> u8 {
    report(exit::NETWORK, &format!("{}: {}", options.url, chain(error.as_ref())))
}

fn report(status: u8, text: &str) -> u8 {
    tell!("mmwallet: {text}");
    status
}

/// Writes a response that needs no payment.
fn deliver(
    output: &mut Output<'_>,
    answer: Response,
    options: &GetOptions<'_>,
) -> Result<u8, ToolError> {
    let status = answer.status;
    let failed = |text: &str| Ok(report(exit::HTTP, &format!("{}: {text}", options.url)));
    if options.manners.fail && status >= 400 {
        return failed(&format!("HTTP status {status}"));
    }
    let leads = answer.location().filter(|_| (300..400).contains(&status));
    match output.write(answer, options.include_head) {
        Ok(()) if status < 300 => Ok(EXIT_OK),
        Ok(()) => failed(&match leads {
            Some(to) if !options.manners.follow => {
                format!("HTTP status {status}, a redirect to {to:?}; -L follows it")
            }
            _ => format!("HTTP status {status}"),
        }),
        Err(Broken::Input(error)) => Ok(report(
            exit::NETWORK,
            &format!("{}: the response is incomplete: {error}", options.url),
        )),
        Err(Broken::Output(error)) => Err(format!("cannot write the content: {error}").into()),
    }
}
