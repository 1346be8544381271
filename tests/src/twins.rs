//! Twins: configurations that run once with an access rule and once with a price in its place.
//! Whatever the access rule refuses, the price must sell, and nothing else.
//!
//! A [`Twin`] has places for rules, files and targets. Each runs at three stands, which are virtual
//! servers with names of their own: one with a password, and two with a price, of which one has the
//! paywall on everywhere and one only where a price is set. The first stand says what the others
//! must answer, so the expectation comes from the server itself.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use micromint::protocol::Payment;
use micromint::scheme::{Credential, challenges_in};

use crate::client::{Connection, RequestText, Response};
use crate::server::{Server, coins_in};
use crate::site::Site;
use crate::{application, payer};

/// The Vendor-ID of all stands; their hosts are in this domain.
const VENDOR: &str = "twins.example";
/// The price of a place with `RULE`, in coins.
const PRICE: u32 = 2;
/// The price of a place with `LESS`, in coins.
const LOWER_PRICE: u32 = 1;
/// The password file: user `user`, password `pass`.
const PASSWORDS: &str = "user:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=\n";
/// The field that brings this password.
const LOGIN: (&str, &str) = ("Authorization", "Basic dXNlcjpwYXNz");
/// The longest time until the till holds what it should.
const TILL_PATIENCE: Duration = Duration::from_secs(3);

/// What a line of the log contains if the server or the module has a fault.
const FAULTS: [&str; 4] = ["alert]", "panic", "exit signal", "exited on signal"];

/// A configuration with an access rule or a price.
pub struct Twin {
    /// What it is about.
    pub name: &'static str,
    /// The content of its virtual server. `RULE` and `LESS` become the access rule or the price,
    /// `%ROOT%` its folder, `%BACK_PORT%` the port of [`application`].
    pub text: &'static str,
    /// The text with an access rule, where the server takes none in the place of `RULE`.
    pub text_with_access: Option<&'static str>,
    /// Its files and their content, with the same placeholders. One that begins with `#!` is a
    /// program.
    pub files: &'static [(&'static str, &'static str)],
    /// What is requested.
    pub asks: &'static [Ask],
}

