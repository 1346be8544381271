//! Networks: which peers are proxies, and from which network a request comes.
//!
//! Input: the peer of a connection, and `X-Forwarded-For`. Output: a network, by which attempts are
//! counted. The invariant: what a client writes into the header never chooses its network, if the
//! proxies are those of the settings.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::HeaderMap;
use micromint_console::tell;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::random;

/// The header field with the addresses through which a request came.
const FORWARDED: &str = "x-forwarded-for";
/// The most proxies of a configuration.
pub const PROXIES_MAX: usize = 100;
/// The most addresses of `X-Forwarded-For` that are read, from the last one on.
const HOPS_MAX: usize = 20;

/// A network, such as `192.0.2.0/24` or `2001:db8::/32`; an address alone is one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many leading bits count.
    bits: u32,
}

impl Network {
    /// Whether the address is in the network.
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = u32::from(own) ^ u32::from(other);
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = u128::from(own) ^ u128::from(other);
                differing.leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong =
            || format!("expected an address or a network such as 192.0.2.0/24, found {text:?}");
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address = address.parse::<IpAddr>().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Network { address, bits })
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug)]
pub struct Proxies {
    networks: Vec<Network>,
    /// What a person should mend was said.
    is_told: Arc<AtomicBool>,
}

impl Default for Proxies {
    /// This machine.
    fn default() -> Proxies {
        let loopback = ["127.0.0.0/8", "::1"];
        Proxies::from(loopback.iter().filter_map(|text| text.parse().ok()).collect::<Vec<_>>())
    }
}

impl From<Vec<Network>> for Proxies {
    fn from(networks: Vec<Network>) -> Proxies {
        Proxies { networks, is_told: Arc::default() }
    }
}

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Proxies, D::Error> {
        let expected = "expected the addresses or networks of the proxies, such as [\"192.0.2.7\"]";
        let found = toml::Value::deserialize(from)?;
        let list = found
            .as_array()
            .ok_or_else(|| D::Error::custom(format!("{expected}, found {found}")))?;
        if list.len() > PROXIES_MAX {
            let found = list.len();
            return Err(D::Error::custom(format!(
                "expected at most {PROXIES_MAX} proxies, found {found}"
            )));
        }
        let network = |value: &toml::Value| match value.as_str() {
            Some(text) => text.parse().map_err(D::Error::custom),
            None => Err(D::Error::custom(format!("{expected}, found {value}"))),
        };
        Ok(Proxies::from(list.iter().map(network).collect::<Result<Vec<Network>, _>>()?))
    }
}

impl Proxies {
    /// Whether a peer is one of them.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// The address that a request comes from: the peer; if that is a proxy, the last address of
    /// `X-Forwarded-For` that is not one. An entry that is no address ends the way, at the proxy
    /// that wrote it.
    pub(super) fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut client = peer.to_canonical();
        let fields = headers.get_all(FORWARDED).iter().rev();
        let entries = fields.flat_map(|field| field.to_str().unwrap_or("?").rsplit(','));
        for entry in entries.take(HOPS_MAX) {
            if !self.contains(client) {
                break;
            }
            match address_of(entry.trim()) {
                Some(address) => client = address,
                None => break,
            }
        }
        client
    }

    /// Says once what a person should mend: a proxy that the settings do not name, or one that does
    /// not say for whom it asks. Visitors then count as one network.
    pub(super) fn tell(&self, headers: &HeaderMap, peer: IpAddr) {
        let why = match (self.contains(peer), headers.contains_key(FORWARDED)) {
            (false, true) => {
                "is not believed about X-Forwarded-For. If it is your proxy, name it in \
                 behind-proxy: until then, all its visitors share the limits of one network"
            }
            (true, false) => {
                "sent a form without X-Forwarded-For. If it is your proxy, let it set the field: \
                 until then, all its visitors share the limits of one network"
            }
            _ => return,
        };
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tell!("mmbrokerd: warning: {} {why}", peer.to_canonical());
        }
    }
}

