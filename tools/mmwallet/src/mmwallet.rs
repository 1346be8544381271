//! The client (thesis 3.4).

fn main() {}
