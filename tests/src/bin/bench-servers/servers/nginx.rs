//! nginx with one worker, as its packages configure it except for the access log.

use std::path::Path;
use std::process::Command;

use micromint_servers::client::Response;
use micromint_servers::site::Site;

use super::{Host, PID_FILE, fields, wait_for_workers};

/// The places that differ from the rest, and what the module does there. nginx walks through them
/// for each request, so both servers have them.
const PLACES: [(&str, &str); 4] = [
    ("/off/", "micromint off;"),
    ("/one/", "micromint_price 1; micromint_price_files off;"),
    ("/ten/", "micromint_price 10; micromint_price_files off;"),
    (REFUSED, ""),
];
const REFUSED: &str = "/refused/";

/// Starts it with a build of the module.
pub(super) fn start_selling(site: &Site, module: &Path, hosts: &[Host]) {
    let selling = |host: &Host| format!("micromint_config {}; micromint on;", host.vendor());
    let text: String = hosts.iter().map(|host| host_text(host, &selling(host), &PLACES)).collect();
    start(site, &format!("load_module {};", module.display()), &text);
}

/// Starts it without the module, but with the same number of hosts and places, and with the other
/// server's answer to an unpaid request.
pub(super) fn start_plain(site: &Site, hosts: &[Host], refusal: &Response, has_threads: bool) {
    let mut refused = format!("default_type {};", refusal.header("content-type").unwrap());
    for (name, value) in fields(refusal) {
        refused += &format!(" add_header {name} '{value}' always;");
    }
    refused += &format!(" return 402 '{}';", refusal.body);
    let places =
        PLACES.map(|(place, _)| (place, if place == REFUSED { refused.as_str() } else { "" }));
    let text: String = hosts.iter().map(|host| host_text(host, "", &places)).collect();
    // The module creates this one.
    start(site, if has_threads { "thread_pool default threads=32;" } else { "" }, &text);
}

fn host_text(host: &Host, directives: &str, places: &[(&str, &str)]) -> String {
    let Host { cache, port, tls_port, .. } = host;
    let place =
        |(place, directives): &(&str, &str)| format!("location {place} {{ {directives} }}\n");
    let places: String = places.iter().map(place).collect();
    format!(
        "server {{ listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl; root %FOLDER%/www; {} {directives}
             {places} }}\n",
        cache.nginx()
    )
}

fn start(site: &Site, main: &str, servers: &str) {
    let text = format!(
        "{main} worker_processes 1; pid %FOLDER%/{PID_FILE}; error_log %FOLDER%/logs/error.log;
         events {{ worker_connections 512; }}
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 600s;
             ssl_certificate %FOLDER%/tls.crt; ssl_certificate_key %FOLDER%/tls.key;
             types {{ text/html html; }} client_body_temp_path %FOLDER%/body; proxy_temp_path %FOLDER%/proxy;
             fastcgi_temp_path %FOLDER%/fastcgi; uwsgi_temp_path %FOLDER%/uwsgi; scgi_temp_path %FOLDER%/scgi;
             {servers} }}"
    );
    site.make_certificate();
    site.write("nginx.conf", &site.fill(&text));
    let program = std::env::var_os("MICROMINT_NGINX").unwrap_or_else(|| "/usr/sbin/nginx".into());
    let output = Command::new(program)
        .arg("-p")
        .arg(site.folder())
        .arg("-c")
        .arg(site.path("nginx.conf"))
        .arg("-e")
        .arg(site.path("logs/error.log"))
        .output()
        .expect("the program nginx");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait_for_workers(site, 1);
}
