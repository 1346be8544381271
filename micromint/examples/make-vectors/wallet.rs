//! Records of a wallet file.

use serde_json::{Value, json};

use super::{hex_bytes, json_file, periods};
use micromint::authenticator::Key;
use micromint::host::{Entropy, SimulatedDirectory};
use micromint::journal::Replayed;
use micromint::period::Period;
use micromint::protocol::{PeriodPrice, RequestPayment};
use micromint::reply::Reply;
use micromint::testing::ObviousMint;
use micromint::time::UnixTime;
use micromint::wallet::{
    Fetch, NewOrder, PaymentDecision, PaymentOutcome, Policy, Wallet, receipt_in,
};

const COMMENT: &str = "Records of a wallet (docs/reference/wallet.md, The file), each with its \
    fields: times in seconds since 1970, a Transaction-ID and a token in hexadecimal. `payload` is \
    the payload in the journal. They come from three files: a wallet that orders, receives, pays \
    and is moved out; its backup, restored; and the file that carries it. They detect fields in \
    another order or width, big-endian numbers, and texts with another length.";

/// 2026-12-10, within the period of the vectors.
const NOW: UnixTime = UnixTime(1_796_860_800);
const PAGE: &str = "https://broker.example/coins";

/// Bytes that count up.
struct Counting;

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        bytes.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
        Ok(())
    }
}

pub(super) fn file() -> (String, Vec<u8>) {
    let directory = SimulatedDirectory::new();
    live(&directory);
    let wallet = payloads(&directory, "wallet");
    let rows = vec![
        row(
            "an order of a page that named its period",
            &wallet,
            13,
            0,
            order(0x0102_0304_0506_0708, 2, "2026-12", "alice"),
        ),
        row(
            "an order without a period and without a login",
            &wallet,
            13,
            1,
            order(7, 10_000, "", ""),
        ),
        row("the broker sold nothing", &wallet, 14, 0, closed("0000000000000007", 1, "sold out")),
        row("an order whose login is not ASCII", &wallet, 13, 2, order(8, 1, "", "Zo\u{eb}")),
        row("its owner gave it up", &wallet, 14, 1, closed("0000000000000008", 0, "")),
        row(
            "coins came from the broker's own page",
            &wallet,
            11,
            0,
            json!({"time": NOW.0, "holding": 0}),
        ),
        row(
            "the paywall did not see a payment",
            &wallet,
            5,
            0,
            json!({"time": NOW.0, "payment": 0, "code": 4, "word": "405"}),
        ),
        row(
            "a receipt for a path",
            &wallet,
            10,
            0,
            receipt("/story/17/", "micromint-abcdefgh=ijkl"),
        ),
        row("a receipt without a path", &wallet, 10, 1, receipt("", "micromint-abcdefgh=mnop")),
        row("a backup", &payloads(&directory, "backup"), 8, 0, json!({"time": NOW.0})),
        row(
            "a backup that was restored; coins may have been spent",
            &payloads(&directory, "restored"),
            9,
            0,
            json!({"time": NOW.0, "spendable": 0}),
        ),
        row("the wallet has left this file", &wallet, 15, 0, moved(0)),
        row("a copy that waits for that", &payloads(&directory, "stick"), 15, 0, moved(1)),
        row(
            "the wallet is in this file, to be moved in",
            &payloads(&directory, "stick"),
            15,
            1,
            moved(2),
        ),
        row("the wallet has arrived", &payloads(&directory, "new"), 15, 3, moved(3)),
    ];
    json_file("wallet.json", COMMENT, &rows)
}

/// The life of the wallet.
fn live(directory: &SimulatedDirectory) {
    let mut wallet = Wallet::open(directory, "wallet", &Counting).unwrap();
    let (page, period): (_, Period) = (PAGE.parse().unwrap(), "2026-12".parse().unwrap());
    let alices = NewOrder {
        page: &page,
        login: "alice",
        period: Some(&period),
        sets: 2,
        transaction: 0x0102_0304_0506_0708,
    };
    let nobodys = NewOrder { login: "", period: None, sets: 10_000, transaction: 7, ..alices };
    let zoes = NewOrder { login: "Zo\u{eb}", sets: 1, transaction: 8, ..nobodys };
    let order = |wallet: &mut Wallet, asked: &NewOrder<'_>| {
        assert!(matches!(wallet.order(asked, NOW).unwrap(), Reply::Granted(_)));
    };
    order(&mut wallet, &alices);
    order(&mut wallet, &nobodys);
    assert!(wallet.close_order(7, true, "sold out", NOW).unwrap());
    order(&mut wallet, &zoes);
    assert!(wallet.close_order(8, false, "", NOW).unwrap());

    let mint = ObviousMint::new(periods::test());
    let funds =
        mint.funds(&"alice".parse().unwrap(), &Key::from_bytes([5; 32]), &[8], alices.transaction);
    wallet.receive_from(&page, &funds, NOW).unwrap();
    let request = RequestPayment {
        url: "https://news.example/story/17/".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        prices: vec![PeriodPrice::new(period.clone(), 1, funds.params.coin_value())],
        broker: funds.params.raw().broker.clone(),
        description: String::new(),
    };
    let paid = wallet.pay(&request, &Fetch::new(&request.url), &Policy::new(1), NOW).unwrap();
    assert!(matches!(paid, PaymentDecision::Send(_)));
    wallet.record_outcome(0, PaymentOutcome::NotSeen("405".to_string()), NOW).unwrap();
    for cookie in [
        "micromint-abcdefgh=ijkl; Max-Age=60; Path=/story/17/",
        "micromint-abcdefgh=mnop; Max-Age=60",
    ] {
        wallet.keep_receipt(0, receipt_in(cookie, NOW).unwrap()).unwrap();
    }
    wallet.backup(directory, "backup", NOW).unwrap();
    Wallet::restore(directory, "backup", directory, "restored", false, NOW).unwrap();
    wallet.move_out(directory, "stick", &Counting, NOW).unwrap();
    Wallet::move_in(directory, "stick", directory, "new", &Counting, NOW).unwrap();
}

fn payloads(directory: &SimulatedDirectory, name: &str) -> Vec<Vec<u8>> {
    let file = Replayed::open_to_read(directory, name, "wallet", Vec::new()).unwrap();
    file.state().iter().map(|(_, payload)| payload.clone()).collect()
}

/// The record number `number` of this type, from 0.
fn row(why: &str, payloads: &[Vec<u8>], kind: u8, number: usize, fields: Value) -> Value {
    let payload = payloads.iter().filter(|payload| payload[0] == kind).nth(number).unwrap();
    json!({"why": why, "type": kind, "fields": fields, "payload": hex_bytes(payload)})
}

fn order(transaction: u64, sets: u32, period: &str, login: &str) -> Value {
    json!({
        "time": NOW.0, "transaction": format!("{transaction:016x}"), "sets": sets, "period": period,
        "login": login, "page": PAGE,
    })
}

fn closed(transaction: &str, refused: u8, reason: &str) -> Value {
    json!({"time": NOW.0, "transaction": transaction, "refused": refused, "reason": reason})
}

fn receipt(path: &str, cookie: &str) -> Value {
    json!({"payment": 0, "end": NOW.0 + 60, "path": path, "cookie": cookie})
}

fn moved(step: u8) -> Value {
    json!({"time": NOW.0, "step": step, "token": "0102030405060708090a0b0c0d0e0f10"})
}
