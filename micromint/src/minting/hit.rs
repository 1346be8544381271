//! A hit: a ball with the right fixed bits, and its bin in the coin file.

/// A ball and its bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The number of its bin in the file: superbin * 2^v + sub-bin.
    pub(super) bin_number: u64,
    /// The input.
    pub(super) x: u64,
}

impl Hit {
    /// A value for memory that contains no hit yet.
    pub(super) const NONE: Hit = Hit { bin_number: 0, x: 0 };
}

/// The memory that sorting takes for each hit besides the hit itself, in bytes: the copy that it
/// sorts into, and a little more.
pub(super) const SORTING_SIZE_PER_HIT: u64 = size_of::<Hit>() as u64 + 1;
