//! Judges the batches of vendors (thesis 3.2.3).

fn main() {}
