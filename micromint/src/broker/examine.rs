//! The checks of a batch's coins that do not depend on what was sold or paid: form, range, fixed
//! bits, differences, whether the broker minted every ball, and the authenticator.
//!
//! Input: a batch. Output: its payments, with a verdict or a first ball for each coin. The
//! invariant: nothing that is read here changes after the coin file is complete, so no lock is
//! needed. Coins are hashed and looked up many at a time, in the order of the file.

use std::collections::HashMap;
use std::thread;

use super::claim::ClaimKind;
use crate::authenticator::Key;
use crate::bin::Bin;
use crate::coin::{CoinFault, CoinRules};
use crate::coin_file::{CoinFile, CoinFileError, Status};
use crate::hash::leading_u64;
use crate::identity::{UserId, UserVector, VendorVector};
use crate::protocol::{PaymentRecord, RequestRedemption, Verdict};

/// How many inputs a thread hashes and looks up at a time. This bounds the memory for the largest
/// batch, with few passes over the coin file.
const WINDOW_INPUTS: usize = 1 << 20;

/// The smallest number of payments for which a thread is started.
const PART_PAYMENTS_MIN: usize = 256;

/// A payment of a batch.
pub(crate) struct ExaminedPayment {
    /// The payer; `None` if the payment is malformed.
    pub(crate) user: Option<UserId>,
    /// The kind of its claims, which depends on the authenticator.
    pub(crate) kind: ClaimKind,
    /// The first 8 bytes of the authenticator.
    pub(crate) tag: u64,
    /// For each coin its first bin, or why it is rejected. A malformed payment counts as one coin.
    pub(crate) coins: Vec<Result<Bin, Verdict>>,
}

/// Examines the payments of one batch.
#[derive(Clone)]
pub(crate) struct Examiner<'a> {
    rules: &'a CoinRules,
    coin_file: &'a CoinFile,
    secret: &'a Key,
    vendor_vector: VendorVector,
    batch: &'a RequestRedemption,
    /// The vector and key of every user so far; `None` if the user has no vector.
    users: HashMap<UserId, Option<(UserVector, Key)>>,
}

/// Payments that are hashed and looked up together.
#[derive(Default)]
struct Window {
    /// The well-formed payments, each with its index in the answer.
    payments: Vec<(usize, PaymentRecord)>,
    x: Vec<u64>,
}

/// A ball to look up: its expected bin, the ball, and the coin that it belongs to.
struct Lookup {
    bin: Bin,
    x: u64,
    payment: usize,
    coin: usize,
}

