//! Messages of the protocol: returns, batches, the watch, and requests for owners.
//!
//! Input: a message, which authenticates itself. Output: its answer. The invariants: a message is
//! identified by its Request-ID, Batch-ID or Watch-ID, so the same message again gets the same
//! answer; batches are judged one after the other, and large ones are staged in the database while
//! they arrive, which bounds the memory.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use micromint::broker::{BatchRefusal, ReturnRefusal};
use micromint::host::{Entropy, SystemEntropy};
use micromint::protocol::{
    MessageError, ReadRedemption, RedemptionReader, RequestCredit, RequestOwners, RequestWatch,
};
use micromint::reply::Reply;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::App;
use super::answer::{Answer, Problem, message};
use super::body::{
    OWNERS_SIZE_MAX, Pieces, REDEMPTION_MEMORY, REDEMPTION_SIZE_MAX, RETURN_SIZE_MAX,
    WATCH_SIZE_MAX, full, read,
};
use crate::places::{Sender, Taken};
use crate::service::{
    OwnersRefusal, PERIOD_WITNESS_LEN_MAX, PIECE_SIZE, Upload, VendorKey, blocking,
};

/// How far the broker was, which a vendor keeps and sends back with its next request for owners.
const WITNESS_HEADER: &str = "micromint-witness";

/// Reads a message. Parsing takes long for a large one.
async fn parsed<T: Send + 'static>(
    app: &App,
    (sender, headers): (&Sender, &HeaderMap),
    body: Body,
    size_max: usize,
    parse: fn(&[u8]) -> Result<T, MessageError>,
) -> Result<T, Problem> {
    let bytes = read(app, sender, headers, body, size_max).await?;
    blocking(move || parse(&bytes)).await?.map_err(Problem::bad_request)
}

/// Return unspent coins: a Request-Credit. Its Request-ID is the idempotency key.
#[utoipa::path(post, path = "/v1/returns", tag = "clients",
    request_body(content = Vec<u8>, content_type = "application/x-micromint"),
    responses(
        (status = 200, description = "A Funds-Credited message, with the verdicts as of now",
            body = Vec<u8>, content_type = "application/x-micromint"),
        (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn take_back(
    State(app): State<Arc<App>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let answer = async {
        let from = (&sender, &headers);
        let request = parsed(&app, from, body, RETURN_SIZE_MAX, RequestCredit::parse).await?;
        let name = &request.period;
        let period = app.service.period(name);
        let period =
            period.ok_or_else(|| Problem::not_found(format!("there is no period {name}")))?;
        let number = SystemEntropy.number().map_err(|_| {
            Problem::busy("the system has no random numbers yet; send this one again")
        })?;
        let now = app.service.now();
        match app.service.take_back(&period, request, number, now).await? {
            Reply::Granted(answer) => Ok(message(answer.to_bytes())),
            Reply::Refused(refusal) => Err(return_problem(&refusal)),
        }
    };
    answer.await.map_err(|no: Problem| no.for_client(&headers))
}

fn return_problem(refusal: &ReturnRefusal) -> Problem {
    match refusal {
        ReturnRefusal::WrongAuthenticator { .. } => {
            Problem::forbidden("wrong-authenticator", refusal)
        }
        ReturnRefusal::TooEarly { .. } => Problem::conflict("too-early", refusal),
        ReturnRefusal::TooLate { .. } => Problem::new(StatusCode::GONE, "too-late", refusal),
        ReturnRefusal::OtherContent { .. } => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "other-content", refusal)
        }
        _ => Problem::conflict("refused", refusal),
    }
}

/// Redeem payments: a Request-Redemption. Its Batch-ID is the idempotency key.
#[utoipa::path(post, path = "/v1/redemptions", tag = "vendors",
    request_body(content = Vec<u8>, content_type = "application/x-micromint"),
    responses(
        (status = 200,
            description = "A Redemption-Result message, with the verdicts as of now",
            body = Vec<u8>, content_type = "application/x-micromint"),
        (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 413, body = Problem),
        (status = 422, description = "The Batch-ID has other content", body = Problem),
        (status = 429, description = "Too many batches or refused coins within the hour",
            body = Problem),
        (status = 503, body = Problem)))]
