//! The price files in a folder of pages: what each page costs, and which price files do nothing.
//!
//! Input: a folder, such as the document root of a site. Output: a [`PriceFact`] for each page that
//! has a price and for each mistake. The invariant: a page costs what the servers ask for it by
//! price files alone: the highest price of its [`priced_names`]. Prices of directives are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::price::{PRICE_FILE_SIZE_MAX, PRICE_FILE_SUFFIX, is_price_file, parse_price};
use super::variants::priced_names;
use crate::error::FileError;

/// The endings of copies that editors and people leave beside a page.
const COPY_ENDINGS: [&str; 7] = ["~", ".bak", ".old", ".orig", ".save", ".swp", ".tmp"];

/// Something about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriceFact {
    /// A page has a price.
    Priced {
        /// The page.
        page: PathBuf,
        /// What it costs.
        coins: u32,
        /// The price file that says so: the one with the highest price.
        because: PathBuf,
    },
    /// A price file cannot be read or holds no price: its pages are answered with 500.
    Broken {
        /// The price file.
        file: PathBuf,
        /// What was expected and what was found.
        reason: String,
        /// Its pages.
        pages: Vec<PathBuf>,
    },
    /// A price file counts for no page.
    Orphan {
        /// The price file.
        file: PathBuf,
        /// The name that it should probably have.
        meant: Option<PathBuf>,
        /// Whether there is a folder of this name, which a price file does not cover.
        is_for_folder: bool,
    },
    /// A file looks like a price file but is none by its name, such as `page.html.MM`. It has no
    /// effect, and anyone can read it.
    WrongName {
        /// The file.
        file: PathBuf,
        /// The name that it should probably have.
        meant: PathBuf,
    },
    /// A variant of a page costs less than the page, or a copy of it does.
    Cheaper {
        /// The variant or copy.
        page: PathBuf,
        /// What it costs.
        coins: u32,
        /// The page or variant that costs more.
        than: PathBuf,
        /// What that one costs.
        than_coins: u32,
    },
    /// A folder was not examined.
    NotExamined {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        reason: String,
    },
}

impl PriceFact {
    /// Whether it is a mistake, and not just a price.
    pub fn is_mistake(&self) -> bool {
        !matches!(self, PriceFact::Priced { .. })
    }
}

/// Examines a folder and the folders in it, one after the other in the order of their names.
/// Returns the number of pages, with and without a price. Folders that are symbolic links are not
/// entered.
///
/// # Errors
/// `root` cannot be read.
pub fn survey(root: &Path, mut visit: impl FnMut(PriceFact)) -> Result<u64, FileError> {
    let mut pages = 0;
    let mut waiting = vec![root.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        match FolderNames::read(&folder) {
            Ok(names) => {
                pages += names.pages.len() as u64;
                Folder::new(&folder, &names).facts().into_iter().for_each(&mut visit);
                for link in &names.linked_folders {
                    let reason = "is a symbolic link to a folder".to_string();
                    visit(PriceFact::NotExamined { folder: at(&folder, link), reason });
                }
                waiting.extend(names.folders.iter().rev().map(|name| at(&folder, name)));
            }
            Err(error) if folder == root => return Err(FileError::on("read", root)(error)),
            Err(error) => visit(PriceFact::NotExamined { folder, reason: error.to_string() }),
        }
    }
    Ok(pages)
}

/// The names in one folder.
#[derive(Default)]
struct FolderNames {
    pages: BTreeSet<Vec<u8>>,
    price_files: BTreeSet<Vec<u8>>,
    folders: BTreeSet<Vec<u8>>,
    linked_folders: BTreeSet<Vec<u8>>,
}

impl FolderNames {
    fn read(folder: &Path) -> io::Result<FolderNames> {
        let mut names = FolderNames::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name().into_vec();
            let is_folder = if kind.is_symlink() {
                // A link that leads nowhere counts as a file.
                fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir())
            } else {
                kind.is_dir()
            };
            let set = match is_folder {
                true if kind.is_symlink() => &mut names.linked_folders,
                true => &mut names.folders,
                false if is_price_file(&name) => &mut names.price_files,
                false => &mut names.pages,
            };
            set.insert(name);
        }
        Ok(names)
    }
}

/// One folder, with the prices in its price files by the name that each is for.
struct Folder<'a> {
    path: &'a Path,
    names: &'a FolderNames,
    prices: BTreeMap<&'a [u8], Result<u32, String>>,
}

/// The price of a page by price files.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FilePrice<'a> {
    Free,
    Priced { coins: u32, named: &'a [u8] },
    Broken,
}

impl FilePrice<'_> {
    fn coins(&self) -> u32 {
        match self {
            FilePrice::Priced { coins, .. } => *coins,
            FilePrice::Free | FilePrice::Broken => 0,
        }
    }
}

