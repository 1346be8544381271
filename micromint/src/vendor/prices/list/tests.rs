//! Which entry decides, by examples and against a slow reference.

use proptest::prelude::*;

use super::*;

fn roots() -> [PublicRoot; 2] {
    ["https://news.example", "https://www.news.example:8443"].map(|root| root.parse().unwrap())
}

fn list(text: &str) -> PriceList {
    PriceList::parse(text, &roots(), None).unwrap()
}

/// A list in which the entry number N of these costs N coins, the first 1; each is a path and more
/// lines.
fn numbered(entries: &[(&str, &str)]) -> PriceList {
    let text: String = entries
        .iter()
        .enumerate()
        .map(|(number, (path, more))| {
            format!("[[price]]\npath = '{path}'\ncoins = {}\n{more}\n", number + 1)
        })
        .collect();
    list(&text)
}

fn at(host: &'static str, target: &str, list: &PriceList) -> Option<ListPrice> {
    let host = Some(host.as_bytes());
    list.find(&Request { target: target.as_bytes(), host, ..Request::default() }, Exemptions::Apply)
}

fn coins(list: &PriceList, target: &str) -> Option<u32> {
    at("news.example", target, list).map(|found| found.coins)
}

#[test]
fn the_most_specific_path_decides() {
    let list = numbered(&[
        ("/{*rest}", ""),
        ("/2026/{*rest}", ""),
        ("/2026/{id}", ""),
        ("/2026/about", ""),
        ("/2026/{id}/pictures", ""),
        ("/{year}/17/pictures", ""),
        ("/2026/{id}/{*rest}", ""),
    ]);
    for (target, expected) in [
        ("/", 1),
        ("/a", 1),
        ("/a/b/c/", 1),
        ("/2026", 2),
        ("/2026/", 2),
        ("/2026/17", 3),
        ("/2026/17/", 3),
        ("/2026/about", 4),
        ("/2026/about/", 4),
        ("/2026/17/pictures", 5),
        ("/2025/17/pictures", 6),
        ("/2026/17/text", 7),
        ("/2026/about/x", 7),
    ] {
        assert_eq!(coins(&list, target), Some(expected), "{target}");
    }
    let list = numbered(&[("/a/{id}/", "")]);
    for target in ["/", "/a", "/a/", "/a/b/c", "/b/a"] {
        assert_eq!(coins(&list, target), None, "{target}");
    }
}

#[test]
fn every_spelling_of_a_path_costs_the_same() {
    let list = numbered(&[("/x", ""), ("/f\u{fc}r/{id}", "")]);
    for target in [
        "/x",
        "//x",
        "/./x",
        "/a/../x",
        "/%78",
        "/%2578",
        "/x/",
        "/x?y",
        "/x#y",
        "/%2e/x",
        "/a/%2e%2e/x//",
        "/a%2F..%2Fx",
        "/%2Fx",
        "http://news.example/x",
        "http://other.example/%78?y",
    ] {
        assert_eq!(coins(&list, target), Some(1), "{target}");
    }
    for target in ["/f%C3%BCr/1", "/f%c3%bc%72/1/", "/f\u{fc}r/1"] {
        assert_eq!(coins(&list, target), Some(2), "{target}");
    }
    for target in ["/X", "/%25", "/x%00", "/x/y"] {
        assert_eq!(coins(&list, target), None, "{target}");
    }
}

#[test]
fn a_path_costs_what_an_application_shows_that_removes_no_dots() {
    let list = list(
        "price = [
            { path = '/story/{id}/{*rest}', coins = 3 },
            { path = '/story/{id}', coins = 2 },
            { path = '/free/{*rest}', coins = 0 },
        ]",
    );
    for (target, expected) in [
        ("/story", None),
        ("/story/", None),
        ("/story/1/..", Some(3)),
        ("/story/1/%2e%2E", Some(3)),
        ("//story//1/./", Some(3)),
        ("/free/../story/1", Some(2)),
        ("/story/1/../../free/x", Some(3)),
        ("/story/1/../../robots.txt", Some(3)),
        ("/free/../robots.txt", Some(0)),
        ("/story/..", Some(2)),
        ("/a/..", None),
    ] {
        assert_eq!(coins(&list, target), expected, "{target}");
    }
}

