//! `prices`: what pages cost and why.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::error::chain;
use micromint::money::{Money, coins, coins_worth};
use micromint::protocol::Url;
use micromint::vendor::income::coin_values;
use micromint::vendor::inspection::{Severity, price_finding, shown};
use micromint::vendor::price_files::{
    ListedFolder, PriceFact, PricedPage, file_of, price_of, survey,
};
use micromint::vendor::{Exemptions, ListEntry, PriceList, PublicRoot, Request, VendorConfig};
use micromint_console::{EXIT_FAILURE, EXIT_OK, FormatArgs, ToolError, say, tell};
use serde_json::{Value, json};

use crate::check::print_finding;
use crate::vendor_files::CONFIG_DEFAULT;

/// What this program does not know.
const UNSEEN: &str =
    "prices of directives are not seen; `mmwallet price URL` shows what the server asks";

#[derive(Args)]
pub(crate) struct Prices {
    /// The vendor's configuration file, for the price list [default: /etc/micromint/vendor.toml,
    /// which need not exist for a folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For a URL: the document root of its site, for price files
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// For a folder: the path of its pages at the first origin
    #[arg(long, value_name = "PATH", default_value = "/")]
    path: String,
    #[command(flatten)]
    format: FormatArgs,
    /// The URL of a page, or a folder of pages, such as the document root of a site [default: the
    /// entries of the price list]
    #[arg(value_name = "URL|FOLDER")]
    target: Option<PathBuf>,
}

/// A configuration with its price list, if it has one.
struct Configured {
    config: VendorConfig,
    list: Option<PriceList>,
}

impl Prices {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let Some(target) = &self.target else { return self.entries() };
        match target.to_str().filter(|text| text.contains("://")) {
            Some(url) => self.page(&url.parse()?),
            None => self.folder(target),
        }
    }

    fn configured(&self) -> Result<Configured, ToolError> {
        let path = self.config.as_deref().unwrap_or(Path::new(CONFIG_DEFAULT));
        let config = VendorConfig::load(path)?;
        let list = config
            .prices()
            .map(|path| PriceList::load(path, config.origins(), config.coin_value()));
        let list = list.transpose()?;
        Ok(Configured { config, list })
    }

    /// Prints the entries of the price list.
    fn entries(&self) -> Result<u8, ToolError> {
        let Configured { config, list } = self.configured()?;
        let Some(list) = list else {
            return Err("the configuration names no price list; name a folder of pages".into());
        };
        if self.format.is_json() {
            let entries: Vec<Value> = list.entries().map(|entry| entry_json(&entry)).collect();
            say!("{}", json!({ "entries": entries }));
            return Ok(EXIT_OK);
        }
        let value = coin_value(&config);
        for entry in list.entries() {
            let title = if entry.title.is_empty() { "" } else { ": " };
            let price = worth(entry.coins, value) + &for_bots(&entry);
            say!("{}: {price}{title}{}", entry.entry, entry.title);
        }
        Ok(EXIT_OK)
    }

    /// Prints what a page costs.
    fn page(&self, url: &Url) -> Result<u8, ToolError> {
        let Configured { config, list } = self.configured()?;
        let find = |root: &PublicRoot| Some((root.clone(), root.target_of(url)?.to_string()));
        let Some((root, target)) = config.origins().iter().find_map(find) else {
            return Err(format!("{}: is at none of the vendor's origins", url.as_str()).into());
        };
        let request = Request {
            method: b"GET",
            target: target.as_bytes(),
            is_https: root.origin().is_https(),
            host: Some(root.origin().authority().as_bytes()),
            ..Request::default()
        };
        let entry = list.as_ref().and_then(|list| list.deciding(&request, Exemptions::Apply));
        let file = self.root.as_deref().and_then(|folder| file_of(folder, &target));
        let fact = file.as_deref().map(|file| price_of(file, config.coin_value()));
        let fact = fact.transpose()?.flatten();
        let (priced, finding) = match fact {
            Some(PriceFact::Priced(page)) => (page.file, None),
            Some(other) => (None, price_finding(&other, config.coin_value())),
            None => (None, None),
        };
        // The server answers 500 to a page with a price file that holds no price.
        let is_broken = finding.as_ref().is_some_and(|it| it.severity == Severity::Error);
        let status = if is_broken { EXIT_FAILURE } else { EXIT_OK };
        let page = PricedPage { page: file.clone().unwrap_or_default(), file: priced, entry };
        if self.format.is_json() {
            let findings: Vec<_> = finding.iter().collect();
            let mut value = page_json(&page);
            value["page"] = json!(file.as_deref().map(shown));
            value["url"] = json!(url.as_str());
            value["findings"] = json!(findings);
            say!("{value}");
            return Ok(status);
        }
        say!("{}", url.as_str());
        match (&page.entry, config.prices()) {
            (Some(entry), _) => say!("  price list: {}, by {}", coins_of(entry), entry.entry),
            (None, Some(_)) => say!("  price list: no entry"),
            (None, None) => say!("  price list: none"),
        }
        match (&page.file, &file) {
            (Some((price, path)), _) => {
                say!("  price file: {}, by {}", coins((*price).into()), shown(path));
            }
            (None, Some(_)) if is_broken => say!("  price file: holds no price"),
            (None, Some(file)) => say!("  price file: none for {}", shown(file)),
            (None, None) if self.root.is_some() => say!("  price file: the page is no file"),
            (None, None) => say!("  price file: not examined; name the document root with --root"),
        }
        finding.iter().for_each(print_finding);
        match is_broken {
            true => say!("  is answered with 500"),
            false => {
                say!("  costs at least {}; {UNSEEN}", worth(page.coins(), coin_value(&config)));
            }
        }
        Ok(status)
    }

    /// Prints what the pages in a folder cost.
    fn folder(&self, folder: &Path) -> Result<u8, ToolError> {
        let has_config = self.config.is_some() || Path::new(CONFIG_DEFAULT).exists();
        let configured = if has_config { Some(self.configured()?) } else { None };
        let list = configured.as_ref().and_then(|configured| configured.list.as_ref());
        let listed = list.map(|list| ListedFolder { list, root: folder, path: &self.path });
        let (mut priced, mut findings) = (Vec::new(), Vec::new());
        let (mut count, is_json) = (0, self.format.is_json());
        let coin_value = configured.as_ref().and_then(|configured| configured.config.coin_value());
        let pages = survey(folder, listed, coin_value, |fact| {
            match (price_finding(&fact, coin_value), fact) {
                (Some(finding), _) => findings.push(finding),
                (None, PriceFact::Priced(page)) if is_json => priced.push(page_json(&page)),
                (None, PriceFact::Priced(page)) => {
                    count += 1;
                    print_page(&page);
                }
                (None, _) => {}
            }
        })?;
        if is_json {
            say!("{}", json!({ "pages": pages, "priced": priced, "findings": findings }));
            return Ok(EXIT_OK);
        }
        findings.iter().for_each(print_finding);
        say!("{pages} pages, {count} of them with a price, {} findings; {UNSEEN}", findings.len());
        Ok(EXIT_OK)
    }
}

