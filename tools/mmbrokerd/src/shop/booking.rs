//! Payout runs that the bank paid and the books do not have: forgotten by a restore, or recorded as
//! come back.
//!
//! Input: the file of a run, as the bank got it. Output: the run in the books, with its money. The
//! invariants: a payment is booked once; no balance falls below zero: a payment that its balance
//! cannot pay is kept apart, and its owner is paid nothing else until it is booked; all is booked
//! in one transaction, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use micromint::identity::{UserId, VendorId};
use micromint::money::{Currency, Money};
use micromint::protocol::parse_decimal;
use micromint::reply::Reply;
use micromint::time::UnixTime;
use sqlx::Row;

use super::audit::Act;
use super::payouts::{ITEMS_MAX, Own, kind_of};
use super::sepa::Item;
use crate::service::{FORGOTTEN_RUNS_MAX, PAYOUTS, Service, ServiceError};
use crate::store::{Account, AccountKind, Posted as Made, Store, StoreError, Transaction, retried};

/// The largest file of a run, in bytes.
pub const RUN_FILE_SIZE_MAX: usize = 8 * 1024 * 1024;
/// The longest IBAN and name that are kept of a file, in characters.
const TEXT_LEN_MAX: usize = 140;
/// How many accounts a refusal names at most.
const NAMED_MAX: usize = 20;

/// A run as its file has it.
#[derive(Clone, Debug)]
pub struct RunFile {
    run: u64,
    currency: Currency,
    items: Vec<Item>,
    /// The payments that had come back when the file was written. They are not booked.
    pub failed: u64,
}

/// A payment that its balance cannot pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The User-ID or Vendor-ID.
    pub owner: String,
    /// Whether it is a vendor.
    pub is_vendor: bool,
    /// What the balance is.
    pub balance: Money,
    /// What the bank paid.
    pub paid: Money,
    /// The fee, which the payment takes from the balance too.
    pub fee: Money,
}

impl fmt::Display for Short {
    /// `bob has 0.00 EUR of the 5.00 EUR that the bank paid and the fee of 0.35 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (owner, balance, paid) = (&self.owner, self.balance.in_words(), self.paid.in_words());
        write!(f, "{owner} has {balance} of the {paid} that the bank paid")?;
        if self.fee.units() > 0 {
            write!(f, " and the fee of {}", self.fee.in_words())?;
        }
        Ok(())
    }
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The number of the run.
    pub run: u64,
    /// How many payments were booked now.
    pub now: u64,
    /// How many were booked before.
    pub before: u64,
    /// What the bank paid with those that were booked now.
    pub total: Money,
    /// Those that wait until their balances can pay them.
    pub short: Vec<Short>,
}

/// Why a run is not booked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookRefusal {
    /// The file does not belong to a run.
    #[error("line {line}: expected {expected}, found {found:?}; nothing was booked")]
    File {
        /// The line, from 1.
        line: u64,
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The file has too many payments, or none.
    #[error("expected 1 to {ITEMS_MAX} payments that did not come back; nothing was booked")]
    Count,
    /// Nothing was ever sold in this currency.
    #[error("no period of the broker is in {0}; nothing was booked")]
    Currency(Currency),
    /// The number is too far past what the broker knows.
    #[error("expected a payout run from 1 to {most}, found {found}; nothing was booked")]
    TooFar {
        /// The highest number.
        most: u64,
        /// The number of the file.
        found: u64,
    },
    /// The books have the run with other payments.
    #[error(
        "payout run {run} is in the books, and its payment to {owner} differs or is missing there: \
         compare it on /operator/payouts/{run}; nothing was booked"
    )]
    Other {
        /// The run.
        run: u64,
        /// To whom the first payment is that differs.
        owner: String,
    },
    /// The run is open, and the file has not all of its open payments.
    #[error(
        "payout run {run} is not paid in the books, and has a payment to {owner} that the file has \
         not; nothing was booked"
    )]
    Open {
        /// The run.
        run: u64,
        /// To whom it is.
        owner: String,
    },
    /// Balances are too small.
    #[error(
        "these balances are too small: {}. Nothing was booked. {}; with --short the other payments \
         are booked, and nothing is paid to these until theirs can be booked too",
        named(.0),
        what_helps(.0)
    )]
    TooLittle(Vec<Short>),
}

