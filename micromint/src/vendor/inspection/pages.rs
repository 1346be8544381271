//! The price list, and the price files of the folders that the server publishes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Finding, Findings, Inspection, Severity, Texts, shown, split_position};
use crate::host::DiskDirectory;
use crate::money::{Money, coins};
use crate::vendor::check::Checker;
use crate::vendor::config::VendorConfig;
use crate::vendor::periods::load_periods;
use crate::vendor::price::parse_price;
use crate::vendor::price_files::{ListedFolder, PriceFact, PricedPage, survey};
use crate::vendor::prices::{ListEntry, PriceList};

/// The bit of a mode that lets a file be read.
const READ: u32 = 4;

pub(super) fn inspect(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    inspect_own_page(inspection, config, findings);
    let list = read_list(inspection, config, findings);
    // Periods that cannot be read are a finding of `periods`.
    let folder = DiskDirectory::new(config.periods());
    let checker = load_periods(&folder, config.coin_value()).ok().map(|periods| {
        Checker::new(config.vendor().clone(), &periods).counted_in(config.coin_value())
    });
    inspect_directives(checker.as_ref(), inspection, config, findings);
    if let (Some(path), Some(list)) = (config.prices(), &list) {
        for entry in list.entries() {
            let what = format!("{}: ", entry.entry);
            add_too_high(checker.as_ref(), path, what, entry.highest(), inspection, findings);
        }
        inspect_never_deciding(path, list, findings);
    }
    let roots: BTreeSet<&Path> = inspection.roots().collect();
    for root in roots {
        let mut price_files: BTreeSet<PathBuf> = BTreeSet::new();
        // A folder that cannot be read is a finding of `sites`.
        let listed = list.as_ref().map(|list| ListedFolder { list, root, path: "/" });
        let _ = survey(root, listed, config.coin_value(), |fact| {
            if let PriceFact::Priced(PricedPage { file: Some((price, path)), .. }) = &fact {
                price_files.insert(path.clone());
                add_too_high(checker.as_ref(), path, String::new(), *price, inspection, findings);
            }
            findings.0.extend(price_finding(&fact, config.coin_value()));
        });
        let means = "the page of this price file is answered with 500";
        for path in price_files {
            if let Some(workers) = &inspection.workers {
                workers.need(&path, READ, means, findings);
            }
        }
    }
}

/// What a page of the vendor's own leaves out.
fn inspect_own_page(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    for warning in config.page().warnings() {
        let (place, found) = split_position(&inspection.config, warning);
        let means = "people who are asked to pay see less than on the shipped page";
        let advice = "add it to the page; docs/reference/vendor.md, \"A page of your own\", has the \
                      placeholders and texts";
        let texts = Texts { found, means: means.to_string(), advice: advice.to_string() };
        findings.add(Severity::Warning, "page", place, texts);
    }
}

/// The prices of directives that cannot be asked for. The server notices it with each request only.
fn inspect_directives(
    checker: Option<&Checker>,
    inspection: &Inspection,
    config: &VendorConfig,
    findings: &mut Findings,
) {
    for (position, price) in inspection.sites.iter().flat_map(|site| &site.prices) {
        // A text that is no price stops the server, or is an expression.
        let Ok(price) = parse_price(price.as_bytes()) else { continue };
        let error = match price.coins(config.coin_value()) {
            Ok(coins) => {
                let place = Path::new(position);
                add_too_high(checker, place, String::new(), coins, inspection, findings);
                continue;
            }
            Err(error) => error,
        };
        let means = "every request for a page there is answered with 500";
        let advice = "ask for less, or see whether the price is in the currency of `coin-value`";
        let texts = Texts {
            found: error.to_string(),
            means: means.to_string(),
            advice: advice.to_string(),
        };
        findings.add(Severity::Error, "price-directive", position, texts);
    }
}

/// The entries of the list that another one always hides.
fn inspect_never_deciding(path: &Path, list: &PriceList, findings: &mut Findings) {
    for (entry, other) in list.never_deciding() {
        let coins_of = |entry: &ListEntry| coins(entry.coins.into());
        let found = format!(
            "{}, {}, never decides: {}, {}, counts wherever it would",
            entry.entry,
            coins_of(&entry),
            other.entry,
            coins_of(&other)
        );
        let means = "its price is asked of nobody; of entries that are equally specific the \
                     highest price counts";
        let advice = "remove it, or make the other entry more general, such as one without a query";
        let texts = Texts { found, means: means.to_string(), advice: advice.to_string() };
        findings.add(Severity::Warning, "price-never", path, texts);
    }
}

/// Adds a finding if a price is too high for a payment in coins of some period.
fn add_too_high(
    checker: Option<&Checker>,
    path: &Path,
    what: String,
    price: u32,
    inspection: &Inspection,
    findings: &mut Findings,
) {
    let note = checker.and_then(|checker| checker.price_note(price, inspection.now));
    let Some(note) = note else { return };
    let means = "those who have no other coins cannot buy the page";
    let advice = "ask for less, or accept coins of a higher value";
    let texts = Texts { found: what + &note, means: means.to_string(), advice: advice.to_string() };
    findings.add(Severity::Warning, "price-too-high", path, texts);
}

