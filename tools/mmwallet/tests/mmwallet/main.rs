//! The programs as people run them, against a vendor on this machine.
#![allow(clippy::unwrap_used)]

mod answer;

mod commands;

mod consent;

mod get;

mod manners;

mod mcp;

mod orders;

mod outputs;

mod proxies;

mod site;

mod transfer;

mod vendor;

mod view;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, LazyLock};

use assert_cmd::Command;
use micromint::authenticator::Key;
use micromint::host::{Clock, SystemClock};
use micromint::testing::{ObviousMint, params_with};
use tempfile::TempDir;

/// A period that is valid for ten days from now.
static MINT: LazyLock<Arc<ObviousMint>> = LazyLock::new(|| {
    let now = SystemClock.now();
    Arc::new(ObviousMint::new(params_with(|raw| {
        raw.start = now.plus_seconds(-86_400);
        raw.expiration = now.plus_seconds(10 * 86_400);
        raw.redeem_until = now.plus_seconds(17 * 86_400);
    })))
});

/// The home directory of a test, with its wallet.
struct Home {
    directory: TempDir,
}

impl Home {
    /// An empty directory.
    fn new() -> Home {
        Home { directory: tempfile::tempdir().unwrap() }
    }

    /// A home whose wallet has two sets of Alice.
    fn with_coins() -> Home {
        let home = Home::new();
        let received = home.run(&["receive", home.funds(&[4, 10], 1).to_str().unwrap()]);
        assert_eq!(status(&received), 0, "{received:?}");
        home
    }

    /// A Funds-Withdrawn message as a file.
    fn funds(&self, firsts: &[u32], transaction: u64) -> PathBuf {
        let funds =
            MINT.funds(&"alice".parse().unwrap(), &Key::from_bytes([5; 32]), firsts, transaction);
        self.file(&format!("funds-{transaction}"), &funds.to_bytes())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn wallet(&self) -> PathBuf {
        self.path("data/wallet.mmw")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::cargo_bin(program).unwrap();
        command
            .env_clear()
            .arg("--wallet")
            .arg(self.wallet())
            .timeout(std::time::Duration::from_secs(60));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command("mmwallet").args(args).output().unwrap()
    }

    fn balance(&self) -> serde_json::Value {
        let output = self.run(&["balance", "--json"]);
        assert_eq!(status(&output), 0, "{output:?}");
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        value["holdings"][0].clone()
    }

    fn unspent(&self) -> u64 {
        self.balance()["unspent"].as_u64().unwrap()
    }

    fn history(&self) -> Vec<serde_json::Value> {
        let output = self.run(&["history", "--json"]);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        value.as_array().unwrap().clone()
    }

    /// The outcome of the latest payment.
    fn outcome(&self) -> String {
        let history = self.history();
        history.iter().rfind(|event| event["event"] == "payment").map_or("none".into(), |event| {
            format!("{} {}", event["outcome"].as_str().unwrap(), event["reason"].as_str().unwrap())
                .trim()
                .to_string()
        })
    }
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
