//! The broker's lists at the vendor: which users were revoked, and who bought which set.
//!
//! Input: `PERIOD.revoked` and `PERIOD.owners` beside `PERIOD.params` (written by `mmbroker revoke`
//! and `mmbroker owners`, formats in `docs/reference/broker.md`). Output: whether well-formed coins
//! belong to their payer. Without an owners file nobody is refused because of ownership. The
//! invariants: an owners file that was read is never replaced by an older one; a list that was read
//! stays when its file disappears; an owners file that exists and cannot be read does not count as
//! absent.

use std::collections::BTreeSet;

use super::config_error::ConfigError;
use super::users::users_in;
use crate::authenticator::OwnerToken;
use crate::host::{Directory, read_whole};
use crate::identity::{UserId, VendorId};
use crate::owner::{Owners, Ownership};
use crate::params::Params;
use crate::period::Period;
use crate::protocol::Refusal;

/// The largest list of revoked users that is read, in bytes: enough for 400 000 of the longest
/// names.
const REVOKED_FILE_SIZE_MAX: u64 = 16 * 1024 * 1024;

/// The extensions of the lists: `PERIOD.revoked`, `PERIOD.owners`.
pub(super) const LIST_ENDINGS: [&str; 2] = ["revoked", "owners"];

/// Where the lists are, and for whom they must be.
#[derive(Clone, Copy)]
pub(super) struct ListFolder<'a> {
    pub(super) directory: &'a dyn Directory,
    pub(super) vendor: &'a VendorId,
    /// An absent owners file that was never read is an error.
    pub(super) requires_owners: bool,
}

/// The lists of one period.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    revoked: BTreeSet<UserId>,
    owners: OwnersList,
}

/// The owners file of a period.
#[derive(Clone, Debug, Default)]
enum OwnersList {
    #[default]
    Absent,
    Read(Owners),
    /// It exists and cannot be read, for this reason.
    Unreadable(String),
}

impl ListFolder<'_> {
    /// Reads the lists of the period of `params`. `before` is what was read the last time: of an
    /// owners file only what is new is read then, and a list whose file has disappeared stays.
    ///
    /// # Errors
    /// A list exists but cannot be read, or a required one does not exist and was never read.
    pub(super) fn load(
        &self,
        params: &Params,
        before: Option<&Lists>,
    ) -> Result<Lists, ConfigError> {
        let names = self.directory.names().map_err(|error| self.wrong("", error.to_string()))?;
        let mut lists = before.cloned().unwrap_or_default();
        let name = file_name(params.period(), "revoked");
        if names.contains(&name) {
            let bytes = read_whole(self.directory, &name, REVOKED_FILE_SIZE_MAX)
                .map_err(|error| self.wrong(&name, error.to_string()))?;
            let users = users_in(&bytes).map_err(|reason| self.wrong(&name, reason))?;
            lists.revoked = users.into_iter().collect();
        }
        let name = file_name(params.period(), "owners");
        if names.contains(&name) {
            lists.owners = OwnersList::Read(self.read_owners(params, before)?);
        } else if !lists.has_owners() {
            if self.requires_owners {
                let reason = "does not exist, but owners = \"required\"".to_string();
                return Err(self.wrong(&name, reason));
            }
            lists.owners = OwnersList::Absent;
        }
        Ok(lists)
    }

    fn read_owners(&self, params: &Params, before: Option<&Lists>) -> Result<Owners, ConfigError> {
        let name = file_name(params.period(), "owners");
        let before = before.and_then(|lists| match &lists.owners {
            OwnersList::Read(owners) => Some(owners),
            OwnersList::Absent | OwnersList::Unreadable(_) => None,
        });
        Owners::read(self.directory, &name, self.vendor, params, before)
            .map_err(|error| self.wrong(&name, error.to_string()))
    }

    /// The lists of a period whose owners file exists, but of which none was read before: with it
    /// if it can be read now, otherwise so that no payment is taken.
    pub(super) fn with_owners(&self, params: &Params, lists: &Lists) -> Lists {
        let owners = match self.read_owners(params, None) {
            Ok(owners) => OwnersList::Read(owners),
            Err(error) => OwnersList::Unreadable(error.to_string()),
        };
        Lists { owners, ..lists.clone() }
    }

    fn wrong(&self, name: &str, reason: String) -> ConfigError {
        ConfigError::file(&self.directory.path().join(name), reason)
    }
}

/// The name of a list.
pub(super) fn file_name(period: &Period, ending: &str) -> String {
    format!("{period}.{ending}")
}

impl Lists {
    /// Whether `user` may pay with coins of the sets that start at these superbins, for which the
    /// payment contains these tokens. There are as many tokens as superbins.
    ///
    /// # Errors
    /// [`Refusal::Revoked`]; or, if there is an owners file, [`Refusal::NotOwner`] or
    /// [`Refusal::NotYetKnown`].
    pub(super) fn check(
        &self,
        user: &UserId,
        first_superbins: &[u32],
        tokens: &[OwnerToken],
    ) -> Result<(), Refusal> {
        if self.revoked.contains(user) {
            return Err(Refusal::Revoked);
        }
        let OwnersList::Read(owners) = &self.owners else { return Ok(()) };
        let mut answer = Ok(());
        for (superbin, token) in first_superbins.iter().zip(tokens) {
            match owners.check(user, *superbin, token) {
                Ownership::Owner => {}
                Ownership::Other => return Err(Refusal::NotOwner),
                Ownership::NotYetKnown => answer = Err(Refusal::NotYetKnown),
            }
        }
        answer
    }

