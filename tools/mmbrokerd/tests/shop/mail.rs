//! Mail by a small server that speaks SMTP (RFC 5321), and the links in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use micromint::time::UnixTime;
use mmbrokerd::shop::{MailSettings, MailTls, Mailer, Role, ShopSettings};

use crate::browser::*;
use crate::databases::Database;
use crate::world::DURING;

crate::on_both_databases!(
    an_address_is_confirmed_by_its_owner,
    a_lost_password_is_set_by_a_link,
    nobody_learns_who_has_an_account,
    an_address_gets_few_mails_whoever_asks,
    mail_waits_for_its_server,
    mail_goes_by_tls_with_a_login,
    an_operator_makes_a_link,
);

/// A message that the server took.
#[derive(Clone, Debug)]
struct Taken {
    from: String,
    to: String,
    text: String,
    login: Option<String>,
    is_encrypted: bool,
}

/// What the server says to whoever it is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    Busy,
}

/// A server that takes mail.
#[derive(Clone)]
struct Server {
    port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    mood: Arc<Mutex<Mood>>,
}

/// The two ways to talk.
trait Talk: Read + Write + Send {}
impl<T: Read + Write + Send> Talk for T {}

impl Server {
    fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            taken: Arc::default(),
            mood: Arc::new(Mutex::new(Mood::Good)),
        };
        let own = server.clone();
        // Ends with the program.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (own, tls) = (own.clone(), tls.clone());
                // A client that goes away ends its conversation only.
                std::thread::spawn(move || own.serve(stream.unwrap(), tls).ok());
            }
        });
        server
    }

    fn serve(
        &self,
        stream: TcpStream,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> std::io::Result<()> {
        let mut plain = BufReader::new(stream);
        plain.get_mut().write_all(b"220 mail.test\r\n")?;
        let is_upgraded = self.talk(&mut plain, tls.is_some(), false)?;
        if let Some(tls) = tls.filter(|_| is_upgraded) {
            let connection = rustls::ServerConnection::new(tls).unwrap();
            let stream = rustls::StreamOwned::new(connection, plain.into_inner());
            self.talk(&mut BufReader::new(stream), false, true)?;
        }
        Ok(())
    }

    /// Answers commands until the end. Returns whether TLS begins.
    fn talk<S: Talk>(
        &self,
        stream: &mut BufReader<S>,
        offers_tls: bool,
        is_encrypted: bool,
    ) -> std::io::Result<bool> {
        let (mut from, mut to, mut login) = (String::new(), String::new(), None);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            let line = line.trim_end();
            let (command, rest) = line.split_once([' ', ':']).unwrap_or((line, ""));
            let answer: String = match command.to_ascii_uppercase().as_str() {
                "EHLO" if offers_tls => "250-mail.test\r\n250 STARTTLS".into(),
                "EHLO" if is_encrypted => "250-mail.test\r\n250 AUTH PLAIN".into(),
                "EHLO" => "250-mail.test\r\n250 8BITMIME".into(),
                "STARTTLS" => {
                    stream.get_mut().write_all(b"220 go on\r\n")?;
                    return Ok(true);
                }
                "AUTH" => {
                    login = Some(rest.to_string());
                    "235 welcome".into()
                }
                "MAIL" if *self.mood.lock().unwrap() == Mood::Busy => "451 later".into(),
                "MAIL" => {
                    from = rest.to_string();
                    "250 ok".into()
                }
                "RCPT" => {
                    to = rest.to_string();
                    "250 ok".into()
                }
                "DATA" => {
                    stream.get_mut().write_all(b"354 go on\r\n")?;
                    let text = data(stream)?;
                    let (from, to, login) = (from.clone(), to.clone(), login.clone());
                    let taken = Taken { from, to, text, login, is_encrypted };
                    self.taken.lock().unwrap().push(taken);
                    "250 taken".into()
                }
                "QUIT" => {
                    stream.get_mut().write_all(b"221 bye\r\n")?;
                    return Ok(false);
                }
                _ => "250 ok".into(),
            };
            stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
        }
    }

    fn settings(&self) -> MailSettings {
        MailSettings {
            server: "localhost".to_string(),
            port: Some(self.port),
            tls: MailTls::None,
            ca_file: None,
            user: None,
            password_file: None,
            from: "Example Coins <coins@broker.example>".to_string(),
        }
    }

    fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

