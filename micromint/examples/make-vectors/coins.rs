//! Coins: valid ones, and at least one for every fault.

use std::collections::BTreeSet;

use super::{hex, json_file, periods};
use micromint::coin::CoinRules;
use micromint::identity::{UserId, UserVector, VendorId, VendorVector};
use micromint::protocol::Refusal;
use micromint::testing::ObviousMint;
use serde_json::{Value, json};

const COMMENT: &str = "Coins and the result of a vendor's check by hashing \
    (docs/reference/protocol.md, Coins). x contains the inputs of all coins of a payment, k per \
    coin; `answer` is `accepted` or the word of the refusal, the first one in the order of the \
    list there; `first-bins` are [superbin, sub-bin] of the first ball of each coin. Made by \
    hashing x = 0, 1, 2, ... and looking up what fits; those of 2026-12-small by \
    examples/search-coins.rs. They detect sums that do not wrap around, checks of only the first \
    ball, a constant k = 4, x truncated to 56 bits, and answers in the wrong order.";

/// Coins of alice for news.example in the period `2026-12-small`, found by the example
/// `search-coins`.
const SMALL_COINS: &[[u64; 4]] = &[
    [0x5aa6_c2c5, 0x6fc8_c9ee, 0x57d5_9b96, 0x026e_36be],
    [0x0a6d_ac75, 0x0012_3ef3, 0x0989_59cc, 0x8766_3f06],
    [0x4a66_fb6d, 0x8413_aea7, 0x177e_1fe6, 0x51e2_d259],
    [0x6531_1475, 0x6280_7c3d, 0x2893_5dc9, 0x01e9_0dcc],
];

struct Cast {
    mint: ObviousMint,
    rows: Vec<Value>,
}

pub(super) fn file() -> (String, Vec<u8>) {
    let mut cast = Cast { mint: ObviousMint::new(periods::test()), rows: Vec::new() };
    cast.good_coins();
    cast.faulty_coins();
    cast.faults_in_order();
    let mut rows = cast.rows;
    for params in [periods::pair(), periods::eight()] {
        rows.extend(other_sizes(ObviousMint::new(params)));
    }
    let rules = CoinRules::new(periods::small());
    rows.extend(
        SMALL_COINS.iter().map(|coin| row(&rules, "alice", "news.example", coin, "n = 37")),
    );
    rows.push(row(&rules, "alice", "news.example", &SMALL_COINS.concat(), "n = 37, four sets"));
    assert_eq!(answers(&rows).len(), 7, "{:?}", answers(&rows));
    json_file("coins.json", COMMENT, &rows)
}

impl Cast {
    fn good_coins(&mut self) {
        let coins = self.coins("alice", "news.example", 8);
        self.row("alice", "news.example", &coins[0], "one coin");
        self.row("alice", "news.example", &coins[..3].concat(), "three coins of one set");
        self.row(
            "alice",
            "news.example",
            &coins.concat(),
            "all coins of one set: every first sub-bin that is filled",
        );
        let last = self.coins("alice", "news.example", 62);
        self.row("alice", "news.example", &last[0], "the last set: superbins wrap around");
        self.row(
            "alice",
            "news.example",
            &last[last.len() - 1],
            "the last ball of the last set: sub-bins wrap around",
        );
        self.row(
            "alice",
            "news.example",
            &[coins[0].clone(), last[0].clone()].concat(),
            "two sets in one payment",
        );
        let other = self.coins("bob", "[2001:db8::1]", 0);
        self.row("bob", "[2001:db8::1]", &other[0], "another user and vendor, the first set");
    }

