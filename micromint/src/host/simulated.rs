//! Files in memory that can crash at any step, for tests.
//!
//! Every change is a step: a write, a new size, a sync, and a created, renamed or removed file. A
//! directory that is to crash at step n performs the first half of that write (or nothing, if the
//! step is not a write) and fails everything after it. [`SimulatedDirectory::after_crash`] returns
//! what a restart would find.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Directory, File, Lock, Open, Seen, TryRead};

/// What survives a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// Everything written: the process was killed, but the machine runs on.
    Written,
    /// Only what was synced: the power failed, and no page had been written back.
    Synced,
    /// What was synced, and those of the other writes that this seed selects.
    Some(u64),
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reads {
    /// Files are mapped, and everything is in the page cache.
    #[default]
    Cached,
    /// Files are mapped, and [`File::try_read_at`] finds nothing in the page cache.
    FromDisk,
    /// Files are not mapped, and [`File::try_read_at`] finds nothing in the page cache.
    FromDiskByCalls,
    /// Files are not mapped, and [`File::try_read_at`] is not supported, as in overlayfs.
    Untold,
    /// Files are mapped, and there is no disk, as in tmpfs.
    NoDisk,
}

/// A directory in memory. Clones share the files.
///
/// ```
/// use micromint::host::{Directory, Open, SimulatedDirectory, Survives};
///
/// let directory = SimulatedDirectory::new();
/// let file = directory.open("a", Open::Create)?;
/// directory.sync()?;
/// file.write_at(b"synced", 0)?;
/// file.sync()?;
/// file.write_at(b", written", 6)?;
///
/// let killed = directory.after_crash(Survives::Written);
/// assert_eq!(killed.bytes("a").as_deref(), Some(&b"synced, written"[..]));
/// let powerless = directory.after_crash(Survives::Synced);
/// assert_eq!(powerless.bytes("a").as_deref(), Some(&b"synced"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimulatedDirectory {
    path: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    unlocked: Condvar,
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    steps: usize,
    crash_at: Option<usize>,
    handles: u64,
    reads: Reads,
}

#[derive(Default)]
struct Inode {
    live: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    locked: BTreeMap<u64, bool>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetSize(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::SetSize(size) => bytes.resize(*size as usize, 0),
            Change::Write(offset, written) => {
                let end = *offset as usize + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset as usize..end].copy_from_slice(written);
            }
        }
    }
}

impl Default for SimulatedDirectory {
    fn default() -> Self {
        SimulatedDirectory::from_state(State::default())
    }
}

impl SimulatedDirectory {
    /// An empty directory.
    pub fn new() -> SimulatedDirectory {
        SimulatedDirectory::default()
    }

    fn from_state(state: State) -> SimulatedDirectory {
        let shared = Shared { state: Mutex::new(state), unlocked: Condvar::new() };
        SimulatedDirectory { path: PathBuf::from("simulated"), shared: Arc::new(shared) }
    }

    /// Crashes at this step, counted from 0 from now on.
    pub fn crash_after(&self, steps: usize) {
        let mut state = self.state();
        state.crash_at = Some(state.steps + steps);
    }

    /// Continues after a crash as another process would: the files are as they are, and all locks
    /// are released.
    pub fn go_on(&self) {
        let mut state = self.state();
        state.crash_at = None;
        state.inodes.iter_mut().for_each(|inode| inode.locked.clear());
        self.shared.unlocked.notify_all();
    }

    /// Sets how files are read from now on.
    pub fn set_reads(&self, reads: Reads) {
        self.state().reads = reads;
    }

    /// The number of steps so far.
    pub fn steps(&self) -> usize {
        self.state().steps
    }

    /// Whether the crash has happened.
    pub fn has_crashed(&self) -> bool {
        self.state().has_crashed()
    }

    /// The directory that a restart finds.
    pub fn after_crash(&self, survives: Survives) -> SimulatedDirectory {
        let state = self.state();
        let names = if survives == Survives::Written { &state.names } else { &state.durable_names };
        let mut after =
            State { names: names.clone(), durable_names: names.clone(), ..State::default() };
        let mut picks = match survives {
            Survives::Some(seed) => seed | 1,
            _ => 0,
        };
        for inode in &state.inodes {
            let bytes = inode.after_crash(survives, &mut picks);
            after.inodes.push(Inode { live: bytes.clone(), synced: bytes, ..Inode::default() });
        }
        SimulatedDirectory::from_state(after)
    }

