//! What vendors see: registration by a host proof, keys, statements, payouts.
//!
//! Input: the session. Output: pages. The invariants: a person acts for a vendor after the host
//! itself said so, or the operator; a vendor that has a person is not taken over by a proof; the
//! key K_V is shown to that person only, and replaced by that person only, after the password.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use micromint::identity::{UserId, VendorId};
use micromint::money::Currency;
use micromint::protocol::Verdict;
use micromint::reply::Reply;
use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::answer::{Answer, Refused, refuse, show, to};
use super::attempts::{CHANGE, PROOF};
use super::audit::Act;
use super::bank::bank_part;
use super::form::Posted;
use super::login::{Note, check_password};
use super::paging::Older;
use super::people::Person;
use super::proof::{NoProof, PROOF_PATH};
use super::sepa::csv_line;
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::LoggedIn;
use super::{Shop, random};
use crate::service::{Service, VendorKey, blocking};
use crate::store::{AccountKind, CONSOLE, Store, StoreError, Transaction, parsed, retried};

/// The longest Vendor-ID in a form.
const HOST_LEN_MAX: usize = 253;
/// The most days and batches on a page.
const DAYS_SHOWN_MAX: usize = 60;

/// The kind of the transfers of payouts, and the kind of the movements of their fees.
const PAYOUT: &str = "payout";
const PAYOUT_FEE: &str = "payout fee";
/// The same of payments that came back.
const PAYOUT_BACK: &str = "payout back";
const PAYOUT_FEE_BACK: &str = "payout fee back";

/// What moved on a vendor's account on a day.
struct Movement {
    day: String,
    kind: String,
    currency: Currency,
    units: i64,
}

/// The sums of the batches of a vendor in a period.
struct Redeemed {
    period: String,
    batches: i64,
    coins: i64,
    accepted: i64,
    waiting: i64,
    disputed: i64,
    forged: i64,
    not_from_owner: i64,
}

