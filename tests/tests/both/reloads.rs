//! Payments while a server reloads, is upgraded or ends gracefully: each recorded payment is
//! answered.
//!
//! `MICROMINT_RELOAD_PAYMENTS` sets how many are paid at least on each server; the default is some
//! hundred. `make test-reload` pays 10 000.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use micromint::authenticator::Key;
use micromint::hash::HashName;
use micromint::host::{Clock, SystemClock};
use micromint::testing::{ObviousMint, params_with, resize};
use micromint_servers::apache::{Apache, Mpm};
use micromint_servers::client::{RequestText, base64url};
use micromint_servers::nginx::{Nginx, is_running, pid_in};
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use micromint_servers::wait_until;
use rustix::process::{Signal, kill_process};

const NGINX: &str = "micromint_config vendor.toml; server { %SERVER% micromint on; }";
const APACHE: &str = "MicroMintConfig %FOLDER%/vendor.toml\nMicroMint On\n";
const PAGE: &str = "/one.html";
/// Clients that pay one payment after the other.
const PAYERS: usize = 3;
/// Connections on which one more client pays at the same moment, so that an event loop wakes up for
/// several.
const BURST: usize = 8;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a payment without an answer is sent again.
const TRIES: usize = 2000;
/// The least number of disturbances: each kind occurs.
const ROUNDS_MIN: usize = 4;

/// What became of the payments.
#[derive(Default)]
struct Tally {
    /// Answered as paid.
    paid: AtomicUsize,
    /// Sent again, since no answer came: the connection was refused or closed.
    again: AtomicUsize,
    /// Recorded without an answer: sent again, they were retries.
    lost: AtomicUsize,
}

/// The payments of a run.
struct Payments {
    mint: ObviousMint,
    /// Those of the user, each for one payment.
    coins: Vec<Vec<u64>>,
    /// The URL of the page.
    url: String,
    /// How many are paid at least.
    wanted: usize,
    next: AtomicUsize,
    is_over: AtomicBool,
    tally: Tally,
}

impl Payments {
    /// Payments for the page of a site, whose till is synced by `sync`.
    fn new(site: &Site, sync: &str) -> Payments {
        let wanted = std::env::var("MICROMINT_RELOAD_PAYMENTS").ok();
        let wanted = wanted.and_then(|text| text.parse().ok()).unwrap_or(600) / 2;
        let now = SystemClock.now();
        let mint = ObviousMint::new(params_with(|raw| {
            resize(raw, if wanted > 1000 { 12 } else { 9 }, 8, 4, 2, HashName::Des);
            raw.period = "load".parse().unwrap();
            raw.start = now.plus_seconds(-86_400);
            raw.expiration = now.plus_seconds(30 * 86_400);
            raw.redeem_until = now.plus_seconds(37 * 86_400);
        }));
        let (user, vendor) = ("alice".parse().unwrap(), "localhost".parse().unwrap());
        let firsts = (0..mint.params().superbin_count() as u32).step_by(2);
        let coins: Vec<_> = firsts.flat_map(|first| mint.coins(&user, &vendor, first)).collect();
        assert!(coins.len() >= wanted, "{} coins", coins.len());
        site.write("periods/load.params", &mint.params().to_toml());
        let toml = site.vendor_toml("till").replace("sync = \"os\"", &format!("sync = \"{sync}\""));
        assert!(toml.contains(&format!("\"{sync}\"")), "{toml}");
        site.write("vendor.toml", &toml);
        let (next, is_over, tally) = Default::default();
        Payments { mint, coins, url: site.url(PAGE), wanted, next, is_over, tally }
    }

    /// A request with the next payment, unless enough was paid.
    fn next(&self) -> Option<Vec<u8>> {
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let coin = self.coins.get(number)?;
        let (user, vendor) = ("alice".parse().unwrap(), "localhost".parse().unwrap());
        let url = format!("{}?{number}", self.url).parse().unwrap();
        let key = Key::from_bytes([7; 32]);
        let payment = self.mint.payment(&user, &key, &vendor, &url, std::slice::from_ref(coin));
        let request = RequestText::get(&format!("{PAGE}?{number}"))
            .with("Connection", "close")
            .with("MicroMint-Payment", &base64url(&payment.to_bytes()));
        Some(request.to_bytes())
    }

    /// Pays on some connections at once, until enough was paid.
    fn pay(&self, port: u16, at_once: usize) {
        loop {
            let requests: Vec<_> = (0..at_once).map_while(|_| self.next()).collect();
            if requests.is_empty() {
                return;
            }
            let sent: Vec<_> = requests.iter().map(|request| send(port, request)).collect();
            for (request, stream) in requests.iter().zip(sent) {
                self.count(port, request, stream.and_then(receive));
            }
        }
    }

