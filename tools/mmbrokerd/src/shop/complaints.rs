//! Complaints of readers about vendors, and answers.
//!
//! Input: words, and a payment as evidence. Output: rows. The invariants: a complaint has a payment
//! of the person who complains; it is recorded once; nothing follows from it by itself; a list has
//! a bounded size and leads to all older ones; what somebody wrote stands beside who wrote it,
//! which no text can imitate.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use micromint::identity::VendorId;
use micromint::protocol::{Payment, parse_decimal};
use micromint::scheme::reference;
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::answer::{Answer, Refused, refuse, show, to};
use super::audit::Act;
use super::form::{LARGE_FORM_SIZE_MAX, Posted};
use super::login::Note;
use super::paging::{Listed, Older};
use super::people::{Person, Role};
use super::view::{Cell, Form, Input, Page, Part, Said, Table};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, random};
use crate::http::{COMPLAINT_TEXT_MAX, COMPLAINTS_PER_USER_MAX};
use crate::store::{ComplaintAnswer, NewComplaint, Store, StoreError, Transaction, retried};

/// The longest payment in a form, in bytes.
const PAYMENT_LEN_MAX: usize = 64 * 1024;
/// The most complaints on a page. A link leads to older ones.
pub const COMPLAINTS_SHOWN_MAX: usize = 50;
/// The longest text in a list, of a complaint and of each answer, in characters. More of it is on
/// the page of the complaint.
pub const COMPLAINT_CHARS_SHOWN_MAX: usize = 200;

/// The most answers to a complaint, of its vendor and of the operator each.
pub const ANSWERS_MAX: i64 = 5;

/// A complaint.
pub(super) struct Complaint {
    pub(super) id: i64,
    pub(super) user: String,
    pub(super) at: UnixTime,
    pub(super) text: String,
    /// The Vendor-ID of the payment.
    pub(super) vendor: String,
    /// The evidence.
    pub(super) payment: Option<Payment>,
    pub(super) answers: Vec<GivenAnswer>,
}

/// An answer to a complaint.
pub(super) struct GivenAnswer {
    /// In whose name it is: the vendor's, or the broker's.
    by: String,
    at: UnixTime,
    text: String,
}

/// Which complaints.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    /// All.
    All,
    /// Those of a user.
    Of(&'a str),
    /// Those about a vendor.
    About(&'a VendorId),
}

/// A page of complaints, the last first, with the beginnings of long texts.
pub(super) async fn list(
    store: &Store,
    which: Which<'_>,
    older: Older,
) -> Result<Listed<Complaint>, StoreError> {
    let (condition, key) = match which {
        Which::All => ("id < $2", None),
        Which::Of(user) => ("user_id = $4 AND id < $2", Some(user)),
        Which::About(vendor) => ("vendor = $4 AND id < $2", Some(vendor.as_str())),
    };
    // One more than is shown, of texts and of characters, tells that there is more.
    let bounds = (COMPLAINTS_SHOWN_MAX + 1, older.bound(), COMPLAINT_CHARS_SHOWN_MAX + 1);
    let rows = read(store, condition, bounds, key).await?;
    Ok(older.page(rows, COMPLAINTS_SHOWN_MAX, |complaint| complaint.id))
}

/// The complaint with this number, with its whole texts.
async fn find(store: &Store, id: i64) -> Result<Option<Complaint>, StoreError> {
    Ok(read(store, "id = $2", (1, id, COMPLAINT_TEXT_MAX), None).await?.pop())
}

/// The complaints under a condition, the last first: at most `most`, compared with `number`, and of
/// each text at most `chars` characters.
async fn read(
    store: &Store,
    condition: &'static str,
    (most, number, chars): (usize, i64, usize),
    key: Option<&str>,
) -> Result<Vec<Complaint>, StoreError> {
    // One statement for each condition, so that each finds its rows by an index.
    let complaints = format!(
        "SELECT id, user_id, at, SUBSTR(text, 1, CAST($3 AS INTEGER)), vendor, payment \
         FROM complaint WHERE {condition} ORDER BY id DESC LIMIT $1"
    );
    let answers = format!(
        "SELECT complaint, by_whom, SUBSTR(text, 1, CAST($3 AS INTEGER)), at \
         FROM complaint_answer \
         WHERE complaint IN (SELECT id FROM complaint WHERE {condition} ORDER BY id DESC LIMIT $1) \
         ORDER BY complaint, at, by_whom"
    );
    let rows_of = async |statement: String| {
        let query = sqlx::query(sqlx::AssertSqlSafe(statement));
        let query = query.bind(most as i64).bind(number).bind(chars as i64);
        let query = match key {
            None => query,
            Some(key) => query.bind(key.to_string()),
        };
        query.fetch_all(store.pool()).await
    };
    let rows = rows_of(complaints).await?;
    let mut answers = by_complaint(&rows_of(answers).await?)?;
    let mut all = Vec::new();
    for row in rows {
        let id: i64 = row.try_get(0)?;
        let payment: Vec<u8> = row.try_get(5)?;
        all.push(Complaint {
            id,
            user: row.try_get(1)?,
            at: UnixTime(row.try_get(2)?),
            text: row.try_get(3)?,
            vendor: row.try_get(4)?,
            payment: Payment::parse(&payment).ok(),
            answers: answers.remove(&id).unwrap_or_default(),
        });
    }
    Ok(all)
}

/// The answers, by complaint.
fn by_complaint(rows: &[AnyRow]) -> Result<BTreeMap<i64, Vec<GivenAnswer>>, StoreError> {
    let mut all: BTreeMap<i64, Vec<GivenAnswer>> = BTreeMap::new();
    for row in rows {
        let at = UnixTime(row.try_get(3)?);
        let answer = GivenAnswer { by: row.try_get(1)?, at, text: row.try_get(2)? };
        all.entry(row.try_get(0)?).or_default().push(answer);
    }
    Ok(all)
}

/// To whom complaints are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ShownTo {
    /// To the reader who complained.
    Reader,
    /// To their vendor, who answers.
    Vendor,
    /// To an operator, who answers.
    Operator,
}

