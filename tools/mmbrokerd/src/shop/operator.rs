//! What operators see and decide: the dashboard, vendors, complaints, disputes, the audit log.
//!
//! Input: the session of an operator. Output: pages. The invariants: each page and form needs a
//! role; whatever an operator changes is in the audit log, in the same transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use micromint::broker::{Ruling, RulingOutcome};
use micromint::identity::{UserId, VendorId};
use micromint::money::Money;
use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;

use super::answer::{Answer, Refused, refuse, show, to};
use super::audit::Act;
use super::complaints::{ShownTo, Which, add_list, list};
use super::figures::{DAY_SECONDS, DAYS, Suspect, audit_check};
use super::form::Posted;
use super::login::Note;
use super::paging::{Older, Skip};
use super::people::Role;
use super::plot::Plot;
use super::vendor::{hand_over, owner_of};
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, audit, random};
use crate::minting::sales_end_soon;
use crate::service::{OpenPeriod, ServiceError};
use crate::store::{AccountKind, StoreError, retried};

/// The most rows of the audit log, and offenders, on a page. A link leads to older ones.
pub const ROWS_SHOWN_MAX: usize = 500;
/// The most disputes on a page. Others are shown when these are decided.
const DISPUTES_SHOWN_MAX: usize = 200;
/// The longest reason for which a vendor is disabled, in characters.
const WHY_LEN_MAX: usize = 200;

/// The pages that an operator with this role may open.
fn links(visitor: &Visitor, role: Role) -> Part {
    let needed = |path: &str| match path {
        "/operator/vouchers" | "/operator/deposit" | "/operator/disputes" => Role::Money,
        _ => Role::Support,
    };
    let names = [
        ("/operator/periods", "periods-title"),
        ("/operator/vouchers", "vouchers-title"),
        ("/operator/deposit", "deposit-title"),
        ("/operator/payouts", "payouts-title"),
        ("/operator/vendors", "vendors-title"),
        ("/operator/complaints", "complaints-title"),
        ("/operator/disputes", "disputes-title"),
        ("/operator/users", "users-title"),
        ("/operator/people", "people-title"),
        ("/operator/sums", "sums-title"),
        ("/operator/audit", "audit-title"),
    ];
    let link = |(path, name): (&str, &str)| (path.to_string(), visitor.words.get(name));
    Part::Links(names.into_iter().filter(|(path, _)| role >= needed(path)).map(link).collect())
}

/// The dashboard.
pub(super) async fn dashboard(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
    Query(asked): Query<Deposited>,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let mut page = note.on(&visitor, Page::new(words.get("menu-operator")));
    if let Some(row) = asked.deposit
        && let Some(done) = deposited(&shop, &visitor, (&person.user, row)).await?
    {
        page = page.with(Part::Good(done));
    }
    if let Some(why) = halted(&shop).await? {
        page = page.with(Part::Bad(words.with("operator-halted", &[("why", &why)])));
    }
    let is_automatic = shop.settings.minting.is_some() && !shop.settings.is_cgi;
    if let Some((period, end)) = sales_end_soon(&shop.service, is_automatic).await? {
        let end = visitor.time(end);
        let words = words.with("sales-end", &[("period", period.as_str()), ("time", &end)]);
        page = page.with(Part::Bad(words));
    }
    page = page.with(Part::Facts(facts(&shop, &visitor).await?)).with(links(&visitor, person.role));
    page =
        page.heading(words.get("periods-title")).with(Part::Table(periods(&shop, &visitor).await?));
    page = page.heading(words.get("plots-title"));
    let days = shop.days().await?;
    for (id, title, values) in [
        ("sales", "plot-sales", &days.sales),
        ("redeemed", "plot-redeemed", &days.redeemed),
        ("failing", "plot-failing", &days.failing),
    ] {
        let days = last_days(&shop, values);
        page = page.with(Part::Plot(plot(&visitor, id, words.get(title), &days)));
    }
    show(&shop, &visitor, &page)
}

/// Which deposit the dashboard tells of: the row of the audit log with this number.
#[derive(serde::Deserialize)]
pub(super) struct Deposited {
    deposit: Option<i64>,
}

