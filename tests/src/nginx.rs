//! A real nginx with the module loaded.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::cases::{CaseServer, Clock, Stand};
use crate::server::Server;
use crate::site::Site;
use crate::{PATIENCE, wait_until};

/// A running nginx. It is stopped when this is dropped; if the test failed, its error log is shown.
pub struct Nginx {
    site: Arc<Site>,
}

impl Nginx {
    /// Starts nginx for `site`. `http` is the content of http{}, with the placeholders of
    /// [`Site::fill`]. `%SERVER%` becomes the head of a plain server on its port, and text before
    /// `%MAIN%` goes before http{}.
    pub fn start(site: impl Into<Arc<Site>>, http: &str) -> Nginx {
        Nginx::start_with(site, &module(), http)
    }

    /// The same, with another build of the module.
    pub fn start_with(site: impl Into<Arc<Site>>, module: &Path, http: &str) -> Nginx {
        Nginx::launch(site.into(), module, http, |_| {})
    }

    /// The same, with further settings for the program, such as its environment.
    fn launch(
        site: Arc<Site>,
        module: &Path,
        http: &str,
        prepare: impl FnOnce(&mut Command),
    ) -> Nginx {
        write_configuration_with(&site, module, http);
        let mut command = command(&site);
        prepare(&mut command);
        let output = command.output().expect("the program nginx");
        let server = Nginx { site };
        assert!(
            output.status.success(),
            "nginx does not start: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        wait_until("nginx", || {
            std::net::TcpStream::connect(("127.0.0.1", server.site.port)).is_ok()
        });
        let workers = if http.contains("worker_processes 1;") { 1 } else { 2 };
        // A cache has further processes of its own.
        wait_until("the workers", || server.workers().len() >= workers);
        server
    }

    /// Starts nginx with one server that contains `server`, and `micromint on`.
    pub fn with_server(site: impl Into<Arc<Site>>, server: &str) -> Nginx {
        Nginx::start(
            site,
            &format!("micromint_config vendor.toml; server {{ %SERVER% micromint on; {server} }}"),
        )
    }

    /// Makes the master read a configuration with another http{}, and waits for new workers.
    pub fn reload(&self, http: &str) {
        let before = self.workers();
        write_configuration(&self.site, http);
        self.signal(Signal::HUP);
        wait_until("new workers", || {
            let now = self.workers();
            !now.is_empty() && now.iter().all(|worker| !before.contains(worker))
        });
    }

    /// The workers of the master.
    pub fn workers(&self) -> Vec<Pid> {
        self.children()
    }

    /// Stops it as an operator would, and returns the site with its till.
    pub fn stop(self) -> Arc<Site> {
        Arc::clone(&self.site)
    }

    fn end(&self) {
        // During an upgrade there are two masters.
        let files = ["nginx.pid", "nginx.pid.oldbin"].map(|name| self.site.path(name));
        for pid in files.iter().filter_map(|file| pid_in(file)) {
            let workers = children_of(pid);
            let _ = kill_process(pid, Signal::QUIT);
            let start = Instant::now();
            while is_running(pid) && start.elapsed() < PATIENCE / 4 {
                std::thread::sleep(Duration::from_millis(5));
            }
            for pid in workers.into_iter().chain([pid]).filter(|pid| is_running(*pid)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Server for Nginx {
    fn site(&self) -> &Site {
        &self.site
    }

    fn pid(&self) -> Option<Pid> {
        pid_in(&self.site.path("nginx.pid"))
    }
}

impl CaseServer for Nginx {
    fn start(site: Site, stands: &[Stand], clock: &Clock) -> Nginx {
        let stands: String = stands.iter().map(stand_text).collect();
        Nginx::launch(site.into(), &module(), &format!("{CASES}{stands}"), |command| {
            clock.give_to(command)
        })
    }
}

/// What all stands share.
const CASES: &str = "
    map $http_x_case_file $case_content { '' behind; default file; }
    micromint_price $http_x_case_price;
    micromint_log plain;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Case-Client;
    ssl_certificate tls.crt;
    ssl_certificate_key tls.key;
    server { %SERVER% micromint off; }
";

/// The place of a request, and what makes its content, are locations. Rewriting the path changes
/// neither the requested URL nor its price.
fn stand_text(stand: &Stand) -> String {
    let mut text = format!(
        "server {{ listen 127.0.0.1:{}; listen 127.0.0.1:{} ssl; micromint_config {}; root %FOLDER%/www;
         location / {{ micromint off; rewrite ^ /$case_content/$http_x_case_place last; }}",
        stand.port,
        stand.tls_port,
        stand.config()
    );
    for (number, place) in stand.places.iter().enumerate() {
        let receipt_path = place.receipt_path.as_deref().unwrap_or("off");
        let dry_run = if place.dry_run { "on" } else { "off" };
        let redirects = if place.charges_redirects { "charge" } else { "reverse" };
        let terms = format!(
            "micromint_receipt_path {receipt_path}; micromint_free_views {}; \
             micromint_dry_run {dry_run}; micromint_redirects {redirects};",
            place.free_views
        );
        text.push_str(&format!(
            "location = /behind/{number} {{ {terms} proxy_pass http://127.0.0.1:%BACK_PORT%/; }}
             location = /file/{number} {{ {terms} rewrite ^ /file.txt break; }}"
        ));
    }
    text + "}\n"
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("---- error log of nginx\n{}----", self.log());
        }
    }
}

/// The module that is shipped. The tests fail if it is missing; they never skip it.
pub fn module() -> PathBuf {
    built("MICROMINT_NGINX_MODULE", "target/nginx/ngx_http_micromint_module.so", "")
}

/// The same module, except that it panics on request.
pub fn panicking_module() -> PathBuf {
    let path = "target/nginx/test/ngx_http_micromint_module.so";
    built("MICROMINT_NGINX_TEST_MODULE", path, " --for-tests")
}

fn built(variable: &str, path: &str, option: &str) -> PathBuf {
    let path = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path),
    };
    let name = path.display();
    assert!(
        path.is_file(),
        "there is no {name}: run scripts/build-nginx-module.sh{option}, or set {variable}"
    );
    path
}

