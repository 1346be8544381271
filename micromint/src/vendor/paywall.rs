//! The one decision about a request: serve it, or send something else.
//!
//! In goes a request and the price of what it asks for; out comes a [`Decision`]. The invariants: a
//! payment is recorded before its page is served; whatever is refused is not recorded; what cannot be
//! recorded is not served.
//!
//! A server calls [`Paywall::classify`] once a request's head is read, and [`Paywall::decide`] where
//! that asks for it, perhaps on another thread. [`Paywall::settle`] takes a payment back when the
//! answer turns out to be no success.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::answer::{self, RefusedPayment};
use super::carrier::{self, Carrier};
use super::check::Checker;
use super::config::{ConfigError, VendorConfig};
use super::http::{
    Answer, Decision, Outcome, Request, STATUS_HEADER, STRIPPED_HEADERS, STRIPPED_HEADERS_WITH_BODY, Serve,
    Step,
};
use super::lists::Lists;
use super::origin::{self, TargetFault};
use super::price::PriceError;
use super::till::{PaymentId, Reversal, Spend, Spent, Till, TillError, TillTotals, fingerprint};
use super::{Refusal, receipt, secret};
use crate::authenticator::Key;
use crate::bin::Bin;
use crate::error::FileError;
use crate::host::{Clock, Directory, DiskDirectory, Entropy};
use crate::params::Params;
use crate::protocol::{COINS_PER_PAYMENT_MAX, Frame, PAYMENT_SIZE_MAX, Payment, RequestPayment, Url};
use crate::time::UnixTime;

/// The gate before a vendor's pages. One serves all threads of a process; it is opened after the
/// process was forked.
pub struct Paywall {
    config: VendorConfig,
    checker: Checker,
    receipt_key: Key,
    till: Till,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// The paywall cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PaywallError {
    /// The configuration, or a period's parameters.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The till's directory or the secret of receipts.
    #[error(transparent)]
    File(#[from] FileError),
    /// The till.
    #[error(transparent)]
    Till(#[from] TillError),
    /// The secret's file holds something else.
    #[error("{}: expected 64 hexadecimal digits: {reason}", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// A payment that this request recorded and that its answer may still reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge(PaymentId);

/// A request for a payable page, as messages name it.
struct Ask<'a> {
    request: &'a Request<'a>,
    url: Url,
    price: u32,
    now: UnixTime,
    /// The payment is the body of a POST, which is served as a GET.
    is_body: bool,
}

/// How a request is handled.
enum Route<'a> {
    /// At once.
    Decided(Decision),
    /// By the payment in a header.
    Header(Ask<'a>, &'a [u8]),
    /// By the payment in the body.
    Body(Ask<'a>),
    /// By the body: content that is free may still be asked for with a payment.
    FreeBody,
}

impl Ask<'_> {
    /// Whether it asks to see a page: what a receipt opens, and a retry shows again.
    fn is_view(&self) -> bool {
        self.is_body || self.is_head() || self.request.method == b"GET"
    }

    fn is_head(&self) -> bool {
        self.request.method == b"HEAD"
    }

    /// The request's Idempotency-Key; `None` if there is none or more than one.
    fn idempotency_key(&self) -> Option<&[u8]> {
        let mut keys = self.request.header_values("idempotency-key");
        keys.next().filter(|_| keys.next().is_none())
    }

    /// The decision with what the request was about.
    fn tell(&self, mut decision: Decision) -> Decision {
        let about = decision.about_mut();
        about.price = self.price;
        about.url = Some(self.url.to_string());
        decision
    }
}

impl Paywall {
    /// Makes what a first start needs, in the process that may: the till's directory and the secret of
    /// receipts. Gives everything that the serving processes must be able to read and write, to be
    /// given to their user.
    ///
    /// # Errors
    /// Periods or lists that cannot be read, and files that cannot be made.
    pub fn prepare(config: &VendorConfig, entropy: &dyn Entropy) -> Result<Vec<PathBuf>, PaywallError> {
        load_lists(config, &config.load_periods()?)?;
        make_till_folder(&config.till).map_err(FileError::on("make", &config.till))?;
        let (directory, name) = secret_place(config)?;
        secret::read_or_make(&directory, &name, entropy)?;
        let till = DiskDirectory::new(&config.till);
        Till::prepare(&till)?;
        let names = till.names().map_err(FileError::on("list", &config.till))?;
        let mut paths = vec![config.till.clone(), config.receipt_secret.clone()];
        paths.extend(names.iter().map(|name| config.till.join(name)));
        Ok(paths)
    }

