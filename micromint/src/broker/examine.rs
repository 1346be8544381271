//! The checks of a vendor's coins that do not depend on what was paid: form, owner, range, fixed
//! bits, differences, and whether the broker minted every ball.
//!
//! Input: payment records. Output: for each coin its first bin and a rank, or the verdict that
//! rejects it. The invariants: whose a coin is comes first, and its balls are looked up only if it
//! is from the owner. What is read here never changes after the payment was made, except for bins
//! that are declared compromised, so no lock is needed. Coins are hashed and looked up many at a
//! time, in the order of the file.

use std::collections::HashMap;

use super::claim::{Buyer, Claim, Facts, digest_of};
use super::rank::{Found, Lookup, Rank, Source, rank_of_coin};
use super::sold::Sold;
use crate::authenticator::Key;
use crate::bin::Bin;
use crate::coin::{CoinFault, CoinRules};
use crate::coin_file::{CoinFile, CoinFileError, Stored};
use crate::identity::{UserId, UserVector, VendorId, VendorVector};
use crate::protocol::{PaymentRecord, Verdict};
use crate::threads::on_threads;

/// How many inputs a thread hashes and looks up at a time. This bounds the memory for the largest
/// batch, with few passes over the coin file.
const WINDOW_INPUTS: usize = 1 << 20;

/// The smallest number of payments for which a thread is started.
const PART_PAYMENTS_MIN: usize = 256;

/// A payment of a vendor.
#[derive(Clone, Debug)]
pub struct ExaminedPayment {
    /// The payer; `None` if nothing was sold to the payer or the record is malformed.
    pub buyer: Option<Buyer>,
    /// Distinguishes the payment from others.
    pub digest: u64,
    /// The Authenticator is right.
    is_signed: bool,
    /// It names a payer to whom nothing was sold.
    is_invented: bool,
    /// Its coins, in order. A malformed record counts as one coin.
    pub coins: Vec<ExaminedCoin>,
}

/// A coin of a payment.
#[derive(Clone, Copy, Debug)]
pub struct ExaminedCoin {
    /// Its first bin; `None` if its first ball has none.
    pub bin: Option<Bin>,
    /// Whose it is.
    pub source: Source,
    /// What looking up its balls showed; `None` if they were not looked up.
    lookup: Option<Lookup>,
    /// The rank of its claim, or the verdict that rejects it.
    pub rank: Result<Rank, Verdict>,
}

/// What is known about a user.
#[derive(Clone)]
struct Payer {
    /// `None` if the user has no vector in this period, so that no set can be sold to the user.
    vector: Option<UserVector>,
    key: Key,
    /// `None` if nothing was sold to the user.
    buyer: Option<Buyer>,
}

/// Examines the payments that one vendor sent.
#[derive(Clone)]
pub struct Examiner<'a> {
    rules: &'a CoinRules,
    coin_file: &'a CoinFile,
    secret: &'a Key,
    sold: &'a dyn Sold,
    vendor: &'a VendorId,
    vendor_vector: VendorVector,
    /// The users so far.
    users: HashMap<UserId, Payer>,
}

/// Payments that are hashed and looked up together.
#[derive(Default)]
struct Window {
    /// The well-formed payments, each with its index in the answer.
    payments: Vec<(usize, PaymentRecord)>,
    x: Vec<u64>,
}

/// A ball to look up: its expected bin, the ball, and its place.
struct Wanted {
    bin: Bin,
    x: u64,
    payment: usize,
    coin: usize,
    ball: usize,
}