    /// The extensions of the lists that refuse anybody.
    pub(super) fn endings(&self) -> impl Iterator<Item = &'static str> {
        let has = [!self.revoked.is_empty(), self.has_owners()];
        LIST_ENDINGS.into_iter().zip(has).filter(|(_, has)| *has).map(|(ending, _)| ending)
    }

    /// Whether an owners file was read.
    pub(super) fn has_owners(&self) -> bool {
        matches!(self.owners, OwnersList::Read(_))
    }

    /// Whether there is no owners file.
    pub(super) fn lacks_owners(&self) -> bool {
        matches!(self.owners, OwnersList::Absent)
    }

    /// Whether an owners file was read that has no owner.
    pub(super) fn knows_nobody(&self) -> bool {
        matches!(&self.owners, OwnersList::Read(owners) if owners.count() == 0)
    }

    /// Why no payment is taken, if the owners file exists and cannot be read.
    pub(super) fn fault(&self) -> Option<&str> {
        match &self.owners {
            OwnersList::Unreadable(reason) => Some(reason),
            OwnersList::Absent | OwnersList::Read(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticator::Key;
    use crate::host::SimulatedDirectory;
    use crate::testing::{ObviousMint, test_params};

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn vendor() -> VendorId {
        "news.example".parse().unwrap()
    }

    fn key(name: &str) -> Key {
        Key::from_bytes([name.len() as u8; 32])
    }

    fn load(directory: &SimulatedDirectory, requires_owners: bool) -> Result<Lists, ConfigError> {
        let vendor = vendor();
        ListFolder { directory, vendor: &vendor, requires_owners }.load(&test_params(), None)
    }

    /// The sets from 0 on belong to these users.
    fn owners_file(vendor: &VendorId, names: &[&str]) -> Vec<u8> {
        let users: Vec<(UserId, Key)> = names.iter().map(|it| (user(it), key(it))).collect();
        let sets: Vec<(&UserId, &Key)> = users.iter().map(|(user, key)| (user, key)).collect();
        ObviousMint::new(test_params()).owners(vendor, &sets).to_bytes()
    }

    fn check(lists: &Lists, name: &str, key: &Key, sets: &[u32]) -> Result<(), Refusal> {
        let tokens: Vec<OwnerToken> =
            sets.iter().map(|first| key.owner_token(&vendor(), *first)).collect();
        lists.check(&user(name), sets, &tokens)
    }

    #[test]
    fn absent_lists_refuse_nobody() {
        let lists = load(&SimulatedDirectory::new(), false).unwrap();
        assert_eq!(check(&lists, "alice", &key("bob"), &[4, 6]), Ok(()));
        assert!(!lists.has_owners() && lists.fault().is_none());
        let error = load(&SimulatedDirectory::new(), true).unwrap_err().to_string();
        assert!(error.contains("2026-12.owners") && error.contains("required"), "{error}");
    }

    #[test]
    fn the_revoked_and_those_who_did_not_buy_are_refused() {
        let folder = SimulatedDirectory::new();
        folder.put("2026-12.revoked", b"bob\n\nmallory\n");
        folder.put("2026-12.owners", &owners_file(&vendor(), &["alice", "carol", "alice", "bob"]));
        let lists = load(&folder, true).unwrap();
        let (alice, carol) = (key("alice"), Key::from_bytes([99; 32]));
        assert_eq!(check(&lists, "alice", &alice, &[0, 4]), Ok(()));
        assert_eq!(check(&lists, "alice", &alice, &[0, 2]), Err(Refusal::NotOwner));
        assert_eq!(check(&lists, "alice", &carol, &[0]), Err(Refusal::NotOwner));
        assert_eq!(check(&lists, "eve", &alice, &[0]), Err(Refusal::NotOwner));
        assert_eq!(check(&lists, "alice", &alice, &[0, 8]), Err(Refusal::NotYetKnown));
        // A wrong tag weighs more than an unknown one, wherever it is.
        assert_eq!(check(&lists, "alice", &alice, &[8, 2]), Err(Refusal::NotOwner));
        assert_eq!(check(&lists, "bob", &key("bob"), &[6]), Err(Refusal::Revoked));
    }

    #[test]
    fn a_damaged_list_is_an_error_and_no_absent_one() {
        for (name, bytes) in [
            ("2026-12.revoked", b"alice\nno name\n".to_vec()),
            ("2026-12.revoked", b"Alice\n".to_vec()),
            ("2026-12.revoked", vec![0xff]),
            ("2026-12.owners", Vec::new()),
            ("2026-12.owners", owners_file(&vendor(), &["alice"])[1..].to_vec()),
            ("2026-12.owners", owners_file(&"shop.example".parse().unwrap(), &["alice"])),
        ] {
            let folder = SimulatedDirectory::new();
            folder.put(name, &bytes);
            let error = load(&folder, false).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
