//! Mistakes of a webmaster, each found in a site that is right otherwise; and price files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Site, output, spend, user, write_key};

/// The findings about a site, as `severity kind`, without notes that every trial has.
fn findings(site: &Site, status: i32, arguments: &[&str]) -> Vec<String> {
    let user = user();
    let mut all = vec!["check", "--json"];
    if !arguments.contains(&"--user") {
        all.extend(["--user", &user]);
    }
    if !arguments.contains(&"--nginx") && !arguments.contains(&"--apache") {
        all.push("--no-server");
    }
    all.extend(arguments);
    let (json, _) = output(&mut site.command(&all), status);
    let json: Value = serde_json::from_str(&json).unwrap();
    let findings = json["findings"].as_array().unwrap().iter();
    // So has every site of these tests a note about the vendor key that it does not need.
    let is_usual = |it: &&Value| {
        it["kind"] == "weak-period"
            || it["kind"] == "no-till"
            || it["kind"] == "vendor-key" && it["severity"] == "note"
    };
    let found = findings.filter(|it| !is_usual(it));
    let found = found.map(|finding| {
        for part in ["place", "found", "means", "advice"] {
            assert!(!finding[part].as_str().unwrap().is_empty(), "{finding}");
        }
        format!("{} {}", finding["severity"].as_str().unwrap(), finding["kind"].as_str().unwrap())
    });
    found.collect()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_site_without_mistakes_has_no_findings() {
    let site = Site::new();
    assert_eq!(findings(&site, 0, &["--server-name", "news.example"]), [""; 0]);
    spend(site.path(), 1, 3600, 86_400 * 9);
    set_mode(&site.path().join("till"), 0o700);
    assert_eq!(findings(&site, 0, &[]), [""; 0]);
    let (text, _) = output(&mut site.command(&["check", "--no-server", "--user", &user()]), 0);
    assert!(text.contains("vendor.toml: 0 errors, 0 warnings, "), "{text}");
}

#[test]
fn a_mistake_in_the_configuration_has_its_line_and_column() {
    let site = Site::new();
    site.append("vendor.toml", "cap = -1\n");
    let (text, _) = output(&mut site.command(&["check", "--no-server"]), 2);
    assert!(text.starts_with("error [configuration] vendor.toml:6:7: cap: expected"), "{text}");
    assert!(text.contains("It means: nginx -t") && text.contains("To do: correct it"), "{text}");
    fs::remove_file(site.path().join("vendor.toml")).unwrap();
    assert_eq!(findings(&site, 2, &[]), ["error configuration"]);
}

#[test]
fn the_end_of_the_periods_is_found_in_time() {
    let site = Site::new();
    let at = |days: i64| site.end().plus_seconds(days * 86_400).to_string();
    assert_eq!(findings(&site, 0, &["--as-of", &at(-4)]), [""; 0]);
    assert_eq!(findings(&site, 1, &["--as-of", &at(-3)]), ["warning period-ends"]);
    assert_eq!(findings(&site, 2, &["--as-of", &at(0)]), ["error no-period"]);
    // Where `mmvendor sync` heard from the broker in the last day, it fetches the next period.
    let witness = site.path().join("periods/2026-12.witness");
    fs::write(&witness, "1;0;1;x\n").unwrap();
    let heard = |seconds: i64| {
        let time = site.end().plus_seconds(-3 * 86_400 - seconds).0 as u64;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time);
        fs::File::options().write(true).open(&witness).unwrap().set_modified(time).unwrap();
        let status = if seconds > 86_400 { 1 } else { 0 };
        findings(&site, status, &["--as-of", &at(-3)])
    };
    assert_eq!(heard(86_400), ["note period-ends"]);
    assert_eq!(heard(86_401), ["warning period-ends"]);
    fs::remove_file(&witness).unwrap();
    // The next period starts a day late.
    let next = site.end().plus_seconds(86_400);
    site.write_period("2027-01", next, next.plus_seconds(86_400 * 31));
    assert_eq!(findings(&site, 0, &["--as-of", &at(-4)]), ["note period-gap"]);
    assert_eq!(findings(&site, 1, &["--as-of", &at(-3)]), ["warning period-gap"]);
    assert_eq!(findings(&site, 2, &["--as-of", &at(0)]), ["error no-period"]);
    // It starts in time.
    site.write_period("2027-01", site.end(), next.plus_seconds(86_400 * 31));
    assert_eq!(findings(&site, 0, &["--as-of", &at(-1)]), [""; 0]);
    fs::write(site.path().join("periods/x.params"), "x").unwrap();
    assert_eq!(findings(&site, 2, &[]), ["error periods"]);
}

