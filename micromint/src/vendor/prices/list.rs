//! The price list: which entry decides about a request.
//!
//! Input: entries, then requests. Output: what the list says about a page. The rule: of the entries
//! whose path matches and whose conditions hold, the most specific one decides. Paths are compared
//! part by part from the left, where a text is more specific than `{name}`, which is more specific
//! than `{*name}`; then the slash at the end counts, then the conditions. The invariants: the order
//! of the entries in the file changes nothing; the cost of a request depends on the number of
//! different shapes of paths in the list, not on the number of entries.

use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::ListPrice;
use super::conditions::{Conditions, Holds, Parameter};
use super::pattern::{Kind, Part, Pattern, SplitPath};
use super::published::{Published, Seller};
use super::query::{Query, UNKNOWN, is_number, value_key};
use crate::vendor::bots::Asker;
use crate::vendor::exempt::{Exemptions, is_exempt_path};
use crate::vendor::normal_path::{NormalPath, Readings, before_query, path_and_query};
use crate::vendor::origin::{AskedHost, PublicRoot};
use crate::vendor::preview::Preview;
use crate::vendor::request::Request;

/// The largest number of entries of a path that are examined one by one because contents may read
/// a parameter differently. Of more of them, all may hold.
const UNCERTAIN_MAX: usize = 64;
/// The price of a target that names no page. Nobody is asked for it: no URL can be made of such a
/// target, so the paywall answers 400 to what has a price there.
const COINS_WITHOUT_PAGE: u32 = 1;

/// With more entries of one path, none of them is looked for that another one hides.
const COMPARED_MAX: usize = 1000;

/// An entry of the price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: Pattern,
    pub(super) conditions: Conditions,
    /// What a reader pays.
    pub(super) coins: u32,
    pub(super) verified_bots: u32,
    pub(super) unknown_bots: u32,
    pub(super) receipt: Option<Pattern>,
    pub(super) charges_redirects: Option<bool>,
    pub(super) preview: Option<Arc<Preview>>,
}

/// An entry of a price list, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListEntry {
    /// Its path and conditions, such as `/{*rest} (suffix .pdf, .epub)`.
    pub entry: String,
    /// Its price.
    pub coins: u32,
    /// Its price for bots whose signature is right.
    pub verified_bots: u32,
    /// Its price for other bots.
    pub unknown_bots: u32,
    /// Its title; empty if it has none.
    pub title: String,
}

impl ListEntry {
    /// The highest of its prices.
    pub(in crate::vendor) fn highest(&self) -> u32 {
        self.coins.max(self.verified_bots).max(self.unknown_bots)
    }
}

/// A vendor's price list.
#[derive(Debug)]
pub struct PriceList {
    roots: Vec<PublicRoot>,
    entries: Vec<Entry>,
    /// The most specific first.
    shapes: Vec<Shape>,
    has_hosts: bool,
    has_bot_prices: bool,
    /// What is published at each root, once it was asked for.
    published: Vec<Mutex<Option<Arc<Published>>>>,
}

/// All paths whose parts are of the same kinds. Of these at most one matches a path, apart from the
/// slash at its end.
#[derive(Clone, Debug)]
struct Shape {
    kinds: Vec<Kind>,
    /// The number of texts, if nothing stands before or between them.
    leading_texts: Option<usize>,
    /// By the texts, with slashes between them. The vendor chooses all keys of these maps, so a
    /// fast hash function without a secret will do.
    nodes: FxHashMap<Box<[u8]>, Node>,
}

/// The entries of one path.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The most specific conditions first; of equally specific ones the highest price.
    ranked: Vec<usize>,
    /// The positions in `ranked` of the entries without a condition on the query.
    plain: Vec<usize>,
    /// Those of the others, by what contents may take for the name of their first parameter.
    by_name: FxHashMap<Box<[u8]>, ByValue>,
}

