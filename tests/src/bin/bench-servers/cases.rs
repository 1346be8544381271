//! What is requested, and how one round of it is measured.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use micromint::scheme::{AUTHORIZATION_HEADER, CHALLENGE_HEADER, Credential, challenges_in};
use micromint_servers::client::RequestText;
use rustix::process::Pid;

use crate::load::Load;
use crate::servers::{Kind, Server, Side};
use crate::supply::Supply;

/// The most connections that send requests at the same time.
pub(crate) const CONNECTIONS: usize = 32;
/// The duration of a round of free pages beside payments.
const SHARED_ROUND: Duration = Duration::from_millis(700);
/// The number of requests per second that the other client sends meanwhile.
const OTHERS_A_SECOND: usize = 200;

/// How much is measured.
pub(crate) struct Plan {
    /// Rounds.
    pub(crate) rounds: usize,
    /// Requests for each case and round.
    pub(crate) requests: usize,
    /// Connections that send them at the same time.
    pub(crate) connections: usize,
}

impl Plan {
    /// Requests without a payment in a round.
    pub(crate) fn requests_of(&self, page: Page) -> usize {
        match page {
            Page::Small => self.requests,
            Page::Secure => self.requests / 2,
            Page::Large => self.requests / 5,
        }
    }

    /// Payments a round.
    pub(crate) fn payments_of(&self, paying: Paying, page: Page) -> usize {
        match (paying, page) {
            (Paying::Ten, _) => self.requests / 10,
            _ => self.requests_of(page),
        }
    }

    /// Payments of the other client in all rounds, with some to spare.
    pub(crate) fn payments_of_others(&self) -> usize {
        self.rounds * (SHARED_ROUND.as_millis() as usize * OTHERS_A_SECOND / 1000 + 20)
    }
}

/// How a payment is sent, and how many coins it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paying {
    /// One coin, in a header of a GET.
    One,
    /// Ten coins, in a header of a GET.
    Ten,
    /// One coin, in the body of a POST.
    Post,
    /// One coin, in a credential of the scheme "Payment", with a GET.
    Credential,
}

/// What is requested, and over which transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// 4 KiB.
    Small,
    /// 128 KiB.
    Large,
    /// 4 KiB, over TLS.
    Secure,
}

impl Page {
    /// All of them.
    pub(crate) const ALL: [Page; 3] = [Page::Small, Page::Large, Page::Secure];

    /// The name of its file.
    pub(crate) fn file(self) -> &'static str {
        if self == Page::Large { "large.html" } else { "page.html" }
    }

    /// Its size, in bytes.
    pub(crate) fn size(self) -> usize {
        if self == Page::Large { 128 * 1024 } else { 4 * 1024 }
    }

    fn suffix(self) -> &'static str {
        match self {
            Page::Small => "",
            Page::Large => ", 128 KiB",
            Page::Secure => ", TLS",
        }
    }
}

/// When the till is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// When the operating system decides.
    Os,
    /// At intervals.
    Interval,
    /// Before each answer.
    Always,
}

impl Sync {
    /// All of them.
    pub(crate) const ALL: [Sync; 3] = [Sync::Os, Sync::Interval, Sync::Always];

    /// The word in the vendor's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Sync::Os => "os",
            Sync::Interval => "interval",
            Sync::Always => "always",
        }
    }
}

/// Whether the server keeps files open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// It opens them for each request.
    None,
    /// `open_file_cache`.
    Files,
}

impl Cache {
    /// The word in names of cases.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Cache::None => "plain",
            Cache::Files => "cached",
        }
    }

    /// The directive in nginx's configuration.
    pub(crate) fn nginx(self) -> &'static str {
        match self {
            Cache::None => "",
            Cache::Files => {
                "open_file_cache max=100; open_file_cache_valid 60s; open_file_cache_errors on;"
            }
        }
    }
}

/// What is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A page of the server without the module.
    Absent,
    /// The same, from a process that has threads, as it has with the module.
    Threads,
    /// `return 402` of the server without the module, with the head and body of the module's 402.
    PlainRefusal,
    /// A page where the paywall is off.
    Off,
    /// A free page where the paywall is on.
    Free,
    /// A priced page, without a payment.
    Refused,
    /// A priced page, with a payment.
    Paid(Paying, Sync),
}

