//! What is shown, and how a key changes it.
//!
//! Input: the contents of a wallet, and keys. Output: the model, which `draw` draws. It knows no
//! terminal and no file. The invariant: the cursor is on an entry of the list, if the list has one.

use super::contents::{Contents, Entry};

/// The longest search, in characters.
pub(super) const SEARCH_LEN_MAX: usize = 100;
/// How far a page key moves, in entries or lines.
const PAGE_LEN: usize = 10;

/// A page of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Balance,
    History,
    Returns,
    Settings,
}

/// What the user pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Character(char),
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Next,
    Previous,
    Open,
    Back,
    Erase,
    Quit,
}

/// What the caller does after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Draw the model again.
    Stay,
    /// Read the wallet again.
    Reload,
    Quit,
}

/// The state of the view.
#[derive(Debug)]
pub(super) struct Model {
    contents: Contents,
    page: Page,
    search: String,
    is_typing: bool,
    /// The entry under the cursor, counted in the list; on a page without a list, the first line.
    cursor: usize,
    is_open: bool,
}

impl Page {
    pub(super) const ALL: [Page; 4] = [Page::Balance, Page::History, Page::Returns, Page::Settings];

    pub(super) fn title(self) -> &'static str {
        match self {
            Page::Balance => "Balance",
            Page::History => "History",
            Page::Returns => "Returns",
            Page::Settings => "Settings",
        }
    }

    fn has_list(self) -> bool {
        matches!(self, Page::History | Page::Returns)
    }
}

impl Model {
    pub(super) fn new(contents: Contents) -> Model {
        Model {
            contents,
            page: Page::Balance,
            search: String::new(),
            is_typing: false,
            cursor: 0,
            is_open: false,
        }
    }

    /// Takes what the file says now. The cursor stays where it can.
    pub(super) fn replace(&mut self, contents: Contents) {
        self.contents = contents;
        self.is_open = false;
        self.move_to(self.cursor);
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.contents
    }

    pub(super) fn page(&self) -> Page {
        self.page
    }

    /// The search, while it is typed or if there is one.
    pub(super) fn search(&self) -> Option<&str> {
        (self.is_typing || !self.search.is_empty()).then_some(self.search.as_str())
    }

    pub(super) fn is_typing(&self) -> bool {
        self.is_typing
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// The entries of the list on this page, the newest first.
    pub(super) fn list(&self) -> impl Iterator<Item = &Entry> {
        let words = self.search.to_lowercase();
        let page = self.page;
        self.contents.history.iter().filter(move |entry| match page {
            Page::History => entry.contains(&words),
            Page::Returns => entry.is_return && entry.contains(&words),
            Page::Balance | Page::Settings => false,
        })
    }

    /// The entry whose details are shown.
    pub(super) fn open(&self) -> Option<&Entry> {
        self.list().nth(self.cursor).filter(|_| self.is_open)
    }

    /// Applies a key.
    pub(super) fn take(&mut self, key: Key) -> Step {
        match key {
            Key::Quit => return Step::Quit,
            Key::Up => self.move_to(self.cursor.saturating_sub(1)),
            Key::Down => self.move_to(self.cursor + 1),
            Key::PageUp => self.move_to(self.cursor.saturating_sub(PAGE_LEN)),
            Key::PageDown => self.move_to(self.cursor + PAGE_LEN),
            Key::First => self.move_to(0),
            Key::Last => self.move_to(usize::MAX),
            Key::Open if self.is_typing => self.is_typing = false,
            Key::Open => {
                let has_entries = self.list().next().is_some();
                self.is_open = has_entries;
            }
            Key::Back => self.go_back(),
            Key::Erase if self.is_typing => {
                self.search.pop();
                self.move_to(0);
            }
            Key::Erase => self.go_back(),
            Key::Character(c) if self.is_typing => self.type_character(c),
            Key::Character(c) => return self.command(c),
            Key::Next => self.turn(1),
            Key::Previous => self.turn(Page::ALL.len() - 1),
        }
        Step::Stay
    }

    fn command(&mut self, c: char) -> Step {
        match c {
            'q' => return Step::Quit,
            'r' => return Step::Reload,
            '/' if self.page.has_list() => {
                (self.is_typing, self.is_open) = (true, false);
            }
            'k' => return self.take(Key::Up),
            'j' => return self.take(Key::Down),
            '1'..='4' => self.show(Page::ALL[c as usize - '1' as usize]),
            _ => {}
        }
        Step::Stay
    }

    fn type_character(&mut self, c: char) {
        if !c.is_control() && self.search.chars().count() < SEARCH_LEN_MAX {
            self.search.push(c);
            self.move_to(0);
        }
    }

    /// Leaves the details, or else the search.
    fn go_back(&mut self) {
        if self.is_open {
            self.is_open = false;
        } else {
            (self.is_typing, self.search) = (false, String::new());
            self.move_to(self.cursor);
        }
    }

    fn turn(&mut self, by: usize) {
        let at = Page::ALL.iter().position(|page| *page == self.page).unwrap_or(0);
        self.show(Page::ALL[(at + by) % Page::ALL.len()]);
    }

    fn show(&mut self, page: Page) {
        (self.page, self.cursor, self.is_open, self.is_typing) = (page, 0, false, false);
        self.search.clear();
    }

    /// Moves the cursor. With open details, to the details of the next entry.
    fn move_to(&mut self, cursor: usize) {
        let count = match self.page {
            Page::History | Page::Returns => self.list().count(),
            Page::Balance => self.contents.balance.lines().count(),
            Page::Settings => self.contents.settings.len(),
        };
        self.cursor = cursor.min(count.saturating_sub(1));
    }
}
