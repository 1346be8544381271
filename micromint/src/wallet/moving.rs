//! Moving a wallet to another file, for example on another machine.
//!
//! A move takes two hops: out of the wallet into a file that travels, and from that file into the
//! new wallet. Each hop copies the wallet under another name, marked as *prepared*; then marks the
//! source as *left*; then completes the copy and gives it its name. All three are durable in this
//! order. The invariants: at every moment, and after a crash at any moment, coins can be spent from
//! at most one file; and the hop that was interrupted can be repeated until it is complete, so no
//! coin is lost.

use crate::error::FileError;
use crate::host::{Directory, Entropy};
use crate::journal::{Journal, Replayed};
use crate::time::UnixTime;

use super::backup::{copy_as, end_with, exists, give_name, must_be_free};
use super::hop::{Frozen, Move, MoveStep, TOKEN_SIZE, Token};
use super::record::WalletRecord;
use super::state::WalletState;
use super::{KIND, Wallet, WalletError, commit};

/// The size of a journal's header, in bytes. It differs for every wallet that was created.
const HEADER_SIZE: usize = crate::journal::HEADER_SIZE as usize;

impl Wallet {
    /// Moves the wallet out into the new file `to_name` with mode 0600. Afterwards nothing can be
    /// spent from this file. Repeat a move that was interrupted, with the same file; one that is
    /// complete succeeds again.
    ///
    /// # Errors
    /// The new file exists, or a file cannot be written. The wallet may then have left this file;
    /// repeat the move.
    pub fn move_out(
        &mut self,
        to: &dyn Directory,
        to_name: &str,
        entropy: &dyn Entropy,
        now: UnixTime,
    ) -> Result<(), WalletError> {
        self.file.locked(|file| {
            let path = file.path().to_path_buf();
            let token = match (file.state().frozen, file.state().moves.last()) {
                (None, _) => {
                    must_be_free(to, to_name)?;
                    let token = prepare(file.journal(), to, to_name, entropy, now)?;
                    let left = Move { at: now, step: MoveStep::Left, token };
                    commit(file, &[WalletRecord::Moved(left)])?;
                    token
                }
                // Of a move that was interrupted.
                (Some(Frozen::Left(_)), Some(last)) => last.token,
                (Some(frozen), _) => return Err(WalletError::Frozen { path, frozen }),
            };
            match complete(to, to_name, token, MoveStep::Travels, now)? {
                true => Ok(()),
                false => {
                    Err(WalletError::Frozen { path, frozen: Frozen::Left(now_of(file.state())) })
                }
            }
        })
    }

    /// Moves the wallet that the file `from_name` carries ([`Wallet::move_out`] made it) into the
    /// wallet file `name`, and opens that. Afterwards `from_name` cannot be used again; remove it.
    /// `name` must not exist, unless the wallet was moved out of it before. Repeat a move that was
    /// interrupted.
    ///
    /// # Errors
    /// The file carries no wallet, it cannot be marked as used, the wallet exists, or a file cannot
    /// be written. Repeat the move then.
    pub fn move_in(
        from: &dyn Directory,
        from_name: &str,
        directory: &dyn Directory,
        name: &str,
        entropy: &dyn Entropy,
        now: UnixTime,
    ) -> Result<Wallet, WalletError> {
        let mut source = Replayed::open_to_append(from, from_name, KIND, WalletState::default())?;
        source.locked(|file| {
            let path = file.path().to_path_buf();
            let token = match (file.state().frozen, file.state().moves.last()) {
                (Some(Frozen::Travels(_)), _) => {
                    must_be_replaceable(directory, name, file.state())?;
                    let token = prepare(file.journal(), directory, name, entropy, now)?;
                    let left = Move { at: now, step: MoveStep::Left, token };
                    commit(file, &[WalletRecord::Moved(left)])?;
                    token
                }
                // Of a move that was interrupted, or that went to another wallet.
                (Some(Frozen::Left(_)), Some(last)) => last.token,
                _ => return Err(WalletError::CarriesNoWallet { path }),
            };
            match complete(directory, name, token, MoveStep::Arrived, now)? {
                true => Ok(()),
                false => {
                    Err(WalletError::Frozen { path, frozen: Frozen::Left(now_of(file.state())) })
                }
            }
        })?;
        let file = Replayed::open_to_append(directory, name, KIND, WalletState::default())?;
        Ok(Wallet { file })
    }
}

