//! The one decision about a request: serve it, or send something else.

/// A payment that this request recorded and that its answer may still reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {}
