//! Mail: what the broker has to say is recorded with its cause, and sent by a server that the
//! operator chose.
//!
//! Input: messages. Output: mail, by SMTP. The invariants: a message is recorded in the transaction
//! of its cause, so none is lost and none is sent for nothing; it is sent at least once; its text,
//! which may have a link, is removed once it is sent or given up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use icu_normalizer::ComposingNormalizer;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use micromint::time::UnixTime;
use serde::Deserialize;
use sqlx::Row;

use super::form::is_plain_line;
use crate::service::{Service, ServiceError, blocking};
use crate::store::{Store, StoreError, Transaction, retried};

/// How long the server may take for one answer.
const SERVER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long another process leaves a message alone that one process sends, in seconds.
const SENDING_SECONDS: i64 = 300;
/// How long after a try that failed a message is tried again, in seconds; then it is given up.
const PAUSES: [i64; 5] = [60, 300, 1800, 7200, 21_600];
/// The longest address, in bytes (RFC 5321).
pub(super) const ADDRESS_LEN_MAX: usize = 254;
/// The longest file with a password, in bytes.
const PASSWORD_SIZE_MAX: u64 = 4096;

/// The part `[shop.mail]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MailSettings {
    /// The name of the server.
    pub server: String,
    /// Its port; without it that of `tls`.
    pub port: Option<u16>,
    /// Whether and how the connection is encrypted.
    #[serde(default)]
    pub tls: MailTls,
    /// A PEM file with a certificate to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// The name of the login. Absent: no login.
    pub user: Option<String>,
    /// The file with the password of the login.
    pub password_file: Option<PathBuf>,
    /// From whom mail is, such as `Example Coins <coins@broker.example>`.
    pub from: String,
}

/// How a connection to the server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// It begins without TLS and switches to it, or fails.
    #[default]
    Starttls,
    /// From the first byte on.
    Tls,
    /// Not at all: for a server on the same machine.
    None,
}

impl MailSettings {
    /// What is wrong with the settings.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn check(&self) -> Result<(), String> {
        self.from.parse::<Mailbox>().map_err(|error| {
            format!("shop.mail.from: expected a mail address, found {:?}: {error}", self.from)
        })?;
        if self.user.is_some() != self.password_file.is_some() {
            return Err("shop.mail: user and password-file need each other".to_string());
        }
        let is_local = ["localhost", "127.0.0.1", "::1"].contains(&self.server.as_str());
        if self.tls == MailTls::None && !is_local {
            return Err(format!(
                "shop.mail.tls: expected starttls or tls, because mail has links with which whoever \
                 reads them sets passwords; found none for {:?}",
                self.server
            ));
        }
        Ok(())
    }

    fn transport(&self) -> Result<SmtpTransport, String> {
        let mut builder = SmtpTransport::builder_dangerous(&self.server);
        let port = match self.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        };
        builder = builder.port(self.port.unwrap_or(port)).timeout(Some(SERVER_TIMEOUT));
        if self.tls != MailTls::None {
            let parameters = self.tls_parameters()?;
            builder = builder.tls(match self.tls {
                MailTls::Tls => Tls::Wrapper(parameters),
                _ => Tls::Required(parameters),
            });
        }
        if let (Some(user), Some(file)) = (&self.user, &self.password_file) {
            let password =
                read_bounded(file).map_err(|why| format!("{}: {why}", file.display()))?;
            let password = password.trim_end_matches(['\r', '\n']).to_string();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(builder.build())
    }

    fn tls_parameters(&self) -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(self.server.clone());
        if let Some(file) = &self.ca_file {
            let read = std::fs::read(file).map_err(|error| error.to_string());
            let certificate =
                read.and_then(|pem| Certificate::from_pem(&pem).map_err(|error| error.to_string()));
            let certificate = certificate.map_err(|why| format!("{}: {why}", file.display()))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build().map_err(|error| error.to_string())
    }
}

fn read_bounded(file: &std::path::Path) -> std::io::Result<String> {
    if std::fs::metadata(file)?.len() > PASSWORD_SIZE_MAX {
        return Err(std::io::Error::other("the file is too large"));
    }
    std::fs::read_to_string(file)
}

