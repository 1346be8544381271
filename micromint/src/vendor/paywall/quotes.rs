//! A cache of answers to requests without a payment.
//!
//! Input: a request without a payment. Output: the answer that an equal request got before. The
//! invariants: an answer is cached exactly as long as computing it again gives the same answer;
//! only requests that agree in everything the answer depends on get it; the cache is bounded,
//! whatever clients ask for.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::Paywall;
use crate::bytes::Writer;
use crate::protocol::{CRAWLER_EXACT_HEADER, CRAWLER_MAX_HEADER, RequestOutcome};
use crate::time::UnixTime;
use crate::vendor::accept::accepts_payment;
use crate::vendor::carrier::{Carrier, brings_receipt};
use crate::vendor::challenger::next_challenge;
use crate::vendor::check::Checker;
use crate::vendor::decision::{Answer, Decision};
use crate::vendor::request::Request;

/// The largest number of cached answers. A hash of the question chooses the slot; a new answer
/// replaces the old one.
const QUOTES_MAX: usize = 512;
/// The largest answer that is cached, together with its question, in bytes. [`QUOTES_MAX`] of them
/// take 8 MiB.
const QUOTE_SIZE_MAX: usize = 16 * 1024;

/// The cached answers of a paywall.
pub(super) struct Quotes {
    places: Box<[Mutex<Option<Quote>>]>,
    hasher: RandomState,
}

struct Quote {
    asked: Vec<u8>,
    /// The periods that the answer was made with.
    checker: Arc<Checker>,
    holds: Range<UnixTime>,
    answer: Arc<Answer>,
}

impl Quotes {
    pub(super) fn new() -> Quotes {
        let places = (0..QUOTES_MAX).map(|_| Mutex::new(None)).collect();
        Quotes { places, hasher: RandomState::new() }
    }

    fn place(&self, asked: &[u8]) -> &Mutex<Option<Quote>> {
        &self.places[self.hasher.hash_one(asked) as usize % QUOTES_MAX]
    }

    fn get(&self, asked: &[u8], checker: &Arc<Checker>, now: UnixTime) -> Option<Arc<Answer>> {
        let place = self.place(asked).lock().unwrap_or_else(PoisonError::into_inner);
        let quote = place.as_ref()?;
        let is_it = quote.asked == asked
            && quote.holds.contains(&now)
            && Arc::ptr_eq(&quote.checker, checker);
        is_it.then(|| Arc::clone(&quote.answer))
    }

    fn put(&self, quote: Quote) {
        let headers: usize =
            quote.answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if quote.asked.len() + quote.answer.body.len() + headers <= QUOTE_SIZE_MAX {
            let mut place = self.place(&quote.asked).lock().unwrap_or_else(PoisonError::into_inner);
            *place = Some(quote);
        }
    }
}

impl Paywall {
    /// The answer to a request without a payment, if it is cached.
    pub(in crate::vendor) fn quoted(&self, request: &Request<'_>, carrier: Carrier<'_>) -> Quoted {
        let Some(asked) = plain_question(request, carrier) else { return Quoted::Never };
        let now = self.clock.now();
        if self.accepted.is_due(now) || self.waits_for_prices() {
            return Quoted::Never;
        }
        let checker = self.accepted.current();
        match self.quotes.get(&asked, &checker, now) {
            Some(answer) => Quoted::Known(answer),
            None => Quoted::Unknown(QuoteKey { asked, checker, now }),
        }
    }

    /// Caches an answer for equal requests.
    pub(in crate::vendor) fn keep(&self, question: QuoteKey, decision: &Decision) {
        let QuoteKey { asked, checker, now } = question;
        if let Decision::Answer(answer) = decision
            && answer.outcome == RequestOutcome::Unpaid
        {
            let next = next_challenge(now);
            let holds = now..checker.next_change(now).map_or(next, |change| change.min(next));
            self.quotes.put(Quote { asked, checker, holds, answer: Arc::clone(answer) });
        }
    }
}

/// What the cache knows about a request.
pub(in crate::vendor) enum Quoted {
    /// Its answer.
    Known(Arc<Answer>),
    /// Equal requests get the same answer, which can be cached.
    Unknown(QuoteKey),
    /// Its answer depends on something that other requests do not share.
    Never,
}

/// A question that other requests may share.
pub(in crate::vendor) struct QuoteKey {
    asked: Vec<u8>,
    checker: Arc<Checker>,
    now: UnixTime,
}

