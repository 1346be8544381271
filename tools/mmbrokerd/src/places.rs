//! Places that requests share: memory for large bodies, and large batches that are received.
//!
//! Input: who sends, and how many places it needs. Output: places, until they are dropped. The
//! invariants: never more are taken than there are; a network has at most its share of them; the
//! networks from which no vendor was heard of lately have at most theirs together, so that
//! strangers leave places for vendors. Naming a vendor takes no place of that vendor: who sends is
//! known only by the network, until a message is read completely.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A network has at most this part of the places: one in four.
pub const NETWORK_PART: usize = 4;
/// All networks from which no vendor was heard of have at most this part of the places: one in two.
pub const STRANGERS_PART: usize = 2;
/// How long a network is known after an authentic message of a vendor.
const KNOWN_TIME: Duration = Duration::from_secs(3600);
/// The most networks that are known. One more takes the place of the one that was silent longest.
pub const KNOWN_NETWORKS_MAX: usize = 4096;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// Its network, as limits count it.
    pub(crate) network: Arc<str>,
    /// Whether a vendor was heard of from there lately.
    pub(crate) is_known: bool,
}

/// The networks from which vendors were heard of.
#[derive(Debug, Default)]
pub(crate) struct VendorNetworks(Mutex<HashMap<Arc<str>, Instant>>);

impl VendorNetworks {
    /// A message of a registered vendor, whose authenticator was right, came from there.
    pub(crate) fn heard(&self, sender: &Sender, now: Instant) {
        let mut networks = lock(&self.0);
        if networks.len() >= KNOWN_NETWORKS_MAX && !networks.contains_key(&sender.network) {
            let oldest = networks.iter().min_by_key(|(_, heard)| **heard);
            if let Some(oldest) = oldest.map(|(network, _)| Arc::clone(network)) {
                networks.remove(&oldest);
            }
        }
        networks.insert(Arc::clone(&sender.network), now);
    }

    /// Whether a vendor was heard of from there lately.
    pub(crate) fn contains(&self, network: &str, now: Instant) -> bool {
        let networks = lock(&self.0);
        networks.get(network).is_some_and(|heard| now.duration_since(*heard) < KNOWN_TIME)
    }
}

/// Places of one kind.
#[derive(Debug)]
pub(crate) struct Places {
    all: usize,
    taken: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    strangers: usize,
    /// Networks that have none are not in it.
    networks: HashMap<Arc<str>, usize>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The network has its share.
    Network,
    /// All are taken, or all of strangers.
    All,
}

/// Places that someone has.
#[derive(Debug)]
pub(crate) struct Taken {
    places: Arc<Places>,
    sender: Sender,
    count: usize,
}

impl Places {
    /// This number of free places.
    pub(crate) fn new(all: usize) -> Arc<Places> {
        Arc::new(Places { all, taken: Mutex::default() })
    }

    /// None yet, for someone who takes some later.
    pub(crate) fn none(self: &Arc<Places>, sender: &Sender) -> Taken {
        Taken { places: Arc::clone(self), sender: sender.clone(), count: 0 }
    }

    fn check(&self, taken: &Counts, sender: &Sender, more: usize) -> Result<(), Full> {
        let of_network = taken.networks.get(&sender.network).copied().unwrap_or(0);
        if of_network + more > self.all / NETWORK_PART {
            return Err(Full::Network);
        }
        let is_full = taken.all + more > self.all;
        if is_full || !sender.is_known && taken.strangers + more > self.all / STRANGERS_PART {
            return Err(Full::All);
        }
        Ok(())
    }
}

impl Taken {
    /// Whether this number could be taken now.
    pub(crate) fn check(&self, count: usize) -> Result<(), Full> {
        let more = count.saturating_sub(self.count);
        self.places.check(&lock(&self.places.taken), &self.sender, more)
    }

    /// Takes places until there is this number of them.
    pub(crate) fn grow_to(&mut self, count: usize) -> Result<(), Full> {
        let more = count.saturating_sub(self.count);
        if more == 0 {
            return Ok(());
        }
        let mut taken = lock(&self.places.taken);
        self.places.check(&taken, &self.sender, more)?;
        taken.all += more;
        if !self.sender.is_known {
            taken.strangers += more;
        }
        *taken.networks.entry(Arc::clone(&self.sender.network)).or_default() += more;
        self.count += more;
        Ok(())
    }

    /// Gives all back.
    pub(crate) fn give_back(&mut self) {
        let count = std::mem::take(&mut self.count);
        if count == 0 {
            return;
        }
        let mut taken = lock(&self.places.taken);
        taken.all -= count;
        if !self.sender.is_known {
            taken.strangers -= count;
        }
        if let Some(of_network) = taken.networks.get_mut(&self.sender.network) {
            *of_network -= count;
            if *of_network == 0 {
                taken.networks.remove(&self.sender.network);
            }
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(network: &str, is_known: bool) -> Sender {
        Sender { network: network.into(), is_known }
    }

    #[test]
    fn a_network_has_its_share_and_strangers_theirs() {
        let places = Places::new(8);
        let (a, b, c) = (sender("a", false), sender("b", false), sender("c", false));
        let (v, w) = (sender("v", true), sender("w", true));
        let mut of_a = places.none(&a);
        assert_eq!(of_a.check(2), Ok(()));
        assert_eq!(of_a.grow_to(3), Err(Full::Network));
        of_a.grow_to(1).unwrap();
        let mut second = places.none(&a);
        second.grow_to(1).unwrap();
        assert_eq!(of_a.grow_to(1), Ok(()), "it has that");
        assert_eq!(of_a.grow_to(2), Err(Full::Network));
        places.none(&b).grow_to(3).unwrap_err();
        let mut of_b = places.none(&b);
        of_b.grow_to(2).unwrap();
        assert_eq!(places.none(&c).grow_to(1), Err(Full::All));
        let (mut of_v, mut of_w) = (places.none(&v), places.none(&w));
        of_v.grow_to(2).unwrap();
        of_w.grow_to(2).unwrap();
        assert_eq!(places.none(&sender("x", true)).check(1), Err(Full::All));
        assert_eq!(lock(&places.taken).all, 8);
        drop((of_a, second, of_b, of_v));
        of_w.give_back();
        of_w.give_back();
        let taken = lock(&places.taken);
        assert_eq!((taken.all, taken.strangers, taken.networks.len()), (0, 0, 0));
    }

    #[test]
    fn networks_of_vendors_are_bounded_and_forgotten() {
        let networks = VendorNetworks::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 0..KNOWN_NETWORKS_MAX {
            networks.heard(&sender(&number.to_string(), false), at(1));
        }
        networks.heard(&sender("7", false), start);
        assert!(networks.contains("7", at(1)));
        networks.heard(&sender("one more", false), at(2));
        assert_eq!(lock(&networks.0).len(), KNOWN_NETWORKS_MAX);
        assert!(!networks.contains("7", at(2)), "it was silent longest");
        let end = 2 + KNOWN_TIME.as_secs();
        assert!(networks.contains("one more", at(end - 1)));
        assert!(!networks.contains("one more", at(end)));
    }
}