#[test]
fn owners_files_that_are_missing_damaged_or_old_are_found() {
    let site = Site::new();
    let owners = site.path().join("periods/2026-12.owners");
    let whole = fs::read(&owners).unwrap();
    fs::write(&owners, "x").unwrap();
    assert_eq!(findings(&site, 2, &[]), ["error list-unreadable"]);
    fs::remove_file(&owners).unwrap();
    assert_eq!(findings(&site, 1, &[]), ["warning no-owners-file"]);
    site.append("vendor.toml", "owners = \"required\"\n");
    assert_eq!(findings(&site, 2, &[]), ["error no-owners-file"]);
    fs::write(&owners, whole).unwrap();
    assert_eq!(findings(&site, 0, &[]), [""; 0]);

    // A payment with coins that were sold after the file was made.
    spend(site.path(), 1, 3600, 86_400 * 9);
    set_mode(&site.path().join("till"), 0o700);
    let wanted = site.now().plus_seconds(1000);
    fs::write(site.path().join("till/sync-wanted"), format!("{wanted}\n")).unwrap();
    let at = |seconds: i64| wanted.plus_seconds(seconds).to_string();
    assert_eq!(findings(&site, 0, &["--as-of", &at(120)]), [""; 0]);
    assert_eq!(findings(&site, 1, &["--as-of", &at(121)]), ["warning owners-file-old"]);
}

#[test]
fn coins_that_are_not_redeemed_are_found_before_they_are_lost() {
    let site = Site::new();
    spend(site.path(), 1, 3600, 86_400 * 9);
    set_mode(&site.path().join("till"), 0o700);
    let at = |days: i64| site.now().plus_seconds(days * 86_400).to_string();
    assert_eq!(findings(&site, 0, &["--as-of", &at(2)]), [""; 0]);
    assert_eq!(findings(&site, 1, &["--as-of", &at(4)]), ["warning not-redeemed"]);
    assert_eq!(findings(&site, 2, &["--as-of", &at(7)]), ["error not-redeemed"]);
    assert_eq!(findings(&site, 2, &["--as-of", &at(10)]), ["error not-redeemed"]);
    write_key(site.path(), 0o600);
    output(&mut site.command(&["redeem", "--out", "batch", "--key-file", "key"]), 0);
    assert_eq!(findings(&site, 0, &["--as-of", &at(1)]), [""; 0]);
    assert_eq!(findings(&site, 1, &["--as-of", &at(3)]), ["warning batch-unanswered"]);
    assert_eq!(findings(&site, 2, &["--as-of", &at(10)]), ["error batch-unanswered"]);
}

#[test]
fn files_that_the_workers_cannot_use_and_secrets_that_others_can_are_found() {
    let site = Site::new();
    spend(site.path(), 1, 3600, 86_400 * 9);
    set_mode(&site.path().join("till"), 0o700);
    // The temporary folder of a test is closed to others.
    set_mode(site.path(), 0o755);
    let nobody = ["--user", "nobody"];
    assert_eq!(findings(&site, 2, &nobody), ["error closed-to-workers"], "the till");
    set_mode(&site.path().join("periods"), 0o700);
    let closed = ["error closed-to-workers"; 2];
    assert_eq!(findings(&site, 2, &nobody), closed, "the till and the periods");
    set_mode(&site.path().join("periods"), 0o755);
    set_mode(&site.path().join("periods/2026-12.params"), 0o600);
    assert_eq!(findings(&site, 2, &nobody), closed, "the till and the parameters");
    set_mode(&site.path().join("periods/2026-12.params"), 0o644);

    set_mode(&site.path().join("till"), 0o755);
    assert_eq!(findings(&site, 1, &[]), ["warning till-open"]);
    set_mode(&site.path().join("till"), 0o700);
    site.write("till.receipt-secret", "");
    set_mode(&site.path().join("till.receipt-secret"), 0o640);
    assert_eq!(findings(&site, 2, &[]), ["error receipt-secret"]);
    set_mode(&site.path().join("till.receipt-secret"), 0o600);
    site.write("vendor.key", super::KEY);
    set_mode(&site.path().join("vendor.key"), 0o644);
    assert_eq!(findings(&site, 2, &[]), ["error vendor-key"]);
    set_mode(&site.path().join("vendor.key"), 0o600);
    set_mode(&site.path().join("vendor.toml"), 0o666);
    assert_eq!(findings(&site, 1, &[]), ["warning writable"]);
    output(&mut site.command(&["check", "--no-server", "--user", "no-such-user"]), 1);
}

