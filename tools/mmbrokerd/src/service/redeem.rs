//! Batches: what vendors redeem, and what they show to the watch.
//!
//! Input: a message whose authenticator is right. Output: a verdict for each coin. The invariants:
//! a batch is judged in parts of at most [`PART_COINS_MAX`] coins, each one transaction with its
//! credit, and goes on where it stopped; a batch larger than [`PIECE_SIZE`] is in the database
//! until it is judged, so its size takes no memory; a coin gets one verdict, and the same batch
//! again gets the same verdicts, except for claims that waited and have been decided since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use micromint::bin::Bin;
use micromint::broker::{
    Alarm, BatchRefusal, Buyer, Claim, Conduct, ExaminedPayment, Examiner, Served, batch_refusal,
    blocks, claimed_bins, decide, hour_of, served_by, set_too_late, watch_refusal,
};
use micromint::identity::{UserId, VendorId};
use micromint::period::Period;
use micromint::protocol::{
    Blocked, Id, ReadRedemption, RedemptionHead, RedemptionResult, RequestRedemption, Unsigned,
    Verdict,
};
use micromint::reply::Reply;
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};

use super::period::OpenPeriod;
use super::reading::{Data, Part, Reading};
use super::shown::Findings;
use super::vendors::VendorKey;
use super::{Service, ServiceError};
use crate::shop::Act;
use crate::store::{
    Account, AccountKind, BatchKind, BatchRow, NewPart, Posted, StagedRow, StoreError, SuperbinRow,
    Transaction, retried,
};

/// The most coins that one transaction judges. A payment is never split.
pub const PART_COINS_MAX: usize = 20_000;

/// How long one transaction may take: sales wait for it.
pub const PART_TIME_MAX: Duration = Duration::from_millis(100);
/// The fewest coins that one transaction judges, however slow the database is.
const PART_COINS_MIN: usize = 500;
/// The size of a piece of a staged batch, in bytes. A smaller batch is judged from the memory.
pub const PIECE_SIZE: usize = 1024 * 1024;
/// After how long a batch that did not arrive completely is removed, in seconds.
const ABANDONED_SECONDS: i64 = 3600;

/// After how long a complete batch is judged without its vendor's request, which may be judging it
/// in another process, in seconds.
const CUT_OFF_SECONDS: i64 = 120;

/// A message of a vendor, with its payments.
pub(super) struct Sent {
    pub(super) vendor: VendorId,
    pub(super) period: Arc<OpenPeriod>,
    pub(super) kind: BatchKind,
    pub(super) name: Id,
    pub(super) sha256: [u8; 32],
    pub(super) payments: u32,
    pub(super) data: Data,
    /// Whether it is in the audit log, or need not be.
    pub(super) is_noted: AtomicBool,
}

/// A batch that is being received.
#[derive(Debug, Default)]
pub struct Upload {
    /// Its number in the database, once it is too large for the memory.
    staged: Option<i64>,
    pieces: i64,
}

impl Upload {
    /// Its number in the database, if it is there.
    pub fn number(&self) -> Option<i64> {
        self.staged
    }
}

/// A staged batch that a request of this process judges. Whatever ends the request, the batch can
/// be judged by [`Service::go_on`] afterwards.
struct InWork<'a> {
    service: &'a Service,
    id: i64,
}

impl InWork<'_> {
    fn begin(service: &Service, id: i64) -> InWork<'_> {
        service.in_work().insert(id);
        InWork { service, id }
    }
}

impl Drop for InWork<'_> {
    fn drop(&mut self) {
        self.service.in_work().remove(&self.id);
    }
}

/// The answer to a batch or a watch, and what its operator should know.
#[derive(Clone, Debug)]
pub struct Answered<T> {
    /// The answer to the vendor.
    pub result: T,
    /// What is wrong with its coins.
    pub alarm: Alarm,
    /// Whether it was judged before.
    pub is_repeated: bool,
}

/// The answer to a batch.
pub type BatchReply = Reply<Answered<RedemptionResult>, BatchRefusal>;

