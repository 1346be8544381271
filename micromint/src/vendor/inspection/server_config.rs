//! The parts of an nginx or Apache configuration that an inspection needs: server names, document
//! roots, and where the paywall is on.
//!
//! Input: the main configuration file. Output: the [`Site`]s on which the paywall is on. It reads
//! directives as the servers do, with includes, and evaluates no variables, conditions or defines:
//! what it does not understand is left out, so a finding about a site may be missing.

use std::path::{Path, PathBuf};

use super::server_syntax::{Directive, Files, Syntax};
use crate::error::FileError;

/// A site of a server on which the paywall is on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Site {
    /// The file and line of the block.
    pub position: String,
    /// Its names, such as `news.example` or `*.news.example`. Names by patterns are left out.
    pub names: Vec<String>,
    /// Where it accepts connections; nothing is known if this is empty.
    pub listens: Vec<Listen>,
    /// The folders that it publishes.
    pub roots: Vec<PathBuf>,
    /// The vendors' configuration files that it names.
    pub configs: Vec<PathBuf>,
    /// What `.htaccess` files may say: a folder and the words of its `AllowOverride` and
    /// `AllowOverrideList`. `None` for nginx, which does not read these files.
    pub overrides: Option<Vec<(PathBuf, String)>>,
    /// The prices of its directives, as they are written, each with its file and line.
    pub prices: Vec<(String, String)>,
}

/// A port where a site accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub is_tls: bool,
}

/// What was read of a server's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The sites on which the paywall is on.
    pub sites: Vec<Site>,
    /// The sites on which it is on nowhere.
    pub sites_without: Vec<Site>,
    /// The files and includes that could not be read, with the reason.
    pub unread: Vec<String>,
}

impl ServerConfig {
    /// Reads the main configuration file of nginx.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn nginx(path: &Path) -> Result<ServerConfig, FileError> {
        let mut files = Files::new(path, Syntax::Nginx);
        let tree = files.read(path, 0).map_err(FileError::on("read", path))?;
        let mut sites = Vec::new();
        find_nginx_sites(&tree, &Settings::default(), &files.folder, &mut sites);
        Ok(ServerConfig::new(sites, files.unread))
    }

    /// Reads the main configuration file of Apache.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn apache(path: &Path) -> Result<ServerConfig, FileError> {
        let mut files = Files::new(path, Syntax::Apache);
        let tree = files.read(path, 0).map_err(FileError::on("read", path))?;
        Ok(ServerConfig::new(apache_sites(&tree, &files.folder), files.unread))
    }

    fn new(sites: Vec<(Site, bool)>, unread: Vec<String>) -> ServerConfig {
        let (with, without): (Vec<_>, Vec<_>) = sites.into_iter().partition(|(_, is_on)| *is_on);
        let sites_of = |all: Vec<(Site, bool)>| all.into_iter().map(|(site, _)| site).collect();
        ServerConfig { sites: sites_of(with), sites_without: sites_of(without), unread }
    }
}

/// The settings that a block inherits.
#[derive(Clone, Default)]
struct Settings {
    is_on: bool,
    config: Option<PathBuf>,
    root: Option<PathBuf>,
}

impl Settings {
    /// The settings with the directives of a block.
    fn with(&self, block: &[Directive], folder: &Path) -> Settings {
        let mut settings = self.clone();
        let named = |name: &str| block.iter().any(|directive| directive.name == name);
        // A price alone switches the paywall on.
        settings.is_on |= named("micromint_price") || named("micromintprice");
        for directive in block {
            match directive.name.as_str() {
                "micromint" => settings.is_on = !directive.arg().eq_ignore_ascii_case("off"),
                "micromint_config" | "micromintconfig" => {
                    settings.config = Some(folder.join(directive.arg()));
                }
                "root" | "documentroot" => settings.root = Some(folder.join(directive.arg())),
                _ => {}
            }
        }
        settings
    }

    /// Adds what these settings say to a site.
    fn add_to(&self, site: &mut Site) {
        if let Some(config) = self.config.as_ref().filter(|_| self.is_on) {
            add(&mut site.configs, config.clone());
        }
        // A root with a variable is not one folder.
        if let Some(root) = self.root.as_ref().filter(|root| !root.to_string_lossy().contains('$'))
        {
            add(&mut site.roots, root.clone());
        }
    }
}

