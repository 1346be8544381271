//! nginx with one worker, as its packages configure it but for the access log.

use std::path::Path;
use std::process::Command;

use micromint_servers::client::Answer;
use micromint_servers::nginx::module;
use micromint_servers::site::Site;

use super::{Host, PID_FILE, fields, wait_for_workers};
use crate::cases::Cache;

/// Starts it with the module.
pub(super) fn start_selling(site: &Site, hosts: &[Host]) {
    let mut text = String::new();
    for Host { cache, port, vendor, .. } in hosts {
        text += &format!(
            "server {{ listen 127.0.0.1:{port}; root %FOLDER%/www; {} micromint_config {vendor}; micromint on;
                 location /off/ {{ micromint off; }}
                 location /one/ {{ micromint_price 1; micromint_price_files off; }}
                 location /ten/ {{ micromint_price 10; micromint_price_files off; }} }}\n",
            cache.nginx()
        );
    }
    start(site, Some(&module()), &text);
}

/// Starts it without the module, but with what that answers to who has not paid.
pub(super) fn start_plain(site: &Site, refusal: &Answer) {
    let mut refused = format!("default_type {};", refusal.header("content-type").unwrap());
    for (name, value) in fields(refusal) {
        refused += &format!(" add_header {name} '{value}' always;");
    }
    refused += &format!(" return 402 '{}';", refusal.body);
    let mut text = String::new();
    for (cache, port) in [(Cache::None, site.port), (Cache::Files, site.back_port)] {
        text += &format!(
            "server {{ listen 127.0.0.1:{port}; root %FOLDER%/www; {} location /refused/ {{ {refused} }} }}\n",
            cache.nginx()
        );
    }
    start(site, None, &text);
}

fn start(site: &Site, module: Option<&Path>, servers: &str) {
    let load = module.map_or(String::new(), |module| format!("load_module {};", module.display()));
    let text = format!(
        "{load} worker_processes 1; pid %FOLDER%/{PID_FILE}; error_log %FOLDER%/logs/error.log;
         events {{ worker_connections 512; }}
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 600s;
             types {{ text/html html; }} client_body_temp_path %FOLDER%/body; proxy_temp_path %FOLDER%/proxy;
             fastcgi_temp_path %FOLDER%/fastcgi; uwsgi_temp_path %FOLDER%/uwsgi; scgi_temp_path %FOLDER%/scgi;
             {servers} }}"
    );
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
