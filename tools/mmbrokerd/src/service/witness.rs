//! The witness: how far the broker had come, kept where backups of the database are not.
//!
//! Input: the numbers of the database. Output: whether the database is older than what was done
//! with it. The invariants: the witness knows a change before the change is answered; the end of a
//! block of sets is in it, on disk, before a set of the block is sold; what it knows only grows
//! within a generation.
//!
//! The file has two slots of [`SLOT_SIZE`] bytes, which are written in turn under a lock of the
//! file, so that a torn one leaves the other. A slot is one line of text,
//! `1;SEQUENCE;GENERATION;NAME=NUMBER;…;AUTHENTICATOR`, filled up with zero bytes. The authenticator
//! is made with the broker's secret.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use micromint::authenticator::{Authenticator, Key};
use micromint::period::Period;

/// The size of a slot, in bytes: enough for the numbers of 150 periods.
const SLOT_SIZE: usize = 16 * 1024;
/// The longest witness of one period, which vendors keep and send back, in bytes.
pub const PERIOD_WITNESS_LEN_MAX: usize = 512;

/// How far a broker had come: numbers that only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How often the broker was restored from a backup, plus 1.
    pub generation: u32,
    /// The numbers, by name: `reserved:PERIOD`, `sold:PERIOD`, `settled:PERIOD` in superbins,
    /// `transfers`, `told:` (numbers that a vendor's witness had and the database had not), and the
    /// counters of payout runs, voucher batches and replaced vendor keys.
    pub numbers: BTreeMap<String, u64>,
}

/// A number of which the database has less than the witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Its name.
    pub name: String,
    /// What the database has.
    pub found: u64,
    /// What the witness has.
    pub expected: u64,
}

impl Progress {
    /// A number; 0 if there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.numbers.get(name).copied().unwrap_or(0)
    }

    /// The superbins of a period that are reserved for sale.
    pub fn reserved(&self, period: &Period) -> u64 {
        self.number(&format!("reserved:{period}"))
    }

    /// What a vendor of this period is told.
    pub fn of_period(&self, period: &Period) -> Progress {
        let names = ["reserved", "sold", "settled"].map(|what| format!("{what}:{period}"));
        let numbers = names.into_iter().map(|name| (self.number(&name), name));
        let numbers = numbers.filter(|(number, _)| *number > 0);
        Progress {
            generation: self.generation,
            numbers: numbers.map(|(number, name)| (name, number)).collect(),
        }
    }

    /// Adds what another witness knows. Of two generations the later one counts.
    pub fn merge(&mut self, other: &Progress) {
        if other.generation > self.generation {
            *self = other.clone();
        } else if other.generation == self.generation {
            for (name, number) in &other.numbers {
                let known = self.numbers.entry(name.clone()).or_default();
                *known = (*known).max(*number);
            }
        }
    }

    /// What this witness knows and a database of the same generation does not have. A witness of an
    /// earlier generation says nothing here.
    pub fn ahead_of(&self, database: &Progress) -> Option<Behind> {
        if self.generation > database.generation {
            return Some(Behind {
                name: "generation".to_string(),
                found: database.generation.into(),
                expected: self.generation.into(),
            });
        }
        let is_same = self.generation == database.generation;
        let ahead = |(name, number): &(&String, &u64)| **number > database.number(name);
        let (name, number) = self.numbers.iter().find(ahead).filter(|_| is_same)?;
        Some(Behind { name: name.clone(), found: database.number(name), expected: *number })
    }

    fn text(&self, sequence: u64) -> String {
        let mut text = format!("1;{sequence};{}", self.generation);
        for (name, number) in &self.numbers {
            text.push_str(&format!(";{name}={number}"));
        }
        text
    }

    /// The witness as text, signed with the broker's secret.
    pub fn signed(&self, sequence: u64, secret: &Key) -> String {
        let text = self.text(sequence);
        let authenticator = secret.witness(&text);
        format!("{text};{authenticator}")
    }

    /// Reads a signed witness, with its sequence number. `None` if it is not the broker's.
    pub fn parse(text: &str, secret: &Key) -> Option<(u64, Progress)> {
        let (text, authenticator) = text.rsplit_once(';')?;
        let authenticator: Authenticator = authenticator.parse().ok()?;
        if secret.witness(text) != authenticator {
            return None;
        }
        let mut fields = text.split(';');
        if fields.next()? != "1" {
            return None;
        }
        let sequence = fields.next()?.parse().ok()?;
        let generation = fields.next()?.parse().ok()?;
        let number = |field: &str| {
            let (name, number) = field.split_once('=')?;
            Some((name.to_string(), number.parse().ok()?))
        };
        let numbers = fields.map(number).collect::<Option<_>>()?;
        Some((sequence, Progress { generation, numbers }))
    }
}

