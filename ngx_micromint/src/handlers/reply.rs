//! Acts on the paywall's decision: the request continues to its content, or another answer is sent.

use micromint::protocol::RequestOutcome;
use micromint::vendor::{About, Answer, Decision, Request as PaywallRequest};

use super::head::change_head;
use super::question::begin;
use super::{NOT_FOUND, SERVER_ERROR, UNAVAILABLE, price_of};
use crate::sys::{Code, DECLINED, DONE, Level, OK, Request};
use crate::visit::{Ruling, Stage};

/// Stores the decision and acts on it.
pub(super) fn decided(request: &mut Request, price: u32, ruling: Ruling) -> Code {
    let Some(visit) = begin(request, price, Stage::Decided) else { return SERVER_ERROR };
    visit.ruling.replace(ruling);
    act(request)
}

/// Acts on the decision.
pub(super) fn act(request: &mut Request) -> Code {
    let Some(visit) = request.visit() else { return SERVER_ERROR };
    let ruling = visit.ruling.borrow();
    match &*ruling {
        Ruling::Decided(Decision::Serve(serve)) => {
            visit.stage.set(Stage::Served);
            alert(request, &serve.about);
            if serve.as_get {
                request.become_get();
            }
            if serve.ignore_conditions {
                request.ignore_conditions();
            }
            request.remove_headers(serve.strip_request_headers);
            request.heed_if_match_alone();
            DECLINED
        }
        Ruling::Decided(Decision::Answer(answer)) => {
            visit.stage.set(Stage::Answered);
            refuse(request, answer)
        }
        Ruling::Fail(code) => {
            visit.stage.set(Stage::Answered);
            *code
        }
        Ruling::None => SERVER_ERROR,
    }
}

/// Sends an answer instead of the content, through `error_page` if that has a page for its status.
fn refuse(request: &mut Request, answer: &Answer) -> Code {
    if let Some(text) = &answer.log {
        // What a client can cause at will is not an error of the server.
        let level =
            if answer.outcome == RequestOutcome::Unavailable { Level::Error } else { Level::Info };
        request.log().write(level, text);
    }
    alert(request, &answer.about);
    // Fields that are merged with the site's own are added in the filter, when those exist.
    if push_fields(request, answer).is_none() {
        return SERVER_ERROR;
    }
    if request.has_error_page(answer.status) {
        return answer.status as Code;
    }
    let code = request.discard_body();
    if code != OK {
        return code;
    }
    let code = request.send(answer.status, content_type(answer), &answer.body);
    request.finish(code);
    DONE
}

/// Adds the answer's fields except the content type, which nginx stores separately; `None` when out
/// of memory.
fn push_fields(request: &mut Request, answer: &Answer) -> Option<()> {
    let mut fields =
        answer.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
    fields.try_for_each(|(name, value)| request.push_header(name, value))
}

/// Reports to the vendor what the paywall found wrong with files.
fn alert(request: &Request, about: &About) {
    if let Some(text) = &about.alert {
        request.log().write(Level::Error, text);
    }
}

fn content_type(answer: &Answer) -> &str {
    let field = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Type"));
    field.map_or("", |(_, value)| value)
}

/// `micromint_message`: the content of a location for `error_page 402`. This is the paywall's
/// answer, or, if the 402 has another origin, the paywall's answer for this location.
pub(crate) fn message(request: &mut Request) -> Code {
    let code = request.discard_body();
    if code != OK {
        return code;
    }
    if let Some(visit) = request.visit()
        && let Ruling::Decided(Decision::Answer(answer)) = &*visit.ruling.borrow()
    {
        return request.send(answer.status, content_type(answer), &answer.body);
    }
    let Some(paywall) = request.server().vendor().and_then(|vendor| vendor.to_ask()) else {
        return UNAVAILABLE;
    };
    let price = match price_of(request) {
        Ok(0) => return NOT_FOUND,
        Ok(price) => price,
        Err(_) => return SERVER_ERROR,
    };
    let answer = {
        let headers = request.headers();
        paywall.price_tag(&PaywallRequest {
            method: b"GET",
            target: request.target(),
            is_https: request.is_https(),
            host: request.host(),
            port: request.port(),
            headers: &headers,
            price,
            ..PaywallRequest::default()
        })
    };
    let merged = answer.merged(|name| request.answer_values(name));
    if push_fields(request, &answer).and_then(|()| change_head(request, &merged)).is_none() {
        return SERVER_ERROR;
    }
    request.send(answer.status, content_type(&answer), &answer.body)
}
