//! `mmwallet backup`, `restore` and `move`: copies of the wallet file that cannot be spent from by
//! mistake.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::Args;

use micromint::error::FileError;
use micromint::host::{Clock, Directory, DiskDirectory, SystemClock, SystemEntropy};
use micromint::money::coins;
use micromint::wallet::{Frozen, Wallet, WalletState};
use micromint_console::output::Existing;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, answers_yes, say, tell, tell_waits};

use crate::wallet_file::WalletFile;

/// The command line of `mmwallet move`.
#[derive(Args, Debug)]
pub struct MoveArgs {
    /// Move the wallet into this new file, to carry it to another machine. Nothing can be spent
    /// from the old file afterwards.
    #[arg(long, value_name = "FILE", required_unless_present = "into")]
    out: Option<std::path::PathBuf>,
    /// Move the wallet that this file carries into the wallet of this machine, and remove the file.
    #[arg(long = "in", id = "into", value_name = "FILE", conflicts_with = "out")]
    into: Option<std::path::PathBuf>,
}

/// Writes a backup.
///
/// # Errors
/// The file exists or cannot be written, or the wallet cannot be used.
pub fn backup(wallet: &WalletFile, path: &Path) -> Result<u8, ToolError> {
    let output = wallet.rules(Existing::Kept).open(Some(path))?;
    let mut wallet = wallet.open()?;
    output.write_with(|folder, name| {
        Ok(wallet.backup(&DiskDirectory::new(folder), name, SystemClock.now())?)
    })?;
    tell!(
        "mmwallet: wrote {}, a backup of the wallet as it is now; \
        coins that you spend from now on must not be spent from the backup again",
        path.display()
    );
    Ok(EXIT_OK)
}

/// Makes a wallet of a backup. Says before what it freezes, and asks on a terminal.
///
/// # Errors
/// The file is not a backup, the wallet exists, or one of them cannot be used.
pub fn restore(wallet: &WalletFile, path: &Path, spendable: bool) -> Result<u8, ToolError> {
    let (from, from_name) = parts(path)?;
    if wallet.exists() {
        let path = wallet.path().display();
        return Err(format!("{path}: exists already; a restored wallet replaces nothing").into());
    }
    must_exist(path)?;
    let backup = Wallet::open_to_read(&from, &from_name)?;
    let made = match backup.state().frozen() {
        Some(Frozen::Backup(at)) => format!("is a backup made at {at}"),
        Some(Frozen::Left(at)) => format!("is the file out of which the wallet was moved at {at}"),
        Some(frozen) => return Err(format!("{}: {frozen}", path.display()).into()),
        None => return Err(format!("{} is a wallet in use, not a backup", path.display()).into()),
    };
    let number = coins(count(backup.state()).into());
    if spendable {
        tell!(
            "mmwallet: {} {made}. You say that no coin was spent since: its {number} can be spent. \
            If one was, it is spent twice, and the broker finds out that it was you",
            path.display()
        );
    } else {
        let orders = match backup.state().open_orders().count() {
            0 => String::new(),
            number => format!(", and so can those of its open orders ({number})"),
        };
        tell!(
            "mmwallet: {} {made}. Restoring freezes its {number}: they can only be returned to the \
            broker after their period{orders}. Some may have been spent since, and a coin that is \
            spent twice shows the broker who you are. If you are certain that none was spent, use \
            --nothing-spent-since instead",
            path.display()
        );
        if !agrees("Restore and freeze?")? {
            tell!("mmwallet: nothing was restored");
            return Ok(EXIT_FAILURE);
        }
    }
    wallet.make_directory()?;
    let (directory, name) = wallet.parts();
    let now = SystemClock.now();
    let restored = Wallet::restore(&from, &from_name, directory, name, spendable, now)?;
    let number = coins(count(restored.state()).into());
    match spendable {
        true => say!("restored {number}"),
        false => say!("restored {number}, which can only be returned to the broker"),
    }
    Ok(EXIT_OK)
}

/// Moves the wallet to another file, or from one.
///
/// # Errors
/// A file cannot be used. The message says where the coins are.
pub fn relocate(wallet: &WalletFile, args: &MoveArgs) -> Result<u8, ToolError> {
    match (&args.out, &args.into) {
        (Some(path), _) => move_out(wallet, path),
        (None, Some(path)) => move_in(wallet, path),
        (None, None) => Err("expected --out FILE or --in FILE".into()),
    }
}

fn move_out(wallet: &WalletFile, path: &Path) -> Result<u8, ToolError> {
    if path == Path::new("-") {
        return Err("a wallet cannot be moved to standard output: --out needs a file".into());
    }
    let (directory, name) = parts(path)?;
    wallet.rules(Existing::Kept).refuse_used(path)?;
    let mut open = wallet.open()?;
    let moved = open.move_out(&directory, &name, &SystemEntropy, SystemClock.now());
    if let Err(error) = moved {
        let where_now = match open.refresh().map(WalletState::frozen) {
            Ok(None) => "the wallet is where it was, and can be used",
            Ok(Some(Frozen::Left(_))) => {
                "nothing can be spent from this file any more. If the move was interrupted, repeat \
                it with the same FILE; if FILE is lost, `mmwallet restore` makes a wallet of this \
                file, whose coins can only be returned"
            }
            _ => "nothing was moved",
        };
        return Err(format!("{error}; {where_now}").into());
    }
    let number = coins(count(open.state()).into());
    say!(
        "moved {number} to {path}. Carry it to the other machine, and run `mmwallet move --in \
        {path}` there. Until then nothing can be spent; do not lose the file",
        path = path.display()
    );
    Ok(EXIT_OK)
}

fn move_in(wallet: &WalletFile, path: &Path) -> Result<u8, ToolError> {
    let (from, from_name) = parts(path)?;
    must_exist(path)?;
    wallet.make_directory()?;
    let (directory, name) = wallet.parts();
    let now = SystemClock.now();
    let moved = Wallet::move_in(&from, &from_name, directory, name, &SystemEntropy, now);
    let open = moved.map_err(|error| {
        format!("{error}; no coins are lost: repeat the command once the reason is removed")
    })?;
    let number = coins(count(open.state()).into());
    say!("moved {number} into {}", wallet.path().display());
    // It is marked as used, and holds keys.
    if let Err(error) = from.remove(&from_name).map_err(FileError::on("remove", path)) {
        tell!("mmwallet: warning: {error}; nothing can be spent from it, remove it yourself");
    }
    Ok(EXIT_OK)
}

fn must_exist(path: &Path) -> Result<(), ToolError> {
    Ok(fs::metadata(path).map(|_| ()).map_err(FileError::on("read", path))?)
}

fn parts(path: &Path) -> Result<(DiskDirectory, String), ToolError> {
    let (directory, name) = DiskDirectory::of_file(path).map_err(FileError::on("use", path))?;
    Ok((tell_waits(directory), name))
}

/// The coins that were never sent.
fn count(state: &WalletState) -> u32 {
    let balances = (0..state.holdings().len()).map(|holding| state.balance(holding));
    balances.map(|balance| balance.unspent + balance.in_doubt).sum()
}

/// Asks the user on the terminal. Without a terminal the answer is yes.
fn agrees(question: &str) -> Result<bool, ToolError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    let mut terminal = io::stderr();
    write!(terminal, "{question} [y/N] ")?;
    terminal.flush()?;
    Ok(answers_yes()?)
}
