//! Prints accounts, the status, and the lists of vendors, offenders, suspects and disputes: lines
//! for people, or JSON for programs. Numbers of transactions are strings in JSON, because they have
//! 64 bits.

use clap::Args;
use micromint::broker::{Alarm, Offender};
use micromint::identity::{UserId, VendorId};
use micromint::money::{Money, coins, coins_worth};
use micromint_console::{EXIT_OK, FormatArgs, ToolError, say, tell};
use mmbrokerd::programs::{Broker, alarm_in_words, counted};
use mmbrokerd::service::{OpenPeriod, PeriodReport, UserReport, VendorReport};
use serde_json::{Value, json};

use super::{PeriodArgs, Report};

#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    period: PeriodArgs,
    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Args)]
pub(crate) struct Account {
    #[command(flatten)]
    period: PeriodArgs,
    /// A User-ID, or the host name of a vendor
    #[arg(value_name = "USER|HOST")]
    name: String,
    #[command(flatten)]
    format: FormatArgs,
}

fn print_json(value: &Value) -> Result<u8, ToolError> {
    say!("{value:#}");
    Ok(EXIT_OK)
}

/// Lists the registered vendors.
pub(crate) async fn vendors(broker: &Broker, report: &Report) -> Result<u8, ToolError> {
    let period = broker.period(report.period.period.as_ref())?;
    let vendors = broker.service.store().vendors(period.name()).await?;
    if report.format.is_json() {
        return print_json(&vendors.iter().map(|vendor| vendor.as_str()).collect());
    }
    vendors.iter().for_each(|vendor| say!("{vendor}"));
    Ok(EXIT_OK)
}

impl Account {
    /// Shows the account of the vendor or the user of this name, or of both.
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let (service, name) = (&broker.service, self.name.as_str());
        let period = broker.period(self.period.period.as_ref())?;
        let vendor = match name.parse::<VendorId>() {
            Ok(vendor) => service.vendor_report(&period, &vendor).await?,
            Err(_) => None,
        };
        let user = match name.parse::<UserId>() {
            Ok(user) => service.user_report(&period, &user).await?,
            Err(_) => None,
        };
        if vendor.is_none() && user.is_none() {
            let period = period.name();
            return Err(format!(
                "expected a vendor that is registered for {period}, or a user with an account, \
                 found {name}"
            )
            .into());
        }
        let value = period.params().coin_value();
        if self.format.is_json() {
            return print_json(&json!({
                "name": name, "period": period.name().as_str(), "coin-value": value.to_string(),
                "vendor": vendor.as_ref().map(vendor_json), "user": user.as_ref().map(user_json),
            }));
        }
        if let Some(report) = vendor {
            print_vendor(name, &report, value);
        }
        if let Some(report) = user {
            print_user(name, &report, value);
        }
        Ok(EXIT_OK)
    }
}

fn vendor_json(report: &VendorReport) -> Value {
    let batches = report.batches.iter().map(|batch| {
        json!({
            "at": batch.at.to_string(), "batch": batch.name.as_str(), "coins": batch.coins,
            "accepted": batch.accepted, "waiting": batch.waiting, "forged": batch.forged,
        })
    });
    json!({
        "registered": report.registered.to_string(), "batches": batches.collect::<Value>(),
        "redeemed": report.redeemed, "waiting": report.waiting, "disputed": report.disputed,
        "balance": report.balance.to_string(),
    })
}

fn user_json(report: &UserReport) -> Value {
    let sales = report.sales.iter().map(|sale| {
        json!({
            "at": sale.at.to_string(), "transaction": sale.transaction.to_string(),
            "sets": sale.sets, "coins": sale.coins,
        })
    });
    let returns = report.returns.iter().map(|back| {
        json!({
            "at": back.at.to_string(), "request": back.name.as_str(), "coins": back.claims.len(),
        })
    });
    json!({
        "sales": sales.collect::<Value>(), "returns": returns.collect::<Value>(),
        "sold": sold(report), "credited": report.credited, "waiting": report.waiting,
        "disputed": report.disputed, "balance": report.balance.to_string(),
        "revoked": report.revoked.map(|when| when.to_string()),
    })
}

