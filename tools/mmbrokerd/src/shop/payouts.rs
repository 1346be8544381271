//! Payout runs: what vendors earned and clients want back, sent by the operator's bank.
//!
//! Input: balances and bank accounts. Output: a run with its files for the bank. The invariants: a
//! run is recorded with its transfers in one transaction; money that is in a run is on no other
//! balance; the form of a run sent twice makes one run.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use micromint::money::{Currency, Money};
use micromint::protocol::parse_decimal;
use micromint::time::UnixTime;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::answer::{Answer, Refused, refuse, show, to};
use super::audit::Act;
use super::booking::pay_again;
use super::form::Posted;
use super::login::Note;
use super::paging::{Listed, Older};
use super::people::Role;
use super::sepa::{self, Item};
use super::settings::ShopSettings;
use super::view::{Cell, Form, Page, Part, Table};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, random};
use crate::service::PAYOUTS;
use crate::store::{
    Account, AccountKind, Posted as Made, Store, StoreError, Transaction, parsed, retried,
};

/// The units of a cent: banks send whole cents.
pub(super) const CENT: u64 = 1_000_000;
/// The most payments of a run.
pub(super) const ITEMS_MAX: usize = 10_000;
/// The most runs on a page. A link leads to older ones.
pub const RUNS_SHOWN_MAX: usize = 100;

/// Somebody to whom money is due.
struct Due {
    kind: AccountKind,
    owner: String,
    account: i64,
    iban: String,
    name: String,
    /// What is taken from the balance, in units.
    gross: u64,
}

/// A run.
struct Run {
    id: i64,
    at: UnixTime,
    by: String,
    currency: Currency,
    paid_at: Option<i64>,
}

/// The accounts that every payment of a run moves money between.
#[derive(Clone, Copy)]
pub(super) struct Own {
    pub(super) payout: i64,
    pub(super) fees: i64,
    pub(super) outside: i64,
}

impl Own {
    pub(super) async fn of(store: &Store, currency: Currency) -> Result<Own, StoreError> {
        let account = |kind| Account::new(kind, "", currency);
        Ok(Own {
            payout: store.account(&account(AccountKind::Payout)).await?,
            fees: store.account(&account(AccountKind::Fees)).await?,
            outside: store.account(&account(AccountKind::Outside)).await?,
        })
    }
}

impl Run {
    fn read(row: &AnyRow) -> Result<Run, StoreError> {
        let currency: String = row.try_get(3)?;
        Ok(Run {
            id: row.try_get(0)?,
            at: UnixTime(row.try_get(1)?),
            by: row.try_get(2)?,
            currency: parsed("payout_run.currency", "three letters", &currency)?,
            paid_at: row.try_get(4)?,
        })
    }
}

const RUNS: &str = "SELECT id, at, by_whom, currency, paid_at FROM payout_run";

/// The kind of account with this word, of the two that are paid.
pub(super) fn kind_of(word: &str) -> AccountKind {
    if word == "vendor" { AccountKind::Vendor } else { AccountKind::Client }
}

/// What a payment costs, and the least that is paid.
#[derive(Clone, Copy)]
struct Terms {
    currency: Currency,
    /// The fee of a payment, in units.
    fee: u64,
    /// The least that is taken from a balance, in units: whole cents, and more than the fee.
    least: u64,
}

impl Terms {
    fn of(shop: &Shop, currency: Currency) -> Terms {
        let of = |amount: &Option<String>| ShopSettings::units(amount.as_ref(), currency.as_str());
        let fee = of(&shop.settings.payout_fee);
        let more_than_fee = (fee / CENT + 1) * CENT;
        let least = of(&shop.settings.payout_min).div_ceil(CENT) * CENT;
        Terms { currency, fee, least: least.max(more_than_fee) }
    }
}

