//! Complaints of clients about vendors, with a payment as evidence.
//!
//! Input: words and a Payment. Output: that it is recorded. The invariants: a complaint is
//! identified by its name; a person reads it, and nothing follows from it by itself; a client makes
//! a bounded number.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use micromint::protocol::{Id, Payment};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::App;
use super::answer::{Answer, Problem, json};
use super::auth::user_of;
use super::body::{COMPLAINT_SIZE_MAX, read};
use crate::places::Sender;
use crate::store::{ComplaintAnswer, NewComplaint};

/// The most complaints of one client.
pub const COMPLAINTS_PER_USER_MAX: i64 = 100;
/// The longest words of a complaint, in bytes.
pub const COMPLAINT_TEXT_MAX: usize = 4096;

/// A complaint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Complaint {
    /// Identifies it: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    id: String,
    /// What happened, 1 to 4096 bytes, not only white space.
    text: String,
    /// The Payment message that was sent to the vendor.
    payment: String,
}

/// That a complaint is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recorded {
    /// Its name.
    id: String,
    /// Its number on the broker's pages, where the answers are.
    number: i64,
    /// The vendor that it is about.
    vendor: String,
}

/// Complain about a vendor. The id is the idempotency key.
#[utoipa::path(post, path = "/v1/complaints", tag = "clients", request_body = Complaint,
    responses((status = 200, body = Recorded), (status = 400, body = Problem),
        (status = 401, body = Problem),
        (status = 403, description = "The payment is not the client's, or not signed",
            body = Problem),
        (status = 422, description = "The id has other content", body = Problem),
        (status = 429, description = "Too many complaints", body = Problem)))]
pub(super) async fn complain(
    State(app): State<Arc<App>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    record(&app, &sender, &headers, body).await.map_err(|no| no.for_client(&headers))
}

async fn record(app: &App, sender: &Sender, headers: &HeaderMap, body: Body) -> Answer {
    user_of(&app.service, headers).await?;
    let bytes = read(app, sender, headers, body, COMPLAINT_SIZE_MAX).await?;
    // Meanwhile the key may have ended.
    let user = user_of(&app.service, headers).await?;
    let complaint: Complaint = serde_json::from_slice(&bytes).map_err(Problem::bad_request)?;
    let id: Id = complaint.id.parse().map_err(Problem::bad_request)?;
    if complaint.text.trim().is_empty() || complaint.text.len() > COMPLAINT_TEXT_MAX {
        let why = format!("text: expected 1 to {COMPLAINT_TEXT_MAX} bytes that say what happened");
        return Err(Problem::bad_request(why));
    }
    // PostgreSQL keeps none.
    if complaint.text.contains('\0') {
        return Err(Problem::bad_request("text: expected no character U+0000"));
    }
    let payment = Payment::parse(complaint.payment.as_bytes()).map_err(Problem::bad_request)?;
    if payment.user != user {
        return Err(Problem::forbidden("other-user", "the payment is of another user"));
    }
    if !app.service.is_signed(&payment) {
        let why = "the payment is not signed with your key: complain with one that was sent";
        return Err(Problem::forbidden("not-signed", why));
    }
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    let store = app.service.store();
    let content = NewComplaint {
        sha256,
        vendor: &payment.vendor,
        text: &complaint.text,
        payment: complaint.payment.as_bytes(),
    };
    let limit = (COMPLAINTS_PER_USER_MAX, app.service.now());
    let number = match store.add_complaint(&user, id.as_str(), &content, limit).await? {
        ComplaintAnswer::Recorded(number) => number,
        ComplaintAnswer::Otherwise => {
            let why = format!("complaint {id} was made before, with other content");
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "other-content", why));
        }
        ComplaintAnswer::TooMany => {
            let why = format!("you have made {COMPLAINTS_PER_USER_MAX} complaints already");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", why));
        }
    };
    Ok(json(&Recorded { id: id.to_string(), number, vendor: payment.vendor.to_string() }))
}
