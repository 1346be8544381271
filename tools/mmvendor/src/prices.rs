//! `prices`: what pages cost and why.

use std::path::PathBuf;

use clap::Args;
use micromint::money::coins;
use micromint::vendor::inspection::{price_finding, shown};
use micromint::vendor::price_files::{PriceFact, survey};
use micromint_console::{EXIT_OK, ToolError, say};
use serde_json::{Value, json};

use crate::check::print_finding;

#[derive(Args)]
pub(crate) struct Prices {
    /// A folder of pages, such as the document root of a site
    folder: PathBuf,
    /// Print JSON: one object
    #[arg(long)]
    json: bool,
}

impl Prices {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let (mut priced, mut mistakes) = (Vec::new(), Vec::new());
        let mut count = 0;
        let pages = survey(&self.folder, |fact| match price_finding(&fact) {
            Some(finding) => mistakes.push(finding),
            None if self.json => priced.push(price_json(&fact)),
            None => {
                count += 1;
                print_price(&fact);
            }
        })?;
        if self.json {
            say!("{}", json!({ "pages": pages, "priced": priced, "findings": mistakes }));
            return Ok(EXIT_OK);
        }
        mistakes.iter().for_each(print_finding);
        say!(
            "{pages} pages, {count} of them with a price file, {} findings. Prices of directives \
             are not seen: `mmwallet price URL` shows what the server asks",
            mistakes.len()
        );
        Ok(EXIT_OK)
    }
}

fn print_price(fact: &PriceFact) {
    if let PriceFact::Priced { page, coins: price, because } = fact {
        say!("{}: {}, by {}", shown(page), coins((*price).into()), shown(because));
    }
}

fn price_json(fact: &PriceFact) -> Value {
    match fact {
        PriceFact::Priced { page, coins, because } => json!({
            "page": shown(page), "coins": coins, "price-file": shown(because),
        }),
        _ => Value::Null,
    }
}