/// The text of a message, up to a line with one dot. Long lines are joined again
/// (quoted-printable).
fn data(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end() {
            "." => return Ok(text.replace("=\n", "").replace("=3D", "=")),
            line => text.push_str(&format!("{}\n", line.strip_prefix('.').unwrap_or(line))),
        }
    }
}

/// A site that sends mail, and the sender.
async fn site_of(database: Database, mail: &MailSettings) -> (Site, Mailer) {
    let settings = ShopSettings { mail: Some(mail.clone()), ..ShopSettings::default() };
    let site = site_with(database, settings).await;
    let mailer = Mailer::new(Arc::clone(&site.world.service), mail.clone());
    (site, mailer)
}

/// The path of the link in a message.
fn link(taken: &Taken) -> String {
    let start = taken.text.find(ORIGIN).unwrap_or_else(|| panic!("no link in {}", taken.text));
    let path = taken.text[start + ORIGIN.len()..].split_whitespace().next().unwrap();
    assert_eq!(path.rsplit('/').next().unwrap().len(), 64, "{path}");
    path.to_string()
}

/// Registers a person with an address.
fn register(site: &Site, mail: &str) -> (Browser, String, Seen) {
    let mut browser = site.browser();
    let page = browser.get("/register");
    let name = page.value("/register", "user");
    let answer = browser.send(&page, "/register", &[("password", PASSWORD), ("mail", mail)]);
    (browser, name, answer)
}

/// A person with a confirmed address.
async fn confirmed(site: &Site, server: &Server, mailer: &Mailer, mail: &str) -> (Browser, String) {
    let (browser, name, answer) = register(site, mail);
    assert_eq!(answer.status, 303, "{}", answer.text);
    let before = server.taken().len();
    assert_eq!(mailer.turn().await.unwrap(), 1);
    let path = link(&server.taken()[before]);
    let page = site.browser().get(&path);
    site.browser().send(&page, "/confirm", &[]).says(200, "is confirmed");
    (browser, name)
}

const ADDRESSES: &str = "SELECT COUNT(*) FROM mail_address";

async fn an_address_is_confirmed_by_its_owner(database: Database) {
    let server = Server::start(None);
    let (site, mailer) = site_of(database, &server.settings()).await;
    for wrong in [
        "alice",
        "alice@example.org\r\nBcc: eve@example.org",
        "alice@example.org, eve@example.org",
        "<script>@example.org",
        &format!("{}@example.org", "a".repeat(250)),
    ] {
        register(&site, wrong).2.says(422, "Expected a mail address");
    }
    assert_eq!(site.world.number("SELECT COUNT(*) FROM person").await, 0);
    // The address is a choice.
    let (mut without, _, answer) = register(&site, "");
    without.follow(&answer).says(200, "Balance");
    let (mut alice, name, answer) = register(&site, "Alice@Example.org");
    alice.follow(&answer).says(200, "A mail with a link is on its way");
    assert_eq!(mailer.turn().await.unwrap(), 1);
    assert_eq!(mailer.turn().await.unwrap(), 0);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM mail").await, 0);
    let taken = server.taken().remove(0);
    assert!(taken.from.contains("<coins@broker.example>"), "{taken:?}");
    assert!(taken.to.contains("<Alice@Example.org>"), "{taken:?}");
    assert!(taken.text.contains("Subject: MicroMint: confirm your mail address"), "{taken:?}");
    assert!(taken.text.contains(&format!("account {name} of MicroMint")), "{taken:?}");
    // Opening the link changes nothing: programs that check mail do that.
    let path = link(&taken);
    let mut anywhere = site.browser();
    let page = anywhere.get(&path);
    page.says(200, "Alice@Example.org");
    assert_eq!(site.world.number(ADDRESSES).await, 0);
    alice.get("/account").says(200, "not given");
    for _ in 0..2 {
        anywhere.send(&page, "/confirm", &[]).says(200, "is confirmed");
    }
    anywhere.get(&path).says(422, "This link no longer works");
    alice.get("/account").says(200, "Alice@Example.org");
    // A link for one thing is not one for another.
    let reset = path.replace("/confirm/", "/reset/");
    anywhere.get(&reset).says(422, "This link no longer works");
    // Another address counts once it is confirmed, and within two days.
    let page = alice.get("/account");
    let other = [("mail", "alice@example.net"), ("password", PASSWORD)];
    alice.send(&page, "/account/mail", &[other[0], ("password", "x")]).says(422, "is wrong");
    assert_eq!(alice.send(&page, "/account/mail", &other).status, 303);
    assert_eq!(mailer.turn().await.unwrap(), 1);
    alice.get("/account").says(200, "Alice@Example.org");
    let path = link(&server.taken()[1]);
    let page = anywhere.get(&path);
    site.world.clock.set(UnixTime(DURING.0 + 2 * 86_400));
    anywhere.send(&page, "/confirm", &[]).says(422, "no longer works");
    // It can be taken away.
    let page = alice.get("/account");
    let answer = alice.send(&page, "/account/mail", &[("mail", ""), ("password", PASSWORD)]);
    alice.follow(&answer).says(200, "The mail address is removed");
    assert_eq!(site.world.number(ADDRESSES).await, 0);
}