/// Everything that the answer depends on; `None` if that is more than the page, its price and the
/// preferred form and language.
fn plain_question(request: &Request<'_>, carrier: Carrier<'_>) -> Option<Vec<u8>> {
    let is_plain = carrier == Carrier::None
        && matches!(request.method, b"GET" | b"HEAD")
        && request.price > 0
        && request.place.free_views == 0
        && !request.place.is_dry_run
        && !brings_receipt(request);
    if !is_plain {
        return None;
    }
    let host = request.host.unwrap_or_default();
    let mut asked = Vec::with_capacity(request.target.len() + host.len() + 192);
    let mut writer = Writer::new(&mut asked);
    writer.u32(request.price);
    writer.u8(request.is_https.into()).u8(request.host.is_some().into());
    writer.u32(request.port.map_or(0, |port| u32::from(port) + 1));
    // The kinds and lengths keep different fields from producing the same bytes.
    let mut push = |kind: u8, field: &[u8]| {
        writer.u8(kind).u64(field.len() as u64).bytes(field);
    };
    push(0, request.target);
    push(0, host);
    let preview = request.place.preview;
    push(0, preview.map_or("", |preview| preview.title()).as_bytes());
    push(0, preview.map_or("", |preview| preview.teaser()).as_bytes());
    push(3, &[u8::from(accepts_payment(request))]);
    for (name, value) in request.headers {
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"accept") => push(1, value),
            15 if name.eq_ignore_ascii_case(b"accept-language") => push(2, value),
            // Limits of crawlers differ from request to request.
            17 if name.eq_ignore_ascii_case(CRAWLER_MAX_HEADER.as_bytes()) => return None,
            19 if name.eq_ignore_ascii_case(CRAWLER_EXACT_HEADER.as_bytes()) => return None,
            // Scripts of other sites, and users whom the site itself authenticates.
            6 if name.eq_ignore_ascii_case(b"origin") => return None,
            13 if name.eq_ignore_ascii_case(b"authorization") => return None,
            _ => {}
        }
    }
    Some(asked)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::authenticator::Key;
    use crate::host::{SimulatedDirectory, SystemEntropy};
    use crate::params::Params;
    use crate::protocol::URL_LEN_MAX;
    use crate::testing::params_with;
    use crate::till::tests::HandClock;
    use crate::vendor::PaywallParts;
    use crate::vendor::config::VendorConfig;
    use crate::vendor::preview::Preview;
    use crate::vendor::request::Place;

    /// The description of the vendor of [`paywall`], to be searched for in a body.
    const BETWEEN: &str = "2026-12-15T12:00:00Z";

    /// Two periods: one ends and the other begins at [`BETWEEN`].
    fn periods() -> [Params; 2] {
        let between: UnixTime = BETWEEN.parse().unwrap();
        let first = params_with(|raw| raw.expiration = between);
        let second = params_with(|raw| {
            raw.period = "next".parse().unwrap();
            raw.start = between;
        });
        [first, second]
    }

    static CONFIG: LazyLock<VendorConfig> = LazyLock::new(|| {
        let text = r#"
            vendor-id = "news.example"
            origins = ["https://news.example", "http://news.example"]
            cors-origins = ["https://news.example"]
            periods = "p"
            till = "t"
        "#;
        VendorConfig::parse(text, "vendor.toml".as_ref()).unwrap()
    });

    fn paywall(clock: &HandClock) -> Arc<Paywall> {
        let config = CONFIG.clone();
        let till = Box::new(SimulatedDirectory::new());
        let (clock, entropy) = (Arc::new(clock.clone()), Arc::new(SystemEntropy));
        let key = Key::from_bytes([7; 32]);
        let parts = PaywallParts { config, receipt_key: key, till, clock, entropy };
        Arc::new(Paywall::with_periods(parts, &periods()).unwrap())
    }

    fn page<'a>(target: &'a str, headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
        Request {
            method: b"GET",
            target: target.as_bytes(),
            is_https: true,
            headers,
            price: 1,
            ..Request::default()
        }
    }

    fn told(paywall: &Arc<Paywall>, request: &Request<'_>) -> Arc<Answer> {
        match paywall.look(request).decided() {
            Some(Decision::Answer(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_kept_until_it_would_be_another() {
        let clock = HandClock::at("2026-12-15T11:56:00Z");
        let paywall = paywall(&clock);
        let first = told(&paywall, &page("/a", &[]));
        assert!(Arc::ptr_eq(&first, &told(&paywall, &page("/a", &[]))));
        clock.pass(239);
        assert!(Arc::ptr_eq(&first, &told(&paywall, &page("/a", &[]))));
        clock.pass(1);
        let second = told(&paywall, &page("/a", &[]));
        assert_ne!(first, second, "another period is asked for, by another challenge");
        clock.pass(-1);
        assert_eq!(told(&paywall, &page("/a", &[])), first, "the clock was set back");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let paywall = paywall(&HandClock::at(BETWEEN));
        let with_target = |length: usize| format!("/{}", "a".repeat(length - 1));
        let is_kept = |target: &str| {
            Arc::ptr_eq(&told(&paywall, &page(target, &[])), &told(&paywall, &page(target, &[])))
        };
        let size_of = |target: &str| {
            let answer = told(&paywall, &page(target, &[]));
            let headers: usize =
                answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            headers + answer.body.len() + target.len()
        };
        let kept_to =
            (1..URL_LEN_MAX / 2).find(|length| !is_kept(&with_target(length + 1))).unwrap();
        assert!(size_of(&with_target(kept_to)) <= QUOTE_SIZE_MAX);
        assert!(
            size_of(&with_target(kept_to + 1)) > QUOTE_SIZE_MAX - 64,
            "beside the target little is asked"
        );
        for number in 0..4 * QUOTES_MAX {
            told(&paywall, &page(&format!("/{number}"), &[]));
        }
        let taken = paywall.quotes.places.iter().filter(|place| place.lock().unwrap().is_some());
        assert!((QUOTES_MAX / 2..=QUOTES_MAX).contains(&taken.count()));
    }

    type Field = (&'static [u8], &'static [u8]);
    /// Scheme, host and port of the request.
    type Host = (bool, Option<&'static str>, Option<u16>);
    /// Method, target, host, headers, price, whether a dry run, whether a preview, seconds to pass.
    type Asked = (&'static str, &'static str, Host, Vec<Field>, u32, bool, bool, i64);

    prop_compose! {
        fn field()(
            name in prop::sample::select(vec![
                "Accept", "accept", "Accept-Language", "Accept-Payment", "Cookie", "Origin",
                "Authorization", "X-Any", "Crawler-Max-Price",
            ]),
            value in prop::sample::select(vec![
                "text/html", "*/*", "application/json", "https://news.example", "a=b", "", "de",
                "ar-EG", "tempo/charge", "USD 0.01",
            ]),
        ) -> Field {
            (name.as_bytes(), value.as_bytes())
        }
    }

    prop_compose! {
        fn question()(
            method in prop::sample::select(vec!["GET", "HEAD", "PUT", "OPTIONS"]),
            target in prop::sample::select(vec![
                "/a", "/b", "/.well-known/micromint", "/a?text/html",
            ]),
            host in (
                any::<bool>(),
                prop::option::of(prop::sample::select(vec![
                    "news.example", "other.example", "news.example:80",
                ])),
                prop::option::of(prop::sample::select(vec![80, 443, 8080])),
            ),
            headers in prop::collection::vec(field(), 0..4),
            price in 0u32..3,
            is_dry_run in prop::bool::weighted(0.1),
            has_preview in any::<bool>(),
            seconds in -200i64..200,
        ) -> Asked {
            (method, target, host, headers, price, is_dry_run, has_preview, seconds)
        }
    }

    proptest! {
        /// Whatever was asked before, and by whom, the answer is that of a paywall that was never
        /// asked.
        #[test]
        fn nothing_kept_is_ever_told_to_the_wrong_one(
            questions in prop::collection::vec(question(), 1..40),
        ) {
            let clock = HandClock::at(BETWEEN);
            let asked_often = paywall(&clock);
            let preview = Arc::new(Preview::new("title", "teaser").unwrap());
            for question in &questions {
                let (method, target, host, headers, price, is_dry_run, has_preview, seconds) =
                    question;
                let (is_https, host, port) = host;
                clock.pass(*seconds);
                let request = Request {
                    method: method.as_bytes(),
                    is_https: *is_https,
                    host: host.map(str::as_bytes),
                    port: *port,
                    price: *price,
                    place: Place {
                        is_dry_run: *is_dry_run,
                        preview: has_preview.then_some(&preview),
                        ..Place::default()
                    },
                    ..page(target, headers)
                };
                prop_assert_eq!(
                    asked_often.look(&request).decided(),
                    paywall(&clock).look(&request).decided()
                );
            }
        }
    }
}