fn sold(report: &UserReport) -> u64 {
    report.sales.iter().map(|sale| u64::from(sale.coins)).sum()
}

fn print_vendor(name: &str, report: &VendorReport, value: Money) {
    say!("vendor {name}, registered {}", report.registered);
    for batch in &report.batches {
        say!(
            "  {}  batch {}: {}, {} paid immediately, {} waiting, {} forged, {} refused for other \
             reasons",
            batch.at,
            batch.name,
            coins(batch.coins),
            batch.accepted,
            batch.waiting,
            batch.forged,
            batch.coins.saturating_sub(batch.accepted + batch.waiting + batch.forged)
        );
    }
    say!("  redeemed: {}", coins_worth(report.redeemed, value));
    say!("  waiting until redeem-until: {}", coins_worth(report.waiting, value));
    say!("  disputed: {}", coins_worth(report.disputed, value));
    say!("  balance of the account: {}", report.balance.in_words());
}

fn print_user(name: &str, report: &UserReport, value: Money) {
    say!("user {name}");
    for sale in &report.sales {
        let sets = counted(sale.sets.into(), "set");
        let price = coins_worth(sale.coins.into(), value);
        let free = if sale.is_free { ", a free trial" } else { "" };
        say!("  {}  sale {}: {sets}, {price}{free}", sale.at, sale.transaction);
    }
    for back in &report.returns {
        say!("  {}  return {}: {}", back.at, back.name, coins(back.claims.len() as u64));
    }
    say!("  sold: {}", coins_worth(sold(report), value));
    say!("  credited: {}", coins_worth(report.credited, value));
    say!("  waiting until redeem-until: {}", coins_worth(report.waiting, value));
    say!("  disputed: {}", coins_worth(report.disputed, value));
    say!("  balance of the account: {}", report.balance.in_words());
    if let Some(when) = report.revoked {
        say!("  revoked {when}");
    }
}

impl Status {
    /// Shows the counts of the periods, and prints what raised an alarm to standard error.
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let service = &broker.service;
        let periods = match &self.period.period {
            Some(name) => vec![broker.period(Some(name))?],
            None => service.periods(),
        };
        if let Some(why) = service.halted() {
            tell!("mmbroker: error: halted: {why}");
        }
        let mut values = Vec::new();
        for period in &periods {
            let report = service.report(period).await?;
            let is_due = service.now() >= period.params().raw().redeem_until;
            match self.format.is_json() {
                true => values.push(status_json(period, &report, is_due)),
                false => print_status(period, &report, is_due),
            }
        }
        if self.format.is_json() {
            print_json(&values.into())?;
        }
        for period in &periods {
            print_alarms(broker, period).await?;
        }
        Ok(EXIT_OK)
    }
}

fn status_json(period: &OpenPeriod, report: &PeriodReport, is_due: bool) -> Value {
    let (raw, counts) = (period.params().raw(), &report.counts);
    let is_settled = report.settled_at.is_some();
    json!({
        "period": raw.period.as_str(), "broker": raw.broker,
        "coin-value": raw.coin_value.to_string(), "expiration": raw.expiration.to_string(),
        "redeem-until": raw.redeem_until.to_string(),
        "sales": counts.sales, "sets-sold": report.sets_sold, "sets-skipped": report.sets_skipped, "sets-left": report.sets_left,
        "vendors": counts.vendors, "batches": counts.batches, "returns": counts.returns,
        "watches": counts.watches, "sold": report.sold, "redeemed": report.redeemed,
        "credited": report.credited, "disputed": report.disputed,
        "open-or-lapsed": report.rest, "claims-waiting": counts.waiting,
        "alarm": alarm_json(&counts.alarm), "revoked": counts.revoked, "is-settled": is_settled,
        "is-settlement-due": !is_settled && is_due,
    })
}

