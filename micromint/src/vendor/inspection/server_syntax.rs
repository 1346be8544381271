//! The syntax of the configuration files of nginx and Apache.
//!
//! Input: a file. Output: its [`Directive`]s as a tree, with those of the files that it includes.
//! The invariant: size, number and depth of what is read are bounded, and nothing is evaluated.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const FILE_SIZE_MAX: u64 = 4 * 1024 * 1024;
/// The largest number of files that are read.
const FILES_MAX: usize = 2000;
/// The largest number of files that include each other, and of blocks in blocks.
const DEPTH_MAX: usize = 32;

/// A directive, with its block if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// In lower case.
    pub(super) name: String,
    pub(super) args: Vec<String>,
    /// The file and line.
    pub(super) position: String,
    pub(super) block: Vec<Directive>,
}

impl Directive {
    /// The first argument; empty if there is none.
    pub(super) fn arg(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    /// Calls `visit` for this directive and all in its block.
    pub(super) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Directive)) {
        visit(self);
        self.block.iter().for_each(|inner| inner.walk(visit));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Nginx,
    Apache,
}

/// Reads files and the files that they include.
pub(super) struct Files {
    syntax: Syntax,
    /// The folder of relative paths.
    pub(super) folder: PathBuf,
    count: usize,
    /// The files and includes that could not be read, with the reason.
    pub(super) unread: Vec<String>,
}

impl Files {
    pub(super) fn new(path: &Path, syntax: Syntax) -> Files {
        // A name alone is a file of the current folder.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_path_buf();
        Files { syntax, folder, count: 0, unread: Vec::new() }
    }

    /// The directives of a file and of the files that it includes; `depth` is that of the includes.
    pub(super) fn read(&mut self, path: &Path, depth: usize) -> std::io::Result<Vec<Directive>> {
        let mut bytes = Vec::new();
        // A pipe would wait for a writer, for ever.
        if !fs::metadata(path)?.is_file() {
            return Err(ErrorKind::InvalidInput.into());
        }
        fs::File::open(path)?.take(FILE_SIZE_MAX).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let directives = match self.syntax {
            Syntax::Nginx => Nginx::new(&text, path).block(0),
            Syntax::Apache => apache_tree(&text, path),
        };
        Ok(self.with_includes(directives, depth))
    }

    /// Replaces includes by what they include.
    fn with_includes(&mut self, directives: Vec<Directive>, depth: usize) -> Vec<Directive> {
        let mut all = Vec::new();
        for mut directive in directives {
            match directive.name.as_str() {
                "include" | "includeoptional" => {
                    for path in matching(&self.folder.join(directive.arg())) {
                        all.extend(self.included(&path, depth));
                    }
                }
                "serverroot" if self.syntax == Syntax::Apache => {
                    self.folder = directive.arg().into();
                }
                _ => {
                    directive.block = self.with_includes(directive.block, depth);
                    all.push(directive);
                }
            }
        }
        all
    }

    fn included(&mut self, path: &Path, depth: usize) -> Vec<Directive> {
        self.count += 1;
        let reason = if self.count > FILES_MAX || depth >= DEPTH_MAX {
            "too many files include each other".to_string()
        } else {
            match self.read(path, depth + 1) {
                Ok(directives) => return directives,
                Err(error) => error.to_string(),
            }
        };
        self.unread.push(format!("{}: {reason}", path.display()));
        Vec::new()
    }
}

/// The files whose path matches, where `*` stands for any characters in a name and `?` for one; in
/// order.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = Path::new(&part);
        let name = part.to_string_lossy();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let names_in = |folder: &PathBuf| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let names = entries.map(|entry| entry.file_name());
            let matches = names.filter(|found| is_match(&name, &found.to_string_lossy()));
            matches.map(|name| folder.join(name)).collect()
        };
        found = found.iter().flat_map(names_in).collect();
        found.sort();
    }
    found.retain(|path| path.exists());
    found
}

/// Whether a name matches a pattern.
fn is_match(pattern: &str, name: &str) -> bool {
    // A name that begins with a dot needs a pattern that does.
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut star) = ((0, 0), None);
    while at.1 < name.len() {
        match pattern.get(at.0) {
            Some('*') => {
                star = Some(at);
                at.0 += 1;
            }
            Some(char) if *char == '?' || *char == name[at.1] => at = (at.0 + 1, at.1 + 1),
            // Let the last star stand for one character more.
            _ => match &mut star {
                Some(star) => {
                    star.1 += 1;
                    at = (star.0 + 1, star.1);
                }
                None => return false,
            },
        }
    }
    pattern[at.0..].iter().all(|char| *char == '*')
}

/// Reads the syntax of nginx: `name args;` and `name args { … }`.
struct Nginx<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    path: &'a Path,
    line: usize,
}

enum Token {
    Word(String),
    End,
    Open,
    Close,
}

