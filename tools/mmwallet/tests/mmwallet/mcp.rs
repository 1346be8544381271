//! `mmwallet mcp`: an agent fetches pages, and pays for them within its user's limits.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::vendor::Vendor;
use super::{Home, MINT, stdout};

/// A running server, and the agent's end of it.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Agent {
    /// Starts the server with these options.
    fn start(home: &Home, options: &[&str]) -> Agent {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("mmwallet"));
        command.env_clear().arg("--wallet").arg(home.wallet()).arg("mcp").args(options);
        command.env("TMPDIR", home.path(""));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut agent = Agent { child, input, output, next: 0 };
        let info = json!({ "name": "test-host", "version": "1" });
        let params = json!({ "protocolVersion": "2025-06-18", "clientInfo": info });
        agent.send("initialize", params);
        assert_eq!(agent.receive()["result"]["serverInfo"]["name"], "mmwallet");
        agent
    }

    /// Sends a request and returns its number.
    fn send(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let message =
            json!({ "jsonrpc": "2.0", "id": self.next, "method": method, "params": params });
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
        self.next
    }

    fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn call(&mut self, name: &str, arguments: Value) -> Value {
        let id = self.send("tools/call", json!({ "name": name, "arguments": arguments }));
        let answer = self.receive();
        assert_eq!(answer["id"], id);
        answer["result"].clone()
    }

    fn fetch(&mut self, url: &str) -> Value {
        self.call("fetch", json!({ "url": url, "reason": "the news" }))
    }

    /// What the budget tool says.
    fn budget(&mut self) -> Value {
        let result = self.call("budget", json!({}));
        serde_json::from_str(text(&result, 0)).unwrap()
    }

    /// Ends standard input, and waits for the end of the server.
    fn end(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// The text of a block of a result.
fn text(result: &Value, block: usize) -> &str {
    result["content"][block]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

/// Serves these bytes for every request on this machine, and then more of them for ever if
/// `is_endless`. Returns the URL.
pub(super) fn serve(answer: Vec<u8>, is_endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, mut stream) = (answer.clone(), stream.unwrap());
            thread::spawn(move || {
                // A client may send several requests on one connection.
                while read_head(&mut stream) {
                    let mut written = stream.write_all(&answer);
                    while is_endless && written.is_ok() {
                        written = stream.write_all(&[b'x'; 65536]);
                    }
                }
            });
        }
    });
    url
}

/// Reads the head of a request; false if none comes any more.
fn read_head(stream: &mut TcpStream) -> bool {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    !head.is_empty()
}

fn page(fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const LIMITS: [&str; 5] = ["--allow-private", "--autopay", "0.02 USD", "--task-limit", "0.05 USD"];

#[test]
fn an_agent_pays_within_its_limits_and_the_history_says_why() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let mut agent = Agent::start(&home, &[&LIMITS[..], &["--task", "t-1"]].concat());
    let coins = home.unspent();
    let price = agent.call("price", json!({ "url": vendor.url("/page") }));
    let price: Value = serde_json::from_str(text(&price, 0)).unwrap();
    assert_eq!((&price["price"], &price["money"]), (&json!(2), &json!("0.02 USD")));
    assert_eq!(home.unspent(), coins);

    let result = agent.fetch(&vendor.url("/page"));
    assert_eq!((text(&result, 1), &result["isError"]), ("paid content", &Value::Null));
    assert!(text(&result, 0).contains("paid 2 coins (0.02 USD) to 127.0.0.1"), "{result}");
    let last = home.history().pop().unwrap();
    assert_eq!((&last["task"], &last["outcome"]), (&json!("t-1"), &json!("paid")));
    assert_eq!(last["asked"], "test-host, mcp fetch: the news");
    assert_eq!(agent.budget()["left-for-task"], "0.03 USD");

    agent.fetch(&vendor.url("/page?2"));
    let result = agent.fetch(&vendor.url("/page?3"));
    assert_eq!(result["isError"], true);
    let why = text(&result, 0);
    assert!(why.contains("the limit for the task t-1 is 0.05 USD; 0.04 USD are spent"), "{why}");
    assert!(why.contains("no coins were sent"), "{why}");
    assert_eq!(agent.budget()["payments"].as_array().unwrap().len(), 2);
    agent.end();
    // A restart with the same name goes on with the same budget; a new task has one of its own.
    let mut again = Agent::start(&home, &[&LIMITS[..], &["--task", "t-1"]].concat());
    assert_eq!(again.fetch(&vendor.url("/page?4"))["isError"], true);
    let mut fresh = Agent::start(&home, &LIMITS);
    assert_eq!(text(&fresh.fetch(&vendor.url("/page?5")), 1), "paid content");
    assert_eq!((home.unspent(), vendor.spent()), (coins - 6, 6));
    again.end();
    fresh.end();
    assert_nothing_is_left(&home);
}