/// What a deposit that this operator made was, in words.
async fn deposited(
    shop: &Shop,
    visitor: &Visitor,
    (by, row): (&UserId, i64),
) -> Result<Option<String>, StoreError> {
    let Some(row) = audit::row(shop.service.store(), row).await? else { return Ok(None) };
    let mut parts = row.detail.splitn(4, ' ');
    let (Some(user), Some(number), Some(currency), Some(reference)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Ok(None);
    };
    let amount = format!("{number} {currency}").parse::<Money>().ok();
    let is_own = row.is(Act::Deposit) && row.by == by.as_str();
    Ok(amount.filter(|_| is_own).map(|amount| {
        let amount = visitor.money(amount.units(), amount.currency());
        let at = visitor.time(row.at);
        let arguments =
            [("amount", &amount[..]), ("user", user), ("reference", reference), ("time", &at)];
        visitor.words.with("done-deposit", &arguments)
    }))
}

/// The person whom an operator named: as it was written, or in small letters, as at the login.
pub(super) async fn named_person(shop: &Shop, text: &str) -> Result<UserId, Refused> {
    for name in [text.to_string(), text.to_ascii_lowercase()] {
        let Ok(user) = name.parse::<UserId>() else { continue };
        if super::people::login(shop.service.store(), user.as_str()).await?.is_some() {
            return Ok(user);
        }
    }
    Err(refuse("error-no-person"))
}

/// Why nothing may change, if so, by the database as it is now.
pub(super) async fn halted(shop: &Shop) -> Result<Option<String>, Refused> {
    match shop.service.check_progress().await {
        Ok(()) => Ok(None),
        Err(ServiceError::Store(StoreError::Halted(why))) => Ok(Some(why)),
        Err(error) => Err(error.into()),
    }
}

/// The values of the last days, with those of days on which nothing happened.
fn last_days(shop: &Shop, values: &BTreeMap<i64, u64>) -> Vec<(String, u64)> {
    let today = shop.service.now().0.div_euclid(DAY_SECONDS);
    let value = |day| values.get(&day).copied().unwrap_or_default();
    let day = |day: i64| (UnixTime(day * DAY_SECONDS).day(), value(day));
    (today - DAYS + 1..=today).map(day).collect()
}

fn plot(visitor: &Visitor, id: &'static str, title: String, days: &[(String, u64)]) -> Plot {
    let sum: u64 = days.iter().map(|(_, value)| value).sum();
    let empty = (String::new(), 0);
    let most = days.iter().max_by_key(|(_, value)| *value).unwrap_or(&empty);
    let summary = visitor.words.with(
        "plot-summary",
        &[
            ("days", &days.len().to_string()),
            ("sum", &sum.to_string()),
            ("day", &most.0),
            ("most", &most.1.to_string()),
        ],
    );
    Plot::of(id, title, summary, days, |value| value.to_string())
}

async fn facts(shop: &Shop, visitor: &Visitor) -> Result<Vec<(String, String)>, Refused> {
    let words = visitor.words;
    let store = shop.service.store();
    let mut facts = Vec::new();
    for sum in shop.sums().await?.1.iter() {
        let name = match sum.kind.as_str() {
            "coins" => "fact-float",
            "client" => "fact-clients",
            "vendor" => "fact-vendors",
            "disputed" => "fact-disputed",
            "promotion" => "fact-promotion",
            _ => continue,
        };
        let amount = visitor.signed_money(sum.units, sum.currency);
        facts.push((words.get(name), amount));
    }
    let (at, counts) = shop.counts().await?;
    for (name, count) in [
        ("fact-people", counts.people),
        ("fact-offenders", counts.offenders),
        ("fact-complaints", counts.complaints),
        ("fact-forged", counts.forged),
    ] {
        facts.push((words.get(name), count.to_string()));
    }
    if shop.settings.mail.is_some() {
        let (waiting, given_up) = super::mail::counts(store).await?;
        let counts = format!("{waiting} / {given_up}");
        facts.push((words.get("fact-mails"), counts));
    }
    facts.push((words.get("fact-as-of"), visitor.time(at)));
    Ok(facts)
}

