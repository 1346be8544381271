//! What is in the wallet: every set, every coin's whereabouts, every payment and every return.
//!
//! In go the records of the wallet file in order, out come the holdings as they are after them. The
//! invariant, upheld against every record: a coin that left is bound to its vendor for good, and a
//! coin that went back to the broker never leaves again. A record that would break it, or that
//! makes no sense after those before it, is an error: the file is damaged or was written by
//! something else.

use crate::authenticator::Key;
use crate::identity::{UserId, VendorId};
use crate::journal::{self, JournalError, Replay};
use crate::params::Params;
use crate::protocol::{FundsWithdrawn, Id, Payment, Url, Verdict};
use crate::time::UnixTime;

use super::credit;
use super::genuine::EMPTY;
use super::outcome::PaymentOutcome;
use super::record::{Bins, Place, Spend, WalletRecord};

/// Everything that the wallet holds and remembers.
#[derive(Debug, Default)]
pub struct State {
    pub(super) holdings: Vec<Holding>,
    pub(super) withdrawals: Vec<Withdrawal>,
    pub(super) sets: Vec<Set>,
    pub(super) payments: Vec<PastPayment>,
    pub(super) returns: Vec<Return>,
    pub(super) backup_made: Option<UnixTime>,
    incoming: Option<Incoming>,
}

/// The coins of one user at one broker for one period.
#[derive(Debug)]
#[non_exhaustive]
pub struct Holding {
    /// Whose coins.
    pub user: UserId,
    /// K_U of this user and period.
    pub user_key: Key,
    /// The period's parameters.
    pub params: Params,
}

/// A Funds-Withdrawn that came in.
#[derive(Debug)]
#[non_exhaustive]
pub struct Withdrawal {
    /// When.
    pub at: UnixTime,
    /// Into which holding, as an index of [`State::holdings`].
    pub holding: usize,
    /// The sale at the broker.
    pub transaction: u64,
    /// The number of sets.
    pub sets: u32,
    pub(super) digest: [u8; 32],
}

/// A set, every ball at its place.
#[derive(Debug)]
#[non_exhaustive]
pub struct Set {
    /// Of which holding, as an index of [`State::holdings`].
    pub holding: usize,
    /// The index of its first superbin.
    pub first: u32,
    pub(super) superbins: Vec<Vec<u64>>,
    pub(super) coins: Vec<CoinState>,
    /// It came from a backup and its coins may have been spent since: good for a return only.
    pub in_doubt: bool,
}

/// Where the coin of a first bin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoinState {
    /// The first bin is empty: there is no coin.
    None,
    /// In the wallet.
    Unspent,
    /// It left with this payment (the latest that held it) and is bound to that vendor.
    Left(u32),
    /// It went back to the broker with this return, and nowhere before or unpaid.
    Returned(u32),
}

/// Coins that left.
#[derive(Debug)]
#[non_exhaustive]
pub struct PastPayment {
    /// When.
    pub at: UnixTime,
    /// From which holding, as an index of [`State::holdings`].
    pub holding: usize,
    /// To whom.
    pub vendor: VendorId,
    /// For which page.
    pub url: Url,
    /// For a request of this method.
    pub method: String,
    /// What was bought, in the vendor's words.
    pub description: String,
    /// How many coins.
    pub coins: u32,
    /// How many of them left for the first time.
    pub fresh: u32,
    /// What became of it.
    pub outcome: PaymentOutcome,
    /// When that was learned.
    pub settled: Option<UnixTime>,
    pub(super) body_digest: [u8; 32],
    pub(super) message: Vec<u8>,
    pub(super) receipt: Option<(UnixTime, String)>,
}

/// Coins that went back to the broker.
#[derive(Debug)]
#[non_exhaustive]
pub struct Return {
    /// When.
    pub at: UnixTime,
    /// Of which holding, as an index of [`State::holdings`].
    pub holding: usize,
    /// Names it at the broker.
    pub request: Id,
    /// The broker's number for it, once an answer came.
    pub transaction: Option<u64>,
    /// The broker's verdicts, one a coin, `None` until an answer came.
    pub verdicts: Vec<Option<Verdict>>,
    pub(super) places: Vec<Place>,
}

/// Sets on their way in.
#[derive(Debug)]
struct Incoming {
    at: UnixTime,
    head: FundsWithdrawn,
    sets: Vec<Set>,
}

impl Replay for State {
    type Error = JournalError;

