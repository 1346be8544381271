//! Every message: parsing is the inverse of printing, no text makes a parser panic, and every size
//! has its bound.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use micromint::authenticator::{Authenticator, Key, OwnerToken};
use micromint::hash::HashName;
use micromint::money::{Currency, Money};
use micromint::params::{COIN_VALUE_UNITS_MAX, Params, RawParams, TIME_MAX};
use micromint::protocol::*;
use micromint::testing::{raw_test_params, resize, test_params};
use micromint::time::UnixTime;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::string::string_regex;

// What fields can hold.

fn text(pattern: &str) -> impl Strategy<Value = String> + use<> {
    string_regex(pattern).unwrap()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(
    pattern: &str,
) -> impl Strategy<Value = T> + use<T> {
    text(pattern).prop_map(|text| text.parse().unwrap())
}

const USER: &str = "[a-z0-9._@+-]{1,40}";
const PERIOD: &str = "[a-z0-9-]{1,32}";
const ID: &str = "[A-Za-z0-9._-]{1,64}";
const HOST: &str = "([a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9_])?\\.){0,4}[a-z]{1,8}|127\\.0\\.0\\.[1-9]|\\[::[1-9a-f]\\]";
const TARGET: &str = "/[!\"$-~]{0,60}";
/// A text for people in the form in which a header returns it.
const PEOPLE: &str = "[!-~]([ -~]{0,40}[!-~])?";

fn url() -> impl Strategy<Value = Url> {
    let port =
        prop_oneof![Just(String::new()), (1024u32..65536).prop_map(|port| format!(":{port}"))];
    (select(vec!["http", "https"]), text(HOST), port, text(TARGET)).prop_map(
        |(scheme, host, port, target)| format!("{scheme}://{host}{port}{target}").parse().unwrap(),
    )
}

fn authenticator() -> impl Strategy<Value = Authenticator> {
    any::<[u8; 16]>().prop_map(Authenticator::from_bytes)
}

fn money(units_max: u64) -> impl Strategy<Value = Money> {
    (1..=units_max, text("[A-Z]{3}"))
        .prop_map(|(units, code)| Money::new(units, code.parse().unwrap()))
}

/// A number of coins, and inputs for that number of coins of some size.
fn coins(coins_max: u32) -> impl Strategy<Value = (u32, Vec<u64>)> {
    (1..=coins_max, 2..=8usize).prop_flat_map(|(coins, k)| {
        (Just(coins), proptest::collection::vec(any::<u64>(), coins as usize * k))
    })
}

fn verdicts() -> impl Strategy<Value = Vec<Verdict>> {
    proptest::collection::vec(select(Verdict::ALL), 0..80)
}

fn params() -> impl Strategy<Value = Params> {
    let sizes = (6..=10u32, 3..=5u32, 2..=8u32, 0..=20u32, any::<bool>());
    let texts = (parsed(PERIOD), text("https?://[!-~]{1,40}"), money(COIN_VALUE_UNITS_MAX));
    let times = (0..TIME_MAX.0 - 2, 1..1_000_000_000i64, 0..1_000_000_000i64);
    (sizes, texts, times, any::<u64>(), any::<u64>()).prop_map(
        |((u, v, k, t, is_des), (period, broker, coin_value), (start, valid, late), iv, fixed)| {
            let mut raw: RawParams = raw_test_params();
            resize(&mut raw, u, v, k, t, if is_des { HashName::Des } else { HashName::Sha256 });
            (raw.period, raw.broker, raw.coin_value, raw.iv) = (period, broker, coin_value, iv);
            raw.fixed_bits = fixed & ((1 << t) - 1);
            raw.start = UnixTime(start);
            raw.expiration = UnixTime((start + valid).min(TIME_MAX.0));
            raw.redeem_until = UnixTime((raw.expiration.0 + late).min(TIME_MAX.0));
            Params::new(raw).unwrap()
        },
    )
}

// Every message.

fn funds_withdrawn() -> impl Strategy<Value = Message> {
    let superbin = proptest::collection::vec(any::<u64>(), 0..=8);
    let sets = proptest::collection::vec(proptest::collection::vec(superbin, 8), 0..4);
    (parsed(USER), any::<[u8; 32]>(), params(), sets, any::<u64>()).prop_map(
        |(user, key, params, sets, transaction)| {
            let cut = |mut superbins: Vec<Vec<u64>>| {
                superbins.truncate(params.coin_size());
                SoldSet { superbins }
            };
            let sets = sets.into_iter().map(cut).collect();
            let user_key = Key::from_bytes(key);
            Message::FundsWithdrawn(FundsWithdrawn { user, user_key, params, sets, transaction })
        },
    )
}

fn request_payment() -> impl Strategy<Value = Message> {
    let periods = proptest::collection::vec(parsed(PERIOD), 1..=PERIODS_PER_REQUEST_MAX);
    let people = (text(PEOPLE), prop_oneof![Just(String::new()), text(PEOPLE)]);
    let price = || (1..=COINS_PER_PAYMENT_MAX, money(u64::MAX));
    let others = proptest::collection::vec(price(), PERIODS_PER_REQUEST_MAX);
    (url(), price(), prop::option::of(others), parsed(HOST), periods, people).prop_map(
        |(url, one, others, vendor, periods, (broker, description))| {
            let price = |(at, period)| {
                let (coins, coin_value) = others.as_ref().map_or(one, |others| others[at]);
                PeriodPrice { period, coins, coin_value }
            };
            let prices = periods.into_iter().enumerate().map(price).collect();
            let request = RequestPayment { url, vendor, prices, broker, description };
            Message::RequestPayment(request)
        },
    )
}

fn payment() -> impl Strategy<Value = Message> {
    let owner_tokens = proptest::collection::vec(any::<[u8; 8]>(), 1..20)
        .prop_map(|tokens| tokens.into_iter().map(OwnerToken::from_bytes).collect());
    let texts = (url(), parsed(USER), parsed(HOST), parsed(PERIOD));
    (texts, owner_tokens, authenticator(), coins(20)).prop_map(
        |((url, user, vendor, period), owner_tokens, authenticator, (coins, x))| {
            Message::Payment(Payment {
                url,
                user,
                vendor,
                period,
                coins,
                owner_tokens,
                authenticator,
                x,
            })
        },
    )
}

fn invalid_payment() -> impl Strategy<Value = Message> {
    let coins = prop_oneof![Just((0, Vec::new())), coins(20)];
    (url(), text(PEOPLE), 0..=COINS_PER_PAYMENT_MAX, coins).prop_map(
        |(url, reason, price, (coins, x))| {
            Message::InvalidPayment(InvalidPayment { url, reason, price, coins, x })
        },
    )
}

fn request_redemption() -> impl Strategy<Value = Message> {
    let records = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..6);
    (parsed(HOST), parsed(ID), parsed(PERIOD), authenticator(), records).prop_map(
        |(vendor, batch, period, authenticator, records)| {
            let mut data = Vec::new();
            records.iter().for_each(|record| push_record(&mut data, record));
            let payments = records.len() as u32;
            let batch = RequestRedemption { vendor, batch, period, payments, authenticator, data };
            Message::RequestRedemption(batch)
        },
    )
}

