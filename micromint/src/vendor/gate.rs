//! The gate: what a web server remembers of a client's request between its phases, and which price
//! the request owes.
//!
//! Input: the places that a request passes, then the request itself. Output: whether it goes on to
//! its content, and what is sent instead. Server modules translate; they hold no rule.
//!
//! The rule: **a price is asked wherever an access rule standing in the same place would be
//! asked.** A request owes the highest price of all places that it passed, however it was led on.
//! The invariants: a client's request is charged at most once; a charge that a later place makes
//! too small is reversed before the higher price is asked.

mod options;
mod passed;
mod place_price;
mod vendors;
mod visit;

#[cfg(test)]
mod tests;

pub use options::{EventFormat, Mode, OptionError, Options, PriceValue, Syntax, Value};
pub use passed::{Passed, Rank};
pub use place_price::{
    FileName, HeaderFields, PagePrice, PriceFault, PriceFiles, ServerRequest, is_priced_part, pass,
};
pub use vendors::Vendors;
pub use visit::{
    Action, Asked, Asking, CONDITION_FIELDS, CONTENT_FIELDS, Closing, Deferred, DeferredDecision,
    DueReversal, Next, Severity, Stage, Thread, Variable, Visit, ask_all,
};