/// The accounts that are short, in words.
fn named(short: &[Short]) -> String {
    let mut words: Vec<String> = short.iter().take(NAMED_MAX).map(Short::to_string).collect();
    if short.len() > NAMED_MAX {
        words.push(format!("and {} more", short.len() - NAMED_MAX));
    }
    words.join(", ")
}

/// What makes the balances of these accounts as large as they were.
fn what_helps(short: &[Short]) -> String {
    let vendors = "let the vendors send their batches again, as `mmvendor sync` does after a \
                   restore";
    let clients = "enter again what the clients had paid in since the backup";
    let both = [(true, vendors), (false, clients)];
    let ways = both.iter().filter(|(kind, _)| short.iter().any(|it| it.is_vendor == *kind));
    let ways: Vec<&str> = ways.map(|(_, way)| *way).collect();
    format!("First {}", ways.join(", and "))
}

impl RunFile {
    /// Reads the CSV file of a run, as `/operator/payouts` writes it. `iban`, `name`, `fee` and
    /// `state` may be missing.
    ///
    /// # Errors
    /// It is no such file, or has payments of several runs or currencies, or two to one account.
    pub fn parse(bytes: &[u8]) -> Result<RunFile, BookRefusal> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // With these, lines would be counted from the one before.
        let bytes: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
        let head = reader.headers().map_err(|error| unreadable(&error, 1))?.clone();
        for name in ["reference", "kind", "owner", "amount", "currency"] {
            if !head.iter().any(|found| found.trim() == name) {
                let found = head.iter().collect::<Vec<_>>().join(",");
                let found = found.chars().take(TEXT_LEN_MAX).collect();
                let expected = "the columns reference, kind, owner, amount and currency";
                return Err(BookRefusal::File { line: 1, expected, found });
            }
        }
        let (mut file, mut seen): (Option<RunFile>, _) = (None, BTreeSet::new());
        for (number, row) in reader.records().enumerate() {
            let row = row.map_err(|error| unreadable(&error, number as u64 + 2))?;
            let number = row.position().map_or(number as u64 + 2, csv::Position::line);
            let line = Line { head: &head, row: &row, number };
            let (run, currency) = line.run()?;
            let file = file.get_or_insert(RunFile { run, currency, items: Vec::new(), failed: 0 });
            if (file.run, file.currency) != (run, currency) {
                let expected = "the run and the currency of the lines before";
                return Err(line.wrong(expected, &format!("payout {run} {currency}")));
            }
            let item = line.item(currency)?;
            if !seen.insert((item.kind.clone(), item.owner.clone())) {
                return Err(line.wrong("one payment to each account", &item.owner));
            }
            match line.of("state") {
                "failed" => file.failed += 1,
                "" | "open" | "paid" | "short" => file.items.push(item),
                other => return Err(line.wrong("open, paid, short or failed", other)),
            }
            if file.items.len() > ITEMS_MAX {
                return Err(BookRefusal::Count);
            }
        }
        file.filter(|file| !file.items.is_empty()).ok_or(BookRefusal::Count)
    }
}

/// A line of the file.
struct Line<'a> {
    head: &'a csv::StringRecord,
    row: &'a csv::StringRecord,
    /// From 1.
    number: u64,
}

