//! The bytes of a coin file: the offset of every field, and how it is written and read.
//!
//! Input: parameters and states. Output: bytes; and the reverse. No file is read or written here.
//! The modules of fields follow the tables of `docs/reference/coin-file.md` row by row. All numbers
//! are little-endian.

use std::ops::BitOr;

use crate::bin::Bin;
use crate::bytes::{CHECKSUM_SIZE, Field, open, pad, seal};
use crate::hash::HashName;
use crate::identity::{USER_ID_LEN_MAX, UserId};
use crate::money::MONEY_LEN_MAX;
use crate::params::{BROKER_LEN_MAX, Params, RawParams};
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
/// The offsets of the two slots of the minting state.
pub(super) const MINTING_SLOTS: [u64; 2] = [2048, 2560];
/// The offsets of the two slots of the sale state.
pub(super) const SALE_SLOTS: [u64; 2] = [3072, 3584];

/// The bits of a bin that hold x.
pub const X_MASK: u64 = (1 << 60) - 1;
/// The bits that never change after minting: x and exists.
pub(super) const MINTED_MASK: u64 = (1 << 61) - 1;

/// The size of the tag of an input key.
const KEY_TAG_SIZE: usize = 16;
/// The size of the coin value, which is text as in a parameter file.
const COIN_VALUE_SIZE: usize = 64;
const _: () = assert!(MONEY_LEN_MAX <= COIN_VALUE_SIZE);

/// The first part of the file header.
mod fixed {
    use super::*;

    pub(super) const MAGIC: Field<[u8; 8]> = Field::at(0);
    pub(super) const VERSION: Field<u32> = MAGIC.then();
    pub(super) const HEADER_SIZE: Field<u32> = VERSION.then();
    pub(super) const HASH: Field<u32> = HEADER_SIZE.then();
    pub(super) const INPUT_BITS: Field<u32> = HASH.then();
    pub(super) const OUTPUT_BITS: Field<u32> = INPUT_BITS.then();
    pub(super) const FIXED_COUNT: Field<u32> = OUTPUT_BITS.then();
    pub(super) const SUBBIN_BITS: Field<u32> = FIXED_COUNT.then();
    pub(super) const COIN_SIZE: Field<u32> = SUBBIN_BITS.then();
    pub(super) const IV: Field<u64> = COIN_SIZE.then();
    pub(super) const FIXED_BITS: Field<u64> = IV.then();
    pub(super) const START: Field<UnixTime> = FIXED_BITS.then();
    pub(super) const EXPIRATION: Field<UnixTime> = START.then();
    pub(super) const REDEEM_UNTIL: Field<UnixTime> = EXPIRATION.then();
    pub(super) const KEY_TAG: Field<[u8; KEY_TAG_SIZE]> = REDEEM_UNTIL.then();
    pub(super) const PERIOD_LEN: Field<u16> = KEY_TAG.then();
    pub(super) const COIN_VALUE_LEN: Field<u16> = PERIOD_LEN.then();
    pub(super) const BROKER_LEN: Field<u16> = COIN_VALUE_LEN.then();
    pub(super) const PERIOD: Field<[u8; PERIOD_LEN_MAX]> = BROKER_LEN.then_after(2);
    pub(super) const COIN_VALUE: Field<[u8; COIN_VALUE_SIZE]> = PERIOD.then();
    pub(super) const BROKER: Field<[u8; BROKER_LEN_MAX]> = COIN_VALUE.then();
    const _: () = assert!(BROKER.end() + CHECKSUM_SIZE <= FIXED_SIZE);
}

/// The number of the state in a slot.
const SLOT_NUMBER: Field<u64> = Field::at(0);

/// A slot of the minting state.
mod minting {
    use super::*;

    pub(super) const PHASE: Field<u32> = SLOT_NUMBER.then();
    pub(super) const NEXT_TOSS: Field<u64> = PHASE.then_after(4);
    pub(super) const COUNTED_SUPERBINS: Field<u64> = NEXT_TOSS.then();
    pub(super) const BALL_COUNT: Field<u64> = COUNTED_SUPERBINS.then();
    pub(super) const CHECKSUM: Field<u32> = BALL_COUNT.then();
}

/// A slot of the sale state.
mod sale {
    use super::*;

