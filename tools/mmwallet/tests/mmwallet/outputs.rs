//! The files that `mmwallet` writes, and those that it must not overwrite.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;

use super::site::Site;
use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout, text};

/// No name and no link leads a page over the wallet, its settings or another file of MicroMint.
#[test]
fn a_page_never_overwrites_a_file_of_micromint() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let settings = home.path("data/wallet.toml");
    fs::write(&settings, "autopay = 5\n").unwrap();
    let login = home.file("data/wallet.login", b"key\nhttps://broker.example\nalice\n");
    symlink(home.wallet(), home.path("soft")).unwrap();
    fs::hard_link(home.wallet(), home.path("hard")).unwrap();
    symlink(home.path("data"), home.path("folder")).unwrap();
    home.file("key", "ab".repeat(32).as_bytes());
    home.file("body", b"a body");
    home.file("other.toml", b"# another wallet\ndaily-limit = 5\n");
    home.file("other.login", b"key\nhttps://broker.example\nbob\n");
    let funds = fs::read(home.path("funds-1")).unwrap();
    let before = fs::read(home.wallet()).unwrap();
    let url = vendor.url("/page");
    for name in [
        "data/wallet.mmw",
        "soft",
        "hard",
        "folder/wallet.mmw",
        "folder/wallet.toml",
        "data/wallet.login",
        &format!("/proc/self/root{}", text(&home.wallet())),
        "funds-1",
        "key",
        "other.toml",
        "other.login",
        "data",
    ] {
        let output = home.run(&["get", &url, "-o", text(&home.path(name))]);
        assert_eq!(status(&output), 1, "{name}: {output:?}");
        let error = stderr(&output);
        let is_told = error.contains("is not overwritten") || error.contains("found a folder");
        assert!(is_told, "{name}: {error}");
    }
    // Standard output can be the wallet too.
    for args in [&["get", &url][..], &["get", &url, "-o", "-"], &["backup", "/dev/stdout"]] {
        let wallet = fs::File::options().append(true).open(home.wallet()).unwrap();
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("mmwallet"));
        let command = command.env_clear().arg("--wallet").arg(home.wallet()).args(args);
        let output = command.stdout(wallet).output().unwrap();
        assert_eq!(status(&output), 1, "{output:?}");
        assert!(stderr(&output).contains("standard output is the wallet"), "{output:?}");
    }
    let body = format!("@{}", text(&home.path("body")));
    let output = home.run(&["get", &url, "-d", &body, "-o", text(&home.path("body"))]);
    assert!(stderr(&output).contains("is the body, which this command uses"), "{output:?}");
    let pem = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap().cert.pem();
    let pem = home.file("ca.pem", pem.as_bytes());
    let output = home.run(&["get", &url, "--cacert", text(&pem), "-o", text(&pem)]);
    assert!(stderr(&output).contains("is the file of certificates"), "{output:?}");
    assert_eq!((vendor.seen().len(), fs::read(home.wallet()).unwrap()), (0, before));
    assert_eq!(fs::read(home.path("funds-1")).unwrap(), funds);
    assert_eq!(fs::read_to_string(&settings).unwrap(), "autopay = 5\n");
    assert_eq!(fs::read(login).unwrap(), b"key\nhttps://broker.example\nalice\n");
    // Anything else is overwritten, as curl does.
    let page = home.file("page", b"an older and longer page");
    assert_eq!(status(&home.run(&["get", &url, "-o", text(&page)])), 0);
    assert_eq!(fs::read(&page).unwrap(), b"paid content");
}

#[test]
fn a_page_goes_to_devices_pipes_and_links() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let get = |name: &str| {
        let output = home.run(&["get", "--autopay", "5", "-s", &vendor.url("/page"), "-o", name]);
        (status(&output), stdout(&output))
    };
    assert_eq!(get("/dev/null"), (0, String::new()));
    for name in ["-", "/dev/stdout", "/dev/fd/1"] {
        assert_eq!(get(name), (0, "paid content".to_string()), "{name}");
    }
    assert_eq!(get("/dev/full").0, 5);
    assert_eq!(home.outcome(), "unknown");
    let pipe = home.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut bytes = Vec::new();
            fs::File::open(pipe).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        }
    });
    assert_eq!(get(text(&pipe)).0, 0);
    assert_eq!(reader.join().unwrap(), b"paid content");
    symlink("real", home.path("link")).unwrap();
    assert_eq!(get(text(&home.path("link"))).0, 0);
    assert_eq!(fs::read(home.path("real")).unwrap(), b"paid content");
    assert!(fs::symlink_metadata(home.path("link")).unwrap().is_symlink());
}

/// The files beside the wallet are not made by accident either: the settings would be unreadable.
#[test]
fn no_output_becomes_a_settings_or_login_file() {
    let home = Home::with_coins();
    for (name, what) in [("wallet.toml", "the settings file"), ("wallet.login", "the login file")] {
        let path = home.path("data").join(name);
        for command in [&["backup"][..], &["move", "--out"], &["return", "-o"]] {
            let output = home.run(&[command, &[text(&path)]].concat());
            assert_eq!(status(&output), 1, "{output:?}");
            assert!(stderr(&output).contains(&format!("is {what}")), "{output:?}");
        }
        assert!(!path.exists(), "{name}");
    }
    assert_eq!(status(&home.run(&["balance"])), 0);
}

#[test]
fn a_backup_goes_to_every_kind_of_output_and_replaces_nothing() {
    let home = Home::with_coins();
    symlink(home.wallet(), home.path("soft")).unwrap();
    home.file("letter", b"Dear Bob");
    let before = fs::read(home.wallet()).unwrap();
    for name in ["data/wallet.mmw", "soft", "letter", "funds-1"] {
        let output = home.run(&["backup", text(&home.path(name))]);
        assert_eq!(status(&output), 1, "{name}: {output:?}");
        assert!(stderr(&output).contains("is not overwritten"), "{name}: {output:?}");
    }
    assert_eq!(fs::read(home.wallet()).unwrap(), before);
    let whole = home.run(&["backup", "-"]).stdout;
    let file = home.path("backup");
    assert_eq!(status(&home.run(&["backup", text(&file)])), 0);
    assert_eq!(fs::read(&file).unwrap().len(), whole.len());
    assert_eq!(status(&home.run(&["backup", "/dev/full"])), 1);
    let piped = home.file("piped", &whole);
    fs::set_permissions(&piped, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let other = Home::new();
    assert_eq!(status(&other.run(&["restore", text(&piped)])), 0);
    let names = fs::read_dir(home.path("")).unwrap();
    let hidden = names
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

/// A name that is no UTF-8 is a file like any other.
#[test]
fn a_name_that_is_no_utf8_is_written() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (home, site) = (Home::new(), Site::start());
    let name = home.directory.path().join(OsStr::from_bytes(b"caf\xe9"));
    let mut command = home.command("mmwallet");
    let output = command.args(["get", &site.url("/text"), "-o"]).arg(&name).output().unwrap();
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(fs::read(&name).unwrap(), b"hello\n");
    let mut command = home.command("mmwallet");
    let output = command.arg("receive").arg(&name).output().unwrap();
    assert!(stderr(&output).contains("caf\u{fffd}: "), "{output:?}");
}
