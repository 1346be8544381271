//! The owners file of a period: who bought which set, as tags that one vendor can check.
//!
//! Input: the sales, or the file. Output: whether an owner token is that of the owner of a set. The
//! file is made for one vendor and has a tag of 8 bytes for each even superbin sold, in order. The
//! invariants: the file contains no names and no tokens, a tag is the head of a hash over period,
//! superbin, User-ID and token; within a generation the file only grows, and readers believe what
//! lies below the count in its header. `docs/reference/broker.md` describes it byte by byte.

mod file;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::authenticator::OwnerToken;
use crate::identity::{UserId, VendorId};
use crate::params::Params;
use crate::period::Period;

pub use file::{OwnersError, Written};

/// The size of a tag, in bytes.
pub const OWNER_TAG_SIZE: usize = 8;
/// The number of tags in a block of memory. Copies of the owners share all blocks but the last.
const BLOCK_TAGS: usize = 1 << 16;

/// The tag of a set.
pub type OwnerTag = [u8; OWNER_TAG_SIZE];

/// The tag of the set that starts at `first_superbin`, of `user`, whose owner token at the vendor
/// is `token`: the first 8 bytes of SHA-256("micromint owner" || 0 || period || 0 || superbin (4
/// bytes, big-endian) || User-ID || 0 || token).
pub fn owner_tag(
    period: &Period,
    first_superbin: u32,
    user: &UserId,
    token: &OwnerToken,
) -> OwnerTag {
    let digest = Sha256::new()
        .chain_update("micromint owner")
        .chain_update([0])
        .chain_update(period.as_str())
        .chain_update([0])
        .chain_update(first_superbin.to_be_bytes())
        .chain_update(user.as_str())
        .chain_update([0])
        .chain_update(token.as_bytes())
        .finalize();
    std::array::from_fn(|i| digest[i])
}

/// Who bought which set of a period, for one vendor, by tags.
///
/// ```
/// use micromint::authenticator::Key;
/// use micromint::owner::{Owners, Ownership, owner_tag};
/// # use micromint::testing::test_params;
/// # let params = test_params();
///
/// // The set that begins at superbin 0 belongs to alice; superbin 2 is not sold.
/// let (alice, bob) = ("alice".parse()?, "bob".parse()?);
/// let vendor = "news.example".parse()?;
/// let token = Key::from_bytes([7; 32]).owner_token(&vendor, 0); // the key is alice's
/// let mut owners = Owners::new(&vendor, params.period(), 1);
/// owners.extend(&[owner_tag(params.period(), 0, &alice, &token)]);
/// assert_eq!(owners.check(&alice, 0, &token), Ownership::Owner);
/// assert_eq!(owners.check(&bob, 0, &token), Ownership::Other);
/// assert_eq!(owners.check(&alice, 2, &token), Ownership::NotYetKnown);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    vendor: VendorId,
    period: Period,
    generation: u32,
    /// The tag of superbin 2i at i; every block but the last is full.
    blocks: Vec<Arc<Vec<OwnerTag>>>,
    count: u32,
    /// CRC-32C of all tags.
    checksum: u32,
}

/// Whose a set is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// The payer's.
    Owner,
    /// Not the payer's.
    Other,
    /// The set was sold after the file was made, or was never sold.
    NotYetKnown,
}

impl Owners {
    /// No set is sold yet. `generation` is the broker's, 1 or more.
    pub fn new(vendor: &VendorId, period: &Period, generation: u32) -> Owners {
        let (vendor, period) = (vendor.clone(), period.clone());
        Owners { vendor, period, generation, blocks: Vec::new(), count: 0, checksum: 0 }
    }

    /// Appends the tags of the sets that were sold next.
    pub fn extend(&mut self, mut tags: &[OwnerTag]) {
        self.checksum = crc32c::crc32c_append(self.checksum, tags.as_flattened());
        self.count += tags.len() as u32;
        while !tags.is_empty() {
            let room = match self.blocks.last_mut().filter(|block| block.len() < BLOCK_TAGS) {
                Some(last) => Arc::make_mut(last),
                None => {
                    self.blocks.push(Arc::default());
                    continue;
                }
            };
            let (now, later) = tags.split_at(tags.len().min(BLOCK_TAGS - room.len()));
            room.extend_from_slice(now);
            tags = later;
        }
    }

    /// Whether the set that starts at `first_superbin` is this user's, whose payment contains
    /// `token` for it. A wrong token passes with a probability of 2^-64.
    pub fn check(&self, user: &UserId, first_superbin: u32, token: &OwnerToken) -> Ownership {
        if !first_superbin.is_multiple_of(2) {
            return Ownership::Other;
        }
        match self.tag(first_superbin / 2) {
            None => Ownership::NotYetKnown,
            Some(tag) if tag == owner_tag(&self.period, first_superbin, user, token) => {
                Ownership::Owner
            }
            Some(_) => Ownership::Other,
        }
    }

