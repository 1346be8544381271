//! `bots`: the keys of the bots that the configuration names.
//!
//! Input: the directories that bots publish. Output: the file of their keys. The invariants: a
//! directory comes from the bot's own origin, over https or from this machine; a bot whose
//! directory cannot be had keeps the keys that it had; running servers pick the file up.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use micromint::error::{FileError, chain};
use micromint::host::{Clock, DiskDirectory, SystemClock, replace_public};
use micromint::vendor::{
    BOT_DIRECTORY_PATH, BOT_DIRECTORY_SIZE_MAX, BotKeys, Origin, VendorConfig, read_bot_directory,
};
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, say, tell};
use ureq::Agent;

use crate::sync::web_agent;
use crate::vendor_files::CONFIG_DEFAULT;

/// How long a directory may take.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Bots {
    /// The vendor's configuration file, which the web server uses too
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
}

impl Bots {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let config = VendorConfig::load(&self.config)?;
        let Some(path) = config.bot_keys().filter(|_| !config.bots().is_empty()) else {
            return Err(format!("{}: names no bots", self.config.display()).into());
        };
        let known = if path.exists() { BotKeys::load(path)? } else { BotKeys::default() };
        let mut keys = known.only(config.bots());
        let web = web_agent(self.cacert.as_deref(), TIMEOUT)?;
        let mut status = EXIT_OK;
        for bot in config.bots() {
            match with_bot(keys.clone(), &web, bot) {
                Ok((with_bot, count)) => {
                    say!("{}: {count} {}", bot.as_str(), if count == 1 { "key" } else { "keys" });
                    keys = with_bot;
                }
                Err(error) => {
                    tell!("mmvendor: error: {}: {}", bot.as_str(), chain(error.as_ref()));
                    status = EXIT_FAILURE;
                }
            }
        }
        let (directory, name) =
            DiskDirectory::of_file(path).map_err(FileError::on("write", path))?;
        replace_public(&directory, &name, keys.to_toml().as_bytes())
            .map_err(FileError::on("write", path))?;
        Ok(status)
    }
}

/// The keys with those in the bot's directory now, and the number of these.
fn with_bot(keys: BotKeys, web: &Agent, bot: &Origin) -> Result<(BotKeys, usize), ToolError> {
    if !bot.is_https() && !bot.host().is_loopback() {
        return Err("expected an https origin".into());
    }
    let response = web.get(format!("{}{BOT_DIRECTORY_PATH}", bot.as_str())).call()?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(format!("the directory of keys answers {status}").into());
    }
    let (mut body, size_max) = (Vec::new(), BOT_DIRECTORY_SIZE_MAX as u64);
    response.into_body().into_reader().take(size_max + 1).read_to_end(&mut body)?;
    let now = SystemClock.now();
    let fetched = read_bot_directory(&body, now)?;
    let count = fetched.len();
    Ok((keys.with_agent(bot.clone(), fetched, now)?, count))
}
