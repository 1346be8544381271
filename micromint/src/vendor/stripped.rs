//! The request header fields that the content of a paid request must not see: fields by which some
//! frameworks change the method, and the coins themselves.

use super::request::Request;
use crate::protocol::PAYMENT_HEADER;
use crate::scheme::{AUTHORIZATION_HEADER, CREDENTIAL_HEADER, token_of};

/// Removed from every paid request.
const ALWAYS: [&str; 6] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-Method",
    PAYMENT_HEADER,
    CREDENTIAL_HEADER,
];
/// Fields about the body, for a payment in the body: the request is served as a GET without one.
const OF_BODY: [&str; 5] =
    ["Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Expect"];

static STRIPPED: [&str; 6] = ALWAYS;
/// Removed if Authorization holds a payment. Otherwise that field is the site's own and stays.
static STRIPPED_WITH_AUTHORIZATION: [&str; 7] = joined(ALWAYS, [AUTHORIZATION_HEADER]);
static STRIPPED_WITH_BODY: [&str; 11] = joined(ALWAYS, OF_BODY);

/// The fields to remove from a request with a payment, which is in its body or in a header.
pub(super) fn stripped_headers(request: &Request<'_>, is_body: bool) -> &'static [&'static str] {
    if is_body {
        &STRIPPED_WITH_BODY
    } else if request.header_values(AUTHORIZATION_HEADER).any(|value| token_of(value).is_some()) {
        &STRIPPED_WITH_AUTHORIZATION
    } else {
        &STRIPPED
    }
}

/// The names of `head`, then those of `tail`. `N` is their total number; another `N` does not
/// compile.
const fn joined<const A: usize, const B: usize, const N: usize>(
    head: [&'static str; A],
    tail: [&'static str; B],
) -> [&'static str; N] {
    assert!(A + B == N);
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = if at < A { head[at] } else { tail[at - A] };
        at += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_share_their_beginning_and_add_what_held_the_payment() {
        assert_eq!(STRIPPED_WITH_AUTHORIZATION[..6], STRIPPED);
        assert_eq!(STRIPPED_WITH_AUTHORIZATION[6], "Authorization");
        assert_eq!(STRIPPED_WITH_BODY[..6], STRIPPED);
        assert_eq!(STRIPPED_WITH_BODY[6..], OF_BODY);
    }

    #[test]
    fn the_sites_own_authorization_stays() {
        let stripped = |name: &str, value: &str| {
            let headers: &[(&[u8], &[u8])] = &[(name.as_bytes(), value.as_bytes())];
            stripped_headers(&Request { headers, ..Request::default() }, false)
        };
        assert_eq!(stripped("authorization", "Payment abc"), STRIPPED_WITH_AUTHORIZATION);
        assert_eq!(stripped("Authorization", "Basic YTpi"), STRIPPED);
        assert_eq!(stripped("Payment-Authorization", "Payment abc"), STRIPPED);
        assert_eq!(stripped_headers(&Request::default(), true), STRIPPED_WITH_BODY);
    }
}
