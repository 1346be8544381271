//! Payments for the program of the paywall, and the vendor they are for.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use micromint_core::authenticator::{Authenticator, OwnerToken};
use micromint_core::protocol::Payment;

use crate::crate_path;

const CONFIG: &str = "vendor-id = \"news.example\"\norigins = [\"https://news.example\", \"http://news.example\", \"https://www.news.example\"]\nperiods = \"periods\"\n\
                      till = \"data/till\"\nreceipt-time = 3600\n";
/// Two coins of alice for news.example (testdata/coins.json).
const COINS: [[u64; 4]; 2] = [[0x892, 0x245, 0x1298, 0x78a], [0xfd, 0xd64, 0x155, 0x79f]];

/// Writes the configurations of a vendor and of a mint, a Funds-Withdrawn message (`sale`), and
/// `paid.h`, into a folder.
pub(crate) fn write_world(folder: &Path) {
    let period = crate_path().join("../testdata/periods/2026-12.params");
    std::fs::create_dir(folder.join("periods")).unwrap();
    std::fs::copy(period, folder.join("periods/2026-12.params")).unwrap();
    std::fs::write(folder.join("vendor.toml"), CONFIG).unwrap();
    let sale = crate_path().join("../testdata/messages/funds-withdrawn.txt");
    std::fs::copy(sale, folder.join("sale")).unwrap();
    let params =
        std::fs::read_to_string(crate_path().join("../testdata/periods/2026-12.params")).unwrap();
    let secret = "coinfile = \"2026-12.coins\"\ninput-key = \"000102030405060708090a0b0c0d0e0f\"\n";
    write_private(&folder.join("strict.toml"), &format!("{secret}{params}"));
    write_private(&folder.join("mint.toml"), &format!("{secret}weak = \"allowed\"\n{params}"));
    let (paid, raced) = (payment("/paid", COINS[0]), payment("/raced", COINS[1]));
    let body: Vec<String> = paid.iter().map(u8::to_string).collect();
    let header = format!(
        "#define PAID_TARGET \"/paid\"\n#define PAID_HEADER \"{}\"\n\
         static const uint8_t PAID_BODY[] = {{{}}};\n\
         #define RACE_TARGET \"/raced\"\n#define RACE_HEADER \"{}\"\n",
        URL_SAFE_NO_PAD.encode(&paid),
        body.join(","),
        URL_SAFE_NO_PAD.encode(&raced)
    );
    std::fs::write(folder.join("paid.h"), header).unwrap();
}

/// Writes a file that holds a secret: the library refuses one that others can read.
fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A Payment message of one coin. The broker checks authenticators; the vendor does not.
fn payment(target: &str, coin: [u64; 4]) -> Vec<u8> {
    Payment {
        url: format!("https://news.example{target}").parse().unwrap(),
        user: "alice".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        coins: 1,
        owner_tokens: vec![OwnerToken::from_bytes([1; 8])],
        authenticator: Authenticator::from_bytes([1; 16]),
        x: coin.to_vec(),
    }
    .to_bytes()
}
