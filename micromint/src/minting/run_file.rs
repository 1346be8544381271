//! Run files: the hits of a part of a period's tosses, in the order of their bins.
//!
//! Input: hits in ascending order of bin number, at most one per bin. Output: a file that names its
//! period, key and tosses, and that reveals any damage. The invariant: a file with a valid header
//! was written completely. `docs/reference/minting.md` describes the bytes.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::{MintError, OtherFile, RunPosition, ShardTosses};
use super::files::path_of;
use super::hit::Hit;
use super::job::MintJob;
use super::shard::Shard;
use crate::bytes::{Field, Fixed, open, seal, u64_le};
use crate::coin_file::{BadHeader, FIXED_SIZE, HEADER_SIZE, X_MASK, decode_fixed, encode_fixed};
use crate::error::FileError;
use crate::host::{Directory, File, Open};
use crate::params::Params;

/// The first bytes of a run file.
const RUN_MAGIC: [u8; 8] = *b"\x89MMR\r\n\x1a\n";
/// The size of a block, in bytes.
pub(super) const BLOCK_SIZE: u64 = 65_536;
/// The size of a block's header.
const BLOCK_HEADER_SIZE: usize = block::FIRST_BIN_NUMBER.end();
/// The size of a hit.
const HIT_SIZE: usize = hit::X.end();
/// The most hits in a block.
pub(super) const BLOCK_HITS_MAX: usize = (BLOCK_SIZE as usize - BLOCK_HEADER_SIZE) / HIT_SIZE;
/// How many bytes are written at once.
const WRITING_SIZE: usize = 16 * BLOCK_SIZE as usize;
/// How much of the header the checksums of blocks cover: what is known before the first block.
const SEED_SIZE: usize = header::BLOCK_COUNT.start();

/// What follows the parameters in the header.
mod header {
    use super::*;

    pub(super) const SHARD_INDEX: Field<u32> = Field::at(FIXED_SIZE);
    pub(super) const SHARD_COUNT: Field<u32> = SHARD_INDEX.then();
    pub(super) const FIRST_TOSS: Field<u64> = SHARD_COUNT.then();
    pub(super) const END_TOSS: Field<u64> = FIRST_TOSS.then();
    pub(super) const BLOCK_COUNT: Field<u64> = END_TOSS.then();
    pub(super) const HIT_COUNT: Field<u64> = BLOCK_COUNT.then();
}

/// The header of a block.
mod block {
    use super::*;

    pub(super) const HIT_COUNT: Field<u32> = Field::at(0);
    pub(super) const CHECKSUM: Field<u32> = HIT_COUNT.then();
    pub(super) const FIRST_BIN_NUMBER: Field<u64> = CHECKSUM.then();
}

/// A hit in a block.
mod hit {
    use super::*;

    /// Its bin number minus the first one of its block.
    pub(super) const BIN_NUMBER: Field<u32> = Field::at(0);
    pub(super) const X: Field<u64> = BIN_NUMBER.then();
}

/// Where a run file is.
#[derive(Clone, Copy)]
pub struct RunFile<'a> {
    /// Its directory.
    pub directory: &'a dyn Directory,
    /// Its name.
    pub name: &'a str,
}

/// The header of a run file.
#[derive(Clone, Debug)]
pub(super) struct RunHeader {
    pub(super) params: Params,
    pub(super) key_tag: [u8; 16],
    pub(super) shard: Shard,
    /// The tosses whose hits it contains: all of its shard, or those of a segment.
    pub(super) tosses: Range<u64>,
    pub(super) block_count: u64,
    pub(super) hit_count: u64,
}

