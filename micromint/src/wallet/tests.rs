//! The wallet as a whole.
