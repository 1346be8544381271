//! The broker: selling sets, redeeming coins, taking unspent coins back (thesis 3.2).

// Who the broker is.
pub mod secret;
