//! Which pages of an index are in memory, as far as this process knows.
//!
//! Input: the pages that this process reads, and the time. Output: whether a page can be read again
//! without waiting for the disk. The invariant: a page is known for at most [`KNOWN_SECONDS`] after
//! it was read or found in memory.
//!
//! The kernel drops first the pages that were not used for longest. It drops one that was used
//! within these seconds only if the machine or the container has so little memory that its whole
//! cache is replaced in that time. Then a read waits for one page, as the server itself does for
//! its files and its own code. `docs/reference/till.md` has the details.

use crate::time::UnixTime;

/// How long a page counts as being in memory after it was read, in seconds.
pub(in super::super) const KNOWN_SECONDS: i64 = 10;
/// The size of the smallest page of any system, in bytes.
const PAGE_SIZE: u64 = 4096;
/// The pages of a region, which is read as a whole where the file system does not say what is in
/// memory: as many as a word has bits.
const REGION_PAGES: u64 = u64::BITS as u64;
/// The size of a region, in bytes.
pub(super) const REGION_SIZE: u64 = REGION_PAGES * PAGE_SIZE;
/// The largest number of regions that are remembered: 16 GiB. Pages after them are never known.
const REGIONS_MAX: usize = 1 << 16;

/// The pages of one index that are known to be in memory.
#[derive(Default)]
pub(super) struct KnownPages {
    /// A word for each region, a bit for each page.
    regions: Vec<u64>,
    /// Since when pages were added.
    since: UnixTime,
    /// Whether the file system does not say what is in memory.
    is_untold: bool,
}

impl KnownPages {
    /// Forgets all pages, if the first may have been added more than [`KNOWN_SECONDS`] ago or the
    /// clock was set back.
    pub(super) fn expire(&mut self, now: UnixTime) {
        if !(0..KNOWN_SECONDS).contains(&now.0.saturating_sub(self.since.0)) {
            self.regions.fill(0);
            self.since = now;
        }
    }

    /// Whether the page at this offset of the file is known.
    pub(super) fn contains(&self, offset: u64) -> bool {
        let (region, bit) = place(offset);
        self.regions.get(region).is_some_and(|pages| pages & bit != 0)
    }

    /// Adds the page at this offset.
    pub(super) fn add(&mut self, offset: u64) {
        let (region, bit) = place(offset);
        if let Some(pages) = self.region(region) {
            *pages |= bit;
        }
    }

    /// Adds the region at this offset.
    pub(super) fn add_region(&mut self, offset: u64) {
        if let Some(pages) = self.region(place(offset).0) {
            *pages = u64::MAX;
        }
    }

    /// Notes that the file system does not say what is in memory.
    pub(super) fn set_untold(&mut self) {
        self.is_untold = true;
    }

    /// Whether a region must be read as a whole before its pages are known.
    pub(super) fn is_untold(&self) -> bool {
        self.is_untold
    }

    fn region(&mut self, region: usize) -> Option<&mut u64> {
        if region >= REGIONS_MAX {
            return None;
        }
        if region >= self.regions.len() {
            self.regions.resize(region + 1, 0);
        }
        self.regions.get_mut(region)
    }
}

/// The region of an offset, and the bit of its page.
fn place(offset: u64) -> (usize, u64) {
    let page = offset / PAGE_SIZE;
    ((page / REGION_PAGES) as usize, 1 << (page % REGION_PAGES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_known_for_some_seconds() {
        let mut known = KnownPages::default();
        for start in [1_000, -50] {
            known.expire(UnixTime(start));
            assert!(!known.contains(5 * PAGE_SIZE), "forgotten, also if the clock is set back");
            known.add(5 * PAGE_SIZE + 7);
            for (offset, is_known) in
                [(5, true), (6, false), (4, false)].map(|(page, is)| (page * PAGE_SIZE, is))
            {
                assert_eq!(known.contains(offset), is_known, "{offset}");
                assert_eq!(known.contains(offset + PAGE_SIZE - 1), is_known, "{offset}");
            }
            known.expire(UnixTime(start + KNOWN_SECONDS - 1));
            assert!(known.contains(5 * PAGE_SIZE));
            known.expire(UnixTime(start + KNOWN_SECONDS));
            assert!(!known.contains(5 * PAGE_SIZE));
        }
    }

    #[test]
    fn a_region_is_known_as_a_whole_and_the_last_one_is_bounded() {
        let mut known = KnownPages::default();
        known.add_region(REGION_SIZE + 9);
        assert!(known.contains(REGION_SIZE) && known.contains(2 * REGION_SIZE - 1));
        assert!(!known.contains(REGION_SIZE - 1) && !known.contains(2 * REGION_SIZE));
        let end = REGIONS_MAX as u64 * REGION_SIZE;
        for offset in [end - 1, end, u64::MAX] {
            known.add(offset);
            known.add_region(offset);
            assert_eq!(known.contains(offset), offset < end, "{offset}");
        }
        assert_eq!(known.regions.len(), REGIONS_MAX);
    }
}
