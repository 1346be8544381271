//! Reading and marking many bins at a time, in the order of the file: a redemption of a hundred
//! thousand coins is a few large reads instead of as many seeks.

use super::{BIN_SIZE, CoinFile, CoinFileError, Status, Stored, bin_offset};
use crate::bin::Bin;

/// Bins with fewer bytes than this between them are read together: reading on costs less than a
/// seek.
const GAP_MAX: u64 = 16 * 1024;
/// Marked bins with fewer bytes than this between them are written together: a write costs more
/// than these, and no page is written that would not be anyway. The bytes between cannot change
/// meanwhile, since nobody else writes to a copy.
const WRITE_GAP_MAX: usize = 4 * 1024;
/// The most bytes in one read.
const RANGE_SIZE_MAX: u64 = 1024 * 1024;

impl CoinFile {
    /// Reads the bins `bins`, in ascending order (equal ones allowed).
    ///
    /// # Errors
    /// They are out of order, there is no such bin, or it cannot be read.
    pub(crate) fn balls(&self, bins: &[Bin]) -> Result<Vec<Stored>, CoinFileError> {
        let mut balls = Vec::with_capacity(bins.len());
        for range in self.ranges(bins)? {
            let (start, bytes) = self.read_range(range)?;
            balls.extend(range.iter().map(|bin| Stored::read(&bytes, self.at(*bin, start))));
        }
        Ok(balls)
    }

    /// Adds status bits to balls, which keep the bits that they have, in a copy of a coin file that
    /// is made for tools. The bins are in ascending order (equal ones allowed). Nothing is written
    /// if a bin is empty or out of order; after another error some may be marked, and it may be
    /// done again.
    ///
    /// # Errors
    /// They are out of order, there is no such bin or no ball in it, or the operating system's.
    pub fn mark_balls(&self, marks: &[(Bin, Status)]) -> Result<(), CoinFileError> {
        let bins: Vec<Bin> = marks.iter().map(|(bin, _)| *bin).collect();
        let balls = self.balls(&bins)?;
        if let Some((bin, _)) = bins.iter().zip(&balls).find(|(_, stored)| !stored.exists()) {
            return Err(CoinFileError::NoBall { path: self.path.clone(), bin: *bin });
        }
        let mut marks = marks.iter();
        for range in self.ranges(&bins)? {
            let (start, mut bytes) = self.read_range(range)?;
            // The bytes to write: from `from` to `end` in `bytes`.
            let (mut from, mut end) = (0, 0);
            for (bin, status) in marks.by_ref().take(range.len()) {
                let at = self.at(*bin, start);
                let stored = Stored::read(&bytes, at);
                Stored { status: stored.status | *status, ..stored }.write(&mut bytes, at);
                // A bin may be repeated.
                if at.saturating_sub(end) > WRITE_GAP_MAX {
                    self.write(&bytes[from..end], start + from as u64)?;
                    from = at;
                }
                end = at + BIN_SIZE as usize;
            }
            self.write(&bytes[from..end], start + from as u64)?;
        }
        Ok(())
    }

    /// The offset of `bin` in bytes read from `start` on.
    fn at(&self, bin: Bin, start: u64) -> usize {
        (bin_offset(&self.params, bin) - start) as usize
    }

    /// The bytes from the first bin of `range` to its last.
    fn read_range(&self, range: &[Bin]) -> Result<(u64, Vec<u8>), CoinFileError> {
        let start = bin_offset(&self.params, range[0]);
        let end = bin_offset(&self.params, range[range.len() - 1]) + BIN_SIZE;
        let mut bytes = vec![0; (end - start) as usize];
        self.read(&mut bytes, start)?;
        Ok((start, bytes))
    }

    /// Divides sorted bins into non-empty groups; each is one read.
    fn ranges<'a>(&self, bins: &'a [Bin]) -> Result<Vec<&'a [Bin]>, CoinFileError> {
        let mut ranges = Vec::new();
        let mut first = 0;
        for (i, bin) in bins.iter().enumerate() {
            self.check_bin(*bin)?;
            if i == 0 {
                continue;
            }
            let before = bins[i - 1];
            if before > *bin {
                return Err(CoinFileError::Unsorted { before, after: *bin });
            }
            let [start, last, this] =
                [bins[first], before, *bin].map(|bin| bin_offset(&self.params, bin));
            if this - last > GAP_MAX || this - start >= RANGE_SIZE_MAX {
                ranges.push(&bins[first..i]);
                first = i;
            }
        }
        if !bins.is_empty() {
            ranges.push(&bins[first..]);
        }
        Ok(ranges)
    }
}
