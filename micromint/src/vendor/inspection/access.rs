//! Whether the server's workers can use the files, and whether others can.
//!
//! Input: modes and owners of files and of the folders above them. Output: findings. The workers
//! need no rights to be examined for: modes are evaluated as the kernel does it, for the owner,
//! the group or others. Access control lists are not seen.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Findings, Inspection, Severity, Texts, shown};
use crate::host::DiskDirectory;
use crate::key_file::{KeyFileError, read_key};
use crate::vendor::config::VendorConfig;
use crate::vendor::lists::LIST_ENDINGS;

/// The bits of one class of a mode.
const READ: u32 = 4;
const WRITE: u32 = 2;
const ENTER: u32 = 1;
/// The user ID of root, who may do everything.
const ROOT: u32 = 0;

/// The user as whom the server's workers run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workers {
    /// The user's name.
    pub name: String,
    /// The user ID.
    pub uid: u32,
    /// The IDs of all groups of the user.
    pub gids: Vec<u32>,
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Openness {
    /// Everybody.
    Public,
    /// Its owner alone.
    Secret,
}

/// What keeps the workers from using a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The file itself, or a folder above it.
    pub(super) path: PathBuf,
    /// The mode of it.
    mode: u32,
    /// The missing bits.
    missing: u32,
}

impl Workers {
    /// Whether this user may do what `bits` says with such a file.
    fn may(&self, metadata: &Metadata, bits: u32) -> bool {
        let mode = metadata.mode();
        let class = if metadata.uid() == self.uid {
            mode >> 6
        } else if self.gids.contains(&metadata.gid()) {
            mode >> 3
        } else {
            mode
        };
        self.uid == ROOT || class & bits == bits
    }

    /// What keeps this user from using the file at `path` as `bits` says: a folder above it that is
    /// closed to the user, or its own mode.
    ///
    /// # Errors
    /// The file does not exist, or the caller may not examine it.
    pub(super) fn obstacle(&self, path: &Path, bits: u32) -> io::Result<Option<Obstacle>> {
        let absolute = std::path::absolute(path)?;
        let real = fs::canonicalize(&absolute)?;
        // A symbolic link is followed from the folder that it is in.
        let above: BTreeSet<&Path> =
            absolute.ancestors().skip(1).chain(real.ancestors().skip(1)).collect();
        let parts = above.into_iter().map(|folder| (folder, ENTER));
        for (path, bits) in parts.chain([(real.as_path(), bits)]) {
            let metadata = fs::metadata(path)?;
            if !self.may(&metadata, bits) {
                let mode = metadata.mode() & 0o7777;
                return Ok(Some(Obstacle { path: path.to_path_buf(), mode, missing: bits }));
            }
        }
        Ok(None)
    }

    /// Whether this user can use the file at `path`; adds a finding if not. A file that does not
    /// exist is no finding.
    pub(super) fn need(
        &self,
        path: &Path,
        bits: u32,
        means: &str,
        findings: &mut Findings,
    ) -> bool {
        match self.obstacle(path, bits) {
            Ok(None) => return true,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => not_examined(path, &error, findings),
            Ok(Some(obstacle)) => {
                let texts = self.closed(path, &obstacle, means, Openness::Public);
                findings.add(Severity::Error, "closed-to-workers", path, texts);
            }
        }
        false
    }

    /// What keeps this user from reading the secret at `path`.
    fn secret_closed(&self, path: &Path, means: &str) -> Option<Texts> {
        let obstacle = self.obstacle(path, READ).ok().flatten()?;
        Some(self.closed(path, &obstacle, means, Openness::Secret))
    }

    fn closed(&self, path: &Path, obstacle: &Obstacle, means: &str, openness: Openness) -> Texts {
        let Obstacle { path: closed, mode, missing } = obstacle;
        let (name, shown) = (&self.name, shown(closed));
        let own = || format!("chown {name} {shown}");
        // What is next to a secret stays closed to others, as the secret itself does.
        let is_secret = openness == Openness::Secret
            && (closed == path || path.parent() == Some(closed.as_path()));
        let (found, advice) = if *missing == ENTER && closed != path {
            let found = format!(
                "{name} cannot enter {shown}, which has mode {mode:04o}; it was perhaps created \
                 under a strict umask"
            );
            (found, if is_secret { own() } else { format!("chmod o+x {shown}") })
        } else {
            let (verb, right) = if missing & WRITE != 0 {
                ("write", own())
            } else if is_secret {
                ("read", own())
            } else {
                ("read", format!("chmod o+r {shown}, or make {name} its owner"))
            };
            (format!("{name} cannot {verb} it; it has mode {mode:04o}"), right)
        };
        Texts { found, means: means.to_string(), advice }
    }
}

/// Adds a finding about a file that the caller may not examine.
pub(super) fn not_examined(path: &Path, error: &io::Error, findings: &mut Findings) {
    let found = format!("cannot be examined: {error}");
    let means = "mistakes in it are not found".to_string();
    let advice = "run this as root, or as the user of the server".to_string();
    findings.add(Severity::Note, "not-examined", path, Texts { found, means, advice });
}

