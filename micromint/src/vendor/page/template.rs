//! Templates: text with placeholders `{{ name }}`, parts `{{#name}} … {{/name}}` that are printed
//! only if the name has a value, and parts `{{^name}} … {{/name}}` that are printed only if not.
//!
//! Input: the text of a template and the names that it may use. Output: the text with values filled
//! in. The invariant: values are escaped for HTML text and quoted attributes, and appear nowhere
//! else. The one name whose value is a style, and is not escaped, appears only in a style.

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
    /// If the value of this number is empty, or if it is not, continue at the piece `end`.
    Part {
        number: usize,
        skipped_if_empty: bool,
        end: usize,
    },
}

/// Where a placeholder stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// In text or in a quoted attribute.
    Text,
    Style,
    /// Where a value cannot be escaped: in a script, in a comment, unquoted in a tag, in an
    /// attribute that is a script or a style.
    Other,
}

/// The text is not a valid template.
#[derive(Debug)]
pub(super) struct TemplateError {
    /// The line and the column, counted from 1.
    pub(super) place: (usize, usize),
    /// What is wrong.
    pub(super) reason: String,
}

impl Template {
    /// Parses a template that may use `names`. The value of the name `style` is a style.
    ///
    /// # Errors
    /// A placeholder is not closed, unknown or in a position where it cannot be escaped; a part is
    /// not closed.
    pub(super) fn parse(
        text: &str,
        names: &[&str],
        style: &str,
    ) -> Result<Template, TemplateError> {
        let mut reader = Reader { text, at: 0, pieces: Vec::new(), open: Vec::new() };
        while let Some((tag, context)) = reader.next_tag()? {
            let (kind, name) = match tag.as_bytes().first() {
                Some(kind @ (b'#' | b'^' | b'/')) => (*kind, tag[1..].trim()),
                _ => (b' ', tag),
            };
            let number = names.iter().position(|known| *known == name).ok_or_else(|| {
                reader.wrong(format!(
                    "unknown placeholder {name:?}; expected one of {}",
                    names.join(", ")
                ))
            })?;
            if (context == Context::Style) != (name == style) || context == Context::Other {
                return Err(reader.wrong(match name == style {
                    true => format!("expected {{{{ {style} }}}} in a <style> element only"),
                    false => "a placeholder in a style, a script, a comment or an unquoted \
                              attribute cannot be escaped"
                        .to_string(),
                }));
            }
            match kind {
                b'#' | b'^' => reader.begin(number, kind == b'#')?,
                b'/' => reader.end(number, name)?,
                _ if name == style => reader.pieces.push(Piece::Raw(number)),
                _ => reader.pieces.push(Piece::Value(number)),
            }
            reader.skip_tag();
        }
        if let Some((number, piece)) = reader.open.pop() {
            let name = names.get(number).unwrap_or(&"");
            reader.at = piece.1;
            return Err(reader.wrong(format!("{{{{#{name}}}}} is not closed by {{{{/{name}}}}}")));
        }
        let text_len = text.len();
        Ok(Template { pieces: reader.pieces, text_len })
    }

    /// Whether the value of this number appears in the text.
    pub(super) fn shows(&self, number: usize) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Value(it) if *it == number))
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
                Piece::Part { number, skipped_if_empty, end } => {
                    if value(*number).is_empty() == *skipped_if_empty {
                        at = *end;
                    }
                }
            }
        }
        filled
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    /// The open parts: the number of the value, the index of the piece that opened the part, and
    /// where that is in the text.
    open: Vec<(usize, (usize, usize))>,
}

impl<'a> Reader<'a> {
    /// The content of the next pair of braces, and where it stands; the text before it becomes a
    /// piece. The position stays at the braces, for errors.
    fn next_tag(&mut self) -> Result<Option<(&'a str, Context)>, TemplateError> {
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
        Ok(Some((rest[opening + 2..opening + closing].trim(), self.context())))
    }

    /// Goes on after the pair of braces at the position.
    fn skip_tag(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.find("}}").map_or(rest.len(), |closing| closing + 2);
    }

    fn push_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.pieces.push(Piece::Text(text.to_string()));
        }
    }

    fn begin(&mut self, number: usize, skipped_if_empty: bool) -> Result<(), TemplateError> {
        if self.open.len() == DEPTH_MAX {
            return Err(self.wrong(format!("parts are nested more than {DEPTH_MAX} deep")));
        }
        self.open.push((number, (self.pieces.len(), self.at)));
        self.pieces.push(Piece::Part { number, skipped_if_empty, end: usize::MAX });
        Ok(())
    }

    fn end(&mut self, number: usize, name: &str) -> Result<(), TemplateError> {
        let after = self.pieces.len();
        match self.open.pop() {
            Some((begun, (piece, _))) if begun == number => {
                if let Some(Piece::Part { end, .. }) = self.pieces.get_mut(piece) {
                    *end = after;
                }
                Ok(())
            }
            _ => Err(self.wrong(format!("{{{{/{name}}}}} does not close the part opened last"))),
        }
    }

    /// Where the position is.
    fn context(&self) -> Context {
        let before = self.text.get(..self.at).unwrap_or_default().to_ascii_lowercase();
        let last = |what: &str| before.rfind(what);
        let is_within =
            |open: &str, close: &str| last(open).is_some_and(|at| last(close) < Some(at));
        if is_within("<!--", "-->") || is_within("<script", "</script") {
            return Context::Other;
        }
        // In a tag: an odd number of one kind of quotes has been opened since its `<`.
        let is_in_tag = match (last("<"), last(">")) {
            (Some(opened), closed) => closed.is_none_or(|closed| closed < opened),
            (None, _) => false,
        };
        let tag = last("<").and_then(|at| before.get(at..)).unwrap_or_default();
        if is_in_tag && quoted_attribute(tag).is_none_or(is_code) {
            return Context::Other;
        }
        match is_within("<style", "</style") {
            true if is_in_tag => Context::Other,
            true => Context::Style,
            false => Context::Text,
        }
    }

    fn wrong(&self, reason: String) -> TemplateError {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        TemplateError {
            place: (before.matches('\n').count() + 1, line.chars().count() + 1),
            reason,
        }
    }
}

