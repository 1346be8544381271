//! What is remembered of one request of a client, across everything that a server makes of it:
//! internal redirects, error pages, phases that are entered again.
//!
//! Input: the places passed, the request, and at the end the status of the response. Output: what
//! the server does next. The invariant: whatever a server calls in which order, at most one charge
//! of a request is in force, and it covers what the request owes when its content is sent.

mod group;

use std::borrow::Cow;
use std::sync::Arc;

pub use self::group::{Asking, ask_all};
use super::passed::{Passed, Rank, counts};
use crate::protocol::RequestOutcome;
use crate::vendor::answer::unavailable;
use crate::vendor::charge::Charge;
use crate::vendor::decision::{About, Answer, Decision, Serve};
use crate::vendor::event::Event;
use crate::vendor::head::HeadChanges;
use crate::vendor::look::{Look, Pending, PendingBuf};
use crate::vendor::paywall::Paywall;
use crate::vendor::request::{Content, Request, RequestBuf};
use crate::vendor::serving::{Vendor, VendorDecision};

/// How far a request has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is decided about what it owes.
    #[default]
    Fresh,
    /// Its body is being read.
    Reading,
    /// Its body was read.
    Read,
    /// Another thread decides.
    Working,
    /// The decision was not carried out yet.
    Decided,
    /// The content is being served.
    Served,
    /// Another answer was sent.
    Answered,
}

/// A decision, or its absence.
#[derive(Debug, Default)]
enum MaybeDecision {
    /// None yet.
    #[default]
    None,
    /// By the paywall.
    Decided(Box<Decision>),
    /// The server's own answer with this status: something failed.
    Failed(u16),
}

/// What a server does next with a request that arrives at its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on: nothing is owed, or what is owed is covered.
    Continue,
    /// Ask the paywall, with [`Visit::ask`].
    Ask,
    /// The body was read: ask, with [`Visit::ask_with_body`].
    AskWithBody,
    /// A body is being read, or another thread decides.
    Wait,
    /// Carry out the decision, with [`Visit::carry_out`].
    CarryOut,
}

/// The result of asking.
pub enum Asked {
    /// Free content of a request without a payment: there is nothing to remember.
    Free,
    /// Carry it out, with [`Visit::carry_out`].
    Decided,
    /// Read the body, at most this many bytes; then [`Visit::ask_with_body`].
    NeedsBody {
        /// The largest useful body, in bytes.
        size_max: usize,
    },
    /// Only a thread that may block can decide; never on [`Thread::Blocking`].
    Pending(Box<Deferred>),
}

/// The thread that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thread {
    /// It must not wait: an event loop.
    Event,
    /// It may wait for the disk.
    Blocking,
}

/// A question for a thread that may block.
pub struct Deferred {
    pending: PendingBuf,
    /// A charge that was too small, to be reversed first.
    reversal: Option<DueReversal>,
}

/// The answer to a [`Deferred`]: for [`Visit::answered`].
pub struct DeferredDecision {
    decided: VendorDecision,
    original: RequestBuf,
}

/// A charge to be reversed, by a thread that may block.
#[derive(Clone)]
pub struct DueReversal {
    paywall: Arc<Paywall>,
    charge: Charge,
    status: u16,
}

/// The header fields of a request that describe its body. A request that is served as a GET without
/// a body has none of them ([`Action::Serve::as_get`]).
pub const CONTENT_FIELDS: &[&str] =
    &["Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Expect"];

/// The header fields of a request that make it conditional (RFC 9110, section 13), but for
/// `If-Range`. Content that is sent in full answers a request without them
/// ([`Action::Serve::ignore_conditions`]).
pub const CONDITION_FIELDS: &[&str] =
    &["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"];

/// What a server does with a request that was decided.
#[derive(Debug)]
pub enum Action {
    /// Let it go on to its content.
    Serve {
        /// Serve as a GET without a body.
        as_get: bool,
        /// Send the content in full whatever copy the client has.
        ignore_conditions: bool,
        /// Request header fields to remove before the content is made.
        strip: &'static [&'static str],
    },
    /// Send this instead.
    Answer(Arc<Answer>),
    /// Send the server's own page for this error.
    Fail(u16),
}

/// How serious a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Error,
    /// A client caused it.
    Info,
}

/// What happens to the head of a response.
pub struct Closing<'a> {
    /// The fields to remove and to add. The content type of an answer is among those to add.
    pub changes: HeadChanges<'a>,
    /// A charge that the head already says is reversed; a thread that may block carries it out.
    pub reversal: Option<DueReversal>,
}