    fn faulty_coins(&mut self) {
        let coins = self.coins("alice", "news.example", 8);
        let (one, two) = (coins[0].clone(), coins[1].clone());
        let changed = |place: usize, x: u64| {
            let mut coin = one.clone();
            coin[place] = x;
            coin
        };
        for (place, x) in one.iter().enumerate() {
            let why = "2^56 more is the same DES key: one ball must not have two inputs";
            self.row("alice", "news.example", &changed(place, x + (1 << 56)), why);
        }
        self.row("alice", "news.example", &changed(1, one[0]), "the first ball twice");
        for place in 0..4 {
            let stray = (0..).find(|x| self.mint.rules().bin(*x).is_none()).unwrap();
            self.row(
                "alice",
                "news.example",
                &changed(place, stray),
                "a ball whose fixed bits are wrong, at each place",
            );
        }
        self.row("bob", "news.example", &one, "another user's coin");
        self.row("alice", "shop.example", &one, "another vendor's coin");
        let mut rotated = one.clone();
        rotated.rotate_left(1);
        self.row("alice", "news.example", &rotated, "its balls rotated, the second one first");
        let odd = self.coins("alice", "news.example", 9);
        let why =
            "all differences are correct, but the first superbin is odd: balls that others bought";
        self.row("alice", "news.example", &odd[0], why);
        let mut swapped = one.clone();
        swapped.swap(2, 3);
        self.row("alice", "news.example", &swapped, "the right balls in the wrong order");
        self.row(
            "alice",
            "news.example",
            &changed(3, two[3]),
            "the last ball from the next coin of the set",
        );
        self.row("alice", "news.example", &[one.clone(), one.clone()].concat(), "one coin twice");
        self.row(
            "alice",
            "news.example",
            &[one.as_slice(), &two[..3]].concat(),
            "three balls left over",
        );
    }

    /// Several faults in one payment, in different coins: the answer is the first one in the list.
    fn faults_in_order(&mut self) {
        let coins = self.coins("alice", "news.example", 8);
        let others = self.coins("bob", "news.example", 8);
        let elsewhere = self.coins("alice", "shop.example", 8);
        let stray = (0..).find(|x| self.mint.rules().bin(*x).is_none()).unwrap();
        let mut range = coins[5].clone();
        range[3] = u64::MAX;
        let mut repeated = coins[4].clone();
        repeated[3] = repeated[2];
        let mut fixed = coins[3].clone();
        fixed[3] = stray;
        let faults =
            [coins[0].clone(), elsewhere[1].clone(), others[2].clone(), fixed, repeated, range];
        let mut payment = coins[0].clone();
        for fault in faults {
            payment.extend(fault);
            self.row(
                "alice",
                "news.example",
                &payment,
                "several faults, the first one in the list in the last coin",
            );
        }
    }

    fn coins(&self, user: &str, vendor: &str, first: u32) -> Vec<Vec<u64>> {
        self.mint.coins(&user.parse().unwrap(), &vendor.parse().unwrap(), first)
    }

    fn row(&mut self, user: &str, vendor: &str, x: &[u64], why: &str) {
        self.rows.push(row(self.mint.rules(), user, vendor, x, why));
    }
}

/// A few coins of a period with another k.
fn other_sizes(mint: ObviousMint) -> Vec<Value> {
    let k = mint.params().coin_size();
    let coins = mint.coins(&"alice".parse().unwrap(), &"news.example".parse().unwrap(), 0);
    let why = format!("k = {k}");
    let mut rows = vec![row(mint.rules(), "alice", "news.example", &coins[0], &why)];
    rows.push(row(mint.rules(), "alice", "news.example", &coins.concat(), &why));
    let mut wrong = coins[0].clone();
    wrong[k - 1] = coins[1][k - 1];
    rows.push(row(
        mint.rules(),
        "alice",
        "news.example",
        &wrong,
        "the last ball is from another coin",
    ));
    rows
}

fn row(rules: &CoinRules, user: &str, vendor: &str, x: &[u64], why: &str) -> Value {
    let (user, vendor): (UserId, VendorId) = (user.parse().unwrap(), vendor.parse().unwrap());
    let user_vector = UserVector::new(rules.params(), &user).unwrap();
    let checked = rules.check(&user_vector, &VendorVector::new(rules.params(), &vendor), x);
    let answer = checked.as_ref().err().map_or("accepted", |fault| Refusal::from(*fault).word());
    let bins: Vec<_> =
        checked.unwrap_or_default().iter().map(|bin| [bin.superbin, bin.subbin]).collect();
    json!({
        "period": rules.params().period().as_str(), "user": user.as_str(),
        "vendor": vendor.as_str(),
        "x": x.iter().map(|x| hex(*x)).collect::<Vec<_>>(), "answer": answer,
        "first-bins": bins, "why": why,
    })
}

fn answers(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| row["answer"].as_str().unwrap().to_string()).collect()
}
