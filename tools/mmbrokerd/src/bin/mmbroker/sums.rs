//! The command `sums`: everything sums to zero.

use std::collections::BTreeMap;

use micromint::money::signed_in_words;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, say, tell};
use mmbrokerd::service::Service;
use mmbrokerd::shop::sums;

/// Prints the balances by kind and their total for each currency.
pub(crate) async fn run(service: &Service) -> Result<u8, ToolError> {
    let mut totals = BTreeMap::new();
    for sum in sums(service.store()).await? {
        *totals.entry(sum.currency).or_insert(0) += sum.units;
        say!("{:>10} {:>8}  {}", sum.kind, sum.accounts, signed_in_words(sum.units, sum.currency));
    }
    for (currency, total) in &totals {
        say!("{:>10} {:>8}  {}", "total", "", signed_in_words(*total, *currency));
    }
    let faults = service.store().ledger_faults().await?;
    for fault in &faults {
        tell!("mmbroker: {fault}");
    }
    let is_zero = totals.values().all(|total| *total == 0);
    if !is_zero {
        tell!("mmbroker: the accounts do not sum to zero");
    }
    Ok(if is_zero && faults.is_empty() { EXIT_OK } else { EXIT_FAILURE })
}
