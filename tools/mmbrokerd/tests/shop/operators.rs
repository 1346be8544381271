//! What operators decide: disputes.

use micromint::broker::{Ruling, RulingOutcome};
use micromint::protocol::Verdict::*;
use micromint::time::UnixTime;
use mmbrokerd::service::{Progress, Restore};
use mmbrokerd::shop::{Role, ShopSettings, set_person};
use mmbrokerd::store::AccountKind;

use crate::browser::*;
use crate::databases::Database;
use crate::world::*;

crate::on_both_databases!(
    a_dispute_is_decided_for_the_vendor,
    a_dispute_is_decided_for_the_reader,
    an_account_with_disputed_coins_is_not_closed,
    of_two_decisions_one_counts,
    numbers_are_for_those_with_the_secret,
    the_picture_shows_where_the_money_went,
    a_halt_is_shown_until_the_broker_goes_on,
);

/// A broker with one disputed coin of alice at news.example, and the batch and the return that
/// claim it.
async fn with_dispute(
    database: Database,
) -> (Site, Browser, micromint::protocol::RequestRedemption, micromint::protocol::RequestCredit) {
    let site = site(database).await;
    let world = &site.world;
    world.sell("alice", 4, 1).await;
    let coins = [0, 2, 4, 6].map(|first| coins("alice", "news.example", first)).concat();
    let doubtful = with_junk(payment("alice", "news.example", "z", &coins[..1]));
    let certain = payment("alice", "news.example", "a", &coins[1..]);
    let sent = batch("news.example", "b1", &[doubtful, certain]);
    assert_eq!(world.redeem(&sent).await[0], Waiting);
    let back = return_of("alice", "r1", &[coins[0][0]]);
    assert_eq!(world.take_back(&back, EXPIRED).await, [Waiting]);
    let mut early = site.operator("boss", Role::Money).await;
    early.get("/operator/disputes").says(200, "Nothing is disputed");
    site.world.settle().await;
    let operator = site.operator("boss", Role::Money).await;
    (site, operator, sent, back)
}

async fn rule(site: &Site, operator: &mut Browser, ruling: &str) {
    let page = operator.get("/operator/disputes");
    page.says(200, "news.example");
    // A double click decides once.
    for _ in 0..2 {
        let fields = [("ruling", ruling)];
        let done = operator.send(&page, "/operator/disputes", &fields);
        operator.follow(&done).says(200, "Nothing is disputed");
    }
    // Whoever decides otherwise is told that it is too late.
    let other = if ruling == "pay" { "refuse" } else { "pay" };
    operator
        .send(&page, "/operator/disputes", &[("ruling", other)])
        .says(422, "they were decided before");
    assert_eq!(site.world.balance(AccountKind::Disputed, "2026-12").await, 0);
    site.world.check_ledger().await;
}

async fn a_dispute_is_decided_for_the_vendor(database: Database) {
    let (site, mut operator, sent, back) = with_dispute(database).await;
    let before = site.world.balance(AccountKind::Vendor, "news.example").await;
    rule(&site, &mut operator, "pay").await;
    let after = site.world.balance(AccountKind::Vendor, "news.example").await;
    assert_eq!(after - before, COIN);
    assert_eq!(site.world.redeem_at(&sent, CLOSED).await[0], Accepted);
    assert_eq!(site.world.take_back(&back, CLOSED).await, [AlreadyPaid]);
}

async fn a_dispute_is_decided_for_the_reader(database: Database) {
    let (site, mut operator, sent, back) = with_dispute(database).await;
    let before = site.world.balance(AccountKind::Client, "alice").await;
    rule(&site, &mut operator, "refuse").await;
    let after = site.world.balance(AccountKind::Client, "alice").await;
    assert_eq!(after - before, COIN);
    assert_eq!(site.world.redeem_at(&sent, CLOSED).await[0], NotFromOwner);
    assert_eq!(site.world.take_back(&back, CLOSED).await, [Accepted]);
    for (language, words) in
        [("en", "against the vendor"), ("de", "gegen den Anbieter entschieden")]
    {
        operator.language = language;
        let page = operator.get("/operator/audit");
        page.says(200, "2026-12 news.example alice<");
        page.says(200, words);
    }
}

/// Two operators decide differently at the same time.
async fn of_two_decisions_one_counts(database: Database) {
    let (site, ..) = with_dispute(database).await;
    let (service, period) = (&site.world.service, &site.world.period);
    let vendor = "news.example".parse().unwrap();
    let rule = |by, ruling| service.rule(period, &vendor, None, (by, ruling));
    let (one, other) =
        futures_util::future::join(rule("one", Ruling::Pay), rule("other", Ruling::Refuse)).await;
    let decided = |ruled: Option<RulingOutcome>| ruled.map_or(0, |it| it.paid + it.credited);
    assert_eq!(decided(one.unwrap()) + decided(other.unwrap()), 1);
    let noted = "SELECT COUNT(*) FROM audit WHERE what LIKE 'ruling%'";
    assert_eq!(site.world.number(noted).await, 1);
    assert_eq!(site.world.balance(AccountKind::Disputed, "2026-12").await, 0);
    site.world.check_ledger().await;
}

