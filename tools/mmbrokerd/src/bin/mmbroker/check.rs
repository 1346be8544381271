//! The command `check`: whether the broker works, and its books are right.

use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, say, tell};
use mmbrokerd::minting::sales_end_soon;
use mmbrokerd::programs::Broker;
use mmbrokerd::service::ServiceError;
use mmbrokerd::shop::audit_faults;
use mmbrokerd::store::StoreError;

/// Recomputes the ledger, looks at what the configuration names, and says what is wrong.
pub(crate) async fn run(broker: &Broker) -> Result<u8, ToolError> {
    let (service, store) = (&broker.service, broker.service.store());
    let halted = match service.check_progress().await {
        Err(ServiceError::Store(halted @ StoreError::Halted(_))) => Some(halted),
        other => {
            other?;
            None
        }
    };
    if let Some(halted) = &halted {
        tell!("mmbroker: error: {halted}");
    }
    if let Some((period, end)) = sales_end_soon(service, broker.config.minting.is_some()).await? {
        tell!(
            "mmbroker: warning: no period follows {period}, and its coins are accepted until \
             {end}: then nothing is sold any more. Mint the next one"
        );
    }
    let (ledger, audit) = (store.ledger_faults().await?, audit_faults(store).await?);
    let mut setup = service.coin_file_faults().await?;
    setup.extend(broker.config.faults(&store.currencies().await?));
    let faults = [&ledger, &audit, &setup];
    for fault in faults.into_iter().flatten() {
        tell!("mmbroker: {fault}");
    }
    let [ledger, audit, setup] = faults.map(Vec::len);
    say!(
        "periods with a coin file: {}; faults in the ledger: {ledger}, in the audit log: {audit}, in the \
         configuration: {setup}",
        service.periods().len()
    );
    let is_good = halted.is_none() && ledger + audit + setup == 0;
    Ok(if is_good { EXIT_OK } else { EXIT_FAILURE })
}
