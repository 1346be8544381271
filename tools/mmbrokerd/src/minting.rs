//! The next period: planned in time, and minted by `coinmint` as a child or by a cluster.
//!
//! Input: the periods, the time, and the settings `[minting]`. Output: a configuration of a mint, a
//! coin file, and rows that the pages show. The invariants: a period is planned once, and its
//! configuration is never written again; one process mints in a folder; only `coinmint` writes the
//! coin file. What was minted is opened like every other coin file in the folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use micromint::coin_file::{CoinFile, CoinFileError, Phase};
use micromint::error::{FileError, chain};
use micromint::host::{DiskDirectory, SystemEntropy};
use micromint::minting::{
    MintConfig, MintError, MintJobBuilder, NewPeriod, NewPeriodError, Profile, ProfileError, Size,
    run_names,
};
use micromint::money::{Money, MoneyError};
use micromint::params::Params;
use micromint::period::Period;
use micromint::time::UnixTime;
use micromint::toml_file::{TOML_FILE_SIZE_MAX, TomlError};
use micromint_console::{ToolError, read_secret_input, replace_secret_file};
use rustix::process::{Pid, Signal};
use serde::Deserialize;

use crate::service::{Service, ServiceError, blocking};
use crate::shop::Act;
use crate::store::{MintProgress, MintRow, MintStage, MintState, Store, StoreError, retried};

/// The default of `days-before`.
const DAYS_BEFORE_DEFAULT: u32 = 10;
/// The most shards, as of `coinmint`.
const SHARDS_MAX: u32 = 4096;
/// How long after a fault a mint is tried again, in seconds.
const RETRY_SECONDS: i64 = 60;
const DAY_SECONDS: i64 = 86_400;
/// The file whose lock says that a process mints in a folder.
const LOCK_NAME: &str = ".minting.lock";
/// What `coinmint` said last.
const LOG_NAME: &str = ".minting.log";
/// The most that is shown of it, in bytes.
const FAULT_LEN_MAX: usize = 2000;

/// The part `[minting]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MintingSettings {
    /// How many days before the last period ends the next one is minted.
    pub days_before: u32,
    /// The sizes; without it those of the last period.
    pub profile: Option<String>,
    /// The value of a coin; without it that of the last period.
    pub coin_value: Option<String>,
    /// The threads; without it one for each core.
    pub threads: Option<u32>,
    /// The memory, such as `2G`.
    pub memory: Option<String>,
    /// Above 0, a job file for this many shards is written, and a cluster mints.
    pub shards: u32,
    /// The program; without it `coinmint` beside this program, or in the path.
    pub coinmint: Option<PathBuf>,
}

impl Default for MintingSettings {
    fn default() -> MintingSettings {
        MintingSettings {
            days_before: DAYS_BEFORE_DEFAULT,
            profile: None,
            coin_value: None,
            threads: None,
            memory: None,
            shards: 0,
            coinmint: None,
        }
    }
}

impl MintingSettings {
    /// What is wrong with the settings.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn check(&self) -> Result<(), String> {
        if let Some(profile) = &self.profile {
            profile.parse::<Profile>().map_err(|error| format!("minting.profile: {error}"))?;
        }
        if let Some(value) = &self.coin_value {
            value.parse::<Money>().map_err(|error| format!("minting.coin-value: {error}"))?;
        }
        for (key, found, most) in [
            ("days-before", self.days_before, 366),
            ("threads", self.threads.unwrap_or(1), 4096),
            ("shards", self.shards, SHARDS_MAX),
        ] {
            if found > most {
                return Err(format!("minting.{key}: expected at most {most}, found {found}"));
            }
        }
        Ok(())
    }
}

