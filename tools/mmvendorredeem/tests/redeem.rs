//! The program as a webmaster runs it, with a till on disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use micromint::authenticator::{Authenticator, Key, OwnerToken, UrlDigest};
use micromint::bin::Bin;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy};
use micromint::protocol::{
    Blocked, Payment, PaymentRecord, RedemptionResult, RequestRedemption, Verdict,
};
use micromint::till::{Spend, Spent, SyncMode, Till};
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};

const KEY: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

/// A clock that is this many seconds behind, for payments in the past.
struct Earlier(i64);

impl Clock for Earlier {
    fn now(&self) -> UnixTime {
        SystemClock.now().plus_seconds(-self.0)
    }
}

fn page(coin: u32) -> String {
    format!("https://news.example/{coin}")
}

/// Records a payment of two coins, `age` seconds ago; redeem-until is `left` seconds from now.
fn spend(folder: &Path, coin: u32, age: i64, left: i64) {
    std::fs::create_dir_all(folder.join("till")).unwrap();
    let directory = Box::new(DiskDirectory::new(folder.join("till")));
    let till = Till::open(directory, SyncMode::Os, Arc::new(Earlier(age)), Arc::new(SystemEntropy))
        .unwrap();
    let (period, user) = ("2026-12".parse().unwrap(), "alice".parse().unwrap());
    let first_bins = [0, 1].map(|subbin| Bin { superbin: coin * 2, subbin });
    let message = Payment {
        url: page(coin).parse().unwrap(),
        user: "alice".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        coins: 2,
        owner_tokens: vec![OwnerToken::from_bytes([1; 8])],
        authenticator: Authenticator::from_bytes([2; 16]),
        x: vec![3; 8],
    }
    .to_bytes();
    let spend = Spend::new(&period, &user, &first_bins, &message, [1; 32])
        .with_keep_until(SystemClock.now().plus_seconds(left));
    let spent = till.spend(&spend);
    assert!(matches!(spent.unwrap(), Spent::Recorded(_)));
}

fn write_key(folder: &Path, mode: u32) {
    std::fs::write(folder.join("key"), format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(folder.join("key"), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mmvendorredeem"));
    command
        .current_dir(folder)
        .args(["--till", "till", "--vendor", "news.example"])
        .args(arguments);
    command
}

fn output(command: &mut Command, status: i32) -> (String, String) {
    let output = command.assert().code(status).get_output().clone();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).into()
}

fn answer(folder: &Path, batch: &str, verdicts: &[Verdict]) {
    answer_blocking(folder, batch, verdicts, &[]);
}

/// Also names users whom the vendor should stop serving.
fn answer_blocking(folder: &Path, batch: &str, verdicts: &[Verdict], blocked: &[&str]) {
    let batch = RequestRedemption::parse(&std::fs::read(folder.join(batch)).unwrap()).unwrap();
    let key: Key = KEY.parse().unwrap();
    let digest = Sha256::digest(&batch.data).into();
    let result = RedemptionResult {
        vendor: batch.vendor,
        batch: batch.batch,
        blocked: Blocked::new(blocked.iter().map(|user| user.parse().unwrap())),
        authenticator: batch.authenticator,
        verdicts: verdicts.to_vec(),
    }
    .authenticated(&key, &batch.period, &digest);
    std::fs::write(folder.join("result"), result.to_bytes()).unwrap();
}

/// The batch goes to any kind of output, and never over a file that exists or is used.
#[test]
fn a_batch_is_written_to_every_kind_of_output() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    spend(folder, 1, 86_400, 86_400);
    write_key(folder, 0o600);
    std::fs::hard_link(folder.join("key"), folder.join("hard")).unwrap();
    std::os::unix::fs::symlink("key", folder.join("soft")).unwrap();
    std::os::unix::fs::symlink("new", folder.join("link")).unwrap();
    for name in ["key", "hard", "soft", "till", "till/lock"] {
        let (_, stderr) = output(&mut program(folder, &["--out", name, "--key-file", "key"]), 1);
        let is_told = stderr.contains("is not overwritten") || stderr.contains("found a folder");
        assert!(is_told, "{name}: {stderr}");
    }
    let status = output(&mut program(folder, &["--status"]), 0).0;
    assert!(status.contains("not in a batch: 1 payments"), "{status}");
    assert_eq!(std::fs::read_to_string(folder.join("key")).unwrap(), format!("{KEY}\n"));
    let (stdout, _) = output(&mut program(folder, &["--out", "-", "--key-file", "key"]), 0);
    RequestRedemption::parse(stdout.as_bytes()).unwrap();
    output(&mut program(folder, &["--out", "link", "--key-file", "key"]), 0);
    assert_eq!(std::fs::read_to_string(folder.join("new")).unwrap(), stdout);
    output(&mut program(folder, &["--out", "/dev/null", "--key-file", "key"]), 0);
    output(&mut program(folder, &["--out", "/dev/full", "--key-file", "key"]), 1);
    let (through, _) =
        output(&mut program(folder, &["--out", "/dev/stdout", "--key-file", "key"]), 0);
    assert_eq!(through, stdout);
    let entries = std::fs::read_dir(folder).unwrap();
    let hidden = entries
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn a_batch_goes_out_and_its_result_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let day = 86_400;
    spend(folder, 1, 3 * day, -day);
    spend(folder, 2, day, -1);
    spend(folder, 3, 0, day);
    write_key(folder, 0o600);

    let (_, stderr) = output(&mut program(folder, &["--out", "batch", "--key-file", "key"]), 0);
    assert!(stderr.contains("2 payments, 4 coins of 2026-12"), "{stderr}");
    let first = std::fs::read(folder.join("batch")).unwrap();
    let batch = RequestRedemption::parse(&first).unwrap();
    let digests: Vec<UrlDigest> =
        batch.records().iter().map(|record| PaymentRecord::parse(record).unwrap().url).collect();
    assert_eq!(digests, [1, 2].map(|coin| UrlDigest::of(&page(coin))));
    let key: Key = KEY.parse().unwrap();
    assert!(batch.is_authentic(&key));

    // The same batch is written again, but never over an existing file.
    output(&mut program(folder, &["--out", "batch", "--key-file", "key"]), 1);
    let (_, stderr) = output(&mut program(folder, &["--out", "again", "--key-file", "key"]), 0);
    assert!(stderr.contains("the same batch as on"), "{stderr}");
    assert_eq!(std::fs::read(folder.join("again")).unwrap(), first);
    let (text, _) = output(&mut program(folder, &["--out", "-", "--key-file", "key"]), 0);
    assert_eq!(text.as_bytes(), first);

    let (status, _) = output(&mut program(folder, &["--status"]), 0);
    assert!(status.contains("no result yet"), "{status}");
    assert!(
        status.contains("0 coins of 2026-12, and 1 payments younger than ten minutes"),
        "{status}"
    );

    // A result that does not match the batch changes nothing.
    answer(folder, "batch", &[Verdict::Accepted; 3]);
    let (_, stderr) = output(&mut program(folder, &["--result", "result", "--key-file", "key"]), 1);
    assert!(stderr.contains("expected verdicts on 4 coins, found 3"), "{stderr}");

    let accepted = Verdict::Accepted;
    answer(folder, "batch", &[accepted, Verdict::Waiting, accepted, Verdict::NotFromOwner]);
    let (text, _) = output(&mut program(folder, &["--result", "result", "--key-file", "key"]), 0);
    assert!(
        text.contains("2 accepted, 1 waiting until redeem-until, 1 not from the owner"),
        "{text}"
    );
    assert!(text.contains("1 coins wait at the broker") && !text.contains("removed"), "{text}");

    // After redeem-until the waiting coin is redeemed again and gets a final verdict, and its journal is
    // removed.
    let (_, stderr) = output(&mut program(folder, &["--out", "third", "--key-file", "key"]), 0);
    assert!(stderr.contains("the same batch as on"), "{stderr}");
    answer(folder, "third", &[accepted, accepted, accepted, Verdict::NotFromOwner]);
    let (text, _) = output(&mut program(folder, &["--result", "result", "--key-file", "key"]), 0);
    assert!(text.contains("3 accepted, 1 not from the owner"), "{text}");
    assert_eq!(text.matches("removed till-").count(), 2, "{text}");
    let (_, stderr) = output(&mut program(folder, &["--out", "fourth", "--key-file", "key"]), 3);
    assert!(stderr.contains("nothing to redeem") && !folder.join("fourth").exists(), "{stderr}");
    assert_eq!(output(&mut program(folder, &["--prune"]), 0).0, "");
}

