//! Money that comes in, and the proof that everything sums to zero.
//!
//! Input: an amount for a person, with what identifies it. Output: a transfer, once. The invariant:
//! money comes in with its record in one transaction.

use std::sync::Arc;

use axum::extract::State;
use micromint::identity::UserId;
use micromint::money::{Currency, Money};
use micromint::time::UnixTime;
use sqlx::Row;

use super::Shop;
use super::answer::{Answer, Refused, refuse, show, to};
use super::form::Posted;
use super::people::Role;
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::{LoggedIn, Visitor};
use crate::store::{Account, AccountKind, Posted as Made, Store, StoreError, Transaction, retried};

/// The highest amount that is added at once: 10^6 of a currency.
const DEPOSIT_UNITS_MAX: u64 = 100_000_000_000_000;
/// The longest reference, in characters.
pub(super) const REFERENCE_LEN_MAX: usize = 140;

/// The sum of the balances of a kind of account in one currency.
pub struct Sum {
    /// The kind.
    pub kind: String,
    /// The currency.
    pub currency: Currency,
    /// The sum, in units of 10^-8.
    pub units: i128,
    /// How many accounts there are.
    pub accounts: i64,
}

/// The sums of all accounts, by currency and kind.
///
/// # Errors
/// The database failed, or holds an invalid currency.
pub async fn sums(store: &Store) -> Result<Vec<Sum>, StoreError> {
    // Two halves, as a sum of all entries may need more than 64 bits.
    let rows = sqlx::query(
        "SELECT kind, currency, CAST(SUM(amount / 4294967296) AS BIGINT), \
         CAST(SUM(amount % 4294967296) AS BIGINT), COUNT(*) \
         FROM balance JOIN account ON account.id = balance.account \
         GROUP BY kind, currency ORDER BY currency, kind",
    )
    .fetch_all(store.pool())
    .await?;
    rows.iter()
        .map(|row| {
            let currency: String = row.try_get(1)?;
            let (high, low): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            Ok(Sum {
                kind: row.try_get(0)?,
                currency: currency.parse().map_err(|_| StoreError::Value {
                    what: "account.currency",
                    expected: "three letters",
                    found: currency,
                })?,
                units: i128::from(high) * (1 << 32) + i128::from(low),
                accounts: row.try_get(4)?,
            })
        })
        .collect()
}

/// A number of units as an amount, with its sign.
pub fn signed_amount(units: i128, currency: Currency) -> String {
    let money = Money::new(u64::try_from(units.unsigned_abs()).unwrap_or(u64::MAX), currency);
    if units < 0 { format!("-{money}") } else { money.to_string() }
}

/// The page that shows that everything sums to zero.
pub(super) async fn sums_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let store = shop.service.store();
    let all = sums(store).await?;
    let mut rows = Vec::new();
    let mut currencies: Vec<Currency> = all.iter().map(|sum| sum.currency).collect();
    currencies.dedup();
    for currency in currencies {
        let of_currency = || all.iter().filter(|sum| sum.currency == currency);
        for sum in of_currency() {
            rows.push(vec![
                Cell::Text(words.get(kind_name(&sum.kind))),
                Cell::number(sum.accounts),
                Cell::Number(signed_amount(sum.units, currency)),
            ]);
        }
        let total: i128 = of_currency().map(|sum| sum.units).sum();
        rows.push(vec![
            Cell::Text(words.get("sums-total")),
            Cell::number(of_currency().map(|sum| sum.accounts).sum::<i64>()),
            Cell::Number(signed_amount(total, currency)),
        ]);
    }
    let head = ["column-name", "column-count", "column-amount"];
    let table = Table {
        caption: words.get("sums-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows,
        empty: words.get("sums-empty"),
    };
    let faults = store.ledger_faults().await?;
    let mut page = Page::new(words.get("sums-title")).text(words.get("sums-text"));
    page = match faults.is_empty() {
        true => page.with(Part::Good(words.get("sums-good"))),
        false => page.with(Part::Bad(words.with("sums-bad", &[("faults", &faults.join("; "))]))),
    };
    let page = super::conservation::add_to(&shop, &visitor, page.with(Part::Table(table))).await?;
    show(&shop, &visitor, &page)
}

