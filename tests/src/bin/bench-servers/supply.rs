//! Enough coins and payments for a whole run, made before anything is measured.

use micromint::authenticator::Key;
use micromint::hash::HashName;
use micromint::host::{Clock, SystemClock};
use micromint::params::Params;
use micromint::protocol::PAYMENT_HEADER;
use micromint::testing::{ObviousMint, params_with, resize};
use micromint_servers::client::{RequestText, base64url};

use crate::cases::{Page, Paying, Plan};

/// What is paid for: one page for each price, under origins without a port, so that a payment is
/// valid at every port.
pub(crate) const ORIGINS: [&str; 2] = ["http://localhost", "https://localhost"];

/// Requests with a payment, ready to be sent, each valid once at every till.
pub(crate) struct Supply {
    params: Params,
    batches: Vec<Batch>,
    others: Vec<Vec<u8>>,
}

/// The requests of all rounds that pay in one way for one page.
struct Batch {
    paying: Paying,
    page: Page,
    /// The number of them in a round.
    count: usize,
    requests: Vec<Vec<u8>>,
}

impl Supply {
    /// Makes the mint and all payments of a run; this takes some seconds.
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
        let mut pay = |paying: Paying, page: Page| {
            let (folder, count) = if paying == Paying::Ten { ("ten", 10) } else { ("one", 1) };
            let target = format!("/{folder}/{}", page.file());
            let coins: Vec<_> = coins.by_ref().take(count).collect();
            assert_eq!(coins.len(), count, "more rounds and requests than there are coins");
            let url =
                format!("{}{target}", ORIGINS[usize::from(page == Page::Secure)]).parse().unwrap();
            let payment = mint.payment(&user, &key, &vendor, &url, &coins).to_bytes();
            let request = match paying {
                // The challenge that it answers comes from the server, in each round.
                Paying::Credential => return payment,
                Paying::Post => RequestText::post_bytes(&target, &payment),
                _ => RequestText::get(&target).with(PAYMENT_HEADER, &base64url(&payment)),
            };
            request.to_bytes()
        };
        let mut batch = |(paying, page)| {
            let count = plan.payments_of(paying, page);
            let requests = (0..plan.rounds * count).map(|_| pay(paying, page)).collect();
            Batch { paying, page, count, requests }
        };
        let ways =
            [Paying::Ten, Paying::Post, Paying::Credential].map(|paying| (paying, Page::Small));
        let batches = Page::ALL
            .map(|page| (Paying::One, page))
            .into_iter()
            .chain(ways)
            .map(&mut batch)
            .collect();
        let others =
            (0..plan.payments_of_others()).map(|_| pay(Paying::One, Page::Small)).collect();
        Supply { params: mint.params().clone(), batches, others }
    }

    /// The period's parameters.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// The requests of one round; for credentials, the messages.
    pub(crate) fn round(&self, paying: Paying, page: Page, round: usize) -> &[Vec<u8>] {
        let batch = self.batches.iter().find(|batch| (batch.paying, batch.page) == (paying, page));
        let batch = batch.expect("payments are made for every case");
        &batch.requests[round * batch.count..][..batch.count]
    }

    /// The payments of the other client while free pages are measured.
    pub(crate) fn others(&self) -> &[Vec<u8>] {
        &self.others
    }
}
