//! Requests that are held back until what allows them has ended: a session, a key, a password.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use mmbrokerd::http::{give_key, new_key};
use mmbrokerd::shop::Role;
use mmbrokerd::store::{AccountKind, KeyMaker};

use crate::browser::*;
use crate::databases::Database;
use crate::world::*;

crate::on_both_databases!(
    a_form_counts_by_the_session_at_its_end,
    a_form_of_an_operator_counts_by_the_role_at_its_end,
    an_order_counts_by_the_key_at_its_end,
    a_login_with_an_old_password_begins_no_session,
);

const NEW_PASSWORD: &str = "a quite different one";

/// A request whose head has arrived.
struct Held {
    stream: TcpStream,
    body: String,
}

impl Held {
    /// Sends the head, and waits until the broker wants the body.
    fn begin(site: &Site, path: &str, header: &str, body: String) -> Held {
        let address = site.address.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let size = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\n{header}\r\nExpect: 100-continue\r\n\
             Content-Length: {size}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        Held { stream, body }
    }

    /// Sends the form of a page in the session of a browser.
    fn form(site: &Site, browser: &mut Browser, (page, action): (&str, &str), more: &str) -> Held {
        let mut fields = browser.get(page).hidden(action);
        fields.extend(more.split_terminator('&').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_string(), value.to_string())
        }));
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&fields);
        let header = format!(
            "Cookie: {}\r\nContent-Type: application/x-www-form-urlencoded",
            browser.cookie_header()
        );
        Held::begin(site, action, &header, body.finish())
    }

    /// Sends the body. Returns the response.
    fn end(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        self.stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

#[track_caller]
fn is_sent_to_login(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(answer.contains("location: /login?note=login-first"), "{answer}");
}

fn change_password(browser: &mut Browser, old: &str, new: &str) {
    let page = browser.get("/account");
    let changed = browser.send(&page, "/account/password", &[("old", old), ("password", new)]);
    assert_eq!(changed.header("location"), Some("/account?note=done-password"));
}

async fn a_form_counts_by_the_session_at_its_end(database: Database) {
    let site = site(database).await;
    let (mut thief, name) = site.reader();
    site.world.fund(&name, 100).await;
    let mut owner = site.browser();
    owner.login(&name, PASSWORD);
    let forms = [
        Held::form(&site, &mut thief, ("/account", "/account/key"), ""),
        Held::form(&site, &mut thief, ("/buy", "/buy"), "sets=1"),
        Held::form(&site, &mut thief, ("/complaints", "/complaints"), "text=x&payment=x"),
    ];
    change_password(&mut owner, PASSWORD, NEW_PASSWORD);
    for form in forms {
        is_sent_to_login(&form.end());
    }
    let still = Held::form(&site, &mut owner, ("/account", "/account/key"), "");
    assert!(still.end().contains("mmk_"));
    assert_eq!(site.world.number("SELECT COUNT(*) FROM sale").await, 0);
    assert_eq!(site.world.number("SELECT COUNT(*) FROM api_key").await, 1);
}

async fn a_form_of_an_operator_counts_by_the_role_at_its_end(database: Database) {
    let site = site(database).await;
    let (_, reader) = site.reader();
    let mut operator = site.operator("boss", Role::Money).await;
    let fields = format!("user={reader}&amount=5 USD&reference=r-1");
    let held =
        Held::form(&site, &mut operator, ("/operator/deposit", "/operator/deposit"), &fields);
    let demote = "UPDATE person SET role = 'support' WHERE user_id = 'boss'";
    sqlx::query(demote).execute(site.world.service.store().pool()).await.unwrap();
    let answer = held.end();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(site.world.balance(AccountKind::Client, &reader).await, 0);
}

async fn an_order_counts_by_the_key_at_its_end(database: Database) {
    let site = site(database).await;
    let user = user("alice");
    site.world.fund("alice", 100).await;
    let key = new_key(&micromint::host::SystemEntropy).unwrap();
    give_key(&site.world.service, (KeyMaker::Console, &user), &key).await.unwrap();
    let header = format!("Authorization: Bearer {key}\r\nContent-Type: application/json");
    let order = |number: u32| format!("{{\"sets\": 1, \"transaction\": \"{number}\"}}");
    let held = Held::begin(&site, "/v1/purchases", &header, order(1));
    assert!(held.end().starts_with("HTTP/1.1 200"));
    let held = Held::begin(&site, "/v1/purchases", &header, order(2));
    let store = site.world.service.store();
    store.end_api_keys("alice", &user, site.world.service.now()).await.unwrap();
    let answer = held.end();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(site.world.number("SELECT COUNT(*) FROM sale").await, 1);
}

async fn a_login_with_an_old_password_begins_no_session(database: Database) {
    let site = site(database).await;
    let (mut owner, name) = site.reader();
    let logins: Vec<_> = (0..8)
        .map(|_| {
            let (mut browser, name) = (site.browser(), name.clone());
            std::thread::spawn(move || {
                browser.login(&name, PASSWORD);
                browser
            })
        })
        .collect();
    change_password(&mut owner, PASSWORD, NEW_PASSWORD);
    for login in logins {
        let mut browser = login.join().unwrap();
        let answer = browser.get("/account");
        assert_eq!(answer.header("location"), Some("/login?note=login-first"), "{}", answer.text);
    }
    assert_eq!(owner.get("/account").status, 200);
}