/// The address of an entry, which some proxies write with a port.
fn address_of(entry: &str) -> Option<IpAddr> {
    let alone = entry.parse::<IpAddr>().ok();
    let address = alone.or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// The network of an address, as limits count it: a /24 of IPv4, a /56 of IPv6.
pub(crate) fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => random::hex(&address.octets()[..7]) + "/56",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address of the client, of these fields and this peer.
    fn client(proxies: &Proxies, fields: &[&str], peer: &str) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(FORWARDED, field.parse().unwrap());
        }
        proxies.client(&headers, peer.parse().unwrap()).to_string()
    }

    fn named(texts: &[&str]) -> Proxies {
        Proxies::from(texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Network>>())
    }

    #[test]
    fn only_a_proxy_on_this_machine_names_the_client_by_default() {
        let proxies = Proxies::default();
        for (fields, peer, expected) in [
            (&["1.2.3.4, 198.51.100.7"][..], "127.0.0.1", "198.51.100.7"),
            (&["1.2.3.4", "198.51.100.7"], "::1", "198.51.100.7"),
            (&["1.2.3.4, 198.51.100.7"], "203.0.113.5", "203.0.113.5"),
            (&[], "127.0.0.1", "127.0.0.1"),
            (&["::ffff:198.51.100.7"], "::ffff:127.0.0.1", "198.51.100.7"),
            (&["198.51.100.7:4711"], "127.0.0.1", "198.51.100.7"),
            (&["[2001:db8::7]:4711"], "127.0.0.1", "2001:db8::7"),
            // What is no address ends the way.
            (&["1.2.3.4, unknown"], "127.0.0.1", "127.0.0.1"),
            (&["1.2.3.4, "], "127.0.0.1", "127.0.0.1"),
        ] {
            assert_eq!(client(&proxies, fields, peer), expected, "{fields:?} {peer}");
        }
    }

    #[test]
    fn named_proxies_are_passed_over_from_the_last_one_on() {
        let proxies = named(&["192.0.2.0/24", "2001:db8:7::/48"]);
        for (fields, peer, expected) in [
            (&["1.2.3.4, 198.51.100.7"][..], "192.0.2.9", "198.51.100.7"),
            (&["1.2.3.4, 198.51.100.7, 192.0.2.1"], "2001:db8:7::1", "198.51.100.7"),
            (&["198.51.100.7"], "192.0.3.9", "192.0.3.9"),
            (&["198.51.100.7"], "2001:db8:8::1", "2001:db8:8::1"),
            // This machine is not among them.
            (&["198.51.100.7"], "127.0.0.1", "127.0.0.1"),
            // A chain of proxies alone: the first of them asks.
            (&["192.0.2.4, 192.0.2.5"], "192.0.2.6", "192.0.2.4"),
        ] {
            assert_eq!(client(&proxies, fields, peer), expected, "{fields:?} {peer}");
        }
        assert_eq!(client(&named(&[]), &["198.51.100.7"], "127.0.0.1"), "127.0.0.1");
    }

    #[test]
    fn addresses_of_the_header_are_bounded() {
        let hops = |count: usize| ["198.51.100.7"].into_iter().chain(vec!["192.0.2.1"; count]);
        let proxies = named(&["192.0.2.1"]);
        let client = |count| {
            let entries: Vec<&str> = hops(count).collect();
            client(&proxies, &[&entries.join(",")], "192.0.2.1")
        };
        assert_eq!(client(HOPS_MAX - 1), "198.51.100.7");
        assert_eq!(client(HOPS_MAX), "192.0.2.1");
    }

    #[test]
    fn networks_have_their_bits() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("0.0.0.0/0", "255.1.1.1") && !contains("0.0.0.0/0", "::1"));
        assert!(
            contains("192.0.2.128/25", "192.0.2.128") && !contains("192.0.2.128/25", "192.0.2.127")
        );
        assert!(contains("::/0", "2001:db8::1") && !contains("2001:db8::1", "2001:db8::2"));
        for wrong in ["192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "proxy", ""] {
            let why = wrong.parse::<Network>().unwrap_err();
            assert!(why.starts_with("expected an address or a network"), "{why}");
        }
    }

    #[test]
    fn limits_count_networks() {
        let of = |address: &str| network_of(address.parse().unwrap());
        assert_eq!(of("198.51.100.7"), "198.51.100.0/24");
        assert_eq!(of("2001:db8:1:2ff::1"), "20010db8000102/56");
        assert_eq!(of("::ffff:203.0.113.5"), "203.0.113.0/24");
    }
}
