//! Files in memory, and what of the wallet file is not stored in the browser yet.
//!
//! Input: the writes of the core. Output: the bytes that the extension must commit before it acts
//! on a reply. The invariant: [`MemoryDirectory::unsaved`] reports every byte that differs from
//! what was reported before.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use micromint::host::{Directory, File, Lock, Open};

/// A directory in memory. Clones share the files.
#[derive(Clone, Default)]
pub struct MemoryDirectory {
    files: Arc<Mutex<BTreeMap<String, Arc<Content>>>>,
}

/// A file: its bytes, and the first offset that was written since it was last reported.
#[derive(Default)]
struct Content {
    bytes: Mutex<Bytes>,
}

#[derive(Default)]
struct Bytes {
    all: Vec<u8>,
    /// Everything before this offset was reported.
    changed_from: usize,
}

struct Handle(Arc<Content>);

/// What of a file the browser has not stored yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaved {
    /// Where the bytes begin. Everything that is stored from here on is replaced.
    pub offset: usize,
    /// The bytes up to the end of the file.
    pub bytes: Vec<u8>,
}

impl MemoryDirectory {
    /// Adds a file whose bytes are stored already.
    pub fn put(&self, name: &str, all: Vec<u8>) {
        let changed_from = all.len();
        let content = Content { bytes: Mutex::new(Bytes { all, changed_from }) };
        lock(&self.files).insert(name.to_string(), Arc::new(content));
    }

    /// The bytes of a file; `None` if there is no such file.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        lock(&self.files).get(name).map(|content| lock(&content.bytes).all.clone())
    }

    /// Removes a file, if there is one.
    pub fn remove_if_there(&self, name: &str) {
        lock(&self.files).remove(name);
    }

    /// The part of a file that was written since the last call; `None` if nothing was.
    pub fn unsaved(&self, name: &str) -> Option<Unsaved> {
        let content = lock(&self.files).get(name).cloned()?;
        let mut bytes = lock(&content.bytes);
        let offset = bytes.changed_from;
        bytes.changed_from = bytes.all.len();
        (offset < bytes.all.len()).then(|| Unsaved { offset, bytes: bytes.all[offset..].to_vec() })
    }
}

/// A panic ends the program, so a poisoned lock cannot be seen.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, name.to_string())
}

impl Directory for MemoryDirectory {
    fn path(&self) -> &Path {
        Path::new("")
    }

    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let mut files = lock(&self.files);
        let content = match (files.get(name), how) {
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(content), Open::Read | Open::Write | Open::Create) => Arc::clone(content),
            (None, Open::Read | Open::Write) => return Err(not_found(name)),
            (None, Open::Create | Open::CreateNew) => {
                Arc::clone(files.entry(name.to_string()).or_default())
            }
        };
        Ok(Box::new(Handle(content)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.files).keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.files).remove(name).map(|_| ()).ok_or_else(|| not_found(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let content = files.remove(from).ok_or_else(|| not_found(from))?;
        // Under the new name nothing of it is stored.
        lock(&content.bytes).changed_from = 0;
        files.insert(to.to_string(), content);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_on_network(&self) -> io::Result<bool> {
        Ok(false)
    }
}

impl File for Handle {
    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.0.bytes).all.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let held = lock(&self.0.bytes);
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = held.all.get(from..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut held = lock(&self.0.bytes);
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = from.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let size = held.all.len();
        if size < end {
            held.all.resize(end, 0);
        }
        held.all[from..end].copy_from_slice(bytes);
        held.changed_from = held.changed_from.min(from).min(size);
        Ok(())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut held = lock(&self.0.bytes);
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        held.changed_from = held.changed_from.min(size).min(held.all.len());
        held.all.resize(size, 0);
        Ok(())
    }

    /// Nothing is durable here: the extension commits [`MemoryDirectory::unsaved`] before it acts
    /// on what the core decided.
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn links(&self) -> io::Result<u64> {
        Ok(1)
    }

    fn is_private(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// One instance runs at a time; the extension holds a Web Lock.
    fn lock(&self, _how: Lock) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, _how: Lock) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &MemoryDirectory, name: &str) -> Box<dyn File> {
        directory.open(name, Open::Create).unwrap()
    }

    #[test]
    fn what_was_written_is_reported_once() {
        let directory = MemoryDirectory::default();
        directory.put("w", b"abc".to_vec());
        assert_eq!(directory.unsaved("w"), None);
        file(&directory, "w").write_at(b"de", 3).unwrap();
        let appended = Unsaved { offset: 3, bytes: b"de".to_vec() };
        assert_eq!(directory.unsaved("w"), Some(appended));
        assert_eq!(directory.unsaved("w"), None);
        file(&directory, "w").write_at(b"X", 1).unwrap();
        assert_eq!(directory.unsaved("w"), Some(Unsaved { offset: 1, bytes: b"Xcde".to_vec() }));
        assert_eq!(directory.unsaved("other"), None);
    }

    #[test]
    fn a_torn_tail_that_is_cut_is_reported_with_what_follows() {
        let directory = MemoryDirectory::default();
        directory.put("w", b"abcdef".to_vec());
        let open = file(&directory, "w");
        open.set_size(4).unwrap();
        open.write_at(b"x", 4).unwrap();
        assert_eq!(directory.unsaved("w"), Some(Unsaved { offset: 4, bytes: b"x".to_vec() }));
    }

    #[test]
    fn a_file_with_a_new_name_is_new() {
        let directory = MemoryDirectory::default();
        directory.put("a", b"abc".to_vec());
        directory.rename("a", "b").unwrap();
        assert_eq!(directory.unsaved("b"), Some(Unsaved { offset: 0, bytes: b"abc".to_vec() }));
        assert_eq!(directory.get("a"), None);
    }

    #[test]
    fn reads_past_the_end_fail() {
        let directory = MemoryDirectory::default();
        directory.put("w", b"abc".to_vec());
        let open = file(&directory, "w");
        assert!(open.read_at(&mut [0; 2], 2).is_err());
        assert!(open.read_at(&mut [0; 1], 9).is_err());
        open.read_at(&mut [0; 1], 2).unwrap();
        assert!(directory.open("w", Open::CreateNew).is_err());
        assert!(directory.open("x", Open::Write).is_err());
    }
}
