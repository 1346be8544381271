//! A web server that runs the broker as a CGI program for each request, and fails in every way; and
//! the wallet that buys and returns there.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use micromint::protocol::Verdict;
use micromint_console::EXIT_OK;
use mmwallet::broker::{ReturnOptions, give_back, receive};
use mmwallet::buy::{BuyOptions, buy};
use mmwallet::exit;
use mmwallet::login::LoginOptions;
use mmwallet::net::{Client, NetOptions};

use super::{CLOSED, Place};

/// The path where wallets buy.
const SHOP: &str = "/v1/purchases";

/// A web server with a broker, until the test ends.
pub(crate) struct Site {
    pub(crate) place: Place,
    /// Where wallets buy.
    pub(crate) url: String,
    /// The file with the API key of Alice.
    pub(crate) key: PathBuf,
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
        let broker = format!("http://{}", listener.local_addr().unwrap());
        let place = make(&format!("{broker}/"));
        let (url, key) = (format!("{broker}{SHOP}"), place.path("alice.key"));
        std::fs::write(&key, place.text("mmbroker key alice")).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let (bodies, fault) = (Mutex::default(), Mutex::default());
        let site = Arc::new(Site { place, url, key, bodies, fault });
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

    /// Answers one request. The client may be gone.
    fn answer(&self, mut stream: TcpStream) {
        let Some(request) = Request::read(&stream) else { return };
        let is_order = request.method == "POST" && request.path == SHOP;
        let fault = if is_order { self.fault.lock().unwrap().take() } else { None };
        let page = |status: &str, page: &str| {
            let head = "Content-Type: text/html\r\nLocation: /elsewhere\r\nConnection: close";
            format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{page}").into_bytes()
        };
        let response = match fault {
            Some(Fault::Unseen(status)) => page(status, ""),
            Some(Fault::KilledAfter(delay)) => {
                let mut program = self.start_cgi(&request);
                let _ = program.stdin.take().unwrap().write_all(&request.body);
                std::thread::sleep(delay);
                program.kill().unwrap();
                program.wait().unwrap();
                page("502 Bad Gateway", "<p>The program ended.</p>")
            }
            _ => self.run_cgi(&request),
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

    /// Starts the broker with the environment of RFC 3875.
    fn start_cgi(&self, request: &Request) -> std::process::Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mmbrokerd"));
        command
            .env_clear()
            .env("GATEWAY_INTERFACE", "CGI/1.1")
            .env("MICROMINT_BROKER_CONFIG", self.place.path("broker.toml"))
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", &request.path)
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("CONTENT_TYPE", request.header("content-type"));
        for name in ["accept", "authorization", "host"] {
            let variable = format!("HTTP_{}", name.to_ascii_uppercase());
            command.env(variable, request.header(name));
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        piped.stderr(Stdio::null()).spawn().unwrap()
    }

    fn run_cgi(&self, request: &Request) -> Vec<u8> {
        let mut program = self.start_cgi(request);
        let _ = program.stdin.take().unwrap().write_all(&request.body);
        let output = program.wait_with_output().unwrap().stdout;
        let at = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(output[..at].to_vec()).unwrap();
        let head = head.replacen("Status: ", "HTTP/1.1 ", 1);
        [head.as_bytes(), b"\r\nConnection: close\r\n\r\n", &output[at + 4..]].concat()
    }
}

/// A request.
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
        let (method, path) = (words.next()?.to_string(), words.next()?.to_string());
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
}

/// An empty wallet beside the broker's files.
pub(crate) fn wallet_of(place: &Place) -> mmwallet::wallet_file::WalletFile {
    mmwallet::wallet_file::WalletFile::new(Some(&place.path("home/wallet.mmw"))).unwrap()
}

pub(crate) fn client() -> Client {
    Client::new(&NetOptions { proxy: Some(""), ..NetOptions::default() }).unwrap()
}

#[test]
fn the_wallet_buys_and_fetches_a_sale_again() {
    let site = Site::start(Place::at);
    let wallet = wallet_of(&site.place);
    let alice = LoginOptions { user: Some("alice"), password_file: Some(&site.key) };
    let buy = |login: &LoginOptions<'_>, sets, transaction| {
        let options = BuyOptions { url: &site.url, login: *login, sets, transaction };
        buy(&wallet, &client(), &options).unwrap()
    };
    assert_eq!(buy(&alice, Some(2), Some(77)), EXIT_OK);
    // Another sale under its number. The sale is in the wallet, so no order is open.
    assert_eq!(buy(&alice, Some(3), Some(77)), exit::NO_ANSWER);
    assert_eq!(buy(&LoginOptions::default(), Some(1), None), exit::HTTP, "nobody logged in");
    assert_eq!(buy(&alice, None, None), EXIT_OK);
    assert_eq!(site.forms()[0], b"sets=2&transaction=77&period=2026-12");
    let wallet = wallet.open().unwrap();
    assert_eq!(wallet.state().balance(0).sets, 3);
    assert_eq!(wallet.state().holdings()[0].user.as_str(), "alice");
    assert!(site.place.text("mmbroker status").starts_with("period 2026-12: 3 of 32 sets sold"));
}

#[test]
fn the_wallet_returns_expired_coins_and_learns_what_was_credited() {
    let site = Site::start(Place::expired_at);
    let (place, wallet) = (&site.place, wallet_of(&site.place));
    let when = "2020-06-01T00:00:00Z";
    place.run(&format!("mmbroker withdraw --user alice --sets 2 --as-of {when} -o funds"), 0);
    assert_eq!(receive(&wallet, &place.path("funds")).unwrap(), EXIT_OK);
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
    assert_eq!(mmwallet::broker::credited(&wallet, &place.path("credited")).unwrap(), EXIT_OK);
    assert_eq!(state(), (1, 0, coins));
}
