//! The price list: prices for pages that are not files.
//!
//! Input: the file that `prices` in the vendor's configuration names, then requests. Output: what
//! the list says about a page. The invariants: it depends on nothing but the list, the target and
//! host that the client sent, and where an entry has prices for bots, on who asks, so every server
//! and the C library agree; a file that cannot be used changes nothing, so the prices read before
//! stay in use.

mod conditions;
mod current;
mod file;
mod list;
mod llms;
mod openapi;
mod pattern;
mod published;
mod query;

use std::sync::Arc;

use super::preview::Preview;

pub(super) use self::current::Prices;
pub use self::file::{PRICE_LIST_ENTRIES_MAX, PRICE_LIST_SIZE_MAX};
pub use self::list::{ListEntry, PriceList};
pub use self::pattern::PATTERN_PARTS_MAX;
pub(super) use self::published::{Publication, Seller};

/// What the price list says about a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPrice {
    /// The price in coins; 0 for an exception inside the list.
    pub coins: u32,
    /// Whether others pay more than who asks, so that no cache may give the page to them.
    pub is_private: bool,
    /// What a receipt opens. `None`: the list does not say.
    pub receipt_path: Option<String>,
    /// Whether a redirect by the content is what is sold. `None`: the list does not say.
    pub charges_redirects: Option<bool>,
    /// The title and teaser.
    pub preview: Option<Arc<Preview>>,
}
