//! The on-disk hash table under every index of the till: 64-bit keys to positions in the journals.
//!
//! Input: entries, one for each key. Output: the entry of a key. A lookup or change touches one
//! bucket of 512 bytes in most cases and [`PROBE_MAX`] at most, in place, so a process caches
//! nothing. The table doubles when there is no room for a key. The caller holds the till's lock.
//!
//! The invariant: a bucket with the right checksum has the content that was last written to it. The
//! table can always be rebuilt from the journals. So it is not synced on every change, and damage
//! is not repaired here but is [`TableError::Damaged`]. The format is in `docs/reference/till.md`.

mod bucket;
mod known;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bytes::{CHECKSUM_SIZE, Field, open};
use crate::error::FileError;
use crate::hash::leading_u64;
use crate::host::{Directory, Entropy, File, Open, Seen, TryRead};
use crate::time::UnixTime;

use bucket::{BUCKET_ENTRIES, BUCKET_SIZE, Bucket};
use known::{KnownPages, REGION_SIZE};
use writer::TableWriter;

pub(super) use bucket::Entry;
#[cfg(test)]
pub(super) use known::KNOWN_SECONDS;

/// The most buckets that a search reads: the key's home and those after it.
const PROBE_MAX: u64 = 4;
/// A new table has 2^6 buckets, about 33 KiB.
const BITS_START: u32 = 6;
/// The largest table has 2^32 buckets, 2 TiB.
const BITS_MAX: u32 = 32;
const MAGIC: [u8; 8] = *b"MMindex1";
/// How many buckets are read or written at a time when the table grows.
const CHUNK_BUCKETS: u64 = 2048;
/// How many touched buckets stay allocated for the next operation: enough for a usual payment.
const KEPT_MAX: usize = 64;

/// The header of a table, a sealed block.
mod header {
    use super::*;

    pub(super) const MAGIC: Field<[u8; 8]> = Field::at(0);
    pub(super) const SEED: Field<u64> = MAGIC.then();
    pub(super) const BITS: Field<u32> = SEED.then();
    const _: () = assert!(BITS.end() + CHECKSUM_SIZE <= BUCKET_SIZE);
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TableError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The table has an unexpected content and must be rebuilt.
    #[error("{}: damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// There is no room for a key: the table must grow.
    #[error("the table is full")]
    Full,
}

/// An open table.
pub(super) struct Table {
    file: Arc<dyn File>,
    path: PathBuf,
    name: String,
    /// Random and secret. Makes the home of a key unpredictable, and the buckets of other files
    /// invalid in this one.
    seed: u64,
    bits: u32,
}

/// The buckets that one operation has read or changed. Changes reach the file with
/// [`Table::write`].
#[derive(Default)]
pub(super) struct Touched {
    buckets: Vec<Bucket>,
    /// The number and the index of each bucket, ordered by number.
    places: Vec<(u64, usize)>,
    /// What this operation has seen of the file. Only that is read and written through memory.
    seen: Option<Seen>,
    /// The pages that can be read without waiting. Later operations use them too.
    known: KnownPages,
}

impl Touched {
    /// The number of buckets held.
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Discards the buckets, for the next operation.
    pub(super) fn clear(&mut self) {
        self.seen = None;
        self.buckets.clear();
        self.places.clear();
        self.buckets.shrink_to(KEPT_MAX);
        self.places.shrink_to(KEPT_MAX);
    }

    /// Forgets the pages that were last read too long ago to count as being in memory.
    pub(super) fn expire(&mut self, now: UnixTime) {
        self.known.expire(now);
    }

    /// Stores what was seen of the file, if it is more than before.
    fn see(&mut self, seen: Seen) {
        if self.seen.as_ref().is_none_or(|before| before.size() < seen.size()) {
            self.seen = Some(seen);
        }
    }

    /// The index of a bucket, or else where its number belongs in `places`.
    fn find(&self, number: u64) -> Result<usize, usize> {
        self.places.binary_search_by_key(&number, |(held, _)| *held).map(|at| self.places[at].1)
    }

