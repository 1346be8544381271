//! What a page costs, as the vendor offers it.
//!
//! Input: a Request-Payment and the price that it was made from. Output: the same for answers in
//! other forms. The invariant: what an answer says in any form is the first price of the message.

use crate::money::Money;
use crate::period::Period;
use crate::protocol::{PeriodPrice, RequestPayment};

/// What a page costs.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    /// The message. It has no price while nothing can be paid; then it is not sent.
    pub(super) request: RequestPayment,
    /// The price in base coins.
    pub(super) price: u32,
}

impl Offer {
    /// Whether the page can be paid for now.
    pub(super) fn can_be_paid(&self) -> bool {
        !self.request.prices.is_empty()
    }

    /// The price in coins: in those that are named first, or in base coins if nothing can be paid.
    pub(super) fn coins(&self) -> u32 {
        self.first().map_or(self.price, |first| first.coins)
    }

    /// The price in money, if the page can be paid for and the amount fits.
    pub(super) fn money(&self) -> Option<Money> {
        self.first()?.money()
    }

    /// The price that is named first: the lowest.
    pub(super) fn first(&self) -> Option<&PeriodPrice> {
        self.request.prices.first()
    }

    /// The price in coins of this period, if they are accepted; otherwise [`Offer::coins`].
    pub(super) fn coins_in(&self, period: &Period) -> u32 {
        self.request.price_in(period).map_or_else(|| self.coins(), |price| price.coins)
    }
}
