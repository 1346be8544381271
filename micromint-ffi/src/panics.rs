//! Panics of the library, which nobody but the caller hears of: nothing is written to stderr.
//!
//! The hook is that of the library's own Rust runtime, so a Rust program that links the library
//! keeps its own.

use std::cell::RefCell;
#[cfg(not(feature = "exported"))]
use std::panic::{self, PanicHookInfo};
#[cfg(not(feature = "exported"))]
use std::sync::Once;

thread_local! {
    /// Where this thread last panicked.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps the place of panics from now on, instead of printing it.
#[cfg(not(feature = "exported"))]
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| panic::set_hook(Box::new(kept)));
}

/// Where the panic that was caught on this thread happened, as an addition to its message; empty if
/// another thread panicked first.
pub(crate) fn place() -> String {
    let place = PLACE.try_with(RefCell::take).ok().flatten();
    place.map_or_else(String::new, |place| format!(" ({place})"))
}

#[cfg(not(feature = "exported"))]
fn kept(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    // A thread that is about to end has no place to keep it.
    let _ = PLACE.try_with(|kept| kept.replace(place));
}
