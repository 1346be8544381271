//! The pages in a folder: what each costs and why, and which price files do nothing.
//!
//! Input: a folder, such as the document root of a site, and the price list, if there is one.
//! Output: a [`PriceFact`] for each page that has a price and for each mistake. The invariant: a
//! page costs what the servers ask for it without directives: the highest price in the price files
//! of its own name and of the pages it is a variant of, or that of the list if it is higher. Prices
//! of directives are not seen.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::exempt::is_exempt;
use super::normal_path::{NormalPath, path_and_query};
use super::price::{PRICE_FILE_SUFFIX, Price, is_price_file, parse_price, read_price_file};
use super::prices::{ListEntry, PriceList};
use super::request::Request;
use super::variants::priced_names;
use crate::error::FileError;
use crate::money::Money;

/// The endings of copies that editors and people leave beside a page.
const COPY_ENDINGS: [&str; 7] = ["~", ".bak", ".old", ".orig", ".save", ".swp", ".tmp"];

/// The files that servers send for a folder.
const INDEXES: [&str; 3] = ["index.html", "index.htm", "index.php"];

/// Something about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriceFact {
    /// A page has a price.
    Priced(PricedPage),
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
        /// Its price, which the servers ask for a page of this name although there is none.
        coins: u32,
        /// The name that it should probably have.
        meant: Option<PathBuf>,
        /// Whether there is a folder of this name, which a price file does not cover.
        is_for_folder: bool,
    },
    /// A file looks like a price file but does not have the name of one, such as `page.html.MM`.
    /// It has no effect, and anyone can read it.
    WrongName {
        /// The file.
        file: PathBuf,
        /// The name that it should probably have.
        meant: PathBuf,
    },
    /// A variant of a page costs less than the page, or a copy of it or a link to it does.
    Cheaper {
        /// The variant, copy or link.
        page: PathBuf,
        /// What it costs.
        coins: u32,
        /// The page or variant that costs more.
        than: PathBuf,
        /// What that one costs.
        than_coins: u32,
    },
    /// The index of a folder costs another price by the list than the folder, whose page it is.
    IndexDiffers {
        /// The index.
        page: PathBuf,
        /// What it costs under its own name.
        coins: u32,
        /// What the folder costs.
        folder_coins: u32,
    },
    /// A folder was not examined.
    NotExamined {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// A page and what says that it has a price. At least one of both does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedPage {
    /// The page.
    pub page: PathBuf,
    /// The price in a price file, and the file: of several, the one with the highest price.
    pub file: Option<(u32, PathBuf)>,
    /// The entry of the price list.
    pub entry: Option<ListEntry>,
}

impl PricedPage {
    /// The price: the higher one of both.
    pub fn coins(&self) -> u32 {
        let file = self.file.as_ref().map_or(0, |(coins, _)| *coins);
        file.max(self.entry.as_ref().map_or(0, |entry| entry.coins))
    }
}

/// The price list of a vendor, for a folder whose pages are at a path of its first origin.
#[derive(Clone, Copy, Debug)]
pub struct ListedFolder<'a> {
    /// The list.
    pub list: &'a PriceList,
    /// The folder.
    pub root: &'a Path,
    /// The path of its pages, such as `/`.
    pub path: &'a str,
}

impl ListedFolder<'_> {
    /// The entry that decides about a page. The index of a folder is also the page of the folder,
    /// and the higher price of both counts.
    fn entry(&self, page: &Path) -> Option<ListEntry> {
        let (own, folder) = self.entries(page)?;
        own.into_iter().chain(folder.flatten()).max_by_key(|entry| entry.coins)
    }

    /// The entry for a page under its own name, and, if it is the index of a folder, the entry for
    /// the folder.
    #[allow(clippy::option_option, reason = "no index is not the same as no entry")]
    fn entries(&self, page: &Path) -> Option<(Option<ListEntry>, Option<Option<ListEntry>>)> {
        let below = page.strip_prefix(self.root).ok()?.as_os_str().as_bytes();
        let path = [self.path.trim_end_matches('/').as_bytes(), b"/", below].concat();
        let name_at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let find = |path: &[u8]| {
            let found = self.list.deciding_decoded(path, &Request::default());
            found.filter(|_| !is_exempt(path))
        };
        let folder = path[name_at..].starts_with(b"index.").then(|| find(&path[..name_at]));
        Some((find(&path), folder))
    }
}

