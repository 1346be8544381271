//! Plays the cases of `testdata/cases/*.toml` against the paywall. They are written in terms of
//! HTTP requests and answers, so that they can be played against a real server too.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use micromint::authenticator::Key;
use micromint::host::{Clock, SimulatedDirectory, SystemEntropy};
use micromint::testing::cases::{
    Asked, Case, CaseStep, Client, FILE_SIZE, Seen, accepted_mints, all, assert_played, compare,
    file_modified_at, first_request_at,
};
use micromint::time::UnixTime;
use micromint::vendor::{
    BotKeys, Content, Decision, Look, Paywall, PaywallParts, Place, PriceList, Request, RequestBuf,
    Serve, VendorConfig,
};

/// The entity tag of the file that is the content.
const ETAG: &str = "\"5f-64\"";

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

/// One vendor from its first request on.
struct Stage {
    paywall: Arc<Paywall>,
    clock: Arc<TestClock>,
    till: SimulatedDirectory,
    periods: SimulatedDirectory,
    client: Client,
    thread: Thread,
}

/// Which thread of a server decides.
#[derive(Clone, Copy, Debug)]
enum Thread {
    /// One that may block.
    Blocking,
    /// An event thread; another one waits for what would block.
    Event,
}

impl Stage {
    fn new(case: &Case, thread: Thread) -> Stage {
        let config = VendorConfig::parse(&case.config(), Path::new("vendor.toml")).unwrap();
        let (origins, coin_value) = (config.origins().to_vec(), config.coin_value());
        let clock = Arc::new(TestClock(AtomicI64::new(first_request_at().0)));
        let till = SimulatedDirectory::new();
        let periods = SimulatedDirectory::new();
        for mint in accepted_mints() {
            let params = mint.params();
            periods.put(&format!("{}.params", params.period()), params.to_toml().as_bytes());
        }
        let parts = PaywallParts {
            config,
            receipt_key: Key::from_bytes([9; 32]),
            till: Box::new(till.clone()),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
        };
        let paywall = Paywall::with_folder(parts, Box::new(periods.clone())).unwrap();
        let paywall = match &case.prices {
            Some(text) => {
                let list = PriceList::parse(text, &origins, coin_value).unwrap();
                let keys = case.bot_keys.as_deref().unwrap_or_default();
                paywall.with_price_list_and_bots(list, BotKeys::parse(keys).unwrap())
            }
            None => paywall,
        };
        let paywall = Arc::new(paywall);
        Stage { paywall, clock, till, periods, client: Client::default(), thread }
    }

    fn play(&mut self, step: &CaseStep) -> Seen {
        self.clock.0.fetch_add(step.after, Ordering::Relaxed);
        if step.till_fails {
            self.till.crash_after(0);
        }
        for (name, content) in step.put_files() {
            match name.strip_prefix("till/") {
                Some(name) => self.till.put(name, &content),
                None => self.periods.put(&name, &content),
            }
        }
        let asked = self.client.ask(step, ETAG);
        let fields: Vec<(&[u8], &[u8])> =
            asked.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let file = Content {
            etag: Some(ETAG.as_bytes()),
            last_modified: Some(file_modified_at()),
            size: Some(FILE_SIZE),
        };
        let head = Request {
            method: step.method.as_bytes(),
            target: step.target.as_bytes(),
            is_https: !step.http,
            host: Some(step.host.as_bytes()).filter(|host| !host.is_empty()),
            port: None,
            headers: &fields,
            body: None,
            price: step.price,
            place: Place {
                receipt_path: step.receipt_path.as_deref().map(str::as_bytes),
                free_views: step.free_views,
                is_dry_run: step.dry_run,
                charges_redirects: step.charges_redirects,
                ..Place::default()
            },
            client: Some(step.client),
            content: step.file.then_some(file),
        };
        let decision =
            self.paywall.with_list_price(&head, |head| self.decide(head, asked.body.as_deref()));
        let seen = self.answer(&decision, step, &asked);
        self.client.keep_cookies(&seen);
        seen
    }

