//! Host names: which texts are valid, which mean this machine, and which belong to the same owner.
//!
//! Input: text from outside. Output: yes or no. The invariant: a valid name is lower-case and has
//! no trailing dot, so two names are the same host only if they are the same bytes.

mod public_suffix;

use std::net::{Ipv4Addr, Ipv6Addr};

use self::public_suffix::public_suffix;

/// The longest host name, in bytes.
pub(crate) const HOST_NAME_LEN_MAX: usize = 253;

/// Whether `text` is a host: a name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn is_valid(text: &str) -> bool {
    is_name_or_ipv4(text) || is_bracketed_ipv6(text)
}

/// Whether the valid host `parent` is a parent of the valid host `name` and lies at or below the
/// registrable domain of `name`. It is not enough that `parent` is not a public suffix: under
/// wildcard rules the parent of a public suffix may not be one. `shop.kawasaki.jp` is a public
/// suffix, `kawasaki.jp` is not.
pub(crate) fn is_parent_of_one_owner(parent: &str, name: &str) -> bool {
    // An address has no parents: the text after one of its dots ends in a number, so it is not a
    // valid host.
    let is_parent = name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
    is_parent && parent.len() > public_suffix(name).len()
}

/// Whether a valid host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let is_v4 = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    is_v4 || host == "[::1]" || host == "localhost" || host.ends_with(".localhost")
}

/// Labels of `a-z 0-9 - _`, none empty or longer than 63, none beginning or ending in a hyphen.
/// Clients read a name whose last label is a number as an IPv4 address, so such a name must be an
/// IPv4 address in its usual form.
fn is_name_or_ipv4(text: &str) -> bool {
    let is_label = |label: &[u8]| {
        (1..=63).contains(&label.len())
            && label
                .iter()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(c))
            && !label.starts_with(b"-")
            && !label.ends_with(b"-")
    };
    // Bytes, not characters: every payment contains names, and decoding characters takes longer.
    let labels = || text.as_bytes().split(|c| *c == b'.');
    text.len() <= HOST_NAME_LEN_MAX
        && labels().all(is_label)
        && (!labels().next_back().is_some_and(is_number) || text.parse::<Ipv4Addr>().is_ok())
}

/// Whether the URL standard reads the label as a number in an IPv4 address: decimal or hexadecimal.
fn is_number(label: &[u8]) -> bool {
    match label.strip_prefix(b"0x") {
        Some(digits) => digits.iter().all(u8::is_ascii_hexdigit),
        None => label.iter().all(u8::is_ascii_digit),
    }
}

/// `[2001:db8::1]`, exactly as RFC 5952 prints it (which is how the standard library prints).
fn is_bracketed_ipv6(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok_and(|a| a.to_string() == inner))
}
