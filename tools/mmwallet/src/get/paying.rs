//! A payment on its way: sends it, passes the content on, records the outcome.
//!
//! Input: a payment whose coins the wallet has recorded as sent. Output: the exit status, or a new
//! request for payment. The invariant: a payment follows no redirect, and its outcome is recorded
//! once the whole content was passed on.

use std::time::Duration;

use url::Url as AnyUrl;

use micromint::authenticator::Authenticator;
use micromint::error::chain;
use micromint::host::{Clock, SystemClock};
use micromint::money::coins_worth;
use micromint::protocol::{
    InvalidPayment, MEDIA_TYPE, PAYMENT_HEADER, PROBLEM_MEDIA_TYPE, Payment, Refusal,
    RequestPayment, STATUS_HEADER,
};
use micromint::scheme::{
    AUTHORIZATION_HEADER, CREDENTIAL_HEADER, Challenge, Credential, PaymentReceipt, RECEIPT_HEADER,
    reference,
};
use micromint::time::UnixTime;
use micromint::wallet::{
    PROBLEM_SIZE_MAX, PaymentOutcome, Problem, Sending, Wallet, outcome_of, payment_for_header,
    receipt_in,
};
use micromint_console::{EXIT_OK, ToolError};

use super::decide::pays_in_header;
use super::output::{Broken, Output};
use super::resend::{Attempt, until_known};
use super::unpaid::headers_for;
use super::{GetOptions, MESSAGE_SIZE_MAX, deliver, report};
use crate::exit;
use crate::net::{Client, Response};
use crate::settings::Settings;
use crate::show;

/// A payment that is recorded on disk and about to be sent.
pub(super) struct Paying<'a> {
    pub(super) options: &'a GetOptions<'a>,
    pub(super) client: &'a Client,
    pub(super) wallet: &'a mut Wallet,
    pub(super) request: &'a RequestPayment,
    pub(super) challenge: Option<&'a Challenge>,
    pub(super) sending: &'a Sending,
    pub(super) settings: &'a Settings,
}

/// What to do after a payment.
pub(super) enum Next {
    /// The payment was refused, and this response contains a new request for payment.
    Again(Response),
    /// Exit with this status.
    Done(u8),
}

impl Paying<'_> {
    pub(super) fn send(mut self, url: &AnyUrl, output: &mut Output) -> Result<Next, ToolError> {
        let attempt = match self.options.waits {
            true => until_known(|| self.attempt(url), self.waiting(), || SystemClock.now()),
            false => self.attempt(url),
        };
        let Attempt { answer, outcome, words, .. } = match attempt {
            Ok(attempt) => attempt,
            Err(error) => return Ok(self.no_answer(&error)),
        };
        match &outcome {
            PaymentOutcome::Paid => self.content(answer, output),
            PaymentOutcome::NotKept(word) if (200..300).contains(&answer.status) => {
                self.record_outcome(&outcome)?;
                self.say(&format!("{url}: not charged ({word})"));
                deliver(output, answer, self.options).map(Next::Done)
            }
            PaymentOutcome::Refused(reason) => {
                self.record_outcome(&outcome)?;
                let words = if words.is_empty() { words } else { format!(" ({words})") };
                report(
                    exit::REFUSED,
                    &format!("{url}: {} refused the payment: {reason}{words}", self.request.vendor),
                );
                if is_not_yet_known(reason) {
                    self.say("run the same command later: it sends the same coins");
                    return Ok(Next::Done(exit::REFUSED));
                }
                if outcome.leaves_coins_usable() {
                    return Ok(Next::Again(answer));
                }
                // The vendor says that the coins are bad or spent. The user decides whether to pay
                // with other coins.
                Ok(Next::Done(exit::REFUSED))
            }
            PaymentOutcome::NotKept(_) | PaymentOutcome::Unknown => {
                self.record_outcome(&outcome)?;
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
        let mut headers = headers_for(self.options, url);
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

    /// Sends the payment once.
    fn attempt(&self, url: &AnyUrl) -> Result<Attempt<Response>, ureq::Error> {
        let mut answer = self.request_paid(url)?;
        let (outcome, words) = self.outcome(&mut answer);
        let retry_after = answer.header("retry-after").map(str::to_string);
        Ok(Attempt { answer, outcome, words, retry_after })
    }

    /// Waits before the payment is sent again. Says so the first time.
    fn waiting(&self) -> impl FnMut(u32) {
        let mut is_said = false;
        move |seconds| {
            if !is_said {
                self.say(&format!(
                    "{} does not know these coins yet and is asking the broker; sending the same \
                    payment again every {seconds} s, for at most two minutes (Ctrl-C stops; the \
                    same command then goes on with the same coins)",
                    self.request.vendor
                ));
            }
            is_said = true;
            std::thread::sleep(Duration::from_secs(seconds.into()));
        }
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
        self.record_outcome(&PaymentOutcome::Paid)?;
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

    fn record_outcome(&mut self, outcome: &PaymentOutcome) -> Result<(), ToolError> {
        Ok(self.wallet.record_outcome(self.sending.payment, outcome.clone(), SystemClock.now())?)
    }

    fn say_paid(&self, now: UnixTime, said: &str) {
        let state = self.wallet.state();
        let holding = state.payments()[self.sending.payment as usize].holding;
        let again =
            if self.sending.again { " (with the coins of the earlier attempt)" } else { "" };
        self.say(&format!(
            "paid {} to {}{again}; {} left{said}",
            coins_worth(self.request.price.into(), self.request.coin_value),
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

fn is_not_yet_known(reason: &str) -> bool {
    reason.parse().is_ok_and(|refusal: Refusal| refusal == Refusal::NotYetKnown)
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
