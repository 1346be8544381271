//! What is known about the client and the requested file before anything is served.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use micromint::time::UnixTime;
use nginx_sys::{AF_INET, AF_INET6, NGX_HTTP_IMS_OFF, sockaddr, sockaddr_in, sockaddr_in6};

use super::files;
use super::request::Request;

/// A file that nginx's static module is about to send.
pub(crate) struct StaticFile {
    /// Its entity tag as nginx makes it, with quotes; `None` with `etag off`.
    pub(crate) etag: Option<String>,
    /// Its modification time; `None` with `if_modified_since off`.
    pub(crate) last_modified: Option<UnixTime>,
    /// Its size; `None` with `max_ranges 0`.
    pub(crate) size: Option<u64>,
}

impl Request {
    /// The address of the client: that of the connection, or the one from the realip module.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        // SAFETY: the address of a live connection.
        unsafe { socket_address((*(*self.as_ptr()).connection).sockaddr) }
            .map(|(address, _)| address)
    }

    /// The port at which nginx accepted the connection.
    pub(crate) fn port(&self) -> Option<u16> {
        // SAFETY: as in `client`.
        unsafe { socket_address((*(*self.as_ptr()).connection).local_sockaddr) }
            .map(|(_, port)| port)
    }

    /// Whether it has a condition or a range.
    pub(crate) fn has_conditions(&self) -> bool {
        // SAFETY: the request is live.
        unsafe {
            let known = &raw const (*self.as_ptr()).headers_in;
            [
                (*known).if_match,
                (*known).if_none_match,
                (*known).if_modified_since,
                (*known).if_unmodified_since,
                (*known).range,
            ]
            .iter()
            .any(|field| !field.is_null())
        }
    }

    /// The file that nginx's static module will send for this request; `None` if something else
    /// makes the content, or might.
    pub(crate) fn static_file(&mut self) -> Option<StaticFile> {
        if self.has_content_handler() || self.path().ends_with(b"/") {
            return None;
        }
        // SAFETY: the request and its location's configuration are live.
        unsafe {
            let core = self.core();
            let file = files::open_beside(self.as_ptr(), core, 0, None, "", true).ok()??;
            let (time, size) = (file.modified, u64::try_from(file.size).ok()?);
            let is_dated = (*core).if_modified_since != NGX_HTTP_IMS_OFF as usize;
            Some(StaticFile {
                etag: ((*core).etag != 0).then(|| format!("\"{time:x}-{size:x}\"")),
                last_modified: is_dated.then_some(UnixTime(time)),
                size: ((*core).max_ranges != 0).then_some(size),
            })
        }
    }
}

/// Address and port; `None` for other families.
///
/// # Safety
/// `address` is null or a complete address of the family that it names.
unsafe fn socket_address(address: *const sockaddr) -> Option<(IpAddr, u16)> {
    if address.is_null() {
        return None;
    }
    // SAFETY: the caller guarantees it; it is read without assuming alignment.
    unsafe {
        match u32::from((*address).sa_family) {
            AF_INET => {
                let found = address.cast::<sockaddr_in>().read_unaligned();
                let ip = Ipv4Addr::from(u32::from_be(found.sin_addr.s_addr));
                Some((IpAddr::V4(ip), u16::from_be(found.sin_port)))
            }
            AF_INET6 => {
                let found = address.cast::<sockaddr_in6>().read_unaligned();
                let ip = Ipv6Addr::from(found.sin6_addr.__in6_u.__u6_addr8);
                Some((IpAddr::V6(ip), u16::from_be(found.sin6_port)))
            }
            _ => None,
        }
    }
}