    /// The content of a file; `None` if it does not exist.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|inode| state.inodes[*inode].live.clone())
    }

    /// Creates or replaces a file, durably and without a step.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let inode = Inode { live: bytes.to_vec(), synced: bytes.to_vec(), ..Inode::default() };
        state.inodes.push(inode);
        let number = state.inodes.len() - 1;
        state.names.insert(name.to_string(), number);
        state.durable_names.insert(name.to_string(), number);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inode {
    fn after_crash(&self, survives: Survives, picks: &mut u64) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        match survives {
            Survives::Written => bytes.clone_from(&self.live),
            Survives::Synced => {}
            Survives::Some(_) => {
                for change in &self.unsynced {
                    // xorshift64: good enough to select writes by a seed.
                    *picks ^= *picks << 13;
                    *picks ^= *picks >> 7;
                    *picks ^= *picks << 17;
                    if *picks & 0x10 != 0 {
                        change.apply(&mut bytes);
                    }
                }
            }
        }
        bytes
    }
}

impl State {
    fn has_crashed(&self) -> bool {
        self.crash_at.is_some_and(|at| self.steps > at)
    }

    /// Counts a step. Returns `Ok(false)` if it is the one at which the crash happens.
    fn step(&mut self) -> io::Result<bool> {
        self.check()?;
        self.steps += 1;
        Ok(!self.has_crashed())
    }

    fn check(&self) -> io::Result<()> {
        if self.has_crashed() { Err(crashed()) } else { Ok(()) }
    }

