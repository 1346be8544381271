//! The wallet of one extension: what the background asks, and the answers.
//!
//! Input: commands in JSON, with bytes beside them for files and messages. Output: answers in JSON,
//! with bytes beside them. The invariant: the extension stores [`Session::unsaved`] durably before
//! it acts on an answer, so what the core decided is on disk before any coin leaves.

use micromint::host::Entropy;
use micromint::protocol::{FundsCredited, FundsWithdrawn, RequestPayment, Url};
use micromint::time::UnixTime;
use micromint::wallet::{
    PaymentForm, PaymentOutcome, Received, Wallet, outcome_of, receipt_in, request_in_header,
    resend_after,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::amount::Worth;
use crate::complaint::complaint;
use crate::decide::{Visit, decide};
use crate::hint::{Said, hint};
use crate::memory::{MemoryDirectory, Unsaved};
use crate::settings::{Settings, SiteRule};
use crate::view;

/// The name of the wallet file.
const WALLET: &str = "wallet.mmw";
/// The name of a file that is given out or taken in.
const OTHER: &str = "other.mmw";
/// The largest file or message that is taken in, in bytes.
pub const INPUT_SIZE_MAX: usize = 512 * 1024 * 1024;

/// What the background asks. Times are seconds since 1970.
///
/// Sent with its name as the member `do`. Read by [`Command::read`]: a tag inside of the object, as
/// serde reads it, makes core.wasm larger by an eighth.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Command {
    /// Decides about a page.
    Pay { url: String, request: String, visit: Visit, manifest: Option<String>, now: i64 },
    /// Takes the answer to a payment.
    Answer(Answer),
    /// Takes the coins of a Funds-Withdrawn message (the bytes).
    Receive { page: Option<String>, is_agreed: bool, now: i64 },
    /// The balance, the limits and what needs attention.
    Overview { now: i64 },
    /// Payments, the latest first.
    Payments { from: usize, count: usize },
    /// What the wallet knows of a site.
    Site { vendor: String, now: i64 },
    /// Replaces the settings. The answer is their stored form.
    SetSettings { settings: Value },
    /// Replaces the rule for a site; none removes it.
    SetRule { vendor: String, rule: Option<SiteRule> },
    /// A backup, in the bytes of the answer.
    Backup { now: i64 },
    /// Makes a wallet of a backup (the bytes).
    Restore { is_unspent_since: bool, now: i64 },
    /// The whole wallet, in the bytes of the answer. It cannot be used here any more.
    MoveOut { now: i64 },
    /// Takes a wallet in that was moved out elsewhere (the bytes).
    MoveIn { now: i64 },
    /// The messages that return expired coins to their brokers.
    Returns { now: i64 },
    /// Takes a broker's Funds-Credited (the bytes).
    Credited { now: i64 },
    /// What the mark on a link says.
    Hint { url: String, said: Said, now: i64 },
    /// A complaint about a payment, in the bytes of the answer.
    Complaint { payment: u32, text: String },
}

impl Command {
    fn read(command: Value) -> Result<Command, String> {
        let Value::Object(mut members) = command else {
            return Err(format!("command: expected an object, found {command}"));
        };
        let name = match members.remove("do") {
            Some(Value::String(name)) => name,
            Some(other) => {
                return Err(format!("command: expected a name in \"do\", found {other}"));
            }
            None => return Err("command: expected the member \"do\", found none".to_string()),
        };
        let named = Map::from_iter([(name, Value::Object(members))]);
        Command::deserialize(Value::Object(named)).map_err(|error| format!("command: {error}"))
    }
}

/// An answer to a payment. `is_complete`: the content has arrived as a whole.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    payment: u32,
    status: u16,
    word: Option<String>,
    reason: Option<String>,
    retry_after: Option<String>,
    #[serde(default)]
    cookies: Vec<String>,
    is_body: bool,
    first_sent: i64,
    is_complete: bool,
    now: i64,
}

/// What an answer means.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Meaning {
    outcome: &'static str,
    reason: Option<String>,
    /// Send the same message again after this many seconds.
    resend: Option<u32>,
    /// Send the same message now in this form: `body` or `header`.
    other_form: Option<&'static str>,
}

/// The open wallet of an extension.
pub struct Session {
    files: MemoryDirectory,
    wallet: Wallet,
    settings: Settings,
    entropy: Box<dyn Entropy>,
}

/// An answer, and bytes that go with it.
pub type Output = (Value, Vec<u8>);