impl<'a> Examiner<'a> {
    pub(crate) fn new(
        rules: &'a CoinRules,
        coin_file: &'a CoinFile,
        secret: &'a Key,
        batch: &'a RequestRedemption,
    ) -> Examiner<'a> {
        let vendor_vector = VendorVector::new(rules.params(), &batch.vendor);
        Examiner { rules, coin_file, secret, vendor_vector, batch, users: HashMap::new() }
    }

    /// Examines all payments on at most `threads` threads. Returns them in order.
    pub(crate) fn examine(&self, threads: usize) -> Result<Vec<ExaminedPayment>, CoinFileError> {
        let records = self.batch.records();
        let mut parts =
            records.chunks(records.len().div_ceil(threads.max(1)).max(PART_PAYMENTS_MIN));
        let first = parts.next().unwrap_or(&[]);
        thread::scope(|scope| {
            let others: Vec<_> =
                parts.map(|part| scope.spawn(|| self.clone().examine_part(part))).collect();
            let mut examined = self.clone().examine_part(first)?;
            for other in others {
                examined
                    .extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(examined)
        })
    }

    /// Examines some payments, in order.
    fn examine_part(mut self, records: &[&[u8]]) -> Result<Vec<ExaminedPayment>, CoinFileError> {
        let mut examined = Vec::new();
        let mut window = Window::default();
        for record in records {
            let payment = PaymentRecord::parse(record)
                .and_then(|payment| Ok((payment.x()?, payment)))
                .map_err(|_| Verdict::Malformed);
            let (outcome, payment) = self.open(payment);
            if outcome.coins.is_empty()
                && let Some((x, payment)) = payment
            {
                // Well formed: its coins are judged with the window.
                window.x.extend(x);
                window.payments.push((examined.len(), payment));
            }
            examined.push(outcome);
            if window.x.len() >= WINDOW_INPUTS {
                self.judge(std::mem::take(&mut window), &mut examined)?;
            }
        }
        self.judge(window, &mut examined)?;
        Ok(examined)
    }

    /// Judges a payment as a whole. If it fails, its coins already have a verdict.
    fn open(
        &mut self,
        payment: Result<(Vec<u64>, PaymentRecord), Verdict>,
    ) -> (ExaminedPayment, Option<(Vec<u64>, PaymentRecord)>) {
        let (x, payment) = match payment {
            Ok(payment) => payment,
            Err(verdict) => return (ExaminedPayment::unread(verdict), None),
        };
        let is_malformed = payment.coin_size() != self.rules.params().coin_size();
        let fault = is_malformed.then_some(Verdict::Malformed);
        let vendor = &self.batch.vendor;
        let known = self.user(&payment.user);
        let is_right = known.as_ref().is_some_and(|(_, key)| payment.is_authentic(key, vendor));
        let fault = fault.or(known.is_none().then_some(Verdict::UserDifferences));
        let examined = ExaminedPayment {
            user: Some(payment.user.clone()),
            kind: if is_right { ClaimKind::Payment } else { ClaimKind::DoubtfulPayment },
            tag: leading_u64(payment.authenticator.as_bytes()),
            coins: fault.map_or(Vec::new(), |verdict| vec![Err(verdict); payment.coins as usize]),
        };
        (examined, Some((x, payment)))
    }

    fn user(&mut self, user: &UserId) -> &Option<(UserVector, Key)> {
        let params = self.rules.params();
        self.users.entry(user.clone()).or_insert_with(|| {
            let vector = UserVector::new(params, user).ok()?;
            Some((vector, self.secret.user_key(params.period(), user)))
        })
    }

    /// Judges the coins of a window: first by hashing, then by looking up their balls.
    fn judge(&self, window: Window, examined: &mut [ExaminedPayment]) -> Result<(), CoinFileError> {
        let outputs = self.rules.outputs(&window.x);
        let k = self.rules.params().coin_size();
        let mut lookups = Vec::with_capacity(window.x.len());
        let mut coins = window.x.chunks_exact(k).zip(outputs.chunks_exact(k));
        for (at, payment) in &window.payments {
            let Some(Some((user, _))) = self.users.get(&payment.user) else { continue };
            for (coin, (x, outputs)) in coins.by_ref().take(payment.coins as usize).enumerate() {
                let bins = self.rules.check_coin(user, &self.vendor_vector, x, outputs);
                if let Ok(bins) = &bins {
                    let balls = bins.iter().zip(x);
                    lookups.extend(balls.map(|(bin, x)| Lookup {
                        bin: *bin,
                        x: *x,
                        payment: *at,
                        coin,
                    }));
                }
                examined[*at].coins.push(bins.map(|bins| bins[0]).map_err(verdict_of));
            }
        }
        self.look_up(lookups, examined)
    }

    /// Compares every ball with the one that was minted for its bin.
    fn look_up(
        &self,
        mut lookups: Vec<Lookup>,
        examined: &mut [ExaminedPayment],
    ) -> Result<(), CoinFileError> {
        lookups.sort_unstable_by_key(|lookup| lookup.bin);
        let bins: Vec<Bin> = lookups.iter().map(|lookup| lookup.bin).collect();
        for (lookup, stored) in lookups.iter().zip(self.coin_file.balls(&bins)?) {
            let coin = &mut examined[lookup.payment].coins[lookup.coin];
            if !stored.exists() || stored.x != lookup.x {
                *coin = Err(Verdict::Forged);
            } else if stored.status.contains(Status::COMPROMISED) && coin.is_ok() {
                *coin = Err(Verdict::Compromised);
            }
        }
        Ok(())
    }
}

impl ExaminedPayment {
    fn unread(verdict: Verdict) -> ExaminedPayment {
        ExaminedPayment {
            user: None,
            kind: ClaimKind::DoubtfulPayment,
            tag: 0,
            coins: vec![Err(verdict)],
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
