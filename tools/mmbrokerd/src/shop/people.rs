//! The accounts of people, and their sessions.
//!
//! Input: names, hashes, tokens. Output: rows. The invariants: the database has hashes of passwords
//! and of tokens, never these themselves; a closed account has no sessions.

use micromint::identity::UserId;
use micromint::money::Currency;
use micromint::time::UnixTime;
use sqlx::Row;

use super::answer::{Refused, refuse};
use super::attempts::{LOGIN_ACCOUNT, LOGIN_ALL};
use super::audit::Act;
use super::password::{MEMORY_KIB, Passwords};
use super::random;
use crate::service::{Service, ServiceError};
use crate::store::{CONSOLE, Store, StoreError, Transaction, parsed, retried};

/// How long a session lasts at most, in seconds.
pub(super) const SESSION_SECONDS_MAX: i64 = 60 * 86_400;
/// How long a session lasts that is not used.
const SESSION_IDLE_SECONDS_MAX: i64 = 14 * 86_400;
/// How long a session of an operator lasts at most.
const OPERATOR_SECONDS_MAX: i64 = 12 * 3600;
/// How often the last use of a session is recorded, in seconds.
const SEEN_SECONDS: i64 = 600;
/// The most sessions of a person; the oldest ends when there are more.
pub(super) const SESSIONS_MAX: i64 = 20;
/// The longest name of a program that is kept, in characters.
const AGENT_LEN_MAX: usize = 120;

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What every reader and vendor may do.
    None,
    /// Read what operators read, and answer complaints.
    Support,
    /// Also vouchers, payouts and disputes.
    Money,
    /// Everything.
    Admin,
}

/// A person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) user: UserId,
    pub(super) role: Role,
}

/// A session.
pub(super) struct SessionRow {
    pub(super) sha256: Vec<u8>,
    pub(super) at: UnixTime,
    pub(super) seen_at: UnixTime,
    pub(super) agent: String,
}

impl Person {
    /// Refuses what needs a higher role.
    pub(super) fn needs(&self, role: Role) -> Result<(), Refused> {
        if self.role >= role { Ok(()) } else { Err(refuse("error-role")) }
    }
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 4] = [Role::None, Role::Support, Role::Money, Role::Admin];

    /// The word in the database and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Role::None => "none",
            Role::Support => "support",
            Role::Money => "money",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let found = Role::ALL.into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| format!("expected none, support, money or admin, found {text:?}"))
    }
}

fn wrong(what: &'static str, found: String) -> StoreError {
    StoreError::Value { what, expected: "a value of the program", found }
}

/// The hash of a person's password and the role, unless the account is closed.
pub(super) async fn login(
    store: &Store,
    user: &str,
) -> Result<Option<(Person, String)>, StoreError> {
    let row = sqlx::query(
        "SELECT user_id, role, password FROM person WHERE user_id = $1 AND closed_at IS NULL",
    )
    .bind(user.to_string())
    .fetch_optional(store.pool())
    .await?;
    row.map(|row| Ok((read_person(&row)?, row.try_get(2)?))).transpose()
}

/// A person, also one whose account is closed.
pub(super) async fn person(store: &Store, user: &str) -> Result<Option<Person>, StoreError> {
    let row = sqlx::query("SELECT user_id, role FROM person WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_optional(store.pool())
        .await?;
    row.map(|row| read_person(&row)).transpose()
}

fn read_person(row: &sqlx::any::AnyRow) -> Result<Person, StoreError> {
    let (user, role): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Person {
        user: user.parse().map_err(|_| wrong("person.user_id", user))?,
        role: role.parse().map_err(|_| wrong("person.role", role))?,
    })
}