/// The file that a server sends for a path of a URL, if its pages are the files in `root`: for a
/// folder its index. `None` if there is none.
pub fn file_of(root: &Path, path: &str) -> Option<PathBuf> {
    let path = NormalPath::of_sent(path_and_query(path.as_bytes())?.0);
    // A server decodes these two escapes as well before it looks for a file; a name has no slash.
    let (mut name, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        name.push(*byte);
        rest = if rest.starts_with(b"%25") { &rest[3..] } else { after };
    }
    let slashes = name.iter().take_while(|byte| **byte == b'/').count();
    let file = root.join(OsStr::from_bytes(&name[slashes..]));
    if !file.is_dir() {
        return file.exists().then_some(file);
    }
    INDEXES.iter().map(|name| file.join(name)).find(|index| index.exists())
}

/// The price of one page by price files, where a base coin is worth `coin_value`: a price or a
/// mistake. `None` if it has no price file.
///
/// # Errors
/// The folder of the page cannot be read.
pub fn price_of(page: &Path, coin_value: Option<Money>) -> Result<Option<PriceFact>, FileError> {
    let folder = page.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = FolderNames::read(folder).map_err(FileError::on("read", folder))?;
    let Some(name) = page.file_name().map(OsStrExt::as_bytes) else { return Ok(None) };
    let folder = Folder::new(folder, &names, None, coin_value);
    let broken = priced_names(name).iter().find_map(|named| {
        let (named, price) = folder.prices.get_key_value(&**named)?;
        let reason = price.as_ref().err()?.clone();
        Some(PriceFact::Broken {
            file: folder.price_file(named),
            reason,
            pages: vec![page.to_path_buf()],
        })
    });
    Ok(broken.or_else(|| folder.priced(name).map(PriceFact::Priced)))
}

