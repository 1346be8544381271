//! Properties of the paywall that hold whatever is sent to it.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint::authenticator::Key;
use micromint::host::{Clock, FixedClock, SimulatedDirectory, SystemClock, SystemEntropy};
use micromint::protocol::{Payment, Refusal, RequestOutcome};
use micromint::time::UnixTime;
use micromint::vendor::{Decision, Paywall, PaywallParts, Request, VendorConfig};
use proptest::prelude::*;

use common::{Mint, params};

const CONFIG: &str = "\
vendor-id = \"news.example\"
origins = \"https://news.example\"
periods = \"periods\"
till = \"var/till\"
sync = \"os\"
receipt-time = 3600
";

fn mint() -> Mint {
    Mint::new(params("2026-12", "2026-12-01", "2027-01-01"))
}

fn noon() -> UnixTime {
    "2026-12-10T12:00:00Z".parse().unwrap()
}

fn paywall(mint: &Mint, clock: Arc<dyn Clock>) -> Arc<Paywall> {
    paywall_on(mint, CONFIG, SimulatedDirectory::new(), clock)
}

/// A paywall with this configuration, and its till in this directory.
fn paywall_on(
    mint: &Mint,
    config: &str,
    till: SimulatedDirectory,
    clock: Arc<dyn Clock>,
) -> Arc<Paywall> {
    let parts = PaywallParts {
        config: VendorConfig::parse(config, Path::new("vendor.toml")).unwrap(),
        receipt_key: Key::from_bytes([9; 32]),
        till: Box::new(till),
        clock,
        entropy: Arc::new(SystemEntropy),
    };
    Arc::new(Paywall::with_periods(parts, &[mint.rules.params().clone()]).unwrap())
}

/// A payment by alice for a page, with these of her coins.
fn payment(mint: &Mint, page: &str, coins: &[usize]) -> Payment {
    let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
    let all = mint.coins(&user, &vendor);
    let coins: Vec<Vec<u64>> = coins.iter().map(|number| all[*number].clone()).collect();
    mint.payment(&user, &vendor, &format!("https://news.example{page}"), &coins)
}

fn pay_by_header(
    paywall: &Arc<Paywall>,
    method: &str,
    page: &str,
    price: u32,
    message: &[u8],
) -> Decision {
    let value = URL_SAFE_NO_PAD.encode(message);
    let headers: [(&[u8], &[u8]); 1] = [(b"micromint-payment", value.as_bytes())];
    let request = Request {
        method: method.as_bytes(),
        target: page.as_bytes(),
        is_https: true,
        headers: &headers,
        price,
        ..Request::default()
    };
    assert!(paywall.look(&request).pending().is_some());
    paywall.decide(&request)
}

#[test]
fn one_paywall_serves_all_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Paywall>();
}

/// Every bit of a valid payment, flipped: what the vendor still accepts is the same payment in
/// another spelling, or one with another authenticator or another owner token. Without an owners
/// file only the broker can check these.
#[test]
fn no_flipped_bit_buys_anything_else() {
    let mint = mint();
    let good = payment(&mint, "/story", &[3]);
    let message = good.to_bytes();
    let fresh = || paywall(&mint, Arc::new(FixedClock(noon())));
    let mut current = fresh();
    let (mut paid, mut refused) = (0, 0);
    for bit in 0..message.len() * 8 {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let decision = pay_by_header(&current, "GET", "/story", 1, &flipped);
        match decision.outcome() {
            RequestOutcome::Refused(_) => refused += 1,
            RequestOutcome::Paid => {
                let mut parsed = Payment::parse(&flipped).unwrap();
                parsed.authenticator = good.authenticator;
                assert_eq!(parsed.owner_tokens.len(), 1, "bit {bit}");
                parsed.owner_tokens.clone_from(&good.owner_tokens);
                assert_eq!(parsed, good, "bit {bit}");
                paid += 1;
                current = fresh();
            }
            other => panic!("bit {bit}: {other:?}"),
        }
    }
    // Each of the 48 digits of authenticator and token has 3 or 4 bits that lead to other digits,
    // and every letter of a header name has one that changes its case.
    assert!(paid > 80 && refused > 8 * paid, "{paid} paid, {refused} refused");
    assert_eq!(
        pay_by_header(&current, "GET", "/story", 1, &message).outcome(),
        RequestOutcome::Paid
    );
}