#[test]
fn a_wrong_clock_is_found() {
    let site = Site::new();
    spend(site.path(), 1, 3600, 86_400 * 9);
    set_mode(&site.path().join("till"), 0o700);
    let before = site.now().plus_seconds(-86_400 * 2).to_string();
    assert_eq!(findings(&site, 2, &["--as-of", &before]), ["error clock"]);
    let before = site.now().plus_seconds(-3600).to_string();
    assert_eq!(findings(&site, 2, &["--as-of", &before]), ["error clock"]);
}

#[test]
fn two_vendors_with_one_till_are_found() {
    let site = Site::new();
    spend(site.path(), 1, 3600, 86_400 * 9);
    set_mode(&site.path().join("till"), 0o700);
    let text = fs::read_to_string(site.path().join("vendor.toml")).unwrap();
    let other = text.replace("news.example", "shop.example");
    site.write("other.toml", &other.replace("periods\"", "others\""));
    assert_eq!(findings(&site, 2, &[]), ["error shared-till"]);
    site.write("other.toml", &other.replace("till\"", "other\""));
    assert_eq!(findings(&site, 2, &[]), ["error shared-periods"]);
    // The payments of another vendor are in the till.
    site.write("other.toml", "");
    site.write("vendor.toml", &other.replace("periods\"", "others\""));
    fs::create_dir(site.path().join("others")).unwrap();
    let params = site.path().join("periods/2026-12.params");
    fs::copy(params, site.path().join("others/2026-12.params")).unwrap();
    let expected = ["error shared-till", "warning no-owners-file"];
    assert_eq!(findings(&site, 2, &[]), expected);
}

#[test]
fn names_and_folders_of_the_servers_are_examined() {
    let site = Site::new();
    assert_eq!(
        findings(&site, 1, &["--server-name", "shop.example"]),
        ["warning unknown-server-name"]
    );
    fs::create_dir(site.path().join("www")).unwrap();
    site.write("www/long.html", "");
    site.write("www/long.mm", "2");
    site.write("www/a.html", "");
    site.write("www/a.html.mm", "two");
    let nginx = format!(
        "http {{ micromint_config {0}/vendor.toml; server {{ server_name news.example \
         shop.example; root {0}/www; micromint on; }} }}",
        site.path().display()
    );
    site.write("nginx.conf", &nginx);
    let expected = ["error price-file", "warning unknown-server-name", "warning price-file-orphan"];
    assert_eq!(findings(&site, 2, &["--nginx", "nginx.conf"]), expected);
    let apache = format!(
        "MicroMintConfig {0}/vendor.toml\n<VirtualHost *:80>\nServerName shop.example\n\
         DocumentRoot {0}\nMicroMint On\n</VirtualHost>\n",
        site.path().display()
    );
    site.write("apache.conf", &apache);
    let found = findings(&site, 2, &["--apache", "apache.conf"]);
    assert_eq!(found.iter().filter(|line| *line == "error published").count(), 3, "{found:?}");
    output(&mut site.command(&["check", "--nginx", "absent.conf"]), 1);
    site.write("vendor.toml", &site.text().replace("https://news", "http://news"));
    assert_eq!(findings(&site, 1, &[]), ["warning http-origin"]);
}

