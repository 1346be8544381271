//! What can go wrong with the database.

/// The database cannot be used, or holds something that it should not.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database reported an error.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("database: migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The URL names no known database.
    #[error("expected a database sqlite:PATH or postgres://…, found {0:?}")]
    Url(String),
    /// The database cannot be opened.
    #[error("database: {which} cannot be opened: {why}")]
    Open {
        /// The database, without a password.
        which: String,
        /// The reason.
        why: String,
    },
    /// The SQLite file does not exist.
    #[error(
        "database: there is no file {}. For a new broker, `mmbroker init` makes it; if it is \
         lost, restore it from a backup",
        .0.display()
    )]
    NoFile(std::path::PathBuf),
    /// The folder of the SQLite file does not exist.
    #[error("database: there is no folder {}", .0.display())]
    NoFolder(std::path::PathBuf),
    /// The files of SQLite cannot be written.
    #[error(
        "database: {} cannot be written: {error}; nothing was changed. Let the user of this \
         process write the database, the files -wal and -shm beside it, and their folder. A running \
         service then goes on by itself",
        path.display()
    )]
    NotWritable {
        /// The file, or the folder in which a file is missing.
        path: std::path::PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A value in the database is invalid.
    #[error("database: {what}: expected {expected}, found {found}")]
    Value {
        /// Which value.
        what: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// Entries of a transfer do not sum to zero.
    #[error("the entries of transfer {reference:?} sum to {sum} instead of 0")]
    Unbalanced {
        /// What the transfer is for.
        reference: String,
        /// The sum.
        sum: i128,
    },
    /// A coin file cannot be read.
    #[error(transparent)]
    CoinFile(micromint::coin_file::CoinFileError),
    /// A background thread failed, or the service ends.
    #[error("the request was given up: {0}")]
    GivenUp(&'static str),
    /// The database is older than what was done with it, so nothing may change.
    #[error(
        "nothing is sold, judged or paid: {0}. If the database was restored from a backup, run \
         `mmbroker restored`"
    )]
    Halted(String),
    /// The witness cannot be written.
    #[error("the witness: {0}")]
    Witness(std::io::Error),
    /// Another process sold what this one had reserved.
    #[error("other processes sell faster than this one can reserve sets")]
    Unreserved,
    /// The database cannot hold every text.
    #[error(
        "database: {which} has the encoding {encoding}: expected UTF8, as `createdb -E UTF8 -T \
         template0` makes it"
    )]
    Encoding {
        /// The database, without a password.
        which: String,
        /// Its encoding.
        encoding: String,
    },
    /// It is not known whether a copy is complete.
    #[error(
        "the move was cut off, and it is not known whether the new database is complete: {0}. The \
         old one is closed. Run the same command again: it finishes the move, or says that the \
         broker is there"
    )]
    MoveCutOff(#[source] Box<StoreError>),
    /// A table cannot be copied to another database.
    #[error("the rows of the table {0} cannot be copied: {1}")]
    NotCopied(&'static str, #[source] Box<StoreError>),
    /// An amount does not fit.
    #[error("{0}: the amount is too large")]
    TooLarge(&'static str),
}

impl StoreError {
    /// Whether the same transaction may succeed if it is tried again: the database gave it up
    /// because of others, and nothing of it was committed. A lost connection is not among these:
    /// whether the commit arrived is then unknown.
    pub fn is_transient(&self) -> bool {
        match self {
            // PostgreSQL: 40001 serialization failure, 40P01 deadlock, 55P03 lock timeout. SQLite:
            // 5 busy, 6 locked, 261 busy while another process recovers the log, 517 busy because
            // the snapshot is old.
            StoreError::Database(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| {
                    matches!(&*code, "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "517")
                })
            }
            _ => false,
        }
    }

    /// Whether the database answers nobody, so that other transactions would fail alike.
    pub fn is_outage(&self) -> bool {
        use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Tls, WorkerCrashed};
        let StoreError::Database(error) = self else { return false };
        matches!(error, Io(_) | Tls(_) | PoolClosed | PoolTimedOut | WorkerCrashed)
    }
}

/// Reads a text column.
pub(crate) fn parsed<T: std::str::FromStr>(
    what: &'static str,
    expected: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Value { what, expected, found: text.to_string() })
}

/// Reads a number that must fit a smaller type.
pub(super) fn fitting<T: TryFrom<i64>>(what: &'static str, number: i64) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_| StoreError::Value {
        what,
        expected: "a number in range",
        found: number.to_string(),
    })
}
