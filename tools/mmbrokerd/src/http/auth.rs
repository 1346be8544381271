//! Who asks: API keys of programs that act for a client, and the network of a request.
//!
//! Input: the header field Authorization. Output: a user. The invariant: only the SHA-256 of a key
//! is stored, so the database has no key.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use micromint::host::Entropy;
use micromint::identity::UserId;
use sha2::{Digest, Sha256};

use super::App;
use super::answer::Problem;
use crate::places::Sender;
use crate::service::{Service, ServiceError};
use crate::shop::session_user;
use crate::store::{KeyAnswer, KeyMaker};

/// The beginning of every API key, by which people recognize one.
const KEY_PREFIX: &str = "mmk_";
/// The number of random bytes in an API key.
const KEY_RANDOM_SIZE: usize = 32;
/// The longest credentials that are read, in bytes.
const CREDENTIALS_LEN_MAX: usize = 512;

/// An API key that cannot be guessed.
///
/// # Errors
/// There is no randomness.
pub fn new_key(entropy: &dyn Entropy) -> Result<String, ServiceError> {
    let mut random = [0; KEY_RANDOM_SIZE];
    entropy.fill(&mut random).map_err(|_| ServiceError::GivenUp("there is no randomness"))?;
    Ok(key_of(&random))
}

/// The API key with these random bytes.
pub(crate) fn key_of(random: &[u8; KEY_RANDOM_SIZE]) -> String {
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{KEY_PREFIX}{digits}")
}

/// Lets this key buy with the money of a user, unless the account is closed or has too many keys.
/// Returns whether the key counts.
///
/// # Errors
/// The database failed.
pub async fn give_key(
    service: &Service,
    (by, user): (KeyMaker<'_>, &UserId),
    key: &str,
) -> Result<KeyAnswer, ServiceError> {
    Ok(service.store().add_api_key(digest_of(key), (by, user), service.now()).await?)
}

fn digest_of(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The user for whom a request acts: by `Bearer KEY`, or by `Basic` with the User-ID and the key as
/// password.
pub(super) async fn user_of(service: &Service, headers: &HeaderMap) -> Result<UserId, Problem> {
    let Some((name, key)) = credentials(headers) else {
        return Err(wrong("expected an API key: Authorization: Bearer mmk_…"));
    };
    let known = service.store().api_key(digest_of(&key)).await?;
    let Some(known) = known.filter(|known| known.ended_at.is_none()) else {
        return Err(wrong("this API key is not valid"));
    };
    if name.is_some_and(|name| name != known.user.as_str()) {
        return Err(wrong("this API key is for another user"));
    }
    Ok(known.user)
}

/// The user for whom a request acts: by an API key, or without one by the session of a page.
pub(super) async fn user_of_page(
    app: &App,
    headers: &HeaderMap,
    is_write: bool,
) -> Result<UserId, Problem> {
    if !headers.contains_key(AUTHORIZATION)
        && let Some(user) = session_user(&app.shop, headers, is_write).await?
    {
        return Ok(user);
    }
    user_of(&app.service, headers).await
}

impl FromRequestParts<Arc<App>> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Sender, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let network: Arc<str> = app.shop.network(&parts.headers, peer).into();
        let is_known = app.vendors.contains(&network, Instant::now());
        Ok(Sender { network, is_known })
    }
}

fn wrong(why: &str) -> Problem {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "not-authenticated", why);
    problem.with_header(WWW_AUTHENTICATE, "Bearer realm=\"MicroMint\"".to_string())
}

/// The User-ID, if it is given, and the key.
fn credentials(headers: &HeaderMap) -> Option<(Option<String>, String)> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = text.split_once(' ')?;
    if text.len() > CREDENTIALS_LEN_MAX {
        None
    } else if scheme.eq_ignore_ascii_case("bearer") {
        Some((None, credentials.trim().to_string()))
    } else if scheme.eq_ignore_ascii_case("basic") {
        let bytes = STANDARD.decode(credentials.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (name, key) = text.split_once(':')?;
        Some((Some(name.to_string()), key.to_string()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_credentials_are_read() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, text.parse().unwrap());
            credentials(&headers)
        };
        let key = Some((None, "mmk_1".to_string()));
        assert_eq!(read("Bearer mmk_1"), key);
        assert_eq!(read("bearer mmk_1"), key);
        let basic = format!("Basic {}", STANDARD.encode("alice:mmk_1"));
        assert_eq!(read(&basic), Some((Some("alice".to_string()), "mmk_1".to_string())));
        for wrong in ["", "Bearer", "Basic !", "Basic YWxpY2U=", "Digest mmk_1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let longest = format!("Bearer {}", "x".repeat(CREDENTIALS_LEN_MAX - 7));
        assert!(read(&longest).is_some());
        assert!(read(&format!("{longest}x")).is_none());
    }
}
