//! The comparison of what a case expects with what was seen.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Expect;
use crate::protocol::STATUS_HEADER;
use crate::scheme::{CHALLENGE_HEADER, challenges_in};

/// An answer as a client sees it, and what the content and the logs received.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// The method with which the content was requested, if it was.
    pub content_method: Option<String>,
    /// The names of the fields with which the content was requested; `None` if it was not.
    pub content_fields: Option<Vec<String>>,
    /// What was written to the server's error log.
    pub log: String,
    /// The line of the event.
    pub event: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, String> {
        let named = self.headers.iter().filter(|(its, _)| its.eq_ignore_ascii_case(name));
        let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
        match values[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(format!("expected one {name}, found {}", values.len())),
        }
    }
}

/// Compares what was seen with what is expected.
///
/// # Errors
/// The first difference, for people.
pub fn compare(seen: &Seen, expect: &Expect) -> Result<(), String> {
    compare_head(seen, expect)?;
    compare_body(seen, expect)?;
    compare_content(seen, expect)?;
    compare_challenge(seen, expect)?;
    compare_logs(seen, expect)?;
    // A header field that could contain a line end would let a request write the answer.
    let is_plain = |value: &str| value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let injected = seen.headers.iter().find(|(_, value)| !is_plain(value));
    injected.map_or(Ok(()), |(name, value)| Err(format!("{name} holds {value:?}")))
}

fn compare_head(seen: &Seen, expect: &Expect) -> Result<(), String> {
    same("status", &seen.status.to_string(), &expect.status.to_string())?;
    if let Some(word) = &expect.word {
        same(STATUS_HEADER, seen.header(STATUS_HEADER)?.unwrap_or_default(), word)?;
    }
    for (name, value) in &expect.headers {
        same(name, &evenly(seen.header(name)?.unwrap_or_default()), &evenly(value))?;
    }
    for name in &expect.has {
        seen.header(name)?.ok_or_else(|| format!("{name} is missing"))?;
    }
    for name in &expect.lacks {
        same(name, seen.header(name)?.unwrap_or_default(), "")?;
    }
    for (name, pieces) in &expect.decoded {
        let value = seen.header(name)?.ok_or_else(|| format!("{name} is missing"))?;
        contains(name, &decoded(value)?, pieces)?;
    }
    Ok(())
}

fn compare_body(seen: &Seen, expect: &Expect) -> Result<(), String> {
    contains("body", &seen.body, &expect.body)?;
    match expect.body_lacks.iter().find(|text| seen.body.contains(*text)) {
        Some(text) => Err(format!("{text:?} is in {:?}", seen.body)),
        None => Ok(()),
    }
}

/// Compares the request with which the content was asked.
fn compare_content(seen: &Seen, expect: &Expect) -> Result<(), String> {
    if let Some(method) = &expect.content_method {
        same("the content's method", seen.content_method.as_deref().unwrap_or_default(), method)?;
    }
    let has_field = |name: &String| {
        let fields = seen.content_fields.as_ref().ok_or("the content was not asked")?;
        Ok::<_, String>(fields.iter().any(|field| field.eq_ignore_ascii_case(name)))
    };
    for name in &expect.stripped {
        if has_field(name)? {
            return Err(format!("the content saw {name}"));
        }
    }
    for name in &expect.kept {
        if !has_field(name)? {
            return Err(format!("the content did not see {name}"));
        }
    }
    Ok(())
}

fn compare_challenge(seen: &Seen, expect: &Expect) -> Result<(), String> {
    let challenge = seen.header(CHALLENGE_HEADER)?.unwrap_or_default();
    contains(CHALLENGE_HEADER, challenge, &expect.challenge)?;
    if expect.challenge_request.is_empty() {
        return Ok(());
    }
    let challenge = challenges_in(challenge).pop().ok_or("there is no challenge")?;
    contains("request", &decoded(&challenge.request)?, &expect.challenge_request)
}

fn compare_logs(seen: &Seen, expect: &Expect) -> Result<(), String> {
    contains("log", &seen.log, expect.log.as_slice())?;
    contains("event", &seen.event, expect.event.as_slice())
}

fn same(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:.400?}"))
}

/// A list with one space after each comma: servers that join lists differ in their spaces.
fn evenly(value: &str) -> String {
    value.split(',').map(str::trim).collect::<Vec<_>>().join(", ")
}

fn contains(what: &str, found: &str, pieces: &[String]) -> Result<(), String> {
    let missing = pieces.iter().find(|piece| !found.contains(*piece));
    missing.map_or(Ok(()), |piece| Err(format!("{what}: {piece:?} is not in {found:?}")))
}

/// The text in a base64url value.
fn decoded(value: &str) -> Result<String, String> {
    let bytes = URL_SAFE_NO_PAD.decode(value).map_err(|error| format!("{value:?}: {error}"))?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