    fn inode_of(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

fn crashed() -> io::Error {
    io::Error::other("simulated crash")
}

impl Directory for SimulatedDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        state.check()?;
        let inode = match (state.inode_of(name), how) {
            (Ok(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(inode), _) => inode,
            (Err(_), Open::Create | Open::CreateNew) => {
                if !state.step()? {
                    return Err(crashed());
                }
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.names.insert(name.to_string(), inode);
                inode
            }
            (Err(error), _) => return Err(error),
        };
        state.handles += 1;
        let handle = state.handles;
        Ok(Box::new(SimulatedFile {
            directory: self.clone(),
            inode,
            handle,
            writable: how != Open::Read,
        }))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        state.check()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.inode_of(name)?;
        if !state.step()? {
            return Err(crashed());
        }
        state.names.remove(name);
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode_of(from)?;
        if !state.step()? {
            return Err(crashed());
        }
        state.names.remove(from);
        state.names.insert(to.to_string(), inode);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        if !state.step()? {
            return Err(crashed());
        }
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn is_on_network(&self) -> io::Result<bool> {
        Ok(false)
    }
}

struct SimulatedFile {
    directory: SimulatedDirectory,
    inode: usize,
    handle: u64,
    writable: bool,
}

impl SimulatedFile {
    fn change(&self, change: Change, cut: Option<Change>) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.directory.state();
        let whole = state.step()?;
        let done = if whole { Some(change) } else { cut };
        if let Some(change) = done {
            let inode = &mut state.inodes[self.inode];
            change.apply(&mut inode.live);
            inode.unsynced.push(change);
        }
        if whole { Ok(()) } else { Err(crashed()) }
    }

    /// Takes the lock if no other handle excludes it.
    fn take(&self, state: &mut State, how: Lock) -> bool {
        let exclusive = how == Lock::Exclusive;
        let locked = &mut state.inodes[self.inode].locked;
        let excluded =
            locked.iter().any(|(handle, other)| *handle != self.handle && (exclusive || *other));
        if !excluded {
            locked.insert(self.handle, exclusive);
        }
        !excluded
    }

    /// Asserts that these bytes were seen and still exist: on a disk the process would be killed
    /// otherwise.
    fn assert_is_there(&self, seen: &Seen, count: usize, offset: u64) {
        let size = self.directory.state().inodes[self.inode].live.len() as u64;
        let is_there = offset + count as u64 <= size;
        assert!(seen.covers(count, offset), "{count} bytes at {offset}, {seen:?}");
        assert!(is_there, "{count} bytes at {offset} of {size}");
    }
}

impl File for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        let state = self.directory.state();
        state.check()?;
        Ok(state.inodes[self.inode].live.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.directory.state();
        state.check()?;
        let live = &state.inodes[self.inode].live;
        let from = live.get(offset as usize..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(from.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn try_read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<TryRead> {
        let reads = self.directory.state().reads;
        match reads {
            Reads::Cached => {
                self.read_at(bytes, offset)?;
                Ok(TryRead::Done(Seen { size: offset + bytes.len() as u64 }))
            }
            Reads::FromDisk | Reads::FromDiskByCalls => Ok(TryRead::Waits),
            Reads::Untold | Reads::NoDisk => Ok(TryRead::Unsupported),
        }
    }

    fn is_in_memory(&self) -> bool {
        self.directory.state().reads == Reads::NoDisk
    }

    fn is_mapped(&self) -> bool {
        !matches!(self.directory.state().reads, Reads::FromDiskByCalls | Reads::Untold)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let cut = bytes[..bytes.len() / 2].to_vec();
        self.change(Change::Write(offset, bytes.to_vec()), Some(Change::Write(offset, cut)))
    }

    fn reread_at(&self, seen: &Seen, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.assert_is_there(seen, bytes.len(), offset);
        self.read_at(bytes, offset)
    }

    fn rewrite_at(&self, seen: &Seen, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.assert_is_there(seen, bytes.len(), offset);
        self.write_at(bytes, offset)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.change(Change::SetSize(size), None)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.directory.state();
        if !state.step()? {
            return Err(crashed());
        }
        let inode = &mut state.inodes[self.inode];
        inode.synced.clone_from(&inode.live);
        inode.unsynced.clear();
        Ok(())
    }

    fn links(&self) -> io::Result<u64> {
        let state = self.directory.state();
        state.check()?;
        Ok(state.names.values().filter(|inode| **inode == self.inode).count() as u64)
    }

    fn is_private(&self) -> io::Result<bool> {
        self.directory.state().check().map(|()| true)
    }

    fn lock(&self, how: Lock) -> io::Result<()> {
        let mut state = self.directory.state();
        loop {
            state.check()?;
            if self.take(&mut state, how) {
                return Ok(());
            }
            state =
                self.directory.shared.unlocked.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn try_lock(&self, how: Lock) -> io::Result<bool> {
        let mut state = self.directory.state();
        state.check()?;
        Ok(self.take(&mut state, how))
    }

    fn unlock(&self) -> io::Result<()> {
        self.directory.state().inodes[self.inode].locked.remove(&self.handle);
        self.directory.shared.unlocked.notify_all();
        Ok(())
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let _ = self.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::create_whole;

    #[test]
    fn a_crash_leaves_what_survives() {
        let directory = SimulatedDirectory::new();
        let file = directory.open("a", Open::Create).unwrap();
        file.write_at(b"one.", 0).unwrap();
        file.sync().unwrap();
        directory.sync().unwrap();
        directory.crash_after(1);
        file.write_at(b"two.", 4).unwrap();
        assert!(file.write_at(b"3333", 8).is_err());
        assert!(file.sync().is_err() && directory.has_crashed());
        assert_eq!(directory.after_crash(Survives::Written).bytes("a").unwrap(), b"one.two.33");
        assert_eq!(directory.after_crash(Survives::Synced).bytes("a").unwrap(), b"one.");
    }

    #[test]
    fn a_name_that_was_not_synced_is_lost_in_a_power_cut() {
        let directory = SimulatedDirectory::new();
        directory.open("a", Open::CreateNew).unwrap().sync().unwrap();
        assert!(directory.after_crash(Survives::Synced).bytes("a").is_none());
        assert!(directory.after_crash(Survives::Written).bytes("a").is_some());
    }

    #[test]
    fn a_file_that_was_created_whole_survives_a_power_cut_or_does_not_exist() {
        let directory = SimulatedDirectory::new();
        create_whole(&directory, "a", b"1").unwrap();
        assert_eq!(directory.after_crash(Survives::Synced).bytes("a").unwrap(), b"1");
        let again = create_whole(&directory, "a", b"2").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(directory.bytes("a").unwrap(), b"1");
        for step in 0..directory.steps() {
            let directory = SimulatedDirectory::new();
            directory.crash_after(step);
            assert!(create_whole(&directory, "a", b"1").is_err(), "{step}");
            assert!(directory.after_crash(Survives::Synced).bytes("a").is_none(), "{step}");
        }
    }

    #[test]
    fn locks_exclude_other_handles() {
        let directory = SimulatedDirectory::new();
        let [a, b] = [(); 2].map(|()| directory.open("lock", Open::Create).unwrap());
        a.lock(Lock::Exclusive).unwrap();
        assert!(!b.try_lock(Lock::Shared).unwrap());
        drop(a);
        assert!(b.try_lock(Lock::Exclusive).unwrap());
    }
}
