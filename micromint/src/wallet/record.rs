//! The records of a wallet file; the format is in `docs/reference/wallet.md`.
//!
//! Input: a [`WalletRecord`]. Output: the payload of a journal record; and the reverse. Parsing
//! checks the bytes only. Whether a record is valid after those before it is decided in
//! [`super::state`].

use crate::bytes::{Fixed, Reader, Writer};
use crate::identity::VendorId;
use crate::period::Period;
use crate::protocol::{Id, Verdict};
use crate::time::UnixTime;

use super::answer::Receipt;
use super::hop::{Move, MoveStep, TOKEN_SIZE};
use super::order::{Order, OrderClosed};
use super::outcome::PaymentOutcome;
use super::purpose::Purpose;

/// The most bins in one [`SuperbinPiece`] record.
pub(super) const BINS_PER_RECORD_MAX: usize = 4096;
/// The most verdicts in one `Credited` record.
pub(super) const VERDICTS_PER_RECORD_MAX: usize = 32 * 1024;

/// The place of a coin: its set, counted from 0 over the wallet, and the sub-bin of its first ball.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CoinPlace {
    /// The set.
    pub(super) set: u32,
    /// The sub-bin.
    pub(super) subbin: u32,
}

/// An event in the life of a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WalletRecord {
    /// Sets are being received. `head` is their Funds-Withdrawn message with `Sets: 0` and no
    /// balls.
    Receive { at: UnixTime, head: Vec<u8> },
    /// A piece of one superbin of the sets being received.
    Bins(SuperbinPiece),
    /// All sets since the last `Receive` are now in the wallet.
    Received { sets: u32, digest: [u8; 32] },
    /// For what the spend is that follows.
    Purpose(Purpose),
    /// Coins are sent to a vendor.
    Spend(SpendRecord),
    /// The outcome of the payment with this number, counted from 0.
    Outcome { at: UnixTime, payment: u32, outcome: PaymentOutcome },
    /// Coins are returned to the broker.
    Return { at: UnixTime, holding: u32, request: Id, coins: u32, digest: [u8; 32] },
    /// The broker's verdicts on balls of a return, from ball number `first` on.
    Credited { at: UnixTime, request: Id, transaction: u64, first: u32, verdicts: Vec<Verdict> },
    /// This file is a backup made at this time; nothing may be spent from it.
    Backup { at: UnixTime },
    /// A cookie that shows the page of this payment again, and perhaps others.
    Receipt { payment: u32, receipt: Receipt },
    /// The backup was restored. `is_spendable`: its owner says that no coin was spent after it was
    /// made.
    Restored { at: UnixTime, is_spendable: bool },
    /// The wallet fetched coins of this holding from the broker's own web page.
    Confirmed { at: UnixTime, holding: u32 },
    /// A vendor lets the pages of an origin collect coins in its name.
    Consent { at: UnixTime, consent: Consent },
    /// Sets will be asked of a broker's page.
    Order(Order),
    /// An order ended without sets.
    OrderClosed { transaction: u64, closed: OrderClosed },
    /// A step of moving the wallet to another file.
    Moved(Move),
}

/// That a vendor lets the pages of an origin collect coins of a period in its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Consent {
    pub(super) period: Period,
    pub(super) vendor: VendorId,
    /// Such as `https://shop.news.example`.
    pub(super) origin: String,
}

/// A piece of a superbin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SuperbinPiece {
    /// The set, counted from 0 in the message.
    pub(super) set: u32,
    /// The superbin in the set, counted from 0.
    pub(super) place: u8,
    /// The index of the set's first superbin.
    pub(super) first: u32,
    /// The sub-bin of `x[0]`.
    pub(super) subbin: u32,
    /// The balls; [`super::genuine::EMPTY`] for an empty bin.
    pub(super) x: Vec<u64>,
}

/// Coins sent to a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpendRecord {
    pub(super) at: UnixTime,
    /// The method of the request that they pay for.
    pub(super) method: String,
    /// SHA-256 of the body of that request.
    pub(super) body_digest: [u8; 32],
    /// The content, in the vendor's words.
    pub(super) description: String,
    /// The coins, in the order of the message.
    pub(super) coins: Vec<CoinPlace>,
    /// The Payment message, exactly as it is sent.
    pub(super) message: Vec<u8>,
}

