//! The wallet buys from the real broker through a server that fails in every way: nothing is bought
//! twice, and nothing is lost.
//!
//! The process that is killed is this very test program, started again with `buyer` as the test to
//! run.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use micromint::wallet::Wallet;
use micromint_console::EXIT_OK;
use mmwallet::buy::{BuyOptions, buy, give_up, go_on};
use mmwallet::exit;
use mmwallet::login::LoginOptions;
use mmwallet::wallet_file::WalletFile;

use super::Place;
use super::site::{Fault, Site, client, wallet_of};

/// How many purchases are killed.
const KILLS: u32 = 12;
/// The same for the slow test.
const MANY_KILLS: u32 = 100;

/// A broker's site, and a buyer with a wallet and a password.
struct Shop {
    site: Arc<Site>,
    file: WalletFile,
    password: std::path::PathBuf,
}

impl Shop {
    fn open() -> Shop {
        let site = Site::start(Place::at);
        let (file, password) = (wallet_of(&site.place), site.key.clone());
        Shop { site, file, password }
    }

    fn options(&self) -> BuyOptions<'_> {
        let login = LoginOptions { user: Some("alice"), password_file: Some(&self.password) };
        BuyOptions { url: &self.site.url, login, sets: Some(1), transaction: None }
    }

    fn buy(&self) -> u8 {
        buy(&self.file, &client(), &self.options()).unwrap()
    }

    fn wallet(&self) -> Wallet {
        self.file.open().unwrap()
    }

    fn open_orders(&self) -> usize {
        self.wallet().state().open_orders().count()
    }

    fn sets(&self) -> u32 {
        let wallet = self.wallet();
        let holdings = 0..wallet.state().holdings().len();
        holdings.map(|holding| wallet.state().balance(holding).sets).sum()
    }

    /// The sales and sets that the broker has recorded.
    fn sold(&self) -> (u32, u32) {
        let status = self.site.place.text("mmbroker status --format json");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let number = |key: &str| status[0][key].as_u64().unwrap() as u32;
        (number("sales"), number("sets-sold"))
    }
}

/// Whatever stands in the way of the broker's answer, the order stays open, and the next purchase
/// goes on with it.
#[test]
fn an_answer_that_is_lost_is_fetched_again() {
    let shop = Shop::open();
    let faults = [
        Fault::Lost,
        Fault::Cut,
        Fault::Answer("502 Bad Gateway", "<html>The gateway says: try later</html>"),
        Fault::Answer("200 OK", "<html>A portal asks you to log in</html>"),
        Fault::Answer("302 Found", ""),
        Fault::Answer("403 Forbidden", "<html>A firewall</html>"),
        Fault::Answer("409 Conflict", "<html>Nothing was sold.</html>"),
        // The request did not reach the broker.
        Fault::Unseen("503 Service Unavailable"),
    ];
    for (number, fault) in (1..).zip(faults) {
        shop.site.fail_next_post(fault);
        assert_eq!(shop.buy(), exit::NO_ANSWER, "{fault:?}");
        assert_eq!(shop.open_orders(), 1, "{fault:?}");
        assert_eq!(shop.buy(), EXIT_OK, "{fault:?}");
        assert_eq!((shop.open_orders(), shop.sets()), (0, number), "{fault:?}");
        assert_eq!(shop.sold(), (number, number), "{fault:?}");
    }
    let bodies = shop.site.forms();
    assert!(bodies.chunks(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
}

/// Without a login the broker refuses, and that says nothing about the order.
#[test]
fn an_open_order_is_not_answered_to_nobody() {
    let shop = Shop::open();
    shop.site.fail_next_post(Fault::Lost);
    assert_eq!(shop.buy(), exit::NO_ANSWER);
    assert_eq!(go_on(&shop.file, &client()).unwrap(), exit::NO_ANSWER);
    assert_eq!((shop.open_orders(), shop.sold()), (1, (1, 1)));
    assert_eq!(shop.buy(), EXIT_OK);
    assert_eq!((shop.open_orders(), shop.sets(), shop.sold()), (0, 1, (1, 1)));
}

/// Only the broker itself ends an order without coins; or its owner.
#[test]
fn a_refusal_of_the_broker_ends_an_order() {
    let shop = Shop::open();
    let many = BuyOptions { sets: Some(33), ..shop.options() };
    assert_eq!(buy(&shop.file, &client(), &many).unwrap(), exit::HTTP);
    let closed = shop.wallet().state().orders()[0].closed.clone().unwrap();
    assert!(closed.is_refused);
    assert!(closed.reason.contains("sold out: sets wanted 33, sets left 32"), "{}", closed.reason);
    assert_eq!(shop.open_orders(), 0);

    shop.site.fail_next_post(Fault::Lost);
    assert_eq!(shop.buy(), exit::NO_ANSWER);
    let number = shop.wallet().state().open_orders().next().unwrap().transaction;
    assert!(give_up(&shop.file, number + 1).is_err());
    assert_eq!(give_up(&shop.file, number).unwrap(), EXIT_OK);
    assert_eq!(shop.open_orders(), 0);
    // Its sale can still be fetched, and this buys nothing.
    let again = BuyOptions { sets: None, transaction: Some(number), ..shop.options() };
    assert_eq!(buy(&shop.file, &client(), &again).unwrap(), EXIT_OK);
    let never = BuyOptions { sets: None, transaction: Some(number + 1), ..shop.options() };
    assert_eq!(buy(&shop.file, &client(), &never).unwrap(), exit::HTTP);
    assert_eq!((shop.sets(), shop.sold()), (1, (1, 1)));
}

/// An order for more sets than the broker sells is one of which it sells nothing, also if it was
/// sent before and the answer was lost. The next purchase is a new order.
#[test]
fn an_order_for_too_many_sets_does_not_keep_the_wallet_from_buying() {
    let shop = Shop::open();
    let many = BuyOptions { sets: Some(500), ..shop.options() };
    assert_eq!(buy(&shop.file, &client(), &many).unwrap(), exit::HTTP);
    let closed = shop.wallet().state().orders()[0].closed.clone().unwrap();
    assert!(closed.is_refused);
    assert_eq!(closed.reason, "expected 1 to 100 sets, found 500");

    shop.site.fail_next_post(Fault::Lost);
    assert_eq!(buy(&shop.file, &client(), &many).unwrap(), exit::NO_ANSWER);
    assert_eq!((shop.buy(), shop.open_orders()), (exit::HTTP, 0));
    assert_eq!(shop.buy(), EXIT_OK);
    assert_eq!((shop.sets(), shop.sold()), (1, (1, 1)));
}

/// Starts the test `buyer` below as a process.
fn start_buyer(shop: &Shop) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "orders::buyer", "--ignored", "--nocapture"])
        .env("BUYER_URL", &shop.site.url)
        .env("BUYER_WALLET", shop.file.path())
        .env("BUYER_PASSWORD", &shop.password)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The process that is killed. It does nothing when it is run as a test.
