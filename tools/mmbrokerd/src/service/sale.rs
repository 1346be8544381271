//! Sales: orders that wait in this process share a commit, each under its own savepoint.
//!
//! Input: orders. Output: for each a sale, or a refusal. The invariants: a sale is durable with its
//! money before its coins are sent; the period's row is locked from the reading of the next
//! superbin to the commit; a Transaction-ID that was sold or refused always gets the same answer;
//! free trials never pass the numbers that the operator chose, however many ask at once.

use std::sync::Arc;

use micromint::broker::{SaleFacts, SaleRefusal, delivered_coins, sale_refusal, sold_set};
use micromint::identity::{UserId, UserVector};
use micromint::protocol::FundsWithdrawn;
use micromint::time::UnixTime;
use tokio::sync::{mpsc, oneshot};

use super::guard::Guard;
use super::period::{Compromised, OpenPeriod};
use super::{Service, ServiceError, blocking};
use crate::shop::Act;
use crate::store::{
    Account, AccountKind, PeriodRow, Posted, RefusedFor, RefusedSale, SaleRow, Store, StoreError,
    TRIES_MAX, Transaction, retried,
};

/// How many orders share a commit at most.
pub const GROUP_SALES_MAX: usize = 64;
/// How many orders of a period wait at most.
pub(super) const SALE_QUEUE_MAX: usize = 1024;

/// An order for sets.
#[derive(Clone, Debug)]
pub struct SaleOrder {
    /// Who orders.
    pub user: UserId,
    /// How many sets.
    pub sets: u32,
    /// The Transaction-ID.
    pub transaction: u64,
    /// When it came.
    pub now: UnixTime,
}

/// How many free trial sets of a period there are. What is taken is counted while the period is
/// locked.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The most for one account, and for one mail address.
    pub for_one: u64,
    /// The most for all accounts together.
    pub for_all: u64,
    /// What stands for the mail address of the account; `None` if none is needed.
    pub address: Option<Vec<u8>>,
}

/// The answer to an order.
#[derive(Debug)]
pub enum SaleAnswer {
    /// It is sold, now or before.
    Sold(SaleRow),
    /// Nothing is sold under this Transaction-ID, and nothing will be.
    Refused(RefusedSale),
    /// The Transaction-ID belongs to another order, or the order has a wrong form. Nothing is
    /// recorded.
    Rejected(SaleRefusal),
}

/// An order in the queue of its period.
pub(super) struct Queued {
    order: Order,
    answer: oneshot::Sender<Result<SaleAnswer, StoreError>>,
}

/// An order, and by which rules the operator gives it away; `None` if its buyer pays.
#[derive(Clone)]
struct Order {
    order: SaleOrder,
    trial: Option<Trial>,
    /// Who makes the sale, for the audit log; `None` if it is the buyer.
    by: Option<&'static str>,
}

/// An order with the account that pays it.
struct Payer {
    order: SaleOrder,
    trial: Option<Trial>,
    by: Option<&'static str>,
    account: i64,
}

impl Service {
    /// Sells sets, or answers as before.
    ///
    /// # Errors
    /// The database failed: the order may have been sold or not. Asking again with the same
    /// Transaction-ID is safe.
    pub async fn buy(
        &self,
        period: &OpenPeriod,
        order: SaleOrder,
    ) -> Result<SaleAnswer, ServiceError> {
        self.order(period, Order { order, trial: None, by: self.by }).await
    }

    /// Gives sets away as a free trial, or answers as before. The promotion of the period pays.
    ///
    /// # Errors
    /// As for [`Service::buy`].
    pub async fn give(
        &self,
        period: &OpenPeriod,
        order: SaleOrder,
        trial: Trial,
    ) -> Result<SaleAnswer, ServiceError> {
        self.order(period, Order { order, trial: Some(trial), by: self.by }).await
    }

    async fn order(&self, period: &OpenPeriod, order: Order) -> Result<SaleAnswer, ServiceError> {
        let SaleOrder { user, sets, .. } = &order.order;
        let max = FundsWithdrawn::sets_max(period.params());
        if !(1..=max).contains(sets) {
            let refusal = SaleRefusal::Sets { max, found: *sets };
            return Ok(SaleAnswer::Rejected(refusal));
        }
        if let Err(none) = UserVector::new(period.params(), user) {
            return Ok(SaleAnswer::Rejected(none.into()));
        }
        let (answer, answered) = oneshot::channel();
        let queued = Queued { order, answer };
        let closed = |_| ServiceError::GivenUp("the service ends");
        period.orders().send(queued).await.map_err(closed)?;
        Ok(answered.await.map_err(|_| ServiceError::GivenUp("the service ends"))??)
    }