// The first byte of each record, in the order of `docs/reference/wallet.md`.
const RECEIVE: u8 = 1;
const BINS: u8 = 2;
const RECEIVED: u8 = 3;
const SPEND: u8 = 4;
const OUTCOME: u8 = 5;
const RETURN: u8 = 6;
const CREDITED: u8 = 7;
const BACKUP: u8 = 8;
const RESTORED: u8 = 9;
const RECEIPT: u8 = 10;
const CONFIRMED: u8 = 11;
const CONSENT: u8 = 12;
const ORDER: u8 = 13;
const ORDER_CLOSED: u8 = 14;
const MOVED: u8 = 15;
const PURPOSE: u8 = 16;

/// The size of an x, in bytes.
const X_SIZE: usize = 8;
/// The size of a [`CoinPlace`], in bytes.
const PLACE_SIZE: usize = 8;

impl WalletRecord {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer::new(&mut bytes);
        match self {
            WalletRecord::Receive { at, head } => out.u8(RECEIVE).time(*at).bytes(head),
            WalletRecord::Bins(bins) => bins.write(&mut out),
            WalletRecord::Received { sets, digest } => out.u8(RECEIVED).u32(*sets).bytes(digest),
            WalletRecord::Purpose(purpose) => {
                out.u8(PURPOSE).text_u16(purpose.task()).bytes(purpose.asked().as_bytes())
            }
            WalletRecord::Spend(spend) => spend.write(&mut out),
            WalletRecord::Outcome { at, payment, outcome } => {
                out.u8(OUTCOME).time(*at).u32(*payment).u8(outcome.code());
                out.bytes(outcome.reason().unwrap_or_default().as_bytes())
            }
            WalletRecord::Return { at, holding, request, coins, digest } => {
                out.u8(RETURN).time(*at).u32(*holding).text_u16(request.as_str());
                out.u32(*coins).bytes(digest)
            }
            WalletRecord::Credited { at, request, transaction, first, verdicts } => {
                out.u8(CREDITED).time(*at).text_u16(request.as_str()).u64(*transaction);
                verdicts.iter().fold(out.u32(*first), |out, verdict| out.u8(verdict.code()))
            }
            WalletRecord::Backup { at } => out.u8(BACKUP).time(*at),
            WalletRecord::Restored { at, is_spendable } => {
                out.u8(RESTORED).time(*at).u8(u8::from(*is_spendable))
            }
            WalletRecord::Confirmed { at, holding } => out.u8(CONFIRMED).time(*at).u32(*holding),
            WalletRecord::Receipt { payment, receipt } => {
                out.u8(RECEIPT).u32(*payment).time(receipt.expires).text_u16(&receipt.path);
                out.bytes(receipt.cookie.as_bytes())
            }
            WalletRecord::Consent { at, consent } => {
                out.u8(CONSENT).time(*at).text_u16(consent.period.as_str());
                out.text_u16(consent.vendor.as_str()).bytes(consent.origin.as_bytes())
            }
            WalletRecord::Order(order) => {
                let period = order.period.as_ref().map_or("", |period| period.as_str());
                out.u8(ORDER).time(order.at).u64(order.transaction).u32(order.sets);
                out.text_u16(period).text_u16(&order.login).bytes(order.page.as_str().as_bytes())
            }
            WalletRecord::OrderClosed { transaction, closed } => {
                out.u8(ORDER_CLOSED).time(closed.at).u64(*transaction);
                out.u8(u8::from(closed.is_refused)).bytes(closed.reason.as_bytes())
            }
            WalletRecord::Moved(step) => {
                out.u8(MOVED).time(step.at).u8(step.step.code()).bytes(&step.token)
            }
        };
        bytes
    }

    /// Reads a payload; `None` if it is not a record of a wallet.
    pub(super) fn parse(payload: &[u8]) -> Option<WalletRecord> {
        let mut input = Reader::new(payload);
        match input.u8()? {
            RECEIVE => {
                Some(WalletRecord::Receive { at: input.time()?, head: input.rest().to_vec() })
            }
            BINS => SuperbinPiece::read(input).map(WalletRecord::Bins),
            RECEIVED => read_received(input),
            PURPOSE => read_purpose(input).map(WalletRecord::Purpose),
            SPEND => SpendRecord::read(input).map(WalletRecord::Spend),
            OUTCOME => read_outcome(input),
            RETURN => read_return(input),
            CREDITED => read_credited(input),
            BACKUP => {
                let at = input.time()?;
                input.finish().map(|()| WalletRecord::Backup { at })
            }
            RESTORED => {
                let (at, is_spendable) = (input.time()?, input.flag()?);
                input.finish().map(|()| WalletRecord::Restored { at, is_spendable })
            }
            CONFIRMED => {
                let (at, holding) = (input.time()?, input.u32()?);
                input.finish().map(|()| WalletRecord::Confirmed { at, holding })
            }
            RECEIPT => read_receipt(input),
            CONSENT => read_consent(input),
            ORDER => read_order(input).map(WalletRecord::Order),
            ORDER_CLOSED => read_order_closed(input),
            MOVED => read_move(input).map(WalletRecord::Moved),
            _ => None,
        }
    }
}