/// The positions of the entries for one name, by the value that they want.
#[derive(Clone, Debug, Default)]
struct ByValue {
    /// Any value.
    any: Vec<usize>,
    /// One value.
    one: Vec<usize>,
    /// Of these, those that want a number.
    numbers: Vec<usize>,
    /// Of these, by the key of the value.
    keys: FxHashMap<Box<[u8]>, Vec<usize>>,
}

/// The entries of a path that may count.
struct Candidates {
    /// Their numbers, the most specific first.
    entries: SmallVec<[usize; 4]>,
    /// Whether every condition on the query may hold.
    may_all_hold: bool,
}

/// Two entries with the same path and conditions, by their numbers.
#[derive(Debug)]
pub(super) struct Twice {
    pub(super) first: usize,
    pub(super) second: usize,
}

impl PriceList {
    /// The list of these entries of a vendor whose pages are at `roots`.
    pub(super) fn new(entries: Vec<Entry>, roots: &[PublicRoot]) -> Result<PriceList, Twice> {
        let mut shapes: Vec<Shape> = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            let kinds: Vec<Kind> = entry.path.parts.iter().map(Part::kind).collect();
            let at = match shapes.binary_search_by(|shape| shape.kinds.cmp(&kinds)) {
                Ok(at) => at,
                Err(at) => {
                    shapes.insert(at, Shape::new(kinds));
                    at
                }
            };
            let node = shapes[at].nodes.entry(texts(&entry.path)).or_default();
            let is_same = |other: &&usize| entries[**other].is_same_place(entry);
            if let Some(first) = node.ranked.iter().find(is_same) {
                return Err(Twice { first: *first, second: number });
            }
            node.ranked.push(number);
        }
        for node in shapes.iter_mut().flat_map(|shape| shape.nodes.values_mut()) {
            node.rank(&entries);
        }
        let has_hosts = entries.iter().any(|entry| !entry.conditions.hosts.is_empty());
        let published = roots.iter().map(|_| Mutex::default()).collect();
        let has_bot_prices = entries.iter().any(Entry::has_bot_prices);
        let roots = roots.to_vec();
        Ok(PriceList { roots, entries, shapes, has_hosts, has_bot_prices, published })
    }

    /// The same list as when it was read: nothing was published yet, so no other thread is doing
    /// so.
    pub(in crate::vendor) fn unpublished(&self) -> PriceList {
        PriceList {
            roots: self.roots.clone(),
            entries: self.entries.clone(),
            shapes: self.shapes.clone(),
            has_hosts: self.has_hosts,
            has_bot_prices: self.has_bot_prices,
            published: self.roots.iter().map(|_| Mutex::default()).collect(),
        }
    }

    /// What the list says to a reader about the page that a request is for, by the path that the
    /// client sent. `None` if no entry matches, or if the path is exempt and exemptions apply.
    /// A target that names no page (see [`page_target`](crate::vendor::page_target)) is never free:
    /// it has a price, so that the paywall refuses it.
    pub fn find(&self, request: &Request<'_>, exemptions: Exemptions) -> Option<ListPrice> {
        self.find_for(request, exemptions, || Asker::Reader)
    }

    /// What the list says to `asker`, who is asked for only if an entry has prices for bots.
    pub(in crate::vendor) fn find_for(
        &self,
        request: &Request<'_>,
        exemptions: Exemptions,
        asker: impl Fn() -> Asker,
    ) -> Option<ListPrice> {
        let Some(page) = path_and_query(request.target) else {
            return Some(ListPrice { coins: COINS_WITHOUT_PAGE, ..ListPrice::default() });
        };
        let asker = LazyAsker::new(&asker);
        let make = |entry: &Entry, path: &SplitPath<'_>| entry.price(path, &asker);
        self.find_sent(page, request, exemptions, &asker, make)
    }

    /// Whether an entry has prices for bots.
    pub(in crate::vendor) fn has_bot_prices(&self) -> bool {
        self.has_bot_prices
    }

    /// The entry that decides about the page that a request is for, as [`PriceList::find`] finds
    /// it.
    pub fn deciding(&self, request: &Request<'_>, exemptions: Exemptions) -> Option<ListEntry> {
        let page = path_and_query(request.target)?;
        let asker = LazyAsker::new(&|| Asker::Reader);
        self.find_sent(page, request, exemptions, &asker, |entry, _| entry.shown())
    }

    /// The entry that decides about a path that a server decoded, at the host of a request and
    /// without a query.
    pub(in crate::vendor) fn deciding_decoded(
        &self,
        path: &[u8],
        request: &Request<'_>,
    ) -> Option<ListEntry> {
        let readings = NormalPath::readings_of_decoded(path);
        let asker = LazyAsker::new(&|| Asker::Reader);
        let query = AskedQuery::new(path, b"");
        self.find_path(readings, self.host_of(request), query, &asker, |entry, _| entry.shown())
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = ListEntry> {
        self.entries.iter().map(Entry::shown)
    }

    /// The entries that decide about no request, each with one that hides it: of the same path, at
    /// least as specific, and counting wherever the first would.
    pub(in crate::vendor) fn never_deciding(&self) -> Vec<(ListEntry, ListEntry)> {
        let mut found = Vec::new();
        for node in self.shapes.iter().flat_map(|shape| shape.nodes.values()) {
            // Prices for bots may rank the entries in another order.
            let ranked: Vec<&Entry> = node.ranked.iter().map(|it| &self.entries[*it]).collect();
            if ranked.len() > COMPARED_MAX || ranked.iter().any(|entry| entry.has_bot_prices()) {
                continue;
            }
            for (at, entry) in ranked.iter().enumerate() {
                let hides =
                    |it: &&&Entry| it.path == entry.path && it.conditions.cover(&entry.conditions);
                if let Some(other) = ranked[..at].iter().find(hides) {
                    found.push((entry.shown(), other.shown()));
                }
            }
        }
        found.sort_by(|one, other| one.0.entry.cmp(&other.0.entry));
        found
    }

    fn find_sent<T: Opens>(
        &self,
        (path, query): (&[u8], &[u8]),
        request: &Request<'_>,
        exemptions: Exemptions,
        asker: &LazyAsker<'_>,
        make: impl Fn(&Entry, &SplitPath<'_>) -> T,
    ) -> Option<T> {
        let readings = NormalPath::readings_with_dots(path);
        if exemptions == Exemptions::Apply && readings.iter().all(is_exempt_path) {
            return None;
        }
        let host = if self.has_hosts { self.host_of(request) } else { "" };
        let query = AskedQuery::new(before_query(request.target), query);
        self.find_path(readings, host, query, asker, make)
    }

    /// What the list says to `asker` about a path that a server decoded, at whatever host and
    /// without a query.
    pub(in crate::vendor) fn find_decoded(
        &self,
        path: &[u8],
        request: &Request<'_>,
        asker: impl Fn() -> Asker,
    ) -> Option<ListPrice> {
        let readings = NormalPath::readings_of_decoded(path);
        let asker = LazyAsker::new(&asker);
        let make = |entry: &Entry, path: &SplitPath<'_>| entry.price(path, &asker);
        self.find_path(readings, self.host_of(request), AskedQuery::new(path, b""), &asker, make)
    }

    /// Of the readings of a path the highest price counts: which one holds depends on the content.
    /// A receipt opens more than this page only if it would do so in all readings.
    fn find_path<T: Opens>(
        &self,
        readings: Readings<'_>,
        host: &str,
        query: AskedQuery<'_>,
        asker: &LazyAsker<'_>,
        make: impl Fn(&Entry, &SplitPath<'_>) -> T,
    ) -> Option<T> {
        let (mut found, mut differ) = (None::<(u32, T)>, false);
        for (at, path) in readings.iter().enumerate() {
            let split = SplitPath::new(path);
            let entry = self.decisive(&split, host, &query, asker);
            let made = entry.map(|entry| (entry.coins_for(asker), make(entry, &split)));
            let (one, other) = (opened(&found), opened(&made));
            differ |= at > 0 && one != other;
            found = match (found, made) {
                (Some(found), Some(made)) if made.0 > found.0 => Some(made),
                (found, made) => found.or(made),
            };
        }
        found.map(|(_, made)| if differ { made.alone() } else { made })
    }

    fn decisive(
        &self,
        path: &SplitPath<'_>,
        host: &str,
        query: &AskedQuery<'_>,
        asker: &LazyAsker<'_>,
    ) -> Option<&Entry> {
        let is_higher =
            |entry: &Entry, found: &Entry| entry.coins_for(asker) > found.coins_for(asker);
        let mut found: Option<&Entry> = None;
        let nodes = self.shapes.iter().filter_map(|shape| Some((shape, shape.node(path)?)));
        'walk: for (shape, node) in nodes {
            let candidates = node.candidates(query, |entry| self.is_other_form(shape, entry, path));
            let may_all_hold = candidates.may_all_hold;
            let query = || -> &Query<'_> { if may_all_hold { &UNKNOWN } else { query.parsed() } };
            for number in candidates.entries {
                let entry = &self.entries[number];
                let holds = entry.conditions.hold(host, path.without_slash(), query);
                if holds != Holds::No && found.is_none_or(|found| is_higher(entry, found)) {
                    found = Some(entry);
                }
                if holds == Holds::Yes {
                    break 'walk;
                }
            }
        }
        found
    }

    /// Whether an entry was written for the same path with or without the slash at its end.
    fn is_other_form(&self, shape: &Shape, entry: usize, path: &SplitPath<'_>) -> bool {
        !shape.has_rest() && self.entries[entry].path.has_slash != path.has_slash
    }

    /// The root that a request is for.
    pub(in crate::vendor) fn root(&self, request: &Request<'_>) -> Option<&PublicRoot> {
        self.root_of(request).map(|(_, root)| root)
    }

    fn host_of(&self, request: &Request<'_>) -> &str {
        self.root_of(request).map_or("", |(_, root)| root.origin().host().as_str())
    }

    /// The root that a request is for, and its number.
    fn root_of(&self, request: &Request<'_>) -> Option<(usize, &PublicRoot)> {
        let root = AskedHost::of(request, &self.roots).pick(&self.roots)?;
        let number = self.roots.iter().position(|one| std::ptr::eq(one, root))?;
        Some((number, root))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What `seller` publishes at the origin of a request. Made once, and again if other
    /// kinds of coins are accepted.
    pub(in crate::vendor) fn published(
        &self,
        seller: &Seller<'_>,
        request: &Request<'_>,
    ) -> Option<Arc<Published>> {
        let (number, root) = self.root_of(request)?;
        let mut place = self.published.get(number)?.lock().unwrap_or_else(PoisonError::into_inner);
        let known = place.take().filter(|known| known.coinage == seller.coinage);
        let known = known.unwrap_or_else(|| Arc::new(Published::new(&self.entries, seller, root)));
        *place = Some(Arc::clone(&known));
        Some(known)
    }
}

/// What is found for a page, and what a receipt for it opens.
trait Opens {
    /// The receipt path.
    fn receipt_path(&self) -> Option<&str>;
    /// The same with a receipt that opens this page alone.
    fn alone(self) -> Self;
}

impl Opens for ListPrice {
    fn receipt_path(&self) -> Option<&str> {
        self.receipt_path.as_deref()
    }

    fn alone(self) -> ListPrice {
        ListPrice { receipt_path: None, ..self }
    }
}

impl Opens for ListEntry {
    fn receipt_path(&self) -> Option<&str> {
        None
    }

    fn alone(self) -> ListEntry {
        self
    }
}

fn opened<T: Opens>(found: &Option<(u32, T)>) -> Option<&str> {
    found.as_ref().and_then(|(_, found)| found.receipt_path())
}

/// The query of a request, parsed if an entry has a condition on it.
struct AskedQuery<'a> {
    path: &'a [u8],
    text: &'a [u8],
    parsed: OnceCell<Query<'a>>,
}

impl<'a> AskedQuery<'a> {
    fn new(path: &'a [u8], text: &'a [u8]) -> AskedQuery<'a> {
        AskedQuery { path, text, parsed: OnceCell::new() }
    }

    fn parsed(&self) -> &Query<'a> {
        self.parsed.get_or_init(|| Query::parse(self.path, self.text))
    }
}

