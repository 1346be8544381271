//! A place that a request passed, and which of several places decides.

use std::sync::Arc;

use crate::vendor::preview::Preview;
use crate::vendor::prices::ListPrice;
use crate::vendor::request::Place;

/// A place that a request passed: its price and settings, evaluated for this request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// The price in base coins; 0 is free.
    pub price: u32,
    /// See [`Place::receipt_path`].
    pub receipt_path: Option<Vec<u8>>,
    /// See [`Place::free_views`].
    pub free_views: u32,
    /// See [`Place::is_dry_run`].
    pub is_dry_run: bool,
    /// See [`Place::charges_redirects`].
    pub charges_redirects: bool,
    /// See [`Place::preview`].
    pub preview: Option<Arc<Preview>>,
    /// See [`Place::is_private`].
    pub is_private: bool,
}

/// How much a place asks. A price that is only rehearsed is less than any real one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    is_real: bool,
    price: u32,
}

impl Rank {
    /// The rank of `price` coins.
    pub(super) fn new(price: u32, is_dry_run: bool) -> Rank {
        Rank { is_real: price > 0 && !is_dry_run, price }
    }
}

/// Whether a place of this rank is remembered beside those passed before, which ask `owed`. Of
/// equal ones the first counts: it is the one whose address the reader sees. A place that is free
/// for the one who asks, and not for others (`is_private`), counts too.
pub(super) fn counts(rank: Rank, is_private: bool, owed: Option<Rank>) -> bool {
    (rank.price > 0 || is_private) && owed.is_none_or(|owed| rank > owed)
}

impl Passed {
    /// How much it asks.
    pub(super) fn rank(&self) -> Rank {
        Rank::new(self.price, self.is_dry_run)
    }

    /// This place for a request about whose page the price list says `listed`. The higher price
    /// holds; what an entry says about receipts and redirects holds before the place's own
    /// settings.
    #[must_use]
    pub fn with_list_price(self, listed: Option<ListPrice>) -> Passed {
        let Some(listed) = listed else { return self };
        Passed {
            price: self.price.max(listed.coins),
            receipt_path: listed.receipt_path.map(String::into_bytes).or(self.receipt_path),
            charges_redirects: listed.charges_redirects.unwrap_or(self.charges_redirects),
            preview: listed.preview.or(self.preview),
            is_private: listed.is_private || self.is_private,
            ..self
        }
    }

    /// Its settings, as the paywall reads them.
    pub fn place(&self) -> Place<'_> {
        Place {
            receipt_path: self.receipt_path.as_deref(),
            free_views: self.free_views,
            is_dry_run: self.is_dry_run,
            charges_redirects: self.charges_redirects,
            preview: self.preview.as_ref(),
            is_private: self.is_private,
        }
    }
}