fn add<T: PartialEq>(values: &mut Vec<T>, value: T) {
    if !values.contains(&value) {
        values.push(value);
    }
}

/// Whether a server name is one that a client can ask for by name.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name != "_"
        && !name.starts_with(['~', '.'])
        && !name.contains('$')
        && name.parse::<std::net::IpAddr>().is_err()
}

fn find_nginx_sites(
    block: &[Directive],
    inherited: &Settings,
    folder: &Path,
    sites: &mut Vec<(Site, bool)>,
) {
    let settings = inherited.with(block, folder);
    for directive in block {
        match directive.name.as_str() {
            "http" => find_nginx_sites(&directive.block, &settings, folder, sites),
            "server" => sites.extend(nginx_site(directive, &settings, folder)),
            _ => {}
        }
    }
}

/// A site, and whether the paywall is on in it.
fn nginx_site(server: &Directive, inherited: &Settings, folder: &Path) -> Option<(Site, bool)> {
    // A server that only redirects answers before any place is asked for a price.
    if server.block.iter().any(|directive| directive.name == "return") {
        return None;
    }
    let mut site = Site { position: server.position.clone(), ..Site::default() };
    for name in server.block.iter().filter(|directive| directive.name == "server_name") {
        site.names.extend(name.args.iter().filter(|name| is_name(name)).cloned());
    }
    for listen in server.block.iter().filter(|directive| directive.name == "listen") {
        let is_tls = listen.args.iter().any(|word| matches!(&**word, "ssl" | "quic"));
        site.listens.extend(port_of(listen.arg()).map(|port| Listen { port, is_tls }));
    }
    let is_on = add_places(&server.block, inherited, folder, &mut site);
    Some((site, is_on))
}

/// The port of an address, such as `8080`, `*:8080` or `[::]:8080`; 80 if it has none. `None` for a
/// Unix socket, and for a port that is a variable.
fn port_of(address: &str) -> Option<u16> {
    if address.starts_with("unix:") {
        return None;
    }
    if let Ok(port) = address.parse() {
        return Some(port);
    }
    // The colons of an IPv6 address stand in brackets.
    let after_host = address.rfind(']').map_or(address, |end| &address[end..]);
    after_host.rsplit_once(':').map_or(Some(80), |(_, port)| port.parse().ok())
}

/// Adds the settings of a block and of the places in it. Returns whether the paywall is on in any.
fn add_places(block: &[Directive], inherited: &Settings, folder: &Path, site: &mut Site) -> bool {
    let settings = inherited.with(block, folder);
    settings.add_to(site);
    let is_price = |it: &&Directive| matches!(&*it.name, "micromint_price" | "micromintprice");
    for price in block.iter().filter(is_price) {
        add(&mut site.prices, (price.position.clone(), price.arg().to_string()));
    }
    let places = block.iter().filter(|directive| !directive.block.is_empty());
    places.fold(settings.is_on, |is_on, place| {
        add_places(&place.block, &settings, folder, site) || is_on
    })
}

fn apache_sites(tree: &[Directive], folder: &Path) -> Vec<(Site, bool)> {
    let mut hosts = Vec::new();
    // Virtual hosts may be inside of <IfModule> and the like.
    tree.iter().for_each(|directive| {
        directive.walk(&mut |inner| {
            if inner.name == "virtualhost" {
                hosts.push(inner);
            }
        });
    });
    let mut main: Vec<Directive> = Vec::new();
    flatten(tree, &mut main);
    let inherited = Settings::default().with(&main, folder);
    let overrides = apache_overrides(tree);
    // The main server answers where no virtual host does.
    let server = main_server(&main, &hosts);
    let hosts = hosts.into_iter().chain(&server);
    hosts
        .filter_map(|host| {
            let (mut site, is_on) = apache_site(host, &inherited, folder, &overrides)?;
            let places = main.iter().filter(|place| is_place_of(place, &site.roots));
            let places: Vec<Directive> = places.cloned().collect();
            let is_on_there = add_places(&places, &Settings::default(), folder, &mut site);
            Some((site, is_on || is_on_there))
        })
        .collect()
}