#[test]
fn prices_without_effect_are_found() {
    let site = Site::new();
    let folder = site.path().display().to_string();
    fs::create_dir_all(site.path().join("www/deep")).unwrap();
    site.write("www/long.html", "");
    let nginx_with = |status: i32, line: &str| {
        let text = format!(
            "http {{ server {{ server_name news.example; root {folder}/www; {line} }} \
             server {{ server_name other.example; root {folder}/www; }} }}"
        );
        site.write("nginx.conf", &text);
        findings(&site, status, &["--nginx", "nginx.conf"])
    };
    let nginx = |line: &str| nginx_with(1, line);
    let on = format!("micromint_config {folder}/vendor.toml; micromint on;");
    // Without a price file or a list nothing is lost.
    let off = format!("http {{ server {{ server_name news.example; root {folder}/www; }} }}");
    site.write("nginx.conf", &off);
    assert_eq!(findings(&site, 0, &["--nginx", "nginx.conf"]), [""; 0]);
    site.write("www/long.html.mm", "2");
    assert_eq!(nginx(""), ["warning paywall-off"]);
    // The server reads another configuration than the one that is examined.
    site.write("other.toml", &site.text());
    let other = nginx(&format!("micromint_config {folder}/other.toml; micromint on;"));
    assert!(other.contains(&"warning configuration-not-used".to_string()), "{other:?}");
    fs::remove_file(site.path().join("other.toml")).unwrap();

    // The index of a folder, under two names; and a price that only one of them has.
    site.append("vendor.toml", "prices = \"prices.toml\"\n");
    site.write("prices.toml", "[[price]]\npath = \"/deep/\"\ncoins = 2\n");
    site.write("www/deep/index.html", "");
    assert_eq!(nginx(&on), ["warning index-price"]);
    site.write("prices.toml", "[[price]]\npath = \"/deep/{*rest}\"\ncoins = 2\n");

    // Ports of no origin, which are those of a server behind a proxy.
    let listens = |listens: &str| nginx_with(0, &format!("{listens} {on}"));
    assert_eq!(listens("listen 8090;"), ["note origin-port"]);
    assert_eq!(listens("listen 443;"), ["note origin-port"], "without TLS");
    assert_eq!(listens("listen 80; listen [::]:443 ssl;"), [""; 0]);
    assert_eq!(listens("listen unix:/run/x;"), [""; 0]);

    // Files that Apache does not read.
    site.write("www/deep/.htaccess", "# prices\n  MicroMintPrice 2\n");
    let apache = |status: i32, words: &str| {
        let text = format!(
            "MicroMintConfig {folder}/vendor.toml\n<Directory />\nAllowOverride None\n</Directory>\n\
             <Directory {folder}/www>\nAllowOverride {words}\n</Directory>\n<VirtualHost *:443>\n\
             SSLEngine on\nServerName news.example\nDocumentRoot {folder}/www\nMicroMint On\n</VirtualHost>\n"
        );
        site.write("apache.conf", &text);
        findings(&site, status, &["--apache", "apache.conf"])
    };
    assert_eq!(apache(1, "None"), ["warning htaccess"]);
    assert_eq!(apache(2, "FileInfo"), ["error htaccess"]);
    assert_eq!(apache(0, "FileInfo AuthConfig"), [""; 0]);
    assert_eq!(apache(0, "All"), [""; 0]);
}

#[test]
fn price_files_that_are_no_files_are_found() {
    let site = Site::new();
    fs::create_dir_all(site.path().join("www/folder.html.mm")).unwrap();
    for name in ["folder.html", "link.html", "pipe.html", "blank.html", "blank.html.mm "] {
        site.write(&format!("www/{name}"), "");
    }
    std::os::unix::fs::symlink("absent", site.path().join("www/link.html.mm")).unwrap();
    let pipe = site.path().join("www/pipe.html.mm");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let root = site.path().join("www").display().to_string();
    let broken = "error price-file";
    let expected = [broken, broken, broken, "warning price-file-name"];
    assert_eq!(findings(&site, 2, &["--root", &root]), expected);
}