/// A row of the table.
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// What is asked for.
    pub(crate) what: What,
    /// Whether files are kept open.
    pub(crate) cache: Cache,
    /// Which page, and over which transport.
    pub(crate) page: Page,
    /// Requests in a round.
    pub(crate) count: usize,
    /// The connections that send them.
    pub(crate) connections: usize,
    /// Which server is asked.
    pub(crate) side: Side,
}

impl Case {
    /// Whether other rows are compared with it.
    pub(crate) fn is_baseline(&self) -> bool {
        self.side == Side::Plain
    }

    fn open(&self, server: &Server) -> Load {
        let sync = if let What::Paid(_, sync) = self.what { sync } else { Sync::Os };
        let host = server.host(self.side, sync, self.cache);
        match self.page {
            Page::Secure => Load::open_tls(host.tls_port, self.connections),
            _ => Load::open(host.port, self.connections),
        }
    }

    fn request(&self) -> Vec<u8> {
        let folder = match self.what {
            What::Absent | What::Threads | What::Free => "free",
            What::PlainRefusal => "refused",
            What::Off => "off",
            What::Refused | What::Paid(..) => "one",
        };
        RequestText::get(&format!("/{folder}/{}", self.page.file())).to_bytes()
    }

    fn status(&self) -> &'static str {
        if matches!(self.what, What::Refused | What::PlainRefusal) { " 402 " } else { " 200 " }
    }
}

impl What {
    /// Which server it is requested from.
    fn side(self) -> Side {
        match self {
            What::Absent | What::PlainRefusal => Side::Plain,
            What::Threads => Side::Threads,
            What::Off | What::Free | What::Refused | What::Paid(..) => Side::Selling,
        }
    }
}

/// Every row for a kind of server; the rows of the module occur twice if there is another build of
/// it.
pub(crate) fn all(kind: Kind, plan: &Plan, has_before: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let connections = plan.connections;
    for &cache in kind.caches() {
        let mut add = |name: &str, what: What, page: Page| {
            let suffix = if cache == Cache::Files { ", file cache" } else { "" };
            let count = match what {
                What::Paid(paying, _) => plan.payments_of(paying, page),
                _ => plan.requests_of(page),
            };
            let name = format!("{name}{}{suffix}", page.suffix());
            if has_before && what.side() == Side::Selling {
                let (name, side) = (format!("{name}, before"), Side::Before);
                cases.push(Case { name, what, cache, page, count, connections, side });
            }
            cases.push(Case { name, what, cache, page, count, connections, side: what.side() });
        };
        add("no module", What::Absent, Page::Small);
        if kind == Kind::Nginx {
            add("no module, thread_pool", What::Threads, Page::Small);
        }
        add("module off", What::Off, Page::Small);
        add("module on, free page", What::Free, Page::Small);
        add("plain return 402", What::PlainRefusal, Page::Small);
        add("402", What::Refused, Page::Small);
        for sync in Sync::ALL {
            for (paying, name) in [(Paying::One, "1 coin"), (Paying::Ten, "10 coins")] {
                add(
                    &format!("paid, {name}, sync {}", sync.name()),
                    What::Paid(paying, sync),
                    Page::Small,
                );
            }
        }
        for (paying, name) in [(Paying::Post, "POST"), (Paying::Credential, "credential")] {
            add(
                &format!("paid by {name}, 1 coin, sync interval"),
                What::Paid(paying, Sync::Interval),
                Page::Small,
            );
        }
        for &page in kind.other_pages().iter().filter(|_| cache == Cache::None) {
            add("no module", What::Absent, page);
            add("module on, free page", What::Free, page);
            add("paid, 1 coin, sync interval", What::Paid(Paying::One, Sync::Interval), page);
        }
    }
    cases
}

/// The cost of one round of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Processor time of the server per request, in microseconds.
    pub(crate) cpu: f64,
    /// Requests a second.
    pub(crate) rate: f64,
}

/// Runs a case once, so that its files and code are warm.
pub(crate) fn warm_up(case: &Case, server: &Server) {
    if !matches!(case.what, What::Paid(..)) {
        let request = case.request();
        let repeated = std::iter::repeat_n(request.as_slice(), 2 * case.connections);
        case.open(server).ask(repeated, case.status());
    }
}

