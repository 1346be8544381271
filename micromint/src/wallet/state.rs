//! The content of the wallet: every set, the state of every coin, every payment and every return.
//!
//! Input: the records of the wallet file, in order. Output: the [`WalletState`] after them. The
//! invariant, checked for every record: a coin that was sent stays bound to its vendor, and a coin
//! that was returned to the broker is never sent again. A record that would break it, or that is
//! inconsistent with those before it, is an error: the file is damaged, or another program wrote
//! it.

use crate::authenticator::Key;
use crate::identity::{UserId, VendorId};
use crate::journal::{self, JournalError, Replay};
use crate::params::Params;
use crate::protocol::{FundsWithdrawn, Id, Payment, Url, Verdict};
use crate::time::UnixTime;

use super::consent::Consent;
use super::credit;
use super::genuine::EMPTY;
use super::outcome::PaymentOutcome;
use super::record::{CoinPlace, SpendRecord, SuperbinPiece, WalletRecord};

/// The content of a wallet.
#[derive(Debug, Default)]
pub struct WalletState {
    pub(super) holdings: Vec<Holding>,
    pub(super) withdrawals: Vec<Withdrawal>,
    pub(super) sets: Vec<Set>,
    pub(super) payments: Vec<PastPayment>,
    pub(super) returns: Vec<CoinReturn>,
    pub(super) consents: Vec<Consent>,
    pub(super) backup_made: Option<UnixTime>,
    incoming: Option<Incoming>,
}

/// The coins of one user, User-Key and set of parameters.
///
/// Anyone can write a Funds-Withdrawn in the name of any broker and user. So messages that differ in
/// their key or parameters are different holdings, and neither keeps the other out.
#[derive(Debug)]
#[non_exhaustive]
pub struct Holding {
    /// The owner of the coins.
    pub user: UserId,
    /// The User-Key K_U of this user and period.
    pub user_key: Key,
    /// The period's parameters.
    pub params: Params,
    /// Whether this wallet fetched coins of the holding from the broker's own web page. Otherwise
    /// they came from a file, and nothing proves who wrote it.
    pub is_confirmed: bool,
}

/// A Funds-Withdrawn message that was received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Withdrawal {
    /// When it was received.
    pub at: UnixTime,
    /// The holding, as an index of [`WalletState::holdings`].
    pub holding: usize,
    /// The broker's number for the sale.
    pub transaction: u64,
    /// The number of sets.
    pub sets: u32,
    pub(super) digest: [u8; 32],
}

/// A set, with every ball in its bin.
#[derive(Debug)]
pub(super) struct Set {
    /// The holding, as an index of [`WalletState::holdings`].
    pub(super) holding: usize,
    /// The index of its first superbin.
    pub(super) first: u32,
    pub(super) superbins: Vec<Vec<u64>>,
    pub(super) coins: Vec<CoinState>,
    /// Whether it came from a restored backup, so that its coins may have been spent since. They
    /// can only be returned.
    pub(super) in_doubt: bool,
}

/// The state of the coin of a first bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CoinState {
    /// The first bin is empty: there is no coin.
    None,
    /// In the wallet, and never sent.
    Unspent,
    /// Sent with this payment (the latest that held it), and bound to its vendor.
    Sent(u32),
    /// Returned to the broker with this return. It was never sent, or its payment brought no
    /// content.
    Returned(u32),
}

/// A payment that was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct PastPayment {
    /// When the coins were sent for the first time.
    pub at: UnixTime,
    /// The holding, as an index of [`WalletState::holdings`].
    pub holding: usize,
    /// The vendor.
    pub vendor: VendorId,
    /// The page.
    pub url: Url,
    /// The method of the request.
    pub method: String,
    /// The content, in the vendor's words.
    pub description: String,
    /// The number of coins.
    pub coins: u32,
    /// How many of the coins were never sent before.
    pub fresh: u32,
    /// The outcome.
    pub outcome: PaymentOutcome,
    /// When the outcome was recorded.
    pub outcome_at: Option<UnixTime>,
    pub(super) body_digest: [u8; 32],
    pub(super) message: Vec<u8>,
    pub(super) receipt: Option<(UnixTime, String)>,
}

/// Coins returned to the broker.
#[derive(Debug)]
#[non_exhaustive]
pub struct CoinReturn {
    /// When the return began.
    pub at: UnixTime,
    /// The holding, as an index of [`WalletState::holdings`].
    pub holding: usize,
    /// The Request-ID, which identifies the return at the broker.
    pub request: Id,
    /// The broker's number for the return, once an answer came.
    pub transaction: Option<u64>,
    /// The broker's verdicts, one for each coin; `None` until an answer came.
    pub verdicts: Vec<Option<Verdict>>,
    pub(super) places: Vec<CoinPlace>,
}

/// Sets that are being received.
#[derive(Debug)]
struct Incoming {
    at: UnixTime,
    head: FundsWithdrawn,
    sets: Vec<Set>,
}

