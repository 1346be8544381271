//! The paywall: decides whether a request is served the content or another answer.
//!
//! Input: a request with its price. Output: a [`Decision`]. The invariants: a payment is recorded
//! before its page is served; a refused payment is never recorded; a payment that cannot be
//! recorded opens nothing.
//!
//! A server calls [`Paywall::classify`] when it has read the head of a request, and
//! [`Paywall::decide`] if that asks for it, possibly on another thread. [`Paywall::settle`]
//! reverses a payment if the answer is not a success.

mod ask;
mod credential;
mod dry_run;
mod files;
mod free_view;
mod judge;
mod quotes;
mod sync_wanted;

use std::path::PathBuf;
use std::sync::Arc;

use self::ask::Ask;
use self::credential::is_of_others;
use self::dry_run::rehearsed;
use self::files::{make_till_folder, secret_place, warnings};
use self::judge::served;
use self::quotes::{Quoted, Quotes};
use self::sync_wanted::SyncWanted;
use super::accepted::Accepted;
use super::answer;
use super::blocked::{BLOCKED_FILE, BlockedUsers};
use super::carrier::{self, Carrier, InHeader};
use super::challenger::Challenger;
use super::charge::{Charge, Taken};
use super::config::VendorConfig;
use super::config_error::ConfigError;
use super::cors::CorsPolicy;
use super::decision::{Answer, Decision, Serve, Step};
use super::manifest::{is_manifest, manifest};
use super::request::Request;
use super::views::FreeViews;
use crate::authenticator::Key;
use crate::error::FileError;
use crate::host::{Clock, Directory, DiskDirectory, Entropy};
use crate::key_file::{KeyFileError, read_or_create_key};
use crate::params::Params;
use crate::period::Period;
use crate::protocol::{Frame, PAYMENT_SIZE_MAX, RequestOutcome};
use crate::till::{REVERSAL_SECONDS, Reversal, Till, TillError, TillTotals};
use crate::time::UnixTime;

/// The paywall in front of a vendor's pages. One serves all threads of a process; open it after the
/// process was forked.
///
/// ```no_run
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use micromint::host::{SystemClock, SystemEntropy};
/// use micromint::vendor::{Decision, Paywall, Request, Step, VendorConfig};
///
/// let config = VendorConfig::load(Path::new("/etc/micromint/vendor.toml"))?;
/// let paywall = Paywall::open(config, Arc::new(SystemClock), Arc::new(SystemEntropy))?;
/// let request = Request { method: b"GET", target: b"/story", price: 1, ..Request::default() };
/// let decision = match paywall.classify(&request) {
///     Step::Decided(decision) => decision,
///     // The request has no body here; this may wait for the disk.
///     Step::ReadBody { .. } | Step::Work => paywall.decide(&request),
/// };
/// if let Decision::Answer(answer) = decision {
///     println!("{}: {:?}", answer.status, answer.headers);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Paywall {
    config: VendorConfig,
    accepted: Accepted,
    receipt_key: Key,
    challenger: Challenger,
    quotes: Quotes,
    till: Till,
    blocked: BlockedUsers,
    sync_wanted: SyncWanted,
    views: FreeViews,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

pub use self::sync_wanted::SYNC_WANTED_FILE;

/// The paywall cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PaywallError {
    /// The configuration, or a period's parameters.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The directory of the till.
    #[error(transparent)]
    File(#[from] FileError),
    /// The till.
    #[error(transparent)]
    Till(#[from] TillError),
    /// The file of the secret of receipts.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
}

/// The result of [`Paywall::prepare`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prepared {
    /// Every path that the serving processes must be able to read and write, so that the caller
    /// can change its owner.
    pub paths: Vec<PathBuf>,
    /// What the webmaster should know, one line each, for the server's error log: that no period is
    /// valid, or will be in two days, and the periods without an owners file.
    pub warnings: Vec<String>,
}

/// No reversal is promised in this many last seconds of its time limit, because it may have to wait
/// for a thread.
const PROMISE_MARGIN_SECONDS: i64 = 30;

