//! Whose coins: User-IDs and Vendor-IDs, and the vectors h'(User-ID) and h''(Vendor-ID) that make a
//! coin specific to both (thesis 2.1).
//!
//! Input: a name and a period. Output: k-1 differences, of superbins for a user, of sub-bins for a
//! vendor. The invariant of user vectors: the first difference is odd and the others are even, so a
//! set's first superbin is even and all its others are odd. So no superbin is both the first of one
//! set and a later one of another, which would reveal unspent first balls to strangers.

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::hash::leading_u64;
use crate::host_name;
use crate::params::{COIN_SIZE_MAX, Params};
use crate::period::Period;

/// The longest User-ID, in bytes.
pub(crate) const USER_ID_LEN_MAX: usize = 40;

/// One value for each ball of a coin, or for each ball but the first.
type PerBall = SmallVec<[u32; COIN_SIZE_MAX as usize]>;

/// Names a client: 1 to 40 characters of `a-z 0-9 . _ @ + -`. Letters are lower case, so that no
/// two accounts differ in letter case only.
///
/// ```
/// use micromint::identity::UserId;
///
/// let user: UserId = "alice@example.org".parse()?;
/// assert_eq!(user.as_str(), "alice@example.org");
/// assert!("alice smith".parse::<UserId>().is_err());
/// assert!("Alice".parse::<UserId>().is_err());
/// # Ok::<(), micromint::identity::IdentityError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(CompactString);

/// Names a vendor: a lower-case host name (A-labels, no trailing dot, no port), or an IPv6 address
/// in brackets in the form of RFC 5952.
///
/// ```
/// use micromint::identity::VendorId;
///
/// let vendor: VendorId = "news.example".parse()?;
/// assert!(vendor.collects_at(&"www.news.example".parse()?));
/// assert!(!vendor.collects_at(&"example".parse()?));
/// assert!("News.example:443".parse::<VendorId>().is_err());
/// # Ok::<(), micromint::identity::IdentityError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VendorId(CompactString);

/// The text is not an identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The text is not a User-ID.
    #[error("expected a User-ID of 1 to 40 characters a-z 0-9 . _ @ + -, found {0:?}")]
    User(String),
    /// The text would be a User-ID in lower case.
    #[error("expected a User-ID in lower case, found {0:?}")]
    UserInUpperCase(String),
    /// The text is not a Vendor-ID.
    #[error(
        "expected a Vendor-ID (a lower-case host name of at most 253 characters, without a port), \
         found {0:?}"
    )]
    Vendor(String),
}

/// No counter yields k distinct superbins for this user; the client must choose another User-ID.
#[derive(Debug, thiserror::Error)]
#[error("no user vector exists for {user} in period {period}: choose another User-ID")]
pub struct NoUserVector {
    user: UserId,
    period: Period,
}

/// h'(User-ID): k-1 differences of superbins, each below 2^u.
///
/// ```
/// use micromint::identity::UserVector;
/// # use micromint::testing::test_params;
/// # let params = test_params();
///
/// // `params` are those of the `test` profile: k = 4, u = 6.
/// let vector = UserVector::new(&params, &"alice".parse()?)?;
/// let set = vector.set(8);
/// assert_eq!((set.len(), set[0]), (4, 8));
/// assert!(set[1..].iter().all(|superbin| superbin % 2 == 1 && *superbin < 64));
/// assert!(vector.is_set(set.into_iter()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserVector {
    differences: PerBall,
    mask: u32,
    counter: u8,
}

/// h''(Vendor-ID): k-1 differences of sub-bins, each below 2^v.
///
/// ```
/// use micromint::identity::VendorVector;
/// # use micromint::testing::test_params;
/// # let params = test_params();
///
/// // `params` are those of the `test` profile: k = 4, v = 4.
/// let vector = VendorVector::new(&params, &"news.example".parse()?);
/// let subbins = vector.subbins(3);
/// assert_eq!((subbins.len(), subbins[0]), (4, 3));
/// assert_eq!(subbins[1], (3 + vector.differences()[0]) % 16);
/// # Ok::<(), micromint::identity::IdentityError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VendorVector {
    differences: PerBall,
    mask: u32,
}

