//! The byte codec of every file format and of the binary parts of messages.
//!
//! It converts numbers, byte arrays and short texts to bytes and back:
//!
//! - [`Writer`] and [`Reader`] handle records, which are written and read front to back;
//! - [`Field`] handles headers and slots, whose parts have fixed offsets;
//! - [`seal`] and [`open`] handle blocks that end with a checksum of everything before it;
//! - [`u64_be`] and its siblings convert single numbers, most of which are hashed.
//!
//! Files are little-endian, and so are the methods with plain names. Messages and hash inputs are
//! big-endian; the names of their methods end in `_be`.
//!
//! The invariant: reading never panics on bytes from outside. A [`Reader`] returns `None` if the
//! bytes end too early; a [`Field`] is read only from a block whose size the caller has checked.

use std::marker::PhantomData;

use crate::time::UnixTime;

/// The size of the checksum at the end of a sealed block, in bytes.
pub(crate) const CHECKSUM_SIZE: usize = 4;

/// A value with a fixed size in a file: a little-endian number or a byte array.
pub(crate) trait Fixed: Copy {
    /// Its size in bytes.
    const SIZE: usize;

    /// Reads the value from exactly [`Fixed::SIZE`] bytes.
    fn from_bytes(bytes: &[u8]) -> Self;

    /// Writes the value into exactly [`Fixed::SIZE`] bytes.
    fn write_to(self, bytes: &mut [u8]);
}

macro_rules! fixed_numbers {
    ($($number:ty)*) => {$(
        impl Fixed for $number {
            const SIZE: usize = size_of::<$number>();

            #[inline]
            fn from_bytes(bytes: &[u8]) -> $number {
                <$number>::from_le_bytes(Fixed::from_bytes(bytes))
            }

            #[inline]
            fn write_to(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

fixed_numbers! { u8 u16 u32 u64 i64 }

impl<const N: usize> Fixed for [u8; N] {
    const SIZE: usize = N;

    #[inline]
    fn from_bytes(bytes: &[u8]) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(bytes);
        array
    }

    #[inline]
    fn write_to(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self);
    }
}

/// Seconds since 1970-01-01 00:00 UTC, as an `i64`.
impl Fixed for UnixTime {
    const SIZE: usize = i64::SIZE;

    #[inline]
    fn from_bytes(bytes: &[u8]) -> UnixTime {
        UnixTime(i64::from_bytes(bytes))
    }

    #[inline]
    fn write_to(self, bytes: &mut [u8]) {
        self.0.write_to(bytes);
    }
}

/// A value at a fixed offset of a header, slot or entry.
///
/// A layout is a list of constants in the order of the bytes. [`Field::at`] makes the first one,
/// [`Field::then`] and [`Field::then_after`] make each other one from the one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<T> {
    start: usize,
    value: PhantomData<T>,
}

impl<T: Fixed> Field<T> {
    /// A field at this offset.
    pub(crate) const fn at(start: usize) -> Field<T> {
        Field { start, value: PhantomData }
    }

    /// The field right after this one.
    pub(crate) const fn then<U: Fixed>(self) -> Field<U> {
        Field::at(self.end())
    }

    /// The field after this one and `gap` unused bytes.
    pub(crate) const fn then_after<U: Fixed>(self, gap: usize) -> Field<U> {
        Field::at(self.end() + gap)
    }

    /// The offset of its first byte.
    pub(crate) const fn start(self) -> usize {
        self.start
    }

    /// The offset after its last byte.
    pub(crate) const fn end(self) -> usize {
        self.start + T::SIZE
    }

    /// Reads the value.
    ///
    /// # Panics
    /// The block is shorter than the field's end.
    #[inline]
    pub(crate) fn get(self, block: &[u8]) -> T {
        T::from_bytes(&block[self.start..self.end()])
    }

    /// Writes the value.
    ///
    /// # Panics
    /// The block is shorter than the field's end.
    #[inline]
    pub(crate) fn set(self, block: &mut [u8], value: T) {
        value.write_to(&mut block[self.start..self.end()]);
    }
}

/// The unread rest of a record. Every method returns `None` if the bytes end too early; the caller
/// must stop reading then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A reader at the first of these bytes.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// The number of bytes left.
    #[inline]
    pub(crate) fn left(&self) -> usize {
        self.0.len()
    }

    /// The next `count` bytes.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `count` arrays of N bytes. Allocates nothing, so a false count costs nothing.
    #[inline]
    pub(crate) fn arrays<const N: usize>(&mut self, count: usize) -> Option<&'a [[u8; N]]> {
        Some(self.take(count.checked_mul(N)?)?.as_chunks().0)
    }

    /// The next N bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// The next byte.
    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// A byte that is 0 or 1; `None` for any other.
    #[inline]
    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline]
    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A time, as an `i64`.
    #[inline]
    pub(crate) fn time(&mut self) -> Option<UnixTime> {
        self.i64().map(UnixTime)
    }

    #[inline]
    pub(crate) fn u16_be(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32_be(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next `size` bytes as text; `None` also if they are not UTF-8.
    #[inline]
    pub(crate) fn text(&mut self, size: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(size)?).ok()
    }

    /// A text with its length before it, in one byte.
    #[inline]
    pub(crate) fn text_u8(&mut self) -> Option<&'a str> {
        let size = self.u8()?;
        self.text(size.into())
    }

    /// A text with its length before it, in two bytes.
    #[inline]
    pub(crate) fn text_u16(&mut self) -> Option<&'a str> {
        let size = self.u16()?;
        self.text(size.into())
    }

    /// All that is left.
    #[inline]
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Ends reading: `None` if bytes are left.
    #[inline]
    pub(crate) fn finish(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Appends a record to a buffer that the caller owns and can reuse.
#[derive(Debug)]
pub(crate) struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// A writer at the end of these bytes.
    #[inline]
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Writer<'a> {
        Writer(bytes)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Writer<'a> {
        self.0.extend_from_slice(bytes);
        self
    }

    #[inline]
    pub(crate) fn u8(&mut self, number: u8) -> &mut Writer<'a> {
        self.0.push(number);
        self
    }

    #[inline]
    pub(crate) fn u16(&mut self, number: u16) -> &mut Writer<'a> {
        self.bytes(&number.to_le_bytes())
    }

    #[inline]
    pub(crate) fn u32(&mut self, number: u32) -> &mut Writer<'a> {
        self.bytes(&number.to_le_bytes())
    }

    #[inline]
    pub(crate) fn u64(&mut self, number: u64) -> &mut Writer<'a> {
        self.bytes(&number.to_le_bytes())
    }

    #[inline]
    pub(crate) fn i64(&mut self, number: i64) -> &mut Writer<'a> {
        self.bytes(&number.to_le_bytes())
    }

    /// A time, as an `i64`.
    #[inline]
    pub(crate) fn time(&mut self, time: UnixTime) -> &mut Writer<'a> {
        self.i64(time.0)
    }

    #[inline]
    pub(crate) fn u16_be(&mut self, number: u16) -> &mut Writer<'a> {
        self.bytes(&number.to_be_bytes())
    }

    #[inline]
    pub(crate) fn u32_be(&mut self, number: u32) -> &mut Writer<'a> {
        self.bytes(&number.to_be_bytes())
    }

    /// A text of at most 255 bytes with its length before it, in one byte. Callers pass only types
    /// whose longest text is shorter.
    #[inline]
    pub(crate) fn text_u8(&mut self, text: &str) -> &mut Writer<'a> {
        debug_assert!(text.len() <= usize::from(u8::MAX));
        self.u8(text.len() as u8).bytes(text.as_bytes())
    }

    /// A text of at most 65,535 bytes with its length before it, in two bytes. Callers pass only
    /// types whose longest text is shorter.
    #[inline]
    pub(crate) fn text_u16(&mut self, text: &str) -> &mut Writer<'a> {
        debug_assert!(text.len() <= usize::from(u16::MAX));
        self.u16(text.len() as u16).bytes(text.as_bytes())
    }
}

