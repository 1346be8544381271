//! Reading the body of a request.
//!
//! Input: a stream of frames. Output: its bytes. The invariants: a body has at most the bytes that
//! its path allows; a client that sends nothing, or too slowly, is given up; few large bodies are
//! read at a time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout};

use super::App;
use super::answer::Problem;
use crate::service::PIECE_SIZE;

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

/// The memory for large bodies that are read at the same time, in MiB: eight of the largest that
/// are not staged.
pub const LARGE_MIB_MAX: usize = 96;
/// The memory that a Request-Redemption takes while it is read, in bytes: a piece, twice.
pub(super) const REDEMPTION_MEMORY: usize = 2 * PIECE_SIZE;
/// How many large Request-Redemptions are received at a time.
pub const UPLOADS_MAX: usize = 8;
/// Above this size a body is large, in bytes, and takes as many places of this size as it fills.
pub const PLACE_SIZE: usize = 64 * 1024;
/// The places for large bodies.
pub(super) const PLACES: usize = LARGE_MIB_MAX * 1024 * 1024 / PLACE_SIZE;
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
    let mut pieces = Pieces::new(app, headers, body, size_max, size_max)?;
    let mut bytes = Vec::with_capacity(pieces.stated.unwrap_or(0));
    while let Some(piece) = pieces.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// A body that is read in pieces.
pub(super) struct Pieces<'a> {
    body: Body,
    stated: Option<usize>,
    size_max: usize,
    size: usize,
    start: Instant,
    _place: Option<SemaphorePermit<'a>>,
}

impl<'a> Pieces<'a> {
    /// A body of at most `size_max` bytes, which takes at most `memory_max` bytes of memory.
    pub(super) fn new(
        app: &'a App,
        headers: &HeaderMap,
        body: Body,
        size_max: usize,
        memory_max: usize,
    ) -> Result<Pieces<'a>, Problem> {
        let stated = stated_size(headers)?;
        if stated.is_some_and(|size| size > size_max) {
            return Err(too_large(size_max));
        }
        let place = place_for(app, stated.unwrap_or(size_max).min(memory_max))?;
        Ok(Pieces { body, stated, size_max, size: 0, start: Instant::now(), _place: place })
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let allowed = TIME_MIN + Duration::from_secs(self.size as u64 / RATE_MIN);
            let left = allowed.saturating_sub(self.start.elapsed()).min(PAUSE_MAX);
            let frame = timeout(left, self.body.frame()).await.map_err(|_| too_slow())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|_| Problem::bad_request("the body ended early"))?;
            if let Ok(data) = frame.into_data() {
                self.size += data.len();
                if self.size > self.size_max {
                    return Err(too_large(self.size_max));
                }
                return Ok(Some(data));
            }
        }
    }

    /// What the broker does with a piece takes none of the client's time.
    pub(super) fn add_time(&mut self, took: Duration) {
        self.start += took;
    }
}

/// Takes memory for a large body, of which every message has its share.
fn place_for(app: &App, size: usize) -> Result<Option<SemaphorePermit<'_>>, Problem> {
    if size <= PLACE_SIZE {
        return Ok(None);
    }
    let place = app.large.try_acquire_many(size.div_ceil(PLACE_SIZE) as u32);
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
