//! The users whom a vendor should stop serving: a header of Redemption-Result and Watch-Result.

use std::fmt;

use super::{Frame, MessageError};
use crate::identity::UserId;

/// The largest number of users in one message: as many of the longest names as fit into a line.
pub const BLOCKED_PER_RESULT_MAX: usize = 200;

const BLOCKED: &str = "Blocked";

/// The users whom a vendor should stop serving, because of their payments at this vendor: 0 to
/// [`BLOCKED_PER_RESULT_MAX`]. The header is absent if there is none. Prints as in the header, with
/// commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocked(Vec<UserId>);

impl Blocked {
    /// These users; if there are too many, the first of them.
    pub fn new(users: impl IntoIterator<Item = UserId>) -> Blocked {
        Blocked(users.into_iter().take(BLOCKED_PER_RESULT_MAX).collect())
    }

    /// The users.
    pub fn users(&self) -> &[UserId] {
        &self.0
    }

    /// Reads the header, if the message has it. Blanks around names are allowed.
    pub(super) fn from_frame(frame: &Frame<'_>) -> Result<Blocked, MessageError> {
        let Some(text) = frame.get(BLOCKED) else { return Ok(Blocked::default()) };
        let wrong = |why: String| MessageError::Header { name: BLOCKED.to_string(), why };
        let found = text.bytes().filter(|byte| *byte == b',').count() + 1;
        if found > BLOCKED_PER_RESULT_MAX {
            return Err(wrong(format!(
                "expected at most {BLOCKED_PER_RESULT_MAX} users, found {found}"
            )));
        }
        let read = |name: &str| name.trim().parse().map_err(|error| wrong(format!("{error}")));
        Ok(Blocked(text.split(',').map(read).collect::<Result<_, _>>()?))
    }

    /// The header to print, if there is one.
    pub(super) fn header(&self) -> Option<(&'static str, &Blocked)> {
        (!self.0.is_empty()).then_some((BLOCKED, self))
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, user) in self.0.iter().enumerate() {
            write!(f, "{}{user}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticator::Authenticator;
    use crate::protocol::RedemptionResult;

    fn users(count: usize) -> Vec<UserId> {
        (0..count).map(|i| format!("{i:040}").parse().unwrap()).collect()
    }

    fn result(blocked: Blocked) -> RedemptionResult {
        let (vendor, batch) = ("news.example".parse().unwrap(), "b1".parse().unwrap());
        let authenticator = Authenticator::from_bytes([0; 16]);
        RedemptionResult { vendor, batch, blocked, authenticator, verdicts: Vec::new() }
    }

    #[test]
    fn as_many_as_fit_are_told_and_one_more_is_refused() {
        for count in [0, 1, BLOCKED_PER_RESULT_MAX] {
            let result = result(Blocked::new(users(count)));
            let bytes = result.to_bytes();
            assert_eq!(RedemptionResult::parse(&bytes).unwrap(), result);
            assert_eq!(String::from_utf8(bytes).unwrap().contains("Blocked"), count > 0);
        }
        let many = Blocked::new(users(BLOCKED_PER_RESULT_MAX + 1));
        assert_eq!(many.users().len(), BLOCKED_PER_RESULT_MAX);
        let text = String::from_utf8(result(many).to_bytes()).unwrap();
        let error =
            |text: String| RedemptionResult::parse(text.as_bytes()).unwrap_err().to_string();
        let longer = error(text.replace("Blocked: ", "Blocked: a,"));
        assert!(longer.contains("at most 200 users, found 201"), "{longer}");
        for wrong in ["Blocked: a,,b", "Blocked: Alice", "Blocked: "] {
            let text = text.lines().map(|line| match line.starts_with("Blocked") {
                true => format!("{wrong}\n"),
                false => format!("{line}\n"),
            });
            assert!(error(text.collect()).contains("Blocked"), "{wrong}");
        }
    }
}