fn alarm_json(alarm: &Alarm) -> Value {
    json!({
        "forged": alarm.forged, "not-from-owner": alarm.not_from_owner,
        "invented": alarm.invented,
    })
}

fn print_status(period: &OpenPeriod, report: &PeriodReport, is_due: bool) {
    let (counts, value) = (&report.counts, period.params().coin_value());
    let sets = period.params().superbin_count() / 2;
    say!("period {}: {} of {sets} sets sold", period.name(), report.sets_sold);
    if report.sets_skipped > 0 {
        say!("  skipped    {} by a restore", counted(report.sets_skipped, "set"));
    }
    say!("  sales      {}", counts.sales);
    say!("  vendors    {}", counts.vendors);
    say!("  batches    {}", counts.batches);
    say!("  returns    {}", counts.returns);
    say!("  watches    {}", counts.watches);
    say!("  sold       {}", coins_worth(report.sold, value));
    say!("  redeemed   {}", coins_worth(report.redeemed, value));
    say!("  credited   {}", coins_worth(report.credited, value));
    say!("  disputed   {}", coins_worth(report.disputed, value));
    let rest = if report.settled_at.is_some() { "lapsed  " } else { "open    " };
    say!("  {rest}   {}", coins_worth(report.rest, value));
    say!("  waiting    {}", counted(counts.waiting, "claim"));
    say!("  forged     {}", coins(counts.alarm.forged));
    say!("  not owner  {}", coins(counts.alarm.not_from_owner));
    say!("  invented   {}", coins(counts.alarm.invented));
    say!("  revoked    {}", counted(counts.revoked, "user"));
    match report.settled_at {
        Some(at) => say!("  settled    {at}"),
        None if report.is_settling => say!("  settled    no, the settlement is being made"),
        None if is_due => {
            let who = "the service or `mmbroker settle` does it";
            say!("  settled    no, but redeem-until is over: {who}");
        }
        None => say!("  settled    no"),
    }
}

/// Prints what raised an alarm to standard error, by vendor and by user.
async fn print_alarms(broker: &Broker, period: &OpenPeriod) -> Result<(), ToolError> {
    let (vendors, users) = broker.service.alarms(period).await?;
    let name = period.name();
    for alarm in &vendors {
        let vendor = &alarm.vendor;
        if !alarm.coins.is_silent() {
            tell!("mmbroker: ALARM: {name}: {vendor} sent {}", alarm_in_words(&alarm.coins));
        }
        for hour in &alarm.faults {
            let (began, failing) = (hour.began, hour.failing);
            let users = counted(hour.users, "user");
            let words = format!("from {began} on, {failing} of {users} failed");
            tell!("mmbroker: ALARM: {name}: {vendor} seems to be at fault: {words}");
        }
    }
    for alarm in &users {
        let words = alarm_in_words(&alarm.coins);
        tell!("mmbroker: ALARM: {name}: in the name of {}: {words}", alarm.user);
    }
    Ok(())
}

/// Lists the users who are proved to have cheated.
pub(crate) async fn offenders(broker: &Broker, report: &Report) -> Result<u8, ToolError> {
    let period = broker.period(report.period.period.as_ref())?;
    let offenders = broker.service.offenders(&period).await?;
    if report.format.is_json() {
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
pub(crate) async fn suspects(broker: &Broker, report: &Report) -> Result<u8, ToolError> {
    let period = broker.period(report.period.period.as_ref())?;
    let suspicions = broker.service.suspicions(&period).await?;
    if report.format.is_json() {
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
pub(crate) async fn disputes(broker: &Broker, report: &Report) -> Result<u8, ToolError> {
    let period = broker.period(report.period.period.as_ref())?;
    let disputes = broker.service.disputes(&period).await?;
    if report.format.is_json() {
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
