//! The servers under test: one with the module and one without, each with one worker process.

mod apache;
mod nginx;

use std::sync::Arc;

use micromint_servers::apache::Mpm;
use micromint_servers::client::{Answer, Connection, RequestText};
use micromint_servers::nginx::{children_of, is_running, pid_in};
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
    /// Apache with the event MPM, the program of `MICROMINT_APACHE` or the one installed.
    Apache,
    /// The same with the worker MPM.
    ApacheWorker,
    /// The same with the prefork MPM.
    ApachePrefork,
}

impl Kind {
    /// What it can keep files open by, or not.
    pub(crate) fn caches(self) -> &'static [Cache] {
        match self.mpm() {
            None => &[Cache::None, Cache::Files],
            Some(_) => &[Cache::None],
        }
    }

    /// How it spreads requests, if it is an Apache.
    fn mpm(self) -> Option<Mpm> {
        match self {
            Kind::Nginx => None,
            Kind::Apache => Some(Mpm::Event),
            Kind::ApacheWorker => Some(Mpm::Worker),
            Kind::ApachePrefork => Some(Mpm::Prefork),
        }
    }
}

/// The size of a page, in bytes.
const PAGE_SIZE: usize = 4096;
/// The file of the number of a server's first process, in its site's folder.
const PID_FILE: &str = "server.pid";

/// Two running servers of a kind. They are ended when this is dropped.
pub(crate) struct Server {
    kind: Kind,
    with: Arc<Site>,
    without: Arc<Site>,
    hosts: Vec<Host>,
}

/// A host of the server with the module.
struct Host {
    sync: Sync,
    cache: Cache,
    port: u16,
    /// The vendor's file, in the site's folder.
    vendor: String,
}

impl Server {
    /// Starts both.
    pub(crate) fn start(kind: Kind, supply: &Supply) -> Server {
        let with = site(supply);
        let all =
            Sync::ALL.into_iter().flat_map(|sync| kind.caches().iter().map(move |cache| (sync, *cache)));
        let hosts = all.map(|(sync, cache)| host(&with, sync, cache)).collect();
        let server = Server { kind, with: Arc::new(with), without: Arc::new(site(supply)), hosts };
        match kind.mpm() {
            None => nginx::start_selling(&server.with, &server.hosts),
            Some(mpm) => apache::start_selling(&server.with, mpm, &server.hosts),
        }
        let refusal = Connection::open(server.hosts[0].port).ask(&RequestText::get("/one/page.html"));
        assert_eq!(refusal.status, 402);
        match kind.mpm() {
            None => nginx::start_plain(&server.without, &refusal),
            Some(mpm) => apache::start_plain(&server.without, mpm, server.hosts.len(), &refusal),
        }
        server
    }

    /// Where the server with the module listens.
    pub(crate) fn port(&self, sync: Sync, cache: Cache) -> u16 {
        self.hosts.iter().find(|host| (host.sync, host.cache) == (sync, cache)).unwrap().port
    }

    /// Where the server without it listens.
    pub(crate) fn plain_port(&self, cache: Cache) -> u16 {
        if cache == Cache::None { self.without.port } else { self.without.back_port }
    }

    /// The processes that serve, with the module or without.
    pub(crate) fn processes(&self, is_plain: bool) -> Vec<Pid> {
        let site = if is_plain { &self.without } else { &self.with };
        pid_in(&site.path(PID_FILE)).map(children_of).unwrap_or_default()
    }

    /// The processes that serve with the module.
    pub(crate) fn workers(&self) -> Vec<Pid> {
        self.processes(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stock Apache may crash in any stop but a graceful one.
        let signal = if self.kind.mpm().is_some() { Signal::WINCH } else { Signal::TERM };
        for site in [&self.with, &self.without] {
            if let Some(pid) = pid_in(&site.path(PID_FILE)) {
                let _ = kill_process(pid, signal);
                wait_until("the end of the server", || !is_running(pid));
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

/// A host with a vendor and a till of its own.
fn host(site: &Site, sync: Sync, cache: Cache) -> Host {
    let name = format!("{}-{}", sync.name(), cache.name());
    let vendor = format!("vendor-{name}.toml");
    site.write(
        &vendor,
        &format!(
            "vendor-id = \"localhost\"\norigins = [\"http://localhost\"]\nperiods = \"periods\"\ntill = \"till-{name}\"\nsync = \"{}\"\n",
            sync.name()
        ),
    );
    Host { sync, cache, port: free_port(), vendor }
}

/// The fields of an answer that are not made anew for each: what a server without the module is told to send.
fn fields(answer: &Answer) -> impl Iterator<Item = &(String, String)> {
    let usual = ["server", "date", "content-length", "connection", "content-type", "keep-alive"];
    answer.headers.iter().filter(move |(name, _)| !usual.contains(&name.as_str()))
}

/// Waits until a server has as many processes as it was told to have.
fn wait_for_workers(site: &Site, count: usize) {
    wait_until("the workers", || {
        pid_in(&site.path(PID_FILE)).is_some_and(|pid| children_of(pid).len() == count)
    });
}
