//! The files of a vendor's own page.
//!
//! Input: the path of `page.html`, which need not exist. Output: the page in every language that
//! has a file `page.LANG.html` beside it. The invariant: a file with such a name is a valid page,
//! or an error that names it.

use std::path::{Path, PathBuf};

use super::language::Language;
use super::shipped::{fallback, shipped};
use super::translation::{Translation, TranslationError};
use super::{Origin, Page};
use crate::host::{Directory, DiskDirectory, read_whole};
use crate::text_file::decode;
use crate::vendor::config_error::ConfigError;

/// The largest file, in bytes.
pub(super) const PAGE_FILE_SIZE_MAX: u64 = 256 * 1024;
/// The largest number of files.
pub(super) const LANGUAGES_MAX: usize = 64;

/// See [`Page::load`].
pub(super) fn load(path: &Path, language: &str) -> Result<Page, ConfigError> {
    let wrong = |reason: String| ConfigError::file(path, format!("page: {reason}"));
    let default: Language =
        language.parse().map_err(|reason| wrong(format!("language: {reason}")))?;
    let files = files_of(path, &default)?;
    if files.is_empty() {
        // The error says why there is none.
        read(path)?;
    }
    let shipped = shipped();
    let mut warnings = Vec::new();
    let mut pages: Vec<(Translation, Origin)> = Vec::with_capacity(files.len());
    for file in &files {
        let path = &file.path;
        if pages.iter().any(|(page, _)| *page.language() == file.language) {
            let reason = format!(
                "page: expected one file for the language {:?}, found more",
                file.language.as_str()
            );
            return Err(ConfigError::file(path, reason));
        }
        let instead = fallback(&shipped, &file.language);
        let parsed = Translation::parse(&read(path)?, file.language.clone(), instead);
        let (page, missing) = parsed.map_err(|error| match error {
            TranslationError::Words(error) => error.in_file(path).into(),
            TranslationError::Template { place, reason } => ConfigError::at(path, place, reason),
        })?;
        if !missing.is_empty() {
            warnings.push(format!(
                "{}: these texts are shown in English, because the page has none: {missing}",
                path.display()
            ));
        }
        if !page.shows_price() {
            warnings.push(format!(
                "{}: expected {{{{ price }}}}, {{{{ coins }}}} or {{{{ money }}}}, found none: people do not \
                 see what a page costs",
                path.display()
            ));
        }
        pages.push((page, Origin::Own));
    }
    if !files.iter().any(|file| file.is_default) {
        let own: Vec<Language> = pages.iter().map(|(page, _)| page.language().clone()).collect();
        let others = shipped.into_iter().filter(|page| !own.contains(page.language()));
        pages.extend(others.map(|page| (page, Origin::Shipped)));
    }
    let index =
        pages.iter().position(|(page, _)| *page.language() == default).ok_or_else(|| {
            wrong(format!("expected a page in the language {:?}, found none", default.as_str()))
        })?;
    Ok(Page::new(pages, index, warnings))
}

/// A file of the page.
struct PageFile {
    path: PathBuf,
    language: Language,
    /// It is `page.html`, which is for everyone.
    is_default: bool,
}

