//! The life cycle of a server: what the tests of every server check in the same way.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Barrier;

use micromint::protocol::Payment;

use crate::client::{Connection, RequestText};
use crate::payer;
use crate::server::{Server, word};
use crate::site::Site;

/// Vendor files that a server refuses, each with a part of the message.
pub fn bad_vendor_files() -> [(String, &'static str); 4] {
    let good = Site::new().vendor_toml("till");
    [
        ("vendor-id = ".to_string(), "vendor.toml:1"),
        (good.replace("localhost\"\n", "LOCAL HOST\"\n"), "vendor-id"),
        (good.replace("periods = \"periods\"", "periods = \"www\""), "PERIOD.params"),
        (format!("{good}colour = \"red\"\n"), "colour"),
    ]
}

/// The names in the folder of the site that `act` creates.
pub fn names_created(site: &Site, act: impl FnOnce()) -> Vec<String> {
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(site.folder()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let before = names();
    act();
    names().into_iter().filter(|name| !before.contains(name)).collect()
}

/// The till of the site and the files in it belong to one user, and nobody else may read them.
pub fn assert_till_is_private(site: &Site) {
    let till = std::fs::metadata(site.path("till")).unwrap();
    assert_eq!(till.permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(site.path("till")).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        assert_eq!(meta.permissions().mode() & 0o077, 0, "{:?}", entry.path());
        assert_eq!(meta.uid(), till.uid(), "{:?}", entry.path());
    }
}

/// A coin that was spent for `/one.html`.
pub struct SpentCoin {
    payment: Payment,
    /// The same coin for another URL.
    again: Payment,
    receipt: String,
}

impl SpentCoin {
    /// Spends a coin.
    pub fn at(server: &impl Server) -> SpentCoin {
        let coins = payer::coins_of(payer::mint(), 1);
        let pay = |page: &str| payer::payment_with(payer::mint(), &server.site().url(page), &coins);
        let (payment, again) = (pay("/one.html"), pay("/one.html?again"));
        let receipt = server.ask(&RequestText::post("/one.html", &payment)).cookie().unwrap();
        SpentCoin { payment, again, receipt }
    }

    /// The coin pays for nothing else, the same payment is a retry, and the receipt is valid.
    pub fn assert_spent(&self, server: &impl Server, when: &str) {
        let answer = server.ask(&RequestText::post("/one.html?again", &self.again));
        assert_eq!(answer.short(), word(402, "spent"), "{when}");
        let retry = server.ask(&RequestText::post("/one.html", &self.payment));
        assert_eq!(retry.short(), word(200, "retry"), "{when}");
        let receipt = server.ask(&RequestText::get("/one.html").with("Cookie", &self.receipt));
        assert_eq!(receipt.short(), word(200, "receipt"), "{when}");
    }
}

/// Of eight payments with one coin, sent at the same time, one is accepted. The servers at `ports`
/// sell the pages of the site; they are used in turn.
pub fn assert_one_of_racing_payments_is_accepted(site: &Site, ports: &[u16], case: &str) {
    const SPENDERS: usize = 8;
    let coins = payer::coins_of(payer::mint(), 1);
    let barrier = Barrier::new(SPENDERS);
    // Different URLs, so that no payment is a retry of another.
    let words: Vec<String> = std::thread::scope(|scope| {
        let spend = |spender: usize| {
            let target = format!("/one.html?{spender}");
            let payment = payer::payment_with(payer::mint(), &site.url(&target), &coins);
            let bytes = RequestText::post(&target, &payment).to_bytes();
            let mut connection = Connection::open(ports[spender % ports.len()]);
            let (head, last) = bytes.split_at(bytes.len() - 1);
            connection.send(head);
            barrier.wait();
            connection.send(last);
            connection.receive("POST").word()
        };
        let threads: Vec<_> =
            (0..SPENDERS).map(|spender| scope.spawn(move || spend(spender))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |word: &str| words.iter().filter(|found| *found == word).count();
    assert_eq!((count("paid"), count("spent")), (1, SPENDERS - 1), "{case}: {words:?}");
}