/// The verdicts on a batch.
#[derive(Clone, Debug)]
pub(super) struct BatchAnswer {
    /// One for each coin, in order.
    pub(super) verdicts: Vec<Verdict>,
    /// The users whom the vendor should stop serving.
    pub(super) blocked: Vec<UserId>,
    /// What is wrong with its coins.
    pub(super) alarm: Alarm,
    /// Whether it was judged before.
    pub(super) is_repeated: bool,
}

/// What became of a part.
enum Judged {
    Now,
    /// Another process judged payments of this batch meanwhile; this many are judged.
    Elsewhere(u32),
    /// Redeem-until is over.
    TooLate,
    OtherContent,
    /// The vendor has to wait.
    TooMany(BatchRefusal),
}

/// The accounts between which a redemption moves money.
#[derive(Clone, Copy)]
struct Accounts {
    coins: i64,
    vendor: i64,
    vendor_number: u32,
    value: i64,
}

impl Service {
    /// Judges every coin of a batch that is in the memory, and pays what is good.
    ///
    /// # Errors
    /// The database or the coin file failed. The parts that were judged stay judged; the same batch
    /// again goes on from there.
    pub async fn redeem(
        &self,
        batch: RequestRedemption,
        now: UnixTime,
    ) -> Result<BatchReply, ServiceError> {
        let key = self.vendor_key(&batch.vendor).await?;
        let is_authentic = batch.is_authentic(&key.key);
        let RequestRedemption { vendor, batch: name, period, payments, authenticator, data } =
            batch;
        let sha256 = Sha256::digest(&data).into();
        let head = RedemptionHead { vendor, batch: name, period, payments, authenticator };
        let read = ReadRedemption { head, sha256, is_authentic };
        self.redeem_read(read, &key, Upload::default(), data, now).await
    }

