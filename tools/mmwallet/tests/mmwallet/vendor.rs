//! A simulated vendor on this machine that checks payments by hashing and can misbehave in several
//! ways.
//!
//! It is not the real vendor: it stores the spent coins in memory and serves one page per
//! connection. The path of a page selects the behaviour.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint::authenticator::Key;
use micromint::bin::Bin;
use micromint::identity::{UserVector, VendorVector};
use micromint::params::Params;
use micromint::protocol::{
    FundsCredited, InvalidPayment, MANIFEST_PATH, Payment, PeriodPrice, RequestCredit,
    RequestPayment, Unsigned, Verdict,
};
use micromint::scheme::{Challenge, Credential, PaymentReceipt, charge_request, token_of};
use micromint::testing::ObviousMint;
use micromint::time::UnixTime;

/// A received request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    /// The payment in it, in either form.
    pub(crate) fn payment(&self) -> Option<Vec<u8>> {
        if let Some(value) = self.headers.get("micromint-payment") {
            return Some(URL_SAFE_NO_PAD.decode(value).unwrap());
        }
        let credentials =
            ["authorization", "payment-authorization"].map(|name| self.headers.get(name));
        if let Some(token) =
            credentials.into_iter().flatten().find_map(|value| token_of(value.as_bytes()))
        {
            return Some(Credential::parse(token).unwrap().message().unwrap());
        }
        let is_payment =
            self.headers.get("content-type").is_some_and(|t| t == "application/x-micromint");
        (self.method == "POST" && is_payment).then(|| self.body.clone())
    }
}

#[derive(Default)]
struct Till {
    spent: HashMap<Bin, Vec<u8>>,
    seen: Vec<Seen>,
}

/// The vendor's state, shared with the test.
pub(crate) struct Vendor {
    mint: Arc<ObviousMint>,
    till: Mutex<Till>,
    origin: String,
    host: String,
    /// The answer at the path of the manifest.
    manifest: Mutex<Vec<u8>>,
}

impl Vendor {
    /// Serves http on a port of the system's choice until the test ends.
    pub(crate) fn start(mint: &Arc<ObviousMint>) -> Arc<Vendor> {
        let (listener, address) = listen();
        let vendor = Vendor::new(mint, format!("http://{address}"), "127.0.0.1");
        vendor.clone().serve_on(listener);
        vendor
    }

    /// Serves the pages of the host `page_host` for the vendor `host`, and the manifest of `host`.
    /// Both names are below `localhost`.
    pub(crate) fn start_named(mint: &Arc<ObviousMint>, page_host: &str, host: &str) -> Arc<Vendor> {
        let (listener, address) = listen();
        let vendor = Vendor::new(mint, format!("http://{page_host}:{}", address.port()), host);
        vendor.clone().serve_on(listener);
        vendor
    }

