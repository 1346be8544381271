//! The orders in the state of a wallet.

use super::WalletState;
use crate::period::Period;
use crate::protocol::SETS_PER_WITHDRAWAL_MAX;
use crate::wallet::order::{Order, OrderClosed};

impl WalletState {
    /// All orders, in order of time.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The orders without an answer, oldest first.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(|order| order.is_open())
    }

    /// Applies an order record.
    pub(super) fn take_order(&mut self, mut order: Order) -> Result<(), String> {
        let number = order.transaction;
        if order.sets == 0 || order.sets > SETS_PER_WITHDRAWAL_MAX {
            return Err(format!("found an order of {} sets", order.sets));
        }
        if self.open_orders().any(|open| open.transaction == number) {
            return Err(format!("found order {number} twice"));
        }
        // The sale is fetched again; nothing is expected of it.
        order.is_received = self.has_sale(number, order.period.as_ref());
        self.orders.push(order);
        Ok(())
    }

    /// Applies the end of an order without sets.
    pub(super) fn take_order_closed(
        &mut self,
        transaction: u64,
        closed: OrderClosed,
    ) -> Result<(), String> {
        let open = self.open_order(transaction, None);
        open.ok_or_else(|| format!("no open order {transaction}"))?.closed = Some(closed);
        Ok(())
    }

    /// Notes that a sale is in the wallet. Returns whether its coins may have been spent already.
    pub(super) fn take_sale(&mut self, transaction: u64, period: &Period) -> bool {
        let Some(order) = self.open_order(transaction, Some(period)) else { return false };
        order.is_received = true;
        order.in_doubt
    }

    /// Whether a sale with this number, of this period if it is known, is in the wallet.
    fn has_sale(&self, transaction: u64, period: Option<&Period>) -> bool {
        self.withdrawals.iter().any(|sale| {
            let held = self.holdings[sale.holding].params.period();
            sale.transaction == transaction && period.is_none_or(|period| period == held)
        })
    }

    /// The open order with this number; with a period, only if the order may be for it.
    fn open_order(&mut self, transaction: u64, period: Option<&Period>) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| {
            let is_of_period = match (&order.period, period) {
                (Some(own), Some(period)) => own == period,
                _ => true,
            };
            order.is_open() && order.transaction == transaction && is_of_period
        })
    }
}
