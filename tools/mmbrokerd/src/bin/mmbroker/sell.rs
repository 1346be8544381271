//! The command `withdraw`: a sale on the command line.

use std::path::PathBuf;

use clap::Args;
use micromint::broker::SaleRefusal;
use micromint::identity::UserId;
use micromint::money::coins_worth;
use micromint_console::output::Existing;
use micromint_console::{EXIT_OK, ToolError, tell};
use mmbrokerd::programs::{Broker, counted, random_number};
use mmbrokerd::service::{SaleAnswer, SaleOrder};
use mmbrokerd::store::{RefusedFor, SaleRow};

use super::PeriodArgs;
use super::people::check_open;

#[derive(Args)]
pub(crate) struct Withdraw {
    #[command(flatten)]
    period: PeriodArgs,
    /// The User-ID of the buyer
    #[arg(long, value_name = "USER")]
    user: UserId,
    /// How many sets to sell
    #[arg(long, value_name = "N", required_unless_present = "transaction")]
    sets: Option<u32>,
    /// The number of the sale. Without --sets, writes the message of this sale again. With --sets,
    /// sells under this number, and at most once
    #[arg(long, value_name = "NUMBER")]
    transaction: Option<u64>,
    /// The file for the Funds-Withdrawn message, which must not exist; - writes standard output
    /// [default: -]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Withdraw {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let output = broker.rules(Existing::Kept).await?.open(self.out.as_deref())?;
        let sale = self.sale(broker).await?;
        let SaleRow { user, transaction, .. } = &sale;
        let period = broker.period(Some(&sale.period))?;
        let funds = broker.service.deliver(&period, &sale).await?;
        output.write(&funds.to_bytes()).map_err(|error| {
            format!(
                "{error}; the sale is recorded: write its message again with \
                 `mmbroker withdraw --user {user} --transaction {transaction}`"
            )
        })?;
        let price = coins_worth(sale.coins.into(), period.params().coin_value());
        tell!(
            "{} of {} for {user}, {price}, transaction {transaction}",
            counted(sale.sets.into(), "set"),
            sale.period
        );
        Ok(EXIT_OK)
    }

    /// The sale, made now or before.
    async fn sale(&self, broker: &Broker) -> Result<SaleRow, ToolError> {
        let (service, user) = (&broker.service, self.user.clone());
        let Some(sets) = self.sets else {
            let transaction = self.transaction.ok_or("expected --sets or --transaction")?;
            let sale = service.store().sale(transaction).await?;
            let sale = sale.filter(|sale| sale.user == user);
            let refusal = SaleRefusal::NoSuchSale { transaction, user };
            return sale.ok_or_else(|| refusal.to_string().into());
        };
        check_open(service, &user).await?;
        let period = broker.period(self.period.period.as_ref())?;
        if !period.has_begun(service.now()) {
            let (name, start) = (period.name(), period.params().raw().start);
            return Err(format!("period {name} begins at {start}: it is sold from then on").into());
        }
        let transaction = match self.transaction {
            Some(transaction) => transaction,
            None => random_number()?,
        };
        // A mistyped name has no money.
        let is_known = service.store().has_account(&user).await?;
        let order = SaleOrder { user, sets, transaction, now: service.now() };
        match service.buy(&period, order).await? {
            SaleAnswer::Sold(sale) => Ok(sale),
            SaleAnswer::Refused(refused) if refused.reason == RefusedFor::TooLittleMoney => {
                let user = &self.user;
                let hint = match is_known {
                    true => String::new(),
                    false => format!("; the broker has no account {user}"),
                };
                Err(format!("{}{hint}", refused.why).into())
            }
            SaleAnswer::Refused(refused) => Err(refused.why.into()),
            SaleAnswer::Rejected(refusal) => Err(refusal.to_string().into()),
        }
    }
}
