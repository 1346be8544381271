//! The bytes of a coin file: where everything is and how it is encoded. No input or output here.
//!
//! All numbers are little-endian. `docs/reference/coin-file.md` describes the same for people.

use std::ops::BitOr;

use crate::bin::Bin;
use crate::hash::HashName;
use crate::identity::{USER_ID_LEN_MAX, UserId};
use crate::params::{BROKER_LEN_MAX, COIN_VALUE_LEN_MAX, Params, RawParams};
use crate::period::PERIOD_LEN_MAX;
use crate::time::UnixTime;

/// The first bytes of a coin file. The first byte is not ASCII, and the others contain both kinds
/// of line end and a DOS end of file, so that a transfer as text corrupts them detectably.
pub(super) const MAGIC: [u8; 8] = *b"\x89MMC\r\n\x1a\n";
/// The version of the format.
const VERSION: u32 = 1;
/// The size of the file header, in bytes.
pub(crate) const HEADER_SIZE: u64 = 4096;
/// The size of a superbin header, in bytes.
pub(crate) const SUPERBIN_HEADER_SIZE: u64 = 64;
/// The size of a bin, in bytes.
pub(crate) const BIN_SIZE: u64 = 8;
/// The size of the header's first part, which never changes.
pub(crate) const FIXED_SIZE: usize = 2048;
/// The size of one slot of a state that changes.
pub(super) const SLOT_SIZE: usize = 512;
/// Where the two slots of the minting state stand.
pub(super) const MINTING_SLOTS: [u64; 2] = [2048, 2560];
/// Where the two slots of the sale state stand.
pub(super) const SALE_SLOTS: [u64; 2] = [3072, 3584];

/// The bits of a bin that hold x.
pub const X_MASK: u64 = (1 << 60) - 1;
/// The bits that never change after minting: x and exists.
pub(super) const MINTED_MASK: u64 = (1 << 61) - 1;

const PERIOD_AT: usize = 104;
const COIN_VALUE_AT: usize = PERIOD_AT + PERIOD_LEN_MAX;
const BROKER_AT: usize = COIN_VALUE_AT + COIN_VALUE_LEN_MAX;
const _: () = assert!(BROKER_AT + BROKER_LEN_MAX <= FIXED_SIZE - 4);

const SOLD: u8 = 1;

/// The status of a ball: which of the four bits above x are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status(u8);

impl Status {
    /// No ball, or none of the bits.
    pub const NONE: Status = Status(0);
    /// A ball is in the bin. Only minting sets it.
    pub const EXISTS: Status = Status(1);
    /// A vendor redeemed the ball.
    pub const REDEEMED: Status = Status(2);
    /// The client returned the ball unspent.
    pub const RETURNED: Status = Status(4);
    /// The ball is unusable.
    pub const COMPROMISED: Status = Status(8);

    /// Whether all bits of `other` are set.
    pub fn contains(self, other: Status) -> bool {
        self.0 & other.0 == other.0
    }

    /// The four bits as a number: exists 1, redeemed 2, returned 4, compromised 8.
    pub fn bits(self) -> u8 {
        self.0
    }
}

impl BitOr for Status {
    type Output = Status;

    fn bitor(self, other: Status) -> Status {
        Status(self.0 | other.0)
    }
}

/// What a bin holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The ball's input; 0 where no ball is.
    pub x: u64,
    /// Its status bits.
    pub status: Status,
}

impl Stored {
    /// Reads a bin's 64 bits.
    pub fn from_word(word: u64) -> Stored {
        Stored { x: word & X_MASK, status: Status((word >> 60) as u8) }
    }

    /// The bin's 64 bits.
    pub fn word(self) -> u64 {
        self.x & X_MASK | u64::from(self.status.0) << 60
    }

    /// Whether a ball is in the bin.
    pub fn exists(self) -> bool {
        self.status.contains(Status::EXISTS)
    }
}

/// To whom, when and in which transaction a superbin was sold as the first of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The buyer.
    pub user: UserId,
    /// When.
    pub when: UnixTime,
    /// The Transaction-ID.
    pub transaction: u64,
}

