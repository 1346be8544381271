//! The owners file on disk.
//!
//! Input: a file from outside, or owners to write. Output: the owners in it; an appended or a new
//! file. The invariant: tags are appended and synced before the slot of the header that counts
//! them, so a reader finds every tag below the count that it read, also while the file grows.

use std::io;

use sha2::{Digest, Sha256};

use super::{OWNER_TAG_SIZE, OwnerTag, Owners, sets_max};
use crate::bytes::{CHECKSUM_SIZE, Field, open, pad, seal, unpad};
use crate::host::{Directory, File, Open, replace_public};
use crate::identity::VendorId;
use crate::params::Params;
use crate::period::PERIOD_LEN_MAX;

const MAGIC: [u8; 8] = *b"MMowners";
const VERSION: u32 = 2;
/// The size of each of the two slots at the beginning of the file.
const SLOT_SIZE: usize = 128;
/// Where the tags begin.
const HEADER_SIZE: usize = 2 * SLOT_SIZE;
/// How many tags are read or written at a time.
const CHUNK_TAGS: usize = 1 << 16;

/// A slot, a sealed block. The valid one with the higher generation and count is the header.
mod slot {
    use super::*;

    pub(super) const MAGIC: Field<[u8; 8]> = Field::at(0);
    pub(super) const VERSION: Field<u32> = MAGIC.then();
    pub(super) const GENERATION: Field<u32> = VERSION.then();
    pub(super) const COUNT: Field<u32> = GENERATION.then();
    /// CRC-32C of the tags below the count.
    pub(super) const CHECKSUM: Field<u32> = COUNT.then();
    /// SHA-256 of the Vendor-ID.
    pub(super) const VENDOR: Field<[u8; 32]> = CHECKSUM.then();
    pub(super) const PERIOD: Field<[u8; PERIOD_LEN_MAX]> = VENDOR.then();
    const _: () = assert!(PERIOD.end() + CHECKSUM_SIZE <= SLOT_SIZE);
}

/// Why an owners file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnersError {
    /// An error of the operating system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes are not an owners file, or are damaged.
    #[error("not an owners file: {0}")]
    Damaged(&'static str),
    /// The file has another version.
    #[error("an owners file of version {found}, expected {VERSION}")]
    Version {
        /// The version of the file.
        found: u32,
    },
    /// The file was made for another vendor.
    #[error("an owners file for another vendor than {expected}")]
    OtherVendor {
        /// This vendor.
        expected: VendorId,
    },
    /// The file is of another period.
    #[error("an owners file of period {found:?}, expected {expected:?}")]
    OtherPeriod {
        /// This period.
        expected: String,
        /// The period of the file.
        found: String,
    },
    /// There are more tags than the period has sets.
    #[error("{found} sets, and the period has {max}")]
    TooMany {
        /// The number of tags.
        found: u32,
        /// The number of sets of the period.
        max: u64,
    },
    /// What is to be read or written is older than what there is.
    #[error(
        "generation {generation} with {count} sets is older than generation {newer_generation} \
         with {newer_count}"
    )]
    Older {
        /// The generation of the older one.
        generation: u32,
        /// Its number of tags.
        count: u32,
        /// The generation of the newer one.
        newer_generation: u32,
        /// Its number of tags.
        newer_count: u32,
    },
    /// Two files of one generation do not have the same tags.
    #[error("other tags than before in the same generation {0}")]
    Changed(u32),
}

/// What [`Owners::write`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The file was created, or replaced as a whole.
    Whole,
    /// This many tags were appended.
    Appended(u32),
}

/// The content of a valid slot.
struct Head {
    /// 0 or 1.
    slot: usize,
    generation: u32,
    count: u32,
    checksum: u32,
}

impl Owners {
    /// Reads the owners file of `vendor` for the period of `params`. With `before`, which was read
    /// from the same name, only the tags that are new are read.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, is for another vendor or period, or is older than
    /// `before`.
    pub fn read(
        directory: &dyn Directory,
        name: &str,
        vendor: &VendorId,
        params: &Params,
        before: Option<&Owners>,
    ) -> Result<Owners, OwnersError> {
        let file = directory.open(name, Open::Read)?;
        let head = Head::read(file.as_ref(), vendor, params)?;
        let mut owners = match before {
            Some(before) => before.next(&head)?,
            None => Owners::new(vendor, params.period(), head.generation),
        };
        let mut chunk: Vec<OwnerTag> = Vec::new();
        while owners.count < head.count {
            chunk.resize(
                ((head.count - owners.count) as usize).min(CHUNK_TAGS),
                OwnerTag::default(),
            );
            file.read_at(chunk.as_flattened_mut(), offset(owners.count))?;
            owners.extend(&chunk);
        }
        match (owners.checksum == head.checksum, before) {
            (true, _) => Ok(owners),
            (false, Some(before)) if before.generation == head.generation => {
                Err(OwnersError::Changed(head.generation))
            }
            (false, _) => Err(OwnersError::Damaged("the checksum of the tags is wrong")),
        }
    }

