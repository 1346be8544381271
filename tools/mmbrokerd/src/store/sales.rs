//! Sales: who bought which sets, what was refused for good, and what was acknowledged.
//!
//! Input: sales. Output: rows. The invariant: a Transaction-ID stays one sale or one refusal.

use std::collections::BTreeSet;

use micromint::identity::UserId;
use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::{fitting, parsed};
use super::{Store, StoreError, Transaction, rows_json};

/// A sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleRow {
    /// The period of the coins.
    pub period: Period,
    /// The first superbin of the first set.
    pub first: u32,
    /// The number of sets.
    pub sets: u32,
    /// The number of coins, which is what the sale cost.
    pub coins: u32,
    /// Whether it is a free trial: the broker's promotion paid it.
    pub is_free: bool,
    /// The buyer.
    pub user: UserId,
    /// The Transaction-ID.
    pub transaction: u64,
    /// When it was made.
    pub at: UnixTime,
    /// When the buyer acknowledged the coins.
    pub received_at: Option<UnixTime>,
}

/// An order that was refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSale {
    /// The Transaction-ID.
    pub transaction: u64,
    /// Who ordered.
    pub user: UserId,
    /// The period of the order.
    pub period: Period,
    /// The number of sets of the order.
    pub sets: u32,
    /// When it was refused.
    pub at: UnixTime,
    /// The kind of reason.
    pub reason: RefusedFor,
    /// The words of the answer.
    pub why: String,
}

/// Why an order was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFor {
    /// The account has too little money.
    TooLittleMoney,
    /// The user was revoked.
    Revoked,
    /// The period is over.
    Expired,
    /// Fewer sets are left, or none can be sold.
    SoldOut,
    /// An account buys fewer sets of a period.
    Limit,
    /// This user had the free trial sets.
    TrialTaken,
    /// All free trial sets are taken.
    TrialOver,
}

impl RefusedFor {
    const ALL: [RefusedFor; 7] = [
        RefusedFor::TooLittleMoney,
        RefusedFor::Revoked,
        RefusedFor::Expired,
        RefusedFor::SoldOut,
        RefusedFor::Limit,
        RefusedFor::TrialTaken,
        RefusedFor::TrialOver,
    ];

    /// As the database has it.
    fn as_str(self) -> &'static str {
        match self {
            RefusedFor::TooLittleMoney => "too-little-money",
            RefusedFor::Revoked => "revoked",
            RefusedFor::Expired => "expired",
            RefusedFor::SoldOut => "sold-out",
            RefusedFor::Limit => "limit",
            RefusedFor::TrialTaken => "trial-taken",
            RefusedFor::TrialOver => "trial-over",
        }
    }

    fn read(text: String) -> Result<RefusedFor, StoreError> {
        let known = RefusedFor::ALL.into_iter().find(|reason| reason.as_str() == text);
        known.ok_or(StoreError::Value {
            what: "refused_sale.reason",
            expected: "a reason",
            found: text,
        })
    }
}

impl SaleRow {
    fn read(row: &AnyRow) -> Result<SaleRow, StoreError> {
        let (period, user): (String, String) = (row.try_get("period")?, row.try_get("user_id")?);
        let transaction: i64 = row.try_get("transaction_id")?;
        let received_at: Option<i64> = row.try_get("received_at")?;
        Ok(SaleRow {
            period: parsed("sale.period", "a period", &period)?,
            first: fitting("sale.first", row.try_get("first")?)?,
            sets: fitting("sale.sets", row.try_get("sets")?)?,
            coins: fitting("sale.coins", row.try_get("coins")?)?,
            is_free: row.try_get::<i64, _>("free")? != 0,
            user: parsed("sale.user_id", "a User-ID", &user)?,
            transaction: transaction as u64,
            at: UnixTime(row.try_get("at")?),
            received_at: received_at.map(UnixTime),
        })
    }
}

