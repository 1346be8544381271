//! The parts of an nginx or Apache configuration that an inspection needs: server names, document
//! roots, and where the paywall is on.
//!
//! Input: the main configuration file. Output: the [`Site`]s on which the paywall is on. It reads
//! directives as the servers do, with includes, and evaluates no variables, conditions or defines:
//! what it does not understand is left out, so a finding about a site may be missing.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::FileError;

/// The largest file that is read, in bytes.
const FILE_SIZE_MAX: u64 = 4 * 1024 * 1024;
/// The largest number of files that are read.
const FILES_MAX: usize = 2000;
/// The largest number of files that include each other, and of blocks in blocks.
const DEPTH_MAX: usize = 32;

/// A site of a server on which the paywall is on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Site {
    /// The file and line of the block.
    pub place: String,
    /// Its names, such as `news.example` or `*.news.example`. Names by patterns are left out.
    pub names: Vec<String>,
    /// The folders that it publishes.
    pub roots: Vec<PathBuf>,
    /// The vendors' configuration files that it names.
    pub configs: Vec<PathBuf>,
    /// What `.htaccess` files may say: a folder and the words of its `AllowOverride` and
    /// `AllowOverrideList`. `None` for nginx, which does not read these files.
    pub overrides: Option<Vec<(PathBuf, String)>>,
}

/// What was read of a server's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The sites on which the paywall is on.
    pub sites: Vec<Site>,
    /// The sites on which it is on nowhere.
    pub sites_without: Vec<Site>,
    /// The files and includes that could not be read, with the reason.
    pub unread: Vec<String>,
}

impl ServerConfig {
    /// Reads the main configuration file of nginx.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn nginx(path: &Path) -> Result<ServerConfig, FileError> {
        let mut files = Files::new(path, Syntax::Nginx);
        let tree = files.read(path, 0).map_err(FileError::on("read", path))?;
        let mut sites = Vec::new();
        find_nginx_sites(&tree, &Settings::default(), &files.folder, &mut sites);
        Ok(ServerConfig::new(sites, files.unread))
    }

    /// Reads the main configuration file of Apache.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn apache(path: &Path) -> Result<ServerConfig, FileError> {
        let mut files = Files::new(path, Syntax::Apache);
        let tree = files.read(path, 0).map_err(FileError::on("read", path))?;
        Ok(ServerConfig::new(apache_sites(&tree, &files.folder), files.unread))
    }

    fn new(sites: Vec<(Site, bool)>, unread: Vec<String>) -> ServerConfig {
        let (with, without): (Vec<_>, Vec<_>) = sites.into_iter().partition(|(_, is_on)| *is_on);
        let sites_of = |all: Vec<(Site, bool)>| all.into_iter().map(|(site, _)| site).collect();
        ServerConfig { sites: sites_of(with), sites_without: sites_of(without), unread }
    }
}

/// A directive, with its block if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Directive {
    /// In lower case.
    name: String,
    args: Vec<String>,
    place: String,
    block: Vec<Directive>,
}

impl Directive {
    fn arg(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    /// Calls `visit` for this directive and all in its block.
    fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Directive)) {
        visit(self);
        self.block.iter().for_each(|inner| inner.walk(visit));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Nginx,
    Apache,
}

/// Reads files and the files that they include.
struct Files {
    syntax: Syntax,
    /// The folder of relative paths.
    folder: PathBuf,
    count: usize,
    unread: Vec<String>,
}

impl Files {
    fn new(path: &Path, syntax: Syntax) -> Files {
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        Files { syntax, folder, count: 0, unread: Vec::new() }
    }

    fn read(&mut self, path: &Path, depth: usize) -> std::io::Result<Vec<Directive>> {
        let mut bytes = Vec::new();
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
                        place: format!("{}:{line}", self.path.display()),
                        block: inner,
                    });
                }
            }
        }
        directives
    }
}

/// The settings that a block inherits.
#[derive(Clone, Default)]
struct Settings {
    is_on: bool,
    config: Option<PathBuf>,
    root: Option<PathBuf>,
}

impl Settings {
    /// The settings with the directives of a block.
    fn with(&self, block: &[Directive], folder: &Path) -> Settings {
        let mut settings = self.clone();
        let named = |name: &str| block.iter().any(|directive| directive.name == name);
        // A price alone switches the paywall on.
        settings.is_on |= named("micromint_price") || named("micromintprice");
        for directive in block {
            match directive.name.as_str() {
                "micromint" => settings.is_on = !directive.arg().eq_ignore_ascii_case("off"),
                "micromint_config" | "micromintconfig" => {
                    settings.config = Some(folder.join(directive.arg()));
                }
                "root" | "documentroot" => settings.root = Some(folder.join(directive.arg())),
                _ => {}
            }
        }
        settings
    }

    /// Adds what these settings say to a site.
    fn add_to(&self, site: &mut Site) {
        if let Some(config) = self.config.as_ref().filter(|_| self.is_on) {
            add(&mut site.configs, config.clone());
        }
        // A root with a variable is not one folder.
        if let Some(root) = self.root.as_ref().filter(|root| !root.to_string_lossy().contains('$'))
        {
            add(&mut site.roots, root.clone());
        }
    }
}

