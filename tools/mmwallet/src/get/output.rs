//! Where the content of a page goes: standard output, or a file that is written as it arrives.
//!
//! Input: the options, then a response. Output: its content, decompressed if that was asked for.
//! The invariant: nothing is written before there is content, and no file of MicroMint is
//! overwritten.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use url::Url as AnyUrl;

use micromint_console::ToolError;
use micromint_console::output::{Existing, Stream, is_binary, stdout_is_terminal};

use super::GetOptions;
use super::manners::{RemoteName, Resume};
use super::retry::is_transient;
use crate::net::Response;
use crate::wallet_file::WalletFile;

/// The longest name of a file that a URL or a server gives, in bytes.
const NAME_SIZE_MAX: usize = 200;

/// Where the content goes. A file is opened before the payment, so that a file that cannot be
/// written costs nothing. It is truncated only when there is content.
pub(super) struct Output<'a> {
    stream: Stream,
    /// The path, if the name is known before the response.
    path: Option<PathBuf>,
    /// The folder and the name for an unnamed stream.
    unnamed: Option<(&'a Path, OsString)>,
    /// Standard output was not asked for by name.
    is_default: bool,
    is_decompressed: bool,
    /// Content of errors that may pass is held back, because another try follows.
    pub(super) holds_transient: bool,
    /// The heads of the redirects before the response.
    pub(super) heads: String,
    /// From which byte on the page was asked for.
    offset: u64,
    size: u64,
    size_max: Option<u64>,
}

/// Which side of a copy failed.
pub(super) enum Broken {
    Input(io::Error),
    Output(io::Error),
}

impl<'a> Output<'a> {
    pub(super) fn open(
        options: &GetOptions<'a>,
        url: &AnyUrl,
        wallet: &WalletFile,
    ) -> Result<Output<'a>, ToolError> {
        let manners = &options.manners;
        let mut rules = wallet.rules(Existing::Foreign);
        for (used, what) in manners.used {
            rules = rules.uses(used, what);
        }
        let (mut path, mut unnamed) = (options.output.map(Path::to_path_buf), None);
        if let Some(RemoteName { folder, prefers_header }) = manners.remote_name {
            let name = name_in_url(url).ok_or_else(|| {
                format!("{}: expected a file name at the end of the URL; use -o", options.url)
            })?;
            match prefers_header {
                true => unnamed = Some((folder, name)),
                false => path = Some(folder.join(name)),
            }
        }
        let stream = match unnamed {
            Some((folder, _)) => rules.unnamed(folder)?,
            None => rules.stream(path.as_deref())?,
        };
        let offset = match manners.resume {
            None => 0,
            Some(Resume::At(offset)) => offset,
            Some(Resume::Here) => stream.size(),
        };
        Ok(Output {
            stream,
            is_default: path.is_none(),
            path,
            unnamed,
            is_decompressed: manners.compressed,
            holds_transient: false,
            heads: String::new(),
            offset,
            size: 0,
            size_max: manners.size_max,
        })
    }

    /// The header Range of a download that goes on.
    pub(super) fn range(&self) -> Option<(String, String)> {
        (self.offset > 0).then(|| ("Range".to_string(), format!("bytes={}-", self.offset)))
    }

    /// Whether this response says that the file that exists is complete.
    pub(super) fn is_complete_by(&self, answer: &Response) -> bool {
        let size = answer.header("content-range").and_then(|range| range.strip_prefix("bytes */"));
        answer.status == 416
            && self.offset > 0
            && size.is_some_and(|size| size.trim().parse() == Ok(self.offset))
    }

    /// Whether another try can write the content from its beginning.
    pub(super) fn can_start_over(&self) -> bool {
        self.size == 0 || !self.stream.is_stdout()
    }

    /// How many bytes of content were written.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The file that was written, for messages.
    pub(super) fn file(&self) -> Option<String> {
        self.path.as_ref().map(|path| path.display().to_string())
    }

    pub(super) fn write(&mut self, mut answer: Response, include_head: bool) -> Result<(), Broken> {
        if self.holds_transient && is_transient(answer.status) {
            return Ok(());
        }
        // A server that knows no ranges sends the whole page.
        let kept = match answer.header("content-range").map(begin_of) {
            Some(begin) if answer.status == 206 => begin.filter(|begin| *begin == self.offset),
            _ => None,
        };
        self.stream.begin(kept.unwrap_or(0)).map_err(Broken::Output)?;
        self.size = 0;
        let mut head = String::new();
        if include_head {
            head = std::mem::take(&mut self.heads) + &answer.head;
        }
        let coding = answer.header("content-encoding").unwrap_or_default().to_ascii_lowercase();
        let body = answer.body.as_reader();
        let mut body: Box<dyn Read> = match coding.as_str() {
            "gzip" | "x-gzip" if self.is_decompressed => Box::new(MultiGzDecoder::new(body)),
            "deflate" if self.is_decompressed => Box::new(ZlibDecoder::new(body)),
            _ => Box::new(body),
        };
        let copied = self.copy(&mut body, head.as_bytes());
        drop(body);
        let named = self.name(&answer).map_err(Broken::Output);
        copied.and(named)
    }

    fn copy(&mut self, reader: &mut dyn Read, head: &[u8]) -> Result<(), Broken> {
        self.stream.write_all(head).map_err(Broken::Output)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut is_first = true;
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => return self.stream.flush().map_err(Broken::Output),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Input(error)),
            };
            if std::mem::take(&mut is_first) {
                self.spare_terminal(&buffer[..read]).map_err(Broken::Output)?;
            }
            self.size += read as u64;
            if self.size_max.is_some_and(|most| self.size > most) {
                let most = self.size_max.unwrap_or_default();
                let why = format!("it has more than the {most} bytes of --max-filesize");
                return Err(Broken::Output(io::Error::other(why)));
            }
            self.stream.write_all(&buffer[..read]).map_err(Broken::Output)?;
        }
    }

    /// Refuses to write binary content to a terminal that nobody named.
    fn spare_terminal(&self, first: &[u8]) -> io::Result<()> {
        if self.is_default && self.stream.is_stdout() && is_binary(first) && stdout_is_terminal() {
            return Err(io::Error::other(
                "it is binary, which can disturb the terminal: -o FILE writes a file, -o - writes \
                it here anyway",
            ));
        }
        Ok(())
    }

    /// Names the file after what the server says, or after the URL.
    fn name(&mut self, answer: &Response) -> io::Result<()> {
        let Some((folder, name)) = &self.unnamed else { return Ok(()) };
        let said = answer.header("content-disposition").and_then(name_in_header);
        if let Some(path) = self.stream.name(folder, &said.unwrap_or(name.clone()))? {
            self.path = Some(path);
        }
        Ok(())
    }
}