    /// The message of a sale.
    ///
    /// # Errors
    /// The database or the coin file cannot be read.
    pub async fn deliver(
        &self,
        period: &Arc<OpenPeriod>,
        sale: &SaleRow,
    ) -> Result<FundsWithdrawn, ServiceError> {
        let compromised = Compromised::new(self.store.compromised(period.name()).await?);
        let (open, sale) = (Arc::clone(period), sale.clone());
        let user_key = self.secret.user_key(period.name(), &sale.user);
        blocking(move || {
            let params = open.params().clone();
            let vector = UserVector::new(&params, &sale.user)
                .map_err(|_| ServiceError::GivenUp("the buyer has no user vector"))?;
            let firsts = (0..sale.sets).map(|set| sale.first + 2 * set);
            let sets: Result<_, _> = firsts
                .map(|first| sold_set(open.coin_file(), &compromised, &vector, first))
                .collect();
            let transaction = sale.transaction;
            Ok(FundsWithdrawn { user: sale.user, user_key, params, sets: sets?, transaction })
        })
        .await?
    }
}

/// Starts the task that makes the sales of a period. It ends with the period.
pub(super) fn start_seller(
    store: Store,
    guard: Guard,
    period: Arc<OpenPeriod>,
    mut queue: mpsc::Receiver<Queued>,
) {
    let period = Arc::downgrade(&period);
    tokio::spawn(async move {
        let mut group = Vec::new();
        while queue.recv_many(&mut group, GROUP_SALES_MAX).await > 0 {
            let Some(period) = period.upgrade() else { return };
            let (orders, answers): (Vec<_>, Vec<_>) =
                group.drain(..).map(|queued| (queued.order, queued.answer)).unzip();
            sell_group((&store, &guard), &period, orders, answers).await;
        }
    });
}

/// Makes the sales of a group in one transaction, and answers them.
async fn sell_group(
    from: (&Store, &Guard),
    period: &Arc<OpenPeriod>,
    orders: Vec<Order>,
    answers: Vec<oneshot::Sender<Result<SaleAnswer, StoreError>>>,
) {
    match sell(from, period, &orders).await {
        Ok(sold) => {
            for (answer, sold) in answers.into_iter().zip(sold) {
                // A buyer who went away asks again.
                let _ = answer.send(Ok(sold));
            }
        }
        // One order may have spoiled the group: each gets a transaction of its own.
        Err(error) if orders.len() > 1 && !error.is_outage() => {
            for (order, answer) in orders.into_iter().zip(answers) {
                let sold = sell(from, period, &[order]).await;
                let _ = answer.send(sold.map(|mut sold| sold.remove(0)));
            }
        }
        Err(error) => {
            // One gets the reason. All are answered with "unavailable", and ask again.
            let mut answers = answers.into_iter();
            if let Some(answer) = answers.next() {
                let _ = answer.send(Err(error));
            }
            for answer in answers {
                let _ = answer.send(Err(StoreError::GivenUp("the database does not answer")));
            }
        }
    }
}

/// Makes sales in one transaction. Returns an answer for each order.
async fn sell(
    (store, guard): (&Store, &Guard),
    period: &Arc<OpenPeriod>,
    orders: &[Order],
) -> Result<Vec<SaleAnswer>, StoreError> {
    let currency = period.params().coin_value().currency();
    let name = period.name().as_str();
    let coins = store.account(&Account::new(AccountKind::Coins, name, currency)).await?;
    let mut payers = Vec::with_capacity(orders.len());
    for Order { order, trial, by } in orders {
        let account = match trial {
            None => Account::new(AccountKind::Client, order.user.as_str(), currency),
            Some(_) => Account::new(AccountKind::Promotion, name, currency),
        };
        let account = store.account(&account).await?;
        payers.push(Payer { order: order.clone(), trial: trial.clone(), by: *by, account });
    }
    let superbins = orders.iter().map(|order| 2 * u64::from(order.order.sets)).sum();
    let mut tries = 1;
    let sold = loop {
        let reserved = guard.reserve(period.params(), superbins).await?;
        match retried!(sell_once(store, period, &payers, coins, reserved)) {
            Err(StoreError::Unreserved) if tries < TRIES_MAX => tries += 1,
            sold => break sold?,
        }
    };
    guard.note().await?;
    Ok(sold)
}