/// How a request is decided.
pub(super) enum Route<'a> {
    /// Already decided.
    Decided(Decision),
    /// By the payment in a header.
    Header(Ask<'a>, InHeader<'a>),
    /// By the payment in the body.
    Body(Ask<'a>),
    /// Without a payment, but with access to the disk: the visitor may have free views, or files
    /// may have changed.
    Unpaid(Ask<'a>),
    /// By the body: a request for free content may carry a payment too.
    FreeBody,
}

impl Route<'_> {
    /// Whether the decision needs the body.
    fn needs_body(&self) -> bool {
        match self {
            Route::Header(ask, _) => !ask.is_view() && ask.idempotency_key().is_some(),
            Route::Body(_) | Route::FreeBody => true,
            Route::Decided(_) | Route::Unpaid(_) => false,
        }
    }
}

impl Paywall {
    /// Creates what a first start needs: the directory of the till and the secret of receipts. Call
    /// it in the process with the rights to do so.
    ///
    /// # Errors
    /// Periods or lists cannot be read, a required owners file does not exist, or files cannot be
    /// created.
    pub fn prepare(
        config: &VendorConfig,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<Prepared, PaywallError> {
        config.check().map_err(ConfigError::from)?;
        let warnings = warnings(config, clock.now())?;
        make_till_folder(config.till()).map_err(FileError::on("make", config.till()))?;
        let (directory, name) = secret_place(config)?;
        read_or_create_key(&directory, &name, entropy)?;
        let till = DiskDirectory::new(config.till());
        Till::prepare(&till)?;
        let names = till.names().map_err(FileError::on("list", config.till()))?;
        let mut paths = vec![config.till().to_path_buf(), config.receipt_secret().to_path_buf()];
        paths.extend(names.iter().map(|name| config.till().join(name)));
        Ok(Prepared { paths, warnings })
    }

    /// Opens the paywall on disk: once in every serving process, after the fork.
    ///
    /// # Errors
    /// Periods, lists, till or secret cannot be read.
    pub fn open(
        config: VendorConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        config.check().map_err(ConfigError::from)?;
        let (directory, name) = secret_place(&config)?;
        let receipt_key = read_or_create_key(&directory, &name, entropy.as_ref())?;
        let till = DiskDirectory::new(config.till());
        let periods = DiskDirectory::new(config.periods());
        Paywall::with_folder(config, Box::new(periods), receipt_key, Box::new(till), clock, entropy)
    }

    /// A paywall from the caller's parts. It reads the periods and lists in a directory and notices
    /// changes there; it does not use the paths in `config`.
    ///
    /// # Errors
    /// Periods, lists or till cannot be read.
    pub fn with_folder(
        config: VendorConfig,
        periods: Box<dyn Directory>,
        receipt_key: Key,
        till: Box<dyn Directory>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        let (vendor, requires_owners) = (config.vendor(), config.requires_owners());
        let accepted = Accepted::open(vendor, requires_owners, periods, clock.now())?;
        Paywall::with_accepted(config, accepted, receipt_key, till, clock, entropy)
    }

    /// A paywall from the caller's parts, with these periods and no lists; it does not use the
    /// paths in `config`.
    ///
    /// # Errors
    /// The till cannot be opened, or `config` requires owners files.
    pub fn with(
        config: VendorConfig,
        periods: &[Params],
        receipt_key: Key,
        till: Box<dyn Directory>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        if config.requires_owners() {
            let reason = "owners = \"required\" needs a folder of periods";
            return Err(ConfigError::file(config.periods(), reason).into());
        }
        let accepted = Accepted::fixed(config.vendor(), periods);
        Paywall::with_accepted(config, accepted, receipt_key, till, clock, entropy)
    }

    fn with_accepted(
        config: VendorConfig,
        accepted: Accepted,
        receipt_key: Key,
        till: Box<dyn Directory>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        config.check().map_err(ConfigError::from)?;
        let till = Till::open(till, config.sync(), clock.clone(), entropy.clone())?;
        let views = FreeViews::new(till.shared_directory(), &receipt_key);
        let challenger = Challenger::new(&receipt_key, config.vendor().as_str());
        let quotes = Quotes::new();
        let blocked = BlockedUsers::open(till.shared_directory(), clock.now());
        let blocked = blocked.map_err(FileError::on("read", &config.till().join(BLOCKED_FILE)))?;
        Ok(Paywall {
            config,
            accepted,
            receipt_key,
            challenger,
            quotes,
            till,
            blocked,
            sync_wanted: SyncWanted::default(),
            views,
            clock,
            entropy,
        })
    }

    /// The accepted periods that have not ended and have no owners file: anybody who finds coins of
    /// them by search can spend the coins here. Does not access the disk.
    pub fn periods_without_owners(&self) -> Vec<Period> {
        self.accepted.current().without_owners(self.clock.now())
    }

    /// Whether no accepted period is valid now: no coins are accepted. Does not access the disk.
    pub fn lacks_period(&self) -> bool {
        self.accepted.current().periods_at(self.clock.now()).is_empty()
    }

    /// The next step for a request whose head was read. Non-blocking, without access to the disk.
    /// For a free page without a payment it only examines the names of the headers.
    pub fn classify(&self, request: &Request<'_>) -> Step {
        self.step(request, |_| Step::Work)
    }

    /// The next step; if the disk may be needed, `work` chooses it.
    fn step<'a>(&'a self, request: &'a Request<'a>, work: impl FnOnce(Route<'a>) -> Step) -> Step {
        let carrier = Carrier::of(request);
        if is_free(request, carrier) {
            // Nearly all requests end here. A decision is large, so it is built in place.
            return Step::Decided(Decision::Serve(Serve::default()));
        }
        let read_body = || Step::ReadBody { size_max: PAYMENT_SIZE_MAX };
        self.begin(request, carrier, Step::Decided, read_body, work)
    }

    /// Examines a request whose head was read, and calls one of the three: `decided` with a
    /// decision, `read_body`, or `work` with the route to the decision.
    pub(super) fn begin<'a, T>(
        &'a self,
        request: &'a Request<'a>,
        carrier: Carrier<'a>,
        decided: impl FnOnce(Decision) -> T,
        read_body: impl FnOnce() -> T,
        work: impl FnOnce(Route<'a>) -> T,
    ) -> T {
        let question = match self.quoted(request, carrier) {
            Quoted::Known(answer) => return decided(Decision::Answer(answer)),
            Quoted::Unknown(question) => Some(question),
            Quoted::Never => None,
        };
        match self.route(request, carrier) {
            Route::Decided(decision) => {
                if let Some(question) = question {
                    self.keep(question, &decision);
                }
                decided(as_placed(request, decision))
            }
            route if route.needs_body() && request.body.is_none() => read_body(),
            route => work(route),
        }
    }

    /// Decides about a request that [`Paywall::begin`] passed to `work`, without examining it
    /// again. May wait for the disk.
    pub(super) fn decide_by<'a>(&'a self, request: &'a Request<'a>, route: Route<'a>) -> Decision {
        if self.is_due(self.clock.now()) {
            // Read the periods and lists again first.
            return self.decide(request);
        }
        as_placed(request, self.follow(request, route))
    }