    fn apply(&mut self, record: &journal::Record<'_>) -> Result<(), JournalError> {
        let parsed = WalletRecord::parse(record.payload).ok_or_else(|| {
            record.unreadable("expected one of a wallet, as this version knows them")
        });
        self.take(parsed?).map_err(|why| record.unreadable(why))
    }
}

impl State {
    /// Takes in the next record of the file.
    ///
    /// # Errors
    /// What makes no sense about it, in words.
    fn take(&mut self, record: WalletRecord) -> Result<(), String> {
        if !matches!(record, WalletRecord::Bins(_) | WalletRecord::Received { .. }) {
            // Sets without their last record were cut off while they came in, and nobody was told.
            self.incoming = None;
        }
        if self.backup_made.is_some() && !matches!(record, WalletRecord::Restored { .. }) {
            return Err("something was done with a backup that was not restored".to_string());
        }
        match record {
            WalletRecord::Receive { at, head } => self.begin_receipt(at, &head),
            WalletRecord::Bins(bins) => self.take_bins(bins),
            WalletRecord::Received { sets, digest } => self.end_receipt(sets, digest),
            WalletRecord::Spend(spend) => self.take_spend(spend),
            WalletRecord::Outcome { at, payment, outcome } => {
                self.take_outcome(at, payment, outcome)
            }
            WalletRecord::Return { at, holding, request, coins, digest } => {
                self.take_return(at, holding, request, coins, digest)
            }
            WalletRecord::Credited { request, transaction, first, verdicts, .. } => {
                self.take_verdicts(&request, transaction, first, &verdicts)
            }
            WalletRecord::Backup { at } => {
                self.backup_made = Some(at);
                Ok(())
            }
            WalletRecord::Receipt { payment, expires, cookie } => {
                self.take_receipt(payment, expires, cookie)
            }
            WalletRecord::Restored { spendable, .. } => self.take_restored(spendable),
        }
    }

    fn begin_receipt(&mut self, at: UnixTime, head: &[u8]) -> Result<(), String> {
        let head =
            FundsWithdrawn::parse(head).map_err(|error| format!("a receipt of sets: {error}"))?;
        self.incoming = Some(Incoming { at, head, sets: Vec::new() });
        Ok(())
    }

    fn take_bins(&mut self, bins: Bins) -> Result<(), String> {
        let incoming = self.incoming.as_mut().ok_or("a superbin outside a receipt")?;
        incoming.take(bins).ok_or_else(|| "a superbin out of place".to_string())
    }

    fn end_receipt(&mut self, sets: u32, digest: [u8; 32]) -> Result<(), String> {
        let incoming = self.incoming.take().ok_or("the end of no receipt")?;
        let is_whole = |set: &Set| set.is_whole(&incoming.head.params);
        if incoming.sets.len() != sets as usize || !incoming.sets.iter().all(is_whole) {
            return Err(format!("expected {sets} whole sets, found {}", incoming.sets.len()));
        }
        let holding = self.holding_of(&incoming.head);
        self.withdrawals.push(Withdrawal {
            at: incoming.at,
            holding,
            transaction: incoming.head.transaction,
            sets,
            digest,
        });
        self.sets.extend(incoming.sets.into_iter().map(|set| Set { holding, ..set }));
        Ok(())
    }

    /// The holding that these funds go to, made if there is none yet.
    fn holding_of(&mut self, funds: &FundsWithdrawn) -> usize {
        if let Some(found) = self.find_holding(funds) {
            return found;
        }
        let FundsWithdrawn { user, user_key, params, .. } = funds.clone();
        self.holdings.push(Holding { user, user_key, params });
        self.holdings.len() - 1
    }

    /// The holding of this user, broker and period.
    pub(super) fn find_holding(&self, funds: &FundsWithdrawn) -> Option<usize> {
        self.holdings.iter().position(|held| {
            held.user == funds.user
                && held.params.period() == funds.period()
                && held.params.raw().broker == funds.params.raw().broker
        })
    }

