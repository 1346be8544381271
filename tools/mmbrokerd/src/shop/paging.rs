//! Long lists, page by page, the last row first.
//!
//! Input: which page is asked for, and its rows with one more than it shows. Output: the rows
//! shown, and links to the newest and to older rows. The invariant: a page has a bounded size, and
//! its links lead to every row of the list.

use serde::Deserialize;

use super::words::Words;

/// A page of a list whose rows have numbers.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Older {
    /// The rows before that with this number.
    before: Option<i64>,
}

impl Older {
    /// The number that all rows of the page are below.
    pub(super) fn bound(self) -> i64 {
        self.before.unwrap_or(i64::MAX)
    }

    /// The page, of rows of which at most `most` are shown. `number` gives the number of a row.
    pub(super) fn page<T>(
        self,
        rows: Vec<T>,
        most: usize,
        number: impl Fn(&T) -> i64,
    ) -> Listed<T> {
        let mut listed = Listed::new(rows, most, self.before.is_some());
        if listed.has_more {
            let last = listed.rows.last().map(number);
            listed.older = last.map(|number| format!("before={number}"));
        }
        listed
    }
}

/// A page of a list whose rows have no numbers.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Skip {
    /// How many rows, the last ones, are on pages before.
    skip: Option<u32>,
}

impl Skip {
    /// How many rows are on pages before.
    pub(super) fn count(self) -> i64 {
        self.skip.unwrap_or(0).into()
    }

    /// The page, of rows of which at most `most` are shown.
    pub(super) fn page<T>(self, rows: Vec<T>, most: usize) -> Listed<T> {
        let mut listed = Listed::new(rows, most, self.count() > 0);
        if listed.has_more {
            listed.older = Some(format!("skip={}", self.count() + most as i64));
        }
        listed
    }
}

/// A page of a list.
pub(super) struct Listed<T> {
    /// The rows shown.
    pub(super) rows: Vec<T>,
    has_more: bool,
    /// Whether there may be newer rows.
    has_newer: bool,
    /// The query that asks for older rows.
    older: Option<String>,
}

impl<T> Listed<T> {
    fn new(mut rows: Vec<T>, most: usize, has_newer: bool) -> Listed<T> {
        let has_more = rows.len() > most;
        rows.truncate(most);
        Listed { rows, has_more, has_newer, older: None }
    }

    /// The links to other pages of the list at `path`, which may have a query.
    pub(super) fn links(&self, words: Words, path: &str) -> Vec<(String, String)> {
        let mut links = Vec::new();
        if self.has_newer {
            links.push((path.to_string(), words.get("list-newest")));
        }
        if let Some(query) = &self.older {
            let mark = if path.contains('?') { '&' } else { '?' };
            links.push((format!("{path}{mark}{query}"), words.get("list-older")));
        }
        links
    }
}
