//! One question and one answer: what a server does with a request whose head it has read.
//!
//! Input: a request. Output: a [`Look`]. The invariants: looking never waits for the disk; a
//! payment is checked once, whichever thread concludes it; a payment that would block was not
//! recorded.

use std::sync::Arc;

use super::carrier::Carrier;
use super::decision::{Decision, Serve};
use super::paywall::{Ask, Checked, Examined, May, Paywall, Quoted, Route, WouldBlock, free};
use super::request::{Request, RequestBuf};
use super::serving::{Vendor, VendorDecision};
use crate::protocol::PAYMENT_SIZE_MAX;

/// What a server does with a request whose head was read. Exhaustive on purpose: a server must
/// handle every case.
#[allow(clippy::large_enum_variant, reason = "a free page must not cost an allocation")]
pub enum Look<'a> {
    /// It is decided; the disk was not accessed.
    Decided(VendorDecision),
    /// Read the body, then look again with it; if it is larger than `size_max`, with `body: None`.
    /// Unless the decision sets [`Serve::as_get`], pass the body to the content too.
    NeedsBody {
        /// The largest useful body, in bytes.
        size_max: usize,
    },
    /// The till decides. [`Pending::try_now`] does not wait for it, [`Pending::wait`] does.
    Pending(Pending<'a>),
}

impl<'a> Look<'a> {
    /// The decision, unless the body or the till is needed.
    pub fn decided(self) -> Option<Decision> {
        match self {
            Look::Decided((decision, _)) => Some(decision),
            Look::NeedsBody { .. } | Look::Pending(_) => None,
        }
    }

    /// What the till must decide, if it must.
    pub fn pending(self) -> Option<Pending<'a>> {
        match self {
            Look::Pending(pending) => Some(pending),
            Look::Decided(_) | Look::NeedsBody { .. } => None,
        }
    }
}

/// A request that only the till can decide about, or the disk.
pub struct Pending<'a> {
    /// The vendor, if the paywall belongs to one: it reopens a paywall that cannot record.
    vendor: Option<&'a Vendor>,
    /// `None`: it was never open.
    paywall: Option<Arc<Paywall>>,
    request: &'a Request<'a>,
    work: Work<'a>,
}

/// What remains to be done.
#[allow(clippy::large_enum_variant, reason = "short-lived; a box would cost every payment")]
enum Work<'a> {
    /// Everything.
    Everything,
    /// What a route leads to.
    Route(Route<'a>),
    /// The till's part of a payment.
    Till(Box<Checked>),
}

/// A request that was examined on a thread that must not wait.
#[allow(clippy::large_enum_variant, reason = "short-lived; a box would cost every payment")]
enum Tried<'a> {
    /// It is decided.
    Decided(VendorDecision),
    /// The till decides about a payment.
    Payment(Pending<'a>, Arc<Paywall>, Ask<'a>, Box<Checked>),
}

/// A [`Pending`] that another thread can wait for.
pub struct PendingBuf {
    request: RequestBuf,
    checked: Option<Box<Checked>>,
}

impl Paywall {
    /// Looks at a request whose head was read. Non-blocking, without access to the disk. For a free
    /// page without a payment it only examines the names of the headers.
    pub fn look<'a>(self: &Arc<Self>, request: &'a Request<'a>) -> Look<'a> {
        self.look_for(None, request, Carrier::of(request))
    }

    /// Looks again, after [`Look::NeedsBody`]: with the body, or with `body: None` if it is too
    /// large. Never returns [`Look::NeedsBody`].
    pub fn look_with_body<'a>(self: &Arc<Self>, request: &'a Request<'a>) -> Look<'a> {
        self.look_with_body_for(None, request)
    }

    fn look_for<'a>(
        self: &Arc<Self>,
        vendor: Option<&'a Vendor>,
        request: &'a Request<'a>,
        carrier: Carrier<'a>,
    ) -> Look<'a> {
        if self.is_free(request, carrier) {
            // Nearly all requests end here. A decision is large, so it is built in place.
            return Look::Decided((Decision::Serve(Serve::default()), None));
        }
        let question = match self.quoted(request, carrier) {
            Quoted::Known(answer) => return Look::Decided((Decision::Answer(answer), None)),
            Quoted::Unknown(question) => Some(question),
            Quoted::Never => None,
        };
        match self.route(request, carrier) {
            Route::Decided(decision) => {
                if let Some(question) = question {
                    self.keep(question, &decision);
                }
                Look::Decided((self.as_placed(request, decision), None))
            }
            route if route.needs_body() && request.body.is_none() => {
                Look::NeedsBody { size_max: PAYMENT_SIZE_MAX }
            }
            route => {
                if matches!(route, Route::Free | Route::Unpaid(_) | Route::Own(_)) {
                    self.delay_prices();
                }
                Look::Pending(self.pending(vendor, request, Work::Route(route)))
            }
        }
    }

    fn look_with_body_for<'a>(
        self: &Arc<Self>,
        vendor: Option<&'a Vendor>,
        request: &'a Request<'a>,
    ) -> Look<'a> {
        match self.route(request, Carrier::of(request)) {
            Route::Decided(decision) => Look::Decided((self.as_placed(request, decision), None)),
            route => Look::Pending(self.pending(vendor, request, Work::Route(route))),
        }
    }

    fn pending<'a>(
        self: &Arc<Self>,
        vendor: Option<&'a Vendor>,
        request: &'a Request<'a>,
        work: Work<'a>,
    ) -> Pending<'a> {
        Pending { vendor, paywall: Some(Arc::clone(self)), request, work }
    }
}

