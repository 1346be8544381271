//! The client's wallet: it receives, spends and returns coins (thesis 3.4).
//!
//! Input: messages of brokers and vendors. Output: payments and returns. One file holds
//! everything: a [`crate::journal`], which only grows. Replaying it yields the [`WalletState`].
//!
//! The invariant: a spend is durable before its coins leave. So even after a crash no coin is ever
//! sent for two different things, and a coin that was sent stays bound to its vendor.
//!
//! There are no threads and no network here: a program asks [`Wallet::pay`] for a message, sends
//! it, and reports the result to [`Wallet::record_outcome`]. The file format and its rules are
//! described in `docs/reference/wallet.md`, so other programs can use the same file.

// The content of the file.
mod genuine;

mod outcome;

mod purpose;

mod hop;

mod order;

mod record;

mod state;

// Decisions.
mod choice;

mod plan;

mod limits;

mod standing;

mod consent;

mod credit;

mod balance;

// What answers mean.
mod answer;

mod ordering;

mod form;

mod problem;

// Operations on whole files.
mod receive;

mod backup;

mod moving;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use crate::error::FileError;
use crate::hex::hex;
use crate::host::{Directory, Entropy};
use crate::journal::{JournalError, Locked, Replayed};
use crate::protocol::{CREDIT_COINS_MAX, FundsCredited, Id, RequestPayment};
use crate::reply::Reply;
use crate::time::UnixTime;

use plan::PaymentPlan;
use record::{VERDICTS_PER_RECORD_MAX, WalletRecord};
use state::returns;

pub use answer::{
    InvalidRequestHeader, Receipt, has_ended, outcome_of, payment_for_header, receipt_in,
    request_in_challenge, request_in_header, resend_after,
};
pub use balance::Balance;
pub use choice::Choice;
pub use consent::{MANIFEST_SIZE_MAX, NeededConsent, NoConsent};
pub use credit::{NotCredited, NotInvited, Returnable};
pub use form::PaymentForm;
pub use genuine::NotGenuine;
pub use hop::Frozen;
pub use limits::{Exceeded, Limits, Scope};
pub use order::{Order, OrderClosed};
pub use ordering::{NewOrder, NotOrdered, OrderToSend};
pub use outcome::PaymentOutcome;
pub use plan::{Fetch, Policy, Unpayable};
pub use problem::{PROBLEM_SIZE_MAX, Problem};
pub use purpose::{ASKED_LEN_MAX, Purpose, PurposeError, TASK_LEN_MAX};
pub use receive::{NotReceived, Received, SPARSE_SIZE_MAX};
pub use state::{
    CoinReturn, Holding, Moment, PastPayment, RECEIPTS_LEN_MAX, WalletState, Withdrawal,
};

/// The kind of a wallet's journal.
const KIND: &str = "wallet";
/// The size after which received sets are appended to the file, in bytes.
const APPEND_SIZE: usize = 4 * 1024 * 1024;

/// Why a wallet operation failed. Exhaustive on purpose: the C library must choose a status for a
/// new kind.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is damaged or is not a wallet.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The source of randomness failed.
    #[error("no randomness: {0}")]
    Entropy(io::Error),
    /// Nothing can be spent from the file, and nothing else can change.
    #[error("{}: {frozen}", path.display())]
    Frozen {
        /// The wallet file.
        path: PathBuf,
        /// Why.
        frozen: Frozen,
    },
    /// The file is neither a backup nor a wallet that was moved out of it.
    #[error("{}: expected a backup, found a wallet in use", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
    },
    /// The file does not carry a wallet to move in.
    #[error("{}: expected a wallet that was moved out, found another file", path.display())]
    CarriesNoWallet {
        /// The file.
        path: PathBuf,
    },
    /// The new file already exists.
    #[error("{}: exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A Funds-Credited that credits nothing.
    #[error(transparent)]
    NotCredited(#[from] NotCredited),
}

/// What to do about a Request-Payment. The coins of a payment are already recorded as spent.
#[derive(Debug)]
pub enum PaymentDecision {
    /// Send this Payment message to the URL that was fetched, and report the result to
    /// [`Wallet::record_outcome`].
    Send(Sending),
    /// Ask the owner. If the owner agrees, call [`Wallet::pay`] again with an autopay threshold of
    /// at least the price.
    Ask(Choice),
    /// The vendor is a parent of the page's host, and the wallet does not know that it lets this
    /// page collect its coins. Fetch its manifest, call [`Wallet::take_consent`], and if that
    /// grants it, [`Wallet::pay`] again.
    NeedsConsent(NeededConsent),
    /// Do not pay.
    Refuse(Unpayable),
}

