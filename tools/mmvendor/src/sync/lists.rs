//! Parameters, owners, and lists of revoked users.
//!
//! The invariant about parameters, on which selling depends: they are written only after the broker
//! has proved that it knows the key of this vendor, and never replaced. If the broker has others
//! than those that are there, they are written beside them, and a person decides. What is wrong
//! with one period stops no other.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use micromint::error::{FileError, chain};
use micromint::host::{Directory, Entropy, Open, SystemEntropy, replace_public, replace_whole};
use micromint::identity::UserId;
use micromint::owner::{OwnerTag, Owners, OwnersError, Written};
use micromint::params::Params;
use micromint::period::Period;
use micromint::protocol::{OWNERS_PER_ANSWER_MAX, OwnersSold, RequestOwners, Unsigned};
use micromint::time::UnixTime;
use micromint::vendor::redemption::send_again;
use micromint::vendor::{PARAMS_OF_BROKER_ENDING, check_period_beside};
use micromint_console::{ToolError, one_line, say, tell};

use super::Link;
use super::broker::{KnownPeriod, WellKnown};

impl Link<'_> {
    /// Writes the parameters of periods that have begun and are not there yet, and compares those
    /// that are there with the broker's. Returns what is wrong with single periods, or with what
    /// the broker says of them.
    ///
    /// # Errors
    /// The broker cannot be reached.
    pub(super) fn params(&self, known: &[Period]) -> Result<Vec<String>, ToolError> {
        let answer = self.broker.ask_well_known()?;
        let periods = match WellKnown::read(answer) {
            Ok(of_broker) => of_broker.periods,
            Err(error) => return Ok(vec![chain(error.as_ref())]),
        };
        let one = |of_broker: &KnownPeriod| {
            let failed = |error: ToolError| {
                let name = one_line(&of_broker.period);
                Some(format!("period {name}: {}", chain(error.as_ref())))
            };
            self.params_of_period(of_broker, known).unwrap_or_else(failed)
        };
        Ok(periods.iter().filter_map(one).collect())
    }

    /// Writes or compares the parameters of a period of the broker. Returns what a person must
    /// know.
    fn params_of_period(
        &self,
        KnownPeriod { period, start, redeem_until }: &KnownPeriod,
        known: &[Period],
    ) -> Result<Option<String>, ToolError> {
        let now = self.files.now();
        let name: Period = period.parse()?;
        let (start, end): (UnixTime, UnixTime) = (start.parse()?, redeem_until.parse()?);
        if now < start || now >= end {
            return Ok(None);
        }
        let (of_broker, text) = self.params_of_broker(&name)?;
        if known.contains(&name) {
            return self.compare(&name, &of_broker, &text);
        }
        if let Err(error) = self.ask_owners(&name, None) {
            // A vendor that came later is not registered for what is over.
            let is_over = now >= of_broker.raw().expiration;
            let problem = format!("no parameters of {name} were written: {error}");
            return Ok((!is_over).then_some(problem));
        }
        // The server would not start with periods that do not go together.
        let held = self.known_periods()?;
        let held: Vec<Params> =
            held.iter().filter_map(|period| self.params_of(period).ok()).collect();
        let base = self.files.config()?.coin_value();
        if let Err(why) = check_period_beside(&held, &of_broker, base) {
            return Ok(Some(format!(
                "no parameters of {name} were written: a server would refuse them beside those \
                 that are there: {why}; ask the broker"
            )));
        }
        let path = self.write_params(&format!("{name}.params"), &text)?;
        say!("period {name} has begun: wrote {}", path.display());
        Ok(None)
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

    /// Brings the owners files of these periods up to date. Returns what is wrong with single ones.
    pub(super) fn owners(&self, periods: &[Period]) -> Vec<String> {
        self.each_valid(periods, |period, params| self.owners_of(period, params))
    }

    /// Writes the lists of revoked users that changed. Returns what is wrong with single periods.
    pub(super) fn revoked(&self, periods: &[Period]) -> Vec<String> {
        self.each_valid(periods, |period, _| self.revoked_of(period))
    }

    /// Does something for each period that has not expired. Returns what is wrong with single ones.
    fn each_valid(
        &self,
        periods: &[Period],
        act: impl Fn(&Period, &Params) -> Result<(), ToolError>,
    ) -> Vec<String> {
        let one = |period: &Period| {
            let params = self.params_of(period)?;
            if self.files.now() < params.raw().expiration { act(period, &params) } else { Ok(()) }
        };
        let failed = |period: &Period| {
            let error = one(period).err()?;
            Some(format!("period {period}: {}", chain(error.as_ref())))
        };
        periods.iter().filter_map(failed).collect()
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

    fn revoked_of(&self, period: &Period) -> Result<(), ToolError> {
        let list = self.broker.document(&format!("/v1/periods/{period}/revoked"))?;
        let text = String::from_utf8(list)?;
        for line in text.lines() {
            let parsed: Result<UserId, _> = line.parse();
            parsed.map_err(|_| {
                format!("{period}.revoked: expected a User-ID, found {:?}", one_line(line))
            })?;
        }
        let name = format!("{period}.revoked");
        let path = self.periods.path().join(&name);
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        if before != text {
            replace_public(&self.periods, &name, text.as_bytes())
                .map_err(FileError::on("write", &path))?;
            tell!("mmvendor: {name}: users refused: {}", text.lines().count());
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
