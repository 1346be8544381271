//! Plays the cases of `testdata/cases/*.toml` against the paywall. They speak of requests and answers
//! as HTTP has them, so that a real server can be put in the paywall's place.
//!
//! `testdata/cases/README.md` says what a case may hold.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint::authenticator::Key;
use micromint::host::{Clock, SimulatedDirectory, SystemEntropy};
use micromint::time::UnixTime;
use micromint::vendor::config::VendorConfig;
use micromint::vendor::http::{Content, Decision, Outcome, Request, RequestBuf, STATUS_HEADER, Step};
use micromint::vendor::paywall::Paywall;
use serde::Deserialize;

use common::{Mint, params};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Case {
    name: String,
    /// Lines put in place of those of the configuration with the same keys.
    #[serde(default)]
    config: String,
    step: Vec<CaseStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CaseStep {
    /// Seconds since the step before.
    #[serde(default)]
    after: i64,
    /// The till's disk fails from here on.
    #[serde(default)]
    till_fails: bool,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "target")]
    target: String,
    #[serde(default = "host")]
    host: String,
    #[serde(default)]
    http: bool,
    #[serde(default = "one")]
    price: u32,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Send the cookies of earlier answers.
    #[serde(default)]
    jar: bool,
    payment: Option<CasePayment>,
    /// The body, where it is no payment.
    body: Option<String>,
    /// The status that the content would have.
    #[serde(default = "ok")]
    content: u16,
    /// The content is a file of which the server knows everything before.
    #[serde(default)]
    file: bool,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CasePayment {
    /// `header`, `body`, `header header` or `header body`.
    #[serde(default = "by")]
    by: String,
    #[serde(default = "user")]
    user: String,
    /// Whose coins they are, if not `user`'s.
    coins_of: Option<String>,
    #[serde(default = "host")]
    vendor: String,
    /// For whom they were made, if not `vendor`.
    coins_for: Option<String>,
    #[serde(default = "period")]
    period: String,
    url: Option<String>,
    /// Which of the user's coins, by number.
    #[serde(default = "first_coin")]
    coins: Vec<usize>,
    authenticator: Option<String>,
    #[serde(default)]
    damage: Vec<String>,
    /// Replacements in the text of the message: what, by what.
    #[serde(default)]
    replace: Vec<(String, String)>,
    /// Replacements in what the header carries.
    #[serde(default)]
    replace_encoded: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Expect {
    status: u16,
    /// The value of MicroMint-Status, empty for none.
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
    /// What the content saw as the method.
    content_method: Option<String>,
    /// Fields that the content must not see.
    #[serde(default)]
    stripped: Vec<String>,
    log: Option<String>,
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
fn one() -> u32 {
    1
}
fn ok() -> u16 {
    200
}
fn first_coin() -> Vec<usize> {
    vec![0]
}

const CONFIG: &str = "\
vendor-id = \"news.example\"
origins = [\"https://news.example\", \"http://news.example\", \"https://www.news.example:8443\"]
periods = \"periods\"
till = \"till\"
sync = \"os\"
receipt-time = 3600
description = \"News <of> the day\"
";

/// The entity tag and the time of the file that is the content.
const ETAG: &str = "\"5f-64\"";
const MODIFIED: &str = "Wed, 02 Dec 2026 03:04:05 GMT";

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

/// One vendor from its first request on.
struct Stage<'a> {
    mints: &'a [Mint],
    paywall: Paywall,
    clock: Arc<TestClock>,
    till: SimulatedDirectory,
    jar: BTreeMap<String, String>,
}

/// An answer as a client sees it, and what the content saw.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    content_method: Option<String>,
    stripped: Vec<String>,
    log: String,
}

impl<'a> Stage<'a> {
    fn new(case: &Case, mints: &'a [Mint]) -> Stage<'a> {
        let keys: Vec<&str> = case.config.lines().filter_map(|line| line.split(" =").next()).collect();
        let kept =
            CONFIG.lines().filter(|line| !keys.iter().any(|key| line.starts_with(&format!("{key} ="))));
        let text: String = kept.chain(case.config.lines()).map(|line| format!("{line}\n")).collect();
        let config = VendorConfig::parse(&text, Path::new("vendor.toml")).unwrap();
        let start: UnixTime = "2026-12-10T12:00:00Z".parse().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(start.0)));
        let till = SimulatedDirectory::new();
        let accepted: Vec<_> = mints.iter().take(3).map(|mint| mint.rules.params().clone()).collect();
        let key = Key::from_bytes([9; 32]);
        let paywall = Paywall::with(
            config,
            &accepted,
            key,
            Box::new(till.clone()),
            clock.clone(),
            Arc::new(SystemEntropy),
        )
        .unwrap();
        Stage { mints, paywall, clock, till, jar: BTreeMap::new() }
    }

    fn play(&mut self, step: &CaseStep) -> Seen {
        self.clock.0.fetch_add(step.after, Ordering::Relaxed);
        if step.till_fails {
            self.till.crash_after(0);
        }
        let mut headers = step.headers.clone();
        if self.jar.is_empty() || !step.jar {
        } else {
            let pairs: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.push(("Cookie".to_string(), pairs.join("; ")));
        }
        let mut body = step.body.clone().map(String::into_bytes);
        if let Some(payment) = &step.payment {
            self.add_payment(step, payment, &mut headers, &mut body);
        }
        for (_, value) in &mut headers {
            *value = value.replace("{etag}", ETAG).replace("{modified}", MODIFIED);
        }
        let known = Content {
            etag: Some(ETAG.as_bytes()),
            last_modified: Some("2026-12-02T03:04:05Z".parse().unwrap()),
            size: Some(100),
        };
        let fields: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let head = Request {
            method: step.method.as_bytes(),
            target: step.target.as_bytes(),
            is_https: !step.http,
            host: Some(step.host.as_bytes()),
            headers: &fields,
            body: None,
            price: step.price,
            content: step.file.then_some(known),
            ..Request::default()
        };
        let decision = self.decide(&head, body.as_deref());
        let seen = self.answer(decision, step);
        for (_, value) in seen.headers.iter().filter(|(name, _)| name == "Set-Cookie") {
            let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
            self.jar.insert(name.to_string(), value.to_string());
        }
        seen
    }

    /// As a server does it: the head first, the body where it is asked for.
    fn decide(&self, head: &Request<'_>, body: Option<&[u8]>) -> Decision {
        match self.paywall.classify(head) {
            Step::Decided(decision) => {
                assert_eq!(self.paywall.decide(head), decision, "both steps say the same");
                decision
            }
            Step::ReadBody { size_max } => {
                let body = body.filter(|body| body.len() <= size_max);
                RequestBuf::from(&Request { body, ..*head })
                    .as_request(|request| self.paywall.decide(request))
            }
            Step::Work => self.paywall.decide(head),
        }
    }

    fn answer(&self, decision: Decision, step: &CaseStep) -> Seen {
        let own = |headers: &[(&'static str, String)]| -> Vec<(String, String)> {
            headers.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
        };
        match decision {
            Decision::Answer(answer) => Seen {
                status: answer.status,
                headers: own(&answer.headers),
                body: String::from_utf8(answer.body).unwrap(),
                content_method: None,
                stripped: Vec::new(),
                log: answer.log.unwrap_or_default(),
            },
            Decision::Serve(serve) => {
                let is_success = (200..300).contains(&step.content);
                let settled = serve.charge.as_ref().map(|charge| self.paywall.settle(charge, step.content));
                let mut headers =
                    if is_success || step.content == 304 { own(&serve.headers) } else { Vec::new() };
                if settled == Some(Outcome::Reversed) {
                    headers = vec![(STATUS_HEADER.to_string(), Outcome::Reversed.word().to_string())];
                }
                if serve.is_private {
                    headers.push(("Cache-Control".to_string(), "private".to_string()));
                }
                let method = if serve.as_get { "GET" } else { step.method.as_str() };
                Seen {
                    status: step.content,
                    headers,
                    body: "content".to_string(),
                    content_method: Some(method.to_string()),
                    stripped: serve.strip_request_headers.iter().map(|name| name.to_string()).collect(),
                    log: String::new(),
                }
            }
        }
    }

    fn add_payment(
        &self,
        step: &CaseStep,
        wanted: &CasePayment,
        headers: &mut Vec<(String, String)>,
        body: &mut Option<Vec<u8>>,
    ) {
        let message = self.message(step, wanted);
        for by in wanted.by.split(' ') {
            match by {
                "header" => {
                    let mut value = URL_SAFE_NO_PAD.encode(&message);
                    for (what, with) in &wanted.replace_encoded {
                        assert!(value.contains(what), "{what:?} does not stand in the header");
                        value = value.replacen(what, with, 1);
                    }
                    headers.push(("MicroMint-Payment".to_string(), value));
                }
                "body" => {
                    headers.push(("Content-Type".to_string(), "application/x-micromint".to_string()));
                    *body = Some(message.clone().into_bytes());
                }
                other => panic!("{other:?} carries no payment"),
            }
        }
    }

    fn message(&self, step: &CaseStep, wanted: &CasePayment) -> String {
        let named = |mint: &&Mint| mint.rules.params().period().as_str() == wanted.period;
        let mint = self.mints.iter().find(named).unwrap();
        let coins_of = wanted.coins_of.as_ref().unwrap_or(&wanted.user).parse().unwrap();
        let coins_for = wanted.coins_for.as_ref().unwrap_or(&wanted.vendor).parse().unwrap();
        let all = mint.coins(&coins_of, &coins_for);
        let mut coins: Vec<Vec<u64>> = wanted.coins.iter().map(|number| all[*number].clone()).collect();
        for damage in &wanted.damage {
            damage_coins(mint, &mut coins, damage);
        }
        let scheme = if step.http { "http" } else { "https" };
        let page = format!("{scheme}://{}{}", step.host, step.target);
        let url = wanted.url.as_ref().unwrap_or(&page);
        let mut payment =
            mint.payment(&wanted.user.parse().unwrap(), &wanted.vendor.parse().unwrap(), url, &coins);
        if let Some(authenticator) = &wanted.authenticator {
            payment.authenticator = authenticator.parse().unwrap();
        }
        let mut text = String::from_utf8(payment.to_bytes()).unwrap();
        for (what, with) in &wanted.replace {
            assert!(text.contains(what), "{what:?} does not stand in the message");
            text = text.replacen(what, with, 1);
        }
        text
    }
}

/// Spoils the last coin.
fn damage_coins(mint: &Mint, coins: &mut [Vec<u64>], damage: &str) {
    let last = coins.last_mut().unwrap();
    match damage {
        "out-of-range" => last[2] = 1 << 56,
        "repeated-ball" => last[1] = last[0],
        "fixed-bits" => last[3] = (0..).find(|x| mint.rules.bin(*x).is_none()).unwrap(),
        "rotated" => last.rotate_left(1),
        "short" => _ = last.pop(),
        other => panic!("unknown damage {other:?}"),
    }
}

fn compare(seen: &Seen, expect: &Expect) -> Result<(), String> {
    let same = |what: &str, found: &str, expected: &str| {
        if found == expected {
            Ok(())
        } else {
            Err(format!("{what}: expected {expected:?}, found {found:?}"))
        }
    };
    let header = |name: &str| {
        let values: Vec<&str> =
            seen.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        assert!(values.len() <= 1, "{name} stands {} times", values.len());
        values.first().copied()
    };
    same("status", &seen.status.to_string(), &expect.status.to_string())?;
    if let Some(word) = &expect.word {
        same(STATUS_HEADER, header(STATUS_HEADER).unwrap_or_default(), word)?;
    }
    for (name, value) in &expect.headers {
        same(name, header(name).unwrap_or_default(), value)?;
    }
    for name in &expect.has {
        header(name).ok_or_else(|| format!("{name} is missing"))?;
    }
    for name in &expect.lacks {
        same(name, header(name).unwrap_or_default(), "")?;
    }
    for text in &expect.body {
        seen.body.contains(text).then_some(()).ok_or(format!("{text:?} is not in {:?}", seen.body))?;
    }
    for text in &expect.body_lacks {
        (!seen.body.contains(text)).then_some(()).ok_or(format!("{text:?} is in {:?}", seen.body))?;
    }
    if let Some(method) = &expect.content_method {
        same("the content's method", seen.content_method.as_deref().unwrap_or_default(), method)?;
    }
    for name in &expect.stripped {
        seen.stripped.contains(name).then_some(()).ok_or(format!("{name} was not stripped"))?;
    }
    if let Some(log) = &expect.log {
        seen.log.contains(log).then_some(()).ok_or(format!("log: {:?} lacks {log:?}", seen.log))?;
    }
    // A header that could end its line would let a request write the answer.
    let injected =
        seen.headers.iter().find(|(_, value)| value.bytes().any(|byte| !(b' '..=b'~').contains(&byte)));
    injected.map_or(Ok(()), |(name, value)| Err(format!("{name} holds {value:?}")))
}

#[test]
fn every_case_is_answered_as_written() {
    let mints = [
        Mint::new(params("2026-12", "2026-12-01", "2027-01-01")),
        Mint::new(params("2026-11", "2026-11-01", "2026-12-01")),
        Mint::new(params("2027-01", "2027-01-01", "2027-02-01")),
        Mint::new(params("2031-01", "2026-01-01", "2032-02-01")), // not accepted
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/cases");
    let (mut failures, mut count) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let cases: Cases = toml::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in &cases.case {
            let mut stage = Stage::new(case, &mints);
            for (number, step) in case.step.iter().enumerate() {
                count += 1;
                let seen = stage.play(step);
                if let Err(difference) = compare(&seen, &step.expect) {
                    failures.push(format!("{}, step {}: {difference}", case.name, number + 1));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} steps:\n{}", failures.len(), failures.join("\n"));
    assert!(count > 100, "only {count} steps were found");
}
