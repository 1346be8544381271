//! `mmwallet get` and `mmwallet price`: fetch a page as curl does, and pay for it.
//!
//! The wallet file relies on this order: (1) send the unpaid request and follow its redirects; (2)
//! decide, which records the coins on disk as sent before this module gets them; (3) send the
//! payment, which never follows a redirect; (4) receive the whole content; (5) record that the
//! payment succeeded. If the program stops at any point, the next run of the same command sends the
//! same coins.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use url::Url as AnyUrl;

use micromint::authenticator::Authenticator;
use micromint::error::{FileError, chain};
use micromint::host::{Clock, SystemClock};
use micromint::protocol::{
    InvalidPayment, MEDIA_TYPE, PAYMENT_HEADER, PROBLEM_MEDIA_TYPE, Payment, REQUEST_HEADER,
    RequestPayment, STATUS_HEADER, Url,
};
use micromint::reply::Reply;
use micromint::scheme::{
    AUTHORIZATION_HEADER, CHALLENGE_HEADER, CREDENTIAL_HEADER, Challenge, Credential,
    PaymentReceipt, RECEIPT_HEADER, reference,
};
use micromint::time::UnixTime;
use micromint::wallet::{
    Choice, Fetch, PROBLEM_SIZE_MAX, PaymentDecision, PaymentOutcome, Policy, Problem, Sending,
    Wallet, has_ended, outcome_of, payment_for_header, receipt_in, request_in_challenge,
    request_in_header,
};
use micromint_console::{EXIT_OK, ToolError};

use crate::exit;
use crate::net::{Client, Response};
use crate::settings::Settings;
use crate::show;
use crate::wallet_file::WalletFile;

/// The largest Request-Payment or Invalid-Payment that is read from a body, in bytes.
const MESSAGE_SIZE_MAX: usize = 64 * 1024;
/// The most coins of a payment in a header: 60 coins of 8 balls make 7 KB, and servers accept 8 KB.
pub const HEADER_COINS_MAX: u32 = 60;
/// The same for a credential of the scheme "Payment", which encodes the message in base64url twice.
pub const CREDENTIAL_COINS_MAX: u32 = 40;
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

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
    /// What the owner allows.
    pub policy: Policy,
}

/// What a 402 response asks for.
struct Offer {
    request: RequestPayment,
    /// The challenge to answer, if the vendor supports only the scheme "Payment".
    challenge: Option<Challenge>,
}

/// The response to the unpaid request, and its URL after redirects.
struct Page {
    url: AnyUrl,
    answer: Response,
}

/// Fetches a page, pays for it if it costs coins and the policy allows it, and writes the content.
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
    let mut wallet = if wallet_file.exists() { Some(wallet_file.open()?) } else { None };
    let mut output = Output::open(options.output)?;
    let page = match fetch(options, client, wallet.as_ref(), url) {
        Ok(page) => page,
        Err(error) => {
            return Ok(report(
                exit::NETWORK,
                &format!("{}: {}", options.url, chain(error.as_ref())),
            ));
        }
    };
    let (url, mut answer) = (page.url, page.answer);
    let mut is_second_try = false;
    loop {
        let Some(Offer { request, challenge }) = payment_request(&mut answer)? else {
            return deliver(&mut output, answer, options);
        };
        let decision = match wallet.as_mut() {
            Some(wallet) => decide(wallet, &request, challenge.as_ref(), &url, options)?,
            None => Reply::Refused(format!(
                "its price is {}, and there is no wallet at {}; \
                `mmwallet receive` creates one and adds the coins that you bought",
                show::coins(request.price, request.coin_value),
                wallet_file.path().display()
            )),
        };
        let sending = match decision {
            Reply::Granted(sending) => sending,
            Reply::Refused(why) => {
                return Ok(report(exit::NOT_PAID, &format!("{url}: not paid: {why}")));
            }
        };
        let Some(wallet) = wallet.as_mut() else { return Ok(exit::NOT_PAID) };
        let challenge = challenge.as_ref();
        let paid = Paying {
            options,
            client,
            wallet,
            request: &request,
            challenge,
            sending: &sending,
            settings,
        };
        match paid.send(&url, &mut output)? {
            // The repeated payment is refused for good; decide about the new request for payment.
            Next::Again(fresh) if sending.again && !is_second_try => {
                is_second_try = true;
                answer = fresh;
            }
            Next::Again(_) => {
                return Ok(exit::REFUSED);
            }
            Next::Done(status) => return Ok(status),
        }
    }
}

