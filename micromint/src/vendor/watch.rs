//! The watch at the vendor: payments that the till has just taken, shown to the broker before they
//! are redeemed.
//!
//! Input: the records of the till. Output: Request-Watch messages. Then input: the Watch-Result;
//! output: the users whom this vendor stops serving. The invariants: every payment is shown, in
//! order, at least once, unless the broker refuses it; nothing here changes what is redeemed.
//!
//! The state is the file `watch-shown` in the directory of the till: the position up to which
//! payments were shown. Without it, all payments that are in no batch are shown.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::redemption::{RedemptionError, block_users, recorded_payment};
use super::till_view::TillView;
use crate::authenticator::Key;
use crate::error::FileError;
use crate::hex::hex;
use crate::host::{Directory, Open, replace_whole};
use crate::identity::VendorId;
use crate::period::Period;
use crate::protocol::{
    Id, RequestWatch, Unsigned, WATCH_DATA_SIZE_MAX, WATCH_PAYMENTS_MAX, WatchResult, push_record,
};
use crate::till::{Position, Till, TillError, TillRecord};

/// The file in the till's directory: day and offset of the first record that was not shown, in
/// decimal digits, with a blank between them and a line end.
pub(crate) const SHOWN_FILE: &str = "watch-shown";
/// The largest such file, in bytes: a u32, a blank, a u64 and a line end.
const SHOWN_SIZE_MAX: u64 = 10 + 1 + 20 + 1;

/// The most that is shown at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchLimits {
    /// The largest number of payments, at most [`WATCH_PAYMENTS_MAX`].
    pub payments: u32,
    /// The largest data in bytes, at most [`WATCH_DATA_SIZE_MAX`].
    pub data_size: usize,
}

impl Default for WatchLimits {
    /// As large as a message can be.
    fn default() -> WatchLimits {
        WatchLimits { payments: WATCH_PAYMENTS_MAX, data_size: WATCH_DATA_SIZE_MAX }
    }
}

/// Payments to show: one message for each period.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutgoingWatch {
    /// The messages, by period.
    pub messages: Vec<RequestWatch>,
    /// Whether payments are left that did not fit.
    pub is_more_left: bool,
    next: Position,
}

/// The payments of a period that are shown.
#[derive(Default)]
struct Shown {
    payments: u32,
    data: Vec<u8>,
}

/// The messages that show the payments taken since the last call of [`mark_shown`]. `None` if there
/// are none. Payments that were reversed meanwhile are shown too: no answer frees coins for another
/// vendor. `key` is K_W.
///
/// # Errors
/// The till failed. Nothing was changed.
pub fn make_watch(
    till: &Till,
    vendor: &VendorId,
    key: &Key,
    limits: WatchLimits,
) -> Result<Option<OutgoingWatch>, RedemptionError> {
    let view = TillView::of(till)?;
    let (mut shown, mut failure) = (BTreeMap::<Period, Shown>::new(), None);
    let (mut payments, mut size, mut next) = (0, 0, None);
    view.scan_on(till.directory(), view.shown_to(till)?, |at, record| {
        let TillRecord::Payment(payment) = record else { return };
        if next.is_some() || failure.is_some() || at < view.batches.end_of(&payment.period) {
            return;
        }
        let payment_read = recorded_payment(till.directory(), at, &payment.message);
        match payment_read.map(|payment| payment.record().to_bytes()) {
            Ok(record)
                if payments == limits.payments || size + record.len() + 4 > limits.data_size =>
            {
                next = Some(at);
            }
            Ok(record) => {
                payments += 1;
                size += record.len() + 4;
                let shown = shown.entry(payment.period).or_default();
                shown.payments += 1;
                push_record(&mut shown.data, &record);
            }
            Err(error) => failure = Some(error),
        }
    })?;
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let messages: Result<Vec<RequestWatch>, TillError> =
        shown.into_iter().map(|(period, shown)| message(vendor, key, period, shown)).collect();
    let messages = messages?;
    let is_more_left = next.is_some();
    let next = next.unwrap_or(view.end);
    Ok((!messages.is_empty()).then_some(OutgoingWatch { messages, is_more_left, next }))
}