impl UserVector {
    /// The vector of `user` in the period of `params`: the first counter c <= 255 for which the k
    /// superbins of a set are distinct.
    ///
    /// # Errors
    /// No such counter exists, which happens only with very few superbins.
    pub fn new(params: &Params, user: &UserId) -> Result<UserVector, NoUserVector> {
        (0..=255)
            .map(|counter| UserVector::with_counter(params, user, counter))
            .find(UserVector::superbins_are_distinct)
            .ok_or_else(|| NoUserVector { user: user.clone(), period: params.period().clone() })
    }

    fn with_counter(params: &Params, user: &UserId, counter: u8) -> UserVector {
        let mask = low_mask(params.superbin_bits());
        let mut differences = vector(params, "micromint user", &user.0, counter, mask);
        for (i, difference) in differences.iter_mut().enumerate() {
            *difference = *difference & !1 | u32::from(i == 0);
        }
        UserVector { differences, mask, counter }
    }

    fn superbins_are_distinct(&self) -> bool {
        let set: PerBall = walk(0, &self.differences, self.mask).collect();
        (1..set.len()).all(|i| !set[..i].contains(&set[i]))
    }

    /// The counter c that was used.
    pub fn counter(&self) -> u8 {
        self.counter
    }

    /// The differences d_1 .. d_{k-1}.
    pub fn differences(&self) -> &[u32] {
        &self.differences
    }

    /// The k superbins of the set that begins at `first`, in order.
    pub fn set(&self, first: u32) -> Vec<u32> {
        walk(first, &self.differences, self.mask).collect()
    }

    /// Whether these are the k superbins of one set, in order.
    pub fn is_set(&self, superbins: impl Iterator<Item = u32> + Clone) -> bool {
        is_walk(superbins, &self.differences, self.mask)
    }
}

impl VendorVector {
    /// The vector of `vendor` in the period of `params`.
    pub fn new(params: &Params, vendor: &VendorId) -> VendorVector {
        let mask = low_mask(params.subbin_bits());
        VendorVector { differences: vector(params, "micromint vendor", &vendor.0, 0, mask), mask }
    }

    /// The differences e_1 .. e_{k-1}.
    pub fn differences(&self) -> &[u32] {
        &self.differences
    }

    /// The k sub-bins of the coin whose first ball lies in sub-bin `first`, in order.
    pub fn subbins(&self, first: u32) -> Vec<u32> {
        walk(first, &self.differences, self.mask).collect()
    }

    /// Whether these are the k sub-bins of one coin, in order.
    pub(crate) fn are_subbins(&self, subbins: impl Iterator<Item = u32> + Clone) -> bool {
        is_walk(subbins, &self.differences, self.mask)
    }
}

/// `first` and its successors by `differences`, modulo mask + 1.
fn walk(first: u32, differences: &[u32], mask: u32) -> impl Iterator<Item = u32> {
    let mut place = first & mask;
    let successors = differences.iter().map(move |difference| {
        place = place.wrapping_add(*difference) & mask;
        place
    });
    std::iter::once(first & mask).chain(successors)
}

/// Whether `places` is `first` and all its successors by `differences`, where `first` is its own
/// first element.
fn is_walk(places: impl Iterator<Item = u32> + Clone, differences: &[u32], mask: u32) -> bool {
    let first = places.clone().next();
    first.is_some_and(|first| places.eq(walk(first, differences, mask)))
}

/// The k-1 values of an identity: the low bits of
/// SHA-256(domain || 0 || period || 0 || id || 0 || counter || i), i = 1 .. k-1.
fn vector(params: &Params, domain: &str, id: &str, counter: u8, mask: u32) -> PerBall {
    let begun = Sha256::new()
        .chain_update(domain)
        .chain_update([0])
        .chain_update(params.period().as_str())
        .chain_update([0])
        .chain_update(id)
        .chain_update([0, counter]);
    (1..params.coin_size())
        .map(|i| leading_u64(&begun.clone().chain_update([i as u8]).finalize()) as u32 & mask)
        .collect()
}

