//! The ledger: accounts, transfers with their entries, and balances.
//!
//! Input: a transfer as amounts by account. Output: its number, or the account that has too little.
//! The invariants: the entries of a transfer sum to zero; a balance is the sum of its account's
//! entries, and only `outside` and `promotion` fall below zero; transfers and entries are
//! append-only, which triggers of the database enforce; no two transfers have the same reference;
//! balances are locked in the order of their accounts.

use std::collections::BTreeMap;

use micromint::money::{Currency, Money};
use micromint::time::UnixTime;
use sqlx::Row;

use super::error::parsed;
use super::{Store, StoreError, Transaction, rows_json};

/// Whose money an account holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKind {
    /// The world outside: minus what came in.
    Outside,
    /// A client's money.
    Client,
    /// A vendor's money.
    Vendor,
    /// The coins of a period that were sold and went nowhere yet.
    Coins,
    /// Disputed coins of a period.
    Disputed,
    /// Coins of a period that lapsed.
    Lapsed,
    /// Money of a payout run that is on its way.
    Payout,
    /// The broker's fees.
    Fees,
    /// What pays the free trial sets of a period: minus what was given away, plus what came back.
    Promotion,
}

/// An account: a kind, an owner (a name or a period, empty for `outside`), and a currency.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account {
    /// Whose money it holds.
    pub kind: AccountKind,
    /// The User-ID, Vendor-ID or period.
    pub owner: String,
    /// Its currency.
    pub currency: Currency,
}

/// An amount for an account, in units of 10^-8; negative takes it away.
pub type Entry = (i64, i64);

/// What became of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Posted {
    /// It was made. A transfer of nothing has no number.
    Made(Option<i64>),
    /// This account has too little. Nothing changed, but the transaction must be undone.
    TooLittle(i64),
}

impl AccountKind {
    /// The word in the database.
    pub fn word(self) -> &'static str {
        match self {
            AccountKind::Outside => "outside",
            AccountKind::Client => "client",
            AccountKind::Vendor => "vendor",
            AccountKind::Coins => "coins",
            AccountKind::Disputed => "disputed",
            AccountKind::Lapsed => "lapsed",
            AccountKind::Payout => "payout",
            AccountKind::Fees => "fees",
            AccountKind::Promotion => "promotion",
        }
    }

    /// The lowest balance that is allowed.
    fn floor(self) -> i64 {
        match self {
            AccountKind::Outside | AccountKind::Promotion => i64::MIN / 2,
            _ => 0,
        }
    }
}

impl Account {
    /// The account of a kind and owner.
    pub fn new(kind: AccountKind, owner: impl Into<String>, currency: Currency) -> Account {
        Account { kind, owner: owner.into(), currency }
    }
}

impl Store {
    /// The number of an account, which is opened if it does not exist.
    ///
    /// # Errors
    /// The database failed.
    pub async fn account(&self, account: &Account) -> Result<i64, StoreError> {
        if let Some(id) = self.accounts.number(account) {
            return Ok(id);
        }
        let id = match self.find_account(account).await? {
            Some(id) => id,
            None => super::retried!(self.open_account(account))?,
        };
        self.accounts.keep(account, id);
        Ok(id)
    }

    /// How many accounts have their numbers in the memory, at most [`KNOWN_ACCOUNTS_MAX`].
    ///
    /// [`KNOWN_ACCOUNTS_MAX`]: super::KNOWN_ACCOUNTS_MAX
    pub fn known_accounts(&self) -> usize {
        self.accounts.len()
    }

    /// The number of an account, if it exists.
    ///
    /// # Errors
    /// The database failed.
    pub async fn find_account(&self, account: &Account) -> Result<Option<i64>, StoreError> {
        let found =
            sqlx::query("SELECT id FROM account WHERE kind = $1 AND owner = $2 AND currency = $3")
                .bind(account.kind.word())
                .bind(account.owner.clone())
                .bind(account.currency.to_string())
                .fetch_optional(self.pool())
                .await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?)
    }

    async fn open_account(&self, account: &Account) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO account (kind, owner, currency) VALUES ($1, $2, $3) \
             ON CONFLICT (kind, owner, currency) DO NOTHING",
        )
        .bind(account.kind.word())
        .bind(account.owner.clone())
        .bind(account.currency.to_string())
        .execute(tx.connection())
        .await?;
        let id: i64 =
            sqlx::query("SELECT id FROM account WHERE kind = $1 AND owner = $2 AND currency = $3")
                .bind(account.kind.word())
                .bind(account.owner.clone())
                .bind(account.currency.to_string())
                .fetch_one(tx.connection())
                .await?
                .try_get(0)?;
        sqlx::query(
            "INSERT INTO balance (account, floor, amount) VALUES ($1, $2, 0) \
             ON CONFLICT (account) DO NOTHING",
        )
        .bind(id)
        .bind(account.kind.floor())
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The balance of an account; zero if it does not exist.
    ///
    /// # Errors
    /// The database failed.
    pub async fn balance(&self, account: &Account) -> Result<i64, StoreError> {
        let found = sqlx::query(
            "SELECT amount FROM balance JOIN account ON account.id = balance.account \
             WHERE kind = $1 AND owner = $2 AND currency = $3",
        )
        .bind(account.kind.word())
        .bind(account.owner.clone())
        .bind(account.currency.to_string())
        .fetch_optional(self.pool())
        .await?;
        Ok(found.map_or(Ok(0), |row| row.try_get(0))?)
    }

    /// The balances of a client or vendor, one for each currency.
    ///
    /// # Errors
    /// The database failed, or holds an invalid amount.
    pub async fn balances(&self, kind: AccountKind, owner: &str) -> Result<Vec<Money>, StoreError> {
        let rows = sqlx::query(
            "SELECT amount, currency FROM balance JOIN account ON account.id = balance.account \
             WHERE kind = $1 AND owner = $2 ORDER BY currency",
        )
        .bind(kind.word())
        .bind(owner.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let units = super::error::fitting("balance", row.try_get(0)?)?;
                let currency: String = row.try_get(1)?;
                Ok(Money::new(units, parsed("currency", "three letters", &currency)?))
            })
            .collect()
    }

    /// What is wrong with the ledger, in words: nothing, if it is sound.
    ///
    /// # Errors
    /// The database failed.
    pub async fn ledger_faults(&self) -> Result<Vec<String>, StoreError> {
        let mut faults = Vec::new();
        for (select, words) in LEDGER_CHECKS {
            let found: i64 = sqlx::query(select).fetch_one(self.pool()).await?.try_get(0)?;
            if found != 0 {
                faults.push(format!("{words}: {found}"));
            }
        }
        Ok(faults)
    }
}