fn redemption_result() -> impl Strategy<Value = Message> {
    (parsed(HOST), parsed(ID), blocked(), authenticator(), verdicts()).prop_map(
        |(vendor, batch, blocked, authenticator, verdicts)| {
            let result = RedemptionResult { vendor, batch, blocked, authenticator, verdicts };
            Message::RedemptionResult(result)
        },
    )
}

fn blocked() -> impl Strategy<Value = Blocked> {
    proptest::collection::vec(parsed(USER), 0..4).prop_map(Blocked::new)
}

fn send_expired() -> impl Strategy<Value = Message> {
    (parsed(USER), parsed(PERIOD), url()).prop_map(|(user, period, return_url)| {
        Message::SendExpired(SendExpired { user, period, return_url })
    })
}

fn request_credit() -> impl Strategy<Value = Message> {
    let x = proptest::collection::vec(any::<u64>(), 0..50);
    (parsed(USER), parsed(PERIOD), parsed(ID), authenticator(), x).prop_map(
        |(user, period, request, authenticator, x)| {
            Message::RequestCredit(RequestCredit { user, period, request, authenticator, x })
        },
    )
}

fn request_owners() -> impl Strategy<Value = Message> {
    let numbers = (any::<u32>(), 0..=1u32 << 31);
    (parsed(HOST), parsed(PERIOD), numbers, parsed(ID), authenticator()).prop_map(
        |(vendor, period, (generation, held), nonce, authenticator)| {
            Message::RequestOwners(RequestOwners {
                vendor,
                period,
                generation,
                held,
                nonce,
                authenticator,
            })
        },
    )
}

