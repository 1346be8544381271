//! A request for a payable page, as messages name it.

use std::borrow::Cow;
use std::sync::Arc;

use super::Paywall;
use crate::protocol::{RequestPayment, Url};
use crate::time::UnixTime;
use crate::vendor::answer;
use crate::vendor::charge::{Charge, Taken};
use crate::vendor::check::Checker;
use crate::vendor::conditions::{Withheld, withheld};
use crate::vendor::cors::CorsPolicy;
use crate::vendor::crawler::{CrawlerError, CrawlerLimit};
use crate::vendor::decision::{Answer, Decision};
use crate::vendor::normal_path::{NormalPath, path_and_query};
use crate::vendor::offer::Offer;
use crate::vendor::origin::{AskedHost, TargetFault};
use crate::vendor::price::PriceError;
use crate::vendor::receipt::{AskedPage, NewReceipt, Scope, parse_receipt_path};
use crate::vendor::request::Request;

/// A request for a payable page, as messages name it.
pub(in crate::vendor) struct Ask<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) url: Url,
    /// In base coins.
    pub(super) price: u32,
    pub(super) now: UnixTime,
    /// The payment is the body of a POST, which is served as a GET.
    pub(super) is_body: bool,
    /// The host that was asked.
    pub(super) host: AskedHost<'a>,
    /// The receipt path of the place, as clients see it.
    pub(super) receipt_path: Option<Cow<'a, str>>,
    /// The accepted periods and lists, fixed for this request.
    pub(super) checker: Arc<Checker>,
    /// What a crawler says of its limit, where crawlers are told prices.
    pub(super) limit: Result<Option<CrawlerLimit>, CrawlerError>,
}

impl Ask<'_> {
    /// Whether it is a page view, which receipts and retries open again.
    pub(super) fn is_view(&self) -> bool {
        self.is_body || self.is_head() || self.request.method == b"GET"
    }

    pub(super) fn is_dry_run(&self) -> bool {
        self.request.place.is_dry_run
    }

    pub(super) fn is_head(&self) -> bool {
        self.request.method == b"HEAD"
    }

    /// The charge for something that was taken for this page. A redirect that answers another
    /// method than GET has done its work.
    pub(super) fn charge(&self, taken: Taken) -> Charge {
        let charges_redirects = !self.is_view() || self.request.place.charges_redirects;
        Charge { taken, taken_at: self.now, charges_redirects }
    }

    /// The request's Idempotency-Key; `None` if it is absent or repeated.
    pub(super) fn idempotency_key(&self) -> Option<&[u8]> {
        let mut keys = self.request.header_values("idempotency-key");
        keys.next().filter(|_| keys.next().is_none())
    }

    /// What the request's own conditions withhold, if the content is known.
    pub(super) fn withheld(&self) -> Option<Withheld> {
        withheld(self.request, &self.request.content?, self.is_body)
    }

    /// A decision, completed with what the request was about and the CORS fields.
    pub(super) fn complete(self, cors: &CorsPolicy, mut decision: Decision) -> Decision {
        let about = decision.about_mut();
        about.price = self.price;
        about.url = Some(self.url.into_string());
        cors.add_to(decision.merge_mut(), self.request);
        decision
    }
}

/// Whether a page is certainly under a receipt path. A target that contents may read as a page
/// elsewhere has a receipt of its own, so that a receipt for one folder opens no other.
fn is_within(target: &[u8], receipt_path: &str) -> bool {
    path_and_query(target)
        .is_some_and(|(path, _)| NormalPath::is_within(path, receipt_path.as_bytes()))
}

impl Paywall {
    /// The decision of `decide` about a page, completed.
    pub(super) fn tell(&self, ask: Ask<'_>, decide: impl FnOnce(&Ask<'_>) -> Decision) -> Decision {
        let decision = decide(&ask);
        ask.complete(self.config.cors(), decision)
    }

    /// The payable page that a request asks for.
    pub(super) fn ask<'a>(
        &self,
        request: &'a Request<'a>,
        is_body: bool,
    ) -> Result<Ask<'a>, Box<Answer>> {
        let checker = self.accepted.current();
        if request.price > checker.price_max() {
            let found = format!("{:?}", request.price.to_string());
            let max = checker.price_max();
            let error = PriceError::TooHigh { found, max };
            return Err(answer::price_unreadable(&error, "price").into());
        }
        let host = AskedHost::of(request, self.config.origins());
        let root = host
            .pick(self.config.origins())
            .ok_or_else(|| answer::unavailable("no origin is configured".to_string()))?;
        let url = root.url(request.target).map_err(|fault| match fault {
            TargetFault::TooLong => answer::bad_request(414, "The URL is too long for a payment."),
            TargetFault::Wrong => answer::bad_request(
                400,
                "The URL contains characters that the URL of a payable page cannot have.",
            ),
        })?;
        // Servers validate the path when they read their configuration; an invalid one is ignored.
        let receipt_path = request
            .place
            .receipt_path
            .and_then(|path| parse_receipt_path(path).unwrap_or_default())
            .filter(|path| is_within(request.target, path))
            .map(|path| root.public_path(path));
        Ok(Ask {
            request,
            url,
            price: request.price,
            now: self.clock.now(),
            is_body,
            host,
            receipt_path,
            checker,
            limit: match self.config.has_crawler_prices() {
                true => CrawlerLimit::of(request),
                false => Ok(None),
            },
        })
    }

    /// Whether the request holds a receipt for what it asks for.
    pub(super) fn has_receipt(&self, ask: &Ask<'_>) -> bool {
        let (url, host, price) = (&ask.url, &ask.host, ask.price);
        let page = AskedPage { url, host, receipt_path: ask.receipt_path.as_deref(), price };
        page.is_covered(&self.receipt_key, ask.now, ask.request)
    }

    /// The receipt for `paid` base coins, valid for this many seconds, and what deletes old
    /// receipts: fields of the answer.
    pub(super) fn receipts(
        &self,
        ask: &Ask<'_>,
        paid: u32,
        seconds: u32,
    ) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let host = ask.host.to_bytes();
        // A retry may have been paid before the price rose: it opens the page only, not the path.
        let receipt_path = ask.receipt_path.as_deref().filter(|_| paid >= ask.price);
        let scope = Scope::at(&ask.url, &host, receipt_path);
        let receipt = NewReceipt { scope, price: paid, now: ask.now, seconds };
        let cookies = receipt.set_cookies(&self.receipt_key, ask.request);
        cookies.into_iter().map(|cookie| ("Set-Cookie", cookie.into()))
    }

    /// The price of the page, as a message.
    pub(super) fn offer(&self, ask: &Ask<'_>) -> Offer {
        let prices = ask.checker.prices_at(ask.price, ask.now);
        let request = RequestPayment {
            url: ask.url.clone(),
            vendor: self.config.vendor().clone(),
            broker: ask.checker.broker().to_string(),
            prices,
            description: self.config.description().to_string(),
        };
        Offer { request, price: ask.price }
    }
}