/// The header of a superbin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuperbinHeader {
    /// How many of its bins hold a ball.
    pub ball_count: u32,
    /// The sale, if it was sold as the first superbin of a set.
    pub sold: Option<Sale>,
}

/// How far the broker has sold: the part of the file header that sales change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SaleState {
    /// The next superbin to sell; 2^u or more when all are sold.
    pub next_superbin: u64,
    /// The offset up to which this file reflects the broker's journal.
    pub journal_offset: u64,
}

/// The phase of minting that a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Balls are tossed.
    Tossing,
    /// The balls of each superbin are counted and the checksum is taken.
    Counting,
    /// Minting is done: coins can be sold from the file.
    Complete,
}

/// How far minting has come: the part of the file header that minting changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MintingState {
    /// The phase.
    pub phase: Phase,
    /// All tosses before this one are placed durably.
    pub next_toss: u64,
    /// All superbins before this one are counted.
    pub counted_superbins: u64,
    /// The balls in the superbins counted.
    pub ball_count: u64,
    /// The content checksum over the superbins counted.
    pub checksum: u32,
}

impl MintingState {
    /// The state of a new file.
    pub(crate) const START: MintingState = MintingState {
        phase: Phase::Tossing,
        next_toss: 0,
        counted_superbins: 0,
        ball_count: 0,
        checksum: 0,
    };
}

/// The size of a superbin, header and bins, in bytes.
pub(crate) fn superbin_size(params: &Params) -> u64 {
    SUPERBIN_HEADER_SIZE + BIN_SIZE * u64::from(params.subbin_count())
}

/// The size of a coin file, in bytes; at most 2^52.
pub(crate) fn file_size(params: &Params) -> u64 {
    HEADER_SIZE + superbin_size(params) * params.superbin_count()
}

/// The offset of a superbin, in bytes.
pub(crate) fn superbin_offset(params: &Params, superbin: u64) -> u64 {
    HEADER_SIZE + superbin_size(params) * superbin
}

/// The offset of a bin, in bytes.
pub(crate) fn bin_offset(params: &Params, bin: Bin) -> u64 {
    superbin_offset(params, u64::from(bin.superbin))
        + SUPERBIN_HEADER_SIZE
        + BIN_SIZE * u64::from(bin.subbin)
}

/// The 8 bytes at `at` as a number.
pub(crate) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

pub(crate) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// Writes the CRC-32C of all but the last four bytes into these.
pub(crate) fn seal(bytes: &mut [u8]) {
    let at = bytes.len() - 4;
    let checksum = crc32c::crc32c(&bytes[..at]);
    put(bytes, at, checksum.to_le_bytes());
}

pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    let at = bytes.len() - 4;
    get_u32(bytes, at) == crc32c::crc32c(&bytes[..at])
}

fn hash_number(hash: HashName) -> u32 {
    match hash {
        HashName::Des => 1,
        HashName::Sha256 => 2,
    }
}

/// The header's first part: parameters and the tag of the input key. Run files begin with the same
/// under a magic of their own.
pub(crate) fn encode_fixed(magic: [u8; 8], params: &Params, key_tag: [u8; 16]) -> Vec<u8> {
    let raw = params.raw();
    let mut bytes = vec![0; FIXED_SIZE];
    put(&mut bytes, 0, magic);
    let numbers = [
        VERSION,
        HEADER_SIZE as u32,
        hash_number(raw.hash),
        raw.input_bits,
        raw.output_bits,
        raw.fixed_count,
        raw.subbin_bits,
        raw.coin_size,
    ];
    for (i, number) in numbers.into_iter().enumerate() {
        put(&mut bytes, 8 + 4 * i, number.to_le_bytes());
    }
    put(&mut bytes, 40, raw.iv.to_le_bytes());
    put(&mut bytes, 48, raw.fixed_bits.to_le_bytes());
    for (i, time) in [raw.start, raw.expiration, raw.redeem_until].into_iter().enumerate() {
        put(&mut bytes, 56 + 8 * i, time.0.to_le_bytes());
    }
    put(&mut bytes, 80, key_tag);
    let texts = [
        (PERIOD_AT, raw.period.as_str()),
        (COIN_VALUE_AT, raw.coin_value.as_str()),
        (BROKER_AT, raw.broker.as_str()),
    ];
    for (i, (at, text)) in texts.into_iter().enumerate() {
        put(&mut bytes, 96 + 2 * i, (text.len() as u16).to_le_bytes());
        bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    seal(&mut bytes);
    bytes
}

/// Why the header's first part cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Other first bytes.
    Magic,
    /// A version that this program does not know.
    Version(u32),
    /// What does not hold.
    Damaged(String),
}

