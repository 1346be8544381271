//! `mmwallet get` and `mmwallet price`: fetching a page as curl does, and paying for it.
//!
//! The order of things, which the wallet file relies on: the unpaid request, redirects and all; the
//! decision, whose coins are on disk as gone before this module sees them; the payment, which follows no
//! redirect; the whole content; and only then the record that it was paid. Cut off anywhere, the next
//! run of the same command sends the same coins.

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
    Choice, Decision, Fetch, PROBLEM_SIZE_MAX, PaymentOutcome, Policy, Problem, Sending, Wallet,
    has_ended, outcome_of, payment_for_header, receipt_in, request_in_challenge, request_in_header,
};
use micromint_console::{EXIT_OK, ToolError};

use crate::exit;
use crate::net::{Answer, Client};
use crate::place::Place;
use crate::settings::Settings;
use crate::show;

/// The largest Request-Payment or Invalid-Payment that is read from a body, in bytes.
const MESSAGE_SIZE_MAX: usize = 64 * 1024;
/// The most coins of a payment that travels in a header field: 60 coins of 8 balls are 7 KB there, and
/// servers take 8 KB.
pub const HEADER_COINS_MAX: u32 = 60;
/// The same for a credential of the scheme "Payment", where the message stands in base64url twice.
pub const CREDENTIAL_COINS_MAX: u32 = 40;
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// What to fetch and how to show it.
#[derive(Clone, Debug)]
pub struct GetOptions<'a> {
    /// The URL as the user wrote it.
    pub url: &'a str,
    /// The method.
    pub method: &'a str,
    /// Header fields to add.
    pub headers: &'a [(String, String)],
    /// The body to send.
    pub body: &'a [u8],
    /// Where the content goes; `None` is standard output.
    pub output: Option<&'a Path>,
    /// Show the head of the answer before the content.
    pub include_head: bool,
    /// Say nothing about payments on standard error; errors are said all the same.
    pub silent: bool,
    /// The most redirects of the unpaid request that are followed.
    pub redirects_max: u32,
    /// Send the payment in a header field even for a GET.
    pub pay_in_header: bool,
    /// What the owner allows.
    pub policy: Policy,
}

/// What a 402 asks for.
struct Offer {
    request: RequestPayment,
    /// The challenge that is to be answered, where the vendor speaks the scheme "Payment" alone.
    challenge: Option<Challenge>,
}

/// The page asked for, as far as it came.
struct Page {
    url: AnyUrl,
    answer: Answer,
}

