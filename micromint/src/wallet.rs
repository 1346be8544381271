//! The client's wallet: receiving, spending and returning coins (thesis 3.4).
//!
//! In go messages of brokers and vendors, out come payments and returns. One file holds everything, a
//! [`crate::journal`] that is only ever appended to; reading it from the start gives the [`State`]. The
//! invariants: a spend is on disk before its coins leave, so no coin leaves twice for different things,
//! whatever crashes; and a coin that left is bound to its vendor for good.
//!
//! There are no threads and no network here: a program asks [`Wallet::pay`] for a message, sends it, and
//! tells [`Wallet::settle`] what came of it. The format and the rules are described in `docs/wallet.md`
//! so that another program can share the file.

// What is known.
mod genuine;

mod outcome;

mod record;

mod state;

// What is decided.
mod vendor_rule;

mod plan;

mod credit;

// What is told apart in an answer.
mod answer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::authenticator::hex;
use crate::error::FileError;
use crate::host::{Directory, Entropy, File, LockGuard, Lock, Open};
use crate::journal::{Journal, JournalError, Tail};
use crate::protocol::{CREDIT_COINS_MAX, FundsCredited, FundsWithdrawn, Id, RequestPayment};
use crate::time::UnixTime;

use record::{BINS_PER_RECORD_MAX, Bins, Record, VERDICTS_PER_RECORD_MAX};

pub use answer::{
    PAYMENT_HEADER, REQUEST_HEADER, STATUS_HEADER, outcome_of, payment_for_header, request_in_header,
};
pub use credit::Returnable;
pub use genuine::{EMPTY, GenuineSet, NotGenuine, check as check_genuine};
pub use outcome::Outcome;
pub use plan::{Choice, Fetch, METHOD_LEN_MAX, Plan, Policy, Unpayable};
pub use record::Place;
pub use state::{CoinState, Holding, PastPayment, Return, Set, State, Withdrawal};
pub use vendor_rule::{is_loopback, may_collect};

/// The kind of journal that a wallet is.
const KIND: &str = "wallet";
/// How much is appended in one write while sets come in, in bytes.
const APPEND_SIZE: usize = 4 * 1024 * 1024;

/// The wallet cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The operating system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is damaged or no wallet.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record makes no sense.
    #[error("{}: the record at offset {at} makes no sense: {why}", path.display())]
    Contents {
        /// The wallet file.
        path: PathBuf,
        /// Where the record begins.
        at: u64,
        /// What is wrong with it.
        why: String,
    },
    /// No randomness.
    #[error("no randomness: {0}")]
    Entropy(io::Error),
    /// The file is a backup, which must be restored before anything is written to it.
    #[error("{}: is a backup made at {made}; restore it first", path.display())]
    Backup {
        /// The wallet file.
        path: PathBuf,
        /// When it was made.
        made: UnixTime,
    },
    /// The file is no backup.
    #[error("{}: is no backup", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
    },
    /// There is a file already where a new one was to be.
    #[error("{}: exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An answer that fits no return.
    #[error("{0}")]
    NoSuchReturn(String),
}

/// What became of a Funds-Withdrawn message.
#[derive(Debug)]
pub enum Received {
    /// Its sets are in the wallet now.
    New {
        /// The sets.
        sets: u32,
        /// Their coins: balls in first superbins.
        coins: u32,
    },
    /// They were in the wallet already, with this very message.
    Already,
    /// The message is not believed; nothing was kept.
    Refused(NotReceived),
}

