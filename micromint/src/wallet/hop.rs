//! The steps of moving a wallet to another file, as its records tell them, and why nothing can be
//! spent from a file.

use std::fmt;

use crate::time::UnixTime;

/// The size of the token of a hop, in bytes.
pub(super) const TOKEN_SIZE: usize = 16;

/// Why nothing can be spent from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frozen {
    /// It is a backup that was made at this time.
    Backup(UnixTime),
    /// The wallet was moved out of it at this time.
    Left(UnixTime),
    /// A copy that an interrupted move has left behind, of this time.
    Prepared(UnixTime),
    /// It carries a wallet that was moved out of its file at this time, and that has not arrived.
    Travels(UnixTime),
}

impl fmt::Display for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frozen::Backup(at) => write!(f, "this is a backup made at {at}; restore it first"),
            Frozen::Left(at) => {
                write!(f, "the wallet was moved out of this file at {at}; use the other file")
            }
            Frozen::Prepared(at) => {
                write!(
                    f,
                    "this is the copy of a move that was interrupted at {at}; repeat the move"
                )
            }
            Frozen::Travels(at) => {
                write!(f, "this file carries a wallet moved at {at}; move it in first")
            }
        }
    }
}

/// A step of a hop, as the file in which it is recorded sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MoveStep {
    /// The wallet has left this file.
    Left,
    /// This copy waits for the wallet to leave the other file.
    Prepared,
    /// The wallet is in this file, to be moved on.
    Travels,
    /// The wallet has arrived in this file.
    Arrived,
}

/// A record of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) at: UnixTime,
    pub(super) step: MoveStep,
    /// Random; the same in both files of a hop.
    pub(super) token: Token,
}

/// Identifies a hop.
pub(super) type Token = [u8; TOKEN_SIZE];

impl MoveStep {
    pub(super) fn code(self) -> u8 {
        match self {
            MoveStep::Left => 0,
            MoveStep::Prepared => 1,
            MoveStep::Travels => 2,
            MoveStep::Arrived => 3,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<MoveStep> {
        let all = [MoveStep::Left, MoveStep::Prepared, MoveStep::Travels, MoveStep::Arrived];
        all.into_iter().find(|step| step.code() == code)
    }
}
