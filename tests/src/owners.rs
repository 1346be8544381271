//! Owners files, owner tokens and blocked users, on any server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use micromint::authenticator::OwnerToken;
use micromint::host::{DiskDirectory, replace_whole};
use micromint::owner::Owners;
use micromint::protocol::Payment;
use micromint::testing::ObviousMint;
use micromint::time::UnixTime;
use micromint::vendor::{BLOCKED_FILE, SYNC_WANTED_FILE};

use crate::client::{RequestText, base64url};
use crate::server::{Server, word};
use crate::site::Site;
use crate::{payer, wait_until};

/// After this time every serving process examines its lists with the next payment.
pub const UNTIL_LISTS_ARE_DUE: Duration = Duration::from_secs(6);

/// A site whose owners file of the current period ends right before the set of a coin of alice.
pub struct Unknown {
    /// The site.
    pub site: Site,
    coins: Vec<Vec<u64>>,
    sets: usize,
}

impl Unknown {
    /// The site and the coin.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Unknown {
        let coins = payer::coins_of(payer::mint(), 1);
        let bin = payer::mint().rules().bin(coins[0][0]).unwrap();
        let sets = bin.superbin as usize / 2;
        let site = Site::new();
        write_owners(&site, payer::mint(), sets);
        Unknown { site, coins, sets }
    }

    /// The coin, and the number of the sets that the file has to have for it.
    pub fn take(self) -> (Site, Vec<Vec<u64>>, usize) {
        (self.site, self.coins, self.sets + 1)
    }
}

/// Writes the owners file of a period as the broker's command does. Alice bought the first `sets`
/// sets.
pub fn write_owners(site: &Site, mint: &ObviousMint, sets: usize) {
    let (user, key) = ("alice".parse().unwrap(), payer::user_key());
    let owners: Owners = mint.owners(&"localhost".parse().unwrap(), &vec![(&user, &key); sets]);
    let name = format!("{}.owners", mint.params().period());
    owners.write(&DiskDirectory::new(site.path("periods")), &name, mint.params()).unwrap();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(site.path(&format!("periods/{name}")), mode).unwrap();
}

/// Writes an owners file with all sets for each accepted period.
pub fn write_all_owners(site: &Site) {
    for mint in payer::accepted_mints() {
        write_owners(site, mint, mint.params().superbin_count() as usize / 2);
    }
}

/// A set sold since the file was made is not known yet; nothing is kept. When the file has grown,
/// the same payment is accepted, by the same processes. A wrong token is refused before and after.
pub fn an_owners_file_may_grow(server: &impl Server, coins: &[Vec<u64>], sets: usize) {
    let children = server.children();
    let payment = payer::payment_with(payer::mint(), &server.site().url("/one.html"), coins);
    let request = RequestText::post("/one.html", &payment);
    let wrong = Payment { owner_tokens: vec![OwnerToken::from_bytes([1; 8])], ..payment.clone() };
    for _ in 0..4 {
        let unknown = server.ask(&request);
        assert_eq!(unknown.short(), word(402, "not-yet-known"));
        assert_eq!(unknown.header("retry-after").unwrap(), "5");
        assert!(!unknown.body.contains(&payment.owner_tokens[0].to_string()));
    }
    let wanted = server.site().path("till").join(SYNC_WANTED_FILE);
    let wanted = std::fs::read_to_string(wanted).unwrap();
    assert!(wanted.trim_end().parse::<UnixTime>().is_ok(), "{wanted}");

    write_owners(server.site(), payer::mint(), sets);
    let mut last = String::new();
    wait_until("the owners file to be read", || {
        last = server.ask(&request).word();
        last != "not-yet-known"
    });
    assert_eq!(last, "paid", "nothing was kept before");
    // Each serving process reads the file.
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    for _ in 0..4 {
        assert_eq!(server.ask(&request).short(), word(200, "retry"));
        let refused = server.ask(&RequestText::post("/one.html", &wrong));
        assert_eq!(refused.short(), word(402, "not-owner"));
        assert_eq!(refused.header("retry-after"), None);
    }
    assert_eq!(server.children(), children, "without a restart");
    assert_logs_lack(server, &[&payment, &wrong]);
}

