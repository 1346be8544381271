//! The page that `mmwallet mcp` wants from a process of its own.
//!
//! Input: standard input with two lines, the URL and what asked for it. Output: both. The
//! invariant: the process ends when standard input does, so it does not outlive the server.

use std::io::{BufRead, Read};
use std::process::exit;
use std::thread;

use micromint_console::ToolError;

use crate::exit::NO_ANSWER;

/// The longest two lines, in bytes.
const PAGE_SIZE_MAX: u64 = 16 * 1024;

/// A page, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedPage {
    /// Its URL.
    pub url: String,
    /// What asked for it, in words; may be empty.
    pub asked: String,
}

impl AskedPage {
    /// Reads the page from standard input, and ends this process when standard input ends.
    ///
    /// # Errors
    /// Standard input has no two lines of UTF-8, or they have more than 16 KiB.
    pub fn from_stdin() -> Result<AskedPage, ToolError> {
        let page = AskedPage::read(&mut std::io::stdin().lock())?;
        thread::spawn(|| {
            // An error ends it as well: the server is gone.
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            exit(NO_ANSWER.into());
        });
        Ok(page)
    }

    fn read(input: &mut impl BufRead) -> Result<AskedPage, ToolError> {
        let mut input = input.take(PAGE_SIZE_MAX);
        let mut line = || -> Result<String, ToolError> {
            let mut line = String::new();
            input.read_line(&mut line)?;
            match line.pop() {
                Some('\n') => Ok(line),
                _ => Err("standard input: expected a line with a URL, and one with words".into()),
            }
        };
        Ok(AskedPage { url: line()?, asked: line()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_two_lines() {
        let read = |text: &str| AskedPage::read(&mut text.as_bytes());
        let page = read("https://a.example/\nan agent: news\nrest").unwrap();
        assert_eq!((&page.url[..], &page.asked[..]), ("https://a.example/", "an agent: news"));
        assert_eq!(read("u\n\n").unwrap().asked, "");
        for wrong in ["", "u", "u\n", "u\na"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        let longest = format!("u\n{}\n", "a".repeat(PAGE_SIZE_MAX as usize - 3));
        assert!(read(&longest).is_ok());
        assert!(read(&longest.replacen('a', "aa", 1)).is_err());
        assert!(AskedPage::read(&mut &b"u\n\xff\n"[..]).is_err());
    }
}
