//! What a client controls is bounded, at the bound and past it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use micromint::protocol::{BATCH_DATA_SIZE_MAX, RedemptionResult, Verdict, push_record};
use mmbrokerd::http::{
    COMPLAINT_SIZE_MAX, LARGE_MIB_MAX, NETWORK_PART, ORDER_SIZE_MAX, OWNERS_SIZE_MAX, PLACE_SIZE,
    REDEMPTION_SIZE_MAX, RESERVED_DESCRIPTORS, RETURN_SIZE_MAX, STRANGERS_PART, UPLOADS_MAX,
    WATCH_SIZE_MAX,
};
use mmbrokerd::service::PIECE_SIZE;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::program::*;

/// The connections that say nothing.
const IDLE_CONNECTIONS: usize = 10_000;
/// The memory that each may take, in KiB, in a program without optimisation.
const IDLE_KIB_MAX: usize = 32;

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(300), "waited for five minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn bodies_are_bounded() {
    let home = Home::new();
    let key = home.client("alice", "0 USD");
    let running = home.serve();
    let bearer = format!("Bearer {key}");
    let auth = [("Authorization", bearer.as_str())];
    for (path, most) in [
        ("/v1/purchases", ORDER_SIZE_MAX),
        ("/v1/complaints", COMPLAINT_SIZE_MAX),
        ("/v1/periods/2026-12/owners", OWNERS_SIZE_MAX),
        ("/v1/watch", WATCH_SIZE_MAX),
    ] {
        // At the bound it is read, and then not understood.
        assert_eq!(running.post(path, &auth, &vec![b' '; most]).status, 400, "{path}");
        // Past it the head is enough.
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            most + 1
        );
        let answer = raw(&running, head.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413"), "{path}: {answer}");
        assert!(answer.contains("\"title\":\"too-large\""), "{path}: {answer}");
    }
}

fn raw(running: &Running, request: &[u8]) -> String {
    let mut stream = connect(running);
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    // The server may close before all was read.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(running: &Running) -> TcpStream {
    let stream = TcpStream::connect(running.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(300))).unwrap();
    stream
}

#[test]
fn a_body_without_its_length_is_bounded_too() {
    let home = Home::new();
    let key = home.client("alice", "0 USD");
    let running = home.serve();
    let head = format!(
        "POST /v1/purchases HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n{}\r\n", ORDER_SIZE_MAX + 1, " ".repeat(ORDER_SIZE_MAX + 1));
    let answer = raw(&running, format!("{head}{chunk}0\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn heads_are_bounded() {
    let home = Home::new();
    let running = home.serve();
    let request = |fields: usize, padding: usize| {
        let fields: String = (0..fields).map(|i| format!("X-{i}: 1\r\n")).collect();
        let padding = "x".repeat(padding);
        format!("GET /health HTTP/1.1\r\nConnection: close\r\n{fields}X-P: {padding}\r\n\r\n")
    };
    assert!(raw(&running, request(10, 100).as_bytes()).starts_with("HTTP/1.1 200"));
    assert!(raw(&running, request(62, 100).as_bytes()).starts_with("HTTP/1.1 200"));
    let many = raw(&running, request(63, 100).as_bytes());
    assert!(many.starts_with("HTTP/1.1 431"), "{many}");
    let long = raw(&running, request(10, 17 * 1024).as_bytes());
    assert!(long.starts_with("HTTP/1.1 431"), "{long}");
}

/// A client that stops in the middle of a head is given up, and others are served meanwhile.
#[test]
fn slow_clients_are_given_up() {
    let home = Home::new();
    let running = home.serve();
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = connect(&running);
            stream.write_all(b"GET /health HTTP/1.1\r\nHost:").unwrap();
            stream
        })
        .collect();
    assert_eq!(running.get("/health", &[]).status, 200);
    for mut stream in slow {
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is not given up");
        }
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}

/// A client that reads nothing is given up, though it asked for more than fits on the way.
#[test]
fn clients_that_do_not_read_are_given_up() {
    const REQUESTS: usize = 20_000;
    let home = Home::new();
    let running = home.serve();
    let mut stream = connect(&running);
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS);
    // The broker reads no more of them while its answers wait.
    let _ = stream.write_all(requests.as_bytes());
    std::thread::sleep(Duration::from_secs(50));
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers);
    let answers = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200").count();
    assert!(answers < REQUESTS / 2, "{answers} of {REQUESTS}");
    assert_eq!(running.get("/health", &[]).status, 200);
}