impl Session {
    /// Opens the stored wallet file; makes one if `file` is empty.
    ///
    /// # Errors
    /// The file is damaged or is not a wallet, or the settings are unreadable. Says why.
    pub fn open(
        file: Vec<u8>,
        settings: &str,
        entropy: Box<dyn Entropy>,
    ) -> Result<Session, String> {
        let settings =
            if settings.is_empty() { Settings::default() } else { Settings::parse(settings)? };
        let files = MemoryDirectory::default();
        if !file.is_empty() {
            files.put(WALLET, file);
        }
        let wallet = Wallet::open(&files, WALLET, &*entropy).map_err(|error| error.to_string())?;
        Ok(Session { files, wallet, settings, entropy })
    }

    /// What of the wallet file is not stored yet.
    pub fn unsaved(&self) -> Option<Unsaved> {
        self.files.unsaved(WALLET)
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// The command is malformed, or the wallet cannot do it. Says why.
    pub fn call(&mut self, command: Value, bytes: &[u8]) -> Result<Output, String> {
        if bytes.len() > INPUT_SIZE_MAX {
            let found = bytes.len();
            return Err(format!("expected at most {INPUT_SIZE_MAX} bytes, found {found}"));
        }
        let only = |value: Value| Ok((value, Vec::new()));
        match Command::read(command)? {
            Command::Pay { url, request, visit, manifest, now } => {
                self.pay(&url, &request, &visit, manifest.as_deref(), UnixTime(now))
            }
            Command::Answer(answer) => self.answer(&answer),
            Command::Receive { page, is_agreed, now } => {
                self.receive(bytes, page.as_deref(), is_agreed, UnixTime(now))
            }
            Command::Overview { now } => {
                only(view::overview(self.wallet.state(), &self.settings, UnixTime(now)))
            }
            Command::Payments { from, count } => {
                only(view::payments(self.wallet.state(), from, count))
            }
            Command::Site { vendor, now } => {
                let vendor = vendor.parse().map_err(text)?;
                only(view::site(self.wallet.state(), &self.settings, &vendor, UnixTime(now)))
            }
            Command::SetSettings { settings } => {
                self.settings = Settings::read(settings)?;
                only(json!(self.settings))
            }
            Command::SetRule { vendor, rule } => {
                let mut changed = self.settings.clone();
                match rule {
                    Some(rule) => changed.sites.insert(vendor, rule),
                    None => changed.sites.remove(&vendor),
                };
                self.settings = Settings::read(json!(changed))?;
                only(json!(self.settings))
            }
            Command::Backup { now } => {
                self.wallet.backup(&self.files, OTHER, UnixTime(now)).map_err(text)?;
                Ok((json!({}), self.take_other()))
            }
            Command::Restore { is_unspent_since, now } => {
                self.restore(bytes, is_unspent_since, UnixTime(now))
            }
            Command::MoveOut { now } => {
                self.files.remove_if_there(OTHER);
                let (to, now) = (self.files.clone(), UnixTime(now));
                self.wallet.move_out(&to, OTHER, &*self.entropy, now).map_err(text)?;
                Ok((json!({}), self.take_other()))
            }
            Command::MoveIn { now } => self.move_in(bytes, UnixTime(now)),
            Command::Returns { now } => only(self.returns(UnixTime(now))?),
            Command::Credited { now } => {
                let answer = FundsCredited::parse(bytes).map_err(text)?;
                self.wallet.credit(&answer, UnixTime(now)).map_err(text)?;
                only(json!({}))
            }
            Command::Hint { url, said, now } => {
                let url: Url = without_fragment(&url).parse().map_err(text)?;
                only(json!(hint(self.wallet.state(), &url, &said, UnixTime(now))?))
            }
            Command::Complaint { payment, text: words } => {
                complaint(self.wallet.state(), payment, &words)
            }
        }
    }

    fn pay(
        &mut self,
        url: &str,
        request: &str,
        visit: &Visit,
        manifest: Option<&str>,
        now: UnixTime,
    ) -> Result<Output, String> {
        let request: RequestPayment = request_in_header(request.as_bytes()).map_err(text)?;
        let url: Url = without_fragment(url).parse().map_err(text)?;
        let manifest = manifest.map(str::as_bytes);
        let verdict =
            decide(&mut self.wallet, &self.settings, &request, &url, visit, manifest, now);
        Ok((json!(verdict.map_err(text)?), Vec::new()))
    }

    fn answer(&mut self, answer: &Answer) -> Result<Output, String> {
        let now = UnixTime(answer.now);
        let Some(payment) = self.wallet.state().payments().get(answer.payment as usize) else {
            return Err(format!("expected a payment of this wallet, found {}", answer.payment));
        };
        let is_paid_already = payment.outcome == PaymentOutcome::Paid;
        let found = outcome_of(answer.status, answer.word.as_deref(), answer.reason.as_deref());
        let resend =
            resend_after(&found, answer.retry_after.as_deref(), UnixTime(answer.first_sent), now);
        let form = if answer.is_body { PaymentForm::Body } else { PaymentForm::Header };
        let other_form = form.other_after(answer.status, &found).map(|form| match form {
            PaymentForm::Body => "body",
            PaymentForm::Header => "header",
        });
        // Until the content has arrived, a crash must lead to the same message again. The outcome
        // of a payment that is sent again stays open for the same reason.
        let is_early = found == PaymentOutcome::Paid && !answer.is_complete;
        let is_open = found == PaymentOutcome::Unknown || resend.is_some();
        if !is_early && !is_open && !is_paid_already {
            self.wallet.record_outcome(answer.payment, found.clone(), now).map_err(text)?;
        }
        if found == PaymentOutcome::Paid
            && answer.is_complete
            && let Some(receipt) = answer.cookies.iter().find_map(|it| receipt_in(it, now))
        {
            self.wallet.keep_receipt(answer.payment, receipt).map_err(text)?;
        }
        let meaning = Meaning {
            outcome: found.word(),
            reason: found.reason().map(str::to_string),
            resend,
            other_form,
        };
        Ok((json!(meaning), Vec::new()))
    }

    fn receive(
        &mut self,
        message: &[u8],
        page: Option<&str>,
        is_agreed: bool,
        now: UnixTime,
    ) -> Result<Output, String> {
        let funds = FundsWithdrawn::parse(message).map_err(text)?;
        let broker = funds.params.raw().broker.clone();
        let holdings = self.wallet.state().holdings();
        let is_known = holdings.iter().any(|held| held.params.raw().broker == broker);
        let facts = json!({
            "broker": broker,
            "user": funds.user.to_string(),
            "sets": funds.sets.len(),
            "period": funds.params.period().to_string(),
            "value": Worth::from(funds.params.coin_value()),
        });
        if !is_agreed && !is_known {
            return Ok((json!({"received": "ask", "facts": facts}), Vec::new()));
        }
        let received = match page {
            Some(page) => {
                let page: Url = without_fragment(page).parse().map_err(text)?;
                self.wallet.receive_from(&page, &funds, now)
            }
            None => self.wallet.receive(&funds, now),
        };
        let value = match received.map_err(text)? {
            Received::New { sets, coins, holding } => {
                let has_rivals = self.wallet.state().rivals(holding).next().is_some();
                json!({"received": "new", "sets": sets, "coins": coins, "hasRivals": has_rivals,
                    "facts": facts})
            }
            Received::Already => json!({"received": "already", "facts": facts}),
            Received::Refused(why) => {
                json!({"received": "refused", "text": why.to_string(), "facts": facts})
            }
        };
        Ok((value, Vec::new()))
    }

    /// The messages to send to the brokers: of returns that wait for an answer, and of new ones.
    fn returns(&mut self, now: UnixTime) -> Result<Value, String> {
        let holdings = self.wallet.state().holdings().len();
        for holding in 0..holdings {
            self.wallet.begin_return(holding, now, &*self.entropy).map_err(text)?;
        }
        Ok(view::returns(self.wallet.state()))
    }

    fn restore(
        &mut self,
        file: &[u8],
        is_unspent_since: bool,
        now: UnixTime,
    ) -> Result<Output, String> {
        self.must_be_unused()?;
        let from = MemoryDirectory::default();
        from.put(OTHER, file.to_vec());
        let fresh = MemoryDirectory::default();
        self.wallet =
            Wallet::restore(&from, OTHER, &fresh, WALLET, is_unspent_since, now).map_err(text)?;
        self.files = fresh;
        Ok((json!({}), Vec::new()))
    }

    fn move_in(&mut self, file: &[u8], now: UnixTime) -> Result<Output, String> {
        let from = MemoryDirectory::default();
        from.put(OTHER, file.to_vec());
        let to = MemoryDirectory::default();
        if self.must_be_unused().is_err() {
            // Only a wallet that was moved out of here before may come back in its place.
            to.put(WALLET, self.files.get(WALLET).unwrap_or_default());
        }
        self.wallet =
            Wallet::move_in(&from, OTHER, &to, WALLET, &*self.entropy, now).map_err(text)?;
        self.files = to;
        Ok((json!({}), Vec::new()))
    }

    fn must_be_unused(&self) -> Result<(), String> {
        let state = self.wallet.state();
        let is_unused =
            state.holdings().is_empty() && state.orders().is_empty() && state.frozen().is_none();
        is_unused.then_some(()).ok_or_else(|| "there is a wallet here already".to_string())
    }

    fn take_other(&mut self) -> Vec<u8> {
        let bytes = self.files.get(OTHER).unwrap_or_default();
        self.files.remove_if_there(OTHER);
        bytes
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A browser's URL may have a fragment, which is not sent.
fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}
