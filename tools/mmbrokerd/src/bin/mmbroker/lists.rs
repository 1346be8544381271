//! Vendors and users: who is registered, who is revoked, and the lists that vendors get as files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use micromint::broker::BinRange;
use micromint::error::FileError;
use micromint::file_kind::FileKind;
use micromint::host::DiskDirectory;
use micromint::identity::{UserId, VendorId};
use micromint::period::Period;
use micromint::reply::Reply;
use micromint::text_file::decode;
use micromint_console::output::Existing;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, read_input, say, tell};
use mmbrokerd::programs::{Broker, counted};
use mmbrokerd::store::CONSOLE;

use super::PeriodArgs;

/// The largest list of users that is read, in bytes; a vendor reads no larger one.
const LIST_SIZE_MAX: usize = 16 * 1024 * 1024;

#[derive(Args)]
pub(crate) struct VendorKey {
    #[command(flatten)]
    period: PeriodArgs,
    /// An earlier period: its vendors are registered first, in the order of their registration
    /// there, so that no new vendor can take their place
    #[arg(long, value_name = "PERIOD")]
    from: Option<Period>,
    /// Replace the keys of these vendors, which may have leaked, and print the new ones. The keys
    /// before end at once, for all periods; nothing is registered
    #[arg(long, conflicts_with_all = ["from", "period"])]
    new: bool,
    /// The host names of the vendors. For several names, or with --from, each output line is a name
    /// and its key
    #[arg(required_unless_present = "from", value_name = "HOST")]
    hosts: Vec<VendorId>,
}

#[derive(Args)]
pub(crate) struct Revoke {
    /// The User-IDs of the users to revoke
    #[arg(required = true, value_name = "USER")]
    users: Vec<UserId>,
    /// Revoke names too of which the broker has no account, such as those that a restore forgot
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(crate) struct Revoked {
    #[command(flatten)]
    period: PeriodArgs,
    /// The file to write, readable for everybody; - writes standard output. A file that exists is
    /// replaced if it is a list of users [default: PERIOD.revoked in the folder of the coin files]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Compromise {
    #[command(flatten)]
    period: PeriodArgs,
    /// The bins: SUPERBIN:SUBBIN, or SUPERBIN:FIRST-LAST for a range of sub-bins
    #[arg(required = true, value_name = "BINS")]
    bins: Vec<BinRange>,
}

#[derive(Args)]
pub(crate) struct OwnersFile {
    #[command(flatten)]
    period: PeriodArgs,
    /// The vendor for whom the file is: no other vendor can use it
    #[arg(long, value_name = "HOST")]
    vendor: VendorId,
    /// The file to write; readable for everybody, since web servers must read it; - writes standard
    /// output [default: PERIOD.owners in the folder of the coin files]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Refuses what lets a disabled vendor earn.
async fn check_enabled(broker: &Broker, vendor: &VendorId) -> Result<(), ToolError> {
    if broker.service.store().is_disabled(vendor).await? {
        return Err(
            format!("{vendor} is disabled: enable it first on the page /operator/vendors").into()
        );
    }
    Ok(())
}

impl VendorKey {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let service = &broker.service;
        if self.new {
            return self.replace(broker).await;
        }
        let period = broker.period(self.period.period.as_ref())?;
        let earlier = match &self.from {
            Some(from) => service.store().vendors(broker.period(Some(from))?.name()).await?,
            None => Vec::new(),
        };
        let is_plain = self.from.is_none() && self.hosts.len() == 1;
        let others = self.hosts.iter().filter(|host| !earlier.contains(host));
        let mut status = EXIT_OK;
        for host in earlier.iter().chain(others) {
            if let Err(error) = check_enabled(broker, host).await {
                // The place of a vendor of before is kept.
                if earlier.contains(host) {
                    let _ = service.register_vendor(&period, host, service.now()).await?;
                }
                tell!("mmbroker: error: {error}");
                status = EXIT_FAILURE;
                continue;
            }
            let registered =
                service.register_vendor_by(Some(CONSOLE), &period, host, service.now()).await?;
            match registered {
                Reply::Granted(key) if is_plain => say!("{}", key.to_hex()),
                Reply::Granted(key) => say!("{host} {}", key.to_hex()),
                Reply::Refused(why) => {
                    tell!("mmbroker: error: {host} is not registered: {why}");
                    status = EXIT_FAILURE;
                }
            }
        }
        Ok(status)
    }

