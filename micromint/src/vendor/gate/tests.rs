//! A request on its way through a server, on a vendor with a till on disk.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;

mod place_price;

use super::*;
use crate::authenticator::Key;
use crate::host::SystemEntropy;
use crate::protocol::{MEDIA_TYPE, RequestOutcome};
use crate::scheme::BASE64URL;
use crate::testing::{ObviousMint, params_with};
use crate::till::tests::HandClock;
use crate::vendor::request::Request;
use crate::vendor::{Answer, ListPrice, Preview, Vendor};

struct Site {
    _folder: tempfile::TempDir,
    vendor: Vendor,
    mint: ObviousMint,
    clock: HandClock,
}

fn site(more: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let mint = ObviousMint::new(params_with(|_| {}));
    std::fs::create_dir(folder.path().join("periods")).unwrap();
    std::fs::write(folder.path().join("periods/a.params"), mint.params().to_toml()).unwrap();
    let path = folder.path().join("vendor.toml");
    let text = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\n\
                periods = \"periods\"\ntill = \"till\"\nsync = \"os\"\n";
    std::fs::write(&path, format!("{text}{more}")).unwrap();
    let list = "[[price]]\npath = \"/listed\"\ncoins = 2\n";
    std::fs::write(folder.path().join("prices.toml"), list).unwrap();
    let clock = HandClock::at("2026-12-15T12:00:00Z");
    let entropy = Arc::new(SystemEntropy);
    let vendor = Vendor::read(path, "here".to_string(), Arc::new(clock.clone()), entropy).unwrap();
    vendor.prepare(None).unwrap();
    vendor.open().unwrap();
    let site = Site { _folder: folder, vendor, mint, clock };
    // The first payment of a day creates files, on a thread that may wait.
    let mut first = Visit::default();
    first.pass(priced(1));
    site.ask(&mut first, Some(&site.payment(&[7])), Thread::Blocking);
    site
}

/// A place of this price.
fn priced(price: u32) -> Passed {
    Passed { price, ..Passed::default() }
}

impl Site {
    /// A payment for `/page` with these coins.
    fn payment(&self, coins: &[usize]) -> Vec<u8> {
        let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
        let all = self.mint.coins(&user, &vendor, 8);
        let coins: Vec<_> = coins.iter().map(|number| all[*number].clone()).collect();
        let url = "https://news.example/page".parse().unwrap();
        self.mint.payment(&user, &Key::from_bytes([7; 32]), &vendor, &url, &coins).to_bytes()
    }

    /// Asks about a GET of `/page` with this payment in a header.
    fn ask(&self, visit: &mut Visit, payment: Option<&[u8]>, thread: Thread) -> Asked {
        let value = payment.map(|payment| BASE64URL.encode(payment));
        let fields: Vec<(&[u8], &[u8])> =
            value.iter().map(|value| (b"MicroMint-Payment".as_slice(), value.as_bytes())).collect();
        visit.ask(&self.vendor, &request(&fields), thread)
    }

    /// The same, decided: another thread waits for what would block.
    fn decide(&self, visit: &mut Visit, payment: Option<&[u8]>, thread: Thread) {
        let asked = self.ask(visit, payment, thread);
        self.wait(visit, asked, thread);
    }

    fn wait(&self, visit: &mut Visit, asked: Asked, thread: Thread) {
        if let Asked::Pending(question) = asked {
            assert_eq!(thread, Thread::Event, "a thread that may wait waits itself");
            visit.works(1);
            assert_eq!(visit.next(1, false), Next::Wait);
            visit.answered(Some(question.wait(&self.vendor)));
        }
        assert_eq!(visit.next(1, false), Next::CarryOut);
    }

    /// Asks about a POST of `/page` with this payment as its body.
    fn post(&self, visit: &mut Visit, payment: &[u8], thread: Thread) {
        let fields: [(&[u8], &[u8]); 1] = [(b"Content-Type", MEDIA_TYPE.as_bytes())];
        let head = Request { method: b"POST", ..request(&fields) };
        let asked = visit.ask(&self.vendor, &head, thread);
        assert!(matches!(asked, Asked::NeedsBody { .. }));
        visit.reads_body(1);
        assert_eq!(visit.next(1, false), Next::Wait);
        visit.body_was_read();
        assert_eq!(visit.next(1, false), Next::AskWithBody);
        let asked =
            visit.ask_with_body(&self.vendor, &Request { body: Some(payment), ..head }, thread);
        self.wait(visit, asked, thread);
    }
}