impl Vendor {
    /// Looks at a request whose head was read. Non-blocking, without access to the disk.
    pub fn look<'a>(&'a self, request: &'a Request<'a>) -> Look<'a> {
        let carrier = Carrier::of(request);
        match self.to_ask() {
            Some(paywall) => paywall.look_for(Some(self), request, carrier),
            None if needs_body_unseen(request, carrier) => {
                Look::NeedsBody { size_max: PAYMENT_SIZE_MAX }
            }
            None => self.look_while_closed(request),
        }
    }

    /// Looks again, after [`Look::NeedsBody`]: with the body, or with `body: None` if it is too
    /// large. Never returns [`Look::NeedsBody`].
    pub fn look_with_body<'a>(&'a self, request: &'a Request<'a>) -> Look<'a> {
        match self.to_ask() {
            Some(paywall) => paywall.look_with_body_for(Some(self), request),
            None => self.look_while_closed(request),
        }
    }

    /// Whether a request brings a payment that can be decided without waiting, unless the till is
    /// busy: it is worth deciding together with others.
    pub(super) fn may_group(&self, request: &Request<'_>) -> bool {
        let carrier = Carrier::of(request);
        matches!(carrier, Carrier::Header(_) | Carrier::Body)
            && !needs_body_unseen(request, carrier)
            && self.to_record().is_some_and(|paywall| paywall.is_ready(request))
    }

    /// The paywall was never open: only free pages are served.
    fn look_while_closed<'a>(&'a self, request: &'a Request<'a>) -> Look<'a> {
        if request.price == 0 {
            return Look::Decided((Decision::Serve(free(request)), None));
        }
        let work = Work::Everything;
        Look::Pending(Pending { vendor: Some(self), paywall: None, request, work })
    }
}

