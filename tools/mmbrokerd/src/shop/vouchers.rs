//! Vouchers: codes that are printed, sold elsewhere, and each used once.
//!
//! Input: a code, or an order for a batch of them. Output: money on an account, or a page to print.
//! The invariants: the database has hashes of codes only, and a code cannot be guessed (100 bits,
//! and few attempts); a code is used in the transaction that moves its money; codes from before
//! a restore, which may have been used since the backup, wait until a person releases them.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse};
use micromint::money::{Currency, Money};
use micromint::time::UnixTime;
use sqlx::Row;

use super::answer::{Answer, Refused, refuse, show, to};
use super::attempts::{VOUCHER, VOUCHER_NET};
use super::audit::Act;
use super::form::{LARGE_FORM_SIZE_MAX, Posted, is_plain_line};
use super::login::Note;
use super::money::{Credited, amount_of, check_currency, credit};
use super::paging::{Listed, Skip};
use super::people::{Person, Role};
use super::view::{Cell, Form, Input, Page, Part, Table, render_vouchers};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, random};
use crate::store::{Account, AccountKind, Store, StoreError, parsed, retried};

/// The counter of the witness for batches.
const VOUCHERS: &str = "vouchers";
/// The most codes of a batch.
pub const VOUCHERS_MAX: u64 = 1000;
/// The most months for which codes are valid.
const MONTHS_MAX: u64 = 120;
/// The longest name of a batch, in characters.
pub(super) const NAME_LEN_MAX: usize = 40;
/// The longest list of codes to release, in characters.
const CODES_LEN_MAX: usize = 30 * VOUCHERS_MAX as usize;
/// The highest value of a code: 10 000 of a currency.
const VOUCHER_UNITS_MAX: u64 = 1_000_000_000_000;

/// The most batches on a page. A link leads to older ones.
pub const BATCHES_SHOWN_MAX: usize = 200;

/// A batch of codes.
struct Batch {
    name: String,
    at: UnixTime,
    amount: Money,
    count: u64,
    expires_at: UnixTime,
    salt: Vec<u8>,
    void_at: Option<i64>,
    used: i64,
    /// The codes that wait for a release since the broker was restored.
    held: i64,
}

const BATCHES: &str = "SELECT name, at, units, currency, count, expires_at, salt, void_at, \
     (SELECT COUNT(*) FROM voucher WHERE batch = name AND used_at IS NOT NULL), \
     (SELECT COUNT(*) FROM voucher, broker WHERE batch = name AND used_at IS NULL \
     AND voucher_batch.generation < broker.generation AND released < broker.generation) \
     FROM voucher_batch";

/// What became of a code.
enum Use {
    /// The person has its money, now or before.
    Done,
    /// It is not valid.
    Wrong,
    /// It waits for a release since the broker was restored.
    Held,
}

impl Batch {
    fn read(row: &sqlx::any::AnyRow) -> Result<Batch, StoreError> {
        let (units, count): (i64, i64) = (row.try_get(2)?, row.try_get(4)?);
        let currency: String = row.try_get(3)?;
        Ok(Batch {
            name: row.try_get(0)?,
            at: UnixTime(row.try_get(1)?),
            amount: Money::new(
                units.unsigned_abs(),
                parsed("voucher_batch.currency", "three letters", &currency)?,
            ),
            count: count.unsigned_abs(),
            expires_at: UnixTime(row.try_get(5)?),
            salt: row.try_get(6)?,
            void_at: row.try_get(7)?,
            used: row.try_get(8)?,
            held: row.try_get(9)?,
        })
    }
}

impl Batch {
    fn is_over(&self, now: UnixTime) -> bool {
        self.void_at.is_some() || now >= self.expires_at
    }
}

/// The codes of a batch. They derive from the broker's secret, so they can be printed again.
fn codes(shop: &Shop, salt: &[u8], count: u64) -> Vec<String> {
    let code = |at: u64| {
        let bytes = random::mac(&shop.key, &[b"voucher", salt, &at.to_be_bytes()]);
        random::code_of(&bytes)
    };
    (0..count).map(code).collect()
}

/// What of a code is in the database.
fn digest_of(code: &str) -> Option<Vec<u8>> {
    random::plain_code(code).map(|plain| random::digest(&plain).to_vec())
}

