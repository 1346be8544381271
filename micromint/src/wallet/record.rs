//! What stands in the records of a wallet file, byte by byte as `docs/reference/wallet.md` says.
//!
//! In goes a [`Record`], out comes the payload of a journal record, and back. Parsing knows bytes only;
//! whether a record makes sense after those before it is decided in [`super::state`].

use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

use super::outcome::Outcome;

/// The most bins in one record of a superbin.
pub(super) const BINS_PER_RECORD_MAX: usize = 4096;
/// The most verdicts in one record.
pub(super) const VERDICTS_PER_RECORD_MAX: usize = 32 * 1024;

/// The place of a coin: its set, counted from 0 over the wallet, and the sub-bin of its first ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The set.
    pub set: u32,
    /// The sub-bin.
    pub subbin: u32,
}

/// What happened to the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Sets begin to come in. `head` is their Funds-Withdrawn message with `Sets: 0` and no balls.
    Receive { at: UnixTime, head: Vec<u8> },
    /// A piece of one superbin of the sets coming in.
    Bins(Bins),
    /// The sets that came in since the last `Receive` are now in the wallet.
    Received { sets: u32, digest: [u8; 32] },
    /// Coins leave.
    Spend(Spend),
    /// What became of the payment of this number, counted from 0.
    Outcome { at: UnixTime, payment: u32, outcome: Outcome },
    /// Coins go back to the broker.
    Return { at: UnixTime, holding: u32, request: Id, coins: u32, digest: [u8; 32] },
    /// Verdicts on balls of a return, from ball number `first` on.
    Credited { at: UnixTime, request: Id, transaction: u64, first: u32, verdicts: Vec<Verdict> },
    /// This file is a backup made at this time: nothing may be spent from it.
    Backup { at: UnixTime },
    /// A cookie for which the page of this payment is shown again.
    Receipt { payment: u32, expires: UnixTime, cookie: String },
    /// The backup was restored; `spendable` if its owner says that nothing was spent since it was made.
    Restored { at: UnixTime, spendable: bool },
}

/// A piece of a superbin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bins {
    /// The set, counted from 0 in this receipt.
    pub(super) set: u32,
    /// The superbin in the set, from 0.
    pub(super) place: u8,
    /// The index of the set's first superbin.
    pub(super) first: u32,
    /// The sub-bin of `x[0]`.
    pub(super) subbin: u32,
    /// The balls, [`super::genuine::EMPTY`] for an empty bin.
    pub(super) x: Vec<u64>,
}

/// Coins on their way to a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spend {
    pub(super) at: UnixTime,
    /// The method of the request that they pay for.
    pub(super) method: String,
    /// SHA-256 of the body of that request.
    pub(super) body_digest: [u8; 32],
    /// What is bought, in the vendor's words.
    pub(super) description: String,
    /// The coins, in the order of the payment.
    pub(super) coins: Vec<Place>,
    /// The Payment message, byte by byte as it leaves.
    pub(super) message: Vec<u8>,
}

impl Record {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer(Vec::new());
        match self {
            Record::Receive { at, head } => out.byte(1).time(*at).rest(head),
            Record::Bins(bins) => {
                out.byte(2).u32(bins.set).byte(bins.place).u32(bins.first).u32(bins.subbin);
                bins.x.iter().fold(&mut out, |out, x| out.u64(*x))
            }
            Record::Received { sets, digest } => out.byte(3).u32(*sets).rest(digest),
            Record::Spend(spend) => spend.write(&mut out),
            Record::Outcome { at, payment, outcome } => out
                .byte(5)
                .time(*at)
                .u32(*payment)
                .byte(outcome.code())
                .rest(outcome.reason().as_bytes()),
            Record::Return { at, holding, request, coins, digest } => {
                out.byte(6).time(*at).u32(*holding).text(request.as_str()).u32(*coins).rest(digest)
            }
            Record::Credited { at, request, transaction, first, verdicts } => {
                out.byte(7).time(*at).text(request.as_str()).u64(*transaction).u32(*first);
                verdicts.iter().fold(&mut out, |out, verdict| out.byte(verdict.code()))
            }
            Record::Backup { at } => out.byte(8).time(*at),
            Record::Receipt { payment, expires, cookie } => {
                out.byte(10).u32(*payment).time(*expires).rest(cookie.as_bytes())
            }
            Record::Restored { at, spendable } => out.byte(9).time(*at).byte(u8::from(*spendable)),
        };
        out.0
    }

    /// Reads a payload; `None` if it is no record of a wallet.
    pub(super) fn parse(payload: &[u8]) -> Option<Record> {
        let mut input = Reader(payload);
        let record = match input.byte()? {
            1 => Record::Receive { at: input.time()?, head: input.rest().to_vec() },
            2 => Record::Bins(Bins {
                set: input.u32()?,
                place: input.byte()?,
                first: input.u32()?,
                subbin: input.u32()?,
                x: input.numbers()?,
            }),
            3 => Record::Received { sets: input.u32()?, digest: input.array()? },
            4 => Record::Spend(Spend::read(&mut input)?),
            5 => {
                let (at, payment, code) = (input.time()?, input.u32()?, input.byte()?);
                let reason = String::from_utf8(input.rest().to_vec()).ok()?;
                Record::Outcome { at, payment, outcome: Outcome::from_code(code, reason)? }
            }
            6 => Record::Return {
                at: input.time()?,
                holding: input.u32()?,
                request: input.text()?.parse().ok()?,
                coins: input.u32()?,
                digest: input.array()?,
            },
            7 => Record::Credited {
                at: input.time()?,
                request: input.text()?.parse().ok()?,
                transaction: input.u64()?,
                first: input.u32()?,
                verdicts: input
                    .rest()
                    .iter()
                    .map(|code| Verdict::from_code(*code))
                    .collect::<Option<_>>()?,
            },
            8 => Record::Backup { at: input.time()? },
            9 => Record::Restored { at: input.time()?, spendable: input.flag()? },
            10 => Record::Receipt {
                payment: input.u32()?,
                expires: input.time()?,
                cookie: String::from_utf8(input.rest().to_vec()).ok()?,
            },
            _ => return None,
        };
        input.0.is_empty().then_some(record)
    }
}

