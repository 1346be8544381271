//! Sells a set to each of some users with a broker in memory, which forgets it, for tests: writes
//! `USER.sale` beside the coin file. `mmbroker` sells for a broker that remembers.
//! `cargo run -p micromint --example sell -- COINFILE USER...`
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use micromint::broker::MemoryBroker;
use micromint::coin_file::SECRET_NAME;
use micromint::host::{Clock, DiskDirectory, SystemClock};
use micromint::identity::UserId;
use micromint::key_file::read_key;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let coin_file = arguments.next().map(PathBuf::from);
    let coin_file = coin_file.unwrap_or_else(|| panic!("usage: sell COINFILE USER..."));
    let (directory, name) = DiskDirectory::of_file(&coin_file).unwrap();
    let secret = read_key(&directory, SECRET_NAME).unwrap();
    let mut broker = MemoryBroker::open(&directory, &name, secret).unwrap();
    for (transaction, user) in (1..).zip(arguments) {
        let user: UserId = user.parse().unwrap();
        let sold = broker.withdraw(&user, 1, transaction, SystemClock.now()).unwrap();
        let message = sold.into_result().unwrap().to_bytes();
        std::fs::write(coin_file.with_file_name(format!("{user}.sale")), message).unwrap();
    }
}
