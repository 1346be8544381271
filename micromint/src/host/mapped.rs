//! Memory-mapped parts of files: an access costs a copy instead of a system call.
//!
//! Input: a file and the size of the part. Output: a [`Mapping`], or `None` if that would not be
//! safe. Everything written through it is at the same moment in the page cache, for all processes
//! and for reads by system call. A killed process loses none of it, and a sync of the file makes it
//! durable.
//!
//! A mapping reports no errors. If the file was cut or the disk has failed, the operating system
//! kills the process (`SIGBUS`). So [`File::reread_at`](super::File::reread_at) and
//! [`File::rewrite_at`](super::File::rewrite_at) take a [`Seen`](super::Seen). The invariant:
//! nothing beyond the size that it proves is accessed.

use std::fs;
use std::sync::Arc;

use vm_memory::{Bytes, FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

/// The largest part of a file that is mapped, in bytes. The rest is accessed by system calls.
const MAPPED_SIZE_MAX: u64 = 1 << 34;

/// The mapped head of a file.
pub(super) struct Mapping {
    region: MmapRegion,
    is_in_memory: bool,
}

// The numbers are the f_type values of statfs(2).
/// ext2, ext3 and ext4.
const EXT: u64 = 0xef53;
const TMPFS: u64 = 0x0102_1994;

impl Mapping {
    /// Maps the first `size` bytes of a file, which must exist. `None` if they cannot be mapped, if
    /// the file system has no single page cache for a file, or if overwriting a byte may need new
    /// space on the disk, which may be full.
    pub(super) fn new(file: &Arc<fs::File>, size: u64) -> Option<Mapping> {
        let kind = rustix::fs::fstatfs(file).ok()?.f_type as u64 & 0xffff_ffff;
        if ![EXT, TMPFS].contains(&kind) || !(1..=MAPPED_SIZE_MAX).contains(&size) {
            return None;
        }
        let size = usize::try_from(size).ok()?;
        let region = MmapRegion::from_file(FileOffset::from_arc(Arc::clone(file), 0), size).ok()?;
        Some(Mapping { region, is_in_memory: kind == TMPFS })
    }

    /// Whether the file has no disk behind it.
    pub(super) fn is_in_memory(&self) -> bool {
        self.is_in_memory
    }

    /// Fills `bytes` from `offset`. Returns `false` if they are not all mapped.
    pub(super) fn read(&self, bytes: &mut [u8], offset: u64) -> bool {
        self.slice(bytes.len(), offset).is_some_and(|slice| slice.read_slice(bytes, 0).is_ok())
    }

    /// Writes all of `bytes` at `offset`. Returns `false` if they are not all mapped.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> bool {
        self.slice(bytes.len(), offset).is_some_and(|slice| slice.write_slice(bytes, 0).is_ok())
    }

    fn slice(&self, count: usize, offset: u64) -> Option<VolatileSlice<'_>> {
        self.region.get_slice(usize::try_from(offset).ok()?, count).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Directory, DiskDirectory, Open};
    use super::*;

    /// The mapping of a file in this folder. Usually there is one, but a test may run on any file
    /// system.
    fn mapping_of(folder: &std::path::Path, size: u64) -> Option<Mapping> {
        let file = fs::OpenOptions::new().read(true).write(true).open(folder.join("f")).unwrap();
        Mapping::new(&Arc::new(file), size)
    }

    #[test]
    fn mapped_writes_are_read_by_system_calls_and_stay_within_the_mapping() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DiskDirectory::new(folder.path());
        let file = directory.open("f", Open::Create).unwrap();
        file.write_at(&[b'.'; 100], 0).unwrap();
        file.map(64);
        let seen = file.look().unwrap();
        file.rewrite_at(&seen, b"abc", 61).unwrap();
        file.rewrite_at(&seen, b"past", 62).unwrap();
        file.rewrite_at(&seen, b"far", 97).unwrap();
        let mut expected = [b'.'; 100];
        expected[61] = b'a';
        expected[62..66].copy_from_slice(b"past");
        expected[97..].copy_from_slice(b"far");
        for (offset, len) in [(0, 100), (0, 64), (60, 4), (60, 5), (96, 4)] {
            let (mut read, mut reread) = (vec![0; len], vec![0; len]);
            file.read_at(&mut read, offset as u64).unwrap();
            file.reread_at(&seen, &mut reread, offset as u64).unwrap();
            assert_eq!(
                (&read[..], &reread[..]),
                (&expected[offset..][..len], &expected[offset..][..len])
            );
        }
        // Other handles and processes see the same.
        assert_eq!(fs::read(folder.path().join("f")).unwrap(), expected);
        if let Some(mapping) = mapping_of(folder.path(), 64) {
            assert!(mapping.write(b"abc", 61));
            assert!(!mapping.write(b"abc", 62));
            assert!(!mapping.write(b"abc", u64::MAX));
            assert!(mapping.read(&mut [0; 3], 61));
            assert!(!mapping.read(&mut [0; 3], 62));
        }
    }

    /// A mapping of a file that was cut is not accessed beyond what was seen: that would kill this
    /// process. What was not seen is read by a system call, which fails.
    #[test]
    fn bytes_that_were_not_seen_are_not_accessed_through_the_mapping() {
        const PAGE: u64 = 4096;
        let folder = tempfile::tempdir().unwrap();
        let directory = DiskDirectory::new(folder.path());
        let file = directory.open("f", Open::Create).unwrap();
        file.set_size(4 * PAGE).unwrap();
        file.map(4 * PAGE);
        file.set_size(8).unwrap();
        let seen = file.look().unwrap();
        assert_eq!(seen.size(), 8);
        assert!(file.reread_at(&seen, &mut [0; 8], 0).is_ok());
        for (count, offset) in [(9, 0), (8, 1), (8, 3 * PAGE)] {
            let error = file.reread_at(&seen, &mut vec![0; count], offset).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        }
        file.rewrite_at(&seen, b"by a call", 3 * PAGE).unwrap();
        assert_eq!(file.size().unwrap(), 3 * PAGE + 9);
        assert!(!seen.covers(1, u64::MAX));
    }

    #[test]
    fn empty_and_too_large_parts_are_not_mapped() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), [0; 64]).unwrap();
        assert!(mapping_of(folder.path(), 0).is_none());
        assert!(mapping_of(folder.path(), MAPPED_SIZE_MAX + 1).is_none());
    }
}
