//! Plays the cases of `testdata/cases/*.toml`, the list that the core is tested with too, against a
//! real server.
//!
//! One server has a stand for every case: a vendor of its own on two ports, plain and TLS. The
//! cases fix the date, so the server runs under libfaketime. The content comes from a small server
//! of this test behind it, which reports the requests it received. A case that a server cannot play
//! fails; only `core-only` in the case itself excludes it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use micromint::money::Money;
use micromint::protocol::{COINS_PER_PAYMENT_MAX, STATUS_HEADER};
use micromint::testing::cases::{
    Asked, Case, CaseStep, Client, FILE_SIZE, Seen, accepted_mints, assert_played, compare,
    file_modified_at, first_request_at, for_servers,
};

use crate::client::{Connection, RequestText};
use crate::free_port;
use crate::server::Server;
use crate::site::Site;

/// The request header with a step's price.
pub const PRICE: &str = "X-Case-Price";
/// The request header with the number of the step's place in [`Stand::places`].
pub const PLACE: &str = "X-Case-Place";
/// The request header that asks for [`FILE`] instead of the content behind the server.
pub const FILE: &str = "X-Case-File";
/// The request header with the client's address, which the server trusts.
pub const CLIENT: &str = "X-Case-Client";

/// What a base coin is worth in the cases that say it.
const BASE_COIN: &str = "0.01 USD";
/// The entity tag of the file, where a case expects one.
const ETAG_IN_CASES: &str = "\"5f-64\"";
/// The longest time until a line appears in a log.
const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// The longest time until a promised reversal is carried out.
const TILL_PATIENCE: Duration = Duration::from_secs(10);

/// A server that can play cases.
pub trait CaseServer: Server {
    /// Starts the server with all stands, and with the clock's variables in its environment. Each
    /// stand works as follows:
    /// - the vendor's configuration is [`Stand::config`]; plain HTTP on `port`, TLS on `tls_port`
    ///   with `tls.crt` and `tls.key` of the site; the stand answers whatever Host says;
    /// - everything costs what [`PRICE`] says, on the terms of the place with the number [`PLACE`];
    /// - a request with [`FILE`] gets the file `www/file.txt`; every other request gets what
    ///   `site.back_port` answers to the path `/`, with the request's method, header fields and
    ///   body;
    /// - the client's address is that of [`CLIENT`]; every event is a line of words in the error
    ///   log;
    /// - each line of the access log starts with the method with which the content was served.
    fn start(site: Site, stands: &[Stand], clock: &Clock) -> Self;
}

/// A vendor of a case in a server.
pub struct Stand {
    /// Its folder within the site's, with its periods and till.
    pub name: String,
    /// The port for plain HTTP.
    pub port: u16,
    /// The port for TLS.
    pub tls_port: u16,
    /// The terms of its places.
    pub places: Vec<Terms>,
    /// Whether prices can be in money: the vendor's `coin-value` is then [`BASE_COIN`].
    has_prices_in_money: bool,
}

/// The terms of a place, besides its price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The receipt path.
    pub receipt_path: Option<String>,
    /// The free views a day.
    pub free_views: u32,
    /// Whether it is a dry run.
    pub dry_run: bool,
    /// Whether redirects are charged.
    pub charges_redirects: bool,
}

impl Stand {
    /// The vendor's configuration file, within the site's folder.
    pub fn config(&self) -> String {
        format!("{}/vendor.toml", self.name)
    }

    fn new(number: usize, case: &Case) -> Stand {
        let mut places = Vec::new();
        for step in &case.step {
            let terms = Terms::of(step);
            if !places.contains(&terms) {
                places.push(terms);
            }
        }
        Stand {
            name: format!("case-{number}"),
            port: free_port(),
            tls_port: free_port(),
            places,
            has_prices_in_money: case.config().contains("coin-value"),
        }
    }

    /// The price of a step as a directive has it: in coins, or in money if these are more coins
    /// than a text may name.
    fn price(&self, step: &CaseStep) -> String {
        if !self.has_prices_in_money || step.price <= COINS_PER_PAYMENT_MAX {
            return step.price.to_string();
        }
        let money = BASE_COIN.parse::<Money>().unwrap().checked_mul(step.price.into());
        money.unwrap().to_string()
    }

    fn build(&self, site: &Site, case: &Case) {
        site.write(&self.config(), &case.config());
        if let Some(prices) = &case.prices {
            site.write(&format!("{}/prices.toml", self.name), prices);
        }
        if let Some(keys) = &case.bot_keys {
            site.write(&format!("{}/bot-keys.toml", self.name), keys);
        }
        for mint in accepted_mints() {
            let params = mint.params();
            site.write(
                &format!("{}/periods/{}.params", self.name, params.period()),
                &params.to_toml(),
            );
        }
    }
}