    /// Decides about a request. Its body must have been read if [`Paywall::classify`] asked for it.
    /// May wait for the disk.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        let alert = if request.price == 0 { None } else { self.refresh(self.clock.now()) };
        let mut decision = self.follow(request, self.route(request, Carrier::of(request)));
        if alert.is_some() {
            decision.about_mut().alert = alert;
        }
        as_placed(request, decision)
    }

    /// Whether a payment must wait until periods or lists were examined.
    fn is_due(&self, now: UnixTime) -> bool {
        self.accepted.is_due(now) || self.blocked.is_due(now)
    }

    /// Reads the periods and lists that have changed. Returns new errors to log, if there are any.
    fn refresh(&self, now: UnixTime) -> Option<String> {
        let errors = [self.accepted.refresh(now), self.blocked.refresh(now)];
        let errors: Vec<String> = errors.into_iter().flatten().collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// The result of [`Paywall::decide`], if it can be found without waiting for a lock, a sync or
    /// the disk: for a thread that must not block, before it hands the request to another one.
    /// `None` if it cannot; nothing was recorded then.
    pub fn try_decide(&self, request: &Request<'_>) -> Option<Decision> {
        self.try_follow(request, self.route(request, Carrier::of(request)))
    }

    /// The result of [`Paywall::classify`]; if that is [`Step::Work`], the decision of
    /// [`Paywall::try_decide`] if there is one. Examines the request only once. `Request::content`
    /// must be set already, if it is known.
    pub fn try_classify(&self, request: &Request<'_>) -> Step {
        self.step(request, |route| {
            self.try_follow(request, route).map_or(Step::Work, Step::Decided)
        })
    }

    fn try_follow<'a>(
        &'a self,
        request: &'a Request<'a>,
        mut route: Route<'a>,
    ) -> Option<Decision> {
        let is_simple = self.config.cap().is_none() && !request.place.is_dry_run;
        if !is_simple || !self.till.is_nonblocking() || self.is_due(self.clock.now()) {
            return None;
        }
        match &mut route {
            Route::Header(ask, _) | Route::Body(ask) => ask.may_wait = false,
            Route::Decided(_) | Route::Unpaid(_) | Route::FreeBody => return None,
        }
        let decision = self.follow(request, route);
        // Unavailable here can mean that an answer needs to wait; where waiting is allowed, the
        // result may be another one.
        (decision.outcome() != RequestOutcome::Unavailable).then_some(decision)
    }

    fn follow<'a>(&'a self, request: &'a Request<'a>, route: Route<'a>) -> Decision {
        match route {
            Route::Decided(decision) => decision,
            Route::Header(ask, InHeader::Message(value)) => {
                ask.tell(|ask| match carrier::from_header(value) {
                    Some(message) => self.judge(ask, &message, None),
                    None => self.malformed(ask, "the header value is not base64url".to_string()),
                })
            }
            Route::Header(ask, InHeader::Credential(token)) => {
                ask.tell(|ask| self.judge_credential(ask, token))
            }
            Route::Body(ask) => ask.tell(|ask| match request.body {
                Some(message) => self.judge(ask, message, None),
                None => answer::too_large().into(),
            }),
            Route::Unpaid(ask) => ask.tell(|ask| self.unpaid_or_free(ask)),
            Route::FreeBody => Decision::Serve(free_post(request)),
        }
    }

    /// The price of a page as a client without a payment gets it, whatever the request carries.
    /// Does not access the disk.
    pub fn price_tag(&self, request: &Request<'_>) -> Answer {
        match self.ask(request, false) {
            Ok(ask) => match ask.tell(|ask| self.unpaid(ask)) {
                Decision::Answer(answer) => Arc::unwrap_or_clone(answer),
                // Without a payment the decision is always an answer.
                Decision::Serve(_) => {
                    answer::unavailable("unexpected decision about a price".to_string())
                }
            },
            Err(answer) => *answer,
        }
    }

    /// Reverses the payment or free view of this request if the `status` of its answer is not a
    /// success. Returns the outcome: [`RequestOutcome::Reversed`], or [`RequestOutcome::Paid`] or
    /// [`RequestOutcome::FreeView`] if the charge stays.
    ///
    /// A payment is not reversed if it was retried meanwhile, if ten minutes have passed, or if the
    /// till cannot be written.
    pub fn settle(&self, charge: &Charge, status: u16) -> RequestOutcome {
        let is_given_back = !(200..300).contains(&status)
            && match charge.taken {
                Taken::Payment(id) => matches!(self.till.reverse(id), Ok(Reversal::Reversed)),
                Taken::View(visitor) => {
                    matches!(self.views.give_back(visitor, charge.taken_at), Ok(true))
                }
            };
        if is_given_back { RequestOutcome::Reversed } else { charge.kept() }
    }

    /// The result that [`Paywall::settle`] will have, as far as it is known without waiting. It is
    /// for a server that makes the head of the answer on a thread that must not block: the head
    /// states [`RequestOutcome::Reversed`], and another thread then settles. Returns that a payment
    /// stays if a reversal could come too late.
    ///
    /// The promise is recorded first, and without a record none is made: if the till fails
    /// afterwards or the process dies, the reversal is carried out as soon as
    /// possible. It becomes void only if the same payment is sent a second time meanwhile, which
    /// opens the page.
    pub fn promise(&self, charge: &Charge, status: u16) -> RequestOutcome {
        let age = self.clock.now().0.saturating_sub(charge.taken_at.0);
        let is_in_time = age <= REVERSAL_SECONDS - PROMISE_MARGIN_SECONDS;
        let is_promised = !(200..300).contains(&status)
            && is_in_time
            && match charge.taken {
                Taken::Payment(id) => self.till.promise_reversal(id).is_ok(),
                // A free view has no value; at worst it stays used up.
                Taken::View(_) => true,
            };
        if is_promised { RequestOutcome::Reversed } else { charge.kept() }
    }

    /// The manifest: who sells here, where and for whose coins, as JSON. Servers do not need it:
    /// the paywall answers requests for [`MANIFEST_PATH`](crate::protocol::MANIFEST_PATH) with it.
    pub fn manifest(&self) -> String {
        manifest(&self.config, self.accepted.current().periods(), self.clock.now())
    }

    /// Totals of what this process did with its till since it opened the paywall.
    pub fn totals(&self) -> TillTotals {
        self.till.totals()
    }

    fn route<'a>(&'a self, request: &'a Request<'a>, carrier: Carrier<'a>) -> Route<'a> {
        if carrier == Carrier::Several {
            return decided(answer::bad_request(400, "A request carries at most one payment."));
        }
        if is_manifest(request.target) {
            return decided(answer::manifest(request, carrier, || self.manifest()));
        }
        if request.price == 0 {
            return match carrier {
                Carrier::None | Carrier::Several => {
                    Route::Decided(Decision::Serve(Serve::default()))
                }
                Carrier::Header(header) => {
                    Route::Decided(Decision::Serve(free_with(request, header)))
                }
                Carrier::Body => Route::FreeBody,
            };
        }
        match self.ask(request, carrier == Carrier::Body) {
            Ok(ask) => self.route_to_page(ask, carrier),
            Err(answer) => decided(*answer),
        }
    }

    fn route_to_page<'a>(&'a self, ask: Ask<'a>, carrier: Carrier<'a>) -> Route<'a> {
        if ask.request.method == b"OPTIONS" {
            return Route::Decided(ask.tell(|ask| answer::options(ask.cors, ask.request).into()));
        }
        if ask.is_view() && self.has_receipt(&ask) {
            let serve = |ask: &Ask<'_>| {
                Decision::Serve(served(RequestOutcome::Receipt, ask.request, ask.is_body))
            };
            return Route::Decided(ask.tell(serve));
        }
        match carrier {
            Carrier::Header(value) => Route::Header(ask, value),
            Carrier::Body => Route::Body(ask),
            Carrier::None | Carrier::Several
                if self.has_free_views(&ask) || self.accepted.is_due(ask.now) =>
            {
                Route::Unpaid(ask)
            }
            Carrier::None | Carrier::Several => Route::Decided(ask.tell(|ask| self.unpaid(ask))),
        }
    }
}

