//! The coin file: every ball that the broker minted for a period (thesis 3.2.1, figure 3-1).
//!
//! Input: the balls of a mint. Output: sets of balls. A ball's place implies its y, so a bin is
//! eight bytes: x and four status bits.
//!
//! The invariants: what minting wrote never changes once the file is complete; coins are sold only
//! from a complete file; a crash at any moment leaves a file that opens, because each state that
//! changes has two slots that are written in turn.
//!
//! A broker only reads the file: its database says what was sold and redeemed. The marks of sales
//! and the status bits are made in a copy, for tools that read them ([`CoinFile::mark_set`],
//! [`CoinFile::mark_balls`]). `docs/reference/coin-file.md` describes the format byte by byte.
//!
//! A process that mints holds the exclusive lock of the file. Only the parameters are kept in
//! memory, so several processes can have one file open.
//!
//! ```
//! use micromint::coin_file::CoinFile;
//! use micromint::host::DiskDirectory;
//! # use micromint::host::SystemEntropy;
//! # use micromint::minting::{MintJobBuilder, NewPeriod, Profile};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let url = "https://broker.example/";
//! # let new = NewPeriod::new(Profile::Test, "2026-12".parse()?, url, "0.01 USD".parse()?);
//! # let config = NewPeriod { weak: true, ..new }.draw(&SystemEntropy)?;
//! # let folder = tempfile::tempdir()?;
//! let directory = DiskDirectory::new(folder.path());
//! # MintJobBuilder::new(&directory, "2026-12.coins", &config)
//! #     .build()?
//! #     .mint()?;
//! let coin_file = CoinFile::open_read(&directory, "2026-12.coins")?;
//! assert_eq!(coin_file.next_superbin()?, 0);
//!
//! let superbin = coin_file.superbin(2)?;
//! assert!(superbin.header.sold.is_none());
//! assert_eq!(superbin.balls().count(), superbin.header.ball_count as usize);
//! # Ok(())
//! # }
//! ```

#[cfg(any(feature = "broker", test))]
mod batch;
mod error;
mod layout;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::bin::Bin;
use crate::bytes::Fixed;
use crate::error::FileError;
use crate::host::{Directory, File, Open};
use crate::params::Params;

pub use self::error::CoinFileError;
#[cfg(any(feature = "broker", test))]
use self::layout::SALE_AT;
pub(crate) use self::layout::{
    BALL_COUNT, BIN_SIZE, BadHeader, FIXED_SIZE, HEADER_SIZE, SUPERBIN_HEADER_SIZE,
    add_to_checksum, bin_offset, decode_fixed, encode_fixed, file_size, superbin_offset,
    superbin_size,
};
use self::layout::{MAGIC, MINTING_SLOTS, SALE_SLOTS, SLOT_SIZE};
pub use self::layout::{MintingState, Phase, SaleMark, Status, Stored, SuperbinHeader, X_MASK};

/// The name of the broker's secret, a key file beside the coin files.
pub const SECRET_NAME: &str = "broker.secret";

/// The path of the broker's secret for the coin file at `coin_file`: the file [`SECRET_NAME`]
/// beside it. One secret serves all periods, so that vendors keep their keys from month to month.
pub fn secret_path(coin_file: &Path) -> PathBuf {
    coin_file.with_file_name(SECRET_NAME)
}

/// An open coin file.
pub struct CoinFile {
    file: Box<dyn File>,
    path: PathBuf,
    params: Params,
    key_tag: [u8; 16],
}

/// A whole superbin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superbin {
    /// Its header.
    pub header: SuperbinHeader,
    /// Its 2^v bins in order, as stored in the file; [`Superbin::balls`] decodes them.
    pub bins: Vec<u64>,
}

impl Superbin {
    /// The balls in order of sub-bin: all that exist, whatever their other status bits.
    pub fn balls(&self) -> impl Iterator<Item = (u32, Stored)> + '_ {
        (0..)
            .zip(self.bins.iter().map(|word| Stored::from_word(*word)))
            .filter(|(_, stored)| stored.exists())
    }
}

impl CoinFile {
    /// Opens a complete coin file for marking, which is done in copies alone.
    ///
    /// # Errors
    /// It cannot be opened, is not a valid coin file, or is not complete.
    pub fn open(directory: &dyn Directory, name: &str) -> Result<CoinFile, CoinFileError> {
        let coin_file = CoinFile::open_as(directory, name, Open::Write)?;
        coin_file.check_complete()?;
        Ok(coin_file)
    }

