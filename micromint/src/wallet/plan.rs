//! Whether to pay, and with which coins: the checks before paying, in order.
//!
//! Input: a Request-Payment, the fetch that it answered, the client's [`Policy`] and the wallet's
//! [`WalletState`]. Output: a [`PaymentPlan`]; nothing is changed or sent. The invariant: the coins
//! of a plan were never sent to anyone but this vendor.

use std::cmp::Reverse;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::identity::{VendorId, VendorVector};
use crate::money::{Money, coins};
use crate::params::normal_broker_url;
use crate::period::Period;
use crate::protocol::{OWNER_TOKENS_MAX, Payment, PeriodPrice, RequestPayment, Unsigned, Url};
use crate::time::UnixTime;

use super::choice::Choice;
use super::consent::NeededConsent;
use super::genuine::EMPTY;
use super::hop::Frozen;
use super::limits::{Exceeded, Limits};
use super::purpose::Purpose;
use super::record::{CoinPlace, SpendRecord};
use super::state::{CoinState, Holding, Moment, PastPayment, Set, WalletState};

/// The longest method of a request that can be paid for, in bytes.
pub(super) const METHOD_LEN_MAX: usize = 32;

/// What the owner of the wallet allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// The highest price that is paid without asking, in coins (thesis 3.4.1, "autopay threshold").
    pub autopay: u32,
    /// The same in money. A price within either threshold is paid without asking.
    pub autopay_money: Option<Money>,
    /// The most coins that may be sent for the first time in one UTC day; `None` means no limit.
    pub daily_limit: Option<u32>,
    /// Whether to pay over http, where others can read the coins. Loopback hosts are always
    /// allowed.
    pub allows_http: bool,
    /// What payments may cost in money.
    pub limits: Limits,
}

impl Policy {
    /// A policy that pays up to `autopay` coins for a page without asking; 0 means to always ask.
    pub const fn new(autopay: u32) -> Policy {
        let limits = Limits { day: None, site: None, task: None };
        Policy { autopay, autopay_money: None, daily_limit: None, allows_http: false, limits }
    }

    /// Sets the highest price that is paid without asking.
    #[must_use]
    pub const fn with_autopay(self, autopay: u32) -> Policy {
        Policy { autopay, ..self }
    }

    /// Sets the highest price that is paid without asking in money. The default is `None`: the
    /// number of coins alone counts.
    #[must_use]
    pub const fn with_autopay_money(self, autopay_money: Option<Money>) -> Policy {
        Policy { autopay_money, ..self }
    }

    /// Sets what payments may cost in money. The default is no limit.
    #[must_use]
    pub const fn with_limits(self, limits: Limits) -> Policy {
        Policy { limits, ..self }
    }

    /// Whether this many coins of this value are paid without asking.
    fn pays_at_once(&self, coins: u32, value: Money) -> bool {
        let price = value.checked_mul(coins.into());
        let is_within = |limit: Money| {
            price.is_some_and(|price| {
                price.currency() == limit.currency() && price.units() <= limit.units()
            })
        };
        coins <= self.autopay || self.autopay_money.is_some_and(is_within)
    }

    /// Sets the most coins that may be sent for the first time in one UTC day. The default is
    /// `None`, no limit.
    #[must_use]
    pub const fn with_daily_limit(self, daily_limit: Option<u32>) -> Policy {
        Policy { daily_limit, ..self }
    }

    /// Sets whether to pay over http, where others can read the coins. The default is `false`: over
    /// http only loopback hosts are paid.
    #[must_use]
    pub const fn with_http(self, allows_http: bool) -> Policy {
        Policy { allows_http, ..self }
    }
}

/// A request that was answered with a Request-Payment.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fetch<'a> {
    /// The URL of the request, after all redirects.
    pub url: &'a Url,
    /// The method.
    pub method: &'a str,
    /// The body of the request.
    pub body: &'a [u8],
    /// The moment before the request was sent without a payment; `None` if it is not known.
    pub since: Option<Moment>,
    /// For what the payment is; `None` if the owner asked for the page.
    pub purpose: Option<&'a Purpose>,
    /// The most coins that a payment can have where it travels; `None` for no limit.
    pub coins_max: Option<u32>,
}

/// What to do about a Request-Payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PaymentPlan {
    /// Send the message of this earlier payment again: it was for the same request, and its outcome
    /// is unknown, or the paywall did not see it.
    Resend(u32),
    /// Pay with these coins.
    Pay(Choice),
    /// The price is above the autopay threshold: pay if the owner agrees.
    Ask(Choice),
    /// Ask the vendor first whether this page may collect its coins.
    NeedsConsent(NeededConsent),
    /// Do not pay.
    Refuse(Unpayable),
}

