//! Everything that the broker keeps about a person, as JSON.
//!
//! Input: the session. Output: one JSON object, which is sent while it is read. The invariants: of
//! each list no more than [`ROWS_AT_A_TIME`] rows are in memory; if the database fails in between,
//! the answer is cut off, so that it is no valid JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use micromint::identity::UserId;
use micromint::money::Currency;
use micromint::time::UnixTime;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::answer::Answer;
use super::money::signed_amount;
use super::visitor::LoggedIn;
use super::{Shop, passkeys, people};
use crate::store::{AccountKind, SaleRow, StoreError, parsed};

/// How many rows of a list are read at a time.
const ROWS_AT_A_TIME: i64 = 1000;

/// The lists that grow, in the order in which they are sent.
const LISTS: [(&str, List); 7] = [
    ("purchases", List::Purchases),
    ("returns", List::Rows(RETURNS, ["name", "period", "waiting", "at"])),
    ("complaints", List::Complaints),
    ("transfers", List::Rows(TRANSFERS, ["what", "for", "amount", "at"])),
    ("payouts", List::Rows(PAYOUTS, ["to", "state", "amount", "at"])),
    ("bank", List::Rows(BANK, ["iban", "name", "", "since"])),
    ("log", List::Rows(LOG, ["what", "details", "row", "at"])),
];

/// Two texts and two numbers of each row behind a number, the last a time; the number of the row;
/// and the currency of the first number if that is an amount.
const RETURNS: &str = "SELECT name, period, CASE WHEN EXISTS (SELECT 1 FROM period \
     WHERE period.name = give_back.period AND settled_at IS NOT NULL) THEN 0 ELSE waiting END, \
     at, id, '' FROM give_back WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const COMPLAINTS: &str = "SELECT name, text, id, at, id, vendor FROM complaint \
     WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3";
const TRANSFERS: &str = "SELECT transfer.kind, transfer.reference, entry.amount, transfer.at, \
     transfer.id, account.currency FROM entry JOIN transfer ON transfer.id = entry.transfer \
     JOIN account ON account.id = entry.account \
     WHERE entry.account IN (SELECT id FROM account WHERE kind = 'client' AND owner = $1) \
     AND entry.transfer > $2 ORDER BY entry.transfer LIMIT $3";
const PAYOUTS: &str = "SELECT iban || ', ' || name, state, units, at, run, currency FROM payout \
     JOIN payout_run ON payout_run.id = payout.run \
     WHERE kind = 'client' AND owner = $1 AND run > $2 ORDER BY run LIMIT $3";
const BANK: &str = "SELECT iban, name, 0, counts_from, at, '' FROM bank_account \
     WHERE kind = 'client' AND owner = $1 AND at > $2 ORDER BY at LIMIT $3";
const LOG: &str = "SELECT what, detail, id, at, id, '' FROM audit \
     WHERE by_whom = $1 AND id > $2 ORDER BY id LIMIT $3";

/// A text and a time of each of a few rows. Keys that have ended are in the log.
const MAIL: &str = "SELECT address, confirmed_at FROM mail_address WHERE user_id = $1";
const REFUND: &str = "SELECT '', at FROM refund_wish WHERE user_id = $1";
const KEYS: &str = "SELECT '', at FROM api_key WHERE user_id = $1 AND ended_at IS NULL ORDER BY at";
const VENDORS: &str = "SELECT vendor, at FROM vendor_owner WHERE user_id = $1 ORDER BY vendor";

