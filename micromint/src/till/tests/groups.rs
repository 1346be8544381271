//! Groups of payments that are recorded together.

use super::*;
use crate::journal::HEADER_SIZE;

const JOURNAL: &str = "till-2026-12-01.journal";

/// A till that has recorded coin 1000, so that groups can be recorded without waiting.
fn opened() -> (SimulatedDirectory, HandClock, Till) {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
    id_of(pay(&[1000]).spend(&till).unwrap());
    (directory, clock, till)
}

/// Which of the payments were recorded as a group.
fn recorded(till: &Till, group: &[Pay]) -> Vec<bool> {
    let spends: Vec<Spend<'_>> = group.iter().map(Pay::as_spend).collect();
    let spent = till.try_spend_group(&spends);
    assert_eq!(spent.len(), group.len());
    spent.iter().map(|spent| spent.map(id_of).is_some()).collect()
}

fn is_spent(till: &Till, coin: u32) -> bool {
    pay(&[coin]).into_another(99).would(till).unwrap() == Some(Spent::AlreadySpent)
}

#[test]
fn each_payment_of_a_group_gets_its_own_answer() {
    let (directory, clock, till) = opened();
    let mut large = pay(&[9]);
    large.message = vec![b'x'; PAYMENT_SIZE_MAX + 1];
    let group = [
        pay(&[1, 2]),
        pay(&[1000]),
        pay(&[3, 1000]).into_another(2),
        pay(&[3]).into_another(3),
        pay(&[4, 2]).into_another(4),
        pay(&[1, 2]),
        pay(&[4]).of("2027-01"),
        pay(&[4]).capped(9),
        large,
        pay(&[]),
        pay(&[7, 8, 7]),
        pay(&[4, 5, 6]).into_another(5),
    ];
    let answers = recorded(&till, &group);
    let expected =
        [true, false, false, true, false, false, false, false, false, false, false, true];
    assert_eq!(answers, expected);
    assert_eq!((till.totals().payments, till.totals().coins), (1 + 3, 1 + 6));
    // Every process sees the coins, now and after a restart.
    let others = [open(&directory, &clock), till];
    for till in &others {
        assert!((1..=6).all(|coin| is_spent(till, coin)) && is_spent(till, 1000));
        assert!([7, 8, 9].iter().all(|coin| !is_spent(till, *coin)));
    }
    // The positions are those of the records: each can be retried and reversed.
    assert!(matches!(pay(&[1, 2]).spend(&others[0]).unwrap(), Spent::Retry { .. }));
    let group = [pay(&[20]), pay(&[21]), pay(&[22])];
    let spends = group.each_ref().map(Pay::as_spend);
    let steps = directory.steps();
    let ids: Vec<_> =
        others[1].try_spend_group(&spends).into_iter().map(|spent| id_of(spent.unwrap())).collect();
    let buckets = directory.steps() - steps - 2;
    assert!((1..=3).contains(&buckets), "one append, one mark, and the buckets: {buckets}");
    assert_eq!(others[0].reverse(ids[1]).unwrap(), Reversal::Reversed);
    assert_eq!([20, 21, 22].map(|coin| is_spent(&others[0], coin)), [true, false, true]);
}

#[test]
fn a_group_records_nothing_where_one_payment_would_wait() {
    let (directory, clock, till) = opened();
    let group = || [pay(&[1]), pay(&[2]).into_another(2)];
    assert_eq!(till.try_spend_group(&[]), []);
    let always = open(&directory, &clock);
    assert_eq!(recorded(&always, &group()), [false; 2], "SyncMode::Always");
    {
        let lock = directory.open(LOCK_NAME, Open::Write).unwrap();
        let _held = ExclusiveLock::new(lock.as_ref()).unwrap();
        assert_eq!(recorded(&till, &group()), [false; 2], "the lock is held");
    }
    clock.pass(86_400);
    assert_eq!(recorded(&till, &group()), [false; 2], "a new day");
    assert!(!is_spent(&till, 1) && !is_spent(&till, 2));
    id_of(pay(&[3]).spend(&till).unwrap());
    assert_eq!(recorded(&till, &group()), [true; 2]);
}

#[test]
fn groups_have_a_largest_number_and_size() {
    let (_, _, till) = opened();
    for count in [GROUP_MAX, GROUP_MAX + 1, 2 * GROUP_MAX + 1] {
        let first = count as u32 * 10_000;
        let group: Vec<Pay> = (first..first + count as u32).map(|coin| pay(&[coin])).collect();
        // A larger group is recorded in parts.
        assert_eq!(recorded(&till, &group), vec![true; count]);
    }
    let part = GROUP_SIZE_MAX.div_ceil(PAYMENT_SIZE_MAX);
    let group: Vec<Pay> = (0..part as u32 + 1)
        .map(|coin| Pay { message: vec![b'x'; PAYMENT_SIZE_MAX], ..pay(&[coin]) })
        .collect();
    let mut expected = vec![true; part];
    expected.push(false);
    assert_eq!(recorded(&till, &group), expected);
    assert!((0..=part as u32).all(|coin| is_spent(&till, coin) == (coin < part as u32)));
}

