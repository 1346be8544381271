//! Money that comes in, and the proof that everything sums to zero.
//!
//! Input: an amount for a person, with what identifies it. Output: a transfer, once. The invariant:
//! money comes in with its record in one transaction.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use icu_normalizer::ComposingNormalizer;
use micromint::identity::UserId;
use micromint::money::{Currency, Money};
use micromint::reply::Reply;
use micromint::time::UnixTime;
use sqlx::Row;

use super::Shop;
use super::answer::{Answer, Refused, refuse, show, to};
use super::audit::{Act, last_deposit};
use super::figures::ledger_check;
use super::form::{Posted, is_plain_line};
use super::operator::{check_words, named_person};
use super::people::Role;
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::{LoggedIn, Visitor};
use super::words::Language;
use crate::service::{Service, ServiceError};
use crate::store::{
    Account, AccountKind, Posted as Made, Store, StoreError, Transaction, parsed, retried,
};

/// The highest amount that is added at once: 10^6 of a currency.
const DEPOSIT_UNITS_MAX: u64 = 100_000_000_000_000;
/// The longest reference, in characters.
pub const REFERENCE_LEN_MAX: usize = 140;

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
                currency: parsed("account.currency", "three letters", &currency)?,
                units: i128::from(high) * (1 << 32) + i128::from(low),
                accounts: row.try_get(4)?,
            })
        })
        .collect()
}

/// A number of units as a printed amount, with its sign, for programs.
pub(super) fn signed_amount(units: i128, currency: Currency) -> String {
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
    let page = Page::new(words.get("sums-title")).text(words.get("sums-text"));
    let Some((at, checked)) = ledger_check(&shop).await else {
        return show(&shop, &visitor, &page.text(check_words(&visitor, None)));
    };
    // As it is now: the check may be minutes old.
    let all = sums(shop.service.store()).await?;
    let mut rows = Vec::new();
    let mut currencies: Vec<Currency> = all.iter().map(|sum| sum.currency).collect();
    currencies.dedup();
    for currency in currencies {
        let of_currency = || all.iter().filter(|sum| sum.currency == currency);
        for sum in of_currency() {
            rows.push(vec![
                Cell::Text(words.get(kind_name(&sum.kind))),
                Cell::number(sum.accounts),
                Cell::Number(visitor.signed_money(sum.units, currency)),
            ]);
        }
        let total: i128 = of_currency().map(|sum| sum.units).sum();
        rows.push(vec![
            Cell::Text(words.get("sums-total")),
            Cell::number(of_currency().map(|sum| sum.accounts).sum::<i64>()),
            Cell::Number(visitor.signed_money(total, currency)),
        ]);
    }
    let head = ["column-name", "column-count", "column-amount"];
    let table = Table {
        caption: words.get("sums-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows,
        empty: words.get("sums-empty"),
    };
    let faults = &checked.faults;
    let page = match faults.is_empty() {
        true => page.with(Part::Good(words.get("sums-good"))),
        false => page.with(Part::Bad(words.with("sums-bad", &[("faults", &faults.join("; "))]))),
    };
    let page = page.text(check_words(&visitor, Some(at))).with(Part::Table(table));
    show(&shop, &visitor, &super::conservation::add_to(&visitor, page, &checked.periods))
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

/// Why money is not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DepositRefusal {
    /// The amount is 0 or too large.
    #[error("expected an amount above 0 and up to {}", Money::new(DEPOSIT_UNITS_MAX, .0.currency()))]
    Amount(Money),
    /// Nothing is sold in this currency.
    #[error("no period of the broker is in {found}; its currencies: {}", listed(known))]
    Currency {
        /// The currency that was given.
        found: Currency,
        /// Those of the periods.
        known: BTreeSet<Currency>,
    },
    /// The reference has a wrong form.
    #[error("expected a reference of 1 to {REFERENCE_LEN_MAX} characters in one line")]
    Reference,
    /// The reference was used for other money.
    #[error(
        "another deposit has this reference, with another amount or for another user; nothing was \
         added"
    )]
    Used,
    /// The account is closed.
    #[error("the account of {0} is closed; `mmbroker person {0}` opens it again")]
    Closed(UserId),
}

impl DepositRefusal {
    fn page(&self) -> Refused {
        match self {
            DepositRefusal::Amount(_) => refuse("error-amount"),
            DepositRefusal::Currency { known, .. } => no_currency(known),
            DepositRefusal::Reference => refuse("error-reference"),
            DepositRefusal::Used => refuse("error-reference-other"),
            DepositRefusal::Closed(_) => refuse("error-no-person"),
        }
    }
}

fn listed(currencies: &BTreeSet<Currency>) -> String {
    let all: Vec<&str> = currencies.iter().map(Currency::as_str).collect();
    if all.is_empty() { "none".to_string() } else { all.join(", ") }
}

fn no_currency(known: &BTreeSet<Currency>) -> Refused {
    refuse("error-currency").with("currencies", listed(known))
}

/// Refuses a currency in which nothing is sold: money in it would buy nothing.
pub(super) async fn check_currency(store: &Store, currency: Currency) -> Result<(), Refused> {
    let known = store.currencies().await?;
    if known.contains(&currency) { Ok(()) } else { Err(no_currency(&known)) }
}

/// What became of money from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credited {
    /// It was added.
    Now,
    /// It was added before.
    Before,
    /// Other money was added under this reference.
    Otherwise,
    /// The account is closed.
    Closed,
}