/// Apache's main server as a host, if it has a document root and connections of its own: those at a
/// port that no virtual host has for all addresses.
fn main_server(main: &[Directive], hosts: &[&Directive]) -> Option<Directive> {
    let root = main.iter().find(|directive| directive.name == "documentroot")?;
    let is_taken = |port: u16| {
        let addresses = hosts.iter().flat_map(|host| &host.args);
        let is_everywhere = |address: &&String| {
            let name = address.rsplit_once(':').map_or(address.as_str(), |(name, _)| name);
            matches!(name, "*" | "_default_")
        };
        addresses.filter(is_everywhere).any(|address| {
            !address.contains(':') || address.ends_with(":*") || port_of(address) == Some(port)
        })
    };
    let listens: Vec<&Directive> = main.iter().filter(|it| it.name == "listen").collect();
    let own = listens.iter().filter(|it| port_of(it.arg()).is_some_and(|port| !is_taken(port)));
    let args: Vec<String> = own.map(|it| it.arg().to_string()).collect();
    if args.is_empty() && !(listens.is_empty() && hosts.is_empty()) {
        return None;
    }
    let block = main.iter().filter(|it| !is_place(it)).cloned().collect();
    Some(Directive { name: "virtualhost".into(), args, position: root.position.clone(), block })
}

/// Whether a directive begins a place, such as `<Directory>`.
fn is_place(directive: &Directive) -> bool {
    let name = directive.name.trim_end_matches("match");
    matches!(name, "directory" | "location" | "files" | "if" | "proxy" | "limit" | "limitexcept")
}

/// Whether a place outside of virtual hosts has pages of a site with these roots.
fn is_place_of(place: &Directive, roots: &[PathBuf]) -> bool {
    let path = Path::new(place.arg());
    // A pattern may be any folder.
    let is_literal = place.name == "directory" && !place.arg().contains(['~', '*', '?', '[']);
    let is_its = |root: &PathBuf| path.starts_with(root) || root.starts_with(path);
    is_place(place) && (!is_literal || roots.iter().any(is_its))
}

/// What `.htaccess` files may say in which folder.
fn apache_overrides(tree: &[Directive]) -> Vec<(PathBuf, String)> {
    let mut overrides = Vec::new();
    for directive in tree {
        directive.walk(&mut |place| {
            // The word after <Directory is `~` for a pattern.
            if place.name != "directory" || place.arg() == "~" {
                return;
            }
            let is_override =
                |it: &&Directive| matches!(&*it.name, "allowoverride" | "allowoverridelist");
            for inner in place.block.iter().filter(is_override) {
                overrides.push((place.arg().into(), inner.args.join(" ").to_ascii_lowercase()));
            }
        });
    }
    overrides
}

/// The directives outside of virtual hosts, and the places with what is in them.
fn flatten(block: &[Directive], all: &mut Vec<Directive>) {
    for directive in block {
        match directive.name.as_str() {
            "ifmodule" | "ifdefine" | "ifversion" => flatten(&directive.block, all),
            "virtualhost" => {}
            _ => all.push(directive.clone()),
        }
    }
}