/// Who asks, found out once and only if it matters.
pub(super) struct LazyAsker<'a> {
    ask: &'a dyn Fn() -> Asker,
    asker: OnceCell<Asker>,
}

impl<'a> LazyAsker<'a> {
    fn new(ask: &'a dyn Fn() -> Asker) -> LazyAsker<'a> {
        LazyAsker { ask, asker: OnceCell::new() }
    }

    fn get(&self) -> Asker {
        *self.asker.get_or_init(self.ask)
    }

    /// Whether a bot asks, as far as that was found out.
    fn is_bot(&self) -> bool {
        self.asker.get().is_some_and(|asker| *asker != Asker::Reader)
    }
}

impl Entry {
    /// Whether a bot pays another price than a reader.
    fn has_bot_prices(&self) -> bool {
        (self.verified_bots, self.unknown_bots) != (self.coins, self.coins)
    }

    /// The price for this class of client.
    fn coins_for(&self, asker: &LazyAsker<'_>) -> u32 {
        if !self.has_bot_prices() {
            return self.coins;
        }
        match asker.get() {
            Asker::Reader => self.coins,
            Asker::VerifiedBot => self.verified_bots,
            Asker::UnknownBot => self.unknown_bots,
        }
    }

    /// Whether it has the path and conditions of another one, so that neither is more specific.
    fn is_same_place(&self, other: &Entry) -> bool {
        let has_rest = matches!(self.path.parts.last(), Some(Part::Rest(_)));
        let is_same_form = has_rest || self.path.has_slash == other.path.has_slash;
        is_same_form && self.conditions == other.conditions
    }