/// A variable for logs and for whatever makes the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The outcome of the request.
    Status,
    /// The price in base coins.
    Price,
    /// The coins that this request recorded.
    Coins,
    /// The User-ID of the payer, or of the sender of a refused payment.
    User,
}

/// One request of a client.
#[derive(Default)]
pub struct Visit {
    stage: Stage,
    /// The server's number of the pass through its phases in which the stage began.
    began_in: u32,
    /// The place with the highest price that was passed.
    owed: Option<Passed>,
    /// The price that the decision is about.
    price: u32,
    /// What the decision covers.
    covered: Rank,
    decided: MaybeDecision,
    /// The paywall that settles the charge.
    paywall: Option<Arc<Paywall>>,
    /// The request as the client sent it, if the decision changed it.
    original: Option<RequestBuf>,
    /// What became of the charge, once the head of the response was made.
    became: Option<RequestOutcome>,
    /// The site sends an error page of its own in place of the answer's body.
    has_error_page: bool,
}

// ---- the places it passes

impl Visit {
    /// The request passed a place. Of several places the one with the highest price counts, of
    /// equal ones the first.
    pub fn pass(&mut self, passed: Passed) {
        if counts(passed.rank(), passed.is_private, self.owed_rank()) {
            self.owed = Some(passed);
        }
    }

    /// How much the places ask that it passed; `None` if none counts.
    pub fn owed_rank(&self) -> Option<Rank> {
        self.owed.as_ref().map(Passed::rank)
    }

    /// What is owed so far.
    pub fn owed(&self) -> u32 {
        self.owed.as_ref().map_or(0, |owed| owed.price)
    }

    /// Whether it owes a price and nothing was decided about it yet.
    pub fn is_unpaid(&self) -> bool {
        match self.stage {
            Stage::Fresh => self.owed() > 0,
            Stage::Reading | Stage::Read | Stage::Working | Stage::Decided => true,
            Stage::Served | Stage::Answered => false,
        }
    }

    /// Whether content would cost more than is covered. What is sent instead of content, such as an
    /// error page, is not asked for its price.
    pub fn owes_more(&self) -> bool {
        self.stage != Stage::Answered && self.owes_more_than(self.covered)
    }

    /// How far it has got.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The price that was decided about.
    pub fn price(&self) -> u32 {
        self.price
    }

    fn owes_more_than(&self, covered: Rank) -> bool {
        self.owed_rank().unwrap_or_default() > covered
    }

    /// What happens to the request now that it arrives at content. `pass` is the server's number of
    /// this pass through its phases; `is_error_page` says that the response will be an error
    /// whatever its content.
    pub fn next(&mut self, pass: u32, is_error_page: bool) -> Next {
        if matches!(self.stage, Stage::Reading | Stage::Working) && self.began_in != pass {
            // The server refused the body, and this is its error page.
            self.stage = Stage::Answered;
        }
        match self.stage {
            Stage::Reading | Stage::Working => Next::Wait,
            Stage::Read => Next::AskWithBody,
            Stage::Decided => Next::CarryOut,
            // Whatever is made now is the page of that answer.
            Stage::Answered => Next::Continue,
            Stage::Fresh | Stage::Served if is_error_page => Next::Continue,
            Stage::Served if !self.owes_more_than(self.covered) => Next::Continue,
            Stage::Fresh | Stage::Served => Next::Ask,
        }
    }
}

// ---- the question and its answer

impl Visit {
    /// Asks the vendor about the request, whose head was read. Of `request`, price and place are
    /// replaced by what is owed.
    pub fn ask(&mut self, vendor: &Vendor, request: &Request<'_>, thread: Thread) -> Asked {
        self.put(vendor, request, thread, false)
    }

    /// Asks again, after [`Asked::NeedsBody`]: with the body, or with `body: None` if it is too
    /// large.
    pub fn ask_with_body(
        &mut self,
        vendor: &Vendor,
        request: &Request<'_>,
        thread: Thread,
    ) -> Asked {
        self.put(vendor, request, thread, true)
    }

    fn put(
        &mut self,
        vendor: &Vendor,
        request: &Request<'_>,
        thread: Thread,
        is_read: bool,
    ) -> Asked {
        let owed = self.owed.take();
        let place = owed.as_ref().map(Passed::place).unwrap_or_default();
        let price = owed.as_ref().map_or(0, |owed| owed.price);
        self.price = price;
        let asked = match self.original.take() {
            // What the client sent, at the price of the place that it was led to.
            Some(before) => before.as_request(|before| {
                let content: Option<Content<'_>> = request.content;
                self.look(vendor, &Request { price, place, content, ..*before }, thread, true)
            }),
            None => self.look(vendor, &Request { price, place, ..*request }, thread, is_read),
        };
        self.owed = owed;
        asked
    }