/// Reads the header's first part, [`FIXED_SIZE`] bytes.
pub(crate) fn decode_fixed(magic: [u8; 8], bytes: &[u8]) -> Result<(Params, [u8; 16]), BadHeader> {
    if bytes[..8] != magic {
        return Err(BadHeader::Magic);
    }
    let version = get_u32(bytes, 8);
    if version != VERSION {
        return Err(BadHeader::Version(version));
    }
    if !is_sealed(bytes) {
        return Err(BadHeader::Damaged(
            "the checksum of its parameters does not match".to_string(),
        ));
    }
    let hash = match get_u32(bytes, 16) {
        1 => HashName::Des,
        2 => HashName::Sha256,
        other => {
            return Err(BadHeader::Damaged(format!("hash function number {other} is unknown")));
        }
    };
    let time = |i: usize| UnixTime(get_u64(bytes, 56 + 8 * i) as i64);
    let raw = RawParams {
        period: text(bytes, 0, PERIOD_AT, PERIOD_LEN_MAX)?
            .parse()
            .map_err(|error| BadHeader::Damaged(format!("{error}")))?,
        hash,
        iv: get_u64(bytes, 40),
        input_bits: get_u32(bytes, 20),
        output_bits: get_u32(bytes, 24),
        fixed_count: get_u32(bytes, 28),
        fixed_bits: get_u64(bytes, 48),
        subbin_bits: get_u32(bytes, 32),
        coin_size: get_u32(bytes, 36),
        start: time(0),
        expiration: time(1),
        redeem_until: time(2),
        broker: text(bytes, 2, BROKER_AT, BROKER_LEN_MAX)?,
        coin_value: text(bytes, 1, COIN_VALUE_AT, COIN_VALUE_LEN_MAX)?,
    };
    let mut key_tag = [0; 16];
    key_tag.copy_from_slice(&bytes[80..96]);
    let params = Params::new(raw).map_err(|error| BadHeader::Damaged(error.to_string()))?;
    Ok((params, key_tag))
}

fn text(bytes: &[u8], index: usize, at: usize, len_max: usize) -> Result<String, BadHeader> {
    let length = usize::from(bytes[96 + 2 * index]) | usize::from(bytes[97 + 2 * index]) << 8;
    if length > len_max {
        return Err(BadHeader::Damaged(format!("a text of {length} bytes, at most {len_max} fit")));
    }
    String::from_utf8(bytes[at..at + length].to_vec())
        .map_err(|_| BadHeader::Damaged("a text that is no ASCII".to_string()))
}

/// The number of a state in its slot: of two sound slots the one with the higher number holds.
pub(super) fn slot_number(slot: &[u8]) -> Option<u64> {
    is_sealed(slot).then(|| get_u64(slot, 0))
}

pub(super) fn encode_minting(number: u64, state: &MintingState) -> Vec<u8> {
    let mut slot = vec![0; SLOT_SIZE];
    let phase: u32 = match state.phase {
        Phase::Tossing => 1,
        Phase::Counting => 2,
        Phase::Complete => 3,
    };
    put(&mut slot, 0, number.to_le_bytes());
    put(&mut slot, 8, phase.to_le_bytes());
    put(&mut slot, 16, state.next_toss.to_le_bytes());
    put(&mut slot, 24, state.counted_superbins.to_le_bytes());
    put(&mut slot, 32, state.ball_count.to_le_bytes());
    put(&mut slot, 40, state.checksum.to_le_bytes());
    seal(&mut slot);
    slot
}