    /// What a file with this header continues: these owners, or nothing in a higher generation.
    fn next(&self, head: &Head) -> Result<Owners, OwnersError> {
        if (head.generation, head.count) < (self.generation, self.count) {
            return Err(OwnersError::Older {
                generation: head.generation,
                count: head.count,
                newer_generation: self.generation,
                newer_count: self.count,
            });
        }
        if head.generation == self.generation {
            return Ok(self.clone());
        }
        Ok(Owners::new(&self.vendor, &self.period, head.generation))
    }

    /// Writes the owners file: appends what is new to the file of this name, or writes it as a
    /// whole if it does not exist, is of a lower generation, or belongs to a user who lets this one
    /// only read it. A file that is written as a whole can be read by every user.
    ///
    /// # Errors
    /// The file cannot be written; it is damaged or for another vendor or period; it is newer; or
    /// it has other tags in the same generation. It did not change then.
    pub fn write(
        &self,
        directory: &dyn Directory,
        name: &str,
        params: &Params,
    ) -> Result<Written, OwnersError> {
        let (file, is_writable) = match directory.open(name, Open::Write) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                replace_public(directory, name, &self.to_bytes())?;
                return Ok(Written::Whole);
            }
            // Such as one that root installed in a folder of this user.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                (directory.open(name, Open::Read)?, false)
            }
            Err(error) => return Err(error.into()),
        };
        let head = Head::read(file.as_ref(), &self.vendor, params)?;
        if (self.generation, self.count) < (head.generation, head.count) {
            return Err(OwnersError::Older {
                generation: self.generation,
                count: self.count,
                newer_generation: head.generation,
                newer_count: head.count,
            });
        }
        if self.generation > head.generation {
            replace_public(directory, name, &self.to_bytes())?;
            return Ok(Written::Whole);
        }
        if self.checksum_below(head.count) != head.checksum {
            return Err(OwnersError::Changed(head.generation));
        }
        if !is_writable && self.count > head.count {
            replace_public(directory, name, &self.to_bytes())?;
            return Ok(Written::Whole);
        }
        self.append(file.as_ref(), &head)?;
        Ok(Written::Appended(self.count - head.count))
    }

    fn append(&self, file: &dyn File, head: &Head) -> io::Result<()> {
        if self.count == head.count {
            return Ok(());
        }
        let mut at = head.count;
        let mut tags = self.tags_from(at).peekable();
        while tags.peek().is_some() {
            let chunk: Vec<OwnerTag> = tags.by_ref().take(CHUNK_TAGS).collect();
            file.write_at(chunk.as_flattened(), offset(at))?;
            at += chunk.len() as u32;
        }
        file.sync()?;
        let slot = 1 - head.slot;
        file.write_at(&self.slot(), (slot * SLOT_SIZE) as u64)?;
        file.sync()
    }

    /// CRC-32C of the first `count` tags.
    fn checksum_below(&self, count: u32) -> u32 {
        let mut left = count as usize;
        let mut checksum = 0;
        for block in &self.blocks {
            let tags = &block[..left.min(block.len())];
            checksum = crc32c::crc32c_append(checksum, tags.as_flattened());
            left -= tags.len();
        }
        checksum
    }

    /// The bytes of the whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_SIZE + OWNER_TAG_SIZE * self.count as usize);
        bytes.extend_from_slice(&self.slot());
        bytes.resize(HEADER_SIZE, 0);
        self.blocks.iter().for_each(|block| bytes.extend_from_slice(block.as_flattened()));
        bytes
    }

    fn slot(&self) -> [u8; SLOT_SIZE] {
        let mut slot = [0; SLOT_SIZE];
        slot::MAGIC.set(&mut slot, MAGIC);
        slot::VERSION.set(&mut slot, VERSION);
        slot::GENERATION.set(&mut slot, self.generation);
        slot::COUNT.set(&mut slot, self.count);
        slot::CHECKSUM.set(&mut slot, self.checksum);
        slot::VENDOR.set(&mut slot, digest_of(&self.vendor));
        slot::PERIOD.set(&mut slot, pad(self.period.as_str()));
        seal(&mut slot);
        slot
    }
}