/// Moves money from outside to a person within a transaction, once for each reference. An account
/// that is closed gets none: nobody could reach it there.
pub(super) async fn credit(
    tx: &mut Transaction,
    (kind, reference): (&'static str, &str),
    user: &str,
    (client, outside, units): (i64, i64, i64),
    now: UnixTime,
) -> Result<Credited, StoreError> {
    let is_closed = tx.is_closed(user).await?;
    // Another one with the same reference waits here.
    tx.lock_balances([client, outside]).await?;
    match tx.moved(reference, client).await? {
        Some(before) if before == units => return Ok(Credited::Before),
        Some(_) => return Ok(Credited::Otherwise),
        None if is_closed => return Ok(Credited::Closed),
        None => {}
    }
    match tx.post(kind, reference, &[(client, units), (outside, -units)], now).await? {
        Made::Made(_) => Ok(Credited::Now),
        Made::TooLittle(_) => Err(StoreError::TooLarge("deposit")),
    }
}

/// Adds money that came in some other way to the account of a user, once for each reference. `by`
/// is who does it. Returns whether it was added now; the same deposit again adds nothing.
///
/// # Errors
/// The database failed, or is older than what was done with it.
pub async fn deposit(
    service: &Service,
    by: &str,
    (user, amount, reference): (&UserId, Money, &str),
) -> Result<Reply<bool, DepositRefusal>, ServiceError> {
    let (store, now, reference) = (service.store(), service.now(), reference.trim());
    let Some(units) = deposit_units(amount) else {
        return Ok(Reply::Refused(DepositRefusal::Amount(amount)));
    };
    let is_reference =
        (1..=REFERENCE_LEN_MAX).contains(&reference.chars().count()) && is_plain_line(reference);
    if !is_reference {
        return Ok(Reply::Refused(DepositRefusal::Reference));
    }
    let reference = &one_spelling(reference);
    let (found, known) = (amount.currency(), store.currencies().await?);
    if !known.contains(&found) {
        return Ok(Reply::Refused(DepositRefusal::Currency { found, known }));
    }
    service.check_progress().await?;
    let (client, outside) = accounts(store, user, found).await?;
    let name = format!("deposit {reference}");
    let detail = format!("{user} {amount} {reference}");
    let credited = retried!(async {
        let mut tx = store.begin().await?;
        let moved = (client, outside, units);
        let credited = credit(&mut tx, ("deposit", &name), user.as_str(), moved, now).await?;
        if credited == Credited::Now {
            tx.audit(by, Act::Deposit, &detail, now).await?;
            tx.commit().await?;
        }
        Ok::<Credited, StoreError>(credited)
    })?;
    service.note_progress().await?;
    Ok(match credited {
        Credited::Now => Reply::Granted(true),
        Credited::Before => Reply::Granted(false),
        Credited::Otherwise => Reply::Refused(DepositRefusal::Used),
        Credited::Closed => Reply::Refused(DepositRefusal::Closed(user.clone())),
    })
}

/// A reference in one way of writing it: composed letters (Unicode's NFC), and one space between
/// words. References that look alike are of the same money.
pub(super) fn one_spelling(reference: &str) -> String {
    let words: Vec<&str> = reference.split_whitespace().collect();
    ComposingNormalizer::new_nfc().normalize(&words.join(" ")).into_owned()
}

/// The units of an amount that can be added at once.
pub(super) fn deposit_units(amount: Money) -> Option<i64> {
    (1..=DEPOSIT_UNITS_MAX).contains(&amount.units()).then_some(amount.units() as i64)
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

/// An amount as people of the visitor's language write it.
pub(super) fn amount_of(visitor: &Visitor, text: &str) -> Result<Money, Refused> {
    let text = match visitor.words.language() {
        Language::English => Some(text.to_string()),
        Language::German => with_point(text),
    };
    text.and_then(|text| text.parse().ok()).ok_or_else(|| refuse("error-amount"))
}

/// A German amount with a point: `5,00 EUR` is `5.00 EUR`. A point is taken too, unless it may
/// stand between thousands: `5.000 EUR` is nothing.
fn with_point(text: &str) -> Option<String> {
    let number = text.split_whitespace().next().unwrap_or_default();
    let decimals = number.rsplit_once('.').map(|(_, decimals)| decimals);
    let is_clear = decimals.is_none_or(|decimals| decimals.len() != 3 && !number.contains(','));
    is_clear.then(|| text.replacen(',', ".", 1))
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
pub(super) async fn deposit_form_sent(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let user = named_person(&shop, fields.text("user")).await?;
    let amount = amount_of(&posted.visitor, fields.text("amount"))?;
    let what = (&user, amount, fields.text("reference"));
    match deposit(&shop.service, person.user.as_str(), what).await? {
        Reply::Granted(true) => {
            let row = last_deposit(shop.service.store(), person.user.as_str()).await?;
            Ok(to(&shop, &format!("/operator?deposit={}", row.unwrap_or_default())))
        }
        Reply::Granted(false) => Err(refuse("error-reference-used")),
        Reply::Refused(refusal) => Err(refusal.page()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn german_amounts_have_a_comma() {
        for (text, expected) in [
            ("5,00 XTS", Some("5.00 XTS")),
            ("5 XTS", Some("5 XTS")),
            ("2.50 XTS", Some("2.50 XTS")),
            ("0,125 XTS", Some("0.125 XTS")),
            // A thousand, or one?
            ("1.000 XTS", None),
            ("1.000,00 XTS", None),
        ] {
            assert_eq!(with_point(text).as_deref(), expected, "{text}");
        }
        for wrong in ["1,000,00 XTS", ",5 XTS", "5, XTS"] {
            let text = with_point(wrong).unwrap();
            assert!(text.parse::<Money>().is_err(), "{wrong}");
        }
    }
}