/// The beginning of a text, which tells that there is more.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(COMPLAINT_CHARS_SHOWN_MAX) {
        None => text.to_string(),
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
    }
}

impl Complaint {
    /// The answers, each with who gave it.
    fn said(&self, visitor: &Visitor, shown: impl Fn(&str) -> String) -> Vec<Said> {
        let said = |answer: &GivenAnswer| {
            let who = if answer.by == self.vendor { "said-by-vendor" } else { "said-by-operator" };
            let time = visitor.time(answer.at);
            let who = visitor.words.with(who, &[("name", &answer.by), ("time", &time)]);
            Said { who, text: shown(&answer.text) }
        };
        self.answers.iter().map(said).collect()
    }

    /// What the payment says, of which the vendor has the same. It has no time.
    fn payment_facts(&self, shop: &Shop, visitor: &Visitor) -> Vec<(String, String)> {
        let words = visitor.words;
        let Some(payment) = &self.payment else { return Vec::new() };
        let mut facts = vec![
            (words.get("payment-reference"), reference(payment)),
            (words.get("payment-page"), payment.url.to_string()),
            (words.get("period-label"), payment.period.to_string()),
            (words.get("column-coins"), payment.coins.to_string()),
        ];
        let value = shop.service.period(&payment.period).map(|it| it.params().coin_value());
        if let Some(worth) = value.and_then(|value| value.checked_mul(payment.coins.into())) {
            let worth = visitor.money(worth.units(), worth.currency());
            facts.push((words.get("payment-worth"), worth));
        }
        facts
    }
}

/// Adds a page of complaints. The number leads to the whole of each, and to the form for an answer.
pub(super) fn add_list(
    visitor: &Visitor,
    page: Page,
    listed: &Listed<Complaint>,
    (shown, path): (ShownTo, &str),
) -> Page {
    let words = visitor.words;
    let with_users = shown == ShownTo::Operator;
    let row = |it: &Complaint| {
        let payment = it.payment.as_ref().map(reference);
        let mut cells = vec![
            Cell::Link(format!("/complaints/{}", it.id), title(visitor, it)),
            Cell::Text(visitor.time(it.at)),
            Cell::text(&it.vendor),
            Cell::Text(payment.unwrap_or_default()),
            Cell::Text(beginning(&it.text)),
            Cell::Said(it.said(visitor, beginning)),
        ];
        if with_users {
            cells.insert(2, Cell::text(&it.user));
        }
        cells
    };
    let mut head = vec![
        "column-number",
        "column-date",
        "column-vendor",
        "payment-reference",
        "column-text",
        "column-answers",
    ];
    if with_users {
        head.insert(2, "user-label");
    }
    let page = page.with(Part::Table(Table {
        caption: words.get("complaints-title"),
        head: head.into_iter().map(|name| words.get(name)).collect(),
        rows: listed.rows.iter().map(row).collect(),
        empty: words.get("complaints-empty"),
    }));
    page.links(listed.links(words, path))
}

fn title(visitor: &Visitor, complaint: &Complaint) -> String {
    visitor.words.with("answer-link", &[("number", &format!("#{}", complaint.id))])
}

