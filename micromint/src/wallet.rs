//! The client's wallet: receiving, spending and returning coins (thesis 3.4).
//!
//! In go messages of brokers and vendors, out come payments and returns. One file holds everything, a
//! [`crate::journal`] that is only ever appended to; reading it from the start gives the [`State`]. The
//! invariants: a spend is on disk before its coins leave, so no coin leaves twice for different things,
//! whatever crashes; and a coin that left is bound to its vendor for good.
//!
//! There are no threads and no network here: a program asks [`Wallet::pay`] for a message, sends it, and
//! tells [`Wallet::settle`] what came of it. The format and the rules are described in `docs/reference/wallet.md`
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

mod balance;

// What is told apart in an answer.
mod answer;

mod problem;

// What is done.
mod receive;

mod backup;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use crate::authenticator::hex;
use crate::error::FileError;
use crate::host::{Directory, Entropy, File, Lock, Open};
use crate::journal::{Journal, JournalError, Tail};
use crate::protocol::{CREDIT_COINS_MAX, FundsCredited, Id, RequestPayment};
use crate::time::UnixTime;

use record::{Record, VERDICTS_PER_RECORD_MAX};

pub use answer::{
    has_ended, outcome_of, payment_for_header, receipt_in, request_in_challenge, request_in_header,
};
pub use balance::Balance;
pub use credit::Returnable;
pub use genuine::{EMPTY, GenuineSet, NotGenuine, check as check_genuine};
pub use outcome::Outcome;
pub use plan::{Choice, Fetch, METHOD_LEN_MAX, Plan, Policy, Unpayable};
pub use problem::{PROBLEM_SIZE_MAX, PROBLEM_WORDS_MAX, Problem};
pub use receive::{NotReceived, Received};
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
    pub fn open(
        directory: &dyn Directory,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Wallet, WalletError> {
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
    pub fn settle(
        &mut self,
        payment: u32,
        outcome: Outcome,
        now: UnixTime,
    ) -> Result<(), WalletError> {
        self.locked(|wallet| {
            wallet.append(vec![Record::Outcome { at: now, payment, outcome }])?;
            wallet.sync()
        })
    }

    /// Keeps the receipt that came with the content of a payment ([`receipt_in`]).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_receipt(
        &mut self,
        payment: u32,
        cookie: String,
        expires: UnixTime,
    ) -> Result<(), WalletError> {
        // A receipt lost with the power costs nothing: the same message again is answered free too.
        self.locked(|wallet| wallet.append(vec![Record::Receipt { payment, expires, cookie }]))
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
            let found =
                wallet.state.find_return(answer, request).map_err(WalletError::NoSuchReturn)?;
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
