//! A real Apache with the module loaded.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cases::{CaseServer, Clock, FILE, PLACE, Stand};
use crate::nginx::{children_of, is_running, pid_in};
use crate::server::Server;
use crate::site::Site;
use crate::{PATIENCE, wait_until};

/// A multi-processing module of Apache: how it spreads requests over processes and threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mpm {
    /// A process for each request.
    Prefork,
    /// Threads, one for each connection.
    Worker,
    /// Threads, one for each request.
    Event,
}

impl Mpm {
    /// All of them.
    pub const ALL: [Mpm; 3] = [Mpm::Prefork, Mpm::Worker, Mpm::Event];

    /// Its name, as in the name of its module.
    pub fn name(self) -> &'static str {
        match self {
            Mpm::Prefork => "prefork",
            Mpm::Worker => "worker",
            Mpm::Event => "event",
        }
    }
}

/// A running Apache. It is stopped when this is dropped; if the test failed, its error log is
/// shown.
pub struct Apache {
    site: Arc<Site>,
}

impl Apache {
    /// Starts Apache with the event MPM for `site`. `text` is added to httpd.conf, with the
    /// placeholders of [`Site::fill`]. The main server is the plain one on the site's port.
    pub fn start(site: impl Into<Arc<Site>>, text: &str) -> Apache {
        Apache::start_with(site, Mpm::Event, &module(), text)
    }

    /// The same, with another MPM or another build of the module.
    pub fn start_with(site: impl Into<Arc<Site>>, mpm: Mpm, module: &Path, text: &str) -> Apache {
        Apache::launch(site.into(), mpm, module, text, |_| {})
    }

    fn launch(
        site: Arc<Site>,
        mpm: Mpm,
        module: &Path,
        text: &str,
        change: impl Fn(&mut Command),
    ) -> Apache {
        write_configuration_with(&site, mpm, Some(module), text);
        let mut command = command(&site);
        change(&mut command);
        let output = command.args(["-k", "start"]).output().expect("the program apache2");
        let server = Apache { site };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "apache2 does not start: {said}{}", server.log());
        wait_until("apache2", || {
            server.log().contains("resuming normal operations") && server.pid().is_some()
        });
        server
    }

    /// Starts Apache with a vendor and `MicroMint On` everywhere.
    pub fn selling(site: impl Into<Arc<Site>>, text: &str) -> Apache {
        Apache::start(site, &format!("{SELLING}{text}"))
    }

    /// Makes the parent read another configuration on `signal` (USR1 is graceful, HUP is not), and
    /// waits until it has done so.
    pub fn reload(&self, signal: Signal, mpm: Mpm, text: &str) {
        write_configuration_with(&self.site, mpm, Some(&module()), text);
        let resumed = || self.log().matches("resuming normal operations").count();
        let before = resumed();
        self.signal(signal);
        wait_until("the new configuration", || resumed() > before);
    }

    /// Stops it as an operator would, and returns the site with its till.
    pub fn stop(self) -> Arc<Site> {
        Arc::clone(&self.site)
    }

    fn end(&self) {
        let Some(pid) = self.pid().filter(|pid| is_running(*pid)) else { return };
        let children = children_of(pid);
        // WINCH: a graceful stop. Stock Apache may crash in another kind of stop.
        let _ = kill_process(pid, Signal::WINCH);
        let start = Instant::now();
        while is_running(pid) && start.elapsed() < PATIENCE / 4 {
            std::thread::sleep(Duration::from_millis(5));
        }
        for pid in children.into_iter().chain([pid]).filter(|pid| is_running(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Server for Apache {
    fn site(&self) -> &Site {
        &self.site
    }

    fn pid(&self) -> Option<Pid> {
        pid_in(&self.site.path("httpd.pid"))
    }
}

/// An Apache with a stand for every case, with the MPM of this number in [`Mpm::ALL`].
pub struct Playing<const MPM: usize>(Apache);

impl<const MPM: usize> Server for Playing<MPM> {
    fn site(&self) -> &Site {
        self.0.site()
    }

    fn pid(&self) -> Option<Pid> {
        self.0.pid()
    }
}

impl<const MPM: usize> CaseServer for Playing<MPM> {
    fn start(site: Site, stands: &[Stand], clock: &Clock) -> Playing<MPM> {
        let mut text = String::from(CASES);
        for stand in stands {
            text.push_str(&stand_text(stand));
        }
        let give = |command: &mut Command| clock.give_to(command);
        Playing(Apache::launch(site.into(), Mpm::ALL[MPM], &module(), &text, give))
    }
}

/// What all stands share. The port selects the stand, because the virtual hosts differ by address
/// only.
const CASES: &str = r#"
MicroMint On
MicroMintExemptions Off
MicroMintPrice %{HTTP:X-Case-Price}
MicroMintLog Plain
RemoteIPHeader X-Case-Client
RemoteIPInternalProxy 127.0.0.1
SSLCertificateFile %FOLDER%/tls.crt
SSLCertificateKeyFile %FOLDER%/tls.key
"#;

fn stand_text(stand: &Stand) -> String {
    let mut terms = String::new();
    for (number, place) in stand.places.iter().enumerate() {
        let receipt_path = place.receipt_path.as_deref().unwrap_or("Off");
        let dry_run = if place.dry_run { "On" } else { "Off" };
        let redirects = if place.charges_redirects { "Charge" } else { "Reverse" };
        terms.push_str(&format!(
            "<If \"%{{HTTP:{PLACE}}} == '{number}'\">\nMicroMintReceiptPath {receipt_path}\n\
             MicroMintFreeViews {}\nMicroMintDryRun {dry_run}\n\
             MicroMintRedirects {redirects}\n</If>\n",
            place.free_views
        ));
    }
    let host = |port: u16, tls: &str| {
        format!(
            "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\nMicroMintConfig {}\n{tls}\
             RewriteEngine On\nRewriteCond %{{HTTP:{FILE}}} !^$\nRewriteRule ^ /file.txt [L]\n\
             RewriteRule ^ http://127.0.0.1:%BACK_PORT%/ [P]\n{terms}</VirtualHost>\n",
            stand.config()
        )
    };
    host(stand.port, "") + &host(stand.tls_port, "SSLEngine On\n")
}

impl Drop for Apache {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("---- error log of apache2\n{}----", self.log());
        }
    }
}

/// The module that is shipped. The tests fail if it is missing; they never skip it.
pub fn module() -> PathBuf {
    built("MICROMINT_APACHE_MODULE", "target/apache/mod_micromint.so", "")
}

/// The same module, except that it panics on request.
pub fn panicking_module() -> PathBuf {
    built("MICROMINT_APACHE_TEST_MODULE", "target/apache/test/mod_micromint.so", " --for-tests")
}

fn built(variable: &str, path: &str, option: &str) -> PathBuf {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path),
    };
    let name = path.display();
    assert!(
        path.is_file(),
        "there is no {name}: run scripts/build-apache-module.sh{option}, or set {variable}"
    );
    path
}

