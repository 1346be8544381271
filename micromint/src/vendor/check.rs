//! Checks a payment as far as possible without the till: all of the vendor's checks but the last
//! two (`docs/reference/vendor.md`).
//!
//! Input: a parsed payment. Output: the first bins of its coins, or the refusal of highest
//! precedence. The invariant: first bins are returned only for well-formed coins of an accepted
//! period, at least as many as the page costs, all made by one user for this vendor and this page,
//! and, with an owners file, all of sets of this user.

use std::sync::Arc;

use smallvec::SmallVec;

use super::coinage::Coinage;
use super::lists::Lists;
use super::periods::worth;
use crate::bin::Bin;
use crate::coin::{Bins, CoinRules};
use crate::identity::{UserVector, VendorId, VendorVector};
use crate::money::Money;
use crate::params::Params;
use crate::period::Period;
use crate::protocol::{
    COINS_PER_PAYMENT_MAX, OWNER_TOKENS_MAX, PERIODS_PER_REQUEST_MAX, Payment, PeriodPrice,
    Refusal, Url,
};
use crate::time::{DAY_SECONDS, UnixTime};

/// How long before the end of the last period the webmaster is warned, in seconds: two days.
const PERIOD_NOTICE_SECONDS: i64 = 2 * DAY_SECONDS;

/// Checks payments to one vendor.
#[derive(Debug)]
pub struct Checker {
    vendor: VendorId,
    periods: Vec<AcceptedPeriod>,
}

/// A period whose coins this vendor accepts.
#[derive(Debug)]
struct AcceptedPeriod {
    rules: CoinRules,
    /// How many base coins one of its coins is worth.
    worth: u32,
    vector: VendorVector,
    lists: Arc<Lists>,
}

/// A refused payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The reason.
    pub refusal: Refusal,
    /// The first bin of its first coin, where the same payment may have been good before and be
    /// recorded: the period has ended since, the price changed, or a list was made. A retry of it
    /// is then served.
    pub(crate) may_be_recorded: Option<Bin>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused { refusal, may_be_recorded: None }
    }
}

impl Checker {
    /// A checker for `vendor`, who accepts `periods`.
    pub fn new(vendor: VendorId, periods: &[Params]) -> Checker {
        let accept = |params: &Params| AcceptedPeriod {
            worth: 1,
            vector: VendorVector::new(params, &vendor),
            rules: CoinRules::new(params.clone()),
            lists: Arc::default(),
        };
        Checker { periods: periods.iter().map(accept).collect(), vendor }
    }

    /// The same checker for prices in base coins that are worth `base`. Periods whose coins are not
    /// worth a whole number of them are not accepted. `None`: every coin is a base coin.
    #[must_use]
    pub(crate) fn counted_in(mut self, base: Option<Money>) -> Checker {
        if let Some(base) = base {
            self.periods.retain_mut(|accepted| {
                let value = worth(accepted.rules.params().coin_value(), base);
                accepted.worth = value.unwrap_or_default();
                value.is_some()
            });
        }
        self
    }

    /// How many base coins this many coins of a period are worth.
    pub(super) fn base_coins(&self, period: &Period, coins: u32) -> u32 {
        let worth = self.accepted(period).map_or(0, |accepted| accepted.worth);
        coins.saturating_mul(worth)
    }

    /// The highest price that a payment can have, in base coins.
    pub(super) fn price_max(&self) -> u32 {
        let worth = self.periods.iter().map(|accepted| accepted.worth).max();
        COINS_PER_PAYMENT_MAX.saturating_mul(worth.unwrap_or(1))
    }

