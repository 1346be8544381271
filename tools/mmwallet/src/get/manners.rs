//! How a fetch behaves besides paying, in the words of curl's options.

use std::path::{Path, PathBuf};

use super::cookies::Cookie;
use super::retry::Retry;

/// How a fetch behaves. The default follows no redirect and writes every response.
#[derive(Clone, Debug, Default)]
pub struct Manners<'a> {
    /// Follow redirects of the unpaid request.
    pub follow: bool,
    /// Write no content of a response with a status of 400 or more.
    pub fail: bool,
    /// Ask for compressed content and decompress it.
    pub compressed: bool,
    /// On a redirect, send the URL that led there.
    pub refers: bool,
    /// The cookies of a file.
    pub cookies: &'a [Cookie],
    /// Go on with a file.
    pub resume: Option<Resume>,
    /// Name the file after the URL, or after what the server says.
    pub remote_name: Option<RemoteName<'a>>,
    /// What to print afterwards.
    pub write_out: Option<&'a str>,
    /// The longest content, in bytes.
    pub size_max: Option<u64>,
    /// When to try again.
    pub retry: Retry,
    /// Other files that the command reads, which are never its output, and what they are.
    pub used: &'a [(PathBuf, &'static str)],
}

/// From which byte on a page is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// From the end of the file that exists.
    Here,
    /// From this byte, counted from 0.
    At(u64),
}

/// A file that is named by the URL.
#[derive(Clone, Copy, Debug)]
pub struct RemoteName<'a> {
    /// The folder for it.
    pub folder: &'a Path,
    /// Prefer the name in the header Content-Disposition.
    pub prefers_header: bool,
}
