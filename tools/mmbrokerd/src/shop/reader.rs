//! What readers see: balance, coins, purchases, and how to get a wallet.
//!
//! Input: the session. Output: pages. The invariants: a purchase is identified by the number in its
//! form, so a form sent twice buys once; the page of a purchase offers its coins until they are
//! acknowledged; nobody sees the purchases of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use micromint::identity::UserId;
use micromint::money::{Currency, Money};
use micromint::period::Period;
use micromint::protocol::{MEDIA_TYPE, Verdict, parse_decimal};
use sqlx::Row;

use super::answer::{Answer, Refused, refuse, show, to};
use super::form::Posted;
use super::login::Note;
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, random, trial};
use crate::service::{OpenPeriod, SaleAnswer, SaleOrder, Trial};
use crate::store::{AccountKind, RefusedFor, SaleRow, StoreError};

/// Tells a wallet in the browser where coins are.
const COINS_HEADER: HeaderName = HeaderName::from_static("micromint-coins");
/// How long before the end of a period the page for buying warns, in seconds: three days.
const END_NEAR_SECONDS: i64 = 3 * 86_400;
/// The most purchases on a page.
const PURCHASES_SHOWN_MAX: i64 = 200;
/// The most purchases on the first page whose coins are not acknowledged.
const OPEN_SHOWN_MAX: i64 = 20;

/// The first page: what it is about, or what a person has.
pub(super) async fn home(
    State(shop): State<Arc<Shop>>,
    visitor: Visitor,
    Query(note): Query<Note>,
) -> Answer {
    match visitor.login.clone() {
        Some((person, _)) => overview(&shop, &visitor, &person.user, &note).await,
        None => show(&shop, &visitor, &welcome(&shop, &visitor, &note)),
    }
}

fn welcome(shop: &Shop, visitor: &Visitor, note: &Note) -> Page {
    let words = visitor.words;
    let name = shop.settings.name.as_str();
    let page = Page::new(words.with("welcome-title", &[("broker", name)]));
    let mut page = note.on(visitor, page).text(words.get("welcome-text"));
    if let Some(period) = on_sale(shop) {
        let value = period.params().coin_value();
        let value = visitor.money(value.units(), value.currency());
        let end = visitor.time(period.params().raw().expiration);
        page = page.with(Part::Facts(vec![
            (words.get("coin-value-label"), value),
            (words.get("period-label"), period.name().to_string()),
            (words.get("expires-label"), end),
        ]));
    } else {
        page = page.with(Part::Bad(words.get("nothing-on-sale")));
    }
    let mut links = vec![("/login".to_string(), words.get("login-title"))];
    if shop.settings.registration {
        links.insert(0, ("/register".to_string(), words.get("register-title")));
    }
    links.push(("/wallet".to_string(), words.get("wallet-title")));
    page.with(Part::Links(links))
}

async fn overview(shop: &Shop, visitor: &Visitor, user: &UserId, note: &Note) -> Answer {
    let words = visitor.words;
    let store = shop.service.store();
    let open = store.open_sales_of(user, OPEN_SHOWN_MAX).await?;
    let mut page = note.on(visitor, Page::new(words.get("menu-overview")));
    let mut facts = vec![(words.get("user-label"), user.to_string())];
    facts.extend(balance_facts(shop, visitor, user).await?);
    page = page.with(Part::Facts(facts));
    let mut links = vec![
        ("/buy".to_string(), words.get("buy-title")),
        ("/voucher".to_string(), words.get("voucher-title")),
    ];
    if let Some(period) = on_sale(shop) {
        if store.is_refused(period.name(), user).await? {
            page = page.with(Part::Bad(words.get("buy-revoked")));
        } else if !matches!(trial::offer(shop, &period, user).await?, trial::Offer::Nothing) {
            links.insert(0, ("/buy".to_string(), words.get("free-link")));
        }
    }
    page = page.with(Part::Links(links));
    let open: Vec<SaleRow> = open.into_iter().filter(|sale| !is_over(shop, &sale.period)).collect();
    if !open.is_empty() {
        let links = open.iter().map(|sale| {
            let sets = words.with("sets", &[("count", &sale.sets.to_string())]);
            let at = visitor.time(sale.at);
            (format!("/purchases/{}", sale.transaction), format!("{sets}, {at}"))
        });
        page = page
            .heading(words.get("open-title"))
            .text(words.get("open-text"))
            .with(Part::Links(links.collect()));
    }
    page = page
        .heading(words.get("coins-title"))
        .with(Part::Table(coins_by_period(shop, visitor, user).await?));
    let mut response = show(shop, visitor, &page)?;
    if let Some(sale) = open.first() {
        offer(shop, &mut response, sale);
    }
    Ok(response)
}

