//! A broker with a minted period, honest buyers and vendors, and a coalition.
//!
//! Input: what honest parties and members of the coalition do. Output: the accounts at the end of
//! the period. The world keeps a list of what is due to whom, made from the actions of honest
//! parties alone, and compares the broker's final verdicts with it.

mod buyer;
mod due;
mod shop;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use micromint::authenticator::{Authenticator, Key, OwnerToken};
use micromint::bin::Bin;
use micromint::broker::MemoryBroker;
use micromint::coin::CoinRules;
use micromint::coin_file::{CoinFile, SECRET_NAME};
use micromint::host::{Clock, DiskDirectory, SystemEntropy};
use micromint::identity::{UserId, VendorId};
use micromint::key_file::create_key;
use micromint::minting::{MintConfig, MintJobBuilder, NewPeriod, Profile};
use micromint::params::Params;
use micromint::protocol::Verdict;
use micromint::time::UnixTime;
use tempfile::TempDir;

pub(crate) use self::buyer::{Buyer, coins_of};
use self::due::Due;
pub(crate) use self::shop::{Owners, Shop};

/// The seed of everything that the coalition chooses at random.
const SEED: u64 = 0x6d69_6372_6f6d_696e;
/// Long enough for a payment to be redeemed: until then it may be reversed.
pub(crate) const REDEEMABLE_SECONDS: i64 = 3600;

/// A minted period before anything is sold.
pub(crate) struct Mint {
    /// What the broker chose.
    pub(crate) config: MintConfig,
    folder: TempDir,
}

impl Mint {
    /// Mints a period of this size on all cores.
    pub(crate) fn new(profile: Profile) -> Mint {
        let folder = tempfile::tempdir().unwrap();
        let (period, value) = ("2026-12".parse().unwrap(), "0.01 USD".parse().unwrap());
        let new = NewPeriod::new(profile, period, "https://broker.example/", value);
        let config = NewPeriod { weak: true, ..new }.draw(&SystemEntropy).unwrap();
        let directory = DiskDirectory::new(folder.path());
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
        let job = MintJobBuilder::new(&directory, &config.coinfile, &config).with_threads(threads);
        job.build().unwrap().mint().unwrap();
        Mint { config, folder }
    }
}

/// A clock that is set.
#[derive(Debug)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    /// Sets the clock, also back.
    pub(crate) fn set(&self, now: UnixTime) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, seconds: i64) {
        self.set(self.now().plus_seconds(seconds));
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::Relaxed))
    }
}

/// The same numbers in every run (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// An authenticator that nobody made with a key.
    pub(crate) fn authenticator(&mut self) -> Authenticator {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.number().to_be_bytes());
        bytes[8..].copy_from_slice(&self.number().to_be_bytes());
        Authenticator::from_bytes(bytes)
    }

    /// An owner token that nobody made with a key.
    pub(crate) fn token(&mut self) -> OwnerToken {
        OwnerToken::from_bytes(self.number().to_be_bytes())
    }
}

/// A broker on its own copy of the coin file, and everyone else.
pub(crate) struct World {
    pub(crate) clock: Arc<SetClock>,
    pub(crate) broker: MemoryBroker,
    pub(crate) rules: CoinRules,
    pub(crate) random: Random,
    /// The stored balls. For counting, and for gifts to the coalition.
    pub(crate) coin_file: CoinFile,
    /// To whom each set was sold, by its first superbin.
    pub(crate) buyers: HashMap<u32, UserId>,
    honest_users: BTreeSet<UserId>,
    honest_vendors: Vec<VendorId>,
    /// The users whom honest vendors stopped serving.
    blocked_by_honest: BTreeSet<UserId>,
    due: Due,
    sales: u64,
    messages: u64,
    folder: TempDir,
}

impl World {
    /// In the middle of the period, with nothing sold.
    pub(crate) fn new(mint: &Mint) -> World {
        let folder = tempfile::tempdir().unwrap();
        let name = mint.config.coinfile.as_str();
        std::fs::copy(mint.folder.path().join(name), folder.path().join(name)).unwrap();
        let directory = DiskDirectory::new(folder.path());
        let secret: Key = create_key(&directory, SECRET_NAME, &SystemEntropy).unwrap();
        let broker = MemoryBroker::open(&directory, name, secret).unwrap();
        let coin_file = CoinFile::open_read(&directory, name).unwrap();
        let params = mint.config.params.clone();
        let middle = params.raw().start.plus_seconds(10 * 86_400);
        World {
            clock: Arc::new(SetClock(AtomicI64::new(middle.0))),
            broker,
            rules: CoinRules::new(params),
            random: Random(SEED),
            coin_file,
            buyers: HashMap::new(),
            honest_users: BTreeSet::new(),
            honest_vendors: Vec::new(),
            blocked_by_honest: BTreeSet::new(),
            due: Due::default(),
            sales: 0,
            messages: 0,
            folder,
        }
    }

    /// The period's parameters.
    pub(crate) fn params(&self) -> &Params {
        self.rules.params()
    }

    /// The time.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// A tenth of the sets of the period, at least one.
    pub(crate) fn tenth(&self) -> u32 {
        (self.params().superbin_count() as u32 / 20).max(1)
    }

    /// Sells sets to an honest user.
    pub(crate) fn honest_buyer(&mut self, name: &str, sets: u32) -> Buyer {
        let buyer = self.sell(name, sets);
        self.honest_users.insert(buyer.user.clone());
        buyer
    }

    /// Sells sets to a member of the coalition.
    pub(crate) fn member(&mut self, name: &str, sets: u32) -> Buyer {
        self.sell(name, sets)
    }

    /// Sells most of what is left to honest users of whom nothing else is known.
    pub(crate) fn sell_to_crowd(&mut self) {
        let left = self.broker.sets_left() as u32;
        let (share, mut rest) = ((left / 10).max(1), left - left / 20);
        for number in 0.. {
            let sets = share.min(rest);
            if sets == 0 {
                break;
            }
            drop(self.honest_buyer(&format!("reader-{number}"), sets));
            rest -= sets;
        }
    }

    fn sell(&mut self, name: &str, sets: u32) -> Buyer {
        self.sales += 1;
        let user: UserId = name.parse().unwrap();
        let funds = self.broker.withdraw(&user, sets, self.sales, self.now()).unwrap();
        let buyer = Buyer::new(&self.rules, funds.granted().unwrap());
        self.buyers.extend(buyer.firsts.iter().map(|first| (*first, user.clone())));
        buyer
    }

    /// Whether the ball x is stored.
    pub(crate) fn is_stored(&self, bin: Bin, x: u64) -> bool {
        self.stored(bin) == Some(x)
    }

    /// The ball stored in a bin.
    pub(crate) fn stored(&self, bin: Bin) -> Option<u64> {
        let stored = self.coin_file.ball(bin).unwrap();
        stored.exists().then_some(stored.x)
    }

    /// A fresh name for a batch, a watch, a return or a page.
    pub(crate) fn fresh_name(&mut self) -> String {
        self.messages += 1;
        format!("m{}", self.messages)
    }
}

/// How many of the verdicts are this one.
pub(crate) fn count(verdicts: &[Verdict], verdict: Verdict) -> u64 {
    verdicts.iter().filter(|found| **found == verdict).count() as u64
}
