//! The owners file of a period: who bought which set, as tags that vendors can check.
//!
//! In go the sales, out comes a small file (four bytes a set) with which a vendor refuses invented users
//! and unsold superbins at the door. It names nobody: a tag is the head of a hash over period and
//! User-ID. `docs/reference/broker.md` describes it byte by byte.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{Broker, BrokerError};
use crate::hash::leading_u64;
use crate::identity::UserId;
use crate::params::Params;
use crate::period::Period;
use crate::time::UnixTime;

const MAGIC: &[u8; 8] = b"MMowners";
const VERSION: u32 = 1;
const HEADER_SIZE: usize = 64;
/// Stands for a set that is not sold.
const UNSOLD: u32 = 0;

/// Who bought which set of a period, by tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    period: Period,
    made: UnixTime,
    /// The tag of superbin 2i at i.
    tags: Vec<u32>,
}

/// The bytes are no owners file, or not that of this period.
#[derive(Debug, thiserror::Error)]
#[error("no owners file of this period: {0}")]
pub struct OwnersError(String);

/// The tag of a user in a period: the first 4 bytes, big-endian, of SHA-256("micromint owner" || 0 ||
/// period || 0 || User-ID). Where they are 0, which stands for unsold, the tag is 1.
pub(crate) fn owner_tag(period: &Period, user: &UserId) -> u32 {
    let digest = Sha256::new()
        .chain_update("micromint owner")
        .chain_update([0])
        .chain_update(period.as_str())
        .chain_update([0])
        .chain_update(user.as_str())
        .finalize();
    ((leading_u64(&digest) >> 32) as u32).max(1)
}

impl Owners {
    /// Whether the set that begins at `first_superbin` may be this user's. An owner is never refused;
    /// a stranger passes once in 2^32.
    pub fn may_own(&self, user: &UserId, first_superbin: u32) -> bool {
        first_superbin.is_multiple_of(2)
            && self.tags.get(first_superbin as usize / 2) == Some(&owner_tag(&self.period, user))
    }

    /// When the file was made: sets sold later look unsold in it.
    pub fn made(&self) -> UnixTime {
        self.made
    }

    /// The number of sold sets.
    pub fn sold(&self) -> u64 {
        self.tags.iter().filter(|tag| **tag != UNSOLD).count() as u64
    }

    /// Prints the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let tags: Vec<u8> = self.tags.iter().flat_map(|tag| tag.to_be_bytes()).collect();
        let mut bytes = vec![0; HEADER_SIZE];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_be_bytes());
        bytes[12..16].copy_from_slice(&(self.tags.len() as u32).to_be_bytes());
        bytes[16..16 + self.period.as_str().len()].copy_from_slice(self.period.as_str().as_bytes());
        bytes[48..56].copy_from_slice(&self.made.0.to_be_bytes());
        bytes[56..60].copy_from_slice(&crc32c::crc32c(&tags).to_be_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_be_bytes());
        bytes.extend_from_slice(&tags);
        bytes
    }

    /// Reads the owners file of the period of `params`.
    ///
    /// # Errors
    /// The bytes are something else, damaged, or of another period.
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<Owners, OwnersError> {
        let error = |why: &str| OwnersError(why.to_string());
        let (header, tags) = bytes
            .split_first_chunk::<HEADER_SIZE>()
            .filter(|(header, _)| &header[..8] == MAGIC)
            .ok_or_else(|| error("another head"))?;
        let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| header[at + i]));
        if word(60) != crc32c::crc32c(&header[..60]) || word(56) != crc32c::crc32c(tags) {
            return Err(error("damaged"));
        }
        if word(8) != VERSION {
            return Err(OwnersError(format!("expected version {VERSION}, found {}", word(8))));
        }
        let name = String::from_utf8_lossy(&header[16..48]);
        let period =
            Period::from_str(name.trim_end_matches('\0')).map_err(|why| error(&why.to_string()))?;
        let sets = params.superbin_count() / 2;
        if period != *params.period()
            || u64::from(word(12)) != sets
            || tags.len() as u64 != 4 * sets
        {
            return Err(OwnersError(format!(
                "expected {} with {sets} sets, found {period} with {}",
                params.period(),
                word(12)
            )));
        }
        let made = UnixTime(i64::from_be_bytes(std::array::from_fn(|i| header[48 + i])));
        let tags = tags.as_chunks::<4>().0.iter().map(|tag| u32::from_be_bytes(*tag)).collect();
        Ok(Owners { period, made, tags })
    }
}

impl Broker {
    /// Who bought which set up to now.
    ///
    /// # Errors
    /// The files cannot be used.
    pub fn owners(&mut self, now: UnixTime) -> Result<Owners, BrokerError> {
        self.locked(now, |broker| {
            let period = broker.params().period().clone();
            let mut tags = vec![UNSOLD; (broker.params().superbin_count() / 2) as usize];
            for sale in broker.state.sales.values() {
                let tag = owner_tag(&period, &sale.user);
                sale.first_superbins().for_each(|first| tags[first as usize / 2] = tag);
            }
            Ok(Owners { period, made: now, tags })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DURING, MINT, directory, open, user};
    use super::*;
    use crate::testing::params_with;

    #[test]
    fn owners_are_known_and_nobody_else() {
        let mut broker = open(&directory());
        broker.withdraw(&user("alice"), 2, 1, DURING).unwrap().granted().unwrap();
        broker.withdraw(&user("bob"), 1, 2, DURING).unwrap().granted().unwrap();
        let owners = broker.owners(DURING).unwrap();
        assert_eq!((owners.sold(), owners.made()), (3, DURING));
        let bytes = owners.to_bytes();
        assert_eq!(bytes.len(), 64 + 4 * 32);
        let read = Owners::from_bytes(&bytes, MINT.params()).unwrap();
        assert_eq!(read, owners);
        let sold_to =
            |name: &str| (0..70).filter(|s| read.may_own(&user(name), *s)).collect::<Vec<_>>();
        assert_eq!(sold_to("alice"), [0, 2]);
        assert_eq!(sold_to("bob"), [4]);
        assert_eq!(sold_to("eve"), [0; 0]);
    }

    #[test]
    fn other_files_and_damage_are_refused() {
        let bytes = open(&directory()).owners(DURING).unwrap().to_bytes();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(Owners::from_bytes(&damaged, MINT.params()).is_err(), "{at}");
            assert!(Owners::from_bytes(&bytes[..at], MINT.params()).is_err(), "{at}");
        }
        let january = params_with(|raw| raw.period = "2027-01".parse().unwrap());
        let error = Owners::from_bytes(&bytes, &january).unwrap_err().to_string();
        assert!(error.contains("expected 2027-01 with 32 sets, found 2026-12"), "{error}");
    }

    /// SHA-256("micromint owner" 00 "2026-12" 00 "alice"), computed with sha256sum.
    #[test]
    fn a_tag_has_the_documented_value() {
        assert_eq!(owner_tag(MINT.params().period(), &user("alice")), ALICE);
    }

    const ALICE: u32 = 0x43b2_b389;
}