impl<'a> Folder<'a> {
    fn new(path: &'a Path, names: &'a FolderNames) -> Folder<'a> {
        let named = |file: &'a Vec<u8>| &file[..file.len() - PRICE_FILE_SUFFIX.len()];
        let prices = names.price_files.iter().map(|file| (named(file), read(&at(path, file))));
        Folder { path, names, prices: prices.collect() }
    }

    fn facts(&self) -> Vec<PriceFact> {
        let mut facts = Vec::new();
        let mut used: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
        let mut priced: BTreeMap<&[u8], FilePrice<'_>> = BTreeMap::new();
        for page in &self.names.pages {
            if let Some(meant) = meant_price_file(page) {
                facts.push(PriceFact::WrongName {
                    file: at(self.path, page),
                    meant: at(self.path, &meant),
                });
                continue;
            }
            let names = priced_names(page);
            for (named, _) in names.iter().filter_map(|name| self.prices.get_key_value(&**name)) {
                used.entry(named).or_default().push(page);
            }
            let price = self.price(page);
            if let FilePrice::Priced { coins, named } = &price
                && *coins > 0
            {
                let (page, because) = (at(self.path, page), self.price_file(named));
                facts.push(PriceFact::Priced { page, coins: *coins, because });
            }
            priced.insert(page, price);
        }
        for (named, price) in &self.prices {
            let pages = used.get(named).map(Vec::as_slice).unwrap_or_default();
            match price {
                Err(reason) => facts.push(PriceFact::Broken {
                    file: self.price_file(named),
                    reason: reason.clone(),
                    pages: pages.iter().map(|page| at(self.path, page)).collect(),
                }),
                Ok(_) if pages.is_empty() => facts.push(self.orphan(named)),
                Ok(_) => {}
            }
        }
        facts.extend(self.cheaper(&priced));
        facts
    }

    /// The price of a page by the price files of its names.
    fn price(&self, page: &[u8]) -> FilePrice<'a> {
        let mut price = FilePrice::Free;
        for name in priced_names(page) {
            match self.prices.get_key_value(&*name) {
                Some((_, Err(_))) => return FilePrice::Broken,
                Some((named, Ok(coins))) if price == FilePrice::Free || *coins > price.coins() => {
                    price = FilePrice::Priced { coins: *coins, named };
                }
                _ => {}
            }
        }
        price
    }

    fn price_file(&self, named: &[u8]) -> PathBuf {
        at(self.path, &[named, PRICE_FILE_SUFFIX.as_bytes()].concat())
    }

    fn orphan(&self, named: &[u8]) -> PriceFact {
        // `long.mm` for `long.html`: the file that has this name and one ending more.
        let is_longer = |page: &&Vec<u8>| {
            page.strip_prefix(named).is_some_and(|rest| {
                rest.first() == Some(&b'.') && !rest[1..].contains(&b'.') && rest.len() > 1
            })
        };
        let meant = self.names.pages.iter().find(is_longer).map(|page| self.price_file(page));
        let is_for_folder = self.names.folders.contains(named);
        PriceFact::Orphan { file: self.price_file(named), meant, is_for_folder }
    }

    /// The variants and copies that cost less than the dearest of their page.
    fn cheaper(&self, priced: &BTreeMap<&[u8], FilePrice<'_>>) -> Vec<PriceFact> {
        let mut families: BTreeMap<Vec<u8>, Vec<&[u8]>> = BTreeMap::new();
        for page in priced.keys() {
            let original = without_copy_ending(page);
            let names = priced_names(original);
            // The name without all parts that tell a variant is the last one; there is always one.
            let family = names.last().map_or_else(Vec::new, |name| name.to_vec());
            families.entry(family).or_default().push(page);
        }
        let coins = |page: &&[u8]| priced.get(page).map_or(0, FilePrice::coins);
        let mut facts = Vec::new();
        for members in families.values().filter(|members| members.len() > 1) {
            let Some(dearest) = members.iter().copied().max_by_key(coins) else { continue };
            let is_cheaper = |page: &&&[u8]| {
                coins(page) < coins(&dearest) && priced.get(**page) != Some(&FilePrice::Broken)
            };
            facts.extend(members.iter().filter(is_cheaper).map(|page| PriceFact::Cheaper {
                page: at(self.path, page),
                coins: coins(page),
                than: at(self.path, dearest),
                than_coins: coins(&dearest),
            }));
        }
        facts
    }
}