fn request<'a>(headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
    Request {
        method: b"GET",
        target: b"/page",
        is_https: true,
        host: Some(b"news.example"),
        headers,
        client: Some(IpAddr::from([192, 0, 2, 1])),
        ..Request::default()
    }
}

fn word(visit: &Visit) -> String {
    visit.variable(Variable::Status).unwrap().into_owned()
}

fn answer(visit: &mut Visit) -> Arc<Answer> {
    match visit.carry_out() {
        Action::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn close(visit: &mut Visit, status: u16) -> Option<Closing<'_>> {
    visit.close(status, Thread::Blocking, |_| Vec::new())
}

#[test]
fn the_highest_price_counts_and_of_equal_ones_the_first() {
    let mut visit = Visit::default();
    visit.pass(priced(0));
    assert_eq!((visit.owed(), visit.is_unpaid()), (0, false));
    visit.pass(Passed { price: 9, is_dry_run: true, ..Passed::default() });
    visit.pass(Passed { receipt_path: Some(b"/a/".to_vec()), ..priced(2) });
    visit.pass(Passed { receipt_path: Some(b"/b/".to_vec()), ..priced(2) });
    visit.pass(priced(1));
    assert_eq!((visit.owed(), visit.is_unpaid()), (2, true));
    let site = site("");
    assert!(matches!(
        site.ask(&mut visit, Some(&site.payment(&[0, 1])), Thread::Event),
        Asked::Decided
    ));
    visit.carry_out();
    let closing = close(&mut visit, 200).unwrap();
    let cookie = closing.changes.add.iter().find(|(name, _)| *name == "Set-Cookie").unwrap();
    assert!(cookie.1.contains("Path=/a/") || !cookie.1.contains("/b/"), "{cookie:?}");
}

#[test]
fn the_price_list_makes_a_place_dearer_and_says_what_it_sells() {
    let place = Passed {
        receipt_path: Some(b"/a/".to_vec()),
        free_views: 3,
        is_dry_run: true,
        charges_redirects: true,
        ..priced(2)
    };
    assert_eq!(place.clone().with_list_price(None), place);
    let listed = ListPrice { coins: 3, ..ListPrice::default() };
    assert_eq!(
        place.clone().with_list_price(Some(listed)),
        Passed { price: 3, ..place.clone() },
        "what the list does not say, the place says"
    );
    let preview = Some(Arc::new(Preview::new("title", "teaser").unwrap()));
    let listed = ListPrice {
        coins: 0,
        receipt_path: Some("/b".to_string()),
        charges_redirects: Some(false),
        preview: preview.clone(),
        ..ListPrice::default()
    };
    assert_eq!(
        place.clone().with_list_price(Some(listed)),
        Passed { receipt_path: Some(b"/b".to_vec()), charges_redirects: false, preview, ..place },
        "an exception to the list is none to the place"
    );
}

#[test]
fn a_free_page_that_waited_for_the_price_list_is_not_reported() {
    let site = site("prices = \"prices.toml\"\n");
    let mut visit = Visit::default();
    site.clock.pass(60);
    let Asked::Pending(question) = site.ask(&mut visit, None, Thread::Event) else {
        panic!("the list is due");
    };
    visit.works(1);
    assert!(
        matches!(site.ask(&mut Visit::default(), None, Thread::Event), Asked::Free),
        "one waits"
    );
    visit.answered(Some(question.wait(&site.vendor)));
    assert_eq!(visit.next(1, false), Next::Ask);
    assert!(matches!(site.ask(&mut visit, None, Thread::Event), Asked::Free));
    assert!(!visit.is_decided() && close(&mut visit, 200).is_none());
    site.clock.pass(60);
    assert!(matches!(site.ask(&mut visit, None, Thread::Blocking), Asked::Free), "it waits itself");
}

#[test]
fn a_free_page_without_a_payment_is_not_remembered() {
    let (site, mut visit) = (site(""), Visit::default());
    assert!(matches!(site.ask(&mut visit, None, Thread::Event), Asked::Free));
    assert!(!visit.is_decided() && close(&mut visit, 200).is_none());
    assert_eq!(word(&visit), "free");
}

#[test]
fn what_is_free_for_one_and_not_for_others_stays_out_of_caches() {
    let site = site("prices = \"prices.toml\"\n");
    for thread in [Thread::Event, Thread::Blocking] {
        let mut visit = Visit::default();
        let listed = ListPrice { is_private: true, ..ListPrice::default() };
        visit.pass(priced(0).with_list_price(Some(listed)));
        assert!(!visit.is_unpaid() && visit.owed() == 0);
        site.decide(&mut visit, None, thread);
        assert!(matches!(visit.carry_out(), Action::Serve { .. }));
        let changes = close(&mut visit, 200).unwrap().changes;
        assert_eq!(changes.add, [("Cache-Control", "private".into())]);
        assert_eq!(word(&visit), "free");
        // The next one waits for a new list first, and is as private.
        site.clock.pass(60);
    }
}

#[test]
fn a_page_is_asked_for_paid_and_reported() {
    let (site, mut visit) = (site(""), Visit::default());
    visit.pass(priced(1));
    assert_eq!(visit.next(1, false), Next::Ask);
    assert!(matches!(site.ask(&mut visit, None, Thread::Event), Asked::Decided));
    assert_eq!(answer(&mut visit).status, 402);
    assert_eq!((word(&visit), visit.next(1, false)), ("unpaid".to_string(), Next::Continue));

    let mut visit = Visit::default();
    visit.pass(priced(1));
    assert!(matches!(
        site.ask(&mut visit, Some(&site.payment(&[0])), Thread::Event),
        Asked::Decided
    ));
    assert_eq!(visit.next(1, false), Next::CarryOut);
    assert!(matches!(visit.carry_out(), Action::Serve { as_get: false, .. }));
    assert!(visit.covers_a_price() && visit.is_private() && !visit.is_free());
    assert!(close(&mut visit, 103).is_none(), "an interim answer settles nothing");
    let closing = close(&mut visit, 200).unwrap();
    assert!(closing.changes.add.iter().any(|(name, _)| *name == "Payment-Receipt"));
    let value = |variable| visit.variable(variable).map(|value| value.into_owned());
    assert_eq!(
        Variable::ALL.map(value).map(Option::unwrap),
        ["paid", "1", "1", "alice"].map(str::to_string)
    );
    let mut line = String::new();
    visit.with_event(200, |event| line = event.to_line());
    assert!(line.starts_with("micromint paid status=200 price=1 coins=1 "), "{line}");
}

#[test]
fn a_charge_is_reversed_by_an_error_even_if_it_comes_second() {
    let site = site("");
    let pay = |visit: &mut Visit| {
        visit.pass(priced(1));
        site.post(visit, &site.payment(&[0]), Thread::Blocking);
        assert!(matches!(visit.carry_out(), Action::Serve { as_get: true, .. }));
    };
    let mut visit = Visit::default();
    pay(&mut visit);
    assert!(visit.replaces_body());
    close(&mut visit, 200).unwrap();
    close(&mut visit, 416).unwrap();
    assert_eq!(visit.became(), Some(RequestOutcome::Reversed));
    close(&mut visit, 200).unwrap();
    assert_eq!(word(&visit), "reversed", "and stays so");

    // On an event thread the head promises it, and another thread carries it out.
    let mut visit = Visit::default();
    pay(&mut visit);
    let closing = visit.close(404, Thread::Event, |_| Vec::new()).unwrap();
    let reversal = closing.reversal.unwrap();
    assert_eq!(word(&visit), "reversed");
    reversal.carry_out().unwrap();

    // A switch of protocols is what was paid for.
    let mut visit = Visit::default();
    pay(&mut visit);
    assert!(close(&mut visit, 101).unwrap().reversal.is_none());
    assert_eq!(word(&visit), "paid");
}

#[test]
fn a_payment_for_a_free_place_pays_where_the_request_is_led_to() {
    let site = site("");
    for form in ["header", "body"] {
        for thread in [Thread::Event, Thread::Blocking] {
            let (mut visit, payment) = (Visit::default(), site.payment(&[0]));
            match form {
                "header" => site.decide(&mut visit, Some(&payment), thread),
                _ => site.post(&mut visit, &payment, thread),
            }
            assert!(matches!(visit.carry_out(), Action::Serve { .. }), "{form}");
            assert_eq!(word(&visit), "returned", "{form}");
            visit.pass(priced(1));
            assert_eq!(visit.next(2, false), Next::Ask, "{form}");
            // Whatever the server made of the request meanwhile, what the client sent counts.
            site.decide(&mut visit, None, thread);
            assert!(matches!(visit.carry_out(), Action::Serve { .. }), "{form}");
            assert_eq!(word(&visit), "paid", "{form}");
            close(&mut visit, 500).unwrap();
        }
    }
}

#[test]
fn a_cheaper_place_that_leads_to_a_costly_one_charges_once() {
    let site = site("");
    for thread in [Thread::Event, Thread::Blocking] {
        // What was paid is too little: it is reversed, and the higher price is asked.
        let mut visit = Visit::default();
        visit.pass(priced(1));
        site.decide(&mut visit, Some(&site.payment(&[0])), thread);
        visit.carry_out();
        assert_eq!(word(&visit), "paid");
        visit.pass(priced(2));
        assert_eq!(visit.next(2, false), Next::Ask);
        site.decide(&mut visit, None, thread);
        let refused = answer(&mut visit);
        assert_eq!((refused.status, refused.outcome.word()), (402, "wrong-amount"));
        assert_eq!(visit.price(), 2);
        // The coin is good for the payment of the higher price, which the cheaper place accepts.
        let mut visit = Visit::default();
        visit.pass(priced(1));
        site.decide(&mut visit, Some(&site.payment(&[0, 1])), thread);
        visit.carry_out();
        visit.pass(priced(2));
        assert_eq!(visit.next(2, false), Next::Continue);
        assert_eq!(word(&visit), "paid");
        close(&mut visit, 404).unwrap();
        assert_eq!(word(&visit), "reversed");
    }
}

#[test]
fn a_free_view_that_leads_on_is_given_back() {
    let site = site("");
    let with_views = |price, free_views| Passed { free_views, ..priced(price) };
    for (costly, expected) in [(with_views(2, 0), "unpaid"), (with_views(2, 1), "free-view")] {
        for _ in 0..3 {
            let mut visit = Visit::default();
            visit.pass(with_views(1, 1));
            site.ask(&mut visit, None, Thread::Blocking);
            visit.carry_out();
            assert_eq!(word(&visit), "free-view", "the only view of the day is left");
            visit.pass(costly.clone());
            site.ask(&mut visit, None, Thread::Blocking);
            visit.carry_out();
            assert_eq!(word(&visit), expected);
            close(&mut visit, 404);
        }
    }
}

#[test]
fn an_event_thread_gives_a_free_view_back_itself() {
    let site = site("");
    for _ in 0..2 {
        let mut visit = Visit::default();
        visit.pass(Passed { free_views: 1, ..priced(1) });
        site.ask(&mut visit, None, Thread::Blocking);
        visit.carry_out();
        assert_eq!(word(&visit), "free-view", "the only view of the day is left");
        let closing = visit.close(404, Thread::Event, |_| Vec::new()).unwrap();
        assert!(closing.reversal.is_none(), "nothing is left to do");
        assert_eq!(word(&visit), "reversed");
    }
}

#[test]
fn what_would_block_is_left_to_another_thread() {
    // A cap is counted under the till's lock.
    let (site, mut visit) = (site("cap = 5\n"), Visit::default());
    visit.pass(priced(1));
    let Asked::Pending(question) = site.ask(&mut visit, Some(&site.payment(&[0])), Thread::Event)
    else {
        panic!("a cap needs the disk")
    };
    visit.works(1);
    let reply = std::thread::scope(|scope| scope.spawn(|| question.wait(&site.vendor)).join());
    visit.answered(reply.ok());
    assert!(matches!(visit.carry_out(), Action::Serve { .. }));
    assert_eq!(word(&visit), "paid");
    // A thread that panicked answers nothing.
    let mut visit = Visit::default();
    visit.pass(priced(1));
    visit.works(1);
    visit.answered(None);
    assert!(matches!(visit.carry_out(), Action::Fail(500)));
    assert_eq!(word(&visit), "unavailable");
}

#[test]
fn error_pages_cost_nothing() {
    let mut visit = Visit::default();
    visit.pass(priced(1));
    assert_eq!(visit.next(1, true), Next::Continue);
    // The server refuses a body that it was reading, and makes the page of that error.
    visit.reads_body(1);
    assert_eq!(visit.next(2, true), Next::Continue);
    assert_eq!(visit.stage(), Stage::Answered);
    // An answer that is withdrawn leaves the request as it was.
    let (site, mut visit) = (site(""), Visit::default());
    visit.pass(priced(1));
    site.ask(&mut visit, None, Thread::Event);
    visit.carry_out();
    visit.withdraw();
    assert_eq!((visit.stage(), visit.is_decided()), (Stage::Fresh, false));
}

#[test]
fn payments_of_several_requests_are_decided_together() {
    let site = site("");
    let payments = [
        site.payment(&[0]),
        site.payment(&[1, 2]),
        // The same coin in another message, and the first message once more.
        site.payment(&[0, 3]),
        site.payment(&[0]),
        b"no payment".to_vec(),
        site.payment(&[4]),
    ];
    let values: Vec<String> = payments.iter().map(|payment| BASE64URL.encode(payment)).collect();
    let mut fields: Vec<Vec<(&[u8], &[u8])>> = values
        .iter()
        .map(|value| vec![(b"MicroMint-Payment".as_slice(), value.as_bytes())])
        .collect();
    // The last one is the body of a POST.
    fields[5] = vec![(b"Content-Type", MEDIA_TYPE.as_bytes())];
    let visits: Vec<RefCell<Visit>> = payments.iter().map(|_| RefCell::default()).collect();
    let asking = visits.iter().zip(&fields).enumerate().map(|(at, (visit, fields))| {
        visit.borrow_mut().pass(priced(1));
        let mut now = request(fields);
        if at == 5 {
            now = Request { method: b"POST", ..now };
            assert!(!visit.borrow().may_join(&site.vendor, &now), "its body was not read");
            now.body = Some(&payments[5]);
        }
        assert!(visit.borrow().may_join(&site.vendor, &now));
        visit.borrow_mut().works(1);
        assert_eq!(visit.borrow_mut().next(1, false), Next::Wait);
        Asking { visit: visit.borrow_mut(), request: now }
    });
    let questions = ask_all(&site.vendor, asking.collect());
    let waits: Vec<bool> = questions.iter().map(Option::is_some).collect();
    assert_eq!(waits, [false, false, true, true, false, false]);
    for (visit, question) in visits.iter().zip(questions) {
        let mut visit = visit.borrow_mut();
        if let Some(question) = question {
            assert_eq!(visit.next(1, false), Next::Wait);
            visit.answered(Some(question.wait(&site.vendor)));
        }
        assert_eq!((visit.next(1, false), visit.owed()), (Next::CarryOut, 1));
    }
    let words: Vec<String> = visits.iter().map(|visit| word(&visit.borrow())).collect();
    assert_eq!(words, ["paid", "paid", "spent", "retry", "malformed", "paid"]);
    let coins = visits.iter().map(|visit| visit.borrow().variable(Variable::Coins).unwrap().into());
    assert_eq!(coins.collect::<Vec<String>>(), ["1", "2", "0", "0", "0", "1"]);
    assert!(visits[0].borrow().is_charged() && !visits[3].borrow().is_charged());
    assert!(matches!(visits[5].borrow_mut().carry_out(), Action::Serve { as_get: true, .. }));
    assert!(close(&mut visits[5].borrow_mut(), 404).is_some());
    assert_eq!(word(&visits[5].borrow()), "reversed");
}

#[test]
fn what_needs_no_till_or_must_wait_for_it_joins_no_others() {
    let site = site("");
    let payment = BASE64URL.encode(site.payment(&[0]));
    let fields: [(&[u8], &[u8]); 1] = [(b"MicroMint-Payment", payment.as_bytes())];
    let now = request(&fields);
    let mut visit = Visit::default();
    assert!(!visit.may_join(&site.vendor, &now), "it costs nothing");
    visit.pass(priced(1));
    assert!(!visit.may_join(&site.vendor, &request(&[])), "it brings no payment");
    assert!(visit.may_join(&site.vendor, &now));
    let mut rehearsed = Visit::default();
    rehearsed.pass(Passed { is_dry_run: true, ..priced(1) });
    assert!(!rehearsed.may_join(&site.vendor, &now));
    site.decide(&mut visit, Some(&site.payment(&[0])), Thread::Event);
    assert!(visit.is_charged() && !visit.may_join(&site.vendor, &now), "it has paid");
}