/// Fetches a page, pays for it if it must and may be paid for, and delivers the content.
///
/// # Errors
/// What is no answer of the server and no decision about paying.
pub fn get(
    options: &GetOptions<'_>,
    client: &Client,
    place: &Place,
    settings: &Settings,
) -> Result<u8, ToolError> {
    let url = parse_url(options.url)?;
    let mut wallet = if place.exists() { Some(place.open()?) } else { None };
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
                "its price is {}, and there is no wallet at {}",
                show::coins(request.price, request.coin_value),
                place.path().display()
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
            // What was tried again is refused for good, and the fresh request may be decided on anew.
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

/// Asks for the price of a page without paying: prints it.
///
/// # Errors
/// What is no answer of the server.
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

/// Reads a URL as a browser does: the host in lower-case A-labels, the scheme's own port and the
/// fragment left out.
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
            // Secrets given for one site are not for another.
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

/// The receipt that the wallet holds for this very URL.
fn receipt_header(wallet: Option<&Wallet>, url: &AnyUrl) -> Option<(String, String)> {
    let url: Url = url.as_str().parse().ok()?;
    let receipt = wallet?.state().receipt(&url, SystemClock.now())?;
    Some(("Cookie".to_string(), receipt.to_string()))
}

/// What a 402 asks for, from its header field, else its body, else a challenge of the scheme "Payment". `None`:
/// this is another answer.
fn payment_request(answer: &mut Answer) -> Result<Option<Offer>, ToolError> {
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
                "the server's challenge has expired; is this machine's clock right?".to_string(),
            ));
        }
        Some(_) => CREDENTIAL_COINS_MAX,
        None if pays_in_header(options) => HEADER_COINS_MAX,
        None => u32::MAX,
    };
    if request.price > coins_max {
        return Ok(Reply::Refused(format!(
            "{} coins do not fit a header field, {coins_max} are allowed",
            request.price
        )));
    }
    let fetch = Fetch::new(&url).with_method(options.method).with_body(options.body);
    let now = SystemClock.now();
    match wallet.pay(request, &fetch, &options.policy, now)? {
        Decision::Send(sending) => Ok(Reply::Granted(sending)),
        Decision::Refuse(unpayable) => Ok(Reply::Refused(unpayable.to_string())),
        Decision::Ask(choice) => {
            if let Reply::Refused(why) = ask(request, &choice, options.policy.autopay)? {
                return Ok(Reply::Refused(why));
            }
            let policy = options.policy.with_autopay(request.price);
            match wallet.pay(request, &fetch, &policy, SystemClock.now())? {
                Decision::Send(sending) => Ok(Reply::Granted(sending)),
                Decision::Refuse(unpayable) => Ok(Reply::Refused(unpayable.to_string())),
                Decision::Ask(_) => Ok(Reply::Refused("the price changed".to_string())),
            }
        }
    }
}

/// Asks on the terminal; without one the answer is no.
fn ask(
    request: &RequestPayment,
    choice: &Choice,
    autopay: u32,
) -> Result<Reply<(), String>, ToolError> {
    let price = show::coins(request.price, request.coin_value);
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(Reply::Refused(format!(
            "its price is {price}, above the autopay threshold of {autopay}, and there is no terminal to ask on (--autopay {} allows it)",
            request.price
        )));
    }
    let mut terminal = io::stderr();
    if !request.description.is_empty() {
        writeln!(terminal, "{}", request.description)?;
    }
    write!(
        terminal,
        "{}\nPay {price} to {}? The wallet has {} for it. [y/N] ",
        request.url, request.vendor, choice.spendable
    )?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
        Ok(Reply::Granted(()))
    } else {
        Ok(Reply::Refused("the answer was no".into()))
    }
}

/// Whether the payment travels in a header field: what a POST of it could not stand for.
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

/// A payment that is on disk and about to leave.
struct Paying<'a> {
    options: &'a GetOptions<'a>,
    client: &'a Client,
    wallet: &'a mut Wallet,
    request: &'a RequestPayment,
    challenge: Option<&'a Challenge>,
    sending: &'a Sending,
    settings: &'a Settings,
}