    /// Opens the paywall on disk, once in every process that serves, after it was forked.
    ///
    /// # Errors
    /// Periods, lists, till or secret that cannot be read.
    pub fn open(
        config: VendorConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        let periods = config.load_periods()?;
        let (directory, name) = secret_place(&config)?;
        let receipt_key = secret::read_or_make(&directory, &name, entropy.as_ref())?;
        let till = DiskDirectory::new(&config.till);
        let lists = load_lists(&config, &periods)?;
        let mut paywall = Paywall::with(config, &periods, receipt_key, Box::new(till), clock, entropy)?;
        for (params, lists) in periods.iter().zip(lists) {
            paywall.checker.set_lists(params.period(), lists);
        }
        Ok(paywall)
    }

    /// The paywall of parts made elsewhere; the paths of `config` are not used.
    ///
    /// # Errors
    /// A till that cannot be opened.
    pub fn with(
        config: VendorConfig,
        periods: &[Params],
        receipt_key: Key,
        till: Box<dyn Directory>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        let checker = Checker::new(config.vendor.clone(), periods);
        let till = Till::open(till, config.sync, clock.clone(), entropy.clone())?;
        Ok(Paywall { config, checker, receipt_key, till, clock, entropy })
    }

    /// What to do with a request whose head is read. Touches no disk and never waits. A free page
    /// without a payment costs a look at the header names and nothing else.
    pub fn classify(&self, request: &Request<'_>) -> Step {
        match self.route(request) {
            Route::Decided(decision) => Step::Decided(decision),
            Route::Header(ask, _) if ask.is_view() || ask.idempotency_key().is_none() => Step::Work,
            _ if request.body.is_some() => Step::Work,
            _ => Step::ReadBody { size_max: PAYMENT_SIZE_MAX },
        }
    }

