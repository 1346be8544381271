//! `mmwallet mcp`: a server of the Model Context Protocol, with which an agent fetches pages and
//! pays for them within its user's limits.
//!
//! Input: JSON-RPC messages, one on each line, on standard input. Output: their answers on standard
//! output. The tools are those of `tools`. A page is fetched by `mmwallet get` in a process of
//! its own, with the limits of this command.
//!
//! The invariants: no argument of a tool changes a limit, a file or the place of a request; every
//! payment has the task of this server, so the wallet counts it under its own lock, whatever runs
//! at the same time; a payment and its reason are in the wallet's history before its coins leave;
//! no page that is slow delays the answers about anything else, and no process outlives this one.

mod calls;

mod content;

mod fetch;

mod page;

mod protocol;

mod tools;

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use micromint::host::{Entropy, SystemEntropy};
use micromint::money::Money;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, tell};

use crate::limits::LimitArgs;
use crate::settings::Settings;
use crate::wallet_file::WalletFile;

use calls::{Calls, HELD_MAX};
use fetch::Fetcher;
pub use page::AskedPage;
use protocol::{Incoming, answer_to, parse_error, too_long};
use tools::Tools;

/// The longest message, in bytes.
const MESSAGE_SIZE_MAX: u64 = 1024 * 1024;
/// How long the calls that run when standard input ends may take to end.
const ENDING_TIME: Duration = Duration::from_secs(2);

/// The command line of `mmwallet mcp`.
#[derive(Args, Debug)]
pub struct McpArgs {
    #[command(flatten)]
    limits: LimitArgs,
    /// The name of the task, for the history and --task-limit [default: a new name for each start].
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Pay at most this much money for the task, such as "0.50 USD" [default: from the settings, or
    /// no limit].
    #[arg(long, value_name = "MONEY")]
    task_limit: Option<Money>,
    /// Fetch pages of this machine and of private networks too.
    #[arg(long)]
    allow_private: bool,
    /// Accept at most this many bytes of a page.
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024 * 1024)]
    max_filesize: u64,
}

/// Serves until standard input ends.
///
/// `net` are the options of the network, as `mmwallet get` takes them.
///
/// # Errors
/// The name of the task is invalid, or standard input or a temporary folder cannot be used.
pub fn serve(
    args: &McpArgs,
    file: &WalletFile,
    settings: &Settings,
    mut net: Vec<OsString>,
) -> Result<u8, ToolError> {
    if !args.allow_private {
        net.push("--public-only".into());
    }
    let task = match &args.task {
        Some(task) => task.clone(),
        None => new_task()?,
    };
    let task_limit = args.task_limit.or(settings.task_limit);
    let fetcher = Fetcher {
        program: std::env::current_exe()?,
        wallet: file.path().to_path_buf(),
        limits: options(args, task_limit),
        net,
        task: task.clone(),
        folder: TemporaryFolder::new()?,
    };
    let calls = Arc::new(Calls::default());
    let (running, folder) = (Arc::clone(&calls), fetcher.folder.0.clone());
    // Ctrl-C, a termination, or the end of the terminal.
    ctrlc::set_handler(move || {
        running.cancel_all();
        let _ = std::fs::remove_dir_all(&folder);
        std::process::exit(EXIT_FAILURE.into());
    })?;
    let tools = Tools::new(fetcher, file, args.limits.policy(settings), task_limit);
    let answers = Mutex::new(Box::new(io::stdout()) as Box<dyn Write + Send>);
    serve_on(&mut BufReader::new(io::stdin()), &answers, &tools, &calls)?;
    Ok(EXIT_OK)
}

/// The options about limits that every fetch has.
fn options(args: &McpArgs, task_limit: Option<Money>) -> Vec<OsString> {
    let limits = &args.limits;
    let texts = [
        ("autopay", limits.autopay.map(|it| it.to_option())),
        ("daily-limit", limits.daily_limit.map(|it| it.to_option())),
        ("site-limit", limits.site_limit.map(|it| it.to_string())),
        ("task-limit", task_limit.map(|it| it.to_string())),
        ("max-filesize", Some(args.max_filesize.to_string())),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
    let flag = limits.allow_http.then(|| "--allow-http".to_string());
    texts.chain(flag).map(OsString::from).collect()
}

fn new_task() -> Result<String, ToolError> {
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes)?;
    Ok(format!("mcp-{:016x}", u64::from_le_bytes(bytes)))
}

/// Where answers go.
type Answers<'a> = Mutex<Box<dyn Write + Send + 'a>>;

/// Answers all messages. A tool runs in a thread of its own.
fn serve_on(
    input: &mut impl BufRead,
    output: &Answers<'_>,
    tools: &Tools<'_>,
    calls: &Calls,
) -> Result<(), ToolError> {
    thread::scope(|scope| {
        loop {
            let mut line = Vec::new();
            let read = (&mut *input).take(MESSAGE_SIZE_MAX + 1).read_until(b'\n', &mut line);
            if !read.as_ref().is_ok_and(|read| *read > 0) {
                calls.finish(ENDING_TIME);
                return read.map(|_| ()).map_err(ToolError::from);
            }
            if line.len() as u64 > MESSAGE_SIZE_MAX {
                // An error here is met again by the next read.
                let _ = skip_line(input, &line);
                send(output, &too_long());
                continue;
            }
            match Incoming::parse(&line) {
                Err(error) => send(output, &parse_error(&error)),
                Ok(None) => {}
                Ok(Some(Incoming::Call { id, name, arguments })) => {
                    let Some(call) = calls.begin(&id) else {
                        let why = format!("{HELD_MAX} calls run or wait already; try again later");
                        send(output, &protocol::result(id, Err(why)));
                        continue;
                    };
                    scope.spawn(move || {
                        let act = || tools.call(&call, &name, &arguments);
                        let result = match Tools::is_slow(&name) {
                            true => calls.run(&call, act),
                            false => Some(act()),
                        };
                        // Nobody waits for the answer of a call that was cancelled.
                        if let Some(result) = result {
                            send(output, &protocol::result(id, result));
                        }
                        calls.end(&call);
                    });
                }
                Ok(Some(Incoming::Cancelled { id })) => calls.cancel(&id),
                Ok(Some(incoming)) => {
                    if let Some(answer) = answer_to(incoming, tools) {
                        send(output, &answer);
                    }
                }
            }
        }
    })
}

/// Reads the rest of a line that was too long.
fn skip_line(input: &mut impl BufRead, begun: &[u8]) -> io::Result<()> {
    let mut is_whole = begun.ends_with(b"\n");
    while !is_whole {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        is_whole = end.is_some();
        input.consume(used);
    }
    Ok(())
}

/// Writes one message. An agent that is gone needs no answer.
fn send(output: &Answers<'_>, message: &Value) {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    let written = writeln!(output, "{message}").and_then(|()| output.flush());
    if let Err(error) = written {
        tell!("mmwallet: cannot answer: {error}");
    }
}

/// A folder that is removed with all that is in it.
#[derive(Debug)]
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> Result<TemporaryFolder, ToolError> {
        use std::os::unix::fs::DirBuilderExt;
        let mut bytes = [0; 8];
        SystemEntropy.fill(&mut bytes)?;
        let name = format!("mmwallet-mcp-{:016x}", u64::from_le_bytes(bytes));
        let path = std::env::temp_dir().join(name);
        // It must not exist: another user could have made it.
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(TemporaryFolder(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