    /// Adds a bucket whose number belongs at `at` in `places`, and returns its index.
    fn hold(&mut self, at: usize, number: u64, bucket: Bucket) -> usize {
        self.places.insert(at, (number, self.buckets.len()));
        self.buckets.push(bucket);
        self.buckets.len() - 1
    }
}

impl Table {
    /// Creates an empty table durably, and replaces any earlier one with this name.
    pub(super) fn create(
        directory: &dyn Directory,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Table, TableError> {
        let seed =
            entropy.number().map_err(FileError::on("get randomness for", directory.path()))?;
        let mut writer = TableWriter::new(directory, name, seed, BITS_START)?;
        writer.finish_buckets()?;
        writer.file.sync().map_err(FileError::on("sync", &writer.path))?;
        let table = writer.publish(directory)?;
        directory.sync().map_err(FileError::on("sync", directory.path()))?;
        Ok(table)
    }

    /// Opens a table; `None` if it does not exist.
    pub(super) fn open(directory: &dyn Directory, name: &str) -> Result<Option<Table>, TableError> {
        let path = directory.path().join(name);
        let file = match directory.open(name, Open::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(FileError::on("open", &path))?,
        };
        let mut table =
            Table { file: Arc::from(file), path, name: name.to_string(), seed: 0, bits: 0 };
        let mut header = [0; BUCKET_SIZE];
        table.read_at(&mut header, 0)?;
        if header::MAGIC.get(&header) != MAGIC || open(&header).is_none() {
            return Err(table.damaged("the header"));
        }
        table.seed = header::SEED.get(&header);
        table.bits = header::BITS.get(&header);
        if !(BITS_START..=BITS_MAX).contains(&table.bits) {
            return Err(table.damaged("the header"));
        }
        table.map();
        Ok(Some(table))
    }

    /// The key of a text that outsiders choose. They do not know the seed, so they cannot search
    /// for two texts with the same key. Among a million texts, the probability of such a pair is
    /// 2^-25.
    pub(super) fn key_of(&self, text: &str) -> u64 {
        let seeded = Sha256::new().chain_update(self.seed.to_be_bytes());
        leading_u64(&seeded.chain_update(text).finalize())
    }

    /// The entry of `key`.
    pub(super) fn get(&self, touched: &mut Touched, key: u64) -> Result<Option<Entry>, TableError> {
        let home = home(self.seed, self.bits, key);
        for number in home..home + PROBE_MAX {
            let bucket = self.bucket(touched, number)?;
            if let Some(slot) = bucket.find(key) {
                return Ok(Some(bucket.entry(slot)));
            }
            if !bucket.is_overflowed() {
                break;
            }
        }
        Ok(None)
    }

    /// Adds an entry with a new key, in memory only. Returns `false`, and adds nothing, if there is
    /// no room, if the key is not new, or if that would have to wait for the disk.
    ///
    /// The buckets before the first one with room are all that a search for the key would read:
    /// entries are never removed from a file, so one that is in a later bucket has only full
    /// buckets before it.
    pub(super) fn try_put(&self, touched: &mut Touched, entry: Entry) -> Result<bool, TableError> {
        let home = home(self.seed, self.bits, entry.key);
        for number in home..home + PROBE_MAX {
            let Some(bucket) = self.try_bucket(touched, number)? else { return Ok(false) };
            if bucket.find(entry.key).is_some() {
                return Ok(false);
            }
            if bucket.push(&entry) {
                return Ok(true);
            }
            // A search goes on to the next bucket now. If this entry does not get there either,
            // the search is longer than necessary.
            bucket.set_overflowed();
        }
        Ok(false)
    }

    /// Removes the entry of `key` that [`Table::try_put`] has added in this operation. Entries must
    /// be removed in the reverse order, so that the last added one is the last in its bucket.
    pub(super) fn take_back(&self, touched: &mut Touched, key: u64) {
        let home = home(self.seed, self.bits, key);
        for number in home..home + PROBE_MAX {
            if let Ok(place) = touched.find(number)
                && touched.buckets[place].pop(key)
            {
                return;
            }
        }
    }

    /// Adds an entry, or replaces the one with its key, in memory only.
    pub(super) fn put(&self, touched: &mut Touched, entry: Entry) -> Result<(), TableError> {
        let home = home(self.seed, self.bits, entry.key);
        for number in home..home + PROBE_MAX {
            let bucket = self.bucket(touched, number)?;
            if let Some(slot) = bucket.find(entry.key) {
                bucket.set(slot, &entry);
                return Ok(());
            }
            if bucket.push(&entry) {
                return Ok(());
            }
            bucket.set_overflowed();
        }
        Err(TableError::Full)
    }

    /// Writes the changes of [`Table::put`].
    pub(super) fn write(&self, touched: &mut Touched) -> Result<(), TableError> {
        self.write_by(|bytes, at| self.file.write_at(bytes, at), touched)
    }

    /// Writes the changes of [`Table::put`] with [`File::rewrite_at`], for a caller that has just
    /// appended to a journal.
    pub(super) fn rewrite(&self, touched: &mut Touched) -> Result<(), TableError> {
        let Some(seen) = touched.seen.take() else { return self.write(touched) };
        let written = self.write_by(|bytes, at| self.file.rewrite_at(&seen, bytes, at), touched);
        touched.seen = Some(seen);
        written
    }

    fn write_by(
        &self,
        write: impl Fn(&[u8], u64) -> io::Result<()>,
        touched: &mut Touched,
    ) -> Result<(), TableError> {
        for (number, place) in &touched.places {
            let bucket = &mut touched.buckets[*place];
            if bucket.is_changed {
                bucket.seal(self.seed, *number);
                let written = write(&bucket.bytes, offset(*number));
                written.map_err(FileError::on("write", &self.path))?;
                bucket.is_changed = false;
            }
        }
        Ok(())
    }

    fn map(&self) {
        self.file.map(offset(bucket_count(self.bits)));
    }

    /// Makes the table durable. Needs no lock.
    pub(super) fn sync(&self) -> Result<(), TableError> {
        Ok(self.file.sync().map_err(FileError::on("sync", &self.path))?)
    }

    /// The file and its path, for syncing it without the lock.
    pub(super) fn file(&self) -> (Arc<dyn File>, PathBuf) {
        (Arc::clone(&self.file), self.path.clone())
    }

    /// Replaces the table by one with the same entries and at least twice the size. Other processes
    /// must already know that their handles are stale, in case this process dies halfway.
    pub(super) fn grown(&self, directory: &dyn Directory) -> Result<Table, TableError> {
        for bits in self.bits + 1..=BITS_MAX {
            match self.copy(TableWriter::new(directory, &self.name, self.seed, bits)?) {
                Err(TableError::Full) => {}
                copied => return copied?.publish(directory),
            }
        }
        Err(TableError::Full)
    }

    /// Copies all entries. The top bits of a hash are the home, so entries have the same order in
    /// tables of every size, and both files are processed from front to back.
    fn copy(&self, mut writer: TableWriter) -> Result<TableWriter, TableError> {
        let mut waiting = Vec::new();
        for first in (0..bucket_count(self.bits)).step_by(CHUNK_BUCKETS as usize) {
            let count = CHUNK_BUCKETS.min(bucket_count(self.bits) - first);
            let mut chunk = vec![0; count as usize * BUCKET_SIZE];
            self.read_at(&mut chunk, offset(first))?;
            for (number, bytes) in (first..).zip(chunk.as_chunks::<BUCKET_SIZE>().0) {
                let bucket = Bucket { bytes: *bytes, is_changed: false };
                self.check(number, &bucket)?;
                waiting.extend((0..bucket.len()).map(|slot| bucket.entry(slot)));
                if !bucket.is_overflowed() {
                    writer.push_all(&mut waiting)?;
                }
            }
        }
        writer.push_all(&mut waiting)?;
        writer.finish_buckets()?;
        Ok(writer)
    }

    fn bucket<'t>(
        &self,
        touched: &'t mut Touched,
        number: u64,
    ) -> Result<&'t mut Bucket, TableError> {
        let place = match touched.find(number) {
            Ok(place) => place,
            Err(at) => {
                let bucket = self.read(touched, number)?;
                touched.hold(at, number, bucket)
            }
        };
        Ok(&mut touched.buckets[place])
    }

    /// As [`Table::bucket`], if that needs no waiting for the disk.
    fn try_bucket<'t>(
        &self,
        touched: &'t mut Touched,
        number: u64,
    ) -> Result<Option<&'t mut Bucket>, TableError> {
        let place = match touched.find(number) {
            Ok(place) => place,
            Err(at) => {
                let Some(bucket) = self.try_read(touched, number)? else { return Ok(None) };
                touched.hold(at, number, bucket)
            }
        };
        Ok(Some(&mut touched.buckets[place]))
    }

    /// Reads a bucket, if that needs no waiting for the disk.
    fn try_read(&self, touched: &mut Touched, number: u64) -> Result<Option<Bucket>, TableError> {
        let at = offset(number);
        // Where the file is not mapped, asking costs no more than reading.
        let is_asked = !self.file.is_mapped() && !touched.known.is_untold();
        if self.file.is_in_memory() || (touched.known.contains(at) && !is_asked) {
            return self.reread(touched, number).map(Some);
        }
        let mut bucket = Bucket::empty();
        let read = self.file.try_read_at(&mut bucket.bytes, at);
        match read.map_err(FileError::on("read", &self.path))? {
            TryRead::Done(seen) => touched.see(seen),
            TryRead::Waits => return Ok(None),
            TryRead::Unsupported => {
                touched.known.set_untold();
                return Ok(None);
            }
        }
        self.check(number, &bucket)?;
        touched.known.add(at);
        Ok(Some(bucket))
    }

    /// Reads a bucket. May wait for the disk.
    fn read(&self, touched: &mut Touched, number: u64) -> Result<Bucket, TableError> {
        let at = offset(number);
        if touched.known.is_untold() && !touched.known.contains(at) {
            self.read_region(at)?;
            touched.known.add_region(at);
        }
        let bucket = self.reread(touched, number)?;
        touched.known.add(at);
        Ok(bucket)
    }

    /// Reads the region of this offset, so that all its pages are in memory.
    fn read_region(&self, at: u64) -> Result<(), TableError> {
        let begin = at - at % REGION_SIZE;
        let end = offset(bucket_count(self.bits)).min(begin + REGION_SIZE);
        self.read_at(&mut vec![0; (end - begin) as usize], begin)
    }

    /// Reads a bucket through memory if the file is mapped, and by a call otherwise.
    fn reread(&self, touched: &mut Touched, number: u64) -> Result<Bucket, TableError> {
        let (mut bucket, at) = (Bucket::empty(), offset(number));
        if self.file.is_mapped() {
            let seen = touched.seen.take().filter(|seen| seen.covers(BUCKET_SIZE, at));
            let seen = seen.map_or_else(|| self.look(), Ok)?;
            let read = self.file.reread_at(&seen, &mut bucket.bytes, at);
            touched.seen = Some(seen);
            read.map_err(FileError::on("read", &self.path))?;
        } else {
            self.read_at(&mut bucket.bytes, at)?;
        }
        self.check(number, &bucket)?;
        Ok(bucket)
    }

    /// Checks that the file has all buckets.
    fn look(&self) -> Result<Seen, TableError> {
        let seen = self.file.look().map_err(FileError::on("read the size of", &self.path))?;
        if seen.size() < offset(bucket_count(self.bits)) {
            return Err(self.damaged("the file ends too early"));
        }
        Ok(seen)
    }

    fn check(&self, number: u64, bucket: &Bucket) -> Result<(), TableError> {
        if bucket.is_sealed(self.seed, number) && bucket.len() <= BUCKET_ENTRIES {
            return Ok(());
        }
        Err(self.damaged(&format!("bucket {number}")))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), TableError> {
        match self.file.read_at(bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("the file ends too early"))
            }
            read => Ok(read.map_err(FileError::on("read", &self.path))?),
        }
    }

    fn damaged(&self, what: &str) -> TableError {
        TableError::Damaged { path: self.path.clone(), what: what.to_string() }
    }
}

