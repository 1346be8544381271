//! What the broker publishes: its periods, their parameters, and whose coins vendors refuse.
//!
//! Input: a period. Output: a document. The invariant: the parameters of a period are not told
//! before it begins.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::App;
use super::answer::{Answer, Problem, json, with_headers};
use crate::service::OpenPeriod;

/// The broker, for programs that know only its host.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WellKnown {
    /// The versions of the interface.
    #[schema(example = json!(["1"]))]
    versions: Vec<&'static str>,
    /// The URL below which the paths of the interface are.
    #[schema(example = "https://broker.example")]
    url: String,
    /// The most sets in one order.
    #[serde(rename = "sets-max")]
    sets_max: u32,
    /// The broker's time (RFC 3339).
    now: String,
    /// The periods, by name.
    periods: Vec<PeriodSummary>,
}

/// A period. Its parameters are told once it has begun.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PeriodSummary {
    /// Its name.
    period: String,
    /// When it begins (RFC 3339).
    start: String,
    /// When vendors stop accepting its coins and clients return theirs.
    expiration: String,
    /// Until when the broker pays.
    redeem_until: String,
    /// The price of a first ball, which is the value of a coin.
    #[schema(example = "0.01 USD")]
    coin_value: String,
    /// Whether its coins are sold now.
    is_on_sale: bool,
}

/// The broker's versions, address and periods.
#[utoipa::path(get, path = "/.well-known/micromint-broker", tag = "everyone",
    responses((status = 200, body = WellKnown)))]
pub(super) async fn well_known(State(app): State<Arc<App>>) -> Response {
    let now = app.service.now();
    let summary = |period: Arc<OpenPeriod>| {
        let raw = period.params().raw();
        PeriodSummary {
            period: period.name().to_string(),
            start: raw.start.to_string(),
            expiration: raw.expiration.to_string(),
            redeem_until: raw.redeem_until.to_string(),
            coin_value: period.params().coin_value().to_string(),
            is_on_sale: period.has_begun(now) && now < raw.expiration,
        }
    };
    json(&WellKnown {
        versions: vec!["1"],
        url: app.url.clone(),
        sets_max: app.sets_max,
        now: now.to_string(),
        periods: app.service.periods().into_iter().map(summary).collect(),
    })
}

/// Whether the broker and its database answer.
#[utoipa::path(get, path = "/health", tag = "everyone",
    responses((status = 200, description = "It does"), (status = 503, body = Problem)))]
pub(super) async fn health(State(app): State<Arc<App>>) -> Answer {
    app.service.store().periods().await?;
    Ok(with_headers(StatusCode::OK, "text/plain; charset=utf-8", b"ok\n".to_vec()))
}

fn period_of(app: &App, name: &str) -> Result<Arc<OpenPeriod>, Problem> {
    let period = name.parse().ok().and_then(|name| app.service.period(&name));
    period.ok_or_else(|| Problem::not_found(format!("there is no period {name:?}")))
}

/// The parameters of a period that has begun, as a `PERIOD.params` file.
#[utoipa::path(get, path = "/v1/periods/{period}/params", tag = "everyone",
    params(("period" = String, Path)),
    responses((status = 200, body = String, content_type = "application/toml"),
        (status = 404, description = "No such period, or it has not begun", body = Problem)))]
pub(super) async fn params(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let period = period_of(&app, &name).map_err(|no| no.for_client(&headers))?;
    let (now, start) = (app.service.now(), period.params().raw().start);
    if !period.has_begun(now) {
        let why = format!("the period {name} begins at {start}; its parameters are told then");
        let seconds = u32::try_from(start.0 - now.0).unwrap_or(u32::MAX);
        let problem = Problem::new(StatusCode::NOT_FOUND, "not-begun", why);
        return Err(problem.retry_after(seconds).for_client(&headers));
    }
    let text = period.params().to_toml();
    let sha256 = Sha256::digest(&text);
    Ok(tagged(&headers, "application/toml", text.into(), &sha256))
}

/// Whose coins of a period vendors must refuse, one User-ID a line, sorted: a `PERIOD.revoked`
/// file. Proved offenders, and those whom a person revoked.
#[utoipa::path(get, path = "/v1/periods/{period}/revoked", tag = "everyone",
    params(("period" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 304, description = "Unchanged since the tag in If-None-Match"),
        (status = 404, body = Problem)))]
pub(super) async fn revoked(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let period = period_of(&app, &name).map_err(|no| no.for_client(&headers))?;
    let list = app.service.refused(&period).await?;
    let text = Bytes::from_owner(Arc::clone(&list.text));
    Ok(tagged(&headers, "text/plain; charset=utf-8", text, &list.sha256))
}

/// A document with a tag, or that it is unchanged.
fn tagged(headers: &HeaderMap, media_type: &'static str, body: Bytes, sha256: &[u8]) -> Response {
    let digest: String = sha256.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{digest}\"");
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        with_headers(StatusCode::OK, media_type, body)
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
