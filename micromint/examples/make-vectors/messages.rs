//! Every message, byte by byte, with the keys of its authenticator, and texts that are not
//! messages.

use super::{hex_bytes, json_file, periods};
use micromint::authenticator::{Key, OwnerToken};
use micromint::identity::VendorId;
use micromint::owner::owner_tag;
use micromint::protocol::{
    Blocked, Frame, FundsCredited, FundsWithdrawn, InvalidPayment, OwnersSold, Payment,
    PeriodPrice, RedemptionResult, RequestCredit, RequestOwners, RequestPayment, RequestRedemption,
    RequestWatch, SendExpired, Unsigned, Verdict, WatchResult, push_record,
};
use micromint::testing::ObviousMint;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const COMMENT: &str = "The contents of the messages in messages/ \
    (docs/reference/protocol.md): their type, headers in order, and data in hexadecimal, null for \
    a message without data. The files contain exactly the bytes that this project prints; lines \
    end in CRLF. The periods are those of periods/, the keys those of authenticators.json.";

const KEYS_COMMENT: &str = "Keys and authenticators (docs/reference/protocol.md, Keys and \
    authenticators). `secret` is the broker's secret or the key; `parts` are joined by one zero \
    byte each, and the last part is `data` in hexadecimal if there is data; of a payment, \
    `data` is SHA-256 of `url`, the number of `tokens`, the tokens and `coins`; of an answer, \
    `data` begins with SHA-256 of the data of the request; `result` is the \
    HMAC-SHA256, truncated to 16 bytes for authenticators. They detect a missing zero byte, keys \
    and authenticators of the wrong kind, and Base64 that is used without decoding.";

const OWNERS_COMMENT: &str = "Owner tokens, and the tags of sets in an owners file \
    (docs/reference/protocol.md, Owner tokens; docs/reference/broker.md, Lists for vendors). \
    `user-key` is K_U under the secret of authenticators.json, `first` the first superbin of the \
    set. They detect a missing zero byte, a superbin that is not big-endian, and tokens or tags \
    that are the same at two vendors.";

const REFUSED_COMMENT: &str = "Texts that must be refused as messages of the given type, each \
    one change away from a valid one, and why. They detect parsers that accept too much: if one \
    parser accepts a message and another refuses it, there is a dispute about money.";

const URL: &str = "https://news.example/2026/12/page?id=7&x=%2F..%2f";

struct Cast {
    mint: ObviousMint,
    secret: Key,
    files: Vec<(&'static str, Vec<u8>)>,
    keys: Vec<Value>,
}

pub(super) fn files() -> Vec<(String, Vec<u8>)> {
    let mint = ObviousMint::new(periods::test());
    let secret = Key::from_bytes(std::array::from_fn(|i| i as u8));
    let mut cast = Cast { mint, secret, files: Vec::new(), keys: Vec::new() };
    cast.make_keys();
    cast.withdraw();
    cast.pay();
    cast.redeem();
    cast.sync();
    cast.give_back();
    let rows: Vec<Value> = cast.files.iter().map(|(name, text)| index(name, text)).collect();
    let refused = refused(&cast);
    let mut files = vec![
        json_file("messages.json", COMMENT, &rows),
        json_file("authenticators.json", KEYS_COMMENT, &cast.keys),
        json_file("owners.json", OWNERS_COMMENT, &cast.owners()),
        json_file("refused-messages.json", REFUSED_COMMENT, &refused),
    ];
    files.extend(cast.files.into_iter().map(|(name, text)| (format!("messages/{name}.txt"), text)));
    files
}

impl Cast {
    fn user_key(&self) -> Key {
        self.secret.user_key(self.mint.params().period(), &"alice".parse().unwrap())
    }

    fn vendor_key(&self) -> Key {
        self.secret.vendor_key(&"news.example".parse().unwrap())
    }

    fn make_keys(&mut self) {
        let secret = self.secret.to_hex();
        let parts = ["micromint user key", "2026-12", "alice"];
        self.keys
            .push(json!({"secret": secret, "parts": parts, "result": self.user_key().to_hex()}));
        let parts = ["micromint vendor key", "news.example"];
        self.keys
            .push(json!({"secret": secret, "parts": parts, "result": self.vendor_key().to_hex()}));
        let replaced = self.secret.numbered_vendor_key(&"news.example".parse().unwrap(), 1);
        self.keys.push(json!({
            "secret": secret, "parts": parts, "data": hex_bytes(&1_u32.to_be_bytes()),
            "result": replaced.to_hex(),
        }));
    }

