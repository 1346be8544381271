//! The paywall: decides whether a request is served the content or another answer.
//!
//! Input: a request with its price. Output: a [`Decision`]. The invariants: a payment is recorded
//! before its page is served; a refused payment is never recorded; a payment that cannot be
//! recorded opens nothing.
//!
//! A server calls [`Paywall::look`] when it has read the head of a request; what that cannot answer
//! is [`Pending`] and is decided at once or on another thread. [`Paywall::finish`] reverses a
//! payment if the answer is not one that is charged.

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

pub(super) use self::ask::Ask;
use self::credential::is_of_others;
use self::dry_run::rehearsed;
pub(super) use self::files::open_prices;
use self::files::{make_till_folder, secret_place, warnings};
use self::judge::served;
use self::quotes::{Quoted, Quotes};
use self::sync_wanted::SyncWanted;
use super::accepted::{Accepted, KnownLists};
use super::answer;
use super::blocked::{BLOCKED_FILE, BlockedUsers};
use super::bots::{BotKeys, Bots};
use super::carrier::{self, Carrier, InHeader};
use super::challenger::Challenger;
use super::charge::{Charge, Taken};
use super::config::VendorConfig;
use super::config_error::ConfigError;
use super::cors::CorsPolicy;
use super::decision::{Answer, Decision, Serve};
use super::exempt::Exemptions;
use super::manifest::{OwnDocument, manifest};
use super::prices::{ListPrice, PriceList, Prices, Publication, Seller};
use super::request::{Place, Request};
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
/// use micromint::vendor::{Decision, Paywall, Request, VendorConfig};
///
/// let config = VendorConfig::load(Path::new("/etc/micromint/vendor.toml"))?;
/// let paywall = Paywall::open(config, Arc::new(SystemClock), Arc::new(SystemEntropy))?;
/// let request = Request { method: b"GET", target: b"/story", price: 1, ..Request::default() };
/// // This may wait for the disk; `look` does not.
/// if let Decision::Answer(answer) = paywall.decide(&request) {
///     println!("{}: {:?}", answer.status, answer.headers);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Paywall {
    config: VendorConfig,
    accepted: Arc<Accepted>,
    receipt_key: Key,
    challenger: Challenger,
    quotes: Quotes,
    till: Till,
    blocked: BlockedUsers,
    sync_wanted: SyncWanted,
    prices: Option<Arc<Prices>>,
    views: FreeViews,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

pub(super) use self::judge::{Checked, May, WouldBlock};
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
    /// Free content, after the price list was examined for later requests.
    Free,
    /// One of the paywall's own documents, after periods and prices were examined. Holds what it
    /// said before.
    Own(Box<Answer>),
}