/// What a payment costs in a currency, and the least that is paid out of a balance.
pub(super) fn fee_and_least(shop: &Shop, currency: Currency) -> (Money, Money) {
    let terms = Terms::of(shop, currency);
    (Money::new(terms.fee, currency), Money::new(terms.least, currency))
}

/// To whom money is due: those who can be paid now, at most [`ITEMS_MAX`] of them.
async fn due(
    connection: &mut AnyConnection,
    terms: Terms,
    now: UnixTime,
) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query(
        "SELECT account.id, account.kind, account.owner, amount, bank.iban, bank.name \
         FROM balance JOIN account ON account.id = balance.account \
         JOIN bank_account AS bank ON bank.kind = account.kind AND bank.owner = account.owner \
         AND bank.at = (SELECT MAX(at) FROM bank_account AS it WHERE it.kind = account.kind \
         AND it.owner = account.owner AND it.counts_from <= $2) \
         WHERE currency = $1 AND amount >= $3 AND (account.kind = 'vendor' AND NOT EXISTS \
         (SELECT 1 FROM disabled_vendor WHERE disabled_vendor.vendor = account.owner) \
         OR account.kind = 'client' AND EXISTS \
         (SELECT 1 FROM refund_wish WHERE refund_wish.user_id = account.owner)) \
         AND NOT EXISTS (SELECT 1 FROM payout_short WHERE payout_short.kind = account.kind \
         AND payout_short.owner = account.owner) \
         ORDER BY account.id LIMIT $4",
    )
    .bind(terms.currency.to_string())
    .bind(now.0)
    .bind(i64::try_from(terms.least).unwrap_or(i64::MAX))
    .bind(ITEMS_MAX as i64)
    .fetch_all(connection)
    .await?;
    let read = |row: &AnyRow| {
        let (kind, amount): (String, i64) = (row.try_get(1)?, row.try_get(3)?);
        Ok(Due {
            kind: kind_of(&kind),
            owner: row.try_get(2)?,
            account: row.try_get(0)?,
            iban: row.try_get(4)?,
            name: row.try_get(5)?,
            gross: amount.unsigned_abs() / CENT * CENT,
        })
    };
    rows.iter().map(read).collect()
}

/// How many balances would be due if they were not below the least that is paid.
async fn too_small(connection: &mut AnyConnection, terms: Terms) -> Result<i64, StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM balance JOIN account ON account.id = balance.account \
         WHERE currency = $1 AND amount > 0 AND amount < $2 \
         AND (account.kind = 'vendor' AND NOT EXISTS \
         (SELECT 1 FROM disabled_vendor WHERE disabled_vendor.vendor = account.owner) \
         OR account.kind = 'client' AND EXISTS \
         (SELECT 1 FROM refund_wish WHERE refund_wish.user_id = account.owner))",
    )
    .bind(terms.currency.to_string())
    .bind(i64::try_from(terms.least).unwrap_or(i64::MAX))
    .fetch_one(connection)
    .await?;
    Ok(row.try_get(0)?)
}