/// Why a mint does not go on. Operators read it in the row of the mint.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("there is no period to go on from")]
    NoPeriod,
    #[error("minting.profile: {0}")]
    Profile(#[from] ProfileError),
    #[error("minting.coin-value: {0}")]
    CoinValue(#[from] MoneyError),
    #[error("coinmint: {0}")]
    Child(io::Error),
    #[error("coinmint ended with {status}: {said}")]
    Ended { status: ExitStatus, said: String },
    #[error(transparent)]
    Access(#[from] FileError),
    #[error("{0}")]
    Secret(#[from] ToolError),
    #[error(transparent)]
    Config(#[from] TomlError),
    #[error(transparent)]
    Draw(#[from] NewPeriodError),
    #[error(transparent)]
    CoinFile(#[from] CoinFileError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Plans and mints.
pub struct Minter {
    service: Arc<Service>,
    folder: PathBuf,
    settings: MintingSettings,
    /// Whether periods are planned without a person.
    is_automatic: bool,
    /// Held while this process mints in the folder.
    lock: Option<File>,
    child: Option<(Period, Child)>,
    /// When a mint that failed is tried again.
    retry_at: UnixTime,
}

impl Minter {
    /// The minter of a broker whose coin files are in a folder. Without settings it mints what
    /// operators ask for, and plans nothing.
    pub fn new(service: Arc<Service>, folder: &Path, settings: Option<&MintingSettings>) -> Minter {
        Minter {
            service,
            folder: folder.to_path_buf(),
            is_automatic: settings.is_some(),
            settings: settings.cloned().unwrap_or_default(),
            lock: None,
            child: None,
            retry_at: UnixTime(0),
        }
    }

    /// Plans what is due, and looks after the mint that runs. Call it every few seconds.
    ///
    /// # Errors
    /// The database failed. What fails about a mint itself is in its row.
    pub async fn turn(&mut self) -> Result<(), ServiceError> {
        let now = self.service.now();
        if self.is_automatic
            && let Some((period, at)) = next_period(&self.service)
            && now.0 >= at.0 - i64::from(self.settings.days_before) * DAY_SECONDS
        {
            plan(self.service.store(), &period, "service", now).await?;
        }
        let mints = self.service.store().mints().await?;
        self.stop_what_was_stopped(&mints);
        let is_open = |mint: &&MintRow| {
            matches!(mint.state, MintState::Planned | MintState::Running | MintState::Cluster)
        };
        let Some(mint) = mints.iter().find(is_open) else { return Ok(()) };
        if now < self.retry_at {
            return Ok(());
        }
        let done = match self.lock() {
            Ok(true) => self.look_after(mint, now).await,
            Ok(false) => return Ok(()),
            Err(fault) => Err(fault),
        };
        match done {
            Ok(()) => Ok(()),
            Err(fault) => {
                let fault = chain(&fault);
                micromint_console::tell!("mmbrokerd: error: mint of {}: {fault}", mint.period);
                self.retry_at = now.plus_seconds(RETRY_SECONDS);
                Ok(self.service.store().note_mint_fault(&mint.period, &fault).await?)
            }
        }
    }

    /// Ends the child in order, and waits for it: it keeps what it tossed.
    pub fn end(&mut self) {
        if let Some((_, mut child)) = self.child.take() {
            terminate(&child);
            let _ = child.wait();
        }
    }

    fn stop_what_was_stopped(&mut self, mints: &[MintRow]) {
        let is_stopped = |mint: &MintRow| mint.state == MintState::Stopped;
        let running = self.child.as_ref().map(|(period, _)| period);
        if mints.iter().any(|mint| is_stopped(mint) && Some(&mint.period) == running) {
            self.end();
        }
    }

    /// Whether this process is the one that mints in the folder. `Ok(false)` means that another
    /// process is.
    fn lock(&mut self) -> Result<bool, Fault> {
        if self.lock.is_some() {
            return Ok(true);
        }
        let path = self.folder.join(LOCK_NAME);
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(in_file(&path))?;
        match file.try_lock() {
            Ok(()) => self.lock = Some(file),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(in_file(&path)(error)),
        }
        Ok(true)
    }

    async fn look_after(&mut self, mint: &MintRow, now: UnixTime) -> Result<(), Fault> {
        let path = self.folder.join(format!("{}.toml", mint.period));
        let config = self.config(&path, &mint.period)?;
        let progress = {
            let (folder, config, shards) =
                (self.folder.clone(), config.clone(), self.settings.shards);
            let look = move || progress(&folder, &config, shards);
            blocking(look).await??
        };
        let state = match progress.stage {
            MintStage::Complete => MintState::Done,
            _ if self.settings.shards > 0 => {
                self.write_job_files(&path)?;
                MintState::Cluster
            }
            _ => {
                self.keep_minting(&mint.period, &path)?;
                MintState::Running
            }
        };
        let store = self.service.store();
        if !mint.fault.is_empty() {
            store.note_mint_fault(&mint.period, "").await?;
        }
        store.note_mint(&mint.period, state, progress, now).await?;
        if state == MintState::Done {
            self.child = None;
            micromint_console::say!("mmbrokerd: minted period {}", mint.period);
        }
        Ok(())
    }

    /// The configuration of a mint, which is drawn once.
    fn config(&self, path: &Path, period: &Period) -> Result<MintConfig, Fault> {
        if !path.exists() {
            let last = last_period(&self.service).ok_or(Fault::NoPeriod)?;
            let config = self.draw(&last, period)?;
            replace_secret_file(path, &config.to_toml())?;
        }
        let text = read_secret_input(path, TOML_FILE_SIZE_MAX as usize)?;
        Ok(MintConfig::from_toml(&text).map_err(|error| error.in_file(path))?)
    }

    fn draw(&self, last: &Params, period: &Period) -> Result<MintConfig, Fault> {
        let raw = last.raw();
        let size = match &self.settings.profile {
            Some(profile) => Size::from(profile.parse::<Profile>()?),
            None => Size::from(last),
        };
        let coin_value = match &self.settings.coin_value {
            Some(value) => value.parse::<Money>()?,
            None => raw.coin_value,
        };
        // A broker that moved mints for its new URL: coins of another one are not sold.
        let broker = self.service.url().unwrap_or(&raw.broker);
        let new = NewPeriod::new(size, period.clone(), broker, coin_value);
        // Who began with a weak period of tests goes on with one.
        let new = NewPeriod { weak: !last.weaknesses().is_empty(), ..new };
        Ok(new.draw(&SystemEntropy)?)
    }

    /// Starts `coinmint` unless it runs. If it ended without a coin file, says why.
    fn keep_minting(&mut self, period: &Period, config: &Path) -> Result<(), Fault> {
        if self.child.as_ref().is_some_and(|(running, _)| running != period) {
            self.end();
        }
        if let Some((_, child)) = &mut self.child {
            let Some(status) = child.try_wait().map_err(Fault::Child)? else { return Ok(()) };
            self.child = None;
            let said = last_of(&self.folder.join(LOG_NAME));
            // It ends with 3 if something else stopped it, such as the end of the machine.
            if !status.success() && status.code() != Some(3) {
                return Err(Fault::Ended { status, said });
            }
        }
        let mut command = Command::new("nice");
        command.args(["-n", "10"]).arg(self.program()).arg("mint").arg(config);
        if let Some(threads) = self.settings.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        if let Some(memory) = &self.settings.memory {
            command.args(["--memory", memory]);
        }
        let log = self.folder.join(LOG_NAME);
        let log = File::create(&log).map_err(in_file(&log))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(Fault::Child)?;
        self.child = Some((period.clone(), child));
        Ok(())
    }

    fn program(&self) -> PathBuf {
        if let Some(program) = &self.settings.coinmint {
            return program.clone();
        }
        let own = std::env::current_exe().ok().map(|own| own.with_file_name("coinmint"));
        own.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from("coinmint"))
    }

    /// Writes the scripts that a person gives to the scheduler of a cluster.
    fn write_job_files(&self, config: &Path) -> Result<(), Fault> {
        let program = self.program();
        let [shards, merge] = job_files(config);
        for (path, text) in [
            (shards, shards_script(config, &program, &self.settings)),
            (merge, merge_script(config, &program, &self.settings)),
        ] {
            if !path.exists() {
                replace_secret_file(&path, &text)?;
            }
        }
        Ok(())
    }
}

impl Drop for Minter {
    fn drop(&mut self) {
        self.end();
    }
}

/// The last period that is open, by its expiration.
fn last_period(service: &Service) -> Option<Params> {
    let periods = service.periods();
    let last = periods.iter().max_by_key(|period| period.params().raw().expiration)?;
    Some(last.params().clone())
}

/// The period after the last one, and when that ends. `None` if there is no period, or its name is
/// not a month.
pub fn next_period(service: &Service) -> Option<(Period, UnixTime)> {
    let last = last_period(service)?;
    let (_, next) = last.period().month()?;
    let name = next.day().get(..7)?.parse().ok()?;
    Some((name, last.raw().expiration))
}

/// How long before the end of the sales an operator is told that no period follows, in seconds: a
/// week.
const SALES_END_SECONDS: i64 = 7 * DAY_SECONDS;

/// The last period, and when its sales end, if that is within a week and no next period is open or
/// planned. `is_automatic` says that the service plans the next one by itself.
///
/// # Errors
/// The database failed.
pub async fn sales_end_soon(
    service: &Service,
    is_automatic: bool,
) -> Result<Option<(Period, UnixTime)>, StoreError> {
    let Some(last) = last_period(service) else { return Ok(None) };
    let end = last.raw().expiration;
    if service.now().plus_seconds(SALES_END_SECONDS) < end {
        return Ok(None);
    }
    if let Some((next, _)) = next_period(service) {
        let mints = service.store().mints().await?;
        let is_planned = |mint: &MintRow| mint.period == next && mint.state != MintState::Stopped;
        let was_stopped = mints.iter().any(|mint| mint.period == next);
        if mints.iter().any(is_planned) || (is_automatic && !was_stopped) {
            return Ok(None);
        }
    }
    Ok(Some((last.period().clone(), end)))
}

/// Plans a mint, and writes that to the audit log. Returns whether something changed.
pub(crate) async fn plan(
    store: &Store,
    period: &Period,
    by: &str,
    now: UnixTime,
) -> Result<bool, ServiceError> {
    // Most turns find it planned.
    if by == "service" && store.mints().await?.iter().any(|mint| mint.period == *period) {
        return Ok(false);
    }
    Ok(retried!(async {
        let mut tx = store.begin().await?;
        let is_new = tx.plan_mint(period, by, now).await?;
        if is_new {
            tx.audit(by, Act::MintPlanned, period.as_str(), now).await?;
        }
        tx.commit().await?;
        Ok::<bool, StoreError>(is_new)
    })?)
}

/// How far a mint is, by its files.
fn progress(folder: &Path, config: &MintConfig, shards: u32) -> Result<MintProgress, Fault> {
    let directory = DiskDirectory::new(folder);
    let name = config.coinfile.as_str();
    if !folder.join(name).exists() {
        return match shards {
            0 => Ok(MintProgress::default()),
            _ => shards_tossed(&directory, name, shards),
        };
    }
    let coin_file = CoinFile::inspect(&directory, name)?;
    let state = coin_file.minting_state()?;
    let (stage, done, total) = match state.phase {
        Phase::Complete => (MintStage::Complete, 1, 1),
        Phase::Counting => {
            (MintStage::Counting, state.counted_superbins, config.params.superbin_count())
        }
        Phase::Tossing if shards > 0 => return shards_tossed(&directory, name, shards),
        Phase::Tossing => {
            let done = MintJobBuilder::new(&directory, name, config).build()?.tosses_kept()?;
            (MintStage::Tossing, done, 1 << config.params.raw().input_bits)
        }
    };
    Ok(MintProgress { stage, done, total })
}

/// The run files of shards that are complete: they get their names at the end.
fn shards_tossed(
    directory: &DiskDirectory,
    coin_file: &str,
    shards: u32,
) -> Result<MintProgress, Fault> {
    let runs = run_names(directory, coin_file)?;
    let done = runs.len() as u64;
    Ok(MintProgress { stage: MintStage::Shards, done, total: shards.into() })
}

/// The scripts for Slurm beside a configuration: for all shards, and for the merge after them.
fn job_files(config: &Path) -> [PathBuf; 2] {
    let stem = config.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    ["shards", "merge"].map(|what| config.with_file_name(format!("{stem}.{what}.sbatch")))
}

/// The job array that tosses the shards. A shard that is stopped queues itself again.
fn shards_script(config: &Path, program: &Path, settings: &MintingSettings) -> String {
    let MintingSettings { shards, threads, .. } = settings;
    let threads = threads.unwrap_or(1);
    let memory = quoted(settings.memory.as_deref().unwrap_or("512M"));
    let [own, merge] = job_files(config).map(|path| quoted_path(&path));
    let (config, program) = (quoted_path(config), quoted_path(program));
    format!(
        "#!/bin/bash\n\
         # Mints a period on a cluster with Slurm. All nodes need this folder. Submit both parts:\n\
         #   sbatch --dependency=afterok:$(sbatch --parsable {own}) \\\n\
         #     {merge}\n\
         #SBATCH --job-name=coinmint-shard\n\
         #SBATCH --array=1-{shards}\n\
         #SBATCH --cpus-per-task={threads}\n\
         #SBATCH --requeue\n\
         #SBATCH --signal=B:TERM@120\n\
         #SBATCH --output=%x-%A-%a.log\n\
         set -u\n\
         {program} mint {config} --shard \"$SLURM_ARRAY_TASK_ID/{shards}\" \\\n    \
         --threads {threads} --memory {memory} &\n\
         child=$!\n\
         # Slurm signals this shell only.\n\
         trap 'kill -TERM $child' TERM\n\
         wait $child\n\
         status=$?\n\
         while kill -0 $child 2>/dev/null; do wait $child; status=$?; done\n\
         # 3: stopped before the end. Queued again, it goes on.\n\
         if [ $status -eq 3 ]; then\n    \
         exec scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID\"\n\
         fi\n\
         exit $status\n"
    )
}

/// The job that makes the coin file of the shards.
fn merge_script(config: &Path, program: &Path, settings: &MintingSettings) -> String {
    let memory = quoted(settings.memory.as_deref().unwrap_or("512M"));
    let (config, program) = (quoted_path(config), quoted_path(program));
    format!(
        "#!/bin/bash\n\
         #SBATCH --job-name=coinmint-merge\n\
         #SBATCH --requeue\n\
         #SBATCH --output=%x-%j.log\n\
         exec {program} merge {config} --memory {memory}\n"
    )
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// A text as one word of a shell script.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> Fault {
    |source| Fault::File { path: path.to_path_buf(), source }
}

/// The last bytes of what a child said.
fn last_of(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let last = &bytes[bytes.len().saturating_sub(FAULT_LEN_MAX)..];
    String::from_utf8_lossy(last).trim().replace('\0', "")
}

/// Asks a child to end. The standard library only kills. A child that has ended keeps its number
/// until it is waited for, so no other process is asked.
fn terminate(child: &Child) {
    let _ = rustix::process::kill_process(Pid::from_child(child), Signal::TERM);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        assert!(MintingSettings::default().check().is_ok());
        let with = |text: &str| toml::from_str::<MintingSettings>(text).unwrap().check();
        assert!(with("shards = 4096\nprofile = \"demo\"\ncoin-value = \"0.02 EUR\"").is_ok());
        for (wrong, expected) in [
            ("shards = 4097", "minting.shards: expected at most 4096"),
            ("days-before = 367", "minting.days-before"),
            ("threads = 4097", "minting.threads"),
            ("profile = \"huge\"", "minting.profile"),
            ("coin-value = \"1\"", "minting.coin-value"),
        ] {
            let found = with(wrong).unwrap_err();
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(toml::from_str::<MintingSettings>("thread = 1").is_err());
    }

    #[test]
    fn paths_stay_one_word_of_the_script() {
        let settings = MintingSettings { shards: 3, ..MintingSettings::default() };
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("it's $(no) mint");
        let config = folder.path().join("2027-01.toml");
        // The program prints its arguments.
        std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        for (script, expected) in [
            (
                shards_script(&config, &program, &settings),
                "mint\nCONFIG\n--shard\n2/3\n--threads\n1\n",
            ),
            (merge_script(&config, &program, &settings), "merge\nCONFIG\n"),
        ] {
            let output = Command::new("bash")
                .args(["-c", &script])
                .env("SLURM_ARRAY_TASK_ID", "2")
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let expected = expected.replace("CONFIG", &config.display().to_string());
            let found = String::from_utf8(output.stdout).unwrap();
            assert_eq!(found, format!("{expected}--memory\n512M\n"));
        }
    }
}
