//! The user's wallet: `mmwallet answer` makes payments, `mmwallet settle` records what became of
//! them.

use std::path::PathBuf;
use std::process::Stdio;

use reqwest::StatusCode;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The exit status of mmwallet that says: not paid, no coins were sent.
const NOT_PAID: i32 = 3;

/// What may be paid, and with which wallet. Amounts are texts such as `0.05 USD`, or numbers of
/// coins.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// The program. Default: `mmwallet`.
    pub program: Option<PathBuf>,
    /// The wallet file. Default: the user's.
    pub wallet: Option<PathBuf>,
    /// The highest price of a page. Default: the user's setting, or 0.
    pub autopay: Option<String>,
    /// The most that leaves the wallet in a UTC day. Default: the user's setting, or 100 coins.
    pub daily_limit: Option<String>,
    /// The most money that one vendor gets in a UTC day. Default: the user's setting.
    pub site_limit: Option<String>,
    /// The name of the task, 1 to 64 printable characters. Default: a new name.
    pub task: Option<String>,
    /// The most money for the task. Default: the user's setting.
    pub task_limit: Option<String>,
    /// What the program pays for, in words, for the user's history.
    pub asked: Option<String>,
    /// Pay over plain http too. Others on the network can then steal the coins.
    pub allow_http: bool,
    /// A PEM file of the certificates to trust when a vendor is asked for its consent.
    pub cacert: Option<PathBuf>,
}

/// A payment whose coins are recorded as sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Payment {
    /// Its reference, which the vendor's Payment-Receipt repeats.
    pub reference: String,
    /// Whether the same payment was made before, and its outcome is not known yet.
    pub again: bool,
    /// The vendor.
    pub vendor: String,
    /// The number of coins.
    pub coins: u32,
    /// Their value, such as `0.02 USD`; `None` if it does not fit.
    pub money: Option<String>,
    /// What is left of the limit for the task.
    pub task_left: Option<String>,
    pub(crate) header: Header,
}

/// The header field that carries a payment.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Header {
    pub(crate) value: String,
}

/// The wallet did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The wallet does not pay; no coins were sent.
    #[error("{0}")]
    NotPaid(String),
    /// The wallet cannot be used. The message says whether coins were sent.
    #[error("{0}")]
    Failed(String),
    /// The program cannot be run; no coins were sent.
    #[error("cannot run {}: {error}", program.display())]
    NotRun {
        /// The program.
        program: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl Limits {
    fn program(&self) -> PathBuf {
        self.program.clone().unwrap_or_else(|| "mmwallet".into())
    }

    /// `--name=value` for each option that is set.
    fn options(&self) -> Vec<String> {
        let texts = [
            ("autopay", &self.autopay),
            ("daily-limit", &self.daily_limit),
            ("site-limit", &self.site_limit),
            ("task", &self.task),
            ("task-limit", &self.task_limit),
            ("asked", &self.asked),
        ];
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let cacert = self.cacert.iter().map(|path| ("cacert", path.display().to_string()));
        let mut options: Vec<String> =
            texts.chain(cacert).map(|(name, value)| format!("--{name}={value}")).collect();
        options.extend(self.allow_http.then(|| "--allow-http".to_string()));
        options
    }
}

/// What stands for the body of a request: the wallet only compares bodies, to see whether a request
/// is the same as before. The body itself may be long, binary, or begin with the @ that names a
/// file.
fn digest(body: &[u8]) -> String {
    Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks the wallet for a payment.
pub(crate) async fn pay(
    limits: &Limits,
    offer: &str,
    url: &str,
    method: &str,
    body: &[u8],
) -> Result<Payment, WalletError> {
    let mut args = limits.options();
    args.extend(["--url", url, "-X", method, "--format", "json", "--silent"].map(String::from));
    if !body.is_empty() {
        args.push(format!("--data={}", digest(body)));
    }
    let output = run(limits, "answer", &args, offer).await?;
    serde_json::from_str(&output).map_err(|error| {
        WalletError::Failed(format!("mmwallet answer printed something else: {error}"))
    })
}

/// Records what became of a payment, from the head of the answer.
pub(crate) async fn settle(
    limits: &Limits,
    reference: &str,
    fields: &str,
    status: StatusCode,
) -> Result<(), WalletError> {
    let head = format!("HTTP/1.1 {} answer\r\n{fields}\r\n", status.as_u16());
    run(limits, "settle", &[reference.to_string(), "answer".to_string()], &head).await.map(drop)
}

async fn run(
    limits: &Limits,
    command: &str,
    args: &[String],
    input: &str,
) -> Result<String, WalletError> {
    let program = limits.program();
    let failed = |error| WalletError::NotRun { program: program.clone(), error };
    let mut child = Command::new(&program);
    if let Some(wallet) = &limits.wallet {
        child.arg("--wallet").arg(wallet);
    }
    child.arg(command).args(args);
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that has ended already says why on standard error.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_string();
    Err(match output.status.code() {
        Some(NOT_PAID) => WalletError::NotPaid(words),
        _ => WalletError::Failed(words),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_that_are_set() {
        assert!(Limits::default().options().is_empty());
        let limits = Limits {
            autopay: Some("0.05 USD".into()),
            task: Some("t".into()),
            allow_http: true,
            ..Limits::default()
        };
        assert_eq!(limits.options(), ["--autopay=0.05 USD", "--task=t", "--allow-http"]);
    }

    #[test]
    fn a_body_is_never_a_file_name() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(b""), empty);
        assert!(digest(b"@/etc/passwd").bytes().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn what_mmwallet_prints_is_read() {
        let payment: Payment = serde_json::from_str(
            r#"{"reference": "a", "again": false, "vendor": "v", "coins": 2, "money": "0.02 USD",
                "task-left": null, "header": {"name": "Authorization", "value": "Payment x"}}"#,
        )
        .unwrap();
        assert_eq!((payment.coins, payment.header.value.as_str()), (2, "Payment x"));
    }
}