/// The runs, and what the next one would pay.
pub(super) async fn runs(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
    Query(older): Query<Older>,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let store = shop.service.store();
    let mut page = note.on(&visitor, Page::new(words.get("payouts-title")));
    page = page.text(words.get("payouts-text"));
    let halted = super::operator::halted(&shop).await?;
    if let Some(why) = &halted {
        page = page.with(Part::Bad(words.with("operator-halted", &[("why", why)])));
    }
    let is_blocked = store.payouts_blocked().await?;
    if is_blocked {
        page = page.with(Part::Bad(words.get("payouts-blocked")));
    }
    let may_pay = halted.is_none() && !is_blocked && person.role >= Role::Money;
    for currency in currencies(store).await? {
        let terms = Terms::of(&shop, currency);
        let mut connection = store.pool().acquire().await?;
        let due = due(&mut connection, terms, shop.service.now()).await?;
        let small = too_small(&mut connection, terms).await?;
        drop(connection);
        let row = |due: &Due| {
            vec![
                Cell::text(&due.owner),
                Cell::text(&due.iban),
                Cell::Number(visitor.money(due.gross, currency)),
                Cell::Number(visitor.money(terms.fee, currency)),
                Cell::Number(visitor.money(due.gross - terms.fee, currency)),
            ]
        };
        let head = ["column-owner", "column-iban", "column-amount", "column-fee", "column-payout"];
        let table = Table {
            caption: words.with("payouts-due", &[("currency", currency.as_str())]),
            head: head.map(|name| words.get(name)).to_vec(),
            rows: due.iter().map(row).collect(),
            empty: words.with("payouts-none", &[("currency", currency.as_str())]),
        };
        page = page.with(Part::Table(table));
        if small > 0 {
            let amount = |units| visitor.money(units, currency);
            let (count, fee, least) = (small.to_string(), amount(terms.fee), amount(terms.least));
            let arguments = [("count", &count[..]), ("fee", &fee), ("least", &least)];
            page = page.text(words.with("payouts-small", &arguments));
        }
        if may_pay && !due.is_empty() {
            let form = Form::new("/operator/payouts", words.get("payouts-button"))
                .hidden("currency", currency.to_string())
                .hidden("run", random::token()?);
            page = page.with(form.into());
        }
    }
    page = held(&shop, &visitor, page).await?;
    let listed = runs_before(store, older).await?;
    let row = |run: &Run| {
        vec![
            Cell::Link(format!("/operator/payouts/{}", run.id), run.id.to_string()),
            Cell::Text(visitor.time(run.at)),
            Cell::text(&run.by),
            Cell::text(run.currency),
            Cell::Text(state(&visitor, run.paid_at)),
        ]
    };
    let head = ["column-run", "column-date", "column-by", "column-currency", "column-state"];
    let table = Table {
        caption: words.get("payouts-runs"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: listed.rows.iter().map(row).collect(),
        empty: words.get("payouts-no-runs"),
    };
    let page = page
        .heading(words.get("payouts-runs"))
        .with(Part::Table(table))
        .links(listed.links(words, "/operator/payouts"));
    show(&shop, &visitor, &page)
}

/// A page of the runs.
async fn runs_before(store: &Store, older: Older) -> Result<Listed<Run>, StoreError> {
    let select = format!("{RUNS} WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(older.bound())
        .bind(RUNS_SHOWN_MAX as i64 + 1)
        .fetch_all(store.pool())
        .await?;
    let runs: Vec<Run> = rows.iter().map(Run::read).collect::<Result<_, _>>()?;
    Ok(older.page(runs, RUNS_SHOWN_MAX, |run| run.id))
}

/// Adds who is paid nothing, though money is due, and why.
async fn held(shop: &Shop, visitor: &Visitor, page: Page) -> Result<Page, Refused> {
    let words = visitor.words;
    let rows = sqlx::query(
        "SELECT owner, amount, currency, 0 FROM balance \
         JOIN account ON account.id = balance.account \
         JOIN disabled_vendor ON disabled_vendor.vendor = account.owner \
         WHERE kind = 'vendor' AND amount > 0 \
         UNION ALL SELECT owner, amount, currency, -1 FROM balance \
         JOIN account ON account.id = balance.account \
         WHERE kind = 'vendor' AND amount > 0 AND NOT EXISTS \
         (SELECT 1 FROM bank_account WHERE bank_account.kind = 'vendor' \
         AND bank_account.owner = account.owner) AND NOT EXISTS \
         (SELECT 1 FROM disabled_vendor WHERE disabled_vendor.vendor = account.owner) \
         UNION ALL SELECT owner, units + fee, currency, run FROM payout_short \
         JOIN payout_run ON payout_run.id = payout_short.run ORDER BY 1, 4 LIMIT $1",
    )
    .bind(ITEMS_MAX as i64)
    .fetch_all(shop.service.store().pool())
    .await?;
    if rows.is_empty() {
        return Ok(page);
    }
    let mut cells = Vec::new();
    for row in &rows {
        let (owner, units, currency): (String, i64, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let currency = currency.parse().map_err(|_| refuse("error-broker"))?;
        let run: i64 = row.try_get(3)?;
        let why = match run {
            0 => words.get("payouts-held-disabled"),
            -1 => words.get("payouts-held-no-bank"),
            run => words.with("payouts-held-short", &[("run", &format!("#{run}"))]),
        };
        let amount = visitor.money(units.unsigned_abs(), currency);
        cells.push(vec![Cell::text(owner), Cell::Number(amount), Cell::Text(why)]);
    }
    let head = ["column-owner", "column-amount", "column-text"];
    let table = Table {
        caption: words.get("payouts-held"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: cells,
        empty: String::new(),
    };
    Ok(page.with(Part::Table(table)))
}

/// A payout run, for its list.
#[derive(Clone, Debug)]
pub struct ListedRun {
    /// Its number.
    pub run: u64,
    /// When it was made or booked.
    pub at: UnixTime,
    /// Who did that.
    pub by: String,
    /// When it was recorded that the bank has sent it.
    pub paid_at: Option<UnixTime>,
    /// How many payments it has.
    pub payments: u64,
    /// How many of them came back.
    pub failed: u64,
    /// How many of them wait to be booked.
    pub short: u64,
    /// What it sends in all.
    pub total: Money,
}

/// The payout runs, the last first.
///
/// # Errors
/// The database failed, or holds an invalid value.
pub async fn list_runs(store: &Store) -> Result<Vec<ListedRun>, StoreError> {
    let select = format!("{RUNS} ORDER BY id DESC");
    let rows = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_all(store.pool()).await?;
    let mut runs = Vec::new();
    for row in &rows {
        let run = Run::read(row)?;
        let items = items_of(store, run.id).await?;
        let count = |state: &str| items.iter().filter(|item| item.state == state).count() as u64;
        runs.push(ListedRun {
            run: run.id.unsigned_abs(),
            at: run.at,
            by: run.by,
            paid_at: run.paid_at.map(UnixTime),
            payments: items.len() as u64,
            failed: count("failed"),
            short: count("short"),
            total: Money::new(items.iter().map(|item| item.units).sum(), run.currency),
        });
    }
    Ok(runs)
}

fn state(visitor: &Visitor, paid_at: Option<i64>) -> String {
    match paid_at {
        Some(at) => visitor.words.with("state-paid", &[("time", &visitor.time(UnixTime(at)))]),
        None => visitor.words.get("state-unpaid"),
    }
}

async fn currencies(store: &Store) -> Result<Vec<Currency>, StoreError> {
    let rows = sqlx::query("SELECT DISTINCT currency FROM account ORDER BY currency")
        .fetch_all(store.pool())
        .await?;
    let mut all = Vec::new();
    for row in rows {
        let text: String = row.try_get(0)?;
        all.extend(text.parse::<Currency>().ok());
    }
    Ok(all)
}

/// Makes a run.
pub(super) async fn make(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let currency: Currency = fields.text("currency").parse().map_err(|_| refuse("error-form"))?;
    let token = fields.text("run");
    if token.len() != 64 {
        return Err(refuse("error-form"));
    }
    let store = shop.service.store();
    // Nothing can be due in others, and asking for them makes no accounts.
    if !currencies(store).await?.contains(&currency) {
        return Err(refuse("error-nothing-due"));
    }
    shop.service.check_progress().await?;
    let own = Own::of(store, currency).await?;
    let terms = Terms::of(&shop, currency);
    let by = (person.user.as_str(), shop.service.now());
    let id = match retried!(make_once(store, token, terms, own, by))? {
        RunMade::Run(id) => id,
        RunMade::Blocked => return Err(refuse("error-payouts-blocked")),
        RunMade::NothingDue => return Err(refuse("error-nothing-due")),
    };
    shop.service.note_progress().await?;
    Ok(to(&shop, &format!("/operator/payouts/{id}")))
}

/// What became of the wish to make a run.
enum RunMade {
    /// The run with this number, made now or before.
    Run(i64),
    /// Payouts are blocked since a restore.
    Blocked,
    /// No balance can be paid.
    NothingDue,
}

async fn make_once(
    store: &Store,
    token: &str,
    terms: Terms,
    own: Own,
    (by, now): (&str, UnixTime),
) -> Result<RunMade, StoreError> {
    let mut tx = store.begin().await?;
    // Its row is locked from here on, so runs are made one after the other.
    let run = tx.next_number(PAYOUTS).await?;
    let added = sqlx::query(
        "INSERT INTO payout_run (id, at, by_whom, currency, token) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (token) DO NOTHING",
    )
    .bind(run)
    .bind(now.0)
    .bind(by.to_string())
    .bind(terms.currency.to_string())
    .bind(token.to_string())
    .execute(tx.connection())
    .await?;
    if added.rows_affected() == 0 {
        let known = sqlx::query("SELECT id FROM payout_run WHERE token = $1")
            .bind(token.to_string())
            .fetch_one(tx.connection())
            .await?;
        return Ok(RunMade::Run(known.try_get(0)?));
    }
    if tx.payouts_blocked().await? {
        return Ok(RunMade::Blocked);
    }
    let (mut count, mut sum) = (0, 0);
    for item in &due(tx.connection(), terms, now).await? {
        if add_item(&mut tx, run, item, terms.fee, own, now).await? {
            count += 1;
            sum += item.gross - terms.fee;
        }
    }
    if count == 0 {
        return Ok(RunMade::NothingDue);
    }
    let sum = Money::new(sum, terms.currency);
    tx.audit(by, Act::PayoutRun, &format!("{run}: {count}, {sum}"), now).await?;
    tx.commit().await?;
    Ok(RunMade::Run(run))
}

/// Adds a payment to a run, unless the balance fell meanwhile.
async fn add_item(
    tx: &mut Transaction,
    run: i64,
    due: &Due,
    fee: u64,
    own: Own,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let (gross, fee) = (due.gross as i64, fee as i64);
    let reference = format!("payout {run} {} {}", due.kind.word(), due.owner);
    let entries = [(due.account, -gross), (own.payout, gross - fee), (own.fees, fee)];
    tx.mark().await?;
    match tx.post("payout", &reference, &entries, now).await? {
        Made::Made(_) => tx.keep().await?,
        Made::TooLittle(_) => {
            tx.undo().await?;
            return Ok(false);
        }
    }
    let item = Item {
        kind: due.kind.word().to_string(),
        owner: due.owner.clone(),
        iban: due.iban.clone(),
        name: due.name.clone(),
        units: due.gross - fee.unsigned_abs(),
        fee: fee.unsigned_abs(),
        state: String::new(),
    };
    tx.add_payout(run, &item, "open").await?;
    sqlx::query("DELETE FROM refund_wish WHERE user_id = $1")
        .bind(if due.kind == AccountKind::Client { due.owner.clone() } else { String::new() })
        .execute(tx.connection())
        .await?;
    Ok(true)
}

async fn find(store: &Store, number: &str) -> Result<(Run, Vec<Item>), Refused> {
    let none = || refuse("error-no-page");
    let id = parse_decimal(number).and_then(|id| i64::try_from(id).ok()).ok_or_else(none)?;
    let select = format!("{RUNS} WHERE id = $1");
    let row =
        sqlx::query(sqlx::AssertSqlSafe(select)).bind(id).fetch_optional(store.pool()).await?;
    let run = Run::read(&row.ok_or_else(none)?)?;
    Ok((run, items_of(store, id).await?))
}

/// The payments of a run: also those that wait to be booked, whose state is `short`.
async fn items_of(store: &Store, run: i64) -> Result<Vec<Item>, StoreError> {
    let rows = sqlx::query(
        "SELECT kind, owner, iban, name, units, fee, state FROM payout WHERE run = $1 \
         AND NOT EXISTS (SELECT 1 FROM payout_short WHERE payout_short.run = payout.run \
         AND payout_short.kind = payout.kind AND payout_short.owner = payout.owner) \
         UNION ALL SELECT kind, owner, iban, name, units, fee, 'short' FROM payout_short \
         WHERE run = $1 ORDER BY 1, 2",
    )
    .bind(run)
    .fetch_all(store.pool())
    .await?;
    let mut items = Vec::new();
    for row in &rows {
        let (units, fee): (i64, i64) = (row.try_get(4)?, row.try_get(5)?);
        items.push(Item {
            kind: row.try_get(0)?,
            owner: row.try_get(1)?,
            iban: row.try_get(2)?,
            name: row.try_get(3)?,
            units: units.unsigned_abs(),
            fee: fee.unsigned_abs(),
            state: row.try_get(6)?,
        });
    }
    Ok(items)
}

/// One run.
pub(super) async fn run(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Path(number): Path<String>,
    Query(note): Query<Note>,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let (run, items) = find(shop.service.store(), &number).await?;
    let may_change = person.role >= Role::Money;
    let row = |item: &Item| {
        let fail =
            Form::new(format!("/operator/payouts/{number}/failed"), words.get("payout-fail"))
                .hidden("kind", item.kind.clone())
                .hidden("owner", item.owner.clone())
                .danger();
        let state = match item.state.as_str() {
            "paid" => "payout-paid",
            "failed" => "payout-failed",
            "short" => "payout-short",
            _ => "payout-open",
        };
        let again =
            Form::new(format!("/operator/payouts/{number}/again"), words.get("payout-again"))
                .hidden("kind", item.kind.clone())
                .hidden("owner", item.owner.clone())
                .danger();
        vec![
            Cell::text(&item.owner),
            Cell::text(&item.iban),
            Cell::text(&item.name),
            Cell::Number(visitor.money(item.units, run.currency)),
            Cell::Number(visitor.money(item.fee, run.currency)),
            Cell::Text(words.get(state)),
            match item.state.as_str() {
                _ if !may_change => Cell::text(""),
                "failed" => Cell::Button(again),
                _ => Cell::Button(fail),
            },
        ]
    };
    let head = [
        "column-owner",
        "column-iban",
        "bank-name",
        "column-payout",
        "column-fee",
        "column-state",
        "column-action",
    ];
    let table = Table {
        caption: words.get("payouts-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: items.iter().map(row).collect(),
        empty: String::new(),
    };
    let total = items.iter().map(|item| item.units).sum();
    let is_paid_any = has_payments(&items);
    let mut links = vec![(format!("/operator/payouts/{number}/csv"), words.get("payout-csv"))];
    if is_paid_any && run.currency.as_str() == "EUR" && !shop.settings.payout_iban.is_empty() {
        links.push((format!("/operator/payouts/{number}/sepa"), words.get("payout-sepa")));
    }
    let page = Page::new(words.with("payout-title", &[("run", &format!("#{number}"))]));
    let mut page = note
        .on(&visitor, page)
        .with(Part::Facts(vec![
            (words.get("column-date"), visitor.time(run.at)),
            (words.get("column-payout"), visitor.money(total, run.currency)),
            (words.get("column-state"), state(&visitor, run.paid_at)),
        ]))
        .with(Part::Table(table))
        .with(Part::Links(links));
    if run.paid_at.is_none() && !is_paid_any {
        page = page.text(words.get("payout-nothing"));
    } else if run.paid_at.is_none() && may_change {
        let paid =
            Form::new(format!("/operator/payouts/{number}/paid"), words.get("payout-paid-button"));
        page = page.text(words.get("payout-paid-text")).with(paid.into());
    }
    show(&shop, &visitor, &page)
}

/// Whether the bank has something to pay: not all payments came back.
fn has_payments(items: &[Item]) -> bool {
    items.iter().any(|item| item.state != "failed")
}

/// The run as CSV.
pub(super) async fn csv(
    State(shop): State<Arc<Shop>>,
    LoggedIn { person, .. }: LoggedIn,
    Path(number): Path<String>,
) -> Answer {
    person.needs(Role::Money)?;
    let (run, items) = find(shop.service.store(), &number).await?;
    let text = sepa::csv(&format!("payout {}", run.id), run.currency, &items);
    Ok(file(&format!("payout-{}.csv", run.id), "text/csv; charset=utf-8", text))
}

/// The run as a SEPA credit transfer (pain.001).
pub(super) async fn xml(
    State(shop): State<Arc<Shop>>,
    LoggedIn { person, .. }: LoggedIn,
    Path(number): Path<String>,
) -> Answer {
    person.needs(Role::Money)?;
    let (run, items) = find(shop.service.store(), &number).await?;
    let settings = &shop.settings;
    // The schema needs a payment.
    let is_made = run.currency.as_str() == "EUR" && has_payments(&items);
    if !is_made || settings.payout_iban.is_empty() {
        return Err(refuse("error-no-page"));
    }
    let name = if settings.payout_name.is_empty() { &settings.name } else { &settings.payout_name };
    let text = sepa::pain_001(run.id, run.at, (name, &settings.payout_iban), &items)?;
    Ok(file(&format!("payout-{}.xml", run.id), "application/xml", text))
}

fn file(name: &str, media_type: &str, text: String) -> axum::response::Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(CONTENT_TYPE, media_type.to_string()), (CONTENT_DISPOSITION, disposition)], text)
        .into_response()
}

/// Records that the bank has sent a run.
pub(super) async fn paid(
    State(shop): State<Arc<Shop>>,
    Path(number): Path<String>,
    posted: Posted,
) -> Answer {
    posted.person.needs(Role::Money)?;
    let store = shop.service.store();
    let (run, _) = find(store, &number).await?;
    let own = Own::of(store, run.currency).await?;
    let (by, now) = (posted.person.user.as_str(), shop.service.now());
    shop.service.check_progress().await?;
    retried!(paid_once(store, &run, own, by, now))?;
    shop.service.note_progress().await?;
    Ok(to(&shop, &format!("/operator/payouts/{number}?note=done-paid")))
}

async fn paid_once(
    store: &Store,
    run: &Run,
    own: Own,
    by: &str,
    now: UnixTime,
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let changed =
        sqlx::query("UPDATE payout_run SET paid_at = $2 WHERE id = $1 AND paid_at IS NULL")
            .bind(run.id)
            .bind(now.0)
            .execute(tx.connection())
            .await?;
    if changed.rows_affected() == 0 {
        return Ok(());
    }
    let sum: i64 = sqlx::query(
        "SELECT CAST(COALESCE(SUM(units), 0) AS BIGINT) FROM payout \
         WHERE run = $1 AND state = 'open'",
    )
    .bind(run.id)
    .fetch_one(tx.connection())
    .await?
    .try_get(0)?;
    sqlx::query("UPDATE payout SET state = 'paid' WHERE run = $1 AND state = 'open'")
        .bind(run.id)
        .execute(tx.connection())
        .await?;
    let reference = format!("payout {} paid", run.id);
    let entries = [(own.payout, -sum), (own.outside, sum)];
    match tx.post("payout", &reference, &entries, now).await? {
        Made::Made(_) => {}
        Made::TooLittle(_) => return Err(StoreError::TooLarge("payout")),
    }
    tx.audit(by, Act::PayoutRunPaid, &run.id.to_string(), now).await?;
    tx.commit().await
}

/// Records that a payment of a run came back: its money is on the balance again.
pub(super) async fn failed(
    State(shop): State<Arc<Shop>>,
    Path(number): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let store = shop.service.store();
    let (run, items) = find(store, &number).await?;
    let (kind, owner) = (fields.text("kind"), fields.text("owner"));
    if !items.iter().any(|item| item.kind == kind && item.owner == owner) {
        return Err(refuse("error-form"));
    }
    let own = Own::of(store, run.currency).await?;
    let account = Account::new(kind_of(kind), owner, run.currency);
    let account = store.account(&account).await?;
    let by = (person.user.as_str(), shop.service.now());
    shop.service.check_progress().await?;
    retried!(failed_once(store, run.id, (kind, owner, account), own, by))?;
    shop.service.note_progress().await?;
    Ok(to(&shop, &format!("/operator/payouts/{number}?note=done-paid")))
}

/// Records that the bank paid a payment after all that was recorded as come back.
pub(super) async fn again(
    State(shop): State<Arc<Shop>>,
    Path(number): Path<String>,
    posted: Posted,
) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let store = shop.service.store();
    let (run, items) = find(store, &number).await?;
    let (kind, owner) = (fields.text("kind"), fields.text("owner"));
    let item = items.iter().find(|item| item.kind == kind && item.owner == owner);
    let item = item.ok_or_else(|| refuse("error-form"))?;
    let own = Own::of(store, run.currency).await?;
    let account = Account::new(kind_of(kind), owner, run.currency);
    let account = store.account(&account).await?;
    let by = (person.user.as_str(), shop.service.now());
    shop.service.check_progress().await?;
    let done = retried!(pay_again(store, (run.id, item), (account, own), by))?;
    shop.service.note_progress().await?;
    if done == Some(false) {
        return Err(refuse("error-payout-short"));
    }
    Ok(to(&shop, &format!("/operator/payouts/{number}?note=done-paid")))
}

async fn failed_once(
    store: &Store,
    run: i64,
    (kind, owner, account): (&str, &str, i64),
    own: Own,
    (by, now): (&str, UnixTime),
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    tx.lock_run(run).await?;
    // The bank took back what was never booked.
    if tx.forget_short(run, kind, owner).await? {
        tx.audit(by, Act::PayoutFailed, &format!("{run} {owner}"), now).await?;
        return tx.commit().await;
    }
    let lock = tx.locking(
        "SELECT units, fee, state FROM payout WHERE run = $1 AND kind = $2 AND owner = $3",
    );
    let row = sqlx::query(lock)
        .bind(run)
        .bind(kind.to_string())
        .bind(owner.to_string())
        .fetch_optional(tx.connection())
        .await?;
    let Some(row) = row else { return Ok(()) };
    let (units, fee): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let state: String = row.try_get(2)?;
    // The fee is given back if the bank did nothing yet.
    let entries = match state.as_str() {
        "open" => vec![(own.payout, -units), (own.fees, -fee), (account, units + fee)],
        "paid" => vec![(own.outside, -units), (account, units)],
        _ => return Ok(()),
    };
    let reference = format!("payout {run} {kind} {owner} failed");
    let reference = tx.unused_reference(&reference).await?;
    match tx.post("payout", &reference, &entries, now).await? {
        Made::Made(_) => {}
        Made::TooLittle(_) => return Err(StoreError::TooLarge("payout")),
    }
    sqlx::query("UPDATE payout SET state = 'failed' WHERE run = $1 AND kind = $2 AND owner = $3")
        .bind(run)
        .bind(kind.to_string())
        .bind(owner.to_string())
        .execute(tx.connection())
        .await?;
    tx.audit(by, Act::PayoutFailed, &format!("{run} {owner}"), now).await?;
    tx.commit().await
}