/// How it goes on after a payment.
enum Next {
    /// The payment was refused, and this answer holds a fresh request.
    Again(Answer),
    /// That is all.
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
                // The vendor holds the coins for bad or spent. Paying anew is for the owner to decide.
                Ok(Next::Done(exit::REFUSED))
            }
            PaymentOutcome::NotKept(_) | PaymentOutcome::Unknown => {
                self.settle(&outcome)?;
                let status = answer.status;
                report(
                    exit::HTTP,
                    &format!("{url}: HTTP status {status} to the payment, which is {outcome}"),
                );
                deliver(output, answer, self.options)?;
                Ok(Next::Done(exit::HTTP))
            }
        }
    }

    /// The thesis's way, a POST of the message to the page's own URL; or the same request again with the
    /// message in a header field.
    fn request_paid(&self, url: &AnyUrl) -> Result<Answer, ureq::Error> {
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

    /// The key by which a request that is no GET may be repeated.
    fn idempotency(&self) -> Option<(String, String)> {
        let key = idempotency_key(&self.sending.message).filter(|_| self.options.method != "GET");
        key.map(|key| ("Idempotency-Key".to_string(), key))
    }

    /// What became of the payment, and what the vendor says of it beyond the word.
    fn outcome(&self, answer: &mut Answer) -> (PaymentOutcome, String) {
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
                // The vendor's own word is in the header field; the draft's name of a type says less.
                (reason, words) = (problem.reason.filter(|_| word.is_none()), problem.words);
            }
        }
        (outcome_of(answer.status, word.as_deref(), reason.as_deref()), words)
    }

    /// The content came, or begins to.
    fn content(&mut self, answer: Answer, output: &mut Output) -> Result<Next, ToolError> {
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
                // The content came and could not be put anywhere: it is paid for, but asking again sends
                // the same coins and is not charged.
                report(
                    exit::NO_ANSWER,
                    &format!(
                        "cannot write the content: {error}; run the same command again: it sends the same coins"
                    ),
                );
                return Ok(Next::Done(exit::NO_ANSWER));
            }
        }
        self.settle(&PaymentOutcome::Paid)?;
        self.say_paid(now, &said);
        Ok(Next::Done(EXIT_OK))
    }

    /// What a success says of the payment, in words.
    fn said(&self, answer: &Answer) -> String {
        let receipt = answer.header(RECEIPT_HEADER).map(PaymentReceipt::parse);
        let ours = Payment::parse(&self.sending.message).map(|payment| reference(&payment));
        match (receipt, ours) {
            (Some(Ok(receipt)), Ok(ours)) if receipt.reference == ours => format!("; reference {ours}"),
            (Some(_), _) => "; the server's Payment-Receipt is not for this payment".to_string(),
            (None, _) if answer.header(STATUS_HEADER).is_none() => {
                "; the server says nothing of the payment (no MicroMint-Status, no Payment-Receipt), so it counts as paid"
                    .to_string()
            }
            (None, _) => String::new(),
        }
    }

    fn no_answer(&self, error: &(dyn std::error::Error + 'static)) -> Next {
        Next::Done(report(
            exit::NO_ANSWER,
            &format!(
                "{}: the coins left, and no whole answer came: {}; run the same command again: it sends the same coins",
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
        let again = if self.sending.again { " (with the coins of the earlier try)" } else { "" };
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

/// The header field with the credential that answers a challenge: where it asks for it, and never in place of
/// an Authorization that the user gave.
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

/// A payment's own name for the request that it pays for: the same for every try.
fn idempotency_key(message: &[u8]) -> Option<String> {
    Payment::parse(message).ok().map(|payment| Authenticator::to_string(&payment.authenticator))
}

fn report(status: u8, text: &str) -> u8 {
    eprintln!("mmwallet: {text}");
    status
}

/// Hands an answer on that has nothing to do with a payment, or no more.
fn deliver(output: &mut Output, answer: Answer, options: &GetOptions<'_>) -> Result<u8, ToolError> {
    let status = answer.status;
    match output.write(answer, options.include_head) {
        Ok(()) if status < 300 => Ok(EXIT_OK),
        Ok(()) => Ok(report(exit::HTTP, &format!("{}: HTTP status {status}", options.url))),
        Err(Broken::Input(error)) => {
            Ok(report(exit::NETWORK, &format!("{}: the answer broke off: {error}", options.url)))
        }
        Err(Broken::Output(error)) => Err(format!("cannot write the content: {error}").into()),
    }
}

/// Where the content goes. A file is opened before anything is paid for, so that an unwritable one costs
/// nothing, and is emptied only when there is content.
struct Output {
    file: Option<(File, PathBuf)>,
    is_new: bool,
    is_written: bool,
}

/// Which side of a copy broke.
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

    fn write(&mut self, mut answer: Answer, include_head: bool) -> Result<(), Broken> {
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
    /// A file that was made for content that never came goes again.
    fn drop(&mut self) {
        if let (Some((_, path)), true, false) = (&self.file, self.is_new, self.is_written) {
            // An empty file left behind does no harm.
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