async fn sell_once(
    store: &Store,
    period: &Arc<OpenPeriod>,
    payers: &[Payer],
    coins: i64,
    reserved: u64,
) -> Result<Vec<SaleAnswer>, StoreError> {
    let mut tx = store.begin().await?;
    let row = tx.lock_period(period.name()).await?;
    let superbins: u64 = payers.iter().map(|payer| 2 * u64::from(payer.order.sets)).sum();
    if (row.next_superbin + superbins).min(period.params().superbin_count()) > reserved {
        return Err(StoreError::Unreserved);
    }
    let transactions: Vec<u64> = payers.iter().map(|payer| payer.order.transaction).collect();
    let compromised = Arc::new(Compromised::new(tx.compromised(period.name()).await?));
    let mut seller = Seller {
        sold: tx.sales(&transactions).await?,
        refused: tx.refused_sales(&transactions).await?,
        next: row.next_superbin,
        sets: (row.sets_sold, row.sets_free),
        row,
        period,
        compromised,
        coins,
        noted: Vec::new(),
        tx,
    };
    // Balances are locked in the order of their accounts, so that groups do not block each other.
    let mut order: Vec<usize> = (0..payers.len()).collect();
    order.sort_by_key(|at| payers[*at].account);
    let mut answers: Vec<Option<SaleAnswer>> = payers.iter().map(|_| None).collect();
    for at in order {
        answers[at] = Some(seller.answer(&payers[at]).await?);
    }
    let Seller { mut tx, next, sets, row, noted, .. } = seller;
    if next != row.next_superbin {
        tx.set_sold(period.name(), next, sets).await?;
    }
    for (by, sale) in noted {
        tx.audit(by, Act::Sale, &sale.noted(), sale.at).await?;
    }
    tx.commit().await?;
    Ok(answers.into_iter().flatten().collect())
}

/// A transaction that makes sales of one period.
struct Seller<'a> {
    tx: Transaction,
    period: &'a Arc<OpenPeriod>,
    row: PeriodRow,
    /// The first superbin that is not sold, with the sales of this transaction.
    next: u64,
    /// How many sets are sold, and how many were free trials, with the sales of this transaction.
    sets: (u64, u64),
    /// The sales and refusals under the Transaction-IDs of the group.
    sold: Vec<SaleRow>,
    refused: Vec<RefusedSale>,
    compromised: Arc<Compromised>,
    coins: i64,
    /// The sales of this transaction that are in the audit log, and who made them.
    noted: Vec<(&'static str, SaleRow)>,
}