impl RunHeader {
    /// The header of a file without hits.
    pub(super) fn new(
        params: &Params,
        key_tag: [u8; 16],
        shard: Shard,
        tosses: Range<u64>,
    ) -> RunHeader {
        RunHeader { params: params.clone(), key_tag, shard, tosses, block_count: 0, hit_count: 0 }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = encode_fixed(RUN_MAGIC, &self.params, self.key_tag);
        bytes.resize(HEADER_SIZE as usize, 0);
        header::SHARD_INDEX.set(&mut bytes, self.shard.index());
        header::SHARD_COUNT.set(&mut bytes, self.shard.count());
        header::FIRST_TOSS.set(&mut bytes, self.tosses.start);
        header::END_TOSS.set(&mut bytes, self.tosses.end);
        header::BLOCK_COUNT.set(&mut bytes, self.block_count);
        header::HIT_COUNT.set(&mut bytes, self.hit_count);
        seal(&mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<RunHeader, BadHeader> {
        let (params, key_tag) = decode_fixed(RUN_MAGIC, &bytes[..FIXED_SIZE])?;
        let damaged = |found: &str| BadHeader::Damaged(found.to_string());
        if open(bytes).is_none() {
            return Err(damaged("its checksum does not match"));
        }
        let shard = Shard::new(header::SHARD_INDEX.get(bytes), header::SHARD_COUNT.get(bytes))
            .map_err(|error| BadHeader::Damaged(error.to_string()))?;
        let tosses = header::FIRST_TOSS.get(bytes)..header::END_TOSS.get(bytes);
        let bounds = shard.tosses(&params);
        if tosses.start > tosses.end || tosses.start < bounds.start || tosses.end > bounds.end {
            return Err(damaged("tosses that are not its shard's"));
        }
        let block_count = header::BLOCK_COUNT.get(bytes);
        if block_count > u64::MAX / BLOCK_SIZE - 1 {
            return Err(damaged("an impossible number of blocks"));
        }
        Ok(RunHeader {
            params,
            key_tag,
            shard,
            tosses,
            block_count,
            hit_count: header::HIT_COUNT.get(bytes),
        })
    }

    /// The initial value of its block checksums, so that a block of another file is detected.
    fn seed(&self) -> u32 {
        crc32c::crc32c(&self.encode()[..SEED_SIZE])
    }

    fn file_size(&self) -> u64 {
        HEADER_SIZE + BLOCK_SIZE * self.block_count
    }
}

/// The checksum of block `number`: all of it but the four bytes of the checksum.
fn block_checksum(seed: u32, number: u64, block: &[u8]) -> u32 {
    let checksum = crc32c::crc32c_append(seed, &u64_le(number));
    let (before, after) = (block::CHECKSUM.start(), block::CHECKSUM.end());
    crc32c::crc32c_append(crc32c::crc32c_append(checksum, &block[..before]), &block[after..])
}

/// Writes a run file.
pub(super) struct RunWriter {
    file: Box<dyn File>,
    path: PathBuf,
    header: RunHeader,
    seed: u32,
    hits: Vec<Hit>,
    /// Opens `file` for writing, whatever it contained before.
    bytes: Vec<u8>,
}

impl RunWriter {
    /// Writes into `file`, whatever it held before.
    pub(super) fn new(
        file: Box<dyn File>,
        path: PathBuf,
        header: RunHeader,
    ) -> Result<RunWriter, MintError> {
        file.set_size(0).map_err(FileError::on("cut", &path))?;
        let seed = header.seed();
        Ok(RunWriter { file, path, header, seed, hits: Vec::new(), bytes: Vec::new() })
    }

    /// Appends a hit, of a higher bin number than the one before.
    pub(super) fn push(&mut self, hit: Hit) -> Result<(), MintError> {
        if let (Some(first), Some(last)) = (self.hits.first(), self.hits.last()) {
            debug_assert!(last.bin_number < hit.bin_number, "hits out of order");
            let is_far = hit.bin_number - first.bin_number > u64::from(u32::MAX);
            if self.hits.len() == BLOCK_HITS_MAX || is_far {
                self.end_block()?;
            }
        }
        self.hits.push(hit);
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), MintError> {
        let Some(first) = self.hits.first().map(|hit| hit.bin_number) else { return Ok(()) };
        let at = self.bytes.len();
        self.bytes.resize(at + BLOCK_SIZE as usize, 0);
        let block = &mut self.bytes[at..];
        block::HIT_COUNT.set(block, self.hits.len() as u32);
        block::FIRST_BIN_NUMBER.set(block, first);
        let entries = block[BLOCK_HEADER_SIZE..].chunks_exact_mut(HIT_SIZE);
        for (entry, hit) in entries.zip(&self.hits) {
            hit::BIN_NUMBER.set(entry, (hit.bin_number - first) as u32);
            hit::X.set(entry, hit.x);
        }
        let checksum = block_checksum(self.seed, self.header.block_count, block);
        block::CHECKSUM.set(block, checksum);
        self.header.block_count += 1;
        self.header.hit_count += self.hits.len() as u64;
        self.hits.clear();
        if self.bytes.len() >= WRITING_SIZE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), MintError> {
        let offset = self.header.file_size() - self.bytes.len() as u64;
        self.file.write_at(&self.bytes, offset).map_err(FileError::on("write", &self.path))?;
        self.bytes.clear();
        Ok(())
    }

    /// Writes what is left, then the header, durably.
    pub(super) fn finish(mut self) -> Result<(), MintError> {
        self.end_block()?;
        self.write()?;
        // The header makes the file a run file, so it is written when the rest is durable.
        self.file.sync().map_err(FileError::on("sync", &self.path))?;
        self.file.write_at(&self.header.encode(), 0).map_err(FileError::on("write", &self.path))?;
        self.file.sync().map_err(FileError::on("sync", &self.path))?;
        Ok(())
    }
}

/// A run file with a valid header. It is open only during a read, so that thousands of run files
/// need only one handle.
pub(super) struct Run<'a> {
    directory: &'a dyn Directory,
    name: &'a str,
    header: RunHeader,
    seed: u32,
}

impl<'a> Run<'a> {
    pub(super) fn open(directory: &'a dyn Directory, name: &'a str) -> Result<Run<'a>, MintError> {
        let path = path_of(directory, name);
        let file = directory.open(name, Open::Read).map_err(FileError::on("open", &path))?;
        let size = file.size().map_err(FileError::on("read the size of", &path))?;
        if size < HEADER_SIZE {
            return Err(MintError::NotARunFile { path, found: OtherFile::Short(size) });
        }
        let mut bytes = vec![0; HEADER_SIZE as usize];
        file.read_at(&mut bytes, 0).map_err(FileError::on("read", &path))?;
        let header = RunHeader::decode(&bytes).map_err(|bad| match bad {
            BadHeader::Magic => {
                let found = OtherFile::Head(std::array::from_fn(|at| bytes[at]));
                MintError::NotARunFile { path: path.clone(), found }
            }
            BadHeader::Version(found) => {
                MintError::NotARunFile { path: path.clone(), found: OtherFile::Version(found) }
            }
            BadHeader::Damaged(found) => damaged(&path, RunPosition::Header, found),
        })?;
        if size != header.file_size() {
            let found = format!(
                "{size} bytes, not the {} of the file that was written",
                header.file_size()
            );
            return Err(damaged(&path, RunPosition::End, found));
        }
        let seed = header.seed();
        Ok(Run { directory, name, header, seed })
    }