/// What is said of a price file without a page, and of one with money.
#[test]
fn the_effect_of_a_wrong_price_file_is_told_as_it_is() {
    let site = Site::new();
    fs::create_dir_all(site.path().join("www/deep")).unwrap();
    for (name, price) in [("gone.html.mm", "3"), ("free.html.mm", "0"), ("deep.mm", "2")] {
        site.write(&format!("www/{name}"), price);
    }
    let said = |kind: &str, name: &str| {
        let output = site.command(&["check", "--no-server", "--root", "www", "--json"]);
        let output = { output }.output().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let findings = value["findings"].as_array().unwrap();
        let is_it = |it: &&serde_json::Value| {
            it["kind"] == kind && it["place"].as_str().unwrap().ends_with(name)
        };
        let finding = findings.iter().find(is_it).unwrap();
        ["found", "means", "advice"].map(|part| finding[part].as_str().unwrap().to_string())
    };
    let means = |name| said("price-file-orphan", name)[1].clone();
    assert!(means("gone.html.mm").contains("is asked to pay, and then gets 404"));
    for without in ["free.html.mm", "deep.mm"] {
        assert!(means(without).starts_with("it has no effect"), "{}", means(without));
    }

    site.write("www/money.html", "");
    site.write("www/money.html.mm", "2 XTS");
    let [found, _, advice] = said("price-file", "money.html.mm");
    assert!(found.contains("found 2 XTS: for prices in money"), "{found}");
    let says =
        "such as 2; for a price in money, first set coin-value in the vendor's configuration";
    assert!(advice.ends_with(says), "{advice}");
    // An amount that can be written there.
    site.append("vendor.toml", "coin-value = \"0.01 USD\"\n");
    let [found, _, advice] = said("price-file", "money.html.mm");
    assert!(found.contains("expected a price in USD"), "{found}");
    assert!(advice.ends_with("such as 2, or an amount, such as 0.02 USD"), "{advice}");
    site.write("www/money.html.mm", "0.02 USD");
    let output = site.command(&["check", "--no-server", "--root", "www"]).output().unwrap();
    assert!(!String::from_utf8(output.stdout).unwrap().contains("[price-file]"));
}

