//! The exit statuses of `mmwallet`, in addition to those of [`micromint_console`]. They are part of
//! its interface: they tell scripts whether coins were sent.

/// The page costs coins and the wallet did not pay; no coins were sent.
pub const NOT_PAID: u8 = 3;
/// Coins were sent and the vendor refused them.
pub const REFUSED: u8 = 4;
/// Coins were sent, or sets were ordered, and no complete answer came. The same command sends the
/// same coins or the same order again.
pub const NO_ANSWER: u8 = 5;
/// The server answered with an HTTP error (a status of 400 or more) or an unexpected redirect.
pub const HTTP: u8 = 6;
/// The server could not be reached; no coins were sent.
pub const NETWORK: u8 = 7;

/// For `--help`.
pub const TABLE: &str = "\
Exit status:
  0  done
  1  failed: a file, a message or the wallet cannot be used; standard error says why
  2  the command line is wrong
  3  the page costs coins and the wallet did not pay: the price is above --autopay and nobody
     confirmed it, a limit is reached, there are too few coins, or the request for payment
     cannot be trusted; no coins were sent
  4  coins were sent and the vendor refused them; they can be spent only at this vendor
  5  coins were sent, or sets were ordered, and no complete answer came; run the same command
     again: it sends the same coins or the same order, and nothing is charged twice
  6  the server answered with an HTTP error or an unexpected redirect
  7  the server could not be reached; no coins were sent";
