//! Numbers for Prometheus, for those who have the secret of `metrics-file`.
//!
//! Input: a request with the secret. Output: OpenMetrics text. The invariants: nothing about a
//! single person is told; without the setting there is no such page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sqlx::Row;

use super::{Shop, hooks, random};
use crate::minting::sales_end_soon;
use crate::service::ServiceError;
use crate::store::{MintState, StoreError};

/// The labels of a number.
type Labels = Vec<(&'static str, String)>;
type Whole = Family<Labels, Gauge>;
type Amount = Family<Labels, Gauge<f64, AtomicU64>>;

/// The page.
pub(super) async fn metrics(State(shop): State<Arc<Shop>>, headers: HeaderMap) -> Response {
    let Some(file) = &shop.settings.metrics_file else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let secrets = match hooks::secrets(file) {
        Ok(secrets) => secrets,
        Err(error) => {
            micromint_console::tell!("mmbrokerd: error: {}: {error}", file.display());
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let field = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = field.and_then(|field| field.strip_prefix("Bearer ")).unwrap_or_default();
    if !secrets.iter().any(|secret| random::are_equal(token, secret)) {
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response();
    }
    match text(&shop).await {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            micromint_console::tell!("mmbrokerd: error: {}", micromint::error::chain(&error));
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn text(shop: &Shop) -> Result<String, ServiceError> {
    let mut registry = Registry::with_prefix("micromint");
    money(shop, &mut registry).await?;
    periods(shop, &mut registry).await?;
    counts(shop, &mut registry).await?;
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| ServiceError::GivenUp("the numbers are not text"))?;
    Ok(text)
}

/// What each kind of account has, and all together, which is zero.
async fn money(shop: &Shop, registry: &mut Registry) -> Result<(), ServiceError> {
    let (balance, total) = (Amount::default(), Amount::default());
    // Whole units, whose sum is exact.
    let mut totals: BTreeMap<String, i128> = BTreeMap::new();
    for sum in shop.sums().await?.1.iter() {
        let currency = sum.currency.to_string();
        let labels = vec![("kind", sum.kind.clone()), ("currency", currency.clone())];
        balance.get_or_create(&labels).set(sum.units as f64 / 1e8);
        *totals.entry(currency).or_default() += sum.units;
    }
    for (currency, units) in totals {
        total.get_or_create(&vec![("currency", currency)]).set(units as f64 / 1e8);
    }
    registry.register("balance", "Balances by kind of account", balance);
    registry.register("balance_total", "All balances together: zero", total);
    Ok(())
}

/// The sets of each period, and how far a mint is.
async fn periods(shop: &Shop, registry: &mut Registry) -> Result<(), ServiceError> {
    let (store, sets, mint) = (shop.service.store(), Whole::default(), Amount::default());
    for period in shop.service.periods() {
        let Some(row) = store.period(period.name()).await? else { continue };
        let all = period.params().superbin_count() / 2;
        let (sold, free) = (row.sets_sold, row.sets_free);
        let skipped = (row.next_superbin / 2).saturating_sub(sold);
        for (state, count) in [("sold", sold), ("free", free), ("skipped", skipped), ("all", all)] {
            let labels = vec![("period", period.name().to_string()), ("state", state.to_string())];
            sets.get_or_create(&labels).set(count as i64);
        }
    }
    for row in store.mints().await?.iter().filter(|row| row.state != MintState::Done) {
        let part = row.progress.done as f64 / row.progress.total.max(1) as f64;
        mint.get_or_create(&vec![("period", row.period.to_string())]).set(part);
    }
    registry.register("sets", "Sets of each period", sets);
    registry.register("mint_stage", "The part of the stage of a mint that is done", mint);
    Ok(())
}

async fn counts(shop: &Shop, registry: &mut Registry) -> Result<(), ServiceError> {
    let store = shop.service.store();
    let (_, counts) = shop.counts().await?;
    for (name, help, value) in [
        ("people", "Accounts that are open", counts.people),
        ("passkeys", "Passkeys", counts.passkeys),
        ("offenders", "Offenders", counts.offenders),
        ("complaints", "Complaints", counts.complaints),
        ("coins_redeemed", "Coins that were accepted", counts.redeemed),
        ("coins_forged", "Coins that were forged", counts.forged),
    ] {
        set(registry, name, help, value);
    }
    for (name, help, select) in [
        ("mail_waiting", "Mails that wait", "SELECT COUNT(*) FROM mail WHERE text <> ''"),
        ("mail_given_up", "Mails that were given up", "SELECT COUNT(*) FROM mail WHERE text = ''"),
        ("mint_faults", "Mints that fail", "SELECT COUNT(*) FROM mint WHERE fault <> ''"),
        ("generation", "One more than the restores from a backup", "SELECT generation FROM broker"),
    ] {
        let row = sqlx::query(select).fetch_one(store.pool()).await.map_err(StoreError::from)?;
        set(registry, name, help, row.try_get(0).map_err(StoreError::from)?);
    }
    let is_automatic = shop.settings.minting.is_some() && !shop.settings.is_cgi;
    let ends = sales_end_soon(&shop.service, is_automatic).await?.is_some();
    let help = "Whether sales end within a week and no next period is open or planned";
    set(registry, "sales_end_soon", help, i64::from(ends));
    let is_blocked = store.payouts_blocked().await?;
    set(registry, "payouts_blocked", "Whether payouts are blocked", i64::from(is_blocked));
    let is_halted = shop.service.halted().is_some();
    set(registry, "halted", "Whether the database is older than its witness", i64::from(is_halted));
    Ok(())
}

fn set(registry: &mut Registry, name: &str, help: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}