impl<'a> Nginx<'a> {
    fn new(text: &'a str, path: &'a Path) -> Nginx<'a> {
        Nginx { chars: text.chars().peekable(), path, line: 1 }
    }

    fn next_char(&mut self) -> Option<char> {
        let char = self.chars.next();
        self.line += usize::from(char == Some('\n'));
        char
    }

    fn token(&mut self) -> Option<Token> {
        loop {
            match *self.chars.peek()? {
                char if char.is_whitespace() => {
                    self.next_char();
                }
                '#' => while self.next_char().is_some_and(|char| char != '\n') {},
                ';' | '{' | '}' => {
                    return self.next_char().map(|char| match char {
                        ';' => Token::End,
                        '{' => Token::Open,
                        _ => Token::Close,
                    });
                }
                quote @ ('"' | '\'') => {
                    self.next_char();
                    return Some(Token::Word(self.quoted(quote)));
                }
                _ => return Some(Token::Word(self.word())),
            }
        }
    }

    fn quoted(&mut self, quote: char) -> String {
        let mut word = String::new();
        while let Some(char) = self.next_char() {
            match char {
                '\\' => word.extend(self.next_char()),
                char if char == quote => break,
                char => word.push(char),
            }
        }
        word
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(char) = self.chars.peek().copied() {
            let is_variable = char == '{' && word.ends_with('$');
            if char.is_whitespace() || (matches!(char, ';' | '{') && !is_variable) {
                break;
            }
            self.next_char();
            word.push(char);
            if char == '\\' {
                word.extend(self.next_char());
            } else if is_variable {
                while let Some(char) = self.next_char() {
                    word.push(char);
                    if char == '}' {
                        break;
                    }
                }
            }
        }
        word
    }

    /// The directives up to the end of the block.
    fn block(&mut self, depth: usize) -> Vec<Directive> {
        let (mut directives, mut words) = (Vec::new(), Vec::new());
        let mut line = self.line;
        while let Some(token) = self.token() {
            match token {
                Token::Word(word) => {
                    if words.is_empty() {
                        line = self.line;
                    }
                    words.push(word);
                }
                Token::Close => break,
                Token::End | Token::Open => {
                    let is_block = matches!(token, Token::Open);
                    let inner = if is_block && depth < DEPTH_MAX {
                        self.block(depth + 1)
                    } else {
                        Vec::new()
                    };
                    let mut words = std::mem::take(&mut words).into_iter();
                    let Some(name) = words.next() else { continue };
                    directives.push(Directive {
                        name: name.to_ascii_lowercase(),
                        args: words.collect(),
                        position: format!("{}:{line}", self.path.display()),
                        block: inner,
                    });
                }
            }
        }
        directives
    }
}

/// Reads the syntax of Apache: a directive on each line, and blocks in angle brackets.
fn apache_tree(text: &str, path: &Path) -> Vec<Directive> {
    let mut stack: Vec<Directive> = Vec::new();
    let mut top = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let mut line = line.trim().to_string();
        while line.ends_with('\\') {
            line.pop();
            line.push_str(lines.next().map_or("", |(_, next)| next.trim()));
        }
        let position = format!("{}:{}", path.display(), number + 1);
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if line.starts_with("</") {
            if let Some(done) = stack.pop() {
                stack.last_mut().map_or(&mut top, |block| &mut block.block).push(done);
            }
            continue;
        }
        let (is_block, words) = match line.strip_prefix('<') {
            Some(rest) => (true, rest.trim_end_matches('>')),
            None => (false, line.as_str()),
        };
        let mut words = apache_words(words).into_iter();
        let Some(name) = words.next() else { continue };
        let name = name.to_ascii_lowercase();
        let directive = Directive { name, args: words.collect(), position, block: Vec::new() };
        if is_block && stack.len() < DEPTH_MAX {
            stack.push(directive);
        } else {
            stack.last_mut().map_or(&mut top, |block| &mut block.block).push(directive);
        }
    }
    // Blocks that are not closed end with the file.
    while let Some(done) = stack.pop() {
        stack.last_mut().map_or(&mut top, |block| &mut block.block).push(done);
    }
    top
}

/// The words of a line, with quotes removed.
fn apache_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |at| at + 1),
            _ => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        words.push(rest[..end].trim_start_matches(['"', '\'']).to_string());
        rest = rest[end..].trim_start_matches(first_quote(first)).trim_start();
    }
    words
}

fn first_quote(first: char) -> &'static [char] {
    match first {
        '"' => &['"'],
        '\'' => &['\''],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_include_each_other_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nginx.conf");
        fs::write(&path, "include nginx.conf;\ninclude absent.conf;").unwrap();
        let mut files = Files::new(&path, Syntax::Nginx);
        files.read(&path, 0).unwrap();
        assert!(files.unread[0].contains("include each other"), "{:?}", files.unread);
        let deep = "a {".repeat(10_000);
        assert!(Nginx::new(&deep, Path::new("x")).block(0).len() <= 1);
        apache_tree(&"<a>\n".repeat(10_000), Path::new("x"));
    }

    #[test]
    fn stars_match_any_characters() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("*.conf", ".a.conf", false),
            ("*", "a", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
    }
}