/// A target, and what the access rule does to it.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// It refuses the target, so the price sells it.
    Sold(&'static str),
    /// The same; the request passes a cheaper place first, whose price may be asked first.
    SoldInSteps(&'static str),
    /// It refuses the target, to which the content of a free place leads. Where the paywall is off
    /// in that place, the body of a POST belongs to that content, so nothing is paid with it.
    SoldBehind(&'static str),
    /// It refuses the target, which does not exist: nothing is sold.
    Missing(&'static str),
    /// It refuses the target, which is only another name of what is sold: nothing is sold.
    Moved(&'static str),
    /// It does not refuse the target, so the price changes nothing.
    Open(&'static str),
}

/// How a server writes the rules and the virtual servers.
pub struct Dialect {
    /// The access rule.
    pub access: &'static str,
    /// The price, with `%COINS%`.
    pub price: &'static str,
    /// A virtual server, with `%STAND%` (its folder), `%NAME%`, `%ROOT%`, `%VENDOR%` (what makes it
    /// sell, or nothing) and `%TEXT%`.
    pub server: &'static str,
    /// The vendor, with `%STAND%`.
    pub vendor: &'static str,
    /// The paywall everywhere.
    pub on: &'static str,
}

/// What stands in the place of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Access,
    /// A price; the paywall is on everywhere.
    PriceOnEverywhere,
    /// A price; the paywall is on only where there is a price.
    PriceAlone,
}

/// A virtual server.
struct Stand {
    name: String,
    rule: Rule,
    folder: PathBuf,
    port: u16,
    next_coin: AtomicUsize,
}

/// Runs all twins in one server that `start` starts with the given text.
///
/// Only the twins whose name contains the environment variable `MICROMINT_TWIN` run, if it is set.
///
/// # Panics
/// If a target is not sold as it should be; all failures are listed.
pub fn check<S: Server>(
    dialect: &Dialect,
    twins: &[Twin],
    start: impl FnOnce(Arc<Site>, &str) -> S,
) {
    let wanted = std::env::var("MICROMINT_TWIN").unwrap_or_default();
    let site = Arc::new(Site::new());
    site.write("passwords", PASSWORDS);
    application::start(site.back_port);
    let (mut text, mut stands) = (String::new(), Vec::new());
    for (number, twin) in twins.iter().enumerate().filter(|(_, twin)| twin.name.contains(&wanted)) {
        let stand = |rule, name: &str| {
            let stand = Stand::new(&site, format!("stand-{number}-{name}"), rule);
            (stand.build(&site, dialect, twin), stand)
        };
        let of_twin = [
            stand(Rule::Access, "access"),
            stand(Rule::PriceOnEverywhere, "on-everywhere"),
            stand(Rule::PriceAlone, "alone"),
        ];
        let [access, everywhere, alone] = of_twin.map(|(part, stand)| {
            text.push_str(&part);
            stand
        });
        stands.push((twin, access, [everywhere, alone]));
    }
    assert!(!stands.is_empty(), "no twin has {wanted:?} in its name");
    let server = start(site, &text);
    let (mut failures, mut count) = (Vec::new(), 0);
    for (twin, access, priced) in &stands {
        for ask in twin.asks {
            for stand in priced {
                count += 1;
                let result = catch_unwind(AssertUnwindSafe(|| ask.check(access, stand)));
                let failure = match result {
                    Ok(Ok(())) => continue,
                    Ok(Err(failure)) => failure,
                    Err(_) => "panic: the server closed the connection, or see above".to_string(),
                };
                failures.push(format!("{} [{}] {ask:?}: {failure}", twin.name, stand.name));
            }
        }
    }
    let log = server.log();
    let is_fault = |line: &&str| FAULTS.iter().any(|fault| line.contains(fault));
    failures.extend(log.lines().filter(is_fault).map(|line| format!("log: {line}")));
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

impl Stand {
    fn new(site: &Site, name: String, rule: Rule) -> Stand {
        let folder = site.path(&name);
        Stand { name, rule, folder, port: site.port, next_coin: AtomicUsize::new(0) }
    }

    /// Writes its files, and returns its part of the server's configuration.
    fn build(&self, site: &Site, dialect: &Dialect, twin: &Twin) -> String {
        let root = format!("%FOLDER%/{}/www", self.name);
        let price = |coins: u32| dialect.price.replace("%COINS%", &coins.to_string());
        let [higher, lower] = match self.rule {
            Rule::Access => [dialect.access.to_string(), dialect.access.to_string()],
            _ => [price(PRICE), price(LOWER_PRICE)],
        };
        let fill = |text: &str| {
            site.fill(
                &text.replace("RULE", &higher).replace("LESS", &lower).replace("%ROOT%", &root),
            )
        };
        // With `always`, a thread decides about payments; with `os`, the event loop may.
        let sync = if self.rule == Rule::PriceAlone { "always" } else { "os" };
        site.write(
            &format!("{}/vendor.toml", self.name),
            &format!(
                "vendor-id = \"{VENDOR}\"\norigins = [\"{}\"]\n\
                 periods = \"../periods\"\ntill = \"till\"\nsync = \"{sync}\"\n",
                self.url("")
            ),
        );
        for (name, content) in [("unused.html", "unused")].iter().chain(twin.files) {
            let name = format!("{}/www/{name}", self.name);
            site.write(&name, &fill(content));
            if content.starts_with("#!") {
                let mode = PermissionsExt::from_mode(0o755);
                std::fs::set_permissions(site.path(&name), mode).unwrap();
            }
        }
        let text = match (self.rule, twin.text_with_access) {
            (Rule::Access, Some(text)) => text,
            _ => twin.text,
        };
        let on = match self.rule {
            Rule::Access => String::new(),
            Rule::PriceOnEverywhere => format!("{}\n{}", dialect.vendor, dialect.on),
            Rule::PriceAlone => dialect.vendor.to_string(),
        };
        let text = dialect.server.replace("%VENDOR%", &on).replace("%TEXT%", text);
        fill(&text.replace("%NAME%", &self.host()).replace("%STAND%", &self.name))
    }

    fn host(&self) -> String {
        format!("{}.{VENDOR}", self.name)
    }

    fn ask(&self, mut request: RequestText) -> Response {
        request.headers[0].1 = self.host();
        let mut connection = Connection::open(self.port);
        let answer = connection.ask(&request.with("Connection", "close"));
        assert!(connection.is_closed(), "the server keeps the connection open");
        answer
    }

    fn get(&self, target: &str) -> Response {
        self.ask(RequestText::get(target))
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}:{}{target}", self.host(), self.port)
    }

    /// A payment with coins that this stand has not seen.
    fn payment(&self, target: &str, count: u32) -> Payment {
        let first = self.next_coin.fetch_add(count as usize, Ordering::Relaxed);
        let coins = &coins()[first..first + count as usize];
        let (user, vendor) = ("alice".parse().unwrap(), VENDOR.parse().unwrap());
        let url = self.url(target).parse().unwrap();
        payer::mint().payment(&user, &payer::user_key(), &vendor, &url, coins)
    }

    /// The coins that its till holds for redemption.
    fn held(&self) -> u64 {
        coins_in(&self.folder.join("till"))
    }

    /// Waits until the till holds `coins`: a reversal may follow the response.
    fn holds(&self, coins: u64) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let held = self.held();
            if held == coins {
                return Ok(());
            }
            if start.elapsed() > TILL_PATIENCE {
                return Err(format!("expected {coins} coins in the till, found {held}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Coins of `alice` at the vendor. Each stand has a till of its own, so all may take the same ones.
fn coins() -> &'static [Vec<u64>] {
    static COINS: OnceLock<Vec<Vec<u64>>> = OnceLock::new();
    COINS.get_or_init(|| {
        let (user, vendor) = ("alice".parse().unwrap(), VENDOR.parse().unwrap());
        let sets = 0..payer::mint().params().superbin_count() as u32 / 2;
        sets.flat_map(|set| payer::mint().coins(&user, &vendor, set * 2)).collect()
    })
}

/// How a payment is brought.
#[derive(Clone, Copy, Debug)]
enum Form {
    Post,
    Header,
    Credential,
}

impl Form {
    const ALL: [Form; 3] = [Form::Post, Form::Header, Form::Credential];

    fn request(self, target: &str, payment: &Payment, unpaid: &Response) -> RequestText {
        match self {
            Form::Post => RequestText::post(target, payment),
            Form::Header => RequestText::get(target).with_payment(payment),
            Form::Credential => {
                let challenges = unpaid.header("www-authenticate").unwrap_or_default();
                let challenge = challenges_in(&challenges).pop().unwrap_or_default();
                let credential = Credential::new(challenge, &payment.to_bytes());
                RequestText::get(target).with("Authorization", &credential.to_header())
            }
        }
    }
}

impl Ask {
    fn check(self, access: &Stand, priced: &Stand) -> Result<(), String> {
        let (Ask::Sold(target)
        | Ask::SoldInSteps(target)
        | Ask::SoldBehind(target)
        | Ask::Missing(target)
        | Ask::Moved(target)
        | Ask::Open(target)) = self;
        let refused = access.get(target);
        let reference = access.ask(RequestText::get(target).with(LOGIN.0, LOGIN.1));
        let expected = match self {
            Ask::Open(_) => 0..=599,
            Ask::Sold(_) | Ask::SoldInSteps(_) | Ask::SoldBehind(_) => 200..=299,
            Ask::Missing(_) => 404..=404,
            Ask::Moved(_) => 300..=399,
        };
        let is_open = matches!(self, Ask::Open(_));
        if (refused.status == 401) == is_open || !expected.contains(&reference.status) {
            return Err(format!(
                "the twin is wrong: the access rule answers {} and then {}",
                refused.status, reference.status
            ));
        }
        match self {
            Ask::SoldBehind(_) if priced.rule == Rule::PriceAlone => {
                sold_by(&[Form::Header, Form::Credential], priced, target, &reference, PRICE)?;
                let held = priced.held();
                let post = RequestText::post(target, &priced.payment(target, PRICE));
                asks(priced, target, &priced.ask(post), PRICE..=PRICE)?;
                priced.holds(held)
            }
            Ask::Sold(_) | Ask::SoldBehind(_) => {
                sold_by(&Form::ALL, priced, target, &reference, PRICE)
            }
            Ask::SoldInSteps(_) => sold_by(&Form::ALL, priced, target, &reference, LOWER_PRICE),
            Ask::Missing(_) => missing(priced, target),
            Ask::Moved(_) => same("GET", &priced.get(target), &reference),
            Ask::Open(_) => open(priced, target, &refused),
        }
    }
}

/// The target is sold in each of `forms`. `first` is the lowest price that may be asked at first.
fn sold_by(
    forms: &[Form],
    stand: &Stand,
    target: &str,
    reference: &Response,
    first: u32,
) -> Result<(), String> {
    let mut unpaid = asks(stand, target, &stand.get(target), first..=PRICE)?;
    if price_of(&unpaid) != Some(PRICE) {
        for form in forms {
            let before = stand.held();
            let payment = stand.payment(target, LOWER_PRICE);
            let answer = stand.ask(form.request(target, &payment, &unpaid));
            unpaid = asks(stand, target, &answer, PRICE..=PRICE)
                .map_err(|error| format!("{LOWER_PRICE} coin by {form:?}: {error}"))?;
            stand.holds(before)?;
        }
    }
    let mut failures = String::new();
    for form in forms {
        if let Err(error) = sells(stand, target, *form, &unpaid, reference) {
            let _ = write!(failures, "\n    {form:?}: {error}");
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn sells(
    stand: &Stand,
    target: &str,
    form: Form,
    unpaid: &Response,
    reference: &Response,
) -> Result<(), String> {
    let before = stand.held();
    let payment = stand.payment(target, PRICE);
    let paid = stand.ask(form.request(target, &payment, unpaid));
    let expected = (reference.status, "paid".to_string(), reference.body.as_str());
    if paid.seen() != expected {
        return Err(format!("expected {expected:?}, found {}", brief(&paid)));
    }
    stand.holds(before + u64::from(PRICE))?;
    let cookie = paid.cookie().ok_or("no receipt cookie")?;
    let again = stand.ask(RequestText::get(target).with("Cookie", &cookie));
    let expected = (reference.status, "receipt".to_string(), reference.body.as_str());
    if again.seen() != expected {
        return Err(format!("again: expected {expected:?}, found {}", brief(&again)));
    }
    stand.holds(before + u64::from(PRICE))
}

fn missing(stand: &Stand, target: &str) -> Result<(), String> {
    let before = stand.held();
    let unpaid = stand.get(target);
    if ![402, 404].contains(&unpaid.status) {
        return Err(format!("expected 402 or 404, found {}", brief(&unpaid)));
    }
    for form in Form::ALL {
        let answer = stand.ask(form.request(target, &stand.payment(target, PRICE), &unpaid));
        if answer.status != 404 {
            return Err(format!("{form:?}: expected 404, found {}", brief(&answer)));
        }
    }
    stand.holds(before)
}

fn open(stand: &Stand, target: &str, reference: &Response) -> Result<(), String> {
    same("GET", &stand.get(target), reference)?;
    let before = stand.held();
    let paying = RequestText::get(target).with_payment(&stand.payment(target, PRICE));
    same("a payment that nobody asked for", &stand.ask(paying), reference)?;
    stand.holds(before)
}

/// The same status, and unless that is an error or a redirect, the same body.
fn same(what: &str, answer: &Response, reference: &Response) -> Result<(), String> {
    let is_content = reference.status < 300;
    if answer.status != reference.status || is_content && answer.body != reference.body {
        let expected = (reference.status, reference.body.as_str());
        return Err(format!("{what}: expected {expected:?}, found {}", brief(answer)));
    }
    Ok(())
}

/// The answer asks a price within `prices` for the target.
fn asks(
    stand: &Stand,
    target: &str,
    answer: &Response,
    prices: std::ops::RangeInclusive<u32>,
) -> Result<Response, String> {
    let has_price = price_of(answer).is_some_and(|price| prices.contains(&price));
    let url = format!("URL: {}", stand.url(target));
    let has_url = answer.body.lines().any(|line| line.trim_end() == url);
    if answer.status != 402 || !has_price || !has_url {
        return Err(format!(
            "expected 402 with price {prices:?} and {url}, found {}",
            brief(answer)
        ));
    }
    Ok(answer.clone())
}

/// The price that an answer asks.
pub fn price_of(answer: &Response) -> Option<u32> {
    answer.body.lines().find_map(|line| line.strip_prefix("Price: ")?.trim().parse().ok())
}

/// An answer in one line.
fn brief(answer: &Response) -> String {
    let body: String = answer.body.chars().take(160).collect();
    format!("{} {:?} price {:?} {body:?}", answer.status, answer.word(), price_of(answer))
}
