//! What a page shows, and the template that makes HTML of it.
//!
//! Input: headings, facts, tables and forms. Output: HTML. The invariants: the template escapes
//! every value; every form has the session's token; every field has a label.

use askama::Template;

use super::conservation::Stack;
use super::plot::Plot;
use super::words::Words;

/// A page.
pub(super) struct Page {
    /// Its heading, also its title.
    pub(super) title: String,
    /// What it shows, in order.
    pub(super) parts: Vec<Part>,
    /// Whether it has the script for passkeys.
    pub(super) has_script: bool,
}

/// A part of a page.
pub(super) enum Part {
    /// A paragraph.
    Text(String),
    /// Something done, in a frame.
    Good(String),
    /// Something to mind, in a frame.
    Bad(String),
    /// A heading.
    Heading(String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// A form.
    Form(Form),
    /// Addresses with their words.
    Links(Vec<(String, String)>),
    /// What people wrote, each with who it was.
    Said(Vec<Said>),
    /// Text to copy.
    Code(String),
    /// A diagram.
    Plot(Plot),
    /// Parts that make a whole.
    Stack(Stack),
    /// How far something is.
    Progress(Progress),
    /// Text for browsers without scripts or without passkeys: the script hides it.
    WithoutPasskeys(String),
}

/// What somebody wrote.
pub(super) struct Said {
    /// Who it was, as a label that no text looks like.
    pub(super) who: String,
    pub(super) text: String,
}

/// How far something is.
pub(super) struct Progress {
    pub(super) label: String,
    pub(super) done: u64,
    /// All of it, at least 1.
    pub(super) total: u64,
    /// The part that is done, in words.
    pub(super) percent: String,
}

/// A table.
pub(super) struct Table {
    /// What it lists.
    pub(super) caption: String,
    /// The names of the columns.
    pub(super) head: Vec<String>,
    /// The rows, each as long as the head.
    pub(super) rows: Vec<Vec<Cell>>,
    /// What is shown in place of no rows.
    pub(super) empty: String,
}

/// A cell of a table.
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// A number or an amount, which is set to the right.
    Number(String),
    /// An address with its words.
    Link(String, String),
    /// What people wrote.
    Said(Vec<Said>),
    /// A button.
    Button(Form),
}

/// A form, sent with POST.
pub(super) struct Form {
    /// Where it is sent to, below the address of the broker.
    pub(super) action: String,
    /// Its fields.
    pub(super) fields: Vec<Field>,
    /// The words of its button.
    pub(super) button: String,
    /// Whether the button takes something away.
    pub(super) is_danger: bool,
    /// What the script does before it is sent. Without the script, it is not shown.
    pub(super) passkey: Option<Ceremony>,
}

/// What the script asks an authenticator for. Its words are for people.
pub(super) struct Ceremony {
    /// `create` or `get`.
    pub(super) what: &'static str,
    /// Where the challenge is, below the address of the broker.
    pub(super) challenge: &'static str,
    /// The person or the browser cancelled it.
    pub(super) ended: String,
    /// The authenticator has a passkey of this account.
    pub(super) known: String,
    /// Anything else.
    pub(super) failed: String,
}

/// A field of a form.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) value: String,
    /// Words below the field.
    pub(super) help: String,
    pub(super) input: Input,
}