/// An address as it is written into mail, and as it is compared; `None` if it is not one. A quoted
/// name and an IP address in place of a domain are other ways to write a mailbox, which people do
/// not use: they are refused.
pub(super) fn address(text: &str) -> Option<(String, String)> {
    let is_short = text.len() <= ADDRESS_LEN_MAX && !text.contains(char::is_control);
    let is_plain = !text.contains(['"', '[', ']', '\\']) && is_plain_line(text);
    let address: lettre::Address = text.parse().ok().filter(|_| is_short && is_plain)?;
    // `0x7f000001` and `1.2.3.4` are IP addresses too.
    if !matches!(url::Host::parse(address.domain()), Ok(url::Host::Domain(_))) {
        return None;
    }
    let written = address.to_string();
    Some((written.clone(), written.to_lowercase()))
}

/// The mailbox of an address in one way of writing it: lower case, composed letters (Unicode's
/// NFC), no quotes, the domain in ASCII.
pub(super) fn canonical(address: &str) -> String {
    let (name, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    let name = quoted.map_or(name.to_string(), |name| name.replace('\\', ""));
    let domain = match url::Host::parse(domain) {
        Ok(host) => host.to_string(),
        Err(_) => domain.to_string(),
    };
    let name = ComposingNormalizer::new_nfc().normalize(&name.to_lowercase()).into_owned();
    format!("{name}@{}", domain.to_lowercase())
}

/// A message.
pub(super) struct Mail<'a> {
    pub(super) to: &'a str,
    pub(super) subject: &'a str,
    pub(super) text: &'a str,
}