    fn shown(&self) -> ListEntry {
        ListEntry {
            entry: format!("{}{}", self.path.as_str(), self.conditions),
            coins: self.coins,
            verified_bots: self.verified_bots,
            unknown_bots: self.unknown_bots,
            title: self.preview.as_ref().map(|it| it.title().to_string()).unwrap_or_default(),
        }
    }

    fn price(&self, path: &SplitPath<'_>, asker: &LazyAsker<'_>) -> ListPrice {
        let coins = self.coins_for(asker);
        ListPrice {
            coins,
            // Readers may get a copy from a cache that bots do not pay for; their own price is the
            // measure.
            is_private: asker.is_bot() && coins < self.coins,
            receipt_path: self.receipt.as_ref().map(|receipt| receipt.filled(path)),
            charges_redirects: self.charges_redirects,
            preview: self.preview.clone(),
        }
    }
}

/// The texts of a pattern, with slashes between them.
fn texts(path: &Pattern) -> Box<[u8]> {
    let texts = path.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(&**text),
        Part::Capture(_) | Part::Rest(_) => None,
    });
    texts.collect::<Vec<&[u8]>>().join(&b'/').into()
}

impl Shape {
    fn new(kinds: Vec<Kind>) -> Shape {
        let texts = kinds.iter().filter(|kind| **kind == Kind::Text).count();
        let is_leading = kinds[..texts].iter().all(|kind| *kind == Kind::Text);
        let leading_texts = is_leading.then_some(texts);
        Shape { kinds, leading_texts, nodes: FxHashMap::default() }
    }

