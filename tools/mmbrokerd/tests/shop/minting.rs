//! The next period is planned and minted, by the real `coinmint`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use micromint::coin_file::CoinFile;
use micromint::host::{Clock, DiskDirectory};
use micromint::time::UnixTime;
use mmbrokerd::minting::{Minter, MintingSettings};
use mmbrokerd::service::Service;
use mmbrokerd::shop::{Role, ShopSettings};
use mmbrokerd::store::{MintState, Store};

use crate::browser::*;
use crate::databases::Database;
use crate::world::{DURING, EXPIRED, secret, world};

crate::on_both_databases!(
    the_next_period_is_minted_in_time,
    a_broker_that_moved_mints_for_its_new_url,
    a_mint_is_stopped_and_goes_on,
    a_mint_that_fails_is_tried_again,
    a_cluster_mints_by_job_files,
    an_operator_is_told_before_sales_end,
);

const DAY: i64 = 86_400;

/// The program, which `make test-broker` builds.
fn coinmint() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_mmbrokerd")).with_file_name("coinmint");
    assert!(path.exists(), "no {}: run cargo build -p coinmint first", path.display());
    path
}

fn settings(profile: &str) -> MintingSettings {
    MintingSettings {
        profile: Some(profile.to_string()),
        threads: Some(1),
        coinmint: Some(coinmint()),
        ..MintingSettings::default()
    }
}

async fn site_of(database: Database, settings: &MintingSettings) -> (Site, Browser) {
    let shop = ShopSettings { minting: Some(settings.clone()), ..ShopSettings::default() };
    let site = site_with(database, shop).await;
    let operator = site.operator("boss", Role::Admin).await;
    (site, operator)
}

fn minter(site: &Site, settings: Option<&MintingSettings>) -> Minter {
    Minter::new(Arc::clone(&site.world.service), site.world.folder.path(), settings)
}

