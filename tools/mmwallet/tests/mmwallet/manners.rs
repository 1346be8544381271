//! The options that `mmwallet get` shares with curl, compared with curl itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use super::site::{Asked, Site};
use super::vendor::Vendor;
use super::{Home, MINT, status, stderr, stdout, text};

/// What a run left: standard output, the files in its folder, and the requests without the headers
/// in which the programs differ.
type Left = (String, BTreeMap<String, Vec<u8>>, Vec<Asked>);

fn left(output: &Output, folder: &Path, site: &Site, has_agent: bool) -> Left {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.map(|path| {
        (path.file_name().unwrap().to_str().unwrap().to_string(), std::fs::read(path).unwrap())
    });
    let mut asked = site.take();
    for one in &mut asked {
        if !has_agent {
            one.headers.remove("user-agent");
        }
        // curl also names codings that mmwallet does not know.
        if one.headers.get("accept-encoding").is_some_and(|value| value.contains("gzip")) {
            one.headers.insert("accept-encoding".into(), "gzip".into());
        }
        // Newer versions of curl put a blank between cookies.
        if let Some(cookies) = one.headers.get_mut("cookie") {
            *cookies = cookies.replace("; ", ";");
        }
        // mmwallet also asks for a message that it can pay.
        if one.headers.get("accept").is_some_and(|value| value == "application/x-micromint, */*") {
            one.headers.insert("accept".into(), "*/*".into());
        }
        one.headers.remove("connection");
    }
    // The head of a response is printed with header names in other letters.
    (stdout(output).to_lowercase(), files.collect(), asked)
}

fn run(mut command: Command, folder: &Path, args: &[String]) -> Output {
    command.current_dir(folder).env_clear().env("HOME", folder).args(args).output().unwrap()
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Each line is run by both programs. `@` stands for the site.
#[test]
fn options_mean_what_they_mean_in_curl() {
    if !is_there("curl") {
        eprintln!("curl is not installed: nothing is compared");
        return;
    }
    let site = Site::start();
    let mut differing = Vec::new();
    for line in [
        "@/text",
        "-i @/text",
        "-I @/text",
        "-L @/moved",
        "-L -i @/moved",
        "-L --max-redirs 1 @/moved",
        "-o page @/text",
        "-o - @/text",
        "-O @/text",
        "-O @/text?a=b",
        "-OJ @/named",
        "-J -O @/text",
        "-O @/a/text -o second @/text",
        "-o one -O @/text @/b/two",
        "-o one @/text @/gzip",
        "--output-dir . -O @/text",
        "-A agent @/text",
        "-A @/text -A agent @/text",
        "-b a=1;b=2 @/text",
        "-b a=1 -b b=2 @/text",
        "-e http://from.example/ @/text",
        "-e ;auto -L @/moved",
        "-u name:pass @/text",
        "-u name:pa:ss -L @/moved",
        "-f -o page @/text",
        "-f -o page @/missing",
        "-f @/missing",
        "-w %{http_code}:%{size_download}:%{num_redirects}:%{content_type}\\n @/text",
        "-L -w %{url_effective}|%{num_redirects}|%{method}|%{http_version} @/moved",
        "-w %{redirect_url}:%{response_code} -o page @/moved",
        "-w %header{x-word}%%\\t%{filename_effective} -o page @/text",
        "-w %{scheme} -I @/text",
        "--compressed @/gzip",
        "--compressed -o page @/gzip",
        "--compressed @/text",
        "@/gzip",
        "-r 2-4 @/digits",
        "-r 7- -o page @/digits",
        "-H X-A:b -H X-C; -H Accept: @/text",
        "-X DELETE @/text",
        "--retry 2 --retry-delay 0 -o page @/busy",
        "--connect-timeout 5 -m 5.5 @/text",
        "-sS @/text",
        "-sSfL @/moved",
        "@/text @/text",
    ] {
        let words: Vec<String> = line.split(' ').map(|w| w.replace('@', &site.url(""))).collect();
        let has_agent = line.contains("-A ");
        let homes = [Home::new(), Home::new()];
        let [ours, theirs] = homes.each_ref().map(|home| home.path("run"));
        std::fs::create_dir(&ours).unwrap();
        std::fs::create_dir(&theirs).unwrap();
        let curl = run(Command::new("curl"), &theirs, &[&["-s".to_string()][..], &words].concat());
        let expected = left(&curl, &theirs, &site, has_agent);
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("mmwallet"));
        command.arg("--wallet").arg(homes[0].wallet()).arg("get");
        let output = run(command, &ours, &words);
        let found = left(&output, &ours, &site, has_agent);
        let is_redirect = line.contains("redirect_url");
        let ends_alike = is_redirect || output.status.success() == curl.status.success();
        if found != expected || !ends_alike {
            eprintln!("{line}\n  here {found:?}\n  curl {expected:?}\n  {output:?}");
            differing.push(line);
        }
    }
    assert_eq!(differing, [""; 0]);
}