impl Head {
    /// The header of a file, which must be for this vendor and period.
    fn read(file: &dyn File, vendor: &VendorId, params: &Params) -> Result<Head, OwnersError> {
        let mut header = [0; HEADER_SIZE];
        file.read_at(&mut header, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => OwnersError::Damaged("it ends inside its header"),
            _ => error.into(),
        })?;
        let slots = header.as_chunks::<SLOT_SIZE>().0;
        let is_valid =
            |slot: &&[u8; SLOT_SIZE]| slot::MAGIC.get(*slot) == MAGIC && open(*slot).is_some();
        let rank = |slot: &[u8; SLOT_SIZE]| (slot::GENERATION.get(slot), slot::COUNT.get(slot));
        let (at, slot) = slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| is_valid(slot))
            .max_by_key(|(_, slot)| rank(slot))
            .ok_or(OwnersError::Damaged("it has no valid header"))?;
        let head = Head {
            slot: at,
            generation: slot::GENERATION.get(slot),
            count: slot::COUNT.get(slot),
            checksum: slot::CHECKSUM.get(slot),
        };
        let found = slot::VERSION.get(slot);
        if found != VERSION {
            return Err(OwnersError::Version { found });
        }
        let period = slot::PERIOD.get(slot);
        let period = unpad(&period).ok_or(OwnersError::Damaged("its period is not text"))?;
        if period != params.period().as_str() {
            let (expected, found) = (params.period().to_string(), period.to_string());
            return Err(OwnersError::OtherPeriod { expected, found });
        }
        if slot::VENDOR.get(slot) != digest_of(vendor) {
            return Err(OwnersError::OtherVendor { expected: vendor.clone() });
        }
        let max = sets_max(params);
        if u64::from(head.count) > max {
            return Err(OwnersError::TooMany { found: head.count, max });
        }
        Ok(head)
    }
}

fn digest_of(vendor: &VendorId) -> [u8; 32] {
    Sha256::digest(vendor.as_str()).into()
}

