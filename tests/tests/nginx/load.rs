//! Honest and hostile load at the same time, with workers killed meanwhile.
//!
//! `MICROMINT_LOAD_SECONDS` sets the duration; the default is a few seconds.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use micromint::authenticator::Key;
use micromint::hash::HashName;
use micromint::host::{Clock, DiskDirectory, FixedClock, SystemClock, SystemEntropy};
use micromint::testing::{ObviousMint, params_with, resize};
use micromint::till::{SyncMode, Till};
use micromint::vendor::redemption::unbatched;
use micromint_servers::client::{RequestText, base64url};
use micromint_servers::nginx::Nginx;
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use rustix::process::{Signal, kill_process};

const SERVER: &str = "micromint_config vendor.toml;
    server { %SERVER% micromint on; location /gone/ { micromint_price 1; } }";
/// The page that exists, and those that do not.
const PAGE: &str = "/one.html";
const GONE: &str = "/gone/page.html";

/// A coin of the load, and what became of it.
#[derive(Default)]
struct Fate {
    /// The number of the URL for which it was acknowledged as paid.
    paid: Option<u64>,
}

/// One request on a raw connection: status and word, or `None` if the connection broke.
fn ask(port: u16, bytes: &[u8]) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    let word = text.split("MicroMint-Status: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    Some((status, word.unwrap_or_default().to_string()))
}

