//! Buying: orders, the coins of a sale until they are acknowledged, and the account.
//!
//! Input: an order under an API key. Output: a Funds-Withdrawn. The invariants: the Transaction-ID
//! identifies the order, so the same order again is the same sale or the same refusal; after the
//! acknowledgement neither balls nor K_U are delivered.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use micromint::broker::SaleRefusal;
use micromint::identity::UserId;
use micromint::period::Period;
use micromint::protocol::{NOT_SOLD_HEADER, PERIOD_HEADER, parse_decimal};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::answer::{Answer, Problem, json, message};
use super::auth::{user_of, user_of_page};
use super::body::{ORDER_SIZE_MAX, read};
use crate::places::Sender;
use crate::service::{OpenPeriod, SaleAnswer, SaleOrder};
use crate::store::{AccountKind, RefusedFor, SaleRow};

/// When an account of which too many orders were refused may try again, in seconds.
const REFUSED_RETRY_SECONDS: u32 = 600;

/// The most sales in the answer about an account, the last ones.
const PURCHASES_LISTED_MAX: i64 = 1000;

/// An order for sets.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// The period of the coins; the one that is being sold if it is absent.
    #[schema(example = "2027-01")]
    period: Option<String>,
    /// How many sets, at least 1.
    #[schema(example = 2)]
    sets: u32,
    /// The Transaction-ID: a number below 2^64 that the buyer drew at random, as decimal digits.
    #[schema(example = "1752303846915459373")]
    transaction: String,
}

/// A sale.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Purchase {
    /// The Transaction-ID.
    transaction: String,
    /// The period of the coins.
    period: String,
    /// How many sets.
    sets: u32,
    /// How many coins, which is what the sale cost unless it is free.
    coins: u32,
    /// Whether it was a free trial, which costs nothing; absent if it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    free: bool,
    /// When it was made (RFC 3339).
    at: String,
    /// When the buyer acknowledged the coins; absent if they can still be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<String>,
}

/// The account of a client.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientAccount {
    /// The User-ID.
    user: String,
    /// What the account has, an amount for each currency.
    #[schema(example = json!(["12.5 USD"]))]
    balances: Vec<String>,
    /// The sales, by period and in order: the last 1000.
    purchases: Vec<Purchase>,
}

impl Purchase {
    fn of(sale: &SaleRow) -> Purchase {
        Purchase {
            transaction: sale.transaction.to_string(),
            period: sale.period.to_string(),
            sets: sale.sets,
            coins: sale.coins,
            free: sale.is_free,
            at: sale.at.to_string(),
            received: sale.received_at.map(|at| at.to_string()),
        }
    }
}

/// The order of a request in either form.
struct Asked {
    period: Option<Period>,
    /// `None` asks only for the coins of an earlier sale.
    sets: Option<u32>,
    transaction: u64,
}

impl Asked {
    fn from_json(bytes: &[u8]) -> Result<Asked, Problem> {
        let order: Order = serde_json::from_slice(bytes).map_err(Problem::bad_request)?;
        let period = order.period.map(|period| period.parse()).transpose();
        Ok(Asked {
            period: period.map_err(Problem::bad_request)?,
            sets: Some(order.sets),
            transaction: transaction(&order.transaction)?,
        })
    }

    /// Reads the form that wallets send to a broker's page.
    fn from_form(bytes: &[u8]) -> Result<Asked, Problem> {
        let text = std::str::from_utf8(bytes).map_err(Problem::bad_request)?;
        let (mut period, mut sets, mut number) = (None, None, None);
        for (name, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let place = match name {
                "period" => &mut period,
                "sets" => &mut sets,
                "transaction" => &mut number,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(Problem::bad_request(format!("repeated field {name}")));
            }
        }
        let sets = sets.map(|sets| {
            let number = parse_decimal(sets).and_then(|sets| u32::try_from(sets).ok());
            number.ok_or_else(|| Problem::bad_request("expected a number of sets"))
        });
        let period = period.map(str::parse).transpose();
        Ok(Asked {
            period: period.map_err(Problem::bad_request)?,
            sets: sets.transpose()?,
            transaction: transaction(number.unwrap_or_default())?,
        })
    }
}

fn transaction(text: &str) -> Result<u64, Problem> {
    parse_decimal(text).ok_or_else(|| {
        Problem::bad_request("transaction: expected decimal digits of a number below 2^64")
    })
}

/// The period that is being sold: of those that have begun and not expired, the one that expires
/// last.
fn on_sale(app: &App) -> Option<Arc<OpenPeriod>> {
    let now = app.service.now();
    let periods = app.service.periods().into_iter();
    let is_on_sale =
        |period: &Arc<OpenPeriod>| period.has_begun(now) && now < period.params().raw().expiration;
    periods.filter(is_on_sale).max_by_key(|period| period.params().raw().expiration)
}

