//! `mmwallet settle`: records what became of a payment that another program sent.
//!
//! Input: the payment's reference, and its outcome or the head of the vendor's answer. Output: the
//! recorded outcome, and what follows for the coins. The invariants: *paid* is final; and no
//! outcome lets coins that were sent be spent at another vendor.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::json;

use micromint::host::{Clock, SystemClock};
use micromint::money::coins_worth;
use micromint::protocol::STATUS_HEADER;
use micromint::wallet::{PastPayment, PaymentOutcome, Wallet, WalletState, outcome_of, receipt_in};
use micromint_console::{EXIT_OK, FormatArgs, ToolError, read_input, say};

use crate::show::print_json;
use crate::wallet_file::WalletFile;

/// The shortest beginning of a reference that is looked up.
pub(crate) const REFERENCE_LEN_MIN: usize = 8;
/// The largest head of an answer, in bytes.
const HEAD_SIZE_MAX: usize = 64 * 1024;
/// The longest reason, in bytes.
const REASON_LEN_MAX: usize = 64;

/// What became of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutcomeWord {
    /// The content came completely. Final.
    Paid,
    /// No answer came, or one that leaves open whether the vendor has the coins.
    Unknown,
    /// The vendor refused the payment; --reason gives its word.
    Refused,
    /// The vendor says that it recorded nothing, or reversed the payment; --reason gives its word.
    NotKept,
    /// The paywall did not see the payment; --reason gives the HTTP status.
    NotSeen,
    /// Read the head of the vendor's answer (status line and header fields) on standard input, and
    /// decide by it. Use this once the content has come completely.
    Answer,
}