/// A text in a field of N bytes: the text, then zeros. A text longer than the field is cut.
pub(crate) fn pad<const N: usize>(text: &str) -> [u8; N] {
    debug_assert!(text.len() <= N);
    let mut padded = [0; N];
    padded.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    padded
}

/// The text that [`pad`] put into a field; `None` if it is not UTF-8.
pub(crate) fn unpad(padded: &[u8]) -> Option<&str> {
    Some(std::str::from_utf8(padded).ok()?.trim_end_matches('\0'))
}

/// Writes the CRC-32C of all but the last [`CHECKSUM_SIZE`] bytes into the last ones.
///
/// # Panics
/// The block is shorter than a checksum.
#[inline]
pub(crate) fn seal(block: &mut [u8]) {
    let (content, checksum) = block.split_at_mut(block.len() - CHECKSUM_SIZE);
    crc32c::crc32c(content).write_to(checksum);
}

/// The content of a sealed block; `None` if its checksum does not match or is missing.
#[inline]
pub(crate) fn open(block: &[u8]) -> Option<&[u8]> {
    let (content, checksum) = block.split_last_chunk::<CHECKSUM_SIZE>()?;
    (u32::from_le_bytes(*checksum) == crc32c::crc32c(content)).then_some(content)
}

/// The bytes of a number that a file's checksum covers but the file does not store.
#[inline]
pub(crate) const fn u64_le(number: u64) -> [u8; 8] {
    number.to_le_bytes()
}

