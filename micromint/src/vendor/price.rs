//! The price of a page.
//!
//! Input: the content of a price file (`NAME.mm` beside `NAME`, thesis 3.3.1), or the value of a
//! directive or server variable; and what a base coin is worth. Output: a number of base coins. The
//! invariant: a price that cannot be parsed or converted is an error, never free; the server
//! answers 500 then.
//!
//! A *base coin* is worth the `coin-value` of the vendor's configuration, or if that does not say,
//! as much as every coin that the vendor accepts. Coins of the accepted periods are worth a whole
//! number of base coins, so rounding up to base coins first changes no price in coins of a period.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::normal_path::{NormalPath, path_and_query};
use crate::money::{Money, coins};
use crate::protocol::{COINS_PER_PAYMENT_MAX, parse_decimal};
use crate::text_file::without_mark;

/// The largest price file, in bytes.
pub const PRICE_FILE_SIZE_MAX: usize = 64;
/// The suffix of a price file's name: the file `NAME.mm` contains the price of `NAME`.
pub const PRICE_FILE_SUFFIX: &str = ".mm";

/// The most base coins that a coin may be worth.
pub(super) const COIN_WORTH_MAX: u32 = 1_000_000;
/// The highest price, in base coins: the largest payment, in the coins that are worth the most.
const PRICE_MAX: u32 = COINS_PER_PAYMENT_MAX * COIN_WORTH_MAX;

/// A price as a webmaster writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// A number of base coins, 0 (free) to [`COINS_PER_PAYMENT_MAX`].
    Coins(u32),
    /// An amount of money.
    Money(Money),
}

/// The text is not a price, or the price cannot be expressed in coins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// Neither a number of coins nor an amount.
    #[error("expected a price from 0 to {COINS_PER_PAYMENT_MAX} coins, found {0}")]
    Other(String),
    /// The configuration does not say what a base coin is worth.
    #[error(
        "expected a price in coins, found {0}: for prices in money, the vendor's configuration says \
         what a coin is worth, such as coin-value = \"0.01 USD\""
    )]
    NoCoinValue(Money),
    /// The currency is another one than that of the coins.
    #[error("expected a price in {}, as coin-value, found {found}", coin_value.currency())]
    Currency {
        /// The price.
        found: Money,
        /// What a base coin is worth.
        coin_value: Money,
    },
    /// No payment can be as high.
    #[error("expected a price of at most {max} coins, found {found}")]
    TooHigh {
        /// The price.
        found: String,
        /// The highest price.
        max: u32,
    },
}

impl Price {
    /// A free page.
    pub(crate) const FREE: Price = Price::Coins(0);

    /// The price in base coins, each of which is worth `coin_value`; an amount is rounded up.
    ///
    /// # Errors
    /// The price is an amount, and `coin_value` is `None` or in another currency, or the result is
    /// more than 500 coins of a million base coins each.
    pub fn coins(self, coin_value: Option<Money>) -> Result<u32, PriceError> {
        let money = match self {
            Price::Coins(coins) => return Ok(coins),
            Price::Money(money) => money,
        };
        let coin_value = coin_value.ok_or(PriceError::NoCoinValue(money))?;
        if money.currency() != coin_value.currency() {
            return Err(PriceError::Currency { found: money, coin_value });
        }
        let too_high = || PriceError::TooHigh { found: money.to_string(), max: PRICE_MAX };
        if coin_value.units() == 0 {
            return Err(too_high());
        }
        let coins = u32::try_from(money.units().div_ceil(coin_value.units())).ok();
        coins.filter(|coins| *coins <= PRICE_MAX).ok_or_else(too_high)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Price::Coins(number) => f.write_str(&coins((*number).into())),
            Price::Money(money) => money.fmt(f),
        }
    }
}

