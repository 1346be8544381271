//! For what a program pays: a task, and in words what asked for the payment.

use crate::error::clip;
use crate::protocol::is_printable;

/// The longest name of a task, in bytes.
pub const TASK_LEN_MAX: usize = 64;
/// The longest text that says what asked for a payment, in bytes.
pub const ASKED_LEN_MAX: usize = 512;

/// For what a program pays. The wallet stores it with the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    task: String,
    asked: String,
}

/// A text of a [`Purpose`] cannot be stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PurposeError {
    /// The name of the task.
    #[error(
        "expected a task of 1 to {TASK_LEN_MAX} printable ASCII characters without blanks, found \
         {0:?}"
    )]
    Task(String),
    /// The text that says what asked.
    #[error(
        "expected at most {ASKED_LEN_MAX} printable bytes that say what asked, \
         found {0:?}"
    )]
    Asked(String),
}

impl Purpose {
    /// A purpose: the name of the task, 1 to [`TASK_LEN_MAX`] printable ASCII characters without
    /// blanks, and in words what asked for the payment, at most [`ASKED_LEN_MAX`] bytes without
    /// control characters.
    ///
    /// # Errors
    /// A text is longer, or contains other characters.
    pub fn new(task: &str, asked: &str) -> Result<Purpose, PurposeError> {
        let is_name = task.bytes().all(|c| c.is_ascii_graphic());
        if !is_name || !(1..=TASK_LEN_MAX).contains(&task.len()) {
            return Err(PurposeError::Task(clip(task)));
        }
        if asked.len() > ASKED_LEN_MAX || !is_printable(asked) {
            return Err(PurposeError::Asked(clip(asked)));
        }
        Ok(Purpose { task: task.to_string(), asked: asked.to_string() })
    }

    /// The name of the task.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// What asked for the payment, in words; may be empty.
    pub fn asked(&self) -> &str {
        &self.asked
    }
}