impl<'a> Examiner<'a> {
    /// An examiner for the payments that `vendor` sent. `secret` is the broker's.
    pub fn new(
        rules: &'a CoinRules,
        coin_file: &'a CoinFile,
        secret: &'a Key,
        sold: &'a dyn Sold,
        vendor: &'a VendorId,
    ) -> Examiner<'a> {
        let vendor_vector = VendorVector::new(rules.params(), vendor);
        let users = HashMap::new();
        Examiner { rules, coin_file, secret, sold, vendor, vendor_vector, users }
    }

    /// Examines payment records on at most `threads` threads. Returns the payments in order.
    ///
    /// # Errors
    /// The coin file cannot be read.
    pub fn examine(
        &self,
        records: &[&[u8]],
        threads: usize,
    ) -> Result<Vec<ExaminedPayment>, CoinFileError> {
        let parts = records.chunks(records.len().div_ceil(threads.max(1)).max(PART_PAYMENTS_MIN));
        let count = parts.len();
        let mut examined = Vec::new();
        for part in on_threads(parts, count, |part| self.clone().examine_part(part)) {
            examined.extend(part?);
        }
        Ok(examined)
    }

    /// Examines some payments, in order.
    fn examine_part(mut self, records: &[&[u8]]) -> Result<Vec<ExaminedPayment>, CoinFileError> {
        let mut examined = Vec::new();
        let mut window = Window::default();
        for record in records {
            let read = PaymentRecord::parse(record).and_then(|payment| Ok((payment.x()?, payment)));
            let outcome = match read {
                Ok((x, payment)) => {
                    let outcome = self.open(record, &payment);
                    if outcome.coins.is_empty() {
                        // Well formed: its coins are judged with the window.
                        window.x.extend(x);
                        window.payments.push((examined.len(), payment));
                    }
                    outcome
                }
                Err(_) => ExaminedPayment::unread(record),
            };
            examined.push(outcome);
            if window.x.len() >= WINDOW_INPUTS {
                self.judge(std::mem::take(&mut window), &mut examined)?;
            }
        }
        self.judge(window, &mut examined)?;
        Ok(examined)
    }

    /// Judges a payment as a whole. If its form is wrong, its coins already have a verdict.
    fn open(&mut self, record: &[u8], payment: &PaymentRecord) -> ExaminedPayment {
        let is_malformed = payment.coin_size() != self.rules.params().coin_size();
        let vendor = self.vendor;
        let payer = self.payer(&payment.user);
        let malformed = ExaminedCoin::rejected(Verdict::Malformed);
        let coins = if is_malformed { payment.coins as usize } else { 0 };
        ExaminedPayment {
            buyer: payer.buyer,
            digest: digest_of(record),
            is_signed: payment.is_authentic(&payer.key, vendor),
            is_invented: payer.buyer.is_none(),
            coins: vec![malformed; coins],
        }
    }

    fn payer(&mut self, user: &UserId) -> &Payer {
        let params = self.rules.params();
        self.users.entry(user.clone()).or_insert_with(|| Payer {
            vector: UserVector::new(params, user).ok(),
            key: self.secret.user_key(params.period(), user),
            buyer: self.sold.buyer(user),
        })
    }

    /// Judges the coins of a window: first whose they are, then by hashing, then by looking up
    /// their balls.
    fn judge(&self, window: Window, examined: &mut [ExaminedPayment]) -> Result<(), CoinFileError> {
        let outputs = self.rules.outputs(&window.x);
        let k = self.rules.params().coin_size();
        let mut wanted = Vec::with_capacity(window.x.len());
        let mut inputs = window.x.as_slice();
        let mut outputs = outputs.as_slice();
        for (at, payment) in &window.payments {
            let count = k * payment.coins as usize;
            let (x, other_inputs) = inputs.split_at(count);
            let (hashes, other_outputs) = outputs.split_at(count);
            (inputs, outputs) = (other_inputs, other_outputs);
            self.judge_payment(*at, payment, (x, hashes), examined, &mut wanted);
        }
        self.look_up(wanted, examined)?;
        for (at, _) in &window.payments {
            examined[*at].coins.iter_mut().for_each(ExaminedCoin::rank);
        }
        Ok(())
    }

    /// Judges the coins of one payment, as far as this needs no lookup. `x` are their inputs with
    /// their hashes.
    fn judge_payment(
        &self,
        at: usize,
        payment: &PaymentRecord,
        (x, hashes): (&[u64], &[u64]),
        examined: &mut [ExaminedPayment],
        wanted: &mut Vec<Wanted>,
    ) {
        let k = self.rules.params().coin_size();
        let Some(payer) = self.users.get(&payment.user) else { return };
        let coins = || x.chunks_exact(k).zip(hashes.chunks_exact(k));
        let firsts: Vec<Option<Bin>> =
            coins().map(|(x, hashes)| self.first_bin(x[0], hashes[0])).collect();
        let sets = self.sets(payment, payer, &firsts);
        for (coin, ((x, hashes), bin)) in coins().zip(firsts).enumerate() {
            let is_signed = examined[at].is_signed;
            let set = bin.and_then(|bin| sets.iter().find(|set| set.first == bin.superbin));
            let (is_sold, has_token) =
                set.map_or((false, false), |set| (set.is_sold, set.has_token));
            let source = Source { is_signed, has_token, is_sold };
            let mut new = ExaminedCoin { bin, source, ..ExaminedCoin::NOT_FROM_OWNER };
            if let Some(verdict) = self.check(&mut new, payer, x, hashes, |ball, bin| {
                wanted.push(Wanted { bin, x: x[ball], payment: at, coin, ball });
            }) {
                new.rank = Err(verdict);
            }
            examined[at].coins.push(new);
        }
    }

    /// Checks one coin by hashing, and tells which balls to look up. Returns the verdict if there
    /// is nothing to look up.
    fn check(
        &self,
        coin: &mut ExaminedCoin,
        payer: &Payer,
        x: &[u64],
        hashes: &[u64],
        mut look_up: impl FnMut(usize, Bin),
    ) -> Option<Verdict> {
        // What a user signed is not from another, even if its first ball has no bin.
        let is_signed_junk = coin.bin.is_none() && coin.source.is_signed;
        let vector = match &payer.vector {
            Some(vector) if coin.source.is_owner() || is_signed_junk => vector,
            _ => return Some(Verdict::NotFromOwner),
        };
        let bins = match self.rules.check_coin(vector, &self.vendor_vector, x, hashes) {
            Ok(bins) => bins,
            Err(fault) => return Some(verdict_of(fault)),
        };
        let first = bins[0];
        let is_withheld = self.sold.is_withheld(first, first.superbin);
        coin.lookup = Some(Lookup { is_withheld, ..Lookup::START });
        bins.iter().enumerate().for_each(|(ball, bin)| look_up(ball, *bin));
        None
    }

    fn first_bin(&self, x: u64, hash: u64) -> Option<Bin> {
        if x >= self.rules.params().input_end() {
            return None;
        }
        self.rules.params().bin_of(hash)
    }

    /// The sets that a payment uses, in the order in which their first superbins first occur. If it
    /// does not have one token for each, no token is right.
    fn sets(&self, payment: &PaymentRecord, payer: &Payer, firsts: &[Option<Bin>]) -> Vec<UsedSet> {
        let mut sets: Vec<UsedSet> = Vec::new();
        for first in firsts.iter().flatten().map(|bin| bin.superbin) {
            if sets.iter().all(|set| set.first != first) {
                let is_sold = self.sold.owner(first) == Some(&payment.user);
                sets.push(UsedSet { first, is_sold, has_token: false });
            }
        }
        if sets.len() == payment.tokens.len() {
            for (set, token) in sets.iter_mut().zip(&payment.tokens) {
                set.has_token =
                    set.is_sold && payer.key.owner_token(self.vendor, set.first) == *token;
            }
        }
        sets
    }

    /// Compares every ball with the one that was minted for its bin.
    fn look_up(
        &self,
        mut wanted: Vec<Wanted>,
        examined: &mut [ExaminedPayment],
    ) -> Result<(), CoinFileError> {
        wanted.sort_unstable_by_key(|ball| ball.bin);
        let bins: Vec<Bin> = wanted.iter().map(|ball| ball.bin).collect();
        for (ball, stored) in wanted.iter().zip(self.coin_file.balls(&bins)?) {
            let found = found(self.rules, self.coin_file, ball.bin, ball.x, stored)?;
            let is_compromised = stored.exists() && self.sold.is_compromised(ball.bin);
            let coin = &mut examined[ball.payment].coins[ball.coin];
            if let Some(lookup) = &mut coin.lookup {
                lookup.add(ball.ball, found, is_compromised);
            }
        }
        Ok(())
    }
}

