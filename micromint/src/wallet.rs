//! The client's wallet: receiving, spending and returning coins (thesis 3.4).
