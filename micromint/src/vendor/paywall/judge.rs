//! Judges the payment for one page.
//!
//! Input: a payment message and the request that carries it. Output: a [`Decision`]. The invariant:
//! [`Judged::Serve`] is returned only after the payment was recorded, except in a dry run.

use std::io;

use sha2::{Digest, Sha256};

use super::Paywall;
use super::ask::Ask;
use super::credential::too_late;
use super::sync_wanted::SYNC_WANTED_FILE;
use crate::bin::Bin;
use crate::protocol::{Payment, Refusal, RequestOutcome, STATUS_HEADER};
use crate::scheme::{Challenge, PaymentReceipt, RECEIPT_HEADER};
use crate::till::{Spend, Spent, TillError, fingerprint};
use crate::time::UnixTime;
use crate::vendor::answer::{self, RefusedPayment};
use crate::vendor::carrier::is_authorized_otherwise;
use crate::vendor::challenger::Echo;
use crate::vendor::charge::{Charge, Taken};
use crate::vendor::check::Refused;
use crate::vendor::conditions::Withheld;
use crate::vendor::decision::{Answer, Decision, Serve};
use crate::vendor::request::Request;
use crate::vendor::stripped::stripped_headers;

/// A payment as it was sent.
struct Sent<'a> {
    message: &'a [u8],
    payment: &'a Payment,
    challenge_id: Option<&'a str>,
}

impl Paywall {
    /// Judges the payment for a page. With `challenge` the payment answers a challenge.
    pub(super) fn judge(
        &self,
        ask: &Ask<'_>,
        message: &[u8],
        challenge: Option<&Challenge>,
    ) -> Decision {
        let payment = match Payment::parse(message) {
            Ok(payment) => payment,
            Err(error) => return self.malformed(ask, error.to_string()),
        };
        let echo = challenge.map(|challenge| self.challenger.check(challenge, &ask.url, ask.now));
        if echo == Some(Echo::Foreign) {
            return self.refused(ask, Refusal::InvalidChallenge, Some(payment), None);
        }
        let mut checked = ask.checker.check(&payment, &ask.url, ask.price, ask.now);
        if echo == Some(Echo::Late) {
            checked = Err(too_late(checked));
        }
        // Whose the coins are comes first, so a stranger neither learns of a block nor causes one.
        if let Ok(first_bins) = &checked
            && self.blocked.contains(&payment.user)
        {
            let may_be_recorded = first_bins.first().copied();
            checked = Err(Refused { refusal: Refusal::Blocked, may_be_recorded });
        }
        let fault = ask.checker.fault(&payment.period);
        let challenge_id = challenge.map(|challenge| challenge.id.as_str());
        let sent = Sent { message, payment: &payment, challenge_id };
        let judged = match checked {
            Ok(first_bins) if ask.is_head() => self.retry(ask, &sent, first_bins.first().copied()),
            Ok(first_bins) => match (fault, ask.withheld()) {
                (Some(fault), _) => {
                    self.retry(ask, &sent, first_bins.first().copied()).map(|judged| {
                        if matches!(judged, Judged::Unpaid) {
                            Judged::Unavailable(fault.to_string())
                        } else {
                            judged
                        }
                    })
                }
                (None, None) => self.record(ask, &sent, &first_bins),
                (None, Some(withheld)) => {
                    self.retry(ask, &sent, first_bins.first().copied()).map(|judged| {
                        if matches!(judged, Judged::Unpaid) {
                            Judged::Withheld(withheld)
                        } else {
                            judged
                        }
                    })
                }
            },
            Err(refused) => {
                self.retry(ask, &sent, refused.may_be_recorded).map(|judged| match judged {
                    Judged::Unpaid => Judged::Refused(refused.refusal),
                    retry => retry,
                })
            }
        };
        let period = payment.period.clone();
        let mut decision = match judged {
            Ok(Judged::Serve(serve)) => Decision::Serve(serve),
            Ok(Judged::Refused(refusal)) => {
                let log = self.note(ask, refusal);
                self.refused(ask, refusal, Some(payment), log)
            }
            Ok(Judged::Unpaid) => self.unpaid(ask),
            Ok(Judged::Withheld(withheld)) => {
                let answer = withheld.answer(ask.request.content.unwrap_or_default());
                Answer { user: Some(payment.user.clone()), ..answer }.into()
            }
            Ok(Judged::Unavailable(reason)) => answer::unavailable(reason).into(),
            Err(error) => answer::unavailable(error.to_string()).into(),
        };
        decision.about_mut().period = Some(period);
        decision
    }

