//! The disk of the till: its kind, whether it can be written, and how much room is left.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

use super::{Findings, Severity, Texts};
use crate::host::{Directory, DiskDirectory};
use crate::vendor::config::VendorConfig;

/// With less free space, in bytes, that is a warning: a million payments take about as much.
const SPACE_WARNING: u64 = 512 * 1024 * 1024;
/// With less free space, in bytes, that is an error: an index that grows needs as much.
const SPACE_ERROR: u64 = 32 * 1024 * 1024;
/// With fewer free inodes, that is a warning. The till needs some ten a month.
const INODES_WARNING: u64 = 1000;

/// What is known of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Disk {
    /// The free space in bytes, for users other than root.
    free: u64,
    /// The number of files that can still be created; `None` if the file system has no limit.
    free_inodes: Option<u64>,
    is_read_only: bool,
    is_on_network: bool,
}

impl Disk {
    fn of(path: &Path) -> Option<Disk> {
        let found = rustix::fs::statvfs(path).ok()?;
        Some(Disk {
            free: found.f_bavail.saturating_mul(found.f_frsize),
            free_inodes: (found.f_files > 0).then_some(found.f_favail),
            is_read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
            is_on_network: DiskDirectory::new(path).is_on_network().ok()?,
        })
    }

    fn findings(&self, place: &Path, findings: &mut Findings) {
        let mut add = |severity, kind, found: String, advice: &str| {
            let means = "payments cannot be recorded, and are answered with 503";
            findings.add(
                severity,
                kind,
                place,
                Texts { found, means: means.to_string(), advice: advice.to_string() },
            );
        };
        if self.is_on_network {
            let found = "is on a network file system, where locks are not reliable".to_string();
            add(Severity::Error, "till-on-network", found, "move the till to a local disk");
        }
        if self.is_read_only {
            let found = "is on a file system that is mounted read-only".to_string();
            let advice = "mount it for writing; a disk with faults becomes read-only by itself";
            return add(Severity::Error, "disk-read-only", found, advice);
        }
        let advice = "make room, or move the till to another disk while no server runs";
        if self.free < SPACE_WARNING {
            let is_full = self.free < SPACE_ERROR;
            let severity = if is_full { Severity::Error } else { Severity::Warning };
            let found = format!("{} MiB are free on its disk", self.free / (1024 * 1024));
            add(severity, "disk-full", found, advice);
        }
        if let Some(inodes) = self.free_inodes.filter(|inodes| *inodes < INODES_WARNING) {
            let severity = if inodes == 0 { Severity::Error } else { Severity::Warning };
            add(severity, "disk-full", format!("{inodes} inodes are free on its disk"), advice);
        }
    }
}

pub(super) fn inspect(config: &VendorConfig, findings: &mut Findings) {
    // The server creates a till that does not exist yet.
    let Some(existing) = existing(config.till()) else { return };
    if let Some(disk) = Disk::of(&existing) {
        disk.findings(config.till(), findings);
    }
}

/// The path, or the nearest folder above it that exists.
fn existing(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    absolute.ancestors().find(|path| fs::metadata(path).is_ok()).map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_cannot_take_payments_is_found() {
        let good = Disk {
            free: SPACE_WARNING,
            free_inodes: Some(INODES_WARNING),
            is_read_only: false,
            is_on_network: false,
        };
        let error = |kind| Some((Severity::Error, kind));
        let warning = Some((Severity::Warning, "disk-full"));
        for (disk, expected) in [
            (good, None),
            (Disk { free_inodes: None, ..good }, None),
            (Disk { free: SPACE_WARNING - 1, ..good }, warning),
            (Disk { free: SPACE_ERROR - 1, ..good }, error("disk-full")),
            (Disk { free_inodes: Some(INODES_WARNING - 1), ..good }, warning),
            (Disk { free_inodes: Some(0), ..good }, error("disk-full")),
            (Disk { is_read_only: true, free: 0, ..good }, error("disk-read-only")),
            (Disk { is_on_network: true, ..good }, error("till-on-network")),
        ] {
            let mut findings = Findings::default();
            disk.findings(Path::new("/till"), &mut findings);
            let found = findings.0.first().map(|finding| (finding.severity, finding.kind));
            assert_eq!((found, findings.0.len()), (expected, expected.iter().count()), "{disk:?}");
        }
    }

    #[test]
    fn the_disk_of_a_till_that_does_not_exist_yet_is_that_of_the_folder_above() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(&folder.path().join("a/b")), Some(folder.path().to_path_buf()));
        assert!(Disk::of(folder.path()).is_some());
    }
}
