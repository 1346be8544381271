//! Users with coins, from a mint that is obviously correct. Each call returns coins that no other
//! call returned, so tests do not spend each other's coins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use micromint::authenticator::Key;
use micromint::host::{Clock, SystemClock};
use micromint::protocol::Payment;
use micromint::testing::{ObviousMint, params_with};

const DAY: i64 = 24 * 60 * 60;

/// The mint of the current period.
pub fn mint() -> &'static ObviousMint {
    &mints()[0]
}

/// The mint of an expired period that is still redeemed.
pub fn past_mint() -> &'static ObviousMint {
    &mints()[1]
}

/// The mint of a period that has not started.
pub fn future_mint() -> &'static ObviousMint {
    &mints()[2]
}

/// The mint of a period that the site does not accept.
pub fn unknown_mint() -> &'static ObviousMint {
    &mints()[3]
}

/// The periods that the site accepts.
pub fn accepted_mints() -> &'static [ObviousMint] {
    &mints()[..3]
}

fn mints() -> &'static [ObviousMint; 4] {
    static MINTS: OnceLock<[ObviousMint; 4]> = OnceLock::new();
    MINTS.get_or_init(|| {
        let now = SystemClock.now();
        // With 2^bits times the sets of the smallest period: coins for all tests of a process.
        let mint = |period: &str, start: i64, end: i64, bits: u32| {
            ObviousMint::new(params_with(|raw| {
                raw.output_bits += bits;
                raw.input_bits += bits;
                raw.period = period.parse().unwrap();
                raw.start = now.plus_seconds(start * DAY);
                raw.expiration = now.plus_seconds(end * DAY);
                raw.redeem_until = now.plus_seconds((end + 7) * DAY);
            }))
        };
        [
            mint("now", -1, 30, 2),
            mint("past", -30, -1, 1),
            mint("future", 1, 30, 1),
            mint("unknown", -1, 30, 1),
        ]
    })
}

/// The user's key K_U. The vendor cannot check it and passes the authenticator on unchanged.
pub fn user_key() -> Key {
    Key::from_bytes([7; 32])
}

/// `count` coins of `mint` for the user `alice` at the vendor `localhost` that were not returned
/// before.
pub fn coins_of(mint: &'static ObviousMint, count: usize) -> Vec<Vec<u64>> {
    static COINS: OnceLock<Vec<Vec<Vec<u64>>>> = OnceLock::new();
    static NEXT: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
    let index = mints().iter().position(|other| std::ptr::eq(other, mint)).unwrap();
    let all = COINS.get_or_init(|| {
        let (user, vendor) = ("alice".parse().unwrap(), "localhost".parse().unwrap());
        let coins = |mint: &ObviousMint| {
            let firsts = 0..mint.params().superbin_count() / 2;
            firsts.flat_map(|first| mint.coins(&user, &vendor, first as u32 * 2)).collect()
        };
        mints().iter().map(coins).collect()
    });
    let first = NEXT[index].fetch_add(count, Ordering::Relaxed);
    all[index].get(first..first + count).expect("coins enough for one run of the tests").to_vec()
}

/// A payment of `alice` for a URL with fresh coins of the current period.
pub fn payment(url: &str, count: usize) -> Payment {
    payment_with(mint(), url, &coins_of(mint(), count))
}

/// A payment of `alice` with one coin to a vendor that is paid once in a test.
pub fn payment_to(vendor: &str, url: &str) -> Payment {
    let (user, vendor) = ("alice".parse().unwrap(), vendor.parse().unwrap());
    let superbins = 0..mint().params().superbin_count() / 2;
    let coin = superbins.flat_map(|first| mint().coins(&user, &vendor, first as u32 * 2)).next();
    let coins = [coin.expect("a coin for this vendor")];
    mint().payment(&user, &user_key(), &vendor, &url.parse().unwrap(), &coins)
}

/// A payment of `alice` with these coins.
pub fn payment_with(mint: &ObviousMint, url: &str, coins: &[Vec<u64>]) -> Payment {
    let (user, vendor) = ("alice".parse().unwrap(), "localhost".parse().unwrap());
    mint.payment(&user, &user_key(), &vendor, &url.parse().unwrap(), coins)
}