#[test]
fn the_configuration_of_the_server_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    spend(folder, 1, 900, 900);
    write_key(folder, 0o400);
    let config = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\n\
        periods = \"p\"\ntill = \"till\"\n";
    std::fs::write(folder.join("vendor.toml"), config).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mmvendorredeem"));
    command.current_dir(folder).args([
        "--config",
        "vendor.toml",
        "--out",
        "-",
        "--key-file",
        "key",
    ]);
    let (text, _) = output(&mut command, 0);
    assert_eq!(RequestRedemption::parse(text.as_bytes()).unwrap().vendor.as_str(), "news.example");
}

#[test]
fn mistakes_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    output(&mut program(folder, &[]), 2);
    output(&mut program(folder, &["--status", "--prune"]), 2);
    output(&mut program(folder, &["--out", "x"]), 2);
    output(&mut program(folder, &["--out", "x", "--key-file", "key", "--payments", "0"]), 2);
    let (_, stderr) = output(&mut program(folder, &["--status"]), 1);
    assert!(stderr.contains("cannot read till"), "{stderr}");
    std::fs::create_dir(folder.join("till")).unwrap();
    let (_, stderr) = output(&mut program(folder, &["--status"]), 1);
    assert!(stderr.contains("expected a till"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.join("till")).unwrap().count(), 0);
    spend(folder, 1, 900, 900);
    write_key(folder, 0o644);
    let (_, stderr) = output(&mut program(folder, &["--out", "x", "--key-file", "key"]), 1);
    assert!(stderr.contains("others can read") && stderr.contains("chmod 600"), "{stderr}");
    std::fs::write(folder.join("result"), "MicroMint-1.0\n").unwrap();
    output(&mut program(folder, &["--result", "result", "--key-file", "key"]), 1);
    output(&mut program(folder, &["--result", "absent"]), 2);
    let (_, stderr) = output(&mut program(folder, &["--result", "absent", "--key-file", "key"]), 1);
    assert!(stderr.contains("absent"), "{stderr}");
}