    fn authenticator(&mut self, key: &Key, parts: &[&str], data: &[u8], result: impl ToString) {
        let row = json!({
            "secret": key.to_hex(), "parts": parts, "data": hex_bytes(data),
            "result": result.to_string(),
        });
        self.keys.push(row);
    }

    fn withdraw(&mut self) {
        let funds = self.mint.funds(&"alice".parse().unwrap(), &self.user_key(), &[8, 62], 42);
        self.files.push(("funds-withdrawn", funds.to_bytes()));
        assert_eq!(FundsWithdrawn::parse(&funds.to_bytes()).unwrap(), funds);
    }

    fn pay(&mut self) {
        let request = RequestPayment {
            url: URL.parse().unwrap(),
            vendor: "news.example".parse().unwrap(),
            prices: vec![
                PeriodPrice::new("2026-12".parse().unwrap(), 3, "0.01 USD".parse().unwrap()),
                PeriodPrice::new("2027-01".parse().unwrap(), 3, "0.01 USD".parse().unwrap()),
            ],
            broker: "https://broker.example/".to_string(),
            description: "A page: \"7\" & more".to_string(),
        };
        self.files.push(("request-payment", request.to_bytes()));
        let mut two_values = request.clone();
        let large = "2026-12-large".parse().unwrap();
        two_values.prices[1] = PeriodPrice::new(large, 1, "0.04 USD".parse().unwrap());
        self.files.push(("request-payment-two-values", two_values.to_bytes()));
        let plain = RequestPayment {
            url: "http://[2001:db8::1]:8080/".parse().unwrap(),
            vendor: "[2001:db8::1]".parse().unwrap(),
            prices: vec![PeriodPrice { coins: 1, ..request.prices[0].clone() }],
            description: String::new(),
            ..request.clone()
        };
        self.files.push(("request-payment-plain", plain.to_bytes()));
        let german = RequestPayment { description: "5 % für alle: 日本".to_string(), ..request };
        self.files.push(("request-payment-utf-8", german.to_bytes()));

        let one = self.payment(URL, 1);
        self.authenticate(&one);
        self.files.push(("payment-one-coin", one.to_bytes()));
        let three = self.payment(URL, 3);
        self.authenticate(&three);
        self.files.push(("payment", three.to_bytes()));
        let two_sets = self.payment_from(URL, &[(8, 1), (62, 2)]);
        self.authenticate(&two_sets);
        self.files.push(("payment-two-sets", two_sets.to_bytes()));
        let refused = InvalidPayment {
            url: URL.parse().unwrap(),
            reason: "wrong-amount".to_string(),
            price: 3,
            coins: 1,
            x: one.x,
        };
        self.files.push(("invalid-payment", refused.to_bytes()));
        let unread =
            InvalidPayment { reason: "malformed".to_string(), coins: 0, x: Vec::new(), ..refused };
        self.files.push(("invalid-payment-without-coins", unread.to_bytes()));
    }

    fn payment(&self, url: &str, coins: usize) -> Payment {
        self.payment_from(url, &[(8, coins)])
    }

    /// A payment with the first coins of each set: sets by their first superbin, and numbers of
    /// coins.
    fn payment_from(&self, url: &str, sets: &[(u32, usize)]) -> Payment {
        let (user, vendor) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
        let first_of = |(first, count): &(u32, usize)| {
            self.mint.coins(&user, &vendor, *first)[..*count].to_vec()
        };
        let coins: Vec<Vec<u64>> = sets.iter().flat_map(first_of).collect();
        self.mint.payment(&user, &self.user_key(), &vendor, &url.parse().unwrap(), &coins)
    }