/// The parameters of another broker, as `sync` found them.
#[test]
fn parameters_that_are_not_the_brokers_are_found() {
    let site = Site::new();
    let beside = site.path().join("periods/2026-12.params-of-broker");
    let params = fs::read_to_string(site.path().join("periods/2026-12.params")).unwrap();
    assert_eq!(findings(&site, 0, &[]), [""; 0]);
    site.write("periods/2026-12.params-of-broker", &params.replace("broker.example", "b.example"));
    assert_eq!(findings(&site, 2, &[]), ["error params-differ"]);
    let output = site.command(&["check", "--no-server"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let advice = "mv periods/2026-12.params-of-broker periods/2026-12.params";
    assert!(text.contains("the broker has other parameters") && text.contains(advice), "{text}");
    // One that is the same says nothing; one that is no parameters is not the same.
    site.write("periods/2026-12.params-of-broker", &params);
    assert_eq!(findings(&site, 0, &[]), [""; 0]);
    site.write("periods/2026-12.params-of-broker", "");
    assert_eq!(findings(&site, 2, &[]), ["error params-differ"]);
    fs::rename(beside, site.path().join("periods/2027-01.params-of-broker")).unwrap();
    assert_eq!(findings(&site, 2, &[]), ["error params-differ"]);
}

#[test]
fn prices_are_printed_with_their_reason() {
    let site = Site::new();
    fs::create_dir(site.path().join("www")).unwrap();
    for (name, text) in
        [("long.html", ""), ("long.html.gz", ""), ("long.html.mm", "2"), ("x.html.MM", "1")]
    {
        site.write(&format!("www/{name}"), text);
    }
    let line = "www/long.html.gz: 2 coins: 2 coins by the price file www/long.html.mm\n";
    let (text, _) = output(&mut site.command_alone(&["prices", "www"]), 0);
    assert!(text.contains(line), "{text}");
    assert!(text.contains("warning [price-file-name] www/x.html.MM: "), "{text}");
    assert!(text.contains("To do: rename it to www/x.html.mm"), "{text}");
    assert!(text.contains("mmwallet price URL"), "{text}");
    let (json, _) = output(&mut site.command_alone(&["prices", "--json", "www"]), 0);
    let long = output(&mut site.command_alone(&["prices", "--format", "json", "www"]), 0);
    assert_eq!(json, long.0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["priced"][0]["coins"], 2);
    assert_eq!(json["findings"][0]["kind"], "price-file-name");
    let (_, stderr) = output(&mut site.command_alone(&["prices", "absent"]), 1);
    assert!(stderr.contains("absent"), "{stderr}");
}

#[test]
fn prices_of_the_list_are_printed_with_their_entry() {
    let site = Site::new();
    let (_, stderr) = output(&mut site.command(&["prices"]), 1);
    assert!(stderr.contains("no price list"), "{stderr}");
    site.append("vendor.toml", "prices = \"prices.toml\"\n");
    site.write(
        "prices.toml",
        "[[price]]\npath = \"/2026/{id}\"\ncoins = 2\ntitle = \"The year\"\n\
         [[price]]\npath = \"/{*rest}\"\nquery = \"print\"\ncoins = 5\n",
    );
    let (text, _) = output(&mut site.command(&["prices"]), 0);
    let expected = "/2026/{id}: 2 coins (0.02 USD): The year\n\
                    /{*rest} (query print): 5 coins (0.05 USD)\n";
    assert_eq!(text, expected);

    fs::create_dir_all(site.path().join("www/2026")).unwrap();
    site.write("www/2026/long.html", "");
    site.write("www/2026/long.html.mm", "3");
    let url = "https://news.example/a/../2026/long.html";
    let (text, _) = output(&mut site.command(&["prices", url]), 0);
    assert!(text.contains("price list: 2 coins, by /2026/{id}\n"), "{text}");
    assert!(text.contains("name the document root with --root"), "{text}");
    assert!(text.contains("costs at least 2 coins (0.02 USD); prices of directives"), "{text}");
    let (text, _) = output(&mut site.command(&["prices", "--root", "www", url]), 0);
    assert!(text.contains("price file: 3 coins, by www/2026/long.html.mm\n"), "{text}");
    assert!(text.contains("costs at least 3 coins (0.03 USD)"), "{text}");
    // A content that removes no dots sees a page of the second entry.
    for (url, coins) in [("https://news.example/2026/long.html", 2), (url, 5)] {
        let url = format!("{url}?print");
        let (json, _) = output(&mut site.command(&["prices", "--json", &url]), 0);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["coins"], &json["price-file"]), (&Value::from(coins), &Value::Null));
    }
    let (text, _) = output(&mut site.command(&["prices", "https://news.example/?print=1"]), 0);
    assert!(text.contains("price list: 5 coins, by /{*rest} (query print)\n"), "{text}");
    let (_, stderr) = output(&mut site.command(&["prices", "https://shop.example/"]), 1);
    assert!(stderr.contains("none of the vendor's origins"), "{stderr}");

    let (text, _) = output(&mut site.command(&["prices", "www"]), 0);
    let line = "www/2026/long.html: 3 coins: 3 coins by the price file www/2026/long.html.mm, \
                2 coins by the entry /2026/{id}\n";
    assert!(text.contains(line), "{text}");
    site.append("prices.toml", "[[price]]\npath = \"/x\"\ncoins = 501\n");
    let (text, _) = output(&mut site.command(&["check", "--no-server", "--user", &user()]), 2);
    assert!(text.starts_with("error [price-list] prices.toml:11:9: coins: "), "{text}");
}

#[test]
fn a_vendor_key_that_is_none_is_found() {
    let site = Site::new();
    let arguments = ["check", "--no-server", "--user", &user()];
    let (text, _) = output(&mut site.command(&arguments), 0);
    assert!(text.contains("note [vendor-key] vendor.key: does not exist"), "{text}");
    for (key, expected) in [("abc\n", vec!["error vendor-key"]), (super::KEY, vec![])] {
        let path = site.path().join("vendor.key");
        fs::write(&path, key).unwrap();
        set_mode(&path, 0o600);
        assert_eq!(findings(&site, if expected.is_empty() { 0 } else { 2 }, &[]), expected);
    }
}