#[test]
fn no_coin_is_accepted_twice_and_none_is_lost_though_workers_are_killed() {
    let seconds = std::env::var("MICROMINT_LOAD_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let now = SystemClock.now();
    let mint = ObviousMint::new(params_with(|raw| {
        // Enough for the rate that two cores reach.
        resize(raw, if seconds > 60 { 11 } else { 8 }, 8, 4, 2, HashName::Des);
        raw.period = "load".parse().unwrap();
        raw.start = now.plus_seconds(-86_400);
        raw.expiration = now.plus_seconds(30 * 86_400);
        raw.redeem_until = now.plus_seconds(37 * 86_400);
    }));
    let (user, vendor) = ("alice".parse().unwrap(), "localhost".parse().unwrap());
    let key = Key::from_bytes([7; 32]);
    let firsts = (0..mint.params().superbin_count() as u32).step_by(2);
    let coins: Vec<Vec<u64>> = firsts.flat_map(|first| mint.coins(&user, &vendor, first)).collect();
    let site = Site::new();
    site.write("periods/load.params", &mint.params().to_toml());
    let nginx = Nginx::start(site, SERVER);
    let port = nginx.site().port;
    let pay = |page: &str, coin: &[u64], number: u64| {
        let target = format!("{page}?{number}");
        let url = nginx.site().url(&target).parse().unwrap();
        let payment = mint.payment(&user, &key, &vendor, &url, &[coin.to_vec()]);
        RequestText::get(&target)
            .with("Connection", "close")
            .with("MicroMint-Payment", &base64url(&payment.to_bytes()))
            .to_bytes()
    };
    let fates: Vec<Mutex<Fate>> = coins.iter().map(|_| Mutex::default()).collect();
    let (next, numbers, is_over) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (paid, broken, refused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (given_back, kept) = (AtomicU64::new(0), AtomicU64::new(0));
    // Pays for two different pages with one coin. At most one of all these requests may be answered
    // as paid.
    let spend = |coin: usize, number: u64| -> bool {
        let request = pay(PAGE, &coins[coin], number);
        for _ in 0..50 {
            match ask(port, &request) {
                // No answer, or none yet: sends exactly the same payment again, as clients do.
                None | Some((503 | 500 | 502, _)) => _ = broken.fetch_add(1, Ordering::Relaxed),
                Some((200, word)) if word == "paid" || word == "retry" => {
                    let mut fate = fates[coin].lock().unwrap();
                    assert!(
                        fate.paid.is_none_or(|other| other == number),
                        "coin {coin} was accepted twice"
                    );
                    fate.paid = Some(number);
                    paid.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Some((402, word)) if word == "spent" => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    return false;
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("50 tries without an answer");
    };
    // Pays for a page that does not exist. If the answer says that the coin was given back, it was,
    // even if the worker that said so was killed: it soon pays for another page.
    let pay_in_vain = |coin: usize| {
        let request = pay(GONE, &coins[coin], numbers.fetch_add(1, Ordering::Relaxed));
        for _ in 0..50 {
            match ask(port, &request) {
                None | Some((503 | 500 | 502, _)) => _ = broken.fetch_add(1, Ordering::Relaxed),
                Some((404, word)) if word == "reversed" => {
                    given_back.fetch_add(1, Ordering::Relaxed);
                    let start = Instant::now();
                    while !spend(coin, numbers.fetch_add(1, Ordering::Relaxed)) {
                        assert!(
                            start.elapsed() < Duration::from_secs(20),
                            "coin {coin} was not given back"
                        );
                    }
                    return;
                }
                // The worker was killed after it had recorded the payment: sent again, it is kept.
                Some((404, word)) if word == "retry" => {
                    kept.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("50 tries without an answer");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let coin = next.fetch_add(1, Ordering::Relaxed);
                if coin >= coins.len() {
                    return;
                }
                pay_in_vain(coin);
                std::thread::sleep(Duration::from_secs(4 * seconds) / coins.len() as u32);
            }
        });
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let coin = next.fetch_add(1, Ordering::Relaxed);
                    if coin >= coins.len() {
                        return;
                    }
                    let [one, two] = [(); 2].map(|()| numbers.fetch_add(1, Ordering::Relaxed));
                    let racer = scope.spawn(move || spend(coin, one));
                    let won = spend(coin, two);
                    assert!(
                        won ^ racer.join().unwrap(),
                        "coin {coin}: exactly one of two pages is paid for"
                    );
                    // The coins must last.
                    std::thread::sleep(Duration::from_secs(4 * seconds) / coins.len() as u32);
                }
            });
        }
        scope.spawn(|| {
            let junk: [&[u8]; 4] = [
                b"GET /one.html HTTP/1.1\r\nHost: localhost\r\nMicroMint-Payment: e30\r\nConnection: close\r\n\r\n",
                b"POST /one.html HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-micromint\r\nContent-Length: 50\r\n\r\nhalf",
                b"\x16\x03\x01\x02\x00",
                b"POST /one.html HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-micromint\r\n\r\nffffffff\r\n",
            ];
            let mut held = Vec::new();
            for bytes in junk.iter().cycle() {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                    let _ = stream.write_all(bytes);
                    held.push(stream);
                }
                held.truncate(held.len().saturating_sub(usize::from(held.len() > 40) * 20));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let start = Instant::now();
        let mut killed = 0;
        while start.elapsed() < Duration::from_secs(seconds)
            && next.load(Ordering::Relaxed) < coins.len()
        {
            std::thread::sleep(Duration::from_millis(300));
            if let Some(worker) = nginx.workers().get(killed % 2) {
                let _ = kill_process(*worker, Signal::KILL);
                killed += 1;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        println!("{killed} workers killed in {:?}", start.elapsed());
        assert!(start.elapsed().as_secs() >= seconds, "the coins did not last");
        assert!(killed >= 5, "{killed}");
    });
    // What was acknowledged is spent for good, also for a restarted server.
    let accepted: BTreeSet<usize> =
        (0..coins.len()).filter(|coin| fates[*coin].lock().unwrap().paid.is_some()).collect();
    println!(
        "{} coins accepted, {} of them given back before, {} kept for a page that does not exist; \
         {} refusals, {} requests without an answer",
        accepted.len(),
        given_back.load(Ordering::Relaxed),
        kept.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed),
        broken.load(Ordering::Relaxed)
    );
    assert!(accepted.len() > 100, "{}", accepted.len());
    assert!(given_back.load(Ordering::Relaxed) > 10, "{given_back:?}");
    assert_eq!(paid.load(Ordering::Relaxed), accepted.len() as u64);
    for coin in accepted.iter().step_by(1 + accepted.len() / 300) {
        let request = pay(PAGE, &coins[*coin], u64::MAX - *coin as u64);
        assert_eq!(ask(port, &request), Some((402, "spent".to_string())), "coin {coin} was lost");
    }
    // And the till holds exactly these coins for redemption, each once: tomorrow all are old
    // enough.
    let tomorrow = Arc::new(FixedClock(now.plus_seconds(86_400)));
    let directory = Box::new(DiskDirectory::new(nginx.site().path("till")));
    let till = Till::open(directory, SyncMode::Os, tomorrow, Arc::new(SystemEntropy)).unwrap();
    let held: u64 = unbatched(&till).unwrap().values().map(|period| period.coins).sum();
    assert_eq!(held, accepted.len() as u64 + kept.load(Ordering::Relaxed));
}
