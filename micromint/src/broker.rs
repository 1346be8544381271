//! The broker: it sells sets, redeems coins and credits returned coins (thesis 3.2).
//!
//! Input: facts about what was sold, sent and paid. Output: what is sold, which verdict each coin
//! gets, who is paid, credited, named or blocked. The rules are pure functions of facts; some read
//! the coin file, and none writes it. A store keeps the facts: the database of the service
//! `mmbrokerd`, or [`MemoryBroker`].
//!
//! The invariants: no first ball is paid twice, and no user is named for what others can have made.

// The rules.
mod rank;

mod claim;

mod award;

mod blocking;

mod alarms;

mod evidence;

mod sold;

mod delivery;

mod sale;

mod examine;

mod examine_return;

mod decide;

mod redemption;

mod rejected;

mod returns;

mod vendors;

mod compromise;

// The rules as one program.
pub mod memory;

#[cfg(test)]
mod tests;

pub use self::alarms::{Alarm, Alarms, VendorAlarm, served_by};
pub use self::award::{
    Award, Contenders, Dispute, Ruling, RulingOutcome, Sums, is_held, verdict_of_ruling,
};
pub use self::blocking::{Blocks, Conduct, FaultyHour, Served, blocks, hour_of};
pub use self::claim::{Buyer, CLAIM_SIZE, Claim, Facts};
pub use self::compromise::{BinRange, BinRangeError, CompromiseRefusal, compromise_refusal};
pub use self::decide::{claimed_bins, decide, decide_return, returned_bins, set_too_late};
pub use self::delivery::{delivered_coins, delivered_first_balls, sold_set};
pub use self::evidence::{Evidence, Findings, Offender, Suspect};
pub use self::examine::{ExaminedCoin, ExaminedPayment, Examiner};
pub use self::examine_return::{ExaminedBall, examine_return};
pub use self::memory::MemoryBroker;
pub use self::rank::{Rank, Source};
pub use self::redemption::{
    BATCHES_PER_HOUR_MAX, BatchRefusal, REFUSED_COINS_PER_HOUR_MAX, WATCH_COINS_PER_HOUR_MAX,
    batch_refusal, watch_refusal,
};
pub use self::rejected::{rejected_coins, rejected_coins_end};
pub use self::returns::{ReturnFacts, ReturnRefusal, return_refusal};
pub use self::sale::{SaleFacts, SaleRefusal, sale_refusal};
pub use self::sold::Sold;
pub use self::vendors::VendorRefusal;
