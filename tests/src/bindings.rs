//! Web applications in other languages, each behind the paywall of its binding: `bindings/*`.
//!
//! `scripts/test-bindings.sh` builds what they need. Each binding has a conformance application,
//! which `bindings/LANGUAGE/conformance/run KIND FOLDER LISTEN` starts: it listens on `LISTEN`
//! (`127.0.0.1:PORT` or `unix:PATH`) and charges for every request as the request's own fields
//! say:
//!
//! | request field | meaning |
//! |---|---|
//! | `X-Case-Vendor` | the configuration is `FOLDER/VALUE/vendor.toml`, opened once |
//! | `X-Case-Https` | `1`: the request counts as one over TLS |
//! | `X-Case-Client` | the client's address; empty for none |
//! | `X-Case-Price`, `X-Case-Free-Views` | whole numbers, 0 if absent |
//! | `X-Case-Receipt-Path` | the receipt path |
//! | `X-Case-Dry-Run`, `X-Case-Redirects` | `1`: a dry run; redirects are charged |
//! | `X-Case-File` | entity tag, Last-Modified in seconds and size, separated by spaces |
//! | `X-Case-Content` | what the content does: a status (200 if absent); `fail` throws before a response; `fail-late` sends `first` and throws; `slow` sends `first`, waits a second and sends `second` |
//! | `X-Case-Content-Headers` | a JSON list of pairs that the content answers with |
//!
//! The content reads the whole body of its request and answers `content`, with `X-Seen: METHOD
//! SIZE NAME,NAME,…`: the method, the size of the body in bytes and the names of the header fields
//! that it saw. Log lines of the paywall and the line of each event go to standard error; then the
//! log of events throws if the page costs seven coins.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::RequestText;
use crate::nginx::children_of;
use crate::site::Site;

/// Selects applications by language or kind, separated by spaces; all if it is not set.
const SELECTION: &str = "MICROMINT_BINDINGS";

/// The longest time for an answer: the first one may wait for an interpreter on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A conformance application.
#[derive(Clone, Copy, Debug)]
pub struct Application {
    /// The folder in `bindings/`.
    pub language: &'static str,
    /// Which one of the language.
    pub kind: &'static str,
    /// Whether its server can listen on a Unix socket.
    pub has_unix_socket: bool,
    /// Whether its server says that a client of a Unix socket has no address. Puma says that it is
    /// this machine.
    pub names_no_client: bool,
    /// Whether its server holds every body in memory before the application is called.
    pub holds_bodies: bool,
    /// Whether the content can read bodies without a Content-Length. Django over WSGI cannot.
    pub reads_chunked: bool,
}

const fn application(language: &'static str, kind: &'static str) -> Application {
    Application {
        language,
        kind,
        has_unix_socket: true,
        names_no_client: true,
        holds_bodies: false,
        reads_chunked: true,
    }
}

/// Every application.
pub const APPLICATIONS: [Application; 10] = [
    application("python", "wsgi"),
    application("python", "asgi"),
    Application { reads_chunked: false, ..application("python", "django") },
    application("python", "django-asgi"),
    development_server("plain"),
    development_server("psr15"),
    application("go", "net-http"),
    application("node", "express"),
    application("node", "fastify"),
    Application { names_no_client: false, ..application("ruby", "rack") },
];

/// PHP's own server.
const fn development_server(kind: &'static str) -> Application {
    Application {
        has_unix_socket: false,
        names_no_client: false,
        holds_bodies: true,
        ..application("php", kind)
    }
}

/// The applications that the environment selects.
///
/// # Panics
/// None is selected.
pub fn selected() -> Vec<Application> {
    let words = std::env::var(SELECTION).unwrap_or_default();
    let is_selected = |it: &Application| {
        words.is_empty() || words.split(' ').any(|word| [it.language, it.kind].contains(&word))
    };
    let found: Vec<_> = APPLICATIONS.into_iter().filter(is_selected).collect();
    assert!(!found.is_empty(), "{SELECTION}: no application has one of the names {words:?}");
    found
}

impl Application {
    /// Language and kind.
    pub fn name(&self) -> String {
        format!("{} {}", self.language, self.kind)
    }