pub(super) async fn voucher_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, .. }: LoggedIn,
) -> Answer {
    let words = visitor.words;
    let form = Form::new("/voucher", words.get("voucher-button"))
        .field("code", words.get("voucher-label"), Input::Line("off", 60))
        .help(words.get("voucher-help"));
    let page = Page::new(words.get("voucher-title")).with(form.into());
    show(&shop, &visitor, &page)
}

/// Adds the money of a code to the account. The same code again by the same person changes nothing.
pub(super) async fn redeem(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let user = posted.person.user.as_str();
    shop.attempt(VOUCHER_NET, &posted.visitor.net).await?;
    shop.attempt(VOUCHER, user).await?;
    shop.service.check_progress().await?;
    let wrong = || refuse("error-voucher");
    let digest = digest_of(posted.fields.text("code")).ok_or_else(wrong)?;
    let store = shop.service.store();
    let currency = currency_of(store, &digest).await?.ok_or_else(wrong)?;
    let client = store.account(&Account::new(AccountKind::Client, user, currency)).await?;
    let outside = store.account(&Account::new(AccountKind::Outside, "", currency)).await?;
    let now = shop.service.now();
    match retried!(use_code(store, &digest, user, (client, outside), now))? {
        Use::Done => {}
        Use::Wrong => return Err(wrong()),
        Use::Held => return Err(refuse("error-voucher-held")),
    }
    shop.service.note_progress().await?;
    shop.forgive(VOUCHER_NET, &posted.visitor.net).await?;
    shop.forgive(VOUCHER, user).await?;
    Ok(to(&shop, "/?note=done-voucher"))
}

async fn currency_of(store: &Store, digest: &[u8]) -> Result<Option<Currency>, StoreError> {
    let row = sqlx::query(
        "SELECT currency FROM voucher_batch JOIN voucher ON batch = name WHERE sha256 = $1",
    )
    .bind(digest.to_vec())
    .fetch_optional(store.pool())
    .await?;
    let currency: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(currency.and_then(|text| text.parse().ok()))
}

