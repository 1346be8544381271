//! Takes the coins in the till to the broker (thesis 3.3.2).

fn main() {}
