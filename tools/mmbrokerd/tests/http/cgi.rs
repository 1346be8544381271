//! The router as a CGI program answers what the service answers.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use micromint::protocol::OwnersSold;

use crate::program::*;

/// The status line, the headers and the body of a response.
fn cgi(
    home: &Home,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> (String, String, Vec<u8>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut command = Command::new(env!("CARGO_BIN_EXE_mmbrokerd"));
    command
        // A web server passes the words of such a query as arguments.
        .args(query.split('+').filter(|word| !word.is_empty() && !query.contains('=')))
        .env("GATEWAY_INTERFACE", "CGI/1.1")
        .env("MICROMINT_BROKER_CONFIG", home.config())
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_LENGTH", body.len().to_string());
    if method == "LENGTH" {
        command.env("REQUEST_METHOD", "GET").env("CONTENT_LENGTH", "abc");
    }
    for (name, value) in headers {
        let variable = name.replace('-', "_").to_ascii_uppercase();
        match *name {
            "remote-addr" | "content-type" => command.env(variable, value),
            _ => command.env(format!("HTTP_{variable}"), value),
        };
    }
    if method == "BYTES" {
        command.env("REQUEST_METHOD", "GET");
        command.env("HTTP_USER_AGENT", OsStr::from_bytes(b"old \xff browser"));
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    // It may answer before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(body);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let at = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(output.stdout[..at].to_vec()).unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    (status.to_string(), headers.to_string(), output.stdout[at + 4..].to_vec())
}

#[test]
fn a_cgi_program_answers_like_the_service() {
    let home = Home::new();
    let key = home.client("alice", "5 USD");
    home.done(&["vendor-key", "--period", "2026-12", "news.example"]);
    let running = home.serve();
    let bearer = format!("Bearer {key}");
    assert_eq!(running.order(&key, r#"{"sets": 2, "transaction": "42"}"#).status, 200);
    let auth = [("Authorization", bearer.as_str())];
    for (path, headers) in [
        ("/health", &[][..]),
        ("/openapi.json?a+b", &[]),
        ("/v1/account", &auth),
        ("/v1/account", &[]),
        ("/v1/purchases/42", &auth),
        ("/v1/periods/2026-12/revoked", &[]),
        ("/none", &[("Accept", "text/plain")]),
    ] {
        let expected = running.get(path, headers);
        let (status, head, body) = cgi(&home, ("GET", path), headers, b"");
        assert!(status.starts_with(&format!("Status: {}", expected.status)), "{path}: {status}");
        assert!(head.contains(expected.header("content-type").unwrap()), "{path}: {head}");
        assert_eq!(body, expected.body, "{path}");
    }
    let request = owners_request("news.example", 0, 0);
    let path = "/v1/periods/2026-12/owners";
    let (status, _, body) = cgi(&home, ("POST", path), &[], &request.to_bytes());
    assert!(status.starts_with("Status: 200"), "{status}");
    let sold = OwnersSold::parse(&body).unwrap();
    assert_eq!(sold.tags.len(), 2);
    let (status, ..) = cgi(&home, ("POST", path), &[], &vec![b'x'; 20_000]);
    assert!(status.starts_with("Status: 413"), "{status}");
    let (status, ..) = cgi(&home, ("DELETE", "/health"), &[], b"");
    assert!(status.starts_with("Status: 405"), "{status}");
}

#[test]
fn a_cgi_program_counts_attempts_by_the_network_of_the_client() {
    let home = Home::new();
    let password = home.done(&["person", "alice"]);
    let login = |address: &str, password: &str| {
        let headers =
            [("remote-addr", address), ("content-type", "application/x-www-form-urlencoded")];
        let form = format!("user=alice&password={password}");
        cgi(&home, ("POST", "/login"), &headers, form.as_bytes()).0
    };
    for _ in 0..10 {
        assert_eq!(login("192.0.2.1", "wrong"), "Status: 422 Unprocessable Entity");
    }
    assert_eq!(login("192.0.2.1", "wrong"), "Status: 429 Too Many Requests");
    assert_eq!(login("192.0.2.200", &password), "Status: 429 Too Many Requests");
    assert_eq!(login("203.0.113.9", &password), "Status: 303 See Other");
}

#[test]
fn a_cgi_program_takes_header_fields_that_are_no_utf8() {
    let home = Home::new();
    home.done(&["person", "alice"]);
    let (status, _, body) = cgi(&home, ("BYTES", "/health"), &[], b"");
    assert!(status.starts_with("Status: 200"), "{status} {}", String::from_utf8_lossy(&body));
}

/// A web server passes the path decoded, with whatever a client encoded in it.
#[test]
fn a_cgi_program_answers_requests_that_cannot_be_one() {
    let home = Home::new();
    for (method, path, expected) in [
        ("GET", "/a b", "Status: 404"),
        ("GET", "/v1/periods/\u{e9}%2f/params", "Status: 404"),
        ("GET", "/\t", "Status: 404"),
        ("GET", "/health?a b=", "Status: 400"),
        ("LENGTH", "/health", "Status: 400"),
        ("NO METHOD", "/health", "Status: 400"),
        ("GET", "/health", "Status: 200"),
    ] {
        let (status, ..) = cgi(&home, (method, path), &[], b"");
        assert!(status.starts_with(expected), "{method} {path:?}: {status}");
    }
}

/// Nothing in a CGI program mints, so its page offers no button for that.
#[test]
fn a_cgi_program_does_not_offer_to_mint() {
    let home = Home::new();
    let password = home.done(&["person", "olga", "--role", "admin"]);
    let headers =
        [("remote-addr", "192.0.2.1"), ("content-type", "application/x-www-form-urlencoded")];
    let form = format!("user=olga&password={password}");
    let (status, head, _) = cgi(&home, ("POST", "/login"), &headers, form.as_bytes());
    assert_eq!(status, "Status: 303 See Other");
    let cookies = head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let cookies: Vec<&str> = cookies.filter_map(|line| line.split(';').next()).collect();
    let cookie = [("cookie", &cookies.join("; ")[..])];
    let (status, _, body) = cgi(&home, ("GET", "/operator/periods"), &cookie, b"");
    let page = String::from_utf8(body).unwrap();
    assert!(status.starts_with("Status: 200"), "{status}");
    assert!(page.contains("This broker runs as a CGI program, which does not mint."), "{page}");
    assert!(!page.contains("/operator/periods/mint"), "{page}");
}