impl Line<'_> {
    /// The field of this column; empty if there is none.
    fn of(&self, name: &str) -> &str {
        let at = self.head.iter().position(|found| found.trim() == name);
        without_guard(at.and_then(|at| self.row.get(at)).unwrap_or_default().trim())
    }

    fn wrong(&self, expected: &'static str, found: &str) -> BookRefusal {
        let found = found.chars().take(TEXT_LEN_MAX).collect();
        BookRefusal::File { line: self.number, expected, found }
    }

    fn run(&self) -> Result<(u64, Currency), BookRefusal> {
        let (reference, currency) = (self.of("reference"), self.of("currency"));
        let run = reference.strip_prefix("payout ").and_then(parse_decimal);
        let run = run.filter(|run| *run > 0 && is_small(*run));
        let run = run.ok_or_else(|| self.wrong("such as payout 7", reference))?;
        let wrong = |_| self.wrong("a currency of three letters", currency);
        Ok((run, currency.parse().map_err(wrong)?))
    }

    fn units(&self, name: &str, currency: Currency) -> Option<u64> {
        let amount: Option<Money> = format!("{} {currency}", self.of(name)).parse().ok();
        amount.map(|amount| amount.units()).filter(|units| is_small(*units))
    }

    fn item(&self, currency: Currency) -> Result<Item, BookRefusal> {
        let (kind, owner) = (self.of("kind"), self.of("owner"));
        let is_owner = match kind {
            "vendor" => owner.parse::<VendorId>().is_ok(),
            "client" => owner.parse::<UserId>().is_ok(),
            _ => return Err(self.wrong("vendor or client", kind)),
        };
        if !is_owner {
            return Err(self.wrong("a User-ID or Vendor-ID", owner));
        }
        let units = self.units("amount", currency).filter(|units| *units > 0);
        let units =
            units.ok_or_else(|| self.wrong("an amount such as 12.50", self.of("amount")))?;
        let fee = if self.of("fee").is_empty() { Some(0) } else { self.units("fee", currency) };
        let fee = fee.filter(|fee| units.checked_add(*fee).is_some_and(is_small));
        let fee = fee.ok_or_else(|| self.wrong("a fee such as 0.35", self.of("fee")))?;
        let text = |name: &str| -> String {
            self.of(name).chars().filter(|c| !c.is_control()).take(TEXT_LEN_MAX).collect()
        };
        let (kind, owner, state) = (kind.to_string(), owner.to_string(), String::new());
        Ok(Item { kind, owner, iban: text("iban"), name: text("name"), units, fee, state })
    }
}

/// Whether units fit into the ledger.
fn is_small(units: u64) -> bool {
    i64::try_from(units).is_ok()
}

fn unreadable(error: &csv::Error, line: u64) -> BookRefusal {
    let line = error.position().map_or(line, csv::Position::line);
    BookRefusal::File { line, expected: "a line of CSV in UTF-8", found: error.to_string() }
}

/// A field without what guards it against spreadsheets.
fn without_guard(text: &str) -> &str {
    let rest = text.strip_prefix('\'');
    rest.filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(text)
}

/// Books a run that the bank has paid. `by` is who does it. With `takes_short`, payments that their
/// balances cannot pay are kept apart; without it, they are a reason to book nothing. The same file
/// again books what waited, if the balances can pay it by then.
///
/// # Errors
/// The database failed, or is older than what was done with it.
pub async fn book_run(
    service: &Service,
    by: &str,
    file: &RunFile,
    takes_short: bool,
) -> Result<Reply<Booked, BookRefusal>, ServiceError> {
    let store = service.store();
    if !store.currencies().await?.contains(&file.currency) {
        return Ok(Reply::Refused(BookRefusal::Currency(file.currency)));
    }
    service.check_progress().await?;
    let own = Own::of(store, file.currency).await?;
    let mut payments = Vec::new();
    for item in &file.items {
        let account = Account::new(kind_of(&item.kind), &item.owner, file.currency);
        payments.push((store.find_account(&account).await?, item));
    }
    // Balances are locked in the order of their accounts.
    payments.sort_by_key(|(account, _)| *account);
    let now = service.now();
    let booked = retried!(async {
        let mut tx = store.begin().await?;
        let mut booking = Booking::begin(&mut tx, file, (own, now), by).await?;
        let booked = match &mut booking {
            Reply::Granted(booking) => booking.book(&payments, takes_short).await?,
            Reply::Refused(refusal) => Reply::Refused(refusal.clone()),
        };
        if let Reply::Granted(booked) = &booked
            && (booked.now > 0 || booking.granted().is_some_and(|booking| booking.has_changed))
        {
            let count = (booked.now, booked.total, booked.short.len());
            let detail = format!("{}: {}, {}, {}", booked.run, count.0, count.1, count.2);
            tx.audit(by, Act::PayoutRunBooked, &detail, now).await?;
            tx.commit().await?;
        }
        Ok::<_, StoreError>(booked)
    })?;
    service.note_progress().await?;
    Ok(booked)
}