    fn take_spend(&mut self, spend: Spend) -> Result<(), String> {
        let payment =
            Payment::parse(&spend.message).map_err(|error| format!("a payment: {error}"))?;
        let holding = self.check_spend(&spend, &payment)?;
        let number = self.payments.len() as u32;
        let mut fresh = 0;
        for place in &spend.coins {
            let coin = &mut self.sets[place.set as usize].coins[place.subbin as usize];
            fresh += u32::from(*coin == CoinState::Unspent);
            *coin = CoinState::Left(number);
        }
        self.payments.push(PastPayment {
            at: spend.at,
            holding,
            vendor: payment.vendor,
            url: payment.url,
            method: spend.method,
            description: spend.description,
            coins: payment.coins,
            fresh,
            outcome: PaymentOutcome::Unknown,
            settled: None,
            body_digest: spend.body_digest,
            message: spend.message,
            receipt: None,
        });
        Ok(())
    }

    /// Holds a spend against the coins: each is there, free for this vendor, and named once.
    fn check_spend(&self, spend: &Spend, payment: &Payment) -> Result<usize, String> {
        let first_balls: Vec<u64> =
            payment.x.chunks(payment.coin_size()).map(|coin| coin[0]).collect();
        if spend.coins.is_empty() || spend.coins.len() != first_balls.len() {
            return Err(format!(
                "a payment of {} coins with {} places",
                first_balls.len(),
                spend.coins.len()
            ));
        }
        let mut sorted = spend.coins.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != spend.coins.len() {
            return Err("a coin twice in one payment".to_string());
        }
        let holding = self.set(spend.coins[0])?.holding;
        for (place, x) in spend.coins.iter().zip(first_balls) {
            let set = self.set(*place)?;
            if set.holding != holding || set.superbins[0][place.subbin as usize] != x {
                return Err(format!("the coin {}/{} is another", place.set, place.subbin));
            }
            let coin = set.coins[place.subbin as usize];
            if set.in_doubt || !self.is_usable_at(coin, &payment.vendor) {
                return Err(format!(
                    "the coin {}/{} leaves, but is {coin:?} already",
                    place.set, place.subbin
                ));
            }
        }
        Ok(holding)
    }

    fn set(&self, place: Place) -> Result<&Set, String> {
        let set = self.sets.get(place.set as usize);
        set.filter(|set| (place.subbin as usize) < set.coins.len())
            .ok_or_else(|| format!("no coin {}/{}", place.set, place.subbin))
    }

    /// Whether a coin may leave for `vendor`: it is in the wallet, or left for that same vendor
    /// earlier and the vendor says that it did not keep it, for a reason that does not lie in the
    /// coin.
    pub(super) fn is_usable_at(&self, coin: CoinState, vendor: &VendorId) -> bool {
        match coin {
            CoinState::Unspent => true,
            CoinState::Left(number) => {
                let payment = &self.payments[number as usize];
                payment.vendor == *vendor && payment.outcome.leaves_coins_usable()
            }
            CoinState::None | CoinState::Returned(_) => false,
        }
    }

    fn take_outcome(
        &mut self,
        at: UnixTime,
        payment: u32,
        outcome: PaymentOutcome,
    ) -> Result<(), String> {
        let payment = self
            .payments
            .get_mut(payment as usize)
            .ok_or_else(|| format!("no payment {payment}"))?;
        // The content came: nothing that is said later, by a second process say, takes that back.
        if payment.outcome != PaymentOutcome::Paid {
            payment.outcome = outcome;
            payment.settled = Some(at);
        }
        Ok(())
    }

    fn take_receipt(
        &mut self,
        payment: u32,
        expires: UnixTime,
        cookie: String,
    ) -> Result<(), String> {
        let found = self.payments.get_mut(payment as usize);
        found.ok_or_else(|| format!("no payment {payment}"))?.receipt = Some((expires, cookie));
        Ok(())
    }

    fn take_return(
        &mut self,
        at: UnixTime,
        holding: u32,
        request: Id,
        coins: u32,
        digest: [u8; 32],
    ) -> Result<(), String> {
        let holding = holding as usize;
        if holding >= self.holdings.len()
            || self.returns.iter().any(|earlier| earlier.request == request)
        {
            return Err(format!("a return {request} of holding {holding}"));
        }
        let places = credit::returnable(self, holding, coins as usize);
        if places.len() != coins as usize || credit::digest(self, &places) != digest {
            return Err(format!("the return {request} holds other coins than the wallet"));
        }
        let number = self.returns.len() as u32;
        for place in &places {
            self.sets[place.set as usize].coins[place.subbin as usize] =
                CoinState::Returned(number);
        }
        let verdicts = vec![None; places.len()];
        self.returns.push(Return { at, holding, request, transaction: None, verdicts, places });
        Ok(())
    }

