//! Vendors from one period to the next.

use std::collections::HashSet;
use std::time::Duration;

use micromint::broker::VendorRefusal;
use micromint::coin_file::CoinFile;
use micromint::host::DiskDirectory;
use micromint::identity::{VendorId, VendorVector};
use micromint::period::Period;
use micromint::testing::{ObviousMint, params_with};

use crate::databases::Database;
use crate::world::*;

on_both_databases!(
    vendors_are_carried_over_once,
    whoever_registers_early_keeps_nobody_out,
    a_transfer_that_is_cut_off_leaves_nobody_out,
    vendors_with_equal_vectors_are_named,
    a_period_without_vendors_passes_nothing_on_for_good,
);

const NEXT: &str = "2027-01";
const MONTH_SECONDS: i64 = 31 * 86_400;

pub(crate) fn next() -> Period {
    NEXT.parse().unwrap()
}

/// Opens the period after that of the world.
pub(crate) async fn open_next(world: &World) {
    open_later(world, NEXT, 1).await;
}

/// Opens a period that begins `months` months after that of the world.
async fn open_later(world: &World, name: &str, months: i64) {
    let params = params_with(|raw| {
        raw.period = name.parse().unwrap();
        for time in [&mut raw.start, &mut raw.expiration, &mut raw.redeem_until] {
            time.0 += months * MONTH_SECONDS;
        }
    });
    let file = format!("{name}.coins");
    let path = world.folder.path().join(&file);
    std::fs::write(&path, ObviousMint::new(params).coin_file()).unwrap();
    let directory = DiskDirectory::new(world.folder.path());
    let coin_file = CoinFile::open_read(&directory, &file).unwrap();
    world.service.add_period(coin_file, &path).await.unwrap();
}

async fn register(world: &World, period: &Period, name: &VendorId) {
    let period = world.service.period(period).unwrap();
    world.service.register_vendor(&period, name, DURING).await.unwrap().granted().unwrap();
}

async fn carried(world: &World) -> Vec<String> {
    let vendors = world.service.store().vendors(&next()).await.unwrap();
    vendors.iter().map(ToString::to_string).collect()
}

async fn vendors_are_carried_over_once(database: Database) {
    let world = world(database).await;
    open_next(&world).await;
    assert!(world.service.carry_all_vendors().await.unwrap().is_empty());
    assert_eq!(carried(&world).await, ["news.example", "shop.example"]);
    // Whoever is registered for one period later is so by choice.
    register(&world, MINT.params().period(), &vendor("late.example")).await;
    assert!(world.service.carry_all_vendors().await.unwrap().is_empty());
    assert_eq!(carried(&world).await, ["news.example", "shop.example"]);
}

async fn whoever_registers_early_keeps_nobody_out(database: Database) {
    let world = world(database).await;
    open_next(&world).await;
    register(&world, &next(), &vendor("early.example")).await;
    register(&world, &next(), &vendor("shop.example")).await;
    assert!(world.service.carry_all_vendors().await.unwrap().is_empty());
    assert_eq!(carried(&world).await, ["early.example", "news.example", "shop.example"]);
}

async fn a_transfer_that_is_cut_off_leaves_nobody_out(database: Database) {
    let world = world(database).await;
    for number in 0..100 {
        let period = MINT.params().period();
        let vector = |name: &VendorId| VendorVector::new(MINT.params(), name);
        let known = world.service.store().vendors(period).await.unwrap();
        let name = vendor(&format!("site-{number}.example"));
        // The small test period has few vectors.
        if known.iter().all(|other| vector(other) != vector(&name)) {
            register(&world, period, &name).await;
        }
    }
    open_next(&world).await;
    let all = world.service.store().vendors(MINT.params().period()).await.unwrap();
    let params = world.service.period(&next()).unwrap().params().clone();
    let vectors: HashSet<_> = all.iter().map(|name| VendorVector::new(&params, name)).collect();
    let mut ends = 0;
    for micros in [0, 200, 1_000, 2_000, 3_000, 5_000, 8_000] {
        let carry = world.service.carry_all_vendors();
        let end = tokio::time::timeout(Duration::from_micros(micros), carry).await;
        ends += u32::from(end.is_err());
        let found = carried(&world).await.len();
        assert!(found == 0 || found == vectors.len(), "{found} after {micros} us");
    }
    assert!(ends > 0, "nothing was cut off");
    world.service.carry_all_vendors().await.unwrap();
    assert_eq!(carried(&world).await.len(), vectors.len());
}

async fn vendors_with_equal_vectors_are_named(database: Database) {
    let world = world(database).await;
    open_next(&world).await;
    let params = world.service.period(&next()).unwrap().params().clone();
    let vector = |name: &VendorId| VendorVector::new(&params, name);
    let wanted = vector(&vendor("news.example"));
    let mut names = (0..).map(|number| vendor(&format!("other-{number}.example")));
    let equal = names.find(|name| vector(name) == wanted).unwrap();
    register(&world, &next(), &equal).await;
    let refused = world.service.carry_all_vendors().await.unwrap();
    let [VendorRefusal::EqualVectors { vendor: refused, other }] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert_eq!((refused.as_str(), other), ("news.example", &equal));
    assert!(carried(&world).await.contains(&"shop.example".to_string()));
}

async fn a_period_without_vendors_passes_nothing_on_for_good(database: Database) {
    let world = world(database).await;
    sqlx::query("DELETE FROM vendor").execute(world.service.store().pool()).await.unwrap();
    open_next(&world).await;
    open_later(&world, "2027-02", 2).await;
    assert!(world.service.carry_all_vendors().await.unwrap().is_empty());
    assert_eq!(carried(&world).await, [""; 0]);
    // The operator registers the first vendors afterwards.
    register(&world, MINT.params().period(), &vendor("news.example")).await;
    assert!(world.service.carry_all_vendors().await.unwrap().is_empty());
    assert_eq!(carried(&world).await, ["news.example"]);
    let last = world.service.store().vendors(&"2027-02".parse().unwrap()).await.unwrap();
    assert_eq!(last, [vendor("news.example")]);
}
