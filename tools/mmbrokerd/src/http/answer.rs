//! Responses: messages, JSON, and refusals in words.
//!
//! Input: what to say. Output: a response. The invariant: a refusal says why in one sentence, as a
//! problem document (RFC 9457) or, for a client that accepts no JSON, as one line of text.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use micromint::protocol::{MEDIA_TYPE, PROBLEM_MEDIA_TYPE};
use serde::Serialize;

use super::App;
use crate::service::ServiceError;
use crate::store::StoreError;

/// A refusal or an error.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Problem {
    /// The HTTP status.
    #[schema(value_type = u16)]
    status: u16,
    /// A word that programs can compare, such as `insufficient-money`.
    title: &'static str,
    /// Why, for people.
    detail: String,
    /// Whether the client asked for text.
    #[serde(skip)]
    as_text: bool,
    /// The seconds after which to ask again.
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    headers: Vec<(HeaderName, String)>,
}

/// What a handler returns.
pub(super) type Answer = Result<Response, Problem>;

impl Problem {
    pub(super) fn new(status: StatusCode, title: &'static str, why: impl Display) -> Problem {
        Problem {
            status: status.as_u16(),
            title,
            detail: why.to_string(),
            as_text: false,
            retry_after: None,
            headers: Vec::new(),
        }
    }

    pub(super) fn bad_request(why: impl Display) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", why)
    }

    pub(super) fn not_found(why: impl Display) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", why)
    }

    pub(super) fn forbidden(title: &'static str, why: impl Display) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, title, why)
    }

    pub(super) fn conflict(title: &'static str, why: impl Display) -> Problem {
        Problem::new(StatusCode::CONFLICT, title, why)
    }

    pub(super) fn busy(why: impl Display) -> Problem {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", why);
        Problem { retry_after: Some(5), ..problem }
    }

    /// The problem in the form that the client accepts.
    pub(super) fn for_client(mut self, headers: &HeaderMap) -> Problem {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let takes_json = |types: &str| types.contains("json") || types.contains("*/*");
        self.as_text = !accept.is_none_or(takes_json);
        self
    }

    pub(super) fn retry_after(self, seconds: u32) -> Problem {
        Problem { retry_after: Some(seconds), ..self }
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: String) -> Problem {
        self.headers.push((name, value));
        self
    }
}

impl From<ServiceError> for Problem {
    /// An error of the broker itself. Its reason is for the log, not for the client.
    fn from(error: ServiceError) -> Problem {
        micromint_console::tell!("mmbrokerd: error: {}", micromint::error::chain(&error));
        if matches!(error, ServiceError::Store(StoreError::Halted(_))) {
            let why =
                "the broker is being restored from a backup; send the same request again later";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "being-restored", why);
            return Problem { retry_after: Some(60), ..problem };
        }
        let why = "the broker cannot answer now; send the same request again later";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why);
        Problem { retry_after: Some(5), ..problem }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        ServiceError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (media_type, text) = if self.as_text {
            ("text/plain; charset=utf-8", format!("{}\n", self.detail))
        } else {
            // Numbers and texts are always JSON.
            (PROBLEM_MEDIA_TYPE, serde_json::to_string(&self).unwrap_or_default())
        };
        let mut response = with_headers(status, media_type, text.into_bytes());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A response with these bytes, which is not cached.
pub(super) fn with_headers(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<Body>,
) -> Response {
    let mut response = (status, body.into()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A message of the protocol.
pub(super) fn message(bytes: Vec<u8>) -> Response {
    with_headers(StatusCode::OK, MEDIA_TYPE, bytes)
}

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Response {
    // Structures of numbers and texts are always JSON.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    with_headers(StatusCode::OK, "application/json", bytes)
}

pub(super) async fn no_such_path(headers: HeaderMap) -> Problem {
    Problem::not_found("there is nothing at this path").for_client(&headers)
}

/// A browser that goes to the address of a form is led to the page with the form.
pub(super) async fn wrong_method(
    State(app): State<Arc<App>>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if matches!(method, Method::GET | Method::HEAD)
        && accept.contains("text/html")
        && let Some(page) = crate::shop::page_with_form(&app.shop, uri.path())
    {
        return page;
    }
    let why = "this path knows other methods";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", why);
    problem.for_client(&headers).into_response()
}