/// Runs the program nginx on the site's configuration, with further arguments, until it exits.
pub fn nginx(site: &Site, arguments: &[&str]) -> Output {
    command(site).args(arguments).output().expect("the program nginx")
}

fn command(site: &Site) -> Command {
    let program = std::env::var_os("MICROMINT_NGINX").unwrap_or_else(|| "/usr/sbin/nginx".into());
    let mut command = Command::new(program);
    command.arg("-p").arg(site.folder()).arg("-c").arg(site.path("nginx.conf"));
    command.arg("-e").arg(site.path("logs/error.log"));
    command
}

/// Writes nginx.conf. See [`Nginx::start`].
pub fn write_configuration(site: &Site, http: &str) {
    write_configuration_with(site, &module(), http);
}

/// The same, with another build of the module.
pub fn write_configuration_with(site: &Site, module: &Path, http: &str) {
    let (main, http) = http.split_once("%MAIN%").unwrap_or(("", http));
    let workers = if main.contains("worker_processes") { "" } else { "worker_processes 2;" };
    let server = "listen 127.0.0.1:%PORT%; server_name localhost; root %FOLDER%/www;";
    let text = CONFIGURATION
        .replace("%TOP%", main)
        .replace("%WORKERS%", workers)
        .replace("%HTTP%", &http.replace("%SERVER%", server));
    site.write("nginx.conf", &site.fill(&text.replace("%MODULE%", module.to_str().unwrap())));
}

const CONFIGURATION: &str = r#"
load_module %MODULE%;
user www-data www-data;
%WORKERS%
pid %FOLDER%/nginx.pid;
# For a clock that is set: nginx takes other variables from its workers.
env LD_PRELOAD; env FAKETIME_TIMESTAMP_FILE; env FAKETIME_NO_CACHE; env NO_FAKE_STAT;
env FAKETIME_DONT_FAKE_MONOTONIC; env DONT_FAKE_MONOTONIC; env FAKETIME_DISABLE_SHM;
%TOP%
error_log %FOLDER%/logs/error.log info;
events { worker_connections 512; }
http {
    log_format gate "$request_method $uri $status $micromint_status $micromint_price $micromint_coins $micromint_user";
    access_log %FOLDER%/logs/access.log gate;
    client_body_temp_path %FOLDER%/body;
    proxy_temp_path %FOLDER%/proxy;
    fastcgi_temp_path %FOLDER%/fastcgi;
    uwsgi_temp_path %FOLDER%/uwsgi;
    scgi_temp_path %FOLDER%/scgi;
    types { text/html html shtml; text/plain txt; }
    default_type text/html;
    keepalive_timeout 30s;
    server_tokens off;
    %HTTP%
}
"#;

/// The process whose ID is in a file.
pub fn pid_in(path: &Path) -> Option<Pid> {
    Pid::from_raw(std::fs::read_to_string(path).ok()?.trim().parse().ok()?)
}

/// Whether a process is running. A zombie is not.
pub fn is_running(pid: Pid) -> bool {
    let status =
        std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(pid).is_ok()
        && !status.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
}

/// The running child processes of a process.
pub fn children_of(parent: Pid) -> Vec<Pid> {
    let number = parent.as_raw_nonzero();
    let children = std::fs::read_to_string(format!("/proc/{number}/task/{number}/children"))
        .unwrap_or_default();
    let pids = children.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?));
    pids.filter(|pid| is_running(*pid)).collect()
}