/// The last part of the path of a URL, as it stands there.
fn name_in_url(url: &AnyUrl) -> Option<OsString> {
    let name = url.path().rsplit('/').next().unwrap_or_default();
    safe_name(name)
}

/// The parameter `filename` of a Content-Disposition header.
fn name_in_header(value: &str) -> Option<OsString> {
    let at = value.to_ascii_lowercase().find("filename=")? + "filename=".len();
    let rest = value[at..].trim_start();
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => rest.split(';').next().unwrap_or_default().trim_end(),
    };
    safe_name(name.rsplit(['/', '\\']).next().unwrap_or_default())
}

/// A name that a stranger chose, if it stays in its folder and hides nothing.
fn safe_name(name: &str) -> Option<OsString> {
    let is_bad = |c: char| c.is_control() || c == '/';
    let is_safe = !name.is_empty() && name.len() <= NAME_SIZE_MAX && !name.contains(is_bad);
    (is_safe && !name.starts_with('.')).then(|| name.into())
}

/// The first byte in `bytes 100-199/200`.
fn begin_of(range: &str) -> Option<u64> {
    range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_strangers_stay_in_the_folder() {
        for (url, name) in [
            ("https://a.example/b/c.html?d#e", Some("c.html")),
            ("https://a.example/b%2fc%20d", Some("b%2fc%20d")),
            ("https://a.example/b/", None),
            ("https://a.example/.bashrc", None),
        ] {
            let url = AnyUrl::parse(url).unwrap();
            assert_eq!(name_in_url(&url), name.map(OsString::from), "{url}");
        }
        for (value, name) in [
            ("attachment; filename=\"a b.pdf\"; x", Some("a b.pdf")),
            ("attachment; FILENAME=a.pdf ; x", Some("a.pdf")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"..\\a.exe\"", Some("a.exe")),
            ("attachment; filename=\"..\"", None),
            ("attachment; filename=\".bashrc\"", None),
            ("attachment; filename=\"\"", None),
            ("attachment; filename=\"a\u{7}b\"", None),
            ("attachment; filename*=UTF-8''a", None),
            ("inline", None),
        ] {
            assert_eq!(name_in_header(value), name.map(OsString::from), "{value}");
        }
        assert_eq!(safe_name(&"a".repeat(NAME_SIZE_MAX + 1)), None);
    }

    #[test]
    fn the_begin_of_a_range_is_read() {
        for (text, begin) in [("bytes 10-19/20", Some(10)), ("bytes */20", None), ("10-19", None)] {
            assert_eq!(begin_of(text), begin, "{text}");
        }
    }
}
