//! Bank accounts, to which the broker pays.
//!
//! Input: an IBAN. Output: a row. The invariants: an IBAN has right check digits; a change counts
//! after some days only, so that a stolen session does not divert the next payout.

use std::sync::Arc;

use axum::extract::State;
use micromint::identity::VendorId;
use micromint::money::Money;
use micromint::time::UnixTime;
use sqlx::Row;

use super::answer::{Answer, Refused, refuse, to};
use super::attempts::CHANGE;
use super::audit::Act;
use super::form::{Posted, is_plain_line};
use super::login::check_password;
use super::payouts::fee_and_least;
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::Visitor;
use super::{Shop, people};
use crate::store::{AccountKind, Store, StoreError, Transaction, parsed, retried};

/// The most payouts of a balance that the page of an account shows.
const REFUNDS_SHOWN_MAX: i64 = 20;
/// The last payouts of a person's balance.
const REFUNDS: &str = "SELECT run, at, units, currency, state FROM payout \
     JOIN payout_run ON payout_run.id = payout.run \
     WHERE kind = 'client' AND owner = $1 ORDER BY run DESC LIMIT $2";
/// The longest name of an account's owner, in characters (SEPA).
const OWNER_LEN_MAX: usize = 70;
/// The shortest and the longest IBAN.
const IBAN_LEN: std::ops::RangeInclusive<usize> = 15..=34;

/// A bank account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BankAccount {
    pub(super) iban: String,
    pub(super) name: String,
    pub(super) counts_from: UnixTime,
}

/// An IBAN without spaces, in upper case; `None` if its form or its check digits are wrong.
pub(super) fn iban(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).take(40).collect();
    let plain = plain.to_ascii_uppercase();
    let (country, rest) = (plain.get(..2)?, plain.get(2..)?);
    let is_form = IBAN_LEN.contains(&plain.len())
        && country.bytes().all(|c| c.is_ascii_uppercase())
        && rest.get(..2)?.bytes().all(|c| c.is_ascii_digit())
        && rest.bytes().all(|c| c.is_ascii_alphanumeric());
    if !is_form {
        return None;
    }
    // ISO 13616: the number made of the digits, with letters as 10 to 35, is 1 modulo 97.
    let moved = plain[4..].bytes().chain(plain[..4].bytes());
    let remainder = moved.fold(0u32, |sum, c| match c {
        b'0'..=b'9' => (sum * 10 + u32::from(c - b'0')) % 97,
        _ => (sum * 100 + u32::from(c - b'A') + 10) % 97,
    });
    (remainder == 1).then_some(plain)
}

/// The account that counts at a time, and one that counts later.
pub(super) async fn bank_account(
    store: &Store,
    kind: AccountKind,
    owner: &str,
    now: UnixTime,
) -> Result<(Option<BankAccount>, Option<BankAccount>), StoreError> {
    // Two statements: many may be set before the first of them counts.
    let last = async |until: i64| {
        let row = sqlx::query(
            "SELECT iban, name, counts_from FROM bank_account \
             WHERE kind = $1 AND owner = $2 AND counts_from <= $3 ORDER BY at DESC LIMIT 1",
        )
        .bind(kind.word())
        .bind(owner.to_string())
        .bind(until)
        .fetch_optional(store.pool())
        .await?;
        row.map(|row| {
            let counts_from = UnixTime(row.try_get(2)?);
            let (iban, name) = (row.try_get(0)?, row.try_get(1)?);
            Ok::<BankAccount, StoreError>(BankAccount { iban, name, counts_from })
        })
        .transpose()
    };
    let (current, next) = (last(now.0).await?, last(i64::MAX).await?);
    Ok((current, next.filter(|account| account.counts_from > now)))
}

