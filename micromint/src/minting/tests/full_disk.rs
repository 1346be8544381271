//! A disk that gets full.

use super::*;

/// A disk with this many free bytes.
pub(in crate::minting) struct FullDisk<'a> {
    pub(in crate::minting) directory: &'a SimulatedDirectory,
    pub(in crate::minting) left: Arc<AtomicI64>,
    pub(in crate::minting) free: u64,
}

struct FullFile {
    file: Box<dyn File>,
    left: Arc<AtomicI64>,
}

impl Directory for FullDisk<'_> {
    fn path(&self) -> &Path {
        self.directory.path()
    }
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
        let file = self.directory.open(name, how)?;
        Ok(Box::new(FullFile { file, left: Arc::clone(&self.left) }))
    }
    fn names(&self) -> io::Result<Vec<String>> {
        self.directory.names()
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.directory.rename(from, to)
    }
    fn sync(&self) -> io::Result<()> {
        self.directory.sync()
    }
    fn free_space(&self) -> io::Result<u64> {
        Ok(self.free)
    }
    fn is_on_network(&self) -> io::Result<bool> {
        Ok(false)
    }
}

impl File for FullFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let length = bytes.len() as i64;
        if self.left.fetch_sub(length, Ordering::Relaxed) < length {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, offset)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn links(&self) -> io::Result<u64> {
        self.file.links()
    }
    fn is_private(&self) -> io::Result<bool> {
        self.file.is_private()
    }
    fn lock(&self, how: Lock) -> io::Result<()> {
        self.file.lock(how)
    }
    fn try_lock(&self, how: Lock) -> io::Result<bool> {
        self.file.try_lock(how)
    }
    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let expected = minted(&test_params()).bytes(NAME).unwrap();
    for left in [0, 5_000, 30_000, 60_000, 90_000] {
        let directory = SimulatedDirectory::new();
        let disk = FullDisk {
            directory: &directory,
            left: Arc::new(AtomicI64::new(left)),
            free: u64::MAX,
        };
        let error = Bench { threads: 2, ..Bench::new(&disk) }.run().unwrap_err();
        assert!(error.is_disk_full());
        let error = error.to_string();
        assert!(error.starts_with("cannot ") && error.contains("no storage space"), "{error}");
        Bench::new(&directory).run().unwrap();
        assert!(directory.bytes(NAME).unwrap() == expected, "{left} bytes left");
    }
}

#[test]
fn free_space_is_checked_before_a_file_is_created() {
    let directory = SimulatedDirectory::new();
    let size = crate::coin_file::file_size(&test_params());
    let disk =
        |free| FullDisk { directory: &directory, left: Arc::new(AtomicI64::new(i64::MAX)), free };
    let error = Bench::new(&disk(size - 1)).run().unwrap_err().to_string();
    let (expected, found) = (format!("expected {size} free bytes"), format!("found {}", size - 1));
    assert!(error.contains(&expected) && error.ends_with(&found), "{error}");
    assert!(directory.names().unwrap().is_empty());
    Bench::new(&disk(size)).run().unwrap();
}