    pub(super) fn header(&self) -> &RunHeader {
        &self.header
    }

    pub(super) fn path(&self) -> PathBuf {
        path_of(self.directory, self.name)
    }

    /// Checks that it contains all of this shard.
    pub(super) fn check(&self, job: &MintJob<'_>, shard: Shard) -> Result<(), MintError> {
        self.check_part(job, shard, &shard.tosses(job.params))
    }

    /// Checks that it contains these tosses of this shard.
    pub(super) fn check_part(
        &self,
        job: &MintJob<'_>,
        shard: Shard,
        tosses: &Range<u64>,
    ) -> Result<(), MintError> {
        let header = &self.header;
        job.check_period(&header.params, header.key_tag, &self.path())?;
        let expected = ShardTosses { shard, tosses: tosses.clone() };
        let found = ShardTosses { shard: header.shard, tosses: header.tosses.clone() };
        if expected == found {
            return Ok(());
        }
        Err(MintError::OtherShard { path: self.path(), expected, found })
    }

    fn file(&self) -> Result<Box<dyn File>, MintError> {
        Ok(self
            .directory
            .open(self.name, Open::Read)
            .map_err(FileError::on("open", self.path()))?)
    }

    /// Reads blocks from `number` on.
    fn read_blocks(&self, number: u64, bytes: &mut [u8]) -> Result<(), MintError> {
        let offset = HEADER_SIZE + BLOCK_SIZE * number;
        Ok(self.file()?.read_at(bytes, offset).map_err(FileError::on("read", self.path()))?)
    }

    /// The hits of block `number`, whose bytes are `block`.
    fn decode_block(
        &self,
        number: u64,
        block: &[u8],
        hits: &mut Vec<Hit>,
    ) -> Result<(), MintError> {
        let bad =
            |found: &str| damaged(&self.path(), RunPosition::Block(number), found.to_string());
        if block::CHECKSUM.get(block) != block_checksum(self.seed, number, block) {
            return Err(bad("its checksum does not match"));
        }
        let count = block::HIT_COUNT.get(block) as usize;
        if !(1..=BLOCK_HITS_MAX).contains(&count) {
            return Err(bad(&format!("{count} hits in it")));
        }
        let bins = self.header.params.superbin_count() << self.header.params.subbin_bits();
        let (first, mut least) = (block::FIRST_BIN_NUMBER.get(block), 0);
        hits.clear();
        for entry in block[BLOCK_HEADER_SIZE..].chunks_exact(HIT_SIZE).take(count) {
            let bin_number = first.saturating_add(hit::BIN_NUMBER.get(entry).into());
            let x = hit::X.get(entry);
            if bin_number < least || bin_number >= bins || x > X_MASK {
                return Err(bad("impossible hits"));
            }
            least = bin_number + 1;
            hits.push(Hit { bin_number, x });
        }
        Ok(())
    }
}