    /// The price of a page that costs `price` base coins, in coins of each period that a
    /// Request-Payment names at `now`: the lowest in money first, then in the fewest coins, then of
    /// the period that expires first. A period in whose coins no payment can be as high is left
    /// out.
    pub(super) fn prices_at(&self, price: u32, now: UnixTime) -> Vec<PeriodPrice> {
        let valid = self.periods.iter().filter(|it| validity(it.rules.params(), now).is_ok());
        let mut priced: Vec<(u32, &AcceptedPeriod)> = valid
            .map(|accepted| (price.div_ceil(accepted.worth), accepted))
            .filter(|(coins, _)| *coins <= COINS_PER_PAYMENT_MAX)
            .collect();
        priced.sort_by_key(|(coins, accepted)| {
            (coins * accepted.worth, *coins, accepted.rules.params().raw().expiration)
        });
        priced.truncate(PERIODS_PER_REQUEST_MAX);
        let shown = priced.into_iter().map(|(coins, accepted)| {
            let params = accepted.rules.params();
            PeriodPrice::new(params.period().clone(), coins, params.coin_value())
        });
        shown.collect()
    }

    /// What the webmaster should know about a price at `now`, if no payment in coins of an accepted
    /// period can be as high.
    pub(super) fn price_note(&self, price: u32, now: UnixTime) -> Option<String> {
        let current = self.periods.iter().filter(|it| now < it.rules.params().raw().expiration);
        let (too_small, fit): (Vec<&AcceptedPeriod>, Vec<&AcceptedPeriod>) =
            current.partition(|it| price.div_ceil(it.worth) > COINS_PER_PAYMENT_MAX);
        let names: Vec<&str> =
            too_small.iter().map(|it| it.rules.params().period().as_str()).collect();
        match (names.is_empty(), fit.is_empty()) {
            (true, _) => None,
            (false, true) => Some(format!(
                "costs {price} coins, more than a payment can have, so the page is answered with \
                 500 or without a way to pay"
            )),
            (false, false) => Some(format!(
                "cannot be paid in coins of {}: it would take more than {COINS_PER_PAYMENT_MAX}",
                names.join(", ")
            )),
        }
    }

    /// The kinds of coins of the periods that are valid at `now`.
    pub(super) fn coinage(&self, now: UnixTime) -> Coinage {
        let valid = self.periods.iter().filter(|it| validity(it.rules.params(), now).is_ok());
        Coinage::new(valid.map(|it| (it.worth, it.rules.params().coin_value())))
    }

    /// The broker of the accepted periods.
    pub(super) fn broker(&self) -> &str {
        self.periods().next().map_or("", |params| &params.raw().broker)
    }

    /// Sets the broker's lists for an accepted period. Without lists no user is refused.
    pub(super) fn set_lists(&mut self, period: &Period, lists: impl Into<Arc<Lists>>) {
        let accepted =
            self.periods.iter_mut().find(|accepted| accepted.rules.params().period() == period);
        if let Some(accepted) = accepted {
            accepted.lists = lists.into();
        }
    }

    /// The parameters of an accepted period.
    pub(super) fn params(&self, period: &Period) -> Option<&Params> {
        self.accepted(period).map(|accepted| accepted.rules.params())
    }

    /// The parameters of all accepted periods.
    pub(super) fn periods(&self) -> impl Iterator<Item = &Params> {
        self.periods.iter().map(|accepted| accepted.rules.params())
    }

    /// Whether a period is valid at `now`. If not, nothing can be paid.
    pub(super) fn has_valid(&self, now: UnixTime) -> bool {
        self.periods().any(|params| validity(params, now).is_ok())
    }

