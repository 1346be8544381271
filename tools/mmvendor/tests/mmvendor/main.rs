//! The program as a webmaster runs it, with a till on disk.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bots;
mod check;
mod income;
mod redeem;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process;
use std::sync::Arc;

use assert_cmd::Command;
use micromint::authenticator::{Authenticator, OwnerToken};
use micromint::bin::Bin;
use micromint::host::{Clock, DiskDirectory, SystemClock, SystemEntropy};
use micromint::owner::Owners;
use micromint::protocol::Payment;
use micromint::till::{PaymentId, Reversal, Spend, Spent, SyncMode, Till};
use micromint::time::UnixTime;

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

/// The payment for a page.
fn payment(page_number: u32) -> Payment {
    Payment {
        url: page(page_number).parse().unwrap(),
        user: "alice".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        coins: 2,
        owner_tokens: vec![OwnerToken::from_bytes([1; 8])],
        authenticator: Authenticator::from_bytes([2; 16]),
        x: vec![3; 8],
    }
}

fn open_till(folder: &Path, age: i64) -> Till {
    std::fs::create_dir_all(folder.join("till")).unwrap();
    let directory = Box::new(DiskDirectory::new(folder.join("till")));
    Till::open(directory, SyncMode::Os, Arc::new(Earlier(age)), Arc::new(SystemEntropy)).unwrap()
}

/// Records a payment of two coins, `age` seconds ago; redeem-until is `left` seconds from now.
fn spend(folder: &Path, coin: u32, age: i64, left: i64) {
    spend_for(&open_till(folder, age), coin, coin, left);
}

/// Records a payment of two coins for a page a moment ago.
fn spend_young(folder: &Path, page_number: u32, coin: u32) {
    spend_for(&open_till(folder, 0), page_number, coin, 86_400);
}

fn spend_for(till: &Till, page_number: u32, coin: u32, left: i64) -> PaymentId {
    let (period, user) = ("2026-12".parse().unwrap(), "alice".parse().unwrap());
    let first_bins = [0, 1].map(|subbin| Bin { superbin: coin * 2, subbin });
    let message = payment(page_number).to_bytes();
    let spend = Spend::new(&period, &user, &first_bins, &message, [1; 32])
        .with_keep_until(SystemClock.now().plus_seconds(left));
    match till.spend(&spend).unwrap() {
        Spent::Recorded(id) => id,
        other => panic!("{other:?}"),
    }
}

/// Records a payment for a page, and reverses it.
fn spend_and_reverse(folder: &Path, number: u32) {
    let till = open_till(folder, 0);
    let id = spend_for(&till, number, number, 86_400);
    assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
}

fn write_key(folder: &Path, mode: u32) {
    std::fs::write(folder.join("key"), format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(folder.join("key"), std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A subcommand with arguments, about the till.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mmvendor"));
    command.current_dir(folder).args(arguments).args([
        "--till",
        "till",
        "--vendor",
        "news.example",
    ]);
    command
}

fn output(command: &mut Command, status: i32) -> (String, String) {
    let output = command.assert().code(status).get_output().clone();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).into()
}

fn today() -> String {
    SystemClock.now().day()
}

/// The name of the user who runs the test.
fn user() -> String {
    let output = process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

/// A vendor's folder without mistakes: a configuration, and a period with its owners that is valid
/// for some days.
struct Site {
    folder: tempfile::TempDir,
    now: UnixTime,
}

impl Site {
    fn new() -> Site {
        let site = Site { folder: tempfile::tempdir().unwrap(), now: SystemClock.now() };
        std::fs::create_dir(site.path().join("periods")).unwrap();
        site.write(
            "vendor.toml",
            "vendor-id = \"news.example\"\norigins = \"https://news.example\"\n\
             periods = \"periods\"\ntill = \"till\"\n\n",
        );
        site.write_period("2026-12", site.now.plus_seconds(-86_400 * 9), site.end());
        site
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn now(&self) -> UnixTime {
        self.now
    }

    /// When its period ends.
    fn end(&self) -> UnixTime {
        self.now.plus_seconds(86_400 * 20)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        // Whatever the umask.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// The text of its configuration.
    fn text(&self) -> String {
        std::fs::read_to_string(self.path().join("vendor.toml")).unwrap()
    }

    fn append(&self, name: &str, text: &str) {
        let before = std::fs::read_to_string(self.path().join(name)).unwrap();
        self.write(name, &format!("{before}{text}"));
    }

    fn write_period(&self, name: &str, start: UnixTime, expiration: UnixTime) {
        let params = format!(
            "period = \"{name}\"\nhashfn = \"des\"\niv = \"0123456789abcdef\"\n\
             input-size = 31\noutput-size = 29\nnum-fixed-bits = 8\nfixed-bits = \"5c\"\n\
             subbin-size = 6\nstart = {start}\nexpiration = {expiration}\n\
             broker = \"https://broker.example/\"\ncoin-value = \"0.01 USD\"\n"
        );
        self.write(&format!("periods/{name}.params"), &params);
        let vendor = "news.example".parse().unwrap();
        let mut owners = Owners::new(&vendor, &name.parse().unwrap(), 1);
        owners.extend(&[[7; 8]]);
        let path = self.path().join(format!("periods/{name}.owners"));
        std::fs::write(&path, owners.to_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// A subcommand with arguments, about the configuration.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_alone(arguments);
        command.args(["--config", "vendor.toml"]);
        command
    }

    /// A subcommand with arguments.
    fn command_alone(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mmvendor"));
        command.current_dir(self.path()).args(arguments);
        command
    }
}
