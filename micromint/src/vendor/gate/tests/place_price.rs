//! What a request owes at a place, with a server whose files and expressions are given.

use std::collections::HashMap;

use super::*;
use crate::vendor::{Exemptions, Price};

/// A server whose expressions are texts.
struct Words;

impl Syntax for Words {
    type Text = &'static [u8];
    type Expression = &'static str;
    type Log = ();

    fn expression(word: &[u8]) -> Option<&[u8]> {
        word.strip_prefix(b"$")
    }
}

struct Asking<'a> {
    site: &'a Site,
    options: Options<Words>,
    path: &'static str,
    file: Option<&'static str>,
    /// The price files by the names of the files beside them; `None` cannot be read.
    price_files: HashMap<&'static str, Option<&'static str>>,
    /// The price files that were looked for, and whether each was the file's own.
    looked_for: Vec<(String, bool)>,
}

impl ServerRequest for Asking<'_> {
    type Syntax = Words;
    const PRICE: &'static str = "the_price";
    const RECEIPT_PATH: &'static str = "the_receipt_path";

    fn options(&self) -> &Options<Words> {
        &self.options
    }

    fn vendor(&self) -> Option<&Vendor> {
        Some(&self.site.vendor)
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn as_sent<T>(&self, _: HeaderFields, with: impl FnOnce(&Request<'_>) -> T) -> T {
        with(&Request { method: b"POST", target: self.path.as_bytes(), ..request(&[]) })
    }

    fn evaluate(&mut self, _: &str, expression: &'static str) -> Option<&[u8]> {
        (expression != "nothing").then_some(expression.as_bytes())
    }

    fn file(&self) -> Option<FileName> {
        self.file.map(|name| FileName::from_slice(name.as_bytes()))
    }

    fn read_price_file(&mut self, name: &[u8], is_own: bool) -> Result<Option<Vec<u8>>, String> {
        let name = String::from_utf8(name.to_vec()).unwrap();
        let text = self.price_files.get(name.as_str()).copied();
        self.looked_for.push((name, is_own));
        match text {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text.as_bytes().to_vec())),
            Some(None) => Err("permission denied".to_string()),
        }
    }

    fn price_file_of(&self, name: &[u8]) -> String {
        format!("beside {}", String::from_utf8_lossy(name))
    }
}

impl Site {
    /// A request at a place with this price.
    fn at(&self, path: &'static str, price: Option<PriceValue<&'static str>>) -> Asking<'_> {
        Asking {
            site: self,
            options: Options { price, ..Options::NONE },
            path,
            file: None,
            price_files: HashMap::new(),
            looked_for: Vec::new(),
        }
    }
}

fn fixed(coins: u32) -> Option<PriceValue<&'static str>> {
    Some(PriceValue::Fixed(Price::Coins(coins)))
}

/// What a request owes that passed nothing before.
fn owes(request: &mut Asking<'_>, files: PriceFiles) -> u32 {
    pass(request, None, files).unwrap().map_or(0, |passed| passed.price)
}

fn listed_site() -> Site {
    site("prices = \"prices.toml\"\n")
}

#[test]
fn the_highest_of_directive_files_and_list_counts() {
    let site = listed_site();
    let mut request = site.at("/page.html.gz", fixed(3));
    request.file = Some("page.html.gz");
    request.price_files = HashMap::from([("page.html.gz", Some("2")), ("page.html", Some("7\n"))]);
    assert_eq!(owes(&mut request, PriceFiles::Skip), 3);
    assert!(request.looked_for.is_empty(), "it is not yet known which file it is");
    assert_eq!(owes(&mut request, PriceFiles::Count), 7);
    let looked_for = [("page.html.gz".to_string(), true), ("page.html".to_string(), false)];
    assert_eq!(request.looked_for, looked_for);
    request.options.has_price_files = Some(false);
    assert_eq!(owes(&mut request, PriceFiles::Count), 3);
    for (price, expected) in [(None, 2), (fixed(1), 2), (fixed(5), 5)] {
        assert_eq!(owes(&mut site.at("/listed", price), PriceFiles::Count), expected, "{price:?}");
    }
}

#[test]
fn exempt_paths_are_free_unless_a_place_says_otherwise() {
    let site = listed_site();
    let mut request = site.at("/robots.txt", fixed(3));
    assert_eq!(owes(&mut request, PriceFiles::Count), 0);
    request.options.exemptions = Some(Exemptions::Ignore);
    assert_eq!(owes(&mut request, PriceFiles::Count), 3);
}

