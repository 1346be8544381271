//! The owners file of a period: who bought which set, as tags that vendors can check.
//!
//! Input: the sales. Output: a small file, four bytes for each set. With it a vendor refuses
//! invented users and unsold superbins before it checks anything else. The invariant: the file
//! contains no names; a tag is the first bytes of a hash over period and User-ID.
//! `docs/reference/broker.md` describes it byte by byte.

use sha2::{Digest, Sha256};

use crate::bytes::{CHECKSUM_SIZE, Field, Fixed, Writer, open, pad, seal, unpad};
use crate::hash::leading_u64;
use crate::identity::UserId;
use crate::params::Params;
use crate::period::{PERIOD_LEN_MAX, Period, PeriodError};
use crate::time::UnixTime;

const MAGIC: [u8; 8] = *b"MMowners";
const VERSION: u32 = 1;
const HEADER_SIZE: usize = 64;
/// The size of a tag, in bytes.
const TAG_SIZE: usize = 4;

/// The header, a sealed block; the tags follow it.
mod header {
    use super::*;

    pub(super) const MAGIC: Field<[u8; 8]> = Field::at(0);
    pub(super) const VERSION: Field<u32> = MAGIC.then();
    pub(super) const SETS: Field<u32> = VERSION.then();
    pub(super) const PERIOD: Field<[u8; PERIOD_LEN_MAX]> = SETS.then();
    pub(super) const MADE: Field<UnixTime> = PERIOD.then();
    pub(super) const TAGS_CHECKSUM: Field<u32> = MADE.then();
    const _: () = assert!(TAGS_CHECKSUM.end() + CHECKSUM_SIZE == HEADER_SIZE);
}

/// The tag of a set that is not sold.
const UNSOLD: u32 = 0;

/// Who bought which set of a period, by tags.
///
/// ```
/// use micromint::owner::Owners;
/// use micromint::time::UnixTime;
/// # use micromint::testing::test_params;
/// # let params = test_params();
///
/// // The set that begins at superbin 8 belongs to alice, superbin 10 is not sold.
/// let made: UnixTime = "2026-12-05T00:00:00Z".parse()?;
/// let owners = Owners::new(&params, made, [(8, &"alice".parse()?)]);
/// assert!(owners.may_own(&"alice".parse()?, 8));
/// assert!(!owners.may_own(&"bob".parse()?, 8));
/// assert!(!owners.may_own(&"alice".parse()?, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    period: Period,
    made: UnixTime,
    /// The tag of superbin 2i at i.
    tags: Vec<u32>,
}

/// The bytes are not an owners file, or not that of this period.
#[derive(Debug, thiserror::Error)]
#[error("not an owners file of this period: {0}")]
pub struct OwnersError(String);

