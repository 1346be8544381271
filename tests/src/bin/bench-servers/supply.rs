//! Coins and payments enough for a whole run, made before anything is measured.

use micromint::authenticator::Key;
use micromint::hash::HashName;
use micromint::host::{Clock, SystemClock};
use micromint::params::Params;
use micromint::testing::{ObviousMint, params_with, resize};
use micromint_servers::client::{RequestText, base64url};

use crate::cases::{Paying, Plan};

/// What is paid for: one page a price, under an origin that names no port, so that it is good at every port.
const ORIGIN: &str = "http://localhost";

/// Requests that pay, ready to be sent, each good once at every till.
pub(crate) struct Supply {
    params: Params,
    one: Vec<Vec<u8>>,
    ten: Vec<Vec<u8>>,
    posts: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
}

impl Supply {
    /// Makes the mint and all payments of a run: some seconds.
    pub(crate) fn new(plan: &Plan) -> Supply {
        let now = SystemClock.now();
        let mint = ObviousMint::new(params_with(|raw| {
            resize(raw, 11, 8, 4, 2, HashName::Des);
            raw.period = "bench".parse().unwrap();
            raw.start = now.plus_seconds(-86_400);
            raw.expiration = now.plus_seconds(30 * 86_400);
            raw.redeem_until = now.plus_seconds(37 * 86_400);
        }));
        let (user, vendor) = ("alice".parse().unwrap(), "localhost".parse().unwrap());
        let key = Key::from_bytes([7; 32]);
        let firsts = (0..mint.params().superbin_count() as u32).step_by(2);
        let mut coins = firsts.flat_map(|first| mint.coins(&user, &vendor, first));
        let mut pay = |target: &str, count: usize, is_post: bool| {
            let coins: Vec<_> = coins.by_ref().take(count).collect();
            assert_eq!(coins.len(), count, "more rounds and requests than there are coins");
            let url = format!("{ORIGIN}{target}").parse().unwrap();
            let payment = mint.payment(&user, &key, &vendor, &url, &coins).to_bytes();
            let request = match is_post {
                true => RequestText::post_bytes(target, &payment),
                false => RequestText::get(target).with("MicroMint-Payment", &base64url(&payment)),
            };
            request.to_bytes()
        };
        let (one, ten) = (plan.requests_of(Paying::One), plan.requests_of(Paying::Ten));
        let posts = plan.requests_of(Paying::Post);
        Supply {
            params: mint.params().clone(),
            one: (0..plan.rounds * one).map(|_| pay("/one/page.html", 1, false)).collect(),
            ten: (0..plan.rounds * ten).map(|_| pay("/ten/page.html", 10, false)).collect(),
            posts: (0..plan.rounds * posts).map(|_| pay("/one/page.html", 1, true)).collect(),
            others: (0..plan.payments_of_others()).map(|_| pay("/one/page.html", 1, false)).collect(),
        }
    }

    /// The period's parameters.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// The requests of one round.
    pub(crate) fn round(&self, paying: Paying, round: usize, count: usize) -> &[Vec<u8>] {
        let all = match paying {
            Paying::One => &self.one,
            Paying::Ten => &self.ten,
            Paying::Post => &self.posts,
        };
        &all[round * count..][..count]
    }

    /// Payments of those who pay while free pages are measured.
    pub(crate) fn others(&self) -> &[Vec<u8>] {
        &self.others
    }
}
