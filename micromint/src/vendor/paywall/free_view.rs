//! Free views: the first pages that a visitor sees on a day.

use super::Paywall;
use super::ask::Ask;
use super::judge::served;
use crate::protocol::RequestOutcome;
use crate::time::{DAY_SECONDS, UnixTime};
use crate::vendor::charge::Taken;
use crate::vendor::config::RECEIPT_SECONDS_MIN;
use crate::vendor::decision::Decision;
use crate::vendor::views::Take;

impl Paywall {
    /// Whether the visitor may have free views here. Only GET counts: HEAD asks for the price.
    pub(super) fn has_free_views(&self, ask: &Ask<'_>) -> bool {
        let request = ask.request;
        request.place.free_views > 0 && request.client.is_some() && request.method == b"GET"
    }

    /// Decides about a request without a payment: serves the page if the visitor has free views
    /// left, otherwise answers with the price. A view that cannot be counted is not free.
    pub(super) fn unpaid_or_free(&self, ask: &Ask<'_>) -> Decision {
        let place = ask.request.place;
        let Some(visitor) = ask.request.client.filter(|_| self.has_free_views(ask)) else {
            return self.unpaid(ask);
        };
        let take = if place.is_dry_run { Take::Look } else { Take::Count };
        match self.views.take(visitor, place.free_views, ask.now, take) {
            Ok(true) => {
                let mut serve = served(RequestOutcome::FreeView, ask.request, false);
                serve.headers.extend(self.receipts(ask, ask.price, self.rest_of_day(ask.now)));
                serve.charge = Some(ask.charge(Taken::View(visitor)));
                Decision::Serve(serve)
            }
            Ok(false) => self.unpaid(ask),
            Err(error) => {
                let mut decision = self.unpaid(ask);
                decision.about_mut().alert = Some(format!("free views cannot be counted: {error}"));
                decision
            }
        }
    }

    /// How long the page can be seen again, in seconds: until the day ends, at most as long as a
    /// receipt.
    fn rest_of_day(&self, now: UnixTime) -> u32 {
        let rest = DAY_SECONDS - now.0.rem_euclid(DAY_SECONDS);
        let rest = u32::try_from(rest).unwrap_or(RECEIPT_SECONDS_MIN);
        rest.max(RECEIPT_SECONDS_MIN).min(self.config.receipt_seconds())
    }
}
