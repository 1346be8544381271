//! Several processes at a time, killed at random moments: nothing is sold or paid twice, and no
//! sale or payment that was confirmed is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use micromint::protocol::{FundsWithdrawn, RedemptionResult, Verdict};

use super::Place;

/// How many processes run at a time.
const AT_A_TIME: usize = 3;

/// Kills one process of a group after a delay and waits for all. The caller lengthens the delay for
/// each group, so that the kills hit every step of a process.
fn kill_one(mut group: Vec<Child>, victim: usize, after: Duration) -> Vec<bool> {
    std::thread::sleep(after);
    let victim = victim % group.len();
    group[victim].kill().unwrap();
    group.iter_mut().map(|child| child.wait().unwrap().success()).collect()
}

/// How long a process with this command line takes on this machine now.
fn duration_of(place: &Place, line: &str) -> Duration {
    let begin = Instant::now();
    place.run(line, 0);
    begin.elapsed()
}

#[test]
fn killed_sales_are_neither_lost_nor_made_twice() {
    let place = Place::new();
    (0..4).for_each(|user| place.deposit(&format!("user{user}")));
    let one = duration_of(&place, "mmbroker withdraw --user user0 --sets 1 --transaction 1000");
    let line =
        |t: usize| format!("mmbroker withdraw --user user{} --sets 1 --transaction {t}", t % 4);
    let (mut killed, mut answered) = (0, BTreeMap::new());
    for round in 0..10usize {
        let sales: Vec<usize> = (0..AT_A_TIME).map(|i| round * AT_A_TIME + i).collect();
        let spawn = |t: &usize| {
            let file = std::fs::File::create(place.path(&format!("out{t}"))).unwrap();
            place.program(&line(*t)).stdout(file).stderr(Stdio::null()).spawn().unwrap()
        };
        let ended = kill_one(sales.iter().map(spawn).collect(), round, one * round as u32 / 6);
        for (t, is_answered) in sales.into_iter().zip(ended) {
            if is_answered {
                answered.insert(t, std::fs::read(place.path(&format!("out{t}"))).unwrap());
            } else {
                killed += 1;
            }
        }
    }
    assert!(killed > 0 && answered.len() > 10, "{killed} killed, {} answered", answered.len());
    // All users ask again: a user who had an answer gets the same one, and no set belongs to two
    // users.
    let mut firsts = BTreeSet::new();
    let mut balls = 0;
    for t in (0..10 * AT_A_TIME).chain([1000]) {
        let text = place.run(&line(t), 0).stdout;
        if let Some(before) = answered.get(&t) {
            assert!(before == &text, "sale {t} changed");
        }
        let funds = FundsWithdrawn::parse(&text).unwrap();
        balls += funds.sets[0].superbins[0].len();
        firsts.extend(funds.sets[0].superbins[0].iter().copied());
    }
    assert_eq!(firsts.len(), balls, "a ball was sold twice");
    assert!(place.text("mmbroker status").starts_with("period 2026-12: 31 of 32 sets sold\n"));
}

#[test]
fn killed_redemptions_are_neither_lost_nor_paid_twice() {
    let place = Place::new();
    let key = place.vendor("news.example");
    let funds = place.buy("alice", 4);
    let coins = place.coins(&funds, "news.example");
    // Batch i claims coins i to i + 2, so that neighbours compete for every coin.
    let batches = 24;
    for i in 0..batches {
        let payment = place.payment(&funds, "news.example", &format!("p{i}"), &coins[i..i + 3]);
        place.batch(&format!("b{i}"), &key, "news.example", &format!("b{i}"), &[payment]);
    }
    let one = duration_of(&place, "mmredeem b0");
    let (mut killed, mut answered) = (0, BTreeMap::new());
    for round in 0..batches / AT_A_TIME {
        let names: Vec<usize> = (0..AT_A_TIME).map(|i| round * AT_A_TIME + i).collect();
        let spawn = |i: &usize| {
            let mut program = place.program(&format!("mmredeem b{i}"));
            program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let ended = kill_one(names.iter().map(spawn).collect(), round, one * round as u32 / 5);
        for (i, is_answered) in names.into_iter().zip(ended) {
            let result = std::fs::read(place.path(&format!("b{i}.result")));
            // A result file is complete, even if its program was killed.
            answered.extend(result.map(|text| (i, RedemptionResult::parse(&text).unwrap())));
            killed += usize::from(!is_answered);
        }
    }
    assert!(killed > 0 && answered.len() > 8, "{killed} killed, {} answered", answered.len());
    let mut paid: BTreeMap<u64, usize> = BTreeMap::new();
    for i in 0..batches {
        place.run(&format!("mmredeem b{i}"), 0);
        let result =
            RedemptionResult::parse(&std::fs::read(place.path(&format!("b{i}.result"))).unwrap())
                .unwrap();
        if let Some(before) = answered.get(&i) {
            assert_eq!(before, &result, "batch {i} changed");
        }
        for (coin, verdict) in coins[i..i + 3].iter().zip(&result.verdicts) {
            assert!(matches!(verdict, Verdict::Accepted | Verdict::AlreadyPaid), "{verdict:?}");
            *paid.entry(coin[0]).or_default() += usize::from(*verdict == Verdict::Accepted);
        }
    }
    assert_eq!(paid.len(), batches + 2);
    assert!(paid.values().all(|times| *times == 1), "{paid:?}");
    assert!(place.text("mmbroker status").contains(&format!("redeemed   {} coins", batches + 2)));
}