/// A complaint. The reader who made it sees it; its vendor and operators also get the form for an
/// answer.
pub(super) async fn one(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Path(number): Path<String>,
) -> Answer {
    let words = visitor.words;
    let id = parse_decimal(&number).and_then(|id| i64::try_from(id).ok());
    let none = || refuse("error-no-complaint");
    let complaint = find(shop.service.store(), id.ok_or_else(none)?).await?.ok_or_else(none)?;
    let (shown, back) = seen_by(&shop, &person, &complaint).await?;
    let mut facts = vec![
        (words.get("column-date"), visitor.time(complaint.at)),
        (words.get("column-vendor"), complaint.vendor.clone()),
    ];
    if shown == ShownTo::Operator {
        facts.push((words.get("user-label"), complaint.user.clone()));
    }
    facts.extend(complaint.payment_facts(&shop, &visitor));
    let reader = Said { who: words.get("said-by-reader"), text: complaint.text.clone() };
    let mut page = Page::new(title(&visitor, &complaint))
        .with(Part::Facts(facts))
        .with(Part::Said(vec![reader]));
    if !complaint.answers.is_empty() {
        page = page
            .heading(words.get("column-answers"))
            .with(Part::Said(complaint.said(&visitor, str::to_string)));
    }
    if shown != ShownTo::Reader {
        let most = ANSWERS_MAX.to_string();
        let form = Form::new("/complaints/answer", words.get("answer-button"))
            .hidden("complaint", complaint.id.to_string())
            .field("text", words.get("answer-text"), Input::Lines(COMPLAINT_TEXT_MAX))
            .help(words.with("answer-help", &[("most", &most)]));
        page = page.with(form.into());
    }
    show(&shop, &visitor, &page.with(Part::Links(vec![(back, words.get("back-link"))])))
}

/// The complaints of a person, and the form for another one.
pub(super) async fn page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
    Query(older): Query<Older>,
) -> Answer {
    let words = visitor.words;
    let listed = list(shop.service.store(), Which::Of(person.user.as_str()), older).await?;
    let form = Form::new("/complaints", words.get("complaint-button"))
        .field("text", words.get("complaint-text"), Input::Lines(COMPLAINT_TEXT_MAX))
        .field("payment", words.get("complaint-payment"), Input::Lines(PAYMENT_LEN_MAX))
        .help(words.get("complaint-payment-help"))
        .hidden("id", random::token()?);
    let page = note
        .on(&visitor, Page::new(words.get("complaints-title")))
        .text(words.get("complaints-text"));
    let page = add_list(&visitor, page, &listed, (ShownTo::Reader, "/complaints"))
        .heading(words.get("complaint-new"))
        .with(form.into());
    show(&shop, &visitor, &page)
}

/// Records a complaint.
pub(super) async fn complain(
    State(shop): State<Arc<Shop>>,
    posted: Posted<LARGE_FORM_SIZE_MAX>,
) -> Answer {
    let Posted { person, fields, .. } = &posted;
    let (id, text) = (fields.text("id"), fields.text("text"));
    let is_text = (1..=COMPLAINT_TEXT_MAX).contains(&text.len());
    if id.len() != 64 || !is_text || fields.raw("payment").len() > PAYMENT_LEN_MAX {
        return Err(refuse("error-complaint").with("most", COMPLAINT_TEXT_MAX));
    }
    // Browsers end lines with CR LF, as messages do; an empty line at the end may be lost.
    let bytes = fields.raw("payment").trim_start().as_bytes();
    let payment = Payment::parse(bytes).or_else(|_| {
        let text = fields.raw("payment").trim().replace("\r\n", "\n").replace('\n', "\r\n");
        Payment::parse((text + "\r\n").as_bytes())
    });
    let payment = payment.map_err(|error| refuse("error-payment").with("why", error))?;
    if payment.user != person.user {
        return Err(refuse("error-payment-user"));
    }
    if !shop.service.is_signed(&payment) {
        return Err(refuse("error-payment-signed"));
    }
    let (store, now) = (shop.service.store(), shop.service.now());
    let sha256: [u8; 32] = Sha256::digest(format!("{text}\0{}", fields.raw("payment"))).into();
    let bytes = payment.to_bytes();
    let content = NewComplaint { sha256, vendor: &payment.vendor, text, payment: &bytes };
    let limit = (COMPLAINTS_PER_USER_MAX, now);
    match store.add_complaint(&person.user, id, &content, limit).await? {
        ComplaintAnswer::Recorded(_) => Ok(to(&shop, "/complaints?note=done-complaint")),
        ComplaintAnswer::Otherwise => Err(refuse("error-complaint-other")),
        ComplaintAnswer::TooMany => Err(refuse("error-complaints")),
    }
}

/// What the page of a vendor says about complaints.
pub(super) async fn vendor_part(
    shop: &Shop,
    visitor: &Visitor,
    page: Page,
    (vendor, older): (&VendorId, Older),
) -> Result<Page, Refused> {
    let listed = list(shop.service.store(), Which::About(vendor), older).await?;
    let page = page.heading(visitor.words.get("complaints-title"));
    let path = format!("/vendor/{vendor}");
    Ok(add_list(visitor, page, &listed, (ShownTo::Vendor, &path)))
}

