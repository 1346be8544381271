//! The wallet buys sets on the broker's web page over HTTP and returns coins after the expiration.
//! The web server here behaves like the Apache configuration in docs/reference/broker.md: `/coins`
//! requires a name and a password and runs mmbroker as CGI, `/coins/return` is open.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use micromint::protocol::Verdict;
use micromint_console::EXIT_OK;
use mmwallet::broker::{ReturnOptions, credited, give_back, receive};
use mmwallet::buy::{BuyOptions, buy};
use mmwallet::exit;
use mmwallet::login::LoginOptions;
use mmwallet::net::{Client, NetOptions};

use super::cgi::split;
use super::{CLOSED, COINS, Place};

/// The files of a broker, besides its secret.
const BROKER_FILES: [&str; 3] = [COINS, "2026-12.coins.journal", "2026-12.coins.claims"];

/// A web server with the broker's page at `url`, until the test ends.
pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) url: String,
    bodies: Mutex<Vec<Vec<u8>>>,
    /// What goes wrong with the next POST.
    fault: Mutex<Option<Fault>>,
}

/// What goes wrong between the broker and its client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The broker's answer is lost completely.
    Lost,
    /// Half of the broker's answer arrives.
    Cut,
    /// Another answer comes in place of the broker's: a status line and a page.
    Answer(&'static str, &'static str),
    /// The request does not reach the broker; this status comes.
    Unseen(&'static str),
    /// The broker's program is killed after this time, and a gateway answers.
    KilledAfter(Duration),
}

impl Site {
    /// Serves the broker whose files `make` creates for this URL.
    pub(crate) fn start(make: impl FnOnce(&str) -> Place) -> Arc<Site> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/coins", listener.local_addr().unwrap());
        let (bodies, fault) = (Mutex::default(), Mutex::default());
        let site = Arc::new(Site { place: make(&url), url, bodies, fault });
        let serving = Arc::downgrade(&site);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(site) = serving.upgrade() else { return };
                site.answer(stream.unwrap());
            }
        });
        site
    }

    /// The bodies of the requests so far.
    fn bodies(&self) -> Vec<Vec<u8>> {
        self.bodies.lock().unwrap().clone()
    }

    /// The forms that were sent so far.
    pub(crate) fn forms(&self) -> Vec<Vec<u8>> {
        self.bodies().into_iter().filter(|body| body.starts_with(b"sets=")).collect()
    }

    pub(crate) fn fail_next_post(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    /// Replaces the coin file by one of another period, as at the end of a month, and returns the
    /// name of the folder that keeps the old one.
    pub(crate) fn swap_period(&self, period: &str) -> String {
        let kept = "kept".to_string();
        std::fs::create_dir(self.place.path(&kept)).unwrap();
        for name in BROKER_FILES {
            let _ = std::fs::rename(self.place.path(name), self.place.path(&kept).join(name));
        }
        self.place.mint_other(period);
        kept
    }

    pub(crate) fn restore_period(&self, kept: &str) {
        for name in BROKER_FILES {
            let _ = std::fs::remove_file(self.place.path(name));
            let _ = std::fs::rename(self.place.path(kept).join(name), self.place.path(name));
        }
    }

    /// Answers one request. The client may be gone.
    fn answer(&self, mut stream: TcpStream) {
        let Some(request) = Request::read(&stream) else { return };
        let is_post = request.method == "POST";
        let fault = if is_post { self.fault.lock().unwrap().take() } else { None };
        let page = |status: &str, page: &str| {
            let head = "Content-Type: text/html\r\nLocation: /elsewhere\r\nConnection: close";
            format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{page}").into_bytes()
        };
        let response = match fault {
            Some(Fault::Unseen(status)) => page(status, ""),
            Some(Fault::KilledAfter(delay)) => {
                kill_cgi(&self.place, &request, delay);
                page("502 Bad Gateway", "<p>The program ended.</p>")
            }
            _ => self.response(&request),
        };
        self.bodies.lock().unwrap().push(request.body);
        let response = match fault {
            Some(Fault::Lost) => Vec::new(),
            Some(Fault::Cut) => response[..response.len() / 2].to_vec(),
            Some(Fault::Answer(status, text)) => page(status, text),
            _ => response,
        };
        let _ = stream.write_all(&response);
    }

    fn response(&self, request: &Request) -> Vec<u8> {
        match request.user() {
            "" if request.path != "/return" => {
                b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    .to_vec()
            }
            user => run_cgi(&self.place, request, user),
        }
    }
}

