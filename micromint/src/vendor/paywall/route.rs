//! Which way a request takes to its decision.
//!
//! Input: the head of a request, and how it carries a payment. Output: a [`Route`]. The invariant:
//! choosing a route never waits for the disk, and checks no payment.

use super::free::{free, free_with};
use super::judge::served;
use super::{Ask, Paywall};
use crate::protocol::RequestOutcome;
use crate::vendor::answer;
use crate::vendor::carrier::{Carrier, InHeader};
use crate::vendor::decision::{Answer, Decision};
use crate::vendor::manifest::OwnDocument;
use crate::vendor::prices::{Publication, Seller};
use crate::vendor::request::Request;

/// How a request is decided.
pub(in crate::vendor) enum Route<'a> {
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

impl Route<'_> {
    /// Whether the decision needs the body.
    pub(in crate::vendor) fn needs_body(&self) -> bool {
        match self {
            Route::Header(ask, _) => !ask.is_view() && ask.idempotency_key().is_some(),
            Route::Body(_) | Route::FreeBody => true,
            Route::Decided(_) | Route::Unpaid(_) | Route::Free | Route::Own(_) => false,
        }
    }
}

impl Paywall {
    pub(in crate::vendor) fn route<'a>(
        &self,
        request: &'a Request<'a>,
        carrier: Carrier<'a>,
    ) -> Route<'a> {
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
    pub(in crate::vendor) fn is_free(&self, request: &Request<'_>, carrier: Carrier<'_>) -> bool {
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

fn decided(answer: Answer) -> Route<'static> {
    Route::Decided(answer.into())
}