/// The period of an order.
fn period_of(app: &App, asked: Option<&Period>) -> Result<Arc<OpenPeriod>, Problem> {
    let Some(name) = asked else {
        return on_sale(app).ok_or_else(|| Problem::conflict("nothing-on-sale", NOTHING_ON_SALE));
    };
    let period = app.service.period(name);
    let period = period.ok_or_else(|| Problem::not_found(format!("there is no period {name}")))?;
    if !period.has_begun(app.service.now()) {
        let start = period.params().raw().start;
        let why = format!("the period {name} begins at {start}; its coins are sold from then on");
        return Err(Problem::conflict("not-begun", why));
    }
    Ok(period)
}

const NOTHING_ON_SALE: &str = "no period is being sold now";

/// Name the period that is being sold, for wallets, in the header MicroMint-Period.
#[utoipa::path(get, path = "/v1/purchases", tag = "clients",
    responses((status = 200, description = "The purchases of the account", body = ClientAccount),
        (status = 401, body = Problem)))]
pub(super) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let user = user_of(&app.service, &headers).await.map_err(|no| no.for_client(&headers))?;
    let mut response = account_of(&app, &user).await?;
    if let Some(value) =
        on_sale(&app).and_then(|period| HeaderValue::try_from(period.name().to_string()).ok())
    {
        response.headers_mut().insert(lower(PERIOD_HEADER), value);
    }
    Ok(response)
}

/// The account of the client: its money and its purchases.
#[utoipa::path(get, path = "/v1/account", tag = "clients",
    responses((status = 200, body = ClientAccount), (status = 401, body = Problem)))]
pub(super) async fn account(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let user = user_of(&app.service, &headers).await.map_err(|no| no.for_client(&headers))?;
    account_of(&app, &user).await
}

async fn account_of(app: &App, user: &UserId) -> Answer {
    let store = app.service.store();
    let balances = store.balances(AccountKind::Client, user.as_str()).await?;
    let purchases = store.sales_of(user, PURCHASES_LISTED_MAX).await?;
    Ok(json(&ClientAccount {
        user: user.to_string(),
        balances: balances.iter().map(ToString::to_string).collect(),
        purchases: purchases.iter().map(Purchase::of).collect(),
    }))
}

/// Buy sets. The Transaction-ID is the idempotency key: the same order again is the same sale, and
/// an order that was refused for good stays refused.
#[utoipa::path(post, path = "/v1/purchases", tag = "clients", request_body = Order,
    responses(
        (status = 200, description = "A Funds-Withdrawn message; once acknowledged, the Purchase",
            content((Vec<u8> = "application/x-micromint"), (Purchase = "application/json"))),
        (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 402, description = "The account has too little", body = Problem),
        (status = 403, description = "Revoked, or no user vector", body = Problem),
        (status = 404, description = "No such period", body = Problem),
        (status = 409, description = "Sold out, not begun, or another order has this number",
            body = Problem),
        (status = 410, description = "The period expired", body = Problem),
        (status = 429, description = "The limit of the account for a period", body = Problem)))]
pub(super) async fn buy(
    State(app): State<Arc<App>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    buy_for(&app, &sender, &headers, body).await.map_err(|no| no.for_client(&headers))
}

async fn buy_for(app: &App, sender: &Sender, headers: &HeaderMap, body: Body) -> Answer {
    user_of(&app.service, headers).await?;
    let is_form = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let bytes = read(app, sender, headers, body, ORDER_SIZE_MAX).await?;
    // Meanwhile the key may have ended.
    let user = user_of(&app.service, headers).await?;
    let asked = if is_form { Asked::from_form(&bytes)? } else { Asked::from_json(&bytes)? };
    // An order is repeated whatever is on sale meanwhile.
    if let Some(sale) = app.service.store().sale(asked.transaction).await? {
        let is_same = sale.user == user
            && asked.sets.is_none_or(|sets| sets == sale.sets)
            && asked.period.as_ref().is_none_or(|period| *period == sale.period);
        if is_same {
            return deliver(app, &sale).await;
        }
        let problem = other_sale(&asked);
        // The number is taken for ever. What this user bought under it is no refusal.
        return Err(match &asked.period {
            Some(period) if sale.user != user => not_sold(problem, period, asked.transaction),
            _ => problem,
        });
    }
    let Some(sets) = asked.sets else { return Err(no_such_sale(asked.transaction)) };
    let period = match period_of(app, asked.period.as_ref()) {
        Err(problem) if asked.period.is_none() => {
            let periods = app.service.periods().into_iter();
            // A refusal names a period; the order named none.
            let last = periods.max_by_key(|period| period.params().raw().expiration);
            return Err(match last {
                Some(last) => not_sold(problem, last.name(), asked.transaction),
                None => problem,
            });
        }
        period => period?,
    };
    if !(1..=app.sets_max).contains(&sets) {
        let (max, found) = (app.sets_max, sets);
        let problem = Problem::bad_request(SaleRefusal::Sets { max, found });
        return Err(not_sold(problem, period.name(), asked.transaction));
    }
    let transaction = asked.transaction;
    let order = SaleOrder { user, sets, transaction, now: app.service.now() };
    if !app.shop.apply_limit(&period, &order).await? {
        let why = "too many orders of this account were refused; nothing was recorded of this one";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-refused", why);
        return Err(problem.retry_after(REFUSED_RETRY_SECONDS));
    }
    match app.service.buy(&period, order).await? {
        SaleAnswer::Sold(sale) => deliver(app, &sale).await,
        SaleAnswer::Refused(refused) => {
            let (status, title) = match refused.reason {
                RefusedFor::TooLittleMoney => (StatusCode::PAYMENT_REQUIRED, "insufficient-money"),
                RefusedFor::Revoked => (StatusCode::FORBIDDEN, "revoked"),
                RefusedFor::Expired => (StatusCode::GONE, "expired"),
                RefusedFor::Limit | RefusedFor::TrialTaken => {
                    (StatusCode::TOO_MANY_REQUESTS, "limit")
                }
                RefusedFor::SoldOut | RefusedFor::TrialOver => (StatusCode::CONFLICT, "sold-out"),
            };
            let problem = Problem::new(status, title, refused.why);
            Err(not_sold(problem, &refused.period, transaction))
        }
        SaleAnswer::Rejected(refusal) => Err(match refusal {
            SaleRefusal::OtherSale { .. } => other_sale(&asked),
            SaleRefusal::NoUserVector(why) => {
                let problem = Problem::forbidden("no-user-vector", why);
                not_sold(problem, period.name(), transaction)
            }
            SaleRefusal::Sets { .. } => {
                not_sold(Problem::bad_request(refusal), period.name(), transaction)
            }
            other => Problem::bad_request(other),
        }),
    }
}