    /// Decides about a request, its body read where [`Paywall::classify`] asked for it. May wait for
    /// the disk.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        match self.route(request) {
            Route::Decided(decision) => decision,
            Route::Header(ask, value) => ask.tell(match carrier::from_header(value) {
                Some(message) => self.judge(&ask, &message),
                None => self.malformed(&ask, "the header holds no base64url".to_string()),
            }),
            Route::Body(ask) => ask.tell(match request.body {
                Some(message) => self.judge(&ask, message),
                None => Decision::Answer(answer::too_large()),
            }),
            Route::FreeBody => Decision::Serve(free_post(request)),
        }
    }

    /// Takes back the payment that this request recorded if the `status` of its answer is no success,
    /// and says what became of it: [`Outcome::Reversed`], or [`Outcome::Paid`] if it stays.
    ///
    /// A payment that cannot be taken back stays: it was retried meanwhile, ten minutes have passed, or
    /// the till cannot be written.
    pub fn settle(&self, charge: &Charge, status: u16) -> Outcome {
        if (200..300).contains(&status) {
            return Outcome::Paid;
        }
        match self.till.reverse(charge.0) {
            Ok(Reversal::Reversed) => Outcome::Reversed,
            Ok(Reversal::Void) | Err(_) => Outcome::Paid,
        }
    }

    /// What this process did with its till since it opened the paywall.
    pub fn totals(&self) -> TillTotals {
        self.till.totals()
    }

    fn route<'a>(&self, request: &'a Request<'a>) -> Route<'a> {
        let carrier = Carrier::of(request);
        if carrier == Carrier::Several {
            return decided(answer::bad_request(400, "A request carries at most one payment."));
        }
        if request.price == 0 {
            return match carrier {
                Carrier::None | Carrier::Several => Route::Decided(Decision::Serve(Serve::default())),
                Carrier::Header(_) => Route::Decided(Decision::Serve(returned(false))),
                Carrier::Body => Route::FreeBody,
            };
        }
        match self.ask(request, carrier == Carrier::Body) {
            Ok(ask) => self.route_to_page(ask, carrier),
            Err(answer) => decided(answer),
        }
    }

    fn route_to_page<'a>(&self, ask: Ask<'a>, carrier: Carrier<'a>) -> Route<'a> {
        if ask.request.method == b"OPTIONS" {
            return Route::Decided(ask.tell(Decision::Answer(answer::options())));
        }
        if ask.is_view() && receipt::covers(&self.receipt_key, &ask.url, ask.now, ask.request) {
            let serve = served(Outcome::Receipt, ask.is_body);
            return Route::Decided(ask.tell(Decision::Serve(serve)));
        }
        match carrier {
            Carrier::Header(value) => Route::Header(ask, value),
            Carrier::Body => Route::Body(ask),
            Carrier::None | Carrier::Several => Route::Decided(ask.tell(self.unpaid(&ask))),
        }
    }

    /// The payable page that a request asks for.
    fn ask<'a>(&self, request: &'a Request<'a>, is_body: bool) -> Result<Ask<'a>, Answer> {
        if request.price > COINS_PER_PAYMENT_MAX {
            return Err(answer::price_unreadable(&PriceError::too_high(request.price), "price"));
        }
        let origin = origin::pick(&self.config.origins, request.is_https, request.host)
            .ok_or_else(|| answer::unavailable("no origin is configured".to_string()))?;
        let url = origin.url(request.target).map_err(|fault| match fault {
            TargetFault::TooLong => answer::bad_request(414, "The address is too long to be paid for."),
            TargetFault::Wrong => answer::bad_request(400, "The address holds what no payable page has."),
        })?;
        Ok(Ask { request, url, price: request.price, now: self.clock.now(), is_body })
    }

    fn offer(&self, ask: &Ask<'_>) -> RequestPayment {
        let periods = self.checker.periods_at(ask.now);
        let raw = periods.first().map(|params| params.raw());
        RequestPayment {
            url: ask.url.clone(),
            price: ask.price,
            vendor: self.config.vendor.clone(),
            broker: raw.map(|raw| raw.broker.clone()).unwrap_or_default(),
            coin_value: raw.map(|raw| raw.coin_value.clone()).unwrap_or_default(),
            periods: periods.iter().map(|params| params.period().clone()).collect(),
            description: self.config.description.clone(),
        }
    }

    /// Judges the payment for a page.
    fn judge(&self, ask: &Ask<'_>, message: &[u8]) -> Decision {
        let payment = match Payment::parse(message) {
            Ok(payment) => payment,
            Err(error) => return self.malformed(ask, error.to_string()),
        };
        let judged = match self.checker.check(&payment, &ask.url, ask.price, ask.now) {
            Ok(first_bins) if ask.is_head() => self.retry(ask, &payment, first_bins.first().copied()),
            Ok(first_bins) => self.record(ask, message, &payment, &first_bins),
            Err(refused) => self.retry(ask, &payment, refused.may_be_recorded).map(|judged| match judged {
                Judged::Unpaid => Judged::Refused(refused.refusal),
                retry => retry,
            }),
        };
        let period = payment.period.to_string();
        let mut decision = match judged {
            Ok(Judged::Serve(serve)) => Decision::Serve(serve),
            Ok(Judged::Refused(refusal)) => self.refused(ask, refusal, Some(payment), None),
            Ok(Judged::Unpaid) => self.unpaid(ask),
            Err(error) => Decision::Answer(answer::unavailable(error.to_string())),
        };
        decision.about_mut().period = Some(period);
        decision
    }

    /// Records a payment whose coins are good, unless one of them is spent.
    fn record(
        &self,
        ask: &Ask<'_>,
        message: &[u8],
        payment: &Payment,
        first_bins: &[Bin],
    ) -> Result<Judged, Unrecorded> {
        // The period is known: the coins were checked by its rules.
        let keep_until = self.checker.params(&payment.period).map(|params| params.raw().redeem_until);
        let fingerprint = match self.fingerprint(ask, payment) {
            Some(fingerprint) => fingerprint,
            // No other payment has this one, so that no retry is found.
            None => self.unpredictable()?,
        };
        let spent = self.till.spend(&Spend {
            period: &payment.period,
            first_bins,
            payment: message,
            user: &payment.user,
            fingerprint,
            receipt_seconds: self.config.receipt_seconds.into(),
            keep_until: keep_until.unwrap_or(ask.now),
            cap: self.config.cap,
        })?;
        Ok(match spent {
            Spent::Recorded(id) => {
                let serve = self.opened(ask, Outcome::Paid, payment);
                Judged::Serve(Serve { coins: payment.coins, charge: Some(Charge(id)), ..serve })
            }
            Spent::Retry { .. } => Judged::Serve(self.opened(ask, Outcome::Retry, payment)),
            Spent::CapReached => Judged::Refused(Refusal::CapReached),
            Spent::AlreadySpent => Judged::Refused(Refusal::Spent),
        })
    }

    /// Serves a payment that is not to be recorded now if it was recorded before.
    fn retry(&self, ask: &Ask<'_>, payment: &Payment, first_bin: Option<Bin>) -> Result<Judged, Unrecorded> {
        let (Some(first_bin), Some(fingerprint)) = (first_bin, self.fingerprint(ask, payment)) else {
            return Ok(Judged::Unpaid);
        };
        let seconds = self.config.receipt_seconds.into();
        let found = self.till.find_retry(&payment.period, first_bin, &fingerprint, seconds)?;
        Ok(match found {
            Some(_) => Judged::Serve(self.opened(ask, Outcome::Retry, payment)),
            None => Judged::Unpaid,
        })
    }

    /// What a retry of this payment must agree in; `None` if nothing can be a retry of it. A page may
    /// be viewed again; another method is repeated only with the same Idempotency-Key and body.
    fn fingerprint(&self, ask: &Ask<'_>, payment: &Payment) -> Option<[u8; 32]> {
        if ask.is_view() {
            return Some(fingerprint(payment, &[]));
        }
        let (key, body) = (ask.idempotency_key()?, ask.request.body?);
        Some(fingerprint(payment, &[ask.request.method, key, &Sha256::digest(body)]))
    }

    fn unpredictable(&self) -> Result<[u8; 32], Unrecorded> {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// How a page is served to a payment that is on record. A receipt opens pages to be seen, so none
    /// is given for another method.
    fn opened(&self, ask: &Ask<'_>, outcome: Outcome, payment: &Payment) -> Serve {
        let mut serve = served(outcome, ask.is_body);
        serve.user = Some(payment.user.to_string());
        if ask.is_view() {
            let seconds = self.config.receipt_seconds;
            serve
                .headers
                .push(("Set-Cookie", receipt::set_cookie(&self.receipt_key, &ask.url, ask.now, seconds)));
        }
        serve
    }

    fn unpaid(&self, ask: &Ask<'_>) -> Decision {
        Decision::Answer(answer::payment_required(&self.offer(ask), ask.request, None))
    }

    fn malformed(&self, ask: &Ask<'_>, log: String) -> Decision {
        self.refused(ask, Refusal::Malformed, None, Some(log))
    }

    fn refused(
        &self,
        ask: &Ask<'_>,
        refusal: Refusal,
        payment: Option<Payment>,
        log: Option<String>,
    ) -> Decision {
        // HEAD is never charged, so there is nothing to refuse.
        if ask.is_head() {
            return self.unpaid(ask);
        }
        let refused = RefusedPayment { refusal, payment, log };
        Decision::Answer(answer::payment_required(&self.offer(ask), ask.request, Some(refused)))
    }
}

