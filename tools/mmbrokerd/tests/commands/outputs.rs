//! Every command that writes a file, against every kind of output.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use micromint::file_kind::FileKind;
use micromint::protocol::{
    FundsWithdrawn, RedemptionResult, RequestCredit, RequestWatch, push_record,
};

use super::{COINS, Place};

/// A command, up to the option that names its output.
struct Writer {
    line: &'static str,
    /// The kind of its output; `None` for a list of users.
    kind: Option<&'static str>,
    /// What an existing file must be to be replaced; `None` if none is.
    replaces: Option<&'static [u8]>,
}

const WRITERS: [Writer; 6] = [
    Writer {
        line: "mmbroker withdraw --user alice --transaction 1 -o",
        kind: Some("a Funds-Withdrawn message"),
        replaces: None,
    },
    Writer {
        line: "mmbroker return request -o",
        kind: Some("a Funds-Credited message"),
        replaces: None,
    },
    Writer { line: "mmbroker revoked -o", kind: None, replaces: Some(b"eve\n") },
    Writer {
        line: "mmbroker owners --vendor news.example -o",
        kind: Some("an owners file"),
        replaces: Some(b""),
    },
    Writer {
        line: "mmredeem batch -o",
        kind: Some("a Redemption-Result message"),
        replaces: Some(b""),
    },
    Writer {
        line: "mmbroker watch watch -o",
        kind: Some("a Watch-Result message"),
        replaces: Some(b""),
    },
];

/// A broker with a sale, a return, a batch and a message to watch.
fn place() -> Place {
    let place = Place::expiring("2021");
    let key = place.vendor("news.example");
    place.run("mmbroker revoke --force mallory", 0);
    let sale =
        "mmbroker withdraw --user alice --sets 1 --transaction 1 --as-of 2020-06-01T00:00:00Z";
    let funds = place.run(sale, 0).stdout;
    let funds = FundsWithdrawn::parse(&funds).unwrap();
    let coins = place.coins(&funds, "news.example");
    let payment = place.payment(&funds, "news.example", "a", &coins[..2]);
    place.batch("batch", &key, "news.example", "b1", std::slice::from_ref(&payment));
    let mut data = Vec::new();
    push_record(&mut data, &payment.record().to_bytes());
    let watch = RequestWatch {
        vendor: "news.example".parse().unwrap(),
        period: place.params.period().clone(),
        watch: "w1".parse().unwrap(),
        payments: 1,
        authenticator: key.request_credit("", &[]),
        data,
    };
    fs::write(place.path("watch"), watch.authenticated(&key.sync_key()).to_bytes()).unwrap();
    let mut request = RequestCredit {
        user: funds.user.clone(),
        period: funds.period().clone(),
        request: "r1".parse().unwrap(),
        authenticator: funds.user_key.request_credit("r1", &[]),
        x: coins[2].clone(),
    };
    request.authenticator = funds.user_key.request_credit("r1", &request.data());
    fs::write(place.path("request"), request.to_bytes()).unwrap();
    place
}

fn is_of_kind(bytes: &[u8], kind: Option<&str>) -> bool {
    match kind {
        None => bytes == b"mallory\n",
        Some(kind) => FileKind::of(bytes).is_some_and(|found| found.to_string() == kind),
    }
}

/// The names of the files that stay in the folder, without the broker's own.
fn extra(place: &Place) -> Vec<String> {
    let own = ["batch", "watch", "request"];
    let entries = fs::read_dir(place.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| {
            !own.contains(&name.as_str()) && !name.starts_with("broker.") && name != COINS
        })
        .collect();
    names.sort();
    names
}

#[test]
fn every_command_writes_every_kind_of_output() {
    for Writer { line, kind, replaces } in WRITERS {
        let place = place();
        // A new file, through a link that leads nowhere yet, and then again.
        fs::create_dir(place.path("sub")).unwrap();
        symlink("sub/real", place.path("link")).unwrap();
        place.run(&format!("{line} link"), 0);
        assert!(is_of_kind(&fs::read(place.path("sub/real")).unwrap(), kind), "{line}");
        assert!(fs::symlink_metadata(place.path("link")).unwrap().is_symlink(), "{line}");
        let status = if replaces.is_some() { 0 } else { 1 };
        place.run(&format!("{line} sub/real"), status);
        assert_eq!(extra(&place), ["link", "sub"], "{line}");

        // A file that may be replaced, if any may, and files that may not.
        if let Some(old) = replaces {
            fs::write(place.path("old"), old).unwrap();
            place.run(&format!("{line} old"), 0);
            assert!(is_of_kind(&fs::read(place.path("old")).unwrap(), kind), "{line}");
            fs::remove_file(place.path("old")).unwrap();
        }
        fs::write(place.path("letter"), b"Dear Bob, this is no list").unwrap();
        symlink(COINS, place.path("soft")).unwrap();
        fs::hard_link(place.path("broker.secret"), place.path("hard")).unwrap();
        let before = |name: &str| fs::read(place.path(name)).unwrap();
        let kept: Vec<_> =
            [COINS, "broker.secret", "letter", "batch"].map(|name| (name, before(name))).into();
        let status = place.text("mmbroker status");
        let around = format!("/proc/self/cwd/{COINS}");
        let own = ["broker.secret", "broker.toml", "broker.db", "broker.witness"];
        let known = [COINS, "soft", "hard", "letter", "batch", "sub"];
        for name in own.into_iter().chain(known).chain([around.as_str(), "/proc/self/cwd/letter"]) {
            let error =
                match (line.starts_with("mmredeem") || line.contains("watch ")) && name == "sub" {
                    // A folder is where these put their results.
                    true => continue,
                    false => place.error(&format!("{line} {name}")),
                };
            let is_told = error.contains("is not overwritten") || error.contains("found a folder");
            assert!(is_told, "{line} {name}: {error}");
        }
        for (name, bytes) in &kept {
            assert_eq!(before(name), *bytes, "{line}: {name} changed");
        }
        assert_eq!(place.text("mmbroker status"), status, "{line}");

        // Standard output, devices, a pipe.
        for name in ["-", "/dev/stdout", "/dev/fd/1"] {
            let output = place.run(&format!("{line} {name}"), 0).stdout;
            assert!(is_of_kind(&output, kind), "{line} {name}: {output:?}");
        }
        place.run(&format!("{line} /dev/null"), 0);
        assert!(place.error(&format!("{line} /dev/full")).contains("/dev/full"), "{line}");
        let made = std::process::Command::new("mkfifo").arg(place.path("pipe")).status();
        assert!(made.unwrap().success());
        let pipe = place.path("pipe");
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            fs::File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        });
        place.run(&format!("{line} pipe"), 0);
        assert!(is_of_kind(&reader.join().unwrap(), kind), "{line}");
        assert_eq!(extra(&place), ["hard", "letter", "link", "pipe", "soft", "sub"], "{line}");
    }
}