/// Parses a price: one line with a canonical decimal number of coins from 0 (free) to
/// [`COINS_PER_PAYMENT_MAX`], or with an amount such as `0.02 EUR`, with optional blanks around it
/// and an optional line end. Price files, directives and variables have the same form.
///
/// ```
/// use micromint::vendor::{Price, parse_price};
///
/// assert_eq!(parse_price(b" 3\n")?, Price::Coins(3));
/// assert_eq!(parse_price(b"\xef\xbb\xbf3\r\n")?, Price::Coins(3));
/// assert!(parse_price(b"").is_err());
/// assert!(parse_price(b"501").is_err());
///
/// let price = parse_price(b"0.0041 USD")?;
/// assert_eq!(price.coins(Some("0.0001 USD".parse()?))?, 41);
/// assert_eq!(price.coins(Some("0.004 USD".parse()?))?, 2);
/// assert!(price.coins(None).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The text has any other form, or is empty.
pub fn parse_price(text: &[u8]) -> Result<Price, PriceError> {
    let error = || PriceError::Other(shown(text));
    if text.len() > PRICE_FILE_SIZE_MAX {
        return Err(PriceError::Other(format!("more than {PRICE_FILE_SIZE_MAX} bytes")));
    }
    let line = without_mark(text);
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = std::str::from_utf8(line).map_err(|_| error())?;
    let number = line.trim_matches([' ', '\t']);
    if let Ok(money) = number.parse() {
        return Ok(Price::Money(money));
    }
    parse_decimal(number)
        .and_then(|price| u32::try_from(price).ok())
        .filter(|price| *price <= COINS_PER_PAYMENT_MAX)
        .map(Price::Coins)
        .ok_or_else(|| {
            let is_line = !number.contains(['\n', '\r']);
            let found = if is_line { number.as_bytes() } else { text };
            PriceError::Other(format!("{}{}", shown(found), hint(number)))
        })
}

/// What is wrong with a text that is nearly a number.
fn hint(text: &str) -> &'static str {
    let digits = text.trim_start_matches(['+', '-']);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_currency = |code: &str| code.len() == 3 && code.bytes().all(|c| c.is_ascii_alphabetic());
    if text.rsplit_once(' ').is_some_and(|(_, code)| is_currency(code)) {
        return ", which is not an amount such as 0.02 EUR either";
    }
    match text.chars().next() {
        _ if text.contains(['\n', '\r']) => ", which is more than one line",
        Some('+' | '-') if is_number => ", which has a sign",
        Some('0') if is_number => ", which begins with 0",
        _ => "",
    }
}

