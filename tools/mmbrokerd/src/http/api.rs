//! The OpenAPI document of the interface, served at `/openapi.json`.

use axum::response::Response;
use micromint::protocol::PROBLEM_MEDIA_TYPE;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
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
    modifiers(&ApiKey, &Problems),
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

/// Says that problems are `application/problem+json`, and which answers all operations have.
struct Problems;

impl Modify for Problems {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            for (operation, is_post) in [(&mut item.get, false), (&mut item.post, true)] {
                let Some(operation) = operation else { continue };
                // A return carries its own authenticator.
                let has_key = path != "/v1/returns"
                    && operation.tags.iter().flatten().any(|tag| tag == "clients");
                let common = [
                    (
                        "400",
                        "The request cannot be read",
                        is_post || operation.parameters.is_some(),
                    ),
                    ("401", "The API key is missing or wrong", has_key),
                    ("413", "The content is too large", is_post),
                    ("503", "The broker cannot answer now: ask again later", true),
                ];
                let responses = &mut operation.responses.responses;
                for (status, words, _) in common.into_iter().filter(|(_, _, has)| *has) {
                    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                    let response = ResponseBuilder::new()
                        .description(words)
                        .content("application/json", problem)
                        .build();
                    responses.entry(status.to_string()).or_insert(response.into());
                }
                for (status, response) in responses {
                    if let (true, RefOr::T(response)) = (status.as_str() >= "400", response)
                        && let Some(problem) = response.content.shift_remove("application/json")
                    {
                        response.content.insert(PROBLEM_MEDIA_TYPE.to_string(), problem);
                    }
                }
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_its_type_and_every_operation_its_common_answers() {
        let document: serde_json::Value = serde_json::from_str(&document().unwrap()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, it)| (path, method, it))
        });
        for (path, method, operation) in operations {
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in
                responses.iter().filter(|(status, _)| status.as_str() >= "400")
            {
                let content = response["content"].as_object().unwrap();
                let types: Vec<&String> = content.keys().collect();
                assert_eq!(types, [PROBLEM_MEDIA_TYPE], "{method} {path} {status}");
            }
            assert!(responses.contains_key("503"), "{method} {path}");
            assert_eq!(responses.contains_key("413"), method == "post", "{path}");
        }
        assert!(paths["/v1/purchases/{transaction}"]["get"]["responses"]["401"].is_object());
        assert!(paths["/v1/returns"]["post"]["responses"]["401"].is_null());
    }
}
