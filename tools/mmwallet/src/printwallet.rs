//! Prints the contents of a wallet (thesis 3.4.2): the balance, the parameters, the number of
//! superbins.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use micromint::host::{Clock, SystemClock};
use micromint_console::{EXIT_OK, FormatArgs, ToolError, command_line, finish};
use mmwallet::show;
use mmwallet::wallet_file::WalletFile;

/// Prints the balance, the MicroMint parameters and the number of superbins of a wallet.
///
/// Exit status: 0 done; 1 the wallet cannot be read; 2 the command line is wrong.
#[derive(Parser)]
#[command(name = "printwallet", version)]
struct Cli {
    /// The wallet file [default: $XDG_DATA_HOME/micromint/wallet.mmw].
    #[arg(long, value_name = "FILE")]
    wallet: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
}

fn main() -> ExitCode {
    finish("printwallet", run(&command_line::<Cli>()))
}

fn run(cli: &Cli) -> Result<u8, ToolError> {
    let wallet = WalletFile::new(cli.wallet.as_deref())?.look()?;
    show::wallet(wallet.state(), SystemClock.now(), cli.format.is_json())?;
    Ok(EXIT_OK)
}
