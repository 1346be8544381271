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
use micromint::money::{coins, coins_worth};
use micromint::params::Params;
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
    PROBLEM_SIZE_MAX, PastPayment, PaymentForm, PaymentOutcome, Problem, Sending, Wallet,
    outcome_of, payment_for_header, receipt_in,
};
use micromint_console::{EXIT_OK, ToolError, tell};

use super::decide::{form_of, is_plain_get};
use super::output::{Broken, Output};
use super::resend::{Attempt, until_known};
use super::unpaid::headers_for;
use super::{GetOptions, MESSAGE_SIZE_MAX, deliver, report};
use crate::answer::consequence;
use crate::exit;
use crate::net::{Client, Response};
use crate::pay::{HEADER_COINS_MAX, over_in_words};
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
    pub(super) fn send(mut self, url: &AnyUrl, output: &mut Output<'_>) -> Result<Next, ToolError> {
        let mut form = form_of(self.options);
        let mut attempt = self.attempts(url, form);
        if let Ok(Attempt { answer, outcome, .. }) = &attempt
            && self.may_send_in_header(form, answer.status, outcome)
        {
            self.say(&format!(
                "{url}: a POST of the payment does not reach the paywall (HTTP status {}); sending \
                the same payment in a header",
                answer.status
            ));
            form = PaymentForm::Header;
            attempt = self.attempts(url, form);
        }
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
                    &format!(
                        "{url}: {} refused the payment: {reason}{words}; {}",
                        self.request.vendor,
                        self.consequence()
                    ),
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
            PaymentOutcome::NotKept(_) | PaymentOutcome::NotSeen(_) | PaymentOutcome::Unknown => {
                self.record_outcome(&outcome)?;
                let why = self.why_no_content(form, answer.status, &outcome);
                report(exit::HTTP, &format!("{url}: {why}"));
                if answer.status != 402 {
                    deliver(output, answer, self.options)?;
                }
                Ok(Next::Done(exit::HTTP))
            }
        }
    }

    /// Sends the payment in this form, until the vendor knows its coins.
    fn attempts(&self, url: &AnyUrl, form: PaymentForm) -> Result<Attempt<Response>, ureq::Error> {
        match self.options.waits {
            true => until_known(|| self.attempt(url, form), self.waiting(), || SystemClock.now()),
            false => self.attempt(url, form),
        }
    }

    /// Whether a header is worth a try after a POST that did not reach the paywall.
    fn may_send_in_header(&self, form: PaymentForm, status: u16, outcome: &PaymentOutcome) -> bool {
        self.challenge.is_none()
            && self.coins() <= HEADER_COINS_MAX
            && form.other_after(status, outcome) == Some(PaymentForm::Header)
    }

    /// What an answer without the content means for the coins, and what the user can do.
    fn why_no_content(&self, form: PaymentForm, status: u16, outcome: &PaymentOutcome) -> String {
        let vendor = &self.request.vendor;
        let advice = match form.other_after(status, outcome) {
            Some(PaymentForm::Header) if self.challenge.is_none() => {
                format!(
                    "; a header, which holds at most {HEADER_COINS_MAX} coins, is the only other way"
                )
            }
            Some(PaymentForm::Body) if self.challenge.is_none() && is_plain_get(self.options) => {
                "; try it without --pay-in-header".to_string()
            }
            _ => "; ask the vendor if it stays so".to_string(),
        };
        let then = format!(
            "the same command sends the same payment again, the coins can pay for other pages of \
            {vendor}, and after the period they can be returned"
        );
        match outcome {
            PaymentOutcome::NotSeen(_) if status == 402 => format!(
                "the payment was dropped on the way, and the paywall asks for it again{advice}. \
                Nothing was charged: {then}"
            ),
            PaymentOutcome::NotSeen(_) => format!(
                "the server itself refused the request with HTTP status {status}, before its \
                paywall saw the payment{advice}. Nothing was charged: {then}"
            ),
            PaymentOutcome::NotKept(word) => format!(
                "the payment was answered with HTTP status {status} and not charged ({word}); the \
                coins can be spent only at {vendor}"
            ),
            _ => format!(
                "the payment was answered with HTTP status {status}, and the paywall says nothing: \
                it may have taken the coins. Run the same command again later: it sends the same \
                payment, and {vendor} does not charge twice. After the period, unpaid coins can be \
                returned"
            ),
        }
    }

    /// Sends the payment: as in the thesis, a POST of the message to the URL of the page; or the
    /// same request again with the message in a header.
    fn request_paid(&self, url: &AnyUrl, form: PaymentForm) -> Result<Response, ureq::Error> {
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
        if form == PaymentForm::Body {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            headers.push(("Content-Type".to_string(), MEDIA_TYPE.to_string()));
            return self.client.send("POST", url.as_str(), &headers, message);
        }
        headers.push((PAYMENT_HEADER.to_string(), payment_for_header(message)));
        headers.extend(self.idempotency());
        self.client.send(self.options.method, url.as_str(), &headers, self.options.body)
    }

    /// Sends the payment once.
    fn attempt(&self, url: &AnyUrl, form: PaymentForm) -> Result<Attempt<Response>, ureq::Error> {
        let mut answer = self.request_paid(url, form)?;
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
    fn content(&mut self, answer: Response, output: &mut Output<'_>) -> Result<Next, ToolError> {
        let now = SystemClock.now();
        let cookies = answer.headers.get_all("set-cookie").iter();
        let mut receipts = cookies.filter_map(|value| receipt_in(value.to_str().ok()?, now));
        if let Some(receipt) = receipts.next() {
            self.wallet.keep_receipt(self.sending.payment, receipt)?;
        }
        let said = self.said(&answer);
        let moved_to = answer.location().filter(|_| answer.status >= 300);
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
        self.client.count_coins(self.coins());
        self.say_paid(now, &said);
        Ok(Next::Done(match moved_to {
            None => EXIT_OK,
            Some(target) => report(
                exit::HTTP,
                &format!(
                    "what you paid for is at {target:?}; a payment follows no redirect, so get it from there"
                ),
            ),
        }))
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

    fn payment(&self) -> &PastPayment {
        &self.wallet.state().payments()[self.sending.payment as usize]
    }

    /// The number of coins in the payment.
    fn coins(&self) -> u32 {
        self.payment().coins
    }

    /// The period of the coins.
    fn params(&self) -> &Params {
        &self.wallet.state().holdings()[self.payment().holding].params
    }

    /// The coins of the payment in words.
    fn paid(&self) -> String {
        coins_worth(self.coins().into(), self.params().coin_value())
    }

    /// What the recorded outcome means for which coins.
    fn consequence(&self) -> String {
        format!("{}: {}", self.paid(), consequence(self.payment()))
    }

    fn no_answer(&self, error: &(dyn std::error::Error + 'static)) -> Next {
        Next::Done(report(
            exit::NO_ANSWER,
            &format!(
                "{}: {} were sent, and no complete answer came: {}; run the same command again: it \
                sends the same coins, and the vendor does not charge twice",
                self.request.url,
                self.paid(),
                chain(error)
            ),
        ))
    }

    fn record_outcome(&mut self, outcome: &PaymentOutcome) -> Result<(), ToolError> {
        Ok(self.wallet.record_outcome(self.sending.payment, outcome.clone(), SystemClock.now())?)
    }

    fn say_paid(&self, now: UnixTime, said: &str) {
        let state = self.wallet.state();
        let holding = self.payment().holding;
        let over = over_in_words(self.request, self.params().period());
        let again =
            if self.sending.again { " (with the coins of the earlier attempt)" } else { "" };
        self.say(&format!(
            "paid {} to {}{over}{again}; {} remain unspent{said}",
            self.paid(),
            self.request.vendor,
            coins(state.balance(holding).unspent.into())
        ));
        if !self.options.silent {
            show::warn_of_expiry(state, now, self.settings.warn_seconds());
        }
    }

    fn say(&self, text: &str) {
        if !self.options.silent {
            tell!("mmwallet: {text}");
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
