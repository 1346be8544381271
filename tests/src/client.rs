//! A client that sends exactly the given bytes and reads one answer at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use micromint::protocol::{MEDIA_TYPE, PAYMENT_HEADER, Payment, STATUS_HEADER};

use crate::PATIENCE;

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status of its first line.
    pub status: u16,
    /// The fields of its head, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Response {
    /// The value of a field; repeated fields are joined by `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// What became of the payment: the word in `MicroMint-Status`, empty if there is none.
    pub fn word(&self) -> String {
        self.header(STATUS_HEADER).unwrap_or_default()
    }

    /// Status, word and body, for comparison in one line.
    pub fn seen(&self) -> (u16, String, &str) {
        (self.status, self.word(), self.body.as_str())
    }

    /// Status and word.
    pub fn short(&self) -> (u16, String) {
        (self.status, self.word())
    }

    /// The name and value of the receipt cookie, as a client sends it back.
    pub fn cookie(&self) -> Option<String> {
        let value = self.header("set-cookie")?;
        Some(value.split(';').next()?.to_string())
    }
}

/// A connection that may carry several requests.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Connection {
    /// Connects to a port of this machine.
    pub fn open(port: u16) -> Connection {
        Connection { stream: BufReader::new(Box::new(connect(port))) }
    }

    /// Connects to a port of this machine over TLS. The certificate is not verified, and no server
    /// name is sent.
    pub fn open_tls(port: u16) -> Connection {
        Connection { stream: BufReader::new(Box::new(tls_over(connect(port)))) }
    }

    /// Sends bytes unchanged.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// Reads the answer to a request. `method` determines whether it has a body.
    pub fn receive(&mut self, method: &str) -> Response {
        loop {
            let answer = self.receive_one(method);
            if answer.status != 100 {
                return answer;
            }
        }
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: &RequestText) -> Response {
        self.send(request.to_bytes());
        self.receive(&request.method)
    }

    /// Reads exactly `size` bytes.
    pub fn read(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    fn receive_one(&mut self, method: &str) -> Response {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status
            .unwrap_or_else(|| panic!("expected the first line of an answer, found {first:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
        }
        let mut answer = Response { status, headers, body: String::new() };
        if method != "HEAD" && status >= 200 && ![204, 304].contains(&status) {
            answer.body = self.body(&answer);
        }
        answer
    }

    fn body(&mut self, answer: &Response) -> String {
        let mut body = Vec::new();
        if answer.header("transfer-encoding").is_some() {
            loop {
                let size = usize::from_str_radix(self.line().trim(), 16).unwrap();
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..]).unwrap();
                self.line();
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = answer.header("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.stream.read_exact(&mut body).unwrap();
        } else {
            self.stream.read_to_end(&mut body).unwrap();
        }
        String::from_utf8_lossy(&body).into_owned()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_string()
    }
}

/// Wraps a connection in TLS. The certificate is not verified, and no server name is sent.
pub fn tls_over(stream: TcpStream) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let name = std::net::IpAddr::from([127, 0, 0, 1]).into();
    rustls::StreamOwned::new(rustls::ClientConnection::new(tls::config(), name).unwrap(), stream)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// TLS to our own test servers, whose certificates are self-signed.
mod tls {
    use std::sync::{Arc, OnceLock};

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

    pub(super) fn config() -> Arc<ClientConfig> {
        static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let config = CONFIG.get_or_init(|| {
            let provider = Arc::new(ring::default_provider());
            let config = ClientConfig::builder_with_provider(Arc::clone(&provider));
            let config = config.with_safe_default_protocol_versions().unwrap().dangerous();
            let verifier = Arc::new(AnyCertificate(provider));
            Arc::new(config.with_custom_certificate_verifier(verifier).with_no_client_auth())
        });
        Arc::clone(config)
    }

    #[derive(Debug)]
    struct AnyCertificate(Arc<CryptoProvider>);

    impl ServerCertVerifier for AnyCertificate {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(
                message,
                certificate,
                signature,
                &self.0.signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(
                message,
                certificate,
                signature,
                &self.0.signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}

/// A request, to be sent as bytes.
#[derive(Clone, Debug)]
pub struct RequestText {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: &'static str,
    /// The header fields, Host among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl RequestText {
    /// A request with HTTP/1.1.
    pub fn new(method: &str, target: &str) -> RequestText {
        RequestText {
            method: method.to_string(),
            target: target.to_string(),
            version: "HTTP/1.1",
            headers: vec![("Host".to_string(), "localhost".to_string())],
            body: Vec::new(),
        }
    }

    /// A GET.
    pub fn get(target: &str) -> RequestText {
        RequestText::new("GET", target)
    }

    /// A payment in the body of a POST.
    pub fn post(target: &str, payment: &Payment) -> RequestText {
        RequestText::post_bytes(target, &payment.to_bytes())
    }

    /// Arbitrary bytes that claim to be a payment, in the body of a POST.
    pub fn post_bytes(target: &str, body: &[u8]) -> RequestText {
        let request = RequestText::new("POST", target).with("Content-Type", MEDIA_TYPE);
        RequestText { body: body.to_vec(), ..request }
            .with("Content-Length", &body.len().to_string())
    }

    /// A request with a payment in a header.
    pub fn with_payment(self, payment: &Payment) -> RequestText {
        self.with(PAYMENT_HEADER, &base64url(&payment.to_bytes()))
    }

    /// Adds a header field.
    pub fn with(mut self, name: &str, value: &str) -> RequestText {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Uses HTTP/1.0.
    pub fn by_http_1_0(self) -> RequestText {
        RequestText { version: "HTTP/1.0", ..self }
    }

    /// The request as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} {}\r\n", self.method, self.target, self.version);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        [text.as_bytes(), &self.body].concat()
    }
}

/// base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(number >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}
