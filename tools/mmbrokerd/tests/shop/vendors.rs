//! Vendors: host proofs, keys, statements, complaints, and those who attack them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use micromint::identity::VendorId;
use micromint::protocol::Verdict;
use micromint::reply::Reply;
use micromint::scheme::reference;
use mmbrokerd::shop::{
    ANSWERS_MAX, COMPLAINT_CHARS_SHOWN_MAX, COMPLAINTS_SHOWN_MAX, NoProof, ProofSource, Proofs,
    Role, ShopSettings, last_rows,
};
use mmbrokerd::store::{AccountKind, ComplaintAnswer, NewComplaint};

use crate::browser::*;
use crate::databases::Database;
use crate::world::*;

crate::on_both_databases!(
    a_host_proof_registers_a_vendor,
    the_key_is_replaced_on_the_page,
    the_key_of_a_disabled_vendor_is_not_replaced,
    names_that_are_no_hosts_are_refused,
    a_statement_shows_what_was_redeemed,
    coins_of_a_disabled_vendor_are_refused,
    readers_complain_and_vendors_answer,
    answers_to_a_complaint_are_bounded,
    lists_of_complaints_are_bounded_and_lead_to_all,
    no_answer_looks_like_that_of_another,
    a_refused_form_of_a_vendor_leads_back_to_it,
    the_lines_to_paste_end_and_start_the_service,
    an_operator_gives_a_vendor_to_another_account,
);

/// What hosts show.
#[derive(Default)]
struct Hosts(Mutex<BTreeMap<String, String>>);

impl ProofSource for Hosts {
    fn proof(&self, vendor: &VendorId) -> Result<String, NoProof> {
        let hosts = self.0.lock().unwrap();
        hosts.get(vendor.as_str()).cloned().ok_or(NoProof::Status(404))
    }
}

/// The proof that a page asks for.
fn proof(page: &Seen) -> String {
    let at = page.text.find("micromint-broker=").unwrap_or_else(|| panic!("{}", page.text));
    page.text[at..].split('<').next().unwrap().to_string()
}

fn add(browser: &mut Browser, host: &str) -> Seen {
    let form = browser.get("/vendor");
    browser.send(&form, "/vendor", &[("host", host)])
}

async fn a_host_proof_registers_a_vendor(database: Database) {
    let hosts = Arc::new(Hosts::default());
    let proofs = Proofs(Arc::clone(&hosts) as Arc<dyn ProofSource>);
    let site = site_with(database, ShopSettings { proofs, ..ShopSettings::default() }).await;
    let show = |text: &str| {
        hosts.0.lock().unwrap().insert("blog.example".to_string(), text.to_string());
    };
    let (mut alice, _) = site.reader();
    let (mut bob, _) = site.reader();
    let page = add(&mut alice, "Blog.Example ");
    page.says(200, "https://blog.example/.well-known/micromint-broker-proof");
    alice
        .send(&page, "/vendor", &[])
        .says(200, "does not show the file: it answers with status 404");
    show("<script>alert(1)</script>");
    alice.send(&page, "/vendor", &[]).says(200, "has other content");
    // The proof of one person does not count for another.
    let of_bob = add(&mut bob, "blog.example");
    show(&format!("# a comment\r\n  {}\r\n", proof(&page)));
    bob.send(&of_bob, "/vendor", &[]).says(200, "has other content");
    assert_eq!(bob.get("/vendor/blog.example").status, 404);
    for _ in 0..2 {
        let done = alice.send(&page, "/vendor", &[]);
        alice.follow(&done).says(200, "vendor-id = &#34;blog.example&#34;");
    }
    assert!(
        site.world
            .service
            .store()
            .is_vendor(site.world.period.name(), &vendor("blog.example"))
            .await
            .unwrap()
    );
    // Nobody takes it over by a proof.
    show(&proof(&of_bob));
    bob.send(&of_bob, "/vendor", &[]).says(422, "Another account acts for this vendor");
    // The key is shown after the password.
    let page = alice.get("/vendor/blog.example");
    let action = "/vendor/blog.example/key";
    alice.send(&page, action, &[("password", "wrong password")]).says(422, "is wrong");
    let key = secret().vendor_key(&vendor("blog.example")).to_hex();
    alice.send(&page, action, &[("password", PASSWORD)]).says(200, &key);
    let token = bob.get("/account").value("/logout", "token");
    let fields = [("token", token.as_str()), ("password", PASSWORD)];
    assert_eq!(bob.post(action, &fields).status, 404);
    // Proofs are asked for a bounded number of times.
    let page = add(&mut bob, "nothing.example");
    let asked = (0..30).filter(|_| bob.send(&page, "/vendor", &[]).status == 200).count();
    assert_eq!(asked, 18);
}

