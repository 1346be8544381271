//! How a connection is made: the addresses of a host race (RFC 8305), names below `localhost` are
//! this machine, and a plain http request through an http proxy has its absolute URL.
//!
//! Input: the URL and the configuration of a request. Output: a connection. The invariant: a dead
//! address costs a quarter of a second, not the time limit.
//!
//! The HTTP library does the rest: TCP, TLS, SOCKS and CONNECT. Its interface for this is not
//! stable, so its version is fixed to a minor one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use micromint_console::is_public;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, NextTimeout,
    RustlsConnector, SocksConnector, TcpConnector, Transport,
};
use ureq::{Agent, Error, Proxy, ProxyProtocol};
use url::{Host, Url};

/// How long an address may take before the next one is tried too (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// An agent that connects as this module says.
///
/// With `public_only`, it connects to [public](is_public) addresses only; a proxy is exempt.
pub(super) fn agent(config: Config, public_only: bool) -> Agent {
    let connector =
        ().chain(SocksConnector::default())
            .chain(PlainProxy::default())
            .chain(ConnectProxyConnector::default())
            .chain(Race)
            .chain(RustlsConnector::default());
    Agent::with_parts(
        config,
        connector,
        HostResolver { inner: DefaultResolver::default(), public_only },
    )
}

/// Resolves names; those below `localhost` without asking anyone (RFC 6761, section 6.3).
#[derive(Debug)]
struct HostResolver {
    inner: DefaultResolver,
    public_only: bool,
}

impl Resolver for HostResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        if host != "localhost" && !host.ends_with(".localhost") {
            let found = self.inner.resolve(uri, config, timeout)?;
            // The proxy that the owner chose may be anywhere.
            let is_proxy = config.proxy().is_some_and(|proxy| proxy.uri().host() == uri.host());
            return match found.iter().find(|found| !is_public(found.ip())) {
                Some(other) if self.public_only && !is_proxy => Err(not_public(&host, other.ip())),
                _ => Ok(found),
            };
        }
        if self.public_only {
            return Err(not_public(&host, IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let mut found = self.inner.empty();
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            found.push(SocketAddr::new(address, port));
        }
        Ok(found)
    }
}

/// Refuses a URL whose host is written as an address that is not public: a proxy would not notice.
pub(super) fn check_literal(url: &str) -> Result<(), Error> {
    let address = match Url::parse(url).ok().and_then(|url| url.host().map(|host| host.to_owned()))
    {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return Ok(()),
    };
    if is_public(address) { Ok(()) } else { Err(not_public(&address.to_string(), address)) }
}

fn not_public(host: &str, address: IpAddr) -> Error {
    Error::Other(
        format!(
            "{host} has the address {address}, which is not public; only the owner of the wallet \
             can allow that"
        )
        .into(),
    )
}

/// Connects to the first address of a host that answers.
#[derive(Debug)]
struct Race;

/// A TCP connection of the library.
type Tcp = <TcpConnector as Connector<()>>::Out;

impl<In: Transport> Connector<In> for Race {
    type Out = Either<In, Tcp>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        match chained {
            Some(made) => Ok(Some(Either::A(made))),
            None => Ok(race(details)?.map(Either::B)),
        }
    }
}

fn race(details: &ConnectionDetails<'_>) -> Result<Option<Tcp>, Error> {
    let addresses = interleaved(&details.addrs);
    if addresses.len() < 2 {
        return TcpConnector::default().connect(details, None::<()>);
    }
    let attempts = addresses.into_iter().map(|address| attempt(details, address)).collect();
    first_of(attempts, ATTEMPT_DELAY).unwrap_or(Err(Error::HostNotFound))
}

