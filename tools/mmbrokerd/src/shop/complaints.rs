//! Complaints of readers about vendors, and answers.
//!
//! Input: words, and a payment as evidence. Output: rows. The invariants: a complaint has a payment
//! of the person who complains; it is recorded once; nothing follows from it by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use micromint::identity::VendorId;
use micromint::protocol::{Payment, parse_decimal};
use micromint::time::UnixTime;
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::answer::{Answer, Refused, refuse, show, to};
use super::audit::Act;
use super::form::{LARGE_FORM_SIZE_MAX, Posted};
use super::login::Note;
use super::people::{Person, Role};
use super::view::{Cell, Form, Input, Page, Part, Table};
use super::visitor::{LoggedIn, Visitor};
use super::{Shop, random};
use crate::http::{COMPLAINT_TEXT_MAX, COMPLAINTS_PER_USER_MAX};
use crate::store::{NewComplaint, Store, StoreError, Transaction, retried};

/// The longest payment in a form, in bytes.
const PAYMENT_LEN_MAX: usize = 64 * 1024;
/// The most complaints on a page.
const SHOWN_MAX: i64 = 500;

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
    pub(super) answers: Vec<String>,
}

/// Which complaints.
#[derive(Clone, Copy)]
pub(super) enum Which<'a> {
    /// The last ones.
    All,
    /// The last ones of a user.
    Of(&'a str),
    /// The last ones about a vendor.
    About(&'a VendorId),
    /// That with this number.
    Number(i64),
}

/// Complaints, the last first.
pub(super) async fn complaints(
    store: &Store,
    which: Which<'_>,
) -> Result<Vec<Complaint>, StoreError> {
    // One statement for each, so that each finds its rows by an index.
    let condition = match which {
        Which::All => "1 = 1",
        Which::Of(_) => "user_id = $2",
        Which::About(_) => "vendor = $2",
        Which::Number(_) => "id = $2",
    };
    let complaints = format!(
        "SELECT id, user_id, at, text, vendor FROM complaint WHERE {condition} \
         ORDER BY id DESC LIMIT $1"
    );
    let answers = format!(
        "SELECT complaint, by_whom, text FROM complaint_answer WHERE complaint IN \
         (SELECT id FROM ({complaints}) AS shown) ORDER BY complaint, at, by_whom"
    );
    let rows_of = async |statement: String| {
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(SHOWN_MAX);
        let query = match which {
            Which::All => query,
            Which::Of(user) => query.bind(user.to_string()),
            Which::About(vendor) => query.bind(vendor.to_string()),
            Which::Number(number) => query.bind(number),
        };
        query.fetch_all(store.pool()).await
    };
    let rows = rows_of(complaints).await?;
    let mut answers = by_complaint(&rows_of(answers).await?)?;
    let mut all = Vec::new();
    for row in rows {
        let id: i64 = row.try_get(0)?;
        all.push(Complaint {
            id,
            user: row.try_get(1)?,
            at: UnixTime(row.try_get(2)?),
            text: row.try_get(3)?,
            vendor: row.try_get(4)?,
            answers: answers.remove(&id).unwrap_or_default(),
        });
    }
    Ok(all)
}

/// The answers, by complaint.
fn by_complaint(rows: &[AnyRow]) -> Result<BTreeMap<i64, Vec<String>>, StoreError> {
    let mut all: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for row in rows {
        let (by, text): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        all.entry(row.try_get(0)?).or_default().push(format!("{by}: {text}"));
    }
    Ok(all)
}

/// To whom complaints are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ShownTo {
    /// To the reader who complained.
    Reader,
    /// To their vendor, who answers and is not told who complained.
    Vendor,
    /// To an operator, who answers.
    Operator,
}

/// A table of complaints. Who may answer finds the form by the number.
pub(super) fn table(visitor: &Visitor, all: &[&Complaint], shown: ShownTo) -> Table {
    let words = visitor.words;
    let with_users = shown == ShownTo::Operator;
    let row = |it: &&Complaint| {
        let who = if with_users { &it.user } else { &it.vendor };
        let number = match shown {
            ShownTo::Reader => Cell::number(it.id),
            _ => Cell::Link(format!("/complaints/{}", it.id), answer_link(visitor, it)),
        };
        let mut cells = vec![
            number,
            Cell::Text(visitor.time(it.at)),
            Cell::text(who),
            Cell::text(&it.text),
            Cell::Text(it.answers.join("; ")),
        ];
        if with_users {
            cells.insert(3, Cell::text(&it.vendor));
        }
        cells
    };
    let mut head = vec!["column-number", "column-date", "column-vendor", "column-text"];
    if with_users {
        head.insert(2, "user-label");
    }
    head.push("column-answers");
    Table {
        caption: words.get("complaints-title"),
        head: head.into_iter().map(|name| words.get(name)).collect(),
        rows: all.iter().map(row).collect(),
        empty: words.get("complaints-empty"),
    }
}

fn answer_link(visitor: &Visitor, complaint: &Complaint) -> String {
    visitor.words.with("answer-link", &[("number", &format!("#{}", complaint.id))])
}