    /// When the result of [`Checker::prices_at`] next changes after `now`, if it does.
    pub(super) fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        let changes =
            self.periods().flat_map(|params| [params.raw().start, params.raw().expiration]);
        changes.filter(|change| *change > now).min()
    }

    /// Checks a payment for the page at `url`, which costs `price` base coins, at `now`. Returns
    /// the first bin of every coin.
    ///
    /// # Errors
    /// The refusal of highest precedence among those that need no till.
    pub fn check(
        &self,
        payment: &Payment,
        url: &Url,
        price: u32,
        now: UnixTime,
    ) -> Result<Bins, Refused> {
        let accepted = self.accepted(&payment.period);
        if accepted
            .is_some_and(|accepted| accepted.rules.params().coin_size() != payment.coin_size())
        {
            return Err(Refusal::Malformed.into());
        }
        if payment.vendor != self.vendor {
            return Err(Refusal::OtherVendor.into());
        }
        if payment.url != *url {
            return Err(Refusal::OtherPage.into());
        }
        let accepted = accepted.ok_or(Refusal::UnknownPeriod)?;
        let timely = validity(accepted.rules.params(), now);
        // More coins than the price are accepted: the price may have fallen since it was asked, and
        // a request may pass a cheap place on its way to the one whose price it pays.
        let needed = price.div_ceil(accepted.worth);
        let enough = if payment.coins >= needed { Ok(()) } else { Err(Refusal::WrongAmount) };
        timely.and(enough).map_err(|refusal| Refused {
            refusal,
            may_be_recorded: payment.x.first().and_then(|x| accepted.rules.bin(*x)),
        })?;
        let first_bins = accepted.check_coins(payment)?;
        let sets = first_superbins(&first_bins);
        if sets.len() != payment.owner_tokens.len() {
            return Err(Refusal::Malformed.into());
        }
        accepted.lists.check(&payment.user, &sets, &payment.owner_tokens).map_err(|refusal| {
            // The payment may have been recorded before the list was made.
            Refused { refusal, may_be_recorded: first_bins.first().copied() }
        })?;
        Ok(first_bins)
    }

    /// What the webmaster should know about the periods at `now`: no coins are accepted, or none
    /// will be soon.
    pub(super) fn period_warning(&self, now: UnixTime) -> Option<String> {
        let starts = self.periods().map(|params| params.raw().start);
        let end = self.periods().map(|params| params.raw().expiration).max()?;
        if now >= end {
            return Some(format!(
                "periods: the last one ended at {end}, so no coins are accepted; put the parameters \
                 of the current period there"
            ));
        }
        if !self.has_valid(now) {
            let start = starts.filter(|start| *start > now).min()?;
            return Some(format!("periods: none is valid until {start}, so no coins are accepted"));
        }
        (now.plus_seconds(PERIOD_NOTICE_SECONDS) >= end).then(|| {
            format!(
                "periods: the last one ends at {end}; put the parameters of the next period there"
            )
        })
    }

    /// Why no payment with coins of this period is taken, if so: its owners file cannot be read.
    pub(super) fn fault(&self, period: &Period) -> Option<&str> {
        self.accepted(period).and_then(|accepted| accepted.lists.fault())
    }

    /// The accepted periods that have not ended at `now` and have no owners file.
    pub(super) fn without_owners(&self, now: UnixTime) -> Vec<Period> {
        let unchecked = self.periods.iter().filter(|accepted| accepted.lists.lacks_owners());
        let params = unchecked.map(|accepted| accepted.rules.params());
        let current = params.filter(|params| now < params.raw().expiration);
        current.map(|params| params.period().clone()).collect()
    }

    fn accepted(&self, period: &Period) -> Option<&AcceptedPeriod> {
        self.periods.iter().find(|accepted| accepted.rules.params().period() == period)
    }
}

impl AcceptedPeriod {
    fn check_coins(&self, payment: &Payment) -> Result<Bins, Refused> {
        // No known User-ID fails here: 256 counters would have to fail in a row.
        let user = UserVector::new(self.rules.params(), &payment.user)
            .map_err(|_| Refusal::UserDifferences)?;
        self.rules
            .check(&user, &self.vector, &payment.x)
            .map_err(|fault| Refusal::from(fault).into())
    }
}

/// The first superbins of the sets whose coins these are, each once, in the order in which they
/// first occur. Stops at one more than a payment can have tokens for.
fn first_superbins(first_bins: &[Bin]) -> SmallVec<[u32; 8]> {
    let mut sets = SmallVec::new();
    for bin in first_bins {
        if sets.last() != Some(&bin.superbin) && !sets.contains(&bin.superbin) {
            sets.push(bin.superbin);
            if sets.len() > OWNER_TOKENS_MAX {
                break;
            }
        }
    }
    sets
}

