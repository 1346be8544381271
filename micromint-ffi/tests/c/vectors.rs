//! Turns the JSON files of `testdata/` into a C header: one table per file.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;

const TYPES: &str = "
typedef struct { const uint8_t *data; size_t len; } bytes;
typedef struct { bytes params; uint64_t x, output; } hash_vector;
typedef struct { bytes params; int is_user; bytes id; size_t count; uint32_t differences[8]; } identity_vector;
typedef struct {
  bytes params, user, vendor; const uint64_t *x; size_t x_len; micromint_coin_fault fault;
  const uint32_t (*bins)[2]; size_t bins_len;
} coin_vector;
enum { USER_KEY, VENDOR_KEY, PAYMENT, CREDIT, REDEMPTION };
typedef struct { int kind; uint8_t key[MICROMINT_KEY_SIZE]; bytes parts[3]; bytes tokens, data, result; } authenticator_vector;
typedef struct { bytes name, value; } header_vector;
typedef struct {
  bytes text, type; const header_vector *headers; size_t headers_len; bytes data;
} message_vector;
typedef struct { bytes text, type, why; } refused_vector;
typedef struct { bytes www_authenticate, request, payment, name, credential, receipts[2]; } scheme_vector;
";

/// C under construction: arrays first, then the tables that point to them.
#[derive(Default)]
struct Source {
    arrays: String,
    count: usize,
}

impl Source {
    /// A new array of this type; returns its name.
    fn array(&mut self, kind: &str, items: &[String]) -> String {
        self.count += 1;
        let name = format!("A{}", self.count);
        let items =
            if items.is_empty() { "{0}".to_string() } else { format!("{{{}}}", items.join(",")) };
        let _ = writeln!(self.arrays, "static const {kind} {name}[] = {items};");
        name
    }

    /// A new array of pairs of numbers; returns its name.
    fn pairs(&mut self, items: &[String]) -> String {
        self.count += 1;
        let name = format!("A{}", self.count);
        let items =
            if items.is_empty() { "{{0}}".to_string() } else { format!("{{{}}}", items.join(",")) };
        let _ = writeln!(self.arrays, "static const uint32_t {name}[][2] = {items};");
        name
    }

    fn bytes(&mut self, bytes: &[u8]) -> String {
        let items: Vec<String> = bytes.iter().map(u8::to_string).collect();
        format!("{{{}, {}}}", self.array("uint8_t", &items), bytes.len())
    }

    fn text(&mut self, value: &Value) -> String {
        self.bytes(value.as_str().expect("a text").as_bytes())
    }

    /// The parameters of a period of `testdata/periods`.
    fn params(&mut self, period: &Value) -> String {
        self.bytes(read(&format!("periods/{}.params", period.as_str().unwrap())).as_slice())
    }

    fn hash(&mut self, row: &Value) -> String {
        let params = self.params_with(&row["hashfn"], &row["iv"]);
        format!("{{{params}, {}, {}}}", hex(&row["x"]), hex(&row["output"]))
    }

    /// A known answer of DES: its plaintext is the iv, its key without the parity bits is x.
    fn des(&mut self, row: &Value) -> String {
        let params = self.params_with(&Value::from("des"), &row["plaintext"]);
        let x = unhex(&row["key"]).iter().fold(0, |x, byte| x << 7 | u64::from(byte >> 1));
        format!("{{{params}, UINT64_C({x:#x}), {}}}", hex(&row["ciphertext"]))
    }

    fn params_with(&mut self, hash: &Value, iv: &Value) -> String {
        let params = String::from_utf8(read("periods/2026-12.params")).unwrap();
        let params = params.replace("\"des\"", &hash.to_string());
        self.bytes(params.replace("\"0123456789abcdef\"", &iv.to_string()).as_bytes())
    }

    fn identity(&mut self, row: &Value) -> String {
        let differences: Vec<String> = list(&row["differences"]).map(Value::to_string).collect();
        let (params, id) = (self.params(&row["period"]), self.text(&row["id"]));
        let is_user = u8::from(row["kind"] == "user");
        format!(
            "{{{params}, {is_user}, {id}, {}, {{{}}}}}",
            differences.len(),
            differences.join(",")
        )
    }

    fn coins(&mut self, row: &Value) -> String {
        let fault = match row["answer"].as_str().unwrap() {
            "accepted" => "GOOD".to_string(),
            word => word.to_uppercase().replace('-', "_"),
        };
        let (params, user) = (self.params(&row["period"]), self.text(&row["user"]));
        let vendor = self.text(&row["vendor"]);
        let x: Vec<String> = list(&row["x"]).map(hex).collect();
        let bins: Vec<String> =
            list(&row["first-bins"]).map(|bin| format!("{{{}, {}}}", bin[0], bin[1])).collect();
        let (x_name, bins_name) = (self.array("uint64_t", &x), self.pairs(&bins));
        format!(
            "{{{params}, {user}, {vendor}, {x_name}, {}, MICROMINT_COIN_{fault}, {bins_name}, {}}}",
            x.len(),
            bins.len()
        )
    }

