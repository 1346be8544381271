//! The cost of a request to a vendor's paywall, without any web server: processor time of one
//! thread. `cargo bench -p micromint --bench paywall [-- --rounds N] [--directory D]`
//!
//! Every round runs every step a number of times, one step after the other; a row is the median of
//! its rounds with the quartiles. The tills are on a disk, in `target` or the given directory, with
//! `sync os`.
//!
//! Times depend on other load on the machine. With `--instructions`, valgrind counts the
//! instructions of each step instead, without those of SHA-256's blocks: valgrind does not have the
//! processor's instructions for them, which take a few hundred. `callgrind_annotate
//! --inclusive=yes` reads what it leaves in `target/callgrind.STEP`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod timing;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint::authenticator::Key;
use micromint::bin::Bin;
use micromint::hash::HashName;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy};
use micromint::identity::UserId;
use micromint::params::Params;
use micromint::period::Period;
use micromint::protocol::{MEDIA_TYPE, PAYMENT_HEADER, Payment, Refusal, RequestOutcome};
use micromint::testing::{ObviousMint, params_with, resize};
use micromint::till::{Spend, Spent, SyncMode, Till};
use micromint::vendor::{Decision, Look, Paywall, PaywallParts, Request, Serve, VendorConfig};

const URL: &str = "https://news.example/story.html";
/// Payments in a round, and repetitions of steps that cost no coin.
const PAYMENTS: usize = 500;
const REPETITIONS: usize = 2000;
/// Payments in a round to a till without a paywall, and how many of them make a group.
const TILL_PAYMENTS: usize = 512;
const GROUP: usize = 16;
const STEPS: usize = 13;
const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");
/// What a browser sends.
const BROWSER: [(&[u8], &[u8]); 9] = [
    (b"Host", b"news.example"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"en-US,en;q=0.5"),
    (b"Accept-Encoding", b"gzip, deflate, br, zstd"),
    (b"Connection", b"keep-alive"),
    (b"Sec-Fetch-Dest", b"document"),
    (b"Sec-Fetch-Mode", b"navigate"),
    (b"Sec-Fetch-Site", b"none"),
];

fn main() {
    let options = Options::read();
    if options.counts_instructions {
        return (0..STEPS).for_each(|step| count_instructions(step, &options));
    }
    let mint = mint();
    let bought = payments(&mint, &Key::from_bytes([7; 32]), options.rounds * 2 * PAYMENTS + 1);
    let other = payments(&mint, &Key::from_bytes([8; 32]), 1).remove(0);
    let paywall = paywall(&options.directory, mint.params().clone());
    // The first payment of a day creates files, on a thread that may wait.
    let (first, bought) = bought.split_first().unwrap();
    let opened = paywall.decide(&paid(&with_payment(first)));
    assert_eq!(opened.outcome(), RequestOutcome::Paid);
    let Decision::Serve(serve) = &opened else { unreachable!("paid pages are served") };
    let with_receipt = with_receipt(serve);
    let mut till = TillAlone::open(options.directory.path());
    let mut rows: [Row; STEPS] = [
        Row::new("free page", REPETITIONS),
        Row::new("402 to a browser", REPETITIONS),
        Row::new("402 to a wallet", REPETITIONS),
        Row::new("payment parsed", REPETITIONS),
        Row::new("payment by header", PAYMENTS),
        Row::new("view with a receipt", REPETITIONS),
        Row::new("head of a paid page", REPETITIONS),
        Row::new("line of a paid page", REPETITIONS),
        Row::new("the same payment again", REPETITIONS),
        Row::new("another payment with its coins", REPETITIONS),
        Row::new("payment by header, where it may wait", PAYMENTS),
        Row::new("the till alone: a payment", TILL_PAYMENTS),
        Row::new("the till alone: a payment in a group of 16", TILL_PAYMENTS),
    ];
    let wallet = [BROWSER[0], (b"Accept", MEDIA_TYPE.as_bytes())];
    let message = URL_SAFE_NO_PAD.decode(first).unwrap();
    if let Some(step) = options.step {
        rows.iter_mut().for_each(|row| row.mode = Mode::Skip);
        rows[step].mode = Mode::Count { is_warm: false };
    }
    for round in bought.chunks_exact(2 * PAYMENTS) {
        let (nonblocking, waiting) = round.split_at(PAYMENTS);
        rows[0].measure(|_| paywall.look(&Request { price: 0, ..paid(&BROWSER) }).decided());
        rows[1].measure(|_| is_refused(paywall.look(&paid(&BROWSER))));
        rows[2].measure(|_| is_refused(paywall.look(&paid(&wallet))));
        rows[3].measure(|_| Payment::parse(&message).unwrap());
        rows[4].measure(|number| {
            let fields = with_payment(&nonblocking[number]);
            let request = paid(&fields);
            // Occasionally the index grows, which takes time.
            let Look::Pending(pending) = paywall.look(&request) else { unreachable!() };
            let decided = pending.try_now().unwrap_or_else(|pending| pending.wait());
            assert_eq!(decided.0.outcome(), RequestOutcome::Paid);
        });
        rows[5].measure(|_| {
            let decision = paywall.look(&paid(&with_receipt)).decided().unwrap();
            assert_eq!(decision.outcome(), RequestOutcome::Receipt);
            decision
        });
        rows[6].measure(|_| serve.head(200, RequestOutcome::Paid, |_| Vec::new()));
        rows[7].measure(|_| opened.event(200, RequestOutcome::Paid).to_line());
        rows[8].measure(|_| {
            let decision = paywall.decide(&paid(&with_payment(first)));
            assert_eq!(decision.outcome(), RequestOutcome::Retry);
        });
        rows[9].measure(|_| {
            let decision = paywall.decide(&paid(&with_payment(&other)));
            assert_eq!(decision.outcome(), RequestOutcome::Refused(Refusal::Spent));
        });
        rows[10].measure(|number| {
            let decision = paywall.decide(&paid(&with_payment(&waiting[number])));
            assert_eq!(decision.outcome(), RequestOutcome::Paid);
        });
        rows[11].measure(|_| till.spend(1));
        rows[12].measure(|number| {
            if number % GROUP == 0 {
                till.spend(GROUP);
            }
        });
    }
    match options.step {
        Some(step) => println!("{} {}", rows[step].name, rows[step].repetitions),
        None => rows.iter_mut().for_each(Row::print),
    }
}

