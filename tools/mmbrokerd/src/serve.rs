//! The service: listens, opens new coin files, and settles periods that are due.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use micromint::error::chain;
use micromint_console::{EXIT_OK, ToolError, say, tell};
use mmbrokerd::config::Config;
use mmbrokerd::http::{App, listen_on};
use mmbrokerd::minting::Minter;
use mmbrokerd::programs::{counted, judged_late};
use mmbrokerd::service::Service;
use mmbrokerd::shop::Mailer;
use mmbrokerd::store::StoreError;
use tokio::signal::unix::{SignalKind, signal};

/// How often the folder of the coin files and the dates are looked at.
const TURN: Duration = Duration::from_secs(60);
/// How often the mint is looked at.
const MINT_TURN: Duration = Duration::from_secs(5);
/// How often is looked whether the broker was moved to another database.
const MOVED_TURN: Duration = Duration::from_secs(5);
/// How often mail is sent.
const MAIL_TURN: Duration = Duration::from_secs(2);

/// Serves on an address that was taken, until SIGTERM or SIGINT.
pub(crate) async fn serve(
    service: Arc<Service>,
    config: &Config,
    listener: TcpListener,
) -> Result<u8, ToolError> {
    let (mut term, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shop = config.shop.clone();
    let app = App::new(Arc::clone(&service), &config.url, config.sets_max, shop);
    let app = Arc::new(app);
    let tls = config.tls();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let server = listen_on(app, listener, tls).await?;
    if service.periods().is_empty() {
        let folder = config.coins.display();
        tell!("mmbrokerd: warning: no complete coin file in {folder}; nothing can be sold yet");
    }
    tell_of_coin_files(&service).await;
    if let Some(why) = service.halted() {
        tell!("mmbrokerd: error: {}", StoreError::Halted(why));
    }
    say!("mmbrokerd: listening on {scheme}://{}", server.address());
    let turns = tokio::spawn(take_turns(Arc::clone(&service), config.clone()));
    let minter = Minter::new(Arc::clone(&service), &config.coins, config.minting.as_ref());
    let mint = tokio::spawn(mint(minter));
    let mail = config.shop.mail.clone().map(|settings| Mailer::new(Arc::clone(&service), settings));
    let mail = mail.map(|mailer| tokio::spawn(send_mail(mailer)));
    let is_moved = tokio::select! {
        _ = term.recv() => false,
        _ = interrupt.recv() => false,
        () = moved(&service) => true,
    };
    turns.abort();
    mail.inspect(|mail| mail.abort());
    mint.abort();
    // The child of the minter ends with it.
    let _ = mint.await;
    server.end().await?;
    service.store().close().await;
    if is_moved {
        return Err("this broker was moved to another database: start it with the configuration \
                    that names that one"
            .to_string()
            .into());
    }
    say!("mmbrokerd: ended");
    Ok(EXIT_OK)
}

/// Waits until the broker is moved to another database: what this one says is old from then on.
async fn moved(service: &Service) {
    while !matches!(service.is_moved().await, Ok(true)) {
        tokio::time::sleep(MOVED_TURN).await;
    }
}

/// Tells what is wrong with coin files, such as a period of another broker than the last one.
async fn tell_of_coin_files(service: &Service) {
    match service.coin_file_faults().await {
        Ok(faults) => faults.iter().for_each(|fault| tell!("mmbrokerd: error: {fault}")),
        Err(error) => tell!("mmbrokerd: error: {}", chain(&error)),
    }
}

/// Plans and mints the next period.
async fn mint(mut minter: Minter) {
    loop {
        if let Err(error) = minter.turn().await {
            tell!("mmbrokerd: error: {}", chain(&error));
        }
        tokio::time::sleep(MINT_TURN).await;
    }
}

/// Sends what was recorded.
async fn send_mail(mailer: Mailer) {
    loop {
        if let Err(error) = mailer.turn().await {
            tell!("mmbrokerd: error: {}", chain(&error));
        }
        tokio::time::sleep(MAIL_TURN).await;
    }
}

/// What needs no person: batches that were cut off continue, new coin files are opened, vendors are
/// carried over, periods are settled.
async fn take_turns(service: Arc<Service>, config: Config) {
    loop {
        match service.open_coin_files(&config.coins).await {
            Ok(opened) => {
                for period in &opened {
                    say!("mmbrokerd: opened period {period}");
                }
                if !opened.is_empty() {
                    tell_of_coin_files(&service).await;
                }
            }
            Err(error) => tell!("mmbrokerd: error: {}", chain(&error)),
        }
        match service.carry_all_vendors().await {
            Ok(refused) => refused.iter().for_each(|why| tell!("mmbrokerd: {why}")),
            Err(error) => tell!("mmbrokerd: error: {}", chain(&error)),
        }
        match service.go_on().await {
            Ok(0) => {}
            Ok(judged) => say!("mmbrokerd: {}", judged_late(judged)),
            Err(error) => tell!("mmbrokerd: error: {}", chain(&error)),
        }
        match service.settle_due().await {
            Ok(0) => {}
            Ok(settled) => say!("mmbrokerd: settled {}", counted(settled.into(), "period")),
            Err(error) => tell!("mmbrokerd: error: {}", chain(&error)),
        }
        tokio::time::sleep(TURN).await;
    }
}