    /// Counts what became of a payment. One without an answer is sent again, as a wallet does.
    fn count(&self, port: u16, request: &[u8], mut answer: Option<(u16, String)>) {
        for tried in 0..TRIES {
            match answer.as_ref().map(|(status, word)| (*status, word.as_str())) {
                Some((200, "paid")) => {
                    self.tally.paid.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                Some((200, "retry")) if tried > 0 => {
                    self.tally.lost.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                None => _ = self.tally.again.fetch_add(1, Ordering::Relaxed),
                other => panic!("{other:?}"),
            }
            std::thread::sleep(Duration::from_millis(10));
            answer = send(port, request).and_then(receive);
        }
        panic!("{TRIES} tries without an answer");
    }

    /// Pays while `disturb` is called over and over.
    fn pay_while(&self, port: u16, what: &str, mut disturb: impl FnMut(usize)) {
        let mut rounds = 0;
        let paid = || self.tally.paid.load(Ordering::Relaxed);
        std::thread::scope(|scope| {
            let mut payers: Vec<_> =
                (0..PAYERS).map(|_| scope.spawn(|| self.pay(port, 1))).collect();
            payers.push(scope.spawn(|| self.pay(port, BURST)));
            while (rounds < ROUNDS_MIN || paid() < self.wanted)
                && !payers.iter().any(std::thread::ScopedJoinHandle::is_finished)
            {
                disturb(rounds);
                rounds += 1;
            }
            self.is_over.store(true, Ordering::Relaxed);
        });
        let Tally { again, lost, .. } = &self.tally;
        let [again, lost] = [again, lost].map(|it| it.load(Ordering::Relaxed));
        let paid = paid();
        println!("{what}: {paid} paid, {lost} lost, {again} sent again, {rounds} disturbances");
        assert_eq!(lost, 0, "{what}");
        assert!(paid >= self.wanted && rounds >= ROUNDS_MIN, "{what}: {paid}, {rounds} rounds");
    }
}

fn send(port: u16, request: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request).ok()?;
    Some(stream)
}

/// Status and word of an answer; `None` if the connection ends without a whole head.
fn receive(mut stream: TcpStream) -> Option<(u16, String)> {
    let mut answer = Vec::new();
    // What came before a reset counts.
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let word = head.split("MicroMint-Status: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    Some((status, word.unwrap_or_default().to_string()))
}

/// nginx: reloads, binary upgrades, and graceful ends with a new start.
#[test]
fn nginx_loses_no_payment_when_it_is_disturbed() {
    for sync in ["os", "always"] {
        let site = Site::new();
        let payments = Payments::new(&site, sync);
        let mut nginx = Some(Nginx::start(site, NGINX));
        let port = nginx.as_ref().unwrap().site().port;
        payments.pay_while(port, &format!("nginx, sync {sync}"), |round| {
            let running = nginx.take().unwrap();
            nginx = Some(match round % 4 {
                1 => {
                    upgrade(&running);
                    running
                }
                3 => {
                    end(running.pid().unwrap(), Signal::QUIT);
                    Nginx::start(running.stop(), NGINX)
                }
                _ => {
                    running.reload(NGINX);
                    running
                }
            });
        });
    }
}

/// Apache: graceful restarts, and graceful stops with a new start.
#[test]
#[ignore = "takes minutes; make test-reload runs it"]
fn apache_loses_no_payment_when_it_is_disturbed() {
    for (sync, mpm) in [("os", Mpm::Event), ("always", Mpm::Prefork)] {
        let site = Site::new();
        let payments = Payments::new(&site, sync);
        let start = |site: std::sync::Arc<Site>| {
            // A new Apache must not take the log of the one before for its own.
            let _ = std::fs::remove_file(site.path("logs/error.log"));
            Apache::start_with(site, mpm, &micromint_servers::apache::module(), APACHE)
        };
        let mut apache = Some(start(site.into()));
        let port = apache.as_ref().unwrap().site().port;
        payments.pay_while(port, &format!("Apache {}, sync {sync}", mpm.name()), |round| {
            let running = apache.take().unwrap();
            apache = Some(if round % 3 == 2 {
                end(running.pid().unwrap(), Signal::WINCH);
                start(running.stop())
            } else {
                running.reload(Signal::USR1, mpm, APACHE);
                running
            });
        });
    }
}

/// USR2, then WINCH and QUIT to the old master, as nginx documents an upgrade.
fn upgrade(nginx: &Nginx) {
    let old = nginx.pid().unwrap();
    nginx.signal(Signal::USR2);
    wait_until("the new master", || {
        pid_in(&nginx.site().path("nginx.pid.oldbin")).is_some()
            && nginx.pid().is_some_and(|pid| pid != old)
    });
    wait_until("its workers", || nginx.workers().len() == 2);
    kill_process(old, Signal::WINCH).unwrap();
    end(old, Signal::QUIT);
}

fn end(pid: rustix::process::Pid, signal: Signal) {
    kill_process(pid, signal).unwrap();
    wait_until("the end of the server", || !is_running(pid));
}
