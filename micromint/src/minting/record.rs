//! Records of merging: which parts of a coin file stand in it, durably.
//!
//! One small file a part, beside the coin file, so that machines that merge parts at one time write
//! nothing in common. It holds what the header of the complete file needs of the part. A record that is
//! damaged, or of another period, counts as none: its part is merged again.

use super::error::MintError;
use super::run_file::path_of;
use super::shard::Shard;
use super::target::{Target, remove_if_there};
use crate::coin_file::{get_u32, get_u64, is_sealed, put, seal};
use crate::error::FileError;
use crate::host::{Directory, read_whole, replace_whole};

const MAGIC: [u8; 8] = *b"\x89MMP\r\n\x1a\n";
const RECORD_SIZE: usize = 64;

/// What was merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The balls in the part's superbins.
    pub(super) ball_count: u64,
    /// The content checksum over them.
    pub(super) checksum: u32,
}

impl Record {
    /// Writes it durably.
    pub(super) fn write(&self, target: &Target<'_>, part: Shard) -> Result<(), MintError> {
        let mut bytes = vec![0; RECORD_SIZE];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, target.key.tag());
        put(&mut bytes, 24, params_checksum(target).to_le_bytes());
        put(&mut bytes, 28, part.index().to_le_bytes());
        put(&mut bytes, 32, part.count().to_le_bytes());
        put(&mut bytes, 36, self.checksum.to_le_bytes());
        put(&mut bytes, 40, self.ball_count.to_le_bytes());
        seal(&mut bytes);
        let name = name(target.name, part);
        let written = replace_whole(target.directory, &name, &bytes);
        Ok(written.map_err(FileError::on("write", path_of(target.directory, &name)))?)
    }

    /// The record of a part, if there is one.
    pub(super) fn read(
        target: &Target<'_>,
        names: &[String],
        part: Shard,
    ) -> Result<Option<Record>, MintError> {
        let name = name(target.name, part);
        if !names.contains(&name) {
            return Ok(None);
        }
        let bytes = read_whole(target.directory, &name, RECORD_SIZE as u64);
        let bytes = bytes.map_err(FileError::on("read", path_of(target.directory, &name)))?;
        let is_good = bytes.len() == RECORD_SIZE
            && is_sealed(&bytes)
            && bytes[..8] == MAGIC
            && bytes[8..24] == target.key.tag()
            && get_u32(&bytes, 24) == params_checksum(target)
            && (get_u32(&bytes, 28), get_u32(&bytes, 32)) == (part.index(), part.count());
        let record = Record { ball_count: get_u64(&bytes, 40), checksum: get_u32(&bytes, 36) };
        Ok(is_good.then_some(record))
    }
}

fn params_checksum(target: &Target<'_>) -> u32 {
    crc32c::crc32c(target.params.to_toml().as_bytes())
}

fn prefix(coin_file: &str) -> String {
    format!(".{coin_file}.part-")
}

fn name(coin_file: &str, part: Shard) -> String {
    format!("{}{}-of-{}", prefix(coin_file), part.index(), part.count())
}

/// Whether `name` is that of a record of this coin file.
pub(super) fn is_of(coin_file: &str, name: &str) -> bool {
    name.starts_with(&prefix(coin_file))
}

/// Removes all records of a coin file.
pub(super) fn remove_all(directory: &dyn Directory, coin_file: &str) -> Result<(), MintError> {
    let names = directory.names().map_err(FileError::on("read", directory.path()))?;
    for name in names.iter().filter(|name| is_of(coin_file, name)) {
        remove_if_there(directory, name)?;
    }
    directory.sync().map_err(FileError::on("sync", directory.path()))?;
    Ok(())
}
