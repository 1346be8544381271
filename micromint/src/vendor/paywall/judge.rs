//! Judges the payment for one page.
//!
//! Input: a payment message and the request that carries it. Output: a [`Decision`]. The invariant:
//! [`Judged::Serve`] is returned only after the payment was recorded, except in a dry run.

use std::io;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Paywall;
use super::ask::Ask;
use super::credential::too_late;
use super::sync_wanted::SYNC_WANTED_FILE;
use crate::bin::Bin;
use crate::coin::Bins;
use crate::params::Params;
use crate::protocol::{Payment, Refusal, RequestOutcome, STATUS_HEADER};
use crate::scheme::{Challenge, PaymentReceipt, RECEIPT_HEADER};
use crate::till::{Spend, Spent, TillError, fingerprint};
use crate::time::UnixTime;
use crate::vendor::answer::{self, RefusedPayment};
use crate::vendor::carrier::{CredentialField, has_login};
use crate::vendor::challenger::Echo;
use crate::vendor::charge::Taken;
use crate::vendor::check::{Checker, Refused};
use crate::vendor::conditions::Withheld;
use crate::vendor::crawler::{self, CRAWLER_CHARGED_HEADER};
use crate::vendor::decision::{Answer, Decision, Serve};
use crate::vendor::request::Request;
use crate::vendor::stripped::stripped_headers;

/// A payment that was checked as far as possible without the till. Owns what it needs, so that
/// another thread can conclude it without a second check.
#[derive(Debug)]
pub(in crate::vendor) struct Checked {
    message: Vec<u8>,
    payment: Payment,
    challenge_id: Option<String>,
    result: Result<Bins, Refused>,
    /// The periods and lists that it was checked with.
    checker: Arc<Checker>,
    now: UnixTime,
}

impl Checked {
    /// Sees a page as it was seen at the check.
    pub(super) fn restore(&self, ask: &mut Ask<'_>) {
        ask.checker = Arc::clone(&self.checker);
        ask.now = self.now;
    }
}

/// The till can only be asked by a thread that may wait. Nothing was recorded.
pub(in crate::vendor) struct WouldBlock;

/// Whether the till may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vendor) enum May {
    /// On a thread that may block.
    Wait,
    /// On an event thread.
    NotWait,
}

impl Paywall {
    /// Checks the payment for a page. With `challenge` the payment answers a challenge. The error
    /// is the answer to a request whose payment cannot be concluded by the till.
    #[allow(clippy::result_large_err, reason = "the error is the answer, and is not passed on")]
    pub(super) fn check(
        &self,
        ask: &Ask<'_>,
        message: Vec<u8>,
        challenge: Option<(&Challenge, CredentialField)>,
    ) -> Result<Checked, Decision> {
        let payment = match Payment::parse(&message) {
            Ok(payment) => payment,
            Err(error) => return Err(self.malformed(ask, error.to_string())),
        };
        let challenge_and_field = challenge;
        let challenge = challenge.map(|(challenge, _)| challenge);
        let echo = challenge.map(|challenge| self.challenger.check(challenge, &ask.url, ask.now));
        // A credential counts only in the field that its challenge selects.
        let is_misplaced = challenge_and_field
            .is_some_and(|(challenge, field)| challenge.header.as_deref() != field.selected_by());
        if echo == Some(Echo::Foreign) || is_misplaced {
            return Err(self.refused(ask, Refusal::InvalidChallenge, Some(payment), None));
        }
        let mut result = ask.checker.check(&payment, &ask.url, ask.price, ask.now);
        if echo == Some(Echo::Late) {
            result = Err(too_late(result));
        }
        // Whose the coins are comes first, so a stranger neither learns of a block nor causes one.
        if let Ok(first_bins) = &result
            && self.blocked.contains(&payment.user)
        {
            let may_be_recorded = first_bins.first().copied();
            result = Err(Refused { refusal: Refusal::Blocked, may_be_recorded });
        }
        if let Ok(first_bins) = &result
            && ask.limit != Ok(None)
            && crawler::fault(ask.request, &self.offer(ask), Some(&payment)).is_some()
        {
            let may_be_recorded = first_bins.first().copied();
            result = Err(Refused { refusal: Refusal::WrongAmount, may_be_recorded });
        }
        let challenge_id = challenge.map(|challenge| challenge.id.as_str().to_string());
        let (checker, now) = (Arc::clone(&ask.checker), ask.now);
        Ok(Checked { message, payment, challenge_id, result, checker, now })
    }