/// The name of the attribute whose quoted value is open at the end of this beginning of a tag.
fn quoted_attribute(tag: &str) -> Option<&str> {
    let mut open: Option<(usize, char)> = None;
    for (at, c) in tag.char_indices().filter(|(_, c)| matches!(c, '"' | '\'')) {
        match open {
            None => open = Some((at, c)),
            Some((_, quote)) if quote == c => open = None,
            Some(_) => {}
        }
    }
    let before = tag.get(..open?.0)?.trim_end().strip_suffix('=')?.trim_end();
    before.rsplit(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'')).next()
}

/// Whether the values of an attribute, in lower case, are scripts, styles or documents.
fn is_code(attribute: &str) -> bool {
    attribute.starts_with("on") || matches!(attribute, "style" | "srcdoc")
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
        Template::parse(text, &["a", "b", "style"], "style")
    }

    fn filled(text: &str, values: [&str; 3]) -> String {
        parse(text).unwrap().fill(&values)
    }

    #[test]
    fn values_are_escaped_and_a_style_is_not() {
        let found =
            filled("<style>{{style}}</style><i title='{{a}}'>{{ a }}</i>", ["<&\"'>", "", "a>b"]);
        assert_eq!(
            found,
            "<style>a>b</style><i title='&lt;&amp;&quot;&#39;&gt;'>&lt;&amp;&quot;&#39;&gt;</i>"
        );
        assert_eq!(
            filled("{{b}}{ }} {{a}}", ["x", "{{a}}", ""]),
            "{{a}}{ }} x",
            "values are not read again"
        );
    }

    #[test]
    fn parts_appear_with_a_value_or_without_one() {
        let text = "{{#a}}A{{ a }}{{#b}}B{{b}}{{/b}}{{^b}}-{{/b}}a{{/a}}{{^a}}none{{/a}}.";
        assert_eq!(filled(text, ["1", "2", ""]), "A1B2a.");
        assert_eq!(filled(text, ["1", "", ""]), "A1-a.");
        assert_eq!(filled(text, ["", "2", ""]), "none.");
    }

    #[test]
    fn mistakes_have_a_place_and_a_reason() {
        let deep = "{{#a}}".repeat(DEPTH_MAX + 1);
        for (text, place, says) in [
            ("\n\n\u{fc} {{ c }}", (3, 3), "unknown placeholder \"c\""),
            ("{{ }}", (1, 1), "unknown placeholder \"\""),
            ("\n{{ a", (2, 1), "{{ is not closed"),
            (" {{#a}}", (1, 2), "{{#a}} is not closed"),
            ("x{{/a}}", (1, 2), "{{/a}} does not close"),
            ("{{#a}}{{#b}}{{/a}}{{/b}}", (1, 13), "{{/a}} does not close"),
            (&deep, (1, 49), "nested more than 8 deep"),
            ("<style>\n{{a}}</style>", (2, 1), "cannot be escaped"),
            ("<SCRIPT>{{a}}</SCRIPT>", (1, 9), "cannot be escaped"),
            ("<!-- {{a}} -->", (1, 6), "cannot be escaped"),
            ("<!-- <style>{{style}} -->", (1, 13), "in a <style> element only"),
            ("<a href={{a}}>", (1, 9), "cannot be escaped"),
            ("<a href=\"x\" {{a}}>", (1, 13), "cannot be escaped"),
            ("<a title=\"{{a}}\" OnClick = '{{a}}'>", (1, 29), "cannot be escaped"),
            ("<a style=\"color: {{a}}\">", (1, 18), "cannot be escaped"),
            ("<iframe srcdoc='{{a}}'>", (1, 17), "cannot be escaped"),
            ("<a \"{{a}}\">", (1, 5), "cannot be escaped"),
            ("{{style}}", (1, 1), "expected {{ style }} in a <style> element only"),
            ("<a style=\"{{style}}\">", (1, 11), "in a <style> element only"),
            ("<style {{style}}></style>", (1, 8), "in a <style> element only"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.place == place && error.reason.contains(says), "{text:?}: {error:?}");
        }
        for good in [
            "<style>a{}{{style}}</style>{{a}}",
            "<a href=\"{{a}}\" title='\"{{b}}'>",
            "<!-- x -->{{a}}",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
    }
}
