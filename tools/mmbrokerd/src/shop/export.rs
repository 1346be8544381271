//! Everything that the broker keeps about a person, as JSON.
//!
//! Input: the session. Output: one JSON object, which is sent while it is read. The invariants: of
//! each list no more than [`ROWS_AT_A_TIME`] rows are in memory; if the database fails in between,
//! the answer is cut off, so that it is no valid JSON.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use micromint::identity::UserId;
use micromint::time::UnixTime;
use serde_json::{Value, json};
use sqlx::Row;

use super::answer::Answer;
use super::visitor::LoggedIn;
use super::{Shop, passkeys, people};
use crate::store::{AccountKind, SaleRow, StoreError};

/// How many rows of a list are read at a time.
const ROWS_AT_A_TIME: i64 = 1000;

/// The lists that grow, in the order in which they are sent.
const LISTS: [(&str, List); 4] = [
    ("purchases", List::Purchases),
    ("returns", List::Rows(RETURNS)),
    ("complaints", List::Rows(COMPLAINTS)),
    ("transfers", List::Rows(TRANSFERS)),
];

/// Two texts and two numbers of each row behind a number: what, about what, how much, when; and the
/// number of the row.
const RETURNS: &str = "SELECT name, period, waiting, at, id FROM give_back \
     WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const COMPLAINTS: &str = "SELECT name, text, id, at, id FROM complaint \
     WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const TRANSFERS: &str = "SELECT transfer.kind, transfer.reference, entry.amount, transfer.at, \
     transfer.id FROM entry JOIN transfer ON transfer.id = entry.transfer \
     WHERE entry.account IN (SELECT id FROM account WHERE kind = 'client' AND owner = $1) \
     AND entry.transfer > $2 ORDER BY entry.transfer LIMIT $3";

/// Where the rows of a list are from.
#[derive(Clone, Copy)]
enum List {
    Purchases,
    /// A statement such as [`RETURNS`].
    Rows(&'static str),
}

/// What has been sent.
struct Export {
    shop: Arc<Shop>,
    user: UserId,
    /// The number of the list; after the last one nothing follows.
    list: usize,
    /// Whether the list has begun.
    is_within: bool,
    /// The last row that was sent: the period of a purchase, and a number.
    after: (String, i64),
}

/// The page.
pub(super) async fn export(
    State(shop): State<Arc<Shop>>,
    LoggedIn { person, .. }: LoggedIn,
) -> Answer {
    let (store, user, now) = (shop.service.store(), person.user, shop.service.now());
    let session = |row: &people::SessionRow| {
        let (since, last) = (row.at.to_string(), row.seen_at.to_string());
        json!({ "program": row.agent, "since": since, "last": last })
    };
    let passkey = |row: &passkeys::PasskeyRow| {
        let used = row.used_at.map(|at| at.to_string());
        json!({ "name": row.name, "since": row.at.to_string(), "last": used })
    };
    let balances = store.balances(AccountKind::Client, user.as_str()).await?;
    let sessions = people::sessions(store, &user, now).await?;
    let passkeys = passkeys::passkeys_of(store, &user).await?;
    let begin = json!({
        "user": user.as_str(),
        "made": now.to_string(),
        "balances": balances.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "sessions": sessions.iter().map(session).collect::<Vec<_>>(),
        "passkeys": passkeys.iter().map(passkey).collect::<Vec<_>>(),
    });
    let mut begin = format!("{begin:#}");
    // The lists follow in the same object.
    begin.truncate(begin.trim_end_matches(['\n', '}']).len());
    let name = format!("attachment; filename=\"{user}.json\"");
    let headers = [(CONTENT_TYPE, "application/json".to_string()), (CONTENT_DISPOSITION, name)];
    let rest = Export { shop, user, list: 0, is_within: false, after: Export::BEGIN };
    let rest = futures_util::stream::try_unfold((Some(begin), rest), |(begin, mut rest)| async {
        if let Some(begin) = begin {
            return Ok(Some((begin, (None, rest))));
        }
        let next = rest.next().await.inspect_err(|error| {
            micromint_console::tell!("mmbrokerd: error: {}", micromint::error::chain(error));
        })?;
        Ok::<_, StoreError>(next.map(|text| (text, (None, rest))))
    });
    Ok((headers, Body::from_stream(rest)).into_response())
}

impl Export {
    /// What the first row of a list is behind.
    const BEGIN: (String, i64) = (String::new(), -1);

    /// The next part of the object; `None` after its end.
    async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let Some((name, list)) = LISTS.get(self.list) else { return Ok(None) };
        let rows = match list {
            List::Purchases => self.purchases().await?,
            List::Rows(select) => self.rows(select).await?,
        };
        let mut text = String::new();
        for (at, row) in rows.iter().enumerate() {
            let is_first = at == 0 && !self.is_within;
            text.push_str(if is_first { "\n    " } else { ",\n    " });
            text.push_str(&row.to_string());
        }
        if !self.is_within {
            text.insert_str(0, &format!(",\n  \"{name}\": ["));
        }
        self.is_within = true;
        if (rows.len() as i64) < ROWS_AT_A_TIME {
            text.push(']');
            (self.list, self.is_within, self.after) = (self.list + 1, false, Export::BEGIN);
            if self.list == LISTS.len() {
                text.push_str("\n}\n");
            }
        }
        Ok(Some(text))
    }

    async fn purchases(&mut self) -> Result<Vec<Value>, StoreError> {
        let (period, first) = &self.after;
        let after = (period.as_str(), *first);
        let store = self.shop.service.store();
        let sales = store.sales_of_after(&self.user, after, ROWS_AT_A_TIME).await?;
        if let Some(last) = sales.last() {
            self.after = (last.period.to_string(), last.first.into());
        }
        let purchase = |sale: &SaleRow| {
            json!({
                "transaction": sale.transaction.to_string(), "period": sale.period.to_string(),
                "sets": sale.sets, "coins": sale.coins, "free": sale.is_free,
                "at": sale.at.to_string(), "received": sale.received_at.map(|at| at.to_string()),
            })
        };
        Ok(sales.iter().map(purchase).collect())
    }

    async fn rows(&mut self, select: &'static str) -> Result<Vec<Value>, StoreError> {
        let rows = sqlx::query(select)
            .bind(self.user.to_string())
            .bind(self.after.1)
            .bind(ROWS_AT_A_TIME)
            .fetch_all(self.shop.service.store().pool())
            .await?;
        if let Some(last) = rows.last() {
            self.after.1 = last.try_get(4)?;
        }
        let read = |row: &sqlx::any::AnyRow| {
            let (what, about): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (number, at): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            let at = UnixTime(at).to_string();
            Ok(json!({ "what": what, "about": about, "number": number, "at": at }))
        };
        rows.iter().map(read).collect()
    }
}
