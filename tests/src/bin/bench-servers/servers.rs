//! The servers under test: with the module and without, each with one worker process.

mod apache;
mod nginx;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use micromint_servers::apache::Mpm;
use micromint_servers::client::{Connection, RequestText, Response};
use micromint_servers::nginx::{children_of, is_running, pid_in};
use micromint_servers::site::Site;
use micromint_servers::{free_port, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::cases::{Cache, Page, Sync};
use crate::supply::{ORIGINS, Supply};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// nginx: the program named by `MICROMINT_NGINX`, or the installed one.
    Nginx,
    /// Apache with the event MPM: the program named by `MICROMINT_APACHE`, or the installed one.
    Apache,
    /// The same with the worker MPM.
    ApacheWorker,
    /// The same with the prefork MPM.
    ApachePrefork,
}

impl Kind {
    /// The ways in which it can keep files open.
    pub(crate) fn caches(self) -> &'static [Cache] {
        match self.mpm() {
            None => &[Cache::None, Cache::Files],
            Some(_) => &[Cache::None],
        }
    }

    /// What is requested besides the small page.
    pub(crate) fn other_pages(self) -> &'static [Page] {
        match self.mpm() {
            None => &[Page::Large, Page::Secure],
            Some(_) => &[Page::Large],
        }
    }

    /// The module that is shipped.
    fn module(self) -> PathBuf {
        if self.mpm().is_none() {
            micromint_servers::nginx::module()
        } else {
            micromint_servers::apache::module()
        }
    }

    /// The MPM, if it is an Apache.
    fn mpm(self) -> Option<Mpm> {
        match self {
            Kind::Nginx => None,
            Kind::Apache => Some(Mpm::Event),
            Kind::ApacheWorker => Some(Mpm::Worker),
            Kind::ApachePrefork => Some(Mpm::Prefork),
        }
    }
}

/// The file with the process ID of a server's first process, in its site's folder.
const PID_FILE: &str = "server.pid";

/// Running servers of one kind, identical except for what [`Side`] says. They are stopped when this
/// is dropped.
pub(crate) struct Server {
    kind: Kind,
    running: Vec<Running>,
}

/// Which one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// With the module.
    Selling,
    /// With another build of the module, such as one from before a change.
    Before,
    /// Without the module.
    Plain,
    /// Without the module, with a thread pool: every system call costs more in a process that has
    /// threads, used or not. Only for nginx; an Apache has threads anyway.
    Threads,
}

impl Side {
    /// Whether it has a build of the module.
    fn sells(self) -> bool {
        matches!(self, Side::Selling | Side::Before)
    }
}

/// One of them.
struct Running {
    side: Side,
    site: Arc<Site>,
    hosts: Vec<Host>,
}

/// A host. All servers have the same hosts; those of a server without the module sync nothing.
pub(crate) struct Host {
    sync: Sync,
    cache: Cache,
    /// The port for plain HTTP.
    pub(crate) port: u16,
    /// The port for TLS, if it is an nginx.
    pub(crate) tls_port: u16,
}

impl Server {
    /// Starts them, and one with the module at `before` if that is given.
    pub(crate) fn start(kind: Kind, supply: &Supply, before: Option<&Path>) -> Server {
        let mut sides = vec![Side::Selling, Side::Plain];
        sides.extend(before.map(|_| Side::Before));
        if kind.mpm().is_none() {
            sides.push(Side::Threads);
        }
        let running =
            |side: &Side| Running { side: *side, site: Arc::new(site(supply)), hosts: hosts(kind) };
        let server = Server { kind, running: sides.iter().map(running).collect() };
        server.start_selling(Side::Selling, &kind.module());
        if let Some(before) = before {
            server.start_selling(Side::Before, before);
        }
        let port = server.running(Side::Selling).hosts[0].port;
        let refusal = Connection::open(port).ask(&RequestText::get("/one/page.html"));
        assert_eq!(refusal.status, 402);
        for Running { side, site, hosts } in
            server.running.iter().filter(|running| !running.side.sells())
        {
            match kind.mpm() {
                None => nginx::start_plain(site, hosts, &refusal, *side == Side::Threads),
                Some(mpm) => apache::start_plain(site, mpm, hosts, &refusal),
            }
        }
        server
    }

    fn start_selling(&self, side: Side, module: &Path) {
        let Running { site, hosts, .. } = self.running(side);
        hosts.iter().for_each(|host| host.write_vendor(site));
        match self.kind.mpm() {
            None => nginx::start_selling(site, module, hosts),
            Some(mpm) => apache::start_selling(site, module, mpm, hosts),
        }
    }

    /// A host of one of them.
    pub(crate) fn host(&self, side: Side, sync: Sync, cache: Cache) -> &Host {
        let hosts = &self.running(side).hosts;
        hosts.iter().find(|host| (host.sync, host.cache) == (sync, cache)).unwrap()
    }

    fn running(&self, side: Side) -> &Running {
        self.running.iter().find(|running| running.side == side).unwrap()
    }

    /// The processes of one of them that serve requests.
    pub(crate) fn processes(&self, side: Side) -> Vec<Pid> {
        pid_in(&self.running(side).site.path(PID_FILE)).map(children_of).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stock Apache may crash in any stop other than a graceful one.
        let signal = if self.kind.mpm().is_some() { Signal::WINCH } else { Signal::TERM };
        for Running { site, .. } in &self.running {
            if let Some(pid) = pid_in(&site.path(PID_FILE)) {
                let _ = kill_process(pid, signal);
                wait_until("the end of the server", || !is_running(pid));
            }
        }
    }
}

/// A site whose pages are identical.
fn site(supply: &Supply) -> Site {
    let site = Site::new();
    site.write("periods/bench.params", &supply.params().to_toml());
    for page in Page::ALL {
        let text = "<p>A page like many others.</p>\n".repeat(page.size() / 32);
        for folder in ["free", "off", "one", "ten"] {
            site.page(&format!("{folder}/{}", page.file()), &text, None);
        }
    }
    site
}

/// Every host of a server.
fn hosts(kind: Kind) -> Vec<Host> {
    let all = Sync::ALL
        .into_iter()
        .flat_map(|sync| kind.caches().iter().map(move |cache| (sync, *cache)));
    all.map(|(sync, cache)| Host { sync, cache, port: free_port(), tls_port: free_port() })
        .collect()
}

impl Host {
    /// The vendor's configuration file, in the site's folder.
    fn vendor(&self) -> String {
        format!("vendor-{}-{}.toml", self.sync.name(), self.cache.name())
    }

    /// Writes the configuration of a vendor with a till of its own.
    fn write_vendor(&self, site: &Site) {
        let (sync, cache) = (self.sync.name(), self.cache.name());
        site.write(
            &self.vendor(),
            &format!(
                "vendor-id = \"localhost\"\norigins = {ORIGINS:?}\nperiods = \"periods\"\n\
                 till = \"till-{sync}-{cache}\"\nsync = \"{sync}\"\n"
            ),
        );
    }
}

/// The fields of an answer that are the same for each request: what a server without the module is
/// configured to send.
fn fields(answer: &Response) -> impl Iterator<Item = &(String, String)> {
    let usual = ["server", "date", "content-length", "connection", "content-type", "keep-alive"];
    answer.headers.iter().filter(move |(name, _)| !usual.contains(&name.as_str()))
}

/// Waits until a server has as many processes as configured.
fn wait_for_workers(site: &Site, count: usize) {
    wait_until("the workers", || {
        pid_in(&site.path(PID_FILE)).is_some_and(|pid| children_of(pid).len() == count)
    });
}
