//! The coin file: every ball that the broker minted for a period (thesis 3.2.1, figure 3-1).
