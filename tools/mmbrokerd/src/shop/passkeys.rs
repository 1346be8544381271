//! Passkeys: a login without a password and without a name, by an authenticator of the reader.
//!
//! Input: forms, with what an authenticator answered to a challenge. Output: pages, and a session's
//! cookie. The invariants: a challenge is used at most once, whether the answer is right or wrong;
//! one that nobody answers takes no room, unless an account asked for it; only a reader who gave
//! the password or has just logged in adds and removes passkeys; a login counts as those with a
//! password do; no answer shows which passkeys or accounts exist.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use micromint::identity::UserId;
use micromint::time::UnixTime;
use serde_json::json;
use sqlx::Row;

use super::answer::{Answer, Refused, refuse, show, to};
use super::attempts::{CHALLENGE, CHALLENGE_NET, LOGIN, LOGIN_ALL, LOGIN_NET, PASSKEY};
use super::audit::Act;
use super::form::{Open, Posted, is_plain_line};
use super::login::{Note, begin, check_password};
use super::people::{self, Person, Proof};
use super::relying::{
    self, CHALLENGE_SECONDS, Fault, NewPasskey, PASSKEY_ANSWER_SIZE_MAX, RelyingParty,
};
use super::view::{Cell, Ceremony, Form, Input, Page, Part, Table};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, random};
use crate::store::{Store, StoreError, Transaction, retried};

/// The most passkeys of an account.
pub const PASSKEYS_MAX: usize = 10;
/// The longest name of a passkey, in characters.
pub const PASSKEY_NAME_LEN_MAX: usize = 60;
/// The most challenges for new passkeys that wait for an answer.
pub const PASSKEY_CHALLENGES_MAX: i64 = 10_000;
/// The most of them for one account: another one replaces the oldest.
const CHALLENGES_OF_ACCOUNT_MAX: i64 = 3;
/// How long after a login the password is not asked for again, in seconds.
const FRESH_SECONDS: i64 = 600;
/// How many bytes of the hash of a passkey's ID name it on its list.
const NAMED_BY: usize = 8;

/// A passkey of a person.
pub(super) struct PasskeyRow {
    pub(super) sha256: Vec<u8>,
    pub(super) name: String,
    pub(super) at: UnixTime,
    pub(super) used_at: Option<UnixTime>,
    data: String,
}

/// The passkeys of a person, the oldest first.
pub(super) async fn passkeys_of(
    store: &Store,
    user: &UserId,
) -> Result<Vec<PasskeyRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT sha256, name, at, used_at, data FROM passkey WHERE user_id = $1 \
         ORDER BY at, sha256",
    )
    .bind(user.to_string())
    .fetch_all(store.pool())
    .await?;
    let read = |row: &sqlx::any::AnyRow| {
        let used_at: Option<i64> = row.try_get(3)?;
        Ok(PasskeyRow {
            sha256: row.try_get(0)?,
            name: row.try_get(1)?,
            at: UnixTime(row.try_get(2)?),
            used_at: used_at.map(UnixTime),
            data: row.try_get(4)?,
        })
    };
    rows.iter().map(read).collect()
}

/// How many passkeys a person has.
///
/// # Errors
/// The database failed.
pub async fn count_passkeys(store: &Store, user: &UserId) -> Result<usize, StoreError> {
    Ok(passkeys_of(store, user).await?.len())
}

/// The person to whom a passkey belongs, with its name and data.
async fn owner(
    store: &Store,
    sha256: &[u8; 32],
) -> Result<Option<(Person, String, String)>, StoreError> {
    let row = sqlx::query("SELECT user_id, name, data FROM passkey WHERE sha256 = $1")
        .bind(sha256.to_vec())
        .fetch_optional(store.pool())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let user: String = row.try_get(0)?;
    let (name, data) = (row.try_get(1)?, row.try_get(2)?);
    let person = people::login(store, &user).await?.map(|(person, _)| person);
    Ok(person.map(|person| (person, name, data)))
}

/// Seals the challenge of a login, with the time until which it is good. It is not in the database:
/// nobody fills that, and keeps others from their logins, by asking for challenges.
fn sealed(shop: &Shop, state: &str, now: UnixTime) -> String {
    let expires_at = now.0 + i64::from(CHALLENGE_SECONDS);
    let (seal, state) = (seal_of(shop, expires_at, state), URL_SAFE_NO_PAD.encode(state));
    format!("{expires_at}.{state}.{seal}")
}

