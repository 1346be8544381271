//! Moving a broker to PostgreSQL, when it outgrows the SQLite of one machine.
//!
//! Input: the open SQLite database, and an empty one on PostgreSQL. Output: every row in the new
//! one, and the old one closed to every change. The invariants: the new database has all rows or
//! none; from the moment at which the copy is the broker's database, no process can change the old
//! one, also a service that still runs.

use futures_util::TryStreamExt;
use micromint::reply::Reply;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Row};

use super::{Service, ServiceError};
use crate::shop::Act;
use crate::store::{CONSOLE, Dialect, Store, StoreError};

/// How many rows one statement inserts. PostgreSQL takes 65,535 values in one.
const ROWS_AT_A_TIME: usize = 500;
/// After how many bytes of blobs and texts a statement inserts no further row.
const BYTES_AT_A_TIME: usize = 4 << 20;

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

/// Why a broker is not moved. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum MoveRefusal {
    /// The databases are not one on SQLite and one on PostgreSQL.
    #[error(
        "expected a move from SQLite to PostgreSQL, found other databases; nothing was changed"
    )]
    Dialects,
    /// The new database is in use.
    #[error(
        "expected an empty database to move to, found one with a broker in it; nothing was \
         changed. If an earlier move to it was cut off, make the database again, and repeat it"
    )]
    NotEmpty,
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
    /// Copies every row to the empty database `target`, and closes this one to every change.
    /// Returns the number of rows.
    ///
    /// It holds the lock for writing of this database until the end, so other processes that want
    /// to write wait, and fail after ten seconds.
    ///
    /// # Errors
    /// A database failed. Then nothing was copied, except if the connection to PostgreSQL was lost
    /// while it made the copy durable: then the copy is there or not, and this database goes on.
    pub async fn move_to(&self, target: &Store) -> Result<Reply<u64, MoveRefusal>, ServiceError> {
        if (self.store.dialect(), target.dialect()) != (Dialect::Sqlite, Dialect::Postgres) {
            return Ok(Reply::Refused(MoveRefusal::Dialects));
        }
        let (mut from, mut to) = (self.store.begin().await?, target.begin().await?);
        if !is_empty(to.connection()).await? {
            return Ok(Reply::Refused(MoveRefusal::NotEmpty));
        }
        from.audit(CONSOLE, Act::Moved, "", self.now()).await?;
        let mut rows = 0;
        for table in TABLES {
            let copied = copy_table(table, from.connection(), to.connection()).await;
            rows += copied.map_err(|error| StoreError::NotCopied(table, Box::new(error)))?;
        }
        continue_ids(to.connection()).await?;
        close(from.connection()).await?;
        // In this order: the broker would be lost if its old database were closed first.
        to.commit().await?;
        from.commit().await?;
        Ok(Reply::Granted(rows))
    }
}

/// Whether a database has no broker yet.
async fn is_empty(connection: &mut AnyConnection) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM broker").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
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

/// Lets every change of this database of SQLite fail, by whichever process.
async fn close(from: &mut AnyConnection) -> Result<(), StoreError> {
    for table in TABLES {
        for change in ["INSERT", "UPDATE", "DELETE"] {
            let text = format!(
                "CREATE TRIGGER moved_{table}_{change} BEFORE {change} ON {table} BEGIN \
                 SELECT RAISE(ABORT, 'this broker was moved to another database, and this one is \
                 closed; nothing was changed'); END"
            );
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *from).await?;
        }
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
