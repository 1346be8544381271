//! Coalitions of users and vendors against the pure rules of the broker: ranks, awards, evidence
//! and blocking, without files and without cryptography.
//!
//! Two honest users and two honest vendors meet two users and two vendors who share everything that
//! they know. What the coalition can make is what cryptography leaves it: any Authenticator and
//! token of its own users, tokens that its vendors received, Authenticators only as they were
//! received, and first balls that it bought, received, or found by search. It knows every other
//! ball, and those of compromised bins.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::award::{Award, Contenders, Sums, is_held};
use super::super::blocking::{Blocks, Conduct, Served, blocks, conduct};
use super::super::evidence::{Evidence, Findings};
use super::super::rank::{Found, Lookup, Source, rank_of_coin, rank_of_return, verdict_now};
use crate::bin::Bin;
use crate::protocol::Verdict;
use crate::time::UnixTime;

/// Users and vendors 0 and 1 are honest, 2 and 3 are members of the coalition.
type Party = usize;

const PARTIES: usize = 4;
/// Every user owns one set; the set of user u begins at superbin 2u. Superbin 8 is not sold.
const SUPERBINS: u32 = 5;
/// The bins of a superbin. The last but one is empty, and the last was compromised before the sale.
const BINS: u32 = 8;
const SOLD_PER_SET: u64 = BINS as u64 - 2;

fn is_member(party: Party) -> bool {
    party >= 2
}

fn owner(bin: Bin) -> Option<Party> {
    let user = bin.superbin as usize / 2;
    (user < PARTIES).then_some(user)
}

fn is_empty(bin: Bin) -> bool {
    bin.subbin == BINS - 2
}

/// The coalition found the ball of this bin by search.
fn is_found(bin: Bin) -> bool {
    bin.subbin == 0
}

fn is_withheld(bin: Bin) -> bool {
    bin.subbin == BINS - 1
}

/// A coin of a payment, with everything that decides about it.
#[derive(Clone, Copy, Debug)]
struct Coin {
    user: Party,
    vendor: Party,
    bin: Bin,
    /// The first ball is the minted one.
    has_first: bool,
    /// The other balls are the minted ones.
    has_rest: bool,
    /// The Authenticator of `user` over this coin at this vendor.
    is_signed: bool,
    /// The token of `user` for this set at this vendor.
    has_token: bool,
    payment: u64,
}

#[derive(Clone, Debug)]
enum Step {
    /// An honest user pays for a page with an unspent ball.
    Pay { user: Party, vendor: Party, subbin: u32 },
    /// The same coin again at the same vendor, as a wallet does after a reversal.
    PayAgain { pick: usize },
    /// An honest vendor sends what it has taken, or tells the watch.
    Send { vendor: Party, is_watch: bool },
    /// A member pays an honest vendor in any name, or a member vendor sends any coin: with any
    /// part of it right or wrong.
    Cheat { coin: Coin, is_watch: bool },
    /// A vendor of the coalition sends a payment as it received it.
    Replay { pick: usize, is_watch: bool },
    /// A user returns balls.
    Return { user: Party, bins: Vec<(u32, u32)> },
    /// The broker declares a bin compromised.
    Compromise { superbin: u32, subbin: u32 },
}