impl RefusedSale {
    fn read(row: &AnyRow) -> Result<RefusedSale, StoreError> {
        let (period, user): (String, String) = (row.try_get("period")?, row.try_get("user_id")?);
        let transaction: i64 = row.try_get("transaction_id")?;
        Ok(RefusedSale {
            transaction: transaction as u64,
            user: parsed("refused_sale.user_id", "a User-ID", &user)?,
            period: parsed("refused_sale.period", "a period", &period)?,
            sets: fitting("refused_sale.sets", row.try_get("sets")?)?,
            at: UnixTime(row.try_get("at")?),
            reason: RefusedFor::read(row.try_get("reason")?)?,
            why: row.try_get("body")?,
        })
    }
}

/// The sets of a period that were free trials of a user, or for a mail address.
const FREE_SETS_OF: &str = "SELECT CAST(COALESCE(SUM(sets), 0) AS BIGINT) FROM ( \
     SELECT first, sets FROM sale WHERE period = $1 AND user_id = $2 AND free = 1 \
     UNION SELECT first, sets FROM sale WHERE period = $1 AND free_for = $3 AND free = 1) AS own";

/// The columns of a [`SaleRow`].
const SALES: &str = "SELECT period, first, sets, coins, user_id, transaction_id, at, received_at, \
     free FROM sale";

/// The Transaction-IDs as a list for `json_each`.
fn transactions_json(transactions: &[u64]) -> String {
    rows_json(transactions.iter().map(|number| [*number as i64]))
}

impl SaleRow {
    /// What the audit log says about the sale.
    pub(crate) fn noted(&self) -> String {
        let SaleRow { period, user, sets, transaction, .. } = self;
        format!("{period} {user} {sets} {transaction}")
    }
}