/// Why a Funds-Withdrawn message is not taken into the wallet.
#[derive(Debug, thiserror::Error)]
pub enum NotReceived {
    /// Its coins are not genuine.
    #[error(transparent)]
    NotGenuine(#[from] NotGenuine),
    /// Its parameters are not those of the coins held of that period.
    #[error("the parameters of period {0} are not those of the coins that the wallet has of it")]
    OtherParams(String),
    /// Its User-Key is not the one held.
    #[error("the User-Key is not the one that the wallet has for this user in period {0}")]
    OtherKey(String),
    /// The sale came in before with other content.
    #[error("sale {0} came in before with other sets")]
    OtherContent(u64),
    /// A set is in the wallet already from another sale.
    #[error("the set of superbin {0} is in the wallet already")]
    HeldAlready(u32),
    /// It holds no sets.
    #[error("the message holds no sets")]
    Empty,
}

/// What to do about a Request-Payment; what is to be sent is on disk already.
#[derive(Debug)]
pub enum Decision {
    /// Send this Payment message to the very URL, and tell [`Wallet::settle`] what came of it.
    Send(Sending),
    /// Ask the owner, and on a yes call [`Wallet::pay`] again with an autopay threshold of the price.
    Ask(Choice),
    /// Do not pay.
    Refuse(Unpayable),
}

/// A payment to send.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Its number in the wallet.
    pub payment: u32,
    /// The message.
    pub message: Vec<u8>,
    /// Whether it was sent before: then it costs no further coins.
    pub again: bool,
}

/// An open wallet.
pub struct Wallet {
    journal: Journal,
    /// A second handle on the same file, so that the lock outlives no borrow of the journal.
    lock: Box<dyn File>,
    path: PathBuf,
    state: State,
}

impl Wallet {
    /// Opens the wallet file `name`, making it with mode 0600 if it is absent.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or is no wallet.
    pub fn open(directory: &dyn Directory, name: &str, entropy: &dyn Entropy) -> Result<Wallet, WalletError> {
        Wallet::open_as(directory, name, Open::Create, Lock::Exclusive, || {
            Journal::open(directory, name, KIND, entropy)
        })
    }

    /// Opens an existing wallet file for looking only: everything that would change it fails.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or is no wallet.
    pub fn open_existing(directory: &dyn Directory, name: &str) -> Result<Wallet, WalletError> {
        Wallet::open_as(directory, name, Open::Read, Lock::Shared, || {
            Journal::open_existing(directory, name, KIND)
        })
    }

    fn open_as(
        directory: &dyn Directory,
        name: &str,
        how: Open,
        lock_how: Lock,
        open: impl FnOnce() -> Result<Journal, JournalError>,
    ) -> Result<Wallet, WalletError> {
        let path = directory.path().join(name);
        let lock = directory.open(name, how).map_err(FileError::on("open", &path))?;
        lock.lock(lock_how).map_err(FileError::on("lock", &path))?;
        let mut wallet = Wallet { journal: open()?, lock, path, state: State::default() };
        let caught_up = wallet.catch_up();
        // The lock belongs to the handle: it goes with it, should this fail.
        wallet.lock.unlock().map_err(FileError::on("unlock", &wallet.path))?;
        caught_up.map(|_| wallet)
    }

