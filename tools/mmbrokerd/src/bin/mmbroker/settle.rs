//! The commands `settle`, `decide` and `mark`: what becomes of claims, and what shows it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use micromint::broker::{Ruling, RulingOutcome};
use micromint::identity::{UserId, VendorId};
use micromint::money::coins;
use micromint_console::{EXIT_OK, ToolError, say, tell};
use mmbrokerd::programs::{Broker, counted, judged_late};
use mmbrokerd::service::Marked;
use mmbrokerd::shop::Mailer;
use mmbrokerd::store::CONSOLE;

use super::PeriodArgs;

#[derive(Args)]
pub(crate) struct Decide {
    #[command(flatten)]
    period: PeriodArgs,
    /// What to do with the vendor's claims: pay them, or refuse them, which credits the coins that
    /// were returned
    ruling: RulingWord,
    /// The vendor whose claims are decided
    #[arg(long, value_name = "HOST")]
    vendor: VendorId,
    /// Decide only about coins of this user
    #[arg(long, value_name = "USER")]
    user: Option<UserId>,
}

#[derive(Clone, Copy, ValueEnum)]
enum RulingWord {
    Pay,
    Refuse,
}

#[derive(Args)]
pub(crate) struct Mark {
    #[command(flatten)]
    period: PeriodArgs,
    /// The copy, which must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

impl Decide {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let ruling = match self.ruling {
            RulingWord::Pay => Ruling::Pay,
            RulingWord::Refuse => Ruling::Refuse,
        };
        let period = broker.period(self.period.period.as_ref())?;
        let (service, user) = (&broker.service, self.user.as_ref());
        let row = service.store().period(period.name()).await?;
        if row.is_none_or(|row| row.settled_at.is_none()) {
            return Err(format!(
                "period {} is not settled: what is disputed is known after its redeem-until, {}",
                period.name(),
                period.params().raw().redeem_until
            )
            .into());
        }
        let ruled = service.rule(&period, &self.vendor, user, (CONSOLE, ruling)).await?;
        let Some(RulingOutcome { paid, credited, lapsed, disputed }) = ruled else {
            return Err(format!("{} has no such disputed coins", self.vendor).into());
        };
        let paid = coins(paid);
        say!("{paid} paid, {credited} credited, {lapsed} lapsed, {disputed} still disputed");
        Ok(EXIT_OK)
    }
}

impl Mark {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let period = broker.period(self.period.period.as_ref())?;
        let marked = broker.service.mark(&period, &self.out).await?;
        let Marked { sets, redeemed, returned } = marked;
        say!("wrote {}: {} sold", self.out.display(), counted(sets, "set"));
        say!("  {redeemed} first balls redeemed, {returned} returned and not redeemed");
        Ok(EXIT_OK)
    }
}

/// Does what the service does by itself every minute: registers vendors for new periods, judges
/// what was cut off, settles what is due, and sends mail.
pub(crate) async fn settle(broker: &Broker) -> Result<u8, ToolError> {
    let service = &broker.service;
    if let Some(mail) = &broker.config.shop.mail {
        Mailer::new(Arc::clone(service), mail.clone()).turn().await?;
    }
    for refusal in service.carry_all_vendors().await? {
        tell!("mmbroker: {refusal}");
    }
    let judged = service.go_on().await?;
    if judged > 0 {
        say!("{}", judged_late(judged));
    }
    let settled = service.settle_due().await?;
    say!("settled {}", counted(settled.into(), "period"));
    Ok(EXIT_OK)
}
