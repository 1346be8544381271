//! `find`: the payment that a reader asks about.

use clap::Args;
use micromint::money::coins;
use micromint::vendor::lookup::{FoundPayment, ReferenceDigits, find};
use micromint::vendor::redemption::summary;
use micromint_console::{EXIT_OK, FormatArgs, ToolError, say, tell};
use serde_json::{Value, json};

use crate::redeem::EXIT_NOTHING;
use crate::status::batch_json;
use crate::vendor_files::VendorFiles;

#[derive(Args)]
pub(crate) struct Find {
    #[command(flatten)]
    files: VendorFiles,
    #[command(flatten)]
    format: FormatArgs,
    /// The reference of the payment, 32 hexadecimal digits, or the first 8 or more of them
    reference: ReferenceDigits,
}

impl Find {
    pub(crate) fn run(&self) -> Result<u8, ToolError> {
        let vendor = self.files.open()?;
        let (found, first_day) = find(&vendor.till, &self.reference)?;
        if self.format.is_json() {
            say!("{}", Value::Array(found.iter().map(payment_json).collect()));
        } else {
            found.iter().for_each(print_payment);
        }
        if !found.is_empty() {
            return Ok(EXIT_OK);
        }
        match first_day {
            Some(day) => tell!(
                "mmvendor: no payment has this reference; the till has payments since {day}, and \
                 older ones were removed after their redemption"
            ),
            None => tell!("mmvendor: no payment has this reference; the till has no payments"),
        }
        Ok(EXIT_NOTHING)
    }
}

fn print_payment(payment: &FoundPayment) {
    let FoundPayment { reference, page, user, period, recorded_at, .. } = payment;
    say!("payment {reference}");
    say!("  page: {page}");
    say!("  paid: {} of {period} by {user} at {recorded_at}", coins(payment.coins));
    if let Some(at) = payment.reversed_at {
        return say!("  reversed at {at}: the page was not delivered, and the coins are unspent");
    }
    if let Some(at) = payment.retried_at {
        say!("  sent again at {at}, and served without a charge");
    }
    match &payment.batch {
        None => say!("  in no batch yet"),
        Some(batch) => {
            let result = batch.result.as_ref().map(summary);
            let result = result.unwrap_or_else(|| "no result yet".to_string());
            say!("  in batch {}, {}: {result}", batch.id, coins(batch.coins.into()));
        }
    }
}

fn payment_json(payment: &FoundPayment) -> Value {
    json!({
        "reference": payment.reference, "page": payment.page, "user": payment.user.as_str(),
        "period": payment.period.as_str(), "coins": payment.coins,
        "recorded-at": payment.recorded_at.to_string(),
        "retried-at": payment.retried_at.map(|at| at.to_string()),
        "reversed-at": payment.reversed_at.map(|at| at.to_string()),
        "batch": payment.batch.as_ref().map(batch_json),
    })
}
