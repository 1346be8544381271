//! Prints accounts, the status, and the lists of offenders, suspects and disputes.

use micromint::broker::{Broker, Offender, UserAccount, VendorAccount};
use micromint::identity::{UserId, VendorId};
use micromint::money::{Money, coins, coins_worth};
use micromint::time::UnixTime;
use micromint_console::{EXIT_OK, ToolError, say, tell};

use crate::common::alarm_in_words;

/// Shows the account of the vendor or the user of this name, or of both.
pub(crate) fn account(broker: &mut Broker, name: &str) -> Result<u8, ToolError> {
    let vendor = match name.parse::<VendorId>() {
        Ok(vendor) => broker.vendor_account(&vendor)?,
        Err(_) => None,
    };
    let user = match name.parse::<UserId>() {
        Ok(user) => broker.user_account(&user)?,
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
            coins(batch.claims.count),
            batch.accepted,
            batch.waiting,
            batch.forged
        );
    }
    say!("  redeemed: {}", coins_worth(account.coins_paid, value));
    say!("  waiting until redeem-until: {}", coins_worth(account.coins_waiting, value));
    say!("  disputed: {}", coins_worth(account.coins_disputed, value));
}

fn print_user(name: &str, account: &UserAccount, value: Money) {
    say!("user {name}");
    for sale in &account.sales {
        let sets = counted(sale.sets.into(), "set");
        let price = coins_worth(sale.coins.into(), value);
        say!("  {}  sale {}: {sets}, {price}", sale.when, sale.transaction);
    }
    for back in &account.returns {
        say!("  {}  return {}: {}", back.when, back.request, coins(back.claims.count));
    }
    say!("  sold: {}", coins_worth(account.coins_sold, value));
    say!("  credited: {}", coins_worth(account.coins_credited, value));
    say!("  waiting until redeem-until: {}", coins_worth(account.coins_waiting, value));
    say!("  disputed: {}", coins_worth(account.coins_disputed, value));
    if let Some(when) = account.revoked {
        say!("  revoked {when}");
    }
}

/// Shows the counts of the period.
pub(crate) fn status(broker: &mut Broker, now: UnixTime) -> Result<u8, ToolError> {
    let status = broker.status()?;
    say!("{}", broker.params());
    say!(
        "sales      {} ({}, {} for sale)",
        status.sales,
        counted(status.sets_sold, "set"),
        status.sets_left
    );
    say!("vendors    {}", status.vendors);
    say!("batches    {}", status.batches);
    say!("returns    {}", status.returns);
    say!("watches    {}", status.watches);
    let value = broker.params().coin_value();
    let sums = status.coins;
    say!("sold       {}", coins_worth(sums.sold, value));
    say!("redeemed   {}", coins_worth(sums.paid, value));
    say!("credited   {}", coins_worth(sums.credited, value));
    say!("disputed   {}", coins_worth(sums.disputed, value));
    let rest = if status.is_settled { "lapsed  " } else { "open    " };
    say!("{rest}   {}", coins_worth(sums.lapsed, value));
    say!("waiting    {}", counted(status.claims_waiting, "claim"));
    say!("forged     {}", coins(status.alarm.forged));
    say!("not owner  {}", coins(status.alarm.not_from_owner));
    say!("invented   {}", coins(status.alarm.invented));
    say!("revoked    {}", counted(status.revoked, "user"));
    let is_due = now >= broker.params().raw().redeem_until;
    let settled = match (status.is_settled, is_due) {
        (true, _) => "yes",
        (false, true) => "no, but redeem-until is over: `mmbroker settle` decides what waits",
        (false, false) => "no",
    };
    say!("settled    {settled}");
    print_alarms(broker)
}

/// Prints what raised an alarm to standard error, by vendor and by user.
fn print_alarms(broker: &mut Broker) -> Result<u8, ToolError> {
    let alarms = broker.alarms()?;
    for vendor in &alarms.vendors {
        if !vendor.coins.is_silent() {
            tell!("mmbroker: ALARM: {} sent {}", vendor.vendor, alarm_in_words(&vendor.coins));
        }
        for hour in &vendor.faults {
            tell!(
                "mmbroker: ALARM: {} seems to be at fault: from {} on, {} of {} failed",
                vendor.vendor,
                hour.began,
                hour.failing,
                counted(hour.users, "user")
            );
        }
    }
    for user in &alarms.users {
        tell!("mmbroker: ALARM: in the name of {}: {}", user.user, alarm_in_words(&user.coins));
    }
    Ok(EXIT_OK)
}

/// Lists the users who are proved to have cheated.
pub(crate) fn offenders(broker: &mut Broker) -> Result<u8, ToolError> {
    for offender in broker.offenders()? {
        let Offender { user, balls, spent_twice, forged, vendors, first, last, .. } = offender;
        let vendors: Vec<&str> = vendors.iter().map(VendorId::as_str).collect();
        say!(
            "{user}: {}, {spent_twice} spent at several vendors, {forged} forged or of another \
             user, from {first} to {last}, at {}",
            coins(balls),
            vendors.join(", ")
        );
    }
    Ok(EXIT_OK)
}

/// Lists what vendors could have made up.
pub(crate) fn suspects(broker: &mut Broker) -> Result<u8, ToolError> {
    let suspicions = broker.suspicions()?;
    for suspect in suspicions.users {
        let unpaid: Vec<&str> = suspect.unpaid_at.iter().map(VendorId::as_str).collect();
        let unpaid = if unpaid.is_empty() { "no vendor".to_string() } else { unpaid.join(", ") };
        say!(
            "user {}: {} at several vendors, unpaid at {unpaid}",
            suspect.user,
            coins(suspect.balls)
        );
    }
    for (vendor, balls) in suspicions.vendors {
        say!("vendor {vendor}: {} in several payments", coins(balls));
    }
    Ok(EXIT_OK)
}

/// Lists the coins that nobody gets before a person has decided.
pub(crate) fn disputes(broker: &mut Broker) -> Result<u8, ToolError> {
    for dispute in broker.disputes()? {
        let held = if dispute.is_held { ", has too many doubtful payments" } else { "" };
        say!(
            "{} and {}: {}, {} returned; the vendor disputes with {}{held}, the user with {}",
            dispute.vendor,
            dispute.user,
            coins(dispute.coins),
            dispute.returned,
            counted(dispute.users_of_vendor, "user"),
            counted(dispute.vendors_of_user, "vendor")
        );
    }
    Ok(EXIT_OK)
}

/// `1 set`, `2 sets`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