impl Spend {
    fn write<'a>(&self, out: &'a mut Writer) -> &'a mut Writer {
        out.byte(4)
            .time(self.at)
            .text(&self.method)
            .rest(&self.body_digest)
            .text(&self.description);
        out.u32(self.coins.len() as u32);
        for place in &self.coins {
            out.u32(place.set).u32(place.subbin);
        }
        out.rest(&self.message)
    }

    fn read(input: &mut Reader<'_>) -> Option<Spend> {
        Some(Spend {
            at: input.time()?,
            method: input.text()?,
            body_digest: input.array()?,
            description: input.text()?,
            coins: input.places()?,
            message: input.rest().to_vec(),
        })
    }
}

/// Writes numbers big-endian and texts after their length in two bytes.
struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) -> &mut Writer {
        self.0.push(byte);
        self
    }

    fn u32(&mut self, number: u32) -> &mut Writer {
        self.rest(&number.to_be_bytes())
    }

    fn u64(&mut self, number: u64) -> &mut Writer {
        self.rest(&number.to_be_bytes())
    }

    fn time(&mut self, time: UnixTime) -> &mut Writer {
        self.rest(&time.0.to_be_bytes())
    }

    /// A text is at most 65535 bytes; all that stand in records have far smaller bounds.
    fn text(&mut self, text: &str) -> &mut Writer {
        self.rest(&(text.len() as u16).to_be_bytes()).rest(text.as_bytes())
    }

    fn rest(&mut self, bytes: &[u8]) -> &mut Writer {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        self.byte().filter(|byte| *byte <= 1).map(|byte| byte == 1)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn time(&mut self) -> Option<UnixTime> {
        self.array().map(|bytes| UnixTime(i64::from_be_bytes(bytes)))
    }

    fn text(&mut self) -> Option<String> {
        let length = u16::from_be_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    fn numbers(&mut self) -> Option<Vec<u64>> {
        let (numbers, rest) = self.0.as_chunks::<8>();
        self.0 = rest;
        rest.is_empty().then(|| numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect())
    }

    fn places(&mut self) -> Option<Vec<Place>> {
        let count = self.u32()? as usize;
        // Nothing is reserved by an unchecked count: the bytes must be there.
        let (places, rest) = self.0.split_at_checked(count.checked_mul(8)?)?;
        let mut places = Reader(places);
        self.0 = rest;
        (0..count).map(|_| Some(Place { set: places.u32()?, subbin: places.u32()? })).collect()
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn examples() -> Vec<Record> {
        let (at, digest) = (UnixTime(1_800_000_000), [9; 32]);
        let request: Id = "r-1".parse().unwrap();
        let spend = Spend {
            at,
            method: "GET".into(),
            body_digest: digest,
            description: "A page".into(),
            coins: vec![Place { set: 1, subbin: 2 }, Place { set: 3, subbin: 4 }],
            message: b"MicroMint-1.0".to_vec(),
        };
        vec![
            Record::Receive { at, head: b"head".to_vec() },
            Record::Bins(Bins { set: 1, place: 2, first: 3, subbin: 4, x: vec![5, u64::MAX] }),
            Record::Received { sets: 2, digest },
            Record::Spend(spend),
            Record::Outcome { at, payment: 1, outcome: Outcome::Refused("spent".into()) },
            Record::Return { at, holding: 0, request: request.clone(), coins: 7, digest },
            Record::Credited {
                at,
                request,
                transaction: 9,
                first: 0,
                verdicts: vec![Verdict::Accepted],
            },
            Record::Backup { at },
            Record::Restored { at, spendable: true },
            Record::Receipt { payment: 3, expires: at, cookie: "micromint-0=1".into() },
        ]
    }

    #[test]
    fn records_are_read_back() {
        for record in examples() {
            assert_eq!(Record::parse(&record.to_bytes()), Some(record));
        }
    }

    /// The bytes of a spend and of an outcome, written out by hand from `docs/reference/wallet.md`.
    #[test]
    fn the_bytes_are_those_of_the_document() {
        let outcome =
            Record::Outcome { at: UnixTime(1), payment: 2, outcome: Outcome::Refused("no".into()) };
        assert_eq!(outcome.to_bytes(), [5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 2, b'n', b'o']);
        let bins = Record::Bins(Bins { set: 1, place: 2, first: 3, subbin: 4, x: vec![5] });
        let bytes = [2, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5];
        assert_eq!(bins.to_bytes(), bytes);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_what_parses_prints_alike(bytes in proptest::collection::vec(any::<u8>(), 0..200), tag in 0u8..12) {
            let bytes = [vec![tag], bytes].concat();
            if let Some(record) = Record::parse(&bytes) {
                prop_assert_eq!(record.to_bytes(), bytes);
            }
        }
    }
}