/// A download goes on where it stopped, as with curl; a server without ranges sends all of it.
#[test]
fn a_download_goes_on() {
    let (home, site) = (Home::new(), Site::start());
    let file = home.path("page");
    let get = |path: &str, more: &[&str]| {
        home.run(&[&["get", &site.url(path), "-o", text(&file)], more].concat())
    };
    let output = get("/half", &[]);
    assert_eq!(status(&output), 7, "{output:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"0123");
    let output = get("/digits", &["-C", "-"]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"0123456789");
    assert_eq!(site.take()[1].headers["range"], "bytes=4-");
    // It is complete already.
    let output = get("/digits", &["-C", "-"]);
    assert_eq!((status(&output), std::fs::read(&file).unwrap()), (0, b"0123456789".into()));
    let output = get("/digits", &["-C", "8"]);
    assert_eq!((status(&output), std::fs::read(&file).unwrap()), (0, b"0123456789".into()));
    let output = get("/text", &["-C", "-"]);
    assert_eq!((status(&output), std::fs::read(&file).unwrap()), (0, b"hello\n".into()));
    for args in [
        vec!["get", "-C", "-", "http://localhost/"],
        vec!["get", "-C", "x", "-O", "http://localhost/a"],
    ] {
        assert_ne!(status(&home.run(&args)), 0);
    }
}

/// A page that broke off is paid for. It goes on with the same coins.
#[test]
fn a_paid_download_goes_on_with_the_same_coins() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let (coins, file) = (home.unspent(), home.path("page"));
    let get = |more: &[&str]| {
        let url = vendor.url("/cut");
        home.run(&[&["get", &url, "--autopay", "5", "-o", text(&file)], more].concat())
    };
    assert_eq!(status(&get(&[])), 5);
    assert_eq!(std::fs::read(&file).unwrap(), b"half");
    let output = get(&["-C", "-"]);
    assert_eq!(status(&output), 0, "{output:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"paid content");
    assert_eq!((home.unspent(), vendor.spent()), (coins - 2, 2));
}

/// A lost answer is fetched again, with the same coins, by the same command.
#[test]
fn a_payment_is_tried_again_and_made_once() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    for page in ["/lost", "/cut"] {
        let (coins, file) = (home.unspent(), home.path("page"));
        let url = vendor.url(page);
        let line = [
            "get",
            &url,
            "--autopay",
            "5",
            "--retry",
            "1",
            "--retry-delay",
            "0",
            "-o",
            text(&file),
        ];
        let output = home.run(&[&line[..], &["-w", "%{coins_paid}"]].concat());
        assert_eq!((status(&output), stdout(&output).as_str()), (0, "2"), "{output:?}");
        assert_eq!(std::fs::read(&file).unwrap(), b"paid content");
        assert_eq!(home.unspent(), coins - 2);
    }
}

#[test]
fn a_head_request_is_never_charged_and_shows_the_head() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let output = home.run(&["get", "-I", "--autopay", "5", &vendor.url("/page")]);
    assert_eq!(status(&output), 3, "{output:?}");
    assert!(stdout(&output).starts_with("HTTP/1.1 402 Payment Required\r\n"), "{output:?}");
    assert!(stderr(&output).contains("its price is 2 coins (0.02 USD); a HEAD"), "{output:?}");
    assert_eq!(vendor.payments().len(), 0);
}

/// Each page is decided by itself; the exit status is that of the last one that failed.
#[test]
fn several_pages_are_paid_one_after_the_other() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let pages = ["/page", "/expensive", "/free"].map(|page| vendor.url(page));
    let urls = pages.each_ref().map(String::as_str);
    let output = home.run(&[&["get", "--autopay", "5"], &urls[..]].concat());
    assert_eq!((status(&output), stdout(&output).as_str()), (3, "paid contentfree content"));
    assert_eq!(vendor.spent(), 2);
    let output = home.run(&["get", "nonsense", urls[2]]);
    assert_eq!((status(&output), stdout(&output).as_str()), (1, "free content"), "{output:?}");
}

