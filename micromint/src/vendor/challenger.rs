//! Challenges of the scheme "Payment": issues one with every 402, and checks those that credentials
//! echo.
//!
//! No challenge is stored: its `id` is an HMAC over the other parameters, under a key that every
//! server of one till derives from the secret of receipts. The invariant: a valid id proves that
//! this vendor issued the challenge for this page and this expiry time. It proves nothing about
//! coins, which are checked as in any other payment.

use subtle::ConstantTimeEq;

use crate::authenticator::Key;
use crate::protocol::{RequestPayment, Url};
use crate::scheme::{
    CREDENTIAL_HEADER, Challenge, INTENT, METHOD, charge_request, is_charge_request_for,
};
use crate::time::UnixTime;

/// Challenges expire at multiples of this many seconds, so that the head of a 402 changes only this
/// often.
const GRID_SECONDS: i64 = 300;
/// A challenge expires at the third such time after its issue, so a person has 10 to 15 minutes to
/// consent.
const GRID_STEPS: i64 = 3;

/// When challenges issued at `now` are replaced by different ones; they are equal until then.
pub(super) fn next_challenge(now: UnixTime) -> UnixTime {
    UnixTime((now.0.div_euclid(GRID_SECONDS) + 1) * GRID_SECONDS)
}

/// Issues and checks challenges.
pub(super) struct Challenger {
    key: Key,
    realm: String,
}

/// The result of checking an echoed challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// Issued by this vendor for this page, and valid.
    Timely,
    /// Issued by this vendor for this page, and expired.
    Late,
    /// Issued by another vendor or for another page.
    Foreign,
}

impl Challenger {
    /// The challenger of the vendor that `realm` names.
    pub(super) fn new(receipt_key: &Key, realm: &str) -> Challenger {
        let key = Key::from_bytes(receipt_key.mac(&[b"micromint challenge"]));
        Challenger { key, realm: realm.to_string() }
    }

    /// The challenge for an offer. With `spares_authorization` the site uses Authorization itself,
    /// and the challenge asks for the credential in another field.
    pub(super) fn issue(
        &self,
        offer: &RequestPayment,
        now: UnixTime,
        spares_authorization: bool,
    ) -> Challenge {
        // A clock may return any number.
        let step = now.0.div_euclid(GRID_SECONDS) + GRID_STEPS;
        let expires = UnixTime(step.saturating_mul(GRID_SECONDS));
        let mut challenge = Challenge {
            realm: self.realm.clone(),
            method: METHOD.to_string(),
            intent: INTENT.to_string(),
            request: charge_request(offer),
            expires: Some(expires.to_string()),
            header: spares_authorization.then(|| CREDENTIAL_HEADER.to_string()),
            ..Challenge::default()
        };
        challenge.id = challenge.id_under(&self.key);
        challenge
    }

    /// Whether this vendor issued an echoed challenge for the page at `url`, and whether it has
    /// expired.
    pub(super) fn check(&self, echoed: &Challenge, url: &Url, now: UnixTime) -> Echo {
        let is_ours: bool =
            echoed.id_under(&self.key).as_bytes().ct_eq(echoed.id.as_bytes()).into();
        let is_for_page = || is_charge_request_for(&echoed.request, url);
        let expires = || echoed.expires.as_deref()?.parse::<UnixTime>().ok();
        match (is_ours && is_for_page()).then(expires).flatten() {
            Some(expires) if now < expires => Echo::Timely,
            Some(_) => Echo::Late,
            None => Echo::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::PeriodPrice;

    fn offer(url: &str) -> RequestPayment {
        RequestPayment {
            url: url.parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            prices: vec![PeriodPrice::new(
                "2026-12".parse().unwrap(),
                3,
                "0.01 USD".parse().unwrap(),
            )],
            broker: "https://broker.example/".to_string(),
            description: String::new(),
        }
    }

    fn challenger(byte: u8) -> Challenger {
        Challenger::new(&Key::from_bytes([byte; 32]), "news.example")
    }

    #[test]
    fn a_clock_may_return_any_number() {
        for now in [i64::MIN, i64::MAX] {
            let _ = challenger(1).issue(&offer("https://news.example/"), UnixTime(now), false);
        }
    }

    #[test]
    fn what_was_asked_is_known_again_until_it_ends() {
        let (page, now) = ("https://news.example/story", UnixTime(1_000_100));
        let challenge = challenger(1).issue(&offer(page), now, false);
        assert_eq!(challenge.expires.as_deref(), Some("1970-01-12T14:00:00Z"));
        assert_eq!(challenger(1).issue(&offer(page), UnixTime(1_000_199), false), challenge);
        assert_ne!(challenger(1).issue(&offer(page), UnixTime(1_000_200), false), challenge);
        let url = page.parse().unwrap();
        let check =
            |challenge: &Challenge, now| challenger(1).check(challenge, &url, UnixTime(now));
        assert_eq!(check(&challenge, 1_000_799), Echo::Timely);
        assert_eq!(check(&challenge, 1_000_800), Echo::Late);
        assert_eq!(
            challenger(2).check(&challenge, &url, now),
            Echo::Foreign,
            "another vendor's secret"
        );
        let elsewhere = "https://news.example/other".parse().unwrap();
        assert_eq!(challenger(1).check(&challenge, &elsewhere, now), Echo::Foreign);
        let spared = challenger(1).issue(&offer(page), now, true);
        assert_eq!(check(&spared, 1_000_100), Echo::Timely);
        for changed in [
            Challenge { header: None, ..spared },
            Challenge { id: String::new(), ..challenge.clone() },
            Challenge { expires: Some("2030-01-01T00:00:00Z".into()), ..challenge.clone() },
            Challenge { expires: None, ..challenge.clone() },
            Challenge {
                request: charge_request(&RequestPayment {
                    prices: vec![PeriodPrice { coins: 1, ..offer(page).prices[0].clone() }],
                    ..offer(page)
                }),
                ..challenge
            },
        ] {
            assert_eq!(check(&changed, 1_000_100), Echo::Foreign, "{changed:?}");
        }
    }
}
