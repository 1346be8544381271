//! The servers under test: one with the module and one without, each with one worker.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use micromint_servers::client::{Connection, RequestText};
use micromint_servers::nginx::{self, children_of, pid_in};
use micromint_servers::site::Site;
use micromint_servers::{free_port, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::cases::{Cache, Sync};
use crate::supply::Supply;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// nginx, the program of `MICROMINT_NGINX` or the one installed.
    Nginx,
}

/// The size of a page, in bytes.
const PAGE_SIZE: usize = 4096;

/// Two running servers of a kind. They are ended when this is dropped.
pub(crate) struct Server {
    with: Arc<Site>,
    without: Arc<Site>,
    ports: Ports,
}

/// Where each configuration of the server with the module listens.
struct Ports(Vec<(Sync, Cache, u16)>);

impl Server {
    /// Starts both.
    pub(crate) fn start(kind: Kind, supply: &Supply) -> Server {
        let Kind::Nginx = kind;
        let (with, without) = (site(supply), site(supply));
        let all = Sync::ALL.into_iter().flat_map(|sync| Cache::ALL.map(|cache| (sync, cache)));
        let ports = Ports(all.map(|(sync, cache)| (sync, cache, free_port())).collect());
        let server = Server { with: Arc::new(with), without: Arc::new(without), ports };
        server.start_nginx();
        server
    }

    fn start_nginx(&self) {
        let mut text = String::new();
        for (sync, cache, port) in &self.ports.0 {
            let name = format!("vendor-{}-{}.toml", sync.name(), cache.name());
            let till = format!("till-{}-{}", sync.name(), cache.name());
            self.with.write(
                &name,
                &format!(
                    "vendor-id = \"localhost\"\norigins = [\"http://localhost\"]\nperiods = \"periods\"\ntill = \"{till}\"\nsync = \"{}\"\n",
                    sync.name()
                ),
            );
            text += &format!(
                "server {{ listen 127.0.0.1:{port}; root %FOLDER%/www; {} micromint_config {name}; micromint on;
                     location /off/ {{ micromint off; }}
                     location /one/ {{ micromint_price 1; }}
                     location /ten/ {{ micromint_price 10; }} }}\n",
                cache.nginx()
            );
        }
        start_nginx(&self.with, Some(&nginx::module()), &text);
        let refused = self.refusal();
        let mut text = String::new();
        for (cache, port) in [(Cache::None, self.without.port), (Cache::Files, self.without.back_port)] {
            text += &format!(
                "server {{ listen 127.0.0.1:{port}; root %FOLDER%/www; {} location /refused/ {{ {refused} }} }}\n",
                cache.nginx()
            );
        }
        start_nginx(&self.without, None, &text);
    }

    /// What the module answers to who has not paid, as directives of a server without it.
    fn refusal(&self) -> String {
        let (_, _, port) = self.ports.0[0];
        let answer = Connection::open(port).ask(&RequestText::get("/one/page.html"));
        assert_eq!(answer.status, 402);
        let usual = ["server", "date", "content-length", "connection", "content-type"];
        let mut text = format!("default_type {};", answer.header("content-type").unwrap());
        for (name, value) in answer.headers.iter().filter(|(name, _)| !usual.contains(&name.as_str())) {
            text += &format!(" add_header {name} '{value}' always;");
        }
        text + &format!(" return 402 '{}';", answer.body)
    }

    /// Where the server with the module listens.
    pub(crate) fn port(&self, sync: Sync, cache: Cache) -> u16 {
        self.ports.0.iter().find(|(s, c, _)| (*s, *c) == (sync, cache)).unwrap().2
    }

    /// Where the server without it listens.
    pub(crate) fn plain_port(&self, cache: Cache) -> u16 {
        if cache == Cache::None { self.without.port } else { self.without.back_port }
    }

    /// The processes that serve, with the module or without.
    pub(crate) fn processes(&self, is_plain: bool) -> Vec<Pid> {
        let site = if is_plain { &self.without } else { &self.with };
        pid_in(&site.path("nginx.pid")).map(children_of).unwrap_or_default()
    }

    /// The processes that serve with the module.
    pub(crate) fn workers(&self) -> Vec<Pid> {
        self.processes(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for site in [&self.with, &self.without] {
            if let Some(pid) = pid_in(&site.path("nginx.pid")) {
                let _ = kill_process(pid, Signal::TERM);
                wait_until("the end of the server", || !nginx::is_running(pid));
            }
        }
    }
}

/// A site whose pages are all alike.
fn site(supply: &Supply) -> Site {
    let site = Site::new();
    site.write("periods/bench.params", &supply.params().to_toml());
    let page = "<p>A page like many others.</p>\n".repeat(PAGE_SIZE / 32);
    for folder in ["free", "off", "one", "ten"] {
        site.page(&format!("{folder}/page.html"), &page, None);
    }
    site
}

/// Starts nginx with one worker, as its packages configure it but for the access log.
fn start_nginx(site: &Site, module: Option<&Path>, servers: &str) {
    let load = module.map_or(String::new(), |module| format!("load_module {};", module.display()));
    let text = format!(
        "{load} worker_processes 1; pid %FOLDER%/nginx.pid; error_log %FOLDER%/logs/error.log;
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
    wait_until("the worker", || {
        pid_in(&site.path("nginx.pid")).is_some_and(|pid| children_of(pid).len() == 1)
    });
}
