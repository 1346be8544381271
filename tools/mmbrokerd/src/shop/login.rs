//! Accounts: registration, login, sessions, passwords, API keys.
//!
//! Input: forms. Output: pages, and a session's cookie. The invariants: no answer shows whether an
//! account exists; a name is drawn by the broker, so nobody tries which names are taken.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::response::Response;
use micromint::broker::Dispute;
use micromint::identity::UserId;
use serde::Deserialize;

use super::answer::{Answer, Refused, page_before, refuse, show, to};
use super::attempts::{
    KEY, LOGIN, LOGIN_ACCOUNT, LOGIN_ALL, LOGIN_NET, PASSWORD, REGISTER, SESSION,
};
use super::form::{Open, Posted};
use super::links;
use super::mail::{ADDRESS_LEN_MAX, address};
use super::passkeys::{check_person, is_fresh};
use super::password::{PASSWORD_LEN_MIN, check_new};
use super::payouts::fee_and_least;
use super::people::{self, Kept, Person, Proof, Role};
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::{LANGUAGE_COOKIE, LoggedIn, Visitor, session_cookie};
use super::words::Language;
use super::{Shop, random};
use crate::http::{give_key, key_of};
use crate::store::{KEYS_MAX, KeyAnswer, KeyMaker};

/// How long a registration form may be filled in, in seconds.
const REGISTRATION_SECONDS_MAX: i64 = 86_400;
/// How often a name is drawn until it has a user vector in every period.
const DRAWS_MAX: u32 = 64;

/// What a redirect says on the page to which it leads.
#[derive(Deserialize)]
pub(super) struct Note {
    note: Option<String>,
}

/// The notes that a redirect may show.
const NOTES: [&str; 25] = [
    "done-password",
    "done-session",
    "done-keys",
    "done-received",
    "done-voucher",
    "done-bank",
    "done-refund",
    "done-refund-later",
    "done-complaint",
    "done-answer",
    "done-paid",
    "done-vendor",
    "done-vendor-added",
    "done-vendor-disabled",
    "done-vendor-enabled",
    "done-closed",
    "done-ruling",
    "done-void",
    "done-mint",
    "done-mail",
    "done-mail-removed",
    "done-reset",
    "done-passkey",
    "done-passkey-removed",
    "login-first",
];

impl Note {
    /// Adds the note to a page.
    pub(super) fn on(&self, visitor: &Visitor, page: Page) -> Page {
        let asked = self.note.as_deref().unwrap_or_default();
        match NOTES.into_iter().find(|note| *note == asked) {
            Some(note) => page.with(Part::Good(visitor.words.get(note))),
            None => page,
        }
    }
}