/// A request for a page under `/coins`.
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    /// Reads a request; `None` if the client was killed before it was sent.
    fn read(stream: &TcpStream) -> Option<Request> {
        let mut reader = BufReader::new(stream);
        let mut lines = reader.by_ref().lines().map_while(Result::ok);
        let line = lines.next()?;
        let mut words = line.split(' ');
        let method = words.next().unwrap().to_string();
        let path = words.next().unwrap().strip_prefix("/coins").unwrap().to_string();
        let fields = lines.take_while(|line| !line.is_empty());
        let field =
            |line: String| line.split_once(": ").map(|(n, v)| (n.to_lowercase(), v.to_string()));
        let headers: HashMap<_, _> = fields.filter_map(field).collect();
        let mut body =
            vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        Some(Request { method, path, headers, body })
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The user that the password authenticates; empty if it authenticates nobody.
    fn user(&self) -> &'static str {
        let token = format!("Basic {}", STANDARD.encode("alice:open sesame"));
        if self.header("authorization") == token { "alice" } else { "" }
    }
}

/// The variables of a request.
fn variables<'a>(request: &'a Request, user: &'a str) -> [(&'static str, &'a str); 6] {
    [
        ("REQUEST_METHOD", request.method.as_str()),
        ("PATH_INFO", &request.path),
        ("REMOTE_USER", user),
        ("CONTENT_TYPE", request.header("content-type")),
        ("HTTP_HOST", request.header("host")),
        ("HTTP_ACCEPT", request.header("accept")),
    ]
}

/// Runs the program and kills it after `delay`.
fn kill_cgi(place: &Place, request: &Request, delay: Duration) {
    let mut command = place.cgi_command(&variables(request, request.user()), request.body.len());
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut program = piped.spawn().unwrap();
    let _ = program.stdin.take().unwrap().write_all(&request.body);
    std::thread::sleep(delay);
    program.kill().unwrap();
    program.wait().unwrap();
}

fn run_cgi(place: &Place, request: &Request, user: &str) -> Vec<u8> {
    let output = place.cgi(&variables(request, user), &request.body);
    let (head, content) = split(&output);
    let head = head.replacen("Status: ", "HTTP/1.1 ", 1).replacen("\r\n", " \r\n", 1);
    [head.as_bytes(), b"\r\nConnection: close\r\n\r\n", content].concat()
}

/// An empty wallet beside the broker's files.
pub(crate) fn wallet_of(place: &Place) -> mmwallet::wallet_file::WalletFile {
    mmwallet::wallet_file::WalletFile::new(Some(&place.path("home/wallet.mmw"))).unwrap()
}

pub(crate) fn client() -> Client {
    Client::new(&NetOptions { proxy: Some(""), ..NetOptions::default() }).unwrap()
}

/// The file with Alice's password.
pub(crate) fn password(place: &Place) -> PathBuf {
    let path = place.path("password");
    std::fs::write(&path, "open sesame\n").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path
}

/// A wallet with sets that Alice bought while they were good.
fn wallet_with(place: &Place, sets: u32) -> mmwallet::wallet_file::WalletFile {
    let wallet = wallet_of(place);
    let when = "2020-06-01T00:00:00Z";
    place.run(&format!("mmbroker withdraw --user alice --sets {sets} --as-of {when} -o funds"), 0);
    assert_eq!(receive(&wallet, &place.path("funds")).unwrap(), EXIT_OK);
    wallet
}