pub(super) async fn redeem(
    State(app): State<Arc<App>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (reply, answer) = oneshot::channel();
    // In a task of its own: what was staged is judged or removed though the client goes away.
    let (from, of_client) = (headers.clone(), headers);
    tokio::spawn(async move {
        let mut reply = reply;
        let answer = receive_and_judge(&app, &sender, (&from, body), &mut reply).await;
        let _ = reply.send(answer);
    });
    let answer = answer.await.map_err(|_| Problem::busy("the service ends; send this one again"));
    answer.flatten().map_err(|no: Problem| no.for_client(&of_client))
}

/// Receives a Request-Redemption and judges it.
async fn receive_and_judge(
    app: &App,
    sender: &Sender,
    (headers, body): (&HeaderMap, Body),
    reply: &mut oneshot::Sender<Answer>,
) -> Answer {
    let mut upload = Upload::default();
    // A batch has its place until nothing of it is staged.
    let mut place = app.uploads.none(sender);
    let sizes = (REDEMPTION_SIZE_MAX, REDEMPTION_MEMORY);
    let mut pieces = Pieces::new(app, sender, headers, body, sizes)?;
    let (read, key, rest) = match receive(app, &mut place, &mut pieces, &mut upload).await {
        Ok(received) => received,
        Err(problem) => {
            app.service.give_up(upload).await?;
            drop(place);
            pieces.pass_over().await;
            return Err(problem);
        }
    };
    let ends = || Problem::busy("the service ends; send this one again");
    let _turn = match (read.is_authentic, upload.number()) {
        // It is refused at once.
        (false, _) => None,
        (true, Some(_)) => Some(app.judging.acquire().await.map_err(|_| ends())?),
        // Nothing is left of it if the client goes away while it waits.
        (true, None) => tokio::select! {
            turn = app.judging.acquire() => Some(turn.map_err(|_| ends())?),
            () = reply.closed() => return Err(ends()),
        },
    };
    let judged = app.service.redeem_read(read, &key, upload, rest, app.service.now()).await?;
    answered(app, sender, judged, |answered| answered.result.to_bytes())
}

/// Receives a Request-Redemption. Returns the key with which it was read, and the end of its data,
/// behind the pieces in `upload`.
async fn receive(
    app: &App,
    place: &mut Taken,
    pieces: &mut Pieces,
    upload: &mut Upload,
) -> Result<(ReadRedemption, VendorKey, Vec<u8>), Problem> {
    let (mut reader, mut key) = (RedemptionReader::new(), None);
    while let Some(bytes) = pieces.next().await? {
        reader.push(&bytes).map_err(Problem::bad_request)?;
        if let Some(head) = reader.needs_key() {
            let found = app.service.vendor_key(&head.vendor).await?;
            reader.set_key(&key.insert(found).key);
        }
        if reader.taken_size() < PIECE_SIZE {
            continue;
        }
        place.grow_to(1).map_err(full)?;
        let (start, piece) = (Instant::now(), reader.take());
        let Some(head) = reader.head() else { continue };
        let now = app.service.now();
        if let Reply::Refused(refusal) = app.service.take_piece(head, upload, &piece, now).await? {
            return Err(batch_problem(refusal));
        }
        pieces.add_time(start.elapsed());
    }
    let rest = reader.take();
    let read = reader.finish().map_err(Problem::bad_request)?;
    // What is complete has a head, so the key was asked for.
    let key = key.ok_or_else(|| Problem::bad_request("the message has no head"))?;
    Ok((read, key, rest))
}

/// Show payments that were just taken: a Request-Watch. Nothing is credited.
#[utoipa::path(post, path = "/v1/watch", tag = "vendors",
    request_body(content = Vec<u8>, content_type = "application/x-micromint"),
    responses(
        (status = 200, description = "A Watch-Result message",
            body = Vec<u8>, content_type = "application/x-micromint"),
        (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 422, body = Problem),
        (status = 429, description = "Too many coins within the hour", body = Problem)))]