impl WalletState {
    fn has_made(&self, step: MoveStep, token: Token) -> bool {
        self.moves.iter().any(|made| (made.step, made.token) == (step, token))
    }
}

/// When the last step of a move was made.
fn now_of(state: &WalletState) -> UnixTime {
    state.moves.last().map_or(UnixTime(0), |last| last.at)
}

/// The name of the copy while it is being made.
fn temporary_name(name: &str) -> String {
    format!(".{name}.moving")
}

/// Refuses a file `name` unless the wallet with the state `coming` was moved out of it before, so
/// that the new file has everything that is in it.
fn must_be_replaceable(
    directory: &dyn Directory,
    name: &str,
    coming: &WalletState,
) -> Result<(), WalletError> {
    if !exists(directory, name)? {
        return Ok(());
    }
    let held = Wallet::open_to_read(directory, name)?;
    let is_left = matches!(held.state().frozen, Some(Frozen::Left(_)));
    let last = held.state().moves.last();
    if is_left && last.is_some_and(|last| coming.has_made(MoveStep::Travels, last.token)) {
        return Ok(());
    }
    Err(WalletError::Exists { path: directory.path().join(name) })
}

/// Copies the wallet `from` under the temporary name of `name`, and marks the copy as prepared.
fn prepare(
    from: &Journal,
    directory: &dyn Directory,
    name: &str,
    entropy: &dyn Entropy,
    now: UnixTime,
) -> Result<Token, WalletError> {
    let mut token = [0; TOKEN_SIZE];
    entropy.fill(&mut token).map_err(WalletError::Entropy)?;
    let temporary = temporary_name(name);
    check_stale(from, directory, &temporary)?;
    let prepared = Move { at: now, step: MoveStep::Prepared, token };
    copy_as(from, directory, &temporary, &WalletRecord::Moved(prepared))?;
    Ok(token)
}

/// Checks that what is there was left behind by an earlier move of this wallet. The wallet is in
/// `from`, so such a copy is not needed. A whole copy of another wallet may be the only one that
/// can be moved on.
fn check_stale(
    from: &Journal,
    directory: &dyn Directory,
    temporary: &str,
) -> Result<(), WalletError> {
    if !exists(directory, temporary)? {
        return Ok(());
    }
    let path = directory.path().join(temporary);
    match Wallet::open_to_read(directory, temporary) {
        Ok(held) if header(held.file.journal())? != header(from)? => {
            Err(WalletError::Exists { path })
        }
        _ => Ok(()),
    }
}

fn header(journal: &Journal) -> Result<[u8; HEADER_SIZE], WalletError> {
    let mut bytes = [0; HEADER_SIZE];
    journal.file().read_at(&mut bytes, 0).map_err(FileError::on("read", journal.path()))?;
    Ok(bytes)
}

/// Completes the hop with this token: ends the prepared copy with `step` and gives it its name.
/// Returns whether it is complete, now or since an earlier time; `false` if neither the copy nor
/// the file is here.
fn complete(
    directory: &dyn Directory,
    name: &str,
    token: Token,
    step: MoveStep,
    now: UnixTime,
) -> Result<bool, WalletError> {
    if exists(directory, name)? {
        let held = Wallet::open_to_read(directory, name);
        if held.is_ok_and(|held| held.state().has_made(step, token)) {
            return Ok(true);
        }
    }
    let temporary = temporary_name(name);
    if !exists(directory, &temporary)? {
        return Ok(false);
    }
    let held = Wallet::open_to_read(directory, &temporary)?;
    if !held.state().has_made(MoveStep::Prepared, token) {
        return Ok(false);
    }
    if !held.state().has_made(step, token) {
        end_with(directory, &temporary, &WalletRecord::Moved(Move { at: now, step, token }))?;
    }
    give_name(directory, &temporary, name)?;
    Ok(true)
}