    /// As a server does it: the head first, the body if it is asked for.
    fn decide(&self, head: &Request<'_>, body: Option<&[u8]>) -> Decision {
        match self.paywall.look(head) {
            Look::Decided((decision, _)) => {
                assert_eq!(self.paywall.decide(head), decision, "waiting changes nothing");
                decision
            }
            Look::NeedsBody { size_max } => {
                let body = body.filter(|body| body.len() <= size_max);
                RequestBuf::from(&Request { body, ..*head })
                    .as_request(|request| self.conclude(self.paywall.look_with_body(request)))
            }
            pending => self.conclude(pending),
        }
    }

    fn conclude(&self, look: Look<'_>) -> Decision {
        let pending = match look {
            Look::Decided((decision, _)) => return decision,
            Look::NeedsBody { .. } => panic!("the body was read"),
            Look::Pending(pending) => pending,
        };
        match self.thread {
            Thread::Blocking => pending.wait().0,
            Thread::Event => pending.try_now().unwrap_or_else(|pending| pending.wait()).0,
        }
    }

    fn answer(&self, decision: &Decision, step: &CaseStep, asked: &Asked) -> Seen {
        let mut seen = match decision {
            Decision::Answer(answer) => {
                let head = answer.head(|_| Vec::new());
                assert!(head.remove.is_empty());
                let body = String::from_utf8(answer.body.clone()).unwrap();
                Seen { status: answer.status, headers: owned(head.add), body, ..Seen::default() }
            }
            Decision::Serve(serve) => Seen {
                status: step.content,
                body: "content".to_string(),
                content_method: Some(
                    if serve.as_get { "GET" } else { step.method.as_str() }.to_string(),
                ),
                content_fields: Some(content_fields(serve, asked)),
                ..Seen::default()
            },
        };
        let mut became = decision.outcome();
        if let Decision::Serve(serve) = decision {
            if let Some(charge) = &serve.charge {
                became = self.paywall.finish(charge, step.content);
            }
            let values = |name: &str| {
                let named =
                    step.content_headers.iter().filter(|(its, _)| its.eq_ignore_ascii_case(name));
                named.map(|(_, value)| value.clone()).collect()
            };
            let changes = serve.head(step.content, became, values);
            let is_out =
                |name: &str| changes.remove.iter().any(|out| out.eq_ignore_ascii_case(name));
            seen.headers =
                step.content_headers.iter().filter(|(name, _)| !is_out(name)).cloned().collect();
            seen.headers.extend(owned(changes.add));
        }
        let about = decision.about();
        if let Decision::Answer(answer) = decision {
            seen.log = answer.log.clone().unwrap_or_default();
        }
        seen.log.extend(about.alert.clone());
        seen.event = decision.event(seen.status, became).to_string();
        seen
    }
}

/// The header fields that are passed on to the content.
fn content_fields(serve: &Serve, asked: &Asked) -> Vec<String> {
    let framing =
        ["Content-Length", "Transfer-Encoding"].into_iter().filter(|_| asked.body.is_some());
    let sent = asked.headers.iter().map(|(name, _)| name.as_str()).chain(framing);
    let is_out = |name: &str| {
        serve.strip_request_headers.iter().any(|stripped| stripped.eq_ignore_ascii_case(name))
    };
    sent.filter(|name| !is_out(name)).map(str::to_string).collect()
}

fn owned(fields: Vec<(&'static str, Cow<'_, str>)>) -> Vec<(String, String)> {
    fields.into_iter().map(|(name, value)| (name.to_string(), value.into_owned())).collect()
}

#[test]
fn every_case_is_answered_as_written() {
    play_all(Thread::Blocking);
}

#[test]
fn an_event_thread_answers_every_case_alike() {
    play_all(Thread::Event);
}

fn play_all(thread: Thread) {
    let (mut failures, mut count) = (Vec::new(), 0);
    for (file, case) in all() {
        let mut stage = Stage::new(&case, thread);
        for (number, step) in case.step.iter().enumerate() {
            count += 1;
            let seen = stage.play(step);
            if let Err(difference) = compare(&seen, &step.expect) {
                failures.push(format!("{file}: {}, step {}: {difference}", case.name, number + 1));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} steps:\n{}", failures.len(), failures.join("\n"));
    assert_played(count);
}
