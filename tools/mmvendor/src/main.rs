//! The program of a vendor: redeems coins (thesis 3.3.2), shows the income, finds payments,
//! mistakes and prices.
//!
//! The web servers can keep selling meanwhile. `micromint::vendor` decides; this program reads the
//! command line and prints.

mod bots;
mod check;
mod find;
mod prices;
mod redeem;
mod status;
mod sync;
mod vendor_files;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use micromint_console::{command_line, finish};

/// The program of a vendor: redeem coins, see the income, find payments, mistakes and prices
///
/// The web servers can keep selling meanwhile. Run it as the user of the web server or as root.
///
/// Exit status: 0 done; 1 failed, standard error says why; 2 the command line is wrong; 3 there was
/// nothing to redeem, or no payment has the reference. `check` has its own, see its help.
#[derive(Parser)]
#[command(version, name = "mmvendor")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a batch of payments (a Request-Redemption message) for the broker
    ///
    /// The batch contains payments that are at least ten minutes old, because younger ones may
    /// still be reversed. Until you read the result of a batch, this writes the same batch again.
    /// Exit status 3: there is nothing to redeem, and no file was written.
    Redeem(redeem::Redeem),
    /// Read the broker's answer to a batch (a Redemption-Result message)
    ///
    /// Prints what happened to the coins, blocks the users that the broker names (in the file
    /// `blocked` of the till; remove a line to serve a user again), and removes journals in which
    /// everything is final and past redeem-until. A result that is not the broker's answer to a
    /// batch of this till is refused. Coins that wait at the broker are not lost: after
    /// redeem-until, `redeem` writes their batch again, and the broker answers with what its
    /// settlement decided.
    Result(redeem::ReadResult),
    /// Remove journals in which everything is final and past redeem-until
    ///
    /// `result` does this too.
    Prune(redeem::Prune),
    /// Stay up to date with the broker, and redeem
    ///
    /// Fetches the parameters of each period when it begins, new owners and revoked users
    /// every minute and when the paywall meets an unknown set, shows payments to the broker's watch
    /// every ten seconds, and sends batches every hour. Running servers pick up what it writes.
    /// If the broker does not answer, selling continues.
    ///
    /// Exit status with --once: 0 all was done; 1 something failed, standard error says what.
    Sync(sync::Sync),
    /// Fetch the keys of the bots that the configuration names (Web Bot Auth)
    ///
    /// Writes the file of keys; running servers pick it up. Run it daily. A bot whose keys cannot
    /// be fetched keeps those that it had. Exit status: 0 all were fetched; 1 some were not,
    /// standard error says why.
    Bots(bots::Bots),
    /// Show the income by day, page and period, the batches, what is in no batch, and blocked users
    ///
    /// Days are UTC days. All income since the till was made counts.
    Status(status::Status),
    /// Find the payment that a reader asks about
    ///
    /// A reader's wallet shows the reference of a payment, and every paid page carries it in
    /// Payment-Receipt. Exit status 3: no payment has this reference.
    Find(find::Find),
    /// Find mistakes before visitors do
    ///
    /// Examines the configuration, periods, owners files, till, permissions, disk, clock, server
    /// names and price files. Changes nothing.
    ///
    /// Exit status: 0 nothing was found, or only notes; 1 the worst finding is a warning; 2 it is
    /// an error, or the command line is wrong.
    Check(check::Check),
    /// Print what pages cost and why, and which price files have no effect
    ///
    /// Knows the price list and the price files; of both the higher price counts. Prices of
    /// directives are in the server's configuration and are not seen: `mmwallet price URL` shows
    /// what the server asks. Without a URL or folder, prints the entries of the price list.
    Prices(prices::Prices),
}

fn main() -> ExitCode {
    let result = match command_line::<Arguments>().command {
        Command::Redeem(redeem) => redeem.run(),
        Command::Result(result) => result.run(),
        Command::Prune(prune) => prune.run(),
        Command::Sync(sync) => sync.run(),
        Command::Bots(bots) => bots.run(),
        Command::Status(status) => status.run(),
        Command::Find(find) => find.run(),
        Command::Check(check) => check.run(),
        Command::Prices(prices) => prices.run(),
    };
    finish("mmvendor", result)
}