    /// Opens a complete coin file for reading only; every method that marks something then fails.
    ///
    /// # Errors
    /// As [`CoinFile::open`].
    pub fn open_read(directory: &dyn Directory, name: &str) -> Result<CoinFile, CoinFileError> {
        let coin_file = CoinFile::open_as(directory, name, Open::Read)?;
        coin_file.check_complete()?;
        Ok(coin_file)
    }

    /// Opens a coin file that may still be minted into, for reading only.
    ///
    /// # Errors
    /// It cannot be opened, or is not a valid coin file.
    pub fn inspect(directory: &dyn Directory, name: &str) -> Result<CoinFile, CoinFileError> {
        CoinFile::open_as(directory, name, Open::Read)
    }

    /// Opens a coin file in any state, for minting. The caller takes the lock.
    ///
    /// # Errors
    /// It cannot be opened, or is not a valid coin file.
    pub fn open_minting(directory: &dyn Directory, name: &str) -> Result<CoinFile, CoinFileError> {
        CoinFile::open_as(directory, name, Open::Write)
    }

    /// Makes `file` an empty coin file: all bins empty, nothing tossed. Not durable before `sync`.
    pub(crate) fn create(
        file: Box<dyn File>,
        path: PathBuf,
        params: &Params,
        key_tag: [u8; 16],
    ) -> Result<CoinFile, CoinFileError> {
        let mut header = layout::encode_fixed(MAGIC, params, key_tag);
        header.resize(HEADER_SIZE as usize, 0);
        let minting = layout::encode_minting(0, &MintingState::START);
        let sale = layout::encode_sale(0, 0);
        for (at, slot) in [(MINTING_SLOTS[0], minting), (SALE_SLOTS[0], sale)] {
            header[at as usize..at as usize + SLOT_SIZE].copy_from_slice(&slot);
        }
        let write = || {
            file.set_size(0)?;
            file.set_size(file_size(params))?;
            file.write_at(&header, 0)
        };
        write().map_err(FileError::on("make", &path))?;
        Ok(CoinFile { file, path, params: params.clone(), key_tag })
    }

    fn open_as(
        directory: &dyn Directory,
        name: &str,
        how: Open,
    ) -> Result<CoinFile, CoinFileError> {
        let path = directory.path().join(name);
        let file = directory.open(name, how).map_err(FileError::on("open", &path))?;
        CoinFile::with_file(file, path)
    }

    fn with_file(file: Box<dyn File>, path: PathBuf) -> Result<CoinFile, CoinFileError> {
        let found = file.size().map_err(FileError::on("read the size of", &path))?;
        if found < HEADER_SIZE {
            return Err(CoinFileError::NotACoinFile {
                path,
                found: format!("a file of {found} bytes"),
            });
        }
        let mut bytes = vec![0; FIXED_SIZE];
        file.read_at(&mut bytes, 0).map_err(FileError::on("read", &path))?;
        let (params, key_tag) = layout::decode_fixed(MAGIC, &bytes).map_err(|bad| match bad {
            BadHeader::Magic => CoinFileError::NotACoinFile {
                path: path.clone(),
                found: format!("\"{}\" at its head", bytes[..MAGIC.len()].escape_ascii()),
            },
            BadHeader::Version(found) => CoinFileError::Version { path: path.clone(), found },
            BadHeader::Damaged(found) => CoinFileError::Damaged {
                path: path.clone(),
                at: "the file header".to_string(),
                found,
            },
        })?;
        let expected = file_size(&params);
        if found != expected {
            return Err(CoinFileError::Size { path, expected, found });
        }
        let coin_file = CoinFile { file, path, params, key_tag };
        coin_file.minting_state()?;
        coin_file.next_superbin()?;
        Ok(coin_file)
    }

    fn check_complete(&self) -> Result<(), CoinFileError> {
        let state = self.minting_state()?;
        if state.phase == Phase::Complete {
            return Ok(());
        }
        let total = 1 << self.params.raw().input_bits;
        Err(CoinFileError::Incomplete { path: self.path.clone(), done: state.next_toss, total })
    }