    fn look(
        &mut self,
        vendor: &Vendor,
        request: &Request<'_>,
        thread: Thread,
        is_read: bool,
    ) -> Asked {
        // A charge is reversed first: the same coins may then be good.
        if let Some(reversal) = self.reversal(402) {
            let pending = PendingBuf::from(request);
            let question = Deferred { pending, reversal: Some(reversal) };
            if thread == Thread::Event {
                return Asked::Pending(Box::new(question));
            }
            self.answered(Some(question.wait(vendor)));
            return Asked::Decided;
        }
        let decided = match look(vendor, request, is_read) {
            Look::Decided(decided) => Ok(decided),
            Look::NeedsBody { size_max } => return Asked::NeedsBody { size_max },
            Look::Pending(pending) if thread == Thread::Blocking => Ok(pending.wait()),
            Look::Pending(pending) => pending.try_now(),
        };
        self.take(request, decided)
    }

    /// Takes a decision about the request, or what another thread must decide.
    fn take(
        &mut self,
        request: &Request<'_>,
        decided: Result<VendorDecision, Pending<'_>>,
    ) -> Asked {
        match decided {
            Ok((Decision::Serve(serve), _)) if serve == Serve::default() => Asked::Free,
            Ok(decided) => {
                self.keep(decided, || RequestBuf::from(request));
                Asked::Decided
            }
            Err(pending) => {
                let pending = pending.to_owned();
                Asked::Pending(Box::new(Deferred { pending, reversal: None }))
            }
        }
    }

    /// Whether a payment was just recorded for it.
    pub fn is_charged(&self) -> bool {
        self.serve().is_some_and(|serve| serve.charge.is_some())
    }

    /// Another thread decides; `pass` is the server's number of this pass.
    pub fn works(&mut self, pass: u32) {
        (self.stage, self.began_in) = (Stage::Working, pass);
    }

    /// The body is being read; `pass` is the server's number of this pass.
    pub fn reads_body(&mut self, pass: u32) {
        (self.stage, self.began_in) = (Stage::Reading, pass);
    }

    /// The body is complete.
    pub fn body_was_read(&mut self) {
        if self.stage == Stage::Reading {
            self.stage = Stage::Read;
        }
    }

    /// Takes the answer of a [`Deferred`]; `None` if its thread failed.
    pub fn answered(&mut self, reply: Option<DeferredDecision>) {
        match reply {
            // It waited for a new price list alone: it is asked about again, and not reported.
            Some(DeferredDecision { decided: (Decision::Serve(serve), _), .. })
                if serve == Serve::default() =>
            {
                self.stage = Stage::Fresh;
            }
            Some(DeferredDecision { decided, original }) => self.keep(decided, || original),
            None => self.fail(500),
        }
    }

    /// The request is answered with `answer`.
    pub fn answer_with(&mut self, answer: Answer) {
        self.price = self.owed();
        self.keep((answer.into(), None), RequestBuf::default);
    }

    /// The request fails with the server's own answer of this status.
    pub fn fail(&mut self, status: u16) {
        self.price = self.owed();
        self.decided = MaybeDecision::Failed(status);
        self.stage = Stage::Decided;
    }

    fn keep(&mut self, decided: VendorDecision, original: impl FnOnce() -> RequestBuf) {
        let (decision, paywall) = decided;
        self.covered = Rank::default();
        if let Decision::Serve(serve) = &decision {
            let is_dry_run = serve.about.is_dry_run;
            self.covered = Rank::new(self.price.max(serve.covers), is_dry_run);
            // Free content of a request without a payment changes nothing.
            if serve.outcome != RequestOutcome::Free {
                self.original = Some(original());
            }
        }
        self.decided = MaybeDecision::Decided(Box::new(decision));
        self.paywall = paywall;
        self.stage = Stage::Decided;
    }

    /// What the server does now that it is decided.
    pub fn carry_out(&mut self) -> Action {
        let (stage, action) = match &self.decided {
            MaybeDecision::Decided(decision) => match &**decision {
                Decision::Serve(Serve {
                    as_get, ignore_conditions, strip_request_headers, ..
                }) => {
                    let (as_get, ignore_conditions) = (*as_get, *ignore_conditions);
                    let strip = *strip_request_headers;
                    (Stage::Served, Action::Serve { as_get, ignore_conditions, strip })
                }
                Decision::Answer(answer) => (Stage::Answered, Action::Answer(Arc::clone(answer))),
            },
            MaybeDecision::Failed(status) => (Stage::Answered, Action::Fail(*status)),
            MaybeDecision::None => (Stage::Answered, Action::Fail(500)),
        };
        self.stage = stage;
        action
    }

