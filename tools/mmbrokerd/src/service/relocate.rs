//! Moving a broker to PostgreSQL, when it outgrows the SQLite of one machine.
//!
//! Input: the open SQLite database, and an empty one on PostgreSQL. Output: every row in the new
//! one. The invariants: the old database is closed to every change, durably and for all processes,
//! before a row is copied, and is opened again only while the new one certainly has no broker; so
//! there is never a moment at which both can sell. The new database has all rows or none.

use futures_util::TryStreamExt;
use micromint::reply::Reply;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row};

use super::{Service, ServiceError};
use crate::shop::{Act, last_moved_to};
use crate::store::{CONSOLE, Dialect, Store, StoreError, Transaction, shown_url};

/// How many rows one statement inserts. PostgreSQL takes 65,535 values in one.
const ROWS_AT_A_TIME: usize = 500;
/// After how many bytes of blobs and texts a statement inserts no further row.
const BYTES_AT_A_TIME: usize = 4 << 20;

/// Where sqlx keeps which migrations were applied.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// The tables, each after those to which its rows refer.
const TABLES: [&str; 52] = [
    "broker",
    "period",
    "account",
    "balance",
    "transfer",
    "entry",
    "sale",
    "refused_sale",
    "vendor",
    "vendor_number",
    "vendor_key",
    "revoked",
    "compromised",
    "batch",
    "part",
    "give_back",
    "superbin",
    "doubtful",
    "seen",
    "refused_coin",
    "offender",
    "conduct",
    "complaint",
    "complaint_answer",
    "api_key",
    "skipped",
    "told",
    "counter",
    "staged",
    "staged_piece",
    "person",
    "session",
    "mail_address",
    "link",
    "mail",
    "attempt",
    "wish",
    "voucher_batch",
    "voucher",
    "hook",
    "bank_account",
    "payout_run",
    "payout",
    "payout_short",
    "refund_wish",
    "vendor_owner",
    "host_proof",
    "disabled_vendor",
    "audit",
    "mint",
    "passkey",
    "passkey_challenge",
];

/// How the triggers of a closed database begin.
const TRIGGER: &str = "moved_";

/// Why a broker is not moved, or not taken back. Nothing was changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefusal {
    /// The databases are not one on SQLite and one on PostgreSQL.
    #[error(
        "expected a move from SQLite to PostgreSQL, found other databases; nothing was changed"
    )]
    Dialects,
    /// The new database has something else in it.
    #[error(
        "expected an empty database to move to, found the table {0} in it; nothing was changed"
    )]
    OtherTables(String),
    /// The new database is in use by another broker.
    #[error(
        "expected an empty database to move to, found a broker with another secret in it; nothing \
         was changed"
    )]
    OtherBroker,
    /// The broker is there.
    #[error(
        "this broker is in the new database already, complete; nothing was changed. Start it with \
         the configuration that names that database"
    )]
    Moved,
    /// The broker was moved elsewhere.
    #[error(
        "this broker was moved to {0}, or a move to it was cut off, and this configuration names \
         another database; nothing was changed. Name that one; if it is lost, make it again, empty"
    )]
    MovedTo(String),
    /// There is nothing to take back.
    #[error("this database is open; nothing was changed")]
    Open,
}

/// What an empty or used database has of a broker.
enum Tenant {
    Nobody,
    OtherTables(String),
    OtherBroker,
    ThisBroker,
}

/// What a column holds.
#[derive(Clone, Copy)]
enum Kind {
    Integer,
    Text,
    Blob,
}

struct Column {
    name: String,
    kind: Kind,
}

/// A value of a row.
enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
}

