//! Requests to the broker's service.
//!
//! Input: a path, and a message. Output: a response of bounded size. The invariant: messages go to
//! an https URL, or to this machine.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use micromint::params::normal_broker_url;
use micromint::protocol::{MEDIA_TYPE, Url};
use micromint_console::{ToolError, one_line, read_input};
use serde::Deserialize;
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// The largest file of certificates, in bytes.
const CACERT_SIZE_MAX: usize = 4 * 1024 * 1024;
/// The largest document that is read, in bytes.
const DOCUMENT_SIZE_MAX: u64 = 16 * 1024 * 1024;
/// The largest answer to a message, in bytes: verdicts on a batch, or a million tags.
const ANSWER_SIZE_MAX: u64 = 64 * 1024 * 1024;
/// What a message may be answered with: a message, or a refusal.
const ACCEPT: &str = "application/x-micromint, application/problem+json";
/// The broker's witness, which a vendor keeps and sends back.
const WITNESS_HEADER: &str = "MicroMint-Witness";
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the broker may take for an answer: a large batch takes a while.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

/// The broker's service.
pub(super) struct Broker {
    agent: Agent,
    /// Without a slash at the end.
    url: String,
}

/// What the broker says about itself.
#[derive(Deserialize)]
pub(super) struct WellKnown {
    pub(super) periods: Vec<KnownPeriod>,
}

/// A period of the broker.
#[derive(Deserialize)]
pub(super) struct KnownPeriod {
    pub(super) period: String,
    pub(super) start: String,
    #[serde(rename = "redeem-until")]
    pub(super) redeem_until: String,
}

/// A refusal (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    /// A word for programs.
    title: String,
    /// Why, for people.
    detail: String,
}

/// A response: the status, and the body.
pub(super) struct Answer {
    status: u16,
    body: Vec<u8>,
    /// How far the broker is, by its own account.
    pub(super) witness: Option<String>,
}

impl WellKnown {
    pub(super) fn read(answer: Answer) -> Result<WellKnown, ToolError> {
        let body = answer.good()?;
        Ok(serde_json::from_slice(&body).map_err(|error| format!("the broker: {error}"))?)
    }
}

impl Broker {
    pub(super) fn new(url: &str, cacert: Option<&Path>) -> Result<Broker, ToolError> {
        let url = normal_broker_url(url).trim_end_matches('/').to_string();
        let parsed: Url = format!("{url}/").parse()?;
        if !parsed.is_https() && !parsed.host().is_loopback() {
            return Err(format!("--broker: expected an https URL, found {url:?}").into());
        }
        let agent = web_agent(cacert, ANSWER_TIMEOUT)?;
        Ok(Broker { agent, url })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What answers at the place where a broker says what it is.
    pub(super) fn ask_well_known(&self) -> Result<Answer, ToolError> {
        // The document is at the root of the host.
        let url: Url = format!("{}/", self.url).parse()?;
        self.fetch(&format!("{}/.well-known/micromint-broker", url.origin()))
    }

    /// The document at a path of the service.
    pub(super) fn document(&self, path: &str) -> Result<Vec<u8>, ToolError> {
        self.fetch(&format!("{}{path}", self.url))?.good()
    }

    fn fetch(&self, url: &str) -> Result<Answer, ToolError> {
        let response = self.agent.get(url).header("Accept", "text/plain").call();
        read(response.map_err(|error| format!("{url}: {error}"))?, DOCUMENT_SIZE_MAX)
    }

    /// The answer to a message, whatever it is.
    pub(super) fn ask(&self, path: &str, message: &[u8]) -> Result<Answer, ToolError> {
        self.ask_with(path, message, None)
    }

    /// The answer to a message that is sent with a witness of the broker.
    pub(super) fn ask_with(
        &self,
        path: &str,
        message: &[u8],
        witness: Option<&str>,
    ) -> Result<Answer, ToolError> {
        let url = format!("{}{path}", self.url);
        let request = self.agent.post(&url).header("Content-Type", MEDIA_TYPE);
        let request = match witness {
            Some(witness) => request.header(WITNESS_HEADER, witness),
            None => request,
        };
        let response = request.header("Accept", ACCEPT).send(message);
        read(response.map_err(|error| format!("{url}: {error}"))?, ANSWER_SIZE_MAX)
    }
}

/// What makes requests. It follows no redirect, and trusts the certificates in `cacert`, or the
/// system's.
pub(crate) fn web_agent(cacert: Option<&Path>, timeout: Duration) -> Result<Agent, ToolError> {
    let roots = match cacert {
        None => RootCerts::PlatformVerifier,
        Some(path) => {
            let pem = read_input(path, CACERT_SIZE_MAX)?;
            let mut certificates = Vec::new();
            for item in parse_pem(&pem) {
                if let PemItem::Certificate(certificate) = item? {
                    certificates.push(certificate);
                }
            }
            RootCerts::from(certificates)
        }
    };
    Ok(Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(timeout))
        .user_agent(concat!("mmvendor/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .build()
        .into())
}

fn read(response: ureq::http::Response<ureq::Body>, size_max: u64) -> Result<Answer, ToolError> {
    let status = response.status().as_u16();
    let witness = response.headers().get(WITNESS_HEADER);
    let witness = witness.and_then(|witness| witness.to_str().ok()).map(str::to_string);
    let mut body = Vec::new();
    response.into_body().into_reader().take(size_max + 1).read_to_end(&mut body)?;
    if body.len() as u64 > size_max {
        return Err(format!("the broker's answer has more than {size_max} bytes").into());
    }
    Ok(Answer { status, body, witness })
}

impl Answer {
    /// The body of a good answer.
    pub(super) fn good(self) -> Result<Vec<u8>, ToolError> {
        if self.status == 200 { Ok(self.body) } else { Err(self.words().into()) }
    }

    /// Whether the same message would be refused again: not for its rate, or while the broker
    /// cannot answer.
    pub(super) fn is_refused_for_good(&self) -> bool {
        (400..500).contains(&self.status) && ![408, 425, 429].contains(&self.status)
    }

    /// Whether the broker does not know the key of the message.
    pub(super) fn is_wrong_key(&self) -> bool {
        self.status == 403 && self.problem().is_some_and(|it| it.title == "wrong-authenticator")
    }

    fn problem(&self) -> Option<Problem> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What a refusal says: one line of text.
    pub(super) fn words(&self) -> String {
        let detail = self.problem().map(|problem| problem.detail);
        let text = detail.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        let words = one_line(&text);
        format!("the broker answers {}: {words}", self.status)
    }
}