/// A payment to send.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sending {
    /// Its number in the wallet: the index in [`WalletState::payments`].
    pub payment: u32,
    /// The Payment message.
    pub message: Vec<u8>,
    /// Whether the message was sent before. Sending it again costs no further coins.
    pub again: bool,
}

/// An open wallet.
///
/// ```
/// use micromint::authenticator::Key;
/// use micromint::host::{SimulatedDirectory, SystemEntropy};
/// use micromint::protocol::RequestPayment;
/// use micromint::testing::{ObviousMint, test_params};
/// use micromint::wallet::{PaymentDecision, Fetch, PaymentOutcome, Policy, Received, Wallet};
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
/// let PaymentDecision::Send(sending) = wallet.pay(&request, &fetch, &Policy::new(5), now)? else {
///     panic!("the price is below the autopay threshold");
/// };
/// // Here `sending.message` goes to the vendor, whose answer brings the page.
/// wallet.record_outcome(sending.payment, PaymentOutcome::Paid, now)?;
/// assert_eq!(wallet.state().balance(0).paid, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Wallet {
    file: Replayed<WalletState>,
}

impl Wallet {
    /// Opens the wallet file `name`. Creates it with mode 0600 if it does not exist.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or is not a wallet.
    pub fn open(
        directory: &dyn Directory,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Wallet, WalletError> {
        let file =
            Replayed::open_or_create(directory, name, KIND, entropy, WalletState::default())?;
        Ok(Wallet { file })
    }

    /// Opens an existing wallet file for reading only. Every method that would change it fails.
    ///
    /// # Errors
    /// The file cannot be opened, is damaged, or is not a wallet.
    pub fn open_to_read(directory: &dyn Directory, name: &str) -> Result<Wallet, WalletError> {
        let file = Replayed::open_to_read(directory, name, KIND, WalletState::default())?;
        Ok(Wallet { file })
    }

    /// The content of the wallet, as of the last call that read the file.
    pub fn state(&self) -> &WalletState {
        self.file.state()
    }

    /// Reads what other processes have appended to the file.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn refresh(&mut self) -> Result<&WalletState, WalletError> {
        Ok(self.file.refresh()?)
    }

    /// Decides about the Request-Payment that answered `fetch`. If the decision is to send a
    /// payment, its coins are durably recorded as spent when this returns.
    ///
    /// # Errors
    /// The file cannot be written. Send nothing then.
    pub fn pay(
        &mut self,
        request: &RequestPayment,
        fetch: &Fetch<'_>,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<PaymentDecision, WalletError> {
        self.locked(|file| match file.state().plan(request, fetch, policy, now) {
            PaymentPlan::Refuse(unpayable) => Ok(PaymentDecision::Refuse(unpayable)),
            PaymentPlan::Ask(choice) => Ok(PaymentDecision::Ask(choice)),
            PaymentPlan::NeedsConsent(needed) => Ok(PaymentDecision::NeedsConsent(needed)),
            PaymentPlan::Resend(payment) => {
                let earlier = &file.state().payments[payment as usize];
                let (message, outcome) = (earlier.message.clone(), earlier.outcome.clone());
                if outcome.is_sent_again() && outcome != PaymentOutcome::Unknown {
                    // Its coins must pay for nothing else while it is on its way.
                    let outcome = PaymentOutcome::Unknown;
                    commit(file, &[WalletRecord::Outcome { at: now, payment, outcome }])?;
                }
                Ok(PaymentDecision::Send(Sending { payment, message, again: true }))
            }
            PaymentPlan::Pay(choice) => {
                let payment = file.state().payments.len() as u32;
                let spend = file.state().spend(choice, request, fetch, now);
                let message = spend.message.clone();
                let purpose = fetch.purpose.cloned().map(WalletRecord::Purpose);
                let records: Vec<_> =
                    purpose.into_iter().chain([WalletRecord::Spend(spend)]).collect();
                commit(file, &records)?;
                Ok(PaymentDecision::Send(Sending { payment, message, again: false }))
            }
        })
    }

