//! The client's wallet: receiving, spending and returning coins (thesis 3.4).
//!
//! In go messages of brokers and vendors, out come payments and returns. One file holds everything:
//! a [`crate::journal`] that is only ever appended to. Reading it from the start gives the
//! [`State`]. The invariants: a spend is on disk before its coins leave, so no coin leaves twice
//! for different things, whatever crashes; and a coin that left is bound to its vendor for good.
//!
//! There are no threads and no network here: a program asks [`Wallet::pay`] for a message, sends
//! it, and reports the result to [`Wallet::settle`]. Format and rules are described in
//! `docs/reference/wallet.md`, so that another program can share the file.

// What is known.
mod genuine;

mod outcome;

mod record;

mod state;

// What is decided.
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
use crate::host::{Directory, Entropy};
use crate::journal::{JournalError, Locked, Replayed};
use crate::protocol::{CREDIT_COINS_MAX, FundsCredited, Id, RequestPayment};
use crate::time::UnixTime;

use record::{VERDICTS_PER_RECORD_MAX, WalletRecord};

pub use answer::{
    has_ended, outcome_of, payment_for_header, receipt_in, request_in_challenge, request_in_header,
};
pub use balance::Balance;
pub use credit::Returnable;
pub use genuine::{EMPTY, GenuineSet, NotGenuine, check as check_genuine};
pub use outcome::PaymentOutcome;
pub use plan::{Choice, Fetch, METHOD_LEN_MAX, Plan, Policy, Unpayable};
pub use problem::{PROBLEM_SIZE_MAX, PROBLEM_WORDS_MAX, Problem};
pub use receive::{NotReceived, Received};
pub use record::Place;
pub use state::{CoinState, Holding, PastPayment, Return, Set, State, Withdrawal};

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
    /// The file is damaged or not a wallet.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No randomness.
    #[error("no randomness: {0}")]
    Entropy(io::Error),
    /// The file is a backup, which must be restored before anything is written to it.
    #[error("{}: this is a backup made at {made}; restore it first", path.display())]
    Backup {
        /// The wallet file.
        path: PathBuf,
        /// When it was made.
        made: UnixTime,
    },
    /// The file is not a backup.
    #[error("{}: expected a backup, found a wallet in use", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
    },
    /// The new file exists already.
    #[error("{}: already exists", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An answer that does not match a return.
    #[error("{0}")]
    NoSuchReturn(String),
}

/// What to do about a Request-Payment; what is to be sent is on disk already.
#[derive(Debug)]
pub enum Decision {
    /// Send this Payment message to the URL that was fetched, and report the result to
    /// [`Wallet::settle`].
    Send(Sending),
    /// Ask the owner, and on a yes call [`Wallet::pay`] again with an autopay threshold of the
    /// price.
    Ask(Choice),
    /// Do not pay.
    Refuse(Unpayable),
}

/// A payment to send.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sending {
    /// Its number in the wallet.
    pub payment: u32,
    /// The message.
    pub message: Vec<u8>,
    /// Whether it was sent before: then it costs no further coins.
    pub again: bool,
}

/// An open wallet.
///
/// ```
/// use micromint::authenticator::Key;
/// use micromint::host::{SimulatedDirectory, SystemEntropy};
/// use micromint::protocol::RequestPayment;
/// use micromint::testing::{ObviousMint, test_params};
/// use micromint::wallet::{Decision, Fetch, PaymentOutcome, Policy, Received, Wallet};
///
/// let directory = SimulatedDirectory::new();
/// let mut wallet = Wallet::open(&directory, "wallet.mmw", &SystemEntropy)?;
///
/// // A broker sells a set and sends it in a Funds-Withdrawn message.
/// let mint = ObviousMint::new(test_params());
/// let now = mint.params().raw().start;
/// let funds = mint.funds(&"alice".parse()?, &Key::from_bytes([1; 32]), &[4], 1);
/// assert!(matches!(wallet.receive(&funds, now)?, Received::New { sets: 1, .. }));
///
/// // A vendor asks for a coin.
/// let request = RequestPayment::parse(
///     b"MicroMint-1.0\r\nRequest-Payment\r\nURL: https://news.example/a\r\nPrice: 1\r\n\
///       Vendor-ID: news.example\r\nPeriod: 2026-12\r\nBroker: https://broker.example/\r\n\
///       Coin-Value: 0.01 USD\r\nEnd-MicroMint\r\n",
/// )?;
/// let fetch = Fetch::new(&request.url);
/// let Decision::Send(sending) = wallet.pay(&request, &fetch, &Policy::new(5), now)? else {
///     panic!("the price is below the autopay threshold");
/// };
/// // Here `sending.message` goes to the vendor, whose answer brings the page.
/// wallet.settle(sending.payment, PaymentOutcome::Paid, now)?;
/// assert_eq!(wallet.state().left_today(now), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Wallet {
    file: Replayed<State>,
}

