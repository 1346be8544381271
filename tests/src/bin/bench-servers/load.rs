//! A client that keeps a server busy: many connections, one request on each, then all answers.
//!
//! It never sleeps while it waits for an answer. A server that answers a sleeping client pays for
//! waking it, and more so the longer that takes: that would be attributed to the request.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use micromint_servers::client::tls_over;

/// The longest time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections that are kept alive.
pub(crate) struct Load {
    connections: Vec<Wire>,
}

struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

impl Load {
    /// Opens `count` connections.
    pub(crate) fn open(port: u16, count: usize) -> Load {
        Load::with(count, || Box::new(impatient(port)))
    }

    /// Opens `count` connections over TLS.
    pub(crate) fn open_tls(port: u16, count: usize) -> Load {
        Load::with(count, || Box::new(tls_over(impatient(port))))
    }

    /// Opens `count` connections of a client that sleeps while it waits, and so leaves the
    /// processor to others.
    pub(crate) fn open_leisurely(port: u16, count: usize) -> Load {
        Load::with(count, || Box::new(connect(port)))
    }

    fn with(count: usize, open: impl Fn() -> Box<dyn Stream>) -> Load {
        let wire = |_| Wire { stream: open(), buffer: Vec::with_capacity(64 * 1024) };
        Load { connections: (0..count).map(wire).collect() }
    }

    /// Sends requests, one per connection at a time, and fails unless every answer has `status`.
    pub(crate) fn ask<'a>(&mut self, requests: impl Iterator<Item = &'a [u8]>, status: &str) {
        let mut requests = requests.peekable();
        while requests.peek().is_some() {
            let mut asked = 0;
            for (wire, request) in self.connections.iter_mut().zip(&mut requests) {
                wire.send(request);
                asked += 1;
            }
            for wire in &mut self.connections[..asked] {
                let head = wire.receive();
                assert!(head.contains(status), "expected {status}, found {head}");
            }
        }
    }

    /// Sends one request, and returns the head of the answer.
    pub(crate) fn head(&mut self, request: &[u8]) -> String {
        let wire = &mut self.connections[0];
        wire.send(request);
        wire.receive();
        let text = wire.text();
        text.split_once("\r\n\r\n").map_or(text.clone(), |(head, _)| head.to_string())
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection of a client that polls.
fn impatient(port: u16) -> TcpStream {
    let stream = connect(port);
    stream.set_nonblocking(true).unwrap();
    stream
}

impl Wire {
    fn send(&mut self, mut request: &[u8]) {
        while !request.is_empty() {
            request = &request[patiently(|| self.stream.write(request))..];
        }
    }

    /// Reads an answer that states its length, and returns its first line.
    fn receive(&mut self) -> String {
        self.buffer.clear();
        let mut chunk = [0; 16 * 1024];
        loop {
            let count = patiently(|| self.stream.read(&mut chunk));
            assert!(count > 0, "the server has closed the connection: {}", self.text());
            self.buffer.extend_from_slice(&chunk[..count]);
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let length =
                    find(&self.buffer[..end], b"\r\nContent-Length: ").expect("Content-Length");
                let digits =
                    self.buffer[length + 18..end].iter().take_while(|byte| byte.is_ascii_digit());
                let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
                if self.buffer.len() == end + 4 + length {
                    let line = self.buffer.iter().position(|byte| *byte == b'\r').unwrap();
                    return String::from_utf8_lossy(&self.buffer[..line]).into_owned();
                }
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

/// Polls until there is something to do. Other threads that wait for this processor run meanwhile.
fn patiently(mut act: impl FnMut() -> std::io::Result<usize>) -> usize {
    let start = Instant::now();
    loop {
        match act() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(start.elapsed() < PATIENCE, "no answer after {PATIENCE:?}");
                std::thread::yield_now();
            }
            done => return done.unwrap(),
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
