//! What each target does with its bytes: parse them, and if they are valid, parse the printed form
//! again.
//!
//! None may panic, hang, or use unbounded memory. The core's tests run the same functions over the
//! seeds in `fuzz/seeds/` and mutated copies, so these properties are tested without a fuzzer too.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint::coin_file::CoinFile;
use micromint::host::{Directory, FixedClock, Open, SimulatedDirectory, SystemEntropy};
use micromint::journal::{Journal, JournalError, RECORD_SIZE_MAX, Replayed};
use micromint::params::Params;
use micromint::protocol::{Message, Payment, PaymentRecord};
use micromint::scheme::{
    Credential, PaymentReceipt, challenges_in, charge_request, read_charge_request, token_of,
};
use micromint::till::{SyncMode, Till};
use micromint::time::UnixTime;
use micromint::wallet::Wallet;

/// 2026-12-15, in the middle of the period of the vectors.
const NOW: UnixTime = UnixTime(1_797_292_800);

/// Reads arbitrary bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const ALL: [(&str, Target); 8] = [
    ("message", message),
    ("payment", payment),
    ("params", params),
    ("coin_file", coin_file),
    ("journal", journal),
    ("wallet", wallet),
    ("till", till),
    ("scheme", scheme),
];

/// Messages of all types.
pub fn message(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        assert_eq!(
            Message::parse(&message.to_bytes()).expect("what is printed can be read"),
            message
        );
    }
}

/// Payments, whose data is also what the authenticator covers.
pub fn payment(data: &[u8]) {
    if let Ok(payment) = Payment::parse(data) {
        assert_eq!(payment.data().len(), 8 * payment.x.len());
        assert_eq!(
            Payment::parse(&payment.to_bytes()).expect("what is printed can be read"),
            payment
        );
        let record = payment.record();
        assert_eq!(
            PaymentRecord::parse(&record.to_bytes()).expect("what is printed can be read"),
            record
        );
    }
    if let Ok(record) = PaymentRecord::parse(data) {
        assert_eq!(record.to_bytes(), data);
    }
}

/// Parameter files.
pub fn params(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(params) = Params::from_toml(text) {
        assert_eq!(
            Params::from_toml(&params.to_toml()).expect("what is printed can be read"),
            params
        );
        let _ = params.bin_of(params.raw().iv);
    }
}

/// Coin files of any content.
pub fn coin_file(data: &[u8]) {
    let directory = SimulatedDirectory::new();
    directory.put("fuzz.coins", data);
    for open in [CoinFile::open, CoinFile::open_read, CoinFile::inspect, CoinFile::open_minting] {
        let Ok(file) = open(&directory, "fuzz.coins") else { continue };
        let _ = (file.minting_state(), file.next_superbin());
        for index in [0, 1, file.params().superbin_count() as u32 - 1] {
            let _ = (file.superbin(index), file.superbin_header(index));
        }
    }
}

/// Journals of any content, torn at any place.
pub fn journal(data: &[u8]) {
    let directory = SimulatedDirectory::new();
    directory.put("fuzz.journal", data);
    let _ = read_all(&directory, "fuzz.journal", "fuzz");
    let _ =
        Replayed::open_or_create(&directory, "fuzz.journal", "fuzz", &SystemEntropy, All::new());
    write_journal(&directory, "torn.journal", "fuzz", data);
}

/// Wallets: the bytes as a file, and as records of an intact file.
pub fn wallet(data: &[u8]) {
    let directory = SimulatedDirectory::new();
    directory.put("raw.wallet", data);
    let _ = Wallet::open(&directory, "raw.wallet", &SystemEntropy);
    write_journal(&directory, "fuzz.wallet", "wallet", data);
    if let Ok(mut wallet) = Wallet::open(&directory, "fuzz.wallet", &SystemEntropy) {
        let _ = wallet.refresh();
    }
}

/// Tills: the bytes as a day's journal, and as records of an intact one.
pub fn till(data: &[u8]) {
    for whole in [false, true] {
        let directory = SimulatedDirectory::new();
        if Till::prepare(&directory).is_err() {
            return;
        }
        if whole {
            write_journal(&directory, "till-2026-12-15.journal", "till", data);
        } else {
            directory.put("till-2026-12-15.journal", data);
        }
        let till = Till::open(
            Box::new(directory),
            SyncMode::Always,
            Arc::new(FixedClock(NOW)),
            Arc::new(SystemEntropy),
        );
        if let Ok(till) = till {
            let _ = till.totals();
        }
    }
}

/// What the scheme "Payment" carries: a line of challenges, and JSON, which a fuzzer would never
/// find in base64url.
pub fn scheme(data: &[u8]) {
    if let Ok(line) = std::str::from_utf8(data) {
        let is_plain = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        for challenge in challenges_in(line) {
            let _ = read_charge_request(&challenge.request);
            let again = challenges_in(&challenge.to_header());
            // What a header cannot carry is omitted, and may have been the whole value.
            assert!(!is_plain || again == [challenge], "what is printed can be read: {again:?}");
        }
    }
    let encoded = URL_SAFE_NO_PAD.encode(data);
    if let Ok(offer) = read_charge_request(&encoded) {
        assert_eq!(
            read_charge_request(&charge_request(&offer)).expect("what is printed can be read"),
            offer
        );
    }
    if let Ok(receipt) = PaymentReceipt::parse(&encoded) {
        assert_eq!(
            PaymentReceipt::parse(&receipt.to_header()).expect("what is printed can be read"),
            receipt
        );
    }
    let _ = Credential::parse(data);
    if let Ok(credential) = Credential::parse(encoded.as_bytes()) {
        let header = credential.to_header();
        let token = token_of(header.as_bytes()).expect("a credential of this scheme");
        assert_eq!(Credential::parse(token).expect("what is printed can be read"), credential);
        if let Ok(message) = credential.message() {
            payment(&message);
        }
    }
}

/// Every record of a journal with its offset.
type All = Vec<(u64, Vec<u8>)>;

/// Writes the bytes as records, each preceded by its length in two bytes, because a fuzzer would
/// never find the checksums. Then appends the rest as a torn tail, and reads everything.
fn write_journal(directory: &SimulatedDirectory, name: &str, kind: &str, data: &[u8]) {
    let Ok(mut journal) =
        Replayed::open_or_create(directory, name, kind, &SystemEntropy, All::new())
    else {
        return;
    };
    let tail = journal.locked(|journal| -> Result<&[u8], JournalError> {
        let mut data = data;
        while let Some((length, rest)) = data.split_first_chunk::<2>() {
            let length = usize::from(u16::from_le_bytes(*length)).clamp(1, RECORD_SIZE_MAX);
            let Some((payload, rest)) = rest.split_at_checked(length) else { break };
            journal.append(&[payload])?;
            data = rest;
        }
        journal.sync()?;
        Ok(data)
    });
    if let (Ok(tail), Ok(file)) = (tail, directory.open(name, Open::Write)) {
        let size = file.size().unwrap_or(0);
        let _ = file.write_at(tail, size);
    }
    let _ = read_all(directory, name, kind);
}

fn read_all(directory: &SimulatedDirectory, name: &str, kind: &str) -> Result<(), JournalError> {
    let mut journal = Journal::open_to_read(directory, name, kind)?;
    let mut all = All::new();
    journal.replay(&mut all)?;
    for (offset, payload) in all {
        let again = journal.read(offset).expect("what was replayed can be read again");
        assert_eq!(again, payload);
    }
    Ok(())
}