    pub(super) const NEXT_SUPERBIN: Field<u64> = SLOT_NUMBER.then();
}

/// The number of balls in a superbin header.
pub(crate) const BALL_COUNT: Field<u32> = Field::at(0);
/// The offset of the part of a superbin header that a sale writes.
#[cfg(any(feature = "broker", test))]
pub(super) const SALE_AT: usize = superbin::FLAGS.start();

/// The fields after the number of balls in a superbin header.
mod superbin {
    use super::*;

    pub(super) const FLAGS: Field<u8> = BALL_COUNT.then();
    pub(super) const USER_LEN: Field<u8> = FLAGS.then();
    pub(super) const WHEN: Field<UnixTime> = USER_LEN.then_after(2);
    pub(super) const TRANSACTION: Field<u64> = WHEN.then();
    pub(super) const USER: Field<[u8; USER_ID_LEN_MAX]> = TRANSACTION.then();
    const _: () = assert!(USER.end() == SUPERBIN_HEADER_SIZE as usize);
}

/// The flag of a superbin that was sold as the first of a set.
const SOLD: u8 = 1;

/// The status of a ball: the four bits above x.
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

/// The content of a bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The ball's input; 0 if there is no ball.
    pub x: u64,
    /// Its status bits.
    pub status: Status,
}

impl Stored {
    /// Decodes a bin's 64 bits.
    pub(crate) fn from_word(word: u64) -> Stored {
        Stored { x: word & X_MASK, status: Status((word >> 60) as u8) }
    }

    /// The bin's 64 bits.
    pub fn word(self) -> u64 {
        self.x & X_MASK | u64::from(self.status.0) << 60
    }

    /// Reads the bin at offset `at` of `bytes`.
    pub(crate) fn read(bytes: &[u8], at: usize) -> Stored {
        Stored::from_word(Field::at(at).get(bytes))
    }

    /// Writes the bin at offset `at` of `bytes`.
    pub(crate) fn write(self, bytes: &mut [u8], at: usize) {
        Field::at(at).set(bytes, self.word());
    }

    /// Whether a ball is in the bin.
    pub fn exists(self) -> bool {
        self.status.contains(Status::EXISTS)
    }
}

/// The mark of a sold set, in the header of its first superbin of a marked copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleMark {
    /// The buyer.
    pub user: UserId,
    /// The time of the sale.
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
    /// Who bought the set, if this superbin was sold as the first of one.
    pub sold: Option<SaleMark>,
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

/// The progress of minting: the part of the file header that minting changes.
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

fn hash_number(hash: HashName) -> u32 {
    match hash {
        HashName::Des => 1,
        HashName::Sha256 => 2,
    }
}

/// The header's first part: parameters and the tag of the input key. Run files begin with the same
/// under a magic of their own.
pub(crate) fn encode_fixed(
    magic: [u8; 8],
    params: &Params,
    key_tag: [u8; KEY_TAG_SIZE],
) -> Vec<u8> {
    let raw = params.raw();
    let mut bytes = vec![0; FIXED_SIZE];
    fixed::MAGIC.set(&mut bytes, magic);
    fixed::VERSION.set(&mut bytes, VERSION);
    fixed::HEADER_SIZE.set(&mut bytes, HEADER_SIZE as u32);
    fixed::HASH.set(&mut bytes, hash_number(raw.hash));
    fixed::INPUT_BITS.set(&mut bytes, raw.input_bits);
    fixed::OUTPUT_BITS.set(&mut bytes, raw.output_bits);
    fixed::FIXED_COUNT.set(&mut bytes, raw.fixed_count);
    fixed::SUBBIN_BITS.set(&mut bytes, raw.subbin_bits);
    fixed::COIN_SIZE.set(&mut bytes, raw.coin_size);
    fixed::IV.set(&mut bytes, raw.iv);
    fixed::FIXED_BITS.set(&mut bytes, raw.fixed_bits);
    fixed::START.set(&mut bytes, raw.start);
    fixed::EXPIRATION.set(&mut bytes, raw.expiration);
    fixed::REDEEM_UNTIL.set(&mut bytes, raw.redeem_until);
    fixed::KEY_TAG.set(&mut bytes, key_tag);
    set_text(&mut bytes, fixed::PERIOD_LEN, fixed::PERIOD, raw.period.as_str());
    set_text(&mut bytes, fixed::COIN_VALUE_LEN, fixed::COIN_VALUE, &raw.coin_value.to_string());
    set_text(&mut bytes, fixed::BROKER_LEN, fixed::BROKER, &raw.broker);
    seal(&mut bytes);
    bytes
}