/// Uses a code.
async fn use_code(
    store: &Store,
    digest: &[u8],
    user: &str,
    (client, outside): (i64, i64),
    now: UnixTime,
) -> Result<Use, StoreError> {
    let mut tx = store.begin().await?;
    let lock = tx.locking("SELECT batch, used_by, released FROM voucher WHERE sha256 = $1");
    let row = sqlx::query(lock).bind(digest.to_vec()).fetch_one(tx.connection()).await?;
    let (batch, used_by): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let released: i64 = row.try_get(2)?;
    if let Some(used_by) = used_by {
        return Ok(if used_by == user { Use::Done } else { Use::Wrong });
    }
    let row = sqlx::query(
        "SELECT units, expires_at, void_at, voucher_batch.generation, broker.generation \
         FROM voucher_batch, broker WHERE name = $1",
    )
    .bind(batch.clone())
    .fetch_one(tx.connection())
    .await?;
    let (units, expires_at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let void_at: Option<i64> = row.try_get(2)?;
    let (made, generation): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
    if void_at.is_some() || now.0 >= expires_at {
        return Ok(Use::Wrong);
    }
    if made.max(released) < generation {
        return Ok(Use::Held);
    }
    let reference = format!("voucher {}", random::hex(digest));
    let moved = (client, outside, units);
    match credit(&mut tx, ("voucher", &reference), user, moved, now).await? {
        Credited::Now => {}
        // It stays good: the account was closed meanwhile.
        Credited::Closed | Credited::Before | Credited::Otherwise => return Ok(Use::Wrong),
    }
    sqlx::query("UPDATE voucher SET used_at = $2, used_by = $3 WHERE sha256 = $1")
        .bind(digest.to_vec())
        .bind(now.0)
        .bind(user.to_string())
        .execute(tx.connection())
        .await?;
    tx.commit().await?;
    Ok(Use::Done)
}

/// The batches, and the form for another one.
pub(super) async fn batches(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
    Query(skip): Query<Skip>,
) -> Answer {
    person.needs(Role::Money)?;
    let words = visitor.words;
    let (store, now) = (shop.service.store(), shop.service.now());
    let listed = page_of(store, skip).await?;
    let held = held(store, now).await?;
    let head = [
        "column-name",
        "column-date",
        "column-amount",
        "column-count",
        "column-used",
        "column-state",
        "column-print",
        "column-action",
    ];
    let table = Table {
        caption: words.get("vouchers-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: listed.rows.iter().map(|batch| batch_row(&visitor, batch, now)).collect(),
        empty: words.get("vouchers-empty"),
    };
    let form = Form::new("/operator/vouchers", words.get("vouchers-button"))
        .field("name", words.get("column-name"), Input::Line("off", NAME_LEN_MAX))
        .help(words.get("vouchers-name-help"))
        .field("amount", words.get("column-amount"), Input::Line("off", 30))
        .value(super::reader::currency(&shop).map_or(String::new(), |it| format!("5 {it}")))
        .help(words.get("amount-help"))
        .field("count", words.get("column-count"), Input::Number(1, VOUCHERS_MAX))
        .value("20")
        .field("months", words.get("vouchers-months"), Input::Number(1, MONTHS_MAX))
        .value("36");
    let mut page = note
        .on(&visitor, Page::new(words.get("vouchers-title")))
        .text(words.get("vouchers-text"))
        .with(Part::Table(table))
        .links(listed.links(words, "/operator/vouchers"));
    if held > 0 {
        let release = Form::new("/operator/vouchers/release", words.get("release-button"))
            .field("codes", words.get("release-label"), Input::Lines(CODES_LEN_MAX))
            .help(words.get("release-help"));
        page = page
            .heading(words.get("release-title"))
            .with(Part::Bad(words.with("release-text", &[("count", &held.to_string())])))
            .with(release.into());
    }
    let page = page.heading(words.get("vouchers-new")).with(form.into());
    show(&shop, &visitor, &page)
}

/// A page of the batches.
async fn page_of(store: &Store, skip: Skip) -> Result<Listed<Batch>, StoreError> {
    let select = format!("{BATCHES} ORDER BY at DESC, name DESC LIMIT $1 OFFSET $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(BATCHES_SHOWN_MAX as i64 + 1)
        .bind(skip.count())
        .fetch_all(store.pool())
        .await?;
    let batches: Vec<Batch> = rows.iter().map(Batch::read).collect::<Result<_, _>>()?;
    Ok(skip.page(batches, BATCHES_SHOWN_MAX))
}

/// How many codes of all batches wait for a release, as those that a [`Batch`] holds do.
async fn held(store: &Store, now: UnixTime) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM((SELECT COUNT(*) FROM voucher \
         WHERE batch = voucher_batch.name AND used_at IS NULL AND released < broker.generation)), \
         0) AS BIGINT) FROM voucher_batch, broker WHERE void_at IS NULL AND expires_at > $1 \
         AND voucher_batch.generation < broker.generation",
    )
    .bind(now.0)
    .fetch_one(store.pool())
    .await?;
    Ok(row.try_get(0)?)
}

fn batch_row(visitor: &Visitor, batch: &Batch, now: UnixTime) -> Vec<Cell> {
    let words = visitor.words;
    let amount = visitor.money(batch.amount.units(), batch.amount.currency());
    let button =
        |action: &str, text: String| Form::new(action, text).hidden("name", batch.name.clone());
    let is_over = batch.is_over(now);
    let state = match batch.held {
        _ if is_over => words.get("state-over"),
        0 => words.with("state-until", &[("time", &visitor.time(batch.expires_at))]),
        held => words.with("state-held", &[("count", &held.to_string())]),
    };
    let void = button("/operator/vouchers/void", words.get("vouchers-void")).danger();
    vec![
        Cell::text(&batch.name),
        Cell::Text(visitor.time(batch.at)),
        Cell::Number(amount),
        Cell::number(batch.count),
        Cell::number(batch.used),
        Cell::Text(state),
        Cell::Button(button("/operator/vouchers/print", words.get("vouchers-print"))),
        if is_over { Cell::text("") } else { Cell::Button(void) },
    ]
}