/// The bytes of a number that is hashed or sent.
#[inline]
pub(crate) const fn u64_be(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// The number that [`u64_be`] converts to these bytes.
#[inline]
pub(crate) const fn from_u64_be(bytes: [u8; 8]) -> u64 {
    u64::from_be_bytes(bytes)
}

/// The bytes of a number that is encrypted.
#[inline]
pub(crate) const fn u128_be(number: u128) -> [u8; 16] {
    number.to_be_bytes()
}

/// The number that [`u128_be`] converts to these bytes.
#[inline]
pub(crate) const fn from_u128_be(bytes: [u8; 16]) -> u128 {
    u128::from_be_bytes(bytes)
}

/// The bytes of a number that is hashed or sent.
#[inline]
pub(crate) const fn u32_be(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_back_and_cut_ones_are_rejected() {
        let mut bytes = vec![7];
        Writer::new(&mut bytes)
            .u8(1)
            .u16(2)
            .u32(3)
            .u64(4)
            .i64(-5)
            .time(UnixTime(-6))
            .u32_be(7)
            .text_u8("nine")
            .text_u16("é")
            .bytes(&[10, 11, 12]);
        let read = |bytes| {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.u8()?, 7, "earlier bytes are unchanged");
            assert!(reader.flag()?);
            assert_eq!((reader.u16()?, reader.u32()?, reader.u64()?), (2, 3, 4));
            assert_eq!((reader.i64()?, reader.time()?), (-5, UnixTime(-6)));
            assert_eq!(reader.u32_be()?, 7);
            assert_eq!((reader.text_u8()?, reader.text_u16()?), ("nine", "é"));
            assert_eq!(reader.array()?, [10, 11]);
            assert_eq!((reader.left(), reader.rest(), reader.finish()), (1, &[12][..], None));
            assert_eq!(reader.take(1)?, [12]);
            reader.finish()
        };
        assert_eq!(read(&bytes), Some(()));
        let (last, short) = bytes.split_last().unwrap();
        assert_eq!(*last, 12);
        for size in 2..short.len() - 1 {
            assert_eq!(read(&short[..size]), None, "{size}");
        }
    }

    #[test]
    fn numbers_have_the_documented_byte_order() {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes).u16(0x0102).u32(3).u64(4).u32_be(5);
        assert_eq!(
            bytes,
            [&[2, 1, 3, 0, 0, 0][..], &[4, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 5]].concat()
        );
        assert_eq!(u32_be(1), [0, 0, 0, 1]);
        assert_eq!(u64_be(6), [0, 0, 0, 0, 0, 0, 0, 6]);
        assert_eq!(from_u64_be(u64_be(u64::MAX - 1)), u64::MAX - 1);
    }

    #[test]
    fn invalid_flags_texts_and_counts_are_rejected() {
        assert_eq!(Reader::new(&[2]).flag(), None);
        assert_eq!(Reader::new(&[1, 0xff]).text_u8(), None);
        assert_eq!(Reader::new(&[2, b'a']).text_u8(), None);
        assert_eq!(Reader::new(&[0; 7]).arrays::<4>(2), None);
        assert_eq!(Reader::new(&[0; 8]).arrays::<4>(2), Some(&[[0; 4]; 2][..]));
        assert_eq!(Reader::new(&[0; 8]).arrays::<4>(usize::MAX), None);
    }

    #[test]
    fn fields_follow_one_another() {
        const MAGIC: Field<[u8; 3]> = Field::at(1);
        const KIND: Field<u8> = MAGIC.then();
        const SIZE: Field<u32> = KIND.then_after(2);
        const MADE: Field<UnixTime> = SIZE.then();
        assert_eq!((KIND.start(), SIZE.start(), MADE.end()), (4, 7, 19));
        let mut block = [0xff; MADE.end()];
        MAGIC.set(&mut block, *b"abc");
        KIND.set(&mut block, 9);
        SIZE.set(&mut block, 0x0102);
        MADE.set(&mut block, UnixTime(-2));
        assert_eq!(block[..11], *b"\xffabc\x09\xff\xff\x02\x01\0\0");
        assert_eq!((MAGIC.get(&block), KIND.get(&block)), (*b"abc", 9));
        assert_eq!((SIZE.get(&block), MADE.get(&block)), (0x0102, UnixTime(-2)));
    }

    #[test]
    fn padded_texts_are_read_back() {
        assert_eq!(pad("till"), *b"till\0\0");
        assert_eq!(unpad(&pad::<6>("till")), Some("till"));
        assert_eq!(unpad(&pad::<4>("till")), Some("till"));
        assert_eq!(unpad(&[0xff]), None);
    }

    /// The checksum is that of RFC 3720, section B.4: 32 bytes of zeros.
    #[test]
    fn damage_anywhere_in_a_sealed_block_is_noticed() {
        let mut block = [0; 36];
        seal(&mut block);
        assert_eq!(block[32..], 0x8a91_36aa_u32.to_le_bytes());
        assert_eq!(open(&block), Some(&[0; 32][..]));
        for bit in 0..8 * block.len() {
            let mut damaged = block;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&damaged), None, "{bit}");
        }
        assert_eq!(open(&block[..35]), None);
        assert_eq!(open(&block[..3]), None);
    }
}
