//! The one decision about a request: serve it, or send something else.
//!
//! In goes a request and the price of what it asks for; out comes a [`Decision`]. The invariants: a
//! payment is recorded before its page is served; whatever is refused is not recorded; what cannot be
//! recorded is not served.
//!
//! A server calls [`Paywall::classify`] once a request's head is read, and [`Paywall::decide`] where
//! that asks for it, perhaps on another thread. [`Paywall::settle`] takes a payment back when the
//! answer turns out to be no success.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use super::answer::{self, RefusedPayment};
use super::carrier::{self, Carrier};
use super::check::Checker;
use super::config::{ConfigError, VendorConfig};
use super::http::{
    Answer, Decision, Outcome, Request, STATUS_HEADER, STRIPPED_HEADERS, STRIPPED_HEADERS_WITH_BODY, Serve,
    Step,
};
use super::origin::{self, TargetFault};
use super::price::parse_price;
use super::{Refusal, receipt};
use crate::authenticator::{HexError, KEY_SIZE, Key};
use crate::error::FileError;
use crate::host::{Clock, Directory, DiskDirectory, Entropy, Lock, LockGuard, Open, read_whole};
use crate::params::Params;
use crate::protocol::{COINS_PER_PAYMENT_MAX, Frame, PAYMENT_SIZE_MAX, Payment, RequestPayment, Url};
use crate::time::UnixTime;

/// The largest file with the secret of receipts, in bytes.
const SECRET_FILE_SIZE_MAX: u64 = 256;

/// The gate before a vendor's pages. One serves all threads of a process; it is opened after the
/// process was forked.
pub struct Paywall {
    config: VendorConfig,
    checker: Checker,
    receipt_key: Key,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {}

/// A payable page as messages name it, and when it was asked for.
struct Page {
    url: Url,
    price: u32,
    now: UnixTime,
}

/// How a request is handled.
enum Route<'a> {
    /// At once.
    Decided(Decision),
    /// By the payment in a header.
    Header(Page, &'a [u8]),
    /// By the payment in the body.
    Body(Page),
    /// By the body: content that is free may still be asked for with a payment.
    FreeBody,
}

impl Paywall {
    /// Makes what a first start needs, in the process that may: the till's directory and the secret of
    /// receipts. Gives everything that the serving processes must be able to read and write, to be
    /// given to their user.
    ///
    /// # Errors
    /// Periods that cannot be read, and files that cannot be made.
    pub fn prepare(config: &VendorConfig, entropy: &dyn Entropy) -> Result<Vec<PathBuf>, PaywallError> {
        config.load_periods()?;
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(&config.till).map_err(FileError::on("make", &config.till))?;
        let (directory, name) = secret_place(config)?;
        secret(&directory, &name, entropy)?;
        let till = DiskDirectory::new(&config.till);
        let names = till.names().map_err(FileError::on("list", &config.till))?;
        let mut paths = vec![config.till.clone(), config.receipt_secret.clone()];
        paths.extend(names.iter().map(|name| config.till.join(name)));
        Ok(paths)
    }

    /// Opens the paywall on disk, once in every process that serves, after it was forked.
    ///
    /// # Errors
    /// Periods, till or secret that cannot be read.
    pub fn open(
        config: VendorConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        let periods = config.load_periods()?;
        let (directory, name) = secret_place(&config)?;
        let receipt_key = secret(&directory, &name, entropy.as_ref())?;
        let till = DiskDirectory::new(&config.till);
        Paywall::with(config, &periods, receipt_key, Box::new(till), clock, entropy)
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
        let _ = till;
        Ok(Paywall { config, checker, receipt_key, clock, entropy })
    }

    /// What to do with a request whose head is read. Touches no disk and never waits. A free page
    /// without a payment costs a look at the header names and nothing else.
    pub fn classify(&self, request: &Request<'_>) -> Step {
        match self.route(request) {
            Route::Decided(decision) => Step::Decided(decision),
            Route::Header(..) => Step::Work,
            Route::Body(_) | Route::FreeBody if request.body.is_none() => {
                Step::ReadBody { size_max: PAYMENT_SIZE_MAX }
            }
            Route::Body(_) | Route::FreeBody => Step::Work,
        }
    }

