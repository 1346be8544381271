//! Sells sets of superbins and takes unspent coins back (thesis 3.2.2).

fn main() {}