/// What is found about a payment.
enum Judged {
    /// It is recorded: the page is served.
    Serve(Serve),
    /// It is refused.
    Refused(Refusal),
    /// It was not recorded before, and is not to be now.
    Unpaid,
}

/// A payment cannot be recorded.
#[derive(Debug, thiserror::Error)]
enum Unrecorded {
    #[error("till: {0}")]
    Till(#[from] TillError),
    #[error("no randomness: {0}")]
    Entropy(#[from] io::Error),
}

fn decided(answer: Answer) -> Route<'static> {
    Route::Decided(Decision::Answer(answer))
}

/// How a page that is paid for is served.
fn served(outcome: Outcome, is_body: bool) -> Serve {
    Serve {
        outcome,
        as_get: is_body,
        ignore_conditions: is_body,
        is_private: true,
        strip_request_headers: if is_body { STRIPPED_HEADERS_WITH_BODY } else { STRIPPED_HEADERS },
        headers: vec![(STATUS_HEADER, outcome.word().to_string())],
        ..Serve::default()
    }
}

/// How free content is served to who sent a payment with it: the coins were not recorded.
fn returned(is_body: bool) -> Serve {
    Serve { ignore_conditions: is_body, is_private: false, ..served(Outcome::Returned, is_body) }
}

/// How free content is served to a POST whose body may be a payment. Another message is for the
/// content.
fn free_post(request: &Request<'_>) -> Serve {
    let is_payment = |body: &[u8]| {
        Frame::parse(body, PAYMENT_SIZE_MAX).is_ok_and(|frame| frame.message_type() == "Payment")
    };
    if request.body.is_some_and(is_payment) { returned(true) } else { Serve::default() }
}

/// The broker's lists for each of the periods, in their folder.
fn load_lists(config: &VendorConfig, periods: &[Params]) -> Result<Vec<Lists>, ConfigError> {
    let folder = DiskDirectory::new(&config.periods);
    periods.iter().map(|params| Lists::load(&folder, params)).collect()
}

/// Makes the till's directory for its owner alone, and those above it so that its owner gets there.
fn make_till_folder(path: &Path) -> io::Result<()> {
    if let Some(above) = path.parent() {
        std::fs::create_dir_all(above)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    match builder.mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

/// Where the secret of receipts is: its folder, and its name there.
fn secret_place(config: &VendorConfig) -> Result<(DiskDirectory, String), FileError> {
    let path = &config.receipt_secret;
    DiskDirectory::of_file(path).map_err(FileError::on("name", path))
}
