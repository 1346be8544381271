//! Funds-Withdrawn: the sets that a client bought, from broker to client (thesis 3.2.2).
//!
//! It carries the user's key. It is therefore sent only over TLS or in a private file, and only to
//! the authenticated owner of the account.

use super::frame::{Printer, text_size_max};
use super::payment::x_to_bytes;
use super::{Frame, MessageError};
use crate::authenticator::Key;
use crate::bytes::{Reader, Writer, from_u64_be};
use crate::identity::UserId;
use crate::params::{COIN_SIZE_MAX, PARAMS_KEYS, Params};
use crate::period::Period;

/// The largest number of sets in one sale.
pub const SETS_PER_WITHDRAWAL_MAX: u32 = 10_000;
/// The largest data in one Funds-Withdrawn, in bytes: 32 of the largest possible sets.
const DATA_SIZE_MAX: u64 = 128 * 1024 * 1024 + 1024;
/// The largest Funds-Withdrawn message, in bytes.
pub const FUNDS_WITHDRAWN_SIZE_MAX: usize = text_size_max(DATA_SIZE_MAX as usize);

/// The balls of one superbin set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoldSet {
    /// The k superbins in order, each the inputs of its balls in order of sub-bin. Empty bins are
    /// omitted, so hashing determines where a ball lies.
    pub superbins: Vec<Vec<u64>>,
}

/// Sets sold to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundsWithdrawn {
    /// Who bought.
    pub user: UserId,
    /// K_U of this user and period.
    pub user_key: Key,
    /// The parameters of the period.
    pub params: Params,
    /// The sets, at most [`SETS_PER_WITHDRAWAL_MAX`].
    pub sets: Vec<SoldSet>,
    /// The number of the sale, which can be fetched again with it.
    pub transaction: u64,
}

impl FundsWithdrawn {
    /// Parses a Funds-Withdrawn. It does not check whether the balls are genuine.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<FundsWithdrawn, MessageError> {
        let frame = Frame::parse(text, FUNDS_WITHDRAWN_SIZE_MAX)?;
        frame.expect_type("Funds-Withdrawn")?;
        let params = Params::from_fields(|key| frame.get(&title_case(key))).map_err(|error| {
            MessageError::Header { name: "of a parameter".into(), why: error.to_string() }
        })?;
        let sets = frame.number("Sets", SETS_PER_WITHDRAWAL_MAX.into())? as usize;
        Ok(FundsWithdrawn {
            user: frame.parsed("User-ID")?,
            user_key: frame.parsed("User-Key")?,
            transaction: frame.number("Transaction-ID", u64::MAX)?,
            sets: sets_from(&params, sets, &frame.into_data()?)?,
            params,
        })
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut head = Printer::new("Funds-Withdrawn")
            .header("User-ID", &self.user)
            .header("User-Key", self.user_key.to_hex());
        for (key, value) in self.params.to_fields() {
            head = head.header(&title_case(key), value);
        }
        let mut data = Vec::new();
        for superbin in self.sets.iter().flat_map(|set| &set.superbins) {
            Writer::new(&mut data).u32_be(superbin.len() as u32).bytes(&x_to_bytes(superbin));
        }
        head.header("Sets", self.sets.len()).header("Transaction-ID", self.transaction).data(&data)
    }

    /// The largest number of sets of this period that always fit into one message, 1 to
    /// [`SETS_PER_WITHDRAWAL_MAX`].
    pub fn sets_max(params: &Params) -> u32 {
        let superbin_size = 4 + 8 * u64::from(params.subbin_count());
        let set_size = params.coin_size() as u64 * superbin_size;
        (DATA_SIZE_MAX / set_size).clamp(1, SETS_PER_WITHDRAWAL_MAX.into()) as u32
    }

    /// The period of the coins.
    pub fn period(&self) -> &Period {
        self.params.period()
    }
}

/// The header of a parameter: its configuration key in title case.
fn title_case(key: &str) -> String {
    debug_assert!(PARAMS_KEYS.contains(&key));
    let mut upper = true;
    key.chars()
        .map(|c| {
            let c = if upper { c.to_ascii_uppercase() } else { c };
            upper = c == '-';
            c
        })
        .collect()
}

fn sets_from(params: &Params, sets: usize, data: &[u8]) -> Result<Vec<SoldSet>, MessageError> {
    debug_assert!(params.coin_size() <= COIN_SIZE_MAX as usize);
    let mut data = Reader::new(data);
    let mut read = Vec::new();
    for _ in 0..sets {
        let superbins: Result<_, _> = (0..params.coin_size())
            .map(|_| take_superbin(&mut data, params.subbin_count()))
            .collect();
        read.push(SoldSet { superbins: superbins? });
    }
    match data.left() {
        0 => Ok(read),
        left => Err(MessageError::Data(format!("{left} bytes after the last set"))),
    }
}

/// Reads a count and that many inputs from the front of `data`.
fn take_superbin(data: &mut Reader<'_>, balls_max: u32) -> Result<Vec<u64>, MessageError> {
    let ended = || MessageError::Data("ends inside a superbin".to_string());
    let count = data.u32_be().ok_or_else(ended)?;
    if count > balls_max {
        return Err(MessageError::Data(format!("{count} balls in a superbin of {balls_max} bins")));
    }
    let balls = data.arrays(count as usize).ok_or_else(ended)?;
    Ok(balls.iter().map(|bytes| from_u64_be(*bytes)).collect())
}
