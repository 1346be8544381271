//! Request-Owners and Owners-Sold: the tags that a vendor's owners file does not have yet.
//!
//! The vendor names what it holds; the answer contains the tags that follow, or, if the vendor's
//! generation is another one, those from the beginning.

use super::frame::{Printer, text_size_max};
use super::{Frame, Id, MessageError};
use crate::authenticator::{Authenticator, Key};
use crate::identity::VendorId;
use crate::owner::{OWNER_TAG_SIZE, OwnerTag};
use crate::period::Period;

/// The largest number of tags in one Owners-Sold; a vendor that lacks more asks again.
pub const OWNERS_PER_ANSWER_MAX: u32 = 1 << 20;
/// The largest number of tags that a vendor can hold: one for each even superbin, u = 32.
const HELD_MAX: u64 = 1 << 31;
/// The largest Request-Owners message, in bytes.
const REQUEST_SIZE_MAX: usize = text_size_max(0);
/// The largest Owners-Sold message, in bytes.
const ANSWER_SIZE_MAX: usize = text_size_max(OWNER_TAG_SIZE * OWNERS_PER_ANSWER_MAX as usize);

/// A vendor's request for tags.
///
/// ```
/// use micromint::authenticator::Key;
/// use micromint::protocol::{RequestOwners, Unsigned};
///
/// let sync_key = Key::from_bytes([7; 32]).sync_key(); // K_W from K_V
/// let request = RequestOwners {
///     vendor: "news.example".parse()?,
///     period: "2026-12".parse()?,
///     generation: 1,
///     held: 4096,
///     nonce: "5f1c09".parse()?,
///     authenticator: Unsigned,
/// }
/// .authenticated(&sync_key);
/// let read = RequestOwners::parse(&request.to_bytes())?;
/// assert!(read.is_authentic(&sync_key));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOwners<A = Authenticator> {
    /// The vendor.
    pub vendor: VendorId,
    /// The period.
    pub period: Period,
    /// The generation of the file that the vendor holds; 0 if it holds none.
    pub generation: u32,
    /// The number of tags in it.
    pub held: u32,
    /// Unpredictable; the answer repeats it, so that an older answer is recognized.
    pub nonce: Id,
    /// Computed with K_W over all of this.
    pub authenticator: A,
}

impl RequestOwners {
    /// Parses a Request-Owners.
    ///
    /// # Errors
    /// The text is not one.
    pub fn parse(text: &[u8]) -> Result<RequestOwners, MessageError> {
        let frame = Frame::parse(text, REQUEST_SIZE_MAX)?;
        frame.expect_type("Request-Owners")?;
        Ok(RequestOwners {
            vendor: frame.parsed("Vendor-ID")?,
            period: frame.parsed("Period")?,
            generation: frame.number("Generation", u32::MAX.into())? as u32,
            held: frame.number("Held", HELD_MAX)? as u32,
            nonce: frame.parsed("Nonce")?,
            authenticator: frame.parsed("Authenticator")?,
        })
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Request-Owners")
            .header("Vendor-ID", &self.vendor)
            .header("Period", &self.period)
            .header("Generation", self.generation)
            .header("Held", self.held)
            .header("Nonce", &self.nonce)
            .header("Authenticator", self.authenticator)
            .end()
    }

    /// Whether the authenticator is the one under this key, K_W.
    pub fn is_authentic(&self, key: &Key) -> bool {
        self.under(key) == self.authenticator
    }
}

impl<A> RequestOwners<A> {
    /// The message with the authenticator under this key, K_W.
    #[must_use]
    pub fn authenticated(self, key: &Key) -> RequestOwners {
        let authenticator = self.under(key);
        let RequestOwners { vendor, period, generation, held, nonce, authenticator: _ } = self;
        RequestOwners { vendor, period, generation, held, nonce, authenticator }
    }

    fn under(&self, key: &Key) -> Authenticator {
        let nonce = self.nonce.as_str();
        key.request_owners(&self.vendor, &self.period, nonce, self.generation, self.held)
    }
}

/// The broker's answer: tags of the sets from `from` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnersSold<A = Authenticator> {
    /// The vendor for whom the tags are.
    pub vendor: VendorId,
    /// The period.
    pub period: Period,
    /// The broker's generation, 1 or more.
    pub generation: u32,
    /// The index of the first tag: the number of tags that the vendor holds, or 0 if its generation
    /// is another one.
    pub from: u32,
    /// The nonce of the request.
    pub nonce: Id,
    /// Computed with K_W over all of this.
    pub authenticator: A,
    /// The tags, at most [`OWNERS_PER_ANSWER_MAX`]: tag i is of the set that starts at superbin
    /// 2 i.
    pub tags: Vec<OwnerTag>,
}

impl OwnersSold {
    /// Parses an Owners-Sold.
    ///
    /// # Errors
    /// The text is not one, or its data does not have the stated number of tags.
    pub fn parse(text: &[u8]) -> Result<OwnersSold, MessageError> {
        let frame = Frame::parse(text, ANSWER_SIZE_MAX)?;
        frame.expect_type("Owners-Sold")?;
        let count = frame.number("Count", OWNERS_PER_ANSWER_MAX.into())?;
        let generation = frame.number("Generation", u32::MAX.into())? as u32;
        let from = frame.number("From", HELD_MAX)? as u32;
        if u64::from(from) + count > HELD_MAX {
            return Err(MessageError::Data("more tags than a period has sets".to_string()));
        }
        let (vendor, period) = (frame.parsed("Vendor-ID")?, frame.parsed("Period")?);
        let (nonce, authenticator) = (frame.parsed("Nonce")?, frame.parsed("Authenticator")?);
        let data = frame.into_data()?;
        let (tags, rest) = data.as_chunks();
        if tags.len() as u64 != count || !rest.is_empty() {
            let found = data.len();
            return Err(MessageError::Data(format!("{found} bytes are not {count} tags")));
        }
        let tags = tags.to_vec();
        Ok(OwnersSold { vendor, period, generation, from, nonce, authenticator, tags })
    }