/// Cookies of a file go to their own site only, and beside a receipt in one header.
#[test]
fn cookies_come_from_a_file_and_join_the_receipt() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let cookies = home.file(
        "cookies.txt",
        b"\xef\xbb\xbf# Netscape HTTP Cookie File\r\n\
          127.0.0.1\tFALSE\t/\tFALSE\t0\tmine\tyes\r\n\
          other.example\tFALSE\t/\tFALSE\t0\ttheirs\tno\r\n",
    );
    let url = vendor.url("/receipt");
    let line = ["get", &url, "--autopay", "5", "-b", text(&cookies)];
    assert_eq!(stdout(&home.run(&line)), "paid content");
    assert_eq!(stdout(&home.run(&line)), "bought before");
    let seen = vendor.seen();
    let cookies: Vec<_> = seen.iter().map(|seen| seen.headers["cookie"].as_str()).collect();
    assert_eq!(cookies, ["mine=yes", "mine=yes", "mine=yes; micromint-receipt=1"]);
    let latin = home.file("latin.txt", b"caf\xe9");
    let output = home.run(&["get", &url, "-b", text(&latin)]);
    assert!(stderr(&output).contains("latin.txt: expected UTF-8 text, found another byte"));
}

#[test]
fn verbose_shows_both_heads() {
    let (home, vendor) = (Home::with_coins(), Vendor::start(&MINT));
    let url = vendor.url("/page");
    let output =
        home.run(&["get", "-v", "-u", "name:secret", "-b", "a=secret", "--autopay", "5", &url]);
    let shown = stderr(&output);
    for line in [
        "> GET /page HTTP/1.1",
        "> POST /page HTTP/1.1",
        "> Authorization: [not shown]",
        "> Cookie: [not shown]",
        "< HTTP/1.1 402 Payment Required",
        "< micromint-status: paid",
    ] {
        assert!(shown.lines().any(|found| found == line), "expected {line:?} in {shown}");
    }
    assert!(!shown.contains("secret") && !shown.contains("bmFtZTpzZWNyZXQ"), "{shown}");
}

/// Binary content is not written to a terminal, which script(1) provides, unless it is named.
#[test]
fn a_terminal_is_spared_binary_content() {
    let (home, site) = (Home::new(), Site::start());
    let program = assert_cmd::cargo::cargo_bin("mmwallet");
    for (more, path, expected) in [("", "/binary", 1), ("-o -", "/binary", 0), ("", "/text", 0)] {
        let wallet = home.wallet();
        let line = format!(
            "{} --wallet {} get {more} {}",
            program.display(),
            wallet.display(),
            site.url(path)
        );
        let mut script = assert_cmd::Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).timeout(std::time::Duration::from_secs(30));
        let output = script.output().unwrap();
        assert_eq!(status(&output), expected, "{line}: {output:?}");
        assert_eq!(stdout(&output).contains("it is binary"), expected == 1, "{output:?}");
    }
}

#[test]
fn a_location_that_leads_nowhere_is_not_followed() {
    let (home, site) = (Home::new(), Site::start());
    let output = home.run(&["get", "-L", &site.url("/moved-nowhere")]);
    assert_eq!((status(&output), stdout(&output).as_str()), (6, "moved"), "{output:?}");
    assert_eq!(site.take().len(), 1);
    let output = home.run(&["get", "-L", &site.url("/moved-login")]);
    assert!(stderr(&output).contains("URL for 127.0.0.1: give a name"), "{output:?}");
}

/// A file that the server names gets the mode that the umask allows, as `-o` and curl's files do.
#[test]
fn the_umask_applies_to_every_file() {
    use std::os::unix::fs::PermissionsExt;
    let (home, site) = (Home::new(), Site::start());
    for (umask, mode) in [("077", 0o600), ("022", 0o644), ("007", 0o660)] {
        for (options, name) in [("-OJ", "said.txt"), ("-O", "named"), ("-o out", "out")] {
            let script = format!(
                "umask {umask}; cd '{}'; exec '{}' --wallet w.mmw get {options} {}",
                text(&home.path("")),
                assert_cmd::cargo::cargo_bin("mmwallet").display(),
                site.url("/named")
            );
            let ran = Command::new("sh").args(["-c", &script]).env_clear().output();
            assert_eq!(status(&ran.unwrap()), 0, "{script}");
            let path = home.path(name);
            let found = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{options}, umask {umask}");
            std::fs::remove_file(path).unwrap();
        }
    }
}
