//! The cases of `testdata/cases/*.toml`: the answers of a vendor, as data with which the core and
//! every server with a module are tested.
//!
//! Input: the files. Output: HTTP requests with payments in them. A player of its own sends each to
//! what it tests and returns what was [`Seen`]; `compare` checks that against the expectation.
//! `testdata/cases/README.md` describes the keys of a case.

mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::{ObviousMint, params_with};
use crate::authenticator::Key;
use crate::identity::{UserId, VendorId};
use crate::protocol::{MEDIA_TYPE, PAYMENT_HEADER};
use crate::scheme::{
    AUTHORIZATION_HEADER, CHALLENGE_HEADER, CREDENTIAL_HEADER, Challenge, Credential, challenges_in,
};
use crate::time::UnixTime;

pub use compare::{Seen, compare};

/// The secret of the broker of all periods.
const BROKER_SECRET: [u8; 32] = [7; 32];
/// The vendor's configuration; `config` of a case changes it.
const CONFIG: &str = "\
vendor-id = \"news.example\"
origins = [\"https://news.example\", \"http://news.example\", \"https://www.news.example:8443\"]
periods = \"periods\"
till = \"till\"
sync = \"os\"
receipt-time = 3600
description = \"News <of> the day\"
";

/// The size of the file that is the content of a step, in bytes.
pub const FILE_SIZE: u64 = 100;

/// A vendor from its first request on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// What the case shows.
    pub name: String,
    /// Why no real server can be tested with it, if none can.
    pub core_only: Option<String>,
    /// Lines that replace those of the configuration with the same keys.
    #[serde(default)]
    config: String,
    /// The text of the vendor's price list, if there is one: the file `prices.toml` beside the
    /// configuration.
    pub prices: Option<String>,
    /// The keys of bots, if the vendor has any: the file `bot-keys.toml` beside the configuration.
    pub bot_keys: Option<String>,
    /// The requests.
    pub step: Vec<CaseStep>,
}

/// A request and the expected answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaseStep {
    /// The seconds since the step before.
    #[serde(default)]
    pub after: i64,
    /// The till's disk fails from this step on.
    #[serde(default)]
    pub till_fails: bool,
    /// Files that the vendor renames into the folder of periods before, and their contents. Nothing
    /// removes one.
    #[serde(default)]
    put: BTreeMap<String, String>,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// The request target.
    #[serde(default = "target")]
    pub target: String,
    /// The header field Host.
    #[serde(default = "host")]
    pub host: String,
    /// The request comes without TLS.
    #[serde(default)]
    pub http: bool,
    /// The price of the page.
    #[serde(default = "one")]
    pub price: u32,
    /// The receipt path of the page.
    pub receipt_path: Option<String>,
    /// The free views a day of the page.
    #[serde(default)]
    pub free_views: u32,
    /// A redirect by the content of the page is what is sold.
    #[serde(default)]
    pub charges_redirects: bool,
    /// The page only tests a price (dry run).
    #[serde(default)]
    pub dry_run: bool,
    /// The client's address.
    #[serde(default = "client")]
    pub client: std::net::IpAddr,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Send the cookies of earlier answers.
    #[serde(default)]
    jar: bool,
    payment: Option<CasePayment>,
    body: Option<String>,
    /// The status of the content's answer.
    #[serde(default = "ok")]
    pub content: u16,
    /// Header fields of the content's answer.
    #[serde(default)]
    pub content_headers: Vec<(String, String)>,
    /// The content is a file that the server itself sends, all of whose metadata it knows before.
    #[serde(default)]
    pub file: bool,
    /// A server may refuse such a request itself with 400, before its module sees it.
    #[serde(default)]
    pub or_refused: bool,
    /// The expected answer.
    pub expect: Expect,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CasePayment {
    #[serde(default = "by")]
    by: String,
    #[serde(default = "user")]
    user: String,
    coins_of: Option<String>,
    #[serde(default = "host")]
    vendor: String,
    coins_for: Option<String>,
    #[serde(default = "period")]
    period: String,
    url: Option<String>,
    #[serde(default = "first_coin")]
    coins: Vec<usize>,
    authenticator: Option<String>,
    #[serde(default)]
    damage: Vec<String>,
    #[serde(default)]
    replace: Vec<(String, String)>,
    #[serde(default)]
    replace_json: Vec<(String, String)>,
    #[serde(default)]
    replace_encoded: Vec<(String, String)>,
}

