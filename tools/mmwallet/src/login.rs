//! The user's login at a broker's web server (basic authentication).
//!
//! A password belongs to one broker. Input: the name, the password file, and the URL of the broker
//! that they are for. Output: the header for a request to that broker. The invariant: a request to
//! another scheme, host or port never gets it, and neither does one that others on the network
//! could read.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Origin, Url};

use micromint::identity::VendorId;
use micromint_console::{ToolError, input_name, read_secret_input};

/// The largest password file, in bytes.
const PASSWORD_SIZE_MAX: usize = 4096;

/// A name and a password file, as the user gave them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoginOptions<'a> {
    /// The name.
    pub user: Option<&'a str>,
    /// The file whose first line is the password. It must be readable by its owner only.
    pub password_file: Option<&'a Path>,
}

/// A login that is bound to one origin.
pub(crate) struct Login {
    origin: Origin,
    header: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl LoginOptions<'_> {
    /// Reads the password and binds the login to the origin of `broker`. `None` without a name.
    ///
    /// # Errors
    /// There is no password file, it cannot be read, or `broker` is not secure.
    pub(crate) fn bind(&self, broker: &str) -> Result<Option<Login>, ToolError> {
        let Some(user) = self.user else { return Ok(None) };
        let origin = secure_url(broker)?.origin();
        let path =
            self.password_file.ok_or("--user needs --password-file (- is standard input)")?;
        let text = read_secret_input(path, PASSWORD_SIZE_MAX)?;
        let password = text.lines().next().unwrap_or_default();
        if password.is_empty() {
            let name = input_name(path);
            return Err(format!(
                "{name}: expected a password in the first line, found none; nothing was sent"
            )
            .into());
        }
        let header = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        Ok(Some(Login { origin, header }))
    }
}

impl Login {
    /// The header for a request to `url`; `None` if `url` is of another origin.
    pub(crate) fn header_for(&self, url: &Url) -> Option<(String, String)> {
        let is_its = url.origin() == self.origin;
        is_its.then(|| ("Authorization".to_string(), self.header.clone()))
    }
}

/// Parses a URL to which keys, coins and passwords are sent. It must be https, or http to this
/// machine.
///
/// # Errors
/// It is not a URL, or others on the network could read what is sent to it.
pub(crate) fn secure_url(url: &str) -> Result<Url, ToolError> {
    let parsed = Url::parse(url).map_err(|error| format!("URL {url:?}: {error}"))?;
    let host: Option<VendorId> = parsed.host_str().and_then(|host| host.parse().ok());
    let is_here = || host.is_some_and(|host| host.is_loopback());
    if parsed.scheme() == "https" || (parsed.scheme() == "http" && is_here()) {
        return Ok(parsed);
    }
    Err(format!(
        "{url} is not https: others on the network could read your keys and coins; \
        nothing was sent"
    )
    .into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_sent_to_its_broker_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        std::fs::write(&path, "open sesame\nsecond line").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let options = LoginOptions { user: Some("alice"), password_file: Some(&path) };
        let login = options.bind("https://broker.example/coins").unwrap().unwrap();
        assert!(!format!("{login:?}").contains("Basic"));
        for (url, is_its) in [
            ("https://broker.example/coins/return", true),
            ("https://broker.example:443/other", true),
            ("http://broker.example/coins", false),
            ("https://broker.example:8443/coins", false),
            ("https://www.broker.example/coins", false),
            ("https://broker.example.thief.example/coins", false),
        ] {
            assert_eq!(login.header_for(&Url::parse(url).unwrap()).is_some(), is_its, "{url}");
        }
        assert!(options.bind("http://broker.example/").is_err());
        assert!(options.bind("http://127.0.0.1:8080/").unwrap().is_some());
        let no_file = LoginOptions { user: Some("alice"), password_file: None };
        assert!(no_file.bind("https://broker.example/").is_err());
        assert!(LoginOptions::default().bind("https://broker.example/").unwrap().is_none());
    }
}