/// Reads the broker's answer to a message of a watch, and blocks the users that it names. `key` is
/// K_W.
///
/// # Errors
/// The answer is not the broker's to this message, or the list of blocked users cannot be written.
pub fn read_watch(
    till: &Till,
    key: &Key,
    message: &RequestWatch,
    result: &WatchResult,
) -> Result<(), RedemptionError> {
    let answers = (&result.vendor, &result.period, &result.watch)
        == (&message.vendor, &message.period, &message.watch);
    if !answers || !result.is_authentic(key) {
        let (vendor, id) = (message.vendor.clone(), message.watch.clone());
        return Err(RedemptionError::NotFromBroker { vendor, id });
    }
    Ok(block_users(till, result.blocked.users())?)
}

/// Records that the payments of a watch were shown.
///
/// # Errors
/// The file cannot be written; the payments are shown again.
pub fn mark_shown(till: &Till, watch: &OutgoingWatch) -> Result<(), RedemptionError> {
    let Position { day, offset } = watch.next;
    let path = till.directory().path().join(SHOWN_FILE);
    replace_whole(till.directory(), SHOWN_FILE, format!("{day} {offset}\n").as_bytes())
        .map_err(FileError::on("write", &path))?;
    Ok(())
}

impl TillView {
    /// The position up to which payments were shown. A till that lost its last records in a power
    /// cut shows the whole day again.
    fn shown_to(&self, till: &Till) -> Result<Position, RedemptionError> {
        let shown = read_shown(till.directory())?.unwrap_or_default();
        let is_behind_end = shown > self.end;
        Ok(if is_behind_end { Position { day: self.end.day, offset: 0 } } else { shown })
    }
}

/// The position in the file; `None` if there is no file, or it cannot be understood.
fn read_shown(directory: &dyn Directory) -> Result<Option<Position>, FileError> {
    let path = directory.path().join(SHOWN_FILE);
    let file = match directory.open(SHOWN_FILE, Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::on("open", &path)(error)),
    };
    let size = file.size().map_err(FileError::on("read", &path))?;
    if size > SHOWN_SIZE_MAX {
        return Ok(None);
    }
    let mut bytes = vec![0; size as usize];
    file.read_at(&mut bytes, 0).map_err(FileError::on("read", &path))?;
    let position = |text: &str| {
        let (day, offset) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Position { day: day.parse().ok()?, offset: offset.parse().ok()? })
    };
    Ok(std::str::from_utf8(&bytes).ok().and_then(position))
}

fn message(
    vendor: &VendorId,
    key: &Key,
    period: Period,
    shown: Shown,
) -> Result<RequestWatch, TillError> {
    let watch = watch_id(&shown.data)?;
    let Shown { payments, data } = shown;
    let authenticator = Unsigned;
    let vendor = vendor.clone();
    Ok(RequestWatch { vendor, period, watch, payments, authenticator, data }.authenticated(key))
}

