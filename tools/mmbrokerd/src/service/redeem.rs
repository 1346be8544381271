//! Batches: what vendors redeem, and what they show to the watch.
//!
//! Input: a message whose authenticator is right. Output: a verdict for each coin. The invariants:
//! a batch is judged in parts of at most [`PART_COINS_MAX`] coins, each one transaction with its
//! credit, and goes on where it stopped; a coin gets one verdict, and the same batch again gets the
//! same verdicts, but for claims that waited and have been decided since.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use micromint::authenticator::{AUTHENTICATOR_SIZE, Authenticator};
use micromint::bin::Bin;
use micromint::broker::{
    Alarm, BatchRefusal, Blocks, Buyer, Claim, Conduct, ExaminedPayment, Examiner, Served, blocks,
    claimed_bins, decide, served_by, set_too_late,
};
use micromint::identity::{UserId, VendorId};
use micromint::period::Period;
use micromint::protocol::{
    Blocked, Id, PaymentRecord, RedemptionResult, RequestRedemption, Verdict,
};
use micromint::reply::Reply;
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};

use super::period::OpenPeriod;
use super::shown::Findings;
use super::{Service, ServiceError};
use crate::store::{
    Account, AccountKind, BatchKind, BatchRow, NewPart, Posted, StoreError, SuperbinRow,
    Transaction, retried,
};

/// The most coins that one transaction judges. A payment is never split.
pub const PART_COINS_MAX: usize = 20_000;

/// A message of a vendor, with its payments.
pub(super) struct Sent {
    pub(super) vendor: VendorId,
    pub(super) period: Arc<OpenPeriod>,
    pub(super) kind: BatchKind,
    pub(super) name: Id,
    pub(super) sha256: [u8; 32],
    pub(super) data: Vec<u8>,
    /// The payment records in the data.
    pub(super) records: Vec<Range<usize>>,
}

/// The verdicts on a batch.
#[derive(Clone, Debug)]
pub struct BatchAnswer {
    /// One for each coin, in order.
    pub verdicts: Vec<Verdict>,
    /// The users whom the vendor should stop serving.
    pub blocked: Vec<UserId>,
    /// What is wrong with its coins.
    pub alarm: Alarm,
    /// Whether it was judged before.
    pub is_repeated: bool,
}

/// What became of a part.
enum Judged {
    Now,
    /// Another process judged payments of this batch meanwhile; so many are judged.
    Elsewhere(u32),
    /// Redeem-until is over.
    TooLate,
    OtherContent,
}

/// The accounts between which a redemption moves money.
#[derive(Clone, Copy)]
struct Accounts {
    coins: i64,
    vendor: i64,
    vendor_number: u32,
    value: i64,
}

impl Sent {
    pub(super) fn new(
        period: Arc<OpenPeriod>,
        (vendor, kind, name): (VendorId, BatchKind, Id),
        sha256: [u8; 32],
        data: Vec<u8>,
    ) -> Sent {
        let records = records_in(&data);
        Sent { vendor, period, kind, name, sha256, data, records }
    }

    /// The number of its coins. A record that cannot be read counts as one.
    pub(super) fn coins(&self) -> u64 {
        let coins = |record: &Range<usize>| {
            let parsed = PaymentRecord::parse(&self.data[record.clone()]);
            parsed.map_or(1, |payment| u64::from(payment.coins))
        };
        self.records.iter().map(coins).sum()
    }

    /// The end of the part that begins with this payment.
    fn part_end(&self, first: usize, coins_max: usize) -> usize {
        let (mut end, mut coins) = (first, 0);
        while let Some(record) = self.records.get(end) {
            let parsed = PaymentRecord::parse(&self.data[record.clone()]);
            coins += parsed.map_or(1, |payment| payment.coins as usize);
            if coins > coins_max && end > first {
                break;
            }
            end += 1;
        }
        end
    }
}

/// The places of the payment records in the data of a message, which was checked when it was read.
fn records_in(data: &[u8]) -> Vec<Range<usize>> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(size) = data.get(at..at + 4) {
        let start = at + 4;
        at = start + size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        records.push(start..at);
    }
    records
}