/// Counts the instructions of a step, by valgrind in a process of its own.
fn count_instructions(step: usize, options: &Options) {
    let file = format!("{TARGET}/callgrind.{step}");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--compress-strings=no", "--toggle-collect=*::counted"]);
    valgrind.arg(format!("--callgrind-out-file={file}")).arg(std::env::current_exe().unwrap());
    valgrind.args(["--rounds", "2", "--step", &step.to_string(), "--directory"]);
    let done = valgrind.arg(options.directory.path()).output().expect("valgrind is not installed");
    let failed = || panic!("{}", String::from_utf8_lossy(&done.stderr));
    let name = String::from_utf8(done.stdout.clone()).unwrap();
    let (name, repetitions) = name.trim().rsplit_once(' ').unwrap_or_else(failed);
    let repetitions: f64 = repetitions.parse().unwrap();
    let (mut all, mut blocks) = (0, 0);
    let (mut is_block, mut is_call) = (false, false);
    for line in std::fs::read_to_string(&file).unwrap().lines() {
        if let Some(function) = line.strip_prefix("fn=") {
            is_block = function.starts_with("sha2::sha256::");
        } else if line.starts_with("calls=") {
            // The next line has the cost of the function that is called.
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost = line.rsplit(' ').next().and_then(|cost| cost.parse().ok()).unwrap_or(0);
            all += if is_call { 0 } else { cost };
            blocks += if is_block && !is_call { cost } else { 0 };
            is_call = false;
        }
    }
    let each = |cost: u64| cost as f64 / repetitions;
    println!("{name:44} {:8.0} instructions", each(all - blocks));
}

/// What `--instructions` counts.
#[inline(never)]
fn counted(act: &mut dyn FnMut()) {
    act();
}

/// A till without a paywall, and what its payments have in common.
struct TillAlone {
    till: Till,
    period: Period,
    user: UserId,
    coin: u32,
}

impl TillAlone {
    fn open(parent: &Path) -> TillAlone {
        let path = parent.join("till-alone");
        std::fs::create_dir(&path).unwrap();
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let directory = Box::new(DiskDirectory::new(path));
        let till = Till::open(directory, SyncMode::Os, clock, entropy).unwrap();
        let (period, user) = ("2026-12".parse().unwrap(), "alice".parse().unwrap());
        TillAlone { till, period, user, coin: 0 }
    }

    /// Records a group of payments of one coin each.
    fn spend(&mut self, count: usize) {
        let first = self.coin;
        self.coin += count as u32;
        // Scattered over the index, as coins are.
        let bins: Vec<[Bin; 1]> = (first..self.coin)
            .map(|coin| [Bin { superbin: coin.wrapping_mul(0x9e37_79b1), subbin: 1 }])
            .collect();
        let spend = |bins| Spend::new(&self.period, &self.user, bins, &[b'p'; 240], [1; 32]);
        let spends: Vec<Spend<'_>> = bins.iter().map(|bins| spend(bins)).collect();
        for (spent, spend) in self.till.try_spend_group(&spends).into_iter().zip(&spends) {
            // Occasionally the index grows, which takes time.
            let spent = spent.unwrap_or_else(|| self.till.spend(spend).unwrap());
            assert!(matches!(spent, Spent::Recorded(_)));
        }
    }
}

