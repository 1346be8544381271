//! Runs the fuzz targets over their seeds and mutated copies, without a fuzzer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../fuzz/src/targets.rs"]
#[allow(unreachable_pub)]
mod targets;

use std::path::Path;

/// The number of copies of each seed, each changed at one place.
const CHANGES_PER_SEED: usize = 60;

#[test]
fn no_target_panics_at_its_seeds_or_changed_ones() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    for (name, target) in targets::ALL {
        let mut seen = 0;
        for seed in std::fs::read_dir(seeds.join(name)).unwrap() {
            let seed = std::fs::read(seed.unwrap().path()).unwrap();
            target(&seed);
            for i in 0..CHANGES_PER_SEED {
                let mut changed = seed.clone();
                let at = i * changed.len() / CHANGES_PER_SEED;
                match i % 3 {
                    0 => changed[at] ^= 1 << (i % 8),
                    1 => changed.truncate(at),
                    _ => drop(changed.splice(at..at, [0, 255, 10])),
                }
                target(&changed);
            }
            seen += 1;
        }
        assert!(seen > 0, "{name} has no seeds");
    }
}
