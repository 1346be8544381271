//! What the mark on a link says: the price, and whether the page is paid for already.
//!
//! Input: what the site says about a page before anybody asks for it, in a 402 to HEAD or in its
//! public price list. Output: an amount. It is a hint for people, and nothing is decided by it:
//! what a page costs is in the 402 that the browser gets, and [`crate::decide`] decides about that.

use micromint::identity::VendorId;
use micromint::money::Money;
use micromint::protocol::{RequestPayment, Url};
use micromint::time::UnixTime;
use micromint::wallet::{WalletState, request_in_header};
use serde::{Deserialize, Serialize};

use crate::amount::Worth;
use crate::decide::paid_before;

/// A cent: a hundredth of the currency, in units of 10^-8. A link that costs less looks like any
/// other (thesis 4.1.2).
const CENT_UNITS: u64 = 1_000_000;

/// What a site says about the price of a page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Said {
    /// In a 402: the value of MicroMint-Request.
    Request(String),
    /// In the public price list and the manifest.
    Listed {
        /// The Vendor-ID.
        vendor: String,
        /// The price.
        coins: u32,
        /// What a coin is worth.
        value: String,
    },
}

/// What to say about a link.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hint {
    /// The price.
    pub coins: u32,
    /// What these coins are worth; none if that does not fit.
    pub worth: Option<Worth>,
    /// Whether it is less than a cent, so that nothing is said.
    pub is_small: bool,
    /// Whether the page is paid for, so that it opens free of charge.
    pub is_paid: bool,
}

/// The hint for the page at `url`.
///
/// # Errors
/// What the site says is malformed, or is for another site. Says what was found.
pub fn hint(state: &WalletState, url: &Url, said: &Said, now: UnixTime) -> Result<Hint, String> {
    let (vendor, coins, value) = read(url, said)?;
    if !vendor.collects_at(url.host()) {
        return Err(format!("expected a vendor that collects at {}, found {vendor}", url.host()));
    }
    let worth = value.checked_mul(coins.into());
    Ok(Hint {
        coins,
        worth: worth.map(Worth::from),
        is_small: worth.is_some_and(|worth| worth.units() < CENT_UNITS),
        is_paid: paid_before(state, &vendor, url, now).is_some_and(|paid| paid.is_recent),
    })
}

fn read(url: &Url, said: &Said) -> Result<(VendorId, u32, Money), String> {
    match said {
        Said::Request(request) => {
            let request: RequestPayment =
                request_in_header(request.as_bytes()).map_err(|error| error.to_string())?;
            if request.url != *url {
                return Err(format!("expected a price of {url}, found one of {}", request.url));
            }
            let least = request.least().ok_or("expected a price, found none")?;
            Ok((request.vendor.clone(), least.coins, least.coin_value))
        }
        Said::Listed { vendor, coins, value } => {
            let vendor = vendor.parse().map_err(|error| format!("vendor-id: {error}"))?;
            let value = value.parse().map_err(|error| format!("coin-value: {error}"))?;
            Ok((vendor, *coins, value))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(vendor: &str, coins: u32, value: &str) -> Said {
        Said::Listed { vendor: vendor.into(), coins, value: value.into() }
    }

    fn at(url: &str, said: &Said) -> Result<Hint, String> {
        hint(&WalletState::default(), &url.parse().unwrap(), said, UnixTime(0))
    }

    #[test]
    fn a_listed_price_is_said_from_a_cent_on() {
        let url = "https://www.a.example/1";
        let found = at(url, &listed("a.example", 3, "0.01 USD")).unwrap();
        let worth = Worth::from("0.03 USD".parse::<Money>().unwrap());
        let expected = Hint { coins: 3, worth: Some(worth), is_small: false, is_paid: false };
        assert_eq!(found, expected);
        assert!(!at(url, &listed("a.example", 1, "0.01 USD")).unwrap().is_small);
        assert!(at(url, &listed("a.example", 1, "0.00999999 USD")).unwrap().is_small);
        assert!(!at(url, &listed("a.example", 500, "184467440737 USD")).unwrap().is_small);
    }

    #[test]
    fn a_price_of_another_site_and_nonsense_are_errors() {
        for said in [
            listed("b.example", 3, "0.01 USD"),
            listed("no host", 3, "0.01 USD"),
            listed("a.example", 3, "free"),
            Said::Request("?".into()),
        ] {
            assert!(at("https://a.example/1", &said).is_err(), "{said:?}");
        }
    }
}
