//! MicroMint: micropayments whose coins are hash collisions.
//!
//! A *broker* tosses balls (hash inputs) into bins (hash outputs) for a whole month and sells sets
//! of balls to *clients*. A client picks k balls of a set to form a *coin* that is good at one
//! *vendor*. The vendor checks a coin by hashing alone: no third party, no database of the coins
//! sold, no public-key operation. The broker pays the vendor for each coin at most once.
//!
//! The scheme is R. Rivest's and A. Shamir's (1996); the messages, the files and the modules follow
//! J. Burstein, *An Implementation of MicroMint* (MIT, 1998), called "the thesis" throughout.
//!
//! # Example
//!
//! The life of a coin: minted, sold, paid for a web page, redeemed. Each comment begins another
//! actor's part; in practice they run on different machines and send each other the messages.
//!
//! ```
//! use std::sync::Arc;
//!
//! use micromint::broker::MemoryBroker;
//! use micromint::coin_file::SECRET_NAME;
//! use micromint::host::{DiskDirectory, FixedClock, SystemEntropy};
//! use micromint::key_file::create_key;
//! use micromint::minting::{MintJobBuilder, NewPeriod, Profile};
//! use micromint::protocol::{RequestPayment, Verdict};
//! use micromint::till::{SyncMode, Till};
//! use micromint::time::UnixTime;
//! use micromint::vendor::redemption::{BatchLimits, make_batch, read_result};
//! use micromint::vendor::{Decision, Paywall, Request, VendorConfig};
//! use micromint::wallet::{self, Fetch, PaymentOutcome, Policy, Wallet};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now: UnixTime = "2026-12-10T12:00:00Z".parse()?;
//! let folder = std::env::temp_dir().join(format!("micromint-example-{}", std::process::id()));
//! std::fs::create_dir_all(folder.join("periods"))?;
//! let directory = DiskDirectory::new(&folder);
//!
//! // The broker mints the coins of a month (a tiny one, for tests) and sells a set to Alice.
//! let (url, value) = ("https://broker.example/", "0.01 USD".parse()?);
//! let period = NewPeriod::new(Profile::Test, "2026-12".parse()?, url, value);
//! let mint = NewPeriod { weak: true, ..period }.draw(&SystemEntropy)?;
//! MintJobBuilder::new(&directory, &mint.coinfile, &mint).build()?.mint()?;
//! let secret = create_key(&directory, SECRET_NAME, &SystemEntropy)?;
//! let mut broker = MemoryBroker::open(&directory, &mint.coinfile, secret)?;
//! let funds = broker.withdraw(&"alice".parse()?, 1, 1, now)?.granted().ok_or("refused")?;
//!
//! // Alice puts the set into her wallet.
//! let mut wallet = Wallet::open(&directory, "alice.wallet", &SystemEntropy)?;
//! wallet.receive(&funds, now)?;
//!
//! // The vendor accepts the month's coins. A page costs two of them: the answer is status 402.
//! let (site, origin) = ("news.example".parse()?, "https://news.example".parse()?);
//! let (periods, till) = (folder.join("periods"), folder.join("till"));
//! std::fs::write(periods.join("2026-12.params"), mint.params.to_toml())?;
//! let config = VendorConfig::new(site, vec![origin], periods, &till);
//! let vendor = config.vendor().clone();
//! Paywall::prepare(&config, None, &FixedClock(now), &SystemEntropy)?;
//! let paywall = Paywall::open(config, Arc::new(FixedClock(now)), Arc::new(SystemEntropy))?;
//! let page = Request { target: b"/story", is_https: true, price: 2, ..Request::default() };
//! let get = Request { method: b"GET", ..page };
//! let Decision::Answer(answer) = paywall.decide(&get) else { panic!("free") };
//! assert_eq!(answer.status, 402);
//!
//! // Alice's wallet pays: her policy allows up to five coins without a question.
//! let asked = RequestPayment::parse(&answer.body)?;
//! let decision = wallet.pay(&asked, &Fetch::new(&asked.url), &Policy::new(5), now)?;
//! let wallet::PaymentDecision::Send(payment) = decision else { panic!("not paid") };
//! let headers: [(&[u8], &[u8]); 1] = [(b"Content-Type", b"application/x-micromint")];
//! let post = Request { method: b"POST", headers: &headers, body: Some(&payment.message), ..page };
//! assert!(matches!(paywall.decide(&post), Decision::Serve(serve) if serve.coins == 2));
//! wallet.record_outcome(payment.payment, PaymentOutcome::Paid, now)?;
//!
//! // On the next day the vendor redeems the coins, and the broker pays for both.
//! let later = now.plus_seconds(86_400);
//! let disk = Box::new(DiskDirectory::new(&till));
//! let (clock, entropy) = (Arc::new(FixedClock(later)), Arc::new(SystemEntropy));
//! let till = Till::open(disk, SyncMode::Always, clock, entropy)?;
//! let key = broker.register_vendor(&vendor, now).granted().ok_or("refused")?;
//! let batch = make_batch(&till, &vendor, &key, None, BatchLimits::default())?.ok_or("none")?;
//! let judged = broker.redeem(&batch.message, later)?.granted().ok_or("refused")?;
//! assert_eq!(read_result(&till, &vendor, &key, &judged.result)?.count(Verdict::Accepted), 2);
//!
//! std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! In reading order:
//!
//! | module | what it is |
//! |---|---|
//! | [`params`], [`period`], [`money`] | a month's public numbers: sizes, times, coin value |
//! | [`hash`], [`bin`], [`coin`] | balls, the bins that they fall into, and the check of coins |
//! | [`identity`], [`owner`] | users and vendors, and who bought which set |
//! | [`authenticator`], [`key_file`] | the keys of users and vendors, and their files |
//! | [`protocol`], [`scheme`] | the actors' messages, and the same as HTTP authentication |
//! | [`minting`], [`coin_file`] | making coins, and the file that the broker sells from |
//! | [`broker`] | selling sets, redeeming coins and crediting unspent ones |
//! | [`wallet`] | the client: receiving, spending and returning coins |
//! | [`till`] | the vendor's record of the coins spent at its site |
//! | [`vendor`] | the paywall of a web site, and redemption |
//! | [`journal`] | append-only files, from which wallet and till recover after a crash |
//! | [`host`], [`time`] | what a program passes in: clock, randomness, files |
//! | [`toml_file`], [`text_file`], [`file_kind`] | configuration files, and what a file is |
//! | [`error`], [`reply`] | errors, and refusals |
//!
//! # Features
//!
//! One for each role, all on by default. The modules above without a feature are always there.
//!
//! | feature | modules |
//! |---|---|
//! | `mint` | [`minting`], [`coin_file`] |
//! | `broker` | [`broker`], and those of `mint`, whose coin file it reads |
//! | `wallet` | [`wallet`] |
//! | `vendor` | [`till`], [`vendor`]; needs files on disk, which wasm does not have |
//!
//! `simulated-host` is for tests: files in memory that can crash, and a simple mint.
//!
//! # What this crate does not do
//!
//! - No network: it makes and reads messages; programs carry them.
//! - No database and no money: the service `mmbrokerd` keeps what the broker's rules decide about.
//! - No ambient state: clock, randomness and files are passed in ([`host`]). The C library, the
//!   nginx and Apache modules and the command-line tools only translate.
#![forbid(unsafe_code)]
#![deny(rustdoc::broken_intra_doc_links)]
#![cfg_attr(
    not(all(feature = "mint", feature = "broker", feature = "wallet", feature = "vendor")),
    allow(dead_code, unused_imports, reason = "one role alone uses a part of what all share")
)]