/// Runs the program apache2 on the site's configuration, with further arguments, until it exits.
pub fn apache(site: &Site, arguments: &[&str]) -> Output {
    command(site).args(arguments).output().expect("the program apache2")
}

fn command(site: &Site) -> Command {
    let program =
        std::env::var_os("MICROMINT_APACHE").unwrap_or_else(|| "/usr/sbin/apache2".into());
    let mut command = Command::new(program);
    command.arg("-d").arg(site.folder()).arg("-f").arg(site.path("httpd.conf"));
    command
}

/// Writes httpd.conf. See [`Apache::start`].
pub fn write_configuration(site: &Site, text: &str) {
    write_configuration_with(site, Mpm::Event, Some(&module()), text);
}

/// The same, with another MPM, and another build of the module or none.
pub fn write_configuration_with(site: &Site, mpm: Mpm, module: Option<&Path>, text: &str) {
    let mut modules = format!("LoadModule mpm_{0}_module %MODULES%/mod_mpm_{0}.so\n", mpm.name());
    for name in MODULES {
        modules.push_str(&format!("LoadModule {name}_module %MODULES%/mod_{name}.so\n"));
    }
    let cgi = if mpm == Mpm::Prefork { "cgi" } else { "cgid" };
    modules.push_str(&format!("LoadModule {cgi}_module %MODULES%/mod_{cgi}.so\n"));
    if let Some(module) = module {
        modules.push_str(&format!("LoadModule micromint_module {}\n", module.display()));
    }
    let folder =
        std::env::var("MICROMINT_APACHE_MODULES").unwrap_or("/usr/lib/apache2/modules".to_string());
    let text = CONFIGURATION
        .replace("%LOAD%", &modules)
        .replace("%TEXT%", text)
        .replace("%MODULES%", &folder);
    site.write("httpd.conf", &site.fill(&text));
}

/// A vendor, and the paywall everywhere.
pub const SELLING: &str = "MicroMintConfig vendor.toml\nMicroMint On\n";

/// Debian's modules that the tests use, in addition to the MPM and the CGI module.
const MODULES: &[&str] = &[
    "actions",
    "alias",
    "auth_basic",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_host",
    "authz_user",
    "autoindex",
    "cache",
    "cache_disk",
    "deflate",
    "dir",
    "env",
    "expires",
    "filter",
    "headers",
    "http2",
    "include",
    "mime",
    "negotiation",
    "proxy",
    "proxy_fcgi",
    "proxy_http",
    "remoteip",
    "reqtimeout",
    "rewrite",
    "setenvif",
    "socache_shmcb",
    "ssl",
];

const CONFIGURATION: &str = r#"
%LOAD%
ServerRoot %FOLDER%
ServerName localhost:%PORT%
Listen 127.0.0.1:%PORT%
User www-data
Group www-data
PidFile httpd.pid
DefaultRuntimeDir logs
<IfModule cgid_module>
    ScriptSock cgisock
</IfModule>
<IfModule mpm_prefork_module>
    StartServers 4
    MinSpareServers 4
    MaxSpareServers 8
    ServerLimit 16
    MaxRequestWorkers 16
</IfModule>
<IfModule !mpm_prefork_module>
    StartServers 2
    ServerLimit 4
    ThreadsPerChild 16
    MinSpareThreads 16
    MaxSpareThreads 48
    MaxRequestWorkers 64
</IfModule>
ErrorLog logs/error.log
LogLevel info ssl:warn
LogFormat "%m %U %>s %{MICROMINT_STATUS}e %{MICROMINT_PRICE}e %{MICROMINT_COINS}e %{MICROMINT_USER}e" gate
CustomLog logs/access.log gate
DocumentRoot %FOLDER%/www
TypesConfig /dev/null
AddType text/html .html .shtml
AddType text/plain .txt
KeepAliveTimeout 30
AcceptPathInfo On
<Directory %FOLDER%/www>
    Require all granted
    AllowOverride All
    Options FollowSymLinks
</Directory>
%TEXT%
"#;
