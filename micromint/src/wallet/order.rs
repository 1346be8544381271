//! An order of sets at a broker's web page, and what an answer says about it.

use crate::period::Period;
use crate::protocol::{Url, parse_decimal};
use crate::time::UnixTime;

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
    pub(super) fn is_for(&self, page: &Url, login: &str) -> bool {
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
