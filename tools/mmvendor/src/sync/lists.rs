//! Parameters, owners, and lists of revoked users.
//!
//! The invariant about parameters, on which selling depends: they are written only after the broker
//! has proved that it knows the key of this vendor, and never replaced. If the broker has others
//! than those that are there, they are written beside them, and a person decides.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use micromint::error::FileError;
use micromint::host::{Directory, Entropy, Open, SystemEntropy, replace_public, replace_whole};
use micromint::identity::UserId;
use micromint::owner::{OwnerTag, Owners, OwnersError, Written};
use micromint::params::Params;
use micromint::period::Period;
use micromint::protocol::{OWNERS_PER_ANSWER_MAX, OwnersSold, RequestOwners, Unsigned};
use micromint::time::UnixTime;
use micromint::vendor::redemption::send_again;
use micromint::vendor::{PARAMS_OF_BROKER_ENDING, check_period_beside};
use micromint_console::{ToolError, say, tell};

use super::Link;
use super::broker::KnownPeriod;

impl Link<'_> {
    /// Writes the parameters of periods that have begun and are not there yet, and compares those
    /// that are there with the broker's. Returns what is wrong with single periods.
    pub(super) fn params(&self) -> Result<Vec<String>, ToolError> {
        let now = self.files.now();
        let known = self.known_periods()?;
        let mut problems = Vec::new();
        for KnownPeriod { period, start, redeem_until } in self.broker.well_known()?.periods {
            let name: Period = period.parse()?;
            let (start, end): (UnixTime, UnixTime) = (start.parse()?, redeem_until.parse()?);
            if now < start || now >= end {
                continue;
            }
            let (of_broker, text) = self.params_of_broker(&name)?;
            if known.contains(&name) {
                problems.extend(self.compare(&name, &of_broker, &text)?);
                continue;
            }
            if let Err(error) = self.ask_owners(&name, None) {
                // A vendor that came later is not registered for what is over.
                if now < of_broker.raw().expiration {
                    problems.push(format!("no parameters of {name} were written: {error}"));
                }
                continue;
            }
            // The server would not start with periods that do not go together.
            let held = self.known_periods()?;
            let held: Vec<Params> =
                held.iter().filter_map(|period| self.params_of(period).ok()).collect();
            let base = self.files.config()?.coin_value();
            if let Err(why) = check_period_beside(&held, &of_broker, base) {
                problems.push(format!(
                    "no parameters of {name} were written: a server would refuse them beside \
                     those that are there: {why}; ask the broker"
                ));
                continue;
            }
            let path = self.write_params(&format!("{name}.params"), &text)?;
            say!("period {name} has begun: wrote {}", path.display());
        }
        Ok(problems)
    }

    /// Compares the parameters of a period that are there with the broker's. Says what to do if
    /// they differ.
    fn compare(
        &self,
        period: &Period,
        of_broker: &Params,
        text: &str,
    ) -> Result<Option<String>, ToolError> {
        let beside = format!("{period}{PARAMS_OF_BROKER_ENDING}");
        let held = self.params_of(period)?;
        if held == *of_broker {
            match self.periods.remove(&beside) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let path = self.periods.path().join(&beside);
                    return Err(FileError::on("remove", &path)(error).into());
                }
                _ => return Ok(None),
            }
        }
        let url = self.broker.url();
        let differs = format!(
            "{period}.params, with coins of {}, is not what the broker {url} has of this period, \
             with coins of {}",
            held.raw().broker,
            of_broker.raw().broker
        );
        if let Err(error) = self.ask_owners(period, None) {
            return Ok(Some(format!(
                "{differs}, and this broker does not know the vendor: {error}"
            )));
        }
        let path = self.write_params(&beside, text)?;
        let (path, folder) = (path.display(), self.periods.path().display());
        Ok(Some(format!(
            "{differs}: readers with its coins cannot pay. If {url} is your broker, replace the \
             file: mv {path} {folder}/{period}.params"
        )))
    }

    /// The parameters of a period at the broker, and their text.
    fn params_of_broker(&self, period: &Period) -> Result<(Params, String), ToolError> {
        let text = self.broker.document(&format!("/v1/periods/{period}/params"))?;
        let text = String::from_utf8(text)?;
        let params = Params::from_toml(&text)?;
        if params.period() != period {
            let found = params.period();
            return Err(format!("expected parameters of {period}, found those of {found}").into());
        }
        Ok((params, text))
    }

    fn write_params(&self, file: &str, text: &str) -> Result<PathBuf, ToolError> {
        let path = self.periods.path().join(file);
        replace_public(&self.periods, file, text.as_bytes())
            .map_err(FileError::on("write", &path))?;
        Ok(path)
    }

    /// Brings the owners files of all periods up to date.
    pub(super) fn owners(&self) -> Result<(), ToolError> {
        for period in self.known_periods()? {
            let params = self.params_of(&period)?;
            if self.files.now() < params.raw().expiration {
                self.owners_of(&period, &params)?;
            }
        }
        Ok(())
    }

    fn params_of(&self, period: &Period) -> Result<Params, ToolError> {
        let path = self.periods.path().join(format!("{period}.params"));
        let text = std::fs::read_to_string(&path).map_err(FileError::on("read", &path))?;
        Ok(Params::from_toml(&text).map_err(|error| error.in_file(&path))?)
    }

    fn owners_of(&self, period: &Period, params: &Params) -> Result<(), ToolError> {
        let name = format!("{period}.owners");
        let bad = |error: OwnersError| format!("{name}: {error}");
        let mut owners = match Owners::read(&self.periods, &name, &self.vendor, params, None) {
            Ok(owners) => Some(owners),
            Err(_) if self.periods.open(&name, Open::Read).is_err() => None,
            Err(error) => return Err(bad(error).into()),
        };
        loop {
            let answer = self.ask_owners(period, owners.as_ref())?;
            let count = answer.tags.len();
            if owners.as_ref().is_some_and(|held| held.generation() < answer.generation) {
                // Before the file: if this fails, the next answer is of another generation again.
                self.send_again(period)?;
            }
            let is_same =
                |owners: &Owners| owners.generation() == answer.generation && answer.from > 0;
            let mut next = match owners.filter(|owners| is_same(owners)) {
                Some(owners) => owners,
                None => Owners::new(&self.vendor, period, answer.generation),
            };
            next.extend(&answer.tags as &[OwnerTag]);
            match next.write(&self.periods, &name, params).map_err(bad)? {
                Written::Whole if next.count() == 1 => say!("{name}: 1 set"),
                Written::Whole => say!("{name}: {} sets", next.count()),
                Written::Appended(0) => {}
                Written::Appended(1) => say!("{name}: 1 more set, {} in all", next.count()),
                Written::Appended(new) => say!("{name}: {new} more sets, {} in all", next.count()),
            }
            owners = Some(next);
            if count < OWNERS_PER_ANSWER_MAX as usize {
                return Ok(());
            }
        }
    }

    /// The broker was restored from a backup, and may have lost what it judged.
    fn send_again(&self, period: &Period) -> Result<(), ToolError> {
        tell!(
            "mmvendor: the broker was restored from a backup: all batches of {period} are sent again"
        );
        if self.has_till() {
            send_again(&self.files.open()?.till, period)?;
        }
        Ok(())
    }

    fn ask_owners(
        &self,
        period: &Period,
        owners: Option<&Owners>,
    ) -> Result<OwnersSold, ToolError> {
        let key = self.key()?.sync_key();
        let request = RequestOwners {
            vendor: self.vendor.clone(),
            period: period.clone(),
            generation: owners.map_or(0, Owners::generation),
            held: owners.map_or(0, Owners::count),
            nonce: format!("{:016x}", SystemEntropy.number()?).parse()?,
            authenticator: Unsigned,
        }
        .authenticated(&key);
        let path = format!("/v1/periods/{period}/owners");
        let file = format!("{period}.witness");
        let held = std::fs::read_to_string(self.periods.path().join(&file)).ok();
        let held = held.as_deref().map(str::trim_end).filter(|held| is_witness(held));
        let answer = self.broker.ask_with(&path, &request.to_bytes(), held)?;
        let witness = answer.witness.clone();
        let answer = OwnersSold::parse(&self.good(answer)?)?;
        if !answer.answers(&request, &key) {
            return Err(format!("{period}.owners: the answer is not the broker's").into());
        }
        if let Some(witness) = witness.filter(|new| is_witness(new)) {
            let path = self.periods.path().join(&file);
            let written = match Some(witness.as_str()) == held {
                // Its time says when the broker was last reached, which `check` looks at.
                true => set_time(&path),
                false => replace_whole(&self.periods, &file, format!("{witness}\n").as_bytes()),
            };
            written.map_err(FileError::on("write", &path))?;
        }
        Ok(answer)
    }

    /// Writes the lists of revoked users that changed.
    pub(super) fn revoked(&self) -> Result<(), ToolError> {
        for period in self.known_periods()? {
            if self.files.now() >= self.params_of(&period)?.raw().expiration {
                continue;
            }
            let list = self.broker.document(&format!("/v1/periods/{period}/revoked"))?;
            let text = String::from_utf8(list)?;
            for line in text.lines() {
                let parsed: Result<UserId, _> = line.parse();
                parsed.map_err(|error| format!("{period}.revoked: {error}"))?;
            }
            let name = format!("{period}.revoked");
            let path = self.periods.path().join(&name);
            let before = std::fs::read_to_string(&path).unwrap_or_default();
            if before != text {
                replace_public(&self.periods, &name, text.as_bytes())
                    .map_err(FileError::on("write", &path))?;
                tell!("mmvendor: {name}: users refused: {}", text.lines().count());
            }
        }
        Ok(())
    }
}

/// Sets the time of a file to now.
fn set_time(path: &Path) -> std::io::Result<()> {
    File::options().write(true).open(path)?.set_modified(SystemTime::now())
}

/// The longest witness that is kept, in bytes.
const WITNESS_LEN_MAX: usize = 512;

/// Whether a text can be a witness. Only the broker knows whether it is one.
fn is_witness(text: &str) -> bool {
    (1..=WITNESS_LEN_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_witness_that_is_the_same_gets_the_time_and_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2026-12.witness");
        std::fs::write(&path, "1;0;1;x\n").unwrap();
        let modified = || std::fs::metadata(&path).unwrap().modified().unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        assert_eq!(modified(), old);
        set_time(&path).unwrap();
        assert!(modified().elapsed().unwrap() < Duration::from_secs(60));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1;0;1;x\n");
        assert!(set_time(&folder.path().join("none")).is_err());
    }
}