async fn a_lost_password_is_set_by_a_link(database: Database) {
    let server = Server::start(None);
    let (site, mailer) = site_of(database, &server.settings()).await;
    let (mut alice, name) = confirmed(&site, &server, &mailer, "alice@example.org").await;
    let (_, second) = confirmed(&site, &server, &mailer, "ALICE@example.org").await;
    let mut anywhere = site.browser();
    anywhere.get("/login").says(200, "Have you lost your password?");
    let page = anywhere.get("/lost");
    anywhere.send(&page, "/lost", &[("who", &name)]).says(200, "a mail is on its way");
    assert_eq!(mailer.turn().await.unwrap(), 1);
    // An address gets a link for each of its accounts.
    anywhere.send(&page, "/lost", &[("who", "Alice@Example.ORG")]).says(200, "on its way");
    assert_eq!(mailer.turn().await.unwrap(), 2);
    let mails = server.taken();
    let of = |name: &str| {
        mails[2..].iter().filter(|mail| mail.text.contains(name)).map(link).collect::<Vec<_>>()
    };
    let [first, next] = of(&name).try_into().unwrap();
    let [others] = of(&second).try_into().unwrap();
    let page = anywhere.get(&first);
    assert_eq!(page.value("/reset", "user"), name);
    let refused = anywhere.send(&page, "/reset", &[("password", "short")]);
    refused.says(422, "another password");
    refused.says(422, &format!("<a href=\"{first}\">Back</a>"));
    const OTHER: &str = "another long password";
    // A double click sets it once.
    for _ in 0..2 {
        let answer = anywhere.send(&page, "/reset", &[("password", OTHER)]);
        anywhere.follow(&answer).says(200, "The password is set");
    }
    anywhere
        .send(&page, "/reset", &[("password", "yet another password")])
        .says(422, "no longer works");
    // Sessions have ended, and so have the other links.
    assert_eq!(alice.get("/account").status, 303);
    anywhere.get(&next).says(422, "no longer works");
    anywhere.login(&name, PASSWORD).says(422, "is wrong");
    assert_eq!(anywhere.login(&name, OTHER).status, 303);
    // The second account's link is valid for half an hour.
    let page = site.browser().get(&others);
    page.says(200, &second);
    site.world.clock.set(UnixTime(DURING.0 + 1800));
    site.browser().send(&page, "/reset", &[("password", OTHER)]).says(422, "no longer works");
    assert_eq!(site.browser().login(&second, PASSWORD).status, 303);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM link WHERE LENGTH(sha256) <> 32").await, 0);
}

