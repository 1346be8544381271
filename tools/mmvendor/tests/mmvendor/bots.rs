//! The keys of bots are fetched from their directories, which a small server here answers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use super::{Site, output};

const KEY: &str = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";

/// Answers one request with `status` and `body`. Returns the origin, and a thread that returns the
/// first line of the request.
fn answer(status: &'static str, body: String) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all((head + &body).as_bytes()).unwrap();
        first
    });
    (origin, served)
}

fn directory(key: &str) -> String {
    format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{key}"}}]}}"#)
}

#[test]
fn keys_are_fetched_and_a_bot_that_does_not_answer_keeps_its_own() {
    let site = Site::new();
    let (_, told) = output(&mut site.command(&["bots"]), 1);
    assert!(told.contains("names no bots"), "{told}");
    let (origin, served) = answer("200 OK", directory(KEY));
    site.append("vendor.toml", &format!("bots = [\"{origin}\"]\n"));
    let (text, _) = output(&mut site.command(&["bots"]), 0);
    assert_eq!(text, format!("{origin}: 1 key\n"));
    let asked = served.join().unwrap();
    assert!(asked.starts_with("GET /.well-known/http-message-signatures-directory "), "{asked}");
    let file = site.path().join("bot-keys.toml");
    let keys = std::fs::read_to_string(&file).unwrap();
    assert!(keys.contains(&format!("url = \"{origin}\"")) && keys.contains(KEY), "{keys}");
    // Nobody listens there any more.
    let (_, told) = output(&mut site.command(&["bots"]), 1);
    assert!(told.contains(&origin), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), keys);
}

#[test]
fn a_directory_that_is_none_and_an_origin_that_is_not_safe_are_refused() {
    for (status, body, says) in [
        ("404 Not Found", directory(KEY), "answers 404"),
        ("301 Moved", directory(KEY), "answers 301"),
        ("200 OK", "<html>".to_string(), "expected a set of keys"),
        ("200 OK", directory("AAAA"), "expected an Ed25519 key"),
        ("200 OK", " ".repeat(64 * 1024 + 1), "expected at most 65536 bytes"),
    ] {
        let site = Site::new();
        let (origin, served) = answer(status, body);
        site.append("vendor.toml", &format!("bots = \"{origin}\"\n"));
        let (_, told) = output(&mut site.command(&["bots"]), 1);
        assert!(told.contains(says), "expected {says:?} in {told:?}");
        served.join().unwrap();
    }
    let site = Site::new();
    site.append("vendor.toml", "bots = \"http://bot.example\"\n");
    let (_, told) = output(&mut site.command(&["bots"]), 1);
    assert!(told.contains("http://bot.example: expected an https origin"), "{told}");
}