/// The files of the page: `page.html`, if it exists, and each `page.LANG.html`, in the order of
/// their names.
fn files_of(path: &Path, default: &Language) -> Result<Vec<PageFile>, ConfigError> {
    let unreadable =
        |error: std::io::Error| ConfigError::file(path, format!("page: cannot be read: {error}"));
    let (directory, default_name) = DiskDirectory::of_file(path).map_err(unreadable)?;
    let mut names = directory.names().map_err(unreadable)?;
    names.sort_unstable();
    // `page.` and `.html`, between which the language stands.
    let (stem, extension) =
        default_name.split_at(default_name.rfind('.').unwrap_or(default_name.len()));
    let stem = format!("{stem}.");
    let mut files = Vec::new();
    for name in &names {
        let path = path.with_file_name(name);
        let file = if *name == default_name {
            PageFile { path, language: default.clone(), is_default: true }
        } else if let Some(tag) = name.strip_prefix(&stem).and_then(|n| n.strip_suffix(extension)) {
            let language = tag.parse().map_err(|reason| {
                ConfigError::file(&path, format!("page: in the name of this file: {reason}"))
            })?;
            PageFile { path, language, is_default: false }
        } else {
            continue;
        };
        if files.len() == LANGUAGES_MAX {
            let reason = format!("page: expected at most {LANGUAGES_MAX} files, found more");
            return Err(ConfigError::file(&file.path, reason));
        }
        files.push(file);
    }
    Ok(files)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable =
        |error: std::io::Error| ConfigError::file(path, format!("page: cannot be read: {error}"));
    let (directory, name) = DiskDirectory::of_file(path).map_err(unreadable)?;
    let bytes = read_whole(&directory, &name, PAGE_FILE_SIZE_MAX).map_err(unreadable)?;
    let decoded = decode(&bytes).map(str::to_string);
    decoded.map_err(|error| ConfigError::file(path, format!("page: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::request::Request;

    /// The page of a folder with these files, in which `page.html` is named.
    fn load_from(files: &[(&str, &str)], language: &str) -> Result<Page, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        load(&folder.path().join("page.html"), language)
    }

    /// The languages that a client which prefers these gets.
    fn answers(page: &Page, preferred: &[&'static str]) -> Vec<String> {
        let language = |wanted: &&'static str| {
            let headers: [(&[u8], &[u8]); 1] = [(b"Accept-Language", wanted.as_bytes())];
            let request = Request { headers: &headers, ..Request::default() };
            let chosen = page.choose(&request);
            let whose = if chosen.policy().contains("img-src") { "own" } else { "shipped" };
            format!("{whose} {}", chosen.language())
        };
        preferred.iter().map(language).collect()
    }

    #[test]
    fn a_file_in_a_language_joins_the_shipped_pages() {
        let page =
            load_from(&[("page.fr.html", "{{ coins }}"), ("page.de.html", "{{price}}")], "en")
                .unwrap();
        let found = answers(&page, &["fr-CA", "de", "ar", "en", "it"]);
        assert_eq!(found, ["own fr", "own de", "shipped ar", "shipped en", "shipped en"]);
        // German words are shipped.
        let [warning] = page.warnings() else { panic!("{:?}", page.warnings()) };
        assert!(warning.contains("page.fr.html: these texts are shown in English"), "{warning}");
        let page = load_from(&[("page.fr.html", "Bonjour")], "fr").unwrap();
        assert_eq!(answers(&page, &["it", "de"]), ["own fr", "shipped de"]);
    }

    #[test]
    fn a_page_for_everyone_replaces_the_shipped_pages() {
        let files = [("page.html", "Hi"), ("page.pt-BR.html", "Oi"), ("page.css", "{{"), ("x", "")];
        let page = load_from(&files, "en").unwrap();
        assert_eq!(answers(&page, &["de", "pt-br", "pt"]), ["own en", "own pt-BR", "own en"]);
        let page = load_from(&[("page.html", "{{ money }}")], "de-AT").unwrap();
        assert_eq!(answers(&page, &["en"]), ["own de-AT"]);
        assert!(page.warnings().is_empty(), "{:?}", page.warnings());
    }

    #[test]
    fn a_page_without_a_price_is_a_warning() {
        for text in ["Pay!", "{{ url }}", "{{#price}}Pay!{{/price}}"] {
            let page = load_from(&[("page.html", text)], "en").unwrap();
            let [warning] = page.warnings() else { panic!("{text}: {:?}", page.warnings()) };
            assert!(warning.contains("page.html: expected {{ price }}"), "{warning}");
        }
    }

    #[test]
    fn mistakes_name_the_file_and_the_place() {
        let fr = "page.fr.html";
        for (files, language, says) in [
            (vec![], "en", "page.html: page: cannot be read"),
            (vec![(fr, "\n é{{ prix }}")], "en", "page.fr.html:2:3: unknown placeholder \"prix\""),
            (vec![(fr, "+++\n\n+++\n\n {{ x }}")], "en", "page.fr.html:5:2: unknown placeholder"),
            (vec![(fr, "+++\r\ndir = 'up'\r\n+++\r\n")], "en", "page.fr.html:2:7: dir: expected"),
            (vec![(fr, "+++\ndir = 'up'\n")], "en", "page.fr.html:1:1: expected a line +++"),
            (vec![(fr, "+++")], "en", "page.fr.html:1:1: expected a line +++"),
            (
                vec![("page.de_CH.html", "")],
                "en",
                "page.de_CH.html: page: in the name of this file:",
            ),
            (
                vec![("page.html", ""), ("page.en.html", "")],
                "en",
                "expected one file for the language",
            ),
            (
                vec![("page.FR.html", ""), (fr, "")],
                "en",
                "expected one file for the language \"fr\"",
            ),
            (
                vec![(fr, "")],
                "it",
                "page.html: page: expected a page in the language \"it\", found none",
            ),
            (vec![(fr, "")], "french language", "language: expected a language tag"),
        ] {
            let error = load_from(&files, language).unwrap_err().to_string();
            assert!(error.contains(says), "{files:?}: {error}");
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(fr), b"ab\nc\xff").unwrap();
        let error = load(&folder.path().join("page.html"), "en").unwrap_err().to_string();
        assert!(error.contains("found another byte in line 2, column 2"), "{error}");
    }

    #[test]
    fn the_size_and_the_number_of_files_are_bounded() {
        let sized = |size: u64| load_from(&[("page.html", &"x".repeat(size as usize))], "en");
        assert!(sized(PAGE_FILE_SIZE_MAX).is_ok());
        let error = sized(PAGE_FILE_SIZE_MAX + 1).unwrap_err().to_string();
        assert!(error.contains("expected at most 262144 bytes, found 262145"), "{error}");
        let many = |count: usize| {
            let letters = || b'a'..=b'z';
            let tags = letters().flat_map(|a| letters().map(move |b| [b'q', a, b]));
            let names: Vec<String> = tags
                .take(count)
                .map(|tag| format!("page.{}.html", String::from_utf8_lossy(&tag)))
                .collect();
            let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
            load_from(&files, "en")
        };
        assert!(many(LANGUAGES_MAX).is_ok());
        let error = many(LANGUAGES_MAX + 1).unwrap_err().to_string();
        assert!(error.contains("expected at most 64 files, found more"), "{error}");
    }
}