fn apache_site(
    host: &Directive,
    inherited: &Settings,
    folder: &Path,
    overrides: &[(PathBuf, String)],
) -> Option<(Site, bool)> {
    let overrides = Some(overrides.to_vec());
    let mut site = Site { position: host.position.clone(), overrides, ..Site::default() };
    let mut own = Vec::new();
    flatten(&host.block, &mut own);
    // A host that redirects everything has no pages.
    let is_root = |args: &[String]| args.iter().rev().nth(1).is_some_and(|path| path == "/");
    if own.iter().any(|it| it.name == "redirect" && is_root(&it.args)) {
        return None;
    }
    let is_tls = own.iter().any(|it| it.name == "sslengine" && it.arg().eq_ignore_ascii_case("on"));
    let ports = host.args.iter().filter_map(|address| port_of(address));
    site.listens.extend(ports.map(|port| Listen { port, is_tls }));
    for directive in own.iter().filter(|it| matches!(&*it.name, "servername" | "serveralias")) {
        // A server name may have a scheme and a port.
        let names = directive.args.iter().map(|name| {
            let name = name.rsplit("//").next().unwrap_or(name);
            name.split(':').next().unwrap_or(name).to_string()
        });
        site.names.extend(names.filter(|name| is_name(name)));
    }
    let is_on = add_places(&host.block, inherited, folder, &mut site);
    Some((site, is_on))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with these files.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn sites_of_nginx_with_the_paywall_are_found() {
        let folder = folder(&[
            (
                "nginx.conf",
                "user www-data; # } not a brace\nhttp {\n  micromint_config vendor.toml;\n  \
                 include sites/*.conf;\n  log_format x '{\"a;b\": $a}';\n}\n",
            ),
            (
                "sites/a.conf",
                "server {\n listen 80; listen [::]:443 ssl; listen unix:/x; listen *:$p;\n \
                 server_name news.example \"*.news.example\" _ ~^x{2}$ 192.0.2.1;\n \
                 root /var/www/html;\n micromint on;\n \
                 location /a { root /srv/$host; }\n location /b { root /srv/b; }\n}\n",
            ),
            ("sites/b.conf", "server { server_name free.example; root /x; }"),
            (
                "sites/c.conf",
                "server {\n\n server_name one.example;\n location ~ \\.php$ {\n micromint on; \
                 micromint_config other.toml; set $a ${b};\n } }",
            ),
            ("sites/d.conf", "server { server_name d.example; micromint on; return 301 x; }"),
            ("sites/.e.conf", "server { server_name hidden.example; micromint on; }"),
        ]);
        let found = ServerConfig::nginx(&folder.path().join("nginx.conf")).unwrap();
        let at = |name: &str| folder.path().join(name);
        let [a, c] = &found.sites[..] else { panic!("{found:?}") };
        assert_eq!(a.names, ["news.example", "*.news.example"]);
        assert_eq!(a.roots, [Path::new("/var/www/html"), Path::new("/srv/b")]);
        assert_eq!(a.configs, [at("vendor.toml")]);
        let listen = |port, is_tls| Listen { port, is_tls };
        assert_eq!(a.listens, [listen(80, false), listen(443, true)]);
        assert_eq!(c.names, ["one.example"]);
        let [b] = &found.sites_without[..] else { panic!("{found:?}") };
        assert_eq!(
            (&b.names[..], &b.roots[..]),
            (&["free.example".to_string()][..], &[PathBuf::from("/x")][..])
        );
        assert_eq!(c.configs, [at("other.toml")]);
        assert_eq!(c.position, format!("{}:1", at("sites/c.conf").display()));
        assert!(found.unread.is_empty(), "{found:?}");
        assert!(ServerConfig::nginx(&at("absent")).is_err());
    }

    #[test]
    fn sites_of_apache_with_the_paywall_are_found() {
        let folder = folder(&[
            (
                "apache2.conf",
                "# a comment\nMicroMintConfig vendor.toml\n<IfModule mod_micromint.c>\n\
                 MicroMint On\n</IfModule>\nIncludeOptional sites-enabled/*.conf\n",
            ),
            (
                "sites-enabled/a.conf",
                "<VirtualHost *:443 [::1]:8443>\n SSLEngine On\n ServerName https://news.example:443\n ServerAlias \
                 www.news.example \\\n   \"m.news.example\"\n DocumentRoot \"/var/www/a b\"\n\
                 </VirtualHost>\n",
            ),
            (
                "sites-enabled/b.conf",
                "<VirtualHost *:80>\n ServerName b.example\n MicroMint Off\n</VirtualHost>\n",
            ),
            (
                "sites-enabled/c.conf",
                "<VirtualHost *:80>\n ServerName c.example\n Redirect permanent \"/\" \
                 \"https://news.example/\"\n</VirtualHost>\n",
            ),
        ]);
        let found = ServerConfig::apache(&folder.path().join("apache2.conf")).unwrap();
        let [a] = &found.sites[..] else { panic!("{found:?}") };
        assert_eq!(a.names, ["news.example", "www.news.example", "m.news.example"]);
        assert_eq!(a.roots, [Path::new("/var/www/a b")]);
        let listen = |port| Listen { port, is_tls: true };
        assert_eq!(a.listens, [listen(443), listen(8443)]);
        assert_eq!(a.configs, [folder.path().join("vendor.toml")]);
        let without: Vec<&str> =
            found.sites_without.iter().flat_map(|site| &site.names).map(String::as_str).collect();
        assert_eq!(without, ["b.example"]);
    }

    #[test]
    fn the_main_server_of_apache_is_a_site_where_no_virtual_host_answers() {
        let main = "Listen 80\nListen 8080\nServerName main.example\nDocumentRoot /srv/main\n\
                    <IfModule micromint_module>\nMicroMint On\n</IfModule>\n\
                    <Location /x>\nMicroMintPrice \"5.01 USD\"\n</Location>\n";
        let host = |address: &str| {
            format!("<VirtualHost {address}>\nServerName host.example\n</VirtualHost>\n")
        };
        for (hosts, ports) in [
            (String::new(), Some(vec![80, 8080])),
            (host("*:80"), Some(vec![8080])),
            (host("_default_:8080"), Some(vec![80])),
            (host("192.0.2.1:80") + &host("*:8080"), Some(vec![80])),
            (host("*:80") + &host("*:8080"), None),
            (host("*"), None),
            (host("*:*"), None),
        ] {
            let folder = folder(&[("apache2.conf", &format!("{main}{hosts}"))]);
            let found = ServerConfig::apache(&folder.path().join("apache2.conf")).unwrap();
            let server = found.sites.iter().find(|site| site.names == ["main.example"]);
            let its = server.map(|it| it.listens.iter().map(|it| it.port).collect::<Vec<_>>());
            assert_eq!(its, ports, "{hosts}");
            if let Some(server) = server {
                assert_eq!(server.roots, [Path::new("/srv/main")]);
                assert_eq!(server.prices.len(), 1);
                assert_eq!(server.prices[0].1, "5.01 USD");
            }
        }
        // Debian's main server has no folder.
        let folder = folder(&[("apache2.conf", "Listen 80\nMicroMint On\n")]);
        let found = ServerConfig::apache(&folder.path().join("apache2.conf")).unwrap();
        assert!(found.sites.is_empty() && found.sites_without.is_empty(), "{found:?}");
    }

    #[test]
    fn a_place_outside_of_a_virtual_host_counts_for_its_pages() {
        for (place, is_on) in [
            ("<Directory /srv/www/paid>\nMicroMintPrice 3\n</Directory>", true),
            ("<Directory /srv>\nMicroMintPrice 3\n</Directory>", true),
            ("<Directory /other>\nMicroMintPrice 3\n</Directory>", false),
            ("<DirectoryMatch ^/x>\nMicroMintPrice 3\n</DirectoryMatch>", true),
            ("<Location /x>\nMicroMint On\n</Location>", true),
            ("<Location /x>\nMicroMint Off\n</Location>", false),
            ("<Directory /srv/www>\nRequire all granted\n</Directory>", false),
        ] {
            let text = format!(
                "{place}\n<VirtualHost *:80>\nServerName a\nDocumentRoot /srv/www\n</VirtualHost>\n"
            );
            let folder = folder(&[("apache2.conf", &text)]);
            let found = ServerConfig::apache(&folder.path().join("apache2.conf")).unwrap();
            assert_eq!(
                (found.sites.len(), found.sites_without.len()),
                match is_on {
                    true => (1, 0),
                    false => (0, 1),
                },
                "{place}"
            );
        }
    }

    #[test]
    fn a_price_alone_is_a_paywall_and_overrides_are_read() {
        let folder = folder(&[
            ("nginx.conf", "http { server { server_name a; location /x { micromint_price 2; } } }"),
            (
                "apache2.conf",
                "<Directory />\nAllowOverride None\n</Directory>\n<VirtualHost *:80>\nServerName b\n\
                 <Location /x>\nMicroMintPrice 2\n</Location>\n<Directory \"/srv/www\">\n\
                 AllowOverride AuthConfig FileInfo\n</Directory>\n</VirtualHost>\n",
            ),
        ]);
        let nginx = ServerConfig::nginx(&folder.path().join("nginx.conf")).unwrap();
        assert_eq!((nginx.sites.len(), &nginx.sites[0].overrides), (1, &None));
        let apache = ServerConfig::apache(&folder.path().join("apache2.conf")).unwrap();
        let expected =
            [("/", "none"), ("/srv/www", "authconfig fileinfo")].map(|(a, b)| (a.into(), b.into()));
        assert_eq!(apache.sites[0].overrides, Some(expected.to_vec()));
    }
}