impl Terms {
    fn of(step: &CaseStep) -> Terms {
        Terms {
            receipt_path: step.receipt_path.clone(),
            free_views: step.free_views,
            dry_run: step.dry_run,
            charges_redirects: step.charges_redirects,
        }
    }
}

/// The clock of a server under libfaketime.
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// The clock of a site, at the time of the first request of each case.
    pub fn new(site: &Site) -> Clock {
        let clock = Clock { file: site.path("clock") };
        clock.set(first_request_at().0);
        clock
    }

    /// The file with the difference to the real time, in seconds.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Makes the server start with this clock.
    pub fn give_to(&self, command: &mut Command) {
        let library = ["libfaketimeMT.so.1", "libfaketime.so.1"]
            .iter()
            .flat_map(|name| {
                ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"]
                    .map(|folder| Path::new(folder).join("faketime").join(name))
            })
            .find(|path| path.is_file())
            .expect("libfaketime: install Debian's package of this name");
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        // Read on each call; file times and waiting times are unchanged.
        for name in [
            "FAKETIME_NO_CACHE",
            "NO_FAKE_STAT",
            "FAKETIME_DONT_FAKE_MONOTONIC",
            "DONT_FAKE_MONOTONIC",
            "FAKETIME_DISABLE_SHM",
        ] {
            command.env(name, "1");
        }
    }

    /// Sets it to this many seconds since 1970, at the start of the second.
    pub fn set(&self, seconds: i64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{:+.3}\n", seconds as f64 + 0.02 - now)).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}

/// Plays every case.
///
/// # Panics
/// If an answer differs from the case.
pub fn play_all<S: CaseServer>() {
    let cases = for_servers();
    let site = Site::new();
    site.make_certificate();
    site.write("www/file.txt", &"f".repeat(FILE_SIZE as usize));
    let modified = UNIX_EPOCH + Duration::from_secs(file_modified_at().0 as u64);
    std::fs::File::options()
        .write(true)
        .open(site.path("www/file.txt"))
        .unwrap()
        .set_modified(modified)
        .unwrap();
    let stands: Vec<Stand> =
        cases.iter().enumerate().map(|(number, (_, case))| Stand::new(number, case)).collect();
    for (stand, (_, case)) in stands.iter().zip(&cases) {
        stand.build(&site, case);
    }
    let (clock, content, folder) =
        (Clock::new(&site), Content::start(site.back_port), site.folder().to_path_buf());
    let server = S::start(site, &stands, &clock);
    let (mut failures, mut count) = (Vec::new(), 0);
    for (stand, (file, case)) in stands.iter().zip(&cases) {
        let mut player = Player {
            stand,
            clock: &clock,
            content: &content,
            folder: &folder,
            client: Client::default(),
            now: first_request_at().0,
        };
        for (number, step) in case.step.iter().enumerate() {
            count += 1;
            let seen = player.play(step, &server);
            let is_ours =
                seen.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(STATUS_HEADER));
            if step.or_refused && seen.status == 400 && !is_ours && seen.content_method.is_none() {
                continue;
            }
            if let Err(difference) = compare(&seen, &step.expect) {
                failures.push(format!("{file}: {}, step {}: {difference}", case.name, number + 1));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} steps:\n{}", failures.len(), failures.join("\n"));
    assert_played(count);
}

/// One case at its stand.
struct Player<'a> {
    stand: &'a Stand,
    clock: &'a Clock,
    content: &'a Content,
    folder: &'a Path,
    client: Client,
    now: i64,
}

impl Player<'_> {
    fn play<S: CaseServer>(&mut self, step: &CaseStep, server: &S) -> Seen {
        if step.till_fails {
            std::fs::remove_dir_all(self.folder.join(&self.stand.name).join("till")).unwrap();
        }
        for (name, text) in step.put_files() {
            let stand = self.folder.join(&self.stand.name);
            let path = match name.strip_prefix("till/") {
                Some(name) => stand.join("till").join(name),
                None => stand.join("periods").join(name),
            };
            let new = path.with_file_name(".new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(new, path).unwrap();
        }
        // After the files: a process that the server starts meanwhile must not read the old ones at
        // the new time.
        self.now += step.after;
        self.clock.set(self.now);
        let etag = if step.file { self.entity_tag() } else { String::new() };
        let asked = self.client.ask(step, &etag);
        self.content.will_answer(step);
        let (logged, served) = (server.log().len(), server.access_log().len());
        let answer = self.send(step, &asked);
        let (content_method, content_fields) = self.content.was_asked();
        let mut seen = Seen {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            content_method,
            content_fields,
            ..Seen::default()
        };
        if step.file {
            for (_, value) in &mut seen.headers {
                *value = value.replace(&etag, ETAG_IN_CASES);
            }
        }
        self.client.keep_cookies(&seen);
        self.await_reversals();
        // A server may write its log after it has sent the answer.
        let start = Instant::now();
        loop {
            if step.file {
                seen.content_method =
                    server.access_log().get(served).and_then(|line| method_in(line));
            }
            seen.log = server.log().split_off(logged);
            seen.event = seen.log.clone();
            if step.till_fails {
                seen.log.push_str("simulated");
            }
            if compare(&seen, &step.expect).is_ok() || start.elapsed() > LOG_PATIENCE {
                return seen;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the payments whose answers say `reversed` are reversed. A server may do that
    /// after it has sent the answer; a payment that is sent again meanwhile is a retry.
    fn await_reversals(&self) {
        let promises = self.folder.join(&self.stand.name).join("till/promised-reversals");
        let are_kept = || std::fs::metadata(&promises).is_ok_and(|file| file.len() == 0);
        let start = Instant::now();
        while promises.exists() && !are_kept() && start.elapsed() < TILL_PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn send(&self, step: &CaseStep, asked: &Asked) -> crate::client::Response {
        let mut request = RequestText::new(&step.method, &step.target);
        request.headers = vec![("Host".to_string(), step.host.clone())];
        request.headers.extend(asked.headers.iter().cloned());
        let place = self.stand.places.iter().position(|terms| *terms == Terms::of(step)).unwrap();
        request = request.with("Connection", "close").with(PRICE, &self.stand.price(step));
        request = request.with(PLACE, &place.to_string()).with(CLIENT, &step.client.to_string());
        if step.file {
            request = request.with(FILE, "1");
        }
        if let Some(body) = &asked.body {
            request = request.with("Content-Length", &body.len().to_string());
            request.body = body.clone();
        }
        self.connect(step.http).ask(&request)
    }

    fn connect(&self, is_plain: bool) -> Connection {
        if is_plain {
            Connection::open(self.stand.port)
        } else {
            Connection::open_tls(self.stand.tls_port)
        }
    }

    /// The entity tag that the server assigns to the file.
    fn entity_tag(&self) -> String {
        let request = RequestText::get("/")
            .with(PRICE, "0")
            .with(PLACE, "0")
            .with(FILE, "1")
            .with("Connection", "close");
        self.connect(true).ask(&request).header("etag").unwrap()
    }
}

fn method_in(line: &str) -> Option<String> {
    line.split(' ').next().map(str::to_string)
}

// ---- what makes the content

/// The server that makes the content.
struct Content(Arc<Mutex<Exchange>>);

#[derive(Default)]
struct Exchange {
    status: u16,
    headers: Vec<(String, String)>,
    method: Option<String>,
    fields: Option<Vec<String>>,
}

impl Content {
    fn start(port: u16) -> Content {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let exchange = Arc::new(Mutex::new(Exchange::default()));
        let shared = Arc::clone(&exchange);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A broken connection is caused by the other server, which the test notices.
                let _ = answer(stream, &shared);
            }
        });
        Content(exchange)
    }

    fn will_answer(&self, step: &CaseStep) {
        let exchange = Exchange {
            status: step.content,
            headers: step.content_headers.clone(),
            ..Exchange::default()
        };
        *self.0.lock().unwrap() = exchange;
    }

    /// The method and the names of the fields of the requests since the last call.
    fn was_asked(&self) -> (Option<String>, Option<Vec<String>>) {
        let exchange = self.0.lock().unwrap();
        (exchange.method.clone(), exchange.fields.clone())
    }
}

fn answer(stream: TcpStream, exchange: &Mutex<Exchange>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let method = line.split(' ').next().unwrap_or_default().to_string();
    let mut fields = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        fields.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = fields.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    while fields.contains_key("transfer-encoding") && line != "0\r\n" {
        line.clear();
        stream.read_line(&mut line)?;
    }
    let mut exchange = exchange.lock().unwrap();
    let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", exchange.status);
    for (name, value) in &exchange.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has_body = method != "HEAD" && ![204, 304].contains(&exchange.status);
    head.push_str(if has_body { "Content-Length: 7\r\n\r\ncontent" } else { "\r\n" });
    exchange.method = Some(method);
    exchange.fields = Some(fields.into_keys().collect());
    drop(exchange);
    stream.get_mut().write_all(head.as_bytes())
}
