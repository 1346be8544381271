//! `sha256`: the first 8 bytes, big-endian, of SHA-256(iv || x), each as 8 bytes big-endian.

use super::{HashFunction, HashName};
use crate::bytes::u64_be;
use sha2::Digest;

#[derive(Debug)]
pub(super) struct Sha256 {
    iv: [u8; 8],
}

impl Sha256 {
    pub(super) fn new(iv: u64) -> Sha256 {
        Sha256 { iv: u64_be(iv) }
    }
}

impl HashFunction for Sha256 {
    fn name(&self) -> HashName {
        HashName::Sha256
    }

    fn hash(&self, x: u64) -> u64 {
        let digest = sha2::Sha256::new().chain_update(self.iv).chain_update(u64_be(x)).finalize();
        leading_u64(&digest)
    }
}

/// The first eight bytes of a digest or an authenticator as a big-endian number.
pub(crate) fn leading_u64(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of sixteen zero bytes starts with 374708ff f7719dd5.
    #[test]
    fn agrees_with_a_known_digest() {
        assert_eq!(Sha256::new(0).hash(0), 0x3747_08ff_f771_9dd5);
    }
}