fn coin() -> impl Strategy<Value = Coin> {
    let flags = prop::collection::vec(prop::bool::weighted(0.7), 4);
    (0..PARTIES, 0..PARTIES, 0..SUPERBINS, 0..BINS, flags, any::<u64>()).prop_map(
        |(user, vendor, set, subbin, flags, payment)| Coin {
            user,
            vendor,
            bin: Bin { superbin: 2 * set, subbin },
            has_first: flags[0],
            has_rest: flags[1],
            is_signed: flags[2],
            has_token: flags[3],
            payment,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let honest = || 0..2usize;
    let bins = prop::collection::vec((0..SUPERBINS, 0..BINS), 1..6);
    prop_oneof![
        6 => (honest(), 0..PARTIES, 0..BINS - 2)
            .prop_map(|(user, vendor, subbin)| Step::Pay { user, vendor, subbin }),
        1 => any::<usize>().prop_map(|pick| Step::PayAgain { pick }),
        3 => (honest(), any::<bool>())
            .prop_map(|(vendor, is_watch)| Step::Send { vendor, is_watch }),
        10 => (coin(), prop::bool::weighted(0.2))
            .prop_map(|(coin, is_watch)| Step::Cheat { coin, is_watch }),
        4 => (any::<usize>(), prop::bool::weighted(0.2))
            .prop_map(|(pick, is_watch)| Step::Replay { pick, is_watch }),
        3 => (0..PARTIES, bins).prop_map(|(user, bins)| Step::Return { user, bins }),
        1 => (0..SUPERBINS, 0..BINS)
            .prop_map(|(set, subbin)| Step::Compromise { superbin: 2 * set, subbin }),
    ]
}

/// A claim that the broker has recorded.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    bin: Bin,
    vendor: Option<Party>,
    verdict: Verdict,
}

#[derive(Default)]
struct World {
    now: i64,
    /// What honest vendors took and have not sent yet, and all that honest users paid.
    tills: [Vec<Coin>; PARTIES],
    paid_by_honest: Vec<Coin>,
    /// First bins that honest users spent.
    spent: BTreeSet<Bin>,
    compromised: BTreeSet<Bin>,
    claims: Vec<Recorded>,
    evidence: Vec<Evidence<Party, Party>>,
    served: BTreeMap<Party, Vec<Served<Party>>>,
    /// Coins for which an honest vendor was refused though an honest user paid.
    cheated: Vec<Coin>,
}

impl World {
    fn step(&mut self, step: &Step) {
        self.now += 1;
        match step {
            Step::Pay { user, vendor, subbin } => self.pay(*user, *vendor, *subbin),
            Step::PayAgain { pick } => {
                if let Some(coin) = pick_of(&self.paid_by_honest, *pick) {
                    self.take(Coin { payment: coin.payment + 1_000_000, ..coin });
                }
            }
            Step::Send { vendor, is_watch } => {
                let coins = self.tills[*vendor].clone();
                coins.iter().for_each(|coin| self.judge(*coin, *is_watch));
                if !is_watch {
                    self.tills[*vendor].clear();
                }
            }
            Step::Cheat { coin, is_watch } => {
                let coin = self.limited(*coin);
                if is_member(coin.vendor) {
                    self.judge(coin, *is_watch);
                } else {
                    // Whoever sends it, the honest vendor takes it: it has no owners file.
                    self.tills[coin.vendor].push(coin);
                }
            }
            Step::Replay { pick, is_watch } => {
                let received: Vec<Coin> = self
                    .paid_by_honest
                    .iter()
                    .filter(|coin| is_member(coin.vendor))
                    .copied()
                    .collect();
                if let Some(coin) = pick_of(&received, *pick) {
                    self.judge(coin, *is_watch);
                }
            }
            Step::Return { user, bins } => {
                for (set, subbin) in bins {
                    self.give_back(*user, Bin { superbin: 2 * set, subbin: *subbin });
                }
            }
            Step::Compromise { superbin, subbin } => {
                self.compromised.insert(Bin { superbin: *superbin, subbin: *subbin });
            }
        }
    }

    fn pay(&mut self, user: Party, vendor: Party, subbin: u32) {
        let bin = Bin { superbin: 2 * user as u32, subbin };
        if self.spent.insert(bin) {
            self.take(Coin {
                user,
                vendor,
                bin,
                has_first: true,
                has_rest: true,
                is_signed: true,
                has_token: true,
                payment: self.now as u64,
            });
        }
    }

    fn take(&mut self, coin: Coin) {
        self.paid_by_honest.push(coin);
        self.tills[coin.vendor].push(coin);
    }

    /// The coin as far as the coalition can make it.
    fn limited(&self, coin: Coin) -> Coin {
        let is_own = is_member(coin.user);
        let at_members = || self.paid_by_honest.iter().filter(|paid| is_member(paid.vendor));
        let has_received = at_members().any(|paid| {
            (paid.user, paid.vendor) == (coin.user, coin.vendor) && is_own_set(paid, &coin)
        });
        let is_bought = owner(coin.bin).is_some_and(is_member) || is_found(coin.bin);
        let is_received = at_members().any(|paid| paid.bin == coin.bin);
        let knows_first = is_bought || is_received || is_withheld(coin.bin);
        Coin {
            has_first: coin.has_first && knows_first,
            is_signed: coin.is_signed && is_own,
            has_token: coin.has_token && (is_own || has_received),
            ..coin
        }
    }

    fn judge(&mut self, coin: Coin, is_watch: bool) {
        let is_sold = owner(coin.bin) == Some(coin.user);
        let has_token = coin.has_token && is_sold;
        let source = Source { is_signed: coin.is_signed, has_token, is_sold };
        let lookup = self.look_up(&coin);
        let rank = rank_of_coin(source, lookup);
        let verdict = match rank {
            Ok(rank) => verdict_now(rank, self.is_paid(coin.bin)),
            Err(verdict) => verdict,
        };
        let when = UnixTime(self.now);
        let is_forged = source.is_owner() && lookup.is_forged;
        self.evidence.push(Evidence {
            bin: coin.bin,
            user: coin.user,
            vendor: coin.vendor,
            when,
            payment: coin.payment,
            source,
            is_forged,
            is_paid: verdict == Verdict::Accepted && !is_watch,
            is_refused: verdict.is_rejection(),
        });
        let conduct = conduct(source, is_forged);
        let served = self.served.entry(coin.vendor).or_default();
        served.push(Served { user: coin.user, when, conduct });
        if is_watch {
            return;
        }
        if rank.is_ok() {
            let vendor = Some(coin.vendor);
            self.claims.push(Recorded { bin: coin.bin, vendor, verdict });
        }
        let is_honest = !is_member(coin.user) && coin.is_signed && !is_member(coin.vendor);
        if is_honest && verdict != Verdict::Accepted && !self.is_paid_to(coin.bin, coin.vendor) {
            self.cheated.push(coin);
        }
    }

    fn look_up(&self, coin: &Coin) -> Lookup {
        let found = |is_right| match is_right {
            _ if is_empty(coin.bin) => Found::Nothing,
            true => Found::Minted,
            false => Found::Other,
        };
        let is_compromised = self.compromised.contains(&coin.bin) || is_withheld(coin.bin);
        let mut lookup = Lookup { is_withheld: is_withheld(coin.bin), ..Lookup::START };
        lookup.add(0, found(coin.has_first), is_compromised);
        let rest = if coin.has_rest { Found::Minted } else { Found::Other };
        lookup.add(1, rest, false);
        lookup
    }

    fn give_back(&mut self, user: Party, bin: Bin) {
        // A member returns what is not his with any ball; an honest user only what he bought.
        if !is_member(user) && (owner(bin) != Some(user) || is_empty(bin) || is_withheld(bin)) {
            return;
        }
        let found = if is_empty(bin) { Found::Nothing } else { Found::Minted };
        if let Ok(rank) = rank_of_return(owner(bin) == Some(user), is_withheld(bin), found) {
            let verdict = verdict_now(rank, self.is_paid(bin));
            self.claims.push(Recorded { bin, vendor: None, verdict });
        }
    }

    fn is_paid(&self, bin: Bin) -> bool {
        self.claims.iter().any(|claim| claim.bin == bin && claim.verdict == Verdict::Accepted)
    }

    fn is_paid_to(&self, bin: Bin, vendor: Party) -> bool {
        let mut claims = self.claims.iter();
        claims.any(|claim| {
            (claim.bin, claim.vendor, claim.verdict) == (bin, Some(vendor), Verdict::Accepted)
        })
    }

    /// Who got each sold first ball. Claims of rank 1 were paid when they were judged.
    fn awards(&self) -> BTreeMap<Bin, Award> {
        let count = |vendor, verdict| {
            let is_its = |claim: &&Recorded| (claim.vendor, claim.verdict) == (vendor, verdict);
            self.claims.iter().filter(is_its).count() as u64
        };
        let held: BTreeSet<Party> = (0..PARTIES)
            .filter(|vendor| {
                let vendor = Some(*vendor);
                // Every vendor has so many other coins that nothing is held for that reason.
                let certain = 100 * self.claims.len() as u64 + count(vendor, Verdict::Accepted);
                is_held(certain, count(vendor, Verdict::Waiting))
            })
            .collect();
        let sold = (0..PARTIES as u32)
            .flat_map(|set| (0..BINS - 2).map(move |subbin| Bin { superbin: 2 * set, subbin }));
        sold.map(|bin| {
            let numbered = || (0u64..).zip(&self.claims).filter(|(_, claim)| claim.bin == bin);
            let at_once = numbered().find(|(_, claim)| claim.verdict == Verdict::Accepted);
            if let Some((number, _)) = at_once {
                return (bin, Award::Vendor(number));
            }
            let waiting = numbered()
                .filter(|(_, claim)| claim.verdict == Verdict::Waiting)
                .map(|(number, claim)| (number, claim.vendor));
            (bin, Contenders::of(waiting).award(|vendor| held.contains(&vendor)))
        })
        .collect()
    }

    fn check(&mut self) {
        // At the end every honest vendor redeems, and every honest user returns what is unspent.
        for vendor in 0..2 {
            self.step(&Step::Send { vendor, is_watch: false });
        }
        for user in 0..2 {
            let bins = (0..BINS).map(|subbin| Bin { superbin: 2 * user as u32, subbin });
            let unspent: Vec<Bin> = bins.filter(|bin| !self.spent.contains(bin)).collect();
            unspent.into_iter().for_each(|bin| self.give_back(user, bin));
        }
        let awards = self.awards();
        assert!(self.cheated.is_empty(), "honest vendors lost {:?}", self.cheated);
        self.check_thefts(&awards);
        self.check_sums(&awards);
        self.check_names();
        self.check_blocks();
    }

    /// What honest users did not pay to a vendor is credited to them, and what they paid goes to
    /// nobody but the vendor that they paid, or to another member if that was one.
    fn check_thefts(&self, awards: &BTreeMap<Bin, Award>) {
        for (&bin, award) in awards {
            if owner(bin).is_none_or(is_member) {
                continue;
            }
            let paid_to: Vec<Party> = self
                .paid_by_honest
                .iter()
                .filter(|coin| coin.bin == bin)
                .map(|coin| coin.vendor)
                .collect();
            match award {
                Award::Vendor(number) => {
                    let vendor = self.claims[*number as usize].vendor.unwrap();
                    let is_due = paid_to.contains(&vendor)
                        || is_member(vendor) && paid_to.iter().any(|paid| is_member(*paid));
                    assert!(is_due, "{bin:?} of an honest user was paid to {vendor}");
                }
                Award::User(_) => {}
                // A vendor with the token can dispute a ball that it found, but is not paid.
                Award::Disputed if is_found(bin) && self.has_token_of(bin) => {}
                Award::Disputed | Award::Nobody => {
                    assert!(!paid_to.is_empty(), "an unspent ball {bin:?} was not credited");
                }
            }
        }
    }

    /// Whether a vendor of the coalition received the token of this bin's set.
    fn has_token_of(&self, bin: Bin) -> bool {
        self.paid_by_honest
            .iter()
            .any(|paid| is_member(paid.vendor) && paid.bin.superbin == bin.superbin)
    }

    /// The values add up for each set, no bin is paid twice, and nothing that was not sold was
    /// paid.
    fn check_sums(&self, awards: &BTreeMap<Bin, Award>) {
        for user in 0..PARTIES {
            let of_set = awards.iter().filter(|(bin, _)| owner(**bin) == Some(user));
            let sums = Sums::of(SOLD_PER_SET, 0, of_set.map(|(_, award)| *award));
            assert!(sums.is_balanced(), "{sums:?}");
        }
        for claim in &self.claims {
            assert!(awards.contains_key(&claim.bin), "{claim:?} is not on a sold ball");
            let is_paid =
                |other: &&Recorded| (other.bin, other.verdict) == (claim.bin, Verdict::Accepted);
            assert!(self.claims.iter().filter(is_paid).count() < 2, "{claim:?} is paid twice");
        }
    }

    /// No honest user is named. Every member is who signed one coin at two vendors, a ball that was
    /// not minted, or a coin of another's set.
    fn check_names(&self) {
        let mut findings = Findings::default();
        findings.add(self.evidence.clone());
        let offenders: Vec<Party> = findings.offenders().iter().map(|found| found.user).collect();
        assert!(offenders.iter().all(|user| is_member(*user)), "{offenders:?} are named");
        let mut signed_at: BTreeMap<(Party, Bin), BTreeSet<Party>> = BTreeMap::new();
        for coin in self.evidence.iter().filter(|coin| coin.source.is_signed) {
            let is_proved = coin.is_forged || !coin.source.is_sold;
            assert!(!is_proved || offenders.contains(&coin.user), "{coin:?} names nobody");
            signed_at.entry((coin.user, coin.bin)).or_default().insert(coin.vendor);
        }
        for ((user, _), vendors) in signed_at {
            assert!(vendors.len() < 2 || offenders.contains(&user), "{user} is not named");
        }
        // An honest user can be suspected only with the help of two vendors of the coalition.
        for suspect in findings.suspects().iter().filter(|found| !is_member(found.user)) {
            let vendors: BTreeSet<Party> = self
                .evidence
                .iter()
                .filter(|coin| coin.user == suspect.user && coin.source.has_token)
                .map(|coin| coin.vendor)
                .collect();
            assert!(vendors.iter().any(|vendor| is_member(*vendor)), "{suspect:?}");
        }
    }

    /// No honest user is blocked at an honest vendor.
    fn check_blocks(&self) {
        for (vendor, served) in self.served.iter().filter(|(vendor, _)| !is_member(**vendor)) {
            // With many other users, so that a few failures are not the vendor's fault.
            let conduct = Conduct::Good;
            let others = (PARTIES..50).map(|user| Served { user, when: UnixTime(0), conduct });
            let Blocks { users, .. } = blocks(served.iter().copied().chain(others));
            assert!(users.iter().all(|user| is_member(*user)), "{vendor} blocks {users:?}");
        }
    }
}

fn is_own_set(paid: &Coin, coin: &Coin) -> bool {
    paid.bin.superbin == coin.bin.superbin
}

fn pick_of(coins: &[Coin], pick: usize) -> Option<Coin> {
    coins.get(pick % coins.len().max(1)).copied()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn no_coalition_gains_and_nobody_innocent_is_named(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::default();
        steps.iter().for_each(|step| world.step(step));
        world.check();
    }
}
