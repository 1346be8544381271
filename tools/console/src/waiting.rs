//! Tells the user that the program waits for a file, and who uses it.
//!
//! Input: the path of a file whose lock is not free. Output: a line on standard error.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use micromint::host::DiskDirectory;

/// The largest table of locks that is read, in bytes.
const LOCKS_SIZE_MAX: usize = 1024 * 1024;

/// A directory that tells the user if a lock on one of its files is not free within a second.
pub fn tell_waits(directory: DiskDirectory) -> DiskDirectory {
    directory.with_wait_notice(tell_wait)
}

fn tell_wait(path: &Path) {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    let user = holder(path).map(|holder| format!(" ({holder})")).unwrap_or_default();
    crate::tell!("{program}: waiting for {}, which another program uses{user}", path.display());
}

/// The process that holds a lock on this file, if the system says so: `process 123, mmwallet`.
fn holder(path: &Path) -> Option<String> {
    let locks = fs::read_to_string("/proc/locks").ok().filter(|it| it.len() <= LOCKS_SIZE_MAX)?;
    let process = holder_in(&locks, fs::metadata(path).ok()?.ino())?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let name: String = name.chars().filter(|c| (' '..='~').contains(c)).collect();
    Some(match name.as_str() {
        "" => format!("process {process}"),
        name => format!("process {process}, {name}"),
    })
}

/// The first process that holds a flock on this inode in the text of `/proc/locks`:
/// `1: FLOCK  ADVISORY  WRITE 123 fe:00:4711 0 EOF`.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = words.as_slice() else { return None };
        let found: u64 = file.rsplit(':').next()?.parse().ok()?;
        if found == inode { process.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:4711 0 EOF\n\
            2: FLOCK  ADVISORY  READ 12 fe:00:4710 0 EOF\n\
            3: -> FLOCK  ADVISORY  WRITE 13 fe:00:4711 0 EOF\n\
            4: FLOCK  ADVISORY  WRITE 14 fe:00:4711 0 EOF\nrubbish\n5: FLOCK\n";
        assert_eq!(holder_in(locks, 4711), Some(14));
        assert_eq!(holder_in(locks, 4712), None);
    }
}
