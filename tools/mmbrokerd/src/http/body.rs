//! Reading the body of a request.
//!
//! Input: a stream of frames. Output: its bytes. The invariants: a body has at most the bytes that
//! its path allows; a client that sends nothing, or too slowly, is given up; the memory for large
//! bodies is bounded, and taken by what has arrived: who only states a size takes none.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use super::App;
use super::answer::Problem;
use crate::places::{Full, Sender, Taken};
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
/// How many large Request-Redemptions are received and judged at a time.
pub const UPLOADS_MAX: usize = 8;
/// Above this size a body is large, in bytes, and takes as many places of this size as it fills.
pub const PLACE_SIZE: usize = 16 * 1024;
/// The places for large bodies.
pub(super) const PLACES: usize = LARGE_MIB_MAX * 1024 * 1024 / PLACE_SIZE;
/// The longest pause between two frames.
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// The time that any body may take.
const TIME_MIN: Duration = Duration::from_secs(30);
/// The time that no body may exceed: `mmvendor` waits no longer either.
const TIME_MAX: Duration = Duration::from_secs(600);
/// The slowest rate at which a large body may come, in bytes a second.
const RATE_MIN: u64 = 32 * 1024;

/// Reads a body of at most `size_max` bytes.
pub(super) async fn read(
    app: &App,
    sender: &Sender,
    headers: &HeaderMap,
    body: Body,
    size_max: usize,
) -> Result<Vec<u8>, Problem> {
    let mut pieces = Pieces::new(app, sender, headers, body, (size_max, size_max))?;
    let mut bytes = Vec::with_capacity(pieces.stated.unwrap_or(0).min(PLACE_SIZE));
    loop {
        match pieces.next().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return Ok(bytes),
            Err(problem) => {
                drop(bytes);
                pieces.pass_over().await;
                return Err(problem);
            }
        }
    }
}

/// A body that is read in pieces.
pub(super) struct Pieces {
    body: Body,
    stated: Option<usize>,
    size_max: usize,
    memory_max: usize,
    size: usize,
    start: Instant,
    places: Taken,
}

impl Pieces {
    /// A body of at most `size_max` bytes, which takes at most `memory_max` bytes of memory.
    pub(super) fn new(
        app: &App,
        sender: &Sender,
        headers: &HeaderMap,
        body: Body,
        (size_max, memory_max): (usize, usize),
    ) -> Result<Pieces, Problem> {
        let stated = stated_size(headers)?;
        if stated.is_some_and(|size| size > size_max) {
            return Err(too_large(size_max));
        }
        let places = app.large.none(sender);
        // Nothing is taken yet: a large body that would not fit now need not be sent.
        places.check(places_for(stated.unwrap_or(0).min(memory_max))).map_err(full)?;
        let start = Instant::now();
        Ok(Pieces { body, stated, size_max, memory_max, size: 0, start, places })
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let left = allowed(self.size).saturating_sub(self.start.elapsed()).min(PAUSE_MAX);
            let frame = timeout(left, self.body.frame()).await.map_err(|_| too_slow())?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|_| Problem::bad_request("the body ended early"))?;
            if let Ok(data) = frame.into_data() {
                self.size += data.len();
                if self.size > self.size_max {
                    return Err(too_large(self.size_max));
                }
                let places = places_for(self.size.min(self.memory_max));
                self.places.grow_to(places).map_err(full)?;
                return Ok(Some(data));
            }
        }
    }

    /// Reads the rest and keeps nothing: a client that is still sending would not read the answer.
    pub(super) async fn pass_over(&mut self) {
        self.places.give_back();
        self.memory_max = 0;
        while let Ok(Some(_)) = self.next().await {}
    }

    /// What the broker does with a piece takes none of the client's time.
    pub(super) fn add_time(&mut self, took: Duration) {
        self.start += took;
    }
}

/// The time that a body may have taken of which so many bytes have arrived.
fn allowed(size: usize) -> Duration {
    (TIME_MIN + Duration::from_secs(size as u64 / RATE_MIN)).min(TIME_MAX)
}

/// The places of a body that takes so much memory.
fn places_for(size: usize) -> usize {
    if size <= PLACE_SIZE { 0 } else { size.div_ceil(PLACE_SIZE) }
}

/// Why a large body or batch is not received now.
pub(super) fn full(full: Full) -> Problem {
    Problem::busy(match full {
        Full::Network => "your network sends other large messages; send this one again",
        Full::All => "the broker reads other large messages; send this one again",
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_time_by_its_size_and_ten_minutes_at_most() {
        let rate = RATE_MIN as usize;
        assert_eq!(allowed(0), Duration::from_secs(30));
        assert_eq!(allowed(rate - 1), Duration::from_secs(30));
        assert_eq!(allowed(rate), Duration::from_secs(31));
        let last = (TIME_MAX - TIME_MIN).as_secs() as usize * rate;
        assert_eq!(allowed(last - 1), Duration::from_secs(599));
        assert_eq!(allowed(last), Duration::from_secs(600));
        assert_eq!(allowed(last + rate), Duration::from_secs(600));
        assert_eq!(allowed(REDEMPTION_SIZE_MAX), Duration::from_secs(600));
    }

    #[test]
    fn small_bodies_take_no_place() {
        assert_eq!(places_for(PLACE_SIZE), 0);
        assert_eq!(places_for(PLACE_SIZE + 1), 2);
        assert_eq!(places_for(2 * PLACE_SIZE), 2);
    }
}