/// Where the tag with this index is.
fn offset(index: u32) -> u64 {
    HEADER_SIZE as u64 + OWNER_TAG_SIZE as u64 * u64::from(index)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::SimulatedDirectory;
    use crate::testing::{params_with, test_params};

    const NAME: &str = "2026-12.owners";

    fn vendor() -> VendorId {
        "news.example".parse().unwrap()
    }

    fn owners(generation: u32, tags: std::ops::Range<u64>) -> Owners {
        let mut owners = Owners::new(&vendor(), test_params().period(), generation);
        let tags: Vec<OwnerTag> = tags.map(|i| (i * 0x0101_0101_0101).to_be_bytes()).collect();
        owners.extend(&tags);
        owners
    }

    fn read(
        directory: &SimulatedDirectory,
        before: Option<&Owners>,
    ) -> Result<Owners, OwnersError> {
        Owners::read(directory, NAME, &vendor(), &test_params(), before)
    }

    fn write(directory: &SimulatedDirectory, owners: &Owners) -> Result<Written, OwnersError> {
        owners.write(directory, NAME, &test_params())
    }

    #[test]
    fn a_file_grows_in_place_and_readers_read_what_is_new() {
        let directory = SimulatedDirectory::new();
        assert_eq!(write(&directory, &owners(1, 0..0)).unwrap(), Written::Whole);
        let mut held = read(&directory, None).unwrap();
        assert_eq!(held, owners(1, 0..0));
        for (count, appended) in [(3, 3), (3, 0), (4, 1), (32, 28)] {
            let now = owners(1, 0..count);
            assert_eq!(write(&directory, &now).unwrap(), Written::Appended(appended));
            held = read(&directory, Some(&held)).unwrap();
            assert_eq!(held, now);
            assert_eq!(read(&directory, None).unwrap(), now);
        }
        assert_eq!(directory.open(NAME, Open::Read).unwrap().size().unwrap(), 256 + 8 * 32);
    }

    /// A folder whose file somebody else made: it can be read and replaced, and not written.
    struct OfAnother(SimulatedDirectory);

    impl Directory for OfAnother {
        fn path(&self) -> &Path {
            self.0.path()
        }

        fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
            match how {
                Open::Write if name == NAME => Err(io::ErrorKind::PermissionDenied.into()),
                how => self.0.open(name, how),
            }
        }

        fn names(&self) -> io::Result<Vec<String>> {
            self.0.names()
        }

        fn remove(&self, name: &str) -> io::Result<()> {
            self.0.remove(name)
        }

        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.0.rename(from, to)
        }

        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }

        fn is_on_network(&self) -> io::Result<bool> {
            self.0.is_on_network()
        }
    }

    #[test]
    fn a_file_of_another_user_is_replaced() {
        let directory = OfAnother(SimulatedDirectory::new());
        write(&directory.0, &owners(1, 0..4)).unwrap();
        let write = |owners: &Owners| owners.write(&directory, NAME, &test_params());
        assert_eq!(write(&owners(1, 0..4)).unwrap(), Written::Appended(0));
        assert_eq!(write(&owners(1, 0..6)).unwrap(), Written::Whole);
        assert_eq!(read(&directory.0, None).unwrap(), owners(1, 0..6));
        assert!(matches!(write(&owners(1, 0..5)), Err(OwnersError::Older { .. })));
        assert!(matches!(write(&owners(1, 1..9)), Err(OwnersError::Changed(1))));
    }

    #[test]
    fn only_what_is_new_is_read() {
        let directory = SimulatedDirectory::new();
        write(&directory, &owners(1, 0..4)).unwrap();
        let held = read(&directory, None).unwrap();
        write(&directory, &owners(1, 0..6)).unwrap();
        // A process does not notice damage in tags that it has read before; others do.
        directory.open(NAME, Open::Write).unwrap().write_at(&[0xaa], 256).unwrap();
        assert_eq!(read(&directory, Some(&held)).unwrap(), owners(1, 0..6));
        assert!(matches!(read(&directory, None), Err(OwnersError::Damaged(_))));
    }

    #[test]
    fn what_is_older_is_refused_and_a_higher_generation_replaces_the_file() {
        let directory = SimulatedDirectory::new();
        write(&directory, &owners(2, 0..4)).unwrap();
        let held = read(&directory, None).unwrap();
        for older in [owners(2, 0..3), owners(1, 0..9)] {
            assert!(matches!(write(&directory, &older), Err(OwnersError::Older { .. })));
            let other = SimulatedDirectory::new();
            write(&other, &older).unwrap();
            assert!(matches!(read(&other, Some(&held)), Err(OwnersError::Older { .. })));
        }
        // The same generation with other tags.
        assert!(matches!(write(&directory, &owners(2, 1..7)), Err(OwnersError::Changed(2))));
        let other = SimulatedDirectory::new();
        write(&other, &owners(2, 1..7)).unwrap();
        assert!(matches!(read(&other, Some(&held)), Err(OwnersError::Changed(2))));

        assert_eq!(write(&directory, &owners(3, 1..3)).unwrap(), Written::Whole);
        assert_eq!(read(&directory, Some(&held)).unwrap(), owners(3, 1..3));
    }

    #[test]
    fn a_crash_while_appending_leaves_the_file_as_it_was() {
        let directory = SimulatedDirectory::new();
        write(&directory, &owners(1, 0..4)).unwrap();
        let file = directory.open(NAME, Open::Write).unwrap();
        // Tags without a slot that counts them.
        file.write_at(&[9; 16], offset(4)).unwrap();
        assert_eq!(read(&directory, None).unwrap(), owners(1, 0..4));
        write(&directory, &owners(1, 0..6)).unwrap();
        assert_eq!(read(&directory, None).unwrap(), owners(1, 0..6));
        // Half of a slot: the other one holds.
        file.write_at(&owners(1, 0..8).slot()[..60], 0).unwrap();
        assert_eq!(read(&directory, None).unwrap(), owners(1, 0..6));
    }

    #[test]
    fn other_files_and_damage_are_refused() {
        let bytes = owners(1, 0..4).to_bytes();
        let put = |bytes: &[u8]| {
            let directory = SimulatedDirectory::new();
            directory.put(NAME, bytes);
            directory
        };
        for at in (0..SLOT_SIZE).chain(HEADER_SIZE..bytes.len()) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(read(&put(&damaged), None).is_err(), "{at}");
        }
        for end in 0..bytes.len() {
            assert!(read(&put(&bytes[..end]), None).is_err(), "{end}");
        }
        assert!(read(&SimulatedDirectory::new(), None).is_err());
        let good = put(&bytes);
        let shop = "shop.example".parse().unwrap();
        let error = Owners::read(&good, NAME, &shop, &test_params(), None).unwrap_err();
        assert!(matches!(error, OwnersError::OtherVendor { .. }), "{error}");
        let january = params_with(|raw| raw.period = "2027-01".parse().unwrap());
        let error = Owners::read(&good, NAME, &vendor(), &january, None).unwrap_err();
        assert!(matches!(error, OwnersError::OtherPeriod { .. }), "{error}");
        // 2^(u-1) = 32 sets, and one more.
        assert!(read(&put(&owners(1, 0..32).to_bytes()), None).is_ok());
        let error = read(&put(&owners(1, 0..33).to_bytes()), None).unwrap_err();
        assert!(matches!(error, OwnersError::TooMany { found: 33, max: 32 }), "{error}");
    }
}
