//! How many clients are connected at a time.
//!
//! Input: accepted connections. Output: those that are served. The invariants: however many clients
//! connect, this process has descriptors left for its database and its files; the clients of one
//! network have at most its share, so that they leave connections for others. A proxy is no client.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::{Ready, ready};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use micromint_console::tell;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tower::Service;

use crate::shop::{Proxies, network_of};

/// The most connections at a time. Each takes about 12 KiB while it is idle.
pub const CONNECTIONS_MAX: usize = 16_384;
/// The descriptors that no connection gets: the database and the files use them.
pub const RESERVED_DESCRIPTORS: usize = 256;
/// The fewest connections, however few descriptors the system allows.
const CONNECTIONS_MIN: usize = 16;

/// A network has at most this part of the connections: one in four.
const NETWORK_CONNECTIONS_PART: usize = 4;

/// Accepts connections while there is a place, and closes all others at once.
#[derive(Clone)]
pub(super) struct Bounded(Arc<Connections>);

struct Connections {
    /// The most at a time.
    most: usize,
    /// They may have all connections.
    proxies: Proxies,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    /// Networks that have none are not in it.
    networks: HashMap<String, usize>,
}

/// The place of one connection, until it is dropped.
struct Place {
    connections: Arc<Connections>,
    /// That of the client, if it is no proxy.
    network: Option<String>,
}

/// The service of one connection, which keeps its place as long as the connection.
#[derive(Clone)]
pub(super) struct Placed<S> {
    service: S,
    _place: Arc<Place>,
}

impl Bounded {
    /// As many places as the system allows, after this process asked for all that it may have.
    pub(super) fn new(proxies: &Proxies) -> Bounded {
        Bounded::with(connections_max(raise_descriptors()), proxies)
    }

    fn with(most: usize, proxies: &Proxies) -> Bounded {
        let open = Mutex::default();
        Bounded(Arc::new(Connections { most, proxies: proxies.clone(), open }))
    }

    /// A place for a connection from this address, if there is one.
    fn place(&self, peer: IpAddr) -> Option<Place> {
        let connections = &self.0;
        let network = (!connections.proxies.contains(peer)).then(|| network_of(peer));
        let mut open = connections.open();
        if open.all >= connections.most {
            return None;
        }
        if let Some(network) = &network {
            let of_network = open.networks.get(network).copied().unwrap_or(0);
            if of_network >= connections.most / NETWORK_CONNECTIONS_PART {
                return None;
            }
            open.networks.insert(network.clone(), of_network + 1);
        }
        open.all += 1;
        Some(Place { connections: Arc::clone(connections), network })
    }
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.all -= 1;
        let Some(network) = self.network.take() else { return };
        if let Entry::Occupied(mut of_network) = open.networks.entry(network) {
            *of_network.get_mut() -= 1;
            if *of_network.get() == 0 {
                of_network.remove();
            }
        }
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

impl<S> Accept<TcpStream, S> for Bounded {
    type Stream = TcpStream;
    type Service = Placed<S>;
    type Future = Ready<io::Result<(TcpStream, Placed<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = stream.peer_addr().map(|peer| self.place(peer.ip()));
        ready(match place {
            Ok(Some(place)) => Ok((stream, Placed { service, _place: Arc::new(place) })),
            Ok(None) => Err(io::ErrorKind::QuotaExceeded.into()),
            Err(error) => Err(error),
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

    /// Opens connections from an address until one is refused.
    fn fill(bounded: &Bounded, peer: &str) -> Vec<Place> {
        let peer = peer.parse().unwrap();
        std::iter::from_fn(|| bounded.place(peer)).collect()
    }

    #[test]
    fn a_network_leaves_connections_for_others() {
        let proxies = Proxies::from(vec!["192.0.2.7".parse().unwrap()]);
        let bounded = Bounded::with(16, &proxies);
        let first = fill(&bounded, "198.51.100.1");
        assert_eq!((first.len(), fill(&bounded, "198.51.100.200").len()), (4, 0));
        let second = fill(&bounded, "2001:db8:1::1");
        assert_eq!((second.len(), fill(&bounded, "2001:db8:1:ff::1").len()), (4, 0));
        drop(first);
        let first = fill(&bounded, "198.51.100.1");
        assert_eq!(first.len(), 4);
        // A proxy has all that are left.
        let proxy = fill(&bounded, "192.0.2.7");
        assert_eq!((proxy.len(), fill(&bounded, "203.0.113.1").len()), (8, 0));
        drop((first, second, proxy));
        let open = bounded.0.open();
        assert_eq!((open.all, open.networks.len()), (0, 0));
    }
}