/// An index that has no room for one payment has room for others, and nothing of the first stays
/// in it.
#[test]
fn a_payment_without_room_leaves_nothing_in_the_index() {
    let (directory, clock, till) = opened();
    let mut without_room = 0;
    for number in 0..400 {
        let coins = |payment: u32| -> Vec<u32> {
            (0..4).map(|coin| 2000 + number * 16 + payment * 4 + coin).collect()
        };
        let group = [0, 1, 2, 3].map(|payment| pay(&coins(payment)));
        for (payment, is_recorded) in recorded(&till, &group).into_iter().enumerate() {
            for coin in coins(payment as u32) {
                assert_eq!(is_spent(&till, coin), is_recorded, "{number} {payment}");
            }
            if !is_recorded {
                without_room += 1;
                // The index grows.
                id_of(till.spend(&group[payment].as_spend()).unwrap());
            }
        }
    }
    assert!((1..100).contains(&without_room), "{without_room}");
    drop(till);
    let till = open(&directory, &clock);
    assert!((2000..2000 + 6400).all(|coin| is_spent(&till, coin)));
}

/// A group that ends with an error leaves no record to be appended with the next payment.
#[test]
fn a_group_with_a_damaged_bucket_records_nothing() {
    let mut failed = 0;
    for bucket in 0..67 {
        let (directory, clock, till) = opened();
        let index = directory.open("spent-2026-12.index", Open::Write).unwrap();
        index.write_at(&[0xff; 9], 512 + bucket * 512 + 40).unwrap();
        let group: Vec<Pay> = (0..8).map(|coin| pay(&[coin])).collect();
        let answers = recorded(&till, &group);
        let is_recorded = answers[0];
        assert_eq!(answers, [is_recorded; 8], "bucket {bucket}");
        failed += u32::from(!is_recorded);
        id_of(till.spend(&pay(&[500]).as_spend()).unwrap());
        let whole = directory.bytes(JOURNAL).unwrap();
        let records = if is_recorded { 10 } else { 2 };
        // Of one coin each: the record's head, and the payload with its head, "2026-12", "alice", a
        // first bin and "payment".
        let size = 8 + 56 + 7 + 5 + 6 + 7;
        assert_eq!(whole.len(), HEADER_SIZE as usize + records * size, "bucket {bucket}");
        for till in [till, open(&directory, &clock)] {
            assert!((0..8).all(|coin| is_spent(&till, coin) == is_recorded), "bucket {bucket}");
        }
    }
    assert!((1..67).contains(&failed), "{failed}");
}

/// A group that was cut off anywhere leaves whole payments, the first ones.
#[test]
fn a_group_cut_at_any_byte_leaves_the_first_payments() {
    let (directory, clock, till) = opened();
    let before: Vec<(String, Vec<u8>)> = directory
        .names()
        .unwrap()
        .into_iter()
        .map(|name| (name.clone(), directory.bytes(&name).unwrap()))
        .collect();
    let group: Vec<Pay> = (0..5).map(|coin| pay(&[coin]).into_another(coin as u8)).collect();
    assert_eq!(recorded(&till, &group), [true; 5]);
    let whole = directory.bytes(JOURNAL).unwrap();
    let begin = before.iter().find(|(name, _)| name == JOURNAL).unwrap().1.len();
    let size = (whole.len() - begin) / 5;
    for cut in (begin..=whole.len()).step_by(3) {
        let after = SimulatedDirectory::new();
        before.iter().for_each(|(name, bytes)| after.put(name, bytes));
        let running = open(&after, &clock);
        let journal = after.open(JOURNAL, Open::Write).unwrap();
        journal.write_at(&whole[begin..cut], begin as u64).unwrap();
        let expected = (cut - begin) / size;
        for till in [running, open(&after, &clock)] {
            let spent: Vec<u32> = (0..5).filter(|coin| is_spent(&till, *coin)).collect();
            assert_eq!(spent, (0..expected as u32).collect::<Vec<_>>(), "cut at {cut}");
        }
        assert_eq!(after.bytes(JOURNAL).unwrap().len(), begin + expected * size);
    }
    assert!(begin > HEADER_SIZE as usize);
}