impl Service {
    /// Closes this database, copies every row to the empty one at `url`, and returns the number of
    /// rows. A move that was cut off goes on. At most one process may do this at a time.
    ///
    /// # Errors
    /// The broker is halted, or a database failed. If the copy failed, this database is open again;
    /// if it is not known whether the copy is complete, it stays closed, and the error says so.
    pub async fn move_to(&self, url: &str) -> Result<Reply<u64, MoveRefusal>, ServiceError> {
        if let Some(refusal) = self.refusal(url).await? {
            return Ok(Reply::Refused(refusal));
        }
        let target = match self.tenant(url).await? {
            (Tenant::Nobody, store) => store,
            (Tenant::OtherTables(name), _) => {
                return Ok(Reply::Refused(MoveRefusal::OtherTables(name)));
            }
            (Tenant::OtherBroker, _) => return Ok(Reply::Refused(MoveRefusal::OtherBroker)),
            (Tenant::ThisBroker, _) => return Ok(Reply::Refused(MoveRefusal::Moved)),
        };
        self.check_progress().await?;
        target.migrate().await?;
        self.close_database(&shown_url(url, Dialect::Postgres)).await?;
        let copied = copy(&self.store, &target).await;
        target.close().await;
        match copied {
            Ok(rows) => Ok(Reply::Granted(rows)),
            Err(error) => Err(self.go_back(url, error).await),
        }
    }

    /// Opens this database again after a move to the one at `url` was cut off, or after that one
    /// was lost and made again.
    ///
    /// # Errors
    /// A database failed.
    pub async fn undo_move(&self, url: &str) -> Result<Reply<(), MoveRefusal>, ServiceError> {
        if let Some(refusal) = self.refusal(url).await? {
            return Ok(Reply::Refused(refusal));
        }
        if !self.is_moved().await? {
            return Ok(Reply::Refused(MoveRefusal::Open));
        }
        match self.tenant(url).await?.0 {
            Tenant::ThisBroker => Ok(Reply::Refused(MoveRefusal::Moved)),
            Tenant::OtherBroker => Ok(Reply::Refused(MoveRefusal::OtherBroker)),
            Tenant::Nobody | Tenant::OtherTables(_) => {
                self.reopen().await?;
                Ok(Reply::Granted(()))
            }
        }
    }

    /// Whether this database is closed, because the broker was moved to another one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_moved(&self) -> Result<bool, StoreError> {
        Ok(self.store.dialect() == Dialect::Sqlite && is_closed(&self.store).await?)
    }

    /// Why this broker is neither moved to the database at `url` nor taken back from there, as far
    /// as this database tells.
    async fn refusal(&self, url: &str) -> Result<Option<MoveRefusal>, StoreError> {
        let found = (self.store.dialect(), Dialect::of(url));
        if found != (Dialect::Sqlite, Some(Dialect::Postgres)) {
            return Ok(Some(MoveRefusal::Dialects));
        }
        if !self.is_moved().await? {
            return Ok(None);
        }
        let moves = last_moved_to(&self.store).await?;
        let is_other = |to: &String| *to != shown_url(url, Dialect::Postgres);
        Ok(moves.filter(is_other).map(MoveRefusal::MovedTo))
    }

    /// Who is in a database, which is not changed.
    async fn tenant(&self, url: &str) -> Result<(Tenant, Store), StoreError> {
        let store = Store::connect(url).await?;
        let tag = super::secret_tag(&self.secret);
        Ok((tenant_of(&store, &tag).await?, store))
    }

    /// Lets every change of this database fail, by whichever process.
    async fn close_database(&self, to: &str) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        drop_triggers(tx.connection()).await?;
        tx.audit(CONSOLE, Act::Moved, to, self.now()).await?;
        let why = format!(
            "this database is closed, because its broker was moved to {to}; nothing was changed. \
             Use the configuration that names that one; if the move was cut off, run `mmbroker \
             move` again"
        );
        let why = why.replace('\'', "''");
        for table in TABLES {
            for change in ["INSERT", "UPDATE", "DELETE"] {
                let text = format!(
                    "CREATE TRIGGER {TRIGGER}{table}_{change} BEFORE {change} ON {table} BEGIN \
                     SELECT RAISE(ABORT, '{why}'); END"
                );
                sqlx::raw_sql(AssertSqlSafe(text)).execute(tx.connection()).await?;
            }
        }
        tx.commit().await
    }

    async fn reopen(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin().await?;
        drop_triggers(tx.connection()).await?;
        tx.audit(CONSOLE, Act::MoveTakenBack, "", self.now()).await?;
        tx.commit().await
    }

    /// After a copy that failed: opens this database again if the new one has no broker. Returns
    /// the error to report.
    async fn go_back(&self, url: &str, error: StoreError) -> ServiceError {
        match self.tenant(url).await {
            Ok((Tenant::Nobody, _)) => match self.reopen().await {
                Ok(()) => error.into(),
                Err(other) => StoreError::MoveCutOff(Box::new(other)).into(),
            },
            Ok(_) | Err(_) => StoreError::MoveCutOff(Box::new(error)).into(),
        }
    }
}

