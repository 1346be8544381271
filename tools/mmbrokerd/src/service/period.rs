//! An open period: its coin file, and an index of who bought which set.
//!
//! Input: the sales in the database, in order. Output: answers to the questions of [`Sold`]. The
//! invariant: the index is a prefix of the sales; it is brought up to date before payments are
//! examined.

use std::collections::HashMap;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use micromint::bin::Bin;
use micromint::broker::{Buyer, Sold};
use micromint::coin::CoinRules;
use micromint::coin_file::CoinFile;
use micromint::identity::UserId;
use micromint::params::Params;
use micromint::period::Period;
use micromint::time::UnixTime;
use tokio::sync::mpsc;

use super::refused::LastList;
use super::sale::{Queued, SALE_QUEUE_MAX};
use crate::store::{CompromisedRow, SaleSpan, Skipped, Store, StoreError};

/// How many sales are read at a time.
const SALES_AT_A_TIME: i64 = 20_000;

/// An open period.
pub struct OpenPeriod {
    coin_file: CoinFile,
    rules: CoinRules,
    index: RwLock<SoldIndex>,
    /// Only one task at a time brings the index up to date.
    reading: tokio::sync::Mutex<()>,
    orders: mpsc::Sender<Queued>,
    refused: LastList,
}

/// Who bought which set, and which bins are compromised.
#[derive(Debug, Default)]
pub(super) struct SoldIndex {
    spans: Vec<Span>,
    /// What restores skipped. There are sales in it, once owners have shown their sets.
    skipped: Vec<Skipped>,
    /// How many there were when the index was made.
    rebooked: i64,
    /// The users in the order of their first sales, each with the superbin at which that began.
    users: Vec<(UserId, u32)>,
    numbers: HashMap<UserId, u32>,
    compromised: Compromised,
}

/// The sets of a sale.
#[derive(Clone, Copy, Debug)]
struct Span {
    first: u32,
    sets: u32,
    /// The buyer in `users`; [`NOBODY`] for sets that were skipped.
    user: u32,
}

/// No buyer.
const NOBODY: u32 = u32::MAX;

/// The compromised bins, by superbin.
#[derive(Debug, Default)]
pub(super) struct Compromised(HashMap<u32, Vec<CompromisedRow>>);

impl OpenPeriod {
    /// The period of a coin file, and the queue of the orders for it.
    pub(super) fn new(coin_file: CoinFile) -> (Arc<OpenPeriod>, mpsc::Receiver<Queued>) {
        let (orders, queue) = mpsc::channel(SALE_QUEUE_MAX);
        let open = OpenPeriod {
            rules: CoinRules::new(coin_file.params().clone()),
            coin_file,
            index: RwLock::default(),
            reading: tokio::sync::Mutex::new(()),
            orders,
            refused: LastList::default(),
        };
        (Arc::new(open), queue)
    }

    /// Its parameters.
    pub fn params(&self) -> &Params {
        self.coin_file.params()
    }

    /// Its name.
    pub fn name(&self) -> &Period {
        self.params().period()
    }

    pub(super) fn coin_file(&self) -> &CoinFile {
        &self.coin_file
    }

    pub(super) fn rules(&self) -> &CoinRules {
        &self.rules
    }

    pub(super) fn orders(&self) -> &mpsc::Sender<Queued> {
        &self.orders
    }

    pub(super) fn last_refused(&self) -> &LastList {
        &self.refused
    }

    /// Whether the period has begun. Its parameters are secret before.
    pub fn has_begun(&self, now: UnixTime) -> bool {
        now >= self.params().raw().start
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, SoldIndex> {
        self.index.read().unwrap_or_else(|broken| broken.into_inner())
    }

    /// Brings the index up to date.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn catch_up(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.reading.lock().await;
        let compromised = Compromised::new(store.compromised(self.name()).await?);
        let (rebooked, skipped) =
            (store.rebooked(self.name()).await?, store.skipped(self.name()).await?);
        self.change(|index| {
            if index.rebooked != rebooked || index.skipped != skipped {
                *index = SoldIndex::default();
            }
            (index.compromised, index.rebooked, index.skipped) = (compromised, rebooked, skipped);
        });
        loop {
            let from = self.index().end();
            let spans = store.sales_from(self.name(), from, SALES_AT_A_TIME).await?;
            let is_last = (spans.len() as i64) < SALES_AT_A_TIME;
            self.change(|index| spans.into_iter().for_each(|span| index.add(span)));
            if is_last {
                self.change(SoldIndex::end_with_skipped);
                return Ok(());
            }
        }
    }

    /// Forgets the index, which is made again when it is next needed.
    pub(super) fn forget(&self) {
        self.change(|index| *index = SoldIndex::default());
    }

    fn change(&self, change: impl FnOnce(&mut SoldIndex)) {
        change(&mut self.index.write().unwrap_or_else(|broken| broken.into_inner()));
    }
}

