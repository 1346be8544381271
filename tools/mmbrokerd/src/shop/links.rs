//! Links that work once: to confirm a mail address, and to set a new password.
//!
//! Input: a link's token. Output: pages. The invariants: the database has SHA-256 of tokens only; a
//! link is used once, within its time; no answer shows whether an account exists or which address
//! it has; nothing is changed by opening a link, since programs that check mail open them too.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use micromint::identity::UserId;
use micromint::time::UnixTime;
use sqlx::Row;
use tokio::time::{Instant, sleep_until};

use super::answer::{Answer, Refused, refuse, show, to};
use super::attempts::{LOST, MAIL, MAIL_NET};
use super::audit::Act;
use super::form::{Open, Posted};
use super::login::person_of;
use super::mail::{ADDRESS_LEN_MAX, Mail, address, canonical};
use super::password::{PASSWORD_LEN_MIN, check_new};
use super::people::{self, Role};
use super::view::{Form, Input, Page, Part};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, random};
use crate::store::{AccountKind, Store, StoreError, Transaction, parsed, retried};

/// How long a link to confirm an address is good, in seconds.
const CONFIRM_SECONDS: i64 = 2 * 86_400;
/// How long a mailed link for a new password is good, in seconds.
const RESET_SECONDS: i64 = 1800;
/// How long one is good that an operator made, in seconds.
const ISSUED_SECONDS: i64 = 86_400;
/// The most accounts with one address that get a mail.
const ACCOUNTS_MAX: i64 = 5;

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Confirm,
    Reset,
}

impl Purpose {
    fn word(self) -> &'static str {
        if self == Purpose::Confirm { "confirm" } else { "reset" }
    }
}

/// A link that was made.
struct Link {
    user: UserId,
    address: String,
    expires_at: UnixTime,
    is_used: bool,
}

