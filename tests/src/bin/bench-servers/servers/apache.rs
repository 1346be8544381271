//! Apache with the modules that Debian enables, as Debian configures them except for the access
//! log. One child serves, so that its processor time is the cost; with prefork there is one child
//! per connection.

use std::path::Path;
use std::process::Command;

use micromint_servers::apache::Mpm;
use micromint_servers::client::Response;
use micromint_servers::site::Site;

use super::{Host, PID_FILE, fields, wait_for_workers};
use crate::cases::CONNECTIONS;

/// What Debian's package enables, except for the MPM.
const MODULES: &[&str] = &[
    "access_compat",
    "alias",
    "auth_basic",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_host",
    "authz_user",
    "autoindex",
    "deflate",
    "dir",
    "env",
    "filter",
    "mime",
    "negotiation",
    "reqtimeout",
    "setenvif",
    "status",
];

/// Starts it with a build of the module.
pub(super) fn start_selling(site: &Site, module: &Path, mpm: Mpm, hosts: &[Host]) {
    let mut text = format!("LoadModule micromint_module {}\n", module.display());
    for host in hosts {
        let selling = format!("MicroMintConfig {}\nMicroMint On\n", host.vendor());
        text += &host_text(host, &selling, &PLACES);
    }
    start(site, mpm, &text);
}

/// Starts it without the module, but with the same number of hosts and places, and with the other
/// server's answer to an unpaid request.
pub(super) fn start_plain(site: &Site, mpm: Mpm, hosts: &[Host], refusal: &Response) {
    let mut head = String::new();
    for (name, value) in fields(refusal) {
        head += &format!("Header always set {name} \"{}\"\n", quoted(&value.replace('%', "%%")));
    }
    let refused = format!(
        "LoadModule headers_module {}/mod_headers.so\nRedirect 402 /refused/\n\
         <Location /refused/>\n{head}ErrorDocument 402 \"{}\"\n</Location>\n",
        modules(),
        // A directive is one line, and a text with a `%{` would be an expression.
        quoted(&refusal.body.replace(['\r', '\n', '%'], " "))
    );
    let places = PLACES.map(|(place, _)| (place, "ServerSignature Off"));
    let text: String = hosts.iter().map(|host| host_text(host, "", &places)).collect();
    start(site, mpm, &(refused + &text));
}

/// The places that differ from the rest. Apache walks through them for each request, so both
/// servers have them.
const PLACES: [(&str, &str); 3] = [
    ("/off/", "MicroMint Off"),
    ("/one/", "MicroMintPrice 1\nMicroMintPriceFiles Off"),
    ("/ten/", "MicroMintPrice 10\nMicroMintPriceFiles Off"),
];

fn host_text(host: &Host, directives: &str, places: &[(&str, &str)]) -> String {
    let port = host.port;
    let place = |(place, directive): &(&str, &str)| {
        format!("<Location {place}>\n{directive}\n</Location>\n")
    };
    let places: String = places.iter().map(place).collect();
    format!(
        "Listen 127.0.0.1:{port}\n<VirtualHost 127.0.0.1:{port}>\n{directives}{places}</VirtualHost>\n"
    )
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn modules() -> String {
    std::env::var("MICROMINT_APACHE_MODULES").unwrap_or("/usr/lib/apache2/modules".to_string())
}

fn start(site: &Site, mpm: Mpm, hosts: &str) {
    let folder = modules();
    let load = |name: &str| format!("LoadModule {name}_module {folder}/mod_{name}.so\n");
    let mut text = load(&format!("mpm_{}", mpm.name()));
    text.extend(MODULES.iter().map(|name| load(name)));
    // With prefork two more, so that the next round finds free ones while connections of the last
    // round end.
    let (children, threads) =
        if mpm == Mpm::Prefork { (CONNECTIONS + 2, 1) } else { (1, 2 * CONNECTIONS) };
    let spare = children.max(threads);
    text += &format!(
        "ServerRoot %FOLDER%\nServerName localhost\nUser www-data\nGroup www-data\nPidFile {PID_FILE}\n\
         DefaultRuntimeDir logs\nErrorLog logs/error.log\nStartServers {children}\nServerLimit {children}\n\
         <IfModule mpm_prefork_module>\nMinSpareServers {spare}\nMaxSpareServers {}\n</IfModule>\n\
         <IfModule !mpm_prefork_module>\nThreadsPerChild {threads}\nMinSpareThreads 1\nMaxSpareThreads {}\n</IfModule>\n\
         MaxRequestWorkers {spare}\nKeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 600\n\
         DocumentRoot %FOLDER%/www\nTypesConfig /dev/null\nAddType text/html .html\n\
         <Directory />\nOptions FollowSymLinks\nAllowOverride None\nRequire all denied\n</Directory>\n\
         <Directory %FOLDER%/www>\nOptions Indexes FollowSymLinks\nRequire all granted\n</Directory>\n{hosts}",
        spare + 1,
        2 * threads
    );
    site.write("httpd.conf", &site.fill(&text));
    let program =
        std::env::var_os("MICROMINT_APACHE").unwrap_or_else(|| "/usr/sbin/apache2".into());
    let output = Command::new(program)
        .arg("-d")
        .arg(site.folder())
        .arg("-f")
        .arg(site.path("httpd.conf"))
        .args(["-k", "start"])
        .output()
        .expect("the program apache2");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait_for_workers(site, children);
}