/// The message with the name of a kind of account.
fn kind_name(kind: &str) -> &'static str {
    match kind {
        "outside" => "kind-outside",
        "client" => "kind-client",
        "vendor" => "kind-vendor",
        "coins" => "kind-coins",
        "disputed" => "kind-disputed",
        "lapsed" => "kind-lapsed",
        "payout" => "kind-payout",
        "promotion" => "kind-promotion",
        _ => "kind-fees",
    }
}

/// Moves money from outside to a person within a transaction, once for each reference. Returns
/// whether it was moved now.
pub(super) async fn credit(
    tx: &mut Transaction,
    kind: &'static str,
    reference: &str,
    (client, outside, units): (i64, i64, i64),
    now: UnixTime,
) -> Result<bool, StoreError> {
    let known = sqlx::query("SELECT id FROM transfer WHERE reference = $1")
        .bind(reference.to_string())
        .fetch_optional(tx.connection())
        .await?;
    if known.is_some() {
        return Ok(false);
    }
    match tx.post(kind, reference, &[(client, units), (outside, -units)], now).await? {
        Made::Made(_) => Ok(true),
        Made::TooLittle(_) => Err(StoreError::TooLarge("deposit")),
    }
}

/// The accounts of a person and of the world outside.
pub(super) async fn accounts(
    store: &Store,
    user: &UserId,
    currency: Currency,
) -> Result<(i64, i64), StoreError> {
    let client = Account::new(AccountKind::Client, user.as_str(), currency);
    let outside = Account::new(AccountKind::Outside, "", currency);
    Ok((store.account(&client).await?, store.account(&outside).await?))
}

/// An amount that can be added at once.
pub(super) fn checked_units(amount: Money) -> Result<i64, Refused> {
    let is_good = (1..=DEPOSIT_UNITS_MAX).contains(&amount.units());
    is_good.then_some(amount.units() as i64).ok_or_else(|| refuse("error-amount"))
}

pub(super) async fn deposit_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
) -> Answer {
    person.needs(Role::Money)?;
    let page = deposit_form(&shop, &visitor);
    show(&shop, &visitor, &page)
}

fn deposit_form(shop: &Shop, visitor: &Visitor) -> Page {
    let words = visitor.words;
    let currency = super::reader::currency(shop).map_or(String::new(), |it| format!("5 {it}"));
    let form = Form::new("/operator/deposit", words.get("deposit-button"))
        .field("user", words.get("user-label"), Input::Line("off", 40))
        .field("amount", words.get("column-amount"), Input::Line("off", 30))
        .value(currency)
        .help(words.get("amount-help"))
        .field("reference", words.get("reference-label"), Input::Line("off", REFERENCE_LEN_MAX))
        .help(words.get("deposit-reference-help"));
    Page::new(words.get("deposit-title")).text(words.get("deposit-text")).with(form.into())
}

/// Adds money that came in some other way. The same reference again adds nothing.
pub(super) async fn deposit(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let user: UserId = fields.text("user").parse().map_err(|_| refuse("error-no-person"))?;
    let amount: Money = fields.text("amount").parse().map_err(|_| refuse("error-amount"))?;
    let (units, reference) = (checked_units(amount)?, fields.text("reference"));
    if !(1..=REFERENCE_LEN_MAX).contains(&reference.chars().count()) {
        return Err(refuse("error-reference"));
    }
    let (store, now) = (shop.service.store(), shop.service.now());
    if super::people::login(store, user.as_str()).await?.is_none() {
        return Err(refuse("error-no-person"));
    }
    shop.service.check_progress().await?;
    let (client, outside) = accounts(store, &user, amount.currency()).await?;
    let name = format!("deposit {user} {reference}");
    let is_new = retried!(async {
        let mut tx = store.begin().await?;
        let is_new = credit(&mut tx, "deposit", &name, (client, outside, units), now).await?;
        if is_new {
            let detail = format!("{user} {amount} {reference}");
            tx.audit(person.user.as_str(), "deposit", &detail, now).await?;
            tx.commit().await?;
        }
        Ok::<bool, StoreError>(is_new)
    })?;
    shop.service.note_progress().await?;
    if !is_new {
        return Err(refuse("error-reference-used"));
    }
    Ok(to(&shop, "/operator?note=done-deposit"))
}