impl Seller<'_> {
    async fn answer(&mut self, payer: &Payer) -> Result<SaleAnswer, StoreError> {
        let order = &payer.order;
        if let Some(known) = self.known(payer) {
            return Ok(known);
        }
        let facts = SaleFacts {
            next_superbin: self.next,
            is_settled: self.row.is_settled(),
            revoked: self.tx.refused_since(self.period.name(), &order.user).await?,
        };
        let refusal = sale_refusal(self.period.params(), &order.user, order.sets, facts, order.now);
        if let Some(refusal) = refusal {
            return self.refuse(order, reason_of(&refusal), refusal.to_string()).await;
        }
        if let Some((reason, why)) = self.trial_refusal(payer).await? {
            return self.refuse(order, reason, why).await;
        }
        self.make(payer).await
    }

    /// Why a free trial is not given.
    async fn trial_refusal(
        &mut self,
        payer: &Payer,
    ) -> Result<Option<(RefusedFor, String)>, StoreError> {
        let Payer { order, trial: Some(trial), .. } = payer else { return Ok(None) };
        let free_for = trial.address.as_deref();
        let own = self.tx.free_sets_of(self.period.name(), &order.user, free_for).await?;
        let (sets, (_, all)) = (u64::from(order.sets), self.sets);
        Ok(if own + sets > trial.for_one {
            let why = format!("an account gets at most {} free sets of a period", trial.for_one);
            Some((RefusedFor::TrialTaken, why))
        } else if all + sets > trial.for_all {
            let why = "there are not as many free sets of the period left".to_string();
            Some((RefusedFor::TrialOver, why))
        } else {
            None
        })
    }

    /// The answer to an order whose Transaction-ID was used before.
    fn known(&self, Payer { order, trial, .. }: &Payer) -> Option<SaleAnswer> {
        let transaction = order.transaction;
        let other = || SaleAnswer::Rejected(SaleRefusal::OtherSale { transaction });
        if let Some(sale) = self.sold.iter().find(|sale| sale.transaction == transaction) {
            let is_same = (&sale.user, sale.sets, &sale.period, sale.is_free)
                == (&order.user, order.sets, self.period.name(), trial.is_some());
            return Some(if is_same { SaleAnswer::Sold(sale.clone()) } else { other() });
        }
        let refused = self.refused.iter().find(|refused| refused.transaction == transaction)?;
        let is_same = (&refused.user, refused.sets, &refused.period)
            == (&order.user, order.sets, self.period.name());
        Some(if is_same { SaleAnswer::Refused(refused.clone()) } else { other() })
    }

    async fn make(&mut self, payer: &Payer) -> Result<SaleAnswer, StoreError> {
        let order = &payer.order;
        let first = u32::try_from(self.next).map_err(|_| StoreError::TooLarge("superbin"))?;
        let coins = self.count_coins(first, order.sets).await?;
        let price = i64::try_from(self.period.params().coin_value().units())
            .ok()
            .and_then(|value| value.checked_mul(i64::from(coins)))
            .ok_or(StoreError::TooLarge("sale"))?;
        let sale = SaleRow {
            period: self.period.name().clone(),
            first,
            sets: order.sets,
            coins,
            is_free: payer.trial.is_some(),
            user: order.user.clone(),
            transaction: order.transaction,
            at: order.now,
            received_at: None,
        };
        self.tx.mark().await?;
        let entries = [(payer.account, -price), (self.coins, price)];
        let reference = format!("sale {}", order.transaction);
        match self.tx.post("sale", &reference, &entries, order.now).await? {
            Posted::Made(_) => {
                let free_for = payer.trial.as_ref().and_then(|trial| trial.address.as_deref());
                self.tx.add_sale(&sale, free_for).await?;
                self.tx.keep().await?;
                let (sets, (sold, free)) = (u64::from(order.sets), self.sets);
                self.next += 2 * sets;
                self.sets = (sold + sets, if sale.is_free { free + sets } else { free });
                self.sold.push(sale.clone());
                self.noted.extend(payer.by.map(|by| (by, sale.clone())));
                Ok(SaleAnswer::Sold(sale))
            }
            Posted::TooLittle(_) => {
                self.tx.undo().await?;
                let value = self.period.params().coin_value();
                let price = value.checked_mul(coins.into()).unwrap_or(value);
                let why = format!("the account has less than the {price} that {coins} coins cost");
                self.refuse(order, RefusedFor::TooLittleMoney, why).await
            }
        }
    }

    async fn count_coins(&mut self, first: u32, sets: u32) -> Result<u32, StoreError> {
        let (period, compromised) = (Arc::clone(self.period), Arc::clone(&self.compromised));
        let count = move || {
            let firsts = (0..sets).map(|set| first + 2 * set);
            firsts.map(|first| delivered_coins(period.coin_file(), &*compromised, first)).sum()
        };
        let counted: Result<u32, _> = tokio::task::spawn_blocking(count)
            .await
            .map_err(|_| StoreError::GivenUp("a thread failed or the service ends"))?;
        counted.map_err(StoreError::CoinFile)
    }

    async fn refuse(
        &mut self,
        order: &SaleOrder,
        reason: RefusedFor,
        why: String,
    ) -> Result<SaleAnswer, StoreError> {
        let refused = RefusedSale {
            transaction: order.transaction,
            user: order.user.clone(),
            period: self.period.name().clone(),
            sets: order.sets,
            at: order.now,
            reason,
            why,
        };
        self.tx.add_refused_sale(&refused).await?;
        self.refused.push(refused.clone());
        Ok(SaleAnswer::Refused(refused))
    }
}

/// The kind of a refusal by the rules of sales.
fn reason_of(refusal: &SaleRefusal) -> RefusedFor {
    match refusal {
        SaleRefusal::Revoked { .. } => RefusedFor::Revoked,
        SaleRefusal::Expired { .. } => RefusedFor::Expired,
        _ => RefusedFor::SoldOut,
    }
}