    /// The period's parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The tag of the input key that the file is minted with.
    pub(crate) fn key_tag(&self) -> [u8; 16] {
        self.key_tag
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file itself, for its lock.
    pub(crate) fn file(&self) -> &dyn File {
        self.file.as_ref()
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// The operating system's ([`File::sync`]).
    pub(crate) fn sync(&self) -> Result<(), CoinFileError> {
        Ok(self.file.sync().map_err(FileError::on("sync", &self.path))?)
    }

    /// The progress of minting.
    ///
    /// # Errors
    /// It cannot be read, or both slots are damaged.
    pub fn minting_state(&self) -> Result<MintingState, CoinFileError> {
        let (_, slot) = self.current_slot(MINTING_SLOTS, "the minting state")?;
        layout::decode_minting(&slot, &self.params)
            .ok_or_else(|| self.damaged("the minting state", "numbers that do not fit together"))
    }

    pub(crate) fn set_minting_state(&self, state: &MintingState) -> Result<(), CoinFileError> {
        let (number, _) = self.current_slot(MINTING_SLOTS, "the minting state")?;
        self.write_slot(MINTING_SLOTS, number + 1, &layout::encode_minting(number + 1, state))
    }

    /// Marks the file as complete, durably: both slots, with fixed numbers, so that the bytes of
    /// the file do not show how often minting was interrupted. May be called again.
    pub(crate) fn set_complete(&self, state: &MintingState) -> Result<(), CoinFileError> {
        let (number, _) = self.current_slot(MINTING_SLOTS, "the minting state")?;
        // The current slot is written last.
        for number in
            if number % 2 == 0 { [u64::MAX, u64::MAX - 1] } else { [u64::MAX - 1, u64::MAX] }
        {
            self.write_slot(MINTING_SLOTS, number, &layout::encode_minting(number, state))?;
        }
        self.sync()
    }

    /// The next superbin to sell, as it was marked; 0 in a file that is as it was minted.
    ///
    /// # Errors
    /// It cannot be read, or both slots are damaged.
    pub fn next_superbin(&self) -> Result<u64, CoinFileError> {
        let (_, slot) = self.current_slot(SALE_SLOTS, "the sale state")?;
        Ok(layout::decode_sale(&slot))
    }

    /// Reads a whole superbin.
    ///
    /// # Errors
    /// There is no superbin of this index, it cannot be read, or its header is damaged.
    pub fn superbin(&self, index: u32) -> Result<Superbin, CoinFileError> {
        self.check_bin(Bin { superbin: index, subbin: 0 })?;
        let mut bytes = vec![0; superbin_size(&self.params) as usize];
        self.read(&mut bytes, superbin_offset(&self.params, index.into()))?;
        let (header, bins) = bytes.split_at(SUPERBIN_HEADER_SIZE as usize);
        let bins = bins.chunks_exact(u64::SIZE).map(u64::from_bytes).collect();
        Ok(Superbin { header: self.decode_superbin_header(header, index)?, bins })
    }

    /// Reads the header of a superbin.
    ///
    /// # Errors
    /// As [`CoinFile::superbin`].
    pub fn superbin_header(&self, index: u32) -> Result<SuperbinHeader, CoinFileError> {
        self.check_bin(Bin { superbin: index, subbin: 0 })?;
        let mut bytes = [0; SUPERBIN_HEADER_SIZE as usize];
        self.read(&mut bytes, superbin_offset(&self.params, index.into()))?;
        self.decode_superbin_header(&bytes, index)
    }

    /// Reads the superbin header at the start of `bytes`, or says what is wrong with it.
    pub(crate) fn parse_superbin_header(
        bytes: &[u8],
        params: &Params,
    ) -> Result<SuperbinHeader, String> {
        layout::decode_superbin_header(bytes, params.subbin_count())
    }

    /// Marks a set as sold, in a copy of a coin file that is made for tools.
    ///
    /// # Errors
    /// There is no superbin of this index, or the operating system's.
    #[cfg(any(feature = "broker", test))]
    pub fn mark_set(&self, first: u32, mark: &SaleMark) -> Result<(), CoinFileError> {
        self.check_bin(Bin { superbin: first, subbin: 0 })?;
        // Minting wrote the ball count before these bytes; it stays untouched.
        let offset = superbin_offset(&self.params, first.into()) + SALE_AT as u64;
        self.write(&layout::encode_sold(mark)[SALE_AT..], offset)
    }

    /// Sets the next superbin to sell, in a copy of a coin file that is made for tools, after
    /// making everything written before durable.
    ///
    /// # Errors
    /// The operating system's.
    #[cfg(any(feature = "broker", test))]
    pub fn mark_next_superbin(&self, next_superbin: u64) -> Result<(), CoinFileError> {
        let (number, _) = self.current_slot(SALE_SLOTS, "the sale state")?;
        let slot = layout::encode_sale(number + 1, next_superbin);
        self.write_slot(SALE_SLOTS, number + 1, &slot)?;
        self.sync()
    }

    /// Reads a bin.
    ///
    /// # Errors
    /// There is no such bin, or it cannot be read.
    pub fn ball(&self, bin: Bin) -> Result<Stored, CoinFileError> {
        self.check_bin(bin)?;
        let mut bytes = [0; BIN_SIZE as usize];
        self.read(&mut bytes, bin_offset(&self.params, bin))?;
        Ok(Stored::read(&bytes, 0))
    }

    /// Sets the status bits of a ball to exactly `status` (exists stays set).
    ///
    /// # Errors
    /// There is no such bin, no ball in it, or the operating system's.
    #[cfg(test)]
    pub(crate) fn set_status(&self, bin: Bin, status: Status) -> Result<(), CoinFileError> {
        let stored = self.ball(bin)?;
        if !stored.exists() {
            return Err(CoinFileError::NoBall { path: self.path.clone(), bin });
        }
        let mut bytes = [0; BIN_SIZE as usize];
        Stored { status: status | Status::EXISTS, ..stored }.write(&mut bytes, 0);
        self.write(&bytes, bin_offset(&self.params, bin))
    }

    /// Reads whole superbins from `first` on, headers and bins, as stored in the file.
    pub(crate) fn read_superbins(&self, first: u64, bytes: &mut [u8]) -> Result<(), CoinFileError> {
        self.read(bytes, superbin_offset(&self.params, first))
    }

    /// Writes whole superbins from `first` on.
    pub(crate) fn write_superbins(&self, first: u64, bytes: &[u8]) -> Result<(), CoinFileError> {
        self.write(bytes, superbin_offset(&self.params, first))
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), CoinFileError> {
        Ok(self.file.read_at(bytes, offset).map_err(FileError::on("read", &self.path))?)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<(), CoinFileError> {
        Ok(self.file.write_at(bytes, offset).map_err(FileError::on("write", &self.path))?)
    }

    fn check_bin(&self, bin: Bin) -> Result<(), CoinFileError> {
        let (superbins, subbins) = (self.params.superbin_count(), self.params.subbin_count());
        if u64::from(bin.superbin) < superbins && bin.subbin < subbins {
            return Ok(());
        }
        Err(CoinFileError::NoSuchBin { path: self.path.clone(), bin, superbins, subbins })
    }

    fn decode_superbin_header(
        &self,
        bytes: &[u8],
        index: u32,
    ) -> Result<SuperbinHeader, CoinFileError> {
        layout::decode_superbin_header(bytes, self.params.subbin_count())
            .map_err(|found| self.damaged(&format!("the header of superbin {index}"), &found))
    }

    fn damaged(&self, at: &str, found: &str) -> CoinFileError {
        CoinFileError::Damaged {
            path: self.path.clone(),
            at: at.to_string(),
            found: found.to_string(),
        }
    }

    /// The current slot: the valid one with the higher number.
    fn current_slot(&self, slots: [u64; 2], what: &str) -> Result<(u64, Vec<u8>), CoinFileError> {
        let mut best: Option<(u64, Vec<u8>)> = None;
        for offset in slots {
            let mut slot = vec![0; SLOT_SIZE];
            self.read(&mut slot, offset)?;
            if let Some(number) = layout::slot_number(&slot)
                && best.as_ref().is_none_or(|(other, _)| number > *other)
            {
                best = Some((number, slot));
            }
        }
        best.ok_or_else(|| self.damaged(what, "both of its slots are damaged"))
    }

    /// Writes the slot that is not current, so that a crash in the middle leaves the current one.
    /// That one, and what it refers to, is made durable first.
    fn write_slot(&self, slots: [u64; 2], number: u64, slot: &[u8]) -> Result<(), CoinFileError> {
        self.sync()?;
        self.write(slot, slots[(number % 2) as usize])
    }
}