    /// Decides about a checked payment.
    pub(super) fn conclude(
        &self,
        ask: &Ask<'_>,
        checked: &Checked,
        may: May,
    ) -> Result<Decision, WouldBlock> {
        let judged = match self.demand(ask, checked) {
            Demand::Record(first_bins) => self.record(ask, checked, first_bins, may),
            Demand::Recall(first_bin, otherwise) => self
                .retry_or(ask, checked, first_bin, may, otherwise)
                .and_then(|judged| self.unless_spent(ask, checked, may, judged)),
        };
        // Where waiting is allowed, the result may be another one.
        if judged.is_err() && may == May::NotWait {
            return Err(WouldBlock);
        }
        Ok(self.decision(ask, checked, judged))
    }

    /// Decides about several checked payments without waiting. Those that can be recorded now are
    /// recorded together.
    pub(super) fn conclude_group(
        &self,
        payments: &[(Ask<'_>, Box<Checked>)],
    ) -> Vec<Result<Decision, WouldBlock>> {
        let spends: Vec<Option<Spend<'_>>> = payments
            .iter()
            .map(|(ask, checked)| match self.demand(ask, checked) {
                Demand::Record(first_bins) => self.spend(ask, checked, first_bins).ok(),
                Demand::Recall(..) => None,
            })
            .collect();
        let group: Vec<Spend<'_>> = spends.iter().flatten().copied().collect();
        let mut spent = self.till.try_spend_group(&group).into_iter();
        let decisions = payments.iter().zip(&spends).map(|((ask, checked), spend)| {
            if spend.is_none() {
                return self.conclude(ask, checked, May::NotWait);
            }
            let spent = spent.next().flatten().ok_or(WouldBlock)?;
            Ok(self.decision(ask, checked, Ok(self.judged(ask, checked, spent))))
        });
        decisions.collect()
    }

    fn decision(
        &self,
        ask: &Ask<'_>,
        checked: &Checked,
        judged: Result<Judged, Unrecorded>,
    ) -> Decision {
        let payment = &checked.payment;
        let mut decision = match judged {
            Ok(Judged::Serve(serve)) => Decision::Serve(serve),
            Ok(Judged::Refused(refusal)) => {
                let log = self.note(ask, refusal);
                self.refused(ask, refusal, Some(payment.clone()), log)
            }
            Ok(Judged::Unpaid) => self.unpaid(ask),
            Ok(Judged::Withheld(withheld)) => {
                let answer = withheld.answer(ask.request.content.unwrap_or_default());
                Answer { user: Some(payment.user.clone()), ..answer }.into()
            }
            Ok(Judged::Unavailable(reason)) => answer::unavailable(reason).into(),
            Err(error) => answer::unavailable(error.to_string()).into(),
        };
        decision.about_mut().period = Some(payment.period.clone());
        decision
    }

    /// What the till must do about a payment.
    fn demand<'c>(&self, ask: &Ask<'_>, checked: &'c Checked) -> Demand<'c> {
        let first_bins = match &checked.result {
            Ok(first_bins) => first_bins,
            Err(refused) => {
                let otherwise = Judged::Refused(refused.refusal);
                return Demand::Recall(refused.may_be_recorded, otherwise);
            }
        };
        let otherwise = match (ask.checker.fault(&checked.payment.period), ask.withheld()) {
            _ if ask.is_head() => Judged::Unpaid,
            (Some(fault), _) => Judged::Unavailable(fault.to_string()),
            (None, Some(withheld)) => Judged::Withheld(withheld),
            (None, None) => return Demand::Record(first_bins),
        };
        Demand::Recall(first_bins.first().copied(), otherwise)
    }

    /// Asks for new owners if the payment was refused because they are missing. Returns a line for
    /// the log if that fails.
    fn note(&self, ask: &Ask<'_>, refusal: Refusal) -> Option<String> {
        if refusal != Refusal::NotYetKnown || ask.is_dry_run() || ask.is_head() {
            return None;
        }
        let wanted = self.sync_wanted.want(self.till.directory(), ask.now);
        wanted.err().map(|error| format!("{SYNC_WANTED_FILE}: {error}"))
    }

    /// Records a payment whose coins are valid, unless one of them is spent.
    fn record(
        &self,
        ask: &Ask<'_>,
        checked: &Checked,
        first_bins: &[Bin],
        may: May,
    ) -> Result<Judged, Unrecorded> {
        let spend = self.spend(ask, checked, first_bins)?;
        let spent = match (ask.is_dry_run(), may) {
            (true, May::Wait) => self.till.would(&spend)?,
            (true, May::NotWait) => return Err(Unrecorded::Waits),
            (false, May::Wait) => Some(self.till.spend(&spend)?),
            (false, May::NotWait) => Some(self.till.try_spend(&spend).ok_or(Unrecorded::Waits)?),
        };
        Ok(match spent {
            None => {
                let serve = self.opened(ask, RequestOutcome::Paid, checked, ask.now);
                Judged::Serve(Serve { coins: checked.payment.coins, ..serve })
            }
            Some(spent) => self.judged(ask, checked, spent),
        })
    }

    /// What the till records.
    fn spend<'c>(
        &self,
        ask: &Ask<'_>,
        checked: &'c Checked,
        first_bins: &'c [Bin],
    ) -> Result<Spend<'c>, Unrecorded> {
        let payment = &checked.payment;
        // The period is known: the check of the coins used its parameters.
        let keep_until =
            ask.checker.params(&payment.period).map(|params| params.raw().redeem_until);
        let fingerprint = match self.fingerprint(ask, payment) {
            Some(fingerprint) => fingerprint,
            // A random fingerprint, so that no later payment counts as a retry of this one.
            None => self.unpredictable()?,
        };
        let Payment { period, user, .. } = payment;
        Ok(Spend::new(period, user, first_bins, &checked.message, fingerprint)
            .with_receipt_seconds(self.config.receipt_seconds().into())
            .with_keep_until(keep_until.unwrap_or(ask.now))
            .with_cap(self.config.cap()))
    }

