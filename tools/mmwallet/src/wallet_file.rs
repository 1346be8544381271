//! The location of the wallet: `$XDG_DATA_HOME/micromint/wallet.mmw`, or the file that `--wallet`
//! names.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use micromint::error::FileError;
use micromint::host::{Directory, DiskDirectory, SystemEntropy};
use micromint::key_file::check_private;
use micromint::wallet::Wallet;
use micromint_console::output::{Existing, Rules};
use micromint_console::{ToolError, tell, tell_waits};

/// The location of the wallet file, which may not exist yet.
#[derive(Debug)]
pub struct WalletFile {
    directory: DiskDirectory,
    name: String,
    path: PathBuf,
}

impl WalletFile {
    /// The file at `path`, or the one in the user's data folder.
    ///
    /// # Errors
    /// There is no path and no home directory, or the path does not name a file.
    pub fn new(path: Option<&Path>) -> Result<WalletFile, ToolError> {
        let path = match path {
            Some(path) => path.to_path_buf(),
            None => data_folder()?.join("micromint").join("wallet.mmw"),
        };
        let (directory, name) =
            DiskDirectory::of_file(&path).map_err(FileError::on("use", &path))?;
        let file = WalletFile { directory: tell_waits(directory), name, path };
        for (own, what, ending) in
            [(file.settings_path(), "settings", ".toml"), (file.login_path(), "login", ".login")]
        {
            if is_same(&file.path, &own) {
                return Err(format!(
                    "{}: a wallet cannot be its own {what} file; give it a name that does not end \
                    in {ending}",
                    file.path.display()
                )
                .into());
            }
        }
        Ok(file)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the settings file: in the same folder, with `.toml` instead of `.mmw`.
    pub fn settings_path(&self) -> PathBuf {
        self.path.with_extension("toml")
    }

    /// The path of the file with the key of an account at a broker's service.
    pub fn login_path(&self) -> PathBuf {
        self.path.with_extension("login")
    }

    /// The rules for an output: never over the wallet and the files beside it.
    pub fn rules<'a>(&self, existing: Existing<'a>) -> Rules<'a> {
        Rules::new(existing)
            .uses(&self.path, "the wallet")
            .uses(&self.settings_path(), "the settings file")
            .uses(&self.login_path(), "the login file")
    }

    /// Whether the file exists.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The directory of the file, and its name in it.
    pub fn parts(&self) -> (&DiskDirectory, &str) {
        (&self.directory, &self.name)
    }

    /// Creates the directory (mode 0700) if it does not exist.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn make_directory(&self) -> Result<(), ToolError> {
        let path = self.directory.path();
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        Ok(made.map_err(FileError::on("create", path))?)
    }

    /// Opens the wallet, and creates it if it does not exist.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn create(&self) -> Result<Wallet, ToolError> {
        self.make_directory()?;
        if self.exists() {
            self.check()?;
        }
        Ok(Wallet::open(&self.directory, &self.name, &SystemEntropy)?)
    }

    /// Opens the wallet, which must exist.
    ///
    /// # Errors
    /// It does not exist or cannot be opened.
    pub fn open(&self) -> Result<Wallet, ToolError> {
        self.must_exist()?;
        self.create()
    }

    /// Opens the wallet, which must exist, only to read it.
    ///
    /// # Errors
    /// It does not exist or cannot be opened.
    pub fn look(&self) -> Result<Wallet, ToolError> {
        self.must_exist()?;
        self.check()?;
        Ok(Wallet::open_to_read(&self.directory, &self.name)?)
    }

    /// Why the existing file cannot be written, if it belongs to other users or is on a read-only
    /// file system.
    pub fn unwritable(&self) -> Option<io::Error> {
        let error = fs::OpenOptions::new().append(true).open(&self.path).err()?;
        let kinds = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
        kinds.contains(&error.kind()).then_some(error)
    }

    fn must_exist(&self) -> Result<(), ToolError> {
        if self.exists() {
            return Ok(());
        }
        let path = self.path.display();
        Err(format!(
            "there is no wallet at {path}; `mmwallet receive` creates one, \
            --wallet names another file"
        )
        .into())
    }

    /// Refuses a wallet that others can read, because they could spend it. Warns on a network file
    /// system, where locks may not work.
    fn check(&self) -> Result<(), ToolError> {
        check_private(&self.directory, &self.name)?;
        if self.directory.is_on_network().unwrap_or(false) {
            tell!(
                "mmwallet: warning: {} is on a network file system, where locks may not work: \
                use it from one machine only",
                self.path.display()
            );
        }
        Ok(())
    }
}

/// Whether two paths name the same file, also by way of links.
fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

/// `$XDG_DATA_HOME` if it is an absolute path, or `~/.local/share`.
fn data_folder() -> Result<PathBuf, ToolError> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local").join("share")))
        .ok_or_else(|| {
            "XDG_DATA_HOME and HOME are not set; use --wallet to name the wallet file".into()
        })
}
