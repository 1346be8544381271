//! Backups: a copy of the wallet that is marked as one, and a wallet restored from it.
//!
//! Coins spent after a backup was made are still unspent in the backup, and spending from it would
//! send them twice. The invariant: nothing is spent from a backup, and the coins of a restored
//! wallet can only be returned, unless its owner confirms that none was spent since.

use std::io;

use crate::error::FileError;
use crate::host::{Directory, Open};
use crate::journal::{Journal, Replayed};
use crate::time::UnixTime;

use super::record::WalletRecord;
use super::{APPEND_SIZE, KIND, Wallet, WalletError, WalletState, commit};

impl Wallet {
    /// Copies the wallet into a new file `name` with mode 0600 and marks the copy as a backup, so
    /// that nothing is spent from it by mistake.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub fn backup(
        &mut self,
        directory: &dyn Directory,
        name: &str,
        now: UnixTime,
    ) -> Result<(), WalletError> {
        self.locked(|file| {
            copy(file.journal(), directory, name)?;
            end_with(directory, name, &WalletRecord::Backup { at: now })
        })
    }

    /// Restores the backup `backup_name` of `backup_directory` as the new wallet file `name` of
    /// `directory`. Set `spendable` only if no coin was spent after the backup was made: such a
    /// coin would be sent twice. Otherwise the coins can only be returned.
    ///
    /// # Errors
    /// The file is not a backup, the new file exists, or one of them cannot be read or written.
    pub fn restore(
        backup_directory: &dyn Directory,
        backup_name: &str,
        directory: &dyn Directory,
        name: &str,
        spendable: bool,
        now: UnixTime,
    ) -> Result<Wallet, WalletError> {
        let backup = Wallet::open_to_read(backup_directory, backup_name)?;
        if backup.state().backup_made.is_none() {
            return Err(WalletError::NoBackup { path: backup.file.path().into() });
        }
        // Made under another name first, so that a crash never leaves a partial wallet.
        let temporary = format!(".{name}.restored");
        let path = directory.path().join(name);
        let names = directory.names().map_err(FileError::on("list", directory.path()))?;
        if names.iter().any(|held| held == name) {
            return Err(WalletError::Exists { path });
        }
        if names.contains(&temporary) {
            directory
                .remove(&temporary)
                .map_err(FileError::on("remove", path.with_file_name(&temporary)))?;
        }
        copy(backup.file.journal(), directory, &temporary)?;
        end_with(directory, &temporary, &WalletRecord::Restored { at: now, spendable })?;
        directory.rename(&temporary, name).map_err(FileError::on("make", &path))?;
        directory.sync().map_err(FileError::on("sync", directory.path()))?;
        let file = Replayed::open_to_append(directory, name, KIND, WalletState::default())?;
        Ok(Wallet { file })
    }
}

/// Appends `record` to the wallet file `name`, durably.
fn end_with(
    directory: &dyn Directory,
    name: &str,
    record: &WalletRecord,
) -> Result<(), WalletError> {
    let mut file = Replayed::open_to_append(directory, name, KIND, WalletState::default())?;
    file.locked(|file| commit(file, std::slice::from_ref(record)))
}

/// Copies the journal `from`, as far as its handle has read it, into a new file and syncs it.
fn copy(from: &Journal, directory: &dyn Directory, name: &str) -> Result<(), WalletError> {
    let path = directory.path().join(name);
    let to = directory.open(name, Open::CreateNew).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => WalletError::Exists { path: path.clone() },
        _ => FileError::on("make", &path)(error).into(),
    })?;
    let mut at = 0;
    while at < from.end() {
        let mut bytes = vec![0; (from.end() - at).min(APPEND_SIZE as u64) as usize];
        from.file().read_at(&mut bytes, at).map_err(FileError::on("read", from.path()))?;
        to.write_at(&bytes, at).map_err(FileError::on("write", &path))?;
        at += bytes.len() as u64;
    }
    to.sync().map_err(FileError::on("write", &path))?;
    Ok(directory.sync().map_err(FileError::on("sync", directory.path()))?)
}