    fn authenticate(&mut self, payment: &Payment) {
        let parts = ["micromint payment", payment.vendor.as_str()];
        let record = payment.record();
        let count = (record.tokens.len() as u16).to_be_bytes();
        let tokens: Vec<u8> = record.tokens.iter().flat_map(|token| *token.as_bytes()).collect();
        let data = [record.url.as_bytes(), &count[..], &tokens, &record.data].concat();
        self.authenticator(&self.user_key(), &parts, &data, payment.authenticator);
        let tokens: Vec<String> = record.tokens.iter().map(OwnerToken::to_string).collect();
        if let Some(row) = self.keys.last_mut() {
            row["url"] = json!(payment.url.as_str());
            row["tokens"] = json!(tokens);
            row["coins"] = json!(hex_bytes(&record.data));
        }
    }

    fn redeem(&mut self) {
        let mut data = Vec::new();
        push_record(&mut data, &self.payment(URL, 1).record().to_bytes());
        let other = self.payment("https://news.example/other", 2);
        push_record(&mut data, &other.record().to_bytes());

        let key = self.vendor_key();
        let batch = RequestRedemption {
            vendor: "news.example".parse().unwrap(),
            batch: "2026-12-03.1".parse().unwrap(),
            period: "2026-12".parse().unwrap(),
            payments: 2,
            authenticator: Unsigned,
            data,
        }
        .authenticated(&key);
        let parts = ["micromint redemption", "news.example", "2026-12", "2026-12-03.1"];
        self.authenticator(&key, &parts, &batch.data, batch.authenticator);
        self.files.push(("request-redemption", batch.to_bytes()));
        let digest: [u8; 32] = Sha256::digest(&batch.data).into();
        let result = RedemptionResult {
            vendor: batch.vendor,
            batch: batch.batch,
            blocked: Blocked::new(["mallory".parse().unwrap()]),
            authenticator: Unsigned,
            verdicts: vec![Verdict::Accepted, Verdict::AlreadyPaid, Verdict::Waiting],
        }
        .authenticated(&key, &batch.period, &digest);
        let parts = ["micromint redeemed", "news.example", "2026-12", "2026-12-03.1", "mallory"];
        let covered = [&digest[..], &[0, 27, 1]].concat();
        self.authenticator(&key, &parts, &covered, result.authenticator);
        self.files.push(("redemption-result", result.to_bytes()));
    }

    fn sync(&mut self) {
        let key = self.vendor_key().sync_key();
        let vendor_key = self.vendor_key().to_hex();
        let parts = ["micromint sync"];
        self.keys.push(json!({"secret": vendor_key, "parts": parts, "result": key.to_hex()}));
        let vendor: VendorId = "news.example".parse().unwrap();
        let period = self.mint.params().period().clone();
        let nonce = "9c4fd0a1";
        let request = RequestOwners {
            vendor: vendor.clone(),
            period: period.clone(),
            generation: 1,
            held: 3,
            nonce: nonce.parse().unwrap(),
            authenticator: Unsigned,
        }
        .authenticated(&key);
        let numbers = [[0, 0, 0, 1], [0, 0, 0, 3]].concat();
        let parts = ["micromint request owners", vendor.as_str(), period.as_str(), nonce];
        self.authenticator(&key, &parts, &numbers, request.authenticator);
        self.files.push(("request-owners", request.to_bytes()));

        let (alice, user_key) = ("alice".parse().unwrap(), self.user_key());
        let tag = |first: u32| {
            let token = user_key.owner_token(&vendor, first);
            owner_tag(&period, first, &alice, &token)
        };
        let answer = OwnersSold {
            vendor: vendor.clone(),
            period: period.clone(),
            generation: 1,
            from: 3,
            nonce: nonce.parse().unwrap(),
            authenticator: Unsigned,
            tags: vec![tag(6), tag(8)],
        }
        .authenticated(&key);
        assert!(answer.answers(&request, &key));
        let data = [&numbers, answer.tags.as_flattened()].concat();
        let parts = ["micromint owners", vendor.as_str(), period.as_str(), nonce];
        self.authenticator(&key, &parts, &data, answer.authenticator);
        self.files.push(("owners-sold", answer.to_bytes()));

        let mut data = Vec::new();
        push_record(&mut data, &self.payment(URL, 1).record().to_bytes());
        let request = RequestWatch {
            vendor: vendor.clone(),
            period: period.clone(),
            watch: "w-1".parse().unwrap(),
            payments: 1,
            authenticator: Unsigned,
            data,
        }
        .authenticated(&key);
        let parts = ["micromint watch", vendor.as_str(), period.as_str(), "w-1"];
        self.authenticator(&key, &parts, &request.data, request.authenticator);
        self.files.push(("request-watch", request.to_bytes()));
        let result = WatchResult {
            vendor: vendor.clone(),
            period: period.clone(),
            watch: request.watch,
            blocked: Blocked::new(["mallory".parse().unwrap(), "eve".parse().unwrap()]),
            authenticator: Unsigned,
            verdicts: vec![Verdict::Accepted],
        }
        .authenticated(&key);
        let parts = ["micromint watched", vendor.as_str(), period.as_str(), "w-1", "mallory,eve"];
        self.authenticator(&key, &parts, &[0], result.authenticator);
        self.files.push(("watch-result", result.to_bytes()));
    }