    /// What is in the wallet, as of the last call that read the file.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Reads what other processes wrote meanwhile.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn refresh(&mut self) -> Result<&State, WalletError> {
        self.lock.lock(Lock::Shared).map_err(FileError::on("lock", &self.path))?;
        let caught_up = self.catch_up();
        self.lock.unlock().map_err(FileError::on("unlock", &self.path))?;
        caught_up.map(|_| &self.state)
    }

    /// Takes the sets of `funds` in, if every ball is genuine.
    ///
    /// # Errors
    /// The file cannot be written. After a crash the message is received again.
    pub fn receive(&mut self, funds: &FundsWithdrawn, now: UnixTime) -> Result<Received, WalletError> {
        let sets = match genuine::check(funds) {
            Ok(sets) if sets.is_empty() => return Ok(Received::Refused(NotReceived::Empty)),
            Ok(sets) => sets,
            Err(fault) => return Ok(Received::Refused(fault.into())),
        };
        let digest: [u8; 32] = Sha256::digest(funds.to_bytes()).into();
        self.locked(|wallet| {
            match wallet.state.is_received(funds, &sets, &digest) {
                Ok(true) => return Ok(Received::Already),
                Ok(false) => {}
                Err(refused) => return Ok(Received::Refused(refused)),
            }
            wallet.append_sets(funds, &sets, digest, now)?;
            let coins = sets.iter().flat_map(|set| &set.superbins[0]).filter(|x| **x != EMPTY).count();
            Ok(Received::New { sets: sets.len() as u32, coins: coins as u32 })
        })
    }

    fn append_sets(
        &mut self,
        funds: &FundsWithdrawn,
        sets: &[GenuineSet],
        digest: [u8; 32],
        now: UnixTime,
    ) -> Result<(), WalletError> {
        let head = FundsWithdrawn { sets: Vec::new(), ..funds.clone() };
        let mut records = vec![Record::Receive { at: now, head: head.to_bytes() }];
        let mut size = 0;
        for (number, set) in (0..).zip(sets) {
            for bins in pieces(number, set) {
                size += bins.x.len() * 8;
                records.push(Record::Bins(bins));
                if size >= APPEND_SIZE {
                    self.append(std::mem::take(&mut records))?;
                    size = 0;
                }
            }
        }
        // The pieces must not be lost under a last record that survives.
        self.append(records)?;
        self.sync()?;
        self.append(vec![Record::Received { sets: sets.len() as u32, digest }])?;
        self.sync()
    }

    /// Decides about a Request-Payment that answered `fetch`. Coins that are to be sent are marked as
    /// gone, durably, when this returns.
    ///
    /// # Errors
    /// The file cannot be written; then nothing may be sent.
    pub fn pay(
        &mut self,
        request: &RequestPayment,
        fetch: &Fetch<'_>,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<Decision, WalletError> {
        self.locked(|wallet| match wallet.state.plan(request, fetch, policy, now) {
            Plan::Refuse(unpayable) => Ok(Decision::Refuse(unpayable)),
            Plan::Ask(choice) => Ok(Decision::Ask(choice)),
            Plan::Resend(payment) => {
                let message = wallet.state.payments[payment as usize].message.clone();
                Ok(Decision::Send(Sending { payment, message, again: true }))
            }
            Plan::Pay(choice) => {
                let payment = wallet.state.payments.len() as u32;
                let spend = wallet.state.spend(choice, request, fetch, now);
                let message = spend.message.clone();
                wallet.append(vec![Record::Spend(spend)])?;
                wallet.sync()?;
                Ok(Decision::Send(Sending { payment, message, again: false }))
            }
        })
    }

    /// Writes down what became of a payment.
    ///
    /// # Errors
    /// The file cannot be written; the payment then stays unknown, and is tried again with its coins.
    pub fn settle(&mut self, payment: u32, outcome: Outcome, now: UnixTime) -> Result<(), WalletError> {
        self.locked(|wallet| {
            wallet.append(vec![Record::Outcome { at: now, payment, outcome }])?;
            wallet.sync()
        })
    }

    /// Takes the returnable coins of a holding, at most [`CREDIT_COINS_MAX`], out of the wallet for a
    /// return and gives its Request-ID, or `None` if there are none. [`State::request_credit`] makes the
    /// message, as often as it takes until an answer comes.
    ///
    /// # Errors
    /// The file cannot be written, or no randomness for the Request-ID.
    pub fn begin_return(
        &mut self,
        holding: usize,
        now: UnixTime,
        entropy: &dyn Entropy,
    ) -> Result<Option<Id>, WalletError> {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes).map_err(WalletError::Entropy)?;
        let request: Id = match hex(&bytes).parse() {
            Ok(request) => request,
            // 32 hexadecimal digits are an identifier.
            Err(_) => return Ok(None),
        };
        self.locked(|wallet| {
            let places = credit::returnable(&wallet.state, holding, CREDIT_COINS_MAX as usize);
            if places.is_empty() {
                return Ok(None);
            }
            let digest = credit::digest(&wallet.state, &places);
            wallet.append(vec![Record::Return {
                at: now,
                holding: holding as u32,
                request: request.clone(),
                coins: places.len() as u32,
                digest,
            }])?;
            wallet.sync()?;
            Ok(Some(request))
        })
    }

    /// Writes down the broker's verdicts on a return ([`State::find_return`] says which one is meant)
    /// and gives its Request-ID.
    ///
    /// # Errors
    /// The answer fits no return, or the file cannot be written.
    pub fn credit(
        &mut self,
        answer: &FundsCredited,
        request: Option<&Id>,
        now: UnixTime,
    ) -> Result<Id, WalletError> {
        self.locked(|wallet| {
            let found = wallet.state.find_return(answer, request).map_err(WalletError::NoSuchReturn)?;
            let request = found.request.clone();
            let pieces = answer.verdicts.chunks(VERDICTS_PER_RECORD_MAX).zip(0..);
            let records = pieces.map(|(verdicts, piece)| Record::Credited {
                at: now,
                request: request.clone(),
                transaction: answer.transaction,
                first: piece * VERDICTS_PER_RECORD_MAX as u32,
                verdicts: verdicts.to_vec(),
            });
            wallet.append(records.collect())?;
            wallet.sync()?;
            Ok(request)
        })
    }

    /// Copies the wallet, as it is now, into a new file `name` of mode 0600 and marks that as a backup,
    /// so that it is not spent from by mistake.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn backup(
        &mut self,
        directory: &dyn Directory,
        name: &str,
        now: UnixTime,
        entropy: &dyn Entropy,
    ) -> Result<(), WalletError> {
        self.locked(|wallet| {
            copy(&*wallet.lock, wallet.journal.end(), &wallet.path, directory, name)?;
            let mut backup = Journal::open(directory, name, KIND, entropy)?;
            backup.set_end(wallet.journal.end());
            backup.append(&[&Record::Backup { at: now }.to_bytes()])?;
            Ok(backup.sync()?)
        })
    }

    /// Makes the new wallet file `name` of `directory` out of the backup `backup_name` of
    /// `backup_directory`. Coins spent since the backup was made would leave twice, so unless the owner
    /// says that there are none (`spendable`), the coins are kept for a return only.
    ///
    /// # Errors
    /// The backup is none, the file exists, or one of them cannot be read or written.
    pub fn restore(
        backup_directory: &dyn Directory,
        backup_name: &str,
        directory: &dyn Directory,
        name: &str,
        spendable: bool,
        now: UnixTime,
        entropy: &dyn Entropy,
    ) -> Result<Wallet, WalletError> {
        let backup = Wallet::open_existing(backup_directory, backup_name)?;
        if backup.state.backup_made.is_none() {
            return Err(WalletError::NoBackup { path: backup.path });
        }
        // Made under another name first: a crash leaves no half of a wallet behind.
        let temporary = format!(".{name}.restored");
        let path = directory.path().join(name);
        let names = directory.names().map_err(FileError::on("list", directory.path()))?;
        if names.iter().any(|held| held == name) {
            return Err(WalletError::Exists { path });
        }
        if names.contains(&temporary) {
            directory.remove(&temporary).map_err(FileError::on("remove", path.with_file_name(&temporary)))?;
        }
        copy(&*backup.lock, backup.journal.end(), &backup.path, directory, &temporary)?;
        let mut journal = Journal::open(directory, &temporary, KIND, entropy)?;
        journal.set_end(backup.journal.end());
        journal.append(&[&Record::Restored { at: now, spendable }.to_bytes()])?;
        journal.sync()?;
        directory.rename(&temporary, name).map_err(FileError::on("make", &path))?;
        directory.sync().map_err(FileError::on("sync", directory.path()))?;
        Wallet::open_as(directory, name, Open::Write, Lock::Exclusive, || {
            Journal::open(directory, name, KIND, entropy)
        })
    }

    /// Does `work` under the lock, after reading what others wrote.
    fn locked<T>(
        &mut self,
        work: impl FnOnce(&mut Wallet) -> Result<T, WalletError>,
    ) -> Result<T, WalletError> {
        self.lock.lock(Lock::Exclusive).map_err(FileError::on("lock", &self.path))?;
        let result = self.ready().and_then(|()| work(self));
        self.lock.unlock().map_err(FileError::on("unlock", &self.path))?;
        result
    }

    /// Makes the file fit to be appended to.
    fn ready(&mut self) -> Result<(), WalletError> {
        if let Tail::Torn(_) = self.catch_up()? {
            self.journal.cut_tail()?;
        }
        match self.state.backup_made {
            Some(made) => Err(WalletError::Backup { path: self.path.clone(), made }),
            None => Ok(()),
        }
    }

    fn catch_up(&mut self) -> Result<Tail, WalletError> {
        let state = &mut self.state;
        let mut fault = None;
        let tail = self.journal.catch_up(|at, payload| {
            if fault.is_none() {
                let record = Record::parse(payload).ok_or_else(|| "of no known kind".to_string());
                fault = record.and_then(|record| state.apply(record)).err().map(|why| (at, why));
            }
        })?;
        match fault {
            None => Ok(tail),
            Some((at, why)) => {
                // Whoever asks again shall hear the same.
                self.journal.set_end(at);
                Err(WalletError::Contents { path: self.path.clone(), at, why })
            }
        }
    }

    /// Appends records and takes them in, as reading the file would.
    fn append(&mut self, records: Vec<Record>) -> Result<(), WalletError> {
        let payloads: Vec<Vec<u8>> = records.iter().map(Record::to_bytes).collect();
        let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
        let at = self.journal.append(&payloads)?;
        for record in records {
            self.state.apply(record).map_err(|why| WalletError::Contents {
                path: self.path.clone(),
                at,
                why,
            })?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), WalletError> {
        Ok(self.journal.sync()?)
    }
}