/// An owners file that the serving processes may not read does not count as absent: payments are
/// answered with 503 until there is one that they can read.
pub fn an_unreadable_owners_file_is_not_an_absent_one(server: &impl Server) {
    assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
    let path = server.site().path(&format!("periods/{}.owners", payer::mint().params().period()));
    let new = server.site().path("periods/.new");
    std::fs::write(&new, "").unwrap();
    std::fs::set_permissions(&new, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::rename(&new, &path).unwrap();
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    for _ in 0..4 {
        assert_eq!(server.pay("/one.html", 1).short(), word(503, "unavailable"));
    }
    let log = server.log();
    let is_told = log.lines().any(|line| line.contains(".owners") && line.contains("ermission"));
    assert!(is_told, "{log}");
    // A process that read the lists before still states prices. One that starts now sells nothing.
    let asked = server.get("/one.html").short();
    let started_late = server.log().contains("are not sold until");
    assert!(asked == word(402, "unpaid") || started_late && asked == word(503, "unavailable"));
    std::fs::remove_file(&path).unwrap();
    write_all_owners(server.site());
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
}

/// An owners file that was read and disappears stays in use in every serving process, and the error
/// log says so: a wrong token opens nothing.
pub fn an_owners_file_that_disappears_stays_in_use(server: &impl Server) {
    write_all_owners(server.site());
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    let pay_wrongly = || {
        let right = payer::payment(&server.site().url("/one.html"), 1);
        let wrong = Payment { owner_tokens: vec![OwnerToken::from_bytes([1; 8])], ..right };
        server.ask(&RequestText::post("/one.html", &wrong)).short()
    };
    // Enough that each process of the server answers some, and has read the file.
    for _ in 0..100 {
        assert_eq!(pay_wrongly(), word(402, "not-owner"));
    }
    let name = format!("{}.owners", payer::mint().params().period());
    std::fs::remove_file(server.site().path(&format!("periods/{name}"))).unwrap();
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    for _ in 0..4 {
        assert_eq!(pay_wrongly(), word(402, "not-owner"));
        assert_eq!(server.pay("/one.html", 1).short(), word(200, "paid"));
    }
    let log = server.log();
    let is_it = |line: &&str| line.contains(&name) && line.contains("does not exist any more");
    let told = log.lines().filter(is_it).count();
    assert!((1..=server.children().len()).contains(&told), "{told} times: {log}");
}

/// The same as with an unreadable file if it is there when the server starts. The server was
/// started with a file of mode 0600 of another user.
pub fn an_owners_file_that_was_never_read_opens_nothing(server: &impl Server) {
    for _ in 0..4 {
        assert_eq!(server.pay("/one.html", 1).short(), word(503, "unavailable"));
    }
    assert_eq!(server.get("/free.html").body, "free");
    let log = server.log();
    let is_told = log.lines().any(|line| line.contains(".owners") && line.contains("ermission"));
    assert!(is_told, "{log}");
}

/// A site whose owners files only root can read.
pub fn site_with_unreadable_owners() -> Site {
    let site = Site::new();
    write_all_owners(&site);
    for mint in payer::accepted_mints() {
        let path = site.path(&format!("periods/{}.owners", mint.params().period()));
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    }
    site
}

/// A site that requires owners files and has none.
pub fn site_that_requires_owners() -> Site {
    let site = Site::new();
    site.write("vendor.toml", &(site.vendor_toml("till") + "owners = \"required\"\n"));
    site
}

/// What a server says that refuses to start because owners files are missing.
pub fn assert_says_what_is_missing(site: &Site, text: &str) {
    let path = site.path("periods").join(format!("{}.owners", payer::mint().params().period()));
    let others = payer::accepted_mints()
        .iter()
        .map(|mint| site.path("periods").join(format!("{}.owners", mint.params().period())));
    assert!(others.into_iter().any(|path| text.contains(path.to_str().unwrap())), "{text}");
    assert!(text.contains("does not exist, but owners = \"required\""), "{path:?}: {text}");
}

/// The server was started without owners files: one warning for each period that has not ended,
/// and the gauge says so. The counters are at `/counters`.
pub fn missing_owners_files_are_told(server: &impl Server, level: &str) {
    let log = server.log();
    for (mint, expected) in payer::accepted_mints().iter().zip([1, 0, 1]) {
        let name = format!("{}.owners", mint.params().period());
        let is_it = |line: &&str| line.contains(level) && line.contains(&name);
        assert_eq!(log.lines().filter(is_it).count(), expected, "{name}: {log}");
    }
    assert!(log.contains("without an owners file") && log.contains("owners = \"required\""));
    let gauge = |number: usize| {
        let text = server.get("/counters").body;
        text.lines().any(|line| line == format!("micromint_periods_without_owners {number}"))
    };
    assert!(gauge(2), "{}", server.get("/counters").body);
    write_all_owners(server.site());
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    wait_until("the gauge", || {
        server.get("/one.html");
        gauge(0)
    });
}

/// A user on the till's list is refused with `blocked` and nothing is kept; a person who removes
/// the list unblocks the user.
pub fn blocked_users_are_refused(server: &impl Server) {
    let payment = payer::payment(&server.site().url("/one.html"), 1);
    let request = RequestText::post("/one.html", &payment);
    let before = payer::payment(&server.site().url("/one.html"), 1);
    let before = RequestText::post("/one.html", &before);
    assert_eq!(server.ask(&before).short(), word(200, "paid"));
    let till = DiskDirectory::new(server.site().path("till"));
    replace_whole(&till, BLOCKED_FILE, b"mallory\nalice\n").unwrap();
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    for _ in 0..4 {
        let refused = server.ask(&request);
        assert_eq!(refused.short(), word(402, "blocked"));
        assert_eq!(refused.header("retry-after"), None);
    }
    assert_eq!(server.ask(&before).short(), word(200, "retry"), "it was paid before");
    std::fs::remove_file(server.site().path("till").join(BLOCKED_FILE)).unwrap();
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    assert_eq!(server.ask(&request).short(), word(200, "paid"));
}

/// What reaches the content contains no token, however the payment is sent. `/app/` is fetched from
/// the site's back port and costs a coin.
pub fn tokens_do_not_reach_the_content(server: &impl Server) {
    let upstream = Upstream::behind(server.site());
    let url = server.site().url("/app/x");
    let sent = [payer::payment(&url, 1), payer::payment(&url, 1), payer::payment(&url, 1)];
    let put = RequestText::new("PUT", "/app/x").with_payment(&sent[2]);
    let put = RequestText { body: b"abc".to_vec(), ..put.with("Content-Length", "3") };
    let requests = [
        RequestText::post("/app/x", &sent[0]),
        RequestText::get("/app/x").with_payment(&sent[1]),
        put,
    ];
    for request in &requests {
        assert_eq!(server.ask(request).short(), word(200, "paid"));
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), requests.len());
    for text in &seen {
        assert!(text.contains("/x HTTP/1."), "{text}");
        assert_lacks_payments(text, &sent.each_ref());
    }
    // A refused payment reaches no content.
    let wrong = Payment { vendor: "elsewhere.example".parse().unwrap(), ..sent[0].clone() };
    assert_eq!(server.ask(&RequestText::post("/app/x", &wrong)).status, 402);
    assert_eq!(upstream.seen().len(), requests.len());
    assert_logs_lack(server, &sent.each_ref());
}

