//! Backups: a copy of the wallet that is marked as one, and a wallet restored from it.
//!
//! Coins spent after a backup was made are still unspent in the backup, and spending from it would
//! send them twice. The invariant: nothing is spent from a backup, and the coins of a restored
//! wallet can only be returned, unless its owner confirms that none was spent since.

use crate::error::FileError;
use crate::host::{Directory, publish};
use crate::journal::{Journal, Replayed};
use crate::time::UnixTime;

use super::hop::Frozen;
use super::record::WalletRecord;
use super::{KIND, Wallet, WalletError, WalletState, commit};

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
            must_be_free(directory, name)?;
            let temporary = format!(".{name}.backup");
            let made = WalletRecord::Backup { at: now };
            copy_to(file.journal(), directory, [&temporary, name], &made)
        })
    }

    /// Restores the backup `backup_name` of `backup_directory` as the new wallet file `name` of
    /// `directory`. A file out of which the wallet was moved serves as a backup too, if the file
    /// that it was moved to is lost. Set `is_spendable` only if no coin was spent after the backup
    /// was made: such a coin would be sent twice. Otherwise the coins can only be returned.
    ///
    /// # Errors
    /// The file is not a backup, the new file exists, or one of them cannot be read or written.
    pub fn restore(
        backup_directory: &dyn Directory,
        backup_name: &str,
        directory: &dyn Directory,
        name: &str,
        is_spendable: bool,
        now: UnixTime,
    ) -> Result<Wallet, WalletError> {
        let backup = Wallet::open_to_read(backup_directory, backup_name)?;
        if !matches!(backup.state().frozen, Some(Frozen::Backup(_) | Frozen::Left(_))) {
            return Err(WalletError::NoBackup { path: backup.file.path().into() });
        }
        // Made under another name first, so that a crash never leaves a partial wallet.
        must_be_free(directory, name)?;
        let temporary = format!(".{name}.restored");
        let restored = WalletRecord::Restored { at: now, is_spendable };
        copy_to(backup.file.journal(), directory, [&temporary, name], &restored)?;
        let file = Replayed::open_to_append(directory, name, KIND, WalletState::default())?;
        Ok(Wallet { file })
    }
}

/// Appends `record` to the wallet file `name`, durably.
pub(super) fn end_with(
    directory: &dyn Directory,
    name: &str,
    record: &WalletRecord,
) -> Result<(), WalletError> {
    let mut file = Replayed::open_to_append(directory, name, KIND, WalletState::default())?;
    file.locked(|file| commit(file, std::slice::from_ref(record)))
}

/// Refuses a file that exists.
pub(super) fn must_be_free(directory: &dyn Directory, name: &str) -> Result<(), WalletError> {
    match exists(directory, name)? {
        true => Err(WalletError::Exists { path: directory.path().join(name) }),
        false => Ok(()),
    }
}

pub(super) fn exists(directory: &dyn Directory, name: &str) -> Result<bool, WalletError> {
    let names = directory.names().map_err(FileError::on("list", directory.path()))?;
    Ok(names.iter().any(|held| held == name))
}

/// Copies the journal `from` like [`copy_as`], and gives the copy its name. Nothing remains of a
/// copy that cannot be made.
fn copy_to(
    from: &Journal,
    directory: &dyn Directory,
    [temporary, name]: [&str; 2],
    last: &WalletRecord,
) -> Result<(), WalletError> {
    copy_as(from, directory, temporary, last)?;
    let named = give_name(directory, temporary, name);
    if named.is_err() {
        // The first error counts. If only the sync failed, the file has its name already.
        let _ = directory.remove(temporary);
    }
    named
}

/// Copies the journal `from`, as far as its handle has read it, into the file `temporary`, with
/// `last` at the end. What an earlier attempt has left there is replaced. Nothing can be spent from
/// a copy that a crash cut off, because it is not a wallet yet.
pub(super) fn copy_as(
    from: &Journal,
    directory: &dyn Directory,
    temporary: &str,
    last: &WalletRecord,
) -> Result<(), WalletError> {
    let remove = || {
        let path = directory.path().join(temporary);
        directory.remove(temporary).map_err(FileError::on("remove", path))
    };
    if exists(directory, temporary)? {
        remove()?;
    }
    let copied = from.copy_with(directory, temporary, &last.to_bytes()).map_err(WalletError::from);
    let copied = copied
        .and_then(|()| Ok(directory.sync().map_err(FileError::on("sync", directory.path()))?));
    if copied.is_err() {
        // The first error counts.
        let _ = remove();
    }
    copied
}

/// Gives a whole file its name, durably.
pub(super) fn give_name(
    directory: &dyn Directory,
    temporary: &str,
    name: &str,
) -> Result<(), WalletError> {
    let path = directory.path().join(name);
    Ok(publish(directory, temporary, name).map_err(FileError::on("make", path))?)
}
