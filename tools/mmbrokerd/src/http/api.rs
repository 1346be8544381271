//! The OpenAPI document of the interface, served at `/openapi.json`.

use axum::response::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::answer::{Problem, json};
use super::complaints::{Complaint, Recorded};
use super::periods::{PeriodSummary, WellKnown};
use super::purchases::{ClientAccount, Order, Purchase};
use super::{complaints, messages, periods, purchases};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "MicroMint broker",
        version = "1",
        description = "Sells sets of balls, redeems what vendors received, and credits what \
                       clients return. Messages of the type application/x-micromint are those of the \
                       protocol (docs/reference/protocol.md). Clients authenticate themselves \
                       by an API key; messages carry their own authenticators."
    ),
    paths(
        periods::well_known, periods::health, periods::params, periods::revoked,
        purchases::account, purchases::page, purchases::buy, purchases::fetch,
        purchases::received, messages::take_back, messages::redeem, messages::watch,
        messages::owners, complaints::complain,
    ),
    components(schemas(
        Problem, WellKnown, PeriodSummary, Order, Purchase, ClientAccount, Complaint, Recorded
    )),
    modifiers(&ApiKey),
    tags(
        (name = "everyone", description = "No authentication"),
        (name = "clients", description = "An API key, or a message under K_U"),
        (name = "vendors", description = "A message under K_V or K_W"),
    )
)]
struct Api;

/// Names the API key as the way to authenticate.
struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, mmk_ and 64 hexadecimal digits"))
            .build();
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("api-key", SecurityScheme::Http(bearer));
    }
}

/// The document as JSON text, as it is committed in `docs/reference/broker-openapi.json`.
///
/// # Errors
/// It cannot be printed, which no document causes.
pub fn document() -> Result<String, serde_json::Error> {
    Ok(format!("{}\n", serde_json::to_string_pretty(&Api::openapi())?))
}

pub(super) async fn openapi() -> Response {
    json(&Api::openapi())
}