pub(super) fn inspect(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    if let Some(workers) = &inspection.workers {
        inspect_workers(workers, config, findings);
    } else {
        let found = "the user of the server's workers is not known".to_string();
        let means = "permissions were not examined".to_string();
        let advice = "name the user with --user".to_string();
        findings.add(
            Severity::Note,
            "not-examined",
            &inspection.config,
            Texts { found, means, advice },
        );
    }
    inspect_secret(config.receipt_secret(), "receipt-secret", findings);
    if let Some(key_file) = &inspection.key_file {
        inspect_secret(key_file, "vendor-key", findings);
        inspect_key(key_file, inspection.workers.as_ref(), findings);
    }
    inspect_writers(inspection, config, findings);
}

fn inspect_workers(workers: &Workers, config: &VendorConfig, findings: &mut Findings) {
    let periods = config.periods();
    let means = "the workers answer requests for priced pages with 503, or keep using old files";
    if workers.need(periods, READ | ENTER, means, findings) {
        for path in files_in(periods) {
            let ending = path.extension().and_then(|ending| ending.to_str());
            let is_read = ending.is_some_and(|it| it == "params" || LIST_ENDINGS.contains(&it));
            if is_read {
                workers.need(&path, READ, means, findings);
            }
        }
    }
    let means = "the workers cannot record payments, and answer them with 503";
    if workers.need(config.till(), READ | WRITE | ENTER, means, findings) {
        let closed = files_in(config.till()).find_map(|path| {
            let obstacle = workers.obstacle(&path, READ | WRITE).ok().flatten()?;
            Some((path, obstacle))
        });
        // One is enough: all of them have the same reason, such as a tool that ran as another user.
        if let Some((path, obstacle)) = closed {
            let texts = workers.closed(&path, &obstacle, means, Openness::Secret);
            findings.add(Severity::Error, "closed-to-workers", path, texts);
        }
    }
    let secret = config.receipt_secret();
    let means = "the workers cannot serve priced pages";
    if let Some(texts) = workers.secret_closed(secret, means) {
        findings.add(Severity::Error, "closed-to-workers", secret, texts);
    }
}

/// Whether there is a vendor key that `mmvendor` can use.
fn inspect_key(path: &Path, workers: Option<&Workers>, findings: &mut Findings) {
    let mut add = |severity, texts| findings.add(severity, "vendor-key", path, texts);
    let means = "coins are not redeemed with it: `mmvendor redeem` and `mmvendor sync` need it";
    let texts = |found: String, advice: String| Texts { found, means: means.to_string(), advice };
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let advice = "put the key there that your broker gave you, for its owner alone (chmod \
                          600); or name it with --key-file";
            return add(Severity::Note, texts("does not exist".into(), advice.into()));
        }
        // A finding of the secrets.
        Err(_) => return,
        Ok(metadata) if !metadata.is_file() => {
            let advice = "put the key there that your broker gave you";
            return add(Severity::Error, texts("is not a file".into(), advice.into()));
        }
        Ok(_) => {}
    }
    let read = DiskDirectory::of_file(path).map(|(directory, name)| read_key(&directory, &name));
    if let Ok(Err(KeyFileError::Content { why, .. })) = read {
        let advice = "put the key there that your broker gave you: 64 hexadecimal digits";
        add(Severity::Error, texts(why, advice.into()));
    }
    let means = "micromint-vendor.service, which runs as this user, redeems nothing and fetches no \
                 owners; right if another user runs mmvendor";
    if let Some(texts) = workers.and_then(|workers| workers.secret_closed(path, means)) {
        add(Severity::Note, texts);
    }
}

/// The files in a folder; none if it cannot be read.
fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.into_iter()
}

/// A secret that others can read or write is refused.
fn inspect_secret(path: &Path, kind: &'static str, findings: &mut Findings) {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => not_examined(path, &error, findings),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            let found = format!("others can read it; it has mode {:04o}", metadata.mode() & 0o7777);
            let means = "it is a secret, and refused while others can read it".to_string();
            let advice = format!("chmod 600 {}", shown(path));
            findings.add(Severity::Error, kind, path, Texts { found, means, advice });
        }
        Ok(_) => {}
    }
}