/// The price list, if there is one that can be read.
fn read_list(
    inspection: &Inspection,
    config: &VendorConfig,
    findings: &mut Findings,
) -> Option<PriceList> {
    let path = config.prices()?;
    let means = "the server does not start; a running one keeps the prices that it has";
    match PriceList::load(path, config.origins(), config.coin_value()) {
        Ok(list) => {
            if let Some(workers) = &inspection.workers {
                workers.need(path, READ, "the workers keep using old prices", findings);
            }
            Some(list)
        }
        Err(error) => {
            let (place, found) = split_position(path, &error.to_string());
            let advice = "correct it; docs/reference/vendor.md, \"The price list\", has the keys";
            let texts = Texts { found, means: means.to_string(), advice: advice.to_string() };
            findings.add(Severity::Error, "price-list", place, texts);
            None
        }
    }
}

/// The finding for a mistake, where a base coin is worth `coin_value`; `None` for a price.
pub fn price_finding(fact: &PriceFact, coin_value: Option<Money>) -> Option<Finding> {
    let (severity, kind, path, texts) = match fact {
        PriceFact::Priced(_) => return None,
        PriceFact::Broken { file, reason, .. } => {
            (Severity::Error, "price-file", file, broken(reason, coin_value))
        }
        PriceFact::Orphan { file, coins, meant, is_for_folder } => {
            let texts = orphan(*coins, meant.as_deref(), *is_for_folder);
            (Severity::Warning, "price-file-orphan", file, texts)
        }
        PriceFact::WrongName { file, meant } => {
            (Severity::Warning, "price-file-name", file, wrong_name(meant))
        }
        PriceFact::Cheaper { page, coins, than, than_coins } => {
            let severity = if *coins == 0 { Severity::Warning } else { Severity::Note };
            (severity, "variant-price", page, cheaper(*coins, than, *than_coins))
        }
        PriceFact::IndexDiffers { page, coins, folder_coins } => {
            (Severity::Warning, "index-price", page, index_differs(*coins, *folder_coins))
        }
        PriceFact::NotExamined { folder, reason } => {
            (Severity::Note, "not-examined", folder, not_examined(reason))
        }
    };
    Some(Finding::new(severity, kind, path, texts))
}

fn broken(reason: &str, coin_value: Option<Money>) -> Texts {
    let advice = match coin_value.and_then(|value| value.checked_mul(2)) {
        Some(two) => {
            format!("write one number of coins into it, such as 2, or an amount, such as {two}")
        }
        None => "write one number of coins into it, such as 2; for a price in money, first set \
                 coin-value in the vendor's configuration"
            .to_string(),
    };
    Texts { found: reason.to_string(), means: "its page is answered with 500".to_string(), advice }
}

fn orphan(coins: u32, meant: Option<&Path>, is_for_folder: bool) -> Texts {
    let advice = match meant {
        Some(meant) => format!("rename it to {}", shown(meant)),
        None if is_for_folder => "price a folder by a directive of the server instead".to_string(),
        None => "remove it, or rename it to the full name of its page with .mm".to_string(),
    };
    let means = if coins == 0 || is_for_folder {
        "it has no effect; a page that was meant is free"
    } else {
        "who asks for a page of this name is asked to pay, and then gets 404; the payment is \
         reversed, and its coins can be spent at this site only. Another page that was meant is free"
    };
    Texts { found: "there is no page of this name".to_string(), means: means.to_string(), advice }
}

fn wrong_name(meant: &Path) -> Texts {
    let means = "it has no effect, and visitors can read it; a page that was meant is free";
    Texts {
        found: "looks like a price file, but its name does not end in .mm".to_string(),
        means: means.to_string(),
        advice: format!("rename it to {}", shown(meant)),
    }
}

fn cheaper(price: u32, than: &Path, than_price: u32) -> Texts {
    let (price, than_price) = (coins(price.into()), coins(than_price.into()));
    let means = "visitors who ask for this name pay less for what is probably the same text";
    let advice = "remove a copy; price a variant or a link like its page, by a price file for the \
                  plain name or by an entry of the list";
    Texts {
        found: format!("costs {price}, and {} costs {than_price}", shown(than)),
        means: means.to_string(),
        advice: advice.to_string(),
    }
}

fn index_differs(price: u32, folder_price: u32) -> Texts {
    let (price, folder) = (coins(price.into()), coins(folder_price.into()));
    let advice = "price both by one entry of the list, such as /folder/{*rest}, or by the price \
                  file of the index";
    Texts {
        found: format!("costs {price} under this name, and {folder} as the page of its folder"),
        means: "visitors choose the address that costs less".to_string(),
        advice: advice.to_string(),
    }
}

fn not_examined(reason: &str) -> Texts {
    Texts {
        found: reason.to_string(),
        means: "the price files in it were not examined".to_string(),
        advice: "examine it by its own name".to_string(),
    }
}