/// Examines a folder and the folders in it, one after the other in the order of their names.
/// `listed` is the price list, if there is one, and `coin_value` what a base coin is worth. Returns
/// the number of pages, with and without a price. Folders that are symbolic links are not entered.
///
/// # Errors
/// `root` cannot be read.
pub fn survey(
    root: &Path,
    listed: Option<ListedFolder<'_>>,
    coin_value: Option<Money>,
    mut visit: impl FnMut(PriceFact),
) -> Result<u64, FileError> {
    let mut pages = 0;
    let mut files = FileNames::default();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        match FolderNames::read(&folder) {
            Ok(names) => {
                pages += names.pages.len() as u64;
                Folder::new(&folder, &names, listed, coin_value)
                    .facts(&mut files)
                    .into_iter()
                    .for_each(&mut visit);
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
    files.cheaper().into_iter().for_each(visit);
    Ok(pages)
}

/// The prices of the names of each file that has a price or may have several names.
#[derive(Default)]
struct FileNames {
    names: BTreeMap<FileId, Vec<(PathBuf, u32)>>,
    /// The free files of one name, to which a link may lead that costs something.
    free: BTreeSet<FileId>,
}

/// Device and inode.
type FileId = (u64, u64);

impl FileNames {
    /// Adds a page at its price. A page that was removed in the meantime is left out.
    fn add(&mut self, page: PathBuf, coins: u32) {
        let Ok(own) = fs::symlink_metadata(&page) else { return };
        let Ok(file) = fs::metadata(&page) else { return };
        let id = (file.dev(), file.ino());
        if coins > 0 || own.is_symlink() || file.nlink() > 1 {
            self.names.entry(id).or_default().push((page, coins));
        } else {
            self.free.insert(id);
        }
    }

    /// The names that cost less than another name of the same file.
    fn cheaper(self) -> Vec<PriceFact> {
        let mut facts = Vec::new();
        for (id, mut names) in self.names {
            names.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
            let Some((than, than_coins)) = names.first().cloned() else { continue };
            if self.free.contains(&id) {
                // Only links have such a name beside them.
                names.extend(fs::canonicalize(&than).ok().map(|page| (page, 0)));
            }
            let cheaper = names.into_iter().filter(|(_, coins)| *coins < than_coins);
            facts.extend(cheaper.map(|(page, coins)| {
                let than = than.clone();
                PriceFact::Cheaper { page, coins, than, than_coins }
            }));
        }
        facts
    }
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
            let page_of = |name: &[u8]| {
                OsStr::from_bytes(&name[..name.len() - PRICE_FILE_SUFFIX.len()]).to_os_string()
            };
            let is_folder = if kind.is_symlink() {
                // A link that leads nowhere counts as a file.
                fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir())
            } else {
                kind.is_dir()
            };
            let set = match is_folder {
                // A folder in place of a price file: its page is not served.
                true if is_price_file(&name) && folder.join(page_of(&name)).is_file() => {
                    &mut names.price_files
                }
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
    listed: Option<ListedFolder<'a>>,
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
    fn new(
        path: &'a Path,
        names: &'a FolderNames,
        listed: Option<ListedFolder<'a>>,
        coin_value: Option<Money>,
    ) -> Folder<'a> {
        let named = |file: &'a Vec<u8>| &file[..file.len() - PRICE_FILE_SUFFIX.len()];
        let price = |file: &'a Vec<u8>| read(&at(path, file), coin_value);
        let prices = names.price_files.iter().map(|file| (named(file), price(file)));
        Folder { path, names, listed, prices: prices.collect() }
    }

    /// The facts about this folder. Adds its pages to `files`, except those that are reported here
    /// as variants or copies.
    fn facts(&self, files: &mut FileNames) -> Vec<PriceFact> {
        let mut facts = Vec::new();
        let mut used: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
        let mut priced: BTreeMap<&[u8], Option<u32>> = BTreeMap::new();
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
            let found = self.priced(page);
            let coins = found.as_ref().map_or(0, PricedPage::coins);
            // A page whose price file is broken is not served, whatever it costs.
            let is_broken = self.price(page) == FilePrice::Broken;
            priced.insert(page, (!is_broken).then_some(coins));
            facts.extend(self.index_fact(page));
            facts.extend(found.filter(|_| coins > 0).map(PriceFact::Priced));
        }
        for (named, price) in &self.prices {
            let pages = used.get(named).map(Vec::as_slice).unwrap_or_default();
            match price {
                Err(reason) => facts.push(PriceFact::Broken {
                    file: self.price_file(named),
                    reason: reason.clone(),
                    pages: pages.iter().map(|page| at(self.path, page)).collect(),
                }),
                Ok(coins) if pages.is_empty() => facts.push(self.orphan(named, *coins)),
                Ok(_) => {}
            }
        }
        let cheaper = self.cheaper(&priced);
        for (page, coins) in priced {
            let page = at(self.path, page);
            let is_this = |fact: &PriceFact| matches!(fact, PriceFact::Cheaper { page: it, .. } if *it == page);
            if let Some(coins) = coins.filter(|_| !cheaper.iter().any(is_this)) {
                files.add(page, coins);
            }
        }
        facts.extend(cheaper);
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

    /// What says that a page has a price; `None` if nothing does.
    fn priced(&self, page: &[u8]) -> Option<PricedPage> {
        let file = match self.price(page) {
            FilePrice::Priced { coins, named } => Some((coins, self.price_file(named))),
            FilePrice::Free | FilePrice::Broken => None,
        };
        let page = at(self.path, page);
        let entry = self.listed.and_then(|listed| listed.entry(&page));
        (file.is_some() || entry.is_some()).then_some(PricedPage { page, file, entry })
    }

    /// Whether the index of this folder can be had for less under one of its two names.
    fn index_fact(&self, name: &[u8]) -> Option<PriceFact> {
        let page = at(self.path, name);
        let (own, folder) = self.listed?.entries(&page)?;
        let file = self.price(name).coins();
        let price = |entry: Option<ListEntry>| file.max(entry.map_or(0, |entry| entry.coins));
        let (coins, folder_coins) = (price(own), price(folder?));
        (coins != folder_coins).then_some(PriceFact::IndexDiffers { page, coins, folder_coins })
    }

    fn price_file(&self, named: &[u8]) -> PathBuf {
        at(self.path, &[named, PRICE_FILE_SUFFIX.as_bytes()].concat())
    }

    fn orphan(&self, named: &[u8], coins: u32) -> PriceFact {
        // `long.mm` for `long.html`: the file that has this name and one ending more.
        let is_longer = |page: &&Vec<u8>| {
            page.strip_prefix(named).is_some_and(|rest| {
                rest.first() == Some(&b'.') && !rest[1..].contains(&b'.') && rest.len() > 1
            })
        };
        let meant = self.names.pages.iter().find(is_longer).map(|page| self.price_file(page));
        let is_for_folder = self.names.folders.contains(named);
        PriceFact::Orphan { file: self.price_file(named), coins, meant, is_for_folder }
    }

    /// The variants and copies that cost less than the dearest of their page.
    fn cheaper(&self, priced: &BTreeMap<&[u8], Option<u32>>) -> Vec<PriceFact> {
        let mut families: BTreeMap<Vec<u8>, Vec<&[u8]>> = BTreeMap::new();
        for page in priced.keys() {
            let original = without_copy_ending(page);
            let names = priced_names(original);
            // The name without all parts that tell a variant is the last one; there is always one.
            let family = names.last().map_or_else(Vec::new, |name| name.to_vec());
            families.entry(family).or_default().push(page);
        }
        let coins = |page: &&[u8]| priced.get(page).copied().flatten().unwrap_or_default();
        let mut facts = Vec::new();
        for members in families.values().filter(|members| members.len() > 1) {
            // Of several, the one with the shortest name is the page, and not its copy.
            let rank = |page: &&[u8]| (coins(page), Reverse(page.len()));
            let Some(dearest) = members.iter().copied().max_by_key(rank) else { continue };
            let is_cheaper =
                |page: &&&[u8]| coins(page) < coins(&dearest) && priced[**page].is_some();
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
fn read(path: &Path, coin_value: Option<Money>) -> Result<u32, String> {
    let text = read_price_file(path).map_err(|error| format!("cannot be read: {error}"))?;
    // A file that was removed in the meantime has no price.
    let price = text.map_or(Ok(Price::FREE), |text| parse_price(&text));
    price.and_then(|price| price.coins(coin_value)).map_err(|error| error.to_string())
}

/// The price file that this name was probably meant to be, if it looks like one and is not:
/// `page.html.mm` for `page.html.MM`, `page.html.mm.txt` and `page.html.mm~`.
fn meant_price_file(name: &[u8]) -> Option<Vec<u8>> {
    let suffix = PRICE_FILE_SUFFIX.as_bytes();
    let lower = name.trim_ascii_end().to_ascii_lowercase();
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
    use crate::vendor::price::PRICE_FILE_SIZE_MAX;

    /// The facts about a folder with these files, as lines with paths relative to it.
    fn facts(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut lines = Vec::new();
        survey(folder.path(), None, None, |fact| {
            let text = format!("{fact:?}");
            lines.push(text.replace(&format!("{}/", folder.path().display()), ""));
        })
        .unwrap();
        lines
    }

    fn priced(page: &str, file: &str) -> String {
        format!("Priced(PricedPage {{ page: {page:?}, file: Some(({file})), entry: None }})")
    }

    fn list(text: &str) -> PriceList {
        PriceList::parse(text, &["https://news.example".parse().unwrap()], None).unwrap()
    }

    #[test]
    fn the_higher_price_of_list_and_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("2026/long")).unwrap();
        for (name, text) in [
            ("2026/long/index.html", ""),
            ("2026/a.pdf", ""),
            ("2026/a.pdf.gz", ""),
            ("2026/b.pdf", ""),
            ("2026/b.pdf.mm", "4"),
            ("robots.txt", ""),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
        let list = list(
            "[[price]]\npath = \"/x/2026/{id}/\"\ncoins = 2\n\
             [[price]]\npath = \"/{*rest}\"\nsuffix = \".pdf\"\ncoins = 3\n",
        );
        let listed = ListedFolder { list: &list, root, path: "/x/" };
        let (mut found, mut cheaper) = (Vec::new(), Vec::new());
        survey(root, Some(listed), None, |fact| match fact {
            PriceFact::Priced(page) => {
                let name = page.page.strip_prefix(root).unwrap().to_str().unwrap().to_string();
                found.push((name, page.coins(), page.file.is_some(), page.entry.unwrap().entry));
            }
            other => cheaper.push(other),
        })
        .unwrap();
        let line = |name: &str, coins, has_file, entry: &str| {
            (name.to_string(), coins, has_file, entry.to_string())
        };
        // A path of two parts below /x/ is that of the first entry, which is more specific.
        let expected = [
            line("2026/a.pdf", 2, false, "/x/2026/{id}/"),
            line("2026/a.pdf.gz", 2, false, "/x/2026/{id}/"),
            line("2026/b.pdf", 4, true, "/x/2026/{id}/"),
            line("2026/long/index.html", 2, false, "/x/2026/{id}/"),
        ];
        assert_eq!(found, expected);
        // The index costs nothing under its own name, and two coins as the page of its folder.
        let page = root.join("2026/long/index.html");
        assert_eq!(cheaper, [PriceFact::IndexDiffers { page, coins: 0, folder_coins: 2 }]);
        let root_listed = ListedFolder { path: "/", ..listed };
        let entry = root_listed.entry(&root.join("2026/a.pdf")).unwrap();
        assert_eq!((&*entry.entry, entry.coins), ("/{*rest} (suffix .pdf)", 3));
        assert_eq!(root_listed.entry(&root.join("robots.txt")), None);
        // The list does not know that a variant belongs to its page.
        let mut cheaper = Vec::new();
        survey(root, Some(root_listed), None, |fact| {
            if let PriceFact::Cheaper { page, than_coins, .. } = fact {
                cheaper.push((page.strip_prefix(root).unwrap().to_path_buf(), than_coins));
            }
        })
        .unwrap();
        assert_eq!(cheaper, [(PathBuf::from("2026/a.pdf.gz"), 3)]);
    }

    #[test]
    fn a_url_leads_to_its_file_and_its_price() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("a b")).unwrap();
        for (name, text) in
            [("a b/index.html", ""), ("a b/index.html.mm", "2"), ("50%.html", ""), ("c", "")]
        {
            fs::write(root.join(name), text).unwrap();
        }
        for (path, file) in [
            ("/a%20b/", Some("a b/index.html")),
            ("/a%20b", Some("a b/index.html")),
            ("//x/../a%20b/index.html?q", Some("a b/index.html")),
            ("/50%25.html", Some("50%.html")),
            ("/../../c", Some("c")),
            ("/", None),
            ("/absent", None),
        ] {
            assert_eq!(file_of(root, path), file.map(|file| root.join(file)), "{path}");
        }
        let fact = price_of(&root.join("a b/index.html"), None).unwrap().unwrap();
        let PriceFact::Priced(page) = &fact else { panic!("{fact:?}") };
        assert_eq!(page.file, Some((2, root.join("a b/index.html.mm"))));
        assert_eq!(price_of(&root.join("c"), None).unwrap(), None);
        fs::write(root.join("c.mm"), "two").unwrap();
        let fact = price_of(&root.join("c"), None).unwrap().unwrap();
        assert!(matches!(fact, PriceFact::Broken { .. }), "{fact:?}");
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
                priced("a/page.html", "2, \"a/page.html.mm\""),
                priced("a/page.html.gz", "2, \"a/page.html.mm\""),
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
                orphan("2026.mm", "coins: 1, meant: None, is_for_folder: true"),
                orphan("gone.html.mm", "coins: 2, meant: None, is_for_folder: false"),
                orphan("long.mm", "coins: 2, meant: Some(\"long.html.mm\"), is_for_folder: false"),
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
            // A file of this name counts as a variant, and costs what the page costs.
            ("long.html.bak", ""),
            ("long.html.orig", ""),
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
            line("long.html.orig", "long.html", 3),
            line("long.html~", "long.html", 3),
            line("page.html", "page.html.gz", 2),
        ];
        assert_eq!(cheaper, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn links_that_cost_less_than_their_page_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = &fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(root.join("old")).unwrap();
        for (name, text) in [("a.html", ""), ("a.html.mm", "3"), ("b.html", ""), ("c.html", "")] {
            fs::write(root.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink("../a.html", root.join("old/story.html")).unwrap();
        fs::hard_link(root.join("a.html"), root.join("old/hard.html")).unwrap();
        // These cost nothing under either name, and one link costs more than what it leads to.
        fs::hard_link(root.join("b.html"), root.join("old/b.html")).unwrap();
        std::os::unix::fs::symlink("../c.html", root.join("old/c.html")).unwrap();
        fs::write(root.join("old/c.html.mm"), "1").unwrap();
        std::os::unix::fs::symlink("nothing", root.join("old/dead.html")).unwrap();
        let mut found = Vec::new();
        survey(root, None, None, |fact| {
            if let PriceFact::Cheaper { page, coins, than, than_coins } = fact {
                let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
                found.push((name(&page), coins, name(&than), than_coins));
            }
        })
        .unwrap();
        found.sort();
        let line = |page: &str, than: &str, coins| (page.to_string(), 0, than.to_string(), coins);
        let expected = [
            line("c.html", "old/c.html", 1),
            line("old/hard.html", "a.html", 3),
            line("old/story.html", "a.html", 3),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_price_that_cannot_be_read_is_no_price() {
        let long = "2".repeat(PRICE_FILE_SIZE_MAX + 1);
        let found = facts(&[("a.html", ""), ("a.html.mm", "two"), ("b.html.mm", &long)]);
        assert!(found[0].starts_with("Broken { file: \"a.html.mm\", reason: \"expected a price"));
        assert!(found[0].ends_with("pages: [\"a.html\"] }"), "{}", found[0]);
        assert!(
            found[1].contains("b.html.mm") && found[1].contains("more than 64 bytes"),
            "{}",
            found[1]
        );
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn linked_and_closed_folders_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        fs::create_dir_all(root.join("real")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("loop")).unwrap();
        let mut found = Vec::new();
        assert_eq!(survey(&root, None, None, |fact| found.push(fact)).unwrap(), 0);
        let [PriceFact::NotExamined { folder, reason }] = &found[..] else { panic!("{found:?}") };
        assert!(folder.ends_with("loop") && reason.contains("symbolic link"));
        let error = survey(&root.join("absent"), None, None, |_| {}).unwrap_err().to_string();
        assert!(error.contains("absent"), "{error}");
    }
}
