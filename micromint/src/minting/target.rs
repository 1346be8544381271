//! The coin file that a job writes: created or opened, locked, and checked to be of the job's
//! period.

use super::error::MintError;
use super::files::{exists, names, path_of, remove_if_there};
use super::job::MintJob;
use super::merged_part;
use crate::coin_file::{CoinFile, file_size};
use crate::error::FileError;
use crate::host::{File, Lock, Open, publish};

impl MintJob<'_> {
    /// The coin file under its exclusive lock, for a mint that needs `room` bytes of the disk
    /// besides those of the coin file.
    pub(super) fn open_to_mint(&self, room: u64) -> Result<CoinFile, MintError> {
        let new = if self.has_coin_file()? { None } else { self.create(room)? };
        let coin_file = match new {
            Some(coin_file) => coin_file,
            None => self.open_locked(Lock::Exclusive)?,
        };
        self.check_coin_file(&coin_file)?;
        Ok(coin_file)
    }

    /// The coin file under its shared lock, for a merge of one part while other processes merge
    /// others.
    pub(super) fn open_to_merge(&self) -> Result<CoinFile, MintError> {
        let _gate = self.gate()?;
        if !self.has_coin_file()? {
            drop(self.create(0)?);
        }
        let coin_file = self.open_locked(Lock::Shared)?;
        self.check_coin_file(&coin_file)?;
        Ok(coin_file)
    }

    /// Waits until no other merge creates or completes the coin file, which takes moments. Many
    /// merges may begin at the same time, and none should find the file busy because of another.
    pub(super) fn gate(&self) -> Result<Box<dyn File>, MintError> {
        let name = self.gate_name();
        let path = path_of(self.directory, &name);
        let file =
            self.directory.open(&name, Open::Create).map_err(FileError::on("make", &path))?;
        file.lock(Lock::Exclusive).map_err(FileError::on("lock", &path))?;
        Ok(file)
    }

    /// Whether files of a merge remain beside the coin file.
    pub(super) fn has_merge_files(&self) -> Result<bool, MintError> {
        let gate = self.gate_name();
        let names = names(self.directory)?;
        Ok(names.iter().any(|name| *name == gate || merged_part::is_of(self.name, name)))
    }

    /// Removes the files of a merge beside a complete coin file. A process that takes the merge
    /// lock later creates its file again, and removes it again; a process that waits for the lock
    /// of a removed file finds the coin file complete.
    pub(super) fn remove_merge_files(&self) -> Result<(), MintError> {
        merged_part::remove_all(self.directory, self.name)?;
        remove_if_there(self.directory, &self.gate_name())
    }

    fn gate_name(&self) -> String {
        format!(".{}.merge", self.name)
    }

    pub(super) fn has_coin_file(&self) -> Result<bool, MintError> {
        exists(self.directory, self.name)
    }

    /// Creates the coin file, which gets its name when its header is complete and durable. `None`
    /// if another process was faster.
    fn create(&self, room: u64) -> Result<Option<CoinFile>, MintError> {
        let temporary = format!(".{}.new", self.name);
        let new = path_of(self.directory, &temporary);
        let file =
            self.directory.open(&temporary, Open::Create).map_err(FileError::on("make", &new))?;
        if !file.try_lock(Lock::Exclusive).map_err(FileError::on("lock", &new))? {
            return Err(MintError::Busy { path: new });
        }
        if self.has_coin_file()? {
            return Ok(None);
        }
        if let Err(error) = self.check_space(room) {
            // Minting has not begun. A failure to remove the empty file adds nothing to this error.
            let _ = self.directory.remove(&temporary);
            return Err(error);
        }
        // Records of an earlier coin file of this name must not count for this one.
        merged_part::remove_all(self.directory, self.name)?;
        let coin_file = CoinFile::create(file, self.path(), self.params, self.key_tag())?;
        coin_file.sync()?;
        publish(self.directory, &temporary, self.name)
            .map_err(FileError::on("make", self.path()))?;
        Ok(Some(coin_file))
    }

    pub(super) fn open_locked(&self, lock: Lock) -> Result<CoinFile, MintError> {
        let coin_file = CoinFile::open_minting(self.directory, self.name)?;
        if coin_file.file().try_lock(lock).map_err(FileError::on("lock", self.path()))? {
            return Ok(coin_file);
        }
        Err(MintError::Busy { path: self.path() })
    }

    fn check_space(&self, room: u64) -> Result<(), MintError> {
        let free = self
            .directory
            .free_space()
            .map_err(FileError::on("read the free space of", self.directory.path()))?;
        let needed = file_size(self.params) + room;
        if needed > free {
            return Err(MintError::NoSpace { path: self.path(), needed, free });
        }
        Ok(())
    }
}