/// Why the header's first part cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// The first bytes are different.
    Magic,
    /// This program does not know the version.
    Version(u32),
    /// A rule does not hold.
    Damaged(String),
}

/// Reads the header's first part, [`FIXED_SIZE`] bytes.
pub(crate) fn decode_fixed(
    magic: [u8; 8],
    bytes: &[u8],
) -> Result<(Params, [u8; KEY_TAG_SIZE]), BadHeader> {
    if fixed::MAGIC.get(bytes) != magic {
        return Err(BadHeader::Magic);
    }
    let version = fixed::VERSION.get(bytes);
    if version != VERSION {
        return Err(BadHeader::Version(version));
    }
    if open(bytes).is_none() {
        return Err(BadHeader::Damaged(
            "the checksum of its parameters does not match".to_string(),
        ));
    }
    let hash = match fixed::HASH.get(bytes) {
        1 => HashName::Des,
        2 => HashName::Sha256,
        other => {
            return Err(BadHeader::Damaged(format!("hash function number {other} is unknown")));
        }
    };
    let raw = RawParams {
        period: get_text(bytes, fixed::PERIOD_LEN, fixed::PERIOD)?
            .parse()
            .map_err(|error| BadHeader::Damaged(format!("{error}")))?,
        hash,
        iv: fixed::IV.get(bytes),
        input_bits: fixed::INPUT_BITS.get(bytes),
        output_bits: fixed::OUTPUT_BITS.get(bytes),
        fixed_count: fixed::FIXED_COUNT.get(bytes),
        fixed_bits: fixed::FIXED_BITS.get(bytes),
        subbin_bits: fixed::SUBBIN_BITS.get(bytes),
        coin_size: fixed::COIN_SIZE.get(bytes),
        start: fixed::START.get(bytes),
        expiration: fixed::EXPIRATION.get(bytes),
        redeem_until: fixed::REDEEM_UNTIL.get(bytes),
        broker: get_text(bytes, fixed::BROKER_LEN, fixed::BROKER)?,
        coin_value: get_text(bytes, fixed::COIN_VALUE_LEN, fixed::COIN_VALUE)?
            .parse()
            .map_err(|error| BadHeader::Damaged(format!("coin-value: {error}")))?,
    };
    let params = Params::new(raw).map_err(|error| BadHeader::Damaged(error.to_string()))?;
    Ok((params, fixed::KEY_TAG.get(bytes)))
}

/// Writes a text that is at most as long as its field, and its length.
fn set_text<const N: usize>(bytes: &mut [u8], len: Field<u16>, at: Field<[u8; N]>, text: &str) {
    len.set(bytes, text.len() as u16);
    at.set(bytes, pad(text));
}

fn get_text<const N: usize>(
    bytes: &[u8],
    len: Field<u16>,
    at: Field<[u8; N]>,
) -> Result<String, BadHeader> {
    let (len, field) = (usize::from(len.get(bytes)), at.get(bytes));
    let text = field.get(..len).ok_or_else(|| {
        BadHeader::Damaged(format!("expected a text of at most {N} bytes, found {len}"))
    })?;
    String::from_utf8(text.to_vec())
        .map_err(|_| BadHeader::Damaged("a text that is not ASCII".to_string()))
}

/// The number of a state in its slot: of two sound slots the one with the higher number is current.
pub(super) fn slot_number(slot: &[u8]) -> Option<u64> {
    open(slot).map(|content| SLOT_NUMBER.get(content))
}

pub(super) fn encode_minting(number: u64, state: &MintingState) -> Vec<u8> {
    let mut slot = vec![0; SLOT_SIZE];
    let phase: u32 = match state.phase {
        Phase::Tossing => 1,
        Phase::Counting => 2,
        Phase::Complete => 3,
    };
    SLOT_NUMBER.set(&mut slot, number);
    minting::PHASE.set(&mut slot, phase);
    minting::NEXT_TOSS.set(&mut slot, state.next_toss);
    minting::COUNTED_SUPERBINS.set(&mut slot, state.counted_superbins);
    minting::BALL_COUNT.set(&mut slot, state.ball_count);
    minting::CHECKSUM.set(&mut slot, state.checksum);
    seal(&mut slot);
    slot
}

