//! The style sheet, under a name with its hash, so that browsers keep it for ever.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};

use super::answer::{Answer, refuse};
use super::{Shop, random};

const STYLE: &str = include_str!("../../templates/shop.css");

/// The name of the file.
pub(super) static NAME: LazyLock<String> =
    LazyLock::new(|| format!("shop-{}.css", &random::hex(&random::digest(STYLE))[..16]));

/// The style sheet.
pub(super) async fn style(Path(file): Path<String>) -> Answer {
    if file != *NAME {
        return Err(refuse("error-no-page"));
    }
    let headers =
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=31536000, immutable")];
    Ok((headers, STYLE).into_response())
}

/// The style sheet by a name that does not change.
pub(super) async fn redirect(State(shop): State<Arc<Shop>>) -> Response {
    Redirect::temporary(&format!("{}/{}", shop.base, *NAME)).into_response()
}