    /// Decides about a request, its body read where [`Paywall::classify`] asked for it. May wait for
    /// the disk.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        match self.route(request) {
            Route::Decided(decision) => decision,
            Route::Header(page, value) => match carrier::from_header(value) {
                Some(message) => self.judge(request, &page, &message, false),
                None => self.malformed(request, &page, "the header holds no base64url".to_string()),
            },
            Route::Body(page) => match request.body {
                Some(message) => self.judge(request, &page, message, true),
                None => {
                    let sentence = format!("A payment has at most {PAYMENT_SIZE_MAX} bytes.");
                    Decision::Answer(answer::bad_request(413, &sentence))
                }
            },
            Route::FreeBody => Decision::Serve(free_post(request)),
        }
    }

    /// Takes back the payment that this request recorded if the `status` of its answer is no success,
    /// and says what became of it: [`Outcome::Reversed`], or [`Outcome::Paid`] if it stays.
    pub fn settle(&self, charge: &Charge, status: u16) -> Outcome {
        let _ = (charge, status);
        Outcome::Paid
    }

    fn route<'a>(&self, request: &Request<'a>) -> Route<'a> {
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
        match self.page(request) {
            Ok(page) => self.route_to_page(request, page, carrier),
            Err(answer) => decided(answer),
        }
    }

    fn route_to_page<'a>(&self, request: &Request<'a>, page: Page, carrier: Carrier<'a>) -> Route<'a> {
        if request.method == b"OPTIONS" {
            return decided(answer::options());
        }
        let is_view = is_view(request, carrier == Carrier::Body);
        if is_view && receipt::covers(&self.receipt_key, &page.url, page.now, request) {
            return Route::Decided(Decision::Serve(served(Outcome::Receipt, carrier == Carrier::Body)));
        }
        match carrier {
            Carrier::Header(value) => Route::Header(page, value),
            Carrier::Body => Route::Body(page),
            Carrier::None | Carrier::Several => {
                decided(answer::payment_required(&self.offer(&page), request, None))
            }
        }
    }

    /// The payable page that a request asks for.
    fn page(&self, request: &Request<'_>) -> Result<Page, Answer> {
        if request.price > COINS_PER_PAYMENT_MAX {
            let error = parse_price(request.price.to_string().as_bytes());
            return Err(answer::unavailable(format!("{error:?}")));
        }
        let origin = origin::pick(&self.config.origins, request.is_https, request.host)
            .ok_or_else(|| answer::unavailable("no origin is configured".to_string()))?;
        let url = origin.url(request.target).map_err(|fault| match fault {
            TargetFault::TooLong => answer::bad_request(414, "The address is too long to be paid for."),
            TargetFault::Wrong => answer::bad_request(400, "The address holds what no payable page has."),
        })?;
        Ok(Page { url, price: request.price, now: self.clock.now() })
    }

    fn offer(&self, page: &Page) -> RequestPayment {
        let periods = self.checker.periods_at(page.now);
        let raw = periods.first().map(|params| params.raw());
        RequestPayment {
            url: page.url.clone(),
            price: page.price,
            vendor: self.config.vendor.clone(),
            broker: raw.map(|raw| raw.broker.clone()).unwrap_or_default(),
            coin_value: raw.map(|raw| raw.coin_value.clone()).unwrap_or_default(),
            periods: periods.iter().map(|params| params.period().clone()).collect(),
            description: self.config.description.clone(),
        }
    }

    /// Judges the payment for a page.
    fn judge(&self, request: &Request<'_>, page: &Page, message: &[u8], is_body: bool) -> Decision {
        let payment = match Payment::parse(message) {
            Ok(payment) => payment,
            Err(error) => return self.malformed(request, page, error.to_string()),
        };
        match self.checker.check(&payment, &page.url, page.price, page.now) {
            Ok(_first_bins) => Decision::Answer(answer::unavailable("no till".to_string())),
            Err(refused) => self.refused(request, page, refused.refusal, payment),
        }
    }

    fn malformed(&self, request: &Request<'_>, page: &Page, log: String) -> Decision {
        let refused = RefusedPayment { refusal: Refusal::Malformed, payment: None, log: Some(log) };
        Decision::Answer(answer::payment_required(&self.offer(page), request, Some(refused)))
    }

    fn refused(&self, request: &Request<'_>, page: &Page, refusal: Refusal, payment: Payment) -> Decision {
        let refused = RefusedPayment { refusal, payment: Some(payment), log: None };
        Decision::Answer(answer::payment_required(&self.offer(page), request, Some(refused)))
    }
}

/// Whether a request asks to see a page: what a receipt opens, and a retry shows again.
fn is_view(request: &Request<'_>, is_body: bool) -> bool {
    is_body || matches!(request.method, b"GET" | b"HEAD")
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

fn secret_place(config: &VendorConfig) -> Result<(DiskDirectory, String), FileError> {
    let path = &config.receipt_secret;
    DiskDirectory::of_file(path).map_err(FileError::on("name", path))
}

/// Reads the secret of receipts, or makes it if the file is absent or was never finished. Processes
/// that start at once agree on one.
fn secret(directory: &dyn Directory, name: &str, entropy: &dyn Entropy) -> Result<Key, PaywallError> {
    let path = directory.path().join(name);
    match read_whole(directory, name, SECRET_FILE_SIZE_MAX) {
        Ok(bytes) if !bytes.is_empty() => return parse_secret(&bytes, path),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(FileError::on("read", path)(error).into()),
    }
    let bytes = make_secret(directory, name, entropy).map_err(FileError::on("make", &path))?;
    parse_secret(&bytes, path)
}

fn make_secret(directory: &dyn Directory, name: &str, entropy: &dyn Entropy) -> io::Result<Vec<u8>> {
    let file = directory.open(name, Open::Create)?;
    let _guard = LockGuard::new(file.as_ref(), Lock::Exclusive)?;
    let size = file.size()?;
    if size > 0 {
        let mut bytes = vec![0; size.min(SECRET_FILE_SIZE_MAX) as usize];
        file.read_at(&mut bytes, 0)?;
        return Ok(bytes);
    }
    let mut key = [0; KEY_SIZE];
    entropy.fill(&mut key)?;
    let text = format!("{}\n", Key::from_bytes(key).to_hex());
    file.write_at(text.as_bytes(), 0)?;
    file.sync()?;
    directory.sync()?;
    Ok(text.into_bytes())
}

fn parse_secret(bytes: &[u8], path: PathBuf) -> Result<Key, PaywallError> {
    let text = String::from_utf8_lossy(bytes);
    text.trim().parse().map_err(|error: HexError| PaywallError::Secret { path, reason: error.to_string() })
}
