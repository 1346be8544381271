//! The records of merged parts: which parts of a coin file are in it, durably.
//!
//! Each part has a small file of its own beside the coin file, so that machines that merge parts at
//! the same time share no file that they write. It holds what the header of the complete file needs
//! of the part. A record that is damaged or of another period is ignored: its part is merged again.

use super::error::MintError;
use super::files::{names, path_of, remove_if_there};
use super::job::MintJob;
use super::shard::Shard;
use crate::coin_file::{get_u32, get_u64, is_sealed, put, seal};
use crate::error::FileError;
use crate::host::{Directory, read_whole, replace_whole};

const MAGIC: [u8; 8] = *b"\x89MMP\r\n\x1a\n";
const RECORD_SIZE: usize = 64;

/// The record of a part that was merged.
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
        let mut bytes = vec![0; RECORD_SIZE];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, job.key.tag());
        put(&mut bytes, 24, params_checksum(job).to_le_bytes());
        put(&mut bytes, 28, part.index().to_le_bytes());
        put(&mut bytes, 32, part.count().to_le_bytes());
        put(&mut bytes, 36, self.checksum.to_le_bytes());
        put(&mut bytes, 40, self.ball_count.to_le_bytes());
        seal(&mut bytes);
        let name = name(job.name, part);
        let written = replace_whole(job.directory, &name, &bytes);
        Ok(written.map_err(FileError::on("write", path_of(job.directory, &name)))?)
    }

    /// The record of a part, if there is one.
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
        let is_good = bytes.len() == RECORD_SIZE
            && is_sealed(&bytes)
            && bytes[..8] == MAGIC
            && bytes[8..24] == job.key.tag()
            && get_u32(&bytes, 24) == params_checksum(job)
            && (get_u32(&bytes, 28), get_u32(&bytes, 32)) == (part.index(), part.count());
        let record = MergedPart { ball_count: get_u64(&bytes, 40), checksum: get_u32(&bytes, 36) };
        Ok(is_good.then_some(record))
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