    /// The command that serves the vendors in `folder` on `listen`.
    pub fn command(&self, folder: &Path, listen: &str) -> Command {
        let program = root().join("bindings").join(self.language).join("conformance/run");
        let mut command = Command::new(program);
        command.arg(self.kind).arg(folder).arg(listen);
        command.env("MICROMINT_BUILT", built()).env("MICROMINT_LIBRARY", library());
        command
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn built() -> PathBuf {
    root().join("target/bindings")
}

/// The library that the applications use.
///
/// # Panics
/// It is not built.
pub fn library() -> PathBuf {
    let path = built().join("lib/libmicromint.so");
    assert!(path.is_file(), "{} is missing: run make test-bindings", path.display());
    path
}

/// A running application.
pub struct Running {
    child: Child,
    /// Where it listens.
    pub listen: String,
    log: PathBuf,
}

impl Running {
    /// Starts an application with the vendors of a site. `prepare` changes the command.
    ///
    /// # Panics
    /// It does not accept connections.
    pub fn start(
        application: Application,
        site: &Site,
        listen: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Running {
        let log = site.path("logs/application.log");
        let file = File::create(&log).unwrap();
        let mut command = application.command(site.folder(), listen);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        prepare(&mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut running = Running { child, listen: listen.to_string(), log };
        let start = Instant::now();
        while running.try_connect().is_none() {
            let has_ended = running.child.try_wait().unwrap().is_some();
            let is_late = start.elapsed() > PATIENCE;
            assert!(!has_ended && !is_late, "{}: {}", application.name(), running.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its process and the descendants of that.
    pub fn processes(&self) -> Vec<Pid> {
        let mut all = vec![Pid::from_child(&self.child)];
        let mut next = 0;
        while next < all.len() {
            all.extend(children_of(all[next]));
            next += 1;
        }
        all
    }

    /// The largest memory that one of its processes has used, in KiB.
    pub fn memory_peak(&self) -> u64 {
        let peak = |pid: Pid| {
            let path = format!("/proc/{}/status", pid.as_raw_nonzero());
            let status = std::fs::read_to_string(path).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        self.processes().into_iter().map(peak).max().unwrap_or(0)
    }

    /// A connection.
    pub fn connect(&self) -> Box<dyn Stream> {
        self.try_connect().unwrap_or_else(|| panic!("no connection\n{}", self.log()))
    }

    fn try_connect(&self) -> Option<Box<dyn Stream>> {
        match self.listen.strip_prefix("unix:") {
            Some(path) => {
                let stream = UnixStream::connect(path).ok()?;
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Some(Box::new(stream))
            }
            None => {
                let stream = TcpStream::connect(&self.listen).ok()?;
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                Some(Box::new(stream))
            }
        }
    }

    /// Sends a request on a connection of its own and reads until the server closes it.
    pub fn ask(&self, request: &RequestText) -> Answer {
        let mut stream = self.connect();
        let bytes = request.clone().with("Connection", "close").to_bytes();
        // A server may answer and close before it has read a large body.
        let _ = stream.write_all(&bytes);
        Answer::read(&mut *stream, &request.method)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let all = self.processes();
        let _ = kill_process(all[0], Signal::TERM);
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|it| it.is_some()) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        for pid in all {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A TCP connection or a Unix socket.
pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// An answer, complete or not.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: Vec<(String, String)>,
    /// As much of the body as came.
    pub body: String,
    /// Whether all of it came.
    pub is_complete: bool,
}

impl Answer {
    /// Reads one answer, until its end or the end of the connection. Its status is 0 if no head of
    /// a response came.
    pub fn read(stream: &mut dyn Stream, method: &str) -> Answer {
        let mut bytes = Vec::new();
        loop {
            if let Some(answer) = Answer::parse(&bytes, method, false) {
                return answer;
            }
            let mut chunk = [0; 16384];
            match stream.read(&mut chunk) {
                Ok(count @ 1..) => bytes.extend_from_slice(&chunk[..count]),
                _ => break,
            }
        }
        Answer::parse(&bytes, method, true).unwrap_or_else(|| Answer {
            body: String::from_utf8_lossy(&bytes).into_owned(),
            ..Answer::default()
        })
    }

    fn parse(bytes: &[u8], method: &str, is_end: bool) -> Option<Answer> {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let rest = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if status == 100 {
            return Answer::parse(rest, method, is_end);
        }
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string()))
            .collect();
        let mut answer = Answer { status, headers, ..Answer::default() };
        let (body, is_complete) = if method == "HEAD" || [204, 304].contains(&status) {
            (Vec::new(), true)
        } else if answer.header("transfer-encoding").is_some() {
            unchunked(rest)
        } else if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().ok()?;
            (rest[..rest.len().min(length)].to_vec(), rest.len() >= length)
        } else {
            (rest.to_vec(), is_end)
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        answer.is_complete = is_complete;
        (is_complete || is_end).then_some(answer)
    }

    /// The value of a field; repeated fields are joined by `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        let named = self.headers.iter().filter(|(its, _)| its.eq_ignore_ascii_case(name));
        let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// The status and the word of MicroMint-Status.
    pub fn short(&self) -> (u16, String) {
        (self.status, self.header("MicroMint-Status").unwrap_or_default())
    }

    /// The method, the size of the body and the names of the fields that the content saw.
    pub fn seen(&self) -> Option<(String, u64, Vec<String>)> {
        let seen = self.header("X-Seen")?;
        let mut words = seen.splitn(3, ' ');
        let (method, size) = (words.next()?.to_string(), words.next()?.parse().ok()?);
        let names = words.next().unwrap_or_default();
        Some((method, size, names.split(',').map(str::to_ascii_lowercase).collect()))
    }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|it| it == b"\r\n") else { return (body, false) };
        let size = String::from_utf8_lossy(&rest[..end]);
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { return (body, false) };
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[..rest.len().min(size)]);
        if rest.len() < size + 2 {
            return (body, false);
        }
        rest = &rest[size + 2..];
    }
}