/// Where the rows of a list are from.
#[derive(Clone, Copy)]
enum List {
    Purchases,
    Complaints,
    /// A statement such as [`RETURNS`], and the names of what it reads, empty for what is left out.
    Rows(&'static str, [&'static str; 4]),
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
    let mail = few(&shop, MAIL, &user, ["address", "confirmed"]).await?;
    let refund = few(&shop, REFUND, &user, ["", "asked"]).await?;
    let keys = few(&shop, KEYS, &user, ["", "since"]).await?;
    let vendors = few(&shop, VENDORS, &user, ["vendor", "since"]).await?;
    let begin = json!({
        "user": user.as_str(),
        "made": now.to_string(),
        "balances": balances.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "sessions": sessions.iter().map(session).collect::<Vec<_>>(),
        "passkeys": passkeys.iter().map(passkey).collect::<Vec<_>>(),
        "mail": mail,
        "refund": refund,
        "keys": keys,
        "vendors": vendors,
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
            List::Complaints => self.complaints().await?,
            List::Rows(select, names) => self.rows(select, *names).await?,
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

    /// The rows of a statement behind the last one that was sent.
    async fn read(&mut self, select: &'static str) -> Result<Vec<AnyRow>, StoreError> {
        let rows = sqlx::query(select)
            .bind(self.user.to_string())
            .bind(self.after.1)
            .bind(ROWS_AT_A_TIME)
            .fetch_all(self.shop.service.store().pool())
            .await?;
        if let Some(last) = rows.last() {
            self.after.1 = last.try_get(4)?;
        }
        Ok(rows)
    }

    async fn rows(
        &mut self,
        select: &'static str,
        names: [&'static str; 4],
    ) -> Result<Vec<Value>, StoreError> {
        let read = |row: &AnyRow| {
            let (one, other): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (number, at): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            let currency: String = row.try_get(5)?;
            let number = match currency.as_str() {
                "" => json!(number),
                text => {
                    let currency: Currency = parsed("account.currency", "three letters", text)?;
                    json!(signed_amount(number.into(), currency))
                }
            };
            let values = [json!(one), json!(other), number, json!(UnixTime(at).to_string())];
            let named = names.into_iter().zip(values).filter(|(name, _)| !name.is_empty());
            Ok(named.map(|(name, value)| (name.to_string(), value)).collect())
        };
        self.read(select).await?.iter().map(read).collect()
    }

    /// Complaints with their answers.
    async fn complaints(&mut self) -> Result<Vec<Value>, StoreError> {
        let after = self.after.1;
        let rows = self.read(COMPLAINTS).await?;
        let answers = sqlx::query(
            "SELECT complaint, by_whom, complaint_answer.text, complaint_answer.at \
             FROM complaint_answer \
             JOIN complaint ON complaint.id = complaint_answer.complaint \
             WHERE user_id = $1 AND complaint > $2 AND complaint <= $3 \
             ORDER BY complaint, complaint_answer.at, by_whom",
        )
        .bind(self.user.to_string())
        .bind(after)
        .bind(self.after.1)
        .fetch_all(self.shop.service.store().pool())
        .await?;
        let mut of: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
        for row in &answers {
            let (by, text): (String, String) = (row.try_get(1)?, row.try_get(2)?);
            let at = UnixTime(row.try_get(3)?).to_string();
            let answer = json!({ "by": by, "text": text, "at": at });
            of.entry(row.try_get(0)?).or_default().push(answer);
        }
        let read = |row: &AnyRow| {
            let (name, text): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (id, at): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            let vendor: String = row.try_get(5)?;
            let (at, answers) = (UnixTime(at).to_string(), of.get(&id).cloned());
            Ok(json!({
                "number": id, "name": name, "vendor": vendor, "text": text, "at": at,
                "answers": answers.unwrap_or_default(),
            }))
        };
        rows.iter().map(read).collect()
    }
}

/// Texts and times of a few rows, such as the mail address.
async fn few(
    shop: &Shop,
    select: &'static str,
    user: &UserId,
    names: [&str; 2],
) -> Result<Vec<Value>, StoreError> {
    let rows =
        sqlx::query(select).bind(user.to_string()).fetch_all(shop.service.store().pool()).await?;
    let read = |row: &AnyRow| {
        let (text, at): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
        let values = [json!(text), json!(UnixTime(at).to_string())];
        let named = names.into_iter().zip(values).filter(|(name, _)| !name.is_empty());
        Ok(named.map(|(name, value)| (name.to_string(), value)).collect())
    };
    rows.iter().map(read).collect()
}
