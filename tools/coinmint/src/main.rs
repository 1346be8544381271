//! Mints the coins of a period (thesis 3.2.1).

fn main() {}
