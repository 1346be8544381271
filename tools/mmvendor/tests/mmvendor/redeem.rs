//! Batches to the broker, and its answers.

use std::path::Path;

use assert_cmd::Command;
use micromint::authenticator::{Key, UrlDigest};
use micromint::protocol::{
    Blocked, PaymentRecord, RedemptionResult, RequestRedemption, Unsigned, Verdict,
};
use sha2::{Digest, Sha256};

use super::{KEY, output, page, program, spend, write_key};

pub(crate) fn answer(folder: &Path, batch: &str, verdicts: &[Verdict]) {
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
        authenticator: Unsigned,
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
        let (_, stderr) =
            output(&mut program(folder, &["redeem", "--out", name, "--key-file", "key"]), 1);
        let is_told = stderr.contains("is not overwritten") || stderr.contains("found a folder");
        assert!(is_told, "{name}: {stderr}");
    }
    let status = output(&mut program(folder, &["status"]), 0).0;
    assert!(status.contains("not in a batch: 1 payment with"), "{status}");
    assert_eq!(std::fs::read_to_string(folder.join("key")).unwrap(), format!("{KEY}\n"));
    let (stdout, _) =
        output(&mut program(folder, &["redeem", "--out", "-", "--key-file", "key"]), 0);
    RequestRedemption::parse(stdout.as_bytes()).unwrap();
    output(&mut program(folder, &["redeem", "--out", "link", "--key-file", "key"]), 0);
    assert_eq!(std::fs::read_to_string(folder.join("new")).unwrap(), stdout);
    output(&mut program(folder, &["redeem", "--out", "/dev/null", "--key-file", "key"]), 0);
    output(&mut program(folder, &["redeem", "--out", "/dev/full", "--key-file", "key"]), 1);
    let (through, _) =
        output(&mut program(folder, &["redeem", "--out", "/dev/stdout", "--key-file", "key"]), 0);
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

    let (_, stderr) =
        output(&mut program(folder, &["redeem", "--out", "batch", "--key-file", "key"]), 0);
    assert!(stderr.contains("2 payments, 4 coins of 2026-12"), "{stderr}");
    let first = std::fs::read(folder.join("batch")).unwrap();
    let batch = RequestRedemption::parse(&first).unwrap();
    let digests: Vec<UrlDigest> =
        batch.records().iter().map(|record| PaymentRecord::parse(record).unwrap().url).collect();
    assert_eq!(digests, [1, 2].map(|coin| UrlDigest::of(&page(coin))));
    let key: Key = KEY.parse().unwrap();
    assert!(batch.is_authentic(&key));

    // The same batch is written again, but never over an existing file.
    output(&mut program(folder, &["redeem", "--out", "batch", "--key-file", "key"]), 1);
    let (_, stderr) =
        output(&mut program(folder, &["redeem", "--out", "again", "--key-file", "key"]), 0);
    assert!(stderr.contains("the same batch as on"), "{stderr}");
    assert_eq!(std::fs::read(folder.join("again")).unwrap(), first);
    let (text, _) = output(&mut program(folder, &["redeem", "--out", "-", "--key-file", "key"]), 0);
    assert_eq!(text.as_bytes(), first);

    let (status, _) = output(&mut program(folder, &["status"]), 0);
    assert!(status.contains("no result yet"), "{status}");
    assert!(
        status.contains("0 coins of 2026-12, and 1 payment younger than ten minutes"),
        "{status}"
    );

    // A result that does not match the batch changes nothing.
    answer(folder, "batch", &[Verdict::Accepted; 3]);
    let (_, stderr) = output(&mut program(folder, &["result", "result", "--key-file", "key"]), 1);
    assert!(stderr.contains("expected verdicts on 4 coins, found 3"), "{stderr}");

    let accepted = Verdict::Accepted;
    answer(folder, "batch", &[accepted, Verdict::Waiting, accepted, Verdict::NotFromOwner]);
    let (text, _) = output(&mut program(folder, &["result", "result", "--key-file", "key"]), 0);
    assert!(
        text.contains("2 accepted, 1 waiting until redeem-until, 1 not from the owner"),
        "{text}"
    );
    assert!(text.contains("1 coin waits at the broker") && !text.contains("removed"), "{text}");

    // After redeem-until the waiting coin is redeemed again and gets a final verdict, and its
    // journal is removed.
    let (_, stderr) =
        output(&mut program(folder, &["redeem", "--out", "third", "--key-file", "key"]), 0);
    assert!(stderr.contains("the same batch as on"), "{stderr}");
    answer(folder, "third", &[accepted, accepted, accepted, Verdict::NotFromOwner]);
    let (text, _) = output(&mut program(folder, &["result", "result", "--key-file", "key"]), 0);
    assert!(text.contains("3 accepted, 1 not from the owner"), "{text}");
    assert_eq!(text.matches("removed till-").count(), 2, "{text}");
    let (_, stderr) =
        output(&mut program(folder, &["redeem", "--out", "fourth", "--key-file", "key"]), 3);
    assert!(stderr.contains("nothing to redeem") && !folder.join("fourth").exists(), "{stderr}");
    assert_eq!(output(&mut program(folder, &["prune"]), 0).0, "");
}

#[test]
fn the_configuration_of_the_server_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    spend(folder, 1, 900, 900);
    write_key(folder, 0o400);
    // The key of the configuration is next to it.
    std::fs::rename(folder.join("key"), folder.join("vendor.key")).unwrap();
    let config = "vendor-id = \"news.example\"\norigins = \"https://news.example\"\n\
        periods = \"p\"\ntill = \"till\"\n";
    std::fs::write(folder.join("vendor.toml"), config).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mmvendor"));
    command.current_dir(folder).args(["redeem", "--config", "vendor.toml", "--out", "-"]);
    let (text, _) = output(&mut command, 0);
    assert_eq!(RequestRedemption::parse(text.as_bytes()).unwrap().vendor.as_str(), "news.example");
}

#[test]
fn mistakes_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    output(&mut program(folder, &[]), 2);
    output(&mut program(folder, &["status", "prune"]), 2);
    output(&mut program(folder, &["status", "--json", "--csv"]), 2);
    output(&mut program(folder, &["redeem", "--key-file", "key"]), 2);
    output(
        &mut program(folder, &["redeem", "--out", "x", "--key-file", "key", "--payments", "0"]),
        2,
    );
    let (_, stderr) = output(&mut program(folder, &["status"]), 1);
    assert!(stderr.contains("cannot read till"), "{stderr}");
    std::fs::create_dir(folder.join("till")).unwrap();
    let (_, stderr) = output(&mut program(folder, &["status"]), 1);
    assert!(stderr.contains("expected a till"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.join("till")).unwrap().count(), 0);
    spend(folder, 1, 900, 900);
    write_key(folder, 0o644);
    let (_, stderr) =
        output(&mut program(folder, &["redeem", "--out", "x", "--key-file", "key"]), 1);
    assert!(stderr.contains("others can read") && stderr.contains("chmod 600"), "{stderr}");
    std::fs::write(folder.join("result"), "MicroMint-1.0\n").unwrap();
    output(&mut program(folder, &["result", "result", "--key-file", "key"]), 1);
    output(&mut program(folder, &["result", "--key-file", "key"]), 2);
    let (_, stderr) = output(&mut program(folder, &["result", "absent", "--key-file", "key"]), 1);
    assert!(stderr.contains("absent"), "{stderr}");
}
