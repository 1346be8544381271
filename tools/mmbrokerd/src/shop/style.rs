//! The style sheet and the script for passkeys, under names with their hashes, so that browsers
//! keep them.
//!
//! Input: the name of a file. Output: the file. The invariant: there are no other files.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};

use super::answer::{Answer, refuse};
use super::{Shop, random};

const STYLE: &str = include_str!("../../templates/shop.css");

const SCRIPT: &str = include_str!("../../templates/passkey.js");

/// The name of the style sheet.
pub(super) static NAME: LazyLock<String> =
    LazyLock::new(|| format!("shop-{}.css", &random::hex(&random::digest(STYLE))[..16]));
/// The name of the script.
pub(super) static SCRIPT_NAME: LazyLock<String> =
    LazyLock::new(|| format!("passkey-{}.js", &random::hex(&random::digest(SCRIPT))[..16]));

/// The style sheet, or the script.
pub(super) async fn file(Path(file): Path<String>) -> Answer {
    let (kind, text) = if file == *NAME {
        ("text/css; charset=utf-8", STYLE)
    } else if file == *SCRIPT_NAME {
        ("text/javascript; charset=utf-8", SCRIPT)
    } else {
        return Err(refuse("error-no-page"));
    };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=31536000, immutable")];
    Ok((headers, text).into_response())
}

/// The style sheet by a name that does not change.
pub(super) async fn redirect(State(shop): State<Arc<Shop>>) -> Response {
    Redirect::temporary(&format!("{}/{}", shop.base, *NAME)).into_response()
}