impl<'a> Pending<'a> {
    /// Decides if that needs no lock, sync or disk access that would block: for an event thread,
    /// before it hands the request to another thread. `Request::content` must be set already, if it
    /// is known.
    ///
    /// # Errors
    /// It would block. Nothing was recorded; what was checked is not checked again.
    #[allow(clippy::result_large_err, reason = "the caller continues with the error")]
    pub fn try_now(self) -> Result<VendorDecision, Pending<'a>> {
        let (mut pending, paywall, ask, checked) = match self.examined()? {
            Tried::Decided(decided) => return Ok(decided),
            Tried::Payment(pending, paywall, ask, checked) => (pending, paywall, ask, checked),
        };
        match paywall.conclusion(ask, &checked, May::NotWait) {
            Ok(decision) => Ok((paywall.as_placed(pending.request, decision), Some(paywall))),
            Err(WouldBlock) => {
                pending.work = Work::Till(checked);
                Err(pending)
            }
        }
    }

    /// Decides about several requests as [`Pending::try_now`] does. Their payments are recorded
    /// together, as by [`Till::try_spend_group`](crate::till::Till::try_spend_group). Returns a
    /// result for each, in their order.
    pub(crate) fn try_all(all: Vec<Pending<'a>>) -> Vec<Result<VendorDecision, Pending<'a>>> {
        let count = all.len();
        let mut results: Vec<Option<Result<VendorDecision, Pending<'a>>>> =
            Vec::with_capacity(count);
        let (mut group, mut payments) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut by: Option<Arc<Paywall>> = None;
        for (at, pending) in all.into_iter().enumerate() {
            results.push(match pending.examined() {
                Ok(Tried::Decided(decided)) => Some(Ok(decided)),
                Err(pending) => Some(Err(pending)),
                Ok(Tried::Payment(mut pending, paywall, ask, checked)) => {
                    // All are of one vendor, so its paywall changes only if it was just reopened.
                    if Arc::ptr_eq(by.get_or_insert_with(|| Arc::clone(&paywall)), &paywall) {
                        payments.push((ask, checked));
                        group.push((at, pending));
                        None
                    } else {
                        pending.work = Work::Till(checked);
                        Some(Err(pending))
                    }
                }
            });
        }
        if let Some(paywall) = by {
            let decisions = paywall.conclusions(payments);
            for ((at, mut pending), decision) in group.into_iter().zip(decisions) {
                results[at] = Some(match decision {
                    Ok(decision) => {
                        let decision = paywall.as_placed(pending.request, decision);
                        Ok((decision, Some(Arc::clone(&paywall))))
                    }
                    Err(checked) => {
                        pending.work = Work::Till(checked);
                        Err(pending)
                    }
                });
            }
        }
        // Each of the group has a conclusion.
        results.into_iter().flatten().collect()
    }

    /// Checks what can be checked without the till. The error is a request that only a thread that
    /// may block decides about.
    #[allow(clippy::result_large_err, reason = "the caller continues with the error")]
    fn examined(mut self) -> Result<Tried<'a>, Pending<'a>> {
        let has_failed = self.vendor.is_some_and(Vendor::has_failed);
        let Some(paywall) =
            self.paywall.clone().filter(|paywall| !has_failed && paywall.is_ready(self.request))
        else {
            return Err(self);
        };
        // What was checked stays checked, and free views need the disk.
        if !matches!(self.work, Work::Route(Route::Header(..) | Route::Body(_) | Route::FreeBody)) {
            return Err(self);
        }
        let Work::Route(route) = std::mem::replace(&mut self.work, Work::Everything) else {
            return Err(self);
        };
        match paywall.examine(self.request, route) {
            Examined::Decided(decision) => {
                let decision = paywall.as_placed(self.request, decision);
                Ok(Tried::Decided((decision, Some(paywall))))
            }
            Examined::Free(ask) => {
                self.work = Work::Route(Route::Unpaid(ask));
                Err(self)
            }
            Examined::Payment(ask, checked) => Ok(Tried::Payment(self, paywall, ask, checked)),
        }
    }

    /// Decides. May wait for the disk, and opens the vendor's paywall again if it could not record.
    pub fn wait(self) -> VendorDecision {
        let Pending { vendor, paywall, request, work } = self;
        let has_failed = vendor.is_some_and(Vendor::has_failed);
        let Some(paywall) = paywall.filter(|_| !has_failed) else {
            return decide_whole(vendor, None, request);
        };
        let decision = match work {
            Work::Till(checked) => paywall.conclude_checked(request, &checked),
            // Periods and lists are read again first.
            Work::Route(_) if paywall.is_due() => paywall.decide(request),
            Work::Route(route) => paywall.as_placed(request, paywall.follow(request, route)),
            Work::Everything => return decide_whole(vendor, Some(paywall), request),
        };
        watched(vendor, paywall, decision)
    }

    /// The same for another thread, with a copy of the request. What was checked stays checked.
    pub fn to_owned(self) -> PendingBuf {
        let request = RequestBuf::from(self.request);
        let checked = match self.work {
            Work::Till(checked) => Some(checked),
            Work::Everything | Work::Route(_) => None,
        };
        PendingBuf { request, checked }
    }
}

impl From<&Request<'_>> for PendingBuf {
    /// Nothing is checked yet.
    fn from(request: &Request<'_>) -> PendingBuf {
        PendingBuf { request: RequestBuf::from(request), checked: None }
    }
}

impl PendingBuf {
    /// Decides. May wait for the disk, and opens the vendor's paywall if necessary. Returns the
    /// request too.
    pub fn wait(self, vendor: &Vendor) -> (VendorDecision, RequestBuf) {
        let PendingBuf { request, checked } = self;
        let decided = request.as_request(|request| match (checked, vendor.to_record()) {
            (Some(checked), Some(paywall)) => {
                let decision = paywall.conclude_checked(request, &checked);
                watched(Some(vendor), paywall, decision)
            }
            _ => vendor.decide(request),
        });
        (decided, request)
    }

    /// The request alone.
    pub(crate) fn into_request(self) -> RequestBuf {
        self.request
    }
}

/// Whether a paywall may need the body of this request, which was not read yet.
fn needs_body_unseen(request: &Request<'_>, carrier: Carrier<'_>) -> bool {
    request.price > 0
        && request.body.is_none()
        && match carrier {
            Carrier::Body => true,
            Carrier::Header(_) => {
                !matches!(request.method, b"GET" | b"HEAD")
                    && request.header_values("idempotency-key").next().is_some()
            }
            Carrier::None | Carrier::Several => false,
        }
}

fn decide_whole(
    vendor: Option<&Vendor>,
    paywall: Option<Arc<Paywall>>,
    request: &Request<'_>,
) -> VendorDecision {
    match (vendor, paywall) {
        (Some(vendor), _) => vendor.decide(request),
        (None, Some(paywall)) => (paywall.decide(request), Some(paywall)),
        // A look without a vendor has a paywall.
        (None, None) => (Decision::Serve(Serve::default()), None),
    }
}

fn watched(vendor: Option<&Vendor>, paywall: Arc<Paywall>, decision: Decision) -> VendorDecision {
    let decision = match vendor {
        Some(vendor) => vendor.watched(&paywall, decision),
        None => decision,
    };
    (decision, Some(paywall))
}