/// The tag of a user in a period: the first 4 bytes, big-endian, of SHA-256("micromint owner" || 0
/// || period || 0 || User-ID). If they are 0, which means unsold, the tag is 1.
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
    /// The owners of the period of `params` at the time `made`: the first superbin of each sold set
    /// and its buyer, in any order. Superbins that the period does not have are ignored.
    pub fn new<'a>(
        params: &Params,
        made: UnixTime,
        sold: impl IntoIterator<Item = (u32, &'a UserId)>,
    ) -> Owners {
        let period = params.period().clone();
        let mut tags = vec![UNSOLD; (params.superbin_count() / 2) as usize];
        for (first_superbin, user) in sold {
            if let Some(tag) = tags.get_mut(first_superbin as usize / 2) {
                *tag = owner_tag(&period, user);
            }
        }
        Owners { period, made, tags }
    }

    /// Whether the set that begins at `first_superbin` may be this user's. True for its owner, and
    /// for another user with a probability of 2^-32.
    pub fn may_own(&self, user: &UserId, first_superbin: u32) -> bool {
        first_superbin.is_multiple_of(2)
            && self.tags.get(first_superbin as usize / 2) == Some(&owner_tag(&self.period, user))
    }

    /// When the file was made. Sets that were sold later look unsold in it.
    pub fn made(&self) -> UnixTime {
        self.made
    }

    /// The number of sold sets.
    pub fn sold(&self) -> u64 {
        self.tags.iter().filter(|tag| **tag != UNSOLD).count() as u64
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_SIZE];
        let mut writer = Writer::new(&mut bytes);
        for tag in &self.tags {
            writer.u32(*tag);
        }
        let (header, tags) = bytes.split_at_mut(HEADER_SIZE);
        header::MAGIC.set(header, MAGIC);
        header::VERSION.set(header, VERSION);
        header::SETS.set(header, self.tags.len() as u32);
        header::PERIOD.set(header, pad(self.period.as_str()));
        header::MADE.set(header, self.made);
        header::TAGS_CHECKSUM.set(header, crc32c::crc32c(tags));
        seal(header);
        bytes
    }

    /// Reads the owners file of the period of `params`.
    ///
    /// # Errors
    /// The bytes are something else, damaged, or of another period.
    pub fn from_bytes(bytes: &[u8], params: &Params) -> Result<Owners, OwnersError> {
        let error = |why: &str| OwnersError(why.to_string());
        let (header, tags) = bytes
            .split_at_checked(HEADER_SIZE)
            .filter(|(header, _)| header::MAGIC.get(header) == MAGIC)
            .ok_or_else(|| error("another head"))?;
        if open(header).is_none() || header::TAGS_CHECKSUM.get(header) != crc32c::crc32c(tags) {
            return Err(error("damaged"));
        }
        let version = header::VERSION.get(header);
        if version != VERSION {
            return Err(OwnersError(format!("expected version {VERSION}, found {version}")));
        }
        let name = header::PERIOD.get(header);
        let name = unpad(&name).ok_or_else(|| error("a period that is not text"))?;
        let period: Period = name.parse().map_err(|why: PeriodError| error(&why.to_string()))?;
        let (expected, found) = (params.superbin_count() / 2, header::SETS.get(header));
        if period != *params.period()
            || u64::from(found) != expected
            || tags.len() != found as usize * TAG_SIZE
        {
            return Err(OwnersError(format!(
                "expected {} with {expected} sets, found {period} with {found}",
                params.period(),
            )));
        }
        let tags = tags.as_chunks::<TAG_SIZE>().0.iter().map(|tag| u32::from_bytes(tag)).collect();
        Ok(Owners { period, made: header::MADE.get(header), tags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{params_with, test_params};

    const MADE: UnixTime = UnixTime(1_796_083_200);

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn a_file_names_the_owners_of_sold_sets_only() {
        let (alice, bob) = (user("alice"), user("bob"));
        let owners = Owners::new(&test_params(), MADE, [(0, &alice), (4, &bob), (2, &alice)]);
        assert_eq!((owners.sold(), owners.made()), (3, MADE));
        let bytes = owners.to_bytes();
        assert_eq!(bytes.len(), 64 + 4 * 32);
        let read = Owners::from_bytes(&bytes, &test_params()).unwrap();
        assert_eq!(read, owners);
        let sold_to =
            |name: &str| (0..70).filter(|s| read.may_own(&user(name), *s)).collect::<Vec<_>>();
        assert_eq!(sold_to("alice"), [0, 2]);
        assert_eq!(sold_to("bob"), [4]);
        assert_eq!(sold_to("eve"), [0; 0]);
    }

    #[test]
    fn superbins_outside_the_period_are_left_out() {
        let alice = user("alice");
        let owners = Owners::new(&test_params(), MADE, [(62, &alice), (64, &alice)]);
        assert_eq!(owners.sold(), 1);
        assert!(owners.may_own(&alice, 62) && !owners.may_own(&alice, 64));
    }

    #[test]
    fn other_files_and_damage_are_refused() {
        let bytes = Owners::new(&test_params(), MADE, []).to_bytes();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(Owners::from_bytes(&damaged, &test_params()).is_err(), "{at}");
            assert!(Owners::from_bytes(&bytes[..at], &test_params()).is_err(), "{at}");
        }
        let january = params_with(|raw| raw.period = "2027-01".parse().unwrap());
        let error = Owners::from_bytes(&bytes, &january).unwrap_err().to_string();
        assert!(error.contains("expected 2027-01 with 32 sets, found 2026-12"), "{error}");
    }

    /// SHA-256("micromint owner" 00 "2026-12" 00 "alice"), computed with sha256sum.
    #[test]
    fn a_tag_has_the_documented_value() {
        assert_eq!(owner_tag(test_params().period(), &user("alice")), ALICE);
    }

    const ALICE: u32 = 0x43b2_b389;
}