/// Requests a page without paying and prints its price.
///
/// # Errors
/// The URL is wrong, or the server's request for payment is malformed.
pub fn price(options: &GetOptions<'_>, client: &Client, json: bool) -> Result<u8, ToolError> {
    let page = match fetch(options, client, None, parse_url(options.url)?) {
        Ok(page) => page,
        Err(error) => {
            return Ok(report(
                exit::NETWORK,
                &format!("{}: {}", options.url, chain(error.as_ref())),
            ));
        }
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

/// Parses a URL as a browser does: the host in lower-case A-labels, without the scheme's default
/// port and without the fragment.
fn parse_url(text: &str) -> Result<AnyUrl, ToolError> {
    let mut url = AnyUrl::parse(text).map_err(|error| format!("URL {text:?}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("URL {text:?}: expected http or https").into());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "URL {:?}: give a name and password with -H, not in the URL",
            url.host_str()
        )
        .into());
    }
    url.set_fragment(None);
    Ok(url)
}

/// Sends the unpaid request and follows its redirects.
fn fetch(
    options: &GetOptions<'_>,
    client: &Client,
    wallet: Option<&Wallet>,
    mut url: AnyUrl,
) -> Result<Page, ToolError> {
    let origin = url.origin();
    for _ in 0..=options.redirects_max {
        let mut headers = options.headers.to_vec();
        if url.origin() != origin {
            // Do not send secrets to another site than the one they were given for.
            headers.retain(|(name, _)| !is_secret(name));
        }
        headers.extend(receipt_header(wallet, &url));
        let answer = client.send(options.method, url.as_str(), &headers, options.body)?;
        let is_plain = matches!(options.method, "GET" | "HEAD");
        let target =
            answer.header("location").filter(|_| is_plain && REDIRECTS.contains(&answer.status));
        let Some(target) = target else { return Ok(Page { url, answer }) };
        url = url.join(target).map_err(|error| format!("redirect to {target:?}: {error}"))?;
        url = parse_url(url.as_str())?;
    }
    Err(format!("more than {} redirects", options.redirects_max).into())
}

fn is_secret(name: &str) -> bool {
    ["authorization", "cookie", "proxy-authorization"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// The receipt that the wallet holds for exactly this URL.
fn receipt_header(wallet: Option<&Wallet>, url: &AnyUrl) -> Option<(String, String)> {
    let url: Url = url.as_str().parse().ok()?;
    let receipt = wallet?.state().receipt(&url, SystemClock.now())?;
    Some(("Cookie".to_string(), receipt.to_string()))
}

/// The request for payment of a 402: from its header, or its body, or a challenge of the scheme
/// "Payment". `None` for any other response.
fn payment_request(answer: &mut Response) -> Result<Option<Offer>, ToolError> {
    if answer.status != 402 {
        return Ok(None);
    }
    let plain = |request| Ok(Some(Offer { request, challenge: None }));
    if let Some(value) = answer.headers.get(REQUEST_HEADER) {
        return plain(request_in_header(value.as_bytes())?);
    }
    if answer.is_of_type(MEDIA_TYPE) {
        return plain(RequestPayment::parse(&answer.read(MESSAGE_SIZE_MAX)?)?);
    }
    let values =
        answer.headers.get_all(CHALLENGE_HEADER).iter().filter_map(|value| value.to_str().ok());
    let found = request_in_challenge(values);
    Ok(found.map(|(challenge, request)| Offer { request, challenge: Some(challenge) }))
}

/// The payment to send, or why there is none.
fn decide(
    wallet: &mut Wallet,
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
        let price = show::coins(request.price, request.coin_value);
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
        None if pays_in_header(options) => HEADER_COINS_MAX,
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
    let now = SystemClock.now();
    match wallet.pay(request, &fetch, &options.policy, now)? {
        PaymentDecision::Send(sending) => Ok(Reply::Granted(sending)),
        PaymentDecision::Refuse(unpayable) => Ok(Reply::Refused(unpayable.to_string())),
        PaymentDecision::Ask(choice) => {
            if let Reply::Refused(why) = ask(request, &choice, options.policy.autopay)? {
                return Ok(Reply::Refused(why));
            }
            let policy = options.policy.with_autopay(request.price);
            match wallet.pay(request, &fetch, &policy, SystemClock.now())? {
                PaymentDecision::Send(sending) => Ok(Reply::Granted(sending)),
                PaymentDecision::Refuse(unpayable) => Ok(Reply::Refused(unpayable.to_string())),
                PaymentDecision::Ask(_) => Ok(Reply::Refused("the price changed".to_string())),
            }
        }
    }
}

/// Asks the user on the terminal. Without a terminal the answer is no.
fn ask(
    request: &RequestPayment,
    choice: &Choice,
    autopay: u32,
) -> Result<Reply<(), String>, ToolError> {
    let price = show::coins(request.price, request.coin_value);
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

/// Whether the payment travels in a header: a POST of the payment can only replace a plain GET.
fn pays_in_header(options: &GetOptions<'_>) -> bool {
    let is_partial = |name: &str| {
        let name = name.to_ascii_lowercase();
        name == "range" || name.starts_with("if-")
    };
    options.pay_in_header
        || options.method != "GET"
        || !options.body.is_empty()
        || options.headers.iter().any(|(name, _)| is_partial(name))
}

/// A payment that is recorded on disk and about to be sent.
struct Paying<'a> {
    options: &'a GetOptions<'a>,
    client: &'a Client,
    wallet: &'a mut Wallet,
    request: &'a RequestPayment,
    challenge: Option<&'a Challenge>,
    sending: &'a Sending,
    settings: &'a Settings,
}

/// What to do after a payment.
enum Next {
    /// The payment was refused, and this response contains a new request for payment.
    Again(Response),
    /// Exit with this status.
    Done(u8),
}

impl Paying<'_> {
    fn send(mut self, url: &AnyUrl, output: &mut Output) -> Result<Next, ToolError> {
        let mut answer = match self.request_paid(url) {
            Ok(answer) => answer,
            Err(error) => return Ok(self.no_answer(&error)),
        };
        let (outcome, words) = self.outcome(&mut answer);
        match &outcome {
            PaymentOutcome::Paid => self.content(answer, output),
            PaymentOutcome::NotKept(word) if (200..300).contains(&answer.status) => {
                self.settle(&outcome)?;
                self.say(&format!("{url}: not charged ({word})"));
                deliver(output, answer, self.options).map(Next::Done)
            }
            PaymentOutcome::Refused(reason) => {
                self.settle(&outcome)?;
                let words = if words.is_empty() { words } else { format!(" ({words})") };
                report(
                    exit::REFUSED,
                    &format!("{url}: {} refused the payment: {reason}{words}", self.request.vendor),
                );
                if outcome.leaves_coins_usable() {
                    return Ok(Next::Again(answer));
                }
                // The vendor says that the coins are bad or spent. The user decides whether to pay
                // with other coins.
                Ok(Next::Done(exit::REFUSED))
            }
            PaymentOutcome::NotKept(_) | PaymentOutcome::Unknown => {
                self.settle(&outcome)?;
                let status = answer.status;
                report(
                    exit::HTTP,
                    &format!(
                        "{url}: the payment was answered with HTTP status {status}; \
                        the outcome is {outcome}, and the coins can be spent only at {}",
                        self.request.vendor
                    ),
                );
                deliver(output, answer, self.options)?;
                Ok(Next::Done(exit::HTTP))
            }
        }
    }

    /// Sends the payment: as in the thesis, a POST of the message to the URL of the page; or the
    /// same request again with the message in a header.
    fn request_paid(&self, url: &AnyUrl) -> Result<Response, ureq::Error> {
        let mut headers = self.options.headers.to_vec();
        let message = &self.sending.message;
        if let Some(challenge) = self.challenge {
            headers.push(credential(challenge, message, self.options));
            headers.extend(self.idempotency());
            return self.client.send(
                self.options.method,
                url.as_str(),
                &headers,
                self.options.body,
            );
        }
        if !pays_in_header(self.options) {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            headers.push(("Content-Type".to_string(), MEDIA_TYPE.to_string()));
            return self.client.send("POST", url.as_str(), &headers, message);
        }
        headers.push((PAYMENT_HEADER.to_string(), payment_for_header(message)));
        headers.extend(self.idempotency());
        self.client.send(self.options.method, url.as_str(), &headers, self.options.body)
    }

    /// The Idempotency-Key, with which a request other than GET can be repeated.
    fn idempotency(&self) -> Option<(String, String)> {
        let key = idempotency_key(&self.sending.message).filter(|_| self.options.method != "GET");
        key.map(|key| ("Idempotency-Key".to_string(), key))
    }

    /// The outcome of the payment, and the vendor's explanation if it sent one.
    fn outcome(&self, answer: &mut Response) -> (PaymentOutcome, String) {
        let word = answer.header(STATUS_HEADER).map(str::to_string);
        let (mut reason, mut words) = (None, String::new());
        if answer.status == 402 && answer.is_of_type(MEDIA_TYPE) {
            let message = answer.read(MESSAGE_SIZE_MAX).ok();
            reason = message
                .and_then(|text| InvalidPayment::parse(&text).ok())
                .map(|message| message.reason);
        } else if answer.status == 402 && answer.is_of_type(PROBLEM_MEDIA_TYPE) {
            let body = answer.read(PROBLEM_SIZE_MAX).ok();
            if let Some(problem) = body.and_then(|body| Problem::parse(&body)) {
                // The vendor's reason in the header is more precise than the draft's problem type.
                (reason, words) = (problem.reason.filter(|_| word.is_none()), problem.words);
            }
        }
        (outcome_of(answer.status, word.as_deref(), reason.as_deref()), words)
    }

    /// Writes the content of a paid page and records the payment.
    fn content(&mut self, answer: Response, output: &mut Output) -> Result<Next, ToolError> {
        let now = SystemClock.now();
        let cookies = answer.headers.get_all("set-cookie").iter();
        let mut receipts = cookies.filter_map(|value| receipt_in(value.to_str().ok()?, now));
        if let Some((cookie, expires)) = receipts.next() {
            self.wallet.keep_receipt(self.sending.payment, cookie, expires)?;
        }
        let said = self.said(&answer);
        match output.write(answer, self.options.include_head) {
            Ok(()) => {}
            Err(Broken::Input(error)) => return Ok(self.no_answer(&error)),
            Err(Broken::Output(error)) => {
                // The page is paid for, but its content could not be written. The next try sends
                // the same coins and is not charged.
                report(
                    exit::NO_ANSWER,
                    &format!(
                        "cannot write the content: {error}; the page is paid for: run the \
                        same command again to get it with the same coins"
                    ),
                );
                return Ok(Next::Done(exit::NO_ANSWER));
            }
        }
        self.settle(&PaymentOutcome::Paid)?;
        self.say_paid(now, &said);
        Ok(Next::Done(EXIT_OK))
    }

    /// What a successful response says about the payment, as text for the user.
    fn said(&self, answer: &Response) -> String {
        let receipt = answer.header(RECEIPT_HEADER).map(PaymentReceipt::parse);
        let ours = Payment::parse(&self.sending.message).map(|payment| reference(&payment));
        match (receipt, ours) {
            (Some(Ok(receipt)), Ok(ours)) if receipt.reference == ours => {
                format!("; reference {ours}")
            }
            (Some(_), _) => "; the server's Payment-Receipt is not for this payment".to_string(),
            (None, _) if answer.header(STATUS_HEADER).is_none() => {
                "; the server says nothing about the payment (no MicroMint-Status, no \
                Payment-Receipt), so the coins count as spent"
                    .to_string()
            }
            (None, _) => String::new(),
        }
    }

    fn no_answer(&self, error: &(dyn std::error::Error + 'static)) -> Next {
        Next::Done(report(
            exit::NO_ANSWER,
            &format!(
                "{}: the coins were sent, and no complete answer came: {}; run the same command \
                again: it sends the same coins, and the vendor does not charge twice",
                self.request.url,
                chain(error)
            ),
        ))
    }

    fn settle(&mut self, outcome: &PaymentOutcome) -> Result<(), ToolError> {
        Ok(self.wallet.settle(self.sending.payment, outcome.clone(), SystemClock.now())?)
    }

    fn say_paid(&self, now: UnixTime, said: &str) {
        let state = self.wallet.state();
        let holding = state.payments()[self.sending.payment as usize].holding;
        let again =
            if self.sending.again { " (with the coins of the earlier attempt)" } else { "" };
        self.say(&format!(
            "paid {} to {}{again}; {} left{said}",
            show::coins(self.request.price, self.request.coin_value),
            self.request.vendor,
            state.balance(holding).unspent
        ));
        if !self.options.silent {
            show::warn_of_expiry(state, now, self.settings.warn_seconds());
        }
    }

    fn say(&self, text: &str) {
        if !self.options.silent {
            eprintln!("mmwallet: {text}");
        }
    }
}

/// The header with the credential that answers a challenge. It is the header that the challenge
/// names, and never replaces an Authorization header that the user gave.
fn credential(challenge: &Challenge, message: &[u8], options: &GetOptions<'_>) -> (String, String) {
    let is_taken =
        options.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let name = if challenge.header.is_some() || is_taken {
        CREDENTIAL_HEADER
    } else {
        AUTHORIZATION_HEADER
    };
    (name.to_string(), Credential::new(challenge.clone(), message).to_header())
}

/// The Idempotency-Key of the request that a payment pays for; the same for every attempt.
fn idempotency_key(message: &[u8]) -> Option<String> {
    Payment::parse(message).ok().map(|payment| Authenticator::to_string(&payment.authenticator))
}

fn report(status: u8, text: &str) -> u8 {
    eprintln!("mmwallet: {text}");
    status
}

/// Writes a response that needs no payment.
fn deliver(
    output: &mut Output,
    answer: Response,
    options: &GetOptions<'_>,
) -> Result<u8, ToolError> {
    let status = answer.status;
    match output.write(answer, options.include_head) {
        Ok(()) if status < 300 => Ok(EXIT_OK),
        Ok(()) => Ok(report(exit::HTTP, &format!("{}: HTTP status {status}", options.url))),
        Err(Broken::Input(error)) => Ok(report(
            exit::NETWORK,
            &format!("{}: the response is incomplete: {error}", options.url),
        )),
        Err(Broken::Output(error)) => Err(format!("cannot write the content: {error}").into()),
    }
}

/// Where the content goes. A file is opened before the payment, so that a file that cannot be
/// written costs nothing. It is truncated only when there is content.
struct Output {
    file: Option<(File, PathBuf)>,
    is_new: bool,
    is_written: bool,
}

/// Which side of a copy failed.
enum Broken {
    Input(io::Error),
    Output(io::Error),
}

impl Output {
    fn open(path: Option<&Path>) -> Result<Output, ToolError> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Output { file: None, is_new: false, is_written: false });
        };
        let is_new = !path.exists();
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(FileError::on("write", path))?;
        Ok(Output { file: Some((file, path.to_path_buf())), is_new, is_written: false })
    }

    fn write(&mut self, mut answer: Response, include_head: bool) -> Result<(), Broken> {
        self.is_written = true;
        let head = if include_head { answer.head.as_bytes() } else { b"" };
        let mut reader = answer.body.as_reader();
        match &mut self.file {
            Some((file, _)) => {
                file.set_len(0).map_err(Broken::Output)?;
                copy(&mut reader, head, file)
            }
            None => copy(&mut reader, head, &mut io::stdout().lock()),
        }
    }
}

impl Drop for Output {
    /// Removes a file that was created for content that never came.
    fn drop(&mut self) {
        if let (Some((_, path)), true, false) = (&self.file, self.is_new, self.is_written) {
            // An empty file that remains does no harm.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn copy(reader: &mut impl Read, head: &[u8], writer: &mut impl Write) -> Result<(), Broken> {
    writer.write_all(head).map_err(Broken::Output)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return writer.flush().map_err(Broken::Output),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Broken::Input(error)),
        };
        writer.write_all(&buffer[..read]).map_err(Broken::Output)?;
    }
}
