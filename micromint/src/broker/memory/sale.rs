//! Selling sets of superbins to a client (thesis 3.2.2).
//!
//! Input: a user and a number of sets. Output: the Funds-Withdrawn message. The invariant:
//! repeating a sale returns the same message and sells nothing.

use super::MemoryBroker;
use super::records::RecordedSale;
use crate::broker::{SaleFacts, SaleRefusal, delivered_coins, sale_refusal, sold_set};
use crate::coin_file::CoinFileError;
use crate::identity::{UserId, UserVector};
use crate::protocol::FundsWithdrawn;
use crate::reply::Reply;
use crate::time::UnixTime;

impl MemoryBroker {
    /// Sells `sets` sets to `user`. `transaction` identifies the sale: a new random number, or the
    /// number of a sale whose answer was lost. Repeating a sale returns its message again and sells
    /// nothing.
    ///
    /// # Errors
    /// The coin file cannot be read.
    pub fn withdraw(
        &mut self,
        user: &UserId,
        sets: u32,
        transaction: u64,
        now: UnixTime,
    ) -> Result<Reply<FundsWithdrawn, SaleRefusal>, CoinFileError> {
        let max = FundsWithdrawn::sets_max(self.params());
        if !(1..=max).contains(&sets) {
            return Ok(Reply::Refused(SaleRefusal::Sets { max, found: sets }));
        }
        let vector = match UserVector::new(self.params(), user) {
            Ok(vector) => vector,
            Err(none) => return Ok(Reply::Refused(none.into())),
        };
        let known = self.ledger.sale(transaction).cloned();
        let sale = match known {
            Some(sale) if sale.user == *user && sale.sets == sets => Reply::Granted(sale),
            Some(_) => Reply::Refused(SaleRefusal::OtherSale { transaction }),
            None => self.sell(user, sets, transaction, now)?,
        };
        match sale {
            Reply::Granted(sale) => self.funds_withdrawn(&sale, &vector).map(Reply::Granted),
            Reply::Refused(refusal) => Ok(Reply::Refused(refusal)),
        }
    }

    /// The message of an earlier sale, for the user who bought it.
    ///
    /// # Errors
    /// The coin file cannot be read.
    pub fn withdraw_again(
        &self,
        user: &UserId,
        transaction: u64,
    ) -> Result<Reply<FundsWithdrawn, SaleRefusal>, CoinFileError> {
        let sale = self.ledger.sale(transaction).filter(|sale| sale.user == *user);
        let Some(sale) = sale else {
            return Ok(Reply::Refused(SaleRefusal::NoSuchSale { transaction, user: user.clone() }));
        };
        match UserVector::new(self.params(), user) {
            Ok(vector) => self.funds_withdrawn(sale, &vector).map(Reply::Granted),
            Err(none) => Ok(Reply::Refused(none.into())),
        }
    }

    /// How many sets can still be sold.
    pub fn sets_left(&self) -> u64 {
        (self.params().superbin_count() - self.ledger.next_superbin()) / 2
    }

    /// Decides about a sale and makes it.
    fn sell(
        &mut self,
        user: &UserId,
        sets: u32,
        transaction: u64,
        now: UnixTime,
    ) -> Result<Reply<RecordedSale, SaleRefusal>, CoinFileError> {
        let facts = SaleFacts {
            next_superbin: self.ledger.next_superbin(),
            is_settled: self.ledger.settlement.is_some(),
            revoked: self.ledger.revoked.get(user).copied(),
        };
        if let Some(refusal) = sale_refusal(self.params(), user, sets, facts, now) {
            return Ok(Reply::Refused(refusal));
        }
        // A set is left, so the next superbin is below 2^u and fits 32 bits.
        let first = self.ledger.next_superbin() as u32;
        let user = user.clone();
        let mut sale = RecordedSale { when: now, transaction, first, sets, coins: 0, user };
        for first in sale.first_superbins() {
            sale.coins += delivered_coins(&self.coin_file, &self.ledger, first)?;
        }
        self.ledger.add_sale(sale.clone());
        Ok(Reply::Granted(sale))
    }

    /// The message of a sale.
    fn funds_withdrawn(
        &self,
        sale: &RecordedSale,
        vector: &UserVector,
    ) -> Result<FundsWithdrawn, CoinFileError> {
        let sets: Result<Vec<_>, CoinFileError> = sale
            .first_superbins()
            .map(|first| sold_set(&self.coin_file, &self.ledger, vector, first))
            .collect();
        Ok(FundsWithdrawn {
            user: sale.user.clone(),
            user_key: self.secret.user_key(self.params().period(), &sale.user),
            params: self.params().clone(),
            sets: sets?,
            transaction: sale.transaction,
        })
    }
}