impl Store {
    /// The sale with this Transaction-ID.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sale(&self, transaction: u64) -> Result<Option<SaleRow>, StoreError> {
        let row = sqlx::query(
            "SELECT period, first, sets, coins, user_id, transaction_id, at, received_at, free \
             FROM sale WHERE transaction_id = $1",
        )
        .bind(transaction as i64)
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(SaleRow::read).transpose()
    }

    /// The sales of a period whose first set begins from superbin `first` to below `past`, in
    /// order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sales_between(
        &self,
        period: &Period,
        first: u64,
        past: u64,
    ) -> Result<Vec<SaleRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT period, first, sets, coins, user_id, transaction_id, at, received_at, free \
             FROM sale WHERE period = $1 AND first >= $2 AND first < $3 ORDER BY first",
        )
        .bind(period.to_string())
        .bind(first as i64)
        .bind(past as i64)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(SaleRow::read).collect()
    }

    /// The last `most` sales of a user, by period and in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sales_of(&self, user: &UserId, most: i64) -> Result<Vec<SaleRow>, StoreError> {
        let select =
            format!("{SALES} WHERE user_id = $1 ORDER BY period DESC, first DESC LIMIT $2");
        let mut sales = self.sales_by(select, user, most).await?;
        sales.reverse();
        Ok(sales)
    }

    /// The last `most` sales of a user by time, the last first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn last_sales_of(
        &self,
        user: &UserId,
        most: i64,
    ) -> Result<Vec<SaleRow>, StoreError> {
        let select = format!("{SALES} WHERE user_id = $1 ORDER BY at DESC, first DESC LIMIT $2");
        self.sales_by(select, user, most).await
    }

    /// The last `most` sales of a user that are not acknowledged, the last first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn open_sales_of(
        &self,
        user: &UserId,
        most: i64,
    ) -> Result<Vec<SaleRow>, StoreError> {
        let select = format!(
            "{SALES} WHERE user_id = $1 AND received_at IS NULL \
             ORDER BY period DESC, first DESC LIMIT $2"
        );
        self.sales_by(select, user, most).await
    }

    async fn sales_by(
        &self,
        select: String,
        user: &UserId,
        most: i64,
    ) -> Result<Vec<SaleRow>, StoreError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(user.to_string())
            .bind(most)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(SaleRow::read).collect()
    }

    /// The next `most` sales of a user behind the one of a period that begins at superbin `first`,
    /// by period and in order. An empty period and -1 begin.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sales_of_after(
        &self,
        user: &UserId,
        (period, first): (&str, i64),
        most: i64,
    ) -> Result<Vec<SaleRow>, StoreError> {
        let select = format!(
            "{SALES} WHERE user_id = $1 AND (period, first) > ($2, $3) \
             ORDER BY period, first LIMIT $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(user.to_string())
            .bind(period.to_string())
            .bind(first)
            .bind(most)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(SaleRow::read).collect()
    }

    /// The sales of a user in a period, in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sales_of_in(
        &self,
        user: &UserId,
        period: &Period,
    ) -> Result<Vec<SaleRow>, StoreError> {
        // In this form SQLite does not go through all sales of the period.
        let select = format!(
            "{SALES} WHERE user_id = $1 AND (period, first) > ($2, -1) \
             AND (period, first) < ($2, 4294967296) ORDER BY period, first"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(user.to_string())
            .bind(period.to_string())
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(SaleRow::read).collect()
    }

    /// What a user bought of each period: its name, sets and coins, in the order of the names.
    ///
    /// # Errors
    /// The database failed.
    pub async fn bought_by_period(
        &self,
        user: &UserId,
    ) -> Result<Vec<(Period, u64, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT period, CAST(SUM(sets) AS BIGINT), CAST(SUM(coins) AS BIGINT) FROM sale \
             WHERE user_id = $1 GROUP BY period ORDER BY period",
        )
        .bind(user.to_string())
        .fetch_all(self.pool())
        .await?;
        let read = |row: &AnyRow| {
            let period: String = row.try_get(0)?;
            let period = parsed("sale.period", "a period", &period)?;
            Ok((period, fitting("sets", row.try_get(1)?)?, fitting("coins", row.try_get(2)?)?))
        };
        rows.iter().map(read).collect()
    }

    /// The number of sets of a period that a user bought.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sets_of(&self, period: &Period, user: &UserId) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(sets), 0) AS BIGINT) FROM sale \
             WHERE user_id = $1 AND period = $2",
        )
        .bind(user.to_string())
        .bind(period.to_string())
        .fetch_one(self.pool())
        .await?;
        fitting("sets", row.try_get(0)?)
    }

    /// How many sets of a period were given away as free trials to a user, or for a mail address.
    ///
    /// # Errors
    /// The database failed.
    pub async fn free_sets_of(
        &self,
        period: &Period,
        user: &UserId,
        free_for: Option<&[u8]>,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query(FREE_SETS_OF)
            .bind(period.to_string())
            .bind(user.to_string())
            .bind(free_for.map(<[u8]>::to_vec))
            .fetch_one(self.pool())
            .await?;
        fitting("sets", row.try_get(0)?)
    }

    /// The first superbins, of those from `from` to below `past`, of sets that were free trials.
    ///
    /// # Errors
    /// The database failed.
    pub async fn free_superbins(
        &self,
        period: &Period,
        from: u64,
        past: u64,
    ) -> Result<BTreeSet<u32>, StoreError> {
        // The last sale that begins before `from` may reach behind it; sales do not overlap.
        let before = sqlx::query(
            "SELECT first, sets FROM sale WHERE period = $1 AND free = 1 AND first < $2 \
             ORDER BY first DESC LIMIT 1",
        )
        .bind(period.to_string())
        .bind(from as i64)
        .fetch_all(self.pool())
        .await?;
        let rows = sqlx::query(
            "SELECT first, sets FROM sale WHERE period = $1 AND free = 1 \
             AND first >= $2 AND first < $3",
        )
        .bind(period.to_string())
        .bind(from as i64)
        .bind(past as i64)
        .fetch_all(self.pool())
        .await?;
        let mut superbins = BTreeSet::new();
        for row in before.iter().chain(&rows) {
            let first: u32 = fitting("sale.first", row.try_get(0)?)?;
            let sets: u32 = fitting("sale.sets", row.try_get(1)?)?;
            let all = (0..sets).map(|set| first + 2 * set);
            superbins.extend(all.filter(|at| (from..past).contains(&u64::from(*at))));
        }
        Ok(superbins)
    }

    /// Records that the buyer has the coins, unless that is recorded.
    ///
    /// # Errors
    /// The database failed.
    pub async fn acknowledge(&self, transaction: u64, now: UnixTime) -> Result<(), StoreError> {
        super::retried!(self.acknowledge_once(transaction, now))
    }

    async fn acknowledge_once(&self, transaction: u64, now: UnixTime) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "UPDATE sale SET received_at = $2 WHERE transaction_id = $1 AND received_at IS NULL",
        )
        .bind(transaction as i64)
        .bind(now.0)
        .execute(tx.connection())
        .await?;
        tx.commit().await
    }
}

