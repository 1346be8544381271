//! Shows what is in a wallet (thesis 3.4.2).

fn main() {}
