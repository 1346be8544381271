//! Several processes and threads that spend from one till.

use super::*;

#[test]
fn other_and_restarted_processes_see_what_was_spent() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let [one, two] = [(); 2].map(|()| open(&directory, &clock));
    for i in 0..50 {
        let (first, second) = if i % 3 == 0 { (&one, &two) } else { (&two, &one) };
        id_of(pay(&[i]).spend(first).unwrap());
        assert_eq!(pay(&[i]).into_another(2).spend(second).unwrap(), Spent::AlreadySpent, "{i}");
    }
    drop((one, two));
    let again = open(&directory, &clock);
    for i in 0..50 {
        assert_eq!(pay(&[i]).into_another(2).spend(&again).unwrap(), Spent::AlreadySpent, "{i}");
    }
}

#[test]
fn coins_stay_spent_while_indexes_grow() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let [one, two] = [(); 2].map(|()| open_with(&directory, SyncMode::Os, &clock).unwrap());
    for i in 0..3000 {
        let till = if i % 2 == 0 { &one } else { &two };
        id_of(pay(&[i]).of(["2026-12", "2027-01"][i as usize % 2]).spend(till).unwrap());
        id_of(pay(&[i]).of("x").spend(till).unwrap());
    }
    for i in 0..3000 {
        let till = if i % 2 == 0 { &two } else { &one };
        let spent = pay(&[i]).of("x").into_another(2).spend(till).unwrap();
        assert_eq!(spent, Spent::AlreadySpent, "{i}");
    }
}

#[test]
fn of_racing_threads_one_spends_the_coin() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let tills = [(); 2].map(|()| open(&directory, &clock));
    for coin in 0..40 {
        let recorded = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for number in 0..6 {
                let (till, recorded) = (&tills[number % 2], &recorded);
                scope.spawn(move || {
                    let spent = pay(&[coin]).into_another(number as u8).spend(till).unwrap();
                    let is_recorded = matches!(spent, Spent::Recorded(_));
                    assert!(is_recorded || spent == Spent::AlreadySpent);
                    recorded.fetch_add(u64::from(is_recorded), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(recorded.into_inner(), 1, "coin {coin}");
    }
}