impl Service {
    /// Judges every coin of a batch and pays what is good.
    ///
    /// # Errors
    /// The database or the coin file failed. The parts that were judged stay judged; the same batch
    /// again goes on from there.
    pub async fn redeem(
        &self,
        batch: RequestRedemption,
        now: UnixTime,
    ) -> Result<Reply<RedemptionResult, BatchRefusal>, ServiceError> {
        let vendor = batch.vendor;
        let Some(period) = self.period(&batch.period) else {
            return Ok(Reply::Refused(BatchRefusal::UnknownVendor { vendor }));
        };
        let key = self.secret().vendor_key(&vendor);
        let batch = RequestRedemption { vendor, ..batch };
        if !batch.is_authentic(&key) {
            return Ok(Reply::Refused(BatchRefusal::WrongAuthenticator { vendor: batch.vendor }));
        }
        let RequestRedemption { vendor, batch: id, period: name, data, .. } = batch;
        let sha256: [u8; 32] = Sha256::digest(&data).into();
        let sent =
            Sent::new(period, (vendor.clone(), BatchKind::Redemption, id.clone()), sha256, data);
        let judged = self.judge(sent, now).await?;
        Ok(judged.map(|BatchAnswer { verdicts, blocked, .. }| {
            let authenticator = Authenticator::from_bytes([0; AUTHENTICATOR_SIZE]);
            let blocked = Blocked::new(blocked);
            RedemptionResult { vendor, batch: id, blocked, authenticator, verdicts }
                .authenticated(&key, &name, &sha256)
        }))
    }

    /// Judges a batch or a watch whose authenticator is right, as far as it is not judged yet.
    pub(super) async fn judge(
        &self,
        sent: Sent,
        now: UnixTime,
    ) -> Result<Reply<BatchAnswer, BatchRefusal>, ServiceError> {
        let sent = Arc::new(sent);
        let (vendor, id) = (sent.vendor.clone(), sent.name.clone());
        let period = sent.period.name();
        if !self.store.is_vendor(period, &vendor).await? {
            return Ok(Reply::Refused(BatchRefusal::UnknownVendor { vendor }));
        }
        let known = self.store.batch(period, &vendor, sent.kind, &sent.name).await?;
        if known.as_ref().is_some_and(|known| known.sha256 != sent.sha256) {
            return Ok(Reply::Refused(BatchRefusal::OtherContent { vendor, id }));
        }
        let judged = known.as_ref().map_or(0, |known| known.judged as usize);
        let is_repeated = known.is_some() && judged == sent.records.len();
        let mut too_late = Vec::new();
        if !is_repeated {
            sent.period.catch_up(&self.store).await?;
            match self.judge_parts(&sent, judged, now).await? {
                Reply::Granted(late) => too_late = late,
                Reply::Refused(()) => {
                    return Ok(Reply::Refused(BatchRefusal::OtherContent { vendor, id }));
                }
            }
        }
        let known = self.store.batch(period, &vendor, sent.kind, &sent.name).await?;
        let answer = self.answer_of(&sent, known.as_ref(), too_late).await?;
        Ok(Reply::Granted(BatchAnswer { is_repeated, ..answer }))
    }

    /// Judges the payments from `next` on. Returns the claims of those that came too late. Refused
    /// if the Batch-ID has other content.
    async fn judge_parts(
        &self,
        sent: &Arc<Sent>,
        mut next: usize,
        now: UnixTime,
    ) -> Result<Reply<Vec<Claim>, ()>, ServiceError> {
        let accounts = self.accounts_of(sent).await?;
        // The next part is examined while this one is being written.
        let mut examining = self.examine(sent, next);
        while next < sent.records.len() || sent.records.is_empty() {
            let examined = examining.await?;
            let end = next + examined.len();
            examining = self.examine(sent, end);
            match self.judge_part(sent, &examined, next, accounts, now).await? {
                Judged::Now => next = end,
                Judged::Elsewhere(judged) => {
                    next = judged as usize;
                    examining = self.examine(sent, next);
                }
                Judged::OtherContent => return Ok(Reply::Refused(())),
                Judged::TooLate => return self.too_late(sent, next).await.map(Reply::Granted),
            }
            if sent.records.is_empty() {
                break;
            }
        }
        Ok(Reply::Granted(Vec::new()))
    }

    /// Examines the part that begins with this payment, on another thread.
    fn examine(
        &self,
        sent: &Arc<Sent>,
        first: usize,
    ) -> impl Future<Output = Result<Vec<ExaminedPayment>, ServiceError>> + use<> {
        let (sent, secret, threads) = (Arc::clone(sent), self.secret().clone(), self.threads);
        let part_coins = self.part_coins;
        let task = tokio::task::spawn_blocking(move || {
            let records: Vec<&[u8]> = sent.records[first..sent.part_end(first, part_coins)]
                .iter()
                .map(|record| &sent.data[record.clone()])
                .collect();
            let period = &sent.period;
            let index = period.index();
            let examiner =
                Examiner::new(period.rules(), period.coin_file(), &secret, &*index, &sent.vendor);
            Ok(examiner.examine(&records, threads)?)
        });
        async { task.await.map_err(|_| ServiceError::GivenUp("a thread failed"))? }
    }

