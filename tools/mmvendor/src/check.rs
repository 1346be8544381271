//! `check`: mistakes, before visitors find them.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use micromint::host::{Clock, SystemClock};
use micromint::time::UnixTime;
use micromint::vendor::inspection::{Finding, Inspection, ServerConfig, Severity, Site, Workers};
use micromint_console::{EXIT_OK, FormatArgs, ToolError, say, tell};
use serde_json::json;

use crate::vendor_files::CONFIG_DEFAULT;

/// The worst finding is a warning.
const EXIT_WARNING: u8 = 1;
/// The worst finding is an error.
const EXIT_ERROR: u8 = 2;
/// The users as whom distributions run the workers of nginx and Apache.
const USERS: [&str; 4] = ["www-data", "nginx", "apache", "http"];
/// Where distributions keep the main configuration file of a server.
const NGINX: [&str; 2] = ["/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf"];
const APACHE: [&str; 2] = ["/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf"];

#[derive(Args)]
pub(crate) struct Check {
    /// The vendor's configuration file, which the web server uses too
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,
    /// The user of the server's workers, whose permissions are examined [default: the first that
    /// exists of www-data, nginx, apache and http]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The file with the vendor key [default: vendor.key next to the configuration]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A name at which the server serves priced pages; may be repeated
    #[arg(long, value_name = "HOST")]
    server_name: Vec<String>,
    /// A folder that the server publishes, whose price files are examined; may be repeated
    #[arg(long, value_name = "DIR")]
    root: Vec<PathBuf>,
    /// nginx's main configuration file, for names and folders [default: /etc/nginx/nginx.conf]
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// Apache's main configuration file, for names and folders [default:
    /// /etc/apache2/apache2.conf or /etc/httpd/conf/httpd.conf]
    #[arg(long, value_name = "FILE")]
    apache: Option<PathBuf>,
    /// Read no configuration of a server
    #[arg(long, conflicts_with_all = ["nginx", "apache"])]
    no_server: bool,
    #[command(flatten)]
    format: FormatArgs,
    /// Inspect as of this time (RFC 3339) instead of now
    #[arg(long, value_name = "TIME")]
    as_of: Option<UnixTime>,
}

impl Check {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let now = self.as_of.unwrap_or_else(|| SystemClock.now());
        let mut inspection = Inspection::new(&self.config, now);
        inspection.workers = self.workers()?;
        inspection.key_file =
            Some(self.key_file.clone().unwrap_or_else(|| self.config.with_file_name("vendor.key")));
        inspection.roots = self.root.clone();
        self.add_sites(&mut inspection)?;
        let findings = inspection.run();
        if self.format.is_json() {
            self.print_json(now, &findings)
        } else {
            self.print(&findings)
        }
        Ok(match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => EXIT_ERROR,
            Some(Severity::Warning) => EXIT_WARNING,
            Some(Severity::Note) | None => EXIT_OK,
        })
    }

    fn workers(&self) -> Result<Option<Workers>, ToolError> {
        if let Some(name) = &self.user {
            let unknown = || format!("--user: this system has no user {name:?}");
            return Ok(Some(workers(name).ok_or_else(unknown)?));
        }
        Ok(USERS.iter().find_map(|name| workers(name)))
    }

    /// Adds the sites of the servers, and the names of the command line.
    fn add_sites(&self, inspection: &mut Inspection) -> Result<(), ToolError> {
        let mut found = Vec::new();
        if !self.no_server {
            if let Some(path) = self.nginx.as_deref().or_else(|| first(&NGINX)) {
                found.push(ServerConfig::nginx(path));
            }
            if let Some(path) = self.apache.as_deref().or_else(|| first(&APACHE)) {
                found.push(ServerConfig::apache(path));
            }
        }
        for config in found {
            let config = match config {
                Ok(config) => config,
                Err(error) if self.nginx.is_none() && self.apache.is_none() => {
                    tell!("mmvendor: warning: {error}");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for unread in &config.unread {
                tell!("mmvendor: warning: {unread}");
            }
            inspection.add_sites(config.sites);
            inspection.sites_without.extend(config.sites_without);
        }
        if !self.server_name.is_empty() {
            let (position, names) = ("--server-name".to_string(), self.server_name.clone());
            inspection.sites.push(Site { position, names, ..Site::default() });
        }
        Ok(())
    }

    fn print(&self, findings: &[Finding]) {
        findings.iter().for_each(print_finding);
        let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
            let count = findings.iter().filter(|it| it.severity == severity).count();
            format!("{count} {}{}", word(severity), if count == 1 { "" } else { "s" })
        });
        say!("{}: {}", self.config.display(), counts.join(", "));
    }

    fn print_json(&self, now: UnixTime, findings: &[Finding]) {
        let config = self.config.display().to_string();
        let value = json!({ "config": config, "at": now.to_string(), "findings": findings });
        say!("{value}");
    }
}

pub(crate) fn print_finding(finding: &Finding) {
    let Finding { severity, kind, place, found, means, advice, .. } = finding;
    say!("{} [{kind}] {place}: {found}", word(*severity));
    say!("    It means: {means}.");
    say!("    To do: {advice}.");
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn first(paths: &[&'static str]) -> Option<&'static Path> {
    paths.iter().map(|path| Path::new(*path)).find(|path| path.exists())
}

/// The IDs of a user and its groups, as the system knows them.
fn workers(name: &str) -> Option<Workers> {
    let ids = |option: &str| -> Option<Vec<u32>> {
        let output = Command::new("id").args([option, "--", name]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        text.split_whitespace().map(|id| id.parse().ok()).collect()
    };
    let uid = *ids("-u")?.first()?;
    Some(Workers { name: name.to_string(), uid, gids: ids("-G")? })
}