/// An answer.
#[derive(Clone, Copy)]
struct Answered<'a> {
    complaint: i64,
    /// In whose name it is.
    by: &'a str,
    text: &'a str,
    now: UnixTime,
}

impl Transaction {
    /// Records an answer, unless it is recorded, or there are [`ANSWERS_MAX`] in that name. Returns
    /// whether it is new, and whether it is recorded now.
    async fn answer(&mut self, answer: Answered<'_>) -> Result<(bool, bool), StoreError> {
        // Those that come at the same time are counted too.
        self.lock_name(&format!("answers {}", answer.complaint)).await?;
        let rows = sqlx::query(
            "SELECT at, text, by_whom FROM complaint_answer WHERE complaint = $1 ORDER BY at",
        )
        .bind(answer.complaint)
        .fetch_all(self.connection())
        .await?;
        let (mut at, mut count) = (answer.now.0, 0);
        for row in &rows {
            // Answers within a second come one after the other, whoever gives them.
            at = at.max(row.try_get::<i64, _>(0)? + 1);
            if row.try_get::<String, _>(2)? == answer.by {
                count += 1;
                if row.try_get::<String, _>(1)? == answer.text {
                    return Ok((false, true));
                }
            }
        }
        if count >= ANSWERS_MAX {
            return Ok((false, false));
        }
        sqlx::query(
            "INSERT INTO complaint_answer (complaint, at, by_whom, text) VALUES ($1, $2, $3, $4)",
        )
        .bind(answer.complaint)
        .bind(at)
        .bind(answer.by.to_string())
        .bind(answer.text.to_string())
        .execute(self.connection())
        .await?;
        Ok((true, true))
    }
}

/// Answers a complaint: the vendor that it is about, or an operator.
pub(super) async fn answer(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    let id = posted.fields.hidden_number("complaint")?;
    let id = i64::try_from(id).map_err(|_| refuse("error-no-page"))?;
    let done = record_answer(&shop, &posted, id).await;
    done.map_err(|refused| refused.back_to(format!("/complaints/{id}")))
}

async fn record_answer(shop: &Shop, posted: &Posted, id: i64) -> Answer {
    let Posted { person, fields, .. } = posted;
    let text = fields.text("text");
    if !(1..=COMPLAINT_TEXT_MAX).contains(&text.len()) {
        return Err(refuse("error-complaint").with("most", COMPLAINT_TEXT_MAX));
    }
    let store = shop.service.store();
    let complaint = find(store, id).await?.ok_or_else(|| refuse("error-no-complaint"))?;
    let (by, back) = match seen_by(shop, person, &complaint).await? {
        (ShownTo::Operator, back) => (shop.settings.name.clone(), back),
        (ShownTo::Vendor, back) => (complaint.vendor, back),
        (ShownTo::Reader, _) => return Err(refuse("error-role")),
    };
    let now = shop.service.now();
    let answer = Answered { complaint: id, by: &by, text, now };
    let is_recorded = retried!(async {
        let mut tx = store.begin().await?;
        let (is_new, is_recorded) = tx.answer(answer).await?;
        if person.role >= Role::Support && is_new {
            let (by, complaint) = (person.user.as_str(), id.to_string());
            tx.audit(by, Act::ComplaintAnswered, &complaint, now).await?;
        }
        tx.commit().await?;
        Ok::<bool, StoreError>(is_recorded)
    })?;
    if !is_recorded {
        return Err(refuse("error-answers").with("most", ANSWERS_MAX));
    }
    Ok(to(shop, &format!("{back}?note=done-answer")))
}

/// As who a person sees a complaint, and the page to go back to.
async fn seen_by(
    shop: &Shop,
    person: &Person,
    complaint: &Complaint,
) -> Result<(ShownTo, String), Refused> {
    if person.role >= Role::Support {
        return Ok((ShownTo::Operator, "/operator/complaints".to_string()));
    }
    match super::vendor::own_vendor(shop, person, &complaint.vendor).await {
        Ok(vendor) => Ok((ShownTo::Vendor, format!("/vendor/{vendor}"))),
        Err(refused) if !refused.is("error-no-page") => Err(refused),
        Err(_) if complaint.user == person.user.as_str() => {
            Ok((ShownTo::Reader, "/complaints".to_string()))
        }
        // Whether it exists is not told to others.
        Err(_) => Err(refuse("error-no-complaint")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_by_characters() {
        let text = |chars: usize| "\u{1f600}".repeat(chars);
        let most = text(COMPLAINT_CHARS_SHOWN_MAX);
        assert_eq!(beginning(&most), most);
        assert_eq!(beginning(&text(COMPLAINT_CHARS_SHOWN_MAX + 1)), format!("{most}\u{2026}"));
        assert_eq!(beginning(""), "");
    }
}