/// What a base coin is worth; `None` if the periods cannot be read.
fn coin_value(config: &VendorConfig) -> Option<Money> {
    if let Some(value) = config.coin_value() {
        return Some(value);
    }
    match coin_values(config) {
        Ok(values) => values.into_values().next(),
        Err(error) => {
            tell!("mmvendor: warning: the value of a coin is not known: {}", chain(&error));
            None
        }
    }
}

fn worth(price: u32, value: Option<Money>) -> String {
    value.map_or_else(|| coins(price.into()), |value| coins_worth(price.into(), value))
}

fn coins_of(entry: &ListEntry) -> String {
    coins(entry.coins.into()) + &for_bots(entry)
}

/// What bots pay, if that is another price.
fn for_bots(entry: &ListEntry) -> String {
    if (entry.verified_bots, entry.unknown_bots) == (entry.coins, entry.coins) {
        return String::new();
    }
    let price = |number: u32| coins(number.into());
    let (verified, unknown) = (price(entry.verified_bots), price(entry.unknown_bots));
    format!(" (verified bots {verified}, other bots {unknown})")
}

fn print_page(page: &PricedPage) {
    let file = page.file.as_ref().map(|(price, path)| {
        format!("{} by the price file {}", coins((*price).into()), shown(path))
    });
    let entry = page.entry.as_ref();
    let entry = entry.map(|it| format!("{} by the entry {}", coins_of(it), it.entry));
    let reasons: Vec<String> = file.into_iter().chain(entry).collect();
    say!("{}: {}: {}", shown(&page.page), coins(page.coins().into()), reasons.join(", "));
}

fn entry_json(entry: &ListEntry) -> Value {
    json!({
        "entry": entry.entry, "coins": entry.coins, "title": entry.title,
        "verified-bots": entry.verified_bots, "unknown-bots": entry.unknown_bots,
    })
}

fn page_json(page: &PricedPage) -> Value {
    let file = page.file.as_ref();
    json!({
        "page": shown(&page.page), "coins": page.coins(),
        "price-file": file.map(|(coins, path)| json!({ "path": shown(path), "coins": coins })),
        "entry": page.entry.as_ref().map(entry_json),
    })
}