/// The witness of a process. Processes of one machine share the file.
pub(super) struct Witness {
    secret: Key,
    /// `None` for a broker without a file, which remembers only what this process did.
    path: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    progress: Progress,
    /// Whether there was a file.
    is_found: bool,
    halted: Option<String>,
}

impl Witness {
    /// Reads the witness. Read it before the database: both grow while other processes work.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(path: Option<&Path>, secret: &Key) -> io::Result<Witness> {
        let (secret, path) = (secret.clone(), path.map(Path::to_path_buf));
        let witness = Witness { secret, path, known: Mutex::default() };
        if let Some(found) = witness.read_slots()? {
            *witness.known() = Known { progress: found, is_found: true, halted: None };
        }
        Ok(witness)
    }

    /// Begins work on a database that was read after the witness. `is_new` is whether nothing was
    /// done with it: then a witness that does not exist is made.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn begin(&self, database: &Progress, is_new: bool) -> io::Result<()> {
        if self.known().is_found {
            self.check(&self.progress(), database);
        } else if self.path.is_none() || is_new {
            self.write(database, true)?;
        } else {
            let why = "there is no good witness file, so it is not known whether the database is \
                       the latest";
            self.halt(why.to_string());
        }
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops all changes.
    pub(super) fn halt(&self, why: String) {
        let known = &mut *self.known();
        known.halted.get_or_insert(why);
    }

    /// Why nothing may change, if so.
    pub(super) fn halted(&self) -> Option<String> {
        self.known().halted.clone()
    }

    /// What the witness knows.
    pub(super) fn progress(&self) -> Progress {
        self.known().progress.clone()
    }

    /// Compares the database with what the witness knew before it was read, and stops all changes
    /// if it is behind. What the witness knows now may be newer than what was read.
    pub(super) fn check(&self, known: &Progress, database: &Progress) {
        if let Some(Behind { name, found, expected }) = known.ahead_of(database) {
            let what = described(&name);
            self.halt(format!(
                "the database is older than its witness: {what}: the database has {found}, the \
                 witness {expected}"
            ));
        }
        if database.generation > self.known().progress.generation {
            self.halt("the broker was restored meanwhile: start this process again".to_string());
        }
    }

    /// Adds how far the database is; on disk when this returns, if `is_durable`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, database: &Progress, is_durable: bool) -> io::Result<()> {
        let mut merged = self.known().progress.clone();
        merged.merge(database);
        if let Some(path) = &self.path {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = file.open(path)?;
            file.lock()?;
            let slots = [0, 1].map(|slot| self.slot(&file, slot));
            let sequence = slots.iter().flatten().map(|(sequence, _)| *sequence).max();
            slots.iter().flatten().for_each(|(_, progress)| merged.merge(progress));
            self.write_slot(&file, sequence.unwrap_or(0) + 1, &merged)?;
            if is_durable {
                file.sync_all()?;
                sync_folder(path)?;
            }
        }
        self.known().progress.merge(&merged);
        Ok(())
    }

    /// Begins a new generation, and allows changes again.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn restart(&self, database: &Progress) -> io::Result<()> {
        self.write(database, true)?;
        self.known().halted = None;
        Ok(())
    }

    fn write_slot(&self, file: &File, sequence: u64, progress: &Progress) -> io::Result<()> {
        let mut bytes = progress.signed(sequence, &self.secret).into_bytes();
        bytes.push(b'\n');
        if bytes.len() > SLOT_SIZE {
            return Err(io::Error::other("the witness has too many periods"));
        }
        bytes.resize(SLOT_SIZE, 0);
        file.write_all_at(&bytes, sequence % 2 * SLOT_SIZE as u64)
    }

    /// What the file knows; `None` if there is no file, or no good slot in it.
    fn read_slots(&self) -> io::Result<Option<Progress>> {
        let Some(path) = &self.path else { return Ok(None) };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.lock_shared()?;
        let slots = [0, 1].map(|slot| self.slot(&file, slot));
        let mut progress: Option<Progress> = None;
        for (_, found) in slots.into_iter().flatten() {
            progress.get_or_insert_default().merge(&found);
        }
        Ok(progress)
    }

    fn slot(&self, file: &File, slot: u64) -> Option<(u64, Progress)> {
        let mut bytes = vec![0; SLOT_SIZE];
        file.read_exact_at(&mut bytes, slot * SLOT_SIZE as u64).ok()?;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        Progress::parse(std::str::from_utf8(&bytes[..end]).ok()?, &self.secret)
    }
}