/// A Request-Redemption of this many bytes of data as one record, with the right authenticator.
fn large_batch(name: &str, record: usize) -> Vec<u8> {
    let mut sent = batch("news.example", name, &[]);
    push_record(&mut sent.data, &vec![7; record]);
    sent.payments = 1;
    sent.authenticated(&secret().vendor_key(&vendor("news.example"))).to_bytes()
}

/// Sends a request whose body has exactly this size, by blanks behind the message.
fn padded(running: &Running, path: &str, message: &[u8], size: usize) -> Answer {
    let mut body = message.to_vec();
    body.resize(size, b' ');
    running.message(path, &body)
}

#[test]
fn batches_and_returns_are_bounded() {
    let home = Home::new();
    home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    let running = home.serve();
    // The largest data that a message can have is read, staged and judged.
    let largest = large_batch("largest", BATCH_DATA_SIZE_MAX - 4);
    assert!(largest.len() <= REDEMPTION_SIZE_MAX);
    let judged = running.message("/v1/redemptions", &largest);
    assert_eq!(judged.status, 200, "{}", judged.text());
    let result = RedemptionResult::parse(&judged.body).unwrap();
    assert_eq!(result.verdicts, [Verdict::Malformed]);
    assert_eq!(running.message("/v1/redemptions", &largest).body, judged.body);
    let more = running.message("/v1/redemptions", &large_batch("more", BATCH_DATA_SIZE_MAX - 3));
    assert_eq!(more.problem(), (400, "malformed".to_string()));
    // Nothing of either is left.
    assert_eq!(home.number("SELECT COUNT(*) FROM staged_piece"), 0);
    assert_eq!(home.number("SELECT COUNT(*) FROM staged"), 0);
    for (path, most) in [("/v1/redemptions", REDEMPTION_SIZE_MAX), ("/v1/returns", RETURN_SIZE_MAX)]
    {
        let at = padded(&running, path, b"MicroMint-1.0\r\n", most);
        assert_eq!(at.problem(), (400, "malformed".to_string()), "{path}");
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            most + 1
        );
        let past = raw(&running, head.as_bytes());
        assert!(past.starts_with("HTTP/1.1 413"), "{path}: {past}");
    }
}

#[test]
fn a_batch_that_is_not_authentic_leaves_nothing() {
    let home = Home::new();
    home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    let running = home.serve();
    let good = large_batch("b-1", 3 * PIECE_SIZE);
    let forged = String::from_utf8(good.clone()).unwrap().replace("Batch-ID: b-1", "Batch-ID: b-2");
    let problem = running.message("/v1/redemptions", forged.as_bytes()).problem();
    assert_eq!(problem, (403, "wrong-authenticator".to_string()));
    let unknown = String::from_utf8(good.clone()).unwrap().replace("news.example", "inn.example");
    let problem = running.message("/v1/redemptions", unknown.as_bytes()).problem();
    assert_eq!(problem, (403, "unknown-vendor".to_string()));
    let torn = running.message("/v1/redemptions", &good[..good.len() - 100]);
    assert_eq!(torn.problem(), (400, "malformed".to_string()));
    assert_eq!(home.number("SELECT COUNT(*) FROM staged_piece"), 0);
    // A client that goes away in the middle.
    let head = format!(
        "POST /v1/redemptions HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        good.len()
    );
    let mut stream = connect(&running);
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&good[..good.len() - 100]).unwrap();
    drop(stream);
    wait_until(|| home.number("SELECT COUNT(*) FROM staged_piece") == 0);
    assert_eq!(running.message("/v1/redemptions", &good).status, 200);
}

/// A network of strangers, or of a vendor that was heard of.
fn network(number: usize) -> String {
    format!("198.51.{number}.7")
}

/// The header of a proxy that says for whom it asks: this machine is believed.
const FROM: &str = "X-Forwarded-For";

/// The vendor news.example is heard of from a network.
fn hear(running: &Running, from: &str) {
    let request = owners_request("news.example", 0, 0).to_bytes();
    let answer = running.post("/v1/periods/2026-12/owners", &[(FROM, from)], &request);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Begins a message of this size. Returns the connection, and the status: 100 if the broker wants
/// the body.
fn begin(running: &Running, (path, from): (&str, &str), size: usize) -> (TcpStream, u16) {
    let mut stream = connect(running);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\n{FROM}: {from}\r\nExpect: 100-continue\r\n\
         Content-Length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let status = status(&mut stream);
    (stream, status)
}

/// The status of the answer that comes next. Reads the empty line behind a status 100.
fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    let status = String::from_utf8_lossy(&answer[9..]).parse().unwrap();
    if status == 100 {
        let mut rest = [0; "HTTP/1.1 100 Continue\r\n\r\n".len() - 12];
        stream.read_exact(&mut rest).unwrap();
        assert!(rest.ends_with(b"\r\n\r\n"));
    }
    status
}