    /// The site sends an error page of its own in place of the answer's body. Its head then lacks
    /// the fields that describe the body.
    pub fn set_error_page(&mut self) {
        self.has_error_page = true;
    }

    /// Lines for the server's log about the decision.
    pub fn log_lines(&self) -> impl Iterator<Item = (Severity, &str)> {
        let decision = self.decision();
        let alert = decision.and_then(|decision| decision.about().alert.as_deref());
        let log = self.answer().and_then(|answer| {
            // What a client can cause at will is not an error of the server.
            let severity = match answer.outcome {
                RequestOutcome::Unavailable => Severity::Error,
                _ => Severity::Info,
            };
            Some((severity, answer.log.as_deref()?))
        });
        alert.map(|alert| (Severity::Error, alert)).into_iter().chain(log)
    }

    /// Forgets an answer that is not to be sent after all: what is asked for costs nothing here.
    pub fn withdraw(&mut self) {
        (self.decided, self.stage) = (MaybeDecision::None, Stage::Fresh);
    }

    /// Whether the content is served to a request that was not asked to pay.
    pub fn is_free(&self) -> bool {
        let outcome = self.decision().map(Decision::outcome);
        matches!(outcome, None | Some(RequestOutcome::Free | RequestOutcome::Returned))
    }

    /// Whether anything was decided about it.
    pub fn is_decided(&self) -> bool {
        !matches!(self.decided, MaybeDecision::None)
    }

    /// Whether the body was the payment, so that the content does not get it.
    pub fn replaces_body(&self) -> bool {
        self.serve().is_some_and(|serve| serve.as_get)
    }

    /// What became of the charge, once the head of the response was made.
    pub fn became(&self) -> Option<RequestOutcome> {
        self.became
    }

    /// Whether the content is served and a price is covered: by a payment, a receipt or a free
    /// view.
    pub fn covers_a_price(&self) -> bool {
        self.stage == Stage::Served && self.covered > Rank::default()
    }

    /// Whether the response must be kept out of shared caches.
    pub fn is_private(&self) -> bool {
        self.serve().is_some_and(|serve| serve.is_private)
    }

    fn decision(&self) -> Option<&Decision> {
        match &self.decided {
            MaybeDecision::Decided(decision) => Some(decision),
            MaybeDecision::None | MaybeDecision::Failed(_) => None,
        }
    }

    fn serve(&self) -> Option<&Serve> {
        match self.decision()? {
            Decision::Serve(serve) => Some(serve),
            Decision::Answer(_) => None,
        }
    }

    /// The answer whose own body is sent as the error page for it, if there is one: its head then
    /// has all fields.
    pub fn answer_as_page(&mut self) -> Option<Arc<Answer>> {
        self.has_error_page = false;
        self.answer().map(Arc::clone)
    }

    /// The answer that is sent instead of the content, if there is one.
    pub fn answer(&self) -> Option<&Arc<Answer>> {
        match self.decision()? {
            Decision::Answer(answer) => Some(answer),
            Decision::Serve(_) => None,
        }
    }
}

fn look<'a>(vendor: &'a Vendor, request: &'a Request<'a>, is_read: bool) -> Look<'a> {
    match is_read {
        true => vendor.look_with_body(request),
        false => vendor.look(request),
    }
}

impl Deferred {
    /// Decides. May wait for the disk.
    pub fn wait(self, vendor: &Vendor) -> DeferredDecision {
        let Deferred { pending, reversal } = self;
        let kept = reversal.and_then(|reversal| reversal.carry_out().err());
        if let Some(kept) = kept {
            let original = pending.into_request();
            return DeferredDecision { decided: (unavailable(kept).into(), None), original };
        }
        let (decided, original) = pending.wait(vendor);
        DeferredDecision { decided, original }
    }
}

// ---- its response

