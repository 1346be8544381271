//! Executes `docs/guide/apache.md` line by line. The commands run on an overlay of the system's
//! folders and in a network namespace of their own, so the machine is unchanged. Needs root.

use std::path::Path;
use std::process::Command;

use micromint_servers::apache::module;
use micromint_servers::client::base64url;
use micromint_servers::payer;
use micromint_servers::site::Site;

/// The commands of the guide: its indented lines. Fenced blocks are not executed.
fn guide() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/apache.md");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("    "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// Replacements for what the machine of a test does not have: the packages are already installed,
/// the module is built, Apache's own command replaces that of the service manager, and a wallet's
/// coins come from this test.
const STAND_INS: &str = r#"
set -eu
sudo() { "$@"; }
apt() { for package in apache2 apache2-dev libclang-dev; do dpkg -s "$package" >/dev/null; done; }
make() { test "$1" = apache-module && test -f target/apache/mod_micromint.so; }
systemctl() { test "$1 $2" = "restart apache2" && apachectl -k start; }
mmwallet() { for url; do :; done; curl -si -H "MicroMint-Payment: $PAYMENT" "$url"; }
for folder in /etc /usr/lib/apache2/modules /var; do
    mkdir -p "$SCRATCH$folder/upper" "$SCRATCH$folder/work"
    mount -t overlay overlay -o "lowerdir=$folder,upperdir=$SCRATCH$folder/upper,workdir=$SCRATCH$folder/work" "$folder"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
ip link set lo up 2>/dev/null || true
trap 'apachectl -k stop >/dev/null 2>&1 || true; sleep 0.3' EXIT
mkdir -p /var/log/apache2
"#;

#[test]
fn the_guide_leads_to_a_paid_page() {
    let site = Site::new();
    site.write("now.params", &payer::mint().params().to_toml());
    std::fs::create_dir_all(site.path("target/apache")).unwrap();
    std::os::unix::fs::symlink(module(), site.path("target/apache/mod_micromint.so")).unwrap();
    let contrib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib").canonicalize().unwrap();
    std::os::unix::fs::symlink(contrib, site.path("contrib")).unwrap();
    // The overlays' own folders must not be inside what is overlaid: memory of the namespace's own
    // will do.
    let script = format!(
        "mount -t tmpfs tmpfs /mnt\nexport SCRATCH=/mnt\n{STAND_INS}\ncd \"$1\"\n{}",
        guide()
    );
    let payment = payer::payment("http://localhost/long.html", 1);
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "bash",
            "-c",
            &script,
            "guide",
        ])
        .arg(site.folder())
        .env("PAYMENT", base64url(&payment.to_bytes()))
        .output()
        .expect("the program unshare");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    let answers: Vec<&str> = said.split("HTTP/1.1 ").skip(1).collect();
    let statuses: Vec<&str> = answers.iter().map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "402", "200"], "{said}\n{errors}");
    assert!(answers[1].contains("MicroMint-Request:"), "{said}");
    assert!(
        answers[2].contains("MicroMint-Status: paid") && answers[2].contains("A long story"),
        "{said}"
    );
    assert!(!Path::new("/etc/micromint/vendor.toml").exists(), "the machine was changed");
}
