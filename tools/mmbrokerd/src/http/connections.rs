//! How many clients are connected at a time.
//!
//! Input: accepted connections. Output: those that are served. The invariant: however many clients
//! connect, this process has descriptors left for its database and its files.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use micromint_console::tell;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

/// The most connections at a time. Each takes about 12 KiB while it is idle.
pub const CONNECTIONS_MAX: usize = 16_384;
/// The descriptors that no connection gets: the database and the files use them.
pub const RESERVED_DESCRIPTORS: usize = 256;
/// The fewest connections, however few descriptors the system allows.
const CONNECTIONS_MIN: usize = 16;

/// Accepts connections while there is a place, and closes all others at once.
#[derive(Clone)]
pub(super) struct Bounded {
    places: Arc<Semaphore>,
}

/// The service of one connection, which keeps its place as long as the connection.
#[derive(Clone)]
pub(super) struct Placed<S> {
    service: S,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Bounded {
    /// As many places as the system allows, after this process asked for all that it may have.
    pub(super) fn new() -> Bounded {
        Bounded { places: Arc::new(Semaphore::new(connections_max(raise_descriptors()))) }
    }
}

/// The connections that a process with this many descriptors serves.
fn connections_max(descriptors: usize) -> usize {
    descriptors.saturating_sub(RESERVED_DESCRIPTORS).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

/// Raises the soft limit of descriptors as far as they can be used. Returns the limit.
fn raise_descriptors() -> usize {
    const WANTED: u64 = (CONNECTIONS_MAX + RESERVED_DESCRIPTORS) as u64;
    let limit = getrlimit(Resource::Nofile);
    // No limit is `None`.
    let current = limit.current.unwrap_or(WANTED);
    let raised = WANTED.min(limit.maximum.unwrap_or(WANTED));
    if raised <= current {
        return usize::try_from(current).unwrap_or(usize::MAX);
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }) {
        Ok(()) => raised as usize,
        Err(error) => {
            tell!("mmbrokerd: warning: {current} open files at most: {error}");
            current as usize
        }
    }
}

impl<I, S> Accept<I, S> for Bounded {
    type Stream = I;
    type Service = Placed<S>;
    type Future = Ready<io::Result<(I, Placed<S>)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let place = Arc::clone(&self.places).try_acquire_owned();
        ready(match place {
            Ok(place) => Ok((stream, Placed { service, _place: Arc::new(place) })),
            Err(_) => Err(io::ErrorKind::QuotaExceeded.into()),
        })
    }
}

impl<S, R> Service<R> for Placed<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_for_the_database() {
        let all = CONNECTIONS_MAX + RESERVED_DESCRIPTORS;
        assert_eq!(connections_max(all), CONNECTIONS_MAX);
        assert_eq!(connections_max(all + 1), CONNECTIONS_MAX);
        assert_eq!(connections_max(1024), 1024 - RESERVED_DESCRIPTORS);
        assert_eq!(connections_max(0), CONNECTIONS_MIN);
    }

    #[test]
    fn a_connection_past_the_bound_is_closed() {
        let bounded = Bounded { places: Arc::new(Semaphore::new(1)) };
        let accepted = |bounded: &Bounded| bounded.accept((), ()).into_inner();
        let first = accepted(&bounded).unwrap();
        assert!(accepted(&bounded).is_err());
        drop(first);
        assert!(accepted(&bounded).is_ok());
    }
}