async fn names_that_are_no_hosts_are_refused(database: Database) {
    let site = site(database).await;
    let (mut browser, _) = site.reader();
    for host in [
        "",
        "https://news.example",
        "news.example/path",
        "news.example:8080",
        "user@news.example",
        "news example",
        "\"><script>alert(1)</script>",
        "'; DROP TABLE vendor; --",
        &"x".repeat(300),
    ] {
        let answer = add(&mut browser, host);
        answer.says(422, "Expected a host name");
        assert!(!answer.text.contains("<script"));
    }
    // Hosts inside the broker's own network are not asked.
    for host in ["localhost", "127.0.0.1", "169.254.169.254", "box.local", "0x7f000001", "router"] {
        let page = add(&mut browser, host);
        assert_eq!(page.status, 422, "{host}: {}", page.text);
        let is_said = ["needs a domain name", "Expected a host name"];
        assert!(is_said.iter().any(|words| page.text.contains(words)), "{}", page.text);
    }
}

async fn the_key_is_replaced_on_the_page(database: Database) {
    let (site, _, mut owner) = with_vendor(database).await;
    let (host, action) = (vendor("news.example"), "/vendor/news.example/key/replace");
    let key = |number| secret().numbered_vendor_key(&host, number).to_hex();
    let number = || async { site.world.service.vendor_key(&host).await.unwrap().number };
    let page = owner.get("/vendor/news.example");
    page.says(200, "Replace the key");
    let show = "/vendor/news.example/key";
    owner.send(&page, show, &[("password", PASSWORD)]).says(200, &key(0));
    // The password, the token of the session, and the person are checked.
    owner.send(&page, action, &[("password", "wrong password")]).says(422, "is wrong");
    owner.send(&page, action, &[]).says(422, "is wrong");
    let fields = [("number", "0"), ("password", PASSWORD)];
    assert_eq!(owner.post(action, &fields).status, 403);
    let forged = [("number", "0"), ("password", PASSWORD), ("token", "0123456789abcdef")];
    assert_eq!(owner.post(action, &forged).status, 403);
    let (mut other, _) = site.reader();
    let token = other.get("/account").value("/logout", "token");
    let of_other = [("token", token.as_str()), ("number", "0"), ("password", PASSWORD)];
    assert_eq!(other.post(action, &of_other).status, 404);
    for wrong in ["", "-1", "1", "4294967296", "x"] {
        let fields = [("password", PASSWORD), ("number", wrong)];
        owner.send(&page, action, &fields).says(422, "was replaced after this page was loaded");
    }
    assert_eq!(number().await, 0);
    // Sent twice, the form replaces one key.
    let replaced = owner.send(&page, action, &[("password", PASSWORD)]);
    replaced.says(200, &key(1));
    replaced.says(200, "The key before is refused from now on");
    let twice = owner.send(&page, action, &[("password", PASSWORD)]);
    twice.says(422, "was replaced after this page was loaded");
    assert!(!twice.text.contains(&key(1)));
    assert_eq!(number().await, 1);
    owner.send(&page, show, &[("password", PASSWORD)]).says(200, &key(1));
    let row = &last_rows(site.world.service.store(), 2).await.unwrap()[1];
    assert_eq!((row.what.as_str(), row.detail.as_str()), ("vendor key replaced", "news.example 1"));
    // Replacing counts with the views of the key.
    let before = number().await;
    let mut done = 0;
    let last = loop {
        let page = owner.get("/vendor/news.example");
        let answer = owner.send(&page, action, &[("password", PASSWORD)]);
        if answer.status != 200 {
            break answer;
        }
        done += 1;
        assert!(done <= 60);
    };
    last.says(429, "Too many attempts");
    assert_eq!(number().await, before + done);
    // 60 in all: two views, five wrong numbers and two forms that were sent twice are among them.
    assert_eq!(done, 60 - 9);
}