/// Whether coins of a period are valid at `now`.
fn validity(params: &Params, now: UnixTime) -> Result<(), Refusal> {
    if now < params.raw().start {
        Err(Refusal::NotYetValid)
    } else if now < params.raw().expiration {
        Ok(())
    } else {
        Err(Refusal::Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticator::Key;
    use crate::host::SimulatedDirectory;
    use crate::testing::{ObviousMint, params_with, test_params};
    use crate::vendor::lists::ListFolder;

    /// The lists are checked after everything that hashing can find, and a payment made before a
    /// list may still be a retry.
    #[test]
    fn the_lists_decide_about_coins_that_are_good() {
        let mint = ObviousMint::new(test_params());
        let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
        let url: Url = "https://news.example/a".parse().unwrap();
        let coins = mint.coins(&user, &vendor, 8);
        let payment = mint.payment(&user, &Key::from_bytes([5; 32]), &vendor, &url, &coins[..1]);
        let now = mint.params().raw().start;
        let mut checker = Checker::new(vendor.clone(), &[mint.params().clone()]);
        let bins = checker.check(&payment, &url, 1, now).unwrap();

        let folder = SimulatedDirectory::new();
        folder.put("2026-12.revoked", b"alice\n");
        let lists = ListFolder { directory: &folder, vendor: &vendor, requires_owners: false };
        checker.set_lists(mint.params().period(), lists.load(mint.params(), None).unwrap());
        let refused = Refused { refusal: Refusal::Revoked, may_be_recorded: Some(bins[0]) };
        assert_eq!(checker.check(&payment, &url, 1, now), Err(refused));
        let too_few = checker.check(&payment, &url, 2, now).unwrap_err();
        assert_eq!(too_few.refusal, Refusal::WrongAmount, "an earlier check has precedence");
    }

    /// A token for each set, in the order of the coins, whether or not there is an owners file.
    #[test]
    fn the_number_of_tokens_is_that_of_the_sets() {
        let mint = ObviousMint::new(test_params());
        let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
        let url: Url = "https://news.example/a".parse().unwrap();
        let [eight, four] = [8, 4].map(|first| mint.coins(&user, &vendor, first));
        let coins = [eight[0].clone(), four[0].clone(), eight[1].clone()];
        let good = mint.payment(&user, &Key::from_bytes([5; 32]), &vendor, &url, &coins);
        assert_eq!(good.owner_tokens.len(), 2);
        let now = mint.params().raw().start;
        let checker = Checker::new(vendor, &[mint.params().clone()]);
        assert!(checker.check(&good, &url, 3, now).is_ok());
        let token = good.owner_tokens[0];
        for tokens in [vec![token], vec![token; 3]] {
            let payment = Payment { owner_tokens: tokens, ..good.clone() };
            let refused = checker.check(&payment, &url, 3, now).unwrap_err();
            assert_eq!(refused, Refusal::Malformed.into());
        }
    }

    #[test]
    fn the_end_of_the_last_period_is_announced() {
        let period = |name: &str, start: &str, end: &str| {
            params_with(|raw| {
                raw.period = name.parse().unwrap();
                raw.start = format!("{start}T00:00:00Z").parse().unwrap();
                raw.expiration = format!("{end}T00:00:00Z").parse().unwrap();
                raw.redeem_until = raw.expiration.plus_seconds(DAY_SECONDS);
            })
        };
        let december = period("2026-12", "2026-12-01", "2027-01-01");
        let january = period("2027-01", "2027-01-01", "2027-02-01");
        let february = period("2027-02", "2027-02-01", "2027-03-01");
        for (periods, now, named, says) in [
            (vec![&december], "2026-12-29T23:59:59Z", 1, None),
            (vec![&december], "2026-12-30T00:00:00Z", 1, Some("ends at 2027-01-01T00:00:00Z")),
            (vec![&december], "2026-12-31T23:59:59Z", 1, Some("ends at 2027-01-01T00:00:00Z")),
            (vec![&december], "2027-01-01T00:00:00Z", 0, Some("ended at 2027-01-01T00:00:00Z")),
            (vec![&december, &january], "2026-12-31T23:59:59Z", 1, None),
            (vec![&december, &january], "2027-01-01T00:00:00Z", 1, None),
            (vec![&december, &february], "2026-12-31T23:59:59Z", 1, None),
            (vec![&february, &december], "2027-01-01T00:00:00Z", 0, Some("until 2027-02-01")),
        ] {
            let periods: Vec<Params> = periods.into_iter().cloned().collect();
            let checker = Checker::new("news.example".parse().unwrap(), &periods);
            let now = now.parse().unwrap();
            assert_eq!(checker.prices_at(1, now).len(), named, "{now}");
            let warning = checker.period_warning(now);
            match says {
                Some(says) => assert!(warning.unwrap().contains(says), "{now}"),
                None => assert_eq!(warning, None, "{now}"),
            }
        }
    }

    /// Coins of 0.0001 and 0.004 USD, and one cent as base coin: prices in coins of each.
    #[test]
    fn a_price_is_stated_and_checked_in_coins_of_each_period() {
        let period = |name: &str, value: &str| {
            params_with(|raw| {
                raw.period = name.parse().unwrap();
                raw.coin_value = value.parse().unwrap();
            })
        };
        let all = [
            period("2026-12", "0.0001 USD"),
            period("large", "0.004 USD"),
            period("other", "0.0001 EUR"),
        ];
        let vendor: VendorId = "news.example".parse().unwrap();
        let base = "0.0001 USD".parse().unwrap();
        let checker = Checker::new(vendor.clone(), &all).counted_in(Some(base));
        let now = all[0].raw().start;
        let prices = |price: u32| -> Vec<(String, u32)> {
            let prices = checker.prices_at(price, now).into_iter();
            prices.map(|price| (price.period.to_string(), price.coins)).collect()
        };
        let both = |first: (&str, u32), second: (&str, u32)| {
            vec![(first.0.to_string(), first.1), (second.0.to_string(), second.1)]
        };
        assert_eq!(prices(1), both(("2026-12", 1), ("large", 1)));
        assert_eq!(prices(41), both(("2026-12", 41), ("large", 2)));
        assert_eq!(prices(80), both(("large", 2), ("2026-12", 80)), "the fewest coins first");
        assert_eq!(prices(500), both(("2026-12", 500), ("large", 13)));
        assert_eq!(prices(501), [("large".to_string(), 13)], "too many coins for a payment");
        assert_eq!(prices(20_000), [("large".to_string(), 500)]);
        assert_eq!((prices(20_001), checker.price_max()), (Vec::new(), 20_000));
        assert_eq!(checker.base_coins(&"large".parse().unwrap(), 3), 120);
        let note = |price: u32| checker.price_note(price, now).unwrap_or_default();
        assert_eq!(note(500), "");
        assert!(note(501).starts_with("cannot be paid in coins of 2026-12: it would"));
        assert!(note(20_001).starts_with("costs 20001 coins, more than a payment can have"));
        for price in 1..=20_000 {
            let named = checker.prices_at(price, now);
            let least = checker.coinage(now).least(price).unwrap();
            assert_eq!((named[0].coins, named[0].coin_value), least, "{price}");
        }

        let mint = ObviousMint::new(all[1].clone());
        let (user, url): (_, Url) =
            ("alice".parse().unwrap(), "https://news.example/a".parse().unwrap());
        let coins = mint.coins(&user, &vendor, 8);
        let payment = mint.payment(&user, &Key::from_bytes([5; 32]), &vendor, &url, &coins[..2]);
        for (price, is_enough) in [(1, true), (41, true), (80, true), (81, false)] {
            let checked = checker.check(&payment, &url, price, now);
            assert_eq!(checked.is_ok(), is_enough, "{price}: {checked:?}");
            assert!(checked.is_ok() || checked.unwrap_err().refusal == Refusal::WrongAmount);
        }
    }

    #[test]
    fn sets_are_counted_once_in_the_order_of_the_coins() {
        let bins = |superbins: &[u32]| -> Vec<Bin> {
            superbins.iter().map(|superbin| Bin { superbin: *superbin, subbin: 0 }).collect()
        };
        assert_eq!(first_superbins(&bins(&[8, 8, 4, 8, 2]))[..], [8, 4, 2]);
        let many: Vec<u32> = (0..2 * OWNER_TOKENS_MAX as u32).collect();
        assert_eq!(first_superbins(&bins(&many[..OWNER_TOKENS_MAX])).len(), OWNER_TOKENS_MAX);
        assert_eq!(first_superbins(&bins(&many)).len(), OWNER_TOKENS_MAX + 1);
    }
}
