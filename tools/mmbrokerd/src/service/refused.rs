//! The list of users whose coins vendors refuse.
//!
//! Input: a period. Output: the list as a `PERIOD.revoked` file, and its digest. The invariants: an
//! answer has every user who was on the list when it was asked for, whichever process added them;
//! however many ask at a time, the database is asked by one of them, and the list is read again
//! only when it has grown.

use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::period::OpenPeriod;
use super::{Service, ServiceError};

/// The list at one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedList {
    /// The User-IDs, one a line, sorted.
    pub text: Arc<[u8]>,
    /// SHA-256 of the text.
    pub sha256: [u8; 32],
}

/// The list that was read last.
#[derive(Debug, Default)]
pub(super) struct LastList(tokio::sync::Mutex<Option<Read>>);

#[derive(Debug)]
struct Read {
    list: Arc<RefusedList>,
    /// How many rows there were before it was read.
    rows: i64,
    /// The list is as it was at some time after this one.
    after: Instant,
}

impl Service {
    /// The users whose coins vendors refuse in a period: proved offenders, and those whom a person
    /// revoked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn refused(&self, period: &OpenPeriod) -> Result<Arc<RefusedList>, ServiceError> {
        let asked = Instant::now();
        let mut last = period.last_refused().0.lock().await;
        // What another request read while this one waited is new enough.
        if let Some(read) = last.as_ref().filter(|read| read.after >= asked) {
            return Ok(Arc::clone(&read.list));
        }
        let (name, after) = (period.name().as_str(), Instant::now());
        // Counted before they are read: who is added in between is counted the next time.
        let rows = self.store().count_refused(name).await?;
        if let Some(read) = last.as_mut().filter(|read| read.rows == rows) {
            read.after = after;
            return Ok(Arc::clone(&read.list));
        }
        let users = self.store().refused_users(name).await?;
        let text: String = users.iter().flat_map(|user| [user.as_str(), "\n"]).collect();
        let sha256 = Sha256::digest(&text).into();
        let list = Arc::new(RefusedList { text: text.into_bytes().into(), sha256 });
        *last = Some(Read { list: Arc::clone(&list), rows, after });
        Ok(list)
    }
}