/// The command line of `mmwallet settle`.
#[derive(Args, Debug)]
pub struct SettleArgs {
    /// The reference of the payment, or its first 8 or more digits.
    reference: String,
    /// What became of it.
    #[arg(value_enum)]
    outcome: OutcomeWord,
    /// The vendor's reason, such as the word in MicroMint-Status: at most 64 printable characters.
    #[arg(long, value_name = "WORD", value_parser = reason)]
    reason: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Records the outcome of a payment.
///
/// # Errors
/// There is no such payment, the answer on standard input is malformed, or the wallet cannot be
/// written. The outcome is then what it was before.
pub fn settle(args: &SettleArgs, file: &WalletFile) -> Result<u8, ToolError> {
    let mut wallet = file.open()?;
    let number = find(wallet.state(), &args.reference)?;
    let reason = args.reason.clone();
    let takes_reason =
        !matches!(args.outcome, OutcomeWord::Paid | OutcomeWord::Unknown | OutcomeWord::Answer);
    if reason.is_some() && !takes_reason {
        return Err("--reason belongs to refused, not-kept and not-seen".into());
    }
    let reason = reason.unwrap_or_else(|| "no reason given".to_string());
    let outcome = match args.outcome {
        OutcomeWord::Paid => PaymentOutcome::Paid,
        OutcomeWord::Unknown => PaymentOutcome::Unknown,
        OutcomeWord::Refused => PaymentOutcome::Refused(reason),
        OutcomeWord::NotKept => PaymentOutcome::NotKept(reason),
        OutcomeWord::NotSeen => PaymentOutcome::NotSeen(reason),
        OutcomeWord::Answer => {
            let head = Head::parse(&read_input(Path::new("-"), HEAD_SIZE_MAX)?)?;
            head.record(&mut wallet, number)?
        }
    };
    wallet.record_outcome(number, outcome, SystemClock.now())?;
    let state = wallet.state();
    let payment = &state.payments()[number as usize];
    match args.format.is_json() {
        false => say!("{}", in_words(state, payment)),
        true => print_json(&json!({
            "reference": payment.reference(), "outcome": payment.outcome.word(),
            "reason": payment.outcome.reason().unwrap_or_default(), "coins": payment.coins,
            "vendor": payment.vendor.as_str(), "url": payment.url.as_str(),
            "then": consequence(payment),
        }))?,
    }
    Ok(EXIT_OK)
}

/// The number of the payment with this reference. A message that was sent again, after the vendor
/// had refused it because of the request, is another payment with the same reference: the latest
/// counts.
pub(crate) fn find(state: &WalletState, reference: &str) -> Result<u32, ToolError> {
    let digits = reference.to_ascii_lowercase();
    let is_one = digits.len() >= REFERENCE_LEN_MIN && digits.bytes().all(|c| c.is_ascii_hexdigit());
    if !is_one {
        return Err(format!(
            "expected a reference of at least {REFERENCE_LEN_MIN} hexadecimal digits, found \
            {reference:?}"
        )
        .into());
    }
    let found = state.find_payments(&digits);
    let Some((number, _)) = found.last() else {
        return Err(format!("the wallet made no payment {digits}").into());
    };
    let references: BTreeSet<String> = found.iter().map(|(_, one)| one.reference()).collect();
    match references.len() {
        1 => Ok(*number),
        count => Err(format!("{count} references begin with {digits}: give more digits").into()),
    }
}

fn in_words(state: &WalletState, payment: &PastPayment) -> String {
    let value = state.holdings()[payment.holding].params.coin_value();
    format!(
        "payment {} of {} to {}: {}; {}",
        payment.reference(),
        coins_worth(payment.coins.into(), value),
        payment.vendor,
        payment.outcome,
        consequence(payment)
    )
}

/// What follows from the outcome for the coins.
pub(crate) fn consequence(payment: &PastPayment) -> String {
    let vendor = &payment.vendor;
    match &payment.outcome {
        PaymentOutcome::Paid => "the coins are spent".to_string(),
        PaymentOutcome::Unknown => format!(
            "{vendor} may have taken the coins: the same request is answered with the same \
            payment, which is not charged twice, and after the period coins that were not charged \
            can be returned"
        ),
        PaymentOutcome::NotSeen(_) => format!(
            "nothing was charged: the same request is answered with the same payment, and the \
            coins can pay for other pages of {vendor}"
        ),
        outcome if outcome.leaves_coins_usable() => {
            format!("the coins can be spent only at {vendor}, and returned after the period")
        }
        _ => format!(
            "{vendor} has the coins and does not accept them; they can be returned after the period"
        ),
    }
}

/// The head of an answer to a payment.
struct Head {
    status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// Reads a status line and header fields. Of several heads, as `curl -D` writes them, the last
    /// one counts.
    fn parse(text: &[u8]) -> Result<Head, ToolError> {
        let text = String::from_utf8_lossy(text);
        let mut found: Option<Head> = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("HTTP/") {
                let status = rest.split(' ').nth(1).and_then(|status| status.parse().ok());
                let status =
                    status.filter(|status| (100..=599).contains(status)).ok_or_else(|| {
                        format!("expected a status line such as HTTP/1.1 200 OK, found {line:?}")
                    })?;
                found = Some(Head { status, fields: Vec::new() });
            } else if let (Some(head), Some((name, value))) = (&mut found, line.split_once(':')) {
                head.fields.push((name.trim().to_string(), value.trim().to_string()));
            }
        }
        found.ok_or_else(|| "expected the head of an answer, such as HTTP/1.1 200 OK".into())
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let found = self.fields.iter().filter(move |(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The outcome that this answer means. Keeps the receipt that came with paid content.
    fn record(&self, wallet: &mut Wallet, payment: u32) -> Result<PaymentOutcome, ToolError> {
        let outcome = outcome_of(self.status, self.values(STATUS_HEADER).next(), None);
        let now = SystemClock.now();
        let receipt = self.values("set-cookie").find_map(|value| receipt_in(value, now));
        if let (PaymentOutcome::Paid, Some(receipt)) = (&outcome, receipt) {
            wallet.keep_receipt(payment, receipt)?;
        }
        Ok(outcome)
    }
}

fn reason(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|c| (b' '..=b'~').contains(&c));
    if is_plain && (1..=REASON_LEN_MAX).contains(&text.len()) {
        return Ok(text.to_string());
    }
    Err(format!("expected 1 to {REASON_LEN_MAX} printable ASCII characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_head_counts() {
        let text =
            b"HTTP/1.1 402 Payment Required\r\nX: y\r\n\r\nHTTP/2 200 \r\nset-cookie: a=b\r\n\
            Set-Cookie: c=d\r\nno field\r\n\r\n";
        let head = Head::parse(text).unwrap();
        let cookies: Vec<&str> = head.values("Set-Cookie").collect();
        assert_eq!((head.status, cookies), (200, vec!["a=b", "c=d"]));
        for bad in ["", "X: y", "HTTP/1.1", "HTTP/1.1 abc", "HTTP/1.1 99 x", "HTTP/1.1 600 x"] {
            assert!(Head::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reason_is_bounded() {
        assert!(reason(&"x".repeat(REASON_LEN_MAX)).is_ok());
        for bad in ["", "\u{1b}", "\u{e9}", &"x".repeat(REASON_LEN_MAX + 1)] {
            assert!(reason(bad).is_err(), "{bad}");
        }
    }
}