#[cfg(all(feature = "vendor", target_family = "wasm"))]
compile_error!("the feature `vendor` needs files on disk, which wasm does not have");

// Periods, balls and coins. (A blank line between modules keeps rustfmt from sorting them.)
pub mod params;
pub mod period;

pub mod money;

pub mod hash;

pub mod bin;

mod host_name;

pub mod identity;

pub mod coin;

// Keys, and who bought what.
pub mod authenticator;

pub mod key_file;

pub mod owner;

// The messages between the actors.
pub mod protocol;

pub mod scheme;

// Making coins and the file that holds them: the feature `mint`.
#[cfg(feature = "mint")]
pub mod minting;

#[cfg(feature = "mint")]
pub mod coin_file;

// Selling and buying back: the feature `broker`.
#[cfg(feature = "broker")]
pub mod broker;

// The client: the feature `wallet`.
#[cfg(feature = "wallet")]
pub mod wallet;

// Which coins were spent at a web site: the feature `vendor`.
#[cfg(feature = "vendor")]
pub mod till;

// The web site: the feature `vendor`.
#[cfg(feature = "vendor")]
pub mod vendor;

// The byte codec of all files.
mod bytes;

// How bytes are written as text.
mod hex;
mod percent;

#[cfg(any(feature = "mint", feature = "simulated-host"))]
mod threads;

// What a program passes in.
pub mod host;
pub mod time;

pub mod journal;

pub mod toml_file;

pub mod text_file;

pub mod file_kind;

pub mod error;

pub mod reply;

// For the tests of this crate and of the crates that use it.
#[cfg(feature = "simulated-host")]
#[doc(hidden)]
pub mod testing;