pub(super) async fn watch(
    State(app): State<Arc<App>>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let answer = async {
        let from = (&sender, &headers);
        let request = parsed(&app, from, body, WATCH_SIZE_MAX, RequestWatch::parse).await?;
        let judged = app.service.watch(request, app.service.now()).await?;
        answered(&app, &sender, judged, |answered| answered.result.to_bytes())
    };
    answer.await.map_err(|no: Problem| no.for_client(&headers))
}

/// The answer to a vendor, who is known from then on to send from there.
fn answered<T>(
    app: &App,
    sender: &Sender,
    reply: Reply<T, BatchRefusal>,
    print: impl FnOnce(T) -> Vec<u8>,
) -> Result<Response, Problem> {
    match reply {
        Reply::Granted(result) => {
            app.vendors.heard(sender, Instant::now().into_std());
            Ok(message(print(result)))
        }
        Reply::Refused(refusal) => Err(batch_problem(refusal)),
    }
}

fn batch_problem(refusal: BatchRefusal) -> Problem {
    match refusal {
        BatchRefusal::WrongAuthenticator { .. } => wrong_authenticator(&refusal),
        BatchRefusal::UnknownVendor { ref vendor } => {
            let why = format!("{vendor} is not registered for this period");
            Problem::forbidden("unknown-vendor", why)
        }
        BatchRefusal::TooManyShown { .. } => too_many("too-many-shown", &refusal),
        BatchRefusal::TooManyBatches { .. } => too_many("too-many-batches", &refusal),
        BatchRefusal::TooManyRefused { .. } => too_many("too-many-refused", &refusal),
        _ => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "other-content", refusal),
    }
}

/// The same text whether the vendor has a key of this broker, had one before, or is no vendor.
fn wrong_authenticator(refusal: &impl Display) -> Problem {
    let why = format!(
        "{refusal}: if the vendor's key was replaced, the vendor's page at the broker has the new \
         one"
    );
    Problem::forbidden("wrong-authenticator", why)
}

/// A vendor has to wait for the next hour.
fn too_many(title: &'static str, refusal: &BatchRefusal) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, title, refusal).retry_after(600)
}

/// Ask for the tags of sold sets that the owners file does not have yet: a Request-Owners.
#[utoipa::path(post, path = "/v1/periods/{period}/owners", tag = "vendors",
    params(("period" = String, Path, description = "The period, as in the message")),
    request_body(content = Vec<u8>, content_type = "application/x-micromint"),
    responses(
        (status = 200, description = "An Owners-Sold message",
            body = Vec<u8>, content_type = "application/x-micromint"),
        (status = 400, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem),
        (status = 409, description = "The vendor holds more than the broker", body = Problem)))]
pub(super) async fn owners(
    State(app): State<Arc<App>>,
    Path(period): Path<String>,
    sender: Sender,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let answer = async {
        let from = (&sender, &headers);
        let request = parsed(&app, from, body, OWNERS_SIZE_MAX, RequestOwners::parse).await?;
        if request.period.as_str() != period {
            let found = &request.period;
            let why = format!("the path is of period {period}, the message of {found}");
            return Err(Problem::bad_request(why));
        }
        let witness = headers.get(WITNESS_HEADER).and_then(|value| value.to_str().ok());
        let witness = witness.filter(|witness| witness.len() <= PERIOD_WITNESS_LEN_MAX);
        match app.service.owners(request, witness).await? {
            Reply::Granted((answer, witness)) => {
                app.vendors.heard(&sender, Instant::now().into_std());
                let mut response = message(answer.to_bytes());
                let witness = witness.and_then(|witness| HeaderValue::try_from(witness).ok());
                if let Some(witness) = witness {
                    response.headers_mut().insert(WITNESS_HEADER, witness);
                }
                Ok(response)
            }
            Reply::Refused(refusal) => Err(match refusal {
                OwnersRefusal::NoPeriod(_) => Problem::not_found(refusal),
                OwnersRefusal::UnknownVendor(_) => Problem::forbidden("unknown-vendor", refusal),
                OwnersRefusal::WrongAuthenticator(_) => wrong_authenticator(&refusal),
                OwnersRefusal::Ahead { .. } => Problem::conflict("vendor-ahead", refusal),
            }),
        }
    };
    answer.await.map_err(|no: Problem| no.for_client(&headers))
}
