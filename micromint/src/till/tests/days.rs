//! The change of the day, and clocks at the extremes of time.

use super::*;

#[test]
fn the_day_changes_at_midnight_and_never_goes_back() {
    let (directory, clock) = (SimulatedDirectory::new(), HandClock::at("2026-12-01T23:59:59Z"));
    let [one, two] = [(); 2].map(|()| open(&directory, &clock));
    let id = id_of(pay(&[1]).spend(&one).unwrap());
    clock.pass(1);
    id_of(pay(&[2]).spend(&two).unwrap());
    // The payment of yesterday can still be found, retried and reversed.
    assert_eq!(pay(&[1]).into_another(2).spend(&two).unwrap(), Spent::AlreadySpent);
    assert_eq!(one.reverse(id).unwrap(), Reversal::Reversed);
    id_of(pay(&[1]).into_another(2).spend(&two).unwrap());
    assert!(matches!(pay(&[1]).into_another(2).spend(&one).unwrap(), Spent::Retry { .. }));
    // The clock is set back by a day: records still go to the newest journal.
    let before = directory.bytes("till-2026-12-01.journal").unwrap();
    clock.pass(-86_400);
    id_of(pay(&[3]).spend(&one).unwrap());
    id_of(pay(&[4]).spend(&open(&directory, &clock)).unwrap());
    assert_eq!(directory.bytes("till-2026-12-01.journal").unwrap(), before);
    assert_eq!(
        directory.names().unwrap().iter().filter(|name| name.ends_with(".journal")).count(),
        2
    );
    assert_eq!(
        pay(&[1]).into_another(3).spend(&open(&directory, &clock)).unwrap(),
        Spent::AlreadySpent
    );
}

/// A clock at the extremes of time causes no panic, and the day still has a name.
#[test]
fn extreme_times_are_clamped_to_days_with_names() {
    for seconds in [i64::MIN, -1, 0, i64::MAX] {
        let (directory, clock) = (SimulatedDirectory::new(), noon());
        clock.set(seconds);
        let till = open(&directory, &clock);
        let id = id_of(pay(&[1]).spend(&till).unwrap());
        assert!(matches!(pay(&[1]).spend(&till).unwrap(), Spent::Retry { .. }), "{seconds}");
        assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
        assert_eq!(
            pay(&[1]).into_another(2).spend(&open(&directory, &clock)).unwrap(),
            Spent::AlreadySpent
        );
    }
}