#[test]
fn calls_at_the_same_time_do_not_exceed_the_budget() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    let mut agent = Agent::start(&home, &LIMITS);
    for number in 0..12 {
        let arguments = json!({ "url": vendor.url(&format!("/page?{number}")) });
        agent.send("tools/call", json!({ "name": "fetch", "arguments": arguments }));
    }
    let results: Vec<Value> = (0..12).map(|_| agent.receive()["result"].clone()).collect();
    let paid = results.iter().filter(|result| result["isError"] != true).count();
    assert_eq!((paid, home.unspent(), vendor.spent()), (2, coins - 4, 4), "{results:?}");
    agent.end();
}

#[test]
fn without_settings_and_options_nothing_is_paid() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    let mut agent = Agent::start(&home, &["--allow-private"]);
    let result = agent.fetch(&vendor.url("/page"));
    assert!(text(&result, 0).contains("above the autopay threshold of 0"), "{result}");
    assert_eq!((&result["isError"], home.unspent()), (&json!(true), coins));
}

#[test]
fn addresses_that_are_not_public_are_refused_also_after_a_redirect() {
    let home = Home::with_coins();
    let mut agent = Agent::start(&home, &["--autopay", "2"]);
    let site = serve(page("", b"secret"), false);
    let port = site.rsplit(':').next().unwrap();
    for url in [
        site.clone(),
        format!("http://localhost:{port}/"),
        format!("http://a.localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        "http://10.0.0.1/".to_string(),
        "http://169.254.169.254/latest/meta-data/".to_string(),
    ] {
        for tool in ["fetch", "price"] {
            let result = agent.call(tool, json!({ "url": url }));
            let why = text(&result, 0);
            assert!(result["isError"] == true && why.contains("is not public"), "{url}: {why}");
        }
    }
    agent.end();
    // The owner's permission does not extend to other schemes, nor does a redirect lead to files.
    let mut agent = Agent::start(&home, &LIMITS);
    for target in ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:,x"] {
        let moved =
            format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {target}\r\n\r\n");
        let result = agent.fetch(&serve(moved.into_bytes(), false));
        let why = text(&result, 0);
        assert!(result["isError"] == true && why.contains("expected http or https"), "{why}");
    }
    let circle = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\n\r\n";
    let result = agent.fetch(&serve(circle.as_bytes().to_vec(), false));
    assert!(text(&result, 0).contains("more than 5 redirects"), "{result}");
    agent.end();
}

#[test]
fn pages_of_every_kind_are_shown_in_pieces() {
    let home = Home::with_coins();
    let options = [&LIMITS[..], &["--max-filesize", "1000000"]].concat();
    let mut agent = Agent::start(&home, &options);
    let result = agent.fetch(&serve(page("Content-Type: image/png\r\n", b"\x89PNG\0\xff"), false));
    let blob = result["content"][1]["resource"]["blob"].as_str().unwrap();
    assert_eq!(STANDARD.decode(blob).unwrap(), b"\x89PNG\0\xff");
    let result =
        agent.fetch(&serve(page("Content-Type: text/html\r\n", b"caf\xe9 \x1b[2J"), false));
    assert_eq!(text(&result, 1), "caf\u{fffd} \u{fffd}[2J");
    let result = agent.fetch(&serve(page("", b""), false));
    assert_eq!(text(&result, 1), "");

    let long: Vec<u8> = (0..300_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
    let url = serve(page("Content-Type: text/plain\r\n", &long), false);
    let result = agent.fetch(&url);
    assert_eq!(text(&result, 1).len(), 256 * 1024);
    assert!(text(&result, 0).contains("bytes 0 to 262144 of 300000; the tool read_more"), "{url}");
    let rest = agent.call("read_more", json!({ "url": url, "offset": 262_144 }));
    assert_eq!(text(&rest, 1).as_bytes(), &long[262_144..]);
    let past = agent.call("read_more", json!({ "url": url, "offset": 300_000 }));
    assert_eq!(past["isError"], true);

    // A page that never ends, one that is too long by a byte, and one that is not.
    let endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    let too_long = page("", &vec![b'x'; 1_000_001]);
    for (answer, is_endless) in [(endless, true), (too_long, false)] {
        let result = agent.fetch(&serve(answer, is_endless));
        let why = text(&result, 0);
        assert!(result["isError"] == true && why.contains("--max-filesize"), "{why}");
    }
    let result = agent.fetch(&serve(page("", &vec![b'x'; 1_000_000]), false));
    assert_eq!(result["isError"], Value::Null, "{}", text(&result, 0));
    agent.end();
}

/// A paid page that is longer than the limit: the coins are on their way, and a higher limit gets
/// the page for them.
#[test]
fn a_paid_page_that_is_too_long_costs_once() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let coins = home.unspent();
    let options = [&LIMITS[..], &["--max-filesize", "5"]].concat();
    let mut agent = Agent::start(&home, &options);
    let result = agent.fetch(&vendor.url("/page"));
    assert!(text(&result, 0).contains("more than the 5 bytes"), "{result}");
    assert_eq!(home.outcome(), "unknown");
    agent.end();
    let mut agent = Agent::start(&home, &LIMITS);
    assert_eq!(text(&agent.fetch(&vendor.url("/page")), 1), "paid content");
    assert_eq!((home.unspent(), vendor.spent(), home.outcome()), (coins - 2, 2, "paid".into()));
    agent.end();
    assert!(stdout(&home.run(&["history"])).contains("task mcp-"), "the task is in the history");
}