#[test]
fn a_path_with_an_encoded_slash_owes_the_higher_of_its_two_readings() {
    let list = numbered(&[("/{id}", ""), ("/a/{id}", ""), ("/{x}/{y}/free", "")]);
    assert_eq!(coins(&list, "/a%2Fb"), Some(2));
    assert_eq!(coins(&list, "/b%2fc"), Some(1));
    let list = numbered(&[("/a/{id}", ""), ("/{id}", "")]);
    assert_eq!(coins(&list, "/a%2Fb"), Some(2));
}

#[test]
fn a_path_that_contents_read_differently_owes_the_highest_price_of_its_readings() {
    let list = numbered(&[("/free", ""), ("/app/{id}", ""), ("/secret/{*rest}", "")]);
    for target in [
        "/app/1;jsessionid=5",
        "/app;x/1",
        "/;/app/1",
        "/app/x/..;/1",
        "/x/..;/app/1",
        "/app%5c1",
        "/x/..%5Capp/1",
        "/app//../1",
        "/x%2f/../app/1",
        "/%2561pp/1",
        "/%252561pp/1",
        "/x/%252e%252e/app/1",
        "/app%252f1",
    ] {
        assert_eq!(coins(&list, target), Some(2), "{target}");
    }
    for target in ["/secret/a%2fb/../../a", "/x/y/..%2f/../secret/a", "/free/..;/secret;/a"] {
        assert_eq!(coins(&list, target), Some(3), "{target}");
    }
    // A path is exempt only if it is for all contents.
    for target in [
        "/.well-known/acme-challenge/..;/..;/app/1",
        "/.well-known/micromint/..%2f..%2fapp/1",
        "/.well-known/micromint%5c..%5c..%5capp%5c1",
    ] {
        assert_eq!(coins(&list, target), Some(2), "{target}");
    }
}

#[test]
fn a_receipt_opens_more_than_a_page_only_if_all_readings_agree() {
    let list = list(
        "[[price]]\npath = '/posts/{slug}/{*rest}'\ncoins = 1\nreceipt = '/posts/{slug}/'\n\
         [[price]]\npath = '/posts/{slug}/extra'\ncoins = 1\n",
    );
    let receipt = |target: &str| at("news.example", target, &list).unwrap().receipt_path;
    for target in ["/posts/one/", "/posts/one/a.jpg", "//posts/%6fne/a.jpg"] {
        assert_eq!(receipt(target).as_deref(), Some("/posts/one"), "{target}");
    }
    for target in [
        "/posts/one/..%2ftwo/",
        "/posts/one/%2e%2e%2ftwo/",
        "/posts/one/..;/two/",
        "/posts/one/..%5ctwo/",
        "/posts/one/%252e%252e/two/",
        "/posts/one/x/..%2fextra",
        "/posts/one/extra",
    ] {
        assert_eq!(receipt(target), None, "{target}");
    }
}

#[test]
fn a_slash_at_the_end_counts_only_where_an_entry_names_both() {
    let list =
        numbered(&[("/a", ""), ("/b/", ""), ("/c", ""), ("/c/", ""), ("/d/", "query = 'p'")]);
    for (target, expected) in [
        ("/a", Some(1)),
        ("/a/", Some(1)),
        ("/b", Some(2)),
        ("/b/", Some(2)),
        ("/c", Some(3)),
        ("/c/", Some(4)),
        ("/d?p", Some(5)),
        ("/d/?p", Some(5)),
        ("/d/", None),
    ] {
        assert_eq!(coins(&list, target), expected, "{target}");
    }
    // An entry whose conditions do not hold does not count here either.
    let list = numbered(&[("/c", "query = 'p'"), ("/c/", "")]);
    assert_eq!((coins(&list, "/c"), coins(&list, "/c?p")), (Some(2), Some(1)));
}