    /// Asks for new owners if the payment was refused for want of them. Returns a line for the log
    /// if that fails.
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
        sent: &Sent<'_>,
        first_bins: &[Bin],
    ) -> Result<Judged, Unrecorded> {
        let payment = sent.payment;
        // The period is known: the check of the coins used its parameters.
        let keep_until =
            ask.checker.params(&payment.period).map(|params| params.raw().redeem_until);
        let fingerprint = match self.fingerprint(ask, payment) {
            Some(fingerprint) => fingerprint,
            // A random fingerprint, so that no later payment counts as a retry of this one.
            None => self.unpredictable()?,
        };
        let Payment { period, user, .. } = payment;
        let spend = Spend::new(period, user, first_bins, sent.message, fingerprint)
            .with_receipt_seconds(self.config.receipt_seconds().into())
            .with_keep_until(keep_until.unwrap_or(ask.now))
            .with_cap(self.config.cap());
        let spent = match (ask.is_dry_run(), ask.may_wait) {
            (true, _) => self.till.would(&spend)?,
            (false, true) => Some(self.till.spend(&spend)?),
            (false, false) => Some(self.till.try_spend(&spend).ok_or(Unrecorded::Waits)?),
        };
        Ok(match spent {
            None => {
                let serve = self.opened(ask, RequestOutcome::Paid, sent, ask.now);
                Judged::Serve(Serve { coins: payment.coins, ..serve })
            }
            Some(spent) => self.judged(ask, sent, spent),
        })
    }

    fn judged(&self, ask: &Ask<'_>, sent: &Sent<'_>, spent: Spent) -> Judged {
        match spent {
            Spent::Recorded(id) => {
                let serve = self.opened(ask, RequestOutcome::Paid, sent, ask.now);
                Judged::Serve(Serve {
                    coins: sent.payment.coins,
                    charge: Some(Charge { taken: Taken::Payment(id), taken_at: ask.now }),
                    ..serve
                })
            }
            Spent::Retry { recorded_at } => {
                Judged::Serve(self.opened(ask, RequestOutcome::Retry, sent, recorded_at))
            }
            Spent::PeriodClosed => Judged::Refused(Refusal::Expired),
            Spent::CapReached => Judged::Refused(Refusal::CapReached),
            Spent::AlreadySpent => Judged::Refused(Refusal::Spent),
        }
    }

    /// Serves a payment that must not be recorded now, if it was recorded before.
    fn retry(
        &self,
        ask: &Ask<'_>,
        sent: &Sent<'_>,
        first_bin: Option<Bin>,
    ) -> Result<Judged, Unrecorded> {
        let payment = sent.payment;
        let (Some(first_bin), Some(fingerprint)) = (first_bin, self.fingerprint(ask, payment))
        else {
            return Ok(Judged::Unpaid);
        };
        if !ask.may_wait {
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
                Judged::Serve(self.opened(ask, RequestOutcome::Retry, sent, recorded_at))
            }
            None => Judged::Unpaid,
        })
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
        sent: &Sent<'_>,
        recorded_at: UnixTime,
    ) -> Serve {
        let mut serve = served(outcome, ask.request, ask.is_body);
        serve.user = Some(sent.payment.user.clone());
        let receipt =
            PaymentReceipt::new(sent.payment, recorded_at, sent.challenge_id.map(str::to_string));
        serve.headers.push((RECEIPT_HEADER, receipt.to_header().into()));
        if ask.is_view() {
            let seconds = self.config.receipt_seconds();
            serve.headers.extend(self.receipts(ask, sent.payment.coins, seconds));
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
        let challenge =
            self.challenger.issue(&offer, ask.now, is_authorized_otherwise(ask.request));
        answer::payment_required(&offer, &challenge, ask.request, refused, self.config.page())
    }
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
