//! The router as a CGI program (RFC 3875), for a web server that starts one for each request
//! (thesis
//! 3.2.2).
//!
//! Input: the request in environment variables and on standard input. Output: the response on
//! standard output. The invariant: it answers what the service answers, from the same database.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use axum::response::Response;
use http_body_util::BodyExt;
use micromint_console::{EXIT_OK, ToolError};
use mmbrokerd::config::Config;
use mmbrokerd::http::{App, router};
use mmbrokerd::programs::{CONFIG_DEFAULT, block_on, open};
use mmbrokerd::shop::ShopSettings;
use mmbrokerd::store::Store;
use tower::ServiceExt;

/// The variable that a CGI program finds, and others do not.
const INTERFACE: &str = "GATEWAY_INTERFACE";
/// The variable with the configuration file.
const CONFIG: &str = "MICROMINT_BROKER_CONFIG";
/// How much of standard input is read at a time, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// Whether a web server started this program. Its arguments are then not those of a person.
pub(crate) fn is_cgi() -> bool {
    std::env::var_os(INTERFACE).is_some()
}

/// Answers one request.
pub(crate) fn answer() -> Result<u8, ToolError> {
    let path = std::env::var_os(CONFIG).map_or_else(|| CONFIG_DEFAULT.into(), PathBuf::from);
    let config = Config::load(&path)?;
    Store::check_exists(&config.database)?;
    block_on(async {
        let service = open(&config, None).await?;
        let shop = ShopSettings { is_cgi: true, ..config.shop.clone() };
        let app = Arc::new(App::new(Arc::clone(&service), &config.url, config.sets_max, shop));
        // Whatever a client sends in a header field is in a variable, UTF-8 or not.
        let response = match request(std::env::vars_os().collect()) {
            // The router cannot fail.
            Some(request) => {
                let Ok(response) = router(app).oneshot(request).await;
                response
            }
            None => bad_request(),
        };
        let (head, mut body) = response.into_parts();
        let mut out = std::io::stdout().lock();
        write!(out, "Status: {}\r\n", head.status)?;
        for (name, value) in &head.headers {
            write!(out, "{name}: ")?;
            out.write_all(value.as_bytes())?;
            write!(out, "\r\n")?;
        }
        write!(out, "\r\n")?;
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                out.write_all(&data)?;
            }
        }
        out.flush()?;
        service.store().close().await;
        Ok(EXIT_OK)
    })
}

/// What is answered to a request that cannot be one.
fn bad_request() -> Response {
    let text = "400: the request has a method, a length or a query that cannot be one\n";
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// A path that a web server has decoded, as a URI has it.
fn encoded(path: &[u8]) -> String {
    let mut text = String::new();
    for byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => text.push(char::from(*byte)),
            _ if b"-._~!$&'()*+,;=:@/".contains(byte) => text.push(char::from(*byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// The request in the variables; its body is standard input. `None` if they cannot be a request.
fn request(all: Vec<(OsString, OsString)>) -> Option<Request<Body>> {
    let value = |name: &str| {
        let found = all.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_bytes()).unwrap_or_default()
    };
    let text = |name: &str| String::from_utf8_lossy(value(name)).into_owned();
    let query = match text("QUERY_STRING") {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    };
    let path = [value("SCRIPT_NAME"), value("PATH_INFO")].map(encoded).concat();
    let path = if path.is_empty() { "/" } else { &path };
    let uri: Uri = format!("{path}{query}").parse().ok()?;
    let length = text("CONTENT_LENGTH");
    let size: u64 = if length.is_empty() { 0 } else { length.parse().ok()? };
    let mut request = Request::builder().method(text("REQUEST_METHOD").as_str()).uri(uri);
    if let Some(headers) = request.headers_mut() {
        for (name, value) in &all {
            let name = match name.to_str() {
                Some(name @ ("CONTENT_TYPE" | "CONTENT_LENGTH")) => name,
                name => match name.and_then(|name| name.strip_prefix("HTTP_")) {
                    Some(name) => name,
                    None => continue,
                },
            };
            let name = HeaderName::try_from(name.replace('_', "-").to_ascii_lowercase());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes()))
                && !value.is_empty()
            {
                headers.insert(name, value);
            }
        }
    }
    // Attempts are counted by the network that a request comes from.
    if let Ok(address) = text("REMOTE_ADDR").parse::<IpAddr>() {
        request = request.extension(ConnectInfo(SocketAddr::new(address, 0)));
    }
    request.body(standard_input(size)).ok()
}

/// The first bytes of standard input, as they come. A thread reads them, at most two pieces ahead.
fn standard_input(size: u64) -> Body {
    let (pieces, received) = tokio::sync::mpsc::channel(2);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock().take(size);
        loop {
            let mut bytes = vec![0; READ_SIZE];
            let piece = input.read(&mut bytes).map(|read| {
                bytes.truncate(read);
                Bytes::from(bytes)
            });
            let is_end = piece.as_ref().map_or(true, Bytes::is_empty);
            // The answer may not need the rest.
            if is_end && piece.is_ok() {
                return;
            }
            if pieces.blocking_send(piece).is_err() || is_end {
                return;
            }
        }
    });
    let next = |mut received: tokio::sync::mpsc::Receiver<_>| async move {
        received.recv().await.map(|piece| (piece, received))
    };
    Body::from_stream(futures_util::stream::unfold(received, next))
}