    /// Replaces the keys of the vendors; of none if one of them is not registered, or disabled.
    async fn replace(&self, broker: &Broker) -> Result<u8, ToolError> {
        let service = &broker.service;
        for host in &self.hosts {
            if !service.store().is_known_vendor(host).await? {
                return Err(format!(
                    "{host} is registered for no period, so it has no key; nothing was replaced"
                )
                .into());
            }
            check_enabled(broker, host).await?;
        }
        for host in self.hosts.iter().collect::<BTreeSet<_>>() {
            let key = service.replace_vendor_key(CONSOLE, host, None).await?.into_result()?.key;
            match self.hosts.len() {
                1 => say!("{}", key.to_hex()),
                _ => say!("{host} {}", key.to_hex()),
            }
            tell!("mmbroker: the key of {host} is replaced: give it the new one for vendor.key");
        }
        Ok(EXIT_OK)
    }
}

impl Revoke {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let service = &broker.service;
        for user in self.users.iter().filter(|_| !self.force) {
            if !service.store().has_account(user).await? {
                return Err(format!(
                    "the broker has no account {user}; nobody was revoked. With --force it is \
                     revoked nevertheless"
                )
                .into());
            }
        }
        for user in &self.users {
            service.store().revoke(user, service.now()).await?;
            say!("revoked {user}");
        }
        Ok(EXIT_OK)
    }
}

impl Revoked {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let period = broker.period(self.period.period.as_ref())?;
        let path = broker.list_path(self.out.as_deref(), &period, "revoked");
        let rules = broker.rules(Existing::If("a list of users", &is_list_of_users)).await?;
        let output = rules.public().open(Some(&path))?;
        let users = broker.service.store().refused_users(period.name().as_str()).await?;
        let lines: String = users.iter().map(|user| format!("{user}\n")).collect();
        output.write(lines.as_bytes())?;
        tell!("{} of {} refused", counted(users.len() as u64, "user"), period.name());
        Ok(EXIT_OK)
    }
}

/// Whether every line of the file is a User-ID.
fn is_list_of_users(path: &Path) -> bool {
    let text = read_input(path, LIST_SIZE_MAX);
    text.is_ok_and(|text| {
        let text = decode(&text).unwrap_or("not a list");
        text.lines().all(|line| line.is_empty() || line.parse::<UserId>().is_ok())
    })
}

impl Compromise {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let (service, period) = (&broker.service, broker.period(self.period.period.as_ref())?);
        for bins in &self.bins {
            service.compromise(&period, *bins, service.now()).await?.into_result()?;
            say!("{bins} are compromised");
        }
        Ok(EXIT_OK)
    }
}

impl OwnersFile {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let period = broker.period(self.period.period.as_ref())?;
        if !broker.service.store().vendors(period.name()).await?.contains(&self.vendor) {
            let (name, vendor) = (period.name(), &self.vendor);
            return Err(format!(
                "expected a vendor that is registered for {name}, found {vendor}; \
                 `mmbroker vendor-key` registers one"
            )
            .into());
        }
        check_enabled(broker, &self.vendor).await?;
        let path = broker.list_path(self.out.as_deref(), &period, "owners");
        let rules = broker.rules(Existing::OfKind(FileKind::Owners)).await?;
        let output = rules.public().open(Some(&path))?;
        let owners = broker.service.all_owners(&period, &self.vendor).await?;
        match output.file().filter(|file| file.metadata().is_ok_and(|found| found.len() > 0)) {
            // A file that exists grows in place, since vendors read only what is new.
            Some(file) => {
                let (directory, name) =
                    DiskDirectory::of_file(file).map_err(FileError::on("write", &path))?;
                owners
                    .write(&directory, &name, period.params())
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
            None => output.write(&owners.to_bytes())?,
        }
        let count = counted(owners.count().into(), "set");
        tell!("{count} of {} sold, as {} can check it", period.name(), self.vendor);
        Ok(EXIT_OK)
    }
}