fn owners_sold() -> impl Strategy<Value = Message> {
    let numbers = (any::<u32>(), 0..1u32 << 30);
    let tags = proptest::collection::vec(any::<[u8; 8]>(), 0..30);
    (parsed(HOST), parsed(PERIOD), numbers, parsed(ID), authenticator(), tags).prop_map(
        |(vendor, period, (generation, from), nonce, authenticator, tags)| {
            Message::OwnersSold(OwnersSold {
                vendor,
                period,
                generation,
                from,
                nonce,
                authenticator,
                tags,
            })
        },
    )
}

fn request_watch() -> impl Strategy<Value = Message> {
    let records = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..90), 0..6);
    (parsed(HOST), parsed(PERIOD), parsed(ID), authenticator(), records).prop_map(
        |(vendor, period, watch, authenticator, records)| {
            let mut data = Vec::new();
            records.iter().for_each(|record| push_record(&mut data, record));
            let payments = records.len() as u32;
            let request = RequestWatch { vendor, period, watch, payments, authenticator, data };
            Message::RequestWatch(request)
        },
    )
}

fn watch_result() -> impl Strategy<Value = Message> {
    (parsed(HOST), parsed(PERIOD), parsed(ID), blocked(), authenticator(), verdicts()).prop_map(
        |(vendor, period, watch, blocked, authenticator, verdicts)| {
            Message::WatchResult(WatchResult {
                vendor,
                period,
                watch,
                blocked,
                authenticator,
                verdicts,
            })
        },
    )
}