/// One round of a case.
pub(crate) fn measure(case: &Case, server: &Server, supply: &Supply, round: usize) -> Sample {
    let mut load = case.open(server);
    // Rounds differ in length: the time to open connections is not included.
    let free = RequestText::get("/free/page.html").to_bytes();
    load.ask(std::iter::repeat_n(free.as_slice(), case.connections), " 200 ");
    let request = case.request();
    let credentials;
    let requests: Vec<&[u8]> = match case.what {
        What::Paid(Paying::Credential, sync) => {
            let port = server.host(case.side, sync, case.cache).port;
            let messages = supply.round(Paying::Credential, case.page, round);
            credentials = with_credentials(messages, port, &request);
            credentials.iter().map(Vec::as_slice).collect()
        }
        What::Paid(paying, _) => {
            supply.round(paying, case.page, round).iter().map(Vec::as_slice).collect()
        }
        _ => vec![request.as_slice(); case.count],
    };
    let processes = server.processes(case.side);
    let (cpu, start) = (cpu_time(&processes), Instant::now());
    load.ask(requests.into_iter(), case.status());
    let took = start.elapsed().as_secs_f64();
    let cpu = cpu_time(&processes) - cpu;
    Sample { cpu: cpu * 1e6 / case.count as f64, rate: case.count as f64 / took }
}

/// Requests that carry these Payment messages as answers to a challenge of the server, which lives
/// for ten minutes.
fn with_credentials(messages: &[Vec<u8>], port: u16, request: &[u8]) -> Vec<Vec<u8>> {
    let mut load = Load::open(port, 1);
    let head = load.head(request);
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(CHALLENGE_HEADER).then(|| value.trim().to_string())
    });
    let value = value.expect("a challenge");
    let challenge = challenges_in(&value).into_iter().next().expect("a challenge");
    let line_end = request.len() - b"\r\n".len();
    let carry = |message: &Vec<u8>| {
        let value = Credential::new(challenge.clone(), message).to_header();
        let field = format!("{AUTHORIZATION_HEADER}: {value}\r\n");
        [&request[..line_end], field.as_bytes(), b"\r\n"].concat()
    };
    messages.iter().map(carry).collect()
}

/// Processor time of all threads of the processes, in seconds, by the scheduler's clock.
fn cpu_time(processes: &[Pid]) -> f64 {
    let mut sum = 0;
    for process in processes {
        for task in std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero())).unwrap() {
            let text =
                std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
            sum += text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum as f64 / 1e9
}

/// The rate of free pages while another client pays with `sync always`, and while it requests a
/// free page as often.
pub(crate) struct Shared {
    /// While the other client pays.
    pub(crate) paying: Vec<f64>,
    /// While the other client requests free pages.
    pub(crate) asking: Vec<f64>,
}

/// Measures [`Shared`], alternating between both.
pub(crate) fn while_others_pay(server: &Server, supply: &Supply, plan: &Plan) -> Shared {
    let port = server.host(Side::Selling, Sync::Always, Cache::None).port;
    let free = RequestText::get("/free/page.html").to_bytes();
    let each = supply.others().len() / plan.rounds;
    let mut shared = Shared { paying: Vec::new(), asking: Vec::new() };
    for round in 0..plan.rounds {
        let payments: Vec<&[u8]> =
            supply.others()[round * each..][..each].iter().map(Vec::as_slice).collect();
        shared.asking.push(beside(port, &free, &vec![free.as_slice(); each]));
        shared.paying.push(beside(port, &free, &payments));
    }
    shared
}

/// The rate of `free` while another thread sends the requests of `others`, at its own pace.
fn beside(port: u16, free: &[u8], others: &[&[u8]]) -> f64 {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut load = Load::open_leisurely(port, 1);
            let start = Instant::now();
            for (number, request) in others.iter().enumerate() {
                let due = Duration::from_secs_f64(number as f64 / OTHERS_A_SECOND as f64);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                load.ask(std::iter::once(*request), " 200 ");
            }
        });
        // Syncing needs a processor too, which a client that never sleeps would occupy.
        let mut load = Load::open_leisurely(port, CONNECTIONS);
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < SHARED_ROUND {
            load.ask(std::iter::repeat_n(free, CONNECTIONS), " 200 ");
            count += CONNECTIONS;
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        is_over.store(true, Ordering::Relaxed);
        rate
    })
}