    fn authenticator(&mut self, row: &Value) -> String {
        let parts: Vec<&Value> = list(&row["parts"]).collect();
        let kind = match parts[0].as_str().unwrap() {
            "micromint user key" => "USER_KEY",
            "micromint vendor key" => "VENDOR_KEY",
            "micromint payment" => "PAYMENT",
            "micromint return" => "CREDIT",
            "micromint redemption" => "REDEMPTION",
            other => panic!("{other} has no function in C"),
        };
        let key: Vec<String> = unhex(&row["secret"]).iter().map(u8::to_string).collect();
        let first = self.text(parts[1]);
        let is_payment = kind == "PAYMENT";
        let second = if is_payment { Some(&row["url"]) } else { parts.get(2).copied() };
        let third = parts.get(3).copied();
        let [second, third] =
            [second, third].map(|part| part.map_or("{NULL, 0}".into(), |part| self.text(part)));
        let data = if is_payment { &row["coins"] } else { &row["data"] };
        let tokens: Vec<u8> =
            row["tokens"].as_array().into_iter().flatten().flat_map(unhex).collect();
        let [tokens, data, result] = [tokens, unhex(data), unhex(&row["result"])];
        let [tokens, data, result] = [&tokens, &data, &result].map(|bytes| self.bytes(bytes));
        format!(
            "{{{kind}, {{{}}}, {{{first}, {second}, {third}}}, {tokens}, {data}, {result}}}",
            key.join(",")
        )
    }

    fn message(&mut self, row: &Value) -> String {
        let headers: Vec<String> = list(&row["headers"])
            .map(|pair| format!("{{{}, {}}}", self.text(&pair[0]), self.text(&pair[1])))
            .collect();
        let name = self.array("header_vector", &headers);
        let text = self.bytes(&read(row["file"].as_str().unwrap()));
        let (kind, data) = (self.text(&row["type"]), self.bytes(&unhex(&row["data"])));
        format!("{{{text}, {kind}, {name}, {}, {data}}}", headers.len())
    }

    fn scheme(&mut self, row: &Value) -> String {
        let default = Value::from("Authorization");
        let name = row["challenge"].get("header").unwrap_or(&default);
        let texts = [
            &row["www-authenticate"],
            &row["request-payment"],
            &row["payment"],
            name,
            &row["credential"],
            &row["payment-receipt"],
            &row["payment-receipt-without-challenge"],
        ];
        let texts = texts.map(|text| self.text(text));
        format!("{{{}, {{{}}}}}", texts[..5].join(","), texts[5..].join(","))
    }

    fn refused(&mut self, row: &Value) -> String {
        format!(
            "{{{}, {}, {}}}",
            self.text(&row["text"]),
            self.text(&row["type"]),
            self.text(&row["why"])
        )
    }
}

/// The whole header.
pub(crate) fn header() -> String {
    type Row = fn(&mut Source, &Value) -> String;
    let tables: [(&str, &str, &str, Row); 8] = [
        ("des.json", "hash_vector", "DES", Source::des),
        ("hashes.json", "hash_vector", "HASHES", Source::hash),
        ("identities.json", "identity_vector", "IDENTITIES", Source::identity),
        ("coins.json", "coin_vector", "COINS", Source::coins),
        ("authenticators.json", "authenticator_vector", "AUTHENTICATORS", Source::authenticator),
        ("messages.json", "message_vector", "MESSAGES", Source::message),
        ("refused-messages.json", "refused_vector", "REFUSED", Source::refused),
        ("scheme.json", "scheme_vector", "SCHEME", Source::scheme),
    ];
    let mut source = Source::default();
    let mut last = String::new();
    for (file, kind, name, row) in tables {
        let json: Value = serde_json::from_slice(&read(file)).unwrap();
        let rows: Vec<String> = list(&json["vectors"])
            .filter(|value| has_function(value))
            .map(|value| row(&mut source, value))
            .collect();
        assert!(rows.len() >= 4, "{file} has few vectors");
        let _ = writeln!(last, "static const {kind} {name}[] = {{\n  {}\n}};", rows.join(",\n  "));
    }
    format!("{TYPES}\n{}\n{last}", source.arrays)
}

/// Whether C has a function for a vector: it does not synchronize a vendor with its broker, knows
/// no replaced vendor keys, and its wallet and till check the answers to returns and batches
/// themselves.
fn has_function(row: &Value) -> bool {
    let without = ["sync", "request owners", "owners", "watch", "watched", "credited", "redeemed"];
    let first = row["parts"][0].as_str().unwrap_or_default();
    let is_replaced_key = first == "micromint vendor key" && row.get("data").is_some();
    !is_replaced_key && !without.iter().any(|name| first == format!("micromint {name}"))
}

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

fn hex(value: &Value) -> String {
    format!("UINT64_C(0x{})", value.as_str().unwrap())
}

/// The bytes of a hexadecimal text; empty for null.
fn unhex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap_or_default();
    (0..digits.len() / 2)
        .map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}
