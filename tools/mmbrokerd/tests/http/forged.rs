//! Messages that were torn, changed on the way, or sent to another path change nothing, and neither
//! does the same message again.

use crate::program::*;
use crate::vendors::with_sale;

/// How many places of a message are changed, one at a time.
const PLACES: usize = 64;
/// At how many places a message is cut off.
const CUTS: usize = 16;

/// Sends what is wrong with a message, then the message, and then all of it again.
fn try_message(home: &Home, running: &Running, path: &str, message: &[u8], others: &[&str]) {
    let before = home.state();
    let refused = |path: &str, message: &[u8], what: &str| {
        let answer = running.message(path, message);
        assert!(matches!(answer.status, 400 | 403 | 404), "{what}: {} {}", answer.status, path);
    };
    let wrong = || {
        for cut in 0..CUTS {
            let size = message.len() * cut / CUTS;
            refused(path, &message[..size], &format!("cut off after {size} bytes"));
        }
        for place in 0..PLACES {
            let at = message.len() * place / PLACES;
            let mut changed = message.to_vec();
            changed[at] ^= 1;
            refused(path, &changed, &format!("changed at byte {at}"));
        }
        for other in others {
            refused(other, message, "the wrong path");
        }
    };
    wrong();
    assert_eq!(home.state(), before, "{path}: something changed");
    let answer = running.message(path, message);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let after = home.state();
    assert_eq!(running.message(path, message).body, answer.body, "{path}");
    wrong();
    assert_eq!(home.state(), after, "{path}: something changed the second time");
}

#[test]
fn messages_of_vendors() {
    let (home, running) = with_sale();
    let coins = MINT.coins(&user("alice"), &vendor("news.example"), 0);
    let paid: Vec<_> = coins[..2]
        .iter()
        .zip(["a", "b"])
        .map(|(coin, page)| payment("alice", "news.example", page, std::slice::from_ref(coin)))
        .collect();
    let owners = owners_request("news.example", 0, 0).to_bytes();
    let (owners_path, others) = ("/v1/periods/2026-12/owners", ["/v1/redemptions", "/v1/watch"]);
    try_message(&home, &running, owners_path, &owners, &others);
    let watch = watch("news.example", "w-1", &paid).to_bytes();
    try_message(&home, &running, "/v1/watch", &watch, &["/v1/redemptions", owners_path]);
    let batch = batch("news.example", "b-1", &paid).to_bytes();
    try_message(&home, &running, "/v1/redemptions", &batch, &["/v1/watch", "/v1/returns"]);
}

#[test]
fn messages_of_clients() {
    let (home, running) = with_sale();
    drop(running);
    let running = home.serve_at(EXPIRED);
    let x = &MINT.set(&user("alice"), 0).superbins[0];
    let back = return_of("alice", "r-1", &x[..3]).to_bytes();
    try_message(&home, &running, "/v1/returns", &back, &["/v1/redemptions", "/v1/watch"]);
}