/// How a field is filled in.
pub(super) enum Input {
    /// A value that people do not see.
    Hidden,
    /// One line, with the value of `autocomplete` and the longest text.
    Line(&'static str, usize),
    /// One line that cannot be changed.
    Fixed(&'static str),
    /// A password, with the value of `autocomplete`.
    Password(&'static str),
    /// A whole number between two.
    Number(u64, u64),
    /// Several lines, with the longest text.
    Lines(usize),
}

/// What is around each page.
pub(super) struct Frame {
    /// The words.
    pub(super) words: Words,
    /// The path of the public URL.
    pub(super) base: String,
    /// The name of the broker.
    pub(super) broker: String,
    /// The file with the styles.
    pub(super) style: String,
    /// The file with the script for passkeys.
    pub(super) script: String,
    /// The token of the session; empty without one.
    pub(super) token: String,
    /// The User-ID of the person who is logged in; empty without one.
    pub(super) user: String,
    /// Addresses with their words.
    pub(super) menu: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Html<'a> {
    frame: &'a Frame,
    page: &'a Page,
}

#[derive(Template)]
#[template(path = "vouchers.html")]
struct Vouchers<'a> {
    frame: &'a Frame,
    title: &'a str,
    text: &'a str,
    amount: &'a str,
    expires: &'a str,
    codes: &'a [String],
}

/// The HTML of a page.
pub(super) fn render(frame: &Frame, page: &Page) -> Result<String, askama::Error> {
    Html { frame, page }.render()
}

/// The HTML of a page with voucher codes to print.
pub(super) fn render_vouchers(
    frame: &Frame,
    (title, text): (&str, &str),
    (amount, expires): (&str, &str),
    codes: &[String],
) -> Result<String, askama::Error> {
    Vouchers { frame, title, text, amount, expires, codes }.render()
}

impl Page {
    pub(super) fn new(title: String) -> Page {
        Page { title, parts: Vec::new(), has_script: false }
    }

    /// The page with the script for passkeys.
    pub(super) fn scripted(mut self) -> Page {
        self.has_script = true;
        self
    }

    pub(super) fn with(mut self, part: Part) -> Page {
        self.parts.push(part);
        self
    }

    pub(super) fn text(self, text: String) -> Page {
        self.with(Part::Text(text))
    }

    /// The page with links, if there are any.
    pub(super) fn links(self, links: Vec<(String, String)>) -> Page {
        if links.is_empty() { self } else { self.with(Part::Links(links)) }
    }

    pub(super) fn heading(self, text: String) -> Page {
        self.with(Part::Heading(text))
    }
}

impl Frame {
    /// The pieces of a text, in order. Those with `true` are not broken at the end of a line:
    /// dates, times, and numbers with what they count.
    pub(super) fn pieces<'a>(&self, text: &'a str) -> Vec<(&'a str, bool)> {
        pieces(text)
    }
}

/// See [`Frame::pieces`].
fn pieces(text: &str) -> Vec<(&str, bool)> {
    let (mut pieces, mut at) = (Vec::new(), 0);
    // The words, each with the space after it.
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let mut next = 0;
    while let Some(first) = words.get(next) {
        let mut end = at + first.trim_end_matches(' ').len();
        let mut follower = next + 1;
        let mut until = at + first.len();
        let is_number = is_number(first.trim_end_matches(' '));
        while let Some(word) = words.get(follower).filter(|word| is_number && goes_with(word)) {
            end = until + word.trim_end_matches(' ').len();
            until += word.len();
            follower += 1;
        }
        let is_whole = is_number && (follower > next + 1 || first.contains('-'));
        if is_whole {
            pieces.push((&text[at..end], true));
            pieces.push((&text[end..until], false));
        } else {
            pieces.push((&text[at..until], false));
        }
        (at, next) = (until, follower);
    }
    pieces
}

/// Whether a word is a date, a month or a number.
fn is_number(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || "-.,:;()".contains(c))
}

/// Whether a word belongs to the date or the number before it: a time, `UTC` or a currency.
fn goes_with(word: &str) -> bool {
    let word = word.trim_matches(|c| " .,;:)".contains(c));
    let is_currency = word.len() == 3 && word.bytes().all(|c| c.is_ascii_uppercase());
    is_currency || (is_number(word) && word.contains(':'))
}

impl Page {
    /// Whether a text is the title or a heading of the page, so that it need not stand there again.
    pub(super) fn has_heading(&self, text: &str) -> bool {
        let is_heading = |part: &Part| matches!(part, Part::Heading(found) if found == text);
        self.title == text || self.parts.iter().any(is_heading)
    }
}

