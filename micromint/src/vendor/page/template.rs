//! Templates: text with placeholders `{{ name }}`, and parts `{{#name}} … {{/name}}` that are
//! printed only if the name has a value.
//!
//! Input: the text of a template and the names that it may use. Output: the text with values filled
//! in. The invariant: values are escaped for HTML text and quoted attributes, and appear nowhere
//! else; only the one raw name is inserted as markup.

/// The deepest nesting of parts.
const DEPTH_MAX: usize = 8;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// The total length of its text, as the initial capacity of the output.
    text_len: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The value of this number, escaped.
    Value(usize),
    /// The value of this number, not escaped.
    Raw(usize),
    /// If the value of the first number is empty, continue at the piece of the second.
    Part(usize, usize),
}

/// The text is not a valid template.
#[derive(Debug)]
pub(super) struct TemplateError {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// What is wrong.
    pub(super) reason: String,
}

impl Template {
    /// Parses a template that may use `names`; `raw` must appear exactly once.
    ///
    /// # Errors
    /// A placeholder is not closed, unknown or in a position where it cannot be escaped; a part is
    /// not closed; `raw` is absent or repeated.
    pub(super) fn parse(text: &str, names: &[&str], raw: &str) -> Result<Template, TemplateError> {
        let mut reader = Reader { text, at: 0, pieces: Vec::new(), open: Vec::new() };
        let mut has_raw = false;
        while let Some(tag) = reader.next_tag()? {
            let (kind, name) = match tag.as_bytes().first() {
                Some(kind @ (b'#' | b'/')) => (*kind, tag[1..].trim()),
                _ => (b' ', tag),
            };
            let number = names.iter().position(|known| *known == name).ok_or_else(|| {
                reader.wrong(format!(
                    "unknown placeholder {name:?}; expected one of {}",
                    names.join(", ")
                ))
            })?;
            match kind {
                b'#' => reader.begin(number)?,
                b'/' => reader.end(number, name)?,
                _ if name == raw && has_raw => {
                    return Err(reader.wrong(format!("expected {{{{ {raw} }}}} once")));
                }
                _ if name == raw => {
                    has_raw = true;
                    reader.pieces.push(Piece::Raw(number));
                }
                _ => reader.pieces.push(Piece::Value(number)),
            }
        }
        if let Some((number, _)) = reader.open.last() {
            let name = names.get(*number).unwrap_or(&"");
            return Err(reader.wrong(format!("{{{{#{name}}}}} is not closed by {{{{/{name}}}}}")));
        }
        if !has_raw {
            return Err(reader.wrong(format!("expected {{{{ {raw} }}}} once")));
        }
        let text_len = text.len();
        Ok(Template { pieces: reader.pieces, text_len })
    }

    /// The text with `values` filled in, which are in the order of the names.
    pub(super) fn fill(&self, values: &[&str]) -> String {
        let value = |number: usize| values.get(number).copied().unwrap_or_default();
        let mut filled = String::with_capacity(self.text_len + 1024);
        let mut at = 0;
        while let Some(piece) = self.pieces.get(at) {
            at += 1;
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Value(number) => push_escaped(&mut filled, value(*number)),
                Piece::Raw(number) => filled.push_str(value(*number)),
                Piece::Part(number, end) if value(*number).is_empty() => at = *end,
                Piece::Part(..) => {}
            }
        }
        filled
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    /// The open parts: the number of the value, and the index of the piece that opened the part.
    open: Vec<(usize, usize)>,
}

impl<'a> Reader<'a> {
    /// The content of the next pair of braces; the text before it becomes a piece.
    fn next_tag(&mut self) -> Result<Option<&'a str>, TemplateError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(opening) = rest.find("{{") else {
            self.push_text(rest);
            self.at = self.text.len();
            return Ok(None);
        };
        self.push_text(&rest[..opening]);
        self.at += opening;
        let closing =
            rest[opening..].find("}}").ok_or_else(|| self.wrong("{{ is not closed".to_string()))?;
        if self.is_unescapable() {
            let reason = "a placeholder in a style, a script, a comment or an unquoted attribute \
                          cannot be escaped";
            return Err(self.wrong(reason.to_string()));
        }
        self.at += closing + 2;
        Ok(Some(rest[opening + 2..opening + closing].trim()))
    }

    fn push_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.pieces.push(Piece::Text(text.to_string()));
        }
    }

    fn begin(&mut self, number: usize) -> Result<(), TemplateError> {
        if self.open.len() == DEPTH_MAX {
            return Err(self.wrong(format!("parts are nested more than {DEPTH_MAX} deep")));
        }
        self.open.push((number, self.pieces.len()));
        self.pieces.push(Piece::Part(number, usize::MAX));
        Ok(())
    }

    fn end(&mut self, number: usize, name: &str) -> Result<(), TemplateError> {
        let after = self.pieces.len();
        match self.open.pop() {
            Some((begun, piece)) if begun == number => {
                if let Some(part) = self.pieces.get_mut(piece) {
                    *part = Piece::Part(number, after);
                }
                Ok(())
            }
            _ => Err(self.wrong(format!("{{{{/{name}}}}} does not close the part opened last"))),
        }
    }

    /// Whether the current position is neither in text nor in the quoted value of an attribute.
    fn is_unescapable(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default().to_ascii_lowercase();
        let last = |what: &str| before.rfind(what);
        let is_within =
            |open: &str, close: &str| last(open).is_some_and(|at| last(close) < Some(at));
        if is_within("<style", "</style")
            || is_within("<script", "</script")
            || is_within("<!--", "-->")
        {
            return true;
        }
        // In a tag: an odd number of one kind of quotes has been opened since its `<`.
        match (last("<"), last(">")) {
            (Some(opened), closed) if closed.is_none_or(|closed| closed < opened) => {
                !is_quoted(before.get(opened..).unwrap_or_default())
            }
            _ => false,
        }
    }

    fn wrong(&self, reason: String) -> TemplateError {
        let before = self.text.get(..self.at).unwrap_or_default();
        TemplateError { line: before.matches('\n').count() + 1, reason }
    }
}

