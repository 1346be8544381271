//! Prints accounts, the status, and the lists of vendors, offenders, suspects and disputes: lines for
//! people, or JSON for programs. Numbers of transactions are strings in JSON, because they have 64
//! bits.

use micromint::broker::{Alarm, Broker, Offender, UserAccount, VendorAccount};
use micromint::identity::{UserId, VendorId};
use micromint::money::{Money, coins, coins_worth};
use micromint::time::UnixTime;
use micromint_console::{EXIT_OK, FormatArgs, ToolError, say, tell};
use serde_json::{Value, json};

use crate::common::alarm_in_words;

/// Lists the registered vendors.
pub(crate) fn vendors(broker: &mut Broker, format: FormatArgs) -> Result<u8, ToolError> {
    let vendors = broker.vendors()?;
    if format.is_json() {
        return print_json(&vendors.iter().map(|vendor| vendor.as_str()).collect());
    }
    vendors.iter().for_each(|vendor| say!("{vendor}"));
    Ok(EXIT_OK)
}

fn print_json(value: &Value) -> Result<u8, ToolError> {
    say!("{value:#}");
    Ok(EXIT_OK)
}

/// Shows the account of the vendor or the user of this name, or of both.
pub(crate) fn account(
    broker: &mut Broker,
    name: &str,
    format: FormatArgs,
) -> Result<u8, ToolError> {
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
    if format.is_json() {
        return print_json(&json!({
            "name": name, "period": broker.params().period().as_str(),
            "coin-value": value.to_string(),
            "vendor": vendor.as_ref().map(vendor_json), "user": user.as_ref().map(user_json),
        }));
    }
    if let Some(account) = vendor {
        print_vendor(name, &account, value);
    }
    if let Some(account) = user {
        print_user(name, &account, value);
    }
    Ok(EXIT_OK)
}

fn vendor_json(account: &VendorAccount) -> Value {
    let batches = account.batches.iter().map(|batch| {
        json!({
            "at": batch.when.to_string(), "batch": batch.batch.as_str(),
            "coins": batch.claims.count, "accepted": batch.accepted, "waiting": batch.waiting,
            "forged": batch.forged,
        })
    });
    json!({
        "registered": account.registered.to_string(), "batches": batches.collect::<Value>(),
        "redeemed": account.coins_paid, "waiting": account.coins_waiting,
        "disputed": account.coins_disputed,
    })
}

fn user_json(account: &UserAccount) -> Value {
    let sales = account.sales.iter().map(|sale| {
        json!({
            "at": sale.when.to_string(), "transaction": sale.transaction.to_string(),
            "sets": sale.sets, "coins": sale.coins,
        })
    });
    let returns = account.returns.iter().map(|back| {
        json!({
            "at": back.when.to_string(), "request": back.request.as_str(),
            "coins": back.claims.count,
        })
    });
    json!({
        "sales": sales.collect::<Value>(), "returns": returns.collect::<Value>(),
        "sold": account.coins_sold, "credited": account.coins_credited,
        "waiting": account.coins_waiting, "disputed": account.coins_disputed,
        "revoked": account.revoked.map(|when| when.to_string()),
    })
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
pub(crate) fn status(
    broker: &mut Broker,
    now: UnixTime,
    format: FormatArgs,
) -> Result<u8, ToolError> {
    let status = broker.status()?;
    if format.is_json() {
        let (raw, sums) = (broker.params().raw(), status.coins);
        print_json(&json!({
            "period": raw.period.as_str(), "broker": raw.broker,
            "coin-value": raw.coin_value.to_string(), "expiration": raw.expiration.to_string(),
            "redeem-until": raw.redeem_until.to_string(),
            "sales": status.sales, "sets-sold": status.sets_sold, "sets-left": status.sets_left,
            "vendors": status.vendors, "batches": status.batches, "returns": status.returns,
            "watches": status.watches, "sold": sums.sold, "redeemed": sums.paid,
            "credited": sums.credited, "disputed": sums.disputed, "open-or-lapsed": sums.lapsed,
            "claims-waiting": status.claims_waiting, "alarm": alarm_json(&status.alarm),
            "revoked": status.revoked, "is-settled": status.is_settled,
            "is-settlement-due": !status.is_settled && now >= raw.redeem_until,
        }))?;
        return print_alarms(broker);
    }
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

fn alarm_json(alarm: &Alarm) -> Value {
    json!({
        "forged": alarm.forged, "not-from-owner": alarm.not_from_owner,
        "invented": alarm.invented,
    })
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
pub(crate) fn offenders(broker: &mut Broker, format: FormatArgs) -> Result<u8, ToolError> {
    let offenders = broker.offenders()?;
    if format.is_json() {
        let values = offenders.iter().map(|offender| {
            let vendors = offender.vendors.iter().map(VendorId::as_str);
            json!({
                "user": offender.user.as_str(), "balls": offender.balls,
                "spent-twice": offender.spent_twice, "forged": offender.forged,
                "vendors": vendors.collect::<Value>(), "first": offender.first.to_string(),
                "last": offender.last.to_string(),
            })
        });
        return print_json(&values.collect());
    }
    for offender in offenders {
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
pub(crate) fn suspects(broker: &mut Broker, format: FormatArgs) -> Result<u8, ToolError> {
    let suspicions = broker.suspicions()?;
    if format.is_json() {
        let users = suspicions.users.iter().map(|suspect| {
            let unpaid_at = suspect.unpaid_at.iter().map(VendorId::as_str);
            json!({
                "user": suspect.user.as_str(), "balls": suspect.balls,
                "unpaid-at": unpaid_at.collect::<Value>(),
            })
        });
        let vendors = suspicions.vendors.iter();
        let vendors =
            vendors.map(|(vendor, balls)| json!({ "vendor": vendor.as_str(), "balls": balls }));
        return print_json(&json!({
            "users": users.collect::<Value>(), "vendors": vendors.collect::<Value>(),
        }));
    }
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
pub(crate) fn disputes(broker: &mut Broker, format: FormatArgs) -> Result<u8, ToolError> {
    let disputes = broker.disputes()?;
    if format.is_json() {
        let values = disputes.iter().map(|dispute| {
            json!({
                "vendor": dispute.vendor.as_str(), "user": dispute.user.as_str(),
                "coins": dispute.coins, "returned": dispute.returned,
                "users-of-vendor": dispute.users_of_vendor,
                "vendors-of-user": dispute.vendors_of_user, "is-held": dispute.is_held,
            })
        });
        return print_json(&values.collect());
    }
    for dispute in disputes {
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