impl Replay for WalletState {
    type Error = JournalError;

    fn apply(&mut self, record: &journal::Record<'_>) -> Result<(), JournalError> {
        let parsed = WalletRecord::parse(record.payload)
            .ok_or_else(|| record.unreadable("expected a record of a wallet"));
        self.take(parsed?).map_err(|why| record.unreadable(why))
    }
}

impl WalletState {
    /// Applies the next record of the file.
    ///
    /// # Errors
    /// The record is inconsistent with the state; the text says why.
    fn take(&mut self, record: WalletRecord) -> Result<(), String> {
        if !matches!(record, WalletRecord::Bins(_) | WalletRecord::Received { .. }) {
            // Sets without their last record were cut off by a crash, before anyone relied on them.
            self.incoming = None;
        }
        if self.backup_made.is_some() && !matches!(record, WalletRecord::Restored { .. }) {
            return Err("expected a restored backup, found a change to a backup".to_string());
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
            WalletRecord::Confirmed { holding, .. } => self.take_confirmed(holding),
            WalletRecord::Consent { consent, .. } => {
                self.consents.push(consent);
                Ok(())
            }
        }
    }

    fn begin_receipt(&mut self, at: UnixTime, head: &[u8]) -> Result<(), String> {
        let head =
            FundsWithdrawn::parse(head).map_err(|error| format!("a Funds-Withdrawn: {error}"))?;
        self.incoming = Some(Incoming { at, head, sets: Vec::new() });
        Ok(())
    }

    fn take_bins(&mut self, bins: SuperbinPiece) -> Result<(), String> {
        let incoming = self.incoming.as_mut().ok_or("found a superbin without its message")?;
        incoming.take(bins).ok_or_else(|| "found a superbin out of order".to_string())
    }

    fn end_receipt(&mut self, sets: u32, digest: [u8; 32]) -> Result<(), String> {
        let incoming = self.incoming.take().ok_or("found the end of sets without their message")?;
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

    /// The holding of these funds; creates it if there is none.
    fn holding_of(&mut self, funds: &FundsWithdrawn) -> usize {
        if let Some(found) = self.find_holding(funds) {
            return found;
        }
        let FundsWithdrawn { user, user_key, params, .. } = funds.clone();
        self.holdings.push(Holding { user, user_key, params, is_confirmed: false });
        self.holdings.len() - 1
    }

    /// The holding with this user, User-Key and parameters.
    pub(super) fn find_holding(&self, funds: &FundsWithdrawn) -> Option<usize> {
        self.holdings.iter().position(|held| {
            held.user == funds.user
                && held.user_key == funds.user_key
                && held.params == funds.params
        })
    }

    /// The other holdings of the same user, broker and period. The broker issues one User-Key and
    /// one set of parameters for them, so at most one of these holdings is genuine.
    pub fn rivals(&self, holding: usize) -> impl Iterator<Item = usize> {
        let name = |held: &Holding| {
            let raw = held.params.raw();
            (held.user.clone(), raw.broker.clone(), raw.period.clone())
        };
        let own = self.holdings.get(holding).map(name);
        let others = self.holdings.iter().enumerate();
        others.filter(move |(i, held)| *i != holding && Some(name(held)) == own).map(|(i, _)| i)
    }

    fn take_spend(&mut self, spend: SpendRecord) -> Result<(), String> {
        let payment =
            Payment::parse(&spend.message).map_err(|error| format!("a Payment: {error}"))?;
        let holding = self.check_spend(&spend, &payment)?;
        let number = self.payments.len() as u32;
        let mut fresh = 0;
        for place in &spend.coins {
            let coin = &mut self.sets[place.set as usize].coins[place.subbin as usize];
            fresh += u32::from(*coin == CoinState::Unspent);
            *coin = CoinState::Sent(number);
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
            outcome_at: None,
            body_digest: spend.body_digest,
            message: spend.message,
            receipt: None,
        });
        Ok(())
    }

    /// Checks a spend against the coins: each one exists, is free for this vendor, and occurs once.
    fn check_spend(&self, spend: &SpendRecord, payment: &Payment) -> Result<usize, String> {
        let first_balls: Vec<u64> =
            payment.x.chunks(payment.coin_size()).map(|coin| coin[0]).collect();
        if spend.coins.is_empty() || spend.coins.len() != first_balls.len() {
            let (coins, places) = (first_balls.len(), spend.coins.len());
            return Err(format!("expected a place for each coin, found {places} for {coins}"));
        }
        let mut sorted = spend.coins.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != spend.coins.len() {
            return Err("found a coin twice in one payment".to_string());
        }
        let holding = self.set(spend.coins[0])?.holding;
        for (place, x) in spend.coins.iter().zip(first_balls) {
            let set = self.set(*place)?;
            if set.holding != holding || set.superbins[0][place.subbin as usize] != x {
                return Err(format!(
                    "expected the coin of set {}, sub-bin {}, found another",
                    place.set, place.subbin
                ));
            }
            let coin = set.coins[place.subbin as usize];
            if set.in_doubt || !self.is_usable_at(coin, &payment.vendor) {
                return Err(format!(
                    "expected an unspent coin of set {}, sub-bin {}, found {coin:?}",
                    place.set, place.subbin
                ));
            }
        }
        Ok(holding)
    }

