//! Application servers that load an application once and fork their workers afterwards, as they do
//! by default (uWSGI) or on request (`gunicorn --preload`): no payment is lost or sold twice.
//!
//! The servers are those of Debian (`uwsgi-core`, `uwsgi-plugin-python3`, `gunicorn`), which
//! `make test-core` installs and requires with `MICROMINT_REQUIRE_SERVERS`. Without the variable
//! and without a server its test does nothing.

#![allow(clippy::unwrap_used, clippy::expect_used)]

// The tests of the C programs use the rest.
#[allow(dead_code)]
#[path = "../c/library.rs"]
mod library;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint_core::authenticator::{Authenticator, OwnerToken};
use micromint_core::hash::HashName;
use micromint_core::host::{DiskDirectory, SystemClock, SystemEntropy};
use micromint_core::identity::{UserId, VendorId};
use micromint_core::protocol::Payment;
use micromint_core::testing::{ObviousMint, params_with, resize};
use micromint_core::till::{SyncMode, Till};
use micromint_core::vendor::redemption::unbatched;

const PAYMENTS: usize = 1440;
const CLIENTS: usize = 8;

#[test]
fn uwsgi_by_default() {
    let arguments = |socket: &str, app: &str| {
        let all = format!(
            "--plugin python3 --http-socket {socket} --wsgi-file {app} --master --processes 4 --need-app --die-on-term"
        );
        all.split(' ').map(str::to_string).collect()
    };
    serve("uwsgi", arguments);
}

#[test]
fn gunicorn_with_preload() {
    let arguments = |socket: &str, app: &str| {
        let folder = Path::new(app).parent().unwrap().display();
        let all =
            format!("--preload --workers 4 --threads 2 --bind unix:{socket} --chdir {folder} app");
        all.split(' ').map(str::to_string).collect()
    };
    serve("gunicorn", arguments);
}

/// A period that is valid now, and payments of one coin each.
fn payments() -> (ObviousMint, Vec<(String, String)>) {
    let params = params_with(|raw| {
        resize(raw, 9, 5, 4, 2, HashName::Des);
        raw.start = "2020-01-01T00:00:00Z".parse().unwrap();
        raw.expiration = "2099-01-01T00:00:00Z".parse().unwrap();
        raw.redeem_until = "2099-02-01T00:00:00Z".parse().unwrap();
    });
    let mint = ObviousMint::new(params);
    let (user, vendor): (UserId, VendorId) =
        ("alice".parse().unwrap(), "news.example".parse().unwrap());
    let sets = (0..).step_by(2).take(mint.params().superbin_count() as usize / 2);
    let coins = sets.flat_map(|first| mint.coins(&user, &vendor, first)).take(PAYMENTS);
    let payment = |(number, x): (usize, Vec<u64>)| {
        let target = format!("/{number}");
        let message = Payment {
            url: format!("https://news.example{target}").parse().unwrap(),
            user: user.clone(),
            vendor: vendor.clone(),
            period: mint.params().period().clone(),
            coins: 1,
            owner_tokens: vec![OwnerToken::from_bytes([1; 8])],
            authenticator: Authenticator::from_bytes([1; 16]),
            x,
        };
        (target, URL_SAFE_NO_PAD.encode(message.to_bytes()))
    };
    let all: Vec<_> = coins.enumerate().map(payment).collect();
    assert_eq!(all.len(), PAYMENTS);
    (mint, all)
}

fn serve(server: &str, arguments: impl Fn(&str, &str) -> Vec<String>) {
    if Command::new(server).arg("--version").output().is_err() {
        assert!(std::env::var_os("MICROMINT_REQUIRE_SERVERS").is_none(), "no {server}");
        eprintln!("{server} is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mint, payments) = payments();
    std::fs::create_dir(folder.path().join("periods")).unwrap();
    std::fs::write(folder.path().join("periods/a.params"), mint.params().to_toml()).unwrap();
    let config = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\n\
                  periods = \"periods\"\ntill = \"till\"\nsync = \"os\"\n";
    std::fs::write(folder.path().join("vendor.toml"), config).unwrap();
    let app = folder.path().join("app.py");
    std::fs::copy(library::crate_path().join("tests/servers/app.py"), &app).unwrap();
    let socket = folder.path().join("socket");
    let mut command = Command::new(server);
    command.args(arguments(socket.to_str().unwrap(), app.to_str().unwrap()));
    command.env("MICROMINT_LIBRARY", library::library_folder().join("libmicromint.so"));
    command.env("VENDOR_CONFIG", folder.path().join("vendor.toml"));
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let running = Running(
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap(),
    );
    let began = Instant::now();
    while UnixStream::connect(&socket).is_err() {
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(began.elapsed() < Duration::from_secs(60), "{server}: {}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    // All are paid at the first attempt and known at the second, whichever worker gets them.
    let payments = Arc::new(payments);
    assert_eq!(count(&socket, &payments, "paid"), PAYMENTS);
    assert_eq!(count(&socket, &payments, "retry"), PAYMENTS);
    drop(running);
    let directory = Box::new(DiskDirectory::new(folder.path().join("till")));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let till = Till::open(directory, SyncMode::Os, clock, entropy).unwrap();
    let recorded = unbatched(&till).unwrap();
    let recorded: u64 = recorded.values().map(|it| it.payments + it.young).sum();
    assert_eq!(recorded, PAYMENTS as u64, "in the journal");
}

/// The number of payments with this outcome.
fn count(socket: &Path, payments: &Arc<Vec<(String, String)>>, outcome: &str) -> usize {
    let next = AtomicUsize::new(0);
    let found = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let Some((target, payment)) =
                    payments.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let answer = get(socket, target, payment);
                    if answer.ends_with(&format!("\r\n\r\n{outcome}")) {
                        found.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    found.into_inner()
}

fn get(socket: &Path, target: &str, payment: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    let head = format!(
        "GET {target} HTTP/1.0\r\nHost: news.example\r\nMicroMint-Payment: {payment}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A server, which ends with its workers.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
