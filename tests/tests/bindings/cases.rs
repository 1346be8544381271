//! Plays the cases of `testdata/cases/*.toml` against each application, over HTTP. The cases fix
//! the date, so the library gets its time from `clock.c`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use micromint::protocol::STATUS_HEADER;
use micromint::testing::cases::{
    Case, CaseStep, Client, FILE_SIZE, Seen, accepted_mints, assert_played, compare,
    file_modified_at, first_request_at, for_servers,
};
use micromint_servers::bindings::{Application, Running, library, selected};
use micromint_servers::cases::Clock;
use micromint_servers::client::RequestText;
use micromint_servers::site::Site;

const ETAG: &str = "\"5f-64\"";
/// The longest time until a line appears in a log.
const LOG_PATIENCE: Duration = Duration::from_secs(1);

/// Cases that an application cannot play: its name (empty for all), a part of the case's name, and
/// why.
const LEFT_OUT: &[(&str, &str, &str)] = &[
    ("", "a price above the maximum of a payment", PRICE_IS_CHECKED),
    ("", "a dry run reports a failing till and an impossible price", PRICE_IS_CHECKED),
    ("python wsgi", "two Authorization fields", FIELDS_ARE_JOINED),
    ("python django", "two Authorization fields", FIELDS_ARE_JOINED),
    ("php plain", "two Authorization fields", FIELDS_ARE_JOINED),
    ("php psr15", "two Authorization fields", FIELDS_ARE_JOINED),
    ("ruby rack", "two Authorization fields", FIELDS_ARE_JOINED),
    ("python asgi", "a payment in a header opens the page", QUERY_IS_LOST),
    ("python django-asgi", "a payment in a header opens the page", QUERY_IS_LOST),
    ("php plain", "a view that cannot be counted is not free", OPENED_AGAIN),
    ("php plain", "an unreadable file changes nothing", OPENED_AGAIN),
    ("php plain", "an owners file that cannot be read", OPENED_AGAIN),
    ("php plain", "a payment that cannot be recorded", OPENED_AGAIN),
    ("php psr15", "a view that cannot be counted is not free", OPENED_AGAIN),
    ("php psr15", "an unreadable file changes nothing", OPENED_AGAIN),
    ("php psr15", "an owners file that cannot be read", OPENED_AGAIN),
    ("php psr15", "a payment that cannot be recorded", OPENED_AGAIN),
    ("php plain", "every other method has the price too", METHOD_IS_UNKNOWN),
    ("php psr15", "every other method has the price too", METHOD_IS_UNKNOWN),
    ("ruby rack", "nothing in a URL becomes markup", TARGET_IS_REFUSED),
    ("ruby rack", "programs get a problem document", TARGET_IS_REFUSED),
];
const PRICE_IS_CHECKED: &str =
    "the library refuses such a price, and the application fails with 500 (attacks.rs)";
const FIELDS_ARE_JOINED: &str = "the server joins repeated fields before the application";
const QUERY_IS_LOST: &str = "the server does not tell whether a target ends in a question mark";
const OPENED_AGAIN: &str =
    "a script opens the paywall for each request, and answers 503 or fails if it cannot";
const TARGET_IS_REFUSED: &str = "Puma refuses targets with such characters with 400";
const METHOD_IS_UNKNOWN: &str = "PHP's own server answers only methods that it knows";