/// A payment in the books.
struct Known {
    units: u64,
    fee: u64,
    state: String,
}

/// A run that is being booked.
struct Booking<'a> {
    tx: &'a mut Transaction,
    file: &'a RunFile,
    own: Own,
    now: UnixTime,
    /// Whether the books had no such run.
    is_new: bool,
    known: BTreeMap<(String, String), Known>,
    /// Those that wait.
    short: BTreeSet<(String, String)>,
    /// Whether something was written.
    has_changed: bool,
}

/// What becomes of a payment.
enum Step {
    /// It was booked before.
    Before,
    /// It was on its way.
    Open,
    /// It takes this fee, and is in the books if so.
    Take(u64, bool),
}

impl<'a> Booking<'a> {
    /// Locks the run, and records it if the books do not have it.
    async fn begin(
        tx: &'a mut Transaction,
        file: &'a RunFile,
        (own, now): (Own, UnixTime),
        by: &str,
    ) -> Result<Reply<Booking<'a>, BookRefusal>, StoreError> {
        let counter = tx.counter(PAYOUTS).await?;
        let last = tx.paid_runs().await?.iter().map(|known| known.run).max().unwrap_or(0);
        let most = counter.max(last) + FORGOTTEN_RUNS_MAX;
        if file.run > most {
            return Ok(Reply::Refused(BookRefusal::TooFar { most, found: file.run }));
        }
        let added = sqlx::query(
            "INSERT INTO payout_run (id, at, by_whom, currency, token, paid_at) \
             VALUES ($1, $2, $3, $4, $5, $2) ON CONFLICT DO NOTHING",
        )
        .bind(file.run as i64)
        .bind(now.0)
        .bind(by.to_string())
        .bind(file.currency.to_string())
        .bind(format!("booked {}", file.run))
        .execute(tx.connection())
        .await?;
        let is_new = added.rows_affected() == 1;
        let lock = tx.locking("SELECT currency FROM payout_run WHERE id = $1");
        let row = sqlx::query(lock).bind(file.run as i64).fetch_one(tx.connection()).await?;
        if row.try_get::<String, _>(0)? != file.currency.as_str() {
            let owner = file.items.first().map_or_else(String::new, |item| item.owner.clone());
            return Ok(Reply::Refused(BookRefusal::Other { run: file.run, owner }));
        }
        // Later runs get larger numbers.
        tx.set_counter(PAYOUTS, file.run).await?;
        let known = payments(tx, file.run).await?;
        let short = short_payments(tx, file.run).await?;
        let has_changed = is_new;
        Ok(Reply::Granted(Booking { tx, file, own, now, is_new, known, short, has_changed }))
    }

    async fn book(
        &mut self,
        payments: &[(Option<i64>, &Item)],
        takes_short: bool,
    ) -> Result<Reply<Booked, BookRefusal>, StoreError> {
        let (run, currency) = (self.file.run, self.file.currency);
        let (mut now, mut before, mut units, mut short) = (0, 0, 0u64, Vec::new());
        for (account, item) in payments {
            let step = match self.step(item).await? {
                Reply::Granted(step) => step,
                Reply::Refused(refusal) => return Ok(Reply::Refused(refusal)),
            };
            let is_booked = match step {
                Step::Before => {
                    before += 1;
                    continue;
                }
                Step::Open => self.pay_open(item).await?,
                Step::Take(fee, is_known) => match account {
                    Some(account) => self.take(*account, item, fee, is_known).await?,
                    None => false,
                },
            };
            if is_booked {
                now += 1;
                units = units.checked_add(item.units).ok_or(StoreError::TooLarge("payout"))?;
                continue;
            }
            let fee = if let Step::Take(fee, _) = step { fee } else { 0 };
            let balance = self.balance(*account).await?;
            short.push(Short {
                owner: item.owner.clone(),
                is_vendor: kind_of(&item.kind) == AccountKind::Vendor,
                balance: Money::new(balance, currency),
                paid: Money::new(item.units, currency),
                fee: Money::new(fee, currency),
            });
            self.keep_apart(item, fee).await?;
        }
        // Those that waited before are no news.
        if !takes_short && !short.is_empty() && self.has_changed {
            return Ok(Reply::Refused(BookRefusal::TooLittle(short)));
        }
        if let Some(owner) = self.close().await? {
            return Ok(Reply::Refused(BookRefusal::Open { run, owner }));
        }
        let total = Money::new(units, currency);
        Ok(Reply::Granted(Booked { run, now, before, total, short }))
    }

    /// What becomes of a payment, or why the run is another one.
    async fn step(&mut self, item: &Item) -> Result<Reply<Step, BookRefusal>, StoreError> {
        let key = (item.kind.clone(), item.owner.clone());
        let other = BookRefusal::Other { run: self.file.run, owner: item.owner.clone() };
        let Some(known) = self.known.get(&key) else {
            let is_its = self.is_new || self.short.contains(&key);
            return Ok(match is_its {
                true => Reply::Granted(Step::Take(item.fee, false)),
                false => Reply::Refused(other),
            });
        };
        if (known.units, known.fee) != (item.units, item.fee) {
            return Ok(Reply::Refused(other));
        }
        Ok(Reply::Granted(match known.state.as_str() {
            "paid" => Step::Before,
            "open" => Step::Open,
            _ => {
                let fee = self.tx.fee_given_back(self.file.run as i64, item, self.own.fees).await?;
                Step::Take(fee, true)
            }
        }))
    }

    /// The bank has paid what was on its way.
    async fn pay_open(&mut self, item: &Item) -> Result<bool, StoreError> {
        let units = item.units as i64;
        let reference = format!("payout {} {} {} paid", self.file.run, item.kind, item.owner);
        let entries = [(self.own.payout, -units), (self.own.outside, units)];
        match self.tx.post("payout", &reference, &entries, self.now).await? {
            Made::Made(_) => {}
            Made::TooLittle(_) => return Err(StoreError::TooLarge("payout")),
        }
        self.tx.set_payout_state(self.file.run as i64, item, "paid").await?;
        Ok(true)
    }

    /// Takes a payment from its balance. Returns whether the balance could pay it.
    async fn take(
        &mut self,
        account: i64,
        item: &Item,
        fee: u64,
        is_known: bool,
    ) -> Result<bool, StoreError> {
        let run = self.file.run as i64;
        let to = (self.own.outside, self.own.fees);
        if !self.tx.take_payout(run, account, item, (fee, is_known), to, self.now).await? {
            return Ok(false);
        }
        if is_known {
            self.tx.set_payout_state(run, item, "paid").await?;
        } else {
            self.tx.add_payout(run, item, "paid").await?;
        }
        self.tx.forget_short(run, &item.kind, &item.owner).await?;
        Ok(true)
    }

    /// Keeps a payment apart that its balance cannot pay.
    async fn keep_apart(&mut self, item: &Item, fee: u64) -> Result<(), StoreError> {
        let added = sqlx::query(
            "INSERT INTO payout_short (run, kind, owner, iban, name, units, fee) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (run, kind, owner) DO NOTHING",
        )
        .bind(self.file.run as i64)
        .bind(item.kind.clone())
        .bind(item.owner.clone())
        .bind(item.iban.clone())
        .bind(item.name.clone())
        .bind(item.units as i64)
        .bind(fee as i64)
        .execute(self.tx.connection())
        .await?;
        self.has_changed |= added.rows_affected() == 1;
        Ok(())
    }

    async fn balance(&mut self, account: Option<i64>) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT amount FROM balance WHERE account = $1")
            .bind(account.unwrap_or(-1))
            .fetch_optional(self.tx.connection())
            .await?;
        let amount: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
        Ok(u64::try_from(amount).unwrap_or(0))
    }

    /// Marks the run as paid. Returns to whom a payment is that is still on its way.
    async fn close(&mut self) -> Result<Option<String>, StoreError> {
        let open =
            sqlx::query("SELECT owner FROM payout WHERE run = $1 AND state = 'open' LIMIT 1")
                .bind(self.file.run as i64)
                .fetch_optional(self.tx.connection())
                .await?;
        if let Some(row) = open {
            return Ok(Some(row.try_get(0)?));
        }
        let changed =
            sqlx::query("UPDATE payout_run SET paid_at = $2 WHERE id = $1 AND paid_at IS NULL")
                .bind(self.file.run as i64)
                .bind(self.now.0)
                .execute(self.tx.connection())
                .await?;
        self.has_changed |= changed.rows_affected() == 1;
        Ok(None)
    }
}