/// A complaint for somebody who may answer it, with the form.
pub(super) async fn one(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Path(number): Path<String>,
) -> Answer {
    let words = visitor.words;
    let id = parse_decimal(&number).and_then(|id| i64::try_from(id).ok());
    let none = || refuse("error-no-complaint");
    let which = Which::Number(id.ok_or_else(none)?);
    let complaint = complaints(shop.service.store(), which).await?.pop().ok_or_else(none)?;
    let (_, back) = may_answer(&shop, &person, &complaint).await?;
    let is_operator = person.role >= Role::Support;
    let mut facts = vec![
        (words.get("column-date"), visitor.time(complaint.at)),
        (words.get("column-vendor"), complaint.vendor.clone()),
    ];
    if is_operator {
        facts.push((words.get("user-label"), complaint.user.clone()));
    }
    let mut page = Page::new(answer_link(&visitor, &complaint))
        .with(Part::Facts(facts))
        .text(complaint.text.clone());
    if !complaint.answers.is_empty() {
        page = page.heading(words.get("column-answers"));
    }
    for answer in &complaint.answers {
        page = page.text(answer.clone());
    }
    let most = ANSWERS_MAX.to_string();
    let form = Form::new("/complaints/answer", words.get("answer-button"))
        .hidden("complaint", complaint.id.to_string())
        .field("text", words.get("answer-text"), Input::Lines(COMPLAINT_TEXT_MAX))
        .help(words.with("answer-help", &[("most", &most)]));
    let links = vec![(back, words.get("back-link"))];
    show(&shop, &visitor, &page.with(form.into()).with(Part::Links(links)))
}

/// The complaints of a person, and the form for another one.
pub(super) async fn page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
) -> Answer {
    let words = visitor.words;
    let all = complaints(shop.service.store(), Which::Of(person.user.as_str())).await?;
    let form = Form::new("/complaints", words.get("complaint-button"))
        .field("text", words.get("complaint-text"), Input::Lines(COMPLAINT_TEXT_MAX))
        .field("payment", words.get("complaint-payment"), Input::Lines(PAYMENT_LEN_MAX))
        .help(words.get("complaint-payment-help"))
        .hidden("id", random::token()?);
    let page = note
        .on(&visitor, Page::new(words.get("complaints-title")))
        .text(words.get("complaints-text"))
        .with(Part::Table(table(&visitor, &all.iter().collect::<Vec<_>>(), ShownTo::Reader)))
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
    if store.add_complaint(&person.user, id, &content, limit).await?.is_none() {
        return Err(refuse("error-complaints"));
    }
    Ok(to(&shop, "/complaints?note=done-complaint"))
}

/// What the page of a vendor says about complaints.
pub(super) async fn vendor_part(
    shop: &Shop,
    visitor: &Visitor,
    page: Page,
    vendor: &VendorId,
) -> Result<Page, Refused> {
    let words = visitor.words;
    let all = complaints(shop.service.store(), Which::About(vendor)).await?;
    let own: Vec<&Complaint> = all.iter().collect();
    let page = page.heading(words.get("complaints-title"));
    Ok(page.with(Part::Table(table(visitor, &own, ShownTo::Vendor))))
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
            "SELECT at, text FROM complaint_answer WHERE complaint = $1 AND by_whom = $2 \
             ORDER BY at",
        )
        .bind(answer.complaint)
        .bind(answer.by.to_string())
        .fetch_all(self.connection())
        .await?;
        let mut at = answer.now.0;
        for row in &rows {
            if row.try_get::<String, _>(1)? == answer.text {
                return Ok((false, true));
            }
            // Two answers within a second come one after the other.
            at = at.max(row.try_get::<i64, _>(0)? + 1);
        }
        if rows.len() as i64 >= ANSWERS_MAX {
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
    let Posted { person, fields, .. } = &posted;
    let text = fields.text("text");
    if !(1..=COMPLAINT_TEXT_MAX).contains(&text.len()) {
        return Err(refuse("error-complaint").with("most", COMPLAINT_TEXT_MAX));
    }
    let id =
        i64::try_from(fields.hidden_number("complaint")?).map_err(|_| refuse("error-no-page"))?;
    let store = shop.service.store();
    // 0 would be all.
    let none = || refuse("error-no-complaint");
    let which = Which::Number(Some(id).filter(|id| *id > 0).ok_or_else(none)?);
    let complaint = complaints(store, which).await?.pop().ok_or_else(none)?;
    let (by, back) = may_answer(&shop, person, &complaint).await?;
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
    Ok(to(&shop, &format!("{back}?note=done-answer")))
}

/// In whose name a person answers, and the page to go back to.
async fn may_answer(
    shop: &Shop,
    person: &Person,
    complaint: &Complaint,
) -> Result<(String, String), Refused> {
    if person.role >= Role::Support {
        let name = shop.settings.name.clone();
        return Ok((name, "/operator/complaints".to_string()));
    }
    // Whether it exists is not told to others.
    let vendor = super::vendor::own_vendor(shop, person, &complaint.vendor).await;
    let vendor = vendor.map_err(|_| refuse("error-no-complaint"))?;
    Ok((vendor.to_string(), format!("/vendor/{vendor}")))
}