/// The identifier of a watch follows from its content, so the same payments are the same watch.
fn watch_id(data: &[u8]) -> Result<Id, TillError> {
    // 20 digits have the right form and length; the error is for later changes.
    Ok(hex(&Sha256::digest(data)[..10]).parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::protocol::{Blocked, PaymentRecord, Verdict};
    use crate::till::tests::HandClock;
    use crate::vendor::redemption::blocked_users;
    use crate::vendor::redemption::tests::{digest, open, page, spend, vendor};

    fn key() -> Key {
        Key::from_bytes([6; 32])
    }

    fn make(till: &Till) -> Option<OutgoingWatch> {
        make_watch(till, &vendor(), &key(), WatchLimits::default()).unwrap()
    }

    fn answer(message: &RequestWatch, blocked: &[&str]) -> WatchResult {
        WatchResult {
            vendor: message.vendor.clone(),
            period: message.period.clone(),
            watch: message.watch.clone(),
            blocked: Blocked::new(blocked.iter().map(|user| user.parse().unwrap())),
            authenticator: Unsigned,
            verdicts: vec![Verdict::Accepted],
        }
        .authenticated(&key())
    }

    fn digests(watch: &OutgoingWatch) -> Vec<Vec<crate::authenticator::UrlDigest>> {
        let url = |record: &&[u8]| PaymentRecord::parse(record).unwrap().url;
        watch.messages.iter().map(|message| message.records().iter().map(url).collect()).collect()
    }

    #[test]
    fn every_payment_is_shown_until_the_broker_has_answered() {
        let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T23:59:00Z"));
        let till = open(&directory, &clock);
        assert!(make(&till).is_none());
        spend(&till, "2026-12", 0..1);
        spend(&till, "2027-01", 1..2);
        let reversed = spend(&till, "2026-12", 2..3);
        till.reverse(reversed).unwrap();
        let first = make(&till).unwrap();
        assert!(!first.is_more_left);
        let expected =
            [vec![digest("2026-12", 0), digest("2026-12", 4)], vec![digest("2027-01", 2)]];
        assert_eq!(digests(&first), expected);
        for message in &first.messages {
            assert!(message.is_authentic(&key()));
            assert_eq!(RequestWatch::parse(&message.to_bytes()).unwrap(), *message);
        }
        // The same payments are the same messages, also in another process.
        assert_eq!(make(&open(&directory, &clock)).unwrap(), first);
        mark_shown(&till, &first).unwrap();
        assert!(make(&till).is_none());
        clock.pass(3600);
        spend(&till, "2026-12", 3..4);
        assert_eq!(digests(&make(&till).unwrap()), [[digest("2026-12", 6)]]);
    }

    #[test]
    fn a_message_has_at_most_so_many_payments_and_bytes() {
        let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
        let till = open(&directory, &clock);
        for coin in 0..5 {
            spend(&till, "2026-12", coin..coin + 1);
        }
        let all = make(&till).unwrap().messages.remove(0);
        let two = 2 * (4 + all.records()[0].len());
        for limits in [
            WatchLimits { payments: 2, ..WatchLimits::default() },
            WatchLimits { data_size: two, ..WatchLimits::default() },
            WatchLimits { data_size: two + 1, ..WatchLimits::default() },
        ] {
            directory.remove(SHOWN_FILE).ok();
            let mut sizes = Vec::new();
            while let Some(watch) = make_watch(&till, &vendor(), &key(), limits).unwrap() {
                sizes.push(watch.messages[0].payments);
                assert_eq!(watch.is_more_left, sizes.len() < 3);
                mark_shown(&till, &watch).unwrap();
            }
            assert_eq!(sizes, [2, 2, 1], "{limits:?}");
        }
    }

    #[test]
    fn a_lost_or_wrong_mark_shows_too_much_rather_than_too_little() {
        let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
        let till = open(&directory, &clock);
        spend(&till, "2026-12", 0..1);
        spend(&till, "2026-12", 1..2);
        let all = make(&till).unwrap();
        mark_shown(&till, &all).unwrap();
        for wrong in ["", "x", "99999999 1\n", "1 2", &"9".repeat(40)] {
            directory.put(SHOWN_FILE, wrong.as_bytes());
            assert_eq!(make(&till).unwrap(), all, "{wrong:?}");
        }
        // In the middle of the first record.
        let day = all.next.day;
        directory.put(SHOWN_FILE, format!("{day} 70\n").as_bytes());
        assert_eq!(digests(&make(&till).unwrap()), [[digest("2026-12", 2)]]);
    }

    #[test]
    fn users_are_blocked_by_the_answer_of_the_broker_alone() {
        let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T12:00:00Z"));
        let till = open(&directory, &clock);
        spend(&till, "2026-12", 0..1);
        let message = make(&till).unwrap().messages.remove(0);
        let good = answer(&message, &["eve"]);
        let forged = WatchResult { verdicts: Vec::new(), ..good.clone() };
        let of_another =
            answer(&RequestWatch { watch: "other".parse().unwrap(), ..message.clone() }, &["bob"]);
        for wrong in [&forged, &of_another] {
            let error = read_watch(&till, &key(), &message, wrong).unwrap_err();
            assert!(matches!(error, RedemptionError::NotFromBroker { .. }), "{error}");
        }
        assert!(blocked_users(&till).unwrap().is_empty());
        read_watch(&till, &key(), &message, &good).unwrap();
        assert_eq!(blocked_users(&till).unwrap(), ["eve".parse().unwrap()]);
        assert_eq!(page("2026-12", 0), "https://news.example/2026-12/0");
    }
}