    fn has_rest(&self) -> bool {
        self.kinds.last() == Some(&Kind::Rest)
    }

    /// The entries whose path matches.
    fn node(&self, path: &SplitPath<'_>) -> Option<&Node> {
        let is_long_enough = match self.has_rest() {
            true => path.parts.len() + 1 >= self.kinds.len(),
            false => path.parts.len() == self.kinds.len() && !path.has_more,
        };
        if !is_long_enough {
            return None;
        }
        match self.leading_texts {
            Some(0) => self.nodes.get(&b""[..]),
            Some(count) => self.nodes.get(&path.bytes[1..path.parts[count - 1].end]),
            None => {
                let mut key: SmallVec<[u8; 128]> = SmallVec::new();
                for (part, _) in
                    path.parts.iter().zip(&self.kinds).filter(|(_, kind)| **kind == Kind::Text)
                {
                    if !key.is_empty() {
                        key.push(b'/');
                    }
                    key.extend_from_slice(&path.bytes[part.clone()]);
                }
                self.nodes.get(&key[..])
            }
        }
    }
}

impl Node {
    /// Puts the entries in order, and makes the index.
    fn rank(&mut self, entries: &[Entry]) {
        self.ranked.sort_by(|one, other| {
            let rank =
                |number: &usize| (entries[*number].conditions.rank(), entries[*number].coins);
            rank(other).cmp(&rank(one)).then(one.cmp(other))
        });
        for (position, number) in self.ranked.iter().enumerate() {
            let Some(first) = entries[*number].conditions.query.first() else {
                self.plain.push(position);
                continue;
            };
            for name in first.names.iter() {
                self.by_name.entry(name.into()).or_default().add(position, first);
            }
        }
    }