impl Transaction {
    /// Sets a bank account, unless it is the one that was set last. The first counts at once,
    /// another one from `counts_from` on. Returns whether it was set.
    async fn set_bank_account(
        &mut self,
        (kind, owner): (AccountKind, &str),
        account: &BankAccount,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        // Of two at the same time, one is the first.
        self.lock_name(&format!("bank account {} {owner}", kind.word())).await?;
        let last = sqlx::query(
            "SELECT at, iban, name FROM bank_account WHERE kind = $1 AND owner = $2 \
             ORDER BY at DESC LIMIT 1",
        )
        .bind(kind.word())
        .bind(owner.to_string())
        .fetch_optional(self.connection())
        .await?;
        let (mut at, mut from) = (now.0, now);
        if let Some(last) = last {
            let (iban, name): (String, String) = (last.try_get(1)?, last.try_get(2)?);
            if (iban, name) == (account.iban.clone(), account.name.clone()) {
                return Ok(false);
            }
            // Within a second too, the account that counts stays until the new one does.
            at = at.max(last.try_get::<i64, _>(0)? + 1);
            from = account.counts_from;
        }
        sqlx::query(
            "INSERT INTO bank_account (kind, owner, at, counts_from, iban, name) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(kind.word())
        .bind(owner.to_string())
        .bind(at)
        .bind(from.0)
        .bind(account.iban.clone())
        .bind(account.name.clone())
        .execute(self.connection())
        .await?;
        Ok(true)
    }
}

/// Adds what the page of a person or vendor says about its bank account.
pub(super) async fn bank_part(
    shop: &Shop,
    visitor: &Visitor,
    page: Page,
    (kind, owner): (AccountKind, &str),
) -> Result<Page, Refused> {
    let words = visitor.words;
    let (store, now) = (shop.service.store(), shop.service.now());
    let (current, next) = bank_account(store, kind, owner, now).await?;
    let mut page = page.heading(words.get("bank-title"));
    if kind == AccountKind::Vendor {
        page = with_terms(shop, visitor, page);
    }
    let mut facts = Vec::new();
    if let Some(account) = current {
        facts.push((words.get("bank-label"), format!("{}, {}", account.iban, account.name)));
    }
    if let Some(account) = next {
        let from = visitor.time(account.counts_from);
        let label = words.with("bank-next", &[("time", &from)]);
        facts.push((label, format!("{}, {}", account.iban, account.name)));
    }
    if !facts.is_empty() {
        page = page.with(Part::Facts(facts));
    }
    let hours = shop.settings.bank_change_hours.to_string();
    let form = Form::new("/bank", words.get("bank-button"))
        .hidden("vendor", if kind == AccountKind::Vendor { owner } else { "" })
        .field("iban", "IBAN".to_string(), Input::Line("off", 42))
        .field("name", words.get("bank-name"), Input::Line("name", OWNER_LEN_MAX))
        .field("password", words.get("password-label"), Input::Password("current-password"))
        .help(words.with("bank-help", &[("hours", &hours)]));
    Ok(page.with(form.into()))
}

/// Sets the bank account of a person, or of a vendor for which the person acts.
pub(super) async fn set(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    // The page of the person has the same form for another account.
    let vendor: Option<VendorId> = posted.fields.text("vendor").parse().ok();
    let done = set_account(&shop, &posted).await;
    done.map_err(|refused| match vendor {
        Some(vendor) => refused.back_to(format!("/vendor/{vendor}")),
        None => refused,
    })
}

async fn set_account(shop: &Shop, posted: &Posted) -> Answer {
    let fields = &posted.fields;
    let account = BankAccount {
        iban: iban(fields.text("iban")).ok_or_else(|| refuse("error-iban"))?,
        name: fields.text("name").to_string(),
        counts_from: shop
            .service
            .now()
            .plus_seconds(i64::from(shop.settings.bank_change_hours) * 3600),
    };
    let is_name =
        (1..=OWNER_LEN_MAX).contains(&account.name.chars().count()) && is_plain_line(&account.name);
    if !is_name {
        return Err(refuse("error-name"));
    }
    check_password(shop, posted, "password").await?;
    shop.attempt(CHANGE, posted.person.user.as_str()).await?;
    let (store, now, vendor) = (shop.service.store(), shop.service.now(), fields.text("vendor"));
    let user = posted.person.user.as_str();
    let owner = if vendor.is_empty() {
        (AccountKind::Client, user)
    } else {
        super::vendor::own_vendor(shop, &posted.person, vendor).await?;
        (AccountKind::Vendor, vendor)
    };
    retried!(async {
        let mut tx = store.begin().await?;
        let act = match owner.0 {
            AccountKind::Vendor => Act::BankOfVendor,
            _ => Act::BankOfClient,
        };
        if tx.set_bank_account(owner, &account, now).await? {
            tx.audit(user, act, &format!("{} {}", owner.1, account.iban), now).await?;
        }
        tx.commit().await
    })?;
    let path = if vendor.is_empty() { "/account".to_string() } else { format!("/vendor/{vendor}") };
    Ok(to(shop, &format!("{path}?note=done-bank")))
}

/// Asks for the balance back.
pub(super) async fn refund(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    check_password(&shop, &posted, "password").await?;
    let (store, now, user) = (shop.service.store(), shop.service.now(), &posted.person.user);
    let (current, next) = bank_account(store, AccountKind::Client, user.as_str(), now).await?;
    if current.or(next).is_none() {
        return Err(refuse("error-no-bank"));
    }
    people::wish_refund(store, user, now).await?;
    let note = match payable(&shop, user.as_str()).await? {
        (true, _) => "done-refund",
        (false, _) => "done-refund-later",
    };
    Ok(to(&shop, &format!("/account?note={note}")))
}

/// Whether a balance of a person is paid out when the person asks, and the balances that are too
/// small for that.
pub(super) async fn payable(shop: &Shop, user: &str) -> Result<(bool, Vec<Money>), StoreError> {
    let mut balances = shop.service.store().balances(AccountKind::Client, user).await?;
    balances.retain(|money| money.units() > 0);
    let is_small = |money: &Money| money.units() < fee_and_least(shop, money.currency()).1.units();
    let count = balances.len();
    balances.retain(is_small);
    Ok((balances.len() < count, balances))
}

/// Adds what a payout costs, and the least that is paid out.
fn with_terms(shop: &Shop, visitor: &Visitor, page: Page) -> Page {
    let Some(currency) = super::reader::currency(shop) else { return page };
    let (fee, least) = fee_and_least(shop, currency);
    let amount = |money: Money| visitor.money(money.units(), money.currency());
    let (fee, least) = (amount(fee), amount(least));
    page.text(visitor.words.with("refund-terms", &[("fee", &fee), ("least", &least)]))
}

/// Adds what became of the last refunds: in which run each is, and whether it was paid or came
/// back.
async fn past_refunds(
    shop: &Shop,
    visitor: &Visitor,
    page: Page,
    user: &str,
) -> Result<Page, Refused> {
    let words = visitor.words;
    let rows = sqlx::query(REFUNDS).bind(user.to_string()).bind(REFUNDS_SHOWN_MAX);
    let rows = rows.fetch_all(shop.service.store().pool()).await?;
    let mut cells = Vec::new();
    for row in &rows {
        let (run, at, units): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (currency, state): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        let currency = parsed("payout_run.currency", "three letters", &currency)?;
        let state = match state.as_str() {
            "paid" => "payout-paid",
            "failed" => "refund-failed",
            _ => "payout-open",
        };
        cells.push(vec![
            Cell::Text(format!("#{run}")),
            Cell::Text(visitor.time(UnixTime(at))),
            Cell::Number(visitor.money(u64::try_from(units).unwrap_or_default(), currency)),
            Cell::Text(words.get(state)),
        ]);
    }
    if cells.is_empty() {
        return Ok(page);
    }
    let head = ["column-run", "column-date", "column-amount", "column-state"];
    Ok(page.with(Part::Table(Table {
        caption: words.get("refunds-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: cells,
        empty: String::new(),
    })))
}

/// Adds what the page of a person says about getting the balance back.
pub(super) async fn refund_part(
    shop: &Shop,
    visitor: &Visitor,
    page: Page,
    user: &str,
) -> Result<Page, Refused> {
    let words = visitor.words;
    let mut page = with_terms(shop, visitor, page.text(words.get("refund-text")));
    for money in payable(shop, user).await?.1 {
        let small = visitor.money(money.units(), money.currency());
        page = page.with(Part::Bad(words.with("refund-small", &[("amount", &small)])));
    }
    page = past_refunds(shop, visitor, page, user).await?;
    if let Some(at) = people::refund_wished_at(shop.service.store(), user).await? {
        let asked = words.with("refund-asked", &[("time", &visitor.time(at))]);
        return Ok(page.with(Part::Good(asked)));
    }
    let form = Form::new("/account/refund", words.get("refund-button")).field(
        "password",
        words.get("password-label"),
        Input::Password("current-password"),
    );
    Ok(page.with(form.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_checked() {
        let good = "DE89370400440532013000";
        assert_eq!(iban("de89 3704 0044 0532 0130 00").as_deref(), Some(good));
        assert_eq!(iban("GB82 WEST 1234 5698 7654 32").unwrap(), "GB82WEST12345698765432");
        assert!(iban("NO93 8601 1117 947").is_some());
        for wrong in [
            "",
            "DE",
            "DE88370400440532013000",
            "DE8937040044053201300",
            "8937040044053201300000",
            "DE89ä70400440532013000",
            &format!("{good}{good}"),
            "=cmd|' /C calc'!A0",
        ] {
            assert_eq!(iban(wrong), None, "{wrong}");
        }
        // One wrong digit anywhere is noticed.
        for at in 2..good.len() {
            let mut digits = good.as_bytes().to_vec();
            digits[at] = b'0' + (digits[at] - b'0' + 1) % 10;
            assert_eq!(iban(&String::from_utf8(digits).unwrap()), None);
        }
    }
}
