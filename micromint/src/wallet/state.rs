//! The content of the wallet: every set, the state of every coin, every payment and every return.
//!
//! Input: the records of the wallet file, in order. Output: the [`WalletState`] after them. The
//! invariant, checked for every record: a coin that was sent stays bound to its vendor, and a coin
//! that was returned to the broker is never sent again. A record that would break it, or that is
//! inconsistent with those before it, is an error: the file is damaged, or another program wrote
//! it.

mod hops;
mod orders;
pub(super) mod returns;

use crate::authenticator::Key;
use crate::identity::{UserId, VendorId};
use crate::journal::{self, JournalError, Replay};
use crate::params::Params;
use crate::protocol::{FundsWithdrawn, Id, Payment, Url, Verdict};
use crate::scheme::reference;
use crate::time::UnixTime;

use super::answer::Receipt;
use super::genuine::EMPTY;
use super::hop::{Frozen, Move};
use super::order::Order;
use super::outcome::PaymentOutcome;
use super::purpose::Purpose;
use super::record::{CoinPlace, Consent, SpendRecord, SuperbinPiece, WalletRecord};

/// The most bytes of receipts that are sent with one request. Vendors issue no more.
pub const RECEIPTS_LEN_MAX: usize = 4096;

/// The content of a wallet.
#[derive(Debug, Default)]
pub struct WalletState {
    pub(super) holdings: Vec<Holding>,
    pub(super) withdrawals: Vec<Withdrawal>,
    pub(super) sets: Vec<Set>,
    pub(super) payments: Vec<PastPayment>,
    pub(super) returns: Vec<CoinReturn>,
    pub(super) consents: Vec<Consent>,
    pub(super) orders: Vec<Order>,
    pub(super) frozen: Option<Frozen>,
    pub(super) moves: Vec<Move>,
    /// The number of records so far.
    records: u64,
    incoming: Option<Incoming>,
    /// For what the spend is that follows.
    purpose: Option<Purpose>,
}

/// A moment in the life of a wallet file: how many records it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub(super) u64);

