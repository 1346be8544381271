//! An application behind a server: what it answers is written in the query of its URL.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Starts the application on a port of this machine. It ends with the test's process.
///
/// It answers every request with 200 and the text `made METHOD TARGET`, except that
/// - `status=N` in the query sets the status, and `location=PATH` the field Location;
/// - `accel=PATH` sets the field X-Accel-Redirect;
/// - a request with the field Upgrade is answered with 101 and the text `upgraded`;
/// - `X-Original-URL` and `X-Rewrite-URL` stand in for the target, as in some frameworks.
pub fn start(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A broken connection is caused by the server in front, which the test notices.
            std::thread::spawn(move || answer(stream));
        }
    });
}

fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_string);
    let (method, mut target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut is_upgrade, mut is_chunked) = (0, false, false);
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "transfer-encoding" => is_chunked = true,
            "upgrade" => is_upgrade = true,
            "x-original-url" | "x-rewrite-url" => target = value.trim().to_string(),
            _ => {}
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    while is_chunked && line != "0\r\n" {
        line.clear();
        stream.read_line(&mut line)?;
    }
    if is_upgrade {
        let head = "HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nupgraded";
        return stream.get_mut().write_all(head.as_bytes());
    }
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let value =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let mut head = format!("HTTP/1.1 {} Status\r\n", value("status").unwrap_or("200"));
    for (name, field) in [("location", "Location"), ("accel", "X-Accel-Redirect")] {
        if let Some(value) = value(name) {
            head.push_str(&format!("{field}: {value}\r\n"));
        }
    }
    let body = format!("made {method} {target}");
    head.push_str(&format!(
        "Connection: close\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    if method != "HEAD" {
        head.push_str(&body);
    }
    stream.get_mut().write_all(head.as_bytes())
}