/// The content of a price file, or a little more than [`PRICE_FILE_SIZE_MAX`] bytes of it. `None`
/// if there is no file of this name. It never waits, whatever kind of file this is.
///
/// # Errors
/// The file cannot be read, or the name is not that of a regular file but of a folder, a pipe or a
/// symbolic link to nothing. Its page then must not be served.
pub fn read_price_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if is_absence(error.kind()) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = if kind.is_symlink() {
        fs::metadata(path)
            .map_err(|error| {
                io::Error::new(error.kind(), format!("the symbolic link leads to no file: {error}"))
            })?
            .file_type()
    } else {
        kind
    };
    if !kind.is_file() {
        return Err(io::Error::other("expected a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(PRICE_FILE_SIZE_MAX as u64 + 1).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Whether an error says that there is no file of a name.
fn is_absence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename)
}

/// Whether `path`, of a file or in a URL, names a price file. Such files are never served.
pub fn is_price_file(path: &[u8]) -> bool {
    path.ends_with(PRICE_FILE_SUFFIX.as_bytes())
}

/// Whether a request puts something in the place of a price file: a COPY or MOVE of WebDAV (RFC
/// 4918, 9.8 and 9.9) whose `Destination` names one in any reading of its path.
pub fn replaces_price_file(method: &[u8], destination: Option<&[u8]>) -> bool {
    let path = || path_and_query(destination?).map(|(path, _)| path);
    let names_one =
        |path| NormalPath::readings(path).iter().any(|path| is_price_file(path.as_bytes()));
    matches!(method, b"COPY" | b"MOVE") && path().is_some_and(names_one)
}

/// Whether the answer to this request is the server's own redirect to a folder, from its name
/// without the slash at the end: `/2026` to `/2026/`. It is never charged, so the price is asked
/// for the folder and not for the redirect.
///
/// `path` is the one that is served, `is_folder` whether it is a directory for which the server
/// itself makes the redirect.
pub fn is_redirect_to_folder(method: &[u8], path: &[u8], is_folder: bool) -> bool {
    is_folder && matches!(method, b"GET" | b"HEAD") && !path.ends_with(b"/")
}

fn shown(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    #[test]
    fn nothing_is_put_in_the_place_of_a_price_file() {
        let replaces = |method: &str, destination: &str| {
            replaces_price_file(method.as_bytes(), Some(destination.as_bytes()))
        };
        for destination in [
            "http://news.example/dav/p.html.mm",
            "/dav/p.html.mm",
            "/dav/p.html.%6dm?x",
            "/dav/x%2f..%2fp.html.mm",
            "/dav/p.html%252emm",
        ] {
            assert!(replaces("MOVE", destination) && replaces("COPY", destination));
            assert!(!replaces("GET", destination) && !replaces("PUT", destination));
        }
        for destination in ["/dav/p.html", "http://news.example/p.mm/x", "", "*"] {
            assert!(!replaces("MOVE", destination), "{destination}");
        }
        assert!(!replaces_price_file(b"MOVE", None));
    }

    #[test]
    fn what_is_nearly_a_price_gets_a_hint() {
        for (text, found) in [
            ("007", "\"007\", which begins with 0"),
            ("+2\n", "\"+2\", which has a sign"),
            ("two\n", "\"two\""),
            ("-1", "\"-1\", which has a sign"),
            ("2\n\n", "\"2\\n\\n\", which is more than one line"),
            ("2 coins", "\"2 coins\""),
            ("0.02 eur", "\"0.02 eur\", which is not an amount such as 0.02 EUR either"),
            (".02 EUR", "\".02 EUR\", which is not an amount such as 0.02 EUR either"),
            (
                "0.000000001 EUR",
                "\"0.000000001 EUR\", which is not an amount such as 0.02 EUR either",
            ),
            ("501", "\"501\""),
            ("", "\"\""),
        ] {
            let expected = format!("expected a price from 0 to 500 coins, found {found}");
            assert_eq!(parse_price(text.as_bytes()).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_price_is_one_line_with_one_number() {
        for (text, price) in [
            ("2", 2),
            ("2\n", 2),
            ("2\r\n", 2),
            (" \t12 \n", 12),
            ("0\n", 0),
            ("500", 500),
            ("\u{feff}2\r\n", 2),
        ] {
            assert_eq!(parse_price(text.as_bytes()), Ok(Price::Coins(price)), "{text:?}");
        }
        for text in [
            "",
            "\n",
            " ",
            "501",
            "-1",
            "+1",
            "1.5",
            "02",
            "0x2",
            "2\n\n",
            "2\n3",
            "2 3",
            "two",
            "2\0",
            "4294967298",
            "18446744073709551618",
            "\u{a0}2",
            "٢",
        ] {
            let error = parse_price(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("0 to 500 coins, found"), "{text:?}: {error}");
        }
        assert!(parse_price(&[0xff]).is_err());
    }

    #[test]
    fn an_amount_is_rounded_up_to_whole_base_coins() {
        let coins = |price: &str, coin_value: &str| {
            let coin_value = (!coin_value.is_empty()).then(|| coin_value.parse().unwrap());
            let price = parse_price(price.as_bytes()).unwrap();
            price.coins(coin_value).map_err(|error| error.to_string())
        };
        for (price, coin_value, expected) in [
            ("0 USD", "0.01 USD", 0),
            ("0.00000001 USD", "0.01 USD", 1),
            ("0.01 USD\n", "0.01 USD", 1),
            (" 0.01000001 USD", "0.01 USD", 2),
            ("0.0041 USD", "0.0001 USD", 41),
            ("0.00400001 USD", "0.0001 USD", 41),
            ("0.0041 USD", "0.004 USD", 2),
            ("5 USD", "0.00000001 USD", PRICE_MAX),
            ("3", "0.01 USD", 3),
            ("3", "", 3),
        ] {
            assert_eq!(coins(price, coin_value), Ok(expected), "{price} {coin_value}");
        }
        for (price, coin_value, says) in [
            ("5.00000001 USD", "0.00000001 USD", "at most 500000000 coins, found 5.00000001 USD"),
            ("184467440737 USD", "0.00000001 USD", "at most 500000000 coins"),
            ("1 USD", "0 USD", "at most 500000000 coins"),
            ("0.01 EUR", "0.01 USD", "expected a price in USD, as coin-value, found 0.01 EUR"),
            ("0.01 EUR", "", "such as coin-value = \"0.01 USD\""),
        ] {
            let error = coins(price, coin_value).unwrap_err();
            assert!(error.contains(says), "{price} {coin_value}: {error}");
        }
    }

    proptest! {
        /// Rounding up to base coins first changes no price in coins that are worth whole numbers
        /// of them.
        #[test]
        fn a_price_in_coins_of_a_period_is_exact(
            units in 0..=u64::from(u32::MAX),
            base in 1..100_000u64,
            worth in 1..=COIN_WORTH_MAX,
        ) {
            let money = |units| Money::new(units, Currency::TEST);
            if let Ok(price) = Price::Money(money(units)).coins(Some(money(base))) {
                let value = base * u64::from(worth);
                prop_assert_eq!(u64::from(price.div_ceil(worth)), units.div_ceil(value));
            }
        }
    }

    #[test]
    fn the_size_is_bounded() {
        let padded = |n: usize| format!("{}2", " ".repeat(n - 1));
        assert_eq!(parse_price(padded(PRICE_FILE_SIZE_MAX).as_bytes()), Ok(Price::Coins(2)));
        assert!(parse_price(padded(PRICE_FILE_SIZE_MAX + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_price_file_is_a_regular_file_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "2\n").unwrap();
        fs::write(at("long"), " ".repeat(1000)).unwrap();
        fs::create_dir(at("folder")).unwrap();
        for (name, target) in [("link", "file"), ("dangling", "absent"), ("to-folder", "folder")] {
            std::os::unix::fs::symlink(target, at(name)).unwrap();
        }
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let read = |name: &str| read_price_file(&at(name));
        assert_eq!(read("file").unwrap().unwrap(), b"2\n");
        assert_eq!(read("link").unwrap().unwrap(), b"2\n");
        assert_eq!(read("long").unwrap().unwrap().len(), PRICE_FILE_SIZE_MAX + 1);
        for absent in ["absent", "file/x", &"x".repeat(300)] {
            assert!(read(absent).unwrap().is_none(), "{absent}");
        }
        for (name, says) in [
            ("dangling", "the symbolic link leads to no file"),
            ("folder", "expected a regular file"),
            ("to-folder", "expected a regular file"),
            ("pipe", "expected a regular file"),
        ] {
            let error = read(name).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn price_files_are_known_by_their_name() {
        for (path, is) in [
            ("/a.html.mm", true),
            ("/.mm", true),
            ("/a.mm/b", false),
            ("/a.mmx", false),
            ("", false),
        ] {
            assert_eq!(is_price_file(path.as_bytes()), is, "{path}");
        }
    }

    #[test]
    fn only_the_servers_own_redirect_to_a_folder_has_no_price() {
        for (method, path, is_folder, expected) in [
            ("GET", "/2026", true, true),
            ("HEAD", "/a/2026", true, true),
            ("GET", "/2026/", true, false),
            ("GET", "/2026", false, false),
            ("POST", "/2026", true, false),
            ("PROPFIND", "/2026", true, false),
        ] {
            let found = is_redirect_to_folder(method.as_bytes(), path.as_bytes(), is_folder);
            assert_eq!(found, expected, "{method} {path} {is_folder}");
        }
    }
}
