//! The attacks, and the world in which they are played.
//!
//! Input: a minted period. Output: for each attack, what it gained and whom it harmed. The
//! invariant: an attack uses public functions of the core only, and what the harness knows of
//! others (such as which balls are stored) serves to count, or is a gift to the coalition that is
//! named.

// An attack that cannot be played as written should stop the program.
#![allow(clippy::unwrap_used)]

pub(crate) mod report;
pub(crate) mod world;

mod accounts;
mod clocks;
mod double_spending;
mod invented_users;
mod mixed_claims;
mod returned_balls;
mod reversal;
mod siblings;
mod strangers_funds;
mod tokens;
mod twin_names;

use self::report::Report;
use self::world::Mint;

/// An attack.
pub(crate) struct Attack {
    /// Its name in the output and in `docs/internals/attacks.md`.
    pub(crate) name: &'static str,
    /// Plays it.
    pub(crate) play: fn(&Mint) -> Report,
}

/// All attacks, in the order of the output.
pub(crate) const ALL: [Attack; 25] = [
    Attack { name: "siblings", play: siblings::find },
    Attack { name: "strangers-coins", play: siblings::hand_in },
    Attack { name: "hidden-double-spending", play: double_spending::hidden },
    Attack { name: "no-tokens", play: double_spending::without_tokens },
    Attack { name: "open-double-spending", play: double_spending::open },
    Attack { name: "crowd-of-cheats", play: double_spending::crowd },
    Attack { name: "invented-users", play: invented_users::without_owners_file },
    Attack { name: "borrowed-names", play: invented_users::borrowed },
    Attack { name: "invented-at-the-door", play: invented_users::with_owners_file },
    Attack { name: "tag-search", play: invented_users::tag_search },
    Attack { name: "paid-after-reversal", play: reversal::paid_twice },
    Attack { name: "return-oracle", play: returned_balls::oracle },
    Attack { name: "junk-then-return", play: mixed_claims::junk_then_return },
    Attack { name: "made-up-claims", play: mixed_claims::made_up },
    Attack { name: "held-claims", play: mixed_claims::held },
    Attack { name: "returned-and-spent", play: mixed_claims::returned_and_spent },
    Attack { name: "spoiled-balls", play: mixed_claims::spoiled },
    Attack { name: "framed-customers", play: mixed_claims::framed },
    Attack { name: "replayed-tokens", play: tokens::replayed },
    Attack { name: "old-owners-file", play: tokens::old_file },
    Attack { name: "settlement-set-back", play: clocks::settlement },
    Attack { name: "prune-set-back", play: clocks::prune_set_back },
    Attack { name: "strangers-funds", play: strangers_funds::keep_out },
    Attack { name: "twin-names", play: twin_names::blame },
    Attack { name: "letter-case", play: accounts::letter_case },
];