    fn judged(&self, ask: &Ask<'_>, checked: &Checked, spent: Spent) -> Judged {
        match spent {
            Spent::Recorded(id) => {
                let serve = self.opened(ask, RequestOutcome::Paid, checked, ask.now);
                Judged::Serve(Serve {
                    coins: checked.payment.coins,
                    charge: Some(ask.charge(Taken::Payment(id))),
                    ..serve
                })
            }
            Spent::Retry { recorded_at } => {
                Judged::Serve(self.opened(ask, RequestOutcome::Retry, checked, recorded_at))
            }
            Spent::PeriodClosed => Judged::Refused(Refusal::Expired),
            Spent::CapReached => Judged::Refused(Refusal::CapReached),
            Spent::AlreadySpent => Judged::Refused(Refusal::Spent),
        }
    }

    /// Serves a payment that must not be recorded now, if it was recorded before; `otherwise` if
    /// not.
    fn retry_or(
        &self,
        ask: &Ask<'_>,
        checked: &Checked,
        first_bin: Option<Bin>,
        may: May,
        otherwise: Judged,
    ) -> Result<Judged, Unrecorded> {
        let payment = &checked.payment;
        let (Some(first_bin), Some(fingerprint)) = (first_bin, self.fingerprint(ask, payment))
        else {
            return Ok(otherwise);
        };
        if may == May::NotWait {
            return Err(Unrecorded::Waits);
        }
        let seconds = self.config.receipt_seconds().into();
        let till = &self.till;
        let found = match ask.is_dry_run() {
            true => till.had_retry(&payment.period, first_bin, &fingerprint, seconds)?,
            false => till.find_retry(&payment.period, first_bin, &fingerprint, seconds)?,
        };
        Ok(match found {
            Some(recorded_at) => {
                Judged::Serve(self.opened(ask, RequestOutcome::Retry, checked, recorded_at))
            }
            None => otherwise,
        })
    }

    /// A payment that would not be recorded, because no content is sent, is refused like any other
    /// if its coins are spent: a spent coin opens nothing, not even the version of a file.
    fn unless_spent(
        &self,
        ask: &Ask<'_>,
        checked: &Checked,
        may: May,
        judged: Judged,
    ) -> Result<Judged, Unrecorded> {
        let (Judged::Withheld(_), Ok(first_bins)) = (&judged, &checked.result) else {
            return Ok(judged);
        };
        if may == May::NotWait {
            return Err(Unrecorded::Waits);
        }
        let spend = self.spend(ask, checked, first_bins)?;
        let spent = self.till.would(&spend)?;
        Ok(spent.map_or(judged, |spent| self.judged(ask, checked, spent)))
    }

