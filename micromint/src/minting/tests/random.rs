//! Mints of random sizes.

use super::*;

/// All coins in the file at `directory` for a user and a vendor in the set that begins at `first`,
/// k inputs each.
fn coins_in(
    directory: &SimulatedDirectory,
    user: &UserVector,
    vendor: &VendorVector,
    first: u32,
) -> Vec<Vec<u64>> {
    let coin_file = CoinFile::open(directory, NAME).unwrap();
    let superbins: Vec<HashMap<u32, u64>> = user
        .set(first)
        .into_iter()
        .map(|superbin| {
            coin_file
                .superbin(superbin)
                .unwrap()
                .balls()
                .map(|(at, stored)| (at, stored.x))
                .collect()
        })
        .collect();
    let subbins = 0..coin_file.params().subbin_count();
    subbins
        .filter_map(|subbin| {
            let places = superbins.iter().zip(vendor.subbins(subbin));
            places.map(|(superbin, subbin)| superbin.get(&subbin).copied()).collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever the sizes, the key and the number of threads: the file is sound, and its coins are
    /// coins by hashing alone.
    #[test]
    fn what_is_minted_verifies(
        (u, v, k, t, more) in (5..8u32, 3..6u32, 2..6u32, 0..4u32, 0..3u32),
        hash in prop::sample::select(&[HashName::Des, HashName::Sha256][..]),
        iv in any::<u64>(),
        key in any::<[u8; 16]>(),
        threads in 1..4usize,
        first in 0..16u32,
    ) {
        let params = params_with(|raw| {
            resize(raw, u, v, k, t, hash);
            raw.input_bits = u + v + t + more;
            raw.iv = iv;
        });
        let directory = SimulatedDirectory::new();
        let key = InputKey::from_bytes(key);
        let bench = Bench { params: params.clone(), key, threads, ..Bench::new(&directory) };
        prop_assert!(matches!(bench.run().unwrap(), MintOutcome::Complete(_)));
        let report = bench.verify().unwrap();
        prop_assert_eq!(report.fault_count, 0, "{:?}", report.faults);
        let (alice, news) = ("alice".parse().unwrap(), "news.example".parse().unwrap());
        let user = UserVector::new(&params, &alice).unwrap();
        let vendor = VendorVector::new(&params, &news);
        let coins = coins_in(&directory, &user, &vendor, first * 2 % (1 << u));
        let first_bins = CoinRules::new(params).check(&user, &vendor, &coins.concat());
        prop_assert_eq!(first_bins.map(|bins| bins.len()), Ok(coins.len()));
    }
}