/// Chooses the language.
pub(super) async fn language(
    State(shop): State<Arc<Shop>>,
    Path(code): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let language = Language::of(&code).ok_or_else(|| refuse("error-no-page"))?;
    // The page on which the link was followed, if it is one of the broker.
    let page = page_before(&shop, &headers).unwrap_or_else(|| "/".to_string());
    let mut response = to(&shop, &page);
    let cookie = format!(
        "{LANGUAGE_COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
        language.code()
    );
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// What seals a drawn name, so that only names that the broker drew are registered.
fn seal(shop: &Shop, user: &str, at: i64) -> String {
    random::hex(&random::mac(&shop.key, &[b"register", user.as_bytes(), &at.to_be_bytes()]))
}

/// A name that has a user vector in every open period.
fn drawn_name(shop: &Shop) -> Result<String, Refused> {
    for _ in 0..DRAWS_MAX {
        let name = random::user_name()?;
        let Ok(user) = name.parse() else { continue };
        let has_vector = |period: &Arc<crate::service::OpenPeriod>| {
            micromint::identity::UserVector::new(period.params(), &user).is_ok()
        };
        if shop.service.periods().iter().all(has_vector) {
            return Ok(name);
        }
    }
    Err(refuse("error-broker"))
}

pub(super) async fn register_page(State(shop): State<Arc<Shop>>, visitor: Visitor) -> Answer {
    if !shop.settings.registration {
        return Err(refuse("error-registration"));
    }
    let (name, at) = (drawn_name(&shop)?, shop.service.now().0);
    let page = register_form(&shop, &visitor, &name, at);
    show(&shop, &visitor, &page)
}

fn register_form(shop: &Shop, visitor: &Visitor, name: &str, at: i64) -> Page {
    let words = visitor.words;
    let least = PASSWORD_LEN_MIN.to_string();
    let mut form = Form::new("/register", words.get("register-button"))
        .field("user", words.get("user-label"), Input::Fixed("username"))
        .value(name)
        .help(words.get("register-user-help"))
        .field("password", words.get("password-new-label"), Input::Password("new-password"))
        .help(words.with("password-help", &[("least", &least)]))
        .hidden("at", at.to_string())
        .hidden("seal", seal(shop, name, at));
    if shop.settings.mail.is_some() {
        form = form
            .field("mail", words.get("mail-label"), Input::Line("email", ADDRESS_LEN_MAX))
            .help(words.get("mail-help"));
    }
    Page::new(words.get("register-title")).text(words.get("register-text")).with(form.into())
}

/// Makes an account. The form sent twice logs in.
pub(super) async fn register(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    Open { visitor, fields }: Open,
) -> Answer {
    if !shop.settings.registration {
        return Err(refuse("error-registration"));
    }
    let (user, password, now) = (fields.text("user"), fields.raw("password"), shop.service.now());
    let at = fields.hidden_number("at")? as i64;
    let is_drawn = random::are_equal(fields.text("seal"), &seal(&shop, user, at));
    if !is_drawn || !(at..=at + REGISTRATION_SECONDS_MAX).contains(&now.0) {
        return Err(refuse("error-registration-old"));
    }
    check_new(password, user)?;
    let mail = Some(fields.text("mail")).filter(|text| !text.is_empty());
    let mail = mail.filter(|_| shop.settings.mail.is_some());
    let mail = mail.map(|text| address(text).ok_or_else(|| refuse("error-mail"))).transpose()?;
    shop.attempt(REGISTER, &visitor.net).await?;
    let hash = shop.passwords.hash(password).await?;
    if people::add(shop.service.store(), user, &hash, now).await? {
        let user = user.parse().map_err(|_| refuse("error-registration-old"))?;
        let mut path = "/";
        if let Some((written, _)) = mail {
            // The account is made, whatever becomes of the mail.
            let asked = links::ask_to_confirm(&shop, &visitor, &user, &written).await;
            path = if asked.is_ok() { "/?note=done-mail" } else { "/account" };
        }
        return begin_at(&shop, (&user, Proof::Password(&hash)), Some(path), &headers).await;
    }
    check_login(&shop, &visitor, user, password, &headers).await
}

pub(super) async fn login_page(
    State(shop): State<Arc<Shop>>,
    visitor: Visitor,
    Query(note): Query<Note>,
) -> Answer {
    let words = visitor.words;
    let form = Form::new("/login", words.get("login-button"))
        .field("user", words.get("user-label"), Input::Line("username", 40))
        .field("password", words.get("password-label"), Input::Password("current-password"));
    let page = note.on(&visitor, Page::new(words.get("login-title"))).with(form.into());
    let page = super::passkeys::add_login(&shop, &visitor, page);
    let mut page = match shop.settings.mail {
        Some(_) => {
            let lost = ("/lost".to_string(), words.get("lost-title"));
            page.with(Part::Links(vec![lost]))
        }
        None => page.text(words.get("login-lost")),
    };
    if !shop.settings.contact.is_empty() {
        let contact = (words.get("contact-label"), shop.settings.contact.clone());
        page = page.with(Part::Facts(vec![contact]));
    }
    show(&shop, &visitor, &page)
}

pub(super) async fn login(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    Open { visitor, fields }: Open,
) -> Answer {
    let user = fields.text("user").to_ascii_lowercase();
    check_login(&shop, &visitor, &user, fields.raw("password"), &headers).await
}

async fn check_login(
    shop: &Shop,
    visitor: &Visitor,
    user: &str,
    password: &str,
    headers: &HeaderMap,
) -> Answer {
    let known = person_of(shop, visitor, user, password).await?;
    let (person, hash) = known.ok_or_else(|| refuse("error-login"))?;
    begin(shop, (&person.user, Proof::Password(&hash)), headers).await
}

/// The person with this name and password, and the hash that it was compared with, within the
/// limits of logins.
pub(super) async fn person_of(
    shop: &Shop,
    visitor: &Visitor,
    user: &str,
    password: &str,
) -> Result<Option<(Person, String)>, Refused> {
    // A name that cannot be one is counted too, in a bounded row.
    let name: String = user.chars().take(40).collect();
    let pair = format!("{name} {}", visitor.net);
    shop.attempt(LOGIN_NET, &visitor.net).await?;
    shop.attempt(LOGIN, &pair).await?;
    shop.attempt(LOGIN_ACCOUNT, &name).await?;
    shop.attempt(LOGIN_ALL, &name).await?;
    let known = people::login(shop.service.store(), user).await?;
    let hash = known.as_ref().map(|(_, hash)| hash.clone());
    let is_right = shop.passwords.is_right(password, hash).await;
    // What was not compared was no attempt.
    if is_right.is_err() {
        shop.forgive(LOGIN_ALL, &name).await?;
    } else if !matches!(is_right, Ok(true)) {
        return Ok(None);
    }
    shop.forgive(LOGIN_NET, &visitor.net).await?;
    shop.forgive(LOGIN, &pair).await?;
    shop.forgive(LOGIN_ACCOUNT, &name).await?;
    is_right.map(|_| known)
}

/// Forgets the logins of an account that failed, from this network and from everywhere: its person
/// has set a password with a link.
pub(super) async fn forget_failed(
    shop: &Shop,
    visitor: &Visitor,
    user: &UserId,
) -> Result<(), Refused> {
    shop.forget(LOGIN, &format!("{user} {}", visitor.net)).await?;
    shop.forget(LOGIN_ACCOUNT, user.as_str()).await?;
    Ok(shop.forget(LOGIN_ALL, user.as_str()).await?)
}

/// Begins a session, and goes to the first page of the person.
pub(super) async fn begin(shop: &Shop, who: (&UserId, Proof<'_>), headers: &HeaderMap) -> Answer {
    begin_at(shop, who, None, headers).await
}

/// Begins a session with a token of its own, whatever cookie the browser had, and goes to this page
/// or to the first one of the person.
async fn begin_at(
    shop: &Shop,
    who: (&UserId, Proof<'_>),
    path: Option<&str>,
    headers: &HeaderMap,
) -> Answer {
    let token = random::token()?;
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let (store, now) = (shop.service.store(), shop.service.now());
    let role = people::begin_session(store, who, &token, agent, now).await?;
    let first = match role.ok_or_else(|| refuse("error-login"))? {
        Role::None => "/",
        _ => "/operator",
    };
    let mut response = to(shop, path.unwrap_or(first));
    let (name, value) = session_cookie(shop, Some(&token));
    response.headers_mut().append(name, value);
    Ok(response)
}

pub(super) async fn logout(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let own = people::session_id(&random::digest(&posted.token));
    let (store, now) = (shop.service.store(), shop.service.now());
    people::end_session(store, &posted.person.user, Some(&own), &posted.token, now).await?;
    Ok(without_session(&shop, "/login"))
}

fn without_session(shop: &Shop, path: &str) -> Response {
    let mut response = to(shop, path);
    let (name, value) = session_cookie(shop, None);
    response.headers_mut().append(name, value);
    response
}

/// What a person may change about the account.
pub(super) async fn account(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, token }: LoggedIn,
    Query(note): Query<Note>,
) -> Answer {
    let words = visitor.words;
    let (store, now) = (shop.service.store(), shop.service.now());
    let own = random::digest(&token);
    let rows = people::sessions(store, &person.user, now).await?;
    let row = |row: &people::SessionRow| {
        let end = Form::new("/account/sessions/end", words.get("session-end-button"))
            .hidden("session", people::session_id(&row.sha256));
        let last = if row.sha256 == own {
            Cell::Text(words.get("session-this"))
        } else {
            Cell::Button(end)
        };
        let (at, seen) = (visitor.time(row.at), visitor.time(row.seen_at));
        vec![Cell::text(&row.agent), Cell::Text(at), Cell::Text(seen), last]
    };
    let sessions = Table {
        caption: words.get("sessions-title"),
        head: ["column-program", "column-since", "column-last", "column-action"]
            .map(|name| words.get(name))
            .to_vec(),
        rows: rows.iter().map(row).collect(),
        empty: String::new(),
    };
    let least = PASSWORD_LEN_MIN.to_string();
    let hash = people::login(store, person.user.as_str()).await?.map(|(_, hash)| hash);
    let mark = Mark::of(&shop, (&token, &hash.unwrap_or_default()));
    let password = Form::new("/account/password", words.get("password-button"))
        .hidden("mark", mark.text())
        .field("old", words.get("password-old-label"), Input::Password("current-password"))
        .field("password", words.get("password-new-label"), Input::Password("new-password"))
        .help(words.with("password-help", &[("least", &least)]));
    // The page says what becomes of balances that are too small to be paid out.
    let small = small_balances(&shop, &visitor, person.user.as_str()).await?;
    let mut close = Form::new("/account/close", words.get("close-button"))
        .field("password", words.get("password-label"), Input::Password("current-password"))
        .danger();
    if !small.is_empty() {
        close = close.help(words.with("close-small", &[("amount", &small)])).hidden("small", small);
    }
    let mut make_key =
        Form::new("/account/key", words.get("key-button")).hidden("id", random::token()?);
    if !is_fresh(&shop, &token).await? {
        let current = Input::Password("current-password");
        make_key = make_key.field("password", words.get("password-label"), current);
    }
    let user = person.user.to_string();
    let owner = (crate::store::AccountKind::Client, person.user.as_str());
    let page = note
        .on(&visitor, Page::new(words.get("menu-account")))
        .with(Part::Facts(vec![(words.get("user-label"), user)]));
    let page = super::bank::bank_part(&shop, &visitor, page, owner).await?;
    let page = super::bank::refund_part(&shop, &visitor, page, person.user.as_str())
        .await?
        .heading(words.get("sessions-title"))
        .with(Part::Table(sessions))
        .with(Form::new("/account/sessions/end", words.get("sessions-end-button")).into());
    let page = links::mail_part(&shop, &visitor, page, &person.user)
        .await?
        .heading(words.get("password-title"))
        .text(words.get("password-ends"))
        .with(password.into())
        .heading(words.get("passkeys-title"))
        .text(words.get("passkeys-account"))
        .with(Part::Links(vec![("/account/passkeys".to_string(), words.get("passkeys-link"))]))
        .heading(words.get("keys-title"))
        .text(words.get("keys-text"))
        .with(make_key.into())
        .with(Form::new("/account/keys/end", words.get("keys-end-button")).danger().into())
        .heading(words.get("export-title"))
        .text(words.get("export-text"))
        .with(Part::Links(vec![("/account/export".to_string(), words.get("export-link"))]))
        .heading(words.get("close-title"))
        .text(words.get("close-text"))
        .with(close.into());
    show(&shop, &visitor, &page)
}

/// Refuses a form whose password is not that of the person. After too many wrong ones the session
/// ends: they count against it, and not against the logins of the account, so that whoever has only
/// a session of another cannot keep the owner out.
pub(super) async fn check_password(
    shop: &Shop,
    posted: &Posted,
    field: &str,
) -> Result<(), Refused> {
    let user = posted.person.user.as_str();
    let session = people::session_id(&random::digest(&posted.token));
    match shop.attempt(SESSION, &session).await {
        Err(refused) if refused.is("error-too-often") => {
            let (store, now, token) = (shop.service.store(), shop.service.now(), &posted.token);
            people::end_session(store, &posted.person.user, Some(&session), token, now).await?;
            return Err(refuse("error-session-over"));
        }
        done => done?,
    }
    let (store, now) = (shop.service.store(), shop.service.now());
    let hash = people::login(store, user).await?.map(|(_, hash)| hash);
    let is_right = shop.passwords.is_right(posted.fields.raw(field), hash).await;
    if matches!(is_right, Ok(false)) {
        return Err(refuse("error-password"));
    }
    shop.forgive(SESSION, &session).await?;
    is_right?;
    // Comparing takes a while, in which the session may have ended.
    match people::session(store, &posted.token, now).await? {
        Some(_) => Ok(()),
        None => Err(refuse("error-session-ended")),
    }
}

/// What names a password in the forms of a session, sealed for that session.
struct Mark {
    named: String,
    seal: String,
}

impl Mark {
    fn of(shop: &Shop, (token, hash): (&str, &str)) -> Mark {
        Mark::sealed(shop, token, random::hex(&random::mac(&shop.key, &[hash.as_bytes()])))
    }

    fn sealed(shop: &Shop, token: &str, named: String) -> Mark {
        let parts = [b"password of a form".as_slice(), token.as_bytes(), named.as_bytes()];
        Mark { seal: random::hex(&random::mac(&shop.key, &parts)), named }
    }

    fn text(&self) -> String {
        format!("{} {}", self.named, self.seal)
    }
}

/// Whether the password was changed since the session's form was shown, to what the form says. The
/// session that changed it is the only one that goes on, so nobody guesses a password here.
async fn is_changed(shop: &Shop, posted: &Posted) -> Result<bool, Refused> {
    let user = posted.person.user.as_str();
    let known = people::login(shop.service.store(), user).await?;
    let (Some((_, hash)), Some((named, _))) = (known, posted.fields.text("mark").split_once(' '))
    else {
        return Ok(false);
    };
    let shown = Mark::sealed(shop, &posted.token, named.to_string());
    let is_shown = random::are_equal(&shown.text(), posted.fields.text("mark"));
    if !is_shown || named == Mark::of(shop, (&posted.token, &hash)).named {
        return Ok(false);
    }
    shop.passwords.is_right(posted.fields.raw("password"), Some(hash)).await
}

pub(super) async fn change_password(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let (user, password) = (&posted.person.user, posted.fields.raw("password"));
    match check_password(&shop, &posted, "old").await {
        // The form that was sent twice has done its work. The attempt is counted.
        Err(refused) if refused.is("error-password") && is_changed(&shop, &posted).await? => {
            return Ok(to(&shop, "/account?note=done-password"));
        }
        done => done?,
    }
    check_new(password, user.as_str())?;
    shop.attempt(PASSWORD, user.as_str()).await?;
    let hash = shop.passwords.hash(password).await?;
    let (store, now) = (shop.service.store(), shop.service.now());
    if !people::set_password(store, user, &hash, &posted.token, now).await? {
        return Err(refuse("error-session-ended"));
    }
    Ok(to(&shop, "/account?note=done-password"))
}

pub(super) async fn end_session(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let which = Some(posted.fields.text("session")).filter(|which| !which.is_empty());
    let (store, now) = (shop.service.store(), shop.service.now());
    people::end_session(store, &posted.person.user, which, &posted.token, now).await?;
    Ok(to(&shop, "/account?note=done-session"))
}

/// Makes an API key, and shows it. It derives from the number of its form, so the same form again
/// shows the same key.
pub(super) async fn make_key(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let Posted { visitor, person, fields, .. } = &posted;
    let words = visitor.words;
    let id = fields.text("id");
    if id.len() != 64 {
        return Err(refuse("error-form"));
    }
    check_person(&shop, &posted).await?;
    shop.attempt(KEY, person.user.as_str()).await?;
    let parts = [b"api key".as_slice(), person.user.as_str().as_bytes(), id.as_bytes()];
    let key = key_of(&random::mac(&shop.key, &parts));
    let session = random::digest(&posted.token);
    let by = KeyMaker::Session(&session);
    match give_key(&shop.service, (by, &person.user), &key).await? {
        KeyAnswer::Added => {}
        // It was closed in another tab.
        KeyAnswer::Closed => return Err(refuse("error-no-person")),
        KeyAnswer::SessionOver => return Err(refuse("error-session-ended")),
        KeyAnswer::TooMany => return Err(refuse("error-keys").with("most", KEYS_MAX)),
        KeyAnswer::Ended => return Err(refuse("error-key-ended")),
    }
    let login = format!("mmwallet login {} --user {} --key-file FILE", shop.url, person.user);
    let page = Page::new(words.get("keys-title"))
        .with(Part::Bad(words.get("key-once")))
        .with(Part::Code(key))
        .text(words.get("key-use"))
        .with(Part::Code(format!("{login}\nmmwallet buy --sets 1")))
        .with(Part::Links(vec![("/account".to_string(), words.get("back-link"))]));
    show(&shop, visitor, &page)
}

pub(super) async fn end_keys(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let user = &posted.person.user;
    shop.service.store().end_api_keys(user.as_str(), user, shop.service.now()).await?;
    Ok(to(&shop, "/account?note=done-keys"))
}

/// The balances of a person that are too small to be paid out, in words; empty if there is none.
async fn small_balances(shop: &Shop, visitor: &Visitor, user: &str) -> Result<String, Refused> {
    let small = super::bank::payable(shop, user).await?.1;
    let amounts: Vec<String> =
        small.iter().map(|money| visitor.money(money.units(), money.currency())).collect();
    Ok(amounts.join(", "))
}

/// Closes an account that has no money that could be paid out and to which none is on its way.
pub(super) async fn close(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    check_password(&shop, &posted, "password").await?;
    let (user, store) = (&posted.person.user, shop.service.store());
    let small = small_balances(&shop, &posted.visitor, user.as_str()).await?;
    if !small.is_empty() && posted.fields.text("small") != small {
        return Err(refuse("error-close-small").with("amount", small));
    }
    for period in shop.service.periods() {
        let is_own = |it: &Dispute| it.user == *user && it.returned > 0;
        if shop.service.disputes(&period).await?.iter().any(is_own) {
            return Err(refuse("error-close-dispute"));
        }
    }
    let live = super::reader::live_periods(&shop);
    let least = |currency| fee_and_least(&shop, currency).1.units();
    match people::close(store, user, (&live, &least), shop.service.now()).await? {
        None => Ok(without_session(&shop, "/?note=done-closed")),
        Some(Kept::Balance) => Err(refuse("error-close-balance")),
        Some(Kept::Payout) => Err(refuse("error-close-payout")),
        Some(Kept::Return) => Err(refuse("error-close-return")),
        Some(Kept::Coins) => Err(refuse("error-close-coins")),
        Some(Kept::Vendor) => Err(refuse("error-close-vendor")),
    }
}
