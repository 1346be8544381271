//! A web site on this machine whose pages are free, for comparisons with curl. It can also be a
//! proxy for plain http.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A received request: the target as it stands in the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
}

pub(crate) struct Site {
    pub(crate) port: u16,
    asked: Mutex<Vec<Asked>>,
}

const DIGITS: &[u8] = b"0123456789";

impl Site {
    pub(crate) fn start() -> Arc<Site> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let site = Arc::new(Site { port, asked: Mutex::default() });
        let serving = site.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (site, stream) = (serving.clone(), stream.unwrap());
                thread::spawn(move || site.serve(stream));
            }
        });
        site
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests since the last call.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ');
        let (method, target) =
            (words.next().unwrap().to_string(), words.next().unwrap().to_string());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
        }
        let size = headers.get("content-length").map_or(0, |size| size.parse().unwrap());
        reader.read_exact(&mut vec![0; size]).unwrap();
        let asked = Asked { method, target, headers };
        let times = {
            let mut all = self.asked.lock().unwrap();
            all.push(asked.clone());
            all.iter().filter(|one| one.target == asked.target).count()
        };
        let _ = stream.write_all(&answer(&asked, times));
    }
}

fn answer(asked: &Asked, times: usize) -> Vec<u8> {
    let path = asked
        .target
        .strip_prefix("http://")
        .map_or(asked.target.as_str(), |rest| rest.find('/').map_or("/", |slash| &rest[slash..]));
    let path = path.split('?').next().unwrap();
    let body = |text: &str| text.as_bytes().to_vec();
    let (status, headers, content): (&str, String, Vec<u8>) = match path {
        "/moved" => ("302 Found", "Location: /text\r\n".into(), body("moved")),
        "/moved-nowhere" => ("302 Found", "Location:\r\n".into(), body("moved")),
        "/moved-login" => ("302 Found", "Location: http://a:b@127.0.0.1/\r\n".into(), body("")),
        "/moved-latin" => ("302 Found", "Location: /caf\u{e9}\r\n".into(), body("")),
        "/missing" => ("404 Not Found", String::new(), body("no such page\n")),
        "/busy" if times == 1 => ("503 Busy", String::new(), body("busy\n")),
        "/gzip" if asked.headers.get("accept-encoding").is_some_and(|a| a.contains("gzip")) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(b"unpacked\n").unwrap();
            ("200 OK", "Content-Encoding: gzip\r\n".into(), encoder.finish().unwrap())
        }
        "/digits" => digits(asked),
        "/named" => (
            "200 OK",
            "Content-Disposition: attachment; filename=\"../said.txt\"\r\n".into(),
            body("named\n"),
        ),
        "/binary" => ("200 OK", String::new(), vec![0x89, b'P', 0, 1]),
        "/half" => {
            return b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123"
                .to_vec();
        }
        _ => ("200 OK", "Content-Type: text/plain\r\nX-Word: yes\r\n".into(), body("hello\n")),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        content.len()
    );
    let mut answer = head.into_bytes();
    if asked.method != "HEAD" {
        answer.extend(content);
    }
    answer
}

/// Ten bytes, or a part of them.
fn digits(asked: &Asked) -> (&'static str, String, Vec<u8>) {
    let range = asked.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
        return ("200 OK", String::new(), DIGITS.to_vec());
    };
    let (first, last) = (first.parse::<usize>().unwrap(), last.parse().unwrap_or(9).min(9));
    if first > 9 {
        return ("416 Range Not Satisfiable", "Content-Range: bytes */10\r\n".into(), Vec::new());
    }
    let headers = format!("Content-Range: bytes {first}-{last}/10\r\n");
    ("206 Partial Content", headers, DIGITS[first..=last].to_vec())
}
