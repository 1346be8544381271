//! The place of a ball: the bins of a period, addressed by superbin and sub-bin (thesis 2.1,
//! figure 2-3).

use std::fmt;

/// The place of a ball. [`crate::params::Params::bin_of`] computes it from an output.
///
/// ```
/// use micromint::bin::Bin;
///
/// assert_eq!(Bin { superbin: 12, subbin: 3 }.to_string(), "12/3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bin {
    /// The superbin index, u bits: the user-specific part.
    pub superbin: u32,
    /// The sub-bin index, v bits: the vendor-specific part.
    pub subbin: u32,
}

impl fmt::Display for Bin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.superbin, self.subbin)
    }
}