impl Transaction {
    /// Records a message, which is sent after the transaction.
    pub(super) async fn queue_mail(
        &mut self,
        mail: Mail<'_>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO mail (at, address, subject, text, tries, next_at, fault) \
             VALUES ($1, $2, $3, $4, 0, $1, '')",
        )
        .bind(now.0)
        .bind(mail.to.to_string())
        .bind(mail.subject.to_string())
        .bind(mail.text.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// Sends what was recorded.
pub struct Mailer {
    service: Arc<Service>,
    settings: MailSettings,
}

/// A message that this process sends.
struct Queued {
    id: i64,
    address: String,
    subject: String,
    text: String,
    tries: usize,
}

impl Mailer {
    /// A sender with these settings.
    pub fn new(service: Arc<Service>, settings: MailSettings) -> Mailer {
        Mailer { service, settings }
    }

    /// Sends the messages that are due. Returns how many were sent.
    ///
    /// # Errors
    /// The database failed. What fails about a message is in its row, and it is tried again.
    pub async fn turn(&self) -> Result<usize, ServiceError> {
        let mut sent = 0;
        while let Some(queued) = self.claimed().await? {
            let (id, tries) = (queued.id, queued.tries);
            let settings = self.settings.clone();
            match blocking(move || send(&settings, &queued)).await? {
                Ok(()) => {
                    self.change("DELETE FROM mail WHERE id = $1", id).await?;
                    sent += 1;
                }
                Err(why) => self.failed(id, tries, &why).await?,
            }
        }
        Ok(sent)
    }

    /// A message that is due and that no other process sends now.
    async fn claimed(&self) -> Result<Option<Queued>, StoreError> {
        let (store, now) = (self.service.store(), self.service.now());
        let due = sqlx::query(
            "SELECT id FROM mail WHERE next_at <= $1 AND text <> '' ORDER BY id LIMIT 1",
        )
        .bind(now.0)
        .fetch_optional(store.pool())
        .await?;
        let Some(due) = due else { return Ok(None) };
        let id: i64 = due.try_get(0)?;
        let row = retried!(async {
            let mut tx = store.begin().await?;
            let row = sqlx::query(
                "UPDATE mail SET next_at = $2 WHERE id = $1 AND next_at <= $3 \
                 RETURNING address, subject, text, tries",
            )
            .bind(id)
            .bind(now.0 + SENDING_SECONDS)
            .bind(now.0)
            .fetch_optional(tx.connection())
            .await?;
            tx.commit().await?;
            Ok::<_, StoreError>(row)
        })?;
        let Some(row) = row else { return Ok(None) };
        let tries: i64 = row.try_get(3)?;
        Ok(Some(Queued {
            id,
            address: row.try_get(0)?,
            subject: row.try_get(1)?,
            text: row.try_get(2)?,
            tries: usize::try_from(tries).unwrap_or(usize::MAX),
        }))
    }

    async fn failed(&self, id: i64, tries: usize, why: &str) -> Result<(), StoreError> {
        micromint_console::tell!("mmbrokerd: mail {id}: {why}");
        let (store, now) = (self.service.store(), self.service.now());
        let pause = PAUSES.get(tries).copied();
        retried!(async {
            let mut tx = store.begin().await?;
            sqlx::query(
                "UPDATE mail SET tries = tries + 1, next_at = $2, fault = $3, \
                 text = CASE WHEN $4 = 1 THEN '' ELSE text END WHERE id = $1",
            )
            .bind(id)
            .bind(now.0 + pause.unwrap_or(0))
            .bind(why.replace('\0', ""))
            .bind(i64::from(pause.is_none()))
            .execute(tx.connection())
            .await?;
            tx.commit().await
        })
    }

    async fn change(&self, change: &'static str, id: i64) -> Result<(), StoreError> {
        let store = self.service.store();
        retried!(async {
            let mut tx = store.begin().await?;
            sqlx::query(change).bind(id).execute(tx.connection()).await?;
            tx.commit().await
        })
    }
}

fn send(settings: &MailSettings, queued: &Queued) -> Result<(), String> {
    let from = settings.from.parse::<Mailbox>().map_err(|error| error.to_string())?;
    let to = queued.address.parse::<lettre::Address>().map_err(|error| error.to_string())?;
    let id = super::random::token().map_err(|error| error.to_string())?;
    let id = format!("<{}@{}>", &id[..32], from.email.domain());
    let message = Message::builder()
        .message_id(Some(id))
        .from(from)
        .to(Mailbox::new(None, to))
        .subject(queued.subject.clone())
        .header(ContentType::TEXT_PLAIN)
        .body(queued.text.clone())
        .map_err(|error| error.to_string())?;
    let sent = settings.transport()?.send(&message);
    sent.map(drop).map_err(|error| micromint::error::chain(&error))
}

/// How many messages wait, and how many were given up.
pub(super) async fn counts(store: &Store) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN text = '' THEN 1 ELSE 0 END), 0) AS BIGINT) \
         FROM mail",
    )
    .fetch_one(store.pool())
    .await?;
    let (all, given_up): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok((all - given_up, given_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let settings: MailSettings = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.check()
    }

    #[test]
    fn settings_are_checked() {
        let good = "server = \"mail.example\"\nfrom = \"Coins <coins@broker.example>\"\n";
        assert_eq!(check(good), Ok(()));
        let local = good.replace("mail.example", "localhost") + "tls = \"none\"\n";
        assert_eq!(check(&local), Ok(()));
        for (wrong, expected) in [
            (good.replace("@", ""), "shop.mail.from: expected a mail address"),
            (format!("{good}tls = \"none\""), "shop.mail.tls: expected starttls or tls"),
            (format!("{good}user = \"u\""), "user and password-file need each other"),
            (format!("{good}tls = \"maybe\""), "unknown variant"),
            (format!("{good}password = \"x\""), "unknown field"),
        ] {
            let found = check(&wrong).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn a_mailbox_is_one_whatever_its_writing() {
        for (address, expected) in [
            ("Me@Example.ORG", "me@example.org"),
            ("\"me\"@example.org", "me@example.org"),
            ("\"m\\e\"@example.org", "me@example.org"),
            ("me@b\u{fc}cher.example", "me@xn--bcher-kva.example"),
            ("me@XN--bcher-kva.example", "me@xn--bcher-kva.example"),
            ("Zoe\u{301}@example.org", "zo\u{e9}@example.org"),
            ("ZO\u{c9}@example.org", "zo\u{e9}@example.org"),
        ] {
            assert_eq!(canonical(address), expected);
        }
        assert_ne!(canonical("me@example.org"), canonical("me@example.com"));
    }

    #[test]
    fn addresses_are_read() {
        let (written, compared) = address("Alice.B@Example.COM").unwrap();
        assert_eq!(written, "Alice.B@Example.COM");
        assert_eq!(compared, "alice.b@example.com");
        let longest = format!("{}@{}.example", "a".repeat(64), "b".repeat(63));
        assert!(address(&longest).is_some());
        for wrong in [
            "",
            "alice",
            "alice@",
            "@example.com",
            "alice@example.com\r\nBcc: eve@example.com",
            "alice@example.com, eve@example.com",
            "\"alice\"@example.com",
            "alice@[127.0.0.1]",
            "alice@1.2.3.4",
            "alice@0x7f000001",
            "al\u{202e}ice@example.com",
            "alice@[IPv6:::1]",
            &format!("a@{}.example", "b.".repeat(150)),
        ] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }
}