/// The command line.
struct Options {
    rounds: usize,
    directory: tempfile::TempDir,
    counts_instructions: bool,
    /// The only step that is run; its instructions are counted.
    step: Option<usize>,
}

impl Options {
    fn read() -> Options {
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        let (mut rounds, mut parent) = (21, TARGET.to_string());
        let (mut counts_instructions, mut step) = (false, None);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("a value after the option");
            match argument.as_str() {
                "--rounds" => rounds = value().parse().expect("a number of rounds"),
                "--directory" => parent = value(),
                "--instructions" => counts_instructions = true,
                "--step" => step = Some(value().parse().expect("the number of a step")),
                _ => panic!("expected --rounds, --directory or --instructions, found {argument}"),
            }
        }
        let directory = tempfile::tempdir_in(parent).unwrap();
        Options { rounds, directory, counts_instructions, step }
    }
}

/// One step, and its cost in each round.
struct Row {
    name: &'static str,
    repetitions: usize,
    mode: Mode,
    nanoseconds: Vec<f64>,
}

/// What is done with a step.
enum Mode {
    /// Its time is measured.
    Time,
    /// Valgrind counts its instructions, after a round that fills caches.
    Count { is_warm: bool },
    /// It is not run.
    Skip,
}

impl Row {
    fn new(name: &'static str, repetitions: usize) -> Row {
        Row { name, repetitions, mode: Mode::Time, nanoseconds: Vec::new() }
    }

    fn measure<T>(&mut self, mut act: impl FnMut(usize) -> T) {
        let mut repeat = || timing::each(self.repetitions, &mut act);
        match self.mode {
            Mode::Time => self.nanoseconds.push(repeat()),
            Mode::Count { is_warm: true } => counted(&mut || {
                repeat();
            }),
            Mode::Count { .. } => {
                repeat();
                self.mode = Mode::Count { is_warm: true };
            }
            Mode::Skip => {}
        }
    }

    fn print(&mut self) {
        timing::print_row(self.name, &mut self.nanoseconds);
    }
}

fn mint() -> ObviousMint {
    ObviousMint::new(params_with(|raw| {
        resize(raw, 11, 8, 4, 2, HashName::Des);
        let now = SystemClock.now();
        raw.start = now.plus_seconds(-86_400);
        raw.expiration = now.plus_seconds(30 * 86_400);
        raw.redeem_until = now.plus_seconds(37 * 86_400);
    }))
}

/// Payments of one coin each as a header carries them; with another key, other payments with the
/// same coins.
fn payments(mint: &ObviousMint, key: &Key, count: usize) -> Vec<String> {
    let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
    let url = URL.parse().unwrap();
    let firsts = (0..mint.params().superbin_count() as u32).step_by(2);
    let coins = firsts.flat_map(|first| mint.coins(&user, &vendor, first)).take(count);
    let payments: Vec<_> = coins
        .map(|coin| {
            URL_SAFE_NO_PAD.encode(mint.payment(&user, key, &vendor, &url, &[coin]).to_bytes())
        })
        .collect();
    assert_eq!(payments.len(), count, "more rounds than there are coins");
    payments
}

fn paywall(directory: &tempfile::TempDir, params: Params) -> Arc<Paywall> {
    let text = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\nperiods = \"periods\"\ntill = \"till\"\nsync = \"os\"\n";
    let config = VendorConfig::parse(text, directory.path()).unwrap();
    let till = Box::new(DiskDirectory::new(directory.path()));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let receipt_key = Key::from_bytes([1; 32]);
    let parts = PaywallParts { config, receipt_key, till, clock, entropy };
    Arc::new(Paywall::with_periods(parts, &[params]).unwrap())
}

/// The header fields of a browser with a payment.
fn with_payment(payment: &str) -> Vec<(&[u8], &[u8])> {
    let mut fields = BROWSER.to_vec();
    fields.push((PAYMENT_HEADER.as_bytes(), payment.as_bytes()));
    fields
}

/// The header fields of a browser that comes back to a page it paid for.
fn with_receipt(serve: &Serve) -> Vec<(&'static [u8], &[u8])> {
    let cookie = serve.headers.iter().find(|(name, _)| *name == "Set-Cookie");
    let (_, cookie) = cookie.expect("a paid page gives a receipt");
    let (pair, _) = cookie.split_once(';').expect("a cookie has attributes");
    let mut fields = BROWSER.to_vec();
    fields.push((b"Cookie", pair.as_bytes()));
    fields
}

/// A request for the page at its price.
fn paid<'a>(headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
    Request {
        method: b"GET",
        target: b"/story.html",
        is_https: true,
        host: Some(b"news.example"),
        headers,
        price: 1,
        ..Request::default()
    }
}

fn is_refused(look: Look<'_>) -> Option<Decision> {
    let decision = look.decided();
    assert!(decision.as_ref().is_some_and(|it| it.outcome() == RequestOutcome::Unpaid));
    decision
}