    /// Checks the vendor's manifest, the body of the answer at [`NeededConsent::url`]. If it names
    /// the origin of the page, the wallet does not ask again for coins of the same period.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn take_consent(
        &mut self,
        needed: &NeededConsent,
        manifest: &[u8],
        now: UnixTime,
    ) -> Result<Reply<(), NoConsent>, WalletError> {
        if let Err(why) = needed.check(manifest) {
            return Ok(Reply::Refused(why));
        }
        // Not synced: if the record is lost, the vendor is asked again.
        let record = WalletRecord::Consent { at: now, consent: needed.consent.clone() };
        self.locked(|file| append(file, &[record])).map(Reply::Granted)
    }

    /// Records the outcome of a payment.
    ///
    /// # Errors
    /// The file cannot be written. The outcome then stays unknown, and the payment is sent again
    /// with the same coins.
    pub fn record_outcome(
        &mut self,
        payment: u32,
        outcome: PaymentOutcome,
        now: UnixTime,
    ) -> Result<(), WalletError> {
        let record = WalletRecord::Outcome { at: now, payment, outcome };
        self.locked(|file| commit(file, &[record]))
    }

    /// Stores the receipt that came with the content of a payment ([`receipt_in`]).
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep_receipt(&mut self, payment: u32, receipt: Receipt) -> Result<(), WalletError> {
        // Not synced: losing a receipt costs nothing, since the vendor answers the same message
        // again without charging for it.
        let record = WalletRecord::Receipt { payment, receipt };
        self.locked(|file| append(file, &[record]))
    }

    /// Reserves the returnable coins of a holding, at most [`CREDIT_COINS_MAX`], for a return.
    /// Returns its Request-ID, or `None` if there are no such coins, or the broker does not take
    /// coins of the period back now. So an invitation that comes too early, from whomever, takes no
    /// coins away from spending. [`WalletState::request_credit`] makes the message; send it until
    /// an answer comes.
    ///
    /// # Errors
    /// The file cannot be written, or there is no randomness for the Request-ID.
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
            // Cannot happen: 32 hexadecimal digits are a valid identifier.
            Err(_) => return Ok(None),
        };
        self.locked(|file| {
            if !file.state().takes_returns(holding, now) {
                return Ok(None);
            }
            let places = returns::returnable(file.state(), holding, CREDIT_COINS_MAX as usize);
            if places.is_empty() {
                return Ok(None);
            }
            let record = WalletRecord::Return {
                at: now,
                holding: holding as u32,
                request: request.clone(),
                coins: places.len() as u32,
                digest: returns::digest(file.state(), &places),
            };
            commit(file, &[record])?;
            Ok(Some(request))
        })
    }

    /// Records the broker's verdicts on a return. Reading the same answer again changes nothing.
    ///
    /// # Errors
    /// The answer is not the broker's to a return of this wallet, or is an earlier one than the
    /// wallet has ([`NotCredited`]); or the file cannot be written.
    pub fn credit(&mut self, answer: &FundsCredited, now: UnixTime) -> Result<(), WalletError> {
        self.locked(|file| {
            let request = file.state().find_return(answer)?.request.clone();
            let pieces = answer.verdicts.chunks(VERDICTS_PER_RECORD_MAX).zip(0..);
            let records = pieces.map(|(verdicts, piece)| WalletRecord::Credited {
                at: now,
                request: request.clone(),
                transaction: answer.transaction,
                first: piece * VERDICTS_PER_RECORD_MAX as u32,
                verdicts: verdicts.to_vec(),
            });
            commit(file, &records.collect::<Vec<_>>())
        })
    }

    /// Calls `act` under the file's lock, with the state up to date. Fails if nothing can be spent.
    fn locked<T>(
        &mut self,
        act: impl FnOnce(&mut Locked<'_, WalletState>) -> Result<T, WalletError>,
    ) -> Result<T, WalletError> {
        self.file.locked(|file| match file.state().frozen {
            Some(frozen) => Err(WalletError::Frozen { path: file.path().into(), frozen }),
            None => act(file),
        })
    }
}

/// Appends records, without making them durable.
fn append(file: &mut Locked<'_, WalletState>, records: &[WalletRecord]) -> Result<(), WalletError> {
    let payloads: Vec<Vec<u8>> = records.iter().map(WalletRecord::to_bytes).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    file.append(&payloads)?;
    Ok(())
}

/// Appends records and makes them durable.
fn commit(file: &mut Locked<'_, WalletState>, records: &[WalletRecord]) -> Result<(), WalletError> {
    append(file, records)?;
    Ok(file.sync()?)
}