async fn nobody_learns_who_has_an_account(database: Database) {
    let server = Server::start(None);
    let (site, mailer) = site_of(database, &server.settings()).await;
    let (mut alice, name) = confirmed(&site, &server, &mailer, "alice@example.org").await;
    let mut anywhere = site.browser();
    let page = anywhere.get("/lost");
    let mut texts = Vec::new();
    let long = "x".repeat(5000);
    let boss = site.operator("boss", Role::Money).await;
    for who in [name.as_str(), "nobody@example.org", "boss", "' OR 1=1 --", "<b>", "", &long] {
        let start = std::time::Instant::now();
        let answer = anywhere.send(&page, "/lost", &[("who", who)]);
        // The time does not tell either: the work for an account takes a fraction of it.
        assert!(start.elapsed().as_millis() >= 400, "{who}: {:?}", start.elapsed());
        texts.push((answer.status, answer.text));
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!(mailer.turn().await.unwrap(), 1);
    drop(boss);
    // One address gets few mails, whoever asks; one that was just confirmed, as many as one that
    // does not exist.
    for (from, who, asked) in [
        ("203.0.113.9", name.as_str(), 1),
        ("203.0.114.9", "alice@example.org", 0),
        ("203.0.115.9", "carol@example.org", 0),
    ] {
        anywhere.from = from;
        for at in asked..5 {
            let answer = anywhere.send(&page, "/lost", &[("who", who)]);
            assert_eq!(answer.status, 200, "{who} {at}");
        }
        anywhere.send(&page, "/lost", &[("who", who)]).says(429, "wait 60 minutes");
    }
    // Other users do not confirm, remove or reset.
    let (mut bob, _, _) = register(&site, "");
    let token = bob.get("/account").value("/logout", "token");
    for path in ["/confirm", "/reset"] {
        let fields = [("link", token.as_str()), ("password", "a good long password")];
        bob.post(path, &fields).says(422, "no longer works");
    }
    alice.get("/account").says(200, "alice@example.org");
    // Closed accounts get nothing.
    anywhere.from = "198.51.100.77";
    let account = alice.get("/account");
    assert_eq!(alice.send(&account, "/account/close", &[("password", PASSWORD)]).status, 303);
    mailer.turn().await.unwrap();
    site.world.clock.set(DURING.plus_seconds(3600));
    anywhere.send(&page, "/lost", &[("who", "alice@example.org")]).says(200, "on its way");
    assert_eq!(mailer.turn().await.unwrap(), 0);
}

async fn an_address_gets_few_mails_whoever_asks(database: Database) {
    let server = Server::start(None);
    let (site, mailer) = site_of(database, &server.settings()).await;
    // Nobody learns whether others have asked to confirm it.
    let answers: Vec<u16> = (0..7).map(|_| register(&site, "Dora@example.org").2.status).collect();
    assert_eq!(answers, [303; 7]);
    assert_eq!(mailer.turn().await.unwrap(), 5);
}

async fn mail_waits_for_its_server(database: Database) {
    let server = Server::start(None);
    let (site, mailer) = site_of(database, &server.settings()).await;
    *server.mood.lock().unwrap() = Mood::Busy;
    register(&site, "alice@example.org");
    assert_eq!(mailer.turn().await.unwrap(), 0);
    let mut operator = site.operator("boss", Role::Support).await;
    operator.get("/operator").says(200, "<dd>1 / 0</dd>");
    // It is tried again after a pause, not before.
    *server.mood.lock().unwrap() = Mood::Good;
    assert_eq!(mailer.turn().await.unwrap(), 0);
    site.world.clock.set(UnixTime(DURING.0 + 60));
    assert_eq!(mailer.turn().await.unwrap(), 1);
    assert_eq!(server.taken().len(), 1);
    // After the last try it is given up, and its text is removed.
    *server.mood.lock().unwrap() = Mood::Busy;
    register(&site, "bob@example.org");
    let mut now = DURING.0 + 60;
    for pause in [0, 60, 300, 1800, 7200, 21_600] {
        now += pause;
        site.world.clock.set(UnixTime(now));
        assert_eq!(mailer.turn().await.unwrap(), 0);
    }
    assert_eq!(site.world.number("SELECT tries FROM mail").await, 6);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM mail WHERE text = ''").await, 1);
    operator.get("/operator").says(200, "<dd>0 / 1</dd>");
    site.world.clock.set(UnixTime(now + 86_400));
    *server.mood.lock().unwrap() = Mood::Good;
    assert_eq!(mailer.turn().await.unwrap(), 0);
    // A server that is not there is one that does not answer.
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = MailSettings { port: Some(nowhere), ..server.settings() };
    let (site, mailer) = site_of(Database::sqlite(), &settings).await;
    register(&site, "alice@example.org");
    assert_eq!(mailer.turn().await.unwrap(), 0);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM mail WHERE fault <> ''").await, 1);
}

/// A server's TLS, and the certificate in a file.
fn tls(folder: &Path) -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    std::fs::write(folder.join("ca.pem"), made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

async fn mail_goes_by_tls_with_a_login(database: Database) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Some(tls(folder.path())));
    std::fs::write(folder.path().join("password"), "secret\n").unwrap();
    let settings = MailSettings {
        tls: MailTls::Starttls,
        ca_file: Some(folder.path().join("ca.pem")),
        user: Some("coins".to_string()),
        password_file: Some(folder.path().join("password")),
        ..server.settings()
    };
    let (site, mailer) = site_of(database, &settings).await;
    register(&site, "alice@example.org");
    assert_eq!(mailer.turn().await.unwrap(), 1);
    let taken = server.taken().remove(0);
    assert!(taken.is_encrypted);
    // The base64 of NUL, coins, NUL, secret.
    assert_eq!(taken.login.as_deref(), Some("PLAIN AGNvaW5zAHNlY3JldA=="));
    // A server without TLS, or with a certificate of somebody else, gets nothing.
    let plain = Server::start(None);
    for settings in [
        MailSettings { port: Some(plain.port), ..settings.clone() },
        MailSettings { ca_file: None, ..settings.clone() },
    ] {
        let (site, mailer) = site_of(Database::sqlite(), &settings).await;
        register(&site, "alice@example.org");
        assert_eq!(mailer.turn().await.unwrap(), 0);
    }
    assert_eq!((plain.taken().len(), server.taken().len()), (0, 1));
}

