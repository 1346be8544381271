//! What a mint refuses: other parameters, other keys, a file in use.

use super::*;

#[test]
fn other_parameters_and_other_keys_are_refused() {
    let directory = minted(&test_params());
    let message = |bench: Bench<'_>| bench.run().unwrap_err().to_string();
    let params = params_with(|raw| raw.iv = 1);
    let other_iv = message(Bench { params, ..Bench::new(&directory) });
    let expected = "was begun with iv 0123456789abcdef, not 0000000000000001";
    assert!(other_iv.ends_with(expected), "{other_iv}");
    let key = InputKey::from_bytes([1; 16]);
    assert!(
        message(Bench { key, ..Bench::new(&directory) }).ends_with("another input-key or walk")
    );
    for threads in [0, THREADS_MAX + 1] {
        assert!(
            message(Bench { threads, ..Bench::new(&directory) }).starts_with("threads: expected")
        );
    }
}

#[test]
fn two_mints_do_not_run_on_one_file() {
    let directory = SimulatedDirectory::new();
    Bench { stop_at: 1, ..Bench::new(&directory) }.run().unwrap();
    let file = directory.open(NAME, Open::Write).unwrap();
    file.lock(Lock::Shared).unwrap();
    assert!(matches!(Bench::new(&directory).run(), Err(MintError::Busy { .. })));
    drop(file);
    assert!(Bench::new(&directory).run().is_ok());

    // The same while another process makes the file.
    let directory = SimulatedDirectory::new();
    let file = directory.open(".2026-12.coins.new", Open::Create).unwrap();
    file.lock(Lock::Exclusive).unwrap();
    assert!(matches!(Bench::new(&directory).run(), Err(MintError::Busy { .. })));
}