#[test]
fn an_entry_whose_conditions_do_not_hold_leaves_the_decision_to_the_next() {
    let list = numbered(&[
        ("/{*rest}", ""),
        ("/a", "hosts = 'www.news.example'"),
        ("/a", "query = 'p=1'"),
        ("/a", "query = ['p=1', 'q']"),
        ("/{id}", "suffix = '.pdf'"),
        ("/{id}", "suffix = ['.new.pdf', '.epub']"),
        ("/b/{*rest}", "hosts = 'www.news.example'"),
    ]);
    for (host, target, expected) in [
        ("news.example", "/a", 1),
        ("news.example", "/a?p=2", 1),
        ("news.example", "/a?p=1", 3),
        ("news.example", "/a?q&p=1", 4),
        ("www.news.example", "/a", 2),
        ("WWW.News.Example:8443", "/a?q&p=1", 2),
        ("news.example", "/x.pdf", 5),
        ("news.example", "/x.pdf/", 5),
        ("news.example", "/x.epub", 6),
        ("news.example", "/x.new.pdf", 6),
        ("news.example", "/x.txt", 1),
        ("news.example", "/b/x", 1),
        ("www.news.example", "/b/x", 7),
    ] {
        let found = at(host, target, &list).map(|found| found.coins);
        assert_eq!(found, Some(expected), "{host}{target}");
    }
}

#[test]
fn a_host_that_is_no_origins_host_is_that_of_the_first_origin() {
    let list = numbered(&[("/a", "hosts = 'news.example'"), ("/b", "hosts = 'www.news.example'")]);
    for host in ["news.example", "other.example", "", "NEWS.example.", "news.example:99"] {
        let request = Request { target: b"/a", host: Some(host.as_bytes()), ..Request::default() };
        assert_eq!(
            list.find(&request, Exemptions::Apply).map(|found| found.coins),
            Some(1),
            "{host}"
        );
        let request = Request { target: b"/b", ..request };
        assert_eq!(list.find(&request, Exemptions::Apply), None, "{host}");
    }
}

#[test]
fn a_repeated_parameter_makes_nothing_cheaper() {
    let list = list(
        "price = [
            { path = '/', coins = 2 },
            { path = '/', query = 'p=17', coins = 5 },
            { path = '/', query = 'p=1', coins = 0 },
        ]",
    );
    for (target, expected) in [
        ("/", 2),
        ("/?p=17", 5),
        ("/?p=1", 0),
        ("/?p=1&p=1", 0),
        ("/?p=1&p=17", 5),
        ("/?p=17&p=1", 5),
        ("/?p=1&p=2", 2),
    ] {
        assert_eq!(coins(&list, target), Some(expected), "{target}");
    }
    let many = format!("/?{}p=1", "a&".repeat(300));
    assert_eq!(coins(&list, &many), Some(5), "too many parameters to compare");
}

#[test]
fn a_parameter_in_another_spelling_makes_nothing_cheaper() {
    let list = list(
        "price = [
            { path = '/{*rest}', query = 'rest_route', coins = 4 },
            { path = '/{*rest}', query = 'p', coins = 3 },
            { path = '/{*rest}', query = 'free=1', coins = 0 },
            { path = '/story', coins = 2 },
        ]",
    );
    for (target, expected) in [
        ("/", None),
        ("/?p=17", Some(3)),
        ("/?+p=17", Some(3)),
        ("/index.php?p%00=17", Some(3)),
        ("/?P[]=17", Some(3)),
        ("/?a;p=17", Some(3)),
        ("/a%26p=17", Some(3)),
        ("/#?p=17", Some(3)),
        ("/a#b?c&p=17", Some(3)),
        ("http://news.example#?p=17", Some(3)),
        ("/a?b#p=17", None),
        ("/?rest.route=/x", Some(4)),
        ("/?rest[route=/x&+p=17", Some(4)),
        ("/story", Some(2)),
        ("/story?p=1", Some(2)),
        ("/a?free=1", Some(0)),
        ("/a?free=1&p", Some(3)),
        ("/a?free=1&+p", Some(3)),
        ("/a?free=1&a;p", Some(3)),
        ("/a?q=p&page=17", None),
    ] {
        assert_eq!(coins(&list, target), expected, "{target}");
    }
    // An exception that does not hold in every reading lets the next entry count.
    let list = self::list(
        "price = [
            { path = '/a', query = 'free=1', coins = 0 },
            { path = '/a', coins = 2 },
        ]",
    );
    for (target, expected) in
        [("/a?free=1", 0), ("/a?+free=1", 2), ("/a?free=01", 2), ("/a?free=1&FREE=0", 2)]
    {
        assert_eq!(coins(&list, target), Some(expected), "{target}");
    }
}