async fn an_account_with_disputed_coins_is_not_closed(database: Database) {
    let (site, mut operator, ..) = with_dispute(database).await;
    let alice = user("alice");
    let password = set_person(&site.world.service, &alice, Role::None).await.unwrap();
    let mut browser = site.browser();
    assert_eq!(browser.login("alice", &password).status, 303);
    let mut close = || {
        let page = browser.get("/account");
        browser.send(&page, "/account/close", &[("password", &password)])
    };
    close().says(422, "Coins that you returned are disputed");
    // The page of the vendor says what is decided now.
    let (mut vendor, name) = site.reader();
    let mut admin = site.operator("admin", Role::Admin).await;
    let form = admin.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", name.as_str())];
    assert_eq!(admin.send(&form, "/operator/vendors", &fields).status, 303);
    let mut numbers = || crate::vendors::numbers(&vendor.get("/vendor/news.example"), "2026-12");
    let before = numbers();
    assert_eq!(before[3..5], [0, 1], "{before:?}");
    rule(&site, &mut operator, "refuse").await;
    let after = numbers();
    assert_eq!(
        (after[..3].to_vec(), &after[3..5]),
        (before[..3].to_vec(), &[0, 0][..]),
        "{after:?}"
    );
    // What was credited is on the balance now.
    assert!(!close().text.contains("disputed"));
}

async fn numbers_are_for_those_with_the_secret(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metrics.secret");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    let settings = ShopSettings { metrics_file: Some(file), ..ShopSettings::default() };
    let site = site_with(database, settings).await;
    site.world.sell("alice", 1, 1).await;
    let read = |token: &str| {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent: ureq::Agent = config.build().into();
        let request = agent.get(format!("{}/metrics", site.address));
        let mut answer = request.header("Authorization", format!("Bearer {token}")).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    for wrong in ["", "0123456789abcdef0123456789abcdeF", "0123456789abcdef"] {
        assert_eq!(read(wrong), (401, String::new()), "{wrong}");
    }
    let (status, text) = read("0123456789abcdef0123456789abcdef");
    assert_eq!(status, 200);
    for line in [
        "micromint_balance_total{currency=\"USD\"} 0.0",
        "micromint_sets{period=\"2026-12\",state=\"sold\"} 1",
        "micromint_sets{period=\"2026-12\",state=\"free\"} 0",
        "micromint_sets{period=\"2026-12\",state=\"all\"} 32",
        "micromint_passkeys 0",
        "micromint_payouts_blocked 0",
        "micromint_halted 0",
        "micromint_generation 1",
        "micromint_sales_end_soon 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in {text}");
    }
    assert!(!text.contains("alice"), "{text}");
    site.world.clock.set(UnixTime(EXPIRED.0 - 86_400));
    let (_, text) = read("0123456789abcdef0123456789abcdef");
    assert!(text.lines().any(|found| found == "micromint_sales_end_soon 1"), "{text}");
    // Without the setting there is no such page.
    let site = crate::browser::site(Database::sqlite()).await;
    assert_eq!(site.browser().get("/metrics").status, 404);
}

async fn a_halt_is_shown_until_the_broker_goes_on(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Support).await;
    let is_shown = |page: &Seen| page.text.contains("The broker is halted");
    assert!(!is_shown(&operator.get("/operator")));
    let told = Progress { generation: 1, numbers: [("reserved:2026-12".to_string(), 9)].into() };
    site.world.service.store().add_told(&told).await.unwrap();
    let page = operator.get("/operator");
    page.says(200, "witness is ahead of the database");
    assert!(is_shown(&page), "{}", page.text);
    site.world.service.restored(&Restore::default()).await.unwrap().granted().unwrap();
    assert!(!is_shown(&operator.get("/operator")));
}

async fn the_picture_shows_where_the_money_went(database: Database) {
    let (site, mut operator, ..) = with_dispute(database).await;
    let balance = async |kind, owner: &str| site.world.balance(kind, owner).await / COIN;
    let sold = site.world.number("SELECT coins FROM sale").await;
    let vendors = balance(AccountKind::Vendor, "news.example").await;
    let lapsed = balance(AccountKind::Lapsed, "2026-12").await;
    assert_eq!(sold, vendors + lapsed + 1);
    let shown = |coins: i64| format!("{}.{:02} USD", coins / 100, coins % 100);
    let page = operator.get("/operator/sums");
    page.says(200, &format!("Period 2026-12: sold for {}", shown(sold)));
    page.says(200, &format!("Paid to vendors: {}", shown(vendors)));
    page.says(200, &format!("Disputed coins: {}", shown(1)));
    page.says(200, &format!("Lapsed coins: {}", shown(lapsed)));
    rule(&site, &mut operator, "refuse").await;
    // The last check is shown for five minutes.
    let checked = site.world.service.now();
    for (seconds, disputed) in [(299, 1), (300, 0)] {
        site.world.clock.set(checked.plus_seconds(seconds));
        let page = operator.get("/operator/sums");
        page.says(200, &format!("Disputed coins: {}", shown(disputed)));
    }
    let page = operator.get("/operator/sums");
    page.says(200, &format!("Credited to clients: {}", shown(1)));
    page.says(200, &format!("Disputed coins: {}", shown(0)));
    assert!(!page.text.contains("are not what was sold"), "{}", page.text);
}