    /// What a retry must have in common with this payment; `None` if it cannot be retried. A page
    /// may be viewed again; other methods are repeated only with the same Idempotency-Key and body.
    /// All are bound to the host that was asked: a server may have another page with another price
    /// under the same URL at another host.
    fn fingerprint(&self, ask: &Ask<'_>, payment: &Payment) -> Option<[u8; 32]> {
        let host = ask.host.to_bytes();
        if ask.is_view() {
            return Some(fingerprint(payment, &[&host]));
        }
        let (key, body) = (ask.idempotency_key()?, ask.request.body?);
        Some(fingerprint(payment, &[&host, ask.request.method, key, &Sha256::digest(body)]))
    }

    fn unpredictable(&self) -> Result<[u8; 32], Unrecorded> {
        let mut bytes = [0; 32];
        self.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// How a page is served after its payment was recorded. Receipts are for viewing, so methods
    /// other than GET get none.
    fn opened(
        &self,
        ask: &Ask<'_>,
        outcome: RequestOutcome,
        checked: &Checked,
        recorded_at: UnixTime,
    ) -> Serve {
        let mut serve = served(outcome, ask.request, ask.is_body);
        serve.user = Some(checked.payment.user.clone());
        let Payment { period, coins, .. } = &checked.payment;
        serve.covers = ask.checker.base_coins(period, *coins);
        let receipt =
            PaymentReceipt::new(&checked.payment, recorded_at, checked.challenge_id.clone());
        serve.headers.push((RECEIPT_HEADER, receipt.to_header().into()));
        if outcome == RequestOutcome::Paid && ask.limit != Ok(None) {
            let value = ask.checker.params(&checked.payment.period).map(Params::coin_value);
            let charged = value.and_then(|value| {
                crawler::charged(ask.request, value.checked_mul(checked.payment.coins.into())?)
            });
            serve.headers.extend(charged.map(|money| (CRAWLER_CHARGED_HEADER, money.into())));
        }
        if ask.is_view() {
            let seconds = self.config.receipt_seconds();
            serve.headers.extend(self.receipts(ask, serve.covers, seconds));
        }
        serve
    }

    pub(super) fn unpaid(&self, ask: &Ask<'_>) -> Decision {
        self.payment_required(ask, None).into()
    }

    pub(super) fn malformed(&self, ask: &Ask<'_>, log: String) -> Decision {
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
        self.payment_required(ask, Some(RefusedPayment { refusal, payment, log })).into()
    }

    /// 402, with a request for payment.
    pub(super) fn payment_required(
        &self,
        ask: &Ask<'_>,
        refused: Option<RefusedPayment>,
    ) -> Answer {
        let offer = self.offer(ask);
        let challenge = self.challenger.issue(&offer.request, ask.now, has_login(ask.request));
        answer::payment_required(&offer, &challenge, ask.request, refused, &self.config)
    }
}

/// What the till must do about a payment.
#[allow(clippy::large_enum_variant, reason = "short-lived; a box would cost every payment")]
enum Demand<'c> {
    /// Record it, with these coins, unless one of them is spent.
    Record(&'c [Bin]),
    /// Say whether it was recorded before, with this coin first; otherwise this is the judgement.
    Recall(Option<Bin>, Judged),
}

/// The judgement of a payment.
enum Judged {
    /// The payment is recorded, and the page is served.
    Serve(Serve),
    /// The payment is refused.
    Refused(Refusal),
    /// The payment was not recorded before and must not be recorded now.
    Unpaid,
    /// The payment is valid but was not recorded, since the page is not sent.
    Withheld(Withheld),
    /// Whether the payment is valid cannot be decided, for this reason.
    Unavailable(String),
}

/// A payment cannot be recorded.
#[derive(Debug, thiserror::Error)]
enum Unrecorded {
    #[error("recording would have to wait for the till")]
    Waits,
    #[error("till: {0}")]
    Till(#[from] TillError),
    #[error("random numbers cannot be read: {0}")]
    Entropy(#[from] io::Error),
}

/// How a paid page is served.
pub(super) fn served(outcome: RequestOutcome, request: &Request<'_>, is_body: bool) -> Serve {
    // Capacity for the fields of a payment.
    let mut headers = Vec::with_capacity(3);
    headers.push((STATUS_HEADER, outcome.word().into()));
    Serve {
        outcome,
        as_get: is_body,
        ignore_conditions: is_body,
        is_private: true,
        strip_request_headers: stripped_headers(request, is_body),
        headers,
        ..Serve::default()
    }
}