fn add<T: PartialEq>(values: &mut Vec<T>, value: T) {
    if !values.contains(&value) {
        values.push(value);
    }
}

/// Whether a server name is one that a client can ask for by name.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name != "_"
        && !name.starts_with(['~', '.'])
        && !name.contains('$')
        && name.parse::<std::net::IpAddr>().is_err()
}

fn find_nginx_sites(
    block: &[Directive],
    inherited: &Settings,
    folder: &Path,
    sites: &mut Vec<(Site, bool)>,
) {
    let settings = inherited.with(block, folder);
    for directive in block {
        match directive.name.as_str() {
            "http" => find_nginx_sites(&directive.block, &settings, folder, sites),
            "server" => sites.extend(nginx_site(directive, &settings, folder)),
            _ => {}
        }
    }
}

/// A site, and whether the paywall is on in it.
fn nginx_site(server: &Directive, inherited: &Settings, folder: &Path) -> Option<(Site, bool)> {
    // A server that only redirects answers before any place is asked for a price.
    if server.block.iter().any(|directive| directive.name == "return") {
        return None;
    }
    let mut site = Site { place: server.place.clone(), ..Site::default() };
    for name in server.block.iter().filter(|directive| directive.name == "server_name") {
        site.names.extend(name.args.iter().filter(|name| is_name(name)).cloned());
    }
    let is_on = add_places(&server.block, inherited, folder, &mut site);
    Some((site, is_on))
}

