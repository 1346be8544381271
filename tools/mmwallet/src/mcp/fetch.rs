//! Fetching one page for an agent, with `mmwallet get` in a process of its own.
//!
//! Input: a URL and what the agent says about it. Output: the file with the content and what
//! mmwallet says. The invariants: the command line, which every user of the machine can read, has
//! the limits of the user and no words of the agent; those go to the process by its standard input,
//! a line each.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::TemporaryFolder;
use super::calls::Call;

/// How many redirects are followed.
const REDIRECTS_MAX: u32 = 5;

/// How pages are fetched.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) program: PathBuf,
    pub(super) wallet: PathBuf,
    /// The options about limits.
    pub(super) limits: Vec<OsString>,
    /// The options about the network.
    pub(super) net: Vec<OsString>,
    pub(super) task: String,
    pub(super) folder: TemporaryFolder,
}

/// A fetched page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) file: PathBuf,
    pub(super) size: u64,
    pub(super) media_type: String,
    /// The URL after redirects.
    pub(super) url: String,
    pub(super) status: u64,
    /// What mmwallet said, a line for each message.
    pub(super) words: String,
}

impl Fetcher {
    /// The arguments for a page. Its URL and what asked for it come by standard input.
    pub(super) fn arguments(&self, file: &Path) -> Vec<OsString> {
        let wallet = [OsString::from("--wallet"), self.wallet.clone().into(), "get".into()];
        let fixed = [
            format!("--task={}", self.task),
            format!("--max-redirs={REDIRECTS_MAX}"),
            "--location".to_string(),
            "--compressed".to_string(),
            "--write-out=%{json}".to_string(),
            "--page-from-stdin".to_string(),
            "--output".to_string(),
        ];
        let mut arguments: Vec<OsString> = wallet.into_iter().collect();
        arguments.extend(self.limits.iter().chain(&self.net).cloned());
        arguments.extend(fixed.map(OsString::from));
        arguments.extend([file.into(), OsString::from("-")]);
        arguments
    }

    /// Fetches a page. The error is what mmwallet says.
    pub(super) fn fetch(&self, call: &Call, url: &str, asked: &str) -> Result<Page, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let file = self.folder.0.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        let input = format!("{url}\n{asked}\n");
        let ran = self.run(call, &self.arguments(&file), &input);
        if call.is_cancelled() {
            let _ = std::fs::remove_file(&file);
        }
        let (said, words, is_done) = ran?;
        let said: Value = serde_json::from_str(said.trim()).unwrap_or_default();
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_string();
        let status = said["http_code"].as_u64().unwrap_or_default();
        let size = std::fs::metadata(&file).map_or(0, |metadata| metadata.len());
        // The page of an error is worth reading, if one came completely.
        if !is_done && (status < 400 || size == 0) {
            let _ = std::fs::remove_file(&file);
            return Err(words);
        }
        let media_type = text("content_type");
        Ok(Page { file, size, media_type, url: text("url_effective"), status, words })
    }

    /// The price of a page as `mmwallet price` says it, as JSON.
    pub(super) fn price(&self, call: &Call, url: &str) -> Result<Value, String> {
        let mut arguments = vec![OsString::from("--wallet"), self.wallet.clone().into()];
        let fixed = ["price", "--format=json", "--page-from-stdin", "-"];
        arguments.extend(fixed.map(OsString::from));
        arguments.extend(self.net.iter().cloned());
        let (said, words, is_done) = self.run(call, &arguments, &format!("{url}\n\n"))?;
        match serde_json::from_str(said.trim()) {
            Ok(price) if is_done => Ok(price),
            _ => Err(words),
        }
    }

    /// Runs mmwallet: what it wrote to standard output and standard error, and whether it
    /// succeeded.
    fn run(
        &self,
        call: &Call,
        arguments: &[OsString],
        input: &str,
    ) -> Result<(String, String, bool), String> {
        let ended = call.process(Command::new(&self.program).args(arguments), input)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
        Ok((text(&ended.stdout), text(&ended.stderr), ended.status.success()))
    }
}