/// Why the wallet does not pay. The variants are in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unpayable {
    /// The request asks for payment for another page.
    #[error("fetched {fetched}, but the site asks for payment for {requested}")]
    OtherPage {
        /// The URL that was fetched.
        fetched: String,
        /// The URL in the request.
        requested: String,
    },
    /// The vendor may not collect for this host.
    #[error(
        "{vendor} may not collect for a page of {host}: expected that host or a parent of it under \
         the same owner"
    )]
    OtherVendor {
        /// The vendor in the request.
        vendor: VendorId,
        /// The host of the page.
        host: VendorId,
    },
    /// The page was fetched over http.
    #[error("{0} is not https, so others could read the coins on their way")]
    NotSecure(String),
    /// The method is too long to be recorded.
    #[error("the method is longer than {METHOD_LEN_MAX} bytes")]
    Method,
    /// Nothing can be spent from the wallet file.
    #[error("nothing can be spent from this wallet file: {0}")]
    Frozen(Frozen),
    /// No holding has the broker and one of the periods of the request.
    #[error("the wallet has no coins of {} of {broker}", Names(.periods))]
    NoSuchCoins {
        /// The periods that the vendor accepts.
        periods: Vec<Period>,
        /// Their broker.
        broker: String,
    },
    /// The site counts with another coin value than the broker's parameters.
    #[error(
        "the site says that a coin of {broker} is worth {requested}, and the wallet's coins are \
         worth {held}"
    )]
    OtherCoinValue {
        /// The broker in the request.
        broker: String,
        /// The value in the request.
        requested: Money,
        /// The value of the wallet's coins.
        held: Money,
    },
    /// The matching periods have expired or have not begun.
    #[error("the wallet's coins of {} are not valid now", Names(.0))]
    NotValidNow(Vec<Period>),
    /// The price is in more coins than fit where the payment travels.
    #[error(
        "the payment must travel in a header, which holds at most {coins_max} coins, and the price \
         is {coins} coins"
    )]
    TooManyCoins {
        /// The price.
        coins: u32,
        /// The most coins that a payment can have there.
        coins_max: u32,
    },
    /// Too few coins are good at this vendor.
    #[error("the price is {}, and the wallet has {spendable} for {vendor}", coins((*price).into()))]
    TooFewCoins {
        /// The price in coins of the holding that has nearly enough.
        price: u32,
        /// How many coins that holding has for this vendor.
        spendable: u32,
        /// The vendor.
        vendor: VendorId,
    },
    /// The payment would exceed the daily limit.
    #[error(
        "the daily limit is {}; {sent} were sent today, and this page needs {needed} more",
        coins((*limit).into())
    )]
    DailyLimit {
        /// The limit.
        limit: u32,
        /// Coins already sent today.
        sent: u64,
        /// Coins that the payment would send for the first time.
        needed: u32,
    },
    /// The payment would exceed a limit in money.
    #[error("{0}")]
    OverLimit(Exceeded),
}

struct Names<'a>(&'a [Period]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(Period::as_str).collect();
        let what = if names.len() == 1 { "the period" } else { "the periods" };
        write!(f, "{what} {}", names.join(", "))
    }
}