/// Makes an account, unless the name is taken. Returns whether it was made.
pub(super) async fn add(
    store: &Store,
    user: &str,
    password: &str,
    now: UnixTime,
) -> Result<bool, StoreError> {
    retried!(async {
        let mut tx = store.begin().await?;
        let added = sqlx::query(
            "INSERT INTO person (user_id, password, role, at) VALUES ($1, $2, 'none', $3) \
             ON CONFLICT (user_id) DO NOTHING",
        )
        .bind(user.to_string())
        .bind(password.to_string())
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok::<bool, StoreError>(added.rows_affected() == 1)
    })
}

impl Transaction {
    /// Gives a person a password and a role, makes the account if there is none, and opens it if it
    /// is closed. Without a role, an account that is open keeps its own. All its sessions and keys
    /// end; the keys of a user who becomes a person do not. Returns the role.
    pub(super) async fn set_person(
        &mut self,
        user: &UserId,
        password: &str,
        role: Option<Role>,
        now: UnixTime,
    ) -> Result<Role, StoreError> {
        let lock = self.locking("SELECT user_id, role, closed_at FROM person WHERE user_id = $1");
        let known =
            sqlx::query(lock).bind(user.to_string()).fetch_optional(self.connection()).await?;
        let own = match &known {
            Some(row) if row.try_get::<Option<i64>, _>(2)?.is_none() => read_person(row)?.role,
            _ => Role::None,
        };
        let role = role.unwrap_or(own);
        sqlx::query(
            "INSERT INTO person (user_id, password, role, at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (user_id) DO UPDATE SET password = excluded.password, \
             role = excluded.role, closed_at = NULL",
        )
        .bind(user.to_string())
        .bind(password.to_string())
        .bind(role.word())
        .bind(now.0)
        .execute(self.connection())
        .await?;
        self.end_links(user).await?;
        self.end_sessions(user, &[], now).await?;
        self.forget_logins(user).await?;
        if known.is_some() {
            self.end_api_keys(CONSOLE, user, now).await?;
        }
        Ok(role)
    }