/// Who is in a database on PostgreSQL. Waits for a transaction that is putting a broker into it.
async fn tenant_of(store: &Store, tag: &[u8]) -> Result<Tenant, StoreError> {
    let mut tx = store.begin().await?;
    let tables = sqlx::query(
        "SELECT CAST(table_name AS TEXT) FROM information_schema.tables \
         WHERE table_schema = current_schema() ORDER BY table_name",
    )
    .fetch_all(tx.connection())
    .await?;
    let (mut has_broker, mut other) = (false, None);
    for row in tables {
        let name: String = row.try_get(0)?;
        has_broker |= name == "broker";
        if name != MIGRATIONS_TABLE && !TABLES.contains(&name.as_str()) {
            other.get_or_insert(name);
        }
    }
    // A broker counts first: others may have made tables beside it since.
    if has_broker && let Some(found) = secret_tag_in(&mut tx).await? {
        return Ok(if found == tag { Tenant::ThisBroker } else { Tenant::OtherBroker });
    }
    Ok(other.map_or(Tenant::Nobody, Tenant::OtherTables))
}

/// By which secret a database has a broker.
async fn secret_tag_in(tx: &mut Transaction) -> Result<Option<Vec<u8>>, StoreError> {
    sqlx::raw_sql("LOCK TABLE broker IN SHARE MODE").execute(tx.connection()).await?;
    let row = sqlx::query("SELECT secret_tag FROM broker").fetch_optional(tx.connection()).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Copies every row in one transaction. Returns their number.
async fn copy(from: &Store, target: &Store) -> Result<u64, StoreError> {
    let mut from = from.snapshot().await?;
    let mut to = target.begin().await?;
    let mut rows = 0;
    for table in TABLES {
        let copied = copy_table(table, &mut from, to.connection()).await;
        rows += copied.map_err(|error| StoreError::NotCopied(table, Box::new(error)))?;
    }
    continue_ids(to.connection()).await?;
    to.commit().await?;
    Ok(rows)
}

/// Whether a database of SQLite is closed.
async fn is_closed(store: &Store) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' \
         AND name = 'moved_broker_INSERT'",
    )
    .fetch_one(store.pool())
    .await?;
    Ok(row.try_get::<i64, _>(0)? > 0)
}