impl<'a> Fetch<'a> {
    /// A `GET` request for `url`, the URL after all redirects.
    pub const fn new(url: &'a Url) -> Fetch<'a> {
        Fetch { url, method: "GET", body: b"", since: None, purpose: None, coins_max: None }
    }

    /// Sets the method, at most 32 bytes. The default is `GET`.
    #[must_use]
    pub const fn with_method(self, method: &'a str) -> Fetch<'a> {
        Fetch { method, ..self }
    }

    /// Sets the body of the request. The default is empty.
    #[must_use]
    pub const fn with_body(self, body: &'a [u8]) -> Fetch<'a> {
        Fetch { body, ..self }
    }

    /// Sets the [moment](WalletState::moment) before the request was sent without a payment. If
    /// another process has paid for the same request since then, its payment is sent again, which
    /// costs nothing, instead of a second one.
    #[must_use]
    pub const fn with_since(self, since: Moment) -> Fetch<'a> {
        Fetch { since: Some(since), ..self }
    }

    /// Sets for what the payment is. The wallet stores it with the payment, and the limit for a
    /// task counts it. By default there is no limit.
    #[must_use]
    pub const fn with_purpose(self, purpose: Option<&'a Purpose>) -> Fetch<'a> {
        Fetch { purpose, ..self }
    }

    /// Sets the most coins that a payment can have, such as those that fit into a header. The
    /// default is no limit.
    #[must_use]
    pub const fn with_coins_max(self, coins_max: Option<u32>) -> Fetch<'a> {
        Fetch { coins_max, ..self }
    }

    /// Whether a payment of this many coins fits where it travels.
    fn check_size(&self, coins: u32) -> Result<(), Unpayable> {
        match self.coins_max {
            Some(coins_max) if coins > coins_max => {
                Err(Unpayable::TooManyCoins { coins, coins_max })
            }
            _ => Ok(()),
        }
    }

    /// Whether this payment was completed after the request was sent.
    fn is_overtaken_by(&self, payment: &PastPayment) -> bool {
        matches!((payment.paid, self.since), (Some(paid), Some(since)) if paid > since)
    }

    /// SHA-256 of the body. A retry has the same one as the first try.
    pub(super) fn body_digest(&self) -> [u8; 32] {
        Sha256::digest(self.body).into()
    }
}

impl WalletState {
    /// Checks a request and chooses coins.
    pub(super) fn plan(
        &self,
        request: &RequestPayment,
        fetch: &Fetch<'_>,
        policy: &Policy,
        now: UnixTime,
    ) -> PaymentPlan {
        if let Err(unpayable) = self.check_request(request, fetch, policy) {
            return PaymentPlan::Refuse(unpayable);
        }
        if let Some(number) = self.without_outcome(request, fetch) {
            return match fetch.check_size(self.payments[number as usize].coins) {
                Ok(()) => PaymentPlan::Resend(number),
                Err(unpayable) => PaymentPlan::Refuse(unpayable),
            };
        }
        let choice = match self.choose(request, fetch, now) {
            Ok(choice) => choice,
            Err(unpayable) => return PaymentPlan::Refuse(unpayable),
        };
        let sent = self.sent_today(now);
        if let Some(limit) = policy.daily_limit
            && sent + u64::from(choice.fresh) > u64::from(limit)
        {
            return PaymentPlan::Refuse(Unpayable::DailyLimit {
                limit,
                sent,
                needed: choice.fresh,
            });
        }
        if let Some(over) = self.exceeded(request, &choice, fetch.purpose, policy.limits, now) {
            return PaymentPlan::Refuse(Unpayable::OverLimit(over));
        }
        if let Some(needed) = self.needed_consent(request, fetch.url, &choice) {
            return PaymentPlan::NeedsConsent(needed);
        }
        let value = self.holdings[choice.holding].params.coin_value();
        if policy.pays_at_once(choice.coins(), value) {
            PaymentPlan::Pay(choice)
        } else {
            PaymentPlan::Ask(choice)
        }
    }

    fn check_request(
        &self,
        request: &RequestPayment,
        fetch: &Fetch<'_>,
        policy: &Policy,
    ) -> Result<(), Unpayable> {
        let (fetched, host) = (fetch.url.to_string(), fetch.url.host());
        if request.url != *fetch.url {
            return Err(Unpayable::OtherPage { fetched, requested: request.url.to_string() });
        }
        if !request.vendor.collects_at(host) {
            return Err(Unpayable::OtherVendor {
                vendor: request.vendor.clone(),
                host: host.clone(),
            });
        }
        if !fetch.url.is_https() && !policy.allows_http && !host.is_loopback() {
            return Err(Unpayable::NotSecure(fetched));
        }
        if fetch.method.len() > METHOD_LEN_MAX {
            return Err(Unpayable::Method);
        }
        self.frozen.map_or(Ok(()), |frozen| Err(Unpayable::Frozen(frozen)))
    }

    /// The latest payment for exactly this request that is sent again: its outcome is open and its
    /// coins paid for nothing else meanwhile, or another process has completed it since the request
    /// was sent.
    fn without_outcome(&self, request: &RequestPayment, fetch: &Fetch<'_>) -> Option<u32> {
        let body_digest = fetch.body_digest();
        let is_for_it = |payment: &PastPayment| {
            (payment.outcome.is_sent_again() || fetch.is_overtaken_by(payment))
                && payment.vendor == request.vendor
                && payment.url == *fetch.url
                && payment.method == fetch.method
                && payment.body_digest == body_digest
        };
        let found = self.payments.iter().enumerate().rev().find(|(number, payment)| {
            is_for_it(payment) && self.holds_all(payment, *number as u32)
        });
        found.map(|(number, _)| number as u32)
    }

    /// Whether no coin of a payment was sent with a later one, or returned.
    fn holds_all(&self, payment: &PastPayment, number: u32) -> bool {
        if !payment.outcome.leaves_coins_usable() {
            // Such coins are used for nothing else, except for a return of those whose payment is
            // unknown: the vendor may still take them.
            return true;
        }
        let sets = self.sets.iter().filter(|set| set.holding == payment.holding);
        let coins = sets.flat_map(|set| &set.coins);
        let held = coins.filter(|coin| **coin == CoinState::Sent(number)).count();
        held == payment.coins as usize
    }

    /// Chooses coins for the price: from the holding whose price is the least in money, of those in
    /// which it is equal from the one whose price is the fewest coins, then from the first. In it,
    /// coins that this vendor did not record come first, then coins of sets that are in use
    /// already, then coins of the oldest sets.
    fn choose(
        &self,
        request: &RequestPayment,
        fetch: &Fetch<'_>,
        now: UnixTime,
    ) -> Result<Choice, Unpayable> {
        let mut nearest: Option<(u32, u32)> = None;
        let mut too_large = None;
        for (holding, price) in self.candidates(request, now)? {
            if let Err(unpayable) = fetch.check_size(price.coins) {
                too_large = too_large.or(Some(unpayable));
                continue;
            }
            let coins = self.coins_at(holding, &request.vendor);
            let mut spendable = coins.len() as u32;
            if spendable >= price.coins {
                let choice = self.take_best(holding, coins.clone(), &request.vendor, price.coins);
                if self.first_superbins(&choice.places).len() <= OWNER_TOKENS_MAX {
                    return Ok(choice);
                }
                let coins = of_largest_sets(coins);
                if coins.len() as u32 >= price.coins {
                    return Ok(self.take_best(holding, coins, &request.vendor, price.coins));
                }
                spendable = coins.len() as u32;
            }
            let is_nearer = |(other, held): (u32, u32)| {
                u64::from(spendable) * u64::from(other) > u64::from(held) * u64::from(price.coins)
            };
            if nearest.is_none_or(is_nearer) {
                nearest = Some((price.coins, spendable));
            }
        }
        let too_few = nearest.map(|(price, spendable)| Unpayable::TooFewCoins {
            price,
            spendable,
            vendor: request.vendor.clone(),
        });
        let none = || Unpayable::NotValidNow(request.periods().cloned().collect());
        Err(too_few.or(too_large).unwrap_or_else(none))
    }

    /// The holdings that the vendor accepts and that are valid now, with the price in their coins,
    /// in the order in which they pay.
    fn candidates<'a>(
        &self,
        request: &'a RequestPayment,
        now: UnixTime,
    ) -> Result<Vec<(usize, &'a PeriodPrice)>, Unpayable> {
        // Parameters have the normal form; a vendor may send another spelling.
        let of_broker = normal_broker_url(&request.broker);
        let meant = |held: &Holding| {
            let price = request.price_in(held.params.period());
            price.filter(|_| held.params.raw().broker == of_broker)
        };
        let accepted =
            |held: &Holding| meant(held).filter(|it| it.coin_value == held.params.coin_value());
        let is_valid = |held: &Holding| {
            let raw = held.params.raw();
            raw.start <= now && now < raw.expiration
        };
        let periods = || request.periods().cloned().collect();
        if !self.holdings.iter().any(|held| accepted(held).is_some()) {
            let broker = request.broker.clone();
            let other = self.holdings.iter().find_map(|held| Some((held, meant(held)?)));
            return Err(match other {
                Some((other, price)) => Unpayable::OtherCoinValue {
                    broker,
                    requested: price.coin_value,
                    held: other.params.coin_value(),
                },
                None => Unpayable::NoSuchCoins { periods: periods(), broker },
            });
        }
        let holdings = self.holdings.iter().enumerate();
        let mut valid: Vec<usize> = holdings
            .filter(|(_, held)| is_valid(held) && accepted(held).is_some())
            .map(|(holding, _)| holding)
            .collect();
        if valid.is_empty() {
            return Err(Unpayable::NotValidNow(periods()));
        }
        self.order(&mut valid);
        let priced = valid.into_iter().filter_map(|at| Some((at, accepted(&self.holdings[at])?)));
        let mut priced: Vec<(usize, &PeriodPrice)> = priced.collect();
        if let Some(first) = request.prices.first() {
            // The sort is stable: of equal prices the order stays.
            priced.sort_by_key(|(_, price)| price.rank(first));
        }
        Ok(priced)
    }

    /// The places of all coins of a holding that are good at `vendor` now, in the order of the
    /// sets.
    fn coins_at(&self, holding: usize, vendor: &VendorId) -> Vec<CoinPlace> {
        let vector = VendorVector::new(&self.holdings[holding].params, vendor);
        let sets =
            self.sets.iter().zip(0..).filter(|(set, _)| set.holding == holding && !set.in_doubt);
        sets.flat_map(|(set, number)| {
            let coins = set.coins.iter().zip(0..);
            let usable =
                coins.filter(|(coin, _)| self.is_usable_at(**coin, vendor)).map(|(_, at)| at);
            let whole: Vec<u32> =
                usable.filter(|subbin| coin_of(set, &vector, *subbin).is_some()).collect();
            whole.into_iter().map(move |subbin| CoinPlace { set: number, subbin })
        })
        .collect()
    }

    /// How many coins of a holding are good at `vendor` now.
    pub fn spendable_at(&self, holding: usize, vendor: &VendorId) -> u32 {
        self.coins_at(holding, vendor).len() as u32
    }

    /// Chooses `count` of the spendable coins of a holding, of which there are enough.
    fn take_best(
        &self,
        holding: usize,
        mut coins: Vec<CoinPlace>,
        vendor: &VendorId,
        count: u32,
    ) -> Choice {
        let spendable = coins.len() as u32;
        let is_fresh = |place: &CoinPlace| {
            self.sets[place.set as usize].coins[place.subbin as usize] == CoinState::Unspent
        };
        let opened: Vec<bool> = self.sets.iter().map(Set::is_opened).collect();
        // The sort is stable: within a rank the coins stay in the order of their sets.
        coins.sort_by_key(|place| (is_fresh(place), !opened[place.set as usize]));
        coins.truncate(count as usize);
        let vector = VendorVector::new(&self.holdings[holding].params, vendor);
        let x = coins.iter().filter_map(|p| coin_of(&self.sets[p.set as usize], &vector, p.subbin));
        let x = x.flatten().collect();
        let fresh = coins.iter().filter(|place| is_fresh(place)).count() as u32;
        Choice { holding, fresh, spendable, places: coins, x }
    }

    /// The first superbins of the sets of these coins, each once, in the order of the coins.
    fn first_superbins(&self, places: &[CoinPlace]) -> Vec<u32> {
        let mut firsts: Vec<u32> = Vec::new();
        for first in places.iter().map(|place| self.sets[place.set as usize].first) {
            if !firsts.contains(&first) {
                firsts.push(first);
            }
        }
        firsts
    }

    /// The record of a payment with the chosen coins, including the Payment message to send.
    pub(super) fn spend(
        &self,
        choice: Choice,
        request: &RequestPayment,
        fetch: &Fetch<'_>,
        now: UnixTime,
    ) -> SpendRecord {
        let held = &self.holdings[choice.holding];
        let firsts = self.first_superbins(&choice.places);
        let token = |first: &u32| held.user_key.owner_token(&request.vendor, *first);
        let payment = Payment {
            url: request.url.clone(),
            user: held.user.clone(),
            vendor: request.vendor.clone(),
            period: held.params.period().clone(),
            coins: choice.places.len() as u32,
            owner_tokens: firsts.iter().map(token).collect(),
            authenticator: Unsigned,
            x: choice.x,
        }
        .authenticated(&held.user_key);
        SpendRecord {
            at: now,
            method: fetch.method.to_string(),
            body_digest: fetch.body_digest(),
            description: request.description.clone(),
            coins: choice.places,
            message: payment.to_bytes(),
        }
    }
}

/// Of these coins, in the order of the sets, those of the [`OWNER_TOKENS_MAX`] sets that have the
/// most of them: a payment can have coins of no more sets.
fn of_largest_sets(coins: Vec<CoinPlace>) -> Vec<CoinPlace> {
    let mut sets: Vec<&[CoinPlace]> = coins.chunk_by(|a, b| a.set == b.set).collect();
    sets.sort_by_key(|set| Reverse(set.len()));
    sets.truncate(OWNER_TOKENS_MAX);
    sets.sort_by_key(|set| set[0].set);
    sets.concat()
}

/// The k balls of the coin whose first ball has this sub-bin, if all of them exist.
fn coin_of(set: &Set, vendor: &VendorVector, subbin: u32) -> Option<Vec<u64>> {
    let bins = set.superbins.iter().zip(vendor.subbins(subbin));
    bins.map(|(superbin, subbin)| superbin.get(subbin as usize).copied().filter(|x| *x != EMPTY))
        .collect()
}
