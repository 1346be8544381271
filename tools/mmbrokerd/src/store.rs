//! The broker's database: SQLite, or PostgreSQL by URL.
//!
//! Input: statements of the modules beneath. Output: rows. The invariants: every change is made in
//! one transaction with its money; the statements are the same for both databases, and only the
//! migrations, the start of a transaction and the words that lock rows differ.

mod batches;
mod error;
mod evidence;
mod files;
mod known;
mod ledger;
mod mints;
mod owners;
mod periods;
mod progress;
mod reports;
mod sales;
mod staged;
mod superbins;
mod users;
mod vendor_keys;

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, AssertSqlSafe, Connection, Row, SqlSafeStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::files::Files;
use self::known::KnownAccounts;

pub use self::batches::{BatchKind, BatchRow, NewPart, PartRow, ReturnRow};
pub use self::error::StoreError;
pub(crate) use self::error::parsed;
pub use self::evidence::{NewOffender, Seen};
pub use self::known::KNOWN_ACCOUNTS_MAX;
pub use self::ledger::{Account, AccountKind, Entry, Posted};
pub use self::mints::{MintProgress, MintRow, MintStage, MintState};
pub use self::owners::{CompromisedRow, SaleSpan};
pub use self::periods::PeriodRow;
pub use self::progress::{PaidRun, Skipped};
pub use self::reports::{PeriodCounts, PeriodMoney, SentRow, UserReturn, VendorBatch};
pub use self::sales::{RefusedFor, RefusedSale, SaleRow};
pub use self::staged::StagedRow;
pub use self::superbins::{Bits, DoubtfulRow, SuperbinRow};
pub use self::users::{ApiKeyRow, ComplaintAnswer, KEYS_MAX, KeyAnswer, KeyMaker, NewComplaint};

/// How many connections the pool opens.
const CONNECTIONS_MAX: u32 = 16;
/// How long a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a database server may take to accept the first connection.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// What in the URL of a SQLite file says that it is created if it does not exist.
const CREATES: &str = "mode=rwc";
/// The encoding of a database that can hold every text.
const ENCODING: &str = "UTF8";
/// The error of PostgreSQL while it starts: such a server is waited for.
const STARTING_CODE: &str = "57P03";
/// How often a transaction is tried again that the database gave up because of other ones.
pub const TRIES_MAX: u32 = 8;

/// Whose acts the audit log has that were made with `mmbroker`.
pub const CONSOLE: &str = "console";

/// The migrations, with the same numbers for both databases.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "store",
        include_str!("../migrations/sqlite/1_store.sql"),
        include_str!("../migrations/postgres/1_store.sql"),
    ),
    (
        2,
        "restore",
        include_str!("../migrations/sqlite/2_restore.sql"),
        include_str!("../migrations/postgres/2_restore.sql"),
    ),
    (
        3,
        "staged",
        include_str!("../migrations/sqlite/3_staged.sql"),
        include_str!("../migrations/postgres/3_staged.sql"),
    ),
    (
        100,
        "shop",
        include_str!("../migrations/sqlite/100_shop.sql"),
        include_str!("../migrations/postgres/100_shop.sql"),
    ),
    (
        101,
        "mint",
        include_str!("../migrations/sqlite/101_mint.sql"),
        include_str!("../migrations/postgres/101_mint.sql"),
    ),
    (
        102,
        "passkey",
        include_str!("../migrations/sqlite/102_passkey.sql"),
        include_str!("../migrations/postgres/102_passkey.sql"),
    ),
    (
        103,
        "trial",
        include_str!("../migrations/sqlite/103_trial.sql"),
        include_str!("../migrations/postgres/103_trial.sql"),
    ),
    (
        104,
        "wish",
        include_str!("../migrations/sqlite/104_wish.sql"),
        include_str!("../migrations/postgres/104_wish.sql"),
    ),
    (
        105,
        "payout",
        include_str!("../migrations/sqlite/105_payout.sql"),
        include_str!("../migrations/postgres/105_payout.sql"),
    ),
    (
        106,
        "refused",
        include_str!("../migrations/sqlite/106_refused.sql"),
        include_str!("../migrations/postgres/106_refused.sql"),
    ),
    (
        107,
        "vendor_hour",
        include_str!("../migrations/sqlite/107_vendor_hour.sql"),
        include_str!("../migrations/postgres/107_vendor_hour.sql"),
    ),
    (
        108,
        "index",
        include_str!("../migrations/sqlite/108_index.sql"),
        include_str!("../migrations/postgres/108_index.sql"),
    ),
    (
        109,
        "complaint",
        include_str!("../migrations/sqlite/109_complaint.sql"),
        include_str!("../migrations/postgres/109_complaint.sql"),
    ),
    (
        110,
        "audit_index",
        include_str!("../migrations/sqlite/110_audit_index.sql"),
        include_str!("../migrations/postgres/110_audit_index.sql"),
    ),
    (
        111,
        "carried",
        include_str!("../migrations/sqlite/111_carried.sql"),
        include_str!("../migrations/postgres/111_carried.sql"),
    ),
    (
        112,
        "released",
        include_str!("../migrations/sqlite/112_released.sql"),
        include_str!("../migrations/postgres/112_released.sql"),
    ),
    (
        113,
        "vendor_key",
        include_str!("../migrations/sqlite/113_vendor_key.sql"),
        include_str!("../migrations/postgres/113_vendor_key.sql"),
    ),
];

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// One file, one process writes at a time.
    Sqlite,
    /// A server; several processes are one broker.
    Postgres,
}