async fn drop_triggers(connection: &mut AnyConnection) -> Result<(), StoreError> {
    for table in TABLES {
        for change in ["INSERT", "UPDATE", "DELETE"] {
            let text = format!("DROP TRIGGER IF EXISTS {TRIGGER}{table}_{change}");
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// Copies the rows of a table. Returns their number.
async fn copy_table(
    table: &'static str,
    from: &mut AnyConnection,
    to: &mut AnyConnection,
) -> Result<u64, StoreError> {
    let columns = columns_of(table, from).await?;
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    let select = format!("SELECT {names} FROM {table}");
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(from);
    let (mut count, mut waiting, mut bytes) = (0, Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        let values = values_of(&row, &columns)?;
        bytes += values.iter().map(Value::bytes).sum::<usize>();
        waiting.push(values);
        count += 1;
        if waiting.len() == ROWS_AT_A_TIME || bytes >= BYTES_AT_A_TIME {
            insert(table, &names, std::mem::take(&mut waiting), to).await?;
            bytes = 0;
        }
    }
    insert(table, &names, waiting, to).await?;
    Ok(count)
}

/// The columns of a table of SQLite.
async fn columns_of(table: &str, from: &mut AnyConnection) -> Result<Vec<Column>, StoreError> {
    let rows = sqlx::query("SELECT name, type FROM pragma_table_info($1)")
        .bind(table.to_string())
        .fetch_all(from)
        .await?;
    let column = |row: &AnyRow| {
        let kind = match row.try_get::<String, _>(1)?.as_str() {
            "INTEGER" => Kind::Integer,
            "TEXT" => Kind::Text,
            "BLOB" => Kind::Blob,
            found => {
                let (what, expected) = ("the type of a column", "INTEGER, TEXT or BLOB");
                return Err(StoreError::Value { what, expected, found: found.to_string() });
            }
        };
        Ok(Column { name: row.try_get(0)?, kind })
    };
    rows.iter().map(column).collect()
}

fn values_of(row: &AnyRow, columns: &[Column]) -> Result<Vec<Value>, StoreError> {
    let value = |(index, column): (usize, &Column)| {
        Ok(match column.kind {
            Kind::Integer => Value::Integer(row.try_get(index)?),
            Kind::Text => Value::Text(row.try_get(index)?),
            Kind::Blob => Value::Blob(row.try_get(index)?),
        })
    };
    columns.iter().enumerate().map(value).collect()
}

impl Value {
    /// The size of what has no bound of its own.
    fn bytes(&self) -> usize {
        match self {
            Value::Integer(_) => 0,
            Value::Text(text) => text.as_ref().map_or(0, String::len),
            Value::Blob(blob) => blob.as_ref().map_or(0, Vec::len),
        }
    }

    fn bind<'q>(self, query: Query<'q, Any, AnyArguments>) -> Query<'q, Any, AnyArguments> {
        match self {
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Blob(blob) => query.bind(blob),
        }
    }
}

/// Inserts rows with their IDs.
async fn insert(
    table: &str,
    names: &str,
    rows: Vec<Vec<Value>>,
    to: &mut AnyConnection,
) -> Result<(), StoreError> {
    let Some(width) = rows.first().map(Vec::len) else { return Ok(()) };
    let row = |index: usize| {
        let places: Vec<String> =
            (1..=width).map(|at| format!("${}", index * width + at)).collect();
        format!("({})", places.join(", "))
    };
    let places: Vec<String> = (0..rows.len()).map(row).collect();
    let places = places.join(", ");
    let text = format!("INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES {places}");
    let query = sqlx::query(AssertSqlSafe(text));
    rows.into_iter().flatten().fold(query, |query, value| value.bind(query)).execute(to).await?;
    Ok(())
}

/// Lets PostgreSQL give the next IDs after those that were copied.
async fn continue_ids(to: &mut AnyConnection) -> Result<(), StoreError> {
    let tables = sqlx::query(
        "SELECT CAST(table_name AS TEXT) FROM information_schema.columns \
         WHERE table_schema = current_schema() AND is_identity = 'YES'",
    )
    .fetch_all(&mut *to)
    .await?;
    for row in tables {
        let table: String = row.try_get(0)?;
        // Without rows there is no highest ID, and the function changes nothing.
        let text = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT MAX(id) FROM {table}))"
        );
        sqlx::query(AssertSqlSafe(text)).execute(&mut *to).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn every_table_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("broker.db").display());
        let store = Store::open(&url).await.unwrap();
        let rows = sqlx::query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
             AND name <> '_sqlx_migrations'",
        )
        .fetch_all(store.pool())
        .await
        .unwrap();
        let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(found, TABLES.iter().map(|table| table.to_string()).collect());
    }
}