#[test]
fn of_too_many_entries_that_may_hold_the_dearest_counts() {
    for (count, is_cut) in [(UNCERTAIN_MAX, false), (UNCERTAIN_MAX + 1, true)] {
        let mut text: String = (1..=count)
            .map(|number| format!("[[price]]\npath = '/'\nquery = 'p={number}'\ncoins = 1\n"))
            .collect();
        text.push_str("[[price]]\npath = '/'\nquery = 'other=1'\ncoins = 9\n");
        let list = list(&text);
        assert_eq!(coins(&list, "/?p=7"), Some(1));
        assert_eq!(coins(&list, "/?p=0"), None);
        for target in ["/?p[]=7", "/?p=07", "/?+p=%207"] {
            assert_eq!(coins(&list, target), Some(if is_cut { 9 } else { 1 }), "{target}");
        }
    }
}

#[test]
fn of_equally_specific_conditions_the_higher_price_decides() {
    for (one, other) in [("a", "b"), ("b", "a")] {
        let list = list(&format!(
            "price = [{{ path = '/x', query = '{one}', coins = 1 }},
                      {{ path = '/x', query = '{other}', coins = 2 }}]"
        ));
        assert_eq!(coins(&list, "/x?a&b"), Some(2));
    }
}

#[test]
fn exempt_paths_are_free_unless_that_is_off() {
    let list = numbered(&[("/{*rest}", "")]);
    for target in
        ["/robots.txt", "/%72obots.txt", "//favicon.ico", "/.well-known/acme-challenge/token"]
    {
        assert_eq!(coins(&list, target), None, "{target}");
        let request = Request { target: target.as_bytes(), ..Request::default() };
        assert_eq!(
            list.find(&request, Exemptions::Ignore).map(|found| found.coins),
            Some(1),
            "{target}"
        );
    }
    assert_eq!(coins(&list, "/robots.txt/x"), Some(1));
    assert_eq!(coins(&list, "/.well-known/acme-challenge/../../x"), Some(1));
}

#[test]
fn an_entry_says_what_a_receipt_opens_and_what_a_redirect_costs() {
    let list = list(
        "price = [
            { path = '/2026/{id}/{*rest}', coins = 2, receipt = '/2026/{id}/', title = 'T',
              teaser = 'about', redirects = 'charge' },
            { path = '/a', coins = 0, redirects = 'reverse' },
            { path = '/b', coins = 1 },
        ]",
    );
    let found = at("news.example", "//2026/a%20b/c/d", &list).unwrap();
    assert_eq!(found.receipt_path.as_deref(), Some("/2026/a%20b"));
    assert_eq!(found.charges_redirects, Some(true));
    let preview = found.preview.unwrap();
    assert_eq!((preview.title(), preview.teaser()), ("T", "about"));
    let found = at("news.example", "/a", &list).unwrap();
    assert_eq!((found.coins, found.charges_redirects, found.preview), (0, Some(false), None));
    let found = at("news.example", "/b", &list).unwrap();
    assert_eq!(found, ListPrice { coins: 1, ..ListPrice::default() });
}

#[test]
fn a_target_that_names_no_page_is_never_free() {
    let free = list("price = [{ path = '/{*rest}', coins = 0 }]");
    for target in ["", "*", "?", "?a", "#a", "a", "http:", "http:/a", "http:/a?://b/c", "host:80"] {
        let found = at("news.example", target, &free).map(|found| found.coins);
        assert_eq!(found, Some(COINS_WITHOUT_PAGE), "{target}");
        let request = Request { target: target.as_bytes(), ..Request::default() };
        assert_eq!(free.deciding(&request, Exemptions::Apply), None, "{target}");
    }
    for target in ["/", "http://news.example", "http://news.example?a", "http://"] {
        assert_eq!(at("news.example", target, &free).map(|found| found.coins), Some(0), "{target}");
    }
}