    /// Prints the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        Printer::new("Owners-Sold")
            .header("Vendor-ID", &self.vendor)
            .header("Period", &self.period)
            .header("Generation", self.generation)
            .header("From", self.from)
            .header("Count", self.tags.len())
            .header("Nonce", &self.nonce)
            .header("Authenticator", self.authenticator)
            .data(self.tags.as_flattened())
    }

    /// Whether the authenticator is the one under this key, K_W, and the message answers `request`.
    /// No answer is of generation 0, which stands for no file.
    pub fn answers(&self, request: &RequestOwners, key: &Key) -> bool {
        let is_next = self.generation == request.generation && self.from == request.held;
        self.generation > 0
            && self.under(key) == self.authenticator
            && (&self.vendor, &self.period, &self.nonce)
                == (&request.vendor, &request.period, &request.nonce)
            && (is_next || self.generation > request.generation && self.from == 0)
    }
}

impl<A> OwnersSold<A> {
    /// The message with the authenticator under this key, K_W.
    #[must_use]
    pub fn authenticated(self, key: &Key) -> OwnersSold {
        let authenticator = self.under(key);
        let OwnersSold { vendor, period, generation, from, nonce, authenticator: _, tags } = self;
        OwnersSold { vendor, period, generation, from, nonce, authenticator, tags }
    }

    fn under(&self, key: &Key) -> Authenticator {
        let (nonce, tags) = (self.nonce.as_str(), self.tags.as_flattened());
        key.owners_sold(&self.vendor, &self.period, nonce, self.generation, self.from, tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Unsigned;

    fn key() -> Key {
        Key::from_bytes([3; 32]).sync_key()
    }

    fn request() -> RequestOwners {
        RequestOwners {
            vendor: "news.example".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            generation: 2,
            held: 3,
            nonce: "n-1".parse().unwrap(),
            authenticator: Unsigned,
        }
        .authenticated(&key())
    }

    fn answer(from: u32, count: u32) -> OwnersSold {
        let RequestOwners { vendor, period, generation, nonce, authenticator, .. } = request();
        let tags = vec![[7; OWNER_TAG_SIZE]; count as usize];
        OwnersSold { vendor, period, generation, from, nonce, authenticator, tags }
            .authenticated(&key())
    }

    #[test]
    fn an_answer_is_for_its_request_only() {
        let good = answer(3, 5);
        assert_eq!(OwnersSold::parse(&good.to_bytes()).unwrap(), good);
        assert!(good.answers(&request(), &key()));
        assert!(!good.answers(&request(), &Key::from_bytes([3; 32])));
        let signed = |changed: OwnersSold| changed.authenticated(&key());
        let newer = signed(OwnersSold { generation: 3, from: 0, ..good.clone() });
        assert!(newer.answers(&request(), &key()));
        for other in [
            signed(OwnersSold { vendor: "shop.example".parse().unwrap(), ..good.clone() }),
            signed(OwnersSold { period: "2027-01".parse().unwrap(), ..good.clone() }),
            signed(OwnersSold { nonce: "n-2".parse().unwrap(), ..good.clone() }),
            signed(OwnersSold { generation: 1, from: 0, ..good.clone() }),
            signed(OwnersSold { generation: 3, ..good.clone() }),
            signed(OwnersSold { from: 2, ..good.clone() }),
            OwnersSold { tags: vec![[8; OWNER_TAG_SIZE]; 5], ..good.clone() },
            OwnersSold { from: 0, generation: 3, ..good },
        ] {
            assert!(!other.answers(&request(), &key()), "{other:?}");
        }
    }

    #[test]
    fn no_answer_is_of_generation_0() {
        let first = RequestOwners { generation: 0, held: 0, ..request() };
        let answer =
            |generation| OwnersSold { generation, from: 0, ..answer(0, 1) }.authenticated(&key());
        assert!(answer(1).answers(&first, &key()));
        assert!(!answer(0).answers(&first, &key()));
    }

    #[test]
    fn every_number_is_bounded() {
        let text = |message: &[u8]| String::from_utf8(message.to_vec()).unwrap();
        let asked = text(&request().to_bytes());
        for (from, to, is_good) in [
            ("Held: 3", "Held: 2147483648", true),
            ("Held: 3", "Held: 2147483649", false),
            ("Generation: 2", "Generation: 4294967295", true),
            ("Generation: 2", "Generation: 4294967296", false),
        ] {
            let changed = asked.replace(from, to);
            assert_eq!(RequestOwners::parse(changed.as_bytes()).is_ok(), is_good, "{to}");
        }
        let answered = text(&answer(3, 5).to_bytes());
        for (from, to, is_good) in [
            ("From: 3", "From: 2147483643", true),
            ("From: 3", "From: 2147483644", false),
            ("Count: 5", "Count: 4", false),
            ("Count: 5", "Count: 6", false),
        ] {
            let changed = answered.replace(from, to);
            assert_eq!(OwnersSold::parse(changed.as_bytes()).is_ok(), is_good, "{to}");
        }
        let largest = answer(0, OWNERS_PER_ANSWER_MAX).to_bytes();
        assert!(OwnersSold::parse(&largest).is_ok());
        assert!(OwnersSold::parse(&answer(0, OWNERS_PER_ANSWER_MAX + 1).to_bytes()).is_err());
    }
}