fn funds_credited() -> impl Strategy<Value = Message> {
    (parsed(USER), parsed(PERIOD), parsed(ID), any::<u64>(), authenticator(), verdicts()).prop_map(
        |(user, period, request, transaction, authenticator, verdicts)| {
            Message::FundsCredited(FundsCredited {
                user,
                period,
                request,
                transaction,
                authenticator,
                verdicts,
            })
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        funds_withdrawn(),
        request_payment(),
        payment(),
        invalid_payment(),
        request_redemption(),
        redemption_result(),
        send_expired(),
        request_credit(),
        funds_credited(),
        request_owners(),
        owners_sold(),
        request_watch(),
        watch_result(),
    ]
}

/// Parses `text`. If it is a message, prints and parses it again: nothing may change.
fn read_and_read_again(text: &[u8]) {
    if let Ok(message) = Message::parse(text) {
        let printed = message.to_bytes();
        assert_eq!(Message::parse(&printed).unwrap(), message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_undoes_printing(message in message()) {
        let text = message.to_bytes();
        prop_assert_eq!(Message::parse(&text).unwrap(), message);
    }

    #[test]
    fn lf_crlf_and_a_missing_end_of_the_last_line_are_alike(message in message()) {
        let text = String::from_utf8(message.to_bytes()).unwrap();
        let with_lf = text.replace("\r\n", "\n");
        prop_assert_eq!(&Message::parse(with_lf.as_bytes()).unwrap(), &message);
        prop_assert_eq!(&Message::parse(with_lf.trim_end().as_bytes()).unwrap(), &message);
        prop_assert_eq!(&Message::parse(text.trim_end().as_bytes()).unwrap(), &message);
    }

    #[test]
    fn headers_in_any_case_and_unknown_ones_change_nothing(message in message(), at in 0usize..4) {
        let text = String::from_utf8(message.to_bytes()).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
        let end_of_headers = lines.iter().position(|line| !line.contains(": ") && line.starts_with("End-"));
        for line in &mut lines[2..4] {
            let (name, value) = line.split_once(':').unwrap();
            *line = format!("{}:\t {}  ", name.to_ascii_uppercase(), value.trim());
        }
        lines.insert((2 + at).min(end_of_headers.unwrap_or(3)).min(4), "X-Unknown: 1".to_string());
        prop_assert_eq!(Message::parse((lines.join("\n") + "\n").as_bytes()).unwrap(), message);
    }

    #[test]
    fn changed_messages_are_refused_or_read_alike_twice(
        message in message(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let mut text = message.to_bytes();
        for (place, byte, kind) in changes {
            let at = place.index(text.len());
            match kind {
                0 => text[at] ^= 1 << (byte % 8),
                1 => text[at] = byte,
                2 => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
        read_and_read_again(&text);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_and_read_again(&bytes);
    }

    #[test]
    fn no_lines_make_a_reader_panic(
        message_type in select(vec!["Payment", "Funds-Withdrawn", "Redemption-Result"]),
        lines in "([A-Z][a-z-]{0,9}: ?[ -~]{0,20}\r?\n){0,9}",
        data in "[A-Za-z0-9+/=]{0,80}",
    ) {
        let text = format!("MicroMint-1.0\n{message_type}\n{lines}Data-Size: 8\n{data}\nEnd-MicroMint");
        read_and_read_again(text.as_bytes());
    }

    #[test]
    fn parameters_are_read_back_from_their_file(params in params()) {
        prop_assert_eq!(Params::from_toml(&params.to_toml()).unwrap(), params);
    }
}

// Every bound, at it and one past it.

/// A message in which everything except the data has its largest size.
fn longest() -> (Url, String, String) {
    let host = [&"a".repeat(63), &*"b".repeat(63), &"c".repeat(63), &"d".repeat(61)].join(".");
    let url = format!("https://{host}/");
    let path = "p".repeat(URL_LEN_MAX - url.len());
    (format!("{url}{path}").parse().unwrap(), host, "u".repeat(40))
}

fn largest_payment(coins: u32) -> Payment {
    let (url, host, user) = longest();
    Payment {
        url,
        user: user.parse().unwrap(),
        vendor: host.parse().unwrap(),
        period: "p".repeat(32).parse().unwrap(),
        coins,
        owner_tokens: vec![OwnerToken::from_bytes([0xff; 8]); OWNER_TOKENS_MAX],
        authenticator: Authenticator::from_bytes([0xff; 16]),
        x: vec![u64::MAX; 8 * coins as usize],
    }
}

#[test]
fn a_payment_has_1_to_256_owner_tokens() {
    let payment = largest_payment(1);
    let text = String::from_utf8(payment.to_bytes()).unwrap();
    let line = text.lines().find(|line| line.starts_with("Owner-Tokens: ")).unwrap().to_string();
    let with = |value: &str| {
        Payment::parse(text.replace(&line, &format!("Owner-Tokens: {value}")).as_bytes())
    };
    let many = |count: usize| vec!["00112233445566fF"; count].join(",");
    assert_eq!(with(&many(OWNER_TOKENS_MAX)).unwrap().owner_tokens.len(), OWNER_TOKENS_MAX);
    let error = with(&many(OWNER_TOKENS_MAX + 1)).unwrap_err().to_string();
    assert!(error.contains("at most 256"), "{error}");
    let two = with("00112233445566fF, 0000000000000000").unwrap();
    assert_eq!(two.owner_tokens[0].as_bytes(), &[0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0xff]);
    for bad in ["", ",", "00112233445566f", "00112233445566ff,", "00112233445566ff0"] {
        let error = with(bad).unwrap_err().to_string();
        // A token is a secret.
        assert!(!error.contains("00112233"), "{error}");
    }
    assert!(Payment::parse(text.replace("Owner-Tokens", "X-Owner-Tokens").as_bytes()).is_err());
}

#[test]
fn the_largest_payment_fits_and_one_coin_more_does_not() {
    let payment = largest_payment(COINS_PER_PAYMENT_MAX);
    assert_eq!(Payment::parse(&payment.to_bytes()).unwrap(), payment);
    assert!(Payment::parse(&largest_payment(COINS_PER_PAYMENT_MAX + 1).to_bytes()).is_err());
    let returned = InvalidPayment {
        url: payment.url,
        reason: "r".repeat(TEXT_LEN_MAX),
        price: COINS_PER_PAYMENT_MAX,
        coins: payment.coins,
        x: payment.x,
    };
    assert_eq!(InvalidPayment::parse(&returned.to_bytes()).unwrap(), returned);
}

#[test]
fn a_payment_text_is_bounded() {
    let text = |size: usize| {
        let mut text = String::from_utf8(largest_payment(1).to_bytes()).unwrap();
        for i in 0.. {
            let missing = size - text.len();
            if missing == 0 {
                break;
            }
            // "Hnn: " and the line end are 7 bytes.
            let filler = "x".repeat(missing.saturating_sub(7).min(8000));
            text = text.replacen("URL: ", &format!("H{i:02}: {filler}\r\nURL: "), 1);
        }
        text
    };
    assert!(Payment::parse(text(PAYMENT_SIZE_MAX).as_bytes()).is_ok());
    assert!(Payment::parse(text(PAYMENT_SIZE_MAX + 1).as_bytes()).is_err());
}

#[test]
fn the_largest_request_payment_fits_and_no_period_more() {
    let (url, host, _) = longest();
    let mut request = RequestPayment {
        url,
        vendor: host.parse().unwrap(),
        prices: vec![
            PeriodPrice::new(
                "p".repeat(32).parse().unwrap(),
                COINS_PER_PAYMENT_MAX,
                Money::new(u64::MAX, Currency::TEST)
            );
            PERIODS_PER_REQUEST_MAX
        ],
        broker: format!("https://{}", "b".repeat(1024 - 8)),
        description: "d".repeat(TEXT_LEN_MAX),
    };
    assert_eq!(RequestPayment::parse(&request.to_bytes()).unwrap(), request);
    request.description.push('d');
    let read = RequestPayment::parse(&request.to_bytes()).unwrap();
    assert_eq!(read.description.len(), TEXT_LEN_MAX);
    let text = String::from_utf8(request.to_bytes()).unwrap();
    assert!(
        RequestPayment::parse(text.replace("Description: ", "Description: d").as_bytes()).is_err()
    );
    request.prices.push(request.prices[0].clone());
    assert!(RequestPayment::parse(&request.to_bytes()).is_err());
}

#[test]
fn texts_for_people_that_no_header_can_carry_do_no_harm() {
    let request = RequestPayment {
        url: "https://news.example/".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        prices: vec![PeriodPrice::new("2026-12".parse().unwrap(), 1, "0.01 EUR".parse().unwrap())],
        broker: "https://broker.example/\r\nPrice: 2".to_string(),
        description: "\r\n\r\nEnd-MicroMint\r\n".to_string(),
    };
    let read = RequestPayment::parse(&request.to_bytes()).unwrap();
    assert_eq!(
        (read.prices[0].coins, read.broker.as_str()),
        (1, "https://broker.example/??Price: 2")
    );
    assert_eq!(read.description, "End-MicroMint");
}

#[test]
fn the_largest_batch_fits_and_a_byte_more_does_not() {
    let batch = |size: usize| {
        let mut data = Vec::new();
        push_record(&mut data, &vec![7; size - 4]);
        RequestRedemption {
            vendor: "news.example".parse().unwrap(),
            batch: "b".repeat(ID_LEN_MAX).parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            payments: 1,
            authenticator: Authenticator::from_bytes([0; 16]),
            data,
        }
    };
    let largest = batch(BATCH_DATA_SIZE_MAX);
    assert!(RequestRedemption::parse(&largest.to_bytes()).unwrap() == largest);
    assert!(RequestRedemption::parse(&batch(BATCH_DATA_SIZE_MAX + 1).to_bytes()).is_err());
}

#[test]
fn the_largest_watch_fits_and_a_byte_or_a_payment_more_does_not() {
    let watch = |payments: u32, size: usize| {
        let mut data = vec![0; 4 * (payments as usize - 1)];
        let last = vec![7; size - 4 - data.len()];
        push_record(&mut data, &last);
        RequestWatch {
            vendor: "news.example".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            watch: "w".repeat(ID_LEN_MAX).parse().unwrap(),
            payments,
            authenticator: Authenticator::from_bytes([0; 16]),
            data,
        }
    };
    let (most, largest) = (WATCH_PAYMENTS_MAX, WATCH_DATA_SIZE_MAX);
    let parses = |watch: RequestWatch| RequestWatch::parse(&watch.to_bytes()).is_ok();
    assert!(parses(watch(most, largest)));
    assert!(!parses(watch(most, largest + 1)));
    assert!(!parses(watch(most + 1, largest)));
    assert!(!parses(RequestWatch { payments: 2, ..watch(3, 100) }));
}

#[test]
fn a_batch_holds_a_million_payments_and_no_more() {
    let batch = |payments: u32| RequestRedemption {
        vendor: "news.example".parse().unwrap(),
        batch: "b".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        payments,
        authenticator: Authenticator::from_bytes([0; 16]),
        data: vec![0; 4 * payments as usize],
    };
    let largest = RequestRedemption::parse(&batch(BATCH_PAYMENTS_MAX).to_bytes()).unwrap();
    assert_eq!(largest.records().len(), BATCH_PAYMENTS_MAX as usize);
    assert!(RequestRedemption::parse(&batch(BATCH_PAYMENTS_MAX + 1).to_bytes()).is_err());
    let fewer = RequestRedemption { payments: 2, ..batch(3) };
    assert!(RequestRedemption::parse(&fewer.to_bytes()).is_err());
    let mut torn = batch(3);
    torn.data.push(0);
    assert!(RequestRedemption::parse(&torn.to_bytes()).is_err());
}

#[test]
fn a_return_holds_a_million_balls_and_no_more() {
    let request = |balls: u32| RequestCredit {
        user: "alice".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        request: "r".parse().unwrap(),
        authenticator: Authenticator::from_bytes([0; 16]),
        x: vec![u64::MAX; balls as usize],
    };
    let answer = |balls: u32| FundsCredited {
        user: "alice".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        request: "r".parse().unwrap(),
        transaction: 1,
        authenticator: Authenticator::from_bytes([0; 16]),
        verdicts: vec![Verdict::NotFromOwner; balls as usize],
    };
    assert!(RequestCredit::parse(&request(CREDIT_COINS_MAX).to_bytes()).is_ok());
    assert!(RequestCredit::parse(&request(CREDIT_COINS_MAX + 1).to_bytes()).is_err());
    assert!(FundsCredited::parse(&answer(CREDIT_COINS_MAX).to_bytes()).is_ok());
    assert!(FundsCredited::parse(&answer(CREDIT_COINS_MAX + 1).to_bytes()).is_err());
}

#[test]
fn the_largest_withdrawals_fit_and_a_set_more_does_not() {
    let funds = |params: &Params, sets: u32, balls: usize| {
        let superbins = vec![vec![u64::MAX; balls]; params.coin_size()];
        FundsWithdrawn {
            user: "alice".parse().unwrap(),
            user_key: Key::from_bytes([0; 32]),
            params: params.clone(),
            sets: vec![SoldSet { superbins }; sets as usize],
            transaction: u64::MAX,
        }
    };
    let small = test_params();
    assert_eq!(FundsWithdrawn::sets_max(&small), SETS_PER_WITHDRAWAL_MAX);
    assert!(FundsWithdrawn::parse(&funds(&small, SETS_PER_WITHDRAWAL_MAX, 0).to_bytes()).is_ok());
    assert!(
        FundsWithdrawn::parse(&funds(&small, SETS_PER_WITHDRAWAL_MAX + 1, 0).to_bytes()).is_err()
    );
    assert!(FundsWithdrawn::parse(&funds(&small, 1, 16).to_bytes()).is_ok());
    assert!(FundsWithdrawn::parse(&funds(&small, 1, 17).to_bytes()).is_err());
    let mut raw = raw_test_params();
    resize(&mut raw, 6, 16, 8, 0, HashName::Sha256);
    let large = Params::new(raw).unwrap();
    assert_eq!(FundsWithdrawn::sets_max(&large), 32);
}

/// 128 MiB of data: all 32 sets of the largest kind. Takes seconds and 700 MB.
#[test]
#[ignore = "slow: run with make test-slow"]
fn the_largest_sets_fit_as_many_as_promised() {
    let mut raw = raw_test_params();
    resize(&mut raw, 6, 16, 8, 0, HashName::Sha256);
    let params = Params::new(raw).unwrap();
    let superbins = vec![vec![u64::MAX; 1 << 16]; 8];
    let sets = FundsWithdrawn::sets_max(&params) as usize;
    let funds = FundsWithdrawn {
        user: "alice".parse().unwrap(),
        user_key: Key::from_bytes([0; 32]),
        params,
        sets: vec![SoldSet { superbins }; sets],
        transaction: 1,
    };
    assert!(FundsWithdrawn::parse(&funds.to_bytes()).unwrap() == funds);
}
