//! Prints accounts, the status and the list of offenders.

use micromint::broker::{Broker, UserAccount, VendorAccount};
use micromint::identity::{UserId, VendorId};
use micromint::money::Money;
use micromint::time::UnixTime;
use micromint_console::{EXIT_OK, ToolError, say};

use crate::common::counted;

/// Shows the account of the vendor or the user of this name, or of both.
pub(crate) fn account(broker: &mut Broker, name: &str, now: UnixTime) -> Result<u8, ToolError> {
    let vendor = match name.parse::<VendorId>() {
        Ok(vendor) => broker.vendor_account(&vendor, now)?,
        Err(_) => None,
    };
    let user = match name.parse::<UserId>() {
        Ok(user) => broker.user_account(&user, now)?,
        Err(_) => None,
    };
    if vendor.is_none() && user.is_none() {
        let period = broker.params().period();
        return Err(format!(
            "expected a registered vendor or a user who bought coins of {period}, found {name}"
        )
        .into());
    }
    let value = broker.params().coin_value();
    if let Some(account) = vendor {
        print_vendor(name, &account, value);
    }
    if let Some(account) = user {
        print_user(name, &account, value);
    }
    Ok(EXIT_OK)
}

fn print_vendor(name: &str, account: &VendorAccount, value: Money) {
    say!("vendor {name}, registered {}", account.registered);
    for batch in &account.batches {
        say!(
            "  {}  batch {}: {}, {} paid immediately, {} waiting, {} forged",
            batch.when,
            batch.batch,
            counted(batch.claims.count, "coin"),
            batch.accepted,
            batch.waiting,
            batch.forged
        );
    }
    say!("  redeemed: {}", worth(account.coins_paid, value));
    say!("  waiting until redeem-until: {}", worth(account.coins_waiting, value));
}

fn print_user(name: &str, account: &UserAccount, value: Money) {
    say!("user {name}");
    for sale in &account.sales {
        say!("  {}  sale {}: {}", sale.when, sale.transaction, counted(sale.sets.into(), "set"));
    }
    for back in &account.returns {
        say!("  {}  return {}: {}", back.when, back.request, counted(back.claims.count, "coin"));
    }
    say!("  sold: {}", worth(account.coins_sold, value));
    say!("  credited: {}", worth(account.coins_credited, value));
    say!("  waiting until redeem-until: {}", worth(account.coins_waiting, value));
    if let Some(when) = account.revoked {
        say!("  revoked {when}");
    }
}

/// `4 coins (0.04 USD)`; the number alone if the sum overflows.
fn worth(coins: u64, value: Money) -> String {
    let count = counted(coins, "coin");
    match value.checked_mul(coins) {
        Some(sum) => format!("{count} ({sum})"),
        None => count,
    }
}

/// Shows the counts of the period.
pub(crate) fn status(broker: &mut Broker, now: UnixTime) -> Result<u8, ToolError> {
    let status = broker.status(now)?;
    say!("{}", broker.params());
    say!(
        "sales      {} ({}, {} left)",
        status.sales,
        counted(status.sets_sold, "set"),
        status.sets_left
    );
    say!("vendors    {}", status.vendors);
    say!("batches    {}", status.batches);
    say!("returns    {}", status.returns);
    say!("redeemed   {}", counted(status.coins_paid, "coin"));
    say!("credited   {}", counted(status.coins_credited, "coin"));
    say!("waiting    {}", counted(status.claims_waiting, "claim"));
    say!("forged     {}", counted(status.forged, "coin"));
    say!("revoked    {}", counted(status.revoked, "user"));
    say!("settled    {}", if status.is_settled { "yes" } else { "no" });
    if status.forged > 0 {
        eprintln!("mmbroker: ALARM: {} presented", counted(status.forged, "forged coin"));
    }
    Ok(EXIT_OK)
}

/// Lists the users who spent coins more than once.
pub(crate) fn offenders(broker: &mut Broker, now: UnixTime) -> Result<u8, ToolError> {
    for offender in broker.offenders(now)? {
        let batches: Vec<String> =
            offender.batches.iter().map(|(vendor, batch)| format!("{vendor} {batch}")).collect();
        say!(
            "{} spent {} more than once: {}",
            offender.user,
            counted(offender.balls, "coin"),
            batches.join(", ")
        );
    }
    Ok(EXIT_OK)
}
