//! The reply to a request that may be refused.
//!
//! A refusal is an answer; an error is a failure. A broker that is sold out, or a user who
//! declines, refuses: everything works, nothing changed, and asking again gets the same answer. An
//! error means that the answer is not known, because a file or a service failed. So a function that
//! can do both returns `Result<Reply<T, R>, E>`: `?` passes the error on, and the caller matches
//! the reply.

/// What was requested, or the reason why it was refused.
///
/// ```
/// use micromint::reply::Reply;
///
/// fn sell(wanted: u32, left: u32) -> Reply<u32, String> {
///     if wanted > left {
///         return Reply::Refused(format!("{wanted} sets wanted, {left} are left"));
///     }
///     Reply::Granted(left - wanted)
/// }
///
/// assert_eq!(sell(1, 3), Reply::Granted(2));
/// assert_eq!(sell(4, 3).refused().as_deref(), Some("4 sets wanted, 3 are left"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Reply<T, R> {
    /// The request was granted.
    Granted(T),
    /// The request was refused for this reason. Nothing changed.
    Refused(R),
}

impl<T, R> Reply<T, R> {
    /// The granted value; `None` if the request was refused.
    pub fn granted(self) -> Option<T> {
        match self {
            Reply::Granted(granted) => Some(granted),
            Reply::Refused(_) => None,
        }
    }

    /// The reason of the refusal; `None` if the request was granted.
    pub fn refused(self) -> Option<R> {
        match self {
            Reply::Granted(_) => None,
            Reply::Refused(refusal) => Some(refusal),
        }
    }

    /// Applies a function to the granted value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U, R> {
        match self {
            Reply::Granted(granted) => Reply::Granted(change(granted)),
            Reply::Refused(refusal) => Reply::Refused(refusal),
        }
    }

    /// Turns a refusal into an error, for callers to whom it is one, such as a command that fails
    /// if it is refused.
    ///
    /// # Errors
    /// The refusal.
    pub fn into_result(self) -> Result<T, R> {
        match self {
            Reply::Granted(granted) => Ok(granted),
            Reply::Refused(refusal) => Err(refusal),
        }
    }
}
