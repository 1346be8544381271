//! What a price list of 1000 entries costs a request: processor time of one thread.
//! `cargo bench -p micromint --bench prices`
//!
//! A row is the median of its rounds with the quartiles.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod timing;

use std::fmt::Write;
use std::hint::black_box;

use micromint::vendor::{Exemptions, PriceList, PublicRoot, Request};

const ENTRIES: usize = 1000;
const ROUNDS: usize = 21;
const REPETITIONS: usize = 20_000;

fn main() {
    let roots = ["https://news.example", "https://www.news.example"]
        .map(|root| root.parse::<PublicRoot>().unwrap());
    let mixed = PriceList::parse(&mixed(), &roots, None).unwrap();
    let queries = PriceList::parse(&queries(), &roots, None).unwrap();
    assert_eq!((mixed.len(), queries.len()), (ENTRIES, ENTRIES));
    for (name, list, target, coins) in [
        ("no entry matches", &mixed, "/static/css/style.css", None),
        ("a text", &mixed, "/section-7/story-307", Some(1)),
        ("a capture, with a receipt", &mixed, "/year-42/17/", Some(2)),
        ("the rest, with a query", &mixed, "/part-9/a/b/c?utm_source=x&page=2", Some(3)),
        ("a condition on the query", &mixed, "/year-43/17/?print=43", Some(4)),
        ("another spelling", &mixed, "//section-7/./story%2D307", Some(1)),
        ("one of 1000 queries of one path", &queries, "/?p=500", Some(1)),
    ] {
        let request = Request {
            method: b"GET",
            target: target.as_bytes(),
            host: Some(b"www.news.example"),
            is_https: true,
            ..Request::default()
        };
        assert_eq!(
            list.find(&request, Exemptions::Apply).map(|found| found.coins),
            coins,
            "{target}"
        );
        let find = |_| list.find(black_box(&request), Exemptions::Apply);
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| timing::each(REPETITIONS, find)).collect();
        timing::print_row(name, &mut rounds);
    }
}

/// Texts, captures, whole folders and conditions.
fn mixed() -> String {
    let mut text = String::new();
    for number in 0..ENTRIES {
        let lines = match number % 4 {
            0 | 3 => format!("path = '/section-{}/story-{number}'\ncoins = 1", number % 10),
            1 => format!(
                "path = '/year-{}/{{id}}/'\ncoins = 2\nreceipt = '/year-{0}/{{id}}/'\ntitle = 'T'",
                number / 4
            ),
            _ if number % 8 == 2 => format!("path = '/part-{}/{{*rest}}'\ncoins = 3", number / 8),
            _ => format!("path = '/year-{0}/{{id}}/'\nquery = 'print={0}'\ncoins = 4", number / 4),
        };
        let _ = writeln!(text, "[[price]]\n{lines}");
    }
    text
}

/// An application that tells its pages by the query alone.
fn queries() -> String {
    let entry = |number: usize| format!("[[price]]\npath = '/'\nquery = 'p={number}'\ncoins = 1\n");
    (0..ENTRIES).map(entry).collect()
}
