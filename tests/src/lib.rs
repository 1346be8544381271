//! What the tests of the server modules share: a site with priced pages, a real server for it, a
//! client that controls every byte of HTTP, and a payer with coins.
//!
//! Everything is on the loopback interface, on ports chosen by the operating system, in a folder of
//! its own. Every wait is bounded. Every started process is ended by its own process ID.

// This crate serves tests, in which a wrong step should stop the test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod agents;
pub mod apache;
pub mod application;
pub mod bindings;
pub mod cases;
pub mod charges;
pub mod client;
pub mod differences;
pub mod life;
pub mod nginx;
pub mod owners;
pub mod payer;
pub mod paying;
pub mod price_files;
pub mod prices;
pub mod recipes;
pub mod server;
pub mod site;
pub mod targets;
pub mod transport;
pub mod twins;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The longest time that anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `is_so`, and fails with `what` if that takes too long.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A free port that this function has not returned before.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}
