//! The records of merged parts: which parts of a coin file are in it, durably.
//!
//! Input: the ball count and checksum of a part. Output: a small file of its own beside the coin
//! file, which holds what the header of the complete file needs to know of the part. Machines that
//! merge parts at the same time thus share no file that they write. The invariant: a record that is
//! damaged or of another period is ignored, and its part is merged again.

use super::error::MintError;
use super::files::{names, path_of, remove_if_there};
use super::job::MintJob;
use super::shard::Shard;
use crate::bytes::{CHECKSUM_SIZE, Field, open, seal};
use crate::error::FileError;
use crate::host::{Directory, read_whole, replace_whole};

const MAGIC: [u8; 8] = *b"\x89MMP\r\n\x1a\n";
const RECORD_SIZE: usize = 64;

/// The fields of a record, in the order of its bytes.
mod layout {
    use super::*;

    pub(super) const MAGIC: Field<[u8; 8]> = Field::at(0);
    pub(super) const KEY_TAG: Field<[u8; 16]> = MAGIC.then();
    pub(super) const PARAMS_CHECKSUM: Field<u32> = KEY_TAG.then();
    pub(super) const PART_INDEX: Field<u32> = PARAMS_CHECKSUM.then();
    pub(super) const PART_COUNT: Field<u32> = PART_INDEX.then();
    pub(super) const CHECKSUM: Field<u32> = PART_COUNT.then();
    pub(super) const BALL_COUNT: Field<u64> = CHECKSUM.then();
    const _: () = assert!(BALL_COUNT.end() + CHECKSUM_SIZE <= RECORD_SIZE);
}

/// The record of a merged part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MergedPart {
    /// The balls in the part's superbins.
    pub(super) ball_count: u64,
    /// The content checksum over them.
    pub(super) checksum: u32,
}

impl MergedPart {
    /// Writes the record durably.
    pub(super) fn write(&self, job: &MintJob<'_>, part: Shard) -> Result<(), MintError> {
        let mut bytes = [0; RECORD_SIZE];
        layout::MAGIC.set(&mut bytes, MAGIC);
        layout::KEY_TAG.set(&mut bytes, job.key_tag());
        layout::PARAMS_CHECKSUM.set(&mut bytes, params_checksum(job));
        layout::PART_INDEX.set(&mut bytes, part.index());
        layout::PART_COUNT.set(&mut bytes, part.count());
        layout::CHECKSUM.set(&mut bytes, self.checksum);
        layout::BALL_COUNT.set(&mut bytes, self.ball_count);
        seal(&mut bytes);
        let name = name(job.name, part);
        let written = replace_whole(job.directory, &name, &bytes);
        Ok(written.map_err(FileError::on("write", path_of(job.directory, &name)))?)
    }

    /// The record of a part, if it exists.
    pub(super) fn read(
        job: &MintJob<'_>,
        names: &[String],
        part: Shard,
    ) -> Result<Option<MergedPart>, MintError> {
        let name = name(job.name, part);
        if !names.contains(&name) {
            return Ok(None);
        }
        let bytes = read_whole(job.directory, &name, RECORD_SIZE as u64);
        let bytes = bytes.map_err(FileError::on("read", path_of(job.directory, &name)))?;
        let part_of = |bytes| (layout::PART_INDEX.get(bytes), layout::PART_COUNT.get(bytes));
        let is_good = bytes.len() == RECORD_SIZE
            && open(&bytes).is_some()
            && layout::MAGIC.get(&bytes) == MAGIC
            && layout::KEY_TAG.get(&bytes) == job.key_tag()
            && layout::PARAMS_CHECKSUM.get(&bytes) == params_checksum(job)
            && part_of(&bytes) == (part.index(), part.count());
        Ok(is_good.then(|| MergedPart {
            ball_count: layout::BALL_COUNT.get(&bytes),
            checksum: layout::CHECKSUM.get(&bytes),
        }))
    }
}

fn params_checksum(job: &MintJob<'_>) -> u32 {
    crc32c::crc32c(job.params.to_toml().as_bytes())
}

fn prefix(coin_file: &str) -> String {
    format!(".{coin_file}.part-")
}

fn name(coin_file: &str, part: Shard) -> String {
    format!("{}{}-of-{}", prefix(coin_file), part.index(), part.count())
}

/// Whether `name` is the name of a record of this coin file.
pub(super) fn is_of(coin_file: &str, name: &str) -> bool {
    name.starts_with(&prefix(coin_file))
}

/// Removes all records of a coin file.
pub(super) fn remove_all(directory: &dyn Directory, coin_file: &str) -> Result<(), MintError> {
    for name in names(directory)?.iter().filter(|name| is_of(coin_file, name)) {
        remove_if_there(directory, name)?;
    }
    directory.sync().map_err(FileError::on("sync", directory.path()))?;
    Ok(())
}