/// The open database.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    dialect: Dialect,
    /// SQLite has one writer: those of this process queue here, in order, instead of polling.
    writer: Arc<Semaphore>,
    /// The files of SQLite.
    files: Option<Arc<Files>>,
    accounts: KnownAccounts,
}

/// A transaction that may write.
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    dialect: Dialect,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Dialect {
    /// The database of a URL, `sqlite:PATH` or `postgres://…`; `None` if it is neither.
    pub fn of(url: &str) -> Option<Dialect> {
        match url.split_once(':')?.0 {
            "sqlite" => Some(Dialect::Sqlite),
            "postgres" | "postgresql" => Some(Dialect::Postgres),
            _ => None,
        }
    }
}

impl Store {
    /// Opens the database at `url`, and creates a SQLite file that does not exist yet. Applies the
    /// migrations that it lacks.
    ///
    /// # Errors
    /// The URL is of another database, or the database cannot be used.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        let store = Store::connect(url).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Whether there is a database at `url`, as far as can be seen without a connection.
    ///
    /// # Errors
    /// There is no such file, or the URL is of another database.
    pub fn check_exists(url: &str) -> Result<(), StoreError> {
        let dialect = Dialect::of(url).ok_or_else(|| StoreError::Url(url.to_string()))?;
        Files::of(url, dialect)?.map_or(Ok(()), |files| files.check_exists())
    }

    /// Opens the database without its migrations.
    pub(crate) async fn connect(url: &str) -> Result<Store, StoreError> {
        install_default_drivers();
        let dialect = Dialect::of(url).ok_or_else(|| StoreError::Url(url.to_string()))?;
        let files = Files::of(url, dialect)?.map(Arc::new);
        files.as_deref().map_or(Ok(()), Files::check_writable)?;
        if full_url(url, dialect).contains(CREATES) {
            files.as_deref().map_or(Ok(()), Files::create_private)?;
        }
        try_connection(url, dialect).await?;
        let of_connection = files.clone();
        let options = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                let writable = of_connection.as_deref().map_or(Ok(()), Files::check_writable);
                Box::pin(async move {
                    writable.map_err(sqlx::Error::config)?;
                    sqlx::raw_sql(settings(dialect)).execute(connection).await?;
                    Ok(())
                })
            })
            .before_acquire(|connection, _| {
                // After a full disk SQLite has rolled back by itself, and the driver believes that
                // there is still a transaction: such a connection is closed.
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            });
        let pool = options.connect(&full_url(url, dialect)).await?;
        let writer = Arc::new(Semaphore::new(1));
        Ok(Store { pool, dialect, writer, files, accounts: KnownAccounts::default() })
    }

    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        let migrations = MIGRATIONS.iter().map(|(number, name, sqlite, postgres)| {
            let text = if self.dialect == Dialect::Sqlite { *sqlite } else { *postgres };
            let (name, text) = ((*name).into(), text.into_sql_str());
            Migration::new(*number, name, MigrationType::Simple, text, false)
        });
        Migrator::with_migrations(migrations.collect()).run(&self.pool).await?;
        Ok(())
    }

    /// The connections, for statements that only read.
    pub fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// The database cannot be reached or written, or is locked by another process for too long.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        match self.dialect {
            Dialect::Sqlite => {
                // The semaphore is never closed.
                let turn = Arc::clone(&self.writer).acquire_owned().await.ok();
                self.files.as_deref().map_or(Ok(()), Files::check_writable)?;
                let inner = self.pool.begin_with("BEGIN IMMEDIATE").await?;
                Ok(Transaction { inner, dialect: self.dialect, _turn: turn })
            }
            Dialect::Postgres => {
                let inner = self.pool.begin().await?;
                Ok(Transaction { inner, dialect: self.dialect, _turn: None })
            }
        }
    }

    /// Begins a transaction that only reads: its statements see the database as it is now.
    pub(crate) async fn snapshot(&self) -> Result<sqlx::Transaction<'static, Any>, StoreError> {
        Ok(match self.dialect {
            Dialect::Sqlite => self.pool.begin().await?,
            Dialect::Postgres => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                self.pool.begin_with(begin).await?
            }
        })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Transaction {
    /// Waits for other transactions that lock this name, until the end of this one. SQLite has one
    /// writer at a time anyway.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lock_name(&mut self, name: &str) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            sqlx::query("SELECT CAST(pg_advisory_xact_lock(hashtextextended($1, 0)) AS TEXT)")
                .bind(name.to_string())
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// The connection, for statements.
    pub fn connection(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.inner
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The statement with its rows locked to the end of the transaction. In SQLite the transaction
    /// holds the lock of the whole database already.
    pub fn locking(&self, select: &'static str) -> AssertSqlSafe<String> {
        match self.dialect {
            Dialect::Sqlite => AssertSqlSafe(select.to_string()),
            Dialect::Postgres => AssertSqlSafe(format!("{select} FOR UPDATE")),
        }
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// The database did not confirm it: it may be durable or not.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().await?)
    }

    /// Marks a point to which [`Transaction::undo`] goes back.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mark(&mut self) -> Result<(), StoreError> {
        sqlx::query("SAVEPOINT one").execute(self.connection()).await?;
        Ok(())
    }

    /// Keeps what was done since the mark.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keep(&mut self) -> Result<(), StoreError> {
        sqlx::query("RELEASE SAVEPOINT one").execute(self.connection()).await?;
        Ok(())
    }

    /// Undoes what was done since the mark.
    ///
    /// # Errors
    /// The database failed.
    pub async fn undo(&mut self) -> Result<(), StoreError> {
        sqlx::query("ROLLBACK TO SAVEPOINT one").execute(self.connection()).await?;
        self.keep().await
    }
}