/// The person who acts for a vendor.
pub(super) async fn owner_of(store: &Store, vendor: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT user_id FROM vendor_owner WHERE vendor = $1")
        .bind(vendor.to_string())
        .fetch_optional(store.pool())
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// The vendor of this name, if the person acts for it.
pub(super) async fn own_vendor(
    shop: &Shop,
    person: &Person,
    name: &str,
) -> Result<VendorId, Refused> {
    let vendor: VendorId = name.parse().map_err(|_| refuse("error-no-page"))?;
    let owner = owner_of(shop.service.store(), vendor.as_str()).await?;
    let is_own = owner.is_some_and(|owner| owner == person.user.as_str());
    if is_own { Ok(vendor) } else { Err(refuse("error-no-page")) }
}

/// The vendors for which a person acts.
async fn vendors_of(store: &Store, user: &UserId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT vendor FROM vendor_owner WHERE user_id = $1 ORDER BY vendor")
        .bind(user.to_string())
        .fetch_all(store.pool())
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The vendors of a person, and how to add one.
pub(super) async fn vendors(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
) -> Answer {
    let words = visitor.words;
    let names = vendors_of(shop.service.store(), &person.user).await?;
    let links = names.iter().map(|name| (format!("/vendor/{name}"), name.clone())).collect();
    let mut page = note.on(&visitor, Page::new(words.get("vendors-title")));
    page = page.text(words.get("vendors-text"));
    if !names.is_empty() {
        page = page.with(Part::Links(links));
    }
    let form = Form::new("/vendor", words.get("vendors-add-button"))
        .field("host", words.get("vendors-host"), Input::Line("off", HOST_LEN_MAX))
        .help(words.get("vendors-host-help"));
    show(&shop, &visitor, &page.heading(words.get("vendors-add")).with(form.into()))
}

/// The proof that a host must show for a person: the same each time, so that it can stay there.
fn proof_of(shop: &Shop, user: &UserId, vendor: &VendorId) -> String {
    let parts = [b"host proof".as_slice(), user.as_str().as_bytes(), vendor.as_str().as_bytes()];
    format!("micromint-broker={}", &random::hex(&random::mac(&shop.key, &parts))[..40])
}

/// Whether a host may be one of the whole internet, where its proof is read: no IP address, and no
/// name of a machine or a local network.
fn is_public_name(host: &str) -> bool {
    let is_name = matches!(url::Host::parse(host), Ok(url::Host::Domain(_)));
    let is_local = [".localhost", ".local", ".internal"].iter().any(|end| host.ends_with(end));
    is_name && host.contains('.') && !is_local
}

/// Shows the proof for a host, or registers the vendor if the host shows it.
pub(super) async fn add(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { visitor, person, fields, .. } = &posted;
    let words = visitor.words;
    let host = fields.text("host").to_ascii_lowercase();
    let vendor: VendorId = host.parse().map_err(|_| refuse("error-host"))?;
    if !is_public_name(&host) {
        return Err(refuse("error-host-public"));
    }
    let proof = proof_of(&shop, &person.user, &vendor);
    let mut why = None;
    if fields.text("check") == "yes" {
        shop.attempt(PROOF, person.user.as_str()).await?;
        let (source, asked) = (shop.settings.proofs.clone(), vendor.clone());
        match blocking(move || source.0.proof(&asked)).await? {
            Ok(text) if text.lines().any(|line| line.trim() == proof) => {
                register(&shop, person.user.as_str(), &person.user, &vendor).await?;
                return Ok(to(&shop, &format!("/vendor/{vendor}?note=done-vendor")));
            }
            Ok(_) => why = Some(words.get("proof-other")),
            Err(NoProof::Unreachable) => why = Some(words.get("proof-unreachable")),
            Err(NoProof::Status(status)) => {
                why = Some(words.with("proof-status", &[("status", &status.to_string())]));
            }
        }
    }
    let address = format!("https://{vendor}{PROOF_PATH}");
    let form = Form::new("/vendor", words.get("proof-button"))
        .hidden("host", vendor.to_string())
        .hidden("check", "yes");
    let mut page = Page::new(words.with("proof-title", &[("host", vendor.as_str())]));
    if let Some(why) = why {
        page = page.with(Part::Bad(why));
    }
    page = page
        .text(words.with("proof-text", &[("address", &address)]))
        .with(Part::Code(proof))
        .with(form.into())
        .with(Part::Links(vec![("/vendor".to_string(), words.get("back-link"))]));
    show(&shop, visitor, &page)
}

/// Makes a person act for a vendor, and registers the vendor for all periods that are not over.
pub(super) async fn register(
    shop: &Shop,
    by: &str,
    user: &UserId,
    vendor: &VendorId,
) -> Result<(), Refused> {
    let (store, now) = (shop.service.store(), shop.service.now());
    for period in shop.service.periods() {
        if now >= period.params().raw().expiration {
            continue;
        }
        match shop.service.register_vendor(&period, vendor, now).await? {
            Reply::Granted(_) => {}
            Reply::Refused(refusal) => {
                return Err(refuse("error-vendor").with("why", refusal.to_string()));
            }
        }
    }
    let is_own = retried!(async {
        let mut tx = store.begin().await?;
        let added = sqlx::query(
            "INSERT INTO vendor_owner (vendor, user_id, at) VALUES ($1, $2, $3) \
             ON CONFLICT (vendor) DO NOTHING",
        )
        .bind(vendor.to_string())
        .bind(user.to_string())
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        if added.rows_affected() == 1 {
            tx.audit(by, Act::Vendor, &format!("{vendor} {user}"), now).await?;
        }
        let is_own = is_owner(&mut tx, vendor, user).await?;
        tx.commit().await?;
        Ok::<bool, StoreError>(is_own)
    })?;
    if is_own { Ok(()) } else { Err(refuse("error-vendor-taken")) }
}

/// Makes another person act for a vendor, if `from` does now. `by` is who decides it. Returns
/// whether it was done.
pub(super) async fn hand_over(
    shop: &Shop,
    by: &str,
    (from, to): (&str, &UserId),
    vendor: &VendorId,
) -> Result<bool, StoreError> {
    let (store, now) = (shop.service.store(), shop.service.now());
    retried!(async {
        let mut tx = store.begin().await?;
        let moved = sqlx::query(
            "UPDATE vendor_owner SET user_id = $3, at = $4 WHERE vendor = $1 AND user_id = $2",
        )
        .bind(vendor.to_string())
        .bind(from.to_string())
        .bind(to.to_string())
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        if moved.rows_affected() == 1 {
            let detail = format!("{vendor} {from} {to}");
            tx.audit(by, Act::VendorHandedOver, &detail, now).await?;
        }
        tx.commit().await?;
        Ok::<bool, StoreError>(moved.rows_affected() == 1)
    })
}

async fn is_owner(
    tx: &mut Transaction,
    vendor: &VendorId,
    user: &UserId,
) -> Result<bool, StoreError> {
    let owner: String = sqlx::query("SELECT user_id FROM vendor_owner WHERE vendor = $1")
        .bind(vendor.to_string())
        .fetch_one(tx.connection())
        .await?
        .try_get(0)?;
    Ok(owner == user.as_str())
}

/// Makes a person act for a vendor that has no person yet.
///
/// # Errors
/// The database failed.
pub async fn act_for_vendor(
    service: &Service,
    user: &UserId,
    vendor: &VendorId,
) -> Result<(), StoreError> {
    let (store, now) = (service.store(), service.now());
    retried!(async {
        let mut tx = store.begin().await?;
        let added = sqlx::query(
            "INSERT INTO vendor_owner (vendor, user_id, at) VALUES ($1, $2, $3) \
             ON CONFLICT (vendor) DO NOTHING",
        )
        .bind(vendor.to_string())
        .bind(user.to_string())
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        if added.rows_affected() == 1 {
            tx.audit(CONSOLE, Act::Vendor, &format!("{vendor} {user}"), now).await?;
        }
        tx.commit().await
    })
}

/// What moved on the account of a vendor, by day, the last first: what the bank sent, and the fee
/// of the payment, are two movements, and so are both if the payment came back.
async fn movements(store: &Store, vendor: &VendorId) -> Result<Vec<Movement>, StoreError> {
    let rows = sqlx::query(
        "SELECT transfer.at / 86400 AS day, \
         CASE WHEN transfer.kind = 'payout' AND entry.amount > 0 THEN 'payout back' \
         ELSE transfer.kind END AS what, account.currency, \
         CAST(SUM(entry.amount) AS BIGINT) FROM entry \
         JOIN transfer ON transfer.id = entry.transfer JOIN account ON account.id = entry.account \
         WHERE account.kind = 'vendor' AND account.owner = $1 \
         GROUP BY day, what, account.currency \
         ORDER BY day DESC, what, account.currency",
    )
    .bind(vendor.to_string())
    .fetch_all(store.pool())
    .await?;
    let fees = fees_by_day(store, vendor).await?;
    let mut all = Vec::new();
    for row in &rows {
        let (day, kind, currency): (i64, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (fee, fee_kind) = match kind.as_str() {
            PAYOUT => (fees.get(&(day, currency.clone(), false)), PAYOUT_FEE),
            PAYOUT_BACK => (fees.get(&(day, currency.clone(), true)), PAYOUT_FEE_BACK),
            _ => (None, ""),
        };
        let fee = fee.copied().unwrap_or_default();
        let currency: Currency = parsed("account.currency", "three letters", &currency)?;
        let units: i64 = row.try_get(3)?;
        let day = UnixTime(day * 86_400).day();
        all.push(Movement { day: day.clone(), kind, currency, units: units + fee });
        if fee != 0 {
            all.push(Movement { day, kind: fee_kind.to_string(), currency, units: -fee });
        }
    }
    Ok(all)
}

/// The fees of the payments to a vendor, in units, by day and currency, and whether the payment
/// came back.
async fn fees_by_day(
    store: &Store,
    vendor: &VendorId,
) -> Result<BTreeMap<(i64, String, bool), i64>, StoreError> {
    let rows = sqlx::query(
        "SELECT transfer.at / 86400 AS day, account.currency, \
         CAST(CASE WHEN entry.amount > 0 THEN 1 ELSE 0 END AS BIGINT) AS is_back, \
         CAST(SUM(fee.amount) AS BIGINT) FROM entry \
         JOIN transfer ON transfer.id = entry.transfer JOIN account ON account.id = entry.account \
         JOIN entry AS fee ON fee.transfer = entry.transfer \
         JOIN account AS fees ON fees.id = fee.account AND fees.kind = 'fees' \
         WHERE account.kind = 'vendor' AND account.owner = $1 AND transfer.kind = 'payout' \
         GROUP BY day, account.currency, is_back",
    )
    .bind(vendor.to_string())
    .fetch_all(store.pool())
    .await?;
    let read = |row: &AnyRow| {
        let is_back: i64 = row.try_get(2)?;
        Ok(((row.try_get(0)?, row.try_get(1)?, is_back > 0), row.try_get(3)?))
    };
    rows.iter().map(read).collect()
}

/// What became of the coins that a vendor redeemed, by period, as it is decided now.
async fn redeemed(store: &Store, vendor: &VendorId) -> Result<Vec<Redeemed>, StoreError> {
    let rows = sqlx::query(
        "SELECT period, COUNT(*), CAST(SUM(coins) AS BIGINT), CAST(SUM(accepted) AS BIGINT), \
         CAST(SUM(forged) AS BIGINT), CAST(SUM(not_from_owner) AS BIGINT) FROM batch \
         WHERE vendor = $1 AND kind = 'redemption' GROUP BY period ORDER BY period DESC",
    )
    .bind(vendor.to_string())
    .fetch_all(store.pool())
    .await?;
    let verdicts = [Verdict::Accepted, Verdict::Waiting, Verdict::Disputed];
    let mut all = Vec::new();
    for row in &rows {
        let name: String = row.try_get(0)?;
        let period = parsed("batch.period", "a period", &name)?;
        let [won, waiting, disputed] = store.doubtful_counts(&period, vendor, verdicts).await?;
        let at_once: i64 = row.try_get(3)?;
        all.push(Redeemed {
            period: name,
            batches: row.try_get(1)?,
            coins: row.try_get(2)?,
            accepted: at_once + won as i64,
            waiting: waiting as i64,
            disputed: disputed as i64,
            forged: row.try_get(4)?,
            not_from_owner: row.try_get(5)?,
        });
    }
    Ok(all)
}

/// An amount that may be negative.
fn signed(visitor: &super::visitor::Visitor, units: i64, currency: Currency) -> String {
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}", visitor.money(units.unsigned_abs(), currency))
}

/// The page of a vendor.
pub(super) async fn vendor(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Path(name): Path<String>,
    Query(note): Query<Note>,
    Query(older): Query<Older>,
) -> Answer {
    let words = visitor.words;
    let vendor = own_vendor(&shop, &person, &name).await?;
    let store = shop.service.store();
    let mut page = note.on(&visitor, Page::new(vendor.to_string()));
    let is_disabled = store.is_disabled(&vendor).await?;
    if is_disabled {
        page = page.with(Part::Bad(words.get("vendor-disabled")));
    }
    let balances = store.balances(AccountKind::Vendor, vendor.as_str()).await?;
    let facts = balances
        .iter()
        .map(|money| (words.get("balance-label"), visitor.money(money.units(), money.currency())));
    page = page.with(Part::Facts(facts.collect()));
    let names = |names: &[&str]| names.iter().map(|name| words.get(name)).collect::<Vec<_>>();
    let periods = redeemed(store, &vendor).await?;
    let row = |it: &Redeemed| {
        let mut cells = vec![Cell::text(&it.period)];
        // The rest was paid or credited before, lost against another claim, or came too late.
        let named = it.accepted + it.waiting + it.disputed + it.forged + it.not_from_owner;
        let numbers = [
            it.batches,
            it.coins,
            it.accepted,
            it.waiting,
            it.disputed,
            it.coins.saturating_sub(named),
            it.forged,
            it.not_from_owner,
        ];
        cells.extend(numbers.map(Cell::number));
        cells
    };
    let by_period = Table {
        caption: words.get("statement-period"),
        head: names(&[
            "period-label",
            "column-batches",
            "column-coins",
            "verdict-accepted",
            "verdict-waiting",
            "verdict-disputed",
            "verdict-before",
            "verdict-forged",
            "verdict-not-owner",
        ]),
        rows: periods.iter().map(row).collect(),
        empty: words.get("statement-period-empty"),
    };
    let days = movements(store, &vendor).await?;
    let row = |it: &Movement| {
        let what = words.get(transfer_name(&it.kind));
        vec![
            Cell::text(&it.day),
            Cell::Text(what),
            Cell::Number(signed(&visitor, it.units, it.currency)),
        ]
    };
    let by_day = Table {
        caption: words.get("statement-day"),
        head: names(&["column-date", "column-what", "column-amount"]),
        rows: days.iter().take(DAYS_SHOWN_MAX).map(row).collect(),
        empty: words.get("statement-day-empty"),
    };
    let key = Form::new(format!("/vendor/{vendor}/key"), words.get("vendor-key-button")).field(
        "password",
        words.get("password-label"),
        Input::Password("current-password"),
    );
    let number = store.vendor_key_number(&vendor).await?;
    let replace = Form::new(format!("/vendor/{vendor}/key/replace"), words.get("key-new-button"))
        .hidden("number", number.to_string())
        .field("password", words.get("password-label"), Input::Password("current-password"));
    let csv = (format!("/vendor/{vendor}/csv"), words.get("statement-csv"));
    page = page
        .heading(words.get("statement-title"))
        .with(Part::Table(by_period))
        .with(Part::Table(by_day))
        .with(Part::Links(vec![csv]))
        .heading(words.get("verdicts-title"))
        .with(Part::Facts(vec![
            (words.get("verdict-accepted"), words.get("verdict-accepted-text")),
            (words.get("verdict-waiting"), words.get("verdict-waiting-text")),
            (words.get("verdict-disputed"), words.get("verdict-disputed-text")),
            (words.get("verdict-before"), words.get("verdict-before-text")),
            (words.get("verdict-forged"), words.get("verdict-forged-text")),
            (words.get("verdict-not-owner"), words.get("verdict-not-owner-text")),
        ]));
    // A disabled vendor gets no key.
    if !is_disabled {
        page = page
            .heading(words.get("vendor-key-title"))
            .text(words.get("vendor-key-text"))
            .with(key.into())
            .heading(words.get("key-new-title"))
            .text(words.get("key-new-text"))
            .with(replace.into());
    }
    page = bank_part(&shop, &visitor, page, (AccountKind::Vendor, vendor.as_str())).await?;
    page = super::complaints::vendor_part(&shop, &visitor, page, (&vendor, older)).await?;
    page = page
        .heading(words.get("paste-title"))
        .text(words.get("paste-text"))
        .text(words.get("paste-nginx"))
        .with(Part::Code(nginx_lines(&shop, &vendor)))
        .text(words.get("paste-apache"))
        .with(Part::Code(apache_lines(&shop, &vendor)));
    show(&shop, &visitor, &page)
}

/// The message with the name of a kind of transfer.
fn transfer_name(kind: &str) -> &'static str {
    match kind {
        "redemption" => "transfer-redemption",
        "settlement" => "transfer-settlement",
        PAYOUT => "transfer-payout",
        PAYOUT_FEE => "transfer-payout-fee",
        PAYOUT_BACK => "transfer-payout-back",
        PAYOUT_FEE_BACK => "transfer-payout-fee-back",
        "ruling" => "transfer-ruling",
        _ => "transfer-other",
    }
}

/// Enables the service that keeps a vendor up to date with its broker.
const SERVICE_LINE: &str = "systemctl enable --now micromint-vendor.service";

fn common_lines(shop: &Shop, vendor: &VendorId) -> String {
    // Nobody has a certificate for a name of the machine itself, which serves for trials.
    let is_local = vendor.as_str() == "localhost" || vendor.as_str().ends_with(".localhost");
    let scheme = if is_local { "http" } else { "https" };
    format!(
        "install -d -o www-data /var/lib/micromint /etc/micromint/periods\n\
         install -m 600 -o www-data vendor.key /etc/micromint/vendor.key\n\
         cat > /etc/micromint/vendor.toml <<'TOML'\n\
         vendor-id = \"{vendor}\"\n\
         origins = [\"{scheme}://{vendor}\"]\n\
         periods = \"periods\"\n\
         owners = \"required\"\n\
         till = \"/var/lib/micromint/till\"\n\
         TOML\n\
         chown -R www-data /etc/micromint/periods\n\
         runuser -u www-data -- mmvendor sync --once --broker {url}\n\
         echo 'BROKER={url}' > /etc/micromint/broker.env\n",
        url = shop.url
    )
}

fn nginx_lines(shop: &Shop, vendor: &VendorId) -> String {
    common_lines(shop, vendor)
        + "printf 'micromint_config /etc/micromint/vendor.toml;\\nmicromint on;\\n' \
           > /etc/nginx/conf.d/micromint.conf && nginx -s reload\n"
        + SERVICE_LINE
}

fn apache_lines(shop: &Shop, vendor: &VendorId) -> String {
    common_lines(shop, vendor)
        + "printf 'MicroMint On\\n' > /etc/apache2/conf-enabled/micromint-site.conf && \
           a2enmod micromint && apachectl graceful\n"
        + SERVICE_LINE
}

/// The statement of a vendor as CSV.
pub(super) async fn csv(
    State(shop): State<Arc<Shop>>,
    LoggedIn { person, .. }: LoggedIn,
    Path(name): Path<String>,
) -> Answer {
    let vendor = own_vendor(&shop, &person, &name).await?;
    let mut text = csv_line(&["day", "what", "amount", "currency"].map(str::to_string));
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    let mut add = |day: &str, what: &str, units: i128, currency: Currency| {
        let amount = super::money::signed_amount(units, currency);
        let number = amount.split(' ').next().unwrap_or_default().to_string();
        text.push_str(&csv_line(&[day.into(), what.into(), number, currency.to_string()]));
    };
    for it in movements(shop.service.store(), &vendor).await?.iter().rev() {
        *sums.entry(it.currency).or_default() += i128::from(it.units);
        add(&it.day, &it.kind, it.units.into(), it.currency);
    }
    for (currency, sum) in sums {
        add("", "balance", sum, currency);
    }
    let disposition = format!("attachment; filename=\"{vendor}.csv\"");
    let headers =
        [(CONTENT_TYPE, "text/csv; charset=utf-8".to_string()), (CONTENT_DISPOSITION, disposition)];
    Ok((headers, text).into_response())
}

/// The vendor whose key a person asks for, who gave the password.
async fn vendor_for_key(shop: &Shop, posted: &Posted, name: &str) -> Result<VendorId, Refused> {
    check_password(shop, posted, "password").await?;
    shop.attempt(CHANGE, posted.person.user.as_str()).await?;
    let vendor = own_vendor(shop, &posted.person, name).await?;
    match shop.service.store().is_disabled(&vendor).await? {
        true => Err(refuse("vendor-disabled")),
        false => Ok(vendor),
    }
}

/// Shows the key K_V of a vendor.
pub(super) async fn key(
    State(shop): State<Arc<Shop>>,
    Path(name): Path<String>,
    posted: Posted,
) -> Answer {
    let vendor = vendor_for_key(&shop, &posted, &name).await?;
    let (store, now) = (shop.service.store(), shop.service.now());
    let key = shop.service.vendor_key(&vendor).await?;
    retried!(async {
        let mut tx = store.begin().await?;
        tx.audit(posted.person.user.as_str(), Act::VendorKey, vendor.as_str(), now).await?;
        tx.commit().await
    })?;
    let page = Page::new(posted.visitor.words.get("vendor-key-title"));
    show_key(&shop, &posted, page, (&vendor, &key))
}

/// Replaces the key K_V of a vendor, and shows the new one. The form has the number of the key that
/// it replaces, so sending it twice replaces one key.
pub(super) async fn replace_key(
    State(shop): State<Arc<Shop>>,
    Path(name): Path<String>,
    posted: Posted,
) -> Answer {
    let vendor = vendor_for_key(&shop, &posted, &name).await?;
    let number = posted.fields.text("number").parse().map_err(|_| refuse("error-key-replaced"))?;
    let by = posted.person.user.as_str();
    match shop.service.replace_vendor_key(by, &vendor, Some(number)).await? {
        Reply::Granted(key) => {
            let words = posted.visitor.words;
            let page =
                Page::new(words.get("key-replaced-title")).text(words.get("key-replaced-text"));
            show_key(&shop, &posted, page, (&vendor, &key))
        }
        Reply::Refused(_) => Err(refuse("error-key-replaced")),
    }
}

fn show_key(
    shop: &Shop,
    posted: &Posted,
    page: Page,
    (vendor, key): (&VendorId, &VendorKey),
) -> Answer {
    let words = posted.visitor.words;
    let page = page
        .with(Part::Bad(words.get("vendor-key-secret")))
        .with(Part::Code(key.key.to_hex()))
        .with(Part::Links(vec![(format!("/vendor/{vendor}"), words.get("back-link"))]));
    show(shop, &posted.visitor, &page)
}
