//! A new table, written from front to back under a temporary name.
//!
//! Input: entries in the order of their homes. Output: a [`Table`] that replaces the one with its
//! name. The invariant: nothing has that name before all buckets are written.

use std::path::PathBuf;
use std::sync::Arc;

use super::bucket::{BUCKET_SIZE, Bucket, Entry};
use super::{
    CHUNK_BUCKETS, MAGIC, PROBE_MAX, Table, TableError, bucket_count, hash, header, home, offset,
};
use crate::bytes::seal;
use crate::error::FileError;
use crate::host::{Directory, File, Open};

/// Writes a new table from front to back, under a temporary name.
pub(super) struct TableWriter {
    pub(super) file: Box<dyn File>,
    pub(super) path: PathBuf,
    name: String,
    seed: u64,
    bits: u32,
    /// The bucket being filled.
    number: u64,
    bucket: Bucket,
    /// Complete buckets that precede bucket `number`.
    buffer: Vec<u8>,
}

impl TableWriter {
    pub(super) fn new(
        directory: &dyn Directory,
        name: &str,
        seed: u64,
        bits: u32,
    ) -> Result<TableWriter, TableError> {
        let path = directory.path().join(name);
        let file =
            directory.open(&temporary(name), Open::Create).map_err(FileError::on("make", &path))?;
        file.set_size(0).map_err(FileError::on("cut", &path))?;
        let mut header = [0; BUCKET_SIZE];
        header::MAGIC.set(&mut header, MAGIC);
        header::SEED.set(&mut header, seed);
        header::BITS.set(&mut header, bits);
        seal(&mut header);
        file.write_at(&header, 0).map_err(FileError::on("write", &path))?;
        let name = name.to_string();
        Ok(TableWriter {
            file,
            path,
            name,
            seed,
            bits,
            number: 0,
            bucket: Bucket::empty(),
            buffer: Vec::new(),
        })
    }

    /// Adds entries whose homes are not before those of earlier calls.
    pub(super) fn push_all(&mut self, entries: &mut Vec<Entry>) -> Result<(), TableError> {
        entries.sort_unstable_by_key(|entry| hash(self.seed, entry.key));
        for entry in entries.drain(..) {
            let home = home(self.seed, self.bits, entry.key);
            while self.number < home {
                self.next()?;
            }
            while !self.bucket.push(&entry) {
                self.bucket.set_overflowed();
                self.next()?;
            }
            if self.number >= home + PROBE_MAX {
                return Err(TableError::Full);
            }
        }
        Ok(())
    }

    pub(super) fn finish_buckets(&mut self) -> Result<(), TableError> {
        while self.number < bucket_count(self.bits) {
            self.next()?;
        }
        self.flush()
    }

    fn next(&mut self) -> Result<(), TableError> {
        let mut bucket = std::mem::replace(&mut self.bucket, Bucket::empty());
        bucket.seal(self.seed, self.number);
        self.buffer.extend_from_slice(&bucket.bytes);
        self.number += 1;
        if self.buffer.len() >= CHUNK_BUCKETS as usize * BUCKET_SIZE {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), TableError> {
        let begin = offset(self.number) - self.buffer.len() as u64;
        self.file.write_at(&self.buffer, begin).map_err(FileError::on("write", &self.path))?;
        self.buffer.clear();
        Ok(())
    }

    pub(super) fn publish(self, directory: &dyn Directory) -> Result<Table, TableError> {
        directory
            .rename(&temporary(&self.name), &self.name)
            .map_err(FileError::on("make", &self.path))?;
        let TableWriter { file, path, name, seed, bits, .. } = self;
        let table = Table { file: Arc::from(file), path, name, seed, bits };
        table.map();
        Ok(table)
    }
}

/// The name under which a new table is written.
fn temporary(name: &str) -> String {
    format!("{name}.new")
}
