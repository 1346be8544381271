//! The operator's programs as people run them, several at a time, and killed; and the wallet that
//! buys from the broker through a server that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod audit;
#[path = "../broker/databases.rs"]
mod databases;
mod kill;
mod mistakes;
mod orders;
mod outputs;
mod redeem;
mod relocate;
mod restore;
mod sell;
mod site;
mod trial;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;

use micromint::authenticator::Key;
use micromint::bin::Bin;
use micromint::coin::CoinRules;
use micromint::coin_file::SECRET_NAME;
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::identity::{UserVector, VendorVector};
use micromint::key_file::create_key;
use micromint::minting::{MintConfig, MintJobBuilder};
use micromint::params::Params;
use micromint::protocol::{FundsWithdrawn, Payment, RequestRedemption, Unsigned, push_record};
use micromint::testing::params_with;
use tempfile::TempDir;

pub(crate) const COINS: &str = "2026-12.coins";
/// The money that each user has.
const MONEY: &str = "100 USD";
/// A time at which the period of [`Place::new`] is over, for `--as-of`.
pub(crate) const EXPIRED: &str = "2199-01-02T00:00:00Z";
/// Its redeem-until.
pub(crate) const CLOSED: &str = "2199-01-08T00:00:00Z";

/// The coin file that the real mint makes, for each expiration that the tests use.
static FILES: LazyLock<HashMap<&str, Vec<u8>>> =
    LazyLock::new(|| ["2199", "2021"].map(|year| (year, mint(&params(year, BROKER)))).into());

/// The broker's URL in the periods of [`Place::new`] and [`Place::expiring`].
const BROKER: &str = "https://broker.example/";

fn params(year: &str, broker: &str) -> Params {
    params_with(|raw| {
        raw.broker = broker.to_string();
        raw.start = "2020-01-01T00:00:00Z".parse().unwrap();
        raw.expiration = format!("{year}-01-01T00:00:00Z").parse().unwrap();
        raw.redeem_until = "2199-01-08T00:00:00Z".parse().unwrap();
    })
}

fn mint(params: &Params) -> Vec<u8> {
    let place = TempDir::new().unwrap();
    let directory = DiskDirectory::new(place.path());
    let config = MintConfig::draw(params.clone(), &SystemEntropy).unwrap();
    MintJobBuilder::new(&directory, COINS, &config).build().unwrap().mint().unwrap();
    std::fs::read(place.path().join(COINS)).unwrap()
}

/// The directory of a broker, with a new coin file and a secret.
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) secret: Key,
    pub(crate) params: Params,
}

impl Place {
    /// A period that is valid until 2199.
    pub(crate) fn new() -> Place {
        Place::expiring("2199")
    }

    /// A period that expires at the beginning of this year, and is redeemed until 2199.
    pub(crate) fn expiring(year: &'static str) -> Place {
        Place::with_file(params(year, BROKER), &FILES[year])
    }

    /// A period that is valid until 2199, of a broker at this URL.
    pub(crate) fn at(broker: &str) -> Place {
        let params = params("2199", broker);
        let file = mint(&params);
        Place::with_file(params, &file)
    }

    /// A period that expired at the beginning of 2021, of a broker at this URL.
    pub(crate) fn expired_at(broker: &str) -> Place {
        let params = params("2021", broker);
        let file = mint(&params);
        Place::with_file(params, &file)
    }

    /// Adds another period with the same parameters.
    pub(crate) fn add_period(&self, period: &str) {
        let params = params_with(|raw| {
            *raw = self.params.raw().clone();
            raw.period = period.parse().unwrap();
        });
        std::fs::write(self.path(&format!("{period}.coins")), mint(&params)).unwrap();
    }

