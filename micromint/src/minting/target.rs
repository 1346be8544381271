//! The coin file that minting or merging makes: found or made anew, locked, and of the right period.

use std::io;
use std::path::{Path, PathBuf};

use super::engine::{MEMORY_MIN, THREADS_MAX};
use super::error::MintError;
use super::permutation::InputKey;
use super::record;
use crate::coin_file::{BALL_COUNT, BIN_SIZE, CoinFile, SUPERBIN_HEADER_SIZE, Stored, file_size};
use crate::error::FileError;
use crate::host::{Directory, File, Lock, Open};
use crate::params::Params;

/// Where the coin file of a period is, or shall be.
pub(super) struct Target<'a> {
    pub(super) directory: &'a dyn Directory,
    pub(super) name: &'a str,
    pub(super) params: &'a Params,
    pub(super) key: &'a InputKey,
}

impl Target<'_> {
    /// The coin file under its exclusive lock, for one who mints and needs `room` bytes of the disk
    /// besides those of the coin file.
    pub(super) fn open_to_mint(&self, room: u64) -> Result<CoinFile, MintError> {
        let new = if self.exists()? { None } else { self.create(room)? };
        let coin_file = match new {
            Some(coin_file) => coin_file,
            None => self.open_locked(Lock::Exclusive)?,
        };
        check_same(&coin_file, self.params, self.key)?;
        Ok(coin_file)
    }

    /// The coin file under its shared lock, for one who merges a part while others merge theirs.
    pub(super) fn open_to_merge(&self) -> Result<CoinFile, MintError> {
        let _gate = self.gate()?;
        if !self.exists()? {
            drop(self.create(0)?);
        }
        let coin_file = self.open_locked(Lock::Shared)?;
        check_same(&coin_file, self.params, self.key)?;
        Ok(coin_file)
    }

    /// Waits until no other merge makes or completes the coin file, which takes moments. Many may begin
    /// together, and none shall find the file busy because of another.
    pub(super) fn gate(&self) -> Result<Box<dyn File>, MintError> {
        let name = self.gate_name();
        let path = self.directory.path().join(&name);
        let file =
            self.directory.open(&name, Open::Create).map_err(FileError::on("make", &path))?;
        file.lock(Lock::Exclusive).map_err(FileError::on("lock", &path))?;
        Ok(file)
    }

    /// Whether anything of merging stands beside the coin file.
    pub(super) fn has_records(&self) -> Result<bool, MintError> {
        let names = self.directory.names().map_err(FileError::on("read", self.directory.path()))?;
        let gate = self.gate_name();
        Ok(names.iter().any(|name| *name == gate || record::is_of(self.name, name)))
    }

    /// Removes what merging left beside a complete file. Whoever comes to a gate after that makes it anew, and
    /// removes it again; who waits at one that was removed finds the file complete.
    pub(super) fn remove_records(&self) -> Result<(), MintError> {
        record::remove_all(self.directory, self.name)?;
        remove_if_there(self.directory, &self.gate_name())
    }

    fn gate_name(&self) -> String {
        format!(".{}.merge", self.name)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }

    fn exists(&self) -> Result<bool, MintError> {
        exists(self.directory, self.name)
    }

    /// Makes the coin file; it gets its name when its header is whole and durable. `None` if another
    /// process was faster.
    fn create(&self, room: u64) -> Result<Option<CoinFile>, MintError> {
        let temporary = format!(".{}.new", self.name);
        let new = self.directory.path().join(&temporary);
        let file =
            self.directory.open(&temporary, Open::Create).map_err(FileError::on("make", &new))?;
        if !file.try_lock(Lock::Exclusive).map_err(FileError::on("lock", &new))? {
            return Err(MintError::Busy { path: new });
        }
        if self.exists()? {
            return Ok(None);
        }
        if let Err(error) = self.check_space(room) {
            // Nothing is begun. That it cannot be removed says nothing new.
            let _ = self.directory.remove(&temporary);
            return Err(error);
        }
        // What is left of merging a file of this name that is gone must not speak for this one.
        record::remove_all(self.directory, self.name)?;
        let coin_file = CoinFile::create(file, self.path(), self.params, self.key.tag())?;
        coin_file.sync()?;
        self.directory
            .rename(&temporary, self.name)
            .and_then(|()| self.directory.sync())
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
        let directory = self.directory.path();
        let free = self
            .directory
            .free_space()
            .map_err(FileError::on("read the free space of", directory))?;
        let needed = file_size(self.params) + room;
        if needed > free {
            return Err(MintError::NoSpace { path: self.path(), needed, free });
        }
        Ok(())
    }
}

/// Whether `directory` has a file of this name.
pub(super) fn exists(directory: &dyn Directory, name: &str) -> Result<bool, MintError> {
    let names = directory.names().map_err(FileError::on("read", directory.path()))?;
    Ok(names.iter().any(|other| other == name))
}

/// Removes a file, which another process may be doing too.
pub(super) fn remove_if_there(directory: &dyn Directory, name: &str) -> Result<(), MintError> {
    match directory.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed.map_err(FileError::on("remove", directory.path().join(name)))?),
    }
}

/// Refuses a number of threads or an amount of memory that cannot be.
pub(super) fn check_resources(threads: usize, memory: u64) -> Result<(), MintError> {
    let threads = ("threads", threads as u64, 1, THREADS_MAX as u64);
    let memory = ("memory", memory, MEMORY_MIN, u64::MAX);
    for (what, found, min, max) in [threads, memory] {
        if !(min..=max).contains(&found) {
            return Err(MintError::Resource { what, min, max, found });
        }
    }
    Ok(())
}

/// Writes the ball count into the header of each superbin in `bytes`: how many balls in all.
pub(super) fn write_counts(bytes: &mut [u8], superbin_size: usize) -> u64 {
    let mut total = 0;
    for superbin in bytes.chunks_exact_mut(superbin_size) {
        let bins = superbin[SUPERBIN_HEADER_SIZE as usize..].chunks_exact(BIN_SIZE as usize);
        let count = bins.filter(|bin| Stored::read(bin, 0).exists()).count();
        BALL_COUNT.set(superbin, count as u32);
        total += count as u64;
    }
    total
}

/// Checks that a file was begun with these parameters and this key.
pub(super) fn check_same(
    coin_file: &CoinFile,
    params: &Params,
    key: &InputKey,
) -> Result<(), MintError> {
    let (path, tag) = (coin_file.path(), coin_file.key_tag());
    check_period((params, key.tag()), (coin_file.params(), tag), path)
}

/// Checks that the file at `path` is of the period expected, by parameters and tag of the key.
pub(super) fn check_period(
    (params, tag): (&Params, [u8; 16]),
    (found_params, found_tag): (&Params, [u8; 16]),
    path: &Path,
) -> Result<(), MintError> {
    let (expected, found) = (params.to_fields(), found_params.to_fields());
    for ((key, expected), (_, found)) in expected.into_iter().zip(found) {
        if expected != found {
            return Err(MintError::OtherParams { path: path.to_path_buf(), key, expected, found });
        }
    }
    if found_tag != tag {
        return Err(MintError::OtherKey { path: path.to_path_buf() });
    }
    Ok(())
}