impl State {
    /// Whether `funds` came in before; or why it may not come in.
    fn is_received(
        &self,
        funds: &FundsWithdrawn,
        sets: &[GenuineSet],
        digest: &[u8; 32],
    ) -> Result<bool, NotReceived> {
        let Some(holding) = self.find_holding(funds) else {
            return Ok(false);
        };
        let held = &self.holdings[holding];
        let earlier = self
            .withdrawals
            .iter()
            .find(|earlier| earlier.holding == holding && earlier.transaction == funds.transaction);
        match earlier {
            Some(earlier) if earlier.digest == *digest => return Ok(true),
            Some(_) => return Err(NotReceived::OtherContent(funds.transaction)),
            None => {}
        }
        let period = funds.period().to_string();
        if held.params != funds.params {
            return Err(NotReceived::OtherParams(period));
        }
        if held.user_key != funds.user_key {
            return Err(NotReceived::OtherKey(period));
        }
        let is_held = |first| self.sets.iter().any(|set| set.holding == holding && set.first == first);
        match sets.iter().find(|set| is_held(set.first)) {
            Some(set) => Err(NotReceived::HeldAlready(set.first)),
            None => Ok(false),
        }
    }
}

/// The pieces in which a set is written.
fn pieces(number: u32, set: &GenuineSet) -> impl Iterator<Item = Bins> {
    (0..).zip(&set.superbins).flat_map(move |(place, superbin)| {
        superbin.chunks(BINS_PER_RECORD_MAX).zip(0..).map(move |(x, piece)| Bins {
            set: number,
            place,
            first: set.first,
            subbin: piece * BINS_PER_RECORD_MAX as u32,
            x: x.to_vec(),
        })
    })
}

/// Copies the first `size` bytes of a file into a new one, durably.
fn copy(
    from: &dyn File,
    size: u64,
    from_path: &std::path::Path,
    directory: &dyn Directory,
    name: &str,
) -> Result<(), WalletError> {
    let path = directory.path().join(name);
    let to = directory.open(name, Open::CreateNew).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WalletError::Exists { path: path.clone() },
        _ => FileError::on("make", &path)(error).into(),
    })?;
    let mut at = 0;
    while at < size {
        let mut bytes = vec![0; (size - at).min(APPEND_SIZE as u64) as usize];
        from.read_at(&mut bytes, at).map_err(FileError::on("read", from_path))?;
        to.write_at(&bytes, at).map_err(FileError::on("write", &path))?;
        at += bytes.len() as u64;
    }
    to.sync().map_err(FileError::on("write", &path))?;
    Ok(directory.sync().map_err(FileError::on("sync", directory.path()))?)
}
