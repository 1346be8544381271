//! The claims file: a verdict and a claim for every coin of every batch, watch
//! and return.
//!
//! Batches are large, so their claims are not in the journal but in this file, 32 bytes each
//! ([`Claim`]), after a header of 32 bytes. A journal record commits a [`Section`] of this file by
//! its place and checksum.
//!
//! The invariant: a section is durable before the record that commits it, and never changes after.
//! Whatever follows the last committed section was left by a crash and is overwritten.

use std::io;
use std::path::PathBuf;

use super::claim::{CLAIM_SIZE, Claim};
use crate::error::FileError;
use crate::host::{Directory, File, Open};

const MAGIC: &[u8; CLAIM_SIZE] = b"MMclaims3\n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// How many claims are read or written at a time: 2 MiB.
const CHUNK_CLAIMS: usize = 64 * 1024;

/// A range of claims in the claims file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// The number of its first claim. Claim i begins at byte 32 (i + 1).
    pub(super) start: u64,
    /// The number of its claims.
    pub count: u64,
    /// The CRC-32C of their bytes.
    pub(super) checksum: u32,
}

impl Section {
    /// The number after its last claim.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.count)
    }
}

/// Why the claims file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file does not have the header of a claims file.
    #[error("{}: expected the header of a claims file, found another one", path.display())]
    NotClaims {
        /// The file.
        path: PathBuf,
    },
    /// A section differs from what the journal says.
    #[error("{}: damaged between claims {start} and {end}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the section's first claim.
        start: u64,
        /// The number after its last claim.
        end: u64,
    },
}

/// The open claims file.
pub(crate) struct ClaimsFile {
    file: Box<dyn File>,
    path: PathBuf,
}

impl ClaimsFile {
    /// Opens the claims file `name`, and creates it if it does not exist. The caller holds the
    /// broker's lock.
    pub(crate) fn open(directory: &dyn Directory, name: &str) -> Result<ClaimsFile, ClaimsError> {
        let path = directory.path().join(name);
        let file = directory.open(name, Open::Create).map_err(FileError::on("open", &path))?;
        let file = ClaimsFile { file, path };
        if file.file.size().map_err(FileError::on("inspect", &file.path))? < CLAIM_SIZE as u64 {
            // New, or cut off by a crash: no record can have committed a section of it.
            let made = file.file.write_at(MAGIC, 0).and_then(|()| file.file.sync());
            made.and_then(|()| directory.sync()).map_err(FileError::on("write", &file.path))?;
        }
        let mut head = [0; CLAIM_SIZE];
        file.file.read_at(&mut head, 0).map_err(FileError::on("read", &file.path))?;
        if &head == MAGIC { Ok(file) } else { Err(ClaimsError::NotClaims { path: file.path }) }
    }

    /// Writes claims after claim number `start`, the end of the last committed section, and makes
    /// them durable. They count only after a journal record has committed the section.
    pub(crate) fn write(&self, start: u64, claims: &[Claim]) -> Result<Section, ClaimsError> {
        self.check_reaches(start)?;
        let mut checksum = 0;
        let mut write = || -> io::Result<()> {
            let mut offset = offset_of(start);
            self.file.set_size(offset)?;
            for chunk in claims.chunks(CHUNK_CLAIMS) {
                let bytes: Vec<u8> = chunk.iter().flat_map(|claim| claim.to_bytes()).collect();
                checksum = crc32c::crc32c_append(checksum, &bytes);
                self.file.write_at(&bytes, offset)?;
                offset += bytes.len() as u64;
            }
            self.file.sync()
        };
        write().map_err(FileError::on("write", &self.path))?;
        Ok(Section { start, count: claims.len() as u64, checksum })
    }

    /// Fails if the file was deleted, or lost claims that the journal has committed.
    fn check_reaches(&self, start: u64) -> Result<(), ClaimsError> {
        let links = self.file.links().map_err(FileError::on("inspect", &self.path))?;
        let size = self.file.size().map_err(FileError::on("inspect", &self.path))?;
        if links > 0 && size >= offset_of(start) {
            return Ok(());
        }
        Err(ClaimsError::Damaged {
            path: self.path.clone(),
            start: size / CLAIM_SIZE as u64,
            end: start,
        })
    }

    /// Reads a committed section.
    pub(crate) fn read(&self, section: &Section) -> Result<Vec<Claim>, ClaimsError> {
        let damaged = || ClaimsError::Damaged {
            path: self.path.clone(),
            start: section.start,
            end: section.end(),
        };
        let size = self.file.size().map_err(FileError::on("inspect", &self.path))?;
        if section.end() >= size / CLAIM_SIZE as u64 {
            return Err(damaged());
        }
        let mut claims = Vec::with_capacity(section.count as usize);
        let mut checksum = 0;
        let mut at = section.start;
        while at < section.end() {
            let wanted = (section.end() - at).min(CHUNK_CLAIMS as u64);
            let mut bytes = vec![0; wanted as usize * CLAIM_SIZE];
            self.file
                .read_at(&mut bytes, offset_of(at))
                .map_err(FileError::on("read", &self.path))?;
            checksum = crc32c::crc32c_append(checksum, &bytes);
            for claim in bytes.as_chunks::<CLAIM_SIZE>().0 {
                claims.push(Claim::from_bytes(claim).ok_or_else(damaged)?);
            }
            at += wanted;
        }
        if checksum == section.checksum { Ok(claims) } else { Err(damaged()) }
    }
}

fn offset_of(claim: u64) -> u64 {
    (claim + 1) * CLAIM_SIZE as u64
}

#[cfg(test)]
mod tests {
    use super::super::claim::tests::rejected;
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::protocol::Verdict;

    fn claims(count: u32) -> Vec<Claim> {
        (0..count).map(|i| rejected(Verdict::NotFromOwner, i)).collect()
    }

    #[test]
    fn sections_are_read_back_and_damage_is_an_error() {
        let directory = SimulatedDirectory::new();
        let file = ClaimsFile::open(&directory, "c").unwrap();
        let first = file.write(0, &claims(3)).unwrap();
        let large = claims(CHUNK_CLAIMS as u32 + 5);
        let second = file.write(first.end(), &large).unwrap();
        let empty = file.write(second.end(), &[]).unwrap();
        let file = ClaimsFile::open(&directory, "c").unwrap();
        assert_eq!(file.read(&first).unwrap(), claims(3));
        assert_eq!(file.read(&second).unwrap(), large);
        assert_eq!(file.read(&empty).unwrap(), []);

        let beyond = Section { start: 0, count: u64::MAX, checksum: 0 };
        assert!(matches!(file.read(&beyond), Err(ClaimsError::Damaged { .. })));
        let mut bytes = directory.bytes("c").unwrap();
        bytes[CLAIM_SIZE + 17] ^= 1;
        directory.put("c", &bytes);
        let file = ClaimsFile::open(&directory, "c").unwrap();
        assert!(matches!(file.read(&first), Err(ClaimsError::Damaged { start: 0, end: 3, .. })));
        directory.put("c", &[b'x'; 99]);
        assert!(matches!(ClaimsFile::open(&directory, "c"), Err(ClaimsError::NotClaims { .. })));
    }

    #[test]
    fn claims_that_no_record_committed_are_overwritten() {
        let directory = SimulatedDirectory::new();
        let file = ClaimsFile::open(&directory, "c").unwrap();
        file.write(0, &claims(9)).unwrap();
        let section = file.write(0, &claims(2)).unwrap();
        assert_eq!(file.read(&section).unwrap(), claims(2));
        assert_eq!(directory.bytes("c").unwrap().len(), 3 * CLAIM_SIZE);
    }
}