/// What a person has, for each currency.
pub(super) async fn balance_facts(
    shop: &Shop,
    visitor: &Visitor,
    user: &UserId,
) -> Result<Vec<(String, String)>, Refused> {
    let balances = shop.service.store().balances(AccountKind::Client, user.as_str()).await?;
    let label = visitor.words.get("balance-label");
    let mut facts: Vec<_> = balances
        .iter()
        .map(|money| (label.clone(), visitor.money(money.units(), money.currency())))
        .collect();
    if facts.is_empty() {
        let currency = on_sale(shop).map(|period| period.params().coin_value().currency());
        let none = currency.map_or("0".to_string(), |currency| visitor.money(0, currency));
        facts.push((label, none));
    }
    Ok(facts)
}

async fn coins_by_period(shop: &Shop, visitor: &Visitor, user: &UserId) -> Result<Table, Refused> {
    let words = visitor.words;
    let now = shop.service.now();
    let returned = returned_by_period(shop, user).await?;
    let mut rows = Vec::new();
    let bought = shop.service.store().bought_by_period(user).await?;
    for (name, sets, coins) in bought.iter().rev() {
        let back = returned.iter().find(|(period, _)| period == name.as_str());
        let state = shop.service.period(name).map_or_else(String::new, |period| {
            let raw = period.params().raw();
            let name = if now < raw.expiration {
                "state-until"
            } else if now < raw.redeem_until {
                "state-return-until"
            } else {
                return words.get("state-over");
            };
            let until = if now < raw.expiration { raw.expiration } else { raw.redeem_until };
            words.with(name, &[("time", &visitor.time(until))])
        });
        rows.push(vec![
            Cell::text(name),
            Cell::number(sets),
            Cell::number(coins),
            Cell::number(back.map_or(0, |(_, balls)| *balls)),
            Cell::Text(state),
        ]);
    }
    let head = ["period-label", "column-sets", "column-coins", "column-returned", "column-state"];
    Ok(Table {
        caption: words.get("coins-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows,
        empty: words.get("coins-empty"),
    })
}

/// The coins' balls that a person returned, by period. They wait for the settlement, or were
/// decided.
async fn returned_by_period(shop: &Shop, user: &UserId) -> Result<Vec<(String, i64)>, Refused> {
    let store = shop.service.store();
    let rows = sqlx::query(
        "SELECT period, CAST(SUM(waiting) AS BIGINT), COUNT(*) FROM give_back WHERE user_id = $1 \
         GROUP BY period",
    )
    .bind(user.to_string())
    .fetch_all(store.pool())
    .await?;
    let mut all = Vec::new();
    for row in &rows {
        let (name, mut balls, returns): (String, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        // A wallet that was restored from its backup returns coins again: they count once.
        if returns > 1
            && let Ok(period) = name.parse()
        {
            let returns = store.give_backs_of(&period, user).await?;
            let claims = returns.iter().flat_map(|one| &one.claims);
            let waiting = claims.filter(|claim| claim.verdict == Verdict::Waiting);
            let bins: BTreeSet<(u32, u32)> = waiting
                .filter_map(|claim| claim.bin.map(|bin| (bin.superbin, bin.subbin)))
                .collect();
            balls = bins.len() as i64;
        }
        all.push((name, balls));
    }
    Ok(all)
}

/// The period that is being sold: of those that have begun and not expired, the one that expires
/// last.
pub(super) fn on_sale(shop: &Shop) -> Option<Arc<OpenPeriod>> {
    let now = shop.service.now();
    let is_on_sale =
        |period: &Arc<OpenPeriod>| period.has_begun(now) && now < period.params().raw().expiration;
    let periods = shop.service.periods().into_iter().filter(is_on_sale);
    periods.max_by_key(|period| period.params().raw().expiration)
}

/// Whether the coins of a period are worth nothing any more: nobody can return them.
fn is_over(shop: &Shop, period: &Period) -> bool {
    !live_periods(shop).contains(&period.to_string())
}

/// The names of the periods whose coins can be spent or returned.
pub(super) fn live_periods(shop: &Shop) -> Vec<String> {
    let now = shop.service.now();
    let is_live = |period: &Arc<OpenPeriod>| now < period.params().raw().redeem_until;
    let live = shop.service.periods().into_iter().filter(is_live);
    live.map(|period| period.name().to_string()).collect()
}

/// How many sets of a period are left to sell: those that a restore skipped are not.
pub(super) async fn sets_left(shop: &Shop, period: &OpenPeriod) -> Result<u64, StoreError> {
    let row = shop.service.store().period(period.name()).await?;
    let gone = row.map_or(0, |row| row.next_superbin / 2);
    Ok((period.params().superbin_count() / 2).saturating_sub(gone))
}

pub(super) async fn buy_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
) -> Answer {
    let page = buy_form(&shop, &visitor, &person.user, None).await?;
    show(&shop, &visitor, &page)
}

async fn buy_form(
    shop: &Shop,
    visitor: &Visitor,
    user: &UserId,
    why: Option<String>,
) -> Result<Page, Refused> {
    let words = visitor.words;
    let mut page = Page::new(words.get("buy-title"));
    // What the page says by itself is not said twice.
    let said = ["nothing-on-sale", "buy-gone"].map(|name| words.get(name));
    let why_said = why.clone();
    if let Some(why) = why.filter(|why| !said.contains(why)) {
        page = page.with(Part::Bad(why));
    }
    let [nothing, gone] = said;
    let Some(period) = on_sale(shop) else { return Ok(page.with(Part::Bad(nothing))) };
    let params = period.params();
    let value = params.coin_value();
    let bought = shop.sets_of(&period, user).await?;
    let stock = sets_left(shop, &period).await?;
    let left = shop.settings.sets_per_period.saturating_sub(bought).min(stock);
    let most = left.min(shop.sets_max.into());
    let coins = params.subbin_count();
    let highest = visitor.money(value.units().saturating_mul(coins.into()), value.currency());
    let refused = shop.service.store().is_refused(period.name(), user).await?;
    let mut facts = balance_facts(shop, visitor, user).await?;
    facts.push((words.get("period-label"), period.name().to_string()));
    facts.push((words.get("expires-label"), visitor.time(params.raw().expiration)));
    facts.push((words.get("coin-value-label"), visitor.money(value.units(), value.currency())));
    page = page.with(Part::Facts(facts));
    // The broker refuses the order of who is revoked or cheated.
    if refused {
        let revoked = words.get("buy-revoked");
        let is_said = why_said.as_ref() == Some(&revoked);
        return Ok(if is_said { page } else { page.with(Part::Bad(revoked)) });
    }
    if stock == 0 {
        return Ok(page.with(Part::Bad(gone)));
    }
    let raw = params.raw();
    if shop.service.now().plus_seconds(END_NEAR_SECONDS) > raw.expiration {
        let (end, until) = (visitor.time(raw.expiration), visitor.time(raw.redeem_until));
        let times = [("time", end.as_str()), ("until", until.as_str())];
        page = page.with(Part::Bad(words.with("buy-ends", &times)));
    }
    page = trial::add_to(shop, visitor, page, (&period, user)).await?;
    if most == 0 {
        return Ok(page.with(Part::Bad(words.get("buy-limit"))));
    }
    let help = words.with("buy-help", &[("coins", &coins.to_string()), ("price", &highest)]);
    let form = Form::new("/buy", words.get("buy-button"))
        .field("sets", words.get("column-sets"), Input::Number(1, most))
        .value("1")
        .help(help)
        .hidden("period", period.name().to_string())
        .hidden("transaction", random::number()?.to_string());
    Ok(page.with(form.into()).text(words.with("buy-left", &[("count", &left.to_string())])))
}

/// Buys sets.
pub(super) async fn buy(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    order(&shop, &posted, None).await
}

/// Makes the order of a form, which the reader pays, or which is a free trial. The number in the
/// form identifies it.
pub(super) async fn order(shop: &Shop, posted: &Posted, trial: Option<Trial>) -> Answer {
    let Posted { visitor, person, fields, .. } = posted;
    let transaction = fields.hidden_number("transaction")?;
    let sets = fields.number("sets", "column-sets", 1..=shop.sets_max.into())?;
    let sets = u32::try_from(sets).map_err(|_| refuse("error-form"))?;
    let name = fields.text("period").parse().map_err(|_| refuse("nothing-on-sale"))?;
    let now = shop.service.now();
    if let Some(receipt) = receipt_of(shop, posted).await? {
        return Ok(receipt);
    }
    let period = shop.service.period(&name).filter(|period| period.has_begun(now));
    let period = period.ok_or_else(|| refuse("nothing-on-sale"))?;
    let order = SaleOrder { user: person.user.clone(), sets, transaction, now };
    if !shop.apply_limit(&period, &order).await? {
        return Err(refuse("error-too-often").with("minutes", 60));
    }
    let (is_free, address) = (trial.is_some(), trial.as_ref().and_then(|it| it.address.clone()));
    let answer = match trial {
        None => shop.service.buy(&period, order).await?,
        Some(trial) => shop.service.give(&period, order, trial).await?,
    };
    let why = match answer {
        SaleAnswer::Sold(_) => return Ok(to_purchase(shop, transaction)),
        SaleAnswer::Refused(refused) => match refused.reason {
            RefusedFor::TooLittleMoney => "buy-too-little",
            RefusedFor::Revoked => "buy-revoked",
            RefusedFor::Expired => "nothing-on-sale",
            RefusedFor::Limit if is_free => "free-taken",
            RefusedFor::Limit => {
                let bought = shop.sets_of(&period, &person.user).await?;
                let left = shop.settings.sets_per_period.saturating_sub(bought);
                if left > 0 { "buy-fewer" } else { "buy-limit" }
            }
            RefusedFor::TrialTaken => {
                let (store, user) = (shop.service.store(), &person.user);
                let own = store.free_sets_of(period.name(), user, address.as_deref()).await?;
                if own == 0 { "free-fewer" } else { "free-taken" }
            }
            RefusedFor::TrialOver => "free-over",
            RefusedFor::SoldOut if sets_left(shop, &period).await? == 0 => "buy-gone",
            RefusedFor::SoldOut if is_free => "free-over",
            RefusedFor::SoldOut => "buy-sold-out",
        },
        SaleAnswer::Rejected(_) => return Err(refuse("error-form")),
    };
    let page = buy_form(shop, visitor, &person.user, Some(visitor.words.get(why))).await?;
    let mut response = show(shop, visitor, &page)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The way to the receipt, if the order of a form was made before: also if it could not be made
/// any more.
pub(super) async fn receipt_of(shop: &Shop, posted: &Posted) -> Result<Option<Response>, Refused> {
    let transaction = posted.fields.hidden_number("transaction")?;
    match shop.service.store().sale(transaction).await? {
        None => Ok(None),
        Some(sale) if sale.user == posted.person.user => Ok(Some(to_purchase(shop, transaction))),
        Some(_) => Err(refuse("error-form")),
    }
}

fn to_purchase(shop: &Shop, transaction: u64) -> Response {
    to(shop, &format!("/purchases/{transaction}"))
}

/// The purchases of a person, the last first.
pub(super) async fn purchases(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
) -> Answer {
    let words = visitor.words;
    let sales = shop.service.store().last_sales_of(&person.user, PURCHASES_SHOWN_MAX).await?;
    let row = |sale: &SaleRow| {
        let state = match sale.received_at {
            Some(_) => words.get("state-received"),
            None => words.get("state-open"),
        };
        vec![
            Cell::Link(format!("/purchases/{}", sale.transaction), visitor.time(sale.at)),
            Cell::text(&sale.period),
            Cell::number(sale.sets),
            Cell::number(sale.coins),
            Cell::Number(price(&shop, &visitor, sale)),
            Cell::Text(state),
        ]
    };
    let head = [
        "column-date",
        "period-label",
        "column-sets",
        "column-coins",
        "column-price",
        "column-state",
    ];
    let table = Table {
        caption: words.get("menu-purchases"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: sales.iter().map(row).collect(),
        empty: words.get("coins-empty"),
    };
    let page = Page::new(words.get("menu-purchases")).with(Part::Table(table));
    show(&shop, &visitor, &page)
}

/// What a sale cost.
fn price(shop: &Shop, visitor: &Visitor, sale: &SaleRow) -> String {
    let Some(period) = shop.service.period(&sale.period) else { return String::new() };
    let value: Money = period.params().coin_value();
    if sale.is_free {
        return visitor.money(0, value.currency());
    }
    let price = value.checked_mul(sale.coins.into()).unwrap_or(value);
    visitor.money(price.units(), price.currency())
}

async fn own_sale(shop: &Shop, user: &UserId, number: &str) -> Result<SaleRow, Refused> {
    let none = || refuse("error-no-purchase");
    let transaction: u64 = parse_decimal(number).ok_or_else(none)?;
    let sale = shop.service.store().sale(transaction).await?;
    sale.filter(|sale| sale.user == *user).ok_or_else(none)
}

/// The receipt of a purchase; it offers the coins until they are acknowledged.
pub(super) async fn purchase(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Path(number): Path<String>,
    Query(note): Query<Note>,
) -> Answer {
    let words = visitor.words;
    let sale = own_sale(&shop, &person.user, &number).await?;
    let mut facts = vec![
        (words.get("column-date"), visitor.time(sale.at)),
        (words.get("period-label"), sale.period.to_string()),
        (words.get("column-sets"), sale.sets.to_string()),
        (words.get("column-coins"), sale.coins.to_string()),
        (words.get("column-price"), price(&shop, &visitor, &sale)),
        (words.get("transaction-label"), sale.transaction.to_string()),
    ];
    if !shop.settings.vat.is_empty() {
        // There is no tax on what costs nothing.
        let vat =
            if sale.is_free { price(&shop, &visitor, &sale) } else { shop.settings.vat.clone() };
        facts.push((words.get("vat-label"), vat));
    }
    if sale.is_free {
        facts.push((words.get("free-label"), words.get("free-paid")));
    }
    let page = Page::new(words.get("purchase-title"));
    let mut page = note.on(&visitor, page).with(Part::Facts(facts));
    if let Some(at) = sale.received_at {
        let text = words.with("purchase-received", &[("time", &visitor.time(at))]);
        page = page.text(text);
        return show(&shop, &visitor, &page);
    }
    if is_over(&shop, &sale.period) {
        return show(&shop, &visitor, &page.text(words.get("purchase-over")));
    }
    if let Some(period) = shop.service.period(&sale.period)
        && shop.service.now() >= period.params().raw().expiration
    {
        let until = visitor.time(period.params().raw().redeem_until);
        page = page.with(Part::Bad(words.with("purchase-expired", &[("time", &until)])));
    }
    let address = format!("/purchases/{}", sale.transaction);
    let button = words.get("received-button");
    let received = Form::new(format!("{address}/received"), button);
    page = page
        .heading(words.get("take-title"))
        .text(words.get("take-browser"))
        .text(words.get("take-file"))
        .with(Part::Links(vec![(format!("{address}/coins"), words.get("coins-link"))]))
        .text(words.get("take-received"))
        .with(received.into());
    let mut response = show(&shop, &visitor, &page)?;
    offer(&shop, &mut response, &sale);
    Ok(response)
}

/// Tells the wallet in the browser where the coins are.
fn offer(shop: &Shop, response: &mut Response, sale: &SaleRow) {
    let address = format!("{}/v1/purchases/{}", shop.base, sale.transaction);
    if let Ok(address) = HeaderValue::try_from(address) {
        response.headers_mut().insert(COINS_HEADER, address);
    }
}

/// The coins of a purchase as a file, until they are acknowledged.
pub(super) async fn coins(
    State(shop): State<Arc<Shop>>,
    LoggedIn { person, .. }: LoggedIn,
    Path(number): Path<String>,
) -> Answer {
    let sale = own_sale(&shop, &person.user, &number).await?;
    if sale.received_at.is_some() {
        return Err(refuse("error-received"));
    }
    let period = shop.service.period(&sale.period).ok_or_else(|| refuse("error-broker"))?;
    let funds = shop.service.deliver(&period, &sale).await?;
    let name = format!("attachment; filename=\"{}-{number}.micromint\"", sale.period);
    let headers = [(CONTENT_TYPE, MEDIA_TYPE.to_string()), (CONTENT_DISPOSITION, name)];
    Ok((headers, funds.to_bytes()).into_response())
}

/// Acknowledges the coins of a purchase.
pub(super) async fn received(
    State(shop): State<Arc<Shop>>,
    Path(number): Path<String>,
    posted: Posted,
) -> Answer {
    let sale = own_sale(&shop, &posted.person.user, &number).await?;
    shop.service.store().acknowledge(sale.transaction, shop.service.now()).await?;
    Ok(to(&shop, &format!("/purchases/{}?note=done-received", sale.transaction)))
}

/// How to get a wallet.
pub(super) async fn wallet(State(shop): State<Arc<Shop>>, visitor: Visitor) -> Answer {
    let words = visitor.words;
    let page = Page::new(words.get("wallet-title"))
        .text(words.get("wallet-text"))
        .heading(words.get("wallet-browser-title"))
        .text(words.get("wallet-browser-text"))
        .heading(words.get("wallet-program-title"))
        .text(words.get("wallet-program-text"))
        .with(Part::Code(format!(
            "mmwallet login {} --user USER --key-file FILE\nmmwallet buy --sets 1\n\
             mmwallet get https://news.example/article",
            shop.url
        )))
        .heading(words.get("wallet-safe-title"))
        .text(words.get("wallet-safe-text"));
    show(&shop, &visitor, &page)
}

/// The currency of what is sold, or of the last period.
pub(super) fn currency(shop: &Shop) -> Option<Currency> {
    let of = |period: &Arc<OpenPeriod>| period.params().coin_value().currency();
    on_sale(shop).as_ref().map(of).or_else(|| shop.service.periods().last().map(of))
}
