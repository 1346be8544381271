//! The listener: plain HTTP on a loopback address or behind a proxy, or TLS.
//!
//! Input: an address. Output: a server that runs until it is told to end. The invariants: a client
//! that sends no complete head in time, or reads nothing of its answer, is given up; connections
//! are bounded; a server that ends finishes the requests that it has.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpSocket;

use super::connections::Bounded;
use super::{App, router};

/// How long a client may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// The most header fields of a request.
const HEADERS_MAX: usize = 64;
/// The largest head of a request, in bytes.
const HEAD_SIZE_MAX: usize = 16 * 1024;
/// How long a client may take to read any of what was sent to it, in milliseconds. Until then its
/// answer takes memory.
const READ_TIMEOUT_MS: u32 = 30_000;
/// How many connections wait to be accepted, if the system allows as many. A client beyond waits a
/// second and more until it tries again.
const BACKLOG: u32 = 4096;
/// How long the requests that are running may take when the server ends.
const END_TIMEOUT: Duration = Duration::from_secs(25);

/// The certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain of certificates.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error(
        "the certificate {} or its key {}: {source}",
        files.certificate.display(),
        files.key.display()
    )]
    Tls {
        /// The files.
        files: TlsFiles,
        /// The reason.
        source: std::io::Error,
    },
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Failed(std::io::Error),
}

/// A server that listens.
pub struct Listening {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Listens on an address; port 0 lets the system choose one.
///
/// # Errors
/// The address or the TLS files cannot be used.
pub async fn listen(
    app: Arc<App>,
    address: SocketAddr,
    tls: Option<TlsFiles>,
) -> Result<Listening, ServerError> {
    listen_on(app, bind(address).await?, tls).await
}

/// Takes an address; port 0 lets the system choose one.
///
/// # Errors
/// The address cannot be used.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    bound(address).map_err(|source| ServerError::Listen { address, source })
}

/// Listens on an address that was taken.
///
/// # Errors
/// The TLS files cannot be used, or the listener failed.
pub async fn listen_on(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsFiles>,
) -> Result<Listening, ServerError> {
    let address = listener.local_addr().map_err(ServerError::Failed)?;
    let failed = |source| ServerError::Listen { address, source };
    let bounded = Bounded::new(app.shop.proxies());
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    let task = match tls {
        None => {
            let mut server = axum_server::from_tcp(listener)
                .map_err(failed)?
                .acceptor(bounded)
                .handle(handle.clone())
                .http1_only();
            bound_heads(server.http_builder());
            tokio::spawn(server.serve(service))
        }
        Some(files) => {
            // A second call finds the provider installed.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let config = RustlsConfig::from_pem_file(&files.certificate, &files.key)
                .await
                .map_err(|source| ServerError::Tls { files, source })?;
            let mut server = axum_server::from_tcp_rustls(listener, config)
                .map_err(failed)?
                .map(|tls| tls.acceptor(bounded))
                .handle(handle.clone())
                .http1_only();
            bound_heads(server.http_builder());
            tokio::spawn(server.serve(service))
        }
    };
    Ok(Listening { address, handle, task })
}

fn bound_heads(
    builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>,
) {
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_SIZE_MAX);
}

/// A listener that does not block. The runtime must have been entered.
fn bound(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    // The connections that it accepts inherit this.
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(&socket, READ_TIMEOUT_MS)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

impl Listening {
    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the server after the requests that are running.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn end(self) -> Result<(), ServerError> {
        self.handle.graceful_shutdown(Some(END_TIMEOUT));
        match self.task.await {
            Ok(done) => done.map_err(ServerError::Failed),
            Err(_) => Ok(()),
        }
    }
}