/// A page that never answers.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let held: Vec<_> = listener.incoming().collect();
        drop(held);
    });
    url
}

/// The command lines of the processes that this process has started.
fn children_of(pid: u32) -> Vec<String> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    // A thread starts them, so the other tasks of the process are asked as well.
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let all = lists.chain(list).collect::<Vec<_>>().join(" ");
    let mut pids: Vec<&str> = all.split_whitespace().collect();
    pids.sort_unstable();
    pids.dedup();
    let line = |pid: &&str| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok();
    pids.iter().filter_map(line).filter(|line| !line.is_empty()).collect()
}

fn wait_until(what: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !what() {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "in vain");
        thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Pages that do not answer delay nothing else, can be cancelled, and end with the agent.
#[test]
fn slow_pages_delay_nothing_else_and_end_with_the_input() {
    let (home, site) = (Home::with_coins(), silent());
    let mut agent = Agent::start(&home, &LIMITS);
    let secret = "private-words";
    let mut ids = Vec::new();
    for number in 0..10 {
        let url = format!("{site}/{number}?token={secret}");
        let arguments = json!({ "url": url, "reason": secret });
        ids.push(agent.send("tools/call", json!({ "name": "fetch", "arguments": arguments })));
    }
    let ping = agent.send("ping", json!({}));
    assert_eq!(agent.receive()["id"], ping);
    assert!(agent.budget()["payments"].as_array().unwrap().is_empty());

    let pid = agent.child.id();
    wait_until(|| children_of(pid).len() == 8);
    let lines = children_of(pid);
    assert!(
        !lines.iter().any(|line| line.contains(secret) || line.contains("127.0.0.1")),
        "{lines:?}"
    );
    // Places are free again: two calls that run, and the two that wait for a place.
    for id in &ids {
        let params = json!({ "requestId": id });
        let message =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        writeln!(agent.input.as_mut().unwrap(), "{message}").unwrap();
    }
    wait_until(|| children_of(pid).is_empty());
    let result = agent.fetch(&serve(page("", b"quick"), false));
    assert_eq!(text(&result, 1), "quick");

    // With calls that run, it ends soon after its input, and leaves nothing.
    for number in 0..3 {
        let arguments = json!({ "url": format!("{site}/{number}") });
        agent.send("tools/call", json!({ "name": "fetch", "arguments": arguments }));
    }
    wait_until(|| children_of(pid).len() == 3);
    let began = std::time::Instant::now();
    agent.end();
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
    assert_nothing_is_left(&home);
}

/// A termination ends the fetches too; so does a death by a signal that cannot be caught.
#[test]
fn no_fetch_outlives_the_server() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::KILL] {
        let (home, site) = (Home::with_coins(), silent());
        let mut agent = Agent::start(&home, &LIMITS);
        let url = json!({ "url": site });
        agent.send("tools/call", json!({ "name": "fetch", "arguments": url }));
        let pid = agent.child.id();
        wait_until(|| children_of(pid).len() == 1);
        let wallet = home.wallet();
        let is_left = || fetches_of(text_of(&wallet)) > 0;
        assert!(is_left());
        rustix::process::kill_process(rustix::process::Pid::from_child(&agent.child), signal)
            .unwrap();
        assert!(!agent.child.wait().unwrap().success());
        wait_until(|| !is_left());
        if signal == rustix::process::Signal::TERM {
            assert_nothing_is_left(&home);
        }
    }
}

fn text_of(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// How many processes have this text in their command line, and fetch.
fn fetches_of(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines =
        entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(text) && line.contains("\0get\0")).count()
}

/// No folder of the server is left.
fn assert_nothing_is_left(home: &Home) {
    let left = std::fs::read_dir(home.path("")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_its = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("mmwallet-mcp");
    assert!(!names.iter().any(is_its), "{names:?}");
}