async fn an_operator_makes_a_link(database: Database) {
    // Without mail, the pages do not speak of it.
    let site = site(database).await;
    let (_, name) = site.reader();
    let mut anywhere = site.browser();
    for path in ["/lost", "/reset/x", "/confirm/x"] {
        assert!([404, 422].contains(&anywhere.get(path).status), "{path}");
    }
    anywhere.get("/login").says(200, "Ask the operator of this broker");
    assert!(!anywhere.get("/register").text.contains("Mail address"));
    let mut support = site.operator("support", Role::Support).await;
    let mut operator = site.operator("boss", Role::Money).await;
    let find = |browser: &mut Browser, who: &str| {
        let page = browser.get("/operator/people");
        browser.send(&page, "/operator/people", &[("who", who)])
    };
    find(&mut support, &name).says(200, &name);
    find(&mut support, "nobody").says(200, "no such account");
    let page = find(&mut operator, &name);
    let token = support.get("/account").value("/logout", "token");
    let fields = [("token", token.as_str()), ("user", name.as_str())];
    support.post("/operator/people/link", &fields).says(403, "may not do this");
    let made = operator.send(&page, "/operator/people/link", &[]);
    made.says(200, "is not shown again");
    let start = made.text.find("/reset/").unwrap();
    let path = made.text[start..].split('<').next().unwrap();
    let page = anywhere.get(path);
    let answer = anywhere.send(&page, "/reset", &[("password", "another long password")]);
    anywhere.follow(&answer).says(200, "The password is set");
    assert_eq!(anywhere.login(&name, "another long password").status, 303);
    operator.get("/operator/audit").says(200, "Link for a new password");
    // Passwords of operators are for the console.
    let token = operator.get("/account").value("/logout", "token");
    for user in ["support", "boss", "nobody", "<b>"] {
        let fields = [("token", token.as_str()), ("user", user)];
        operator.post("/operator/people/link", &fields).says(422, "no such account");
    }
    // A link of an operator is valid for a day.
    let page = find(&mut operator, &name);
    let made = operator.send(&page, "/operator/people/link", &[]);
    let start = made.text.find("/reset/").unwrap();
    let path = made.text[start..].split('<').next().unwrap().to_string();
    site.world.clock.set(UnixTime(DURING.0 + 86_399));
    assert_eq!(anywhere.get(&path).status, 200);
    site.world.clock.set(UnixTime(DURING.0 + 86_400));
    anywhere.get(&path).says(422, "no longer works");
}
