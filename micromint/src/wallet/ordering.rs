//! Orders: what the wallet asks of a broker's web page, recorded before it is asked.
//!
//! Input: a page, a login name and a number of sets. Output: an [`Order`] with its Transaction-ID,
//! which a program sends to the page until an answer settles it. The invariants: an order is
//! durable before its request leaves, so no answer can be lost that was paid for; it stays open
//! until its sets are in the wallet, the broker itself says that it sold nothing, or the owner
//! gives it up; and while it is open, no other order is made for the same page and login, so that
//! nothing is bought twice.

use crate::period::Period;
use crate::protocol::{SETS_PER_WITHDRAWAL_MAX, Url};
use crate::reply::Reply;
use crate::time::UnixTime;

use super::answer::plain;
use super::order::{Order, OrderClosed};
use super::record::WalletRecord;
use super::{Wallet, WalletError, commit};

/// The longest login name of an order, in bytes.
pub(crate) const LOGIN_LEN_MAX: usize = 256;

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct NewOrder<'a> {
    /// The page.
    pub page: &'a Url,
    /// The name of the login at the page; empty for none.
    pub login: &'a str,
    /// The period that the page sells, if it says so
    /// ([`PERIOD_HEADER`](crate::protocol::PERIOD_HEADER)).
    pub period: Option<&'a Period>,
    /// The number of sets, 1 to [`SETS_PER_WITHDRAWAL_MAX`].
    pub sets: u32,
    /// The Transaction-ID: a random number, or that of an earlier sale to fetch again.
    pub transaction: u64,
}

/// An order to send.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OrderToSend {
    /// The order.
    pub order: Order,
    /// Whether it was open before. Then the sets of [`NewOrder`] do not count: finish this order
    /// first.
    pub again: bool,
}

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotOrdered {
    /// The number of sets is out of range.
    #[error("expected 1 to {SETS_PER_WITHDRAWAL_MAX} sets, found {0}")]
    Sets(u32),
    /// The login name is too long.
    #[error("expected a login name of at most {LOGIN_LEN_MAX} bytes, found {0}")]
    Login(usize),
    /// The number belongs to an open order of another page or login.
    #[error("order {transaction} is open at {page} and cannot be sent to another page")]
    OtherPage {
        /// The number.
        transaction: u64,
        /// The page that it was made for.
        page: Url,
    },
}

impl OrderToSend {
    /// An open order of the wallet, to be sent again.
    pub fn again(order: Order) -> OrderToSend {
        OrderToSend { order, again: true }
    }
}

impl Wallet {
    /// Records an order, or finds the open one for the same page and login. It is durable when this
    /// returns; then send its [`form`](Order::form). Give the sets that come to
    /// [`Wallet::receive_from`], which closes the order.
    ///
    /// # Errors
    /// The file cannot be written. Send nothing then.
    pub fn order(
        &mut self,
        asked: &NewOrder<'_>,
        now: UnixTime,
    ) -> Result<Reply<OrderToSend, NotOrdered>, WalletError> {
        let NewOrder { page, login, period, sets, transaction } = *asked;
        if !(1..=SETS_PER_WITHDRAWAL_MAX).contains(&sets) {
            return Ok(Reply::Refused(NotOrdered::Sets(sets)));
        }
        if login.len() > LOGIN_LEN_MAX {
            return Ok(Reply::Refused(NotOrdered::Login(login.len())));
        }
        self.locked(|file| {
            let state = file.state();
            if let Some(order) = state.open_orders().find(|order| order.is_for(page, login)) {
                return Ok(Reply::Granted(OrderToSend { order: order.clone(), again: true }));
            }
            if let Some(other) = state.open_orders().find(|it| it.transaction == transaction) {
                let page = other.page.clone();
                return Ok(Reply::Refused(NotOrdered::OtherPage { transaction, page }));
            }
            let (period, login) = (period.cloned(), login.to_string());
            let order = Order::new(now, transaction, sets, period, login, page.clone());
            commit(file, &[WalletRecord::Order(order.clone())])?;
            Ok(Reply::Granted(OrderToSend { order, again: false }))
        })
    }

    /// Closes the open order with this number: the broker refused it ([`Order::is_refused_by`]), or
    /// the owner gives it up. Returns whether there was one.
    ///
    /// # Errors
    /// The file cannot be written. The order stays open then.
    pub fn close_order(
        &mut self,
        transaction: u64,
        is_refused: bool,
        reason: &str,
        now: UnixTime,
    ) -> Result<bool, WalletError> {
        self.locked(|file| {
            if !file.state().open_orders().any(|order| order.transaction == transaction) {
                return Ok(false);
            }
            let closed = OrderClosed { at: now, is_refused, reason: plain(reason) };
            commit(file, &[WalletRecord::OrderClosed { transaction, closed }])?;
            Ok(true)
        })
    }
}