const RETURNS: &str = "/v1/returns";

/// A message that is sent but for its last bytes.
struct Unfinished {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Unfinished {
    /// How many bytes are not sent.
    const SPARE: usize = 100;

    fn send(mut stream: TcpStream, body: &[u8]) -> Unfinished {
        let (sent, rest) = body.split_at(body.len() - Unfinished::SPARE);
        stream.write_all(sent).unwrap();
        Unfinished { stream, rest: rest.to_vec() }
    }

    /// Sends a byte, so that the broker does not give it up.
    fn go_on(&mut self) {
        assert!(self.rest.len() > 1);
        self.stream.write_all(&[self.rest.remove(0)]).unwrap();
    }
}

/// Sends messages of this size until a network has its share of the memory, which must be this
/// many.
fn hold(running: &Running, from: &str, size: usize, fit: usize) -> Vec<Unfinished> {
    let mut held = Vec::new();
    for _ in 0..fit {
        let (stream, status) = begin(running, (RETURNS, from), size);
        assert_eq!(status, 100, "of {fit} after {}", held.len());
        held.push(Unfinished::send(stream, &vec![b' '; size]));
    }
    // The broker has read them when nothing more finds a place.
    wait_until(|| begin(running, (RETURNS, from), PLACE_SIZE + 1).1 == 503);
    held
}

/// A network has a quarter of the memory for large bodies. Strangers have half together, so that a
/// vendor finds place.
#[test]
fn large_bodies_share_a_bounded_memory() {
    const SHARE: usize = LARGE_MIB_MAX * 1024 * 1024 / NETWORK_PART;
    const STRANGERS: usize = NETWORK_PART / STRANGERS_PART;
    let home = Home::new();
    home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    let running = home.serve();
    let mut held = Vec::new();
    for number in 0..STRANGERS {
        let free = begin(&running, (RETURNS, &network(number)), RETURN_SIZE_MAX).1;
        assert_eq!(free, 100, "other networks have their shares");
        held.extend(hold(&running, &network(number), RETURN_SIZE_MAX, SHARE / RETURN_SIZE_MAX));
        held.iter_mut().for_each(Unfinished::go_on);
    }
    assert_eq!(begin(&running, (RETURNS, &network(8)), PLACE_SIZE + 1).1, 503);
    assert_eq!(begin(&running, (RETURNS, &network(8)), PLACE_SIZE).1, 100, "small ones are read");
    // The networks of vendors have the other half.
    for number in STRANGERS..NETWORK_PART {
        hear(&running, &network(number));
        held.extend(hold(&running, &network(number), RETURN_SIZE_MAX, SHARE / RETURN_SIZE_MAX));
        held.iter_mut().for_each(Unfinished::go_on);
    }
    hear(&running, &network(9));
    assert_eq!(begin(&running, (RETURNS, &network(9)), PLACE_SIZE + 1).1, 503);
    let body = vec![b' '; RETURN_SIZE_MAX];
    let answer = running.post(RETURNS, &[(FROM, &network(0))], b"x");
    assert_eq!(answer.problem(), (400, "malformed".to_string()));
    drop(held);
    for number in [0, 8, 9] {
        wait_until(|| running.post(RETURNS, &[(FROM, &network(number))], &body).status == 400);
    }
    // Those that are hardly large, too: two places each.
    hold(&running, &network(0), 2 * PLACE_SIZE, SHARE / PLACE_SIZE / 2);
}

/// Who states a size and sends nothing holds no memory; more than fits is refused while it comes.
#[test]
fn stated_sizes_take_no_memory() {
    const FIT: usize = LARGE_MIB_MAX * 1024 * 1024 / NETWORK_PART / RETURN_SIZE_MAX;
    let home = Home::new();
    let running = home.serve();
    let mut begun: Vec<TcpStream> = (0..100)
        .map(|_| {
            let (stream, status) = begin(&running, (RETURNS, &network(0)), RETURN_SIZE_MAX);
            assert_eq!(status, 100);
            stream
        })
        .collect();
    let body = vec![b' '; RETURN_SIZE_MAX];
    let answer = running.post(RETURNS, &[(FROM, &network(0))], &body);
    assert_eq!(answer.problem(), (400, "malformed".to_string()));
    // As many as fit send all but the last byte; the next one is told when its body has come.
    let mut begun = begun.split_off(100 - FIT - 1);
    for stream in &mut begun[..FIT] {
        stream.write_all(&body[1..]).unwrap();
    }
    wait_until(|| begin(&running, (RETURNS, &network(0)), PLACE_SIZE + 1).1 == 503);
    begun[FIT].write_all(&body).unwrap();
    assert_eq!(status(&mut begun[FIT]), 503);
    for stream in &mut begun[..FIT] {
        stream.write_all(b" ").unwrap();
        assert_eq!(status(stream), 400, "those that came first are read");
    }
}

/// Large batches are staged before their authenticators are known. Whoever sends them, in whatever
/// name, leaves places for a vendor in another network.
#[test]
fn nobody_holds_all_places_for_batches() {
    const SHARE: usize = UPLOADS_MAX / NETWORK_PART;
    const BATCHES: &str = "/v1/redemptions";
    let home = Home::new();
    home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    let running = home.serve();
    let sent = large_batch("b-1", 3 * PIECE_SIZE);
    let staged = || home.number("SELECT COUNT(*) FROM staged") as usize;
    let mut held = Vec::new();
    let mut begin_batch = |from: &str| {
        let (stream, status) = begin(&running, (BATCHES, from), sent.len());
        assert_eq!(status, 100);
        held.push(Unfinished::send(stream, &sent));
        held.iter_mut().for_each(Unfinished::go_on);
        let expected = held.len();
        wait_until(|| staged() == expected);
    };
    let send = |from: &str| running.post(BATCHES, &[(FROM, from)], &sent);
    for number in 0..NETWORK_PART / STRANGERS_PART {
        (0..SHARE).for_each(|_| begin_batch(&network(number)));
        assert_eq!(send(&network(number)).problem(), (503, "busy".to_string()));
    }
    // Strangers have half of the places, which are all taken.
    let problem = send(&network(8));
    assert_eq!(problem.problem(), (503, "busy".to_string()));
    assert!(problem.header("retry-after").is_some());
    // The vendor is heard of every minute.
    hear(&running, &network(2));
    let judged = send(&network(2));
    assert_eq!(judged.status, 200, "{}", judged.text());
    // Vendors can take the other half, and no more.
    for number in 2..NETWORK_PART {
        hear(&running, &network(number));
        (0..SHARE).for_each(|_| begin_batch(&network(number)));
        assert_eq!(send(&network(number)).problem(), (503, "busy".to_string()));
    }
    hear(&running, &network(9));
    assert_eq!(send(&network(9)).problem(), (503, "busy".to_string()));
    // A batch that needs no staging is judged meanwhile.
    let small = batch("news.example", "small", &[]).to_bytes();
    assert_eq!(running.post(BATCHES, &[(FROM, &network(9))], &small).status, 200);
    drop(held);
    wait_until(|| staged() == 0);
    for number in [0, 8] {
        assert_eq!(send(&network(number)).body, judged.body);
    }
}

/// Whatever a client does with its connection, nothing stays staged, and what is authentic is
/// judged.
#[test]
fn batches_whose_senders_go_away_leave_nothing() {
    let home = Home::new();
    home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    let running = home.serve();
    let staged = || home.number("SELECT COUNT(*) FROM staged");
    let batches = || home.number("SELECT COUNT(*) FROM batch");
    let go_away = |message: &[u8]| {
        let (stream, status) = begin(&running, ("/v1/redemptions", &network(0)), message.len());
        assert_eq!(status, 100);
        let mut sent = Unfinished::send(stream, message);
        wait_until(|| staged() == 1);
        sent.stream.write_all(&sent.rest).unwrap();
    };
    let good = large_batch("b-1", 3 * PIECE_SIZE);
    let forged = String::from_utf8(good.clone()).unwrap().replace("Batch-ID: b-1", "Batch-ID: b-2");
    for _ in 0..4 {
        go_away(forged.as_bytes());
        wait_until(|| staged() == 0);
    }
    assert_eq!(batches(), 0);
    // Judged though nobody waits; and again, when it is judged already.
    for _ in 0..4 {
        go_away(&good);
        wait_until(|| staged() == 0);
        assert_eq!(batches(), 1);
    }
    assert_eq!(home.number("SELECT COUNT(*) FROM staged_piece"), 0);
    // One that is not staged waits behind nothing.
    let small = batch("news.example", "small", &[]).to_bytes();
    assert_eq!(running.message("/v1/redemptions", &small).status, 200);
}

/// 10 000 connections that say nothing stop nobody, and take little memory.
#[test]
fn idle_connections_stop_nobody() {
    const NEEDED: u64 = IDLE_CONNECTIONS as u64 + 1000;
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < NEEDED) {
        limit.current = Some(NEEDED);
        setrlimit(Resource::Nofile, limit).expect("this test needs 11 000 descriptors");
    }
    let home = Home::new();
    let key = home.client("alice", "100 USD");
    let running = home.serve();
    let before = running.memory_kib();
    // The broker gives them up after a while: they are replaced until it holds all at a time.
    let mut idle = VecDeque::new();
    wait_until(|| {
        for _ in 0..IDLE_CONNECTIONS / 10 {
            idle.push_back(connect(&running));
        }
        idle.drain(..idle.len().saturating_sub(IDLE_CONNECTIONS));
        running.descriptors() > IDLE_CONNECTIONS
    });
    assert_eq!(running.get("/health", &[]).text(), "ok\n");
    assert_eq!(running.order(&key, r#"{"sets": 1, "transaction": "1"}"#).status, 200);
    let grown = running.memory_kib() - before;
    println!("{} KiB a connection", grown / IDLE_CONNECTIONS);
    assert!(grown < IDLE_CONNECTIONS * IDLE_KIB_MAX, "{grown} KiB more");
}

/// The broker keeps descriptors for its database: a connection more than it serves is closed.
#[test]
fn connections_are_bounded() {
    const PLACES: usize = 40;
    let home = Home::new();
    let key = home.client("alice", "100 USD");
    let descriptors = format!("--nofile={}", RESERVED_DESCRIPTORS + PLACES);
    let running = home.serve_by(&["prlimit", &descriptors]);
    let request =
        format!("GET /v1/account HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
    let is_served = |stream: &mut TcpStream| {
        let mut answer = [0; 12];
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && &answer == b"HTTP/1.1 200"
    };
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..PLACES {
        let mut stream = connect(&running);
        assert!(is_served(&mut stream), "after {}", held.len());
        held.push(stream);
    }
    assert!(!is_served(&mut connect(&running)));
    held.pop();
    wait_until(|| is_served(&mut connect(&running)));
}

/// The coin file with a sale state of slot number 1 and the next superbin 4.
fn marked(coins: &[u8]) -> Vec<u8> {
    const SLOT: std::ops::Range<usize> = 3584..4096;
    let mut slot = [0u8; 512];
    slot[..8].copy_from_slice(&1u64.to_le_bytes());
    slot[8..16].copy_from_slice(&4u64.to_le_bytes());
    let checksum = slot[..508].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    });
    slot[508..].copy_from_slice(&(!checksum).to_le_bytes());
    let mut sold = coins.to_vec();
    sold[SLOT].copy_from_slice(&slot);
    sold
}

#[test]
fn mistakes_of_the_operator_are_named() {
    let home = Home::new();
    let run = |change: &dyn Fn(&str) -> String, expected: &str| {
        let good = std::fs::read_to_string(home.config()).unwrap();
        std::fs::write(home.config(), change(&good)).unwrap();
        let output = home.run(&["check"]);
        std::fs::write(home.config(), good).unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains(expected), "{words}");
    };
    run(&|text| text.replace("127.0.0.1", "0.0.0.0"), "without TLS");
    run(&|text| text.replace("sqlite:broker.db", "sqlite:none/broker.db"), "there is no folder");
    run(&|text| format!("{text}unknown = 1\n"), "unknown key `unknown`");
    run(&|text| text.replace("coins = \".\"", "coins = \"none\""), "none");
    let again = home.run(&["init", "--url", "https://broker.example"]);
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && words.contains("exists"), "{words}");
    // A marked copy: the next superbin is in the second slot.
    let coins = std::fs::read(home.path("2026-12.coins")).unwrap();
    std::fs::write(home.path("2026-12.coins"), marked(&coins)).unwrap();
    run(&str::to_string, "it is marked as sold up to superbin 4");
    std::fs::write(home.path("2026-12.coins"), coins).unwrap();
    // The database was first used with another secret.
    home.done(&["check"]);
    std::fs::write(home.path("broker.secret"), format!("{}\n", "77".repeat(32))).unwrap();
    run(&str::to_string, "the secret is not the one that this database was made with");
}
