//! Sizes of a period by name.

use std::fmt;
use std::str::FromStr;

use crate::error::clip;

/// The name of a [`Size`](super::Size) that `coinmint init --profile` offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A thousand bins, for tests: DES, minted in milliseconds. Weak.
    Test,
    /// Two million bins, 18 MiB: DES, minted in minutes by plain hashing.
    Demo,
    /// 2^27 bins, about 1 GiB: DES.
    Small,
    /// 2^27 bins, about 1 GiB: SHA-256.
    SmallSha256,
    /// 2^36 bins, about 516 GiB: SHA-256, for a cluster or GPUs.
    National,
}

/// The text does not name a profile.
#[derive(Debug, thiserror::Error)]
#[error("expected profile test, demo, small, small-sha256 or national, found {0:?}")]
pub struct ProfileError(String);

impl Profile {
    /// All profiles, smallest first.
    pub const ALL: [Profile; 5] =
        [Profile::Test, Profile::Demo, Profile::Small, Profile::SmallSha256, Profile::National];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Profile::Test => "test",
            Profile::Demo => "demo",
            Profile::Small => "small",
            Profile::SmallSha256 => "small-sha256",
            Profile::National => "national",
        }
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let found = Profile::ALL.into_iter().find(|profile| profile.as_str() == text);
        found.ok_or_else(|| ProfileError(clip(text)))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::bulk::WalkBits;
    use crate::host::SystemEntropy;
    use crate::minting::{MintPlan, Size};
    use crate::params::Params;
    use crate::testing::raw_test_params;

    #[test]
    fn profiles_are_consistent_and_only_the_test_profile_is_weak() {
        for profile in Profile::ALL {
            let mut raw = raw_test_params();
            Size::from(profile).apply(&mut raw, &SystemEntropy).unwrap();
            let params = Params::new(raw).unwrap();
            assert_eq!(params.weaknesses().is_empty(), profile != Profile::Test, "{params}");
            // Two balls are kept for each bin of the largest, about four for each of the others.
            let walk = WalkBits::for_fixed_count(params.raw().fixed_count);
            let plan = MintPlan::new(&params, walk);
            let load = plan.lambda * plan.kept_part;
            let expected = if profile == Profile::National { 2.0 } else { 4.0 };
            assert!((0.88..=1.0).contains(&(load / expected)), "{params}: {load}");
            assert_eq!(profile.as_str().parse::<Profile>().unwrap(), profile);
        }
        assert!("large".parse::<Profile>().is_err());
    }
}