/// Makes the attempts, each `delay` after the one before it, or as soon as that has failed. Returns
/// the first success or else the last failure; `None` without attempts.
fn first_of<T: Send + 'static, E: Send + 'static>(
    attempts: Vec<impl FnOnce() -> Result<T, E> + Send + 'static>,
    delay: Duration,
) -> Option<Result<T, E>> {
    let (sender, receiver) = mpsc::channel();
    let mut waiting = attempts.into_iter();
    let mut open = 0;
    let mut failure = None;
    loop {
        if let Some(attempt) = waiting.next() {
            let sender = sender.clone();
            // Attempts that lose end by their own time limit, or with the program.
            thread::spawn(move || sender.send(attempt()));
            open += 1;
        } else if open == 0 {
            return failure.map(Err);
        }
        let answer = match waiting.len() {
            0 => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            _ => receiver.recv_timeout(delay),
        };
        match answer {
            Ok(Ok(connection)) => return Some(Ok(connection)),
            Ok(Err(error)) => {
                open -= 1;
                failure = Some(error);
            }
            // Not yet; the sender here keeps the channel open.
            Err(_) => {}
        }
    }
}

/// The addresses in the order in which they are tried: families alternate, beginning with the one
/// that the system prefers.
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let is_first = |address: &&SocketAddr| address.is_ipv6() == first.is_ipv6();
    let mut preferred = addresses.iter().filter(is_first);
    let mut others = addresses.iter().filter(|address| !is_first(address));
    let mut order = Vec::with_capacity(addresses.len());
    while order.len() < addresses.len() {
        order.extend(preferred.next());
        order.extend(others.next());
    }
    order
}

/// A connection attempt to one address, to be made in another thread.
fn attempt(
    details: &ConnectionDetails<'_>,
    address: SocketAddr,
) -> impl FnOnce() -> Result<Option<Tcp>, Error> + Send + 'static {
    let (uri, config) = (details.uri.clone(), details.config.clone());
    let (request_level, now, timeout) = (details.request_level, details.now, details.timeout);
    let current_time = details.current_time.clone();
    let run_connector = details.run_connector.clone();
    let register_shutdown = details.register_shutdown.clone();
    move || {
        let resolver = DefaultResolver::default();
        let mut addrs = resolver.empty();
        addrs.push(address);
        let details = ConnectionDetails {
            uri: &uri,
            addrs,
            config: &config,
            request_level,
            resolver: &resolver,
            now,
            timeout,
            current_time,
            run_connector,
            register_shutdown,
        };
        TcpConnector::default().connect(&details, None::<()>)
    }
}

/// Connects to an http proxy for a plain http request, which it forwards. (For https, the library
/// asks it for a tunnel.)
#[derive(Debug, Default)]
struct PlainProxy {
    tls: RustlsConnector,
}

impl<In: Transport> Connector<In> for PlainProxy {
    type Out = Either<In, AbsoluteForm>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(made) = chained {
            return Ok(Some(Either::A(made)));
        }
        let Some(proxy) = details.config.proxy().filter(|proxy| is_http(proxy)) else {
            return Ok(None);
        };
        if details.needs_tls() {
            return Ok(None);
        }
        let proxy_details = ConnectionDetails {
            uri: proxy.uri(),
            addrs: details.resolver.resolve(proxy.uri(), details.config, details.timeout)?,
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        let connection = race(&proxy_details)?;
        let Some(connection) = self.tls.connect(&proxy_details, connection)? else {
            return Ok(None);
        };
        let authority = details.uri.authority().map_or("", |authority| authority.as_str());
        Ok(Some(Either::B(AbsoluteForm {
            inner: Box::new(connection),
            origin: format!("http://{authority}"),
            login: login(proxy),
            is_sent: false,
        })))
    }
}

fn is_http(proxy: &Proxy) -> bool {
    matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
}

/// The header with the name and password of a proxy, if it has one.
fn login(proxy: &Proxy) -> String {
    let (user, password) = (proxy.username(), proxy.password());
    if user.is_none() && password.is_none() {
        return String::new();
    }
    let login = format!("{}:{}", user.unwrap_or_default(), password.unwrap_or_default());
    format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(login))
}

