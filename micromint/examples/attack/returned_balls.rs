//! Returns as an oracle: balls of one's own, of strangers, forged and genuine.

use std::collections::HashMap;

use micromint::bin::Bin;
use micromint::protocol::Verdict;

use super::report::Report;
use super::world::{Mint, World, count};

/// The balls of each kind.
const BALLS: usize = 4;
/// The inputs that a search hashes together.
const SEARCH_STEP: u64 = 4096;

/// Every ball that is not of the user gets one verdict, whether it is genuine or not, and forged
/// balls of the user raise an alarm.
pub(crate) fn oracle(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let tenth = world.tenth().max(2);
    let thief = world.member("thief", tenth);
    let alice = world.honest_buyer("alice", 2);

    // Some input that falls into a bin of a superbin that was sold, or will be.
    let unsold = alice.firsts[alice.firsts.len() - 1] + 2;
    let mut own = HashMap::new();
    let mut others = HashMap::new();
    while own.len() < BALLS || others.len() < BALLS {
        for (bin, x) in search(&mut world, &mut report) {
            if thief.firsts.contains(&bin.superbin) && own.len() < BALLS {
                own.insert(bin, x);
            }
            let is_other = alice.firsts.contains(&bin.superbin) || bin.superbin >= unsold;
            if is_other && bin.superbin.is_multiple_of(2) && others.len() < BALLS {
                others.insert(bin, x);
            }
        }
    }
    let is_first = |bin: &&Bin| thief.firsts.contains(&bin.superbin) && !own.contains_key(bin);
    let genuine: Vec<u64> =
        thief.balls.keys().filter(is_first).take(BALLS).map(|bin| thief.balls[bin]).collect();
    // A gift: real balls of alice, and of sets that nobody bought.
    let bins = [alice.firsts[0], unsold]
        .into_iter()
        .flat_map(|superbin| (0..BALLS as u32).map(move |subbin| Bin { superbin, subbin }));
    let strangers: Vec<u64> = bins.filter_map(|bin| world.stored(bin)).collect();

    world.clock.set(world.params().raw().expiration);
    let forged: Vec<u64> = own.values().copied().collect();
    let others: Vec<u64> = others.values().copied().collect();
    let mut kinds = Vec::new();
    for (x, expected) in [
        (&genuine, Verdict::Waiting),
        (&forged, Verdict::Forged),
        (&strangers, Verdict::NotFromOwner),
        (&others, Verdict::NotFromOwner),
    ] {
        let verdicts = world.give_back(&thief, x, false);
        report.expect(count(&verdicts, expected) == x.len() as u64, || {
            format!("expected {expected:?} only, found {verdicts:?}")
        });
        kinds.push(x.len());
    }
    let alarms = world.broker.alarms();
    let alarm = alarms.users.iter().find(|alarm| alarm.user == thief.user);
    report.expect(alarm.is_some_and(|alarm| alarm.coins.forged == forged.len() as u64), || {
        format!("no alarm about forged balls: {alarms:?}")
    });

    // Alice returns what she bought, all of which is due to her.
    let firsts = |bin: &&Bin| alice.firsts.contains(&bin.superbin);
    let hers: Vec<u64> = alice.balls.keys().filter(firsts).map(|bin| alice.balls[bin]).collect();
    world.give_back(&alice, &hers, true);
    report.tried = format!(
        "a return of {} own, {} forged own, {} real and {} forged balls of others: one verdict on \
         all of others, alarm on the forged",
        kinds[0], kinds[1], kinds[2], kinds[3]
    );
    world.close(&mut report);
    report
}

/// Balls among random inputs.
pub(super) fn search(world: &mut World, report: &mut Report) -> Vec<(Bin, u64)> {
    let end = world.params().input_end();
    let x: Vec<u64> = (0..SEARCH_STEP).map(|_| world.random.number() % end).collect();
    let mut outputs = vec![0; x.len()];
    world.params().hash_function().hash_many(&x, &mut outputs);
    report.cost += SEARCH_STEP;
    let params = world.params();
    x.iter().zip(&outputs).filter_map(|(x, y)| Some((params.bin_of(*y)?, *x))).collect()
}
