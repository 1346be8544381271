//! Lists of operators: each page has a bounded size, and every row is on some page.

use mmbrokerd::shop::{BATCHES_SHOWN_MAX, ROWS_SHOWN_MAX, RUNS_SHOWN_MAX, Role};

use crate::browser::*;
use crate::databases::Database;

crate::on_both_databases!(
    lists_of_operators_lead_to_all_rows,
    codes_wait_for_a_release_whatever_is_shown,
);

/// Statements that add a row to a list: `$1` is its number, `$2` the same as text, `$3` a salt.
const RUN: &str = "INSERT INTO payout_run (id, at, by_whom, currency, token, paid_at) \
                   VALUES ($1, 100, 'boss', 'USD', $2, 200)";
const BATCH: &str = "INSERT INTO voucher_batch \
     (name, at, by_whom, units, currency, count, expires_at, salt, generation) \
     VALUES ('batch' || $2, CASE WHEN $1 = 0 THEN 99 ELSE 100 END, 'boss', \
     100000000, 'USD', 1, 4000000000, $3, 1)";
const OFFENDER: &str = "INSERT INTO offender (period, user_id, at, superbin, subbin, why) \
     VALUES ('2026-12', 'user' || $2, CASE WHEN $1 = 0 THEN 99 ELSE 100 END, \
     7, 7, 'spent twice')";

async fn add(site: &Site, statement: &'static str, numbers: std::ops::Range<usize>) {
    let mut tx = site.world.service.store().begin().await.unwrap();
    for number in numbers {
        let mut query = sqlx::query(statement).bind(number as i64).bind(number.to_string());
        if statement.contains("salt") {
            query = query.bind(vec![7u8; 32]);
        }
        query.execute(tx.connection()).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn lists_of_operators_lead_to_all_rows(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    // Each with what stands before and after a row's number on the page.
    let lists = [
        ("/operator/payouts", RUN, RUNS_SHOWN_MAX, ("/operator/payouts/", "\"")),
        ("/operator/vouchers", BATCH, BATCHES_SHOWN_MAX, (">batch", "<")),
        ("/operator/users", OFFENDER, ROWS_SHOWN_MAX, (">user", "<")),
    ];
    for (list, statement, most, (before, after)) in lists {
        let shown = |number: usize| format!("{before}{number}{after}");
        add(&site, statement, 0..most).await;
        let page = operator.get(list);
        page.says(200, &shown(0));
        assert_eq!(link(&page, "Older entries"), None, "{list}");
        add(&site, statement, most..2 * most + 1).await;
        // Two full pages, and the first row on the third.
        let (mut page, mut found) = (operator.get(list), 0);
        for pages in 1..=3 {
            found += (0..=2 * most).filter(|number| page.text.contains(&shown(*number))).count();
            assert_eq!(found, (pages * most).min(2 * most + 1), "{list}");
            let newest = link(&page, "The newest entries");
            assert_eq!(newest.as_deref(), (pages > 1).then_some(list), "{list}");
            match link(&page, "Older entries") {
                Some(older) => page = operator.get(&older),
                None => assert_eq!(pages, 3, "{list}"),
            }
        }
        page.says(200, &shown(0));
    }
    for path in ["payouts?before=x", "vouchers?skip=x", "vouchers?skip=-1", "users?skip=4294967296"]
    {
        assert_eq!(operator.get(&format!("/operator/{path}")).status, 404, "{path}");
    }
    operator.get("/operator/vouchers?skip=4294967295").says(200, "The newest entries");
}

async fn codes_wait_for_a_release_whatever_is_shown(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    let form = operator.get("/operator/vouchers");
    let fields = [("name", "first"), ("amount", "5 USD"), ("count", "3"), ("months", "36")];
    operator.send(&form, "/operator/vouchers", &fields).says(200, "5.00 USD");
    // The broker was restored since.
    let pool = site.world.service.store().pool();
    for statement in [
        "UPDATE voucher_batch SET generation = generation - 1, at = 1",
        "UPDATE voucher SET released = released - 1",
    ] {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    for batches in [0, BATCHES_SHOWN_MAX] {
        add(&site, BATCH, 0..batches).await;
        let page = operator.get("/operator/vouchers");
        page.says(200, "3 codes that were made before");
        assert_eq!(page.text.contains(">first<"), batches == 0);
    }
    // Those of a batch that is void, or over, do not wait.
    sqlx::query("UPDATE voucher_batch SET void_at = 2 WHERE name = 'first'")
        .execute(pool)
        .await
        .unwrap();
    assert!(!operator.get("/operator/vouchers").text.contains("that were made before"));
}