/// Adds the settings of a block and of the places in it. Returns whether the paywall is on in any.
fn add_places(block: &[Directive], inherited: &Settings, folder: &Path, site: &mut Site) -> bool {
    let settings = inherited.with(block, folder);
    settings.add_to(site);
    let places = block.iter().filter(|directive| !directive.block.is_empty());
    places.fold(settings.is_on, |is_on, place| {
        add_places(&place.block, &settings, folder, site) || is_on
    })
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
        let place = format!("{}:{}", path.display(), number + 1);
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
        let directive = Directive { name, args: words.collect(), place, block: Vec::new() };
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

fn apache_sites(tree: &[Directive], folder: &Path) -> Vec<(Site, bool)> {
    let mut hosts = Vec::new();
    // Virtual hosts may be inside of <IfModule> and the like.
    tree.iter().for_each(|directive| {
        directive.walk(&mut |inner| {
            if inner.name == "virtualhost" {
                hosts.push(inner);
            }
        });
    });
    let mut main: Vec<Directive> = Vec::new();
    flatten(tree, &mut main);
    let inherited = Settings::default().with(&main, folder);
    let overrides = apache_overrides(tree);
    let site = |host| apache_site(host, &inherited, folder, &overrides);
    hosts.into_iter().filter_map(site).collect()
}

/// What `.htaccess` files may say in which folder.
fn apache_overrides(tree: &[Directive]) -> Vec<(PathBuf, String)> {
    let mut overrides = Vec::new();
    for directive in tree {
        directive.walk(&mut |place| {
            // The word after <Directory is `~` for a pattern.
            if place.name != "directory" || place.arg() == "~" {
                return;
            }
            let is_override =
                |it: &&Directive| matches!(&*it.name, "allowoverride" | "allowoverridelist");
            for inner in place.block.iter().filter(is_override) {
                overrides.push((place.arg().into(), inner.args.join(" ").to_ascii_lowercase()));
            }
        });
    }
    overrides
}

/// The directives outside of virtual hosts and of places.
fn flatten(block: &[Directive], all: &mut Vec<Directive>) {
    for directive in block {
        match directive.name.as_str() {
            "ifmodule" | "ifdefine" | "ifversion" => flatten(&directive.block, all),
            _ => all.push(Directive { block: Vec::new(), ..directive.clone() }),
        }
    }
}

fn apache_site(
    host: &Directive,
    inherited: &Settings,
    folder: &Path,
    overrides: &[(PathBuf, String)],
) -> Option<(Site, bool)> {
    let overrides = Some(overrides.to_vec());
    let mut site = Site { place: host.place.clone(), overrides, ..Site::default() };
    let mut own = Vec::new();
    flatten(&host.block, &mut own);
    // A host that redirects everything has no pages.
    let is_root = |args: &[String]| args.iter().rev().nth(1).is_some_and(|path| path == "/");
    if own.iter().any(|it| it.name == "redirect" && is_root(&it.args)) {
        return None;
    }
    for directive in own.iter().filter(|it| matches!(&*it.name, "servername" | "serveralias")) {
        // A server name may have a scheme and a port.
        let names = directive.args.iter().map(|name| {
            let name = name.rsplit("//").next().unwrap_or(name);
            name.split(':').next().unwrap_or(name).to_string()
        });
        site.names.extend(names.filter(|name| is_name(name)));
    }
    let is_on = add_places(&host.block, inherited, folder, &mut site);
    Some((site, is_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn sites_of_nginx_with_the_paywall_are_found() {
        let folder = folder(&[
            (
                "nginx.conf",
                "user www-data; # } not a brace\nhttp {\n  micromint_config vendor.toml;\n  \
                 include sites/*.conf;\n  log_format x '{\"a;b\": $a}';\n}\n",
            ),
            (
                "sites/a.conf",
                "server {\n server_name news.example \"*.news.example\" _ ~^x{2}$ 192.0.2.1;\n \
                 root /var/www/html;\n micromint on;\n \
                 location /a { root /srv/$host; }\n location /b { root /srv/b; }\n}\n",
            ),
            ("sites/b.conf", "server { server_name free.example; root /x; }"),
            (
                "sites/c.conf",
                "server {\n\n server_name one.example;\n location ~ \\.php$ {\n micromint on; \
                 micromint_config other.toml; set $a ${b};\n } }",
            ),
            ("sites/d.conf", "server { server_name d.example; micromint on; return 301 x; }"),
            ("sites/.e.conf", "server { server_name hidden.example; micromint on; }"),
        ]);
        let found = ServerConfig::nginx(&folder.path().join("nginx.conf")).unwrap();
        let at = |name: &str| folder.path().join(name);
        let [a, c] = &found.sites[..] else { panic!("{found:?}") };
        assert_eq!(a.names, ["news.example", "*.news.example"]);
        assert_eq!(a.roots, [Path::new("/var/www/html"), Path::new("/srv/b")]);
        assert_eq!(a.configs, [at("vendor.toml")]);
        assert_eq!(c.names, ["one.example"]);
        let [b] = &found.sites_without[..] else { panic!("{found:?}") };
        assert_eq!(
            (&b.names[..], &b.roots[..]),
            (&["free.example".to_string()][..], &[PathBuf::from("/x")][..])
        );
        assert_eq!(c.configs, [at("other.toml")]);
        assert_eq!(c.place, format!("{}:1", at("sites/c.conf").display()));
        assert!(found.unread.is_empty(), "{found:?}");
        assert!(ServerConfig::nginx(&at("absent")).is_err());
    }

    #[test]
    fn sites_of_apache_with_the_paywall_are_found() {
        let folder = folder(&[
            (
                "apache2.conf",
                "# a comment\nMicroMintConfig vendor.toml\n<IfModule mod_micromint.c>\n\
                 MicroMint On\n</IfModule>\nIncludeOptional sites-enabled/*.conf\n",
            ),
            (
                "sites-enabled/a.conf",
                "<VirtualHost *:80>\n ServerName https://news.example:443\n ServerAlias \
                 www.news.example \\\n   \"m.news.example\"\n DocumentRoot \"/var/www/a b\"\n\
                 </VirtualHost>\n",
            ),
            (
                "sites-enabled/b.conf",
                "<VirtualHost *:80>\n ServerName b.example\n MicroMint Off\n</VirtualHost>\n",
            ),
            (
                "sites-enabled/c.conf",
                "<VirtualHost *:80>\n ServerName c.example\n Redirect permanent \"/\" \
                 \"https://news.example/\"\n</VirtualHost>\n",
            ),
        ]);
        let found = ServerConfig::apache(&folder.path().join("apache2.conf")).unwrap();
        let [a] = &found.sites[..] else { panic!("{found:?}") };
        assert_eq!(a.names, ["news.example", "www.news.example", "m.news.example"]);
        assert_eq!(a.roots, [Path::new("/var/www/a b")]);
        assert_eq!(a.configs, [folder.path().join("vendor.toml")]);
        let without: Vec<&str> =
            found.sites_without.iter().flat_map(|site| &site.names).map(String::as_str).collect();
        assert_eq!(without, ["b.example"]);
    }

    #[test]
    fn a_price_alone_is_a_paywall_and_overrides_are_read() {
        let folder = folder(&[
            ("nginx.conf", "http { server { server_name a; location /x { micromint_price 2; } } }"),
            (
                "apache2.conf",
                "<Directory />\nAllowOverride None\n</Directory>\n<VirtualHost *:80>\nServerName b\n\
                 <Location /x>\nMicroMintPrice 2\n</Location>\n<Directory \"/srv/www\">\n\
                 AllowOverride AuthConfig FileInfo\n</Directory>\n</VirtualHost>\n",
            ),
        ]);
        let nginx = ServerConfig::nginx(&folder.path().join("nginx.conf")).unwrap();
        assert_eq!((nginx.sites.len(), &nginx.sites[0].overrides), (1, &None));
        let apache = ServerConfig::apache(&folder.path().join("apache2.conf")).unwrap();
        let expected =
            [("/", "none"), ("/srv/www", "authconfig fileinfo")].map(|(a, b)| (a.into(), b.into()));
        assert_eq!(apache.sites[0].overrides, Some(expected.to_vec()));
    }

    #[test]
    fn files_that_include_each_other_end() {
        let folder = folder(&[("nginx.conf", "include nginx.conf;\ninclude absent.conf;")]);
        let found = ServerConfig::nginx(&folder.path().join("nginx.conf")).unwrap();
        assert!(found.unread[0].contains("include each other"), "{found:?}");
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