impl Visit {
    /// The head of a response, before it is sent; `values` returns the values of all fields of a
    /// name, in any case, that it has. `None` if there is nothing to change: the paywall has no
    /// part in it, or it is an interim answer, which settles nothing.
    ///
    /// On [`Thread::Event`] the head says that a charge is reversed, and [`Closing::reversal`]
    /// carries it out. If the result was an error first, a
    /// server may call it again with the head of the error.
    pub fn close(
        &mut self,
        status: u16,
        thread: Thread,
        values: impl Fn(&str) -> Vec<String>,
    ) -> Option<Closing<'_>> {
        let is_interim = (100..200).contains(&status) && status != 101;
        if is_interim || !matches!(self.stage, Stage::Served | Stage::Answered) {
            return None;
        }
        let mut reversal = None;
        let became = match self.decision()? {
            Decision::Answer(answer) => answer.outcome,
            Decision::Serve(serve) => match (self.became, serve.charge, &self.paywall) {
                (Some(RequestOutcome::Reversed), _, _) => RequestOutcome::Reversed,
                (_, Some(charge), Some(paywall)) if thread == Thread::Blocking => {
                    paywall.finish(&charge, status)
                }
                (_, Some(charge), Some(paywall)) => {
                    let promised = paywall.promise(&charge, status);
                    if promised == RequestOutcome::Reversed && charge.is_payment() {
                        let paywall = Arc::clone(paywall);
                        reversal = Some(DueReversal { paywall, charge, status });
                    }
                    promised
                }
                _ => serve.outcome,
            },
        };
        self.became = Some(became);
        let changes = match self.decision()? {
            Decision::Serve(serve) => serve.head(status, became, values),
            Decision::Answer(answer) if self.has_error_page => answer.head_of_error_page(values),
            Decision::Answer(answer) => answer.head(values),
        };
        Some(Closing { changes, reversal })
    }

    /// Whether the head of a response was made.
    pub fn is_closed(&self) -> bool {
        self.became.is_some()
    }

    /// The charge in force, to be reversed because of an answer of this status.
    fn reversal(&mut self, status: u16) -> Option<DueReversal> {
        let charge = self.serve()?.charge?;
        let paywall = self.paywall.take()?;
        (self.became != Some(RequestOutcome::Reversed)).then_some(DueReversal {
            paywall,
            charge,
            status,
        })
    }
}

impl DueReversal {
    /// Reverses the charge. May wait for the disk.
    ///
    /// # Errors
    /// It stays, with a line for the log: it was retried meanwhile, it is too late, or the till
    /// cannot be written.
    pub fn carry_out(self) -> Result<(), String> {
        let DueReversal { paywall, charge, status } = self;
        match paywall.finish(&charge, status) {
            RequestOutcome::Reversed => Ok(()),
            _ => Err(format!("a payment whose response has status {status} could not be reversed")),
        }
    }
}

// ---- what is reported about it

impl Visit {
    /// The value of a variable; `None` where it has none.
    pub fn variable(&self, variable: Variable) -> Option<Cow<'_, str>> {
        let (outcome, coins, user) = match &self.decided {
            MaybeDecision::Decided(_) if self.became == Some(RequestOutcome::Reversed) => {
                (RequestOutcome::Reversed, 0, None)
            }
            MaybeDecision::Decided(decision) => {
                (decision.outcome(), decision.coins(), decision.user())
            }
            MaybeDecision::Failed(_) => (RequestOutcome::Unavailable, 0, None),
            // Something else answered a request that owed a price.
            MaybeDecision::None if self.owed.is_some() => return None,
            MaybeDecision::None => (RequestOutcome::Free, 0, None),
        };
        match variable {
            Variable::Status => Some(outcome.word().into()),
            Variable::Price => Some(self.price.to_string().into()),
            Variable::Coins => Some(coins.to_string().into()),
            Variable::User => user.map(Cow::Borrowed),
        }
    }

    /// Calls `with` with the event of the request, if anything was decided about it. `status` is
    /// the one that was sent.
    pub fn with_event(&self, status: u16, with: impl FnOnce(&Event<'_>)) {
        match &self.decided {
            MaybeDecision::None => {}
            MaybeDecision::Decided(decision) => {
                with(&decision.event(status, self.became.unwrap_or(decision.outcome())));
            }
            MaybeDecision::Failed(_) => {
                let about = About { price: self.price, ..About::default() };
                let outcome = RequestOutcome::Unavailable;
                let failed = Answer { outcome, status, about, ..Answer::default() };
                with(&Decision::from(failed).event(status, outcome));
            }
        }
    }
}

impl Variable {
    /// All variables.
    pub const ALL: [Variable; 4] =
        [Variable::Status, Variable::Price, Variable::Coins, Variable::User];

    /// The value for a free page that nothing is remembered of.
    pub fn of_free_page(self) -> Option<&'static str> {
        match self {
            Variable::Status => Some(RequestOutcome::Free.word()),
            Variable::Price | Variable::Coins => Some("0"),
            Variable::User => None,
        }
    }
}