#[test]
fn a_path_that_the_server_decoded_is_not_decoded_again() {
    let list = numbered(&[("/x", "")]);
    let found = |path: &str| {
        list.find_decoded(path.as_bytes(), &Request::default(), || Asker::Reader).is_some()
    };
    assert!(found("/x") && found("//x") && !found("/%78"));
}

// ---- the slow reference

/// An entry as the reference sees it.
#[derive(Clone, Debug)]
struct Plain {
    path: String,
    conditions: Vec<(&'static str, &'static str)>,
    coins: u32,
}

/// What orders the entries that match; the least one wins.
type Specificity = (String, bool, std::cmp::Reverse<(bool, usize, usize, u32)>);

impl Plain {
    fn to_toml(&self) -> String {
        let mut text = format!("[[price]]\npath = '{}'\ncoins = {}\n", self.path, self.coins);
        for key in ["hosts", "query", "suffix"] {
            let values: Vec<&str> = self
                .conditions
                .iter()
                .filter(|(one, _)| *one == key)
                .map(|(_, value)| *value)
                .collect();
            if !values.is_empty() {
                text.push_str(&format!("{key} = {values:?}\n"));
            }
        }
        text
    }

    fn parts(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    fn has_rest(&self) -> bool {
        self.path.ends_with('}') && self.path.contains("{*")
    }

    /// Whether its path matches, one part after the other.
    fn fits(&self, path: &[&str]) -> bool {
        fn fit(pattern: &[&str], path: &[&str]) -> bool {
            match (pattern, path) {
                ([], []) => true,
                ([one], _) if one.starts_with("{*") => true,
                ([one, pattern @ ..], [part, path @ ..]) => {
                    (one.starts_with('{') || one == part) && fit(pattern, path)
                }
                _ => false,
            }
        }
        fit(&self.parts(), path)
    }

    fn holds(&self, host: &str, path: &str, query: &[(&str, &str)]) -> Holds {
        let values = |key: &str| -> Vec<&str> {
            self.conditions.iter().filter(|(one, _)| *one == key).map(|(_, value)| *value).collect()
        };
        let (hosts, suffixes) = (values("hosts"), values("suffix"));
        if !hosts.is_empty() && !hosts.contains(&host)
            || !suffixes.is_empty() && !suffixes.iter().any(|suffix| path.ends_with(suffix))
        {
            return Holds::No;
        }
        let mut holds = Holds::Yes;
        for wanted in values("query") {
            let (name, value) =
                wanted.split_once('=').map_or((wanted, None), |(n, v)| (n, Some(v)));
            let found: Vec<&str> =
                query.iter().filter(|(one, _)| *one == name).map(|(_, value)| *value).collect();
            let good = found.iter().filter(|found| value.is_none_or(|value| value == **found));
            holds = holds.min(match good.count() {
                0 => Holds::No,
                count if count == found.len() => Holds::Yes,
                _ => Holds::Maybe,
            });
        }
        holds
    }

    /// Sorts before that of a less specific entry.
    fn key(&self, has_slash: bool) -> Specificity {
        let kind = |part: &&str| match () {
            () if part.starts_with("{*") => 'c',
            () if part.starts_with('{') => 'b',
            () => 'a',
        };
        let count = |key: &str| self.conditions.iter().filter(|(one, _)| *one == key).count();
        let suffix = self.conditions.iter().filter(|(one, _)| *one == "suffix");
        let suffix = suffix.map(|(_, value)| value.len()).min().unwrap_or(0);
        let is_other = !self.has_rest() && self.path.ends_with('/') != has_slash;
        let rank = (count("hosts") > 0, count("query"), suffix, self.coins);
        (self.parts().iter().map(kind).collect(), is_other, std::cmp::Reverse(rank))
    }
}

fn reference(entries: &[Plain], host: &str, path: &str, query: &[(&str, &str)]) -> Option<u32> {
    let has_slash = path.ends_with('/');
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut fitting: Vec<&Plain> = entries.iter().filter(|entry| entry.fits(&parts)).collect();
    fitting.sort_by_key(|entry| entry.key(has_slash));
    let mut price = None;
    for entry in fitting {
        match entry.holds(host, path.trim_end_matches('/'), query) {
            Holds::No => {}
            Holds::Maybe => price = price.max(Some(entry.coins)),
            Holds::Yes => return price.max(Some(entry.coins)),
        }
    }
    price
}

prop_compose! {
    fn plain()(
        parts in prop::collection::vec(prop::sample::select(vec!["a", "b", "{x}", "{y}"]), 0..4),
        end in prop::sample::select(vec!["", "/", "/{*rest}"]),
        conditions in prop::collection::btree_set(
            prop::sample::select(vec![
                ("hosts", "news.example"),
                ("hosts", "www.news.example"),
                ("query", "p=1"),
                ("query", "p"),
                ("query", "q=2"),
                ("suffix", "a"),
                ("suffix", "/b"),
            ]),
            0..3,
        ),
        coins in 0u32..9,
    ) -> Plain {
        // A capture has one name in a pattern.
        let mut path = String::new();
        for (at, part) in parts.iter().enumerate() {
            path.push('/');
            path.push_str(&if part.starts_with('{') { format!("{{c{at}}}") } else { part.to_string() });
        }
        path.push_str(end);
        let path = if path.is_empty() { "/".to_string() } else { path };
        Plain { path, conditions: conditions.into_iter().collect(), coins }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_same_entry_decides_as_in_a_slow_reference(
        entries in prop::collection::vec(plain(), 1..12),
        path in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..5),
        has_slash in any::<bool>(),
        host in prop::sample::select(vec!["news.example", "www.news.example"]),
        query in prop::collection::vec(
            (prop::sample::select(vec!["p", "q", "r"]), prop::sample::select(vec!["1", "2"])),
            0..4,
        ),
        shuffle in any::<prop::sample::Index>(),
    ) {
        // Of entries for one place only one is kept.
        let mut kept: Vec<Plain> = Vec::new();
        for entry in entries {
            let text: String =
                kept.iter().chain([&entry]).map(Plain::to_toml).collect();
            if PriceList::parse(&text, &roots(), None).is_ok() {
                kept.push(entry);
            }
        }
        // An entry that cannot match is refused, and may have been the only one.
        prop_assume!(!kept.is_empty());
        let slash = if has_slash || path.is_empty() { "/" } else { "" };
        let path: String = path.iter().map(|part| format!("/{part}")).collect::<String>() + slash;
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let target = format!("{path}?{}", pairs.join("&"));
        let expected = reference(&kept, host, &path, &query);
        // In whatever order they stand.
        let middle = shuffle.index(kept.len());
        kept.rotate_left(middle);
        let text: String = kept.iter().map(Plain::to_toml).collect();
        let found = at(host, &target, &list(&text)).map(|found| found.coins);
        prop_assert_eq!(found, expected, "{} in\n{}", target, text);
    }
}

#[test]
fn a_bot_pays_its_price_and_is_looked_for_only_where_there_is_one() {
    let list = list(
        "price = [
            { path = '/a', coins = 2, verified-bots = 1, unknown-bots = 5 },
            { path = '/b', coins = 2 },
            { path = '/c', coins = 2, verified-bots = 0 },
            { path = '/{*rest}', coins = 0, unknown-bots = 3 },
        ]",
    );
    assert!(list.has_bot_prices());
    let found = |target: &str, asker: Asker| {
        let asked = std::cell::Cell::new(0);
        let request = Request { target: target.as_bytes(), ..Request::default() };
        let who = || {
            asked.set(asked.get() + 1);
            asker
        };
        let price = list.find_for(&request, Exemptions::Apply, who).unwrap();
        (price.coins, price.is_private, asked.get())
    };
    for (target, asker, expected) in [
        ("/a", Asker::Reader, (2, false, 1)),
        ("/a", Asker::VerifiedBot, (1, true, 1)),
        ("/a", Asker::UnknownBot, (5, false, 1)),
        ("/b", Asker::UnknownBot, (2, false, 0)),
        ("/c", Asker::VerifiedBot, (0, true, 1)),
        ("/c", Asker::UnknownBot, (2, false, 1)),
        ("/x", Asker::VerifiedBot, (0, false, 1)),
        ("/x", Asker::UnknownBot, (3, false, 1)),
    ] {
        assert_eq!(found(target, asker), expected, "{target} {asker:?}");
    }
}