#[test]
fn the_wallet_buys_at_the_brokers_page_and_fetches_a_sale_again() {
    let site = Site::start(Place::at);
    let (wallet, password) = (wallet_of(&site.place), password(&site.place));
    let alice = LoginOptions { user: Some("alice"), password_file: Some(&password) };
    let buy = |login: &LoginOptions<'_>, sets, transaction| {
        let options = BuyOptions { url: &site.url, login: *login, sets, transaction };
        buy(&wallet, &client(), &options).unwrap()
    };
    assert_eq!(buy(&alice, Some(2), Some(77)), EXIT_OK);
    assert_eq!(buy(&alice, Some(2), Some(77)), EXIT_OK, "the same sale");
    assert_eq!(buy(&alice, None, Some(77)), EXIT_OK, "the same sale");
    // Another sale under its number. The sale is in the wallet, so no order is open.
    assert_eq!(buy(&alice, Some(3), Some(77)), exit::NO_ANSWER);
    assert_eq!(buy(&LoginOptions::default(), Some(1), None), exit::HTTP, "nobody logged in");
    assert_eq!(buy(&alice, None, None), EXIT_OK);
    assert_eq!(site.forms()[0], b"sets=2&transaction=77&period=2026-12");
    let wallet = wallet.open().unwrap();
    assert_eq!(wallet.state().balance(0).sets, 3);
    assert_eq!(wallet.state().holdings()[0].user.as_str(), "alice");
    assert!(site.place.text("mmbroker status").contains("sales      2 (3 sets"));
}

#[test]
fn the_wallet_returns_expired_coins_and_learns_what_was_credited() {
    let site = Site::start(Place::expired_at);
    let place = &site.place;
    let wallet = wallet_with(place, 2);
    let coins = wallet.open().unwrap().state().balance(0).unspent;
    assert!(coins > 0);
    // The number of returns, of waiting coins and of credited coins.
    let state = || {
        let wallet = wallet.open().unwrap();
        let back = &wallet.state().returns()[0];
        let count = |verdict| back.count(Some(verdict)) as u32;
        (wallet.state().returns().len(), count(Verdict::Waiting), count(Verdict::Accepted))
    };
    let options = ReturnOptions { send: true, ..ReturnOptions::default() };
    for _ in 0..2 {
        assert_eq!(give_back(&wallet, &client(), &options).unwrap(), EXIT_OK);
        assert_eq!(state(), (1, coins, 0));
    }
    let sent = site.bodies();
    assert_eq!(sent.len(), 1, "what waits is not sent again before redeem-until");

    // The same message after the settlement, which decides waiting claims.
    std::fs::write(place.path("request"), &sent[0]).unwrap();
    place.run(&format!("mmbroker settle --as-of {CLOSED}"), 0);
    place.run(&format!("mmbroker return request -o credited --as-of {CLOSED}"), 0);
    assert_eq!(credited(&wallet, &place.path("credited")).unwrap(), EXIT_OK);
    assert_eq!(state(), (1, 0, coins));
}

#[test]
fn an_invitation_names_the_url_of_the_return() {
    let site = Site::start(Place::expired_at);
    let place = &site.place;
    let wallet = wallet_with(place, 1);
    let asked = [("REQUEST_METHOD", "GET"), ("REMOTE_USER", "alice"), ("PATH_INFO", "/expired")];
    let invitation = place.path("invitation");
    std::fs::write(&invitation, split(&place.cgi(&asked, b"")).1).unwrap();
    let options =
        ReturnOptions { send: true, invitation: Some(&invitation), ..ReturnOptions::default() };
    assert_eq!(give_back(&wallet, &client(), &options).unwrap(), EXIT_OK);
    assert_eq!(site.bodies().len(), 1);
    let wallet = wallet.open().unwrap();
    assert!(wallet.state().returns()[0].count(Some(Verdict::Waiting)) > 0);
}