    /// Owner tokens, and the tags of the sets in an owners file.
    fn owners(&self) -> Vec<Value> {
        let period = self.mint.params().period();
        let row = |user: &str, vendor: &str, first: u32, why: &str| {
            let (user, vendor) = (user.parse().unwrap(), vendor.parse().unwrap());
            let key = self.secret.user_key(period, &user);
            let token = key.owner_token(&vendor, first);
            let tag = hex_bytes(&owner_tag(period, first, &user, &token));
            json!({"period": period.as_str(), "user": user.as_str(), "vendor": vendor.as_str(),
                "first": first, "user-key": key.to_hex(), "token": token.to_string(), "tag": tag,
                "why": why})
        };
        vec![
            row("alice", "news.example", 8, "the set of the messages"),
            row("alice", "news.example", 0, "a superbin of zero bytes"),
            row("alice", "shop.example", 8, "another vendor: another token and another tag"),
            row("bob", "news.example", 8, "another user"),
            row("bob", "news.example", 62, "the last set"),
        ]
    }

    fn give_back(&mut self) {
        let (user, period) = ("alice".parse().unwrap(), self.mint.params().period().clone());
        let expired = SendExpired {
            user,
            period,
            return_url: "https://broker.example/return".parse().unwrap(),
        };
        self.files.push(("send-expired", expired.to_bytes()));
        let key = self.user_key();
        let unspent = self.mint.set(&expired.user, 62).superbins.swap_remove(0)[..5].to_vec();
        let request = RequestCredit {
            user: expired.user.clone(),
            period: expired.period.clone(),
            request: "r-1".parse().unwrap(),
            authenticator: Unsigned,
            x: unspent,
        }
        .authenticated(&key);
        let parts = ["micromint return", "r-1"];
        self.authenticator(&key, &parts, &request.data(), request.authenticator);
        self.files.push(("request-credit", request.to_bytes()));
        let mut verdicts = vec![Verdict::Waiting; 5];
        verdicts[3] = Verdict::AlreadyPaid;
        let answer = FundsCredited {
            user: expired.user,
            period: expired.period,
            request: request.request.clone(),
            transaction: u64::MAX,
            authenticator: Unsigned,
            verdicts,
        }
        .authenticated(&key, &request);
        let digest = Sha256::digest(request.data());
        let covered = [&digest[..], &[255; 8], &[1, 1, 1, 27, 1]].concat();
        self.authenticator(&key, &["micromint credited", "r-1"], &covered, answer.authenticator);
        self.files.push(("funds-credited", answer.to_bytes()));
    }
}

/// The content of a message, derived from its text.
fn index(name: &str, text: &[u8]) -> Value {
    let frame = Frame::parse(text, text.len()).unwrap();
    let printed = std::str::from_utf8(text).unwrap();
    let lines = printed.lines().skip(2).take_while(|line| !line.starts_with("End-"));
    let mut headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(": ")).collect();
    let message_type = frame.message_type().to_string();
    let has_data = headers.pop_if(|(name, _)| *name == "Data-Size").is_some();
    let data = has_data.then(|| hex_bytes(&frame.into_data().unwrap()));
    json!({"file": format!("messages/{name}.txt"), "type": message_type, "headers": headers,
        "data": data})
}