#[test]
#[ignore = "a process that other tests start"]
fn buyer() {
    let Ok(url) = std::env::var("BUYER_URL") else { return };
    let wallet = std::path::PathBuf::from(std::env::var_os("BUYER_WALLET").unwrap());
    let password = std::path::PathBuf::from(std::env::var_os("BUYER_PASSWORD").unwrap());
    let file = WalletFile::new(Some(&wallet)).unwrap();
    let login = LoginOptions { user: Some("alice"), password_file: Some(&password) };
    let options = BuyOptions { url: &url, login, sets: Some(1), transaction: None };
    buy(&file, &client(), &options).unwrap();
}

/// Kills purchases, and now and then the broker's program, at moments that cover all of a purchase.
fn kill_purchases(kills: u32) {
    let shop = Shop::open();
    let begin = Instant::now();
    assert!(start_buyer(&shop).wait().unwrap().success());
    let mut whole = begin.elapsed();
    let (mut killed, mut round) = (0, 0);
    while killed < kills {
        assert!(round < kills * 5, "{killed} of {kills} were killed in {round} rounds");
        if round % 5 == 4 {
            shop.site.fail_next_post(Fault::KilledAfter(whole * (round % 7) / 14));
        }
        let mut buyer = start_buyer(&shop);
        std::thread::sleep(whole * (round * 37 % 101) / 100);
        buyer.kill().unwrap();
        match buyer.wait().unwrap().success() {
            false => killed += 1,
            // The machine is faster now than when a whole purchase was timed.
            true => whole = whole * 9 / 10,
        }
        // At most one order is open: the next purchase goes on with it.
        assert!(shop.open_orders() <= 1, "round {round}");
        round += 1;
    }
    // The first try may meet the last fault.
    for _ in 0..2 {
        if shop.open_orders() > 0 {
            shop.buy();
        }
    }
    assert_eq!(shop.open_orders(), 0);
    let (sales, sets) = shop.sold();
    let wallet = shop.wallet();
    let received = wallet.state().orders().iter().filter(|order| order.is_received).count() as u32;
    assert_eq!((sales, sets), (shop.sets(), shop.sets()), "a sale is lost");
    assert_eq!(sales, received, "a sale was not ordered");
    println!("{killed} purchases killed in {round} rounds, {sales} sets bought, none lost");
}

#[test]
fn killed_purchases_are_neither_lost_nor_made_twice() {
    kill_purchases(KILLS);
}

#[test]
#[ignore = "a minute"]
fn a_hundred_killed_purchases_are_neither_lost_nor_made_twice() {
    kill_purchases(MANY_KILLS);
}