    async fn accounts_of(&self, sent: &Sent) -> Result<Accounts, ServiceError> {
        let value = sent.period.params().coin_value();
        let account = |kind, owner: &str| Account::new(kind, owner, value.currency());
        let coins = account(AccountKind::Coins, sent.period.name().as_str());
        let vendor = account(AccountKind::Vendor, sent.vendor.as_str());
        Ok(Accounts {
            coins: self.store.account(&coins).await?,
            vendor: self.store.account(&vendor).await?,
            vendor_number: self.store.vendor_number(&sent.vendor).await?,
            value: i64::try_from(value.units()).map_err(|_| StoreError::TooLarge("coin value"))?,
        })
    }

    /// Judges one part in one transaction.
    async fn judge_part(
        &self,
        sent: &Sent,
        examined: &[ExaminedPayment],
        first: usize,
        accounts: Accounts,
        now: UnixTime,
    ) -> Result<Judged, ServiceError> {
        let is_late = now >= sent.period.params().raw().redeem_until;
        let judged = retried!(async {
            let mut tx = self.store.begin().await?;
            if tx.period_is_settled(sent.period.name()).await? || is_late {
                return Ok(Judged::TooLate);
            }
            let batch = open_batch(&mut tx, sent, now).await?;
            if batch.sha256 != sent.sha256 {
                return Ok(Judged::OtherContent);
            }
            if batch.judged as usize != first {
                return Ok(Judged::Elsewhere(batch.judged));
            }
            if examined.is_empty() {
                tx.commit().await?;
                return Ok(Judged::Now);
            }
            let claims = decide_part(&mut tx, sent, examined, first as u32).await?;
            let payments = (first as u32, examined.len() as u32);
            record_part(&mut tx, sent, &batch, payments, &claims, accounts, now).await?;
            if sent.kind == BatchKind::Redemption {
                let accepted =
                    claims.iter().filter(|claim| claim.verdict == Verdict::Accepted).count();
                let reference = format!("redemption {} {first}", batch.id);
                pay(&mut tx, accounts, accepted, &reference, now).await?;
            }
            tx.commit().await?;
            Ok::<Judged, StoreError>(Judged::Now)
        })?;
        Ok(judged)
    }

    /// The claims of the payments from `next` on, after redeem-until. Nothing is recorded.
    async fn too_late(
        &self,
        sent: &Arc<Sent>,
        mut next: usize,
    ) -> Result<Vec<Claim>, ServiceError> {
        let mut claims = Vec::new();
        while next < sent.records.len() {
            let examined = self.examine(sent, next).await?;
            let count = claimed_bins(&examined).len();
            let mut late = decide(&examined, next as u32, vec![false; count]);
            set_too_late(&mut late);
            claims.extend(late);
            next += examined.len();
        }
        Ok(claims)
    }

    /// The verdicts on a batch as they stand now, from its parts and the claims that came too late.
    async fn answer_of(
        &self,
        sent: &Sent,
        batch: Option<&BatchRow>,
        too_late: Vec<Claim>,
    ) -> Result<BatchAnswer, ServiceError> {
        let row = self.store.period(sent.period.name()).await?;
        let is_settled = row.is_some_and(|row| row.settled_at.is_some());
        let mut sum = Sum::default();
        let at = batch.map_or(UnixTime(0), |batch| batch.at);
        for id in match batch {
            Some(batch) => self.store.part_ids(batch.id).await?,
            None => Vec::new(),
        } {
            let part = self.store.part(id).await?;
            let decided = match is_settled && sent.kind == BatchKind::Redemption {
                true => Some(self.store.doubtful_verdicts(id).await?),
                false => None,
            };
            sum.add(&part.claims, decided.as_ref(), at);
        }
        sum.add(&too_late, None, at);
        let Blocks { users, .. } = match sent.kind {
            BatchKind::Redemption => blocks(sum.served),
            BatchKind::Watch => self.blocks_of_hour(&sent.period, &sent.vendor, self.now()).await?,
        };
        let index = sent.period.index();
        let blocked = users.iter().filter_map(|buyer| index.name_of(*buyer).cloned()).collect();
        Ok(BatchAnswer { verdicts: sum.verdicts, blocked, alarm: sum.alarm, is_repeated: false })
    }
}

/// The sum over the parts of a batch.
#[derive(Default)]
struct Sum {
    verdicts: Vec<Verdict>,
    served: Vec<Served<Buyer>>,
    known: BTreeSet<(Buyer, bool)>,
    alarm: Alarm,
}

impl Sum {
    /// Adds the claims of a part. `decided` are the verdicts on those that waited, after the
    /// settlement.
    fn add(&mut self, claims: &[Claim], decided: Option<&BTreeMap<u32, u8>>, at: UnixTime) {
        let alarm = Alarm::of(claims);
        self.alarm.forged += alarm.forged;
        self.alarm.not_from_owner += alarm.not_from_owner;
        self.alarm.invented += alarm.invented;
        for served in served_by(claims, at) {
            let is_failing = served.conduct == Conduct::Failing;
            if served.conduct != Conduct::NotFrom && self.known.insert((served.user, is_failing)) {
                self.served.push(served);
            }
        }
        self.verdicts.extend((0..).zip(claims).map(|(position, claim)| {
            match (claim.verdict, decided) {
                (Verdict::Waiting, Some(decided)) => decided
                    .get(&position)
                    .and_then(|code| Verdict::from_code(*code))
                    .unwrap_or(Verdict::AlreadyPaid),
                (verdict, _) => verdict,
            }
        }));
    }
}

