//! The exit statuses of `mmwallet`, beside those of [`micromint_console`]. They are part of its
//! interface: scripts tell by them whether coins left.

/// The page must be paid for, and the wallet did not pay; no coins left.
pub const NOT_PAID: u8 = 3;
/// Coins left, and the vendor refused them.
pub const REFUSED: u8 = 4;
/// Coins left, and no whole answer came: the same command again sends the same coins.
pub const NO_ANSWER: u8 = 5;
/// The server answered with an HTTP error (a status of 400 or more) or an unexpected redirect.
pub const HTTP: u8 = 6;
/// The server could not be reached; no coins left.
pub const NETWORK: u8 = 7;

/// For `--help`.
pub const TABLE: &str = "\
Exit status:
  0  done
  1  failed: a file, a message or the wallet is not what it should be
  2  the command line is wrong
  3  the page must be paid for and was not: price above --autopay without a yes, a limit,
     too few coins, or a request that must not be trusted; no coins left
  4  coins left and the vendor refused them; they stay bound to it
  5  coins left and no whole answer came; run the same command again: it sends the same coins
  6  the server answered with an HTTP error or an unexpected redirect
  7  the server could not be reached; no coins left";