/// Reads a sound slot; `None` if its numbers are impossible.
pub(super) fn decode_minting(slot: &[u8], params: &Params) -> Option<MintingState> {
    let phase = match minting::PHASE.get(slot) {
        1 => Phase::Tossing,
        2 => Phase::Counting,
        3 => Phase::Complete,
        _ => return None,
    };
    let state = MintingState {
        phase,
        next_toss: minting::NEXT_TOSS.get(slot),
        counted_superbins: minting::COUNTED_SUPERBINS.get(slot),
        ball_count: minting::BALL_COUNT.get(slot),
        checksum: minting::CHECKSUM.get(slot),
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

pub(super) fn encode_sale(number: u64, next_superbin: u64) -> Vec<u8> {
    let mut slot = vec![0; SLOT_SIZE];
    SLOT_NUMBER.set(&mut slot, number);
    sale::NEXT_SUPERBIN.set(&mut slot, next_superbin);
    seal(&mut slot);
    slot
}

pub(super) fn decode_sale(slot: &[u8]) -> u64 {
    sale::NEXT_SUPERBIN.get(slot)
}

/// The header of a sold superbin. Write only the part from [`SALE_AT`] on: the number of balls is
/// 0.
#[cfg(any(feature = "broker", test))]
pub(super) fn encode_sold(mark: &SaleMark) -> [u8; SUPERBIN_HEADER_SIZE as usize] {
    let mut bytes = [0; SUPERBIN_HEADER_SIZE as usize];
    let user = mark.user.as_str();
    superbin::FLAGS.set(&mut bytes, SOLD);
    superbin::USER_LEN.set(&mut bytes, user.len() as u8);
    superbin::WHEN.set(&mut bytes, mark.when);
    superbin::TRANSACTION.set(&mut bytes, mark.transaction);
    superbin::USER.set(&mut bytes, pad(user));
    bytes
}

/// Reads a superbin header of [`SUPERBIN_HEADER_SIZE`] bytes, or says what is wrong with it.
pub(super) fn decode_superbin_header(
    bytes: &[u8],
    subbin_count: u32,
) -> Result<SuperbinHeader, String> {
    let ball_count = BALL_COUNT.get(bytes);
    if ball_count > subbin_count {
        return Err(format!("{ball_count} balls in {subbin_count} bins"));
    }
    let flags = superbin::FLAGS.get(bytes);
    if flags & !SOLD != 0 {
        return Err(format!("unknown flags {flags:#04x}"));
    }
    if flags & SOLD == 0 {
        return Ok(SuperbinHeader { ball_count, sold: None });
    }
    let (len, user) = (usize::from(superbin::USER_LEN.get(bytes)), superbin::USER.get(bytes));
    let user = user.get(..len).ok_or_else(|| format!("a User-ID of {len} bytes"))?;
    let user = String::from_utf8_lossy(user).parse().map_err(|error| format!("{error}"))?;
    let (when, transaction) = (superbin::WHEN.get(bytes), superbin::TRANSACTION.get(bytes));
    Ok(SuperbinHeader { ball_count, sold: Some(SaleMark { user, when, transaction }) })
}

/// Adds the superbins in `bytes` (headers and bins, whole ones) to a content checksum: of each its
/// ball count, then its bins without the bits that change after minting.
pub(crate) fn add_to_checksum(mut checksum: u32, bytes: &mut [u8], superbin_size: usize) -> u32 {
    for superbin in bytes.chunks_exact_mut(superbin_size) {
        let (header, bins) = superbin.split_at_mut(SUPERBIN_HEADER_SIZE as usize);
        for word in bins.chunks_exact_mut(BIN_SIZE as usize) {
            word[7] &= (MINTED_MASK >> 56) as u8;
        }
        checksum = crc32c::crc32c_append(checksum, &header[..BALL_COUNT.end()]);
        checksum = crc32c::crc32c_append(checksum, bins);
    }
    checksum
}
