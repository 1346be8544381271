//! Minting: tossing balls into bins for a whole period (thesis 3.2.1).
