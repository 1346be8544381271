//! Host proofs: whoever can put a file on a host acts for its vendor.
//!
//! Input: a Vendor-ID. Output: the text at a well-known path of that host. The invariants: the
//! answer is bounded in size and time; hosts inside the broker's own network are not asked, so
//! nobody uses the broker to look at them.

use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use micromint::identity::VendorId;
use micromint_console::is_public;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Where a host shows the proof.
pub const PROOF_PATH: &str = "/.well-known/micromint-broker-proof";
/// The most bytes of the proof that are read.
const PROOF_SIZE_MAX: u64 = 4096;
/// How long a host may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a host shows no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoProof {
    /// There is no such host, it is not public, or it does not answer. Which of these is not told:
    /// it would show what names the broker's own network has.
    #[error("the host cannot be reached")]
    Unreachable,
    /// It answers with another status than 200.
    #[error("the host answers with status {0}")]
    Status(u16),
}

/// Reads the proof that a host shows.
pub trait ProofSource: Send + Sync {
    /// The text at [`PROOF_PATH`] of a host.
    ///
    /// # Errors
    /// There is no proof.
    fn proof(&self, vendor: &VendorId) -> Result<String, NoProof>;
}

/// Reads proofs from the web, or from what a test puts in its place.
#[derive(Clone)]
pub struct Proofs(pub Arc<dyn ProofSource>);

impl Default for Proofs {
    fn default() -> Proofs {
        Proofs(Arc::new(Web))
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proofs")
    }
}

/// The web.
struct Web;

impl ProofSource for Web {
    fn proof(&self, vendor: &VendorId) -> Result<String, NoProof> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .https_only(true)
            .build();
        let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), Public::default());
        let url = format!("https://{vendor}{PROOF_PATH}");
        let response = agent.get(&url).call().map_err(|_| NoProof::Unreachable)?;
        if response.status() != 200 {
            return Err(NoProof::Status(response.status().as_u16()));
        }
        let mut text = String::new();
        let body = response.into_body().into_reader();
        body.take(PROOF_SIZE_MAX).read_to_string(&mut text).map_err(|_| NoProof::Unreachable)?;
        Ok(text)
    }
}

/// Finds public addresses only.
#[derive(Debug, Default)]
struct Public(DefaultResolver);

impl Resolver for Public {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        let mut public = self.empty();
        for address in found.iter().filter(|address| is_public(address.ip())) {
            public.push(*address);
        }
        if public.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(public) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_tells_which_names_there_are() {
        for host in ["localhost", "127.0.0.1", "nosuch.invalid", "no-such-name-at-all.invalid"] {
            let found = Web.proof(&host.parse().unwrap());
            assert_eq!(found, Err(NoProof::Unreachable), "{host}");
        }
    }

    #[test]
    fn hosts_of_the_own_network_are_not_asked() {
        for host in ["localhost", "127.0.0.1", "10.1.2.3", "169.254.169.254", "192.0.0.8", "[::1]"]
        {
            let uri = format!("https://{host}/").parse().unwrap();
            let found = Public::default().resolve(&uri, &Config::default(), NextTimeout::default());
            assert!(matches!(found, Err(ureq::Error::HostNotFound)), "{host}: {found:?}");
        }
        let uri = "https://93.184.216.34/".parse().unwrap();
        let found =
            Public::default().resolve(&uri, &Config::default(), NextTimeout::default()).unwrap();
        assert_eq!(found.len(), 1);
    }
}
