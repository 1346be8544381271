//! The bytes of a journal's header and records (`docs/reference/journal.md`).

use std::io;

use super::JournalError;
use crate::bytes::{self, Field, Fixed};
use crate::host::Entropy;

/// The largest payload of a record, in bytes.
pub const RECORD_SIZE_MAX: usize = 64 * 1024;
/// The size of the file header, in bytes.
pub(crate) const HEADER_SIZE: u64 = HEADER_LEN as u64;
/// The size of a record's length and checksum, in bytes.
pub(super) const RECORD_HEADER_SIZE: usize = CHECKSUM.end();

pub(super) const LARGEST_RECORD: usize = RECORD_HEADER_SIZE + RECORD_SIZE_MAX;

const KIND_SIZE: usize = 8;

// The header.
const MAGIC: Field<[u8; 8]> = Field::at(0);
const KIND: Field<[u8; KIND_SIZE]> = MAGIC.then();
const SEED: Field<u32> = KIND.then();
const HEADER_CHECKSUM: Field<u32> = SEED.then_after(8);
const HEADER_LEN: usize = HEADER_CHECKSUM.end();
const MAGIC_VALUE: [u8; 8] = *b"MMjrnl1\n";

// The header of a record, before its payload.
const LENGTH: Field<u32> = Field::at(0);
const CHECKSUM: Field<u32> = LENGTH.then();

pub(super) type Header = [u8; HEADER_LEN];
type RecordHeader = [u8; RECORD_HEADER_SIZE];

/// The header of a new journal, with a random seed. A longer `kind` is cut.
pub(super) fn new_header(kind: &str, entropy: &dyn Entropy) -> io::Result<Header> {
    let mut header = [0; HEADER_LEN];
    MAGIC.set(&mut header, MAGIC_VALUE);
    KIND.set(&mut header, bytes::pad(kind));
    SEED.set(&mut header, entropy.number()? as u32);
    bytes::seal(&mut header);
    Ok(header)
}

/// The seed in a header of this kind. The error says what was found instead.
pub(super) fn read_header(header: &Header, kind: &str) -> Result<u32, String> {
    let magic = MAGIC.get(header);
    if magic != MAGIC_VALUE {
        return Err(format!("{:?} at the start", String::from_utf8_lossy(&magic)));
    }
    if bytes::open(header).is_none() {
        return Err("a damaged header".to_string());
    }
    if KIND.get(header) == bytes::pad(kind) {
        return Ok(SEED.get(header));
    }
    let found = KIND.get(header);
    Err(format!("kind {:?}", String::from_utf8_lossy(&found).trim_end_matches('\0')))
}

/// Appends a record to `bytes`.
///
/// # Errors
/// The payload is empty or too large.
pub(super) fn push_record(
    bytes: &mut Vec<u8>,
    payload: &[u8],
    seed: u32,
) -> Result<(), JournalError> {
    if !(1..=RECORD_SIZE_MAX).contains(&payload.len()) {
        return Err(JournalError::RecordSize { found: payload.len() });
    }
    let mut header: RecordHeader = [0; RECORD_HEADER_SIZE];
    LENGTH.set(&mut header, payload.len() as u32);
    let checksum = checksum(seed, &header, payload);
    CHECKSUM.set(&mut header, checksum);
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(payload);
    Ok(())
}

/// The payload of the record that `bytes` begin with; `None` if they do not begin with a complete
/// one.
pub(super) fn record_at(bytes: &[u8], seed: u32) -> Option<&[u8]> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER_SIZE>()?;
    let payload = rest.get(..payload_size(header)?)?;
    (CHECKSUM.get(header) == checksum(seed, header, payload)).then_some(payload)
}

/// The size of the payload according to a record header; `None` if it is not an allowed one.
pub(super) fn payload_size(header: &RecordHeader) -> Option<usize> {
    let size = LENGTH.get(header) as usize;
    (1..=RECORD_SIZE_MAX).contains(&size).then_some(size)
}

/// CRC-32C of length and payload. It starts with the file's seed, so that leftover bytes of another
/// journal do not match.
fn checksum(seed: u32, header: &RecordHeader, payload: &[u8]) -> u32 {
    let length = &header[..LENGTH.end()];
    crc32c::crc32c_append(crc32c::crc32c_append(seed, length), payload)
}

const _: () = assert!(HEADER_SIZE == 32 && <u32 as Fixed>::SIZE == bytes::CHECKSUM_SIZE);