    /// The entries that may count. `is_other_form` tells those that were written for the path with
    /// another end.
    fn candidates(
        &self,
        query: &AskedQuery<'_>,
        is_other_form: impl Fn(usize) -> bool,
    ) -> Candidates {
        let mut found: SmallVec<[usize; 4]> = self.plain.iter().copied().collect();
        let mut may_all_hold = false;
        if !self.by_name.is_empty() {
            let query = query.parsed();
            may_all_hold = query.is_cut || !self.add_conditional(query, &mut found);
            match may_all_hold {
                true => found = (0..self.ranked.len()).collect(),
                false => {
                    found.sort_unstable();
                    found.dedup();
                }
            }
        }
        let mut entries: SmallVec<[usize; 4]> =
            found.iter().map(|position| self.ranked[*position]).collect();
        if entries.len() > 1 {
            entries.sort_by_key(|number| is_other_form(*number));
        }
        Candidates { entries, may_all_hold }
    }

    /// Adds the positions of the entries whose first parameter the query may have. `false` if too
    /// many of them are uncertain.
    fn add_conditional(&self, query: &Query<'_>, found: &mut SmallVec<[usize; 4]>) -> bool {
        let mut uncertain = 0;
        for sent in query.parameters() {
            for by_value in sent.names.iter().filter_map(|name| self.by_name.get(name)) {
                found.extend_from_slice(&by_value.any);
                let may_be = match () {
                    () if sent.has_any_value => &by_value.one[..],
                    () if !sent.has_plain_number() => &by_value.numbers,
                    () => &[],
                };
                uncertain += may_be.len();
                if uncertain > UNCERTAIN_MAX {
                    return false;
                }
                found.extend_from_slice(may_be);
                found.extend(by_value.keys.get(&*sent.value_key()).into_iter().flatten().copied());
            }
        }
        true
    }
}

impl ByValue {
    fn add(&mut self, position: usize, wanted: &Parameter) {
        let Some(value) = &wanted.value else { return self.any.push(position) };
        self.one.push(position);
        if is_number(value) {
            self.numbers.push(position);
        }
        self.keys.entry((*value_key(value)).into()).or_default().push(position);
    }
}

#[cfg(test)]
mod tests;