/// Reads a sound slot; `None` if its numbers cannot be.
pub(super) fn decode_minting(slot: &[u8], params: &Params) -> Option<MintingState> {
    let phase = match get_u32(slot, 8) {
        1 => Phase::Tossing,
        2 => Phase::Counting,
        3 => Phase::Complete,
        _ => return None,
    };
    let state = MintingState {
        phase,
        next_toss: get_u64(slot, 16),
        counted_superbins: get_u64(slot, 24),
        ball_count: get_u64(slot, 32),
        checksum: get_u32(slot, 40),
    };
    let tosses = 1u64 << params.raw().input_bits;
    let superbins = params.superbin_count();
    let fits = match phase {
        Phase::Tossing => state.next_toss <= tosses && state.counted_superbins == 0,
        Phase::Counting => state.next_toss == tosses && state.counted_superbins <= superbins,
        Phase::Complete => state.next_toss == tosses && state.counted_superbins == superbins,
    };
    fits.then_some(state)
}

pub(super) fn encode_sale(number: u64, state: &SaleState) -> Vec<u8> {
    let mut slot = vec![0; SLOT_SIZE];
    put(&mut slot, 0, number.to_le_bytes());
    put(&mut slot, 8, state.next_superbin.to_le_bytes());
    put(&mut slot, 16, state.journal_offset.to_le_bytes());
    seal(&mut slot);
    slot
}

pub(super) fn decode_sale(slot: &[u8]) -> SaleState {
    SaleState { next_superbin: get_u64(slot, 8), journal_offset: get_u64(slot, 16) }
}

/// A superbin header but for the ball count: the 60 bytes from offset 4 that a sale writes.
pub(super) fn encode_sold(sale: &Sale) -> [u8; 60] {
    let mut bytes = [0; 60];
    let user = sale.user.as_str().as_bytes();
    bytes[0] = SOLD;
    bytes[1] = user.len() as u8;
    put(&mut bytes, 4, sale.when.0.to_le_bytes());
    put(&mut bytes, 12, sale.transaction.to_le_bytes());
    bytes[20..20 + user.len()].copy_from_slice(user);
    bytes
}

/// Reads a superbin header of 64 bytes, or says what is wrong with it.
pub(super) fn decode_superbin_header(
    bytes: &[u8],
    subbin_count: u32,
) -> Result<SuperbinHeader, String> {
    let ball_count = get_u32(bytes, 0);
    if ball_count > subbin_count {
        return Err(format!("{ball_count} balls in {subbin_count} bins"));
    }
    let (flags, length) = (bytes[4], usize::from(bytes[5]));
    if flags & !SOLD != 0 {
        return Err(format!("unknown flags {flags:#04x}"));
    }
    if flags & SOLD == 0 {
        return Ok(SuperbinHeader { ball_count, sold: None });
    }
    if length > USER_ID_LEN_MAX {
        return Err(format!("a User-ID of {length} bytes"));
    }
    let user = String::from_utf8_lossy(&bytes[24..24 + length]).parse();
    let user = user.map_err(|error| format!("{error}"))?;
    let when = UnixTime(get_u64(bytes, 8) as i64);
    Ok(SuperbinHeader {
        ball_count,
        sold: Some(Sale { user, when, transaction: get_u64(bytes, 16) }),
    })
}

/// Adds the superbins in `bytes` (headers and bins, whole ones) to a content checksum: of each its
/// ball count, then its bins without the bits that change after minting.
pub(crate) fn add_to_checksum(mut checksum: u32, bytes: &mut [u8], superbin_size: usize) -> u32 {
    for superbin in bytes.chunks_exact_mut(superbin_size) {
        let (header, bins) = superbin.split_at_mut(SUPERBIN_HEADER_SIZE as usize);
        for word in bins.chunks_exact_mut(8) {
            word[7] &= (MINTED_MASK >> 56) as u8;
        }
        checksum = crc32c::crc32c_append(checksum, &header[..4]);
        checksum = crc32c::crc32c_append(checksum, bins);
    }
    checksum
}