    fn set(&self, place: CoinPlace) -> Result<&Set, String> {
        let set = self.sets.get(place.set as usize);
        set.filter(|set| (place.subbin as usize) < set.coins.len())
            .ok_or_else(|| format!("no coin of set {}, sub-bin {}", place.set, place.subbin))
    }

    /// Whether a coin may be sent to `vendor`: it was never sent, or it was sent to the same
    /// vendor, which says that it did not record it, for a reason that is not in the coin.
    pub(super) fn is_usable_at(&self, coin: CoinState, vendor: &VendorId) -> bool {
        match coin {
            CoinState::Unspent => true,
            CoinState::Sent(number) => {
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
        // Paid is final: a later record, of a second process for example, does not change it.
        if payment.outcome != PaymentOutcome::Paid {
            payment.outcome = outcome;
            payment.outcome_at = Some(at);
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
            return Err(format!("found an invalid return {request} of holding {holding}"));
        }
        let places = credit::returnable(self, holding, coins as usize);
        if places.len() != coins as usize || credit::digest(self, &places) != digest {
            return Err(format!("the coins of return {request} differ from those of the wallet"));
        }
        let number = self.returns.len() as u32;
        for place in &places {
            self.sets[place.set as usize].coins[place.subbin as usize] =
                CoinState::Returned(number);
        }
        let verdicts = vec![None; places.len()];
        self.returns.push(CoinReturn { at, holding, request, transaction: None, verdicts, places });
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
        let found =
            found.ok_or_else(|| format!("found verdicts on an unknown return {request}"))?;
        let from = found.verdicts.iter_mut().skip(first as usize);
        if from.len() < verdicts.len() {
            return Err(format!("found more verdicts than coins in return {request}"));
        }
        for (held, new) in from.zip(verdicts) {
            *held = Some(*new);
        }
        found.transaction = Some(transaction);
        Ok(())
    }

    fn take_confirmed(&mut self, holding: u32) -> Result<(), String> {
        let held = self.holdings.get_mut(holding as usize);
        held.ok_or_else(|| format!("no holding {holding}"))?.is_confirmed = true;
        Ok(())
    }

    fn take_restored(&mut self, spendable: bool) -> Result<(), String> {
        if self.backup_made.take().is_none() {
            return Err("expected a backup to restore, found a wallet".to_string());
        }
        if !spendable {
            self.sets.iter_mut().for_each(|set| set.in_doubt = true);
        }
        Ok(())
    }

    /// The coins, by user, User-Key and parameters.
    pub fn holdings(&self) -> &[Holding] {
        &self.holdings
    }

    /// The sales that were received, in order.
    pub fn withdrawals(&self) -> &[Withdrawal] {
        &self.withdrawals
    }

    /// The payments, in order. The number of a payment is its index.
    pub fn payments(&self) -> &[PastPayment] {
        &self.payments
    }

    /// The returns, in order.
    pub fn returns(&self) -> &[CoinReturn] {
        &self.returns
    }

    /// When this file was made as a backup, if it is one. Nothing can be spent from it then.
    pub fn backup_made(&self) -> Option<UnixTime> {
        self.backup_made
    }

    /// The `name=value` of an unexpired receipt cookie, which shows `url` again free of charge, if
    /// the wallet has one. Send it with requests for exactly this URL.
    pub fn receipt(&self, url: &Url, now: UnixTime) -> Option<&str> {
        let bought = self.payments.iter().rev().filter(|payment| payment.url == *url);
        let mut receipts = bought.filter_map(|payment| payment.receipt.as_ref());
        receipts.find(|(expires, _)| now < *expires).map(|(_, cookie)| cookie.as_str())
    }

    /// The number of coins that were sent for the first time on the UTC day of `now` or later. After
    /// a clock was set back, the payments of later days count too.
    pub(super) fn sent_today(&self, now: UnixTime) -> u64 {
        let today = now.day();
        let payments = self.payments.iter().rev().filter(|payment| payment.at.day() >= today);
        payments.map(|payment| u64::from(payment.fresh)).sum()
    }
}

impl Incoming {
    /// Adds a piece of a superbin. Sets, places and sub-bins come in order and without gaps.
    fn take(&mut self, bins: SuperbinPiece) -> Option<()> {
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

    /// Whether any of its coins was sent or returned.
    pub(super) fn is_opened(&self) -> bool {
        self.coins.iter().any(|coin| !matches!(coin, CoinState::None | CoinState::Unspent))
    }
}
