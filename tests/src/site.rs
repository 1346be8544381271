//! A vendor's web site on disk: pages, price files, parameter files, the vendor's configuration.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::payer;

/// A folder with a site and everything that its server needs.
pub struct Site {
    folder: TempDir,
    /// The port of the plain HTTP origin.
    pub port: u16,
    /// The port of the TLS origin.
    pub tls_port: u16,
    /// Another port, for a server behind the server.
    pub back_port: u16,
}

impl Site {
    /// A site with the pages `free.html`, `one.html` (one coin), `two.html` (two coins) and the
    /// accepted periods of [`payer`].
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Site {
        let folder = tempfile::Builder::new().prefix("micromint-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let site = Site {
            folder,
            port: crate::free_port(),
            tls_port: crate::free_port(),
            back_port: crate::free_port(),
        };
        for name in ["www", "periods", "logs"] {
            std::fs::create_dir(site.path(name)).unwrap();
        }
        for mint in payer::accepted_mints() {
            let params = mint.params();
            site.write(&format!("periods/{}.params", params.period()), &params.to_toml());
        }
        site.write("vendor.toml", &site.vendor_toml("till"));
        site.page("free.html", "free", None);
        site.page("one.html", "content for one", Some("1\n"));
        site.page("two.html", "content for two", Some("2\n"));
        site
    }

    /// A vendor's configuration with its till in `till`.
    pub fn vendor_toml(&self, till: &str) -> String {
        let (port, tls_port) = (self.port, self.tls_port);
        format!(
            "vendor-id = \"localhost\"\n\
             origins = [\"http://localhost:{port}\", \"https://localhost:{tls_port}\"]\n\
             periods = \"periods\"\ntill = \"{till}\"\nsync = \"os\"\n"
        )
    }

    /// A path in the site's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The site's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file in the site's folder, and creates the folders above it.
    pub fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Writes a page, and its price file if it has a price.
    pub fn page(&self, name: &str, content: &str, price: Option<&str>) {
        self.write(&format!("www/{name}"), content);
        if let Some(price) = price {
            self.write(&format!("www/{name}.mm"), price);
        }
    }

    /// The URL of a page as it appears in a Request-Payment.
    pub fn url(&self, target: &str) -> String {
        format!("http://localhost:{}{target}", self.port)
    }

    /// Replaces the placeholders of a configuration: `%FOLDER%`, `%PORT%`, `%TLS_PORT%`,
    /// `%BACK_PORT%`.
    pub fn fill(&self, text: &str) -> String {
        text.replace("%FOLDER%", self.folder().to_str().unwrap())
            .replace("%PORT%", &self.port.to_string())
            .replace("%TLS_PORT%", &self.tls_port.to_string())
            .replace("%BACK_PORT%", &self.back_port.to_string())
    }

    /// Makes a key and a certificate for `localhost`: `tls.key` and `tls.crt`.
    pub fn make_certificate(&self) {
        let output = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args(["-days", "2", "-subj", "/CN=localhost", "-keyout"])
            .arg(self.path("tls.key"))
            .arg("-out")
            .arg(self.path("tls.crt"))
            .output()
            .expect("the program openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