impl Transaction {
    /// Makes a link, and returns its token.
    async fn add_link(
        &mut self,
        purpose: Purpose,
        (user, address): (&str, &str),
        (now, seconds): (UnixTime, i64),
        token: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM link WHERE expires_at < $1")
            .bind(now.0 - ISSUED_SECONDS)
            .execute(self.connection())
            .await?;
        sqlx::query(
            "INSERT INTO link (sha256, user_id, purpose, address, at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(random::digest(token).to_vec())
        .bind(user.to_string())
        .bind(purpose.word())
        .bind(address.to_string())
        .bind(now.0)
        .bind(now.0 + seconds)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Uses a link up. Returns whether it was good.
    async fn use_link(&mut self, token: &str, now: UnixTime) -> Result<bool, StoreError> {
        let used = sqlx::query(
            "UPDATE link SET used_at = $2 WHERE sha256 = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .bind(random::digest(token).to_vec())
        .bind(now.0)
        .execute(self.connection())
        .await?;
        Ok(used.rows_affected() == 1)
    }
}

/// A link by its token. Passwords of operators are set on the console alone. A link for a new
/// password opens an account that is closed: an operator made it for that, since closing an account
/// ends its links.
async fn find(store: &Store, purpose: Purpose, token: &str) -> Result<Option<Link>, StoreError> {
    let row = sqlx::query(
        "SELECT link.user_id, address, expires_at, used_at FROM link \
         JOIN person ON person.user_id = link.user_id \
         WHERE sha256 = $1 AND purpose = $2 \
         AND (purpose = 'reset' AND role = 'none' OR purpose = 'confirm' AND closed_at IS NULL)",
    )
    .bind(random::digest(token).to_vec())
    .bind(purpose.word())
    .fetch_optional(store.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let user: String = row.try_get(0)?;
    let used_at: Option<i64> = row.try_get(3)?;
    Ok(Some(Link {
        user: parsed("link.user_id", "a User-ID", &user)?,
        address: row.try_get(1)?,
        expires_at: UnixTime(row.try_get(2)?),
        is_used: used_at.is_some(),
    }))
}

/// A link that is good, or why not.
async fn good(shop: &Shop, purpose: Purpose, token: &str) -> Result<Link, Refused> {
    let link = find(shop.service.store(), purpose, token).await?;
    let now = shop.service.now();
    let link = link.filter(|link| !link.is_used && now < link.expires_at);
    link.ok_or_else(|| refuse("error-link"))
}

/// The confirmed address of a person.
pub(super) async fn confirmed(store: &Store, user: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT address FROM mail_address WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_optional(store.pool())
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Mails a link by which the owner of an address confirms it.
pub(super) async fn ask_to_confirm(
    shop: &Shop,
    visitor: &Visitor,
    user: &UserId,
    to: &str,
) -> Result<(), Refused> {
    let (store, now, words) = (shop.service.store(), shop.service.now(), visitor.words);
    shop.attempt(MAIL_NET, &visitor.net).await?;
    shop.attempt(MAIL, user.as_str()).await?;
    // Others may have asked for the address. Nobody is told, and it gets no more mail.
    if !shop.may(MAIL, &to.to_lowercase()).await? {
        return Ok(());
    }
    let token = random::token()?;
    let link = format!("{}/confirm/{token}", shop.url);
    let broker = shop.settings.name.as_str();
    let arguments = [("broker", broker), ("user", user.as_str()), ("link", link.as_str())];
    let subject = words.with("mail-confirm-subject", &arguments);
    let text = words.with("mail-confirm-text", &arguments);
    retried!(async {
        let mut tx = store.begin().await?;
        let about = (user.as_str(), to);
        tx.add_link(Purpose::Confirm, about, (now, CONFIRM_SECONDS), &token).await?;
        tx.queue_mail(Mail { to, subject: &subject, text: &text }, now).await?;
        tx.commit().await
    })?;
    Ok(())
}

/// Adds what the page of an account says about its mail address.
pub(super) async fn mail_part(
    shop: &Shop,
    visitor: &Visitor,
    page: Page,
    user: &UserId,
) -> Result<Page, Refused> {
    if shop.settings.mail.is_none() {
        return Ok(page);
    }
    let words = visitor.words;
    let known = confirmed(shop.service.store(), user.as_str()).await?;
    let shown = known.clone().unwrap_or_else(|| words.get("mail-none"));
    let form = Form::new("/account/mail", words.get("mail-button"))
        .field("mail", words.get("mail-label"), Input::Line("email", ADDRESS_LEN_MAX))
        .value(known.unwrap_or_default())
        .help(words.get("mail-help"))
        .field("password", words.get("password-label"), Input::Password("current-password"));
    Ok(page
        .heading(words.get("mail-title"))
        .with(Part::Facts(vec![(words.get("mail-known"), shown)]))
        .with(form.into()))
}

/// Asks to confirm another address, or removes the one that is known.
pub(super) async fn set_mail(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    if shop.settings.mail.is_none() {
        return Err(refuse("error-no-page"));
    }
    super::login::check_password(&shop, &posted, "password").await?;
    let user = &posted.person.user;
    let text = posted.fields.text("mail");
    if text.is_empty() {
        let (store, now) = (shop.service.store(), shop.service.now());
        retried!(async {
            let mut tx = store.begin().await?;
            sqlx::query("DELETE FROM mail_address WHERE user_id = $1")
                .bind(user.to_string())
                .execute(tx.connection())
                .await?;
            // What was mailed to the address, or asks to confirm another one, ends with it.
            tx.end_links(user).await?;
            tx.audit(user.as_str(), Act::MailRemoved, "", now).await?;
            tx.commit().await
        })?;
        return Ok(to(&shop, "/account?note=done-mail-removed"));
    }
    let (written, _) = address(text).ok_or_else(|| refuse("error-mail"))?;
    ask_to_confirm(&shop, &posted.visitor, user, &written).await?;
    Ok(to(&shop, "/account?note=done-mail"))
}

/// What a link to confirm an address opens.
pub(super) async fn confirm_page(
    State(shop): State<Arc<Shop>>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Answer {
    let words = visitor.words;
    let link = good(&shop, Purpose::Confirm, &token).await?;
    let form = Form::new("/confirm", words.get("confirm-button")).hidden("link", token);
    let facts = vec![
        (words.get("user-label"), link.user.to_string()),
        (words.get("mail-label"), link.address),
    ];
    let page = Page::new(words.get("confirm-title"))
        .text(words.get("confirm-text"))
        .with(Part::Facts(facts))
        .with(form.into());
    show(&shop, &visitor, &page)
}

/// Records that an address is confirmed.
pub(super) async fn confirm(
    State(shop): State<Arc<Shop>>,
    Open { visitor, fields }: Open,
) -> Answer {
    let token = fields.text("link");
    let link = find(shop.service.store(), Purpose::Confirm, token).await?;
    let link = link.ok_or_else(|| refuse("error-link"))?;
    let (store, now) = (shop.service.store(), shop.service.now());
    let is_confirmed = retried!(async {
        let mut tx = store.begin().await?;
        if !tx.use_link(token, now).await? {
            // The form that was sent twice has done its work.
            return Ok::<bool, StoreError>(link.is_used);
        }
        // Links for a new password were mailed to the address before.
        tx.end_links(&link.user).await?;
        sqlx::query(
            "INSERT INTO mail_address (user_id, address, compared, confirmed_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO UPDATE SET \
             address = excluded.address, compared = excluded.compared, \
             confirmed_at = excluded.confirmed_at",
        )
        .bind(link.user.to_string())
        .bind(link.address.clone())
        .bind(canonical(&link.address))
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        tx.audit(link.user.as_str(), Act::MailConfirmed, "", now).await?;
        tx.commit().await?;
        Ok(true)
    })?;
    if !is_confirmed {
        return Err(refuse("error-link"));
    }
    let words = visitor.words;
    let page = Page::new(words.get("confirm-title"))
        .with(Part::Good(words.get("confirm-done")))
        .with(Part::Links(vec![("/".to_string(), words.get("home-link"))]));
    show(&shop, &visitor, &page)
}

/// The form for people who lost their password.
pub(super) async fn lost_page(State(shop): State<Arc<Shop>>, visitor: Visitor) -> Answer {
    if shop.settings.mail.is_none() {
        return Err(refuse("error-no-page"));
    }
    let words = visitor.words;
    let form = Form::new("/lost", words.get("lost-button"))
        .field("who", words.get("lost-label"), Input::Line("username", ADDRESS_LEN_MAX))
        .help(words.get("lost-help"));
    let page = Page::new(words.get("lost-title")).text(words.get("lost-text")).with(form.into());
    show(&shop, &visitor, &page)
}

/// A name or an address as it is compared with those that are known.
fn compared(who: &str) -> String {
    if who.contains('@') { canonical(who) } else { who.to_lowercase() }
}

/// When a question for a new password is answered: later than the work for an account takes, so
/// that the time does not tell whether there is one.
const LOST_TIME: Duration = Duration::from_millis(400);

/// Mails links for a new password. The answer is the same whether there is an account or not, and
/// comes at the same time.
pub(super) async fn lost(State(shop): State<Arc<Shop>>, Open { visitor, fields }: Open) -> Answer {
    if shop.settings.mail.is_none() {
        return Err(refuse("error-no-page"));
    }
    let end = Instant::now() + LOST_TIME;
    let who: String = fields.text("who").chars().take(ADDRESS_LEN_MAX).collect();
    let who = compared(&who);
    shop.attempt(MAIL_NET, &visitor.net).await?;
    // Not in the count of confirmations, which would tell that there is such an address.
    shop.attempt(LOST, &who).await?;
    let (store, now, words) = (shop.service.store(), shop.service.now(), visitor.words);
    // Operators set their passwords on the console.
    let rows = sqlx::query(
        "SELECT person.user_id, address FROM mail_address \
         JOIN person ON person.user_id = mail_address.user_id \
         WHERE (compared = $1 OR mail_address.user_id = $1) \
         AND closed_at IS NULL AND role = 'none' \
         ORDER BY confirmed_at LIMIT $2",
    )
    .bind(who)
    .bind(ACCOUNTS_MAX)
    .fetch_all(store.pool())
    .await?;
    for row in rows {
        let (user, address): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let token = random::token()?;
        let link = format!("{}/reset/{token}", shop.url);
        let broker = shop.settings.name.as_str();
        let arguments = [("broker", broker), ("user", user.as_str()), ("link", link.as_str())];
        let subject = words.with("mail-reset-subject", &arguments);
        let text = words.with("mail-reset-text", &arguments);
        retried!(async {
            let mut tx = store.begin().await?;
            let about = (user.as_str(), address.as_str());
            tx.add_link(Purpose::Reset, about, (now, RESET_SECONDS), &token).await?;
            let mail = Mail { to: &address, subject: &subject, text: &text };
            tx.queue_mail(mail, now).await?;
            tx.commit().await
        })?;
    }
    sleep_until(end).await;
    let page = Page::new(words.get("lost-title"))
        .with(Part::Good(words.get("lost-done")))
        .with(Part::Links(vec![("/login".to_string(), words.get("login-title"))]));
    show(&shop, &visitor, &page)
}

/// What a link for a new password opens.
pub(super) async fn reset_page(
    State(shop): State<Arc<Shop>>,
    visitor: Visitor,
    Path(token): Path<String>,
) -> Answer {
    let words = visitor.words;
    let link = good(&shop, Purpose::Reset, &token).await?;
    let least = PASSWORD_LEN_MIN.to_string();
    let form = Form::new("/reset", words.get("password-button"))
        .field("user", words.get("user-label"), Input::Fixed("username"))
        .value(link.user.to_string())
        .field("password", words.get("password-new-label"), Input::Password("new-password"))
        .help(words.with("password-help", &[("least", &least)]))
        .hidden("link", token);
    let mut page = Page::new(words.get("reset-title")).text(words.get("reset-text"));
    let passkeys = super::passkeys::count_passkeys(shop.service.store(), &link.user).await?;
    if passkeys > 0 {
        page = page.text(words.with("reset-passkeys", &[("count", &passkeys.to_string())]));
    }
    let page = page.with(form.into());
    show(&shop, &visitor, &page)
}

/// Sets the new password, and ends all sessions.
pub(super) async fn reset(State(shop): State<Arc<Shop>>, Open { visitor, fields }: Open) -> Answer {
    let (token, password) = (fields.text("link"), fields.raw("password"));
    let (store, now) = (shop.service.store(), shop.service.now());
    let link = find(store, Purpose::Reset, token).await?.ok_or_else(|| refuse("error-link"))?;
    let checked = check_new(password, link.user.as_str());
    checked.map_err(|refused| refused.back_to(format!("/reset/{token}")))?;
    if link.is_used {
        // The form that was sent twice has done its work. Whoever guesses is counted as at a login.
        let known = person_of(&shop, &visitor, link.user.as_str(), password).await?;
        return after_reset(&shop, known.is_some());
    }
    let hash = shop.passwords.hash(password).await?;
    let is_set = retried!(async {
        let mut tx = store.begin().await?;
        // The row of the person first, as those do who make an operator of a reader.
        let set = sqlx::query(
            "UPDATE person SET password = $2, closed_at = NULL \
             WHERE user_id = $1 AND role = 'none'",
        )
        .bind(link.user.to_string())
        .bind(hash.clone())
        .execute(tx.connection())
        .await?;
        if set.rows_affected() == 0 || !tx.use_link(token, now).await? {
            return Ok::<bool, StoreError>(false);
        }
        // Other links were for the old password.
        tx.end_links(&link.user).await?;
        tx.end_sessions(&link.user, &[], now).await?;
        tx.end_api_keys(link.user.as_str(), &link.user, now).await?;
        tx.audit(link.user.as_str(), Act::PasswordByLink, "", now).await?;
        tx.commit().await?;
        Ok(true)
    })?;
    if is_set {
        super::login::forget_failed(&shop, &visitor, &link.user).await?;
    }
    after_reset(&shop, is_set)
}

fn after_reset(shop: &Shop, is_done: bool) -> Answer {
    if is_done { Ok(to(shop, "/login?note=done-reset")) } else { Err(refuse("error-link")) }
}

/// The form with which an operator looks for an account.
pub(super) async fn people_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
) -> Answer {
    person.needs(Role::Support)?;
    let page = search_page(&visitor);
    show(&shop, &visitor, &page)
}

/// The message with the name of a role.
fn role_name(role: &str) -> &'static str {
    match role {
        "admin" => "role-admin",
        "money" => "role-money",
        "support" => "role-support",
        _ => "role-none",
    }
}

fn search_page(visitor: &Visitor) -> Page {
    let words = visitor.words;
    let form = Form::new("/operator/people", words.get("people-button")).field(
        "who",
        words.get("lost-label"),
        Input::Line("off", ADDRESS_LEN_MAX),
    );
    Page::new(words.get("people-title")).text(words.get("people-text")).with(form.into())
}

/// Shows the accounts with a name or an address.
pub(super) async fn people_found(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { visitor, person, fields, .. } = &posted;
    person.needs(Role::Support)?;
    let words = visitor.words;
    let rows = sqlx::query(
        "SELECT person.user_id, role, at, closed_at, COALESCE(address, '') FROM person \
         LEFT JOIN mail_address ON mail_address.user_id = person.user_id \
         WHERE person.user_id IN (SELECT CAST($1 AS TEXT) \
         UNION SELECT user_id FROM mail_address WHERE compared = $1) ORDER BY at LIMIT 20",
    )
    .bind(compared(fields.text("who")))
    .fetch_all(shop.service.store().pool())
    .await?;
    let mut page = search_page(visitor);
    if rows.is_empty() {
        page = page.with(Part::Bad(words.get("error-no-person")));
    }
    for row in &rows {
        let (user, role): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let at: i64 = row.try_get(2)?;
        let closed: Option<i64> = row.try_get(3)?;
        let mail: String = row.try_get(4)?;
        let mut facts = vec![
            (words.get("user-label"), user.clone()),
            (words.get("column-since"), visitor.time(UnixTime(at))),
            (words.get("people-role"), words.get(role_name(&role))),
        ];
        if let Some(at) = closed {
            facts.push((words.get("people-closed"), visitor.time(UnixTime(at))));
            for money in shop.service.store().balances(AccountKind::Client, &user).await? {
                let amount = visitor.money(money.units(), money.currency());
                facts.push((words.get("balance-label"), amount));
            }
        }
        if !mail.is_empty() {
            facts.push((words.get("mail-known"), mail));
        }
        page = page.with(Part::Facts(facts));
        if role == Role::None.word() && person.role >= Role::Money {
            let button = if closed.is_some() { "people-link-open" } else { "people-link" };
            let form = Form::new("/operator/people/link", words.get(button));
            page = page.with(form.hidden("user", user).into());
        }
    }
    show(&shop, visitor, &page)
}

/// Makes a link for a new password, and shows it once. It opens an account that is closed, such as
/// one to which a payout or returned coins came later. Passwords of operators are set on the
/// console.
pub(super) async fn issue(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { visitor, person, fields, .. } = &posted;
    person.needs(Role::Money)?;
    let words = visitor.words;
    let (store, now) = (shop.service.store(), shop.service.now());
    let known = people::person(store, fields.text("user")).await?;
    let of = known.filter(|found| found.role == Role::None);
    let of = of.ok_or_else(|| refuse("error-no-person"))?;
    let token = random::token()?;
    retried!(async {
        let mut tx = store.begin().await?;
        let about = (of.user.as_str(), "");
        tx.add_link(Purpose::Reset, about, (now, ISSUED_SECONDS), &token).await?;
        tx.audit(person.user.as_str(), Act::PasswordLink, of.user.as_str(), now).await?;
        tx.commit().await
    })?;
    let page = Page::new(words.get("reset-title"))
        .with(Part::Bad(words.with("people-link-once", &[("user", of.user.as_str())])))
        .with(Part::Code(format!("{}/reset/{token}", shop.url)))
        .with(Part::Links(vec![("/operator/people".to_string(), words.get("back-link"))]));
    show(&shop, visitor, &page)
}