#[test]
fn prices_that_have_no_effect_or_no_payment_are_found() {
    let site = Site::new();
    site.append("vendor.toml", "prices = \"prices.toml\"\ncoin-value = \"0.01 USD\"\n");
    site.write(
        "prices.toml",
        "[[price]]\npath = \"/q\"\nquery = \"p\"\ncoins = 5\n\n\
         [[price]]\npath = \"/q\"\nquery = \"p=7\"\ncoins = 0\n",
    );
    assert_eq!(findings(&site, 1, &[]), ["warning price-never"]);
    let (text, _) = output(&mut site.command(&["check", "--no-server"]), 1);
    assert!(
        text.contains("/q (query p=7), 0 coins, never decides: /q (query p), 5 coins"),
        "{text}"
    );
    // A more general entry leaves it its say.
    site.write(
        "prices.toml",
        "[[price]]\npath = \"/q\"\ncoins = 5\n\n\
         [[price]]\npath = \"/q\"\nquery = \"p=7\"\ncoins = 0\n",
    );
    assert_eq!(findings(&site, 0, &[]), [""; 0]);

    // 501 coins, and another currency: the server starts, and answers 500.
    for (price, status, expected) in [
        ("5.01 USD", 1, vec!["warning price-too-high"]),
        ("5.00 USD", 0, vec![]),
        ("1 EUR", 2, vec!["error price-directive"]),
        ("$price", 0, vec![]),
    ] {
        let nginx = format!(
            "http {{ server {{ listen 443 ssl; server_name news.example; micromint on;\n\
             location /a {{ micromint_price \"{price}\"; }} }} }}\n"
        );
        site.write("nginx.conf", &nginx);
        assert_eq!(findings(&site, status, &["--nginx", "nginx.conf"]), expected, "{price}");
    }
}

#[test]
fn a_page_of_the_vendors_own_without_a_price_is_found() {
    let site = Site::new();
    site.append("vendor.toml", "page = \"page.html\"\n");
    site.write("page.html", "<p>Pay.</p>\n");
    assert_eq!(findings(&site, 1, &[]), ["warning page"]);
    site.write("page.html", "<p>Pay {{ coins }}.</p>\n");
    assert_eq!(findings(&site, 0, &[]), [""; 0]);
}

/// A pipe where a file is expected is no reason to wait for ever.
#[test]
fn a_pipe_in_place_of_a_file_is_not_read() {
    let make_pipe = |site: &Site, name: &str| {
        let path = site.path().join(name);
        let _ = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    let check = |site: &Site, server: &[&str], status: i32| {
        let mut command = site.command(&[&["check"], server].concat());
        output(command.timeout(Duration::from_secs(30)), status)
    };
    let site = Site::new();
    site.write("nginx.conf", "http { include *.pipe; }\n");
    make_pipe(&site, "a.pipe");
    let (_, told) = check(&site, &["--nginx", "nginx.conf"], 0);
    assert!(told.contains("a.pipe"), "{told}");

    for (name, kind) in [
        ("vendor.key", "vendor-key"),
        ("prices.toml", "price-list"),
        ("periods/2026-12.params", "periods"),
        ("vendor.toml", "configuration"),
    ] {
        let site = Site::new();
        site.append("vendor.toml", "prices = \"prices.toml\"\n");
        site.write("prices.toml", "");
        make_pipe(&site, name);
        let (text, _) = check(&site, &["--no-server"], 2);
        assert!(text.contains(&format!("error [{kind}]")), "{name}: {text}");
    }
}

#[test]
fn a_page_whose_name_is_not_utf8_and_one_with_a_broken_price_are_told() {
    use std::os::unix::ffi::OsStrExt;
    let site = Site::new();
    let www = site.path().join("www");
    fs::create_dir(&www).unwrap();
    let name = |bytes: &[u8]| www.join(std::ffi::OsStr::from_bytes(bytes));
    fs::write(name(b"latin\xe9.html"), "x").unwrap();
    fs::write(name(b"latin\xe9.html.mm"), "1").unwrap();
    fs::write(name(b"a%b.html"), "x").unwrap();
    fs::write(name(b"a%b.html.mm"), "3").unwrap();
    fs::write(name(b"b.html"), "x").unwrap();
    fs::write(name(b"b.html.mm"), "1.5").unwrap();
    let prices = |page: &str, status: i32| {
        let url = format!("https://news.example/{page}");
        output(&mut site.command(&["prices", &url, "--root", "www"]), status).0
    };
    let text = prices("latin%E9.html", 0);
    assert!(text.contains("price file: 1 coin, by "), "{text}");
    let text = prices("a%25b.html", 0);
    assert!(text.contains("price file: 3 coins, by "), "{text}");
    let text = prices("b.html", 1);
    assert!(text.contains("price file: holds no price\n"), "{text}");
    assert!(text.contains("error [price-file]") && text.contains("is answered with 500"), "{text}");
    assert!(!text.contains("costs at least"), "{text}");
}