/// The payments of a run in the books.
async fn payments(
    tx: &mut Transaction,
    run: u64,
) -> Result<BTreeMap<(String, String), Known>, StoreError> {
    let rows = sqlx::query("SELECT kind, owner, units, fee, state FROM payout WHERE run = $1")
        .bind(run as i64)
        .fetch_all(tx.connection())
        .await?;
    let mut known = BTreeMap::new();
    for row in rows {
        let (units, fee): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        let (units, fee) = (units.unsigned_abs(), fee.unsigned_abs());
        let payment = Known { units, fee, state: row.try_get(4)? };
        known.insert((row.try_get(0)?, row.try_get(1)?), payment);
    }
    Ok(known)
}

/// The payments of a run that wait.
async fn short_payments(
    tx: &mut Transaction,
    run: u64,
) -> Result<BTreeSet<(String, String)>, StoreError> {
    let rows = sqlx::query("SELECT kind, owner FROM payout_short WHERE run = $1")
        .bind(run as i64)
        .fetch_all(tx.connection())
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Takes back that a payment came back: the bank paid it after all. In a run that is not paid, it
/// is on its way again. Returns whether its balance could pay it; `None` if it had not come back.
pub(super) async fn pay_again(
    store: &Store,
    (run, item): (i64, &Item),
    (account, own): (i64, Own),
    (by, now): (&str, UnixTime),
) -> Result<Option<bool>, StoreError> {
    let mut tx = store.begin().await?;
    tx.lock_run(run).await?;
    let lock = tx.locking("SELECT state FROM payout WHERE run = $1 AND kind = $2 AND owner = $3");
    let row = sqlx::query(lock)
        .bind(run)
        .bind(item.kind.clone())
        .bind(item.owner.clone())
        .fetch_optional(tx.connection())
        .await?;
    let state: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    if state.as_deref() != Some("failed") {
        return Ok(None);
    }
    let paid = sqlx::query("SELECT COUNT(*) FROM payout_run WHERE id = $1 AND paid_at IS NOT NULL")
        .bind(run)
        .fetch_one(tx.connection())
        .await?;
    let is_paid = paid.try_get::<i64, _>(0)? > 0;
    let (state, to) = if is_paid { ("paid", own.outside) } else { ("open", own.payout) };
    let fee = tx.fee_given_back(run, item, own.fees).await?;
    if !tx.take_payout(run, account, item, (fee, true), (to, own.fees), now).await? {
        return Ok(Some(false));
    }
    tx.set_payout_state(run, item, state).await?;
    tx.forget_short(run, &item.kind, &item.owner).await?;
    tx.audit(by, Act::PayoutBooked, &format!("{run} {}", item.owner), now).await?;
    tx.commit().await?;
    Ok(Some(true))
}

impl Transaction {
    /// Locks a run: its payments change one after the other, and not while it is marked as paid.
    pub(super) async fn lock_run(&mut self, run: i64) -> Result<(), StoreError> {
        let lock = self.locking("SELECT id FROM payout_run WHERE id = $1");
        sqlx::query(lock).bind(run).fetch_optional(self.connection()).await?;
        Ok(())
    }

    /// The first reference that is not used: this text, or with a number from 2 on.
    pub(super) async fn unused_reference(&mut self, text: &str) -> Result<String, StoreError> {
        let mut reference = text.to_string();
        let mut number = 2;
        while self.moved(&reference, -1).await?.is_some() {
            reference = format!("{text} {number}");
            number += 1;
        }
        Ok(reference)
    }

    /// The fee that was given back when a payment came back the last time.
    async fn fee_given_back(
        &mut self,
        run: i64,
        item: &Item,
        fees: i64,
    ) -> Result<u64, StoreError> {
        let text = format!("payout {run} {} {} failed", item.kind, item.owner);
        let (mut reference, mut number, mut fee) = (text.clone(), 2, 0);
        while let Some(moved) = self.moved(&reference, fees).await? {
            fee = moved.unsigned_abs();
            reference = format!("{text} {number}");
            number += 1;
        }
        Ok(fee)
    }

    /// Takes a payment and its fee from a balance. Returns whether that could pay it.
    async fn take_payout(
        &mut self,
        run: i64,
        account: i64,
        item: &Item,
        (fee, is_again): (u64, bool),
        (to, fees): (i64, i64),
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let again = if is_again { " again" } else { "" };
        let reference = format!("payout {run} {} {}{again}", item.kind, item.owner);
        let reference = self.unused_reference(&reference).await?;
        let (units, fee) = (item.units as i64, fee as i64);
        let entries = [(account, -units - fee), (to, units), (fees, fee)];
        self.mark().await?;
        match self.post("payout", &reference, &entries, now).await? {
            Made::Made(_) => self.keep().await?,
            Made::TooLittle(_) => {
                self.undo().await?;
                return Ok(false);
            }
        }
        if kind_of(&item.kind) == AccountKind::Client {
            sqlx::query("DELETE FROM refund_wish WHERE user_id = $1")
                .bind(item.owner.clone())
                .execute(self.connection())
                .await?;
        }
        Ok(true)
    }

    /// Adds a payment to a run.
    pub(super) async fn add_payout(
        &mut self,
        run: i64,
        item: &Item,
        state: &'static str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO payout (run, kind, owner, iban, name, units, fee, state) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(run)
        .bind(item.kind.clone())
        .bind(item.owner.clone())
        .bind(item.iban.clone())
        .bind(item.name.clone())
        .bind(item.units as i64)
        .bind(item.fee as i64)
        .bind(state)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Sets the state of a payment of a run.
    async fn set_payout_state(
        &mut self,
        run: i64,
        item: &Item,
        state: &'static str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE payout SET state = $4 WHERE run = $1 AND kind = $2 AND owner = $3")
            .bind(run)
            .bind(item.kind.clone())
            .bind(item.owner.clone())
            .bind(state)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Removes a payment from those that wait. Returns whether it was one.
    pub(super) async fn forget_short(
        &mut self,
        run: i64,
        kind: &str,
        owner: &str,
    ) -> Result<bool, StoreError> {
        let removed =
            sqlx::query("DELETE FROM payout_short WHERE run = $1 AND kind = $2 AND owner = $3")
                .bind(run)
                .bind(kind.to_string())
                .bind(owner.to_string())
                .execute(self.connection())
                .await?;
        Ok(removed.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "reference,kind,owner,iban,name,amount,currency,fee,state\r\n";

    #[test]
    fn the_file_of_a_run_is_read() {
        let items = [
            ("vendor", "news.example", "=Evil \"x\", Inc", 123_456, "open"),
            ("client", "-alice@x", "Ä", 1, "paid"),
            ("client", "bob", "B", 7, "failed"),
        ];
        let items = items.map(|(kind, owner, name, cents, state)| Item {
            kind: kind.to_string(),
            owner: owner.to_string(),
            iban: "DE89370400440532013000".to_string(),
            name: name.to_string(),
            units: cents * super::super::payouts::CENT,
            fee: 35 * super::super::payouts::CENT,
            state: state.to_string(),
        });
        let text = super::super::sepa::csv("payout 7", "EUR".parse().unwrap(), &items);
        for text in [text.clone(), format!("\u{feff}{text}")] {
            let file = RunFile::parse(text.as_bytes()).unwrap();
            assert_eq!((file.run, file.currency.as_str(), file.failed), (7, "EUR", 1));
            for (found, expected) in file.items.iter().zip(&items) {
                assert_eq!((&found.kind, &found.owner), (&expected.kind, &expected.owner));
                assert_eq!((&found.name, &found.iban), (&expected.name, &expected.iban));
                assert_eq!((found.units, found.fee), (expected.units, expected.fee));
            }
            assert_eq!(file.items.len(), 2);
        }
        // By hand.
        let text = "owner,kind,reference,amount,currency\nbob,client,payout 3,0.005,XTS\n";
        let file = RunFile::parse(text.as_bytes()).unwrap();
        assert_eq!((file.run, file.items[0].units, file.items[0].fee), (3, 500_000, 0));
    }

    #[test]
    fn another_file_is_refused_with_its_line() {
        let good = "payout 7,vendor,news.example,I,N,5.00,EUR,0.35,open\r\n";
        for (from, to, expected) in [
            ("payout 7", "payment 7", "such as payout 7"),
            ("payout 7", "payout 0", "such as payout 7"),
            ("payout 7", "payout 18446744073709551615", "such as payout 7"),
            ("vendor", "bank", "vendor or client"),
            ("news.example", "NEWS example", "a User-ID or Vendor-ID"),
            ("5.00", "-5.00", "an amount"),
            ("5.00", "\"5,00\"", "an amount"),
            ("5.00", "0.00", "an amount"),
            ("5.00", "99999999999999", "an amount"),
            ("0.35", "x", "a fee"),
            ("0.35", "92233720368", "a fee"),
            ("EUR", "euro", "a currency"),
            ("open", "stolen", "open, paid, short or failed"),
        ] {
            let text = format!("{HEAD}{}", good.replacen(from, to, 1));
            let error = RunFile::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("line 2"), "{to}: {error}");
        }
        for (rest, expected) in [
            (good.replace("news", "shop").replace("payout 7", "payout 8"), "the run and the"),
            (good.replace("news", "shop").replace("EUR", "USD"), "the run and the currency"),
            (good.to_string(), "one payment to each account"),
        ] {
            let error = RunFile::parse(format!("{HEAD}{good}{rest}").as_bytes()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().contains("line 3"), "{error}");
        }
        for nothing in ["", HEAD, &format!("{HEAD}{}", good.replace("open", "failed"))] {
            assert!(RunFile::parse(nothing.as_bytes()).is_err(), "{nothing}");
        }
        assert!(RunFile::parse(b"\xff\xfe\x00").is_err());
        let line = |number: usize| good.replace("news", &format!("n{number}"));
        let most: String = (0..ITEMS_MAX).map(line).collect();
        assert_eq!(
            RunFile::parse(format!("{HEAD}{most}").as_bytes()).unwrap().items.len(),
            ITEMS_MAX
        );
        let past = format!("{HEAD}{most}{good}");
        assert_eq!(RunFile::parse(past.as_bytes()).unwrap_err(), BookRefusal::Count);
    }
}
