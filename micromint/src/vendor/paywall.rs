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
mod folder;
mod free;
mod free_view;
mod judge;
mod opening;
mod quotes;
mod route;
mod sync_wanted;

use std::sync::Arc;

pub(super) use self::ask::Ask;
use self::dry_run::rehearsed;
pub(super) use self::files::open_prices;
pub(super) use self::folder::Owner;
pub(super) use self::free::free;
use self::free::free_post;
pub(super) use self::judge::{Checked, May, WouldBlock};
pub use self::opening::{PaywallError, PaywallParts};
pub(super) use self::quotes::Quoted;
use self::quotes::Quotes;
pub(super) use self::route::Route;
pub use self::sync_wanted::SYNC_WANTED_FILE;
use self::sync_wanted::SyncWanted;
use super::accepted::Accepted;
use super::answer;
use super::blocked::BlockedUsers;
use super::carrier::{self, Carrier, InHeader};
use super::challenger::Challenger;
use super::charge::{Charge, Taken};
use super::config::VendorConfig;
use super::decision::{Answer, Decision};
use super::exempt::Exemptions;
use super::manifest::manifest;
use super::prices::{ListPrice, Prices};
use super::request::{Place, Request};
use super::views::FreeViews;
use crate::authenticator::Key;
use crate::host::{Clock, Entropy};
use crate::period::Period;
use crate::protocol::RequestOutcome;
use crate::till::{REVERSAL_SECONDS, Reversal, Till, TillTotals};
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

/// No reversal is promised in this many last seconds of its time limit, because it may have to wait
/// for a thread.
const PROMISE_MARGIN_SECONDS: i64 = 30;

/// What a route leads to before the till is asked.
pub(super) enum Examined<'a> {
    /// The answer.
    Decided(Decision),
    /// No payment; the visitor may have free views.
    Free(Ask<'a>),
    /// A payment for the till.
    Payment(Ask<'a>, Box<Checked>),
}

impl Paywall {
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
    /// The list is that which was last read: [`Paywall::decide_listed`] looks for a new one first.
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

    /// Decides at the price that a request owes, as [`Paywall::with_list_price`] says, by the list
    /// as it is now. May wait for the disk.
    ///
    /// ```no_run
    /// # fn decided(paywall: &micromint::vendor::Paywall) -> micromint::vendor::Decision {
    /// use micromint::vendor::Request;
    ///
    /// let request = Request { method: b"GET", target: b"/story", ..Request::default() };
    /// paywall.decide_listed(&request)
    /// # }
    /// ```
    pub fn decide_listed(&self, request: &Request<'_>) -> Decision {
        let alert = self.refresh_prices(self.clock.now());
        let mut decision = self.with_list_price(request, |request| self.decide(request));
        decision.add_alert(alert);
        decision
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
        decision.add_alert(alert);
        self.as_placed(request, decision)
    }

    /// Whether a payment must wait until periods, lists or prices were examined.
    pub(super) fn is_due(&self) -> bool {
        let now = self.clock.now();
        self.accepted.is_due(now)
            || self.blocked.is_due(now)
            || self.prices.as_ref().is_some_and(|prices| prices.is_due(now))
    }

    /// The request waits for the disk, and with it an examination of the prices that is due: other
    /// requests need not.
    pub(super) fn delay_prices(&self) {
        if let Some(prices) = &self.prices {
            prices.delay(self.clock.now());
        }
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

    /// The decision as it applies at the place of the request: in a dry run the content is served.
    /// The paywall's own documents are exempt.
    pub(super) fn as_placed(&self, request: &Request<'_>, decision: Decision) -> Decision {
        let is_tried_out =
            request.place.is_dry_run && request.price > 0 && !self.is_own(request.target);
        if is_tried_out { rehearsed(request, decision) } else { decision }
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