/// Makes a batch, and shows its codes. The same form again shows them again.
pub(super) async fn make(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let name = name_of(fields.text("name"))?;
    let amount = amount_of(&posted.visitor, fields.text("amount"))?;
    let count = fields.number("count", "column-count", 1..=VOUCHERS_MAX)?;
    let months = fields.number("months", "vouchers-months", 1..=MONTHS_MAX)?;
    if !(1..=VOUCHER_UNITS_MAX).contains(&amount.units()) {
        return Err(refuse("error-amount"));
    }
    check_currency(shop.service.store(), amount.currency()).await?;
    let now = shop.service.now();
    let batch = Batch {
        name: name.to_string(),
        at: now,
        amount,
        count,
        expires_at: months_after(now, months).ok_or_else(|| refuse("error-broker"))?,
        salt: random::bytes::<32>()?.to_vec(),
        void_at: None,
        used: 0,
        held: 0,
    };
    let codes = codes(&shop, &batch.salt, count);
    let store = shop.service.store();
    shop.service.check_progress().await?;
    retried!(add_batch(store, &batch, &codes, person, now))?;
    shop.service.note_progress().await?;
    let made = find(store, name).await?.ok_or_else(|| refuse("error-broker"))?;
    // A form that is sent twice says the same months, and a second or two later.
    let expires_at = months_after(made.at, months);
    if (made.amount, made.count, Some(made.expires_at)) != (amount, count, expires_at) {
        return Err(refuse("error-voucher-name"));
    }
    print(&shop, &posted.visitor, &made)
}

/// The same day and time in a later month, or the last day of a month that is shorter. `None` after
/// the year 9999.
fn months_after(time: UnixTime, months: u64) -> Option<UnixTime> {
    let text = time.to_string();
    let number = |digits: std::ops::Range<usize>| text.get(digits)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let month = year * 12 + month - 1 + months;
    let (year, month, rest) = (month / 12, month % 12 + 1, text.get(10..)?);
    let with = |day: u64| format!("{year:04}-{month:02}-{day:02}{rest}").parse().ok();
    (1..=day).rev().find_map(with)
}

/// The name of a batch: letters, digits and a few signs. Some letters are blank.
fn name_of(text: &str) -> Result<&str, Refused> {
    let is_good = |c: char| c.is_alphanumeric() || " ._-".contains(c);
    let is_good = text.chars().all(is_good) && is_plain_line(text);
    let is_name = (1..=NAME_LEN_MAX).contains(&text.chars().count()) && is_good;
    is_name.then_some(text).ok_or_else(|| refuse("error-name"))
}

async fn add_batch(
    store: &Store,
    batch: &Batch,
    codes: &[String],
    person: &Person,
    now: UnixTime,
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let added = sqlx::query(
        "INSERT INTO voucher_batch (name, at, by_whom, units, currency, count, expires_at, salt, \
         generation) SELECT $1, $2, $3, $4, $5, $6, $7, $8, generation FROM broker \
         WHERE true ON CONFLICT (name) DO NOTHING",
    )
    .bind(batch.name.clone())
    .bind(now.0)
    .bind(person.user.to_string())
    .bind(batch.amount.units() as i64)
    .bind(batch.amount.currency().to_string())
    .bind(batch.count as i64)
    .bind(batch.expires_at.0)
    .bind(batch.salt.clone())
    .execute(tx.connection())
    .await?;
    if added.rows_affected() == 0 {
        return Ok(());
    }
    for code in codes {
        sqlx::query("INSERT INTO voucher (sha256, batch) VALUES ($1, $2)")
            .bind(digest_of(code).unwrap_or_default())
            .bind(batch.name.clone())
            .execute(tx.connection())
            .await?;
    }
    tx.next_number(VOUCHERS).await?;
    let detail = format!("{}: {}, {}", batch.name, batch.count, batch.amount);
    tx.audit(person.user.as_str(), Act::Vouchers, &detail, now).await?;
    tx.commit().await
}