/// A connection to a proxy that takes one request, with the absolute URL as its target (RFC 9112,
/// section 3.2.2).
#[derive(Debug)]
struct AbsoluteForm {
    inner: Box<dyn Transport>,
    /// The scheme and authority that precede the path.
    origin: String,
    /// The header for the proxy; may be empty.
    login: String,
    is_sent: bool,
}

impl Transport for AbsoluteForm {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    /// The first piece of a request begins with its first line: `GET /path HTTP/1.1`.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if std::mem::replace(&mut self.is_sent, true) {
            return self.inner.transmit_output(amount, timeout);
        }
        let piece = &self.inner.buffers().output()[..amount];
        let piece = absolute(piece, &self.origin, &self.login);
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let output = self.inner.buffers().output();
            let (now, later) = rest.split_at(rest.len().min(output.len()));
            output[..now.len()].copy_from_slice(now);
            self.inner.transmit_output(now.len(), timeout)?;
            rest = later;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.inner.await_input(timeout)
    }

    /// Never used for a second request.
    fn is_open(&mut self) -> bool {
        false
    }
}

/// The first piece of a request with `origin` before the path, and `headers` after the first line.
fn absolute(piece: &[u8], origin: &str, headers: &str) -> Vec<u8> {
    let path = piece.iter().position(|byte| *byte == b' ').map_or(0, |space| space + 1);
    let line_end = piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |end| end + 1);
    let (line, rest) = piece.split_at(line_end);
    let (method, path) = line.split_at(path.min(line_end));
    [method, origin.as_bytes(), path, headers.as_bytes(), rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let [a, b, c, d] = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(address);
        assert_eq!(interleaved(&[a, b, c, d]), [a, d, b, c]);
        assert_eq!(interleaved(&[d, a, b]), [d, a, b]);
        assert_eq!(interleaved(&[a]), [a]);
        assert_eq!(interleaved(&[]), []);
    }

    /// The first address answers nothing for minutes, as a dead one does.
    #[test]
    fn a_dead_address_costs_the_delay_and_a_refusal_nothing() {
        let attempt = |wait: u64, result: Result<u32, &'static str>| {
            move || {
                thread::sleep(Duration::from_millis(wait));
                result
            }
        };
        // A delay that is awaited takes longer than a busy machine needs for everything else.
        const LONG: u64 = 600_000;
        for (attempts, expected, delay, least) in [
            (vec![attempt(LONG, Ok(1)), attempt(0, Ok(2))], Some(Ok(2)), 100, 100),
            (vec![attempt(0, Err("refused")), attempt(0, Ok(2))], Some(Ok(2)), LONG, 0),
            (vec![attempt(300, Ok(1)), attempt(LONG, Ok(2))], Some(Ok(1)), 100, 300),
            (vec![attempt(0, Err("a")), attempt(20, Err("b"))], Some(Err("b")), LONG, 20),
            (vec![], None, LONG, 0),
        ] {
            let began = std::time::Instant::now();
            assert_eq!(first_of(attempts, Duration::from_millis(delay)), expected);
            let took = began.elapsed();
            let is_in_time = Duration::from_millis(least) <= took && took.as_secs() < 60;
            assert!(is_in_time, "{took:?}, expected at least {least} ms");
        }
    }

    #[test]
    fn a_request_for_a_proxy_has_its_absolute_url() {
        let request = b"POST /a?b HTTP/1.1\r\nHost: a.example\r\n\r\nGET / body";
        let expected = "POST http://a.example:81/a?b HTTP/1.1\r\nX: y\r\nHost: a.example\r\n\r\n\
                        GET / body";
        let found = absolute(request, "http://a.example:81", "X: y\r\n");
        assert_eq!(String::from_utf8(found).unwrap(), expected);
    }
}
