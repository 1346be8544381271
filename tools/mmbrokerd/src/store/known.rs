//! The numbers of accounts that were looked up.
//!
//! Input: an account and its number, which never changes. Output: the number. The invariant: at
//! most [`KNOWN_ACCOUNTS_MAX`] are kept, however many accounts there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Account;

/// The most accounts whose numbers are kept in the memory, some 3 MB. With one more, all are
/// forgotten and looked up again.
pub const KNOWN_ACCOUNTS_MAX: usize = 16_384;

/// The numbers that this process knows.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownAccounts {
    numbers: Arc<Mutex<HashMap<Account, i64>>>,
}

impl KnownAccounts {
    /// The number of an account, if it is known.
    pub(super) fn number(&self, account: &Account) -> Option<i64> {
        self.lock().get(account).copied()
    }

    /// Keeps the number of an account.
    pub(super) fn keep(&self, account: &Account, number: i64) {
        let mut numbers = self.lock();
        if numbers.len() >= KNOWN_ACCOUNTS_MAX && !numbers.contains_key(account) {
            numbers.clear();
        }
        numbers.insert(account.clone(), number);
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, i64>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