async fn the_key_of_a_disabled_vendor_is_not_replaced(database: Database) {
    let (site, mut operator, mut owner) = with_vendor(database).await;
    let page = owner.get("/vendor/news.example");
    let form = operator.get("/operator/vendors");
    let disable = [("host", "news.example"), ("why", "a test")];
    assert_eq!(operator.send(&form, "/operator/vendors/disable", &disable).status, 303);
    let action = "/vendor/news.example/key/replace";
    owner.send(&page, action, &[("password", PASSWORD)]).says(422, "has disabled this vendor");
    let key = site.world.service.vendor_key(&vendor("news.example")).await.unwrap();
    assert_eq!(key.number, 0);
    // The page offers neither the key nor a new one.
    let page = owner.get("/vendor/news.example");
    page.says(200, "disabled");
    assert!(!page.text.contains("/key"), "{}", page.text);
}

/// A broker with a vendor, who acts for it, and an operator.
async fn with_vendor(database: Database) -> (Site, Browser, Browser) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    let (owner, name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", name.as_str())];
    let added = operator.send(&form, "/operator/vendors", &fields);
    operator.follow(&added).says(200, "The vendor is added");
    (site, operator, owner)
}

async fn answers_to_a_complaint_are_bounded(database: Database) {
    let (site, mut operator, mut owner) = with_vendor(database).await;
    let made = NewComplaint {
        sha256: [0; 32],
        vendor: &vendor("news.example"),
        text: "no page",
        payment: b"",
    };
    let store = site.world.service.store();
    store.add_complaint(&user("bob"), "1", &made, (1000, DURING)).await.unwrap();
    let id = site.world.number("SELECT id FROM complaint").await;
    for browser in [&mut owner, &mut operator] {
        let form = browser.get(&format!("/complaints/{id}"));
        let mut answer = |text: &str| browser.send(&form, "/complaints/answer", &[("text", text)]);
        // Several within a second, and each of them twice.
        for number in 0..ANSWERS_MAX {
            for _ in 0..2 {
                assert_eq!(answer(&format!("answer {number}")).status, 303, "{number}");
            }
        }
        answer("one more").says(422, "answered this complaint 5 times");
        assert_eq!(answer("answer 0").status, 303);
    }
    let rows = "SELECT COUNT(*) FROM complaint_answer";
    assert_eq!(site.world.number(rows).await, 2 * ANSWERS_MAX);
}

/// Records complaints of a person about a vendor, each of a text.
async fn complain(site: &Site, name: &str, (from, to): (usize, usize), text: &str) {
    let (store, vendor) = (site.world.service.store(), vendor("news.example"));
    for number in from..to {
        let made = NewComplaint { sha256: [0; 32], vendor: &vendor, text, payment: b"" };
        let id = number.to_string();
        let answer = store.add_complaint(&user(name), &id, &made, (1000, DURING)).await.unwrap();
        assert!(matches!(answer, ComplaintAnswer::Recorded(_)));
    }
}