#[test]
fn every_case_is_answered_as_written() {
    for (application, case, reason) in LEFT_OUT {
        if std::env::var_os("MICROMINT_CASES").is_some() {
            break;
        }
        let is_known = for_servers().iter().any(|(_, it)| it.name.contains(case));
        assert!(is_known, "{application}: no case {case:?} to leave out because {reason}");
    }
    let mut failures = Vec::new();
    for application in selected() {
        let (count, differences) = play_all(application);
        println!("{}: {count} steps", application.name());
        failures.extend(differences.iter().map(|it| format!("{}: {it}", application.name())));
        assert_played(count);
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

fn play_all(application: Application) -> (usize, Vec<String>) {
    let site = Site::new();
    let cases: Vec<_> = for_servers()
        .into_iter()
        .filter(|(_, case)| {
            !LEFT_OUT.iter().any(|(its, name, _)| {
                (its.is_empty() || application.name() == *its) && case.name.contains(name)
            })
        })
        .collect();
    for (number, (_, case)) in cases.iter().enumerate() {
        build(&site, &format!("case-{number}"), case);
    }
    let clock = Clock::new(&site);
    let listen = format!("127.0.0.1:{}", micromint_servers::free_port());
    let preloaded = site.path("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bindings/clock.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&preloaded, &source])
        .arg("-ldl")
        .status();
    assert!(compiled.unwrap().success());
    let running = Running::start(application, &site, &listen, |command| {
        let mut preloaded = preloaded.into_os_string();
        if application.language == "php" {
            // It opens libraries so that their functions come before preloaded ones, unless the
            // library is loaded already.
            preloaded.push(":");
            preloaded.push(library());
        }
        command.env("LD_PRELOAD", preloaded).env("MICROMINT_CASE_CLOCK", clock.file());
    });
    let (mut count, mut failures) = (0, Vec::new());
    for (number, (file, case)) in cases.iter().enumerate() {
        let mut player = Player {
            running: &running,
            clock: &clock,
            vendor: format!("case-{number}"),
            folder: &site.path(&format!("case-{number}")),
            client: Client::default(),
            now: first_request_at().0,
        };
        clock.set(player.now);
        let open = RequestText::get("/").with("X-Case-Vendor", &player.vendor);
        let opened = running.ask(&open.with("X-Case-Price", "0"));
        if ![200, 402].contains(&opened.status) {
            failures.push(format!("{file}: {}: not opened: {opened:?}", case.name));
            continue;
        }
        for (number, step) in case.step.iter().enumerate() {
            count += 1;
            let seen = player.play(step);
            let is_ours =
                seen.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(STATUS_HEADER));
            if step.or_refused && seen.status == 400 && !is_ours && seen.content_method.is_none() {
                continue;
            }
            if let Err(difference) = compare(&seen, &step.expect) {
                failures.push(format!("{file}: {}, step {}: {difference}", case.name, number + 1));
            }
        }
    }
    if !failures.is_empty() {
        println!("{}", running.log());
    }
    (count, failures)
}

fn build(site: &Site, name: &str, case: &Case) {
    site.write(&format!("{name}/vendor.toml"), &case.config());
    if let Some(prices) = &case.prices {
        site.write(&format!("{name}/prices.toml"), prices);
    }
    if let Some(keys) = &case.bot_keys {
        site.write(&format!("{name}/bot-keys.toml"), keys);
    }
    for mint in accepted_mints() {
        let params = mint.params();
        site.write(&format!("{name}/periods/{}.params", params.period()), &params.to_toml());
    }
}

/// One case from its first request on.
struct Player<'a> {
    running: &'a Running,
    clock: &'a Clock,
    vendor: String,
    folder: &'a Path,
    client: Client,
    now: i64,
}

impl Player<'_> {
    fn play(&mut self, step: &CaseStep) -> Seen {
        if step.till_fails {
            let till = self.folder.join("till");
            std::fs::remove_dir_all(&till).unwrap();
            // A program that opens it for each request must not create it again.
            std::fs::write(till, "").unwrap();
        }
        for (name, content) in step.put_files() {
            let path = match name.strip_prefix("till/") {
                Some(name) => self.folder.join("till").join(name),
                None => self.folder.join("periods").join(name),
            };
            let new = path.with_file_name(".new");
            std::fs::write(&new, content).unwrap();
            std::fs::rename(new, path).unwrap();
        }
        self.now += step.after;
        self.clock.set(self.now);
        let logged = self.running.log().len();
        let answer = self.running.ask(&self.request(step));
        let (content_method, content_fields) = match answer.seen() {
            Some((method, _, fields)) => (Some(method), Some(fields)),
            None => (None, None),
        };
        let mut seen = Seen {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            content_method,
            content_fields,
            ..Seen::default()
        };
        self.client.keep_cookies(&seen);
        // A server may write its log after it has sent the answer.
        let start = Instant::now();
        loop {
            seen.log = self.running.log().split_off(logged);
            seen.event = seen.log.clone();
            if step.till_fails {
                seen.log.push_str("simulated");
            }
            if compare(&seen, &step.expect).is_ok() || start.elapsed() > LOG_PATIENCE {
                return seen;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn request(&self, step: &CaseStep) -> RequestText {
        let asked = self.client.ask(step, ETAG);
        let mut request = RequestText::new(&step.method, &step.target);
        request.headers.clear();
        if !step.host.is_empty() {
            request = request.with("Host", &step.host);
        } else {
            // HTTP/1.1 requires the field.
            request = request.by_http_1_0();
        }
        request.headers.extend(asked.headers);
        request = request
            .with("X-Case-Vendor", &self.vendor)
            .with("X-Case-Client", &step.client.to_string())
            .with("X-Case-Price", &step.price.to_string())
            .with("X-Case-Free-Views", &step.free_views.to_string())
            .with("X-Case-Content", &step.content.to_string());
        let flags = [
            ("X-Case-Https", !step.http),
            ("X-Case-Dry-Run", step.dry_run),
            ("X-Case-Redirects", step.charges_redirects),
        ];
        for (name, _) in flags.iter().filter(|(_, is_set)| *is_set) {
            request = request.with(name, "1");
        }
        if let Some(path) = &step.receipt_path {
            request = request.with("X-Case-Receipt-Path", path);
        }
        if step.file {
            let file = format!("{ETAG} {} {FILE_SIZE}", file_modified_at().0);
            request = request.with("X-Case-File", &file);
        }
        if !step.content_headers.is_empty() {
            let pairs = serde_json::to_string(&step.content_headers).unwrap();
            request = request.with("X-Case-Content-Headers", &pairs);
        }
        if let Some(body) = asked.body {
            request = request.with("Content-Length", &body.len().to_string());
            request.body = body;
        }
        request
    }
}
