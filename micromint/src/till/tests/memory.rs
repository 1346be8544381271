//! Payments are recorded without blocking where what they need is in memory.

use super::*;

/// A payment is recorded without blocking where its pages are in memory: if the file system says
/// so, if it has no disk, or if this process has read them within the last seconds.
#[test]
fn try_spend_reads_pages_that_are_in_memory() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
    let mut coins = 0..;
    let mut next = || pay(&[coins.next().unwrap()]);
    id_of(next().spend(&till).unwrap());
    for (reads, asked) in [
        (Reads::Cached, true),
        (Reads::FromDisk, false),
        (Reads::Untold, false),
        (Reads::NoDisk, true),
    ] {
        clock.pass(KNOWN_SECONDS);
        directory.set_reads(reads);
        assert_eq!(next().try_spend(&till).is_some(), asked, "{reads:?}, unknown pages");
        if reads == Reads::FromDisk {
            // A new index has 9 pages. Payments that may wait read them.
            for _ in 0..200 {
                id_of(till.spend(&next().as_spend()).unwrap());
            }
        }
        if reads == Reads::Untold {
            // One payment reads them all.
            id_of(till.spend(&next().as_spend()).unwrap());
        }
        clock.pass(KNOWN_SECONDS - 1);
        let is_recorded = (0..50).filter(|_| next().try_spend(&till).is_some()).count();
        assert_eq!(is_recorded, 50, "{reads:?}, known pages");
    }
    directory.set_reads(Reads::FromDiskByCalls);
    assert_eq!(next().try_spend(&till), None, "the kernel is asked where that costs no more");
}

/// On real file systems, too: that of temporary files, and the tmpfs that Linux has at `/dev/shm`.
#[test]
fn try_spend_records_on_a_disk_and_on_tmpfs() {
    let temporary = std::env::temp_dir();
    for parent in [temporary.as_path(), std::path::Path::new("/dev/shm")] {
        let Ok(folder) = tempfile::tempdir_in(parent) else { continue };
        let directory = Box::new(crate::host::DiskDirectory::new(folder.path()));
        let till = Till::open(directory, SyncMode::Os, Arc::new(noon()), Arc::new(SystemEntropy));
        let till = till.unwrap();
        // The first payment creates files. Where the file system does not say what is in memory,
        // the second one reads the index.
        (0..2).for_each(|coin| assert!(pay(&[coin]).spend(&till).is_ok()));
        for coin in 2..200 {
            assert!(pay(&[coin]).try_spend(&till).is_some(), "{}: {coin}", parent.display());
        }
    }
}