/// Whether the request is for free content and carries no payment.
pub(super) fn is_free(request: &Request<'_>, carrier: Carrier<'_>) -> bool {
    request.price == 0 && carrier == Carrier::None && !is_manifest(request.target)
}

/// The decision as it applies at the place of the request: in a dry run the content is served. The
/// manifest is exempt.
fn as_placed(request: &Request<'_>, decision: Decision) -> Decision {
    let is_tried_out =
        request.place.is_dry_run && request.price > 0 && !is_manifest(request.target);
    if is_tried_out { rehearsed(request, decision) } else { decision }
}

fn decided(answer: Answer) -> Route<'static> {
    Route::Decided(answer.into())
}

/// How free content is served to a client that sent a payment with it: the coins were not recorded.
fn returned(request: &Request<'_>, is_body: bool) -> Serve {
    Serve {
        ignore_conditions: is_body,
        is_private: false,
        // Which scripts may see free content is for the site to decide; the paywall exposes only
        // its own fields.
        merge: CorsPolicy::Site.of_answer(request),
        ..served(RequestOutcome::Returned, request, is_body)
    }
}

/// How free content is served to a client that sent a header with a payment. A credential of
/// another method is meant for the content. One that cannot be parsed is removed: it may contain
/// coins, which nothing behind the paywall may see.
fn free_with(request: &Request<'_>, header: InHeader<'_>) -> Serve {
    match header {
        InHeader::Credential(token) if is_of_others(token) => Serve::default(),
        // Like every answer to a credential, this one is private to the client that sent it.
        InHeader::Credential(_) => Serve { is_private: true, ..returned(request, false) },
        InHeader::Message(_) => returned(request, false),
    }
}

/// How free content is served to a POST whose body may be a payment. Another message is meant for
/// the content.
fn free_post(request: &Request<'_>) -> Serve {
    let is_payment = |body: &[u8]| {
        Frame::parse(body, PAYMENT_SIZE_MAX).is_ok_and(|frame| frame.message_type() == "Payment")
    };
    if request.body.is_some_and(is_payment) { returned(request, true) } else { Serve::default() }
}