async fn lists_of_complaints_are_bounded_and_lead_to_all(database: Database) {
    let (site, mut operator, mut owner) = with_vendor(database).await;
    let (mut reader, name) = site.reader();
    // The longest texts, of which each character takes most, and all answers.
    complain(&site, &name, (0, 1), &format!("the first {}", "\"".repeat(4086))).await;
    complain(&site, &name, (1, COMPLAINTS_SHOWN_MAX), &"\"".repeat(4096)).await;
    let first = site.world.number("SELECT MIN(id) FROM complaint").await;
    let mut tx = site.world.service.store().begin().await.unwrap();
    for at in 0..ANSWERS_MAX {
        for by in ["news.example", "MicroMint"] {
            sqlx::query(
                "INSERT INTO complaint_answer (complaint, at, by_whom, text) \
                 SELECT id, $1, $2, $3 FROM complaint",
            )
            .bind(at)
            .bind(by)
            .bind("\"".repeat(4096))
            .execute(tx.connection())
            .await
            .unwrap();
        }
    }
    tx.commit().await.unwrap();
    let lists = ["/operator/complaints", "/vendor/news.example", "/complaints"];
    let mut browsers = [operator.clone(), owner.clone(), reader.clone()];
    let cut = format!("<div>{}\u{2026}</div>", "&#34;".repeat(COMPLAINT_CHARS_SHOWN_MAX));
    for (browser, list) in browsers.iter_mut().zip(lists) {
        let page = browser.get(list);
        page.says(200, "the first");
        page.says(200, &cut);
        assert_eq!(link(&page, "Older entries"), None, "{list}");
        assert!(page.text.len() < 1_000_000, "{list}: {}", page.text.len());
    }
    // One more, and then as many as one reader can make.
    for count in [COMPLAINTS_SHOWN_MAX + 1, 2 * COMPLAINTS_SHOWN_MAX] {
        complain(&site, &name, (COMPLAINTS_SHOWN_MAX, count), "short").await;
        for (browser, list) in browsers.iter_mut().zip(lists) {
            let page = browser.get(list);
            assert!(!page.text.contains("the first"), "{list}");
            assert_eq!(page.text.matches("href=\"/complaints/").count(), COMPLAINTS_SHOWN_MAX);
            let older = link(&page, "Older entries").unwrap();
            let page = browser.get(&older);
            page.says(200, "the first");
            assert_eq!(link(&page, "Older entries"), None, "{list}");
            assert_eq!(link(&page, "The newest entries").as_deref(), Some(list));
            assert_eq!(browser.get(&format!("{list}?before=x")).status, 404);
        }
    }
    // All of it is on the page of the complaint.
    for browser in [&mut operator, &mut owner, &mut reader] {
        let page = browser.get(&format!("/complaints/{first}"));
        page.says(200, &format!("the first {}", "&#34;".repeat(4086)));
        let whole = format!("<bdi>{}</bdi>", "&#34;".repeat(4096));
        assert_eq!(page.text.matches(&whole).count(), 2 * ANSWERS_MAX as usize);
    }
}

async fn no_answer_looks_like_that_of_another(database: Database) {
    let (site, mut operator, mut owner) = with_vendor(database).await;
    let (mut reader, name) = site.reader();
    complain(&site, &name, (0, 1), "no page").await;
    let id = site.world.number("SELECT id FROM complaint").await;
    let page = format!("/complaints/{id}");
    let form = owner.get(&page);
    let text = "We look at it.; MicroMint: </bdi></li><li><b>The operator, MicroMint, \
                2026-12-11 14:40 UTC</b> go away";
    let sent = owner.send(&form, "/complaints/answer", &[("text", text)]);
    assert_eq!(sent.status, 303);
    let of_operator = "<b>The operator, MicroMint, 2026-12-11 14:40 UTC</b>";
    for (browser, list) in [(&mut reader, "/complaints"), (&mut operator, "/operator/complaints")] {
        for path in [list, page.as_str()] {
            let seen = browser.get(path);
            seen.says(
                200,
                "<b>The vendor news.example, 2026-12-11 14:40 UTC</b><bdi>We look at it.; \
                 MicroMint: &#60;",
            );
            assert!(!seen.text.contains(of_operator), "{}", seen.text);
        }
    }
    let form = operator.get(&page);
    assert_eq!(operator.send(&form, "/complaints/answer", &[("text", "Sorry")]).status, 303);
    let seen = reader.get(&page);
    seen.says(200, &format!("{of_operator}<bdi>Sorry</bdi>"));
    // In the order in which they were given, also within a second.
    assert!(seen.text.find("We look at it") < seen.text.find("Sorry"), "{}", seen.text);
    reader.get("/complaints").says(200, &format!("{of_operator}<bdi>Sorry</bdi>"));
}