impl SoldIndex {
    /// Adds a sale. Sets before it that were not sold were skipped.
    fn add(&mut self, span: SaleSpan) {
        self.skip_to(span.first.into());
        let next = self.users.len() as u32;
        let number = *self.numbers.entry(span.user.clone()).or_insert(next);
        if number == next {
            self.users.push((span.user, span.first));
        }
        self.spans.push(Span { first: span.first, sets: span.sets, user: number });
    }

    fn skip_to(&mut self, past: u64) {
        let first = self.end();
        if past > first {
            let sets = ((past - first) / 2) as u32;
            self.spans.push(Span { first: first as u32, sets, user: NOBODY });
        }
    }

    /// What was skipped behind the last sale.
    fn end_with_skipped(&mut self) {
        let past = self.skipped.iter().map(|skipped| skipped.past).max();
        self.skip_to(past.unwrap_or(0));
    }

    /// Whether the set was skipped by a restore, and has no owner.
    pub(super) fn is_nobodys(&self, first_superbin: u32) -> bool {
        let at = self.spans.partition_point(|span| span.first <= first_superbin);
        first_superbin.is_multiple_of(2)
            && at > 0
            && self.spans[at - 1].user == NOBODY
            && u64::from(first_superbin) < self.spans[at - 1].end()
    }

    /// The superbin at which the next sale begins.
    pub(super) fn end(&self) -> u64 {
        self.spans.last().map_or(0, Span::end)
    }

    /// The user with this number.
    pub(super) fn name_of(&self, buyer: Buyer) -> Option<&UserId> {
        let at = self.spans.binary_search_by_key(&buyer.0, |span| span.first).ok()?;
        self.users.get(self.spans[at].user as usize).map(|(user, _)| user)
    }

    /// The sets from number `from` on, each with its first superbin and buyer, in order. A set that
    /// was skipped has none.
    pub(super) fn sets_from(&self, from: u32) -> impl Iterator<Item = (u32, Option<&UserId>)> + '_ {
        let start = u64::from(from) * 2;
        let at = self.spans.partition_point(|span| span.end() <= start);
        self.spans[at..].iter().flat_map(move |span| {
            let user = self.users.get(span.user as usize).map(|(user, _)| user);
            let firsts = (0..span.sets).map(|set| span.first + 2 * set);
            let firsts = firsts.filter(move |first| u64::from(*first) >= start);
            firsts.map(move |first| (first, user))
        })
    }
}

impl Span {
    fn end(&self) -> u64 {
        u64::from(self.first) + 2 * u64::from(self.sets)
    }
}

impl Compromised {
    pub(super) fn new(rows: Vec<CompromisedRow>) -> Compromised {
        let mut by_superbin: HashMap<u32, Vec<CompromisedRow>> = HashMap::new();
        for row in rows {
            by_superbin.entry(row.superbin).or_default().push(row);
        }
        Compromised(by_superbin)
    }

    fn ranges(&self, bin: Bin) -> impl Iterator<Item = &CompromisedRow> {
        let ranges = self.0.get(&bin.superbin).into_iter().flatten();
        ranges.filter(move |range| range.contains(bin))
    }
}

/// What a sale that is being made asks: only which bins are withheld.
impl Sold for Compromised {
    fn owner(&self, _first_superbin: u32) -> Option<&UserId> {
        None
    }

    fn buyer(&self, _user: &UserId) -> Option<Buyer> {
        None
    }

    fn is_withheld(&self, bin: Bin, first_superbin: u32) -> bool {
        self.ranges(bin).any(|range| range.next_superbin <= u64::from(first_superbin))
    }

    fn is_compromised(&self, bin: Bin) -> bool {
        self.ranges(bin).next().is_some()
    }

    fn has_compromised(&self, superbin: u32) -> bool {
        self.0.contains_key(&superbin)
    }
}

impl Sold for SoldIndex {
    fn owner(&self, first_superbin: u32) -> Option<&UserId> {
        let after = self.spans.partition_point(|span| span.first <= first_superbin);
        let span = self.spans.get(after.checked_sub(1)?)?;
        let is_first = first_superbin.is_multiple_of(2) && u64::from(first_superbin) < span.end();
        self.users.get(span.user as usize).map(|(user, _)| user).filter(|_| is_first)
    }

    fn buyer(&self, user: &UserId) -> Option<Buyer> {
        let number = *self.numbers.get(user)?;
        self.users.get(number as usize).map(|(_, first)| Buyer(*first))
    }

    fn is_withheld(&self, bin: Bin, first_superbin: u32) -> bool {
        self.compromised.is_withheld(bin, first_superbin)
    }

    fn is_compromised(&self, bin: Bin) -> bool {
        self.compromised.is_compromised(bin)
    }

    fn has_compromised(&self, superbin: u32) -> bool {
        self.compromised.has_compromised(superbin)
    }
}
