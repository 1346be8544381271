//! Reading the body of a request.
//!
//! Input: a stream of frames. Output: its bytes. The invariants: a body has at most the bytes that
//! its path allows; a client that sends nothing, or too slowly, is given up; few large bodies are
//! read at a time.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};

use super::App;
use super::answer::Problem;

/// The largest Request-Redemption, in bytes: 64 MiB of payments as Base64, and its head.
pub const REDEMPTION_SIZE_MAX: usize = 92 * 1024 * 1024;
/// The largest Request-Watch, in bytes.
pub const WATCH_SIZE_MAX: usize = 12 * 1024 * 1024;
/// The largest Request-Credit, in bytes.
pub const RETURN_SIZE_MAX: usize = 12 * 1024 * 1024;
/// The largest Request-Owners, in bytes.
pub const OWNERS_SIZE_MAX: usize = 16 * 1024;
/// The largest order, in bytes.
pub const ORDER_SIZE_MAX: usize = 4 * 1024;
/// The largest complaint, in bytes: a payment and the words about it, in JSON.
pub const COMPLAINT_SIZE_MAX: usize = 128 * 1024;

/// The memory for large bodies that are read at the same time, in MiB: two of the largest.
pub const LARGE_MIB_MAX: usize = 192;
/// From this size on a body is large, in bytes.
const LARGE_SIZE: usize = 256 * 1024;
const MIB: usize = 1024 * 1024;
/// The longest pause between two frames.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// The time that any body may take.
const TIME_MIN: Duration = Duration::from_secs(30);
/// The slowest rate at which a large body may come, in bytes a second.
const RATE_MIN: u64 = 32 * 1024;

/// Reads a body of at most `size_max` bytes.
pub(super) async fn read(
    app: &App,
    headers: &HeaderMap,
    body: Body,
    size_max: usize,
) -> Result<Vec<u8>, Problem> {
    let stated = stated_size(headers)?;
    if stated.is_some_and(|size| size > size_max) {
        return Err(too_large(size_max));
    }
    let _place = place_for(app, stated.unwrap_or(size_max))?;
    let mut bytes = Vec::with_capacity(stated.unwrap_or(0));
    let mut body = body;
    let start = Instant::now();
    loop {
        let allowed = TIME_MIN + Duration::from_secs(bytes.len() as u64 / RATE_MIN);
        let left = allowed.saturating_sub(start.elapsed()).min(PAUSE_MAX);
        let frame = timeout(left, body.frame()).await.map_err(|_| too_slow())?;
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|_| Problem::bad_request("the body ended early"))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > size_max {
                return Err(too_large(size_max));
            }
            bytes.extend_from_slice(&data);
        }
    }
}

/// Takes memory for a large body, of which every message has its share.
fn place_for(app: &App, size: usize) -> Result<Option<SemaphorePermit<'_>>, Problem> {
    if size <= LARGE_SIZE {
        return Ok(None);
    }
    let place = app.large.try_acquire_many(size.div_ceil(MIB) as u32);
    let busy = |_| Problem::busy("the broker reads other large messages; send this one again");
    place.map(Some).map_err(busy)
}

fn stated_size(headers: &HeaderMap) -> Result<Option<usize>, Problem> {
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let size = value.to_str().ok().and_then(|text| text.parse().ok());
    size.map(Some).ok_or_else(|| Problem::bad_request("Content-Length is not a number"))
}

fn too_large(size_max: usize) -> Problem {
    let why = format!("expected at most {size_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", why)
}

fn too_slow() -> Problem {
    let why = "the body came too slowly; send it again";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", why)
}
