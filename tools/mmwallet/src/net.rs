//! The network: sends one request and returns its response. Redirects are never followed here; the
//! caller decides about them.
//!
//! Limits: 64 KiB of headers in a response. Bodies are streamed, or read up to a limit that the
//! caller sets.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use micromint_console::{ToolError, read_input};
use ureq::http::{HeaderMap, Method, Request};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

/// The largest status line and headers of a response, in bytes.
pub const HEAD_SIZE_MAX: usize = 64 * 1024;
/// The largest file of certificates, in bytes.
const CACERT_SIZE_MAX: usize = 4 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the server may be silent, before the response begins and within it.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(120);

/// How requests are sent.
#[derive(Clone, Debug, Default)]
pub struct NetOptions<'a> {
    /// The proxy; `None` uses the one of the environment, an empty text uses none.
    pub proxy: Option<&'a str>,
    /// A PEM file with certificates to trust instead of the system's.
    pub cacert: Option<&'a Path>,
    /// The time limit for a request and its whole response.
    pub time_max: Option<Duration>,
}

/// Sends requests.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    time_max: Option<Duration>,
}

/// A response whose body has not been read yet.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and the headers, as `curl -i` prints them.
    pub head: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Client {
    /// Creates a client.
    ///
    /// # Errors
    /// The proxy or the certificates cannot be used.
    pub fn new(options: &NetOptions<'_>) -> Result<Client, ToolError> {
        let proxy = match options.proxy {
            Some("") => None,
            Some(proxy) => {
                Some(Proxy::new(proxy).map_err(|error| format!("proxy {proxy:?}: {error}"))?)
            }
            None => Proxy::try_from_env(),
        };
        let roots = match options.cacert {
            Some(path) => certificates(path)?,
            None => RootCerts::PlatformVerifier,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .max_response_header_size(HEAD_SIZE_MAX)
            .user_agent(concat!("mmwallet/", env!("CARGO_PKG_VERSION")))
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .timeout_global(options.time_max)
            .build();
        Ok(Client { agent: Agent::new_with_config(config), time_max: options.time_max })
    }

    /// Sends a request and returns the response as soon as its headers have come. A body is sent if
    /// it is not empty, or if the method requires one.
    ///
    /// # Errors
    /// The request is malformed, or no response came.
    pub fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Response, ureq::Error> {
        let method: Method =
            method.parse().map_err(|error| ureq::Error::Http(ureq::http::Error::from(error)))?;
        let has_body =
            !body.is_empty() || matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = if has_body {
            let request = request.body(body)?;
            let request =
                self.agent.configure_request(request).allow_non_standard_methods(true).build();
            self.agent.run(request)?
        } else {
            self.agent.run(request.body(())?)?
        };
        let (parts, body) = answer.into_parts();
        let mut head = format!("{:?} {}\r\n", parts.version, parts.status);
        for (name, value) in &parts.headers {
            head.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
        head.push_str("\r\n");
        Ok(Response { status: parts.status.as_u16(), head, headers: parts.headers, body })
    }
}

impl Client {
    /// Fetches a document of at most `size_max` bytes within `time_max`, with a plain GET. A redirect
    /// is not followed.
    ///
    /// # Errors
    /// No whole response came in time, its status is not 200, or it is longer.
    pub fn document(
        &self,
        url: &str,
        size_max: usize,
        time_max: Duration,
    ) -> Result<Vec<u8>, ToolError> {
        let time_max = self.time_max.map_or(time_max, |own| own.min(time_max));
        let request = self.agent.get(url).config().timeout_global(Some(time_max)).build();
        let (parts, body) = request.call()?.into_parts();
        let status = parts.status.as_u16();
        if status != 200 {
            return Err(format!("expected HTTP status 200, found {status}").into());
        }
        Response { status, head: String::new(), headers: parts.headers, body }.read(size_max)
    }
}

impl Response {
    /// The value of a header if it is ASCII text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the body is of this media type.
    pub fn is_of_type(&self, media_type: &str) -> bool {
        let found = self.header("content-type").unwrap_or_default();
        found.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }

    /// Reads a body of at most `size_max` bytes.
    ///
    /// # Errors
    /// It is longer, or did not come completely.
    pub fn read(&mut self, size_max: usize) -> Result<Vec<u8>, ToolError> {
        let mut bytes = Vec::new();
        self.body.as_reader().take(size_max as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > size_max {
            return Err(
                format!("expected a response of at most {size_max} bytes, found more").into()
            );
        }
        Ok(bytes)
    }
}

fn certificates(path: &Path) -> Result<RootCerts, ToolError> {
    let pem = read_input(path, CACERT_SIZE_MAX)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|e| format!("{}: {e}", path.display()))?
        {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(
            format!("{}: expected a certificate in PEM form, found none", path.display()).into()
        );
    }
    Ok(RootCerts::new_with_certs(&found))
}