    fn take_verdicts(
        &mut self,
        request: &Id,
        transaction: u64,
        first: u32,
        verdicts: &[Verdict],
    ) -> Result<(), String> {
        let found = self.returns.iter_mut().find(|earlier| earlier.request == *request);
        let found = found.ok_or_else(|| format!("verdicts on no return {request}"))?;
        let from = found.verdicts.iter_mut().skip(first as usize);
        if from.len() < verdicts.len() {
            return Err(format!("more verdicts than coins in return {request}"));
        }
        for (held, new) in from.zip(verdicts) {
            *held = Some(*new);
        }
        found.transaction = Some(transaction);
        Ok(())
    }

    fn take_restored(&mut self, spendable: bool) -> Result<(), String> {
        if self.backup_made.take().is_none() {
            return Err("restored, but no backup".to_string());
        }
        if !spendable {
            self.sets.iter_mut().for_each(|set| set.in_doubt = true);
        }
        Ok(())
    }

    /// The coins of each user, broker and period.
    pub fn holdings(&self) -> &[Holding] {
        &self.holdings
    }

    /// The sales that came in, in order.
    pub fn withdrawals(&self) -> &[Withdrawal] {
        &self.withdrawals
    }

    /// The sets, in the order in which they came in.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The payments, in order; a payment's number is its index.
    pub fn payments(&self) -> &[PastPayment] {
        &self.payments
    }

    /// The returns, in order.
    pub fn returns(&self) -> &[Return] {
        &self.returns
    }

    /// When this file was made as a backup, if it is one: nothing may then be spent from it.
    pub fn backup_made(&self) -> Option<UnixTime> {
        self.backup_made
    }

    /// The `name=value` of a receipt cookie that shows `url` again free of charge, if the wallet
    /// has one. It is sent with a request for that very URL and with no other.
    pub fn receipt(&self, url: &Url, now: UnixTime) -> Option<&str> {
        let bought = self.payments.iter().rev().filter(|payment| payment.url == *url);
        let mut receipts = bought.filter_map(|payment| payment.receipt.as_ref());
        receipts.find(|(expires, _)| now < *expires).map(|(_, cookie)| cookie.as_str())
    }

    /// The coins that left for the first time on the UTC day of `now`.
    pub fn left_today(&self, now: UnixTime) -> u64 {
        let today = now.day();
        let payments = self.payments.iter().rev().filter(|payment| payment.at.day() == today);
        payments.map(|payment| u64::from(payment.fresh)).sum()
    }
}

impl Incoming {
    /// Takes a piece of a superbin: sets, places and sub-bins come in order and without gaps.
    fn take(&mut self, bins: Bins) -> Option<()> {
        let params = &self.head.params;
        if bins.set as usize == self.sets.len() {
            let (superbins, coins) = (Vec::new(), Vec::new());
            self.sets.push(Set {
                holding: usize::MAX,
                first: bins.first,
                superbins,
                coins,
                in_doubt: false,
            });
        }
        let last = self.sets.len().checked_sub(1)?;
        let set = self.sets.last_mut()?;
        if bins.set as usize != last
            || set.first != bins.first
            || bins.place as usize >= params.coin_size()
        {
            return None;
        }
        if set.superbins.len() == bins.place as usize {
            set.superbins.push(Vec::new());
        }
        let is_last = set.superbins.len() == bins.place as usize + 1;
        let superbin = set.superbins.last_mut()?;
        let fits = superbin.len() + bins.x.len() <= params.subbin_count() as usize;
        if !is_last || superbin.len() != bins.subbin as usize || !fits || bins.x.is_empty() {
            return None;
        }
        if bins.place == 0 {
            let coin = |x: &u64| if *x == EMPTY { CoinState::None } else { CoinState::Unspent };
            set.coins.extend(bins.x.iter().map(coin));
        }
        superbin.extend(bins.x);
        Some(())
    }
}

impl Set {
    fn is_whole(&self, params: &Params) -> bool {
        let is_full = |superbin: &Vec<u64>| superbin.len() == params.subbin_count() as usize;
        self.superbins.len() == params.coin_size() && self.superbins.iter().all(is_full)
    }

    /// Whether a coin of it has left.
    pub fn is_opened(&self) -> bool {
        self.coins.iter().any(|coin| !matches!(coin, CoinState::None | CoinState::Unspent))
    }

    /// The states of its coins, by sub-bin of the first ball.
    pub fn coins(&self) -> &[CoinState] {
        &self.coins
    }
}