/// No form of the payments occurs in a text: neither a token nor the message.
pub fn assert_lacks_payments(text: &str, payments: &[&Payment]) {
    let lower = text.to_ascii_lowercase();
    for payment in payments {
        let token = payment.owner_tokens[0].to_string();
        assert!(!lower.contains(&token), "{token} in {text}");
        // The same message, except for the beginning and end of a group of three bytes.
        let message = base64url(&payment.to_bytes());
        assert!(!text.contains(&message[..40]), "{text}");
    }
    for name in ["owner-tokens", "micromint-payment", "micromint_payment"] {
        assert!(!lower.contains(name), "{name} in {text}");
    }
}

fn assert_logs_lack(server: &impl Server, payments: &[&Payment]) {
    wait_until("the access log", || !server.access_log().is_empty());
    let log = server.log();
    assert!(!log.is_empty());
    assert_lacks_payments(&log, payments);
    assert_lacks_payments(&server.access_log().join("\n"), payments);
}

/// A server that makes the content and keeps what it is sent.
struct Upstream(Arc<Mutex<Vec<String>>>);

impl Upstream {
    fn behind(site: &Site) -> Upstream {
        let listener = TcpListener::bind(("127.0.0.1", site.back_port)).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                let mut text = String::new();
                while !text.ends_with("\r\n\r\n") && stream.read_line(&mut text).unwrap_or(0) > 0 {}
                let length = text.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse().ok())?
                });
                let mut body = vec![0; length.unwrap_or(0)];
                let _ = stream.read_exact(&mut body);
                text.push_str(&String::from_utf8_lossy(&body));
                kept.lock().unwrap().push(text);
                let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
                let _ = stream.get_mut().write_all(answer.as_bytes());
            }
        });
        Upstream(seen)
    }

    fn seen(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