/// Two vendors give their batches the same name. Neither result replaces the other.
#[test]
fn batches_of_one_name_do_not_overwrite_each_others_results() {
    let place = Place::new();
    fs::create_dir_all(place.path("out")).unwrap();
    for (folder, host) in [("a", "news.example"), ("b", "shop.example")] {
        let key = place.vendor(host);
        let funds = place.buy("alice", 1);
        let coins = place.coins(&funds, host);
        let payment = place.payment(&funds, host, "x", &coins[..1]);
        fs::create_dir(place.path(folder)).unwrap();
        place.batch(&format!("{folder}/batch"), &key, host, folder, &[payment]);
    }
    let error = place.error("mmredeem -o out a/batch b/batch");
    assert!(
        error.contains("a/batch and b/batch would both have the result out/batch.result"),
        "{error}"
    );
    assert!(place.text("mmbroker status").contains("batches    0"));
    place.run("mmredeem -o out a/batch", 0);
    let error = place.error("mmredeem -o out b/batch");
    assert!(error.contains("only an earlier result of this batch is replaced"), "{error}");
    place.run("mmredeem -o out a/batch", 0);
    let result = fs::read(place.path("out/batch.result")).unwrap();
    assert_eq!(RedemptionResult::parse(&result).unwrap().vendor.as_str(), "news.example");
    assert!(place.text("mmbroker status").contains("batches    1"));
    place.run("mmredeem a/batch b/batch", 0);
}

/// The same reports as JSON, for programs.
#[test]
fn reports_are_printed_as_json() {
    let place = place();
    place.run("mmredeem batch", 0);
    place.run("mmbroker revoke alice", 0);
    let json = |line: &str| -> serde_json::Value {
        serde_json::from_str(&place.text(&format!("{line} --format json"))).unwrap()
    };
    let status = json("mmbroker status")[0].clone();
    assert_eq!((status["period"].as_str(), status["sales"].as_u64()), (Some("2026-12"), Some(1)));
    assert_eq!(
        (status["redeemed"].as_u64(), status["is-settled"].as_bool()),
        (Some(2), Some(false))
    );
    assert_eq!(json("mmbroker vendors"), serde_json::json!(["news.example"]));
    let user = json("mmbroker account alice");
    assert_eq!(user["user"]["sales"][0]["transaction"], "1");
    assert!(user["user"]["revoked"].is_string() && user["vendor"].is_null(), "{user}");
    let vendor = json("mmbroker account news.example");
    assert_eq!(vendor["vendor"]["batches"][0]["accepted"], 2);
    for list in ["offenders", "disputes"] {
        assert_eq!(json(&format!("mmbroker {list}")), serde_json::json!([]), "{list}");
    }
    assert_eq!(json("mmbroker suspects"), serde_json::json!({"users": [], "vendors": []}));
    assert!(place.text("mmbroker status --format text").contains("sales      1\n"));
    place.run("mmbroker status --format xml", 2);
}

/// A reader that goes away stops the printing, not the work.
#[test]
fn a_broken_pipe_does_not_stop_the_batches() {
    let place = Place::new();
    let key = place.vendor("news.example");
    let funds = place.buy("alice", 1);
    let coins = place.coins(&funds, "news.example");
    for (i, name) in ["b1", "b2", "b3"].iter().enumerate() {
        let payment = place.payment(&funds, "news.example", name, &coins[i..i + 1]);
        place.batch(name, &key, "news.example", name, &[payment]);
    }
    let mut command = place.program("mmredeem b1 b2 b3");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for name in ["b1.result", "b2.result", "b3.result"] {
        assert!(place.path(name).exists(), "{name}");
    }
    // A disk that is full is told, once, after the work.
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.program("mmbroker status").stdout(full).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("cannot write to standard output"), "{error}");
}