fn damaged(path: &Path, at: RunPosition, found: String) -> MintError {
    MintError::DamagedRun { path: path.to_path_buf(), at, found }
}

/// Reads the hits of a run in order.
pub(super) struct RunReader<'a> {
    run: Run<'a>,
    /// How many blocks are read at once.
    blocks_per_read: u64,
    bytes: Vec<u8>,
    /// Where in `bytes` the next block begins, and which one that is.
    at: usize,
    next_block: u64,
    hits: Vec<Hit>,
    /// The current one of `hits`.
    index: usize,
    /// The least bin number that the next block may begin with.
    least: u64,
}

impl<'a> RunReader<'a> {
    /// A reader at the first hit. It takes about `memory` bytes, at least one block.
    pub(super) fn new(run: Run<'a>, memory: u64) -> Result<RunReader<'a>, MintError> {
        RunReader::from(run, 0, memory)
    }

    /// A reader at the first hit of `bin_number` or higher.
    pub(super) fn from(
        run: Run<'a>,
        bin_number: u64,
        memory: u64,
    ) -> Result<RunReader<'a>, MintError> {
        let next_block = first_block(&run, bin_number)?;
        let blocks_per_read = (memory / BLOCK_SIZE).clamp(1, run.header.block_count.max(1));
        let mut reader = RunReader {
            run,
            blocks_per_read,
            bytes: Vec::new(),
            at: 0,
            next_block,
            hits: Vec::new(),
            index: 0,
            least: 0,
        };
        reader.take_below(bin_number, |_| ())?;
        // The search for the block read bytes without checking them: if the block begins after
        // `bin_number`, hits before it may be missing.
        let begins_late = reader.hits.first().is_some_and(|hit| hit.bin_number > bin_number);
        if next_block > 0 && reader.next_block == next_block + 1 && begins_late {
            return Err(damaged(
                &reader.run.path(),
                RunPosition::Block(next_block),
                "blocks out of order".into(),
            ));
        }
        Ok(reader)
    }

    pub(super) fn run(&self) -> &Run<'a> {
        &self.run
    }

    /// The current hit; `None` at the end.
    pub(super) fn current(&mut self) -> Result<Option<Hit>, MintError> {
        while self.index == self.hits.len() {
            if self.next_block == self.run.header.block_count {
                return Ok(None);
            }
            self.load()?;
        }
        Ok(Some(self.hits[self.index]))
    }

    /// Skips the current hit, if there is one.
    pub(super) fn advance(&mut self) {
        self.index = (self.index + 1).min(self.hits.len());
    }

    /// Skips all hits of bins below `end` and passes them to `take`.
    pub(super) fn take_below(
        &mut self,
        end: u64,
        mut take: impl FnMut(&[Hit]),
    ) -> Result<(), MintError> {
        while self.current()?.is_some_and(|hit| hit.bin_number < end) {
            let rest = &self.hits[self.index..];
            let length = rest.partition_point(|hit| hit.bin_number < end);
            take(&rest[..length]);
            self.index += length;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), MintError> {
        if self.at == self.bytes.len() {
            let blocks = self.blocks_per_read.min(self.run.header.block_count - self.next_block);
            self.bytes.resize((blocks * BLOCK_SIZE) as usize, 0);
            self.run.read_blocks(self.next_block, &mut self.bytes)?;
            self.at = 0;
        }
        let block = &self.bytes[self.at..self.at + BLOCK_SIZE as usize];
        self.run.decode_block(self.next_block, block, &mut self.hits)?;
        if self.hits[0].bin_number < self.least {
            return Err(damaged(
                &self.run.path(),
                RunPosition::Block(self.next_block),
                "bins lower than in the block before".into(),
            ));
        }
        self.least = self.hits[self.hits.len() - 1].bin_number + 1;
        self.at += BLOCK_SIZE as usize;
        (self.next_block, self.index) = (self.next_block + 1, 0);
        Ok(())
    }
}

/// The last block that begins at or before `bin_number`, or the first one: no hit of this number or
/// of a higher one comes before it.
fn first_block(run: &Run<'_>, bin_number: u64) -> Result<u64, MintError> {
    let file = run.file()?;
    let (mut low, mut high) = (0, run.header.block_count);
    // All blocks before `low` begin at or before `bin_number`, all from `high` on after it.
    while low < high {
        let middle = low + (high - low) / 2;
        let mut first = [0; u64::SIZE];
        let offset = HEADER_SIZE + BLOCK_SIZE * middle + block::FIRST_BIN_NUMBER.start() as u64;
        file.read_at(&mut first, offset).map_err(FileError::on("read", run.path()))?;
        if u64::from_bytes(&first) <= bin_number {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low.saturating_sub(1))
}