/// Each period with its stock and where its money is.
async fn periods(shop: &Shop, visitor: &Visitor) -> Result<Table, Refused> {
    let words = visitor.words;
    let store = shop.service.store();
    let mut rows = Vec::new();
    for period in shop.service.periods().iter().rev() {
        let Some(row) = store.period(period.name()).await? else { continue };
        let state = super::periods::state(shop, period, &row).await?;
        let currency = period.params().coin_value().currency();
        let mut cells = vec![
            Cell::text(period.name()),
            Cell::Text(words.get(state)),
            Cell::Number(super::periods::stock(visitor, period, &row)),
            Cell::number(row.sets_free),
        ];
        for kind in [AccountKind::Coins, AccountKind::Disputed, AccountKind::Lapsed] {
            let balances = store.balances(kind, period.name().as_str()).await?;
            let units: u64 = balances.iter().map(|money| money.units()).sum();
            cells.push(Cell::Number(visitor.money(units, currency)));
        }
        rows.push(cells);
    }
    let head = [
        "period-label",
        "column-state",
        "column-sold",
        "column-free",
        "kind-coins",
        "kind-disputed",
        "kind-lapsed",
    ];
    Ok(Table {
        caption: words.get("periods-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows,
        empty: words.get("nothing-on-sale"),
    })
}

/// All vendors, with what they redeemed and how many complain.
pub(super) async fn vendors(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let store = shop.service.store();
    let rows = sqlx::query(
        "SELECT known.name, COALESCE((SELECT user_id FROM vendor_owner \
         WHERE vendor_owner.vendor = known.name), ''), \
         CAST(COALESCE((SELECT SUM(coins) FROM batch \
         WHERE batch.vendor = known.name AND kind = 'redemption'), 0) AS BIGINT), \
         CAST(COALESCE((SELECT SUM(forged + not_from_owner) FROM batch \
         WHERE batch.vendor = known.name), 0) AS BIGINT), \
         (SELECT COUNT(*) FROM complaint WHERE complaint.vendor = known.name), \
         (SELECT COUNT(*) FROM disabled_vendor WHERE disabled_vendor.vendor = known.name) \
         FROM (SELECT DISTINCT name FROM vendor) AS known ORDER BY known.name",
    )
    .fetch_all(store.pool())
    .await?;
    let may_change = person.role >= Role::Admin;
    let mut cells = Vec::new();
    for row in &rows {
        let (name, owner): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let (coins, bad): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        let complaints: i64 = row.try_get(4)?;
        let is_off = row.try_get::<i64, _>(5)? > 0;
        let (action, button) =
            if is_off { ("enable", "vendor-enable") } else { ("disable", "vendor-disable") };
        let mut form = Form::new(format!("/operator/vendors/{action}"), words.get(button))
            .hidden("vendor", name.clone());
        form.is_danger = !is_off;
        cells.push(vec![
            Cell::text(&name),
            Cell::text(owner),
            Cell::number(coins),
            Cell::number(bad),
            Cell::number(complaints),
            Cell::Text(words.get(if is_off { "state-disabled" } else { "state-enabled" })),
            if may_change { Cell::Button(form) } else { Cell::text("") },
        ]);
    }
    let head = [
        "column-vendor",
        "user-label",
        "column-coins",
        "column-bad",
        "complaints-title",
        "column-state",
        "column-action",
    ];
    let table = Table {
        caption: words.get("vendors-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: cells,
        empty: words.get("vendors-none"),
    };
    let form = Form::new("/operator/vendors", words.get("vendors-add-button"))
        .field("host", words.get("vendors-host"), Input::Line("off", 253))
        .field("user", words.get("user-label"), Input::Line("off", 40))
        .help(words.get("vendors-user-help"));
    let page = note.on(&visitor, Page::new(words.get("vendors-title"))).with(Part::Table(table));
    let page = match may_change {
        true => page.heading(words.get("vendors-add")).with(form.into()),
        false => page,
    };
    show(&shop, &visitor, &page)
}

/// Makes a person act for a vendor, without a host proof.
pub(super) async fn add_vendor(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Admin)?;
    let vendor: VendorId =
        fields.text("host").to_ascii_lowercase().parse().map_err(|_| refuse("error-host"))?;
    let user = named_person(&shop, fields.text("user")).await?;
    let store = shop.service.store();
    let owner = owner_of(store, vendor.as_str()).await?;
    if let Some(owner) = owner.filter(|owner| *owner != user.as_str()) {
        if fields.text("from") != owner {
            return ask_to_hand_over(&shop, &posted, (&owner, &user), &vendor);
        }
        hand_over(&shop, person.user.as_str(), (&owner, &user), &vendor).await?;
    }
    super::vendor::register(&shop, person.user.as_str(), &user, &vendor).await?;
    Ok(to(&shop, "/operator/vendors?note=done-vendor-added"))
}

/// Asks whether another person is to act for a vendor.
fn ask_to_hand_over(
    shop: &Shop,
    posted: &Posted,
    (from, to): (&str, &UserId),
    vendor: &VendorId,
) -> Answer {
    let words = posted.visitor.words;
    let arguments = [("vendor", vendor.as_str()), ("from", from), ("to", to.as_str())];
    let form = Form::new("/operator/vendors", words.get("hand-over-button"))
        .hidden("host", vendor.to_string())
        .hidden("user", to.to_string())
        .hidden("from", from.to_string())
        .danger();
    let page = Page::new(words.with("hand-over-title", &arguments))
        .text(words.with("hand-over-text", &arguments))
        .with(form.into())
        .with(Part::Links(vec![("/operator/vendors".to_string(), words.get("back-link"))]));
    show(shop, &posted.visitor, &page)
}

/// Refuses the coins of a vendor from now on.
pub(super) async fn disable(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    set_disabled(&shop, &posted, true).await
}

/// Takes the coins of a vendor again.
pub(super) async fn enable(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    set_disabled(&shop, &posted, false).await
}

async fn set_disabled(shop: &Shop, posted: &Posted, is_off: bool) -> Answer {
    let Posted { person, fields, .. } = posted;
    person.needs(Role::Admin)?;
    let vendor: VendorId = fields.text("vendor").parse().map_err(|_| refuse("error-host"))?;
    let (store, now) = (shop.service.store(), shop.service.now());
    let why: String = fields.text("why").chars().take(WHY_LEN_MAX).collect();
    retried!(async {
        let mut tx = store.begin().await?;
        let changed = if is_off {
            sqlx::query(
                "INSERT INTO disabled_vendor (vendor, at, why) VALUES ($1, $2, $3) \
                 ON CONFLICT (vendor) DO NOTHING",
            )
            .bind(vendor.to_string())
            .bind(now.0)
            .bind(why.clone())
            .execute(tx.connection())
            .await?
        } else {
            sqlx::query("DELETE FROM disabled_vendor WHERE vendor = $1")
                .bind(vendor.to_string())
                .execute(tx.connection())
                .await?
        };
        if changed.rows_affected() == 1 {
            let what = if is_off { Act::VendorDisabled } else { Act::VendorEnabled };
            tx.audit(person.user.as_str(), what, vendor.as_str(), now).await?;
        }
        tx.commit().await
    })?;
    let note = if is_off { "done-vendor-disabled" } else { "done-vendor-enabled" };
    Ok(to(shop, &format!("/operator/vendors?note={note}")))
}

/// All complaints.
pub(super) async fn complaints_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
    Query(older): Query<Older>,
) -> Answer {
    person.needs(Role::Support)?;
    let page = note.on(&visitor, Page::new(visitor.words.get("complaints-title")));
    let listed = list(shop.service.store(), Which::All, older).await?;
    let page = add_list(&visitor, page, &listed, (ShownTo::Operator, "/operator/complaints"));
    show(&shop, &visitor, &page)
}