/// The expected answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    status: u16,
    word: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    body: Vec<String>,
    #[serde(default)]
    body_lacks: Vec<String>,
    content_method: Option<String>,
    #[serde(default)]
    stripped: Vec<String>,
    #[serde(default)]
    kept: Vec<String>,
    #[serde(default)]
    challenge: Vec<String>,
    #[serde(default)]
    challenge_request: Vec<String>,
    #[serde(default)]
    decoded: BTreeMap<String, Vec<String>>,
    log: Option<String>,
    event: Option<String>,
}

fn get() -> String {
    "GET".to_string()
}
fn target() -> String {
    "/story".to_string()
}
fn host() -> String {
    "news.example".to_string()
}
fn user() -> String {
    "alice".to_string()
}
fn by() -> String {
    "header".to_string()
}
fn period() -> String {
    "2026-12".to_string()
}
fn client() -> std::net::IpAddr {
    std::net::Ipv4Addr::new(192, 0, 2, 1).into()
}
fn one() -> u32 {
    1
}
fn ok() -> u16 {
    200
}
fn first_coin() -> Vec<usize> {
    vec![0]
}

/// The time of the first request.
pub fn first_request_at() -> UnixTime {
    "2026-12-10T12:00:00Z".parse().unwrap()
}

/// The time of the last change of the file that is the content of a step.
pub fn file_modified_at() -> UnixTime {
    "2026-12-02T03:04:05Z".parse().unwrap()
}

/// An environment variable that selects cases by a part of their name, to try one alone.
const CASES_VARIABLE: &str = "MICROMINT_CASES";

/// Checks that enough steps were played: one if `MICROMINT_CASES` selects cases, else 165.
///
/// # Panics
/// There were fewer. A player that plays nothing finds no fault.
pub fn assert_played(steps: usize) {
    let least = if std::env::var_os(CASES_VARIABLE).is_some() { 1 } else { 165 };
    assert!(steps >= least, "expected at least {least} steps, found {steps}");
}

/// Every case, with the name of its file; if the environment variable `MICROMINT_CASES` is set,
/// only those whose name contains its value.
///
/// # Panics
/// No name contains it, or two cases have one name.
pub fn all() -> Vec<(String, Case)> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cases {
        case: Vec<Case>,
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/cases");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let mut read: Cases = toml::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for step in read.case.iter_mut().flat_map(|case| &mut case.step) {
            step.target = spelled_out(&step.target);
        }
        cases.extend(read.case.into_iter().map(|case| (name.clone(), case)));
    }
    let names = cases.iter().map(|(_, case)| case.name.as_str());
    if let Some(name) = repeated(names) {
        panic!("two cases have the name {name:?}");
    }
    if let Ok(part) = std::env::var(CASES_VARIABLE) {
        cases.retain(|(_, case)| case.name.contains(&part));
        assert!(!cases.is_empty(), "no case has a name with {part:?}");
    }
    cases
}

/// The first of these names that came before.
fn repeated<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

/// A target in which each `{N times TEXT}` is replaced by N copies of the text.
fn spelled_out(target: &str) -> String {
    let Some((before, rest)) = target.split_once('{') else { return target.to_string() };
    let (number, rest) = rest.split_once(" times ").unwrap();
    let (text, after) = rest.split_once('}').unwrap();
    format!("{before}{}{after}", text.repeat(number.parse().unwrap()))
}

/// The cases for real servers, and for programs around the core.
pub fn for_servers() -> Vec<(String, Case)> {
    all().into_iter().filter(|(_, case)| case.core_only.is_none()).collect()
}

/// The mints of the periods that the vendor accepts.
pub fn accepted_mints() -> &'static [ObviousMint] {
    &mints()[..3]
}

