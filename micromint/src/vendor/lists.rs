//! The broker's lists at the vendor: which users were revoked, and who bought which set.
//!
//! Input: `PERIOD.revoked` and `PERIOD.owners` beside `PERIOD.params` (written by `mmbroker revoke`
//! and `mmbroker owners`, formats in `docs/reference/broker.md`). Output: whether well-formed coins
//! belong to their payer. An absent list refuses nobody. The invariant: a list made after the
//! purchase never refuses an owner who is not revoked; a set sold after the list was made counts as
//! unsold in it.

use std::collections::BTreeSet;

use super::config_error::ConfigError;
use crate::bin::Bin;
use crate::host::{Directory, read_whole};
use crate::identity::UserId;
use crate::owner::Owners;
use crate::params::Params;
use crate::protocol::Refusal;

/// The largest list of revoked users that is read, in bytes: enough for 400 000 of the longest
/// names.
const REVOKED_FILE_SIZE_MAX: u64 = 16 * 1024 * 1024;
/// The largest owners file that is read, in bytes: enough for u = 26. Every serving process holds
/// it in memory.
const OWNERS_FILE_SIZE_MAX: u64 = 128 * 1024 * 1024 + 64;

/// The extensions of the lists: `PERIOD.revoked`, `PERIOD.owners`.
pub(super) const LIST_ENDINGS: [&str; 2] = ["revoked", "owners"];

/// The lists of one period.
#[derive(Debug, Default)]
pub(super) struct Lists {
    revoked: BTreeSet<UserId>,
    owners: Option<Owners>,
}

impl Lists {
    /// Reads the lists of the period of `params` from the folder of its parameters.
    ///
    /// # Errors
    /// A list exists but cannot be read: it does not count as absent.
    pub(super) fn load(directory: &dyn Directory, params: &Params) -> Result<Lists, ConfigError> {
        let names = directory.names().map_err(|error| wrong(directory, "", error.to_string()))?;
        let read = |ending: &str, size_max: u64| -> Result<_, ConfigError> {
            let name = format!("{}.{ending}", params.period());
            if !names.contains(&name) {
                return Ok(None);
            }
            let bytes = read_whole(directory, &name, size_max)
                .map_err(|error| wrong(directory, &name, error.to_string()))?;
            Ok(Some((name, bytes)))
        };
        let mut lists = Lists::default();
        if let Some((name, bytes)) = read("revoked", REVOKED_FILE_SIZE_MAX)? {
            lists.revoked = revoked(&bytes).map_err(|reason| wrong(directory, &name, reason))?;
        }
        if let Some((name, bytes)) = read("owners", OWNERS_FILE_SIZE_MAX)? {
            let owners = Owners::from_bytes(&bytes, params);
            lists.owners =
                Some(owners.map_err(|error| wrong(directory, &name, error.to_string()))?);
        }
        Ok(lists)
    }

    /// Whether `user` may pay with the coins that these first bins name.
    ///
    /// # Errors
    /// [`Refusal::Revoked`]; or [`Refusal::NotOwner`], if there is an owners file.
    pub(super) fn check(&self, user: &UserId, first_bins: &[Bin]) -> Result<(), Refusal> {
        if self.revoked.contains(user) {
            return Err(Refusal::Revoked);
        }
        let owns =
            |owners: &Owners| first_bins.iter().all(|bin| owners.may_own(user, bin.superbin));
        if self.owners.as_ref().is_none_or(owns) { Ok(()) } else { Err(Refusal::NotOwner) }
    }
}

/// Reads one User-ID per line; blank lines are ignored.
fn revoked(bytes: &[u8]) -> Result<BTreeSet<UserId>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(i, line)| line.trim().parse().map_err(|error| format!("line {}: {error}", i + 1)))
        .collect()
}

fn wrong(directory: &dyn Directory, name: &str, reason: String) -> ConfigError {
    ConfigError::file(&directory.path().join(name), reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::owner::owner_tag;
    use crate::testing::test_params;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn bins(superbins: &[u32]) -> Vec<Bin> {
        superbins.iter().map(|superbin| Bin { superbin: *superbin, subbin: 0 }).collect()
    }

    /// An owners file in which `alice` bought the set that begins at superbin 4, in the format of
    /// `docs/reference/broker.md`.
    fn owners_file(params: &Params) -> Vec<u8> {
        let mut tags = vec![0u8; 2 * params.superbin_count() as usize];
        tags[8..12].copy_from_slice(&owner_tag(params.period(), &user("alice")).to_le_bytes());
        let mut bytes = vec![0u8; 64];
        bytes[..8].copy_from_slice(b"MMowners");
        bytes[8..12].copy_from_slice(&1u32.to_le_bytes());
        bytes[12..16].copy_from_slice(&(tags.len() as u32 / 4).to_le_bytes());
        bytes[16..16 + params.period().as_str().len()]
            .copy_from_slice(params.period().as_str().as_bytes());
        let checksum = crc32c::crc32c(&tags);
        bytes[56..60].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
        [bytes, tags].concat()
    }

    #[test]
    fn absent_lists_refuse_nobody() {
        let lists = Lists::load(&SimulatedDirectory::new(), &test_params()).unwrap();
        assert_eq!(lists.check(&user("alice"), &bins(&[4, 6])), Ok(()));
    }

    #[test]
    fn the_revoked_and_those_who_did_not_buy_are_refused() {
        let params = test_params();
        let folder = SimulatedDirectory::new();
        folder.put(&format!("{}.revoked", params.period()), b"bob\n\nmallory\n");
        folder.put(&format!("{}.owners", params.period()), &owners_file(&params));
        let lists = Lists::load(&folder, &params).unwrap();
        assert_eq!(lists.check(&user("alice"), &bins(&[4, 4])), Ok(()));
        assert_eq!(lists.check(&user("alice"), &bins(&[4, 6])), Err(Refusal::NotOwner));
        assert_eq!(lists.check(&user("carol"), &bins(&[4])), Err(Refusal::NotOwner));
        assert_eq!(lists.check(&user("mallory"), &bins(&[4])), Err(Refusal::Revoked));
    }

    #[test]
    fn a_damaged_list_is_an_error_and_no_absent_one() {
        let params = test_params();
        let name = |ending: &str| format!("{}.{ending}", params.period());
        for (ending, bytes) in [
            ("revoked", b"alice\nno name\n".to_vec()),
            ("revoked", vec![0xff]),
            ("owners", Vec::new()),
            ("owners", owners_file(&params)[1..].to_vec()),
        ] {
            let folder = SimulatedDirectory::new();
            folder.put(&name(ending), &bytes);
            let error = Lists::load(&folder, &params).unwrap_err().to_string();
            assert!(error.contains(&name(ending)), "{error}");
        }
    }
}