/// Who else can change what is paid to whom, or read what is not redeemed yet.
fn inspect_writers(inspection: &Inspection, config: &VendorConfig, findings: &mut Findings) {
    for path in [inspection.config.as_path(), config.periods()] {
        let Ok(metadata) = fs::metadata(path) else { continue };
        if metadata.mode() & 0o002 != 0 {
            let found = format!("every user can write it; mode {:04o}", metadata.mode() & 0o7777);
            let means = "any program on this machine can change who is paid and which coins are \
                         accepted"
                .to_string();
            let advice = format!("chmod o-w {}", shown(path));
            findings.add(Severity::Warning, "writable", path, Texts { found, means, advice });
        }
    }
    let Ok(till) = fs::metadata(config.till()) else { return };
    if till.mode() & 0o077 != 0 {
        let found = format!("others can enter it; it has mode {:04o}", till.mode() & 0o7777);
        let means = "others on this machine may read payments that are not redeemed yet and who \
                     read what"
            .to_string();
        let advice = format!("chmod 700 {}", shown(config.till()));
        findings.add(Severity::Warning, "till-open", config.till(), Texts { found, means, advice });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A user whose files these are not, with the group of this file or not.
    fn other(path: &Path, has_group: bool) -> Workers {
        let metadata = fs::metadata(path).unwrap();
        let gids = if has_group { vec![metadata.gid()] } else { vec![metadata.gid() + 1] };
        Workers { name: "www-data".to_string(), uid: metadata.uid() + 4711, gids }
    }

    #[test]
    fn one_class_of_a_mode_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        let owner = Workers { uid: fs::metadata(&path).unwrap().uid(), ..other(&path, false) };
        for (mode, as_owner, as_group, as_other) in [
            (0o400, true, false, false),
            (0o040, false, true, false),
            (0o004, false, false, true),
            (0o444, true, true, true),
        ] {
            set_mode(&path, mode);
            let metadata = fs::metadata(&path).unwrap();
            // Root may do everything.
            assert_eq!(owner.may(&metadata, READ), as_owner || owner.uid == ROOT, "{mode:o}");
            assert_eq!(other(&path, true).may(&metadata, READ), as_group, "{mode:o}");
            assert_eq!(other(&path, false).may(&metadata, READ), as_other, "{mode:o}");
        }
    }

    /// What `chmod` would open to all is refused as a secret at the next start.
    #[test]
    fn a_secret_that_the_workers_cannot_read_gets_another_owner() {
        let folder = tempfile::tempdir().unwrap();
        set_mode(folder.path(), 0o755);
        let inner = folder.path().join("till");
        fs::create_dir(&inner).unwrap();
        let path = inner.join("secret");
        fs::write(&path, "x").unwrap();
        let workers = other(&path, false);
        for (folder_mode, mode, closed) in [(0o711, 0o600, &path), (0o700, 0o600, &inner)] {
            set_mode(&inner, folder_mode);
            set_mode(&path, mode);
            let texts = workers.secret_closed(&path, "x").unwrap();
            assert_eq!(texts.advice, format!("chown www-data {}", closed.display()));
        }
        // Further up, a folder may be entered by all.
        set_mode(folder.path(), 0o700);
        let texts = workers.secret_closed(&path, "x").unwrap();
        assert_eq!(texts.advice, format!("chmod o+x {}", folder.path().display()));
    }

    #[test]
    fn a_vendor_key_that_cannot_be_used_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vendor.key");
        let found = |workers: Option<&Workers>| {
            let mut findings = Findings::default();
            inspect_key(&path, workers, &mut findings);
            let found = findings.0.into_iter().map(|it| (it.severity, it.found, it.advice));
            found.collect::<Vec<_>>()
        };
        let [(Severity::Note, text, _)] = &found(None)[..] else { panic!("{:?}", found(None)) };
        assert_eq!(text, "does not exist");
        for (key, is_key) in [("abc", false), ("", false), (&"0a".repeat(32), true)] {
            fs::write(&path, key).unwrap();
            set_mode(&path, 0o600);
            let severities: Vec<Severity> = found(None).into_iter().map(|it| it.0).collect();
            let expected = if is_key { vec![] } else { vec![Severity::Error] };
            assert_eq!(severities, expected, "{key:?}");
        }
        let [(Severity::Note, _, advice)] = &found(Some(&other(&path, false)))[..] else {
            panic!("a note is expected");
        };
        assert!(advice.starts_with("chown www-data ") || advice.starts_with("chmod o+x "));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(found(None)[0].0, Severity::Error);
    }

    #[test]
    fn a_closed_folder_above_is_named() {
        let folder = tempfile::tempdir().unwrap();
        set_mode(folder.path(), 0o755);
        let (above, inner) = (folder.path().join("a"), folder.path().join("a/b"));
        fs::create_dir_all(&inner).unwrap();
        set_mode(&above, 0o700);
        set_mode(&inner, 0o755);
        let workers = other(&above, false);
        let obstacle = workers.obstacle(&inner, READ | ENTER).unwrap().unwrap();
        assert_eq!((&obstacle.path, obstacle.mode), (&above, 0o700));
        let mut findings = Findings::default();
        workers.need(&inner, READ | ENTER, "x", &mut findings);
        let [finding] = &findings.0[..] else { panic!("{:?}", findings.0) };
        assert_eq!((finding.kind, finding.severity), ("closed-to-workers", Severity::Error));
        assert!(finding.found.contains("umask") && finding.advice.starts_with("chmod o+x"));
        set_mode(&above, 0o711);
        assert_eq!(workers.obstacle(&inner, READ | ENTER).unwrap(), None);
        // A link into a closed folder helps nobody.
        set_mode(&above, 0o700);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&inner, &link).unwrap();
        assert_eq!(workers.obstacle(&link, READ).unwrap().unwrap().path, above);
        assert!(workers.obstacle(&folder.path().join("absent"), READ).is_err());
    }
}