/// A crash at every step of groups: what was acknowledged is spent, once; what was not is unspent
/// or a retry, and of each group the first payments are recorded.
#[test]
fn acknowledged_groups_survive_a_killed_process_at_any_step() {
    const GROUPS: u32 = 4;
    const SIZE: u32 = 6;
    let coins = |group: u32| group * SIZE..(group + 1) * SIZE;
    let scenario = |directory: &SimulatedDirectory| {
        let mut done = Vec::new();
        let Ok(till) = open_with(directory, SyncMode::Os, &noon()) else { return done };
        let _ = pay(&[1000]).spend(&till);
        for group in 0..GROUPS {
            let group: Vec<Pay> = coins(group).map(|coin| pay(&[coin])).collect();
            let spends: Vec<Spend<'_>> = group.iter().map(Pay::as_spend).collect();
            for (payment, spent) in group.iter().zip(till.try_spend_group(&spends)) {
                if spent.is_some() || till.spend(&payment.as_spend()).is_ok() {
                    done.push(payment.bins[0].superbin / 2);
                }
            }
        }
        done
    };
    let total = {
        let directory = SimulatedDirectory::new();
        assert_eq!(scenario(&directory).len(), (GROUPS * SIZE) as usize);
        directory.steps()
    };
    for steps in 0..=total {
        let directory = SimulatedDirectory::new();
        directory.crash_after(steps);
        let done = scenario(&directory);
        let after = directory.after_crash(Survives::Written);
        let till = open_with(&after, SyncMode::Os, &noon()).unwrap();
        for coin in &done {
            assert!(is_spent(&till, *coin), "{steps}: coin {coin}");
        }
        for group in 0..GROUPS {
            let spent: Vec<bool> = coins(group).map(|coin| is_spent(&till, coin)).collect();
            assert!(spent.is_sorted_by(|a, b| a >= b), "{steps}: {spent:?}");
        }
        for coin in 0..GROUPS * SIZE {
            let again = pay(&[coin]).spend(&till).unwrap();
            let is_retry = matches!(again, Spent::Retry { .. });
            assert!(is_retry || matches!(again, Spent::Recorded(_)), "{steps}: {again:?}");
            assert!(is_retry || !done.contains(&coin), "{steps}: coin {coin}");
        }
    }
}

/// A write of a group fails, and the till continues: each payment is recorded once.
#[test]
fn a_failed_write_of_a_group_leaves_nothing_or_retries() {
    for steps in 0..8 {
        let (directory, clock, till) = opened();
        directory.crash_after(steps);
        let group = [pay(&[1]), pay(&[2]).into_another(2), pay(&[3]).into_another(3)];
        let answers = recorded(&till, &group);
        assert_eq!(answers, [!directory.has_crashed(); 3], "{steps}");
        directory.go_on();
        for payment in &group {
            let again = payment.spend(&till).unwrap();
            assert!(matches!(again, Spent::Recorded(_) | Spent::Retry { .. }), "{again:?}");
        }
        for till in [till, open(&directory, &clock)] {
            assert!([1, 2, 3, 1000].iter().all(|coin| is_spent(&till, *coin)), "{steps}");
        }
    }
}

/// Processes that record groups with the same coins in different orders: each coin is spent once.
#[test]
fn of_racing_groups_one_spends_each_coin() {
    let (directory, clock, till) = opened();
    let tills = [till, open_with(&directory, SyncMode::Os, &clock).unwrap()];
    for round in 0..20 {
        let counts: Vec<AtomicU64> = (0..8).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for number in 0..4_u8 {
                let (till, counts) = (&tills[usize::from(number) % 2], &counts);
                scope.spawn(move || {
                    let mut order: Vec<u32> = (0..8).collect();
                    order.rotate_left(usize::from(number) * 2);
                    let group: Vec<Pay> = order
                        .iter()
                        .map(|coin| pay(&[round * 8 + coin]).into_another(number))
                        .collect();
                    let spends: Vec<Spend<'_>> = group.iter().map(Pay::as_spend).collect();
                    let spent = till.try_spend_group(&spends);
                    for ((coin, spend), spent) in order.iter().zip(&spends).zip(spent) {
                        let spent = spent.unwrap_or_else(|| till.spend(spend).unwrap());
                        let is_recorded = matches!(spent, Spent::Recorded(_));
                        assert!(is_recorded || spent == Spent::AlreadySpent, "{spent:?}");
                        counts[*coin as usize].fetch_add(is_recorded.into(), Ordering::Relaxed);
                    }
                });
            }
        });
        let counts: Vec<u64> = counts.into_iter().map(AtomicU64::into_inner).collect();
        assert_eq!(counts, [1; 8], "round {round}");
    }
}
