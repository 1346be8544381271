//! When payments reach the disk.

use super::*;

/// Threads that wait for the disk at the same time share syncs.
#[test]
fn waiting_threads_share_syncs() {
    let folder = tempfile::tempdir().unwrap();
    let directory = crate::host::DiskDirectory::new(folder.path());
    let till = Till::open(
        Box::new(directory),
        SyncMode::Always,
        Arc::new(noon()),
        Arc::new(SystemEntropy),
    )
    .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let till = &till;
            scope.spawn(move || {
                for i in 0..25 {
                    id_of(pay(&[thread * 100 + i]).spend(till).unwrap());
                }
            });
        }
    });
    let (sync, _) = till.locked(|store| Ok(store.newest_sync().unwrap())).unwrap();
    assert!(sync.count() < 200, "{} syncs for 200 payments", sync.count());
}

#[test]
fn in_interval_mode_a_thread_syncs_after_the_interval_and_on_drop() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Interval(1), &clock).unwrap();
    id_of(pay(&[1]).spend(&till).unwrap());
    let is_durable = || {
        let after = directory.after_crash(Survives::Synced);
        pay(&[1]).into_another(2).spend(&open(&after, &clock)).unwrap() == Spent::AlreadySpent
    };
    assert!((0..2000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        is_durable()
    }));
    let slow = open_with(&directory, SyncMode::Interval(3_600_000), &clock).unwrap();
    id_of(pay(&[2]).spend(&slow).unwrap());
    std::thread::sleep(std::time::Duration::from_millis(20));
    id_of(pay(&[3]).spend(&slow).unwrap());
    drop(slow);
    let after = directory.after_crash(Survives::Synced);
    assert_eq!(
        pay(&[3]).into_another(2).spend(&open(&after, &clock)).unwrap(),
        Spent::AlreadySpent
    );
}

#[test]
fn network_file_systems_are_errors() {
    struct Remote(SimulatedDirectory);
    impl Directory for Remote {
        fn path(&self) -> &std::path::Path {
            self.0.path()
        }
        fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn File>> {
            self.0.open(name, how)
        }
        fn names(&self) -> io::Result<Vec<String>> {
            self.0.names()
        }
        fn remove(&self, name: &str) -> io::Result<()> {
            self.0.remove(name)
        }
        fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            self.0.rename(from, to)
        }
        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
        fn is_on_network(&self) -> io::Result<bool> {
            Ok(true)
        }
    }
    let remote = Box::new(Remote(SimulatedDirectory::new()));
    let opened = Till::open(remote, SyncMode::Os, Arc::new(noon()), Arc::new(SystemEntropy));
    assert!(matches!(opened, Err(TillError::OnNetwork(_))));
}