/// Takes turns until a mint is in a state.
async fn turn_until(site: &Site, minter: &mut Minter, state: MintState) {
    loop {
        minter.turn().await.unwrap();
        let mints = site.world.service.store().mints().await.unwrap();
        assert_eq!(mints.iter().find(|mint| !mint.fault.is_empty()), None);
        if mints.iter().any(|mint| mint.state == state) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn a_broker_that_moved_mints_for_its_new_url(database: Database) {
    let settings = settings("test");
    let moved = "HTTPS://moved.example:443";
    let world = world(database).await;
    let store = Store::open(&world._database.url).await.unwrap();
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let mut service = Service::open(store, secret(), None, clock).await.unwrap();
    service.set_url(moved);
    let (service, folder) = (Arc::new(service), world.folder.path());
    // The period that it sold before it moved goes on.
    assert_eq!(service.open_coin_files(folder).await.unwrap().len(), 1);
    world.clock.set(UnixTime(EXPIRED.0 - 10 * DAY));
    let mut minter = Minter::new(Arc::clone(&service), folder, Some(&settings));
    let is_done = async || {
        let mints = world.service.store().mints().await.unwrap();
        mints.iter().any(|mint| mint.state == MintState::Done)
    };
    while !is_done().await {
        minter.turn().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Its coins are sold: those of another URL would not be.
    let opened = service.open_coin_files(folder).await.unwrap();
    let period = service.period(&opened[0]).unwrap();
    assert_eq!(period.params().raw().broker, "https://moved.example/");
}

async fn the_next_period_is_minted_in_time(database: Database) {
    let settings = settings("test");
    let (site, mut operator) = site_of(database, &settings).await;
    let mut minter = minter(&site, Some(&settings));
    minter.turn().await.unwrap();
    assert_eq!(site.world.service.store().mints().await.unwrap(), []);
    let page = operator.get("/operator/periods");
    page.says(200, "After the last period comes 2027-01.");
    page.says(200, "by itself from 2026-12-22 00:00 UTC on");
    page.says(200, "on sale");
    site.world.clock.set(UnixTime(EXPIRED.0 - 10 * DAY - 1));
    minter.turn().await.unwrap();
    assert_eq!(site.world.service.store().mints().await.unwrap(), []);
    site.world.clock.set(UnixTime(EXPIRED.0 - 10 * DAY));
    turn_until(&site, &mut minter, MintState::Done).await;
    let page = site.operator("boss", Role::Admin).await.get("/operator/periods");
    page.says(200, "2027-01 is minted. The service opens it within a minute.");
    assert!(!page.text.contains("Mint 2027-01 now"), "{}", page.text);
    // The service opens it as every coin file, and sells it from its start on.
    let folder = site.world.folder.path();
    let opened = site.world.service.open_coin_files(folder).await.unwrap();
    assert_eq!(opened, ["2027-01".parse().unwrap()]);
    let period = site.world.service.period(&opened[0]).unwrap();
    let (raw, last) = (period.params().raw(), site.world.period.params().raw());
    assert_eq!((raw.start, &raw.broker), (last.expiration, &last.broker));
    assert_eq!(raw.coin_value, last.coin_value);
    let mut operator_later = site.operator("boss", Role::Admin).await;
    let page = operator_later.get("/operator/periods");
    page.says(200, "2027-01");
    page.says(200, "next</div></td>");
    page.says(200, "Mint 2027-02 now");
    operator_later.get("/operator/audit").says(200, "Minting of a period planned");
    // The configuration has the secret input key.
    let file = folder.join("2027-01.toml");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    // Nothing more is due, and what was minted stays.
    let before = std::fs::read(&file).unwrap();
    for _ in 0..3 {
        minter.turn().await.unwrap();
    }
    assert_eq!(std::fs::read(&file).unwrap(), before);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM mint").await, 1);
    // A period that was settled, and has no disputes, is archived.
    site.world.settle().await;
    site.operator("boss", Role::Admin).await.get("/operator/periods").says(200, "archived");
}

async fn a_mint_is_stopped_and_goes_on(database: Database) {
    // Many tosses, so that there is time to stop it.
    let settings = settings("demo");
    let (site, mut operator) = site_of(database, &settings).await;
    let page = operator.get("/operator/periods");
    // Other periods than the next one are not minted.
    for wrong in ["2027-02", "2026-12", "", "../2027-01"] {
        operator.send(&page, "/operator/periods/mint", &[("period", wrong)]).says(422, "cannot be");
    }
    for _ in 0..2 {
        assert_eq!(operator.send(&page, "/operator/periods/mint", &[]).status, 303);
    }
    let page = operator.get("/operator/periods");
    page.says(200, "planned");
    page.says(200, "The mint of 2027-01 is asked for.");
    assert!(!page.text.contains("when you press the button"), "{}", page.text);
    let mut one = minter(&site, Some(&settings));
    turn_until(&site, &mut one, MintState::Running).await;
    let running = operator.get("/operator/periods");
    running.says(200, "2027-01 is being minted.");
    running.says(200, "<progress max=");
    // A second process with the same folder does not disturb it.
    let mut other = minter(&site, Some(&settings));
    other.turn().await.unwrap();
    let tossing = "SELECT COUNT(*) FROM mint WHERE stage = 'tossing'";
    while site.world.number(tossing).await == 0 {
        one.turn().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(operator.send(&running, "/operator/periods/stop", &[]).status, 303);
    one.turn().await.unwrap();
    let stopped = operator.get("/operator/periods");
    stopped.says(200, "stopped; what was tossed is kept");
    stopped.says(200, "The mint of 2027-01 is stopped.");
    // Nothing works on the file: it could be locked.
    let directory = DiskDirectory::new(site.world.folder.path());
    drop(CoinFile::open_minting(&directory, "2027-01.coins").unwrap());
    one.turn().await.unwrap();
    assert_eq!(site.world.service.store().mints().await.unwrap()[0].state, MintState::Stopped);
    assert_eq!(operator.send(&stopped, "/operator/periods/mint", &[]).status, 303);
    turn_until(&site, &mut one, MintState::Running).await;
    // The service ends, and another one goes on.
    drop(one);
    turn_until(&site, &mut other, MintState::Running).await;
    other.end();
}

async fn a_mint_that_fails_is_tried_again(database: Database) {
    let wrong = MintingSettings { coinmint: Some("/bin/false".into()), ..settings("test") };
    let (site, mut operator) = site_of(database, &wrong).await;
    site.world.clock.set(UnixTime(EXPIRED.0 - DAY));
    let mut operator_later = site.operator("boss", Role::Admin).await;
    assert_eq!(operator.get("/operator/periods").status, 303);
    let faults = "SELECT COUNT(*) FROM mint WHERE fault <> ''";
    let mut one = minter(&site, Some(&wrong));
    while site.world.number(faults).await == 0 {
        one.turn().await.unwrap();
    }
    let page = operator_later.get("/operator/periods");
    page.says(200, "The last try failed.");
    page.says(200, "exit status: 1");
    drop(one);
    let mut one = minter(&site, Some(&settings("test")));
    loop {
        one.turn().await.unwrap();
        if site.world.number("SELECT COUNT(*) FROM mint WHERE state = 'done'").await == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(site.world.number(faults).await, 0);
}

async fn a_cluster_mints_by_job_files(database: Database) {
    let settings = MintingSettings { shards: 2, ..settings("test") };
    let (site, mut operator) = site_of(database, &settings).await;
    site.world.clock.set(UnixTime(DURING.0 + 3600));
    let page = operator.get("/operator/periods");
    assert_eq!(operator.send(&page, "/operator/periods/mint", &[]).status, 303);
    let mut one = minter(&site, Some(&settings));
    turn_until(&site, &mut one, MintState::Cluster).await;
    let page = operator.get("/operator/periods");
    page.says(200, "waiting for the cluster");
    page.says(200, "sbatch --parsable 2027-01.shards.sbatch");
    let folder = site.world.folder.path();
    let script = |name: &str, task: &str| {
        let mut command = Command::new("bash");
        command.arg(folder.join(name)).env("SLURM_ARRAY_TASK_ID", task).current_dir(folder);
        assert!(command.output().unwrap().status.success(), "{name}");
    };
    script("2027-01.shards.sbatch", "1");
    one.turn().await.unwrap();
    operator.get("/operator/periods").says(200, "50.00 %");
    script("2027-01.shards.sbatch", "2");
    script("2027-01.merge.sbatch", "1");
    turn_until(&site, &mut one, MintState::Done).await;
    let opened = site.world.service.open_coin_files(folder).await.unwrap();
    assert_eq!(opened, ["2027-01".parse().unwrap()]);
}

async fn an_operator_is_told_before_sales_end(database: Database) {
    let site = site(database).await;
    let says = "No period follows 2026-12, whose coins are accepted until 2027-01-01";
    site.world.clock.set(UnixTime(EXPIRED.0 - 7 * DAY - 1));
    let mut operator = site.operator("boss", Role::Admin).await;
    let page = operator.get("/operator");
    assert!(!page.text.contains(says), "{}", page.text);
    site.world.clock.set(UnixTime(EXPIRED.0 - 7 * DAY));
    operator.get("/operator").says(200, says);
    let page = operator.get("/operator/periods");
    assert_eq!(operator.send(&page, "/operator/periods/mint", &[]).status, 303);
    let page = operator.get("/operator");
    assert!(!page.text.contains(says), "{}", page.text);
    let page = operator.get("/operator/periods");
    assert_eq!(operator.send(&page, "/operator/periods/stop", &[]).status, 303);
    operator.get("/operator").says(200, says);
}
