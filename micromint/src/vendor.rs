//! The vendor: prices, the check of payments, receipts and the paywall (thesis 3.3).
//!
//! Input: a [`Request`] as a web server received it. Output: a [`Decision`]. Every web server
//! module and the C library call the same functions. The invariant: whichever server asks, equal
//! requests get equal decisions.
//!
//! The modules below are in order of use; `scripts/check-modules.sh` refuses a cycle among them.

// What a server and the paywall exchange.
mod config_error;

mod preview;

mod request;

mod charge;
mod merge;

mod decision;
mod event;

mod cache;
mod head;

// What a request asks for, and the payment that it carries.
mod price;

mod variants;

mod origin;

mod normal_path;

mod exempt;

mod carrier;
mod stripped;

mod receipt;

mod conditions;

mod reloaded;

mod bots;

mod prices;

mod cors;

// What an answer says about a price.
mod offer;

// The kinds of coins.
mod coinage;

mod crawler;

// What answers consist of.
mod accept;

mod problem;

mod x402;

mod page;

mod periods;

mod config;

mod manifest;

mod answer;

// How a payment is checked.
mod users;

mod lists;

mod check;

mod accepted;

mod blocked;

mod challenger;

mod views;

mod metrics;

// The paywall.
mod paywall;

mod serving;

mod look;

pub mod gate;

// Separate from the paywall: for the vendor's own program.
mod till_view;

pub mod redemption;

pub mod watch;

pub mod income;

pub mod lookup;

pub mod price_files;

pub mod inspection;

pub use answer::{price_unreadable, unavailable};
pub use blocked::BLOCKED_FILE;
pub use bots::{
    BOT_AGENTS_MAX, BOT_DIRECTORY_PATH, BOT_DIRECTORY_SIZE_MAX, BOT_KEYS_PER_AGENT_MAX, BotKey,
    BotKeyError, BotKeys, read_bot_directory,
};
pub use carrier::{has_login, has_payment_or_receipt};
pub use charge::Charge;
pub use check::{Checker, Refused};
pub use config::VendorConfig;
pub use config_error::{ConfigError, SettingError};
pub use cors::CorsPolicy;
pub use decision::{About, Answer, Decision, Serve};
pub use event::Event;
pub use exempt::Exemptions;
pub use head::HeadChanges;
pub use look::{Look, Pending, PendingBuf};
pub use merge::{Merge, MergeRule};
pub use metrics::{Counters, Gauges, METRICS_MEDIA_TYPE};
pub use normal_path::page_target;
pub use origin::{Origin, OriginError, PublicRoot, PublicRootError, authority_of_target};
pub use page::Page;
pub use paywall::{Paywall, PaywallError, PaywallParts, SYNC_WANTED_FILE};
pub use periods::{PARAMS_OF_BROKER_ENDING, check_period_beside};
pub use preview::{Preview, TEASER_LEN_MAX, TITLE_LEN_MAX};
pub use price::{
    PRICE_FILE_SIZE_MAX, PRICE_FILE_SUFFIX, Price, PriceError, is_price_file,
    is_redirect_to_folder, parse_price, read_price_file, replaces_price_file,
};
pub use prices::{
    ListEntry, ListPrice, PATTERN_PARTS_MAX, PRICE_LIST_ENTRIES_MAX, PRICE_LIST_SIZE_MAX, PriceList,
};
pub use request::{Content, Place, Request, RequestBuf};
pub use serving::{Vendor, VendorDecision};
pub use views::FREE_VIEWS_MAX;