/// The browser does not say of which page a form was.
async fn a_refused_form_of_a_vendor_leads_back_to_it(database: Database) {
    let (site, _, mut owner) = with_vendor(database).await;
    complain(&site, "bob", (0, 1), "no page").await;
    let id = site.world.number("SELECT id FROM complaint").await;
    let form = owner.get("/vendor/news.example");
    let iban = "DE89370400440532013000";
    for (iban, name, password) in
        [("DE1", "N", PASSWORD), (iban, "", PASSWORD), (iban, "N", "a wrong password")]
    {
        let fields = [("iban", iban), ("name", name), ("password", password)];
        let refused = owner.send(&form, "/bank", &fields);
        refused.says(422, "<a href=\"/vendor/news.example\">Back</a>");
        let fields = [("iban", iban), ("name", name), ("password", password), ("vendor", "")];
        owner.send(&form, "/bank", &fields).says(422, "<a href=\"/account\">Back</a>");
    }
    let path = format!("/complaints/{id}");
    let form = owner.get(&path);
    let refused = owner.send(&form, "/complaints/answer", &[("text", " ")]);
    refused.says(422, &format!("<a href=\"{path}\">Back</a>"));
}

async fn the_lines_to_paste_end_and_start_the_service(database: Database) {
    let (site, mut operator, mut owner) = with_vendor(database).await;
    let page = owner.get("/vendor/news.example");
    let blocks = page.text.matches("mmvendor sync").count();
    assert_eq!(blocks, 2);
    assert_eq!(
        page.text.matches("mmvendor sync --once --broker https://broker.example").count(),
        2
    );
    for after in ["nginx -s reload", "apachectl graceful"] {
        let at = page.text.find(after).unwrap();
        let rest = &page.text[at..];
        assert!(rest.contains("systemctl enable --now micromint-vendor.service"), "{after}");
    }
    page.says(200, "BROKER=https://broker.example");
    assert_eq!(page.text.matches("origins = [&#34;https://news.example&#34;]").count(), 2);
    // For a trial on one machine, which has no certificate.
    let (mut owner, name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", "localhost"), ("user", name.as_str())];
    assert_eq!(operator.send(&form, "/operator/vendors", &fields).status, 303);
    let page = owner.get("/vendor/localhost");
    assert_eq!(page.text.matches("origins = [&#34;http://localhost&#34;]").count(), 2);
}

async fn an_operator_gives_a_vendor_to_another_account(database: Database) {
    let (site, mut operator, mut owner) = with_vendor(database).await;
    let (mut other, name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", name.as_str())];
    let asked = operator.send(&form, "/operator/vendors", &fields);
    asked.says(200, "Give news.example to another account");
    assert_eq!(owner.get("/vendor/news.example").status, 200);
    // Twice is once.
    for _ in 0..2 {
        assert_eq!(operator.send(&asked, "/operator/vendors", &[]).status, 303);
    }
    assert_eq!(owner.get("/vendor/news.example").status, 404);
    assert_eq!(other.get("/vendor/news.example").status, 200);
    let acts = "SELECT COUNT(*) FROM audit WHERE what = 'vendor handed over'";
    assert_eq!(site.world.number(acts).await, 1);
    // A form for what was decided otherwise meanwhile asks again.
    let third = [("user", "boss"), ("from", "nobody-1")];
    operator.send(&asked, "/operator/vendors", &third).says(200, "to another account");
    assert_eq!(other.get("/vendor/news.example").status, 200);
    // Only an administrator decides it.
    let mut money = site.operator("till", Role::Money).await;
    let token = money.get("/account").value("/logout", "token");
    let mut fields = fields.to_vec();
    fields.push(("token", &token));
    money.post("/operator/vendors", &fields).says(403, "may not do this");
}

async fn a_statement_shows_what_was_redeemed(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    let (mut browser, name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", name.as_str())];
    assert_eq!(operator.send(&form, "/operator/vendors", &fields).status, 303);
    let page = browser.get("/vendor/news.example");
    page.says(200, "No batch has come yet.");
    page.says(200, "Nothing was earned or paid out yet.");
    site.world.sell("alice", 1, 1).await;
    let paid = payment("alice", "news.example", "a", &coins("alice", "news.example", 0)[..3]);
    let verdicts = site.world.redeem(&batch("news.example", "b1", &[paid])).await;
    assert_eq!(verdicts, [Verdict::Accepted; 3]);
    let page = browser.get("/vendor/news.example");
    page.says(200, "0.03 USD");
    page.says(200, "Coins redeemed");
    let csv = browser.get("/vendor/news.example/csv");
    assert!(
        csv.text.contains("\"2026-12-11\",\"redemption\",\"0.03\",\"USD\"\r\n"),
        "{}",
        csv.text
    );
    assert!(csv.text.ends_with("\"\",\"balance\",\"0.03\",\"USD\"\r\n"), "{}", csv.text);
    let dashboard = operator.get("/operator");
    dashboard.says(200, "role=\"img\"");
    dashboard.says(200, "3 in 30 days; most on 2026-12-11: 3.");
    // The list of vendors: coins, bad coins, complaints.
    let mut forged = coins("alice", "news.example", 0)[3].clone();
    forged.reverse();
    let paid = payment("alice", "news.example", "b", &[forged]);
    let verdicts = site.world.redeem(&batch("news.example", "b2", &[paid])).await;
    assert_ne!(verdicts, [Verdict::Accepted]);
    // All coins of a period are in a column: batches, coins, accepted, waiting, disputed, paid
    // before, forged, not from the owner.
    let again = payment("alice", "news.example", "c", &coins("alice", "news.example", 0)[..3]);
    let verdicts = site.world.redeem(&batch("news.example", "b3", &[again])).await;
    assert_eq!(verdicts, [Verdict::AlreadyPaid; 3]);
    let page = browser.get("/vendor/news.example");
    assert_eq!(numbers(&page, "2026-12"), [3, 7, 3, 0, 0, 3, 0, 1]);
    let list = operator.get("/operator/vendors");
    assert_eq!(numbers(&list, "news.example"), [7, 1, 0]);
    assert_eq!(numbers(&list, "shop.example"), [0, 0, 0]);
}

/// The numbers in the row of a table that begins with these words.
pub(crate) fn numbers(page: &Seen, words: &str) -> Vec<u64> {
    let row = page.text.split("<tr").find(|row| row.contains(&format!(">{words}<"))).unwrap();
    row.split(['<', '>']).filter_map(|text| text.trim().parse().ok()).collect()
}

async fn coins_of_a_disabled_vendor_are_refused(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    site.world.sell("alice", 1, 1).await;
    let all = coins("alice", "news.example", 0);
    let of = |name: &str, at: usize| {
        let paid = payment("alice", "news.example", name, &all[at..=at]);
        batch("news.example", name, &[paid])
    };
    let page = operator.get("/operator/vendors");
    let vendor = [("vendor", "news.example")];
    for _ in 0..2 {
        assert_eq!(operator.send(&page, "/operator/vendors/disable", &vendor).status, 303);
    }
    let refused = site.world.service.redeem(of("b1", 0), DURING).await.unwrap();
    assert!(matches!(refused, Reply::Refused(_)));
    let page = operator.get("/operator/vendors");
    page.says(200, "disabled");
    assert_eq!(operator.send(&page, "/operator/vendors/enable", &vendor).status, 303);
    assert_eq!(site.world.redeem(&of("b1", 0)).await, [Verdict::Accepted]);
    let rows = "SELECT COUNT(*) FROM audit WHERE detail = 'news.example'";
    assert_eq!(site.world.number(rows).await, 2);
}

async fn readers_complain_and_vendors_answer(database: Database) {
    let site = site(database).await;
    let mut operator = site.operator("boss", Role::Admin).await;
    let (mut owner, owner_name) = site.reader();
    let form = operator.get("/operator/vendors");
    let fields = [("host", "news.example"), ("user", owner_name.as_str())];
    assert_eq!(operator.send(&form, "/operator/vendors", &fields).status, 303);
    let (mut reader, name) = site.reader();
    let paid = payment(&name, "news.example", "a", &coins(&name, "news.example", 0)[..1]);
    let evidence = String::from_utf8(paid.to_bytes()).unwrap();
    let form = reader.get("/complaints");
    let mut complain = |text: &str, payment: &str| {
        reader.send(&form, "/complaints", &[("text", text), ("payment", payment)])
    };
    complain("no page", "not a payment").says(422, "This is not a payment");
    complain("", &evidence).says(422, "Expected a text");
    complain(&"x".repeat(4097), &evidence).says(422, "Expected a text");
    let other = evidence.replace(&name, "someone");
    complain("no page", &other).says(422, "belongs to another account");
    // Spaces and line ends that a text area changes do not matter, and a double click is one.
    let text = "paid, and no page came <script>alert(1)</script>";
    for _ in 0..2 {
        assert_eq!(complain(text, &format!("\n{}", evidence.trim_end())).status, 303);
    }
    assert_eq!(site.world.number("SELECT COUNT(*) FROM complaint").await, 1);
    let page = operator.get("/operator/complaints");
    page.says(200, "paid, and no page came");
    assert!(!page.text.contains("<script"));
    let id = site.world.number("SELECT id FROM complaint").await.to_string();
    let page = owner.get("/vendor/news.example");
    page.says(200, "paid, and no page came");
    let form = owner.get(&format!("/complaints/{id}"));
    form.says(200, "paid, and no page came");
    assert!(!form.text.contains(&name), "{}", form.text);
    let done = owner.send(&form, "/complaints/answer", &[("text", "We are sorry.")]);
    owner.follow(&done).says(200, "We are sorry.");
    let answered = "<b>The vendor news.example, 2026-12-11 14:40 UTC</b><bdi>We are sorry.</bdi>";
    reader.get("/complaints").says(200, answered);
    // Everyone who sees it sees of which payment it is, and the reader reads only.
    let (url, reference) = (paid.url.to_string(), reference(&paid));
    let page = reader.get(&format!("/complaints/{id}"));
    page.says(200, answered);
    assert!(!page.text.contains("/complaints/answer"), "{}", page.text);
    reader.get("/complaints").says(200, &format!("href=\"/complaints/{id}\""));
    for (seen, list) in [
        (&mut reader, "/complaints"),
        (&mut owner, "/vendor/news.example"),
        (&mut operator, "/operator/complaints"),
    ] {
        let page = seen.get(&format!("/complaints/{id}"));
        for fact in [&url, &reference, "<dd>1</dd>", "0.01 USD", "2026-12"] {
            page.says(200, fact);
        }
        seen.get(list).says(200, &reference);
    }
    reader.language = "de";
    let page = reader.get(&format!("/complaints/{id}"));
    page.says(200, "<b>Der Anbieter news.example, 2026-12-11 14:40 UTC</b>");
    page.says(200, "Wert");
    let token = page.value("/logout", "token");
    let fields = [("token", token.as_str()), ("complaint", id.as_str()), ("text", "x")];
    reader.post("/complaints/answer", &fields).says(403, "Das darf Ihr Konto nicht");
    // Nobody else answers.
    let (mut stranger, _) = site.reader();
    stranger.get(&format!("/complaints/{id}")).says(422, "no such complaint");
    stranger.get("/complaints/x").says(422, "no such complaint");
    let token = stranger.get("/account").value("/logout", "token");
    let fields = [("token", token.as_str()), ("complaint", id.as_str()), ("text", "x")];
    stranger.post("/complaints/answer", &fields).says(422, "no such complaint");
    // More complaints about others than a page shows hide nothing from the vendor.
    let (bob, shop) = (user("bob"), vendor("shop.example"));
    for number in 0..501 {
        let made = NewComplaint { sha256: [0; 32], vendor: &shop, text: "x", payment: b"" };
        let (store, name) = (site.world.service.store(), number.to_string());
        store.add_complaint(&bob, &name, &made, (1000, DURING)).await.unwrap();
    }
    let page = owner.get("/vendor/news.example");
    page.says(200, "paid, and no page came");
    page.says(200, "We are sorry.");
    let list = operator.get("/operator/vendors");
    assert_eq!(numbers(&list, "news.example"), [0, 0, 1]);
    assert_eq!(numbers(&list, "shop.example"), [0, 0, 501]);
    assert_eq!(site.world.balance(AccountKind::Client, &name).await, 0);
}
