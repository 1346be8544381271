//! What a wallet's owner allows, as filled from C.

use micromint_core::wallet::Policy;

use crate::boundary::{free, hand_out};
use crate::filled::{Fault, Filled, at_most, fill};

/// What the wallet's owner allows. Free it with `micromint_policy_free()`. One thread at a time
/// while it is filled; any number of threads may pass it to functions that take it `const`. It may
/// be used across a fork. An invalid value is reported by the function that the policy is passed
/// to.
#[derive(Default)]
pub struct micromint_policy {
    autopay: u32,
    daily_limit: Option<u32>,
    allows_http: bool,
    fault: Fault,
}

impl Filled for micromint_policy {
    fn fault(&self) -> &Fault {
        &self.fault
    }

    fn fault_mut(&mut self) -> &mut Fault {
        &mut self.fault
    }
}

impl micromint_policy {
    pub(crate) fn to_core(&self) -> Policy {
        Policy::new(self.autopay).with_daily_limit(self.daily_limit).with_http(self.allows_http)
    }
}

/// Makes a policy with which every price is asked for, without a daily limit, and nothing is paid
/// over http.
#[unsafe(no_mangle)]
pub extern "C" fn micromint_policy_new() -> *mut micromint_policy {
    hand_out(micromint_policy::default())
}

/// Sets the highest price that is paid without asking.
///
/// coins: the price, less than 2^32; 0 if it is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_policy_set_autopay(policy: *mut micromint_policy, coins: i64) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(policy, |it| {
            it.autopay = at_most(coins, u32::MAX.into(), "policy.autopay")?;
            Ok(())
        })
    }
}

/// Sets the largest number of coins that may be sent for the first time in one UTC day.
///
/// coins: the number, less than 2^32. Not set: there is no limit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_policy_set_daily_limit(
    policy: *mut micromint_policy,
    coins: i64,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    unsafe {
        fill(policy, |it| {
            it.daily_limit = Some(at_most(coins, u32::MAX.into(), "policy.daily_limit")?);
            Ok(())
        })
    }
}

/// Sets whether to pay over http too, where others can eavesdrop.
///
/// allows_http: false if it is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_policy_set_http(
    policy: *mut micromint_policy,
    allows_http: bool,
) {
    // SAFETY: Handles and Threads: NULL, or live and used by nothing else.
    if let Some(it) = unsafe { policy.as_mut() } {
        it.allows_http = allows_http;
    }
}

/// Frees a policy. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn micromint_policy_free(policy: *mut micromint_policy) {
    // SAFETY: it reaches the caller only from hand_out, and is freed once.
    unsafe { free(policy) }
}