impl Transaction {
    /// The sales among these Transaction-IDs.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sales(&mut self, transactions: &[u64]) -> Result<Vec<SaleRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT period, first, sets, coins, user_id, transaction_id, at, received_at, free \
             FROM sale WHERE transaction_id IN \
             (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each($1))",
        )
        .bind(transactions_json(transactions))
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(SaleRow::read).collect()
    }

    /// The refusals among these Transaction-IDs.
    ///
    /// # Errors
    /// The database failed.
    pub async fn refused_sales(
        &mut self,
        transactions: &[u64],
    ) -> Result<Vec<RefusedSale>, StoreError> {
        let rows = sqlx::query(
            "SELECT transaction_id, user_id, period, sets, at, reason, body \
             FROM refused_sale WHERE transaction_id IN \
             (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each($1))",
        )
        .bind(transactions_json(transactions))
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(RefusedSale::read).collect()
    }

    /// How many sets of a period were given away as free trials to a user, or for a mail address.
    /// The period is locked, so there are no others meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn free_sets_of(
        &mut self,
        period: &Period,
        user: &UserId,
        free_for: Option<&[u8]>,
    ) -> Result<u64, StoreError> {
        let row = sqlx::query(FREE_SETS_OF)
            .bind(period.to_string())
            .bind(user.to_string())
            .bind(free_for.map(<[u8]>::to_vec))
            .fetch_one(self.connection())
            .await?;
        fitting("sets", row.try_get(0)?)
    }

    /// Records a sale. A free trial may count for a mail address too.
    ///
    /// # Errors
    /// The database failed, or the Transaction-ID or the superbin is taken.
    pub async fn add_sale(
        &mut self,
        sale: &SaleRow,
        free_for: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sale (period, first, sets, coins, user_id, transaction_id, at, \
             received_at, free, free_for) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(sale.period.to_string())
        .bind(i64::from(sale.first))
        .bind(i64::from(sale.sets))
        .bind(i64::from(sale.coins))
        .bind(sale.user.to_string())
        .bind(sale.transaction as i64)
        .bind(sale.at.0)
        .bind(sale.received_at.map(|at| at.0))
        .bind(i64::from(sale.is_free))
        .bind(free_for.map(<[u8]>::to_vec))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Whether the set that begins at this superbin is sold.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_sold(&mut self, period: &Period, first: u32) -> Result<bool, StoreError> {
        // Sales do not overlap, so only the last one that begins at or before the set can have it.
        let row = sqlx::query(
            "SELECT first, sets FROM sale WHERE period = $1 AND first <= $2 \
             ORDER BY first DESC LIMIT 1",
        )
        .bind(period.to_string())
        .bind(i64::from(first))
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(false) };
        let (begin, sets): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(begin + 2 * sets > i64::from(first))
    }

    /// Records a refusal, unless the Transaction-ID has one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_refused_sale(&mut self, refused: &RefusedSale) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO refused_sale (transaction_id, user_id, period, sets, at, reason, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (transaction_id) DO NOTHING",
        )
        .bind(refused.transaction as i64)
        .bind(refused.user.to_string())
        .bind(refused.period.to_string())
        .bind(i64::from(refused.sets))
        .bind(refused.at.0)
        .bind(refused.reason.as_str())
        .bind(refused.why.clone())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