/// What a route leads to before the till is asked.
pub(super) enum Examined<'a> {
    /// The answer.
    Decided(Decision),
    /// No payment; the visitor may have free views.
    Free(Ask<'a>),
    /// A payment for the till.
    Payment(Ask<'a>, Box<Checked>),
}

impl Route<'_> {
    /// Whether the decision needs the body.
    fn needs_body(&self) -> bool {
        match self {
            Route::Header(ask, _) => !ask.is_view() && ask.idempotency_key().is_some(),
            Route::Body(_) | Route::FreeBody => true,
            Route::Decided(_) | Route::Unpaid(_) | Route::Free | Route::Own(_) => false,
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
        let prices = open_prices(config, clock.now())?;
        let list = prices.map(|prices| prices.current());
        let warnings = warnings(config, list.as_deref(), clock.now())?;
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
        let accepted = Accepted::open_on_disk(&config, KnownLists::new(), clock.now())?;
        let prices = open_prices(&config, clock.now())?;
        Paywall::open_with(config, Arc::new(accepted), prices, clock, entropy)
    }

    /// [`Paywall::open`] with periods, lists and prices that were already read.
    pub(super) fn open_with(
        config: VendorConfig,
        accepted: Arc<Accepted>,
        prices: Option<Arc<Prices>>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Paywall, PaywallError> {
        config.check().map_err(ConfigError::from)?;
        let (directory, name) = secret_place(&config)?;
        let receipt_key = read_or_create_key(&directory, &name, entropy.as_ref())?;
        let till = Box::new(DiskDirectory::new(config.till()));
        let paywall = Paywall::with_accepted(config, accepted, receipt_key, till, clock, entropy)?;
        Ok(Paywall { prices, ..paywall })
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
        let accepted = Arc::new(Accepted::open(&config, periods, KnownLists::new(), clock.now())?);
        Paywall::with_accepted(config, accepted, receipt_key, till, clock, entropy)
    }

    /// A paywall from the caller's parts, with these periods and no lists; it does not use the
    /// paths in `config`.
    ///
    /// # Errors
    /// The till cannot be opened, the periods cannot be accepted together, or `config` requires
    /// owners files.
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
        let accepted = Accepted::fixed(&config, periods);
        let accepted = accepted.map_err(|reason| ConfigError::file(config.periods(), reason))?;
        let accepted = Arc::new(accepted);
        Paywall::with_accepted(config, accepted, receipt_key, till, clock, entropy)
    }

    fn with_accepted(
        config: VendorConfig,
        accepted: Arc<Accepted>,
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
            prices: None,
            views,
            clock,
            entropy,
        })
    }

    /// The same paywall with this price list and these keys of the bots in the configuration.
    /// Neither ever changes.
    #[must_use]
    pub fn with_price_list_and_bots(self, list: PriceList, keys: BotKeys) -> Paywall {
        let bots = Bots::fixed(self.config.bot_settings().clone(), keys);
        Paywall { prices: Some(Arc::new(Prices::fixed(list, bots))), ..self }
    }

    /// What the price list says about the page that a request is for; `None` if there is no list,
    /// if no entry matches, or if the path is exempt and exemptions apply. Only target and host
    /// of the request count, as the client sent them, and where an entry has prices for bots, the
    /// method and the header fields. Does not access the disk.
    pub fn list_price(&self, request: &Request<'_>, exemptions: Exemptions) -> Option<ListPrice> {
        self.prices.as_ref()?.find(request, exemptions, self.clock.as_ref())
    }

    /// Calls `with` with the request at the price that it owes: the higher of its own and that of
    /// the price list. A program whose places are not those of a [`gate`](super::gate) asks
    /// everything else about the request that `with` gets.
    ///
    /// ```no_run
    /// # fn decided(paywall: &micromint::vendor::Paywall) -> micromint::vendor::Decision {
    /// use micromint::vendor::Request;
    ///
    /// let request = Request { method: b"GET", target: b"/story", ..Request::default() };
    /// paywall.with_list_price(&request, |request| paywall.decide(request))
    /// # }
    /// ```
    pub fn with_list_price<R>(
        &self,
        request: &Request<'_>,
        with: impl FnOnce(&Request<'_>) -> R,
    ) -> R {
        at_list_price(self.list_price(request, Exemptions::Apply), request, with)
    }

    /// The accepted periods and the broker's lists.
    pub(super) fn accepted(&self) -> &Arc<Accepted> {
        &self.accepted
    }

    /// The accepted periods that have not ended and have no owners file: anybody who finds coins of
    /// them by search can spend the coins here. Does not access the disk.
    pub(crate) fn periods_without_owners(&self) -> Vec<Period> {
        self.accepted.current().without_owners(self.clock.now())
    }

    /// Whether no accepted period is valid now: no coins are accepted. Does not access the disk.
    pub(crate) fn lacks_period(&self) -> bool {
        !self.accepted.current().has_valid(self.clock.now())
    }

    /// Examines a request whose head was read, and calls one of the three: `decided` with a
    /// decision, `read_body`, or `work` with the route to the decision.
    pub(super) fn begin<'a, T>(
        &self,
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
                decided(self.as_placed(request, decision))
            }
            route if route.needs_body() && request.body.is_none() => read_body(),
            route => {
                if let (Route::Free | Route::Unpaid(_) | Route::Own(_), Some(prices)) =
                    (&route, &self.prices)
                {
                    prices.delay(self.clock.now());
                }
                work(route)
            }
        }
    }

    /// Decides about a request whose body was read, if it may carry a payment. May wait for the
    /// disk.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        let now = self.clock.now();
        let alert = match request.price == 0 && !self.is_own(request.target) {
            true => self.refresh_prices(now),
            false => self.refresh(now),
        };
        let mut decision = self.follow(request, self.route(request, Carrier::of(request)));
        if alert.is_some() {
            decision.about_mut().alert = alert;
        }
        self.as_placed(request, decision)
    }

    /// Whether a payment must wait until periods, lists or prices were examined.
    pub(super) fn is_due(&self) -> bool {
        let now = self.clock.now();
        self.accepted.is_due(now)
            || self.blocked.is_due(now)
            || self.prices.as_ref().is_some_and(|prices| prices.is_due(now))
    }

    /// Whether a request that needs no disk waits until the price list was examined.
    fn waits_for_prices(&self) -> bool {
        self.prices.as_ref().is_some_and(|prices| prices.delays(self.clock.now()))
    }

    /// Whether a thread that must not wait can ask the till now.
    pub(super) fn is_ready(&self, request: &Request<'_>) -> bool {
        self.config.cap().is_none()
            && !request.place.is_dry_run
            && self.till.is_nonblocking()
            && !self.is_due()
    }

    /// Reads the periods and lists that have changed. Returns new errors to log, if there are any.
    fn refresh(&self, now: UnixTime) -> Option<String> {
        let errors =
            [self.accepted.refresh(now), self.blocked.refresh(now), self.refresh_prices(now)];
        let errors: Vec<String> = errors.into_iter().flatten().collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    /// Reads the price list if it has changed. Returns a new error to log, if there is one.
    fn refresh_prices(&self, now: UnixTime) -> Option<String> {
        self.prices.as_ref()?.refresh(now)
    }

    /// Decides by a route, on a thread that may block.
    pub(super) fn follow(&self, request: &Request<'_>, route: Route<'_>) -> Decision {
        match self.examine(request, route) {
            Examined::Decided(decision) => decision,
            Examined::Free(ask) => self.tell(ask, |ask| self.unpaid_or_free(ask)),
            Examined::Payment(ask, checked) => {
                self.conclusion(ask, &checked, May::Wait).unwrap_or_else(|_| {
                    // Waiting is allowed, so nothing would block.
                    answer::unavailable("the till did not wait".to_string()).into()
                })
            }
        }
    }

    /// Checks what a route leads to as far as possible without the till.
    pub(super) fn examine<'a>(&self, request: &'a Request<'a>, route: Route<'a>) -> Examined<'a> {
        let (ask, checked) = match route {
            Route::Decided(decision) => return Examined::Decided(decision),
            Route::FreeBody => return Examined::Decided(Decision::Serve(free_post(request))),
            Route::Free => return Examined::Decided(Decision::Serve(free(request))),
            Route::Own(answer) => return Examined::Decided((*answer).into()),
            Route::Unpaid(ask) => return Examined::Free(ask),
            Route::Header(ask, InHeader::Message(value)) => {
                let checked = match carrier::from_header(value) {
                    Some(message) => self.check(&ask, message, None),
                    None => {
                        Err(self.malformed(&ask, "the header value is not base64url".to_string()))
                    }
                };
                (ask, checked)
            }
            Route::Header(ask, InHeader::Credential(token, field)) => {
                let checked = self.check_credential(&ask, token, field);
                (ask, checked)
            }
            Route::Body(ask) => {
                let checked = match request.body {
                    Some(message) => self.check(&ask, message.to_vec(), None),
                    None => Err(answer::too_large().into()),
                };
                (ask, checked)
            }
        };
        match checked {
            Ok(checked) => Examined::Payment(ask, Box::new(checked)),
            Err(decision) => Examined::Decided(self.tell(ask, |_| decision)),
        }
    }

    /// Concludes a payment that was checked for `request`, on a thread that may block.
    pub(super) fn conclude_checked(&self, request: &Request<'_>, checked: &Checked) -> Decision {
        let is_body = Carrier::of(request) == Carrier::Body;
        let decision = match self.ask(request, is_body) {
            Ok(mut ask) => {
                checked.restore(&mut ask);
                self.conclusion(ask, checked, May::Wait)
            }
            Err(answer) => Ok((*answer).into()),
        };
        // Waiting is allowed, so nothing would block.
        decision.map_or_else(|WouldBlock| self.decide(request), |it| self.as_placed(request, it))
    }

    pub(super) fn conclusion(
        &self,
        ask: Ask<'_>,
        checked: &Checked,
        may: May,
    ) -> Result<Decision, WouldBlock> {
        let decision = self.conclude(&ask, checked, may)?;
        Ok(self.tell(ask, |_| decision))
    }

    /// Concludes several payments without waiting.
    pub(super) fn conclusions(
        &self,
        payments: Vec<(Ask<'_>, Box<Checked>)>,
    ) -> Vec<Result<Decision, Box<Checked>>> {
        let decisions = self.conclude_group(&payments);
        let told = payments.into_iter().zip(decisions).map(|((ask, checked), decision)| {
            let decision = decision.map_err(|WouldBlock| checked)?;
            Ok(self.tell(ask, |_| decision))
        });
        told.collect()
    }

    /// The price of a page as a client without a payment gets it, whatever the request carries.
    /// Does not access the disk.
    pub fn price_tag(&self, request: &Request<'_>) -> Answer {
        match self.ask(request, false) {
            Ok(ask) => match self.tell(ask, |ask| self.unpaid(ask)) {
                Decision::Answer(answer) => Arc::unwrap_or_clone(answer),
                // Without a payment the decision is always an answer.
                Decision::Serve(_) => {
                    answer::unavailable("unexpected decision about a price".to_string())
                }
            },
            Err(answer) => *answer,
        }
    }

    /// Reverses the payment or free view of this request if the `status` of its answer is not one
    /// that is charged: 2xx, 101, and redirects where [`Place::charges_redirects`] or the method
    /// says so. Call it with a final status, not with an interim one (100, 103). Returns the
    /// outcome: [`RequestOutcome::Reversed`], or [`RequestOutcome::Paid`] or
    /// [`RequestOutcome::FreeView`] if the charge stays.
    ///
    /// A payment is not reversed if it was retried meanwhile, if ten minutes have passed, or if the
    /// till cannot be written.
    pub fn finish(&self, charge: &Charge, status: u16) -> RequestOutcome {
        let is_given_back = !charge.stays_with(status)
            && match charge.taken {
                Taken::Payment(id) => matches!(self.till.reverse(id), Ok(Reversal::Reversed)),
                Taken::View(visitor) => {
                    matches!(self.views.give_back(visitor, charge.taken_at), Ok(true))
                }
            };
        if is_given_back { RequestOutcome::Reversed } else { charge.kept() }
    }

    /// The result that [`Paywall::finish`] will have, as far as it is known without waiting. It is
    /// for a server that makes the head of the answer on a thread that must not block: the head
    /// states [`RequestOutcome::Reversed`], and another thread then finishes the charge. Returns
    /// that a payment stays if a reversal could come too late.
    ///
    /// The promise is recorded first, and without a record none is made: if the till fails
    /// afterwards or the process dies, the reversal is carried out as soon as
    /// possible. It becomes void only if the same payment is sent a second time meanwhile, which
    /// opens the page.
    ///
    /// A free view is given back at once, which waits for no more than a promise does: a write to
    /// the page cache, under the lock of the file of free views.
    pub fn promise(&self, charge: &Charge, status: u16) -> RequestOutcome {
        let age = || self.clock.now().0.saturating_sub(charge.taken_at.0);
        let is_promised = !charge.stays_with(status)
            && age() <= REVERSAL_SECONDS - PROMISE_MARGIN_SECONDS
            && match charge.taken {
                Taken::Payment(id) => self.till.promise_reversal(id).is_ok(),
                Taken::View(_) => return self.finish(charge, status),
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

    pub(super) fn route<'a>(&self, request: &'a Request<'a>, carrier: Carrier<'a>) -> Route<'a> {
        if carrier == Carrier::Several {
            return decided(answer::bad_request(400, "A request carries at most one payment."));
        }
        if let Some(answer) = self.own_answer(request, carrier) {
            let is_due = self.accepted.is_due(self.clock.now()) || self.waits_for_prices();
            return if is_due { Route::Own(Box::new(answer)) } else { decided(answer) };
        }
        if request.price == 0 {
            return match carrier {
                Carrier::None if self.waits_for_prices() => Route::Free,
                Carrier::None | Carrier::Several => Route::Decided(Decision::Serve(free(request))),
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

    /// Whether a request without a payment is for free content, and nothing needs the disk.
    pub(super) fn is_free(&self, request: &Request<'_>, carrier: Carrier<'_>) -> bool {
        request.price == 0
            && carrier == Carrier::None
            && !request.place.is_private
            && !self.is_own(request.target)
            && !self.waits_for_prices()
    }

    /// Whether the paywall itself answers requests for this target, whatever price it has.
    pub(super) fn is_own(&self, target: &[u8]) -> bool {
        OwnDocument::of(target, &self.config, self.prices.is_some()).is_some()
    }

    /// The answer to a request for one of the paywall's own documents.
    fn own_answer(&self, request: &Request<'_>, carrier: Carrier<'_>) -> Option<Answer> {
        let own = OwnDocument::of(request.target, &self.config, self.prices.is_some())?;
        let OwnDocument::Published(which) = own else {
            let text = || self.manifest();
            return Some(answer::document(request, carrier, "application/json", text, None));
        };
        let prices = self.prices.as_ref()?.current();
        let published = prices.published(&self.seller(), request)?;
        let media_type = match which {
            Publication::Prices | Publication::OpenApi => "application/json",
            Publication::Llms => "text/plain; charset=utf-8",
        };
        let document = published.document(which);
        let text = || document.text.clone();
        Some(answer::document(request, carrier, media_type, text, Some(&document.etag)))
    }

    /// What the documents about the price list say about the vendor.
    fn seller(&self) -> Seller<'_> {
        Seller {
            vendor: self.config.vendor().as_str(),
            description: self.config.description(),
            coinage: self.accepted.current().coinage(self.clock.now()),
            has_openapi: self.config.has_openapi(),
            has_llms: self.config.has_llms(),
        }
    }

    /// The decision as it applies at the place of the request: in a dry run the content is served.
    /// The paywall's own documents are exempt.
    pub(super) fn as_placed(&self, request: &Request<'_>, decision: Decision) -> Decision {
        let is_tried_out =
            request.place.is_dry_run && request.price > 0 && !self.is_own(request.target);
        if is_tried_out { rehearsed(request, decision) } else { decision }
    }

    fn route_to_page<'a>(&self, ask: Ask<'a>, carrier: Carrier<'a>) -> Route<'a> {
        if ask.request.method == b"OPTIONS" {
            let options = |ask: &Ask<'_>| answer::options(self.config.cors(), ask.request).into();
            return Route::Decided(self.tell(ask, options));
        }
        if let Err(error) = ask.limit {
            return Route::Decided(self.tell(ask, |_| answer::crawler_error(error).into()));
        }
        if ask.is_view() && self.has_receipt(&ask) {
            let serve = |ask: &Ask<'_>| {
                Decision::Serve(served(RequestOutcome::Receipt, ask.request, ask.is_body))
            };
            return Route::Decided(self.tell(ask, serve));
        }
        match carrier {
            Carrier::Header(value) => Route::Header(ask, value),
            Carrier::Body => Route::Body(ask),
            Carrier::None | Carrier::Several
                if self.has_free_views(&ask)
                    || self.accepted.is_due(ask.now)
                    || self.waits_for_prices() =>
            {
                Route::Unpaid(ask)
            }
            Carrier::None | Carrier::Several => {
                Route::Decided(self.tell(ask, |ask| self.unpaid(ask)))
            }
        }
    }
}

/// Calls `with` with the request at the higher of its own price and that of the price list.
pub(super) fn at_list_price<R>(
    listed: Option<ListPrice>,
    request: &Request<'_>,
    with: impl FnOnce(&Request<'_>) -> R,
) -> R {
    let Some(listed) = listed else { return with(request) };
    let receipt_path = listed.receipt_path.as_deref().map(str::as_bytes);
    let place = Place {
        receipt_path: receipt_path.or(request.place.receipt_path),
        charges_redirects: listed.charges_redirects.unwrap_or(request.place.charges_redirects),
        preview: listed.preview.as_ref().or(request.place.preview),
        is_private: listed.is_private || request.place.is_private,
        ..request.place
    };
    with(&Request { price: request.price.max(listed.coins), place, ..*request })
}

fn decided(answer: Answer) -> Route<'static> {
    Route::Decided(answer.into())
}

/// How free content is served. It stays out of caches if others pay for it.
pub(super) fn free(request: &Request<'_>) -> Serve {
    Serve { is_private: request.place.is_private, ..Serve::default() }
}

/// How free content is served to a client that sent a payment with it: the coins were not recorded.
fn returned(request: &Request<'_>, is_body: bool) -> Serve {
    Serve {
        ignore_conditions: is_body,
        is_private: request.place.is_private,
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
        InHeader::Credential(token, _) if is_of_others(token) => Serve::default(),
        // Like every answer to a credential, this one is private to the client that sent it.
        InHeader::Credential(..) => Serve { is_private: true, ..returned(request, false) },
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
