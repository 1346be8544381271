//! Orders: what the wallet asks of a broker's web page, recorded before it is asked.
//!
//! Input: a page, a login name and a number of sets. Output: an [`Order`] with its Transaction-ID,
//! which a program sends to the page until an answer settles it. The invariants: an order is
//! durable before its request leaves, so no answer can be lost that was paid for; it stays open
//! until its sets are in the wallet, the broker itself says that it sold nothing, or the owner
//! gives it up; and while it is open, no other order is made for the same page and login, so that
//! nothing is bought twice.

use crate::period::Period;
use crate::protocol::{SETS_PER_WITHDRAWAL_MAX, Url, parse_decimal};
use crate::reply::Reply;
use crate::time::UnixTime;

use super::answer::plain;
use super::record::WalletRecord;
use super::state::WalletState;
use super::{Wallet, WalletError, commit};

/// The longest login name of an order, in bytes.
pub const LOGIN_LEN_MAX: usize = 256;

/// Sets that are asked of a broker's web page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// When it was made.
    pub at: UnixTime,
    /// The Transaction-ID of the sale, chosen by the wallet. The broker sells once under it.
    pub transaction: u64,
    /// The number of sets.
    pub sets: u32,
    /// The period that the page sold at that time, if it said so.
    pub period: Option<Period>,
    /// The name of the login at the page; empty if the program gave none. The broker repeats a
    /// sale only for the user who bought it.
    pub login: String,
    /// The page.
    pub page: Url,
    /// How it ended. `None` while it is open, and if its sets came.
    pub closed: Option<OrderClosed>,
    /// Whether its sets are in the wallet.
    pub is_received: bool,
    /// Whether the order is from a restored backup: its sets may have come after the backup was
    /// made, and their coins may have been spent.
    pub(super) in_doubt: bool,
}

/// How an order ended without sets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderClosed {
    /// When.
    pub at: UnixTime,
    /// Whether the broker said that it sold nothing. Otherwise the owner gave the order up, and the
    /// broker may have sold it.
    pub is_refused: bool,
    /// Why: the broker's reason, printable ASCII; may be empty.
    pub reason: String,
}

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

impl Order {
    /// An open order.
    pub(super) fn new(
        at: UnixTime,
        transaction: u64,
        sets: u32,
        period: Option<Period>,
        login: String,
        page: Url,
    ) -> Order {
        let (closed, is_received, in_doubt) = (None, false, false);
        Order { at, transaction, sets, period, login, page, closed, is_received, in_doubt }
    }

    /// Whether an answer is still expected.
    pub fn is_open(&self) -> bool {
        self.closed.is_none() && !self.is_received
    }

    /// Whether the order is for this page and login.
    fn is_for(&self, page: &Url, login: &str) -> bool {
        self.page == *page && self.login == login
    }

    /// The form to send to the page, as `application/x-www-form-urlencoded`.
    pub fn form(&self) -> String {
        let form = format!("sets={}&transaction={}", self.sets, self.transaction);
        match &self.period {
            // A period is letters, digits and hyphens, which need no encoding.
            Some(period) => format!("{form}&period={period}"),
            None => form,
        }
    }

    /// Whether the broker says that it sold nothing under this order and will not: the value of
    /// [`NOT_SOLD_HEADER`](crate::protocol::NOT_SOLD_HEADER) in its answer names the order.
    /// Anything else in place of the sets leaves the order open. An order of unknown period counts
    /// as refused only if this is the first time that it was sent (`again` is false): the page may
    /// sell another period meanwhile.
    ///
    /// ```
    /// # use micromint::host::{SimulatedDirectory, SystemEntropy};
    /// # use micromint::time::UnixTime;
    /// # use micromint::wallet::{NewOrder, Wallet};
    /// # use micromint::reply::Reply;
    /// # let directory = SimulatedDirectory::new();
    /// # let mut wallet = Wallet::open(&directory, "wallet.mmw", &SystemEntropy)?;
    /// let page = "https://broker.example/coins".parse()?;
    /// let period = "2026-12".parse()?;
    /// let asked = NewOrder { page: &page, login: "alice", period: Some(&period), sets: 1,
    ///     transaction: 77 };
    /// let Reply::Granted(sending) = wallet.order(&asked, UnixTime(0))? else {
    ///     panic!("one set is in range");
    /// };
    /// assert_eq!(sending.order.form(), "sets=1&transaction=77&period=2026-12");
    /// assert!(sending.order.is_refused_by(Some("2026-12 77"), sending.again));
    /// assert!(!sending.order.is_refused_by(None, sending.again));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_refused_by(&self, not_sold: Option<&str>, again: bool) -> bool {
        let Some((period, transaction)) = not_sold.and_then(|text| text.trim().split_once(' '))
        else {
            return false;
        };
        let is_period = match &self.period {
            Some(own) => own.as_str() == period,
            None => !again && period.parse::<Period>().is_ok(),
        };
        is_period && parse_decimal(transaction) == Some(self.transaction)
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