/// The disputed coins of settled periods, by vendor and user.
pub(super) async fn disputes(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
) -> Answer {
    person.needs(Role::Money)?;
    let words = visitor.words;
    let (mut rows, mut not_shown) = (Vec::new(), 0);
    for period in shop.service.periods() {
        for dispute in shop.service.disputes(&period).await? {
            if rows.len() >= DISPUTES_SHOWN_MAX {
                not_shown += 1;
                continue;
            }
            let form = |ruling: &str, button: &str| {
                Form::new("/operator/disputes", words.get(button))
                    .hidden("period", period.name().to_string())
                    .hidden("vendor", dispute.vendor.to_string())
                    .hidden("user", dispute.user.to_string())
                    .hidden("ruling", ruling)
            };
            rows.push(vec![
                Cell::text(period.name()),
                Cell::text(&dispute.vendor),
                Cell::text(&dispute.user),
                Cell::number(dispute.coins),
                Cell::Button(form("pay", "ruling-pay")),
                Cell::Button(form("refuse", "ruling-refuse").danger()),
            ]);
        }
    }
    let head = [
        "period-label",
        "column-vendor",
        "column-users",
        "column-coins",
        "ruling-pay",
        "ruling-refuse",
    ];
    let table = Table {
        caption: words.get("disputes-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows,
        empty: words.get("disputes-empty"),
    };
    let mut page = note
        .on(&visitor, Page::new(words.get("disputes-title")))
        .text(words.get("disputes-text"))
        .with(Part::Table(table));
    if not_shown > 0 {
        page = page.text(words.with("disputes-more", &[("count", &not_shown.to_string())]));
    }
    show(&shop, &visitor, &page)
}

/// Decides the disputed coins of a user at a vendor.
pub(super) async fn rule(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let period: Period = fields.text("period").parse().map_err(|_| refuse("error-form"))?;
    let vendor: VendorId = fields.text("vendor").parse().map_err(|_| refuse("error-form"))?;
    let user: UserId = fields.text("user").parse().map_err(|_| refuse("error-form"))?;
    let ruling = match fields.text("ruling") {
        "pay" => Ruling::Pay,
        "refuse" => Ruling::Refuse,
        _ => return Err(refuse("error-form")),
    };
    let open: Option<Arc<OpenPeriod>> = shop.service.period(&period);
    let open = open.ok_or_else(|| refuse("error-form"))?;
    let by = person.user.as_str();
    let ruled = shop.service.rule(&open, &vendor, Some(&user), (by, ruling)).await?;
    // Another person may have decided meanwhile, perhaps otherwise.
    if ruled.is_none_or(|it| it == RulingOutcome::default()) {
        let details = [format!("{period} {vendor} {user}"), format!("{period} {vendor} *")];
        let act = if ruling == Ruling::Pay { Act::RulingPay } else { Act::RulingRefuse };
        if audit::last_ruling(shop.service.store(), &details).await? != Some(act) {
            return Err(refuse("error-ruled"));
        }
    }
    Ok(to(&shop, "/operator/disputes?note=done-ruling"))
}

/// Users whose coins vendors refuse, and those of whom payments say that they failed.
pub(super) async fn users(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(skip): Query<Skip>,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let rows = sqlx::query(
        "SELECT user_id, period, at, superbin, subbin, why FROM offender \
         ORDER BY at DESC, period DESC, user_id DESC LIMIT $1 OFFSET $2",
    )
    .bind(ROWS_SHOWN_MAX as i64 + 1)
    .bind(skip.count())
    .fetch_all(shop.service.store().pool())
    .await?;
    let listed = skip.page(rows, ROWS_SHOWN_MAX);
    let mut offenders = Vec::new();
    for row in &listed.rows {
        let (user, period, why): (String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(5)?);
        let (at, superbin, subbin): (i64, i64, i64) =
            (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        offenders.push(vec![
            Cell::text(user),
            Cell::text(period),
            Cell::Text(visitor.time(UnixTime(at))),
            Cell::text(format!("{superbin}:{subbin}")),
            Cell::text(why),
        ]);
    }
    let names = |names: &[&str]| names.iter().map(|name| words.get(name)).collect::<Vec<_>>();
    let offenders = Table {
        caption: words.get("offenders-title"),
        head: names(&["user-label", "period-label", "column-date", "column-bin", "column-text"]),
        rows: offenders,
        empty: words.get("offenders-empty"),
    };
    let found = shop.suspects().await?;
    let suspect = |suspect: &Suspect| {
        vec![
            Cell::text(&suspect.user),
            Cell::text(&suspect.period),
            Cell::number(suspect.vendors),
            Cell::number(suspect.failing),
        ]
    };
    let suspects: Vec<_> = found.iter().map(suspect).collect();
    let suspects = Table {
        caption: words.get("suspects-title"),
        head: names(&["user-label", "period-label", "column-vendors", "column-failing"]),
        rows: suspects,
        empty: words.get("suspects-empty"),
    };
    let page = Page::new(words.get("users-title"))
        .heading(words.get("offenders-title"))
        .text(words.get("offenders-text"))
        .with(Part::Table(offenders))
        .links(listed.links(words, "/operator/users"))
        .heading(words.get("suspects-title"))
        .text(words.get("suspects-text"))
        .with(Part::Table(suspects));
    show(&shop, &visitor, &page)
}

/// What was done, in the visitor's language; words that are not known as they were recorded.
fn audit_words(visitor: &Visitor, what: &str) -> String {
    audit::message_of(what).map_or_else(|| what.to_string(), |name| visitor.words.get(name))
}

/// When a check was made; `None` if the first one takes long.
pub(super) fn check_words(visitor: &Visitor, at: Option<UnixTime>) -> String {
    match at {
        Some(at) => visitor.words.with("checked-at", &[("time", &visitor.time(at))]),
        None => visitor.words.get("check-runs"),
    }
}

/// Details with their amounts as people of the visitor's language write them.
fn localized(visitor: &Visitor, detail: &str) -> String {
    let mut words: Vec<String> = detail.split(' ').map(str::to_string).collect();
    for at in 1..words.len() {
        let currency = words[at].get(..3).unwrap_or_default().to_string();
        let rest = words[at].get(3..).unwrap_or_default().to_string();
        let is_end = rest.chars().all(|c| c.is_ascii_punctuation());
        let amount = format!("{} {currency}", words[at - 1]).parse::<Money>();
        if let Some(amount) = amount.ok().filter(|_| is_end) {
            let shown = visitor.money(amount.units(), amount.currency());
            let (number, currency) = shown.split_once(' ').unwrap_or((&shown, ""));
            words[at - 1] = number.to_string();
            words[at] = format!("{currency}{rest}");
        }
    }
    words.join(" ")
}

/// Which rows of the audit log are asked for.
#[derive(serde::Deserialize)]
pub(super) struct AuditRows {
    /// Of `everyone`, also of readers and vendors.
    of: Option<String>,
}

/// The audit log, the last row first. What readers and vendors did themselves is shown when it is
/// asked for, so that it does not push the rest off the page.
pub(super) async fn audit_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(asked): Query<AuditRows>,
    Query(older): Query<Older>,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let store = shop.service.store();
    let with_readers = asked.of.as_deref() == Some("everyone");
    let which = (older.bound(), with_readers);
    let rows = audit::rows_before(store, which, ROWS_SHOWN_MAX as i64 + 1).await?;
    let listed = older.page(rows, ROWS_SHOWN_MAX, |row| row.id);
    const OPERATORS: &str = "/operator/audit";
    const EVERYONE: &str = "/operator/audit?of=everyone";
    let (path, other, other_words) = match with_readers {
        true => (EVERYONE, OPERATORS, "audit-operators"),
        false => (OPERATORS, EVERYONE, "audit-everyone"),
    };
    let mut links = vec![(other.to_string(), words.get(other_words))];
    links.extend(listed.links(words, path));
    let row = |row: &audit::AuditRow| {
        vec![
            Cell::number(row.id),
            Cell::Text(visitor.time(row.at)),
            Cell::text(&row.by),
            Cell::Text(audit_words(&visitor, &row.what)),
            Cell::Text(localized(&visitor, &row.detail)),
            Cell::text(&random::hex(&row.sha256)[..16]),
        ]
    };
    let head = [
        "column-number",
        "column-date",
        "column-by",
        "column-what",
        "column-details",
        "column-hash",
    ];
    let table = Table {
        caption: words.get("audit-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: listed.rows.iter().map(row).collect(),
        empty: words.get("audit-empty"),
    };
    let mut page = Page::new(words.get("audit-title")).text(words.get("audit-text"));
    let checked = audit_check(&shop).await;
    page = match checked.as_ref().map(|(_, faults)| faults.first()) {
        None => page,
        Some(None) => page.with(Part::Good(words.get("audit-good"))),
        Some(Some(fault)) => page.with(Part::Bad(words.with("audit-bad", &[("fault", fault)]))),
    };
    let page = page.text(check_words(&visitor, checked.map(|(at, _)| at)));
    show(&shop, &visitor, &page.with(Part::Table(table)).with(Part::Links(links)))
}