    /// Forgets the logins of an account, whoever tried them: it has a new password.
    async fn forget_logins(&mut self, user: &UserId) -> Result<(), StoreError> {
        for limit in [LOGIN_ACCOUNT, LOGIN_ALL] {
            sqlx::query("DELETE FROM attempt WHERE what = $1 AND who = $2")
                .bind(limit.what())
                .bind(user.to_string())
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// Ends all links of a person that were not used: they were made for who had the account then.
    pub(super) async fn end_links(&mut self, user: &UserId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM link WHERE user_id = $1 AND used_at IS NULL")
            .bind(user.to_string())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Whether a session of a person has not ended, with the row of the person locked: whoever ends
    /// the sessions with a new password waits. Call it before anything that outlives a session.
    pub(crate) async fn has_session(
        &mut self,
        user: &UserId,
        sha256: &[u8],
    ) -> Result<bool, StoreError> {
        if self.is_closed(user.as_str()).await? {
            return Ok(false);
        }
        let row = sqlx::query(
            "SELECT 1 FROM session WHERE sha256 = $1 AND user_id = $2 AND ended_at IS NULL",
        )
        .bind(sha256.to_vec())
        .bind(user.to_string())
        .fetch_optional(self.connection())
        .await?;
        Ok(row.is_some())
    }

    /// The role of a person who logs in, if what proved it holds still. The row of the person is
    /// locked, as for [`Transaction::has_session`].
    async fn proved(
        &mut self,
        user: &UserId,
        proof: Proof<'_>,
    ) -> Result<Option<Role>, StoreError> {
        let lock = self.locking("SELECT role, password, closed_at FROM person WHERE user_id = $1");
        let row =
            sqlx::query(lock).bind(user.to_string()).fetch_optional(self.connection()).await?;
        let Some(row) = row else { return Ok(None) };
        let (role, password): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let closed_at: Option<i64> = row.try_get(2)?;
        let holds = match proof {
            Proof::Password(hash) => password == hash,
            Proof::Passkey(sha256) => {
                sqlx::query("SELECT 1 FROM passkey WHERE sha256 = $1 AND user_id = $2")
                    .bind(sha256.to_vec())
                    .bind(user.to_string())
                    .fetch_optional(self.connection())
                    .await?
                    .is_some()
            }
        };
        let role = role.parse().map_err(|_| wrong("person.role", role))?;
        Ok(Some(role).filter(|_| holds && closed_at.is_none()))
    }

    /// Whether the account of a person is closed; its row is locked. An account without a person,
    /// of programs alone, is not closed.
    pub(crate) async fn is_closed(&mut self, user: &str) -> Result<bool, StoreError> {
        let lock = self.locking("SELECT closed_at FROM person WHERE user_id = $1");
        let row =
            sqlx::query(lock).bind(user.to_string()).fetch_optional(self.connection()).await?;
        let closed_at: Option<Option<i64>> = row.map(|row| row.try_get(0)).transpose()?;
        Ok(closed_at.flatten().is_some())
    }

    /// Why the account of a person cannot be closed: it has money that can be paid out, or will get
    /// some, or has bought coins that no wallet has taken and that are worth something. Its
    /// balances are locked first: a payout that takes from them is finished, or waits and finds the
    /// account closed. A return locks the person when it becomes money.
    async fn not_to_close(
        &mut self,
        user: &str,
        (live, least): Terms<'_>,
    ) -> Result<Option<Kept>, StoreError> {
        let lock = self.locking(
            "SELECT amount FROM balance WHERE account IN \
             (SELECT id FROM account WHERE kind = 'client' AND owner = $1 UNION ALL \
             SELECT id FROM vendor_owner JOIN account ON account.kind = 'vendor' \
             AND account.owner = vendor_owner.vendor WHERE user_id = $1) ORDER BY account",
        );
        sqlx::query(lock).bind(user.to_string()).fetch_all(self.connection()).await?;
        for (select, kept) in [
            (
                "SELECT COUNT(*) FROM payout WHERE kind = 'client' AND owner = $1 \
                 AND state = 'open'",
                Kept::Payout,
            ),
            (
                "SELECT COUNT(*) FROM vendor_owner JOIN payout ON payout.kind = 'vendor' \
                 AND payout.owner = vendor_owner.vendor WHERE user_id = $1 AND state = 'open'",
                Kept::Vendor,
            ),
            (
                "SELECT COUNT(*) FROM give_back JOIN period ON period.name = give_back.period \
                 WHERE user_id = $1 AND waiting > 0 AND settled_at IS NULL",
                Kept::Return,
            ),
        ] {
            let count: i64 = sqlx::query(select)
                .bind(user.to_string())
                .fetch_one(self.connection())
                .await?
                .try_get(0)?;
            if count > 0 {
                return Ok(Some(kept));
            }
        }
        let balances = sqlx::query(
            "SELECT currency, amount FROM balance JOIN account ON account.id = balance.account \
             WHERE kind = 'client' AND owner = $1 AND amount > 0",
        )
        .bind(user.to_string())
        .fetch_all(self.connection())
        .await?;
        for row in &balances {
            let (currency, amount): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let currency = parsed("account.currency", "three letters", &currency)?;
            if amount.unsigned_abs() >= least(currency) {
                return Ok(Some(Kept::Balance));
            }
        }
        let vendors = sqlx::query(
            "SELECT currency, amount FROM vendor_owner \
             JOIN account ON account.kind = 'vendor' AND account.owner = vendor_owner.vendor \
             JOIN balance ON balance.account = account.id WHERE user_id = $1 AND amount > 0",
        )
        .bind(user.to_string())
        .fetch_all(self.connection())
        .await?;
        for row in &vendors {
            let (currency, amount): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let currency = parsed("account.currency", "three letters", &currency)?;
            if amount.unsigned_abs() >= least(currency) {
                return Ok(Some(Kept::Vendor));
            }
        }
        let paid_for = sqlx::query(
            "SELECT DISTINCT period FROM sale \
             WHERE user_id = $1 AND received_at IS NULL AND free = 0",
        )
        .bind(user.to_string())
        .fetch_all(self.connection())
        .await?;
        for row in &paid_for {
            if live.contains(&row.try_get(0)?) {
                return Ok(Some(Kept::Coins));
            }
        }
        Ok(None)
    }

    /// Ends all sessions of a person but one.
    pub(super) async fn end_sessions(
        &mut self,
        user: &UserId,
        but: &[u8],
        now: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE session SET ended_at = $3 \
             WHERE user_id = $1 AND ended_at IS NULL AND sha256 <> $2",
        )
        .bind(user.to_string())
        .bind(but.to_vec())
        .bind(now.0)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// Gives a person a new password and a role, and makes the account if there is none. Returns the
/// password, which is not stored.
///
/// # Errors
/// The database failed, or there is no randomness.
pub async fn set_person(
    service: &Service,
    user: &UserId,
    role: Role,
) -> Result<String, ServiceError> {
    let password = new_password()?;
    give_password(service, user, Some(role), &password).await?;
    Ok(password)
}

/// A password that cannot be guessed.
///
/// # Errors
/// There is no randomness.
pub fn new_password() -> Result<String, ServiceError> {
    random::password()
}

/// Gives a person this password and a role, and makes the account if it is missing. Without a role,
/// an account that is open keeps its own. Returns the role.
///
/// # Errors
/// The database failed.
pub async fn give_password(
    service: &Service,
    user: &UserId,
    role: Option<Role>,
    password: &str,
) -> Result<Role, ServiceError> {
    let failed = |_| ServiceError::GivenUp("a password could not be hashed");
    let hash = Passwords::new(MEMORY_KIB).hash(password).await.map_err(failed)?;
    let now = service.now();
    retried!(async {
        let mut tx = service.store().begin().await?;
        let role = tx.set_person(user, &hash, role, now).await?;
        let detail = format!("{user} {}", role.word());
        tx.audit(CONSOLE, Act::PasswordSet, &detail, now).await?;
        tx.commit().await?;
        Ok::<Role, StoreError>(role)
    })
    .map_err(ServiceError::from)
}

/// Changes the password of a person whose session has this token, and ends all other sessions, all
/// keys and all links. Returns whether it was changed: not if the session has ended.
pub(super) async fn set_password(
    store: &Store,
    user: &UserId,
    password: &str,
    token: &str,
    now: UnixTime,
) -> Result<bool, StoreError> {
    retried!(async {
        let mut tx = store.begin().await?;
        if !tx.has_session(user, &random::digest(token)).await? {
            return Ok(false);
        }
        sqlx::query("UPDATE person SET password = $2 WHERE user_id = $1")
            .bind(user.to_string())
            .bind(password.to_string())
            .execute(tx.connection())
            .await?;
        tx.end_links(user).await?;
        tx.end_sessions(user, &random::digest(token), now).await?;
        tx.end_api_keys(user.as_str(), user, now).await?;
        tx.audit(user.as_str(), Act::PasswordChanged, "", now).await?;
        tx.commit().await?;
        Ok::<bool, StoreError>(true)
    })
}

/// What proved who logs in. A password that is changed in between proves nothing.
#[derive(Clone, Copy)]
pub(super) enum Proof<'a> {
    /// The password, against this hash.
    Password(&'a str),
    /// The passkey with this digest.
    Passkey(&'a [u8; 32]),
}

/// Begins a session, if the proof holds still. Returns the role of the person.
pub(super) async fn begin_session(
    store: &Store,
    (user, proof): (&UserId, Proof<'_>),
    token: &str,
    agent: &str,
    now: UnixTime,
) -> Result<Option<Role>, StoreError> {
    let agent: String = agent.chars().filter(|c| !c.is_control()).take(AGENT_LEN_MAX).collect();
    retried!(async {
        let mut tx = store.begin().await?;
        let Some(role) = tx.proved(user, proof).await? else { return Ok(None) };
        let seconds = match role {
            Role::None => SESSION_SECONDS_MAX,
            _ => OPERATOR_SECONDS_MAX,
        };
        // Two statements, each with its index.
        for (delete, before) in [
            ("DELETE FROM session WHERE expires_at < $1", now.0),
            ("DELETE FROM session WHERE ended_at < $1", now.0 - SESSION_IDLE_SECONDS_MAX),
        ] {
            sqlx::query(delete).bind(before).execute(tx.connection()).await?;
        }
        sqlx::query(
            "INSERT INTO session (sha256, user_id, at, seen_at, expires_at, agent) \
             VALUES ($1, $2, $3, $3, $4, $5)",
        )
        .bind(random::digest(token).to_vec())
        .bind(user.to_string())
        .bind(now.0)
        .bind(now.0 + seconds)
        .bind(agent.clone())
        .execute(tx.connection())
        .await?;
        sqlx::query(
            "UPDATE session SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL \
             AND sha256 NOT IN (SELECT sha256 FROM session WHERE user_id = $1 \
             AND ended_at IS NULL ORDER BY CASE WHEN sha256 = $4 THEN 0 ELSE 1 END, at DESC, \
             sha256 LIMIT $3)",
        )
        .bind(user.to_string())
        .bind(now.0)
        .bind(SESSIONS_MAX)
        .bind(random::digest(token).to_vec())
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok::<Option<Role>, StoreError>(Some(role))
    })
}

/// The person whose session has this token, if it has not ended.
pub(super) async fn session(
    store: &Store,
    token: &str,
    now: UnixTime,
) -> Result<Option<Person>, StoreError> {
    let sha256 = random::digest(token).to_vec();
    let row = sqlx::query(
        "SELECT person.user_id, person.role, session.seen_at FROM session \
         JOIN person ON person.user_id = session.user_id \
         WHERE session.sha256 = $1 AND session.ended_at IS NULL AND session.expires_at > $2 \
         AND session.seen_at > $3 AND person.closed_at IS NULL",
    )
    .bind(sha256.clone())
    .bind(now.0)
    .bind(now.0 - SESSION_IDLE_SECONDS_MAX)
    .fetch_optional(store.pool())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let seen_at: i64 = row.try_get(2)?;
    if now.0 - seen_at >= SEEN_SECONDS {
        retried!(async {
            let mut tx = store.begin().await?;
            sqlx::query("UPDATE session SET seen_at = $2 WHERE sha256 = $1 AND seen_at < $2")
                .bind(sha256.clone())
                .bind(now.0)
                .execute(tx.connection())
                .await?;
            tx.commit().await
        })?;
    }
    Ok(Some(read_person(&row)?))
}

/// When the session with this token began.
pub(super) async fn session_began(
    store: &Store,
    token: &str,
) -> Result<Option<UnixTime>, StoreError> {
    let row = sqlx::query("SELECT at FROM session WHERE sha256 = $1")
        .bind(random::digest(token).to_vec())
        .fetch_optional(store.pool())
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(UnixTime))
}

/// The sessions of a person that have not ended, the last used first.
pub(super) async fn sessions(
    store: &Store,
    user: &UserId,
    now: UnixTime,
) -> Result<Vec<SessionRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT sha256, at, seen_at, agent FROM session \
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND seen_at > $3 \
         ORDER BY seen_at DESC, at DESC",
    )
    .bind(user.to_string())
    .bind(now.0)
    .bind(now.0 - SESSION_IDLE_SECONDS_MAX)
    .fetch_all(store.pool())
    .await?;
    let read = |row: &sqlx::any::AnyRow| {
        Ok(SessionRow {
            sha256: row.try_get(0)?,
            at: UnixTime(row.try_get(1)?),
            seen_at: UnixTime(row.try_get(2)?),
            agent: row.try_get(3)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Ends a session by the first digits of its hash, or all but one.
pub(super) async fn end_session(
    store: &Store,
    user: &UserId,
    which: Option<&str>,
    token: &str,
    now: UnixTime,
) -> Result<(), StoreError> {
    let all = sessions(store, user, now).await?;
    retried!(async {
        let mut tx = store.begin().await?;
        match which {
            None => tx.end_sessions(user, &random::digest(token), now).await?,
            Some(id) => {
                for row in all.iter().filter(|row| session_id(&row.sha256) == id) {
                    sqlx::query("UPDATE session SET ended_at = $2 WHERE sha256 = $1")
                        .bind(row.sha256.clone())
                        .bind(now.0)
                        .execute(tx.connection())
                        .await?;
                }
            }
        }
        tx.commit().await
    })
}

/// What names a session on its list: it does not tell the token.
pub(super) fn session_id(sha256: &[u8]) -> String {
    random::hex(&sha256[..sha256.len().min(8)])
}

/// Records that a person wants the balance back, unless that is recorded.
pub(super) async fn wish_refund(
    store: &Store,
    user: &UserId,
    now: UnixTime,
) -> Result<(), StoreError> {
    retried!(async {
        let mut tx = store.begin().await?;
        sqlx::query(
            "INSERT INTO refund_wish (user_id, at) VALUES ($1, $2) \
             ON CONFLICT (user_id) DO NOTHING",
        )
        .bind(user.to_string())
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    })
}

/// When a person asked for the balance, if it was not paid since.
pub(super) async fn refund_wished_at(
    store: &Store,
    user: &str,
) -> Result<Option<UnixTime>, StoreError> {
    let row = sqlx::query("SELECT at FROM refund_wish WHERE user_id = $1")
        .bind(user.to_string())
        .fetch_optional(store.pool())
        .await?;
    Ok(row.map(|row| row.try_get(0).map(UnixTime)).transpose()?)
}

/// Why an account stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It has money.
    Balance,
    /// A payout is on its way, which may come back.
    Payout,
    /// Returned coins wait for the settlement.
    Return,
    /// Coins that were paid for have not been taken.
    Coins,
    /// A vendor for which it acts has money, or a payout on its way.
    Vendor,
}

/// The periods whose coins can be spent or returned, and the least that is paid out in a currency,
/// in units.
pub(super) type Terms<'a> = (&'a [String], &'a (dyn Fn(Currency) -> u64 + Sync));

/// Closes an account that has no money that could be paid out, gets none, and has no coins to take:
/// its sessions, API keys and links end, and its passkeys and its mail address go. Vendors for
/// which it acts, which may have no such money either, have no person then. Its purchases and bank
/// accounts stay, as the books need them. Returns why it stays open.
pub(super) async fn close(
    store: &Store,
    user: &UserId,
    terms: Terms<'_>,
    now: UnixTime,
) -> Result<Option<Kept>, StoreError> {
    retried!(async {
        let mut tx = store.begin().await?;
        // Money that comes in locks the row too.
        tx.is_closed(user.as_str()).await?;
        if let Some(kept) = tx.not_to_close(user.as_str(), terms).await? {
            return Ok(Some(kept));
        }
        sqlx::query("UPDATE person SET closed_at = $2, password = '' WHERE user_id = $1")
            .bind(user.to_string())
            .bind(now.0)
            .execute(tx.connection())
            .await?;
        tx.end_links(user).await?;
        tx.end_sessions(user, &[], now).await?;
        for delete in [
            "DELETE FROM passkey WHERE user_id = $1",
            "DELETE FROM mail_address WHERE user_id = $1",
            "DELETE FROM vendor_owner WHERE user_id = $1",
        ] {
            sqlx::query(delete).bind(user.to_string()).execute(tx.connection()).await?;
        }
        tx.end_api_keys(user.as_str(), user, now).await?;
        tx.audit(user.as_str(), Act::AccountClosed, "", now).await?;
        tx.commit().await?;
        Ok::<Option<Kept>, StoreError>(None)
    })
}