async fn open_batch(
    tx: &mut Transaction,
    sent: &Sent,
    now: UnixTime,
) -> Result<BatchRow, StoreError> {
    let content = (sent.sha256.as_slice(), sent.records.len() as u32);
    tx.open_batch(sent.period.name(), &sent.vendor, (sent.kind, &sent.name), content, now).await
}

/// Decides the claims of a part, and marks what is paid.
async fn decide_part(
    tx: &mut Transaction,
    sent: &Sent,
    examined: &[ExaminedPayment],
    first: u32,
) -> Result<Vec<Claim>, StoreError> {
    let bins = claimed_bins(examined);
    let superbins: BTreeSet<u32> = bins.iter().map(|bin| bin.superbin).collect();
    let superbins: Vec<u32> = superbins.into_iter().collect();
    let period = sent.period.name();
    let mut rows = tx.lock_superbins(period, &superbins).await?;
    let is_paid = |bin: &Bin| rows.get(&bin.superbin).is_some_and(|row| row.is_paid(bin.subbin));
    let paid: Vec<bool> = bins.iter().map(is_paid).collect();
    let claims = decide(examined, first, paid);
    if sent.kind == BatchKind::Redemption {
        let changed = mark_paid(&mut rows, &claims);
        if !changed.is_empty() {
            let written = rows.iter().filter(|(superbin, _)| changed.contains(superbin));
            tx.write_superbins(period, written.map(|(superbin, row)| (*superbin, row))).await?;
        }
    }
    Ok(claims)
}

/// Sets the bits of accepted claims. Returns the superbins that changed.
fn mark_paid(rows: &mut BTreeMap<u32, SuperbinRow>, claims: &[Claim]) -> BTreeSet<u32> {
    let mut changed = BTreeSet::new();
    for claim in claims.iter().filter(|claim| claim.verdict == Verdict::Accepted) {
        if let Some(bin) = claim.bin {
            rows.entry(bin.superbin).or_default().paid.set(bin.subbin);
            changed.insert(bin.superbin);
        }
    }
    changed
}

/// Records the claims of a part, with those that wait.
async fn record_part(
    tx: &mut Transaction,
    sent: &Sent,
    batch: &BatchRow,
    (first_payment, payments): (u32, u32),
    claims: &[Claim],
    accounts: Accounts,
    now: UnixTime,
) -> Result<(), StoreError> {
    let count = |verdict| claims.iter().filter(|claim| claim.verdict == verdict).count() as u64;
    let alarm = Alarm::of(claims);
    let counts = [
        count(Verdict::Accepted),
        count(Verdict::Waiting),
        alarm.forged,
        alarm.not_from_owner,
        alarm.invented,
    ];
    let part = NewPart { batch: batch.id, first_payment, payments, claims, counts };
    let part = tx.add_part(&part).await?;
    let period: &Period = sent.period.name();
    if sent.kind == BatchKind::Redemption && counts[1] > 0 {
        let waiting: Vec<(u32, Bin, u8)> = (0..)
            .zip(claims)
            .filter(|(_, claim)| claim.verdict == Verdict::Waiting)
            .filter_map(|(position, claim)| Some((position, claim.bin?, claim.verdict.code())))
            .collect();
        tx.add_doubtful(period, &sent.vendor, part, &waiting).await?;
    }
    let findings = Findings {
        period: &sent.period,
        vendor: &sent.vendor,
        vendor_number: accounts.vendor_number,
        kind: sent.kind,
    };
    findings.record(tx, claims, now).await
}

/// Moves the value of accepted coins to the vendor.
async fn pay(
    tx: &mut Transaction,
    accounts: Accounts,
    accepted: usize,
    reference: &str,
    now: UnixTime,
) -> Result<(), StoreError> {
    let amount = i64::try_from(accepted)
        .ok()
        .and_then(|accepted| accepted.checked_mul(accounts.value))
        .ok_or(StoreError::TooLarge("redemption"))?;
    let entries = [(accounts.coins, -amount), (accounts.vendor, amount)];
    match tx.post("redemption", reference, &entries, now).await? {
        Posted::Made(_) => Ok(()),
        Posted::TooLittle(_) => Err(StoreError::Value {
            what: "the money of sold coins",
            expected: "at least what is redeemed",
            found: format!("too little for {accepted} coins"),
        }),
    }
}
