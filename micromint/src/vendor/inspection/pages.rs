//! The price files of the folders that the server publishes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Finding, Findings, Inspection, Severity, Workers, shown};
use crate::money::coins;
use crate::vendor::config::VendorConfig;
use crate::vendor::price_files::{PriceFact, survey};

/// The bit of a mode that lets a file be read.
const READ: u32 = 4;

pub(super) fn inspect(inspection: &Inspection, _config: &VendorConfig, findings: &mut Findings) {
    let roots: BTreeSet<&Path> = inspection.roots().collect();
    for root in roots {
        let workers = inspection.workers.as_ref();
        let mut price_files: BTreeSet<PathBuf> = BTreeSet::new();
        // A folder that cannot be read is a finding of `sites`.
        let _ = survey(root, |fact| {
            if let PriceFact::Priced { because, .. } = &fact {
                price_files.insert(because.clone());
            }
            findings.0.extend(price_finding(&fact));
        });
        for path in price_files {
            inspect_reading(workers, &path, findings);
        }
    }
}

fn inspect_reading(workers: Option<&Workers>, path: &Path, findings: &mut Findings) {
    if let Some(workers) = workers {
        workers.need(path, READ, "the page of this price file is answered with 500", findings);
    }
}

/// The finding for a mistake; `None` for a price.
pub fn price_finding(fact: &PriceFact) -> Option<Finding> {
    let (severity, kind, place, found, means, advice) = match fact {
        PriceFact::Priced { .. } => return None,
        PriceFact::Broken { file, reason, .. } => (
            Severity::Error,
            "price-file",
            file,
            reason.clone(),
            "its page is answered with 500".to_string(),
            "write one number of coins into it, such as 2".to_string(),
        ),
        PriceFact::Orphan { file, meant, is_for_folder } => {
            let advice = match meant {
                Some(meant) => format!("rename it to {}", shown(meant)),
                None if *is_for_folder => {
                    "price a folder by a directive of the server instead".to_string()
                }
                None => "remove it, or rename it to the full name of its page with .mm".to_string(),
            };
            let found = "there is no page of this name".to_string();
            let means = "it has no effect; a page that was meant is free".to_string();
            (Severity::Warning, "price-file-orphan", file, found, means, advice)
        }
        PriceFact::WrongName { file, meant } => (
            Severity::Warning,
            "price-file-name",
            file,
            "looks like a price file, but its name does not end in .mm".to_string(),
            "it has no effect, and visitors can read it; a page that was meant is free".to_string(),
            format!("rename it to {}", shown(meant)),
        ),
        PriceFact::Cheaper { page, coins: price, than, than_coins } => (
            if *price == 0 { Severity::Warning } else { Severity::Note },
            "variant-price",
            page,
            format!(
                "costs {}, and {} costs {}",
                coins((*price).into()),
                shown(than),
                coins((*than_coins).into())
            ),
            "visitors who ask for this name pay less for what is probably the same text"
                .to_string(),
            "remove a copy; for a variant, put the price into the price file of the plain name"
                .to_string(),
        ),
        PriceFact::NotExamined { folder, reason } => (
            Severity::Note,
            "not-examined",
            folder,
            reason.clone(),
            "the price files in it were not examined".to_string(),
            "examine it by its own name".to_string(),
        ),
    };
    Some(Finding::new(severity, kind, place, [found, means, advice]))
}