/// Reads a price file.
fn read(path: &Path) -> Result<u32, String> {
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(PRICE_FILE_SIZE_MAX as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot be read: {error}"))?;
    parse_price(&text).map_err(|error| error.to_string())
}

/// The price file that this name was probably meant to be, if it looks like one but is none:
/// `page.html.mm` for `page.html.MM`, `page.html.mm.txt` and `page.html.mm~`.
fn meant_price_file(name: &[u8]) -> Option<Vec<u8>> {
    let suffix = PRICE_FILE_SUFFIX.as_bytes();
    let lower = name.to_ascii_lowercase();
    let named = |lower: &[u8]| {
        let named = lower.strip_suffix(suffix)?;
        Some([&name[..named.len()], suffix].concat())
    };
    let without_ending = || {
        let dot = lower.iter().rposition(|byte| *byte == b'.')?;
        let ending = &lower[dot + 1..];
        let is_left_by_an_editor = matches!(ending, b"txt" | b"rtf" | b"html")
            || COPY_ENDINGS.iter().any(|known| known.as_bytes() == &lower[dot..]);
        is_left_by_an_editor.then(|| named(&lower[..dot]))?
    };
    named(&lower).or_else(|| named(lower.strip_suffix(b"~")?)).or_else(without_ending)
}

/// The name of the page that this is a copy of, such as `page.html` for `page.html~`,
/// `page.html.bak` and `.page.html.swp`; the name itself for others.
fn without_copy_ending(name: &[u8]) -> &[u8] {
    let endings = COPY_ENDINGS.iter().map(|ending| ending.as_bytes());
    let found = endings.filter_map(|ending| Some((ending, name.strip_suffix(ending)?))).next();
    match found {
        Some((b".swp", original)) => original.strip_prefix(b".").unwrap_or(original),
        Some((_, original)) if !original.is_empty() => original,
        _ => name,
    }
}

fn at(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(std::ffi::OsStr::from_bytes(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The facts about a folder with these files, as lines with paths relative to it.
    fn facts(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut lines = Vec::new();
        survey(folder.path(), |fact| {
            let text = format!("{fact:?}");
            lines.push(text.replace(&format!("{}/", folder.path().display()), ""));
        })
        .unwrap();
        lines
    }

    #[test]
    fn a_page_costs_what_its_price_files_say() {
        let found = facts(&[
            ("free.html", ""),
            ("a/page.html", ""),
            ("a/page.html.gz", ""),
            ("a/page.html.mm", "2\n"),
            ("b.html", ""),
            ("b.html.mm", "0"),
        ]);
        assert_eq!(
            found,
            [
                "Priced { page: \"a/page.html\", coins: 2, because: \"a/page.html.mm\" }",
                "Priced { page: \"a/page.html.gz\", coins: 2, because: \"a/page.html.mm\" }",
            ]
        );
    }

    #[test]
    fn price_files_without_effect_are_found_with_what_was_meant() {
        let found = facts(&[
            ("long.html", ""),
            ("long.mm", "2"),
            ("gone.html.mm", "2"),
            ("2026/x.html", ""),
            ("2026.mm", "1"),
            ("big.html.MM", "1"),
            ("note.html.mm.txt", "1"),
            ("old.html.mm~", "1"),
            ("plain.txt", ""),
        ]);
        let orphan = |file: &str, rest: &str| format!("Orphan {{ file: {file:?}, {rest} }}");
        let wrong =
            |file: &str, meant: &str| format!("WrongName {{ file: {file:?}, meant: {meant:?} }}");
        assert_eq!(
            found,
            [
                wrong("big.html.MM", "big.html.mm"),
                wrong("note.html.mm.txt", "note.html.mm"),
                wrong("old.html.mm~", "old.html.mm"),
                orphan("2026.mm", "meant: None, is_for_folder: true"),
                orphan("gone.html.mm", "meant: None, is_for_folder: false"),
                orphan("long.mm", "meant: Some(\"long.html.mm\"), is_for_folder: false"),
            ]
        );
    }

    #[test]
    fn variants_and_copies_that_cost_less_are_found() {
        let found = facts(&[
            ("page.html", ""),
            ("page.html.gz", ""),
            ("page.html.gz.mm", "2"),
            ("long.html", ""),
            ("long.html~", ""),
            ("long.html.bak", ""),
            (".long.html.swp", ""),
            ("long.html.mm", "3"),
        ]);
        let cheaper: Vec<&String> =
            found.iter().filter(|line| line.starts_with("Cheaper")).collect();
        let line = |page: &str, than: &str, coins: u32| {
            format!("Cheaper {{ page: {page:?}, coins: 0, than: {than:?}, than_coins: {coins} }}")
        };
        let expected = [
            line(".long.html.swp", "long.html", 3),
            line("long.html.bak", "long.html", 3),
            line("long.html~", "long.html", 3),
            line("page.html", "page.html.gz", 2),
        ];
        assert_eq!(cheaper, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_price_that_cannot_be_read_is_no_price() {
        let long = "2".repeat(PRICE_FILE_SIZE_MAX + 1);
        let found = facts(&[("a.html", ""), ("a.html.mm", "two"), ("b.html.mm", &long)]);
        assert!(found[0].starts_with("Broken { file: \"a.html.mm\", reason: \"expected a price"));
        assert!(found[0].ends_with("pages: [\"a.html\"] }"), "{}", found[0]);
        assert!(found[1].contains("b.html.mm") && found[1].contains("65 bytes"), "{}", found[1]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn linked_and_closed_folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        fs::create_dir_all(root.join("real")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("loop")).unwrap();
        let mut found = Vec::new();
        assert_eq!(survey(&root, |fact| found.push(fact)).unwrap(), 0);
        let [PriceFact::NotExamined { folder, reason }] = &found[..] else { panic!("{found:?}") };
        assert!(folder.ends_with("loop") && reason.contains("symbolic link"));
        let error = survey(&root.join("absent"), |_| {}).unwrap_err().to_string();
        assert!(error.contains("absent"), "{error}");
    }
}