/// Statements that find 0 in a sound ledger, and what another number counts.
const LEDGER_CHECKS: [(&str, &str); 6] = [
    ("SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM entry", "the sum of all entries"),
    (
        "SELECT COUNT(*) FROM (SELECT transfer FROM entry GROUP BY transfer \
         HAVING SUM(amount) <> 0) AS wrong",
        "transfers that do not sum to zero",
    ),
    (
        "SELECT COUNT(*) FROM balance WHERE amount <> (SELECT COALESCE(SUM(entry.amount), 0) \
         FROM entry WHERE entry.account = balance.account)",
        "balances that are not the sum of their entries",
    ),
    (
        "SELECT COUNT(*) FROM balance JOIN account ON account.id = balance.account \
         WHERE amount < 0 AND kind NOT IN ('outside', 'promotion')",
        "accounts below zero",
    ),
    (
        "SELECT COUNT(*) FROM balance JOIN account ON account.id = balance.account \
         WHERE kind = 'payout' AND amount <> (SELECT COALESCE(SUM(payout.units), 0) \
         FROM payout JOIN payout_run ON payout_run.id = payout.run \
         WHERE payout.state = 'open' AND payout_run.currency = account.currency)",
        "currencies in which payouts on their way are not those of open runs",
    ),
    (
        "SELECT COUNT(*) FROM period WHERE sets_sold <> \
         (SELECT COALESCE(SUM(sale.sets), 0) FROM sale WHERE sale.period = period.name) \
         OR sets_free <> (SELECT COALESCE(SUM(sale.sets), 0) FROM sale \
         WHERE sale.period = period.name AND sale.free = 1)",
        "periods whose numbers of sets are not those of their sales",
    ),
];

impl Transaction {
    /// What the transfer with this reference moved to an account; `None` if there is no such
    /// transfer.
    ///
    /// # Errors
    /// The database failed.
    pub async fn moved(
        &mut self,
        reference: &str,
        account: i64,
    ) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query(
            "SELECT COALESCE(amount, 0) FROM transfer LEFT JOIN entry \
             ON entry.transfer = transfer.id AND account = $2 WHERE reference = $1",
        )
        .bind(reference.to_string())
        .bind(account)
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Locks the balances of two accounts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lock_balances(&mut self, accounts: [i64; 2]) -> Result<(), StoreError> {
        let lock =
            self.locking("SELECT account FROM balance WHERE account IN ($1, $2) ORDER BY account");
        sqlx::query(lock).bind(accounts[0]).bind(accounts[1]).fetch_all(self.connection()).await?;
        Ok(())
    }

    /// Makes a transfer. Entries of one account are added up.
    ///
    /// # Errors
    /// The database failed, the entries do not sum to zero, or the reference was used before.
    pub async fn post(
        &mut self,
        kind: &'static str,
        reference: &str,
        entries: &[Entry],
        now: UnixTime,
    ) -> Result<Posted, StoreError> {
        let mut sums: BTreeMap<i64, i64> = BTreeMap::new();
        for (account, amount) in entries {
            let sum = sums.entry(*account).or_default();
            *sum = sum.checked_add(*amount).ok_or(StoreError::TooLarge("transfer"))?;
        }
        sums.retain(|_, amount| *amount != 0);
        let sum: i128 = sums.values().map(|amount| i128::from(*amount)).sum();
        if sum != 0 {
            return Err(StoreError::Unbalanced { reference: reference.to_string(), sum });
        }
        if sums.is_empty() {
            return Ok(Posted::Made(None));
        }
        for (account, amount) in &sums {
            if !self.change_balance(*account, *amount).await? {
                return Ok(Posted::TooLittle(*account));
            }
        }
        let id: i64 = sqlx::query(
            "INSERT INTO transfer (at, kind, reference) VALUES ($1, $2, $3) RETURNING id",
        )
        .bind(now.0)
        .bind(kind)
        .bind(reference.to_string())
        .fetch_one(self.connection())
        .await?
        .try_get(0)?;
        sqlx::query(
            "INSERT INTO entry (transfer, account, amount) \
             SELECT $1, CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT) \
             FROM json_each($2)",
        )
        .bind(id)
        .bind(rows_json(sums.into_iter().map(|(account, amount)| [account, amount])))
        .execute(self.connection())
        .await?;
        Ok(Posted::Made(Some(id)))
    }

    /// Adds to a balance unless it would fall below its floor. Returns whether it did.
    async fn change_balance(&mut self, account: i64, amount: i64) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "UPDATE balance SET amount = amount + $2 WHERE account = $1 AND amount + $2 >= floor",
        )
        .bind(account)
        .bind(amount)
        .execute(self.connection())
        .await?;
        Ok(changed.rows_affected() == 1)
    }
}