impl Wallet {
    /// Opens the wallet file `name`, and makes it with mode 0600 if it is absent.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or is not a wallet.
    pub fn open(
        directory: &dyn Directory,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Wallet, WalletError> {
        let file = Replayed::open_or_create(directory, name, KIND, entropy, State::default())?;
        Ok(Wallet { file })
    }

    /// Opens an existing wallet file for reading only: everything that would change it fails.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or is not a wallet.
    pub fn open_to_read(directory: &dyn Directory, name: &str) -> Result<Wallet, WalletError> {
        let file = Replayed::open_to_read(directory, name, KIND, State::default())?;
        Ok(Wallet { file })
    }

    /// What is in the wallet, as of the last call that read the file.
    pub fn state(&self) -> &State {
        self.file.state()
    }

    /// Reads what other processes wrote meanwhile.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn refresh(&mut self) -> Result<&State, WalletError> {
        Ok(self.file.refresh()?)
    }

    /// Decides about a Request-Payment that answered `fetch`. When this returns, the coins to be
    /// sent are durably recorded as gone.
    ///
    /// # Errors
    /// The file cannot be written; then send nothing.
    pub fn pay(
        &mut self,
        request: &RequestPayment,
        fetch: &Fetch<'_>,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<Decision, WalletError> {
        self.locked(|file| match file.state().plan(request, fetch, policy, now) {
            Plan::Refuse(unpayable) => Ok(Decision::Refuse(unpayable)),
            Plan::Ask(choice) => Ok(Decision::Ask(choice)),
            Plan::Resend(payment) => {
                let message = file.state().payments[payment as usize].message.clone();
                Ok(Decision::Send(Sending { payment, message, again: true }))
            }
            Plan::Pay(choice) => {
                let payment = file.state().payments.len() as u32;
                let spend = file.state().spend(choice, request, fetch, now);
                let message = spend.message.clone();
                commit(file, &[WalletRecord::Spend(spend)])?;
                Ok(Decision::Send(Sending { payment, message, again: false }))
            }
        })
    }

    /// Records what became of a payment.
    ///
    /// # Errors
    /// The file cannot be written. The outcome then stays unknown, and the payment is sent again
    /// with the same coins.
    pub fn settle(
        &mut self,
        payment: u32,
        outcome: PaymentOutcome,
        now: UnixTime,
    ) -> Result<(), WalletError> {
        let record = WalletRecord::Outcome { at: now, payment, outcome };
        self.locked(|file| commit(file, &[record]))
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
        let record = WalletRecord::Receipt { payment, expires, cookie };
        self.locked(|file| append(file, &[record]))
    }

    /// Takes the returnable coins of a holding, at most [`CREDIT_COINS_MAX`], out of the wallet for
    /// a return. Returns its Request-ID, or `None` if there are no such coins.
    /// [`State::request_credit`] makes the message, as often as needed until an answer comes.
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
        self.locked(|file| {
            let places = credit::returnable(file.state(), holding, CREDIT_COINS_MAX as usize);
            if places.is_empty() {
                return Ok(None);
            }
            let record = WalletRecord::Return {
                at: now,
                holding: holding as u32,
                request: request.clone(),
                coins: places.len() as u32,
                digest: credit::digest(file.state(), &places),
            };
            commit(file, &[record])?;
            Ok(Some(request))
        })
    }

    /// Records the broker's verdicts on a return, which [`State::find_return`] finds. Returns its
    /// Request-ID.
    ///
    /// # Errors
    /// The answer does not match a return, or the file cannot be written.
    pub fn credit(
        &mut self,
        answer: &FundsCredited,
        request: Option<&Id>,
        now: UnixTime,
    ) -> Result<Id, WalletError> {
        self.locked(|file| {
            let found =
                file.state().find_return(answer, request).map_err(WalletError::NoSuchReturn)?;
            let request = found.request.clone();
            let pieces = answer.verdicts.chunks(VERDICTS_PER_RECORD_MAX).zip(0..);
            let records = pieces.map(|(verdicts, piece)| WalletRecord::Credited {
                at: now,
                request: request.clone(),
                transaction: answer.transaction,
                first: piece * VERDICTS_PER_RECORD_MAX as u32,
                verdicts: verdicts.to_vec(),
            });
            commit(file, &records.collect::<Vec<_>>())?;
            Ok(request)
        })
    }

    /// Calls `act` under the file's lock, with the state up to date. A backup is not written to.
    fn locked<T>(
        &mut self,
        act: impl FnOnce(&mut Locked<'_, State>) -> Result<T, WalletError>,
    ) -> Result<T, WalletError> {
        self.file.locked(|file| match file.state().backup_made {
            Some(made) => Err(WalletError::Backup { path: file.path().into(), made }),
            None => act(file),
        })
    }
}

/// Appends records, which are not durable yet.
fn append(file: &mut Locked<'_, State>, records: &[WalletRecord]) -> Result<(), WalletError> {
    let payloads: Vec<Vec<u8>> = records.iter().map(WalletRecord::to_bytes).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    file.append(&payloads)?;
    Ok(())
}

/// Appends records and makes them durable.
fn commit(file: &mut Locked<'_, State>, records: &[WalletRecord]) -> Result<(), WalletError> {
    append(file, records)?;
    Ok(file.sync()?)
}