/// A mask of the low `bits` bits, 1 to 32.
fn low_mask(bits: u32) -> u32 {
    u32::MAX >> (32 - bits)
}

impl UserId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._@+-".contains(&c);
        if !(1..=USER_ID_LEN_MAX).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(IdentityError::User(text.chars().take(80).collect()));
        }
        if text.bytes().any(|c| c.is_ascii_uppercase()) {
            return Err(IdentityError::UserInUpperCase(text.to_string()));
        }
        Ok(UserId(text.into()))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl VendorId {
    /// The host name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this vendor may collect coins for a page at `host`: it is that host, or a parent of
    /// it that lies at or below the host's registrable domain. A registrable domain is a public
    /// suffix (<https://publicsuffix.org>) plus one label; all names at and below it have one
    /// owner.
    ///
    /// So `news.example` may collect at `www.news.example`, but `github.io` may not collect at
    /// `someone.github.io`. Without this rule a site could collect in the name of another.
    pub fn collects_at(&self, host: &VendorId) -> bool {
        self == host || host_name::is_parent_of_one_owner(&self.0, &host.0)
    }

    /// Whether the host is this machine: `localhost`, a name below it, 127.0.0.0/8 or `[::1]`.
    /// Traffic to it crosses no network, so http is as safe as https.
    pub fn is_loopback(&self) -> bool {
        host_name::is_loopback(&self.0)
    }
}

