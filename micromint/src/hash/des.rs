//! `des`: the iv encrypted with DES (FIPS 46-3) under the key made from x.
//!
//! x is a 56-bit integer, bit 55 first. DES keys are eight bytes whose low bits are parity bits
//! that the cipher ignores, so key byte i holds bits 55-7i .. 49-7i of x in its upper seven bits. A
//! ball is its 56-bit x, never an 8-byte key: 256 keys would name the same ball.
//!
//! A single key is hashed by the crate `des`, against which the other implementations are tested:
//! [`Block`] for the balls of a few coins, and the kernel of [`super::bulk`] for many.

use super::des_few::Block;
use super::{HashFunction, HashName};
use crate::bytes::{from_u64_be, u64_be};
use ::des::cipher::{BlockCipherEncrypt, KeyInit};

#[derive(Debug)]
pub(super) struct Des {
    iv: [u8; 8],
    /// The same, in the form of [`des_few`](super::des_few).
    block: Block,
}

impl Des {
    pub(super) fn new(iv: u64) -> Des {
        Des { iv: u64_be(iv), block: Block::new(iv) }
    }
}

/// The eight key bytes of x, parity bits zero.
fn key_bytes(x: u64) -> [u8; 8] {
    std::array::from_fn(|i| ((x >> (49 - 7 * i)) as u8 & 0x7f) << 1)
}

impl HashFunction for Des {
    fn name(&self) -> HashName {
        HashName::Des
    }

    fn hash(&self, x: u64) -> u64 {
        let mut block = self.iv.into();
        ::des::Des::new(&key_bytes(x).into()).encrypt_block(&mut block);
        from_u64_be(block.into())
    }

    fn hash_many(&self, x: &[u64], y: &mut [u64]) {
        let done = super::bulk::des_hash_many(from_u64_be(self.iv), x, y);
        self.block.encrypt_under(&x[done..], &mut y[done..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inverse of `key_bytes`: drops the parity bits of an 8-byte key.
    fn x_of_key(key: u64) -> u64 {
        key.to_be_bytes().iter().fold(0, |x, byte| x << 7 | u64::from(byte >> 1))
    }

    /// Known answers: (key, plaintext, ciphertext). The first is the worked example of J. O.
    /// Grabbe's "The DES Algorithm Illustrated"; the others are from NIST SP 800-17, tables of the
    /// variable plaintext, variable key, permutation and substitution tests.
    #[test]
    fn agrees_with_published_known_answers() {
        for (key, plain, cipher) in [
            (0x133457799BBCDFF1, 0x0123456789ABCDEF, 0x85E813540F0AB405),
            (0x0101010101010101, 0x8000000000000000, 0x95F8A5E5DD31D900),
            (0x0101010101010101, 0x0000000000000001, 0x166B40B44ABA4BD6),
            (0x8001010101010101, 0x0000000000000000, 0x95A8D72813DAA94D),
            (0x0101010101010102, 0x0000000000000000, 0x869EFD7F9F265A09),
            (0x1046913489980131, 0x0000000000000000, 0x88D55E54F54C97B4),
            (0x7CA110454A1A6E57, 0x01A1D6D039776742, 0x690F5B0D9A26939B),
            (0x0131D9619DC1376E, 0x5CD54CA83DEF57DA, 0x7A389D10354BD271),
        ] {
            let (des, x) = (Des::new(plain), x_of_key(key));
            assert_eq!(des.hash(x), cipher, "key {key:016x}");
            let mut outputs = [0; 33];
            for count in [1, 33] {
                outputs.fill(0);
                des.hash_many(&[x; 33][..count], &mut outputs);
                assert_eq!(outputs[..count], [cipher; 33][..count], "key {key:016x} {count} times");
            }
        }
    }

    #[test]
    fn key_bytes_hold_x_in_order_without_parity() {
        assert_eq!(key_bytes(1 << 55), [0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(key_bytes(1), [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(key_bytes((1 << 56) - 1), [0xfe; 8]);
        assert_eq!(
            x_of_key(u64::from_be_bytes(key_bytes(0x12_3456_789a_bcde))),
            0x12_3456_789a_bcde
        );
    }
}
