//! Whom a vendor should stop serving: as many users as it takes until one who fails is not the
//! vendor's fault.

use micromint::identity::UserId;
use micromint::protocol::Payment;
use micromint::time::UnixTime;

use crate::databases::Database;
use crate::world::*;

on_both_databases!(a_vendor_learns_whom_to_block, a_batch_blocks_for_what_is_in_it);

const USERS: usize = 24;
const NEXT_HOUR: UnixTime = UnixTime(DURING.0 + 3600);

fn name(number: usize) -> String {
    format!("user{number}")
}

/// A broker who sold a set to each user.
async fn sold(database: Database) -> World {
    let world = world(database).await;
    for number in 0..USERS {
        world.sell(&name(number), 1, number as u64).await;
    }
    world
}

/// A payment of one coin of the set that this user bought.
fn pay(number: usize, page: &str) -> Payment {
    let coins = coins(&name(number), "news.example", 2 * number as u32);
    payment(&name(number), "news.example", page, &coins[..1])
}

async fn show(world: &World, id: &str, payments: &[Payment], now: UnixTime) -> Vec<UserId> {
    let answer = world.service.watch(watch("news.example", id, payments), now).await.unwrap();
    answer.granted().unwrap().result.blocked.users().to_vec()
}

fn users<const N: usize>(numbers: [usize; N]) -> [UserId; N] {
    numbers.map(|number| user(&name(number)))
}

async fn a_vendor_learns_whom_to_block(database: Database) {
    let world = sold(database).await;
    // Two of 19 users fail: that is the vendor's fault. Two of 20 are not.
    let mut payments: Vec<Payment> = (0..17).map(|number| pay(number, "a")).collect();
    payments.extend([20, 18].map(|number| with_junk(pay(number, "a"))));
    assert_eq!(show(&world, "w1", &payments, DURING).await, []);
    assert_eq!(show(&world, "w2", &[pay(17, "a")], DURING).await, users([18, 20]));
    // Those of the message come first, whoever they are, and the answer is the same again.
    for _ in 0..2 {
        let named = show(&world, "w3", &[pay(20, "b"), pay(3, "b")], DURING).await;
        assert_eq!(named, users([20, 18]));
    }
    // The hour is that of the request.
    assert_eq!(show(&world, "w4", &[pay(1, "c")], NEXT_HOUR).await, []);
    assert_eq!(show(&world, "w5", &[pay(1, "d")], DURING).await, users([18, 20]));
    // Nothing is recorded once the period is closed, and nobody is named.
    assert_eq!(show(&world, "w6", &[with_junk(pay(2, "e"))], CLOSED).await, []);
}

async fn a_batch_blocks_for_what_is_in_it(database: Database) {
    let world = sold(database).await;
    let mut payments: Vec<Payment> = (0..11).map(|number| pay(number, "a")).collect();
    payments.push(with_junk(pay(12, "a")));
    let redeem = async |id: &str, payments: &[Payment], now| {
        let sent = batch("news.example", id, payments);
        let answer = world.service.redeem(sent, now).await.unwrap();
        answer.granted().unwrap().result.blocked.users().to_vec()
    };
    for _ in 0..2 {
        assert_eq!(redeem("b1", &payments, DURING).await, users([12]));
    }
    assert_eq!(redeem("b2", &[pay(13, "a")], DURING).await, []);
    assert_eq!(redeem("b3", &payments, CLOSED).await, []);
}