fn read_received(mut input: Reader<'_>) -> Option<WalletRecord> {
    let (sets, digest) = (input.u32()?, input.array()?);
    input.finish().map(|()| WalletRecord::Received { sets, digest })
}

fn read_purpose(mut input: Reader<'_>) -> Option<Purpose> {
    let task = input.text_u16()?.to_string();
    Purpose::new(&task, &rest_as_text(input)?).ok()
}

fn read_outcome(mut input: Reader<'_>) -> Option<WalletRecord> {
    let (at, payment, code) = (input.time()?, input.u32()?, input.u8()?);
    let outcome = PaymentOutcome::from_code(code, rest_as_text(input)?)?;
    Some(WalletRecord::Outcome { at, payment, outcome })
}

fn read_return(mut input: Reader<'_>) -> Option<WalletRecord> {
    let (at, holding) = (input.time()?, input.u32()?);
    let request = input.text_u16()?.parse().ok()?;
    let (coins, digest) = (input.u32()?, input.array()?);
    input.finish().map(|()| WalletRecord::Return { at, holding, request, coins, digest })
}

fn read_credited(mut input: Reader<'_>) -> Option<WalletRecord> {
    let (at, request) = (input.time()?, input.text_u16()?.parse().ok()?);
    let (transaction, first) = (input.u64()?, input.u32()?);
    let verdicts = input.rest().iter().map(|code| Verdict::from_code(*code));
    let verdicts = verdicts.collect::<Option<_>>()?;
    Some(WalletRecord::Credited { at, request, transaction, first, verdicts })
}

fn read_receipt(mut input: Reader<'_>) -> Option<WalletRecord> {
    let (payment, expires) = (input.u32()?, input.time()?);
    let path = input.text_u16()?.to_string();
    let receipt = Receipt { cookie: rest_as_text(input)?, expires, path };
    Some(WalletRecord::Receipt { payment, receipt })
}

fn read_consent(mut input: Reader<'_>) -> Option<WalletRecord> {
    let (at, period) = (input.time()?, input.text_u16()?.parse().ok()?);
    let vendor = input.text_u16()?.parse().ok()?;
    let consent = Consent { period, vendor, origin: rest_as_text(input)? };
    Some(WalletRecord::Consent { at, consent })
}

fn read_order(mut input: Reader<'_>) -> Option<Order> {
    let (at, transaction, sets) = (input.time()?, input.u64()?, input.u32()?);
    let period = match input.text_u16()? {
        "" => None,
        period => Some(period.parse().ok()?),
    };
    let login = input.text_u16()?.to_string();
    let page = rest_as_text(input)?.parse().ok()?;
    Some(Order::new(at, transaction, sets, period, login, page))
}

fn read_order_closed(mut input: Reader<'_>) -> Option<WalletRecord> {
    let (at, transaction, is_refused) = (input.time()?, input.u64()?, input.flag()?);
    let closed = OrderClosed { at, is_refused, reason: rest_as_text(input)? };
    Some(WalletRecord::OrderClosed { transaction, closed })
}

fn read_move(mut input: Reader<'_>) -> Option<Move> {
    let (at, step) = (input.time()?, MoveStep::from_code(input.u8()?)?);
    let token = input.array::<TOKEN_SIZE>()?;
    input.finish().map(|()| Move { at, step, token })
}