/// Texts that differ by one change from the Payment of three coins or another message.
fn refused(cast: &Cast) -> Vec<Value> {
    let text = |name: &str| {
        let (_, text) = cast.files.iter().find(|(file, _)| *file == name).unwrap();
        String::from_utf8(text.clone()).unwrap()
    };
    let payment = text("payment");
    let mut rows = Vec::new();
    let mut change = |from: &str, to: &str, why: &str| {
        let changed = payment.replacen(from, to, 1);
        assert_ne!(changed, payment, "{why}");
        assert!(Payment::parse(changed.as_bytes()).is_err(), "{why}");
        rows.push(json!({"type": "Payment", "text": changed, "why": why}));
    };
    change("MicroMint-1.0", "MicroMint-1.1", "another version");
    change("MicroMint-1.0", "micromint-1.0", "the first line keeps its case");
    change("MicroMint-1.0", "\r\nMicroMint-1.0", "an empty line before");
    change("\r\nPayment", "\r\npayment", "the type keeps its case");
    change("\r\nPayment", "\r\nRequest-Payment", "another type");
    change("URL: ", "URL : ", "a blank before the colon");
    change("URL: ", " URL: ", "a blank before the name: lines are not folded");
    change("URL: ", "\r\nURL: ", "an empty line between headers");
    change("https://", "HTTPS://", "the scheme in capitals");
    change("https://news", "https://News", "a host in capitals");
    change("news.example/", "news.example:443/", "the default port");
    change("news.example/", "news.example:08443/", "a port with a leading zero");
    change("?id=7", "?id=7#a", "a fragment");
    change("?id=7", "?id= 7", "a blank in the URL");
    change("?id=7", "?id=\u{e9}", "no 7-bit ASCII");
    change("?id=7", "?id=\t7", "a control character");
    change("User-ID: alice\r\n", "", "no User-ID");
    change(
        "User-ID: alice\r\n",
        "User-ID: alice\r\nUser-Id: alice\r\n",
        "a repeated header, in other letter case",
    );
    change(
        "User-ID: alice\r\n",
        "User-ID: alice\r\nX-A: 1\r\nx-a: 1\r\n",
        "a repeated unknown header",
    );
    change("User-ID: alice", "User-ID: al ice", "a blank in the User-ID");
    change("User-ID: alice", "User-ID: ", "an empty User-ID");
    change("User-ID: alice", "User-ID: Alice", "a User-ID in upper case");
    change("Owner-Tokens: ", "X-Owner-Tokens: ", "no Owner-Tokens");
    change("Owner-Tokens: ", "Owner-Tokens: 0", "a token of 17 digits");
    change("Owner-Tokens: ", "Owner-Tokens: ,", "an empty token");
    let many = ["0123456789abcdef"; 256].join(",");
    change("Owner-Tokens: ", &format!("Owner-Tokens: {many},"), "257 tokens");
    change("User-ID: alice", &format!("User-ID: {}", "a".repeat(41)), "a User-ID of 41 characters");
    change("Vendor-ID: news.example", "Vendor-ID: news.example.", "a trailing dot");
    change("Vendor-ID: news.example", "Vendor-ID: 127.1", "an abbreviated IPv4 address");
    change("Vendor-ID: news.example", "Vendor-ID: [2001:DB8::1]", "an IPv6 address in capitals");
    change(
        "Period: 2026-12",
        "Period: 2026_12",
        "a character that is not allowed in the name of a period",
    );
    change("Coins: 3", "Coins: 03", "a leading zero");
    change("Coins: 3", "Coins: +3", "a sign");
    change("Coins: 3", "Coins: 0", "no coins");
    change("Coins: 3", "Coins: 5", "twelve balls are not five coins");
    change("Coins: 3", "Coins: 12", "a coin has at least two balls");
    change("Coins: 3", "Coins: 1", "a coin has at most eight balls");
    change("Coins: 3", "Coins: 501", "more than 500 coins");
    change("Authenticator: ", "Authenticator: 0", "33 digits");
    change("Authenticator: ", "X-Authenticator: ", "no Authenticator");
    change("Data-Size: 96", "Data-Size: 95", "another size");
    change("Data-Size: 96", "Data-Size: 096", "a leading zero");
    change("Data-Size: 96\r\n", "Data-Size: 96\r\nX-Late: 1\r\n", "Data-Size is the last header");
    change("Data-Size: 96\r\n", "Data-Size: 96\r\n\r\n", "an empty line before the data");
    change("Data-Size: 96\r\n", "Data-Size: 96\r\n ", "a blank in the data");
    change("\r\nEnd-MicroMint", "=\r\nEnd-MicroMint", "padding too much");
    change("\r\nEnd-MicroMint", "\r\nEnd-Micromint", "the last line keeps its case");
    change("\r\nEnd-MicroMint\r\n", "\r\n", "no last line");
    change("\r\nEnd-MicroMint\r\n", "\r\nEnd-MicroMint\r\n\r\n", "an empty line after");
    let (head, data) = payment.split_once("Data-Size: 96\r\n").unwrap();
    let base64: String = data.lines().take(2).collect();
    let long = format!("{head}Data-Size: 96\r\n{base64}\r\nEnd-MicroMint\r\n");
    assert!(Payment::parse(long.as_bytes()).is_err());
    rows.push(json!({"type": "Payment", "text": long, "why": "a line of Base64 longer than 76"}));

    let one = text("payment-one-coin");
    for (from, to, why) in
        [("=\r\n", "\r\n", "no padding"), ("=\r\n", "==\r\n", "padding too much")]
    {
        let changed = one.replacen(from, to, 1);
        assert_ne!(changed, one);
        assert!(Payment::parse(changed.as_bytes()).is_err(), "{why}");
        rows.push(json!({"type": "Payment", "text": changed, "why": why}));
    }
    let bits = nonzero_padding(&one);
    assert!(Payment::parse(bits.as_bytes()).is_err());
    rows.push(json!({"type": "Payment", "text": bits, "why": "padding bits that are not zero"}));

    let request = text("request-payment");
    for (from, to, why) in [
        ("Price: 3", "Price: 0", "a price of zero"),
        ("Price: 3", "Price: 501", "more than 500 coins"),
        ("0.01 USD", "1 cent", "a coin value that is not an amount of money"),
        ("0.01 USD", "0.000000001 USD", "nine decimals"),
        ("0.01 USD", "00.01 USD", "a leading zero"),
        ("0.01 USD", "0.01 usd", "a currency in lower case"),
        ("0.01 USD", "184467440737.09551616 USD", "2^64 units of money"),
        ("2026-12, 2027-01", "2026-12,", "an empty period"),
        ("2026-12, 2027-01", &["a"; 17].join(","), "more than 16 periods"),
    ] {
        let changed = request.replacen(from, to, 1);
        assert_ne!(changed, request);
        assert!(RequestPayment::parse(changed.as_bytes()).is_err(), "{why}");
        rows.push(json!({"type": "Request-Payment", "text": changed, "why": why}));
    }
    let funds = text("funds-withdrawn");
    for (from, to, why) in [
        ("0.01 USD", "0 USD", "coins that are worth nothing"),
        ("0.01 USD", "1000000.00000001 USD", "coins that are worth more than a million"),
        ("Sets: 2", "Sets: 1", "data after the last set"),
        ("Sets: 2", "Sets: 3", "data ends inside a set"),
        ("Iv: 0123456789abcdef", "Iv: 123456789abcdef", "fifteen digits"),
        ("Output-Size: 12", "Output-Size: 70", "parameters that contradict each other"),
        ("Coin-Size: 4", "Coin-Size: 9", "more than eight balls per coin"),
        ("Hashfn: des", "Hashfn: md5", "an unknown hash function"),
    ] {
        let changed = funds.replacen(from, to, 1);
        assert_ne!(changed, funds);
        assert!(FundsWithdrawn::parse(changed.as_bytes()).is_err(), "{why}");
        rows.push(json!({"type": "Funds-Withdrawn", "text": changed, "why": why}));
    }
    rows
}

/// Sets the lowest bit of the last Base64 character before one sign of padding.
fn nonzero_padding(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let at = text.find("=\r\n").unwrap() - 1;
    let value = ALPHABET.find(&text[at..=at]).unwrap();
    format!("{}{}{}", &text[..at], &ALPHABET[value + 1..value + 2], &text[at + 1..])
}
