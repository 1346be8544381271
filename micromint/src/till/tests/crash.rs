//! Crashes: what was acknowledged survives.

use super::*;

/// A crash at every step: what was acknowledged under `Always` survives, nothing is spent twice,
/// and the till opens.
#[test]
fn an_acknowledged_spend_survives_a_crash_at_any_step() {
    let total = {
        let directory = SimulatedDirectory::new();
        scenario(&directory, SyncMode::Always);
        directory.steps()
    };
    assert!(total > 60, "{total}");
    for steps in 0..=total {
        let directory = SimulatedDirectory::new();
        directory.crash_after(steps);
        let done = scenario(&directory, SyncMode::Always);
        let modes = [
            Survives::Written,
            Survives::Synced,
            Survives::Some(7),
            Survives::Some(steps as u64 + 99),
        ];
        for survives in modes {
            let after = directory.after_crash(survives);
            let clock = HandClock::at("2026-12-02T00:10:00Z");
            let till = open_with(&after, SyncMode::Always, &clock)
                .unwrap_or_else(|error| panic!("{steps} {survives:?}: {error}"));
            done.check(&till, &format!("{steps} {survives:?}"));
            // The recovered till is also consistent for the next process.
            done.check(&open(&after, &clock), &format!("{steps} {survives:?} again"));
        }
    }
}

/// A killed process in the other modes: everything written survives.
#[test]
fn an_acknowledged_spend_survives_a_killed_process_in_every_mode() {
    let total = {
        let directory = SimulatedDirectory::new();
        scenario(&directory, SyncMode::Os);
        directory.steps()
    };
    for steps in 0..=total {
        let directory = SimulatedDirectory::new();
        directory.crash_after(steps);
        let done = scenario(&directory, SyncMode::Os);
        let after = directory.after_crash(Survives::Written);
        let clock = HandClock::at("2026-12-02T00:10:00Z");
        done.check(&open_with(&after, SyncMode::Os, &clock).unwrap(), &format!("{steps}"));
        done.check(&open(&after, &clock), &format!("{steps} again"));
    }
}

#[derive(Default)]
struct Done {
    spent: Vec<u32>,
    freed: Vec<u32>,
}

impl Done {
    fn check(&self, till: &Till, case: &str) {
        for coin in &self.spent {
            let spent = pay(&[*coin]).into_another(2).spend(till).unwrap();
            assert_eq!(spent, Spent::AlreadySpent, "{case}: coin {coin}");
        }
        for coin in &self.freed {
            let found =
                till.find_retry(&pay(&[1]).period, pay(&[*coin]).bins[0], &[1; 32], 9999).unwrap();
            assert_eq!(found, None, "{case}: coin {coin}");
        }
    }
}

/// Spends, retries and reverses around midnight, and returns what was acknowledged.
fn scenario(directory: &SimulatedDirectory, sync: SyncMode) -> Done {
    let clock = HandClock::at("2026-12-01T23:59:00Z");
    let mut done = Done::default();
    let Ok(till) = open_with(directory, sync, &clock) else {
        return done;
    };
    for coin in 0..8 {
        clock.pass(15);
        let is_capped = coin % 3 == 0 && sync == SyncMode::Always;
        let payment = if is_capped { pay(&[coin]).capped(99) } else { pay(&[coin]) };
        let Ok(Spent::Recorded(id)) = payment.spend(&till) else {
            continue;
        };
        match coin % 4 {
            1 => match till.reverse(id) {
                Ok(Reversal::Reversed) => done.freed.push(coin),
                Ok(Reversal::Void) => panic!("void"),
                Err(_) => {}
            },
            2 => {
                if matches!(pay(&[coin]).spend(&till), Ok(Spent::Retry { .. })) {
                    assert!(!matches!(till.reverse(id), Ok(Reversal::Reversed)));
                }
                done.spent.push(coin);
            }
            _ => done.spent.push(coin),
        }
    }
    done
}