impl FromStr for VendorId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        if host_name::is_valid(text) {
            Ok(VendorId(text.into()))
        } else {
            Err(IdentityError::Vendor(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for VendorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::tests::test_params;

    #[test]
    fn sets_begin_even_go_on_odd_and_never_repeat() {
        let params = test_params();
        for i in 0..500 {
            let vector = UserVector::new(&params, &format!("user{i}").parse().unwrap()).unwrap();
            let mut set = vector.set(2 * (i % 32));
            assert_eq!(set.len(), 4);
            assert_eq!(set.iter().map(|s| s % 2).collect::<Vec<_>>(), [0, 1, 1, 1]);
            assert!(set.iter().all(|s| *s < 64));
            set.sort_unstable();
            set.dedup();
            assert_eq!(set.len(), 4);
        }
    }

    /// A worked example: u=4, v=3, h'=(5,9), h''=(2,6): superbins 3, 8, 1; sub-bins 4, 6, 4.
    #[test]
    fn walks_wrap_around() {
        assert!(walk(3, &[5, 9], 15).eq([3, 8, 1]));
        assert!(walk(4, &[2, 6], 7).eq([4, 6, 4]));
        assert!(is_walk([3, 8, 1].into_iter(), &[5, 9], 15));
        for wrong in [&[3, 8][..], &[3, 8, 1, 1], &[3, 9, 1], &[3, 8, 17], &[19, 8, 1], &[]] {
            assert!(!is_walk(wrong.iter().copied(), &[5, 9], 15), "{wrong:?}");
        }
    }

    #[test]
    fn a_vendor_collects_at_its_host_and_below() {
        for (vendor, host, collects) in [
            ("news.example", "news.example", true),
            ("news.example", "www.news.example", true),
            ("news.example", "a.b.news.example", true),
            ("www.news.example", "a.www.news.example", true),
            ("www.news.example", "news.example", false),
            ("www.news.example", "shop.news.example", false),
            ("shop.example", "news.example", false),
            ("news.example", "fakenews.example", false),
            ("ews.example", "news.example", false),
            // An unknown suffix: the last label.
            ("example", "news.example", false),
            ("example", "example", true),
            // Suffixes of registries.
            ("com", "news.com", false),
            ("co.uk", "news.co.uk", false),
            ("uk", "news.co.uk", false),
            ("news.co.uk", "www.news.co.uk", true),
            ("xn--p1ai", "shop.xn--p1ai", false),
            ("xn--55qx5d.cn", "shop.xn--55qx5d.cn", false),
            ("cn", "shop.xn--55qx5d.cn", false),
            ("shop.xn--55qx5d.cn", "www.shop.xn--55qx5d.cn", true),
            // Suffixes of companies.
            ("github.io", "someone.github.io", false),
            ("github.io", "github.io", true),
            ("someone.github.io", "a.someone.github.io", true),
            ("io", "someone.github.io", false),
            // Wildcards: every name directly below is a public suffix and has another owner.
            ("ck", "shop.ck", false),
            ("shop.ck", "a.shop.ck", false),
            ("a.shop.ck", "b.a.shop.ck", true),
            ("kawasaki.jp", "shop.kawasaki.jp", false),
            ("kawasaki.jp", "a.shop.kawasaki.jp", false),
            ("shop.kawasaki.jp", "a.shop.kawasaki.jp", false),
            ("a.shop.kawasaki.jp", "b.a.shop.kawasaki.jp", true),
            ("kawasaki.jp", "kawasaki.jp", true),
            // Exceptions.
            ("www.ck", "a.www.ck", true),
            ("ck", "www.ck", false),
            ("city.kawasaki.jp", "www.city.kawasaki.jp", true),
            ("kawasaki.jp", "city.kawasaki.jp", false),
            ("kawasaki.jp", "www.city.kawasaki.jp", false),
            // This machine, single labels and addresses.
            ("localhost", "localhost", true),
            ("localhost", "a.localhost", false),
            ("a.localhost", "b.a.localhost", true),
            ("intranet", "intranet", true),
            ("intranet", "a.intranet", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("[::1]", "[::1]", true),
            ("[::1]", "[::2]", false),
            ("1.0xg", "127.0.1.0xg", true),
        ] {
            let (vendor, host): (VendorId, VendorId) =
                (vendor.parse().unwrap(), host.parse().unwrap());
            assert_eq!(vendor.collects_at(&host), collects, "{vendor} at {host}");
        }
    }

    /// A text that could be the parent of an address, or another form of a name, is not a
    /// Vendor-ID.
    #[test]
    fn names_that_would_need_a_rule_of_their_own_are_refused() {
        for bad in ["1", "0.1", "0.0.1", "1]", "news.example.", "News.example", "co.uk.", "."] {
            assert!(bad.parse::<VendorId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for (host, is) in [
            ("localhost", true),
            ("shop.localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("128.0.0.1", false),
            ("127.0.0.1.example", false),
            ("[::2]", false),
        ] {
            assert_eq!(host.parse::<VendorId>().unwrap().is_loopback(), is, "{host}");
        }
    }

    #[test]
    fn identities_are_bounded_and_plain() {
        assert!("a".repeat(40).parse::<UserId>().is_ok());
        assert!("a".repeat(41).parse::<UserId>().is_err());
        for good in ["alice", "a.b_c@d+e-f0"] {
            assert!(good.parse::<UserId>().is_ok(), "{good}");
        }
        for bad in ["Alice", "alicE", "A"] {
            let error = bad.parse::<UserId>().unwrap_err().to_string();
            assert!(error.contains("lower case") && error.contains(bad), "{error}");
        }
        for bad in ["", "a b", "a/b", "é", "a\n"] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
        let long = [&"a".repeat(63), &*"b".repeat(63), &"c".repeat(63), &"d".repeat(61)].join(".");
        assert_eq!(long.len(), 253);
        assert!(long.parse::<VendorId>().is_ok());
        assert!(format!("{long}d").parse::<VendorId>().is_err());
        assert!("a".repeat(63).parse::<VendorId>().is_ok());
        assert!("a".repeat(64).parse::<VendorId>().is_err());
        for good in [
            "news.example",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "xn--bcher-kva.example",
            "1.0xg",
            "my_host",
        ] {
            assert!(good.parse::<VendorId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "News.example",
            "a.",
            ".a",
            "a..b",
            "a:80",
            "[::0]",
            "[::1",
            "::1",
            "-a",
            "a-",
            "a b",
            "127.1",
            "127.0.0.01",
            "127.0.0.256",
            "1.2.3.4.5",
            "2130706433",
            "a.0x7f",
            "0x",
            "[fe80::1%1]",
            "[::A]",
        ] {
            assert!(bad.parse::<VendorId>().is_err(), "{bad:?}");
        }
    }
}