    fn with_file(params: Params, file: &[u8]) -> Place {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join(COINS), file).unwrap();
        let disk = DiskDirectory::new(directory.path());
        let secret = create_key(&disk, SECRET_NAME, &SystemEntropy).unwrap();
        let place = Place { directory, secret, params };
        let url = place.params.raw().broker.trim_end_matches('/');
        place.run(&format!("mmbroker init --url {url} --listen 127.0.0.1:0"), 0);
        ["alice", "bob"].iter().for_each(|user| place.deposit(user));
        place
    }

    /// Gives money to a user, once.
    pub(crate) fn deposit(&self, user: &str) {
        let mut command = self.program("mmbroker deposit");
        let output = command.args([user, MONEY, "--reference", user, "--new"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A program in this directory, not started yet.
    pub(crate) fn program(&self, line: &str) -> Command {
        let mut words = line.split(' ');
        let program = match words.next().unwrap() {
            "mmbroker" => env!("CARGO_BIN_EXE_mmbroker"),
            _ => env!("CARGO_BIN_EXE_mmredeem"),
        };
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).env_clear();
        command.args(["--config", "broker.toml"]).args(words);
        command
    }

    /// Runs a program that must end with this status.
    pub(crate) fn run(&self, line: &str, status: i32) -> Output {
        let output = self.program(line).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
        output
    }

    /// Standard output of a program that must succeed.
    pub(crate) fn text(&self, line: &str) -> String {
        String::from_utf8(self.run(line, 0).stdout).unwrap()
    }

    /// Standard error of a program that must fail.
    pub(crate) fn error(&self, line: &str) -> String {
        String::from_utf8(self.run(line, 1).stderr).unwrap()
    }

    /// Buys sets.
    pub(crate) fn buy(&self, user: &str, sets: u32) -> FundsWithdrawn {
        self.deposit(user);
        let text = self.run(&format!("mmbroker withdraw --user {user} --sets {sets}"), 0).stdout;
        FundsWithdrawn::parse(&text).unwrap()
    }

    /// The coins that this message gives at a vendor, k inputs each, found only by hashing.
    pub(crate) fn coins(&self, funds: &FundsWithdrawn, vendor: &str) -> Vec<Vec<u64>> {
        let rules = CoinRules::new(self.params.clone());
        let user = UserVector::new(&self.params, &funds.user).unwrap();
        let vendor = VendorVector::new(&self.params, &vendor.parse().unwrap());
        let mut coins = Vec::new();
        for set in &funds.sets {
            let balls: HashMap<Bin, u64> =
                set.superbins.iter().flatten().map(|x| (rules.bin(*x).unwrap(), *x)).collect();
            for first in &set.superbins[0] {
                let bin = rules.bin(*first).unwrap();
                let places = user.set(bin.superbin).into_iter().zip(vendor.subbins(bin.subbin));
                let coin: Option<Vec<u64>> = places
                    .map(|(superbin, subbin)| balls.get(&Bin { superbin, subbin }).copied())
                    .collect();
                coins.extend(coin);
            }
        }
        coins
    }

    /// A payment with these coins.
    pub(crate) fn payment(
        &self,
        funds: &FundsWithdrawn,
        vendor: &str,
        page: &str,
        coins: &[Vec<u64>],
    ) -> Payment {
        let rules = CoinRules::new(self.params.clone());
        let vendor_id = vendor.parse().unwrap();
        let mut firsts: Vec<u32> =
            coins.iter().map(|coin| rules.bin(coin[0]).map_or(0, |bin| bin.superbin)).collect();
        firsts.dedup();
        let token = |first: &u32| funds.user_key.owner_token(&vendor_id, *first);
        Payment {
            url: format!("https://{vendor}/{page}").parse().unwrap(),
            user: funds.user.clone(),
            vendor: vendor.parse().unwrap(),
            period: self.params.period().clone(),
            coins: coins.len() as u32,
            owner_tokens: firsts.iter().map(token).collect(),
            authenticator: funds.user_key.request_credit("", &[]),
            x: coins.concat(),
        }
        .authenticated(&funds.user_key)
    }

    /// Writes a batch file, signed with the key that `mmbroker vendor-key` printed.
    pub(crate) fn batch(
        &self,
        file: &str,
        key: &Key,
        vendor: &str,
        name: &str,
        payments: &[Payment],
    ) {
        let mut data = Vec::new();
        payments.iter().for_each(|payment| push_record(&mut data, &payment.record().to_bytes()));
        let batch = RequestRedemption {
            vendor: vendor.parse().unwrap(),
            batch: name.parse().unwrap(),
            period: self.params.period().clone(),
            payments: payments.len() as u32,
            authenticator: Unsigned,
            data,
        }
        .authenticated(key);
        std::fs::write(self.path(file), batch.to_bytes()).unwrap();
    }

    /// Registers a vendor and returns its key.
    pub(crate) fn vendor(&self, host: &str) -> Key {
        self.text(&format!("mmbroker vendor-key {host}")).trim().parse().unwrap()
    }
}
