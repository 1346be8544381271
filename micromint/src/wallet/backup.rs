//! Backups: a copy of the wallet that says so, and a wallet made of one.
//!
//! Coins spent after a backup was made are still in it, and would leave twice. So a backup is never
//! spent from as it is, and a wallet restored from one keeps the coins that it held then for a
//! return only, unless its owner says that none was spent since.

use std::io;

use crate::error::FileError;
use crate::host::{Directory, Open};
use crate::journal::{Journal, Replayed};
use crate::time::UnixTime;

use super::record::WalletRecord;
use super::{APPEND_SIZE, KIND, State, Wallet, WalletError, commit};

impl Wallet {
    /// Copies the wallet, as it is now, into a new file `name` of mode 0600 and marks that as a
    /// backup, so that it is not spent from by mistake.
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

    /// Makes the new wallet file `name` of `directory` out of the backup `backup_name` of
    /// `backup_directory`. Coins spent since the backup was made would leave twice, so unless the
    /// owner says that there are none (`spendable`), the coins are kept for a return only.
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
        // Made under another name first: a crash leaves no half of a wallet behind.
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
        let file = Replayed::open_to_append(directory, name, KIND, State::default())?;
        Ok(Wallet { file })
    }
}

/// Appends `record` to the wallet file `name`, durably.
fn end_with(
    directory: &dyn Directory,
    name: &str,
    record: &WalletRecord,
) -> Result<(), WalletError> {
    let mut file = Replayed::open_to_append(directory, name, KIND, State::default())?;
    file.locked(|file| commit(file, std::slice::from_ref(record)))
}

/// Copies the journal `from`, as far as its handle has read it, into a new file, durably.
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