fn rest_as_text(input: Reader<'_>) -> Option<String> {
    Some(std::str::from_utf8(input.rest()).ok()?.to_string())
}

impl SuperbinPiece {
    fn write<'a, 'b>(&self, out: &'a mut Writer<'b>) -> &'a mut Writer<'b> {
        out.u8(BINS).u32(self.set).u8(self.place).u32(self.first).u32(self.subbin);
        self.x.iter().fold(out, |out, x| out.u64(*x))
    }

    fn read(mut input: Reader<'_>) -> Option<SuperbinPiece> {
        let (set, place) = (input.u32()?, input.u8()?);
        let (first, subbin) = (input.u32()?, input.u32()?);
        let x = input.arrays::<X_SIZE>(input.left() / X_SIZE)?;
        let x = x.iter().map(|x| u64::from_bytes(x)).collect();
        input.finish().map(|()| SuperbinPiece { set, place, first, subbin, x })
    }
}

impl SpendRecord {
    fn write<'a, 'b>(&self, out: &'a mut Writer<'b>) -> &'a mut Writer<'b> {
        out.u8(SPEND).time(self.at).text_u16(&self.method).bytes(&self.body_digest);
        out.text_u16(&self.description).u32(self.coins.len() as u32);
        for place in &self.coins {
            out.u32(place.set).u32(place.subbin);
        }
        out.bytes(&self.message)
    }