/// What a number of [`Progress`] counts.
fn described(name: &str) -> String {
    match name.split_once(':') {
        Some(("sold", period)) => format!("superbins of {period} that are sold"),
        Some(("reserved", period)) => format!("superbins of {period} that are reserved for sale"),
        Some(("settled", period)) => format!("superbins of {period} that are settled"),
        None if name == "generation" => "restores, with the beginning".to_string(),
        None if name == "transfers" => "transfers of money".to_string(),
        None if name == "payouts" => "payout runs".to_string(),
        None if name == "vouchers" => "batches of vouchers".to_string(),
        None if name == "vendor-keys" => "vendor keys that were replaced".to_string(),
        _ => format!("the number {name:?}"),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Key {
        Key::from_bytes([9; 32])
    }

    fn progress(generation: u32, sold: u64) -> Progress {
        let numbers = [("sold:2026-12", sold), ("transfers", sold * 2)];
        let numbers = numbers.map(|(name, number)| (name.to_string(), number)).into();
        Progress { generation, numbers }
    }

    #[test]
    fn a_witness_is_read_back_and_cannot_be_altered() {
        let text = progress(2, 7).signed(3, &secret());
        assert_eq!(Progress::parse(&text, &secret()), Some((3, progress(2, 7))));
        assert_eq!(Progress::parse(&text, &Key::from_bytes([8; 32])), None);
        assert_eq!(Progress::parse(&text.replace("=7", "=8"), &secret()), None);
        for wrong in ["", ";", "1;2;3", &text[1..]] {
            assert_eq!(Progress::parse(wrong, &secret()), None, "{wrong:?}");
        }
        let period = "2026-12".parse().unwrap();
        let told = progress(2, u64::MAX / 2).of_period(&period).signed(0, &secret());
        assert!(told.len() <= PERIOD_WITNESS_LEN_MAX && !told.contains("transfers"), "{told}");
    }

    #[test]
    fn a_database_is_behind_if_any_number_is() {
        let (old, new) = (progress(1, 4), progress(1, 6));
        assert_eq!(new.ahead_of(&new), None);
        assert_eq!(old.ahead_of(&new), None);
        let behind = new.ahead_of(&old).unwrap();
        assert_eq!((behind.name.as_str(), behind.found, behind.expected), ("sold:2026-12", 4, 6));
        assert_eq!(progress(2, 0).ahead_of(&new).unwrap().name, "generation");
        assert_eq!(new.ahead_of(&progress(2, 0)), None);
    }

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        let open = |database: &Progress, is_new| {
            let witness = Witness::read(Some(&path), &secret()).unwrap();
            witness.begin(database, is_new).unwrap();
            witness
        };
        let halted = open(&progress(1, 4), false).halted().unwrap();
        assert!(halted.contains("no good witness"), "{halted}");
        assert!(!path.exists());
        let witness = open(&progress(1, 0), true);
        for sold in [4, 6, 8] {
            witness.write(&progress(1, sold), sold == 8).unwrap();
        }
        assert_eq!(open(&progress(1, 8), false).halted(), None);
        assert!(
            open(&progress(1, 7), false)
                .halted()
                .unwrap()
                .contains("superbins of 2026-12 that are sold: the database has 7, the witness 8")
        );
        let good = std::fs::read(&path).unwrap();
        for slot in 0..2 {
            let mut torn = good.clone();
            torn[slot * SLOT_SIZE + 5..][..10].fill(b'x');
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(open(&progress(1, 8), false).halted(), None);
            assert!(open(&progress(1, 5), false).halted().is_some());
        }
        std::fs::write(&path, vec![0; 2 * SLOT_SIZE]).unwrap();
        assert!(open(&progress(1, 8), false).halted().is_some());
        // Two processes share the file, and neither makes it forget.
        std::fs::write(&path, &good).unwrap();
        let (one, other) = (open(&progress(1, 8), false), open(&progress(1, 8), false));
        one.write(&progress(1, 12), false).unwrap();
        other.write(&progress(1, 10), false).unwrap();
        assert_eq!(open(&progress(1, 12), false).progress(), progress(1, 12));
    }

    /// A request reads the database, and another one sells and tells the witness before the first
    /// compares them.
    #[test]
    fn a_witness_that_grows_meanwhile_stops_nothing() {
        let witness = Witness::read(None, &secret()).unwrap();
        witness.begin(&progress(1, 4), true).unwrap();
        let (known, database) = (witness.progress(), progress(1, 4));
        witness.write(&progress(1, 6), false).unwrap();
        witness.check(&known, &database);
        assert_eq!(witness.halted(), None);
        witness.check(&witness.progress(), &database);
        assert!(witness.halted().is_some());
    }
}