/// The accepted periods, then `2031-01` and `2026-12-large`, which are not accepted unless a step
/// puts their parameters there. A coin of the last is worth 40 of the others.
fn mints() -> &'static [ObviousMint; 5] {
    static MINTS: OnceLock<[ObviousMint; 5]> = OnceLock::new();
    MINTS.get_or_init(|| {
        [
            ("2026-12", "2026-12-01", "2027-01-01", "0.01 USD"),
            ("2026-11", "2026-11-01", "2026-12-01", "0.01 USD"),
            ("2027-01", "2027-01-01", "2027-02-01", "0.01 USD"),
            ("2031-01", "2026-01-01", "2032-02-01", "0.01 USD"),
            ("2026-12-large", "2026-12-01", "2027-01-01", "0.4 USD"),
        ]
        .map(|(period, start, expiration, coin_value)| {
            ObviousMint::new(params_with(|raw| {
                raw.period = period.parse().unwrap();
                raw.start = format!("{start}T00:00:00Z").parse().unwrap();
                raw.expiration = format!("{expiration}T00:00:00Z").parse().unwrap();
                raw.redeem_until = raw.expiration.plus_seconds(7 * 86_400);
                raw.coin_value = coin_value.parse().unwrap();
            }))
        })
    })
}

fn mint(period: &str) -> &'static ObviousMint {
    mints().iter().find(|mint| mint.params().period().as_str() == period).unwrap()
}

/// All coins of `user` for `vendor`, in order of their first bins.
fn coins(mint: &ObviousMint, user: &UserId, vendor: &VendorId) -> Vec<Vec<u64>> {
    let firsts = (0..mint.params().superbin_count() as u32).step_by(2);
    firsts.flat_map(|first| mint.coins(user, vendor, first)).collect()
}

impl Case {
    /// The vendor's configuration.
    pub fn config(&self) -> String {
        let keys: Vec<&str> =
            self.config.lines().filter_map(|line| line.split(" =").next()).collect();
        let kept = CONFIG
            .lines()
            .filter(|line| !keys.iter().any(|key| line.starts_with(&format!("{key} ="))));
        let prices = self.prices.as_ref().map(|_| "prices = \"prices.toml\"");
        let lines = kept.chain(self.config.lines()).chain(prices);
        lines.map(|line| format!("{line}\n")).collect()
    }
}

impl CaseStep {
    /// The files that the vendor puts into the folder of periods, or with `till/` before the name
    /// into the directory of the till, and their contents.
    pub fn put_files(&self) -> Vec<(String, Vec<u8>)> {
        let with_params = |text: &str| {
            mints().iter().fold(text.to_string(), |text, mint| {
                let params = mint.params();
                text.replace(&format!("{{params {}}}", params.period()), &params.to_toml())
            })
        };
        let content = |text: &str| match text.strip_prefix("{owners ") {
            Some(users) => owners_file(users.trim_end_matches('}')),
            None => with_params(text).into_bytes(),
        };
        self.put.iter().map(|(name, text)| (name.clone(), content(text))).collect()
    }
}