/// The coins of one user, User-Key and set of parameters.
///
/// Anyone can write a Funds-Withdrawn in the name of any broker and user. So messages that differ
/// in their key or parameters are different holdings, and neither keeps the other out.
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
    /// For what it was, if a program paid.
    pub purpose: Option<Purpose>,
    /// The outcome.
    pub outcome: PaymentOutcome,
    /// When the outcome was recorded.
    pub outcome_at: Option<UnixTime>,
    /// How many of its coins were not sent with a later payment.
    pub(super) held: u32,
    pub(super) body_digest: [u8; 32],
    pub(super) message: Vec<u8>,
    pub(super) receipt: Option<Receipt>,
    /// When it was paid, if it was.
    pub(super) paid: Option<Moment>,
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
    pub(super) fn take(&mut self, record: WalletRecord) -> Result<(), String> {
        if !matches!(record, WalletRecord::Bins(_) | WalletRecord::Received { .. }) {
            // Sets without their last record were cut off by a crash, before anyone relied on them.
            self.incoming = None;
        }
        // A purpose without its spend was cut off in the same way.
        let purpose = self.purpose.take();
        self.records += 1;
        let may_follow = match self.frozen {
            None => true,
            Some(Frozen::Backup(_) | Frozen::Left(_)) => {
                matches!(record, WalletRecord::Restored { .. })
            }
            Some(Frozen::Prepared(_) | Frozen::Travels(_)) => {
                matches!(record, WalletRecord::Moved(_))
            }
        };
        if !may_follow {
            return Err("found a change to a file from which nothing can be spent".to_string());
        }
        match record {
            WalletRecord::Receive { at, head } => self.begin_receipt(at, &head),
            WalletRecord::Bins(bins) => self.take_bins(bins),
            WalletRecord::Received { sets, digest } => self.end_receipt(sets, digest),
            WalletRecord::Purpose(purpose) => {
                self.purpose = Some(purpose);
                Ok(())
            }
            WalletRecord::Spend(spend) => self.take_spend(spend, purpose),
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
                self.frozen = Some(Frozen::Backup(at));
                Ok(())
            }
            WalletRecord::Receipt { payment, receipt } => self.take_receipt(payment, receipt),
            WalletRecord::Restored { is_spendable, .. } => self.take_restored(is_spendable),
            WalletRecord::Confirmed { holding, .. } => self.take_confirmed(holding),
            WalletRecord::Consent { consent, .. } => {
                self.consents.push(consent);
                Ok(())
            }
            WalletRecord::Order(order) => self.take_order(order),
            WalletRecord::OrderClosed { transaction, closed } => {
                self.take_order_closed(transaction, closed)
            }
            WalletRecord::Moved(step) => self.take_move(step),
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
        let in_doubt = self.take_sale(incoming.head.transaction, incoming.head.params.period());
        self.withdrawals.push(Withdrawal {
            at: incoming.at,
            holding,
            transaction: incoming.head.transaction,
            sets,
            digest,
        });
        self.sets.extend(incoming.sets.into_iter().map(|set| Set { holding, in_doubt, ..set }));
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

    fn take_spend(&mut self, spend: SpendRecord, purpose: Option<Purpose>) -> Result<(), String> {
        let payment =
            Payment::parse(&spend.message).map_err(|error| format!("a Payment: {error}"))?;
        let holding = self.check_spend(&spend, &payment)?;
        let number = self.payments.len() as u32;
        let mut fresh = 0;
        for place in &spend.coins {
            let coin = &mut self.sets[place.set as usize].coins[place.subbin as usize];
            match std::mem::replace(coin, CoinState::Sent(number)) {
                CoinState::Sent(earlier) => self.payments[earlier as usize].held -= 1,
                _ => fresh += 1,
            }
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
            held: payment.coins,
            purpose,
            outcome: PaymentOutcome::Unknown,
            outcome_at: None,
            body_digest: spend.body_digest,
            message: spend.message,
            receipt: None,
            paid: None,
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
        let now = self.moment();
        let payment = self
            .payments
            .get_mut(payment as usize)
            .ok_or_else(|| format!("no payment {payment}"))?;
        // Paid is final: a later record, of a second process for example, does not change it.
        if payment.outcome != PaymentOutcome::Paid {
            payment.paid = (outcome == PaymentOutcome::Paid).then_some(now);
            payment.outcome = outcome;
            payment.outcome_at = Some(at);
        }
        Ok(())
    }

    fn take_receipt(&mut self, payment: u32, receipt: Receipt) -> Result<(), String> {
        let found = self.payments.get_mut(payment as usize);
        found.ok_or_else(|| format!("no payment {payment}"))?.receipt = Some(receipt);
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
        let places = returns::returnable(self, holding, coins as usize);
        if places.len() != coins as usize || returns::digest(self, &places) != digest {
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

    fn take_restored(&mut self, is_spendable: bool) -> Result<(), String> {
        if self.frozen.take().is_none() {
            return Err("expected a backup to restore, found a wallet".to_string());
        }
        if !is_spendable {
            self.sets.iter_mut().for_each(|set| set.in_doubt = true);
            self.orders.iter_mut().for_each(|order| order.in_doubt = true);
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

    /// Why nothing can be spent from this file, if nothing can: it is a backup, or the wallet was
    /// moved.
    pub fn frozen(&self) -> Option<Frozen> {
        self.frozen
    }

    /// This moment. Take it before a page is asked for without a payment, for
    /// [`Fetch::with_since`](super::Fetch::with_since).
    pub fn moment(&self) -> Moment {
        Moment(self.records)
    }

    /// The value of the header Cookie for a request for `url`: the unexpired receipts that may open
    /// it free of charge. `None` if the wallet has none. A receipt is sent with requests for the
    /// page that was paid, and for everything below its Path at the same origin. The latest come
    /// first, at most [`RECEIPTS_LEN_MAX`] bytes of them.
    pub fn receipts(&self, url: &Url, now: UnixTime) -> Option<String> {
        let path = path_of(url);
        let mut found: Vec<&Receipt> = Vec::new();
        let mut len = 0;
        for payment in self.payments.iter().rev().filter(|paid| paid.url.origin() == url.origin()) {
            let receipt = payment.receipt.as_ref().filter(|receipt| now < receipt.expires);
            let Some(receipt) = receipt.filter(|it| payment.url == *url || it.covers(path)) else {
                continue;
            };
            // A later receipt of the same name and path replaces an earlier one.
            let is_replaced =
                found.iter().any(|it| (it.name(), &it.path) == (receipt.name(), &receipt.path));
            len += if is_replaced { 0 } else { receipt.cookie.len() + "; ".len() };
            if len > RECEIPTS_LEN_MAX {
                break;
            }
            found.extend((!is_replaced).then_some(receipt));
        }
        let cookies: Vec<&str> = found.iter().map(|receipt| receipt.cookie.as_str()).collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }

    /// The payments whose [reference](PastPayment::reference) begins with these hexadecimal digits,
    /// each with its number.
    pub fn find_payments(&self, reference: &str) -> Vec<(u32, &PastPayment)> {
        let payments = self.payments.iter().zip(0..).map(|(payment, number)| (number, payment));
        payments.filter(|(_, payment)| payment.reference().starts_with(reference)).collect()
    }

    /// The number of coins that were sent for the first time on the UTC day of `now` or later.
    /// After a clock was set back, the payments of later days count too.
    pub(super) fn sent_today(&self, now: UnixTime) -> u64 {
        let today = now.day();
        let payments = self.payments.iter().rev().filter(|payment| payment.at.day() >= today);
        payments.map(|payment| u64::from(payment.fresh)).sum()
    }
}

/// The path of a URL, without the query.
fn path_of(url: &Url) -> &str {
    url.target().split('?').next().unwrap_or_default()
}

impl PastPayment {
    /// The Payment message that was sent.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The reference of the payment: hexadecimal digits that the vendor's Payment-Receipt repeats.
    pub fn reference(&self) -> String {
        // A message in the wallet file was parsed when the file was read, so it can be again.
        Payment::parse(&self.message).map(|payment| reference(&payment)).unwrap_or_default()
    }

    /// When its receipt expires, if it has one.
    pub fn receipt_expires(&self) -> Option<UnixTime> {
        self.receipt.as_ref().map(|receipt| receipt.expires)
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