    fn read(mut input: Reader<'_>) -> Option<SpendRecord> {
        let at = input.time()?;
        let method = input.text_u16()?.to_string();
        let body_digest = input.array()?;
        let description = input.text_u16()?.to_string();
        let count = input.u32()? as usize;
        let coins = input.arrays::<PLACE_SIZE>(count)?.iter().map(|bytes| {
            let mut place = Reader::new(bytes);
            Some(CoinPlace { set: place.u32()?, subbin: place.u32()? })
        });
        let (coins, message) = (coins.collect::<Option<_>>()?, input.rest().to_vec());
        Some(SpendRecord { at, method, body_digest, description, coins, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn consent() -> Consent {
        Consent {
            period: "2026-12".parse().unwrap(),
            vendor: "a.example".parse().unwrap(),
            origin: "https://b.a.example".into(),
        }
    }

    fn receipt() -> Receipt {
        let (cookie, path) = ("micromint-0=1".to_string(), "/a/".to_string());
        Receipt { cookie, expires: UnixTime(2), path }
    }

    fn order() -> Order {
        let (period, page) = ("2026-12".parse().unwrap(), "https://b.example/".parse().unwrap());
        Order::new(UnixTime(1), 0x0102, 3, Some(period), "Al".into(), page)
    }

    fn examples() -> Vec<WalletRecord> {
        let (at, digest) = (UnixTime(1_800_000_000), [9; 32]);
        let request: Id = "r-1".parse().unwrap();
        let spend = SpendRecord {
            at,
            method: "GET".into(),
            body_digest: digest,
            description: "A page".into(),
            coins: vec![CoinPlace { set: 1, subbin: 2 }, CoinPlace { set: 3, subbin: 4 }],
            message: b"MicroMint-1.0".to_vec(),
        };
        vec![
            WalletRecord::Receive { at, head: b"head".to_vec() },
            WalletRecord::Confirmed { at, holding: 3 },
            WalletRecord::Bins(SuperbinPiece {
                set: 1,
                place: 2,
                first: 3,
                subbin: 4,
                x: vec![5, u64::MAX],
            }),
            WalletRecord::Received { sets: 2, digest },
            WalletRecord::Purpose(Purpose::new("t-1", "fetch: a page").unwrap()),
            WalletRecord::Spend(spend),
            WalletRecord::Outcome {
                at,
                payment: 1,
                outcome: PaymentOutcome::Refused("spent".into()),
            },
            WalletRecord::Return { at, holding: 0, request: request.clone(), coins: 7, digest },
            WalletRecord::Credited {
                at,
                request,
                transaction: 9,
                first: 0,
                verdicts: vec![Verdict::Accepted],
            },
            WalletRecord::Backup { at },
            WalletRecord::Restored { at, is_spendable: true },
            WalletRecord::Receipt { payment: 3, receipt: receipt() },
            WalletRecord::Consent { at, consent: consent() },
            WalletRecord::Order(order()),
            WalletRecord::Order(Order { period: None, ..order() }),
            WalletRecord::OrderClosed {
                transaction: 9,
                closed: OrderClosed { at, is_refused: true, reason: "sold out".into() },
            },
            WalletRecord::Moved(Move { at, step: MoveStep::Left, token: [7; TOKEN_SIZE] }),
        ]
    }

    #[test]
    fn records_are_read_back() {
        for record in examples() {
            assert_eq!(WalletRecord::parse(&record.to_bytes()), Some(record));
        }
    }

    /// The bytes of an outcome, of bins, of a return and of a spend, written out by hand from
    /// `docs/reference/wallet.md`.
    #[test]
    fn the_bytes_are_those_of_the_document() {
        let outcome = PaymentOutcome::Refused("no".into());
        let outcome = WalletRecord::Outcome { at: UnixTime(1), payment: 2, outcome };
        assert_eq!(outcome.to_bytes(), [5, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2, b'n', b'o']);
        let bins =
            WalletRecord::Bins(SuperbinPiece { set: 1, place: 2, first: 3, subbin: 4, x: vec![5] });
        let bytes = [2, 1, 0, 0, 0, 2, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(bins.to_bytes(), bytes);
        let back = WalletRecord::Return {
            at: UnixTime(-2),
            holding: 1,
            request: "r-1".parse().unwrap(),
            coins: 0x0102,
            digest: [9; 32],
        };
        let head = [6, 0xfe, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 3, 0, b'r', b'-', b'1'];
        assert_eq!(back.to_bytes(), [&head[..], &[2, 1, 0, 0], &[9; 32]].concat());
        let spend = WalletRecord::Spend(SpendRecord {
            at: UnixTime(1),
            method: "GET".into(),
            body_digest: [8; 32],
            description: "A".into(),
            coins: vec![CoinPlace { set: 1, subbin: 2 }],
            message: b"M".to_vec(),
        });
        let parts: [&[u8]; 5] = [
            &[4, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, b'G', b'E', b'T'],
            &[8; 32],
            &[1, 0, b'A'],
            &[1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0],
            b"M",
        ];
        assert_eq!(spend.to_bytes(), parts.concat());
        let consent = WalletRecord::Consent { at: UnixTime(1), consent: consent() };
        let parts: [&[u8]; 4] = [
            &[12, 1, 0, 0, 0, 0, 0, 0, 0],
            b"\x07\x002026-12",
            b"\x09\x00a.example",
            b"https://b.a.example",
        ];
        assert_eq!(consent.to_bytes(), parts.concat());
        let receipt = WalletRecord::Receipt { payment: 3, receipt: receipt() };
        let parts: [&[u8]; 3] =
            [&[10, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], b"\x03\x00/a/", b"micromint-0=1"];
        assert_eq!(receipt.to_bytes(), parts.concat());
    }

    /// The same for orders, moves and purposes.
    #[test]
    fn the_bytes_of_orders_moves_and_purposes_are_those_of_the_document() {
        let parts: [&[u8]; 5] = [
            &[13, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0],
            b"\x07\x002026-12",
            b"\x02\x00Al",
            b"https://b.example",
            b"/",
        ];
        assert_eq!(WalletRecord::Order(order()).to_bytes(), parts.concat());
        let closed = OrderClosed { at: UnixTime(1), is_refused: true, reason: "no".into() };
        let closed = WalletRecord::OrderClosed { transaction: 0x0102, closed };
        let head = [14, 1, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(closed.to_bytes(), [&head[..], b"no"].concat());
        let moved = Move { at: UnixTime(1), step: MoveStep::Travels, token: [7; TOKEN_SIZE] };
        let head = [15, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(WalletRecord::Moved(moved).to_bytes(), [&head[..], &[7; 16]].concat());
        let purpose = WalletRecord::Purpose(Purpose::new("t", "fetch").unwrap());
        assert_eq!(purpose.to_bytes(), b"\x10\x01\0tfetch");
    }

    proptest! {
        #[test]
        fn any_bytes_are_handled_and_a_parsed_record_has_the_same_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            tag in 0u8..18,
        ) {
            let bytes = [vec![tag], bytes].concat();
            if let Some(record) = WalletRecord::parse(&bytes) {
                prop_assert_eq!(record.to_bytes(), bytes);
            }
        }
    }
}