/// A set that a payment uses.
struct UsedSet {
    /// Its first superbin.
    first: u32,
    is_sold: bool,
    has_token: bool,
}

/// Compares the ball x with what is stored in its bin. If they differ, the broker's own ball is
/// hashed, so that damage to the coin file proves nothing against a user.
pub(super) fn found(
    rules: &CoinRules,
    coin_file: &CoinFile,
    bin: Bin,
    x: u64,
    stored: Stored,
) -> Result<Found, CoinFileError> {
    if stored.exists() && stored.x == x {
        return Ok(Found::Minted);
    }
    if stored.exists() {
        let is_sound = rules.bin(stored.x) == Some(bin);
        return Ok(if is_sound { Found::Other } else { Found::Damaged });
    }
    let superbin = coin_file.superbin(bin.superbin)?;
    let is_sound = superbin.balls().count() == superbin.header.ball_count as usize;
    Ok(if is_sound { Found::Nothing } else { Found::Damaged })
}

impl ExaminedPayment {
    fn unread(record: &[u8]) -> ExaminedPayment {
        ExaminedPayment {
            buyer: None,
            digest: digest_of(record),
            is_signed: false,
            is_invented: false,
            coins: vec![ExaminedCoin::rejected(Verdict::Malformed)],
        }
    }
}

impl ExaminedCoin {
    const NOT_FROM_OWNER: ExaminedCoin = ExaminedCoin::rejected(Verdict::NotFromOwner);

    const fn rejected(verdict: Verdict) -> ExaminedCoin {
        let source = Source { is_signed: false, has_token: false, is_sold: false };
        ExaminedCoin { bin: None, source, lookup: None, rank: Err(verdict) }
    }

    /// Sets the rank, unless the coin is rejected without a lookup.
    fn rank(&mut self) {
        if let Some(lookup) = self.lookup {
            self.rank = rank_of_coin(self.source, lookup);
        }
    }

    /// The claim with this verdict.
    pub(crate) fn claim(&self, payment: &ExaminedPayment, number: u32, verdict: Verdict) -> Claim {
        Claim {
            verdict,
            bin: self.bin,
            rank: self.rank.ok(),
            facts: Facts {
                source: self.source,
                is_forged: self.lookup.is_some_and(|lookup| lookup.is_forged),
                is_invented: payment.is_invented,
                is_repeated: false,
            },
            payment: number,
            digest: payment.digest,
            buyer: payment.buyer,
        }
    }
}

/// The verdict on a coin with this fault.
fn verdict_of(fault: CoinFault) -> Verdict {
    match fault {
        CoinFault::OutOfRange | CoinFault::RepeatedBall => Verdict::InputWrong,
        CoinFault::FixedBits => Verdict::FixedBits,
        CoinFault::UserDifferences => Verdict::UserDifferences,
        CoinFault::VendorDifferences => Verdict::VendorDifferences,
        // Cannot happen for one coin. For several, the first one is the one that is paid.
        CoinFault::RepeatedCoin => Verdict::AlreadyPaid,
    }
}