impl Table {
    /// The name of a column.
    pub(super) fn label(&self, column: &usize) -> &str {
        self.head.get(*column).map_or("", String::as_str)
    }

    /// Whether a column has numbers, which are set to the right.
    pub(super) fn is_number(&self, column: &usize) -> bool {
        let cell = self.rows.first().and_then(|row| row.get(*column));
        matches!(cell, Some(Cell::Number(_)))
    }
}

impl Form {
    pub(super) fn new(action: impl Into<String>, button: String) -> Form {
        let (fields, is_danger, passkey) = (Vec::new(), false, None);
        Form { action: action.into(), fields, button, is_danger, passkey }
    }

    pub(super) fn danger(mut self) -> Form {
        self.is_danger = true;
        self
    }

    pub(super) fn hidden(self, name: &'static str, value: impl Into<String>) -> Form {
        self.field(name, String::new(), Input::Hidden).value(value)
    }

    pub(super) fn field(mut self, name: &'static str, label: String, input: Input) -> Form {
        let (value, help) = (String::new(), String::new());
        self.fields.push(Field { name, label, value, help, input });
        self
    }

    /// Sets the value of the last field.
    pub(super) fn value(mut self, value: impl Into<String>) -> Form {
        if let Some(field) = self.fields.last_mut() {
            field.value = value.into();
        }
        self
    }

    /// Sets the words below the last field.
    pub(super) fn help(mut self, help: String) -> Form {
        if let Some(field) = self.fields.last_mut() {
            field.help = help;
        }
        self
    }
}

impl From<Form> for Part {
    fn from(form: Form) -> Part {
        Part::Form(form)
    }
}

/// The longest word, in characters, for which a column gets wider.
const WORD_LEN_MAX: usize = 20;

impl Cell {
    /// The classes of its style.
    pub(super) fn class(&self) -> &'static str {
        let is_long = |text: &str| text.split(' ').any(|it| it.chars().count() > WORD_LEN_MAX);
        match self {
            Cell::Number(_) => "number",
            Cell::Text(text) if text.is_empty() => "none",
            Cell::Said(all) if all.is_empty() => "none",
            Cell::Said(_) => "long",
            Cell::Text(text) | Cell::Link(_, text) if is_long(text) => "long",
            Cell::Text(_) | Cell::Link(..) | Cell::Button(_) => "plain",
        }
    }

    pub(super) fn text(text: impl ToString) -> Cell {
        Cell::Text(text.to_string())
    }

    pub(super) fn number(number: impl ToString) -> Cell {
        Cell::Number(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_amounts_are_not_broken() {
        for (text, expected) in [
            ("valid until 2026-12-01 13:00 UTC, then over", vec!["2026-12-01 13:00 UTC,"]),
            ("2026-12 (5,00 XTS) und 7", vec!["2026-12", "(5,00 XTS)"]),
            ("21.78 XTS on 2026-12-01.", vec!["21.78 XTS", "2026-12-01."]),
            ("-3 EUR", vec!["-3 EUR"]),
            ("3 sets, news-example, UTC", vec![]),
            ("", vec![]),
            ("ä  ö 2026-12-01", vec!["2026-12-01"]),
        ] {
            let found = pieces(text);
            let whole: Vec<&str> =
                found.iter().filter(|(_, is_whole)| *is_whole).map(|(piece, _)| *piece).collect();
            assert_eq!(whole, expected, "{text}");
            assert_eq!(found.iter().map(|(piece, _)| *piece).collect::<String>(), text);
        }
    }

    #[test]
    fn long_words_may_break() {
        let name = |len: usize| format!("a {}", "n".repeat(len));
        assert_eq!(Cell::Text(name(WORD_LEN_MAX)).class(), "plain");
        assert_eq!(Cell::Text(name(WORD_LEN_MAX + 1)).class(), "long");
        assert_eq!(Cell::Link("/".to_string(), name(WORD_LEN_MAX + 1)).class(), "long");
        assert_eq!(Cell::text("").class(), "none");
    }
}