fn seal_of(shop: &Shop, expires_at: i64, state: &str) -> String {
    let parts = [b"passkey challenge".as_slice(), &expires_at.to_be_bytes(), state.as_bytes()];
    random::hex(&random::mac(&shop.key, &parts))
}

/// Uses the challenge of a login up, by a row until it expires. Returns its state if it was good.
async fn take_sealed(
    shop: &Shop,
    token: &str,
    now: UnixTime,
) -> Result<Option<String>, StoreError> {
    let open = || {
        let (expires_at, rest) = token.split_once('.')?;
        let (state, seal) = rest.split_once('.')?;
        let state = String::from_utf8(URL_SAFE_NO_PAD.decode(state).ok()?).ok()?;
        let expires_at: i64 = expires_at.parse().ok()?;
        let is_own = random::are_equal(seal, &seal_of(shop, expires_at, &state));
        (is_own && now.0 < expires_at).then_some((expires_at, state, seal))
    };
    let Some((expires_at, state, seal)) = open() else { return Ok(None) };
    let store = shop.service.store();
    let is_new = retried!(async {
        let mut tx = store.begin().await?;
        forget_challenges(&mut tx, now).await?;
        let used = sqlx::query(
            "INSERT INTO passkey_challenge (sha256, user_id, expires_at, data) \
             VALUES ($1, '', $2, '') ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(random::digest(seal).to_vec())
        .bind(expires_at)
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok::<bool, StoreError>(used.rows_affected() == 1)
    })?;
    Ok(Some(state).filter(|_| is_new))
}

/// Removes the challenges that have expired.
async fn forget_challenges(tx: &mut Transaction, now: UnixTime) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM passkey_challenge WHERE expires_at <= $1")
        .bind(now.0)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Records a challenge for a person who adds a passkey. Returns its token, or `None` if too many
/// wait.
async fn add_state(
    store: &Store,
    user: &str,
    state: &str,
    now: UnixTime,
) -> Result<Option<String>, Refused> {
    let token = random::token()?;
    let is_added = retried!(async {
        let mut tx = store.begin().await?;
        forget_challenges(&mut tx, now).await?;
        sqlx::query(
            "DELETE FROM passkey_challenge WHERE user_id = $1 AND sha256 NOT IN \
             (SELECT sha256 FROM passkey_challenge WHERE user_id = $1 \
             ORDER BY expires_at DESC, sha256 LIMIT $2)",
        )
        .bind(user.to_string())
        .bind(CHALLENGES_OF_ACCOUNT_MAX - 1)
        .execute(tx.connection())
        .await?;
        let count = "SELECT COUNT(*) FROM passkey_challenge WHERE user_id <> ''";
        let waiting: i64 = sqlx::query(count).fetch_one(tx.connection()).await?.try_get(0)?;
        if waiting < PASSKEY_CHALLENGES_MAX {
            sqlx::query(
                "INSERT INTO passkey_challenge (sha256, user_id, expires_at, data) \
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(random::digest(&token).to_vec())
            .bind(user.to_string())
            .bind(now.0 + i64::from(CHALLENGE_SECONDS))
            .bind(state.to_string())
            .execute(tx.connection())
            .await?;
        }
        tx.commit().await?;
        Ok::<bool, StoreError>(waiting < PASSKEY_CHALLENGES_MAX)
    })?;
    Ok(Some(token).filter(|_| is_added))
}

/// Uses a challenge up. Returns its state if it was good.
async fn take_state(
    store: &Store,
    user: &str,
    token: &str,
    now: UnixTime,
) -> Result<Option<String>, StoreError> {
    retried!(async {
        let mut tx = store.begin().await?;
        let row = sqlx::query(
            "DELETE FROM passkey_challenge \
             WHERE sha256 = $1 AND user_id = $2 AND expires_at > $3 RETURNING data",
        )
        .bind(random::digest(token).to_vec())
        .bind(user.to_string())
        .bind(now.0)
        .fetch_optional(tx.connection())
        .await?;
        tx.commit().await?;
        Ok::<_, StoreError>(row.map(|row| row.try_get(0)).transpose()?)
    })
}

impl Transaction {
    /// Adds a passkey, unless the person has too many, or it is somebody's. The row of the person
    /// is locked ([`Transaction::has_session`]). Returns whether it was added.
    async fn add_passkey(
        &mut self,
        user: &UserId,
        (made, name): (&NewPasskey, &str),
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let added = sqlx::query(
            "INSERT INTO passkey (sha256, user_id, name, at, data) SELECT $1, $2, $3, $4, $5 \
             WHERE (SELECT COUNT(*) FROM passkey WHERE user_id = $2) < $6 \
             ON CONFLICT (sha256) DO NOTHING",
        )
        .bind(made.sha256.to_vec())
        .bind(user.to_string())
        .bind(name.to_string())
        .bind(now.0)
        .bind(made.data.clone())
        .bind(PASSKEYS_MAX as i64)
        .execute(self.connection())
        .await?;
        Ok(added.rows_affected() == 1)
    }
}

/// What asks for passkeys, or why there are none.
fn party(shop: &Shop) -> Result<&RelyingParty, Refused> {
    shop.relying.as_ref().map_err(|why| refuse(why))
}

/// Whether a session began so recently that the password is not asked for again.
pub(super) async fn is_fresh(shop: &Shop, token: &str) -> Result<bool, StoreError> {
    let began = people::session_began(shop.service.store(), token).await?;
    Ok(began.is_some_and(|at| shop.service.now().0 - at.0 < FRESH_SECONDS))
}

/// Refuses a form without the right password, unless its session has just begun.
pub(super) async fn check_person(shop: &Shop, posted: &Posted) -> Result<(), Refused> {
    if is_fresh(shop, &posted.token).await? {
        return Ok(());
    }
    check_password(shop, posted, "password").await
}

/// The name of a passkey in a form.
fn name_of(posted: &Posted) -> Result<&str, Refused> {
    let name = posted.fields.text("name");
    let is_name = (1..=PASSKEY_NAME_LEN_MAX).contains(&name.chars().count()) && is_plain_line(name);
    if is_name {
        Ok(name)
    } else {
        Err(refuse("error-passkey-name").with("most", PASSKEY_NAME_LEN_MAX))
    }
}

/// The answer of an authenticator in a form.
fn answer_of(text: &str) -> Result<&str, Refused> {
    if text.len() > PASSKEY_ANSWER_SIZE_MAX {
        return Err(refuse("error-too-large"));
    }
    Ok(text)
}

/// What names a passkey on its list.
fn id_of(row: &PasskeyRow) -> String {
    random::hex(&row.sha256[..row.sha256.len().min(NAMED_BY)])
}

/// A challenge for the script: its token and the options.
fn challenge(token: Option<String>, options: serde_json::Value) -> Answer {
    let token = token.ok_or_else(|| refuse("error-busy"))?;
    Ok(Json(json!({ "challenge": token, "options": options })).into_response())
}

/// What the script does with a form, and its words.
fn ceremony(visitor: &Visitor, what: &'static str, challenge: &'static str) -> Option<Ceremony> {
    let words = visitor.words;
    Some(Ceremony {
        what,
        challenge,
        ended: words.get("passkey-ended"),
        known: words.get("passkey-known"),
        failed: words.get("passkey-failed"),
    })
}

/// Adds the login with a passkey to the page of the login.
pub(super) fn add_login(shop: &Shop, visitor: &Visitor, page: Page) -> Page {
    if shop.relying.is_err() {
        return page;
    }
    let mut form = Form::new("/login/passkey", visitor.words.get("passkey-login"));
    form.passkey = ceremony(visitor, "get", "/login/passkey/challenge");
    page.with(form.into()).scripted()
}

/// A challenge for a login. It is the same for everybody.
pub(super) async fn login_challenge(
    State(shop): State<Arc<Shop>>,
    Open { visitor, .. }: Open,
) -> Answer {
    let party = party(&shop)?;
    shop.attempt(CHALLENGE_NET, &visitor.net).await?;
    let (options, state) = party.begin_login()?;
    challenge(Some(sealed(&shop, &state, shop.service.now())), options)
}

/// Logs in whose passkey answered the challenge.
pub(super) async fn login(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    Open { visitor, fields }: Open,
) -> Answer {
    let party = party(&shop)?;
    let (store, now) = (shop.service.store(), shop.service.now());
    let text = answer_of(fields.raw("answer"))?;
    shop.attempt(LOGIN_NET, &visitor.net).await?;
    // It is used up, whatever the answer is.
    let state = take_sealed(&shop, fields.text("challenge"), now).await?;
    let state = state.ok_or_else(|| refuse("error-passkey"))?;
    let answer = relying::Answer::read(text).ok_or_else(|| refuse("error-passkey"))?;
    let sha256 = answer.sha256();
    let owner = owner(store, &sha256).await?;
    // A passkey that nobody has is counted as one that somebody has.
    let unknown = || random::hex(&sha256)[..40].to_string();
    let who = owner.as_ref().map_or_else(unknown, |(person, ..)| person.user.to_string());
    let pair = format!("{who} {}", visitor.net);
    shop.attempt(LOGIN, &pair).await?;
    // Wrong passwords of others keep nobody with a passkey out.
    shop.attempt(PASSKEY, &who).await?;
    shop.attempt(LOGIN_ALL, &who).await?;
    let (person, name, data) = owner.ok_or_else(|| refuse("error-passkey"))?;
    let of = (&shop.key, &person.user);
    let new = match party.finish_login(answer, &state, of, &data).await? {
        Ok(new) => new,
        Err(fault) => {
            if fault == Fault::Copied {
                note_copied(&shop, &person.user, &name).await?;
            }
            return Err(refuse("error-passkey"));
        }
    };
    if !keep_use(store, &sha256, (&data, &new), now).await? {
        return Err(refuse("error-passkey"));
    }
    shop.forgive(LOGIN_NET, &visitor.net).await?;
    shop.forgive(LOGIN, &pair).await?;
    shop.forgive(PASSKEY, &who).await?;
    begin(&shop, (&person.user, Proof::Passkey(&sha256)), &headers).await
}

/// Stores the new sign counter. Returns whether the passkey is still there, and was not used in
/// between.
async fn keep_use(
    store: &Store,
    sha256: &[u8; 32],
    (old, new): (&str, &str),
    now: UnixTime,
) -> Result<bool, StoreError> {
    retried!(async {
        let mut tx = store.begin().await?;
        let kept = sqlx::query(
            "UPDATE passkey SET data = $3, used_at = $4 WHERE sha256 = $1 AND data = $2",
        )
        .bind(sha256.to_vec())
        .bind(old.to_string())
        .bind(new.to_string())
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok::<bool, StoreError>(kept.rows_affected() == 1)
    })
}

/// Records that a passkey was refused that may be copied.
async fn note_copied(shop: &Shop, user: &UserId, name: &str) -> Result<(), StoreError> {
    let (store, now) = (shop.service.store(), shop.service.now());
    retried!(async {
        let mut tx = store.begin().await?;
        tx.audit(user.as_str(), Act::PasskeyCopied, name, now).await?;
        tx.commit().await
    })
}

/// The passkeys of a person.
pub(super) async fn page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, token }: LoggedIn,
    Query(note): Query<Note>,
) -> Answer {
    let words = visitor.words;
    let rows = passkeys_of(shop.service.store(), &person.user).await?;
    let row = |row: &PasskeyRow| {
        let used = row.used_at.map_or_else(|| words.get("passkey-never"), |at| visitor.time(at));
        let address = format!("/account/passkeys/{}", id_of(row));
        let remove = words.with("passkey-remove", &[("name", &row.name)]);
        let since = visitor.time(row.at);
        vec![
            Cell::text(&row.name),
            Cell::Text(since),
            Cell::Text(used),
            Cell::Link(address, remove),
        ]
    };
    let head = ["column-name", "column-since", "column-last", "column-action"];
    let table = Table {
        caption: words.get("passkeys-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows: rows.iter().map(row).collect(),
        empty: words.get("passkeys-empty"),
    };
    let page = note
        .on(&visitor, Page::new(words.get("passkeys-title")))
        .text(words.get("passkeys-text"))
        .with(Part::Table(table));
    let page = match &shop.relying {
        Err(why) => page.with(Part::Bad(words.get(why))),
        Ok(_) if rows.len() >= PASSKEYS_MAX => {
            let most = PASSKEYS_MAX.to_string();
            page.text(words.with("passkeys-most", &[("most", &most)]))
        }
        Ok(_) => {
            let form = add_form(&visitor, is_fresh(&shop, &token).await?);
            page.heading(words.get("passkey-add-title"))
                .with(Part::WithoutPasskeys(words.get("passkeys-script")))
                .with(form.into())
                .scripted()
        }
    };
    let back = ("/account".to_string(), words.get("menu-account"));
    show(&shop, &visitor, &page.with(Part::Links(vec![back])))
}

fn add_form(visitor: &Visitor, is_fresh: bool) -> Form {
    let words = visitor.words;
    let line = Input::Line("off", PASSKEY_NAME_LEN_MAX);
    let mut form = Form::new("/account/passkeys", words.get("passkey-add-button"))
        .field("name", words.get("passkey-name-label"), line)
        .help(words.get("passkey-name-help"));
    if !is_fresh {
        let password = Input::Password("current-password");
        form = form.field("password", words.get("password-label"), password);
    }
    form.passkey = ceremony(visitor, "create", "/account/passkeys/challenge");
    form
}

/// A challenge for a new passkey.
pub(super) async fn add_challenge(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let party = party(&shop)?;
    let user = &posted.person.user;
    name_of(&posted)?;
    check_person(&shop, &posted).await?;
    shop.attempt(CHALLENGE, user.as_str()).await?;
    let (store, now) = (shop.service.store(), shop.service.now());
    let rows = passkeys_of(store, user).await?;
    if rows.len() >= PASSKEYS_MAX {
        return Err(refuse("passkeys-most").with("most", PASSKEYS_MAX));
    }
    let known: Vec<&str> = rows.iter().map(|row| row.data.as_str()).collect();
    let (options, state) = party.begin_add(&shop.key, user, &known)?;
    challenge(add_state(store, user.as_str(), &state, now).await?, options)
}

/// Adds the passkey that answered a challenge, for which the password was given.
pub(super) async fn add(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let party = party(&shop)?;
    let user = &posted.person.user;
    let (store, now, name) = (shop.service.store(), shop.service.now(), name_of(&posted)?);
    let text = answer_of(posted.fields.raw("answer"))?;
    let added = || Ok(to(&shop, "/account/passkeys?note=done-passkey"));
    let state = take_state(store, user.as_str(), posted.fields.text("challenge"), now).await?;
    let Some(state) = state else {
        // The form that was sent twice has done its work.
        let known = relying::new_id(text);
        let rows = passkeys_of(store, user).await?;
        let is_done = rows.iter().any(|row| known.is_some_and(|known| known == *row.sha256));
        return if is_done { added() } else { Err(refuse("error-passkey-add")) };
    };
    let made = party.finish_add(text, &state).await?;
    let made = made.map_err(|_| refuse("error-passkey-add"))?;
    let session = random::digest(&posted.token);
    let is_added = retried!(async {
        let mut tx = store.begin().await?;
        if !tx.has_session(user, &session).await? {
            return Ok(false);
        }
        let is_added = tx.add_passkey(user, (&made, name), now).await?;
        if is_added {
            tx.audit(user.as_str(), Act::PasskeyAdded, name, now).await?;
        }
        tx.commit().await?;
        Ok::<bool, StoreError>(is_added)
    })?;
    if is_added { added() } else { Err(refuse("error-passkey-add")) }
}

/// Asks whether a passkey is removed.
pub(super) async fn remove_page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, token }: LoggedIn,
    Path(id): Path<String>,
) -> Answer {
    let words = visitor.words;
    let rows = passkeys_of(shop.service.store(), &person.user).await?;
    let row = rows.iter().find(|row| id_of(row) == id).ok_or_else(|| refuse("error-no-page"))?;
    let used = row.used_at.map_or_else(|| words.get("passkey-never"), |at| visitor.time(at));
    let facts = vec![
        (words.get("column-name"), row.name.clone()),
        (words.get("column-since"), visitor.time(row.at)),
        (words.get("column-last"), used),
    ];
    let mut form = Form::new("/account/passkeys/remove", words.get("passkey-remove-button"))
        .hidden("passkey", id)
        .danger();
    if !is_fresh(&shop, &token).await? {
        let password = Input::Password("current-password");
        form = form.field("password", words.get("password-label"), password);
    }
    let back = ("/account/passkeys".to_string(), words.get("back-link"));
    let page = Page::new(words.get("passkey-remove-title"))
        .with(Part::Facts(facts))
        .text(words.get("passkey-remove-text"))
        .with(form.into())
        .with(Part::Links(vec![back]));
    show(&shop, &visitor, &page)
}

/// Removes a passkey. The form sent twice removes it once.
pub(super) async fn remove(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    check_person(&shop, &posted).await?;
    let (store, now, user) = (shop.service.store(), shop.service.now(), &posted.person.user);
    let id = posted.fields.text("passkey");
    let rows = passkeys_of(store, user).await?;
    if let Some(row) = rows.iter().find(|row| id_of(row) == id) {
        retried!(async {
            let mut tx = store.begin().await?;
            let removed = sqlx::query("DELETE FROM passkey WHERE sha256 = $1 AND user_id = $2")
                .bind(row.sha256.clone())
                .bind(user.to_string())
                .execute(tx.connection())
                .await?;
            if removed.rows_affected() == 1 {
                tx.audit(user.as_str(), Act::PasskeyRemoved, &row.name, now).await?;
            }
            tx.commit().await
        })?;
    }
    Ok(to(&shop, "/account/passkeys?note=done-passkey-removed"))
}