/// A constant header name of the protocol.
fn lower(name: &'static str) -> HeaderName {
    // The constants are tokens; their requests in the tests show each of them.
    #[allow(clippy::expect_used)]
    HeaderName::try_from(name).expect("a constant of the protocol is a header name")
}

/// Says that nothing was sold under this order and nothing will be, which closes it in a wallet.
fn not_sold(problem: Problem, period: &Period, transaction: u64) -> Problem {
    problem.with_header(lower(NOT_SOLD_HEADER), format!("{period} {transaction}"))
}

fn other_sale(asked: &Asked) -> Problem {
    let why = format!("transaction {} is another order", asked.transaction);
    Problem::conflict("other-order", why)
}

fn no_such_sale(transaction: u64) -> Problem {
    Problem::not_found(format!("you made no purchase {transaction}"))
}

/// The coins of a sale; only what was sold, once they are acknowledged.
async fn deliver(app: &App, sale: &SaleRow) -> Answer {
    if sale.received_at.is_some() {
        return Ok(json(&Purchase::of(sale)));
    }
    let period = app.service.period(&sale.period);
    let gone = || Problem::busy(format!("the coin file of {} is not open", sale.period));
    let funds = app.service.deliver(&period.ok_or_else(gone)?, sale).await?;
    Ok(message(funds.to_bytes()))
}

async fn sale_of(
    app: &App,
    headers: &HeaderMap,
    number: &str,
    is_write: bool,
) -> Result<SaleRow, Problem> {
    let user = user_of_page(app, headers, is_write).await?;
    let number = transaction(number)?;
    let sale = app.service.store().sale(number).await?;
    sale.filter(|sale| sale.user == user).ok_or_else(|| no_such_sale(number))
}

/// Fetch the coins of a sale again, until they are acknowledged.
#[utoipa::path(get, path = "/v1/purchases/{transaction}", tag = "clients",
    params(("transaction" = String, Path, description = "The Transaction-ID")),
    responses((status = 200, description = "As for the order"), (status = 404, body = Problem)))]
pub(super) async fn fetch(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let fetch = async {
        let sale = sale_of(&app, &headers, &number, false).await?;
        deliver(&app, &sale).await
    };
    fetch.await.map_err(|no: Problem| no.for_client(&headers))
}

/// Acknowledge the coins of a sale: the wallet has them on disk. They are not delivered again.
#[utoipa::path(post, path = "/v1/purchases/{transaction}/received", tag = "clients",
    params(("transaction" = String, Path, description = "The Transaction-ID")),
    responses((status = 200, body = Purchase), (status = 404, body = Problem)))]
pub(super) async fn received(
    State(app): State<Arc<App>>,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let acknowledge = async {
        let sale = sale_of(&app, &headers, &number, true).await?;
        let store = app.service.store();
        store.acknowledge(sale.transaction, app.service.now()).await?;
        let sale: Option<SaleRow> = store.sale(sale.transaction).await?;
        let sale = sale.ok_or_else(|| no_such_sale(0))?;
        Ok(json(&Purchase::of(&sale)))
    };
    acknowledge.await.map_err(|no: Problem| no.for_client(&headers))
}
