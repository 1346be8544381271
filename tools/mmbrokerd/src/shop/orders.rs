//! The limit of sets that a person buys of a period, for pages and for programs.
//!
//! Input: an order. Output: whether it may be made; an order past the limit is recorded as refused
//! for good, and the sale finds that. The invariants: orders are recorded before they are made,
//! while the buyer's account is locked, so two tabs at once do not pass the limit together; what an
//! account has recorded here is bounded, however many orders it sends.

use micromint::identity::UserId;
use sqlx::Row;

use super::Shop;
use crate::service::{OpenPeriod, SaleOrder};
use crate::store::{
    Account, AccountKind, RefusedFor, RefusedSale, StoreError, Transaction, retried,
};

/// How long an order counts that was never made, in seconds.
const WISH_SECONDS: i64 = 3600;
/// How many orders of an account may be refused for good within an hour: each stays in the
/// database.
pub const REFUSED_ORDERS_MAX: i64 = 300;
/// An hour, in seconds.
const REFUSED_SECONDS: i64 = 3600;

impl Shop {
    /// Records an order, or its refusal if the person has too many sets of the period. Returns
    /// whether it may be made. After too many refusals, no order is looked at for a while.
    pub(crate) async fn apply_limit(
        &self,
        period: &OpenPeriod,
        order: &SaleOrder,
    ) -> Result<bool, StoreError> {
        // The sale refuses it as no order.
        if order.sets == 0 {
            return Ok(true);
        }
        let currency = period.params().coin_value().currency();
        let account = Account::new(AccountKind::Client, order.user.as_str(), currency);
        let account = self.service.store().account(&account).await?;
        retried!(self.apply_limit_once(period, order, account))
    }

    async fn apply_limit_once(
        &self,
        period: &OpenPeriod,
        order: &SaleOrder,
        account: i64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.service.store().begin().await?;
        let lock = tx.locking("SELECT id FROM account WHERE id = $1");
        sqlx::query(lock).bind(account).fetch_one(tx.connection()).await?;
        if let Some(at) = self.wish_at(&mut tx, period, order).await?
            && order.now.0 - at < WISH_SECONDS
        {
            return Ok(true);
        }
        if !tx.refused_sales(&[order.transaction]).await?.is_empty() {
            return Ok(true);
        }
        if refused_lately(&mut tx, order).await? >= REFUSED_ORDERS_MAX {
            return Ok(false);
        }
        let name = period.name().to_string();
        forget_refused(&mut tx, &name, order).await?;
        // A wish counts as long as it may be sold, and for ever if it was: with its own buyer and
        // sets, since others may have drawn the same Transaction-ID.
        let wished: i64 = sqlx::query(
            "SELECT CAST(COALESCE(SUM(sets), 0) AS BIGINT) FROM wish \
             WHERE user_id = $1 AND period = $2 AND (transaction_id <> $3 OR sets <> $5) \
             AND (at > $4 OR EXISTS (SELECT 1 FROM sale \
             WHERE sale.transaction_id = wish.transaction_id AND sale.user_id = wish.user_id \
             AND sale.period = wish.period AND sale.sets = wish.sets)) \
             AND NOT EXISTS (SELECT 1 FROM refused_sale \
             WHERE refused_sale.transaction_id = wish.transaction_id \
             AND refused_sale.user_id = wish.user_id AND refused_sale.period = wish.period \
             AND refused_sale.sets = wish.sets)",
        )
        .bind(order.user.to_string())
        .bind(name.clone())
        .bind(order.transaction as i64)
        .bind(order.now.0 - WISH_SECONDS)
        .bind(i64::from(order.sets))
        .fetch_one(tx.connection())
        .await?
        .try_get(0)?;
        let most = self.settings.sets_per_period;
        if wished as u64 + u64::from(order.sets) > most {
            let refused = RefusedSale {
                transaction: order.transaction,
                user: order.user.clone(),
                period: period.name().clone(),
                sets: order.sets,
                at: order.now,
                reason: RefusedFor::Limit,
                why: format!("an account buys at most {most} sets of a period"),
            };
            tx.add_refused_sale(&refused).await?;
            tx.commit().await?;
            return Ok(true);
        }
        sqlx::query(
            "INSERT INTO wish (transaction_id, user_id, period, sets, at) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (transaction_id, user_id, period, sets) DO UPDATE SET at = excluded.at",
        )
        .bind(order.transaction as i64)
        .bind(order.user.to_string())
        .bind(name)
        .bind(i64::from(order.sets))
        .bind(order.now.0)
        .execute(tx.connection())
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// When this order was recorded. One of somebody else, or for other sets, with the same
    /// Transaction-ID is another order.
    async fn wish_at(
        &self,
        tx: &mut Transaction,
        period: &OpenPeriod,
        order: &SaleOrder,
    ) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query(
            "SELECT at FROM wish WHERE transaction_id = $1 AND user_id = $2 AND period = $3 \
             AND sets = $4",
        )
        .bind(order.transaction as i64)
        .bind(order.user.to_string())
        .bind(period.name().to_string())
        .bind(i64::from(order.sets))
        .fetch_optional(tx.connection())
        .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// How many sets of a period a person bought or is buying.
    pub(super) async fn sets_of(
        &self,
        period: &OpenPeriod,
        user: &UserId,
    ) -> Result<u64, StoreError> {
        self.service.store().sets_of(period.name(), user).await
    }
}

/// How many orders of an account were refused within the last hour.
async fn refused_lately(tx: &mut Transaction, order: &SaleOrder) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM refused_sale WHERE user_id = $1 AND at > $2")
        .bind(order.user.to_string())
        .bind(order.now.0 - REFUSED_SECONDS)
        .fetch_one(tx.connection())
        .await?;
    Ok(row.try_get(0)?)
}

/// Removes what was recorded of orders that were refused: nothing is sold under their numbers.
async fn forget_refused(
    tx: &mut Transaction,
    period: &str,
    order: &SaleOrder,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM wish WHERE user_id = $1 AND period = $2 \
         AND EXISTS (SELECT 1 FROM refused_sale \
         WHERE refused_sale.transaction_id = wish.transaction_id \
         AND refused_sale.user_id = wish.user_id AND refused_sale.period = wish.period \
         AND refused_sale.sets = wish.sets)",
    )
    .bind(order.user.to_string())
    .bind(period.to_string())
    .execute(tx.connection())
    .await?;
    Ok(())
}