/// A place that is only rehearsed does not hide the lower price of a real one behind it.
#[test]
fn a_place_counts_if_it_asks_for_more_than_those_before() {
    let site = listed_site();
    let mut visit = Visit::default();
    let mut rehearsed = site.at("/page", fixed(5));
    rehearsed.options.is_dry_run = Some(true);
    let place = pass(&mut rehearsed, visit.owed_rank(), PriceFiles::Skip).unwrap().unwrap();
    visit.pass(place);
    assert_eq!(visit.owed(), 5);
    let mut real = site.at("/page", fixed(2));
    let place = pass(&mut real, visit.owed_rank(), PriceFiles::Skip).unwrap().unwrap();
    visit.pass(place);
    assert_eq!(visit.owed(), 2);
    assert!(pass(&mut rehearsed, visit.owed_rank(), PriceFiles::Skip).unwrap().is_none());
    assert!(pass(&mut real, visit.owed_rank(), PriceFiles::Skip).unwrap().is_none());
    let mut free = site.at("/page", fixed(0));
    assert!(pass(&mut free, None, PriceFiles::Skip).unwrap().is_none());
}

#[test]
fn a_place_is_passed_with_its_settings() {
    let site = listed_site();
    let mut request = site.at("/page", Some(PriceValue::Varying("4")));
    request.options.free_views = Some(6);
    request.options.charges_redirects = Some(true);
    let mut passed = |path| {
        request.options.receipt_path = path;
        pass(&mut request, None, PriceFiles::Skip).unwrap().unwrap()
    };
    let expected = Passed { free_views: 6, charges_redirects: true, ..priced(4) };
    assert_eq!(passed(None), expected);
    assert_eq!(passed(Some(None)), expected);
    let at = |path: &[u8]| Passed { receipt_path: Some(path.to_vec()), ..expected.clone() };
    assert_eq!(passed(Some(Some(Value::Fixed(b"/a/")))), at(b"/a/"));
    assert_eq!(passed(Some(Some(Value::Varying("/b/")))), at(b"/b/"));
    for without in ["nothing", ""] {
        assert_eq!(passed(Some(Some(Value::Varying(without)))), expected, "the one page");
    }
}

#[test]
fn a_price_that_cannot_be_read_ends_the_request() {
    let site = listed_site();
    let mut nothing = site.at("/page", Some(PriceValue::Varying("nothing")));
    let fault = pass(&mut nothing, None, PriceFiles::Skip).unwrap_err();
    assert!(matches!(fault, PriceFault::NoValue) && fault.log().is_none());
    let told = |request: &mut Asking<'_>| {
        let faults = [
            pass(request, None, PriceFiles::Count).unwrap_err(),
            is_priced_part(request).unwrap_err(),
            PagePrice::of(request).unwrap_err(),
        ];
        let [first, ..] = &faults;
        let PriceFault::Unreadable(answer) = first else { panic!("{first:?}") };
        assert_eq!(answer.outcome, RequestOutcome::Unavailable);
        assert!(faults.iter().all(|fault| fault.log() == first.log()));
        first.log().unwrap().to_string()
    };
    let text = told(&mut site.at("/page", Some(PriceValue::Varying("many"))));
    assert!(text.contains("the_price") && text.contains("many"), "{text}");
    let money = "1 EUR".parse().map(Price::Money).unwrap();
    let text = told(&mut site.at("/page", Some(PriceValue::Fixed(money))));
    assert!(text.contains("the_price") && text.contains("coin-value"), "{text}");
    for (content, expected) in [(Some("x"), "x"), (None, "permission denied")] {
        let mut request = site.at("/page", fixed(1));
        request.file = Some("page.de");
        request.price_files = HashMap::from([("page", content)]);
        let text = told(&mut request);
        assert!(text.contains("beside page") && text.contains(expected), "{text}");
        assert_eq!(owes(&mut request, PriceFiles::Skip), 1);
    }
}

#[test]
fn a_part_costs_what_its_place_or_the_price_list_says() {
    let site = listed_site();
    for (path, price, expected) in [
        ("/listed", None, true),
        ("/page", fixed(1), true),
        ("/page", fixed(0), false),
        ("/page", None, false),
    ] {
        assert_eq!(is_priced_part(&mut site.at(path, price)).unwrap(), expected, "{path}");
    }
}

#[test]
fn a_price_tag_is_that_of_a_get_at_the_higher_price() {
    let site = listed_site();
    let paywall = site.vendor.to_ask().unwrap();
    let tag = |mut request: Asking<'_>| {
        let price = PagePrice::of(&mut request).unwrap()?;
        let answer = price.tag(&request, &paywall);
        assert_eq!((answer.status, answer.outcome), (402, RequestOutcome::Unpaid));
        Some(answer.about.price)
    };
    assert_eq!(tag(site.at("/page", None)), None);
    assert_eq!(tag(site.at("/page", fixed(4))), Some(4));
    assert_eq!(tag(site.at("/listed", fixed(1))), Some(2));
    // Without exemptions the list prices these paths too.
    let list = "[[price]]\npath = \"/robots.txt\"\ncoins = 3\n";
    std::fs::write(site._folder.path().join("prices.toml"), list).unwrap();
    site.clock.pass(60);
    assert!(matches!(site.ask(&mut Visit::default(), None, Thread::Blocking), Asked::Free));
    assert_eq!(tag(site.at("/robots.txt", None)), None);
    let mut request = site.at("/robots.txt", None);
    request.options.exemptions = Some(Exemptions::Ignore);
    assert_eq!(tag(request), Some(3));
}