/// The owners file of `2026-12` for `news.example` in which the sets from superbin 0 on belong to
/// these users.
fn owners_file(users: &str) -> Vec<u8> {
    let mint = mint("2026-12");
    let users: Vec<UserId> = users.split(' ').map(|user| user.parse().unwrap()).collect();
    let key = |user| Key::from_bytes(BROKER_SECRET).user_key(mint.params().period(), user);
    let keys: Vec<Key> = users.iter().map(key).collect();
    let sets: Vec<(&UserId, &Key)> = users.iter().zip(&keys).collect();
    mint.owners(&"news.example".parse().unwrap(), &sets).to_bytes()
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The header fields except Host.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

/// The client of a case: it pays, and stores cookies and the last challenge.
#[derive(Debug, Default)]
pub struct Client {
    jar: BTreeMap<String, String>,
    challenge: Option<Challenge>,
}

impl Client {
    /// The request of a step. `etag` is the entity tag that the server sends for the file.
    pub fn ask(&self, step: &CaseStep, etag: &str) -> Asked {
        let mut asked = Asked { headers: step.headers.clone(), body: None };
        asked.body = step.body.clone().map(String::into_bytes);
        let modified = file_modified_at();
        let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(modified.0 as u64);
        for (_, value) in &mut asked.headers {
            *value = value
                .replace("{etag}", etag)
                .replace("{modified}", &httpdate::fmt_http_date(modified));
        }
        if step.jar && !self.jar.is_empty() {
            let pairs: Vec<String> =
                self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            asked.headers.push(("Cookie".to_string(), pairs.join("; ")));
        }
        if let Some(payment) = &step.payment {
            payment.add_to(step, self.challenge.as_ref(), &mut asked);
        }
        asked
    }

    /// Stores the cookies of an answer, and its challenge if it has one.
    pub fn keep_cookies(&mut self, seen: &Seen) {
        let found = seen
            .header(CHALLENGE_HEADER)
            .unwrap_or_default()
            .and_then(|it| challenges_in(it).pop());
        self.challenge = found.or(self.challenge.take());
        for (_, value) in
            seen.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"))
        {
            let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
            self.jar.insert(name.to_string(), value.to_string());
        }
    }
}

impl CasePayment {
    fn add_to(&self, step: &CaseStep, challenge: Option<&Challenge>, asked: &mut Asked) {
        let message = self.message(step);
        for by in self.by.split(' ') {
            match by {
                "header" => {
                    let value = replaced(URL_SAFE_NO_PAD.encode(&message), &self.replace_encoded);
                    asked.headers.push((PAYMENT_HEADER.to_string(), value));
                }
                "authorization" | "payment-authorization" => {
                    let name = if by == "authorization" {
                        AUTHORIZATION_HEADER
                    } else {
                        CREDENTIAL_HEADER
                    };
                    let challenge = challenge.unwrap(); // A step before this one got it.
                    let header = Credential::new(challenge.clone(), message.as_bytes()).to_header();
                    let json = URL_SAFE_NO_PAD.decode(&header["Payment ".len()..]).unwrap();
                    let json = replaced(String::from_utf8(json).unwrap(), &self.replace_json);
                    let token = replaced(URL_SAFE_NO_PAD.encode(json), &self.replace_encoded);
                    asked.headers.push((name.to_string(), format!("Payment {token}")));
                }
                "body" => {
                    let content_type = ("Content-Type".to_string(), MEDIA_TYPE.to_string());
                    asked.headers.push(content_type);
                    asked.body = Some(message.clone().into_bytes());
                }
                other => panic!("{other:?} carries no payment"),
            }
        }
    }

    fn message(&self, step: &CaseStep) -> String {
        let mint = mint(&self.period);
        let coins_of = self.coins_of.as_ref().unwrap_or(&self.user).parse().unwrap();
        let coins_for = self.coins_for.as_ref().unwrap_or(&self.vendor).parse().unwrap();
        let all = coins(mint, &coins_of, &coins_for);
        let mut coins: Vec<Vec<u64>> =
            self.coins.iter().map(|number| all[*number].clone()).collect();
        for damage in &self.damage {
            damage_coins(mint, &mut coins, damage);
        }
        let scheme = if step.http { "http" } else { "https" };
        let page = format!("{scheme}://{}{}", step.host, step.target);
        let url = self.url.as_ref().unwrap_or(&page).parse().unwrap();
        let (user, vendor) = (self.user.parse().unwrap(), self.vendor.parse().unwrap());
        let key = Key::from_bytes(BROKER_SECRET).user_key(mint.params().period(), &user);
        let mut payment = mint.payment(&user, &key, &vendor, &url, &coins);
        if let Some(authenticator) = &self.authenticator {
            payment.authenticator = authenticator.parse().unwrap();
        }
        replaced(String::from_utf8(payment.to_bytes()).unwrap(), &self.replace)
    }
}

/// `text` with the first occurrence of each first piece replaced by the second.
fn replaced(mut text: String, pairs: &[(String, String)]) -> String {
    for (what, with) in pairs {
        assert!(text.contains(what), "expected {what:?} in {text:?}");
        text = text.replacen(what, with, 1);
    }
    text
}

/// Spoils the last coin.
fn damage_coins(mint: &ObviousMint, coins: &mut [Vec<u64>], damage: &str) {
    let last = coins.last_mut().unwrap();
    match damage {
        "out-of-range" => last[2] = 1 << 56,
        "repeated-ball" => last[1] = last[0],
        "fixed-bits" => last[3] = (0..).find(|x| mint.rules().bin(*x).is_none()).unwrap(),
        "rotated" => last.rotate_left(1),
        "short" => _ = last.pop(),
        other => panic!("unknown damage {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_came_before_is_found() {
        assert_eq!(repeated(["a", "b", "a", "b"].into_iter()), Some("a"));
        assert_eq!(repeated(["a", "b", "ab"].into_iter()), None);
    }
}