async fn find(store: &Store, name: &str) -> Result<Option<Batch>, StoreError> {
    let select = format!("{BATCHES} WHERE name = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(name.to_string())
        .fetch_optional(store.pool())
        .await?;
    row.as_ref().map(Batch::read).transpose()
}

fn print(shop: &Shop, visitor: &Visitor, batch: &Batch) -> Answer {
    // Nobody hands out a sheet of codes that are worth nothing.
    if batch.is_over(shop.service.now()) {
        return Err(refuse("error-vouchers-over").with("name", &batch.name));
    }
    let words = visitor.words;
    let amount = visitor.money(batch.amount.units(), batch.amount.currency());
    let expires = words.with("state-until", &[("time", &visitor.time(batch.expires_at))]);
    let (title, text) =
        (words.with("vouchers-of", &[("name", &batch.name)]), words.get("vouchers-care"));
    let codes = codes(shop, &batch.salt, batch.count);
    let frame = visitor.frame(shop);
    let html = render_vouchers(&frame, (&title, &text), (&amount, &expires), &codes)?;
    Ok(Html(html).into_response())
}

/// Shows the codes of a batch again.
pub(super) async fn print_again(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let store = shop.service.store();
    let batch = find(store, fields.text("name")).await?.ok_or_else(|| refuse("error-name"))?;
    let now = shop.service.now();
    retried!(async {
        let mut tx = store.begin().await?;
        tx.audit(person.user.as_str(), Act::VouchersPrinted, &batch.name, now).await?;
        tx.commit().await
    })?;
    print(&shop, &posted.visitor, &batch)
}

/// Releases codes that wait since the broker was restored: those that a person knows not to have
/// been used since the backup.
pub(super) async fn release(
    State(shop): State<Arc<Shop>>,
    posted: Posted<LARGE_FORM_SIZE_MAX>,
) -> Answer {
    let Posted { visitor, person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let lines: Vec<&str> =
        fields.text("codes").lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || lines.len() as u64 > VOUCHERS_MAX {
        return Err(refuse("error-release").with("most", VOUCHERS_MAX));
    }
    shop.service.check_progress().await?;
    let (store, now) = (shop.service.store(), shop.service.now());
    let unknown = retried!(release_once(store, &lines, person, now))?;
    let words = visitor.words;
    let count = (lines.len() - unknown.len()).to_string();
    let mut page = Page::new(words.get("release-title"))
        .with(Part::Good(words.with("release-done", &[("count", &count)])));
    if !unknown.is_empty() {
        page = page.with(Part::Bad(words.get("release-unknown")));
        page = page.with(Part::Code(unknown.join("\n")));
    }
    let back = ("/operator/vouchers".to_string(), words.get("back-link"));
    show(&shop, visitor, &page.with(Part::Links(vec![back])))
}

/// Releases codes, and returns those that are used or unknown.
async fn release_once(
    store: &Store,
    lines: &[&str],
    person: &Person,
    now: UnixTime,
) -> Result<Vec<String>, StoreError> {
    let mut tx = store.begin().await?;
    let mut unknown = Vec::new();
    for line in lines {
        let changed = sqlx::query(
            "UPDATE voucher SET released = (SELECT generation FROM broker) \
             WHERE sha256 = $1 AND used_at IS NULL",
        )
        .bind(digest_of(line).unwrap_or_default())
        .execute(tx.connection())
        .await?;
        if changed.rows_affected() == 0 {
            unknown.push(line.to_string());
        }
    }
    let detail = (lines.len() - unknown.len()).to_string();
    tx.audit(person.user.as_str(), Act::VouchersReleased, &detail, now).await?;
    tx.commit().await?;
    Ok(unknown)
}

/// Ends the codes of a batch that are not used.
pub(super) async fn void(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let (store, now, name) = (shop.service.store(), shop.service.now(), fields.text("name"));
    retried!(async {
        let mut tx = store.begin().await?;
        let changed = sqlx::query(
            "UPDATE voucher_batch SET void_at = $2 WHERE name = $1 AND void_at IS NULL",
        )
        .bind(name.to_string())
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        if changed.rows_affected() == 1 {
            tx.audit(person.user.as_str(), Act::VouchersVoid, name, now).await?;
        }
        tx.commit().await
    })?;
    Ok(to(&shop, "/operator/vouchers?note=done-void"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        for (from, months, expected) in [
            ("2026-11-30T12:34:56Z", 36, Some("2029-11-30T12:34:56Z")),
            ("2026-11-30T00:00:00Z", 3, Some("2027-02-28T00:00:00Z")),
            ("2027-12-31T23:59:59Z", 2, Some("2028-02-29T23:59:59Z")),
            ("2026-12-01T00:00:00Z", 1, Some("2027-01-01T00:00:00Z")),
            ("2026-01-31T00:00:00Z", MONTHS_MAX, Some("2036-01-31T00:00:00Z")),
            ("9999-12-01T00:00:00Z", 1, None),
        ] {
            let found = months_after(from.parse().unwrap(), months);
            assert_eq!(found, expected.map(|time| time.parse().unwrap()), "{from} {months}");
        }
    }
}