/// The settings of a new connection.
fn settings(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => {
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA busy_timeout = 10000; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY"
        }
        Dialect::Postgres => {
            "SET synchronous_commit = on; SET lock_timeout = '10s'; \
             SET idle_in_transaction_session_timeout = '60s'; SET client_min_messages = warning"
        }
    }
}

/// Opens one connection: the pool would try for long, and then say only that it waited.
async fn try_connection(url: &str, dialect: Dialect) -> Result<(), StoreError> {
    let full_url = full_url(url, dialect);
    let open = async {
        let mut connection = sqlx::AnyConnection::connect(&full_url).await?;
        sqlx::raw_sql(settings(dialect)).execute(&mut connection).await?;
        let encoding = match dialect {
            Dialect::Sqlite => ENCODING.to_string(),
            Dialect::Postgres => {
                let row = sqlx::query("SHOW server_encoding").fetch_one(&mut connection).await?;
                row.try_get(0)?
            }
        };
        connection.close().await?;
        Ok(encoding)
    };
    let encoded = |encoding: String| match encoding.as_str() {
        ENCODING => Ok(()),
        _ => Err(StoreError::Encoding { which: shown_url(url, dialect), encoding }),
    };
    let failed = |why: String| StoreError::Open { which: shown_url(url, dialect), why };
    match dialect {
        Dialect::Sqlite => {
            open.await.map_err(|error: sqlx::Error| failed(error.to_string())).and_then(encoded)
        }
        Dialect::Postgres => match tokio::time::timeout(OPEN_TIMEOUT, open).await {
            Err(_) => Err(failed(format!("no answer in {} seconds", OPEN_TIMEOUT.as_secs()))),
            Ok(Err(sqlx::Error::Database(error)))
                if error.code().as_deref() == Some(STARTING_CODE) =>
            {
                Ok(())
            }
            Ok(done) => done.map_err(|error| failed(error.to_string())).and_then(encoded),
        },
    }
}

/// The URL for messages: it may contain a password.
pub(crate) fn shown_url(url: &str, dialect: Dialect) -> String {
    match (dialect, url::Url::parse(url)) {
        (Dialect::Sqlite, _) => url.trim_start_matches("sqlite:").to_string(),
        (Dialect::Postgres, Ok(url)) => {
            let port = url.port().unwrap_or(5432);
            format!("postgres://{}:{port}{}", url.host_str().unwrap_or_default(), url.path())
        }
        (Dialect::Postgres, Err(_)) => "postgres://…".to_string(),
    }
}

/// The URL with which the driver creates a SQLite file that does not exist.
fn full_url(url: &str, dialect: Dialect) -> String {
    if dialect == Dialect::Sqlite && !url.contains('?') {
        format!("{url}?{CREATES}")
    } else {
        url.to_string()
    }
}

/// Tries a transaction again that the database gave up because of other ones.
macro_rules! retried {
    ($attempt:expr) => {{
        let mut tries = 1;
        loop {
            match $attempt.await {
                Err(error) if error.is_transient() && tries < $crate::store::TRIES_MAX => {
                    tokio::time::sleep(std::time::Duration::from_millis(5 << tries)).await;
                    tries += 1;
                }
                done => break done,
            }
        }
    }};
}
pub(crate) use retried;

/// A list of rows of numbers for `json_each`: `[[1,2],[3,4]]`.
pub(crate) fn rows_json<const N: usize>(rows: impl IntoIterator<Item = [i64; N]>) -> String {
    let mut text = String::from("[");
    for row in rows {
        let numbers = row.map(|number| number.to_string()).join(",");
        text.push_str(if text.len() > 1 { ",[" } else { "[" });
        text.push_str(&numbers);
        text.push(']');
    }
    text.push(']');
    text
}