    /// Takes a piece of a batch that is being received: keeps it in the database. A batch of a
    /// vendor who is not registered is refused.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_piece(
        &self,
        head: &RedemptionHead,
        upload: &mut Upload,
        piece: &[u8],
        now: UnixTime,
    ) -> Result<Reply<(), BatchRefusal>, ServiceError> {
        let id = match upload.staged {
            Some(id) => id,
            None => {
                let (period, vendor) = (&head.period, &head.vendor);
                if !self.store.is_vendor(period, vendor).await? {
                    let vendor = vendor.clone();
                    return Ok(Reply::Refused(BatchRefusal::UnknownVendor { vendor }));
                }
                let batch = (period, vendor, &head.batch);
                *upload.staged.insert(self.store.stage(batch, head.payments, now).await?)
            }
        };
        self.store.add_piece(id, upload.pieces, piece).await?;
        upload.pieces += 1;
        Ok(Reply::Granted(()))
    }

    /// Gives a batch up that did not arrive completely.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_up(&self, upload: Upload) -> Result<(), ServiceError> {
        if let Some(id) = upload.staged {
            self.store.remove_staged(id).await?;
        }
        Ok(())
    }

    /// Judges every coin of a batch that arrived completely, and pays what is good. `key` is the
    /// one with which it was read, and `rest` the data behind the pieces.
    ///
    /// # Errors
    /// As for [`Service::redeem`].
    pub async fn redeem_read(
        &self,
        read: ReadRedemption,
        key: &VendorKey,
        mut upload: Upload,
        rest: Vec<u8>,
        now: UnixTime,
    ) -> Result<BatchReply, ServiceError> {
        let ReadRedemption { head, sha256, is_authentic } = read;
        let vendor = head.vendor.clone();
        let Some(period) = self.period(&head.period) else {
            self.give_up(upload).await?;
            return Ok(Reply::Refused(BatchRefusal::UnknownVendor { vendor }));
        };
        // The key may have been replaced while the batch arrived.
        let is_current = self.store.vendor_key_number(&vendor).await? == key.number;
        if !is_authentic || !is_current {
            self.give_up(upload).await?;
            return Ok(Reply::Refused(BatchRefusal::WrongAuthenticator { vendor }));
        }
        let mut in_work = None;
        let data = if let Some(id) = upload.staged {
            let taken = self.take_piece(&head, &mut upload, &rest, now).await?;
            if let Reply::Refused(refusal) = taken {
                return Ok(Reply::Refused(refusal));
            }
            in_work = Some(InWork::begin(self, id));
            self.store.complete_staged(id, &sha256).await?;
            Data::Staged(id)
        } else {
            Data::Memory(Arc::new(rest))
        };
        let RedemptionHead { batch: name, payments, .. } = head;
        let kind = BatchKind::Redemption;
        let is_noted = AtomicBool::new(self.by.is_none());
        let sent = Sent { vendor, period, kind, name, sha256, payments, data, is_noted };
        let (vendor, name) = (sent.vendor.clone(), sent.name.clone());
        let judged = self.judge(sent, now).await?;
        self.give_up(upload).await?;
        drop(in_work);
        Ok(judged.map(|BatchAnswer { verdicts, blocked, alarm, is_repeated }| {
            let authenticator = Unsigned;
            let blocked = Blocked::new(blocked);
            let result = RedemptionResult { vendor, batch: name, blocked, authenticator, verdicts }
                .authenticated(&key.key, &head.period, &sha256);
            Answered { result, alarm, is_repeated }
        }))
    }

    /// The staged batches that requests of this process judge.
    fn in_work(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.in_work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges what is left of staged batches whose judgement was cut off, and removes those that
    /// did not arrive or are refused. One whose vendor has to wait is kept. Returns the number of
    /// batches that were judged.
    ///
    /// # Errors
    /// The database or a coin file failed. The next call goes on.
    pub async fn go_on(&self) -> Result<u32, ServiceError> {
        for id in self.store.abandoned(self.now().plus_seconds(-ABANDONED_SECONDS)).await? {
            self.store.remove_staged(id).await?;
        }
        let mut judged = 0;
        let before = self.now().plus_seconds(-CUT_OFF_SECONDS);
        for row in self.store.staged(before).await? {
            let StagedRow { id, period, vendor, name, payments, sha256 } = row;
            if self.in_work().contains(&id) {
                continue;
            }
            let Some(period) = self.period(&period) else { continue };
            let Ok(sha256) = sha256.try_into() else { continue };
            let (kind, data) = (BatchKind::Redemption, Data::Staged(id));
            let is_noted = AtomicBool::new(self.by.is_none());
            let sent = Sent { vendor, period, kind, name, sha256, payments, data, is_noted };
            match self.judge(sent, self.now()).await? {
                // Its vendor asks for the answer.
                Reply::Granted(_) => judged += 1,
                Reply::Refused(refusal) if refusal.is_for_now() => continue,
                Reply::Refused(_) => {}
            }
            self.store.remove_staged(id).await?;
        }
        Ok(judged)
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
        let is_repeated = known.is_some() && judged == sent.payments as usize;
        let mut too_late = Vec::new();
        if !is_repeated {
            self.check_progress().await?;
            sent.period.catch_up(&self.store).await?;
            let judged = self.judge_parts(&sent, judged, now).await?;
            // Parts that were judged moved money, even if the rest is refused.
            self.note_progress().await?;
            match judged {
                Reply::Granted(late) => too_late = late,
                Reply::Refused(refusal) => return Ok(Reply::Refused(refusal)),
            }
        }
        let known = self.store.batch(period, &vendor, sent.kind, &sent.name).await?;
        // Another process may have judged some of them in time.
        let judged = known.as_ref().map_or(0, |known| known.judged);
        too_late.retain(|claim| claim.payment >= judged);
        let answer = self.answer_of(&sent, known.as_ref(), too_late, now).await?;
        Ok(Reply::Granted(BatchAnswer { is_repeated, ..answer }))
    }

    /// Judges the payments from `next` on. Returns the claims of those that came too late. Refused
    /// if the Batch-ID has other content, or the vendor has to wait.
    async fn judge_parts(
        &self,
        sent: &Arc<Sent>,
        mut next: usize,
        now: UnixTime,
    ) -> Result<Reply<Vec<Claim>, BatchRefusal>, ServiceError> {
        if let Some(refusal) = self.excess(sent, now).await? {
            return Ok(Reply::Refused(refusal));
        }
        let accounts = self.accounts_of(sent).await?;
        let mut reading = self.read_from(sent, next).await?;
        // The next part is examined while this one is being written.
        let mut examining = self.examine(sent, reading.part(self.part_coins()).await?);
        loop {
            let examined = examining.await?;
            if examined.is_empty() && next < sent.payments as usize {
                return Err(ServiceError::GivenUp("the staged batch was removed meanwhile"));
            }
            let end = next + examined.len();
            examining = self.examine(sent, reading.part(self.part_coins()).await?);
            let start = Instant::now();
            match self.judge_part(sent, &examined, next, accounts, now).await? {
                Judged::Now => next = end,
                Judged::Elsewhere(judged) => {
                    next = judged as usize;
                    reading = self.read_from(sent, next).await?;
                    examining = self.examine(sent, reading.part(self.part_coins()).await?);
                }
                Judged::OtherContent => {
                    let (vendor, id) = (sent.vendor.clone(), sent.name.clone());
                    return Ok(Reply::Refused(BatchRefusal::OtherContent { vendor, id }));
                }
                Judged::TooMany(refusal) => return Ok(Reply::Refused(refusal)),
                Judged::TooLate => return self.too_late(sent, next, now).await.map(Reply::Granted),
            }
            self.set_pace(start.elapsed());
            if next >= sent.payments as usize {
                return Ok(Reply::Granted(Vec::new()));
            }
            if let Some(refusal) = self.excess(sent, now).await? {
                return Ok(Reply::Refused(refusal));
            }
        }
    }

    /// Why a batch is judged no further in this hour. Nobody limits the operator, who reads batches
    /// of files.
    async fn excess(&self, sent: &Sent, now: UnixTime) -> Result<Option<BatchRefusal>, StoreError> {
        if sent.kind == BatchKind::Watch || self.by.is_some() {
            return Ok(None);
        }
        let (vendor, hour) = (&sent.vendor, hour_of(now));
        let batches = self.store.other_batches(vendor, &sent.name, hour).await?;
        let coins = self.store.coins_refused(vendor, hour).await?;
        Ok(batch_refusal(vendor, batches, coins))
    }

    async fn read_from(&self, sent: &Sent, payment: usize) -> Result<Reading, StoreError> {
        let mut reading = Reading::new(&self.store, &sent.data);
        reading.skip(payment as u32).await?;
        Ok(reading)
    }

    /// How many coins the next transaction judges.
    fn part_coins(&self) -> usize {
        self.pace.load(Ordering::Relaxed).min(self.part_coins)
    }

    /// Adapts the size of a part to the time that the last one took.
    fn set_pace(&self, took: Duration) {
        let pace = self.pace.load(Ordering::Relaxed);
        let next = if took > PART_TIME_MAX * 3 / 4 {
            pace / 2
        } else if took < PART_TIME_MAX / 3 {
            pace + pace / 2
        } else {
            pace
        };
        self.pace.store(next.clamp(PART_COINS_MIN, PART_COINS_MAX), Ordering::Relaxed);
    }

    /// Examines a part, on another thread.
    fn examine(
        &self,
        sent: &Arc<Sent>,
        part: Part,
    ) -> impl Future<Output = Result<Vec<ExaminedPayment>, ServiceError>> + use<> {
        let (sent, secret, threads) = (Arc::clone(sent), self.secret().clone(), self.threads);
        let task = tokio::task::spawn_blocking(move || {
            let period = &sent.period;
            let index = period.index();
            let examiner =
                Examiner::new(period.rules(), period.coin_file(), &secret, &*index, &sent.vendor);
            Ok(examiner.examine(&part.payments(), threads)?)
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
            if sent.kind == BatchKind::Watch {
                // Watches at the same time are counted too.
                tx.lock_name(&format!("watch {}", sent.vendor)).await?;
                let shown = tx.coins_shown(&sent.vendor, hour_of(now)).await?;
                let coins = examined.iter().map(|payment| payment.coins.len() as u64).sum();
                if let Some(refusal) = watch_refusal(&sent.vendor, shown, coins) {
                    return Ok(Judged::TooMany(refusal));
                }
            }
            let claims = decide_part(&mut tx, sent, examined, first as u32).await?;
            let payments = (first as u32, examined.len() as u32);
            record_part(&mut tx, sent, &batch, payments, &claims, accounts, now).await?;
            if sent.kind == BatchKind::Redemption {
                let accepted =
                    claims.iter().filter(|claim| claim.verdict == Verdict::Accepted).count();
                let reference = format!("redemption {} {first}", batch.id);
                pay(&mut tx, accounts, accepted, &reference, now).await?;
                let refused = claims.iter().filter(|claim| is_refused(claim)).count() as u64;
                tx.add_coins_refused(&sent.vendor, hour_of(now), refused).await?;
            }
            if let Some(by) = self.by.filter(|_| !sent.is_noted.load(Ordering::Relaxed)) {
                let act = match sent.kind {
                    BatchKind::Redemption => Act::BatchJudged,
                    BatchKind::Watch => Act::Watched,
                };
                let detail = format!("{} {} {}", sent.period.name(), sent.vendor, sent.name);
                tx.audit(by, act, &detail, now).await?;
            }
            tx.commit().await?;
            sent.is_noted.store(true, Ordering::Relaxed);
            Ok::<Judged, StoreError>(Judged::Now)
        })?;
        Ok(judged)
    }

    /// The claims of the payments from `next` on, after redeem-until. They are counted, and not
    /// recorded.
    async fn too_late(
        &self,
        sent: &Arc<Sent>,
        mut next: usize,
        now: UnixTime,
    ) -> Result<Vec<Claim>, ServiceError> {
        let mut claims = Vec::new();
        let mut reading = self.read_from(sent, next).await?;
        loop {
            let examined = self.examine(sent, reading.part(self.part_coins()).await?).await?;
            if examined.is_empty() {
                break;
            }
            let count = claimed_bins(&examined).len();
            let mut late = decide(&examined, next as u32, vec![false; count]);
            set_too_late(&mut late);
            claims.extend(late);
            next += examined.len();
        }
        // They are counted, so that they cannot be sent all the time.
        let refused = claims.len() as u64;
        retried!(async {
            let mut tx = self.store.begin().await?;
            tx.add_coins_refused(&sent.vendor, hour_of(now), refused).await?;
            tx.commit().await
        })?;
        Ok(claims)
    }

    /// The verdicts on a batch as they stand now, from its parts and the claims that came too late.
    async fn answer_of(
        &self,
        sent: &Sent,
        batch: Option<&BatchRow>,
        too_late: Vec<Claim>,
        now: UnixTime,
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
        let blocks = match sent.kind {
            // Nothing was recorded: it came too late.
            _ if batch.is_none() => blocks([]),
            BatchKind::Redemption => blocks(sum.served),
            BatchKind::Watch => self.blocks_of_hour(&sent.period, &sent.vendor, now).await?,
        };
        let index = sent.period.index();
        let named = blocks.in_order(sum.sent);
        let blocked = named.iter().filter_map(|buyer| index.name_of(*buyer).cloned()).collect();
        Ok(BatchAnswer { verdicts: sum.verdicts, blocked, alarm: sum.alarm, is_repeated: false })
    }
}

/// The sum over the parts of a batch.
#[derive(Default)]
struct Sum {
    verdicts: Vec<Verdict>,
    served: Vec<Served<Buyer>>,
    known: BTreeSet<(Buyer, bool)>,
    /// Whom the payments name.
    sent: BTreeSet<Buyer>,
    alarm: Alarm,
}

impl Sum {
    /// Adds the claims of a part. `decided` are the verdicts on those that waited, after the
    /// settlement.
    fn add(&mut self, claims: &[Claim], decided: Option<&BTreeMap<u32, u8>>, at: UnixTime) {
        self.alarm.add(Alarm::of(claims));
        self.sent.extend(claims.iter().filter_map(|claim| claim.buyer));
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

/// Whether a coin gets nothing, now or at the settlement.
fn is_refused(claim: &Claim) -> bool {
    !matches!(claim.verdict, Verdict::Accepted | Verdict::Waiting)
}

async fn open_batch(
    tx: &mut Transaction,
    sent: &Sent,
    now: UnixTime,
) -> Result<BatchRow, StoreError> {
    let content = (sent.sha256.as_slice(), sent.payments);
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