struct MovingClock(AtomicI64);

impl Clock for MovingClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

/// One request of a random sequence.
#[derive(Clone, Debug)]
struct Act {
    after: i64,
    method: &'static str,
    page: &'static str,
    coins: Vec<usize>,
    /// The price differs from the number of coins by this amount.
    off: u32,
    status: u16,
}

fn act() -> impl Strategy<Value = Act> {
    (
        prop_oneof![3 => Just(0), 1 => 1..2000i64],
        prop_oneof![4 => Just("GET"), 1 => Just("HEAD"), 1 => Just("DELETE")],
        prop_oneof![Just("/a"), Just("/b?c")],
        prop::sample::subsequence(vec![0, 1, 2, 3], 1..=2),
        prop_oneof![9 => Just(0u32), 1 => Just(1)],
        prop_oneof![4 => Just(200), 1 => Just(404)],
    )
        .prop_map(|(after, method, page, coins, off, status)| Act {
            after,
            method,
            page,
            coins,
            off,
            status,
        })
}

/// The simplest model of a till: for each coin, the payment that took it.
#[derive(Default)]
struct Model {
    taken: HashMap<usize, Taken>,
}

#[derive(Clone)]
struct Taken {
    page: &'static str,
    coins: Vec<usize>,
    is_view: bool,
    at: i64,
}

