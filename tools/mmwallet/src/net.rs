//! The network: sends one request and returns its response. Redirects are never followed here; the
//! caller decides about them.
//!
//! With `--verbose`, requests and responses are shown on standard error. The invariant: what is
//! shown contains no coin, key, password or Authenticator, and no body.
//!
//! Limits: 64 KiB of headers in a response. Bodies are streamed, or read up to a limit that the
//! caller sets.

mod connect;

mod proxy;

mod shown;

use std::cell::RefCell;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use micromint_console::{ToolError, read_input};
use ureq::config::AutoHeaderValue;
use ureq::http::{HeaderMap, Method, Request};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};
use url::Url;

use proxy::Proxies;
pub(crate) use proxy::{checked as checked_proxy, is_loopback};

/// The largest status line and headers of a response, in bytes.
pub const HEAD_SIZE_MAX: usize = 64 * 1024;
/// The largest file of certificates, in bytes.
const CACERT_SIZE_MAX: usize = 4 * 1024 * 1024;
/// How long a connection may take by default.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The default of the header User-Agent.
const USER_AGENT: &str = concat!("mmwallet/", env!("CARGO_PKG_VERSION"));
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
    /// The time limit for a connection; `None` is 30 seconds.
    pub connect_time_max: Option<Duration>,
    /// Trust any certificate of this machine, and no other one more than before.
    pub trusts_loopback: bool,
    /// Show requests and responses on standard error.
    pub verbose: bool,
    /// Connect to public addresses only: neither to this machine nor to private networks.
    pub public_only: bool,
}

/// Sends requests.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    time_max: Option<Duration>,
    proxies: Proxies,
    /// The TLS configuration for this machine, if it differs.
    loopback_tls: Option<TlsConfig>,
    verbose: bool,
    public_only: bool,
    transfer: RefCell<Transfer>,
}

/// What happened last, for `--write-out`.
#[derive(Clone, Debug, Default)]
pub struct Transfer {
    /// The URL of the last request.
    pub url: String,
    /// Its method.
    pub method: String,
    /// The status of the last response; 0 if there was none.
    pub status: u16,
    /// The version of HTTP, such as `1.1`.
    pub version: String,
    /// The headers of the last response.
    pub headers: HeaderMap,
    /// How many requests were sent.
    pub requests: u32,
    /// How many redirects were followed.
    pub redirects: u32,
    /// When the first request was sent.
    pub began: Option<Instant>,
    /// How many coins the vendor took.
    pub coins_paid: u32,
    /// Why no response came.
    pub failure: Option<Failure>,
}

/// Why no response came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A time limit.
    Timeout,
    /// The host's name has no address.
    HostNotFound,
    /// Nothing listens at its port.
    Refused,
    /// Another reason.
    Other,
}

impl Failure {
    fn of(error: &ureq::Error) -> Failure {
        match error {
            ureq::Error::Timeout(_) => Failure::Timeout,
            ureq::Error::HostNotFound => Failure::HostNotFound,
            ureq::Error::Io(error) => match error.kind() {
                std::io::ErrorKind::ConnectionRefused => Failure::Refused,
                std::io::ErrorKind::TimedOut => Failure::Timeout,
                // The system's resolver has no kind of its own.
                _ if error.to_string().contains("failed to lookup address") => {
                    Failure::HostNotFound
                }
                _ => Failure::Other,
            },
            _ => Failure::Other,
        }
    }
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
        let variable =
            |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let proxies = Proxies::new(options.proxy, variable)?;
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
            .user_agent(USER_AGENT)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_connect(Some(options.connect_time_max.unwrap_or(CONNECT_TIMEOUT)))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .timeout_global(options.time_max)
            .build();
        let loopback_tls = options
            .trusts_loopback
            .then(|| TlsConfig::builder().disable_verification(true).build());
        Ok(Client {
            agent: connect::agent(config, options.public_only),
            time_max: options.time_max,
            proxies,
            loopback_tls,
            verbose: options.verbose,
            public_only: options.public_only,
            transfer: RefCell::default(),
        })
    }

    /// What happened last.
    pub fn transfer(&self) -> Transfer {
        self.transfer.borrow().clone()
    }

    /// Forgets what happened, before another URL is fetched.
    pub(crate) fn forget(&self) {
        self.transfer.replace(Transfer::default());
    }

    /// Counts the coins of a payment that the vendor took.
    pub(crate) fn count_coins(&self, coins: u32) {
        self.transfer.borrow_mut().coins_paid += coins;
    }

    /// Counts a redirect that is followed.
    pub(crate) fn count_redirect(&self) {
        self.transfer.borrow_mut().redirects += 1;
    }

    /// Whether certificates of this machine are not checked.
    pub(crate) fn trusts_loopback(&self) -> bool {
        self.loopback_tls.is_some()
    }

    /// Sends a request and returns the response as soon as its headers have come. A body is sent if
    /// it is not empty, or if the method requires one. An empty User-Agent or Accept sends none.
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
        let is_left_out = |name: &str| {
            headers.iter().any(|(own, value)| shown::is(own, name) && value.is_empty())
        };
        let (no_agent, no_accept) = (is_left_out("user-agent"), is_left_out("accept"));
        let mut request = Request::builder().method(method.clone()).uri(url);
        for (name, value) in headers {
            let is_none =
                value.is_empty() && ["user-agent", "accept"].iter().any(|n| shown::is(name, n));
            if !is_none {
                request = request.header(name, value);
            }
        }
        self.begin(method.as_str(), url, headers, if has_body { body.len() } else { 0 });
        if self.public_only {
            connect::check_literal(url)?;
        }
        let answer = if has_body {
            self.agent.run(self.configured(request.body(body)?, url, no_agent, no_accept))
        } else {
            self.agent.run(self.configured(request.body(())?, url, no_agent, no_accept))
        };
        let (parts, body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(error) => {
                self.transfer.borrow_mut().failure = Some(Failure::of(&error));
                return Err(error);
            }
        };
        self.note(&parts);
        let mut head = format!("{:?} {}\r\n", parts.version, parts.status);
        for (name, value) in &parts.headers {
            head.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
        head.push_str("\r\n");
        Ok(Response { status: parts.status.as_u16(), head, headers: parts.headers, body })
    }
}