/// Whether a quoted value is open at the end of this beginning of a tag.
fn is_quoted(tag: &str) -> bool {
    let mut open = None;
    for c in tag.chars().filter(|c| matches!(c, '"' | '\'')) {
        match open {
            None => open = Some(c),
            Some(quote) if quote == c => open = None,
            Some(_) => {}
        }
    }
    open.is_some()
}

fn push_escaped(filled: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => filled.push_str("&amp;"),
            '<' => filled.push_str("&lt;"),
            '>' => filled.push_str("&gt;"),
            '"' => filled.push_str("&quot;"),
            '\'' => filled.push_str("&#39;"),
            c => filled.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, TemplateError> {
        Template::parse(text, &["a", "b", "raw"], "raw")
    }

    fn filled(text: &str, values: [&str; 3]) -> String {
        parse(text).unwrap().fill(&values)
    }

    #[test]
    fn values_are_escaped_and_the_raw_one_is_not() {
        let found = filled("<i title='{{a}}'>{{ a }}</i>{{raw}}", ["<&\"'>", "", "<b>"]);
        assert_eq!(found, "<i title='&lt;&amp;&quot;&#39;&gt;'>&lt;&amp;&quot;&#39;&gt;</i><b>");
        assert_eq!(
            filled("{{raw}}{ }} {{a}}", ["{{b}}", "x", ""]),
            "{ }} {{b}}",
            "values are not read again"
        );
    }

    #[test]
    fn parts_stand_where_there_is_a_value() {
        let text = "{{raw}}{{#a}}A{{ a }}{{#b}}B{{b}}{{/b}}a{{/a}}.";
        assert_eq!(filled(text, ["1", "2", ""]), "A1B2a.");
        assert_eq!(filled(text, ["1", "", ""]), "A1a.");
        assert_eq!(filled(text, ["", "2", ""]), ".");
    }

    #[test]
    fn faults_have_a_line_and_a_reason() {
        let deep = format!("{{{{raw}}}}{}", "{{#a}}".repeat(DEPTH_MAX + 1));
        for (text, line, says) in [
            ("", 1, "expected {{ raw }} once"),
            ("{{raw}}\n{{raw}}", 2, "expected {{ raw }} once"),
            ("{{raw}}\n\n{{ c }}", 3, "unknown placeholder \"c\""),
            ("{{raw}}{{ }}", 1, "unknown placeholder \"\""),
            ("{{raw}}\n{{ a", 2, "{{ is not closed"),
            ("{{raw}}{{#a}}", 1, "{{#a}} is not closed"),
            ("{{raw}}{{/a}}", 1, "{{/a}} does not close"),
            ("{{raw}}{{#a}}{{#b}}{{/a}}{{/b}}", 1, "{{/a}} does not close"),
            (&deep, 1, "nested more than 8 deep"),
            ("{{raw}}<style>\n{{a}}</style>", 2, "cannot be escaped"),
            ("{{raw}}<SCRIPT>{{a}}</SCRIPT>", 1, "cannot be escaped"),
            ("<!-- {{raw}} -->", 1, "cannot be escaped"),
            ("{{raw}}<a href={{a}}>", 1, "cannot be escaped"),
            ("{{raw}}<a href=\"x\" {{a}}>", 1, "cannot be escaped"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.line == line && error.reason.contains(says), "{text:?}: {error:?}");
        }
        for good in [
            "{{raw}}<style>a{}</style>{{a}}",
            "{{raw}}<a href=\"{{a}}\" title='\"{{b}}'>",
            "{{raw}}<!-- x -->{{a}}",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }
}