impl Model {
    fn expect(&self, act: &Act, now: i64) -> RequestOutcome {
        let is_view = act.method != "DELETE";
        let retried = self.taken.get(&act.coins[0]).filter(|taken| {
            (taken.page == act.page && taken.coins == act.coins && taken.is_view && is_view)
                && now - taken.at <= 3600
        });
        if retried.is_some() {
            return RequestOutcome::Retry;
        }
        match act.method {
            "HEAD" => RequestOutcome::Unpaid,
            _ if act.off > 0 => RequestOutcome::Refused(Refusal::WrongAmount),
            _ if act.coins.iter().any(|coin| self.taken.contains_key(coin)) => {
                RequestOutcome::Refused(Refusal::Spent)
            }
            _ => RequestOutcome::Paid,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_payments_is_answered_as_by_the_model(acts in prop::collection::vec(act(), 1..30)) {
        let mint = mint();
        let clock = Arc::new(MovingClock(AtomicI64::new(noon().0)));
        let paywall = paywall(&mint, clock.clone());
        let mut model = Model::default();
        for act in &acts {
            let now = clock.0.fetch_add(act.after, Ordering::Relaxed) + act.after;
            let message = payment(&mint, act.page, &act.coins).to_bytes();
            let price = act.coins.len() as u32 + act.off;
            let decision = pay_by_header(&paywall, act.method, act.page, price, &message);
            prop_assert_eq!(decision.outcome(), model.expect(act, now), "{:?}", act);
            let Decision::Serve(serve) = decision else { continue };
            prop_assert_eq!(serve.charge.is_some(), serve.outcome == RequestOutcome::Paid);
            let Some(charge) = serve.charge else { continue };
            prop_assert_eq!(serve.coins as usize, act.coins.len());
            if paywall.finish(&charge, act.status) == RequestOutcome::Reversed {
                prop_assert_eq!(act.status, 404);
                continue;
            }
            prop_assert_eq!(act.status, 200);
            let is_view = act.method != "DELETE";
            let taken = Taken { page: act.page, coins: act.coins.clone(), is_view, at: now };
            model.taken.extend(act.coins.iter().map(|coin| (*coin, taken.clone())));
        }
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

fn header() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let names = prop_oneof![
        Just(b"MicroMint-Payment".to_vec()),
        Just(b"cookie".to_vec()),
        Just(b"Accept".to_vec()),
        Just(b"Content-Type".to_vec()),
        Just(b"Idempotency-Key".to_vec()),
        bytes(),
    ];
    let values = prop_oneof![
        bytes(),
        Just(b"application/x-micromint".to_vec()),
        "micromint-[0-9A-Za-z_-]{7,9}=[0-9A-Za-z_-]{31,33}(; a=b)?".prop_map(String::into_bytes),
        "(text/html|\\*/\\*|text/\\*)(;q=[01]?\\.?[0-9]{0,4})?(,[a-z/*]{0,9})?"
            .prop_map(String::into_bytes),
        bytes().prop_map(|bytes| URL_SAFE_NO_PAD.encode(bytes).into_bytes()),
    ];
    (names, values)
}

/// A request of arbitrary bytes.
#[derive(Clone, Debug)]
struct Chaos {
    method: Vec<u8>,
    target: Vec<u8>,
    host: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<Vec<u8>>,
    price: u32,
}

fn chaos() -> impl Strategy<Value = Chaos> {
    let method = prop_oneof![
        Just(b"GET".to_vec()),
        Just(b"POST".to_vec()),
        Just(b"HEAD".to_vec()),
        Just(b"OPTIONS".to_vec()),
        bytes()
    ];
    let target =
        prop_oneof![Just(b"/".to_vec()), "/[!-~]{0,60}".prop_map(String::into_bytes), bytes()];
    let price = prop_oneof![Just(0u32), Just(1), Just(500), any::<u32>()];
    let headers = prop::collection::vec(header(), 0..6);
    (method, target, prop::option::of(bytes()), headers, prop::option::of(bytes()), price).prop_map(
        |(method, target, host, headers, body, price)| Chaos {
            method,
            target,
            host,
            headers,
            body,
            price,
        },
    )
}

proptest! {
    #[test]
    fn nothing_arbitrary_is_paid_or_panics_or_writes_a_header(chaos in chaos()) {
        thread_local! {
            static PAYWALL: Arc<Paywall> = paywall(&mint(), Arc::new(FixedClock(noon())));
        }
        let headers: Vec<(&[u8], &[u8])> =
            chaos.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
        let request = Request {
            method: &chaos.method,
            target: &chaos.target,
            is_https: false,
            host: chaos.host.as_deref(),
            headers: &headers,
            body: chaos.body.as_deref(),
            price: chaos.price,
            ..Request::default()
        };
        let decision = PAYWALL.with(|paywall| {
            let decision = paywall.decide(&request);
            if let Some(looked) = paywall.look(&request).decided() {
                assert_eq!(looked, decision);
            }
            decision
        });
        let headers = match &decision {
            Decision::Serve(serve) => {
                prop_assert!(chaos.price == 0, "served: {:?}", serve);
                &serve.headers
            }
            Decision::Answer(answer) => &answer.headers,
        };
        for (name, value) in headers {
            prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
        }
    }
}

/// The real till: two paywalls on one folder, like two server processes, and eight threads that pay
/// with one coin at the same time. Exactly one of them is served, also after everything was
/// reopened.
#[test]
fn one_coin_buys_one_page_of_all_that_race_for_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let now = SystemClock.now().0 / 86_400 * 86_400;
    let day = |days: i64| UnixTime(now + days * 86_400).day();
    let mint = Mint::new(params("now", &day(-1), &day(2)));
    std::fs::create_dir(folder.path().join("periods")).unwrap();
    std::fs::write(folder.path().join("periods/now.params"), mint.rules.params().to_toml())
        .unwrap();
    let file = folder.path().join("vendor.toml");
    std::fs::write(&file, CONFIG).unwrap();

    let config = VendorConfig::load(&file).unwrap();
    let prepare = || Paywall::prepare(&config, None, &SystemClock, &SystemEntropy).unwrap();
    let warnings = prepare();
    for name in ["var/till", "var/till/lock", "var/till.receipt-secret"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is open to others");
    }
    let above = std::fs::metadata(folder.path().join("var")).unwrap().permissions().mode();
    assert_eq!(above & 0o011, 0o011, "the serving user must get to the till");
    let secret = || std::fs::read(folder.path().join("var/till.receipt-secret")).unwrap();
    let before = secret();
    assert_eq!((prepare(), secret()), (warnings, before), "a second start changes nothing");
    let open = || {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        Arc::new(Paywall::open(config.clone(), clock, entropy).unwrap())
    };

    let paywalls = [open(), open()];
    let messages: Vec<(String, Vec<u8>)> = (0..8)
        .map(|i| (format!("/{i}"), payment(&mint, &format!("/{i}"), &[0]).to_bytes()))
        .collect();
    let outcomes: Vec<RequestOutcome> = std::thread::scope(|scope| {
        let pay = |i: usize| {
            let (page, message) = &messages[i];
            pay_by_header(&paywalls[i % 2], "GET", page, 1, message).outcome()
        };
        let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || pay(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(
        outcomes.iter().filter(|outcome| **outcome == RequestOutcome::Paid).count(),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        outcomes.iter().filter(|o| **o == RequestOutcome::Refused(Refusal::Spent)).count(),
        7,
        "{outcomes:?}"
    );

    drop(paywalls);
    let reopened = open();
    for (i, (page, message)) in messages.iter().enumerate() {
        let again = pay_by_header(&reopened, "GET", page, 1, message).outcome();
        let expected = if outcomes[i] == RequestOutcome::Paid {
            RequestOutcome::Retry
        } else {
            RequestOutcome::Refused(Refusal::Spent)
        };
        assert_eq!(again, expected, "{page}");
    }
}

/// What a server announces before it asks the till is what the till answers afterwards.
#[test]
fn a_reversal_is_promised_only_while_it_can_be_kept() {
    let mint = mint();
    for (age, status, expected) in [
        (0, 200, RequestOutcome::Paid),
        (0, 206, RequestOutcome::Paid),
        (0, 304, RequestOutcome::Reversed),
        (570, 500, RequestOutcome::Reversed),
        (571, 500, RequestOutcome::Paid),
        (601, 500, RequestOutcome::Paid),
    ] {
        let clock = Arc::new(MovingClock(AtomicI64::new(noon().0)));
        let paywall = paywall(&mint, clock.clone());
        let message = payment(&mint, "/story", &[3]).to_bytes();
        let Decision::Serve(serve) = pay_by_header(&paywall, "GET", "/story", 1, &message) else {
            panic!("not served")
        };
        let charge = serve.charge.unwrap();
        clock.0.fetch_add(age, Ordering::Relaxed);
        let promised = paywall.promise(&charge, status);
        assert_eq!(promised, expected, "{age} {status}");
        if promised == RequestOutcome::Reversed {
            assert_eq!(paywall.finish(&charge, status), RequestOutcome::Reversed, "{age} {status}");
        }
    }
}

/// All processes that share a till share one cap.
#[test]
fn a_cap_holds_across_paywalls_on_one_till() {
    let mint = mint();
    let till = SimulatedDirectory::new();
    let config = format!("{CONFIG}cap = 3\n");
    let paywalls =
        [(); 2].map(|()| paywall_on(&mint, &config, till.clone(), Arc::new(FixedClock(noon()))));
    let outcomes: Vec<RequestOutcome> = (0..5)
        .map(|number| {
            let page = format!("/{number}");
            let message = payment(&mint, &page, &[number]).to_bytes();
            pay_by_header(&paywalls[number % 2], "GET", &page, 1, &message).outcome()
        })
        .collect();
    let capped = RequestOutcome::Refused(Refusal::CapReached);
    assert_eq!(
        outcomes,
        [RequestOutcome::Paid, RequestOutcome::Paid, RequestOutcome::Paid, capped, capped]
    );
}