    fn serve_on(self: Arc<Vendor>, listener: TcpListener) {
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (vendor, stream) = (self.clone(), stream.unwrap());
                thread::spawn(move || vendor.serve(stream));
            }
        });
    }

    /// What the vendor's host answers at the path of the manifest from now on.
    pub(crate) fn publish(&self, status: &str, headers: &str, manifest: &str) {
        *self.manifest.lock().unwrap() = http(status, headers, manifest.as_bytes());
    }

    /// The requests for the manifest.
    pub(crate) fn manifests(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path == MANIFEST_PATH).collect()
    }

    /// Serves https for `localhost` under this configuration.
    pub(crate) fn start_tls(mint: &Arc<ObviousMint>, config: rustls::ServerConfig) -> Arc<Vendor> {
        let (listener, address) = listen();
        let vendor =
            Vendor::new(mint, format!("https://localhost:{}", address.port()), "localhost");
        let (serving, config) = (vendor.clone(), Arc::new(config));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                let stream = rustls::StreamOwned::new(connection, stream.unwrap());
                let vendor = serving.clone();
                thread::spawn(move || vendor.serve(stream));
            }
        });
        vendor
    }

    fn new(mint: &Arc<ObviousMint>, origin: String, host: &str) -> Arc<Vendor> {
        let manifest = Mutex::new(http("404 Not Found", "", b"no manifest"));
        let (mint, host) = (mint.clone(), host.into());
        Arc::new(Vendor { mint, till: Mutex::default(), origin, host, manifest })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.till.lock().unwrap().seen.clone()
    }

    pub(crate) fn payments(&self) -> Vec<Vec<u8>> {
        self.seen().iter().filter_map(Seen::payment).collect()
    }

    pub(crate) fn spent(&self) -> usize {
        self.till.lock().unwrap().spent.len()
    }

    fn serve(&self, mut stream: impl Read + Write) {
        let Some(mut seen) = read_request(&mut stream) else { return };
        if seen.method == "CONNECT" {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let Some(through) = read_request(&mut stream) else { return };
            seen = through;
        }
        let tries = {
            let mut till = self.till.lock().unwrap();
            till.seen.push(seen.clone());
            till.seen.iter().filter(|s| s.path == seen.path && s.payment().is_some()).count()
        };
        let answer = self.answer(&seen, tries);
        // The client may have closed the connection, in some tests on purpose.
        let _ = stream.write_all(&answer).and_then(|()| stream.flush());
    }

    fn answer(&self, seen: &Seen, tries: usize) -> Vec<u8> {
        let path = seen.path.as_str();
        if path.starts_with("/free") {
            return content("free content", "");
        }
        if path == MANIFEST_PATH {
            let named = seen.headers["host"].split(':').next();
            return match named == Some(self.host.as_str()) {
                true => self.manifest.lock().unwrap().clone(),
                false => http("404 Not Found", "", b""),
            };
        }
        if path == "/.well-known/micromint-broker" {
            let said = format!(r#"{{"url":"{}"}}"#, self.url("/broker/"));
            return http("200 OK", "Content-Type: application/json\r\n", said.as_bytes());
        }
        if path.starts_with("/broker") {
            return self.sell_or_credit(seen, tries);
        }
        if let Some(target) = path.strip_prefix("/moved-to=") {
            return http("302 Found", &format!("Location: {target}\r\n"), b"");
        }
        let Some(message) = seen.payment() else {
            if seen.headers.get("cookie").is_some_and(|c| c.contains("micromint-receipt=1")) {
                return content("bought before", "");
            }
            return self.unpaid(path, &[]);
        };
        // The server itself refuses every payment, only a POST of it, or only one in a header; or
        // something on the way drops it.
        for (prefix, is_refused) in [
            ("/server=", true),
            ("/no-post=", seen.method == "POST"),
            ("/no-header=", seen.headers.contains_key("micromint-payment")),
        ] {
            if let Some(status) = path.strip_prefix(prefix).filter(|_| is_refused) {
                return http(&format!("{status} Refused"), "", b"the server's own page");
            }
        }
        if path == "/dropped" && seen.method == "POST" {
            return self.unpaid(path, &[]);
        }
        if path.starts_with("/refuse=") {
            return self.refused(path, &message, path.trim_start_matches("/refuse="));
        }
        if path.starts_with("/new-coins") && tries < 3 {
            return not_yet_known(1);
        }
        if path == "/newest-coins" && tries < 2 || path == "/never-known" {
            return not_yet_known(30);
        }
        if let Some(status) = path.strip_prefix("/problem=") {
            return self.problem(path, status);
        }
        if let Err(reason) = self.record(path, &message) {
            return self.refused(path, &message, reason);
        }
        match path {
            "/lost" if tries == 1 => Vec::new(),
            "/cut" if tries == 1 => b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec(),
            "/slow" if tries == 1 => {
                thread::sleep(Duration::from_secs(60));
                Vec::new()
            }
            "/sold-elsewhere" => {
                http("303 See Other", "MicroMint-Status: paid\r\nLocation: /good?for=you\r\n", b"")
            }
            "/away" => http("302 Found", "Location: /free\r\n", b""),
            "/gone" => http("404 Not Found", "MicroMint-Status: reversed\r\n", b"no such page"),
            "/gift" => content("a gift", "MicroMint-Status: returned\r\n"),
            "/receipt" => content(
                "paid content",
                "Set-Cookie: micromint-receipt=1; Max-Age=60; Path=/receipt\r\n",
            ),
            "/silent" => content("paid content", ""),
            path if path.starts_with("/scheme") => {
                let payment = Payment::parse(&message).unwrap();
                let receipt = PaymentReceipt::new(&payment, UnixTime(0), None).to_header();
                content("paid content", &format!("Payment-Receipt: {receipt}\r\n"))
            }
            _ => content("paid content", "MicroMint-Status: paid\r\n"),
        }
    }

    /// Acts as the broker's web page: sells set 4 to everyone who sends the form, and credits every
    /// ball. It names its period at `/broker` and at `/broker/sold-out-later`, whose first answer
    /// is lost, as is the first answer to a return at `/broker/lost`. `/broker/strange` sells coins
    /// of another broker. `/broker/no-shop` takes no orders, and `/broker/v1/purchases` knows
    /// nobody. `/broker/shut/v1/purchases` sells no period. `/broker/later/return` decides later.
    /// Alice has an account, and makes complaint 3.
    fn sell_or_credit(&self, seen: &Seen, tries: usize) -> Vec<u8> {
        if seen.path == "/broker/v1/purchases" {
            return http("401 Unauthorized", "", b"");
        }
        if seen.path == "/broker/v1/account" {
            let account = br#"{"user":"alice","balances":["1 USD"],"purchases":[]}"#;
            return http("200 OK", "Content-Type: application/json\r\n", account);
        }
        if seen.path == "/broker/v1/complaints" {
            let is_this = |it: &&Seen| it.path == seen.path;
            let first = self.seen().iter().find(is_this).map(|it| it.body.clone());
            if first.as_ref() == Some(&seen.body) {
                let recorded = br#"{"id":"1","number":3,"vendor":"127.0.0.1"}"#;
                return http("200 OK", "Content-Type: application/json\r\n", recorded);
            }
            let problem = br#"{"title":"other-content","detail":"complaint 1 was made before"}"#;
            let headers = "Content-Type: application/problem+json\r\n";
            return http("422 Unprocessable Content", headers, problem);
        }
        if seen.path == "/broker/no-shop" && seen.method == "POST" {
            return http("405 Method Not Allowed", "", b"");
        }
        if seen.method == "HEAD" {
            let period = format!("MicroMint-Period: {}\r\n", self.mint.params().period());
            let names_it = matches!(seen.path.as_str(), "/broker" | "/broker/sold-out-later");
            return http("200 OK", if names_it { &period } else { "" }, b"");
        }
        let Some(message) = seen.payment() else {
            let form = String::from_utf8(seen.body.clone()).unwrap();
            let number = form.split_once("transaction=").unwrap().1.split('&').next().unwrap();
            let number: u64 = number.parse().unwrap();
            let sent =
                self.seen().iter().filter(|it| it.path == seen.path && it.method == "POST").count();
            match seen.path.as_str() {
                "/broker/silent" | "/broker/sold-out-later" if sent == 1 => return Vec::new(),
                "/broker/sold-out" | "/broker/sold-out-later" => {
                    let period = self.mint.params().period();
                    let headers = format!(
                        "MicroMint-Not-Sold: {period} {number}\r\nContent-Type: text/plain\r\n"
                    );
                    return http("409 Conflict", &headers, b"sold out.\n");
                }
                "/broker/firewall" => return http("409 Conflict", "", b"sold out"),
                _ => {}
            }
            let key = Key::from_bytes([5; 32]);
            let mut funds = self.mint.funds(&"alice".parse().unwrap(), &key, &[4], number);
            if seen.path != "/broker/strange" {
                let mut raw = self.mint.params().raw().clone();
                raw.broker = self.url("/broker");
                funds.params = Params::new(raw).unwrap();
            }
            return http("200 OK", "Content-Type: application/x-micromint\r\n", &funds.to_bytes());
        };
        if seen.path == "/broker/lost/return" && tries == 1 {
            return Vec::new();
        }
        let request = RequestCredit::parse(&message).unwrap();
        let is_later = seen.path == "/broker/later/return";
        let verdict = if is_later { Verdict::Waiting } else { Verdict::Accepted };
        let credited = FundsCredited {
            user: request.user.clone(),
            period: request.period.clone(),
            request: request.request.clone(),
            transaction: 1,
            authenticator: Unsigned,
            verdicts: vec![verdict; request.x.len()],
        }
        .authenticated(&Key::from_bytes([5; 32]), &request);
        http("200 OK", "Content-Type: application/x-micromint\r\n", &credited.to_bytes())
    }

    /// Checks and records a payment as a vendor does.
    fn record(&self, path: &str, message: &[u8]) -> Result<(), &'static str> {
        let payment = Payment::parse(message).map_err(|_| "malformed")?;
        if payment.url.as_str() != self.url(path) {
            return Err("other-page");
        }
        let mut till = self.till.lock().unwrap();
        if till.spent.values().any(|kept| kept == message) {
            return Ok(());
        }
        if payment.coins != price(path) {
            return Err("wrong-amount");
        }
        let user = UserVector::new(self.mint.params(), &payment.user).unwrap();
        let vendor = VendorVector::new(self.mint.params(), &self.host.parse().unwrap());
        let bins = self
            .mint
            .rules()
            .check(&user, &vendor, &payment.x)
            .map_err(|_| "vendor-differences")?;
        if bins.iter().any(|bin| till.spent.contains_key(bin)) {
            return Err("spent");
        }
        if matches!(path, "/gift" | "/gone") {
            return Ok(());
        }
        till.spent.extend(bins.iter().map(|bin| (*bin, message.to_vec())));
        Ok(())
    }

    fn request(&self, path: &str) -> RequestPayment {
        let mut request = RequestPayment {
            url: self.url(path).parse().unwrap(),
            vendor: self.host.parse().unwrap(),
            prices: vec![PeriodPrice::new(
                self.mint.params().period().clone(),
                price(path),
                "0.01 USD".parse().unwrap(),
            )],
            broker: self.mint.params().raw().broker.clone(),
            description: "A page".into(),
        };
        match path {
            "/other-vendor" => request.vendor = "shop.example".parse().unwrap(),
            "/other-page" => request.url = self.url("/elsewhere").parse().unwrap(),
            "/own-coins" => request.broker = self.url("/broker"),
            "/other-broker" => request.broker = "https://thief.example/".into(),
            "/other-period" => request.prices[0].period = "1999-01".parse().unwrap(),
            // One coin of another period, which is worth less than the two or more.
            path if path.starts_with("/cheaper-elsewhere") => {
                request.prices.insert(0, other("0.015 USD"))
            }
            path if path.starts_with("/costlier-elsewhere") => {
                request.prices.push(other("0.4 USD"))
            }
            _ => {}
        }
        request
    }

    fn unpaid(&self, path: &str, body: &[u8]) -> Vec<u8> {
        let message = self.request(path).to_bytes();
        let mut headers = String::from("Content-Type: application/x-micromint\r\n");
        if path.starts_with("/scheme") {
            let challenge = self.challenge(path);
            let headers = format!(
                "Content-Type: application/problem+json\r\n\
                WWW-Authenticate: Basic realm=\"x\", {challenge}\r\n"
            );
            return http("402 Payment Required", &headers, b"{}");
        }
        if path == "/in-body" {
            return http("402 Payment Required", &headers, &message);
        }
        if path == "/dropped" {
            headers.push_str("MicroMint-Status: unpaid\r\n");
        }
        if path == "/huge-head" {
            headers.push_str(&format!("X-Padding: {}\r\n", "x".repeat(80_000)));
        }
        headers.push_str(&format!("MicroMint-Request: {}\r\n", URL_SAFE_NO_PAD.encode(&message)));
        http("402 Payment Required", &headers, body)
    }

    fn challenge(&self, path: &str) -> Challenge {
        let year = if path == "/scheme-late" { 2001 } else { 2101 };
        Challenge {
            id: "an-id".into(),
            realm: self.host.clone(),
            method: "micromint".into(),
            intent: "charge".into(),
            request: charge_request(&self.request(path)),
            expires: Some(format!("{year}-01-01T00:00:00Z")),
            header: (path == "/scheme-beside").then(|| "Payment-Authorization".into()),
            ..Challenge::default()
        }
    }

    /// Refuses with a problem document, and with a MicroMint-Status header if `status` is not
    /// empty.
    fn problem(&self, path: &str, status: &str) -> Vec<u8> {
        let request = URL_SAFE_NO_PAD.encode(self.request(path).to_bytes());
        let mut headers =
            format!("Content-Type: application/problem+json\r\nMicroMint-Request: {request}\r\n");
        if !status.is_empty() {
            headers.push_str(&format!("MicroMint-Status: {status}\r\n"));
        }
        http("402 Payment Required", &headers, PROBLEM.as_bytes())
    }

    fn refused(&self, path: &str, message: &[u8], reason: &str) -> Vec<u8> {
        let payment = Payment::parse(message).unwrap();
        let invalid = InvalidPayment {
            url: payment.url,
            reason: reason.to_string(),
            price: price(path),
            coins: payment.coins,
            x: payment.x,
        };
        self.unpaid(path, &invalid.to_bytes())
    }
}

/// A refusal as a problem document, with control characters that try to change the reader's
/// terminal.
const PROBLEM: &str = r#"{"type":"https://paymentauth.org/problems/verification-failed",
"title":"Coins:\u001b[2J seen.",
    "reason":"spent","detail":"Zwei M\u00fcnzen\r\nf\u00fcr diese Seite\u0007"}"#;

/// A refusal of coins that were bought a moment ago.
fn not_yet_known(retry_after: u32) -> Vec<u8> {
    let headers = format!("MicroMint-Status: not-yet-known\r\nRetry-After: {retry_after}\r\n");
    http("402 Payment Required", &headers, b"")
}

/// A price of one coin of a period of which the wallet has none.
fn other(value: &str) -> PeriodPrice {
    PeriodPrice::new("elsewhere".parse().unwrap(), 1, value.parse().unwrap())
}

/// `/expensive` costs 9 coins, everything else 2.
fn price(path: &str) -> u32 {
    if path.starts_with("/expensive") { 9 } else { 2 }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn content(text: &str, headers: &str) -> Vec<u8> {
    http("200 OK", headers, text.as_bytes())
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn read_request(stream: &mut impl Read) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_string(), words.next()?.to_string());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_string());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, path, headers, body })
}