/// The offset of a bucket in the file.
fn offset(number: u64) -> u64 {
    (number + 1) * BUCKET_SIZE as u64
}

/// The number of buckets: some follow the last home, so that a search never wraps around.
fn bucket_count(bits: u32) -> u64 {
    (1 << bits) + PROBE_MAX - 1
}

fn home(seed: u64, bits: u32, key: u64) -> u64 {
    hash(seed, key) >> (64 - bits)
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014) over the seeded key.
fn hash(seed: u64, key: u64) -> u64 {
    let mut hash = key ^ seed;
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::position::Position;
    use super::*;
    use crate::host::{SimulatedDirectory, SystemEntropy};

    fn entry(key: u64, offset: u64) -> Entry {
        Entry { key, at: Position { day: 9, offset }, word: key as u32 ^ 5 }
    }

    fn put(table: &mut Table, directory: &SimulatedDirectory, entry: Entry) {
        loop {
            let mut touched = Touched::default();
            match table.put(&mut touched, entry) {
                Err(TableError::Full) => *table = table.grown(directory).unwrap(),
                put => {
                    put.unwrap();
                    return table.write(&mut touched).unwrap();
                }
            }
        }
    }

    #[test]
    fn entries_are_found_after_the_table_has_grown() {
        let directory = SimulatedDirectory::new();
        let mut table = Table::create(&directory, "t", &SystemEntropy).unwrap();
        for key in 0..20_000 {
            put(&mut table, &directory, entry(key << 32 | 7, key));
        }
        for key in (0..20_000).step_by(3) {
            put(&mut table, &directory, entry(key << 32 | 7, key + 1));
        }
        assert!(table.bits > BITS_START + 3, "{}", table.bits);
        let table = Table::open(&directory, "t").unwrap().unwrap();
        for key in 0..20_000 {
            let expected = entry(key << 32 | 7, key + u64::from(key % 3 == 0));
            let found = table.get(&mut Touched::default(), expected.key).unwrap();
            assert_eq!(found, Some(expected));
            assert_eq!(table.get(&mut Touched::default(), key << 32 | 8).unwrap(), None);
        }
        // Well filled when it grows; otherwise the probing is wrong.
        let room = bucket_count(table.bits) * BUCKET_ENTRIES as u64;
        assert!(room < 20_000 * 4, "{room}");
    }

    #[test]
    fn damaged_and_misplaced_buckets_are_noticed() {
        let directory = SimulatedDirectory::new();
        let table = Table::create(&directory, "t", &SystemEntropy).unwrap();
        let whole = directory.bytes("t").unwrap();
        let home = home(table.seed, table.bits, 1);
        for at in [0, 9, 17, 511, offset(home) as usize, offset(home) as usize + 300] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            directory.put("t", &bytes);
            let found = Table::open(&directory, "t")
                .and_then(|table| table.unwrap().get(&mut Touched::default(), 1));
            assert!(matches!(found, Err(TableError::Damaged { .. })), "{at}: {found:?}");
        }
        let mut bytes = whole.clone();
        bytes.copy_within(
            offset(home ^ 1) as usize..offset((home ^ 1) + 1) as usize,
            offset(home) as usize,
        );
        directory.put("t", &bytes);
        let table = Table::open(&directory, "t").unwrap().unwrap();
        assert!(matches!(table.get(&mut Touched::default(), 1), Err(TableError::Damaged { .. })));
        directory.put("t", &whole[..whole.len() - 1]);
        let table = Table::open(&directory, "t").unwrap().unwrap();
        assert!(matches!(table.grown(&directory), Err(TableError::Damaged { .. })));
    }
}