    /// The tag at this index; `None` behind the end.
    fn tag(&self, index: u32) -> Option<OwnerTag> {
        let index = index as usize;
        self.blocks.get(index / BLOCK_TAGS)?.get(index % BLOCK_TAGS).copied()
    }

    /// The tags from index `from` on.
    pub fn tags_from(&self, from: u32) -> impl Iterator<Item = OwnerTag> + '_ {
        (from..self.count).filter_map(|index| self.tag(index))
    }

    /// The vendor for whom the tags are.
    pub fn vendor(&self) -> &VendorId {
        &self.vendor
    }

    /// The period.
    pub fn period(&self) -> &Period {
        &self.period
    }

    /// The broker's generation. It rises when the broker was restored from a backup.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The number of tags, which is the number of sets sold.
    pub fn count(&self) -> u32 {
        self.count
    }
}

/// The number of sets that a period can sell.
fn sets_max(params: &Params) -> u64 {
    params.superbin_count() / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticator::Key;
    use crate::testing::test_params;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn only_the_owner_with_the_right_token_owns_a_set() {
        let (news, shop): (VendorId, VendorId) =
            ("news.example".parse().unwrap(), "shop.example".parse().unwrap());
        let params = test_params();
        let (alice, bob) = (Key::from_bytes([1; 32]), Key::from_bytes([2; 32]));
        let mut owners = Owners::new(&news, params.period(), 1);
        for (first, name, key) in [(0, "alice", &alice), (2, "bob", &bob), (4, "alice", &alice)] {
            let token = key.owner_token(&news, first);
            owners.extend(&[owner_tag(params.period(), first, &user(name), &token)]);
        }
        let is =
            |name: &str, first: u32, token: &OwnerToken| owners.check(&user(name), first, token);
        assert_eq!(is("alice", 0, &alice.owner_token(&news, 0)), Ownership::Owner);
        assert_eq!(is("alice", 4, &alice.owner_token(&news, 4)), Ownership::Owner);
        assert_eq!(is("bob", 2, &bob.owner_token(&news, 2)), Ownership::Owner);
        for (name, first, token) in [
            ("bob", 0, alice.owner_token(&news, 0)),
            ("alice", 0, alice.owner_token(&news, 4)),
            ("alice", 0, alice.owner_token(&shop, 0)),
            ("alice", 0, bob.owner_token(&news, 0)),
            ("alice", 1, alice.owner_token(&news, 1)),
            ("mallory", 2, bob.owner_token(&news, 2)),
        ] {
            assert_eq!(is(name, first, &token), Ownership::Other, "{name} {first}");
        }
        assert_eq!(is("alice", 6, &alice.owner_token(&news, 6)), Ownership::NotYetKnown);
        assert_eq!(is("alice", u32::MAX - 1, &alice.owner_token(&news, 6)), Ownership::NotYetKnown);
    }

    #[test]
    fn blocks_are_filled_in_order_and_copies_share_them() {
        let tag = |i: usize| (i as u64).to_be_bytes();
        let all: Vec<OwnerTag> = (0..2 * BLOCK_TAGS + 5).map(tag).collect();
        let vendor = "news.example".parse().unwrap();
        let mut owners = Owners::new(&vendor, test_params().period(), 1);
        owners.extend(&all[..3]);
        owners.extend(&all[3..BLOCK_TAGS + 1]);
        let before = owners.clone();
        owners.extend(&all[BLOCK_TAGS + 1..]);
        assert!(Arc::ptr_eq(&before.blocks[0], &owners.blocks[0]));
        assert_eq!(before.count() as usize, BLOCK_TAGS + 1);
        assert!(owners.tags_from(0).eq(all.iter().copied()));
        assert!(owners.tags_from(BLOCK_TAGS as u32 - 1).eq(all[BLOCK_TAGS - 1..].iter().copied()));
        assert_eq!(owners.tag(all.len() as u32), None);
        let mut at_once = Owners::new(&vendor, test_params().period(), 1);
        at_once.extend(&all);
        assert_eq!(at_once, owners);
    }

    /// SHA-256 of 6d6963726f6d696e74206f776e6572 00 323032362d3132 00 00000008 616c696365 00
    /// 0102030405060708, computed with sha256sum.
    #[test]
    fn a_tag_has_the_documented_value() {
        let token = OwnerToken::from_bytes([1, 2, 3, 4, 5, 6, 7, 8]);
        let tag = owner_tag(test_params().period(), 8, &user("alice"), &token);
        assert_eq!(crate::hex::hex(&tag), TAG);
    }

    const TAG: &str = "6576f83139d359cc";
}
