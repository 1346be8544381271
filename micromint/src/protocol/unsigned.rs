//! Messages that have no authenticator yet.

/// Stands in a message for the authenticator that is not yet computed. Such a message can only be
/// given one, with its `authenticated`: it can neither be printed nor taken for a message that is
/// sent or received.
///
/// ```
/// use micromint::authenticator::{Authenticator, Key};
/// use micromint::protocol::{RequestCredit, Unsigned};
///
/// let client_key = Key::from_bytes([7; 32]); // K_U
/// let request: RequestCredit<Unsigned> = RequestCredit {
///     user: "alice".parse()?,
///     period: "2026-12".parse()?,
///     request: "r-1".parse()?,
///     authenticator: Unsigned,
///     x: vec![1, 2],
/// };
/// let request: RequestCredit<Authenticator> = request.authenticated(&client_key);
/// assert_eq!(request.authenticator, client_key.request_credit("r-1", &request.data()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsigned;