impl Client {
    /// A request with the settings for its URL.
    fn configured<S: ureq::AsSendBody>(
        &self,
        request: Request<S>,
        url: &str,
        no_agent: bool,
        no_accept: bool,
    ) -> Request<S> {
        let mut config = self.agent.configure_request(request).allow_non_standard_methods(true);
        let url = Url::parse(url).ok();
        if let Some(url) = &url {
            config = config.proxy(self.proxies.for_url(url).cloned());
        }
        if let (Some(tls), Some(true)) = (&self.loopback_tls, url.as_ref().map(is_loopback)) {
            config = config.tls_config(tls.clone());
        }
        if no_agent {
            config = config.user_agent(AutoHeaderValue::None);
        }
        if no_accept {
            config = config.accept(AutoHeaderValue::None);
        }
        config.build()
    }

    fn begin(&self, method: &str, url: &str, headers: &[(String, String)], body_size: usize) {
        let mut transfer = self.transfer.borrow_mut();
        transfer.url = url.to_string();
        transfer.method = method.to_string();
        transfer.status = 0;
        transfer.requests += 1;
        transfer.began.get_or_insert_with(Instant::now);
        if self.verbose {
            let proxy = Url::parse(url).ok().and_then(|url| {
                self.proxies.for_url(&url).map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
            });
            shown::request(method, url, proxy.as_deref(), headers, USER_AGENT, body_size);
        }
    }

    fn note(&self, parts: &ureq::http::response::Parts) {
        let mut transfer = self.transfer.borrow_mut();
        transfer.status = parts.status.as_u16();
        transfer.version = format!("{:?}", parts.version).trim_start_matches("HTTP/").to_string();
        transfer.headers = parts.headers.clone();
        if self.verbose {
            shown::response(parts);
        }
    }

    /// Fetches a document of at most `size_max` bytes within `time_max`, with a plain GET. A
    /// redirect is not followed.
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
        if self.verbose {
            shown::request("GET", url, None, &[], USER_AGENT, 0);
        }
        if self.public_only {
            connect::check_literal(url)?;
        }
        let request = self.configured(Request::get(url).body(())?, url, false, false);
        let request = self.agent.configure_request(request).timeout_global(Some(time_max)).build();
        let (parts, body) = self.agent.run(request)?.into_parts();
        if self.verbose {
            shown::response(&parts);
        }
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

    /// Where a redirect leads: the header Location. Servers send it in UTF-8 or, as old ones do, in
    /// Latin-1.
    pub fn location(&self) -> Option<String> {
        // As for curl, an empty one leads nowhere.
        let bytes =
            self.headers.get("location").map(|to| to.as_bytes()).filter(|to| !to.is_empty())?;
        Some(match std::str::from_utf8(bytes) {
            Ok(text) => text.to_string(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        })
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
